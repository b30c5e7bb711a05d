/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/nic_arguments.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/nic_dpdk.h"
#include "include/compiler.h"
#include "include/memory_need.h"
#include "include/server_config.h"

bool nic_device_is_pci(const char *device)
{
    static const char shape[] = "xxxx:xx:xx.x";
    size_t skip = 0;
    if (strlen(device) >= 7 && device[2] == ':') /* without the domain */
        skip = 5;
    for (size_t i = skip; i < sizeof(shape) - 1; i++) {
        char c = device[i - skip];
        if (shape[i] == 'x' ? !isxdigit((unsigned char)c) : c != shape[i])
            return false;
    }
    char behind = device[sizeof(shape) - 1 - skip];
    return behind == '\0' || behind == ',';
}

void nic_device_name(const char *device, char *out, uint32_t bytes)
{
    snprintf(out, bytes, "%s%.*s", nic_device_is_pci(device) && device[2] == ':' ? "0000:" : "",
             (int)strcspn(device, ","), device);
}

void nic_kernel_device_name(uint32_t port_index, char *out, uint32_t bytes)
{
    snprintf(out, bytes, "net_tap_of_port%u", port_index);
}

/* False when the arguments are full. */
PRINTF_LIKE(2, 3) static bool add(struct nic_arguments *out, const char *format, ...)
{
    va_list arguments;
    uint32_t left = NIC_ARGUMENTS_TEXT_BYTES - out->text_bytes;
    char *text = out->text + out->text_bytes;
    if ((uint32_t)out->count == NIC_ARGUMENTS_MAX)
        return false;
    va_start(arguments, format);
    int length = vsnprintf(text, left, format, arguments);
    va_end(arguments);
    if (length < 0 || (uint32_t)length >= left)
        return false;
    out->values[out->count++] = text;
    out->text_bytes += (uint32_t)length + 1;
    return true;
}

/* What is left beside the workers; when nothing is, all of it. */
static cpu_set_t without_workers(const struct nic_runtime_config *config, const cpu_set_t *allowed)
{
    cpu_set_t left = *allowed;
    for (uint32_t i = 0; i < config->worker_count; i++)
        CPU_CLR(config->worker_cores[i], &left);
    return CPU_COUNT(&left) > 0 ? left : *allowed;
}

/*
 * Lcore 0 is the main thread, lcore i + 1 is worker i, on its own CPU. DPDK's own threads run where
 * the main lcore does: not on a worker's CPU, if there is another. One that takes a memif port down
 * there, in the middle of a poll it has interrupted, pulls the rings from under it.
 */
static bool add_lcores(struct nic_arguments *out, const struct nic_runtime_config *config,
                       const cpu_set_t *allowed)
{
    cpu_set_t floating = without_workers(config, allowed);
    char list[NIC_ARGUMENTS_TEXT_BYTES / 2];
    size_t at = (size_t)snprintf(list, sizeof(list), "--lcores=0@(");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &floating) && at + 8 < sizeof(list))
            at += (size_t)snprintf(list + at, sizeof(list) - at, "%d,", cpu);
    at--; /* the last comma */
    at += (size_t)snprintf(list + at, sizeof(list) - at, ")");
    for (uint32_t i = 0; i < config->worker_count && at + 16 < sizeof(list); i++)
        at += (size_t)snprintf(list + at, sizeof(list) - at, ",%u@%u", i + 1,
                               config->worker_cores[i]);
    return add(out, "%s", list);
}

static bool add_memory(struct nic_arguments *out, const struct nic_runtime_config *config)
{
    if (config->use_hugepages) /* pages without names: nothing to clean up, whatever happens */
        return add(out, "--in-memory") && add(out, "--single-file-segments");
    uint64_t bytes = memory_need_devices(config->server, config->worker_count);
    return add(out, "--no-huge") && add(out, "--no-shconf") && add(out, "-m") &&
           add(out, "%llu", (unsigned long long)((bytes >> 20) + 1));
}

static bool add_devices(struct nic_arguments *out, const struct server_config *server)
{
    bool has_pci = false;
    for (uint32_t i = 0; i < server->ports_count; i++) {
        const char *device = server->ports[i].device;
        bool is_pci = nic_device_is_pci(device);
        has_pci |= is_pci;
        if (is_pci ? !(add(out, "-a") && add(out, "%s", device)) : !add(out, "--vdev=%s", device))
            return false;
        char kernel_device[32];
        nic_kernel_device_name(i, kernel_device, sizeof(kernel_device));
        if (server->ports[i].kernel_interface[0] &&
            !add(out, "--vdev=%s,iface=%s", kernel_device, server->ports[i].kernel_interface))
            return false;
    }
    /* virtual addresses need no privileges; with cards the bus decides */
    return has_pci || (add(out, "--no-pci") && add(out, "--iova-mode=va"));
}

int nic_arguments_make(const struct nic_runtime_config *config, const cpu_set_t *allowed,
                       const char *file_prefix, struct nic_arguments *out)
{
    *out = (struct nic_arguments){0};
    bool fits = add(out, "gannet") && add(out, "--no-telemetry") &&
                add(out, "--file-prefix=%s", file_prefix) && add_lcores(out, config, allowed) &&
                add(out, "--main-lcore=0") && add_memory(out, config) &&
                add_devices(out, config->server);
    return fits ? 0 : -E2BIG;
}
