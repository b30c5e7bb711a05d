/* SPDX-License-Identifier: BSD-3-Clause */
/* In-order bytes for the application, and the queue of what came too early. */
#include <string.h>

#include "dataplane/packet_build.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_loss.h"
#include "dataplane/tcp_output.h"

#define COALESCE_BYTES_MAX 256u
#define PRUNE_LOOKED_AT_MAX 64u

/* Small segments are copied together, so that a peer cannot pin a packet with every byte. */
static bool coalesced(struct tcp_stack *stack, struct packet *tail, struct packet *packet)
{
    uint16_t bytes = packet->rx.payload_bytes;
    uint32_t end = (uint32_t)tail->rx.payload_offset + tail->rx.payload_bytes;
    /* Behind the payload there may be what was trimmed; packet_append writes behind the data. */
    if (bytes > COALESCE_BYTES_MAX || end != packet_first_bytes(tail) ||
        packet_tail_room(tail) < bytes || packet_is_shared(tail))
        return false;
    memcpy(packet_append(tail, bytes), packet_data(packet) + packet->rx.payload_offset, bytes);
    tail->rx.payload_bytes = (uint16_t)(tail->rx.payload_bytes + bytes);
    stack_packet_free(stack, packet);
    return true;
}

void tcp_receive_append(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct packet *packet)
{
    struct packet *tail = connection->receive_tail;
    connection->rcv_nxt += packet->rx.payload_bytes;
    connection->receive_bytes += packet->rx.payload_bytes;
    if (tail == NULL) {
        packet->next = packet;
        connection->receive_tail = packet;
    } else if (!coalesced(stack, tail, packet)) {
        packet->next = tail->next;
        tail->next = packet;
        connection->receive_tail = packet;
    }
}

/* Gives up `bytes` at the front of the payload. */
static void trim_front(struct packet *packet, uint32_t bytes)
{
    ASSERT_HOT(bytes <= packet->rx.payload_bytes);
    packet->rx.sequence += bytes;
    packet->rx.payload_offset = (uint16_t)(packet->rx.payload_offset + bytes);
    packet->rx.payload_bytes = (uint16_t)(packet->rx.payload_bytes - bytes);
}

static uint32_t end_of(const struct packet *packet)
{
    return packet->rx.sequence + packet->rx.payload_bytes;
}

static void queue_remove(struct tcp_loss *loss, struct packet *previous, struct packet *packet)
{
    if (previous)
        previous->next = packet->next;
    else
        loss->out_of_order = packet->next;
    if (loss->out_of_order_tail == packet)
        loss->out_of_order_tail = previous;
    loss->out_of_order_count--;
    loss->stack->out_of_order_held--;
}

/* A FIN whose data was cut away or came twice must survive: the later end keeps it. */
static void keep_fin(struct packet *from, struct packet *to)
{
    if ((from->rx.tcp_flags & TCP_FLAG_FIN) && end_of(from) == end_of(to))
        to->rx.tcp_flags |= TCP_FLAG_FIN;
}

/* The block that has just changed comes first, together with those that it now touches. */
static void block_remember(struct tcp_loss *loss, uint32_t left, uint32_t right)
{
    if (left == right) /* a FIN alone cannot be told */
        return;
    struct tcp_sack_block others[TCP_SACK_BLOCKS_MAX], block = {left, right};
    uint32_t other_count = 0;
    for (uint32_t i = 0; i < loss->sack_recent_count; i++) {
        const struct tcp_sack_block *known = &loss->sack_recent[i];
        if (seq_before(known->right, block.left) || seq_after(known->left, block.right)) {
            others[other_count++] = *known;
            continue;
        }
        block.left = seq_before(known->left, block.left) ? known->left : block.left;
        block.right = seq_max(known->right, block.right);
    }
    other_count = u32_min(other_count, TCP_SACK_BLOCKS_MAX - 1);
    loss->sack_recent[0] = block;
    memcpy(&loss->sack_recent[1], others, other_count * sizeof(*others));
    loss->sack_recent_count = (uint8_t)(1 + other_count);
}

/* Blocks that have become part of the stream. */
static void blocks_forget(struct tcp_loss *loss, uint32_t rcv_nxt)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < loss->sack_recent_count; i++)
        if (seq_after(loss->sack_recent[i].right, rcv_nxt))
            loss->sack_recent[kept++] = loss->sack_recent[i];
    loss->sack_recent_count = (uint8_t)kept;
}

/* Puts a packet in its place; overlaps are cut from the new one, swallowed ones are dropped. */
static void queue_insert(struct tcp_stack *stack, struct tcp_loss *loss, struct packet *packet)
{
    struct packet *previous = NULL;
    if (loss->out_of_order_tail &&
        !seq_before(packet->rx.sequence, loss->out_of_order_tail->rx.sequence))
        previous = loss->out_of_order_tail;
    else
        for (struct packet *at = loss->out_of_order;
             at && !seq_after(at->rx.sequence, packet->rx.sequence); at = at->next)
            previous = at;
    if (previous && seq_after(end_of(previous), packet->rx.sequence)) {
        uint32_t overlap = end_of(previous) - packet->rx.sequence;
        if (overlap >= packet->rx.payload_bytes) {
            loss->duplicate_left = packet->rx.sequence;
            loss->duplicate_right = end_of(packet);
            block_remember(loss, packet->rx.sequence, end_of(packet)); /* RFC 2883 4.1, second */
            keep_fin(packet, previous);
            stack_packet_free(stack, packet);
            return;
        }
        trim_front(packet, overlap);
    }
    struct packet *next = previous ? previous->next : loss->out_of_order;
    while (next && !seq_after(end_of(next), end_of(packet))) { /* swallowed */
        struct packet *after = next->next;
        keep_fin(next, packet);
        queue_remove(loss, previous, next);
        stack_packet_free(stack, next);
        next = after;
    }
    if (next && seq_before(next->rx.sequence, end_of(packet)))
        packet->rx.payload_bytes = (uint16_t)(next->rx.sequence - packet->rx.sequence);
    packet->next = next;
    if (previous)
        previous->next = packet;
    else
        loss->out_of_order = packet;
    if (!next)
        loss->out_of_order_tail = packet;
    loss->out_of_order_count++;
    stack->out_of_order_held++;
    block_remember(loss, packet->rx.sequence, end_of(packet));
}

/* RFC 9293 3.10.7.4, eighth: the peer has sent everything. */
static void fin_received(struct tcp_stack *stack, struct tcp_connection *connection)
{
    connection->rcv_nxt++;
    connection->rcv_edge = seq_max(connection->rcv_edge, connection->rcv_nxt); /* it was full */
    connection->flags |= CONNECTION_ACK_PENDING | CONNECTION_ACK_NOW;
    connection_wants_output(stack, connection);
    connection_event(stack, connection, TCP_EVENT_PEER_CLOSED);
    if (connection->state == TCP_ESTABLISHED) {
        connection->state = TCP_CLOSE_WAIT;
    } else if (connection->state == TCP_FIN_WAIT_1) {
        connection->state = TCP_CLOSING; /* its ACK of our FIN would have come before */
    } else if (connection->state == TCP_FIN_WAIT_2) {
        tcp_send_ack(stack, connection);
        tcp_finish(stack, connection, true);
    }
}

/* Moves what has become contiguous to the application's queue. True: the FIN is there. */
static bool queue_take(struct tcp_stack *stack, struct tcp_connection *connection,
                       struct tcp_cold *cold)
{
    struct packet *packet;
    while ((packet = cold->loss->out_of_order) != NULL &&
           !seq_after(packet->rx.sequence, connection->rcv_nxt)) {
        queue_remove(tcp_loss_take(cold), NULL, packet);
        bool has_fin = packet->rx.tcp_flags & TCP_FLAG_FIN;
        uint32_t known = connection->rcv_nxt - packet->rx.sequence;
        if (known > packet->rx.payload_bytes || (known == packet->rx.payload_bytes && !has_fin)) {
            stack_packet_free(stack, packet);
            continue;
        }
        trim_front(packet, known);
        if (packet->rx.payload_bytes > 0)
            tcp_receive_append(stack, connection, packet);
        else
            stack_packet_free(stack, packet);
        if (has_fin)
            return true;
    }
    blocks_forget(tcp_loss_take(cold), connection->rcv_nxt);
    return false;
}

static void out_of_order(struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold, struct packet *packet)
{
    uint32_t total_max = stack->config.out_of_order_total;
    if (cold->loss->out_of_order_count >= stack->config.out_of_order_max ||
        (total_max != 0 && stack->out_of_order_held >= total_max) ||
        stack_is_short_of_packets(stack)) {
        tcp_drop(stack, packet, DROP_TCP_REASSEMBLY_FULL);
    } else {
        struct tcp_loss *loss = tcp_loss_take(cold);
        loss->quick_acks = TCP_QUICK_ACKS;
        stack->packets_held++;
        queue_insert(stack, loss, packet);
        connection->flags |= CONNECTION_UNPREDICTABLE;
    }
    tcp_send_ack(stack, connection); /* at once, one per segment: RFC 5681 4.2 */
}

/* Returns how many packets that were. */
static uint32_t give_up_queue(struct tcp_stack *stack, struct tcp_loss *loss)
{
    uint32_t given_up = loss->out_of_order_count;
    while (loss->out_of_order) {
        struct packet *packet = loss->out_of_order;
        queue_remove(loss, NULL, packet);
        stack_packet_free(stack, packet);
    }
    loss->sack_recent_count = 0;
    return given_up;
}

/*
 * A peer keeps what was only reported by SACK, so nothing is lost but time. Looks at some records
 * each time, and goes on where it stopped; the connections notice when they look again.
 */
void tcp_reassembly_prune(struct tcp_stack *stack)
{
    for (uint32_t looked = 0; looked < PRUNE_LOOKED_AT_MAX; looked++) {
        if (stack->out_of_order_held == 0 || !stack_is_short_of_packets(stack))
            return;
        if (stack->prune_next >= stack->losses_begun)
            stack->prune_next = 0;
        uint32_t given_up = give_up_queue(stack, &stack->losses[stack->prune_next++]);
        count_many(stack->counters, COUNTER_TCP_OUT_OF_ORDER_PRUNED, given_up);
    }
}

/*
 * RFC 5681 4.2: at once when a hole was filled, at least every second full segment otherwise. While
 * segments are being lost, one acknowledgement for each: it may be lost too.
 */
static void acknowledge_in_order(struct tcp_stack *stack, struct tcp_connection *connection,
                                 struct tcp_cold *cold, bool is_full, bool had_holes,
                                 bool is_second)
{
    struct tcp_loss *own = connection_own_loss(cold);
    if (own && own->quick_acks > 0 && (had_holes || is_full)) {
        own->quick_acks--;
        tcp_send_ack(stack, connection);
        return;
    }
    connection->flags |= CONNECTION_ACK_PENDING;
    if (had_holes || (is_full && is_second))
        connection->flags |= CONNECTION_ACK_NOW;
    connection_wants_output(stack, connection);
}

void tcp_reassembly_receive(struct tcp_stack *stack, struct tcp_connection *connection,
                            struct tcp_cold *cold, struct packet *packet)
{
    bool has_fin = packet->rx.tcp_flags & TCP_FLAG_FIN;
    uint32_t payload_bytes = packet->rx.payload_bytes;
    if (payload_bytes == 0 && !has_fin) {
        packet_free(packet);
        return;
    }
    if (packet->rx.sequence != connection->rcv_nxt) {
        out_of_order(stack, connection, cold, packet);
        return;
    }
    if (connection->flags & CONNECTION_SILENT)
        tcp_silent_remove(stack, connection);
    bool had_holes = cold->loss->out_of_order != NULL;
    uint32_t before = connection->rcv_nxt;
    if (payload_bytes > 0) {
        if (UNLIKELY(!stack_makes_room(stack))) {
            tcp_drop(stack, packet, DROP_TCP_PACKETS_SHORT);
            return;
        }
        stack->packets_held++;
        tcp_receive_append(stack, connection, packet);
    } else {
        packet_free(packet);
    }
    if (!has_fin && had_holes)
        has_fin = queue_take(stack, connection, cold);
    if (connection->rcv_nxt != before)
        connection_event(stack, connection, TCP_EVENT_READABLE);
    if (!has_fin) /* that has an acknowledgement of its own */
        acknowledge_in_order(stack, connection, cold,
                             tcp_segment_is_full(connection, payload_bytes), had_holes,
                             connection->last_ack_sent != before);
    if (has_fin && cold->loss->out_of_order != NULL) /* nothing can be beyond it */
        give_up_queue(stack, tcp_loss_take(cold));
    if (connection->flags & CONNECTION_UNPREDICTABLE) /* no hole is left, or others made one go */
        tcp_predictability(connection, cold);
    if (has_fin)
        fin_received(stack, connection);
}

uint32_t tcp_reassembly_blocks(struct tcp_cold *cold, struct tcp_sack_block *blocks, uint32_t limit)
{
    uint32_t count = 0;
    if (cold->loss->duplicate_left != cold->loss->duplicate_right) {
        blocks[count++] =
            (struct tcp_sack_block){cold->loss->duplicate_left, cold->loss->duplicate_right};
        tcp_loss_take(cold)->duplicate_left = cold->loss->duplicate_right;
    }
    for (uint32_t i = 0; i < cold->loss->sack_recent_count && count < limit; i++)
        blocks[count++] = cold->loss->sack_recent[i];
    return count;
}

void tcp_finish(struct tcp_stack *stack, struct tcp_connection *connection, bool needs_time_wait)
{
    struct tcp_cold *cold = connection_cold(connection);
    if (connection->receive_bytes > 0) { /* lingers until that is read, but not for ever */
        connection->state = TCP_TIME_WAIT;
        cold->needs_time_wait = needs_time_wait;
        connection->retransmit_tick = 0;
        cold->fin_wait_tick = tcp_tick_at(stack->now_tick, stack->fin_wait_ticks);
        tcp_timer_update(stack, connection, cold->fin_wait_tick);
    } else if (needs_time_wait) {
        tcp_time_wait_enter(stack, connection);
    } else {
        tcp_connection_end(stack, connection);
    }
}
