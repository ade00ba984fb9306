/* The memory of bars for C: its records, where its parts stand, and the bucket of time that a tick falls into.
 *
 * The memory is drawn in kitecli/bars/layout.py, a closed bar in kitecli/bars/record.py; spans and buckets are those of
 * kitecli/bars/timeline.py. What a tick does to it is in bars.h, what a late one does in bars_late.h.
 */
#ifndef KITE_BARS_PARTS_H
#define KITE_BARS_PARTS_H

#include <stdlib.h>

#include "portable.h"

enum { BARS_MOST_SERIES = 8, BARS_SERIES_OFFSET = 256, BARS_RINGS_OFFSET = 512, BARS_RING_STRIDE = 128 };
enum { BARS_RING_CURSOR = 64, BARS_COUNTERS_OFFSET = BARS_RINGS_OFFSET + BARS_MOST_SERIES * BARS_RING_STRIDE };
enum { BARS_RECORDS_AHEAD = 4 }; /* bars end one after another, so the slots of the next ones are asked for early */
enum { COUNT_BARS, COUNT_REVISIONS, COUNT_LATE_TICKS, COUNT_LATE_LOST, COUNT_RESETS };
enum { BARS_OF_TIME = 1, BARS_OF_TICKS = 2, BARS_OF_VOLUME = 3 };

enum { STATE_SEEN = 1, STATE_VOLUME = 2, STATE_OI = 4, STATE_UNSTAMPED = 8, STATE_GAP = 16, STATE_PARTIAL = 32 };
enum {
    BAR_OPEN = 1, BAR_PARTIAL = 2, BAR_ESTIMATED = 4, BAR_GAP = 8, BAR_REVISED = 32, BAR_VOLUME = 64, BAR_OI = 128,
    BAR_PREOPEN = 256, BAR_CLOSING = 512, BAR_POST_CLOSE = 1024, BAR_OUTSIDE = 2048, BAR_UNSCHEDULED = 4096,
    BAR_WHOLE_SPAN = BAR_PREOPEN | BAR_CLOSING | BAR_POST_CLOSE | BAR_OUTSIDE
};
enum { SPAN_CONTINUOUS, SPAN_PREOPEN, SPAN_CLOSING, SPAN_POST_CLOSE, SPAN_OUTSIDE, SPAN_UNSCHEDULED };

static const int64_t KITE_DAY_MS = 86400000, KITE_IST_OFFSET_MS = 19800000;

typedef struct {
    int64_t turnover, joined_ms, floor_ms, last_ms;
    uint32_t volume, ticks;
    int32_t last_price;
    uint32_t oi;
    int32_t day;
    uint32_t version;
    uint16_t timeline, flags;
    uint32_t sure_ms;
} kite_bar_state;

typedef struct {
    int64_t until_ms;
    int32_t high, low;
} kite_bar_hot;

typedef struct {
    int64_t start_ms, end_ms, until_ms, base_turnover, next_sequence;
    uint32_t base_volume, base_ticks;
    int32_t open;
    uint32_t first_key;
    uint16_t flags;
    uint8_t pad[6];
} kite_bar_cold;

typedef struct {
    int64_t start_ms, turnover;
    int32_t open, high, low, close;
    uint32_t volume, oi, ticks, token, length_ms;
    int32_t closed_after_ms;
    uint32_t first_key, last_key;
    uint16_t flags;
    uint8_t series, revision;
    uint32_t pad;
} kite_bar;

/* What stands at the start of the memory. */
typedef struct {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t rows, capacity, series;
    int64_t grace_ms;
    uint64_t rows_offset, cold_offset, bars_offset, links_offset, total_bytes;
} kite_bars_header;

typedef struct {
    uint32_t kind, pad;
    int64_t size;
} kite_bars_series;

typedef char kite_bars_sizes_are_as_drawn
    [sizeof(kite_bar_state) == 64 && sizeof(kite_bar_hot) == 16 && sizeof(kite_bar_cold) == 64 &&
             sizeof(kite_bar) == 72 && sizeof(kite_bars_header) <= BARS_SERIES_OFFSET ? 1 : -1];

/* Spans of a segment's time; the last start is where they end. `at`: the one looked up last. */
typedef struct {
    const int64_t *starts_ms;
    const uint8_t *kinds;
    int64_t count, at;
} kite_timeline;

typedef struct {
    int64_t start_ms, end_ms;
    int kind, next_is_outside, follows_continuous;
} kite_span;

typedef struct {
    int64_t start_ms, end_ms, until_ms;
    uint32_t timeline;
    uint16_t flags;
} kite_bucket;

typedef struct {
    uint8_t *by_row, *rings;                            /* `by_row`: each instrument's state, and its hots behind it */
    kite_bar_cold *cold;
    kite_bar *bars;
    uint32_t *links;
    uint64_t *counters;
    uint64_t capacity, row_stride;
    int64_t rows, grace_ms, sizes[BARS_MOST_SERIES];
    int series, counted;                                /* `counted`: some series counts ticks or volume */
    int fine;                                           /* 1 + the last series that goes by receive time, or 0 */
    uint32_t odd;                                       /* not 0 if stamps alone don't tell which ticks end no bar */
    uint8_t kinds[BARS_MOST_SERIES];
    uint8_t receive[BARS_MOST_SERIES];                  /* finer than stamps: placed by the receive time */
    uint8_t stamped[BARS_MOST_SERIES];                  /* of time, placed by the exchange's stamp: ticks may be late */
    /* the writer's own, in no other process's sight */
    kite_timeline *timelines;
    uint32_t timeline_count;
    const uint32_t *tokens;                             /* the board's: every fourth word of its meta */
    kite_bucket recent[BARS_MOST_SERIES];               /* the bucket found last: whole markets roll together */
    int64_t clock_event_ms, clock_recv_ms;              /* of the tick with the newest stamp */
    int64_t sweep_row, due_ms[2], fresh_due_ms[2];      /* no bar is due before: by the market's clock, by ours */
} kite_bars;

/* The parts of a memory whose header is sound. */
static void kite_bars_over(kite_bars *bars, uint8_t *base)
{
    const kite_bars_header *header = (const kite_bars_header *)base;
    const kite_bars_series *series = (const kite_bars_series *)(base + BARS_SERIES_OFFSET);
    int s;
    memset(bars, 0, sizeof *bars);
    bars->by_row = base + header->rows_offset;
    bars->rings = base + BARS_RINGS_OFFSET;
    bars->cold = (kite_bar_cold *)(base + header->cold_offset);
    bars->bars = (kite_bar *)(base + header->bars_offset);
    bars->links = (uint32_t *)(base + header->links_offset);
    bars->counters = (uint64_t *)(base + BARS_COUNTERS_OFFSET);
    bars->capacity = header->capacity;
    bars->row_stride = sizeof(kite_bar_state) + (header->series + 3) / 4 * 64;
    bars->rows = (int64_t)header->rows;
    bars->grace_ms = header->grace_ms;
    bars->series = (int)header->series;
    for (s = 0; s < bars->series; s++) {
        bars->kinds[s] = (uint8_t)series[s].kind;
        bars->sizes[s] = series[s].size;
        bars->receive[s] = series[s].kind == BARS_OF_TIME && series[s].size % 1000 != 0;
        bars->stamped[s] = series[s].kind == BARS_OF_TIME && !bars->receive[s];
        bars->counted |= series[s].kind != BARS_OF_TIME;
        bars->fine = bars->receive[s] ? s + 1 : bars->fine;
    }
    bars->odd = bars->counted || bars->fine;
    for (s = 0; s < 2; s++)
        bars->due_ms[s] = bars->fresh_due_ms[s] = INT64_MAX;
}

KITE_INLINE kite_bar_state *kite_bars_state(const kite_bars *bars, int64_t row)
{
    return (kite_bar_state *)(bars->by_row + (uint64_t)row * bars->row_stride);
}

KITE_INLINE kite_bar_hot *kite_bars_hot(const kite_bars *bars, int64_t row)
{
    return (kite_bar_hot *)(kite_bars_state(bars, row) + 1);
}

KITE_INLINE kite_bar_cold *kite_bars_cold(const kite_bars *bars, int64_t row)
{
    return bars->cold + row * bars->series;
}

/* An instrument's parts; its token where it is needed. */
typedef struct {
    kite_bar_state *state;
    kite_bar_hot *hot;
    kite_bar_cold *cold;
    uint32_t token;
} kite_bar_row;

KITE_INLINE kite_bar_row kite_bars_row(const kite_bars *bars, int64_t row, uint32_t token)
{
    kite_bar_row at = {kite_bars_state(bars, row), kite_bars_hot(bars, row), kite_bars_cold(bars, row), token};
    return at;
}

KITE_INLINE int64_t *kite_bars_intent(const kite_bars *bars, int series)
{
    return (int64_t *)(bars->rings + series * BARS_RING_STRIDE);
}

KITE_INLINE int64_t *kite_bars_cursor(const kite_bars *bars, int series)
{
    return (int64_t *)(bars->rings + series * BARS_RING_STRIDE + BARS_RING_CURSOR);
}

KITE_INLINE uint64_t kite_bars_slot(const kite_bars *bars, int series, int64_t sequence)
{
    return (uint64_t)series * bars->capacity + ((uint64_t)sequence & (bars->capacity - 1));
}

KITE_INLINE uint32_t kite_clip_u32(int64_t value)
{
    return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

KITE_INLINE int32_t kite_clip_i32(int64_t value)
{
    return value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

/* Sums of turnover may wrap, in C as in the reference. */
KITE_INLINE int64_t kite_sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

KITE_INLINE int64_t kite_difference(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

KITE_INLINE int64_t kite_floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

KITE_INLINE int64_t kite_day_of(int64_t t_ms)
{
    return kite_floor_div(t_ms + KITE_IST_OFFSET_MS, KITE_DAY_MS);
}

KITE_INLINE int64_t kite_midnight_of(int64_t day)
{
    return day * KITE_DAY_MS - KITE_IST_OFFSET_MS;
}

/* ---- timelines ------------------------------------------------------------------------------------------------ */

/* The span whose start is the last one at or before t, which isn't before the first start. */
static int64_t kite_timeline_find(const kite_timeline *timeline, int64_t t_ms)
{
    int64_t low = 0, high = timeline->count;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (timeline->starts_ms[middle] <= t_ms)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static kite_span kite_span_of(kite_timeline *timeline, int64_t t_ms)
{
    const int64_t *starts = timeline->starts_ms;
    int64_t at = timeline->at, last = timeline->count - 1;
    kite_span span = {0, 0, SPAN_UNSCHEDULED, 0, 0};
    if (last < 1 || t_ms < starts[0] || t_ms >= starts[last]) {
        span.start_ms = kite_midnight_of(kite_day_of(t_ms));
        span.end_ms = span.start_ms + KITE_DAY_MS;
        return span;
    }
    if (t_ms < starts[at] || t_ms >= starts[at + 1])
        at = timeline->at = kite_timeline_find(timeline, t_ms);
    span.start_ms = starts[at];
    span.end_ms = starts[at + 1];
    span.kind = timeline->kinds[at];
    span.next_is_outside = timeline->kinds[at + 1] == SPAN_OUTSIDE;
    span.follows_continuous = at > 0 && timeline->kinds[at - 1] == SPAN_CONTINUOUS;
    return span;
}

/* Where a tick at t belongs; of a tick or volume bar, the one that would begin with it. What comes within the grace
 * after continuous trading belongs to its last bar, and what is outside begins behind the grace. */
static kite_bucket kite_bucket_of(const kite_bars *bars, int series, uint32_t timeline, int64_t t_ms)
{
    static const uint16_t flag_of[] = {0, BAR_PREOPEN, BAR_CLOSING, BAR_POST_CLOSE, BAR_OUTSIDE, BAR_UNSCHEDULED};
    kite_timeline *hours = bars->timelines + timeline;
    kite_span span = kite_span_of(hours, t_ms);
    kite_bucket bucket;
    bucket.start_ms = span.start_ms;
    if (span.kind == SPAN_OUTSIDE && span.follows_continuous) {
        if (t_ms >= span.start_ms + bars->grace_ms) {
            bucket.start_ms += bars->grace_ms;
        } else {
            t_ms = span.start_ms - 1;
            span = kite_span_of(hours, t_ms);
            bucket.start_ms = span.start_ms;
        }
    }
    bucket.end_ms = span.end_ms;
    bucket.timeline = timeline;
    bucket.flags = flag_of[span.kind];
    if (span.kind == SPAN_CONTINUOUS || span.kind == SPAN_UNSCHEDULED) {
        if (bars->kinds[series] == BARS_OF_TIME) {
            int64_t size = bars->sizes[series];
            bucket.start_ms += (t_ms - span.start_ms) / size * size;
            if (bucket.start_ms + size < span.end_ms)
                bucket.end_ms = bucket.start_ms + size;
        } else {
            bucket.start_ms = t_ms;
        }
    }
    bucket.until_ms = bucket.end_ms;
    if (bucket.end_ms == span.end_ms && span.kind == SPAN_CONTINUOUS && span.next_is_outside)
        bucket.until_ms += bars->grace_ms;
    return bucket;
}

/* ---- the ring of closed bars ------------------------------------------------------------------------------------ */

/* The slot of its series' ring for an instrument's next record, to be filled before it is published. */
KITE_INLINE kite_bar *kite_bars_begin_record(kite_bars *bars, int series, const kite_bar_cold *cold)
{
    int64_t sequence = *kite_bars_cursor(bars, series), distance = sequence + 1 - cold->next_sequence;
    uint64_t slot = kite_bars_slot(bars, series, sequence);
    kite_store_release(kite_bars_intent(bars, series), sequence + 1);
    kite_fence_release();
    bars->links[slot] = cold->next_sequence != 0 && distance <= UINT32_MAX ? (uint32_t)distance : 0;
    return bars->bars + slot;
}

KITE_INLINE void kite_bars_publish_record(kite_bars *bars, int series, kite_bar_cold *cold)
{
    int64_t next = *kite_bars_intent(bars, series);
    const char *following = (const char *)(bars->bars + kite_bars_slot(bars, series, next + BARS_RECORDS_AHEAD));
    kite_store_release(kite_bars_cursor(bars, series), next);
    /* Released, because history follows it into the ring without asking for the version. */
    kite_store_release(&cold->next_sequence, next);
    kite_prefetch_write(following);
    kite_prefetch_write(following + 64);
}

/* What a forming bar is now; writers close it so, readers look at it so. */
KITE_INLINE void kite_bar_assemble(kite_bar *bar, const kite_bar_state *state, const kite_bar_hot *hot,
                                   const kite_bar_cold *cold, int series)
{
    int volume = state->flags & STATE_VOLUME;
    bar->start_ms = cold->start_ms;
    bar->turnover = volume ? kite_difference(state->turnover, cold->base_turnover) : 0;
    bar->open = cold->open;
    bar->high = hot->high;
    bar->low = hot->low;
    /* The newest tick by its stamp may be older than a bar of receive times or counts: then the nearest price. */
    bar->close = state->last_price > hot->high ? hot->high : state->last_price < hot->low ? hot->low : state->last_price;
    bar->volume = volume ? state->volume - cold->base_volume : 0;
    bar->oi = state->oi;
    bar->ticks = state->ticks - cold->base_ticks;
    bar->length_ms = kite_clip_u32(cold->end_ms - cold->start_ms);
    bar->closed_after_ms = 0;
    bar->first_key = cold->first_key;
    bar->last_key = volume ? state->volume : kite_clip_u32(state->last_ms - cold->start_ms);
    bar->flags = (uint16_t)(cold->flags | (volume ? BAR_VOLUME : 0) | (state->flags & STATE_OI ? BAR_OI : 0));
    bar->series = (uint8_t)series;
    bar->revision = 0;
    bar->pad = 0;
}

#endif
