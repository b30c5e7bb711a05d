/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One region holds everything: first the large chunks, behind them the blob heads. Large chunks are
 * split into eight small ones on demand and become whole again as soon as all eight are free, so
 * neither size has a share of its own to run out of. What fragmentation could still do is bounded:
 * a quarter of the chunks is never split for values, a value that finds no chunk of its size takes
 * the other size, and there is one head for every small chunk, so heads cannot run out first.
 *
 * Shared lists are stacks of indices with a tag against ABA; nothing ever waits. A large chunk's
 * state says which of its small chunks are free, whether it is whole, and whether it is on the list
 * of split chunks with something free. It may stay on that list after it became whole again;
 * whoever takes it from there sees that and passes on.
 */
#include "include/blob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/memory_region.h"

#define SMALL_PER_LARGE (BLOB_LARGE_CHUNK_BYTES / BLOB_SMALL_CHUNK_BYTES)
#define ALL_SMALL_FREE ((1u << SMALL_PER_LARGE) - 1)
#define STATE_IS_LISTED 0x100u /* on the list of split chunks */
#define STATE_IS_WHOLE 0x200u  /* a large chunk: free or in use as one */
#define STALE_SKIPS_MAX 64u

#define STOCK_SMALL 64u
#define STOCK_LARGE 16u
#define STOCK_HEADS 64u
#define REFILL_LARGE 8u
#define REFILL_HEADS 32u
#define HEAD_BYTES 256u
#define NOTHING UINT32_MAX

static_assert(sizeof(struct blob) <= HEAD_BYTES, "a head's slot");
static_assert(SMALL_PER_LARGE == 8, "one bit of the state each");
static_assert((BLOB_DIRECT_CHUNKS + BLOB_TABLES * BLOB_TABLE_CHUNKS) *
                      (uint64_t)BLOB_LARGE_CHUNK_BYTES >=
                  BLOB_BYTES_MAX,
              "the largest value fits");

/* A stack of indices: `next` has one link per index. */
struct index_stack {
    alignas(GUARD_BYTES) _Atomic uint64_t top; /* tag in the high half, index in the low */
    _Atomic uint32_t *next;
};

struct blob_pool {
    struct memory_region region;
    uint8_t *base; /* of the region */
    uint8_t *heads;
    uint32_t large_count;
    uint32_t head_count;
    uint32_t split_max;
    uint32_t threads_max;
    _Atomic uint16_t *state;      /* of each large chunk */
    uint64_t *device_addresses;   /* of each large chunk */
    struct index_stack whole;     /* free large chunks */
    struct index_stack split;     /* large chunks with free small ones */
    struct index_stack free_head; /* unused heads */
    alignas(GUARD_BYTES) _Atomic uint32_t split_count;
    alignas(GUARD_BYTES) _Atomic int64_t free_bytes; /* in the shared lists */
    _Atomic uint32_t stock_count;
};

struct blob_stock {
    alignas(GUARD_BYTES) struct blob_pool *pool;
    uint32_t small_count, large_count, head_count;
    uint32_t small[STOCK_SMALL]; /* numbered across the region */
    uint32_t large[STOCK_LARGE];
    uint32_t head[STOCK_HEADS];
};

/* --- shared stacks ------------------------------------------------------------------------- */

static int stack_create(struct index_stack *stack, uint32_t count)
{
    stack->next = calloc(count, sizeof(*stack->next));
    atomic_init(&stack->top, NOTHING);
    return stack->next ? 0 : -ENOMEM;
}

static uint64_t stack_top(uint64_t previous, uint32_t index)
{
    return (((previous >> 32) + 1) << 32) | index;
}

/* `first` to `last` are linked already, by the caller alone. */
static void stack_push_chain(struct index_stack *stack, uint32_t first, uint32_t last)
{
    uint64_t top = atomic_load_explicit(&stack->top, memory_order_relaxed);
    do {
        atomic_store_explicit(&stack->next[last], (uint32_t)top, memory_order_relaxed);
        /* Release pairs with the acquire in stack_pop: links and contents before the index. */
    } while (!atomic_compare_exchange_weak_explicit(&stack->top, &top, stack_top(top, first),
                                                    memory_order_release, memory_order_relaxed));
}

static uint32_t stack_pop(struct index_stack *stack)
{
    uint64_t top = atomic_load_explicit(&stack->top, memory_order_acquire);
    for (;;) {
        uint32_t index = (uint32_t)top;
        if (index == NOTHING)
            return NOTHING;
        /* The link may be another thread's by now; then the tag has moved on and the exchange
         * fails. */
        uint32_t below = atomic_load_explicit(&stack->next[index], memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&stack->top, &top, stack_top(top, below),
                                                  memory_order_acquire, memory_order_acquire))
            return index;
    }
}

/* --- large and small chunks in the shared lists ---------------------------------------------- */

static void free_bytes_add(struct blob_pool *pool, int64_t bytes)
{
    atomic_fetch_add_explicit(&pool->free_bytes, bytes, memory_order_relaxed);
}

static uint32_t whole_take(struct blob_pool *pool)
{
    uint32_t large = stack_pop(&pool->whole);
    if (large != NOTHING)
        free_bytes_add(pool, -(int64_t)BLOB_LARGE_CHUNK_BYTES);
    return large;
}

static void whole_give(struct blob_pool *pool, uint32_t large)
{
    stack_push_chain(&pool->whole, large, large);
    free_bytes_add(pool, BLOB_LARGE_CHUNK_BYTES);
}

static void small_give(struct blob_pool *pool, uint32_t small)
{
    uint32_t large = small / SMALL_PER_LARGE;
    uint16_t bit = (uint16_t)(1u << (small % SMALL_PER_LARGE));
    uint16_t before = atomic_load_explicit(&pool->state[large], memory_order_relaxed);
    uint16_t after;
    do {
        ASSERT((before & (bit | STATE_IS_WHOLE)) == 0); /* freed twice */
        after = before | bit | STATE_IS_LISTED;
        if ((after & ALL_SMALL_FREE) == ALL_SMALL_FREE)
            after = (before & STATE_IS_LISTED) | STATE_IS_WHOLE;
        /* Both orders: what this thread wrote before giving, and what seven others wrote, is seen.
         */
    } while (!atomic_compare_exchange_weak_explicit(&pool->state[large], &before, after,
                                                    memory_order_acq_rel, memory_order_relaxed));
    if (after & STATE_IS_WHOLE) {
        atomic_fetch_sub_explicit(&pool->split_count, 1, memory_order_relaxed);
        stack_push_chain(&pool->whole, large, large);
    } else if (!(before & STATE_IS_LISTED)) {
        stack_push_chain(&pool->split, large, large);
    }
    free_bytes_add(pool, BLOB_SMALL_CHUNK_BYTES);
}

/* Takes all free small chunks of one split chunk: a mask, 0 when there is none. */
static uint16_t split_take(struct blob_pool *pool, uint32_t *large)
{
    for (uint32_t skips = 0; skips < STALE_SKIPS_MAX; skips++) {
        *large = stack_pop(&pool->split);
        if (*large == NOTHING)
            return 0;
        uint16_t before = atomic_load_explicit(&pool->state[*large], memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&pool->state[*large], &before,
                                                      (uint16_t)(before & STATE_IS_WHOLE),
                                                      memory_order_acq_rel, memory_order_relaxed))
            ;
        uint16_t mask = before & ALL_SMALL_FREE;
        if (mask) {
            free_bytes_add(pool, -(int64_t)__builtin_popcount(mask) * BLOB_SMALL_CHUNK_BYTES);
            return mask;
        }
    }
    return 0;
}

/* Splits a whole chunk: all eight go to the caller. Values leave a quarter of the pool unsplit. */
static bool split_more(struct blob_pool *pool, bool may_use_reserve, uint32_t *large)
{
    uint32_t limit = may_use_reserve ? pool->large_count : pool->split_max;
    if (atomic_fetch_add_explicit(&pool->split_count, 1, memory_order_relaxed) < limit) {
        *large = whole_take(pool);
        if (*large != NOTHING) {
            atomic_fetch_and_explicit(&pool->state[*large], (uint16_t)~STATE_IS_WHOLE,
                                      memory_order_relaxed);
            return true;
        }
    }
    atomic_fetch_sub_explicit(&pool->split_count, 1, memory_order_relaxed);
    return false;
}

/* --- a thread's stock --------------------------------------------------------------------------
 */

static bool stock_refill_small(struct blob_stock *stock, bool may_use_reserve)
{
    uint32_t large;
    uint16_t mask = split_take(stock->pool, &large);
    if (!mask && split_more(stock->pool, may_use_reserve, &large))
        mask = ALL_SMALL_FREE;
    for (; mask; mask &= (uint16_t)(mask - 1))
        stock->small[stock->small_count++] =
            large * SMALL_PER_LARGE + (uint32_t)__builtin_ctz(mask);
    return stock->small_count > 0;
}

static uint8_t *small_take(struct blob_stock *stock, bool may_use_reserve)
{
    if (stock->small_count == 0 && !stock_refill_small(stock, may_use_reserve))
        return NULL;
    return stock->pool->base + (size_t)stock->small[--stock->small_count] * BLOB_SMALL_CHUNK_BYTES;
}

static uint8_t *large_take(struct blob_stock *stock)
{
    if (stock->large_count == 0) {
        for (uint32_t i = 0; i < REFILL_LARGE; i++) {
            uint32_t large = whole_take(stock->pool);
            if (large == NOTHING)
                break;
            stock->large[stock->large_count++] = large;
        }
        if (stock->large_count == 0)
            return NULL;
    }
    return stock->pool->base + (size_t)stock->large[--stock->large_count] * BLOB_LARGE_CHUNK_BYTES;
}

static uint32_t chunk_number(const struct blob_pool *pool, const uint8_t *chunk,
                             uint32_t chunk_bytes)
{
    size_t offset = (size_t)(chunk - pool->base);
    ASSERT(offset < (size_t)pool->large_count * BLOB_LARGE_CHUNK_BYTES);
    return (uint32_t)(offset / chunk_bytes);
}

static void small_return(struct blob_stock *stock, const uint8_t *chunk)
{
    if (stock->small_count == STOCK_SMALL)
        while (stock->small_count > STOCK_SMALL / 2)
            small_give(stock->pool, stock->small[--stock->small_count]);
    stock->small[stock->small_count++] = chunk_number(stock->pool, chunk, BLOB_SMALL_CHUNK_BYTES);
}

static void large_return(struct blob_stock *stock, const uint8_t *chunk)
{
    if (stock->large_count == STOCK_LARGE)
        while (stock->large_count > STOCK_LARGE / 2)
            whole_give(stock->pool, stock->large[--stock->large_count]);
    stock->large[stock->large_count++] = chunk_number(stock->pool, chunk, BLOB_LARGE_CHUNK_BYTES);
}

static struct blob *head_take(struct blob_stock *stock)
{
    for (uint32_t i = 0; stock->head_count == 0 || (i > 0 && i < REFILL_HEADS); i++) {
        uint32_t head = stack_pop(&stock->pool->free_head);
        if (head == NOTHING)
            break;
        stock->head[stock->head_count++] = head;
    }
    if (stock->head_count == 0)
        return NULL;
    return (struct blob *)(stock->pool->heads +
                           (size_t)stock->head[--stock->head_count] * HEAD_BYTES);
}

static void head_return(struct blob_stock *stock, const struct blob *blob)
{
    if (stock->head_count == STOCK_HEADS)
        while (stock->head_count > STOCK_HEADS / 2) {
            uint32_t head = stock->head[--stock->head_count];
            stack_push_chain(&stock->pool->free_head, head, head);
        }
    stock->head[stock->head_count++] =
        (uint32_t)((size_t)((const uint8_t *)blob - stock->pool->heads) / HEAD_BYTES);
}

static uint8_t *chunk_take(struct blob_stock *stock, uint32_t chunk_bytes)
{
    return chunk_bytes == BLOB_LARGE_CHUNK_BYTES ? large_take(stock) : small_take(stock, false);
}

static void chunk_return(struct blob_stock *stock, uint8_t *chunk, uint32_t chunk_bytes)
{
    if (chunk_bytes == BLOB_LARGE_CHUNK_BYTES)
        large_return(stock, chunk);
    else
        small_return(stock, chunk);
}

/* --- the pool ------------------------------------------------------------------------------------
 */

static int region_create(struct blob_pool *pool, size_t bytes)
{
    int result = memory_region_create(&pool->region, "values", bytes, BLOB_LARGE_CHUNK_BYTES,
                                      MEMORY_SOCKET_ANY, MEMORY_FOR_DEVICES);
    if (result)
        return result;
    pool->base = pool->region.base;
    for (uint32_t large = 0; large < pool->large_count; large++)
        pool->device_addresses[large] = memory_region_device_address(
            &pool->region, pool->base + (size_t)large * BLOB_LARGE_CHUNK_BYTES);
    return 0;
}

static void pool_fill_lists(struct blob_pool *pool)
{
    for (uint32_t large = pool->large_count; large-- > 0;) { /* lowest address on top */
        atomic_init(&pool->state[large], STATE_IS_WHOLE);
        whole_give(pool, large);
    }
    for (uint32_t head = pool->head_count; head-- > 0;)
        stack_push_chain(&pool->free_head, head, head);
}

int blob_pool_create(size_t bytes, uint32_t threads_max, struct blob_pool **out)
{
    const size_t bytes_per_large = BLOB_LARGE_CHUNK_BYTES + SMALL_PER_LARGE * HEAD_BYTES;
    size_t large_count = bytes / bytes_per_large;
    if (large_count == 0 || large_count > (NOTHING - 1) / SMALL_PER_LARGE || threads_max == 0)
        return -EINVAL;
    struct blob_pool *pool = aligned_alloc(GUARD_BYTES, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    memset(pool, 0, sizeof(*pool));
    pool->large_count = (uint32_t)large_count;
    pool->head_count = pool->large_count * SMALL_PER_LARGE;
    pool->split_max = pool->large_count - pool->large_count / 4;
    pool->threads_max = threads_max;
    pool->state = calloc(large_count, sizeof(*pool->state));
    pool->device_addresses = calloc(large_count, sizeof(*pool->device_addresses));
    if (!pool->state || !pool->device_addresses || stack_create(&pool->whole, pool->large_count) ||
        stack_create(&pool->split, pool->large_count) ||
        stack_create(&pool->free_head, pool->head_count) ||
        region_create(pool, large_count * bytes_per_large)) {
        blob_pool_destroy(pool);
        return -ENOMEM;
    }
    pool->heads = pool->base + large_count * BLOB_LARGE_CHUNK_BYTES;
    pool_fill_lists(pool);
    *out = pool;
    return 0;
}

void blob_pool_destroy(struct blob_pool *pool)
{
    if (!pool)
        return;
    memory_region_destroy(&pool->region);
    free(pool->whole.next);
    free(pool->split.next);
    free(pool->free_head.next);
    free(pool->device_addresses);
    free((void *)pool->state);
    free(pool);
}

size_t blob_pool_free_bytes(const struct blob_pool *pool)
{
    int64_t bytes = atomic_load_explicit(&pool->free_bytes, memory_order_relaxed);
    return bytes > 0 ? (size_t)bytes : 0;
}

size_t blob_pool_total_bytes(const struct blob_pool *pool)
{
    return (size_t)pool->large_count * BLOB_LARGE_CHUNK_BYTES;
}

struct blob_stock *blob_stock_create(struct blob_pool *pool)
{
    if (atomic_fetch_add_explicit(&pool->stock_count, 1, memory_order_relaxed) <
        pool->threads_max) {
        struct blob_stock *stock = aligned_alloc(GUARD_BYTES, sizeof(*stock));
        if (stock) {
            memset(stock, 0, sizeof(*stock));
            stock->pool = pool;
            return stock;
        }
    }
    atomic_fetch_sub_explicit(&pool->stock_count, 1, memory_order_relaxed);
    return NULL;
}

void blob_stock_destroy(struct blob_stock *stock)
{
    if (!stock)
        return;
    while (stock->small_count > 0)
        small_give(stock->pool, stock->small[--stock->small_count]);
    while (stock->large_count > 0)
        whole_give(stock->pool, stock->large[--stock->large_count]);
    while (stock->head_count > 0) {
        uint32_t head = stock->head[--stock->head_count];
        stack_push_chain(&stock->pool->free_head, head, head);
    }
    atomic_fetch_sub_explicit(&stock->pool->stock_count, 1, memory_order_relaxed);
    free(stock);
}

/* --- blobs ------------------------------------------------------------------------------------ */

static uint32_t blob_chunk_count(const struct blob *blob)
{
    return blob->capacity_bytes / blob->chunk_bytes;
}

static uint8_t **blob_chunk_slot(struct blob *blob, uint32_t chunk)
{
    if (chunk < BLOB_DIRECT_CHUNKS)
        return &blob->direct[chunk];
    chunk -= BLOB_DIRECT_CHUNKS;
    return &blob->table[chunk / BLOB_TABLE_CHUNKS][chunk % BLOB_TABLE_CHUNKS];
}

/* The table that chunk `chunk` opens, when it is the first in one. */
static bool blob_chunk_opens_table(uint32_t chunk, uint32_t *table)
{
    if (chunk < BLOB_DIRECT_CHUNKS || (chunk - BLOB_DIRECT_CHUNKS) % BLOB_TABLE_CHUNKS != 0)
        return false;
    *table = (uint32_t)((chunk - BLOB_DIRECT_CHUNKS) / BLOB_TABLE_CHUNKS);
    return true;
}

static bool blob_grow_by_one(struct blob_stock *stock, struct blob *blob)
{
    uint32_t chunk = blob_chunk_count(blob), table;
    bool opens_table = blob_chunk_opens_table(chunk, &table);
    if (opens_table) {
        blob->table[table] = (uint8_t **)small_take(stock, true);
        if (!blob->table[table])
            return false;
    }
    uint8_t *bytes = chunk_take(stock, blob->chunk_bytes);
    if (!bytes) {
        if (opens_table)
            small_return(stock, (uint8_t *)blob->table[table]);
        return false;
    }
    *blob_chunk_slot(blob, chunk) = bytes;
    blob->capacity_bytes += blob->chunk_bytes;
    return true;
}

static void blob_shrink_to(struct blob_stock *stock, struct blob *blob, uint32_t capacity_bytes)
{
    while (blob->capacity_bytes > capacity_bytes) {
        uint32_t chunk = blob_chunk_count(blob) - 1, table;
        chunk_return(stock, *blob_chunk_slot(blob, chunk), blob->chunk_bytes);
        if (blob_chunk_opens_table(chunk, &table))
            small_return(stock, (uint8_t *)blob->table[table]);
        blob->capacity_bytes -= blob->chunk_bytes;
    }
}

bool blob_reserve(struct blob_stock *stock, struct blob *blob, uint32_t capacity_bytes)
{
    const uint32_t chunks_max = BLOB_DIRECT_CHUNKS + BLOB_TABLES * (uint32_t)BLOB_TABLE_CHUNKS;
    uint32_t before = blob->capacity_bytes;
    if (capacity_bytes > BLOB_BYTES_MAX)
        return false;
    if ((capacity_bytes + blob->chunk_bytes - 1) / blob->chunk_bytes > chunks_max)
        return false; /* of small chunks only: 16 MiB */
    while (blob->capacity_bytes < capacity_bytes) {
        if (!blob_grow_by_one(stock, blob)) {
            blob_shrink_to(stock, blob, before);
            return false;
        }
    }
    return true;
}

struct blob *blob_create(struct blob_stock *stock, uint32_t capacity_bytes)
{
    static const uint32_t sizes[] = {BLOB_SMALL_CHUNK_BYTES, BLOB_LARGE_CHUNK_BYTES};
    struct blob *blob = head_take(stock);
    if (!blob)
        return NULL;
    atomic_store_explicit(&blob->references, 1, memory_order_relaxed);
    blob->length_bytes = 0;
    blob->capacity_bytes = 0;
    bool wants_large = capacity_bytes > BLOB_SMALL_LIMIT_BYTES;
    for (uint32_t attempt = 0; attempt < ARRAY_COUNT(sizes); attempt++) {
        blob->chunk_bytes = sizes[attempt ^ (wants_large ? 1u : 0u)];
        if (blob_reserve(stock, blob, capacity_bytes))
            return blob;
    }
    head_return(stock, blob);
    return NULL;
}

void blob_append(struct blob *blob, const void *bytes, uint32_t length)
{
    ASSERT(length <= blob->capacity_bytes - blob->length_bytes);
    const uint8_t *from = bytes;
    while (length > 0) {
        uint32_t room;
        uint8_t *to = blob_run(blob, blob->length_bytes, &room);
        uint32_t part = length < room ? length : room;
        memcpy(to, from, part);
        blob->length_bytes += part;
        from += part;
        length -= part;
    }
}

void blob_hold(struct blob *blob)
{
    uint32_t before = atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    ASSERT_HOT(before > 0);
    (void)before;
}

void blob_release(struct blob_stock *stock, struct blob *blob)
{
    /* Release, then acquire by the last one: everyone's reads are over before the chunks go. */
    uint32_t before = atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1)
        return;
    blob_shrink_to(stock, blob, 0);
    head_return(stock, blob);
}

uint8_t *blob_run(const struct blob *blob, uint32_t offset, uint32_t *run_bytes)
{
    ASSERT(offset < blob->capacity_bytes);
    uint32_t shift = blob->chunk_bytes == BLOB_LARGE_CHUNK_BYTES ? 15 : 12;
    uint32_t inside = offset & (blob->chunk_bytes - 1);
    *run_bytes = blob->chunk_bytes - inside;
    return *blob_chunk_slot((struct blob *)(uintptr_t)blob, offset >> shift) + inside;
}

static_assert(BLOB_LARGE_CHUNK_BYTES == 1u << 15 && BLOB_SMALL_CHUNK_BYTES == 1u << 12,
              "shifts in blob_run");

void blob_copy_out(const struct blob *blob, uint32_t offset, void *out, uint32_t length)
{
    ASSERT(offset <= blob->length_bytes && length <= blob->length_bytes - offset);
    uint8_t *to = out;
    while (length > 0) {
        uint32_t run_bytes;
        const uint8_t *from = blob_run(blob, offset, &run_bytes);
        uint32_t part = length < run_bytes ? length : run_bytes;
        memcpy(to, from, part);
        offset += part;
        to += part;
        length -= part;
    }
}

uint64_t blob_device_address(const struct blob_pool *pool, const void *byte)
{
    uint32_t large = chunk_number(pool, byte, BLOB_LARGE_CHUNK_BYTES);
    const uint8_t *chunk = pool->base + (size_t)large * BLOB_LARGE_CHUNK_BYTES;
    return pool->device_addresses[large] + (uint64_t)((const uint8_t *)byte - chunk);
}
