/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"

static const char *const methods[REQUEST_KIND_COUNT] = {"GET", "PUT", "DELETE"};

/* ---- heads ---- */

/* The path without its key: what stands before and after "{key}". */
static void split_path(const struct plan *plan, char *before, size_t room, const char **after,
                       bool *has_key)
{
    if (plan->namespace_name) {
        snprintf(before, room, "/v1/ns/%s/values/", plan->namespace_name);
        *after = "";
        *has_key = true;
        return;
    }
    const char *path = plan->path ? plan->path : "/";
    const char *key = strstr(path, "{key}");
    *has_key = key != NULL;
    snprintf(before, room, "%.*s", key ? (int)(key - path) : (int)strlen(path), path);
    *after = key ? key + strlen("{key}") : "";
}

static int make_template(struct request_template *request, const struct plan *plan,
                         enum request_kind kind)
{
    static char before[REQUEST_HEAD_BYTES_MAX], length_field[48];
    const char *after;
    bool has_key;
    split_path(plan, before, sizeof(before), &after, &has_key);
    uint32_t body_bytes = kind == REQUEST_PUT ? plan->value_bytes : 0;
    length_field[0] = '\0';
    if (kind == REQUEST_PUT)
        snprintf(length_field, sizeof(length_field), "Content-Length: %u\r\n", body_bytes);
    char *head = malloc(REQUEST_HEAD_BYTES_MAX);
    if (!head)
        return -ENOMEM;
    int start = snprintf(head, REQUEST_HEAD_BYTES_MAX, "%s %s", methods[kind], before);
    int total =
        snprintf(head, REQUEST_HEAD_BYTES_MAX, "%s %s%0*u%s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n",
                 methods[kind], before, has_key ? (int)plan->key_bytes : 0, 0u, after,
                 plan->host ? plan->host : "", length_field, plan->headers ? plan->headers : "",
                 plan->closes ? "Connection: close\r\n" : "");
    if (total < 0 || (uint32_t)total >= REQUEST_HEAD_BYTES_MAX) {
        free(head);
        return -EINVAL;
    }
    if (!has_key) { /* the zero that %u wrote */
        memmove(head + start, head + start + 1, (size_t)(total - start - 1));
        total--;
    }
    *request = (struct request_template){.head = (uint8_t *)head,
                                         .head_bytes = (uint32_t)total,
                                         .key_offset = has_key ? (uint32_t)start : REQUEST_KEY_NONE,
                                         .key_bytes = plan->key_bytes,
                                         .body_bytes = body_bytes};
    return 0;
}

int request_set_create(struct request_set *set, const struct plan *plan)
{
    *set = (struct request_set){0};
    for (int kind = 0; kind < REQUEST_KIND_COUNT; kind++) {
        int result = make_template(&set->templates[kind], plan, (enum request_kind)kind);
        if (result != 0) {
            request_set_destroy(set);
            return result;
        }
    }
    return 0;
}

void request_set_destroy(struct request_set *set)
{
    for (int kind = 0; kind < REQUEST_KIND_COUNT; kind++)
        free(set->templates[kind].head);
    *set = (struct request_set){0};
}

void request_set_key(struct request_template *request, uint32_t key)
{
    if (request->key_offset == REQUEST_KEY_NONE || request->key == key)
        return;
    request->key = key;
    uint8_t *digit = request->head + request->key_offset + request->key_bytes;
    for (uint32_t i = 0; i < request->key_bytes; i++) {
        *--digit = (uint8_t)('0' + key % 10);
        key /= 10;
    }
}

/* ---- values ---- */

static uint64_t value_seed(uint32_t key)
{
    uint64_t z = (key + 1) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ (z >> 29);
}

static uint64_t value_word(uint64_t seed, uint64_t index)
{
    uint64_t z = seed + index * UINT64_C(0x9e3779b97f4a7c15);
    return z ^ (z >> 32);
}

void request_value_write(uint32_t key, uint64_t offset, uint8_t *out, uint32_t length)
{
    uint64_t seed = value_seed(key);
    while (length > 0) {
        uint64_t word = value_word(seed, offset >> 3);
        uint32_t skip = offset & 7;
        uint32_t part = 8 - skip < length ? 8 - skip : length;
        memcpy(out, (uint8_t *)&word + skip, part);
        out += part;
        offset += part;
        length -= part;
    }
}

bool request_value_is(uint32_t key, uint64_t offset, const uint8_t *bytes, uint32_t length)
{
    uint64_t seed = value_seed(key);
    while (length > 0) {
        uint64_t word = value_word(seed, offset >> 3);
        uint32_t skip = offset & 7;
        uint32_t part = 8 - skip < length ? 8 - skip : length;
        if (memcmp(bytes, (uint8_t *)&word + skip, part) != 0)
            return false;
        bytes += part;
        offset += part;
        length -= part;
    }
    return true;
}

void request_write(struct request_template *request, uint32_t key, uint32_t offset, uint8_t *out,
                   uint32_t length)
{
    ASSERT_HOT(offset + length <= request_bytes(request));
    request_set_key(request, key);
    if (offset < request->head_bytes) {
        uint32_t part = request->head_bytes - offset;
        part = part < length ? part : length;
        memcpy(out, request->head + offset, part);
        out += part;
        offset += part;
        length -= part;
    }
    if (length > 0)
        request_value_write(key, offset - request->head_bytes, out, length);
}
