/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel allows, its clock, and whether the admin socket's port is free. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/doctor_state.h"

#define OPEN_FILES_WANTED 4096u
#define TCP_LISTEN 10u

void doctor_io_uring(struct doctor *doctor)
{
    uint32_t io = doctor->machine.config->control.io;
    char value[16] = "";
    if (io == CONFIG_IO_THREADS) {
        doctor_add(doctor, DOCTOR_OK, "io_uring", "", "", "not wanted: control.io: threads");
        return;
    }
    int result = doctor->probes->io_uring();
    bool is_forbidden =
        doctor_read(doctor, value, sizeof(value), "/proc/sys/kernel/io_uring_disabled") &&
        strcmp(value, "0") != 0;
    if (result == 0)
        doctor_add(doctor, DOCTOR_OK, "io_uring", "", "", "a ring could be made");
    else
        doctor_add(doctor, io == CONFIG_IO_URING ? DOCTOR_ERROR : DOCTOR_WARNING, "io_uring",
                   "available: threads do the same, slower",
                   is_forbidden ? "sudo sysctl kernel.io_uring_disabled=0"
                                : "a container: allow io_uring in its seccomp profile",
                   "%s%s%s", strerror(-result), is_forbidden ? ", kernel.io_uring_disabled = " : "",
                   is_forbidden ? value : "");
}

/* Time stamps come from the TSC wherever the kernel trusts it. */
void doctor_clock(struct doctor *doctor)
{
    static char cpuinfo[PREFLIGHT_FILE_BYTES]; /* main thread */
    char source[32];
    if (!doctor_read(doctor, source, sizeof(source),
                     "/sys/devices/system/clocksource/clocksource0/current_clocksource")) {
        doctor_add(doctor, DOCTOR_OK, "clock", "", "",
                   "not to be seen here: no clocksource in /sys");
        return;
    }
    bool is_steady = preflight_read(&doctor->machine, cpuinfo, sizeof(cpuinfo), "/proc/cpuinfo") &&
                     strstr(cpuinfo, " constant_tsc") && strstr(cpuinfo, " nonstop_tsc");
    bool is_fast = strcmp(source, "tsc") == 0 || strcmp(source, "kvm-clock") == 0 ||
                   strcmp(source, "arch_sys_counter") == 0;
    if (is_fast)
        doctor_add(doctor, DOCTOR_OK, "clock", "", "", "%s%s", source,
                   is_steady ? ", constant_tsc and nonstop_tsc" : "");
    else
        doctor_add(doctor, DOCTOR_WARNING, "clock", "tsc, or kvm-clock in a virtual machine",
                   is_steady ? "echo tsc | sudo tee "
                               "/sys/devices/system/clocksource/clocksource0/current_clocksource"
                             : "dmesg | grep -i tsc says why the kernel does not trust it",
                   "%s: every look at the clock is a slow read of a device", source);
}

void doctor_open_files(struct doctor *doctor)
{
    char limits[8192];
    const char *line = preflight_read(&doctor->machine, limits, sizeof(limits), "/proc/self/limits")
                           ? preflight_line_of(limits, "Max open files")
                           : NULL;
    char soft[32] = "", hard[32] = "";
    if (!line || sscanf(line, "%31s %31s", soft, hard) != 2) {
        doctor_add(doctor, DOCTOR_OK, "open files", "", "",
                   "not to be seen here: no /proc/self/limits");
        return;
    }
    bool is_enough =
        !isdigit((unsigned char)hard[0]) || strtoull(hard, NULL, 10) >= OPEN_FILES_WANTED;
    if (is_enough)
        doctor_add(doctor, DOCTOR_OK, "open files", "", "", "up to %s", hard);
    else
        doctor_add(doctor, DOCTOR_WARNING, "open files", "4096 at least: one for each log segment",
                   "ulimit -H -n 1048576 (a service: LimitNOFILE=1048576)", "up to %s", hard);
}

void doctor_nmi_watchdog(struct doctor *doctor)
{
    char value[16];
    bool is_on = doctor_read(doctor, value, sizeof(value), "/proc/sys/kernel/nmi_watchdog") &&
                 strcmp(value, "0") != 0;
    if (!is_on || !doctor_is_busy(doctor)) {
        doctor_add(doctor, DOCTOR_OK, "NMI watchdog", "", "", "%s",
                   is_on ? "on, which adaptive workers may bear" : "off, or none here");
        return;
    }
    doctor_change(doctor, "0", "/proc/sys/kernel/nmi_watchdog");
    doctor_add(doctor, DOCTOR_WARNING, "NMI watchdog", "off: it interrupts busy workers",
               "sudo sysctl kernel.nmi_watchdog=0 (or: sudo gannet tune --apply)", "on");
}

static bool is_listening(const char *table, unsigned port)
{
    for (const char *line = strchr(table, '\n'); line; line = strchr(line + 1, '\n')) {
        unsigned slot, local_port, remote_port, state;
        char local[33], remote[33];
        if (sscanf(line + 1, " %u: %32[0-9A-Fa-f]:%x %32[0-9A-Fa-f]:%x %x", &slot, local,
                   &local_port, remote, &remote_port, &state) == 6 &&
            state == TCP_LISTEN && local_port == port)
            return true;
    }
    return false;
}

void doctor_admin_port(struct doctor *doctor)
{
    static char table[PREFLIGHT_FILE_BYTES]; /* main thread */
    const char *listen = doctor->machine.config->admin.listen;
    const char *colon = strrchr(listen, ':');
    char command[64];
    bool is_taken = false;
    if (!colon) {
        doctor_add(doctor, DOCTOR_OK, "admin socket", "", "", "admin.listen: %s", listen);
        return;
    }
    unsigned port = (unsigned)strtoul(colon + 1, NULL, 10);
    for (uint32_t i = 0; i < 2; i++)
        if (preflight_read(&doctor->machine, table, sizeof(table), "/proc/net/tcp%s", i ? "6" : ""))
            is_taken |= is_listening(table, port);
    snprintf(command, sizeof(command), "ss -ltnp 'sport = :%u'", port);
    if (is_taken)
        doctor_add(doctor, DOCTOR_WARNING, "admin socket", "a free port", command,
                   "somebody listens on port %u: a running gannet, or something else", port);
    else
        doctor_add(doctor, DOCTOR_OK, "admin socket", "", "", "%s is free", listen);
}
