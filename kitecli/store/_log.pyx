# cython: language_level=3
"""The Cython face of log.h and pack.h; kitecli.store's stage, scanning, bits and unpacking are the contract."""

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

from kitecli.store.framing import MOST_ADDED, Framer
from kitecli.store.layout import FRAME, ROW_DTYPE
from kitecli.store.scanning import Place, Scan, Stop


cdef extern from "log.h":
    enum: STAGE_LACK_BYTES, LOG_RECORD_BYTES
    ctypedef struct kite_row:
        pass
    ctypedef struct kite_stage:
        uint8_t *data
        uint64_t capacity
        int64_t head
        int64_t framed
        int64_t released
        uint64_t limit
        uint64_t lack_messages
        uint64_t unrecorded
        uint64_t unrecorded_bytes
        uint32_t seed
        uint32_t number
        uint32_t released_number
        uint32_t mark_due
        uint64_t offset
        uint64_t start
        uint64_t synced
        int64_t high_ns
    ctypedef struct kite_scan:
        uint64_t offset
        uint32_t number
        int64_t high_ns
        int64_t rows
        int stop
    void kite_crc_init()
    int kite_stage_append(kite_stage *stage, int kind, int connection, int64_t ts_ns, const uint8_t *payload,
                          uint64_t size) nogil
    int kite_stage_tell_lack(kite_stage *stage) nogil
    uint64_t kite_stage_frame(kite_stage *stage, uint8_t *out, uint64_t out_bytes, uint64_t until) nogil
    void kite_log_scan(kite_scan *scan, const uint8_t *data, uint64_t size, uint32_t seed, kite_row *rows,
                       int64_t most) nogil
    int64_t kite_log_tokens(const uint8_t *data, const kite_row *rows, int64_t count, uint32_t *tokens,
                            int64_t *owners, int64_t most) nogil
    void kite_store_release(int64_t *at, int64_t value) nogil

cdef extern from "pack.h":
    ctypedef struct kite_unpacking:
        const uint8_t *at
        const uint8_t *end
        const uint8_t *verbatim
        const uint8_t *verbatim_end
        uint8_t *out
        uint64_t size
        uint64_t lead
        uint64_t records
    uint64_t kite_column_room(uint64_t count)
    uint64_t kite_put_column(uint8_t *out, const uint32_t *values, uint64_t count) nogil
    int kite_unpack_columns(kite_unpacking *work) nogil

kite_crc_init()

cdef int _FRAME = FRAME


cdef class Stage:
    """Room for ``capacity`` bytes of records, a power of two; see kitecli.store.stage for the contract."""

    cdef kite_stage state
    cdef readonly int64_t capacity
    cdef readonly int64_t limit
    cdef readonly int64_t out_bytes

    def __cinit__(self, uint64_t capacity):
        if capacity < 4096 or capacity & (capacity - 1):
            raise ValueError(f"{capacity} is no power of two of 4,096 or more")
        self.state.data = <uint8_t *>calloc(capacity, 1)
        if self.state.data == NULL:
            raise MemoryError("the recorder's room")
        self.state.capacity = self.capacity = capacity
        self.state.limit = self.limit = capacity // 4
        self.out_bytes = self.limit + MOST_ADDED + LOG_RECORD_BYTES + STAGE_LACK_BYTES

    def __dealloc__(self):
        free(self.state.data)

    def append(self, payload, int64_t ts_recv_ns, uint8_t connection=0, uint8_t kind=_FRAME):
        """Take a record in; False where there is no room, and then it is counted and told when there is again."""
        cdef Py_buffer view
        cdef bint taken
        PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
        taken = kite_stage_append(&self.state, kind, connection, ts_recv_ns, <const uint8_t *>view.buf,
                                  <uint64_t>view.len)
        PyBuffer_Release(&view)
        return taken

    def begin(self, uint32_t seed, uint64_t offset, int64_t high_ns):
        """Frame into another segment from now on, from its ``offset``; its numbers begin at 0."""
        self.state.seed = seed
        self.state.offset = self.state.start = self.state.synced = offset
        self.state.high_ns = high_ns
        self.state.number = self.state.released_number = self.state.mark_due = 0

    def frame(self, out, uint64_t until):
        """Frame what waits into ``out``, of ``out_bytes``, up to the segment's offset ``until``; returns the bytes."""
        cdef Py_buffer view
        cdef uint64_t size
        PyObject_GetBuffer(out, &view, PyBUF_WRITABLE)
        with nogil:
            size = kite_stage_frame(&self.state, <uint8_t *>view.buf, <uint64_t>view.len, until)
        PyBuffer_Release(&view)
        return size

    def end(self):
        """The segment's last record."""
        framer = Framer(self.state.seed, self.state.start, self.state.number, self.state.high_ns, self.state.synced)
        framer.offset, framer.mark_due = self.state.offset, bool(self.state.mark_due)
        ended = framer.end()
        self.state.offset = framer.offset
        return ended

    def synced(self):
        """All that was framed is on disk: let go of it, and say so in the file."""
        kite_store_release(&self.state.released, self.state.framed)
        self.state.synced = self.state.offset
        self.state.mark_due = 1
        self.state.released_number = self.state.number

    def rewind(self):
        """Frame again what isn't known on disk; returns the number of its first record, in the segment so far."""
        self.state.framed = self.state.released
        return self.state.released_number

    def tell_lack(self):
        """Put in what found no room since it was last told, whatever room there is; at the end of a recording."""
        if self.state.lack_messages:
            kite_stage_tell_lack(&self.state)

    @property
    def unrecorded(self):
        return self.state.unrecorded

    @property
    def unrecorded_bytes(self):
        return self.state.unrecorded_bytes

    @property
    def offset(self):
        return self.state.offset

    @property
    def number(self):
        return self.state.number

    @property
    def high_ns(self):
        return self.state.high_ns

    @property
    def waiting(self):
        return self.state.head - self.state.framed

    @property
    def held(self):
        return self.state.head - self.state.released


def scan(data, place, uint32_t seed):
    """The records of ``data``, whose first byte stands at ``place.offset`` of its segment's file."""
    cdef Py_buffer view, to
    cdef kite_scan state
    rows = np.empty(len(data) // LOG_RECORD_BYTES + 1, ROW_DTYPE)
    state.offset, state.number, state.high_ns, state.rows = place.offset, place.number, place.high_ns, 0
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(rows, &to, PyBUF_WRITABLE)
        with nogil:
            kite_log_scan(&state, <const uint8_t *>view.buf, <uint64_t>view.len, seed, <kite_row *>to.buf,
                          to.len // 32)
        PyBuffer_Release(&to)
    finally:
        PyBuffer_Release(&view)
    return Scan(rows[:state.rows], Place(state.offset, state.number, state.high_ns), Stop(state.stop))


def put_column(values):
    """A column's bytes; ``values``: (n,) of numpy.uint32."""
    cdef Py_buffer view
    cdef uint64_t size
    if values.dtype != np.uint32:
        raise ValueError(f"a column of {values.dtype}")
    out = bytearray(kite_column_room(len(values)))
    cdef uint8_t *to = out
    PyObject_GetBuffer(values, &view, PyBUF_SIMPLE)
    size = kite_put_column(to, <const uint32_t *>view.buf, <uint64_t>view.len // 4)
    PyBuffer_Release(&view)
    return bytes(out[:size])


def unpack_columns(content, bytes verbatim, uint64_t lead, uint64_t records, uint64_t size):
    """A stretch's bytes. Raises ValueError for what never was packed."""
    cdef Py_buffer view
    cdef kite_unpacking work
    cdef int done
    found = PyBytes_FromStringAndSize(NULL, size)
    memset(PyBytes_AS_STRING(found), 0, size)
    work.out = <uint8_t *>PyBytes_AS_STRING(found)
    work.size, work.lead, work.records = size, lead, records
    work.verbatim = <const uint8_t *>PyBytes_AS_STRING(verbatim)
    work.verbatim_end = work.verbatim + len(verbatim)
    PyObject_GetBuffer(content, &view, PyBUF_SIMPLE)
    work.at = <const uint8_t *>view.buf
    work.end = work.at + view.len
    with nogil:
        done = kite_unpack_columns(&work)
    PyBuffer_Release(&view)
    if not done:
        raise ValueError("columns that never were packed")
    return found


def tokens_of(data, rows):
    """Of every packet and of what was subscribed: the token, and the row it stands in."""
    cdef Py_buffer view, of, to, beside
    cdef int64_t found
    rows = np.ascontiguousarray(rows)
    most = int(rows["length"].sum()) // 6 + 1  # a packet takes six bytes or more here
    tokens, owners = np.empty(most, np.uint32), np.empty(most, np.int64)
    if len(rows) and int((rows["at"] + rows["length"]).max()) > len(data):
        raise ValueError("rows of other data")
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    PyObject_GetBuffer(rows, &of, PyBUF_SIMPLE)
    PyObject_GetBuffer(tokens, &to, PyBUF_WRITABLE)
    PyObject_GetBuffer(owners, &beside, PyBUF_WRITABLE)
    with nogil:
        found = kite_log_tokens(<const uint8_t *>view.buf, <const kite_row *>of.buf, of.len // 32, <uint32_t *>to.buf,
                                <int64_t *>beside.buf, to.len // 4)
    PyBuffer_Release(&beside)
    PyBuffer_Release(&to)
    PyBuffer_Release(&of)
    PyBuffer_Release(&view)
    return tokens[:found], owners[:found]
