/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/admin_request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/admin.h"
#include "control/text_buffer.h"
#include "include/assert_policy.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define PCAP "application/vnd.tcpdump.pcap"
#define TEXT_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

#define PCAPNG "application/x-pcapng"
#define QUERY_BYTES_MAX 160u
#define HOLD_SECONDS_MAX 600u

struct admin_line {
    const char *method, *path, *query; /* the query may be empty */
    size_t method_bytes, path_bytes, query_bytes;
};

/* A request for an endpoint, and its answer. */
struct admin_call {
    const struct admin_hooks *hooks;
    char query[QUERY_BYTES_MAX]; /* behind the question mark; a longer one is empty */
    const char *content_type;
    struct text_buffer body;
};

struct admin_endpoint {
    const char *method, *path;
    uint32_t (*answer)(struct admin_call *call);
    const char *content_type;
};

static const char *reason_of(uint32_t status)
{
    switch (status) {
    case 200:
        return "OK";
    case 202:
        return "Accepted";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 409:
        return "Conflict";
    case 422:
        return "Unprocessable Content";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        UNREACHABLE();
    }
}

/* ------------------------------------------------------------------ endpoints */

static uint32_t answer_state(bool is_good, const char *good, const char *why,
                             struct text_buffer *body)
{
    text_format(body, "%s\n", is_good ? good : why ? why : "no reason given");
    return is_good ? 200 : 503;
}

static uint32_t answer_health(struct admin_call *call)
{
    const char *why = NULL;
    bool is_alive = call->hooks->is_alive(call->hooks->context, &why);
    return answer_state(is_alive, "alive", why, &call->body);
}

static uint32_t answer_ready(struct admin_call *call)
{
    const char *why = NULL;
    bool is_ready = call->hooks->is_ready(call->hooks->context, &why);
    return answer_state(is_ready, "ready", why, &call->body);
}

static uint32_t answer_metrics(struct admin_call *call)
{
    stats_export(&call->body, call->hooks->sources, call->hooks->source_count);
    return 200;
}

static uint32_t answer_config(struct admin_call *call)
{
    call->hooks->write_config(call->hooks->context, &call->body);
    return 200;
}

static uint32_t answer_limited(struct admin_call *call)
{
    if (!call->hooks->write_limited) {
        text_format(&call->body, "no clients are named: admin.listen is not loopback\n");
        return 404;
    }
    call->hooks->write_limited(call->hooks->context, &call->body);
    return 200;
}

static uint32_t answer_drain(struct admin_call *call)
{
    call->hooks->start_drain(call->hooks->context);
    text_format(&call->body, "draining\n");
    return 202;
}

static uint32_t answer_reload(struct admin_call *call)
{
    return call->hooks->reload(call->hooks->context, &call->body) ? 200 : 422;
}

static bool has_trace(struct admin_call *call)
{
    if (call->hooks->choose_trace)
        return true;
    text_format(&call->body, "no tracing: trace.events is 0, or admin.listen is not loopback\n");
    return false;
}

/* The value of the only parameter, or NULL when that is another one. */
static const char *parameter(const struct admin_call *call, const char *name)
{
    size_t bytes = strlen(name);
    bool is_it = strncmp(call->query, name, bytes) == 0 && call->query[bytes] == '=';
    return is_it ? call->query + bytes + 1 : NULL;
}

static uint32_t answer_trace(struct admin_call *call)
{
    const char *format = parameter(call, "format");
    bool is_pcap = format && strcmp(format, "pcap") == 0;
    if (!has_trace(call))
        return 404;
    if (call->query[0] && !is_pcap && (!format || strcmp(format, "text") != 0)) {
        text_format(&call->body, "allowed /trace?format=text and /trace?format=pcap\n");
        return 400;
    }
    if (is_pcap)
        call->content_type = PCAP;
    call->hooks->write_trace(call->hooks->context, is_pcap ? TRACE_FORMAT_PCAP : TRACE_FORMAT_TEXT,
                             &call->body);
    return 200;
}

static uint32_t answer_choice(struct admin_call *call)
{
    const char *client = parameter(call, "client");
    if (!has_trace(call))
        return 404;
    if (!client || !call->hooks->choose_trace(call->hooks->context, client)) {
        text_format(&call->body, "allowed /trace?client= and an address or none\n");
        return 400;
    }
    text_format(&call->body, "tracing %s\n", client);
    return 200;
}

static bool has_captures(struct admin_call *call)
{
    if (call->hooks->start_capture)
        return true;
    text_format(&call->body,
                "no captures: capture.ring_kib is 0, or admin.listen is not loopback\n");
    return false;
}

static bool read_number(const char *text, uint32_t most, uint32_t *out)
{
    uint64_t value = 0;
    bool is_number = text && *text && strspn(text, "0123456789") == strlen(text);
    for (const char *at = text; is_number && *at && value <= most; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    *out = (uint32_t)value;
    return is_number && value <= most;
}

static uint32_t fetch_capture(struct admin_call *call, const char *name, bool is_last)
{
    uint32_t id;
    if (!read_number(parameter(call, name), UINT32_MAX - 1, &id)) {
        text_format(&call->body, "allowed %s\n",
                    is_last ? "/capture?filter= and a filter, /capture?stop= and a capture's number"
                            : "/capture?id= and a capture's number");
        return 400;
    }
    uint32_t status = call->hooks->fetch_capture(call->hooks->context, id, is_last, &call->body);
    if (status == 200)
        call->content_type = PCAPNG;
    return status;
}

static uint32_t answer_frames(struct admin_call *call)
{
    return has_captures(call) ? fetch_capture(call, "id", false) : 404;
}

static uint32_t answer_capture(struct admin_call *call)
{
    const char *filter = parameter(call, "filter");
    if (!has_captures(call))
        return 404;
    if (!filter)
        return fetch_capture(call, "stop", true);
    return call->hooks->start_capture(call->hooks->context, filter, &call->body);
}

static uint32_t answer_hold(struct admin_call *call)
{
    const char *text = parameter(call, "seconds");
    if (!call->hooks->hold_files) {
        text_format(&call->body, "no backups of a running server: admin.listen is not loopback\n");
        return 404;
    }
    uint32_t seconds;
    if (!read_number(text, HOLD_SECONDS_MAX, &seconds)) {
        text_format(&call->body, "allowed /hold?seconds=0 to %u\n", HOLD_SECONDS_MAX);
        return 400;
    }
    bool is_held = call->hooks->hold_files(call->hooks->context, seconds, &call->body);
    return is_held ? 200 : 503;
}

static const struct admin_endpoint endpoints[] = {
    {"GET", "/healthz", answer_health, TEXT_PLAIN},
    {"GET", "/readyz", answer_ready, TEXT_PLAIN},
    {"GET", "/metrics", answer_metrics, TEXT_PROMETHEUS},
    {"GET", "/config", answer_config, TEXT_PLAIN},
    {"GET", "/limited", answer_limited, TEXT_PLAIN},
    {"POST", "/drain", answer_drain, TEXT_PLAIN},
    {"POST", "/reload", answer_reload, TEXT_PLAIN},
    {"GET", "/trace", answer_trace, TEXT_PLAIN},
    {"POST", "/trace", answer_choice, TEXT_PLAIN},
    {"GET", "/capture", answer_frames, TEXT_PLAIN},
    {"POST", "/capture", answer_capture, TEXT_PLAIN},
    {"POST", "/hold", answer_hold, TEXT_PLAIN},
};

/* ------------------------------------------------------------------ reading */

/* The first empty line; lines end in LF, with or without CR before it (RFC 9112 section 2.2). */
static const char *find_head_end(const char *bytes, size_t count)
{
    const char *end = bytes + count;
    for (const char *at = bytes; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;) {
        at++;
        if (at < end && *at == '\n')
            return at;
        if (at + 1 < end && at[0] == '\r' && at[1] == '\n')
            return at;
    }
    return NULL;
}

bool admin_head_is_complete(const char *bytes, size_t count)
{
    return find_head_end(bytes, count) != NULL;
}

/* "METHOD /path?query HTTP/1.x" */
static bool read_line(const char *bytes, size_t count, struct admin_line *line)
{
    const char *end = memchr(bytes, '\n', count);
    if (!end)
        return false;
    if (end > bytes && end[-1] == '\r')
        end--;
    for (const char *at = bytes; at < end; at++)
        if (*at < ' ' || *at > '~') /* control characters, and bytes that are negative as char */
            return false;
    const char *space = memchr(bytes, ' ', (size_t)(end - bytes));
    if (!space || space == bytes || space[1] != '/')
        return false;
    line->method = bytes;
    line->method_bytes = (size_t)(space - bytes);
    line->path = space + 1;
    const char *after = memchr(line->path, ' ', (size_t)(end - line->path));
    if (!after || end - after != 9 || memcmp(after, " HTTP/1.", 8) != 0)
        return false;
    if (after[8] != '0' && after[8] != '1')
        return false;
    const char *query = memchr(line->path, '?', (size_t)(after - line->path));
    line->path_bytes = (size_t)((query ? query : after) - line->path);
    line->query = query ? query + 1 : after;
    line->query_bytes = (size_t)(after - line->query);
    return true;
}

/* Only browsers send Origin: a web page must not drain the server behind its reader's back. */
static bool has_origin(const char *bytes, const char *head_end)
{
    static const char field[] = "origin:";
    for (const char *at = bytes; (at = memchr(at, '\n', (size_t)(head_end - at))) != NULL;) {
        at++;
        if ((size_t)(head_end - at) >= sizeof(field) - 1 &&
            strncasecmp(at, field, sizeof(field) - 1) == 0)
            return true;
    }
    return false;
}

static bool is_text(const char *bytes, size_t count, const char *text)
{
    return strlen(text) == count && memcmp(bytes, text, count) == 0;
}

/* ------------------------------------------------------------------ writing */

static void write_answer(uint32_t status, const char *content_type, const char *allow,
                         const struct text_buffer *body, struct text_buffer *answer)
{
    text_format(answer,
                "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                "Cache-Control: no-store\r\nConnection: close\r\n",
                status, reason_of(status), content_type, body->used_bytes);
    if (allow)
        text_format(answer, "Allow: %s\r\n", allow);
    text_add(answer, "\r\n", 2);
    if (body->used_bytes > 0)
        text_add(answer, body->bytes, body->used_bytes);
}

static void answer_text(uint32_t status, const char *allow, struct text_buffer *answer)
{
    struct text_buffer body = {0};
    text_format(&body, "%s\n", reason_of(status));
    write_answer(status, TEXT_PLAIN, allow, &body, answer);
    text_buffer_clear(&body);
}

void admin_answer_status(uint32_t status, struct text_buffer *answer)
{
    answer_text(status, NULL, answer);
}

static void answer_endpoint(const struct admin_hooks *hooks, const struct admin_endpoint *endpoint,
                            const struct admin_line *line, struct text_buffer *answer)
{
    struct admin_call call = {.hooks = hooks, .content_type = endpoint->content_type};
    if (line->query_bytes < QUERY_BYTES_MAX)
        memcpy(call.query, line->query, line->query_bytes);
    uint32_t status = endpoint->answer(&call);
    if (call.body.is_cut) /* half a list of metrics would be taken for the whole */
        answer_text(500, NULL, answer);
    else
        write_answer(status, call.content_type, NULL, &call.body, answer);
    text_buffer_clear(&call.body);
}

void admin_answer(const struct admin_hooks *hooks, const char *bytes, size_t count,
                  struct text_buffer *answer)
{
    struct admin_line line;
    char allowed[32] = "";
    const char *head_end = find_head_end(bytes, count);
    ASSERT(head_end);
    if (!read_line(bytes, count, &line)) {
        answer_text(400, NULL, answer);
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(endpoints); i++) {
        const struct admin_endpoint *endpoint = &endpoints[i];
        if (!is_text(line.path, line.path_bytes, endpoint->path))
            continue;
        if (is_text(line.method, line.method_bytes, endpoint->method)) {
            if (is_text(line.method, line.method_bytes, "POST") && has_origin(bytes, head_end))
                answer_text(403, NULL, answer);
            else
                answer_endpoint(hooks, endpoint, &line, answer);
            return;
        }
        size_t used = strlen(allowed);
        snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "",
                 endpoint->method);
    }
    if (allowed[0])
        answer_text(405, allowed, answer);
    else
        answer_text(404, NULL, answer);
}
