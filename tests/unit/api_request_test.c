/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/api_request.h"
#include "include/compiler.h"
#include "include/server_config.h"

#define WALL_MS (UINT64_C(1700000000) * 1000)

static struct server_config server = {
    .http = {.body_max = 1000},
    .namespaces = {{.name = "demo", .ttl_s = 0, .value_max = 500},
                   {.name = "short", .ttl_s = 60, .value_max = 500}},
    .namespaces_count = 2,
    .routes = {{.path = "/echo", .backend = CONFIG_BACKEND_ECHO}},
    .routes_count = 1,
};
static struct route_table routes;
static struct api_request request;
static const char *detail;

static int build_routes(void **state)
{
    (void)state;
    char problem[256];
    return route_table_build(&routes, &server, problem, sizeof(problem));
}

static enum http_problem read_head(const char *first_line, const char *fields)
{
    static char head[4096];
    static const struct http_limits limits = {4096, 4096, 64};
    struct http_request http;
    bool needs_length = strncmp(first_line, "PUT", 3) == 0 && !strstr(fields, "Content-Length") &&
                        !strstr(fields, "Transfer-Encoding");
    int bytes = snprintf(head, sizeof(head), "%s HTTP/1.1\r\nHost: h\r\n%s%s\r\n", first_line,
                         fields, needs_length ? "Content-Length: 0\r\n" : "");
    if (http_parse_request((const uint8_t *)head, (uint32_t)bytes, &limits, &http) !=
        HTTP_PARSE_DONE)
        fail_msg("the parser refused: %s %s", first_line, fields);
    memset(&request, 0xa5, sizeof(request)); /* nothing may be left from an earlier request */
    return api_request_read(&routes, &server, &http, WALL_MS, &request, &detail);
}

static void every_refusal_has_its_problem(void **state)
{
    (void)state;
    static const struct {
        const char *what, *first_line, *fields;
        enum http_problem expected;
    } cases[] = {
        {"a plain read", "GET /v1/ns/demo/values/k", "", HTTP_PROBLEM_NONE},
        {"unknown namespace", "GET /v1/ns/none/values/k", "", HTTP_PROBLEM_NO_RESOURCE},
        {"unknown path", "GET /nothing", "", HTTP_PROBLEM_NO_RESOURCE},
        {"method a value does not know", "TRACE /v1/ns/demo/values/k", "",
         HTTP_PROBLEM_METHOD_NOT_ALLOWED},
        {"broken escape in the key", "GET /v1/ns/demo/values/%zz", "", HTTP_PROBLEM_BAD_KEY},
        {"body over the server's limit", "PUT /v1/ns/demo/values/k", "Content-Length: 1001\r\n",
         HTTP_PROBLEM_BODY_TOO_LARGE},
        {"body over the namespace's limit", "PUT /v1/ns/demo/values/k", "Content-Length: 501\r\n",
         HTTP_PROBLEM_BODY_TOO_LARGE},
        {"ttl of zero", "PUT /v1/ns/demo/values/k?ttl=0", "", HTTP_PROBLEM_BAD_PARAMETER},
        {"ttl that is no number", "PUT /v1/ns/demo/values/k?ttl=1h", "",
         HTTP_PROBLEM_BAD_PARAMETER},
        {"expiry in the past", "PUT /v1/ns/demo/values/k?expires_at=1700000000", "",
         HTTP_PROBLEM_BAD_PARAMETER},
        {"two expiries", "PUT /v1/ns/demo/values/k?ttl=5&expires_at=1900000000", "",
         HTTP_PROBLEM_BAD_PARAMETER},
        {"a part to write", "PUT /v1/ns/demo/values/k", "Content-Range: bytes 0-1/2\r\n",
         HTTP_PROBLEM_BAD_PARAMETER},
        {"broken entity tag", "PUT /v1/ns/demo/values/k", "If-Match: 17\r\n",
         HTTP_PROBLEM_BAD_CONDITION},
        {"five entity tags", "GET /v1/ns/demo/values/k",
         "If-None-Match: \"1\", \"2\", \"3\", \"4\", \"5\"\r\n", HTTP_PROBLEM_NONE},
        {"two conditions on a write", "PUT /v1/ns/demo/values/k",
         "If-Match: \"1\"\r\nIf-None-Match: \"2\"\r\n", HTTP_PROBLEM_NONE},
        {"two conditions on a read", "GET /v1/ns/demo/values/k",
         "If-Match: \"1\"\r\nIf-None-Match: \"2\"\r\n", HTTP_PROBLEM_NONE},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        enum http_problem got = read_head(cases[i].first_line, cases[i].fields);
        if (got != cases[i].expected)
            fail_msg("case '%s': got %d, expected %d", cases[i].what, (int)got,
                     (int)cases[i].expected);
    }
}

static void attributes_are_kept_as_field_lines(void **state)
{
    (void)state;
    assert_int_equal(
        read_head("PUT /v1/ns/demo/values/k",
                  "Content-Type: a/b\r\nX-Other: 1\r\nMeta-Owner: alice\r\nmeta-n: 2\r\n"
                  "Content-Encoding: gzip\r\ncontent-encoding: br\r\n"),
        HTTP_PROBLEM_NONE);
    static const char expected[] = "Content-Type: a/b\r\nMeta-Owner: alice\r\nmeta-n: 2\r\n"
                                   "Content-Encoding: gzip\r\ncontent-encoding: br\r\n";
    assert_int_equal(request.attributes_bytes, sizeof(expected) - 1);
    assert_memory_equal(request.bytes + request.key_bytes, expected, sizeof(expected) - 1);

    assert_int_equal(read_head("PUT /v1/ns/demo/values/k", ""), HTTP_PROBLEM_NONE);
    static const char fallback[] = "Content-Type: application/octet-stream\r\n";
    assert_memory_equal(request.bytes + request.key_bytes, fallback, sizeof(fallback) - 1);
}

static void attributes_over_the_limit_are_refused_and_at_the_limit_kept(void **state)
{
    (void)state;
    char fields[1024];
    /*
     * "Content-Type: a\r\n" is 17 bytes, "Meta-A: " and the line end 10: 485 are left for the value
     */
    for (int length = 485; length <= 486; length++) {
        snprintf(fields, sizeof(fields), "Content-Type: a\r\nMeta-A: %0*d\r\n", length, 7);
        assert_int_equal(read_head("PUT /v1/ns/demo/values/k", fields),
                         length == 485 ? HTTP_PROBLEM_NONE : HTTP_PROBLEM_FIELDS_TOO_LARGE);
    }
    assert_true(request.attributes_bytes <= ATTRIBUTES_BYTES_MAX);
}

static void expiry_comes_from_the_query_or_the_namespace(void **state)
{
    (void)state;
    read_head("PUT /v1/ns/demo/values/k", "");
    assert_int_equal(request.expires_at_ms, 0);
    read_head("PUT /v1/ns/short/values/k", "");
    assert_int_equal(request.expires_at_ms, WALL_MS + 60000);
    read_head("PUT /v1/ns/short/values/k?ttl=5", "");
    assert_int_equal(request.expires_at_ms, WALL_MS + 5000);
    read_head("PUT /v1/ns/short/values/k?expires_at=1700000001", "");
    assert_int_equal(request.expires_at_ms, WALL_MS + 1000);
}

static void a_request_id_is_echoed_only_when_it_is_harmless(void **state)
{
    (void)state;
    read_head("GET /v1/ns/demo/values/k", "Request-Id: abc-1.2\r\n");
    assert_int_equal(request.request_id_bytes, 7);
    assert_memory_equal(request.request_id, "abc-1.2", 7);
    read_head("GET /v1/ns/demo/values/k", "Request-Id: a\"b\r\n");
    assert_int_equal(request.request_id_bytes, 0);
    char fields[128];
    snprintf(fields, sizeof(fields), "Request-Id: %065d\r\n", 1);
    read_head("GET /v1/ns/demo/values/k", fields);
    assert_int_equal(request.request_id_bytes, 0);
}

static void connection_and_body_are_read_from_the_head(void **state)
{
    (void)state;
    read_head("PUT /v1/ns/demo/values/a%2Fb", "Content-Length: 7\r\nConnection: close\r\n");
    assert_true(request.must_close);
    assert_true(api_request_has_body(&request));
    assert_int_equal(request.key_bytes, 8);
    assert_memory_equal(request.bytes, "demo\0a/b", 8);
    read_head("PUT /v1/ns/demo/values/k", "Transfer-Encoding: chunked\r\n");
    assert_true(request.is_chunked);
    assert_true(api_request_has_body(&request));
    read_head("GET /v1/ns/demo/values/k", "");
    assert_false(api_request_has_body(&request));
    assert_false(request.must_close);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_has_its_problem),
        cmocka_unit_test(attributes_are_kept_as_field_lines),
        cmocka_unit_test(attributes_over_the_limit_are_refused_and_at_the_limit_kept),
        cmocka_unit_test(expiry_comes_from_the_query_or_the_namespace),
        cmocka_unit_test(a_request_id_is_echoed_only_when_it_is_harmless),
        cmocka_unit_test(connection_and_body_are_read_from_the_head),
    };
    return cmocka_run_group_tests(tests, build_routes, NULL);
}
