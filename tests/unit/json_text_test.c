/* SPDX-License-Identifier: BSD-3-Clause */
/* Text of any bytes: what is UTF-8, and that every encoding comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "control/json_text.h"
#include "control/text_buffer.h"
#include "include/compiler.h"
#include "include/random.h"

static void utf8_is_what_rfc_3629_says(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool is_utf8;
    } cases[] = {
        {"", true},
        {"a/b", true},
        {"\xc3\xa4", true},          /* U+00E4 */
        {"\xe2\x82\xac", true},      /* U+20AC */
        {"\xf0\x9f\x90\xa6", true},  /* U+1F426 */
        {"\xf4\x8f\xbf\xbf", true},  /* U+10FFFF */
        {"\xf4\x90\x80\x80", false}, /* beyond */
        {"\xed\x9f\xbf", true},      /* U+D7FF */
        {"\xed\xa0\x80", false},     /* a surrogate */
        {"\xc0\x80", false},         /* too long */
        {"\xe0\x9f\xbf", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\x80", false},
        {"\xff", false},
        {"\xc3", false},
        {"a\xe2\x82", false},
        {"\xe2\x28\xa1", false},
        {"\xe2\x82\x28", false},
        {"\xf0\x9f\x90\x20", false},
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(cases); i++)
        if (text_is_utf8(cases[i].bytes, strlen(cases[i].bytes)) != cases[i].is_utf8)
            fail_msg("case %u", i);
    assert_true(text_is_utf8("a\0b", 3));
}

static void strings_escape_what_json_does_not_allow_plain(void **state)
{
    (void)state;
    struct text_buffer text = {0};
    json_add_string(&text, "a\"b\\c\n\t\0d\x7f\xc3\xa4/", 13);
    assert_string_equal(text.bytes, "\"a\\\"b\\\\c\\n\\u0009\\u0000d\\u007f\xc3\xa4/\"");
    text_buffer_clear(&text);
}

static void percent_encoding_leaves_a_path_readable(void **state)
{
    (void)state;
    struct text_buffer text = {0};
    percent_add(&text, "a/B-9._~ %?#&\0\xff", 15);
    assert_string_equal(text.bytes, "a/B-9._~%20%25%3F%23%26%00%FF");
    text_buffer_clear(&text);
}

static void base64_has_the_vectors_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        struct text_buffer text = {0};
        text_add(&text, "", 0);
        base64_add(&text, vectors[i][0], strlen(vectors[i][0]));
        assert_string_equal(text.bytes, vectors[i][1]);
        text_buffer_clear(&text);
    }
}

static void every_byte_string_comes_back_from_base64(void **state)
{
    (void)state;
    struct random random = {1};
    for (uint32_t round = 0; round < 2000; round++) {
        uint8_t bytes[64], out[96];
        size_t count = random_below(&random, sizeof(bytes) + 1), out_bytes;
        for (size_t i = 0; i < count; i++)
            bytes[i] = (uint8_t)random_u64(&random);
        for (int is_url = 0; is_url < 2; is_url++) {
            struct text_buffer text = {0};
            text_add(&text, "", 0);
            (is_url ? base64url_add : base64_add)(&text, bytes, count);
            assert_true((is_url ? base64url_decode : base64_decode)(text.bytes, text.used_bytes,
                                                                    out, &out_bytes));
            assert_int_equal(out_bytes, count);
            assert_memory_equal(out, bytes, count);
            text_buffer_clear(&text);
        }
    }
}

static void base64_that_no_encoder_writes_is_refused(void **state)
{
    (void)state;
    static const char *const padded[] = {
        "Z",    "Zg",   "Zg=",  "Zh==",     "Zm9=", "====",      "Z===",
        "Zg= ", "Zg=A", "Z-==", "Zg==Zg==", "Zm 9", "\xff\xff=="};
    static const char *const url[] = {"Z", "Zh", "Zm9", "Zg==", "Zm9v=", "Zm+v", "Zm/v", "Zm9vY"};
    uint8_t out[16];
    size_t out_bytes;
    for (uint32_t i = 0; i < ARRAY_COUNT(padded); i++)
        if (base64_decode(padded[i], strlen(padded[i]), out, &out_bytes))
            fail_msg("%s", padded[i]);
    for (uint32_t i = 0; i < ARRAY_COUNT(url); i++)
        if (base64url_decode(url[i], strlen(url[i]), out, &out_bytes))
            fail_msg("%s", url[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_what_rfc_3629_says),
        cmocka_unit_test(strings_escape_what_json_does_not_allow_plain),
        cmocka_unit_test(percent_encoding_leaves_a_path_readable),
        cmocka_unit_test(base64_has_the_vectors_of_rfc_4648),
        cmocka_unit_test(every_byte_string_comes_back_from_base64),
        cmocka_unit_test(base64_that_no_encoder_writes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
