/* The two layouts a tick could have in the ring, written as the pass writes them (docs/adr/0001).
 *
 * (a) decoded:     64 bytes of native integers, and 128 bytes of depth beside them in full mode: pass.h
 * (b) as received: ts_recv_ns and the packet as it came, in 64 bytes (quote) or 192 (full); mode, connection and flags
 *                  in a parallel array of u32; fields are swapped when they are read
 *
 * Each is written into the ring alone, and through the whole pass: lookup, links and board as well. Messages and the
 * receive buffer are as in driver.c. */
#include "ring_parts.h"

enum { RECEIVE_BYTES = 128 * 1024, RAW_AHEAD = 8 };
static uint8_t buffer[RECEIVE_BYTES];

typedef struct {
    int64_t ts_recv_ns;
    uint8_t packet[56];
} raw_quote;

typedef struct {
    int64_t ts_recv_ns;
    uint8_t packet[184];
} raw_full;

typedef struct {
    kite_pass *pass; /* lookup, links, meta, counters and cursor, as (a) has them */
    uint8_t *slots, *board;
    uint32_t *flags;
} raw_ring;

kite_pass *layout_open(const parts *from) { return pass_over(from); }

raw_ring *raw_open(const parts *from, uint8_t *slots, uint32_t *flags, uint8_t *board)
{
    raw_ring *ring = calloc(1, sizeof *ring);
    ring->pass = pass_over(from), ring->slots = slots, ring->flags = flags, ring->board = board;
    return ring;
}

KITE_INLINE uint32_t mode_of(uint32_t length)
{
    return length == FULL_LENGTH || length == INDEX_FULL_LENGTH ? MODE_FULL : length == LTP_LENGTH ? MODE_LTP : MODE_QUOTE;
}

KITE_INLINE uint32_t tail_of(uint32_t length)
{
    int index = length == INDEX_FULL_LENGTH || length == INDEX_QUOTE_LENGTH;
    return mode_of(length) | (uint32_t)(index ? FLAG_INDEX | FLAG_OHLC : FLAG_OHLC) << 16;
}

KITE_INLINE void put_raw(uint8_t *slot, size_t slot_bytes, const uint8_t *p, uint32_t length, int64_t ts_recv_ns)
{
    memcpy(slot, &ts_recv_ns, 8);
    if (length == FULL_LENGTH && slot_bytes == sizeof(raw_full)) /* constant lengths become a run of moves */
        memcpy(slot + 8, p, FULL_LENGTH);
    else if (length == QUOTE_LENGTH)
        memcpy(slot + 8, p, QUOTE_LENGTH);
    else
        memcpy(slot + 8, p, length);
}

KITE_INLINE int64_t raw_row(kite_pass *pass, uint32_t token)
{
    kite_entry *entry = kite_pass_entry(pass, token);
    return entry->place ? (int64_t)(entry->place & ROW_MASK) - 1 : kite_pass_add_row(pass, entry, token);
}

KITE_INLINE void raw_put(raw_ring *ring, size_t slot_bytes, int whole, int64_t sequence, const uint8_t *p,
                         uint32_t length, int64_t ts_recv_ns)
{
    kite_pass *pass = ring->pass;
    uint64_t at = (uint64_t)sequence & pass->mask;
    put_raw(ring->slots + at * slot_bytes, slot_bytes, p, length, ts_recv_ns);
    ring->flags[at] = tail_of(length);
    if (!whole)
        return;
    int64_t row = raw_row(pass, kite_be32(p));
    kite_meta *meta = pass->meta + row;
    int64_t previous = meta->next_sequence, distance = sequence + 1 - previous;
    pass->links[at] = previous != 0 && distance <= UINT32_MAX ? (uint32_t)distance : 0;
    kite_store_release32(&meta->version, meta->version + 1);
    kite_fence_release();
    put_raw(ring->board + (uint64_t)row * slot_bytes, slot_bytes, p, length, ts_recv_ns);
    meta->next_sequence = sequence + 1;
    kite_store_release32(&meta->version, meta->version + 1);
}

/* (a)'s pass asks for memory ahead of its need, so this does: the next packet's row, the ring's slots a little on. */
KITE_INLINE void raw_ask(const raw_ring *ring, size_t slot_bytes, int64_t sequence, const uint8_t *next_token)
{
    const kite_pass *pass = ring->pass;
    uint32_t token = kite_be32(next_token);
    kite_entry entry = pass->table[(token * 2654435769u) >> pass->table_shift];
    const uint8_t *slot = ring->slots + (((uint64_t)sequence + RAW_AHEAD) & pass->mask) * slot_bytes;
    size_t at;
    for (at = 0; at < slot_bytes; at += 64)
        kite_prefetch_write(slot + at);
    if (entry.token != token || (entry.place & ROW_MASK) == 0)
        return;
    kite_prefetch_write(pass->meta + (entry.place & ROW_MASK) - 1);
    for (at = 0; at < slot_bytes; at += 64)
        kite_prefetch_write(ring->board + ((entry.place & ROW_MASK) - 1) * slot_bytes + at);
}

KITE_INLINE void raw_walk(raw_ring *ring, size_t slot_bytes, int whole, size_t size, int64_t ts_recv_ns)
{
    kite_pass *pass = ring->pass;
    int64_t sequence = *pass->cursor;
    uint32_t count = kite_be16(buffer);
    size_t at = 2;
    kite_store_release(pass->intent, sequence + count);
    kite_fence_release();
    for (uint32_t i = 0; i < count && at + 2 <= size; i++) {
        uint32_t length = kite_be16(buffer + at);
        at += 2;
        if (at + length > size || !kite_known_length(length))
            break;
        if (whole && at + length + 6 <= size) /* behind this packet: the next one's length, then its token */
            raw_ask(ring, slot_bytes, sequence, buffer + at + length + 2);
        raw_put(ring, slot_bytes, whole, sequence++, buffer + at, length, ts_recv_ns);
        at += length;
    }
    kite_store_release(pass->cursor, sequence);
}

void raw_write(raw_ring *ring, int64_t full, int64_t whole, const uint8_t *bytes, const int64_t *starts, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        size_t size = (size_t)(starts[i + 1] - starts[i]);
        memcpy(buffer, bytes + starts[i], size);
        if (full && whole)
            raw_walk(ring, sizeof(raw_full), 1, size, i);
        else if (full)
            raw_walk(ring, sizeof(raw_full), 0, size, i);
        else if (whole)
            raw_walk(ring, sizeof(raw_quote), 1, size, i);
        else
            raw_walk(ring, sizeof(raw_quote), 0, size, i);
    }
}

/* (a) into the ring alone: put_packet writes two places, so its parts are called for one. */
KITE_INLINE void decoded_put(kite_pass *pass, int64_t sequence, const uint8_t *p, uint32_t length, int64_t ts_recv_ns)
{
    kite_tick *tick = pass->ticks + ((uint64_t)sequence & pass->mask);
    uint32_t oi = 0, ts_event_s = 0;
    if (length == FULL_LENGTH || length == QUOTE_LENGTH)
        for (int i = 0; i < QUOTE_WORDS; i++)
            tick->words[i] = kite_be32(p + 4 * i);
    else if (length == LTP_LENGTH)
        kite_put_ltp_words(tick, p);
    else
        kite_put_index_words(tick, p);
    if (length == FULL_LENGTH) {
        oi = kite_be32(p + 48), ts_event_s = kite_be32(p + 60);
        kite_put_depth(pass->depth + ((uint64_t)sequence & pass->depth_mask), p);
    }
    kite_put_tail(tick, ts_recv_ns, oi, ts_event_s, tail_of(length));
}

void decoded_write(kite_pass *pass, int64_t whole, const uint8_t *bytes, const int64_t *starts, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        size_t size = (size_t)(starts[i + 1] - starts[i]), at = 2;
        int64_t sequence = *pass->cursor;
        memcpy(buffer, bytes + starts[i], size);
        if (whole) {
            kite_pass_ingest(pass, buffer, size, i, 0);
            continue;
        }
        while (at + 2 <= size) {
            uint32_t length = kite_be16(buffer + at);
            decoded_put(pass, sequence++, buffer + at + 2, length, i);
            at += 2 + length;
        }
        kite_store_release(pass->cursor, sequence);
    }
}

void layout_copy(const uint8_t *bytes, const int64_t *starts, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        memcpy(buffer, bytes + starts[i], (size_t)(starts[i + 1] - starts[i]));
        __asm__ __volatile__("" ::: "memory");
    }
}
