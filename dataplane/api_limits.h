/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * api_limits.h - rate limits of requests: which of them apply, what they say, and how that is
 * answered.
 *
 * Purpose:   from rate_limits of the configuration to numbers that a request is charged with
 *            (limit_table.h), and to RateLimit-Policy and RateLimit of its answer.
 * Ownership: the policies belong to a snapshot of settings; a request remembers numbers only.
 * Threading: one worker; policies are read-only, the table is shared.
 * Units:     ticks of limit_table.h; _s seconds.
 * Errors:    HTTP_PROBLEM_QUOTA_EXCEEDED.
 * Source:    draft-ietf-httpapi-ratelimit-headers-10; RFC 6585 section 4 (429); RFC 9651
 *            (structured fields).
 */
#ifndef GANNET_API_LIMITS_H
#define GANNET_API_LIMITS_H

#include <stdint.h>

#include "dataplane/api_request.h"
#include "dataplane/limited_clients.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/live_settings.h"

struct limit_table;
struct proxy_client;

#define LIMIT_NAME_BYTES_MAX 32u
#define LIMIT_POLICY_FIELD_BYTES 288u

struct limit_policy {
    uint64_t interval, depth; /* see limit_table.h */
    uint32_t quota, window_s;
    uint8_t by; /* enum config_limit_by */
    char name[LIMIT_NAME_BYTES_MAX + 1];
};

/* The limits that count a request: of its namespace, and those that count everywhere. */
struct limit_set {
    uint8_t count;
    uint8_t numbers[REQUEST_LIMITS_MAX];
    uint16_t field_bytes;
    char field[LIMIT_POLICY_FIELD_BYTES]; /* the line RateLimit-Policy, ready-made */
};

struct limit_policies {
    uint32_t ipv6_prefix;
    bool has_x_headers;
    struct limit_policy policies[RATE_LIMITS_MAX];
    struct limit_set sets[1 + LIVE_NAMESPACES_MAX]; /* 0: of what is in no namespace */
};

/* NULL when memory is short. *is_used: false when no limit counts anything. */
struct limit_policies *api_limits_create(const struct server_config *config, bool *is_used);

/* NULL is none. */
void api_limits_destroy(struct limit_policies **policies);

/* Does a limit count the requests for that namespace? */
bool api_limits_apply(const struct limit_policies *policies, uint32_t space);

/* What a worker charges requests with. */
struct limit_desk {
    struct limit_table *table;
    struct limited_clients *refused; /* NULL: nobody asks */
    struct counters *counters;
    struct siphash_key key;
};

/*
 * Charges the request to all limits that count it, or to none: then it is refused. After
 * api_access_check; `client` is where it comes from.
 */
enum http_problem api_limits_charge(const struct live_settings *settings,
                                    const struct limit_desk *desk,
                                    const struct proxy_client *client, uint64_t now_ns,
                                    uint64_t wall_ms, struct api_request *request);

/* RateLimit-Policy and RateLimit, for every answer to the request; nothing when no limit does. */
void api_limits_write_fields(const struct live_settings *settings,
                             const struct api_request *request, uint16_t status,
                             struct http_writer *writer);
/* Of a refused request: Retry-After; the member that names the limits, with a comma before it. */
void api_limits_write_retry(const struct api_request *request, struct http_writer *writer);
void api_limits_write_violations(const struct live_settings *settings,
                                 const struct api_request *request, struct http_writer *writer);
/* The first limit that refused it, for the log; NULL: none. */
const char *api_limits_refusing(const struct live_settings *settings,
                                const struct api_request *request);

#endif
