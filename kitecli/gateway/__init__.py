"""The feed's own process: sockets and ring, and nothing Python-heavy besides.

``core`` is the feed on an event loop; ``process`` runs it in a child. ``handle`` starts that child, or a thread where
nothing was compiled: both say the same events and take the same requests (``spec``). ``feed`` is what a reader sees.
"""
