/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/memory_region.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "include/assert_policy.h"
#include "include/compiler.h"

#define HUGEPAGE_BYTES (2u << 20)

static uint8_t *map_aligned(size_t bytes, size_t alignment)
{
    uint8_t *raw =
        mmap(NULL, bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    size_t skip = (alignment - ((uintptr_t)raw & (alignment - 1))) & (alignment - 1);
    if (skip > 0)
        munmap(raw, skip);
    if (skip < alignment)
        munmap(raw + skip + bytes, alignment - skip);
    return raw + skip;
}

static bool dpdk_has_it(enum memory_readers readers)
{
    bool is_started = rte_socket_count() > 0;
    return is_started && (readers == MEMORY_FOR_DEVICES || rte_eal_has_hugepages());
}

int memory_region_create(struct memory_region *region, const char *name, size_t bytes,
                         size_t alignment, int socket, enum memory_readers readers)
{
    const size_t page_bytes = 4096;
    ASSERT(alignment >= page_bytes && (alignment & (alignment - 1)) == 0);
    region->bytes = (bytes + page_bytes - 1) / page_bytes * page_bytes;
    region->is_from_dpdk = false;
    region->base = NULL;
    if (dpdk_has_it(readers)) {
        region->base = rte_malloc_socket(name, region->bytes, (unsigned int)alignment, socket);
        region->is_from_dpdk = region->base != NULL;
        if (!region->base && readers == MEMORY_FOR_DEVICES)
            return -ENOMEM;
    }
    if (!region->base) {
        if (region->bytes >= HUGEPAGE_BYTES && alignment < HUGEPAGE_BYTES)
            alignment = HUGEPAGE_BYTES;
        region->base = map_aligned(region->bytes, alignment);
        if (region->base && region->bytes >= HUGEPAGE_BYTES) /* a wish: refusal costs only speed */
            (void)madvise(region->base, region->bytes, MADV_HUGEPAGE);
    }
    return region->base ? 0 : -ENOMEM;
}

void *memory_lines_create(size_t bytes)
{
    size_t alignment = bytes >= HUGEPAGE_BYTES ? HUGEPAGE_BYTES : GUARD_BYTES;
    bytes = (bytes + alignment - 1) / alignment * alignment;
    void *memory = aligned_alloc(alignment, bytes);
    if (!memory)
        return NULL;
    if (alignment == HUGEPAGE_BYTES) /* a wish: refusal costs only speed */
        (void)madvise(memory, bytes, MADV_HUGEPAGE);
    memset(memory, 0, bytes);
    return memory;
}

void memory_region_destroy(struct memory_region *region)
{
    if (region->base && region->is_from_dpdk)
        rte_free(region->base);
    else if (region->base)
        munmap(region->base, region->bytes);
    region->base = NULL;
}

uint64_t memory_region_device_address(const struct memory_region *region, const void *byte)
{
    return region->is_from_dpdk ? rte_mem_virt2iova(byte) : (uint64_t)(uintptr_t)byte;
}
