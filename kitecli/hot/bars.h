/* Bars in the compiled pass: what a tick does to the forming bars of its instrument, and what closes them.
 *
 * The specification is kitecli/bars/writer.py, and docs/bars.md in words; memory must come out the same, byte for byte.
 *
 * Nearly every tick is newer than all before it, ends no bar and carries what its predecessor did. Such a tick costs its
 * instrument's state, which says until when bars go on, and one line of highs and lows, both asked for before they are
 * needed, in kite_bars_put; all else is out of line. What closes bars of instruments that nothing comes for is in
 * bars_idle.h.
 */
#ifndef KITE_BARS_H
#define KITE_BARS_H

#include "bars_late.h"
#include "records.h"

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
KITE_INLINE int64_t kite_bars_due(const kite_bars *bars, const kite_bar_row *at, int series, int *by)
{
    *by = bars->receive[series] || at->state->flags & STATE_UNSTAMPED;
    return bars->receive[series] ? at->cold[series].until_ms : at->cold[series].end_ms + bars->grace_ms;
}

/* Sweeps before then have nothing to close. */
KITE_INLINE void kite_bars_note_due(kite_bars *bars, int by, int64_t due_ms)
{
    if (due_ms < bars->due_ms[by])
        bars->due_ms[by] = due_ms;
    if (due_ms < bars->fresh_due_ms[by])
        bars->fresh_due_ms[by] = due_ms;
}

/* A tick stamped before it is of a bar that is closed. */
KITE_INLINE int64_t kite_bars_floor(const kite_bar_row *at, int series)
{
    return at->hot[series].until_ms ? at->cold[series].start_ms : at->cold[series].until_ms;
}

/* The highest floor of all series, so that one look tells a tick that is late for none. */
static void kite_bars_set_floor(const kite_bars *bars, const kite_bar_row *at)
{
    int64_t highest_ms = 0;
    int s;
    for (s = 0; s < bars->series; s++)
        if (bars->stamped[s] && kite_bars_floor(at, s) > highest_ms)
            highest_ms = kite_bars_floor(at, s);
    at->state->floor_ms = highest_ms;
}

/* For how long from its floor on a tick is late for no bar, ends none, and is of the day that volume is of. */
static void kite_bars_set_sure(const kite_bars *bars, const kite_bar_row *at)
{
    kite_bar_state *state = at->state;
    int64_t midnight_ms = kite_midnight_of(state->day), end_ms = 0;
    int s, stamped = 0;
    for (s = 0; s < bars->series; s++)
        if (bars->stamped[s] && (!stamped++ || at->hot[s].until_ms < end_ms))
            end_ms = at->hot[s].until_ms;
    if (state->flags & STATE_VOLUME) {
        end_ms = end_ms < midnight_ms + KITE_DAY_MS ? end_ms : midnight_ms + KITE_DAY_MS;
        end_ms = state->floor_ms < midnight_ms ? 0 : end_ms;
    }
    state->sure_ms = kite_clip_u32(end_ms - state->floor_ms);
}

/* The whole market's bars begin within a second, so the bucket found last is most often the one asked for. */
KITE_INLINE const kite_bucket *kite_bars_bucket(kite_bars *bars, int series, uint32_t timeline, int64_t t_ms)
{
    kite_bucket *recent = bars->recent + series;
    int again = recent->timeline == timeline && t_ms >= recent->start_ms && t_ms < recent->end_ms;
    if (!again || bars->kinds[series] != BARS_OF_TIME)
        *recent = kite_bucket_of(bars, series, timeline, t_ms);
    return recent;
}

static void kite_bars_open(kite_bars *bars, const kite_bar_row *at, int series, const kite_bar_tick *tick)
{
    kite_bar_state *state = at->state;
    kite_bar_hot *hot = at->hot + series;
    kite_bar_cold *cold = at->cold + series;
    int64_t t_ms = kite_bars_time(bars, series, tick), due_ms;
    const kite_bucket *bucket = kite_bars_bucket(bars, series, state->timeline, t_ms);
    int partial = state->joined_ms > bucket->start_ms || state->flags & STATE_PARTIAL, by;
    int estimated = tick->kind & STATE_UNSTAMPED && bars->stamped[series];
    cold->start_ms = bucket->start_ms;
    cold->end_ms = bucket->end_ms;
    cold->until_ms = bucket->until_ms;
    cold->base_turnover = state->turnover;
    cold->base_volume = state->volume;
    cold->base_ticks = state->ticks;
    cold->open = tick->price;
    cold->first_key = kite_bar_key(tick, t_ms, bucket->start_ms);
    cold->flags = (uint16_t)(bucket->flags | (partial ? BAR_PARTIAL : 0) | (state->flags & STATE_GAP ? BAR_GAP : 0) |
                             (estimated ? BAR_ESTIMATED : 0));
    hot->until_ms = bucket->until_ms;
    hot->high = hot->low = tick->price;
    due_ms = kite_bars_due(bars, at, series, &by);
    kite_bars_note_due(bars, by, due_ms);
    /* The other series' floors, which stand in other lines, aren't above the highest one. */
    if (bars->stamped[series] && cold->start_ms >= state->floor_ms)
        state->floor_ms = cold->start_ms;
    else if (bars->stamped[series])
        kite_bars_set_floor(bars, at);
}

static void kite_bars_close(kite_bars *bars, const kite_bar_row *at, int series, int64_t end_ms, int64_t now_ms)
{
    kite_bar_cold *cold = at->cold + series;
    kite_bar *bar = kite_bars_begin_record(bars, series, cold);
    kite_bar_assemble(bar, at->state, at->hot + series, cold, series);
    bar->token = at->token;
    bar->length_ms = kite_clip_u32(end_ms - cold->start_ms);
    bar->closed_after_ms = kite_clip_i32(now_ms - end_ms);
    kite_bars_publish_record(bars, series, cold);
    at->hot[series].until_ms = 0;
    bars->counters[COUNT_BARS]++;
}

/* An instrument took the board's next row. Its hours are its segment's, until it is placed. */
static void kite_bars_admit(kite_bars *bars, int64_t row, uint32_t token)
{
    static const uint8_t place_of[16] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 0, 0, 8, 0, 0, 0}; /* as bars/timeline.py */
    uint32_t segment = token & 0xFF, place = segment < sizeof place_of ? place_of[segment] : 0;
    kite_bars_state(bars, row)->timeline = (uint16_t)(place < bars->timeline_count ? place : 0);
}

/* ---- a tick ------------------------------------------------------------------------------------------------------ */

/* `which`: NULL for all series. */
static void kite_bars_flag_forming(const kite_bars *bars, const kite_bar_row *at, uint16_t flag, const uint8_t *which)
{
    int s;
    for (s = 0; s < bars->series; s++)
        if (at->hot[s].until_ms != 0 && (which == NULL || which[s]))
            at->cold[s].flags |= flag;
}

static void kite_bars_note_contents(kite_bar_state *state, const kite_bar_tick *tick)
{
    state->flags = (uint16_t)((state->flags & ~(STATE_VOLUME | STATE_OI)) | (tick->kind & (STATE_VOLUME | STATE_OI)));
}

/* The first packet of an instrument: what was traded before isn't ours to count. The market's time is the stamp's where
 * another day is played; before a day's first session figures are of the day before. */
static void kite_bars_join(kite_bars *bars, const kite_bar_row *at, const kite_bar_tick *tick)
{
    kite_bar_state *state = at->state;
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
    kite_bars_note_contents(state, tick);
}

/* The broker's cached packet: no trade, but it tells whether there were any while the instrument wasn't streamed. */
static void kite_bars_snapshot(kite_bars *bars, const kite_bar_row *at, const kite_bar_tick *tick)
{
    kite_bar_state *state = at->state;
    kite_bars_begin(state);
    if (!(state->flags & STATE_SEEN) || state->ticks == 0) {
        kite_bars_join(bars, at, tick);
    } else if (!(state->flags & STATE_GAP) &&
               (tick->kind & STATE_VOLUME ? tick->volume != state->volume : tick->price != state->last_price)) {
        state->flags |= STATE_PARTIAL;
        kite_bars_flag_forming(bars, at, BAR_PARTIAL, NULL);
    }
    kite_bars_end(state);
}

/* One series that the tick isn't late for. */
KITE_INLINE void kite_bars_put_series(kite_bars *bars, const kite_bar_row *at, int series, const kite_bar_tick *tick)
{
    kite_bar_hot *hot = at->hot + series;
    int64_t t_ms = kite_bars_time(bars, series, tick);
    if (t_ms >= hot->until_ms) {
        if (hot->until_ms != 0)
            kite_bars_close(bars, at, series, at->cold[series].end_ms, tick->recv_ms);
        kite_bars_open(bars, at, series, tick);
        return;
    }
    hot->high = tick->price > hot->high ? tick->price : hot->high;
    hot->low = tick->price < hot->low ? tick->price : hot->low;
    if (!tick->newest && kite_bar_key(tick, t_ms, at->cold[series].start_ms) < at->cold[series].first_key) {
        at->cold[series].open = tick->price;
        at->cold[series].first_key = kite_bar_key(tick, t_ms, at->cold[series].start_ms);
    }
}

/* Before anything of the tick is noted. A lower volume on the same day is an old packet again or, below half, a count
 * that began anew; the first volume of an instrument that was streamed without it until now says nothing of when it was
 * traded. */
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
static void kite_bars_shift(kite_bars *bars, const kite_bar_row *at, const kite_bar_traded *told)
{
    uint32_t former = at->state->volume, jump = told->volume - former - told->amount;
    int s;
    if (told->began_anew) {
        bars->counters[COUNT_RESETS]++;
        kite_bars_flag_forming(bars, at, BAR_PARTIAL, NULL);
    }
    for (s = 0; jump != 0 && s < bars->series; s++)
        if (at->hot[s].until_ms != 0)
            at->cold[s].base_volume += jump;
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

/* Bars of so many ticks, or so much volume. Those of an auction, or outside, hold all of it. */
static void kite_bars_close_counted(kite_bars *bars, const kite_bar_row *at, const kite_bar_tick *tick)
{
    const kite_bar_state *state = at->state;
    int s;
    for (s = 0; s < bars->series; s++) {
        const kite_bar_cold *cold = at->cold + s;
        uint32_t ticks = state->ticks - cold->base_ticks;
        uint32_t volume = state->flags & STATE_VOLUME ? state->volume - cold->base_volume : 0;
        if (bars->kinds[s] == BARS_OF_TIME || at->hot[s].until_ms == 0 || cold->flags & BAR_WHOLE_SPAN)
            continue;
        if ((bars->kinds[s] == BARS_OF_TICKS ? ticks : volume) >= bars->sizes[s])
            kite_bars_close(bars, at, s, tick->event_ms, tick->recv_ms);
    }
}

KITE_INLINE void kite_bars_note_clock(kite_bars *bars, int64_t event_ms, int64_t recv_ms, uint32_t kind)
{
    if (event_ms > bars->clock_event_ms && !(kind & STATE_UNSTAMPED)) {
        bars->clock_event_ms = event_ms;
        bars->clock_recv_ms = recv_ms;
    }
}

/* Forming bars of an instrument that was stamped and isn't any more, or the other way round, are of two kinds of time. */
static void kite_bars_toggle_stamp(kite_bars *bars, const kite_bar_row *at)
{
    int s, by;
    at->state->flags ^= STATE_UNSTAMPED;
    kite_bars_flag_forming(bars, at, BAR_ESTIMATED, bars->stamped);
    for (s = 0; s < bars->series; s++)
        if (at->hot[s].until_ms != 0) {
            int64_t due_ms = kite_bars_due(bars, at, s, &by);
            kite_bars_note_due(bars, by, due_ms);
        }
}

/* Any tick, whatever it does. */
static void kite_bars_take(kite_bars *bars, const kite_bar_row *at, kite_bar_tick *tick)
{
    kite_bar_state *state = at->state;
    kite_bar_traded told;
    uint32_t late = 0;
    int s;
    kite_bars_begin(state);
    if (!(state->flags & STATE_SEEN))
        kite_bars_join(bars, at, tick);
    tick->newest = tick->event_ms > state->last_ms ||
                   (tick->event_ms == state->last_ms && (!(tick->kind & STATE_VOLUME) || tick->volume >= state->volume));
    told = kite_bars_traded(state, tick);
    kite_bars_note_contents(state, tick);
    if ((state->flags ^ tick->kind) & STATE_UNSTAMPED)
        kite_bars_toggle_stamp(bars, at);
    for (s = 0; tick->event_ms < state->floor_ms && s < bars->series; s++)
        late |= (uint32_t)(bars->stamped[s] && tick->event_ms < kite_bars_floor(at, s)) << s;
    for (s = 0; s < bars->series; s++)
        if (!(late >> s & 1))
            kite_bars_put_series(bars, at, s, tick);
    state->flags &= (uint16_t)~(STATE_GAP | STATE_PARTIAL);
    kite_bars_shift(bars, at, &told);
    kite_bars_add(state, tick, &told);
    kite_bars_note_clock(bars, tick->event_ms, tick->recv_ms, tick->kind);
    for (s = 0; late >> s != 0; s++)
        if (late >> s & 1)
            kite_late_take(bars, at, s, tick);
    if (bars->counted)
        kite_bars_close_counted(bars, at, tick);
    kite_bars_set_sure(bars, at);
    kite_bars_end(state);
}

/* Segments whose full packets carry open interest: the derivatives, as in kitecli/market/segments.py. */
KITE_INLINE uint32_t kite_has_oi(uint32_t token)
{
    return 0x11ECu >> (token & 31) & !(token & 0xE0);
}

/* The flags of a state after this tick, but for its stamp. The wire tells by the length what a packet carries. */
KITE_INLINE uint32_t kite_bars_kind(uint32_t token, uint32_t length)
{
    if (length < QUOTE_LENGTH) /* indices too */
        return STATE_SEEN;
    return length == FULL_LENGTH ? STATE_SEEN | STATE_VOLUME | kite_has_oi(token) * STATE_OI : STATE_SEEN | STATE_VOLUME;
}

KITE_INLINE void kite_bars_stretch(kite_bar_hot *hot, int series, int32_t price)
{
    int s;
    KITE_UNROLL(8)
    for (s = 0; s < BARS_MOST_SERIES; s++) {
        if (s >= series)
            break;
        hot[s].high = price > hot[s].high ? price : hot[s].high;
        hot[s].low = price < hot[s].low ? price : hot[s].low;
    }
}

/* An ordinary tick in its instrument's figures. */
KITE_INLINE void kite_bars_count(kite_bars *bars, kite_bar_state *state, const kite_bar_tick *tick)
{
    uint32_t traded = tick->kind & STATE_VOLUME ? tick->volume - state->volume : 0;
    state->ticks++;
    state->turnover = kite_sum(state->turnover, tick->price * (int64_t)traded);
    state->volume += traded;
    state->last_price = tick->price;
    state->last_ms = tick->event_ms;
    if (tick->kind & STATE_OI)
        state->oi = tick->oi;
    kite_bars_note_clock(bars, tick->event_ms, tick->recv_ms, tick->kind);
}

/* An ordinary tick is newer than all before, of the same day, carries what those did, and more volume or as much. What
 * else kite_bars_take would act on is told by differences that are negative then. */
static int kite_bars_is_ordinary(const kite_bars *bars, const kite_bar_state *state, const kite_bar_tick *tick)
{
    int64_t before = (tick->event_ms - state->floor_ms) | (tick->event_ms - state->last_ms);
    if (tick->kind & STATE_VOLUME) {
        int64_t since_midnight_ms = tick->event_ms - kite_midnight_of(state->day);
        before |= (int64_t)tick->volume - state->volume;
        before |= since_midnight_ms | (KITE_DAY_MS - 1 - since_midnight_ms);
    }
    return before >= 0 && state->flags == tick->kind && !bars->counted;
}

/* Its stamp is within what the row is sure of. */
KITE_INLINE int kite_bars_is_sure(const kite_bar_state *state, const kite_bar_tick *tick)
{
    return (uint64_t)(tick->event_ms - state->floor_ms) < state->sure_ms;
}

/* An ordinary tick with which bars end, or by which they may. */
static void kite_bars_roll(kite_bars *bars, const kite_bar_row *at, kite_bar_tick *tick)
{
    int s, sure = kite_bars_is_sure(at->state, tick);
    kite_bars_begin(at->state);
    tick->newest = 1;
    for (s = 0; s < bars->series; s++)
        kite_bars_put_series(bars, at, s, tick);
    if (!sure)
        kite_bars_set_sure(bars, at);
    kite_bars_count(bars, at->state, tick);
    kite_bars_end(at->state);
}

/* What is out of line of kite_bars_put. */
KITE_NOINLINE static void kite_bars_put_other(kite_bars *bars, int64_t row, const kite_tick *from, kite_bar_tick tick)
{
    kite_bar_row at = kite_bars_row(bars, row, from->words[WORD_TOKEN]);
    if (from->tail & (uint32_t)FLAG_SNAPSHOT << 16)
        kite_bars_snapshot(bars, &at, &tick);
    else if (kite_bars_is_ordinary(bars, at.state, &tick))
        kite_bars_roll(bars, &at, &tick);
    else
        kite_bars_take(bars, &at, &tick);
}

/* One packet's record. `sure_ms` tells of most ticks by one look that they are ordinary and end no bar. */
KITE_INLINE void kite_bars_put(kite_bars *bars, int64_t row, const kite_tick *from, uint32_t length, int64_t recv_ms)
{
    kite_bar_state *state = kite_bars_state(bars, row);
    uint32_t kind = kite_bars_kind(from->words[WORD_TOKEN], length), unlike;
    kite_bar_tick tick = {from->ts_event_s * (int64_t)1000, recv_ms, 0, 0, (int32_t)from->words[WORD_LAST_PRICE], 0, 0};
    if (tick.event_ms == 0 || tick.event_ms > recv_ms + BARS_STAMP_AHEAD_MS) {
        kind |= STATE_UNSTAMPED;
        tick.event_ms = recv_ms;
    }
    tick.volume = kind & STATE_VOLUME ? from->words[WORD_VOLUME] : 0;
    tick.oi = kind & STATE_OI ? from->oi : 0;
    tick.kind = (uint16_t)kind;
    unlike = (state->flags ^ kind) | bars->odd | (from->tail & (uint32_t)FLAG_SNAPSHOT << 16);
    if (KITE_UNLIKELY(unlike || !kite_bars_is_sure(state, &tick) || tick.event_ms < state->last_ms ||
                      (kind & STATE_VOLUME && tick.volume < state->volume))) {
        kite_bars_put_other(bars, row, from, tick);
        return;
    }
    kite_bars_begin(state);
    kite_bars_stretch(kite_bars_hot(bars, row), bars->series, tick.price);
    kite_bars_count(bars, state, &tick);
    kite_bars_end(state);
}

/* What a tick of this row will touch. Bars finer than stamps end with nearly every tick of theirs. */
KITE_INLINE void kite_bars_prefetch(const kite_bars *bars, int64_t row)
{
    const char *line = (const char *)kite_bars_state(bars, row);
    kite_prefetch_write(line);
    kite_prefetch_write(line + 64);
    if (bars->row_stride > 128)
        kite_prefetch_write(line + 128);
    if (bars->fine)
        kite_prefetch_write(bars->cold + row * bars->series + bars->fine - 1);
}

#endif
