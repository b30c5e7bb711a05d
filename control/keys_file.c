/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/keys_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/whole_file.h"

/* In the order of the dataplane's enum http_method; OPTIONS needs no key. */
static const char *const method_names[] = {"GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"};

static uint32_t find_namespace(const void *context, const char *name, size_t bytes)
{
    const struct server_config *config = context;
    for (uint32_t i = 0; i < config->namespaces_count; i++)
        if (strlen(config->namespaces[i].name) == bytes && bytes > 0 &&
            memcmp(config->namespaces[i].name, name, bytes) == 0)
            return i;
    return UINT32_MAX;
}

int keys_file_read(const struct server_config *config, struct api_keys **out,
                   struct config_errors *errors)
{
    const char *path = config->access.keys_file;
    const struct api_key_names names = {.methods = method_names,
                                        .method_count = ARRAY_COUNT(method_names),
                                        .find_namespace = find_namespace,
                                        .context = config};
    char problem[128];
    size_t bytes;
    *out = NULL;
    if (config_text_is_none(path))
        return 0;
    char *text = whole_file_read(path, "access.keys_file", KEYS_FILE_BYTES_MAX, &bytes, errors);
    if (!text)
        return -EINVAL;
    struct api_keys *keys = malloc(sizeof(*keys));
    int result =
        keys ? api_keys_parse(keys, text, bytes, &names, problem, sizeof(problem)) : -ENOMEM;
    free(text);
    if (result == 0) {
        *out = keys;
        return 0;
    }
    config_error_add(errors, "%s: %s", path, result == -ENOMEM ? "no memory" : problem);
    free(keys);
    return -EINVAL;
}

void keys_file_print_new(FILE *file, const char *name, const uint8_t random[API_KEY_RANDOM_BYTES])
{
    char key[API_KEY_TEXT_BYTES + 1];
    uint8_t hash[API_KEY_HASH_BYTES];
    api_key_write(random, key);
    api_key_hash(key, API_KEY_TEXT_BYTES, hash);
    fprintf(file,
            "# The key, shown this once; clients send \"Authorization: Bearer\" and it:\n%s\n"
            "# A line for access.keys_file; behind it may stand namespaces=a,b methods=GET,PUT"
            " expires=2027-01-31:\n%s sha256:",
            key, name);
    for (uint32_t i = 0; i < API_KEY_HASH_BYTES; i++)
        fprintf(file, "%02x", hash[i]);
    fputc('\n', file);
}
