"""Instruments: the rows of Kite's master file, and how it is read and written.

The file is a CSV of twelve columns, one row an instrument, newest at https://api.kite.trade/instruments each morning.
Tokens are reused by the exchange, so a master belongs to its day. What is read here is Kite's own form of the file and
nothing else; kitecli.market.mending knows what spreadsheets and data frames make of it.
Source: Kite Connect v3, "Market quotes and instruments"; casts as the official Python client makes them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Final

from kitecli.errors import DataError
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
    reader = csv_lines(body)
    header = next(reader, [])
    positions = column_positions(header, body)
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


def csv_lines(body: str) -> Iterator[list[str]]:
    """The fields of each line. Raises :class:`DataError` where quotes or line ends make no lines."""
    reader = csv.reader(io.StringIO(body, newline=""))
    try:
        yield from reader
    except csv.Error as error:
        raise DataError(
            f"Line {reader.line_num} of the instrument master can't be read", why=str(error), hint=FETCH_AGAIN
        ) from error


def column_positions(header: Sequence[str], body: str) -> list[int]:
    """Where each of ``COLUMNS`` stands in a header. Raises :class:`DataError`, which says what ``body`` is instead."""
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
        value = parse_expiry(text)
        self[text] = value
        return value


def parse_expiry(text: str) -> date | None:
    """The date of an expiry, None for no text. Raises ValueError for any other form than YYYY-MM-DD."""
    if not text:
        return None
    # Only YYYY-MM-DD: 04-05-2024, as spreadsheets save it, could be April or May.
    if len(text) != 10:
        raise ValueError(text)
    return date.fromisoformat(text)


_CASTS: Final[dict[str, Callable[[str], object]]] = {
    "instrument_token": int,
    "last_price": float,
    "expiry": parse_expiry,
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
