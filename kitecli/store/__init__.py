"""Recordings: every message as it came, kept so that what was acknowledged is never lost and never wrong.

docs/format.md draws the files. ``recorder`` writes them, ``recording`` reads them, ``recovery`` finds what is whole.
"""
