/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "dataplane/bulletin.h"
#include "include/compiler.h"

/* Every word says the same: a note put together from two is seen. */
struct note {
    uint64_t words[BULLETIN_NOTE_BYTES / sizeof(uint64_t)];
};

static struct note note_of(uint64_t number)
{
    struct note note;
    for (size_t i = 0; i < ARRAY_COUNT(note.words); i++)
        note.words[i] = number;
    return note;
}

static void post(struct bulletin_board *board, uint32_t worker, uint64_t number)
{
    struct note note = note_of(number);
    bulletin_post(board, worker, &note);
}

static void everybody_but_the_writer_reads_a_note_once(void **state)
{
    (void)state;
    struct bulletin_board *board = bulletin_board_create(3);
    struct bulletin_reader *readers[3];
    struct note notes[8];
    uint64_t lost;
    for (uint32_t i = 0; i < 3; i++)
        readers[i] = bulletin_reader_create(board, i);
    post(board, 1, 100);
    post(board, 1, 101);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t expected = i == 1 ? 0 : 2;
        assert_int_equal(bulletin_read(readers[i], notes, 8, &lost), expected);
        assert_int_equal(lost, 0);
        for (uint32_t n = 0; n < expected; n++)
            assert_int_equal(notes[n].words[7], 100 + n); /* in order */
        assert_int_equal(bulletin_read(readers[i], notes, 8, &lost), 0);
        bulletin_reader_destroy(readers[i]);
    }
    bulletin_board_destroy(board);
}

static void a_reader_that_is_overrun_learns_how_much_it_missed(void **state)
{
    (void)state;
    static const struct {
        uint32_t posted;
        uint64_t lost;
    } cases[] = {{BULLETIN_NOTES - 1, 0},
                 {BULLETIN_NOTES, 0},
                 {BULLETIN_NOTES + 1, 1},
                 {3 * BULLETIN_NOTES + 5, 2 * BULLETIN_NOTES + 5}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct bulletin_board *board = bulletin_board_create(2);
        struct bulletin_reader *reader = bulletin_reader_create(board, 0);
        static struct note notes[BULLETIN_NOTES + 1];
        uint64_t lost;
        for (uint32_t n = 0; n < cases[i].posted; n++)
            post(board, 1, n);
        uint32_t count = bulletin_read(reader, notes, BULLETIN_NOTES + 1, &lost);
        assert_int_equal(lost, cases[i].lost);
        assert_int_equal(count + lost, cases[i].posted);
        for (uint32_t n = 0; n < count; n++)
            assert_int_equal(notes[n].words[0], cases[i].lost + n); /* the latest, in order */
        bulletin_reader_destroy(reader);
        bulletin_board_destroy(board);
    }
}

static void one_busy_writer_does_not_starve_the_others(void **state)
{
    (void)state;
    struct bulletin_board *board = bulletin_board_create(3);
    struct bulletin_reader *reader = bulletin_reader_create(board, 0);
    struct note notes[4];
    uint64_t lost;
    bool has_seen_second = false;
    for (uint32_t n = 0; n < 100; n++)
        post(board, 1, 1);
    post(board, 2, 2);
    for (uint32_t call = 0; call < 3; call++)
        for (uint32_t n = bulletin_read(reader, notes, 4, &lost); n-- > 0;)
            has_seen_second |= notes[n].words[0] == 2;
    assert_true(has_seen_second);
    bulletin_reader_destroy(reader);
    bulletin_board_destroy(board);
}

struct writer {
    struct bulletin_board *board;
    _Atomic bool has_ended;
};

enum { RACED_NOTES = 200000 };

static void *write_notes(void *argument)
{
    struct writer *writer = argument;
    for (uint64_t n = 0; n < RACED_NOTES; n++) {
        post(writer->board, 1, n);
        if (n % 64 == 63)
            sched_yield();
    }
    atomic_store_explicit(&writer->has_ended, true, memory_order_release);
    return NULL;
}

static void a_note_is_whole_or_counted_as_lost(void **state)
{
    (void)state;
    pthread_t thread;
    struct writer writer = {.board = bulletin_board_create(2)};
    struct bulletin_reader *reader = bulletin_reader_create(writer.board, 0);
    static struct note notes[64];
    uint64_t lost, lost_count = 0, read_count = 0, next = 0;
    assert_int_equal(pthread_create(&thread, NULL, write_notes, &writer), 0);
    for (bool is_last = false; !is_last;) {
        is_last = atomic_load_explicit(&writer.has_ended, memory_order_acquire);
        uint32_t count;
        while ((count = bulletin_read(reader, notes, 64, &lost)) > 0 || lost > 0) {
            lost_count += lost;
            read_count += count;
            for (uint32_t n = 0; n < count; n++) {
                struct note whole = note_of(notes[n].words[0]);
                assert_memory_equal(&notes[n], &whole, sizeof(whole));
                assert_true(notes[n].words[0] >= next);
                next = notes[n].words[0] + 1;
            }
        }
    }
    pthread_join(thread, NULL);
    assert_int_equal(read_count + lost_count, RACED_NOTES);
    bulletin_reader_destroy(reader);
    bulletin_board_destroy(writer.board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_but_the_writer_reads_a_note_once),
        cmocka_unit_test(a_reader_that_is_overrun_learns_how_much_it_missed),
        cmocka_unit_test(one_busy_writer_does_not_starve_the_others),
        cmocka_unit_test(a_note_is_whole_or_counted_as_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
