/* The log's two loops that touch every record: framing what waits, and looking at every checksum. kitecli/store/framing.py,
 * stage.py and scanning.py say the same in Python and are the specification; files must come out the same, byte for byte. */
#ifndef KITE_LOG_H
#define KITE_LOG_H

#include "crc.h"
#include "portable.h"

enum {
    LOG_RECORD_BYTES = 24,
    LOG_CRC_AT = 20,
    LOG_MARK_BYTES = 32,
    LOG_BLOCK_BYTES = 1 << 20,
    LOG_MAX_PAYLOAD = 1 << 26,
    LOG_FRAME = 1,
    LOG_SUBSCRIBED = 2,
    LOG_UNRECORDED = 6,
    LOG_STRUCTURAL = 64,
    LOG_MARK = 64,
    LOG_PAD = 65,
    LOG_END = 66,
    LOG_LOST = 67,
    LOG_SHORT = 0,
    LOG_BAD = 1,
    LOG_ENDED = 2,
    STAGE_HEAD_BYTES = 16,
    STAGE_LACK_BYTES = 32
};
#define STAGE_SKIP 0xFFFFFFFFu

typedef struct {
    uint32_t length;
    uint8_t kind, connection;
    uint16_t zero;
    int64_t ts_ns;
    uint32_t number, crc;
} kite_record;

typedef struct {
    int64_t ts_ns, at;
    uint32_t length, number;
    uint8_t kind, connection, zero[6];
} kite_row;

typedef struct {
    uint8_t *data;
    uint64_t capacity; /* a power of two */
    int64_t head;      /* bytes ever appended; the appender's */
    int64_t framed, released;
    uint64_t limit;
    int64_t lack_from_ns, lack_to_ns;
    uint64_t lack_messages, lack_bytes, unrecorded, unrecorded_bytes;
    uint32_t seed, number, released_number, mark_due;
    uint64_t offset, start, synced;
    int64_t high_ns;
} kite_stage;

KITE_INLINE uint64_t kite_log_room(uint64_t length) { return (LOG_RECORD_BYTES + length + 7) & ~(uint64_t)7; }
KITE_INLINE uint64_t kite_stage_room(uint64_t length) { return (STAGE_HEAD_BYTES + length + 7) & ~(uint64_t)7; }

/* ---- the appender's side ---- */

KITE_INLINE uint64_t kite_stage_free(const kite_stage *stage)
{
    return stage->capacity - (uint64_t)(stage->head - kite_load_acquire(&stage->released));
}

/* 0: no room. An entry lies in one piece: what is left before the memory's end is skipped where it is too little. */
static int kite_stage_put(kite_stage *stage, int kind, int connection, int64_t ts_ns, const uint8_t *payload, uint32_t size)
{
    uint64_t room = kite_stage_room(size), at = (uint64_t)stage->head & (stage->capacity - 1), left = stage->capacity - at;
    uint64_t skipped = room > left ? left : 0;
    uint32_t skip = STAGE_SKIP;
    kite_record head;
    if (skipped + room > kite_stage_free(stage))
        return 0;
    if (skipped) {
        memcpy(stage->data + at, &skip, sizeof skip);
        at = 0;
    }
    memset(&head, 0, sizeof head);
    head.length = size;
    head.kind = (uint8_t)kind;
    head.connection = (uint8_t)connection;
    head.ts_ns = ts_ns;
    memcpy(stage->data + at, &head, STAGE_HEAD_BYTES);
    memcpy(stage->data + at + STAGE_HEAD_BYTES, payload, size);
    kite_store_release(&stage->head, stage->head + (int64_t)(skipped + room));
    return 1;
}

static int kite_stage_tell_lack(kite_stage *stage)
{
    uint64_t told[4];
    told[0] = (uint64_t)stage->lack_from_ns;
    told[1] = (uint64_t)stage->lack_to_ns;
    told[2] = stage->lack_messages;
    told[3] = stage->lack_bytes;
    if (!kite_stage_put(stage, LOG_UNRECORDED, 0, stage->lack_to_ns, (const uint8_t *)told, sizeof told))
        return 0;
    stage->lack_messages = stage->lack_bytes = 0;
    stage->lack_from_ns = stage->lack_to_ns = 0;
    return 1;
}

static int kite_stage_refuse(kite_stage *stage, int64_t ts_ns, uint64_t size)
{
    if (!stage->lack_messages)
        stage->lack_from_ns = ts_ns;
    if (ts_ns > stage->lack_to_ns)
        stage->lack_to_ns = ts_ns;
    stage->lack_messages++;
    stage->lack_bytes += size;
    stage->unrecorded++;
    stage->unrecorded_bytes += size;
    return 0;
}

static int kite_stage_append(kite_stage *stage, int kind, int connection, int64_t ts_ns, const uint8_t *payload, uint64_t size)
{
    if (KITE_UNLIKELY(stage->lack_messages)) {
        if (kite_stage_free(stage) < stage->capacity / 4)
            return kite_stage_refuse(stage, ts_ns, size);
        if (ts_ns > stage->lack_to_ns)
            stage->lack_to_ns = ts_ns;
        if (!kite_stage_tell_lack(stage))
            return kite_stage_refuse(stage, ts_ns, size);
    }
    if (size > stage->limit || !kite_stage_put(stage, kind, connection, ts_ns, payload, (uint32_t)size))
        return kite_stage_refuse(stage, ts_ns, size);
    return 1;
}

/* ---- the writer's side ---- */

static uint64_t kite_log_put(kite_stage *stage, uint8_t *out, int kind, int connection, int64_t ts_ns, const uint8_t *payload,
                             uint32_t length)
{
    uint64_t room = kite_log_room(length);
    kite_record head;
    memset(&head, 0, sizeof head);
    head.length = length;
    head.kind = (uint8_t)kind;
    head.connection = (uint8_t)connection;
    head.ts_ns = ts_ns;
    head.number = stage->number;
    memset(out + room - 8, 0, 8);
    memcpy(out, &head, LOG_RECORD_BYTES);
    if (payload != NULL)
        memcpy(out + LOG_RECORD_BYTES, payload, length);
    else
        memset(out + LOG_RECORD_BYTES, 0, length);
    head.crc = kite_crc(kite_crc(stage->seed, out, LOG_CRC_AT), out + LOG_RECORD_BYTES, length);
    memcpy(out + LOG_CRC_AT, &head.crc, 4);
    stage->offset += room;
    return room;
}

static uint64_t kite_log_mark(kite_stage *stage, uint8_t *out)
{
    stage->mark_due = 0;
    return kite_log_put(stage, out, LOG_MARK, 0, stage->high_ns, (const uint8_t *)&stage->synced, 8);
}

KITE_INLINE uint64_t kite_log_left(const kite_stage *stage) { return LOG_BLOCK_BYTES - stage->offset % LOG_BLOCK_BYTES; }

static uint64_t kite_log_pad(kite_stage *stage, uint8_t *out)
{
    uint64_t left = kite_log_left(stage);
    if (left >= LOG_RECORD_BYTES)
        return kite_log_put(stage, out, LOG_PAD, 0, stage->high_ns, NULL, (uint32_t)(left - LOG_RECORD_BYTES));
    memset(out, 0, left);
    stage->offset += left;
    return left;
}

static uint64_t kite_log_make_room(kite_stage *stage, uint8_t *out, uint64_t room)
{
    uint64_t size = 0;
    if (stage->offset % LOG_BLOCK_BYTES == 0)
        size += kite_log_mark(stage, out);
    if (stage->mark_due) {
        if (kite_log_left(stage) < LOG_MARK_BYTES)
            size += kite_log_pad(stage, out + size);
        size += kite_log_mark(stage, out + size);
    }
    if (room > kite_log_left(stage) && stage->offset != stage->start &&
        stage->offset % LOG_BLOCK_BYTES != LOG_MARK_BYTES) {
        size += kite_log_pad(stage, out + size);
        size += kite_log_mark(stage, out + size);
    }
    return size;
}

static uint64_t kite_stage_frame(kite_stage *stage, uint8_t *out, uint64_t out_bytes, uint64_t until)
{
    uint64_t size = 0;
    int64_t head = kite_load_acquire(&stage->head);
    while (stage->framed < head && stage->offset < until) {
        uint64_t at = (uint64_t)stage->framed & (stage->capacity - 1);
        kite_record entry;
        memset(&entry, 0, sizeof entry);
        memcpy(&entry, stage->data + at, 8);
        if (entry.length == STAGE_SKIP) {
            stage->framed += (int64_t)(stage->capacity - at);
            continue;
        }
        memcpy(&entry, stage->data + at, STAGE_HEAD_BYTES);
        if (size + LOG_BLOCK_BYTES + 2 * LOG_MARK_BYTES + kite_log_room(entry.length) > out_bytes)
            break;
        size += kite_log_make_room(stage, out + size, kite_log_room(entry.length));
        if (entry.ts_ns > stage->high_ns)
            stage->high_ns = entry.ts_ns;
        size += kite_log_put(stage, out + size, entry.kind, entry.connection, entry.ts_ns,
                             stage->data + at + STAGE_HEAD_BYTES, entry.length);
        stage->number++;
        stage->framed += (int64_t)kite_stage_room(entry.length);
    }
    return size;
}

/* ---- reading ---- */

typedef struct {
    uint64_t offset;
    uint32_t number;
    int64_t high_ns;
    int64_t rows;
    int stop;
} kite_scan;

static void kite_log_scan(kite_scan *scan, const uint8_t *data, uint64_t size, uint32_t seed, kite_row *rows, int64_t most)
{
    uint64_t at = 0, base = scan->offset;
    scan->stop = LOG_SHORT;
    while (scan->stop == LOG_SHORT && scan->rows < most) {
        uint64_t left = LOG_BLOCK_BYTES - (base + at) % LOG_BLOCK_BYTES;
        kite_record head;
        kite_row *row = rows + scan->rows;
        if (left < LOG_RECORD_BYTES)
            at += left;
        if (at + LOG_RECORD_BYTES > size)
            break;
        memcpy(&head, data + at, LOG_RECORD_BYTES);
        if (head.zero || head.number != scan->number || head.length > LOG_MAX_PAYLOAD || !head.kind) {
            scan->stop = LOG_BAD;
            break;
        }
        if (at + kite_log_room(head.length) > size)
            break;
        if (kite_crc(kite_crc(seed, data + at, LOG_CRC_AT), data + at + LOG_RECORD_BYTES, head.length) != head.crc) {
            scan->stop = LOG_BAD;
            break;
        }
        row->ts_ns = head.ts_ns;
        row->at = (int64_t)(at + LOG_RECORD_BYTES);
        row->length = head.length;
        row->number = head.number;
        row->kind = head.kind;
        row->connection = head.connection;
        memset(row->zero, 0, sizeof row->zero);
        scan->rows++;
        if (head.ts_ns > scan->high_ns)
            scan->high_ns = head.ts_ns;
        if (head.kind < LOG_STRUCTURAL)
            scan->number++;
        else if (head.kind == LOG_LOST && head.length >= 8)
            memcpy(&scan->number, data + at + LOG_RECORD_BYTES, 4);
        else if (head.kind == LOG_END)
            scan->stop = LOG_ENDED;
        at += kite_log_room(head.length);
    }
    scan->offset = base + (at < size ? at : size);
}

/* The token of every packet of a message, as long as they fit it, and of what was subscribed; at most ``most``. */
static int64_t kite_log_tokens(const uint8_t *data, const kite_row *rows, int64_t count, uint32_t *tokens, int64_t *owners,
                               int64_t most)
{
    int64_t found = 0, each;
    for (each = 0; each < count; each++) {
        const uint8_t *at = data + rows[each].at, *end = at + rows[each].length;
        if (rows[each].kind == LOG_FRAME)
            for (at += end - at < 2 ? end - at : 2; end - at >= 2 && found < most;) {
                uint32_t size = (uint32_t)at[0] << 8 | at[1];
                if (end - at - 2 < (int64_t)size)
                    break;
                if (size >= 4) {
                    memcpy(tokens + found, at + 2, 4);
                    tokens[found] = kite_bswap32(tokens[found]);
                    owners[found++] = each;
                }
                at += 2 + size;
            }
        else if (rows[each].kind == LOG_SUBSCRIBED)
            for (; end - at >= 8 && found < most; at += 8) {
                memcpy(tokens + found, at, 4);
                owners[found++] = each;
            }
    }
    return found;
}

#endif
