/* SPDX-License-Identifier: BSD-3-Clause */
/* When something is sent. How a frame is built is in tcp_frame.c. */
#include "dataplane/tcp_output.h"

#include <string.h>

#include "dataplane/packet_build.h"
#include "dataplane/tcp_congestion.h"
#include "dataplane/tcp_frame.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_loss.h"

#define SEGMENTS_PER_ROUND_MAX 64u /* of one connection: the others get their turn */
#define PASSED_OVER_MAX 64u        /* connections of full ports that a round looks at */

void tcp_send_packet_free(struct tcp_stack *stack, struct packet *packet)
{
    if (packet->tx.blob)
        blob_release(stack->config.blob_stock, packet->tx.blob);
    stack_packet_free(stack, packet);
}

bool tcp_split_packet(struct tcp_stack *stack, struct tcp_connection *connection,
                      struct packet *packet, uint32_t first_bytes)
{
    ASSERT_HOT(first_bytes > 0 && first_bytes < packet->tx.payload_bytes);
    struct packet *rest = tcp_frame_split(stack, packet, first_bytes);
    if (!rest)
        return false;
    rest->next = packet->next;
    packet->next = rest;
    if (connection->send_tail == packet)
        connection->send_tail = rest;
    return true;
}

static bool is_synchronized(const struct tcp_connection *connection)
{
    return connection->state >= TCP_ESTABLISHED;
}

/* The acknowledgement that every segment carries has now been sent. */
static inline void acknowledged(struct tcp_connection *connection, struct tcp_cold *cold)
{
    connection->flags &= (uint16_t) ~(CONNECTION_ACK_PENDING | CONNECTION_ACK_NOW);
    connection->last_ack_sent = connection->rcv_nxt;
    cold->delayed_ack_tick = 0;
}

static inline bool transmit(struct tcp_stack *stack, struct tcp_connection *connection,
                            struct packet *packet)
{
    struct tcp_cold *cold = connection_cold(connection);
    bool is_first = !(packet->tx.flags & TX_SENT);
    if (is_first)
        packet->tx.sequence = connection->snd_nxt;
    uint8_t flags = TCP_FLAG_ACK;
    if (packet->next == NULL || (packet->tx.flags & TX_PUSH))
        flags |= TCP_FLAG_PSH;
    if (UNLIKELY(packet->tx.flags & TX_FIN)) /* alone it has nothing to push */
        flags = packet->tx.payload_bytes > 0 ? flags | TCP_FLAG_FIN : TCP_FLAG_ACK | TCP_FLAG_FIN;
    struct packet *frame = tcp_frame_data(stack, connection, cold, packet, flags);
    if (UNLIKELY(!frame))
        return false;
    if (is_first)
        connection->snd_nxt += packet_sequence_bytes(packet);
    else
        packet->tx.flags |= TX_RETRANSMITTED;
    packet->tx.flags |= TX_SENT;
    packet->tx.sent_ns = stack->now_ns;
    cold->last_sent_tick = stack->now_tick;
    acknowledged(connection, cold);
    tcp_send_frame(stack, cold->port_index, frame, cold->next_hop_mac,
                   is_first ? TRACE_SENT : TRACE_SENT_AGAIN);
    return true;
}

bool tcp_transmit(struct tcp_stack *stack, struct tcp_connection *connection, struct packet *packet)
{
    return transmit(stack, connection, packet);
}

/* The FIN rides on the last packet when that has not left yet. */
static void queue_fin(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct packet *packet = connection->send_next ? connection->send_tail : NULL;
    if (!packet) {
        packet = stack_packet_alloc(stack);
        if (!packet) {
            count(stack->counters, COUNTER_PACKET_ALLOCATION_FAILED);
            tcp_fin_put_off(stack, connection);
            return;
        }
        memset(&packet->tx, 0, sizeof(packet->tx));
        packet->next = NULL;
        stack->packets_held++;
        if (connection->send_tail)
            connection->send_tail->next = packet;
        else
            connection->send_head = packet;
        connection->send_tail = packet;
        connection->send_next = packet;
    }
    packet->tx.flags |= TX_FIN;
    connection->flags &= (uint16_t)~CONNECTION_FIN_WANTED;
}

static void fin_sent(struct tcp_connection *connection)
{
    if (connection->state == TCP_ESTABLISHED)
        connection->state = TCP_FIN_WAIT_1;
    else if (connection->state == TCP_CLOSE_WAIT)
        connection->state = TCP_LAST_ACK;
}

/* How much of `packet` may go now; 0: nothing (RFC 9293 3.8.6.2.1: no silly windows). */
static uint32_t window_allows(const struct tcp_connection *connection, const struct tcp_cold *cold,
                              uint32_t wanted)
{
    uint32_t edge = connection->snd_una + connection->snd_wnd_bytes;
    uint32_t usable = seq_after(edge, connection->snd_nxt) ? edge - connection->snd_nxt : 0;
    if (usable >= wanted)
        return wanted;
    return usable >= cold->snd_wnd_bytes_max / 2 ? usable : 0;
}

/*
 * The congestion window holds back whole segments; when nothing is in flight one may always go.
 * False: stop here.
 */
static bool congestion_allows(struct tcp_connection *connection, const struct tcp_cold *cold,
                              uint32_t *wanted)
{
    uint32_t pipe = connection_pipe_bytes(connection, cold);
    if (pipe == 0 || pipe + *wanted <= connection->cwnd_bytes)
        return true;
    if (*wanted <= connection->mss_bytes || pipe + connection->mss_bytes > connection->cwnd_bytes) {
        connection->flags |= CONNECTION_CWND_LIMITED;
        return false;
    }
    *wanted = connection->mss_bytes;
    return true;
}

/* Cuts the next packet to `wanted` and what peer and budget allow. False: stop here. */
static bool next_fits(struct tcp_stack *stack, struct tcp_connection *connection,
                      struct tcp_cold *cold, struct packet *packet, uint32_t wanted)
{
    uint32_t outstanding = connection->snd_nxt - connection->snd_una;
    if (outstanding > 0 && outstanding + wanted > stack->config.send_budget_bytes)
        return false; /* bounds what a connection may pin, whatever the peer's window is */
    if (wanted > 0) { /* a FIN alone needs no window */
        wanted = window_allows(connection, cold, wanted);
        if (wanted == 0)
            return false;
    }
    if (wanted < packet->tx.payload_bytes)
        return tcp_split_packet(stack, connection, packet, wanted);
    return true;
}

static bool next_send(struct tcp_stack *stack, struct tcp_connection *connection,
                      struct tcp_cold *cold, uint32_t wanted)
{
    struct packet *packet = connection->send_next;
    if (!next_fits(stack, connection, cold, packet, wanted) ||
        !tcp_transmit(stack, connection, packet))
        return false;
    if (packet->tx.flags & TX_FIN)
        fin_sent(connection);
    if (cold->loss->recovery == TCP_RECOVERY)
        tcp_loss_take(cold)->prr_out_bytes += packet->tx.payload_bytes;
    connection->send_next = packet->next;
    return true;
}

bool tcp_output_probe(struct tcp_stack *stack, struct tcp_connection *connection,
                      struct tcp_cold *cold)
{
    struct packet *packet = connection->send_next;
    return packet && next_send(stack, connection, cold,
                               u32_min(packet->tx.payload_bytes, connection->mss_bytes));
}

static void send_new(struct tcp_stack *stack, struct tcp_connection *connection,
                     struct tcp_cold *cold, uint32_t budget)
{
    struct packet *packet;
    if (!connection->send_next)
        return;
    uint32_t idle_ticks = stack->now_tick - cold->last_sent_tick;
    if (connection->snd_una == connection->snd_nxt && UNLIKELY(idle_ticks > stack->rto_ticks_min) &&
        idle_ticks > tcp_rto_ticks(stack, connection, cold))
        tcp_congestion_idle(stack, connection, cold);
    bool has_sent = false;
    for (; (packet = connection->send_next) != NULL && budget > 0; budget--) {
        uint32_t wanted = u32_min(packet->tx.payload_bytes,
                                  tcp_frame_payload_max(stack, connection, cold, packet));
        if (!congestion_allows(connection, cold, &wanted) ||
            !next_send(stack, connection, cold, wanted))
            break;
        has_sent = true;
    }
    if (packet && budget == 0)
        connection_wants_output(stack, connection);
    if (has_sent &&
        connection->cwnd_bytes < connection_pipe_bytes(connection, cold) + connection->mss_bytes)
        connection->flags |= CONNECTION_CWND_LIMITED;
    /* With data in flight its timer runs; with none and data waiting, the peer's window is shut. */
    if (connection->retransmit_tick == 0 ||
        (has_sent && cold->retransmit_timer == TCP_TIMER_PERSIST))
        tcp_retransmit_arm(stack, connection);
    else if (has_sent)
        tcp_probe_put_off(stack, connection);
}

/* A window that opened by two segments or half of all is worth a segment (RFC 1122 4.2.3.3). */
static bool window_update_due(const struct tcp_stack *stack,
                              const struct tcp_connection *connection)
{
    uint32_t edge = connection->rcv_nxt + connection_receive_room(stack, connection);
    uint32_t growth = edge - connection->rcv_edge;
    if ((int32_t)growth <= 0)
        return false;
    uint32_t offered = connection->rcv_edge - connection->rcv_nxt;
    return growth >= stack->receive_window_bytes / 2 ||
           (growth >= 2u * connection->mss_bytes && offered < stack->receive_window_bytes / 2);
}

static void acknowledge_if_due(struct tcp_stack *stack, struct tcp_connection *connection,
                               struct tcp_cold *cold)
{
    if ((connection->flags & CONNECTION_ACK_NOW) ||
        ((connection->flags & CONNECTION_ACK_PENDING) && stack->delayed_ack_ticks == 0) ||
        window_update_due(stack, connection)) {
        tcp_send_ack(stack, connection);
    } else if ((connection->flags & CONNECTION_ACK_PENDING) && cold->delayed_ack_tick == 0) {
        cold->delayed_ack_tick = tcp_tick_at(stack->now_tick, stack->delayed_ack_ticks);
        tcp_timer_update(stack, connection, cold->delayed_ack_tick);
    }
}

/*
 * The usual answer: one packet that fits into a segment and the peer's window, nothing in flight
 * and nothing special about the connection. It carries the acknowledgement and the window.
 */
static inline bool is_lone_answer(const struct tcp_stack *stack,
                                  const struct tcp_connection *connection,
                                  const struct tcp_cold *cold)
{
    const struct packet *packet = connection->send_next;
    return packet != NULL && packet->next == NULL && connection->snd_una == connection->snd_nxt &&
           connection->state == TCP_ESTABLISHED && !(packet->tx.flags & TX_FIN) &&
           !(connection->flags & (CONNECTION_UNPREDICTABLE | CONNECTION_FIN_WANTED)) &&
           packet->tx.payload_bytes <= connection->mss_bytes &&
           packet->tx.payload_bytes <= connection->snd_wnd_bytes &&
           connection->cwnd_bytes >= 2u * connection->mss_bytes &&
           stack->now_tick - cold->last_sent_tick <= stack->rto_ticks_min;
}

void tcp_output_connection(struct tcp_stack *stack, struct tcp_connection *connection)
{
    if (!is_synchronized(connection))
        return;
    struct tcp_cold *cold = connection_cold(connection);
    if (LIKELY(is_lone_answer(stack, connection, cold))) {
        if (LIKELY(transmit(stack, connection, connection->send_next)))
            connection->send_next = NULL;
        if (connection->retransmit_tick == 0 || cold->retransmit_timer == TCP_TIMER_TLP)
            tcp_retransmit_arm(stack, connection);
        return;
    }
    uint32_t budget = SEGMENTS_PER_ROUND_MAX;
    if (UNLIKELY(cold->loss->lost_bytes > 0))
        budget -= tcp_loss_retransmit(stack, connection, cold, budget);
    if (UNLIKELY(connection->flags & CONNECTION_FIN_WANTED))
        queue_fin(stack, connection);
    send_new(stack, connection, cold, budget);
    acknowledge_if_due(stack, connection, cold);
}

/*
 * In the order in which they asked. When the port is full nobody behind the first is looked at,
 * however many wait: they are next in the next round. Of several ports another may have room for
 * those behind.
 */
void tcp_output(struct tcp_stack *stack, uint64_t now_ns)
{
    stack_time(stack, now_ns);
    struct tcp_index_ring *ring = &stack->output;
    uint32_t end = ring->tail; /* what is added while we are here waits for the next round */
    uint32_t pass_over = network_port_count(stack->network) == 1 ? 0 : PASSED_OVER_MAX;
    while (ring->head != end) {
        uint32_t index = ring->indices[ring->head & ring->mask];
        struct tcp_connection *connection = &stack->slots[index].connection;
        struct tcp_cold *cold = &stack->slots[index].cold;
        if (UNLIKELY(!network_has_room(stack->network, cold->port_index)) &&
            connection->state != TCP_CLOSED) { /* a dead one's slot need not wait for the port */
            if (pass_over-- == 0)
                break;
            ring->head++;
            index_ring_push(ring, index);
            continue;
        }
        if (++ring->head != end)
            prefetch_read(&stack->slots[ring->indices[ring->head & ring->mask]].cold);
        connection->flags &= (uint16_t)~CONNECTION_ON_OUTPUT;
        tcp_output_connection(stack, connection);
    }
    uint32_t dying = stack->dying;
    stack->dying = TCP_INDEX_NONE;
    while (dying != TCP_INDEX_NONE) {
        struct tcp_slot *slot = &stack->slots[dying];
        dying = slot->cold.silent_next;
        tcp_connection_free_slot(stack, &slot->connection);
    }
    packet_bin_empty(&stack->bin);
}

/* ---- segments without a packet in the queue ---- */

static void send_bare(struct tcp_stack *stack, struct tcp_connection *connection, uint32_t sequence,
                      uint8_t flags)
{
    struct tcp_cold *cold = connection_cold(connection);
    struct packet *frame = tcp_frame_bare(stack, connection, cold, sequence, flags);
    if (frame)
        tcp_send_frame(stack, cold->port_index, frame, cold->next_hop_mac, TRACE_SENT);
}

void tcp_send_syn(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct tcp_cold *cold = connection_cold(connection);
    bool is_answer = connection->state == TCP_SYN_RECEIVED;
    uint32_t iss = connection->snd_una;
    connection->snd_nxt = iss + 1;
    send_bare(stack, connection, iss, is_answer ? TCP_FLAG_SYN | TCP_FLAG_ACK : TCP_FLAG_SYN);
    if (is_answer)
        acknowledged(connection, cold);
    cold->last_sent_tick = stack->now_tick;
    if (connection->retransmit_tick == 0)
        tcp_retransmit_arm(stack, connection);
}

void tcp_send_ack(struct tcp_stack *stack, struct tcp_connection *connection)
{
    send_bare(stack, connection, connection->snd_nxt, TCP_FLAG_ACK);
    acknowledged(connection, connection_cold(connection));
}

/* Each connection has a limit of its own: nobody can use up, or count, another one's. */
static bool may_challenge(struct tcp_stack *stack, const struct tcp_connection *connection)
{
    uint32_t limit = stack->config.challenges_per_s;
    if (limit == 0)
        return true;
    struct tcp_challenges *own = &stack->challenges[connection_index(stack, connection)];
    uint32_t generation = connection_cold(connection)->generation;
    uint16_t window = (uint16_t)(stack->now_tick >> 10); /* of 1.07 s */
    if (own->generation != generation || own->window != window)
        *own = (struct tcp_challenges){.generation = generation, .window = window};
    if (own->used >= limit) {
        count(stack->counters, COUNTER_TCP_ANSWERS_LIMITED);
        return false;
    }
    own->used++;
    return true;
}

void tcp_send_challenge_ack(struct tcp_stack *stack, struct tcp_connection *connection)
{
    if (!may_challenge(stack, connection))
        return;
    count(stack->counters, COUNTER_TCP_CHALLENGES_SENT);
    tcp_send_ack(stack, connection);
}

void tcp_send_reset(struct tcp_stack *stack, struct tcp_connection *connection)
{
    if (connection->state == TCP_SYN_SENT || connection->state == TCP_CLOSED)
        return; /* the peer knows of nothing */
    count(stack->counters, COUNTER_TCP_RESETS_SENT);
    send_bare(stack, connection, connection->snd_nxt, TCP_FLAG_RST | TCP_FLAG_ACK);
}

void tcp_send_probe(struct tcp_stack *stack, struct tcp_connection *connection)
{
    send_bare(stack, connection, connection->snd_una - 1, TCP_FLAG_ACK);
}

static uint16_t wire_port(const struct packet *packet, uint32_t offset)
{
    const uint8_t *at = packet_data(packet) + packet->rx.transport_offset + offset;
    return (uint16_t)(at[0] << 8 | at[1]);
}

void tcp_reply_reset(struct tcp_stack *stack, const struct packet *packet,
                     const struct network_flow *flow)
{
    const struct packet_rx *rx = &packet->rx;
    /* Acknowledgements come from peers of forgotten connections: SYNs must not use up theirs. */
    struct tcp_rate *rate = rx->tcp_flags & TCP_FLAG_ACK ? &stack->resets_to_acknowledgements
                                                         : &stack->resets_to_others;
    if ((rx->tcp_flags & TCP_FLAG_RST) || !tcp_rate_allows(stack, rate))
        return;
    struct tcp_reply reply = {
        .local_port = wire_port(packet, 2),
        .remote_port = wire_port(packet, 0),
        .flags = TCP_FLAG_RST,
    };
    if (rx->tcp_flags & TCP_FLAG_ACK) {
        reply.sequence = rx->acknowledgement;
    } else {
        reply.flags |= TCP_FLAG_ACK;
        reply.acknowledgement = rx->sequence + rx->payload_bytes +
                                ((rx->tcp_flags & TCP_FLAG_SYN) != 0) +
                                ((rx->tcp_flags & TCP_FLAG_FIN) != 0);
    }
    count(stack->counters, COUNTER_TCP_RESETS_SENT);
    tcp_frame_reply(stack, flow, &reply);
}

void tcp_reply_ack(struct tcp_stack *stack, const struct packet *packet,
                   const struct network_flow *flow, uint32_t sequence, uint32_t acknowledgement,
                   const struct tcp_time_wait *time_wait)
{
    struct tcp_reply reply = {
        .local_port = wire_port(packet, 2),
        .remote_port = wire_port(packet, 0),
        .flags = TCP_FLAG_ACK,
        .sequence = sequence,
        .acknowledgement = acknowledgement,
        .has_timestamps = time_wait->has_timestamps,
        .timestamp_value = stack->now_tick + time_wait->timestamp_offset,
        .timestamp_echo = time_wait->ts_recent,
    };
    tcp_frame_reply(stack, flow, &reply);
}
