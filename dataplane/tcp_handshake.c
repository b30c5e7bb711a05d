/* SPDX-License-Identifier: BSD-3-Clause */
/* Active opening: SYN-SENT (RFC 9293 3.10.7.3); and the step to ESTABLISHED, for both kinds. */
#include "dataplane/tcp_congestion.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_loss.h"
#include "dataplane/tcp_output.h"

uint8_t tcp_window_scale(const struct tcp_stack *stack)
{
    uint8_t scale = 0;
    while (scale < TCP_WINDOW_SCALE_MAX && (stack->receive_window_bytes >> scale) > UINT16_MAX)
        scale++;
    return scale;
}

/* What the peer's SYN offers and we take. */
static void options_agree(struct tcp_stack *stack, struct tcp_connection *connection,
                          struct tcp_cold *cold, const struct packet *packet)
{
    struct tcp_syn_options options;
    tcp_options_parse_syn(tcp_segment_options(packet), tcp_segment_option_bytes(packet), &options);
    cold->peer_mss_bytes = options.mss_bytes;
    cold->peer_scales = options.has_window_scale;
    uint32_t own_scale = tcp_window_scale(stack);
    connection->scales =
        options.has_window_scale ? (uint8_t)(options.window_scale | own_scale << 4) : 0;
    if (options.has_timestamps && stack->config.offer_timestamps) {
        connection->flags |= CONNECTION_TIMESTAMPS;
        connection->ts_recent = options.timestamp_value;
    }
    if (options.has_sack && stack->config.offer_sack)
        connection->flags |= CONNECTION_SACK;
    connection->rcv_nxt = packet->rx.sequence + 1;
    connection->last_ack_sent = connection->rcv_nxt;
    connection->rcv_edge = connection->rcv_nxt;
    connection->snd_wl1 = packet->rx.sequence;
    connection->snd_wnd_bytes = packet->rx.window; /* a SYN's window is never scaled */
}

/* The handshake is done: from here on data may flow. */
void tcp_established(struct tcp_stack *stack, struct tcp_connection *connection,
                     const struct packet *packet)
{
    struct tcp_cold *cold = connection_cold(connection);
    connection->state = TCP_ESTABLISHED;
    connection->snd_una = packet->rx.acknowledgement;
    if (cold->syn_sent_us != 0)
        tcp_round_trip(stack, connection, (uint32_t)(stack->now_ns / 1000) - cold->syn_sent_us);
    cold->snd_wnd_bytes_max = connection->snd_wnd_bytes;
    tcp_loss_give_back(cold); /* that of a SYN sent again */
    connection->retransmit_tick = 0;
    tcp_mss_update(stack, connection);
    tcp_congestion_open(stack, connection, cold);
    tcp_keepalive_arm(stack, connection);
    count(stack->counters, COUNTER_TCP_CONNECTIONS_OPENED);
    connection_event(stack, connection, TCP_EVENT_OPENED);
    if (connection->send_next)
        connection_wants_output(stack, connection);
}

struct tcp_connection *tcp_connect(struct tcp_stack *stack, const struct network_flow *flow,
                                   uint16_t local_port, uint16_t remote_port, uint64_t now_ns)
{
    stack_time(stack, now_ns);
    uint32_t hash = tcp_flow_hash(stack, flow, local_port, remote_port);
    struct connection_cursor cursor = connection_table_begin(&stack->table, hash);
    uint32_t index;
    while ((index = connection_table_next(&stack->table, &cursor)) != CONNECTION_NOT_FOUND) {
        if (index & TCP_NO_SLOT_INDEX)
            continue;
        if (tcp_connection_is(stack, &stack->slots[index].connection, flow, local_port,
                              remote_port))
            return NULL; /* that pair of addresses is in use */
    }
    struct tcp_connection *connection = tcp_connection_take(stack, flow, local_port, remote_port);
    if (!connection)
        return NULL;
    struct tcp_cold *cold = connection_cold(connection);
    struct tcp_secrets secrets = tcp_secrets_of(stack, flow, local_port, remote_port);
    connection->state = TCP_SYN_SENT;
    connection->flags |= CONNECTION_ACTIVE;
    connection->snd_una = connection->snd_nxt = secrets.initial_sequence;
    cold->timestamp_offset = secrets.timestamp_offset;
    cold->syn_sent_us = (uint32_t)(now_ns / 1000);
    connection_table_insert(&stack->table, hash, connection_index(stack, connection));
    tcp_send_syn(stack, connection);
    return connection;
}

/* RFC 9293 3.10.7.3, in its order. */
void tcp_syn_sent_input(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct packet *packet)
{
    struct tcp_cold *cold = connection_cold(connection);
    uint8_t flags = packet->rx.tcp_flags;
    /* first, the ACK bit */
    if ((flags & TCP_FLAG_ACK) && packet->rx.acknowledgement != connection->snd_nxt) {
        struct network_flow flow;
        network_flow_of(packet, &flow);
        tcp_reply_reset(stack, packet, &flow);
        tcp_drop(stack, packet, DROP_TCP_OUTSIDE_WINDOW);
        return;
    }
    /* second, the RST bit */
    if (flags & TCP_FLAG_RST) {
        if (flags & TCP_FLAG_ACK) {
            count(stack->counters, COUNTER_TCP_RESETS_RECEIVED);
            tcp_connection_end(stack, connection);
        }
        packet_free(packet);
        return;
    }
    /* fourth, the SYN bit */
    if (!(flags & TCP_FLAG_SYN)) {
        tcp_drop(stack, packet, DROP_TCP_OUTSIDE_WINDOW);
        return;
    }
    options_agree(stack, connection, cold, packet);
    if (flags & TCP_FLAG_ACK) {
        tcp_established(stack, connection, packet);
        connection->flags |= CONNECTION_ACK_PENDING | CONNECTION_ACK_NOW;
        connection_wants_output(stack, connection);
    } else { /* both opened at once */
        connection->state = TCP_SYN_RECEIVED;
        connection->retransmit_tick = 0;
        tcp_send_syn(stack, connection);
    }
    packet_free(packet);
}
