/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Request bodies: where their bytes go, how much memory they may take, and when they are complete.
 */
#include "dataplane/api_state.h"
#include "dataplane/response_cache.h"
#include "dataplane/tcp.h"
#include "include/counters.h"
#include "include/server_config.h"

#define BODY_BYTES_PER_ROUND                                                                       \
    (256u << 10) /* of one connection: the others wait no longer than that copy */
#define DISCARD_BYTES_MAX (64u << 10) /* of a body that nobody asked for */

void body_memory_release(struct api_handler *handler, uint64_t bytes)
{
    handler->body_bytes_reserved -= bytes;
}

static void refuse(struct api_handler *handler, struct http_connection *http,
                   enum http_problem problem, const char *detail)
{
    http->request.must_close = true; /* the rest of the body is not worth reading */
    answer_problem(handler, http->tcp, &http->request, problem, detail, 0);
}

static void wait_for_memory(struct api_handler *handler, struct http_connection *http)
{
    http->state = HTTP_WAITING_MEMORY;
    http->is_queued = true;
    http->next = NULL;
    *handler->memory_queue_end = http;
    handler->memory_queue_end = &http->next;
    connection_deadline(handler, http->tcp, handler->config.server->http.head_timeout_ms);
}

/* Value memory is shared with the cache: when it is short, the cache gives way. */
static struct blob *make_blob(struct api_handler *handler, uint32_t bytes)
{
    struct blob *blob = blob_create(handler->config.stock, bytes);
    if (!blob && response_cache_shrink(handler->config.cache, handler->config.worker, bytes) > 0)
        blob = blob_create(handler->config.stock, bytes);
    if (blob)
        handler->body_bytes_reserved += blob->capacity_bytes;
    return blob;
}

static bool grow_blob(struct api_handler *handler, struct blob *blob, uint32_t needed_bytes)
{
    uint32_t before = blob->capacity_bytes;
    uint32_t target = before > needed_bytes / 2 ? before * 2 : needed_bytes;
    if (target > handler->config.server->http.body_max + BODY_GROWING_BYTES)
        target = needed_bytes;
    if (handler->body_bytes_reserved + (target - before) > handler->body_bytes_budget ||
        !blob_reserve(handler->config.stock, blob, target))
        return false;
    handler->body_bytes_reserved += blob->capacity_bytes - before;
    return true;
}

static bool stays_in_receive_queue(const struct http_connection *http)
{
    const struct api_request *request = &http->request;
    uint32_t room = OPERATION_INLINE_BYTES - request->key_bytes - request->attributes_bytes;
    return request->route == ROUTE_VALUE && request->method == HTTP_PUT &&
           request->task == API_TASK_NONE && !request->is_chunked &&
           request->content_length <= room;
}

static bool wants_content(const struct api_request *request)
{
    return request->route == ROUTE_ECHO || api_task_takes_body(request->task) ||
           (request->route == ROUTE_VALUE && request->method == HTTP_PUT);
}

static void start_reading(struct api_handler *handler, struct http_connection *http)
{
    http->body_left = http->request.content_length;
    connection_deadline(handler, http->tcp, handler->config.server->http.body_rate_over_ms);
    if (http->request.expects_continue && tcp_receive_bytes(http->tcp) == 0)
        answer_continue(handler, http->tcp);
    body_continue(handler, http);
}

/* The head is consumed and distilled into http->request; now its body, if it has one. */
void body_begin(struct api_handler *handler, struct http_connection *http)
{
    const struct api_request *request = &http->request;
    bool has_body = api_request_has_body(request);
    bool needs_blob = wants_content(request) && request->task == API_TASK_NONE;
    if (!has_body && !http->prefix_bytes && !needs_blob) {
        request_complete(handler, http);
        return;
    }
    if (stays_in_receive_queue(http)) {
        http->state = HTTP_READING_SMALL;
        start_reading(handler, http);
        return;
    }
    http->state = HTTP_READING_BODY;
    if (!wants_content(request)) {
        http->is_discarding = true;
        if (request->content_length > DISCARD_BYTES_MAX)
            refuse(handler, http, HTTP_PROBLEM_BODY_TOO_LARGE, "this method takes no body");
        else
            start_reading(handler, http);
        return;
    }
    if (http->body) { /* the echoed head is in it already */
        if (request->content_length &&
            !grow_blob(handler, http->body, http->prefix_bytes + (uint32_t)request->content_length))
            refuse(handler, http, HTTP_PROBLEM_OVERLOADED, "no memory for the body");
        else
            start_reading(handler, http);
        return;
    }
    uint64_t needed = request->is_chunked ? BODY_GROWING_BYTES : request->content_length;
    if (needed > handler->body_bytes_budget) {
        refuse(handler, http, HTTP_PROBLEM_BODY_TOO_LARGE, "larger than http.body_memory_mib");
        return;
    }
    if (handler->body_bytes_reserved + needed > handler->body_bytes_budget) {
        count(handler->config.counters, COUNTER_HTTP_BODY_MEMORY_WAITS);
        wait_for_memory(handler, http);
        return;
    }
    http->body = make_blob(handler, (uint32_t)needed);
    if (!http->body)
        refuse(handler, http, HTTP_PROBLEM_OVERLOADED,
               "no memory for values; see memory.values_mib");
    else
        start_reading(handler, http);
}

/* Keeps or throws away body bytes; false when the request was refused. */
static bool store_bytes(struct api_handler *handler, struct http_connection *http,
                        const uint8_t *bytes, uint32_t length)
{
    http->body_bytes += length;
    if (http->is_discarding) {
        if (http->body_bytes <= DISCARD_BYTES_MAX)
            return true;
        refuse(handler, http, HTTP_PROBLEM_BODY_TOO_LARGE, "this method takes no body");
        return false;
    }
    uint64_t limit = http->request.body_max;
    if (http->body_bytes > limit) {
        refuse(handler, http, HTTP_PROBLEM_BODY_TOO_LARGE,
               "larger than http.body_max, tasks.body_max or value_max");
        return false;
    }
    struct blob *blob = http->body;
    if (blob->length_bytes + length > blob->capacity_bytes &&
        !grow_blob(handler, blob, blob->length_bytes + length)) {
        refuse(handler, http, HTTP_PROBLEM_OVERLOADED, "no memory for the body");
        return false;
    }
    blob_append(blob, bytes, length);
    return true;
}

enum body_progress { BODY_COMPLETE, BODY_NEEDS_MORE, BODY_REFUSED };

static enum body_progress take_length_run(struct api_handler *handler, struct http_connection *http,
                                          const uint8_t *run, uint32_t run_bytes, uint32_t *used)
{
    uint32_t take = run_bytes < http->body_left ? run_bytes : (uint32_t)http->body_left;
    if (!store_bytes(handler, http, run, take))
        return BODY_REFUSED;
    http->body_left -= take;
    *used = take;
    return http->body_left == 0 ? BODY_COMPLETE : BODY_NEEDS_MORE;
}

static enum body_progress take_chunked_run(struct api_handler *handler,
                                           struct http_connection *http, const uint8_t *run,
                                           uint32_t run_bytes, uint32_t *used)
{
    struct http_slice body = {0};
    enum http_parse_status status = http_chunked_next(&http->chunked, run, run_bytes, used, &body);
    if (status == HTTP_PARSE_BAD) {
        refuse(handler, http, HTTP_PROBLEM_MALFORMED,
               "the chunked coding is broken (RFC 9112 7.1)");
        return BODY_REFUSED;
    }
    if (body.bytes > 0 && !store_bytes(handler, http, body.at, body.bytes))
        return BODY_REFUSED;
    return status == HTTP_PARSE_DONE ? BODY_COMPLETE : BODY_NEEDS_MORE;
}

/* The rest of the body will never come: the request is as if it had never been sent. */
static void end_when_cut_off(struct api_handler *handler, struct http_connection *http)
{
    struct tcp_connection *tcp = http->tcp;
    if (LIKELY(!tcp_peer_is_closed(tcp)))
        return;
    connection_state_drop(handler, http);
    connection_close(handler, tcp);
}

void body_continue(struct api_handler *handler, struct http_connection *http)
{
    struct tcp_stack *stack = handler->config.tcp;
    struct tcp_connection *tcp = http->tcp;
    if (http->state == HTTP_READING_SMALL) {
        if (tcp_receive_bytes(tcp) < http->body_left) {
            end_when_cut_off(handler, http);
            return;
        }
        http->unread_bytes = (uint32_t)http->body_left;
        request_complete(handler, http);
        return;
    }
    if (!api_request_has_body(&http->request)) {
        request_complete(handler, http);
        return;
    }
    const uint8_t *run;
    uint32_t run_bytes, taken = 0;
    while ((run_bytes = tcp_receive_run(tcp, &run)) > 0) {
        if (taken >= BODY_BYTES_PER_ROUND) {
            tcp_make_ready(stack, tcp, TCP_EVENT_READABLE);
            return;
        }
        uint32_t used = 0;
        enum body_progress progress = http->request.is_chunked
                                          ? take_chunked_run(handler, http, run, run_bytes, &used)
                                          : take_length_run(handler, http, run, run_bytes, &used);
        if (progress == BODY_REFUSED)
            return; /* answered; the state is gone */
        tcp_receive_consume(stack, tcp, used);
        taken += used + 1; /* plus one: a run that gives nothing counts as well */
        if (progress == BODY_COMPLETE) {
            request_complete(handler, http);
            return;
        }
    }
    end_when_cut_off(handler, http);
}
