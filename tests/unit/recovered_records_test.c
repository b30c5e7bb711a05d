/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/recovered_records.h"

static bool add_key(struct recovered_records *records, const char *key, uint32_t key_bytes,
                    uint64_t version)
{
    static uint8_t bytes[sizeof(struct record_header) + KEY_BYTES_MAX] __attribute__((aligned(8)));
    struct record_header *record = (struct record_header *)(void *)bytes;
    *record = (struct record_header){.version = version,
                                     .flags = RECORD_PUT,
                                     .key_bytes = (uint16_t)key_bytes,
                                     .record_bytes = 64};
    memcpy(record + 1, key, key_bytes);
    return recovered_records_add(records, record, 1, 8);
}

static void keys_come_out_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *keys[4]; /* as added; sorted they read 0 1 2 3 */
        uint32_t sorted[4];
    } cases[] = {
        {"differ in the first byte", {"b", "a", "d", "c"}, {1, 0, 3, 2}},
        {"one is another's beginning", {"abc", "ab", "abcd", "a"}, {3, 1, 0, 2}},
        {"differ behind the head",
         {"prefix-12345678-b", "prefix-12345678-a", "prefix-02345678-z", "prefix-12345678-c"},
         {2, 1, 0, 3}},
        {"bytes above 127", {"\xff", "\x7f", "\x80", "\x01"}, {3, 1, 2, 0}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct recovered_records records = {0};
        for (uint32_t at = 0; at < 4; at++)
            assert_true(
                add_key(&records, cases[i].keys[at], (uint32_t)strlen(cases[i].keys[at]), at));
        struct sorted_record *sorted = recovered_records_sort(&records, 0);
        for (uint32_t at = 0; at < 4; at++)
            if (sorted[at].record->version != cases[i].sorted[at])
                fail_msg("%s: place %u has key %s", cases[i].what, at,
                         cases[i].keys[sorted[at].record->version]);
        free(sorted);
        recovered_records_destroy(&records);
    }
}

static void a_full_list_refuses_until_it_is_cleared(void **state)
{
    (void)state;
    struct recovered_records records = {0};
    static char key[KEY_BYTES_MAX];
    uint32_t count = 0;
    while (add_key(&records, key, sizeof(key), count))
        count++;
    assert_in_range(count, RECOVERED_BYTES_PER_SHARD / (KEY_BYTES_MAX + 64),
                    RECOVERED_BYTES_PER_SHARD / KEY_BYTES_MAX);
    assert_int_equal(records.count, count);
    recovered_records_clear(&records);
    assert_int_equal(records.count, 0);
    assert_true(add_key(&records, key, sizeof(key), 1));
    recovered_records_destroy(&records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_out_in_order),
        cmocka_unit_test(a_full_list_refuses_until_it_is_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
