/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "include/compiler.h"
#include "include/port_set.h"

static uint32_t ports_in(const struct port_set *set)
{
    uint32_t ports = 0;
    for (uint32_t port = 0; port <= 65535; port++)
        ports += port_set_has(set, (uint16_t)port);
    return ports;
}

static void a_list_holds_its_ports_and_no_others(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint16_t inside[3];
        uint16_t outside[3];
        uint32_t ports;
    } cases[] = {
        {"22", {22, 22, 22}, {21, 23, 0}, 1},
        {"22,179", {22, 179, 22}, {0, 80, 65535}, 2},
        {"8000-8100,22", {8000, 8100, 22}, {7999, 8101, 0}, 102},
        {"63-64", {63, 64, 63}, {62, 65, 127}, 2},
        {"5,5,4-6", {4, 5, 6}, {3, 7, 0}, 3},
        {"1-65535", {1, 80, 65535}, {0, 0, 0}, 65535},
        {"all", {1, 80, 65535}, {0, 0, 0}, 65535},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct port_set set;
        if (port_set_parse(cases[i].text, &set) != 0 || ports_in(&set) != cases[i].ports)
            fail_msg("'%s': %u ports", cases[i].text, ports_in(&set));
        for (size_t k = 0; k < 3; k++)
            if (!port_set_has(&set, cases[i].inside[k]) || port_set_has(&set, cases[i].outside[k]))
                fail_msg("'%s': %u or %u", cases[i].text, cases[i].inside[k], cases[i].outside[k]);
    }
}

static void none_is_no_port(void **state)
{
    (void)state;
    struct port_set set;
    assert_int_equal(port_set_parse("none", &set), 0);
    assert_int_equal(ports_in(&set), 0);
}

static void what_is_no_list_is_refused_and_leaves_the_set_empty(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",    "0",   "65536", "22,", ",22",      "22,,23", "22-",   "-22",         "23-22",
        "22 ", " 22", "ssh",   "22x", "22-23-24", "+22",    "22;23", "99999999999", "22,all"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct port_set set;
        if (port_set_parse(wrong[i], &set) != -EINVAL || ports_in(&set) != 0)
            fail_msg("'%s' was taken", wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_holds_its_ports_and_no_others),
        cmocka_unit_test(none_is_no_port),
        cmocka_unit_test(what_is_no_list_is_refused_and_leaves_the_set_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
