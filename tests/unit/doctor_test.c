/* SPDX-License-Identifier: BSD-3-Clause */
/* Machines as trees of files: a good one, a bad one, a container that shows nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config_file.h"
#include "control/doctor.h"
#include "control/machine_fit.h"
#include "control/text_buffer.h"
#include "control/tune.h"
#include "include/compiler.h"
#include "include/server_config.h"
#include "tests/support/file_tree.h"

#define CPU "/sys/devices/system/cpu/"
#define NODE0 "/sys/devices/system/node/node0/"
#define PAGES NODE0 "hugepages/hugepages-2048kB/"
#define CARD "/sys/bus/pci/devices/0000:3b:00.0/"
#define OWN_CARD "/sys/bus/pci/devices/0000:02:00.0/"

static char record[80];
static struct server_config config;
static struct doctor_report report;
static struct doctor_disk disk;
static int io_uring_result;

/* ---- the machine ---- */

static void expect_file(const char *path, const char *text)
{
    char full[PATH_MAX], got[256];
    snprintf(full, sizeof(full), "%s%s", tree_root, path);
    FILE *file = fopen(full, "r");
    assert_non_null(file);
    got[fread(got, 1, sizeof(got) - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(got, text);
}

static int probe_io_uring(void)
{
    return io_uring_result;
}

static int probe_disk(const char *directory, struct doctor_disk *out)
{
    (void)directory;
    *out = disk;
    return 0;
}

static int empty_machine(void **state)
{
    (void)state;
    tree_make("doctor");
    snprintf(record, sizeof(record), "%s/record", tree_root);
    config_defaults(&config);
    disk = (struct doctor_disk){
        .file_system = "xfs", .free_bytes = UINT64_C(1) << 40, .has_direct = true, .sync_us = 90};
    io_uring_result = 0;
    return 0;
}

static int machine_down(void **state)
{
    (void)state;
    return tree_remove();
}

/* 8 cores, a card behind vfio-pci on their node, busy workers on isolated cores 2 and 3. */
static int good_machine(void **state)
{
    empty_machine(state);
    tree_put("/proc/self/status", "Uid:\t0\t0\t0\t0\nCpus_allowed_list:\t0-7\n");
    tree_put("/proc/self/limits",
             "Max open files            1024                 1048576    files\n"
             "Max locked memory         unlimited            unlimited  bytes\n");
    tree_put("/proc/stat", "cpu  1000 0 500 90000 10 0 0 3 0 0\n");
    tree_put("/proc/meminfo", "MemTotal:       65536000 kB\n");
    tree_put("/proc/cpuinfo", "flags : fpu constant_tsc nonstop_tsc\n");
    tree_put("/proc/net/tcp", "  sl  local_address rem_address   st\n");
    tree_put("/proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
                                "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
    tree_put("/proc/sys/kernel/numa_balancing", "1\n"); /* one node: it does nothing */
    tree_put("/proc/sys/kernel/nmi_watchdog", "0\n");
    tree_put("/proc/irq/24/effective_affinity_list", "0\n");
    tree_put("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    tree_put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    tree_put(CPU "isolated", "2-3\n");
    for (uint32_t cpu = 0; cpu < 8; cpu++) {
        char path[128], text[16];
        snprintf(path, sizeof(path), CPU "cpu%u/topology/thread_siblings_list", cpu);
        snprintf(text, sizeof(text), "%u\n", cpu);
        tree_put(path, text);
        snprintf(path, sizeof(path), CPU "cpu%u/cpufreq/scaling_governor", cpu);
        tree_put(path, "performance\n");
    }
    tree_put(NODE0 "cpulist", "0-7\n");
    tree_put(PAGES "nr_hugepages", "1000\n");
    tree_put(PAGES "free_hugepages", "1000\n");
    tree_put(CARD "class", "0x020000\n");
    tree_put(CARD "numa_node", "0\n");
    tree_put(CARD "current_link_speed", "16.0 GT/s PCIe\n");
    tree_put(CARD "max_link_speed", "16.0 GT/s PCIe\n");
    tree_put(CARD "current_link_width", "16\n");
    tree_put(CARD "max_link_width", "16\n");
    tree_link(CARD "driver", "../../../../bus/pci/drivers/vfio-pci");
    tree_link(CARD "iommu_group", "../../../kernel/iommu_groups/12");
    tree_put("/dev/vfio/12", "");
    tree_put(OWN_CARD "class", "0x020000\n");
    tree_put(OWN_CARD "virtio0/net/eth0/address", "");
    config.workers.poll = CONFIG_POLL_BUSY;
    config.workers.cores = (struct core_list){.core_count = 2, .cores = {2, 3}};
    config.ports_count = 1;
    config.ports[0].mtu = 1500;
    snprintf(config.ports[0].device, sizeof(config.ports[0].device), "0000:3b:00.0");
    return 0;
}

/* ---- looking ---- */

static void run(void)
{
    static const struct doctor_probes probes = {probe_io_uring, probe_disk};
    struct doctor_machine machine = {.root = tree_root, .config = &config, .probes = &probes};
    doctor_run(&machine, &report);
}

static const struct doctor_finding *finding(const char *check)
{
    for (uint32_t i = 0; i < report.finding_count; i++)
        if (strcmp(report.findings[i].check, check) == 0)
            return &report.findings[i];
    fail_msg("no line about %s", check);
    return NULL;
}

static void expect(const char *check, enum doctor_state state, const char *found,
                   const char *command)
{
    const struct doctor_finding *it = finding(check);
    if (it->state != state || !strstr(it->found, found) || !strstr(it->command, command))
        fail_msg("%s: state %d, '%s', '%s'", check, it->state, it->found, it->command);
    if (state != DOCTOR_OK && it->command[0] == '\0')
        fail_msg("%s: nothing mends it", check);
}

static void a_good_machine_has_nothing_to_mend(void **state)
{
    (void)state;
    run();
    for (uint32_t i = 0; i < report.finding_count; i++)
        if (report.findings[i].state != DOCTOR_OK)
            fail_msg("%s: %s", report.findings[i].check, report.findings[i].found);
    assert_int_equal(report.warning_count + report.error_count, 0);
    assert_int_equal(report.change_count, 0);
    expect("cores", DOCTOR_OK, "2 workers on cores 2-3", "");
    expect("port 0 link", DOCTOR_OK, "x16, 16.0 GT/s", "");
    expect("stolen time", DOCTOR_OK, "0.1 %", "");
}

/* Each thing that can be broken, alone: what is said about it, and nothing else is. */
static void every_fault_has_its_line_and_its_command(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text, *check;
        enum doctor_state state;
        const char *found, *command, *mended;
    } cases[] = {
        {"/proc/self/status", "Uid:\t0\t0\nCpus_allowed_list:\t0-2\n", "cores", DOCTOR_ERROR,
         "core 3", "", "Uid:\t0\t0\t0\t0\nCpus_allowed_list:\t0-7\n"},
        {CPU "cpu2/topology/thread_siblings_list", "2-3\n", "hardware threads", DOCTOR_WARNING,
         "workers 2", "lscpu", "2\n"},
        {CPU "isolated", "3\n", "isolated cores", DOCTOR_WARNING, "workers' cores 2",
         "isolcpus=managed_irq,domain,2", "2-3\n"},
        {CPU "cpu3/cpufreq/scaling_governor", "powersave\n", "frequency governor", DOCTOR_WARNING,
         "powersave on cores 3", "gannet tune --apply", "performance\n"},
        {"/proc/irq/24/effective_affinity_list", "3\n", "interrupts", DOCTOR_WARNING,
         "1 interrupts", "irqaffinity", "0\n"},
        {"/proc/stat", "cpu  900 0 0 0 0 0 0 100\n", "stolen time", DOCTOR_WARNING, "10.0 %",
         "dedicated cores", "cpu  1 0 0 0 0 0 0 0\n"},
        {PAGES "free_hugepages", "100\n", "hugepages node 0", DOCTOR_WARNING, "200 MiB free",
         "nr_hugepages", "1000\n"},
        {"/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n",
         "transparent hugepages", DOCTOR_WARNING, "never", "echo madvise", "[madvise]\n"},
        {"/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n", "clock",
         DOCTOR_WARNING, "hpet", "echo tsc", "tsc\n"},
        {"/proc/sys/kernel/nmi_watchdog", "1\n", "NMI watchdog", DOCTOR_WARNING, "on",
         "kernel.nmi_watchdog=0", "0\n"},
        {"/proc/self/limits", "Max open files 1024 1024 files\n", "open files", DOCTOR_WARNING,
         "1024", "ulimit", "Max open files 1024 1048576 files\n"},
        {"/proc/net/tcp", "sl\n   0: 0100007F:2382 00000000:0000 0A 0:0\n", "admin socket",
         DOCTOR_WARNING, "port 9090", "ss -ltnp", "sl\n"},
        {CARD "current_link_width", "8\n", "port 0 link", DOCTOR_WARNING, "the card can x16",
         "another slot", "16\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        tree_put(cases[i].path, cases[i].text);
        run();
        expect(cases[i].check, cases[i].state, cases[i].found, cases[i].command);
        if (report.warning_count + report.error_count != 1)
            fail_msg("%s: %u warnings, %u errors", cases[i].check, report.warning_count,
                     report.error_count);
        tree_put(cases[i].path, cases[i].mended);
    }
    run();
    assert_int_equal(report.warning_count + report.error_count, 0);
}

static void nodes_count_where_there_are_several(void **state)
{
    (void)state;
    tree_put(NODE0 "cpulist", "0-2\n");
    tree_put("/sys/devices/system/node/node1/cpulist", "3-7\n");
    run();
    expect("port 0 NUMA", DOCTOR_WARNING, "cores 3 are not", "node0/cpulist");
    expect("hugepages node 1", DOCTOR_WARNING, "0 MiB free", "node1/hugepages");
    expect("NUMA balancing", DOCTOR_WARNING, "on, with 2 nodes", "kernel.numa_balancing=0");
    config.memory.pages = CONFIG_PAGES_HUGE;
    run();
    expect("hugepages node 1", DOCTOR_ERROR, "0 MiB free", "node1/hugepages");
}

static void what_the_configuration_demands_is_an_error(void **state)
{
    (void)state;
    io_uring_result = -EPERM;
    run();
    expect("io_uring", DOCTOR_WARNING, "not permitted", "seccomp");
    tree_put("/proc/sys/kernel/io_uring_disabled", "2\n");
    config.control.io = CONFIG_IO_URING;
    run();
    expect("io_uring", DOCTOR_ERROR, "io_uring_disabled = 2", "sysctl");
    config.control.cores = (struct core_list){.core_count = 1, .cores = {3}};
    run();
    expect("cores of their own", DOCTOR_WARNING, "share core 3", "control.cores");
    tree_link(CARD "driver", "../../../../bus/pci/drivers/ice");
    run();
    expect("port 0", DOCTOR_ERROR, "bound to ice", "dpdk-devbind.py --bind=vfio-pci");
    snprintf(config.ports[0].device, sizeof(config.ports[0].device), "0000:02:00.0");
    run();
    expect("port 0", DOCTOR_ERROR, "bound to no driver", "vfio-pci");
    assert_true(report.error_count >= 3); /* and eth0 on it carries the default route */
}

static void a_disk_is_judged_by_what_it_does(void **state)
{
    (void)state;
    disk.sync_us = 7000;
    run();
    expect("store commits", DOCTOR_WARNING, "7000 us", "power-loss protection");
    disk.sync_us = 0;
    disk.free_bytes = 100 << 20;
    disk.has_direct = false;
    run();
    expect("store commits", DOCTOR_ERROR, "cannot be written", "ls -ld");
    expect("store space", DOCTOR_ERROR, "100 MiB free", "segment_mib");
    expect("store directory", DOCTOR_WARNING, "O_DIRECT does not work", "another");
    disk.is_not_durable = true;
    run();
    expect("store directory", DOCTOR_WARNING, "may not survive", "another");
}

static void a_container_that_shows_nothing_is_told_so(void **state)
{
    (void)state;
    tree_put("/proc/self/status", "Uid:\t0\t0\nCpus_allowed_list:\t0-1\n");
    run();
    assert_int_equal(report.error_count, 0);
    expect("hugepages", DOCTOR_WARNING, "0 MiB free", "/sys/kernel/mm/hugepages");
    expect("frequency governor", DOCTOR_OK, "none here", "");
    expect("hardware threads", DOCTOR_OK, "not to be seen here", "");
    expect("clock", DOCTOR_OK, "not to be seen here", "");
    expect("stolen time", DOCTOR_OK, "not to be seen here", "");
    expect("locked memory", DOCTOR_OK, "not to be seen here", "");
    expect("ports", DOCTOR_OK, "none to look at", "");
    assert_int_equal(report.change_count, 0); /* there is no file to write */
}

static void an_address_that_a_router_decides_on_is_told_as_far_as_it_is_known(void **state)
{
    (void)state;
    run();
    for (uint32_t i = 0; i < report.finding_count; i++)
        assert_null(strstr(report.findings[i].check, "IPv6")); /* the configuration has it */
    snprintf(config.ports[0].ipv6, sizeof(config.ports[0].ipv6), "auto");
    run(); /* a card that is not the kernel's does not say its link address */
    expect("port 0 IPv6", DOCTOR_OK, "PREFIX:EUI-64 of the link address, ", "");
    snprintf(config.ports[0].device, sizeof(config.ports[0].device), "net_af_packet0,iface=veth0");
    tree_put("/sys/class/net/veth0/carrier", "1\n");
    tree_put("/sys/class/net/veth0/address", "02:11:22:33:44:05\n");
    run();
    expect("port 0 IPv6", DOCTOR_OK,
           "auto: PREFIX:11:22ff:fe33:4405, PREFIX being the /64 that a router advertises", "");
    expect("port 0 IPv6", DOCTOR_OK, "gannet top", "");
}

static void the_report_is_text_or_json(void **state)
{
    (void)state;
    struct text_buffer text = {0};
    tree_put(CPU "cpu3/cpufreq/scaling_governor", "power\"save\\\n");
    run();
    doctor_write_text(&report, &text);
    assert_non_null(strstr(text.bytes, "warning  frequency governor     power\"save\\ on cores 3; "
                                       "wanted: performance\n         to mend it: sudo gannet"));
    assert_non_null(strstr(text.bytes, " checked, 1 warnings, 0 errors\n"));
    text_buffer_clear(&text);
    doctor_write_json(&report, &text);
    assert_non_null(strstr(text.bytes, "{\"warnings\":1,\"errors\":0,\"checks\":["));
    assert_non_null(strstr(text.bytes, "\"state\":\"warning\",\"found\":\"power\\\"save\\\\ on"));
    text_buffer_clear(&text);
}

/* ---- tune ---- */

static void what_is_tuned_is_noted_and_goes_back(void **state)
{
    (void)state;
    struct text_buffer said = {0};
    tree_put(CPU "cpu2/cpufreq/scaling_governor", "powersave\n");
    tree_put("/proc/sys/kernel/nmi_watchdog", "1\n");
    tree_put("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
    tree_put(PAGES "free_hugepages", "0\n");
    run();
    assert_int_equal(report.change_count, 4);
    assert_int_equal(tune_apply(tree_root, &report, record, &said), 0);
    expect_file(CPU "cpu2/cpufreq/scaling_governor", "performance");
    expect_file("/proc/sys/kernel/nmi_watchdog", "0");
    expect_file("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
    assert_int_equal(tune_apply(tree_root, &report, record, &said),
                     0); /* the oldest values stay noted */
    assert_int_equal(tune_undo(tree_root, record, &said), 0);
    expect_file(CPU "cpu2/cpufreq/scaling_governor", "powersave");
    expect_file("/proc/sys/kernel/nmi_watchdog", "1");
    expect_file("/sys/kernel/mm/transparent_hugepage/enabled", "never");
    expect_file(PAGES "nr_hugepages", "1000");
    assert_int_equal(access(record, F_OK), -1);
    assert_int_equal(tune_undo(tree_root, record, &said), -ENOENT);
    text_buffer_clear(&said);
}

static void a_change_that_fails_leaves_the_record_for_undo(void **state)
{
    (void)state;
    struct text_buffer said = {0};
    tree_put(CPU "cpu2/cpufreq/scaling_governor", "powersave\n");
    run();
    snprintf(report.changes[1].path, sizeof(report.changes[1].path), "/sys/not/there");
    report.change_count = 2;
    assert_int_equal(tune_apply(tree_root, &report, record, &said), -ENOENT);
    assert_non_null(strstr(said.bytes, "/sys/not/there: No such file"));
    assert_int_equal(tune_undo(tree_root, record, &said), 0);
    expect_file(CPU "cpu2/cpufreq/scaling_governor", "powersave");
    text_buffer_clear(&said);
}

static void a_record_names_no_file_but_those_of_sys_and_proc(void **state)
{
    (void)state;
    static const char *const lines[] = {"/etc/passwd x\n", "/sys/../etc/passwd x\n",
                                        "/proc/1/mem x\n", "/sys/kernel/x\n", "nonsense\n"};
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        struct text_buffer said = {0};
        tree_put("/record", lines[i]);
        if (tune_undo(tree_root, record, &said) != -EINVAL)
            fail_msg("%s", lines[i]);
        text_buffer_clear(&said);
    }
}

/* ---- the configuration that fits ---- */

static void expect_fit(const char *const *words, size_t count)
{
    struct text_buffer text = {0};
    struct config_errors errors;
    char path[96];
    machine_fit_write(tree_root, &text);
    for (size_t i = 0; i < count; i++)
        if (!strstr(text.bytes, words[i]))
            fail_msg("'%s' is not in\n%s", words[i], text.bytes);
    tree_put("/fit.yaml", text.bytes);
    snprintf(path, sizeof(path), "%s/fit.yaml", tree_root);
    if (config_read(path, &config, &errors) != 0) {
        config_errors_print(stderr, &errors);
        fail_msg("the configuration is not one");
    }
    text_buffer_clear(&text);
}

static void a_configuration_that_fits_is_one_and_leaves_the_own_card_alone(void **state)
{
    (void)state;
    static const char *const good[] = {
        "cores: 2-7\n  poll: busy",
        "control:\n  threads: 1",
        "cores: 1\n",
        "64000 MiB of memory",
        "device: \"0000:3b:00.0\"\n    queues: 6",
        "0000:02:00.0: driver none, interface eth0, node -1: carries"};
    expect_fit(good, ARRAY_COUNT(good));
    assert_int_equal(config.workers.cores.core_count, 6);
    tree_put(CARD "class", "0x010802\n"); /* not a network card */
    static const char *const none[] = {"no network card that could be taken", "net_af_packet0"};
    expect_fit(none, ARRAY_COUNT(none));
}

static void a_card_of_the_ipv6_route_or_of_a_session_is_left_alone_too(void **state)
{
    (void)state;
    static const char *const route[] = {
        "0000:3b:00.0: driver vfio-pci, interface eth1, node 0: carries the default route",
        "no network card that could be taken"};
    static const char *const session[] = {
        "0000:3b:00.0: driver vfio-pci, interface eth1, node 0: carries an SSH session"};
    tree_put(CARD "net/eth1/address", "");
    tree_put("/proc/net/ipv6_route",
             "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
             "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n");
    expect_fit(route, ARRAY_COUNT(route));
    tree_put("/proc/net/ipv6_route", "");
    tree_put("/proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
                                "eth1\t006433C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
    tree_put("/proc/net/tcp", "  sl  local_address rem_address   st\n"
                              "   0: 016433C6:0016 076433C6:D431 01 00000000:00000000\n");
    expect_fit(session, ARRAY_COUNT(session));
}

static void a_machine_that_shows_nothing_still_gets_a_configuration(void **state)
{
    (void)state;
    static const char *const words[] = {"0 processors may be used", "cores: auto", "poll: adaptive",
                                        "no /proc/meminfo", "net_af_packet0"};
    expect_fit(words, ARRAY_COUNT(words));
}

#define ON_GOOD(test) cmocka_unit_test_setup_teardown(test, good_machine, machine_down)
#define ON_EMPTY(test) cmocka_unit_test_setup_teardown(test, empty_machine, machine_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_GOOD(a_good_machine_has_nothing_to_mend),
        ON_GOOD(every_fault_has_its_line_and_its_command),
        ON_GOOD(nodes_count_where_there_are_several),
        ON_GOOD(what_the_configuration_demands_is_an_error),
        ON_GOOD(a_disk_is_judged_by_what_it_does),
        ON_EMPTY(a_container_that_shows_nothing_is_told_so),
        ON_GOOD(an_address_that_a_router_decides_on_is_told_as_far_as_it_is_known),
        ON_GOOD(the_report_is_text_or_json),
        ON_GOOD(what_is_tuned_is_noted_and_goes_back),
        ON_GOOD(a_change_that_fails_leaves_the_record_for_undo),
        ON_GOOD(a_record_names_no_file_but_those_of_sys_and_proc),
        ON_GOOD(a_configuration_that_fits_is_one_and_leaves_the_own_card_alone),
        ON_GOOD(a_card_of_the_ipv6_route_or_of_a_session_is_left_alone_too),
        ON_EMPTY(a_machine_that_shows_nothing_still_gets_a_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
