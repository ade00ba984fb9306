"""Ticks of the past as rows of text, one below the other as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TextIO

from kitecli.clock import NS_PER_S, ist
from kitecli.market.segments import divisor_of
from kitecli.market.view import Tick, ticks_of
from kitecli.ring.reader import Batch
from kitecli.terminal.numbers import counted, grouped, price_decimals

COLUMNS: Final = (
    ("received IST", -15),
    ("instrument", -26),
    ("last", 12),
    ("volume", 14),
    ("bid", 12),
    ("ask", 12),
    ("oi", 14),
    ("mode", -6),
)
"""Heads and widths; below zero: flush left. A column's width holds a crore of rupees and a thousand crore of volume."""
GAP: Final = 2


def write_ticks(batches: Iterable[Batch], labels: Mapping[int, str], out: TextIO, width: int | None) -> None:
    """A table, as many columns as fit into ``width``; tab-separated and without heads where that is None."""
    fitting = _fitting(width) if width is not None else len(COLUMNS)
    heads_due = width is not None
    for batch in batches:
        if heads_due:
            out.write(_line([head for head, _ in COLUMNS], fitting))
            heads_due = False
        rows = _rows(batch, labels)
        out.writelines("\t".join(row) + "\n" if width is None else _line(row, fitting) for row in rows)


def _rows(batch: Batch, labels: Mapping[int, str]) -> Iterator[list[str]]:
    for tick in ticks_of(batch.ticks, batch.depth, batch.sequences):
        bid, ask = _best(tick)
        decimals = price_decimals(divisor_of(tick.instrument_token))
        yield [
            f"{ist(tick.ts_recv_ns // NS_PER_S):%H:%M:%S}.{tick.ts_recv_ns % NS_PER_S // 1000:06}",
            labels.get(tick.instrument_token, ""),
            _price(tick.last_price, decimals),
            _count(tick.volume_traded),
            _price(bid, decimals),
            _price(ask, decimals),
            _count(tick.oi),
            tick.mode + ("*" if tick.snapshot else ""),
        ]


def _best(tick: Tick) -> tuple[float | None, float | None]:
    """The best prices of the book; None where a side is empty."""
    depth = tick.depth
    if depth is None:
        return None, None
    buy, sell = depth["buy"][0], depth["sell"][0]
    return buy["price"] if buy["quantity"] else None, sell["price"] if sell["quantity"] else None


def _price(price: float | None, decimals: int) -> str:
    return "" if price is None else grouped(price, decimals)


def _count(count: int | None) -> str:
    return "" if count is None else counted(count)


def _line(cells: list[str], fitting: int) -> str:
    padded = (
        cell.ljust(-size) if size < 0 else cell.rjust(size)
        for cell, (_, size) in zip(cells[:fitting], COLUMNS, strict=False)
    )
    return (" " * GAP).join(padded).rstrip() + "\n"


def _fitting(width: int) -> int:
    used = -GAP
    for number, (_, size) in enumerate(COLUMNS):
        used += abs(size) + GAP
        if used > width:
            return max(1, number)
    return len(COLUMNS)
