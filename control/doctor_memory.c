/* SPDX-License-Identifier: BSD-3-Clause */
/* Hugepages where the workers are, and what else the kernel does with memory. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/doctor_state.h"
#include "include/memory_need.h"

#define MIB (UINT64_C(1) << 20)
#define PAGE_BYTES (2 * MIB)

static void say_node(struct doctor *doctor, uint32_t index, const struct preflight_node *node)
{
    char check[32], path[96], command[256], value[32], wanted[96];
    uint64_t free_bytes = node->free_2m * PAGE_BYTES + node->free_1g * 1024 * MIB;
    uint64_t need_mib = (node->need_bytes + MIB - 1) / MIB;
    if (doctor->has_numa)
        snprintf(check, sizeof(check), "hugepages node %u", index);
    else
        snprintf(check, sizeof(check), "hugepages");
    if (free_bytes >= node->need_bytes) {
        doctor_add(doctor, DOCTOR_OK, check, "", "",
                   "%" PRIu64 " MiB free in %" PRIu64 " of 2 MiB and %" PRIu64 " of 1 GiB; %" PRIu64
                   " MiB needed",
                   free_bytes / MIB, node->free_2m, node->free_1g, need_mib);
        return;
    }
    uint64_t missing = (node->need_bytes - free_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    if (doctor->has_numa)
        snprintf(path, sizeof(path),
                 "/sys/devices/system/node/node%u/hugepages/hugepages-2048kB/nr_hugepages", index);
    else
        snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    snprintf(value, sizeof(value), "%" PRIu64, node->total_2m + missing);
    snprintf(command, sizeof(command), "echo %s | sudo tee %s (or: sudo gannet tune --apply)",
             value, path);
    snprintf(wanted, sizeof(wanted), "%" PRIu64 " MiB free", need_mib);
    bool must_be = doctor->machine.config->memory.pages == CONFIG_PAGES_HUGE;
    doctor_add(doctor, must_be ? DOCTOR_ERROR : DOCTOR_WARNING, check, wanted, command,
               "%" PRIu64 " MiB free%s", free_bytes / MIB,
               must_be ? "" : ": ordinary pages are used, which is slower");
    if (preflight_exists(&doctor->machine, "%s", path))
        doctor_change(doctor, value, "%s", path);
}

void doctor_hugepages(struct doctor *doctor)
{
    if (doctor->machine.config->memory.pages == CONFIG_PAGES_ORDINARY) {
        doctor_add(doctor, DOCTOR_OK, "hugepages", "", "", "not wanted: memory.pages: ordinary");
        return;
    }
    for (uint32_t i = 0; i < PREFLIGHT_NODES_MAX; i++)
        if (doctor->nodes[i].need_bytes > 0)
            say_node(doctor, i, &doctor->nodes[i]);
}

/* Physical devices only: what vfio maps is locked. */
void doctor_locked_memory(struct doctor *doctor)
{
    char limits[8192];
    const struct preflight *machine = &doctor->machine;
    uint64_t need = memory_need_devices(machine->config, machine->result->worker_count);
    const char *line = preflight_read(machine, limits, sizeof(limits), "/proc/self/limits")
                           ? preflight_line_of(limits, "Max locked memory")
                           : NULL;
    if (!line) {
        doctor_add(doctor, DOCTOR_OK, "locked memory", "", "",
                   "not to be seen here: no /proc/self/limits");
        return;
    }
    line += strspn(line, " ");
    uint64_t limit = isdigit((unsigned char)*line) ? strtoull(line, NULL, 10) : UINT64_MAX;
    if (limit >= need || preflight_is_root(machine))
        doctor_add(doctor, DOCTOR_OK, "locked memory", "", "", "%s",
                   limit >= need ? "the limit is high enough" : "root is not limited");
    else
        doctor_add(doctor, DOCTOR_WARNING, "locked memory", "more than devices map",
                   "ulimit -l unlimited (a service: LimitMEMLOCK=infinity)",
                   "%" PRIu64 " KiB may be locked, a card behind vfio needs %" PRIu64 " MiB",
                   limit >> 10, need >> 20);
}

void doctor_numa_balancing(struct doctor *doctor)
{
    char value[16];
    uint32_t count = 0;
    for (uint32_t i = 0; i < PREFLIGHT_NODES_MAX; i++)
        count += doctor->nodes[i].exists;
    bool is_known = doctor_read(doctor, value, sizeof(value), "/proc/sys/kernel/numa_balancing");
    if (count < 2 || !is_known || strcmp(value, "0") == 0) {
        doctor_add(doctor, DOCTOR_OK, "NUMA balancing", "", "", "%s",
                   count < 2 ? "one node only" : "off");
        return;
    }
    doctor_change(doctor, "0", "/proc/sys/kernel/numa_balancing");
    doctor_add(doctor, DOCTOR_WARNING, "NUMA balancing",
               "off: it takes pages away to see who comes",
               "sudo sysctl kernel.numa_balancing=0 (or: sudo gannet tune --apply)",
               "on, with %u nodes", count);
}

/* "always [madvise] never": the one in brackets. */
static void chosen(const char *text, char *out, size_t bytes)
{
    const char *open = strchr(text, '[');
    snprintf(out, bytes, "%.*s", open ? (int)strcspn(open + 1, "]") : 0, open ? open + 1 : "");
}

void doctor_transparent_pages(struct doctor *doctor)
{
    static const char path[] = "/sys/kernel/mm/transparent_hugepage/enabled";
    char text[64], value[32];
    if (!doctor_read(doctor, text, sizeof(text), "%s", path)) {
        doctor_add(doctor, DOCTOR_OK, "transparent hugepages", "", "",
                   "not to be seen here: the index takes ordinary pages");
        return;
    }
    chosen(text, value, sizeof(value));
    if (strcmp(value, "never") != 0) {
        doctor_add(doctor, DOCTOR_OK, "transparent hugepages", "", "", "%s", value);
        return;
    }
    doctor_change(doctor, "madvise", "%s", path);
    doctor_add(doctor, DOCTOR_WARNING, "transparent hugepages", "madvise: the store's index asks",
               "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled (or: sudo "
               "gannet tune --apply)",
               "never");
}
