"""Bars as lines: NDJSON and CSV for programs, a table for people. What there is none of is null, or empty."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TextIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.intervals import Interval, Kind
from kitecli.bars.table import Bar, bars_of
from kitecli.market.segments import divisor_of
from kitecli.terminal.numbers import grouped, price_decimals

CSV_COLUMNS: Final = (
    "start",
    "end",
    "instrument",
    "instrument_token",
    "interval",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "oi",
    "vwap",
    "ticks",
    "flags",
    "revision",
)
HEADS: Final = ("start, IST", "open", "high", "low", "close", "volume", "ticks", "vwap", "oi", "notes")
_DEAREST: Final = (
    ("instrument",),
    ("start, IST",),
    ("close",),
    ("volume",),
    ("open", "high", "low"),
    ("notes",),
    ("ticks",),
    ("vwap",),
    ("oi",),
)
"""What a narrow terminal keeps, before all else first; what means little alone stands together."""
_NOTES_WIDTH: Final = 12
"""Columns of the terminal that notes are worth; they stand last, and are cut off where they are longer."""
VWAP_DECIMALS: Final = 4
"""An average has more decimals than prices have, and a float more than it means."""
_TEXTS: Final = frozenset({"instrument", "start, IST", "notes"})
_GAP: Final = "  "
_MINUTE_MS: Final = 60_000

Table: TypeAlias = NDArray[np.void]
Writer: TypeAlias = Callable[[Table], None]
"""Takes TABLE_DTYPE (n,), of whatever instruments."""


def bar_dict(bar: Bar, label: str, interval: Interval) -> dict[str, object]:
    """A bar for JSON: CSV_COLUMNS by name, times in ISO 8601 with +05:30, flags as a list of words."""
    return {
        "start": bar.start.isoformat(),
        "end": bar.end.isoformat(),
        "instrument": label,
        "instrument_token": bar.instrument_token,
        "interval": str(interval),
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
        "oi": bar.oi,
        "vwap": None if bar.vwap is None else round(bar.vwap, VWAP_DECIMALS),
        "ticks": bar.ticks,
        "flags": list(bar.flags),
        "revision": bar.revision,
    }


def ndjson_writer(out: TextIO, labels: Mapping[int, str], interval: Interval) -> Writer:
    """One JSON object a bar."""

    def write(table: Table) -> None:
        for bar in bars_of(table):
            document = bar_dict(bar, labels[bar.instrument_token], interval)
            out.write(json.dumps(document, separators=(",", ":")) + "\n")
        out.flush()

    return write


def csv_writer(out: TextIO, labels: Mapping[int, str], interval: Interval) -> Writer:
    """A header, then a row a bar; several flags stand between blanks."""
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(CSV_COLUMNS)

    def write(table: Table) -> None:
        for bar in bars_of(table):
            document = bar_dict(bar, labels[bar.instrument_token], interval)
            document["flags"] = " ".join(bar.flags)
            rows.writerow(document.values())  # None becomes nothing
        out.flush()

    return write


def table_writer(out: TextIO, labels: Mapping[int, str], interval: Interval, width: int | None) -> Writer:
    """A table with heads, the columns that fit ``width``; with None, no terminal: all, tab-separated, without heads.

    The heads wait for the first bar, whose widths decide what fits.
    """
    heads = ("instrument", *HEADS) if len(labels) > 1 else HEADS
    longest = max(map(len, labels.values()), default=0)
    columns = None if width is None else _Columns(heads, width, {"instrument": longest})

    def write(table: Table) -> None:
        rows = []
        for bar in bars_of(table):
            label = (labels[bar.instrument_token],) if len(labels) > 1 else ()
            rows.append((*label, *_cells(bar, interval, plain=width is None)))
        if rows:
            out.writelines(columns.lines(rows) if columns else ("\t".join(row) + "\n" for row in rows))
        out.flush()

    return write


class _Columns:
    """Which ones fit is settled by the first rows; widths grow, so that later rows stand below earlier ones."""

    def __init__(self, heads: Sequence[str], width: int, sizes: Mapping[str, int]) -> None:
        """``sizes``: what is known of them."""
        self._heads = heads
        self._width = width
        self._sizes = {head: sizes.get(head, 0) for head in heads}
        self._kept: list[str] = []

    def lines(self, rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """Rows of one cell a head; before the first ones, the heads."""
        cells = [dict(zip(self._heads, row, strict=True)) for row in rows]
        if not self._kept:
            cells.insert(0, {head: head for head in self._heads})
        for head in self._heads:
            self._sizes[head] = max(self._sizes[head], *(len(row[head]) for row in cells))
        self._kept = self._kept or self._fitting()
        for row in cells:
            aligned = (self._aligned(head, row[head]) for head in self._kept)
            yield _GAP.join(aligned).rstrip()[: self._width] + "\n"

    def _aligned(self, head: str, cell: str) -> str:
        return cell.ljust(self._sizes[head]) if head in _TEXTS else cell.rjust(self._sizes[head])

    def _fitting(self) -> list[str]:
        """The heads kept, in their order; the first always is."""
        left, kept = self._width, set[str]()
        for group in _DEAREST:
            there = [head for head in group if head in self._sizes]
            left -= sum(self._sizes[head] if head != "notes" else _NOTES_WIDTH for head in there) + len(_GAP) * len(
                there
            )
            if left < -len(_GAP) and kept:
                break
            kept.update(there)
        return [head for head in self._heads if head in kept]


def _cells(bar: Bar, interval: Interval, *, plain: bool) -> tuple[str, ...]:
    """In the order of HEADS. ``plain``: for a program, so without grouping, and with times in ISO 8601."""
    decimals = price_decimals(divisor_of(bar.instrument_token))

    def number(value: float | None, digits: int = 0) -> str:
        if value is None:
            return ""
        return f"{value:.{digits}f}" if plain else grouped(value, digits)

    prices = (number(price, decimals) for price in (bar.open, bar.high, bar.low, bar.close))
    average = number(bar.vwap, decimals)
    start = bar.start.isoformat() if plain else _start(bar, interval)
    return start, *prices, number(bar.volume), str(bar.ticks), average, number(bar.oi), " ".join(bar.flags)


def _start(bar: Bar, interval: Interval) -> str:
    coarse = interval.kind is Kind.TIME and interval.size % _MINUTE_MS == 0
    return f"{bar.start:%d %b %H:%M}" if coarse else f"{bar.start:%d %b %H:%M:%S}"
