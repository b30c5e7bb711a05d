/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "tests/bench/generator/plan_option.h"
#include "tests/bench/generator/report_figures.h"

/* Keyed by the option's name: numbers, times in seconds, the rest as it would be typed. */
static json_t *plan_json(const struct plan *plan)
{
    json_t *object = json_object();
    char text[PLAN_OPTION_TEXT_BYTES];
    for (size_t i = 0; i < plan_option_count; i++) {
        const struct plan_option *option = &plan_options[i];
        const void *field = (const char *)plan + option->offset;
        json_t *value;
        if (!(option->modes & PLAN_FOR_RUN))
            continue;
        plan_option_show(option, plan, text, sizeof(text));
        if (option->type == PLAN_FLAG || option->type == PLAN_FLAG_OFF)
            value = json_boolean(strcmp(text, "true") == 0);
        else if (option->type == PLAN_U16)
            value = json_integer(*(const uint16_t *)field);
        else if (option->type == PLAN_U32 || option->type == PLAN_SIZE)
            value = json_integer(*(const uint32_t *)field);
        else if (option->type == PLAN_U64)
            value = json_integer((json_int_t) * (const uint64_t *)field);
        else if (option->type == PLAN_TIME)
            value = json_real((double)*(const uint64_t *)field / 1e9);
        else
            value = *text ? json_string(text) : json_null();
        json_object_set_new(object, option->name, value);
    }
    return object;
}

static json_t *run_json(const struct report_run *run)
{
    json_t *object = json_object(), *errors = json_object();
    json_object_set_new(object, "counts_for_median", json_boolean(run->is_valid));
    for (uint32_t i = 0; i < FIGURE_COUNT; i++)
        json_object_set_new(object, figure_names[i].json, json_real(run->figures[i]));
    json_object_set_new(object, "mean_ns", json_real(run->mean_ns));
    json_object_set_new(object, "bytes_per_response", json_real(run->bytes_per_response));
    json_object_set_new(object, "busy_share", json_real(run->busy_share));
    json_object_set_new(object, "cpu_share", json_real(run->cpu_share));
    for (uint32_t i = 0; i < REPORT_COUNTS; i++)
        json_object_set_new(object, count_names[i].json, json_integer((json_int_t)run->counts[i]));
    for (uint32_t i = 0; i < RESULT_ERROR_COUNT; i++)
        json_object_set_new(errors, error_names[i], json_integer((json_int_t)run->errors[i]));
    json_object_set_new(object, "errors", errors);
    return object;
}

static json_t *step_json(const struct report *report, uint32_t step)
{
    bool is_open = report->plan->mode == PLAN_OPEN_LOOP;
    json_t *object = json_object(), *runs = json_array();
    json_object_set_new(object, "rate_per_s",
                        is_open ? json_integer((json_int_t)report->plan->rates_per_s[step])
                                : json_null());
    for (uint32_t i = 0; i < FIGURE_COUNT; i++) {
        struct spread spread = report_spread(report, step, (enum report_figure)i);
        json_t *value = json_null();
        if (spread.count > 0)
            value = json_pack("{s:f, s:f, s:f}", "median", spread.median, "min", spread.min, "max",
                              spread.max);
        json_object_set_new(object, figure_names[i].json, value);
    }
    json_object_set_new(object, "errors", json_integer((json_int_t)report_errors(report, step)));
    for (uint32_t i = 0; i < report->run_counts[step]; i++)
        json_array_append_new(runs, run_json(&report->runs[step][i]));
    json_object_set_new(object, "runs", runs);
    return object;
}

int report_print_json(const struct report *report, FILE *out)
{
    char when[32];
    struct tm utc;
    gmtime_r(&report->when, &utc);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
    const struct plan *plan = report->plan;
    const struct machine *machine = &report->machine;
    json_t *steps = json_array();
    for (uint32_t step = 0; step < report->step_count; step++)
        json_array_append_new(steps, step_json(report, step));
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:s, s:{s:s, s:i, s:s, s:s}, s:o, s:{s:b, s:b, s:b}, s:o}", "format",
        REPORT_FORMAT, "version", GANNET_VERSION, "date", when, "loop",
        plan->mode == PLAN_OPEN_LOOP ? "open" : "closed", "machine", "cpu", machine->cpu, "cores",
        (int)machine->cores, "kernel", machine->kernel, "huge_pages", machine->huge_pages, "plan",
        plan_json(plan), "verified", "status", 1, "length", plan->expected_bytes != UINT64_MAX,
        "body", plan->checks_body ? 1 : 0, "steps", steps);
    if (!root)
        return -ENOMEM; /* or a text that is not UTF-8 */
    int failed = json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    fputs("\n", out);
    json_decref(root);
    return failed || fflush(out) != 0 || ferror(out) ? -EIO : 0;
}
