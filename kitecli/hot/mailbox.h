/* Byte messages from one process to another: one pushes, one pops. kitecli/ring/mailbox.py draws the memory and is the
 * specification; memory must come out the same, byte for byte. */
#ifndef KITE_MAILBOX_H
#define KITE_MAILBOX_H

#include "portable.h"

enum { MAIL_HEAD_BYTES = 8, MAIL_NOTHING = -1, MAIL_DAMAGED = -2, MAIL_SEAL = 0x4D41494C };

typedef struct {
    uint8_t *data;
    int64_t *pushed, *popped; /* bytes ever; each has one writer */
    uint32_t *waiting;
    uint64_t capacity; /* a power of two */
} kite_mailbox;

KITE_INLINE int64_t kite_mail_room(uint32_t size)
{
    return MAIL_HEAD_BYTES + (((int64_t)size + 7) & ~(int64_t)7);
}

KITE_INLINE uint32_t kite_mail_seal(uint32_t size, int64_t at)
{
    return size ^ (uint32_t)MAIL_SEAL ^ (uint32_t)at;
}

/* Places are multiples of eight, so a head is never cut in two by the end of the memory; its message may be. */
KITE_INLINE uint64_t kite_mail_first(const kite_mailbox *box, int64_t at, uint64_t size)
{
    uint64_t room = box->capacity - ((uint64_t)at & (box->capacity - 1));
    return size < room ? size : room;
}

/* 1: pushed, 0: no room, MAIL_DAMAGED: the other side's count can't be. */
static int kite_mailbox_push(kite_mailbox *box, const uint8_t *message, uint32_t size)
{
    int64_t at = *box->pushed, room = kite_mail_room(size);
    uint64_t used = (uint64_t)(at - kite_load_acquire(box->popped));
    uint64_t first = kite_mail_first(box, at + MAIL_HEAD_BYTES, size);
    uint32_t head[2];
    if (used > box->capacity || (used | (uint64_t)at) & 7)
        return MAIL_DAMAGED;
    if (used + (uint64_t)room > box->capacity)
        return 0;
    head[0] = size;
    head[1] = kite_mail_seal(size, at);
    memcpy(box->data + ((uint64_t)at & (box->capacity - 1)), head, sizeof head);
    memcpy(box->data + ((uint64_t)(at + MAIL_HEAD_BYTES) & (box->capacity - 1)), message, first);
    memcpy(box->data, message + first, size - first);
    kite_store_release(box->pushed, at + room);
    return 1;
}

/* The next message's length, MAIL_NOTHING, or MAIL_DAMAGED where what stands there was never pushed. */
static int64_t kite_mailbox_next(const kite_mailbox *box)
{
    int64_t at = *box->popped;
    uint64_t ready = (uint64_t)(kite_load_acquire(box->pushed) - at);
    uint32_t head[2];
    if (ready > box->capacity || (ready | (uint64_t)at) & 7)
        return MAIL_DAMAGED;
    if (ready == 0)
        return MAIL_NOTHING;
    memcpy(head, box->data + ((uint64_t)at & (box->capacity - 1)), sizeof head);
    if (head[1] != kite_mail_seal(head[0], at) || (uint64_t)kite_mail_room(head[0]) > ready)
        return MAIL_DAMAGED;
    return head[0];
}

/* Copy the message that kite_mailbox_next found, and give its room back. */
static void kite_mailbox_take(kite_mailbox *box, uint8_t *to, uint32_t size)
{
    int64_t at = *box->popped + MAIL_HEAD_BYTES;
    uint64_t first = kite_mail_first(box, at, size);
    memcpy(to, box->data + ((uint64_t)at & (box->capacity - 1)), first);
    memcpy(to + first, box->data, size - first);
    kite_store_release(box->popped, *box->popped + kite_mail_room(size));
}

/* As readers of the ring do: flag, fence, look once more; the pusher publishes, fences, looks at the flag. */
static int kite_mailbox_announce_sleep(kite_mailbox *box)
{
    kite_store_release32(box->waiting, 1);
    kite_fence_full();
    return kite_load_acquire(box->pushed) == *box->popped;
}

static int kite_mailbox_take_waiting(kite_mailbox *box)
{
    kite_fence_full();
    if (!kite_load_acquire32(box->waiting))
        return 0;
    kite_store_release32(box->waiting, 0);
    return 1;
}

#endif
