/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/plan.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/compiler.h"
#include "tests/bench/generator/plan_option.h"

#define OPTIONS_MAX 64u
#define FIRST_ID 256 /* getopt's values below are letters */
#define NAME_BYTES 24u

struct reading {
    struct plan *plan;
    uint8_t mode; /* PLAN_FOR_... */
    bool is_given[OPTIONS_MAX];
    char *error;
    size_t error_bytes;
};

PRINTF_LIKE(2, 3) static enum plan_verdict bad(struct reading *reading, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reading->error, reading->error_bytes, format, arguments);
    va_end(arguments);
    return PLAN_BAD;
}

static bool is_given(const struct reading *reading, const char *name)
{
    for (size_t i = 0; i < plan_option_count; i++)
        if (reading->is_given[i] && strcmp(plan_options[i].name, name) == 0)
            return true;
    return false;
}

/* ---- unknown options ---- */

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance, on names shorter than NAME_BYTES. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NAME_BYTES], a_length = strlen(a), b_length = strlen(b);
    if (a_length >= NAME_BYTES || b_length >= NAME_BYTES)
        return NAME_BYTES;
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t above = row[j];
            row[j] = smallest(row[j - 1] + 1, above + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_length];
}

static enum plan_verdict unknown_option(struct reading *reading, const char *word)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    const char *nearest = NULL;
    size_t least = 4; /* more than three changes is another word */
    for (size_t i = 0; i < plan_option_count && strncmp(name, "--", 2) == 0; i++) {
        size_t distance = edit_distance(name + 2, plan_options[i].name);
        bool is_start = name[2] && strncmp(plan_options[i].name, name + 2, strlen(name + 2)) == 0;
        if (is_start && distance > 3)
            distance = 3;
        if (distance == 0)
            return bad(reading, "%s is only for gannet-bench %s", name,
                       reading->mode == PLAN_FOR_RUN ? "responder" : "without responder");
        if ((plan_options[i].modes & reading->mode) && distance < least) {
            nearest = plan_options[i].name;
            least = distance;
        }
    }
    if (nearest)
        return bad(reading, "there is no option %s; did you mean --%s?", name, nearest);
    return bad(reading, "there is no option %s; see gannet-bench --help", name);
}

/* ---- options ---- */

static size_t list_options(uint8_t mode, struct option *list)
{
    size_t count = 0;
    for (size_t i = 0; i < plan_option_count; i++)
        if (plan_options[i].modes & mode)
            list[count++] = (struct option){
                plan_options[i].name,
                plan_options[i].argument ? required_argument : no_argument,
                NULL,
                FIRST_ID + (int)i,
            };
    list[count++] = (struct option){"help", no_argument, NULL, 'h'};
    list[count++] = (struct option){"version", no_argument, NULL, 'V'};
    return count;
}

static enum plan_verdict take_option(struct reading *reading, size_t which, const char *text)
{
    const struct plan_option *option = &plan_options[which];
    if (reading->is_given[which] && option->type != PLAN_HEADER)
        return bad(reading, "--%s is given twice", option->name);
    reading->is_given[which] = true;
    if (plan_option_set(option, text, reading->plan))
        return PLAN_GOOD;
    char allowed[160];
    plan_option_allowed(option, allowed, sizeof(allowed));
    return bad(reading, "--%s %.200s: allowed %s", option->name, text, allowed);
}

/* getopt's complaint: which word was it, and why? */
static enum plan_verdict bad_option(struct reading *reading, int letter, const char *word)
{
    if (optopt >= FIRST_ID && letter == ':')
        return bad(reading, "--%s needs a value: %s", plan_options[optopt - FIRST_ID].name,
                   plan_options[optopt - FIRST_ID].argument);
    if (optopt >= FIRST_ID)
        return bad(reading, "--%s takes no value", plan_options[optopt - FIRST_ID].name);
    if (optopt == 'h' || optopt == 'V')
        return bad(reading, "--%s takes no value", optopt == 'h' ? "help" : "version");
    return unknown_option(reading, word);
}

static enum plan_verdict read_options(struct reading *reading, int argc, char **argv)
{
    struct option list[OPTIONS_MAX + 3] = {0};
    ASSERT(plan_option_count < OPTIONS_MAX);
    list_options(reading->mode, list);
    opterr = 0;
    optind = 0; /* glibc: forget an earlier command line */
    for (;;) {
        int before = optind ? optind : 1;
        int letter = getopt_long(argc, argv, "+:h", list, NULL);
        if (letter == -1)
            break;
        enum plan_verdict verdict = letter == 'h'   ? PLAN_HELP
                                    : letter == 'V' ? PLAN_VERSION
                                                    : PLAN_GOOD;
        if (letter >= FIRST_ID)
            verdict = take_option(reading, (size_t)(letter - FIRST_ID), optarg ? optarg : "");
        else if (letter == '?' || letter == ':')
            verdict = bad_option(reading, letter, argv[before]);
        if (verdict != PLAN_GOOD)
            return verdict;
    }
    if (optind < argc)
        return bad(reading, "%.200s is not an option; see gannet-bench --help", argv[optind]);
    return PLAN_GOOD;
}

static void set_fallbacks(struct reading *reading)
{
    reading->plan->headers = reading->plan->header_text;
    reading->plan->has_huge_pages = true;
    for (size_t i = 0; i < plan_option_count; i++) {
        const struct plan_option *option = &plan_options[i];
        if ((option->modes & reading->mode) && option->fallback) {
            bool is_set = plan_option_set(option, option->fallback, reading->plan);
            ASSERT(is_set);
        }
    }
}

bool plan_verifies_checksums(const struct plan *plan)
{
    static const char *const shared[] = {"net_memif", "net_vhost", "virtio_user",
                                         "net_virtio_user"};
    for (size_t i = 0; i < ARRAY_COUNT(shared) && plan->device && !plan->checks_checksums; i++)
        if (strncmp(plan->device, shared[i], strlen(shared[i])) == 0)
            return false;
    return true;
}

/* ---- what does not go together ---- */

static uint32_t host_order(const uint8_t address[4])
{
    uint32_t bytes;
    memcpy(&bytes, address, sizeof(bytes));
    return ntohl(bytes);
}

static enum plan_verdict check_addresses(struct reading *reading)
{
    const struct plan *plan = reading->plan;
    uint32_t needed =
        (plan->connections + PLAN_CONNECTIONS_PER_ADDRESS - 1) / PLAN_CONNECTIONS_PER_ADDRESS;
    uint32_t count = plan->address_count ? plan->address_count : needed;
    if (count < needed)
        return bad(reading, "--addresses %u: %u connections need %u (60000 each)", count,
                   plan->connections, needed);
    count += plan->newcomers_per_s > 0; /* they have one of their own */
    uint32_t mask = UINT32_MAX << (32 - plan->prefix_bits);
    uint32_t local = host_order(plan->local), remote = host_order(plan->remote);
    if ((local & mask) != (remote & mask))
        return bad(reading, "--remote is not on the link of --local: the first %u bits differ",
                   plan->prefix_bits);
    uint32_t host = local & ~mask;
    if (host == 0 || host + count - 1 >= ~mask)
        return bad(reading, "--local: %u addresses from there do not fit into its /%u", count,
                   plan->prefix_bits);
    if (remote >= local && remote - local < count)
        return bad(reading,
                   "--local: %u addresses from there reach --remote; start above the server's",
                   count);
    return PLAN_GOOD;
}

static enum plan_verdict check_active(struct reading *reading)
{
    const struct plan *plan = reading->plan;
    if (plan->mode == PLAN_OPEN_LOOP)
        return bad(reading, "--active with --rate: an open loop has as many as are due");
    if (plan->closes)
        return bad(reading, "--active with --close: no connection is ever idle");
    if (plan->pipeline_depth > 1)
        return bad(reading, "--active with --depth %u: one request at a time on a connection",
                   plan->pipeline_depth);
    if (plan->active > plan->connections)
        return bad(reading, "--active %u: more than the %u connections", plan->active,
                   plan->connections);
    return PLAN_GOOD;
}

static enum plan_verdict check_load(struct reading *reading)
{
    const struct plan *plan = reading->plan;
    bool is_open = plan->mode == PLAN_OPEN_LOOP;
    if (plan->core_count > 1)
        return bad(reading,
                   "--cores: %u given, but one core asks: the port chooses which core an answer "
                   "reaches, and not by who asked; run one gannet-bench per port",
                   plan->core_count);
    if (is_open && is_given(reading, "depth"))
        return bad(reading, "--rate with --depth: requests that fall due do not wait for others; "
                            "leave one of them out");
    if (!is_open && is_given(reading, "arrivals"))
        return bad(reading, "--arrivals without --rate: a closed loop has no due times");
    if (plan->newcomers_per_s > 0 && plan->closes)
        return bad(reading, "--newcomers with --close: all of them are newcomers then");
    if (plan->active > 0 && check_active(reading) != PLAN_GOOD)
        return PLAN_BAD;
    if (plan->closes && plan->pipeline_depth > 1)
        return bad(reading, "--close with --depth %u: a connection carries one request",
                   plan->pipeline_depth);
    return check_addresses(reading);
}

static uint32_t digits_of(uint64_t number)
{
    uint32_t count = 1;
    while (number >= 10) {
        number /= 10;
        count++;
    }
    return count;
}

static enum plan_verdict check_keys(struct reading *reading)
{
    const struct plan *plan = reading->plan;
    if (plan->namespace_name && is_given(reading, "path"))
        return bad(reading, "--namespace with --path: the namespace makes the path");
    if (plan->namespace_name && strchr(plan->namespace_name, '/'))
        return bad(reading, "--namespace %s: a name has no /", plan->namespace_name);
    bool has_key = plan->namespace_name || strstr(plan->path, "{key}");
    static const char *const about_keys[] = {"keys", "key-bytes", "popularity", "load",
                                             "check-body"};
    for (size_t i = 0; i < ARRAY_COUNT(about_keys); i++)
        if (!has_key && is_given(reading, about_keys[i]))
            return bad(reading, "--%s needs {key} in --path, or --namespace", about_keys[i]);
    if (digits_of(plan->keys - 1) > plan->key_bytes)
        return bad(reading, "--key-bytes %u: %ju keys need %u digits", plan->key_bytes,
                   (uintmax_t)plan->keys, digits_of(plan->keys - 1));
    if (plan->popularity == PLAN_HOT_SET && plan->hot_keys >= plan->keys)
        return bad(reading, "--popularity hot=%ju: must be fewer than --keys %ju",
                   (uintmax_t)plan->hot_keys, (uintmax_t)plan->keys);
    if (plan->checks_body && plan->expected_bytes != UINT64_MAX &&
        plan->expected_bytes != plan->value_bytes)
        return bad(reading, "--check-body with --expect-bytes %ju: values have %u bytes",
                   (uintmax_t)plan->expected_bytes, plan->value_bytes);
    return PLAN_GOOD;
}

static enum plan_verdict check_plan(struct reading *reading)
{
    if (!reading->plan->device)
        return bad(reading, "--device is missing; see gannet-bench --help");
    if (reading->mode != PLAN_FOR_RUN)
        return PLAN_GOOD;
    enum plan_verdict verdict = check_load(reading);
    return verdict == PLAN_GOOD ? check_keys(reading) : verdict;
}

/* ---- the whole ---- */

static enum plan_verdict read_compare(struct reading *reading, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return PLAN_HELP;
        if (argv[i][0] == '-')
            return bad(reading, "compare: there is no option %.200s", argv[i]);
    }
    if (argc != 3)
        return bad(reading, "compare takes two result files, written with --json");
    reading->plan->compare[0] = argv[1];
    reading->plan->compare[1] = argv[2];
    return PLAN_GOOD;
}

enum plan_verdict plan_read(int argc, char **argv, struct plan *plan, char *error,
                            size_t error_bytes)
{
    struct reading reading = {
        .plan = plan, .mode = PLAN_FOR_RUN, .error = error, .error_bytes = error_bytes};
    memset(plan, 0, sizeof(*plan));
    if (argc > 1 && strcmp(argv[1], "compare") == 0) {
        plan->mode = PLAN_COMPARE;
        return read_compare(&reading, argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "responder") == 0) {
        plan->mode = PLAN_RESPONDER;
        reading.mode = PLAN_FOR_RESPONDER;
        argc--;
        argv++;
    }
    set_fallbacks(&reading);
    enum plan_verdict verdict = read_options(&reading, argc, argv);
    if (verdict != PLAN_GOOD)
        return verdict;
    if (plan->rate_count > 0)
        plan->mode = PLAN_OPEN_LOOP;
    return check_plan(&reading);
}

int plan_parse(int argc, char **argv, struct plan *plan)
{
    char error[512] = "";
    switch (plan_read(argc, argv, plan, error, sizeof(error))) {
    case PLAN_GOOD:
        return 0;
    case PLAN_HELP:
        plan_print_help(stdout);
        return 1;
    case PLAN_VERSION:
        printf("gannet-bench %s\n", GANNET_VERSION);
        return 1;
    case PLAN_BAD:
        fprintf(stderr, "gannet-bench: %s\n", error);
        return 2;
    }
    UNREACHABLE();
}

static void print_option(FILE *out, const struct plan_option *option)
{
    char head[64], allowed[160] = "";
    if (option->group)
        fprintf(out, "\n%s\n", option->group);
    snprintf(head, sizeof(head), "--%s%s%s", option->name, option->argument ? " " : "",
             option->argument ? option->argument : "");
    fprintf(out, "  %-28s%s%s\n", head, option->sentence,
            option->modes == PLAN_FOR_RESPONDER ? " (responder only)" : "");
    if (!option->argument)
        return;
    plan_option_allowed(option, allowed, sizeof(allowed));
    fprintf(out, "  %-28s  %s", "", allowed);
    if (option->fallback)
        fprintf(out, "; default %s", option->fallback);
    fputs("\n", out);
}

void plan_print_help(FILE *out)
{
    fputs("gannet-bench puts load on an HTTP server, past the kernel's network.\n"
          "\n"
          "  gannet-bench --device DEVICE [OPTION...]            closed loop, or open loop by "
          "--rate\n"
          "  gannet-bench responder --device DEVICE [OPTION...]  answers without a server: the "
          "ceiling\n"
          "  gannet-bench compare A.json B.json                  two results, figure by figure\n"
          "\n"
          "Numbers may end in k, M or G, times in ns, us, ms, s, m or h, sizes in KiB or MiB.\n",
          out);
    for (size_t i = 0; i < plan_option_count; i++)
        print_option(out, &plan_options[i]);
    fputs("\nExit status: 0 good, 1 errors in the answers or no run that counts, 2 wrong usage or "
          "no start.\n",
          out);
}
