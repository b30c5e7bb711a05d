/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A counter whose every step carries a companion that says it was done. The machine dies at each
 * I/O, in every way; the client, which was told nothing, tries again. Each step happens once.
 *
 *   store_companion_sim [--plant]      a step is committed without its companion
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/planted_bugs.h"
#include "include/key_hash.h"
#include "include/log.h"
#include "tests/sim/store_harness.h"

#define STEPS 6u
#define CRASH_LAST 110u /* I/O operations of a run, about */
#define CRASH_STRIDE 7u
#define TRIES_MAX 16u
#define LARGE_BYTES 20000u /* in a file of its own */

static const char counter_key[] = "ns\0counter";

static struct harness harness;
static struct {
    bool is_answered;
    uint8_t status, companion_status;
    uint64_t version;
    uint32_t number; /* of the value */
} last;
static uint8_t value[LARGE_BYTES];

static void on_answer(void *context, struct shard_operation *operation)
{
    (void)context;
    last.is_answered = true;
    last.status = operation->status;
    last.version = operation->version;
    last.number = 0;
    if (operation->companion != NULL) {
        last.companion_status = operation->companion->status;
        free(operation->companion);
    }
    if (operation->verb == SHARD_GET && operation->status == SHARD_OK) {
        harness_copy_value(operation, value);
        memcpy(&last.number, value, sizeof(last.number));
    }
}

/* False: the machine died meanwhile. */
static bool submit(struct shard_operation *operation)
{
    struct shard_operation *companion = operation->companion;
    last.is_answered = false;
    harness_submit(&harness, operation);
    bool is_settled = harness_settle(&harness);
    if (!is_settled && !last.is_answered)
        free(companion);
    return is_settled;
}

static uint32_t companion_key(uint32_t step, char *key, size_t room)
{
    uint8_t shard = shard_of_hash(key_hash_shard(counter_key, sizeof(counter_key) - 1));
    for (uint32_t number = 0;; number++) {
        uint32_t bytes = (uint32_t)snprintf(key, room, "$%cstep-%u-%u", 0, step, number);
        if (shard_of_hash(key_hash_shard(key, bytes)) == shard)
            return bytes;
    }
}

static struct shard_operation *companion_of(uint32_t step)
{
    char key[64];
    struct shard_operation *companion = aligned_alloc(CACHE_LINE_BYTES, sizeof(*companion));
    memset(companion, 0, sizeof(*companion));
    companion->verb = SHARD_PUT;
    companion->key_bytes = (uint16_t)companion_key(step, key, sizeof(key));
    memcpy(companion->bytes, key, companion->key_bytes);
    companion->shard_hash = key_hash_shard(key, companion->key_bytes);
    return companion;
}

static bool read_key(const char *key, uint32_t key_bytes)
{
    return submit(harness_operation(&harness, SHARD_GET, key, key_bytes));
}

enum attempt { ATTEMPT_DONE, ATTEMPT_AGAIN, ATTEMPT_CRASHED, ATTEMPT_WRONG };

/* As a client that knows nothing: reads, adds one, and asks that it be done once. */
static enum attempt attempt(uint32_t step, enum shard_write_policy policy, bool is_large)
{
    if (!read_key(counter_key, sizeof(counter_key) - 1))
        return ATTEMPT_CRASHED;
    struct shard_operation *operation =
        harness_operation(&harness, SHARD_PUT, counter_key, sizeof(counter_key) - 1);
    operation->condition = last.version != 0 ? SHARD_IF_VERSION_IN : SHARD_IF_ABSENT;
    operation->version_count = 1;
    operation->versions[0] = last.version;
    operation->write_policy = (uint8_t)policy;
    operation->companion = companion_of(step);
    uint32_t sum = last.number + 1;
    memcpy(value, &sum, sizeof(sum));
    harness_set_value(&harness, operation, value, is_large ? LARGE_BYTES : sizeof(sum));
    if (!submit(operation))
        return ATTEMPT_CRASHED;
    if (last.status == SHARD_OK || last.status == SHARD_CREATED)
        return ATTEMPT_DONE;
    if (last.status != SHARD_CONDITION_FAILED)
        return ATTEMPT_WRONG;
    return last.companion_status == SHARD_CONDITION_FAILED ? ATTEMPT_DONE : ATTEMPT_AGAIN;
}

static const char *recover(enum io_crash_mode mode)
{
    io_simulator_clear_faults(harness.sim);
    harness_crash(&harness, mode);
    if (harness_open(&harness, 1) == 0)
        return NULL;
    harness_drop_loops(&harness);
    return "the store does not open";
}

static const char *take_step(uint32_t step, enum shard_write_policy policy, enum io_crash_mode mode)
{
    for (uint32_t i = 0; i < TRIES_MAX; i++) {
        const char *wrong;
        switch (attempt(step, policy, step % 3 == 0)) {
        case ATTEMPT_DONE:
            if (step % 2 == 0 && i == 0)
                break; /* the answer was lost on its way: once more */
            return NULL;
        case ATTEMPT_AGAIN:
            break;
        case ATTEMPT_CRASHED:
            wrong = recover(mode);
            if (wrong != NULL)
                return wrong;
            break;
        case ATTEMPT_WRONG:
            return "a step is refused";
        }
    }
    return "a step does not end";
}

/* Steps done are those that say so, and each of them counted once. */
static const char *judge(enum shard_write_policy policy)
{
    uint32_t done = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        char key[64];
        read_key(key, companion_key(step, key, sizeof(key)));
        done += last.status == SHARD_OK;
    }
    read_key(counter_key, sizeof(counter_key) - 1);
    if (last.number != done)
        return "the counter is not what its companions say";
    return policy == SHARD_WRITE_THROUGH && done != STEPS ? "an acknowledged step is lost" : NULL;
}

static const char *run(uint64_t seed, uint64_t crash_after, enum io_crash_mode mode,
                       enum shard_write_policy policy)
{
    const char *wrong = NULL;
    harness_init(&harness, seed);
    harness.answer = on_answer;
    if (harness_open(&harness, 1) != 0)
        return "the store does not open at first";
    io_simulator_crash_after(harness.sim, crash_after);
    for (uint32_t step = 0; step < STEPS && wrong == NULL; step++)
        wrong = take_step(step, policy, mode);
    if (wrong == NULL)
        wrong = recover(mode); /* once more, with what is in memory only */
    if (wrong == NULL)
        wrong = judge(policy);
    if (harness.set != NULL)
        harness_close(&harness);
    if (wrong == NULL)
        harness_destroy(&harness);
    return wrong;
}

int main(int count, char **words)
{
    uint32_t runs = 0;
    log_set_level((enum log_level) - 1); /* crashes are made on purpose */
    if (count == 2 && strcmp(words[1], "--plant") == 0)
        planted_bug_active = PLANTED_LEAVE_COMPANION;
    for (uint32_t policy = SHARD_WRITE_THROUGH; policy <= SHARD_WRITE_BEHIND; policy++)
        for (uint32_t mode = 0; mode < IO_CRASH_MODE_COUNT; mode++)
            for (uint64_t crash = 1; crash < CRASH_LAST; crash += CRASH_STRIDE) {
                const char *wrong = run(crash % 7 + 1, crash, (enum io_crash_mode)mode,
                                        (enum shard_write_policy)policy);
                runs++;
                if (wrong == NULL)
                    continue;
                printf("FAILED: %s (crash in I/O %" PRIu64 ", %s, policy %u)\n", wrong, crash,
                       io_crash_mode_names[mode], policy);
                return 1;
            }
    printf("%u crashes, each step was taken once\n", runs);
    return 0;
}
