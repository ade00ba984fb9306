"""Kite's websocket protocol, sans I/O: packet layouts, reference decoder, encoder and text messages."""
