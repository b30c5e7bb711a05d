/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/admin_request.h"

#include <string.h>
#include <strings.h>

#include "control/admin.h"
#include "control/text_buffer.h"
#include "include/assert_policy.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

struct admin_line {
    const char *method, *path;
    size_t method_bytes, path_bytes;
};

struct admin_endpoint {
    const char *method, *path;
    uint32_t (*answer)(const struct admin_hooks *hooks, struct text_buffer *body);
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

static uint32_t answer_health(const struct admin_hooks *hooks, struct text_buffer *body)
{
    const char *why = NULL;
    bool is_alive = hooks->is_alive(hooks->context, &why);
    return answer_state(is_alive, "alive", why, body);
}

static uint32_t answer_ready(const struct admin_hooks *hooks, struct text_buffer *body)
{
    const char *why = NULL;
    bool is_ready = hooks->is_ready(hooks->context, &why);
    return answer_state(is_ready, "ready", why, body);
}

static uint32_t answer_metrics(const struct admin_hooks *hooks, struct text_buffer *body)
{
    stats_export(body, hooks->sources, hooks->source_count);
    return 200;
}

static uint32_t answer_config(const struct admin_hooks *hooks, struct text_buffer *body)
{
    hooks->write_config(hooks->context, body);
    return 200;
}

static uint32_t answer_drain(const struct admin_hooks *hooks, struct text_buffer *body)
{
    hooks->start_drain(hooks->context);
    text_format(body, "draining\n");
    return 202;
}

static const struct admin_endpoint endpoints[] = {
    {"GET", "/healthz", answer_health, TEXT_PLAIN},
    {"GET", "/readyz", answer_ready, TEXT_PLAIN},
    {"GET", "/metrics", answer_metrics, TEXT_PROMETHEUS},
    {"GET", "/config", answer_config, TEXT_PLAIN},
    {"POST", "/drain", answer_drain, TEXT_PLAIN},
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
                            struct text_buffer *answer)
{
    struct text_buffer body = {0};
    uint32_t status = endpoint->answer(hooks, &body);
    if (body.is_cut) /* half a list of metrics would be taken for the whole */
        answer_text(500, NULL, answer);
    else
        write_answer(status, endpoint->content_type, NULL, &body, answer);
    text_buffer_clear(&body);
}

void admin_answer(const struct admin_hooks *hooks, const char *bytes, size_t count,
                  struct text_buffer *answer)
{
    struct admin_line line;
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
        bool is_allowed = is_text(line.method, line.method_bytes, endpoint->method);
        if (!is_allowed)
            answer_text(405, endpoint->method, answer);
        else if (is_text(line.method, line.method_bytes, "POST") && has_origin(bytes, head_end))
            answer_text(403, NULL, answer);
        else
            answer_endpoint(hooks, endpoint, answer);
        return;
    }
    answer_text(404, NULL, answer);
}
