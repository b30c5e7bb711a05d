/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "control/preflight.h"
#include "include/compiler.h"
#include "tests/support/file_tree.h"

/* A machine as files: everything fine, until a test breaks one thing. */
static struct server_config config;

#define NODE0 "/sys/devices/system/node/node0/"
#define CARD "/sys/bus/pci/devices/0000:01:00.0/"

static int machine_up(void **state)
{
    (void)state;
    tree_make("preflight");
    tree_put("/proc/self/status",
             "Name:\tgannet\nUid:\t1000\t1000\t1000\t1000\nCpus_allowed_list:\t0-3\n");
    tree_put("/proc/self/limits",
             "Max locked memory         unlimited            unlimited      bytes\n");
    tree_put("/proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
                                "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
                                "eth1\t006433C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
    tree_put("/proc/net/ipv6_route", "");
    tree_put("/proc/net/tcp", "  sl  local_address rem_address   st\n");
    tree_put("/proc/net/tcp6", "  sl  local_address rem_address   st\n");
    tree_put(NODE0 "cpulist", "0-3\n");
    tree_put(NODE0 "hugepages/hugepages-2048kB/nr_hugepages", "1000\n");
    tree_put(NODE0 "hugepages/hugepages-2048kB/free_hugepages", "1000\n");
    tree_put(CARD "vendor", "0x8086\n");
    tree_link(CARD "driver", "../../../../bus/pci/drivers/vfio-pci");
    tree_link(CARD "iommu_group", "../../../kernel/iommu_groups/12");
    tree_put("/dev/vfio/12", "");
    tree_put("/sys/class/net/eth1/flags", "0x1003\n");
    tree_put("/sys/class/net/eth0/flags", "0x1003\n");
    tree_put("/sys/devices/system/cpu/cpu7/online", "1\n");

    memset(&config, 0, sizeof(config));
    config.workers.cores.core_count = 2;
    config.workers.cores.cores[0] = 1;
    config.workers.cores.cores[1] = 2;
    config.memory.pages = CONFIG_PAGES_HUGE;
    config.memory.packets = 16384;
    config.memory.values_mib = 256;
    config.cache.memory_mib = 64;
    config.ports_count = 1;
    config.ports[0].mtu = 1500;
    strcpy(config.ports[0].device, "0000:01:00.0"); /* lint-allow: unsafe-string: it fits */
    return 0;
}

static int machine_down(void **state)
{
    (void)state;
    return tree_remove();
}

static struct preflight_result run(void)
{
    struct preflight_result result;
    preflight_run(&config, tree_root, &result);
    return result;
}

static void set_device(const char *device)
{
    snprintf(config.ports[0].device, sizeof(config.ports[0].device), "%s", device);
}

/* Exactly one finding, of this severity, with these words. */
static void expect_one(enum preflight_severity severity, const char *what, const char *command)
{
    struct preflight_result result = run();
    if (result.finding_count != 1)
        preflight_print(stderr, &result);
    assert_int_equal(result.finding_count, 1);
    assert_int_equal(result.error_count, severity == PREFLIGHT_ERROR ? 1 : 0);
    assert_int_equal(result.findings[0].severity, severity);
    if (!strstr(result.findings[0].what, what))
        fail_msg("'%s' lacks '%s'", result.findings[0].what, what);
    if (!strstr(result.findings[0].command, command))
        fail_msg("'%s' lacks '%s'", result.findings[0].command, command);
}

static void a_machine_that_has_everything_is_not_complained_about(void **state)
{
    (void)state;
    struct preflight_result result = run();
    if (result.finding_count)
        preflight_print(stderr, &result);
    assert_int_equal(result.finding_count, 0);
    assert_true(result.use_hugepages);
    assert_int_equal(result.worker_count, 2);
    assert_int_equal(result.worker_cores[1], 2);
}

static void automatic_cores_are_one_worker_on_the_last_allowed_core(void **state)
{
    (void)state;
    config.workers.cores.is_auto = true;
    struct preflight_result result = run();
    assert_int_equal(result.worker_count, 1);
    assert_int_equal(result.worker_cores[0], 3);
}

static void a_core_that_is_not_ours_is_an_error(void **state)
{
    (void)state;
    config.workers.cores.cores[1] = 7;
    expect_one(PREFLIGHT_ERROR, "core 7 is not among those this process may use", "taskset");
    config.workers.cores.cores[1] = 9;
    expect_one(PREFLIGHT_ERROR, "core 9 does not exist", "lscpu");
}

static void missing_hugepages_are_named_per_node_with_the_command(void **state)
{
    (void)state;
    tree_put(NODE0 "hugepages/hugepages-2048kB/free_hugepages", "100\n");
    expect_one(PREFLIGHT_ERROR, "NUMA node 0: 538 MiB of hugepages wanted, 200 MiB free",
               "echo 1169 | sudo tee " NODE0 "hugepages/hugepages-2048kB/nr_hugepages");
    config.memory.pages = CONFIG_PAGES_AUTO;
    expect_one(PREFLIGHT_NOTE, "ordinary pages are used", "echo 1169");
    assert_false(run().use_hugepages);
    config.memory.pages = CONFIG_PAGES_ORDINARY;
    assert_int_equal(run().finding_count, 0);
    assert_false(run().use_hugepages);
}

static void each_node_is_asked_for_its_own_workers(void **state)
{
    (void)state;
    tree_put(NODE0 "cpulist", "0-1\n");
    tree_put("/sys/devices/system/node/node1/cpulist", "2-3\n");
    tree_put("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "10\n");
    tree_put("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "10\n");
    expect_one(PREFLIGHT_ERROR, "NUMA node 1: 109 MiB of hugepages wanted, 20 MiB free", "node1/");
}

static void a_device_that_cannot_be_used_is_an_error(void **state)
{
    (void)state;
    set_device("0000:09:00.0");
    expect_one(PREFLIGHT_ERROR, "no such PCI device", "dpdk-devbind.py --status");
    set_device("01:00.0"); /* without the domain it is the same card */
    assert_int_equal(run().finding_count, 0);
    tree_put(CARD "class", "0x010802\n");
    expect_one(PREFLIGHT_ERROR, "not a network card (PCI class 010802)", "--status-dev net");
    tree_put(CARD "class", "0x020000\n");
    tree_cut("/dev/vfio/12");
    expect_one(PREFLIGHT_ERROR, "no permission to open /dev/vfio/12", "chown");
    tree_cut(CARD "iommu_group");
    expect_one(PREFLIGHT_ERROR, "no IOMMU group", "intel_iommu=on");
    tree_put("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
    assert_int_equal(run().finding_count, 0);
    tree_cut(CARD "driver");
    tree_link(CARD "driver", "../../../../bus/pci/drivers/ice");
    expect_one(PREFLIGHT_ERROR, "bound to ice", "dpdk-devbind.py --bind=vfio-pci 0000:01:00.0");
    tree_cut(CARD "driver");
    expect_one(PREFLIGHT_ERROR, "bound to no driver", "dpdk-devbind.py --bind=vfio-pci");
}

static void locked_memory_counts_unless_one_is_root(void **state)
{
    (void)state;
    tree_put("/proc/self/limits", "Max locked memory         65536            65536      bytes\n");
    expect_one(PREFLIGHT_ERROR, "must be locked in memory, 64 KiB are allowed", "ulimit -l");
    tree_put("/proc/self/status", "Uid:\t0\t0\t0\t0\nCpus_allowed_list:\t0-3\n");
    assert_int_equal(run().finding_count, 0);
}

static void an_interface_must_be_there_and_up(void **state)
{
    (void)state;
    set_device("net_af_packet0,iface=eth9");
    expect_one(PREFLIGHT_ERROR, "no network interface eth9", "ip link");
    set_device("net_af_packet0,qpairs=1,iface=eth1");
    assert_int_equal(run().finding_count, 0);
    tree_put("/sys/class/net/eth1/flags", "0x1002\n");
    expect_one(PREFLIGHT_ERROR, "eth1 is down", "ip link set eth1 up");
    set_device("net_memif0,role=server");
    assert_int_equal(run().finding_count, 0);
}

static void a_kernel_interface_must_not_be_there_already(void **state)
{
    (void)state;
    set_device("net_memif0,role=server");
    tree_put("/dev/net/tun", "");
    snprintf(config.ports[0].kernel_interface, sizeof(config.ports[0].kernel_interface), "k0");
    assert_int_equal(run().finding_count, 0);
    tree_put("/sys/class/net/k0/flags", "0x1003\n");
    expect_one(PREFLIGHT_ERROR, "k0: there is such an interface already", "ip link del k0");
    snprintf(config.ports[0].kernel_interface, sizeof(config.ports[0].kernel_interface), "k1");
    tree_cut("/dev/net/tun");
    expect_one(PREFLIGHT_ERROR, "needs /dev/net/tun", "modprobe tun");
    tree_put("/dev/net/tun", "");
    set_device("net_af_packet0,iface=eth1"); /* whose frames the kernel has already */
    expect_one(PREFLIGHT_WARNING, "sees the frames of eth1 itself", "device eth1");
}

static void the_default_route_is_not_taken_unasked(void **state)
{
    (void)state;
    set_device("net_af_packet0,iface=eth0");
    expect_one(PREFLIGHT_ERROR, "eth0 carries the default route", "take_default_route");
    config.ports[0].take_default_route = true;
    assert_int_equal(run().finding_count, 0);

    config.ports[0].take_default_route = false;
    set_device("0000:01:00.0");
    tree_put(CARD "net/eth0/address", "");
    expect_one(PREFLIGHT_ERROR, "eth0 carries the default route", "take_default_route");

    tree_put(CARD "virtio3/net/eth0/address",
             ""); /* a virtual card's interface is one step deeper */
    tree_cut(CARD "net");
    expect_one(PREFLIGHT_ERROR, "eth0 carries the default route", "take_default_route");

    set_device("net_af_packet0,iface=eth1");
    tree_put("/proc/net/ipv6_route",
             "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
             "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n"
             "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
             "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n");
    expect_one(PREFLIGHT_ERROR, "eth1 carries the default route", "");
}

static void an_ssh_session_is_not_cut_off(void **state)
{
    (void)state;
    static const struct {
        const char *what, *file, *line;
        bool is_session;
    } cases[] = {
        {"established, from eth1's network", "/proc/net/tcp",
         "   0: 0A6433C6:0016 176433C6:C350 01 00000000:00000000\n", true},
        {"only listening", "/proc/net/tcp",
         "   0: 00000000:0016 00000000:0000 0A 00000000:00000000\n", false},
        {"another port", "/proc/net/tcp",
         "   0: 0A6433C6:0050 176433C6:C350 01 00000000:00000000\n", false},
        {"through eth0", "/proc/net/tcp",
         "   0: 0A6433C6:0016 01010101:C350 01 00000000:00000000\n", false},
        {"IPv4 on an IPv6 socket", "/proc/net/tcp6",
         "   0: 0000000000000000FFFF00000A6433C6:0016 0000000000000000FFFF0000176433C6:C350 01 "
         "00000000:00000000\n",
         true},
    };
    set_device("net_af_packet0,iface=eth1");
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[512];
        snprintf(text, sizeof(text), "  sl  local_address rem_address   st\n%s", cases[i].line);
        tree_put("/proc/net/tcp", "  sl\n");
        tree_put("/proc/net/tcp6", "  sl\n");
        tree_put(cases[i].file, text);
        struct preflight_result result = run();
        if ((result.error_count == 1) != cases[i].is_session)
            fail_msg("case '%s'", cases[i].what);
        if (cases[i].is_session)
            assert_non_null(strstr(result.findings[0].what, "an SSH session"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_machine_that_has_everything_is_not_complained_about,
                                        machine_up, machine_down),
        cmocka_unit_test_setup_teardown(automatic_cores_are_one_worker_on_the_last_allowed_core,
                                        machine_up, machine_down),
        cmocka_unit_test_setup_teardown(a_core_that_is_not_ours_is_an_error, machine_up,
                                        machine_down),
        cmocka_unit_test_setup_teardown(missing_hugepages_are_named_per_node_with_the_command,
                                        machine_up, machine_down),
        cmocka_unit_test_setup_teardown(each_node_is_asked_for_its_own_workers, machine_up,
                                        machine_down),
        cmocka_unit_test_setup_teardown(a_device_that_cannot_be_used_is_an_error, machine_up,
                                        machine_down),
        cmocka_unit_test_setup_teardown(locked_memory_counts_unless_one_is_root, machine_up,
                                        machine_down),
        cmocka_unit_test_setup_teardown(an_interface_must_be_there_and_up, machine_up,
                                        machine_down),
        cmocka_unit_test_setup_teardown(a_kernel_interface_must_not_be_there_already, machine_up,
                                        machine_down),
        cmocka_unit_test_setup_teardown(the_default_route_is_not_taken_unasked, machine_up,
                                        machine_down),
        cmocka_unit_test_setup_teardown(an_ssh_session_is_not_cut_off, machine_up, machine_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
