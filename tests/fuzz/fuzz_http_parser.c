/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_parser.h"
#include "dataplane/http_repeat.h"
#include "tests/fuzz/fuzz_target.h"

static const struct http_limits wide = {
    .request_line_bytes_max = 8192, .head_bytes_max = 16384, .fields_max = HTTP_FIELDS_MAX};
static const struct http_limits tight = {
    .request_line_bytes_max = 40, .head_bytes_max = 120, .fields_max = 3};

static bool lies_within(struct http_slice inner, const uint8_t *at, uint32_t bytes)
{
    return inner.bytes == 0 || (inner.at >= at && inner.at + inner.bytes <= at + bytes);
}

/* What every caller may rely on about a good head. */
static void check_good(const struct http_request *request, const uint8_t *bytes, uint32_t length)
{
    bool is_root = request->path.bytes == 1 && *request->path.at == '/';
    ASSERT(request->head_bytes <= length);
    ASSERT(memcmp(bytes + request->head_bytes - 4, "\r\n\r\n", 4) == 0);
    ASSERT(lies_within(request->target, bytes, request->head_bytes));
    ASSERT(is_root || lies_within(request->path, bytes, request->head_bytes));
    ASSERT(lies_within(request->query, bytes, request->head_bytes));
    ASSERT(lies_within(request->host, bytes, request->head_bytes));
    ASSERT(request->version_minor == 0 || request->host.bytes > 0);
    ASSERT((request->flags & (HTTP_CHUNKED | HTTP_HAS_LENGTH)) != (HTTP_CHUNKED | HTTP_HAS_LENGTH));
    ASSERT(request->field_count <= HTTP_FIELDS_MAX);
    for (uint32_t i = 0; i < request->field_count; i++) {
        struct http_field field = request->fields[i];
        ASSERT(field.name.bytes > 0 && lies_within(field.name, bytes, request->head_bytes));
        ASSERT(lies_within(field.value, bytes, request->head_bytes));
        ASSERT(memchr(field.value.at, '\r', field.value.bytes) == NULL);
        ASSERT(memchr(field.value.at, '\n', field.value.bytes) == NULL);
        ASSERT(memchr(field.value.at, '\0', field.value.bytes) == NULL);
    }
}

/* The head written again from what was understood must be understood the same way. */
static void check_reparse(const struct http_request *request)
{
    static struct http_request again;
    uint32_t room = request->head_bytes + 4 * HTTP_FIELDS_MAX + 64, at = 0;
    uint8_t *text = malloc(room);
    ASSERT(text != NULL);
    at += (uint32_t)snprintf((char *)text, room, "%.*s %.*s HTTP/1.%u\r\n",
                             (int)request->method_text.bytes, (const char *)request->method_text.at,
                             (int)request->target.bytes, (const char *)request->target.at,
                             request->version_minor);
    for (uint32_t i = 0; i < request->field_count; i++) {
        struct http_field field = request->fields[i];
        at += (uint32_t)snprintf((char *)text + at, room - at, "%.*s: %.*s\r\n",
                                 (int)field.name.bytes, (const char *)field.name.at,
                                 (int)field.value.bytes, (const char *)field.value.at);
    }
    at += (uint32_t)snprintf((char *)text + at, room - at, "\r\n");
    ASSERT(http_parse_request(text, at, &(struct http_limits){32768, 32768, HTTP_FIELDS_MAX},
                              &again) == HTTP_PARSE_DONE);
    ASSERT(again.head_bytes == at);
    ASSERT(again.method == request->method && again.flags == request->flags);
    ASSERT(again.content_length == request->content_length);
    ASSERT(again.field_count == request->field_count);
    ASSERT(again.path.bytes == request->path.bytes && again.query.bytes == request->query.bytes);
    ASSERT(again.host.bytes == request->host.bytes);
    free(text);
}

/* What is recognised without parsing is what the parser accepts; `request` is NULL for the rest. */
static void check_repeat(const uint8_t *bytes, uint32_t length, const struct http_limits *limits,
                         const struct http_request *request)
{
    /* From one input to the next: other keys, the same fields. Never from one set of limits. */
    static struct http_repeat repeats[2];
    struct http_repeat *repeat = &repeats[limits == &tight];
    struct value_target target, expected;
    uint32_t head_bytes;
    bool is_plain = request && http_plain_value(request, &expected);
    bool is_known = http_repeat_match(repeat, limits, bytes, length, &target, &head_bytes);
    ASSERT(!is_known || (is_plain && head_bytes == request->head_bytes));
    if (!is_plain)
        return;
    http_repeat_learn(repeat, request, bytes);
    const uint8_t *tail = request->target.at + request->target.bytes;
    if (bytes[0] == 'G' && bytes + request->head_bytes - tail <= HTTP_REPEAT_TAIL_BYTES_MAX) {
        ASSERT(http_repeat_match(repeat, limits, bytes, length, &target, &head_bytes));
        ASSERT(head_bytes == request->head_bytes);
        ASSERT(target.space.at == expected.space.at && target.key.at == expected.key.at);
        ASSERT(target.key.bytes == expected.key.bytes);
    }
}

/* However the bytes are split, the verdict only moves from PARTIAL to the one it keeps. */
static void check_prefixes(const uint8_t *bytes, uint32_t length, const struct http_limits *limits)
{
    static struct http_request request, prefix;
    enum http_parse_status whole = http_parse_request(bytes, length, limits, &request);
    uint32_t last = whole == HTTP_PARSE_DONE ? request.head_bytes : length;
    for (uint32_t n = 0; n < last; n++) {
        enum http_parse_status status = http_parse_request(bytes, n, limits, &prefix);
        ASSERT(status != HTTP_PARSE_DONE);
        ASSERT(status == HTTP_PARSE_PARTIAL || whole == HTTP_PARSE_BAD);
        ASSERT(status == HTTP_PARSE_PARTIAL || prefix.bad_reason == request.bad_reason);
    }
    check_repeat(bytes, length, limits, whole == HTTP_PARSE_DONE ? &request : NULL);
    if (whole == HTTP_PARSE_DONE) {
        check_good(&request, bytes, length);
        check_reparse(&request);
    } else if (whole == HTTP_PARSE_BAD) {
        ASSERT(request.bad_status >= 400 && request.bad_reason != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    uint8_t *bytes = fuzz_copy(data, size);
    check_prefixes(bytes, (uint32_t)size, &wide);
    check_prefixes(bytes, (uint32_t)size, &tight);
    free(bytes);
    return 0;
}
