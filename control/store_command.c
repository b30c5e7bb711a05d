/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_command.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "control/store_backup.h"
#include "control/store_compact.h"
#include "control/store_inspect.h"
#include "include/compiler.h"

#define PATHS_MAX 2u

struct store_words {
    const char *paths[PATHS_MAX]; /* what is no option, in order */
    uint32_t path_count;
    const char *base, *admin, *dead_percent;
    bool as_json;
};

static enum store_tool_status run_verify(const struct store_words *words, uint64_t now_ms,
                                         struct text_buffer *text)
{
    (void)now_ms;
    return store_verify(words->paths[0], text);
}

static enum store_tool_status run_backup(const struct store_words *words, uint64_t now_ms,
                                         struct text_buffer *text)
{
    (void)now_ms;
    const struct store_backup_request request = {
        .from = words->paths[0],
        .to = words->paths[1],
        .base = words->base,
        .admin = words->admin != NULL ? words->admin : "127.0.0.1:9090",
    };
    return store_backup(&request, text);
}

static enum store_tool_status run_restore(const struct store_words *words, uint64_t now_ms,
                                          struct text_buffer *text)
{
    return store_restore(words->paths[0], words->paths[1], now_ms, text);
}

static enum store_tool_status run_inspect(const struct store_words *words, uint64_t now_ms,
                                          struct text_buffer *text)
{
    (void)now_ms;
    return store_inspect(words->paths[0], words->paths[1], words->as_json, text);
}

static enum store_tool_status run_compact(const struct store_words *words, uint64_t now_ms,
                                          struct text_buffer *text)
{
    (void)now_ms;
    uint64_t percent = STORE_COMPACT_DEAD_PERCENT;
    if (words->dead_percent != NULL) {
        char *end;
        errno = 0;
        percent = strtoull(words->dead_percent, &end, 10);
        if (errno != 0 || *end != '\0' || percent < 1 || percent > 90) {
            text_format(text, "--dead-percent = %.20s: allowed 1..90 (default %u)\n",
                        words->dead_percent, STORE_COMPACT_DEAD_PERCENT);
            return STORE_TOOL_USAGE;
        }
    }
    return store_compact(words->paths[0], (uint32_t)percent, text);
}

static const struct {
    const char *word, *usage;
    uint32_t paths_min, paths_max;
    enum store_tool_status (*run)(const struct store_words *words, uint64_t now_ms,
                                  struct text_buffer *text);
} tools[] = {
    {"verify", "verify DIRECTORY", 1, 1, run_verify},
    {"backup", "backup [--base BACKUP] [--admin ADDRESS:PORT] DIRECTORY BACKUP", 2, 2, run_backup},
    {"restore", "restore BACKUP DIRECTORY", 2, 2, run_restore},
    {"inspect", "inspect [--json] DIRECTORY [NAMESPACE/KEY]", 1, 2, run_inspect},
    {"compact", "compact [--dead-percent N] DIRECTORY", 1, 1, run_compact},
};

/* Where the value of this option of this tool goes; NULL: it has no such option. */
static const char **option_value(struct store_words *words, const char *tool, const char *option)
{
    const struct {
        const char *tool, *option;
        const char **value;
    } options[] = {
        {"backup", "--base", &words->base},
        {"backup", "--admin", &words->admin},
        {"compact", "--dead-percent", &words->dead_percent},
    };
    for (size_t i = 0; i < ARRAY_COUNT(options); i++)
        if (strcmp(options[i].tool, tool) == 0 && strcmp(options[i].option, option) == 0)
            return options[i].value;
    return NULL;
}

static bool sort_words(int word_count, char *const words[], uint32_t paths_max,
                       struct store_words *sorted)
{
    bool options_ended = false;
    *sorted = (struct store_words){0};
    for (int i = 1; i < word_count; i++) {
        bool is_option = !options_ended && words[i][0] == '-';
        const char **value = is_option ? option_value(sorted, words[0], words[i]) : NULL;
        if (is_option && strcmp(words[i], "--") == 0) {
            options_ended = true;
        } else if (value != NULL && i + 1 < word_count) {
            *value = words[++i];
        } else if (is_option && strcmp(words[i], "--json") == 0 &&
                   strcmp(words[0], "inspect") == 0) {
            sorted->as_json = true;
        } else if (is_option || sorted->path_count == paths_max) {
            return false;
        } else {
            sorted->paths[sorted->path_count++] = words[i];
        }
    }
    return true;
}

void store_command_print_help(FILE *file)
{
    for (size_t i = 0; i < ARRAY_COUNT(tools); i++)
        fprintf(file, "  gannet store %s\n", tools[i].usage);
    fputs(
        "\nExit status: 0 good, 1 acknowledged data is damaged, 2 wrong usage, 3 nothing could be "
        "done.\n",
        file);
}

int store_command_run(int word_count, char *const words[], uint64_t now_ms)
{
    struct store_words sorted;
    size_t which = 0;
    while (word_count > 0 && which < ARRAY_COUNT(tools) && strcmp(tools[which].word, words[0]) != 0)
        which++;
    if (word_count == 0 || which == ARRAY_COUNT(tools)) {
        store_command_print_help(stderr);
        return STORE_TOOL_USAGE;
    }
    if (!sort_words(word_count, words, tools[which].paths_max, &sorted) ||
        sorted.path_count < tools[which].paths_min) {
        fprintf(stderr, "gannet: usage: gannet store %s\n", tools[which].usage);
        return STORE_TOOL_USAGE;
    }
    struct text_buffer text = {0};
    enum store_tool_status status = tools[which].run(&sorted, now_ms, &text);
    if (text.used_bytes > 0)
        fputs(text.bytes,
              status == STORE_TOOL_GOOD || status == STORE_TOOL_DAMAGED ? stdout : stderr);
    if (text.is_cut)
        fputs("gannet: the report is longer than it may be; the rest is not shown\n", stderr);
    text_buffer_clear(&text);
    return status;
}
