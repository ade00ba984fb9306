/* What recordings are written, checked and packed with, over fixed messages, for counting instructions
 * (instructions.py): the recorder's append and framing, the scan with every checksum, a column packed and taken out. */
#include "counted.h"
#include "log.h"
#include "pack.h"

enum { TICKS = 20000, A_FRAME = 10, INSTRUMENTS = 900, STAGE_BYTES = 1 << 23, COLUMN = 20000 };

static kite_stage stage;
static uint8_t *out;
static uint64_t framed_bytes;
static kite_row *rows;

COUNTED(append_full_10)(const messages *from)
{
    for (int frame = 0; frame < from->frames; frame++)
        if (!kite_stage_append(&stage, LOG_FRAME, 0, START_MS * 1000000 + frame,
                               from->bytes + (size_t)frame * from->frame_bytes, from->frame_bytes))
            exit(4);
}

COUNTED(frame_full_10)(void) { framed_bytes = kite_stage_frame(&stage, out, 2 * STAGE_BYTES, UINT64_MAX); }

COUNTED(verify_full_10)(const messages *from)
{
    kite_scan scan = {.offset = 0, .number = 0};
    kite_log_scan(&scan, out, framed_bytes, 1, rows, TICKS);
    if (scan.stop != LOG_SHORT || scan.rows < from->frames)
        exit(5);
}

COUNTED(pack_column)(const uint32_t *values) { framed_bytes = kite_put_column(out, values, COLUMN); }

COUNTED(unpack_column)(uint32_t *values)
{
    if (kite_take_column(out, out + framed_bytes, values, COLUMN) != out + framed_bytes)
        exit(6);
}

static void recorded(void)
{
    messages made = made_messages(TICKS, A_FRAME, FULL_BYTES, INSTRUMENTS);
    stage.data = room(STAGE_BYTES, 1), stage.capacity = STAGE_BYTES, stage.limit = LOG_MAX_PAYLOAD;
    stage.seed = 1;
    counted_append_full_10(&made);
    counted_frame_full_10();
    counted_verify_full_10(&made);
}

/* Mostly small, now and then large, as differences of prices are. */
static void packed(void)
{
    uint32_t *values = room(COLUMN, sizeof *values), *back = room(COLUMN, sizeof *back);
    for (int each = 0; each < COLUMN; each++)
        values[each] = (uint32_t)(drawn() % (each % 40 ? 200 : 1 << 20));
    counted_pack_column(values);
    counted_unpack_column(back);
    if (memcmp(values, back, COLUMN * sizeof *values) != 0)
        exit(7);
}

int main(void)
{
    kite_crc_init();
    out = room(2 * STAGE_BYTES, 1);
    rows = room(TICKS, sizeof *rows);
    recorded();
    packed();
    return 0;
}
