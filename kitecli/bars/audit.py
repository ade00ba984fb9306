"""Explains where our bars and the broker's candles differ.

Neither is the truth: we see the updates the broker sends, some a second, and it makes candles of every trade, and
mends them. So each difference is given the cause that what is known of it proves or allows, the surest first;
what no cause allows is said to be unexplained. docs/audit-bars.md has the causes with their evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isclose
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.audit_causes import Cause, Verdict
from kitecli.bars.audit_pairs import Candle, Evidence, Pair, paired
from kitecli.bars.audit_volumes import Volumes, dark
from kitecli.bars.table import Bar

PRICES: Final = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Difference:
    """One value of one bar. ``field``: a price, ``volume``, or ``bar`` where only one of us has one.

    ``ours`` and ``theirs``: rupees, or shares; of a bar its volume; None where there is none.
    """

    start: datetime
    field: str
    ours: float | None
    theirs: float | None
    cause: Cause
    why: str


@dataclass(frozen=True, slots=True)
class Audit:
    """``pairs``: spans compared; ``equal``: those without any difference."""

    pairs: int
    equal: int
    differences: list[Difference]

    @property
    def unexplained(self) -> int:
        return sum(one.cause is Cause.UNEXPLAINED for one in self.differences)


def audit(table: NDArray[np.void], candles: Iterable[Candle], evidence: Evidence) -> Audit:
    """Compare TABLE_DTYPE (n,) of one instrument, with its auctions, with the candles of the same time.

    From our first closed bar to our last; open interest is not compared. With a bar's earlier revisions in the
    table, what its late ticks changed is told too.
    """
    pairs = paired(table, candles, evidence.interval)
    comparison = _Comparison(pairs, evidence)
    found = [list(comparison.differences(number)) for number in range(len(pairs))]
    return Audit(len(pairs), sum(not one for one in found), [difference for one in found for difference in one])


class _Comparison:
    """Pairs, with what their volumes tell."""

    def __init__(self, pairs: Sequence[Pair], evidence: Evidence) -> None:
        self.pairs = pairs
        self.evidence = evidence
        self.volumes = Volumes(pairs, evidence)

    def differences(self, number: int) -> Iterator[Difference]:
        pair = self.pairs[number]
        if pair.ours is None or pair.theirs is None:
            if (verdict := self._lone(number)) is not None:
                yield Difference(pair.start, "bar", _volume(pair.ours), _volume(pair.theirs), *verdict)
            return
        yield from _late(pair, pair.theirs)
        for name in PRICES:
            ours, theirs = getattr(pair.ours, name), getattr(pair.theirs, name)
            if not _same(ours, theirs):
                verdict = next(filter(None, (explain(self, number, name) for explain in _EXPLANATIONS)), _NONE)
                yield Difference(pair.start, name, ours, theirs, *verdict)
        if pair.surplus:
            yield Difference(pair.start, "volume", pair.ours.volume, pair.theirs.volume, *self.volumes.verdicts[number])

    def neighbours(self, number: int) -> Iterator[tuple[Pair, int]]:
        """The pairs beside one that volume moved to or from, and by how much."""
        moved = self.volumes.moved
        if number and moved.get(number - 1):
            yield self.pairs[number - 1], moved[number - 1]
        if number + 1 < len(self.pairs) and moved.get(number):
            yield self.pairs[number + 1], moved[number]

    def _lone(self, number: int) -> Verdict | None:
        """Why only one of us has a bar."""
        pair = self.pairs[number]
        if not self.evidence.settles(pair.end):
            return Verdict(Cause.UNSETTLED, "the broker may not have it yet")
        if pair.ours is None and pair.outage(self.evidence):
            return dark(pair, self.evidence)
        if _nothing_traded(pair):
            return Verdict(Cause.NO_TRADE, "nothing was traded in it: one of us carries the last price on")
        return self.volumes.verdicts.get(number, _NONE)


_NONE: Final = Verdict(Cause.UNEXPLAINED, "no cause that is known allows it")
_Explanation: TypeAlias = Callable[[_Comparison, int, str], Verdict | None]


def _late(pair: Pair, theirs: Candle) -> Iterator[Difference]:
    """What was different when the bar was closed, and isn't any more."""
    assert pair.ours is not None  # paired with theirs
    for name in (*PRICES, "volume"):
        first = getattr(pair.earlier[0] if pair.earlier else pair.ours, name)
        now, wanted = getattr(pair.ours, name), getattr(theirs, name)
        if first is not None and not _same(first, wanted) and _same(now, wanted):
            why = f"a tick came after it had been closed; its revision {pair.ours.revision} agrees"
            yield Difference(pair.start, name, first, wanted, Cause.LATE, why)


# Why a price differs: each looks at one pair and price, and says nothing where it doesn't know.


def _unsettled(of: _Comparison, number: int, _: str) -> Verdict | None:
    settled = of.evidence.settles(of.pairs[number].end)
    return None if settled else Verdict(Cause.UNSETTLED, "the candle may still change")


def _opening(of: _Comparison, number: int, name: str) -> Verdict | None:
    """Their open is the auction's price; so may be their high or low."""
    pair = of.pairs[number]
    theirs = pair.theirs
    if theirs is None or not pair.opens_day or name == "close":
        return None
    prices = {bar.close for bar in pair.before} | {of.evidence.day_opens.get(pair.start.date())}
    if theirs.open not in prices or getattr(theirs, name) != theirs.open:
        return None
    volume = of.volumes.verdicts.get(number)
    if volume is not None and volume.cause is Cause.AUCTION:
        return Verdict(Cause.AUCTION, f"theirs begins with the opening auction, at {theirs.open:,.2f}")
    return Verdict(Cause.OPEN_CORRECTED, f"theirs is set to the opening auction's price, {theirs.open:,.2f}")


def _closing(of: _Comparison, number: int, name: str) -> Verdict | None:
    """Their last price is the closing auction's."""
    pair, value = of.pairs[number], getattr(of.pairs[number].theirs, name)
    if name == "open" or not any(value in (bar.high, bar.low, bar.close) for bar in pair.after):
        return None
    return Verdict(Cause.AUCTION, f"theirs counts the closing auction, at {value:,.2f}")


def _gap(of: _Comparison, number: int, name: str) -> Verdict | None:
    pair = of.pairs[number]
    if not _could_be_part(pair, name) or not (pair.flagged("gap") or pair.outage(of.evidence)):
        return None
    return dark(pair, of.evidence)


def _repeated(of: _Comparison, number: int, name: str) -> Verdict | None:
    """A tick that changed the book alone repeats the last price of the bar before."""
    pair = of.pairs[number]
    ours, previous = pair.ours, pair.previous
    if ours is None or previous is None or name == "close" or _could_only_be_part(pair, name):
        return None
    if getattr(ours, name) != previous.close or ours.open != previous.close:
        return None
    return Verdict(Cause.NO_TRADE, f"our first tick repeats the last price, {previous.close:,.2f}, without a trade")


def _moved(of: _Comparison, number: int, name: str) -> Verdict | None:
    """The trade that made the price stands in the bar beside it, as volume does."""
    pair = of.pairs[number]
    for beside, _ in of.neighbours(number):
        ours, theirs = getattr(pair.ours, name), getattr(pair.theirs, name)
        if _holds(beside.ours, theirs) or _holds(beside.theirs, ours):
            return of.volumes.verdicts.get(number) or _BESIDE
    if pair.ours is not None and pair.ours.volume is None and pair.flagged("estimated"):
        return _moved_unseen(of, number, name)
    return None


def _moved_unseen(of: _Comparison, number: int, name: str) -> Verdict | None:
    """Without volume: the bar beside it has the price that is missing here, or their candle the one too many."""
    pair = of.pairs[number]
    for beside in of.pairs[max(number - 1, 0) : number + 2]:
        if beside is not pair and (
            _holds(beside.ours, getattr(pair.theirs, name)) or _holds(beside.theirs, getattr(pair.ours, name))
        ):
            return _BESIDE
    return None


def _joined(of: _Comparison, number: int, name: str) -> Verdict | None:
    pair = of.pairs[number]
    if name == "close" or not pair.flagged("partial") or not _could_be_part(pair, name):
        return None
    return Verdict(Cause.PARTIAL, "we came later than its start")


def _conflated(of: _Comparison, number: int, name: str) -> Verdict | None:
    pair = of.pairs[number]
    return Verdict(Cause.MISSING_TICK, _CONFLATED[name]) if _could_be_part(pair, name) else None


_BESIDE: Final = Verdict(Cause.ESTIMATED, "placed by when we received it: the bar beside it has that price")
_CONFLATED: Final = {
    "open": "its first trade never came as a tick: the broker sends some updates a second",
    "high": "that price never came as a tick: the broker sends some updates a second",
    "low": "that price never came as a tick: the broker sends some updates a second",
    "close": "its last trade never came as a tick: the broker sends some updates a second",
}
_EXPLANATIONS: Final[tuple[_Explanation, ...]] = (
    _unsettled,
    _opening,
    _closing,
    _gap,
    _joined,
    _repeated,
    _moved,
    _conflated,
)


def _could_be_part(pair: Pair, name: str) -> bool:
    """Whether ours is what somebody sees who sees only some of the trades in theirs."""
    ours, theirs = pair.ours, pair.theirs
    if ours is None or theirs is None:
        return False
    if name in ("high", "low"):
        return _could_only_be_part(pair, name)
    price: float = getattr(ours, name)
    return theirs.low <= price <= theirs.high


def _could_only_be_part(pair: Pair, name: str) -> bool:
    """Whether they saw a price beyond all of ours."""
    ours, theirs = pair.ours, pair.theirs
    if ours is None or theirs is None:
        return False
    return (name == "high" and theirs.high > ours.high) or (name == "low" and theirs.low < ours.low)


def _holds(one: Bar | Candle | None, price: float) -> bool:
    return one is not None and one.low <= price <= one.high


def _nothing_traded(pair: Pair) -> bool:
    """Whether the one there is, is a price carried on."""
    one = pair.ours or pair.theirs
    assert one is not None  # there is one
    if one.volume or not one.open == one.high == one.low == one.close:
        return False
    return pair.previous is None or _same(one.close, pair.previous.close)


def _volume(one: Bar | Candle | None) -> int | None:
    return None if one is None else one.volume


def _same(ours: float, theirs: float) -> bool:
    return isclose(ours, theirs, rel_tol=0, abs_tol=1e-6)
