/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports: what a start would refuse (preflight), and what would make a card slow. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/doctor_state.h"

static enum doctor_state state_of(enum preflight_severity severity)
{
    return severity == PREFLIGHT_ERROR     ? DOCTOR_ERROR
           : severity == PREFLIGHT_WARNING ? DOCTOR_WARNING
                                           : DOCTOR_OK;
}

void doctor_ports(struct doctor *doctor)
{
    struct preflight_result *result = doctor->machine.result;
    const struct server_config *config = doctor->machine.config;
    result->finding_count = 0;
    preflight_devices(&doctor->machine);
    if (config->ports_count == 0)
        doctor_add(doctor, DOCTOR_OK, "ports", "", "",
                   "none to look at: gannet doctor CONFIG looks at those of a configuration");
    for (uint32_t port = 0; port < config->ports_count; port++) {
        char check[32];
        bool is_good = true;
        snprintf(check, sizeof(check), "port %u", port);
        size_t prefix_bytes = strlen(check);
        for (uint32_t i = 0; i < result->finding_count; i++) {
            const struct preflight_finding *finding = &result->findings[i];
            if (strncmp(finding->what, check, prefix_bytes) != 0 ||
                finding->what[prefix_bytes] != ':')
                continue;
            is_good = false;
            doctor_add(doctor, state_of(finding->severity), check, "", finding->command, "%s",
                       finding->what + prefix_bytes + 2);
        }
        if (is_good)
            doctor_add(doctor, DOCTOR_OK, check, "", "", "%.200s can be used",
                       config->ports[port].device);
    }
}

static void check_node(struct doctor *doctor, const char *check, const char *address)
{
    const struct preflight_result *result = doctor->machine.result;
    char text[16], command[128];
    bool away[PREFLIGHT_CPUS_MAX] = {false}, is_away = false;
    char list[64];
    long node =
        doctor_read(doctor, text, sizeof(text), "/sys/bus/pci/devices/%s/numa_node", address)
            ? strtol(text, NULL, 10)
            : -1;
    if (node < 0 || !doctor->has_numa) {
        doctor_add(doctor, DOCTOR_OK, check, "", "", "one node only, or none named for %s",
                   address);
        return;
    }
    for (uint32_t i = 0; i < result->worker_count; i++) {
        uint32_t core = result->worker_cores[i];
        bool is_other = preflight_node_of_core(doctor->nodes, core) != (uint32_t)node;
        away[core % PREFLIGHT_CPUS_MAX] |= is_other;
        is_away |= is_other;
    }
    if (!is_away) {
        doctor_add(doctor, DOCTOR_OK, check, "", "", "card and workers are on node %ld", node);
        return;
    }
    doctor_list(away, PREFLIGHT_CPUS_MAX, list, sizeof(list));
    snprintf(command, sizeof(command), "cat /sys/devices/system/node/node%ld/cpulist", node);
    doctor_add(doctor, DOCTOR_WARNING, check, "workers.cores on the card's node", command,
               "%s is on node %ld, the workers on cores %s are not", address, node, list);
}

void doctor_port_nodes(struct doctor *doctor)
{
    const struct server_config *config = doctor->machine.config;
    for (uint32_t port = 0; port < config->ports_count; port++) {
        char address[16], check[32];
        snprintf(check, sizeof(check), "port %u NUMA", port);
        if (preflight_is_pci(config->ports[port].device, address) &&
            preflight_exists(&doctor->machine, "/sys/bus/pci/devices/%s", address))
            check_node(doctor, check, address);
    }
}

/* A card in a slot that is slower than it is. */
static void check_slot(struct doctor *doctor, const char *check, const char *address)
{
    char speed[48] = "", best_speed[48] = "", width[16] = "", best_width[16] = "";
    bool is_known = doctor_read(doctor, speed, sizeof(speed),
                                "/sys/bus/pci/devices/%s/current_link_speed", address);
    doctor_read(doctor, best_speed, sizeof(best_speed), "/sys/bus/pci/devices/%s/max_link_speed",
                address);
    doctor_read(doctor, width, sizeof(width), "/sys/bus/pci/devices/%s/current_link_width",
                address);
    doctor_read(doctor, best_width, sizeof(best_width), "/sys/bus/pci/devices/%s/max_link_width",
                address);
    if (!is_known)
        doctor_add(doctor, DOCTOR_OK, check, "", "",
                   "no PCIe link to be seen, as of virtual cards");
    else if (strcmp(speed, best_speed) == 0 && strcmp(width, best_width) == 0)
        doctor_add(doctor, DOCTOR_OK, check, "", "", "PCIe x%s, %s: all that the card can", width,
                   speed);
    else
        doctor_add(doctor, DOCTOR_WARNING, check, "a slot as wide and fast as the card",
                   "put the card into another slot; lspci -vv shows LnkSta and LnkCap",
                   "PCIe x%s, %s; the card can x%s, %s", width, speed, best_width, best_speed);
}

static void check_carrier(struct doctor *doctor, const char *check, const char *name)
{
    char carrier[8] = "", speed[16] = "", command[64];
    doctor_read(doctor, carrier, sizeof(carrier), "/sys/class/net/%s/carrier", name);
    doctor_read(doctor, speed, sizeof(speed), "/sys/class/net/%s/speed", name);
    snprintf(command, sizeof(command), "ethtool %.50s", name);
    if (strcmp(carrier, "1") == 0)
        doctor_add(doctor, DOCTOR_OK, check, "", "", "%s is up%s%s", name,
                   speed[0] > '0' && speed[0] <= '9' ? ", Mbit/s: " : "",
                   speed[0] > '0' && speed[0] <= '9' ? speed : "");
    else
        doctor_add(doctor, DOCTOR_WARNING, check, "a cable with a link at its other end", command,
                   "%s has no link", name);
}

void doctor_links(struct doctor *doctor)
{
    const struct server_config *config = doctor->machine.config;
    for (uint32_t port = 0; port < config->ports_count; port++) {
        char address[16], name[64], check[32];
        const char *device = config->ports[port].device;
        snprintf(check, sizeof(check), "port %u link", port);
        if (preflight_is_pci(device, address)) {
            if (preflight_exists(&doctor->machine, "/sys/bus/pci/devices/%s", address))
                check_slot(doctor, check, address);
        } else if (preflight_vdev_argument(device, "iface", name, sizeof(name)) &&
                   strncmp(device, "net_tap", 7) != 0 &&
                   preflight_exists(&doctor->machine, "/sys/class/net/%s", name)) {
            check_carrier(doctor, check, name);
        }
    }
}

/* Second half of the address (RFC 4291, appendix A); false: the link address is not to be seen. */
static bool formed_half(const struct doctor *doctor, const char *device, char *out, size_t bytes)
{
    char name[64], text[32];
    unsigned mac[6];
    if (!preflight_vdev_argument(device, "iface", name, sizeof(name)) ||
        strncmp(device, "net_tap", 7) == 0 ||
        !doctor_read(doctor, text, sizeof(text), "/sys/class/net/%s/address", name) ||
        sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
               &mac[5]) != 6)
        return false;
    snprintf(out, bytes, "%x:%x:%x:%x", (mac[0] ^ 2) << 8 | mac[1], mac[2] << 8 | 0xff,
             0xfe00 | mac[3], mac[4] << 8 | mac[5]);
    return true;
}

/* Only of ports whose address is in no configuration. */
void doctor_addresses(struct doctor *doctor)
{
    const struct server_config *config = doctor->machine.config;
    for (uint32_t port = 0; port < config->ports_count; port++) {
        char check[32], half[40] = "EUI-64 of the link address";
        if (!config_ipv6_is_formed(&config->ports[port]))
            continue;
        snprintf(check, sizeof(check), "port %u IPv6", port);
        formed_half(doctor, config->ports[port].device, half, sizeof(half));
        doctor_add(doctor, DOCTOR_OK, check, "", "",
                   "auto: PREFIX:%s, PREFIX being the /64 that a router advertises; until one does "
                   "it has its link-local address only; the log, /metrics and gannet top name it",
                   half);
    }
}
