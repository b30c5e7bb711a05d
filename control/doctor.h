/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor.h - what is wrong or slow about a machine for a configuration, and what mends it.
 *
 * Purpose:   gannet doctor: a table of checks, each a small function that looks and says what it
 *            found, what is wanted and which command mends it. Nothing is changed. gannet tune
 *            makes those changes that are files to be written, and takes them back.
 * Ownership: the report is the caller's.
 * Threading: main thread.
 * Units:     in the texts.
 * Errors:    what cannot be looked at is said in a line of its own, never left out.
 * Source:    sysfs(5), proc(5); DPDK 22.11's Linux guide, the kernel's admin-guide.
 */
#ifndef GANNET_DOCTOR_H
#define GANNET_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

struct server_config;
struct text_buffer;

#define DOCTOR_FINDINGS_MAX 128u
#define DOCTOR_CHANGES_MAX 512u

enum doctor_state { DOCTOR_OK = 0, DOCTOR_WARNING, DOCTOR_ERROR };

struct doctor_finding {
    enum doctor_state state;
    char check[32];
    char found[256];
    char wanted[160];
    char command[384]; /* empty: none does */
};

/* A file of /sys or /proc whose value can be changed now and put back later. */
struct doctor_change {
    char path[128];
    char value[32];
};

struct doctor_report {
    uint32_t finding_count, warning_count, error_count, change_count;
    struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
    struct doctor_change changes[DOCTOR_CHANGES_MAX];
};

/* What one learns of a directory only by using it. */
struct doctor_disk {
    char file_system[16];
    uint64_t free_bytes;
    bool has_direct;     /* O_DIRECT works */
    uint64_t sync_us;    /* the middle of several small writes with fdatasync; 0: none worked */
    bool is_not_durable; /* memory, or somebody else's disk */
};

/* What no file of /sys or /proc tells; tests bring their own. */
struct doctor_probes {
    int (*io_uring)(void); /* 0 or a negative errno */
    int (*disk)(const char *directory, struct doctor_disk *disk);
};

struct doctor_machine {
    const char *root; /* stands in front of /sys, /proc and /dev; "" is this machine */
    const struct server_config *config;
    const struct doctor_probes *probes;
};

extern const struct doctor_probes doctor_real_probes;

void doctor_run(const struct doctor_machine *machine, struct doctor_report *report);

void doctor_write_text(const struct doctor_report *report, struct text_buffer *out);
void doctor_write_json(const struct doctor_report *report, struct text_buffer *out);

#endif
