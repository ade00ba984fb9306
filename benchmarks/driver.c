/* The compiled pass called from C, so that what Python's call adds can be seen.
 *
 * Frames come one after another in `bytes`, frame i from starts[i] to starts[i + 1]; each is copied into the receive
 * buffer first, as a socket does, and frames_copy is that copy alone. */
#include "ring_parts.h"

enum { RECEIVE_BYTES = 128 * 1024 };
static uint8_t buffer[RECEIVE_BYTES];

kite_pass *driver_open(const parts *from) { return pass_over(from); }

void driver_close(kite_pass *pass)
{
    free(pass->table);
    free(pass);
}

void frames_copy(const uint8_t *bytes, const int64_t *starts, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        memcpy(buffer, bytes + starts[i], (size_t)(starts[i + 1] - starts[i]));
        __asm__ __volatile__("" ::: "memory"); /* or the compiler sees that nobody reads it */
    }
}

void frames_pass(kite_pass *pass, const uint8_t *bytes, const int64_t *starts, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        size_t size = (size_t)(starts[i + 1] - starts[i]);
        memcpy(buffer, bytes + starts[i], size);
        kite_pass_ingest(pass, buffer, size, i, 0);
    }
}

void frames_decode(kite_pass *pass, const uint8_t *bytes, const int64_t *starts, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        size_t size = (size_t)(starts[i + 1] - starts[i]);
        memcpy(buffer, bytes + starts[i], size);
        frame_decode(pass, buffer, size, i);
    }
}
