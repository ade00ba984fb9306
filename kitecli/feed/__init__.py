"""Market data from the broker's sockets.

Sans I/O: ``subscriptions`` holds what is wanted and works out what to send, ``policy`` what to do after a failure,
``liveness`` whether a connection is alive, ``gaps`` its outages, ``ages`` which instruments have stopped ticking.
Around it: ``transport`` is the seam to the websocket library, ``address`` where the ticker is and with which token,
``connection`` one socket's life, ``pool`` the three of them, ``events`` what they tell.
"""
