/* SPDX-License-Identifier: BSD-3-Clause */
/* Server-Timing: who waited for the store sees how long, and nobody else does. */
#include "tests/unit/api_talk.h"

static void start_with_timing(void)
{
    struct world_config config;
    server_world_defaults(&config, 1);
    config.server.http.server_timing = true;
    start(&config);
}

static void what_waited_for_the_store_or_a_task_says_how_long(void **state)
{
    (void)state;
    start_with_timing();
    static const struct {
        const char *request, *status, *timing;
    } rows[] = {
        {"PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n1", "HTTP/1.1 201",
         "\r\nServer-Timing: head;dur=0.000, body;dur=0.000, store;dur="},
        {"GET " VALUE "k HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 200",
         NULL}, /* a hit, the short way */
        {"GET " VALUE "k HTTP/1.1\r\n" HOST "Prefer: x\r\n\r\n", "HTTP/1.1 200", NULL},
        {"GET " VALUE "missing HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 404",
         "\r\nServer-Timing: cache;desc=miss, head;dur=0.000, body;dur=0.000, store;dur="},
        {"POST " VALUE "k?op=incr HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 200", ", task;dur="},
        {"DELETE " VALUE "k HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 204", ", store;dur="},
        {"GET /v1/ns HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 200", NULL},
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *answer = ask(rows[i].request);
        expect_begin(rows[i].request, answer, rows[i].status);
        expect_has(rows[i].request, answer, rows[i].timing);
        if (!rows[i].timing)
            expect_without(rows[i].request, answer, "Server-Timing");
    }
    stop();
}

static void each_stage_has_its_own_time(void **state)
{
    (void)state;
    start_with_timing();
    hear(&client);
    say(&client, "PUT " VALUE "k HTTP/1.1\r\nContent-");
    server_world_run_ms(&world, 20);
    say(&client, "Length: 2\r\n" HOST "\r\n1");
    server_world_run_ms(&world, 30);
    say(&client, "2");
    server_world_run_ms(&world, SETTLE_MS);
    const char *answer = hear(&client);
    expect_begin("slowly", answer, "HTTP/1.1 201");
    double head, body, store, total;
    const char *timing = strstr(answer, "Server-Timing: ");
    assert_non_null(timing);
    assert_int_equal(sscanf(timing,
                            "Server-Timing: head;dur=%lf, body;dur=%lf, store;dur=%lf, "
                            "total;dur=%lf\r\n",
                            &head, &body, &store, &total),
                     4);
    assert_true(head >= 19 && head < 22);
    assert_true(body >= 29 && body < 32);
    assert_true(store > 0 && store < 90);
    assert_true(total >= head + body + store - 0.01 && total < head + body + store + 0.01);
    stop();
}

static void without_the_option_there_is_none(void **state)
{
    (void)state;
    start_plain();
    expect_without("miss", ask("GET " VALUE "missing HTTP/1.1\r\n" HOST "\r\n"), "Server-Timing");
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(what_waited_for_the_store_or_a_task_says_how_long),
        ONE(each_stage_has_its_own_time),
        ONE(without_the_option_there_is_none),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
