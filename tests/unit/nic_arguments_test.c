/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/nic_arguments.h"
#include "dataplane/nic_dpdk.h"
#include "include/compiler.h"
#include "include/server_config.h"

static bool has_argument(const struct nic_arguments *arguments, const char *wanted)
{
    for (int i = 0; i < arguments->count; i++)
        if (strcmp(arguments->values[i], wanted) == 0)
            return true;
    return false;
}

static void dpdk_is_told_what_the_config_says(void **state)
{
    (void)state;
    static struct nic_arguments arguments;
    static struct server_config server;
    static const uint16_t cores[] = {2, 5};
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    CPU_SET(0, &allowed);
    CPU_SET(5, &allowed);
    server.ports_count = 2;
    server.memory.packets = 1024;
    server.memory.values_mib = 100;
    snprintf(server.ports[0].device, sizeof(server.ports[0].device), "0000:01:00.0,arg=1");
    snprintf(server.ports[1].device, sizeof(server.ports[1].device), "net_tap0,iface=x");
    struct nic_runtime_config config = {
        .server = &server, .worker_count = 2, .worker_cores = cores, .use_hugepages = true};
    assert_int_equal(nic_arguments_make(&config, &allowed, "gannet-42", &arguments), 0);
    assert_true(has_argument(&arguments, "--lcores=0@(0),1@2,2@5"));
    assert_true(has_argument(&arguments, "--file-prefix=gannet-42"));
    assert_true(has_argument(&arguments, "--in-memory"));
    assert_true(has_argument(&arguments, "0000:01:00.0,arg=1"));
    assert_true(has_argument(&arguments, "--vdev=net_tap0,iface=x"));
    assert_false(has_argument(&arguments, "--vdev=net_tap_of_port0,iface=gannet-k"));
    assert_false(has_argument(&arguments, "--no-pci"));
    assert_false(has_argument(&arguments, "--no-huge"));

    snprintf(server.ports[0].kernel_interface, sizeof(server.ports[0].kernel_interface),
             "gannet-k");
    assert_int_equal(nic_arguments_make(&config, &allowed, "gannet-42", &arguments), 0);
    assert_true(has_argument(&arguments, "0000:01:00.0,arg=1"));
    assert_true(has_argument(&arguments, "--vdev=net_tap_of_port0,iface=gannet-k"));

    CPU_CLR(0, &allowed); /* nothing is left beside the workers */
    assert_int_equal(nic_arguments_make(&config, &allowed, "gannet-42", &arguments), 0);
    assert_true(has_argument(&arguments, "--lcores=0@(5),1@2,2@5"));

    config.use_hugepages = false;
    snprintf(server.ports[0].device, sizeof(server.ports[0].device), "net_memif0,role=server");
    assert_int_equal(nic_arguments_make(&config, &allowed, "gannet-42", &arguments), 0);
    assert_true(has_argument(&arguments, "--no-huge"));
    assert_false(has_argument(&arguments, "--in-memory")); /* DPDK refuses both together */
    assert_true(has_argument(&arguments, "--no-pci"));
    assert_true(has_argument(&arguments, "--iova-mode=va"));
}

static void devices_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *device;
        bool is_pci;
        const char *name;
    } cases[] = {
        {"0000:01:00.0", true, "0000:01:00.0"},
        {"01:00.1", true, "0000:01:00.1"},
        {"0000:81:00.0,dv_flow_en=0", true, "0000:81:00.0"},
        {"net_af_packet0,iface=eth1", false, "net_af_packet0"},
        {"0000:01:00.0x", false, "0000:01:00.0x"},
        {"ab", false, "ab"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char name[64];
        nic_device_name(cases[i].device, name, sizeof(name));
        assert_int_equal(nic_device_is_pci(cases[i].device), cases[i].is_pci);
        assert_string_equal(name, cases[i].name);
    }
}

static void more_than_fits_is_refused_and_not_cut_short(void **state)
{
    (void)state;
    static struct nic_arguments arguments;
    static struct server_config server;
    static const uint16_t cores[] = {0};
    static char long_name[NIC_ARGUMENTS_TEXT_BYTES];
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    CPU_SET(0, &allowed);
    server.ports_count = 1;
    server.memory.packets = 1024;
    snprintf(server.ports[0].device, sizeof(server.ports[0].device), "net_tap0,iface=x");
    memset(long_name, 'x', sizeof(long_name) - 1);
    struct nic_runtime_config config = {
        .server = &server, .worker_count = 1, .worker_cores = cores};
    assert_int_equal(nic_arguments_make(&config, &allowed, "gannet-1", &arguments), 0);
    assert_int_equal(nic_arguments_make(&config, &allowed, long_name, &arguments), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dpdk_is_told_what_the_config_says),
        cmocka_unit_test(devices_are_told_apart),
        cmocka_unit_test(more_than_fits_is_refused_and_not_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
