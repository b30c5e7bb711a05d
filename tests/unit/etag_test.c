/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/etag.h"
#include "include/compiler.h"

static const struct http_limits limits = {
    .request_line_bytes_max = 8192, .head_bytes_max = 16384, .fields_max = HTTP_FIELDS_MAX};

static struct etag_versions versions;

static enum etag_verdict parse(const char *first, const char *second,
                               enum etag_comparison comparison, struct etag_list *list)
{
    static char text[4096];
    static struct http_request request;
    int bytes = snprintf(text, sizeof(text),
                         "GET / HTTP/1.1\r\nHost: a\r\nIf-Match: %s\r\nX: y\r\n", first);
    if (second != NULL)
        bytes += snprintf(text + bytes, sizeof(text) - (size_t)bytes, "iF-mATCH: %s\r\n", second);
    bytes += snprintf(text + bytes, sizeof(text) - (size_t)bytes, "\r\n");
    assert_int_equal(http_parse_request((const uint8_t *)text, (uint32_t)bytes, &limits, &request),
                     HTTP_PARSE_DONE);
    versions.count = 0;
    return etag_list_parse(&request, "if-match", comparison, &versions, list);
}

static const struct {
    const char *what, *first, *second;
    enum etag_comparison comparison;
    bool is_any, has_unmatchable;
    uint8_t count;
    uint64_t versions[4];
} good_lists[] = {
    {"one of ours", "\"17\"", NULL, ETAG_STRONG, false, false, 1, {17}},
    {"two", "\"17\", \"18\"", NULL, ETAG_STRONG, false, false, 2, {17, 18}},
    {"four without spaces",
     "\"1\",\"2\",\"3\",\"4\"",
     NULL,
     ETAG_STRONG,
     false,
     false,
     4,
     {1, 2, 3, 4}},
    {"two lines are one list", "\"1\"", "\"2\"", ETAG_STRONG, false, false, 2, {1, 2}},
    {"the same twice", "\"1\", \"1\"", "\"1\"", ETAG_STRONG, false, false, 1, {1}},
    {"the same five times",
     "\"1\",\"1\",\"1\",\"1\",\"1\"",
     NULL,
     ETAG_STRONG,
     false,
     false,
     1,
     {1}},
    {"the largest version",
     "\"18446744073709551615\"",
     NULL,
     ETAG_STRONG,
     false,
     false,
     1,
     {UINT64_MAX}},
    {"one beyond it", "\"18446744073709551616\"", NULL, ETAG_STRONG, false, true, 0, {0}},
    {"twenty nines", "\"99999999999999999999\"", NULL, ETAG_STRONG, false, true, 0, {0}},
    {"21 digits", "\"100000000000000000000\"", NULL, ETAG_STRONG, false, true, 0, {0}},
    {"a leading zero is not ours", "\"017\"", NULL, ETAG_STRONG, false, true, 0, {0}},
    {"zero is not ours", "\"0\"", NULL, ETAG_STRONG, false, true, 0, {0}},
    {"an empty tag", "\"\"", NULL, ETAG_STRONG, false, true, 0, {0}},
    {"a sign is not ours", "\"+1\"", NULL, ETAG_STRONG, false, true, 0, {0}},
    {"a space is not ours but legal elsewhere", "\"a,b\"", NULL, ETAG_STRONG, false, true, 0, {0}},
    {"a foreign tag", "\"xyzzy\"", NULL, ETAG_STRONG, false, true, 0, {0}},
    {"bytes above 0x7f", "\"\xc3\xa9\"", NULL, ETAG_STRONG, false, true, 0, {0}},
    {"a foreign one and ours", "\"xyzzy\", \"5\"", NULL, ETAG_STRONG, false, true, 1, {5}},
    {"weak, compared strongly", "W/\"17\"", NULL, ETAG_STRONG, false, true, 0, {0}},
    {"weak, compared weakly", "W/\"17\"", NULL, ETAG_WEAK, false, false, 1, {17}},
    {"a weak foreign one", "W/\"x\"", NULL, ETAG_WEAK, false, true, 0, {0}},
    {"any", "*", NULL, ETAG_STRONG, true, false, 0, {0}},
    {"empty elements", ", \"1\",, \"2\" ,", NULL, ETAG_STRONG, false, false, 2, {1, 2}},
    {"an empty line and another", "", "\"2\"", ETAG_STRONG, false, false, 1, {2}},
};

static void good_lists_name_their_versions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(good_lists); i++) {
        struct etag_list list;
        if (parse(good_lists[i].first, good_lists[i].second, good_lists[i].comparison, &list) !=
            ETAG_LIST_GOOD)
            fail_msg("'%s' is refused", good_lists[i].what);
        if (!list.is_present || list.is_any != good_lists[i].is_any ||
            list.has_unmatchable != good_lists[i].has_unmatchable ||
            list.count != good_lists[i].count ||
            memcmp(versions.at, good_lists[i].versions, list.count * sizeof(versions.at[0])) != 0)
            fail_msg("'%s': %u versions, first %lu", good_lists[i].what, list.count,
                     versions.at[0]);
    }
}

static void bad_lists_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what, *first, *second;
        enum etag_verdict verdict;
    } cases[] = {
        {"no quotes", "17", NULL, ETAG_LIST_MALFORMED},
        {"an open quote", "\"17", NULL, ETAG_LIST_MALFORMED},
        {"a lone quote", "\"", NULL, ETAG_LIST_MALFORMED},
        {"a small w", "w/\"17\"", NULL, ETAG_LIST_MALFORMED},
        {"W without a slash", "W\"17\"", NULL, ETAG_LIST_MALFORMED},
        {"W/ and nothing", "W/", NULL, ETAG_LIST_MALFORMED},
        {"W/ and a space", "W/ \"17\"", NULL, ETAG_LIST_MALFORMED},
        {"a space within", "\"1 7\"", NULL, ETAG_LIST_MALFORMED},
        {"no comma", "\"1\" \"2\"", NULL, ETAG_LIST_MALFORMED},
        {"no comma and no space", "\"1\"\"2\"", NULL, ETAG_LIST_MALFORMED},
        {"a semicolon", "\"1\"; \"2\"", NULL, ETAG_LIST_MALFORMED},
        {"* in a list", "*, \"1\"", NULL, ETAG_LIST_MALFORMED},
        {"* behind a list", "\"1\", *", NULL, ETAG_LIST_MALFORMED},
        {"* in quotes is a tag, ** is not", "**", NULL, ETAG_LIST_MALFORMED},
        {"* and another line", "*", "\"1\"", ETAG_LIST_MALFORMED},
        {"a list and * in another line", "\"1\"", "*", ETAG_LIST_MALFORMED},
        {"* twice", "*", "*", ETAG_LIST_MALFORMED},
        {"nothing", "", NULL, ETAG_LIST_MALFORMED},
        {"only commas", ",,", NULL, ETAG_LIST_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct etag_list list;
        enum etag_verdict verdict = parse(cases[i].first, cases[i].second, ETAG_STRONG, &list);
        if (verdict != cases[i].verdict)
            fail_msg("'%s': verdict %d", cases[i].what, verdict);
    }
}

static void a_request_without_the_field_has_no_list(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct http_request request;
    struct etag_list list;
    assert_int_equal(http_parse_request((const uint8_t *)text, sizeof(text) - 1, &limits, &request),
                     HTTP_PARSE_DONE);
    assert_int_equal(etag_list_parse(&request, "if-match", ETAG_STRONG, &versions, &list),
                     ETAG_LIST_GOOD);
    assert_false(list.is_present);
}

static void a_list_matches_what_it_names(void **state)
{
    (void)state;
    struct etag_list list;
    assert_int_equal(parse("\"3\", \"x\"", "\"9\"", ETAG_STRONG, &list), ETAG_LIST_GOOD);
    assert_true(etag_list_matches(&list, &versions, 3));
    assert_true(etag_list_matches(&list, &versions, 9));
    assert_false(etag_list_matches(&list, &versions, 4));
    assert_false(etag_list_matches(&list, &versions, 0));
    assert_int_equal(parse("*", NULL, ETAG_STRONG, &list), ETAG_LIST_GOOD);
    assert_true(etag_list_matches(&list, &versions, 4));
    assert_false(etag_list_matches(&list, &versions, 0));
}

static void write_tags(char *text, size_t room, uint32_t count)
{
    int at = 0;
    for (uint32_t i = 1; i <= count; i++)
        at += snprintf(text + at, room - (size_t)at, "%s\"%u\"", i > 1 ? "," : "", i);
}

static void sixty_four_versions_are_a_list_and_one_more_is_too_many(void **state)
{
    (void)state;
    static char text[2048];
    struct etag_list list;
    write_tags(text, sizeof(text), ETAG_VERSIONS_MAX);
    assert_int_equal(parse(text, NULL, ETAG_STRONG, &list), ETAG_LIST_GOOD);
    assert_true(etag_list_matches(&list, &versions, 1));
    assert_true(etag_list_matches(&list, &versions, ETAG_VERSIONS_MAX));
    assert_int_equal(parse(text, "\"65\"", ETAG_STRONG, &list), ETAG_LIST_TOO_LONG);
    write_tags(text, sizeof(text), ETAG_VERSIONS_MAX + 1);
    assert_int_equal(parse(text, NULL, ETAG_STRONG, &list), ETAG_LIST_TOO_LONG);
}

static void two_lists_of_a_request_share_its_versions_but_not_each_other_s(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nIf-Match: \"1\", \"2\"\r\n"
                               "If-None-Match: \"2\", W/\"3\"\r\n\r\n";
    struct http_request request;
    struct etag_list match, none;
    assert_int_equal(http_parse_request((const uint8_t *)text, sizeof(text) - 1, &limits, &request),
                     HTTP_PARSE_DONE);
    versions.count = 0;
    etag_list_parse(&request, "if-match", ETAG_STRONG, &versions, &match);
    etag_list_parse(&request, "if-none-match", ETAG_WEAK, &versions, &none);
    static const bool expected[][2] = {{true, false}, {true, true}, {false, true}, {false, false}};
    for (uint32_t i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_int_equal(etag_list_matches(&match, &versions, i + 1), expected[i][0]);
        assert_int_equal(etag_list_matches(&none, &versions, i + 1), expected[i][1]);
    }
}

static void one_strong_tag_is_a_version_and_nothing_else_is(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t version;
    } cases[] = {{"\"17\"", 17},  {"W/\"17\"", 0}, {"\"17\", \"18\"", 0},
                 {"17", 0},       {"\"\"", 0},     {"\"", 0},
                 {"", 0},         {"*", 0},        {"\"017\"", 0},
                 {"\"17\"\"", 0}, {"\"x\"", 0}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t version = 0;
        struct http_slice text = {(const uint8_t *)cases[i].text, (uint32_t)strlen(cases[i].text)};
        bool is_one = etag_parse_strong(text, &version);
        if (is_one != (cases[i].version != 0) || version != cases[i].version)
            fail_msg("'%s': %d %lu", cases[i].text, is_one, version);
    }
}

static void a_written_tag_is_read_back(void **state)
{
    (void)state;
    static const struct {
        uint64_t version;
        const char *text;
    } cases[] = {{1, "\"1\""},
                 {10, "\"10\""},
                 {1234567890, "\"1234567890\""},
                 {UINT64_MAX, "\"18446744073709551615\""}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[ETAG_BYTES_MAX + 1];
        struct etag_list list;
        text[etag_format(cases[i].version, (uint8_t *)text)] = '\0';
        assert_string_equal(text, cases[i].text);
        assert_int_equal(parse(text, NULL, ETAG_STRONG, &list), ETAG_LIST_GOOD);
        assert_true(etag_list_matches(&list, &versions, cases[i].version));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lists_name_their_versions),
        cmocka_unit_test(bad_lists_are_refused),
        cmocka_unit_test(a_request_without_the_field_has_no_list),
        cmocka_unit_test(a_list_matches_what_it_names),
        cmocka_unit_test(sixty_four_versions_are_a_list_and_one_more_is_too_many),
        cmocka_unit_test(two_lists_of_a_request_share_its_versions_but_not_each_other_s),
        cmocka_unit_test(one_strong_tag_is_a_version_and_nothing_else_is),
        cmocka_unit_test(a_written_tag_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
