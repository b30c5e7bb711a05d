/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/http_parser.h"
#include "include/compiler.h"
#include "tests/unit/guarded_bytes.h"

struct good_head {
    const char *rule, *rfc, *text;
    uint32_t bytes;
    uint8_t method, minor;
    uint16_t flags;
    const char *path, *query, *host;
    uint16_t fields;
    uint64_t length;
};

struct bad_head {
    const char *rule, *rfc;
    uint16_t status;
    const char *text;
    uint32_t bytes;
};

#define BAD_HEAD(...)
#define GOOD_HEAD(rule, rfc, text, method, minor, flags, path, query, host, fields, length)        \
    {rule, rfc, text, sizeof(text) - 1, method, minor, flags, path, query, host, fields, length},
static const struct good_head good_heads[] = {
#include "tests/unit/http_parser_vectors.def"
};
#undef BAD_HEAD
#undef GOOD_HEAD

#define GOOD_HEAD(...)
#define BAD_HEAD(rule, rfc, status, text) {rule, rfc, status, text, sizeof(text) - 1},
static const struct bad_head bad_heads[] = {
#include "tests/unit/http_parser_vectors.def"
};
#undef BAD_HEAD
#undef GOOD_HEAD

static const struct http_limits limits = {
    .request_line_bytes_max = 8192, .head_bytes_max = 16384, .fields_max = HTTP_FIELDS_MAX};

static bool slice_equals(struct http_slice slice, const char *text)
{
    return slice.bytes == strlen(text) && memcmp(slice.at, text, slice.bytes) == 0;
}

static void check_good(const struct good_head *good, const struct http_request *request)
{
    if (request->method != good->method || request->version_minor != good->minor)
        fail_msg("'%s': method %d version %d", good->rule, request->method, request->version_minor);
    if (request->flags != good->flags)
        fail_msg("'%s': flags %#x", good->rule, request->flags);
    if (!slice_equals(request->path, good->path) || !slice_equals(request->query, good->query))
        fail_msg("'%s': path %.*s query %.*s", good->rule, (int)request->path.bytes,
                 request->path.at, (int)request->query.bytes, request->query.at);
    if (!slice_equals(request->host, good->host))
        fail_msg("'%s': host %.*s", good->rule, (int)request->host.bytes, request->host.at);
    if (request->field_count != good->fields || request->content_length != good->length)
        fail_msg("'%s': %u fields", good->rule, request->field_count);
    if (request->bad_status != 0 || request->bad_reason != NULL)
        fail_msg("'%s': status %u", good->rule, request->bad_status);
    if (request->head_bytes != good->bytes)
        fail_msg("'%s': head of %u bytes", good->rule, request->head_bytes);
}

static void a_good_head_is_understood(void **state)
{
    (void)state;
    struct http_request request;
    for (size_t i = 0; i < ARRAY_COUNT(good_heads); i++) {
        const struct good_head *good = &good_heads[i];
        const uint8_t *bytes = guarded_at_end(good->text, good->bytes);
        memset(&request, 0xff, sizeof(request)); /* nothing may depend on what was there */
        if (http_parse_request(bytes, good->bytes, &limits, &request) != HTTP_PARSE_DONE)
            fail_msg("'%s' (RFC %s): %s", good->rule, good->rfc,
                     request.bad_reason != NULL ? request.bad_reason : "partial");
        check_good(good, &request);
        bytes = guarded_at_start(good->text, good->bytes);
        assert_int_equal(http_parse_request(bytes, good->bytes, &limits, &request),
                         HTTP_PARSE_DONE);
        check_good(good, &request);
    }
}

static void every_prefix_of_a_good_head_waits_for_more(void **state)
{
    (void)state;
    struct http_request request;
    for (size_t i = 0; i < ARRAY_COUNT(good_heads); i++) {
        const struct good_head *good = &good_heads[i];
        for (uint32_t bytes = 0; bytes < good->bytes; bytes++) {
            const uint8_t *prefix = guarded_at_end(good->text, bytes);
            if (http_parse_request(prefix, bytes, &limits, &request) != HTTP_PARSE_PARTIAL)
                fail_msg("'%s': %u bytes are not partial", good->rule, bytes);
        }
    }
}

static void what_follows_a_head_changes_nothing(void **state)
{
    (void)state;
    static const char *const followers[] = {
        "\r\n", "GET",          " ",
        "\0\n", "x: y\r\n\r\n", "0123456789abcdef0123456789abcdef0123456789abcdef"};
    uint8_t joined[1024];
    struct http_request request;
    for (size_t i = 0; i < ARRAY_COUNT(good_heads); i++) {
        const struct good_head *good = &good_heads[i];
        memcpy(joined, good->text, good->bytes);
        for (size_t j = 0; j < ARRAY_COUNT(followers); j++) {
            uint32_t more = (uint32_t)strlen(followers[j]);
            memcpy(joined + good->bytes, followers[j], more);
            const uint8_t *bytes = guarded_at_end(joined, good->bytes + more);
            assert_int_equal(http_parse_request(bytes, good->bytes + more, &limits, &request),
                             HTTP_PARSE_DONE);
            check_good(good, &request);
        }
    }
}

static void a_bad_head_is_refused_with_its_status(void **state)
{
    (void)state;
    struct http_request request;
    for (size_t i = 0; i < ARRAY_COUNT(bad_heads); i++) {
        const struct bad_head *bad = &bad_heads[i];
        const uint8_t *bytes = guarded_at_end(bad->text, bad->bytes);
        if (http_parse_request(bytes, bad->bytes, &limits, &request) != HTTP_PARSE_BAD)
            fail_msg("'%s' (RFC %s) is not refused", bad->rule, bad->rfc);
        if (request.bad_status != bad->status)
            fail_msg("'%s': status %u", bad->rule, request.bad_status);
        assert_non_null(request.bad_reason);
    }
}

static void a_bad_head_has_one_verdict_however_it_is_split(void **state)
{
    (void)state;
    struct http_request request;
    for (size_t i = 0; i < ARRAY_COUNT(bad_heads); i++) {
        const struct bad_head *bad = &bad_heads[i];
        assert_int_equal(
            http_parse_request((const uint8_t *)bad->text, bad->bytes, &limits, &request),
            HTTP_PARSE_BAD);
        const char *reason = request.bad_reason;
        bool is_bad = false;
        for (uint32_t bytes = 0; bytes <= bad->bytes; bytes++) {
            const uint8_t *prefix = guarded_at_end(bad->text, bytes);
            switch (http_parse_request(prefix, bytes, &limits, &request)) {
            case HTTP_PARSE_DONE:
                fail_msg("'%s': %u bytes are a good head", bad->rule, bytes);
                break;
            case HTTP_PARSE_PARTIAL:
                if (is_bad)
                    fail_msg("'%s': bad, and %u bytes are partial again", bad->rule, bytes);
                break;
            case HTTP_PARSE_BAD:
                is_bad = true;
                if (request.bad_reason != reason)
                    fail_msg("'%s': %u bytes: %s", bad->rule, bytes, request.bad_reason);
                break;
            }
        }
    }
}

static bool is_token_byte(int byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

static bool is_value_byte(int byte)
{
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

static bool is_target_byte(int byte)
{
    return byte > 0x20 && byte < 0x7f && byte != '#';
}

/* Every byte at every offset of a run of 40, which crosses vectors and blocks. */
static void every_byte_is_judged_alike_at_every_offset(void **state)
{
    (void)state;
    static const struct {
        const char *what, *before, *after;
        bool (*is_good)(int byte);
    } places[] = {
        {"field name", "GET / HTTP/1.1\r\nHost: a\r\n", ": v\r\n\r\n", is_token_byte},
        {"field value", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n", is_value_byte},
        {"path", "GET /", " HTTP/1.1\r\nHost: a\r\n\r\n", is_target_byte},
        {"query", "GET /?", " HTTP/1.1\r\nHost: a\r\n\r\n", is_target_byte},
    };
    char text[256];
    struct http_request request;
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        for (int byte = 0; byte < 256; byte++) {
            if (i == 0 && byte == ':')
                continue; /* ends the name: what follows is the value */
            for (uint32_t offset = 0; offset < 40; offset++) {
                size_t before = strlen(places[i].before);
                int bytes =
                    snprintf(text, sizeof(text), "%s%040d%s", places[i].before, 0, places[i].after);
                text[before + offset] = (char)byte;
                const uint8_t *at = guarded_at_end(text, (size_t)bytes);
                enum http_parse_status status =
                    http_parse_request(at, (uint32_t)bytes, &limits, &request);
                if (status != (places[i].is_good(byte) ? HTTP_PARSE_DONE : HTTP_PARSE_BAD))
                    fail_msg("%s: byte %#x at %u: status %d", places[i].what, byte, offset, status);
            }
        }
    }
}

static void names_and_values_of_any_length_come_out_whole(void **state)
{
    (void)state;
    static char text[1024], many_v[160];
    struct http_request request;
    memset(many_v, 'v', sizeof(many_v) - 1);
    for (int name_bytes = 1; name_bytes <= 140; name_bytes++) {
        for (int value_bytes = 0; value_bytes <= 140; value_bytes += value_bytes < 20 ? 1 : 7) {
            int bytes = snprintf(text, sizeof(text),
                                 "GET / HTTP/1.1\r\n%0*d: %.*s\r\nHost: 10.0.0.2\r\n\r\n",
                                 name_bytes, 7, value_bytes, many_v);
            const uint8_t *at = guarded_at_end(text, (size_t)bytes);
            assert_int_equal(http_parse_request(at, (uint32_t)bytes, &limits, &request),
                             HTTP_PARSE_DONE);
            assert_int_equal(request.field_count, 2);
            assert_int_equal(request.fields[0].name.bytes, name_bytes);
            assert_int_equal(request.fields[0].value.bytes, value_bytes);
            assert_true(slice_equals(request.fields[1].name, "Host"));
            assert_true(slice_equals(request.fields[1].value, "10.0.0.2"));
            assert_int_equal(request.head_bytes, bytes);
        }
    }
}

/*
 * A head of exactly the limit is good, one byte more is not, and that is known as soon as it can
 * be.
 */
static void a_head_beyond_a_limit_is_refused_as_soon_as_that_is_known(void **state)
{
    (void)state;
    static const char line[] = "GET /34567890 HTTP/1.1\r\n";
    static const char text[] = "GET /34567890 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    const uint32_t bytes = sizeof(text) - 1, line_bytes = sizeof(line) - 1 - 2;
    struct http_request request;
    static const struct {
        const char *what;
        int line, head;
        uint32_t fields;
        uint16_t status;
    } cases[] = {
        {"all limits reached", 0, 0, 2, 0},       {"a line one byte too long", -1, 0, 2, 414},
        {"a target too long", -12, 0, 2, 414},    {"a head one byte too long", 0, -1, 2, 431},
        {"a head cut in a field", 0, -6, 2, 431}, {"one field too many", 0, 0, 1, 431},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct http_limits tight = {.request_line_bytes_max = line_bytes + (uint32_t)cases[i].line,
                                    .head_bytes_max = bytes + (uint32_t)cases[i].head,
                                    .fields_max = cases[i].fields};
        bool was_bad = false;
        for (uint32_t n = 0; n <= bytes; n++) {
            const uint8_t *at = guarded_at_end(text, n);
            enum http_parse_status status = http_parse_request(at, n, &tight, &request);
            if (was_bad && status != HTTP_PARSE_BAD)
                fail_msg("'%s': not bad any more at %u", cases[i].what, n);
            was_bad = status == HTTP_PARSE_BAD;
            if (was_bad && request.bad_status != cases[i].status)
                fail_msg("'%s': status %u at %u", cases[i].what, request.bad_status, n);
            if (n == tight.head_bytes_max && n < bytes)
                assert_true(was_bad);
        }
        if (was_bad != (cases[i].status != 0))
            fail_msg("'%s': bad is %d", cases[i].what, was_bad);
    }
}

static void a_line_that_never_ends_is_refused_at_its_limit(void **state)
{
    (void)state;
    static uint8_t endless[20000];
    struct http_request request;
    memset(endless, 'a', sizeof(endless));
    memcpy(endless, "GET /", 5);
    assert_int_equal(http_parse_request(endless, 8191, &limits, &request), HTTP_PARSE_PARTIAL);
    assert_int_equal(http_parse_request(endless, 8192, &limits, &request), HTTP_PARSE_BAD);
    assert_int_equal(request.bad_status, 414);

    memcpy(endless, "GET / HTTP/1.1\r\n", 16);
    assert_int_equal(http_parse_request(endless, 16383, &limits, &request), HTTP_PARSE_PARTIAL);
    assert_int_equal(http_parse_request(endless, 16384, &limits, &request), HTTP_PARSE_BAD);
    assert_int_equal(request.bad_status, 431);
    assert_int_equal(http_parse_request(endless, 20000, &limits, &request), HTTP_PARSE_BAD);
    assert_int_equal(request.bad_status, 431);
}

static void sixty_four_fields_fit_and_no_more(void **state)
{
    (void)state;
    static char text[4096];
    struct http_request request;
    for (int count = HTTP_FIELDS_MAX; count <= (int)HTTP_FIELDS_MAX + 1; count++) {
        size_t bytes = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");
        for (int i = 1; i < count; i++)
            bytes += (size_t)snprintf(text + bytes, sizeof(text) - bytes, "X-%d: %d\r\n", i, i);
        bytes += (size_t)snprintf(text + bytes, sizeof(text) - bytes, "\r\n");
        enum http_parse_status status =
            http_parse_request((const uint8_t *)text, (uint32_t)bytes, &limits, &request);
        assert_int_equal(status, count == HTTP_FIELDS_MAX ? HTTP_PARSE_DONE : HTTP_PARSE_BAD);
        assert_int_equal(request.bad_status, count == HTTP_FIELDS_MAX ? 0 : 431);
    }
}

static void a_field_is_found_by_its_name_in_any_case(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"1\"\r\n"
                               "if-none-match: \"2\"\r\nRANGE: x\r\n\r\n";
    struct http_request request;
    assert_int_equal(http_parse_request((const uint8_t *)text, sizeof(text) - 1, &limits, &request),
                     HTTP_PARSE_DONE);
    const struct http_field *field = http_find_field(&request, "if-none-match");
    assert_non_null(field);
    assert_true(slice_equals(field->value, "\"1\"")); /* the first of two */
    assert_non_null(http_find_field(&request, "range"));
    assert_null(http_find_field(&request, "accept"));
    assert_null(http_find_field(&request, "rangf"));      /* a length that is there */
    assert_null(http_find_field(&request, "range-unit")); /* one that is not */
}

static void pipelined_heads_are_parsed_one_after_the_other(void **state)
{
    (void)state;
    static const char text[] =
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n"
        "\r\nHEAD /3 HTTP/1.0\r\n\r\n";
    static const char *const paths[] = {"/1", "/2", "/3"};
    const uint8_t *bytes = guarded_at_end(text, sizeof(text) - 1);
    uint32_t left = sizeof(text) - 1;
    struct http_request request;
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        assert_int_equal(http_parse_request(bytes, left, &limits, &request), HTTP_PARSE_DONE);
        assert_true(slice_equals(request.path, paths[i]));
        bytes += request.head_bytes;
        left -= request.head_bytes;
    }
    assert_int_equal(left, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_head_is_understood),
        cmocka_unit_test(every_prefix_of_a_good_head_waits_for_more),
        cmocka_unit_test(what_follows_a_head_changes_nothing),
        cmocka_unit_test(a_bad_head_is_refused_with_its_status),
        cmocka_unit_test(a_bad_head_has_one_verdict_however_it_is_split),
        cmocka_unit_test(every_byte_is_judged_alike_at_every_offset),
        cmocka_unit_test(names_and_values_of_any_length_come_out_whole),
        cmocka_unit_test(a_head_beyond_a_limit_is_refused_as_soon_as_that_is_known),
        cmocka_unit_test(a_line_that_never_ends_is_refused_at_its_limit),
        cmocka_unit_test(sixty_four_fields_fit_and_no_more),
        cmocka_unit_test(a_field_is_found_by_its_name_in_any_case),
        cmocka_unit_test(pipelined_heads_are_parsed_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
