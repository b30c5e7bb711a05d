/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "include/capture_ring.h"

#define RING_BYTES 4096u

static struct published published;

static struct capture_filter anything(uint64_t until_ns)
{
    return (struct capture_filter){.until_ns = until_ns, .snap_bytes = 65535, .directions = 3};
}

/* A frame whose bytes say which one it is. */
static bool put(struct capture_ring *ring, uint32_t number, uint32_t bytes)
{
    struct capture_record *record = capture_ring_claim(ring, bytes);
    if (!record)
        return false;
    record->time_ns = number;
    record->whole_bytes = bytes;
    memset(record->bytes, (int)(number & 0xff), bytes);
    capture_ring_commit(ring);
    return true;
}

static void expect(struct capture_ring *ring, uint32_t number, uint32_t bytes)
{
    const struct capture_record *record = capture_ring_oldest(ring);
    assert_non_null(record);
    assert_int_equal(record->time_ns, number);
    assert_int_equal(record->kept_bytes, bytes);
    for (uint32_t i = 0; i < bytes; i++)
        if (record->bytes[i] != (number & 0xff))
            fail_msg("byte %u of frame %u", i, number);
    capture_ring_take(ring);
}

static void frames_of_every_size_come_out_whole_and_in_order(void **state)
{
    (void)state;
    struct capture_ring *ring = capture_ring_create(RING_BYTES, &published);
    uint32_t first = 0, next = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        while (!put(ring, next, next * 7919 % 1500)) {
            expect(ring, first, first * 7919 % 1500);
            first++;
        }
        next++;
    }
    for (; first < next; first++)
        expect(ring, first, first * 7919 % 1500);
    assert_null(capture_ring_oldest(ring));
    capture_ring_destroy(ring);
}

static void a_full_ring_takes_nothing_and_counts_it(void **state)
{
    (void)state;
    struct capture_ring *ring = capture_ring_create(RING_BYTES, &published);
    uint32_t taken = 0;
    while (put(ring, taken, 1000))
        taken++;
    assert_int_equal(taken, 4);
    assert_int_equal(ring->lost, 1);
    assert_false(put(ring, 99, RING_BYTES)); /* larger than the ring */
    assert_int_equal(ring->lost, 2);
    for (uint32_t i = 0; i < taken; i++)
        expect(ring, i, 1000);
    assert_true(put(ring, 5, 1000));
    expect(ring, 5, 1000);
    capture_ring_destroy(ring);
}

static void a_filter_holds_until_its_time_and_is_off_when_it_is_taken_back(void **state)
{
    (void)state;
    struct published filter_published = {0};
    struct capture_ring *ring = capture_ring_create(RING_BYTES, &filter_published);
    struct capture_filter filter = anything(1000);
    assert_false(capture_ring_may_be_on(ring));
    published_set(&filter_published, &filter, sizeof(filter));
    assert_true(capture_ring_may_be_on(ring));
    assert_non_null(capture_ring_filter(ring, 999));
    assert_null(capture_ring_filter(ring, 1000)); /* nobody fetches any more */
    filter = anything(2000);
    published_set(&filter_published, &filter, sizeof(filter));
    assert_non_null(capture_ring_filter(ring, 1000));
    filter = anything(0);
    published_set(&filter_published, &filter, sizeof(filter));
    assert_null(capture_ring_filter(ring, 1000));
    assert_false(capture_ring_may_be_on(ring));
    capture_ring_destroy(ring);
}

/* ---- two threads ---- */

enum { FRAMES = 50000 };

static void *write_all(void *argument)
{
    for (uint32_t i = 0; i < FRAMES; i++)
        while (!put(argument, i, i * 31 % 300))
            sched_yield();
    return NULL;
}

static void a_reader_beside_the_worker_sees_every_frame_whole(void **state)
{
    (void)state;
    struct capture_ring *ring = capture_ring_create(RING_BYTES, &published);
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_all, ring), 0);
    for (uint32_t i = 0; i < FRAMES;)
        if (capture_ring_oldest(ring)) {
            expect(ring, i, i * 31 % 300);
            i++;
        } else {
            sched_yield();
        }
    pthread_join(writer, NULL);
    capture_ring_destroy(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_every_size_come_out_whole_and_in_order),
        cmocka_unit_test(a_full_ring_takes_nothing_and_counts_it),
        cmocka_unit_test(a_filter_holds_until_its_time_and_is_off_when_it_is_taken_back),
        cmocka_unit_test(a_reader_beside_the_worker_sees_every_frame_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
