/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs every *.script of the folder on IPv4 and IPv6, each a test of its own.
 *
 *   packet_scripts                  all of them
 *   packet_scripts --trace FILE...  these alone; prints every segment
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/compiler.h"
#include "tests/packet_scripts/script.h"
#include "tests/support/test_eal.h"

#define SCRIPTS_MAX 512u
#define FOLDER SOURCE_ROOT "/tests/packet_scripts"

struct script_test {
    char *path, *text;
    bool is_ipv6;
};

static struct script_test scripts[2 * SCRIPTS_MAX];
static struct CMUnitTest tests[2 * SCRIPTS_MAX];
static size_t test_count;
static bool prints_trace;
static struct script_report report;

static void run_one(void **state)
{
    const struct script_test *test = *state;
    bool passed = script_run(test->path, test->text, test->is_ipv6, &report);
    if (prints_trace)
        printf("%s\n", report.trace);
    if (!passed) {
        printf("%s\n", report.text);
        fail_msg("%s", test->path);
    }
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    char *text = calloc(1, 65536);
    if (fread(text, 1, 65535, file) == 65535) {
        fprintf(stderr, "%s is too long\n", path);
        exit(2);
    }
    fclose(file);
    return text;
}

/* The name is the file's stem, and the family. */
static void add(const char *path)
{
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    for (int family = 0; family < 2; family++) {
        char name[256];
        char *text = read_file(path);
        if (!script_is_for(text, family == 1) || test_count == ARRAY_COUNT(tests)) {
            free(text);
            continue;
        }
        snprintf(name, sizeof(name), "%.*s (%s)", (int)strcspn(base, "."), base,
                 family == 1 ? "IPv6" : "IPv4");
        scripts[test_count] =
            (struct script_test){.path = strdup(path), .text = text, .is_ipv6 = family == 1};
        tests[test_count] = (struct CMUnitTest){
            .name = strdup(name), .test_func = run_one, .initial_state = &scripts[test_count]};
        test_count++;
    }
}

static int is_script(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && strcmp(dot, ".script") == 0;
}

static void add_folder(void)
{
    struct dirent **entries;
    int count = scandir(FOLDER, &entries, is_script, alphasort);
    if (count <= 0) {
        fprintf(stderr, "no scripts in %s\n", FOLDER);
        exit(2);
    }
    for (int i = 0; i < count; i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", FOLDER, entries[i]->d_name);
        add(path);
        free(entries[i]);
    }
    free(entries);
}

int main(int count, char **arguments)
{
    int first = 1;
    if (count > 1 && strcmp(arguments[1], "--trace") == 0) {
        prints_trace = true;
        first = 2;
    }
    for (int i = first; i < count; i++)
        add(arguments[i]);
    if (first == count)
        add_folder();
    test_eal_start("64");
    int failed = _cmocka_run_group_tests("packet_scripts", tests, test_count, NULL, NULL);
    for (size_t i = 0; i < test_count; i++) {
        free(scripts[i].path);
        free(scripts[i].text);
        free((char *)(uintptr_t)tests[i].name);
    }
    return failed;
}
