/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "include/compiler.h"
#include "tests/bench/generator/request.h"

static struct plan plan_of(const char *path)
{
    return (struct plan){.path = path,
                         .host = "h",
                         .headers = "",
                         .keys = 1000000000,
                         .key_bytes = 4,
                         .value_bytes = 3};
}

/* The request's bytes as text; the caller frees it. */
static char *written(struct request_template *request, uint32_t key)
{
    char *text = calloc(1, request_bytes(request) + 1);
    assert_non_null(text);
    request_write(request, key, 0, (uint8_t *)text, request_bytes(request));
    return text;
}

static void a_request_is_what_the_plan_says(void **state)
{
    (void)state;
    static const struct {
        const char *what, *path, *namespace_name, *headers;
        enum request_kind kind;
        uint32_t key, key_bytes;
        bool closes;
        const char *head;
    } cases[] = {
        {"no key", "/a", NULL, "", REQUEST_GET, 7, 4, false, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"a key", "/{key}", NULL, "", REQUEST_GET, 7, 4, false,
         "GET /0007 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"a key in the middle", "/a/{key}/b?c", NULL, "", REQUEST_GET, 9999, 4, false,
         "GET /a/9999/b?c HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"key 0", "/{key}", NULL, "", REQUEST_GET, 0, 1, false,
         "GET /0 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"ten digits", "/{key}", NULL, "", REQUEST_GET, 999999999, 10, false,
         "GET /0999999999 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"a namespace", "/", "n", "", REQUEST_DELETE, 12, 4, false,
         "DELETE /v1/ns/n/values/0012 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"a write", "/{key}", NULL, "", REQUEST_PUT, 12, 4, false,
         "PUT /0012 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"},
        {"fields, and the end", "/", NULL, "A: b\r\nC: d\r\n", REQUEST_GET, 0, 4, true,
         "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nC: d\r\nConnection: close\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct request_set set;
        struct plan plan = plan_of(cases[i].path);
        plan.namespace_name = cases[i].namespace_name;
        plan.headers = cases[i].headers;
        plan.key_bytes = cases[i].key_bytes;
        plan.closes = cases[i].closes;
        assert_int_equal(request_set_create(&set, &plan), 0);
        struct request_template *request = &set.templates[cases[i].kind];
        char *text = written(request, cases[i].key);
        if (strncmp(text, cases[i].head, strlen(cases[i].head)) != 0 ||
            request->head_bytes != strlen(cases[i].head))
            fail_msg("case '%s': %s", cases[i].what, text);
        assert_int_equal(request->body_bytes, cases[i].kind == REQUEST_PUT ? 3 : 0);
        free(text);
        request_set_destroy(&set);
    }
}

/* One template serves all keys in any order: no digit of an earlier one may stay. */
static void a_template_holds_one_key_after_another(void **state)
{
    (void)state;
    static const struct {
        uint32_t key;
        const char *head;
    } cases[] = {{9999, "GET /9999 "}, {1, "GET /0001 "}, {1, "GET /0001 "}, {20, "GET /0020 "}};
    struct request_set set;
    struct plan plan = plan_of("/{key}");
    assert_int_equal(request_set_create(&set, &plan), 0);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char *text = written(&set.templates[REQUEST_GET], cases[i].key);
        assert_memory_equal(text, cases[i].head, strlen(cases[i].head));
        free(text);
    }
    request_set_destroy(&set);
}

static void a_request_in_pieces_is_the_same(void **state)
{
    (void)state;
    struct request_set set;
    struct plan plan = plan_of("/{key}");
    plan.value_bytes = 100;
    assert_int_equal(request_set_create(&set, &plan), 0);
    struct request_template *request = &set.templates[REQUEST_PUT];
    char *whole = written(request, 77);
    for (uint32_t piece_bytes = 1; piece_bytes < request_bytes(request); piece_bytes++)
        for (uint32_t at = 0; at < request_bytes(request); at += piece_bytes) {
            uint8_t piece[512];
            uint32_t left = request_bytes(request) - at;
            uint32_t part = piece_bytes < left ? piece_bytes : left;
            request_write(request, 77, at, piece, part);
            assert_memory_equal(piece, whole + at, part);
        }
    assert_true(request_value_is(77, 0, (uint8_t *)whole + request->head_bytes, 100));
    free(whole);
    request_set_destroy(&set);
}

static void a_head_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static char path[REQUEST_HEAD_BYTES_MAX + 1];
    struct request_set set;
    struct plan plan = plan_of(path);
    memset(path, 'a', sizeof(path) - 1);
    path[0] = '/';
    assert_int_equal(request_set_create(&set, &plan), -EINVAL);
    path[REQUEST_HEAD_BYTES_MAX - 200] = '\0';
    assert_int_equal(request_set_create(&set, &plan), 0);
    request_set_destroy(&set);
}

static void a_value_belongs_to_its_key_and_its_place(void **state)
{
    (void)state;
    enum { BYTES = 64 };
    uint8_t value[BYTES], other[BYTES];
    request_value_write(5, 0, value, BYTES);
    assert_true(request_value_is(5, 0, value, BYTES));
    assert_false(request_value_is(6, 0, value, BYTES));
    assert_false(request_value_is(5, 1, value, BYTES));
    for (uint32_t at = 0; at < BYTES; at++) {
        request_value_write(5, at, other, BYTES - at); /* any part of it, aligned or not */
        assert_memory_equal(other, value + at, BYTES - at);
        assert_true(request_value_is(5, at, value + at, BYTES - at));
        value[at] ^= 1;
        assert_false(request_value_is(5, 0, value, BYTES)); /* every byte counts */
        value[at] ^= 1;
    }
}

static void values_of_neighbouring_keys_differ(void **state)
{
    (void)state;
    uint8_t value[8];
    for (uint32_t key = 0; key < 1000; key++) {
        request_value_write(key, 0, value, sizeof(value));
        for (uint32_t other = key + 1; other < key + 4; other++)
            assert_false(request_value_is(other, 0, value, sizeof(value)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_what_the_plan_says),
        cmocka_unit_test(a_template_holds_one_key_after_another),
        cmocka_unit_test(a_request_in_pieces_is_the_same),
        cmocka_unit_test(a_head_that_does_not_fit_is_refused),
        cmocka_unit_test(a_value_belongs_to_its_key_and_its_place),
        cmocka_unit_test(values_of_neighbouring_keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
