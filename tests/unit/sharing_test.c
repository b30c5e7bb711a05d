/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What different threads write must lie in different guard pairs (GUARD_BYTES: the line and the one
 * the prefetcher brings along), wherever the allocator put it. Looked at as it lies after creation.
 */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ring.h>

#include "dataplane/core_loop.h"
#include "include/counters.h"
#include "include/shard_fabric.h"
#include "include/shard_operation.h"

#define SPANS_MAX 128u
#define WORKERS 3u
#define CONTROLS 2u
#define TASK_THREADS 1u

static_assert(sizeof(struct sleeper) % GUARD_BYTES == 0, "sleepers stand in an array");
static_assert(alignof(struct sleeper) == GUARD_BYTES, "sleepers stand in an array");
static_assert(sizeof(struct counters) % GUARD_BYTES == 0, "a block ends where another may begin");
static_assert(offsetof(struct core, wanted_phase) % GUARD_BYTES == 0,
              "what main writes is not on a line of the round");
static_assert(alignof(struct wall_clock) == GUARD_BYTES, "any thread may write it");

/* Bytes that one thread writes. `writer` 0: nobody does any more, everybody reads. */
struct span {
    char what[48];
    uint32_t writer;
    uintptr_t begin, end;
};

struct spans {
    struct span span[SPANS_MAX];
    uint32_t count;
};

static void add(struct spans *spans, uint32_t writer, const void *at, size_t bytes,
                const char *what, uint32_t from, uint32_t to)
{
    struct span *span = &spans->span[spans->count++];
    assert_true(spans->count <= SPANS_MAX);
    *span = (struct span){.writer = writer, .begin = (uintptr_t)at, .end = (uintptr_t)at + bytes};
    snprintf(span->what, sizeof(span->what), "%s %u-%u", what, from, to);
}

static bool share_a_guard_pair(const struct span *a, const struct span *b)
{
    return a->begin / GUARD_BYTES <= (b->end - 1) / GUARD_BYTES &&
           b->begin / GUARD_BYTES <= (a->end - 1) / GUARD_BYTES;
}

/* How many pairs of spans of different writers share one; prints them. */
static uint32_t count_shared(const struct spans *spans)
{
    uint32_t shared = 0;
    for (uint32_t i = 0; i < spans->count; i++)
        for (uint32_t j = 0; j < i; j++) {
            const struct span *a = &spans->span[i], *b = &spans->span[j];
            if (a->writer == b->writer || !share_a_guard_pair(a, b))
                continue;
            print_message("shared: %s and %s\n", a->what, b->what);
            shared++;
        }
    return shared;
}

static void check_notices_writers_on_neighbouring_lines(void **state)
{
    (void)state;
    alignas(GUARD_BYTES) static uint64_t words[4 * GUARD_BYTES / sizeof(uint64_t)];
    static const struct {
        uint32_t second_writer, second_at;
        uint32_t expected;
    } cases[] = {
        {2, 1, 1},  /* the same line */
        {2, 15, 1}, /* the other line of the pair */
        {2, 16, 0}, /* the next pair */
        {1, 1, 0},  /* the same thread */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct spans spans = {.count = 0};
        add(&spans, 1, &words[0], 8, "planted", 0, 0);
        add(&spans, cases[i].second_writer, &words[cases[i].second_at], 8, "planted", 0, 1);
        assert_int_equal(count_shared(&spans), cases[i].expected);
    }
}

/* Threads: workers are 1..., control threads follow. */
static uint32_t task_thread(uint32_t thread)
{
    return 1 + WORKERS + CONTROLS + thread;
}

static uint32_t control_thread(uint32_t control)
{
    return 1 + WORKERS + control;
}

static void add_ring(struct spans *spans, const struct message_ring *ring, uint32_t producer,
                     uint32_t consumer, const char *what)
{
    const struct rte_ring *inner = (const struct rte_ring *)ring;
    add(spans, 0, inner, offsetof(struct rte_ring, mask), what, producer, consumer);
    add(spans, producer, &inner->prod, sizeof(inner->prod), "producer of ring", producer, consumer);
    add(spans, consumer, &inner->cons, sizeof(inner->cons), "consumer of ring", producer, consumer);
}

static const struct shard_fabric_shape shape = {.workers = WORKERS,
                                                .controls = CONTROLS,
                                                .task_threads = TASK_THREADS,
                                                .operations_per_worker = 8,
                                                .operations_per_task_thread = 8,
                                                .tasks_per_worker = 4};

static void ends_of_rings_and_sleepers_have_guard_pairs_of_their_own(void **state)
{
    (void)state;
    struct shard_fabric *fabric;
    struct spans spans = {.count = 0};
    assert_int_equal(shard_fabric_create(&shape, &fabric), 0);
    for (uint32_t w = 0; w < WORKERS; w++) {
        for (uint32_t c = 0; c < CONTROLS; c++) {
            add_ring(&spans, fabric->request[w][c], 1 + w, control_thread(c), "request ring");
            add_ring(&spans, fabric->reply[c][w], control_thread(c), 1 + w, "reply ring");
        }
        add(&spans, 1 + w, &fabric->client_sleepers[w], 8, "sleeper of worker", w, w);
        add_ring(&spans, fabric->task_request[w][0], 1 + w, task_thread(0), "task request ring");
        add_ring(&spans, fabric->task_reply[0][w], task_thread(0), 1 + w, "task reply ring");
        add_ring(&spans, fabric->home[w][WORKERS], 1 + w, task_thread(0), "home ring");
    }
    for (uint32_t c = 0; c < CONTROLS; c++)
        add_ring(&spans, fabric->request[WORKERS][c], task_thread(0), control_thread(c),
                 "request ring of a task thread");
    add(&spans, task_thread(0), &fabric->client_sleepers[WORKERS], 8, "sleeper of tasks", 0, 0);
    for (uint32_t c = 0; c < CONTROLS; c++)
        add(&spans, control_thread(c), &fabric->control_sleepers[c], 8, "sleeper of control", c, c);
    add(&spans, 0, fabric, offsetof(struct shard_fabric, client_sleepers), "pointers", 0, 0);
    assert_int_equal(count_shared(&spans), 0);
    shard_fabric_destroy(fabric);
}

/* An operation belongs to whoever holds it: its neighbour in the array may be on another thread. */
static void operations_have_guard_pairs_of_their_own(void **state)
{
    (void)state;
    struct shard_fabric *fabric;
    struct spans spans = {.count = 0};
    assert_int_equal(shard_fabric_create(&shape, &fabric), 0);
    for (uint32_t w = 0; w < WORKERS; w++)
        for (uint32_t i = 0; i < 8; i++)
            add(&spans, 1 + spans.count, &fabric->operations[w][i], sizeof(struct shard_operation),
                "operation of worker", w, i);
    assert_int_equal(count_shared(&spans), 0);
    shard_fabric_destroy(fabric);
}

static void counters_of_threads_have_guard_pairs_of_their_own(void **state)
{
    (void)state;
    struct spans spans = {.count = 0};
    for (uint32_t i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof(name), "thread%u", i);
        struct counters *block = counters_register(name);
        assert_non_null(block);
        add(&spans, 1 + i, block, sizeof(*block), "counters", i, i);
    }
    assert_int_equal(count_shared(&spans), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_notices_writers_on_neighbouring_lines),
        cmocka_unit_test(ends_of_rings_and_sleepers_have_guard_pairs_of_their_own),
        cmocka_unit_test(operations_have_guard_pairs_of_their_own),
        cmocka_unit_test(counters_of_threads_have_guard_pairs_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
