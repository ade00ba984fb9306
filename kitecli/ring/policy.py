"""What a reader that can't keep up would rather miss: its policy, chosen per reader.

The writer never waits for anybody, so each reader decides what becomes of the ticks it has no time for. Whatever the
policy, ``delivered + conflated + lost`` is what was produced since it started, exactly.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Policy(StrEnum):
    """Their order is their number on the seat's page."""

    EVERY = "every"
    """Each tick in its order; what was overwritten before it could be read is lost. For recorders."""

    LATEST = "latest"
    """The newest tick of each instrument; the ones it replaced are conflated. For strategies."""

    DROP_OLDEST = "drop-oldest"
    """Each tick in its order, but never from far behind: older ones are skipped, and lost. For screens."""


POLICIES: Final = tuple(Policy)
