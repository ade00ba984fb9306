"""Market data from the broker's sockets.

``subscriptions`` holds what is wanted and works out what to send, ``policy`` what to do after a failure (sans I/O);
``transport`` is the seam to the websocket library, ``connection`` one socket's life, ``pool`` the three of them.
"""
