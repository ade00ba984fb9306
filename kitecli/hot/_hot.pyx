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
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

from kitecli.market.modes import MODES
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


cdef extern from "pass.h":
    ctypedef struct kite_tick:
        pass
    ctypedef struct kite_depth:
        pass
    ctypedef struct kite_meta:
        uint32_t version
        uint32_t token
        int64_t next_sequence
    ctypedef struct kite_entry:
        pass
    ctypedef struct kite_sleeper:
        uint32_t *waiting
        int descriptor
    ctypedef struct kite_pass:
        kite_tick *ticks
        uint32_t *links
        kite_depth *depth
        kite_meta *meta
        kite_tick *board_ticks
        kite_depth *board_depth
        int64_t *intent
        int64_t *cursor
        int64_t *board_rows
        int64_t *heartbeat_ns
        uint64_t *counters
        uint64_t mask
        uint64_t depth_mask
        int64_t board_capacity
        kite_entry *table
        kite_sleeper *sleepers
        int sleeper_count
    ctypedef struct kite_view:
        const kite_tick *ticks
        const uint32_t *links
        const kite_depth *depth
        const kite_meta *meta
        const kite_tick *board_ticks
        const kite_depth *board_depth
        const int64_t *intent
        const int64_t *cursor
        const int64_t *board_rows
        const int64_t *state
        const int64_t *heartbeat_ns
        const uint64_t *counters
        uint64_t mask
        uint64_t depth_mask
        int64_t capacity
    bint kite_pass_make_table(kite_pass *state) nogil
    void kite_pass_expect(kite_pass *state, uint32_t token, uint32_t wanted) nogil
    int64_t kite_pass_ingest(kite_pass *state, const uint8_t *p, size_t size, int64_t ts_recv_ns,
                             uint32_t connection) nogil
    int64_t kite_view_copy(const kite_view *view, int64_t start, int64_t count, kite_tick *ticks,
                           kite_depth *depth) nogil
    int64_t kite_view_history(const kite_view *view, int64_t row, int64_t count, kite_tick *ticks,
                              int64_t *sequences) nogil
    void kite_view_snapshot(const kite_view *view, int64_t rows, kite_tick *ticks, kite_depth *depth,
                            int64_t *sequences) nogil
    void kite_pass_wake(kite_pass *state) nogil
    int64_t kite_load_acquire(const int64_t *at) nogil
    void kite_store_release(int64_t *at, int64_t value) nogil
    void kite_store_release32(uint32_t *at, uint32_t value) nogil
    void kite_fence_full() nogil
    void kite_pause() nogil

cdef extern from "mailbox.h":
    enum: MAIL_NOTHING, MAIL_DAMAGED
    ctypedef struct kite_mailbox:
        uint8_t *data
        int64_t *pushed
        int64_t *popped
        uint32_t *waiting
        uint64_t capacity
    int kite_mailbox_push(kite_mailbox *box, const uint8_t *message, uint32_t size) nogil
    int64_t kite_mailbox_next(const kite_mailbox *box) nogil
    void kite_mailbox_take(kite_mailbox *box, uint8_t *to, uint32_t size) nogil
    bint kite_mailbox_announce_sleep(kite_mailbox *box) nogil
    bint kite_mailbox_take_waiting(kite_mailbox *box) nogil


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


cdef class FramePass:
    """The one writer of a ring: a frame in, ticks in the ring and on the board."""

    cdef kite_pass state
    cdef _Bytes held
    cdef _Bytes seats
    cdef int64_t *closed

    def __cinit__(self, memory):
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
        PyBuffer_Release(&view)
        return written

    def expect_snapshots(self, modes):
        """The next packet of each token is the broker's cached one; see kitecli.ring.writer.RingWriter."""
        cdef uint32_t token
        cdef str mode
        for token, mode in modes.items():  # first: what is refused must leave nothing behind
            MODES.index(mode)
        for token, mode in modes.items():
            kite_pass_expect(&self.state, token, MODES.index(mode) + 1)

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
