/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory_region.h - one large block of memory at start: hugepages when there are any, or ordinary
 * pages.
 *
 * Purpose:   the value pool and the cache parts get their fixed budgets here.
 * Ownership: the caller, until memory_region_destroy.
 * Threading: start and stop only.
 * Units:     bytes.
 * Errors:    0 or -ENOMEM.
 * Source:    DPDK 22.11 rte_malloc; madvise(2) MADV_HUGEPAGE for what no device reads.
 */
#ifndef GANNET_MEMORY_REGION_H
#define GANNET_MEMORY_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_region {
    uint8_t *base;
    size_t bytes;
    bool is_from_dpdk; /* otherwise mapped by ourselves */
};

enum memory_readers {
    MEMORY_FOR_DEVICES, /* DPDK's memory, unless its environment was never started (unit tests) */
    MEMORY_FOR_THREADS, /* DPDK's hugepages while they last, then ordinary pages near the first user
                         */
};

#define MEMORY_SOCKET_ANY (-1)

/* `alignment` is a power of two, at least a page. Contents are undefined. */
int memory_region_create(struct memory_region *region, const char *name, size_t bytes,
                         size_t alignment, int socket, enum memory_readers readers);
void memory_region_destroy(struct memory_region *region);

/*
 * Zeroed, aligned to lines and their neighbours, in transparent hugepages when it is large and the
 * kernel agrees; given back with free(). NULL when memory is short.
 */
void *memory_lines_create(size_t bytes);

/* What a device has to be told to reach `byte`. */
uint64_t memory_region_device_address(const struct memory_region *region, const void *byte);

#endif
