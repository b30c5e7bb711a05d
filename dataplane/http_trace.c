/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_trace.h"

#include <string.h>

/* version "-" trace-id "-" parent-id "-" trace-flags, each in small hexadecimal digits */
#define TRACE_AT 3u
#define PARENT_AT 36u
#define FLAGS_AT 53u
#define WHOLE_BYTES 55u

static bool read_digit(uint8_t c, uint8_t *out)
{
    if (c >= '0' && c <= '9')
        *out = (uint8_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *out = (uint8_t)(c - 'a' + 10);
    else
        return false;
    return true;
}

static bool read_hex(const uint8_t *at, uint8_t *out, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        uint8_t high, low;
        if (!read_digit(at[2 * i], &high) || !read_digit(at[2 * i + 1], &low))
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool is_zero(const uint8_t *at, uint32_t bytes)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < bytes; i++)
        sum |= at[i];
    return sum == 0;
}

/* A version above 00 may have more behind its flags, after another dash; ff is none. */
static bool read_value(struct http_slice value, struct http_trace *trace)
{
    const uint8_t *at = value.at;
    uint8_t version;
    if (value.bytes < WHOLE_BYTES || at[TRACE_AT - 1] != '-' || at[PARENT_AT - 1] != '-' ||
        at[FLAGS_AT - 1] != '-' || !read_hex(at, &version, 1) || version == 0xff)
        return false;
    if (value.bytes > WHOLE_BYTES && (version == 0 || at[WHOLE_BYTES] != '-'))
        return false;
    return read_hex(at + TRACE_AT, trace->trace_id, sizeof(trace->trace_id)) &&
           read_hex(at + PARENT_AT, trace->parent_id, sizeof(trace->parent_id)) &&
           read_hex(at + FLAGS_AT, &trace->flags, 1) &&
           !is_zero(trace->trace_id, sizeof(trace->trace_id)) &&
           !is_zero(trace->parent_id, sizeof(trace->parent_id));
}

struct http_trace http_trace_read(const struct http_request *request)
{
    static const char name[] = "traceparent";
    struct http_trace trace = {.verdict = HTTP_TRACE_NONE};
    const struct http_field *field = http_find_field(request, name);
    if (!field)
        return trace;
    bool is_good = read_value(field->value, &trace);
    while (++field < request->fields + request->field_count) /* two of them name no trace */
        is_good = is_good && !http_slice_is(field->name, name);
    trace.verdict = is_good ? HTTP_TRACE_GOOD : HTTP_TRACE_BAD;
    return trace;
}
