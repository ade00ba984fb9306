/* pass.h fed from standard input, every buffer of its own and exactly as large as it must be, so that AddressSanitizer
 * sees any step outside. Arguments: capacity, depth capacity, board capacity. Input: u32 LE length and bytes, a frame
 * after the other; a length of EXPECT and then u32 LE token and u32 LE mode for a snapshot expected. Output: the parts of the ring, one after the other, for comparison with the reference's. */
#include <stdio.h>

#include "pass.h"

#define EXPECT 0xFFFFFFFFu

static void *exactly(size_t count, size_t item)
{
    void *made = calloc(count, item);
    if (made == NULL)
        exit(3);
    return made;
}

static void look(const kite_view *view, int64_t frame)
{
    int64_t cursor = kite_load_acquire(view->cursor), rows = kite_load_acquire(view->board_rows), row;
    int64_t count = cursor < view->capacity ? cursor : view->capacity, most = 1 + frame % view->capacity;
    kite_tick *ticks = exactly((size_t)view->capacity, sizeof *ticks);
    kite_depth *depth = exactly((size_t)view->capacity, sizeof *depth);
    int64_t *sequences = exactly((size_t)view->capacity, sizeof *sequences);
    if (count > most)
        count = most;
    if (kite_view_copy(view, cursor - count, count, ticks, frame % 2 ? depth : NULL) > cursor)
        exit(4);
    for (row = 0; row < rows; row += 7)
        if (kite_view_history(view, row, most, ticks, sequences) > most)
            exit(5);
    free(ticks);
    free(depth);
    free(sequences);
    ticks = exactly((size_t)rows + 1, sizeof *ticks);
    depth = exactly((size_t)rows + 1, sizeof *depth);
    sequences = exactly((size_t)rows + 1, sizeof *sequences);
    kite_view_snapshot(view, rows, ticks, frame % 2 ? NULL : depth, sequences);
    free(ticks);
    free(depth);
    free(sequences);
}

int main(int argc, char **argv)
{
    size_t capacity = strtoul(argv[1], NULL, 10), deep = strtoul(argv[2], NULL, 10), board = strtoul(argv[3], NULL, 10);
    int64_t scalars[4] = {0}, closed = 0, frame = 0;
    uint64_t counters[10] = {0};
    uint32_t size;
    kite_pass pass = {0};
    kite_view view = {0};
    pass.ticks = exactly(capacity, sizeof *pass.ticks);
    pass.links = exactly(capacity, sizeof *pass.links);
    pass.depth = exactly(deep, sizeof *pass.depth);
    pass.meta = exactly(board, sizeof *pass.meta);
    pass.board_ticks = exactly(board, sizeof *pass.board_ticks);
    pass.board_depth = exactly(board, sizeof *pass.board_depth);
    pass.intent = scalars, pass.cursor = scalars + 1, pass.board_rows = scalars + 2, pass.heartbeat_ns = scalars + 3;
    pass.counters = counters;
    pass.mask = capacity - 1, pass.depth_mask = deep - 1, pass.board_capacity = (int64_t)board;
    if (argc != 4 || !kite_pass_make_table(&pass))
        return 2;
    view.ticks = pass.ticks, view.links = pass.links, view.depth = pass.depth, view.meta = pass.meta;
    view.board_ticks = pass.board_ticks, view.board_depth = pass.board_depth;
    view.intent = pass.intent, view.cursor = pass.cursor, view.board_rows = pass.board_rows, view.state = &closed;
    view.heartbeat_ns = pass.heartbeat_ns, view.counters = counters;
    view.mask = pass.mask, view.depth_mask = pass.depth_mask, view.capacity = (int64_t)capacity;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        uint32_t pair[2];
        uint8_t *bytes;
        if (size == EXPECT) {
            if (fread(pair, sizeof pair, 1, stdin) != 1)
                return 3;
            kite_pass_expect(&pass, pair[0], pair[1]);
            continue;
        }
        bytes = malloc(size);
        if (size != 0 && (bytes == NULL || fread(bytes, 1, size, stdin) != size))
            return 3;
        kite_pass_ingest(&pass, bytes, size, 1000000000000000000 + frame, (uint32_t)(frame % 3));
        free(bytes);
        if (frame % 5 == 0)
            look(&view, frame);
        frame++;
    }
    fwrite(scalars, sizeof scalars, 1, stdout);
    fwrite(counters, sizeof counters, 1, stdout);
    fwrite(pass.ticks, sizeof *pass.ticks, capacity, stdout);
    fwrite(pass.links, sizeof *pass.links, capacity, stdout);
    fwrite(pass.depth, sizeof *pass.depth, deep, stdout);
    fwrite(pass.meta, sizeof *pass.meta, board, stdout);
    fwrite(pass.board_ticks, sizeof *pass.board_ticks, board, stdout);
    fwrite(pass.board_depth, sizeof *pass.board_depth, board, stdout);
    free(pass.ticks), free(pass.links), free(pass.depth), free(pass.meta), free(pass.board_ticks);
    free(pass.board_depth), free(pass.table);
    return 0;
}
