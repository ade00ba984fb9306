"""What a source's candles are made from: what it sent, and what came before.

A synthetic market's minutes are kept as it sends them, and its days before are invented. They agree with its ticks: the
hour its day had before it began stands as flat minutes at the opening price, because the day's high and low in its
ticks know of nothing else in that hour. A table's minutes are those of its rows, sent already or not.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import IO, Final, Protocol

import numpy as np

from kitecli.market.calendar import Calendar, midnight_s
from kitecli.market.calendar.session import day_of
from kitecli.sim.invented import InventedDays
from kitecli.sim.market import OPENED_BEFORE_S, SyntheticMarket, day_share
from kitecli.sim.minutes import CANDLE_DTYPE, MINUTE_S, minutes_of, without_volume
from kitecli.sim.source import Batch, Records, Slots

_PRICES: Final = ("open", "high", "low", "close")


class History(Protocol):
    """Where minute candles come from."""

    def take(self, batch: Batch) -> None:
        """What the source just gave."""
        ...

    def minutes(self, slot: int, first_s: int, last_s: int, *, continuous: bool = False) -> Records:
        """CANDLE_DTYPE, by time: those that start from ``first_s`` to ``last_s``, both included.

        ``continuous``: of a future, also from before it was listed.
        """
        ...

    def close(self) -> None: ...


class Rows(Protocol):
    """A source that knows all it will send."""

    def rows_of(self, slot: int) -> Records:
        """TICK_DTYPE, all of one instrument."""
        ...


class TableHistory:
    """The minutes of what a table or a recording holds. ``close``: called when nobody asks any more."""

    def __init__(self, source: Rows, close: Callable[[], None] = lambda: None) -> None:
        self._source = source
        self.close = close
        self._made: dict[int, Records] = {}

    def take(self, batch: Batch) -> None: ...

    def minutes(self, slot: int, first_s: int, last_s: int, *, continuous: bool = False) -> Records:  # noqa: ARG002
        if slot not in self._made:
            self._made[slot] = minutes_of(self._source.rows_of(slot))
        return _between(self._made[slot], first_s, last_s)


class MarketHistory:
    """The minutes of a synthetic market that hasn't begun yet. ``calendar`` is called when it is first needed."""

    def __init__(self, market: SyntheticMarket, seed: int, calendar: Callable[[], Calendar]) -> None:
        self._market = market
        self._seed = seed
        self._calendar = calendar
        self._first = market.cached(np.arange(len(market.instruments))).ticks
        self._began_s = int(self._first["ts_event_s"][0])
        self._today_s = midnight_s(day_of(self._began_s))
        minute = self._began_s // MINUTE_S * MINUTE_S
        self._flat_s = np.arange(max(self._today_s, minute - OPENED_BEFORE_S), minute, MINUTE_S)
        self._streamed = _Streamed(self._first, minute, self._done_by(minute) if self._flat_s.size else 0.0)
        self._invented: InventedDays | None = None

    def take(self, batch: Batch) -> None:
        self._streamed.take(batch)

    def minutes(self, slot: int, first_s: int, last_s: int, *, continuous: bool = False) -> Records:
        parts = [self._flat_hour(slot), self._streamed.of(slot, first_s, last_s)]
        if first_s < self._today_s:
            span = day_of(first_s), day_of(min(last_s, self._today_s - 1))
            parts.insert(0, self._days_before().minutes(slot, *span, continuous=continuous))
        return _between(np.concatenate(parts), first_s, last_s)

    def close(self) -> None:
        self._streamed.close()

    def _days_before(self) -> InventedDays:
        if self._invented is None:
            market, began = self._market, day_of(self._began_s)
            self._invented = InventedDays(
                market.universe, self._first, market.tick_sizes, self._seed, began, self._calendar()
            )
        return self._invented

    def _flat_hour(self, slot: int) -> Records:
        """The market's day up to the minute it began in; of the evening before, where that was after midnight."""
        tick = self._first[slot]
        flat = np.zeros(self._flat_s.size, CANDLE_DTYPE)
        flat["start_s"] = self._flat_s
        for name in _PRICES:
            flat[name] = tick["open"]
        done = [int(int(tick["volume"]) * self._done_by(start_s + MINUTE_S)) for start_s in self._flat_s.tolist()]
        flat["volume"], flat["oi"] = np.diff(done, prepend=0), tick["oi"]
        return flat

    def _done_by(self, at_s: int) -> float:
        """The share of the volume before it began that was traded by then."""
        return day_share(OPENED_BEFORE_S - (self._began_s - at_s)) / day_share(OPENED_BEFORE_S)


class _Streamed:
    """A candle of each instrument for each minute, on disk: 9,000 of them for a day are 135 MB."""

    def __init__(self, first: Records, minute: int, done: float) -> None:
        """``first``: (n,) TICK_DTYPE by slot, in whose ``minute`` all but the share ``done`` of the volume falls."""
        self._file: IO[bytes] | None = None
        self._starts: list[int] = []
        self._minute = minute
        self._volume = first["volume"].astype(np.int64)
        self._now = now = np.zeros(first.size, CANDLE_DTYPE)
        now["start_s"], now["close"], now["oi"] = minute, first["last_price"], first["oi"]
        for name in ("open", "high", "low"):
            now[name] = first[name]
        now["volume"] = self._volume - (self._volume * done).astype(np.int64)

    def take(self, batch: Batch) -> None:
        for rows in _runs(batch):
            minute = int(batch.ticks["ts_event_s"][rows.start]) // MINUTE_S * MINUTE_S
            if minute != self._minute:
                self._turn(minute)
            self._add(batch.slots[rows], batch.ticks[rows])

    def of(self, slot: int, first_s: int, last_s: int) -> Records:
        """One instrument's, the running one at the end."""
        since, until = bisect_left(self._starts, first_s), bisect_right(self._starts, last_s)
        parts = [self._now[slot : slot + 1]]
        if since < until and self._file is not None:
            self._file.flush()
            shape = (len(self._starts), self._now.size)
            parts.insert(0, np.memmap(self._file, CANDLE_DTYPE, "r", shape=shape)[since:until, slot])
        found = np.concatenate(parts)
        return found[found["start_s"] > 0]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _turn(self, minute: int) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed by close()
        self._file.write(self._now.tobytes())
        self._starts.append(self._minute)
        self._minute = minute
        self._now[:] = np.zeros((), CANDLE_DTYPE)

    def _add(self, slots: Slots, ticks: Records) -> None:
        """One tick each; those whose volume didn't grow changed the book alone."""
        volume, now = ticks["volume"].astype(np.int64), self._now
        growth = volume - self._volume[slots]
        traded = np.flatnonzero((growth > 0) | without_volume(ticks))
        self._volume[slots] = volume
        slots, price = slots[traded], ticks["last_price"][traded]
        fresh = np.flatnonzero(now["start_s"][slots] == 0)
        now["start_s"][slots], now["close"][slots], now["oi"][slots] = self._minute, price, ticks["oi"][traded]
        for name in ("open", "high", "low"):
            now[name][slots[fresh]] = price[fresh]
        now["high"][slots] = np.maximum(now["high"][slots], price)
        now["low"][slots] = np.minimum(now["low"][slots], price)
        now["volume"][slots] += growth[traded]


def _runs(batch: Batch) -> Iterator[slice]:
    """A batch in pieces of one second that have no instrument twice: the slots of one step of the market ascend."""
    ends = (np.diff(batch.slots) <= 0) | (np.diff(batch.ticks["ts_event_s"]) != 0)
    bounds = [0, *(np.flatnonzero(ends) + 1).tolist(), batch.slots.size]
    return (slice(since, until) for since, until in pairwise(bounds) if since < until)


def _between(candles: Records, first_s: int, last_s: int) -> Records:
    return candles[(candles["start_s"] >= first_s) & (candles["start_s"] <= last_s)]
