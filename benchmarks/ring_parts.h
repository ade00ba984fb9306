/* A pass of our own over a ring that Python made: the addresses come as rings.Parts. */
#ifndef KITE_RING_PARTS_H
#define KITE_RING_PARTS_H

#include "pass.h"

typedef struct {
    kite_tick *ticks;
    uint32_t *links;
    kite_depth *depth;
    kite_meta *meta;
    kite_tick *board_ticks;
    kite_depth *board_depth;
    int64_t *intent, *cursor, *board_rows, *heartbeat_ns;
    uint64_t *counters;
    int64_t capacity, depth_capacity, board_capacity;
} parts;

static kite_pass *pass_over(const parts *from)
{
    kite_pass *pass = calloc(1, sizeof *pass);
    if (pass == NULL)
        return NULL;
    pass->ticks = from->ticks, pass->links = from->links, pass->depth = from->depth, pass->meta = from->meta;
    pass->board_ticks = from->board_ticks, pass->board_depth = from->board_depth;
    pass->intent = from->intent, pass->cursor = from->cursor, pass->board_rows = from->board_rows;
    pass->heartbeat_ns = from->heartbeat_ns, pass->counters = from->counters;
    pass->mask = (uint64_t)from->capacity - 1, pass->depth_mask = (uint64_t)from->depth_capacity - 1;
    pass->board_capacity = from->board_capacity;
    return kite_pass_make_table(pass) ? pass : NULL;
}

/* A sound frame of full packets into the ring's ticks and depth, and nothing else: no lookup, no links, no board. */
static inline void frame_decode(kite_pass *pass, const uint8_t *frame, size_t size, int64_t ts_recv_ns)
{
    int64_t sequence = *pass->cursor;
    for (size_t at = 4; at < size; at += FULL_LENGTH + 2, sequence++) {
        kite_tick *tick = pass->ticks + ((uint64_t)sequence & pass->mask);
        for (int word = 0; word < QUOTE_WORDS; word++)
            tick->words[word] = kite_be32(frame + at + 4 * word);
        kite_put_depth(pass->depth + ((uint64_t)sequence & pass->depth_mask), frame + at);
        kite_put_tail(tick, ts_recv_ns, kite_be32(frame + at + 48), kite_be32(frame + at + 60), MODE_FULL);
    }
    kite_store_release(pass->cursor, sequence);
}

#endif
