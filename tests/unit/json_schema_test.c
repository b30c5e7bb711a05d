/* SPDX-License-Identifier: BSD-3-Clause */
/* Schemas and values from json_schema_vectors.json; what is bounded, and how. */
#include "control/json_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/json_place.h"
#include "include/compiler.h"

#define VECTORS SOURCE_ROOT "/tests/unit/json_schema_vectors.json"
#define STEPS 100000u

static struct schema_report report;

static int start(void **state)
{
    (void)state;
    report = (struct schema_report){.steps_max = STEPS, .violations_max = 16};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    text_buffer_clear(&report.violations);
    return 0;
}

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!json)
        fail_msg("%s in %s", error.text, text);
    return json;
}

static struct json_schema *compile(const char *text)
{
    char problem[512];
    struct json_schema *schema = json_schema_compile(parse(text), problem, sizeof(problem));
    if (!schema)
        fail_msg("%s: %s", text, problem);
    return schema;
}

static enum schema_verdict check(const struct json_schema *schema, const char *text)
{
    json_t *value = parse(text);
    enum schema_verdict verdict = json_schema_check(schema, value, &report);
    json_decref(value);
    return verdict;
}

/* The report as ["/a:minimum", ...] */
static json_t *named_violations(void)
{
    json_t *names = json_array();
    size_t bytes = report.violations.used_bytes + 3, i;
    char *text = malloc(bytes);
    snprintf(text, bytes, "[%s]", report.violations.bytes ? report.violations.bytes : "");
    json_t *violations = parse(text), *violation;
    free(text);
    json_array_foreach(violations, i, violation)
    {
        char name[1024];
        snprintf(name, sizeof(name), "%s:%s",
                 json_string_value(json_object_get(violation, "pointer")),
                 json_string_value(json_object_get(violation, "keyword")));
        assert_true(json_string_length(json_object_get(violation, "detail")) > 0);
        json_array_append_new(names, json_string(name));
    }
    json_decref(violations);
    return names;
}

static void check_row(const struct json_schema *schema, const json_t *document, const json_t *row)
{
    const json_t *value = json_array_get(row, 0), *expected = json_array_get(row, 1);
    enum schema_verdict verdict = json_schema_check(schema, value, &report);
    json_t *found = named_violations();
    bool fits = json_array_size(expected) == 0;
    if (!json_equal(found, expected) || verdict != (fits ? SCHEMA_FITS : SCHEMA_VIOLATED))
        fail_msg("%s\n%s\nviolations %s, expected %s", json_dumps(document, JSON_ENCODE_ANY),
                 json_dumps(value, JSON_ENCODE_ANY), json_dumps(found, 0), json_dumps(expected, 0));
    json_decref(found);
    text_buffer_clear(&report.violations);
    report.named = 0;
}

static void check_vector(const json_t *vector)
{
    char problem[2048] = "";
    size_t i;
    const json_t *row;
    json_t *document = json_object_get(vector, "schema");
    const char *refused = json_string_value(json_object_get(vector, "refused"));
    struct json_schema *schema =
        json_schema_compile(json_incref(document), problem, sizeof(problem));
    if (refused && (schema || !strstr(problem, refused)))
        fail_msg("%s is refused with '%s', expected '%s'", json_dumps(document, JSON_ENCODE_ANY),
                 problem, refused);
    if (!refused && !schema)
        fail_msg("%s: %s", json_dumps(document, JSON_ENCODE_ANY), problem);
    json_array_foreach(json_object_get(vector, "rows"), i, row)
    {
        check_row(schema, document, row);
    }
    json_schema_destroy(schema);
}

static void the_vectors_hold(void **state)
{
    (void)state;
    json_error_t error;
    size_t i;
    const json_t *vector;
    json_t *vectors = json_load_file(VECTORS, JSON_ALLOW_NUL, &error);
    if (!vectors)
        fail_msg("line %d: %s", error.line, error.text);
    assert_true(json_array_size(vectors) > 70);
    json_array_foreach(vectors, i, vector)
    {
        check_vector(vector);
    }
    json_decref(vectors);
}

static void so_many_violations_are_named_and_no_more(void **state)
{
    (void)state;
    struct json_schema *schema = compile("{\"items\":{\"type\":\"null\"}}");
    report.violations_max = 3;
    assert_int_equal(check(schema, "[1,null,2,3]"), SCHEMA_VIOLATED);
    assert_int_equal(report.named, 3);
    assert_false(report.has_more);
    assert_int_equal(check(schema, "[1]"), SCHEMA_VIOLATED); /* of another value, as in bulk */
    assert_int_equal(report.named, 3);
    assert_true(report.has_more);
    assert_int_equal(check(schema, "[null]"), SCHEMA_FITS);
    json_schema_destroy(schema);
}

static void a_long_pointer_ends_above_the_place(void **state)
{
    (void)state;
    struct json_schema *schema =
        compile("{\"additionalProperties\":{\"additionalProperties\":false}}");
    char text[2048], name[1000];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(text, sizeof(text), "{\"a\":{\"%s\":1}}", name);
    assert_int_equal(check(schema, text), SCHEMA_VIOLATED);
    assert_non_null(strstr(report.violations.bytes, "{\"pointer\":\"/a\","));
    json_schema_destroy(schema);
}

/* Two ways at each level: 2^n checks, were they not counted. */
static void what_would_take_too_long_is_given_up(void **state)
{
    (void)state;
    struct json_schema *schema =
        compile("{\"oneOf\":[{\"items\":{\"$ref\":\"#\"},\"type\":\"array\"},"
                "{\"items\":{\"$ref\":\"#\"},\"minItems\":9}]}");
    char deep[200];
    memset(deep, '[', 60);
    memset(deep + 60, ']', 60);
    deep[120] = '\0';
    assert_int_equal(check(schema, deep), SCHEMA_TOO_COSTLY);
    assert_int_equal(check(schema, "[[]]"), SCHEMA_FITS);
    json_schema_destroy(schema);
}

/* Exponential, polynomial, and long: no pattern takes more than the steps of a check. */
static void a_pattern_that_would_take_too_long_is_given_up(void **state)
{
    (void)state;
    static const char *const patterns[] = {"^(a+)+$", "^(a|a)*$", "(a*)*[^a!]",
                                           "a*a*a*a*a*a*[^a!]"};
    char schema_text[128], value[20002];
    memset(value, 'a', sizeof(value));
    value[0] = '"';
    for (size_t i = 0; i < ARRAY_COUNT(patterns); i++) {
        snprintf(schema_text, sizeof(schema_text), "{\"pattern\":\"%s\"}", patterns[i]);
        struct json_schema *schema = compile(schema_text);
        for (size_t bytes = 40; bytes < sizeof(value); bytes *= 20) {
            memcpy(value + bytes, "!\"", 3);
            if (check(schema, value) != SCHEMA_TOO_COSTLY)
                fail_msg("%s, %zu bytes", patterns[i], bytes);
            value[bytes] = value[bytes + 1] = value[bytes + 2] = 'a';
        }
        json_schema_destroy(schema);
    }
    struct json_schema *schema = compile("{\"pattern\":\"^[a!]+$\"}");
    memcpy(value + 20000 - 2, "!\"", 3);
    assert_int_equal(check(schema, value), SCHEMA_FITS); /* long, and harmless */
    json_schema_destroy(schema);
}

static void what_lies_too_deep_is_given_up(void **state)
{
    (void)state;
    struct json_schema *schema = compile("{\"items\":{\"$ref\":\"#\"}}");
    char deep[4001];
    memset(deep, '[', 2000);
    memset(deep + 2000, ']', 2000);
    deep[4000] = '\0';
    assert_int_equal(check(schema, deep), SCHEMA_TOO_COSTLY);
    memset(deep + 200, ']', 200);
    deep[400] = '\0';
    assert_int_equal(check(schema, deep), SCHEMA_FITS);
    json_schema_destroy(schema);
}

/* 20,000 elements: compared pair by pair, that were 200,000,000 steps. */
static void many_unique_items_are_found_unique_in_few_steps(void **state)
{
    (void)state;
    struct json_schema *schema = compile("{\"uniqueItems\":true}");
    json_t *many = json_array();
    for (int i = 0; i < 20000; i++)
        json_array_append_new(many, json_pack("{s:i}", "n", i));
    assert_int_equal(json_schema_check(schema, many, &report), SCHEMA_FITS);
    json_array_append_new(many, json_pack("{s:i}", "n", 77));
    assert_int_equal(json_schema_check(schema, many, &report), SCHEMA_VIOLATED);
    assert_non_null(strstr(report.violations.bytes, "\"/20000\""));
    assert_non_null(strstr(report.violations.bytes, "is equal to element 77"));
    json_decref(many);
    json_schema_destroy(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_vectors_hold, start, stop),
        cmocka_unit_test_setup_teardown(so_many_violations_are_named_and_no_more, start, stop),
        cmocka_unit_test_setup_teardown(a_long_pointer_ends_above_the_place, start, stop),
        cmocka_unit_test_setup_teardown(what_would_take_too_long_is_given_up, start, stop),
        cmocka_unit_test_setup_teardown(a_pattern_that_would_take_too_long_is_given_up, start,
                                        stop),
        cmocka_unit_test_setup_teardown(what_lies_too_deep_is_given_up, start, stop),
        cmocka_unit_test_setup_teardown(many_unique_items_are_found_unique_in_few_steps, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
