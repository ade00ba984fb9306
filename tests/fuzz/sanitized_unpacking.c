/* Unpacks stretches from standard input, one after the other: five u32 (bytes of columns, of what is kept as it is, bytes
 * before the first record, records, bytes of the stretch), the columns, and what is kept. Each lies in memory of its own
 * size, so that a step outside is seen. Writes for each u8, 1 where it could be unpacked, and its bytes then. */
#include <stdio.h>

#include "log.h"
#include "pack.h"

static void *taken(uint32_t size)
{
    void *memory = malloc(size ? size : 1);
    if (memory == NULL || fread(memory, 1, size, stdin) != size)
        exit(2);
    return memory;
}

int main(void)
{
    uint32_t sizes[5];
    while (fread(sizes, sizeof sizes, 1, stdin) == 1) {
        uint8_t *content = taken(sizes[0]), *verbatim = taken(sizes[1]), *out = calloc(sizes[4] ? sizes[4] : 1, 1);
        kite_unpacking work;
        int done;
        if (out == NULL)
            return 2;
        memset(&work, 0, sizeof work);
        work.at = content;
        work.end = content + sizes[0];
        work.verbatim = verbatim;
        work.verbatim_end = verbatim + sizes[1];
        work.lead = sizes[2];
        work.records = sizes[3];
        work.size = sizes[4];
        work.out = out;
        done = kite_unpack_columns(&work);
        putchar(done);
        if (done)
            fwrite(out, 1, sizes[4], stdout);
        free(out);
        free(verbatim);
        free(content);
    }
    return 0;
}
