/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * api_request.h - a parsed HTTP head distilled to what the API needs, independent of the bytes it
 * came from.
 *
 * Purpose:   routing, key, conditions, attributes, time to live: checked once, then kept as long as
 *            the request waits for its body or for the store.
 * Ownership: the caller's struct; nothing points into the received bytes.
 * Threading: none; the table is read-only.
 * Units:     bytes; _ms wall.
 * Errors:    a problem and a sentence, for the answer.
 * Source:    RFC 9110 sections 8.8.3, 13.1 (entity tags, conditions); README.md, the API.
 */
#ifndef GANNET_API_REQUEST_H
#define GANNET_API_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/api_route.h"
#include "dataplane/etag.h"
#include "dataplane/http_parser.h"
#include "dataplane/http_range.h"
#include "dataplane/http_response.h"
#include "dataplane/http_trace.h"
#include "include/api_task.h"
#include "include/shard_operation.h"

#define REQUEST_ID_BYTES_MAX 64u
#define REQUEST_LIMITS_MAX 4u /* rate limits that count one request */

struct api_request {
    const char *allow; /* the resource's list of methods; NULL where there is no resource */
    uint8_t method;    /* enum http_method */
    uint8_t version_minor;
    uint8_t route;   /* enum route */
    bool must_close; /* the connection ends after the answer */
    bool is_chunked;
    bool expects_continue;
    uint8_t request_id_bytes;
    uint8_t cors;         /* api_access.h */
    uint8_t route_number; /* of a deprecated route, from 1; 0: none */
    uint16_t namespace_index;
    uint16_t access_namespace;    /* where cors is from */
    uint32_t client;              /* number of an API key; API_KEY_NONE: anonymous */
    uint32_t settings_generation; /* that the number is of */
    uint16_t key_bytes;
    uint16_t attributes_bytes;
    uint16_t query_bytes;    /* of a task */
    uint16_t scope_bytes;    /* of a task with an Idempotency-Key, or about jobs: as api_task's */
    uint8_t task;            /* enum api_task_kind: who serves it, if not the worker */
    bool is_job;             /* it is answered 202, and goes on */
    bool prefers_job;        /* ... because of Prefer: respond-async */
    struct http_trace trace; /* where there is an access log */
    uint16_t limit_set;      /* api_limits.h: 1 + the namespace in its path; 0: there is none */
    uint8_t limit_count;
    uint8_t limits_refusing; /* a bit for each */
    uint32_t limit_left[REQUEST_LIMITS_MAX], limit_reset_s[REQUEST_LIMITS_MAX];
    uint64_t content_length;
    uint64_t body_max;                        /* the least of the limits that apply */
    uint64_t expires_at_ms;                   /* 0: never */
    struct etag_list if_match, if_none_match; /* into tags */
    uint32_t wait_ms; /* a read that waits for news of its if_none_match; 0: it does not */
    bool has_if_modified_since, has_if_unmodified_since;
    uint64_t if_modified_since_s, if_unmodified_since_s;
    struct http_range range; /* of a GET */
    bool has_if_range;
    uint64_t if_range_version; /* 0: nothing matches it */
    uint8_t request_id[REQUEST_ID_BYTES_MAX];
    struct etag_versions tags;
    /* key, then attributes, then the query and the scope of a task */
    uint8_t
        bytes[KEY_BYTES_MAX + ATTRIBUTES_BYTES_MAX + TASK_QUERY_BYTES_MAX + TASK_SCOPE_BYTES_MAX];
};

static inline void api_request_copy(struct api_request *to, const struct api_request *from)
{
    memcpy(to, from, offsetof(struct api_request, tags));
    to->tags.count = from->tags.count;
    memcpy(to->tags.at, from->tags.at, from->tags.count * sizeof(from->tags.at[0]));
    memcpy(to->bytes, from->bytes,
           from->key_bytes + from->attributes_bytes + from->query_bytes + from->scope_bytes);
}

/* Where the scope is. */
static inline uint8_t *api_request_scope(struct api_request *request)
{
    return request->bytes + request->key_bytes + request->attributes_bytes + request->query_bytes;
}

/* It may store a value. */
static inline bool api_request_is_write(const struct api_request *request)
{
    return request->method == HTTP_PUT || request->method == HTTP_POST ||
           request->method == HTTP_PATCH;
}

/* It changes nothing, so it can simply be tried again. */
static inline bool api_request_is_read(const struct api_request *request)
{
    return request->method == HTTP_GET || request->method == HTTP_HEAD;
}

static inline bool api_request_has_body(const struct api_request *request)
{
    return request->is_chunked || request->content_length > 0;
}

/*
 * HTTP_PROBLEM_NONE, or what to answer; then `detail` is a sentence. The request id, version and
 * must_close are always filled in, so that a problem can be answered. A request without an id has
 * request_id_bytes 0: the caller makes one.
 */
enum http_problem api_request_read(const struct route_table *routes,
                                   const struct server_config *server,
                                   const struct http_request *http, uint64_t wall_ms,
                                   struct api_request *request, const char **detail);

#endif
