/* SPDX-License-Identifier: BSD-3-Clause */
/* A namespace with a JSON Schema: every way to write a value, and what its refusal says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "include/counters.h"
#include "tests/support/dialogue.h"

#define SPACE "/v1/ns/default"
#define KEY SPACE "/values/k"
#define MERGE "Content-Type: application/merge-patch+json\r\n"

static char file_name[] = "/tmp/gannet-schema-XXXXXX";

static const char schema[] =
    "{\"type\":[\"object\",\"integer\"],\"minimum\":-2,\"required\":[\"name\"],"
    "\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":1},"
    "\"tags\":{\"items\":{\"type\":\"string\"},\"uniqueItems\":true}},"
    "\"additionalProperties\":false}";

static void with_schema(struct world_config *config)
{
    struct config_namespaces *space = &config->server.namespaces[0];
    snprintf(space->schema, sizeof(space->schema), "%s", file_name);
    config->server.tasks.schema_violations = 2;
    config->server.tasks.schema_steps = 1000;
    config->server.tasks.body_max = 100000;
}

static int start(void **state)
{
    (void)state;
    talk_start_with(with_schema);
    return 0;
}

/* The member of a problem document, as text. */
static const char *member(const char *answer, const char *name)
{
    static char text[4096];
    json_error_t error;
    json_t *problem = json_loads(dialogue_body(answer), 0, &error);
    if (!problem)
        fail_msg("%s in %s", error.text, answer);
    char *found = json_dumps(json_object_get(problem, name), JSON_ENCODE_ANY | JSON_COMPACT);
    snprintf(text, sizeof(text), "%s", found ? found : "");
    free(found);
    json_decref(problem);
    return text;
}

static void a_put_that_fits_is_a_put_like_any_other(void **state)
{
    (void)state;
    EXPECT(talk_ask("PUT " KEY "?ttl=60", "Content-Type: application/json\r\nMeta-Owner: a\r\n",
                    "{\"name\":\"x\"}"),
           "201", "ETag: \"1\"\r\n", "Location: /v1/ns/default/values/k\r\n");
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "Cache-Status: gannet; hit; ttl=", "Meta-Owner: a",
           "Content-Type: application/json", "\r\n\r\n{\"name\":\"x\"}");
    EXPECT(talk_ask("PUT " KEY, "If-Match: \"1\"\r\n", "{\"name\":\"y\"}"), "204", "ETag: \"2\"");
    EXPECT(talk_ask("PUT " KEY, "If-Match: \"1\"\r\n", "{\"name\":\"z\"}"), "412",
           "\"current_etag\":\"\\\"2\\\"\"");
    EXPECT(talk_ask("PUT " KEY, "If-None-Match: \"8\", \"7\", \"6\", \"5\", \"4\", \"2\"\r\n",
                    "{\"name\":\"z\"}"),
           "412", "");
    EXPECT(talk_ask("PUT " KEY, "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT\r\n",
                    "{\"name\":\"z\"}"),
           "412", "");
    EXPECT(talk_ask("DELETE " KEY, "", ""), "204", "");
}

static void a_put_that_does_not_fit_names_the_places(void **state)
{
    (void)state;
    const char *answer =
        talk_ask("PUT " KEY, "Request-Id: r1\r\n", "{\"name\":\"\",\"tags\":[\"a\",7]}");
    EXPECT(answer, "422", "Content-Type: application/problem+json\r\n",
           "Cache-Control: no-store\r\n", "{\"type\":\"urn:gannet:problem:schema-violation\",",
           "\"instance\":\"r1\"");
    assert_string_equal(
        member(answer, "errors"),
        "[{\"pointer\":\"/name\",\"keyword\":\"minLength\",\"detail\":\"has 0 characters; least "
        "allowed is 1\"},{\"pointer\":\"/tags/1\",\"keyword\":\"type\",\"detail\":\"is of type "
        "integer; allowed: string\"}]");
    assert_string_equal(member(answer, "more_errors"), "false");
    answer = talk_ask("PUT " KEY, "", "{\"tags\":[1,2,3],\"more\":1}");
    assert_string_equal(member(answer, "more_errors"), "true");
    EXPECT(talk_ask("PUT " KEY, "", "{\"name\":"), "422", "urn:gannet:problem:not-json",
           "the value: line 1");
    EXPECT(talk_ask("PUT " KEY, "", ""), "422", "not-json");
    EXPECT(talk_ask("PUT " KEY, "", "{\"name\":\"a\",\"name\":\"b\"}"), "422", "not-json",
           "duplicate");
    EXPECT(talk_ask("GET " KEY, "", ""), "404", "");
    EXPECT(talk_ask("PUT /v1/ns/small/values/k", "", "not JSON"), "201", "");
    assert_int_equal(server_world_counter(COUNTER_SCHEMA_VIOLATIONS), 2);
}

static void a_large_value_fits_or_not_as_well(void **state)
{
    (void)state;
    static char body[200000];
    size_t bytes = (size_t)snprintf(body, sizeof(body), "{\"name\":\"%090000d\"}", 7);
    EXPECT(talk_ask("PUT " KEY, "", body), "201", "");
    assert_int_equal(strlen(dialogue_body(talk_ask("GET " KEY, "", ""))), bytes);
    memset(body + bytes, ' ', 20000);
    body[bytes + 20000] = '\0';
    EXPECT(talk_ask("PUT " KEY, "", body), "413", "larger than tasks.body_max");
    EXPECT(dialogue_ask(&talk, "PUT " KEY " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                               "\r\n2\r\n{}\r\n0\r\n\r\n"),
           "422", "/name");
}

static void a_patch_must_leave_a_value_that_fits(void **state)
{
    (void)state;
    talk_ask("PUT " KEY, "", "{\"name\":\"x\"}");
    const char *answer = talk_ask("PATCH " KEY, MERGE, "{\"name\":null,\"odd\":1}");
    EXPECT(answer, "422", "schema-violation", "\"pointer\":\"/name\"", "\"pointer\":\"/odd\"");
    EXPECT(talk_ask("PATCH " KEY, MERGE, "{\"tags\":[\"a\"]}"), "204", "ETag: \"2\"");
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "{\"name\":\"x\",\"tags\":[\"a\"]}");
}

static void a_counter_stays_within_its_schema(void **state)
{
    (void)state;
    EXPECT(talk_ask("POST " KEY "?op=incr&by=-2", "", ""), "200", "\r\n\r\n-2");
    EXPECT(talk_ask("POST " KEY "?op=incr&by=-1", "", ""), "422", "schema-violation",
           "\"pointer\":\"\",\"keyword\":\"minimum\",\"detail\":\"is less than -2\"");
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "\r\n\r\n-2");
}

static void of_a_bulk_put_what_fits_is_written(void **state)
{
    (void)state;
    EXPECT(talk_ask("PUT " SPACE "/bulk", "",
                    "[{\"key\":\"a\",\"value\":\"{\\\"name\\\":\\\"x\\\"}\"},"
                    "{\"key\":\"b\",\"value\":\"{}\"},{\"key\":\"c\",\"value\":\"{\"}]"),
           "200", "{\"written\":{\"a\":{\"etag\":\"1\",\"created\":true}},\"unprocessed\":[",
           "{\"key\":\"b\",\"status\":422,\"type\":\"urn:gannet:problem:schema-violation\"",
           ",\"errors\":[{\"pointer\":\"/name\",\"keyword\":\"required\",",
           "{\"key\":\"c\",\"status\":422,\"type\":\"urn:gannet:problem:not-json\"");
    const char *answer = talk_ask("PUT " SPACE "/bulk", "",
                                  "[{\"key\":\"a\",\"value\":\"{\\\"x\\\":1}\"},"
                                  "{\"key\":\"b\",\"value\":\"{\\\"x\\\":2}\"}]");
    EXPECT(answer, "422", "none of the 2 keys could be processed", "\"key\":\"a\",\"status\":422",
           "\"pointer\":\"/x\"");
    assert_int_not_equal(strlen(member(answer, "unprocessed")), 0);
    EXPECT(talk_ask("GET " SPACE "/values/a", "", ""), "200", "{\"name\":\"x\"}");
}

static void a_value_that_takes_too_long_to_check_is_refused(void **state)
{
    (void)state;
    static char body[8192] = "{\"name\":\"x\",\"tags\":[\"0\"";
    for (int i = 1; i < 600; i++)
        snprintf(body + strlen(body), 16, ",\"%d\"", i);
    snprintf(body + strlen(body), 4, "]}");
    EXPECT(talk_ask("PUT " KEY, "", body), "422", "schema-too-costly", "tasks.schema_steps");
    assert_int_equal(server_world_counter(COUNTER_SCHEMA_TOO_COSTLY), 1);
}

/* The task comes back to nobody: its body is given back (talk_stop looks). */
static void a_client_that_leaves_before_its_value_was_checked_is_forgotten(void **state)
{
    (void)state;
    static const char request[] = "PUT " KEY " HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n"
                                  "{\"name\":\"x\"}";
    server_world_send(&talk.world, &talk.client, request, sizeof(request) - 1, UINT32_MAX);
    for (int i = 0; i < 1000 && server_world_counter(COUNTER_TASKS) == 0; i++)
        server_world_step(&talk.world, talk.world.now_ns + 1000);
    assert_int_equal(server_world_counter(COUNTER_TASKS), 1);
    server_world_abort(&talk.world, &talk.client);
    server_world_run_ms(&talk.world, 100);
    EXPECT(talk_ask("PUT " KEY, "", "{\"name\":\"y\"}"), "20", "");
}

static int write_schema(void **state)
{
    (void)state;
    int file = mkstemp(file_name);
    bool is_written = file >= 0 && write(file, schema, sizeof(schema) - 1) == sizeof(schema) - 1;
    close(file);
    return is_written ? 0 : -1;
}

static int remove_schema(void **state)
{
    (void)state;
    return unlink(file_name);
}

int main(void)
{
    server_world_prepare();
#define ONE(name) cmocka_unit_test_setup_teardown(name, start, talk_stop)
    const struct CMUnitTest tests[] = {
        ONE(a_put_that_fits_is_a_put_like_any_other),
        ONE(a_put_that_does_not_fit_names_the_places),
        ONE(a_large_value_fits_or_not_as_well),
        ONE(a_patch_must_leave_a_value_that_fits),
        ONE(a_counter_stays_within_its_schema),
        ONE(of_a_bulk_put_what_fits_is_written),
        ONE(a_value_that_takes_too_long_to_check_is_refused),
        ONE(a_client_that_leaves_before_its_value_was_checked_is_forgotten),
    };
    return cmocka_run_group_tests(tests, write_schema, remove_schema);
}
