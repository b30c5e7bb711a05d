/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "tests/bench/generator/report_figures.h"

/* NULL after saying what is wrong: file: what: what is allowed. */
static json_t *read_result(const char *path, FILE *errors)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) {
        fprintf(errors, "gannet-bench: %s: line %d: %s: a file written with --json is wanted\n",
                path, error.line, error.text);
        return NULL;
    }
    const char *format = json_string_value(json_object_get(root, "format"));
    const char *wrong = NULL;
    if (!format || strcmp(format, REPORT_FORMAT) != 0)
        wrong = "format";
    else if (!json_is_object(json_object_get(root, "plan")))
        wrong = "plan";
    else if (json_array_size(json_object_get(root, "steps")) == 0)
        wrong = "steps";
    if (!wrong)
        return root;
    fprintf(errors, "gannet-bench: %s: %s: allowed \"%s\", written with --json\n", path, wrong,
            REPORT_FORMAT);
    json_decref(root);
    return NULL;
}

static void show_json(const json_t *value, char *text, size_t text_bytes)
{
    char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
    snprintf(text, text_bytes, "%s", dumped ? dumped : "absent");
    free(dumped);
}

/* The label and where the result goes may differ; whatever else does makes the ratio doubtful. */
static bool may_differ(const char *name)
{
    return strcmp(name, "label") == 0 || strcmp(name, "json") == 0 || strcmp(name, "quiet") == 0;
}

static void warn_of_difference(const char *name, const json_t *a, const json_t *b, FILE *out)
{
    char left[256], right[256];
    if ((a && b && json_equal(a, b)) || may_differ(name))
        return;
    show_json(a, left, sizeof(left));
    show_json(b, right, sizeof(right));
    fprintf(out, "warning: the plans differ: --%s %s and %s\n", name, left, right);
}

static void warn_of_differences(json_t *a, json_t *b, FILE *out)
{
    const char *name;
    json_t *value;
    json_object_foreach(a, name, value)
        warn_of_difference(name, value, json_object_get(b, name), out);
    json_object_foreach(b, name, value) if (!json_object_get(a, name))
        warn_of_difference(name, NULL, value, out);
}

static bool read_spread(const json_t *step, const char *figure, struct spread *spread)
{
    const json_t *object = json_object_get(step, figure);
    const json_t *median = json_object_get(object, "median");
    const json_t *min = json_object_get(object, "min"), *max = json_object_get(object, "max");
    *spread = (struct spread){1, json_number_value(median), json_number_value(min),
                              json_number_value(max)};
    return json_is_number(median) && json_is_number(min) && json_is_number(max);
}

static void print_figure(const json_t *a_step, const json_t *b_step, uint32_t which, FILE *out)
{
    const struct figure_name *name = &figure_names[which];
    struct spread a, b;
    if (!read_spread(a_step, name->json, &a) || !read_spread(b_step, name->json, &b)) {
        fprintf(out, "%-12s %14s\n", name->label, "no run that counts");
        return;
    }
    bool overlaps = a.min <= b.max && b.min <= a.max;
    char ratio[32] = "-";
    if (a.median > 0)
        snprintf(ratio, sizeof(ratio), "%.3f", b.median / a.median);
    double d = name->divisor;
    int digits = which == FIGURE_THROUGHPUT ? 0 : 1;
    fprintf(out, "%-12s %12.*f [%.*f .. %.*f]  %12.*f [%.*f .. %.*f] %-11s  %7s  %s\n", name->label,
            digits, a.median / d, digits, a.min / d, digits, a.max / d, digits, b.median / d,
            digits, b.min / d, digits, b.max / d, name->unit, ratio,
            overlaps ? "spreads overlap" : "apart");
}

static void compare_steps(const json_t *a_steps, const json_t *b_steps, FILE *out)
{
    size_t a_count = json_array_size(a_steps), b_count = json_array_size(b_steps);
    fprintf(out, "%-12s A median [min .. max], B median [min .. max], B/A\n", "");
    for (size_t i = 0; i < a_count && i < b_count; i++) {
        const json_t *a = json_array_get(a_steps, i), *b = json_array_get(b_steps, i);
        json_int_t rate = json_integer_value(json_object_get(a, "rate_per_s"));
        json_int_t other = json_integer_value(json_object_get(b, "rate_per_s"));
        if (rate != other)
            fprintf(out, "\nasked %lld/s and %lld/s\n", (long long)rate, (long long)other);
        else if (rate > 0)
            fprintf(out, "\nasked %lld/s\n", (long long)rate);
        for (uint32_t figure = 0; figure < FIGURE_COUNT; figure++)
            print_figure(a, b, figure, out);
        json_int_t a_errors = json_integer_value(json_object_get(a, "errors"));
        json_int_t b_errors = json_integer_value(json_object_get(b, "errors"));
        fprintf(out, "%-12s %12lld  %12lld\n", "errors", (long long)a_errors, (long long)b_errors);
    }
    if (a_count != b_count)
        fprintf(out, "warning: A has %zu steps, B has %zu: the rest is not compared\n", a_count,
                b_count);
}

int report_compare(const char *const paths[2], FILE *out, FILE *errors)
{
    json_t *a = read_result(paths[0], errors);
    json_t *b = read_result(paths[1], errors);
    if (a && b) {
        fprintf(out, "A %s\nB %s\n", paths[0], paths[1]);
        warn_of_differences(json_object_get(a, "plan"), json_object_get(b, "plan"), out);
        compare_steps(json_object_get(a, "steps"), json_object_get(b, "steps"), out);
    }
    int status = a && b ? 0 : 2;
    json_decref(a);
    json_decref(b);
    return status;
}
