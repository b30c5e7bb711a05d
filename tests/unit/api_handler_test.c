/* SPDX-License-Identifier: BSD-3-Clause */
/* Raw bytes in, raw bytes out: the whole server on a perfect wire, in virtual time. */
#include "control/io_simulator.h"
#include "dataplane/api_state.h"
#include "dataplane/core_loop.h"
#include "include/compiler.h"
#include "include/counters.h"
#include "include/log.h"
#include "tests/support/server_world.h"
#include "tests/unit/api_talk.h"

/* ---- one answer each ---- */

static const struct {
    const char *what, *request, *status, *has, *has_not;
    bool closes;
} answers[] = {
    {"a cached value", "GET " VALUE "there HTTP/1.1\r\n" HOST "\r\n", "200 OK",
     "Cache-Status: gannet; hit", "Connection:", false},
    {"its content", "GET " VALUE "there HTTP/1.1\r\n" HOST "\r\n", "200 OK",
     "Content-Length: 5\r\nContent-Type: application/octet-stream\r\n\r\nvvvvv", NULL, false},
    {"an id of the client's", "GET " VALUE "there HTTP/1.1\r\n" HOST "Request-Id: mine-1\r\n\r\n",
     "200 OK", "Request-Id: mine-1\r\n", NULL, false},
    {"HEAD of a value", "HEAD " VALUE "there HTTP/1.1\r\n" HOST "\r\n", "200 OK",
     "Content-Length: 5\r\n", "vvvvv", false},
    {"HEAD of nothing", "HEAD " VALUE "gone HTTP/1.1\r\n" HOST "\r\n", "404 Not Found",
     "Content-Length: ", "urn:gannet", false},
    {"not modified", "GET " VALUE "there HTTP/1.1\r\n" HOST "If-None-Match: *\r\n\r\n",
     "304 Not Modified", "ETag: \"", "vvvvv", false},
    {"If-Match that fails", "GET " VALUE "there HTTP/1.1\r\n" HOST "If-Match: \"999999\"\r\n\r\n",
     "412 Precondition Failed", "precondition-failed", "vvvvv", false},
    {"If-Match of nothing to read", "GET " VALUE "gone HTTP/1.1\r\n" HOST "If-Match: *\r\n\r\n",
     "404 Not Found", "not-found", NULL, false},
    {"If-Match of nothing to delete",
     "DELETE " VALUE "gone HTTP/1.1\r\n" HOST "If-Match: *\r\n\r\n", "412 Precondition Failed",
     "precondition-failed", NULL, false},
    {"created", "PUT " VALUE "new HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab", "201 Created",
     "Location: /v1/ns/default/values/new\r\n", NULL, false},
    {"replaced", "PUT " VALUE "there HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab",
     "204 No Content", "ETag: \"", "Content-Length", false},
    {"an empty value", "PUT " VALUE "empty HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
     "201 Created", "ETag: \"", NULL, false},
    {"chunked",
     "PUT " VALUE "new HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
     "201 Created", "ETag: \"", NULL, false},
    {"create only, when it is there",
     "PUT " VALUE "there HTTP/1.1\r\n" HOST "If-None-Match: *\r\nContent-Length: 1\r\n\r\nx",
     "412 Precondition Failed", "current_etag", NULL, false},
    {"compare and set of nothing",
     "PUT " VALUE "gone HTTP/1.1\r\n" HOST "If-Match: \"1\"\r\nContent-Length: 1\r\n\r\nx",
     "412 Precondition Failed", NULL, "current_etag", false},
    {"deleted", "DELETE " VALUE "there HTTP/1.1\r\n" HOST "\r\n", "204 No Content", NULL, "ETag",
     false},
    {"deleted though it was not there", "DELETE " VALUE "gone HTTP/1.1\r\n" HOST "\r\n",
     "204 No Content", NULL, NULL, false},
    {"options", "OPTIONS " VALUE "k HTTP/1.1\r\n" HOST "\r\n", "204 No Content", "Allow: ", NULL,
     false},
    {"the namespaces", "GET /v1/ns HTTP/1.1\r\n" HOST "\r\n", "200 OK", "\"name\":\"small\"", NULL,
     false},
    {"a namespace", "GET /v1/ns/small HTTP/1.1\r\n" HOST "\r\n", "200 OK",
     "{\"name\":\"small\",\"ttl\":0,\"value_max\":1000,\"sync\":\"commit\","
     "\"write_policy\":\"through\",\"cache_control\":\"no-cache\",\"require_precondition\":false,"
     "\"require_idempotency_key\":false,"
     "\"schema\":null,\"keys\":null,\"value_bytes\":null}\n",
     NULL, false},
    {"HEAD of a namespace", "HEAD /v1/ns/small HTTP/1.1\r\n" HOST "\r\n", "200 OK",
     "Content-Length: 2", "{", false},
    {"HEAD of the namespaces", "HEAD /v1/ns HTTP/1.1\r\n" HOST "\r\n", "200 OK",
     "Content-Length: ", "{", false},
    {"echo", "GET /echo/x HTTP/1.1\r\n" HOST "\r\n", "200 OK", "\r\n\r\nGET /echo/x HTTP/1.1", NULL,
     false},
    {"HEAD of an echo", "HEAD /echo/x HTTP/1.1\r\n" HOST "\r\n", "200 OK",
     "Content-Length: ", "HEAD /echo", false},
    {"echo with a body", "POST /echo/x HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", "200 OK",
     "\r\n\r\nabc", NULL, false},
    {"no such value", "GET " VALUE "gone HTTP/1.1\r\n" HOST "\r\n", "404 Not Found", ":not-found\"",
     "Connection:", false},
    {"no such path", "GET /v2 HTTP/1.1\r\n" HOST "\r\n", "404 Not Found", "no-such-resource", NULL,
     false},
    {"no such namespace", "GET /v1/ns/nope/values/k HTTP/1.1\r\n" HOST "\r\n", "404 Not Found",
     "no-such-resource", NULL, false},
    {"a bad key", "GET " VALUE "%zz HTTP/1.1\r\n" HOST "\r\n", "400 Bad Request", "bad-key", NULL,
     false},
    {"a bad condition", "GET " VALUE "k HTTP/1.1\r\n" HOST "If-Match: 17\r\n\r\n",
     "400 Bad Request", "bad-condition", NULL, false},
    {"a bad parameter", "PUT " VALUE "k?ttl=x HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
     "400 Bad Request", "bad-parameter", NULL, false},
    {"no Host", "GET " VALUE "k HTTP/1.1\r\n\r\n", "400 Bad Request", "malformed-request", NULL,
     true},
    {"not HTTP at all", "\x16\x03\x01\x02\r\n\r\n", "400 Bad Request", "Connection: close", NULL,
     true},
    {"a bad chunk size",
     "PUT " VALUE "k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
     "400 Bad Request", "chunked coding", NULL, true},
    {"TRACE", "TRACE " VALUE "k HTTP/1.1\r\n" HOST "\r\n", "405 Method Not Allowed", "Allow: GET",
     "TRACE", false},
    {"OPTIONS of everything", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "204 No Content",
     "Allow: ", NULL, false},
    {"an absolute target", "GET http://other" VALUE "there HTTP/1.1\r\n" HOST "\r\n", "200 OK",
     "vvvvv", NULL, false},
    {"a PUT without a length", "PUT " VALUE "there HTTP/1.1\r\n" HOST "\r\n", "411 Length Required",
     "length-required", NULL, true},
    {"close and keep-alive",
     "GET " VALUE "there HTTP/1.1\r\n" HOST
     "Connection: keep-alive, x\r\nConnection: CLOSE\r\n\r\n",
     "200 OK", "Connection: close", NULL, true},
    {"the wrong method", "TRACE " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
     "405 Method Not Allowed", "Allow: GET", "Connection:", false},
    {"the wrong method with a body",
     "TRACE " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", "405 Method Not Allowed",
     "Connection: close", NULL, true},
    {"too large for the namespace",
     "PUT /v1/ns/small/values/k HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n",
     "413 Content Too Large", "value_max", NULL, true},
    {"too large for the server",
     "PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 9999999\r\n\r\n", "413 Content Too Large",
     "http.body_max", NULL, true},
    {"a large body for a GET", "GET " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 70000\r\n\r\n",
     "413 Content Too Large", "takes no body", NULL, true},
    {"a small body for a GET",
     "GET " VALUE "there HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", "200 OK", "vvvvv",
     "Connection:", false},
    {"an unknown expectation",
     "PUT " VALUE "k HTTP/1.1\r\n" HOST "Expect: tea\r\nContent-Length: 1\r\n\r\n",
     "417 Expectation Failed", "expectation-failed", NULL, true},
    {"an unknown method", "BREW " VALUE "k HTTP/1.1\r\n" HOST "\r\n", "501 Not Implemented",
     "not-implemented", NULL, false},
    {"an unknown coding", "PUT " VALUE "k HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n",
     "501 Not Implemented", "Connection: close", NULL, true},
    {"HTTP/2.0", "GET " VALUE "k HTTP/2.0\r\n" HOST "\r\n", "505 HTTP Version Not Supported",
     "version-not-supported", NULL, true},
    {"HTTP/1.0", "GET " VALUE "there HTTP/1.0\r\n\r\n", "200 OK", "Connection: close", NULL, true},
    {"HTTP/1.0 that stays", "GET " VALUE "there HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     "200 OK", "Connection: keep-alive\r\n", NULL, false},
    {"the last request", "GET " VALUE "there HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
     "200 OK", "Connection: close", NULL, true},
};

static void every_answer_has_its_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(answers); i++) {
        char expected[80];
        start_plain();
        put("there", 5);
        const char *answer = ask(answers[i].request);
        snprintf(expected, sizeof(expected), "HTTP/1.1 %s\r\nServer: gannet\r\n",
                 answers[i].status);
        expect_begin(answers[i].what, answer, expected);
        expect_has(answers[i].what, answer, answers[i].has);
        expect_has(answers[i].what, answer, "Date: ");
        expect_has(answers[i].what, answer, "Request-Id: ");
        expect_without(answers[i].what, answer, answers[i].has_not);
        if (count_of(answer, "\r\nServer: gannet\r\n") != 1)
            fail_msg("'%s': not exactly one answer: %s", answers[i].what, answer);
        if (answers[i].closes != client.peer_closed)
            fail_msg("'%s': the connection should %s", answers[i].what,
                     answers[i].closes ? "be closed" : "stay open");
        if (!answers[i].closes)
            expect_begin(answers[i].what, ask("GET /v1/ns HTTP/1.1\r\n" HOST "\r\n"),
                         "HTTP/1.1 200");
        stop();
    }
}

static void limits_of_the_head_are_414_and_431(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        uint32_t target_bytes, field_bytes, field_count;
    } cases[] = {{"HTTP/1.1 414", 9000, 10, 1},
                 {"HTTP/1.1 431", 10, 17000, 1},
                 {"HTTP/1.1 431", 10, 10, 65},
                 {"HTTP/1.1 404", 500, 1000, 10}};
    static char request[40000];
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        start_plain();
        int at = snprintf(request, sizeof(request), "GET /%0*u HTTP/1.1\r\n" HOST,
                          (int)cases[i].target_bytes, 1u);
        for (uint32_t field = 0; field + 1 < cases[i].field_count + 1; field++)
            at += snprintf(request + at, sizeof(request) - (size_t)at, "X: %0*u\r\n",
                           (int)cases[i].field_bytes, 1u);
        snprintf(request + at, sizeof(request) - (size_t)at, "\r\n");
        expect_begin("limits", ask(request), cases[i].status);
        stop();
    }
}

/* ---- order ---- */

static void pipelined_answers_come_in_order_hits_and_misses_and_writes_mixed(void **state)
{
    (void)state;
    start_plain();
    put("hit", 3);
    const char *all = ask("GET " VALUE "hit HTTP/1.1\r\n" HOST "\r\n"
                          "GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n"
                          "GET " VALUE "hit HTTP/1.1\r\n" HOST "\r\n"
                          "PUT " VALUE "miss HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi"
                          "GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n"
                          "DELETE " VALUE "miss HTTP/1.1\r\n" HOST "\r\n"
                          "HEAD " VALUE "miss HTTP/1.1\r\n" HOST "\r\n"
                          "GET " VALUE "hit HTTP/1.1\r\n" HOST "\r\n");
    static const char *const expected[] = {"200", "404", "200", "201", "200", "204", "404", "200"};
    const char *at = all;
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        at = strstr(at, "HTTP/1.1 ");
        if (!at || strncmp(at + 9, expected[i], 3) != 0)
            fail_msg("answer %zu should be %s: %s", i, expected[i], at ? at : "missing");
        at += 9;
    }
    assert_null(strstr(at, "HTTP/1.1 "));
    expect_has("the value written before", all, "\r\n\r\nhiHTTP/1.1 204");
    stop();
}

static void good_requests_before_a_bad_one_are_answered_first(void **state)
{
    (void)state;
    start_plain();
    put("k", 3);
    const char *all = ask("GET " VALUE "k HTTP/1.1\r\n" HOST "\r\n"
                          "GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n"
                          "BAD REQUEST\r\n\r\n"
                          "GET " VALUE "k HTTP/1.1\r\n" HOST "\r\n");
    const char *second = strstr(all + 1, "HTTP/1.1 "),
               *third = second ? strstr(second + 1, "HTTP/1.1 ") : NULL;
    expect_begin("first", all, "HTTP/1.1 200");
    expect_begin("second", second ? second : "", "HTTP/1.1 404");
    expect_begin("third", third ? third : "", "HTTP/1.1 400");
    assert_null(strstr(third + 1, "HTTP/1.1 "));
    assert_true(client.peer_closed);
    stop();
}

static void a_pipeline_longer_than_a_round_is_answered_whole(void **state)
{
    (void)state;
    start_plain();
    put("k", 900);
    static char many[64 * 200];
    many[0] = 0;
    for (uint32_t i = 0; i < 150; i++)
        memcpy(many + i * 50, "GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n\r\n ", 51);
    /* each line is 49 bytes: close the gaps */
    uint32_t length = 0;
    for (uint32_t i = 0; i < 150; i++) {
        memmove(many + length, "GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\n\r\n", 49);
        length += 49;
    }
    many[length] = 0;
    assert_int_equal(count_of(ask(many), "HTTP/1.1 200 OK"), 150);
    stop();
}

/* ---- bodies ---- */

static void expect_continue_is_answered_once_and_then_the_body_is_taken(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {5, 50000};
    static char body[50000];
    memset(body, 'b', sizeof(body));
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        char request[200];
        start_plain();
        snprintf(request, sizeof(request),
                 "PUT " VALUE "k HTTP/1.1\r\n" HOST
                 "Expect: 100-continue\r\nContent-Length: %u\r\n\r\n",
                 lengths[i]);
        assert_string_equal(ask(request), "HTTP/1.1 100 Continue\r\n\r\n");
        server_world_send(&world, &client, body, lengths[i], 1000);
        server_world_run_ms(&world, SETTLE_MS);
        expect_begin("the body", hear(&client), "HTTP/1.1 201");
        stop();
    }
}

static void a_body_that_does_not_come_is_408(void **state)
{
    (void)state;
    static const char *const fields[] = {"Content-Length: 10", "Content-Length: 50000",
                                         "Transfer-Encoding: chunked"};
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        char request[200];
        start_plain();
        snprintf(request, sizeof(request), "PUT " VALUE "k HTTP/1.1\r\n" HOST "%s\r\n\r\n",
                 fields[i]);
        assert_string_equal(ask(request), "");
        server_world_run_ms(&world, 29700);
        assert_string_equal(hear(&client), "");
        server_world_run_ms(&world, 500);
        expect_begin(fields[i], hear(&client), "HTTP/1.1 408");
        assert_true(client.peer_closed);
        stop();
    }
}

/* A client whose segments are lost six times in a row sends nothing for 13 s. */
static void a_body_that_pauses_because_of_losses_is_taken(void **state)
{
    (void)state;
    static const char body[20000];
    start_plain();
    ask("PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 40000\r\n\r\n");
    server_world_run_ms(&world, 6000);
    server_world_send(&world, &client, body, sizeof(body), 1000);
    server_world_run_ms(&world, 25000);
    server_world_send(&world, &client, body, sizeof(body), 1000);
    server_world_run_ms(&world, SETTLE_MS);
    expect_begin("the body", hear(&client), "HTTP/1.1 201");
    stop();
}

static void a_body_above_the_rate_is_never_too_late(void **state)
{
    (void)state;
    start_plain();
    ask("PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 40000\r\n\r\n");
    char piece[1000];
    memset(piece, 'b', sizeof(piece));
    for (uint32_t i = 0; i < 40; i++) { /* twice the rate that is asked for, for 40 s */
        server_world_run_ms(&world, 1000);
        assert_string_equal(hear(&client), "");
        server_world_send(&world, &client, piece, sizeof(piece), UINT32_MAX);
    }
    server_world_run_ms(&world, SETTLE_MS);
    expect_begin("slow body", hear(&client), "HTTP/1.1 201");
    stop();
}

static void body_memory_closes_the_window_until_it_is_free(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    config.server.http.body_memory_mib = 1;
    start(&config);
    struct world_client second = {0};
    static char body[700000];
    memset(body, 'b', sizeof(body));
    static const char head[] = "PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 700000\r\n\r\n";
    server_world_connect(&world, &second);
    say(&client, head);
    server_world_send(&world, &client, body, 600000, UINT32_MAX);
    server_world_run_ms(&world, SETTLE_MS);
    say(&second, head);
    server_world_send(&world, &second, body, 700000, UINT32_MAX);
    server_world_run_ms(&world, 1000);
    assert_int_equal(server_world_counter(COUNTER_HTTP_BODY_MEMORY_WAITS), 1);
    assert_int_equal(client.received_bytes + second.received_bytes, 0);
    server_world_send(&world, &client, body, 100000, UINT32_MAX);
    server_world_run_ms(&world, 2 * SETTLE_MS);
    expect_begin("first", hear(&client), "HTTP/1.1 201");
    server_world_run_ms(&world, 2 * SETTLE_MS);
    expect_begin("second", hear(&second), "HTTP/1.1 204");
    server_world_forget(&world, &second);
    stop();
}

static void body_memory_that_never_frees_is_503(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    config.server.http.body_memory_mib = 1;
    config.server.http.body_rate_min = 1;
    start(&config);
    struct world_client second = {0};
    char piece[10] = "0123456789";
    static const char head[] = "PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 700000\r\n\r\n";
    server_world_connect(&world, &second);
    ask(head);
    say(&second, head);
    for (uint32_t second_count = 0; second_count < 11; second_count++) {
        server_world_send(&world, &client, piece, sizeof(piece), UINT32_MAX);
        server_world_run_ms(&world, 1000);
    }
    const char *answer = hear(&second);
    expect_begin("the one that waited", answer, "HTTP/1.1 503");
    expect_has("the one that waited", answer, "Retry-After: 1\r\n");
    assert_true(second.peer_closed);
    server_world_forget(&world, &second);
    stop();
}

/* ---- time ---- */

static void an_incomplete_head_is_408_after_its_time(void **state)
{
    (void)state;
    start_plain();
    assert_string_equal(ask("GET " VALUE "k HTTP/1.1\r\nHost:"), "");
    server_world_run_ms(&world, 9000);
    say(&client, "h"); /* a byte now and then buys no time */
    server_world_run_ms(&world, 800);
    assert_string_equal(hear(&client), "");
    server_world_run_ms(&world, 200);
    expect_begin("half a head", hear(&client), "HTTP/1.1 408");
    assert_true(client.peer_closed);
    stop();
}

static void an_idle_connection_is_closed_without_a_word(void **state)
{
    (void)state;
    start_plain();
    put("k", 3);
    server_world_run_ms(&world, 74000);
    assert_false(client.peer_closed);
    server_world_run_ms(&world, 2000);
    assert_true(client.peer_closed);
    assert_string_equal(hear(&client), "");
    stop();
}

/* It comes in the round in which the idle time ends: it is answered, not taken for late. */
static void a_request_in_the_last_moment_of_idleness_is_answered(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET " VALUE "k HTTP/1.1\r\n" HOST "\r\n", "GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n",
        "PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx",
        "PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 3000\r\n\r\n"};
    static const char *const expected[] = {"HTTP/1.1 200", "HTTP/1.1 404", "HTTP/1.1 204", ""};
    for (size_t i = 0; i < ARRAY_COUNT(requests); i++) {
        start_plain();
        put("k", 3);
        hear(&client);
        say(&client, requests[i]);
        server_world_step(&world, world.now_ns); /* the request is on the wire */
        server_world_skip_ns(&world, 75 * NS_PER_S);
        server_world_run_ms(&world, SETTLE_MS);
        const char *answer = hear(&client);
        if (*expected[i])
            expect_begin(requests[i], answer, expected[i]);
        else
            assert_string_equal(answer, "");
        assert_false(client.peer_closed);
        stop();
    }
}

static void a_client_that_does_not_read_is_cut_off_after_the_write_timeout(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    config.client_receive_window = 8192;
    start(&config);
    put("large", 300000);
    client.is_deaf = true;
    say(&client, "GET " VALUE "large HTTP/1.1\r\n" HOST "\r\n");
    server_world_run_ms(&world, 59000);
    assert_false(client.is_gone);
    server_world_run_ms(&world, 9000);
    assert_int_equal(server_world_connections(&world), 0);
    stop();
}

static void a_client_that_reads_now_and_then_is_not_cut_off(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    config.client_receive_window = 8192;
    start(&config);
    put("large", 30000);
    for (uint32_t i = 0; i < 6; i++) {
        client.is_deaf = true;
        say(&client, "GET " VALUE "large HTTP/1.1\r\n" HOST "\r\n");
        server_world_run_ms(&world, 50000);
        server_world_hear(&world, &client);
        server_world_run_ms(&world, 5000);
        expect_begin("whole at last", hear(&client), "HTTP/1.1 200");
    }
    stop();
}

/* ---- the store is slow, busy or silent ---- */

static void a_silent_store_leaves_hits_alone_and_turns_misses_into_503(void **state)
{
    (void)state;
    start_plain();
    struct world_client second = {0};
    put("k", 3);
    server_world_connect(&world, &second);
    world.is_store_stopped = true;
    say(&client, "GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n");
    say(&second, "PUT " VALUE "k2 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx");
    server_world_run_ms(&world, 1900);
    assert_int_equal(client.received_bytes + second.received_bytes, 0);
    struct world_client third = {0};
    server_world_connect(&world, &third);
    say(&third, "GET " VALUE "k HTTP/1.1\r\n" HOST "\r\n");
    server_world_run_ms(&world, 100);
    expect_begin("a hit", hear(&third), "HTTP/1.1 200");
    server_world_run_ms(&world, 500);
    const char *answer = hear(&client);
    expect_begin("a miss", answer, "HTTP/1.1 503");
    expect_has("a miss", answer, "Retry-After: ");
    expect_begin("a write", hear(&second), "HTTP/1.1 504");
    assert_int_equal(server_world_in_flight(&world), 2); /* credits are still out */
    world.is_store_stopped = false;
    server_world_run_ms(&world, SETTLE_MS);
    assert_int_equal(server_world_in_flight(&world), 0);
    assert_int_equal(client.received_bytes + second.received_bytes, 0); /* no second answer */
    expect_begin("afterwards", ask("GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 404");
    server_world_forget(&world, &second);
    server_world_forget(&world, &third);
    stop();
}

static void a_body_whose_operation_never_answered_is_given_back_when_it_comes_home(void **state)
{
    (void)state;
    start_plain();
    static char body[100000];
    world.is_store_stopped = true;
    say(&client, "PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    server_world_send(&world, &client, body, sizeof(body), UINT32_MAX);
    server_world_run_ms(&world, 3000);
    expect_begin("a write", hear(&client), "HTTP/1.1 504");
    assert_true(world.cores[0]->api->body_bytes_reserved >= sizeof(body));
    world.is_store_stopped = false;
    server_world_run_ms(&world, SETTLE_MS);
    assert_int_equal(world.cores[0]->api->body_bytes_reserved, 0);
    stop();
}

static void without_credits_the_answer_is_503_with_retry_after(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n", "DELETE " VALUE "k HTTP/1.1\r\n" HOST "\r\n",
        "PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
        "PUT " VALUE "k HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"};
    struct world_config config;
    struct world_client others[16] = {0};
    server_world_defaults(&config, 1);
    config.server.workers.operations = ARRAY_COUNT(others);
    start(&config);
    put("k", 3);
    world.is_store_stopped = true;
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        server_world_connect(&world, &others[i]);
        say(&others[i], "GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n");
    }
    server_world_run_ms(&world, SETTLE_MS);
    assert_int_equal(server_world_in_flight(&world), ARRAY_COUNT(others));
    for (size_t i = 0; i < ARRAY_COUNT(requests); i++) {
        const char *answer = ask(requests[i]);
        expect_begin(requests[i], answer, "HTTP/1.1 503");
        expect_has(requests[i], answer, "Retry-After: 1\r\n");
        expect_has(requests[i], answer, "workers.operations");
    }
    expect_begin("a hit", ask("GET " VALUE "k HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200");
    world.is_store_stopped = false;
    server_world_run_ms(&world, SETTLE_MS);
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        expect_begin("one that waited", hear(&others[i]), "HTTP/1.1 404");
        server_world_forget(&world, &others[i]);
    }
    expect_begin("afterwards", ask(requests[0]), "HTTP/1.1 404");
    stop();
}

static void with_all_request_states_in_use_the_answer_is_503(void **state)
{
    (void)state;
    struct world_config config;
    static struct world_client others[64];
    server_world_defaults(&config, 1);
    config.server.tcp.connections = 128;
    start(&config);
    put("k", 3);
    memset(others, 0, sizeof(others));
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        server_world_connect(&world, &others[i]);
        say(&others[i], "PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n");
    }
    server_world_run_ms(&world, SETTLE_MS);
    const char *answer = ask("GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n");
    expect_begin("a miss", answer, "HTTP/1.1 503");
    expect_has("a miss", answer, "http.active_requests");
    expect_has("a miss", answer, "Retry-After: ");
    expect_begin("a hit needs none", ask("GET " VALUE "k HTTP/1.1\r\n" HOST "\r\n"),
                 "HTTP/1.1 200");
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        server_world_forget(&world, &others[i]);
    server_world_run_ms(&world, SETTLE_MS);
    expect_begin("afterwards", ask("GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 404");
    stop();
}

static void half_a_head_without_a_place_is_503(void **state)
{
    (void)state;
    struct world_config config;
    static struct world_client others[64];
    server_world_defaults(&config, 1);
    config.server.tcp.connections = 128;
    start(&config);
    memset(others, 0, sizeof(others));
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        server_world_connect(&world, &others[i]);
        say(&others[i], "GET " VALUE "k HTTP/1.1\r\n");
    }
    server_world_run_ms(&world, SETTLE_MS);
    const char *answer = ask("GET " VALUE "k HTTP/1.1\r\n");
    expect_begin("half a head", answer, "HTTP/1.1 503");
    expect_has("half a head", answer, "http.active_requests");
    assert_true(client.peer_closed);
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        server_world_forget(&world, &others[i]);
    stop();
}

static void a_connection_closes_after_its_number_of_requests(void **state)
{
    (void)state;
    static const char hit[] = "GET " VALUE "k HTTP/1.1\r\n" HOST "\r\n";
    static const char miss[] = "GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n";
    struct world_config config;
    server_world_defaults(&config, 1);
    config.server.http.requests_per_connection = 5;
    start(&config);
    put("k", 3); /* the first */
    for (uint32_t i = 0; i < 3; i++) {
        const char *answer = ask(i % 2 ? hit : miss);
        expect_without("before the last", answer, "Connection: close");
        server_world_run_ms(&world, 20000); /* looks at an idle connection keep the number */
    }
    char three[sizeof(hit) * 3];
    snprintf(three, sizeof(three), "%s%s%s", hit, hit, hit);
    const char *answer = ask(three);
    assert_int_equal(count_of(answer, "HTTP/1.1 200"), 1);
    expect_has("the last", answer, "Connection: close\r\n");
    assert_true(client.peer_closed);
    assert_int_equal(server_world_counter(COUNTER_HTTP_CONNECTIONS_SPENT), 1);
    stop();
}

static void a_full_disk_is_507_and_reads_go_on(void **state)
{
    (void)state;
    start_plain();
    put("k", 3);
    io_simulator_set_capacity(world.disk, 1u << 20);
    static char body[200000];
    const char *answer = "";
    for (uint32_t i = 0; i < 40 && !begins(answer, "HTTP/1.1 507"); i++) {
        char request[200];
        snprintf(request, sizeof(request),
                 "PUT " VALUE "full%u HTTP/1.1\r\n" HOST "Content-Length: 200000\r\n\r\n", i);
        say(&client, request);
        server_world_send(&world, &client, body, sizeof(body), UINT32_MAX);
        server_world_run_ms(&world, 500);
        answer = hear(&client);
    }
    expect_begin("a full disk", answer, "HTTP/1.1 507");
    expect_begin("a read", ask("GET " VALUE "k HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200");
    stop();
}

static void a_disk_that_cannot_be_read_is_500(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    config.server.cache.value_max = 0; /* every read goes to the store */
    start(&config);
    put("large", 100000); /* not among the frames that the store keeps in memory */
    io_simulator_fault_randomly(world.disk, IO_FAULT_ERROR, 5, 1000);
    const char *answer = ask("GET " VALUE "large HTTP/1.1\r\n" HOST "\r\n");
    expect_begin("a read error", answer, "HTTP/1.1 500");
    expect_without("a read error", answer, "data/"); /* no internals */
    io_simulator_clear_faults(world.disk);
    expect_begin("afterwards", ask("GET " VALUE "large HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200");
    stop();
}

/* ---- ends ---- */

static void a_key_without_a_value_is_asked_of_the_store_once(void **state)
{
    (void)state;
    start_plain();
    const char *get = "GET " VALUE "none HTTP/1.1\r\n" HOST "\r\n";
    expect_begin("first", ask(get), "HTTP/1.1 404");
    const char *again = ask(get);
    expect_begin("from the cache", again, "HTTP/1.1 404");
    expect_has("from the cache", again, "Cache-Status: gannet; hit\r\n");
    expect_begin("HEAD", ask("HEAD " VALUE "none HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 404");
    put("none", 3);
    expect_begin("written", ask(get), "HTTP/1.1 200");
    expect_begin("deleted", ask("DELETE " VALUE "none HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 204");
    expect_begin("gone", ask(get), "HTTP/1.1 404");
    stop();
}

static void a_write_follows_its_namespace_s_policy(void **state)
{
    (void)state;
    static const struct {
        enum config_write_policy policy;
        const char *cache_status; /* of a read right after the write */
    } cases[] = {
        {CONFIG_WRITE_THROUGH, "Cache-Status: gannet; hit"},
        {CONFIG_WRITE_AROUND, "Cache-Status: gannet; fwd=uri-miss; stored"},
        {CONFIG_WRITE_BEHIND, "Cache-Status: gannet; fwd=uri-miss; stored"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct world_config config;
        server_world_defaults(&config, 1);
        config.server.namespaces[0].write_policy = cases[i].policy;
        start(&config);
        put("k", 3);
        const char *answer = ask("GET " VALUE "k HTTP/1.1\r\n" HOST "\r\n");
        expect_begin(cases[i].cache_status, answer, "HTTP/1.1 200");
        expect_has(cases[i].cache_status, answer, cases[i].cache_status);
        stop();
    }
}

static void a_half_closed_client_gets_all_its_answers(void **state)
{
    (void)state;
    start_plain();
    put("k", 3);
    hear(&client);
    say(&client,
        "GET " VALUE "k HTTP/1.1\r\n" HOST "\r\nGET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n"
        "GET " VALUE "k HTTP/1.1\r\n" HOST "\r\nGET " VALUE "k HTT"); /* the last is cut off */
    server_world_close(&world, &client);
    server_world_run_ms(&world, SETTLE_MS);
    const char *all = hear(&client);
    assert_int_equal(count_of(all, "HTTP/1.1 200"), 2);
    assert_int_equal(count_of(all, "HTTP/1.1 404"), 1);
    assert_true(client.peer_closed);
    stop();
}

/* More than one round may take of a body, and the FIN behind it, are there at once. */
static void a_large_body_with_the_fin_right_behind_it_is_stored(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    config.server.tcp.receive_window = 1u << 20;
    config.server.http.body_memory_mib = 1;
    start(&config);
    static char body[700000];
    struct world_client second = {0};
    static const char head[] = "PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 700000\r\n\r\n";
    server_world_connect(&world, &second);
    ask(head); /* takes the memory, so that the other body gathers in its receive queue */
    say(&second, head);
    server_world_send(&world, &second, body, sizeof(body), UINT32_MAX);
    server_world_close(&world, &second);
    server_world_run_ms(&world, 1000);
    server_world_abort(&world, &client);
    server_world_run_ms(&world, 3 * SETTLE_MS);
    expect_begin("a body and a FIN", hear(&second), "HTTP/1.1 201");
    server_world_forget(&world, &second);
    stop();
}

/* A body cut off by the FIN is over at once, also when an earlier request was still waiting. */
static void a_body_cut_off_by_the_fin_ends_the_connection_at_once(void **state)
{
    (void)state;
    start_plain();
    hear(&client);
    say(&client, "GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\n"
                 "PUT " VALUE "k HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\nabc");
    server_world_close(&world, &client);
    server_world_run_ms(&world, SETTLE_MS);
    const char *all = hear(&client);
    assert_int_equal(count_of(all, "HTTP/1.1 404"), 1);
    assert_true(client.peer_closed);
    stop();
}

static void draining_finishes_answers_and_closes_what_is_idle(void **state)
{
    (void)state;
    start_plain();
    struct world_client idle = {0}, late = {0};
    put("k", 3);
    server_world_connect(&world, &idle);
    server_world_run_ms(&world, 10);
    world.is_store_stopped = true;
    say(&client,
        "GET " VALUE "miss HTTP/1.1\r\n" HOST "\r\nGET " VALUE "k HTTP/1.1\r\n" HOST "\r\n");
    server_world_run_ms(&world, 10);
    server_world_drain(&world);
    server_world_run_ms(&world, SETTLE_MS);
    assert_true(idle.peer_closed);
    assert_false(client.peer_closed);
    server_world_connect(&world, &late);
    server_world_run_ms(&world, 10);
    assert_true(late.is_gone); /* refused */
    world.is_store_stopped = false;
    server_world_run_ms(&world, SETTLE_MS);
    const char *answer = hear(&client);
    expect_begin("under way", answer, "HTTP/1.1 404");
    expect_has("under way", answer, "Connection: close\r\n");
    assert_int_equal(count_of(answer, "HTTP/1.1 "), 1); /* the next one was not promised */
    assert_true(client.peer_closed);
    server_world_forget(&world, &idle);
    server_world_forget(&world, &late);
    stop();
}

static void a_handshake_that_ends_while_draining_is_closed(void **state)
{
    (void)state;
    struct world_config config;
    struct world_client other = {0};
    server_world_defaults(&config, 1);
    config.wire.delay_ns = 10 * NS_PER_MS;
    start(&config);
    put("k", 3);
    server_world_connect(&world, &other);
    server_world_run_ms(&world, 15); /* its SYN was answered, its ACK is not there yet */
    server_world_drain(&world);
    server_world_run_ms(&world, SETTLE_MS);
    assert_true(other.peer_closed || other.is_gone);
    server_world_forget(&world, &other);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(every_answer_has_its_status),
        ONE(limits_of_the_head_are_414_and_431),
        ONE(pipelined_answers_come_in_order_hits_and_misses_and_writes_mixed),
        ONE(good_requests_before_a_bad_one_are_answered_first),
        ONE(a_pipeline_longer_than_a_round_is_answered_whole),
        ONE(expect_continue_is_answered_once_and_then_the_body_is_taken),
        ONE(a_body_that_does_not_come_is_408),
        ONE(a_body_that_pauses_because_of_losses_is_taken),
        ONE(a_body_above_the_rate_is_never_too_late),
        ONE(body_memory_closes_the_window_until_it_is_free),
        ONE(body_memory_that_never_frees_is_503),
        ONE(an_incomplete_head_is_408_after_its_time),
        ONE(an_idle_connection_is_closed_without_a_word),
        ONE(a_request_in_the_last_moment_of_idleness_is_answered),
        ONE(a_client_that_does_not_read_is_cut_off_after_the_write_timeout),
        ONE(a_client_that_reads_now_and_then_is_not_cut_off),
        ONE(a_silent_store_leaves_hits_alone_and_turns_misses_into_503),
        ONE(a_body_whose_operation_never_answered_is_given_back_when_it_comes_home),
        ONE(without_credits_the_answer_is_503_with_retry_after),
        ONE(with_all_request_states_in_use_the_answer_is_503),
        ONE(half_a_head_without_a_place_is_503),
        ONE(a_connection_closes_after_its_number_of_requests),
        ONE(a_full_disk_is_507_and_reads_go_on),
        ONE(a_disk_that_cannot_be_read_is_500),
        ONE(a_key_without_a_value_is_asked_of_the_store_once),
        ONE(a_write_follows_its_namespace_s_policy),
        ONE(a_half_closed_client_gets_all_its_answers),
        ONE(a_large_body_with_the_fin_right_behind_it_is_stored),
        ONE(a_body_cut_off_by_the_fin_ends_the_connection_at_once),
        ONE(draining_finishes_answers_and_closes_what_is_idle),
        ONE(a_handshake_that_ends_while_draining_is_closed),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
