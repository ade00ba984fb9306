/* What happens to bars without a tick: their time is over, or ticks of theirs were missed. */
#ifndef KITE_BARS_IDLE_H
#define KITE_BARS_IDLE_H

#include "bars.h"

/* An outage lies behind what this instrument has. */
static void kite_bars_mark_gap(kite_bars *bars, int64_t row)
{
    kite_bar_row at = kite_bars_row(bars, row, 0);
    if (!(at.state->flags & STATE_SEEN))
        return;
    kite_bars_begin(at.state);
    at.state->flags |= STATE_GAP;
    kite_bars_flag_forming(bars, &at, BAR_GAP, NULL);
    kite_bars_end(at.state);
}

/* Close what is due of one row. `until` is never later than that, so most need no look at the bar itself. */
static void kite_bars_sweep_row(kite_bars *bars, int64_t row, const int64_t *clocks_ms)
{
    kite_bar_row at = kite_bars_row(bars, row, bars->tokens[4 * row]);
    int s, closed = 0;
    for (s = 0; s < bars->series; s++) {
        int by = bars->receive[s] || at.state->flags & STATE_UNSTAMPED;
        int64_t due_ms = at.hot[s].until_ms;
        if (due_ms == 0)
            continue;
        if (due_ms <= clocks_ms[by])
            due_ms = kite_bars_due(bars, &at, s, &by);
        if (due_ms > clocks_ms[by]) {
            kite_bars_note_due(bars, by, due_ms);
            continue;
        }
        if (!closed++)
            kite_bars_begin(at.state);
        kite_bars_close(bars, &at, s, at.cold[s].end_ms, clocks_ms[1]);
    }
    if (closed) {
        kite_bars_set_floor(bars, &at);
        kite_bars_end(at.state);
    }
}

/* The market's clock and ours. When a recorded day is played, the market's is as far behind as its newest stamp was. */
static void kite_bars_clocks(const kite_bars *bars, int64_t now_ms, int64_t *clocks_ms)
{
    clocks_ms[0] = clocks_ms[1] = now_ms;
    if (bars->clock_recv_ms - bars->clock_event_ms > BARS_PLAYED_MS)
        clocks_ms[0] = bars->clock_event_ms + (now_ms - bars->clock_recv_ms);
}

/* Whether a sweep that begins now has anything to close. */
static int kite_bars_any_due(const kite_bars *bars, int64_t now_ms)
{
    int64_t clocks_ms[2];
    kite_bars_clocks(bars, now_ms, clocks_ms);
    return clocks_ms[0] >= bars->due_ms[0] || clocks_ms[1] >= bars->due_ms[1];
}

/* Close idle bars in the next `limit` of `rows`; 1 if there are more rows to look at. */
static int kite_bars_sweep(kite_bars *bars, int64_t rows, int64_t now_ms, int64_t limit)
{
    int64_t clocks_ms[2], row = bars->sweep_row;
    int64_t stop = rows - row > limit ? row + limit : rows;
    kite_bars_clocks(bars, now_ms, clocks_ms);
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
