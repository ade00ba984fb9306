"""The feed's own process: sockets and ring, and nothing Python-heavy besides.

``core`` is the feed on an event loop, ``process`` runs it in a child, ``embedded`` in a thread; ``launcher`` starts the
one that this machine can have. Both speak the same events and take the same requests (``spec``).
"""
