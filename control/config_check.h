/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_check.h - what must hold between keys, and where each value was written.
 *
 * Purpose:   addresses, names and combinations that one key's range cannot express.
 * Ownership: origins belong to config_read for the length of one call.
 * Threading: any; no state.
 * Units:     lines count from 1; 0 is "not written anywhere".
 * Errors:    each finding is one line in errors.
 * Source:    none.
 */
#ifndef GANNET_CONFIG_CHECK_H
#define GANNET_CONFIG_CHECK_H

#include "control/config_file.h"
#include "control/config_keys.h"

#define CONFIG_FILES_MAX (CONFIG_INCLUDE_DEPTH_MAX + 1)
#define CONFIG_PATH_BYTES 1024u

struct config_origin {
    uint32_t line;
    uint16_t file; /* index into paths */
    bool is_bad;   /* already reported: not checked again */
};

/* One slot per key of every record that may exist, and one per record. */
struct config_origins {
    uint32_t path_count;
    char paths[CONFIG_FILES_MAX][CONFIG_PATH_BYTES]; /* paths[0] is the file that was asked for */
    struct config_origin slots[];
};

struct config_origins *config_origins_create(void); /* NULL: no memory; free() it */
struct config_origin *config_origin_of_key(struct config_origins *origins,
                                           const struct config_key *key, uint32_t index);
struct config_origin *config_origin_of_record(struct config_origins *origins,
                                              const struct config_section *section, uint32_t index);

/* Checks, and turns "none" for an address into the empty text that means the same. */
void config_check(struct server_config *config, struct config_origins *origins,
                  struct config_errors *errors);

#endif
