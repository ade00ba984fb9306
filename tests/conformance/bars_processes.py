"""A writer and readers of bars, each a process: ``python -m tests.conformance.bars_processes ROLE FOLDER JSON``.

Every instrument's n-th tick comes n milliseconds after the start, at price n and with n as its cumulative volume. So
all fields of a bar follow from the numbers of its first and last tick, which it has as its keys; and of a closed one
those follow from its start. A bar that is none of these is torn: parts of two.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.intervals import Interval
from kitecli.bars.layout import BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.bars.parts import BarsParts
from kitecli.bars.record import BAR_DTYPE, FLAG_OPEN, FLAG_PARTIAL
from kitecli.bars.view import _assembled
from kitecli.hot import BarsView, FramePass
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory

START_MS: Final = 1_785_813_300_000
ROWS: Final = 64
SPANS: Final = tuple(map(Interval.parse, ("10ms", "100ms", "1s")))
_MESSAGE: Final = np.dtype(
    [
        ("count", ">u2"),
        (
            "packets",
            [("length", ">u2"), ("token", ">u4"), ("price", ">i4"), ("some", "V8"), ("volume", ">u4"), ("rest", "V24")],
            (ROWS,),
        ),
    ]
)


def write(folder: Path, *, capacity: int) -> dict[str, int]:
    """As fast as possible, after a line on standard input and until there is a file called "enough"."""
    bars = BarsMemory.create(folder / "feed.bars", BarsLayout(ROWS, capacity, len(SPANS)), SPANS, 0)
    writer = FramePass(RingMemory.private(RingLayout.of(64, ROWS)), bars)
    message = np.zeros(1, _MESSAGE)
    packets = message["packets"][0]
    message["count"], packets["length"], packets["token"] = ROWS, 44, np.arange(ROWS) << 8 | 1
    _say("ready")
    sys.stdin.readline()
    number = 0
    while not (folder / "enough").exists():
        for _ in range(2000):
            number += 1
            packets["price"] = packets["volume"] = number
            writer.ingest(message, (START_MS + number) * 1_000_000)
    return {"ticks": number * ROWS, "bars": sum(BarsView(bars).cursor(series) for series in range(len(SPANS)))}


def watch(folder: Path, *, enough: int) -> dict[str, int]:
    """Forming bars of all rows, of each series in turn, until so many were read."""
    view, records = BarsView(BarsMemory.attach(folder / "feed.bars")), np.zeros(ROWS, BAR_DTYPE)
    counted = dict.fromkeys(("rows", "wrong", "partial", "none"), 0)
    _say("ready")
    sys.stdin.readline()
    while counted["rows"] < enough:
        for series in range(len(SPANS)):
            forming = view.forming(0, ROWS, series, records)
            found = records[records["flags"] & FLAG_OPEN != 0]
            counted["wrong"] += forming != found.size
            counted["none"] += ROWS - forming
            _check(found, series, counted)
    return counted


def read(folder: Path, *, enough: int) -> dict[str, int]:
    """Closed bars, by instrument and all as they come, until so many were read."""
    view = BarsView(BarsMemory.attach(folder / "feed.bars"))
    capacity = view.layout.capacity
    records = np.zeros(capacity, BAR_DTYPE)
    counted = dict.fromkeys(("rows", "wrong", "partial", "lapped"), 0)
    _say("ready")
    sys.stdin.readline()
    row = 0
    while counted["rows"] < enough:
        row = (row + 7) % ROWS
        for series, span in enumerate(SPANS):
            found = records[: view.history(row, series, capacity, records)]
            _check(found, series, counted, closed=True)
            counted["wrong"] += int((found["token"] != (row << 8 | 1)).sum())
            counted["wrong"] += int((np.diff(found["start_ms"]) != -span.size).sum())
            start = max(0, view.cursor(series) - capacity)
            count = view.cursor(series) - start if start == 0 else capacity
            oldest = view.copy(series, start, count, records)
            whole = records[max(0, oldest - start) : count]
            counted["lapped"] += count - whole.size
            _check(whole, series, counted, closed=True)
    return counted


def watch_heedlessly(folder: Path, *, enough: int, seconds: float) -> dict[str, int]:
    """Forming bars without a look at the version, closed ones without one at the intent, until so many were torn."""
    memory = BarsMemory.attach(folder / "feed.bars")
    parts, view, records = BarsParts.of(memory), BarsView(memory), np.zeros(memory.layout.capacity, BAR_DTYPE)
    forming = dict.fromkeys(("rows", "wrong", "partial"), 0)
    closed = dict(forming)
    _say("ready")
    sys.stdin.readline()
    end = time.monotonic() + seconds
    while min(forming["wrong"], closed["wrong"]) < enough and time.monotonic() < end:
        for series in range(len(SPANS)):
            row = _assembled(parts.states.copy(), parts.hot[:, series].copy(), parts.cold[:, series].copy(), series)
            _check(row[row["ticks"] > 0], series, forming)
            start = view.cursor(series) - records.size
            if start > 0:
                view.copy(series, start, records.size, records)
                _check(records, series, closed, closed=True)
    return {"forming": forming["wrong"], "closed": closed["wrong"]}


def _check(bars: NDArray[np.void], series: int, counted: dict[str, int], *, closed: bool = False) -> None:
    counted["rows"] += bars.size
    whole = bars[bars["flags"] & FLAG_PARTIAL == 0]  # the first ones began before their first tick
    counted["partial"] += bars.size - whole.size
    counted["wrong"] += int((~_as_it_must_be(whole, series, closed=closed)).sum())


def _as_it_must_be(bars: NDArray[np.void], series: int, *, closed: bool) -> NDArray[np.bool_]:
    size = SPANS[series].size
    first, last = bars["first_key"].astype(np.int64), bars["last_key"].astype(np.int64)
    start_ms = (START_MS + first) // size * size
    right = (bars["open"] == first) & (bars["low"] == first) & (bars["high"] == last) & (bars["close"] == last)
    right &= (bars["ticks"] == last - first + 1) & (bars["volume"] == last - first + 1)
    right &= bars["turnover"] == (last * (last + 1) - (first - 1) * first) // 2
    right &= (bars["start_ms"] == start_ms) & (bars["length_ms"] == size) & (bars["series"] == series)
    if closed:
        right &= (START_MS + first == start_ms) & (START_MS + last == start_ms + size - 1)
    return right


ROLES: Final = {role.__name__: role for role in (write, watch, read, watch_heedlessly)}


def _say(what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    _say(ROLES[sys.argv[1]](Path(sys.argv[2]), **json.loads(sys.argv[3])))
