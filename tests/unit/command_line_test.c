/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/command_line.h"

#define WORDS_MAX 5

struct line_case {
    const char *words[WORDS_MAX];
    enum command command;
    const char *path;
    bool is_offline;
    const char *error; /* NULL: accepted */
};

static int parse(const struct line_case *line, struct command_line *out, char *error,
                 size_t error_bytes)
{
    char *arguments[WORDS_MAX + 2] = {(char *)(uintptr_t) "gannet"};
    int count = 1;
    for (size_t i = 0; i < WORDS_MAX && line->words[i]; i++)
        arguments[count++] = (char *)(uintptr_t)line->words[i];
    return command_line_parse(count, arguments, out, error, error_bytes);
}

static void good_lines_are_understood(void **state)
{
    (void)state;
    static const struct line_case cases[] = {
        {{"serve", "a.yaml"}, COMMAND_SERVE, "a.yaml", false, NULL},
        {{"check", "a.yaml"}, COMMAND_CHECK, "a.yaml", false, NULL},
        {{"check", "--offline", "a.yaml"}, COMMAND_CHECK, "a.yaml", true, NULL},
        {{"check", "a.yaml", "--offline"}, COMMAND_CHECK, "a.yaml", true, NULL},
        {{"check", "--", "--offline"}, COMMAND_CHECK, "--offline", false, NULL},
        {{"top"}, COMMAND_TOP, NULL, false, NULL},
        {{"top", "--once", "a.yaml"}, COMMAND_TOP, "a.yaml", false, NULL},
        {{"keys"}, COMMAND_KEYS, NULL, false, NULL},
        {{"--version"}, COMMAND_VERSION, NULL, false, NULL},
        {{"--help"}, COMMAND_HELP, NULL, false, NULL},
        {{"-h"}, COMMAND_HELP, NULL, false, NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct command_line line;
        char error[128] = "";
        if (parse(&cases[i], &line, error, sizeof(error)) != 0)
            fail_msg("case %zu: %s", i, error);
        assert_int_equal(line.command, cases[i].command);
        assert_int_equal(line.is_offline, cases[i].is_offline);
        if (cases[i].path)
            assert_string_equal(line.config_path, cases[i].path);
        else
            assert_null(line.config_path);
    }
}

static void bad_lines_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct line_case cases[] = {
        {{NULL}, .error = "a command is missing; see gannet --help"},
        {{""}, .error = "unknown command ; see gannet --help"},
        {{"sevre", "a"}, .error = "unknown command sevre; see gannet --help"},
        {{"serve"}, .error = "serve: the configuration file is missing; see gannet --help"},
        {{"serve", "--offline", "a"},
         .error = "serve: unknown option --offline; see gannet --help"},
        {{"check", "--offlin", "a"}, .error = "check: unknown option --offlin; see gannet --help"},
        {{"check", "--offline"},
         .error = "check: the configuration file is missing; see gannet --help"},
        {{"serve", "a", "b"}, .error = "serve: b is one argument too many; see gannet --help"},
        {{"keys", "a"}, .error = "keys: a is one argument too many; see gannet --help"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct command_line line;
        char error[128] = "";
        assert_int_equal(parse(&cases[i], &line, error, sizeof(error)), -EINVAL);
        assert_string_equal(error, cases[i].error);
    }
}

static void help_names_every_command_and_version_is_one_line(void **state)
{
    (void)state;
    char text[4096] = "";
    FILE *file = fmemopen(text, sizeof(text), "w");
    assert_non_null(file);
    command_line_print_help(file);
    command_line_print_version(file);
    fclose(file);
    static const char *const wanted[] = {"serve CONFIG", "check [--offline] CONFIG",
                                         "top [--once]", "gannet keys",
                                         "--version",    "gannet " GANNET_VERSION "\n"};
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
        if (!strstr(text, wanted[i]))
            fail_msg("'%s' is missing", wanted[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lines_are_understood),
        cmocka_unit_test(bad_lines_say_what_is_wrong),
        cmocka_unit_test(help_names_every_command_and_version_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
