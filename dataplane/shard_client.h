/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_client.h - a worker's side of the way to the store and back.
 *
 * Purpose:   take an operation (a credit), send it to the control thread of its key, apply results
 *            to the cache part this worker owns, pass answers home.
 * Ownership: an operation taken belongs to the caller until it is sent or released; one that
 *            shard_client_poll returned belongs to the caller again.
 * Threading: one client per worker, used by that worker only.
 * Units:     operations; _ns monotone.
 * Errors:    shard_client_take returns NULL when all credits are in use; the caller answers 503.
 * Source:    ARCHITECTURE.md, "What makes reads linearizable".
 */
#ifndef GANNET_SHARD_CLIENT_H
#define GANNET_SHARD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "include/clock.h"

struct blob_stock;
struct counters;
struct response_cache;
struct shard_client;
struct shard_fabric;
struct shard_operation;

struct shard_client_config {
    struct shard_fabric *fabric;
    struct response_cache *cache;
    struct blob_stock *stock;
    struct counters *counters;
    uint32_t worker;
    uint64_t cache_hash_seed;
    uint64_t absent_ttl_ms; /* how long a cache remembers that a key has no value; 0: not at all */
};

int shard_client_create(const struct shard_client_config *config, struct shard_client **client);
void shard_client_destroy(struct shard_client *client);

/* Zeroed routing and record lines; NULL when no credit is left. */
struct shard_operation *shard_client_take(struct shard_client *client);

/* Gives it back, with the value it may still hold. */
void shard_client_release(struct shard_client *client, struct shard_operation *operation);

/* The operation's key, verb and value are set: fills in hashes and routing, and sends it. */
void shard_client_send(struct shard_client *client, struct shard_operation *operation,
                       const struct round_time *time);

/*
 * What came back this round: results for keys this worker owns are applied to the cache, then
 * passed to the worker that waits; those that are at home are written to `home` (at most `limit`).
 */
uint32_t shard_client_poll(struct shard_client *client, const struct round_time *time,
                           struct shard_operation **home, uint32_t limit);

/* End of round: one wake-up per consumer that got something. */
void shard_client_flush(struct shard_client *client);

/* Anything to poll? Asked again between announcing sleep and sleeping. */
bool shard_client_has_input(const struct shard_client *client);

uint32_t shard_client_in_flight(const struct shard_client *client);

#endif
