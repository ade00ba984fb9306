/* Packed stretches: columns of numbers in as many bits as they need, and a segment's bytes from them. bits.py, words.py
 * and unpacking.py say the same in Python and are the specification; bytes must come out the same. What is unpacked here
 * fitted a checksum, and is believed no more for that: every place and length is looked at before it is used. */
#ifndef KITE_PACK_H
#define KITE_PACK_H

#include <stdlib.h>

#include "portable.h"

enum {
    PACK_GROUP = 128,
    PACK_BITS = 32,
    PACK_HEAD_COLUMNS = 8,
    PACK_RECORD_BYTES = 24,
    PACK_FRAME = 1,
    PACK_LAST = 1,
    PACK_DEPTH = 16,
    PACK_LEVELS = 10,
    PACK_FULL_BYTES = 184,
    PACK_MOST_WORDS = 16384
};

/* ---- columns ---- */

KITE_INLINE uint32_t kite_pack_room(uint32_t count, uint32_t width) { return (count * width + 7) / 8; }

KITE_INLINE uint32_t kite_bit_length(uint32_t value)
{
    uint32_t bits = 0;
    while (bits < PACK_BITS && value >> bits)
        bits++;
    return bits;
}

static uint8_t *kite_put_bits(uint8_t *out, const uint32_t *values, uint32_t count, uint32_t shift, uint32_t width)
{
    uint64_t kept = 0, mask = ((uint64_t)1 << width) - 1;
    uint32_t at, bits = 0;
    for (at = 0; at < count; at++) {
        kept |= (values[at] >> shift & mask) << bits;
        for (bits += width; bits >= 8; bits -= 8, kept >>= 8)
            *out++ = (uint8_t)kept;
    }
    if (bits)
        *out++ = (uint8_t)kept;
    return out;
}

static uint32_t kite_best_width(const uint32_t *longer, uint32_t count, uint32_t most)
{
    uint32_t width, best = most, least = kite_pack_room(count, most);
    for (width = most; width-- > 0;) {
        uint32_t size = kite_pack_room(count, width) + 1 + longer[width] + kite_pack_room(longer[width], most - width);
        if (size <= least) {
            least = size;
            best = width;
        }
    }
    return best;
}

static uint8_t *kite_put_group(uint8_t *out, const uint32_t *values, uint32_t count)
{
    uint32_t bits[PACK_GROUP], longer[PACK_BITS + 1], large[PACK_GROUP], at, width, most = 0, exceptions = 0;
    memset(longer, 0, sizeof longer);
    for (at = 0; at < count; at++) {
        bits[at] = kite_bit_length(values[at]);
        if (bits[at] > most)
            most = bits[at];
        if (bits[at])
            longer[bits[at] - 1]++;
    }
    for (width = PACK_BITS; width-- > 0;) /* of so many numbers, how many need more than width bits */
        longer[width] += longer[width + 1];
    width = kite_best_width(longer, count, most);
    *out++ = (uint8_t)width;
    *out++ = (uint8_t)(width < most ? longer[width] : 0);
    out = kite_put_bits(out, values, count, 0, width);
    if (width == most)
        return out;
    *out++ = (uint8_t)(most - width);
    for (at = 0; at < count; at++)
        if (bits[at] > width) {
            *out++ = (uint8_t)at;
            large[exceptions++] = values[at];
        }
    return kite_put_bits(out, large, exceptions, width, most - width);
}

/* Room of the worst: all 32 bits of each, two bytes a group. */
KITE_INLINE uint64_t kite_column_room(uint64_t count) { return 4 * count + 2 * (count / PACK_GROUP + 1); }

static uint64_t kite_put_column(uint8_t *out, const uint32_t *values, uint64_t count)
{
    uint8_t *start = out;
    for (; count; values += PACK_GROUP, count -= PACK_GROUP) {
        if (count < PACK_GROUP) {
            out = kite_put_group(out, values, (uint32_t)count);
            break;
        }
        out = kite_put_group(out, values, PACK_GROUP);
    }
    return (uint64_t)(out - start);
}

/* Copied first, so that eight bytes may be read anywhere in it. */
static const uint8_t *kite_take_bits(const uint8_t *at, const uint8_t *end, uint32_t *values, uint32_t count, uint32_t width)
{
    uint8_t body[PACK_GROUP * 4 + 8];
    uint32_t size = kite_pack_room(count, width), place, bit = 0, mask = (uint32_t)(((uint64_t)1 << width) - 1);
    if ((uint64_t)(end - at) < size)
        return NULL;
    memcpy(body, at, size);
    memset(body + size, 0, 8);
    for (place = 0; place < count; place++, bit += width) {
        uint64_t word;
        memcpy(&word, body + bit / 8, 8);
        values[place] = (uint32_t)(word >> bit % 8) & mask;
    }
    return at + size;
}

static const uint8_t *kite_take_exceptions(const uint8_t *at, const uint8_t *end, uint32_t *values, uint32_t count,
                                           uint32_t width, uint32_t exceptions)
{
    uint32_t large[PACK_GROUP], more, place;
    const uint8_t *places;
    if (exceptions > count || (uint64_t)(end - at) < 1 + (uint64_t)exceptions)
        return NULL;
    more = *at;
    places = at + 1;
    if (width + more > PACK_BITS)
        return NULL;
    at = kite_take_bits(places + exceptions, end, large, exceptions, more);
    for (place = 0; at != NULL && place < exceptions; place++) {
        if (places[place] >= count)
            return NULL;
        if (width < PACK_BITS)
            values[places[place]] |= large[place] << width;
    }
    return at;
}

/* Behind the column, or NULL where it never was one. */
static const uint8_t *kite_take_column(const uint8_t *at, const uint8_t *end, uint32_t *values, uint64_t count)
{
    while (at != NULL && count) {
        uint32_t group = count < PACK_GROUP ? (uint32_t)count : PACK_GROUP, width, exceptions;
        if (end - at < 2 || at[0] > PACK_BITS)
            return NULL;
        width = at[0];
        exceptions = at[1];
        if (width)
            at = kite_take_bits(at + 2, end, values, group, width);
        else {
            memset(values, 0, group * sizeof *values);
            at += 2;
        }
        if (exceptions && at != NULL)
            at = kite_take_exceptions(at, end, values, group, width, exceptions);
        values += group;
        count -= group;
    }
    return at;
}

/* ---- words of packets ---- */

/* The word that is taken off this one in a packet of so many bytes; 0: none. */
static uint32_t kite_base_of(uint32_t bytes, uint32_t word)
{
    if (bytes == 28 || bytes == 32)
        return word >= 2 && word <= 5 ? PACK_LAST : 0;
    if (bytes != 44 && bytes != PACK_FULL_BYTES)
        return 0;
    if (word == 3 || (word >= 7 && word <= 10))
        return PACK_LAST;
    if (bytes == 44)
        return 0;
    if (word == 15)
        return 11;
    if (word < PACK_DEPTH || word % 3 != (PACK_DEPTH + 1) % 3)
        return 0;
    return (word - PACK_DEPTH) / 3 % 5 ? word - 3 : PACK_LAST;
}

KITE_INLINE int kite_is_turned(uint32_t bytes, uint32_t word)
{
    return bytes == PACK_FULL_BYTES && word >= PACK_DEPTH && word % 3 == (PACK_DEPTH + 2) % 3;
}

KITE_INLINE uint32_t kite_unfold(uint32_t folded) { return folded >> 1 ^ (uint32_t)-(int32_t)(folded & 1); }

/* Where each instrument's other packets end, in ranks; the first packets of all come before them. */
typedef struct {
    uint32_t *others; /* of each instrument: the end of its others; of the one before, their start */
    uint32_t *order;  /* of each rank: which packet that is, and later where its words go */
    uint32_t *column; /* one word of every packet, in ranks */
    uint32_t count, tokens, bytes;
} kite_ranks;

/* 0: an instrument without a packet, or a packet without an instrument. */
static int kite_rank(kite_ranks *ranks, const uint32_t *owners)
{
    uint32_t at, sum = ranks->tokens;
    memset(ranks->others, 0, (size_t)ranks->tokens * sizeof *ranks->others);
    for (at = 0; at < ranks->count; at++) {
        if (owners[at] >= ranks->tokens)
            return 0;
        ranks->others[owners[at]]++;
    }
    for (at = 0; at < ranks->tokens; at++) {
        uint32_t others = ranks->others[at];
        if (!others)
            return 0;
        ranks->others[at] = sum | 0x80000000u; /* its first is still to come */
        sum += others - 1;
    }
    for (at = 0; at < ranks->count; at++) {
        uint32_t *next = ranks->others + owners[at];
        if (*next & 0x80000000u) {
            *next &= 0x7FFFFFFFu;
            ranks->order[owners[at]] = at;
        } else
            ranks->order[(*next)++] = at;
    }
    return 1;
}

/* Steps into values, in ranks: a first one follows the first before, any other its instrument's one before. */
static void kite_sum(const kite_ranks *ranks)
{
    uint32_t token, rank = ranks->tokens, value = 0, *column = ranks->column;
    for (token = 0; token < ranks->tokens; token++)
        column[token] = value += kite_unfold(column[token]);
    for (token = 0; token < ranks->tokens; token++) {
        value = column[token];
        for (; rank < ranks->others[token]; rank++)
            column[rank] = value += kite_unfold(column[rank]);
    }
}

/* A word of every packet into its place; what was taken off it stands there already. */
static void kite_spread(const kite_ranks *ranks, uint8_t *out, uint32_t word)
{
    uint32_t rank, base = kite_base_of(ranks->bytes, word);
    if (kite_is_turned(ranks->bytes, word))
        for (rank = 0; rank < ranks->count; rank++)
            ranks->column[rank] = ranks->column[rank] << 16 | ranks->column[rank] >> 16;
    for (rank = 0; rank < ranks->count; rank++) {
        uint8_t *to = out + ranks->order[rank];
        uint32_t value = ranks->column[rank], other = 0;
        if (base) {
            memcpy(&other, to + 4 * base, 4);
            value += kite_bswap32(other);
        }
        value = kite_bswap32(value);
        memcpy(to + 4 * word, &value, 4);
    }
}

/* Whose each packet is: ``order`` and ``others``, and the tokens into their places. ``owners``: room for that. */
static const uint8_t *kite_take_owners(kite_ranks *ranks, const uint8_t *at, const uint8_t *end, uint8_t *out,
                                       const uint32_t *places, uint32_t *owners)
{
    uint32_t token, rank, value = 0;
    at = kite_take_column(at, end, ranks->column, ranks->tokens);
    if (at == NULL)
        return NULL;
    at = kite_take_column(at, end, owners, ranks->count);
    if (at == NULL || !kite_rank(ranks, owners))
        return NULL;
    for (token = 0; token < ranks->tokens; token++)
        ranks->column[token] = value += ranks->column[token];
    for (token = 0, rank = ranks->tokens; token < ranks->tokens; token++)
        for (; rank < ranks->others[token]; rank++)
            ranks->column[rank] = ranks->column[token];
    for (rank = 0; rank < ranks->count; rank++)
        ranks->order[rank] = places[ranks->order[rank]];
    kite_spread(ranks, out, 0);
    return at;
}

/* The packets of one length. */
static const uint8_t *kite_take_packets(const uint8_t *at, const uint8_t *end, uint8_t *out, const uint32_t *places,
                                        uint32_t count, uint32_t bytes)
{
    kite_ranks ranks;
    uint32_t word, *memory;
    if (end - at < 4)
        return NULL;
    memcpy(&ranks.tokens, at, 4);
    if (!ranks.tokens || ranks.tokens > count)
        return NULL;
    memory = malloc((3 * (size_t)count + ranks.tokens) * sizeof *memory);
    if (memory == NULL)
        return NULL;
    ranks.column = memory;
    ranks.order = memory + count;
    ranks.others = memory + 3 * (size_t)count;
    ranks.count = count;
    ranks.bytes = bytes;
    at = kite_take_owners(&ranks, at + 4, end, out, places, memory + 2 * (size_t)count);
    for (word = 1; at != NULL && word < bytes / 4; word++) {
        at = kite_take_column(at, end, ranks.column, count);
        if (at != NULL) {
            kite_sum(&ranks);
            kite_spread(&ranks, out, word);
        }
    }
    free(memory);
    return at;
}

/* ---- a stretch ---- */

typedef struct {
    const uint8_t *at, *end, *verbatim, *verbatim_end;
    uint8_t *out;
    uint64_t size, lead, records;
    uint32_t *heads; /* eight columns: see unpacking.py; of the last, what was taken apart */
} kite_unpacking;

KITE_INLINE uint64_t kite_pack_record_room(uint64_t length) { return (PACK_RECORD_BYTES + length + 7) & ~(uint64_t)7; }

static int kite_put_heads(kite_unpacking *work)
{
    uint64_t n = work->records, i, place = work->lead, stamp = 0;
    uint32_t *column = work->heads, number = 0;
    for (i = 0; i < n; i++) {
        uint32_t head[6], kind = column[2 * n + i];
        uint64_t folded = column[3 * n + i] | (uint64_t)column[4 * n + i] << 32;
        uint64_t room = kite_pack_record_room(column[n + i]) + column[i];
        if (room > work->size - place)
            return 0;
        stamp += folded >> 1 ^ (uint64_t) - (int64_t)(folded & 1);
        number += column[5 * n + i];
        head[0] = column[n + i];
        head[1] = (kind << 8 | kind >> 24) ^ PACK_FRAME;
        head[2] = (uint32_t)stamp;
        head[3] = (uint32_t)(stamp >> 32);
        head[4] = number;
        head[5] = column[6 * n + i];
        memcpy(work->out + place, head, sizeof head);
        column[i] = (uint32_t)place + PACK_RECORD_BYTES; /* from here on, where its payload stands */
        place += room;
    }
    return place == work->size;
}

/* Payloads as they are; and how many messages were taken apart, or -1. */
static int64_t kite_put_verbatim(kite_unpacking *work)
{
    uint64_t n = work->records, i;
    int64_t apart = 0;
    for (i = 0; i < n; i++) {
        uint32_t length = work->heads[n + i];
        if (work->heads[7 * n + i]) {
            apart++;
            continue;
        }
        if ((uint64_t)(work->verbatim_end - work->verbatim) < length)
            return -1;
        memcpy(work->out + work->heads[i], work->verbatim, length);
        work->verbatim += length;
    }
    return apart;
}

KITE_INLINE void kite_put_be16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* The messages' counts and their packets' lengths into their places; ``places``: where each packet's words go. */
static int kite_put_frames(kite_unpacking *work, const uint32_t *counts, const uint32_t *sizes, uint32_t *places,
                           uint32_t packets)
{
    uint64_t n = work->records, i;
    uint32_t message = 0, packet = 0;
    for (i = 0; i < n; i++) {
        uint32_t left, place = work->heads[i], end = place + work->heads[n + i];
        if (!work->heads[7 * n + i])
            continue;
        left = counts[message++];
        if (left > 0xFFFF || left > packets - packet || end - place < 2)
            return 0;
        kite_put_be16(work->out + place, left);
        for (place += 2; left; left--, packet++) {
            uint32_t size = sizes[packet];
            if (size > 0xFFFF || size < 8 || size % 4 || end - place < 2 + size)
                return 0;
            kite_put_be16(work->out + place, size);
            places[packet] = place + 2;
            place += 2 + size;
        }
        if (place != end)
            return 0;
    }
    return packet == packets;
}

static int kite_put_lengths(kite_unpacking *work, const uint32_t *sizes, const uint32_t *places, uint32_t *chosen,
                            uint32_t packets)
{
    uint8_t seen[PACK_MOST_WORDS];
    uint32_t words, packet, count;
    memset(seen, 0, sizeof seen);
    for (packet = 0; packet < packets; packet++)
        seen[sizes[packet] / 4] = 1;
    for (words = 0; words < PACK_MOST_WORDS; words++) {
        if (!seen[words])
            continue;
        for (packet = count = 0; packet < packets; packet++)
            if (sizes[packet] == 4 * words)
                chosen[count++] = places[packet];
        work->at = kite_take_packets(work->at, work->end, work->out, chosen, count, 4 * words);
        if (work->at == NULL)
            return 0;
    }
    return 1;
}

static int kite_put_messages(kite_unpacking *work, uint64_t messages)
{
    uint32_t *counts = malloc((messages + 1) * sizeof *counts), *sizes = NULL;
    uint64_t packets = 0, i;
    int done = 0;
    if (counts != NULL && (work->at = kite_take_column(work->at, work->end, counts, messages)) != NULL) {
        for (i = 0; i < messages; i++)
            packets += counts[i];
        if (packets <= work->size / 10) /* a packet takes ten bytes or more */
            sizes = malloc((3 * packets + 1) * sizeof *sizes);
    }
    if (sizes != NULL && (work->at = kite_take_column(work->at, work->end, sizes, packets)) != NULL) {
        uint32_t *places = sizes + packets, *chosen = places + packets;
        done = kite_put_frames(work, counts, sizes, places, (uint32_t)packets) &&
               kite_put_lengths(work, sizes, places, chosen, (uint32_t)packets);
    }
    free(sizes);
    free(counts);
    return done;
}

/* A stretch's bytes into ``out``, which holds zeros; 0 for what never was packed. */
static int kite_unpack_columns(kite_unpacking *work)
{
    int64_t apart;
    int done = 0, column;
    uint64_t n = work->records;
    if (work->size > 0x7FFFFFFF || work->lead > work->size || n > (work->size - work->lead) / PACK_RECORD_BYTES ||
        (uint64_t)(work->verbatim_end - work->verbatim) < work->lead)
        return 0;
    memcpy(work->out, work->verbatim, work->lead);
    work->verbatim += work->lead;
    work->heads = malloc((PACK_HEAD_COLUMNS * n + 1) * sizeof *work->heads);
    if (work->heads == NULL)
        return 0;
    for (column = 0; column < PACK_HEAD_COLUMNS && work->at != NULL; column++)
        work->at = kite_take_column(work->at, work->end, work->heads + column * n, n);
    if (work->at != NULL && kite_put_heads(work) && (apart = kite_put_verbatim(work)) >= 0)
        done = kite_put_messages(work, (uint64_t)apart);
    free(work->heads);
    return done;
}

#endif
