/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_reload.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_check.h"
#include "include/assert_policy.h"

/* ---- what can be reloaded ------------------------------------------------------------ */

static bool is_reloadable_section(enum config_section_id section)
{
    return section == CONFIG_SECTION_namespaces || section == CONFIG_SECTION_routes ||
           section == CONFIG_SECTION_access || section == CONFIG_SECTION_rate_limits;
}

bool config_key_is_reloadable(const struct config_key *key)
{
    static const enum config_key_id others[] = {
        CONFIG_KEY_tcp_resets_per_s,
        CONFIG_KEY_tcp_challenges_per_s,
        CONFIG_KEY_network_icmp_per_s,
        CONFIG_KEY_http_request_line_max,
        CONFIG_KEY_http_head_max,
        CONFIG_KEY_http_fields_max,
        CONFIG_KEY_http_body_max,
        CONFIG_KEY_http_head_timeout_ms,
        CONFIG_KEY_http_idle_timeout_ms,
        CONFIG_KEY_http_body_rate_min,
        CONFIG_KEY_http_requests_per_connection,
        CONFIG_KEY_http_body_rate_over_ms,
        CONFIG_KEY_http_write_timeout_ms,
        CONFIG_KEY_http_server_timing,
        CONFIG_KEY_http_body_memory_mib,
        CONFIG_KEY_admin_drain_timeout_ms,
        CONFIG_KEY_admin_log_level,
        CONFIG_KEY_limits_ipv6_prefix,
        CONFIG_KEY_limits_x_headers,
        CONFIG_KEY_access_log_one_of,
        CONFIG_KEY_access_log_slow_ms,
        CONFIG_KEY_listeners_trusted,
    };
    if (is_reloadable_section(key->section))
        return true;
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        if (&config_key_table[others[i]] == key)
            return true;
    return false;
}

/* ---- what is kept ------------------------------------------------------------ */

static size_t value_bytes(const struct config_key *key)
{
    switch (key->kind) {
    case CONFIG_KIND_NUMBER:
        return sizeof(uint64_t);
    case CONFIG_KIND_SWITCH:
        return sizeof(bool);
    case CONFIG_KIND_CHOICE:
        return sizeof(uint32_t);
    case CONFIG_KIND_TEXT:
        return (size_t)key->max + 1;
    case CONFIG_KIND_CORES:
        return sizeof(struct core_list);
    }
    UNREACHABLE();
}

static char *text_of(const struct config_key *key, const void *record)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    if (!file)
        return NULL;
    config_key_print(file, key, record);
    fclose(file);
    return text;
}

/* "tcp.connections = 1024: takes a restart; it stays 65536" */
static void keep_key(const struct config_section *section, const struct config_key *key,
                     uint32_t index, const void *running, void *fresh, struct config_errors *left)
{
    char place[96];
    char *before = text_of(key, running), *after = text_of(key, fresh);
    if (section->is_list)
        snprintf(place, sizeof(place), "%s[%u].%s", section->name, index, key->name);
    else
        snprintf(place, sizeof(place), "%s.%s", section->name, key->name);
    if (before && after && strcmp(before, after) != 0)
        config_error_add(left, "%s = %.150s: takes a restart; it stays %.150s", place, after,
                         before);
    free(before);
    free(after);
    memcpy((char *)fresh + key->offset, (const char *)running + key->offset, value_bytes(key));
}

static void keep_section(const struct config_section *section, const struct server_config *running,
                         struct server_config *fresh, struct config_errors *left)
{
    uint32_t count = config_record_count(running, section);
    uint32_t fresh_count = config_record_count(fresh, section);
    bool has_other_count = count != fresh_count; /* then nobody knows which entry was which */
    if (has_other_count) {
        config_error_add(left, "%s: %u instead of %u takes a restart; they stay as they are",
                         section->name, fresh_count, count);
        config_record_count_set(fresh, section, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        const void *record = config_record_const(running, section, i);
        if (has_other_count)
            memcpy(config_record(fresh, section, i), record, section->record_bytes);
        for (uint32_t k = section->key_first; k < section->key_end && !has_other_count; k++)
            if (!config_key_is_reloadable(&config_key_table[k]))
                keep_key(section, &config_key_table[k], i, record, config_record(fresh, section, i),
                         left);
    }
}

/* ---- namespaces and rate limits keep their numbers ----------------------------------------- */

/* A list of records that each begin with their name, and all names that were ever in it. */
struct named_list {
    char *records;
    size_t record_bytes;
    uint32_t *count, max;
    char *names;
    size_t name_bytes;
    uint32_t *name_count;
};

static struct named_list namespaces_of(struct record_slots *slots, struct server_config *config)
{
    static_assert(offsetof(struct config_namespaces, name) == 0, "it begins with its name");
    return (struct named_list){.records = (char *)config->namespaces,
                               .record_bytes = sizeof(config->namespaces[0]),
                               .count = &config->namespaces_count,
                               .max = CONFIG_NAMESPACES_MAX,
                               .names = slots->namespaces[0],
                               .name_bytes = sizeof(slots->namespaces[0]),
                               .name_count = &slots->namespace_count};
}

static struct named_list limits_of(struct record_slots *slots, struct server_config *config)
{
    static_assert(offsetof(struct config_rate_limits, name) == 0, "it begins with its name");
    return (struct named_list){.records = (char *)config->rate_limits,
                               .record_bytes = sizeof(config->rate_limits[0]),
                               .count = &config->rate_limits_count,
                               .max = CONFIG_RATE_LIMITS_MAX,
                               .names = slots->limits[0],
                               .name_bytes = sizeof(slots->limits[0]),
                               .name_count = &slots->limit_count};
}

void record_slots_init(struct record_slots *slots, const struct server_config *started)
{
    memset(slots, 0, sizeof(*slots));
    slots->namespace_count = started->namespaces_count;
    for (uint32_t i = 0; i < started->namespaces_count; i++)
        memcpy(slots->namespaces[i], started->namespaces[i].name, sizeof(slots->namespaces[i]));
    slots->limit_count = started->rate_limits_count;
    for (uint32_t i = 0; i < started->rate_limits_count; i++)
        memcpy(slots->limits[i], started->rate_limits[i].name, sizeof(slots->limits[i]));
}

/* The number of a name, a new one if it has none; the list's most when all are taken. */
static uint32_t slot_of(const struct named_list *list, const char *name)
{
    uint32_t slot = 0;
    while (slot < *list->name_count && strcmp(list->names + slot * list->name_bytes, name) != 0)
        slot++;
    if (slot == *list->name_count && slot < list->max) {
        memcpy(list->names + slot * list->name_bytes, name, list->name_bytes);
        ++*list->name_count;
    }
    return slot;
}

static bool place_records(const struct named_list *list)
{
    size_t bytes = list->max * list->record_bytes;
    char *read = malloc(bytes);
    if (!read)
        return false;
    memcpy(read, list->records, bytes);
    memset(list->records, 0, bytes);
    bool fits = true;
    for (uint32_t i = 0; i < *list->count && fits; i++) {
        const char *record = read + i * list->record_bytes;
        uint32_t slot = slot_of(list, record);
        fits = slot < list->max;
        if (fits)
            memcpy(list->records + slot * list->record_bytes, record, list->record_bytes);
    }
    *list->count = *list->name_count;
    free(read);
    return fits;
}

static void compact(char *records, size_t record_bytes, uint32_t *count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++)
        if (records[i * record_bytes] != '\0')
            memmove(records + kept++ * record_bytes, records + i * record_bytes, record_bytes);
    *count = kept;
}

/* ---- all of it ------------------------------------------------------------ */

/* Each value was good beside the others of its file; it must be beside those that stay, too. */
static int check_merged(const char *path, struct server_config *merged,
                        struct config_errors *errors)
{
    struct config_origins *origins = config_origins_create();
    if (!origins) {
        config_error_add(errors, "no memory");
        return -EINVAL;
    }
    origins->path_count = 1;
    snprintf(origins->paths[0], sizeof(origins->paths[0]), "%s", path);
    config_check(merged, origins, errors);
    free(origins);
    return errors->count > 0 ? -EINVAL : 0;
}

int config_reload_merge(const char *path, const struct server_config *running,
                        struct record_slots *slots, struct server_config *fresh,
                        struct config_errors *left, struct config_errors *errors)
{
    memset(left, 0, sizeof(*left));
    memset(errors, 0, sizeof(*errors));
    for (uint32_t i = 0; i < CONFIG_SECTION_COUNT; i++)
        if (!is_reloadable_section((enum config_section_id)i))
            keep_section(&config_section_table[i], running, fresh, left);
    if (check_merged(path, fresh, errors) != 0)
        return -EINVAL;
    struct named_list spaces = namespaces_of(slots, fresh), limits = limits_of(slots, fresh);
    bool do_spaces_fit = place_records(&spaces);
    if (do_spaces_fit && place_records(&limits))
        return 0;
    config_error_add(errors,
                     "%s: more than %u names of %s since the start: restart, or bring back names "
                     "that were there",
                     path, do_spaces_fit ? limits.max : spaces.max,
                     do_spaces_fit ? "rate_limits" : "namespaces");
    return -EINVAL;
}

void config_reload_compact(struct server_config *config)
{
    compact((char *)config->namespaces, sizeof(config->namespaces[0]), &config->namespaces_count);
    compact((char *)config->rate_limits, sizeof(config->rate_limits[0]),
            &config->rate_limits_count);
}
