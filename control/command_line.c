/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/command_line.h"

#include <errno.h>
#include <string.h>

#include "include/api_keys.h"

enum argument { ARGUMENT_NONE = 0, ARGUMENT_TAKEN, ARGUMENT_NEEDED };

static const struct {
    const char *word;
    enum command command;
    enum argument argument;
} commands[] = {
    {"serve", COMMAND_SERVE, ARGUMENT_NEEDED},     {"check", COMMAND_CHECK, ARGUMENT_NEEDED},
    {"doctor", COMMAND_DOCTOR, ARGUMENT_NONE},     {"tune", COMMAND_TUNE, ARGUMENT_NONE},
    {"top", COMMAND_TOP, ARGUMENT_TAKEN},          {"capture", COMMAND_CAPTURE, ARGUMENT_NONE},
    {"keys", COMMAND_KEYS, ARGUMENT_NONE},         {"store", COMMAND_STORE, ARGUMENT_NONE},
    {"--version", COMMAND_VERSION, ARGUMENT_NONE}, {"version", COMMAND_VERSION, ARGUMENT_NONE},
    {"--help", COMMAND_HELP, ARGUMENT_NONE},       {"-h", COMMAND_HELP, ARGUMENT_NONE},
    {"help", COMMAND_HELP, ARGUMENT_NONE},
};

#define SEE_HELP "; see gannet --help"

/* "key new NAME" */
static int parse_key(int argument_count, char *const arguments[], struct command_line *out,
                     char *error, size_t error_bytes)
{
    if (argument_count != 4 || strcmp(arguments[2], "new") != 0 ||
        !api_key_is_name(arguments[3], strlen(arguments[3]))) {
        snprintf(error, error_bytes,
                 "key: allowed is key new NAME, a name of 1 to 64 of A-Z a-z 0-9 . _ -" SEE_HELP);
        return -EINVAL;
    }
    out->command = COMMAND_KEY_NEW;
    out->name = arguments[3];
    return 0;
}

int command_line_parse(int argument_count, char *const arguments[], struct command_line *out,
                       char *error, size_t error_bytes)
{
    *out = (struct command_line){.command = COMMAND_HELP};
    if (argument_count < 2) {
        snprintf(error, error_bytes, "a command is missing" SEE_HELP);
        return -EINVAL;
    }
    if (strcmp(arguments[1], "key") == 0)
        return parse_key(argument_count, arguments, out, error, error_bytes);
    size_t which = 0;
    while (which < ARRAY_COUNT(commands) && strcmp(commands[which].word, arguments[1]) != 0)
        which++;
    if (which == ARRAY_COUNT(commands)) {
        snprintf(error, error_bytes, "unknown command %.60s" SEE_HELP, arguments[1]);
        return -EINVAL;
    }
    out->command = commands[which].command;
    bool reads_its_own = out->command == COMMAND_STORE || out->command == COMMAND_CAPTURE ||
                         out->command == COMMAND_DOCTOR || out->command == COMMAND_TUNE;
    if (reads_its_own) {
        out->words = arguments + 2;
        out->word_count = argument_count - 2;
        return 0;
    }
    bool options_ended = false;
    for (int i = 2; i < argument_count; i++) {
        const char *word = arguments[i];
        bool is_option = !options_ended && word[0] == '-' && word[1] != '\0';
        if (is_option && strcmp(word, "--") == 0) {
            options_ended = true;
        } else if (is_option && out->command == COMMAND_CHECK && strcmp(word, "--offline") == 0) {
            out->is_offline = true;
        } else if (is_option && out->command == COMMAND_TOP && strcmp(word, "--once") == 0) {
            out->is_once = true;
        } else if (is_option) {
            snprintf(error, error_bytes, "%s: unknown option %.60s" SEE_HELP, arguments[1], word);
            return -EINVAL;
        } else if (commands[which].argument == ARGUMENT_NONE || out->config_path) {
            snprintf(error, error_bytes, "%s: %.60s is one argument too many" SEE_HELP,
                     arguments[1], word);
            return -EINVAL;
        } else {
            out->config_path = word;
        }
    }
    if (commands[which].argument == ARGUMENT_NEEDED && !out->config_path) {
        snprintf(error, error_bytes, "%s: the configuration file is missing" SEE_HELP,
                 arguments[1]);
        return -EINVAL;
    }
    return 0;
}

void command_line_print_help(FILE *file)
{
    fputs(
        "gannet serves an HTTP API from memory and a durable store, past the kernel's network.\n"
        "\n"
        "  gannet serve CONFIG              run until SIGTERM\n"
        "  gannet check [--offline] CONFIG  say what would run and what is wrong; --offline "
        "leaves out\n"
        "                                   what this machine has (hugepages, devices, "
        "permissions)\n"
        "  gannet doctor [--json] [CONFIG]  what is wrong or slow about this machine, and what "
        "mends it\n"
        "  gannet tune [CONFIG]             what --apply would change of it, --undo takes back; a "
        "configuration that fits\n"
        "  gannet top [--once] [WHERE]      what a running server does, once a second; WHERE: "
        "its admin.listen\n"
        "                                   or its configuration file, else 127.0.0.1:9090; "
        "--once: one second, and out\n"
        "  gannet capture FILTER            frames of a running server as pcapng; gannet capture "
        "says "
        "how\n"
        "  gannet keys                      every configuration key: range, default, meaning\n"
        "  gannet store ...                 verify, back up, restore, inspect or compact a data "
        "directory;\n"
        "                                   gannet store says how\n"
        "  gannet key new NAME              a new API key, and its line for access.keys_file\n"
        "  gannet --version                 version\n"
        "  gannet --help                    this text\n"
        "\n"
        "Exit status: 0 good, 1 the configuration or the start failed, 2 wrong usage.\n"
        "Profiles for machines and a sample configuration are in hw-configs/.\n",
        file);
}

void command_line_print_version(FILE *file)
{
    fputs("gannet " GANNET_VERSION "\n", file);
}
