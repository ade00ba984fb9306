"""What is said while bars are waited for: which ones, and until when. No clock of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from kitecli.bars.intervals import Interval, Kind
from kitecli.bars.table import Bar
from kitecli.terminal.numbers import grouped

FIRST_TICK_S: Final = 3.0
"""An instrument without a tick for so long isn't waited for where others have bars."""
_NAMED: Final = 3


class Waiting:
    """``labels``: of the instruments whose first bar is waited for, by token."""

    def __init__(self, labels: Mapping[int, str], interval: Interval) -> None:
        self._labels = labels
        self._interval = interval
        self._told: set[int] = set()
        self._silent = False

    def over(self, have: Collection[int], forming: Collection[int], streamed_s: float) -> bool:
        """Whether there is no more to wait for: all have bars, or those that haven't don't trade.

        ``have``: tokens with bars; ``forming``: those with one at work; ``streamed_s``: since when ticks may come.
        """
        lacking = [token for token in self._labels if token not in have]
        if not lacking:
            return True
        return bool(have) and streamed_s >= FIRST_TICK_S and not any(token in forming for token in lacking)

    def words(self, have: Collection[int], forming: Mapping[int, Bar], streamed_s: float) -> Iterator[str]:
        """What hasn't been said yet."""
        lacking = [token for token in self._labels if token not in have]
        fresh = [token for token in lacking if token in forming and token not in self._told]
        self._told.update(fresh)
        for close in sorted({self._close(forming[token]) for token in fresh}):
            names = self._names([token for token in fresh if self._close(forming[token]) == close])
            yield f"the first {self._interval} bar of {names} closes {close}"
        silent = [token for token in lacking if token not in forming]
        if silent and streamed_s >= FIRST_TICK_S and not self._silent:
            self._silent = True
            yield f"no tick of {self._names(silent)} yet"

    def _close(self, bar: Bar) -> str:
        if self._interval.kind is Kind.TIME:
            return f"at {bar.end:%H:%M:%S} IST"
        what = "ticks" if self._interval.kind is Kind.TICKS else "are traded"
        return f"after {grouped(self._interval.size, 0)} {what}"

    def _names(self, tokens: Collection[int]) -> str:
        named = [self._labels[token] for token in tokens][:_NAMED]
        more = len(tokens) - len(named)
        return ", ".join(named) + (f" and {more:,} more" if more else "")
