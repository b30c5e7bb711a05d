/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "include/compiler.h"
#include "tests/bench/generator/progress.h"

#define SECOND_NS 1000000000ull

static struct progress on_a_terminal(int *other_end, bool is_quiet)
{
    int terminal = -1;
    assert_int_equal(openpty(other_end, &terminal, NULL, NULL, NULL), 0);
    FILE *stream = fdopen(terminal, "w");
    assert_non_null(stream);
    struct plan plan = {.is_quiet = is_quiet};
    struct progress progress;
    progress_init(&progress, &plan, stream, 0);
    if (!progress.stream)
        fclose(stream);
    return progress;
}

static void a_terminal_shows_one_line_per_second(void **state)
{
    (void)state;
    int other_end;
    struct progress progress = on_a_terminal(&other_end, false);
    struct result_progress cores[2] = {{1500000, 2, 30}, {500000, 1, 34}};
    char text[512] = "";
    progress_update(&progress, "run 2 of 5", cores, 2, SECOND_NS - 1);
    assert_false(progress.has_line);
    progress_update(&progress, "run 2 of 5", cores, 2, 2 * SECOND_NS);
    assert_true(read(other_end, text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "\r\033[Krun 2 of 5: 1000000 responses/s, 3 errors, 64 connections");
    memset(text, 0, sizeof(text));
    atomic_store(&cores[0].responses, 100); /* the next run counts from 0 */
    atomic_store(&cores[1].responses, 200);
    progress_update(&progress, "run 3 of 5", cores, 2, 3 * SECOND_NS);
    assert_true(read(other_end, text, sizeof(text) - 1) > 0);
    assert_non_null(strstr(text, "run 3 of 5: 300 responses/s"));
    progress_end(&progress);
    assert_int_equal(read(other_end, text, sizeof(text) - 1), 4);
    fclose(progress.stream);
    close(other_end);
}

static void nothing_is_shown_when_quiet_or_in_a_file(void **state)
{
    (void)state;
    int other_end;
    struct progress progress = on_a_terminal(&other_end, true);
    assert_null(progress.stream);
    close(other_end);
    FILE *file = tmpfile();
    struct plan plan = {.is_quiet = false};
    progress_init(&progress, &plan, file, 0);
    progress_update(&progress, "run", NULL, 0, 5 * SECOND_NS);
    progress_end(&progress);
    fflush(file);
    assert_int_equal(ftell(file), 0);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_terminal_shows_one_line_per_second),
        cmocka_unit_test(nothing_is_shown_when_quiet_or_in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
