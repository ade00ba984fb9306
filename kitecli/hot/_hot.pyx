# cython: language_level=3
"""The Cython face of pass.h: state in two extension classes, because passing arrays on every call costs 2 us."""

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

from kitecli.bars.layout import COUNTERS as BARS_COUNTERS
from kitecli.market.modes import MODES
from kitecli.metrics.layout import LINE_COUNTERS, LINES, TIMED_EACH
from kitecli.ring import mailbox
from kitecli.ring.layout import (
    BOARD_ROWS_OFFSET,
    COUNTERS,
    COUNTERS_OFFSET,
    CURSOR_OFFSET,
    HEARTBEAT_OFFSET,
    INTENT_OFFSET,
    STATE_CLOSED,
    STATE_OFFSET,
)


cdef class _Bytes:
    """A held buffer: keeps the object it came from, and its address, for as long as this lives."""

    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, owner, bint writable):
        PyObject_GetBuffer(owner, &self.view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        self.held = True

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)

    cdef uint8_t *at(self, Py_ssize_t offset, Py_ssize_t size) except NULL:
        if offset < 0 or size < 0 or offset + size > self.view.len:
            raise ValueError(f"{size} bytes at {offset} do not fit in {self.view.len}")
        return <uint8_t *>self.view.buf + offset


cdef class _Bars:
    """The writing side of a memory of bars: what the pass keeps of it, and of the hours its instruments trade at."""

    cdef kite_bars state
    cdef _Bytes held
    cdef list spans

    def __cinit__(self, memory, timelines):
        cdef _Bytes held = _Bytes(memory.buffer, True)
        kite_bars_over(&self.state, held.at(0, memory.layout.total_bytes))
        self.held = held
        self.spans = []
        self.state.timelines = <kite_timeline *>calloc(max(1, len(timelines)), sizeof(kite_timeline))
        if self.state.timelines == NULL:
            raise MemoryError("the timelines")
        for timeline in timelines:
            self._add(timeline.starts_ms, timeline.kinds)
        self.state.timeline_count = max(1, len(timelines))

    def __dealloc__(self):
        free(self.state.timelines)

    cdef _add(self, starts_ms, kinds):
        cdef _Bytes starts = _Bytes(starts_ms, False)
        cdef _Bytes phases = _Bytes(kinds, False)
        cdef int64_t count = phases.view.len
        if (np.diff(starts_ms) <= 0).any() or (np.asarray(kinds) > BARS_LAST_KIND).any():
            raise ValueError("a timeline's starts ascend, and each has a kind that is known")
        cdef kite_timeline *at = self.state.timelines + len(self.spans)
        at.starts_ms = <const int64_t *>starts.at(0, 8 * count) if count else NULL
        at.kinds = <const uint8_t *>phases.at(0, count) if count else NULL
        at.count = count
        self.spans.append((starts, phases))


cdef enum:
    LINE_FRAMES = 0
    LINE_BYTES = 1
    LINE_TICKS = 2


cdef class FramePass:
    """The one writer of a ring: a frame in, ticks in the ring and on the board, and into bars where there are any."""

    cdef kite_pass state
    cdef _Bytes held
    cdef _Bytes seats
    cdef _Bars bars
    cdef int64_t timelines
    cdef int64_t *closed
    cdef _Bytes measured
    cdef int64_t *published
    cdef int64_t *lines
    cdef int64_t line_count
    cdef int64_t line_cells
    cdef int64_t timed_each
    cdef int64_t until_timed

    def __cinit__(self, memory, bars=None, timelines=()):
        cdef object layout = memory.layout
        cdef _Bytes held = _Bytes(memory.buffer, True)
        held.at(0, layout.total_bytes)
        self.held = held
        self.state.ticks = <kite_tick *>held.at(layout.ticks_offset, 0)
        self.state.links = <uint32_t *>held.at(layout.links_offset, 0)
        self.state.depth = <kite_depth *>held.at(layout.depth_offset, 0)
        self.state.meta = <kite_meta *>held.at(layout.meta_offset, 0)
        self.state.board_ticks = <kite_tick *>held.at(layout.board_ticks_offset, 0)
        self.state.board_depth = <kite_depth *>held.at(layout.board_depth_offset, 0)
        self.state.intent = <int64_t *>held.at(INTENT_OFFSET, 8)
        self.state.cursor = <int64_t *>held.at(CURSOR_OFFSET, 8)
        self.state.board_rows = <int64_t *>held.at(BOARD_ROWS_OFFSET, 8)
        self.state.heartbeat_ns = <int64_t *>held.at(HEARTBEAT_OFFSET, 8)
        self.state.counters = <uint64_t *>held.at(COUNTERS_OFFSET, 8 * len(COUNTERS))
        self.closed = <int64_t *>held.at(STATE_OFFSET, 8)
        self.state.mask = layout.capacity - 1
        self.state.depth_mask = layout.depth_capacity - 1
        self.state.board_capacity = layout.board_capacity
        self.timelines = max(1, len(timelines))
        if bars is not None:
            if bars.layout.rows != layout.board_capacity:
                raise ValueError(f"bars of {bars.layout.rows} rows beside a board of {layout.board_capacity}")
            self.bars = _Bars(bars, timelines)
            self.state.bars = &self.bars.state
            self.state.bars.tokens = &self.state.meta.token
        if not kite_pass_make_table(&self.state):
            raise MemoryError("the instrument table")

    def __dealloc__(self):
        free(self.state.table)
        free(self.state.sleepers)

    def ingest(self, payload, int64_t ts_recv_ns, uint8_t connection=0):
        """Take one binary message in; returns the number of ticks it brought. Never raises on bad bytes."""
        cdef Py_buffer view
        cdef int64_t written
        PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
        written = kite_pass_ingest(&self.state, <const uint8_t *>view.buf, <size_t>view.len, ts_recv_ns, connection)
        if self.published != NULL:
            self.count(view.len, written, ts_recv_ns, connection)
        PyBuffer_Release(&view)
        return written

    cdef void count(self, int64_t size, int64_t written, int64_t ts_recv_ns, int64_t connection) noexcept:
        cdef int64_t *line = self.lines + connection * self.line_cells
        if connection < self.line_count:
            kite_put(line + LINE_FRAMES, line[LINE_FRAMES] + 1)
            kite_put(line + LINE_BYTES, line[LINE_BYTES] + size)
            kite_put(line + LINE_TICKS, line[LINE_TICKS] + written)
        if written:
            if self.until_timed == 0:
                kite_tally(self.published, kite_wall_ns() - ts_recv_ns)
                self.until_timed = self.timed_each
            self.until_timed -= 1

    def measure(self, buffer, Py_ssize_t published, Py_ssize_t lines):
        """Count what ``ingest`` takes in from now on; see kitecli.hot.uncompiled.FramePass."""
        cdef _Bytes held = _Bytes(buffer, True)
        self.line_count, self.line_cells, self.timed_each = LINES, len(LINE_COUNTERS), TIMED_EACH
        self.lines = <int64_t *>held.at(lines, 8 * self.line_count * self.line_cells)
        self.published = <int64_t *>held.at(published, 8 * TALLY_CELLS)
        self.measured = held

    def ingest_all(self, data, at, lengths, stamps, connections, int64_t most):
        """Take messages that lie in ``data``, one after the other; see kitecli.hot.uncompiled.FramePass."""
        cdef _Bytes held = _Bytes(data, False)
        cdef int64_t index, count = len(at), start = self.state.cursor[0]
        cdef _Bytes places = _Bytes(at, False)
        cdef _Bytes sizes = _Bytes(lengths, False)
        cdef _Bytes times = _Bytes(stamps, False)
        cdef _Bytes lines = _Bytes(connections, False)
        cdef const int64_t *place = <const int64_t *>places.at(0, 8 * count) if count else NULL
        cdef const uint32_t *size = <const uint32_t *>sizes.at(0, 4 * count) if count else NULL
        cdef const int64_t *stamp = <const int64_t *>times.at(0, 8 * count) if count else NULL
        cdef const uint8_t *line = <const uint8_t *>lines.at(0, count) if count else NULL
        for index in range(count):
            if place[index] < 0 or place[index] + size[index] > held.view.len:
                raise ValueError(f"{size[index]} bytes at {place[index]} do not fit in {held.view.len}")
        index = 0
        with nogil:
            while index < count and self.state.cursor[0] - start < most:
                kite_pass_ingest(&self.state, <const uint8_t *>held.view.buf + place[index], size[index],
                                 stamp[index], line[index])
                index += 1
        return index

    def expect_snapshots(self, modes):
        """The next packet of each token is the broker's cached one; see kitecli.ring.writer.RingWriter."""
        cdef uint32_t token
        cdef str mode
        for token, mode in modes.items():  # first: what is refused must leave nothing behind
            MODES.index(mode)
        for token, mode in modes.items():
            kite_pass_expect(&self.state, token, MODES.index(mode) + 1)

    def place(self, timelines_of):
        """Say which instruments keep other hours than their segment; see kitecli.hot.uncompiled.FramePass."""
        cdef uint32_t token
        for token, timeline in timelines_of.items():  # first: what is refused must leave nothing behind
            if not 0 <= timeline < self.timelines:
                raise ValueError(f"there is no timeline {timeline}")
        for token, timeline in timelines_of.items():
            kite_pass_place(&self.state, token, timeline)

    def mark_gap(self, tokens):
        """Ticks of these were missed: bars that are forming, or begin with their next tick, say so."""
        cdef uint32_t token
        for token in tokens:
            kite_pass_mark_gap(&self.state, token)

    def close_bars(self, int64_t now_ns, int64_t limit):
        """Close the bars whose time is over, of the next ``limit`` instruments; True while more are left to look at."""
        if self.bars is None:
            return False
        return kite_bars_sweep(&self.bars.state, self.state.board_rows[0], kite_floor_div(now_ns, 1000000),
                               max(0, limit)) == 1

    def bars_due(self, int64_t now_ns):
        """Whether a round of ``close_bars`` that begins now may have anything to close."""
        return self.bars is not None and kite_bars_any_due(&self.bars.state, kite_floor_div(now_ns, 1000000)) == 1

    def wake(self, seats, list sleepers):
        """Whom to wake: (offset of the waiting flag in ``seats``, descriptor) pairs; replaces the former list."""
        cdef _Bytes held = _Bytes(seats, True)
        cdef kite_sleeper *fresh = <kite_sleeper *>calloc(max(1, len(sleepers)), sizeof(kite_sleeper))
        cdef int index = 0
        if fresh == NULL:
            raise MemoryError("the list of sleepers")
        try:
            for offset, descriptor in sleepers:
                fresh[index].waiting = <uint32_t *>held.at(offset, 4)
                fresh[index].descriptor = descriptor
                index += 1
        except BaseException:
            free(fresh)
            raise
        self.state.sleeper_count = 0
        free(self.state.sleepers)
        self.state.sleepers = fresh
        self.state.sleeper_count = index
        self.seats = held

    def close(self):
        """Tell readers that nothing will come any more, also those that sleep."""
        kite_store_release(self.closed, STATE_CLOSED)
        kite_pass_wake(&self.state)


cdef class RingView:
    """Read access to a ring, beside a writer in this process or another; see kitecli.ring.view for the contract."""

    cdef kite_view state
    cdef _Bytes held
    cdef readonly object layout

    def __cinit__(self, memory):
        cdef object layout = memory.layout
        cdef _Bytes held = _Bytes(memory.buffer, False)
        held.at(0, layout.total_bytes)
        self.held = held
        self.layout = layout
        self.state.ticks = <kite_tick *>held.at(layout.ticks_offset, 0)
        self.state.links = <uint32_t *>held.at(layout.links_offset, 0)
        self.state.depth = <kite_depth *>held.at(layout.depth_offset, 0)
        self.state.meta = <kite_meta *>held.at(layout.meta_offset, 0)
        self.state.board_ticks = <kite_tick *>held.at(layout.board_ticks_offset, 0)
        self.state.board_depth = <kite_depth *>held.at(layout.board_depth_offset, 0)
        self.state.intent = <int64_t *>held.at(INTENT_OFFSET, 8)
        self.state.cursor = <int64_t *>held.at(CURSOR_OFFSET, 8)
        self.state.board_rows = <int64_t *>held.at(BOARD_ROWS_OFFSET, 8)
        self.state.state = <int64_t *>held.at(STATE_OFFSET, 8)
        self.state.heartbeat_ns = <int64_t *>held.at(HEARTBEAT_OFFSET, 8)
        self.state.counters = <uint64_t *>held.at(COUNTERS_OFFSET, 8 * len(COUNTERS))
        self.state.mask = layout.capacity - 1
        self.state.depth_mask = layout.depth_capacity - 1
        self.state.capacity = layout.capacity

    def cursor(self):
        return kite_load_acquire(self.state.cursor)

    def board_rows(self):
        return kite_load_acquire(self.state.board_rows)

    def closed(self):
        return kite_load_acquire(self.state.state) == STATE_CLOSED

    def heartbeat_ns(self):
        return kite_load_acquire(self.state.heartbeat_ns)

    def counters(self):
        return np.array([self.state.counters[index] for index in range(len(COUNTERS))], np.uint64)

    def copy(self, int64_t start, int64_t count, ticks, depth):
        cdef _Bytes to = _Bytes(ticks, True)
        cdef _Bytes deep
        cdef kite_depth *depth_at = NULL
        if count < 0 or start < 0 or count > self.state.capacity:
            raise ValueError(f"a ring of {self.state.capacity} has no {count} ticks")
        if depth is not None:
            deep = _Bytes(depth, True)
            depth_at = <kite_depth *>deep.at(0, count * 128)
        return kite_view_copy(&self.state, start, count, <kite_tick *>to.at(0, count * 64), depth_at)

    def history(self, int64_t row, int64_t count, ticks, sequences):
        cdef _Bytes to = _Bytes(ticks, True)
        cdef _Bytes numbers = _Bytes(sequences, True)
        if not 0 <= row < kite_load_acquire(self.state.board_rows):
            raise ValueError(f"the board has no row {row}")
        count = min(count, self.state.capacity)  # the ring holds no more, and count * 64 mustn't overflow
        return kite_view_history(&self.state, row, count, <kite_tick *>to.at(0, count * 64),
                                 <int64_t *>numbers.at(0, count * 8))

    def tokens(self, int64_t start, int64_t stop):
        if not 0 <= start <= stop <= kite_load_acquire(self.state.board_rows):
            raise ValueError(f"the board has no rows {start} to {stop}")
        return np.array([self.state.meta[row].token for row in range(start, stop)], np.uint32)

    def snapshot(self, ticks, depth, sequences):
        cdef _Bytes to = _Bytes(ticks, True)
        cdef _Bytes numbers = _Bytes(sequences, True)
        cdef _Bytes deep
        cdef kite_depth *depth_at = NULL
        cdef int64_t rows = min(kite_load_acquire(self.state.board_rows), to.view.len // 64)
        if depth is not None:
            deep = _Bytes(depth, True)
            depth_at = <kite_depth *>deep.at(0, rows * 128)
        kite_view_snapshot(&self.state, rows, <kite_tick *>to.at(0, rows * 64), depth_at,
                           <int64_t *>numbers.at(0, rows * 8))
        return rows

    def spin(self, int64_t cursor, int64_t rounds):
        """Busy-wait, without the GIL, until the cursor passes ``cursor``; gives up after ``rounds`` looks."""
        cdef int64_t done = 0
        with nogil:
            while done < rounds and kite_load_acquire(self.state.cursor) <= cursor:
                kite_pause()
                done += 1
        return kite_load_acquire(self.state.cursor) > cursor

    def announce_sleep(self, page, Py_ssize_t offset, int64_t cursor):
        """Raise the waiting flag, then look once more; True if nothing came and the reader may sleep."""
        cdef _Bytes held = _Bytes(page, True)
        kite_store_release32(<uint32_t *>held.at(offset, 4), 1)
        kite_fence_full()
        return kite_load_acquire(self.state.cursor) <= cursor


cdef class BarsView:
    """Read access to bars, beside a writer in this process or another; see kitecli.bars.view for the contract."""

    cdef kite_bars state
    cdef _Bytes held
    cdef readonly object layout
    cdef readonly object intervals

    def __cinit__(self, memory):
        cdef _Bytes held = _Bytes(memory.buffer, False)
        kite_bars_over(&self.state, held.at(0, memory.layout.total_bytes))
        self.held, self.layout, self.intervals = held, memory.layout, memory.intervals

    cdef int checked(self, int64_t series) except -1:
        if not 0 <= series < self.state.series:
            raise ValueError(f"there is no series {series} among {self.state.series}")
        return <int>series

    cdef int64_t checked_row(self, int64_t row) except -1:
        if not 0 <= row < self.state.rows:
            raise ValueError(f"there is no row {row} among {self.state.rows}")
        return row

    def cursor(self, int64_t series):
        return kite_load_acquire(kite_bars_cursor(&self.state, self.checked(series)))

    def counters(self):
        return np.array([self.state.counters[index] for index in range(len(BARS_COUNTERS))], np.uint64)

    def copy(self, int64_t series, int64_t start, int64_t count, records):
        cdef _Bytes to = _Bytes(records, True)
        if not (0 <= count <= <int64_t>self.state.capacity and count <= to.view.len // 72 and start >= 0):
            raise ValueError(f"no {count} bars fit between {self.state.capacity} kept and {to.view.len // 72} taken")
        return kite_bars_copy(&self.state, self.checked(series), start, count, <kite_bar *>to.at(0, 0))

    def history(self, int64_t row, int64_t series, int64_t count, records):
        cdef _Bytes to = _Bytes(records, True)
        return kite_bars_history(&self.state, self.checked_row(row), self.checked(series),
                                 min(count, to.view.len // 72), <kite_bar *>to.at(0, 0))

    def forming(self, int64_t start, int64_t stop, int64_t series, records):
        cdef _Bytes to = _Bytes(records, True)
        cdef kite_bar *bars = <kite_bar *>to.at(0, 0)
        cdef int64_t row, found = 0
        cdef int checked = self.checked(series)
        self.checked_row(start)
        if not (start <= stop <= self.state.rows and stop - start <= to.view.len // 72):
            raise ValueError(f"no rows {start} to {stop} fit into {to.view.len // 72} records")
        for row in range(start, stop):
            found += kite_bars_forming(&self.state, row, checked, bars + (row - start))
        return found


cdef class Tally:
    """The one writer of a latency histogram that others read; see kitecli.metrics.tally."""

    cdef _Bytes held
    cdef int64_t *cells
    cdef int64_t began_ns

    def __cinit__(self, buffer, Py_ssize_t offset):
        cdef _Bytes held = _Bytes(buffer, True)
        self.cells = <int64_t *>held.at(offset, 8 * TALLY_CELLS)
        self.held = held

    def add(self, int64_t latency_ns):
        kite_tally(self.cells, latency_ns)

    def begin(self):
        self.began_ns = kite_steady_ns()

    def end(self):
        kite_tally(self.cells, kite_steady_ns() - self.began_ns)

    def ticks(self, ticks, int64_t now_ns, Tally stamps not None):
        cdef _Bytes taken = _Bytes(ticks, False)
        kite_tally_ticks(self.cells, stamps.cells, <const kite_tick *>taken.view.buf, taken.view.len // 64, now_ns)


cdef class Mailbox:
    """One side of a mailbox whose other side is another process; see kitecli.ring.mailbox for the contract."""

    cdef kite_mailbox state
    cdef _Bytes held

    def __cinit__(self, buffer):
        cdef _Bytes held = _Bytes(buffer, True)
        self.held = held
        self.state.capacity = mailbox.capacity_of(buffer)
        self.state.data = held.at(mailbox.DATA_OFFSET, self.state.capacity)
        self.state.pushed = <int64_t *>held.at(mailbox.PUSHED_OFFSET, 8)
        self.state.popped = <int64_t *>held.at(mailbox.POPPED_OFFSET, 8)
        self.state.waiting = <uint32_t *>held.at(mailbox.WAITING_OFFSET, 4)

    def push(self, bytes message not None):
        cdef int pushed
        mailbox.check_fits(message, self.state.capacity)
        pushed = kite_mailbox_push(&self.state, <const uint8_t *>PyBytes_AS_STRING(message), <uint32_t>len(message))
        if pushed == MAIL_DAMAGED:
            raise mailbox.damaged()
        return pushed == 1

    def pop(self):
        cdef int64_t size = kite_mailbox_next(&self.state)
        cdef bytes message
        if size == MAIL_NOTHING:
            return None
        if size == MAIL_DAMAGED:
            raise mailbox.damaged()
        message = PyBytes_FromStringAndSize(NULL, size)
        kite_mailbox_take(&self.state, <uint8_t *>PyBytes_AS_STRING(message), <uint32_t>size)
        return message

    def announce_sleep(self):
        return kite_mailbox_announce_sleep(&self.state)

    def take_waiting(self):
        return kite_mailbox_take_waiting(&self.state)
