/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "include/blob.h"
#include "include/compiler.h"
#include "include/random.h"

struct fixture {
    struct blob_pool *pool;
    struct blob_stock *stock;
    size_t free_bytes;
};

static void fixture_open(struct fixture *fixture, size_t bytes)
{
    assert_int_equal(blob_pool_create(bytes, 8, &fixture->pool), 0);
    fixture->stock = blob_stock_create(fixture->pool);
    assert_non_null(fixture->stock);
    fixture->free_bytes = blob_pool_free_bytes(fixture->pool);
    assert_int_equal(fixture->free_bytes, blob_pool_total_bytes(fixture->pool));
}

/* Everything came back: every byte is in the shared lists, and all of it as large chunks. */
static void fixture_close(struct fixture *fixture)
{
    blob_stock_destroy(fixture->stock);
    assert_int_equal(blob_pool_free_bytes(fixture->pool), fixture->free_bytes);
    struct blob_stock *stock = blob_stock_create(fixture->pool);
    uint32_t large_count = (uint32_t)(fixture->free_bytes / BLOB_LARGE_CHUNK_BYTES);
    struct blob *last = NULL;
    for (uint32_t i = 0; i < large_count; i++) {
        struct blob *blob = blob_create(stock, BLOB_LARGE_CHUNK_BYTES);
        assert_non_null(blob);
        assert_int_equal(blob->chunk_bytes, BLOB_LARGE_CHUNK_BYTES);
        blob->table[0] =
            (uint8_t **)last; /* one chunk has no table: the field is free for a list */
        last = blob;
    }
    assert_null(blob_create(stock, 1));
    while (last) {
        struct blob *before = (struct blob *)last->table[0];
        blob_release(stock, last);
        last = before;
    }
    blob_stock_destroy(stock);
    assert_int_equal(blob_pool_free_bytes(fixture->pool), fixture->free_bytes);
    blob_pool_destroy(fixture->pool);
}

static uint8_t pattern(uint32_t seed, uint32_t offset)
{
    return (uint8_t)((seed + offset) * 2654435761u >> 24);
}

static void fill(struct blob *blob, uint32_t seed, uint32_t length)
{
    uint8_t piece[1000]; /* divides no chunk */
    while (blob->length_bytes < length) {
        uint32_t part = length - blob->length_bytes;
        part = part < sizeof(piece) ? part : (uint32_t)sizeof(piece);
        for (uint32_t i = 0; i < part; i++)
            piece[i] = pattern(seed, blob->length_bytes + i);
        blob_append(blob, piece, part);
    }
}

static void check(const struct blob *blob, uint32_t seed)
{
    uint8_t piece[777];
    for (uint32_t offset = 0; offset < blob->length_bytes;) {
        uint32_t part = blob->length_bytes - offset;
        part = part < sizeof(piece) ? part : (uint32_t)sizeof(piece);
        blob_copy_out(blob, offset, piece, part);
        for (uint32_t i = 0; i < part; i++)
            if (piece[i] != pattern(seed, offset + i))
                fail_msg("byte %u of %u differs", offset + i, blob->length_bytes);
        offset += part;
    }
}

static void chunk_sizes_follow_the_capacity(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t capacity, chunk_bytes, reserved;
    } cases[] = {
        {"nothing", 0, BLOB_SMALL_CHUNK_BYTES, 0},
        {"one byte", 1, BLOB_SMALL_CHUNK_BYTES, 4096},
        {"one small chunk", 4096, BLOB_SMALL_CHUNK_BYTES, 4096},
        {"one more byte", 4097, BLOB_SMALL_CHUNK_BYTES, 8192},
        {"the last small one", 16384, BLOB_SMALL_CHUNK_BYTES, 16384},
        {"the first large one", 16385, BLOB_LARGE_CHUNK_BYTES, 32768},
        {"two large chunks", 32769, BLOB_LARGE_CHUNK_BYTES, 65536},
    };
    struct fixture fixture;
    fixture_open(&fixture, 4 << 20);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct blob *blob = blob_create(fixture.stock, cases[i].capacity);
        assert_non_null(blob);
        if (blob->chunk_bytes != cases[i].chunk_bytes || blob->capacity_bytes != cases[i].reserved)
            fail_msg("case '%s'", cases[i].what);
        assert_int_equal(blob->length_bytes, 0);
        blob_release(fixture.stock, blob);
    }
    fixture_close(&fixture);
}

/* Direct chunks, the first and the second table, in both sizes: every boundary, one byte around it.
 */
static void bytes_are_right_at_every_chunk_boundary(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 48 << 20);
    static const uint32_t lengths[] = {1, 4095, 4096, 4097, 16384, 16385, 3 << 20, 18 << 20};
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        uint32_t seed = (uint32_t)i + 11;
        struct blob *blob = blob_create(fixture.stock, lengths[i]);
        assert_non_null(blob);
        fill(blob, seed, lengths[i]);
        check(blob, seed);
        for (uint32_t at = 0; at < lengths[i]; at += blob->chunk_bytes) {
            uint32_t run_bytes;
            const uint8_t *run = blob_run(blob, at, &run_bytes);
            assert_int_equal(run_bytes, blob->chunk_bytes);
            assert_int_equal(*run, pattern(seed, at));
            assert_int_equal((uintptr_t)run % BLOB_SMALL_CHUNK_BYTES, 0);
            if (at == 0)
                continue;
            run = blob_run(blob, at - 1, &run_bytes);
            assert_int_equal(run_bytes, 1);
            assert_int_equal(*run, pattern(seed, at - 1));
            uint8_t across[2];
            blob_copy_out(blob, at - 1, across, at < lengths[i] ? 2 : 1);
            assert_int_equal(across[1], pattern(seed, at));
        }
        blob_release(fixture.stock, blob);
    }
    fixture_close(&fixture);
}

static void reserving_more_keeps_what_is_written(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 40 << 20);
    static const uint32_t starts[] = {0, 20000}; /* small and large chunks */
    for (size_t i = 0; i < ARRAY_COUNT(starts); i++) {
        struct blob *blob = blob_create(fixture.stock, starts[i]);
        uint32_t chunk_bytes = blob->chunk_bytes;
        for (uint32_t length = 3; length < (8u << 20); length *= 3) {
            assert_true(blob_reserve(fixture.stock, blob, length));
            fill(blob, 5, length);
        }
        assert_int_equal(blob->chunk_bytes, chunk_bytes);
        check(blob, 5);
        uint32_t capacity = blob->capacity_bytes;
        assert_false(blob_reserve(fixture.stock, blob, 100u << 20)); /* the pool has 40 MiB */
        assert_int_equal(blob->capacity_bytes, capacity);
        check(blob, 5);
        assert_false(blob_reserve(fixture.stock, blob, BLOB_BYTES_MAX + 1));
        blob_release(fixture.stock, blob);
    }
    fixture_close(&fixture);
}

static void the_largest_value_fits(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 138 << 20);
    struct blob *blob = blob_create(fixture.stock, BLOB_BYTES_MAX);
    assert_non_null(blob);
    assert_int_equal(blob->capacity_bytes, BLOB_BYTES_MAX);
    uint32_t run_bytes; /* touch both ends of every chunk: all are different memory */
    for (uint32_t at = 0; at < BLOB_BYTES_MAX; at += BLOB_LARGE_CHUNK_BYTES)
        memcpy(blob_run(blob, at, &run_bytes), &at, sizeof(at));
    for (uint32_t at = 0; at < BLOB_BYTES_MAX; at += BLOB_LARGE_CHUNK_BYTES)
        assert_memory_equal(blob_run(blob, at, &run_bytes), &at, sizeof(at));
    assert_null(blob_create(fixture.stock, BLOB_BYTES_MAX)); /* only one */
    blob_release(fixture.stock, blob);
    assert_null(blob_create(fixture.stock, BLOB_BYTES_MAX + 1));
    fixture_close(&fixture);
}

static uint32_t take_all(struct blob_stock *stock, uint32_t bytes, struct blob **out,
                         uint32_t limit)
{
    uint32_t taken = 0;
    while (taken < limit && (out[taken] = blob_create(stock, bytes)) != NULL)
        taken++;
    return taken;
}

/* Values of one size may use the whole pool, whichever size it is, and nothing is lost by it. */
static void an_exhausted_pool_answers_null_and_recovers(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 2 << 20);
    static struct blob *blobs[2048];
    uint32_t large_count = (uint32_t)(fixture.free_bytes / BLOB_LARGE_CHUNK_BYTES);
    static const uint32_t sizes[] = {1, 4096, 16384, 32768, 40000};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        uint32_t taken = take_all(fixture.stock, sizes[i], blobs, ARRAY_COUNT(blobs));
        assert_in_range(taken, 1, ARRAY_COUNT(blobs) - 1);
        if (sizes[i] <= BLOB_SMALL_CHUNK_BYTES) /* three quarters split, one quarter whole */
            assert_int_equal(taken, (large_count - large_count / 4) * 8 + large_count / 4);
        if (sizes[i] == BLOB_LARGE_CHUNK_BYTES)
            assert_int_equal(taken, large_count);
        for (uint32_t blob = 0; blob < taken; blob++)
            fill(blobs[blob], blob, sizes[i]);
        for (uint32_t blob = 0; blob < taken; blob++) {
            check(blobs[blob], blob);
            blob_release(fixture.stock, blobs[blob]);
        }
    }
    fixture_close(&fixture);
}

/* One small value left in every split chunk: large values still find three more ways to be stored.
 */
static void fragmentation_starves_neither_size(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 4 << 20);
    static struct blob *small[4096], *large[512];
    uint32_t small_count = take_all(fixture.stock, 4096, small, ARRAY_COUNT(small));
    uint32_t kept = 0;
    static bool has_one[4096];
    memset(has_one, 0, sizeof(has_one));
    for (uint32_t i = 0; i < small_count; i++) {
        uint32_t run_bytes;
        uintptr_t home = (uintptr_t)blob_run(small[i], 0, &run_bytes) / BLOB_LARGE_CHUNK_BYTES;
        if (small[i]->chunk_bytes == BLOB_SMALL_CHUNK_BYTES && !has_one[home % 4096]) {
            has_one[home % 4096] = true;
            small[kept++] = small[i];
        } else {
            blob_release(fixture.stock, small[i]);
        }
    }
    uint32_t large_count = take_all(fixture.stock, 32768, large, ARRAY_COUNT(large));
    /* the quarter that is whole, and one per split chunk but for its one value and a few in stock
     */
    assert_true(large_count * 10 >= (fixture.free_bytes / BLOB_LARGE_CHUNK_BYTES) * 8);
    while (large_count > 0)
        blob_release(fixture.stock, large[--large_count]);
    while (kept > 0)
        blob_release(fixture.stock, small[--kept]);
    fixture_close(&fixture);
}

static void a_held_blob_outlives_its_creator(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 1 << 20);
    struct blob *blob = blob_create(fixture.stock, 5000);
    fill(blob, 3, 5000);
    blob_hold(blob);
    blob_release(fixture.stock, blob);
    assert_int_equal(blob->references, 1);
    check(blob, 3);
    blob_release(fixture.stock, blob);
    fixture_close(&fixture);
}

static void random_use_leaks_nothing(void **state)
{
    (void)state;
    enum { SLOTS = 64 };
    struct blob *blobs[SLOTS] = {NULL};
    uint32_t seeds[SLOTS] = {0}, refused = 0;
    struct random random = {42};
    struct fixture fixture;
    fixture_open(&fixture, 1 << 20);
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t slot = random_below(&random, SLOTS);
        if (blobs[slot]) {
            check(blobs[slot], seeds[slot]);
            blob_release(fixture.stock, blobs[slot]);
            blobs[slot] = NULL;
        } else {
            uint32_t length = random_below(&random, 1u << (1 + random_below(&random, 18)));
            seeds[slot] = step;
            blobs[slot] = blob_create(fixture.stock, length / 2);
            if (blobs[slot] && blob_reserve(fixture.stock, blobs[slot], length))
                fill(blobs[slot], step, length);
            else
                refused++;
        }
    }
    assert_in_range(refused, 10, 10000); /* exhaustion was part of it */
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (blobs[slot])
            blob_release(fixture.stock, blobs[slot]);
    fixture_close(&fixture);
}

static void stocks_are_limited_to_the_threads_announced(void **state)
{
    (void)state;
    struct blob_pool *pool;
    assert_int_equal(blob_pool_create(1000, 1, &pool), -EINVAL);
    assert_int_equal(blob_pool_create(1 << 20, 0, &pool), -EINVAL);
    assert_int_equal(blob_pool_create(1 << 20, 2, &pool), 0);
    struct blob_stock *one = blob_stock_create(pool), *two = blob_stock_create(pool);
    assert_non_null(one);
    assert_non_null(two);
    assert_null(blob_stock_create(pool));
    blob_stock_destroy(one);
    assert_non_null(one = blob_stock_create(pool));
    blob_stock_destroy(one);
    blob_stock_destroy(two);
    blob_pool_destroy(pool);
}

static void device_addresses_follow_the_bytes(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 1 << 20);
    struct blob *blob = blob_create(fixture.stock, 100000);
    uint32_t run_bytes;
    const uint8_t *run = blob_run(blob, 70000, &run_bytes);
    assert_int_equal(blob_device_address(fixture.pool, run), (uintptr_t)run);
    assert_int_equal(blob_device_address(fixture.pool, run + 99), (uintptr_t)run + 99);
    blob_release(fixture.stock, blob);
    fixture_close(&fixture);
}

/* --- threads: blobs are made by one thread and released by another ------------------------------
 */

enum { THREADS = 3, MAILBOXES = 64, ROUNDS = 20000 };

static struct fixture shared;
static _Atomic(struct blob *) mailboxes[MAILBOXES];

static void *thread_body(void *argument)
{
    static char damaged[] = "a value was overwritten";
    struct random random = {(uintptr_t)argument};
    struct blob_stock *stock = blob_stock_create(shared.pool);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t length = 8 + random_below(&random, 1u << (2 + random_below(&random, 15)));
        struct blob *mine = blob_create(stock, length);
        uint32_t run_bytes, said;
        if (mine) { /* the value says how long it is, at both ends */
            blob_append(mine, &length, sizeof(length));
            *blob_run(mine, length - 1, &run_bytes) = (uint8_t)length;
            mine->length_bytes = length;
        }
        struct blob *other = atomic_exchange(&mailboxes[random_below(&random, MAILBOXES)], mine);
        if (!other)
            continue;
        blob_copy_out(other, 0, &said, sizeof(said));
        if (said != other->length_bytes || *blob_run(other, said - 1, &run_bytes) != (uint8_t)said)
            return damaged;
        blob_release(stock, other);
    }
    blob_stock_destroy(stock);
    return NULL;
}

static void threads_pass_blobs_without_loss(void **state)
{
    (void)state;
    fixture_open(&shared, 1 << 20);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thread_body, (void *)(i + 1)), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        if (wrong)
            fail_msg("%s", (const char *)wrong);
    }
    for (uint32_t i = 0; i < MAILBOXES; i++)
        if (mailboxes[i])
            blob_release(shared.stock, mailboxes[i]);
    fixture_close(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunk_sizes_follow_the_capacity),
        cmocka_unit_test(bytes_are_right_at_every_chunk_boundary),
        cmocka_unit_test(reserving_more_keeps_what_is_written),
        cmocka_unit_test(the_largest_value_fits),
        cmocka_unit_test(an_exhausted_pool_answers_null_and_recovers),
        cmocka_unit_test(fragmentation_starves_neither_size),
        cmocka_unit_test(a_held_blob_outlives_its_creator),
        cmocka_unit_test(random_use_leaks_nothing),
        cmocka_unit_test(stocks_are_limited_to_the_threads_announced),
        cmocka_unit_test(device_addresses_follow_the_bytes),
        cmocka_unit_test(threads_pass_blobs_without_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
