/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/bulk_item.h"

#include <stdlib.h>
#include <string.h>

#include "control/json_text.h"
#include "include/compiler.h"

#define SECONDS_MAX UINT32_MAX

static const char text_type[] = "text/plain; charset=utf-8";
static const char bytes_type[] = "application/octet-stream";

/* RFC 9110 5.6.2: a token character. */
static bool is_token_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

/* RFC 9110 5.5: visible characters, obs-text, and blanks between them. */
static bool is_field_value(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)text[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return false;
    }
    return bytes > 0 && text[0] != ' ' && text[0] != '\t' && text[bytes - 1] != ' ' &&
           text[bytes - 1] != '\t';
}

static const char *append_field(struct bulk_item *item, const char *prefix, const char *name,
                                const char *value, size_t value_bytes)
{
    size_t prefix_bytes = strlen(prefix), name_bytes = strlen(name);
    if (!is_field_value(value, value_bytes))
        return "content_type and metadata are texts without control characters and outer blanks";
    if (item->attributes_bytes + prefix_bytes + name_bytes + value_bytes + 4 > ATTRIBUTES_BYTES_MAX)
        return "content_type and metadata take at most 512 bytes together";
    uint8_t *at = item->attributes + item->attributes_bytes;
    const struct {
        const char *bytes;
        size_t count;
    } parts[] = {
        {prefix, prefix_bytes}, {name, name_bytes}, {": ", 2}, {value, value_bytes}, {"\r\n", 2}};
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        memcpy(at, parts[i].bytes, parts[i].count);
        at += parts[i].count;
    }
    item->attributes_bytes = (uint32_t)(at - item->attributes);
    return NULL;
}

static const char *read_metadata(const json_t *metadata, struct bulk_item *item)
{
    const char *name, *wrong = NULL;
    json_t *value;
    if (metadata == NULL)
        return NULL;
    if (!json_is_object(metadata))
        return "metadata is an object of texts";
    json_object_foreach((json_t *)metadata, name, value)
    {
        size_t name_bytes = strlen(name), i = 0;
        while (i < name_bytes && is_token_byte((uint8_t)name[i]))
            i++;
        if (name_bytes == 0 || i < name_bytes || !json_is_string(value))
            return "metadata is an object of texts whose names have letters, digits and "
                   "!#$%&'*+-.^_`|~ only";
        wrong =
            append_field(item, "Meta-", name, json_string_value(value), json_string_length(value));
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static const char *read_value(const json_t *json, struct bulk_item *item, bool *is_base64)
{
    const json_t *value = json_object_get(json, "value");
    const json_t *base64 = json_object_get(json, "base64");
    *is_base64 = json_is_true(base64);
    if (!json_is_string(value))
        return "value is a text, or base64 of any bytes with \"base64\":true";
    if (base64 != NULL && !json_is_boolean(base64))
        return "base64 is true or false";
    item->value = (const uint8_t *)json_string_value(value);
    item->value_bytes = json_string_length(value);
    if (!*is_base64)
        return NULL;
    item->decoded = malloc(item->value_bytes / 4 * 3 + 3);
    if (item->decoded == NULL)
        return "no memory";
    if (!base64_decode((const char *)item->value, item->value_bytes, item->decoded,
                       &item->value_bytes))
        return "value is not base64 (RFC 4648 section 4, with padding, without blanks)";
    item->value = item->decoded;
    return NULL;
}

static const char *read_expiry(const json_t *json, uint64_t wall_ms, uint64_t fallback_ttl_s,
                               struct bulk_item *item)
{
    const json_t *ttl = json_object_get(json, "ttl");
    const json_t *expires_at = json_object_get(json, "expires_at");
    uint64_t seconds = fallback_ttl_s;
    if (ttl != NULL && expires_at != NULL)
        return "ttl or expires_at is allowed, not both";
    if (expires_at != NULL) {
        json_int_t at = json_integer_value(expires_at);
        if (at <= 0 || at > SECONDS_MAX || (uint64_t)at * 1000 <= wall_ms)
            return "expires_at: allowed are Unix seconds in the future, up to 4294967295";
        item->expires_at_ms = (uint64_t)at * 1000;
        return NULL;
    }
    if (ttl != NULL) {
        json_int_t given = json_integer_value(ttl);
        if (given <= 0 || given > SECONDS_MAX)
            return "ttl: allowed 1..4294967295 seconds";
        seconds = (uint64_t)given;
    }
    item->expires_at_ms = seconds != 0 ? wall_ms + seconds * 1000 : 0;
    return NULL;
}

/* A misspelt member would be a value stored otherwise than meant. */
static const char *check_members(const json_t *json)
{
    static const char *const known[] = {"key",        "value",        "base64",  "ttl",
                                        "expires_at", "content_type", "metadata"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value)
    {
        size_t i = 0;
        while (i < ARRAY_COUNT(known) && strcmp(name, known[i]) != 0)
            i++;
        if (i == ARRAY_COUNT(known))
            return "it has a member other than key, value, base64, ttl, expires_at, content_type "
                   "and metadata";
    }
    return NULL;
}

const char *bulk_item_read(const json_t *json, uint64_t wall_ms, uint64_t fallback_ttl_s,
                           struct bulk_item *item)
{
    bool is_base64;
    item->decoded = NULL;
    item->attributes_bytes = 0;
    if (!json_is_object(json))
        return "it is no object";
    const char *wrong = check_members(json);
    if (wrong == NULL)
        wrong = read_value(json, item, &is_base64);
    if (wrong == NULL)
        wrong = read_expiry(json, wall_ms, fallback_ttl_s, item);
    if (wrong != NULL)
        return wrong;
    const json_t *type = json_object_get(json, "content_type");
    if (type != NULL && !json_is_string(type))
        return "content_type is a text";
    const char *text = type != NULL ? json_string_value(type) : is_base64 ? bytes_type : text_type;
    wrong = append_field(item, "", "Content-Type", text,
                         type != NULL ? json_string_length(type) : strlen(text));
    return wrong != NULL ? wrong : read_metadata(json_object_get(json, "metadata"), item);
}

void bulk_item_free(struct bulk_item *item)
{
    free(item->decoded);
    item->decoded = NULL;
}
