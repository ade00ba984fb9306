"""The ring of ticks and the board of latest values, in memory that other processes can map.

``layout`` draws the memory, ``memory`` reserves and maps it, ``writer`` and ``view`` are the readable reference (one
process), ``reader`` takes ticks by its ``policy`` (``conflation``: the newest of each instrument), ``seats`` is where
readers announce themselves and sleep, ``bell`` wakes them. ``mailbox`` carries messages the other way.
"""
