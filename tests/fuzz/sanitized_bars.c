/* The pass with bars fed from standard input, every part of its memory a buffer of its own and exactly as large as it
 * must be, so that AddressSanitizer sees any step outside. The ring has 64 ticks, the board 64 rows.
 *
 * Input: the header page of the memory of bars; u32 number of timelines, and of each u32 count, starts i64, kinds u8;
 * then steps, each a tag and what kite_pass_ingest and the others take. Output: the parts, one after the other. */
#include <stdio.h>

#include "bars_view.h"
#include "pass.h"

enum { ROWS = 64, TICKS = 64, PAGE = 4096 };
enum { INGEST, EXPECT, PLACE, GAP, SWEEP };

static void *exactly(size_t count, size_t item)
{
    void *made = calloc(count, item);
    if (made == NULL)
        exit(3);
    return made;
}

static void given(void *to, size_t size)
{
    if (size != 0 && fread(to, size, 1, stdin) != 1)
        exit(3);
}

static uint32_t number(void)
{
    uint32_t value;
    given(&value, sizeof value);
    return value;
}

static void timelines(kite_bars *bars)
{
    uint32_t i;
    bars->timeline_count = number();
    bars->timelines = exactly(bars->timeline_count, sizeof *bars->timelines);
    for (i = 0; i < bars->timeline_count; i++) {
        size_t count = number();
        int64_t *starts_ms = malloc(count * sizeof *starts_ms);
        uint8_t *kinds = malloc(count);
        given(starts_ms, count * sizeof *starts_ms);
        given(kinds, count);
        bars->timelines[i].starts_ms = starts_ms;
        bars->timelines[i].kinds = kinds;
        bars->timelines[i].count = (int64_t)count;
    }
}

static void look(const kite_bars *bars, int64_t step)
{
    int series = (int)(step % bars->series);
    int64_t most = 1 + step % (int64_t)bars->capacity, row = step % bars->rows;
    int64_t cursor = kite_load_acquire(kite_bars_cursor(bars, series)), count = cursor < most ? cursor : most;
    kite_bar *found = exactly((size_t)most, sizeof *found);
    if (kite_bars_copy(bars, series, cursor - count, count, found) > cursor)
        exit(4);
    if (kite_bars_history(bars, row, series, most, found) > most)
        exit(5);
    kite_bars_forming(bars, row, series, found);
    free(found);
}

static void ingest(kite_pass *pass)
{
    uint32_t size = number();
    uint8_t *bytes = malloc(size);
    int64_t recv_ns;
    given(&recv_ns, sizeof recv_ns);
    given(bytes, size);
    kite_pass_ingest(pass, bytes, size, recv_ns, 0);
    free(bytes);
}

static void take(kite_pass *pass, uint32_t tag)
{
    uint32_t token;
    int64_t now_ms, limit;
    if (tag == INGEST) {
        ingest(pass);
    } else if (tag == SWEEP) {
        given(&now_ms, sizeof now_ms);
        given(&limit, sizeof limit);
        kite_bars_sweep(pass->bars, *pass->board_rows, now_ms, limit);
    } else {
        token = number();
        if (tag == EXPECT)
            kite_pass_expect(pass, token, number());
        else if (tag == PLACE)
            kite_pass_place(pass, token, (uint16_t)number());
        else
            kite_pass_mark_gap(pass, token);
    }
}

int main(void)
{
    static uint8_t page[PAGE];
    int64_t scalars[4] = {0}, step;
    uint64_t counters[10] = {0}, records;
    kite_pass pass = {0};
    kite_bars bars;
    uint32_t tag;
    given(page, sizeof page);
    kite_bars_over(&bars, page);
    records = (uint64_t)bars.series * bars.capacity;
    bars.by_row = exactly(ROWS, bars.row_stride);
    bars.cold = exactly(ROWS, (size_t)bars.series * sizeof *bars.cold);
    bars.bars = exactly(records, sizeof *bars.bars);
    bars.links = exactly(records, sizeof *bars.links);
    timelines(&bars);
    pass.ticks = exactly(TICKS, sizeof *pass.ticks), pass.links = exactly(TICKS, sizeof *pass.links);
    pass.depth = exactly(TICKS, sizeof *pass.depth), pass.meta = exactly(ROWS, sizeof *pass.meta);
    pass.board_ticks = exactly(ROWS, sizeof *pass.board_ticks), pass.board_depth = exactly(ROWS, sizeof *pass.board_depth);
    pass.intent = scalars, pass.cursor = scalars + 1, pass.board_rows = scalars + 2, pass.heartbeat_ns = scalars + 3;
    pass.counters = counters, pass.mask = pass.depth_mask = TICKS - 1, pass.board_capacity = ROWS;
    pass.bars = &bars, bars.tokens = &pass.meta->token;
    if (!kite_pass_make_table(&pass))
        return 2;
    for (step = 0; fread(&tag, sizeof tag, 1, stdin) == 1; step++) {
        take(&pass, tag);
        look(&bars, step);
    }
    fwrite(page + BARS_RINGS_OFFSET, PAGE - BARS_RINGS_OFFSET, 1, stdout);
    for (step = 0; step < ROWS; step++)
        fwrite(kite_bars_state(&bars, step), sizeof(kite_bar_state), 1, stdout);
    for (step = 0; step < ROWS; step++)
        fwrite(kite_bars_hot(&bars, step), bars.row_stride - sizeof(kite_bar_state), 1, stdout);
    fwrite(bars.cold, sizeof *bars.cold, (size_t)ROWS * (size_t)bars.series, stdout);
    fwrite(bars.bars, sizeof *bars.bars, records, stdout);
    fwrite(bars.links, sizeof *bars.links, records, stdout);
    return 0;
}
