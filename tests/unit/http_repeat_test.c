/* SPDX-License-Identifier: BSD-3-Clause */
/* The short way through a head, held against the parser: same verdict, same result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/http_repeat.h"
#include "include/compiler.h"
#include "include/random.h"
#include "tests/unit/guarded_bytes.h"

#define HEAD_BYTES_MAX 2048u

static const struct http_limits usual_limits = {
    .request_line_bytes_max = 8192, .head_bytes_max = 16384, .fields_max = HTTP_FIELDS_MAX};

/* Header sections of plain GETs, as clients send them. */
static const char *const plain_sections[] = {
    "Host: a\r\n\r\n",
    "Host: 192.0.2.2:80\r\n\r\n",
    "Host: 127.0.0.1:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
    "Host: 127.0.0.1:8080\r\nUser-Agent: curl/7.88.2\r\nAccept: */*\r\n\r\n",
    ("Connection: keep-alive\r\nHost: api.example.com\r\nReferer: http://example.com/\r\nPriority: "
     "u=1\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n\r\n"),
    "Accept:\r\nHost: [2001:db8::1]:80\r\nPragma: no-cache\r\n\r\n",
};

/* And sections that are refused, or change the answer. */
static const char *const other_sections[] = {
    "\r\n",
    "Accept: */*\r\n\r\n",
    "Host: a\r\nHost: a\r\n\r\n",
    "Host: a,b\r\n\r\n",
    "Host: a\r\nConnection: close\r\n\r\n",
    "Host: a\r\nContent-Length: 0\r\n\r\n",
    "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "Host: a\r\nIf-None-Match: \"17\"\r\n\r\n",
    "Host: a\r\nIF-MATCH: *\r\n\r\n",
    "Host: a\r\nRange: bytes=0-1\r\n\r\n",
    "Host: a\r\nRequest-ID: x\r\n\r\n",
    "Host: a\r\nPrefer: wait=1\r\n\r\n",
    "Host: a\r\n folded\r\n\r\n",
    "Host: a\nAccept: */*\r\n\r\n",
};

static const char *const request_lines[] = {
    "GET /v1/ns/demo/values/k HTTP/1.1\r\n",
    "GET /v1/ns/demo/values/user/profile/00000042 HTTP/1.1\r\n",
    "GET /v1/ns/a-namespace-of-some-length/values/key-000000000017 HTTP/1.1\r\n",
    ("GET "
     "/v1/ns/demo/values/abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrs"
     "tuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmn HTTP/1.1\r\n"),
    "GET /v1/ns/demo/values/a%20b HTTP/1.1\r\n",
    "GET /v1/ns/demo/values/k?ttl=1 HTTP/1.1\r\n",
    "GET /v1/ns/demo/values/k? HTTP/1.1\r\n",
    "GET /v1/ns/demo/values/ HTTP/1.1\r\n",
    "GET /v1/ns//values/k HTTP/1.1\r\n",
    "GET /v1/ns/demo/value/k HTTP/1.1\r\n",
    "GET /v1/ns/demo HTTP/1.1\r\n",
    "GET /v1/ns HTTP/1.1\r\n",
    "GET /v1/ns/demo/values/k HTTP/1.0\r\n",
    "GET  /v1/ns/demo/values/k HTTP/1.1\r\n",
    "HEAD /v1/ns/demo/values/k HTTP/1.1\r\n",
    "\r\nGET /v1/ns/demo/values/k HTTP/1.1\r\n",
    "GET http://a/v1/ns/demo/values/k HTTP/1.1\r\n",
};
#define PLAIN_LINES 4u /* of the above, that name a value whose key is short enough: the first 3 */

/* What parser and http_plain_value say. */
static bool is_plain(const struct http_limits *limits, const uint8_t *bytes, uint32_t length,
                     struct http_request *request, struct value_target *target)
{
    return http_parse_request(bytes, length, limits, request) == HTTP_PARSE_DONE &&
           http_plain_value(request, target);
}

static void learn(struct http_repeat *repeat, const char *line, const char *section)
{
    char head[HEAD_BYTES_MAX];
    struct http_request request;
    struct value_target target;
    int bytes = snprintf(head, sizeof(head), "%s%s", line, section);
    assert_true(is_plain(&usual_limits, (const uint8_t *)head, (uint32_t)bytes, &request, &target));
    http_repeat_learn(repeat, &request, (const uint8_t *)head);
}

static bool matches(struct http_repeat *repeat, const char *line, const char *section)
{
    char head[HEAD_BYTES_MAX];
    struct value_target target;
    uint32_t head_bytes;
    int bytes = snprintf(head, sizeof(head), "%s%s", line, section);
    return http_repeat_match(repeat, &usual_limits, (const uint8_t *)head, (uint32_t)bytes, &target,
                             &head_bytes);
}

static void nothing_matches_before_something_is_learned(void **state)
{
    (void)state;
    struct http_repeat repeat = {0};
    assert_false(matches(&repeat, request_lines[0], plain_sections[0]));
}

static void the_same_section_matches_with_any_key(void **state)
{
    (void)state;
    struct http_repeat repeat = {0};
    learn(&repeat, request_lines[0], plain_sections[2]);
    assert_true(matches(&repeat, request_lines[1], plain_sections[2]));
    assert_true(matches(&repeat, request_lines[2], plain_sections[2]));
    assert_false(matches(&repeat, request_lines[0], plain_sections[3])); /* one digit differs */
}

static void four_kinds_of_clients_are_remembered_and_the_oldest_forgotten(void **state)
{
    (void)state;
    struct http_repeat repeat = {0};
    for (uint32_t i = 0; i < HTTP_REPEAT_WAYS; i++)
        learn(&repeat, request_lines[0], plain_sections[i]);
    for (uint32_t i = 0; i < HTTP_REPEAT_WAYS; i++)
        assert_true(matches(&repeat, request_lines[1], plain_sections[i]));
    learn(&repeat, request_lines[0], plain_sections[HTTP_REPEAT_WAYS]);
    assert_false(matches(&repeat, request_lines[0], plain_sections[0]));
    assert_true(matches(&repeat, request_lines[0], plain_sections[1]));
    assert_true(matches(&repeat, request_lines[0], plain_sections[HTTP_REPEAT_WAYS]));
}

static void a_section_longer_than_the_memory_is_not_learned(void **state)
{
    (void)state;
    struct http_repeat repeat = {0};
    char section[HTTP_REPEAT_TAIL_BYTES_MAX + 64];
    snprintf(section, sizeof(section), "Host: a\r\nUser-Agent: %0*d\r\n\r\n",
             (int)HTTP_REPEAT_TAIL_BYTES_MAX, 0);
    learn(&repeat, request_lines[0], section);
    assert_false(matches(&repeat, request_lines[0], section));
}

static void other_heads_are_not_plain(void **state)
{
    (void)state;
    struct http_request request;
    struct value_target target;
    char head[HEAD_BYTES_MAX];
    for (size_t i = 0; i < ARRAY_COUNT(other_sections); i++) {
        int bytes = snprintf(head, sizeof(head), "%s%s", request_lines[0], other_sections[i]);
        if (is_plain(&usual_limits, (const uint8_t *)head, (uint32_t)bytes, &request, &target))
            fail_msg("plain: %s", other_sections[i]);
    }
    for (size_t i = PLAIN_LINES; i < ARRAY_COUNT(request_lines); i++) {
        bool is_good = strncmp(request_lines[i], "\r\n", 2) == 0; /* the one forgiven empty line */
        int bytes = snprintf(head, sizeof(head), "%s%s", request_lines[i], plain_sections[0]);
        if (is_plain(&usual_limits, (const uint8_t *)head, (uint32_t)bytes, &request, &target) !=
            is_good)
            fail_msg("'%s' plain: %d", request_lines[i], !is_good);
    }
}

/* ---- against the parser ---- */

static uint32_t make_head(struct random *random, uint8_t head[HEAD_BYTES_MAX])
{
    const char *line = request_lines[random_chance(random, 700)
                                         ? random_below(random, 3)
                                         : random_below(random, ARRAY_COUNT(request_lines))];
    const char *section = random_chance(random, 800)
                              ? plain_sections[random_below(
                                    random, 1 + random_below(random, ARRAY_COUNT(plain_sections)))]
                              : other_sections[random_below(random, ARRAY_COUNT(other_sections))];
    return (uint32_t)snprintf((char *)head, HEAD_BYTES_MAX, "%s%s", line, section);
}

/* A byte changed, taken out, put in or doubled, a run cut out: bytes that matter are likely. */
static uint32_t mutate(struct random *random, uint8_t *head, uint32_t bytes)
{
    static const uint8_t likely[] = " \t\r\n:/?#%,;=\"*.-\0\x7f\x80"
                                    "AZaz09";
    bool is_early = bytes > 40 && random_chance(random, 500);
    uint32_t at = random_below(random, is_early ? 40 : bytes);
    uint8_t byte = random_chance(random, 700) ? likely[random_below(random, sizeof(likely) - 1)]
                                              : (uint8_t)random_u64(random);
    switch (random_below(random, 5)) {
    case 0:
        head[at] = byte;
        return bytes;
    case 1:
        memmove(head + at, head + at + 1, bytes - at - 1);
        return bytes - 1;
    case 2:
        memmove(head + at + 1, head + at, bytes - at);
        head[at] = byte;
        return bytes + 1;
    case 3:
        head[at] ^= 0x20; /* the other case of a letter */
        return bytes;
    default:
        return bytes - random_below(random, bytes - at);
    }
}

static struct http_limits some_limits(struct random *random)
{
    struct http_limits limits = usual_limits;
    if (random_chance(random, 100))
        limits.request_line_bytes_max = 30 + random_below(random, 60);
    if (random_chance(random, 100))
        limits.head_bytes_max = 40 + random_below(random, 200);
    return limits;
}

static bool is_learned(const struct http_repeat *repeat, const uint8_t *tail, uint32_t bytes)
{
    for (uint32_t way = 0; way < HTTP_REPEAT_WAYS; way++)
        if (repeat->tails[way].bytes == bytes && memcmp(repeat->tails[way].text, tail, bytes) == 0)
            return true;
    return false;
}

static bool slices_are_equal(struct http_slice a, struct http_slice b)
{
    return a.at == b.at && a.bytes == b.bytes;
}

/* Returns whether the short way was taken; fails the test when the two disagree. */
static bool check_one(struct http_repeat *repeat, const struct http_limits *limits,
                      const uint8_t *bytes, uint32_t length, bool may_learn)
{
    struct http_request request;
    struct value_target expected, target;
    uint32_t head_bytes = 0;
    bool may_be_short = is_plain(limits, bytes, length, &request, &expected);
    bool is_short = http_repeat_match(repeat, limits, bytes, length, &target, &head_bytes);
    if (is_short && (!may_be_short || head_bytes != request.head_bytes ||
                     !slices_are_equal(target.space, expected.space) ||
                     !slices_are_equal(target.key, expected.key)))
        fail_msg("the parser says otherwise: %.*s", (int)length, bytes);
    if (!may_be_short)
        return false;
    const uint8_t *tail = request.target.at + request.target.bytes;
    bool is_known =
        bytes[0] == 'G' && is_learned(repeat, tail, (uint32_t)(bytes + request.head_bytes - tail));
    if (is_short != is_known)
        fail_msg("short %d known %d: %.*s", is_short, is_known, (int)length, bytes);
    if (!is_short && may_learn)
        http_repeat_learn(repeat, &request, bytes);
    return is_short;
}

static void what_matches_is_what_the_parser_accepts(void **state)
{
    (void)state;
    static struct http_repeat repeat;
    struct random random = {.state = 20260101};
    uint32_t short_count = 0, mutated_short_count = 0;
    for (uint32_t i = 0; i < 300000; i++) {
        if (i % 1000 == 0)
            memset(&repeat, 0, sizeof(repeat));
        uint8_t head[HEAD_BYTES_MAX];
        uint32_t bytes = make_head(&random, head);
        uint32_t mutations = random_below(&random, 4);
        for (uint32_t n = 0; n < mutations && bytes > 1; n++)
            bytes = mutate(&random, head, bytes);
        if (random_chance(&random, 300)) /* the next request behind it */
            bytes += make_head(&random, head + bytes);
        struct http_limits limits = some_limits(&random);
        bool may_learn = mutations == 0 || random_chance(&random, 50);
        bool is_short = check_one(&repeat, &limits, guarded_at_end(head, bytes), bytes, may_learn);
        short_count += is_short;
        mutated_short_count += is_short && mutations > 0;
    }
    print_message("%u short, %u of them mutated\n", short_count, mutated_short_count);
    /* So that both ways are really compared, for unchanged heads and for others. */
    assert_true(short_count > 40000);
    assert_true(mutated_short_count > 8000);
}

static void no_part_of_a_head_matches(void **state)
{
    (void)state;
    struct http_repeat repeat = {0};
    char head[HEAD_BYTES_MAX];
    for (size_t i = 0; i < ARRAY_COUNT(plain_sections); i++) {
        struct value_target target;
        uint32_t head_bytes;
        learn(&repeat, request_lines[1], plain_sections[i]);
        uint32_t bytes =
            (uint32_t)snprintf(head, sizeof(head), "%s%s", request_lines[0], plain_sections[i]);
        for (uint32_t part = 0; part < bytes; part++)
            assert_false(http_repeat_match(&repeat, &usual_limits, guarded_at_end(head, part), part,
                                           &target, &head_bytes));
        assert_true(http_repeat_match(&repeat, &usual_limits, guarded_at_end(head, bytes), bytes,
                                      &target, &head_bytes));
        assert_int_equal(head_bytes, bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_matches_before_something_is_learned),
        cmocka_unit_test(the_same_section_matches_with_any_key),
        cmocka_unit_test(four_kinds_of_clients_are_remembered_and_the_oldest_forgotten),
        cmocka_unit_test(a_section_longer_than_the_memory_is_not_learned),
        cmocka_unit_test(other_heads_are_not_plain),
        cmocka_unit_test(no_part_of_a_head_matches),
        cmocka_unit_test(what_matches_is_what_the_parser_accepts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
