/* SPDX-License-Identifier: BSD-3-Clause */
/* The trace ring: what is in it, what is forgotten, and copies while a thread writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "include/compiler.h"
#include "include/trace_ring.h"

static const uint8_t client4[16] = {192, 0, 2, 7};
static const uint8_t client6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 7};

/* Every byte of event number n tells n, so that a mixture shows. */
static void write_number(struct trace_ring *ring, uint64_t number)
{
    struct trace_event event;
    uint64_t words[TRACE_EVENT_WORDS];
    for (uint32_t i = 0; i < TRACE_EVENT_WORDS; i++)
        words[i] = number;
    memcpy(&event, words, sizeof(event));
    trace_ring_write(ring, &event);
}

/* The event's number; fails when its words do not belong together. */
static uint64_t number_of(const struct trace_event *event)
{
    uint64_t words[TRACE_EVENT_WORDS];
    memcpy(words, event, sizeof(words));
    for (uint32_t i = 1; i < TRACE_EVENT_WORDS; i++)
        if (words[i] != words[0])
            fail_msg("a mixture of %u and %u", (unsigned)words[0], (unsigned)words[i]);
    return words[0];
}

static void the_newest_events_are_kept_in_order(void **state)
{
    (void)state;
    static const struct {
        uint32_t size, written, limit, first, count;
    } cases[] = {
        {8, 0, 100, 0, 0},   {8, 3, 100, 0, 3}, {8, 7, 100, 0, 7}, {8, 8, 100, 1, 7},
        {8, 20, 100, 13, 7}, {8, 20, 5, 15, 5}, {8, 3, 2, 1, 2},   {5, 20, 100, 13, 7},
        {1, 5, 100, 0, 0},   {2, 5, 100, 4, 1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct trace_choice choice = {0};
        struct trace_event copy[128];
        struct trace_ring *ring = trace_ring_create(cases[i].size, &choice);
        assert_non_null(ring);
        for (uint32_t number = 0; number < cases[i].written; number++)
            write_number(ring, number);
        uint32_t count = trace_ring_copy(ring, copy, cases[i].limit);
        if (count != cases[i].count)
            fail_msg("case %u: %u events", (unsigned)i, count);
        for (uint32_t k = 0; k < count; k++)
            assert_int_equal(number_of(&copy[k]), cases[i].first + k);
        trace_ring_destroy(ring);
    }
}

static void only_the_chosen_client_is_wanted(void **state)
{
    (void)state;
    struct trace_choice choice = {0};
    struct trace_ring *ring = trace_ring_create(8, &choice);
    assert_false(trace_ring_is_on(ring));
    assert_false(trace_ring_wants(ring, 4, client4));

    trace_choice_set(&choice, 4, client4);
    assert_true(trace_ring_is_on(ring));
    assert_true(trace_ring_wants(ring, 4, client4));
    assert_false(trace_ring_wants(ring, 6, client6));
    static const uint8_t neighbour[16] = {192, 0, 2, 8};
    assert_false(trace_ring_wants(ring, 4, neighbour));

    trace_choice_set(&choice, 6, client6);
    assert_true(trace_ring_is_on(ring));
    assert_true(trace_ring_wants(ring, 6, client6));
    assert_false(trace_ring_wants(ring, 4, client4));

    trace_choice_set(&choice, 0, client4);
    assert_false(trace_ring_is_on(ring));
    assert_false(trace_ring_wants(ring, 4, client4));
    trace_ring_destroy(ring);
}

static void a_choice_under_way_is_not_taken_half(void **state)
{
    (void)state;
    struct trace_choice choice = {0};
    struct trace_ring *ring = trace_ring_create(8, &choice);
    trace_choice_set(&choice, 4, client4);
    assert_true(trace_ring_is_on(ring));
    atomic_fetch_add(&choice.published.version, 1); /* as trace_choice_set begins */
    atomic_store(&choice.published.words[2], 0);    /* the IP version */
    assert_true(trace_ring_is_on(ring));            /* still the old one */
    assert_true(trace_ring_wants(ring, 4, client4));
    atomic_fetch_add(&choice.published.version, 1);
    assert_false(trace_ring_is_on(ring));
    trace_ring_destroy(ring);
}

/* ---- two threads ---- */

struct race {
    struct trace_ring *ring;
    _Atomic bool is_over;
    uint64_t written;
};

static void *write_until_over(void *argument)
{
    struct race *race = argument;
    while (!atomic_load_explicit(&race->is_over, memory_order_relaxed))
        write_number(race->ring, race->written++);
    return NULL;
}

static void copies_while_the_worker_writes_hold_whole_events_in_a_row(void **state)
{
    (void)state;
    enum { COPIES = 3000, SIZE = 64 };
    static struct trace_event copy[SIZE];
    struct trace_choice choice = {0};
    struct race race = {.ring = trace_ring_create(SIZE, &choice)};
    pthread_t writer;
    uint64_t seen = 0, last = 0;
    assert_int_equal(pthread_create(&writer, NULL, write_until_over, &race), 0);
    for (uint32_t i = 0; i < COPIES || seen == 0; i++) {
        uint32_t count = trace_ring_copy(race.ring, copy, SIZE);
        for (uint32_t k = 0; k < count; k++)
            assert_int_equal(number_of(&copy[k]), number_of(&copy[0]) + k);
        if (count > 0) {
            assert_true(number_of(&copy[count - 1]) >= last);
            last = number_of(&copy[count - 1]);
        }
        seen += count;
    }
    atomic_store_explicit(&race.is_over, true, memory_order_relaxed);
    pthread_join(writer, NULL);
    trace_ring_destroy(race.ring);
}

static void *choose_until_over(void *argument)
{
    struct race *race = argument;
    struct trace_choice *choice = (struct trace_choice *)race->ring->choice;
    while (!atomic_load_explicit(&race->is_over, memory_order_relaxed)) {
        trace_choice_set(choice, 4, client4);
        trace_choice_set(choice, 6, client6);
    }
    return NULL;
}

static void a_worker_never_sees_half_a_choice(void **state)
{
    (void)state;
    struct trace_choice choice = {0};
    struct race race = {.ring = trace_ring_create(8, &choice)};
    pthread_t chooser;
    uint32_t changes = 0, version = 0;
    assert_int_equal(pthread_create(&chooser, NULL, choose_until_over, &race), 0);
    while (changes < 200) {
        bool is_on = trace_ring_is_on(race.ring);
        changes += race.ring->version_seen != version;
        version = race.ring->version_seen;
        if (is_on && !trace_ring_wants(race.ring, 4, client4) &&
            !trace_ring_wants(race.ring, 6, client6))
            fail_msg("IPv%u with the other's address", race.ring->client.ip_version);
    }
    atomic_store_explicit(&race.is_over, true, memory_order_relaxed);
    pthread_join(chooser, NULL);
    trace_ring_destroy(race.ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_events_are_kept_in_order),
        cmocka_unit_test(only_the_chosen_client_is_wanted),
        cmocka_unit_test(a_choice_under_way_is_not_taken_half),
        cmocka_unit_test(copies_while_the_worker_writes_hold_whole_events_in_a_row),
        cmocka_unit_test(a_worker_never_sees_half_a_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
