/* SPDX-License-Identifier: BSD-3-Clause */
/* From events to requests to answers: the batch of cache hits first, everything else one by one. */
#include "dataplane/api_handler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/api_access.h"
#include "dataplane/api_condition.h"
#include "dataplane/api_limits.h"
#include "dataplane/api_state.h"
#include "dataplane/response_cache.h"
#include "dataplane/shard_client.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/live_settings.h"
#include "include/random.h"
#include "include/server_config.h"

#define READY_BATCH 64u
#define DRAIN_WALK 64u /* connections looked at per round while draining */

/* ---- requests that go to the store ---- */

/* The body moves into the operation: inline from the receive queue, or the blob as it is. */
static void move_body(struct api_handler *handler, struct http_connection *http,
                      struct shard_operation *operation)
{
    if (!http->body) {
        operation->value_bytes = http->unread_bytes;
        tcp_receive_peek(http->tcp, 0, operation_inline_value(operation), http->unread_bytes);
        tcp_receive_consume(handler->config.tcp, http->tcp, http->unread_bytes);
        http->unread_bytes = 0;
        return;
    }
    operation->value = http->body;
    operation->value_bytes = http->body->length_bytes;
    http->body = NULL; /* its share of body memory is given back when the operation comes home */
}

static enum shard_verb verb_of(const struct api_request *request)
{
    if (request->method == HTTP_PUT)
        return SHARD_PUT;
    return request->method == HTTP_DELETE ? SHARD_DELETE : SHARD_GET;
}

static void set_policy(struct shard_operation *operation, const struct config_namespaces *space)
{
    static_assert((int)SHARD_SYNC_INTERVAL == (int)CONFIG_NAMESPACE_SYNC_INTERVAL &&
                      (int)SHARD_WRITE_BEHIND == (int)CONFIG_WRITE_BEHIND,
                  "choices in the same order");
    operation->sync = (uint8_t)space->sync;
    operation->write_policy = (uint8_t)space->write_policy;
}

/* NULL: there is none, and that is answered. */
static struct shard_operation *prepare_operation(struct api_handler *handler,
                                                 struct http_connection *http, enum shard_verb verb)
{
    const struct api_request *request = &http->request;
    struct shard_operation *operation = shard_client_take(handler->config.shards);
    if (!operation) {
        store_failed(handler, http, HTTP_PROBLEM_OVERLOADED,
                     "all store operations are in use; see workers.operations");
        return NULL;
    }
    operation->verb = (uint8_t)verb;
    operation->connection = tcp_handle(http->tcp);
    operation->key_bytes = request->key_bytes;
    memcpy(operation->bytes, request->bytes, request->key_bytes);
    set_policy(operation, &handler->config.server->namespaces[request->namespace_index]);
    if (verb == SHARD_PUT) {
        operation->attributes_bytes = request->attributes_bytes;
        memcpy(operation_attributes(operation), request->bytes + request->key_bytes,
               request->attributes_bytes);
        operation->expires_at_ms = request->expires_at_ms;
        move_body(handler, http, operation);
    }
    return operation;
}

static void send_operation(struct api_handler *handler, struct http_connection *http,
                           struct shard_operation *operation)
{
    uint64_t timeout_ms = handler->config.server->store.request_timeout_ms;
    uint64_t wait_ms = operation->verb == SHARD_WATCH ? http->request.wait_ms : 0;
    operation->deadline_ns =
        handler->time.now_ns + (wait_ms > 0 ? wait_ms : timeout_ms) * NS_PER_MS;
    timeout_ms += wait_ms;
    http->state = HTTP_WAITING_STORE;
    http->operation = operation;
    /* A little longer than the store's own limit: its answer is better than our guess. */
    connection_deadline(handler, http->tcp, timeout_ms + timeout_ms / 8);
    shard_client_send(handler->config.shards, operation, &handler->time);
}

void ask_store(struct api_handler *handler, struct http_connection *http)
{
    bool must_look = !condition_fits_operation(&http->request);
    enum shard_verb verb = must_look ? SHARD_GET : verb_of(&http->request);
    struct shard_operation *operation = prepare_operation(handler, http, verb);
    if (!operation)
        return;
    if (verb != SHARD_GET)
        condition_for_shard(&http->request, &operation->condition, &operation->version_count,
                            operation->versions);
    send_operation(handler, http, operation);
}

/* ---- results of the store ---- */

static struct value_view view_of_entry(const struct cache_entry *entry)
{
    struct http_slice attributes = cache_entry_attributes(entry);
    return (struct value_view){
        .version = entry->version,
        .modified_at_ms = entry->modified_at_s * UINT64_C(1000),
        .expires_at_ms = cache_entry_expires_at_ms(entry),
        .attributes = attributes.at,
        .attributes_bytes = attributes.bytes,
        .value_bytes = entry->value_bytes,
        .inline_value = cache_entry_inline_value(entry),
        .blob = cache_entry_blob(entry),
    };
}

static const struct cache_entry *stale_entry(const struct api_handler *handler,
                                             const struct api_request *request)
{
    if (!api_request_is_read(request) || request->wait_ms > 0)
        return NULL;
    uint64_t hash =
        key_hash_cache(request->bytes, request->key_bytes, handler->config.cache_hash_seed);
    return response_cache_lookup_stale(handler->config.cache, hash, request->bytes,
                                       request->key_bytes, handler->time.wall_ms);
}

/* When it was purged is not kept: its age is at most that of the value. */
static void answer_stale(struct api_handler *handler, struct http_connection *http,
                         const struct cache_entry *entry, enum http_problem problem)
{
    uint8_t cache_status[32];
    struct http_writer writer = http_writer_on(cache_status, sizeof(cache_status));
    HTTP_WRITE_LITERAL(&writer, "fwd=stale; fwd-status=");
    http_write_decimal(&writer, http_problem_status[problem]);
    http_write(&writer, "", 1);
    struct value_view value = view_of_entry(entry);
    if (handler->time.wall_ms > value.modified_at_ms)
        value.age_s = (handler->time.wall_ms - value.modified_at_ms) / 1000;
    count(handler->config.counters, COUNTER_CACHE_STALE_ANSWERS);
    answer_value(handler, http->tcp, &http->request, &value, (const char *)cache_status);
}

void store_failed(struct api_handler *handler, struct http_connection *http,
                  enum http_problem problem, const char *detail)
{
    const struct cache_entry *entry = stale_entry(handler, &http->request);
    if (entry)
        answer_stale(handler, http, entry, problem);
    else
        answer_problem(handler, http->tcp, &http->request, problem, detail, 0);
}

/* Of a read: not what the value is or is not, but that nobody can say. */
static bool is_failure(enum http_problem problem)
{
    return problem == HTTP_PROBLEM_OVERLOADED || problem == HTTP_PROBLEM_STORE_TIMEOUT ||
           problem == HTTP_PROBLEM_IO_ERROR || problem == HTTP_PROBLEM_CORRUPT;
}

static void answer_read(struct api_handler *handler, struct tcp_connection *tcp,
                        const struct api_request *request, struct shard_operation *operation)
{
    bool is_cached = operation->cache_action == SHARD_CACHE_FILL &&
                     operation->value_bytes <= handler->config.server->cache.value_max;
    struct value_view value = {
        .version = operation->version,
        .modified_at_ms = operation->modified_at_ms,
        .expires_at_ms = operation->expires_at_ms,
        .attributes = operation_attributes(operation),
        .attributes_bytes = operation->attributes_bytes,
        .value_bytes = operation->value_bytes,
        .inline_value = operation_inline_value(operation),
        .blob = operation->value,
    };
    answer_value(handler, tcp, request, &value,
                 is_cached ? "fwd=uri-miss; stored" : "fwd=uri-miss");
}

static void answer_operation(struct api_handler *handler, struct http_connection *http,
                             struct shard_operation *operation)
{
    const struct api_request *request = &http->request;
    struct tcp_connection *tcp = http->tcp;
    enum http_problem problem = http_problem_of_shard(operation->status);
    if (operation->verb == SHARD_DELETE && operation->status == SHARD_NOT_FOUND)
        problem = HTTP_PROBLEM_NONE; /* gone is gone */
    if (problem == HTTP_PROBLEM_PRECONDITION_FAILED && !condition_fits_operation(request))
        problem = HTTP_PROBLEM_WRITE_CONFLICT; /* the condition was ours: what was seen before */
    if (is_failure(problem))
        store_failed(handler, http, problem, NULL);
    else if (problem != HTTP_PROBLEM_NONE)
        answer_problem(handler, tcp, request, problem, NULL,
                       operation->status == SHARD_CONDITION_FAILED ? operation->version : 0);
    else if (operation->verb == SHARD_GET)
        answer_read(handler, tcp, request, operation);
    else
        answer_written(handler, tcp, request, operation->status == SHARD_CREATED ? 201 : 204,
                       operation->version);
}

/* The store was asked what is there, for a write whose conditions are evaluated here. */
static void write_after_look(struct api_handler *handler, struct http_connection *http,
                             const struct shard_operation *operation)
{
    const struct api_request *request = &http->request;
    enum http_problem problem = http_problem_of_shard(operation->status);
    uint64_t version = operation->status == SHARD_OK ? operation->version : 0;
    if (problem == HTTP_PROBLEM_NOT_FOUND)
        problem = HTTP_PROBLEM_NONE;
    if (problem == HTTP_PROBLEM_NONE &&
        condition_evaluate(request, version, operation->modified_at_ms) != CONDITION_PASSED)
        problem = HTTP_PROBLEM_PRECONDITION_FAILED;
    if (problem != HTTP_PROBLEM_NONE) {
        answer_problem(handler, http->tcp, request, problem, NULL, version);
        return;
    }
    if (request->task != API_TASK_NONE && request->task != API_TASK_CHECK) {
        task_begin(handler, http, version);
        return;
    }
    struct shard_operation *write = prepare_operation(handler, http, verb_of(request));
    if (!write)
        return;
    condition_expect(version, &write->condition, &write->version_count, write->versions);
    send_operation(handler, http, write);
}

/* A task that writes reads nothing here but what its conditions are about. */
static bool is_look(const struct api_request *request, const struct shard_operation *operation)
{
    return operation->verb != verb_of(request) ||
           (operation->verb == SHARD_GET && !api_request_is_read(request));
}

void api_take_answer(struct api_handler *handler, struct shard_operation *operation)
{
    struct tcp_connection *tcp = tcp_find(handler->config.tcp, operation->connection);
    struct http_connection *http = tcp ? connection_state(tcp) : NULL;
    if (operation->verb == SHARD_PUT && operation->value)
        body_memory_release(handler, operation->value->capacity_bytes);
    if (http && http->operation == operation) {
        http->operation = NULL;
        if (!is_look(&http->request, operation))
            answer_operation(handler, http, operation);
        else
            write_after_look(handler, http, operation);
    }
    shard_client_release(handler->config.shards, operation);
}

/* ---- complete requests ---- */

/* The client has this version, or we do not know: the store tells it when there is another. */
static void watch_value(struct api_handler *handler, struct http_connection *http)
{
    const struct api_request *request = &http->request;
    struct shard_operation *operation = prepare_operation(handler, http, SHARD_WATCH);
    if (!operation)
        return;
    operation->version_count = request->if_none_match.count;
    memcpy(operation->versions, request->tags.at + request->if_none_match.first,
           operation->version_count * sizeof(operation->versions[0]));
    send_operation(handler, http, operation);
}

static bool must_wait(const struct api_request *request, const struct cache_entry *entry)
{
    return request->wait_ms > 0 &&
           (!entry || etag_list_matches(&request->if_none_match, &request->tags, entry->version));
}

static void read_value(struct api_handler *handler, struct http_connection *http)
{
    const struct api_request *request = &http->request;
    uint64_t hash =
        key_hash_cache(request->bytes, request->key_bytes, handler->config.cache_hash_seed);
    const struct cache_entry *entry = response_cache_lookup(
        handler->config.cache, hash, request->bytes, request->key_bytes, handler->time.wall_ms);
    if (UNLIKELY(must_wait(request, entry))) {
        watch_value(handler, http);
        return;
    }
    if (!entry && response_cache_is_absent(handler->config.cache, hash, request->bytes,
                                           request->key_bytes, handler->time.wall_ms)) {
        count(handler->config.counters, COUNTER_CACHE_HITS);
        count(handler->config.counters, COUNTER_CACHE_ABSENT_HITS);
        answer_absent(handler, http->tcp, request);
        return;
    }
    if (!entry) {
        count(handler->config.counters, COUNTER_CACHE_MISSES);
        ask_store(handler, http);
        return;
    }
    count(handler->config.counters, COUNTER_CACHE_HITS);
    struct value_view value = view_of_entry(entry);
    answer_value(handler, http->tcp, request, &value, "hit");
}

void request_complete(struct api_handler *handler, struct http_connection *http)
{
    const struct api_request *request = &http->request;
    struct tcp_connection *tcp = http->tcp;
    http->body_ns = handler->time.now_ns;
    if (request->task != API_TASK_NONE) {
        if (task_must_look(request))
            ask_store(handler, http);
        else
            task_begin(handler, http, 0);
    } else if (request->route == ROUTE_NAMESPACES) {
        answer_namespaces(handler, tcp, request);
    } else if (request->route == ROUTE_NAMESPACE) {
        answer_namespace(handler, tcp, request);
    } else if (request->route == ROUTE_OPENAPI) {
        answer_openapi(handler, tcp, request);
    } else if (request->route == ROUTE_OPTIONS) {
        answer_options(handler, tcp, request);
    } else if (request->route == ROUTE_ECHO) {
        struct blob *content = http->body;
        body_memory_release(handler, content->capacity_bytes);
        http->body = NULL;
        answer_echo(handler, tcp, request, content, content->length_bytes);
    } else if (verb_of(request) != SHARD_GET) {
        ask_store(handler, http);
    } else {
        read_value(handler, http);
    }
}

/* ---- one request, the long way ---- */

static enum http_problem problem_of_parser(uint16_t status)
{
    switch (status) {
    case 414:
        return HTTP_PROBLEM_TARGET_TOO_LONG;
    case 417:
        return HTTP_PROBLEM_EXPECTATION_FAILED;
    case 431:
        return HTTP_PROBLEM_FIELDS_TOO_LARGE;
    case 501:
        return HTTP_PROBLEM_NOT_IMPLEMENTED;
    case 505:
        return HTTP_PROBLEM_BAD_VERSION;
    default:
        return HTTP_PROBLEM_MALFORMED;
    }
}

static void give_request_id(struct api_handler *handler, struct api_request *request)
{
    if (request->request_id_bytes > 0)
        return;
    http_clock_request_id(&handler->clock, request->request_id);
    request->request_id_bytes = 16;
}

/* Nothing is known of the request but that it ends here. */
static void refuse_head(struct api_handler *handler, struct tcp_connection *tcp,
                        enum http_problem problem, const char *detail)
{
    struct api_request *request = &handler->request;
    memset(request, 0, offsetof(struct api_request, request_id));
    request->version_minor = 1;
    request->must_close = true;
    request->route = ROUTE_REFUSED;
    give_request_id(handler, request);
    answer_problem(handler, tcp, request, problem, detail, 0);
}

/* The whole head is not there yet: remember how much was, and give it a deadline. */
static void wait_for_head(struct api_handler *handler, struct tcp_connection *tcp)
{
    struct http_connection *http = connection_state(tcp);
    if (tcp_peer_is_closed(tcp)) { /* the rest will never come */
        if (http)
            connection_state_drop(handler, http);
        connection_close(handler, tcp);
        return;
    }
    if (!http) {
        http = connection_state_take(handler, tcp);
        if (!http) {
            refuse_head(handler, tcp, HTTP_PROBLEM_OVERLOADED,
                        "too many requests under way; see http.active_requests");
            return;
        }
        memset(&http->request, 0, offsetof(struct api_request, request_id));
        http->request.version_minor = 1;
        http->request.route = ROUTE_REFUSED;
        give_request_id(handler, &http->request);
        http->state = HTTP_READING_HEAD;
        http->started_ns = handler->time.now_ns;
        connection_deadline(handler, tcp, handler->config.server->http.head_timeout_ms);
    }
    http->head_bytes_seen = tcp_receive_bytes(tcp);
}

/*
 * A head can only have become complete when a new line feed came: so a slow sender costs one look
 * per line.
 */
static bool may_be_complete_now(struct api_handler *handler, const struct http_connection *http)
{
    uint32_t fresh =
        tcp_receive_peek(http->tcp, http->head_bytes_seen, handler->scratch, API_SCRATCH_BYTES);
    return memchr(handler->scratch, '\n', fresh) != NULL ||
           http->head_bytes_seen + fresh > handler->limits.request_line_bytes_max;
}

/* Parses the head at the front of the receive queue; in pieces, it is put together first. */
static enum http_parse_status parse_front(struct api_handler *handler, struct tcp_connection *tcp,
                                          const uint8_t **head)
{
    uint32_t run_bytes = tcp_receive_run(tcp, head);
    enum http_parse_status status = handler->parsed_status;
    if (handler->parsed_front != tcp)
        status = http_parse_request(*head, run_bytes, &handler->limits, &handler->http);
    handler->parsed_front = NULL;
    if (status != HTTP_PARSE_PARTIAL || tcp_receive_bytes(tcp) == run_bytes)
        return status;
    uint32_t bytes = tcp_receive_peek(tcp, 0, handler->scratch, API_SCRATCH_BYTES);
    *head = handler->scratch;
    return http_parse_request(handler->scratch, bytes, &handler->limits, &handler->http);
}

static bool keep_echo_head(struct api_handler *handler, struct http_connection *http,
                           const uint8_t *head, uint32_t head_bytes)
{
    uint32_t capacity = head_bytes + 1;
    if (api_request_has_body(&http->request) && capacity < BODY_GROWING_BYTES)
        capacity = BODY_GROWING_BYTES;
    http->body = blob_create(handler->config.stock, capacity);
    if (!http->body)
        return false;
    handler->body_bytes_reserved += http->body->capacity_bytes;
    blob_append(http->body, head, head_bytes);
    http->prefix_bytes = head_bytes;
    return true;
}

static struct http_connection *keep_request(struct api_handler *handler, struct tcp_connection *tcp)
{
    struct http_connection *http = connection_state(tcp);
    if (!http)
        http = connection_state_take(handler, tcp);
    if (!http)
        return NULL;
    if (http->started_ns == 0)
        http->started_ns = handler->time.now_ns;
    http->head_ns = handler->time.now_ns;
    api_request_copy(&http->request, &handler->request);
    return http;
}

static void count_request_of(struct api_handler *handler, struct tcp_connection *tcp)
{
    if (!connection_may_ask(handler, tcp, 1)) {
        handler->request.must_close = true;
        count(handler->config.counters, COUNTER_HTTP_CONNECTIONS_SPENT);
    }
    connection_count_requests(tcp, 1);
}

/* Configured, not negotiated: until there is TLS an operator must say that a listener is safe. */
static bool is_trusted(const struct api_handler *handler, const struct tcp_connection *tcp)
{
    const struct server_config *server = handler->config.server;
    for (uint32_t i = 0; i < server->listeners_count; i++)
        if (server->listeners[i].port == tcp_local_port(tcp))
            return server->listeners[i].trusted;
    return false;
}

static enum http_problem check_access(struct api_handler *handler, const struct tcp_connection *tcp,
                                      enum http_problem problem, const char **detail)
{
    const char *why = NULL;
    enum http_problem refusal =
        api_access_check(handler->settings, is_trusted(handler, tcp), handler->time.wall_ms / 1000,
                         &handler->http, &handler->request, &why);
    if (LIKELY(refusal == HTTP_PROBLEM_NONE))
        return problem;
    *detail = why;
    return refusal;
}

static void read_trace(struct api_handler *handler)
{
    handler->request.trace = http_trace_read(&handler->http);
    if (handler->request.trace.verdict == HTTP_TRACE_BAD)
        count(handler->config.counters, COUNTER_TRACE_PARENTS_BAD);
}

/* What was wrong with it so far is not worth more than its being one too many. */
static NO_INLINE enum http_problem check_limits(struct api_handler *handler,
                                                const struct tcp_connection *tcp,
                                                enum http_problem problem, const char **detail)
{
    struct limit_desk desk = {.table = handler->config.limit_table,
                              .refused = handler->config.limited_clients,
                              .counters = handler->config.counters,
                              .key = handler->config.siphash_key};
    struct proxy_client client = client_address(handler, tcp);
    enum http_problem refusal =
        api_limits_charge(handler->settings, &desk, &client, handler->time.now_ns,
                          handler->time.wall_ms, &handler->request);
    if (LIKELY(refusal == HTTP_PROBLEM_NONE))
        return problem;
    *detail = "violated-policies names the limits, RateLimit-Policy says what they are";
    return refusal;
}

/* The head in handler->http is good: check it, keep it, go on with its body. */
static void take_request(struct api_handler *handler, struct tcp_connection *tcp,
                         const uint8_t *head)
{
    struct api_request *request = &handler->request;
    const char *detail;
    enum http_problem problem =
        api_request_read(handler->routes, handler->config.server, &handler->http,
                         handler->time.wall_ms, request, &detail);
    problem = check_access(handler, tcp, problem, &detail);
    if (UNLIKELY(handler->config.access_ring != NULL))
        read_trace(handler);
    if (UNLIKELY(handler->settings->limits != NULL))
        problem = check_limits(handler, tcp, problem, &detail);
    api_access_keep_client(handler->settings, request);
    uint32_t head_bytes = handler->http.head_bytes;
    give_request_id(handler, request);
    if (UNLIKELY(handler->has_last_answers))
        count_request_of(handler, tcp);
    struct http_connection *http = NULL;
    if (problem == HTTP_PROBLEM_NONE) {
        http = keep_request(handler, tcp);
        if (!http) {
            problem = HTTP_PROBLEM_OVERLOADED;
            detail = "too many requests under way; see http.active_requests";
        } else if (request->route == ROUTE_ECHO &&
                   !keep_echo_head(handler, http, head, head_bytes)) {
            problem = HTTP_PROBLEM_OVERLOADED;
            detail = "no memory for values; see memory.values_mib";
        }
    }
    tcp_receive_consume(handler->config.tcp, tcp, head_bytes);
    if (problem == HTTP_PROBLEM_NONE) {
        body_begin(handler, http);
        return;
    }
    if (api_request_has_body(request))
        request->must_close =
            true; /* its body is not read: where the next request starts is unknown */
    answer_problem(handler, tcp, request, problem, detail, 0);
}

void request_serve_one(struct api_handler *handler, struct tcp_connection *tcp)
{
    struct http_connection *http = connection_state(tcp);
    if (http && http->state == HTTP_READING_HEAD && !tcp_peer_is_closed(tcp) &&
        !may_be_complete_now(handler, http)) {
        http->head_bytes_seen = tcp_receive_bytes(tcp);
        return;
    }
    const uint8_t *head;
    switch (parse_front(handler, tcp, &head)) {
    case HTTP_PARSE_DONE:
        take_request(handler, tcp, head);
        break;
    case HTTP_PARSE_PARTIAL:
        wait_for_head(handler, tcp);
        break;
    case HTTP_PARSE_BAD:
        count(handler->config.counters, COUNTER_HTTP_BAD_REQUESTS);
        refuse_head(handler, tcp, problem_of_parser(handler->http.bad_status),
                    handler->http.bad_reason);
        break;
    }
}

/* ---- events ---- */

static void on_readable(struct api_handler *handler, struct tcp_connection *tcp)
{
    struct http_connection *http = connection_state(tcp);
    if (connection_is_closing(tcp)) {
        tcp_receive_consume(handler->config.tcp, tcp, tcp_receive_bytes(tcp));
        return;
    }
    if (UNLIKELY(handler->proxied != NULL) && !proxy_may_go_on(handler, tcp))
        return;
    if (http && http->state != HTTP_READING_HEAD) {
        if (http->state == HTTP_READING_SMALL || http->state == HTTP_READING_BODY)
            body_continue(handler, http);
        return; /* otherwise the bytes wait in the queue, and the window closes on the sender */
    }
    if (tcp_receive_bytes(tcp) == 0)
        return;
    if (tcp_send_room(tcp) == 0)
        return; /* the client does not read its answers: TCP_EVENT_WRITABLE brings us back */
    if (http || !hits_collect(handler, tcp))
        request_serve_one(handler, tcp);
}

/*
 * The peer sends nothing more: an incomplete request ends here, a complete one is still answered.
 */
static void on_peer_closed(struct api_handler *handler, struct tcp_connection *tcp)
{
    struct http_connection *http = connection_state(tcp);
    if (connection_is_closing(tcp))
        return;
    if (http && (http->state == HTTP_WAITING_STORE || http->state == HTTP_WAITING_TASK ||
                 http->state == HTTP_WAITING_MEMORY))
        return; /* connection_go_on closes after the answer */
    if (tcp_receive_bytes(tcp) > 0) {
        if (!http || http->state == HTTP_READING_BODY)
            return; /* hits of this batch, or more of a body than a round takes */
        if (http->state == HTTP_READING_HEAD && tcp_send_room(tcp) == 0)
            return; /* requests wait until the client has read its answers */
    }
    if (http)
        connection_state_drop(handler, http);
    connection_close(handler, tcp);
}

static void on_opened(struct api_handler *handler, struct tcp_connection *tcp)
{
    connection_rest(handler, tcp);
    if (UNLIKELY(handler->proxied != NULL) && proxy_is_expected(handler, tcp))
        connection_deadline(handler, tcp, handler->config.server->http.head_timeout_ms);
    if (UNLIKELY(handler->is_draining) && tcp_receive_bytes(tcp) == 0)
        connection_close(handler, tcp); /* its handshake began before the drain */
}

/* What came in the same round made the deadline that passed a thing of the past. */
static bool has_moved_on(const struct api_handler *handler, const struct tcp_connection *tcp)
{
    bool has_hits = handler->hit_count > 0 && handler->hits[handler->hit_count - 1].tcp == tcp;
    return has_hits || tcp_has_deadline(tcp);
}

static void on_events(struct api_handler *handler, struct tcp_connection *tcp, uint32_t events)
{
    if (UNLIKELY(events & TCP_EVENT_GONE)) {
        struct http_connection *http = connection_state(tcp);
        if (http)
            connection_state_drop(handler, http);
        return;
    }
    if (UNLIKELY(events & TCP_EVENT_OPENED))
        on_opened(handler, tcp);
    if (LIKELY(events & (TCP_EVENT_READABLE | TCP_EVENT_WRITABLE)))
        on_readable(handler, tcp);
    if (UNLIKELY(events & TCP_EVENT_TIMER) && !has_moved_on(handler, tcp))
        connection_on_timer(handler, tcp);
    if (UNLIKELY(events & TCP_EVENT_PEER_CLOSED))
        on_peer_closed(handler, tcp);
}

static void close_idle_connections(struct api_handler *handler)
{
    for (uint32_t i = 0; i < DRAIN_WALK; i++) {
        struct tcp_connection *tcp = tcp_next_open(handler->config.tcp, &handler->drain_cursor);
        if (!tcp) {
            handler->is_drain_walk_done = true;
            return;
        }
        if (!connection_state(tcp) && !connection_is_closing(tcp) && tcp_receive_bytes(tcp) == 0)
            connection_close(handler, tcp);
    }
}

uint32_t api_handle_ready(struct api_handler *handler)
{
    struct tcp_connection *ready[READY_BATCH];
    uint32_t count_ready = tcp_take_ready(handler->config.tcp, ready, READY_BATCH);
    for (uint32_t i = 0; i < count_ready; i++)
        on_events(handler, ready[i], tcp_events(ready[i]));
    hits_serve(handler);
    if (UNLIKELY(handler->memory_queue != NULL))
        body_memory_serve_queue(handler);
    if (UNLIKELY(handler->is_draining && !handler->is_drain_walk_done))
        close_idle_connections(handler);
    return count_ready;
}

void api_use_settings(struct api_handler *handler, const struct live_settings *settings)
{
    const struct server_config *server = &settings->config;
    handler->settings = settings;
    handler->config.server = server;
    handler->routes = settings->routes;
    uint64_t body_bytes = server->http.body_memory_mib << 20;
    /* lint-allow: division: once per reload */
    handler->body_bytes_budget = body_bytes / handler->config.worker_count;
    handler->limits = (struct http_limits){
        .request_line_bytes_max = (uint32_t)server->http.request_line_max,
        .head_bytes_max = (uint32_t)server->http.head_max,
        .fields_max = (uint32_t)server->http.fields_max,
    };
    handler->has_last_answers = handler->is_draining || server->http.requests_per_connection > 0;
    handler->repeat = (struct http_repeat){.latest = 0}; /* learned under the limits of before */
}

void api_begin_round(struct api_handler *handler, const struct round_time *time)
{
    handler->time = *time;
    http_clock_update(&handler->clock, time->wall_ms);
    hits_update_clock(handler);
}

void api_drain(struct api_handler *handler)
{
    handler->is_draining = handler->has_last_answers = true;
}

/* ---- life ---- */

static bool expects_proxies(const struct server_config *server)
{
    for (uint32_t i = 0; i < server->listeners_count; i++)
        if (server->listeners[i].proxy_protocol == CONFIG_PROXY_PROTOCOL_V2)
            return true;
    return false;
}

int api_create(const struct api_config *config, const struct live_settings *settings,
               struct api_handler **out)
{
    uint64_t pool = config->server->http.active_requests;
    struct api_handler *handler = calloc(1, sizeof(*handler));
    if (!handler)
        return -ENOMEM;
    handler->config = *config;
    handler->connections =
        aligned_alloc(CACHE_LINE_BYTES, (pool * sizeof(struct http_connection) + 63) / 64 * 64);
    if (expects_proxies(config->server))
        handler->proxied = calloc(config->server->tcp.connections, sizeof(handler->proxied[0]));
    if (!handler->connections || (expects_proxies(config->server) && !handler->proxied)) {
        api_destroy(handler);
        return -ENOMEM;
    }
    for (uint64_t i = pool; i-- > 0;) {
        handler->connections[i].next = handler->free_connections;
        handler->free_connections = &handler->connections[i];
    }
    handler->memory_queue_end = &handler->memory_queue;
    api_use_settings(handler, settings);
    struct random random = {.state = config->random_seed};
    http_clock_init(&handler->clock, random_u64(&random));
    hits_init(handler);
    *out = handler;
    return 0;
}

void api_destroy(struct api_handler *handler)
{
    if (!handler)
        return;
    free(handler->proxied);
    free(handler->connections);
    free(handler);
}
