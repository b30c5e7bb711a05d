/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * compiler.h - the only attribute macros and compile-time constants shared by every file.
 *
 * Purpose:   branch hints, cache-line size, array sizes.
 * Ownership: none.
 * Threading: any.
 * Units:     bytes.
 * Errors:    none.
 * Source:    x86-64 and arm64 server cores have 64-byte lines; the adjacent-line prefetcher makes
 *            GUARD_BYTES (two lines) the distance at which two writers do not disturb each other.
 */
#ifndef GANNET_COMPILER_H
#define GANNET_COMPILER_H

#include <stddef.h>

#define CACHE_LINE_BYTES 64
#define GUARD_BYTES 128

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#define PRINTF_LIKE(format_at, arguments_at)                                                       \
    __attribute__((format(printf, format_at, arguments_at)))
/* A header as it lies in a frame, where only even addresses are promised. */
#define ON_THE_WIRE __attribute__((packed, aligned(2)))
#define NO_INLINE __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define MUST_USE __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))

static inline void prefetch_read(const void *address)
{
    __builtin_prefetch(address, 0, 3);
}

static inline void prefetch_write(const void *address)
{
    __builtin_prefetch(address, 1, 3);
}

#endif
