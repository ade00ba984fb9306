"""Ticks as lines for other programs: NDJSON with the official client's names, or CSV with a fixed set of columns."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from typing import Final, TextIO

from kitecli.market.view import Tick, ticks_of
from kitecli.ring.reader import Batch
from kitecli.terminal.tick_lines import json_line, json_lines

CSV_COLUMNS: Final = (
    "ts_recv_ns",
    "instrument",
    "instrument_token",
    "mode",
    "last_price",
    "last_traded_quantity",
    "average_traded_price",
    "volume_traded",
    "total_buy_quantity",
    "total_sell_quantity",
    "open",
    "high",
    "low",
    "close",
    "oi",
    "exchange_timestamp",
    "snapshot",
)

MANY: Final = 64
"""From so many ticks on they are written column by column; fewer, and NumPy's calls cost more than they save."""
Writer = Callable[[Batch], None]


def ndjson_writer(out: TextIO, labels: Mapping[int, str]) -> Writer:
    """One JSON object a tick: :meth:`Tick.to_json_dict` with the ring's sequence, ``ts_recv_ns`` and ``snapshot``."""

    def write(batch: Batch) -> None:
        if len(batch) >= MANY:
            out.writelines(json_lines(batch, labels))
        else:
            ticks = ticks_of(batch.ticks, batch.depth, batch.sequences)
            out.writelines(json_line(tick, labels.get(tick.instrument_token)) for tick in ticks)
        out.flush()

    return write


def csv_writer(out: TextIO, labels: Mapping[int, str]) -> Writer:
    """A header, then a row a tick; what the mode doesn't carry stays empty, depth is left out."""
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(CSV_COLUMNS)

    def write(batch: Batch) -> None:
        rows.writerows(_row(tick, labels) for tick in ticks_of(batch.ticks, batch.depth, batch.sequences))
        out.flush()

    return write


def _row(tick: Tick, labels: Mapping[int, str]) -> list[object]:
    label = labels.get(tick.instrument_token)
    values = (label if name == "instrument" else getattr(tick, name) for name in CSV_COLUMNS)
    return ["" if value is None else value for value in values]
