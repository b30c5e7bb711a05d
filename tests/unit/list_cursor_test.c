/* SPDX-License-Identifier: BSD-3-Clause */
/* Cursors: every name comes back, every damage is noticed, no other prefix accepts it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "control/list_cursor.h"
#include "control/text_buffer.h"
#include "include/compiler.h"
#include "include/random.h"

#define ROUNDS 2000u

struct place {
    uint8_t key[KEY_BYTES_MAX]; /* "namespace\0prefix" */
    uint32_t key_bytes;
    uint8_t name[USER_KEY_BYTES_MAX];
    uint32_t name_bytes;
};

static struct place place_draw(struct random *random)
{
    struct place place = {.key = "ns"};
    place.name_bytes = random_chance(random, 50) ? USER_KEY_BYTES_MAX : random_below(random, 40);
    for (uint32_t i = 0; i < place.name_bytes; i++)
        place.name[i] = (uint8_t)random_u64(random);
    uint32_t prefix_bytes = random_below(random, place.name_bytes + 1);
    memcpy(place.key + 3, place.name, prefix_bytes);
    place.key_bytes = 3 + prefix_bytes;
    return place;
}

static bool read_back(const char *cursor, size_t bytes, const uint8_t *key, uint32_t key_bytes,
                      uint8_t *name, uint32_t *name_bytes)
{
    return list_cursor_read((const uint8_t *)cursor, (uint32_t)bytes, key, key_bytes, name,
                            name_bytes);
}

static void every_name_comes_back_and_is_safe_in_a_url(void **state)
{
    (void)state;
    struct random random = {1};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct place place = place_draw(&random);
        struct text_buffer text = {0};
        uint8_t name[USER_KEY_BYTES_MAX];
        uint32_t name_bytes;
        list_cursor_add(&text, place.key, place.key_bytes, place.name, place.name_bytes);
        assert_true(text.used_bytes <= LIST_CURSOR_BYTES_MAX);
        for (size_t at = 0; at < text.used_bytes; at++)
            assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789-_",
                                   text.bytes[at]));
        assert_true(
            read_back(text.bytes, text.used_bytes, place.key, place.key_bytes, name, &name_bytes));
        assert_int_equal(name_bytes, place.name_bytes);
        assert_memory_equal(name, place.name, name_bytes);
        text_buffer_clear(&text);
    }
}

static void any_changed_lost_or_added_character_is_noticed(void **state)
{
    (void)state;
    static const char others[] = "Aa9-_=%/+ \x01\xff";
    struct random random = {2};
    uint8_t name[USER_KEY_BYTES_MAX];
    uint32_t name_bytes;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct place place = place_draw(&random);
        struct text_buffer text = {0};
        list_cursor_add(&text, place.key, place.key_bytes, place.name, place.name_bytes);
        size_t bytes = text.used_bytes;
        for (size_t cut = 0; cut < bytes; cut += 1 + bytes / 16)
            assert_false(read_back(text.bytes, cut, place.key, place.key_bytes, name, &name_bytes));
        size_t at = random_below(&random, (uint32_t)bytes);
        char kept = text.bytes[at];
        for (size_t other = 0; other < sizeof(others); other++) {
            text.bytes[at] = others[other];
            if (others[other] != kept)
                assert_false(
                    read_back(text.bytes, bytes, place.key, place.key_bytes, name, &name_bytes));
        }
        text.bytes[at] = kept;
        text_add(&text, "A", 1);
        assert_false(
            read_back(text.bytes, text.used_bytes, place.key, place.key_bytes, name, &name_bytes));
        text_buffer_clear(&text);
    }
}

static void a_cursor_of_another_namespace_or_prefix_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        uint32_t key_bytes;
        bool is_accepted;
    } cases[] = {
        {"ns\0ab", 5, true},  {"ns\0abc", 6, false}, {"ns\0a", 4, false}, {"ns\0", 3, false},
        {"nt\0ab", 5, false}, {"n\0ab", 4, false},   {"ns\0b", 4, false},
    };
    struct text_buffer text = {0};
    list_cursor_add(&text, (const uint8_t *)"ns\0ab", 5, (const uint8_t *)"abc", 3);
    for (uint32_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t name[USER_KEY_BYTES_MAX];
        uint32_t name_bytes;
        assert_int_equal(read_back(text.bytes, text.used_bytes, (const uint8_t *)cases[i].key,
                                   cases[i].key_bytes, name, &name_bytes),
                         cases[i].is_accepted);
    }
    text_buffer_clear(&text);
}

static void a_cursor_reads_the_same_for_ever(void **state)
{
    (void)state;
    struct text_buffer text = {0};
    list_cursor_add(&text, (const uint8_t *)"default\0cart/", 13, (const uint8_t *)"cart/42", 7);
    assert_string_equal(text.bytes, "AWNhcnQvNDI45FFG");
    text_buffer_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_comes_back_and_is_safe_in_a_url),
        cmocka_unit_test(any_changed_lost_or_added_character_is_noticed),
        cmocka_unit_test(a_cursor_of_another_namespace_or_prefix_is_refused),
        cmocka_unit_test(a_cursor_reads_the_same_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
