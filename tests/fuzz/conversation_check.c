/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/conversation_check.h"

#include "dataplane/tcp_internal.h"

/* Received in order and not consumed: the bytes are what the connection says. Returns packets. */
static uint32_t check_received(const struct tcp_stack *stack,
                               const struct tcp_connection *connection)
{
    uint32_t bytes = 0, count = 0;
    const struct packet *tail = connection->receive_tail;
    for (const struct packet *at = tail ? tail->next : NULL; at; at = at->next) {
        bytes += at->rx.payload_bytes;
        count++;
        ASSERT(count <= stack->packets_held);
        if (at == tail)
            break;
    }
    ASSERT(bytes == connection->receive_bytes);
    ASSERT(!seq_after(connection->rcv_nxt, connection->rcv_edge + 1)); /* the FIN may be beyond */
    return count;
}

/* By sequence, without overlaps, behind what is missing. */
static uint32_t check_out_of_order(const struct tcp_stack *stack,
                                   const struct tcp_connection *connection,
                                   const struct tcp_loss *loss)
{
    uint32_t count = 0, end = connection->rcv_nxt;
    for (const struct packet *at = loss->out_of_order; at; at = at->next) {
        ASSERT(count == 0 ? seq_after(at->rx.sequence, end) : !seq_before(at->rx.sequence, end));
        end = at->rx.sequence + at->rx.payload_bytes;
        count++;
        ASSERT(count <= stack->config.out_of_order_max);
        ASSERT(at->next != NULL || at == loss->out_of_order_tail);
    }
    ASSERT(count == loss->out_of_order_count);
    return count;
}

/* Contiguous from snd_una on; what is known of each packet adds up. Returns packets. */
static uint32_t check_sent(const struct tcp_stack *stack, const struct tcp_connection *connection,
                           const struct tcp_cold *cold)
{
    uint32_t count = 0, payload = 0, sacked = 0, lost = 0;
    uint32_t sequence = connection->snd_una;
    bool has_unsent = false;
    for (const struct packet *at = connection->send_head; at; at = at->next) {
        has_unsent |= at == connection->send_next;
        if (!has_unsent) { /* what was not sent has no number yet */
            ASSERT(count == 0 ? !seq_after(at->tx.sequence, sequence)
                              : at->tx.sequence == sequence);
            sequence = packet_sequence_end(at);
        }
        payload += at->tx.payload_bytes;
        sacked += at->tx.flags & TX_SACKED ? packet_sequence_bytes(at) : 0;
        lost += at->tx.flags & TX_LOST ? packet_sequence_bytes(at) : 0;
        ASSERT((at->tx.flags & (TX_SACKED | TX_LOST)) != (TX_SACKED | TX_LOST));
        ASSERT(!has_unsent || !(at->tx.flags & (TX_SACKED | TX_LOST)));
        count++;
        ASSERT(count <= stack->packets_held);
        ASSERT(at->next != NULL || at == connection->send_tail);
    }
    ASSERT(has_unsent == (connection->send_next != NULL));
    if (connection->state > TCP_SYN_RECEIVED) /* a SYN is in no queue */
        ASSERT(sequence == connection->snd_nxt);
    ASSERT(payload == connection->send_bytes);
    ASSERT(!seq_after(connection->snd_una, connection->snd_nxt));
    uint32_t outstanding = connection->snd_nxt - connection->snd_una;
    ASSERT(cold->loss->sacked_bytes <= outstanding && cold->loss->lost_bytes <= outstanding);
    ASSERT(lost == cold->loss->lost_bytes);
    if (connection->flags & CONNECTION_SACK)
        ASSERT(sacked == cold->loss->sacked_bytes);
    return count;
}

/* Nobody waits for an event that cannot come. */
static void check_timers(const struct tcp_connection *connection, const struct tcp_cold *cold)
{
    /* After a RST a closed connection may linger for what is unread, its FIN not acknowledged. */
    if (connection->snd_nxt != connection->snd_una && connection->state != TCP_TIME_WAIT)
        ASSERT(connection->retransmit_tick != 0);
    if (connection->send_next && connection->snd_nxt == connection->snd_una &&
        connection->state != TCP_SYN_SENT && !(connection->flags & CONNECTION_ON_OUTPUT))
        ASSERT(connection->retransmit_tick != 0); /* the window is shut: it is probed */
    if ((connection->flags & CONNECTION_FIN_WANTED) && connection->state >= TCP_ESTABLISHED &&
        !(connection->flags & CONNECTION_ON_OUTPUT))
        ASSERT(cold->fin_wait_tick != 0); /* it waits for a packet */
    bool has_deadline = connection->retransmit_tick != 0 || connection->application_tick != 0 ||
                        cold->delayed_ack_tick != 0 || cold->fin_wait_tick != 0 ||
                        cold->keepalive_tick != 0;
    ASSERT(!has_deadline || connection->armed_tick != 0);
    ASSERT(has_deadline || connection->state == TCP_CLOSE_WAIT);
}

static uint32_t check_connection(const struct tcp_stack *stack,
                                 const struct tcp_connection *connection)
{
    const struct tcp_cold *cold = connection_cold(connection);
    ASSERT(connection->state != TCP_LISTEN && connection->state < TCP_STATE_COUNT);
    uint32_t held = check_received(stack, connection) +
                    check_out_of_order(stack, connection, cold->loss) +
                    check_sent(stack, connection, cold);
    if (!(connection->flags & CONNECTION_GONE))
        check_timers(connection, cold);
    return held;
}

void conversation_check(const struct tcp_stack *stack)
{
    uint32_t held = 0, live = 0;
    for (uint32_t i = 0; i < stack->config.connections; i++) {
        const struct tcp_connection *connection = &stack->slots[i].connection;
        if (connection->state == TCP_CLOSED)
            continue;
        held += check_connection(stack, connection);
        live++;
    }
    ASSERT(held == stack->packets_held);
    ASSERT(live <= stack->connection_count);
    ASSERT(stack->connection_count <= stack->config.connections);
    ASSERT(tcp_half_open_count(stack) <= stack->config.half_open_max);
}

uint32_t conversation_queued(const struct tcp_stack *stack)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < stack->config.connections; i++)
        for (const struct packet *at = stack->slots[i].connection.send_head; at; at = at->next)
            count++;
    return count;
}
