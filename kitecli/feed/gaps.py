"""A connection's outages: each is one gap, however many attempts it took to end it. Sans I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kitecli.market.gap import Gap


class GapBook:
    """One connection's outages. An outage is known by (connection, from_ns) from its beginning to its end."""

    def __init__(self, connection: int) -> None:
        self.count = 0
        self._connection = connection
        self._open: Gap | None = None

    def begin(self, from_ns: int, tokens: Iterable[int], cause: str) -> Gap | None:
        """The outage that begins; None where one is under way, of which this is a part."""
        if self._open is not None:
            return None
        self.count += 1
        self._open = Gap(self._connection, tuple(tokens), from_ns, None, cause)
        return self._open

    def end(self, to_ns: int, tokens: Iterable[int]) -> Gap | None:
        """The outage that is over, with ``tokens`` asked for meanwhile added to it; None where there was none."""
        if self._open is None:
            return None
        missed = tuple(dict.fromkeys((*self._open.tokens, *tokens)))
        ended, self._open = replace(self._open, tokens=missed, to_ns=to_ns), None
        return ended
