/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/live_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "include/assert_policy.h"

static uint32_t destroyed;

static void destroy(struct live_settings *settings)
{
    settings->generation = 0; /* a reader that still holds it would see this */
    destroyed++;
    free(settings);
}

static struct live_settings *make(void)
{
    struct live_settings *settings = calloc(1, sizeof(*settings));
    ASSERT(settings);
    return settings;
}

static void an_old_snapshot_goes_when_the_last_reader_took_the_new_one(void **state)
{
    (void)state;
    destroyed = 0;
    struct live_board *board = live_board_create(2, make(), destroy);
    const struct live_settings *first = live_settings_take(board, 0, NULL);
    live_settings_take(board, 1, NULL);
    live_board_publish(board, make());
    assert_int_equal(live_board_collect(board), 1);
    const struct live_settings *second = live_settings_take(board, 0, first);
    assert_int_equal(second->generation, 2);
    assert_int_equal(live_board_collect(board), 1); /* reader 1 may still look at the first */
    assert_int_equal(destroyed, 0);
    live_settings_take(board, 1, first);
    assert_int_equal(live_board_collect(board), 0);
    assert_int_equal(destroyed, 1);
    live_board_destroy(board);
    assert_int_equal(destroyed, 2);
}

static void a_reader_that_has_not_taken_anything_keeps_all_of_them(void **state)
{
    (void)state;
    destroyed = 0;
    struct live_board *board = live_board_create(1, make(), destroy);
    for (int i = 0; i < 3; i++)
        live_board_publish(board, make());
    assert_int_equal(live_board_collect(board), 3);
    assert_int_equal(live_settings_take(board, 0, NULL)->generation, 4);
    assert_int_equal(live_board_collect(board), 0);
    assert_int_equal(destroyed, 3);
    live_board_destroy(board);
}

#define THREAD_COUNT 3u
#define PUBLICATIONS 2000u

struct reader_thread {
    pthread_t thread;
    struct live_board *board;
    uint32_t index;
};

static void *read_until_last(void *argument)
{
    struct reader_thread *reader = argument;
    const struct live_settings *held = NULL;
    uint64_t before = 0;
    do {
        held = live_settings_take(reader->board, reader->index, held);
        for (int looks = 0; looks < 3; looks++)
            ASSERT(held->generation >= before && held->config.tcp.connections == held->generation);
        before = held->generation;
    } while (before < PUBLICATIONS);
    return NULL;
}

static struct live_settings *make_numbered(uint64_t generation)
{
    struct live_settings *settings = make();
    settings->config.tcp.connections = generation;
    return settings;
}

static void readers_only_ever_see_whole_snapshots_that_live(void **state)
{
    (void)state;
    destroyed = 0;
    struct live_board *board = live_board_create(THREAD_COUNT, make_numbered(1), destroy);
    struct reader_thread readers[THREAD_COUNT];
    for (uint32_t i = 0; i < THREAD_COUNT; i++) {
        readers[i] = (struct reader_thread){.board = board, .index = i};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_until_last, &readers[i]), 0);
    }
    for (uint64_t generation = 2; generation <= PUBLICATIONS; generation++) {
        live_board_publish(board, make_numbered(generation));
        live_board_collect(board);
    }
    for (uint32_t i = 0; i < THREAD_COUNT; i++)
        pthread_join(readers[i].thread, NULL);
    assert_int_equal(live_board_collect(board), 0);
    assert_int_equal(destroyed, PUBLICATIONS - 1);
    live_board_destroy(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_old_snapshot_goes_when_the_last_reader_took_the_new_one),
        cmocka_unit_test(a_reader_that_has_not_taken_anything_keeps_all_of_them),
        cmocka_unit_test(readers_only_ever_see_whole_snapshots_that_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
