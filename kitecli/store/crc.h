/* zlib's CRC-32: sixteen bytes a step by tables, 1.5 GB/s or so, where a table of bytes reaches 0.4; and by multiplying
 * without carries where the processor can, some 10 GB/s. Little-endian machines. */
#ifndef KITE_CRC_H
#define KITE_CRC_H

#include "portable.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define KITE_CRC_FOLDS 1
#define KITE_CRC_TARGET __attribute__((target("pclmul,sse2")))
#endif

enum { CRC_FOLD_BYTES = 64 };

static uint32_t kite_crc_table[16][256];
static int kite_crc_folds;

static void kite_crc_init(void)
{
    uint32_t byte, bit, step, crc;
    for (byte = 0; byte < 256; byte++) {
        for (crc = byte, bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        kite_crc_table[0][byte] = crc;
    }
    for (byte = 0; byte < 256; byte++)
        for (step = 1; step < 16; step++)
            kite_crc_table[step][byte] =
                kite_crc_table[step - 1][byte] >> 8 ^ kite_crc_table[0][kite_crc_table[step - 1][byte] & 0xFF];
#ifdef KITE_CRC_FOLDS
    kite_crc_folds = __builtin_cpu_supports("pclmul") != 0;
#endif
}

KITE_INLINE uint32_t kite_crc_four(uint32_t word, int step)
{
    return kite_crc_table[step + 3][word & 0xFF] ^ kite_crc_table[step + 2][word >> 8 & 0xFF] ^
           kite_crc_table[step + 1][word >> 16 & 0xFF] ^ kite_crc_table[step][word >> 24];
}

/* ``crc`` is turned over here and below, as it is between a CRC's beginning and its end. */
static uint32_t kite_crc_by_tables(uint32_t crc, const uint8_t *at, uint64_t size)
{
    uint32_t words[4];
    for (; size >= 16; size -= 16, at += 16) {
        memcpy(words, at, 16);
        crc = kite_crc_four(words[0] ^ crc, 12) ^ kite_crc_four(words[1], 8) ^ kite_crc_four(words[2], 4) ^
              kite_crc_four(words[3], 0);
    }
    for (; size; size--, at++)
        crc = crc >> 8 ^ kite_crc_table[0][(crc ^ *at) & 0xFF];
    return crc;
}

#ifdef KITE_CRC_FOLDS
/* What stands in ``sum`` moved ahead, modulo the polynomial, and put upon the bytes that stand there. ``ahead`` has two
 * powers of x in the CRC's turned-round order: for 64 bytes x^(512+32), x^(512-32); for 16 bytes x^(128+32), x^(128-32). */
KITE_CRC_TARGET KITE_INLINE __m128i kite_crc_fold(__m128i sum, __m128i ahead, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(sum, ahead, 0x00), high = _mm_clmulepi64_si128(sum, ahead, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* 64 bytes or more: four sums side by side, folded into one; its 16 bytes have the CRC of all that went into it. */
KITE_CRC_TARGET static uint32_t kite_crc_by_folding(uint32_t crc, const uint8_t *at, uint64_t size)
{
    const __m128i by_64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4), by_16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i *from = (const __m128i *)at;
    __m128i sums[4];
    uint8_t rest[16];
    int each;
    for (each = 0; each < 4; each++)
        sums[each] = _mm_loadu_si128(from + each);
    sums[0] = _mm_xor_si128(sums[0], _mm_cvtsi32_si128((int)crc));
    for (from += 4, size -= 64; size >= 64; from += 4, size -= 64)
        for (each = 0; each < 4; each++)
            sums[each] = kite_crc_fold(sums[each], by_64, _mm_loadu_si128(from + each));
    for (each = 1; each < 4; each++)
        sums[each] = kite_crc_fold(sums[each - 1], by_16, sums[each]);
    for (; size >= 16; from++, size -= 16)
        sums[3] = kite_crc_fold(sums[3], by_16, _mm_loadu_si128(from));
    _mm_storeu_si128((__m128i *)rest, sums[3]);
    return kite_crc_by_tables(kite_crc_by_tables(0, rest, 16), (const uint8_t *)from, size);
}
#endif

static uint32_t kite_crc(uint32_t crc, const uint8_t *at, uint64_t size)
{
#ifdef KITE_CRC_FOLDS
    if (kite_crc_folds && size >= CRC_FOLD_BYTES)
        return ~kite_crc_by_folding(~crc, at, size);
#endif
    return ~kite_crc_by_tables(~crc, at, size);
}

#endif
