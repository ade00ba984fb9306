"""The outages a gateway and its readers remember. Sans I/O.

Three thousand instruments stand in every record of a connection's outage, mostly the same ones as in the last: equal
lists are kept once, or a day of a bad line would take 100 MB.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final, TypedDict

from kitecli.market.gap import Gap

GAPS_KEPT: Final = 1_000
PAGE_TOKENS: Final = 6_000
"""Of one answer: written in half a millisecond."""


class GapRecord(TypedDict):
    """A gap in JSON. ``number`` counts a gateway's gaps from 1; it stays when a gap ends."""

    number: int
    connection: int
    tokens: list[int]
    from_ns: int
    to_ns: int | None
    cause: str
    sequence: int | None


def gap_of(record: GapRecord) -> Gap:
    """The gap a record tells of."""
    return Gap(
        record["connection"],
        tuple(record["tokens"]),
        record["from_ns"],
        record["to_ns"],
        record["cause"],
        record["sequence"],
    )


def record_of(number: int, gap: Gap) -> GapRecord:
    return GapRecord(
        number=number,
        connection=gap.connection,
        tokens=list(gap.tokens),
        from_ns=gap.from_ns,
        to_ns=gap.to_ns,
        cause=gap.cause,
        sequence=gap.sequence,
    )


class GapLog:
    """The last ``kept`` gaps, each told of twice: when it begins and when it ends."""

    def __init__(self, kept: int = GAPS_KEPT) -> None:
        self._gaps: deque[tuple[int, Gap]] = deque(maxlen=kept)
        self._open: dict[tuple[int, int], int] = {}
        self.total = 0

    def add(self, gap: Gap) -> int:
        """Take a gap in, or the end of one that is known by its connection and beginning; returns its number."""
        key = (gap.connection, gap.from_ns)
        number = self._open.pop(key, 0)
        if number:
            self._replace(number, gap)
        else:
            self.total += 1
            number = self.total
            self._gaps.append((number, replace(gap, tokens=self._once(gap.tokens))))
        if gap.to_ns is None:
            self._open[key] = number
        return number

    def known(self) -> list[Gap]:
        """The gaps kept, in the order they began."""
        return [gap for _, gap in list(self._gaps)]  # of a copy: another thread may be adding one

    def open(self) -> list[GapRecord]:
        """The gaps that last, oldest first."""
        lasting = set(self._open.values())
        return [record_of(number, gap) for number, gap in self._gaps if number in lasting]

    def newest(self, count: int) -> list[dict[str, object]]:
        """The last ``count`` gaps, oldest first, with the number of instruments in the place of their tokens."""
        shown = list(self._gaps)[-count:]
        return [{**_without_tokens(number, gap), "instruments": len(gap.tokens)} for number, gap in shown]

    def page(self, after: int) -> dict[str, object]:
        """The gaps numbered above ``after``: as many as fit one answer, and what to ask for next, if there are more."""
        page: list[GapRecord] = []
        tokens = 0
        for number, gap in self._gaps:
            if number <= after:
                continue
            tokens += len(gap.tokens)
            if page and tokens > PAGE_TOKENS:
                return {"gaps": page, "next": page[-1]["number"]}
            page.append(record_of(number, gap))
        return {"gaps": page, "next": None}

    def _replace(self, number: int, gap: Gap) -> None:
        for at in range(len(self._gaps) - 1, -1, -1):
            if self._gaps[at][0] == number:
                self._gaps[at] = (number, replace(gap, tokens=self._once(gap.tokens)))
                return

    def _once(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        """An equal list that is kept already, or this one. The last few are asked: one for each connection."""
        for at in range(1, min(len(self._gaps), 6) + 1):
            if (known := self._gaps[-at][1].tokens) == tokens:
                return known
        return tokens


def _without_tokens(number: int, gap: Gap) -> dict[str, object]:
    return {name: value for name, value in record_of(number, gap).items() if name != "tokens"}
