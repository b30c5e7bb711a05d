/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store as the protocol sees it, small enough to be believed: a durable map, group commit whose
 * sync takes a while, reads that take a while, single-flight joins, conditions on pending versions,
 * versions under a durable ceiling, expiry, failed syncs, crashes that lose what was not synced.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/model_bug.h"
#include "tests/model/model_engine.h"
#include "tests/model/model_value.h"

#define QUEUE_MAX 512u
#define READS_MAX 64u
#define VERSION_BLOCK 64u
#define STEPS_PER_IO_MAX 12u
#define SYNC_FAILS_PERMILLE 4u

struct record {
    uint64_t version;
    uint64_t value; /* 0: deleted, or never there */
    uint64_t expires_at_ms, modified_at_ms;
};

/* Operations in order; a ring would only hide that. */
struct queue {
    struct shard_operation *items[QUEUE_MAX];
    uint32_t count;
};

struct flight {
    struct queue readers;
    struct record seen; /* what the disk read found when it began */
    uint32_t key;
    uint32_t steps_left;
    bool is_used;
};

struct abstract_store {
    struct record *visible; /* committed */
    struct record
        *synced; /* survives a crash; differs from `visible` only by planted bugs and intervals */
    uint64_t sequence;
    uint64_t ceiling; /* durable: no version above it was ever issued */
    uint64_t wall_ms;
    struct queue pending; /* not yet in a commit */
    struct queue syncing; /* written, sync under way */
    uint32_t sync_steps_left;
    uint32_t commits;
    bool is_read_only;
    struct flight flights[READS_MAX];
    struct queue waiting_reads; /* no flight free */
    struct queue ready;
    struct blob_stock *stock;
};

struct abstract {
    struct model_engine_config config;
    struct random random;
    struct abstract_store *stores;
};

/* What an operation will write, kept where the store may keep things: owner_private and numbers. */
static uint64_t operation_value_number(const struct shard_operation *operation)
{
    return (uint64_t)(uintptr_t)operation->owner_private[0];
}

/* Planted: a read that joined too late and is answered with what the flight saw all the same. */
static bool operation_is_unchecked(const struct shard_operation *operation)
{
    return operation->verb == SHARD_GET && operation->owner_numbers[1] != 0;
}

static bool operation_is_write(const struct shard_operation *operation)
{
    return operation->owner_numbers[0] != 0;
}

static void queue_push(struct queue *queue, struct shard_operation *operation)
{
    ASSERT(queue->count < QUEUE_MAX);
    queue->items[queue->count++] = operation;
}

static void queue_append(struct queue *to, struct queue *from)
{
    for (uint32_t i = 0; i < from->count; i++)
        queue_push(to, from->items[i]);
    from->count = 0;
}

static void queue_drop_first(struct queue *queue, uint32_t count)
{
    memmove(queue->items, queue->items + count, (queue->count - count) * sizeof(queue->items[0]));
    queue->count -= count;
}

static void answer(struct shard_operation *operation, enum shard_status status, uint64_t version,
                   enum shard_cache_action action)
{
    operation->status = (uint8_t)status;
    operation->version = version;
    operation->cache_action = (uint8_t)action;
}

static bool record_is_there(const struct record *record, uint64_t wall_ms)
{
    return record->value != 0 && (record->expires_at_ms == 0 || record->expires_at_ms > wall_ms);
}

static struct record record_of_write(const struct shard_operation *operation)
{
    return (struct record){
        .version = operation->version,
        .value = operation->verb == SHARD_PUT ? operation_value_number(operation) : 0,
        .expires_at_ms = operation->verb == SHARD_PUT ? operation->expires_at_ms : 0,
        .modified_at_ms = operation->modified_at_ms,
    };
}

/* --- writes ---------------------------------------------------------------------------------- */

/* The newest version of a key, whether its commit is through or not. */
static struct record newest(const struct abstract_store *store, uint32_t key)
{
    const struct queue *const queues[] = {&store->pending, &store->syncing};
    for (uint32_t q = 0; q < 2 && !MODEL_BUG(CONDITION_ON_DURABLE); q++)
        for (uint32_t i = queues[q]->count; i-- > 0;)
            if (operation_is_write(queues[q]->items[i]) && model_key_of(queues[q]->items[i]) == key)
                return record_of_write(queues[q]->items[i]);
    return store->visible[key];
}

static uint64_t version_issue(struct abstract_store *store)
{
    if (++store->sequence > store->ceiling)
        store->ceiling =
            store->sequence + VERSION_BLOCK - 1; /* made durable before the version is used */
    return store->sequence;
}

static bool condition_holds(const struct shard_operation *operation, bool is_there,
                            uint64_t version)
{
    if (operation->condition == SHARD_IF_ABSENT)
        return !is_there;
    if (operation->condition == SHARD_IF_VERSION_IN)
        return is_there && operation->versions[0] == version;
    return true;
}

static void decide_write(struct abstract_store *store, struct shard_operation *operation)
{
    struct record current = newest(store, model_key_of(operation));
    bool is_there = record_is_there(&current, store->wall_ms);
    operation->owner_numbers[0] = 0;
    if (!condition_holds(operation, is_there, current.version)) {
        answer(operation, SHARD_CONDITION_FAILED, is_there ? current.version : 0,
               SHARD_CACHE_NOTHING);
    } else if (operation->verb == SHARD_DELETE && !is_there) {
        answer(operation, SHARD_NOT_FOUND, 0, SHARD_CACHE_INVALIDATE);
    } else {
        bool is_put = operation->verb == SHARD_PUT;
        operation->owner_numbers[0] = 1;
        operation->owner_private[0] = (void *)(uintptr_t)model_value_number(
            operation->value, operation_inline_value(operation), operation->value_bytes);
        operation->modified_at_ms = store->wall_ms;
        answer(operation, is_there || !is_put ? SHARD_OK : SHARD_CREATED, version_issue(store),
               is_put ? SHARD_CACHE_FILL : SHARD_CACHE_INVALIDATE);
    }
}

static void commit_apply(struct abstract *engine, struct abstract_store *store)
{
    bool loses_the_sync = MODEL_BUG(MISSING_SYNC) || engine->config.syncs_at_intervals;
    store->commits++;
    for (uint32_t i = 0; i < store->syncing.count; i++) {
        const struct shard_operation *operation = store->syncing.items[i];
        if (operation_is_write(operation))
            store->visible[model_key_of(operation)] = record_of_write(operation);
    }
    if (!loses_the_sync || store->commits % 8 == 0)
        memcpy(store->synced, store->visible, engine->config.keys * sizeof(store->synced[0]));
    queue_append(&store->ready, &store->syncing);
}

/* What was being written may or may not be on disk: nobody is told either, and no write follows. */
static void commit_fail(struct abstract *engine, struct abstract_store *store)
{
    store->is_read_only = true;
    uint32_t survives = random_below(&engine->random, store->syncing.count + 1);
    for (uint32_t i = 0; i < store->syncing.count; i++) {
        struct shard_operation *operation = store->syncing.items[i];
        if (!operation_is_write(operation)) {
            answer(operation, SHARD_READ_ONLY, 0, SHARD_CACHE_NOTHING);
            continue;
        }
        if (i < survives)
            store->synced[model_key_of(operation)] = record_of_write(operation);
        answer(operation, SHARD_OUTCOME_UNKNOWN, 0, SHARD_CACHE_INVALIDATE);
    }
    for (uint32_t i = 0; i < store->pending.count; i++)
        answer(store->pending.items[i], SHARD_READ_ONLY, 0, SHARD_CACHE_NOTHING);
    queue_append(&store->ready, &store->syncing);
    queue_append(&store->ready, &store->pending);
}

static void commit_step(struct abstract *engine, struct abstract_store *store)
{
    if (store->syncing.count > 0) {
        if (store->sync_steps_left-- > 0)
            return;
        if (engine->config.may_fail_syncs && random_chance(&engine->random, SYNC_FAILS_PERMILLE))
            commit_fail(engine, store);
        else
            commit_apply(engine, store);
    }
    if (store->syncing.count == 0 && store->pending.count > 0) {
        queue_append(&store->syncing, &store->pending);
        store->sync_steps_left = random_below(&engine->random, STEPS_PER_IO_MAX);
    }
}

/* --- reads ----------------------------------------------------------------------------------- */

static void flight_start(struct abstract *engine, struct abstract_store *store,
                         struct flight *flight, uint32_t key)
{
    flight->is_used = true;
    flight->key = key;
    flight->seen = store->visible[key];
    flight->steps_left = random_below(&engine->random, STEPS_PER_IO_MAX);
}

/* Joins a read under way if it will find what is current now; begins one otherwise. */
static void read_start(struct abstract *engine, struct abstract_store *store,
                       struct shard_operation *operation)
{
    uint32_t key = model_key_of(operation);
    struct flight *unused = NULL;
    for (uint32_t i = 0; i < READS_MAX; i++) {
        struct flight *flight = &store->flights[i];
        if (!flight->is_used) {
            unused = flight;
        } else if (flight->key == key &&
                   (flight->seen.version == store->visible[key].version || MODEL_BUG(LATE_JOIN))) {
            operation->owner_numbers[1] = flight->seen.version != store->visible[key].version;
            queue_push(&flight->readers, operation);
            return;
        }
    }
    if (!unused) {
        queue_push(&store->waiting_reads, operation);
        return;
    }
    flight_start(engine, store, unused, key);
    queue_push(&unused->readers, operation);
}

static void answer_from(const struct abstract_store *store, struct shard_operation *operation,
                        const struct record *record)
{
    if (!record_is_there(record, store->wall_ms)) {
        answer(operation, SHARD_NOT_FOUND, 0, SHARD_CACHE_ABSENT);
        operation->value_bytes = 0;
        operation->attributes_bytes = 0;
        return;
    }
    answer(operation, SHARD_OK, record->version, SHARD_CACHE_FILL);
    operation->expires_at_ms = record->expires_at_ms;
    operation->modified_at_ms = record->modified_at_ms;
    operation->attributes_bytes = 0;
    if (model_value_put(operation, record->value, store->stock))
        return;
    answer(operation, SHARD_NO_MEMORY, 0, SHARD_CACHE_NOTHING);
    operation->value_bytes = 0;
}

/* Whether a read may be answered with what it found: only while that is still the newest. */
static bool is_still_newest(const struct abstract_store *store, const struct record *seen,
                            uint32_t key)
{
    bool skips_the_check = MODEL_BUG(LATE_FILL) || MODEL_BUG(OLDER_REPLACES_NEWER) ||
                           MODEL_BUG(LATE_FILL_BEHIND_GUARD) ||
                           (MODEL_BUG(LATE_ABSENCE) && !record_is_there(seen, store->wall_ms));
    return skips_the_check || seen->version == store->visible[key].version;
}

static void flight_land(struct abstract *engine, struct abstract_store *store,
                        struct flight *flight)
{
    bool is_newest = is_still_newest(store, &flight->seen, flight->key);
    struct queue again = {.count = 0};
    for (uint32_t i = 0; i < flight->readers.count; i++) {
        struct shard_operation *operation = flight->readers.items[i];
        if (!is_newest && !operation_is_unchecked(operation)) {
            queue_push(&again, operation);
            continue;
        }
        operation->version = flight->seen.version; /* checked again when reaped */
        operation->owner_private[0] = (void *)(uintptr_t)flight->seen.value;
        operation->expires_at_ms = flight->seen.expires_at_ms;
        operation->modified_at_ms = flight->seen.modified_at_ms;
        queue_push(&store->ready, operation);
    }
    flight->readers = again;
    flight->is_used = false;
    if (again.count > 0)
        flight_start(engine, store, flight, flight->key);
}

static void reads_step(struct abstract *engine, struct abstract_store *store)
{
    for (uint32_t i = 0; i < READS_MAX; i++)
        if (store->flights[i].is_used && store->flights[i].steps_left-- == 0)
            flight_land(engine, store, &store->flights[i]);
    struct queue waiting = store->waiting_reads;
    store->waiting_reads.count = 0;
    for (uint32_t i = 0; i < waiting.count; i++)
        read_start(engine, store, waiting.items[i]);
}

/* --- the seam -------------------------------------------------------------------------------- */

static void *abstract_create(const struct model_engine_config *config)
{
    struct abstract *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return NULL;
    engine->config = *config;
    engine->random.state = config->seed ^ UINT64_C(0xab57);
    engine->stores = calloc(config->controls, sizeof(*engine->stores));
    for (uint32_t i = 0; i < config->controls; i++) {
        engine->stores[i].visible = calloc(config->keys, sizeof(struct record));
        engine->stores[i].synced = calloc(config->keys, sizeof(struct record));
    }
    return engine;
}

static void abstract_destroy(void *opaque)
{
    struct abstract *engine = opaque;
    for (uint32_t i = 0; i < engine->config.controls; i++) {
        free(engine->stores[i].visible);
        free(engine->stores[i].synced);
    }
    free(engine->stores);
    free(engine);
}

static bool abstract_start(void *opaque, struct blob_stock **stocks)
{
    struct abstract *engine = opaque;
    for (uint32_t i = 0; i < engine->config.controls; i++)
        engine->stores[i].stock = stocks[i];
    return true;
}

/* Some of what was written but not synced may have reached the disk: a prefix, in order. */
static void store_crash(struct abstract *engine, struct abstract_store *store)
{
    struct queue written = store->syncing;
    queue_append(&written, &store->pending);
    uint32_t survives = random_below(&engine->random, written.count + 1);
    for (uint32_t i = 0; i < survives && !store->is_read_only; i++)
        if (operation_is_write(written.items[i]))
            store->synced[model_key_of(written.items[i])] = record_of_write(written.items[i]);
    memcpy(store->visible, store->synced, engine->config.keys * sizeof(store->visible[0]));
    store->sequence = store->ceiling;
    if (MODEL_BUG(REISSUED_VERSION)) {
        store->sequence = 0;
        for (uint32_t key = 0; key < engine->config.keys; key++)
            if (store->visible[key].version > store->sequence)
                store->sequence = store->visible[key].version;
    }
    store->is_read_only = false;
    store->pending.count = store->syncing.count = store->ready.count = 0;
    store->waiting_reads.count = 0;
    memset(store->flights, 0, sizeof(store->flights));
}

static void abstract_crash(void *opaque)
{
    struct abstract *engine = opaque;
    for (uint32_t i = 0; i < engine->config.controls; i++)
        store_crash(engine, &engine->stores[i]);
}

static void abstract_submit(void *opaque, uint32_t control, struct shard_operation *operation)
{
    struct abstract *engine = opaque;
    struct abstract_store *store = &engine->stores[control];
    if (operation->wall_ms > store->wall_ms)
        store->wall_ms = operation->wall_ms;
    ASSERT(operation->verb <= SHARD_DELETE || operation->verb == SHARD_PURGE);
    if (operation->verb == SHARD_GET) {
        read_start(engine, store, operation);
    } else if (operation->verb == SHARD_PURGE) {
        operation->status = SHARD_OK;
        operation->owner_numbers[0] = 0;
        queue_push(&store->ready, operation);
    } else if (store->is_read_only) {
        answer(operation, SHARD_READ_ONLY, 0, SHARD_CACHE_NOTHING);
        operation->owner_numbers[0] = 0;
        queue_push(&store->ready, operation);
    } else {
        decide_write(store, operation);
        if (MODEL_BUG(EARLY_ACKNOWLEDGEMENT) && operation_is_write(operation)) {
            store->visible[model_key_of(operation)] = record_of_write(operation);
            queue_push(&store->ready, operation);
        } else {
            queue_push(&store->pending, operation);
        }
    }
}

static void abstract_step(void *opaque, uint32_t control, uint64_t wall_ms)
{
    struct abstract *engine = opaque;
    struct abstract_store *store = &engine->stores[control];
    if (wall_ms > store->wall_ms)
        store->wall_ms = wall_ms;
    commit_step(engine, store);
    reads_step(engine, store);
}

static uint32_t abstract_reap(void *opaque, uint32_t control, struct shard_operation **out,
                              uint32_t limit)
{
    struct abstract *engine = opaque;
    struct abstract_store *store = &engine->stores[control];
    uint32_t taken = 0, answered = 0;
    for (; taken < store->ready.count && answered < limit; taken++) {
        struct shard_operation *operation = store->ready.items[taken];
        if (operation->verb == SHARD_GET) {
            uint32_t key = model_key_of(operation);
            struct record seen = {
                .version = operation->version,
                .value = (uint64_t)(uintptr_t)operation->owner_private[0],
                .expires_at_ms = operation->expires_at_ms,
                .modified_at_ms = operation->modified_at_ms,
            };
            if (!operation_is_unchecked(operation) &&
                !is_still_newest(store, &seen, key)) { /* check and answer are one step */
                read_start(engine, store, operation);
                continue;
            }
            answer_from(store, operation, &seen);
        }
        out[answered++] = operation;
    }
    queue_drop_first(&store->ready, taken);
    return answered;
}

static uint64_t abstract_wall_ms(void *opaque)
{
    const struct abstract *engine = opaque;
    return engine->stores[0].wall_ms;
}

const struct model_engine abstract_engine = {
    .name = "abstract",
    .create = abstract_create,
    .destroy = abstract_destroy,
    .start = abstract_start,
    .crash = abstract_crash,
    .submit = abstract_submit,
    .step = abstract_step,
    .reap = abstract_reap,
    .wall_ms = abstract_wall_ms,
};
