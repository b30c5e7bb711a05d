/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/config_file.h"
#include "control/config_keys.h"
#include "control/config_plan.h"
#include "include/compiler.h"
#include "include/log.h"

#define BROKEN_CONFIGS SOURCE_ROOT "/tests/system/check_configs"
#define BROKEN_CONFIGS_MIN 40
#define PROFILES SOURCE_ROOT "/hw-configs"
#define REFERENCE_BEGIN "<!-- key reference: begin"
#define REFERENCE_END "<!-- key reference: end -->"

static struct server_config config;
static struct config_errors errors;

static char *errors_text(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    config_errors_print(file, &errors);
    fclose(file);
    return text;
}

static char *file_text(const char *path)
{
    char *text = calloc(1, 65536);
    FILE *file = fopen(path, "r");
    if (file) {
        size_t got = fread(text, 1, 65535, file);
        text[got] = '\0';
        fclose(file);
    }
    return text;
}

/* A file in the working directory, which main() made for this run. */
static const char *written(const char *name, const char *text, size_t bytes)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    fclose(file);
    return name;
}

static int read_text(const char *text)
{
    return config_read(written("case.yaml", text, strlen(text)), &config, &errors);
}

static void expect_good(int result)
{
    if (result == 0)
        return;
    char *text = errors_text();
    fail_msg("refused:\n%s", text);
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_bytes = strlen(text), end_bytes = strlen(end);
    return text_bytes >= end_bytes && strcmp(text + text_bytes - end_bytes, end) == 0;
}

/* NAME.yaml and NAME.expected lie side by side; --accept writes what is said now. */
static bool accepts_new_messages;

static bool check_broken_config(const char *name)
{
    char expected_path[512];
    snprintf(expected_path, sizeof(expected_path), "%.*s.expected", (int)(strlen(name) - 5), name);
    int result = config_read(name, &config, &errors);
    char *got = errors_text();
    if (accepts_new_messages) {
        FILE *file = fopen(expected_path, "w");
        fputs(got, file);
        fclose(file);
    }
    char *expected = file_text(expected_path);
    bool is_same = result == -EINVAL && strcmp(got, expected) == 0;
    if (!is_same)
        print_error("%s: result %d\n--- expected\n%s--- said\n%s", name, result, expected, got);
    free(got);
    free(expected);
    return is_same;
}

static void every_broken_config_is_refused_with_its_exact_messages(void **state)
{
    (void)state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(BROKEN_CONFIGS), 0); /* messages name files as they were given */
    DIR *folder = opendir(".");
    assert_non_null(folder);
    uint32_t seen = 0, wrong = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (!ends_with(entry->d_name, ".yaml"))
            continue;
        seen++;
        wrong += !check_broken_config(entry->d_name);
    }
    closedir(folder);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(wrong, 0);
    assert_true(seen >= BROKEN_CONFIGS_MIN);
}

static void an_including_file_overrides_key_by_key(void **state)
{
    (void)state;
    static const char hardware[] = "ports:\n"
                                   "  - device: net_tap0\n"
                                   "    mtu: 9000\n"
                                   "    ipv4: 10.0.0.5/24\n"
                                   "    gateway: 10.0.0.1\n"
                                   "workers:\n"
                                   "  cores: 1-3,6\n"
                                   "  poll: busy\n";
    static const char service[] = "workers:\n"
                                  "  poll: adaptive\n"
                                  "ports:\n"
                                  "  - ipv4: 192.0.2.7/28\n"
                                  "    gateway: none\n"
                                  "include: hardware.yaml\n"
                                  "listeners:\n"
                                  "  - port: 80\n"
                                  "namespaces:\n"
                                  "  - name: demo\n";
    written("hardware.yaml", hardware, strlen(hardware));
    expect_good(config_read(written("service.yaml", service, strlen(service)), &config, &errors));
    assert_int_equal(config.ports_count, 1);
    assert_string_equal(config.ports[0].device, "net_tap0");
    assert_int_equal(config.ports[0].mtu, 9000);
    assert_string_equal(config.ports[0].ipv4, "192.0.2.7/28");
    assert_string_equal(config.ports[0].gateway, "");
    assert_int_equal(config.workers.poll, CONFIG_POLL_ADAPTIVE);
    assert_int_equal(config.workers.cores.core_count, 4);
    assert_int_equal(config.workers.cores.cores[3], 6);
    assert_int_equal(config_check_complete("service.yaml", &config, &errors), 0);
}

static void a_hardware_part_alone_is_good_but_not_enough_to_serve(void **state)
{
    (void)state;
    expect_good(read_text("ports:\n  - device: net_tap0\n"));
    assert_int_equal(config_check_complete("hw.yaml", &config, &errors), -EINVAL);
    assert_int_equal(errors.count, 3);
    assert_string_equal(errors.lines[0], "hw.yaml: ports[0] has no address; set ipv4 or ipv6");
    assert_string_equal(errors.lines[1],
                        "hw.yaml: no listener; add \"listeners:\" with \"- port: 80\"");
    assert_string_equal(errors.lines[2], "hw.yaml: nothing to serve; add namespaces: or routes:");
}

static void defaults_are_those_of_the_records(void **state)
{
    (void)state;
    config_defaults(&config);
    assert_true(config.workers.cores.is_auto);
    assert_int_equal(config.workers.rx_burst, 64);
    assert_int_equal(config.workers.poll, CONFIG_POLL_ADAPTIVE);
    assert_false(config.control.cores.is_auto);
    assert_true(config.tcp.sack);
    assert_string_equal(config.store.directory, "var/data");
    assert_int_equal(config.ports_count, 0);
    expect_good(read_text("listeners:\n  - {}\n"));
    assert_int_equal(config.listeners[0].port, 80);
}

static void what_is_printed_reads_back_to_the_same_configuration(void **state)
{
    (void)state;
    static struct server_config again;
    expect_good(read_text(
        "workers: {cores: \"0-3,6,9-10\", rx_burst: 7, poll: busy}\n"
        "tcp: {sack: false, congestion: newreno}\n"
        "store: {directory: \"/a \\\"quoted\\\" \\\\ path \\u00e9\"}\n"
        "ports:\n"
        "  - {device: \"net_tap0,iface=x\", ipv4: 10.0.0.5/8, gateway: 10.0.0.1}\n"
        "  - {device: 0000:3b:00.0, ipv6: 2001:db8::5/64, gateway6: fe80::1, gateway: none}\n"
        "namespaces: [{name: a}, {name: b, ttl_s: 60}]\n"
        "routes: [{path: /echo, backend: echo}]\n"));
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    config_print(file, &config);
    fclose(file);
    expect_good(config_read(written("printed.yaml", text, bytes), &again, &errors));
    free(text);
    assert_memory_equal(&config, &again, sizeof(config));
}

/* The enums of server_config.h and the choice lists of config_keys.def are written separately. */
static void choice_lists_match_the_enums(void **state)
{
    (void)state;
    static const struct {
        enum config_key_id key;
        const char *name;
        uint32_t value;
    } cases[] = {
        {CONFIG_KEY_workers_poll, "busy", CONFIG_POLL_BUSY},
        {CONFIG_KEY_workers_poll, "adaptive", CONFIG_POLL_ADAPTIVE},
        {CONFIG_KEY_memory_pages, "auto", CONFIG_PAGES_AUTO},
        {CONFIG_KEY_memory_pages, "huge", CONFIG_PAGES_HUGE},
        {CONFIG_KEY_memory_pages, "ordinary", CONFIG_PAGES_ORDINARY},
        {CONFIG_KEY_control_io, "auto", CONFIG_IO_AUTO},
        {CONFIG_KEY_control_io, "io_uring", CONFIG_IO_URING},
        {CONFIG_KEY_control_io, "threads", CONFIG_IO_THREADS},
        {CONFIG_KEY_tcp_congestion, "cubic", CONFIG_CONGESTION_CUBIC},
        {CONFIG_KEY_tcp_congestion, "newreno", CONFIG_CONGESTION_NEWRENO},
        {CONFIG_KEY_tcp_syn_cookies, "auto", CONFIG_SYN_COOKIES_AUTO},
        {CONFIG_KEY_tcp_syn_cookies, "always", CONFIG_SYN_COOKIES_ALWAYS},
        {CONFIG_KEY_tcp_syn_cookies, "never", CONFIG_SYN_COOKIES_NEVER},
        {CONFIG_KEY_ports_router6, "static", CONFIG_ROUTER6_STATIC},
        {CONFIG_KEY_ports_router6, "advertised", CONFIG_ROUTER6_ADVERTISED},
        {CONFIG_KEY_network_fragments, "reassemble", CONFIG_FRAGMENTS_REASSEMBLE},
        {CONFIG_KEY_network_fragments, "drop", CONFIG_FRAGMENTS_DROP},
        {CONFIG_KEY_store_sync, "commit", CONFIG_SYNC_COMMIT},
        {CONFIG_KEY_store_sync, "interval", CONFIG_SYNC_INTERVAL},
        {CONFIG_KEY_namespaces_sync, "store", CONFIG_NAMESPACE_SYNC_STORE},
        {CONFIG_KEY_namespaces_sync, "commit", CONFIG_NAMESPACE_SYNC_COMMIT},
        {CONFIG_KEY_namespaces_sync, "interval", CONFIG_NAMESPACE_SYNC_INTERVAL},
        {CONFIG_KEY_listeners_proxy_protocol, "none", CONFIG_PROXY_PROTOCOL_NONE},
        {CONFIG_KEY_listeners_proxy_protocol, "v2", CONFIG_PROXY_PROTOCOL_V2},
        {CONFIG_KEY_namespaces_anonymous, "auto", CONFIG_ANONYMOUS_AUTO},
        {CONFIG_KEY_namespaces_anonymous, "none", CONFIG_ANONYMOUS_NONE},
        {CONFIG_KEY_namespaces_anonymous, "read", CONFIG_ANONYMOUS_READ},
        {CONFIG_KEY_namespaces_anonymous, "all", CONFIG_ANONYMOUS_ALL},
        {CONFIG_KEY_namespaces_write_policy, "through", CONFIG_WRITE_THROUGH},
        {CONFIG_KEY_namespaces_write_policy, "around", CONFIG_WRITE_AROUND},
        {CONFIG_KEY_namespaces_write_policy, "behind", CONFIG_WRITE_BEHIND},
        {CONFIG_KEY_store_sync_method, "auto", CONFIG_SYNC_METHOD_AUTO},
        {CONFIG_KEY_store_sync_method, "fdatasync", CONFIG_SYNC_METHOD_FDATASYNC},
        {CONFIG_KEY_store_sync_method, "dsync", CONFIG_SYNC_METHOD_DSYNC},
        {CONFIG_KEY_store_on_corruption, "refuse", CONFIG_CORRUPTION_REFUSE},
        {CONFIG_KEY_store_on_corruption, "quarantine", CONFIG_CORRUPTION_QUARANTINE},
        {CONFIG_KEY_admin_log_level, "error", LOG_LEVEL_ERROR},
        {CONFIG_KEY_admin_log_level, "warning", LOG_LEVEL_WARNING},
        {CONFIG_KEY_admin_log_level, "info", LOG_LEVEL_INFO},
        {CONFIG_KEY_admin_log_level, "debug", LOG_LEVEL_DEBUG},
        {CONFIG_KEY_rate_limits_by, "address", CONFIG_LIMIT_BY_ADDRESS},
        {CONFIG_KEY_rate_limits_by, "client", CONFIG_LIMIT_BY_CLIENT},
        {CONFIG_KEY_routes_backend, "values", CONFIG_BACKEND_VALUES},
        {CONFIG_KEY_routes_backend, "echo", CONFIG_BACKEND_ECHO},
        {CONFIG_KEY_routes_backend, "job", CONFIG_BACKEND_JOB},
    };
    size_t choice_count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char name[64];
        config_choice_name(&config_key_table[cases[i].key], cases[i].value, name, sizeof(name));
        if (strcmp(name, cases[i].name) != 0)
            fail_msg("%s: value %u is %s, the enum says %s", config_key_table[cases[i].key].name,
                     cases[i].value, name, cases[i].name);
    }
    for (size_t k = 0; k < CONFIG_KEY_COUNT; k++)
        for (const char *at = config_key_table[k].choices; at; at = strchr(at + 1, '|'))
            choice_count++;
    assert_int_equal(choice_count, ARRAY_COUNT(cases)); /* a new choice needs its row above */
}

static void every_profile_is_accepted(void **state)
{
    (void)state;
    DIR *folder = opendir(PROFILES);
    assert_non_null(folder);
    uint32_t seen = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[512];
        if (!ends_with(entry->d_name, ".yaml"))
            continue;
        snprintf(path, sizeof(path), PROFILES "/%s", entry->d_name);
        expect_good(config_read(path, &config, &errors));
        if (config.ports_count == 0 || strcmp(config.ports[0].offloads, "auto") == 0 ||
            config.ports[0].queues == 0)
            fail_msg("%s does not declare the queues and offloads it needs", entry->d_name);
        if (config.ports[0].queues != config_worker_count(&config))
            fail_msg("%s: %u workers for its queues", entry->d_name, config_worker_count(&config));
        seen++;
    }
    closedir(folder);
    assert_int_equal(seen, 10);
    expect_good(config_read(PROFILES "/gannet.example.yaml", &config, &errors));
    assert_int_equal(config_check_complete("gannet.example.yaml", &config, &errors), 0);
}

/* The README with the reference as it should be. */
static char *readme_with_reference(const char *readme)
{
    char *text = NULL;
    size_t bytes = 0;
    const char *begin = strstr(readme, REFERENCE_BEGIN), *end = strstr(readme, REFERENCE_END);
    const char *after_begin = begin ? strchr(begin, '\n') : NULL;
    assert_true(after_begin && end && end > after_begin);
    FILE *file = open_memstream(&text, &bytes);
    fwrite(readme, 1, (size_t)(after_begin + 1 - readme), file);
    config_print_reference(file);
    fputs(end, file);
    fclose(file);
    return text;
}

static void the_key_reference_is_up_to_date(void **state)
{
    (void)state;
    char *readme = file_text(PROFILES "/README.md");
    char *wanted = readme_with_reference(readme);
    if (strcmp(readme, wanted) != 0)
        fail_msg("hw-configs/README.md is not up to date; run: "
                 "build/tests/unit/config_file_test --update-reference");
    free(readme);
    free(wanted);
}

static int update_reference(void)
{
    char *readme = file_text(PROFILES "/README.md");
    char *wanted = readme_with_reference(readme);
    FILE *file = fopen(PROFILES "/README.md", "w");
    bool is_good = file && fputs(wanted, file) >= 0;
    is_good = file && fclose(file) == 0 && is_good;
    free(readme);
    free(wanted);
    return is_good ? 0 : 1;
}

static void the_plan_says_memory_queues_and_loss_window(void **state)
{
    (void)state;
    expect_good(
        read_text("workers: {cores: \"2-5\", poll: busy, operations: 1024}\n"
                  "memory: {packets: 65536, values_mib: 200}\n"
                  "tcp: {connections: 2048}\n"
                  "cache: {memory_mib: 10}\n"
                  "store: {sync: interval, sync_interval_ms: 250}\n"
                  "namespaces: [{name: safe, sync: commit}, {name: fast, write_policy: behind}]\n"
                  "ports: [{device: net_tap0, queues: 1, ipv4: 10.0.0.5/8, kernel_interface: k0, "
                  "kernel_ports: \"22,179\"}]\n"));
    struct config_memory memory = config_memory_estimate(&config, config_worker_count(&config));
    assert_int_equal(memory.packets_mib, 608); /* 4 * 65536 * 2432 bytes */
    assert_int_equal(memory.pages_mib, 608 + 8 + 40 + 4 + 200);
    char text[4096] = "";
    FILE *file = fmemopen(text, sizeof(text), "w");
    config_print_plan(file, &config);
    fclose(file);
    static const char *const wanted[] = {
        "workers      4 on cores 2-5, busy polling\n",
        "port 0       net_tap0, 1 queue, mtu 1500, offloads auto\n",
        "fewer queues than workers: flows are dispatched in software\n",
        "10.0.0.5/8, gateway none\n",
        ("what is not ours goes to the kernel's interface k0, at most 50000 frames/s each way; TCP "
         "ports of ours that the kernel serves: 22,179\n"),
        "listeners    none\n",
        "memory       860 MiB at start (pages: auto)",
        "loss window  250 ms",
        "namespace    safe, values up to 16777216 bytes, kept for ever unless they say otherwise\n"
        "             loss window none",
        "             loss window 250 ms, and what is accepted and not committed: at most 512 KiB "
        "per control thread, accepted within 100 ms",
    };
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
        if (!strstr(text, wanted[i]))
            fail_msg("'%s' is missing in:\n%s", wanted[i], text);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void hostile_files_are_refused_quickly(void **state)
{
    (void)state;
    static const struct {
        const char *what, *unit, *end;
    } cases[] = {
        {"deep lists", "[", ""},          {"deep mappings", "{a: ", ""},
        {"deep blocks", "- ", ""},        {"quotes", "\"", ""},
        {"one long key", "x", ": 1\n"},   {"many comments", "#\n", "tcp: 5\n"},
        {"question marks", "? ", ""},     {"many keys", "tcp: {}\n", ""},
        {"many anchors", "- &a 1\n", ""}, {"newlines", "\n", "x"},
        {"one long value", "v", "\n"},    {"document marks", "---\n", ""},
        {"unknown keys", "k:\n", ""},     {"percent signs", "%a\n", "--- x"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        static char text[CONFIG_FILE_BYTES_MAX + 1];
        size_t used = 0, unit = strlen(cases[i].unit), end = strlen(cases[i].end);
        while (used + unit + end <= CONFIG_FILE_BYTES_MAX) {
            memcpy(text + used, cases[i].unit, unit);
            used += unit;
        }
        memcpy(text + used, cases[i].end, end);
        double start = seconds_now();
        int result = config_read(written("hostile.yaml", text, used + end), &config, &errors);
        double took = seconds_now() - start;
        if (result != -EINVAL || errors.count == 0 || took > 10.0)
            fail_msg("case '%s': result %d, %u errors, %.1f s", cases[i].what, result, errors.count,
                     took);
    }
}

static void a_tab_in_the_indentation_is_named(void **state)
{
    (void)state;
    assert_int_equal(read_text("tcp:\n\tconnections: 1000\n"), -EINVAL);
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.lines[0],
                        "case.yaml:2: a tab in the indentation; YAML wants spaces");
}

static void files_of_the_wrong_kind_are_refused(void **state)
{
    (void)state;
    static char text[CONFIG_FILE_BYTES_MAX + 1];
    memset(text, '\n', sizeof(text));
    assert_int_equal(config_read(written("big.yaml", text, sizeof(text)), &config, &errors),
                     -EINVAL);
    assert_string_equal(errors.lines[0], "big.yaml: larger than 1048576 bytes");
    assert_int_equal(config_read("/dev/zero", &config, &errors), -EINVAL);
    assert_string_equal(errors.lines[0], "/dev/zero: not a regular file");
    assert_int_equal(config_read("/", &config, &errors), -EINVAL);
    assert_string_equal(errors.lines[0], "/: not a regular file");
    assert_int_equal(config_read("missing.yaml", &config, &errors), -EINVAL);
    assert_string_equal(errors.lines[0], "missing.yaml: cannot be read: No such file or directory");
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(config_read("pipe", &config, &errors), -EINVAL);
    assert_string_equal(errors.lines[0], "pipe: not a regular file");
}

int main(int argc, char **argv)
{
    accepts_new_messages = argc > 1 && strcmp(argv[1], "--accept") == 0;
    if (argc > 1 && strcmp(argv[1], "--update-reference") == 0)
        return update_reference();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_broken_config_is_refused_with_its_exact_messages),
        cmocka_unit_test(an_including_file_overrides_key_by_key),
        cmocka_unit_test(a_hardware_part_alone_is_good_but_not_enough_to_serve),
        cmocka_unit_test(defaults_are_those_of_the_records),
        cmocka_unit_test(what_is_printed_reads_back_to_the_same_configuration),
        cmocka_unit_test(choice_lists_match_the_enums),
        cmocka_unit_test(every_profile_is_accepted),
        cmocka_unit_test(the_key_reference_is_up_to_date),
        cmocka_unit_test(the_plan_says_memory_queues_and_loss_window),
        cmocka_unit_test(hostile_files_are_refused_quickly),
        cmocka_unit_test(a_tab_in_the_indentation_is_named),
        cmocka_unit_test(files_of_the_wrong_kind_are_refused),
    };
    char folder[] = "/tmp/gannet-config-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    static const char *const made[] = {"case.yaml",    "hardware.yaml", "service.yaml",
                                       "printed.yaml", "hostile.yaml",  "big.yaml",
                                       "pipe"};
    for (size_t i = 0; i < ARRAY_COUNT(made); i++)
        unlink(made[i]);
    if (chdir("/") == 0)
        rmdir(folder);
    return failed;
}
