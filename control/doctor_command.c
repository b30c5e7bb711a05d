/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/doctor_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_file.h"
#include "control/doctor.h"
#include "control/machine_fit.h"
#include "control/text_buffer.h"
#include "control/tune.h"
#include "include/compiler.h"
#include "include/log.h"
#include "include/server_config.h"

#define RECORD_DEFAULT "/run/gannet-tune.undo"
#define STATUS_USAGE 3

struct words {
    bool is_json, is_apply, is_undo;
    const char *record, *config_path;
};

static int usage(const char *wrong)
{
    if (wrong[0])
        fprintf(stderr, "gannet: %s\n\n", wrong);
    fputs(
        "gannet doctor [--json] [CONFIG]  what is wrong or slow about this machine, and what mends "
        "it;\n"
        "                                 changes nothing; exit status 0: good, 1: warnings, 2: "
        "errors\n"
        "gannet tune [CONFIG]             what --apply would change, and a hardware part that "
        "fits\n"
        "gannet tune --apply [CONFIG]     writes those values to /sys and /proc, after noting the "
        "old ones\n"
        "gannet tune --undo               puts the old ones back\n"
        "  --record FILE                  where they are noted (" RECORD_DEFAULT ")\n"
        "CONFIG is the configuration that is to run; without one the defaults are looked at.\n",
        stderr);
    return STATUS_USAGE;
}

/* NULL, or what is wrong. */
static const char *read_words(int word_count, char *const list[], bool is_tune, struct words *words)
{
    *words = (struct words){.record = RECORD_DEFAULT};
    for (int i = 0; i < word_count; i++) {
        if (!is_tune && strcmp(list[i], "--json") == 0)
            words->is_json = true;
        else if (is_tune && strcmp(list[i], "--apply") == 0)
            words->is_apply = true;
        else if (is_tune && strcmp(list[i], "--undo") == 0)
            words->is_undo = true;
        else if (is_tune && strcmp(list[i], "--record") == 0 && i + 1 < word_count)
            words->record = list[++i];
        else if (list[i][0] == '-')
            return "no such option, or no value behind it";
        else if (words->config_path)
            return "one configuration only";
        else
            words->config_path = list[i];
    }
    return words->is_apply && words->is_undo ? "--apply or --undo" : NULL;
}

static bool examine(const char *config_path, struct doctor_report *report)
{
    static struct server_config config;
    struct config_errors errors;
    config_defaults(&config);
    if (config_path && config_read(config_path, &config, &errors) != 0) {
        config_errors_print(stderr, &errors);
        return false;
    }
    log_set_level(LOG_LEVEL_ERROR);
    struct doctor_machine machine = {.root = "", .config = &config, .probes = &doctor_real_probes};
    doctor_run(&machine, report);
    return true;
}

static void show(struct text_buffer *text)
{
    fputs(text->bytes ? text->bytes : "", stdout);
    text_buffer_clear(text);
}

int doctor_command_run(int word_count, char *const list[])
{
    static struct doctor_report report;
    struct words words;
    struct text_buffer text = {0};
    const char *wrong = read_words(word_count, list, false, &words);
    if (wrong)
        return usage(wrong);
    if (!examine(words.config_path, &report))
        return 2;
    if (words.is_json)
        doctor_write_json(&report, &text);
    else
        doctor_write_text(&report, &text);
    show(&text);
    return report.error_count > 0 ? 2 : report.warning_count > 0 ? 1 : 0;
}

static void print_changes(const struct doctor_report *report)
{
    puts(report->change_count > 0
             ? "gannet tune --apply would write:"
             : "Nothing to change that could be changed while this machine runs.");
    for (uint32_t i = 0; i < report->change_count; i++)
        printf("  %s = %s\n", report->changes[i].path, report->changes[i].value);
    puts("gannet doctor names what takes a person: kernel command line, drivers, disks.\n"
         "\nA hardware part that fits this machine (include: it, hw-configs/README.md):\n");
}

int tune_command_run(int word_count, char *const list[])
{
    static struct doctor_report report;
    struct words words;
    struct text_buffer text = {0};
    int status = 0;
    const char *wrong = read_words(word_count, list, true, &words);
    if (wrong)
        return usage(wrong);
    if (words.is_undo) {
        status = tune_undo("", words.record, &text);
    } else if (!examine(words.config_path, &report)) {
        return EXIT_FAILURE;
    } else if (words.is_apply) {
        status = tune_apply("", &report, words.record, &text);
        text_format(&text,
                    report.change_count > 0 ? "gannet tune --undo takes it back (%s)\n"
                                            : "nothing to change\n",
                    words.record);
    } else {
        print_changes(&report);
        machine_fit_write("", &text);
    }
    show(&text);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
