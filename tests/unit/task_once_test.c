/* SPDX-License-Identifier: BSD-3-Clause */
/* Idempotency-Key: what comes again is not done again, and what only looks the same is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "include/compiler.h"
#include "include/counters.h"
#include "include/server_config.h"
#include "tests/support/dialogue.h"

#define SPACE "/v1/ns/default"
#define KEY SPACE "/values/visits"
#define REPLAYED "Idempotent-Replayed: true\r\n"
#define ONCE(key) "Idempotency-Key: \"" key "\"\r\n"

static void an_increment_that_comes_again_is_counted_once(void **state)
{
    (void)state;
    EXPECT(talk_ask("POST " KEY "?op=incr&by=5", ONCE("a"), ""), "200 OK", "ETag: \"1\"\r\n",
           "Content-Type: text/plain\r\n", "\r\n\r\n5");
    for (int i = 0; i < 3; i++)
        EXPECT(talk_ask("POST " KEY "?op=incr&by=5", ONCE("a"), ""), "200 OK", "ETag: \"1\"\r\n",
               "Content-Type: text/plain\r\n", REPLAYED, "Content-Length: 1\r\n", "\r\n\r\n5");
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "ETag: \"1\"\r\n", "\r\n\r\n5");
    EXPECT(talk_ask("POST " KEY "?op=incr&by=5", ONCE("b"), ""), "200 OK", "\r\n\r\n10");
    EXPECT(talk_ask("POST " KEY "?op=incr&by=5", "", ""), "200 OK", "\r\n\r\n15");
    EXPECT(talk_ask("POST " KEY "?op=incr&by=5", ONCE("a"), ""), "200 OK", "\r\n\r\n5");
}

static void a_key_stands_for_one_request(void **state)
{
    (void)state;
    static const struct {
        const char *request, *body;
    } others[] = {
        {"POST " KEY "?op=incr&by=2", ""},
        {"POST " KEY "2?op=incr", ""},
        {"PATCH " KEY, "{}"},
        {"POST " SPACE "/bulk/delete", "{\"keys\":[\"visits\"]}"},
        {"POST " SPACE "/purge", "{\"prefix\":\"\"}"},
    };
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("a"), ""), "200", "\r\n\r\n1");
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        EXPECT(talk_ask(others[i].request,
                        ONCE("a") "Content-Type: application/merge-patch+json\r\n", others[i].body),
               "422", "idempotency-key-reused");
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("a") "If-Match: \"1\"\r\n", ""), "422", "reused");
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "\r\n\r\n1");
    /* another namespace has keys of its own */
    EXPECT(talk_ask("POST /v1/ns/small/values/visits?op=incr", ONCE("a"), ""), "200", "\r\n\r\n1");
}

static void what_is_no_key_is_named(void **state)
{
    (void)state;
    char longest[400];
    static const char *const fields[] = {
        "Idempotency-Key: a\r\n",
        "Idempotency-Key: \"\"\r\n",
        "Idempotency-Key: \"a\r\n",
        "Idempotency-Key: \"a\"b\"\r\n",
        "Idempotency-Key: \"\\a\"\r\n",
        "Idempotency-Key: \"a\\\"\r\n",
        "Idempotency-Key: 17\r\n",
        "Idempotency-Key: \"a\", \"b\"\r\n",
        "Idempotency-Key: \"\r\n",
        "Idempotency-Key: \"\xc3\xa9\"\r\n",
        ONCE("a") ONCE("a"),
    };
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++)
        EXPECT(talk_ask("POST " KEY "?op=incr", fields[i], ""), "400", "bad-idempotency-key");
    snprintf(longest, sizeof(longest), "Idempotency-Key: \"%0255d\"\r\n", 1);
    EXPECT(talk_ask("POST " KEY "?op=incr", longest, ""), "200", "\r\n\r\n1");
    snprintf(longest, sizeof(longest), "Idempotency-Key: \"%0256d\"\r\n", 1);
    EXPECT(talk_ask("POST " KEY "?op=incr", longest, ""), "400", "bad-idempotency-key");
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("\\\"\\\\ "), ""), "200", "\r\n\r\n2");
    EXPECT(talk_ask("POST " KEY "?op=incr",
                    ONCE("c") "If-Match: \"1\", \"2\", \"3\", \"4\", \"5\"\r\n", ""),
           "400", "bad-condition", "up to four tags");
    /* where nothing is done twice it says nothing */
    EXPECT(talk_ask("GET " KEY, "Idempotency-Key: a\r\n", ""), "200", "\r\n\r\n2");
}

static void it_is_demanded(struct world_config *config)
{
    config->server.namespaces[0].require_idempotency_key = true;
}

static void a_namespace_may_demand_it(void **state)
{
    talk_stop(state);
    talk_start_with(it_is_demanded);
    EXPECT(talk_ask("POST " KEY "?op=incr", "", ""), "400", "idempotency-key-required");
    EXPECT(talk_ask("POST " SPACE "/purge", "", "{\"prefix\":\"\"}"), "400", "-key-required");
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("a"), ""), "200", "\r\n\r\n1");
    EXPECT(talk_ask("PUT " KEY, "", "7"), "204", "ETag");
    EXPECT(talk_ask("POST " SPACE "/bulk/get", "", "{\"keys\":[\"visits\"]}"), "200", "\"7\"");
    EXPECT(talk_ask("POST /v1/ns/small/values/visits?op=incr", "", ""), "200", "\r\n\r\n1");
}

static void while_the_first_is_under_way_the_second_is_refused(void **state)
{
    (void)state;
    static const char request[] = "POST " KEY "?op=incr HTTP/1.1\r\nHost: h\r\n" ONCE("a") "\r\n";
    struct world_client other = {0};
    server_world_connect(&talk.world, &other);
    server_world_run_ms(&talk.world, 10);
    talk.world.is_store_stopped = true;
    server_world_send(&talk.world, &other, request, sizeof(request) - 1, UINT32_MAX);
    server_world_run_ms(&talk.world, 10);
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("a"), ""), "409", "idempotency-key-in-use");
    talk.world.is_store_stopped = false;
    server_world_run_ms(&talk.world, 1000);
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("a"), ""), "200", REPLAYED, "\r\n\r\n1");
    server_world_forget(&talk.world, &other);
}

/* The store falls silent somewhere on the way: who is told 504 tries again, and it is done once. */
static void an_unknown_outcome_is_found_out_by_trying_again(void **state)
{
    (void)state;
    enum { STOPS = 30, STEP_NS = 60000 };
    uint64_t silence_ms = 2 * talk.world.config.server.tasks.timeout_ms;
    for (uint32_t stop = 1; stop <= STOPS; stop++) {
        struct world_client other = {0};
        char request[200], field[64], sum[16];
        snprintf(field, sizeof(field), "Idempotency-Key: \"%u\"\r\n", stop);
        int bytes = snprintf(request, sizeof(request),
                             "POST " KEY "?op=incr HTTP/1.1\r\nHost: h\r\n%s\r\n", field);
        server_world_connect(&talk.world, &other);
        server_world_run_ms(&talk.world, 10);
        server_world_send(&talk.world, &other, request, (uint32_t)bytes, UINT32_MAX);
        uint64_t until_ns = talk.world.now_ns + (uint64_t)stop * STEP_NS;
        while (talk.world.now_ns < until_ns)
            server_world_step(&talk.world, until_ns);
        talk.world.is_store_stopped = true;
        server_world_run_ms(&talk.world, silence_ms);
        talk.world.is_store_stopped = false;
        server_world_run_ms(&talk.world, 1000);
        snprintf(sum, sizeof(sum), "\r\n\r\n%u", stop);
        EXPECT(talk_ask("POST " KEY "?op=incr", field, ""), "200", sum);
        EXPECT(talk_ask("GET " KEY, "", ""), "200", sum);
        server_world_forget(&talk.world, &other);
    }
    assert_true(server_world_counter(COUNTER_IDEMPOTENCY_REPLAYED) > 0);
}

static void a_patch_is_not_applied_over_what_came_after_it(void **state)
{
    (void)state;
    static const char fields[] =
        ONCE("a") "Content-Type: application/merge-patch+json\r\nIf-Match: \"1\"\r\n";
    talk_ask("PUT " KEY, "", "{\"a\":1}");
    EXPECT(talk_ask("PATCH " KEY, fields, "{\"a\":2}"), "204", "ETag: \"2\"\r\n");
    talk_ask("PUT " KEY, "", "{\"a\":3}");
    EXPECT(talk_ask("PATCH " KEY, fields, "{\"a\":2}"), "204", "ETag: \"2\"\r\n", REPLAYED);
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "{\"a\":3}");
    EXPECT(talk_ask("PATCH " KEY, fields, "{\"a\":4}"), "422", "idempotency-key-reused");
}

static void what_was_done_to_many_keys_is_answered_from_memory(void **state)
{
    (void)state;
    static const char body[] = "{\"keys\":[\"visits\",\"none\"]}";
    talk_ask("PUT " KEY, "", "7");
    EXPECT(talk_ask("POST " SPACE "/bulk/delete", ONCE("a"), body), "200",
           "{\"deleted\":[\"visits\"],\"missing\":[\"none\"]");
    talk_ask("PUT " KEY, "", "8");
    EXPECT(talk_ask("POST " SPACE "/bulk/delete", ONCE("a"), body), "200", REPLAYED,
           "{\"deleted\":[\"visits\"],\"missing\":[\"none\"]",
           "Content-Type: application/json\r\n");
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "\r\n\r\n8");
    EXPECT(talk_ask("POST " SPACE "/bulk/delete", ONCE("a"), "{\"keys\":[\"visits\"]}"), "422",
           "idempotency-key-reused");
    EXPECT(talk_ask("POST " SPACE "/purge", ONCE("b"), "{\"prefix\":\"\"}"), "200",
           "{\"purged\":1,");
    talk_ask("PUT " KEY "2", "", "8");
    EXPECT(talk_ask("POST " SPACE "/purge", ONCE("b"), "{\"prefix\":\"\"}"), "200", REPLAYED,
           "{\"purged\":1,");
}

static void what_failed_is_tried_again(void **state)
{
    (void)state;
    talk_ask("PUT " KEY, "", "seven");
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("a"), ""), "422", "not-a-number");
    talk_ask("PUT " KEY, "", "7");
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("a"), ""), "200", "\r\n\r\n8");
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("a"), ""), "200", REPLAYED, "\r\n\r\n8");
}

static void answers_are_kept_for_a_minute(struct world_config *config)
{
    config->server.idempotency.ttl_s = 60;
}

static void after_its_time_a_key_is_new(void **state)
{
    talk_stop(state);
    talk_start_with(answers_are_kept_for_a_minute);
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("a"), ""), "200", "\r\n\r\n1");
    server_world_run_ms(&talk.world, 58000);
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("a"), ""), "200", REPLAYED, "\r\n\r\n1");
    server_world_run_ms(&talk.world, 4000);
    EXPECT(talk_ask("POST " KEY "?op=incr", ONCE("a"), ""), "200", "\r\n\r\n2");
}

/* With two operations to each increment and few of them. */
static void few_operations(struct world_config *config)
{
    config->server.tasks.operations = 16;
    config->core_count = 2;
}

static void many_at_once_are_each_counted_once(void **state)
{
    enum { CLIENTS = 24 };
    static struct world_client others[CLIENTS];
    talk_stop(state);
    talk_start_with(few_operations);
    for (uint32_t i = 0; i < CLIENTS; i++)
        server_world_connect(&talk.world, &others[i]);
    server_world_run_ms(&talk.world, 10);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        char request[200];
        int bytes = snprintf(request, sizeof(request),
                             "POST " KEY "?op=incr HTTP/1.1\r\nHost: h\r\nIdempotency-Key: \"%u\""
                             "\r\n\r\n",
                             i / 2); /* two of each */
        server_world_send(&talk.world, &others[i], request, (uint32_t)bytes, UINT32_MAX);
    }
    server_world_run_ms(&talk.world, 3000);
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "\r\n\r\n12");
    for (uint32_t i = 0; i < CLIENTS; i++)
        server_world_forget(&talk.world, &others[i]);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, talk_start, talk_stop)
    const struct CMUnitTest tests[] = {
        ONE(an_increment_that_comes_again_is_counted_once),
        ONE(a_key_stands_for_one_request),
        ONE(what_is_no_key_is_named),
        ONE(a_namespace_may_demand_it),
        ONE(while_the_first_is_under_way_the_second_is_refused),
        ONE(an_unknown_outcome_is_found_out_by_trying_again),
        ONE(a_patch_is_not_applied_over_what_came_after_it),
        ONE(what_was_done_to_many_keys_is_answered_from_memory),
        ONE(what_failed_is_tried_again),
        ONE(after_its_time_a_key_is_new),
        ONE(many_at_once_are_each_counted_once),
    };
    server_world_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
