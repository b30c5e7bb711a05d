/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/task_collection.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/json_text.h"
#include "include/counters.h"
#include "include/server_config.h"

#define META_PREFIX "Meta-"
#define META_PREFIX_BYTES (sizeof(META_PREFIX) - 1)

/* ---- reading ---- */

enum task_progress collection_names(struct task_run *run, bool *is_percent)
{
    struct http_slice names;
    *is_percent = false;
    if (!task_parameter(run, "names", &names) || http_slice_is(names, "plain"))
        return TASK_GOES_ON;
    *is_percent = http_slice_is(names, "percent");
    if (*is_percent)
        return TASK_GOES_ON;
    return task_fail(run, HTTP_PROBLEM_BAD_PARAMETER, "names: allowed is plain or percent");
}

json_t *collection_body(struct task_run *run)
{
    json_error_t error;
    char *body = task_body_copy(run);
    if (body == NULL) {
        task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory for the body");
        return NULL;
    }
    size_t bytes = run->task->body != NULL ? run->task->body->length_bytes : 0;
    json_t *json = json_loadb(body, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    free(body);
    if (json == NULL)
        task_fail(run, HTTP_PROBLEM_BAD_JSON, "line %d, column %d: %s", error.line, error.column,
                  error.text);
    return json;
}

static bool is_listed(const char *list, const char *name)
{
    size_t bytes = strlen(name);
    for (; *list; list += strcspn(list, ","), list += strspn(list, ", "))
        if (strcspn(list, ",") == bytes && memcmp(list, name, bytes) == 0)
            return true;
    return false;
}

enum task_progress collection_check_members(struct task_run *run, const json_t *body,
                                            const char *known)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)body, name, value)
    {
        if (!is_listed(known, name))
            return task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT,
                             "there is a member \"%.40s\"; allowed: %s", name, known);
    }
    return TASK_GOES_ON;
}

static void key_forget(struct collection_key *key)
{
    free(key->bytes);
    key->bytes = NULL;
}

bool collection_key_read(const struct task_run *run, const json_t *name, bool is_percent,
                         struct key_set *set, const char **reason)
{
    struct collection_key *key = &set->keys[set->count];
    uint32_t space_bytes = api_task_space_bytes(run->task);
    *reason = "a key is a JSON string";
    if (!json_is_string(name))
        return false;
    struct http_slice text = {(const uint8_t *)json_string_value(name),
                              (uint32_t)json_string_length(name)};
    *key = (struct collection_key){.bytes = malloc(KEY_BYTES_MAX), .number = set->count};
    *reason = "no memory";
    if (key->bytes == NULL)
        return false;
    memcpy(key->bytes, api_task_key(run->task), space_bytes);
    bool fits = text.bytes <= USER_KEY_BYTES_MAX;
    *reason = "a key has 1 to 1024 bytes";
    if (is_percent) {
        fits = http_percent_decode(text, key->bytes + space_bytes, USER_KEY_BYTES_MAX,
                                   &key->name_bytes);
        *reason = "a key has 1 to 1024 bytes, and % begins two hexadecimal digits";
    } else if (fits) {
        memcpy(key->bytes + space_bytes, text.at, text.bytes);
        key->name_bytes = text.bytes;
    }
    if (!fits || key->name_bytes == 0) {
        key_forget(key);
        return false;
    }
    key->key_bytes = space_bytes + key->name_bytes;
    set->count++;
    return true;
}

enum task_progress collection_check_count(struct task_run *run, size_t count)
{
    if (count == 0)
        return task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT, "there is no key in the request");
    if (count <= run->server->bulk.keys_max)
        return TASK_GOES_ON;
    task_count(run, COUNTER_BULK_KEYS_REFUSED);
    return task_fail(run, HTTP_PROBLEM_TOO_MANY_KEYS, "%zu keys; bulk.keys_max allows %llu", count,
                     (unsigned long long)run->server->bulk.keys_max);
}

static int compare_keys(const void *a, const void *b)
{
    const struct collection_key *one = a, *other = b;
    uint32_t shared = one->key_bytes < other->key_bytes ? one->key_bytes : other->key_bytes;
    int order = memcmp(one->bytes, other->bytes, shared);
    if (order == 0)
        order = (one->key_bytes > other->key_bytes) - (one->key_bytes < other->key_bytes);
    return order != 0 ? order : (one->number > other->number) - (one->number < other->number);
}

static bool keys_are_equal(const struct collection_key *a, const struct collection_key *b)
{
    return a->key_bytes == b->key_bytes && memcmp(a->bytes, b->bytes, a->key_bytes) == 0;
}

const struct collection_key *key_set_sort(struct key_set *set, bool drops_equal)
{
    uint32_t kept = 0;
    qsort(set->keys, set->count, sizeof(set->keys[0]), compare_keys);
    for (uint32_t i = 0; i < set->count; i++) {
        if (kept == 0 || !keys_are_equal(&set->keys[kept - 1], &set->keys[i])) {
            set->keys[kept++] = set->keys[i];
            continue;
        }
        if (!drops_equal)
            return &set->keys[i];
        key_forget(&set->keys[i]);
    }
    set->count = kept;
    return NULL;
}

enum task_progress collection_keys_read(struct task_run *run, const json_t *names, bool is_percent,
                                        struct key_set *set)
{
    if (!json_is_array(names))
        return task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT, "keys: an array of keys is needed");
    if (collection_check_count(run, json_array_size(names)) == TASK_DONE)
        return TASK_DONE;
    set->keys = calloc(json_array_size(names), sizeof(*set->keys));
    if (set->keys == NULL)
        return task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory for the keys");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *reason;
        if (!collection_key_read(run, json_array_get(names, i), is_percent, set, &reason))
            return task_fail(run, HTTP_PROBLEM_BAD_DOCUMENT, "keys, number %zu: %s", i + 1, reason);
    }
    key_set_sort(set, true);
    return TASK_GOES_ON;
}

void key_set_free(struct key_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        free(set->keys[i].bytes);
    free(set->keys);
    *set = (struct key_set){0};
}

/* ---- writing ---- */

void collection_add_name(struct text_buffer *text, const uint8_t *name, uint32_t name_bytes,
                         bool is_percent)
{
    if (!is_percent) {
        json_add_string(text, name, name_bytes);
        return;
    }
    text_add(text, "\"", 1);
    percent_add(text, name, name_bytes);
    text_add(text, "\"", 1);
}

/* A field's value: UTF-8 as it is; what is not is taken for ISO 8859-1, as HTTP once had it. */
static void add_as_utf8(struct text_buffer *text, const char *value, size_t bytes)
{
    if (text_is_utf8(value, bytes)) {
        text_add(text, value, bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)value[i];
        char pair[2] = {(char)(0xc0 | byte >> 6), (char)(0x80 | (byte & 0x3f))};
        text_add(text, byte < 0x80 ? &value[i] : pair, byte < 0x80 ? 1 : 2);
    }
}

/* The next "Name: value\r\n"; false at the end. */
static bool next_line(const char **at, const char *end, struct http_slice *name,
                      struct http_slice *value)
{
    const char *colon = memchr(*at, ':', (size_t)(end - *at));
    if (colon == NULL)
        return false;
    const char *line_end = memchr(colon, '\r', (size_t)(end - colon));
    if (line_end == NULL || line_end - colon < 2)
        return false;
    *name = (struct http_slice){(const uint8_t *)*at, (uint32_t)(colon - *at)};
    *value = (struct http_slice){(const uint8_t *)colon + 2, (uint32_t)(line_end - colon - 2)};
    *at = line_end + 2;
    return true;
}

static bool is_same_name(struct http_slice one, struct http_slice other)
{
    return one.bytes == other.bytes &&
           strncasecmp((const char *)one.at, (const char *)other.at, one.bytes) == 0;
}

/* Was there a line of that name before the one at `line`? */
static bool has_name_before(const char *at, const char *line, struct http_slice name)
{
    struct http_slice before, value;
    const char *end = line;
    while (next_line(&at, end, &before, &value))
        if (is_same_name(before, name))
            return true;
    return false;
}

/* The values of all lines of that name from `at` on, as one list: RFC 9110 5.3. */
static void add_combined(struct text_buffer *text, const char *at, const char *end,
                         struct http_slice name)
{
    struct text_buffer list = {0};
    struct http_slice other, value;
    while (next_line(&at, end, &other, &value)) {
        if (!is_same_name(other, name))
            continue;
        if (list.used_bytes > 0)
            text_add(&list, ", ", 2);
        add_as_utf8(&list, (const char *)value.at, value.bytes);
    }
    json_add_string(text, list.bytes ? list.bytes : "", list.used_bytes);
    text->is_cut |= list.is_cut;
    text_buffer_clear(&list);
}

void collection_add_content_type(struct text_buffer *text, const uint8_t *attributes,
                                 uint32_t attributes_bytes)
{
    const char *at = (const char *)attributes, *end = at + attributes_bytes;
    struct http_slice name, value;
    while (next_line(&at, end, &name, &value)) {
        if (!http_slice_is(name, "content-type"))
            continue;
        text_format(text, ",\"content_type\":");
        add_combined(text, (const char *)attributes, end, name);
        return;
    }
}

static bool is_metadata(struct http_slice name)
{
    return name.bytes > META_PREFIX_BYTES &&
           strncasecmp((const char *)name.at, META_PREFIX, META_PREFIX_BYTES) == 0;
}

void collection_add_metadata(struct text_buffer *text, const uint8_t *attributes,
                             uint32_t attributes_bytes)
{
    const char *at = (const char *)attributes, *end = at + attributes_bytes;
    struct http_slice name, value;
    const char *comma = "";
    text_format(text, ",\"metadata\":{");
    for (const char *line = at; next_line(&at, end, &name, &value); line = at) {
        if (!is_metadata(name) || has_name_before((const char *)attributes, line, name))
            continue;
        text_format(text, "%s", comma);
        json_add_string(text, name.at + META_PREFIX_BYTES, name.bytes - META_PREFIX_BYTES);
        text_format(text, ":");
        add_combined(text, line, end, name);
        comma = ",";
    }
    text_format(text, "}");
}

void collection_add_problem(struct text_buffer *text, enum http_problem problem)
{
    text_format(text, "\"status\":%u,\"type\":\"%s%s\",\"title\":\"%s\"",
                http_problem_status[problem], HTTP_PROBLEM_URN, http_problem_types[problem],
                http_problem_titles[problem]);
}
