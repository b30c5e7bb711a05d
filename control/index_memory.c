/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/index_memory.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "include/assert_policy.h"

#define CHUNK_BYTES_MIN (UINT64_C(64) << 10)
#define CHUNK_BYTES_MAX (UINT64_C(2) << 20) /* a huge page */

struct index_free_page {
    struct index_free_page *next;
};

struct index_chunk {
    struct index_chunk *next;
    uint64_t bytes;
};

static_assert(sizeof(struct index_chunk) <= CACHE_LINE_BYTES, "pages begin one line later");

void index_memory_destroy(struct index_memory *memory)
{
    while (memory->chunks != NULL) {
        struct index_chunk *next = memory->chunks->next;
        free(memory->chunks);
        memory->chunks = next;
    }
    memory->free_pages = NULL;
    memory->fresh = memory->fresh_end = NULL;
    atomic_store(&memory->used_bytes, 0);
}

bool index_memory_has_room(const struct index_memory *memory, uint32_t page_count)
{
    return memory->limit_bytes == 0 ||
           atomic_load_explicit(&memory->used_bytes, memory_order_relaxed) +
                   (uint64_t)page_count * INDEX_PAGE_STRIDE_BYTES <=
               memory->limit_bytes;
}

/* Each twice as large as the one before: a small store does not take a huge page. */
static bool add_chunk(struct index_memory *memory)
{
    uint64_t bytes = memory->chunks == NULL ? CHUNK_BYTES_MIN : memory->chunks->bytes * 2;
    if (bytes > CHUNK_BYTES_MAX)
        bytes = CHUNK_BYTES_MAX;
    struct index_chunk *chunk = aligned_alloc(bytes, bytes);
    if (chunk == NULL)
        return false;
    if (bytes == CHUNK_BYTES_MAX)
        madvise(chunk, bytes, MADV_HUGEPAGE); /* without huge pages it is only slower */
    *chunk = (struct index_chunk){.next = memory->chunks, .bytes = bytes};
    memory->chunks = chunk;
    memory->fresh = (uint8_t *)chunk + CACHE_LINE_BYTES;
    memory->fresh_end = (uint8_t *)chunk + bytes;
    return true;
}

static void *take_page(struct index_memory *memory)
{
    struct index_free_page *page = memory->free_pages;
    if (page != NULL) {
        memory->free_pages = page->next;
        return page;
    }
    if (memory->fresh_end - memory->fresh < (ptrdiff_t)INDEX_PAGE_STRIDE_BYTES &&
        !add_chunk(memory))
        return NULL;
    void *fresh = memory->fresh;
    memory->fresh += INDEX_PAGE_STRIDE_BYTES;
    return fresh;
}

void *index_memory_take(struct index_memory *memory)
{
    pthread_mutex_lock(&memory->mutex);
    void *page = take_page(memory);
    pthread_mutex_unlock(&memory->mutex);
    if (page != NULL)
        atomic_fetch_add_explicit(&memory->used_bytes, INDEX_PAGE_STRIDE_BYTES,
                                  memory_order_relaxed);
    return page;
}

void index_memory_give(struct index_memory *memory, void *page)
{
    struct index_free_page *free_page = page;
    pthread_mutex_lock(&memory->mutex);
    free_page->next = memory->free_pages;
    memory->free_pages = free_page;
    pthread_mutex_unlock(&memory->mutex);
    uint64_t before = atomic_fetch_sub_explicit(&memory->used_bytes, INDEX_PAGE_STRIDE_BYTES,
                                                memory_order_relaxed);
    ASSERT(before >= INDEX_PAGE_STRIDE_BYTES);
}
