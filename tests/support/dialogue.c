/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/dialogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SETTLE_MS 100u
#define TEXT_BYTES (8u << 20)

struct dialogue talk;
static char text[TEXT_BYTES];

static void connect_client(struct dialogue *dialogue)
{
    dialogue->client = (struct world_client){0};
    server_world_connect(&dialogue->world, &dialogue->client);
    server_world_run_ms(&dialogue->world, 10);
    assert_true(dialogue->client.is_open);
}

void dialogue_start(struct dialogue *dialogue, const struct world_config *config)
{
    server_world_start(&dialogue->world, config);
    connect_client(dialogue);
}

void dialogue_stop(struct dialogue *dialogue)
{
    server_world_forget(&dialogue->world, &dialogue->client);
    server_world_run_ms(&dialogue->world, 5000);
    const char *held = server_world_stop(&dialogue->world);
    if (held)
        fail_msg("after the test: %s", held);
}

const char *dialogue_hear(struct dialogue *dialogue)
{
    struct world_client *client = &dialogue->client;
    uint32_t bytes =
        client->received_bytes < TEXT_BYTES - 1 ? client->received_bytes : TEXT_BYTES - 1;
    if (bytes > 0)
        memcpy(text, client->received, bytes);
    text[bytes] = '\0';
    client->received_bytes = 0;
    return text;
}

const char *dialogue_ask(struct dialogue *dialogue, const char *request)
{
    if (dialogue->client.peer_closed || dialogue->client.is_gone) {
        server_world_forget(&dialogue->world, &dialogue->client);
        connect_client(dialogue);
    }
    dialogue_hear(dialogue);
    server_world_send(&dialogue->world, &dialogue->client, request, (uint32_t)strlen(request),
                      UINT32_MAX);
    server_world_run_ms(&dialogue->world, SETTLE_MS);
    return dialogue_hear(dialogue);
}

const char *dialogue_request(struct dialogue *dialogue, const char *method_and_target,
                             const char *fields, const char *body)
{
    static char request[1 << 20];
    int bytes = snprintf(request, sizeof(request),
                         "%s HTTP/1.1\r\nHost: h\r\n%sContent-Length: %zu\r\n\r\n%s",
                         method_and_target, fields, strlen(body), body);
    assert_in_range(bytes, 1, sizeof(request) - 1);
    return dialogue_ask(dialogue, request);
}

void dialogue_expect(const char *answer, const char *status, const char *const *texts)
{
    char line[64];
    snprintf(line, sizeof(line), "HTTP/1.1 %s", status);
    if (strncmp(answer, line, strlen(line)) != 0)
        fail_msg("expected %s, came: %s", status, *answer ? answer : "nothing");
    for (; *texts; texts++)
        if (!strstr(answer, *texts))
            fail_msg("'%s' is missing in: %s", *texts, answer);
}

const char *dialogue_body(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : "";
}

/* ---- of a test program ---- */

void talk_start_with(void (*change)(struct world_config *config))
{
    struct world_config config;
    server_world_defaults(&config, 1);
    if (change)
        change(&config);
    dialogue_start(&talk, &config);
}

int talk_start(void **state)
{
    (void)state;
    talk_start_with(NULL);
    return 0;
}

int talk_stop(void **state)
{
    (void)state;
    dialogue_stop(&talk);
    return 0;
}

const char *talk_ask(const char *method_and_target, const char *fields, const char *body)
{
    return dialogue_request(&talk, method_and_target, fields, body);
}
