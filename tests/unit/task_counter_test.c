/* SPDX-License-Identifier: BSD-3-Clause */
/* POST values/{key}?op=incr, and what every task has in common. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/core_loop.h"
#include "dataplane/task_client.h"
#include "include/counters.h"
#include "include/server_config.h"
#include "tests/support/dialogue.h"

#define KEY "/v1/ns/default/values/visits"

static void a_counter_begins_at_zero_and_adds_up(void **state)
{
    (void)state;
    const char *answer = talk_ask("POST " KEY "?op=incr", "", "");
    EXPECT(answer, "200 OK", "ETag: \"1\"\r\n", "Content-Type: text/plain\r\n",
           "Content-Length: 1\r\n", "\r\n\r\n1");
    EXPECT(talk_ask("POST " KEY "?op=incr&by=41", "", ""), "200 OK", "ETag: \"2\"\r\n",
           "\r\n\r\n42");
    EXPECT(talk_ask("POST " KEY "?op=incr&by=-50", "", ""), "200 OK", "\r\n\r\n-8");
    EXPECT(talk_ask("GET " KEY, "", ""), "200 OK", "ETag: \"3\"\r\n", "\r\n\r\n-8");
}

/* Digits of an earlier value lay behind those of this one, in the same operation. */
static void a_number_ends_where_its_value_ends(void **state)
{
    (void)state;
    EXPECT(talk_ask("POST " KEY "1?op=incr&by=1234567", "", ""), "200", "\r\n\r\n1234567");
    EXPECT(talk_ask("POST " KEY "2?op=incr&by=19", "", ""), "200", "\r\n\r\n19");
    EXPECT(talk_ask("POST " KEY "2?op=incr", "", ""), "200", "\r\n\r\n20");
}

static void wrong_requests_are_named(void **state)
{
    (void)state;
    EXPECT(talk_ask("POST " KEY, "", ""), "400", "bad-parameter", "op: allowed is incr");
    EXPECT(talk_ask("POST " KEY "?op=decr", "", ""), "400", "op: allowed is incr");
    EXPECT(talk_ask("POST " KEY "?op=incr&by=", "", ""), "400", "by: allowed is a whole number");
    EXPECT(talk_ask("POST " KEY "?op=incr&by=1.5", "", ""), "400", "by: allowed is a whole number");
    EXPECT(talk_ask("POST " KEY "?op=incr&by=9223372036854775808", "", ""), "400", "bad-parameter");
    EXPECT(talk_ask("GET " KEY, "", ""), "404", "not-found");
}

static void what_is_no_number_stays_as_it_is(void **state)
{
    (void)state;
    static const char *const values[] = {"twelve", "12 ", "", "-", "1e3", "9223372036854775808"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        talk_ask("PUT " KEY, "", values[i]);
        EXPECT(talk_ask("POST " KEY "?op=incr", "", ""), "422", "not-a-number");
        EXPECT(talk_ask("GET " KEY, "", ""), "200", "\r\n\r\n");
    }
    talk_ask("PUT " KEY, "", "9223372036854775807");
    EXPECT(talk_ask("POST " KEY "?op=incr", "", ""), "422", "do not add up");
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "9223372036854775807");
}

static void type_metadata_and_expiry_stay(void **state)
{
    (void)state;
    talk_ask("PUT " KEY "?ttl=100", "Content-Type: text/x-count\r\nMeta-Owner: alice\r\n", "7");
    EXPECT(talk_ask("POST " KEY "?op=incr", "", ""), "200", "\r\n\r\n8");
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "Content-Type: text/x-count", "Meta-Owner: alice");
    server_world_run_ms(&talk.world, 101000);
    dialogue_hear(&talk);
}

static void a_condition_is_kept(void **state)
{
    (void)state;
    EXPECT(talk_ask("POST " KEY "?op=incr", "If-Match: *\r\n", ""), "412", "precondition-failed");
    EXPECT(talk_ask("POST " KEY "?op=incr", "If-None-Match: *\r\n", ""), "200", "\r\n\r\n1");
    EXPECT(talk_ask("POST " KEY "?op=incr", "If-Match: \"9\"\r\n", ""), "412", "ETag: \"1\"");
    EXPECT(talk_ask("POST " KEY "?op=incr", "If-Match: \"1\"\r\n", ""), "200", "\r\n\r\n2");
}

/* Other clients write between its read and its write: the sum counts each of them once. */
static void many_at_once_lose_nothing(void **state)
{
    (void)state;
    enum { CLIENTS = 8, EACH = 4 };
    struct world_client others[CLIENTS] = {{0}};
    static const char request[] = "POST " KEY "?op=incr HTTP/1.1\r\nHost: h\r\n\r\n";
    for (uint32_t i = 0; i < CLIENTS; i++)
        server_world_connect(&talk.world, &others[i]);
    server_world_run_ms(&talk.world, 10);
    for (uint32_t round = 0; round < EACH; round++)
        for (uint32_t i = 0; i < CLIENTS; i++)
            server_world_send(&talk.world, &others[i], request, sizeof(request) - 1, UINT32_MAX);
    server_world_run_ms(&talk.world, 2000);
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "\r\n\r\n32");
    for (uint32_t i = 0; i < CLIENTS; i++)
        server_world_forget(&talk.world, &others[i]);
}

static void without_a_free_task_the_answer_is_503(void **state)
{
    (void)state;
    struct api_task *taken[1024];
    uint32_t count = 0;
    while ((taken[count] = task_client_take(talk.world.cores[0]->tasks)) != NULL)
        count++;
    EXPECT(talk_ask("POST " KEY "?op=incr", "", ""), "503", "tasks.active", "Retry-After: ");
    while (count-- > 0)
        task_client_release(talk.world.cores[0]->tasks, taken[count]);
    EXPECT(talk_ask("POST " KEY "?op=incr", "", ""), "200", "\r\n\r\n1");
}

static void a_silent_store_is_answered_in_time_and_nothing_is_held(void **state)
{
    (void)state;
    talk.world.is_store_stopped = true;
    dialogue_request(&talk, "POST " KEY "?op=incr", "", "");
    server_world_run_ms(&talk.world, 2 * talk.world.config.server.tasks.timeout_ms);
    EXPECT(dialogue_hear(&talk), "504", "not done within tasks.timeout_ms");
    talk.world.is_store_stopped = false;
}

static void writes_go_around(struct world_config *config)
{
    config->server.namespaces[0].write_policy = CONFIG_WRITE_AROUND;
}

static void its_write_follows_the_namespace_s_policy(void **state)
{
    talk_ask("POST " KEY "?op=incr", "", "");
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "Cache-Status: gannet; hit");
    talk_stop(state);
    talk_start_with(writes_go_around);
    talk_ask("POST " KEY "?op=incr", "", "");
    EXPECT(talk_ask("GET " KEY, "", ""), "200", "Cache-Status: gannet; fwd=uri-miss");
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, talk_start, talk_stop)
    const struct CMUnitTest tests[] = {
        ONE(a_counter_begins_at_zero_and_adds_up),
        ONE(a_number_ends_where_its_value_ends),
        ONE(wrong_requests_are_named),
        ONE(what_is_no_number_stays_as_it_is),
        ONE(type_metadata_and_expiry_stay),
        ONE(a_condition_is_kept),
        ONE(many_at_once_lose_nothing),
        ONE(without_a_free_task_the_answer_is_503),
        ONE(a_silent_store_is_answered_in_time_and_nothing_is_held),
        ONE(its_write_follows_the_namespace_s_policy),
    };
    server_world_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
