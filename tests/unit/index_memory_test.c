/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/index_memory.h"

enum { PAGES = 2000 }; /* chunks of every size, the huge ones among them */

static void pages_are_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    struct index_memory memory = {0};
    static uint8_t *pages[PAGES];
    for (uint32_t i = 0; i < PAGES; i++) {
        pages[i] = index_memory_take(&memory);
        assert_non_null(pages[i]);
        assert_int_equal((uintptr_t)pages[i] % CACHE_LINE_BYTES, 0);
        memset(pages[i], (int)(i % 251), INDEX_PAGE_BYTES);
    }
    for (uint32_t i = 0; i < PAGES; i++)
        for (uint32_t at = 0; at < INDEX_PAGE_BYTES; at++)
            assert_int_equal(pages[i][at], i % 251);
    assert_int_equal(atomic_load(&memory.used_bytes), (uint64_t)PAGES * INDEX_PAGE_STRIDE_BYTES);
    index_memory_destroy(&memory);
}

static void a_page_given_back_is_the_next_one_taken(void **state)
{
    (void)state;
    struct index_memory memory = {0};
    void *first = index_memory_take(&memory);
    void *second = index_memory_take(&memory);
    index_memory_give(&memory, first);
    assert_int_equal(atomic_load(&memory.used_bytes), INDEX_PAGE_STRIDE_BYTES);
    assert_ptr_equal(index_memory_take(&memory), first);
    assert_ptr_not_equal(index_memory_take(&memory), second);
    index_memory_destroy(&memory);
    assert_int_equal(atomic_load(&memory.used_bytes), 0);
}

static void the_limit_counts_pages_in_use(void **state)
{
    (void)state;
    struct index_memory memory = {.limit_bytes = 3 * INDEX_PAGE_STRIDE_BYTES};
    assert_true(index_memory_has_room(&memory, 3));
    assert_false(index_memory_has_room(&memory, 4));
    void *page = index_memory_take(&memory);
    assert_true(index_memory_has_room(&memory, 2));
    assert_false(index_memory_has_room(&memory, 3));
    index_memory_give(&memory, page);
    assert_true(index_memory_has_room(&memory, 3));
    index_memory_destroy(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_aligned_and_do_not_overlap),
        cmocka_unit_test(a_page_given_back_is_the_next_one_taken),
        cmocka_unit_test(the_limit_counts_pages_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
