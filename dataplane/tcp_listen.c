/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passive opening: LISTEN and SYN-RECEIVED (RFC 9293 3.10.7.2 and 3.10.7.4). A peer that has sent a
 * SYN has an entry of the SYN table, or, when there is none for it, a cookie and no state at all;
 * its acknowledgement makes it a connection.
 */
#include <string.h>

#include "dataplane/tcp_frame.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_options.h"
#include "dataplane/tcp_output.h"
#include "dataplane/tcp_syn_cookie.h"

#define REOPEN_DISTANCE_BYTES 65537u /* between the numbers of the old connection and ours */
#define CHALLENGES_MAX 8u            /* of one half-open peer, between two SYN-ACKs */

static inline uint16_t port_at(const struct packet *packet, uint32_t offset)
{
    const uint8_t *at = packet_data(packet) + packet->rx.transport_offset + offset;
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* What a SYN-ACK promises; never scaled (RFC 7323 2.2). */
static inline uint16_t syn_window(const struct tcp_stack *stack)
{
    return (uint16_t)u32_min(stack->receive_window_bytes, UINT16_MAX);
}

/* ---- SYN-ACK ---- */

static void send_syn_ack(struct tcp_stack *stack, const struct tcp_half_open *half_open,
                         const struct network_flow *flow, uint32_t timestamp, const uint8_t *mac)
{
    const struct tcp_syn_options options = {
        .has_timestamps = (half_open->flags & CONNECTION_TIMESTAMPS) != 0,
        .has_sack = (half_open->flags & CONNECTION_SACK) != 0,
        .has_window_scale = half_open->peer_scales,
        .window_scale = half_open->scales >> 4,
        .timestamp_value = timestamp,
        .timestamp_echo = half_open->ts_recent,
    };
    const struct tcp_reply reply = {
        .local_port = half_open->local_port,
        .remote_port = half_open->remote_port,
        .sequence = half_open->own_sequence,
        .acknowledgement = half_open->peer_sequence + 1,
        .flags = TCP_FLAG_SYN | TCP_FLAG_ACK,
        .window = syn_window(stack),
        .syn_options = &options,
        .mac = mac,
    };
    tcp_frame_reply(stack, flow, &reply);
}

void tcp_send_syn_ack(struct tcp_stack *stack, struct tcp_half_open *half_open,
                      const struct network_flow *flow)
{
    half_open->path_ready = network_answer_mac(stack->network, flow, half_open->next_hop_mac);
    half_open->network_generation = network_generation(stack->network);
    send_syn_ack(stack, half_open, flow, stack->now_tick + half_open->timestamp_offset,
                 half_open->next_hop_mac);
}

/* What the SYN offers and we take. */
static void options_agree(const struct tcp_stack *stack, struct tcp_half_open *half_open,
                          const struct tcp_syn_options *offered)
{
    half_open->peer_mss_bytes = offered->mss_bytes;
    half_open->peer_scales = offered->has_window_scale;
    if (offered->has_window_scale)
        half_open->scales = (uint8_t)(offered->window_scale | tcp_window_scale(stack) << 4);
    if (offered->has_timestamps && stack->config.offer_timestamps) {
        half_open->flags |= CONNECTION_TIMESTAMPS;
        half_open->ts_recent = offered->timestamp_value;
    }
    if (offered->has_sack && stack->config.offer_sack)
        half_open->flags |= CONNECTION_SACK;
}

/* ---- LISTEN ---- */

/* SYNs are the first that go unanswered: the peer sends them again. */
static enum drop_reason refuses(const struct tcp_stack *stack, const struct network_flow *flow)
{
    if (UNLIKELY(stack_is_short_of_packets(stack) ||
                 !network_has_room(stack->network, flow->port_index)))
        return DROP_TCP_SYN_SHED;
    if (UNLIKELY(tcp_connections_are_full(stack)))
        return DROP_TCP_CONNECTIONS_FULL;
    if (UNLIKELY(!tcp_source_limit_allows(&stack->source_limit, flow)))
        return DROP_TCP_SOURCE_FULL;
    return DROP_NONE;
}

/* NULL: it gets a cookie. */
static struct tcp_half_open *entry_for_syn(struct tcp_stack *stack)
{
    if (stack->config.syn_cookies == TCP_SYN_COOKIES_ALWAYS)
        return NULL;
    struct tcp_half_open *entry = tcp_syn_table_take(&stack->syn_table);
    if (UNLIKELY(!entry) && stack->config.syn_cookies == TCP_SYN_COOKIES_NEVER) {
        count(stack->counters, COUNTER_TCP_HALF_OPEN_RECYCLED);
        tcp_syn_table_remove(stack, tcp_syn_table_oldest(&stack->syn_table));
        entry = tcp_syn_table_take(&stack->syn_table);
    }
    return entry;
}

/* Scale and SACK come back in the timestamp; without timestamps there is no room for them. */
static void answer_with_cookie(struct tcp_stack *stack, struct tcp_half_open *passing,
                               const struct network_flow *flow, struct tcp_syn_options *offered)
{
    const struct tcp_cookie_tuple tuple = {.flow = flow,
                                           .local_port = passing->local_port,
                                           .remote_port = passing->remote_port,
                                           .peer_sequence = passing->peer_sequence};
    uint32_t timestamp = 0;
    passing->own_sequence =
        tcp_syn_cookie_make(&stack->key, &tuple, offered->mss_bytes, stack->now_ns);
    if (offered->has_timestamps && stack->config.offer_timestamps) {
        uint32_t clock =
            stack->now_tick +
            tcp_secrets_of(stack, flow, passing->local_port, passing->remote_port).timestamp_offset;
        timestamp = tcp_syn_cookie_timestamp(clock, offered);
    } else {
        offered->has_window_scale = offered->has_sack = false;
    }
    options_agree(stack, passing, offered);
    stack->cookies_until_ns = stack->now_ns + TCP_COOKIE_LIFE_NS_MAX;
    count(stack->counters, COUNTER_TCP_COOKIES_SENT);
    send_syn_ack(stack, passing, flow, timestamp, NULL);
}

static void answer_with_entry(struct tcp_stack *stack, struct tcp_half_open *entry,
                              const struct network_flow *flow,
                              const struct tcp_syn_options *offered)
{
    struct tcp_secrets secrets = tcp_secrets_of(stack, flow, entry->local_port, entry->remote_port);
    entry->own_sequence = secrets.initial_sequence;
    if (stack->reopened_at != 0) /* the clock may not have come so far: RFC 9293 3.6.1 (MAY-2) */
        entry->own_sequence =
            seq_max(entry->own_sequence, stack->reopened_at + REOPEN_DISTANCE_BYTES);
    entry->timestamp_offset = secrets.timestamp_offset;
    tcp_half_open_set_flow(&stack->syn_table, entry, flow);
    options_agree(stack, entry, offered);
    tcp_syn_table_add(stack, entry);
    tcp_send_syn_ack(stack, entry, flow);
}

/* Data on the SYN is not accepted: the SYN-ACK does not cover it and the peer sends it again. */
void tcp_listen_input(struct tcp_stack *stack, const struct network_flow *flow,
                      struct packet *packet)
{
    enum drop_reason why = refuses(stack, flow);
    if (why != DROP_NONE) {
        tcp_drop(stack, packet, why);
        return;
    }
    struct tcp_syn_options offered;
    tcp_options_parse_syn(tcp_segment_options(packet), tcp_segment_option_bytes(packet), &offered);
    struct tcp_half_open *entry = entry_for_syn(stack);
    struct tcp_half_open passing = {0};
    struct tcp_half_open *half_open = entry ? entry : &passing;
    half_open->remote_port = port_at(packet, 0);
    half_open->local_port = port_at(packet, 2);
    half_open->flow_hash = packet->rx.flow_hash;
    half_open->peer_sequence = packet->rx.sequence;
    packet_bin_free(&stack->bin, packet); /* the answer takes it */
    if (entry)
        answer_with_entry(stack, entry, flow, &offered);
    else
        answer_with_cookie(stack, &passing, flow, &offered);
}

/* ---- SYN-RECEIVED ---- */

/* That of the SYN-ACK while nothing changes; else it is asked for: now somebody is there. */
static void take_path(struct tcp_stack *stack, struct tcp_connection *connection,
                      struct tcp_cold *cold, const struct tcp_half_open *half_open)
{
    if (UNLIKELY(!half_open->path_ready ||
                 half_open->network_generation != network_generation(stack->network))) {
        tcp_frame_find_path(stack, connection, cold);
        return;
    }
    memcpy(cold->next_hop_mac, half_open->next_hop_mac, sizeof(cold->next_hop_mac));
    cold->path_known = cold->path_ready = true;
    cold->network_generation = half_open->network_generation;
}

/*
 * When the SYN-ACK left that is answered now; 0: nobody knows. Of several the echoed timestamp
 * tells (RFC 7323 4.1), if it is young enough not to be that of one whose answer was lost.
 */
static uint32_t answered_sent_us(const struct tcp_stack *stack,
                                 const struct tcp_half_open *half_open, const struct packet *packet)
{
    if (half_open->retries == 0 && !half_open->sent_twice)
        return half_open->sent_us; /* of a cookie: 0 */
    uint32_t sent_tick = packet->rx.timestamp_echo - half_open->timestamp_offset;
    uint32_t ticks = u32_max(stack->now_tick - sent_tick, 1);
    if (!(half_open->flags & CONNECTION_TIMESTAMPS) || ticks > tcp_ticks_of_ms(TCP_RTO_INITIAL_MS))
        return 0;
    return (uint32_t)(stack->now_ns / 1000) - ticks * TCP_TICK_US;
}

/*
 * The connection as it is just before its acknowledgement is looked at; that is the caller's next
 * step. NULL: no slot.
 */
static struct tcp_connection *open_connection(struct tcp_stack *stack,
                                              const struct tcp_half_open *half_open,
                                              const struct packet *packet,
                                              const struct network_flow *flow)
{
    struct tcp_connection *connection =
        tcp_connection_take(stack, flow, half_open->local_port, half_open->remote_port);
    if (!connection)
        return NULL;
    struct tcp_cold *cold = connection_cold(connection);
    connection->state = TCP_SYN_RECEIVED;
    connection->flags |= half_open->flags;
    connection->scales = half_open->scales;
    connection->ts_recent = half_open->ts_recent;
    connection->snd_una = half_open->own_sequence;
    connection->snd_nxt = half_open->own_sequence + 1;
    connection->snd_wl1 = half_open->peer_sequence;
    connection->rcv_nxt = half_open->peer_sequence + 1;
    connection->last_ack_sent = connection->rcv_nxt;
    connection->rcv_edge = connection->rcv_nxt + syn_window(stack);
    cold->peer_mss_bytes = half_open->peer_mss_bytes;
    cold->peer_scales = half_open->peer_scales;
    cold->timestamp_offset = half_open->timestamp_offset;
    cold->syn_sent_us = answered_sent_us(stack, half_open, packet);
    cold->retransmitted_syn = half_open->retries > 0;
    cold->last_sent_tick = stack->now_tick;
    take_path(stack, connection, cold, half_open);
    tcp_source_limit_add(&stack->source_limit, flow);
    tcp_silent_add(stack, connection);
    return connection;
}

static void challenge(struct tcp_stack *stack, struct tcp_half_open *half_open,
                      const struct network_flow *flow)
{
    if (half_open->challenges == CHALLENGES_MAX) {
        count(stack->counters, COUNTER_TCP_ANSWERS_LIMITED);
        return;
    }
    half_open->challenges++;
    count(stack->counters, COUNTER_TCP_CHALLENGES_SENT);
    const struct tcp_reply reply = {
        .local_port = half_open->local_port,
        .remote_port = half_open->remote_port,
        .sequence = half_open->own_sequence + 1,
        .acknowledgement = half_open->peer_sequence + 1,
        .flags = TCP_FLAG_ACK,
        .window = syn_window(stack),
        .has_timestamps = (half_open->flags & CONNECTION_TIMESTAMPS) != 0,
        .timestamp_value = stack->now_tick + half_open->timestamp_offset,
        .timestamp_echo = half_open->ts_recent,
    };
    tcp_frame_reply(stack, flow, &reply);
}

/* RFC 9293 3.10.7.4, first step; the window is never shut here. */
static bool is_acceptable(const struct tcp_stack *stack, const struct tcp_half_open *half_open,
                          const struct packet *packet)
{
    uint32_t left = half_open->peer_sequence + 1;
    uint32_t window = syn_window(stack);
    uint32_t sequence = packet->rx.sequence;
    uint32_t length = tcp_segment_length(packet);
    if (length == 0)
        return sequence - left <= window;
    return sequence - left < window || sequence + length - 1 - left < window;
}

/* RFC 7323 3.2: what has no timestamp where it was agreed on is dropped silently; 5.3 R1. */
static bool refused_by_timestamp(struct tcp_stack *stack, struct tcp_half_open *half_open,
                                 const struct packet *packet, const struct network_flow *flow)
{
    if (!(half_open->flags & CONNECTION_TIMESTAMPS) || (packet->rx.tcp_flags & TCP_FLAG_RST))
        return false;
    if (!(packet->rx.option_flags & TCP_OPTION_TIMESTAMP))
        return true;
    if (!seq_before(packet->rx.timestamp_value, half_open->ts_recent))
        return false;
    challenge(stack, half_open, flow);
    return true;
}

/* Our answer was lost, or is late. */
static void syn_again(struct tcp_stack *stack, struct tcp_half_open *half_open,
                      const struct packet *packet, const struct network_flow *flow)
{
    if ((half_open->flags & packet->rx.option_flags & TCP_OPTION_TIMESTAMP) &&
        !seq_before(packet->rx.timestamp_value, half_open->ts_recent))
        half_open->ts_recent = packet->rx.timestamp_value;
    half_open->sent_twice = true;
    tcp_send_syn_ack(stack, half_open, flow);
}

/*
 * RFC 9293 3.10.7.4 for SYN-RECEIVED after a passive open, in its order. True: the segment
 * completes the handshake. What else there is in it, is the connection's.
 */
static bool completes(struct tcp_stack *stack, struct tcp_half_open *half_open,
                      const struct packet *packet, const struct network_flow *flow)
{
    uint8_t flags = packet->rx.tcp_flags;
    bool is_reset = flags & TCP_FLAG_RST;
    bool is_syn = flags & TCP_FLAG_SYN;
    if (is_syn && !(flags & TCP_FLAG_ACK) && packet->rx.sequence == half_open->peer_sequence) {
        syn_again(stack, half_open, packet, flow);
        return false;
    }
    /* first: timestamps, then the sequence number */
    if (refused_by_timestamp(stack, half_open, packet, flow))
        return false;
    if (!is_acceptable(stack, half_open, packet)) {
        if (!is_reset)
            challenge(stack, half_open, flow);
        return false;
    }
    /* second: RST, with RFC 5961 3.2 */
    if (is_reset) {
        if (packet->rx.sequence == half_open->peer_sequence + 1) {
            count(stack->counters, COUNTER_TCP_RESETS_RECEIVED);
            tcp_syn_table_remove(stack, half_open);
        } else {
            challenge(stack, half_open, flow);
        }
        return false;
    }
    /* fourth: SYN in the window: back to LISTEN */
    if (is_syn) {
        tcp_syn_table_remove(stack, half_open);
        return false;
    }
    /* fifth: ACK */
    if (!(flags & TCP_FLAG_ACK))
        return false;
    if (packet->rx.acknowledgement != half_open->own_sequence + 1) {
        tcp_reply_reset(stack, packet, flow);
        return false;
    }
    return true;
}

/* Several SYNs of it were answered while it had fewer connections: it learns at once. */
static struct tcp_connection *refuse_source(struct tcp_stack *stack, struct packet *packet,
                                            const struct network_flow *flow)
{
    tcp_reply_reset(stack, packet, flow);
    tcp_drop(stack, packet, DROP_TCP_SOURCE_FULL);
    return NULL;
}

struct tcp_connection *tcp_half_open_input(struct tcp_stack *stack, struct tcp_half_open *half_open,
                                           struct packet *packet, const struct network_flow *flow)
{
    if (!completes(stack, half_open, packet, flow)) {
        tcp_drop(stack, packet, DROP_TCP_OUTSIDE_WINDOW);
        return NULL;
    }
    if (UNLIKELY(!tcp_source_limit_allows(&stack->source_limit, flow))) {
        tcp_syn_table_remove(stack, half_open);
        return refuse_source(stack, packet, flow);
    }
    struct tcp_connection *connection = open_connection(stack, half_open, packet, flow);
    if (!connection) { /* the entry stays: the peer's next acknowledgement may find a slot */
        tcp_drop(stack, packet, DROP_TCP_CONNECTIONS_FULL);
        return NULL;
    }
    tcp_syn_table_replace(stack, half_open, connection_index(stack, connection));
    return connection;
}

/* ---- an acknowledgement of what we have no memory of ---- */

/* True: its acknowledgement is a cookie of ours, and `half_open` what it stands for. */
static bool is_cookie(struct tcp_stack *stack, const struct packet *packet,
                      const struct network_flow *flow, struct tcp_half_open *half_open)
{
    *half_open = (struct tcp_half_open){
        .remote_port = port_at(packet, 0),
        .local_port = port_at(packet, 2),
        .peer_sequence = packet->rx.sequence - 1,
        .own_sequence = packet->rx.acknowledgement - 1,
    };
    const struct tcp_cookie_tuple tuple = {.flow = flow,
                                           .local_port = half_open->local_port,
                                           .remote_port = half_open->remote_port,
                                           .peer_sequence = half_open->peer_sequence};
    struct tcp_syn_options offered = {0};
    if (!tcp_syn_cookie_check(&stack->key, &tuple, half_open->own_sequence, stack->now_ns,
                              &offered.mss_bytes))
        return false;
    if ((packet->rx.option_flags & TCP_OPTION_TIMESTAMP) && stack->config.offer_timestamps) {
        offered.has_timestamps = true;
        offered.timestamp_value = packet->rx.timestamp_value;
        tcp_syn_cookie_options(packet->rx.timestamp_echo, &offered);
        half_open->timestamp_offset =
            tcp_secrets_of(stack, flow, half_open->local_port, half_open->remote_port)
                .timestamp_offset;
    }
    options_agree(stack, half_open, &offered);
    return true;
}

struct tcp_connection *tcp_listen_acknowledged(struct tcp_stack *stack, struct packet *packet,
                                               const struct network_flow *flow)
{
    bool may_be_cookie = stack->now_ns < stack->cookies_until_ns;
    struct tcp_half_open half_open;
    if (!may_be_cookie || !is_cookie(stack, packet, flow, &half_open)) {
        if (may_be_cookie)
            count(stack->counters, COUNTER_TCP_COOKIES_REFUSED);
        tcp_reply_reset(stack, packet, flow);
        tcp_drop(stack, packet, DROP_TCP_NO_LISTENER);
        return NULL;
    }
    if (UNLIKELY(!tcp_source_limit_allows(&stack->source_limit, flow)))
        return refuse_source(stack, packet, flow);
    struct tcp_connection *connection = open_connection(stack, &half_open, packet, flow);
    if (!connection) {
        tcp_drop(stack, packet, DROP_TCP_CONNECTIONS_FULL);
        return NULL;
    }
    count(stack->counters, COUNTER_TCP_COOKIES_ACCEPTED);
    connection_table_insert(&stack->table, packet->rx.flow_hash,
                            connection_index(stack, connection));
    return connection;
}
