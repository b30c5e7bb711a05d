/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/compiler.h"
#include "tests/bench/generator/answer.h"

#define OK "HTTP/1.1 200 OK\r\n"

/* From a copy of exactly this size, so that a sanitizer sees a byte read too far. */
static enum answer_verdict parse(struct answer_parser *parser, const char *text, size_t length,
                                 struct answer_head *head)
{
    uint8_t *exact = malloc(length ? length : 1);
    assert_non_null(exact);
    memcpy(exact, text, length);
    *head = (struct answer_head){0};
    enum answer_verdict verdict = answer_parse(parser, exact, (uint32_t)length, head);
    free(exact);
    return verdict;
}

static void a_head_means_what_its_fields_say(void **state)
{
    (void)state;
    static const struct {
        const char *what, *text;
        uint64_t body_bytes;
        uint16_t status;
        bool closes, is_hit;
    } cases[] = {
        {"a length", OK "Content-Length: 5\r\n\r\n", 5, 200, false, false},
        {"names in any case", OK "cOnTeNt-LeNgTh:7 \r\nCONNECTION:\tClose\r\n\r\n", 7, 200, true,
         false},
        {"the same length twice", OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 5, 200,
         false, false},
        {"no length: until the end", OK "Date: x\r\n\r\n", ANSWER_UNTIL_CLOSE, 200, true, false},
        {"a hit", OK "Cache-Status: gannet; hit\r\nContent-Length: 0\r\n\r\n", 0, 200, false, true},
        {"no hit", OK "Cache-Status: gannet; fwd=uri-miss\r\nContent-Length: 0\r\n\r\n", 0, 200,
         false, false},
        {"close in a list", OK "Content-Length: 1\r\nConnection: foo , close\r\n\r\n", 1, 200, true,
         false},
        {"closed is not close", OK "Content-Length: 1\r\nConnection: closed\r\n\r\n", 1, 200, false,
         false},
        {"1.0 closes", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", 1, 200, true, false},
        {"1.0 that stays", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n",
         1, 200, false, false},
        {"204 has no body", "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", 0, 204, false,
         false},
        {"304 has no body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 0, 304, false,
         false},
        {"100 is interim", "HTTP/1.1 100 Continue\r\n\r\n", 0, 100, false, false},
        {"no reason phrase", "HTTP/1.1 503\r\nContent-Length: 2\r\n\r\n", 2, 503, false, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        static struct answer_parser parser;
        struct answer_head head;
        size_t length = strlen(cases[i].text);
        parser = (struct answer_parser){0};
        for (int times = 0; times < 2; times++) /* parsed, then recognised */
            if (parse(&parser, cases[i].text, length, &head) != ANSWER_COMPLETE ||
                head.status != cases[i].status || head.body_bytes != cases[i].body_bytes ||
                head.closes != cases[i].closes || head.is_hit != cases[i].is_hit ||
                head.head_bytes != length)
                fail_msg("case '%s', time %d", cases[i].what, times);
        assert_int_equal(parser.slow_count, 1);
    }
}

static void what_is_no_answer_is_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *what, *text;
    } cases[] = {
        {"another protocol", "220 mail.example ESMTP\r\n\r\n"},
        {"another protocol, without an end", "SSH-2.0"},
        {"another version", "HTTP/1.2 200 OK\r\n\r\n"},
        {"HTTP/2", "HTTP/2 200 OK\r\nContent-Length: 1\r\n\r\n"},
        {"a status of letters", "HTTP/1.1 2x0 OK\r\n\r\n"},
        {"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"},
        {"a status below 100", "HTTP/1.1 099 OK\r\n\r\n"},
        {"a length of letters", OK "Content-Length: 5x\r\n\r\n"},
        {"an empty length", OK "Content-Length: \r\n\r\n"},
        {"a negative length", OK "Content-Length: -1\r\n\r\n"},
        {"a length beyond all", OK "Content-Length: 1234567890123456789\r\n\r\n"},
        {"two lengths", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"},
        {"a coding", OK "Transfer-Encoding: chunked\r\n\r\n"},
        {"a line without a colon", OK "Content-Length 5\r\n\r\n"},
        {"a line without a name", OK ": 5\r\n\r\n"},
        {"a folded line", OK "A: b\r\n c\r\nContent-Length: 5\r\n\r\n"},
        {"a carriage return alone", OK "A: b\rc\r\nContent-Length: 5\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        static struct answer_parser parser;
        struct answer_head head;
        parser = (struct answer_parser){0};
        if (parse(&parser, cases[i].text, strlen(cases[i].text), &head) != ANSWER_MALFORMED)
            fail_msg("case '%s'", cases[i].what);
    }
}

static void a_part_of_a_head_is_incomplete(void **state)
{
    (void)state;
    static const char whole[] = OK "Date: today\r\nContent-Length: 5\r\nETag: \"1\"\r\n\r\n";
    static struct answer_parser fresh, learned;
    struct answer_head head;
    assert_int_equal(parse(&learned, whole, strlen(whole), &head), ANSWER_COMPLETE);
    for (size_t length = 0; length < strlen(whole); length++) {
        assert_int_equal(parse(&fresh, whole, length, &head), ANSWER_INCOMPLETE);
        assert_int_equal(parse(&learned, whole, length, &head), ANSWER_INCOMPLETE);
    }
}

static void a_head_without_end_is_given_up(void **state)
{
    (void)state;
    static struct answer_parser parser;
    static char text[ANSWER_HEAD_BYTES_MAX + 1] = OK "A: ";
    struct answer_head head;
    memset(text + strlen(text), 'b', sizeof(text) - 1 - strlen(text));
    assert_int_equal(parse(&parser, text, ANSWER_HEAD_BYTES_MAX - 1, &head), ANSWER_INCOMPLETE);
    assert_int_equal(parse(&parser, text, ANSWER_HEAD_BYTES_MAX, &head), ANSWER_MALFORMED);
}

/* What was learned must never stand for something that means something else. */
static void one_that_looks_alike_is_parsed_anew_when_it_may_differ(void **state)
{
    (void)state;
    static const char first[] = OK "Date: Sun, 22 Nov 2026 17:02:35 GMT\r\nContent-Length: 5\r\n"
                                   "Cache-Status: gannet; hit\r\nETag: \"1\"\r\n\r\n";
    static const struct {
        const char *what, *text;
        bool is_recognised;
        enum answer_verdict verdict;
        uint16_t status;
        uint64_t body_bytes;
        bool is_hit;
    } cases[] = {
        {"another date and tag",
         OK "Date: Mon, 23 Nov 2026 00:00:00 GMT\r\nContent-Length: 5\r\n"
            "Cache-Status: gannet; hit\r\nETag: \"9\"\r\n\r\n",
         true, ANSWER_COMPLETE, 200, 5, true},
        {"another length",
         OK "Date: Sun, 22 Nov 2026 17:02:35 GMT\r\nContent-Length: 6\r\n"
            "Cache-Status: gannet; hit\r\nETag: \"1\"\r\n\r\n",
         false, ANSWER_COMPLETE, 200, 6, true},
        {"another status",
         "HTTP/1.1 404 OK\r\nDate: Sun, 22 Nov 2026 17:02:35 GMT\r\nContent-Length: 5\r\n"
         "Cache-Status: gannet; hit\r\nETag: \"1\"\r\n\r\n",
         false, ANSWER_COMPLETE, 404, 5, true},
        {"no hit",
         OK "Date: Sun, 22 Nov 2026 17:02:35 GMT\r\nContent-Length: 5\r\n"
            "Cache-Status: gannet; fwd\r\nETag: \"1\"\r\n\r\n",
         false, ANSWER_COMPLETE, 200, 5, false},
        {"a line break where the date was",
         OK "Date: Sun\r\nContent-Length: 9GMT..\r\nContent-Length: 5\r\n"
            "Cache-Status: gannet; hit\r\nETag: \"1\"\r\n\r\n",
         false, ANSWER_MALFORMED, 0, 0, false},
        {"an end where the date was",
         OK "Date: Sun\r\n\r\n2 Nov 2026 17:02:35 GMT\r\nContent-Length: 5\r\n"
            "Cache-Status: gannet; hit\r\nETag: \"1\"\r\n\r\n",
         false, ANSWER_COMPLETE, 200, ANSWER_UNTIL_CLOSE, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        static struct answer_parser parser;
        struct answer_head head;
        parser = (struct answer_parser){0};
        assert_int_equal(parse(&parser, first, strlen(first), &head), ANSWER_COMPLETE);
        enum answer_verdict verdict = parse(&parser, cases[i].text, strlen(cases[i].text), &head);
        if (verdict != cases[i].verdict || (parser.slow_count == 1) != cases[i].is_recognised)
            fail_msg("case '%s': verdict %d, parsed %lu times", cases[i].what, verdict,
                     (unsigned long)parser.slow_count);
        if (verdict == ANSWER_COMPLETE &&
            (head.status != cases[i].status || head.body_bytes != cases[i].body_bytes ||
             head.is_hit != cases[i].is_hit))
            fail_msg("case '%s': means something else", cases[i].what);
    }
}

static void as_many_kinds_as_there_is_room_for_are_remembered(void **state)
{
    (void)state;
    static struct answer_parser parser;
    struct answer_head head;
    char text[64];
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t kind = 0; kind < ANSWER_LEARNED_COUNT; kind++) {
            snprintf(text, sizeof(text), "HTTP/1.1 20%u OK\r\nContent-Length: 5\r\n\r\n", kind);
            assert_int_equal(parse(&parser, text, strlen(text), &head), ANSWER_COMPLETE);
            assert_int_equal(head.status, 200 + kind);
        }
    assert_int_equal(parser.slow_count, ANSWER_LEARNED_COUNT);
    static const char one_more[] = "HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\n";
    for (int times = 0; times < 2; times++)
        assert_int_equal(parse(&parser, one_more, strlen(one_more), &head), ANSWER_COMPLETE);
    assert_int_equal(parser.slow_count, ANSWER_LEARNED_COUNT + 1);
}

static void a_head_too_long_to_remember_is_parsed_each_time(void **state)
{
    (void)state;
    static struct answer_parser parser;
    static char text[ANSWER_LEARNED_BYTES_MAX + 64];
    struct answer_head head;
    snprintf(text, sizeof(text), OK "Content-Length: 3\r\nA: %*s\r\n\r\n",
             (int)ANSWER_LEARNED_BYTES_MAX, "x");
    for (uint64_t times = 1; times <= 3; times++) {
        assert_int_equal(parse(&parser, text, strlen(text), &head), ANSWER_COMPLETE);
        assert_int_equal(head.body_bytes, 3);
        assert_int_equal(parser.slow_count, times);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_means_what_its_fields_say),
        cmocka_unit_test(what_is_no_answer_is_malformed),
        cmocka_unit_test(a_part_of_a_head_is_incomplete),
        cmocka_unit_test(a_head_without_end_is_given_up),
        cmocka_unit_test(one_that_looks_alike_is_parsed_anew_when_it_may_differ),
        cmocka_unit_test(as_many_kinds_as_there_is_room_for_are_remembered),
        cmocka_unit_test(a_head_too_long_to_remember_is_parsed_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
