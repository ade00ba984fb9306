"""Why volumes of two makers of bars differ: where theirs counts an auction, what an outage hid, what fell next door.

A difference is counted as theirs minus ours. What one bar lacks and its neighbour has too much moved over the
boundary: a run of differing bars whose differences sum to nothing is explained, one that leaves a rest is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from kitecli.bars.audit_causes import Cause, Verdict
from kitecli.bars.audit_pairs import Evidence, Pair


class Volumes:
    """``verdicts``: of each pair whose volumes differ, by its number. ``moved``: how much volume of theirs before the
    pair's end stands in our later bars; negative where it stands in earlier ones."""

    def __init__(self, pairs: Sequence[Pair], evidence: Evidence) -> None:
        self.verdicts: dict[int, Verdict] = {}
        self.moved: dict[int, int] = {}
        self._pairs = pairs
        self._evidence = evidence
        self._rest = [pair.surplus for pair in pairs]
        self._barriers: set[int] = set()
        self._unsettled()
        self._auctions()
        self._outages()
        self._joins()
        for run in list(self._runs()):
            self._explain_run(run)

    def _unsettled(self) -> None:
        for number, pair in enumerate(self._pairs):
            if not self._evidence.settles(pair.end):
                self._say(number, Verdict(Cause.UNSETTLED, "the candle may still change"))
                self._close(number)

    def _auctions(self) -> None:
        for number, pair in enumerate(self._pairs):
            for name, volume in _auction_volumes(pair):
                if self._rest[number] == volume:
                    self._say(number, Verdict(Cause.AUCTION, f"theirs counts the {volume:,} of the {name}"))
                    self._rest[number] = 0
                    break

    def _outages(self) -> None:
        """Bars of one outage together: what was traded in it stands in the first bar after it."""
        for region in _groups([self._is_dark(number) for number in range(len(self._pairs))]):
            left = sum(self._rest[number] for number in region)
            for number in region:
                self._say(number, dark(self._pairs[number], self._evidence))
                self._rest[number] = 0
            if left > 0 and self._pairs[region[0]].flagged("partial"):
                self._close(region[-1])
            else:
                self._rest[region[-1 if left > 0 else 0]] = left  # it may have moved over the outage's edge

    def _joins(self) -> None:
        for number, pair in enumerate(self._pairs):
            if self._rest[number] > 0 and pair.flagged("partial"):
                self._say(number, Verdict(Cause.PARTIAL, "we came later than its start"))
                self._close(number)

    # Runs

    def _runs(self) -> Iterator[list[int]]:
        """Bars next to each other that all differ."""
        run: list[int] = []
        for number, pair in enumerate(self._pairs):
            if run and (not self._rest[number] or self._pairs[run[-1]].end != pair.start):
                yield run
                run = []
            if self._rest[number]:
                run.append(number)
        if run:
            yield run

    def _explain_run(self, run: list[int]) -> None:
        came, goes = self._beyond(run)
        moved = list(accumulate(self._rest[number] for number in run))
        left = moved[-1]
        if left < 0 and came:
            moved = [amount - left for amount in moved]
        if (left == 0 or (left < 0 and came) or (left > 0 and goes)) and self._have_room(run, moved):
            self._shift(run, moved)
            return
        culprit = max(run, key=lambda number: abs(self._rest[number]))
        if left:
            culprit = min(run, key=lambda number: abs(self._rest[number] - left))
        self.verdicts[culprit] = Verdict(Cause.UNEXPLAINED, _unmatched(left or self._rest[culprit]))
        rest = self._rest[culprit] - left
        self._rest[culprit] = rest if abs(rest) < abs(self._rest[culprit]) else 0
        for part in _split(run, culprit, keep=bool(self._rest[culprit])):
            self._explain_run(part)

    def _beyond(self, run: list[int]) -> tuple[bool, bool]:
        """Whether volume may have come into the run from before it, and gone to after it: where we can't look."""
        before, after = run[0] - 1, run[-1] + 1
        return before < 0 or before in self._barriers, after == len(self._pairs) or after in self._barriers

    def _have_room(self, run: list[int], moved: Sequence[int]) -> bool:
        """Whether what moved is no more than stands where it moved to."""
        for number, amount in zip(run, moved, strict=True):
            to = number + 1 if amount > 0 else number
            if to < len(self._pairs) and abs(amount) > _volume(self._pairs[to]):
                return False
        return True

    def _shift(self, run: list[int], moved: Sequence[int]) -> None:
        estimated = self._is_estimated(run)
        for number, amount in zip(run, moved, strict=True):
            self.moved[number] = amount
            self._say(number, _OVER_THE_BOUNDARY[estimated])

    # What they share

    def _say(self, number: int, verdict: Verdict) -> None:
        if self._pairs[number].surplus:
            self.verdicts.setdefault(number, verdict)

    def _close(self, number: int) -> None:
        self._rest[number] = 0
        self._barriers.add(number)

    def _is_dark(self, number: int) -> bool:
        """Whether ticks were missed in it: a bar that isn't there may have been lost in the gap the next one tells."""
        pair = self._pairs[number]
        if pair.ours is None:
            following = next((one for one in self._pairs[number:] if one.ours is not None), pair)
            return following.flagged("gap") or pair.outage(self._evidence) is not None
        return pair.flagged("gap") or pair.outage(self._evidence) is not None

    def _is_estimated(self, run: Sequence[int]) -> bool:
        """Whether a bar of them was placed by our clock."""
        return any(self._pairs[number].flagged("estimated") for number in run)


_OVER_THE_BOUNDARY: Final = {
    True: Verdict(Cause.ESTIMATED, "placed by when we received it: its neighbour has the opposite difference"),
    False: Verdict(
        Cause.MISSING_TICK, "told with the next bar's first tick: its neighbour has the opposite difference"
    ),
}


def _unmatched(left: int) -> str:
    return f"no auction, outage or neighbour accounts for {abs(left):,} {'more' if left > 0 else 'less'} of theirs"


def _split(run: list[int], culprit: int, *, keep: bool) -> Iterator[list[int]]:
    at = run.index(culprit)
    parts = (run,) if keep else (run[:at], run[at + 1 :])
    return (part for part in parts if part)


def dark(pair: Pair, evidence: Evidence) -> Verdict:
    """What is said of a bar that an outage touches."""
    outage = pair.outage(evidence)
    return Verdict(Cause.GAP, outage.words if outage else "ticks were missed in it or right before it")


def _auction_volumes(pair: Pair) -> Iterator[tuple[str, int]]:
    """What an auction next to it may have added."""
    before, after = (sum(bar.volume or 0 for bar in bars) for bars in (pair.before, pair.after))
    named = ("opening auction", before), ("closing auction", after), ("auctions", before + after)
    return ((name, volume) for name, volume in named if volume)


def _groups(marks: Sequence[bool]) -> Iterator[list[int]]:
    """The numbers of marks that stand, together where they adjoin."""
    group: list[int] = []
    for number, mark in enumerate(marks):
        if mark:
            group.append(number)
        elif group:
            yield group
            group = []
    if group:
        yield group


def _volume(pair: Pair) -> int:
    return (pair.ours.volume if pair.ours else 0) or 0
