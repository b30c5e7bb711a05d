/* SPDX-License-Identifier: BSD-3-Clause */
/* The workers' cores: are they ours, and ours alone? */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/doctor_state.h"

#define STEAL_PERMILLE_MAX 10u

static void worker_set(const struct doctor *doctor, bool set[PREFLIGHT_CPUS_MAX])
{
    const struct preflight_result *result = doctor->machine.result;
    memset(set, 0, PREFLIGHT_CPUS_MAX);
    for (uint32_t i = 0; i < result->worker_count; i++)
        if (result->worker_cores[i] < PREFLIGHT_CPUS_MAX)
            set[result->worker_cores[i]] = true;
}

static void add_list(bool set[PREFLIGHT_CPUS_MAX], const struct core_list *list)
{
    for (uint32_t i = 0; i < list->core_count; i++)
        if (list->cores[i] < PREFLIGHT_CPUS_MAX)
            set[list->cores[i]] = true;
}

/* Those of `set` for which a file names something; a list of them and how many there are. */
static uint32_t list_of(const bool *set, char *out, size_t bytes)
{
    uint32_t count = 0;
    for (uint32_t cpu = 0; cpu < PREFLIGHT_CPUS_MAX; cpu++)
        count += set[cpu];
    doctor_list(set, PREFLIGHT_CPUS_MAX, out, bytes);
    return count;
}

void doctor_allowed_cores(struct doctor *doctor)
{
    const struct preflight_result *result = doctor->machine.result;
    bool set[PREFLIGHT_CPUS_MAX];
    char list[64];
    for (uint32_t i = 0; i < result->finding_count; i++)
        doctor_add(doctor, DOCTOR_ERROR, "cores", "cores that this process may use",
                   result->findings[i].command, "%s", result->findings[i].what);
    if (result->finding_count > 0)
        return;
    worker_set(doctor, set);
    uint32_t count = list_of(set, list, sizeof(list));
    doctor_add(doctor, DOCTOR_OK, "cores", "", "", "%u worker%s on core%s %s%s", count,
               count == 1 ? "" : "s", count == 1 ? "" : "s", list,
               doctor->machine.config->workers.cores.is_auto ? " (auto)" : "");
}

/* Control and task threads, and core 0, where the kernel's own work is. */
void doctor_shared_cores(struct doctor *doctor)
{
    const struct server_config *config = doctor->machine.config;
    bool workers[PREFLIGHT_CPUS_MAX], others[PREFLIGHT_CPUS_MAX] = {[0] = true};
    char list[64];
    worker_set(doctor, workers);
    add_list(others, &config->control.cores);
    add_list(others, &config->tasks.cores);
    for (uint32_t cpu = 0; cpu < PREFLIGHT_CPUS_MAX; cpu++)
        others[cpu] &= workers[cpu];
    if (list_of(others, list, sizeof(list)) == 0)
        doctor_add(doctor, DOCTOR_OK, "cores of their own", "", "",
                   "no worker shares a core with core 0's interrupts or with pinned threads");
    else
        doctor_add(doctor, doctor_is_busy(doctor) ? DOCTOR_WARNING : DOCTOR_OK,
                   "cores of their own", "workers away from core 0, control.cores and tasks.cores",
                   "change workers.cores, control.cores or tasks.cores; gannet tune prints cores",
                   "workers share core %s%s", list,
                   doctor_is_busy(doctor) ? "" : ", which adaptive workers may");
}

void doctor_siblings(struct doctor *doctor)
{
    bool workers[PREFLIGHT_CPUS_MAX], together[PREFLIGHT_CPUS_MAX] = {false};
    char text[256], list[64];
    bool is_known = false;
    worker_set(doctor, workers);
    for (uint32_t cpu = 0; cpu < PREFLIGHT_CPUS_MAX; cpu++) {
        bool siblings[PREFLIGHT_CPUS_MAX] = {false};
        if (!workers[cpu] ||
            !doctor_read(doctor, text, sizeof(text),
                         "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu))
            continue;
        is_known = true;
        preflight_parse_cpus(text, siblings);
        for (uint32_t other = 0; other < PREFLIGHT_CPUS_MAX; other++)
            together[cpu] |= other != cpu && siblings[other] && workers[other];
    }
    if (!is_known)
        doctor_add(doctor, DOCTOR_OK, "hardware threads", "", "",
                   "not to be seen here: no topology in /sys");
    else if (list_of(together, list, sizeof(list)) == 0)
        doctor_add(doctor, DOCTOR_OK, "hardware threads", "", "",
                   "each worker has a physical core of its own");
    else
        doctor_add(doctor, DOCTOR_WARNING, "hardware threads", "one worker per physical core",
                   "lscpu -e=CPU,NODE,CORE and change workers.cores; gannet tune prints cores",
                   "workers %s are hardware threads of the same cores", list);
}

void doctor_isolation(struct doctor *doctor)
{
    bool workers[PREFLIGHT_CPUS_MAX], isolated[PREFLIGHT_CPUS_MAX] = {false};
    char text[512] = "", list[64], command[384];
    if (!doctor_is_busy(doctor)) {
        doctor_add(doctor, DOCTOR_OK, "isolated cores", "", "",
                   "not needed: workers.poll: adaptive");
        return;
    }
    worker_set(doctor, workers);
    bool is_known = doctor_read(doctor, text, sizeof(text), "/sys/devices/system/cpu/isolated");
    preflight_parse_cpus(text, isolated);
    for (uint32_t cpu = 0; cpu < PREFLIGHT_CPUS_MAX; cpu++)
        workers[cpu] &= !isolated[cpu];
    if (list_of(workers, list, sizeof(list)) == 0) {
        doctor_add(doctor, DOCTOR_OK, "isolated cores", "", "", "all workers' cores are isolated");
        return;
    }
    snprintf(command, sizeof(command),
             "add isolcpus=managed_irq,domain,%s nohz_full=%s rcu_nocbs=%s to the kernel's command "
             "line and reboot",
             list, list, list);
    doctor_add(doctor, DOCTOR_WARNING, "isolated cores", "busy workers where nothing else runs",
               command, "%s %s",
               is_known ? "the kernel schedules others on workers' cores"
                        : "no list of isolated cores in /sys; workers' cores:",
               list);
}

void doctor_governor(struct doctor *doctor)
{
    bool workers[PREFLIGHT_CPUS_MAX], slow[PREFLIGHT_CPUS_MAX] = {false};
    char governor[32] = "", list[64], found[32] = "";
    bool is_known = false;
    worker_set(doctor, workers);
    for (uint32_t cpu = 0; cpu < PREFLIGHT_CPUS_MAX; cpu++) {
        if (!workers[cpu] ||
            !doctor_read(doctor, governor, sizeof(governor),
                         "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu))
            continue;
        is_known = true;
        slow[cpu] = strcmp(governor, "performance") != 0;
        if (!slow[cpu])
            continue;
        snprintf(found, sizeof(found), "%s", governor);
        doctor_change(doctor, "performance",
                      "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu);
    }
    if (!is_known)
        doctor_add(doctor, DOCTOR_OK, "frequency governor", "", "",
                   "none here: no frequency scaling to be seen, as in most virtual machines");
    else if (list_of(slow, list, sizeof(list)) == 0)
        doctor_add(doctor, DOCTOR_OK, "frequency governor", "", "", "performance");
    else
        doctor_add(doctor, DOCTOR_WARNING, "frequency governor", "performance",
                   "sudo gannet tune --apply (or: cpupower frequency-set -g performance)",
                   "%s on cores %s", found, list);
}

/* Interrupts that may be delivered on a worker's core. */
static uint32_t count_interrupts(const struct doctor *doctor, const bool *workers)
{
    char path[PREFLIGHT_PATH_MAX], text[512];
    snprintf(path, sizeof(path), "%s/proc/irq", doctor->machine.root);
    DIR *directory = opendir(path);
    uint32_t count = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        bool cpus[PREFLIGHT_CPUS_MAX] = {false}, is_hit = false;
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
            !doctor_read(doctor, text, sizeof(text), "/proc/irq/%.32s/effective_affinity_list",
                         entry->d_name))
            continue;
        preflight_parse_cpus(text, cpus);
        for (uint32_t cpu = 0; cpu < PREFLIGHT_CPUS_MAX; cpu++)
            is_hit |= cpus[cpu] && workers[cpu];
        count += is_hit;
    }
    if (directory)
        closedir(directory);
    return count;
}

void doctor_interrupts(struct doctor *doctor)
{
    bool workers[PREFLIGHT_CPUS_MAX];
    char list[64];
    if (!doctor_is_busy(doctor)) {
        doctor_add(doctor, DOCTOR_OK, "interrupts", "", "",
                   "not looked at: workers.poll: adaptive");
        return;
    }
    worker_set(doctor, workers);
    list_of(workers, list, sizeof(list));
    uint32_t count = count_interrupts(doctor, workers);
    if (count == 0)
        doctor_add(doctor, DOCTOR_OK, "interrupts", "", "", "none is sent to workers' cores");
    else
        doctor_add(doctor, DOCTOR_WARNING, "interrupts", "none on workers' cores",
                   "add irqaffinity=0 to the kernel's command line; IRQBALANCE_BANNED_CPULIST in "
                   "/etc/default/irqbalance",
                   "%u interrupts are sent to cores %s", count, list);
}

/* Time that the host gave to others since boot, of all that this machine wanted. */
void doctor_steal(struct doctor *doctor)
{
    char text[256];
    uint64_t values[8] = {0}, total = 0;
    if (!doctor_read(doctor, text, sizeof(text), "/proc/stat") || strncmp(text, "cpu ", 4) != 0) {
        doctor_add(doctor, DOCTOR_OK, "stolen time", "", "", "not to be seen here: no /proc/stat");
        return;
    }
    char *at = text + 4;
    for (uint32_t i = 0; i < 8; i++) {
        values[i] = strtoull(at, &at, 10);
        total += values[i];
    }
    uint64_t wanted = total - values[3] - values[4]; /* but idle and waiting for disks */
    uint64_t permille = wanted > 0 ? values[7] * 1000 / wanted : 0;
    if (permille < STEAL_PERMILLE_MAX)
        doctor_add(doctor, DOCTOR_OK, "stolen time", "", "",
                   "%" PRIu64 ".%" PRIu64 " %% since boot", permille / 10, permille % 10);
    else
        doctor_add(doctor, DOCTOR_WARNING, "stolen time", "below 1 %",
                   "dedicated cores for this virtual machine (its host's setting)",
                   "the host took %" PRIu64 ".%" PRIu64 " %% of the time this machine wanted",
                   permille / 10, permille % 10);
}
