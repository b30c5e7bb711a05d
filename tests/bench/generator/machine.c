/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tests/bench/generator/report_figures.h"

/* The first line of `path` that starts with `key`: what follows its colon, without blanks. */
static void read_line_of(const char *path, const char *key, char *value, size_t value_bytes)
{
    char line[256];
    FILE *file = fopen(path, "r");
    snprintf(value, value_bytes, "unknown");
    while (file && fgets(line, sizeof(line), file)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0)
            continue;
        const char *start = colon + 1 + strspn(colon + 1, " \t");
        snprintf(value, value_bytes, "%.*s", (int)strcspn(start, "\n"), start);
        break;
    }
    if (file)
        fclose(file);
}

void machine_read(struct machine *machine)
{
    char total[24], size[24];
    struct utsname name;
    read_line_of("/proc/cpuinfo", "model name", machine->cpu, sizeof(machine->cpu));
    read_line_of("/proc/meminfo", "HugePages_Total", total, sizeof(total));
    read_line_of("/proc/meminfo", "Hugepagesize", size, sizeof(size));
    snprintf(machine->huge_pages, sizeof(machine->huge_pages), "%s x %s", total, size);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    machine->cores = cores > 0 ? (uint32_t)cores : 0;
    snprintf(machine->kernel, sizeof(machine->kernel), "%s",
             uname(&name) == 0 ? name.release : "unknown");
}
