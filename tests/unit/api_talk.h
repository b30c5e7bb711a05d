/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * api_talk.h - a client that says and hears text, and the whole server at its wire.
 *
 * Purpose:   what tests of the API's bytes have in common. Included once per test program.
 * Ownership: one world and one client per program, between start and stop.
 * Threading: none.
 * Units:     virtual milliseconds.
 * Errors:    a test fails by cmocka's means.
 * Source:    tests/support/server_world.h.
 */
#ifndef GANNET_TESTS_API_TALK_H
#define GANNET_TESTS_API_TALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/clock.h"
#include "include/log.h"
#include "tests/support/server_world.h"

#define SETTLE_MS 100u /* longer than any answer of an unhurried store takes */

static struct server_world world;
static struct world_client client;
static bool is_running;

static inline void start(const struct world_config *config)
{
    server_world_start(&world, config);
    server_world_connect(&world, &client);
    server_world_run_ms(&world, 10 + config->wire.delay_ns / NS_PER_MS * 8);
    assert_true(client.is_open);
    is_running = true;
}

static inline void start_plain(void)
{
    struct world_config config;
    server_world_defaults(&config, 1);
    start(&config);
}

/* Every test ends here: whatever happened, nothing may be held any more. */
static inline void stop(void)
{
    world.is_store_stopped = false;
    server_world_forget(&world, &client);
    server_world_run_ms(&world, 5000);
    const char *held = server_world_stop(&world);
    if (held)
        fail_msg("after the test: %s", held);
    is_running = false;
}

static inline void say(struct world_client *who, const char *text)
{
    server_world_send(&world, who, text, (uint32_t)strlen(text), UINT32_MAX);
}

/* What has come since the last call, as text. */
static inline const char *hear(struct world_client *who)
{
    static char text[1 << 20];
    uint32_t bytes =
        who->received_bytes < sizeof(text) - 1 ? who->received_bytes : (uint32_t)sizeof(text) - 1;
    if (bytes > 0)
        memcpy(text, who->received, bytes);
    text[bytes] = 0;
    who->received_bytes = 0;
    return text;
}

static inline const char *ask(const char *request)
{
    hear(&client);
    say(&client, request);
    server_world_run_ms(&world, SETTLE_MS);
    return hear(&client);
}

static inline bool begins(const char *answer, const char *with)
{
    return strncmp(answer, with, strlen(with)) == 0;
}

static inline void expect_begin(const char *what, const char *answer, const char *with)
{
    if (!begins(answer, with))
        fail_msg("'%s': expected %s, came: %s", what ? what : "", with,
                 *answer ? answer : "nothing");
}

static inline void expect_has(const char *what, const char *answer, const char *text)
{
    if (text && !strstr(answer, text))
        fail_msg("'%s': '%s' is missing in: %s", what, text, answer);
}

static inline void expect_without(const char *what, const char *answer, const char *text)
{
    if (text && strstr(answer, text))
        fail_msg("'%s': '%s' should not be in: %s", what, text, answer);
}

static inline uint32_t count_of(const char *text, const char *word)
{
    uint32_t found = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        found++;
    return found;
}

static inline void put(const char *key, uint32_t bytes)
{
    char *request = malloc(bytes + 200);
    int head =
        snprintf(request, 200,
                 "PUT /v1/ns/default/values/%s HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n",
                 key, bytes);
    memset(request + head, 'v', bytes);
    hear(&client);
    server_world_send(&world, &client, request, (uint32_t)head + bytes, UINT32_MAX);
    server_world_run_ms(&world, SETTLE_MS);
    const char *answer = hear(&client);
    if (!begins(answer, "HTTP/1.1 201") && !begins(answer, "HTTP/1.1 204"))
        fail_msg("PUT %s of %u bytes: %s", key, bytes, *answer ? answer : "nothing came");
    free(request);
}

#define VALUE "/v1/ns/default/values/"
#define HOST "Host: h\r\n"

/* A test that failed leaves a server in the middle of something: nothing later is believable. */
static inline int check_stopped(void **state)
{
    (void)state;
    if (is_running) {
        fprintf(stderr, "the tests after this one are not run\n");
        exit(EXIT_FAILURE);
    }
    return 0;
}

static inline int prepare(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    server_world_prepare();
    return 0;
}

#define ONE(test) cmocka_unit_test_teardown(test, check_stopped)

#endif
