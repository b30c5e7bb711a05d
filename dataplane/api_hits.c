/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plain GETs that the cache can probably answer, in stages over all connections of a batch: parse
 * and hash, find the entries, then answer. Each stage starts loading what the next one touches.
 */
#include "dataplane/api_state.h"
#include "dataplane/packet.h"
#include "dataplane/response_cache.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/server_config.h"

static const char value_prefix[] = "/v1/ns/";
static const char value_infix[] = "values/";

/* ---- stage 1: which requests ---- */

/* "/v1/ns/{ns}/values/{key}" without escapes -> "ns\0key"; false for anything else. */
static bool plain_value_key(struct http_slice path, struct api_hit *hit)
{
    const uint32_t prefix = sizeof(value_prefix) - 1, infix = sizeof(value_infix) - 1;
    if (path.bytes <= prefix + infix || path.bytes > HIT_KEY_BYTES_MAX + prefix + infix ||
        memcmp(path.at, value_prefix, prefix) != 0 || memchr(path.at, '%', path.bytes))
        return false;
    const uint8_t *name = path.at + prefix, *end = path.at + path.bytes;
    const uint8_t *slash = memchr(name, '/', (size_t)(end - name));
    if (!slash || slash == name || (size_t)(end - slash) <= infix + 1 ||
        memcmp(slash + 1, value_infix, infix) != 0)
        return false;
    const uint8_t *key = slash + 1 + infix;
    uint32_t name_bytes = (uint32_t)(slash - name), key_bytes = (uint32_t)(end - key);
    memcpy(hit->key, name, name_bytes);
    hit->key[name_bytes] = 0;
    memcpy(hit->key + name_bytes + 1, key, key_bytes);
    hit->key_bytes = name_bytes + 1 + key_bytes;
    return true;
}

/* Nothing but a GET: no body, no query, no field that changes the answer. */
static bool is_plain_get(const struct http_request *http)
{
    if (http->method != HTTP_GET || http->version_minor != 1 || http->flags != HTTP_KEEP_ALIVE ||
        http->query.bytes > 0)
        return false;
    for (uint32_t i = 0; i < http->field_count; i++) {
        uint8_t first = http->fields[i].name.at[0] | 0x20;
        if (first == 'i' || first == 'r' || first == 'p') /* If-*, Range, Request-Id, Prefer */
            return false;
    }
    return true;
}

/*
 * What the connection's first packet holds of plain GETs, up to the first other request. False:
 * nothing.
 */
bool hits_collect(struct api_handler *handler, struct tcp_connection *tcp)
{
    if (UNLIKELY(handler->hit_count > HIT_BATCH - PIPELINE_MAX))
        hits_serve(handler);
    const uint8_t *bytes;
    uint32_t length = tcp_receive_run(tcp, &bytes);
    uint32_t before = handler->hit_count;
    while (length > 0 && handler->hit_count - before < PIPELINE_MAX) {
        struct api_hit *hit = &handler->hits[handler->hit_count];
        if (http_parse_request(bytes, length, &handler->limits, &handler->http) !=
                HTTP_PARSE_DONE ||
            !is_plain_get(&handler->http) || !plain_value_key(handler->http.path, hit))
            break;
        hit->tcp = tcp;
        hit->head_bytes = handler->http.head_bytes;
        hit->hash = key_hash_cache(hit->key, hit->key_bytes, handler->config.cache_hash_seed);
        response_cache_prefetch_bucket(handler->config.cache, hit->hash);
        handler->hit_count++;
        bytes += hit->head_bytes;
        length -= hit->head_bytes;
    }
    return handler->hit_count > before;
}

/* ---- stage 2: where their entries are ---- */

static void prefetch_entries(struct api_handler *handler)
{
    for (uint32_t i = 0; i < handler->hit_count; i++)
        response_cache_prefetch_entry(handler->config.cache, handler->hits[i].hash);
}

/* ---- stage 3: answers, as many as fit into each segment ---- */

void hits_init(struct api_handler *handler)
{
    struct hit_head *head = &handler->hit_head;
    memcpy(head->status_to_date, HIT_STATUS_TO_DATE, sizeof(head->status_to_date));
    memcpy(head->cache_status, HIT_CACHE_STATUS, sizeof(head->cache_status));
    memcpy(head->age_to_id, HIT_AGE_TO_ID, sizeof(head->age_to_id));
    memcpy(head->line_end, "\r\n", sizeof(head->line_end));
    handler->hit_second = UINT64_MAX;
}

void hits_update_clock(struct api_handler *handler)
{
    if (LIKELY(handler->hit_second == handler->clock.second))
        return;
    uint64_t prefix = http_hex32((uint32_t)(handler->clock.request_prefix >> 32));
    memcpy(handler->hit_head.id_prefix, &prefix, sizeof(prefix));
    memcpy(handler->hit_head.date, handler->clock.date, sizeof(handler->clock.date));
    handler->hit_second = handler->clock.second;
}

/* A segment that is being filled with answers of one connection. */
struct answer_segment {
    struct packet *packet; /* NULL: none yet */
    uint32_t room, used;
    bool is_tail; /* it was in the send queue already */
};

static void segment_end(struct api_handler *handler, struct tcp_connection *tcp,
                        struct answer_segment *segment)
{
    if (segment->is_tail)
        tcp_send_tail_grew(handler->config.tcp, tcp, (uint16_t)segment->used);
    else if (segment->packet)
        tcp_send_packet(handler->config.tcp, tcp, segment->packet);
}

/* Room for `bytes`: in what is queued already, else in a new packet. False: it takes too many. */
static bool segment_next(struct api_handler *handler, struct tcp_connection *tcp,
                         struct answer_segment *segment, uint32_t bytes)
{
    uint32_t payload_max = tcp_payload_max(tcp);
    if (UNLIKELY(bytes > payload_max))
        return false;
    segment_end(handler, tcp, segment);
    segment->used = 0;
    segment->packet = tcp_send_tail(tcp, (uint16_t)bytes);
    segment->is_tail = segment->packet != NULL;
    if (!segment->packet)
        segment->packet = tcp_packet(handler->config.tcp);
    segment->room = 0;
    if (UNLIKELY(!segment->packet))
        return false;
    uint32_t tail_room = packet_tail_room(segment->packet);
    segment->room = payload_max - packet_first_bytes(segment->packet);
    if (segment->room > tail_room)
        segment->room = tail_room;
    return bytes <= segment->room;
}

/* An inline value that does not expire, in one piece. False: it takes the long way. */
static bool append_answer(struct api_handler *handler, struct tcp_connection *tcp,
                          struct answer_segment *segment, const struct cache_entry *entry)
{
    const struct hit_head *head = &handler->hit_head;
    uint32_t entry_bytes = (uint32_t)entry->head_bytes + entry->value_bytes;
    uint32_t bytes = sizeof(*head) + entry_bytes;
    if (UNLIKELY(entry->value || entry->expires_at_ms))
        return false;
    if (bytes > segment->room && !segment_next(handler, tcp, segment, bytes))
        return false;
    uint8_t *out = packet_append(segment->packet, (uint16_t)bytes);
    memcpy(out, head, sizeof(*head));
    uint64_t number = http_hex32(handler->clock.request_number++);
    memcpy(out + offsetof(struct hit_head, id_number), &number, sizeof(number));
    memcpy(out + sizeof(*head), cache_entry_head(entry), entry_bytes);
    segment->used += bytes;
    segment->room -= bytes;
    return true;
}

/* The next requests of one connection, up to one that cannot be answered at once. Returns how many.
 */
static uint32_t answer_run(struct api_handler *handler, const struct api_hit *hits, uint32_t count)
{
    struct tcp_connection *tcp = hits->tcp;
    struct answer_segment segment = {.packet = NULL};
    uint32_t answered = 0, head_bytes = 0;
    for (; answered < count; answered++) {
        const struct api_hit *hit = &hits[answered];
        const struct cache_entry *entry = response_cache_lookup(
            handler->config.cache, hit->hash, hit->key, hit->key_bytes, handler->time.wall_ms);
        if (UNLIKELY(!entry) || UNLIKELY(!append_answer(handler, tcp, &segment, entry)))
            break;
        head_bytes += hit->head_bytes;
    }
    segment_end(handler, tcp, &segment);
    tcp_receive_consume(handler->config.tcp, tcp, head_bytes);
    return answered;
}

/* Order is kept: what follows a request that has to wait stays in the receive queue. */
static void serve_run(struct api_handler *handler, const struct api_hit *hits, uint32_t count,
                      uint32_t *answered_total)
{
    struct tcp_connection *tcp = hits->tcp;
    uint32_t answered = LIKELY(!handler->is_draining) ? answer_run(handler, hits, count) : 0;
    *answered_total += answered;
    if (UNLIKELY(answered < count)) {
        request_serve_one(handler, tcp);
        return;
    }
    connection_go_on(handler, tcp);
}

void hits_serve(struct api_handler *handler)
{
    prefetch_entries(handler);
    uint32_t answered = 0;
    for (uint32_t first = 0, next; first < handler->hit_count; first = next) {
        const struct api_hit *hits = &handler->hits[first];
        for (next = first + 1; next < handler->hit_count; next++)
            if (handler->hits[next].tcp != hits->tcp)
                break;
        serve_run(handler, hits, next - first, &answered);
    }
    handler->hit_count = 0;
    count_many(handler->config.counters, COUNTER_CACHE_HITS, answered);
    count_many(handler->config.counters, COUNTER_HTTP_REQUESTS, answered);
    count_requests(handler->config.counters, ROUTE_VALUE, 200, answered);
}
