/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a crash may take of namespaces that do not wait for the disk, and that what is left makes
 * sense: `sync: interval` for the whole store, and namespaces that differ (every other seed):
 * commit, interval, and `write_policy: behind` with either.
 *
 *   store_interval_sim [--seeds N] [--seed S] [--plant NAME]
 *
 * Without --seeds, GANNET_SEEDS says how many, GANNET_SEED which one alone.
 *
 * What must hold:
 * - before the crash, a read shows the newest acknowledged write of its key, synced or not;
 * - after it, each stream (a control thread's log) shows the state after its first n writes for
 *   some n: no write is there while an older one of the same stream is missing;
 * - every write acknowledged longer ago than its namespace's loss window is among those n;
 * - no version is issued twice, not even that of a write that was lost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/planted_bugs.h"
#include "include/assert_policy.h"
#include "include/compiler.h"
#include "include/key_hash.h"
#include "include/log.h"
#include "include/random.h"
#include "tests/sim/store_harness.h"
#include "tests/support/depth.h"

#define SEEDS_IN_CI 200u
#define KEYS 24u
#define WRITES_MAX 2048u
#define VALUE_BYTES_MAX 16000u
#define NEVER UINT64_MAX
/* A write and a sync that take as long as the disk below ever does, and a change of segment. */
#define DISK_US 20u
#define SLACK_NS UINT64_C(5000000)

struct written {
    uint32_t key;
    bool is_delete;
    bool was_nothing; /* a DELETE of nothing: no record */
    uint64_t version; /* 0: none yet */
    uint64_t acknowledged_ns;
};

static struct written writes[WRITES_MAX]; /* 1.. */
static uint32_t write_count;
/*
 * In the order of the log: as they were acknowledged, or, where some are acknowledged sooner than
 * others, as they were submitted (there are no large values then, which would be overtaken).
 */
static uint32_t in_order[WRITES_MAX], in_order_count;
static bool has_policies;
static uint32_t acknowledged[KEYS]; /* newest write of the key that was answered */
static uint32_t found[KEYS];        /* after the crash; 0: absent */
static uint64_t version_max[VIRTUAL_SHARDS], version_at_crash[VIRTUAL_SHARDS];
static bool is_after_crash, has_failed;
static struct harness harness;
static char failure[200];

#define FAIL(...)                                                                                  \
    do {                                                                                           \
        if (!has_failed)                                                                           \
            snprintf(failure, sizeof(failure), __VA_ARGS__);                                       \
        has_failed = true;                                                                         \
    } while (0)

static uint32_t make_key(uint32_t key, char *out)
{
    return (uint32_t)snprintf(out, 32, "ns%ckey-%u", 0, key);
}

static uint8_t shard_of_key(uint32_t key)
{
    char name[32];
    return shard_of_hash(key_hash_shard(name, make_key(key, name)));
}

/* The control thread whose log has the key. */
static uint32_t stream_of_key(uint32_t key)
{
    return shard_of_key(key) % harness.thread_count;
}

static enum shard_sync sync_of(uint32_t key)
{
    if (!has_policies)
        return SHARD_SYNC_OF_STORE;
    return key & 1 ? SHARD_SYNC_INTERVAL : SHARD_SYNC_COMMIT;
}

static enum shard_write_policy policy_of(uint32_t key)
{
    return has_policies && key & 2 ? SHARD_WRITE_BEHIND : SHARD_WRITE_THROUGH;
}

/* A write acknowledged longer ago is there after any crash. */
static uint64_t loss_window_ns(uint32_t key)
{
    uint64_t window_ns = 0;
    if (sync_of(key) != SHARD_SYNC_COMMIT)
        window_ns += harness.config.store.sync_interval_ms * UINT64_C(1000000) + SLACK_NS;
    if (policy_of(key) == SHARD_WRITE_BEHIND)
        window_ns += harness.config.store.behind_ms * UINT64_C(1000000) + SLACK_NS;
    return window_ns;
}

/* Versions of a shard grow in the order of the log, which is that of the answers mostly. */
static bool was_issued(uint8_t shard, uint64_t version)
{
    if (version <= version_at_crash[shard])
        return true;
    if (!has_policies)
        return version <= version_max[shard];
    for (uint32_t i = 1; i <= write_count; i++)
        if (writes[i].version == version && shard_of_key(writes[i].key) == shard)
            return true;
    return false;
}

static void on_write(const struct shard_operation *operation, uint32_t number)
{
    struct written *write = &writes[number];
    write->acknowledged_ns = io_now_ns(harness.loops[0]);
    write->was_nothing = operation->status == SHARD_NOT_FOUND;
    if (write->was_nothing)
        return;
    uint8_t shard = shard_of_key(write->key);
    if (operation->status > SHARD_CREATED) {
        FAIL("write %u was answered with status %u", number, operation->status);
        return;
    }
    if (was_issued(shard, operation->version))
        FAIL("version %" PRIu64 " was issued again", operation->version);
    write->version = operation->version;
    if (operation->version > version_max[shard])
        version_max[shard] = operation->version;
    if (!has_policies)
        in_order[in_order_count++] = number;
    if (number > acknowledged[write->key])
        acknowledged[write->key] = number;
}

static void on_read(struct shard_operation *operation, uint32_t key, uint32_t at_least)
{
    static uint8_t value[VALUE_BYTES_MAX];
    uint32_t number = 0;
    if (operation->status == SHARD_OK) {
        harness_copy_value(operation, value);
        memcpy(&number, value, sizeof(number));
        if (number == 0 || number > write_count || writes[number].key != key)
            FAIL("key %u has a value nobody wrote", key);
    } else if (operation->status != SHARD_NOT_FOUND) {
        FAIL("reading key %u was answered with status %u", key, operation->status);
    }
    if (is_after_crash)
        found[key] = number;
    else if (number != 0 ? number < at_least : at_least != 0 && !writes[at_least].is_delete) {
        bool was_deleted = false;
        for (uint32_t i = at_least; number == 0 && i <= write_count; i++)
            was_deleted |= writes[i].key == key && writes[i].is_delete;
        if (!was_deleted)
            FAIL("key %u shows write %u, but %u was acknowledged before", key, number, at_least);
    }
}

static void on_answer(void *context, struct shard_operation *operation)
{
    (void)context;
    if (operation->verb == SHARD_GET)
        on_read(operation, operation->owner_numbers[0], operation->owner_numbers[1]);
    else
        on_write(operation, operation->owner_numbers[1]);
}

static bool submit(struct random *random, enum shard_verb verb, uint32_t key)
{
    char name[32];
    static uint8_t value[VALUE_BYTES_MAX];
    struct shard_operation *operation =
        harness_operation(&harness, verb, name, make_key(key, name));
    if (operation == NULL)
        return false;
    operation->owner_numbers[0] = key;
    operation->owner_numbers[1] = acknowledged[key];
    if (verb != SHARD_GET) {
        uint32_t number = ++write_count;
        ASSERT(number < WRITES_MAX);
        writes[number] = (struct written){
            .key = key, .is_delete = verb == SHARD_DELETE, .acknowledged_ns = NEVER};
        operation->owner_numbers[1] = number;
        operation->sync = (uint8_t)sync_of(key);
        operation->write_policy = (uint8_t)policy_of(key);
        if (has_policies)
            in_order[in_order_count++] = number;
        memcpy(value, &number, sizeof(number));
        if (verb == SHARD_PUT)
            harness_set_value(&harness, operation, value,
                              4 + random_below(random, !has_policies && random_chance(random, 100)
                                                           ? VALUE_BYTES_MAX - 4
                                                           : 3000));
    }
    harness_submit(&harness, operation);
    return true;
}

static void work(struct random *random, uint32_t steps)
{
    for (uint32_t i = 0; i < steps && !io_simulator_is_crashed(harness.sim); i++) {
        for (uint32_t n = random_below(random, 4); n > 0 && write_count + 1 < WRITES_MAX; n--) {
            uint32_t kind = random_below(random, 10);
            submit(random,
                   kind < 6   ? SHARD_PUT
                   : kind < 7 ? SHARD_DELETE
                              : SHARD_GET,
                   random_below(random, KEYS));
        }
        for (uint32_t n = random_below(random, 6); n > 0; n--)
            harness_round(&harness);
        if (random_chance(random, 50)) /* nobody writes: the last writes must be synced as well */
            harness_idle(&harness, UINT64_C(1000000) * (1 + random_below(random, 60)));
    }
}

/*
 * Does the stream show the state after its first n writes? Writes that were not acknowledged may
 * follow the last one.
 */
static bool is_state_after(uint32_t stream, uint32_t n)
{
    uint32_t newest[KEYS] = {0};
    for (uint32_t i = 0; i < n; i++)
        newest[writes[in_order[i]].key] = in_order[i];
    for (uint32_t key = 0; key < KEYS; key++) {
        uint32_t expected = newest[key] != 0 && writes[newest[key]].is_delete ? 0 : newest[key];
        bool is_shown = found[key] == expected;
        for (uint32_t i = 1; n == in_order_count && i <= write_count && !is_shown; i++)
            is_shown = writes[i].key == key && writes[i].acknowledged_ns == NEVER &&
                       found[key] == (writes[i].is_delete ? 0 : i);
        if (stream_of_key(key) == stream && !is_shown)
            return false;
    }
    return true;
}

static void check_stream(uint32_t stream, uint64_t crashed_ns)
{
    uint32_t at_least = 0; /* so many writes must be there */
    for (uint32_t i = 0; i < in_order_count; i++) {
        const struct written *write = &writes[in_order[i]];
        if (stream_of_key(write->key) == stream && write->acknowledged_ns != NEVER &&
            !write->was_nothing &&
            write->acknowledged_ns + loss_window_ns(write->key) <= crashed_ns)
            at_least = i + 1;
    }
    for (uint32_t n = in_order_count + 1; n-- > 0;) {
        if (!is_state_after(stream, n))
            continue;
        if (n < at_least)
            FAIL("stream %u lost writes acknowledged %" PRIu64 " us before the crash", stream,
                 (crashed_ns - writes[in_order[at_least - 1]].acknowledged_ns) / 1000);
        return;
    }
    FAIL("stream %u shows a write without one before it", stream);
}

static void read_everything(struct random *random)
{
    memset(found, 0, sizeof(found));
    for (uint32_t key = 0; key < KEYS; key++)
        ASSERT(submit(random, SHARD_GET, key));
    if (!harness_settle(&harness))
        FAIL("reads after the restart do not end");
}

static void run_once(uint64_t seed)
{
    struct random random = {seed};
    uint32_t threads = 1 + (uint32_t)(seed / 4 % 2);
    memset(acknowledged, 0, sizeof(acknowledged));
    memset(version_max, 0, sizeof(version_max));
    memset(version_at_crash, 0, sizeof(version_at_crash));
    write_count = in_order_count = 0;
    is_after_crash = has_failed = false;
    harness_init(&harness, seed);
    harness.answer = on_answer;
    has_policies = seed % 2 == 0;
    harness.config.store.sync = CONFIG_SYNC_INTERVAL;
    if (has_policies && random_chance(&random, 500))
        harness.config.store.sync = CONFIG_SYNC_COMMIT;
    harness.config.store.sync_interval_ms = 1 + random_below(&random, 10);
    harness.config.store.behind_ms = 1 + random_below(&random, 5);
    harness.config.store.behind_kib = 1 + random_below(&random, 32);
    /* large ones are left, and so synced, rarely; small ones are compacted */
    if (seed % 3 == 0)
        harness.sizes.segment_bytes = 1u << 20;
    harness.config.store.compact_dead_percent = 40;
    for (uint32_t code = 0; code < IO_CODE_COUNT; code++)
        io_simulator_set_latency_us(harness.sim, (enum io_code)code, DISK_US);
    ASSERT(harness_open(&harness, threads) == 0);
    if (random_chance(&random, 500))
        io_simulator_crash_after(harness.sim, random_below(&random, 2000));
    work(&random, 10 + random_below(&random, 600));

    uint64_t crashed_ns = io_now_ns(harness.loops[0]);
    harness_crash(&harness, (enum io_crash_mode)(seed / 2 % IO_CRASH_MODE_COUNT));
    io_simulator_clear_faults(harness.sim);
    is_after_crash = true;
    memcpy(version_at_crash, version_max, sizeof(version_max));
    if (harness_open(&harness, threads) < 0) {
        FAIL("the store does not open");
        harness_drop_loops(&harness);
        harness.set = NULL;
    } else {
        read_everything(&random);
        for (uint32_t stream = 0; stream < threads && !has_failed; stream++)
            check_stream(stream, crashed_ns);
        is_after_crash = false;
        memset(acknowledged, 0, sizeof(acknowledged)); /* lost writes are not owed any more */
        for (uint32_t key = 0; key < KEYS && write_count + 1 < WRITES_MAX; key++)
            submit(&random, SHARD_PUT, key); /* its version is above all before: on_write */
        if (!harness_settle(&harness))
            FAIL("writes after the restart do not end");
        harness_close(&harness);
    }
    harness_destroy(&harness);
}

static void plant(const char *name)
{
#ifdef GANNET_PLANTED_BUGS
    static const struct {
        const char *name;
        enum planted_bug bug;
    } bugs[] = {
        {"forget-interval", PLANTED_FORGET_INTERVAL},
        {"free-unsynced", PLANTED_FREE_UNSYNCED},
        {"hide-accepted", PLANTED_HIDE_ACCEPTED},
        {"durable-alone", PLANTED_DURABLE_ALONE},
        {"skip-sync", PLANTED_SKIP_SYNC},
    };
    for (size_t i = 0; i < ARRAY_COUNT(bugs); i++)
        if (strcmp(name, bugs[i].name) == 0)
            planted_bug_active = bugs[i].bug;
    if (planted_bug_active != PLANTED_NONE)
        return;
#endif
    fprintf(stderr, "unknown bug %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    uint64_t from = depth_of("GANNET_SEED", 1);
    uint64_t seeds = depth_is_set("GANNET_SEED") ? 1 : depth_of("GANNET_SEEDS", SEEDS_IN_CI);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            from = strtoull(argv[i + 1], NULL, 10), seeds = 1;
        else if (strcmp(argv[i], "--plant") == 0)
            plant(argv[i + 1]);
    }
    log_set_level(seeds == 1 ? LOG_LEVEL_DEBUG : (enum log_level) - 1);
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        run_once(seed);
        if (has_failed) {
            printf("FAILED: %s\n  replay: store_interval_sim --seed %" PRIu64 "\n", failure, seed);
            return 1;
        }
    }
    printf("%" PRIu64 " seeds: all as it must be\n", seeds);
    return 0;
}
