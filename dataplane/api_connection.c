/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool of waiting requests, and what happens when a connection's deadline passes. */
#include "dataplane/api_state.h"
#include "dataplane/tcp.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/server_config.h"

#define CLOSING_TIMEOUT_MS 2000u

struct http_connection *connection_state_take(struct api_handler *handler,
                                              struct tcp_connection *tcp)
{
    struct http_connection *http = handler->free_connections;
    if (!http) {
        count(handler->config.counters, COUNTER_HTTP_ACTIVE_FULL);
        return NULL;
    }
    handler->free_connections = http->next;
    memset(http, 0, offsetof(struct http_connection, request));
    http->tcp = tcp;
    http->requests = (uint32_t)(tcp_user(tcp) >> CONNECTION_REQUESTS_SHIFT);
    tcp_set_user(tcp, (uint64_t)(uintptr_t)http);
    return http;
}

static uint32_t requests_of(const struct tcp_connection *tcp)
{
    const struct http_connection *http = connection_state(tcp);
    return http ? http->requests : (uint32_t)(tcp_user(tcp) >> CONNECTION_REQUESTS_SHIFT);
}

bool connection_may_ask(const struct api_handler *handler, const struct tcp_connection *tcp,
                        uint32_t more)
{
    uint64_t limit = handler->config.server->http.requests_per_connection;
    return limit == 0 || requests_of(tcp) + more < limit;
}

void connection_count_requests(struct tcp_connection *tcp, uint32_t more)
{
    struct http_connection *http = connection_state(tcp);
    if (http)
        http->requests += more;
    else
        tcp_set_user(tcp, (tcp_user(tcp) | CONNECTION_COUNTED) +
                              ((uint64_t)more << CONNECTION_REQUESTS_SHIFT));
}

static void put_back(struct api_handler *handler, struct http_connection *http)
{
    http->next = handler->free_connections;
    handler->free_connections = http;
}

/*
 * The request is over, or its client is gone. An operation under way comes home by itself and finds
 * nobody; its body's share of memory is given back then.
 */
void connection_state_drop(struct api_handler *handler, struct http_connection *http)
{
    ASSERT_HOT(http->tcp);
    if (http->body) {
        body_memory_release(handler, http->body->capacity_bytes);
        blob_release(handler->config.stock, http->body);
        http->body = NULL;
    }
    uint64_t requests = http->requests;
    tcp_set_user(http->tcp,
                 requests ? requests << CONNECTION_REQUESTS_SHIFT | CONNECTION_COUNTED : 0);
    http->tcp = NULL;
    if (!http->is_queued)
        put_back(handler, http);
}

/* Every request waits for memory in a queue; those whose client left are removed here. */
void body_memory_serve_queue(struct api_handler *handler)
{
    for (uint32_t tries = 0; tries < 4 && handler->memory_queue; tries++) {
        struct http_connection *http = handler->memory_queue;
        bool is_gone = http->tcp == NULL;
        if (!is_gone && handler->body_bytes_reserved + http->request.content_length >
                            handler->body_bytes_budget)
            return; /* strictly in order: a large body is not starved by small ones */
        handler->memory_queue = http->next;
        if (!handler->memory_queue)
            handler->memory_queue_end = &handler->memory_queue;
        http->is_queued = false;
        if (is_gone)
            put_back(handler, http);
        else
            body_begin(handler, http);
    }
}

void connection_deadline(struct api_handler *handler, struct tcp_connection *tcp, uint64_t after_ms)
{
    tcp_set_deadline(handler->config.tcp, tcp, handler->time.now_ns + after_ms * NS_PER_MS);
}

/*
 * Long before a time can be over: at the first look it is seen how much the client has read, at the
 * second whether that is still so.
 */
static uint64_t first_look_ms(const struct server_config *server)
{
    uint64_t idle_ms = server->http.idle_timeout_ms, write_ms = server->http.write_timeout_ms;
    return (idle_ms < write_ms ? idle_ms : write_ms) / 8;
}

void connection_rest(struct api_handler *handler, struct tcp_connection *tcp)
{
    connection_deadline(handler, tcp, first_look_ms(handler->config.server));
}

/* No request under way: the client reads slowly, is being closed, or has nothing more to ask. */
static void on_idle_timer(struct api_handler *handler, struct tcp_connection *tcp)
{
    const struct server_config *server = handler->config.server;
    uint64_t user = tcp_user(tcp);
    uint64_t closing = user & CONNECTION_CLOSING;
    uint64_t counted = user >> CONNECTION_REQUESTS_SHIFT << CONNECTION_REQUESTS_SHIFT |
                       (user & CONNECTION_COUNTED);
    bool has_to_read = tcp_unacknowledged(tcp) > 0;
    uint64_t mark = (uint64_t)tcp_acknowledged(tcp) << CONNECTION_MARK_SHIFT | closing | counted |
                    CONNECTION_PROGRESS_MARK | (has_to_read ? CONNECTION_HAS_TO_READ : 0);
    if (user != mark && (has_to_read || !closing)) {
        tcp_set_user(tcp, mark);
        connection_deadline(handler, tcp,
                            has_to_read ? server->http.write_timeout_ms
                                        : server->http.idle_timeout_ms - first_look_ms(server));
        return;
    }
    count(handler->config.counters, COUNTER_HTTP_TIMEOUTS);
    if (has_to_read || closing) {
        tcp_abort(handler->config.tcp, tcp);
        return;
    }
    tcp_set_user(tcp, CONNECTION_CLOSING);
    tcp_close(handler->config.tcp, tcp);
    connection_deadline(handler, tcp, CLOSING_TIMEOUT_MS);
}

/*
 * The answer is queued and was the last one: what still comes is thrown away until the peer's FIN.
 */
void connection_close(struct api_handler *handler, struct tcp_connection *tcp)
{
    tcp_set_user(tcp, CONNECTION_CLOSING);
    tcp_receive_consume(handler->config.tcp, tcp, tcp_receive_bytes(tcp));
    tcp_close(handler->config.tcp, tcp);
    connection_deadline(handler, tcp, CLOSING_TIMEOUT_MS);
}

/*
 * The answer is queued and the connection goes on: with the next request, if it is there already.
 */
void connection_go_on(struct api_handler *handler, struct tcp_connection *tcp)
{
    connection_rest(handler, tcp);
    if (tcp_receive_bytes(tcp) > 0)
        tcp_make_ready(handler->config.tcp, tcp, TCP_EVENT_READABLE);
    else if (UNLIKELY(tcp_peer_is_closed(tcp)))
        connection_close(handler, tcp);
}

static void on_body_timer(struct api_handler *handler, struct http_connection *http)
{
    const struct server_config *server = handler->config.server;
    uint32_t received = http->body_bytes;
    if (http->state == HTTP_READING_SMALL)
        received = tcp_receive_bytes(http->tcp);
    uint64_t needed = server->http.body_rate_min * server->http.body_rate_over_ms / 1000;
    if (received - http->body_bytes_checked >= needed) {
        http->body_bytes_checked = received;
        connection_deadline(handler, http->tcp, server->http.body_rate_over_ms);
        return;
    }
    struct tcp_connection *tcp = http->tcp;
    count(handler->config.counters, COUNTER_HTTP_TIMEOUTS);
    http->request.must_close = true;
    answer_problem(handler, tcp, &http->request, HTTP_PROBLEM_TOO_SLOW,
                   "the body came slower than http.body_rate_min", 0);
}

void connection_on_timer(struct api_handler *handler, struct tcp_connection *tcp)
{
    struct http_connection *http = connection_state(tcp);
    if (!http) {
        if (UNLIKELY(handler->proxied != NULL) && proxy_gives_up(handler, tcp))
            return;
        on_idle_timer(handler, tcp);
        return;
    }
    switch ((enum http_state)http->state) {
    case HTTP_READING_HEAD:
        count(handler->config.counters, COUNTER_HTTP_TIMEOUTS);
        http->request.must_close = true;
        answer_problem(handler, tcp, &http->request, HTTP_PROBLEM_TOO_SLOW,
                       "the request head was not complete within http.head_timeout_ms", 0);
        break;
    case HTTP_READING_SMALL:
    case HTTP_READING_BODY:
        on_body_timer(handler, http);
        break;
    case HTTP_WAITING_MEMORY:
        http->request.must_close = true;
        answer_problem(handler, tcp, &http->request, HTTP_PROBLEM_OVERLOADED,
                       "no memory for the body; see http.body_memory_mib", 0);
        break;
    case HTTP_WAITING_TASK:
        count(handler->config.counters, COUNTER_HTTP_TASK_TIMEOUTS);
        answer_problem(handler, tcp, &http->request,
                       api_request_is_read(&http->request) ? HTTP_PROBLEM_OVERLOADED
                                                           : HTTP_PROBLEM_STORE_TIMEOUT,
                       "not done within tasks.timeout_ms", 0);
        break;
    case HTTP_WAITING_STORE:
        /* The operation comes home later and finds nobody. A read can simply be tried again. */
        count(handler->config.counters, COUNTER_HTTP_STORE_TIMEOUTS);
        if (api_request_is_read(&http->request))
            store_failed(handler, http, HTTP_PROBLEM_OVERLOADED,
                         "storage did not answer within store.request_timeout_ms");
        else
            store_failed(handler, http, HTTP_PROBLEM_STORE_TIMEOUT, NULL);
        break;
    }
}

/* ---- how long it took ---- */

static uint32_t microseconds(uint64_t from_ns, uint64_t to_ns)
{
    uint64_t passed_us = from_ns != 0 && to_ns > from_ns ? (to_ns - from_ns) / NS_PER_US : 0;
    return passed_us < UINT32_MAX ? (uint32_t)passed_us : UINT32_MAX;
}

struct stage_times stage_times_of(const struct api_handler *handler,
                                  const struct http_connection *http)
{
    if (!http)
        return (struct stage_times){.all_us = 0};
    uint64_t now_ns = handler->time.now_ns;
    uint64_t head_ns = http->head_ns ? http->head_ns : now_ns;
    uint64_t body_ns = http->body_ns ? http->body_ns : now_ns;
    return (struct stage_times){.head_us = microseconds(http->started_ns, head_ns),
                                .body_us = microseconds(head_ns, body_ns),
                                .store_us = microseconds(body_ns, now_ns),
                                .all_us = microseconds(http->started_ns, now_ns)};
}
