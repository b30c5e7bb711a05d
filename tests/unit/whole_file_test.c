/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/whole_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/file_tree.h"

#define MIB ((size_t)1 << 20)

static struct config_errors errors;
static char full[128];

static const char *below(const char *path)
{
    snprintf(full, sizeof(full), "%s%s", tree_root, path);
    return full;
}

static int start(void **state)
{
    (void)state;
    memset(&errors, 0, sizeof(errors));
    tree_make("whole_file");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    return tree_remove();
}

static void a_file_comes_as_it_is(void **state)
{
    (void)state;
    size_t bytes = 0;
    tree_put("/folder/file", "two\nlines\n");
    char *text = whole_file_read(below("/folder/file"), "a.key", MIB, &bytes, &errors);
    assert_non_null(text);
    assert_int_equal(bytes, 10);
    assert_memory_equal(text, "two\nlines\n", 10);
    assert_int_equal(errors.count, 0);
    free(text);
}

static void one_byte_too_many_is_refused_with_the_limit(void **state)
{
    (void)state;
    size_t bytes = 0;
    char *large = malloc(MIB + 2);
    assert_non_null(large);
    memset(large, 'x', MIB + 1);
    large[MIB + 1] = '\0';
    tree_put("/over", large);
    large[MIB] = '\0';
    tree_put("/most", large);
    free(large);
    char *text = whole_file_read(below("/most"), "a.key", MIB, &bytes, &errors);
    assert_non_null(text);
    assert_int_equal(bytes, MIB);
    free(text);
    assert_null(whole_file_read(below("/over"), "a.key", MIB, &bytes, &errors));
    assert_int_equal(errors.count, 1);
    assert_non_null(strstr(errors.lines[0], "a.key: "));
    assert_non_null(strstr(errors.lines[0], "/over has more than 1 MiB"));
}

static void what_cannot_be_read_says_why(void **state)
{
    (void)state;
    size_t bytes = 0;
    tree_put("/folder/file", "");
    assert_null(whole_file_read(below("/none"), "a.key", MIB, &bytes, &errors));
    assert_null(whole_file_read(below("/folder"), "a.key", MIB, &bytes, &errors));
    assert_int_equal(errors.count, 2);
    assert_non_null(strstr(errors.lines[0], "/none cannot be read: No such file"));
    assert_non_null(strstr(errors.lines[1], "/folder cannot be read: Is a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_comes_as_it_is, start, stop),
        cmocka_unit_test_setup_teardown(one_byte_too_many_is_refused_with_the_limit, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_says_why, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
