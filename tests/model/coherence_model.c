/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole path of a key in one thread: workers with the real cache and the real shard_client,
 * real rings, control threads with a store, clients, crashes. A seeded scheduler picks who moves
 * next and how far, so a ring delivers as late as it likes. The judge is history.c.
 *
 *   coherence_model --seeds 500                      clean runs, the abstract store
 *   coherence_model --seed 17                        one of them again
 *   coherence_model --seeds 500 --bug late-fill      succeeds only if a violation is found
 *   coherence_model --seeds 500 --engine log         over the real store and a simulated disk
 *
 * Without --seeds, GANNET_SEEDS and GANNET_SEED choose.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/response_cache.h"
#include "dataplane/shard_client.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/model_bug.h"
#include "include/random.h"
#include "include/shard_fabric.h"
#include "tests/model/history.h"
#include "tests/model/model_engine.h"
#include "tests/model/model_value.h"
#include "tests/support/depth.h"

#define WORKERS_MAX 3u
#define CONTROLS_MAX 2u
#define CLIENTS_MAX 4u
#define KEYS_MAX 48u
#define VERSIONS_KNOWN 8u
#define CREDITS 16u
#define START_MS UINT64_C(1000000)
#define DEFERRED_MAX 64u
#define ABSENT_TTL_MS 400u
#define DRAIN_STEPS_MAX 100000u
#define SEEDS_IN_CI 5000u
#define LOG_SEEDS_IN_CI 1500u

enum model_bug model_bug;

static const struct {
    const char *name;
    enum model_bug bug;
} bugs[] = {
    {"late-fill", MODEL_BUG_LATE_FILL},
    {"late-fill-behind-guard", MODEL_BUG_LATE_FILL_BEHIND_GUARD},
    {"late-join", MODEL_BUG_LATE_JOIN},
    {"early-acknowledgement", MODEL_BUG_EARLY_ACKNOWLEDGEMENT},
    {"missing-sync", MODEL_BUG_MISSING_SYNC},
    {"reissued-version", MODEL_BUG_REISSUED_VERSION},
    {"answer-before-apply", MODEL_BUG_ANSWER_BEFORE_APPLY},
    {"older-replaces-newer", MODEL_BUG_OLDER_REPLACES_NEWER},
    {"condition-on-durable", MODEL_BUG_CONDITION_ON_DURABLE},
    {"refused-fill-stays", MODEL_BUG_REFUSED_FILL_STAYS},
    {"absence-stays", MODEL_BUG_ABSENCE_STAYS},
    {"late-absence", MODEL_BUG_LATE_ABSENCE},
};

/* One connection: one request at a time, and what it last learned of versions. */
struct client {
    bool is_busy;
    uint32_t event;
};

struct worker {
    struct shard_client *client;
    struct blob_stock *stock;
    struct client clients[CLIENTS_MAX];
    /* planted: answered already, applied later */
    struct shard_operation *deferred;
    uint32_t deferred_count;
};

/* Shape of one run, drawn from its seed. */
struct shape {
    uint32_t workers, controls, clients, keys, steps;
    uint64_t part_bytes, pool_bytes;
    uint32_t evict_permille, crash_per_million;
    uint32_t value_bytes_max; /* larger values are refused by the cache */
    uint32_t absent_max;
    bool has_deletes, has_expiry, may_fail_syncs, syncs_at_intervals;
};

struct totals {
    uint64_t operations, hits, crashes, evictions, refused, unknown, searched_keys;
};

struct world {
    struct shape shape;
    struct random random;
    const struct model_engine *engine;
    void *store;
    struct shard_fabric *fabric;
    struct response_cache *cache;
    struct blob_pool *pool;
    struct blob_stock *control_stocks[CONTROLS_MAX];
    struct worker workers[WORKERS_MAX];
    struct counters *counters;
    struct history history;
    uint64_t versions[KEYS_MAX][VERSIONS_KNOWN]; /* lately seen, for compare-and-set */
    uint64_t clock;                              /* scheduler steps and events */
    uint64_t wall_ms;
    uint64_t hash_seed;
    uint64_t next_value;
    uint64_t crashes;
    const char *violation; /* found on the spot */
};

static struct round_time world_time(const struct world *world)
{
    return (struct round_time){.now_ns = world->clock * 1000, .wall_ms = world->wall_ms};
}

/* One wall clock for all: whoever is ahead, the others follow. */
static void world_follow_clock(struct world *world)
{
    uint64_t engine_ms = world->engine->wall_ms(world->store);
    if (engine_ms > world->wall_ms)
        world->wall_ms = engine_ms;
}

/* --- a process: everything that a crash takes ------------------------------------------------ */

static void process_start(struct world *world)
{
    const struct shape *shape = &world->shape;
    struct response_cache_config config = {
        .workers = shape->workers,
        .part_memory_bytes = shape->part_bytes,
        .value_bytes_max = shape->value_bytes_max,
        .hash_seed = random_u64(&world->random),
        .absent_max = shape->absent_max,
    };
    world->hash_seed = config.hash_seed;
    ASSERT(blob_pool_create(shape->pool_bytes, WORKERS_MAX + CONTROLS_MAX, &world->pool) == 0);
    ASSERT(shard_fabric_create(&(struct shard_fabric_shape){.workers = shape->workers,
                                                            .controls = shape->controls,
                                                            .operations_per_worker = CREDITS},
                               &world->fabric) == 0);
    ASSERT(response_cache_create(&config, &world->cache) == 0);
    for (uint32_t i = 0; i < shape->workers; i++) {
        struct worker *worker = &world->workers[i];
        worker->stock = blob_stock_create(world->pool);
        response_cache_attach(world->cache, i, worker->stock, world->counters);
        struct shard_client_config client = {
            world->fabric,    world->cache, worker->stock, world->counters, i,
            config.hash_seed, ABSENT_TTL_MS};
        ASSERT(shard_client_create(&client, &worker->client) == 0);
        memset(worker->clients, 0, sizeof(worker->clients));
        worker->deferred_count = 0;
    }
    for (uint32_t i = 0; i < shape->controls; i++)
        world->control_stocks[i] = blob_stock_create(world->pool);
    if (!world->engine->start(world->store, world->control_stocks))
        world->violation = "the store did not start on what the crash left behind";
    else
        world_follow_clock(world);
}

static void process_end(struct world *world)
{
    response_cache_destroy(world->cache);
    for (uint32_t i = 0; i < world->shape.workers; i++) {
        shard_client_destroy(world->workers[i].client);
        blob_stock_destroy(world->workers[i].stock);
    }
    for (uint32_t i = 0; i < world->shape.controls; i++)
        blob_stock_destroy(world->control_stocks[i]);
    shard_fabric_destroy(world->fabric);
    blob_pool_destroy(world->pool);
}

static void crash(struct world *world)
{
    world->crashes++;
    world->clock++;
    world->engine->crash(world->store);
    process_end(world);
    process_start(world);
}

/* --- what clients ask ------------------------------------------------------------------------ */

static struct event *event_of(struct world *world, uint32_t index)
{
    return &world->history.events[index];
}

static void remember_version(struct world *world, uint32_t key, uint64_t version)
{
    if (version != 0)
        world->versions[key][random_below(&world->random, VERSIONS_KNOWN)] = version;
}

static void event_answered(struct world *world, uint32_t index, enum event_outcome outcome,
                           uint64_t version, uint64_t value)
{
    struct event *event = event_of(world, index);
    event->answered_at = ++world->clock;
    event->answered_ms = world->wall_ms;
    event->outcome = (uint8_t)outcome;
    event->version = version;
    if (event->kind == EVENT_GET)
        event->value = value;
    if (outcome == EVENT_READ_VALUE && value == 0)
        world->violation = "the bytes of a value are not what any write wrote";
    remember_version(world, event->key, version);
}

static void answer_get(struct world *world, uint32_t index, struct shard_operation *operation)
{
    if (operation->status == SHARD_NOT_FOUND) {
        event_answered(world, index, EVENT_READ_ABSENT, 0, 0);
    } else if (operation->status == SHARD_OK) {
        uint64_t value = model_value_number(operation->value, operation_inline_value(operation),
                                            operation->value_bytes);
        event_answered(world, index, EVENT_READ_VALUE, operation->version, value);
    } else {
        event_answered(world, index, EVENT_NO_EFFECT, 0, 0);
    }
}

static void answer_write(struct world *world, uint32_t index,
                         const struct shard_operation *operation)
{
    switch ((enum shard_status)operation->status) {
    case SHARD_OK:
    case SHARD_CREATED:
        event_of(world, index)->was_found = operation->status == SHARD_OK;
        event_answered(world, index, EVENT_WRITTEN, operation->version, 0);
        break;
    case SHARD_NOT_FOUND:
        event_answered(world, index, EVENT_READ_ABSENT, 0, 0);
        break;
    case SHARD_CONDITION_FAILED:
        event_answered(world, index, EVENT_CONDITION_FAILED, operation->version, 0);
        break;
    case SHARD_OUTCOME_UNKNOWN:
    case SHARD_DEADLINE:
        break; /* stays pending: it may still happen */
    default:
        event_answered(world, index, EVENT_NO_EFFECT, 0, 0);
    }
}

static void operation_came_home(struct world *world, struct worker *worker,
                                struct shard_operation *operation)
{
    struct client *client = &worker->clients[operation->connection];
    if (operation->verb == SHARD_GET)
        answer_get(world, client->event, operation);
    else if (operation->verb != SHARD_PURGE) /* which nobody can tell from what was read */
        answer_write(world, client->event, operation);
    client->is_busy = false;
    shard_client_release(worker->client, operation);
}

/* A read from the cache is asked and answered within one round, by any worker. */
static bool get_from_cache(struct world *world, uint32_t index, const uint8_t *key)
{
    uint64_t hash = key_hash_cache(key, MODEL_KEY_BYTES, world->hash_seed);
    const struct cache_entry *guess =
        response_cache_guess(response_cache_bucket(world->cache, hash), hash);
    const struct cache_entry *entry =
        response_cache_confirm(guess, hash, key, MODEL_KEY_BYTES, world->wall_ms);
    if (!entry)
        entry = response_cache_lookup(world->cache, hash, key, MODEL_KEY_BYTES, world->wall_ms);
    if (!entry &&
        response_cache_is_absent(world->cache, hash, key, MODEL_KEY_BYTES, world->wall_ms)) {
        event_answered(world, index, EVENT_READ_ABSENT, 0, 0);
        event_of(world, index)->was_hit = true;
        return true;
    }
    if (!entry)
        return false;
    uint64_t value = model_value_number(cache_entry_blob(entry), cache_entry_inline_value(entry),
                                        entry->value_bytes);
    event_answered(world, index, EVENT_READ_VALUE, entry->version, value);
    event_of(world, index)->was_hit = true;
    return true;
}

static bool key_expires(const struct world *world, uint32_t key)
{
    return world->shape.has_expiry && key % 5 == 4;
}

static void choose_write(struct world *world, struct event *event,
                         struct shard_operation *operation)
{
    struct random *random = &world->random;
    bool is_put = !world->shape.has_deletes || random_chance(random, 750);
    event->kind = is_put ? EVENT_PUT : EVENT_DELETE;
    operation->verb = is_put ? SHARD_PUT : SHARD_DELETE;
    if (!key_expires(world, event->key) && random_chance(random, 400)) {
        uint64_t version = world->versions[event->key][random_below(random, VERSIONS_KNOWN)];
        if (is_put && random_chance(random, 300)) {
            event->condition = EVENT_IF_ABSENT;
            operation->condition = SHARD_IF_ABSENT;
        } else if (version != 0) {
            event->condition = EVENT_IF_VERSION;
            event->expected_version = version;
            operation->condition = SHARD_IF_VERSION_IN;
            operation->versions[0] = version;
            operation->version_count = 1;
        }
    }
    if (is_put) {
        event->value = ++world->next_value;
        if (key_expires(world, event->key)) {
            event->expires_at_ms = world->wall_ms + 1 + random_below(random, 60);
            operation->expires_at_ms = event->expires_at_ms;
        }
    }
}

static struct event event_new(struct world *world)
{
    return (struct event){
        .key = random_below(&world->random, world->shape.keys),
        .invoked_at = ++world->clock,
        .answered_at = UINT64_MAX,
        .invoked_ms = world->wall_ms,
        .kind = EVENT_GET,
    };
}

static struct shard_operation *operation_new(struct worker *worker, uint32_t client, uint32_t key)
{
    struct shard_operation *operation = shard_client_take(worker->client);
    ASSERT(operation != NULL); /* more credits than clients */
    model_key_make(operation->bytes, key);
    operation->key_bytes = MODEL_KEY_BYTES;
    operation->connection = client;
    operation->deadline_ns = UINT64_MAX;
    return operation;
}

static void client_sends(struct world *world, struct worker *worker, struct client *client,
                         struct shard_operation *operation)
{
    struct round_time time = world_time(world);
    client->is_busy = true;
    shard_client_send(worker->client, operation, &time);
}

static void client_reads(struct world *world, struct worker *worker, uint32_t which)
{
    struct client *client = &worker->clients[which];
    struct event event = event_new(world);
    uint8_t key[MODEL_KEY_BYTES];
    model_key_make(key, event.key);
    client->event = history_add(&world->history, &event);
    if (!get_from_cache(world, client->event, key))
        client_sends(world, worker, client, operation_new(worker, which, event.key));
}

static void client_writes(struct world *world, struct worker *worker, uint32_t which)
{
    struct client *client = &worker->clients[which];
    struct event event = event_new(world);
    struct shard_operation *operation = operation_new(worker, which, event.key);
    choose_write(world, &event, operation);
    client->event = history_add(&world->history, &event);
    if (event.kind == EVENT_PUT && !model_value_put(operation, event.value, worker->stock)) {
        event_answered(world, client->event, EVENT_NO_EFFECT, 0, 0);
        operation->value_bytes = 0;
        shard_client_release(worker->client, operation);
        return;
    }
    client_sends(world, worker, client, operation);
}

static void client_purges(struct world *world, struct worker *worker, uint32_t which)
{
    struct random *random = &world->random;
    struct shard_operation *operation =
        operation_new(worker, which, random_below(random, world->shape.keys));
    operation->verb = SHARD_PURGE;
    operation->cache_action =
        random_chance(random, 500) ? SHARD_CACHE_INVALIDATE : SHARD_CACHE_MARK_STALE;
    client_sends(world, worker, &worker->clients[which], operation);
}

/* --- who moves ------------------------------------------------------------------------------- */

/* Planted: answers travel on first, the cache hears of them in a later round. */
static uint32_t poll_answering_first(struct world *world, uint32_t index,
                                     struct shard_operation **home, uint32_t limit)
{
    struct worker *worker = &world->workers[index];
    if (!worker->deferred)
        worker->deferred =
            aligned_alloc(CACHE_LINE_BYTES, DEFERRED_MAX * sizeof(*worker->deferred));
    for (uint32_t i = 0; i < worker->deferred_count; i++) {
        response_cache_apply(world->cache, index, &worker->deferred[i], world->wall_ms);
        if (worker->deferred[i].value)
            blob_release(worker->stock, worker->deferred[i].value);
    }
    worker->deferred_count = 0;
    uint32_t homed = 0;
    for (uint32_t control = 0; control < world->shape.controls; control++) {
        struct shard_operation *operation;
        while (homed < limit && worker->deferred_count < DEFERRED_MAX &&
               message_ring_pop(world->fabric->reply[control][index], &operation, 1) == 1) {
            struct shard_operation *deferred = &worker->deferred[worker->deferred_count++];
            *deferred = *operation;
            if (deferred->cache_action == SHARD_CACHE_ABSENT)
                deferred->expires_at_ms = world->wall_ms + 1;
            if (operation->value)
                blob_hold(operation->value);
            if (operation->origin_worker == index)
                home[homed++] = operation;
            else
                message_ring_push(world->fabric->home[index][operation->origin_worker], operation);
        }
    }
    for (uint32_t other = 0; other < world->shape.workers; other++)
        if (other != index)
            homed +=
                message_ring_pop(world->fabric->home[other][index], home + homed, limit - homed);
    return homed;
}

static void worker_polls(struct world *world, uint32_t index)
{
    struct worker *worker = &world->workers[index];
    struct shard_operation *home[8];
    struct round_time time = world_time(world);
    uint32_t limit = 1 + random_below(&world->random, ARRAY_COUNT(home));
    uint32_t homed = MODEL_BUG(ANSWER_BEFORE_APPLY)
                         ? poll_answering_first(world, index, home, limit)
                         : shard_client_poll(worker->client, &time, home, limit);
    for (uint32_t i = 0; i < homed; i++)
        operation_came_home(world, worker, home[i]);
}

/* As if memory had run out: some key this worker owns leaves its cache. */
static void worker_forgets(struct world *world, uint32_t index)
{
    struct shard_operation operation = {.cache_action = SHARD_CACHE_INVALIDATE,
                                        .key_bytes = MODEL_KEY_BYTES};
    model_key_make(operation.bytes, random_below(&world->random, world->shape.keys));
    operation.cache_hash = key_hash_cache(operation.bytes, MODEL_KEY_BYTES, world->hash_seed);
    if (key_hash_owner(operation.cache_hash, world->shape.workers) == index)
        response_cache_apply(world->cache, index, &operation, world->wall_ms);
    if (random_chance(&world->random, 20))
        response_cache_shrink(world->cache, index, 1 << 20);
}

static void worker_step(struct world *world, uint32_t index, bool may_ask, bool only_reads)
{
    struct worker *worker = &world->workers[index];
    if (random_chance(&world->random, 700))
        worker_polls(world, index);
    for (uint32_t i = 0; i < world->shape.clients && may_ask; i++) {
        if (worker->clients[i].is_busy || random_chance(&world->random, 400))
            continue;
        if (random_chance(&world->random, 30))
            client_purges(world, worker, i);
        else if (only_reads || random_chance(&world->random, 550))
            client_reads(world, worker, i);
        else
            client_writes(world, worker, i);
    }
    if (random_chance(&world->random, world->shape.evict_permille))
        worker_forgets(world, index);
    shard_client_flush(worker->client);
    if (random_chance(&world->random, 900)) /* a round may last longer than others' */
        response_cache_quiescent(world->cache, index);
    response_cache_maintain(world->cache, index, world->wall_ms);
}

static void control_step(struct world *world, uint32_t control)
{
    struct random *random = &world->random;
    struct shard_operation *batch[8];
    for (uint32_t worker = 0; worker < world->shape.workers; worker++) {
        if (random_chance(random, 400))
            continue; /* this ring delivers later */
        uint32_t got = message_ring_pop(world->fabric->request[worker][control], batch,
                                        random_below(random, ARRAY_COUNT(batch)));
        for (uint32_t i = 0; i < got; i++)
            world->engine->submit(world->store, control, batch[i]);
    }
    world->engine->step(world->store, control, world->wall_ms);
    world_follow_clock(world);
    uint32_t answered =
        world->engine->reap(world->store, control, batch, random_below(random, ARRAY_COUNT(batch)));
    for (uint32_t i = 0; i < answered; i++)
        message_ring_push(world->fabric->reply[control][batch[i]->owner_worker], batch[i]);
}

static void world_step(struct world *world, bool may_ask, bool only_reads)
{
    struct random *random = &world->random;
    uint32_t who = random_below(random, 100);
    world->clock++;
    if (who < 55)
        worker_step(world, random_below(random, world->shape.workers), may_ask, only_reads);
    else if (who < 95)
        control_step(world, random_below(random, world->shape.controls));
    else
        world->wall_ms += random_below(random, 12);
}

static bool someone_waits(const struct world *world)
{
    for (uint32_t i = 0; i < world->shape.workers; i++)
        if (shard_client_in_flight(world->workers[i].client) > 0)
            return true;
    return false;
}

static void drain(struct world *world)
{
    for (uint32_t step = 0; step < DRAIN_STEPS_MAX && someone_waits(world); step++)
        world_step(world, false, false);
    if (someone_waits(world))
        world->violation = "an operation never came home";
}

/* --- a run ----------------------------------------------------------------------------------- */

static void shape_draw(struct shape *shape, struct random *random,
                       const struct model_engine *engine)
{
    static const uint32_t keys[] = {3, 10, 24, KEYS_MAX};
    *shape = (struct shape){
        .workers = 2 + random_below(random, WORKERS_MAX - 1),
        .controls = 1 + random_below(random, CONTROLS_MAX),
        .clients = 1 + random_below(random, CLIENTS_MAX),
        .keys = keys[random_below(random, ARRAY_COUNT(keys))],
        .steps = 200 + random_below(random, 1200),
        .part_bytes = RESPONSE_CACHE_PART_BYTES_MIN,
        .pool_bytes = 2 << 20,
        .evict_permille = 100 + random_below(random, 400),
        .value_bytes_max = random_chance(random, 500) ? 1000 : 1 << 20,
        .absent_max = random_chance(random, 700) ? 1000 : random_below(random, 3),
        .crash_per_million = random_chance(random, 700) ? 2500 : 0,
        .has_deletes = random_chance(random, 700),
        .has_expiry = random_chance(random, 400),
        .may_fail_syncs = random_chance(random, 300),
        .syncs_at_intervals = engine == &abstract_engine && random_chance(random, 100),
    };
    if (MODEL_BUG(REISSUED_VERSION))
        shape->syncs_at_intervals =
            true; /* only a version told before its sync can be told twice */
    if (MODEL_BUG(OLDER_REPLACES_NEWER) || MODEL_BUG(LATE_FILL_BEHIND_GUARD)) {
        /* The cache's own refusal of older versions is all that is left: nothing may leave it. */
        shape->part_bytes = 8 << 20;
        shape->pool_bytes = 16 << 20;
        shape->value_bytes_max = 1 << 20;
        shape->evict_permille = shape->crash_per_million = 0;
        shape->has_deletes = shape->has_expiry = shape->may_fail_syncs = false;
        shape->syncs_at_intervals = false;
    }
}

static void run_steps(struct world *world)
{
    for (uint32_t step = 0; step < world->shape.steps && !world->violation; step++) {
        world_step(world, true, false);
        if (random_below(&world->random, 1000000) < world->shape.crash_per_million)
            crash(world);
    }
    if (world->violation)
        return;
    drain(world);
    if (world->shape.crash_per_million > 0) { /* and what is there after the last start? */
        crash(world);
        for (uint32_t step = 0; step < 40 + 4 * world->shape.keys && !world->violation; step++)
            world_step(world, true, true);
        drain(world);
    }
}

static void totals_add(struct totals *totals, const struct world *world,
                       const struct history_report *report)
{
    totals->operations += world->history.count;
    for (uint32_t i = 0; i < world->history.count; i++) {
        totals->hits += world->history.events[i].was_hit;
        totals->unknown += world->history.events[i].outcome == EVENT_PENDING;
    }
    totals->crashes += world->crashes;
    totals->evictions += world->counters->values[COUNTER_CACHE_EVICTIONS];
    totals->refused += world->counters->values[COUNTER_CACHE_REFUSED];
    totals->searched_keys += report->searched_keys;
}

/* True when nothing is wrong; prints what is, unless a bug was planted. */
static bool run_seed(uint64_t seed, const struct model_engine *engine, struct totals *totals,
                     bool is_verbose)
{
    static struct world world;
    static struct counters counters;
    static struct history_report report;
    struct shard_operation *deferred[WORKERS_MAX];
    for (uint32_t i = 0; i < WORKERS_MAX; i++)
        deferred[i] = world.workers[i].deferred;
    memset(&world, 0, sizeof(world));
    memset(&counters, 0, sizeof(counters));
    for (uint32_t i = 0; i < WORKERS_MAX; i++)
        world.workers[i].deferred = deferred[i];
    world.random.state = seed;
    world.engine = engine;
    world.counters = &counters;
    world.wall_ms = START_MS;
    shape_draw(&world.shape, &world.random, engine);
    struct model_engine_config config = {
        .seed = seed,
        .keys = world.shape.keys,
        .controls = world.shape.controls,
        .syncs_at_intervals = world.shape.syncs_at_intervals,
        .may_fail_syncs = world.shape.may_fail_syncs,
    };
    ASSERT(history_create(world.shape.keys, &world.history) == 0);
    world.history.forgets_at_crash = world.shape.syncs_at_intervals;
    world.store = engine->create(&config);
    ASSERT(world.store != NULL);
    process_start(&world);
    run_steps(&world);
    engine->crash(world.store); /* an end is a crash that nobody looks at */
    process_end(&world);
    engine->destroy(world.store);
    const char *violation = world.violation;
    if (!violation)
        violation = history_check(&world.history, &report);
    totals_add(totals, &world, &report);
    history_destroy(&world.history);
    if (violation && is_verbose)
        printf("seed %" PRIu64 ": %s\n", seed, violation);
    return violation == NULL;
}

static void print_totals(const struct totals *totals, uint64_t seeds, double seconds)
{
    printf("%" PRIu64 " seeds in %.1f s: %" PRIu64 " operations, %" PRIu64 " cache hits, %" PRIu64
           " crashes, %" PRIu64 " evicted, %" PRIu64 " refused, %" PRIu64
           " without an answer, %" PRIu64 " keys searched exhaustively\n",
           seeds, seconds, totals->operations, totals->hits, totals->crashes, totals->evictions,
           totals->refused, totals->unknown, totals->searched_keys);
}

struct options {
    uint64_t first_seed, seeds;
    const struct model_engine *engine;
    const char *bug_name;
    bool must_be_found;
};

static int usage(void)
{
    fprintf(stderr,
            "coherence_model [--seeds N | --seed N] [--engine abstract|log] [--bug NAME]\n");
    return 2;
}

static bool choose_bug(struct options *options, const char *name)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(bugs); i++) {
        if (strcmp(bugs[i].name, name) == 0) {
            options->bug_name = name;
            options->must_be_found = true;
            model_bug = bugs[i].bug;
            return true;
        }
    }
    return false;
}

static bool choose_engine(struct options *options, const char *name)
{
    static const struct model_engine *const engines[] = {&abstract_engine, &log_engine};
    for (uint32_t i = 0; i < ARRAY_COUNT(engines); i++) {
        if (strcmp(engines[i]->name, name) == 0) {
            options->engine = engines[i];
            return true;
        }
    }
    return false;
}

static bool parse_options(int count, char **arguments, struct options *options)
{
    for (int i = 1; i + 1 < count; i += 2) {
        const char *value = arguments[i + 1];
        if (strcmp(arguments[i], "--seeds") == 0) {
            options->seeds = strtoull(value, NULL, 10);
        } else if (strcmp(arguments[i], "--seed") == 0) {
            options->first_seed = strtoull(value, NULL, 10);
            options->seeds = 1;
        } else if (strcmp(arguments[i], "--bug") == 0) {
            if (!choose_bug(options, value))
                return false;
        } else if (strcmp(arguments[i], "--engine") != 0 || !choose_engine(options, value)) {
            return false;
        }
    }
    return count % 2 == 1;
}

int main(int count, char **arguments)
{
    struct options options = {.first_seed = 1, .engine = &abstract_engine};
    if (!parse_options(count, arguments, &options))
        return usage();
    if (options.seeds == 0)
        depth_choose_seeds(options.engine == &abstract_engine ? SEEDS_IN_CI : LOG_SEEDS_IN_CI,
                           &options.first_seed, &options.seeds);
    struct totals totals = {0};
    clock_t began = clock();
    for (uint64_t i = 0; i < options.seeds; i++) {
        uint64_t seed = options.first_seed + i;
        if (run_seed(seed, options.engine, &totals, true))
            continue;
        print_totals(&totals, i + 1, (double)(clock() - began) / CLOCKS_PER_SEC);
        printf("replay: %s --engine %s --seed %" PRIu64 "%s%s\n", arguments[0],
               options.engine->name, seed, options.bug_name ? " --bug " : "",
               options.bug_name ? options.bug_name : "");
        return options.must_be_found ? 0 : 1;
    }
    print_totals(&totals, options.seeds, (double)(clock() - began) / CLOCKS_PER_SEC);
    if (options.must_be_found)
        printf("the planted bug %s was not found\n", options.bug_name);
    return options.must_be_found ? 1 : 0;
}
