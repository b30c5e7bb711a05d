/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests into segments, and answers judged. */
#include "dataplane/packet.h"
#include "include/assert_policy.h"
#include "tests/bench/generator/generator_state.h"

/* ---- which request is next ---- */

static bool draw_load(struct generator *generator)
{
    generator->drawn_kind = REQUEST_PUT;
    if (generator->load_retry_count > 0) {
        generator->drawn_key = generator->load_retries[--generator->load_retry_count];
        return true;
    }
    if (generator->load_next >= generator->plan->keys)
        return false;
    generator->drawn_key = (uint32_t)generator->load_next;
    generator->load_next += generator->core_count;
    return true;
}

static uint8_t draw_kind(struct generator *generator)
{
    const struct plan *plan = generator->plan;
    uint32_t writes = plan->put_permille + plan->delete_permille;
    if (LIKELY(writes == 0))
        return REQUEST_GET;
    uint32_t permille = random_below(&generator->random, 1000);
    if (permille >= writes)
        return REQUEST_GET;
    return permille < plan->put_permille ? REQUEST_PUT : REQUEST_DELETE;
}

/* False: there is nothing to send. What was drawn stays drawn until it is sent. */
static inline bool draw(struct generator *generator)
{
    if (generator->has_drawn)
        return true;
    if (UNLIKELY(generator->mode == GENERATOR_LOADING)) {
        generator->has_drawn = draw_load(generator);
        return generator->has_drawn;
    }
    generator->drawn_kind = draw_kind(generator);
    generator->drawn_key = popularity_key(generator->popularity, &generator->random);
    generator->has_drawn = true;
    return true;
}

bool traffic_has_request(struct generator *generator)
{
    return draw(generator);
}

/* ---- sending ---- */

static inline void note(struct generator *generator, struct client *client, uint64_t start_ns)
{
    struct slot *slot = client_slot(generator, client, client->in_flight);
    *slot = (struct slot){
        .start_ns = start_ns, .key = generator->drawn_key, .kind = generator->drawn_kind};
    client->in_flight++;
    generator->in_flight++;
    generator->has_drawn = false;
    generator->result->requests++;
}

bool traffic_note(struct generator *generator, struct client *client, uint64_t start_ns)
{
    if (!draw(generator))
        return false;
    note(generator, client, start_ns);
    return true;
}

static struct packet *take_packet(struct generator *generator)
{
    if (UNLIKELY(generator->sends_left == 0))
        return NULL;
    struct packet *packet = tcp_packet(generator->tcp);
    if (LIKELY(packet != NULL))
        generator->sends_left--;
    return packet;
}

/* The newest request, segment by segment; the rest when packets, port and peer have room again. */
static void send_pieces(struct generator *generator, struct client *client)
{
    const struct slot *slot = client_slot(generator, client, client->in_flight - 1u);
    struct request_template *request = &generator->requests.templates[slot->kind];
    uint32_t total = request_bytes(request);
    while (client->is_sending) {
        if (tcp_send_room(client->tcp) == 0)
            return; /* TCP_EVENT_WRITABLE follows */
        struct packet *packet = take_packet(generator);
        if (!packet) {
            client_enlist(generator, client, LIST_WAITING);
            return;
        }
        uint32_t part = total - client->send_offset;
        if (part > tcp_payload_max(client->tcp))
            part = tcp_payload_max(client->tcp);
        request_write(request, slot->key, client->send_offset,
                      packet_append(packet, (uint16_t)part), part);
        tcp_send_packet(generator->tcp, client->tcp, packet);
        client->send_offset += part;
        client->is_sending = client->send_offset < total;
    }
}

void traffic_send_noted(struct generator *generator, struct client *client)
{
    client->is_sending = true;
    client->send_offset = 0;
    send_pieces(generator, client);
}

/* A segment being filled: `grown` bytes were added to one that is queued already. */
struct segment {
    struct packet *packet;
    bool is_tail;
    uint32_t grown;
};

static inline void segment_finish(struct generator *generator, struct client *client,
                                  struct segment *segment)
{
    if (!segment->packet)
        return;
    if (segment->is_tail)
        tcp_send_tail_grew(generator->tcp, client->tcp, (uint16_t)segment->grown);
    else
        tcp_send_packet(generator->tcp, client->tcp, segment->packet);
    segment->packet = NULL;
}

/* Room for `bytes` behind what this connection sends this round. */
static inline bool segment_reserve(struct generator *generator, struct client *client,
                                   struct segment *segment, uint32_t bytes)
{
    if (segment->packet) {
        if (packet_bytes(segment->packet) + bytes <= tcp_payload_max(client->tcp))
            return true;
        segment_finish(generator, client, segment);
    }
    *segment = (struct segment){.packet = tcp_send_tail(client->tcp, (uint16_t)bytes)};
    segment->is_tail = segment->packet != NULL;
    if (!segment->packet)
        segment->packet = take_packet(generator);
    return segment->packet != NULL;
}

uint32_t traffic_send(struct generator *generator, struct client *client, uint32_t count,
                      uint64_t start_ns)
{
    struct segment segment = {0};
    uint32_t sent = 0;
    while (sent < count && draw(generator)) {
        struct request_template *request = &generator->requests.templates[generator->drawn_kind];
        uint32_t bytes = request_bytes(request);
        if (UNLIKELY(bytes > tcp_payload_max(client->tcp))) {
            segment_finish(generator, client, &segment);
            note(generator, client, start_ns);
            traffic_send_noted(generator, client);
            sent++;
            if (client->is_sending)
                return sent;
            continue;
        }
        if (UNLIKELY(!segment_reserve(generator, client, &segment, bytes))) {
            client_enlist(generator, client, LIST_WAITING);
            break;
        }
        request_write(request, generator->drawn_key, 0,
                      packet_append(segment.packet, (uint16_t)bytes), bytes);
        segment.grown += bytes;
        note(generator, client, start_ns);
        sent++;
    }
    segment_finish(generator, client, &segment);
    return sent;
}

void traffic_go_on(struct generator *generator, struct client *client)
{
    uint32_t depth = generator->plan->pipeline_depth;
    if (UNLIKELY(client->is_sending))
        send_pieces(generator, client);
    if (client->in_flight < depth && !client->is_sending && !generator->plan->closes) {
        if (generator->mode == GENERATOR_OPEN_LOOP || generator->mode == GENERATOR_FEW_ACTIVE)
            client_enlist(generator, client, LIST_IDLE);
        else if (generator->mode == GENERATOR_CLOSED_LOOP || generator->mode == GENERATOR_LOADING)
            traffic_send(generator, client, depth - client->in_flight, generator->now_ns);
    }
    tcp_set_deadline(generator->tcp, client->tcp,
                     client->in_flight > 0 ? generator->now_ns + generator->plan->timeout_ns : 0);
}

/* ---- judging ---- */

/* A key that has to be loaded is tried again. */
static void failed(struct generator *generator, const struct slot *slot, enum result_error why)
{
    generator_count_error(generator, why, 1);
    if (generator->mode == GENERATOR_LOADING && slot->kind == REQUEST_PUT)
        generator->load_retries[generator->load_retry_count++] = slot->key;
}

void traffic_lose(struct generator *generator, struct client *client, enum result_error why)
{
    for (uint32_t i = 0; i < client->in_flight; i++)
        failed(generator, client_slot(generator, client, i), i == 0 ? why : RESULT_RESET);
    generator->in_flight -= client->in_flight;
    client->in_flight = 0;
    client->is_sending = client->has_head = false;
}

static inline bool is_expected_status(const struct plan *plan, uint16_t status)
{
    return plan->expected_status == 0 ? status >= 200 && status < 300
                                      : status == plan->expected_status;
}

static inline bool is_expected_length(const struct plan *plan, uint64_t bytes)
{
    if (plan->expected_bytes != UINT64_MAX && bytes != plan->expected_bytes)
        return false;
    return !plan->checks_body || bytes == plan->value_bytes;
}

static inline void count_good(struct generator *generator, const struct slot *slot,
                              const struct answer_head *head, uint64_t body_bytes)
{
    struct result *result = generator->result;
    result->responses++;
    result->hits += head->is_hit;
    result->response_bytes += head->head_bytes + body_bytes;
    if (slot->kind == REQUEST_GET)
        result->gets++;
    else if (slot->kind == REQUEST_PUT)
        result->puts++;
    else
        result->deletes++;
    if (LIKELY(slot->kind == REQUEST_GET || !generator->plan->times_gets_only)) {
        latency_record(&result->latency, generator->now_ns - slot->start_ns);
        if (LIKELY(slot->start_ns >= generator->gaps.touched_until_ns))
            latency_record(&result->calm, generator->now_ns - slot->start_ns);
    }
    generator->response_count++;
    if (UNLIKELY(generator->mode == GENERATOR_LOADING))
        generator->load_left--;
}

/* The answer to the oldest request is complete. False: the connection went with it. */
static inline bool answered(struct generator *generator, struct client *client,
                            const struct answer_head *head, uint64_t body_bytes)
{
    const struct plan *plan = generator->plan;
    const struct slot *slot = client_slot(generator, client, 0);
    bool is_load = UNLIKELY(generator->mode == GENERATOR_LOADING);
    if (UNLIKELY(is_load ? head->status / 100 != 2 : !is_expected_status(plan, head->status)))
        failed(generator, slot, RESULT_BAD_STATUS);
    else if (UNLIKELY(slot->kind == REQUEST_GET && !is_expected_length(plan, body_bytes)))
        failed(generator, slot, RESULT_BAD_LENGTH);
    else if (UNLIKELY(client->is_body_bad))
        failed(generator, slot, RESULT_BAD_BODY);
    else
        count_good(generator, slot, head, body_bytes);
    client->oldest = (uint8_t)((client->oldest + 1) & ((1u << generator->slot_shift) - 1));
    client->in_flight--;
    generator->in_flight--;
    client->has_head = client->is_body_bad = false;
    if (LIKELY(!head->closes && !plan->closes))
        return true;
    traffic_lose(generator, client, RESULT_RESET); /* what came after it */
    client_close(generator, client);
    return false;
}

/* ---- taking bytes ---- */

static inline void check_body(struct generator *generator, struct client *client,
                              const uint8_t *bytes, uint32_t length)
{
    const struct slot *slot = client_slot(generator, client, 0);
    if (generator->plan->checks_body && slot->kind == REQUEST_GET && client->head.status == 200 &&
        !request_value_is(slot->key, client->body_offset, bytes, length))
        client->is_body_bad = true;
}

/* Bytes of the body under way; *used grows by what was taken. False: the connection is gone. */
static bool take_body(struct generator *generator, struct client *client, const uint8_t *bytes,
                      uint32_t length, uint32_t *used)
{
    uint32_t part = client->body_left < length ? (uint32_t)client->body_left : length;
    check_body(generator, client, bytes, part);
    client->body_offset += part;
    if (client->body_left != ANSWER_UNTIL_CLOSE)
        client->body_left -= part;
    *used += part;
    if (client->body_left > 0)
        return true;
    return answered(generator, client, &client->head, client->body_offset);
}

static bool take_head(struct generator *generator, struct client *client,
                      const struct answer_head *head)
{
    if (head->status < 200) /* an interim answer: the real one follows */
        return true;
    client->has_head = true;
    client->head = *head;
    client->body_left = head->body_bytes;
    client->body_offset = 0;
    return head->body_bytes > 0 || answered(generator, client, &client->head, 0);
}

/* A head that lies in more than one packet. False: not yet all there, or the connection is gone. */
static bool take_split_head(struct generator *generator, struct client *client)
{
    struct answer_head head;
    uint32_t length =
        tcp_receive_peek(client->tcp, 0, generator->scratch, sizeof(generator->scratch));
    enum answer_verdict verdict =
        answer_parse(&generator->parser, generator->scratch, length, &head);
    if (verdict == ANSWER_MALFORMED)
        client_abort(generator, client, RESULT_MALFORMED);
    if (verdict != ANSWER_COMPLETE)
        return false;
    tcp_receive_consume(generator->tcp, client->tcp, head.head_bytes);
    return take_head(generator, client, &head);
}

enum run_end { RUN_USED = 0, RUN_NEEDS_MORE, RUN_GONE };

/* The answers in one packet; *used: how far it came. */
static inline enum run_end take_run(struct generator *generator, struct client *client,
                                    const uint8_t *bytes, uint32_t length, uint32_t *used)
{
    while (*used < length) {
        const uint8_t *at = bytes + *used;
        uint32_t left = length - *used;
        struct answer_head head;
        if (client->has_head) {
            if (!take_body(generator, client, at, left, used))
                return RUN_GONE;
            continue;
        }
        enum answer_verdict verdict = client->in_flight == 0
                                          ? ANSWER_MALFORMED /* to nothing that was asked */
                                          : answer_parse(&generator->parser, at, left, &head);
        if (UNLIKELY(verdict == ANSWER_INCOMPLETE))
            return RUN_NEEDS_MORE;
        if (UNLIKELY(verdict == ANSWER_MALFORMED)) {
            if (client->in_flight == 0)
                generator_count_error(generator, RESULT_MALFORMED, 1);
            client_abort(generator, client, RESULT_MALFORMED);
            return RUN_GONE;
        }
        *used += head.head_bytes;
        if (LIKELY(head.body_bytes <= left - head.head_bytes && head.status >= 200 &&
                   !generator->plan->checks_body)) { /* whole, and its body is not looked at */
            *used += (uint32_t)head.body_bytes;
            if (UNLIKELY(!answered(generator, client, &head, head.body_bytes)))
                return RUN_GONE;
        } else if (!take_head(generator, client, &head)) {
            return RUN_GONE;
        }
    }
    return RUN_USED;
}

void traffic_take_answers(struct generator *generator, struct client *client)
{
    const uint8_t *bytes;
    uint32_t length;
    while (client->tcp && (length = tcp_receive_run(client->tcp, &bytes)) > 0) {
        uint32_t used = 0;
        enum run_end end = take_run(generator, client, bytes, length, &used);
        if (UNLIKELY(end == RUN_GONE))
            return;
        tcp_receive_consume(generator->tcp, client->tcp, used);
        if (UNLIKELY(end == RUN_NEEDS_MORE) && !take_split_head(generator, client))
            return;
    }
}

void traffic_peer_closed(struct generator *generator, struct client *client)
{
    if (client->has_head && client->body_left == ANSWER_UNTIL_CLOSE) {
        struct answer_head head = client->head;
        answered(generator, client, &head, client->body_offset);
        return;
    }
    bool is_short = client->has_head && client->body_left > 0;
    traffic_lose(generator, client, is_short ? RESULT_BAD_LENGTH : RESULT_RESET);
    client_close(generator, client);
}
