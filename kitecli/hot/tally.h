/* Counting latencies into a histogram that others read meanwhile; kitecli/metrics/histogram.py draws its cells. */
#ifndef KITE_TALLY_H
#define KITE_TALLY_H

#include <time.h>

#include "records.h"

#if defined(_MSC_VER)
KITE_INLINE void kite_put(int64_t *at, int64_t value) { *(volatile int64_t *)at = value; }
KITE_INLINE int kite_bits(uint64_t value)
{
    unsigned long top;
    return _BitScanReverse64(&top, value) ? (int)top + 1 : 0;
}
#else
KITE_INLINE void kite_put(int64_t *at, int64_t value) { __atomic_store_n(at, value, __ATOMIC_RELAXED); }
KITE_INLINE int kite_bits(uint64_t value) { return value ? 64 - __builtin_clzll(value) : 0; }
#endif

enum { TALLY_SUM = 0, TALLY_MAX = 1, TALLY_COUNTS = 8, TALLY_SUB_BITS = 5, TALLY_TOP_BITS = 42 };
enum { TALLY_CELLS = TALLY_COUNTS + (TALLY_TOP_BITS - TALLY_SUB_BITS + 1) * (1 << TALLY_SUB_BITS) };

static void kite_tally(int64_t *cells, int64_t value)
{
    const int64_t top = ((int64_t)1 << TALLY_TOP_BITS) - 1;
    int64_t shown = value < 0 ? 0 : value > top ? top : value;
    int bits = kite_bits((uint64_t)shown), shift = bits > TALLY_SUB_BITS + 1 ? bits - TALLY_SUB_BITS - 1 : 0;
    int64_t *count = cells + TALLY_COUNTS + (shown >> shift) + ((int64_t)shift << TALLY_SUB_BITS);
    value = value < 0 ? 0 : value;
    kite_put(count, *count + 1);
    kite_put(cells + TALLY_SUM, cells[TALLY_SUM] > INT64_MAX - shown ? INT64_MAX : cells[TALLY_SUM] + shown);
    if (value > cells[TALLY_MAX])
        kite_put(cells + TALLY_MAX, value);
}

/* What a reader has just taken: how long after their receipt, and how long after the exchange's stamps that was. The
 * cached packets that answer a subscription are as old as they like, and some packets carry no stamp. */
static void kite_tally_ticks(int64_t *read, int64_t *stamped, const kite_tick *ticks, int64_t count, int64_t now_ns)
{
    int64_t i;
    for (i = 0; i < count; i++) {
        kite_tally(read, now_ns - ticks[i].ts_recv_ns);
        if (ticks[i].ts_event_s != 0 && !(ticks[i].tail >> 16 & FLAG_SNAPSHOT))
            kite_tally(stamped, ticks[i].ts_recv_ns - (int64_t)ticks[i].ts_event_s * 1000000000);
    }
}

KITE_INLINE int64_t kite_wall_ns(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* For durations: no clock that is set. Windows has none of that name, and its wall clock is as fine as its counter. */
KITE_INLINE int64_t kite_steady_ns(void)
{
#if defined(_WIN32)
    return kite_wall_ns();
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
#endif
}

#endif
