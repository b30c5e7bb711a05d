/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_response.h"

#include <strings.h>

#include "dataplane/http_date.h"
#include "dataplane/http_parser.h"
#include "include/compiler.h"
#include "include/shard_operation.h"

void http_write_text(struct http_writer *writer, const char *text)
{
    http_write(writer, text, strlen(text));
}

void http_write_decimal(struct http_writer *writer, uint64_t value)
{
    uint8_t digits[20];
    uint32_t at = sizeof(digits);
    do {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    http_write(writer, digits + at, sizeof(digits) - at);
}

static void format_hex64(uint8_t out[16], uint64_t value)
{
    uint64_t digits[2] = {http_hex32((uint32_t)(value >> 32)), http_hex32((uint32_t)value)};
    memcpy(out, digits, sizeof(digits));
}

void http_write_hex64(struct http_writer *writer, uint64_t value)
{
    uint8_t digits[16];
    format_hex64(digits, value);
    http_write(writer, digits, sizeof(digits));
}

static void write_json_escape(struct http_writer *writer, uint8_t byte)
{
    uint8_t escape[6] = {'\\',
                         'u',
                         '0',
                         '0',
                         (uint8_t) "0123456789abcdef"[byte >> 4],
                         (uint8_t) "0123456789abcdef"[byte & 15]};
    http_write(writer, escape, sizeof(escape));
}

void http_write_json_string(struct http_writer *writer, const void *bytes, uint32_t length)
{
    const uint8_t *at = bytes;
    HTTP_WRITE_LITERAL(writer, "\"");
    for (uint32_t i = 0; i < length; i++) {
        if (at[i] == '"' || at[i] == '\\' || at[i] < 0x20 || at[i] >= 0x7f)
            write_json_escape(writer, at[i]);
        else
            http_write(writer, at + i, 1);
    }
    HTTP_WRITE_LITERAL(writer, "\"");
}

static const char *reason_of(uint16_t status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 303:
        return "See Other";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 411:
        return "Length Required";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 416:
        return "Range Not Satisfiable";
    case 417:
        return "Expectation Failed";
    case 422:
        return "Unprocessable Content";
    case 428:
        return "Precondition Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    case 507:
        return "Insufficient Storage";
    default:
        return "";
    }
}

void http_write_status(struct http_writer *writer, uint16_t status)
{
    HTTP_WRITE_LITERAL(writer, "HTTP/1.1 ");
    http_write_decimal(writer, status);
    HTTP_WRITE_LITERAL(writer, " ");
    http_write_text(writer, reason_of(status));
    HTTP_WRITE_LITERAL(writer, "\r\n");
}

void http_write_validators(struct http_writer *writer, uint64_t version, uint64_t modified_at_s)
{
    uint8_t date[HTTP_DATE_BYTES];
    HTTP_WRITE_LITERAL(writer, "ETag: \"");
    http_write_decimal(writer, version);
    HTTP_WRITE_LITERAL(writer, "\"\r\nLast-Modified: ");
    http_date_format(modified_at_s, date);
    http_write(writer, date, sizeof(date));
    HTTP_WRITE_LITERAL(writer, "\r\n");
}

void http_write_value_head(struct http_writer *writer, uint64_t version, uint64_t modified_at_s,
                           uint32_t value_bytes, const uint8_t *attributes,
                           uint32_t attributes_bytes)
{
    http_write_validators(writer, version, modified_at_s);
    HTTP_WRITE_LITERAL(writer, "Content-Length: ");
    http_write_decimal(writer, value_bytes);
    HTTP_WRITE_LITERAL(writer, "\r\n");
    http_write(writer, attributes, attributes_bytes);
    HTTP_WRITE_LITERAL(writer, "\r\n");
}

/* "max-age=" or "s-maxage=" at `text`, in any case: their bytes, else 0. */
static size_t lifetime_directive(const char *text)
{
    static const char *const names[] = {"max-age=", "s-maxage="};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (strncasecmp(text, names[i], strlen(names[i])) == 0)
            return strlen(names[i]);
    return 0;
}

void http_write_cache_control(struct http_writer *writer, const char *text, uint64_t seconds_left)
{
    if (!*text)
        return;
    HTTP_WRITE_LITERAL(writer, "Cache-Control: ");
    if (seconds_left == UINT64_MAX) { /* nothing to lower */
        http_write_text(writer, text);
        text = "";
    }
    while (*text) {
        size_t blanks = strspn(text, " ,");
        size_t name = lifetime_directive(text + blanks);
        size_t bytes = name ? blanks + name : blanks + strcspn(text + blanks, ",");
        http_write(writer, text, bytes);
        text += bytes;
        struct http_slice digits = {(const uint8_t *)text, (uint32_t)strspn(text, "0123456789")};
        if (name && digits.bytes > 0) {
            uint64_t seconds;
            if (!http_parse_decimal(digits, &seconds))
                seconds = UINT64_MAX;
            http_write_decimal(writer, seconds < seconds_left ? seconds : seconds_left);
            text += digits.bytes;
        }
    }
    HTTP_WRITE_LITERAL(writer, "\r\n");
}

void http_clock_init(struct http_clock *clock, uint64_t random)
{
    *clock = (struct http_clock){.second = UINT64_MAX, .request_prefix = random << 32};
}

void http_clock_update(struct http_clock *clock, uint64_t wall_ms)
{
    uint64_t second = wall_ms / 1000;
    if (LIKELY(second == clock->second))
        return;
    clock->second = second;
    http_date_format(second, clock->date);
}

void http_clock_request_id(struct http_clock *clock, uint8_t out[16])
{
    format_hex64(out, clock->request_prefix | clock->request_number++);
}

void http_write_problem(struct http_writer *writer, enum http_problem problem, const char *detail,
                        const uint8_t *request_id, uint32_t request_id_bytes,
                        uint64_t current_version)
{
    HTTP_WRITE_LITERAL(writer, "{\"type\":\"");
    http_write_text(writer, http_problem_prefix(problem));
    http_write_text(writer, http_problem_types[problem]);
    HTTP_WRITE_LITERAL(writer, "\",\"title\":\"");
    http_write_text(writer, http_problem_titles[problem]);
    HTTP_WRITE_LITERAL(writer, "\",\"status\":");
    http_write_decimal(writer, http_problem_status[problem]);
    if (detail) {
        HTTP_WRITE_LITERAL(writer, ",\"detail\":");
        http_write_json_string(writer, detail, (uint32_t)strlen(detail));
    }
    HTTP_WRITE_LITERAL(writer, ",\"instance\":");
    http_write_json_string(writer, request_id, request_id_bytes);
    if (current_version) {
        HTTP_WRITE_LITERAL(writer, ",\"current_etag\":\"\\\"");
        http_write_decimal(writer, current_version);
        HTTP_WRITE_LITERAL(writer, "\\\"\"");
    }
    HTTP_WRITE_LITERAL(writer, "}\n");
}
