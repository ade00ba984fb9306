/* The compiled pass over fixed frames, for counting its instructions (instructions.py).
 *
 * Each figure is of the second time over: by then every instrument has its row. With bars it is of the third minute, in
 * which every instrument's bar of a minute ends once. Nothing is read or written but memory. */
#include "counted.h"
#include "ring_parts.h"

enum { TICKS = 20000, INSTRUMENTS = 900, PAGE = 4096, RING = 1 << 15, BOARD = 1 << 10, CLOSED = 1 << 12 };

static kite_pass *made_pass(void)
{
    int64_t *scalars = room(4, sizeof *scalars);
    parts made = {
        room(RING, sizeof(kite_tick)),   room(RING, sizeof(uint32_t)),    room(RING, sizeof(kite_depth)),
        room(BOARD, sizeof(kite_meta)),  room(BOARD, sizeof(kite_tick)),  room(BOARD, sizeof(kite_depth)),
        scalars,                         scalars + 1,                     scalars + 2,
        scalars + 3,                     room(16, sizeof(uint64_t)),      RING,
        RING,                            BOARD,
    };
    kite_pass *pass = pass_over(&made);
    if (pass == NULL)
        exit(3);
    return pass;
}

/* The header as kitecli/bars/layout.py draws it, and its parts behind it. */
static kite_bars *made_bars(const int64_t *sizes_ms, uint64_t series, const kite_pass *pass)
{
    uint64_t stride = sizeof(kite_bar_state) + (series + 3) / 4 * 64, at = PAGE;
    kite_bars_header header = {.rows = BOARD, .capacity = CLOSED, .series = series, .grace_ms = 1500};
    kite_bars *bars = room(1, sizeof *bars);
    uint8_t *base;
    header.rows_offset = at, at += BOARD * stride;
    header.cold_offset = at, at += BOARD * series * sizeof(kite_bar_cold);
    header.bars_offset = at, at += series * CLOSED * sizeof(kite_bar);
    header.links_offset = at, at += series * CLOSED * sizeof(uint32_t);
    header.total_bytes = at;
    base = room(at, 1);
    memcpy(base, &header, sizeof header);
    for (uint64_t each = 0; each < series; each++) {
        kite_bars_series one = {.kind = BARS_OF_TIME, .size = sizes_ms[each]};
        memcpy(base + BARS_SERIES_OFFSET + each * sizeof one, &one, sizeof one);
    }
    kite_bars_over(bars, base);
    bars->timelines = room(1, sizeof(kite_timeline)); /* without a span in it: trading at any hour */
    bars->timeline_count = 1;
    bars->tokens = &pass->meta->token;
    return bars;
}

static kite_pass *with_bars(const int64_t *sizes_ms, uint64_t series)
{
    kite_pass *pass = made_pass();
    pass->bars = made_bars(sizes_ms, series, pass);
    return pass;
}

static void taken_in(kite_pass *pass, const messages *from, int64_t minute)
{
    for (int frame = 0; frame < from->frames; frame++) {
        int64_t now_ms = START_MS + minute * MINUTE_MS + (int64_t)frame * MINUTE_MS / from->frames;
        kite_pass_ingest(pass, from->bytes + (size_t)frame * from->frame_bytes, from->frame_bytes, now_ms * 1000000, 0);
    }
}

COUNTED(decode_full_50)(kite_pass *pass, const messages *from)
{
    for (int frame = 0; frame < from->frames; frame++)
        frame_decode(pass, from->bytes + (size_t)frame * from->frame_bytes, from->frame_bytes, frame);
}

COUNTED(pass_full_50)(kite_pass *pass, const messages *from) { taken_in(pass, from, 1); }
COUNTED(pass_full_1)(kite_pass *pass, const messages *from) { taken_in(pass, from, 1); }
COUNTED(pass_quote_50)(kite_pass *pass, const messages *from) { taken_in(pass, from, 1); }
COUNTED(pass_quote_10)(kite_pass *pass, const messages *from) { taken_in(pass, from, 1); }
COUNTED(bars_3_full_50)(kite_pass *pass, const messages *from) { taken_in(pass, from, 2); }
COUNTED(bars_3_quote_50)(kite_pass *pass, const messages *from) { taken_in(pass, from, 2); }
COUNTED(bars_100ms_quote_50)(kite_pass *pass, const messages *from) { taken_in(pass, from, 2); }

typedef void counted_run(kite_pass *pass, const messages *from);

static void without_bars(counted_run *run, int a_frame, int packet_bytes)
{
    messages made = made_messages(TICKS, a_frame, packet_bytes, INSTRUMENTS);
    kite_pass *pass = made_pass();
    taken_in(pass, &made, 0);
    run(pass, &made);
}

static void in_bars(counted_run *run, kite_pass *pass, int packet_bytes)
{
    messages made = made_messages(TICKS, 50, packet_bytes, INSTRUMENTS);
    for (int64_t minute = 0; minute < 2; minute++) {
        set_minute(&made, minute);
        taken_in(pass, &made, minute);
    }
    set_minute(&made, 2);
    run(pass, &made);
    if (pass->bars->counters[COUNT_BARS] < 2 * INSTRUMENTS)
        exit(4); /* no bar ended: that isn't what is to be counted */
}

int main(void)
{
    static const int64_t minutes[] = {MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS}, fine[] = {100};
    without_bars(counted_decode_full_50, 50, FULL_BYTES);
    without_bars(counted_pass_full_50, 50, FULL_BYTES);
    without_bars(counted_pass_full_1, 1, FULL_BYTES);
    without_bars(counted_pass_quote_50, 50, QUOTE_BYTES);
    without_bars(counted_pass_quote_10, 10, QUOTE_BYTES);
    in_bars(counted_bars_3_full_50, with_bars(minutes, 3), FULL_BYTES);
    in_bars(counted_bars_3_quote_50, with_bars(minutes, 3), QUOTE_BYTES);
    in_bars(counted_bars_100ms_quote_50, with_bars(fine, 1), QUOTE_BYTES);
    return 0;
}
