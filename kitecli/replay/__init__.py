"""Recorded days again: :func:`iterate` in a program, ``kite replay`` for every reader of a feed; docs/replay.md."""

from kitecli.replay.iteration import ReplayBatch, iterate

__all__ = ["ReplayBatch", "iterate"]
