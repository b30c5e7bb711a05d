/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/doctor.h"

#include <stdarg.h>
#include <string.h>

#include "control/doctor_state.h"
#include "control/json_text.h"
#include "control/text_buffer.h"

/* In the order of the report. */
static doctor_check *const checks[] = {
    doctor_allowed_cores,
    doctor_shared_cores,
    doctor_siblings,
    doctor_isolation,
    doctor_governor,
    doctor_interrupts,
    doctor_steal,
    doctor_hugepages,
    doctor_locked_memory,
    doctor_numa_balancing,
    doctor_transparent_pages,
    doctor_ports,
    doctor_port_nodes,
    doctor_links,
    doctor_addresses,
    doctor_io_uring,
    doctor_clock,
    doctor_open_files,
    doctor_nmi_watchdog,
    doctor_admin_port,
    doctor_store,
};

/* ---- for the checks ---- */

void doctor_add(struct doctor *doctor, enum doctor_state state, const char *check,
                const char *wanted, const char *command, const char *found, ...)
{
    struct doctor_report *report = doctor->report;
    report->warning_count += state == DOCTOR_WARNING;
    report->error_count += state == DOCTOR_ERROR;
    if (report->finding_count == DOCTOR_FINDINGS_MAX)
        return; /* the status counts it all the same */
    struct doctor_finding *finding = &report->findings[report->finding_count++];
    finding->state = state;
    snprintf(finding->check, sizeof(finding->check), "%s", check);
    snprintf(finding->wanted, sizeof(finding->wanted), "%s", wanted);
    snprintf(finding->command, sizeof(finding->command), "%s", command);
    va_list arguments;
    va_start(arguments, found);
    vsnprintf(finding->found, sizeof(finding->found), found, arguments);
    va_end(arguments);
}

void doctor_change(struct doctor *doctor, const char *value, const char *path, ...)
{
    struct doctor_report *report = doctor->report;
    if (report->change_count == DOCTOR_CHANGES_MAX)
        return;
    struct doctor_change *change = &report->changes[report->change_count++];
    snprintf(change->value, sizeof(change->value), "%s", value);
    va_list arguments;
    va_start(arguments, path);
    vsnprintf(change->path, sizeof(change->path), path, arguments);
    va_end(arguments);
}

bool doctor_read(const struct doctor *doctor, char *out, size_t bytes, const char *path, ...)
{
    char full[PREFLIGHT_PATH_MAX];
    va_list arguments;
    va_start(arguments, path);
    vsnprintf(full, sizeof(full), path, arguments);
    va_end(arguments);
    if (!preflight_read(&doctor->machine, out, bytes, "%s", full))
        return false;
    out[strcspn(out, "\n")] = '\0';
    return true;
}

void doctor_list(const bool *set, uint32_t count, char *out, size_t bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < count && used < bytes; i++) {
        uint32_t first = i;
        if (!set[i])
            continue;
        while (i + 1 < count && set[i + 1])
            i++;
        const char *comma = used ? "," : "";
        int length = first == i ? snprintf(out + used, bytes - used, "%s%u", comma, first)
                                : snprintf(out + used, bytes - used, "%s%u-%u", comma, first, i);
        used += (size_t)length;
    }
}

bool doctor_is_busy(const struct doctor *doctor)
{
    return doctor->machine.config->workers.poll == CONFIG_POLL_BUSY;
}

void doctor_run(const struct doctor_machine *machine, struct doctor_report *report)
{
    static struct preflight_result scratch; /* main thread */
    static struct doctor doctor;
    *report = (struct doctor_report){0};
    scratch = (struct preflight_result){0};
    doctor = (struct doctor){
        .machine = {.config = machine->config, .root = machine->root, .result = &scratch},
        .probes = machine->probes,
        .report = report,
    };
    preflight_cores(&doctor.machine);
    doctor.has_numa = preflight_nodes(&doctor.machine, doctor.nodes);
    for (size_t i = 0; i < ARRAY_COUNT(checks); i++)
        checks[i](&doctor);
}

/* ---- the report ---- */

static const char *const state_names[] = {"ok", "warning", "error"};

void doctor_write_text(const struct doctor_report *report, struct text_buffer *out)
{
    for (uint32_t i = 0; i < report->finding_count; i++) {
        const struct doctor_finding *finding = &report->findings[i];
        text_format(out, "%-8s %-22s %s", state_names[finding->state], finding->check,
                    finding->found);
        if (finding->state != DOCTOR_OK && finding->wanted[0])
            text_format(out, "; wanted: %s", finding->wanted);
        text_format(out, "\n");
        if (finding->state != DOCTOR_OK && finding->command[0])
            text_format(out, "         to mend it: %s\n", finding->command);
    }
    text_format(out, "%u checked, %u warnings, %u errors\n", report->finding_count,
                report->warning_count, report->error_count);
}

static void put_string(struct text_buffer *out, const char *name, const char *text)
{
    text_format(out, "\"%s\":", name);
    json_add_string(out, text, strlen(text));
}

void doctor_write_json(const struct doctor_report *report, struct text_buffer *out)
{
    text_format(out, "{\"warnings\":%u,\"errors\":%u,\"checks\":[", report->warning_count,
                report->error_count);
    for (uint32_t i = 0; i < report->finding_count; i++) {
        const struct doctor_finding *finding = &report->findings[i];
        text_format(out, "%s\n{", i ? "," : "");
        put_string(out, "check", finding->check);
        text_format(out, ",");
        put_string(out, "state", state_names[finding->state]);
        text_format(out, ",");
        put_string(out, "found", finding->found);
        text_format(out, ",");
        put_string(out, "wanted", finding->wanted);
        text_format(out, ",");
        put_string(out, "command", finding->command);
        text_format(out, "}");
    }
    text_format(out, "]}\n");
}
