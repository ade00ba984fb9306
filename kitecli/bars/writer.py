"""The reference writer: ticks into the memory of bars, one at a time, to be read rather than to be quick.

What the compiled pass leaves in memory must equal what this leaves there, byte for byte. What counts is
said in docs/bars.md. A row's version goes up by two for each tick of it, for each sweep that closes a bar of it, and
for each gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from kitecli.bars.arrival import Arrival, MarketClock
from kitecli.bars.closed import ClosedBars
from kitecli.bars.forming import U32, begin, extend, record_of, volume_of
from kitecli.bars.intervals import Kind
from kitecli.bars.late import place_of, revisions
from kitecli.bars.layout import STATE_GAP, STATE_PARTIAL, STATE_SEEN, STATE_UNSTAMPED, STATE_VOLUME
from kitecli.bars.memory import BarsMemory
from kitecli.bars.parts import BarsParts
from kitecli.bars.record import AUCTIONS, FLAG_ESTIMATED, FLAG_GAP, FLAG_PARTIAL
from kitecli.bars.running import Traded, add, differs, join, note_contents, traded
from kitecli.bars.timeline import EMPTY, Bucket, Timeline, bucket_of, timeline_of

_NS_PER_MS = 1_000_000


class BarsWriter:
    """The one writer of a feed's bars. Instruments have the rows of the ring's board.

    ``timelines``: those of :class:`~kitecli.bars.timeline.Timelines`; without any, all instruments trade at any hour.
    """

    def __init__(self, memory: BarsMemory, timelines: Sequence[Timeline] = ()) -> None:
        self._parts = BarsParts.of(memory)
        self._intervals = memory.intervals
        self._grace_ms = memory.grace_ms
        self._timelines = tuple(timelines) or (EMPTY,)
        self._closed = ClosedBars(self._parts)
        self._clock = MarketClock()
        self._tokens: list[int] = []  # by row
        self._next_row = 0  # where the sweep goes on

    def admit(self, token: int) -> None:
        """An instrument took the board's next row."""
        self._parts.states[len(self._tokens)]["timeline"] = timeline_of(token, len(self._timelines))
        self._tokens.append(token)

    def place(self, row: int, timeline: int) -> None:
        """Say that an instrument keeps other hours than its segment; from its next bar on."""
        self._parts.states[row]["timeline"] = timeline

    def take(self, row: int, tick: np.void) -> None:
        """One tick (of ``TICK_DTYPE``) of the instrument of this row."""
        arrival = Arrival.of(tick)
        with self._writing(row) as state:
            if not state["flags"] & STATE_SEEN or (arrival.snapshot and state["ticks"] == 0):
                join(state, self._timelines[state["timeline"]], arrival)
            elif arrival.snapshot and not state["flags"] & STATE_GAP and differs(state, arrival):
                state["flags"] |= np.uint16(STATE_PARTIAL)
                self._flag(row, FLAG_PARTIAL)
            if not arrival.snapshot:
                self._count(row, state, arrival)
                self._clock.note(arrival)

    def mark_gap(self, rows: Iterable[int]) -> None:
        """Say that ticks of these instruments were missed just now. Those never seen missed none."""
        for row in rows:
            if self._parts.states[row]["flags"] & STATE_SEEN:
                with self._writing(row) as state:
                    state["flags"] |= np.uint16(STATE_GAP)
                    self._flag(row, FLAG_GAP)

    def close_due(self, now_ns: int, limit: int) -> bool:
        """Close the bars whose time is over, of the next ``limit`` instruments; True while more are left to look at."""
        first, now_ms = self._next_row, now_ns // _NS_PER_MS
        self._next_row = min(first + limit, len(self._tokens))
        for row in range(first, self._next_row):
            due = [series for series in self._forming(row) if self._is_due(row, series, now_ms)]
            if due:
                with self._writing(row) as state:
                    for series in due:
                        self._close(row, series, state, now_ms)
        if self._next_row < len(self._tokens):
            return True
        self._next_row = 0
        return False

    @contextmanager
    def _writing(self, row: int) -> Iterator[np.void]:
        """The row's state, its version odd meanwhile."""
        state: np.void = self._parts.states[row]
        state["version"] += np.uint32(1)
        yield state
        floors = [self._floor(row, series) for series in range(len(self._intervals)) if self._by_stamp(series)]
        state["floor_ms"] = max(floors, default=0)
        state["version"] += np.uint32(1)

    def _count(self, row: int, state: np.void, arrival: Arrival) -> None:
        told = traded(state, arrival)
        note_contents(state, arrival)
        self._note_stamp(row, state, arrival)
        late = [series for series in range(len(self._intervals)) if self._is_late(row, series, arrival)]
        for series in range(len(self._intervals)):
            if series not in late:
                self._put(row, series, state, arrival, newest=told.newest)
        state["flags"] = int(state["flags"]) & ~(STATE_GAP | STATE_PARTIAL)
        self._shift(row, state, told)
        add(state, arrival, told)
        for series in late:
            self._revise(row, series, state, arrival)
        for series in self._forming(row):
            if self._is_full(row, series, state):
                self._close(row, series, state, arrival.recv_ms, end_ms=arrival.event_ms)

    def _note_stamp(self, row: int, state: np.void, arrival: Arrival) -> None:
        """Bars of a row that was stamped and isn't any more, or the other way round, are of two kinds of time."""
        if bool(state["flags"] & STATE_UNSTAMPED) == arrival.stamped:
            state["flags"] ^= np.uint16(STATE_UNSTAMPED)
            for series in filter(self._by_stamp, self._forming(row)):
                self._parts.cold[row, series]["flags"] |= np.uint16(FLAG_ESTIMATED)

    def _put(self, row: int, series: int, state: np.void, arrival: Arrival, *, newest: bool) -> None:
        """Into the bar that is forming, or into one that begins with it."""
        hot, cold = self._parts.hot[row, series], self._parts.cold[row, series]
        t_ms = arrival.recv_ms if self._intervals[series].by_receive else arrival.event_ms
        if hot["until_ms"] and t_ms >= hot["until_ms"]:
            self._close(row, series, state, arrival.recv_ms)
        if hot["until_ms"]:
            extend(hot, cold, arrival, t_ms, newest=newest)
            return
        begin(state, hot, cold, self._bucket(state, series, t_ms), arrival, t_ms)
        if self._by_stamp(series) and not arrival.stamped:
            cold["flags"] |= np.uint16(FLAG_ESTIMATED)

    def _shift(self, row: int, state: np.void, told: Traded) -> None:
        """Where cumulative volume jumps by other than what was traded, forming bars keep what they have."""
        jump = told.volume - int(state["volume"]) - told.delta
        if told.began_anew:
            self._closed.count(resets=1)
            self._flag(row, FLAG_PARTIAL)
        for series in self._forming(row) if jump else ():
            cold = self._parts.cold[row, series]
            cold["base_volume"] = (int(cold["base_volume"]) + jump) & U32

    def _revise(self, row: int, series: int, state: np.void, arrival: Arrival) -> None:
        self._closed.count(late_ticks=1)
        cold = self._parts.cold[row, series]
        forming = cold if self._parts.hot[row, series]["until_ms"] else None
        if forming is not None:
            forming["base_ticks"] += np.uint32(1)  # it isn't its tick
        bucket = self._bucket(state, series, arrival.event_ms)
        records = self._closed.since(series, row, bucket.start_ms)
        if records is None:
            self._closed.count(late_lost=1)
            return
        for record in revisions(place_of(records, bucket.start_ms, forming), state, bucket, arrival):
            self._append(row, series, record)
            self._closed.count(revisions=1)

    def _close(self, row: int, series: int, state: np.void, now_ms: int, end_ms: int | None = None) -> None:
        hot, cold = self._parts.hot[row, series], self._parts.cold[row, series]
        self._append(
            row, series, record_of(state, hot, cold, int(cold["end_ms"]) if end_ms is None else end_ms, now_ms)
        )
        self._closed.count(bars=1)
        hot["until_ms"] = 0

    def _append(self, row: int, series: int, record: np.void) -> None:
        record["token"], record["series"] = self._tokens[row], series
        self._closed.append(series, row, record)

    def _bucket(self, state: np.void, series: int, t_ms: int) -> Bucket:
        return bucket_of(self._timelines[state["timeline"]], self._intervals[series], t_ms, self._grace_ms)

    def _forming(self, row: int) -> list[int]:
        """The series that have a bar open."""
        return [series for series in range(len(self._intervals)) if self._parts.hot[row, series]["until_ms"]]

    def _flag(self, row: int, flag: int) -> None:
        for series in self._forming(row):
            self._parts.cold[row, series]["flags"] |= np.uint16(flag)

    def _by_stamp(self, series: int) -> bool:
        """Whether stamps divide its bars."""
        return self._intervals[series].kind is Kind.TIME and not self._intervals[series].by_receive

    def _is_late(self, row: int, series: int, arrival: Arrival) -> bool:
        return self._by_stamp(series) and arrival.event_ms < self._floor(row, series)

    def _floor(self, row: int, series: int) -> int:
        """A tick stamped before it is of a bar that is closed; 0 while there is none."""
        cold = self._parts.cold[row, series]
        return int(cold["start_ms"] if self._parts.hot[row, series]["until_ms"] else cold["until_ms"])

    def _is_full(self, row: int, series: int, state: np.void) -> bool:
        """Of bars by count; those of an auction, or outside, hold all of it."""
        kind, size = self._intervals[series].kind, self._intervals[series].size
        cold = self._parts.cold[row, series]
        if kind is Kind.TIME or cold["flags"] & AUCTIONS:
            return False
        if kind is Kind.TICKS:
            return (int(state["ticks"]) - int(cold["base_ticks"])) & U32 >= size
        return bool(state["flags"] & STATE_VOLUME) and volume_of(state, cold) >= size

    def _is_due(self, row: int, series: int, now_ms: int) -> bool:
        """By receive time nothing is late. Ticks without a stamp have our time, whatever day others are of."""
        cold = self._parts.cold[row, series]
        if self._intervals[series].by_receive:
            return bool(cold["until_ms"] <= now_ms)
        unstamped = self._parts.states[row]["flags"] & STATE_UNSTAMPED
        return bool(cold["end_ms"] + self._grace_ms <= (now_ms if unstamped else self._clock.at(now_ms)))
