/* What compilers spell differently: byte swaps, unaligned loads and the few memory orders the ring needs. */
#ifndef KITE_PORTABLE_H
#define KITE_PORTABLE_H

#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#include <intrin.h>
#include <stdlib.h>
#define KITE_INLINE static __forceinline
#define KITE_RESTRICT __restrict
#define KITE_NOINLINE __declspec(noinline)
#define KITE_UNROLL(times)
#define KITE_UNLIKELY(x) (x)
#define kite_bswap32(x) _byteswap_ulong(x)
#define kite_bswap16(x) _byteswap_ushort(x)
/* volatile loads and stores have acquire and release order with /volatile:ms, MSVC's default on x86 and x64. */
KITE_INLINE int64_t kite_load_acquire(const int64_t *at) { return *(const volatile int64_t *)at; }
KITE_INLINE void kite_store_release(int64_t *at, int64_t value) { *(volatile int64_t *)at = value; }
KITE_INLINE uint32_t kite_load_acquire32(const uint32_t *at) { return *(const volatile uint32_t *)at; }
KITE_INLINE void kite_store_release32(uint32_t *at, uint32_t value) { *(volatile uint32_t *)at = value; }
#define kite_fence_acquire() _ReadWriteBarrier()
#define kite_fence_release() _ReadWriteBarrier()
#define kite_fence_full() MemoryBarrier()
#define kite_pause() _mm_pause()
#define kite_prefetch_write(at) _mm_prefetch((const char *)(at), _MM_HINT_T0)
#else
#define KITE_INLINE static inline __attribute__((always_inline))
#define KITE_RESTRICT __restrict__
#define KITE_NOINLINE __attribute__((noinline))
#define KITE_PRAGMA(text) _Pragma(#text)
#define KITE_UNROLL(times) KITE_PRAGMA(GCC unroll times)
#define KITE_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define kite_bswap32(x) __builtin_bswap32(x)
#define kite_bswap16(x) __builtin_bswap16(x)
KITE_INLINE int64_t kite_load_acquire(const int64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
KITE_INLINE void kite_store_release(int64_t *at, int64_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
KITE_INLINE uint32_t kite_load_acquire32(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
KITE_INLINE void kite_store_release32(uint32_t *at, uint32_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
#define kite_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define kite_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
#define kite_fence_full() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#if defined(__x86_64__) || defined(__i386__)
#define kite_pause() __builtin_ia32_pause()
#else
#define kite_pause() __asm__ __volatile__("" ::: "memory")
#endif
#define kite_prefetch_write(at) __builtin_prefetch((at), 1, 3)
#endif

/* A full pipe or a reader that is gone needs nothing: the first is awake already, the second is found by its pipe. */
#if defined(_WIN32)
KITE_INLINE void kite_wake_descriptor(int descriptor) { (void)descriptor; }
#else
#include <unistd.h>
KITE_INLINE void kite_wake_descriptor(int descriptor)
{
    ssize_t written = write(descriptor, "w", 1);
    (void)written;
}
#endif

KITE_INLINE uint32_t kite_be32(const uint8_t *at)
{
    uint32_t raw;
    memcpy(&raw, at, 4);
    return kite_bswap32(raw);
}

/* Four of them at once, into two places: the pass stores so much that fewer, wider stores count. SSE2 is what every x86-64
 * has; it swaps a word's bytes in its halves, and then the halves. */
#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
KITE_INLINE void kite_put_be32x4(uint32_t *a, uint32_t *b, const uint8_t *from)
{
    __m128i raw = _mm_loadu_si128((const __m128i *)from);
    __m128i halves = _mm_or_si128(_mm_slli_epi16(raw, 8), _mm_srli_epi16(raw, 8));
    __m128i words = _mm_shufflehi_epi16(_mm_shufflelo_epi16(halves, 0xB1), 0xB1);
    _mm_storeu_si128((__m128i *)a, words);
    _mm_storeu_si128((__m128i *)b, words);
}
#else
KITE_INLINE void kite_put_be32x4(uint32_t *a, uint32_t *b, const uint8_t *from)
{
    int i;
    for (i = 0; i < 4; i++)
        a[i] = b[i] = kite_be32(from + 4 * i);
}
#endif

KITE_INLINE uint32_t kite_be16(const uint8_t *at)
{
    uint16_t raw;
    memcpy(&raw, at, 2);
    return kite_bswap16(raw);
}

#endif
