"""The daily login: three ways to a request token, a session for it, and where the session is kept.

``steps``, ``headless`` and ``hold`` decide and know no socket; ``listener``, ``browser`` and ``web`` are the sockets.
"""
