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
#include "include/live_settings.h"
#include "include/server_config.h"

/* ---- stage 1: which requests ---- */

/*
 * In steps of 16 bytes, the last of which may copy what is behind: a request's head goes on there,
 * and the key has room for it.
 */
static ALWAYS_INLINE void copy_part(uint8_t *out, struct http_slice part)
{
    for (uint32_t at = 0; at < part.bytes; at += KEY_STEP_BYTES)
        memcpy(out + at, part.at + at, KEY_STEP_BYTES);
}
static_assert(sizeof(" HTTP/1.1\r\nHost:") - 1 >= KEY_STEP_BYTES - 1, "goes on behind a path");

static ALWAYS_INLINE void set_key(struct api_hit *hit, const struct value_target *target)
{
    copy_part(hit->key, target->space);
    hit->key[target->space.bytes] = 0;
    copy_part(hit->key + target->space.bytes + 1, target->key);
    hit->key_bytes = target->space.bytes + 1 + target->key.bytes;
}

/* The head at `bytes`, when it is whole and of a plain GET of a value. */
static bool read_plain_head(struct api_handler *handler, const uint8_t *bytes, uint32_t length,
                            struct value_target *target, uint32_t *head_bytes)
{
    if (LIKELY(http_repeat_match(&handler->repeat, &handler->limits, bytes, length, target,
                                 head_bytes)))
        return true;
    handler->parsed_status = http_parse_request(bytes, length, &handler->limits, &handler->http);
    if (handler->parsed_status != HTTP_PARSE_DONE || !http_plain_value(&handler->http, target))
        return false;
    if (UNLIKELY(handler->config.access_ring != NULL) &&
        http_find_field(&handler->http, "traceparent"))
        return false; /* the log will name its trace */
    http_repeat_learn(&handler->repeat, &handler->http, bytes);
    *head_bytes = handler->http.head_bytes;
    return true;
}

/* Nothing but the key and its entry decide on the answer. */
static NO_INLINE bool is_plain_namespace(const struct api_handler *handler, struct http_slice space)
{
    uint32_t number = route_find_namespace(handler->routes, space.at, space.bytes);
    return number != UINT32_MAX && !handler->settings->is_careful[number];
}

/*
 * What the connection's first packet holds of plain GETs, up to the first other request. False:
 * nothing; the caller serves that request now, and need not parse it again.
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
        struct value_target target;
        if (!read_plain_head(handler, bytes, length, &target, &hit->head_bytes)) {
            if (handler->hit_count == before)
                handler->parsed_front = tcp;
            break;
        }
        if (UNLIKELY(handler->settings->has_careful_namespaces) &&
            !is_plain_namespace(handler, target.space))
            break;
        hit->tcp = tcp;
        set_key(hit, &target);
        hit->hash = key_hash_cache(hit->key, hit->key_bytes, handler->config.cache_hash_seed);
        hit->bucket = response_cache_bucket(handler->config.cache, hit->hash);
        handler->hit_count++;
        bytes += hit->head_bytes;
        length -= hit->head_bytes;
    }
    return handler->hit_count > before;
}

/* ---- stage 2: where their entries are ---- */

static void guess_entries(struct api_handler *handler)
{
    for (uint32_t i = 0; i < handler->hit_count; i++) {
        struct api_hit *hit = &handler->hits[i];
        hit->guess = response_cache_guess(hit->bucket, hit->hash);
    }
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
    value_dates_init(&handler->value_dates);
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
    if (UNLIKELY(cache_entry_extras(entry) != 0))
        return false;
    struct value_digits digits = value_digits_of(entry->version, entry->value_bytes);
    struct http_slice attributes = cache_entry_attributes(entry);
    uint32_t bytes =
        (uint32_t)sizeof(*head) + value_head_bytes(&digits, attributes.bytes) + entry->value_bytes;
    if (bytes > segment->room && !segment_next(handler, tcp, segment, bytes))
        return false;
    uint8_t *out = packet_append(segment->packet, (uint16_t)bytes);
    memcpy(out, head, sizeof(*head));
    uint64_t number = http_hex32(handler->clock.request_number++);
    memcpy(out + offsetof(struct hit_head, id_number), &number, sizeof(number));
    out =
        value_head_write(out + sizeof(*head), &digits,
                         value_dates_text(&handler->value_dates, entry->modified_at_s), attributes);
    memcpy(out, cache_entry_inline_value(entry), entry->value_bytes);
    segment->used += bytes;
    segment->room -= bytes;
    return true;
}

/*
 * A guess is older than a look: after the first look of a run there is no more guessing, or later
 * requests of a pipeline could be answered with older values.
 */
static ALWAYS_INLINE const struct cache_entry *
find_entry(struct api_handler *handler, const struct api_hit *hit, bool *may_guess)
{
    uint64_t wall_ms = handler->time.wall_ms;
    if (LIKELY(*may_guess)) {
        const struct cache_entry *entry =
            response_cache_confirm(hit->guess, hit->hash, hit->key, hit->key_bytes, wall_ms);
        if (LIKELY(entry != NULL))
            return entry;
        *may_guess = false;
    }
    return response_cache_lookup(handler->config.cache, hit->hash, hit->key, hit->key_bytes,
                                 wall_ms);
}

/* The request id is the one that append_answer gave last. */
static NO_INLINE void log_hit(struct api_handler *handler, const struct api_hit *hit,
                              const struct cache_entry *entry)
{
    uint8_t id[16];
    uint64_t number = http_hex32(handler->clock.request_number - 1);
    memcpy(id, handler->hit_head.id_prefix, 8);
    memcpy(id + 8, &number, 8);
    struct value_digits digits = value_digits_of(entry->version, entry->value_bytes);
    api_log_hit(handler, hit, id,
                (uint32_t)sizeof(struct hit_head) +
                    value_head_bytes(&digits, cache_entry_attributes(entry).bytes) +
                    entry->value_bytes);
}

/* The next requests of one connection, up to one that cannot be answered at once. Returns how many.
 */
static uint32_t answer_run(struct api_handler *handler, const struct api_hit *hits, uint32_t count)
{
    struct tcp_connection *tcp = hits->tcp;
    struct answer_segment segment = {.packet = NULL};
    uint32_t answered = 0, head_bytes = 0;
    bool may_guess = true;
    for (; answered < count; answered++) {
        const struct api_hit *hit = &hits[answered];
        const struct cache_entry *entry = find_entry(handler, hit, &may_guess);
        if (UNLIKELY(!entry) || UNLIKELY(!append_answer(handler, tcp, &segment, entry)))
            break;
        head_bytes += hit->head_bytes;
        if (UNLIKELY(handler->config.access_ring != NULL))
            log_hit(handler, hit, entry);
    }
    segment_end(handler, tcp, &segment);
    tcp_receive_consume(handler->config.tcp, tcp, head_bytes);
    return answered;
}

/* Some answer must say that it is the last: the long way does. */
static NO_INLINE uint32_t answer_before_the_last(struct api_handler *handler,
                                                 const struct api_hit *hits, uint32_t count)
{
    if (handler->is_draining || !connection_may_ask(handler, hits->tcp, count))
        return 0;
    uint32_t answered = answer_run(handler, hits, count);
    connection_count_requests(hits->tcp, answered);
    return answered;
}

/* Order is kept: what follows a request that has to wait stays in the receive queue. */
static void serve_run(struct api_handler *handler, const struct api_hit *hits, uint32_t count,
                      uint32_t *answered_total)
{
    struct tcp_connection *tcp = hits->tcp;
    uint32_t answered = LIKELY(!handler->has_last_answers)
                            ? answer_run(handler, hits, count)
                            : answer_before_the_last(handler, hits, count);
    *answered_total += answered;
    if (UNLIKELY(answered < count)) {
        request_serve_one(handler, tcp);
        return;
    }
    connection_go_on(handler, tcp);
}

void hits_serve(struct api_handler *handler)
{
    guess_entries(handler);
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
