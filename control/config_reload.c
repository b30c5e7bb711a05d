/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_check.h"
#include "include/assert_policy.h"

/* ---- what can be reloaded ------------------------------------------------------------ */

static bool is_reloadable_section(enum config_section_id section)
{
    return section == CONFIG_SECTION_namespaces || section == CONFIG_SECTION_routes ||
           section == CONFIG_SECTION_access;
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
        CONFIG_KEY_http_body_memory_mib,
        CONFIG_KEY_admin_drain_timeout_ms,
        CONFIG_KEY_admin_log_level,
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

/* ---- namespaces keep their numbers ------------------------------------------------------ */

void namespace_slots_init(struct namespace_slots *slots, const struct server_config *started)
{
    memset(slots, 0, sizeof(*slots));
    slots->count = started->namespaces_count;
    for (uint32_t i = 0; i < slots->count; i++)
        memcpy(slots->names[i], started->namespaces[i].name, sizeof(slots->names[i]));
}

/* The number of a name, a new one if it has none; CONFIG_NAMESPACES_MAX when all are taken. */
static uint32_t slot_of(struct namespace_slots *slots, const char *name)
{
    uint32_t slot = 0;
    while (slot < slots->count && strcmp(slots->names[slot], name) != 0)
        slot++;
    if (slot == slots->count && slot < CONFIG_NAMESPACES_MAX) {
        memcpy(slots->names[slot], name, sizeof(slots->names[slot]));
        slots->count++;
    }
    return slot;
}

static bool place_namespaces(struct namespace_slots *slots, struct server_config *config)
{
    size_t bytes = sizeof(config->namespaces);
    struct config_namespaces *read = malloc(bytes);
    if (!read)
        return false;
    memcpy(read, config->namespaces, bytes);
    memset(config->namespaces, 0, bytes);
    bool fits = true;
    for (uint32_t i = 0; i < config->namespaces_count && fits; i++) {
        uint32_t slot = slot_of(slots, read[i].name);
        fits = slot < CONFIG_NAMESPACES_MAX;
        if (fits)
            config->namespaces[slot] = read[i];
    }
    config->namespaces_count = slots->count;
    free(read);
    return fits;
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
                        struct namespace_slots *slots, struct server_config *fresh,
                        struct config_errors *left, struct config_errors *errors)
{
    memset(left, 0, sizeof(*left));
    memset(errors, 0, sizeof(*errors));
    for (uint32_t i = 0; i < CONFIG_SECTION_COUNT; i++)
        if (!is_reloadable_section((enum config_section_id)i))
            keep_section(&config_section_table[i], running, fresh, left);
    if (check_merged(path, fresh, errors) != 0)
        return -EINVAL;
    if (place_namespaces(slots, fresh))
        return 0;
    config_error_add(errors,
                     "%s: more than %zu names of namespaces since the start: restart, or "
                     "bring back names that were there",
                     path, CONFIG_NAMESPACES_MAX);
    return -EINVAL;
}

void config_reload_compact(struct server_config *config)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < config->namespaces_count; i++)
        if (config->namespaces[i].name[0])
            config->namespaces[kept++] = config->namespaces[i];
    config->namespaces_count = kept;
}
