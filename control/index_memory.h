/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index_memory.h - where the pages of all indexes of a store come from, and how many there may be.
 *
 * Purpose:   pages lie together in huge pages: a lookup in a large index otherwise spends more
 *            time on address translation than on comparing keys.
 * Ownership: the account owns all memory; an index owns the pages it took until it gives them back.
 *            Pages given back are used again, not returned to the system.
 * Threading: any thread.
 * Units:     bytes.
 * Errors:    NULL when the limit is reached or memory is short; nothing changed then.
 * Source:    DECISIONS.md, "Memory of the index".
 */
#ifndef GANNET_INDEX_MEMORY_H
#define GANNET_INDEX_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/compiler.h"

#define INDEX_PAGE_BYTES 4096u
/* One line further each: else the first lines of all pages would compete for one cache set. */
#define INDEX_PAGE_STRIDE_BYTES (INDEX_PAGE_BYTES + CACHE_LINE_BYTES)

struct index_free_page;
struct index_chunk;

/* Zeroed, it is an empty account without a limit. */
struct index_memory {
    _Atomic uint64_t used_bytes;
    uint64_t limit_bytes; /* 0: no limit (recovery) */
    pthread_mutex_t mutex;
    struct index_free_page *free_pages;
    struct index_chunk *chunks;
    uint8_t *fresh; /* never used yet, in the newest chunk */
    uint8_t *fresh_end;
};

/* All pages are gone with it. */
void index_memory_destroy(struct index_memory *memory);

bool index_memory_has_room(const struct index_memory *memory, uint32_t page_count);

/* A page, not cleared, that begins on a cache line. */
void *index_memory_take(struct index_memory *memory);
void index_memory_give(struct index_memory *memory, void *page);

#endif
