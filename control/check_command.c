/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/check_command.h"

#include <stdlib.h>

#include "control/config_file.h"
#include "control/config_plan.h"
#include "control/keys_file.h"
#include "control/preflight.h"
#include "control/schema_set.h"

int check_command(const struct command_line *line)
{
    struct server_config config;
    struct config_errors errors;
    struct api_keys *keys = NULL;
    struct schema_set *schemas = NULL;
    if (config_read(line->config_path, &config, &errors) != 0 ||
        keys_file_read(&config, &keys, &errors) != 0 ||
        schema_set_read(&config, &schemas, &errors) != 0) {
        config_errors_print(stderr, &errors);
        return EXIT_FAILURE;
    }
    free(keys);
    schema_set_release(schemas);
    config_print_plan(stdout, &config);
    if (line->is_offline)
        return EXIT_SUCCESS;
    struct preflight_result result;
    preflight_run(&config, "", &result);
    preflight_print(stdout, &result);
    return result.error_count > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int key_new_command(const char *name, const uint8_t random[API_KEY_RANDOM_BYTES])
{
    keys_file_print_new(stdout, name, random);
    return EXIT_SUCCESS;
}
