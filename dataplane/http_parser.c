/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_parser.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "dataplane/http_scan.h"
#include "include/assert_policy.h"

#define METHOD_BYTES_MAX 32u
#define VERSION_BYTES 8u /* HTTP/1.1 */

/* What the fields of one head said about its framing, collected line by line, judged at its end. */
enum seen_bit {
    SEEN_HOST = 1u << 0,
    SEEN_LENGTH = 1u << 1,
    SEEN_CODING = 1u << 2,
    SEEN_CHUNKED = 1u << 3, /* as the last coding so far */
    SEEN_UNKNOWN_CODING = 1u << 4,
    SEEN_CLOSE = 1u << 5,
    SEEN_KEEP_ALIVE = 1u << 6,
};

struct head_parser {
    const uint8_t *first; /* of the caller's bytes */
    const uint8_t *at;
    const uint8_t *end; /* of the caller's bytes, or where the head's limit cuts them */
    const struct http_limits *limits;
    struct http_request *request;
    uint32_t seen;
    bool is_cut; /* `end` is the limit: running out of bytes is 431, not a wait for more */
};

static NO_INLINE enum http_parse_status refuse(struct http_request *request, uint16_t status,
                                               const char *reason)
{
    request->bad_status = status;
    request->bad_reason = reason;
    return HTTP_PARSE_BAD;
}

static enum http_parse_status bytes_ran_out(const struct head_parser *parser)
{
    if (parser->is_cut)
        return refuse(parser->request, 431, "the request head is longer than the limit");
    return HTTP_PARSE_PARTIAL;
}

/*
 * A name that http_byte_is HTTP_CLASS_TOKEN throughout: there, `| 0x20` maps only capitals to
 * letters.
 */
static ALWAYS_INLINE bool token_is(const uint8_t *name, const char *lower_case, size_t bytes)
{
    uint8_t difference = 0;
    for (size_t i = 0; i < bytes; i++)
        difference |= (uint8_t)((name[i] | 0x20) ^ (uint8_t)lower_case[i]);
    return difference == 0;
}

/* RFC 9112 2.2: one empty line before the request line is forgiven. */
static enum http_parse_status skip_empty_line(struct head_parser *parser)
{
    if (parser->at == parser->end)
        return bytes_ran_out(parser);
    if (LIKELY(*parser->at != '\r'))
        return HTTP_PARSE_DONE;
    if (parser->end - parser->at < 2)
        return bytes_ran_out(parser);
    if (parser->at[1] != '\n')
        return refuse(parser->request, 400, "CR without LF before the request line");
    parser->at += 2;
    return HTTP_PARSE_DONE;
}

static enum http_method method_of(struct http_slice text)
{
    static const struct {
        uint8_t bytes;
        char name[8];
        uint8_t method;
    } methods[] = {
        {3, "GET", HTTP_GET},       {3, "PUT", HTTP_PUT},         {4, "HEAD", HTTP_HEAD},
        {4, "POST", HTTP_POST},     {5, "PATCH", HTTP_PATCH},     {5, "TRACE", HTTP_TRACE},
        {6, "DELETE", HTTP_DELETE}, {7, "OPTIONS", HTTP_OPTIONS}, {7, "CONNECT", HTTP_CONNECT},
    };
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++)
        if (methods[i].bytes == text.bytes && memcmp(methods[i].name, text.at, text.bytes) == 0)
            return methods[i].method;
    return HTTP_METHOD_OTHER;
}

/* RFC 9112 3.1, RFC 9110 9.1: case-sensitive. */
static enum http_parse_status parse_method(struct head_parser *parser)
{
    struct http_request *request = parser->request;
    const uint8_t *start = parser->at;
    if (LIKELY(parser->end - start >= 4 && memcmp(start, "GET ", 4) == 0)) {
        request->method = HTTP_GET;
        request->method_text = (struct http_slice){start, 3};
        parser->at = start + 4;
        return HTTP_PARSE_DONE;
    }
    const uint8_t *end = http_scan_run(parser->first, start, parser->end, HTTP_CLASS_TOKEN);
    if (end - start > METHOD_BYTES_MAX)
        return refuse(request, 501, "the method is longer than 32 bytes");
    if (end == parser->end)
        return bytes_ran_out(parser);
    if (*end != ' ' || end == start)
        return refuse(request, 400, "the request does not start with a method and one space");
    request->method_text = (struct http_slice){start, (uint32_t)(end - start)};
    request->method = (uint8_t)method_of(request->method_text);
    parser->at = end + 1;
    return HTTP_PARSE_DONE;
}

static uint32_t port_number(const uint8_t *digits, const uint8_t *end)
{
    uint32_t port = 0;
    for (; digits < end; digits++) {
        if (*digits < '0' || *digits > '9' || port > 6553)
            return UINT32_MAX;
        port = port * 10 + (uint32_t)(*digits - '0');
    }
    return port;
}

/*
 * RFC 3986 3.2.2 reg-name. A comma would be one, but two hosts joined by a proxy look like that
 * too.
 */
static const uint8_t *skip_reg_name(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        if (http_byte_is(*at, HTTP_CLASS_REG_NAME)) {
            at++;
        } else if (*at == '%' && end - at >= 3) {
            uint8_t ignored;
            uint32_t ignored_bytes;
            if (!http_percent_decode((struct http_slice){at, 3}, &ignored, 1, &ignored_bytes))
                return at;
            at += 3;
        } else {
            return at;
        }
    }
    return at;
}

/*
 * RFC 3986 3.2.2 IP-literal of an IPv6 address, by its alphabet: whether it is an address is not
 * asked here.
 */
static const uint8_t *skip_ip_literal(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at++;
    while (at < end) {
        uint8_t lower = *at | 0x20;
        bool is_hex = (*at >= '0' && *at <= '9') || (lower >= 'a' && lower <= 'f');
        if (!is_hex && *at != ':' && *at != '.')
            break;
        at++;
    }
    if (at == end || *at != ']' || at - start < 3)
        return start;
    return at + 1;
}

/* RFC 9110 7.2: uri-host [ ":" port ], not empty, no user information, no path. */
static bool host_is_valid(const struct head_parser *parser, struct http_slice host)
{
    const uint8_t *end = host.at + host.bytes;
    if (host.bytes == 0)
        return false;
    const uint8_t *at = http_scan_run(parser->first, host.at, end, HTTP_CLASS_HOST);
    if (LIKELY(at == end))
        return true;
    if (*at != ':' || at == host.at) {
        at = *host.at == '[' ? skip_ip_literal(host.at, end) : skip_reg_name(at, end);
        if (at == host.at)
            return false;
    }
    return at == end || (*at == ':' && port_number(at + 1, end) <= UINT16_MAX);
}

static void split_query(struct http_request *request, struct http_slice text)
{
    const uint8_t *question = memchr(text.at, '?', text.bytes);
    if (question == NULL) {
        request->path = text;
        request->query = (struct http_slice){text.at + text.bytes, 0};
        return;
    }
    uint32_t path_bytes = (uint32_t)(question - text.at);
    request->path = (struct http_slice){text.at, path_bytes};
    request->query = (struct http_slice){question + 1, text.bytes - path_bytes - 1};
}

/*
 * RFC 9112 3.2.2: the host of the target wins over the Host field, which must be there all the
 * same.
 */
static enum http_parse_status parse_absolute_form(const struct head_parser *parser)
{
    static const uint8_t root[] = "/";
    static const uint32_t scheme_bytes = sizeof("http://") - 1;
    struct http_request *request = parser->request;
    struct http_slice target = request->target;
    if (target.bytes < scheme_bytes ||
        !http_slice_is((struct http_slice){target.at, scheme_bytes}, "http://"))
        return refuse(request, 400, "the request target is neither a path nor an http URI");

    const uint8_t *authority = target.at + scheme_bytes;
    const uint8_t *end = target.at + target.bytes;
    const uint8_t *at = authority;
    while (at < end && *at != '/' && *at != '?')
        at++;
    request->host = (struct http_slice){authority, (uint32_t)(at - authority)};
    if (!host_is_valid(parser, request->host))
        return refuse(request, 400, "the request target has no valid host");
    request->flags |= HTTP_ABSOLUTE_FORM;
    split_query(request, (struct http_slice){at, (uint32_t)(end - at)});
    if (request->path.bytes == 0)
        request->path = (struct http_slice){root, 1};
    return HTTP_PARSE_DONE;
}

/* RFC 9112 3.2: every form but origin-form, which parse_target has done already. */
static NO_INLINE enum http_parse_status parse_other_form(const struct head_parser *parser)
{
    struct http_request *request = parser->request;
    struct http_slice target = request->target;
    request->path = (struct http_slice){target.at, 0};
    request->query = (struct http_slice){target.at + target.bytes, 0};
    if (request->method == HTTP_CONNECT) {
        if (!host_is_valid(parser, target) || memchr(target.at, ':', target.bytes) == NULL)
            return refuse(request, 400, "the target of CONNECT is not a host and port");
        return HTTP_PARSE_DONE;
    }
    if (target.bytes == 1 && *target.at == '*') {
        if (request->method != HTTP_OPTIONS)
            return refuse(request, 400, "the target * is for OPTIONS only");
        request->path = target;
        request->flags |= HTTP_ASTERISK_FORM;
        return HTTP_PARSE_DONE;
    }
    return parse_absolute_form(parser);
}

static NO_INLINE enum http_parse_status refuse_target(const struct head_parser *parser,
                                                      uint8_t byte)
{
    if (byte == '#')
        return refuse(parser->request, 400, "the request target has a fragment");
    if (byte == '\r' || byte == '\n')
        return refuse(parser->request, 400, "the request line has no version");
    return refuse(parser->request, 400, "the request target has a byte that must be escaped");
}

/* Up to the space behind the target. */
static enum http_parse_status parse_target(struct head_parser *parser, const uint8_t *line_limit)
{
    struct http_request *request = parser->request;
    const uint8_t *start = parser->at;
    const uint8_t *end = parser->end < line_limit ? parser->end : line_limit;
    const uint8_t *path_end = start, *at = start;
    if (LIKELY(start < end)) {
        path_end = at = http_scan_run(parser->first, start, end, HTTP_CLASS_PATH);
        if (at < end && *at == '?')
            at = http_scan_run(parser->first, at, end, HTTP_CLASS_QUERY);
    }
    if (at >= line_limit)
        return refuse(request, 414, "the request line is longer than the limit");
    if (at == parser->end)
        return bytes_ran_out(parser);
    if (UNLIKELY(*at != ' ' || at == start))
        return refuse_target(parser, *at);
    if (at + 1 + VERSION_BYTES > line_limit)
        return refuse(request, 414, "the request line is longer than the limit");

    request->target = (struct http_slice){start, (uint32_t)(at - start)};
    parser->at = at + 1;
    if (UNLIKELY(*start != '/' || request->method == HTTP_CONNECT))
        return parse_other_form(parser);
    request->path = (struct http_slice){start, (uint32_t)(path_end - start)};
    request->query = (struct http_slice){at, 0};
    if (path_end != at)
        request->query = (struct http_slice){path_end + 1, (uint32_t)(at - path_end - 1)};
    return HTTP_PARSE_DONE;
}

/* RFC 9112 2.3 for any number of bytes of HTTP/D.D CR LF. */
static bool version_form_matches(const uint8_t *at, uint32_t bytes)
{
    static const char form[VERSION_BYTES + 2 + 1] = "HTTP/0.0\r\n";
    for (uint32_t i = 0; i < bytes && i < VERSION_BYTES + 2; i++) {
        bool is_digit = at[i] >= '0' && at[i] <= '9';
        if (form[i] == '0' ? !is_digit : at[i] != (uint8_t)form[i])
            return false;
    }
    return true;
}

static enum http_parse_status parse_version(struct head_parser *parser)
{
    struct http_request *request = parser->request;
    const uint8_t *at = parser->at;
    ptrdiff_t left = parser->end - at;
    if (LIKELY(left >= VERSION_BYTES + 2)) {
        parser->at = at + VERSION_BYTES + 2;
        if (LIKELY(memcmp(at, "HTTP/1.1\r\n", VERSION_BYTES + 2) == 0)) {
            request->version_minor = 1;
            return HTTP_PARSE_DONE;
        }
        if (memcmp(at, "HTTP/1.0\r\n", VERSION_BYTES + 2) == 0)
            return HTTP_PARSE_DONE;
        if (version_form_matches(at, VERSION_BYTES + 2))
            return refuse(request, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    } else if (version_form_matches(at, (uint32_t)left)) {
        return bytes_ran_out(parser);
    }
    return refuse(request, 400, "the request line does not end in a version and CRLF");
}

/* RFC 9110 8.6. Equal duplicates may be accepted, says the RFC; we refuse every second length. */
static enum http_parse_status note_content_length(struct head_parser *parser,
                                                  struct http_slice value)
{
    if (parser->seen & SEEN_LENGTH)
        return refuse(parser->request, 400, "more than one Content-Length");
    if (!http_parse_decimal(value, &parser->request->content_length))
        return refuse(parser->request, 400, "Content-Length is not 1 to 19 digits");
    parser->seen |= SEEN_LENGTH;
    return HTTP_PARSE_DONE;
}

static enum http_parse_status note_host(struct head_parser *parser, struct http_slice value)
{
    if (parser->seen & SEEN_HOST)
        return refuse(parser->request, 400, "more than one Host");
    if (UNLIKELY(!host_is_valid(parser, value)))
        return refuse(parser->request, 400, "Host is not one host and an optional port");
    parser->seen |= SEEN_HOST;
    if (LIKELY(!(parser->request->flags & HTTP_ABSOLUTE_FORM)))
        parser->request->host = value;
    return HTTP_PARSE_DONE;
}

/*
 * The next element of a comma list, trimmed; empty elements are elements. Ends with rest->at NULL.
 */
static bool next_element(struct http_slice *rest, struct http_slice *element)
{
    if (rest->at == NULL)
        return false;
    const uint8_t *comma = memchr(rest->at, ',', rest->bytes);
    const uint8_t *start = rest->at;
    const uint8_t *end = comma != NULL ? comma : rest->at + rest->bytes;
    *rest = comma != NULL
                ? (struct http_slice){comma + 1, rest->bytes - (uint32_t)(comma + 1 - rest->at)}
                : (struct http_slice){NULL, 0};
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *element = (struct http_slice){start, (uint32_t)(end - start)};
    return true;
}

/* RFC 9112 6.1 and 7: the only coding here is chunked, once, last, without parameters. */
static enum http_parse_status note_transfer_encoding(struct head_parser *parser,
                                                     struct http_slice value)
{
    struct http_request *request = parser->request;
    struct http_slice coding;
    if (request->version_minor == 0)
        return refuse(request, 400, "Transfer-Encoding in HTTP/1.0");
    while (next_element(&value, &coding)) {
        const uint8_t *end = coding.at + coding.bytes;
        if (coding.bytes == 0 || http_scan_run_portable(coding.at, end, HTTP_CLASS_TOKEN) != end)
            return refuse(request, 400, "a transfer coding is not a token");
        if (parser->seen & SEEN_CHUNKED)
            return refuse(request, 400, "chunked is not the last transfer coding");
        if (http_slice_is(coding, "chunked"))
            parser->seen |= SEEN_CHUNKED;
        else if (http_slice_is(coding, "identity"))
            return refuse(request, 400, "the transfer coding identity does not exist any more");
        else
            parser->seen |= SEEN_UNKNOWN_CODING;
    }
    parser->seen |= SEEN_CODING;
    return HTTP_PARSE_DONE;
}

/* RFC 9112 9.3 */
static void note_connection(struct head_parser *parser, struct http_slice value)
{
    struct http_slice option;
    while (next_element(&value, &option)) {
        if (http_slice_is(option, "close"))
            parser->seen |= SEEN_CLOSE;
        else if (http_slice_is(option, "keep-alive"))
            parser->seen |= SEEN_KEEP_ALIVE;
    }
}

/* RFC 9110 10.1.1: ignored from HTTP/1.0, where no 100 may be sent. */
static enum http_parse_status note_expect(struct head_parser *parser, struct http_slice value)
{
    if (!http_slice_is(value, "100-continue"))
        return refuse(parser->request, 417, "the only expectation met here is 100-continue");
    if (parser->request->version_minor == 1)
        parser->request->flags |= HTTP_EXPECT_CONTINUE;
    return HTTP_PARSE_DONE;
}

/* Fields that decide about framing and the connection; their lengths all differ. */
static ALWAYS_INLINE enum http_parse_status note_field(struct head_parser *parser,
                                                       const struct http_field *field)
{
    const uint8_t *name = field->name.at;
    switch (field->name.bytes) {
    case 4:
        if (token_is(name, "host", 4))
            return note_host(parser, field->value);
        break;
    case 6:
        if (token_is(name, "expect", 6))
            return note_expect(parser, field->value);
        break;
    case 10:
        if (token_is(name, "connection", 10))
            note_connection(parser, field->value);
        break;
    case 14:
        if (token_is(name, "content-length", 14))
            return note_content_length(parser, field->value);
        break;
    case 17:
        if (token_is(name, "transfer-encoding", 17))
            return note_transfer_encoding(parser, field->value);
        break;
    default:
        break;
    }
    return HTTP_PARSE_DONE;
}

/* The blocks of the field section, one at a time, in the order of the bytes. */
struct field_scan {
    const uint8_t *block_at;
    struct http_block block;
};

/*
 * The first byte from `at` whose bit is set, or the end. Never goes back before the current block.
 */
static ALWAYS_INLINE const uint8_t *scan_for(const struct head_parser *parser,
                                             struct field_scan *scan, const uint8_t *at,
                                             bool for_control)
{
    for (;;) {
        ASSERT_HOT(at >= scan->block_at);
        size_t offset = (size_t)(at - scan->block_at);
        if (LIKELY(offset < HTTP_BLOCK_BYTES)) {
            uint64_t bits = for_control ? scan->block.controls : scan->block.not_tokens;
            bits >>= offset;
            if (LIKELY(bits != 0))
                return at + __builtin_ctzll(bits);
            at = scan->block_at + HTTP_BLOCK_BYTES;
        }
        if (at >= parser->end)
            return parser->end;
        scan->block_at = at;
        http_scan_block(parser->first, at, parser->end, &scan->block);
    }
}

/* `at` is the first byte of the line that cannot be part of a field name, and it is not a colon. */
static NO_INLINE enum http_parse_status refuse_field_name(const struct head_parser *parser,
                                                          const uint8_t *at)
{
    struct http_request *request = parser->request;
    bool is_space = *at == ' ' || *at == '\t';
    if (at == parser->at && is_space && request->field_count == 0)
        return refuse(request, 400, "white space before the first field"); /* RFC 9112 2.2 */
    if (at == parser->at && is_space)
        return refuse(request, 400, "a field continued on the next line"); /* RFC 9112 5.2 */
    if (at == parser->at && *at == ':')
        return refuse(request, 400, "a field without a name");
    if (is_space)
        return refuse(request, 400, "white space in or behind a field name"); /* RFC 9112 5.1 */
    if (*at == '\r' || *at == '\n')
        return refuse(request, 400, "a field line without a colon");
    return refuse(request, 400, "a field name that is not a token");
}

static NO_INLINE enum http_parse_status refuse_field_value(const struct head_parser *parser,
                                                           uint8_t byte)
{
    if (byte == '\n')
        return refuse(parser->request, 400, "LF without CR in the head"); /* RFC 9112 2.2 */
    if (byte == '\r')
        return refuse(parser->request, 400, "CR without LF in the head");
    return refuse(parser->request, 400, "a control character in a field value"); /* RFC 9110 5.5 */
}

/* One field line; parser->at is its first byte and there is one. */
static ALWAYS_INLINE enum http_parse_status parse_field(struct head_parser *parser,
                                                        struct field_scan *scan)
{
    struct http_request *request = parser->request;
    if (UNLIKELY(request->field_count == parser->limits->fields_max ||
                 request->field_count == HTTP_FIELDS_MAX))
        return refuse(request, 431, "more fields than the limit");

    const uint8_t *name_end = scan_for(parser, scan, parser->at, false);
    if (UNLIKELY(name_end == parser->end))
        return bytes_ran_out(parser);
    if (UNLIKELY(*name_end != ':' || name_end == parser->at))
        return refuse_field_name(parser, name_end);

    const uint8_t *line_end = scan_for(parser, scan, name_end + 1, true);
    if (UNLIKELY(line_end == parser->end))
        return bytes_ran_out(parser);
    if (UNLIKELY(*line_end != '\r'))
        return refuse_field_value(parser, *line_end);
    if (UNLIKELY(line_end + 1 == parser->end))
        return bytes_ran_out(parser);
    if (UNLIKELY(line_end[1] != '\n'))
        return refuse_field_value(parser, '\r');

    const uint8_t *value = name_end + 1, *value_end = line_end;
    while (value < value_end && (*value == ' ' || *value == '\t'))
        value++;
    while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t'))
        value_end--;

    struct http_field *field = &request->fields[request->field_count++];
    field->name = (struct http_slice){parser->at, (uint32_t)(name_end - parser->at)};
    field->value = (struct http_slice){value, (uint32_t)(value_end - value)};
    request->name_lengths |= http_name_length_bit(field->name.bytes);
    parser->at = line_end + 2;
    return note_field(parser, field);
}

/* Field lines up to and with the empty line. */
static enum http_parse_status parse_fields(struct head_parser *parser)
{
    struct field_scan scan = {.block_at = parser->at};
    if (LIKELY(parser->at < parser->end))
        http_scan_block(parser->first, parser->at, parser->end, &scan.block);
    for (;;) {
        if (UNLIKELY(parser->at == parser->end))
            return bytes_ran_out(parser);
        if (*parser->at == '\r')
            break;
        enum http_parse_status status = parse_field(parser, &scan);
        if (UNLIKELY(status != HTTP_PARSE_DONE))
            return status;
    }
    if (UNLIKELY(parser->end - parser->at < 2))
        return bytes_ran_out(parser);
    if (UNLIKELY(parser->at[1] != '\n'))
        return refuse_field_value(parser, '\r');
    parser->at += 2;
    return HTTP_PARSE_DONE;
}

/* RFC 9112 3.2, 6.3 and 9.3: what only the whole head can tell. */
static enum http_parse_status finish_head(struct head_parser *parser)
{
    struct http_request *request = parser->request;
    uint32_t seen = parser->seen;
    if (UNLIKELY(request->version_minor == 1 && !(seen & SEEN_HOST)))
        return refuse(request, 400, "no Host");
    if (UNLIKELY(seen & SEEN_CODING)) {
        if (seen & SEEN_LENGTH)
            return refuse(request, 400, "Content-Length together with Transfer-Encoding");
        if (seen & SEEN_UNKNOWN_CODING)
            return refuse(request, 501, "a transfer coding other than chunked");
        ASSERT_HOT(seen & SEEN_CHUNKED);
        request->flags |= HTTP_CHUNKED;
    }
    if (seen & SEEN_LENGTH)
        request->flags |= HTTP_HAS_LENGTH;
    bool is_kept = request->version_minor == 1 || (seen & SEEN_KEEP_ALIVE);
    if (is_kept && !(seen & SEEN_CLOSE))
        request->flags |= HTTP_KEEP_ALIVE;
    request->head_bytes = (uint32_t)(parser->at - parser->first);
    return HTTP_PARSE_DONE;
}

/*
 * Everything but the fields. One by one: memset of this size becomes `rep stos`, which costs a
 * third of a short request.
 */
static ALWAYS_INLINE void clear_head(struct http_request *request)
{
    const struct http_slice nothing = {(const uint8_t *)"", 0}; /* memcmp may take it */
    static_assert(offsetof(struct http_request, fields) == 120, "clear what was added");
    request->method = HTTP_METHOD_OTHER;
    request->version_minor = 0;
    request->flags = 0;
    request->field_count = 0;
    request->bad_status = 0;
    request->bad_reason = NULL;
    request->head_bytes = 0;
    request->content_length = 0;
    request->method_text = nothing;
    request->target = nothing;
    request->path = nothing;
    request->query = nothing;
    request->host = nothing;
    request->name_lengths = 0;
}

enum http_parse_status http_parse_request(const uint8_t *bytes, uint32_t length,
                                          const struct http_limits *limits,
                                          struct http_request *request)
{
    ASSERT_HOT(limits->fields_max <= HTTP_FIELDS_MAX);
    bool is_cut = length >= limits->head_bytes_max;
    struct head_parser parser = {
        .first = bytes,
        .at = bytes,
        .end = bytes + (is_cut ? limits->head_bytes_max : length),
        .limits = limits,
        .request = request,
        .is_cut = is_cut,
    };
    clear_head(request);

    enum http_parse_status status = skip_empty_line(&parser);
    if (UNLIKELY(status != HTTP_PARSE_DONE))
        return status;
    const uint8_t *line_limit = parser.at + limits->request_line_bytes_max;
    status = parse_method(&parser);
    if (UNLIKELY(status != HTTP_PARSE_DONE))
        return status;
    status = parse_target(&parser, line_limit);
    if (UNLIKELY(status != HTTP_PARSE_DONE))
        return status;
    status = parse_version(&parser);
    if (UNLIKELY(status != HTTP_PARSE_DONE))
        return status;
    status = parse_fields(&parser);
    if (UNLIKELY(status != HTTP_PARSE_DONE))
        return status;
    return finish_head(&parser);
}

const struct http_field *http_look_for_field(const struct http_request *request, const char *name,
                                             uint32_t name_bytes)
{
    for (uint32_t i = 0; i < request->field_count; i++)
        if (request->fields[i].name.bytes == name_bytes &&
            http_slice_is(request->fields[i].name, name))
            return &request->fields[i];
    return NULL;
}
