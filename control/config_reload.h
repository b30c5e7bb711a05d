/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_reload.h - from a file that was read anew to the configuration that will run.
 *
 * Purpose:   keeps what takes a restart, takes the rest, and gives every namespace the number it
 *            always had: requests under way, and threads that took their snapshot a moment earlier,
 *            mean the same one by it.
 * Ownership: the caller's structs; struct namespace_slots lives as long as the process.
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

/* Every name since the start, by its number. */
struct namespace_slots {
    uint32_t count;
    char names[CONFIG_NAMESPACES_MAX][sizeof(((struct config_namespaces *)0)->name)];
};

void namespace_slots_init(struct namespace_slots *slots, const struct server_config *started);

/* False: a change takes a restart. */
bool config_key_is_reloadable(const struct config_key *key);

/*
 * `fresh` is what config_read made of `path`. What takes a restart and differs is named in `left`,
 * and keeps its value from `running`. Namespaces that are gone leave a record without a name.
 */
MUST_USE int config_reload_merge(const char *path, const struct server_config *running,
                                 struct namespace_slots *slots, struct server_config *fresh,
                                 struct config_errors *left, struct config_errors *errors);

/* Without the records that namespaces left behind: what config_print should show. */
void config_reload_compact(struct server_config *config);

#endif
