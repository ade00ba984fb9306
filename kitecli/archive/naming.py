"""Names of a day's instruments, by the master that was recorded beside it: tokens are given out again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from kitecli.errors import DataError
from kitecli.market.book import InstrumentBook
from kitecli.market.selection import Wish, select, split_names
from kitecli.store.header import NO_MASTER
from kitecli.store.instruments import kept_book


class DayNames:
    """What a day's tokens were called. Without a master every token is its own name."""

    def __init__(self, book: InstrumentBook, why_not: str = "") -> None:
        self.book = book
        self.why_not = why_not
        """Why there is no master; empty where there is one."""

    @classmethod
    def of(cls, folder: Path, day: date, digest: bytes) -> DayNames:
        """By the master of ``digest``, its SHA-256, in a day's folder; without names where it isn't there."""
        if digest == NO_MASTER:
            return cls(InstrumentBook(), "no instrument master was recorded with it")
        try:
            return cls(kept_book(folder, day, digest))
        except DataError as problem:
            return cls(InstrumentBook(), problem.why)

    def labels(self, tokens: Iterable[int]) -> dict[int, str]:
        """token → ``NSE:INFY``, of those that have a name."""
        rows = ((token, self.book.get(token)) for token in tokens)
        return {token: row.key for token, row in rows if row is not None}

    def tokens(self, symbols: Sequence[str]) -> list[int]:
        """The instruments somebody named; none for no names. Tokens need no master.

        :raises DataError: a name, and there is no master. :raises UnknownInstrument: as ``select``.
        """
        wishes = [wish for symbol in symbols for wish in split_names(symbol)]
        if self.why_not:
            return list(_bare_tokens(wishes, self.why_not))
        chosen = select(self.book, wishes, limit=len(self.book)) if wishes else ()
        return [item.token for item in chosen]


class Labels(Mapping[int, str]):
    """token → ``NSE:INFY``, looked up when first asked for: a day's ticks are of few of its master's instruments."""

    def __init__(self, names: DayNames) -> None:
        self._names = names
        self._known: dict[int, str] = {}

    def __getitem__(self, token: int) -> str:
        if token not in self._known:
            self._known[token] = self._names.labels((token,)).get(token, "")
        if not self._known[token]:
            raise KeyError(token)
        return self._known[token]

    def __iter__(self) -> Iterator[int]:
        return (token for token, label in self._known.items() if label)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _bare_tokens(wishes: Iterable[Wish], why_not: str) -> Iterator[int]:
    for wish in wishes:
        if not (wish.name.isascii() and wish.name.isdigit() and int(wish.name) < 1 << 32):
            raise DataError(
                f"{wish.name!r} can't be looked up in this recording",
                why=why_not,
                hint="Name instruments by token, a number below 2^32",
            )
        yield int(wish.name)
