/* SPDX-License-Identifier: BSD-3-Clause */
/* Bulk get, put and delete, and purge: results of every key, limits, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "include/compiler.h"
#include "tests/support/dialogue.h"

#define SPACE "/v1/ns/default"
#define VALUES SPACE "/values/"

static void small_limits(struct world_config *config)
{
    config->server.bulk.keys_max = 5;
    config->server.bulk.answer_max = 2000;
}

static int start(void **state)
{
    (void)state;
    talk_start_with(small_limits);
    return 0;
}

static const char *get(const char *target)
{
    return dialogue_request(&talk, target, "", "");
}

static const char *put(const char *body)
{
    return dialogue_request(&talk, "PUT " SPACE "/bulk", "", body);
}

static const char *post(const char *what, const char *body)
{
    char target[256];
    snprintf(target, sizeof(target), "POST " SPACE "/%s", what);
    return dialogue_request(&talk, target, "", body);
}

static void many_values_are_written_read_and_deleted_at_once(void **state)
{
    (void)state;
    EXPECT(put("[{\"key\":\"a\",\"value\":\"one\\n\"},"
               "{\"key\":\"b/c\",\"value\":\"AP8=\",\"base64\":true,\"ttl\":60,"
               "\"metadata\":{\"Owner\":\"alice\"}},"
               "{\"key\":\"j\",\"value\":\"{}\",\"content_type\":\"application/json\"}]"),
           "200 OK", "Content-Type: application/json\r\n",
           "{\"written\":{\"a\":{\"etag\":\"1\",\"created\":true},\"b/c\":{\"etag\":\"1\","
           "\"created\":true},\"j\":{\"etag\":\"1\",\"created\":true}},\"unprocessed\":[]}");
    EXPECT(get("GET " VALUES "a"), "200 OK", "Content-Type: text/plain; charset=utf-8\r\n",
           "\r\n\r\none\n");
    EXPECT(get("GET " VALUES "b/c"), "200 OK", "Meta-Owner: alice\r\n",
           "Content-Type: application/octet-stream\r\n", "Content-Length: 2\r\n");
    EXPECT(get("GET " VALUES "j"), "200 OK", "Content-Type: application/json\r\n");
    EXPECT(post("bulk/get", "{\"keys\":[\"j\",\"none\",\"a\",\"b/c\",\"a\"]}"), "200 OK",
           "{\"values\":{\"a\":{\"value\":\"one\\n\",\"etag\":\"1\",\"content_type\":"
           "\"text/plain; charset=utf-8\",\"metadata\":{}},\"b/c\":{\"value\":\"AP8=\",\"base64\":"
           "true,\"etag\":\"1\",\"expiration\":",
           ",\"metadata\":{\"Owner\":\"alice\"}},\"j\":{\"value\":\"{}\"",
           "\"missing\":[\"none\"],\"unprocessed\":[]}");
    EXPECT(post("bulk/get", "{\"keys\":[\"a\"],\"base64\":true}"), "200 OK",
           "{\"value\":\"b25lCg==\",\"base64\":true,");
    EXPECT(put("[{\"key\":\"a\",\"value\":\"two\"}]"), "200 OK",
           "{\"a\":{\"etag\":\"2\",\"created\":false}}");
    EXPECT(post("bulk/delete", "{\"keys\":[\"a\",\"none\"]}"), "200 OK",
           "{\"deleted\":[\"a\"],\"missing\":[\"none\"],\"unprocessed\":[]}");
    EXPECT(get("GET " VALUES "a"), "404", "not-found");
}

static void keys_of_any_bytes_go_both_ways_percent_encoded(void **state)
{
    (void)state;
    EXPECT(dialogue_request(&talk, "PUT " SPACE "/bulk?names=percent", "",
                            "[{\"key\":\"%FF%00\",\"value\":\"x\"}]"),
           "200 OK", "{\"written\":{\"%FF%00\":");
    EXPECT(get("GET " VALUES "%FF%00"), "200 OK", "\r\n\r\nx");
    EXPECT(post("bulk/get?names=percent", "{\"keys\":[\"%FF%00\",\"%41\"]}"), "200 OK",
           "{\"values\":{\"%FF%00\":{\"value\":\"x\"", "\"missing\":[\"A\"]");
    EXPECT(put("[{\"key\":\"nul\\u0000\",\"value\":\"a\\u0000b\"}]"), "200 OK", "{\"nul\\u0000\":");
    EXPECT(get("GET " VALUES "nul%00"), "200 OK", "Content-Length: 3\r\n");
}

static void a_document_that_is_not_right_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *body, *status, *detail;
    } cases[] = {
        {"", "400", "bad-json"},
        {"[{]", "400", "line 1, column"},
        {"{}", "422", "an array of values is needed"},
        {"[]", "422", "there is no key"},
        {"[1]", "422", "value number 1: it is no object"},
        {"[{\"key\":\"x\",\"value\":\"1\"},{\"value\":\"1\"}]", "422",
         "value number 2: a key is a JSON string"},
        {"[{\"key\":\"x\",\"value\":\"1\"},{\"key\":\"\",\"value\":\"1\"}]", "422",
         "value number 2: a key has 1 to 1024 bytes"},
        {"[{\"key\":\"x\",\"value\":1}]", "422", "value is a text"},
        {"[{\"key\":\"x\",\"value\":\"A\",\"base64\":true}]", "422", "not base64"},
        {"[{\"key\":\"x\",\"value\":\"A\",\"base64\":1}]", "422", "base64 is true or false"},
        {"[{\"key\":\"x\",\"value\":\"A\",\"ttl\":0}]", "422", "ttl: allowed 1..4294967295"},
        {"[{\"key\":\"x\",\"value\":\"A\",\"ttl\":\"60\"}]", "422", "ttl: allowed"},
        {"[{\"key\":\"x\",\"value\":\"A\",\"expires_at\":1}]", "422", "expires_at: allowed"},
        {"[{\"key\":\"x\",\"value\":\"A\",\"tll\":1}]", "422", "it has a member other than"},
        {"[{\"key\":\"x\",\"value\":\"A\",\"metadata\":{\"a b\":\"c\"}}]", "422", "metadata is"},
        {"[{\"key\":\"x\",\"value\":\"A\",\"metadata\":{\"a\":\"c\\r\\nX: y\"}}]", "422",
         "without control characters"},
        {"[{\"key\":\"x\",\"value\":\"1\"},{\"key\":\"x\",\"value\":\"2\"}]", "422",
         "value number 2: its key is there twice"},
        {"[{\"key\":\"x\",\"key\":\"y\",\"value\":\"1\"}]", "400", "bad-json"},
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(cases); i++) {
        EXPECT(put(cases[i].body), cases[i].status, cases[i].detail);
        EXPECT(get("GET " VALUES "x"), "404", "not-found");
    }
    EXPECT(post("bulk/get", "{\"keys\":\"a\"}"), "422", "keys: an array of keys is needed");
    EXPECT(post("bulk/get", "{\"keys\":[1]}"), "422", "keys, number 1: a key is a JSON string");
    EXPECT(post("bulk/get?names=percent", "{\"keys\":[\"%4\"]}"), "422", "two hexadecimal digits");
    EXPECT(post("bulk/get", "[]"), "422", "keys: an array");
    EXPECT(get("GET " SPACE "/bulk"), "405", "Allow: PUT, OPTIONS\r\n");
    EXPECT(get("GET " SPACE "/bulk/get"), "405", "Allow: POST, OPTIONS\r\n");
}

static void each_limit_has_its_own_answer(void **state)
{
    (void)state;
    char big[1100], body[4096];
    memset(big, 'v', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    EXPECT(post("bulk/delete", "{\"keys\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"]}"), "413",
           "too-many-keys", "6 keys; bulk.keys_max allows 5");
    snprintf(body, sizeof(body),
             "[{\"key\":\"a\",\"value\":\"%s\"},{\"key\":\"b\",\"value\":\"%s\"}]", big, big);
    EXPECT(put(body), "200 OK", "\"unprocessed\":[]");
    EXPECT(post("bulk/get", "{\"keys\":[\"a\",\"b\"]}"), "200 OK",
           "\"unprocessed\":[{\"key\":\"b\",\"status\":400,\"type\":\"urn:gannet:problem:"
           "answer-too-large\",");
    snprintf(body, sizeof(body),
             "[{\"key\":\"a\",\"value\":\"%s\"},{\"key\":\"b\",\"value\":\"1\"}]", big);
    /* the namespace "small" takes 1,000 bytes */
    EXPECT(dialogue_request(&talk, "PUT /v1/ns/small/bulk", "", body), "200 OK",
           "{\"written\":{\"b\":",
           "{\"key\":\"a\",\"status\":413,\"type\":\"urn:gannet:problem:"
           "body-too-large\",");
    snprintf(body, sizeof(body), "[{\"key\":\"a\",\"value\":\"%s\"}]", big);
    EXPECT(dialogue_request(&talk, "PUT /v1/ns/small/bulk", "", body), "413", "body-too-large",
           "none of the 1 keys could be processed");
}

static void a_purge_empties_the_cache_and_keeps_the_values(void **state)
{
    (void)state;
    put("[{\"key\":\"p/1\",\"value\":\"1\"},{\"key\":\"p/2\",\"value\":\"2\"},"
        "{\"key\":\"q\",\"value\":\"3\"}]");
    EXPECT(get("GET " VALUES "p/1"), "200 OK", "Cache-Status: gannet; hit");
    EXPECT(post("purge", "{\"keys\":[\"p/1\",\"none\"]}"), "200 OK",
           "{\"purged\":2,\"unprocessed\":0,\"complete\":true}");
    EXPECT(get("GET " VALUES "p/1"), "200 OK", "fwd=uri-miss", "\r\n\r\n1");
    EXPECT(get("GET " VALUES "p/1"), "200 OK", "gannet; hit");
    EXPECT(post("purge", "{\"prefix\":\"p/\"}"), "200 OK",
           "{\"purged\":2,\"unprocessed\":0,\"complete\":true}");
    EXPECT(get("GET " VALUES "p/1"), "200 OK", "fwd=uri-miss");
    EXPECT(get("GET " VALUES "p/2"), "200 OK", "fwd=uri-miss");
    EXPECT(get("GET " VALUES "q"), "200 OK", "gannet; hit");
    EXPECT(post("purge", "{\"prefix\":\"\"}"), "200 OK", "{\"purged\":3,");
    EXPECT(get("GET " VALUES "q"), "200 OK", "fwd=uri-miss");
    EXPECT(post("purge", "{}"), "422", "keys or prefix is needed");
    EXPECT(post("purge", "{\"keys\":[\"a\"],\"prefix\":\"b\"}"), "422", "not both");
    EXPECT(post("purge", "{\"keys\":[\"a\"],\"soft\":1}"), "422", "soft is true or false");
    EXPECT(post("purge", "{\"keys\":[\"a\"],\"sofft\":true}"), "422", "sofft",
           "allowed: keys, prefix, soft, cursor");
    EXPECT(post("bulk/get", "{\"keys\":[\"a\"],\"base\":true}"), "422", "allowed: keys, base64");
    EXPECT(post("bulk/delete", "{\"keys\":[\"a\"],\"base64\":true}"), "422", "allowed: keys");
    EXPECT(post("purge", "{\"prefix\":1}"), "422", "prefix is a text");
    EXPECT(post("purge", "{\"prefix\":\"a\",\"cursor\":\"x\"}"), "400", "bad-cursor");
}

static void a_soft_purge_leaves_what_is_served_while_the_store_cannot_say(void **state)
{
    (void)state;
    get("PUT " VALUES "a");
    get("PUT " VALUES "b");
    EXPECT(post("purge", "{\"keys\":[\"a\"],\"soft\":true}"), "200 OK", "{\"purged\":1,");
    EXPECT(get("GET " VALUES "a"), "200 OK", "fwd=uri-miss; stored", "Age: 0\r\n");
    EXPECT(get("GET " VALUES "a"), "200 OK", "gannet; hit"); /* the store has confirmed it */
    EXPECT(post("purge", "{\"keys\":[\"a\"],\"soft\":true}"), "200 OK", "{\"purged\":1,");
    EXPECT(post("purge", "{\"keys\":[\"b\"]}"), "200 OK", "{\"purged\":1,");
    server_world_run_ms(&talk.world, 5000);
    talk.world.is_store_stopped = true;
    get("GET " VALUES "a");
    server_world_run_ms(&talk.world, 3000);
    EXPECT(dialogue_hear(&talk), "200 OK", "gannet; fwd=stale; fwd-status=503\r\n", "Age: ");
    get("HEAD " VALUES "a");
    server_world_run_ms(&talk.world, 3000);
    EXPECT(dialogue_hear(&talk), "200 OK", "fwd=stale");
    get("GET " VALUES "b"); /* purged hard: nothing is left */
    server_world_run_ms(&talk.world, 3000);
    EXPECT(dialogue_hear(&talk), "503", "overloaded");
    get("DELETE " VALUES "a");
    server_world_run_ms(&talk.world, 3000);
    EXPECT(dialogue_hear(&talk), "504", "storage-timeout");
    talk.world.is_store_stopped = false;
    server_world_run_ms(&talk.world, 3000);
    EXPECT(get("GET " VALUES "a"), "404", "not-found"); /* the delete came through late */
}

int main(void)
{
    server_world_prepare();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_values_are_written_read_and_deleted_at_once, start,
                                        talk_stop),
        cmocka_unit_test_setup_teardown(keys_of_any_bytes_go_both_ways_percent_encoded, start,
                                        talk_stop),
        cmocka_unit_test_setup_teardown(a_document_that_is_not_right_changes_nothing, start,
                                        talk_stop),
        cmocka_unit_test_setup_teardown(each_limit_has_its_own_answer, start, talk_stop),
        cmocka_unit_test_setup_teardown(a_purge_empties_the_cache_and_keeps_the_values, start,
                                        talk_stop),
        cmocka_unit_test_setup_teardown(
            a_soft_purge_leaves_what_is_served_while_the_store_cannot_say, start, talk_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
