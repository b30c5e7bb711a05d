/* SPDX-License-Identifier: BSD-3-Clause */
/* If-None-Match with Prefer: wait: the answer comes with the next version, or when time is up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/dialogue.h"

#define KEY "/v1/ns/default/values/k"
#define WAIT_5 "GET " KEY " HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"1\"\r\nPrefer: wait=5\r\n\r\n"

static struct world_client watcher;

static void sixteen_watches(struct world_config *config)
{
    config->server.store.watches = 16;
}

static void no_watches(struct world_config *config)
{
    config->server.store.watches = 0;
}

static void start_with(void (*change)(struct world_config *config))
{
    talk_start_with(change);
    watcher = (struct world_client){0};
    server_world_connect(&talk.world, &watcher);
    server_world_run_ms(&talk.world, 10);
    EXPECT(dialogue_request(&talk, "PUT " KEY, "", "one"), "201", "ETag: \"1\"");
}

static int start(void **state)
{
    (void)state;
    start_with(sixteen_watches);
    return 0;
}

static int stop(void **state)
{
    server_world_forget(&talk.world, &watcher);
    return talk_stop(state);
}

static void watch(const char *request, uint64_t ms)
{
    watcher.received_bytes = 0;
    server_world_send(&talk.world, &watcher, request, (uint32_t)strlen(request), UINT32_MAX);
    server_world_run_ms(&talk.world, ms);
}

static bool heard(const char *text)
{
    return watcher.received_bytes > 0 &&
           memmem(watcher.received, watcher.received_bytes, text, strlen(text)) != NULL;
}

static void a_change_is_told_at_once(void **state)
{
    (void)state;
    watch(WAIT_5, 2000);
    assert_int_equal(watcher.received_bytes, 0);
    dialogue_request(&talk, "PUT /v1/ns/default/values/other", "", "x");
    assert_int_equal(watcher.received_bytes, 0);
    dialogue_request(&talk, "PUT " KEY, "", "two");
    assert_true(heard("HTTP/1.1 200 OK") && heard("ETag: \"") && heard("\r\n\r\ntwo"));
}

static void a_large_value_and_a_deletion_are_told_too(void **state)
{
    (void)state;
    static char large[100001];
    memset(large, 'v', sizeof(large) - 1);
    watch(WAIT_5, 1000);
    dialogue_request(&talk, "PUT " KEY, "", large);
    server_world_run_ms(&talk.world, 500);
    assert_true(heard("HTTP/1.1 200 OK") && heard("Content-Length: 100000\r\n"));
    assert_true(watcher.received_bytes > 100000);
    watch("GET " KEY
          " HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"1\", \"2\"\r\nPrefer: wait=5\r\n\r\n",
          1000);
    dialogue_request(&talk, "DELETE " KEY, "", "");
    assert_true(heard("HTTP/1.1 404"));
}

static void without_a_change_304_comes_when_the_time_is_up(void **state)
{
    (void)state;
    watch(WAIT_5, 4900);
    assert_int_equal(watcher.received_bytes, 0);
    server_world_run_ms(&talk.world, 300);
    assert_true(heard("HTTP/1.1 304") && heard("ETag: \"1\""));
}

static void a_value_that_expires_is_told_as_one_that_was_deleted(void **state)
{
    (void)state;
    dialogue_request(&talk, "PUT " KEY "?ttl=2", "", "two");
    static const char wait[] =
        "GET " KEY " HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"2\"\r\nPrefer: wait=5\r\n\r\n";
    watch(wait, 1500);
    assert_int_equal(watcher.received_bytes, 0);
    server_world_run_ms(&talk.world, 600);
    assert_true(heard("HTTP/1.1 404"));
    /* A wait that is shorter ends as always. */
    dialogue_request(&talk, "PUT " KEY "?ttl=2", "", "three");
    watch("GET " KEY " HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"3\"\r\nPrefer: wait=1\r\n\r\n",
          1200);
    assert_true(heard("HTTP/1.1 304"));
}

static void who_knows_another_version_does_not_wait(void **state)
{
    (void)state;
    watch("GET " KEY " HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"7\"\r\nPrefer: wait=5\r\n\r\n", 100);
    assert_true(heard("HTTP/1.1 200 OK"));
    watch("GET " KEY " HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"1\"\r\n\r\n", 100);
    assert_true(heard("HTTP/1.1 304"));
    watch("GET " KEY " HTTP/1.1\r\nHost: h\r\nPrefer: wait=5\r\n\r\n", 100);
    assert_true(heard("HTTP/1.1 200 OK"));
    watch("GET " KEY " HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"1\"\r\nPrefer: wait=x\r\n\r\n", 100);
    assert_true(heard("HTTP/1.1 304"));
}

static void the_wait_is_bounded_and_the_list_of_preferences_is_read(void **state)
{
    (void)state;
    watch("GET " KEY " HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"1\"\r\n"
          "Prefer: respond-async, handling=lenient\r\nPrefer: Wait=99999; x=y\r\n\r\n",
          talk.world.config.server.http.wait_max_s * 1000 - 100);
    assert_int_equal(watcher.received_bytes, 0);
    server_world_run_ms(&talk.world, 400);
    assert_true(heard("HTTP/1.1 304"));
}

static void a_client_that_leaves_is_forgotten(void **state)
{
    (void)state;
    watch(WAIT_5, 100);
    server_world_abort(&talk.world, &watcher);
    dialogue_request(&talk, "PUT " KEY, "", "two");
    assert_int_equal(server_world_in_flight(&talk.world), 0);
}

static void more_than_store_watches_is_503(void **state)
{
    (void)state;
    start_with(no_watches);
    watch(WAIT_5, 100);
    assert_true(heard("HTTP/1.1 503") && heard("Retry-After: "));
    stop(state);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        ONE(a_change_is_told_at_once),
        ONE(a_large_value_and_a_deletion_are_told_too),
        ONE(without_a_change_304_comes_when_the_time_is_up),
        ONE(a_value_that_expires_is_told_as_one_that_was_deleted),
        ONE(who_knows_another_version_does_not_wait),
        ONE(the_wait_is_bounded_and_the_list_of_preferences_is_read),
        ONE(a_client_that_leaves_is_forgotten),
        cmocka_unit_test(more_than_store_watches_is_503),
    };
    server_world_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
