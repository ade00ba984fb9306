/* Bars in the compiled pass: what a tick does to the forming bars of its instrument, and what closes them.
 *
 * The specification is kitecli/bars/writer.py; memory must come out the same, byte for byte.
 *
 * Nearly every tick is newer than all before it, begins no bar and carries what its predecessor did. Such a tick costs
 * its instrument's state and one line of highs and lows, both asked for before they are needed; everything else is out
 * of line, in kite_bars_take.
 */
#ifndef KITE_BARS_H
#define KITE_BARS_H

#include "bars_late.h"

enum { BARS_STAMP_AHEAD_MS = 60000, BARS_PLAYED_MS = 600000 };

/* Readers see the row's version odd, and come again. */
KITE_INLINE void kite_bars_begin(kite_bar_state *state)
{
    kite_store_release32(&state->version, state->version + 1);
    kite_fence_release();
}

KITE_INLINE void kite_bars_end(kite_bar_state *state)
{
    kite_store_release32(&state->version, state->version + 1);
}

KITE_INLINE int64_t kite_bars_time(const kite_bars *bars, int series, const kite_bar_tick *tick)
{
    return bars->receive[series] ? tick->recv_ms : tick->event_ms;
}

/* ---- a bar begins, a bar ends ---------------------------------------------------------------------------------- */

/* When a forming bar is closed without a tick, and by which clock: 0, the market's, or 1, ours. By receive time nothing
 * is late; ticks without a stamp have our time, whatever day others are of. */
KITE_INLINE int64_t kite_bars_due(const kite_bars *bars, const kite_bar_state *state, int series,
                                  const kite_bar_cold *cold, int *by)
{
    *by = bars->receive[series] || state->flags & STATE_UNSTAMPED;
    return bars->receive[series] ? cold->until_ms : cold->end_ms + bars->grace_ms;
}

/* Sweeps before then have nothing to close. */
static void kite_bars_note_due(kite_bars *bars, int by, int64_t due_ms)
{
    if (due_ms < bars->due_ms[by])
        bars->due_ms[by] = due_ms;
    if (due_ms < bars->fresh_due_ms[by])
        bars->fresh_due_ms[by] = due_ms;
}

/* The whole market's bars begin within a second, so the bucket found last is most often the one asked for. */
static const kite_bucket *kite_bars_bucket(kite_bars *bars, int series, uint32_t timeline, int64_t t_ms)
{
    kite_bucket *recent = bars->recent + series;
    int again = recent->timeline == timeline && t_ms >= recent->start_ms && t_ms < recent->end_ms;
    if (!again || bars->kinds[series] != BARS_OF_TIME)
        *recent = kite_bucket_of(bars, series, timeline, t_ms);
    return recent;
}

static void kite_bars_open(kite_bars *bars, int64_t row, int series, const kite_bar_tick *tick)
{
    const kite_bar_state *state = bars->states + row;
    kite_bar_hot *hot = kite_bars_hot(bars, row) + series;
    kite_bar_cold *cold = kite_bars_cold(bars, row) + series;
    int64_t t_ms = kite_bars_time(bars, series, tick);
    const kite_bucket *bucket = kite_bars_bucket(bars, series, state->timeline, t_ms);
    uint16_t flags = bucket->flags;
    int64_t due_ms;
    int by;
    if (state->joined_ms > bucket->start_ms || state->flags & STATE_PARTIAL)
        flags |= BAR_PARTIAL;
    if (state->flags & STATE_GAP)
        flags |= BAR_GAP;
    if (tick->kind & STATE_UNSTAMPED && bars->stamped[series])
        flags |= BAR_ESTIMATED;
    cold->start_ms = bucket->start_ms;
    cold->end_ms = bucket->end_ms;
    cold->until_ms = bucket->until_ms;
    cold->base_turnover = state->turnover;
    cold->base_volume = state->volume;
    cold->base_ticks = state->ticks;
    cold->open = tick->price;
    cold->first_key = kite_bar_key(tick, t_ms, bucket->start_ms);
    cold->flags = flags;
    hot->until_ms = bucket->until_ms;
    hot->high = hot->low = tick->price;
    due_ms = kite_bars_due(bars, state, series, cold, &by);
    kite_bars_note_due(bars, by, due_ms);
}

static void kite_bars_close(kite_bars *bars, int64_t row, int series, int64_t end_ms, int64_t now_ms)
{
    kite_bar_hot *hot = kite_bars_hot(bars, row) + series;
    kite_bar_cold *cold = kite_bars_cold(bars, row) + series;
    kite_bar bar;
    kite_bar_assemble(&bar, bars->states + row, hot, cold, series);
    bar.token = bars->tokens[4 * row];
    bar.length_ms = kite_clip_u32(end_ms - cold->start_ms);
    bar.closed_after_ms = kite_clip_i32(now_ms - end_ms);
    kite_bars_append(bars, cold, &bar);
    hot->until_ms = 0;
    bars->counters[COUNT_BARS]++;
}

/* A tick stamped before the floor is late for some series. */
static void kite_bars_set_floor(const kite_bars *bars, int64_t row)
{
    const kite_bar_hot *hot = kite_bars_hot(bars, row);
    const kite_bar_cold *cold = kite_bars_cold(bars, row);
    int64_t floor_ms = INT64_MIN;
    int s;
    for (s = 0; s < bars->series; s++) {
        int64_t bound = hot[s].until_ms ? cold[s].start_ms : cold[s].until_ms;
        if (bars->stamped[s] && bound > floor_ms)
            floor_ms = bound;
    }
    if (floor_ms != INT64_MIN)
        bars->states[row].floor_ms = floor_ms;
}

/* ---- a tick ------------------------------------------------------------------------------------------------------ */

static void kite_bars_flag_forming(kite_bars *bars, int64_t row, uint16_t flag, const uint8_t *which)
{
    const kite_bar_hot *hot = kite_bars_hot(bars, row);
    kite_bar_cold *cold = kite_bars_cold(bars, row);
    int s;
    for (s = 0; s < bars->series; s++)
        if (hot[s].until_ms != 0 && (which == NULL || which[s]))
            cold[s].flags |= flag;
}

/* An instrument took the board's next row. Its hours are its segment's, until it is placed. */
static void kite_bars_admit(kite_bars *bars, int64_t row, uint32_t token)
{
    static const uint8_t place_of[16] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 0, 0, 8, 0, 0, 0}; /* as bars/timeline.py */
    uint32_t segment = token & 0xFF, place = segment < sizeof place_of ? place_of[segment] : 0;
    bars->states[row].timeline = (uint16_t)(place < bars->timeline_count ? place : 0);
}

static void kite_bars_note_kind(kite_bar_state *state, const kite_bar_tick *tick)
{
    state->flags = (uint16_t)((state->flags & ~(STATE_VOLUME | STATE_OI)) | (tick->kind & (STATE_VOLUME | STATE_OI)));
}

/* The first packet of an instrument: what was traded before isn't ours to count. The market's time is the stamp's where
 * another day is played; before a day's first session figures are of the day before. */
static void kite_bars_join(kite_bars *bars, int64_t row, const kite_bar_tick *tick)
{
    kite_bar_state *state = bars->states + row;
    int64_t now_ms = tick->recv_ms - tick->event_ms > BARS_PLAYED_MS ? tick->event_ms : tick->recv_ms;
    int64_t day = kite_day_of(now_ms);
    kite_span span = kite_span_of(bars->timelines + state->timeline, now_ms);
    if (span.kind == SPAN_OUTSIDE && span.start_ms == kite_midnight_of(day) && span.end_ms < kite_midnight_of(day + 1))
        day--;
    state->flags |= STATE_SEEN;
    state->joined_ms = now_ms;
    state->last_price = tick->price;
    state->oi = tick->oi;
    state->volume = tick->volume;
    state->day = (int32_t)day;
    kite_bars_note_kind(state, tick);
}

/* The broker's cached packet: no trade, but it tells whether there were any while the instrument wasn't streamed. */
static void kite_bars_snapshot(kite_bars *bars, int64_t row, const kite_bar_tick *tick)
{
    kite_bar_state *state = bars->states + row;
    kite_bars_begin(state);
    if (!(state->flags & STATE_SEEN) || state->ticks == 0) {
        kite_bars_join(bars, row, tick);
    } else if (!(state->flags & STATE_GAP) &&
               (tick->kind & STATE_VOLUME ? tick->volume != state->volume : tick->price != state->last_price)) {
        state->flags |= STATE_PARTIAL;
        kite_bars_flag_forming(bars, row, BAR_PARTIAL, NULL);
    }
    kite_bars_end(state);
}

static uint32_t kite_bars_late_series(const kite_bars *bars, int64_t row, int64_t event_ms)
{
    const kite_bar_hot *hot = kite_bars_hot(bars, row);
    const kite_bar_cold *cold = kite_bars_cold(bars, row);
    uint32_t late = 0;
    int s;
    for (s = 0; s < bars->series; s++)
        if (bars->stamped[s] && event_ms < (hot[s].until_ms ? cold[s].start_ms : cold[s].until_ms))
            late |= 1u << s;
    return late;
}

/* One series that the tick isn't late for; 1 if another bar begins. */
static int kite_bars_put_series(kite_bars *bars, int64_t row, int series, const kite_bar_tick *tick)
{
    kite_bar_hot *hot = kite_bars_hot(bars, row) + series;
    kite_bar_cold *cold = kite_bars_cold(bars, row) + series;
    int64_t t_ms = kite_bars_time(bars, series, tick);
    if (hot->until_ms != 0 && t_ms >= hot->until_ms)
        kite_bars_close(bars, row, series, cold->end_ms, tick->recv_ms);
    if (hot->until_ms == 0) {
        kite_bars_open(bars, row, series, tick);
        return 1;
    }
    hot->high = tick->price > hot->high ? tick->price : hot->high;
    hot->low = tick->price < hot->low ? tick->price : hot->low;
    if (!tick->newest && kite_bar_key(tick, t_ms, cold->start_ms) < cold->first_key) {
        cold->open = tick->price;
        cold->first_key = kite_bar_key(tick, t_ms, cold->start_ms);
    }
    return 0;
}

/* What the tick says was traded since the one before, `volume` and `day` as they stand after it. Before anything of it
 * is noted. A lower volume on the same day is an old packet again or, below half, a count that began anew; the first
 * volume of an instrument that was streamed without it until now says nothing of when it was traded. */
static kite_bar_traded kite_bars_traded(const kite_bar_state *state, const kite_bar_tick *tick)
{
    kite_bar_traded told = {0, state->volume, state->day, 0};
    int64_t day;
    if (!tick->newest || !(tick->kind & STATE_VOLUME))
        return told;
    day = kite_day_of(tick->event_ms);
    if (state->volume == 0 && !(state->flags & STATE_VOLUME)) {
        told.day = (int32_t)day;
    } else if (day != state->day) {
        if (tick->volume == state->volume)
            return told; /* yesterday's figure, until something is traded */
        told.day = (int32_t)day;
        told.amount = tick->volume;
    } else if (tick->volume >= state->volume) {
        told.amount = tick->volume - state->volume;
    } else if (tick->volume < state->volume / 2) {
        told.began_anew = 1;
    } else {
        return told;
    }
    told.volume = tick->volume;
    return told;
}

/* Where cumulative volume jumps by other than what was traded, forming bars keep what they have. */
static void kite_bars_shift(kite_bars *bars, int64_t row, const kite_bar_traded *told)
{
    const kite_bar_hot *hot = kite_bars_hot(bars, row);
    kite_bar_cold *cold = kite_bars_cold(bars, row);
    uint32_t jump = told->volume - bars->states[row].volume - told->amount;
    int s;
    if (told->began_anew) {
        bars->counters[COUNT_RESETS]++;
        kite_bars_flag_forming(bars, row, BAR_PARTIAL, NULL);
    }
    for (s = 0; jump != 0 && s < bars->series; s++)
        if (hot[s].until_ms != 0)
            cold[s].base_volume += jump;
}

/* Bars of so many ticks, or so much volume. */
static void kite_bars_close_counted(kite_bars *bars, int64_t row, const kite_bar_tick *tick)
{
    const kite_bar_state *state = bars->states + row;
    const kite_bar_hot *hot = kite_bars_hot(bars, row);
    const kite_bar_cold *cold = kite_bars_cold(bars, row);
    int s;
    for (s = 0; s < bars->series; s++) {
        int64_t size = bars->sizes[s];
        if (bars->kinds[s] == BARS_OF_TIME || hot[s].until_ms == 0 || cold[s].flags & BAR_WHOLE_SPAN)
            continue;
        if (bars->kinds[s] == BARS_OF_TICKS ? state->ticks - cold[s].base_ticks >= size
                                            : state->flags & STATE_VOLUME && state->volume - cold[s].base_volume >= size)
            kite_bars_close(bars, row, s, tick->event_ms, tick->recv_ms);
    }
}

KITE_INLINE void kite_bars_note_clock(kite_bars *bars, const kite_bar_tick *tick)
{
    if (tick->event_ms > bars->clock_event_ms && !(tick->kind & STATE_UNSTAMPED)) {
        bars->clock_event_ms = tick->event_ms;
        bars->clock_recv_ms = tick->recv_ms;
    }
}

/* Forming bars of an instrument that was stamped and isn't any more, or the other way round, are of two kinds of time. */
static void kite_bars_toggle_stamp(kite_bars *bars, int64_t row)
{
    kite_bar_state *state = bars->states + row;
    const kite_bar_hot *hot = kite_bars_hot(bars, row);
    const kite_bar_cold *cold = kite_bars_cold(bars, row);
    int s, by;
    state->flags ^= STATE_UNSTAMPED;
    kite_bars_flag_forming(bars, row, BAR_ESTIMATED, bars->stamped);
    for (s = 0; s < bars->series; s++)
        if (hot[s].until_ms != 0) {
            int64_t due_ms = kite_bars_due(bars, state, s, cold + s, &by);
            kite_bars_note_due(bars, by, due_ms);
        }
}

static void kite_bars_add(kite_bar_state *state, const kite_bar_tick *tick, const kite_bar_traded *told)
{
    state->ticks++;
    state->turnover = kite_sum(state->turnover, tick->price * (int64_t)told->amount);
    state->volume = told->volume;
    state->day = told->day;
    if (tick->newest) {
        state->last_price = tick->price;
        state->last_ms = tick->event_ms;
        if (tick->kind & STATE_OI)
            state->oi = tick->oi;
    }
}

/* Any tick, whatever it does. */
KITE_NOINLINE static void kite_bars_take(kite_bars *bars, int64_t row, kite_bar_tick *tick)
{
    kite_bar_state *state = bars->states + row;
    kite_bar_traded told;
    uint32_t late = 0;
    int s, began = 0;
    kite_bars_begin(state);
    if (!(state->flags & STATE_SEEN))
        kite_bars_join(bars, row, tick);
    tick->newest = tick->event_ms > state->last_ms ||
                   (tick->event_ms == state->last_ms && (!(tick->kind & STATE_VOLUME) || tick->volume >= state->volume));
    told = kite_bars_traded(state, tick);
    kite_bars_note_kind(state, tick);
    if ((state->flags ^ tick->kind) & STATE_UNSTAMPED)
        kite_bars_toggle_stamp(bars, row);
    if (tick->event_ms < state->floor_ms)
        late = kite_bars_late_series(bars, row, tick->event_ms);
    for (s = 0; s < bars->series; s++)
        if (!(late >> s & 1))
            began |= kite_bars_put_series(bars, row, s, tick) & bars->stamped[s];
    state->flags &= (uint16_t)~(STATE_GAP | STATE_PARTIAL);
    kite_bars_shift(bars, row, &told);
    kite_bars_add(state, tick, &told);
    kite_bars_note_clock(bars, tick);
    for (s = 0; late >> s != 0; s++)
        if (late >> s & 1)
            kite_late_take(bars, row, s, tick);
    if (bars->counted)
        kite_bars_close_counted(bars, row, tick);
    if (began)
        kite_bars_set_floor(bars, row);
    kite_bars_end(state);
}

/* The ordinary tick; 0, and nothing done, if it isn't one. Each test is one that kite_bars_take would act on. */
KITE_INLINE int kite_bars_quick(kite_bars *bars, int64_t row, const kite_bar_tick *tick)
{
    kite_bar_state *state = bars->states + row;
    kite_bar_hot *hot = kite_bars_hot(bars, row);
    const int64_t times[2] = {tick->event_ms, tick->recv_ms};
    uint32_t traded = 0;
    int s, series = bars->series, rolls = bars->counted;
    if (KITE_UNLIKELY(state->flags != (tick->kind | STATE_SEEN) || tick->event_ms < state->floor_ms ||
                      tick->event_ms < state->last_ms))
        return 0;
    if (tick->kind & STATE_VOLUME) {
        traded = tick->volume - state->volume;
        if (KITE_UNLIKELY(tick->volume < state->volume ||
                          (uint64_t)(tick->event_ms - kite_midnight_of(state->day)) >= (uint64_t)KITE_DAY_MS))
            return 0;
    }
    for (s = 0; s < series; s++)
        rolls |= times[bars->receive[s]] >= hot[s].until_ms;
    if (KITE_UNLIKELY(rolls))
        return 0;
    kite_bars_begin(state);
    for (s = 0; s < series; s++) {
        hot[s].high = tick->price > hot[s].high ? tick->price : hot[s].high;
        hot[s].low = tick->price < hot[s].low ? tick->price : hot[s].low;
    }
    state->ticks++;
    state->turnover = kite_sum(state->turnover, tick->price * (int64_t)traded);
    state->volume += traded;
    state->last_price = tick->price;
    state->last_ms = tick->event_ms;
    if (tick->kind & STATE_OI)
        state->oi = tick->oi;
    kite_bars_note_clock(bars, tick);
    kite_bars_end(state);
    return 1;
}

KITE_INLINE void kite_bars_prefetch(const kite_bars *bars, int64_t row)
{
    const char *hot = (const char *)kite_bars_hot(bars, row);
    kite_prefetch_write(bars->states + row);
    kite_prefetch_write(hot);
    if (bars->hot_stride > 64)
        kite_prefetch_write(hot + 64);
}

/* ---- what isn't a tick ------------------------------------------------------------------------------------------- */

/* An outage lies behind what this instrument has. */
static void kite_bars_mark_gap(kite_bars *bars, int64_t row)
{
    kite_bar_state *state = bars->states + row;
    if (!(state->flags & STATE_SEEN))
        return;
    kite_bars_begin(state);
    state->flags |= STATE_GAP;
    kite_bars_flag_forming(bars, row, BAR_GAP, NULL);
    kite_bars_end(state);
}

/* Close what is due of one row. `until` is never later than that, so most need no look at the bar itself. */
static void kite_bars_sweep_row(kite_bars *bars, int64_t row, const int64_t *clocks_ms)
{
    kite_bar_state *state = bars->states + row;
    const kite_bar_hot *hot = kite_bars_hot(bars, row);
    const kite_bar_cold *cold = kite_bars_cold(bars, row);
    int s, closed = 0;
    for (s = 0; s < bars->series; s++) {
        int by = bars->receive[s] || state->flags & STATE_UNSTAMPED;
        int64_t due_ms = hot[s].until_ms;
        if (due_ms == 0)
            continue;
        if (due_ms <= clocks_ms[by])
            due_ms = kite_bars_due(bars, state, s, cold + s, &by);
        if (due_ms > clocks_ms[by]) {
            kite_bars_note_due(bars, by, due_ms);
            continue;
        }
        if (!closed++)
            kite_bars_begin(state);
        kite_bars_close(bars, row, s, cold[s].end_ms, clocks_ms[1]);
    }
    if (closed) {
        kite_bars_set_floor(bars, row);
        kite_bars_end(state);
    }
}

/* Close idle bars in the next `limit` of `rows`; 1 if there are more rows to look at. When a recorded day is played, the
 * market's clock is as far behind ours as its newest stamp was. */
static int kite_bars_sweep(kite_bars *bars, int64_t rows, int64_t now_ms, int64_t limit)
{
    int64_t clocks_ms[2] = {now_ms, now_ms}, row = bars->sweep_row;
    int64_t stop = rows - row > limit ? row + limit : rows;
    if (bars->clock_recv_ms - bars->clock_event_ms > BARS_PLAYED_MS)
        clocks_ms[0] = bars->clock_event_ms + (now_ms - bars->clock_recv_ms);
    if (clocks_ms[0] < bars->due_ms[0] && clocks_ms[1] < bars->due_ms[1]) {
        kite_bars_note_due(bars, 0, bars->due_ms[0]);
        kite_bars_note_due(bars, 1, bars->due_ms[1]);
    } else {
        for (; row < stop; row++)
            kite_bars_sweep_row(bars, row, clocks_ms);
    }
    bars->sweep_row = stop;
    if (stop < rows)
        return 1;
    memcpy(bars->due_ms, bars->fresh_due_ms, sizeof bars->due_ms);
    bars->fresh_due_ms[0] = bars->fresh_due_ms[1] = INT64_MAX;
    bars->sweep_row = 0;
    return 0;
}

#endif
