"""What is said while bars are waited for: which ones, and until when. No clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from kitecli.bars.intervals import Interval, Kind
from kitecli.bars.table import Bar
from kitecli.terminal.numbers import counted

TELL_S: Final = 1.0
"""A shorter wait is not worth a word."""
FIRST_TICK_S: Final = 3.0
"""An instrument without a tick for so long isn't waited for where others have bars, or its exchange is closed."""
_NAMED: Final = 3


class Waiting:
    """``labels``: of the instruments whose first bar is waited for, by token.

    ``closed``: of an instrument by its label, until when its exchange is closed, in words; empty where it isn't.
    """

    def __init__(
        self, labels: Mapping[int, str], interval: Interval, closed: Callable[[str], str] = lambda _: ""
    ) -> None:
        self._labels = labels
        self._interval = interval
        self._closed = closed
        self._told: set[int] = set()
        self._silent = False

    def over(self, have: Collection[int], forming: Collection[int], streamed_s: float) -> bool:
        """Whether there is no more to wait for: all have bars, or those that haven't don't trade.

        ``have``: tokens with bars; ``forming``: those with one at work; ``streamed_s``: since when ticks may come.
        """
        lacking = [token for token in self._labels if token not in have]
        if not lacking:
            return True
        if streamed_s < FIRST_TICK_S or any(token in forming for token in lacking):
            return False
        return bool(have) or self.closed(lacking) != ""

    def closed(self, tokens: Collection[int]) -> str:
        """Until when the exchanges of these are closed; empty where one isn't."""
        words = [self._closed(self._labels[token]) for token in tokens]
        return ", ".join(dict.fromkeys(words)) if all(words) else ""

    def words(self, have: Collection[int], forming: Mapping[int, Bar], streamed_s: float) -> Iterator[str]:
        """What is to be said now, each thing once."""
        lacking = [token for token in self._labels if token not in have]
        fresh = [token for token in lacking if token in forming and token not in self._told]
        if streamed_s >= TELL_S:
            self._told.update(fresh)
            yield from self._closes(forming, fresh)
        silent = [token for token in lacking if token not in forming]
        if silent and streamed_s >= FIRST_TICK_S and not self._silent:
            self._silent = True
            closed = self.closed(silent)
            yield f"no tick of {self._names(silent)} yet" + (f": {closed}" if closed else "")

    def _closes(self, forming: Mapping[int, Bar], tokens: Collection[int]) -> Iterator[str]:
        for close in sorted({self._close(forming[token]) for token in tokens}):
            together = [token for token in tokens if self._close(forming[token]) == close]
            bars, closes = ("bar", "closes") if len(together) == 1 else ("bars", "close")
            yield f"the first {self._interval} {bars} of {self._names(together)} {closes} {close}"

    def _close(self, bar: Bar) -> str:
        if self._interval.kind is Kind.TIME:
            return f"at {bar.end:%H:%M:%S} IST"
        what = "ticks" if self._interval.kind is Kind.TICKS else "are traded"
        return f"after {counted(self._interval.size)} {what}"

    def _names(self, tokens: Collection[int]) -> str:
        named = [self._labels[token] for token in tokens][:_NAMED]
        more = len(tokens) - len(named)
        return ", ".join(named) + (f" and {more:,} more" if more else "")
