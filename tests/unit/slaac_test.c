/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/slaac.h"
#include "include/compiler.h"

#define SECOND_NS UINT64_C(1000000000)
#define BEGIN_NS (100 * SECOND_NS)
#define HOUR_S 3600u

static const uint8_t link_local[16] = {0xfe, 0x80, [8] = 0x02, [11] = 0xff, [12] = 0xfe, [15] = 7};

static struct nd_prefix prefix_of(uint8_t number, uint32_t valid_s, uint32_t preferred_s)
{
    struct nd_prefix prefix = {.bits = 64, .valid_s = valid_s, .preferred_s = preferred_s};
    prefix.prefix[0] = 0x20;
    prefix.prefix[7] = number;
    return prefix;
}

static bool hear(struct slaac *slaac, struct nd_prefix prefix, uint64_t now_ns)
{
    return slaac_hear(slaac, &prefix, link_local, now_ns, SECOND_NS);
}

/* Advertised at BEGIN_NS, checked, in use. */
static void form(struct slaac *slaac, struct nd_prefix prefix)
{
    *slaac = (struct slaac){0};
    assert_true(hear(slaac, prefix, BEGIN_NS));
    assert_true(slaac_age(slaac, BEGIN_NS + SECOND_NS));
}

static void an_address_is_the_prefix_and_the_link_address_once_it_is_checked(void **state)
{
    (void)state;
    static const uint8_t expected[16] = {
        0x20, [7] = 1, [8] = 0x02, [11] = 0xff, [12] = 0xfe, [15] = 7};
    static const uint8_t none[16];
    struct slaac slaac = {0};
    assert_true(hear(&slaac, prefix_of(1, 600, 300), BEGIN_NS));
    assert_true(slaac_is_checking(&slaac, expected));
    assert_false(hear(&slaac, prefix_of(1, 600, 300), BEGIN_NS + 1)); /* not asked twice */
    assert_false(slaac_age(&slaac, BEGIN_NS + SECOND_NS - 1));
    assert_memory_equal(slaac.current.ip, none, 16);
    assert_true(slaac_age(&slaac, BEGIN_NS + SECOND_NS));
    assert_memory_equal(slaac.current.ip, expected, 16);
    assert_false(slaac_is_checking(&slaac, expected));
    assert_false(slaac_age(&slaac, BEGIN_NS + 2 * SECOND_NS));
}

static void prefixes_that_form_no_address_are_ignored(void **state)
{
    (void)state;
    struct nd_prefix cases[] = {
        prefix_of(1, 600, 601), /* preferred longer than valid */
        prefix_of(1, 0, 0),     /* ended */
        prefix_of(1, 600, 0),   /* deprecated already */
        prefix_of(1, 600, 300), prefix_of(1, 600, 300), prefix_of(1, 600, 300),
        prefix_of(1, 600, 300), prefix_of(1, 600, 300),
    };
    cases[3].bits = 63;
    cases[4].bits = 65;
    cases[5].prefix[0] = 0xfe; /* link-local */
    cases[5].prefix[1] = 0x80;
    cases[6].prefix[0] = 0xff; /* a group */
    memset(cases[7].prefix, 0, 16);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct slaac slaac = {0};
        if (hear(&slaac, cases[i], BEGIN_NS))
            fail_msg("case %zu formed an address", i);
    }
}

/* RFC 4862 5.5.3 e */
static void a_valid_lifetime_is_not_cut_below_two_hours(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t remaining_s, heard_s, expected_s;
    } cases[] = {
        {"longer than two hours, shorter than before", 10 * HOUR_S, 3 * HOUR_S, 3 * HOUR_S},
        {"longer than before", 600, 1200, 1200},
        {"short, two hours are left", 10 * HOUR_S, 60, 2 * HOUR_S},
        {"withdrawn, two hours are left", 10 * HOUR_S, 0, 2 * HOUR_S},
        {"short, less than two hours remain", HOUR_S, 60, HOUR_S},
        {"for ever", HOUR_S, UINT32_MAX, UINT32_MAX},
        {"no more for ever", UINT32_MAX, 60, 2 * HOUR_S},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct slaac slaac;
        uint64_t now_ns = BEGIN_NS + SECOND_NS;
        form(&slaac, prefix_of(1, cases[i].remaining_s, 60));
        if (cases[i].remaining_s != UINT32_MAX)
            slaac.current.valid_until_ns = now_ns + cases[i].remaining_s * SECOND_NS;
        hear(&slaac, prefix_of(1, cases[i].heard_s, 0), now_ns);
        uint64_t expected_ns = cases[i].expected_s == UINT32_MAX
                                   ? SLAAC_FOREVER
                                   : now_ns + cases[i].expected_s * SECOND_NS;
        if (slaac.current.valid_until_ns != expected_ns)
            fail_msg("case '%s'", cases[i].what);
        assert_true(slaac_is_deprecated(&slaac, now_ns)); /* preferred is believed at once */
    }
}

static void a_deprecated_address_stays_until_it_is_invalid(void **state)
{
    (void)state;
    static const uint8_t none[16];
    struct slaac slaac;
    form(&slaac, prefix_of(1, 600, 300));
    assert_false(slaac_is_deprecated(&slaac, BEGIN_NS + 299 * SECOND_NS));
    assert_true(slaac_is_deprecated(&slaac, BEGIN_NS + 300 * SECOND_NS));
    assert_false(slaac_age(&slaac, BEGIN_NS + 599 * SECOND_NS));
    assert_true(slaac_age(&slaac, BEGIN_NS + 600 * SECOND_NS));
    assert_memory_equal(slaac.current.ip, none, 16);
    assert_false(slaac_is_deprecated(&slaac, BEGIN_NS + 600 * SECOND_NS));
}

static void another_prefix_waits_until_the_first_is_deprecated(void **state)
{
    (void)state;
    struct slaac slaac;
    uint8_t before[16], after[16];
    form(&slaac, prefix_of(1, 600, 300));
    memcpy(before, slaac.current.ip, 16);
    assert_false(hear(&slaac, prefix_of(2, 6000, 3000), BEGIN_NS + 10 * SECOND_NS));
    assert_true(hear(&slaac, prefix_of(2, 6000, 3000), BEGIN_NS + 300 * SECOND_NS));
    assert_true(slaac_age(&slaac, BEGIN_NS + 301 * SECOND_NS));
    memcpy(after, slaac.current.ip, 16);
    assert_int_equal(after[7], 2);
    assert_memory_equal(slaac.former.ip, before, 16); /* connections to it go on */
    assert_true(slaac_age(&slaac, BEGIN_NS + 600 * SECOND_NS));
    assert_int_equal(slaac.former.ip[0], 0);
    assert_memory_equal(slaac.current.ip, after, 16);
}

static void the_former_address_is_there_when_the_new_one_ends(void **state)
{
    (void)state;
    struct slaac slaac;
    form(&slaac, prefix_of(1, 6000, 300));
    assert_true(hear(&slaac, prefix_of(2, 60, 60), BEGIN_NS + 300 * SECOND_NS));
    assert_true(slaac_age(&slaac, BEGIN_NS + 301 * SECOND_NS));
    assert_int_equal(slaac.current.ip[7], 2);
    assert_true(slaac_age(&slaac, BEGIN_NS + 360 * SECOND_NS));
    assert_int_equal(slaac.current.ip[7], 1);
    assert_int_equal(slaac.former.ip[0], 0);
}

static void an_address_of_another_station_is_not_tried_again_before_the_link_comes_up(void **state)
{
    (void)state;
    struct slaac slaac = {0};
    uint8_t ip[16];
    assert_true(hear(&slaac, prefix_of(1, 600, 300), BEGIN_NS));
    memcpy(ip, slaac.next.ip, 16);
    assert_false(slaac_refuse(&slaac, ip));
    assert_false(slaac_age(&slaac, BEGIN_NS + 2 * SECOND_NS));
    assert_false(hear(&slaac, prefix_of(1, 600, 300), BEGIN_NS + 2 * SECOND_NS));
    slaac_doubt(&slaac);
    assert_true(hear(&slaac, prefix_of(1, 600, 300), BEGIN_NS + 3 * SECOND_NS));
    assert_true(slaac_age(&slaac, BEGIN_NS + 4 * SECOND_NS));
    assert_true(slaac_refuse(&slaac, ip)); /* another worker was the one that heard it */
    assert_int_equal(slaac.current.ip[0], 0);
}

static void on_another_link_the_new_prefix_counts_at_once(void **state)
{
    (void)state;
    struct slaac slaac;
    form(&slaac, prefix_of(1, 6000, 3000));
    slaac_doubt(&slaac);
    hear(&slaac, prefix_of(1, 6000, 3000), BEGIN_NS + 2 * SECOND_NS); /* it was the same one */
    assert_false(hear(&slaac, prefix_of(2, 6000, 3000), BEGIN_NS + 3 * SECOND_NS));
    slaac_doubt(&slaac);
    assert_true(hear(&slaac, prefix_of(2, 6000, 3000), BEGIN_NS + 4 * SECOND_NS));
    assert_true(slaac_age(&slaac, BEGIN_NS + 5 * SECOND_NS));
    assert_int_equal(slaac.current.ip[7], 2);
    assert_int_equal(slaac.former.ip[7], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_the_prefix_and_the_link_address_once_it_is_checked),
        cmocka_unit_test(prefixes_that_form_no_address_are_ignored),
        cmocka_unit_test(a_valid_lifetime_is_not_cut_below_two_hours),
        cmocka_unit_test(a_deprecated_address_stays_until_it_is_invalid),
        cmocka_unit_test(another_prefix_waits_until_the_first_is_deprecated),
        cmocka_unit_test(the_former_address_is_there_when_the_new_one_ends),
        cmocka_unit_test(an_address_of_another_station_is_not_tried_again_before_the_link_comes_up),
        cmocka_unit_test(on_another_link_the_new_prefix_counts_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
