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

const char *const request_route_names[REQUEST_ROUTE_COUNT] = {
#define REQUEST_ROUTE(name) #name,
#include "include/request_routes.def"
#undef REQUEST_ROUTE
};

/* clang-format off */
#define REQUEST_STATUSES(STATUS) \
    STATUS(0, 0) STATUS(1, 200) STATUS(2, 201) STATUS(3, 202) STATUS(4, 204) \
    STATUS(5, 206) STATUS(6, 303) STATUS(7, 304) STATUS(8, 400) STATUS(9, 401) \
    STATUS(10, 403) STATUS(11, 404) STATUS(12, 405) STATUS(13, 408) STATUS(14, 409) \
    STATUS(15, 411) STATUS(16, 412) STATUS(17, 413) STATUS(18, 414) STATUS(19, 415) \
    STATUS(20, 416) STATUS(21, 417) STATUS(22, 422) STATUS(23, 428) STATUS(24, 429) \
    STATUS(25, 431) STATUS(26, 500) STATUS(27, 501) STATUS(28, 503) STATUS(29, 504) \
    STATUS(30, 505) STATUS(31, 507)
/* clang-format on */

const uint16_t request_statuses[REQUEST_STATUS_COUNT] = {
#define STATUS_BY_SLOT(slot, status) [slot] = status,
    REQUEST_STATUSES(STATUS_BY_SLOT)};

const uint8_t request_status_slot[1024] = {
#define SLOT_BY_STATUS(slot, status) [status] = slot,
    REQUEST_STATUSES(SLOT_BY_STATUS)};

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
