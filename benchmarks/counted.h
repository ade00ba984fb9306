/* What the programs whose instructions are counted share (instructions.py): fixed input, and their own copying.
 *
 * A libc's memcpy is chosen by the processor it meets, so its instructions are another number on another machine. Ours
 * is the same everywhere; what the compiler puts in line is not touched by it. */
#ifndef KITE_COUNTED_H
#define KITE_COUNTED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Entered once a run: valgrind counts from its entry to its end, and names the figure after it. */
#define COUNTED(name) __attribute__((noinline)) void counted_##name

enum { FULL_BYTES = 184, QUOTE_BYTES = 44, SECOND_MS = 1000, MINUTE_MS = 60000 };

static const int64_t START_MS = 1785815100000; /* a minute's start */

#define STAYS_A_LOOP() __asm__ __volatile__("") /* or the compiler makes a call of memcpy of it */

void *memcpy(void *to, const void *from, size_t size)
{
    uint8_t *a = to;
    const uint8_t *b = from;
    for (; size >= 8; size -= 8, a += 8, b += 8) {
        *(uint64_t *)a = *(const uint64_t *)b;
        STAYS_A_LOOP();
    }
    for (; size > 0; size--) {
        *a++ = *b++;
        STAYS_A_LOOP();
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    uint8_t *a = to;
    for (; size > 0; size--) {
        *a++ = (uint8_t)value;
        STAYS_A_LOOP();
    }
    return to;
}

static uint64_t drawn(void)
{
    static uint64_t state = 88172645463325252u; /* xorshift: the same numbers in every run */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void put_be(uint8_t *at, uint32_t value, int bytes)
{
    while (bytes-- > 0)
        *at++ = (uint8_t)(value >> 8 * bytes);
}

static void *room(size_t count, size_t item)
{
    void *made = calloc(count, item);
    if (made == NULL)
        exit(3);
    return made;
}

/* Frames of one length one after another: `ticks` packets of random fields, `a_frame` to each. */
typedef struct {
    uint8_t *bytes;
    size_t frame_bytes;
    int frames, a_frame, packet_bytes;
} messages;

static messages made_messages(int ticks, int a_frame, int packet_bytes, int instruments)
{
    size_t frame_bytes = 2 + (size_t)a_frame * (2 + (size_t)packet_bytes);
    messages made = {room((size_t)(ticks / a_frame), frame_bytes), frame_bytes, ticks / a_frame, a_frame, packet_bytes};
    for (int frame = 0; frame < made.frames; frame++) {
        uint8_t *at = made.bytes + (size_t)frame * frame_bytes;
        put_be(at, (uint32_t)a_frame, 2);
        at += 2;
        for (int packet = 0; packet < a_frame; packet++, at += 2 + packet_bytes) {
            uint32_t instrument = (uint32_t)(drawn() % (uint64_t)instruments);
            put_be(at, (uint32_t)packet_bytes, 2);
            for (int byte = 0; byte < packet_bytes; byte += 4)
                put_be(at + 2 + byte, (uint32_t)drawn(), 4);
            put_be(at + 2, (instrument * 7 + 1) << 8 | 1, 4);
            put_be(at + 6, 100000 + instrument * 100 + (uint32_t)(drawn() % 100), 4);
        }
    }
    return made;
}

/* Volume goes on from tick to tick, and so does the stamp. */
static void set_minute(messages *made, int64_t minute)
{
    for (int frame = 0; frame < made->frames; frame++) {
        uint8_t *at = made->bytes + (size_t)frame * made->frame_bytes + 2;
        int64_t now_ms = START_MS + minute * MINUTE_MS + (int64_t)frame * MINUTE_MS / made->frames;
        for (int packet = 0; packet < made->a_frame; packet++, at += 2 + made->packet_bytes) {
            put_be(at + 18, (uint32_t)((minute * made->frames + frame) * made->a_frame + packet), 4);
            if (made->packet_bytes == FULL_BYTES)
                put_be(at + 62, (uint32_t)(now_ms / SECOND_MS), 4);
        }
    }
}

#endif
