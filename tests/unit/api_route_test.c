/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/api_route.h"
#include "include/compiler.h"
#include "tests/unit/guarded_bytes.h"

static struct server_config config;
static struct route_table table;

static void add_namespace(const char *name)
{
    size_t bytes = strlen(name) + 1;
    assert_true(bytes <= sizeof(config.namespaces[0].name));
    memcpy(config.namespaces[config.namespaces_count++].name, name, bytes);
}

static void add_route(const char *path, enum config_backend backend)
{
    struct config_routes *route = &config.routes[config.routes_count++];
    snprintf(route->path, sizeof(route->path), "%s", path);
    route->backend = backend;
}

static int set_up(void **state)
{
    (void)state;
    memset(&config, 0, sizeof(config));
    add_namespace("demo");
    add_namespace("a");
    add_namespace("a.b_c-D9");
    add_route("/", CONFIG_BACKEND_ECHO);
    add_route("/exact", CONFIG_BACKEND_ECHO);
    add_route("/deep/er/", CONFIG_BACKEND_ECHO);
    add_route("/deep/", CONFIG_BACKEND_VALUES);
    char problem[128];
    return route_table_build(&table, &config, problem, sizeof(problem));
}

static void match_text(enum http_method method, const char *path, uint8_t *key,
                       struct route_match *match)
{
    size_t bytes = strlen(path);
    struct http_slice slice = {guarded_at_end(path, bytes), (uint32_t)bytes};
    route_match(&table, method, slice, key, match);
}

static void a_path_leads_to_its_route(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum http_method method;
        const char *path;
        enum route route;
        uint16_t status;
    } cases[] = {
        {"a value", HTTP_GET, "/v1/ns/demo/values/k", ROUTE_VALUE, 0},
        {"HEAD of a value", HTTP_HEAD, "/v1/ns/demo/values/k", ROUTE_VALUE, 0},
        {"PUT of a value", HTTP_PUT, "/v1/ns/demo/values/k", ROUTE_VALUE, 0},
        {"DELETE of a value", HTTP_DELETE, "/v1/ns/demo/values/k", ROUTE_VALUE, 0},
        {"OPTIONS of a value", HTTP_OPTIONS, "/v1/ns/demo/values/k", ROUTE_OPTIONS, 0},
        {"TRACE of a value", HTTP_TRACE, "/v1/ns/demo/values/k", ROUTE_REFUSED, 405},
        {"CONNECT of a value", HTTP_CONNECT, "/v1/ns/demo/values/k", ROUTE_REFUSED, 501},
        {"TRACE of a value", HTTP_TRACE, "/v1/ns/demo/values/k", ROUTE_REFUSED, 405},
        {"an unknown method", HTTP_METHOD_OTHER, "/v1/ns/demo/values/k", ROUTE_REFUSED, 501},
        {"an unknown method of nothing", HTTP_METHOD_OTHER, "/v1/x", ROUTE_REFUSED, 501},
        {"CONNECT", HTTP_CONNECT, "", ROUTE_REFUSED, 501},
        {"an unknown namespace", HTTP_GET, "/v1/ns/demos/values/k", ROUTE_REFUSED, 404},
        {"a shorter namespace", HTTP_GET, "/v1/ns/dem/values/k", ROUTE_REFUSED, 404},
        {"an empty namespace", HTTP_GET, "/v1/ns//values/k", ROUTE_REFUSED, 404},
        {"a namespace with a bad escape", HTTP_GET, "/v1/ns/de%mo/values/k", ROUTE_REFUSED, 404},
        {"an empty key", HTTP_GET, "/v1/ns/demo/values/", ROUTE_REFUSED, 400},
        {"values without a slash", HTTP_GET, "/v1/ns/demo/values", ROUTE_REFUSED, 404},
        {"another collection", HTTP_GET, "/v1/ns/demo/valuez/k", ROUTE_REFUSED, 404},
        {"a namespace alone", HTTP_GET, "/v1/ns/demo", ROUTE_NAMESPACE, 0},
        {"HEAD of a namespace", HTTP_HEAD, "/v1/ns/demo", ROUTE_NAMESPACE, 0},
        {"OPTIONS of a namespace", HTTP_OPTIONS, "/v1/ns/demo", ROUTE_OPTIONS, 0},
        {"PUT of a namespace", HTTP_PUT, "/v1/ns/demo", ROUTE_REFUSED, 405},
        {"an unknown namespace alone", HTTP_GET, "/v1/ns/demos", ROUTE_REFUSED, 404},
        {"a namespace with a slash", HTTP_GET, "/v1/ns/demo/", ROUTE_REFUSED, 404},
        {"a bad escape", HTTP_GET, "/v1/ns/demo/values/a%2", ROUTE_REFUSED, 400},
        {"a NUL", HTTP_GET, "/v1/ns/demo/values/a%00b", ROUTE_VALUE, 0},
        {"a key with only an escaped slash", HTTP_GET, "/v1/ns/demo/values/%2f", ROUTE_VALUE, 0},
        {"namespaces", HTTP_GET, "/v1/ns", ROUTE_NAMESPACES, 0},
        {"HEAD of namespaces", HTTP_HEAD, "/v1/ns", ROUTE_NAMESPACES, 0},
        {"OPTIONS of namespaces", HTTP_OPTIONS, "/v1/ns", ROUTE_OPTIONS, 0},
        {"DELETE of namespaces", HTTP_DELETE, "/v1/ns", ROUTE_REFUSED, 405},
        {"namespaces with a slash", HTTP_GET, "/v1/ns/", ROUTE_REFUSED, 404},
        {"namespaces and a letter", HTTP_GET, "/v1/nsx", ROUTE_REFUSED, 404},
        {"OPTIONS *", HTTP_OPTIONS, "*", ROUTE_OPTIONS, 0},
        {"the root, echoed", HTTP_POST, "/", ROUTE_ECHO, 0},
        {"anything below it", HTTP_PATCH, "/x/y", ROUTE_ECHO, 0},
        {"OPTIONS of an echo", HTTP_OPTIONS, "/x", ROUTE_ECHO, 0},
        {"TRACE of an echo", HTTP_TRACE, "/x", ROUTE_REFUSED, 405},
        {"an exact route", HTTP_GET, "/exact", ROUTE_ECHO, 0},
        {"a part given back to values", HTTP_GET, "/deep/x", ROUTE_REFUSED, 404},
        {"a longer prefix wins", HTTP_GET, "/deep/er/x", ROUTE_ECHO, 0},
    };
    uint8_t key[KEY_BYTES_MAX];
    struct route_match match;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        match_text(cases[i].method, cases[i].path, key, &match);
        if (match.route != cases[i].route || match.status != cases[i].status)
            fail_msg("'%s': route %u status %u", cases[i].what, match.route, match.status);
        if ((match.status != 0) != (match.reason != NULL))
            fail_msg("'%s': reason %s", cases[i].what, match.reason);
        if (match.status == 405 && match.allow == NULL)
            fail_msg("'%s': no Allow", cases[i].what);
    }
}

static void a_nul_in_the_key_is_a_byte_like_others(void **state)
{
    (void)state;
    static const char whole[] =
        "demo\0a\0b\0"; /* and the literal's own end, which is not the key's */
    uint8_t key[KEY_BYTES_MAX];
    struct route_match match;
    match_text(HTTP_GET, "/v1/ns/demo/values/a%00b%00", key, &match);
    assert_int_equal(match.route, ROUTE_VALUE);
    assert_int_equal(match.key_bytes, sizeof(whole) - 1);
    assert_memory_equal(key, whole, sizeof(whole) - 1);
    match_text(HTTP_GET, "/v1/ns/demo%00/values/a", key, &match);
    assert_int_equal(match.status, 404);
}

static void the_key_is_namespace_nul_and_decoded_rest(void **state)
{
    (void)state;
    static const struct {
        const char *path, *namespace, *key;
    } cases[] = {
        {"/v1/ns/demo/values/k", "demo", "k"},
        {"/v1/ns/a/values/cart/42", "a", "cart/42"},
        {"/v1/ns/a/values//", "a", "/"},
        {"/v1/ns/a/values/cart%2F42", "a", "cart/42"},
        {"/v1/ns/a/values/%e2%82%AC", "a", "\xe2\x82\xac"},
        {"/v1/ns/a/values/values/values/k", "a", "values/values/k"},
        {"/v1/ns/a/values/a+b", "a", "a+b"},
        {"/v1/ns/a/values/..", "a", ".."},
        {"/v1/ns/a.b_c-D9/values/x", "a.b_c-D9", "x"},
        {"/v1/ns/%64emo/values/x", "demo", "x"},
    };
    uint8_t key[KEY_BYTES_MAX];
    struct route_match match;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        size_t prefix = strlen(cases[i].namespace) + 1;
        match_text(HTTP_GET, cases[i].path, key, &match);
        if (match.route != ROUTE_VALUE || match.key_bytes != prefix + strlen(cases[i].key) ||
            memcmp(key, cases[i].namespace, prefix) != 0 ||
            memcmp(key + prefix, cases[i].key, match.key_bytes - prefix) != 0)
            fail_msg("'%s': route %u, key of %u bytes", cases[i].path, match.route,
                     match.key_bytes);
        assert_string_equal(config.namespaces[match.namespace_index].name, cases[i].namespace);
    }
}

static void a_key_has_at_most_1024_bytes_after_decoding(void **state)
{
    (void)state;
    char path[4096];
    uint8_t key[KEY_BYTES_MAX];
    struct route_match match;
    for (int bytes = 1023; bytes <= 1026; bytes++) {
        uint8_t expected = bytes <= 1024 ? ROUTE_VALUE : ROUTE_REFUSED;
        snprintf(path, sizeof(path), "/v1/ns/demo/values/%0*d", bytes, 0);
        match_text(HTTP_GET, path, key, &match);
        assert_int_equal(match.route, expected);
        snprintf(path, sizeof(path), "/v1/ns/demo/values/%%41%0*d", bytes - 1, 0);
        match_text(HTTP_GET, path, key, &match);
        assert_int_equal(match.route, expected);
        assert_int_equal(match.status, bytes <= 1024 ? 0 : 400);
    }
}

static void a_route_under_v1_lies_over_the_built_in_paths(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum route route;
    } cases[] = {
        {"/v1/ns/demo/values/test/x", ROUTE_ECHO},
        {"/v1/ns/demo/values/test", ROUTE_VALUE},
        {"/v1/ns/demo/values/test/back/x", ROUTE_VALUE},
        {"/v1/ns", ROUTE_NAMESPACES},
        {"/v1/other", ROUTE_ECHO},
    };
    uint8_t key[KEY_BYTES_MAX];
    char problem[128];
    struct route_match match;
    add_route("/v1/ns/demo/values/test/", CONFIG_BACKEND_ECHO);
    add_route("/v1/ns/demo/values/test/back/", CONFIG_BACKEND_VALUES);
    assert_int_equal(route_table_build(&table, &config, problem, sizeof(problem)), 0);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        match_text(HTTP_GET, cases[i].path, key, &match);
        if (match.route != cases[i].route)
            fail_msg("'%s': route %u", cases[i].path, match.route);
    }
}

static void without_routes_only_the_built_in_paths_exist(void **state)
{
    (void)state;
    uint8_t key[KEY_BYTES_MAX];
    char problem[128];
    struct route_match match;
    config.routes_count = 0;
    assert_int_equal(route_table_build(&table, &config, problem, sizeof(problem)), 0);
    match_text(HTTP_GET, "/", key, &match);
    assert_int_equal(match.status, 404);
    match_text(HTTP_GET, "/v1/ns/demo/values/k", key, &match);
    assert_int_equal(match.route, ROUTE_VALUE);
}

static void all_namespaces_of_a_full_table_are_found(void **state)
{
    (void)state;
    char name[80], problem[128];
    config.namespaces_count = 0;
    for (uint32_t i = 0; i < ROUTE_NAMESPACES_MAX; i++) {
        snprintf(name, sizeof(name), i % 2 ? "n%u" : "%064u", i);
        add_namespace(name);
    }
    assert_int_equal(route_table_build(&table, &config, problem, sizeof(problem)), 0);
    for (uint32_t i = 0; i < ROUTE_NAMESPACES_MAX; i++) {
        const char *known = config.namespaces[i].name;
        assert_int_equal(route_find_namespace(&table, known, (uint32_t)strlen(known)), i);
        snprintf(name, sizeof(name), "%sx", known);
        assert_int_equal(route_find_namespace(&table, name, (uint32_t)strlen(name)), UINT32_MAX);
    }
}

static void a_bad_table_says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *namespace, *route, *problem;
    } cases[] = {
        {"a b", NULL, "namespace \"a b\": a name is"},
        {"a/b", NULL, "namespace \"a/b\": a name is"},
        {"demo", NULL, "namespace \"demo\" is there twice"},
        {NULL, "x", "route \"x\": a path starts with /"},
        {NULL, "", "route \"\": a path starts with /"},
        {NULL, "/a?b", "route \"/a?b\": a path starts with /"},
        {NULL, "/exact", "route \"/exact\" is there twice"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char problem[128] = "";
        set_up(NULL);
        if (cases[i].namespace != NULL)
            add_namespace(cases[i].namespace);
        if (cases[i].route != NULL)
            add_route(cases[i].route, CONFIG_BACKEND_ECHO);
        assert_int_not_equal(route_table_build(&table, &config, problem, sizeof(problem)), 0);
        if (strstr(problem, cases[i].problem) != problem)
            fail_msg("said \"%s\", not \"%s\"", problem, cases[i].problem);
    }
}

static void a_namespace_that_a_reload_left_out_is_a_gap(void **state)
{
    (void)state;
    static struct route_table gappy;
    static const struct server_config three = {
        .namespaces = {{.name = "a"}, {.name = ""}, {.name = "c"}}, .namespaces_count = 3};
    char problem[128];
    assert_int_equal(route_table_build(&gappy, &three, problem, sizeof(problem)), 0);
    assert_int_equal(route_find_namespace(&gappy, "c", 1), 2);
    assert_int_equal(route_find_namespace(&gappy, "", 0), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_namespace_that_a_reload_left_out_is_a_gap),
        cmocka_unit_test_setup(a_path_leads_to_its_route, set_up),
        cmocka_unit_test_setup(the_key_is_namespace_nul_and_decoded_rest, set_up),
        cmocka_unit_test_setup(a_key_has_at_most_1024_bytes_after_decoding, set_up),
        cmocka_unit_test_setup(a_route_under_v1_lies_over_the_built_in_paths, set_up),
        cmocka_unit_test_setup(without_routes_only_the_built_in_paths_exist, set_up),
        cmocka_unit_test_setup(all_namespaces_of_a_full_table_are_found, set_up),
        cmocka_unit_test(a_bad_table_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
