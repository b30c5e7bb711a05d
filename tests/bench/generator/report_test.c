/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "tests/bench/generator/plan_option.h"
#include "tests/bench/generator/report_figures.h"

static struct result result;
static struct plan plan;

static struct report *new_report(const char *device, uint32_t step_count)
{
    char error[512];
    char *words[] = {(char *)(uintptr_t) "gannet-bench", (char *)(uintptr_t) "--device",
                     (char *)(uintptr_t)device,          (char *)(uintptr_t) "--rate",
                     (char *)(uintptr_t) "1k,2k",        NULL};
    assert_int_equal(plan_read(step_count > 1 ? 5 : 3, words, &plan, error, sizeof(error)), 0);
    struct report *report = report_create(&plan, 1700000000);
    assert_non_null(report);
    return report;
}

/* One second with `responses` answers that took `us` each. */
static void add_run(struct report *report, uint32_t step, uint64_t responses, uint64_t us,
                    double cpu_share)
{
    result_reset(&result);
    result.elapsed_ns = 1000000000;
    result.requests = result.responses = responses;
    result.response_bytes = responses * 300;
    result.cpu_ns = (uint64_t)(cpu_share * 1e9);
    result.busy_ns = 500000000;
    for (uint32_t i = 0; i < 100; i++)
        latency_record(&result.latency, us * 1000);
    report_add_run(report, step, &result);
}

static char *table_of(const struct report *report)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_int_equal(report_finish(report, out, out), 0);
    fclose(out);
    return text;
}

static void contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void the_median_leaves_out_runs_without_their_core(void **state)
{
    (void)state;
    struct report *report = new_report("d", 1);
    add_run(report, 0, 3000000, 30, 1.0);
    add_run(report, 0, 9000000, 1, 0.939);
    add_run(report, 0, 1000000, 10, 0.94);
    add_run(report, 0, 2000000, 20, 0.99);
    struct spread spread = report_spread(report, 0, FIGURE_THROUGHPUT);
    assert_int_equal(spread.count, 3);
    assert_true(spread.median == 2000000 && spread.min == 1000000 && spread.max == 3000000);
    spread = report_spread(report, 0, FIGURE_P99);
    assert_true(spread.median == 20000 && spread.min == 10000 && spread.max == 30000);
    add_run(report, 0, 2000010, 20, 1.0); /* an even number: between the middle two */
    assert_true(report_spread(report, 0, FIGURE_THROUGHPUT).median == 2000005);
    char *text = table_of(report);
    contains(text, "throughput        2,000,005  [1,000,000 .. 3,000,000] responses/s");
    contains(text, "run 2 is left out: the client had 93.9 % of its cores, not 94 %");
    contains(text, "verified: status 2xx; length not checked; body not checked");
    free(text);
    report_destroy(report);
}

static void over_af_packet_the_kernel_may_have_its_part(void **state)
{
    (void)state;
    struct report *report = new_report("net_af_packet0,iface=c0", 1);
    add_run(report, 0, 1000000, 10, 0.5);
    assert_int_equal(report_spread(report, 0, FIGURE_THROUGHPUT).count, 1);
    report_destroy(report);
}

static void failures_are_seen(void **state)
{
    (void)state;
    struct report *report = new_report("d", 1);
    assert_true(report_has_failures(report)); /* no run at all */
    add_run(report, 0, 10, 1, 0.5);
    assert_true(report_has_failures(report)); /* none that counts */
    add_run(report, 0, 10, 1, 1.0);
    assert_false(report_has_failures(report));
    result.errors[RESULT_TIMEOUT] = 3;
    report_add_run(report, 0, &result);
    assert_true(report_has_failures(report));
    char *text = table_of(report);
    contains(text, "errors                    3  timeout 3");
    free(text);
    report_destroy(report);
}

static void an_open_loop_has_a_row_per_rate(void **state)
{
    (void)state;
    struct report *report = new_report("d", 2);
    add_run(report, 0, 1000, 15, 1.0);
    add_run(report, 1, 1900, 40, 1.0);
    result.late = 100;
    result.busy_ns = 950000000;
    report_add_run(report, 1, &result);
    char *text = table_of(report);
    contains(text, "\n       1,000       1,000        15.0        15.0");
    contains(text, "\n       2,000       1,900        40.0");
    contains(text, "2000/s the client did not keep up: more than 1 % was sent late");
    contains(text, "2000/s run 2: the client was busy 95.0 % of the time and may be the limit");
    free(text);
    report_destroy(report);
}

static void write_result(const char *path, const char *device, uint64_t factor)
{
    struct report *report = new_report(device, 1);
    for (uint64_t i = 1; i <= 3; i++)
        add_run(report, 0, 1000 * factor + i, 10, 1.0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(report_print_json(report, file), 0);
    fclose(file);
    report_destroy(report);
}

static char *comparison(const char *a, const char *b, int status)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    const char *const paths[2] = {a, b};
    assert_int_equal(report_compare(paths, out, out), status);
    fclose(out);
    return text;
}

static void results_are_compared_figure_by_figure(void **state)
{
    (void)state;
    char directory[] = "/tmp/gannet-report-XXXXXX", a[64], b[64], c[64];
    assert_non_null(mkdtemp(directory));
    snprintf(a, sizeof(a), "%s/a", directory);
    snprintf(b, sizeof(b), "%s/b", directory);
    snprintf(c, sizeof(c), "%s/c", directory);
    write_result(a, "d", 1);
    write_result(b, "other", 2);
    char *text = comparison(a, b, 0);
    contains(text, "warning: the plans differ: --device \"d\" and \"other\"\n");
    contains(text, "1002 [1001 .. 1003]          2002 [2001 .. 2003] responses/s    1.998  apart");
    contains(text, "1.000  spreads overlap");
    free(text);
    text = comparison(a, a, 0);
    assert_null(strstr(text, "warning"));
    assert_null(strstr(text, "apart"));
    free(text);
    FILE *file = fopen(c, "w");
    fputs("{\"format\": \"something else\"}", file);
    fclose(file);
    text = comparison(a, c, 2);
    contains(text, "/c: format: allowed \"gannet-bench result 1\", written with --json");
    free(text);
    text = comparison("/nonexistent", a, 2);
    contains(text, "gannet-bench: /nonexistent: ");
    free(text);
    unlink(a);
    unlink(b);
    unlink(c);
    rmdir(directory);
}

static void json_holds_the_whole_plan_and_every_run(void **state)
{
    (void)state;
    struct report *report = new_report("d", 1);
    plan.json_path = "-";
    add_run(report, 0, 1000, 10, 1.0);
    add_run(report, 0, 1000, 10, 0.5);
    char *text = table_of(report);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    const json_t *made = json_object_get(root, "plan");
    assert_int_equal(json_integer_value(json_object_get(made, "connections")), 64);
    assert_true(json_real_value(json_object_get(made, "duration")) == 5.0);
    assert_true(json_is_null(json_object_get(made, "label")));
    for (size_t i = 0; i < plan_option_count; i++)
        if ((plan_options[i].modes & PLAN_FOR_RUN) && !json_object_get(made, plan_options[i].name))
            fail_msg("--%s is not in the plan", plan_options[i].name);
    assert_string_equal(json_string_value(json_object_get(root, "date")), "2023-11-14T22:13:20Z");
    const json_t *step = json_array_get(json_object_get(root, "steps"), 0);
    const json_t *runs = json_object_get(step, "runs");
    assert_int_equal(json_array_size(runs), 2);
    assert_true(json_is_true(json_object_get(json_array_get(runs, 0), "counts_for_median")));
    assert_true(json_is_false(json_object_get(json_array_get(runs, 1), "counts_for_median")));
    assert_true(json_number_value(json_object_get(json_array_get(runs, 0), "bytes_per_response")) ==
                300);
    json_decref(root);
    free(text);
    report_destroy(report);
}

static void a_result_that_cannot_be_written_is_not_lost(void **state)
{
    (void)state;
    struct report *report = new_report("d", 1);
    plan.json_path = "/nonexistent/x.json";
    add_run(report, 0, 1000, 10, 1.0);
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_true(report_finish(report, out, out) < 0);
    fclose(out);
    contains(text, "gannet-bench: /nonexistent/x.json: No such file or directory");
    contains(text, "\"format\": \"gannet-bench result 1\"");
    free(text);
    report_destroy(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_leaves_out_runs_without_their_core),
        cmocka_unit_test(over_af_packet_the_kernel_may_have_its_part),
        cmocka_unit_test(failures_are_seen),
        cmocka_unit_test(an_open_loop_has_a_row_per_rate),
        cmocka_unit_test(results_are_compared_figure_by_figure),
        cmocka_unit_test(json_holds_the_whole_plan_and_every_run),
        cmocka_unit_test(a_result_that_cannot_be_written_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
