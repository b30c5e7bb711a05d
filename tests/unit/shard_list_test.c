/* SPDX-License-Identifier: BSD-3-Clause */
/* SHARD_LIST, SHARD_STAT and SHARD_PURGE on a whole store: order, bounds, what is visible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "control/shard_list.h"
#include "include/blob.h"
#include "include/compiler.h"
#include "include/log.h"
#include "include/shard_listing.h"
#include "tests/sim/store_listing.h"

static struct shard_operation last; /* the answer, without its value */
static uint8_t last_attributes[ATTRIBUTES_BYTES_MAX];

static void keep(void *context, struct shard_operation *operation)
{
    (void)context;
    memcpy(&last, operation, offsetof(struct shard_operation, bytes));
    memcpy(last_attributes, operation_attributes(operation), operation->attributes_bytes);
}

static void use(struct harness *harness, uint32_t threads)
{
    harness_init(harness, 1);
    harness->answer = keep;
    assert_int_equal(harness_open(harness, threads), 0);
}

static void finish(struct harness *harness)
{
    harness_close(harness);
    harness_destroy(harness);
}

static struct shard_operation *make(struct harness *harness, enum shard_verb verb,
                                    const char *space, const void *name, uint32_t name_bytes)
{
    uint8_t key[KEY_BYTES_MAX];
    uint32_t space_bytes = (uint32_t)strlen(space) + 1;
    memcpy(key, space, space_bytes);
    memcpy(key + space_bytes, name, name_bytes);
    return harness_operation(harness, verb, key, space_bytes + name_bytes);
}

static enum shard_status run(struct harness *harness, struct shard_operation *operation)
{
    harness_submit(harness, operation);
    assert_true(harness_settle(harness));
    return (enum shard_status)last.status;
}

static void put(struct harness *harness, const char *space, const void *name, uint32_t name_bytes,
                uint32_t value_bytes, uint64_t expires_at_ms)
{
    static const uint8_t value[20000];
    struct shard_operation *operation = make(harness, SHARD_PUT, space, name, name_bytes);
    operation->expires_at_ms = expires_at_ms;
    harness_set_value(harness, operation, value, value_bytes);
    assert_true(run(harness, operation) <= SHARD_CREATED);
}

static void put_text(struct harness *harness, const char *space, const char *name)
{
    put(harness, space, name, (uint32_t)strlen(name), 10, 0);
}

static void remove_text(struct harness *harness, const char *space, const char *name)
{
    assert_int_equal(run(harness, make(harness, SHARD_DELETE, space, name, (uint32_t)strlen(name))),
                     SHARD_OK);
}

static void expect_walk(struct harness *harness, const char *space, const char *prefix,
                        const char *const *expected, uint32_t count)
{
    struct listing_walk walk;
    listing_walk_begin(&walk, space, prefix, (uint32_t)strlen(prefix));
    for (uint32_t i = 0; i < count; i++) {
        assert_true(listing_walk_next(&walk, harness));
        assert_int_equal(walk.name_bytes, strlen(expected[i]));
        assert_memory_equal(walk.name, expected[i], walk.name_bytes);
    }
    assert_false(listing_walk_next(&walk, harness));
    listing_walk_end(&walk);
}

static void keys_come_in_byte_order_and_only_those_with_the_prefix(void **state)
{
    (void)state;
    static const char *const names[] = {"b",     "a",  "ab",       "a/1",      "a/10",
                                        "a/2",   "a/", "\x7f",     "\xff\xfe", "c",
                                        "a/1/x", "B",  "\xc3\xa4", "a0"};
    static const char *const all[] = {"B",  "a",  "a/", "a/1", "a/1/x", "a/10",     "a/2",
                                      "a0", "ab", "b",  "c",   "\x7f",  "\xc3\xa4", "\xff\xfe"};
    static const char *const below[] = {"a/", "a/1", "a/1/x", "a/10", "a/2"};
    static const char *const high[] = {"\xff\xfe"};
    for (uint32_t threads = 1; threads <= 4; threads++) {
        struct harness harness;
        use(&harness, threads);
        put_text(&harness, "n", "zz");
        put_text(&harness, "nss", "a/3");
        for (uint32_t i = 0; i < ARRAY_COUNT(names); i++)
            put_text(&harness, "ns", names[i]);
        expect_walk(&harness, "ns", "", all, ARRAY_COUNT(all));
        expect_walk(&harness, "ns", "a/", below, ARRAY_COUNT(below));
        expect_walk(&harness, "ns", "\xff", high, 1);
        expect_walk(&harness, "ns", "a/3", NULL, 0);
        expect_walk(&harness, "nothing", "", NULL, 0);
        finish(&harness);
    }
}

static void what_is_deleted_expired_or_not_durable_is_not_listed(void **state)
{
    (void)state;
    static const char *const stays[] = {"later", "stays"};
    struct harness harness;
    use(&harness, 2);
    uint64_t wall_ms = io_wall_ms(harness.loops[0]);
    put_text(&harness, "ns", "stays");
    put_text(&harness, "ns", "gone");
    put(&harness, "ns", "later", 5, 10, wall_ms + 1000000);
    put(&harness, "ns", "short", 5, 10, wall_ms + 50);
    remove_text(&harness, "ns", "gone");
    io_simulator_jump_wall_ms(harness.sim, 51); /* and no time for who sweeps */
    expect_walk(&harness, "ns", "", stays, 2);
    harness_idle(&harness, UINT64_C(100000000));
    expect_walk(&harness, "ns", "", stays, 2);

    struct shard_operation *operation = make(&harness, SHARD_PUT, "ns", "pending", 7);
    harness_set_value(&harness, operation, (const uint8_t *)"x", 1);
    harness_submit(&harness, operation); /* not a round since: no commit */
    struct listing_answer answer;
    for (uint32_t thread = 0; thread < 2; thread++) {
        listing_ask(&harness, thread, "ns", "", 0, NULL, 0, &answer);
        for (uint32_t i = 0; i < answer.count; i++)
            assert_int_equal(answer.entries[i]->name_bytes, 5);
        assert_false(answer.continues);
        listing_answer_free(&answer);
    }
    assert_true(harness_settle(&harness));
    static const char *const more[] = {"later", "pending", "stays"};
    expect_walk(&harness, "ns", "", more, 3);
    finish(&harness);
}

static void an_operation_is_bounded_in_entries_bytes_and_steps(void **state)
{
    (void)state;
    struct harness harness;
    struct listing_answer answer;
    use(&harness, 1);
    for (uint32_t i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "k%04u", i);
        put_text(&harness, "ns", name);
    }
    listing_ask(&harness, 0, "ns", "", 0, NULL, 0, &answer);
    assert_int_equal(answer.count, LISTING_ENTRIES_MAX);
    assert_true(answer.continues);
    assert_memory_equal(answer.end, "k0127", 5);
    listing_answer_free(&answer);

    /* a long stretch of what is not there any more: nothing, but further on */
    for (uint32_t i = 0; i < 900; i++) {
        char name[16];
        snprintf(name, sizeof(name), "k%04u", i);
        remove_text(&harness, "ns", name);
    }
    listing_ask(&harness, 0, "ns", "", 0, NULL, 0, &answer);
    assert_true(answer.count < LISTING_ENTRIES_MAX);
    listing_answer_free(&answer);
    struct listing_walk walk;
    listing_walk_begin(&walk, "ns", "", 0);
    for (uint32_t i = 900; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "k%04u", i);
        assert_true(listing_walk_next(&walk, &harness));
        assert_memory_equal(walk.name, name, 5);
    }
    assert_false(listing_walk_next(&walk, &harness));
    listing_walk_end(&walk);
    finish(&harness);
}

static void the_longest_keys_fit_and_can_be_gone_on_behind(void **state)
{
    (void)state;
    struct harness harness;
    char space[NAMESPACE_NAME_BYTES_MAX + 1];
    static uint8_t name[USER_KEY_BYTES_MAX];
    memset(space, 'n', sizeof(space) - 1);
    space[sizeof(space) - 1] = 0;
    memset(name, 0xff, sizeof(name));
    use(&harness, 3);
    for (uint32_t i = 0; i < 200; i++) {
        name[sizeof(name) - 1] = (uint8_t)i;
        put(&harness, space, name, sizeof(name), 10, 0);
    }
    struct listing_walk walk;
    listing_walk_begin(&walk, space, name, sizeof(name) - 1);
    for (uint32_t i = 0; i < 200; i++) {
        assert_true(listing_walk_next(&walk, &harness));
        assert_int_equal(walk.name_bytes, sizeof(name));
        assert_int_equal(walk.name[sizeof(name) - 1], i);
    }
    assert_false(listing_walk_next(&walk, &harness));
    assert_true(walk.operation_count > 200 / (LISTING_BYTES_MAX / USER_KEY_BYTES_MAX));
    listing_walk_end(&walk);
    finish(&harness);
}

static void short_of_memory_a_listing_is_refused_and_nothing_else(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 1);
    put_text(&harness, "ns", "a");
    static struct blob *taken[4096];
    uint32_t count = 0;
    while (count < ARRAY_COUNT(taken) && (taken[count] = blob_create(harness.stock, 4096)) != NULL)
        count++;
    assert_true(count < ARRAY_COUNT(taken));
    struct shard_operation *operation = make(&harness, SHARD_LIST, "ns", "", 0);
    operation->shard_hash = listing_shard_hash(0);
    assert_int_equal(run(&harness, operation), SHARD_NO_MEMORY);
    while (count > 0)
        blob_release(harness.stock, taken[--count]);
    static const char *const all[] = {"a"};
    expect_walk(&harness, "ns", "", all, 1);
    finish(&harness);
}

static void a_stat_tells_everything_but_the_value(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 10, 3000, 15000 /* an extent */};
    static const char attributes[] = "Content-Type: text/plain\r\n";
    static const uint8_t value[15000];
    struct harness harness;
    use(&harness, 1);
    for (uint32_t restart = 0; restart < 2; restart++) {
        for (uint32_t i = 0; i < ARRAY_COUNT(sizes); i++) {
            char name = (char)('a' + i);
            if (restart == 0) {
                struct shard_operation *operation = make(&harness, SHARD_PUT, "ns", &name, 1);
                operation->attributes_bytes = sizeof(attributes) - 1;
                memcpy(operation_attributes(operation), attributes, sizeof(attributes) - 1);
                operation->expires_at_ms = UINT64_MAX;
                harness_set_value(&harness, operation, value, sizes[i]);
                assert_int_equal(run(&harness, operation), SHARD_CREATED);
            }
            assert_int_equal(run(&harness, make(&harness, SHARD_STAT, "ns", &name, 1)), SHARD_OK);
            assert_int_equal(last.value_bytes, sizes[i]);
            assert_null(last.value);
            assert_true(last.expires_at_ms == UINT64_MAX && last.version != 0);
            assert_true(last.modified_at_ms != 0);
            assert_int_equal(last.cache_action, SHARD_CACHE_NOTHING);
            assert_int_equal(last.attributes_bytes, sizeof(attributes) - 1);
            assert_memory_equal(last_attributes, attributes, sizeof(attributes) - 1);
        }
        harness_close(&harness);
        assert_int_equal(harness_open(&harness, 1), 0); /* now nothing is in memory */
    }
    assert_int_equal(run(&harness, make(&harness, SHARD_STAT, "ns", "none", 4)), SHARD_NOT_FOUND);
    finish(&harness);
}

static void a_stat_and_a_get_of_the_same_value_share_a_read_and_get_their_own(void **state)
{
    (void)state;
    struct harness harness;
    use(&harness, 1);
    put(&harness, "ns", "big", 3, 15000, 0);
    harness_close(&harness);
    assert_int_equal(harness_open(&harness, 1), 0);
    harness_submit(&harness, make(&harness, SHARD_GET, "ns", "big", 3));
    harness_submit(&harness, make(&harness, SHARD_STAT, "ns", "big", 3));
    harness_submit(&harness, make(&harness, SHARD_STAT, "ns", "big", 3));
    harness_submit(&harness, make(&harness, SHARD_GET, "ns", "big", 3));
    uint32_t answers = 0;
    for (uint32_t round = 0; harness.in_flight > 0 && round < 100000; round++) {
        uint32_t before = harness.in_flight;
        harness_round(&harness);
        answers += before - harness.in_flight;
        if (before != harness.in_flight && last.status != SHARD_OK)
            fail_msg("answer %u: status %u", answers, last.status);
    }
    assert_int_equal(answers, 4);
    assert_int_equal(last.verb, SHARD_GET); /* who waits for the value is the last */
    assert_int_equal(last.cache_action, SHARD_CACHE_FILL);
    finish(&harness);
}

static void a_purge_passes_its_action_on_and_changes_nothing(void **state)
{
    (void)state;
    static const uint8_t actions[] = {SHARD_CACHE_INVALIDATE, SHARD_CACHE_MARK_STALE};
    struct harness harness;
    use(&harness, 1);
    put_text(&harness, "ns", "a");
    uint64_t version = last.version;
    for (uint32_t i = 0; i < ARRAY_COUNT(actions); i++) {
        struct shard_operation *operation = make(&harness, SHARD_PURGE, "ns", "a", 1);
        operation->cache_action = actions[i];
        assert_int_equal(run(&harness, operation), SHARD_OK);
        assert_int_equal(last.cache_action, actions[i]);
        assert_int_equal(run(&harness, make(&harness, SHARD_GET, "ns", "a", 1)), SHARD_OK);
        assert_true(last.version == version);
    }
    finish(&harness);
}

int main(void)
{
    log_set_level((enum log_level) - 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_in_byte_order_and_only_those_with_the_prefix),
        cmocka_unit_test(what_is_deleted_expired_or_not_durable_is_not_listed),
        cmocka_unit_test(an_operation_is_bounded_in_entries_bytes_and_steps),
        cmocka_unit_test(the_longest_keys_fit_and_can_be_gone_on_behind),
        cmocka_unit_test(short_of_memory_a_listing_is_refused_and_nothing_else),
        cmocka_unit_test(a_stat_tells_everything_but_the_value),
        cmocka_unit_test(a_stat_and_a_get_of_the_same_value_share_a_read_and_get_their_own),
        cmocka_unit_test(a_purge_passes_its_action_on_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
