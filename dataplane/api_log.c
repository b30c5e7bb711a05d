/* SPDX-License-Identifier: BSD-3-Clause */
/* From an answered request to a record of the access log (include/access_ring.h). */
#include "dataplane/api_limits.h"
#include "dataplane/api_state.h"
#include "include/access_ring.h"
#include "include/api_keys.h"
#include "include/counters.h"
#include "include/live_settings.h"

/* One of access_log.one_of, and whatever is slow. */
static bool is_wanted(struct api_handler *handler, bool is_slow)
{
    struct access_ring *ring = handler->config.access_ring;
    if (ring->left > 1) {
        ring->left--;
        return is_slow;
    }
    ring->left = (uint32_t)handler->config.server->access_log.one_of;
    return true;
}

static struct access_record *begin_record(struct api_handler *handler,
                                          const struct tcp_connection *tcp)
{
    struct access_record *record = access_ring_claim(handler->config.access_ring);
    if (!record) {
        count(handler->config.counters, COUNTER_ACCESS_LOG_DROPPED);
        return NULL;
    }
    memset(record, 0, offsetof(struct access_record, address));
    struct proxy_client client = client_address(handler, tcp);
    record->wall_ms = handler->time.wall_ms;
    record->ip_version = client.ip_version;
    record->remote_port = client.port;
    memcpy(record->address, client.address, sizeof(record->address));
    return record;
}

static void set_key(struct access_record *record, const uint8_t *key, uint32_t bytes)
{
    record->key_bytes = (uint16_t)(bytes < ACCESS_KEY_BYTES ? bytes : ACCESS_KEY_BYTES);
    memcpy(record->key, key, record->key_bytes);
}

/* A reload may have come between the request and its answer: then the name is left out. */
static void set_client(const struct api_handler *handler, struct access_record *record,
                       const struct api_request *request)
{
    const struct api_keys *keys = handler->settings->keys;
    if (request->client == API_KEY_NONE || !keys || request->client > keys->count ||
        request->settings_generation != (uint32_t)handler->settings->generation)
        return;
    const char *name = api_keys_at(keys, request->client)->name;
    record->client_bytes = (uint8_t)strlen(name);
    memcpy(record->client, name, record->client_bytes);
}

static void set_limit(const struct api_handler *handler, struct access_record *record,
                      const struct api_request *request)
{
    const char *limit = api_limits_refusing(handler->settings, request);
    if (LIKELY(!limit))
        return;
    record->limit_bytes = (uint8_t)strlen(limit);
    memcpy(record->limit, limit, record->limit_bytes);
}

/* Our span has a number that no other request of this process has. */
static void set_trace(struct api_handler *handler, struct access_record *record,
                      const struct api_request *request)
{
    if (LIKELY(request->trace.verdict != HTTP_TRACE_GOOD))
        return;
    uint64_t span = http_clock_span_id(&handler->clock);
    record->is_traced = true;
    record->trace_flags = request->trace.flags;
    memcpy(record->trace_id, request->trace.trace_id, sizeof(record->trace_id));
    memcpy(record->parent_id, request->trace.parent_id, sizeof(record->parent_id));
    memcpy(record->span_id, &span, sizeof(record->span_id));
}

void api_log_answer(struct api_handler *handler, struct tcp_connection *tcp,
                    const struct api_request *request, uint16_t status, uint64_t bytes,
                    enum access_cache cache)
{
    const struct http_connection *http = connection_state(tcp);
    uint64_t slow_ms = handler->config.server->access_log.slow_ms;
    struct stage_times times = stage_times_of(handler, http);
    bool is_slow = slow_ms != 0 && times.all_us >= slow_ms * 1000;
    if (!is_wanted(handler, is_slow))
        return;
    struct access_record *record = begin_record(handler, tcp);
    if (!record)
        return;
    record->bytes = bytes;
    record->duration_us = times.all_us;
    record->is_slow = is_slow;
    record->head_us = times.head_us;
    record->body_us = times.body_us;
    record->store_us = times.store_us;
    record->status = status;
    record->method = request->method;
    record->route = request->route;
    record->cache = (uint8_t)cache;
    record->request_id_bytes = request->request_id_bytes;
    memcpy(record->request_id, request->request_id, request->request_id_bytes);
    set_client(handler, record, request);
    set_limit(handler, record, request);
    set_trace(handler, record, request);
    set_key(record, request->bytes, request->key_bytes);
    access_ring_commit(handler->config.access_ring);
}

void api_log_hit(struct api_handler *handler, const struct api_hit *hit, const uint8_t *id,
                 uint64_t bytes)
{
    struct access_record *record;
    if (!is_wanted(handler, false) || !(record = begin_record(handler, hit->tcp)))
        return;
    record->bytes = bytes;
    record->status = 200;
    record->method = HTTP_GET;
    record->route = ROUTE_VALUE;
    record->cache = ACCESS_CACHE_HIT;
    record->request_id_bytes = 16;
    memcpy(record->request_id, id, 16);
    set_key(record, hit->key, hit->key_bytes);
    access_ring_commit(handler->config.access_ring);
}
