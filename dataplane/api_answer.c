/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers: heads, values, problems; how bytes get onto a connection. */
#include <string.h>

#include "dataplane/api_access.h"
#include "dataplane/api_condition.h"
#include "dataplane/api_limits.h"
#include "dataplane/api_state.h"
#include "dataplane/openapi_document.h"
#include "dataplane/packet.h"
#include "dataplane/response_cache.h"
#include "include/api_task.h"
#include "include/counters.h"
#include "include/server_config.h"
#include "include/space_counts.h"

#define PROBLEM_BYTES_MAX 1024u
#define NAMESPACES_END_BYTES 4u /* "]}\n" */

/* Splits into segments; what is queued already is filled up first. False when packets ran out. */
static bool send_bytes(struct api_handler *handler, struct tcp_connection *tcp,
                       const uint8_t *bytes, uint32_t length)
{
    struct tcp_stack *stack = handler->config.tcp;
    uint16_t payload_max = tcp_payload_max(tcp);
    while (length > 0) {
        uint16_t part = length < payload_max ? (uint16_t)length : payload_max;
        struct packet *packet = tcp_packet(stack);
        if (!packet)
            return false;
        memcpy(packet_append(packet, part), bytes, part);
        tcp_send_packet(stack, tcp, packet);
        bytes += part;
        length -= part;
    }
    return true;
}

static void write_general_fields(struct api_handler *handler, struct http_writer *writer,
                                 const struct api_request *request, uint16_t status)
{
    http_write_status(writer, status);
    HTTP_WRITE_LITERAL(writer, "Server: gannet\r\nDate: ");
    http_write(writer, handler->clock.date, sizeof(handler->clock.date));
    HTTP_WRITE_LITERAL(writer, "\r\nRequest-Id: ");
    http_write(writer, request->request_id, request->request_id_bytes);
    HTTP_WRITE_LITERAL(writer, "\r\n");
    if (request->must_close || handler->is_draining)
        HTTP_WRITE_LITERAL(writer, "Connection: close\r\n");
    else if (request->version_minor == 0)
        HTTP_WRITE_LITERAL(writer, "Connection: keep-alive\r\n");
    api_access_write_fields(handler->settings, request, writer);
    if (UNLIKELY(request->limit_count > 0))
        api_limits_write_fields(handler->settings, request, status, writer);
}

static void write_duration(struct http_writer *writer, const char *name, uint32_t us)
{
    uint8_t thousandths[3] = {(uint8_t)('0' + us / 100 % 10), (uint8_t)('0' + us / 10 % 10),
                              (uint8_t)('0' + us % 10)};
    http_write_text(writer, name);
    HTTP_WRITE_LITERAL(writer, ";dur=");
    http_write_decimal(writer, us / 1000);
    HTTP_WRITE_LITERAL(writer, ".");
    http_write(writer, thousandths, sizeof(thousandths));
}

/* What did not wait took no time that is worth a name: a hit says so in Cache-Status. */
static void write_timing(struct api_handler *handler, const struct tcp_connection *tcp,
                         const struct api_request *request, struct http_writer *writer)
{
    const struct http_connection *http = connection_state(tcp);
    if (!http || (http->state != HTTP_WAITING_STORE && http->state != HTTP_WAITING_TASK))
        return;
    struct stage_times times = stage_times_of(handler, http);
    HTTP_WRITE_LITERAL(writer, "Server-Timing: ");
    if (request->route == ROUTE_VALUE && api_request_is_read(request))
        HTTP_WRITE_LITERAL(writer, "cache;desc=miss, ");
    write_duration(writer, "head", times.head_us);
    write_duration(writer, ", body", times.body_us);
    write_duration(writer, http->state == HTTP_WAITING_TASK ? ", task" : ", store", times.store_us);
    write_duration(writer, ", total", times.all_us);
    HTTP_WRITE_LITERAL(writer, "\r\n");
}

static struct http_writer begin_answer(struct api_handler *handler,
                                       const struct tcp_connection *tcp,
                                       const struct api_request *request, uint16_t status)
{
    struct http_writer writer = http_writer_on(handler->output, API_OUTPUT_BYTES);
    write_general_fields(handler, &writer, request, status);
    if (UNLIKELY(handler->config.server->http.server_timing))
        write_timing(handler, tcp, request, &writer);
    return writer;
}

/*
 * The state of the request goes, its connection stays or closes. `request` may have been in that
 * state.
 */
static void end_request(struct api_handler *handler, struct tcp_connection *tcp, bool must_close)
{
    struct http_connection *http = connection_state(tcp);
    if (http) {
        tcp_receive_consume(handler->config.tcp, tcp, http->unread_bytes);
        connection_state_drop(handler, http);
    }
    if (must_close || handler->is_draining)
        connection_close(handler, tcp);
    else
        connection_go_on(handler, tcp);
}

static_assert((int)ROUTE_COUNT == (int)REQUEST_ROUTE_COUNT, "counted by the same names");

static void count_answer(struct api_handler *handler, const struct api_request *request,
                         uint16_t status)
{
    count(handler->config.counters, COUNTER_HTTP_REQUESTS);
    count_request(handler->config.counters, request->route, status);
}

/* A head in the writer, and a blob behind it when there is one (one reference is taken over). */
static void send_answer(struct api_handler *handler, struct tcp_connection *tcp,
                        const struct api_request *request, const struct http_writer *writer,
                        struct blob *blob, uint32_t offset, uint32_t length, uint16_t status)
{
    bool must_close = request->must_close;
    count_answer(handler, request, status);
    if (!send_bytes(handler, tcp, writer->start, http_writer_bytes(writer)) || writer->is_full) {
        if (blob)
            blob_release(handler->config.stock, blob);
        count(handler->config.counters, COUNTER_PACKET_ALLOCATION_FAILED);
        tcp_abort(handler->config.tcp, tcp); /* half a head cannot be taken back */
        return;
    }
    if (blob)
        tcp_send_blob(handler->config.tcp, tcp, blob, offset, length);
    if (UNLIKELY(handler->config.access_ring != NULL))
        api_log_answer(handler, tcp, request, status,
                       http_writer_bytes(writer) + (blob ? length : 0), handler->answer_cache);
    handler->answer_cache = ACCESS_CACHE_NONE;
    end_request(handler, tcp, must_close);
}

/* ---- problems ---- */

static void write_version(struct http_writer *writer, uint64_t version)
{
    HTTP_WRITE_LITERAL(writer, "ETag: \"");
    http_write_decimal(writer, version);
    HTTP_WRITE_LITERAL(writer, "\"\r\n");
}

static void write_allow(struct http_writer *writer, const struct api_request *request)
{
    if (!request->allow)
        return;
    HTTP_WRITE_LITERAL(writer, "Allow: ");
    http_write_text(writer, request->allow);
    HTTP_WRITE_LITERAL(writer, "\r\n");
}

/*
 * `extra`: more field lines, or NULL. `rest`: more members and the document's end, or NULL; one
 * reference is taken over. No problem is kept by caches.
 */
static void send_problem(struct api_handler *handler, struct tcp_connection *tcp,
                         const struct api_request *request, enum http_problem problem,
                         const char *detail, uint64_t current_version,
                         const struct http_writer *extra, struct blob *rest)
{
    uint16_t status = http_problem_status[problem];
    uint8_t document[PROBLEM_BYTES_MAX];
    struct http_writer body = http_writer_on(document, sizeof(document));
    http_write_problem(&body, problem, detail, request->request_id, request->request_id_bytes,
                       current_version);
    if (problem == HTTP_PROBLEM_QUOTA_EXCEEDED) {
        body.at -= HTTP_PROBLEM_END_BYTES;
        api_limits_write_violations(handler->settings, request, &body);
        HTTP_WRITE_LITERAL(&body, "}\n");
    }
    uint32_t rest_bytes = rest ? rest->length_bytes : 0;
    if (rest)
        body.at -= HTTP_PROBLEM_END_BYTES;

    struct http_writer writer = begin_answer(handler, tcp, request, status);
    HTTP_WRITE_LITERAL(&writer, "Cache-Control: no-store\r\n"
                                "Content-Type: application/problem+json\r\nContent-Length: ");
    http_write_decimal(&writer, http_writer_bytes(&body) + rest_bytes);
    HTTP_WRITE_LITERAL(&writer, "\r\n");
    if (problem == HTTP_PROBLEM_KEY_REQUIRED)
        HTTP_WRITE_LITERAL(&writer, "WWW-Authenticate: Bearer realm=\"gannet\"\r\n");
    if (status == 503)
        HTTP_WRITE_LITERAL(&writer, "Retry-After: 1\r\n");
    if (problem == HTTP_PROBLEM_QUOTA_EXCEEDED)
        api_limits_write_retry(request, &writer);
    if (problem == HTTP_PROBLEM_METHOD_NOT_ALLOWED)
        write_allow(&writer, request);
    if (problem == HTTP_PROBLEM_NOT_FOUND && !extra)
        HTTP_WRITE_LITERAL(&writer, "Cache-Status: gannet; fwd=uri-miss; fwd-status=404\r\n");
    if (extra)
        http_write(&writer, extra->start, http_writer_bytes(extra));
    if (current_version)
        write_version(&writer, current_version);
    HTTP_WRITE_LITERAL(&writer, "\r\n");
    if (request->method != HTTP_HEAD)
        http_write(&writer, document, http_writer_bytes(&body));
    send_answer(handler, tcp, request, &writer, rest, 0, rest_bytes, status);
}

void answer_problem(struct api_handler *handler, struct tcp_connection *tcp,
                    const struct api_request *request, enum http_problem problem,
                    const char *detail, uint64_t current_version)
{
    send_problem(handler, tcp, request, problem, detail, current_version, NULL, NULL);
}

void answer_absent(struct api_handler *handler, struct tcp_connection *tcp,
                   const struct api_request *request)
{
    uint8_t fields[64];
    struct http_writer extra = http_writer_on(fields, sizeof(fields));
    HTTP_WRITE_LITERAL(&extra, "Cache-Status: gannet; hit\r\n");
    send_problem(handler, tcp, request, HTTP_PROBLEM_NOT_FOUND, NULL, 0, &extra, NULL);
}

/* ---- values ---- */

/* What every answer about a value says, 206, 304, 412 and 416 as well: RFC 9211, 9110 15.4.5. */
static void write_read_fields(struct api_handler *handler, struct http_writer *writer,
                              const struct value_view *value, const char *cache_status)
{
    handler->answer_cache = cache_status[0] == 'h' ? ACCESS_CACHE_HIT : ACCESS_CACHE_MISS;
    HTTP_WRITE_LITERAL(writer, "Cache-Status: gannet; ");
    http_write_text(writer, cache_status);
    if (value->expires_at_ms > handler->time.wall_ms) {
        HTTP_WRITE_LITERAL(writer, "; ttl=");
        http_write_decimal(writer, (value->expires_at_ms - handler->time.wall_ms) / 1000);
    }
    HTTP_WRITE_LITERAL(writer, "\r\nAge: ");
    http_write_decimal(writer, value->age_s);
    HTTP_WRITE_LITERAL(writer, "\r\nAccept-Ranges: bytes\r\n");
}

static void write_cache_control(struct api_handler *handler, struct http_writer *writer,
                                const struct api_request *request, const struct value_view *value)
{
    uint64_t left_s = UINT64_MAX;
    if (value->expires_at_ms)
        left_s = value->expires_at_ms > handler->time.wall_ms
                     ? (value->expires_at_ms - handler->time.wall_ms) / 1000
                     : 0;
    http_write_cache_control(
        writer, handler->config.server->namespaces[request->namespace_index].cache_control, left_s);
}

/* The part that was asked for; WHOLE also when If-Range names another version. */
static enum http_range_verdict part_of(const struct api_request *request,
                                       const struct value_view *value, uint32_t *offset,
                                       uint32_t *length)
{
    *offset = 0;
    *length = value->value_bytes;
    if (request->has_if_range && request->if_range_version != value->version)
        return HTTP_RANGE_WHOLE;
    return http_range_resolve(&request->range, value->value_bytes, offset, length);
}

static void refuse_read(struct api_handler *handler, struct tcp_connection *tcp,
                        const struct api_request *request, const struct value_view *value,
                        const char *cache_status, enum http_problem problem)
{
    uint8_t fields[256];
    struct http_writer extra = http_writer_on(fields, sizeof(fields));
    write_read_fields(handler, &extra, value, cache_status);
    if (problem == HTTP_PROBLEM_RANGE_NOT_SATISFIABLE) {
        HTTP_WRITE_LITERAL(&extra, "Content-Range: bytes */");
        http_write_decimal(&extra, value->value_bytes);
        HTTP_WRITE_LITERAL(&extra, "\r\n");
    }
    send_problem(handler, tcp, request, problem, NULL, value->version, &extra, NULL);
}

static void answer_not_modified(struct api_handler *handler, struct tcp_connection *tcp,
                                const struct api_request *request, const struct value_view *value,
                                const char *cache_status)
{
    struct http_writer writer = begin_answer(handler, tcp, request, 304);
    write_read_fields(handler, &writer, value, cache_status);
    write_cache_control(handler, &writer, request, value);
    http_write_validators(&writer, value->version, value->modified_at_ms / 1000);
    HTTP_WRITE_LITERAL(&writer, "\r\n");
    send_answer(handler, tcp, request, &writer, NULL, 0, 0, 304);
}

/* The value's head, with the fields of a part when it is one. */
static void write_value_head(struct http_writer *writer, const struct value_view *value,
                             bool is_part, uint32_t offset, uint32_t length)
{
    if (!is_part) {
        http_write_value_head(writer, value->version, value->modified_at_ms / 1000,
                              value->value_bytes, value->attributes, value->attributes_bytes);
        return;
    }
    http_write_validators(writer, value->version, value->modified_at_ms / 1000);
    HTTP_WRITE_LITERAL(writer, "Content-Range: bytes ");
    http_write_decimal(writer, offset);
    HTTP_WRITE_LITERAL(writer, "-");
    http_write_decimal(writer, (uint64_t)offset + length - 1);
    HTTP_WRITE_LITERAL(writer, "/");
    http_write_decimal(writer, value->value_bytes);
    HTTP_WRITE_LITERAL(writer, "\r\nContent-Length: ");
    http_write_decimal(writer, length);
    HTTP_WRITE_LITERAL(writer, "\r\n");
    http_write(writer, value->attributes, value->attributes_bytes);
    HTTP_WRITE_LITERAL(writer, "\r\n");
}

void answer_value(struct api_handler *handler, struct tcp_connection *tcp,
                  const struct api_request *request, const struct value_view *value,
                  const char *cache_status)
{
    enum condition_verdict verdict =
        condition_evaluate(request, value->version, value->modified_at_ms);
    if (verdict == CONDITION_FAILED) {
        refuse_read(handler, tcp, request, value, cache_status, HTTP_PROBLEM_PRECONDITION_FAILED);
        return;
    }
    if (verdict == CONDITION_NOT_MODIFIED) {
        answer_not_modified(handler, tcp, request, value, cache_status);
        return;
    }
    uint32_t offset, length;
    enum http_range_verdict range = part_of(request, value, &offset, &length);
    if (range == HTTP_RANGE_UNSATISFIABLE) {
        refuse_read(handler, tcp, request, value, cache_status, HTTP_PROBLEM_RANGE_NOT_SATISFIABLE);
        return;
    }
    bool is_part = range == HTTP_RANGE_PART;
    uint16_t status = is_part ? 206 : 200;
    struct http_writer writer = begin_answer(handler, tcp, request, status);
    write_read_fields(handler, &writer, value, cache_status);
    write_cache_control(handler, &writer, request, value);
    write_value_head(&writer, value, is_part, offset, length);
    struct blob *blob = NULL;
    if (request->method == HTTP_GET && value->blob && length > 0) {
        blob = value->blob;
        blob_hold(blob);
    } else if (request->method == HTTP_GET && !value->blob) {
        http_write(&writer, value->inline_value + offset, length);
    }
    send_answer(handler, tcp, request, &writer, blob, offset, length, status);
}

static void write_location(struct http_writer *writer, const struct api_request *request)
{
    const uint8_t *key = request->bytes;
    uint32_t at = 0;
    HTTP_WRITE_LITERAL(writer, "Location: /v1/ns/");
    for (; at < request->key_bytes && key[at] != 0; at++)
        http_write(writer, key + at, 1);
    HTTP_WRITE_LITERAL(writer, "/values/");
    for (at++; at < request->key_bytes; at++) {
        uint8_t c = key[at];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                        (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_' || c == '~' ||
                        c == '/';
        uint8_t escaped[3] = {'%', (uint8_t) "0123456789ABCDEF"[c >> 4],
                              (uint8_t) "0123456789ABCDEF"[c & 15]};
        if (is_plain)
            http_write(writer, &c, 1);
        else
            http_write(writer, escaped, sizeof(escaped));
    }
    HTTP_WRITE_LITERAL(writer, "\r\n");
}

void answer_written(struct api_handler *handler, struct tcp_connection *tcp,
                    const struct api_request *request, uint16_t status, uint64_t version)
{
    struct http_writer writer = begin_answer(handler, tcp, request, status);
    if (request->method == HTTP_PUT)
        write_version(&writer, version);
    if (status == 201) {
        write_location(&writer, request);
        HTTP_WRITE_LITERAL(&writer, "Content-Length: 0\r\n");
    }
    HTTP_WRITE_LITERAL(&writer, "\r\n");
    send_answer(handler, tcp, request, &writer, NULL, 0, 0, status);
}

/* ---- everything else ---- */

/* What is named by a path: its last part, since where it lies is nobody's business. */
static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Neither: there are more namespaces than are counted. */
static void write_counts(const struct space_counts *counts, const char *name,
                         struct http_writer *body)
{
    struct space_count count;
    if (!counts || !space_counts_read(counts, name, &count)) {
        HTTP_WRITE_LITERAL(body, ",\"keys\":null,\"value_bytes\":null");
        return;
    }
    HTTP_WRITE_LITERAL(body, ",\"keys\":");
    http_write_decimal(body, count.keys);
    HTTP_WRITE_LITERAL(body, ",\"value_bytes\":");
    http_write_decimal(body, count.value_bytes);
}

/* The settings that a client can notice. Its name needs no quoting: the characters were checked. */
static void write_namespace(const struct server_config *server, uint32_t index,
                            const struct space_counts *counts, struct http_writer *body)
{
    static const char *const policies[] = {"through", "around", "behind"};
    const struct config_namespaces *space = &server->namespaces[index];
    bool is_interval = space->sync == CONFIG_NAMESPACE_SYNC_STORE
                           ? server->store.sync == CONFIG_SYNC_INTERVAL
                           : space->sync == CONFIG_NAMESPACE_SYNC_INTERVAL;
    HTTP_WRITE_LITERAL(body, "{\"name\":\"");
    http_write_text(body, space->name);
    HTTP_WRITE_LITERAL(body, "\",\"ttl\":");
    http_write_decimal(body, space->ttl_s);
    HTTP_WRITE_LITERAL(body, ",\"value_max\":");
    http_write_decimal(body, space->value_max);
    http_write_text(body, is_interval ? ",\"sync\":\"interval\"" : ",\"sync\":\"commit\"");
    HTTP_WRITE_LITERAL(body, ",\"write_policy\":\"");
    http_write_text(body, policies[space->write_policy]);
    HTTP_WRITE_LITERAL(body, "\",\"cache_control\":");
    http_write_json_string(body, space->cache_control, (uint32_t)strlen(space->cache_control));
    http_write_text(body, space->require_precondition ? ",\"require_precondition\":true"
                                                      : ",\"require_precondition\":false");
    http_write_text(body, space->require_idempotency_key ? ",\"require_idempotency_key\":true"
                                                         : ",\"require_idempotency_key\":false");
    HTTP_WRITE_LITERAL(body, ",\"schema\":");
    const char *schema = file_name(space->schema);
    if (config_text_is_none(space->schema))
        HTTP_WRITE_LITERAL(body, "null");
    else
        http_write_json_string(body, schema, (uint32_t)strlen(schema));
    write_counts(counts, space->name, body);
    HTTP_WRITE_LITERAL(body, "}");
}

/* Takes the blob over. */
static void send_json(struct api_handler *handler, struct tcp_connection *tcp,
                      const struct api_request *request, struct blob *document)
{
    uint32_t bytes = document->length_bytes;
    struct http_writer writer = begin_answer(handler, tcp, request, 200);
    HTTP_WRITE_LITERAL(
        &writer, "Cache-Control: no-store\r\nContent-Type: application/json\r\nContent-Length: ");
    http_write_decimal(&writer, bytes);
    HTTP_WRITE_LITERAL(&writer, "\r\n\r\n");
    if (request->method == HTTP_HEAD) {
        blob_release(handler->config.stock, document);
        document = NULL;
    }
    send_answer(handler, tcp, request, &writer, document, 0, bytes, 200);
}

/* The namespaces from `first` to before `end` that the client may read, with commas between. */
static bool list_namespaces(struct api_handler *handler, const struct api_request *request,
                            uint32_t first, uint32_t end, struct blob *list)
{
    const struct server_config *server = handler->config.server;
    const char *comma = "";
    for (uint32_t i = first; i < end; i++) {
        if (server->namespaces[i].name[0] == '\0' ||
            !api_access_allows(handler->settings, request->client, i, HTTP_GET))
            continue; /* left out by a reload, or not the client's business */
        struct http_writer one = http_writer_on(handler->output, API_OUTPUT_BYTES);
        http_write_text(&one, comma);
        write_namespace(server, i, handler->config.space_counts, &one);
        uint32_t needed = list->length_bytes + http_writer_bytes(&one) + NAMESPACES_END_BYTES;
        if (needed > list->capacity_bytes &&
            !blob_reserve(handler->config.stock, list, 2 * list->capacity_bytes))
            return false;
        blob_append(list, one.start, http_writer_bytes(&one));
        comma = ",";
    }
    return true;
}

/* One, or all of them: as many as the configuration has, a few hundred bytes each. */
static void answer_with_namespaces(struct api_handler *handler, struct tcp_connection *tcp,
                                   const struct api_request *request, const char *before,
                                   const char *behind, uint32_t first, uint32_t end)
{
    struct blob *list = blob_create(handler->config.stock, BODY_GROWING_BYTES);
    if (list)
        blob_append(list, before, (uint32_t)strlen(before));
    if (!list || !list_namespaces(handler, request, first, end, list)) {
        if (list)
            blob_release(handler->config.stock, list);
        answer_problem(handler, tcp, request, HTTP_PROBLEM_OVERLOADED,
                       "no memory for values; see memory.values_mib", 0);
        return;
    }
    blob_append(list, behind, (uint32_t)strlen(behind));
    send_json(handler, tcp, request, list);
}

void answer_namespaces(struct api_handler *handler, struct tcp_connection *tcp,
                       const struct api_request *request)
{
    answer_with_namespaces(handler, tcp, request, "{\"namespaces\":[", "]}\n", 0,
                           handler->config.server->namespaces_count);
}

void answer_namespace(struct api_handler *handler, struct tcp_connection *tcp,
                      const struct api_request *request)
{
    answer_with_namespaces(handler, tcp, request, "", "\n", request->namespace_index,
                           request->namespace_index + 1u);
}

static_assert(OPENAPI_DOCUMENT_BYTES_MAX + 8192u <= API_OUTPUT_BYTES, "with its head");

void answer_openapi(struct api_handler *handler, struct tcp_connection *tcp,
                    const struct api_request *request)
{
    struct http_writer writer = begin_answer(handler, tcp, request, 200);
    HTTP_WRITE_LITERAL(&writer, "Content-Type: application/json\r\nContent-Length: ");
    http_write_decimal(&writer, openapi_document_bytes);
    HTTP_WRITE_LITERAL(&writer, "\r\n\r\n");
    if (request->method != HTTP_HEAD)
        http_write(&writer, openapi_document, openapi_document_bytes);
    send_answer(handler, tcp, request, &writer, NULL, 0, 0, 200);
}

void answer_options(struct api_handler *handler, struct tcp_connection *tcp,
                    const struct api_request *request)
{
    struct http_writer writer = begin_answer(handler, tcp, request, 204);
    write_allow(&writer, request);
    HTTP_WRITE_LITERAL(&writer, "\r\n");
    send_answer(handler, tcp, request, &writer, NULL, 0, 0, 204);
}

/* `content` holds the request as it came, head and body; one reference is taken over. */
void answer_echo(struct api_handler *handler, struct tcp_connection *tcp,
                 const struct api_request *request, struct blob *content, uint32_t bytes)
{
    struct http_writer writer = begin_answer(handler, tcp, request, 200);
    HTTP_WRITE_LITERAL(&writer,
                       "Cache-Control: no-store\r\nContent-Type: text/plain\r\nContent-Length: ");
    http_write_decimal(&writer, bytes);
    HTTP_WRITE_LITERAL(&writer, "\r\n\r\n");
    if (request->method == HTTP_HEAD) {
        blob_release(handler->config.stock, content);
        content = NULL;
    }
    send_answer(handler, tcp, request, &writer, content, 0, bytes, 200);
}

void answer_task_problem(struct api_handler *handler, struct tcp_connection *tcp,
                         const struct api_request *request, const struct api_task *task)
{
    const char *detail = task->detail[0] ? task->detail : NULL;
    if (task->answer)
        blob_hold(task->answer);
    send_problem(handler, tcp, request, (enum http_problem)task->problem, detail,
                 task->current_version, NULL, task->answer);
}

void answer_document(struct api_handler *handler, struct tcp_connection *tcp,
                     const struct api_request *request, const struct api_task *task)
{
    struct http_writer writer = begin_answer(handler, tcp, request, task->status);
    struct blob *blob = NULL;
    uint32_t fields_bytes = task->answer_fields_bytes;
    if (fields_bytes > 0 && fields_bytes <= (uint32_t)(writer.end - writer.at)) {
        blob_copy_out(task->answer, 0, writer.at, fields_bytes);
        writer.at += fields_bytes;
    }
    if (task->status != 204 && task->status != 304) {
        HTTP_WRITE_LITERAL(&writer, "Content-Length: ");
        http_write_decimal(&writer, task->answer_body_bytes);
        HTTP_WRITE_LITERAL(&writer, "\r\n");
    }
    HTTP_WRITE_LITERAL(&writer, "\r\n");
    if (!task->is_head && task->answer_body_bytes > 0) {
        blob = task->answer;
        blob_hold(blob);
    }
    send_answer(handler, tcp, request, &writer, blob, fields_bytes, task->answer_body_bytes,
                task->status);
}

void answer_continue(struct api_handler *handler, struct tcp_connection *tcp)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    send_bytes(handler, tcp, (const uint8_t *)line, sizeof(line) - 1);
}
