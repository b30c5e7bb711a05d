/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/schema_set.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/whole_file.h"

struct schema_set {
    _Atomic uint32_t holders;
    uint32_t count;
    struct json_schema *schemas[]; /* by number of the namespace */
};

/* NULL after saying why not. */
static struct json_schema *read_schema(const char *path, struct config_errors *errors)
{
    char problem[CONFIG_ERROR_BYTES];
    json_error_t error;
    size_t bytes;
    char *text = whole_file_read(path, "namespaces.schema", SCHEMA_FILE_BYTES_MAX, &bytes, errors);
    if (!text)
        return NULL;
    json_t *document = json_loadb(text, bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!document) {
        config_error_add(errors, "%s: line %d, column %d: %s", path, error.line, error.column,
                         error.text);
        return NULL;
    }
    struct json_schema *schema = json_schema_compile(document, problem, sizeof(problem));
    if (!schema)
        config_error_add(errors, "%s: %s", path, problem);
    return schema;
}

int schema_set_read(const struct server_config *config, struct schema_set **out,
                    struct config_errors *errors)
{
    uint32_t count = config->namespaces_count;
    bool is_good = true;
    struct schema_set *set = calloc(1, sizeof(*set) + count * sizeof(set->schemas[0]));
    if (!set) {
        config_error_add(errors, "no memory for schemas");
        return -EINVAL;
    }
    atomic_init(&set->holders, 1);
    set->count = count;
    for (uint32_t i = 0; i < count; i++) {
        const char *path = config->namespaces[i].schema;
        if (config_text_is_none(path))
            continue;
        set->schemas[i] = read_schema(path, errors);
        is_good &= set->schemas[i] != NULL;
    }
    if (is_good) {
        *out = set;
        return 0;
    }
    schema_set_release(set);
    return -EINVAL;
}

void schema_set_release(struct schema_set *set)
{
    /* Release and acquire: whoever is last sees everybody else's reads finished. */
    if (!set || atomic_fetch_sub_explicit(&set->holders, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t i = 0; i < set->count; i++)
        json_schema_destroy(set->schemas[i]);
    free(set);
}

const struct json_schema *schema_set_find(const struct schema_set *set, uint32_t namespace_index)
{
    return set && namespace_index < set->count ? set->schemas[namespace_index] : NULL;
}

void schema_board_init(struct schema_board *board)
{
    pthread_mutex_init(&board->lock, NULL);
    board->current = NULL;
}

void schema_board_clear(struct schema_board *board)
{
    schema_set_release(board->current);
    pthread_mutex_destroy(&board->lock);
}

void schema_board_publish(struct schema_board *board, struct schema_set *set)
{
    pthread_mutex_lock(&board->lock);
    struct schema_set *former = board->current;
    board->current = set;
    pthread_mutex_unlock(&board->lock);
    schema_set_release(former);
}

struct schema_set *schema_board_hold(struct schema_board *board)
{
    if (!board)
        return NULL;
    pthread_mutex_lock(&board->lock);
    struct schema_set *set = board->current;
    if (set)
        atomic_fetch_add_explicit(&set->holders, 1, memory_order_relaxed); /* under the lock */
    pthread_mutex_unlock(&board->lock);
    return set;
}
