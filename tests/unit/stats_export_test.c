/* SPDX-License-Identifier: BSD-3-Clause */
/* The export is read back by a strict little reader of the Prometheus text format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/stats_export.h"
#include "include/counters.h"

#define SAMPLES_MAX 4096u

struct sample {
    char series[256]; /* name and labels as they stand */
    double value;
};

struct parsed {
    struct sample samples[SAMPLES_MAX];
    uint32_t count;
};

static const char *skip_name(const char *at)
{
    assert_true(isalpha((unsigned char)*at) || *at == '_');
    while (isalnum((unsigned char)*at) || *at == '_')
        at++;
    return at;
}

/* {name="value",...}: in a value, backslash only before \ " n, and no bare line end. */
static const char *skip_labels(const char *at)
{
    do {
        at = skip_name(at + 1);
        assert_memory_equal(at, "=\"", 2);
        for (at += 2; *at != '"'; at++) {
            assert_true(*at != '\0' && *at != '\n');
            if (*at == '\\') {
                at++;
                assert_true(*at == '\\' || *at == '"' || *at == 'n');
            }
        }
        at++;
    } while (*at == ',');
    assert_int_equal(*at, '}');
    return at + 1;
}

static bool belongs_to(const char *name, size_t bytes, const char *family, const char *type)
{
    if (strncmp(name, family, strlen(family)) != 0)
        return false;
    size_t left = bytes - strlen(family);
    const char *suffix = name + strlen(family);
    if (strcmp(type, "histogram") != 0)
        return left == 0;
    return (left == 7 && memcmp(suffix, "_bucket", 7) == 0) ||
           (left == 4 && memcmp(suffix, "_sum", 4) == 0) ||
           (left == 6 && memcmp(suffix, "_count", 6) == 0);
}

/* Fails the test at the first line that a scraper would refuse. */
static struct parsed *parse(const char *text)
{
    struct parsed *parsed = calloc(1, sizeof(*parsed));
    char family[128] = "", type[16] = "", seen[200][128];
    uint32_t seen_count = 0;
    while (*text) {
        const char *end = strchr(text, '\n');
        assert_non_null(end); /* the last line ends too */
        if (strncmp(text, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(text, "# HELP %127s", family), 1);
            for (uint32_t i = 0; i < seen_count; i++)
                assert_string_not_equal(seen[i], family); /* one family, one place */
            assert_true(seen_count < 200);
            memcpy(seen[seen_count++], family, sizeof(family));
        } else if (strncmp(text, "# TYPE ", 7) == 0) {
            char name[128];
            assert_int_equal(sscanf(text, "# TYPE %127s %15s", name, type), 2);
            assert_string_equal(name, family);
        } else {
            const char *after = skip_name(text);
            assert_true(belongs_to(text, (size_t)(after - text), family, type));
            if (*after == '{')
                after = skip_labels(after);
            assert_int_equal(*after, ' ');
            assert_true(parsed->count < SAMPLES_MAX);
            struct sample *sample = &parsed->samples[parsed->count++];
            assert_true((size_t)(after - text) < sizeof(sample->series));
            memcpy(sample->series, text, (size_t)(after - text));
            char *number_end;
            sample->value = strtod(after + 1, &number_end);
            assert_ptr_equal(number_end, end);
            for (uint32_t i = 0; i + 1 < parsed->count; i++)
                assert_string_not_equal(parsed->samples[i].series, sample->series);
        }
        text = end + 1;
    }
    return parsed;
}

static double value_of(const struct parsed *parsed, const char *series)
{
    for (uint32_t i = 0; i < parsed->count; i++)
        if (strcmp(parsed->samples[i].series, series) == 0)
            return parsed->samples[i].value;
    return -1;
}

static struct parsed *export_all(const struct stats_source *sources, uint32_t count)
{
    struct text_buffer text = {0};
    stats_export(&text, sources, count);
    assert_false(text.is_cut);
    struct parsed *parsed = parse(text.bytes);
    text_buffer_clear(&text);
    return parsed;
}

static struct counters *worker0, *worker1;

static int register_workers(void **state)
{
    (void)state;
    worker0 = counters_register("worker0");
    worker1 = counters_register("worker1");
    return worker0 && worker1 ? 0 : -1;
}

static void counters_are_exported_per_thread(void **state)
{
    (void)state;
    count_many(worker0, COUNTER_CACHE_HITS, 12345678901234);
    count(worker1, COUNTER_CACHE_HITS);
    struct counters *again = counters_register("worker1"); /* merged: no series may come twice */
    count_many(again, COUNTER_CACHE_HITS, 5);
    struct parsed *parsed = export_all(NULL, 0);
    assert_true(value_of(parsed, "gannet_cache_hits_total{thread=\"worker0\"}") == 12345678901234);
    assert_true(value_of(parsed, "gannet_cache_hits_total{thread=\"worker1\"}") == 6);
    assert_true(value_of(parsed, "gannet_cache_misses_total{thread=\"worker0\"}") == 0);
    free(parsed);
}

static void drops_are_summed_by_reason(void **state)
{
    (void)state;
    count_drop(worker0, DROP_TCP_MALFORMED);
    count_drop(worker1, DROP_TCP_MALFORMED);
    struct parsed *parsed = export_all(NULL, 0);
    assert_true(value_of(parsed, "gannet_drops_total{reason=\"TCP_MALFORMED\"}") == 2);
    assert_true(value_of(parsed, "gannet_drops_total{reason=\"NONE\"}") == -1);
    free(parsed);
}

static void requests_are_counted_by_route_and_status(void **state)
{
    (void)state;
    count_request(worker0, REQUEST_ROUTE_value, 200);
    count_request(worker1, REQUEST_ROUTE_value, 200);
    count_request(worker1, REQUEST_ROUTE_value, 507);
    count_request(worker0, REQUEST_ROUTE_refused, 299); /* not in the list */
    struct parsed *parsed = export_all(NULL, 0);
    assert_true(value_of(parsed, "gannet_requests_total{route=\"value\",status=\"200\"}") == 2);
    assert_true(value_of(parsed, "gannet_requests_total{route=\"value\",status=\"507\"}") == 1);
    assert_true(value_of(parsed, "gannet_requests_total{route=\"refused\",status=\"other\"}") == 1);
    assert_true(value_of(parsed, "gannet_requests_total{route=\"echo\",status=\"200\"}") == -1);
    free(parsed);
}

static void histograms_are_cumulative_and_exact_at_their_bounds(void **state)
{
    (void)state;
    static const uint64_t recorded_ns[] = {0,      1023,    1024,    1500,
                                           999999, 1048575, 1048576, UINT64_C(20000000000)};
    for (size_t i = 0; i < ARRAY_COUNT(recorded_ns); i++)
        histogram_record(i % 2 ? worker0 : worker1, HISTOGRAM_REQUEST_NS, recorded_ns[i]);
    struct parsed *parsed = export_all(NULL, 0);
    double last = 0;
    uint32_t bucket_count = 0;
    for (uint32_t i = 0; i < parsed->count; i++) {
        double bound;
        if (sscanf(parsed->samples[i].series, "gannet_request_seconds_bucket{le=\"%lf\"}",
                   &bound) != 1)
            continue;
        uint64_t expected = 0;
        for (size_t n = 0; n < ARRAY_COUNT(recorded_ns); n++)
            expected += (double)recorded_ns[n] <= bound * 1e9 + 0.25;
        assert_true(parsed->samples[i].value == (double)expected);
        assert_true(bound > last || bucket_count == 0);
        last = bound;
        bucket_count++;
    }
    assert_int_equal(bucket_count, 25); /* 24 bounds and +Inf */
    assert_true(value_of(parsed, "gannet_request_seconds_bucket{le=\"+Inf\"}") == 8);
    assert_true(value_of(parsed, "gannet_request_seconds_bucket{le=\"0.000001023\"}") == 2);
    assert_true(value_of(parsed, "gannet_request_seconds_count") == 8);
    double sum = value_of(parsed, "gannet_request_seconds_sum");
    assert_true(sum > 20.003 && sum < 20.0032);
    assert_true(value_of(parsed, "gannet_commit_seconds_count") == 0);
    free(parsed);
}

static void windows_are_shown_in_bytes(void **state)
{
    (void)state;
    histogram_record(worker0, HISTOGRAM_TCP_WINDOW_AT_LOSS_BYTES, 14600);
    histogram_record(worker1, HISTOGRAM_TCP_WINDOW_AT_LOSS_BYTES, 1460);
    struct parsed *parsed = export_all(NULL, 0);
    static const char family[] = "gannet_tcp_window_at_loss_bytes";
    char series[100];
    static const struct {
        const char *rest;
        double value;
    } expected[] = {{"_bucket{le=\"1023\"}", 0},
                    {"_bucket{le=\"2047\"}", 1},
                    {"_bucket{le=\"16383\"}", 2},
                    {"_bucket{le=\"+Inf\"}", 2},
                    {"_count", 2},
                    {"_sum", 16060}};
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        snprintf(series, sizeof(series), "%s%s", family, expected[i].rest);
        assert_true(value_of(parsed, series) == expected[i].value);
    }
    free(parsed);
}

static void write_awkward(void *context, struct text_buffer *text, const char *name)
{
    const struct stats_label label = {"path", "a\"b\\c\nd"};
    stats_sample(text, name, &label, 1, *(uint64_t *)context);
    stats_sample(text, name, NULL, 0, 7);
}

static void sources_are_added_and_labels_escaped(void **state)
{
    (void)state;
    uint64_t value = 42;
    const struct stats_source source = {
        .name = "gannet_awkward", .help = "a\\b\nc", .write = write_awkward, .context = &value};
    struct parsed *parsed = export_all(&source, 1);
    assert_true(value_of(parsed, "gannet_awkward{path=\"a\\\"b\\\\c\\nd\"}") == 42);
    assert_true(value_of(parsed, "gannet_awkward") == 7);
    free(parsed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_are_exported_per_thread),
        cmocka_unit_test(drops_are_summed_by_reason),
        cmocka_unit_test(requests_are_counted_by_route_and_status),
        cmocka_unit_test(histograms_are_cumulative_and_exact_at_their_bounds),
        cmocka_unit_test(windows_are_shown_in_bytes),
        cmocka_unit_test(sources_are_added_and_labels_escaped),
    };
    return cmocka_run_group_tests(tests, register_workers, NULL);
}
