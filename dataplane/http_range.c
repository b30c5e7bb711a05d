/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_range.h"

#include "include/assert_policy.h"
#include "include/compiler.h"

static bool is_blank_or_comma(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == ',';
}

/* 1*DIGIT; numbers beyond 64 bits are the largest one: no value has so many bytes. */
static bool read_number(const uint8_t **at, const uint8_t *end, uint64_t *number)
{
    const uint8_t *start = *at;
    *number = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
        if (__builtin_mul_overflow(*number, UINT64_C(10), number) ||
            __builtin_add_overflow(*number, (uint64_t)(**at - '0'), number))
            *number = UINT64_MAX;
    return *at > start;
}

/* One range-spec, which must end at `end`. */
static struct http_range parse_spec(const uint8_t *at, const uint8_t *end)
{
    const struct http_range none = {.kind = HTTP_RANGE_NONE};
    struct http_range range = {.kind = HTTP_RANGE_SUFFIX, .last = UINT64_MAX};
    if (at < end && *at != '-') {
        range.kind = HTTP_RANGE_FROM_TO;
        if (!read_number(&at, end, &range.first))
            return none;
    }
    if (at == end || *at++ != '-')
        return none;
    bool is_open = at == end && range.kind == HTTP_RANGE_FROM_TO;
    if (!is_open && !read_number(&at, end, &range.last))
        return none;
    if (at != end || (range.kind == HTTP_RANGE_FROM_TO && range.last < range.first))
        return none;
    return range;
}

struct http_range http_range_parse(const struct http_request *request)
{
    static const char unit[] = "bytes=";
    static const uint32_t unit_bytes = sizeof(unit) - 1;
    const struct http_range none = {.kind = HTTP_RANGE_NONE};
    const struct http_field *field = http_find_field(request, "range");
    if (LIKELY(field == NULL))
        return none;
    for (const struct http_field *more = field + 1; more < request->fields + request->field_count;
         more++)
        if (http_slice_is(more->name, "range"))
            return none;
    struct http_slice text = field->value;
    if (text.bytes < unit_bytes || !http_slice_is((struct http_slice){text.at, unit_bytes}, unit))
        return none;
    const uint8_t *at = text.at + unit_bytes, *end = text.at + text.bytes;
    while (at < end && is_blank_or_comma(*at)) /* empty elements of a list: RFC 9110 5.6.1.2 */
        at++;
    while (end > at && is_blank_or_comma(end[-1]))
        end--;
    return parse_spec(at, end);
}

enum http_range_verdict http_range_resolve(const struct http_range *range, uint32_t size,
                                           uint32_t *offset, uint32_t *length)
{
    if (range->kind == HTTP_RANGE_NONE)
        return HTTP_RANGE_WHOLE;
    if (range->kind == HTTP_RANGE_SUFFIX) {
        if (range->last == 0)
            return HTTP_RANGE_UNSATISFIABLE;
        if (size == 0)
            return HTTP_RANGE_WHOLE; /* satisfiable, and no Content-Range can say so */
        *length = range->last < size ? (uint32_t)range->last : size;
        *offset = size - *length;
        return HTTP_RANGE_PART;
    }
    ASSERT_HOT(range->first <= range->last);
    if (range->first >= size)
        return HTTP_RANGE_UNSATISFIABLE;
    *offset = (uint32_t)range->first;
    uint64_t last = range->last < size ? range->last : size - 1;
    *length = (uint32_t)(last - range->first + 1);
    return HTTP_RANGE_PART;
}
