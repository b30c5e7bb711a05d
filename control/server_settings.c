/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/server_settings.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_file.h"
#include "control/config_reload.h"
#include "control/keys_file.h"
#include "control/schema_set.h"
#include "control/stats_export.h"
#include "dataplane/api_settings.h"
#include "include/compiler.h"
#include "include/counters.h"
#include "include/log.h"

#define PROBLEM_BYTES 256u

struct server_settings {
    const char *path;
    struct live_board *board;
    struct schema_board schemas;
    struct record_slots slots;
    pthread_mutex_t lock;
    uint64_t refusals;
};

int server_settings_create(const char *path, const struct server_config *started,
                           uint32_t reader_count, struct server_settings **out)
{
    char problem[PROBLEM_BYTES];
    struct config_errors errors = {.count = 0};
    struct api_keys *keys = NULL;
    struct schema_set *schemas = NULL;
    struct server_settings *settings = calloc(1, sizeof(*settings));
    if (!settings)
        return -ENOMEM;
    if (keys_file_read(started, &keys, &errors) != 0 ||
        schema_set_read(started, &schemas, &errors) != 0) {
        log_error("%s", errors.lines[0]);
        free(keys);
        free(settings);
        return -EINVAL;
    }
    settings->path = path;
    record_slots_init(&settings->slots, started);
    int result = api_settings_board_create(started, keys, reader_count, problem, sizeof(problem),
                                           &settings->board);
    if (result != 0) {
        log_error("%s: %s", path, problem);
        schema_set_release(schemas);
        free(settings);
        return result;
    }
    pthread_mutex_init(&settings->lock, NULL);
    schema_board_init(&settings->schemas);
    schema_board_publish(&settings->schemas, schemas);
    *out = settings;
    return 0;
}

void server_settings_destroy(struct server_settings *settings)
{
    if (!settings)
        return;
    live_board_destroy(settings->board);
    schema_board_clear(&settings->schemas);
    pthread_mutex_destroy(&settings->lock);
    free(settings);
}

struct live_board *server_settings_board(struct server_settings *settings)
{
    return settings->board;
}

struct schema_board *server_settings_schemas(struct server_settings *settings)
{
    return &settings->schemas;
}

/* ---- reading again ------------------------------------------------------------ */

PRINTF_LIKE(3, 4)
static void say(struct text_buffer *said, enum log_level level, const char *format, ...)
{
    char line[CONFIG_ERROR_BYTES + 64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    log_line(level, "reload: %s", line);
    if (said)
        text_format(said, "%s\n", line);
}

static void say_list(struct text_buffer *said, enum log_level level,
                     const struct config_errors *errors)
{
    uint32_t shown = errors->count < CONFIG_ERRORS_MAX ? errors->count : CONFIG_ERRORS_MAX;
    for (uint32_t i = 0; i < shown; i++)
        say(said, level, "%s", errors->lines[i]);
    if (errors->count > shown)
        say(said, level, "%u more", errors->count - shown);
}

struct reading {
    struct server_config config;
    struct config_errors errors, left;
    struct schema_set *schemas;
};

/* From the file to a snapshot that could be published; NULL after saying why not. */
static struct live_settings *read_again(struct server_settings *settings, struct reading *reading,
                                        struct text_buffer *said)
{
    struct live_settings *fresh;
    struct api_keys *keys = NULL;
    char problem[PROBLEM_BYTES];
    const struct server_config *running = &settings->board->newest->config;
    if (config_read(settings->path, &reading->config, &reading->errors) != 0 ||
        config_check_complete(settings->path, &reading->config, &reading->errors) != 0 ||
        config_reload_merge(settings->path, running, &settings->slots, &reading->config,
                            &reading->left, &reading->errors) != 0 ||
        keys_file_read(&reading->config, &keys, &reading->errors) != 0 ||
        schema_set_read(&reading->config, &reading->schemas, &reading->errors) != 0) {
        free(keys);
        say_list(said, LOG_LEVEL_ERROR, &reading->errors);
        return NULL;
    }
    if (api_settings_create(&reading->config, keys, problem, sizeof(problem), &fresh) != 0) {
        say(said, LOG_LEVEL_ERROR, "%s: %s", settings->path, problem);
        return NULL;
    }
    return fresh;
}

static bool reload_locked(struct server_settings *settings, struct reading *reading,
                          struct text_buffer *said)
{
    struct live_settings *fresh = read_again(settings, reading, said);
    if (!fresh) {
        schema_set_release(reading->schemas);
        settings->refusals++;
        say(said, LOG_LEVEL_ERROR, "nothing was changed");
        return false;
    }
    log_set_level((enum log_level)fresh->config.admin.log_level);
    /* First: a worker that knows of a schema gives its writes to task threads that have it. */
    schema_board_publish(&settings->schemas, reading->schemas);
    live_board_publish(settings->board, fresh);
    say_list(said, LOG_LEVEL_WARNING, &reading->left);
    say(said, LOG_LEVEL_INFO, "%s is in effect, generation %" PRIu64, settings->path,
        fresh->generation);
    return true;
}

bool server_settings_reload(struct server_settings *settings, struct text_buffer *said)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    if (!reading) {
        say(said, LOG_LEVEL_ERROR, "no memory; nothing was changed");
        return false;
    }
    pthread_mutex_lock(&settings->lock);
    bool is_good = reload_locked(settings, reading, said);
    pthread_mutex_unlock(&settings->lock);
    free(reading);
    return is_good;
}

void server_settings_collect(struct server_settings *settings)
{
    pthread_mutex_lock(&settings->lock);
    live_board_collect(settings->board);
    pthread_mutex_unlock(&settings->lock);
}

/* ---- looking ------------------------------------------------------------ */

void server_settings_write(struct server_settings *settings, struct text_buffer *text)
{
    char *yaml = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&yaml, &bytes);
    struct server_config *shown = malloc(sizeof(*shown));
    if (file && shown) {
        pthread_mutex_lock(&settings->lock);
        *shown = settings->board->newest->config;
        pthread_mutex_unlock(&settings->lock);
        config_reload_compact(shown);
        config_print(file, shown);
    }
    if (file)
        fclose(file);
    if (yaml)
        text_add(text, yaml, bytes);
    free(yaml);
    free(shown);
}

uint64_t server_settings_drain_timeout_ms(struct server_settings *settings)
{
    pthread_mutex_lock(&settings->lock);
    uint64_t milliseconds = settings->board->newest->config.admin.drain_timeout_ms;
    pthread_mutex_unlock(&settings->lock);
    return milliseconds;
}

void server_settings_write_stats(void *context, struct text_buffer *text, const char *name)
{
    struct server_settings *settings = context;
    const struct stats_label generation[] = {{"what", "generation"}};
    const struct stats_label refused[] = {{"what", "refused"}};
    pthread_mutex_lock(&settings->lock);
    stats_sample(text, name, generation, 1, settings->board->newest->generation);
    stats_sample(text, name, refused, 1, settings->refusals);
    pthread_mutex_unlock(&settings->lock);
}

static uint64_t limit_sum(struct counters *const *blocks, uint32_t count, uint32_t number,
                          enum limit_answer answer)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += atomic_load_explicit(&blocks[i]->limits[number][answer], memory_order_relaxed);
    return sum;
}

void server_settings_write_limits(struct server_settings *settings, struct text_buffer *text,
                                  const char *name)
{
    struct counters *const *blocks;
    uint32_t count = counters_blocks(&blocks);
    pthread_mutex_lock(&settings->lock);
    for (uint32_t i = 0; i < settings->slots.limit_count; i++) {
        const char *limit = settings->slots.limits[i];
        const struct stats_label taken[] = {{"limit", limit}, {"answer", "taken"}};
        const struct stats_label refused[] = {{"limit", limit}, {"answer", "refused"}};
        stats_sample(text, name, taken, ARRAY_COUNT(taken),
                     limit_sum(blocks, count, i, LIMIT_ANSWER_TAKEN));
        stats_sample(text, name, refused, ARRAY_COUNT(refused),
                     limit_sum(blocks, count, i, LIMIT_ANSWER_REFUSED));
    }
    pthread_mutex_unlock(&settings->lock);
}

void server_settings_limit_name(struct server_settings *settings, uint32_t number, char name[33])
{
    pthread_mutex_lock(&settings->lock);
    memcpy(name, settings->slots.limits[number], sizeof(settings->slots.limits[number]));
    pthread_mutex_unlock(&settings->lock);
}
