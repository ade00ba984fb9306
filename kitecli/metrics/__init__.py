"""Figures that a feed and its readers leave in shared memory for anybody to read, at no cost to the feed.

``stages`` names what is timed, ``histogram`` counts it, ``tally`` times it, ``layout`` draws the file, ``block`` writes
and reads it.
"""
