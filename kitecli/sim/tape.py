"""A table of real ticks as a source: every row is sent once, in the table's order, at the pace it was recorded.

A recorded source isn't conflated again, and nothing is dropped: a client that doesn't read makes the tape wait.
The mode follows the columns: quotes where there is volume, full where there is depth, last prices otherwise.
"""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path
from typing import Final

import numpy as np

from kitecli.clock import IST, ist
from kitecli.errors import UsageError
from kitecli.market.tick import DEPTH_DTYPE, MODE_FULL, MODE_LTP, MODE_QUOTE, TICK_DTYPE
from kitecli.sim.source import Batch, Records, Slots, put_depth, put_ticks, take_depth, take_ticks
from kitecli.tables.reading import as_epoch_ms, as_texts, read_table
from kitecli.tables.ticks import depth_columns, depth_records, instrument_of, match, tick_records

NS_PER_MS: Final = 1_000_000
BATCH_ROWS: Final = 1000  # what one call gives at most, so that a slow client holds up little


class TableSource:
    """A :class:`~kitecli.sim.source.Source` of the rows of ``path``, a .csv, .csv.gz or .parquet file.

    ``speed``: times as fast as recorded; 0 is as fast as the clients read. ``start``: "HH:MM[:SS]" of the table's
    first day or an ISO time, IST. Raises DataError for a file that can't be used, naming the columns it lacks;
    EnvironmentProblem where Parquet can't be read; UsageError for a start that isn't in the table.
    """

    lossless = True

    def __init__(self, path: Path, *, speed: float = 1.0, start: str = "") -> None:
        if speed < 0:
            raise UsageError(f"A speed of {speed:g} isn't possible", hint="Give --speed 0 (no pauses) or more")
        columns = read_table(path)
        names = match(path.name, columns)
        depth_names = depth_columns(columns)
        self._speed = speed
        self.mode = MODE_FULL if depth_names else MODE_QUOTE if "volume" in names else MODE_LTP
        self._ticks = tick_records(path.name, columns, names, self.mode)
        self._depth = depth_records(columns, names, depth_names, self._ticks["token"]) if depth_names else None
        tokens, firsts, self._slots = np.unique(self._ticks["token"], return_index=True, return_inverse=True)
        symbols = as_texts(columns[names["symbol"]][firsts]) if "symbol" in names else tokens.astype(str)
        self.instruments = [
            instrument_of(token, symbol) for token, symbol in zip(tokens.tolist(), symbols.tolist(), strict=True)
        ]
        # Rows that go back in time are sent where they stand, without a pause.
        self._pace_ms = np.maximum.accumulate(as_epoch_ms(columns[names["time"]]))
        self._at = self._position(start)
        self._origin_ms = int(self._pace_ms[self._at])
        self._begun_ns = self._now_ns = 0
        self._board = np.zeros(len(tokens), TICK_DTYPE)
        self._board_depth = None if self._depth is None else np.zeros(len(tokens), DEPTH_DTYPE)

    @property
    def ended(self) -> bool:
        return self._at == len(self._ticks)

    def begin(self, now_ns: int) -> None:
        self._begun_ns = self._now_ns = now_ns

    def advance(self, now_ns: int) -> Batch:
        """The next rows that are due, a thousand at most."""
        self._now_ns = now_ns
        end = min(self._due(now_ns), self._at + BATCH_ROWS)
        rows = slice(self._at, max(end, self._at))
        self._at = rows.stop
        slots, ticks = self._slots[rows], self._ticks[rows]
        depth = None if self._depth is None else self._depth[rows]
        put_ticks(self._board, slots, ticks)
        if depth is not None and self._board_depth is not None:
            put_depth(self._board_depth, slots, depth)
        return Batch(slots, ticks, depth)

    def cached(self, slots: Slots) -> Batch:
        slots = slots[self._board["token"][slots] != 0]
        depth = None if self._board_depth is None else take_depth(self._board_depth, slots)
        return Batch(slots, take_ticks(self._board, slots), depth)

    def next_ns(self) -> int:
        if self.ended:
            return 2**63 - 1
        if not self._speed:
            return self._now_ns
        return self._begun_ns + round((int(self._pace_ms[self._at]) - self._origin_ms) / self._speed * NS_PER_MS)

    def rows_of(self, slot: int) -> Records:
        """All ticks of an instrument, sent already or not."""
        return take_ticks(self._ticks, np.flatnonzero(self._slots == slot))

    def _due(self, now_ns: int) -> int:
        if not self._speed:
            return len(self._ticks)
        elapsed_ms = (now_ns - self._begun_ns) / NS_PER_MS * self._speed
        return int(np.searchsorted(self._pace_ms, self._origin_ms + elapsed_ms, "right"))

    def _position(self, start: str) -> int:
        if not start:
            return 0
        first, last = ist(int(self._pace_ms[0]) / 1000), ist(int(self._pace_ms[-1]) / 1000)
        wanted = _start_time(start, first)
        at = int(np.searchsorted(self._pace_ms, wanted.timestamp() * 1000, "left"))
        if at == len(self._pace_ms):
            raise UsageError(
                f"The table has no ticks from {wanted:%Y-%m-%d %H:%M:%S} IST on",
                why=f"it goes from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}",
                hint="Give --start a time between the two",
            )
        return at


def _start_time(text: str, first: datetime) -> datetime:
    try:
        if "-" in text:
            at = datetime.fromisoformat(text)
            return at if at.tzinfo else at.replace(tzinfo=IST)
        return datetime.combine(first.date(), time.fromisoformat(text), IST)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time to start at", hint="Write --start 09:45, 09:45:30 or 2024-06-27T09:45:30, in IST"
        ) from None
