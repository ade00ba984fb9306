"""Ticks as CSV, in the order received; what a tick's mode doesn't carry stays empty."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from typing import TextIO

import numpy as np

from kitecli.archive.columns import Column, columns_of
from kitecli.market.calendar.session import IST_OFFSET_S
from kitecli.market.modes import MODES
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.ring.reader import Batch

LEADING = ("sequence", "ts_recv_ns", "instrument_token", "instrument", "mode")


def csv_writer(out: TextIO, labels: Mapping[int, str]) -> Callable[[Batch], None]:
    """A header with all columns, then a row a tick. Times are Indian: ``2026-11-20T09:15:00+05:30``."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*LEADING, *columns_of(np.zeros(0, TICK_DTYPE), np.zeros(0, DEPTH_DTYPE))])

    def write(batch: Batch) -> None:
        ticks, depth = batch.ticks, batch.depth
        assert depth is not None  # of what is asked of the recording
        tokens = ticks["token"].tolist()
        known = {token: labels.get(token, "") for token in set(tokens)}
        leading = (
            batch.sequences.tolist(),
            ticks["ts_recv_ns"].tolist(),
            tokens,
            [known[token] for token in tokens],
            [MODES[mode - 1] for mode in ticks["mode"].tolist()],
        )
        rest = (_texts(column) for column in columns_of(ticks, depth).values())
        writer.writerows(zip(*leading, *rest, strict=True))

    return write


def _texts(column: Column) -> list[object]:
    values, there = column
    if values.dtype.kind == "M":
        clocks = np.datetime_as_string(values.astype("M8[s]") + IST_OFFSET_S)
        found: list[object] = [f"{clock}+05:30" for clock in clocks.tolist()]
    else:
        found = values.tolist()
    if there is None or there.all():
        return found
    return [value if is_there else "" for value, is_there in zip(found, there.tolist(), strict=True)]
