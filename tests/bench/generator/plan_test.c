/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/compiler.h"
#include "tests/bench/generator/plan_option.h"
#include "tests/bench/generator/plan_value.h"

#define WORDS_MAX 48

static enum plan_verdict read_line(const char *line, struct plan *plan, char *error)
{
    static char copy[4096]; /* the plan points into it */
    char *words[WORDS_MAX + 2] = {copy}, *rest = copy;
    int count = 0;
    snprintf(copy, sizeof(copy), "gannet-bench|%s", line);
    while (rest && count < WORDS_MAX)
        words[count++] = strsep(&rest, "|");
    words[count] = NULL;
    if (*line == '\0')
        count = 1;
    error[0] = '\0';
    return plan_read(count, words, plan, error, 512);
}

static void bad_lines_say_what_is_wrong_and_what_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *line, *error;
    } cases[] = {
        {"", "--device is missing; see gannet-bench --help"},
        {"--device|d|--rate|12x", "--rate 12x: allowed 1..100000000 requests per second"},
        {"--device|d|--rate|0", "--rate 0: allowed 1..100000000 requests per second"},
        {"--device|d|--rate|1,", "--rate 1,: allowed 1..100000000 requests per second"},
        {"--device|d|--rate|,1", "--rate ,1: allowed 1..100000000 requests per second"},
        {"--device|d|--rate|1:2", "--rate 1:2: allowed 1..100000000 requests per second"},
        {"--device|d|--rate|5:0:9", "--rate 5:0:9: allowed 1..100000000 requests per second"},
        {"--device|d|--rate|9:1:5", "--rate 9:1:5: allowed 1..100000000 requests per second"},
        {"--device|d|--rate|1:1:33", "--rate 1:1:33: allowed 1..100000000 requests per second"},
        {"--device|d|--rate|101M", "--rate 101M: allowed 1..100000000 requests per second"},
        {"--connections|0", "--connections 0: allowed 1..1048576 connections"},
        {"--connections|-1", "--connections -1: allowed 1..1048576 connections"},
        {"--connections|", "--connections : allowed 1..1048576 connections"},
        {"--duration|1ns", "--duration 1ns: allowed 10ms..86400s"},
        {"--duration|1.0000000001s", "--duration 1.0000000001s: allowed 10ms..86400s"},
        {"--port|1", "--port is only for gannet-bench responder"},
        {"--conections|4", "there is no option --conections; did you mean --connections?"},
        {"--raet=4", "there is no option --raet; did you mean --rate?"},
        {"--ke|4", "there is no option --ke; did you mean --keys?"},
        {"--frobnicate", "there is no option --frobnicate; see gannet-bench --help"},
        {"-x", "there is no option -x; see gannet-bench --help"},
        {"--depth", "--depth needs a value: COUNT"},
        {"--close=1", "--close takes no value"},
        {"--help=1", "--help takes no value"},
        {"--keys|1|--keys|2", "--keys is given twice"},
        {"--device|d|stray", "stray is not an option; see gannet-bench --help"},
        {"--mix|put=10,put=1",
         "--mix put=10,put=1: allowed put=PERCENT,delete=PERCENT, one decimal, at most 100 "
         "together"},
        {"--mix|put=99,delete=1.1",
         "--mix put=99,delete=1.1: allowed put=PERCENT,delete=PERCENT, one decimal, at most 100 "
         "together"},
        {"--mix|put=0.05",
         "--mix put=0.05: allowed put=PERCENT,delete=PERCENT, one decimal, at most 100 together"},
        {"--popularity|zipf=1.6",
         "--popularity zipf=1.6: allowed uniform, zipf=0.5..1.5 or hot=KEYS:PERCENT"},
        {"--popularity|zipf=nan",
         "--popularity zipf=nan: allowed uniform, zipf=0.5..1.5 or hot=KEYS:PERCENT"},
        {"--cores|1,1", "--cores 1,1: allowed up to 8 different cores of 0..254: 2 or 2,4 or 2-5"},
        {"--cores|0-8", "--cores 0-8: allowed up to 8 different cores of 0..254: 2 or 2,4 or 2-5"},
        {"--local|192.0.2.1", "--local 192.0.2.1: allowed an IPv4 address and 8..30 bits"},
        {"--remote|192.0.2.1:0",
         "--remote 192.0.2.1:0: allowed an IPv4 address and a port of 1..65535"},
        {"--remote|192.0.2.1.5:1",
         "--remote 192.0.2.1.5:1: allowed an IPv4 address and a port of 1..65535"},
        {"--path|x", "--path x: allowed a path that starts with /, without blanks"},
        {"--path|/a b", "--path /a b: allowed a path that starts with /, without blanks"},
        {"--header|nocolon", "--header nocolon: allowed 'Name: value', 2047 bytes in all"},
        {"--header|a:\r\nb", "--header a:\r\nb: allowed 'Name: value', 2047 bytes in all"},
        {"--expect-status|99", "--expect-status 99: allowed 2xx or 100..599"},
        {"responder|--device|d|--rate|1", "--rate is only for gannet-bench without responder"},
        {"compare|a.json", "compare takes two result files, written with --json"},
        {"compare|a|b|c", "compare takes two result files, written with --json"},
        {"compare|--quick|b", "compare: there is no option --quick"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct plan plan;
        char error[512];
        if (read_line(cases[i].line, &plan, error) != PLAN_BAD)
            fail_msg("%s: accepted", cases[i].line);
        if (strcmp(error, cases[i].error) != 0)
            fail_msg("%s: %s", cases[i].line, error);
    }
}

static void what_does_not_go_together_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *error; /* its start */
    } cases[] = {
        {"--rate|1|--depth|2", "--rate with --depth:"},
        {"--arrivals|constant", "--arrivals without --rate:"},
        {"--active|2|--rate|1", "--active with --rate:"},
        {"--active|2|--close", "--active with --close:"},
        {"--active|2|--depth|2", "--active with --depth 2:"},
        {"--connections|4|--active|5", "--active 5: more than the 4 connections"},
        {"--close|--depth|2", "--close with --depth 2:"},
        {"--cores|0,1", "--cores: 2 given, but one core asks"},
        {"--connections|60001|--addresses|1", "--addresses 1: 60001 connections need 2"},
        {"--connections|60001", "--local: 2 addresses from there reach --remote"},
        {"--local|192.0.2.254/24|--connections|60001", "--local: 2 addresses from there do not"},
        {"--local|192.0.2.0/24", "--local: 1 addresses from there do not fit"},
        {"--local|10.0.0.1/8", "--remote is not on the link of --local: the first 8 bits"},
        {"--namespace|n|--path|/{key}", "--namespace with --path:"},
        {"--namespace|a/b", "--namespace a/b: a name has no /"},
        {"--keys|2", "--keys needs {key} in --path, or --namespace"},
        {"--load", "--load needs {key} in --path, or --namespace"},
        {"--path|/k|--popularity|zipf=0.99", "--popularity needs {key}"},
        {"--namespace|n|--keys|1001|--key-bytes|3", "--key-bytes 3: 1001 keys need 4 digits"},
        {"--namespace|n|--keys|10|--popularity|hot=10:90", "--popularity hot=10: must be fewer"},
        {"--namespace|n|--check-body|--expect-bytes|64", "--check-body with --expect-bytes 64:"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct plan plan;
        char line[256], error[512];
        snprintf(line, sizeof(line), "--device|d|%s", cases[i].line);
        if (read_line(line, &plan, error) != PLAN_BAD)
            fail_msg("%s: accepted", cases[i].line);
        if (strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
            fail_msg("%s: %s", cases[i].line, error);
    }
}

static void a_device_is_enough(void **state)
{
    (void)state;
    struct plan plan;
    char error[512];
    assert_int_equal(read_line("--device|net_memif0,role=client", &plan, error), PLAN_GOOD);
    assert_int_equal(plan.mode, PLAN_CLOSED_LOOP);
    assert_string_equal(plan.device, "net_memif0,role=client");
    assert_int_equal(plan.core_count, 1);
    assert_memory_equal(plan.remote, ((uint8_t[]){192, 0, 2, 2}), 4);
    assert_int_equal(plan.remote_port, 80);
    assert_int_equal(plan.connections, 64);
    assert_int_equal(plan.pipeline_depth, 1);
    assert_int_equal(plan.seconds_ns, 5000000000);
    assert_int_equal(plan.runs, 5);
    assert_true(plan.has_huge_pages);
    assert_string_equal(plan.headers, "");
    assert_string_equal(plan.path, "/");
    assert_int_equal(plan.expected_status, 0);
    assert_true(plan.expected_bytes == UINT64_MAX);
    assert_null(plan.json_path);
}

static void only_shared_memory_is_trusted_without_checksums(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool verifies;
    } rows[] = {
        {"--device|net_memif0,role=client", false},
        {"--device|net_vhost0,iface=/v", false},
        {"--device|virtio_user0,path=/v", false},
        {"--device|net_memif0,role=client|--check-checksums", true},
        {"--device|net_af_packet0,iface=c0", true},
        {"--device|0000:3b:00.0", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plan plan;
        char error[512];
        assert_int_equal(read_line(rows[i].line, &plan, error), PLAN_GOOD);
        assert_int_equal(plan_verifies_checksums(&plan), rows[i].verifies);
    }
}

static void every_kind_of_value_is_understood(void **state)
{
    (void)state;
    struct plan plan;
    char error[512];
    const char *line = "--device=d|--cores|5|--rate|100k,2.5M,3M:500k:4.2M|--arrivals|constant|"
                       "--warmup|1.5s|--no-huge|--namespace|n|--keys|10M|--popularity|hot=100:90.5|"
                       "--value-bytes|4KiB|--mix|put=10.5%,delete=1|--header|A: b|--header=C: d|"
                       "--expect-status|404";
    if (read_line(line, &plan, error) != PLAN_GOOD)
        fail_msg("%s", error);
    assert_int_equal(plan.mode, PLAN_OPEN_LOOP);
    assert_int_equal(plan.cores[0], 5);
    assert_int_equal(plan.rate_count, 5);
    assert_memory_equal(plan.rates_per_s,
                        ((uint64_t[]){100000, 2500000, 3000000, 3500000, 4000000}), 40);
    assert_int_equal(plan.arrivals, PLAN_CONSTANT);
    assert_int_equal(plan.warmup_ns, 1500000000);
    assert_false(plan.has_huge_pages);
    assert_int_equal(plan.keys, 10000000);
    assert_int_equal(plan.hot_permille, 905);
    assert_int_equal(plan.value_bytes, 4096);
    assert_int_equal(plan.put_permille, 105);
    assert_int_equal(plan.delete_permille, 10);
    assert_string_equal(plan.headers, "A: b\r\nC: d\r\n");
    assert_int_equal(plan.expected_status, 404);
}

static void the_other_commands_have_their_own_options(void **state)
{
    (void)state;
    struct plan plan;
    char error[512];
    assert_int_equal(
        read_line("responder|--device|d|--port|8080|--value-bytes|64|--cores|1,4-5", &plan, error),
        PLAN_GOOD);
    assert_int_equal(plan.core_count, 3);
    assert_memory_equal(plan.cores, ((uint8_t[]){1, 4, 5}), 3);
    assert_int_equal(plan.mode, PLAN_RESPONDER);
    assert_int_equal(plan.remote_port, 8080);
    assert_memory_equal(plan.local, ((uint8_t[]){192, 0, 2, 2}), 4);
    assert_int_equal(read_line("compare|a.json|b.json", &plan, error), PLAN_GOOD);
    assert_int_equal(plan.mode, PLAN_COMPARE);
    assert_string_equal(plan.compare[1], "b.json");
    assert_int_equal(read_line("--rate|x|--help", &plan, error), PLAN_BAD);
    assert_int_equal(read_line("-h", &plan, error), PLAN_HELP);
    assert_int_equal(read_line("compare|--help", &plan, error), PLAN_HELP);
    assert_int_equal(read_line("--version", &plan, error), PLAN_VERSION);
}

/* What plan_option_show writes is what plan_option_set reads: a result can be run again. */
static void every_option_is_shown_as_it_is_typed(void **state)
{
    (void)state;
    static const char *const values[][2] = {
        {"device", "d"},
        {"cores", "1,4,5"},
        {"local", "10.1.2.3/16"},
        {"remote", "10.1.2.4:8080"},
        {"port", "81"},
        {"addresses", "3"},
        {"mtu", "9000"},
        {"memory", "77"},
        {"no-huge", "true"},
        {"check-checksums", "true"},
        {"connections", "1000"},
        {"depth", "16"},
        {"active", "500"},
        {"rate", "100,200,300"},
        {"arrivals", "constant"},
        {"close", "true"},
        {"ramp", "5"},
        {"warmup", "1500ms"},
        {"duration", "86400s"},
        {"rest", "20us"},
        {"runs", "3"},
        {"timeout", "250ms"},
        {"seed", "99"},
        {"path", "/x{key}"},
        {"namespace", "n"},
        {"host", "h"},
        {"keys", "100000000"},
        {"popularity", "zipf=0.99"},
        {"key-bytes", "20"},
        {"value-bytes", "1024"},
        {"mix", "put=10.5,delete=1.0"},
        {"load", "true"},
        {"flood", "1000000"},
        {"newcomers", "2000"},
        {"expect-status", "204"},
        {"expect-bytes", "128"},
        {"check-body", "true"},
        {"time-gets", "true"},
        {"label", "a b"},
        {"json", "-"},
        {"quiet", "true"},
    };
    for (size_t i = 0; i < plan_option_count; i++) {
        struct plan plan = {.has_huge_pages = true};
        char text[PLAN_OPTION_TEXT_BYTES];
        size_t row = 0;
        if (plan_options[i].type == PLAN_HEADER)
            continue; /* shown with its line end */
        while (row < ARRAY_COUNT(values) && strcmp(values[row][0], plan_options[i].name) != 0)
            row++;
        if (row == ARRAY_COUNT(values))
            fail_msg("no value for --%s: add one", plan_options[i].name);
        assert_true(plan_option_set(&plan_options[i], values[row][1], &plan));
        plan_option_show(&plan_options[i], &plan, text, sizeof(text));
        assert_string_equal(text, values[row][1]);
    }
}

static void help_names_every_option(void **state)
{
    (void)state;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    plan_print_help(out);
    fclose(out);
    for (size_t i = 0; i < plan_option_count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "  --%s", plan_options[i].name);
        if (!strstr(text, name) || !strstr(text, plan_options[i].sentence))
            fail_msg("--%s is not in --help", plan_options[i].name);
    }
    free(text);
}

static void headers_beyond_their_room_are_refused(void **state)
{
    (void)state;
    struct plan plan = {.headers = plan.header_text};
    char text[PLAN_HEADERS_BYTES + 8] = "A: ";
    size_t i = 0;
    while (strcmp(plan_options[i].name, "header") != 0)
        i++;
    memset(text + 3, 'b', PLAN_HEADERS_BYTES - 3 - 2); /* with CR LF one byte too long */
    assert_false(plan_option_set(&plan_options[i], text, &plan));
    text[PLAN_HEADERS_BYTES - 3] = '\0';
    assert_true(plan_option_set(&plan_options[i], text, &plan));
    assert_int_equal(strlen(plan.headers), PLAN_HEADERS_BYTES - 1);
}

static void numbers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const struct value_unit *units;
        uint64_t value;
        bool is_good;
    } cases[] = {
        {"18446744073709551615", value_counts, UINT64_MAX, true},
        {"18446744073709551616", value_counts, 0, false},
        {"18446744073709551615k", value_counts, 0, false},
        {"0.001k", value_counts, 1, true},
        {"0.0001k", value_counts, 0, false},
        {"1.", value_counts, 0, false},
        {".5", value_counts, 0, false},
        {"1 k", value_counts, 0, false},
        {"1e3", value_counts, 0, false},
        {"+1", value_counts, 0, false},
        {"2.5", value_times, 2500000000, true},
        {"7us", value_times, 7000, true},
        {"1.5h", value_times, 5400000000000, true},
        {"1.5KiB", value_sizes, 1536, true},
        {"12.3%", value_permille, 123, true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t value = 0;
        if (value_read(cases[i].text, cases[i].units, &value) != cases[i].is_good ||
            (cases[i].is_good && value != cases[i].value))
            fail_msg("%s: %ju", cases[i].text, (uintmax_t)value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_lines_say_what_is_wrong_and_what_is_allowed),
        cmocka_unit_test(what_does_not_go_together_is_refused),
        cmocka_unit_test(a_device_is_enough),
        cmocka_unit_test(only_shared_memory_is_trusted_without_checksums),
        cmocka_unit_test(every_kind_of_value_is_understood),
        cmocka_unit_test(the_other_commands_have_their_own_options),
        cmocka_unit_test(every_option_is_shown_as_it_is_typed),
        cmocka_unit_test(help_names_every_option),
        cmocka_unit_test(headers_beyond_their_room_are_refused),
        cmocka_unit_test(numbers_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
