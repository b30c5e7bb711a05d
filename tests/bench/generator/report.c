/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/compiler.h"
#include "tests/bench/generator/report_figures.h"

const struct figure_name figure_names[FIGURE_COUNT] = {
    [FIGURE_THROUGHPUT] = {"responses_per_s", "throughput", "responses/s", 1},
    [FIGURE_P50] = {"p50_ns", "p50", "us", 1000},
    [FIGURE_P90] = {"p90_ns", "p90", "us", 1000},
    [FIGURE_P99] = {"p99_ns", "p99", "us", 1000},
    [FIGURE_P999] = {"p99_9_ns", "p99.9", "us", 1000},
    [FIGURE_P9999] = {"p99_99_ns", "p99.99", "us", 1000},
    [FIGURE_MAX] = {"max_ns", "max", "us", 1000},
    [FIGURE_CALM_P99] = {"calm_p99_ns", "calm p99", "us", 1000},
};

static const uint32_t figure_permyriads[FIGURE_COUNT] = {
    [FIGURE_P50] = 5000,  [FIGURE_P90] = 9000,   [FIGURE_P99] = 9900,
    [FIGURE_P999] = 9990, [FIGURE_P9999] = 9999, [FIGURE_MAX] = 10000,
};

#define COUNT(field)                                                                               \
    {                                                                                              \
#field, offsetof(struct result, field)                                                     \
    }
const struct count_name count_names[REPORT_COUNTS] = {
    COUNT(elapsed_ns),
    COUNT(requests),
    COUNT(responses),
    COUNT(gets),
    COUNT(puts),
    COUNT(deletes),
    COUNT(hits),
    COUNT(response_bytes),
    COUNT(connections_opened),
    COUNT(connections_closed),
    COUNT(late),
    COUNT(retransmissions),
    COUNT(frames_dropped),
    COUNT(busy_ns),
    COUNT(client_stalls),
    COUNT(client_stalled_ns),
    COUNT(server_silences),
    COUNT(server_silent_ns),
    COUNT(flood_sent),
    COUNT(flood_missed),
    COUNT(flood_answers),
    COUNT(newcomers),
    COUNT(newcomers_served),
    COUNT(newcomers_p50_ns),
    COUNT(newcomers_p99_ns),
    COUNT(newcomers_max_ns),
};

const char *const error_names[RESULT_ERROR_COUNT] = {
    [RESULT_BAD_STATUS] = "bad_status",
    [RESULT_BAD_LENGTH] = "bad_length",
    [RESULT_BAD_BODY] = "bad_body",
    [RESULT_MALFORMED] = "malformed",
    [RESULT_RESET] = "reset",
    [RESULT_TIMEOUT] = "timeout",
    [RESULT_CONNECT_FAILED] = "connect_failed",
};

struct report *report_create(const struct plan *plan, time_t when)
{
    struct report *report = calloc(1, sizeof(*report));
    if (!report)
        return NULL;
    report->plan = plan;
    report->when = when;
    report->step_count = plan->mode == PLAN_OPEN_LOOP ? plan->rate_count : 1;
    machine_read(&report->machine);
    return report;
}

void report_destroy(struct report *report)
{
    free(report);
}

/* The kernel's half of such a port runs on the client's core: what it takes is not lost. */
static bool kernel_works_on_the_core(const char *device)
{
    return device && (strncmp(device, "net_af_", 7) == 0 || strncmp(device, "net_tap", 7) == 0);
}

double report_cpu_share_min(const struct report *report)
{
    bool leaves_its_core = report->plan->rest_ns > 0;
    return leaves_its_core || kernel_works_on_the_core(report->plan->device) ? 0
                                                                             : REPORT_CPU_SHARE_MIN;
}

void report_add_run(struct report *report, uint32_t step, const struct result *sum)
{
    ASSERT(step < report->step_count);
    ASSERT(report->run_counts[step] < PLAN_RUNS_MAX);
    struct report_run *run = &report->runs[step][report->run_counts[step]++];
    for (uint32_t i = 0; i < REPORT_COUNTS; i++)
        memcpy(&run->counts[i], (const char *)sum + count_names[i].offset, sizeof(uint64_t));
    memcpy(run->errors, sum->errors, sizeof(run->errors));
    if (sum->elapsed_ns == 0)
        return; /* never started: does not count */
    double core_ns = (double)sum->elapsed_ns * report->plan->core_count;
    run->seconds = (double)sum->elapsed_ns / 1e9;
    run->busy_share = (double)sum->busy_ns / core_ns;
    run->cpu_share = (double)sum->cpu_ns / core_ns;
    run->is_valid = sum->responses > 0 && run->cpu_share >= report_cpu_share_min(report);
    if (sum->responses > 0)
        run->bytes_per_response = (double)sum->response_bytes / (double)sum->responses;
    if (sum->latency.count > 0)
        run->mean_ns = (double)sum->latency.sum_ns / (double)sum->latency.count;
    run->figures[FIGURE_THROUGHPUT] = (double)sum->responses / run->seconds;
    run->figures[FIGURE_CALM_P99] = (double)latency_quantile_ns(&sum->calm, 9900);
    for (uint32_t i = FIGURE_P50; i <= FIGURE_MAX; i++)
        run->figures[i] = (double)latency_quantile_ns(&sum->latency, figure_permyriads[i]);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

struct spread report_spread(const struct report *report, uint32_t step, enum report_figure figure)
{
    double values[PLAN_RUNS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < report->run_counts[step]; i++)
        if (report->runs[step][i].is_valid)
            values[count++] = report->runs[step][i].figures[figure];
    if (count == 0)
        return (struct spread){0};
    qsort(values, count, sizeof(values[0]), compare_doubles);
    double median = (values[(count - 1) / 2] + values[count / 2]) / 2;
    return (struct spread){count, median, values[0], values[count - 1]};
}

uint64_t report_errors(const struct report *report, uint32_t step)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < report->run_counts[step]; i++)
        for (uint32_t kind = 0; kind < RESULT_ERROR_COUNT; kind++)
            sum += report->runs[step][i].errors[kind];
    return sum;
}

bool report_has_failures(const struct report *report)
{
    for (uint32_t step = 0; step < report->step_count; step++)
        if (report_errors(report, step) > 0 ||
            report_spread(report, step, FIGURE_THROUGHPUT).count == 0)
            return true;
    return false;
}

/* The whole file or an error: a full disk shows when it is closed. */
static int write_json_file(const struct report *report, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return -errno;
    int error = report_print_json(report, file);
    if (fclose(file) != 0 && !error)
        error = -errno;
    return error;
}

int report_finish(const struct report *report, FILE *out, FILE *errors)
{
    const char *path = report->plan->json_path;
    if (path && strcmp(path, "-") == 0)
        return report_print_json(report, out);
    report_print_table(report, out);
    if (!path)
        return 0;
    int error = write_json_file(report, path);
    if (error) {
        fprintf(errors, "gannet-bench: %s: %s; the result follows on standard output\n", path,
                strerror(-error));
        report_print_json(report, out);
    }
    return error;
}
