/* The compiled pass: one call per frame checks the lengths, finds the instrument, and writes ring, depth and board.
 *
 * The specification is kitecli/protocol/decoder.py and kitecli/ring/writer.py; memory must come out the same, byte for
 * byte. The ring's memory is drawn in kitecli/ring/layout.py, the records in kitecli/market/tick.py.
 *
 * Every field goes straight from the packet to both its places, in registers: decoding into the ring and copying from
 * there to the board stalls on store forwarding (a first prototype spent two thirds of its time so).
 */
#ifndef KITE_PASS_H
#define KITE_PASS_H

#include <stdlib.h>

#include "bars_idle.h"

enum { DEPTH_WIRE_OFFSET = 64 };
enum {
    COUNT_FRAMES, COUNT_BYTES, COUNT_TICKS, COUNT_HEARTBEATS,
    COUNT_EMPTY, COUNT_TRUNCATED, COUNT_MISSING, COUNT_UNKNOWN_LENGTH, COUNT_TRAILING, COUNT_OFF_BOARD
};

typedef struct {
    uint32_t version;
    uint32_t token;
    int64_t next_sequence;
} kite_meta;

/* An instrument's place in the table. What is due stands in bits that the row leaves, because the row is loaded for
 * every packet anyway: an instrument that no snapshot is due of costs one comparison more.
 *
 *     31    28 27      26 25      24 23                                 0
 *     +-------+----------+----------+-----------------------------------+
 *     |   -   | wanted   | snapshots| row on the board + 1              |
 *     |       | mode     | due      | 0: a free place                   |
 *     +-------+----------+----------+-----------------------------------+ */
enum { ROW_BITS = 24, ROW_MASK = (1 << ROW_BITS) - 1, DUE_SHIFT = ROW_BITS, WANTED_SHIFT = ROW_BITS + 2 };

typedef struct {
    uint32_t token;
    uint32_t place;
} kite_entry;

/* A reader that may be asleep: its flag in the shared page, and the descriptor that wakes it. */
typedef struct {
    uint32_t *waiting;
    int descriptor;
} kite_sleeper;

typedef struct {
    kite_tick *ticks;
    uint32_t *links;
    kite_depth *depth;
    kite_meta *meta;
    kite_tick *board_ticks;
    kite_depth *board_depth;
    int64_t *intent, *cursor, *board_rows, *heartbeat_ns;
    uint64_t *counters;
    uint64_t mask, depth_mask;
    int64_t board_capacity;
    kite_entry *table; /* token -> row, open addressing, at most half full */
    uint32_t table_mask, table_shift;
    kite_sleeper *sleepers;
    int sleeper_count;
    kite_bars *bars; /* or NULL: none are built */
} kite_pass;

/* ---- token -> board row ------------------------------------------------------------------------------------- */

static int kite_pass_make_table(kite_pass *pass)
{
    uint32_t bits = 1;
    if (pass->board_capacity >= ROW_MASK)
        return 0;
    while (((int64_t)1 << bits) < pass->board_capacity * 2)
        bits++;
    pass->table = (kite_entry *)calloc((size_t)1 << bits, sizeof(kite_entry));
    pass->table_mask = ((uint32_t)1 << bits) - 1;
    pass->table_shift = 32 - bits;
    return pass->table != NULL;
}

static int64_t kite_pass_add_row(kite_pass *pass, kite_entry *entry, uint32_t token)
{
    int64_t row = *pass->board_rows;
    if (row >= pass->board_capacity)
        return -1;
    entry->token = token;
    entry->place = (uint32_t)row + 1;
    pass->meta[row].token = token;
    if (pass->bars != NULL)
        kite_bars_admit(pass->bars, row, token);
    kite_store_release(pass->board_rows, row + 1);
    return row;
}

/* The instrument's entry, or the free one where it belongs.
 * Fibonacci hashing: tokens are exchange_token << 8 | segment, so their low byte is the same for a whole segment. */
KITE_INLINE kite_entry *kite_pass_entry(const kite_pass *pass, uint32_t token)
{
    uint32_t at = (token * 2654435769u) >> pass->table_shift;
    while (pass->table[at].place != 0 && pass->table[at].token != token)
        at = (at + 1) & pass->table_mask;
    return pass->table + at;
}

/* The instrument's entry; a new one takes the next row, and NULL if none is left. */
static kite_entry *kite_pass_take_row(kite_pass *pass, uint32_t token)
{
    kite_entry *entry = kite_pass_entry(pass, token);
    return entry->place == 0 && kite_pass_add_row(pass, entry, token) < 0 ? NULL : entry;
}

/* ---- snapshots: the cached packets that answer a subscription ------------------------------------------------- */

KITE_INLINE uint32_t kite_mode_of(uint32_t length)
{
    if (length == LTP_LENGTH)
        return MODE_LTP;
    return length == FULL_LENGTH || length == INDEX_FULL_LENGTH ? MODE_FULL : MODE_QUOTE;
}

/* A bare subscription is answered in quote mode, and asking for another mode may bring a second cached packet. An
 * instrument that no row is left for isn't followed. */
static void kite_pass_expect(kite_pass *pass, uint32_t token, uint32_t wanted)
{
    kite_entry *entry = kite_pass_take_row(pass, token);
    uint32_t due = wanted == MODE_QUOTE ? 1 : 2;
    if (entry == NULL)
        return;
    entry->place = (entry->place & ROW_MASK) | due << DUE_SHIFT | wanted << WANTED_SHIFT;
}

/* One of those due has come: the last one if it is in the wanted mode. */
static void kite_entry_snapshot_came(kite_entry *entry, uint32_t length)
{
    uint32_t due = entry->place >> DUE_SHIFT & 3, wanted = entry->place >> WANTED_SHIFT;
    entry->place &= ROW_MASK;
    if (due > 1 && kite_mode_of(length) != wanted)
        entry->place |= (due - 1) << DUE_SHIFT | wanted << WANTED_SHIFT;
}

/* ---- what bars are told that isn't a packet ------------------------------------------------------------------- */

/* An outage lies behind what these instruments have; those not on the board have nothing. */
static void kite_pass_mark_gap(kite_pass *pass, uint32_t token)
{
    uint32_t row = kite_pass_entry(pass, token)->place & ROW_MASK;
    if (row != 0 && pass->bars != NULL)
        kite_bars_mark_gap(pass->bars, (int64_t)row - 1);
}

/* The instrument keeps other hours than its segment; from its next bar on. */
static void kite_pass_place(kite_pass *pass, uint32_t token, uint16_t timeline)
{
    kite_entry *entry = kite_pass_take_row(pass, token);
    if (entry != NULL && pass->bars != NULL)
        kite_bars_state(pass->bars, (entry->place & ROW_MASK) - 1)->timeline = timeline;
}

/* ---- finding packets, and asking for their memory before it is needed ------------------------------------------
 *
 * The ring is longer than any cache and the board's rows come at random, so almost every store misses. So the next few
 * packets are found and looked up first, and their lines asked for, before the first of them is written. */

enum { FOUND_AHEAD = 8, SLOTS_AHEAD = 8, LINKS_AHEAD = 24 }; /* sixteen links are a line */

typedef struct {
    const uint8_t *packet;
    int64_t row; /* on the board, or -1 */
    uint32_t length;
    uint32_t tail; /* what the record's tail has of it before it is decoded: the connection, and FLAG_SNAPSHOT */
} kite_found;

typedef struct {
    const uint8_t *p;
    size_t size, at;
    uint32_t left; /* packets the count still promises */
} kite_walk;

KITE_INLINE int kite_known_length(uint32_t length)
{
    return length == FULL_LENGTH || length == QUOTE_LENGTH || length == LTP_LENGTH || length == INDEX_QUOTE_LENGTH ||
           length == INDEX_FULL_LENGTH;
}

/* The message says more than it holds: nothing behind the damage can be told apart. */
KITE_INLINE int kite_walk_broken(kite_walk *walk, uint64_t *counters)
{
    counters[COUNT_MISSING] += walk->left;
    walk->left = 0;
    walk->at = walk->size;
    return 0;
}

/* The next packet of a known length; 0 where there is none. Counts what is wrong. */
KITE_INLINE int kite_walk_next(kite_walk *walk, uint64_t *counters, kite_found *found)
{
    while (walk->left > 0) {
        if (KITE_UNLIKELY(walk->at + 2 > walk->size))
            return kite_walk_broken(walk, counters);
        uint32_t length = kite_be16(walk->p + walk->at);
        walk->at += 2;
        walk->left--;
        if (KITE_UNLIKELY(walk->at + length > walk->size)) {
            counters[COUNT_TRUNCATED]++;
            return kite_walk_broken(walk, counters);
        }
        found->packet = walk->p + walk->at;
        found->length = length;
        walk->at += length;
        if (kite_known_length(length))
            return 1;
        counters[COUNT_UNKNOWN_LENGTH]++;
    }
    return 0;
}

/* Its row, and whether it is a snapshot. Packets are looked up in their order, so an instrument that stands twice in a
 * message has what is due of it counted down in that order too. */
KITE_INLINE void kite_pass_look_up(kite_pass *pass, kite_found *found)
{
    uint32_t token = kite_be32(found->packet);
    kite_entry *entry = kite_pass_entry(pass, token);
    uint32_t place = entry->place;
    if (KITE_UNLIKELY(place == 0)) {
        found->row = kite_pass_add_row(pass, entry, token);
        return;
    }
    if (KITE_UNLIKELY(place > ROW_MASK)) {
        kite_entry_snapshot_came(entry, found->length);
        found->tail |= (uint32_t)FLAG_SNAPSHOT << 16;
    }
    found->row = (int64_t)(place & ROW_MASK) - 1;
}

KITE_INLINE void kite_prefetch_depth(const kite_depth *depth)
{
    kite_prefetch_write(depth);
    kite_prefetch_write((const char *)depth + 64);
}

/* The lines of a packet's row, and of the ring's slots a little further on: those of its own were asked for before. */
KITE_INLINE void kite_pass_prefetch(const kite_pass *pass, int64_t sequence, const kite_found *found)
{
    uint64_t ahead = (uint64_t)sequence + SLOTS_AHEAD;
    kite_prefetch_write(pass->ticks + (ahead & pass->mask));
    kite_prefetch_write(pass->links + (((uint64_t)sequence + LINKS_AHEAD) & pass->mask));
    if (found->length == FULL_LENGTH)
        kite_prefetch_depth(pass->depth + (ahead & pass->depth_mask));
    if (KITE_UNLIKELY(found->row < 0))
        return;
    kite_prefetch_write(pass->meta + found->row);
    kite_prefetch_write(pass->board_ticks + found->row);
    if (found->length == FULL_LENGTH)
        kite_prefetch_depth(pass->board_depth + found->row);
    if (pass->bars != NULL)
        kite_bars_prefetch(pass->bars, found->row);
}

/* ---- one packet, to two places ------------------------------------------------------------------------------ */

KITE_INLINE void kite_put_words(kite_tick *KITE_RESTRICT a, kite_tick *KITE_RESTRICT b, const uint8_t *KITE_RESTRICT p)
{
    kite_put_be32x4(a->words, b->words, p);
    kite_put_be32x4(a->words + 4, b->words + 4, p + 16);
    kite_put_be32x4(a->words + 7, b->words + 7, p + 28); /* the eighth a second time: they are eleven */
}

KITE_INLINE void kite_put_tail(kite_tick *a, int64_t ts_recv_ns, uint32_t oi, uint32_t ts_event_s, uint32_t tail)
{
    a->ts_recv_ns = ts_recv_ns;
    a->oi = oi;
    a->ts_event_s = ts_event_s;
    a->tail = tail;
}

/* The wire says high, low, open, close; the record open, high, low, close. */
KITE_INLINE void kite_put_index_words(kite_tick *a, const uint8_t *p)
{
    static const uint8_t source[QUOTE_WORDS] = {0, 4, 0, 0, 0, 0, 0, 16, 8, 12, 20};
    int i;
    for (i = 0; i < QUOTE_WORDS; i++)
        a->words[i] = (i < 2 || i > 6) ? kite_be32(p + source[i]) : 0;
}

KITE_INLINE void kite_put_ltp_words(kite_tick *a, const uint8_t *p)
{
    memset(a->words, 0, sizeof a->words);
    a->words[0] = kite_be32(p);
    a->words[1] = kite_be32(p + 4);
}

KITE_INLINE void kite_put_depth(kite_depth *a, const uint8_t *p)
{
    uint32_t oi_day_low = kite_be32(p + 56);
    uint16_t low = (uint16_t)oi_day_low, high = (uint16_t)(oi_day_low >> 16);
    memcpy(a->levels, p + DEPTH_WIRE_OFFSET, DEPTH_WIRE_BYTES);
    memcpy(a->levels + 10, &low, 2);
    memcpy(a->levels + 22, &high, 2);
    a->last_trade_time = kite_be32(p + 44);
    a->oi_day_high = kite_be32(p + 52);
}

/* Decode one packet of a known length into two records, and two depths where it has them. */
KITE_INLINE void kite_put_packet(kite_tick *a, kite_tick *b, kite_depth *da, kite_depth *db, const uint8_t *p,
                                 uint32_t length, int64_t ts_recv_ns, uint32_t tail)
{
    uint32_t oi = 0, ts_event_s = 0;
    if (length == FULL_LENGTH) {
        tail |= MODE_FULL | (uint32_t)(FLAG_DEPTH | FLAG_OHLC) << 16;
        oi = kite_be32(p + 48);
        ts_event_s = kite_be32(p + 60);
        kite_put_words(a, b, p);
        kite_put_depth(da, p);
        kite_put_depth(db, p);
    } else if (length == QUOTE_LENGTH) {
        tail |= MODE_QUOTE | (uint32_t)FLAG_OHLC << 16;
        kite_put_words(a, b, p);
    } else if (length == LTP_LENGTH) {
        tail |= MODE_LTP;
        kite_put_ltp_words(a, p);
        kite_put_ltp_words(b, p);
    } else {
        tail |= (length == INDEX_FULL_LENGTH ? MODE_FULL : MODE_QUOTE) | (uint32_t)(FLAG_INDEX | FLAG_OHLC) << 16;
        if (length == INDEX_FULL_LENGTH)
            ts_event_s = kite_be32(p + 28);
        kite_put_index_words(a, p);
        kite_put_index_words(b, p);
    }
    kite_put_tail(a, ts_recv_ns, oi, ts_event_s, tail);
    kite_put_tail(b, ts_recv_ns, oi, ts_event_s, tail);
}

/* ---- a message into ring and board -------------------------------------------------------------------------- */

KITE_INLINE void kite_pass_put(kite_pass *pass, int64_t sequence, const kite_found *found, int64_t ts_recv_ns)
{
    uint64_t slot = (uint64_t)sequence & pass->mask;
    kite_tick *tick = pass->ticks + slot;
    kite_depth *depth = pass->depth + ((uint64_t)sequence & pass->depth_mask);
    if (KITE_UNLIKELY(found->row < 0)) {
        kite_tick nowhere;
        kite_depth nowhere_deep;
        kite_put_packet(tick, &nowhere, depth, &nowhere_deep, found->packet, found->length, ts_recv_ns, found->tail);
        pass->links[slot] = 0;
        pass->counters[COUNT_OFF_BOARD]++;
        return;
    }
    kite_meta *meta = pass->meta + found->row;
    int64_t previous = meta->next_sequence, distance = sequence + 1 - previous;
    pass->links[slot] = previous != 0 && distance <= UINT32_MAX ? (uint32_t)distance : 0;
    kite_store_release32(&meta->version, meta->version + 1);
    kite_fence_release();
    kite_put_packet(tick, pass->board_ticks + found->row, depth, pass->board_depth + found->row, found->packet,
                    found->length, ts_recv_ns, found->tail);
    /* Released, because history follows it into the ring without asking for the version. */
    kite_store_release(&meta->next_sequence, sequence + 1);
    kite_store_release32(&meta->version, meta->version + 1);
}

/* Walk a message of at least two bytes; returns the number of ticks written from sequence `start` on. */
KITE_INLINE int64_t kite_pass_walk(kite_pass *pass, int64_t start, const uint8_t *p, size_t size, int64_t ts_recv_ns,
                                   uint32_t connection)
{
    kite_walk walk = {p, size, 2, kite_be16(p)};
    int64_t sequence = start, recv_ms = kite_floor_div(ts_recv_ns, 1000000);
    int found = FOUND_AHEAD, i;
    while (found == FOUND_AHEAD) {
        kite_found ahead[FOUND_AHEAD];
        for (found = 0; found < FOUND_AHEAD && kite_walk_next(&walk, pass->counters, ahead + found); found++) {
            ahead[found].tail = connection << 8;
            kite_pass_look_up(pass, ahead + found);
            kite_pass_prefetch(pass, sequence + found, ahead + found);
        }
        for (i = 0; i < found; i++, sequence++) {
            kite_pass_put(pass, sequence, ahead + i, ts_recv_ns);
            if (pass->bars != NULL && ahead[i].row >= 0)
                kite_bars_put(pass->bars, ahead[i].row, pass->ticks + ((uint64_t)sequence & pass->mask),
                              ahead[i].length, recv_ms);
        }
    }
    if (KITE_UNLIKELY(walk.at < walk.size))
        pass->counters[COUNT_TRAILING]++;
    return sequence - start;
}

/* Only readers that announced their sleep cost a system call; the fence orders the cursor's store before the flag's load,
 * as the reader's orders its flag's store before its last look at the cursor. */
static void kite_pass_wake(kite_pass *pass)
{
    int i;
    if (pass->sleeper_count == 0)
        return;
    kite_fence_full();
    for (i = 0; i < pass->sleeper_count; i++) {
        kite_sleeper *sleeper = pass->sleepers + i;
        if (kite_load_acquire32(sleeper->waiting)) {
            kite_store_release32(sleeper->waiting, 0);
            kite_wake_descriptor(sleeper->descriptor);
        }
    }
}

/* One binary message; returns the number of ticks it brought. */
static int64_t kite_pass_ingest(kite_pass *pass, const uint8_t *p, size_t size, int64_t ts_recv_ns, uint32_t connection)
{
    int64_t start = *pass->cursor, written = 0;
    pass->counters[COUNT_FRAMES]++;
    pass->counters[COUNT_BYTES] += size;
    *pass->heartbeat_ns = ts_recv_ns;
    if (size >= 2) {
        /* No packet is shorter than ten bytes with its header, so a lying count can't claim the whole ring. */
        uint64_t most = (size - 2) / (LTP_LENGTH + 2), count = kite_be16(p);
        kite_store_release(pass->intent, start + (int64_t)(count < most ? count : most));
        kite_fence_release();
        written = kite_pass_walk(pass, start, p, size, ts_recv_ns, connection);
        kite_store_release(pass->cursor, start + written);
        kite_store_release(pass->intent, start + written);
        pass->counters[COUNT_TICKS] += (uint64_t)written;
        kite_pass_wake(pass);
    } else {
        pass->counters[size == 1 ? COUNT_HEARTBEATS : COUNT_EMPTY]++;
    }
    return written;
}

/* ---- reading beside a live writer --------------------------------------------------------------------------- */

typedef struct {
    const kite_tick *ticks;
    const uint32_t *links;
    const kite_depth *depth;
    const kite_meta *meta;
    const kite_tick *board_ticks;
    const kite_depth *board_depth;
    const int64_t *intent, *cursor, *board_rows, *state, *heartbeat_ns;
    const uint64_t *counters;
    uint64_t mask, depth_mask;
    int64_t capacity;
} kite_view;

/* Copy `count` slots that may wrap once. */
static void kite_copy_wrapped(uint8_t *to, const uint8_t *from, uint64_t mask, size_t item, int64_t start, int64_t count)
{
    uint64_t first = (uint64_t)start & mask, room = mask + 1 - first;
    uint64_t head = (uint64_t)count < room ? (uint64_t)count : room;
    memcpy(to, from + first * item, head * item);
    memcpy(to + head * item, from, ((uint64_t)count - head) * item);
}

static int64_t kite_view_copy(const kite_view *view, int64_t start, int64_t count, kite_tick *ticks, kite_depth *depth)
{
    kite_copy_wrapped((uint8_t *)ticks, (const uint8_t *)view->ticks, view->mask, sizeof(kite_tick), start, count);
    if (depth != NULL) {
        int64_t done = 0; /* a batch may be longer than the depth ring */
        while (done < count) {
            int64_t part = count - done, most = (int64_t)view->depth_mask + 1;
            part = part < most ? part : most;
            kite_copy_wrapped((uint8_t *)(depth + done), (const uint8_t *)view->depth, view->depth_mask,
                              sizeof(kite_depth), start + done, part);
            done += part;
        }
    }
    kite_fence_acquire();
    return kite_load_acquire(view->intent) - view->capacity;
}

static int64_t kite_view_history(const kite_view *view, int64_t row, int64_t count, kite_tick *ticks, int64_t *sequences)
{
    int64_t found = 0, sequence = kite_load_acquire(&view->meta[row].next_sequence) - 1;
    while (sequence >= 0 && found < count) {
        uint64_t slot = (uint64_t)sequence & view->mask;
        uint32_t link = view->links[slot];
        ticks[found] = view->ticks[slot];
        kite_fence_acquire();
        if (sequence < kite_load_acquire(view->intent) - view->capacity)
            break;
        sequences[found++] = sequence;
        sequence = link ? sequence - (int64_t)link : -1;
    }
    return found;
}

enum { NO_TICK = -1, NOT_WHOLE = -2 }; /* as in kitecli/ring/layout.py; the first is what a next sequence of 0 makes */
enum { BOARD_TRIES = 1000000 }; /* tens of milliseconds: by then the writer died in the middle of the row */

KITE_INLINE void kite_view_board_row(const kite_view *view, int64_t row, kite_tick *tick, kite_depth *depth,
                                     int64_t *sequence)
{
    const kite_meta *meta = view->meta + row;
    int tries;
    for (tries = 0; tries < BOARD_TRIES; tries++) {
        uint32_t before = kite_load_acquire32(&meta->version);
        if (!(before & 1)) {
            *tick = view->board_ticks[row];
            if (depth != NULL)
                *depth = view->board_depth[row];
            *sequence = meta->next_sequence - 1;
            kite_fence_acquire();
            if (kite_load_acquire32(&meta->version) == before)
                return;
        }
        kite_pause();
    }
    *sequence = NOT_WHOLE;
}

static void kite_view_snapshot(const kite_view *view, int64_t rows, kite_tick *ticks, kite_depth *depth,
                               int64_t *sequences)
{
    int64_t row;
    for (row = 0; row < rows; row++)
        kite_view_board_row(view, row, ticks + row, depth == NULL ? NULL : depth + row, sequences + row);
}

#endif
