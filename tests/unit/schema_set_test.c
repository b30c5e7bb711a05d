/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of schemas, and the board where threads take them while others are put up. */
#include "control/schema_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "include/compiler.h"
#include "tests/support/file_tree.h"

#define READERS 3
#define PUBLICATIONS 300

static struct server_config config;
static struct schema_board board;
static _Atomic bool is_over;
static _Atomic uint32_t contradictions;

static int start(void **state)
{
    (void)state;
    tree_make("schema_set");
    tree_put("/whole.json", "{\"type\":\"integer\"}");
    tree_put("/text.json", "{\"type\":\"string\",\"pattern\":\"^(?:a|b)+$\"}");
    schema_board_init(&board);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    schema_board_clear(&board);
    return tree_remove();
}

/* Both namespaces that have a schema have this one. */
static struct schema_set *read_set(const char *file)
{
    static struct config_errors errors;
    struct schema_set *set = NULL;
    memset(&config, 0, sizeof(config));
    config.namespaces_count = 3;
    for (uint32_t i = 0; i < 3; i += 2)
        snprintf(config.namespaces[i].schema, sizeof(config.namespaces[i].schema), "%s%s",
                 tree_root, file);
    assert_int_equal(schema_set_read(&config, &set, &errors), 0);
    return set;
}

static bool fits(const struct schema_set *set, uint32_t namespace_index, const json_t *value)
{
    struct schema_report report = {.steps_max = 1000, .violations_max = 1};
    enum schema_verdict verdict =
        json_schema_check(schema_set_find(set, namespace_index), value, &report);
    text_buffer_clear(&report.violations);
    return verdict == SCHEMA_FITS;
}

static void a_namespace_has_its_schema_or_none(void **state)
{
    (void)state;
    struct schema_set *set = read_set("/whole.json");
    assert_non_null(schema_set_find(set, 0));
    assert_null(schema_set_find(set, 1));
    assert_non_null(schema_set_find(set, 2));
    assert_null(schema_set_find(set, 3));
    assert_null(schema_set_find(NULL, 0));
    schema_set_release(set);
    assert_null(schema_board_hold(NULL));
    assert_null(schema_board_hold(&board));
}

static void who_holds_a_set_keeps_it_when_another_is_published(void **state)
{
    (void)state;
    json_t *number = json_integer(1);
    schema_board_publish(&board, read_set("/whole.json"));
    struct schema_set *held = schema_board_hold(&board);
    schema_board_publish(&board, read_set("/text.json"));
    struct schema_set *fresh = schema_board_hold(&board);
    assert_true(fits(held, 0, number));
    assert_false(fits(fresh, 0, number));
    schema_set_release(held);
    schema_set_release(fresh);
    json_decref(number);
}

/* Whatever is held is one set: its schemas agree, and a value fits it throughout or never. */
static void *check_values(void *unused)
{
    json_t *number = json_integer(1), *text = json_string("abba");
    struct schema_set *former = schema_board_hold(&board);
    do {
        struct schema_set *set = schema_board_hold(&board);
        bool takes_numbers = fits(set, 0, number);
        bool is_one = fits(set, 2, number) == takes_numbers &&
                      fits(set, 0, text) != takes_numbers && fits(set, 2, text) != takes_numbers &&
                      fits(former, 0, number) != fits(former, 2, text);
        atomic_fetch_add(&contradictions, !is_one);
        schema_set_release(former); /* often the last who has it */
        former = set;
    } while (!atomic_load(&is_over));
    schema_set_release(former);
    json_decref(number);
    json_decref(text);
    return unused;
}

static void values_are_checked_while_schemas_are_replaced(void **state)
{
    (void)state;
    pthread_t readers[READERS];
    schema_board_publish(&board, read_set("/whole.json"));
    for (uint32_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, check_values, NULL), 0);
    for (uint32_t i = 0; i < PUBLICATIONS; i++)
        schema_board_publish(&board, read_set(i % 2 ? "/whole.json" : "/text.json"));
    atomic_store(&is_over, true);
    for (uint32_t i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(contradictions, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_namespace_has_its_schema_or_none, start, stop),
        cmocka_unit_test_setup_teardown(who_holds_a_set_keeps_it_when_another_is_published, start,
                                        stop),
        cmocka_unit_test_setup_teardown(values_are_checked_while_schemas_are_replaced, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
