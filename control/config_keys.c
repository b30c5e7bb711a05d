/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_keys.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/compiler.h"

/* The type of one record of each section, so that offsets read the same for sections and lists. */
#define CONFIG_SECTION(section)                                                                    \
    typedef __typeof__(((struct server_config *)0)->section) config_record_of_##section;
#define CONFIG_SECTION_END(section)
#define CONFIG_RECORDS(section, most) typedef struct config_##section config_record_of_##section;
#define CONFIG_RECORDS_END(section, most)
#define CONFIG_NUMBER(section, name, unit, min, max, fallback, sentence)
#define CONFIG_SWITCH(section, name, fallback, sentence)
#define CONFIG_CHOICE(section, name, choices, fallback, sentence)
#define CONFIG_TEXT(section, name, most, fallback, sentence)
#define CONFIG_CORES(section, name, fallback, sentence)
#include "include/config_keys.def"
#undef CONFIG_SECTION
#undef CONFIG_SECTION_END
#undef CONFIG_RECORDS
#undef CONFIG_RECORDS_END
#undef CONFIG_NUMBER
#undef CONFIG_SWITCH
#undef CONFIG_CHOICE
#undef CONFIG_TEXT
#undef CONFIG_CORES

#define CONFIG_SECTION(section)
#define CONFIG_SECTION_END(section)
#define CONFIG_RECORDS(section, most)
#define CONFIG_RECORDS_END(section, most)
#define AT(in, key)                                                                                \
    .section = CONFIG_SECTION_##in, .offset = offsetof(config_record_of_##in, key), .name = #key
#define CONFIG_NUMBER(in, key, of, low, high, value, text)                                         \
    {AT(in, key), .kind = CONFIG_KIND_NUMBER, .unit = of,      .min = low,                         \
     .max = high, .fallback = value,          .sentence = text},
#define CONFIG_SWITCH(in, key, value, text)                                                        \
    {AT(in, key), .kind = CONFIG_KIND_SWITCH, .fallback = value, .sentence = text},
#define CONFIG_CHOICE(in, key, list, value, text)                                                  \
    {AT(in, key), .kind = CONFIG_KIND_CHOICE, .choices = list, .fallback = value, .sentence = text},
#define CONFIG_TEXT(in, key, most, value, text)                                                    \
    {AT(in, key), .kind = CONFIG_KIND_TEXT, .max = most, .fallback_text = value, .sentence = text},
#define CONFIG_CORES(in, key, value, text)                                                         \
    {AT(in, key), .kind = CONFIG_KIND_CORES, .fallback_text = value, .sentence = text},
const struct config_key config_key_table[CONFIG_KEY_COUNT] = {
#include "include/config_keys.def"
};
#undef CONFIG_SECTION
#undef CONFIG_RECORDS
#undef CONFIG_NUMBER
#undef CONFIG_SWITCH
#undef CONFIG_CHOICE
#undef CONFIG_TEXT
#undef CONFIG_CORES

#define CONFIG_SECTION(in)                                                                         \
    {.name = #in,                                                                                  \
     .key_first = CONFIG_FIRST_##in,                                                               \
     .key_end = CONFIG_END_##in,                                                                   \
     .record_max = 1,                                                                              \
     .offset = offsetof(struct server_config, in),                                                 \
     .record_bytes = sizeof(config_record_of_##in)},
#define CONFIG_RECORDS(in, most)                                                                   \
    {.name = #in,                                                                                  \
     .key_first = CONFIG_FIRST_##in,                                                               \
     .key_end = CONFIG_END_##in,                                                                   \
     .record_max = most,                                                                           \
     .is_list = true,                                                                              \
     .offset = offsetof(struct server_config, in),                                                 \
     .record_bytes = sizeof(config_record_of_##in),                                                \
     .count_offset = offsetof(struct server_config, in##_count)},
#define CONFIG_NUMBER(section, name, unit, min, max, fallback, sentence)
#define CONFIG_SWITCH(section, name, fallback, sentence)
#define CONFIG_CHOICE(section, name, choices, fallback, sentence)
#define CONFIG_TEXT(section, name, most, fallback, sentence)
#define CONFIG_CORES(section, name, fallback, sentence)
const struct config_section config_section_table[CONFIG_SECTION_COUNT] = {
#include "include/config_keys.def"
};

/* ---- finding ------------------------------------------------------------ */

const struct config_section *config_section_find(const char *name)
{
    for (uint32_t i = 0; i < CONFIG_SECTION_COUNT; i++)
        if (strcmp(config_section_table[i].name, name) == 0)
            return &config_section_table[i];
    return NULL;
}

const struct config_key *config_key_find(const struct config_section *section, const char *name)
{
    for (uint32_t i = section->key_first; i < section->key_end; i++)
        if (strcmp(config_key_table[i].name, name) == 0)
            return &config_key_table[i];
    return NULL;
}

#define NAME_BYTES_MAX 48u

/* Levenshtein distance of two short names; longer ones are never near. */
static uint32_t edit_distance(const char *left, const char *right)
{
    size_t left_bytes = strlen(left), right_bytes = strlen(right);
    if (left_bytes > NAME_BYTES_MAX || right_bytes > NAME_BYTES_MAX)
        return UINT32_MAX;
    uint32_t row[NAME_BYTES_MAX + 1];
    for (size_t j = 0; j <= right_bytes; j++)
        row[j] = (uint32_t)j;
    for (size_t i = 1; i <= left_bytes; i++) {
        uint32_t diagonal = row[0];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= right_bytes; j++) {
            uint32_t above = row[j];
            uint32_t best = diagonal + (tolower((unsigned char)left[i - 1]) !=
                                        tolower((unsigned char)right[j - 1]));
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[right_bytes];
}

/* Near: two letters may differ (a swap is two), more in a long name; a word in
 * common ("descriptors") counts too. */
static bool is_near(const char *meant, const char *name, uint32_t distance)
{
    size_t bytes = strlen(name);
    if (distance <= (bytes < 3 ? 1 : 2) + bytes / 8)
        return true;
    return bytes >= 3 && (strstr(meant, name) || (strlen(meant) >= 3 && strstr(name, meant)));
}

const struct config_section *config_section_nearest(const char *name)
{
    const struct config_section *nearest = NULL;
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < CONFIG_SECTION_COUNT; i++) {
        uint32_t distance = edit_distance(config_section_table[i].name, name);
        if (distance < best && is_near(config_section_table[i].name, name, distance)) {
            best = distance;
            nearest = &config_section_table[i];
        }
    }
    return nearest;
}

const struct config_key *config_key_nearest(const struct config_section *section, const char *name)
{
    const struct config_key *nearest = NULL;
    uint32_t best = UINT32_MAX;
    for (uint32_t i = section->key_first; i < section->key_end; i++) {
        uint32_t distance = edit_distance(config_key_table[i].name, name);
        if (distance < best && is_near(config_key_table[i].name, name, distance)) {
            best = distance;
            nearest = &config_key_table[i];
        }
    }
    /* The right name in the wrong section. */
    for (uint32_t i = 0; !nearest && i < CONFIG_KEY_COUNT; i++)
        if (strcmp(config_key_table[i].name, name) == 0)
            nearest = &config_key_table[i];
    return nearest;
}

/* ---- records ------------------------------------------------------------ */

void *config_record(struct server_config *config, const struct config_section *section,
                    uint32_t index)
{
    ASSERT(index < section->record_max);
    return (char *)config + section->offset + index * section->record_bytes;
}

const void *config_record_const(const struct server_config *config,
                                const struct config_section *section, uint32_t index)
{
    ASSERT(index < section->record_max);
    return (const char *)config + section->offset + index * section->record_bytes;
}

uint32_t config_record_count(const struct server_config *config,
                             const struct config_section *section)
{
    if (!section->is_list)
        return 1;
    return *(const uint32_t *)(const void *)((const char *)config + section->count_offset);
}

void config_record_count_set(struct server_config *config, const struct config_section *section,
                             uint32_t count)
{
    ASSERT(section->is_list && count <= section->record_max);
    *(uint32_t *)(void *)((char *)config + section->count_offset) = count;
}

void config_key_set_default(const struct config_key *key, void *record)
{
    char number[32], hint[CONFIG_HINT_BYTES];
    const char *text = key->fallback_text;
    if (key->kind == CONFIG_KIND_CHOICE) {
        config_choice_name(key, (uint32_t)key->fallback, number, sizeof(number));
        text = number;
    } else if (key->kind == CONFIG_KIND_SWITCH) {
        text = key->fallback ? "true" : "false";
    } else if (key->kind == CONFIG_KIND_NUMBER) {
        snprintf(number, sizeof(number), "%" PRIu64, key->fallback);
        text = number;
    }
    int result = config_key_set(key, record, text, hint);
    ASSERT(result == 0); /* a default outside its own range is our bug */
}

/* ---- parsing ------------------------------------------------------------ */

static bool parse_decimal(const char *text, size_t bytes, uint64_t *value)
{
    if (bytes == 0 || bytes > 20 || (bytes > 1 && text[0] == '0'))
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(sum, UINT64_C(10), &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(text[i] - '0'), &sum))
            return false;
    }
    *value = sum;
    return true;
}

struct unit_scale {
    const char *suffix;
    uint64_t factor; /* in bytes or in nanoseconds */
};

static const struct unit_scale byte_scales[] = {
    {"B", 1},         {"bytes", 1},      {"k", 1024},        {"kB", 1000},      {"KB", 1000},
    {"K", 1024},      {"KiB", 1024},     {"m", 1048576},     {"MB", 1000000},   {"M", 1048576},
    {"MiB", 1048576}, {"g", 1073741824}, {"GB", 1000000000}, {"G", 1073741824}, {"GiB", 1073741824},
};
static const struct unit_scale time_scales[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"sec", 1000000000},
    {"m", 60000000000},
    {"min", 60000000000},
    {"h", 3600000000000},
    {"d", 86400000000000},
};

static uint64_t scale_of(const struct unit_scale *scales, size_t scale_count, const char *suffix)
{
    for (size_t i = 0; i < scale_count; i++)
        if (strcmp(scales[i].suffix, suffix) == 0)
            return scales[i].factor;
    return 0;
}

/* What one of the key's unit is in its family's smallest unit; 0 when the unit has no family. */
static uint64_t scale_of_key(const struct config_key *key, bool *is_time)
{
    static const struct {
        const char *unit;
        uint64_t factor;
        bool is_time;
    } units[] = {
        {"bytes", 1, false},           {"MiB", 1048576, false},
        {"bytes/s", 1, false},         {"MiB/s", 1048576, false},
        {"microseconds", 1000, true},  {"milliseconds", 1000000, true},
        {"seconds", 1000000000, true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(units); i++)
        if (strcmp(units[i].unit, key->unit) == 0) {
            *is_time = units[i].is_time;
            return units[i].factor;
        }
    return 0;
}

/* "64MiB" for a key in bytes: say which plain number was meant. */
static void hint_for_unit(const struct config_key *key, const char *text, char *hint)
{
    size_t digits = strspn(text, "0123456789");
    const char *suffix = text + digits + strspn(text + digits, " ");
    uint64_t value, wanted, total;
    bool is_time = false;
    if (digits == 0 || *suffix == '\0' || !parse_decimal(text, digits, &value))
        return;
    if (strchr(".,_eE", *suffix) && suffix[1] != '\0') {
        snprintf(hint, CONFIG_HINT_BYTES, "write whole numbers in digits only");
        return;
    }
    wanted = scale_of_key(key, &is_time);
    uint64_t given = is_time ? scale_of(time_scales, ARRAY_COUNT(time_scales), suffix)
                             : scale_of(byte_scales, ARRAY_COUNT(byte_scales), suffix);
    if (wanted && given && !__builtin_mul_overflow(value, given, &total) && total % wanted == 0)
        snprintf(hint, CONFIG_HINT_BYTES, "write it without a unit, in %s: %" PRIu64, key->unit,
                 total / wanted);
    else
        snprintf(hint, CONFIG_HINT_BYTES, "write it without a unit, in %s", key->unit);
}

static int set_number(const struct config_key *key, void *field, const char *text, char *hint)
{
    uint64_t value;
    if (!parse_decimal(text, strlen(text), &value)) {
        hint_for_unit(key, text, hint);
        return -EINVAL;
    }
    if (value < key->min || value > key->max)
        return -EINVAL;
    *(uint64_t *)field = value;
    return 0;
}

static int set_switch(void *field, const char *text)
{
    bool value = strcmp(text, "true") == 0;
    if (!value && strcmp(text, "false") != 0)
        return -EINVAL;
    *(bool *)field = value;
    return 0;
}

static int set_choice(const struct config_key *key, void *field, const char *text)
{
    char name[64];
    for (uint32_t i = 0;; i++) {
        config_choice_name(key, i, name, sizeof(name));
        if (name[0] == '\0')
            return -EINVAL;
        if (strcmp(name, text) == 0) {
            *(uint32_t *)field = i;
            return 0;
        }
    }
}

static int set_text(const struct config_key *key, void *field, const char *text, char *hint)
{
    size_t bytes = strlen(text);
    if (bytes > key->max) {
        snprintf(hint, CONFIG_HINT_BYTES, "this has %zu", bytes);
        return -EINVAL;
    }
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            snprintf(hint, CONFIG_HINT_BYTES, "control characters are not allowed");
            return -EINVAL;
        }
    memset(field, 0, key->max + 1);
    memcpy(field, text, bytes);
    return 0;
}

/* "0xff" or "ff": a mask, as other programs want it. Says the list it stands for. */
static bool hint_for_mask(const char *text, char *hint)
{
    const char *digits = text;
    bool has_prefix = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    if (has_prefix)
        digits += 2;
    size_t bytes = strlen(digits);
    if (bytes == 0 || strspn(digits, "0123456789abcdefABCDEF") != bytes ||
        (!has_prefix && strspn(digits, "0123456789") == bytes))
        return false;

    struct core_list cores = {.core_count = 0};
    for (size_t i = 0; i < bytes && bytes * 4 <= CORES_MAX; i++) {
        char digit[2] = {digits[bytes - 1 - i], '\0'};
        unsigned long bits = strtoul(digit, NULL, 16);
        for (uint16_t bit = 0; bit < 4; bit++)
            if (bits >> bit & 1)
                cores.cores[cores.core_count++] = (uint16_t)(i * 4 + bit);
    }
    char list[96];
    config_cores_text(&cores, list, sizeof(list));
    snprintf(hint, CONFIG_HINT_BYTES, "masks are not understood; %s is %s", text,
             cores.core_count > 0 ? list : "no list of cores");
    return true;
}

static bool cores_contain(const struct core_list *cores, uint64_t core)
{
    for (uint32_t i = 0; i < cores->core_count; i++)
        if (cores->cores[i] == core)
            return true;
    return false;
}

static bool add_core_range(struct core_list *cores, uint64_t first, uint64_t last, char *hint)
{
    if (last > CONFIG_CORE_INDEX_MAX) {
        snprintf(hint, CONFIG_HINT_BYTES, "the highest core is %u", CONFIG_CORE_INDEX_MAX);
        return false;
    }
    if (first > last) {
        snprintf(hint, CONFIG_HINT_BYTES, "the range %" PRIu64 "-%" PRIu64 " runs backwards", first,
                 last);
        return false;
    }
    for (uint64_t core = first; core <= last; core++) {
        if (cores_contain(cores, core)) {
            snprintf(hint, CONFIG_HINT_BYTES, "core %" PRIu64 " appears twice", core);
            return false;
        }
        if (cores->core_count == CORES_MAX) {
            snprintf(hint, CONFIG_HINT_BYTES, "at most %u cores", CORES_MAX);
            return false;
        }
        cores->cores[cores->core_count++] = (uint16_t)core;
    }
    return true;
}

static int set_cores(void *field, const char *text, char *hint)
{
    struct core_list cores;
    memset(&cores, 0, sizeof(cores)); /* padding too: configurations are compared byte by byte */
    cores.is_auto = strcmp(text, "auto") == 0;
    if (!cores.is_auto && strcmp(text, "none") != 0) {
        if (hint_for_mask(text, hint))
            return -EINVAL;
        for (const char *at = text;; at++) {
            uint64_t first, last;
            size_t digits = strspn(at, "0123456789");
            if (!parse_decimal(at, digits, &first))
                return -EINVAL;
            last = first;
            at += digits;
            if (*at == '-') {
                digits = strspn(at + 1, "0123456789");
                if (!parse_decimal(at + 1, digits, &last))
                    return -EINVAL;
                at += 1 + digits;
            }
            if (!add_core_range(&cores, first, last, hint))
                return -EINVAL;
            if (*at == '\0')
                break;
            if (*at != ',')
                return -EINVAL;
        }
    }
    memcpy(field, &cores, sizeof(cores));
    return 0;
}

int config_key_set(const struct config_key *key, void *record, const char *text,
                   char hint[CONFIG_HINT_BYTES])
{
    void *field = (char *)record + key->offset;
    hint[0] = '\0';
    switch (key->kind) {
    case CONFIG_KIND_NUMBER:
        return set_number(key, field, text, hint);
    case CONFIG_KIND_SWITCH:
        return set_switch(field, text);
    case CONFIG_KIND_CHOICE:
        return set_choice(key, field, text);
    case CONFIG_KIND_TEXT:
        return set_text(key, field, text, hint);
    case CONFIG_KIND_CORES:
        return set_cores(field, text, hint);
    }
    UNREACHABLE();
}

/* ---- explaining and printing ------------------------------------------------------------ */

void config_choice_name(const struct config_key *key, uint32_t index, char *text, size_t text_bytes)
{
    const char *at = key->choices;
    while (index > 0 && at) {
        at = strchr(at, '|');
        at = at ? at + 1 : NULL;
        index--;
    }
    snprintf(text, text_bytes, "%.*s", at ? (int)strcspn(at, "|") : 0, at ? at : "");
}

void config_key_allowed(const struct config_key *key, char *text, size_t text_bytes)
{
    char name[64];
    switch (key->kind) {
    case CONFIG_KIND_NUMBER:
        snprintf(text, text_bytes, "%" PRIu64 "..%" PRIu64 " %s (default %" PRIu64 ")", key->min,
                 key->max, key->unit, key->fallback);
        return;
    case CONFIG_KIND_SWITCH:
        snprintf(text, text_bytes, "true or false (default %s)", key->fallback ? "true" : "false");
        return;
    case CONFIG_KIND_CHOICE:
        config_choice_name(key, (uint32_t)key->fallback, name, sizeof(name));
        snprintf(text, text_bytes, "%s (default %s)", key->choices, name);
        return;
    case CONFIG_KIND_TEXT:
        snprintf(text, text_bytes, "at most %" PRIu64 " bytes (%s%s)", key->max,
                 key->fallback_text[0] ? "default " : "no default", key->fallback_text);
        return;
    case CONFIG_KIND_CORES:
        snprintf(text, text_bytes, "auto, none or a list such as 0-3,6 (default %s)",
                 key->fallback_text);
        return;
    }
    UNREACHABLE();
}

void config_cores_text(const struct core_list *cores, char *text, size_t text_bytes)
{
    if (cores->is_auto || cores->core_count == 0) {
        snprintf(text, text_bytes, "%s", cores->is_auto ? "auto" : "none");
        return;
    }
    size_t used = 0;
    for (uint32_t i = 0; i < cores->core_count && used < text_bytes;) {
        uint32_t last = i;
        while (last + 1 < cores->core_count && cores->cores[last + 1] == cores->cores[last] + 1)
            last++;
        int more = last == i ? snprintf(text + used, text_bytes - used, "%s%u", i ? "," : "",
                                        cores->cores[i])
                             : snprintf(text + used, text_bytes - used, "%s%u-%u", i ? "," : "",
                                        cores->cores[i], cores->cores[last]);
        used += (size_t)more;
        i = last + 1;
    }
}

void config_key_print(FILE *file, const struct config_key *key, const void *record)
{
    const void *field = (const char *)record + key->offset;
    char text[8 * CORES_MAX];
    switch (key->kind) {
    case CONFIG_KIND_NUMBER:
        fprintf(file, "%" PRIu64, *(const uint64_t *)field);
        return;
    case CONFIG_KIND_SWITCH:
        fputs(*(const bool *)field ? "true" : "false", file);
        return;
    case CONFIG_KIND_CHOICE:
        config_choice_name(key, *(const uint32_t *)field, text, sizeof(text));
        fputs(text, file);
        return;
    case CONFIG_KIND_TEXT:
        fputc('"', file);
        for (const char *at = field; *at; at++) {
            if (*at == '"' || *at == '\\')
                fputc('\\', file);
            fputc(*at, file);
        }
        fputc('"', file);
        return;
    case CONFIG_KIND_CORES:
        config_cores_text(field, text, sizeof(text));
        fputs(text, file);
        return;
    }
    UNREACHABLE();
}
