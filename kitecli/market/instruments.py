"""Instruments: the rows of Kite's master file, how it is read and written, and how people's names find them.

The file is a CSV of twelve columns, one row an instrument, newest at https://api.kite.trade/instruments each morning.
Tokens are reused by the exchange, so a master belongs to its day.
Source: Kite Connect v3, "Market quotes and instruments"; casts as the official Python client makes them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from heapq import nlargest
from operator import itemgetter
from typing import Final

from kitecli.errors import DataError, SubscriptionError, UnknownInstrument
from kitecli.market.segments import SEGMENTS

COLUMNS: Final = (
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)

DERIVATIVE_TYPES: Final = frozenset({"FUT", "CE", "PE"})

EXCHANGES: Final = frozenset(segment.exchange for segment in SEGMENTS.values())

# Where a bare symbol is looked for first: most people who type INFY mean the National Stock Exchange.
PREFERRED_EXCHANGES: Final = ("NSE", "BSE")

NEAREST_COUNT: Final = 3
# difflib takes 20 us a pair, too slow for every symbol: it orders the few hundred that a cheap score leaves.
CANDIDATE_LIMIT: Final = 300
NEAREST_CUTOFF: Final = 0.6
SLIP_CUTOFF: Final = 0.85  # one letter off or a space too few: likelier meant than a company of that name
CONTRACT_DIGITS: Final = 3  # NIFTY26FEB25000CE reads as a contract, NIFTY 50 does not

FETCH_AGAIN: Final = "Download the instrument master again"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One row of the master. Prices in rupees, ``lot_size`` in units, ``expiry`` None where nothing expires."""

    instrument_token: int
    exchange_token: str
    tradingsymbol: str
    name: str
    last_price: float
    expiry: date | None
    strike: float
    tick_size: float
    lot_size: int
    instrument_type: str
    segment: str
    exchange: str

    @property
    def key(self) -> str:
        """The name people and the quote interface use: ``NSE:INFY``."""
        return f"{self.exchange}:{self.tradingsymbol}"

    @property
    def is_derivative(self) -> bool:
        """True for futures and options, False for shares, funds, bonds and indices."""
        return self.instrument_type in DERIVATIVE_TYPES


def parse_instruments(text: str) -> list[Instrument]:
    """Read a master file.

    :raises DataError: not the CSV (an HTML or JSON error page), columns missing, a value that is none, or a file
        cut short: an interrupted download ends in the middle of a row and must not pass for a smaller market.
    """
    body = text.removeprefix("\ufeff").lstrip()
    reader = csv.reader(io.StringIO(body, newline=""))
    header = next(reader, [])
    positions = _column_positions(header, body)
    rows = list(_typed_rows(reader, len(header), positions))
    if not rows:
        raise DataError("The instrument master has no rows", why="it ends after its header", hint=FETCH_AGAIN)
    _refuse_cut_last_field(body, rows)
    return rows


def format_instruments(rows: Iterable[Instrument]) -> str:
    """Write rows as Kite's CSV, which the official client reads back to the same values."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        (
            row.instrument_token,
            row.exchange_token,
            row.tradingsymbol,
            row.name,
            row.last_price,
            row.expiry.isoformat() if row.expiry else "",
            row.strike,
            row.tick_size,
            row.lot_size,
            row.instrument_type,
            row.segment,
            row.exchange,
        )
        for row in rows
    )
    return out.getvalue()


def _column_positions(header: Sequence[str], body: str) -> list[int]:
    missing = [name for name in COLUMNS if name not in header]
    if not missing:
        return [header.index(name) for name in COLUMNS]
    first_line = body.split("\n", 1)[0].strip()[:160]
    if body[:1] in ("<", "{"):
        kind = "an HTML page" if body[:1] == "<" else "a JSON answer"
        raise DataError(
            "This is not an instrument master",
            why=f"it is {kind}, probably an error of the server or a proxy: {first_line}",
            hint=FETCH_AGAIN,
        )
    raise DataError(
        "The instrument master lacks " + ", ".join(missing[:4]) + (" …" if len(missing) > 4 else ""),
        why=f"its first line is {first_line!r}" if first_line else "the file is empty",
        hint=f"The columns are {','.join(COLUMNS)}",
    )


def _typed_rows(reader: Iterator[list[str]], width: int, positions: list[int]) -> Iterator[Instrument]:
    pick = itemgetter(*positions)
    expiry_of = _ExpiryCache()
    for line, fields in enumerate(reader, start=2):
        if len(fields) != width:
            if not fields:
                continue
            raise _bad_width(line, len(fields), width, next(reader, None) is None)
        token, exchange_token, symbol, name, last, expiry, strike, tick, lot, kind, segment, exchange = pick(fields)
        try:
            yield Instrument(
                int(token),
                exchange_token,
                symbol,
                name,
                float(last),
                expiry_of[expiry],
                float(strike),
                float(tick),
                int(lot),
                kind,
                segment,
                exchange,
            )
        except ValueError as error:
            raise _bad_value(line, pick(fields)) from error


class _ExpiryCache(dict[str, "date | None"]):
    """The master repeats some hundred dates 130,000 times."""

    def __missing__(self, text: str) -> date | None:
        value = _expiry(text)
        self[text] = value
        return value


def _expiry(text: str) -> date | None:
    if not text:
        return None
    # Only YYYY-MM-DD: 04-05-2024, as spreadsheets save it, could be April or May.
    if len(text) != 10:
        raise ValueError(text)
    return date.fromisoformat(text)


_CASTS: Final[dict[str, Callable[[str], object]]] = {
    "instrument_token": int,
    "last_price": float,
    "expiry": _expiry,
    "strike": float,
    "tick_size": float,
    "lot_size": int,
}


def _bad_value(line: int, fields: Sequence[str]) -> DataError:
    """Name the column: done only after a row failed, to keep the reading loop lean."""
    for name, text in zip(COLUMNS, fields, strict=True):
        try:
            _CASTS.get(name, str)(text)
        except ValueError:
            break
    expected = "a date YYYY-MM-DD" if name == "expiry" else "a number"
    return DataError(
        f"Line {line} of the instrument master can't be read",
        why=f"its {name} is {text!r}, not {expected}",
        hint=f"{FETCH_AGAIN}; a spreadsheet that saved it may have rewritten its dates and numbers",
    )


def _bad_width(line: int, found: int, width: int, is_last: bool) -> DataError:
    what = "The instrument master is cut short" if is_last else f"Line {line} of the instrument master can't be read"
    return DataError(what, why=f"line {line} has {found} fields of {width}", hint=FETCH_AGAIN)


def _refuse_cut_last_field(body: str, rows: Sequence[Instrument]) -> None:
    """A file cut inside its last field has all twelve: only an exchange nobody knows ("NS") gives it away."""
    last = rows[-1].exchange
    if body.endswith("\n") or last in EXCHANGES or any(row.exchange == last for row in rows[:-1]):
        return
    raise DataError(
        "The instrument master is cut short",
        why=f"its last line ends in {last!r}, without a line break",
        hint=FETCH_AGAIN,
    )


class InstrumentBook:
    """Finds instruments by token and by the names people type. Upper and lower case are the same.

    Building it over 156,000 rows takes about 0.2 s; a look-up is a dictionary's.
    """

    def __init__(self, rows: Iterable[Instrument]) -> None:
        self.rows: tuple[Instrument, ...] = tuple(rows)
        self._by_token = {row.instrument_token: row for row in self.rows}
        self._by_key: dict[str, Instrument] = {}
        self._by_symbol: dict[str, list[Instrument]] = {}
        for row in self.rows:
            symbol = row.tradingsymbol.upper()
            # The first row wins where a file repeats a key; Kite's own never does.
            if self._by_key.setdefault(f"{row.exchange}:{symbol}", row) is row:
                self._by_symbol.setdefault(symbol, []).append(row)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self.rows)

    def get(self, token: int) -> Instrument | None:
        """The instrument of a token, or None."""
        return self._by_token.get(token)

    def find(self, name: str) -> Instrument | None:
        """The instrument of ``NSE:INFY``, ``infy`` or ``NIFTY 50``; None where there is none.

        :raises SubscriptionError: a bare symbol that several exchanges have and NSE and BSE have not.
        """
        wanted = _normal(name)
        if ":" in wanted:
            return self._by_key.get(wanted)
        found = self._by_symbol.get(wanted, [])
        for exchange in PREFERRED_EXCHANGES:
            for row in found:
                if row.exchange == exchange:
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

    def nearest(self, name: str) -> list[str]:
        """Up to three keys ``name`` may have meant, best first: the symbol elsewhere, a company's name, a slip."""
        exchange, _, symbol = _normal(name).rpartition(":")
        elsewhere = self._by_symbol.get(symbol)
        if elsewhere:
            return [row.key for row in elsewhere[:NEAREST_COUNT]]
        pool = self._pool(symbol)
        named = [other for other in pool if self._is_company(other, symbol)]
        candidates = nlargest(CANDIDATE_LIMIT, pool, key=lambda other: _likeness(symbol, other))
        close = get_close_matches(symbol, candidates, NEAREST_COUNT, NEAREST_CUTOFF)
        slip = get_close_matches(symbol, close, 1, SLIP_CUTOFF)
        found = dict.fromkeys([*slip, *sorted(named, key=len), *close])
        return [_preferred(self._by_symbol[other], exchange).key for other in found][:NEAREST_COUNT]

    def _pool(self, symbol: str) -> list[str]:
        """Symbols worth comparing: contracts that begin alike if it reads as a contract, else all that never expire."""
        if sum(map(str.isdigit, symbol)) >= CONTRACT_DIGITS:
            return [other for other in self._by_symbol if other[:2] == symbol[:2]]
        return [other for other, rows in self._by_symbol.items() if not rows[0].is_derivative]

    def _is_company(self, other: str, name: str) -> bool:
        """Whether ``name`` begins the name of the company behind a symbol, as INFOSYS does for INFY."""
        return len(name) > 3 and self._by_symbol[other][0].name.upper().startswith(name)


def _normal(name: str) -> str:
    exchange, colon, symbol = name.strip().upper().partition(":")
    return f"{exchange.strip()}:{symbol.strip()}" if colon else exchange


def _preferred(rows: Sequence[Instrument], exchange: str) -> Instrument:
    order = (exchange, *PREFERRED_EXCHANGES)
    return min(rows, key=lambda row: order.index(row.exchange) if row.exchange in order else len(order))


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
