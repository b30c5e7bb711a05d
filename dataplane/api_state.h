/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * api_state.h - private to the api_*.c files: what a worker remembers about requests under way.
 *
 * Purpose:   the handler's own state, and one http_connection per request that has to wait.
 * Ownership: the worker's api_handler owns all of it; http_connections come from a fixed pool. A
 *            connection that is idle, or whose requests are answered at once, has none.
 * Threading: one worker.
 * Units:     bytes; _ns monotone.
 * Errors:    no free http_connection: 503, counted.
 * Source:    ARCHITECTURE.md, a request's journey.
 */
#ifndef GANNET_API_STATE_H
#define GANNET_API_STATE_H

#include <stdalign.h>

#include "dataplane/api_handler.h"
#include "dataplane/api_request.h"
#include "dataplane/http_date.h"
#include "dataplane/http_repeat.h"
#include "dataplane/proxy_header.h"
#include "dataplane/tcp.h"
#include "dataplane/value_head.h"
#include "include/access_ring.h"
#include "include/blob.h"
#include "include/clock.h"

struct api_task;
struct cache_bucket;
struct live_settings;
struct cache_entry;
struct tcp_connection;

#define API_OUTPUT_BYTES 131072u /* heads, problems, small values, namespaces, the document */
#define API_SCRATCH_BYTES 32768u /* a head that came in pieces; http.head_max is at most this */
/* A blob that will grow begins with large chunks: small ones hold 16 MiB at most. */
#define BODY_GROWING_BYTES (BLOB_SMALL_LIMIT_BYTES + 1)
#define HIT_BATCH 64u
#define PIPELINE_MAX 16u   /* requests of one connection looked at in one go */
#define KEY_STEP_BYTES 16u /* keys are copied in steps */

enum http_state {
    HTTP_READING_HEAD = 0, /* an incomplete head waits in the receive queue */
    HTTP_READING_SMALL,    /* the body stays in the receive queue until it is complete */
    HTTP_READING_BODY,     /* the body goes into a blob as it comes, or is thrown away */
    HTTP_WAITING_MEMORY,   /* for its share of http.body_memory_mib; the TCP window closes then */
    HTTP_WAITING_STORE,    /* an operation is under way */
    HTTP_WAITING_TASK,     /* a task thread has it */
};

struct http_connection {
    alignas(16) struct tcp_connection *tcp; /* NULL: gone, but still in the memory queue */
    struct http_connection *next;
    struct shard_operation *operation;
    struct api_task *task;
    struct blob *body;
    uint64_t started_ns, head_ns, body_ns; /* first bytes seen; head, body complete: for the log */
    uint64_t body_left;                    /* of Content-Length */
    uint64_t body_checked_ns;              /* body rate: when it was looked at last */
    uint32_t body_bytes;                   /* received so far */
    uint32_t body_bytes_checked;
    uint32_t prefix_bytes; /* of the blob: the echoed head in front of the body */
    uint32_t unread_bytes; /* of a complete small body: still in the receive queue */
    uint32_t head_bytes_seen;
    uint32_t requests; /* of this connection so far, when they are counted */
    uint8_t state;     /* enum http_state */
    bool is_discarding;
    bool is_queued; /* in the memory queue */
    struct http_chunked chunked;
    struct api_request request;
};

/* A GET that the cache can probably answer: looked up a few stages after it was parsed. */
struct api_hit {
    struct tcp_connection *tcp;
    uint64_t hash;
    const struct cache_bucket *bucket;
    const struct cache_entry *guess;
    uint32_t head_bytes;
    uint32_t key_bytes;
    uint8_t key[VALUE_KEY_BYTES_MAX + KEY_STEP_BYTES];
};

/*
 * Status line to Request-Id of a plain hit, ready-made but for the end of the id. A namespace with
 * another Cache-Control is not answered this way (api_settings.c).
 */
#define HIT_STATUS_TO_DATE "HTTP/1.1 200 OK\r\nServer: gannet\r\nDate: "
#define HIT_CACHE_STATUS "\r\nCache-Status: gannet; hit"
#define HIT_AGE_TO_ID                                                                              \
    "\r\nAge: 0\r\nAccept-Ranges: bytes\r\nCache-Control: " CACHE_CONTROL_DEFAULT "\r\nRequest-"   \
    "Id: "
struct hit_head {
    uint8_t status_to_date[sizeof(HIT_STATUS_TO_DATE) - 1];
    uint8_t date[HTTP_DATE_BYTES];
    uint8_t cache_status[sizeof(HIT_CACHE_STATUS) - 1];
    uint8_t age_to_id[sizeof(HIT_AGE_TO_ID) - 1];
    uint8_t id_prefix[8];
    uint8_t id_number[8];
    uint8_t line_end[2];
};

/* A connection whose balancer has said who its client is. */
struct proxied {
    uint64_t handle; /* of the connection that has this slot now, or had */
    struct proxy_client client;
};

struct api_handler {
    struct api_config config;
    struct proxied *proxied; /* by number of the connection; NULL: no listener expects the header */
    const struct live_settings *settings;
    const struct route_table *routes; /* of the settings, as config.server is */
    struct http_limits limits;
    struct http_repeat repeat;
    const struct tcp_connection *parsed_front; /* `http` is of the front of its queue; NULL: no */
    enum http_parse_status parsed_status;      /* what the parser said of that */
    struct http_clock clock;
    struct round_time time;
    struct http_connection *connections; /* the pool */
    struct http_connection *free_connections;
    struct http_connection *memory_queue, **memory_queue_end;
    uint64_t body_bytes_reserved, body_bytes_budget;
    uint32_t drain_cursor;
    bool is_draining;
    bool has_last_answers; /* is_draining, or http.requests_per_connection is set */
    bool is_drain_walk_done;

    struct hit_head hit_head;
    uint64_t hit_second; /* of the date in it */
    struct value_dates value_dates;

    enum access_cache answer_cache; /* of the answer being written: for the log */
    uint32_t hit_count;
    struct api_hit hits[HIT_BATCH];
    struct http_request http;
    struct api_request request;
    uint8_t scratch[API_SCRATCH_BYTES];
    uint8_t output[API_OUTPUT_BYTES];
};

/*
 * The word that TCP keeps per connection: the address of an http_connection, or a number with these
 * bits. With the mark, the number's upper part is how much had been acknowledged when it was looked
 * at last, and whether something waited to be. What is above CONNECTION_REQUESTS_SHIFT are the
 * connection's requests, when they are counted.
 */
#define CONNECTION_PROGRESS_MARK UINT64_C(1)
#define CONNECTION_CLOSING UINT64_C(2)
#define CONNECTION_HAS_TO_READ UINT64_C(4)
#define CONNECTION_COUNTED UINT64_C(8)
#define CONNECTION_MARK_SHIFT 4
#define CONNECTION_REQUESTS_SHIFT 40 /* a mark has 32 bits */

static_assert(alignof(struct http_connection) > CONNECTION_COUNTED, "no bit of an address");

static inline struct http_connection *connection_state(const struct tcp_connection *tcp)
{
    uint64_t user = tcp_user(tcp);
    bool is_number = user & (CONNECTION_PROGRESS_MARK | CONNECTION_CLOSING | CONNECTION_COUNTED);
    return is_number ? NULL : (struct http_connection *)(uintptr_t)user;
}

static inline bool connection_is_closing(const struct tcp_connection *tcp)
{
    return !connection_state(tcp) && (tcp_user(tcp) & CONNECTION_CLOSING);
}

/* api_connection.c: the pool and the deadlines */
struct http_connection *connection_state_take(struct api_handler *handler,
                                              struct tcp_connection *tcp);
void connection_state_drop(struct api_handler *handler, struct http_connection *http);
void connection_deadline(struct api_handler *handler, struct tcp_connection *tcp,
                         uint64_t after_ms);
void connection_on_timer(struct api_handler *handler, struct tcp_connection *tcp);
void connection_close(struct api_handler *handler, struct tcp_connection *tcp);
/* http.requests_per_connection: whether `more` requests stay below it; to count them. */
bool connection_may_ask(const struct api_handler *handler, const struct tcp_connection *tcp,
                        uint32_t more);
void connection_count_requests(struct tcp_connection *tcp, uint32_t more);
void connection_go_on(struct api_handler *handler, struct tcp_connection *tcp);
/* Nothing is under way: the time it may stay silent, or leave answers unread, begins. */
void connection_rest(struct api_handler *handler, struct tcp_connection *tcp);

/* api_body.c: bodies, their memory, and what happens when they are complete */
void body_begin(struct api_handler *handler, struct http_connection *http);
void body_continue(struct api_handler *handler, struct http_connection *http);
void body_memory_release(struct api_handler *handler, uint64_t bytes);
void body_memory_serve_queue(struct api_handler *handler);

/* api_proxy.c: only where a listener has proxy_protocol */
bool proxy_is_expected(const struct api_handler *handler, const struct tcp_connection *tcp);
/* False: the header is not whole yet, or the connection is being reset. */
bool proxy_may_go_on(struct api_handler *handler, struct tcp_connection *tcp);
/* A deadline has passed: true when it was that of the header; the connection is being reset. */
bool proxy_gives_up(struct api_handler *handler, struct tcp_connection *tcp);
/* NULL: nobody has said. */
const struct proxy_client *proxy_client_of(const struct api_handler *handler,
                                           const struct tcp_connection *tcp);

/* Who is asking: whom the balancer names, else the other end of the connection. */
struct proxy_client client_address(const struct api_handler *handler,
                                   const struct tcp_connection *tcp);

/* How long a request took so far, and each of its stages; all 0 without a state. */
struct stage_times {
    uint32_t head_us, body_us, store_us, all_us;
};
struct stage_times stage_times_of(const struct api_handler *handler,
                                  const struct http_connection *http);

/* api_log.c: only where there is an access log */
void api_log_answer(struct api_handler *handler, struct tcp_connection *tcp,
                    const struct api_request *request, uint16_t status, uint64_t bytes,
                    enum access_cache cache);
void api_log_hit(struct api_handler *handler, const struct api_hit *hit, const uint8_t *id,
                 uint64_t bytes);

/* api_hits.c: the batch of probable cache hits */
void hits_init(struct api_handler *handler);
void hits_update_clock(struct api_handler *handler);
bool hits_collect(struct api_handler *handler, struct tcp_connection *tcp);
void hits_serve(struct api_handler *handler);

/* api_handler.c: the request at the front of the receive queue, whatever it is */
void request_serve_one(struct api_handler *handler, struct tcp_connection *tcp);
/* api_handler.c: a request that is complete, body and all */
void request_complete(struct api_handler *handler, struct http_connection *http);
/* api_handler.c: sends it to the store, a write with its body */
void ask_store(struct api_handler *handler, struct http_connection *http);
/* api_handler.c: the store does not say. A read gets what a soft purge left in the cache. */
void store_failed(struct api_handler *handler, struct http_connection *http,
                  enum http_problem problem, const char *detail);

/*
 * api_tasks.c: a request that a task thread serves, body and all. `seen_version`: when its
 * conditions do not fit an operation, what the look found there; 0: nothing.
 */
void task_begin(struct api_handler *handler, struct http_connection *http, uint64_t seen_version);
/* It changes a value on conditions that only the worker can evaluate. */
bool task_must_look(const struct api_request *request);

/* api_answer.c: what goes out; all of these queue bytes on the connection */
struct value_view { /* a value wherever it lies: in the cache or in an operation */
    uint64_t version;
    uint64_t modified_at_ms, expires_at_ms;
    const uint8_t *attributes; /* field lines */
    uint32_t attributes_bytes;
    uint32_t value_bytes;
    const uint8_t *inline_value;
    struct blob *blob;
    uint64_t age_s; /* since the store confirmed it, at most */
};

void answer_value(struct api_handler *handler, struct tcp_connection *tcp,
                  const struct api_request *request, const struct value_view *value,
                  const char *cache_status);
void answer_problem(struct api_handler *handler, struct tcp_connection *tcp,
                    const struct api_request *request, enum http_problem problem,
                    const char *detail, uint64_t current_version);
void answer_written(struct api_handler *handler, struct tcp_connection *tcp,
                    const struct api_request *request, uint16_t status, uint64_t version);
/* A read of a key that is known to have no value. */
void answer_absent(struct api_handler *handler, struct tcp_connection *tcp,
                   const struct api_request *request);
void answer_namespaces(struct api_handler *handler, struct tcp_connection *tcp,
                       const struct api_request *request);
void answer_namespace(struct api_handler *handler, struct tcp_connection *tcp,
                      const struct api_request *request);
void answer_openapi(struct api_handler *handler, struct tcp_connection *tcp,
                    const struct api_request *request);
void answer_options(struct api_handler *handler, struct tcp_connection *tcp,
                    const struct api_request *request);
void answer_echo(struct api_handler *handler, struct tcp_connection *tcp,
                 const struct api_request *request, struct blob *content, uint32_t bytes);
/* What a task failed with. */
void answer_task_problem(struct api_handler *handler, struct tcp_connection *tcp,
                         const struct api_request *request, const struct api_task *task);
/* What a task made: its fields and its body. */
void answer_document(struct api_handler *handler, struct tcp_connection *tcp,
                     const struct api_request *request, const struct api_task *task);
void answer_continue(struct api_handler *handler, struct tcp_connection *tcp);

#endif
