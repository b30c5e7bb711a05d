/* SPDX-License-Identifier: BSD-3-Clause */
/* PATCH with a merge patch, and GET ?fields=. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "include/compiler.h"
#include "tests/support/dialogue.h"

#define KEY "/v1/ns/default/values/k"
#define MERGE "Content-Type: application/merge-patch+json\r\n"

static void let_small_be_cached(struct world_config *config)
{
    snprintf(config->server.namespaces[1].cache_control,
             sizeof(config->server.namespaces[1].cache_control), "private, max-age=60");
}

static int start_cached(void **state)
{
    (void)state;
    talk_start_with(let_small_be_cached);
    return 0;
}

/* RFC 7396 appendix A, every row. */
static void the_vectors_of_the_rfc_hold(void **state)
{
    (void)state;
    static const struct {
        const char *before, *patch, *after;
    } rows[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        talk_ask("PUT " KEY, "Content-Type: application/json\r\n", rows[i].before);
        EXPECT(talk_ask("PATCH " KEY, MERGE, rows[i].patch), "204", "ETag: ");
        const char *answer = talk_ask("GET " KEY, "", "");
        EXPECT(answer, "200", "Content-Type: application/json");
        assert_string_equal(dialogue_body(answer), rows[i].after);
    }
}

static void wrong_patches_are_named_and_change_nothing(void **state)
{
    (void)state;
    EXPECT(talk_ask("PATCH " KEY, MERGE, "{}"), "404", "nothing to patch");
    talk_ask("PUT " KEY, "", "{\"a\":1}");
    EXPECT(talk_ask("PATCH " KEY, "", "{}"), "415", "application/merge-patch+json");
    EXPECT(talk_ask("PATCH " KEY, "Content-Type: application/merge-patch+jsonp\r\n", "{}"), "415",
           "unsupported-type");
    EXPECT(talk_ask("PATCH " KEY, MERGE, "{\"a\":"), "422", "not-json", "the patch: line 1");
    EXPECT(talk_ask("PATCH " KEY, MERGE, ""), "422", "not-json");
    EXPECT(talk_ask("PATCH " KEY, MERGE "If-Match: \"99\"\r\n", "{}"), "412", "ETag: \"1\"");
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "ETag: \"1\"", "{\"a\":1}");
    talk_ask("PUT " KEY, "", "plain words");
    EXPECT(talk_ask("PATCH " KEY, MERGE, "{}"), "422", "the stored value: line 1");
}

static void a_patched_value_keeps_to_the_limit_of_its_namespace(void **state)
{
    (void)state;
    char patch[1200];
    snprintf(patch, sizeof(patch), "{\"long\":\"%0980d\"}", 0);
    talk_ask("PUT /v1/ns/small/values/k", "", "{\"kept\":true}");
    EXPECT(talk_ask("PATCH /v1/ns/small/values/k", MERGE, patch), "413", "value_max");
    EXPECT(talk_ask("GET /v1/ns/small/values/k", "", ""), "200", "{\"kept\":true}");
}

static void only_the_fields_asked_for_come(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *answer;
    } rows[] = {
        {"a", "{\"a\":1}"},
        {"a,b", "{\"a\":1,\"b\":{\"c\":2,\"d\":[{\"e\":3,\"f\":4},{\"e\":5}]}}"},
        {"b.c", "{\"b\":{\"c\":2}}"},
        {"b.d.e", "{\"b\":{\"d\":[{\"e\":3},{\"e\":5}]}}"},
        {"b.c,b.d.f", "{\"b\":{\"c\":2,\"d\":[{\"f\":4},{}]}}"},
        {"b,b.c", "{\"b\":{\"c\":2,\"d\":[{\"e\":3,\"f\":4},{\"e\":5}]}}"},
        {"none,a.deeper", "{}"},
        {"%61", "{\"a\":1}"},
    };
    char target[128];
    talk_ask("PUT " KEY, "",
             "{\"a\":1,\"b\":{\"c\":2,\"d\":[{\"e\":3,\"f\":4},{\"e\":5}]},\"z\":0}");
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        snprintf(target, sizeof(target), "GET " KEY "?fields=%s", rows[i].fields);
        const char *answer = talk_ask(target, "", "");
        EXPECT(answer, "200", "ETag: \"1\"", "Last-Modified: ", "Content-Type: application/json");
        assert_string_equal(dialogue_body(answer), rows[i].answer);
    }
}

static void wrong_fields_are_named(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "a,,b", "a..b", ".a", "%zz", "%00", "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a"};
    char target[128];
    talk_ask("PUT " KEY, "", "{\"a\":1}");
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        snprintf(target, sizeof(target), "GET " KEY "?fields=%s", wrong[i]);
        EXPECT(talk_ask(target, "", ""), "400", "bad-parameter", "fields: allowed");
    }
    EXPECT(talk_ask("GET /v1/ns/default/values/none?fields=a", "", ""), "404", "not-found");
    talk_ask("PUT " KEY, "", "12");
    EXPECT(talk_ask("GET " KEY "?fields=a", "", ""), "422", "neither an object nor an array");
    talk_ask("PUT " KEY, "", "words");
    EXPECT(talk_ask("GET " KEY "?fields=a", "", ""), "422", "the stored value: line 1");
}

static void conditions_and_head_hold_for_fields_too(void **state)
{
    (void)state;
    talk_ask("PUT " KEY, "", "{\"a\":1}");
    const char *answer = talk_ask("HEAD " KEY "?fields=a", "", "");
    EXPECT(answer, "200", "Content-Length: 7\r\n");
    assert_string_equal(dialogue_body(answer), "");
    EXPECT(talk_ask("GET " KEY "?fields=a", "If-None-Match: \"1\"\r\n", ""), "304", "ETag: \"1\"");
    EXPECT(talk_ask("GET " KEY "?fields=a", "If-None-Match: \"2\"\r\n", ""), "200", "{\"a\":1}");
    EXPECT(talk_ask("GET " KEY "?fields=a", "If-Match: \"2\"\r\n", ""), "412", "ETag: \"1\"");
}

/* A read of some fields is a read: RFC 9110 13.2.2, and the namespace's Cache-Control. */
static void what_holds_for_a_value_holds_for_its_fields(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *status, *text;
    } rows[] = {
        {"If-Match: \"1\"\r\nIf-None-Match: \"1\"\r\n", "304", "ETag: \"1\""},
        {"If-Match: \"2\"\r\nIf-None-Match: \"1\"\r\n", "412", "ETag: \"1\""},
        {"If-None-Match: \"5\", \"4\", \"3\", \"2\", \"1\"\r\n", "304", "ETag: \"1\""},
        {"If-None-Match: \"6\", \"5\", \"4\", \"3\", \"2\"\r\n", "200", "{\"a\":1}"},
        {"If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT\r\n", "412", "precondition-failed"},
        {"If-Modified-Since: Sun, 01 Jan 2119 00:00:00 GMT\r\n", "304", "Last-Modified: "},
        {"If-Modified-Since: Thu, 01 Jan 1970 00:00:01 GMT\r\n", "200", "{\"a\":1}"},
        {"Range: bytes=1-3\r\n", "206", "\r\n\r\n\"a\""},
        {"", "200", "Cache-Status: gannet; fwd=bypass"},
    };
    talk_ask("PUT " KEY, "", "{\"a\":1,\"b\":2}");
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        EXPECT(talk_ask("GET " KEY "?fields=a", rows[i].fields, ""), rows[i].status, rows[i].text);
    talk_ask("PUT /v1/ns/small/values/k", "", "{\"a\":1,\"b\":2}");
    EXPECT(talk_ask("GET /v1/ns/small/values/k?fields=a", "", ""), "200",
           "Cache-Control: private, max-age=60");
}

/* RFC 9110 13.2: every condition counts for PATCH and counters as it does for PUT. */
static void every_condition_counts_for_a_change(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *status;
    } rows[] = {
        {"If-Match: \"1\"\r\nIf-None-Match: \"1\"\r\n", "412"},
        {"If-Match: \"1\", \"9\", \"8\", \"7\", \"6\"\r\n", "2"},
        {"If-Match: \"9\", \"8\", \"7\", \"6\", \"5\"\r\n", "412"},
        {"If-None-Match: \"9\", \"8\", \"7\", \"6\", \"1\"\r\n", "412"},
        {"If-Unmodified-Since: Sun, 01 Jan 2119 00:00:00 GMT\r\n", "2"},
        {"If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT\r\n", "412"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char fields[256], patch[32], count[32];
        snprintf(fields, sizeof(fields), MERGE "%s", rows[i].fields);
        snprintf(patch, sizeof(patch), "/v1/ns/default/values/p%zu", i);
        snprintf(count, sizeof(count), "/v1/ns/default/values/c%zu", i);
        char target[64];
        snprintf(target, sizeof(target), "PUT %s", patch);
        talk_ask(target, "", "{\"a\":1}");
        snprintf(target, sizeof(target), "PATCH %s", patch);
        EXPECT(talk_ask(target, fields, "{\"b\":2}"), rows[i].status, "ETag: ");
        snprintf(target, sizeof(target), "PUT %s", count);
        talk_ask(target, "", "7");
        snprintf(target, sizeof(target), "POST %s?op=incr", count);
        EXPECT(talk_ask(target, rows[i].fields, ""), rows[i].status, "ETag: ");
    }
    const char *later = MERGE "If-Unmodified-Since: Sun, 01 Jan 2119 00:00:00 GMT\r\n";
    EXPECT(talk_ask("PATCH " KEY, later, "{}"), "404", "there is nothing to patch");
    EXPECT(talk_ask("POST " KEY "?op=incr", later, ""), "200", "\r\n\r\n1");
}

static void numbers_that_a_patch_leaves_alone_stay_as_they_are(void **state)
{
    (void)state;
    talk_ask("PUT " KEY, "", "{\"price\":0.1,\"sum\":19.99}");
    EXPECT(talk_ask("PATCH " KEY, MERGE, "{\"new\":1.10}"), "204", "ETag: ");
    assert_string_equal(dialogue_body(talk_ask("GET " KEY, "", "")),
                        "{\"price\":0.1,\"sum\":19.99,\"new\":1.1}");
    assert_string_equal(dialogue_body(talk_ask("GET " KEY "?fields=price", "", "")),
                        "{\"price\":0.1}");
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, talk_start, talk_stop)
    const struct CMUnitTest tests[] = {
        ONE(the_vectors_of_the_rfc_hold),
        ONE(wrong_patches_are_named_and_change_nothing),
        ONE(a_patched_value_keeps_to_the_limit_of_its_namespace),
        ONE(only_the_fields_asked_for_come),
        ONE(wrong_fields_are_named),
        ONE(conditions_and_head_hold_for_fields_too),
        cmocka_unit_test_setup_teardown(what_holds_for_a_value_holds_for_its_fields, start_cached,
                                        talk_stop),
        ONE(every_condition_counts_for_a_change),
        ONE(numbers_that_a_patch_leaves_alone_stay_as_they_are),
    };
    server_world_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
