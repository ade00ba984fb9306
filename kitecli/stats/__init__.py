"""A running feed's figures for people and for programs, read from shared memory: the feed is asked nothing.

``looking`` copies what there is, ``rates`` sets two looks side by side, ``memory`` measures who holds how much,
``exposition`` and ``serving`` are for Prometheus.
"""
