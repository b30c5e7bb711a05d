/* SPDX-License-Identifier: BSD-3-Clause */
/* What is sent again, and why: known losses, the retransmission timer, tail loss probes. */
#include "dataplane/tcp_congestion.h"
#include "dataplane/tcp_frame.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_loss.h"
#include "dataplane/tcp_output.h"
#include "dataplane/tcp_scoreboard.h"
#include "dataplane/tcp_undo.h"

uint32_t tcp_loss_retransmit(struct tcp_stack *stack, struct tcp_connection *connection,
                             struct tcp_cold *cold, uint32_t budget)
{
    if (tcp_undo_prefers_new_data(connection, cold->loss))
        return 0;
    uint32_t sent = 0;
    struct packet *packet, *next = connection->send_head;
    while ((packet = next) != connection->send_next && sent < budget &&
           cold->loss->lost_bytes > 0) {
        next = packet->next;
        if (!(packet->tx.flags & TX_LOST))
            continue;
        if (packet->tx.payload_bytes > connection->mss_bytes) {
            if (!tcp_split_packet(stack, connection, packet, connection->mss_bytes))
                break;
            next = packet->next;
        }
        if (UNLIKELY(!seq_after(packet_sequence_end(packet), connection->snd_una))) {
            packet_forget_lost(cold, packet); /* cut off the head, acknowledged in part before */
            send_head_free(stack, connection);
            continue;
        }
        uint32_t bytes = packet_sequence_bytes(packet);
        uint32_t pipe = connection_pipe_bytes(connection, cold);
        if (pipe > 0 && pipe + bytes > connection->cwnd_bytes)
            break;
        if (!tcp_transmit(stack, connection, packet))
            break;
        packet_forget_lost(cold, packet);
        struct tcp_loss *loss = tcp_loss_take(cold);
        tcp_undo_retransmitted(stack, loss);
        if (loss->recovery == TCP_RECOVERY)
            loss->prr_out_bytes += bytes;
        count(stack->counters, cold->loss->recovery == TCP_LOSS ? COUNTER_TCP_RETRANSMITS_TIMEOUT
                                                                : COUNTER_TCP_RETRANSMITS_FAST);
        sent++;
    }
    if (cold->loss->lost_bytes > 0 && sent == budget)
        connection_wants_output(stack, connection);
    if (connection->retransmit_tick == 0)
        tcp_retransmit_arm(stack, connection);
    else if (sent > 0)
        tcp_probe_put_off(stack, connection);
    return sent;
}

/* RFC 8985 6.3: the oldest one, and all that had their time. */
static void mark_timed_out(struct tcp_stack *stack, struct tcp_connection *connection,
                           struct tcp_cold *cold, bool has_reneged)
{
    bool uses_rack = (connection->flags & CONNECTION_SACK) && cold->loss->rack_sent_ns != 0;
    uint64_t patience = uses_rack ? tcp_loss_patience_ns(connection, cold->loss) : 0;
    for (struct packet *packet = connection->send_head; packet != connection->send_next;
         packet = packet->next) {
        if (has_reneged)
            packet->tx.flags &= (uint16_t)~TX_SACKED;
        if (packet == connection->send_head || packet->tx.sent_ns + patience <= stack->now_ns)
            packet_mark_lost(cold, packet);
    }
}

/* RFC 6298 5.4 to 5.7, RFC 5682 3.1 step 1. */
void tcp_loss_timed_out(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct tcp_cold *cold)
{
    struct tcp_loss *loss = tcp_loss_take(cold);
    bool is_first = loss->backoff == 0 || loss->recovery != TCP_LOSS;
    struct packet *head = connection->send_head;
    bool has_reneged = head && (head->tx.flags & TX_SACKED); /* RFC 2018 section 8 */
    if (has_reneged || !(connection->flags & CONNECTION_SACK))
        loss->sacked_bytes = 0;
    mark_timed_out(stack, connection, cold, has_reneged);
    if (is_first)
        tcp_undo_begin(connection, loss, true);
    tcp_congestion_timed_out(stack, connection, cold, is_first);
    loss->recovery = TCP_LOSS;
    loss->frto = TCP_FRTO_WAITS;
    loss->recover_sequence = connection->snd_nxt;
    loss->tlp_in_flight = false;
    loss->duplicate_acks = 0;
    if (loss->backoff < 12)
        loss->backoff++;
    connection_wants_output(stack, connection);
    tcp_retransmit_arm(stack, connection);
    tcp_predictability(connection, cold);
}

/*
 * What is known to be lost and waits for the window, else the last segment of what was sent. A
 * large frame is cut. NULL: that has arrived.
 */
static struct packet *probe_packet(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct packet *last = NULL;
    for (struct packet *packet = connection->send_head; packet != connection->send_next;
         packet = packet->next) {
        if (packet->tx.flags & TX_SACKED)
            continue;
        last = packet;
        if (packet->tx.flags & TX_LOST)
            break;
    }
    if (!last || last->tx.payload_bytes <= connection->mss_bytes)
        return last;
    if (last->tx.flags & TX_LOST)
        return tcp_split_packet(stack, connection, last, connection->mss_bytes) ? last : NULL;
    uint32_t before = last->tx.payload_bytes - connection->mss_bytes;
    return tcp_split_packet(stack, connection, last, before) ? last->next : NULL;
}

/*
 * RFC 8985 7.3: new data if there is any, else the last segment again. Nothing into a full port:
 * what it is to stand in for has probably not left yet.
 */
void tcp_loss_probe(struct tcp_stack *stack, struct tcp_connection *connection,
                    struct tcp_cold *cold)
{
    struct tcp_loss *loss = tcp_loss_take(cold);
    tcp_frame_find_path(stack, connection, cold); /* segments may have to be smaller */
    bool has_room = network_has_room(stack->network, cold->port_index);
    bool is_new = has_room && loss->lost_bytes == 0 && tcp_output_probe(stack, connection, cold);
    struct packet *again = has_room && !is_new ? probe_packet(stack, connection) : NULL;
    bool is_again = again && tcp_transmit(stack, connection, again);
    if (is_again)
        packet_forget_lost(cold, again);
    if (is_again && loss->recovery != TCP_OPEN)
        tcp_undo_retransmitted(stack, loss);
    if (is_new || is_again)
        count(stack->counters, COUNTER_TCP_RETRANSMITS_PROBE);
    loss->tlp_in_flight = true; /* also when none could leave: what comes next is the timeout */
    loss->tlp_was_retransmission = is_again;
    loss->tlp_end = connection->snd_nxt;
    loss->tlp_tick = stack->now_tick;
    tcp_retransmit_arm(stack, connection);
    tcp_predictability(connection, cold);
}

void tcp_loss_too_big(struct tcp_stack *stack, struct tcp_connection *connection,
                      struct tcp_cold *cold)
{
    for (struct packet *packet = connection->send_head; packet != connection->send_next;
         packet = packet->next)
        if (packet->tx.payload_bytes > connection->mss_bytes)
            packet_mark_lost(cold, packet);
    if (cold->loss->lost_bytes > 0)
        connection_wants_output(stack, connection);
    tcp_predictability(connection, cold);
}
