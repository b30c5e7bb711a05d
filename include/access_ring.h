/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * access_ring.h - requests on their way from a worker to the access log.
 *
 * Purpose:   a worker fills in a record per logged request; the log's thread writes them to a file.
 *            A full ring costs the record, never the worker's time.
 * Ownership: a record is the worker's until it is committed, then the reader's until it is taken.
 * Threading: one writer, one reader.
 * Units:     bytes; _ms wall; _us durations.
 * Errors:    create returns NULL when memory is short; claim returns NULL when the ring is full.
 * Source:    Lamport's single-producer single-consumer queue.
 */
#ifndef GANNET_ACCESS_RING_H
#define GANNET_ACCESS_RING_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/compiler.h"

#define ACCESS_KEY_BYTES 320u
#define ACCESS_LIMIT_BYTES 32u

enum access_cache { ACCESS_CACHE_NONE = 0, ACCESS_CACHE_HIT, ACCESS_CACHE_MISS };

/* Texts are not terminated; a longer key is cut. */
struct access_record {
    uint64_t wall_ms; /* when it was answered */
    uint64_t bytes;   /* of the answer */
    uint32_t duration_us, head_us, body_us, store_us;
    uint16_t status;
    uint16_t remote_port;
    uint16_t key_bytes; /* "namespace\0key" */
    uint8_t ip_version;
    uint8_t method; /* enum http_method */
    uint8_t route;  /* request_routes.def */
    uint8_t cache;  /* enum access_cache */
    uint8_t request_id_bytes;
    uint8_t client_bytes;
    uint8_t limit_bytes;
    bool is_slow;
    bool is_traced;
    uint8_t trace_flags;
    uint8_t address[16];
    uint8_t request_id[64];
    char client[64];                                /* name of an API key */
    char limit[ACCESS_LIMIT_BYTES];                 /* the rate limit that refused it */
    uint8_t trace_id[16], parent_id[8], span_id[8]; /* of a traced one: W3C Trace Context */
    uint8_t key[ACCESS_KEY_BYTES];
};
static_assert(sizeof(struct access_record) == 576, "as access_log.records says");

struct access_ring {
    /* the worker's */
    alignas(GUARD_BYTES) _Atomic uint64_t head;
    uint64_t tail_seen;
    uint32_t left; /* requests until the next that is written */
    uint64_t mask;
    struct access_record *records;
    /* the reader's */
    alignas(GUARD_BYTES) _Atomic uint64_t tail;
};

/* `records` is rounded up to a power of two. */
struct access_ring *access_ring_create(uint32_t records);
void access_ring_destroy(struct access_ring *ring);

/* The next free record, for the worker to fill in; NULL: the ring is full. */
struct access_record *access_ring_claim(struct access_ring *ring);
void access_ring_commit(struct access_ring *ring);

/* The oldest record, or NULL; it stays until it is taken. */
const struct access_record *access_ring_oldest(const struct access_ring *ring);
void access_ring_take(struct access_ring *ring);

#endif
