/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guarded_bytes.h - input placed right against pages that cannot be read.
 *
 * Purpose:   a parser that reads one byte too far, or one before the start, dies at once.
 * Ownership: the pages are mapped once per program and stay; every call uses them anew.
 * Threading: one thread.
 * Units:     bytes.
 * Errors:    abort when the pages cannot be mapped.
 * Source:    the idea is picohttpparser's test.c.
 */
#ifndef GANNET_GUARDED_BYTES_H
#define GANNET_GUARDED_BYTES_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "include/assert_policy.h"

#define GUARDED_PAGE_BYTES 4096u
#define GUARDED_BYTES_MAX (32u * GUARDED_PAGE_BYTES)

static inline uint8_t *guarded_room(void)
{
    static uint8_t *room;
    if (room == NULL) {
        uint8_t *pages = mmap(NULL, GUARDED_BYTES_MAX + 2 * GUARDED_PAGE_BYTES, PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT(pages != MAP_FAILED);
        room = pages + GUARDED_PAGE_BYTES;
        ASSERT(mprotect(room, GUARDED_BYTES_MAX, PROT_READ | PROT_WRITE) == 0);
    }
    return room;
}

/* A copy whose end touches the page behind. */
static inline uint8_t *guarded_at_end(const void *data, size_t bytes)
{
    ASSERT(bytes <= GUARDED_BYTES_MAX);
    uint8_t *at = guarded_room() + GUARDED_BYTES_MAX - bytes;
    if (bytes != 0)
        memcpy(at, data, bytes);
    return at;
}

/* A copy whose start touches the page before. */
static inline uint8_t *guarded_at_start(const void *data, size_t bytes)
{
    ASSERT(bytes <= GUARDED_BYTES_MAX);
    if (bytes != 0)
        memcpy(guarded_room(), data, bytes);
    return guarded_room();
}

#endif
