"""Faults on demand between clients and the simulated exchange: ``kite sim --faults SCRIPT``.

``kinds`` says what can be done, ``script`` reads it from YAML, ``schedule`` says when it is due, ``frames`` finds the
websocket frames of a stream, ``damage`` spoils them, ``outlet`` slows them down, ``truth`` writes down what was done
(all of these sans I/O); ``certificates`` makes the bad servers' papers; ``entrance``, ``link`` and ``proxy`` are the
sockets.
"""
