/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/limited_clients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct limited_clients *clients;

static int create(void **state)
{
    (void)state;
    clients = limited_clients_create();
    return clients ? 0 : -1;
}

static int destroy(void **state)
{
    (void)state;
    limited_clients_destroy(clients);
    return 0;
}

static void add(uint8_t number, uint32_t times, uint64_t wall_ms)
{
    struct limit_client client = {
        .kind = LIMIT_CLIENT_IPV4, .bytes = 4, .text = {10, 0, 0, number}};
    for (uint32_t i = 0; i < times; i++)
        limited_clients_add(clients, &client, 1000 + number, wall_ms);
}

/* Of 10.0.0.number; 0: it is not there. */
static uint64_t refusals_of(uint8_t number)
{
    struct limited_client one;
    for (uint32_t place = 0; place < LIMITED_CLIENTS; place++)
        if (limited_clients_read(clients, place, &one) && one.client.text[3] == number)
            return one.refusals;
    return 0;
}

static void refusals_are_counted_by_client(void **state)
{
    (void)state;
    struct limited_client one;
    assert_false(limited_clients_read(clients, 0, &one));
    add(1, 3, 50);
    add(2, 1, 60);
    add(1, 2, 70);
    assert_int_equal(refusals_of(1), 5);
    assert_int_equal(refusals_of(2), 1);
    assert_true(limited_clients_read(clients, 0, &one));
    assert_int_equal(one.last_ms, 70);
}

static void one_more_takes_the_place_of_the_least_refused(void **state)
{
    (void)state;
    for (uint8_t i = 1; i <= LIMITED_CLIENTS; i++)
        add(i, 10u + i, 1000);
    add(200, 1, 1000);
    assert_int_equal(refusals_of(1), 0);
    assert_int_equal(refusals_of(2), 12);
    assert_int_equal(refusals_of(200), 1);
}

static void who_was_not_refused_for_a_minute_goes_first(void **state)
{
    (void)state;
    add(77, 1000, 1000);
    for (uint8_t i = 1; i < LIMITED_CLIENTS; i++)
        add(i, 1, 1000 + LIMITED_FRESH_MS);
    add(200, 1, 1001 + LIMITED_FRESH_MS);
    assert_int_equal(refusals_of(77), 0);
    assert_int_equal(refusals_of(1), 1);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, create, destroy)
    const struct CMUnitTest tests[] = {
        ONE(refusals_are_counted_by_client),
        ONE(one_more_takes_the_place_of_the_least_refused),
        ONE(who_was_not_refused_for_a_minute_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
