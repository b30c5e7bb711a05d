/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * api_handler.h - requests to answers: cache, store, or a problem document.
 *
 * Purpose:   everything between TCP's bytes and the two places a value can come from.
 * Ownership: the handler owns the state of requests under way; TCP owns the connections.
 * Threading: one handler per worker.
 * Units:     _ns monotone; bytes.
 * Errors:    every refusal is an answer (4xx, 5xx) and a counter.
 * Source:    RFC 9110, RFC 9112; README.md, the API.
 */
#ifndef GANNET_API_HANDLER_H
#define GANNET_API_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

#include "include/clock.h"
#include "include/key_hash.h"

struct access_ring;
struct api_handler;
struct api_task;
struct blob_stock;
struct counters;
struct limit_table;
struct limited_clients;
struct live_settings;
struct response_cache;
struct server_config;
struct shard_client;
struct shard_operation;
struct space_counts;
struct task_client;
struct tcp_stack;

struct api_config {
    const struct server_config *server; /* of the snapshot: see api_use_settings */
    struct tcp_stack *tcp;
    struct response_cache *cache;
    struct shard_client *shards;
    struct task_client *tasks;
    struct blob_stock *stock;
    struct counters *counters;
    uint64_t cache_hash_seed;
    uint32_t worker;
    uint32_t worker_count;
    uint64_t random_seed;
    struct access_ring *access_ring; /* NULL: no access log */
    struct limit_table *limit_table;
    const struct space_counts *space_counts; /* NULL: nobody counts */
    struct limited_clients *limited_clients; /* NULL: nobody asks whom we refuse */
    struct siphash_key siphash_key;
};

/* config->server is that of `settings`. */
int api_create(const struct api_config *config, const struct live_settings *settings,
               struct api_handler **handler);
void api_destroy(struct api_handler *handler);

/* At the beginning of a round only: what was taken before may be gone from then on. */
void api_use_settings(struct api_handler *handler, const struct live_settings *settings);

void api_begin_round(struct api_handler *handler, const struct round_time *time);

/*
 * An operation that came home: answers the client if it is still there, and gives the credit back.
 */
void api_take_answer(struct api_handler *handler, struct shard_operation *operation);

/* A task that came back: the same. */
void api_take_task(struct api_handler *handler, struct api_task *task);

/* All connections with events: parses, answers hits, starts store operations. Returns how many. */
uint32_t api_handle_ready(struct api_handler *handler);

/* From now on every answer closes its connection, and idle connections are closed. */
void api_drain(struct api_handler *handler);

#endif
