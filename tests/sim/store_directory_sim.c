/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two threads want names of large values durable at the same moment, and a sync of the directory
 * fails, which loses all names that are not durable, the other thread's too. Whatever was
 * acknowledged is there after a power cut.
 *
 *   store_directory_sim [--plant]      syncs of the directory overlap
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/planted_bugs.h"
#include "include/key_hash.h"
#include "include/log.h"
#include "tests/sim/store_harness.h"

#define SEEDS 150u
#define SYNCS 6u /* which of them fails: files and directory, of both threads */
#define THREADS 2u
#define VALUE_BYTES 20000u
#define LATENCY_US 30u

static struct harness harness;
static bool is_acknowledged[THREADS];
static uint32_t missing_count;

static void on_answer(void *context, struct shard_operation *operation)
{
    (void)context;
    uint32_t thread = operation->owner_numbers[0];
    if (operation->verb == SHARD_PUT)
        is_acknowledged[thread] = operation->status == SHARD_CREATED;
    else
        missing_count += is_acknowledged[thread] && operation->status != SHARD_OK;
}

/* One key of each thread. */
static void ask_both(enum shard_verb verb)
{
    static uint8_t value[VALUE_BYTES];
    bool has_key[THREADS] = {false};
    for (uint32_t number = 0; !has_key[0] || !has_key[1]; number++) {
        char name[32];
        uint32_t bytes = (uint32_t)snprintf(name, sizeof(name), "ns%ckey-%u", 0, number);
        uint32_t thread = shard_of_hash(key_hash_shard(name, bytes)) % THREADS;
        if (has_key[thread])
            continue;
        has_key[thread] = true;
        struct shard_operation *operation = harness_operation(&harness, verb, name, bytes);
        operation->owner_numbers[0] = thread;
        if (verb == SHARD_PUT)
            harness_set_value(&harness, operation, value, sizeof(value));
        harness_submit(&harness, operation);
    }
    harness_settle(&harness);
}

/* NULL, or what is wrong. */
static const char *run(uint64_t seed, uint64_t failing_sync)
{
    const char *wrong = NULL;
    harness_init(&harness, seed);
    harness.answer = on_answer;
    for (uint32_t code = 0; code < IO_CODE_COUNT;
         code++) /* both threads see both ends in a round */
        io_simulator_set_latency_us(harness.sim, (enum io_code)code, LATENCY_US);
    memset(is_acknowledged, 0, sizeof(is_acknowledged));
    missing_count = 0;
    if (harness_open(&harness, THREADS) != 0)
        return "the store does not open at first";
    io_simulator_fail_sync_at(harness.sim, failing_sync);
    ask_both(SHARD_PUT);
    harness_crash(&harness, IO_CRASH_DROP);
    if (harness_open(&harness, THREADS) != 0) {
        harness_drop_loops(&harness);
        wrong = "the store does not open";
    } else {
        ask_both(SHARD_GET);
        harness_close(&harness);
        wrong = missing_count > 0 ? "an acknowledged value is gone" : NULL;
    }
    harness_destroy(&harness);
    return wrong;
}

int main(int count, char **words)
{
    log_set_level((enum log_level) - 1); /* failures are made on purpose */
    if (count == 2 && strcmp(words[1], "--plant") == 0)
        planted_bug_active = PLANTED_DIRECTORY_TOGETHER;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        for (uint64_t sync = 0; sync < SYNCS; sync++) {
            const char *wrong = run(seed, sync);
            if (wrong == NULL)
                continue;
            printf("FAILED: %s (seed %" PRIu64 ", sync %" PRIu64 ")\n", wrong, seed, sync);
            return 1;
        }
    printf("%u runs, nothing acknowledged was lost\n", SEEDS * SYNCS);
    return 0;
}
