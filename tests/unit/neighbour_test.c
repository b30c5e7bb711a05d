/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/neighbour.h"
#include "dataplane/packet.h"
#include "include/clock.h"
#include "include/compiler.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/frames.h"

static const struct siphash_key siphash = {5, 6};
static const uint8_t no_mac[6];
static const uint8_t new_mac[6] = {2, 0, 0, 0, 0, 0x77};

static struct neighbour_key key_of(uint32_t number)
{
    struct neighbour_key key = {.ip_version = 4};
    memcpy(key.ip, &number, 4);
    return key;
}

static struct neighbour *resolve(struct neighbour_table *table, uint32_t number, uint64_t now_ns)
{
    struct neighbour_key key = key_of(number);
    return neighbour_resolve(table, &key, no_mac, false, now_ns);
}

static struct neighbour *find(struct neighbour_table *table, uint32_t number)
{
    struct neighbour_key key = key_of(number);
    return neighbour_find(table, &key);
}

/* Packets released by news about `number`. */
static struct neighbour_held learn(struct neighbour_table *table, uint32_t number,
                                   const uint8_t *mac, bool is_answer, bool is_override,
                                   uint64_t now_ns)
{
    struct neighbour_held released;
    struct neighbour_news news = {
        .key = key_of(number), .is_answer = is_answer, .is_override = is_override};
    memcpy(news.mac, mac, 6);
    neighbour_learn(table, &news, now_ns, &released);
    return released;
}

static uint32_t due(struct neighbour_table *table, uint64_t now_ns,
                    struct neighbour_question *questions, struct neighbour_failures *failures)
{
    return neighbour_due(table, now_ns, questions, 16, failures);
}

static void an_unknown_neighbour_is_asked_three_times_and_given_up(void **state)
{
    (void)state;
    struct neighbour_table *table = neighbour_table_create(64, &siphash);
    struct neighbour_question questions[16];
    struct neighbour_failures failures;
    uint32_t asked = 0, failed = 0;
    assert_non_null(resolve(table, 1, 0));
    for (uint64_t now_ns = 0; now_ns <= 4 * NS_PER_S; now_ns += NS_PER_S / 10) {
        uint32_t count = due(table, now_ns, questions, &failures);
        for (uint32_t i = 0; i < count; i++)
            assert_memory_equal(questions[i].mac, no_mac, 6); /* the whole link */
        asked += count;
        failed += failures.neighbour_count;
        if (now_ns < 3 * NS_PER_S)
            assert_int_equal(asked, 1 + now_ns / NS_PER_S); /* once a second */
    }
    assert_int_equal(asked, NEIGHBOUR_TRIES);
    assert_int_equal(failed, 1);
    assert_int_equal(neighbour_count(table), 0);
    neighbour_table_destroy(table);
}

static void a_gateway_is_never_given_up(void **state)
{
    (void)state;
    struct neighbour_table *table = neighbour_table_create(64, &siphash);
    struct neighbour_question questions[16];
    struct neighbour_failures failures;
    struct neighbour_key key = key_of(1);
    uint32_t asked = 0;
    assert_non_null(neighbour_resolve(table, &key, no_mac, true, 0));
    for (uint64_t now_ns = 0; now_ns < 1000 * NS_PER_S; now_ns += NS_PER_S) {
        asked += due(table, now_ns, questions, &failures);
        assert_int_equal(failures.neighbour_count, 0);
    }
    assert_int_equal(asked, 1000);
    assert_non_null(find(table, 1));
    neighbour_table_destroy(table);
}

static void three_packets_wait_and_the_oldest_gives_way(void **state)
{
    (void)state;
    struct rte_mempool *pool = dpdk_environment_pool(63);
    struct neighbour_table *table = neighbour_table_create(64, &siphash);
    struct packet *packets[5];
    struct neighbour *neighbour = resolve(table, 1, 0);
    for (uint32_t i = 0; i < 5; i++) {
        packets[i] = packet_alloc(pool);
        struct packet *gives_way = neighbour_hold(neighbour, packets[i]);
        assert_ptr_equal(gives_way,
                         i < NEIGHBOUR_HELD_MAX ? NULL : packets[i - NEIGHBOUR_HELD_MAX]);
        if (gives_way)
            packet_free(gives_way);
    }
    struct neighbour_held released = learn(table, 1, frames_peer_mac, true, true, NS_PER_S);
    assert_int_equal(released.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_ptr_equal(released.packets[i], packets[i + 2]);
        packet_free(released.packets[i]);
    }
    assert_int_equal(learn(table, 1, frames_peer_mac, true, true, NS_PER_S).count, 0);

    neighbour_hold(resolve(table, 2, 2 * NS_PER_S), packet_alloc(pool));
    neighbour_table_destroy(table); /* what still waits is freed */
    dpdk_environment_pool_check_and_free(pool);
}

static void packets_of_a_neighbour_that_was_given_up_come_back(void **state)
{
    (void)state;
    struct rte_mempool *pool = dpdk_environment_pool(63);
    struct neighbour_table *table = neighbour_table_create(256, &siphash);
    struct neighbour_question questions[32];
    struct neighbour_failures failures;
    uint32_t packet_count = 0, neighbours_failed = 0;
    for (uint32_t n = 0; n < 20; n++) { /* more than one call reports */
        struct neighbour *neighbour = resolve(table, n, 0);
        assert_non_null(neighbour);
        neighbour_hold(neighbour, packet_alloc(pool));
    }
    for (uint64_t now_ns = 0; now_ns < 6 * NS_PER_S; now_ns += NS_PER_S / 10) {
        neighbour_due(table, now_ns, questions, 32, &failures);
        assert_in_range(failures.neighbour_count, 0, NEIGHBOUR_FAILURES_MAX);
        neighbours_failed += failures.neighbour_count;
        for (uint32_t i = 0; i < failures.packet_count; i++, packet_count++)
            packet_free(failures.packets[i]);
    }
    assert_int_equal(neighbours_failed, 20);
    assert_int_equal(packet_count, 20);
    neighbour_table_destroy(table);
    dpdk_environment_pool_check_and_free(pool);
}

static void a_known_neighbour_is_confirmed_by_unicast_and_stays_usable(void **state)
{
    (void)state;
    struct neighbour_table *table = neighbour_table_create(8, &siphash); /* one bucket */
    struct neighbour_question questions[16];
    struct neighbour_failures failures;
    resolve(table, 1, 0);
    assert_int_equal(due(table, 0, questions, &failures), 1);
    learn(table, 1, frames_peer_mac, true, true, 0);
    uint64_t now_ns = NEIGHBOUR_CONFIRM_NS - NS_PER_MS;
    assert_int_equal(due(table, now_ns, questions, &failures), 0);
    resolve(table, 1, now_ns); /* in use */
    now_ns = NEIGHBOUR_CONFIRM_NS + NS_PER_MS;
    assert_int_equal(due(table, now_ns, questions, &failures), 1);
    assert_memory_equal(questions[0].mac, frames_peer_mac, 6);
    assert_int_equal(neighbour_state(find(table, 1)), NEIGHBOUR_PROBING);
    assert_true(neighbour_is_usable(find(table, 1)));

    uint32_t generation = neighbour_generation(table);
    learn(table, 1, frames_peer_mac, true, true, now_ns);
    assert_int_equal(neighbour_state(find(table, 1)), NEIGHBOUR_REACHABLE);
    assert_int_equal(neighbour_generation(table), generation); /* no header became wrong */
    neighbour_table_destroy(table);
}

static void a_neighbour_that_stops_answering_is_asked_for_on_the_whole_link(void **state)
{
    (void)state;
    struct neighbour_table *table = neighbour_table_create(8, &siphash);
    struct neighbour_question questions[16];
    struct neighbour_failures failures;
    uint32_t direct = 0, broadcast = 0;
    resolve(table, 1, 0);
    learn(table, 1, frames_peer_mac, true, true, 0);
    uint64_t now_ns = NEIGHBOUR_CONFIRM_NS + NS_PER_MS;
    for (uint32_t tick = 0; tick < 100; tick++, now_ns += NS_PER_S / 10)
        for (uint32_t i = due(table, now_ns, questions, &failures); i-- > 0;) {
            bool is_broadcast = memcmp(questions[i].mac, no_mac, 6) == 0;
            direct += !is_broadcast;
            broadcast += is_broadcast;
        }
    assert_int_equal(direct, NEIGHBOUR_TRIES);
    assert_int_equal(broadcast, NEIGHBOUR_TRIES);
    assert_int_equal(neighbour_count(table), 0); /* and gone */
    neighbour_table_destroy(table);
}

static void who_is_not_looked_up_is_forgotten(void **state)
{
    (void)state;
    struct neighbour_table *table = neighbour_table_create(8, &siphash);
    struct neighbour_question questions[16];
    struct neighbour_failures failures;
    resolve(table, 1, 0);
    learn(table, 1, frames_peer_mac, true, true, 0);
    for (uint64_t now_ns = 0; now_ns < NEIGHBOUR_FORGET_NS; now_ns += NS_PER_S) {
        if (due(table, now_ns, questions, &failures) > 0)
            learn(table, 1, frames_peer_mac, true, true, now_ns); /* it always answers */
        assert_non_null(find(table, 1));
    }
    due(table, NEIGHBOUR_FORGET_NS + NS_PER_S, questions, &failures);
    assert_null(find(table, 1));
    assert_int_equal(failures.neighbour_count, 0); /* nobody failed */
    neighbour_table_destroy(table);
}

static void news_are_weighed(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        bool is_answer, is_override, is_believed;
    } cases[] = {
        {"a gratuitous claim that does not insist", false, false, false},
        {"an answer that does not insist", true, false, false},
        {"an announcement that insists", false, true, true},
        {"an answer that insists", true, true, true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct neighbour_table *table = neighbour_table_create(64, &siphash);
        resolve(table, 1, 0);
        learn(table, 1, frames_peer_mac, true, true, 0);
        uint32_t generation = neighbour_generation(table);
        learn(table, 1, new_mac, cases[i].is_answer, cases[i].is_override, NS_PER_S);
        bool is_new = memcmp(neighbour_mac(find(table, 1)), new_mac, 6) == 0;
        if (is_new != cases[i].is_believed)
            fail_msg("case '%s'", cases[i].what);
        assert_int_equal(neighbour_generation(table) != generation, cases[i].is_believed);
        neighbour_table_destroy(table);
    }
}

static void strangers_do_not_fill_the_table(void **state)
{
    (void)state;
    struct neighbour_table *table = neighbour_table_create(64, &siphash);
    for (uint32_t n = 0; n < 1000; n++)
        learn(table, n, frames_peer_mac, false, true, 0);
    assert_int_equal(neighbour_count(table), 0); /* nobody had asked for them */
    neighbour_table_destroy(table);
}

static void the_table_is_bounded_and_evicts_who_was_not_used(void **state)
{
    (void)state;
    enum { ENTRIES = 64 };
    struct neighbour_table *table = neighbour_table_create(ENTRIES, &siphash);
    struct neighbour_key gateway = key_of(1000000);
    uint64_t now_ns = NS_PER_S;
    assert_non_null(neighbour_resolve(table, &gateway, no_mac, true, now_ns));
    for (uint32_t n = 0; n < 10000; n++) {
        now_ns += NS_PER_S / 100;
        resolve(table, n, now_ns);
        learn(table, n, frames_peer_mac, true, true, now_ns);
        assert_in_range(neighbour_count(table), 1, ENTRIES);
    }
    assert_in_range(neighbour_count(table), ENTRIES / 2, ENTRIES);
    assert_non_null(find(table, 9999));
    assert_null(find(table, 0));
    assert_non_null(neighbour_find(table, &gateway));
    neighbour_table_destroy(table);
}

static void a_scan_of_the_prefix_is_held_back(void **state)
{
    (void)state;
    struct neighbour_table *table = neighbour_table_create(65536, &siphash);
    uint32_t accepted = 0;
    for (uint32_t n = 0; n < 10000; n++)
        accepted += resolve(table, n, 0) != NULL;
    assert_int_equal(accepted, NEIGHBOUR_RESOLVING_MAX);
    assert_non_null(resolve(table, 0, 0)); /* who is being asked for already is not refused */

    struct neighbour_question questions[16];
    struct neighbour_failures failures;
    assert_int_equal(due(table, 0, questions, &failures), 16); /* a bounded batch per call */
    assert_true(neighbour_is_due(table, 0));
    neighbour_table_destroy(table);
}

static int start(void **state)
{
    (void)state;
    dpdk_environment_start();
    return 0;
}

static void a_link_that_was_down_may_lead_to_other_neighbours(void **state)
{
    (void)state;
    struct neighbour_table *table = neighbour_table_create(64, &siphash);
    struct neighbour_key elsewhere = {.ip_version = 4, .port_index = 1, .ip = {9}};
    struct neighbour_key gateway = {.ip_version = 4, .ip = {7}};
    struct neighbour_question questions[16];
    struct neighbour_failures failures;
    struct neighbour_held released;
    struct neighbour_news news = {.key = gateway, .is_answer = true};
    memcpy(news.mac, frames_peer_mac, 6);
    neighbour_resolve(table, &gateway, no_mac, true, 0);
    neighbour_learn(table, &news, 0, &released);
    neighbour_resolve(table, &elsewhere, no_mac, false, 0);
    news.key = elsewhere;
    neighbour_learn(table, &news, 0, &released);
    resolve(table, 1, 0);
    learn(table, 1, frames_peer_mac, true, true, 0);
    resolve(table, 2, 0);
    due(table, 0, questions, &failures);
    uint32_t generation = neighbour_generation(table);

    neighbour_forget_port(table, 0, NS_PER_MS);
    assert_null(find(table, 1)); /* with its old address */
    assert_int_not_equal(neighbour_generation(table), generation);
    assert_int_equal(neighbour_state(neighbour_find(table, &elsewhere)), NEIGHBOUR_REACHABLE);
    assert_int_equal(neighbour_state(neighbour_find(table, &gateway)), NEIGHBOUR_RESOLVING);
    assert_memory_equal(neighbour_mac(neighbour_find(table, &gateway)), frames_peer_mac, 6);
    assert_int_equal(due(table, NS_PER_MS, questions, &failures), 2); /* the gateway and 2 */
    for (uint32_t i = 0; i < 2; i++)
        assert_memory_equal(questions[i].mac, no_mac, 6);

    generation = neighbour_generation(table);
    news = (struct neighbour_news){.key = gateway, .is_answer = true, .is_override = true};
    memcpy(news.mac, new_mac, 6);
    assert_true(neighbour_learn(table, &news, 2 * NS_PER_MS, &released));
    assert_int_not_equal(neighbour_generation(table), generation); /* it is another one now */
    neighbour_table_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_neighbour_is_asked_three_times_and_given_up),
        cmocka_unit_test(a_gateway_is_never_given_up),
        cmocka_unit_test(three_packets_wait_and_the_oldest_gives_way),
        cmocka_unit_test(packets_of_a_neighbour_that_was_given_up_come_back),
        cmocka_unit_test(a_known_neighbour_is_confirmed_by_unicast_and_stays_usable),
        cmocka_unit_test(a_neighbour_that_stops_answering_is_asked_for_on_the_whole_link),
        cmocka_unit_test(who_is_not_looked_up_is_forgotten),
        cmocka_unit_test(news_are_weighed),
        cmocka_unit_test(strangers_do_not_fill_the_table),
        cmocka_unit_test(the_table_is_bounded_and_evicts_who_was_not_used),
        cmocka_unit_test(a_scan_of_the_prefix_is_held_back),
        cmocka_unit_test(a_link_that_was_down_may_lead_to_other_neighbours),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
