/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model_engine.h - what the model asks of a store: control/store.h, and a machine that can crash.
 *
 * Purpose:   the same scheduler, workers and judge run over the abstract store and the real one.
 * Ownership: as store.h: submit takes an operation, reap gives it back.
 * Threading: one thread; `control` says which control thread is meant to run.
 * Units:     _ms wall.
 * Errors:    create returns NULL; start returns false when the engine refuses what is on disk.
 * Source:    control/store.h.
 */
#ifndef GANNET_TESTS_MODEL_ENGINE_H
#define GANNET_TESTS_MODEL_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "include/random.h"

struct blob_stock;
struct shard_operation;

struct model_engine_config {
    uint64_t seed;
    uint32_t keys;
    uint32_t controls;
    bool syncs_at_intervals; /* acknowledges before the sync; a crash may take a little along */
    bool may_fail_syncs;
};

struct model_engine {
    const char *name;
    void *(*create)(const struct model_engine_config *config);
    void (*destroy)(void *engine);
    /* After create and after each crash. `stocks`: one for each control thread. */
    bool (*start)(void *engine, struct blob_stock **stocks);
    void (*crash)(void *engine);
    void (*submit)(void *engine, uint32_t control, struct shard_operation *operation);
    void (*step)(void *engine, uint32_t control, uint64_t wall_ms);
    /* The engine's own wall clock, which only grows; the world's follows it. */
    uint64_t (*wall_ms)(void *engine);
    uint32_t (*reap)(void *engine, uint32_t control, struct shard_operation **out, uint32_t limit);
};

extern const struct model_engine abstract_engine;
extern const struct model_engine log_engine;

#endif
