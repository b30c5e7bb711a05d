/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_scoreboard.h - marks on the packets of a send queue, and the sums that go with them.
 *
 * Purpose:   shared by who finds losses (tcp_loss.c) and who mends them (tcp_retransmit.c).
 * Ownership: packets belong to the connection's queue.
 * Threading: the connection's worker.
 * Units:     bytes of sequence space.
 * Errors:    none.
 * Source:    RFC 6675 section 3.
 */
#ifndef GANNET_TCP_SCOREBOARD_H
#define GANNET_TCP_SCOREBOARD_H

#include "dataplane/tcp_internal.h"

static inline void packet_forget_lost(struct tcp_cold *cold, struct packet *packet)
{
    if (packet->tx.flags & TX_LOST) {
        packet->tx.flags &= (uint16_t)~TX_LOST;
        tcp_loss_take(cold)->lost_bytes -= packet_sequence_bytes(packet);
    }
}

static inline void packet_mark_lost(struct tcp_cold *cold, struct packet *packet)
{
    if (packet->tx.flags & (TX_LOST | TX_SACKED))
        return;
    packet->tx.flags |= TX_LOST;
    tcp_loss_take(cold)->lost_bytes += packet_sequence_bytes(packet);
}

static inline void send_head_free(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct packet *packet = connection->send_head;
    connection->send_head = packet->next;
    if (!connection->send_head)
        connection->send_tail = NULL;
    connection->send_bytes -= packet->tx.payload_bytes;
    if (UNLIKELY(packet->tx.blob != NULL)) {
        connection_cold(connection)->blob_bytes -= packet->tx.payload_bytes;
        blob_release(stack->config.blob_stock, packet->tx.blob);
    }
    stack_packet_free(stack, packet);
}

#endif
