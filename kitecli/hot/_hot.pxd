# cython: language_level=3
"""The C that the module calls: pass.h, bars.h, bars_idle.h, bars_view.h, tally.h and mailbox.h beside this."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "bars_idle.h":
    enum: BARS_LAST_KIND "SPAN_UNSCHEDULED"
    ctypedef struct kite_bar:
        pass
    ctypedef struct kite_timeline:
        const int64_t *starts_ms
        const uint8_t *kinds
        int64_t count
    ctypedef struct kite_bars:
        uint64_t *counters
        uint64_t capacity
        int64_t rows
        int series
        kite_timeline *timelines
        uint32_t timeline_count
        const uint32_t *tokens
    void kite_bars_over(kite_bars *bars, uint8_t *base) nogil
    int kite_bars_sweep(kite_bars *bars, int64_t rows, int64_t now_ms, int64_t limit) nogil
    int kite_bars_any_due(const kite_bars *bars, int64_t now_ms) nogil
    int64_t kite_floor_div(int64_t value, int64_t by) nogil
    int64_t *kite_bars_cursor(const kite_bars *bars, int series) nogil

cdef extern from "bars_view.h":
    int64_t kite_bars_copy(const kite_bars *bars, int series, int64_t start, int64_t count, kite_bar *to) nogil
    int64_t kite_bars_history(const kite_bars *bars, int64_t row, int series, int64_t count, kite_bar *to) nogil
    int kite_bars_forming(const kite_bars *bars, int64_t row, int series, kite_bar *to) nogil

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
        kite_bars *bars
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
    void kite_pass_mark_gap(kite_pass *state, uint32_t token) nogil
    void kite_pass_place(kite_pass *state, uint32_t token, uint16_t timeline) nogil
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

cdef extern from "tally.h":
    enum: TALLY_CELLS
    void kite_put(int64_t *at, int64_t value) nogil
    void kite_tally(int64_t *cells, int64_t value) nogil
    void kite_tally_ticks(int64_t *read, int64_t *stamped, const kite_tick *ticks, int64_t count, int64_t now_ns) nogil
    int64_t kite_wall_ns() nogil
    int64_t kite_steady_ns() nogil

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
