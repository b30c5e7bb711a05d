/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/tcp_source_limit.h"
#include "include/compiler.h"
#include "include/random.h"

#define CONNECTIONS 64u

static const struct siphash_key key = {5, 6};

static struct network_flow from_ipv4(uint32_t address)
{
    struct network_flow flow = {.ip_version = 4};
    memcpy(flow.remote, &address, 4);
    return flow;
}

static struct network_flow from_ipv6(const char *address)
{
    struct network_flow flow = {.ip_version = 6};
    memcpy(flow.remote, address, 16);
    return flow;
}

static void a_source_has_so_many_and_no_more(void **state)
{
    (void)state;
    struct tcp_source_limit limit;
    assert_int_equal(tcp_source_limit_create(&limit, 3, CONNECTIONS, &key), 0);
    struct network_flow one = from_ipv4(1), other = from_ipv4(2);
    for (int i = 0; i < 3; i++) {
        assert_true(tcp_source_limit_allows(&limit, &one));
        tcp_source_limit_add(&limit, &one);
    }
    assert_false(tcp_source_limit_allows(&limit, &one));
    assert_true(tcp_source_limit_allows(&limit, &other));
    tcp_source_limit_remove(&limit, &one);
    assert_true(tcp_source_limit_allows(&limit, &one));
    tcp_source_limit_destroy(&limit);
}

static void without_a_limit_nothing_is_counted(void **state)
{
    (void)state;
    struct tcp_source_limit limit;
    struct network_flow one = from_ipv4(1);
    assert_int_equal(tcp_source_limit_create(&limit, 0, CONNECTIONS, &key), 0);
    assert_null(limit.sources);
    for (int i = 0; i < 1000; i++)
        tcp_source_limit_add(&limit, &one);
    assert_true(tcp_source_limit_allows(&limit, &one));
    tcp_source_limit_remove(&limit, &one);
    tcp_source_limit_destroy(&limit);
}

static void what_counts_as_one_source(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *first, *second;
        bool is_same;
    } cases[] = {
        {"two of a /64", "\x20\x01\x0d\xb8\0\0\0\1\0\0\0\0\0\0\0\1",
         "\x20\x01\x0d\xb8\0\0\0\1\xff\0\0\0\0\0\0\2", true},
        {"neighbouring /64s", "\x20\x01\x0d\xb8\0\0\0\1\0\0\0\0\0\0\0\1",
         "\x20\x01\x0d\xb8\0\0\0\2\0\0\0\0\0\0\0\1", false},
        {"two on the link", "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1",
         "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\2", false},
        {"one on the link, twice", "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1",
         "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1", true},
        {"a net, and on the link what looks like it", "\x20\x01\x0d\xb8\0\0\0\1\0\0\0\0\0\0\0\1",
         "\xfe\x80\0\0\0\0\0\0\x20\x01\x0d\xb8\0\0\0\1", false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct tcp_source_limit limit;
        assert_int_equal(tcp_source_limit_create(&limit, 1, CONNECTIONS, &key), 0);
        struct network_flow first = from_ipv6(cases[i].first), second = from_ipv6(cases[i].second);
        tcp_source_limit_add(&limit, &first);
        if (tcp_source_limit_allows(&limit, &second) == cases[i].is_same)
            fail_msg("'%s'", cases[i].what);
        tcp_source_limit_destroy(&limit);
    }
}

/* The table against an array of counts, as full as it can be, adding and removing at random. */
static void counts_are_exact_whatever_comes_and_goes(void **state)
{
    (void)state;
    enum { SOURCES = 100, STEPS = 300000 };
    uint32_t counts[SOURCES] = {0};
    uint32_t total = 0;
    struct random random = {.state = 7};
    struct tcp_source_limit limit;
    assert_int_equal(tcp_source_limit_create(&limit, 5, CONNECTIONS, &key), 0);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t source = random_below(&random, SOURCES);
        struct network_flow flow = from_ipv4(source * 2654435761u);
        bool is_allowed = tcp_source_limit_allows(&limit, &flow);
        assert_int_equal(is_allowed, counts[source] < 5);
        if (counts[source] > 0 && (total == CONNECTIONS || random_chance(&random, 500))) {
            tcp_source_limit_remove(&limit, &flow);
            counts[source]--;
            total--;
        } else if (is_allowed && total < CONNECTIONS) {
            tcp_source_limit_add(&limit, &flow);
            counts[source]++;
            total++;
        }
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i <= limit.mask; i++)
        used += limit.sources[i].kind != 0;
    uint32_t expected = 0;
    for (uint32_t i = 0; i < SOURCES; i++)
        expected += counts[i] > 0;
    assert_int_equal(used, expected);
    tcp_source_limit_destroy(&limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_has_so_many_and_no_more),
        cmocka_unit_test(without_a_limit_nothing_is_counted),
        cmocka_unit_test(what_counts_as_one_source),
        cmocka_unit_test(counts_are_exact_whatever_comes_and_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
