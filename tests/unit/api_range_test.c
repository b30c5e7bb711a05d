/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of values and what caches are told, through the whole server. */
#include "include/compiler.h"
#include "tests/unit/api_talk.h"

#define LARGE_BYTES 100000u

static uint8_t byte_at(uint32_t offset)
{
    return (uint8_t)('a' + offset % 23);
}

/* A value whose bytes tell their place. */
static void put_counted(const char *key, uint32_t bytes)
{
    static char request[LARGE_BYTES + 200];
    int head = snprintf(request, 200,
                        "PUT " VALUE "%s HTTP/1.1\r\n" HOST "Content-Type: text/x\r\nMeta-A: b\r\n"
                        "Content-Length: %u\r\n\r\n",
                        key, bytes);
    for (uint32_t i = 0; i < bytes; i++)
        request[(uint32_t)head + i] = (char)byte_at(i);
    hear(&client);
    server_world_send(&world, &client, request, (uint32_t)head + bytes, UINT32_MAX);
    server_world_run_ms(&world, SETTLE_MS);
    expect_has("PUT", hear(&client), "HTTP/1.1 20");
}

static const char *get_with(const char *method, const char *key, const char *fields)
{
    char request[1000];
    snprintf(request, sizeof(request), "%s " VALUE "%s HTTP/1.1\r\n" HOST "%s\r\n", method, key,
             fields);
    return ask(request);
}

static void expect_body(const char *what, const char *answer, uint32_t offset, uint32_t length)
{
    const char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    body += 4;
    if (strlen(body) != length)
        fail_msg("'%s': %zu bytes of body", what, strlen(body));
    for (uint32_t i = 0; i < length; i++)
        if ((uint8_t)body[i] != byte_at(offset + i))
            fail_msg("'%s': byte %u differs", what, i);
}

struct part_case {
    const char *fields, *status, *content_range;
    uint32_t offset, length;
};

static void check_parts(const char *key, const struct part_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *answer = get_with("GET", key, cases[i].fields);
        char expected[64];
        snprintf(expected, sizeof(expected), "HTTP/1.1 %s", cases[i].status);
        expect_begin(cases[i].fields, answer, expected);
        expect_has(cases[i].fields, answer, cases[i].content_range);
        expect_has(cases[i].fields, answer, "Accept-Ranges: bytes\r\n");
        expect_has(cases[i].fields, answer, "Cache-Status: gannet; ");
        expect_has(cases[i].fields, answer, "ETag: \"");
        if (cases[i].length == 0) { /* a problem */
            expect_has(cases[i].fields, answer, ":range-not-satisfiable\"");
            continue;
        }
        snprintf(expected, sizeof(expected), "Content-Length: %u\r\n", cases[i].length);
        expect_has(cases[i].fields, answer, expected);
        expect_has(cases[i].fields, answer, "Content-Type: text/x\r\nMeta-A: b\r\n");
        expect_has(cases[i].fields, answer, "Last-Modified: ");
        expect_body(cases[i].fields, answer, cases[i].offset, cases[i].length);
        if (count_of(answer, "\r\nContent-Length: ") != 1)
            fail_msg("'%s': not one Content-Length: %s", cases[i].fields, answer);
        if (strncmp(cases[i].status, "200", 3) == 0)
            expect_without(cases[i].fields, answer, "Content-Range");
    }
}

static const struct part_case small_parts[] = {
    {"Range: bytes=0-0\r\n", "206 Partial Content", "Content-Range: bytes 0-0/10\r\n", 0, 1},
    {"Range: bytes=2-5\r\n", "206", "Content-Range: bytes 2-5/10\r\n", 2, 4},
    {"Range: bytes=7-\r\n", "206", "Content-Range: bytes 7-9/10\r\n", 7, 3},
    {"Range: bytes=-3\r\n", "206", "Content-Range: bytes 7-9/10\r\n", 7, 3},
    {"Range: bytes=0-99999\r\n", "206", "Content-Range: bytes 0-9/10\r\n", 0, 10},
    {"Range: bytes=10-\r\n", "416 Range Not Satisfiable", "Content-Range: bytes */10\r\n", 0, 0},
    {"Range: bytes=-0\r\n", "416", "Content-Range: bytes */10\r\n", 0, 0},
    {"Range: bytes=0-1,4-5\r\n", "200", NULL, 0, 10},
    {"Range: lines=0-1\r\n", "200", NULL, 0, 10},
    {"Range: bytes=5-2\r\n", "200", NULL, 0, 10},
    {"Range: bytes=2-5\r\nIf-Range: \"1\"\r\n", "206", "Content-Range: bytes 2-5/10\r\n", 2, 4},
    {"Range: bytes=2-5\r\nIf-Range: \"2\"\r\n", "200", NULL, 0, 10},
    {"Range: bytes=2-5\r\nIf-Range: W/\"1\"\r\n", "200", NULL, 0, 10},
    {"Range: bytes=99-\r\nIf-Range: \"2\"\r\n", "200", NULL, 0, 10},
    {"Range: bytes=2-5\r\nIf-Range: Tue, 14 Nov 2023 22:13:20 GMT\r\n", "200", NULL, 0, 10},
    {"If-Range: \"2\"\r\n", "200", NULL, 0, 10},
    {"Range: bytes=2-5\r\nIf-Match: \"1\"\r\n", "206", "Content-Range: bytes 2-5/10\r\n", 2, 4},
};

static const struct part_case large_parts[] = {
    {"Range: bytes=0-0\r\n", "206", "Content-Range: bytes 0-0/100000\r\n", 0, 1},
    {"Range: bytes=50000-59999\r\n", "206", "Content-Range: bytes 50000-59999/100000\r\n", 50000,
     10000},
    {"Range: bytes=4095-4097\r\n", "206", "Content-Range: bytes 4095-4097/100000\r\n", 4095, 3},
    {"Range: bytes=-1\r\n", "206", "Content-Range: bytes 99999-99999/100000\r\n", 99999, 1},
    {"Range: bytes=1-\r\n", "206", "Content-Range: bytes 1-99999/100000\r\n", 1, 99999},
    {"Range: bytes=100000-\r\n", "416", "Content-Range: bytes */100000\r\n", 0, 0},
    {"", "200", NULL, 0, LARGE_BYTES},
};

static void parts_come_from_the_cache_and_from_the_store(void **state)
{
    (void)state;
    for (uint32_t is_cached = 0; is_cached < 2; is_cached++) {
        struct world_config config;
        server_world_defaults(&config, 1);
        if (!is_cached)
            config.server.cache.value_max = 0; /* every read goes to the store */
        start(&config);
        put_counted("small", 10);
        put_counted("large", LARGE_BYTES);
        check_parts("small", small_parts, ARRAY_COUNT(small_parts));
        check_parts("large", large_parts, ARRAY_COUNT(large_parts));
        expect_has("where from", get_with("GET", "small", "Range: bytes=0-0\r\n"),
                   is_cached ? "Cache-Status: gannet; hit\r\n"
                             : "Cache-Status: gannet; fwd=uri-miss\r\n");
        stop();
    }
}

static void head_ignores_range_and_conditions_come_first(void **state)
{
    (void)state;
    start_plain();
    put_counted("small", 10);
    const char *answer = get_with("HEAD", "small", "Range: bytes=2-5\r\n");
    expect_begin("HEAD", answer, "HTTP/1.1 200");
    expect_has("HEAD", answer, "Content-Length: 10\r\n");
    answer = get_with("GET", "small", "Range: bytes=2-5\r\nIf-None-Match: \"1\"\r\n");
    expect_begin("304 before 206", answer, "HTTP/1.1 304");
    answer = get_with("GET", "small", "Range: bytes=99-\r\nIf-Match: \"7\"\r\n");
    expect_begin("412 before 416", answer, "HTTP/1.1 412");
    expect_begin("404 before 416", get_with("GET", "gone", "Range: bytes=99-\r\n"), "HTTP/1.1 404");
    stop();
}

static void an_empty_value_has_no_part(void **state)
{
    (void)state;
    start_plain();
    put_counted("empty", 0);
    const char *answer = get_with("GET", "empty", "Range: bytes=0-\r\n");
    expect_begin("from the first byte", answer, "HTTP/1.1 416");
    expect_has("from the first byte", answer, "Content-Range: bytes */0\r\n");
    expect_begin("the last three", get_with("GET", "empty", "Range: bytes=-3\r\n"), "HTTP/1.1 200");
    stop();
}

/* ---- what caches in front are told ---- */

static void every_read_says_what_caches_may_do(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    snprintf(config.server.namespaces[0].cache_control,
             sizeof(config.server.namespaces[0].cache_control), "public, max-age=60");
    start(&config);
    put_counted("k", 10);
    static const struct {
        const char *method, *key, *fields, *status, *has;
    } cases[] = {
        {"GET", "k", "", "200", "Cache-Control: public, max-age=60\r\n"},
        {"HEAD", "k", "", "200", "Cache-Control: public, max-age=60\r\n"},
        {"GET", "k", "Range: bytes=0-1\r\n", "206", "Cache-Control: public, max-age=60\r\n"},
        {"GET", "k", "If-None-Match: *\r\n", "304", "Cache-Control: public, max-age=60\r\n"},
        {"GET", "k", "If-None-Match: *\r\n", "304", "Last-Modified: "},
        {"GET", "k", "If-None-Match: *\r\n", "304", "ETag: \"1\"\r\n"},
        {"GET", "k", "If-None-Match: *\r\n", "304", "Date: "},
        {"GET", "k", "If-Match: \"9\"\r\n", "412", "Cache-Control: no-store\r\n"},
        {"GET", "k", "Range: bytes=99-\r\n", "416", "Cache-Control: no-store\r\n"},
        {"GET", "gone", "", "404", "Cache-Control: no-store\r\n"},
        {"HEAD", "gone", "", "404", "Cache-Control: no-store\r\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const char *answer = get_with(cases[i].method, cases[i].key, cases[i].fields);
        if (strncmp(answer + 9, cases[i].status, 3) != 0)
            fail_msg("case %zu: %s", i, answer);
        expect_has(cases[i].status, answer, cases[i].has);
        expect_has(cases[i].status, answer, "\r\nCache-Status: gannet; ");
        if (count_of(answer, "\r\nCache-Control: ") != 1)
            fail_msg("case %zu: not one Cache-Control: %s", i, answer);
    }
    stop();
}

static void max_age_ends_with_the_value(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    snprintf(config.server.namespaces[0].cache_control,
             sizeof(config.server.namespaces[0].cache_control), "max-age=60");
    start(&config);
    ask("PUT " VALUE "k?ttl=30 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx");
    server_world_run_ms(&world, 10000);
    const char *answer = get_with("GET", "k", "");
    expect_has("20 s are left", answer, "Cache-Control: max-age=19\r\n");
    expect_has("20 s are left", answer, "Cache-Status: gannet; hit; ttl=19\r\n");
    if (count_of(answer, "\r\nCache-Control: ") != 1)
        fail_msg("not one Cache-Control: %s", answer);
    expect_has("not modified", get_with("GET", "k", "If-None-Match: *\r\n"),
               "Cache-Control: max-age=19\r\n");
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(parts_come_from_the_cache_and_from_the_store),
        ONE(head_ignores_range_and_conditions_come_first),
        ONE(an_empty_value_has_no_part),
        ONE(every_read_says_what_caches_may_do),
        ONE(max_age_ends_with_the_value),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
