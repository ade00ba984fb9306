"""Finds instruments by token and by the names people type, in a day's index. Upper and lower case are the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from difflib import get_close_matches
from fnmatch import translate
from functools import cache, cached_property
from heapq import nlargest, nsmallest
from typing import Final

from kitecli.errors import SubscriptionError, UnknownInstrument
from kitecli.market.columns import index_of_rows
from kitecli.market.index import MasterIndex
from kitecli.market.instruments import DERIVATIVE_TYPES, Instrument

# Where a bare symbol is looked for first: most people who type INFY mean the National Stock Exchange.
PREFERRED_EXCHANGES: Final = ("NSE", "BSE")

NEAREST_COUNT: Final = 3
# difflib takes 20 us a pair, too slow for every symbol: it orders the few hundred that a cheap score leaves.
CANDIDATE_LIMIT: Final = 300
NEAREST_CUTOFF: Final = 0.6
SLIP_CUTOFF: Final = 0.85  # one letter off or a space too few: likelier meant than a company of that name
CONTRACT_DIGITS: Final = 3  # NIFTY26FEB25000CE reads as a contract, NIFTY 50 does not


class InstrumentBook:
    """A day's instruments, by row number in the master's order, by token and by name.

    A look-up is a binary search of a few microseconds; a row becomes an :class:`Instrument` when it is asked for.
    """

    def __init__(self, rows: Iterable[Instrument] = (), *, index: MasterIndex | None = None) -> None:
        self.index = index_of_rows(rows) if index is None else index

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[Instrument]:
        return map(self.row, range(len(self.index)))

    def row(self, number: int) -> Instrument:
        """The instrument of a row."""
        index = self.index
        kind, segment, exchange = index.kind(number)
        expiry = index.column("expiry")[number]
        return Instrument(
            index.token(number),
            index.exchange_token(number),
            index.symbol(number),
            index.name(number),
            index.real("last_price")[number],
            date.fromordinal(expiry) if expiry else None,
            index.real("strike")[number],
            index.real("tick_size")[number],
            index.column("lot_size")[number],
            kind,
            segment,
            exchange,
        )

    def get(self, token: int) -> Instrument | None:
        """The instrument of a token, or None."""
        return next(map(self.row, self.index.rows_of_token(token)), None)

    def of_exchange_token(self, text: str) -> list[Instrument]:
        """The instruments with an exchange's own token; several exchanges may use the same."""
        return [self.row(number) for number in self.index.rows_of_exchange_token(text)]

    def find(self, name: str) -> Instrument | None:
        """The instrument of ``NSE:INFY``, ``infy`` or ``NIFTY 50``; None where there is none.

        :raises SubscriptionError: a bare symbol that several exchanges have and NSE and BSE have not.
        """
        exchange, colon, symbol = _normal(name).partition(":")
        if colon:
            return self._at(exchange, symbol)
        found = self._everywhere(exchange)
        for row in found:
            if row.exchange in PREFERRED_EXCHANGES:
                return row
        if len(found) > 1:
            raise _ambiguous(name, found)
        return found[0] if found else None

    def resolve(self, name: str) -> Instrument:
        """Like :meth:`find`, but a miss is an error that names the nearest.

        :raises UnknownInstrument: no such symbol.
        :raises SubscriptionError: as :meth:`find`.
        """
        found = self.find(name)
        if found is None:
            near = self.nearest(name)
            raise UnknownInstrument(
                f"No instrument is called {name!r}",
                why="the day's instrument master doesn't list it",
                hint=f"Nearest: {', '.join(near)}" if near else "Write it as EXCHANGE:SYMBOL, for example NSE:INFY",
            )
        return found

    def match(self, pattern: str) -> list[int]:
        """Rows whose ``EXCHANGE:SYMBOL`` fits a shell pattern, in the master's order; without a colon in any."""
        wanted = pattern.strip().upper()
        fits = re.compile(translate(wanted if ":" in wanted else f"*:{wanted}")).match
        return [number for number, key in enumerate(self.keys) if fits(key)]

    def contracts_on(self, exchange: str, name: str) -> list[int]:
        """Rows of the contracts on an underlying, both in upper case.

        A contract's symbol begins with the underlying and the year it expires in, as ``NIFTY26FEBFUT`` does; the name
        column of copies from elsewhere often holds a company's full name instead.
        """
        expiries = self.index.column("expiry")
        years = sorted({_year(ordinal) for ordinal in set(expiries.tolist()) if ordinal})
        return [row for year in years for row in self.index.rows_beginning(exchange, name + year) if expiries[row]]

    def underlyings(self, exchange: str) -> list[str]:
        """What an exchange's contracts are on, in upper case."""
        index, expiries = self.index, self.index.column("expiry")
        low, high = index.exchanges().get(exchange, (0, 0))
        rows = (row for row in index.column("by_key")[low:high].tolist() if expiries[row])
        return sorted({index.symbol(row).upper().partition(_year(expiries[row]))[0] for row in rows})

    def search(self, text: str, limit: int = 20) -> list[Instrument]:
        """Instruments whose symbol and name hold every word of ``text``, likeliest first; else the nearest by spelling.

        Shares and indices stand before contracts, sooner expiries before later ones.
        """
        words = text.upper().replace(":", " ").split()
        if not words:
            return []
        names = [word.upper() for word in self.index.words()]
        numbers = self.index.column("name").tolist()
        found = [
            row
            for row, key in enumerate(self.keys)
            if all(word in key or word in names[numbers[row]] for word in words)
        ]
        best = nsmallest(limit, found, key=lambda row: self._rank(row, words))
        if best:
            return [self.row(number) for number in best]
        return [row for key in self.nearest(text, limit) if (row := self.find(key))]

    def nearest(self, name: str, count: int = NEAREST_COUNT) -> list[str]:
        """Up to ``count`` keys ``name`` may have meant, best first: the symbol elsewhere, a company's name, a slip."""
        exchange, _, symbol = _normal(name).rpartition(":")
        elsewhere = self._everywhere(symbol)
        if elsewhere:
            return [row.key for row in elsewhere[:count]]
        pool = self._pool(symbol)
        named = [other for other, row in pool.items() if self._is_company(row, symbol)]
        candidates = nlargest(CANDIDATE_LIMIT, pool, key=lambda other: _likeness(symbol, other))
        close = get_close_matches(symbol, candidates, count, NEAREST_CUTOFF)
        slip = get_close_matches(symbol, close, 1, SLIP_CUTOFF)
        found = dict.fromkeys([*slip, *sorted(named, key=len), *close])
        return [_preferred(self._everywhere(other), exchange).key for other in found][:count]

    def _at(self, exchange: str, symbol: str) -> Instrument | None:
        return next(map(self.row, self.index.rows_of_key(exchange, symbol)), None)

    def _everywhere(self, symbol: str) -> list[Instrument]:
        """One instrument of each exchange that lists a symbol, the preferred exchanges first."""
        names = sorted(self.index.exchanges(), key=_preference)
        return [row for name in names if (row := self._at(name, symbol))]

    @cached_property
    def keys(self) -> list[str]:
        """Every key in upper case, in the master's order."""
        index = self.index
        prefixes = [f"{index.kind_words(number)[2]}:" for number in range(index.kind_count())]
        at, text = index.column("symbol_at").tolist(), bytes(index.column("symbol_text"))
        kinds = index.column("kind").tolist()
        spans = zip(kinds, at, at[1:], strict=False)
        return [(prefixes[kind] + text[start:end].decode()).upper() for kind, start, end in spans]

    def _pool(self, symbol: str) -> dict[str, int]:
        """Symbols worth comparing: contracts that begin alike if it reads as a contract, else all that never expire."""
        index = self.index
        if sum(map(str.isdigit, symbol)) >= CONTRACT_DIGITS:
            starts = (index.rows_beginning(exchange, symbol[:2]) for exchange in index.exchanges())
            return {index.symbol(row).upper(): row for rows in starts for row in rows}
        lasting = [index.kind_words(number)[0] not in DERIVATIVE_TYPES for number in range(index.kind_count())]
        pairs = zip(self.keys, index.column("kind").tolist(), strict=True)
        pool: dict[str, int] = {}
        for row, (key, kind) in enumerate(pairs):
            if lasting[kind]:
                pool.setdefault(key.partition(":")[2], row)
        return pool

    def _is_company(self, row: int, name: str) -> bool:
        """Whether ``name`` begins the name of the company behind a symbol, as INFOSYS does for INFY."""
        return len(name) > 3 and self.index.name(row).upper().startswith(name)

    def _rank(self, row: int, words: Sequence[str]) -> tuple[bool, bool, bool, int, int, int]:
        exchange, _, symbol = self.keys[row].partition(":")
        name = self.index.name(row).upper()
        return (
            symbol not in words,
            self.index.kind(row)[0] in DERIVATIVE_TYPES,
            not (symbol.startswith(words[0]) or name.startswith(words[0])),
            _preference(exchange),
            self.index.column("expiry")[row],
            len(symbol),
        )


def _normal(name: str) -> str:
    exchange, colon, symbol = name.strip().upper().partition(":")
    return f"{exchange.strip()}:{symbol.strip()}" if colon else exchange


@cache
def _year(ordinal: int) -> str:
    return f"{date.fromordinal(ordinal).year % 100:02}"


def _preference(exchange: str) -> int:
    return PREFERRED_EXCHANGES.index(exchange) if exchange in PREFERRED_EXCHANGES else len(PREFERRED_EXCHANGES)


def _preferred(rows: Sequence[Instrument], exchange: str) -> Instrument:
    return next((row for row in rows if row.exchange.upper() == exchange), rows[0])


def _likeness(symbol: str, other: str) -> int:
    """A cheap order of likeness: letters in common and a common beginning, less the difference in length."""
    alike = len(set(symbol) & set(other)) - abs(len(symbol) - len(other))
    return alike + 2 * (other[:1] == symbol[:1]) + 4 * (other[:3] == symbol[:3])


def _ambiguous(name: str, found: Sequence[Instrument]) -> SubscriptionError:
    return SubscriptionError(
        f"{name!r} is ambiguous",
        why=f"{len(found)} exchanges list it: {', '.join(row.key for row in found)}",
        hint="Write the one you mean with its exchange",
    )
