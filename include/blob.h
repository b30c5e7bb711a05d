/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blob.h - value bytes too large to travel inside a message: chunks from one fixed pool, counted
 *          references.
 *
 * Purpose:   one copy of a large value serves the network (as external mbuf buffers), the cache and
 *            the log.
 * Ownership: a blob starts with one reference, held by its creator. A reference is passed with the
 *            message or taken with blob_hold. The last blob_release gives the chunks back to the
 *            pool.
 * Threading: written by its creator only, until it is passed on; immutable afterwards. hold and
 *            release from any thread (one atomic each, per response of more than BLOB_MIN bytes).
 *            A cache reader takes its reference inside the round in which it found the entry: the
 *            owner drops the cache's own reference only after every worker passed a quiescent
 *            point.
 * Units:     bytes.
 * Errors:    allocation returns false / NULL when the pool is empty; the caller counts and answers.
 * Source:    chunk size: an mbuf's external buffer has a 16-bit length, so chunks are at most 32
 *            KiB;
 *            chunks are 4 KiB-aligned so that they can be written with O_DIRECT.
 */
#ifndef GANNET_BLOB_H
#define GANNET_BLOB_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/compiler.h"

#define BLOB_SMALL_CHUNK_BYTES 4096u
#define BLOB_LARGE_CHUNK_BYTES 32768u
#define BLOB_SMALL_LIMIT_BYTES 16384u /* values up to here use small chunks */
#define BLOB_BYTES_MAX (128u << 20)
#define BLOB_DIRECT_CHUNKS 16u
/* Pointers in one indirect table. */
#define BLOB_TABLE_CHUNKS (BLOB_SMALL_CHUNK_BYTES / sizeof(void *))
#define BLOB_TABLES 8u

struct blob_pool; /* the process's value memory */

/* A thread's own stock of free chunks; every thread that allocates or releases has one. */
struct blob_stock;

struct blob {
    alignas(CACHE_LINE_BYTES) _Atomic uint32_t references;
    uint32_t length_bytes;   /* bytes in use */
    uint32_t capacity_bytes; /* bytes reserved */
    uint32_t chunk_bytes;    /* BLOB_SMALL_CHUNK_BYTES or BLOB_LARGE_CHUNK_BYTES */
    uint8_t *direct[BLOB_DIRECT_CHUNKS];
    uint8_t **table[BLOB_TABLES]; /* each a small chunk full of chunk pointers */
};

/* 0 or a negative errno. Memory comes from DPDK (hugepages when there are any), so devices can read
 * it. */
int blob_pool_create(size_t bytes, uint32_t threads_max, struct blob_pool **pool);
void blob_pool_destroy(struct blob_pool *pool);
size_t blob_pool_free_bytes(const struct blob_pool *pool); /* approximate: stocks are not counted */
size_t blob_pool_total_bytes(const struct blob_pool *pool);

/* One per thread, at start. NULL when threads_max are in use. */
struct blob_stock *blob_stock_create(struct blob_pool *pool);
void blob_stock_destroy(struct blob_stock *stock);

/* An empty blob able to hold `capacity_bytes`, all of it reserved now; NULL when the pool is short.
 */
struct blob *blob_create(struct blob_stock *stock, uint32_t capacity_bytes);

/* Appends to a blob that only the caller holds. Never beyond its capacity. */
void blob_append(struct blob *blob, const void *bytes, uint32_t length);

/*
 * Grows an unpublished blob's capacity to at least `capacity_bytes` (chunk size stays as it is, so
 * that bytes already written stay where they are). False when the pool is short: nothing changed.
 */
bool blob_reserve(struct blob_stock *stock, struct blob *blob, uint32_t capacity_bytes);

void blob_hold(struct blob *blob);
void blob_release(struct blob_stock *stock, struct blob *blob);

/* The contiguous run at `offset` (below capacity): its address, and how many bytes it has. */
uint8_t *blob_run(const struct blob *blob, uint32_t offset, uint32_t *run_bytes);

void blob_copy_out(const struct blob *blob, uint32_t offset, void *out, uint32_t length);

/* Device address of a byte inside a chunk, for mbufs. */
uint64_t blob_device_address(const struct blob_pool *pool, const void *byte);

#endif
