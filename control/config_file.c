/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "control/config_check.h"
#include "control/config_keys.h"
#include "control/config_reload.h"
#include "include/assert_policy.h"

#define SHOWN_BYTES_MAX 64u /* of a name or value in an error */
#define KEYS_PER_SECTION_MAX 32u
/* Ours nest three deep. libyaml's time grows with the square of the depth:
 * 1 MiB of "{a: " took 10 minutes. */
#define NESTING_MAX 16u

/* One call of config_read. */
struct config_reader {
    struct server_config *config;
    struct config_origins *origins;
    struct config_errors *errors;
    bool is_incomplete; /* a file could not be read whole: what seems missing may be in there */
};

/* One file being read; parent is the file that includes it. */
struct config_source {
    struct config_reader *reader;
    const struct config_source *parent;
    char *bytes;
    size_t byte_count;
    const char *path; /* origins->paths[index] */
    uint16_t index;
    dev_t device;
    ino_t inode;
    yaml_parser_t parser;
    uint32_t nesting;
    bool is_quiet;  /* looking for `include` only */
    bool is_broken; /* the parser gave up */
};

/* Where a value belongs, for its errors: "tcp" or "ports[1]". */
struct config_place {
    const struct config_section *section;
    uint32_t index;
};

/* ---- errors ------------------------------------------------------------ */

void config_error_add(struct config_errors *errors, const char *format, ...)
{
    if (errors->count < CONFIG_ERRORS_MAX) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(errors->lines[errors->count], CONFIG_ERROR_BYTES, format, arguments);
        va_end(arguments);
    }
    errors->count++;
}

void config_errors_print(FILE *file, const struct config_errors *errors)
{
    for (uint32_t i = 0; i < errors->count && i < CONFIG_ERRORS_MAX; i++)
        fprintf(file, "%s\n", errors->lines[i]);
    if (errors->count > CONFIG_ERRORS_MAX)
        fprintf(file, "... and %u more\n", errors->count - CONFIG_ERRORS_MAX);
}

/* The operator's text, printable and short enough for one line. The text is valid UTF-8. */
static const char *shown(const char *text, char out[SHOWN_BYTES_MAX + 4])
{
    size_t bytes = strnlen(text, SHOWN_BYTES_MAX + 1);
    bool is_cut = bytes > SHOWN_BYTES_MAX;
    if (is_cut) {
        bytes = SHOWN_BYTES_MAX;
        while (bytes > 0 && ((unsigned char)text[bytes] & 0xc0) == 0x80)
            bytes--;
    }
    for (size_t i = 0; i < bytes; i++)
        out[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
    snprintf(out + bytes, sizeof("..."), "%s", is_cut ? "..." : "");
    return out;
}

PRINTF_LIKE(3, 4)
static void source_error(struct config_source *source, size_t line, const char *format, ...)
{
    char text[CONFIG_ERROR_BYTES];
    if (source->is_quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    config_error_add(source->reader->errors, "%s:%zu: %s", source->path, line, text);
}

static size_t line_of(const yaml_event_t *event)
{
    return event->start_mark.line + 1;
}

/* ---- bytes ------------------------------------------------------------ */

static size_t utf8_sequence_bytes(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char mask, value;
        uint32_t low;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t form = 0; form < ARRAY_COUNT(forms); form++) {
        if ((at[0] & forms[form].mask) != forms[form].value)
            continue;
        if (form >= left)
            return 0;
        uint32_t point = at[0] & (unsigned char)~forms[form].mask;
        for (size_t i = 1; i <= form; i++) {
            if ((at[i] & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (at[i] & 0x3f);
        }
        bool is_good =
            point >= forms[form].low && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        return is_good ? form + 1 : 0;
    }
    return 0;
}

/* libyaml names no line for these, so they are looked for first. */
static bool check_bytes(struct config_source *source)
{
    const unsigned char *bytes = (const unsigned char *)source->bytes;
    size_t line = 1;
    for (size_t at = 0; at < source->byte_count;) {
        size_t length = utf8_sequence_bytes(bytes + at, source->byte_count - at);
        bool is_control = (bytes[at] < 0x20 && !strchr("\t\n\r", bytes[at])) || bytes[at] == 0 ||
                          bytes[at] == 0x7f;
        if (length == 0 || is_control) {
            source_error(source, line,
                         length == 0 ? "not UTF-8: byte 0x%02x" : "control character 0x%02x",
                         bytes[at]);
            return false;
        }
        if (bytes[at] == '\n')
            line++;
        at += length;
    }
    return true;
}

/* Reads the whole file. A directory, a pipe or an oversize file is refused, not waited for. */
static bool read_bytes(struct config_source *source, const char *name_in_errors)
{
    struct stat status;
    struct config_errors *errors = source->reader->errors;
    int fd = open(source->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0) {
        config_error_add(errors, "%s: cannot be read: %s", name_in_errors, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool is_good = S_ISREG(status.st_mode);
    if (!is_good)
        config_error_add(errors, "%s: not a regular file", name_in_errors);
    source->device = status.st_dev;
    source->inode = status.st_ino;
    source->bytes = is_good ? malloc(CONFIG_FILE_BYTES_MAX + 1) : NULL;
    ssize_t got = source->bytes ? 1 : 0;
    while (got > 0 && source->byte_count <= CONFIG_FILE_BYTES_MAX) {
        got = read(fd, source->bytes + source->byte_count,
                   CONFIG_FILE_BYTES_MAX + 1 - source->byte_count);
        if (got > 0)
            source->byte_count += (size_t)got;
    }
    if (is_good && (!source->bytes || got < 0)) {
        config_error_add(errors, "%s: cannot be read: %s", name_in_errors, strerror(errno));
        is_good = false;
    } else if (source->byte_count > CONFIG_FILE_BYTES_MAX) {
        config_error_add(errors, "%s: larger than %u bytes", name_in_errors, CONFIG_FILE_BYTES_MAX);
        is_good = false;
    }
    close(fd);
    return is_good;
}

/* ---- events ------------------------------------------------------------ */

static bool line_is_indented_by_tab(const struct config_source *source, size_t line)
{
    const char *at = source->bytes, *end = source->bytes + source->byte_count;
    for (size_t i = 0; i < line && at < end; i++) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        at = next ? next + 1 : end;
    }
    while (at < end && *at == ' ')
        at++;
    return at < end && *at == '\t';
}

static void report_parser(struct config_source *source)
{
    const yaml_parser_t *parser = &source->parser;
    size_t line = parser->problem_mark.line;
    source->reader->is_incomplete = true;
    if (line_is_indented_by_tab(source, line))
        source_error(source, line + 1, "a tab in the indentation; YAML wants spaces");
    else
        source_error(source, line + 1, "not YAML: %s%s%s",
                     parser->problem ? parser->problem : "cannot be parsed",
                     parser->context ? " " : "", parser->context ? parser->context : "");
}

static void report_unwanted(struct config_source *source, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    }
    if (anchor || event->type == YAML_ALIAS_EVENT)
        source_error(source, line_of(event),
                     "anchors and aliases (& and *) are not used here; write the value out");
    if (tag)
        source_error(source, line_of(event), "tags (!) are not used here");
}

static bool is_start(const yaml_event_t *event)
{
    return event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT;
}

static bool is_end(const yaml_event_t *event)
{
    return event->type == YAML_MAPPING_END_EVENT || event->type == YAML_SEQUENCE_END_EVENT;
}

/* False at a parser error, which has been reported. The caller deletes the event. */
static bool next_event(struct config_source *source, yaml_event_t *event)
{
    if (source->is_broken || !yaml_parser_parse(&source->parser, event)) {
        if (!source->is_broken)
            report_parser(source);
        source->is_broken = true;
        memset(event, 0, sizeof(*event));
        return false;
    }
    if (is_end(event))
        source->nesting--;
    if (is_start(event) && ++source->nesting > NESTING_MAX) {
        source_error(source, line_of(event), "nested more than %u deep", NESTING_MAX);
        source->is_broken = true;
        source->reader->is_incomplete = true;
        yaml_event_delete(event);
        return false;
    }
    report_unwanted(source, event);
    return true;
}

/* Having seen `first`, passes over what it began. */
static void skip_rest(struct config_source *source, const yaml_event_t *first)
{
    uint32_t depth = is_start(first) ? 1 : 0;
    yaml_event_t event;
    while (depth > 0 && next_event(source, &event)) {
        if (is_start(&event))
            depth++;
        if (is_end(&event))
            depth--;
        yaml_event_delete(&event);
    }
}

static void skip_value(struct config_source *source)
{
    yaml_event_t event;
    if (!next_event(source, &event))
        return;
    skip_rest(source, &event);
    yaml_event_delete(&event);
}

static const char *scalar_text(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT ? (const char *)event->data.scalar.value : NULL;
}

/* `key:` with nothing after it. */
static bool is_nothing(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0 &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static const char *what_is(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_MAPPING_START_EVENT:
        return "a mapping";
    case YAML_SEQUENCE_START_EVENT:
        return "a list";
    default:
        return "a single value";
    }
}

/* Steps to the next key of the mapping. False at its end. A key that is no text is
 * reported and skipped. */
static bool next_key(struct config_source *source, yaml_event_t *key)
{
    while (next_event(source, key)) {
        if (key->type == YAML_MAPPING_END_EVENT)
            break;
        if (scalar_text(key) && key->data.scalar.length == strlen(scalar_text(key)))
            return true;
        if (key->type != YAML_ALIAS_EVENT) /* reported already */
            source_error(source, line_of(key), "a key must be a plain word");
        skip_rest(source, key);
        yaml_event_delete(key);
        skip_value(source);
    }
    yaml_event_delete(key);
    return false;
}

/* ---- values ------------------------------------------------------------ */

static void place_name(const struct config_place *place, char *out, size_t out_bytes)
{
    if (place->section->is_list)
        snprintf(out, out_bytes, "%s[%u]", place->section->name, place->index);
    else
        snprintf(out, out_bytes, "%s", place->section->name);
}

static void report_unknown_key(struct config_source *source, const struct config_place *place,
                               const yaml_event_t *key_event)
{
    char in[64], name[SHOWN_BYTES_MAX + 4];
    const char *text = scalar_text(key_event);
    const struct config_key *nearest = config_key_nearest(place->section, text);
    place_name(place, in, sizeof(in));
    if (nearest)
        source_error(source, line_of(key_event), "%s.%s: unknown key; did you mean %s.%s?", in,
                     shown(text, name), config_section_table[nearest->section].name, nearest->name);
    else
        source_error(source, line_of(key_event), "%s.%s: unknown key; `gannet keys` lists all", in,
                     shown(text, name));
}

static void read_value(struct config_source *source, const struct config_place *place,
                       const struct config_key *key, const yaml_event_t *value)
{
    char in[64], allowed[256], hint[CONFIG_HINT_BYTES] = "", given[SHOWN_BYTES_MAX + 4];
    struct config_origin *origin = config_origin_of_key(source->reader->origins, key, place->index);
    void *record = config_record(source->reader->config, place->section, place->index);
    const char *text = scalar_text(value);
    bool has_nul = text && strlen(text) != value->data.scalar.length;
    *origin = (struct config_origin){.line = (uint32_t)line_of(value), .file = source->index};
    if (text && !has_nul && config_key_set(key, record, text, hint) == 0)
        return;

    origin->is_bad = true;
    if (value->type == YAML_ALIAS_EVENT)
        return; /* reported already */
    if (has_nul)
        snprintf(hint, sizeof(hint), "control characters are not allowed");
    if (value->type == YAML_SEQUENCE_START_EVENT && key->kind == CONFIG_KIND_CORES)
        snprintf(hint, sizeof(hint), "write cores: 0-3,6 without brackets");
    place_name(place, in, sizeof(in));
    config_key_allowed(key, allowed, sizeof(allowed));
    const char *what = !text               ? what_is(value)
                       : is_nothing(value) ? "(nothing)"
                                           : shown(text, given);
    source_error(source, line_of(value), "%s.%s = %s: allowed %s%s%s", in, key->name, what, allowed,
                 hint[0] ? "; " : "", hint);
}

/* The mapping of one record, after its start. */
static void read_record(struct config_source *source, const struct config_place *place)
{
    yaml_event_t key_event, value;
    size_t first_lines[KEYS_PER_SECTION_MAX] = {0};
    const struct config_section *section = place->section;
    ASSERT(section->key_end - section->key_first <= KEYS_PER_SECTION_MAX);
    while (next_key(source, &key_event)) {
        const struct config_key *key = config_key_find(section, scalar_text(&key_event));
        size_t line = line_of(&key_event);
        if (!key)
            report_unknown_key(source, place, &key_event);
        yaml_event_delete(&key_event);
        if (!next_event(source, &value))
            return;
        size_t *first_line =
            key ? &first_lines[(uint32_t)(key - config_key_table) - section->key_first] : NULL;
        if (key && *first_line) {
            char in[64];
            place_name(place, in, sizeof(in));
            source_error(source, line, "%s.%s: set twice in this file, first in line %zu", in,
                         key->name, *first_line);
        } else if (key) {
            *first_line = line;
            read_value(source, place, key, &value);
        }
        skip_rest(source, &value);
        yaml_event_delete(&value);
    }
}

static void set_record_defaults(struct server_config *config, const struct config_section *section,
                                uint32_t index)
{
    for (uint32_t i = section->key_first; i < section->key_end; i++)
        config_key_set_default(&config_key_table[i], config_record(config, section, index));
}

/* Opens entry `index` of a list. An entry that an included file made already keeps its values. */
static void open_record(struct config_source *source, const struct config_place *place, size_t line)
{
    struct server_config *config = source->reader->config;
    if (place->index >= config_record_count(config, place->section)) {
        set_record_defaults(config, place->section, place->index);
        config_record_count_set(config, place->section, place->index + 1);
    }
    struct config_origin *origin =
        config_origin_of_record(source->reader->origins, place->section, place->index);
    *origin = (struct config_origin){.line = (uint32_t)line, .file = source->index};
}

static void read_list(struct config_source *source, const struct config_section *section)
{
    yaml_event_t event;
    for (uint32_t index = 0; next_event(source, &event); index++) {
        if (event.type == YAML_SEQUENCE_END_EVENT)
            break;
        struct config_place place = {section, index};
        size_t line = line_of(&event);
        if (index >= section->record_max) {
            if (index == section->record_max)
                source_error(source, line, "%s[%u]: at most %u entries", section->name, index,
                             section->record_max);
            skip_rest(source, &event);
        } else if (event.type != YAML_MAPPING_START_EVENT) {
            if (event.type != YAML_ALIAS_EVENT)
                source_error(source, line, "%s[%u] = %s: allowed a mapping such as \"- %s: ...\"",
                             section->name, index, what_is(&event),
                             config_key_table[section->key_first].name);
            skip_rest(source, &event);
        } else {
            open_record(source, &place, line);
            read_record(source, &place);
        }
        yaml_event_delete(&event);
    }
    yaml_event_delete(&event);
}

static void read_section(struct config_source *source, const struct config_section *section)
{
    yaml_event_t event;
    struct config_place place = {section, 0};
    if (!next_event(source, &event))
        return;
    if (section->is_list && event.type == YAML_SEQUENCE_START_EVENT) {
        read_list(source, section);
    } else if (!section->is_list && event.type == YAML_MAPPING_START_EVENT) {
        read_record(source, &place);
    } else if (!is_nothing(&event)) {
        if (event.type != YAML_ALIAS_EVENT)
            source_error(source, line_of(&event), "%s = %s: allowed %s", section->name,
                         what_is(&event),
                         section->is_list ? "a list, each entry starting with \"- \""
                                          : "a mapping of keys, one per line and indented");
        skip_rest(source, &event);
    }
    yaml_event_delete(&event);
}

/* ---- files ------------------------------------------------------------ */

/* Steps into the one mapping a file is. */
static bool open_document(struct config_source *source)
{
    yaml_event_t event;
    for (;;) {
        if (!next_event(source, &event))
            return false;
        yaml_event_type_t type = event.type;
        size_t line = line_of(&event);
        bool is_empty = type == YAML_STREAM_END_EVENT || is_nothing(&event);
        yaml_event_delete(&event);
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT)
            continue;
        if (is_empty)
            source_error(source, line, "no settings in this file");
        else if (type != YAML_MAPPING_START_EVENT)
            source_error(source, line, "allowed a mapping of sections, such as \"tcp:\"");
        return type == YAML_MAPPING_START_EVENT;
    }
}

static void close_document(struct config_source *source)
{
    yaml_event_t event;
    while (next_event(source, &event)) {
        yaml_event_type_t type = event.type;
        size_t line = line_of(&event);
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return;
        if (type == YAML_DOCUMENT_START_EVENT) {
            source_error(source, line, "a second document (---) begins; one file is one document");
            return;
        }
    }
}

static void start_parser(struct config_source *source)
{
    int started = yaml_parser_initialize(&source->parser);
    ASSERT(started);
    yaml_parser_set_encoding(&source->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&source->parser, (const unsigned char *)source->bytes,
                                 source->byte_count);
    source->is_broken = false;
    source->nesting = 0;
}

/* First pass: the value of `include`, since it is read before everything this file says itself. */
static char *find_include(struct config_source *source, size_t *line)
{
    char *found = NULL;
    yaml_event_t key, value;
    source->is_quiet = true;
    start_parser(source);
    bool is_open = open_document(source);
    while (is_open && !found && next_key(source, &key)) {
        bool is_include = strcmp(scalar_text(&key), "include") == 0;
        yaml_event_delete(&key);
        if (!next_event(source, &value))
            break;
        if (is_include && scalar_text(&value)) {
            found = strdup(scalar_text(&value));
            *line = line_of(&value);
        }
        skip_rest(source, &value);
        yaml_event_delete(&value);
    }
    yaml_parser_delete(&source->parser);
    source->is_quiet = false;
    return found;
}

static void report_unknown_section(struct config_source *source, const yaml_event_t *key)
{
    char name[SHOWN_BYTES_MAX + 4];
    const char *text = scalar_text(key);
    const struct config_section *nearest = config_section_nearest(text);
    for (uint32_t i = 0; !nearest && i < CONFIG_KEY_COUNT; i++)
        if (strcmp(config_key_table[i].name, text) == 0) {
            source_error(source, line_of(key), "%s: unknown section; did you mean %s.%s?", text,
                         config_section_table[config_key_table[i].section].name, text);
            return;
        }
    if (nearest)
        source_error(source, line_of(key), "%s: unknown section; did you mean %s?",
                     shown(text, name), nearest->name);
    else
        source_error(source, line_of(key), "%s: unknown section; `gannet keys` lists all",
                     shown(text, name));
}

static void check_include_value(struct config_source *source)
{
    yaml_event_t value;
    if (!next_event(source, &value))
        return;
    if (value.type != YAML_ALIAS_EVENT && (!scalar_text(&value) || is_nothing(&value)))
        source_error(source, line_of(&value), "include = %s: allowed the path of one file",
                     scalar_text(&value) ? "(nothing)" : what_is(&value));
    skip_rest(source, &value);
    yaml_event_delete(&value);
}

/* Second pass: the values. */
static void read_settings(struct config_source *source)
{
    yaml_event_t key;
    size_t first_lines[CONFIG_SECTION_COUNT + 1] = {0}; /* the last one is include's */
    start_parser(source);
    if (open_document(source)) {
        while (next_key(source, &key)) {
            const char *name = scalar_text(&key);
            const struct config_section *section = config_section_find(name);
            bool is_include = strcmp(name, "include") == 0;
            size_t *first = section      ? &first_lines[section - config_section_table]
                            : is_include ? &first_lines[CONFIG_SECTION_COUNT]
                                         : NULL;
            bool is_repeated = first && *first;
            if (!first)
                report_unknown_section(source, &key);
            else if (is_repeated)
                source_error(source, line_of(&key),
                             "%s: appears twice in this file, first in line %zu", name, *first);
            else
                *first = line_of(&key);
            yaml_event_delete(&key);
            if (!first || is_repeated)
                skip_value(source);
            else if (is_include)
                check_include_value(source);
            else
                read_section(source, section);
        }
        if (!source->is_broken)
            close_document(source);
    }
    yaml_parser_delete(&source->parser);
}

static void read_file(struct config_source *source, const char *name_in_errors);

/* The included file's path, relative to the including file. False when it is too long. */
static bool join_path(const char *including, const char *include, char out[CONFIG_PATH_BYTES])
{
    const char *slash = strrchr(including, '/');
    int folder_bytes = slash && include[0] != '/' ? (int)(slash + 1 - including) : 0;
    int bytes = snprintf(out, CONFIG_PATH_BYTES, "%.*s%s", folder_bytes, including, include);
    return bytes > 0 && bytes < (int)CONFIG_PATH_BYTES;
}

static void read_include(struct config_source *source, const char *include, size_t line)
{
    struct config_origins *origins = source->reader->origins;
    char shown_path[SHOWN_BYTES_MAX + 4], name[2 * CONFIG_PATH_BYTES + 64];
    if (include[0] == '\0')
        return; /* reported by the second pass */
    if (origins->path_count > CONFIG_INCLUDE_DEPTH_MAX) {
        source_error(source, line, "include = %s: files include each other more than %u deep",
                     shown(include, shown_path), CONFIG_INCLUDE_DEPTH_MAX);
        return;
    }
    struct config_source included = {.reader = source->reader, .parent = source};
    included.index = (uint16_t)origins->path_count;
    if (!join_path(source->path, include, origins->paths[included.index])) {
        source_error(source, line, "include = %s: the path is too long",
                     shown(include, shown_path));
        return;
    }
    included.path = origins->paths[included.index];
    origins->path_count++;
    snprintf(name, sizeof(name), "%s:%zu: include = %s", source->path, line, included.path);
    read_file(&included, name);
}

static bool is_loop(const struct config_source *source)
{
    for (const struct config_source *above = source->parent; above; above = above->parent)
        if (above->device == source->device && above->inode == source->inode)
            return true;
    return false;
}

static bool is_readable(struct config_source *source, const char *name_in_errors)
{
    if (!read_bytes(source, name_in_errors))
        return false;
    if (is_loop(source)) {
        config_error_add(source->reader->errors, "%s: the files include each other in a loop",
                         name_in_errors);
        return false;
    }
    return check_bytes(source);
}

static void read_file(struct config_source *source, const char *name_in_errors)
{
    if (is_readable(source, name_in_errors)) {
        size_t line = 0;
        char *include = find_include(source, &line);
        if (include)
            read_include(source, include, line);
        free(include);
        read_settings(source);
    } else {
        source->reader->is_incomplete = true;
    }
    free(source->bytes);
}

int config_read(const char *path, struct server_config *config, struct config_errors *errors)
{
    memset(errors, 0, sizeof(*errors));
    config_defaults(config);
    struct config_origins *origins = config_origins_create();
    if (!origins || strlen(path) >= CONFIG_PATH_BYTES) {
        config_error_add(errors, "%.100s: %s", path,
                         origins ? "the path is too long" : "no memory");
        free(origins);
        return -EINVAL;
    }
    struct config_reader reader = {config, origins, errors, false};
    struct config_source source = {.reader = &reader, .path = origins->paths[0]};
    snprintf(origins->paths[0], CONFIG_PATH_BYTES, "%s", path);
    origins->path_count = 1;
    read_file(&source, path);
    if (!reader.is_incomplete)
        config_check(config, origins, errors);
    free(origins);
    return errors->count > 0 ? -EINVAL : 0;
}

void config_defaults(struct server_config *config)
{
    memset(config, 0, sizeof(*config));
    for (uint32_t i = 0; i < CONFIG_SECTION_COUNT; i++)
        if (!config_section_table[i].is_list)
            set_record_defaults(config, &config_section_table[i], 0);
}

int config_check_complete(const char *path, const struct server_config *config,
                          struct config_errors *errors)
{
    memset(errors, 0, sizeof(*errors));
    if (config->ports_count == 0)
        config_error_add(errors, "%s: no port to serve on; add ports: or include: a hardware file",
                         path);
    for (uint32_t i = 0; i < config->ports_count; i++)
        if (config->ports[i].ipv4[0] == '\0' && config->ports[i].ipv6[0] == '\0')
            config_error_add(errors, "%s: ports[%u] has no address; set ipv4 or ipv6", path, i);
    if (config->listeners_count == 0)
        config_error_add(errors, "%s: no listener; add \"listeners:\" with \"- port: 80\"", path);
    if (config->namespaces_count == 0 && config->routes_count == 0)
        config_error_add(errors, "%s: nothing to serve; add namespaces: or routes:", path);
    return errors->count > 0 ? -EINVAL : 0;
}

/* ---- printing ------------------------------------------------------------ */

static void print_section(FILE *file, const struct server_config *config,
                          const struct config_section *section)
{
    uint32_t record_count = config_record_count(config, section);
    if (record_count == 0)
        return;
    fprintf(file, "%s:\n", section->name);
    for (uint32_t index = 0; index < record_count; index++)
        for (uint32_t i = section->key_first; i < section->key_end; i++) {
            const char *indent = !section->is_list         ? "  "
                                 : i == section->key_first ? "  - "
                                                           : "    ";
            fprintf(file, "%s%s: ", indent, config_key_table[i].name);
            config_key_print(file, &config_key_table[i],
                             config_record_const(config, section, index));
            fputc('\n', file);
        }
}

void config_print(FILE *file, const struct server_config *config)
{
    for (uint32_t i = 0; i < CONFIG_SECTION_COUNT; i++)
        print_section(file, config, &config_section_table[i]);
}

/* The allowed values without the default, which has a column of its own; | would end a cell. */
static void print_allowed_cell(FILE *file, const struct config_key *key)
{
    char allowed[256];
    config_key_allowed(key, allowed, sizeof(allowed));
    char *fallback = strstr(allowed, " (");
    if (fallback)
        *fallback = '\0';
    for (const char *at = allowed; *at; at++)
        fputs(*at == '|' ? ", " : (char[]){*at, '\0'}, file);
}

static void print_default_cell(FILE *file, const struct config_key *key)
{
    union {
        uint64_t number;
        struct core_list cores;
        char text[512];
    } value = {0};
    struct config_key alone = *key;
    alone.offset = 0;
    ASSERT(key->kind != CONFIG_KIND_TEXT || key->max < sizeof(value.text));
    config_key_set_default(&alone, &value);
    if (key->kind == CONFIG_KIND_TEXT)
        fputs(key->fallback_text, file);
    else
        config_key_print(file, &alone, &value);
}

void config_print_reference(FILE *file)
{
    for (uint32_t i = 0; i < CONFIG_SECTION_COUNT; i++) {
        const struct config_section *section = &config_section_table[i];
        if (section->is_list)
            fprintf(file, "### %s (a list of at most %u)\n\n", section->name, section->record_max);
        else
            fprintf(file, "### %s\n\n", section->name);
        fputs("| key | allowed | default | reload | what it does |\n|---|---|---|---|---|\n", file);
        for (uint32_t k = section->key_first; k < section->key_end; k++) {
            const struct config_key *key = &config_key_table[k];
            fprintf(file, "| `%s` | ", key->name);
            print_allowed_cell(file, key);
            fputs(" | ", file);
            print_default_cell(file, key);
            fprintf(file, " | %s | %s |\n", config_key_is_reloadable(key) ? "yes" : "",
                    key->sentence);
        }
        fputc('\n', file);
    }
}
