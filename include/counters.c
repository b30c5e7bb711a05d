/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/counters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const counter_names[COUNTER_COUNT] = {
#define COUNTER(name, unit, sentence) #name,
#include "include/counters.def"
#undef COUNTER
};

const char *const counter_units[COUNTER_COUNT] = {
#define COUNTER(name, unit, sentence) unit,
#include "include/counters.def"
#undef COUNTER
};

const char *const counter_sentences[COUNTER_COUNT] = {
#define COUNTER(name, unit, sentence) sentence,
#include "include/counters.def"
#undef COUNTER
};

const char *const drop_reason_names[DROP_REASON_COUNT] = {
    "NONE",
#define DROP_REASON(name, sentence) #name,
#include "include/drop_reasons.def"
#undef DROP_REASON
};

const char *const drop_reason_sentences[DROP_REASON_COUNT] = {
    "not dropped",
#define DROP_REASON(name, sentence) sentence,
#include "include/drop_reasons.def"
#undef DROP_REASON
};

static struct counters *registry[COUNTER_BLOCKS_MAX];
static _Atomic uint32_t registry_count;

struct counters *counters_register(const char *thread_name)
{
    uint32_t index = atomic_load_explicit(&registry_count, memory_order_relaxed);
    if (index == COUNTER_BLOCKS_MAX)
        return NULL;
    struct counters *block = aligned_alloc(GUARD_BYTES, sizeof(*block));
    if (!block)
        return NULL;
    memset(block, 0, sizeof(*block));
    snprintf(block->thread_name, sizeof(block->thread_name), "%s", thread_name);
    registry[index] = block;
    /* Release pairs with the acquire in counters_blocks: the block is filled before it is listed.
     */
    atomic_store_explicit(&registry_count, index + 1, memory_order_release);
    return block;
}

uint32_t counters_blocks(struct counters *const **blocks)
{
    *blocks = registry;
    return atomic_load_explicit(&registry_count, memory_order_acquire);
}
