/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/machine_fit.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/doctor_state.h"
#include "control/text_buffer.h"

#define CARDS_MAX 16u
#define CLASS_ETHERNET UINT64_C(0x020000)
#define BUSY_CORES_MIN 4u /* with fewer the kernel and the control threads need them too */

struct card {
    char address[16], driver[32], interface[32];
    long node;
    uint32_t own_traffic; /* PREFLIGHT_DEFAULT_ROUTE and others: then it is left alone */
};

struct fit {
    struct preflight machine;
    bool allowed[PREFLIGHT_CPUS_MAX];
    bool workers[PREFLIGHT_CPUS_MAX];
    uint32_t allowed_count, physical_count, worker_count;
    int32_t control_core; /* -1: none of its own */
    uint64_t memory_mib;
    uint32_t card_count;
    struct card cards[CARDS_MAX];
    const struct card *card; /* the one to use, or NULL */
};

/* ---- cores ---- */

/* The first hardware thread of each physical core stands for it. */
static bool is_first_thread(const struct preflight *machine, uint32_t cpu)
{
    char text[256];
    bool siblings[PREFLIGHT_CPUS_MAX] = {false};
    if (!preflight_read(machine, text, sizeof(text),
                        "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu))
        return true;
    preflight_parse_cpus(text, siblings);
    for (uint32_t other = 0; other < cpu; other++)
        if (siblings[other])
            return false;
    return true;
}

static void near_cores(const struct fit *fit, bool near[PREFLIGHT_CPUS_MAX])
{
    char list[4096];
    memset(near, 0, PREFLIGHT_CPUS_MAX);
    if (fit->card && fit->card->node >= 0 &&
        preflight_read(&fit->machine, list, sizeof(list),
                       "/sys/devices/system/node/node%ld/cpulist", fit->card->node))
        preflight_parse_cpus(list, near);
    else
        memset(near, true, PREFLIGHT_CPUS_MAX);
}

/* Core 0 is the kernel's; of the rest on the card's node one of four is for the disk. */
static void choose_cores(struct fit *fit)
{
    char status[8192];
    bool near[PREFLIGHT_CPUS_MAX], free_cores[PREFLIGHT_CPUS_MAX] = {false};
    uint32_t free_count = 0;
    near_cores(fit, near);
    if (preflight_read(&fit->machine, status, sizeof(status), "/proc/self/status")) {
        const char *line = preflight_line_of(status, "Cpus_allowed_list:");
        if (line)
            preflight_parse_cpus(line + strspn(line, " \t"), fit->allowed);
    }
    for (uint32_t cpu = 0; cpu < PREFLIGHT_CPUS_MAX; cpu++) {
        bool is_physical = fit->allowed[cpu] && is_first_thread(&fit->machine, cpu);
        fit->allowed_count += fit->allowed[cpu];
        fit->physical_count += is_physical;
        free_cores[cpu] = is_physical && cpu != 0 && near[cpu];
        free_count += free_cores[cpu];
    }
    fit->control_core = -1;
    uint32_t wanted = free_count;
    if (fit->physical_count >= BUSY_CORES_MIN && free_count > 1)
        wanted = free_count - 1;
    for (uint32_t cpu = PREFLIGHT_CPUS_MAX; cpu-- > 0;) {
        if (!free_cores[cpu])
            continue;
        if (fit->worker_count < wanted && fit->worker_count < CORES_MAX) {
            fit->workers[cpu] = true;
            fit->worker_count++;
        } else if (fit->control_core < 0) {
            fit->control_core = (int32_t)cpu;
        }
    }
}

/* ---- cards ---- */

static void add_card(struct fit *fit, const char *address)
{
    uint64_t class = 0;
    char node[16];
    if (fit->card_count == CARDS_MAX ||
        !preflight_read_number(&fit->machine, &class, "/sys/bus/pci/devices/%s/class", address) ||
        class != CLASS_ETHERNET)
        return;
    struct card *card = &fit->cards[fit->card_count++];
    snprintf(card->address, sizeof(card->address), "%.15s", address);
    preflight_pci_link(&fit->machine, address, "driver", card->driver, sizeof(card->driver));
    char names[PREFLIGHT_INTERFACES_MAX][IFNAMSIZ] = {""};
    uint32_t name_count =
        preflight_pci_interfaces(&fit->machine, address, names, PREFLIGHT_INTERFACES_MAX);
    snprintf(card->interface, sizeof(card->interface), "%s", names[0]);
    card->node = preflight_read(&fit->machine, node, sizeof(node),
                                "/sys/bus/pci/devices/%s/numa_node", address)
                     ? strtol(node, NULL, 10)
                     : -1;
    card->own_traffic = preflight_own_traffic(&fit->machine, names, name_count);
}

static int compare_cards(const void *left, const void *right)
{
    return strcmp(((const struct card *)left)->address, ((const struct card *)right)->address);
}

static void find_cards(struct fit *fit)
{
    char path[PREFLIGHT_PATH_MAX];
    snprintf(path, sizeof(path), "%s/sys/bus/pci/devices", fit->machine.root);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_name[0] != '.')
            add_card(fit, entry->d_name);
    if (directory)
        closedir(directory);
    qsort(fit->cards, fit->card_count, sizeof(fit->cards[0]), compare_cards);
    for (uint32_t i = 0; i < fit->card_count && !fit->card; i++)
        if (fit->cards[i].own_traffic == 0)
            fit->card = &fit->cards[i];
}

/* ---- memory ---- */

static void find_memory(struct fit *fit)
{
    char text[4096];
    if (!preflight_read(&fit->machine, text, sizeof(text), "/proc/meminfo"))
        return;
    const char *line = preflight_line_of(text, "MemTotal:");
    fit->memory_mib = line ? strtoull(line, NULL, 10) >> 10 : 0;
}

/* ---- the text ---- */

static void write_cores(const struct fit *fit, struct text_buffer *out)
{
    char list[512];
    bool is_busy = fit->worker_count > 0 && fit->physical_count >= BUSY_CORES_MIN;
    doctor_list(fit->workers, PREFLIGHT_CPUS_MAX, list, sizeof(list));
    text_format(out,
                "# %u processors may be used, %u physical cores; core 0 is left to the kernel\n",
                fit->allowed_count, fit->physical_count);
    text_format(out, "workers:\n  cores: %s\n  poll: %s%s\n", list[0] ? list : "auto",
                is_busy ? "busy" : "adaptive",
                is_busy ? "" : "      # too few cores to give any away for polling");
    text_format(out, "control:\n  threads: 1          # one keeps an NVMe disk busy\n");
    if (fit->control_core >= 0 && is_busy)
        text_format(out, "  cores: %d\n", fit->control_core);
}

/* A sixteenth for values, a quarter for the caches together, an eighth for the index. */
static void write_memory(const struct fit *fit, struct text_buffer *out)
{
    uint32_t workers = fit->worker_count > 0 ? fit->worker_count : 1;
    uint64_t values = fit->memory_mib / 16, cache = fit->memory_mib / 4 / workers;
    uint64_t index = fit->memory_mib / 8;
    if (fit->memory_mib == 0) {
        text_format(out, "# no /proc/meminfo: memory is left at its defaults\n");
        return;
    }
    text_format(out,
                "# %" PRIu64 " MiB of memory: a quarter for caches, an eighth for the index, a "
                "sixteenth for values\n",
                fit->memory_mib);
    text_format(out, "memory:\n  pages: auto\n  values_mib: %" PRIu64 "\n",
                values < 16 ? 16 : values);
    text_format(out, "cache:\n  memory_mib: %" PRIu64 "       # each worker\n",
                cache < 1 ? 1 : cache);
    text_format(out, "store:\n  index_memory_mib: %" PRIu64 "\n", index < 1 ? 1 : index);
}

static const char *left_alone(const struct card *card)
{
    if (card->own_traffic & PREFLIGHT_DEFAULT_ROUTE)
        return ": carries the default route, so it is left alone";
    return card->own_traffic ? ": carries an SSH session, so it is left alone" : "";
}

static void write_ports(const struct fit *fit, struct text_buffer *out)
{
    for (uint32_t i = 0; i < fit->card_count; i++) {
        const struct card *card = &fit->cards[i];
        text_format(out, "# %s: driver %s, interface %s, node %ld%s\n", card->address,
                    card->driver[0] ? card->driver : "none",
                    card->interface[0] ? card->interface : "none", card->node, left_alone(card));
    }
    if (fit->card) {
        text_format(out,
                    "# its addresses belong into the service part: ports: [{ipv4: 192.0.2.10/24, "
                    "gateway: 192.0.2.1}]\n"
                    "ports:\n  - device: \"%s\"\n    queues: %u\n",
                    fit->card->address, fit->worker_count > 0 ? fit->worker_count : 1);
        return;
    }
    text_format(out,
                "# no network card that could be taken (PCI class 0200%s): a port on a kernel\n"
                "# interface instead, for trying out; hw-configs/ has af_xdp, tap and memif too\n"
                "ports:\n  - device: \"net_af_packet0,iface=gannet0\"\n    queues: 1\n",
                fit->card_count > 0 ? " and not what this machine is reached by" : "");
}

void machine_fit_write(const char *root, struct text_buffer *out)
{
    static struct fit fit; /* main thread */
    fit = (struct fit){.machine = {.root = root}};
    find_cards(&fit);
    choose_cores(&fit);
    find_memory(&fit);
    text_format(out, "# SPDX-License-Identifier: BSD-3-Clause\n"
                     "# The hardware part of a configuration, as gannet tune sees this machine.\n");
    write_cores(&fit, out);
    write_memory(&fit, out);
    write_ports(&fit, out);
}
