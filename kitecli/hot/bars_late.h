/* A tick of a bar that is closed already: revisions, appended as further records. Rare, so nothing here is in haste. */
#ifndef KITE_BARS_LATE_H
#define KITE_BARS_LATE_H

#include "bars_parts.h"

enum { LATE_STEPS = 4096 }; /* records looked at before a bar counts as gone */

/* A tick as the bars see it. `kind`: the STATE_* bits it leaves behind, of VOLUME, OI and UNSTAMPED. */
typedef struct {
    int64_t event_ms, recv_ms;
    uint32_t volume, oi;
    int32_t price;
    uint16_t kind, newest;
} kite_bar_tick;

/* What it says of its instrument's cumulative volume: what was traded, and the figure and its day as they stand then. */
typedef struct {
    uint32_t amount, volume;
    int32_t day;
    int began_anew;
} kite_bar_traded;

/* A tick's place among those of its bar: its cumulative volume, or else the time since the bar's start. */
KITE_INLINE uint32_t kite_bar_key(const kite_bar_tick *tick, int64_t t_ms, int64_t start_ms)
{
    return tick->kind & STATE_VOLUME ? tick->volume : kite_clip_u32(t_ms - start_ms);
}

/* The newest revisions of a bar and of the one after it, where they are among the closed ones. */
typedef struct {
    const kite_bar *bar, *after;
    int lost; /* the search came to what is overwritten */
} kite_late_found;

/* Bars that were closed once stand in the order of their starts; revisions stand anywhere behind them, so the search
 * goes on to an unrevised record at or before the start. */
static kite_late_found kite_late_find(const kite_bars *bars, const kite_bar_cold *cold, int series, int64_t start_ms)
{
    int64_t oldest = *kite_bars_cursor(bars, series) - (int64_t)bars->capacity, sequence = cold->next_sequence - 1;
    kite_late_found found = {NULL, NULL, 0};
    int steps;
    for (steps = 0; sequence >= 0; steps++) {
        uint64_t slot = kite_bars_slot(bars, series, sequence);
        const kite_bar *bar = bars->bars + slot;
        if (sequence < oldest || steps == LATE_STEPS) {
            found.lost = 1;
            break;
        }
        if (bar->start_ms > start_ms && (found.after == NULL || bar->start_ms < found.after->start_ms))
            found.after = bar;
        if (bar->start_ms == start_ms && found.bar == NULL)
            found.bar = bar;
        if (bar->start_ms <= start_ms && bar->revision == 0)
            break;
        sequence = bars->links[slot] ? sequence - (int64_t)bars->links[slot] : -1;
    }
    return found;
}

/* Another revision of it, as it stands. */
static kite_bar kite_late_again(const kite_bar *closed, int64_t now_ms)
{
    kite_bar bar = *closed;
    bar.revision += bar.revision < UINT8_MAX;
    bar.flags |= BAR_REVISED;
    bar.closed_after_ms = kite_clip_i32(now_ms - bar.start_ms - bar.length_ms);
    return bar;
}

/* The tick into its bar. Where only one of the two carries volume nothing tells their order. */
static void kite_late_join(kite_bar *bar, const kite_bar_tick *tick)
{
    uint32_t key = kite_bar_key(tick, tick->event_ms, bar->start_ms);
    bar->ticks++;
    bar->high = tick->price > bar->high ? tick->price : bar->high;
    bar->low = tick->price < bar->low ? tick->price : bar->low;
    if (!(tick->kind & STATE_VOLUME) != !(bar->flags & BAR_VOLUME))
        return;
    if (key < bar->first_key) {
        bar->open = tick->price;
        bar->first_key = key;
    }
    /* Without volume, of two at the same time the one that came last is the last. */
    if (key > bar->last_key || (key == bar->last_key && !(tick->kind & STATE_VOLUME))) {
        bar->close = tick->price;
        bar->last_key = key;
        bar->oi = tick->kind & STATE_OI ? tick->oi : bar->oi;
    }
}

/* A bar of this tick only: until now there was none. */
static kite_bar kite_late_alone(const kite_bucket *bucket, const kite_bar_tick *tick, int series, uint32_t token)
{
    kite_bar bar;
    memset(&bar, 0, sizeof bar);
    bar.start_ms = bucket->start_ms;
    bar.length_ms = kite_clip_u32(bucket->end_ms - bucket->start_ms);
    bar.closed_after_ms = kite_clip_i32(tick->recv_ms - bucket->end_ms);
    bar.open = bar.high = bar.low = bar.close = tick->price;
    bar.first_key = bar.last_key = kite_bar_key(tick, tick->event_ms, bucket->start_ms);
    bar.token = token;
    bar.ticks = 1;
    bar.oi = tick->oi;
    bar.flags = (uint16_t)(bucket->flags | BAR_REVISED | (tick->kind & STATE_UNSTAMPED ? BAR_ESTIMATED : 0) |
                           (tick->kind & STATE_VOLUME ? BAR_VOLUME : 0) | (tick->kind & STATE_OI ? BAR_OI : 0));
    bar.series = (uint8_t)series;
    bar.revision = 1;
    return bar;
}

/* The volume up to the tick that the next bar has counted, closed or forming; of another day's nothing. Where there is
 * no next bar, it was traded since this one was closed. */
static uint32_t kite_late_moved(const kite_late_found *found, const kite_bar_state *state, const kite_bar_cold *forming,
                                int64_t start_ms, const kite_bar_tick *tick)
{
    int64_t first, last = state->volume, next_ms = start_ms;
    if (!(tick->kind & STATE_VOLUME) || (found->bar != NULL && !(found->bar->flags & BAR_VOLUME)))
        return 0;
    if (found->after != NULL) {
        next_ms = found->after->start_ms;
        last = found->after->last_key;
        first = (uint32_t)(found->after->last_key - found->after->volume);
    } else if (forming != NULL) {
        next_ms = forming->start_ms;
        first = forming->base_volume;
    } else {
        first = found->bar != NULL ? found->bar->last_key : last;
    }
    last = tick->volume < last ? tick->volume : last;
    return last > first && kite_day_of(next_ms) == kite_day_of(start_ms) ? (uint32_t)(last - first) : 0;
}

static void kite_late_append(kite_bars *bars, kite_bar_cold *cold, const kite_bar *bar)
{
    *kite_bars_begin_record(bars, bar->series, cold) = *bar;
    kite_bars_publish_record(bars, bar->series, cold);
    bars->counters[COUNT_REVISIONS]++;
}

/* One tick into a closed bar of one series; the instrument's state has it already. */
static void kite_late_take(kite_bars *bars, const kite_bar_row *at, int series, const kite_bar_tick *tick)
{
    const kite_bar_state *state = at->state;
    kite_bar_cold *cold = at->cold + series, *forming = at->hot[series].until_ms != 0 ? cold : NULL;
    kite_bucket bucket = kite_bucket_of(bars, series, state->timeline, tick->event_ms);
    kite_late_found found = kite_late_find(bars, cold, series, bucket.start_ms);
    uint32_t moved = kite_late_moved(&found, state, forming, bucket.start_ms, tick);
    kite_bar bar, after;
    bars->counters[COUNT_LATE_TICKS]++;
    if (forming != NULL)
        forming->base_ticks++; /* the state counts it, this bar doesn't */
    if (found.lost) {
        bars->counters[COUNT_LATE_LOST]++;
        return;
    }
    if (found.after != NULL) { /* copied, because what is appended may overwrite it */
        after = kite_late_again(found.after, tick->recv_ms);
        after.volume -= moved;
        after.turnover = kite_difference(after.turnover, moved * (int64_t)after.open);
    } else if (forming != NULL) {
        forming->base_volume += moved;
        forming->base_turnover = kite_sum(forming->base_turnover, moved * (int64_t)forming->open);
    }
    if (found.bar != NULL) {
        bar = kite_late_again(found.bar, tick->recv_ms);
        kite_late_join(&bar, tick);
    } else {
        bar = kite_late_alone(&bucket, tick, series, at->token);
    }
    bar.volume += moved;
    bar.turnover = kite_sum(bar.turnover, moved * (int64_t)tick->price);
    kite_late_append(bars, cold, &bar);
    if (moved > 0 && found.after != NULL)
        kite_late_append(bars, cold, &after);
}

#endif
