/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <string.h>

#include "tests/bench/generator/plan_option.h"
#include "tests/bench/generator/report_figures.h"

/* 2512345 is 2,512,345; latencies keep one decimal. */
static void show_value(double value, bool has_decimal, char *text, size_t text_bytes)
{
    char digits[48], grouped[64];
    snprintf(digits, sizeof(digits), has_decimal ? "%.1f" : "%.0f", value);
    size_t whole = strcspn(digits, "."), used = 0;
    for (size_t i = 0; digits[i] && used + 2 < sizeof(grouped); i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0)
            grouped[used++] = ',';
        grouped[used++] = digits[i];
    }
    grouped[used] = '\0';
    snprintf(text, text_bytes, "%s", grouped);
}

static void print_spread(const struct report *report, uint32_t step, enum report_figure figure,
                         FILE *out)
{
    const struct figure_name *name = &figure_names[figure];
    struct spread spread = report_spread(report, step, figure);
    char median[64] = "-", min[64] = "-", max[64] = "-";
    if (spread.count > 0) {
        show_value(spread.median / name->divisor, figure != 0, median, sizeof(median));
        show_value(spread.min / name->divisor, figure != 0, min, sizeof(min));
        show_value(spread.max / name->divisor, figure != 0, max, sizeof(max));
    }
    fprintf(out, "%-12s %14s  [%s .. %s] %s\n", name->label, median, min, max, name->unit);
}

static void print_heading(const struct report *report, FILE *out)
{
    const struct plan *plan = report->plan;
    const struct machine *machine = &report->machine;
    char when[32], text[PLAN_OPTION_TEXT_BYTES];
    struct tm utc;
    gmtime_r(&report->when, &utc);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &utc);
    fprintf(out, "gannet-bench %s  %s%s%s\n", GANNET_VERSION, when, plan->label ? "  " : "",
            plan->label ? plan->label : "");
    fprintf(out, "machine  %s, %u cores, Linux %s, hugepages %s\nplan    ", machine->cpu,
            machine->cores, machine->kernel, machine->huge_pages);
    /* What differs from the defaults, as it would be typed. */
    for (size_t i = 0; i < plan_option_count; i++) {
        const struct plan_option *option = &plan_options[i];
        plan_option_show(option, plan, text, sizeof(text));
        bool is_default = option->argument
                              ? strcmp(text, option->fallback ? option->fallback : "") == 0
                              : strcmp(text, "false") == 0;
        if (!(option->modes & PLAN_FOR_RUN) || is_default || option->type == PLAN_HEADER)
            continue;
        fprintf(out, " --%s%s%s", option->name, option->argument ? " " : "",
                option->argument ? text : "");
    }
    fputs("\n\n", out);
}

static double sum_of(const struct report *report, uint32_t step, const char *name)
{
    double sum = 0;
    uint32_t which = 0;
    while (strcmp(count_names[which].json, name) != 0)
        which++;
    for (uint32_t i = 0; i < report->run_counts[step]; i++)
        sum += (double)report->runs[step][i].counts[which];
    return sum;
}

static void highest_shares(const struct report *report, uint32_t step, double *busy, double *cpu)
{
    *busy = 0;
    *cpu = 1;
    for (uint32_t i = 0; i < report->run_counts[step]; i++) {
        const struct report_run *run = &report->runs[step][i];
        if (run->busy_share > *busy)
            *busy = run->busy_share;
        if (run->cpu_share < *cpu)
            *cpu = run->cpu_share;
    }
}

static void print_errors(const struct report *report, uint32_t step, FILE *out)
{
    fprintf(out, "errors       %14" PRIu64, report_errors(report, step));
    for (uint32_t kind = 0; kind < RESULT_ERROR_COUNT; kind++) {
        uint64_t count = 0;
        for (uint32_t i = 0; i < report->run_counts[step]; i++)
            count += report->runs[step][i].errors[kind];
        if (count > 0)
            fprintf(out, "  %s %" PRIu64, error_names[kind], count);
    }
    fputs("\n", out);
}

/* Cores that did nothing for 25 us and more, and what the others waited. */
static void print_gaps(const struct report *report, uint32_t step, FILE *out)
{
    double core_ns = sum_of(report, step, "elapsed_ns") * report->plan->core_count;
    double share = core_ns > 0 ? 100 / core_ns : 0;
    fprintf(out,
            "gaps         %13.2f%%  of the time the client stood still (%.0f times), %.2f %% the "
            "server was silent (%.0f times)\n",
            share * sum_of(report, step, "client_stalled_ns"),
            sum_of(report, step, "client_stalls"), share * sum_of(report, step, "server_silent_ns"),
            sum_of(report, step, "server_silences"));
}

static void print_closed_loop(const struct report *report, FILE *out)
{
    double busy, cpu, responses = sum_of(report, 0, "responses");
    fprintf(out, "%-12s %14s  [min .. max] of %u runs\n", "", "median",
            report_spread(report, 0, FIGURE_THROUGHPUT).count);
    for (uint32_t figure = 0; figure < FIGURE_COUNT; figure++)
        print_spread(report, 0, (enum report_figure)figure, out);
    print_errors(report, 0, out);
    highest_shares(report, 0, &busy, &cpu);
    double bytes = responses > 0 ? sum_of(report, 0, "response_bytes") / responses : 0;
    double hits = responses > 0 ? 100 * sum_of(report, 0, "hits") / responses : 0;
    fprintf(out, "responses    %14.1f  bytes each; %.2f %% say hit\n", bytes, hits);
    fprintf(out, "client       %13.1f%%  busy at most; had at least %.1f %% of its cores\n",
            100 * busy, 100 * cpu);
    fprintf(out, "link         %14.0f  retransmissions, %.0f frames dropped\n",
            sum_of(report, 0, "retransmissions"), sum_of(report, 0, "frames_dropped"));
    print_gaps(report, 0, out);
}

static void print_open_loop(const struct report *report, FILE *out)
{
    static const char *const heads[] = {"asked/s", "reached/s", "p50", "p90",     "p99",
                                        "p99.9",   "p99.99",    "max", "calm p99"};
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        fprintf(out, "%12s", heads[i]);
    fprintf(out, "  %-22s %6s %6s %6s %4s\n", "p99 [min .. max] us", "errors", "late%", "busy%",
            "runs");
    for (uint32_t step = 0; step < report->step_count; step++) {
        char text[64], low[64] = "-", high[64] = "-", range[140];
        double busy, cpu, requests = sum_of(report, step, "requests");
        show_value((double)report->plan->rates_per_s[step], false, text, sizeof(text));
        fprintf(out, "%12s", text);
        for (uint32_t figure = 0; figure < FIGURE_COUNT; figure++) {
            struct spread spread = report_spread(report, step, (enum report_figure)figure);
            show_value(spread.median / figure_names[figure].divisor, figure != 0, text,
                       sizeof(text));
            fprintf(out, "%12s", spread.count ? text : "-");
        }
        struct spread p99 = report_spread(report, step, FIGURE_P99);
        if (p99.count > 0) {
            show_value(p99.min / 1000, true, low, sizeof(low));
            show_value(p99.max / 1000, true, high, sizeof(high));
        }
        snprintf(range, sizeof(range), "[%s .. %s]", low, high);
        highest_shares(report, step, &busy, &cpu);
        fprintf(out, "  %-22s %6" PRIu64 " %6.2f %6.1f %4u\n", range, report_errors(report, step),
                requests > 0 ? 100 * sum_of(report, step, "late") / requests : 0, 100 * busy,
                p99.count);
    }
    fputs("Latencies in us, from when a request was due.\n", out);
}

/* What happened beside the load; each run for itself, as such storms are not alike. */
static void print_storm(const struct report *report, FILE *out)
{
    const struct plan *plan = report->plan;
    for (uint32_t step = 0; step < report->step_count; step++) {
        double seconds = sum_of(report, step, "elapsed_ns") / 1e9;
        double sent = sum_of(report, step, "flood_sent");
        double missed = sum_of(report, step, "flood_missed");
        double newcomers = sum_of(report, step, "newcomers");
        if (plan->flood_per_s > 0 && seconds > 0)
            fprintf(out,
                    "flood        %14.0f  SYN/s sent, %.2f %% more found no room; %.0f answers/s\n",
                    sent / seconds, sent > 0 ? 100 * missed / (sent + missed) : 0,
                    sum_of(report, step, "flood_answers") / seconds);
        if (plan->newcomers_per_s > 0 && newcomers > 0)
            fprintf(out, "newcomers    %14.0f  %.2f %% served within 3 s\n", newcomers,
                    100 * sum_of(report, step, "newcomers_served") / newcomers);
    }
}

static void print_verification(const struct plan *plan, FILE *out)
{
    char length[64] = "not checked";
    if (plan->expected_bytes != UINT64_MAX)
        snprintf(length, sizeof(length), "%" PRIu64 " bytes", plan->expected_bytes);
    fprintf(out, "verified: status %s", plan->expected_status ? "" : "2xx");
    if (plan->expected_status)
        fprintf(out, "%u", plan->expected_status);
    fprintf(out, "; length %s; body %s%s\n", length, plan->checks_body ? "checked" : "not checked",
            plan_verifies_checksums(plan) ? "" : "; checksums not checked (shared memory)");
}

/* What a reader must know before believing the figures. */
static void print_warnings(const struct report *report, FILE *out)
{
    for (uint32_t step = 0; step < report->step_count; step++) {
        char where[48] = "";
        if (report->plan->mode == PLAN_OPEN_LOOP)
            snprintf(where, sizeof(where), "%" PRIu64 "/s ", report->plan->rates_per_s[step]);
        for (uint32_t i = 0; i < report->run_counts[step]; i++) {
            const struct report_run *run = &report->runs[step][i];
            if (run->cpu_share < report_cpu_share_min(report) && run->seconds > 0)
                fprintf(out,
                        "%srun %u is left out: the client had %.1f %% of its cores, not %.0f %%\n",
                        where, i + 1, 100 * run->cpu_share, 100 * REPORT_CPU_SHARE_MIN);
            else if (!run->is_valid)
                fprintf(out, "%srun %u is left out: no response\n", where, i + 1);
            else if (run->busy_share > REPORT_BUSY_SHARE_HIGH)
                fprintf(out,
                        "%srun %u: the client was busy %.1f %% of the time and may be the limit\n",
                        where, i + 1, 100 * run->busy_share);
        }
        double requests = sum_of(report, step, "requests");
        if (requests > 0 && sum_of(report, step, "late") / requests > REPORT_LATE_SHARE_HIGH)
            fprintf(out, "%sthe client did not keep up: more than 1 %% was sent late\n", where);
    }
}

void report_print_table(const struct report *report, FILE *out)
{
    print_heading(report, out);
    if (report->plan->mode == PLAN_OPEN_LOOP)
        print_open_loop(report, out);
    else
        print_closed_loop(report, out);
    print_storm(report, out);
    print_verification(report->plan, out);
    print_warnings(report, out);
}
