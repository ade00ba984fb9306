/* Reading the memory of bars beside its writer, in this process or another; see kitecli/bars/view.py for the contract. */
#ifndef KITE_BARS_VIEW_H
#define KITE_BARS_VIEW_H

#include "bars_parts.h"

enum { FORMING_TRIES = 1000000 }; /* tens of milliseconds: by then the writer died in the middle of the row */

static int64_t kite_bars_copy(const kite_bars *bars, int series, int64_t start, int64_t count, kite_bar *to)
{
    uint64_t first = (uint64_t)start & (bars->capacity - 1), room = bars->capacity - first;
    uint64_t head = (uint64_t)count < room ? (uint64_t)count : room;
    const kite_bar *ring = bars->bars + (uint64_t)series * bars->capacity;
    memcpy(to, ring + first, head * sizeof *to);
    memcpy(to + head, ring, ((uint64_t)count - head) * sizeof *to);
    kite_fence_acquire();
    return kite_load_acquire(kite_bars_intent(bars, series)) - (int64_t)bars->capacity;
}

static int64_t kite_bars_history(const kite_bars *bars, int64_t row, int series, int64_t count, kite_bar *to)
{
    int64_t found = 0, sequence = kite_load_acquire(&kite_bars_cold(bars, row)[series].next_sequence) - 1;
    while (sequence >= 0 && found < count) {
        uint64_t slot = kite_bars_slot(bars, series, sequence);
        uint32_t link = bars->links[slot];
        to[found] = bars->bars[slot];
        kite_fence_acquire();
        if (sequence < kite_load_acquire(kite_bars_intent(bars, series)) - (int64_t)bars->capacity)
            break;
        found++;
        sequence = link ? sequence - (int64_t)link : -1;
    }
    return found;
}

/* The forming bar of a row; 0, and a record of zeros, where there is none, or where its writer died in it. */
static int kite_bars_forming(const kite_bars *bars, int64_t row, int series, kite_bar *to)
{
    const kite_bar_state *state = kite_bars_state(bars, row);
    int tries;
    for (tries = 0; tries < FORMING_TRIES; tries++) {
        uint32_t before = kite_load_acquire32(&state->version);
        if (!(before & 1)) {
            kite_bar_state at = *state;
            kite_bar_hot hot = kite_bars_hot(bars, row)[series];
            kite_bar_cold cold = kite_bars_cold(bars, row)[series];
            kite_fence_acquire();
            if (kite_load_acquire32(&state->version) == before) {
                if (hot.until_ms == 0)
                    break;
                kite_bar_assemble(to, &at, &hot, &cold, series);
                to->token = 0;
                to->flags |= BAR_OPEN;
                return 1;
            }
        }
        kite_pause();
    }
    memset(to, 0, sizeof *to);
    return 0;
}

#endif
