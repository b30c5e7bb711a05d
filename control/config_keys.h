/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_keys.h - the records of include/config_keys.def as a table.
 *
 * Purpose:   find, parse, explain and print one key; for reader, checks and reference.
 * Ownership: the table is constant; records point into the caller's struct server_config.
 * Threading: any; no state.
 * Units:     each key names its own; sizes of buffers in bytes.
 * Errors:    config_key_set returns 0 or -EINVAL and leaves a hint for the operator.
 * Source:    one record per parameter follows Varnish's include/tbl/params.h.
 */
#ifndef GANNET_CONFIG_KEYS_H
#define GANNET_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "include/server_config.h"

#define CONFIG_HINT_BYTES 160u
#define CONFIG_CORE_INDEX_MAX 1023u

/* Keys by name: CONFIG_KEY_tcp_connections. A section's keys are [CONFIG_FIRST_x, CONFIG_END_x). */
#define CONFIG_SECTION(section)                                                                    \
    CONFIG_FIRST_##section, CONFIG_SKIP_##section = CONFIG_FIRST_##section - 1,
#define CONFIG_SECTION_END(section)                                                                \
    CONFIG_END_##section, CONFIG_BACK_##section = CONFIG_END_##section - 1,
#define CONFIG_RECORDS(section, most) CONFIG_SECTION(section)
#define CONFIG_RECORDS_END(section, most) CONFIG_SECTION_END(section)
#define CONFIG_NUMBER(section, name, unit, min, max, fallback, sentence)                           \
    CONFIG_KEY_##section##_##name,
#define CONFIG_SWITCH(section, name, fallback, sentence) CONFIG_KEY_##section##_##name,
#define CONFIG_CHOICE(section, name, choices, fallback, sentence) CONFIG_KEY_##section##_##name,
#define CONFIG_TEXT(section, name, most, fallback, sentence) CONFIG_KEY_##section##_##name,
#define CONFIG_CORES(section, name, fallback, sentence) CONFIG_KEY_##section##_##name,
enum config_key_id {
#include "include/config_keys.def"
    CONFIG_KEY_COUNT
};
#undef CONFIG_SECTION
#undef CONFIG_SECTION_END
#undef CONFIG_RECORDS
#undef CONFIG_RECORDS_END
#undef CONFIG_NUMBER
#undef CONFIG_SWITCH
#undef CONFIG_CHOICE
#undef CONFIG_TEXT
#undef CONFIG_CORES

#define CONFIG_SECTION(section) CONFIG_SECTION_##section,
#define CONFIG_SECTION_END(section)
#define CONFIG_RECORDS(section, most) CONFIG_SECTION_##section,
#define CONFIG_RECORDS_END(section, most)
#define CONFIG_NUMBER(section, name, unit, min, max, fallback, sentence)
#define CONFIG_SWITCH(section, name, fallback, sentence)
#define CONFIG_CHOICE(section, name, choices, fallback, sentence)
#define CONFIG_TEXT(section, name, most, fallback, sentence)
#define CONFIG_CORES(section, name, fallback, sentence)
enum config_section_id {
#include "include/config_keys.def"
    CONFIG_SECTION_COUNT
};
#undef CONFIG_SECTION
#undef CONFIG_SECTION_END
#undef CONFIG_RECORDS
#undef CONFIG_RECORDS_END
#undef CONFIG_NUMBER
#undef CONFIG_SWITCH
#undef CONFIG_CHOICE
#undef CONFIG_TEXT
#undef CONFIG_CORES

enum config_kind {
    CONFIG_KIND_NUMBER = 0,
    CONFIG_KIND_SWITCH,
    CONFIG_KIND_CHOICE,
    CONFIG_KIND_TEXT,
    CONFIG_KIND_CORES,
};

struct config_key {
    const char *name;
    const char *unit;          /* numbers */
    const char *choices;       /* choices: "a|b|c" */
    const char *fallback_text; /* texts and cores */
    const char *sentence;
    uint64_t min, max; /* numbers; for texts max is the longest length in bytes */
    uint64_t fallback; /* numbers, switches and choices (an index) */
    size_t offset;     /* within the section's record */
    enum config_kind kind;
    enum config_section_id section;
};

struct config_section {
    const char *name;
    uint32_t key_first, key_end; /* enum config_key_id */
    uint32_t record_max;         /* 1 for a plain section */
    bool is_list;
    size_t offset, record_bytes;
    size_t count_offset; /* lists: where the uint32_t count is */
};

extern const struct config_key config_key_table[CONFIG_KEY_COUNT];
extern const struct config_section config_section_table[CONFIG_SECTION_COUNT];

/* NULL when there is none. */
const struct config_section *config_section_find(const char *name);
const struct config_key *config_key_find(const struct config_section *section, const char *name);

/* The likeliest meant name, or NULL when nothing is near. */
const struct config_section *config_section_nearest(const char *name);
const struct config_key *config_key_nearest(const struct config_section *section, const char *name);

/* The record of a section (index 0) or of a list's entry. */
void *config_record(struct server_config *config, const struct config_section *section,
                    uint32_t index);
const void *config_record_const(const struct server_config *config,
                                const struct config_section *section, uint32_t index);
uint32_t config_record_count(const struct server_config *config,
                             const struct config_section *section);
void config_record_count_set(struct server_config *config, const struct config_section *section,
                             uint32_t count);

void config_key_set_default(const struct config_key *key, void *record);

/* Parses text into the record. On -EINVAL the record is unchanged; hint says more or is empty. */
int config_key_set(const struct config_key *key, void *record, const char *text,
                   char hint[CONFIG_HINT_BYTES]);

/* "1..512 packets (default 32)" */
void config_key_allowed(const struct config_key *key, char *text, size_t text_bytes);

/* The value as it would be written in a file; texts are quoted. */
void config_key_print(FILE *file, const struct config_key *key, const void *record);

/* The name of a choice's value, copied into text. */
void config_choice_name(const struct config_key *key, uint32_t index, char *text,
                        size_t text_bytes);

/* Cores as a list with ranges: "0-3,6", "auto" or "none". */
void config_cores_text(const struct core_list *cores, char *text, size_t text_bytes);

#endif
