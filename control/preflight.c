/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/preflight.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/preflight_state.h"
#include "include/memory_need.h"

#define MIB (UINT64_C(1) << 20)

/* ---- reading ---- */

void preflight_add(struct preflight *preflight, enum preflight_severity severity, const char *what,
                   const char *command)
{
    struct preflight_result *result = preflight->result;
    if (severity == PREFLIGHT_ERROR)
        result->error_count++;
    if (result->finding_count == PREFLIGHT_FINDINGS_MAX)
        return; /* eight ports cannot find so much; the errors are counted all the same */
    struct preflight_finding *finding = &result->findings[result->finding_count++];
    finding->severity = severity;
    snprintf(finding->what, sizeof(finding->what), "%s", what);
    snprintf(finding->command, sizeof(finding->command), "%s", command);
}

static void full_path(const struct preflight *preflight, char out[PATH_MAX], const char *path,
                      va_list arguments)
{
    int length = snprintf(out, PATH_MAX, "%s", preflight->root);
    if (length >= 0 && length < PATH_MAX)
        vsnprintf(out + length, (size_t)(PATH_MAX - length), path, arguments);
}

bool preflight_read(const struct preflight *preflight, char *out, size_t bytes, const char *path,
                    ...)
{
    char full[PATH_MAX];
    va_list arguments;
    va_start(arguments, path);
    full_path(preflight, full, path, arguments);
    va_end(arguments);
    FILE *file = fopen(full, "re");
    if (!file)
        return false;
    size_t length = fread(out, 1, bytes - 1, file);
    fclose(file);
    out[length] = '\0';
    return true;
}

bool preflight_read_number(const struct preflight *preflight, uint64_t *out, const char *path, ...)
{
    char full[PATH_MAX], text[64];
    va_list arguments;
    va_start(arguments, path);
    full_path(preflight, full, path, arguments);
    va_end(arguments);
    struct preflight absolute = {.root = ""};
    if (!preflight_read(&absolute, text, sizeof(text), "%s", full))
        return false;
    *out = strtoull(text, NULL, 0);
    return true;
}

bool preflight_exists(const struct preflight *preflight, const char *path, ...)
{
    char full[PATH_MAX];
    va_list arguments;
    va_start(arguments, path);
    full_path(preflight, full, path, arguments);
    va_end(arguments);
    return access(full, F_OK) == 0;
}

const char *preflight_line_of(const char *text, const char *label)
{
    const char *at = strstr(text, label);
    while (at && at != text && at[-1] != '\n')
        at = strstr(at + 1, label);
    return at ? at + strlen(label) : NULL;
}

bool preflight_is_root(const struct preflight *preflight)
{
    char status[8192];
    if (!preflight_read(preflight, status, sizeof(status), "/proc/self/status"))
        return false;
    const char *line = preflight_line_of(status, "Uid:");
    unsigned real, effective;
    return line && sscanf(line, "%u %u", &real, &effective) == 2 && effective == 0;
}

void preflight_parse_cpus(const char *text, bool cpus[PREFLIGHT_CPUS_MAX])
{
    while (*text) {
        char *end;
        unsigned long first = strtoul(text, &end, 10);
        unsigned long last = first;
        if (end == text)
            return;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        for (unsigned long cpu = first; cpu <= last && cpu < PREFLIGHT_CPUS_MAX; cpu++)
            cpus[cpu] = true;
        if (*end != ',')
            return;
        text = end + 1;
    }
}

/* ---- cores ---- */

void preflight_cores(struct preflight *preflight)
{
    struct preflight_result *result = preflight->result;
    const struct core_list *wanted = &preflight->config->workers.cores;
    bool allowed[PREFLIGHT_CPUS_MAX] = {false};
    char status[8192], what[256], command[256];
    if (preflight_read(preflight, status, sizeof(status), "/proc/self/status")) {
        const char *line = preflight_line_of(status, "Cpus_allowed_list:");
        if (line)
            preflight_parse_cpus(line + strspn(line, " \t"), allowed);
    }
    if (wanted->is_auto) {
        uint32_t last = 0;
        for (uint32_t cpu = 0; cpu < PREFLIGHT_CPUS_MAX; cpu++)
            last = allowed[cpu] ? cpu : last;
        result->worker_count = 1;
        result->worker_cores[0] = (uint16_t)last;
        return;
    }
    result->worker_count = wanted->core_count;
    memcpy(result->worker_cores, wanted->cores, sizeof(result->worker_cores));
    for (uint32_t i = 0; i < wanted->core_count; i++) {
        uint32_t cpu = wanted->cores[i];
        if (cpu < PREFLIGHT_CPUS_MAX && allowed[cpu])
            continue;
        bool is_there = preflight_exists(preflight, "/sys/devices/system/cpu/cpu%u", cpu);
        snprintf(what, sizeof(what), "workers.cores: core %u %s", cpu,
                 is_there ? "is not among those this process may use" : "does not exist");
        snprintf(command, sizeof(command), is_there ? "taskset -c -p 0-%u $$" : "lscpu -e", cpu);
        preflight_add(preflight, PREFLIGHT_ERROR, what, command);
    }
    if (wanted->core_count == 0)
        preflight_add(preflight, PREFLIGHT_ERROR,
                      "workers.cores: none: at least one worker is needed", "");
}

/* ---- hugepages ---- */

static void read_node(const struct preflight *preflight, uint32_t index,
                      struct preflight_node *node)
{
    char list[4096];
    *node = (struct preflight_node){0};
    if (!preflight_read(preflight, list, sizeof(list), "/sys/devices/system/node/node%u/cpulist",
                        index))
        return;
    node->exists = true;
    preflight_parse_cpus(list, node->cpus);
    preflight_read_number(preflight, &node->total_2m,
                          "/sys/devices/system/node/node%u/hugepages/hugepages-2048kB/nr_hugepages",
                          index);
    preflight_read_number(
        preflight, &node->free_2m,
        "/sys/devices/system/node/node%u/hugepages/hugepages-2048kB/free_hugepages", index);
    preflight_read_number(
        preflight, &node->free_1g,
        "/sys/devices/system/node/node%u/hugepages/hugepages-1048576kB/free_hugepages", index);
}

/* A kernel without NUMA has one pool for all. */
static void read_only_node(const struct preflight *preflight, struct preflight_node *node)
{
    *node = (struct preflight_node){.exists = true};
    memset(node->cpus, true, sizeof(node->cpus));
    preflight_read_number(preflight, &node->total_2m,
                          "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    preflight_read_number(preflight, &node->free_2m,
                          "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    preflight_read_number(preflight, &node->free_1g,
                          "/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages");
}

uint32_t preflight_node_of_core(const struct preflight_node *nodes, uint32_t core)
{
    for (uint32_t i = 0; i < PREFLIGHT_NODES_MAX; i++)
        if (nodes[i].exists && core < PREFLIGHT_CPUS_MAX && nodes[i].cpus[core])
            return i;
    return 0;
}

/* Each worker's packets and cache on its own node; what all share on the first worker's. */
static void share_out(const struct preflight *preflight, struct preflight_node *nodes)
{
    const struct preflight_result *result = preflight->result;
    uint64_t shared = memory_need_hugepages(preflight->config, 0);
    for (uint32_t i = 0; i < result->worker_count; i++) {
        uint64_t own = memory_need_hugepages(preflight->config, 1) - shared;
        nodes[preflight_node_of_core(nodes, result->worker_cores[i])].need_bytes +=
            i == 0 ? own + shared : own;
    }
}

static void report_node(struct preflight *preflight, uint32_t index,
                        const struct preflight_node *node, bool has_numa,
                        enum preflight_severity severity)
{
    char what[256], command[256], place[96];
    uint64_t free_bytes = node->free_2m * 2 * MIB + node->free_1g * 1024 * MIB;
    uint64_t missing = (node->need_bytes - free_bytes + 2 * MIB - 1) / (2 * MIB);
    snprintf(what, sizeof(what),
             "NUMA node %u: %" PRIu64 " MiB of hugepages wanted, %" PRIu64 " MiB free%s", index,
             (node->need_bytes + MIB - 1) / MIB, free_bytes / MIB,
             severity == PREFLIGHT_ERROR ? " (memory.pages: huge)"
                                         : ": ordinary pages are used, which is slower");
    if (has_numa)
        snprintf(place, sizeof(place), "/sys/devices/system/node/node%u", index);
    else
        snprintf(place, sizeof(place), "/sys/kernel/mm");
    snprintf(command, sizeof(command),
             "echo %" PRIu64 " | sudo tee %s/hugepages/hugepages-2048kB/nr_hugepages",
             node->total_2m + missing, place);
    preflight_add(preflight, severity, what, command);
}

bool preflight_nodes(const struct preflight *preflight, struct preflight_node *nodes)
{
    bool has_numa = false;
    for (uint32_t i = 0; i < PREFLIGHT_NODES_MAX; i++) {
        read_node(preflight, i, &nodes[i]);
        has_numa |= nodes[i].exists;
    }
    if (!has_numa)
        read_only_node(preflight, &nodes[0]);
    share_out(preflight, nodes);
    return has_numa;
}

static void check_hugepages(struct preflight *preflight)
{
    static struct preflight_node nodes[PREFLIGHT_NODES_MAX]; /* main thread, once */
    uint32_t pages = preflight->config->memory.pages;
    bool is_enough = true;
    preflight->result->use_hugepages = false;
    if (pages == CONFIG_PAGES_ORDINARY)
        return;
    bool has_numa = preflight_nodes(preflight, nodes);
    for (uint32_t i = 0; i < PREFLIGHT_NODES_MAX; i++) {
        if (nodes[i].free_2m * 2 * MIB + nodes[i].free_1g * 1024 * MIB >= nodes[i].need_bytes)
            continue;
        is_enough = false;
        report_node(preflight, i, &nodes[i], has_numa,
                    pages == CONFIG_PAGES_HUGE ? PREFLIGHT_ERROR : PREFLIGHT_NOTE);
    }
    preflight->result->use_hugepages = is_enough;
}

/* ---- all of it ---- */

void preflight_run(const struct server_config *config, const char *root,
                   struct preflight_result *result)
{
    struct preflight preflight = {.config = config, .root = root, .result = result};
    *result = (struct preflight_result){0};
    preflight_cores(&preflight);
    check_hugepages(&preflight);
    preflight_devices(&preflight);
}

void preflight_print(FILE *out, const struct preflight_result *result)
{
    static const char *const names[] = {
        [PREFLIGHT_NOTE] = "note", [PREFLIGHT_WARNING] = "warning", [PREFLIGHT_ERROR] = "error"};
    for (uint32_t i = 0; i < result->finding_count; i++) {
        const struct preflight_finding *finding = &result->findings[i];
        fprintf(out, "%s: %s\n", names[finding->severity], finding->what);
        if (finding->command[0])
            fprintf(out, "    to mend it: %s\n", finding->command);
    }
}
