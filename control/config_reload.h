/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_reload.h - from a file that was read anew to the configuration that will run.
 *
 * Purpose:   keeps what takes a restart, takes the rest, and gives every namespace and rate limit
 *            the number it always had: requests under way, counters, and threads that took their
 *            snapshot a moment earlier, mean the same one by it.
 * Ownership: the caller's structs; struct record_slots lives as long as the process.
 * Threading: whoever reloads, one at a time.
 * Units:     none.
 * Errors:    -EINVAL with lines as `gannet check` prints them; `fresh` is then worthless.
 * Source:    none.
 */
#ifndef GANNET_CONFIG_RELOAD_H
#define GANNET_CONFIG_RELOAD_H

#include <stdbool.h>

#include "control/config_file.h"
#include "control/config_keys.h"

#define CONFIG_NAMESPACES_MAX                                                                      \
    (sizeof(((struct server_config *)0)->namespaces) / sizeof(struct config_namespaces))

#define CONFIG_RATE_LIMITS_MAX                                                                     \
    (sizeof(((struct server_config *)0)->rate_limits) / sizeof(struct config_rate_limits))

/* Every name since the start, by its number. */
struct record_slots {
    uint32_t namespace_count, limit_count;
    char namespaces[CONFIG_NAMESPACES_MAX][sizeof(((struct config_namespaces *)0)->name)];
    char limits[CONFIG_RATE_LIMITS_MAX][sizeof(((struct config_rate_limits *)0)->name)];
};

void record_slots_init(struct record_slots *slots, const struct server_config *started);

/* False: a change takes a restart. */
bool config_key_is_reloadable(const struct config_key *key);

/*
 * `fresh` is what config_read made of `path`. What takes a restart and differs is named in `left`,
 * and keeps its value from `running`. Namespaces and rate limits that are gone leave a record
 * without a name.
 */
MUST_USE int config_reload_merge(const char *path, const struct server_config *running,
                                 struct record_slots *slots, struct server_config *fresh,
                                 struct config_errors *left, struct config_errors *errors);

/* Without the records that names left behind: what config_print should show. */
void config_reload_compact(struct server_config *config);

#endif
