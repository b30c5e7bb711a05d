/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_repeat.h"

#include <string.h>

#include "dataplane/http_scan.h"
#include "include/bytes_equal.h"

#define VERSION_BYTES 9u /* " HTTP/1.1" */

static const char request_start[] = "GET /v1/ns/";
static const char values_part[] = "/values/";
#define START_BYTES ((uint32_t)sizeof(request_start) - 1)
#define VALUES_BYTES ((uint32_t)sizeof(values_part) - 1)
#define PATH_BYTES_MAX (VALUE_KEY_BYTES_MAX + START_BYTES + VALUES_BYTES)

/* "{namespace}/values/{key}", all of it plain bytes of a path. */
static ALWAYS_INLINE bool split_value(const uint8_t *at, const uint8_t *end,
                                      struct value_target *target)
{
    const uint8_t *slash = at;
    while (slash < end && *slash != '/')
        slash++;
    uint32_t space_bytes = (uint32_t)(slash - at), rest_bytes = (uint32_t)(end - slash);
    if (UNLIKELY(space_bytes == 0 || rest_bytes <= VALUES_BYTES) ||
        memcmp(slash, values_part, VALUES_BYTES) != 0)
        return false;
    target->space = (struct http_slice){at, space_bytes};
    target->key = (struct http_slice){slash + VALUES_BYTES, rest_bytes - VALUES_BYTES};
    return space_bytes + 1 + target->key.bytes <= VALUE_KEY_BYTES_MAX;
}

/* The tail's first byte is the space that ends the path, so nothing is scanned twice. */
static ALWAYS_INLINE bool tail_follows(const struct http_tail *tail, const uint8_t *at,
                                       uint32_t left)
{
    return tail->bytes != 0 && tail->bytes <= left && bytes_equal(tail->text, at, tail->bytes);
}

static NO_INLINE const struct http_tail *find_tail(struct http_repeat *repeat, const uint8_t *at,
                                                   uint32_t left)
{
    for (uint32_t way = 0; way < HTTP_REPEAT_WAYS; way++)
        if (tail_follows(&repeat->tails[way], at, left)) {
            repeat->latest = way;
            return &repeat->tails[way];
        }
    return NULL;
}

bool http_repeat_match(struct http_repeat *repeat, const struct http_limits *limits,
                       const uint8_t *bytes, uint32_t length, struct value_target *target,
                       uint32_t *head_bytes)
{
    if (UNLIKELY(length < START_BYTES) || memcmp(bytes, request_start, START_BYTES) != 0)
        return false;
    const uint8_t *at = bytes + START_BYTES, *end = bytes + length;
    const uint8_t *path_end = http_scan_run(bytes, at, end, HTTP_CLASS_PLAIN_PATH);
    if (UNLIKELY(!split_value(at, path_end, target)))
        return false;
    uint32_t left = (uint32_t)(end - path_end);
    const struct http_tail *tail = &repeat->tails[repeat->latest];
    if (UNLIKELY(!tail_follows(tail, path_end, left))) {
        tail = find_tail(repeat, path_end, left);
        if (!tail)
            return false;
    }
    *head_bytes = (uint32_t)(path_end - bytes) + tail->bytes;
    /* The two limits that depend on the path; the number of fields has been checked. */
    return LIKELY(*head_bytes <= limits->head_bytes_max &&
                  (uint32_t)(path_end - bytes) + VERSION_BYTES <= limits->request_line_bytes_max);
}

/* Fields that change the answer to a GET, or will once they are implemented. */
static bool is_neutral_field(struct http_slice name)
{
    static const char *const effective[] = {"range", "request-id", "prefer", "authorization"};
    uint8_t first = name.at[0] | 0x20;
    if (LIKELY(first != 'i' && first != 'r' && first != 'p' && first != 'a'))
        return true;
    if (name.bytes >= 3 && http_slice_is((struct http_slice){name.at, 3}, "if-"))
        return false;
    for (uint32_t i = 0; i < ARRAY_COUNT(effective); i++)
        if (http_slice_is(name, effective[i]))
            return false;
    return true;
}

bool http_plain_value(const struct http_request *request, struct value_target *target)
{
    const uint32_t prefix_bytes = START_BYTES - 4; /* without "GET " */
    struct http_slice path = request->path;
    if (request->method != HTTP_GET || request->version_minor != 1 ||
        request->flags != HTTP_KEEP_ALIVE || request->target.bytes != path.bytes ||
        path.bytes < prefix_bytes || path.bytes > PATH_BYTES_MAX ||
        memcmp(path.at, request_start + 4, prefix_bytes) != 0 ||
        memchr(path.at, '%', path.bytes) != NULL)
        return false;
    for (uint32_t i = 0; i < request->field_count; i++)
        if (!is_neutral_field(request->fields[i].name))
            return false;
    return split_value(path.at + prefix_bytes, path.at + path.bytes, target);
}

void http_repeat_learn(struct http_repeat *repeat, const struct http_request *request,
                       const uint8_t *bytes)
{
    const uint8_t *tail_at = request->target.at + request->target.bytes;
    uint32_t tail_bytes = (uint32_t)(bytes + request->head_bytes - tail_at);
    if (tail_bytes > HTTP_REPEAT_TAIL_BYTES_MAX)
        return;
    struct http_tail *tail = &repeat->tails[repeat->oldest];
    memcpy(tail->text, tail_at, tail_bytes);
    tail->bytes = tail_bytes;
    repeat->latest = repeat->oldest;
    repeat->oldest = (repeat->oldest + 1) % HTTP_REPEAT_WAYS;
}
