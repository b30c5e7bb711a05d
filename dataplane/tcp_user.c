/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp.h: what the application calls. */
#include "dataplane/tcp.h"

#include <string.h>

#include "dataplane/packet_build.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_output.h"

/* ---- readiness ---- */

uint32_t tcp_take_ready(struct tcp_stack *stack, struct tcp_connection **out, uint32_t limit)
{
    struct tcp_index_ring *ring = &stack->ready;
    uint32_t count = 0;
    while (count < limit && ring->head != ring->tail) {
        uint32_t index = ring->indices[ring->head++ & ring->mask];
        struct tcp_connection *connection = &stack->slots[index].connection;
        connection->flags &= (uint16_t)~CONNECTION_ON_READY;
        connection->events_taken = connection->events;
        connection->events = 0;
        if (UNLIKELY(connection->flags & CONNECTION_GONE)) {
            if (connection->events_taken == 0) { /* the application never knew it */
                tcp_connection_free_slot(stack, connection);
                continue;
            }
            tcp_connection_dies(stack, connection);
        }
        if (connection->events_taken == 0)
            continue;
        connection->flags |= CONNECTION_KNOWN;
        out[count++] = connection;
    }
    return count;
}

void tcp_make_ready(struct tcp_stack *stack, struct tcp_connection *connection, uint32_t events)
{
    if (connection->state != TCP_CLOSED)
        connection_event(stack, connection, (uint8_t)events);
}

uint32_t tcp_events(const struct tcp_connection *connection)
{
    return connection->events_taken;
}

uint64_t tcp_user(const struct tcp_connection *connection)
{
    return connection->user;
}

void tcp_set_user(struct tcp_connection *connection, uint64_t user)
{
    connection->user = user;
}

uint64_t tcp_handle(const struct tcp_connection *connection)
{
    const struct tcp_cold *cold = connection_cold(connection);
    return (uint64_t)cold->generation << 32 | connection_index(cold->loss->stack, connection);
}

struct tcp_connection *tcp_find(struct tcp_stack *stack, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    if (index >= stack->config.connections)
        return NULL;
    struct tcp_connection *connection = &stack->slots[index].connection;
    if (stack->slots[index].cold.generation != (uint32_t)(handle >> 32) ||
        connection->state == TCP_CLOSED)
        return NULL;
    return connection;
}

static_assert(TCP_LAST_ACK == TCP_CLOSING + 1 && TCP_TIME_WAIT == TCP_CLOSING + 2 &&
                  TCP_STATE_COUNT == TCP_CLOSING + 3,
              "from CLOSING on the peer's FIN has been received");

bool tcp_peer_is_closed(const struct tcp_connection *connection)
{
    return connection->state == TCP_CLOSE_WAIT || connection->state >= TCP_CLOSING;
}

struct tcp_connection *tcp_next_open(struct tcp_stack *stack, uint32_t *cursor)
{
    while (*cursor < stack->config.connections) {
        struct tcp_connection *connection = &stack->slots[(*cursor)++].connection;
        if (connection->state >= TCP_ESTABLISHED && !(connection->flags & CONNECTION_GONE))
            return connection;
    }
    return NULL;
}

/* ---- receiving ---- */

uint32_t tcp_receive_run(const struct tcp_connection *connection, const uint8_t **bytes)
{
    if (!connection->receive_tail)
        return 0;
    const struct packet *head = connection->receive_tail->next;
    *bytes = packet_data(head) + head->rx.payload_offset;
    return head->rx.payload_bytes;
}

uint32_t tcp_receive_bytes(const struct tcp_connection *connection)
{
    return connection->receive_bytes;
}

uint32_t tcp_receive_peek(const struct tcp_connection *connection, uint32_t offset, void *out,
                          uint32_t length)
{
    uint32_t copied = 0;
    if (!connection->receive_tail)
        return 0;
    const struct packet *packet = connection->receive_tail->next;
    do {
        uint32_t here = packet->rx.payload_bytes;
        if (offset < here) {
            uint32_t part = u32_min(here - offset, length - copied);
            memcpy((uint8_t *)out + copied,
                   packet_data(packet) + packet->rx.payload_offset + offset, part);
            copied += part;
            offset = 0;
        } else {
            offset -= here;
        }
        packet = packet->next;
    } while (copied < length && packet != connection->receive_tail->next);
    return copied;
}

/* A shut or much smaller window is told to the peer as soon as it is worth it (tcp_output.c). */
static bool window_may_matter(const struct tcp_stack *stack,
                              const struct tcp_connection *connection)
{
    return connection->rcv_edge - connection->rcv_nxt <= stack->receive_window_bytes / 2;
}

void tcp_receive_consume(struct tcp_stack *stack, struct tcp_connection *connection,
                         uint32_t length)
{
    ASSERT_HOT(length <= connection->receive_bytes);
    connection->receive_bytes -= length;
    while (length > 0) {
        struct packet *head = connection->receive_tail->next;
        if (length < head->rx.payload_bytes) {
            head->rx.payload_offset = (uint16_t)(head->rx.payload_offset + length);
            head->rx.payload_bytes = (uint16_t)(head->rx.payload_bytes - length);
            break;
        }
        length -= head->rx.payload_bytes;
        if (head == connection->receive_tail)
            connection->receive_tail = NULL;
        else
            connection->receive_tail->next = head->next;
        stack_packet_free(stack, head);
    }
    if (UNLIKELY(connection->state == TCP_TIME_WAIT)) {
        if (connection->receive_bytes == 0)
            tcp_finish(stack, connection, connection_cold(connection)->needs_time_wait);
    } else if (UNLIKELY(window_may_matter(stack, connection))) {
        connection_wants_output(stack, connection);
    }
}

/* ---- sending ---- */

struct packet *tcp_packet(struct tcp_stack *stack)
{
    if (UNLIKELY(!stack_makes_room(stack)))
        return NULL;
    struct packet *packet = stack_packet_alloc(stack);
    if (UNLIKELY(!packet))
        count(stack->counters, COUNTER_PACKET_ALLOCATION_FAILED);
    return packet;
}

uint16_t tcp_payload_max(const struct tcp_connection *connection)
{
    return connection->mss_bytes;
}

bool tcp_send_is_open(const struct tcp_connection *connection)
{
    return connection->state != TCP_CLOSED && !(connection->flags & CONNECTION_CLOSED_BY_US);
}

uint32_t tcp_send_room(const struct tcp_connection *connection)
{
    const struct tcp_cold *cold = connection_cold(connection);
    uint32_t budget = cold->loss->stack->config.send_budget_bytes;
    uint32_t used = connection->send_bytes - cold->blob_bytes;
    return used < budget ? budget - used : 0;
}

static void send_append(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct packet *packet)
{
    packet->next = NULL;
    if (connection->send_tail)
        connection->send_tail->next = packet;
    else
        connection->send_head = packet;
    connection->send_tail = packet;
    if (!connection->send_next)
        connection->send_next = packet;
    connection->send_bytes += packet->tx.payload_bytes;
    /* TCP_EVENT_WRITABLE when half of the budget is free again */
    if (UNLIKELY(connection->send_bytes >= stack->config.send_budget_bytes) &&
        tcp_send_room(connection) == 0)
        connection->flags |= CONNECTION_SEND_REFUSED;
    stack->packets_held++;
    connection_wants_output(stack, connection);
}

void tcp_send_packet(struct tcp_stack *stack, struct tcp_connection *connection,
                     struct packet *packet)
{
    uint16_t payload_bytes = packet_first_bytes(packet);
    if (UNLIKELY(!tcp_send_is_open(connection) || payload_bytes == 0)) {
        packet_free(packet);
        return;
    }
    packet->tx = (struct packet_tx){.payload_bytes = payload_bytes};
    send_append(stack, connection, packet);
}

void tcp_send_blob(struct tcp_stack *stack, struct tcp_connection *connection, struct blob *blob,
                   uint32_t offset, uint32_t length)
{
    if (UNLIKELY(!tcp_send_is_open(connection) || length == 0)) {
        blob_release(stack->config.blob_stock, blob);
        return;
    }
    struct packet *item = stack->config.descriptors ? packet_alloc(stack->config.descriptors)
                                                    : stack_packet_alloc(stack);
    if (UNLIKELY(!item)) { /* the answer cannot be completed: the peer must see that */
        count(stack->counters, COUNTER_PACKET_ALLOCATION_FAILED);
        blob_release(stack->config.blob_stock, blob);
        tcp_abort(stack, connection);
        return;
    }
    item->tx = (struct packet_tx){.payload_bytes = length, .blob = blob, .blob_offset = offset};
    connection_cold(connection)->blob_bytes += length;
    send_append(stack, connection, item);
}

struct packet *tcp_send_tail(struct tcp_connection *connection, uint16_t bytes)
{
    struct packet *tail = connection->send_tail;
    if (!connection->send_next || tail->tx.blob || (tail->tx.flags & TX_FIN) ||
        tail->tx.payload_bytes + bytes > connection->mss_bytes || packet_tail_room(tail) < bytes)
        return NULL;
    return tail;
}

void tcp_send_tail_grew(struct tcp_stack *stack, struct tcp_connection *connection, uint16_t bytes)
{
    (void)stack;
    ASSERT_HOT(connection->send_next != NULL);
    connection->send_tail->tx.payload_bytes += bytes;
    connection->send_tail->tx.flags &= (uint16_t)~TX_SUM_KNOWN;
    connection->send_bytes += bytes;
    ASSERT_HOT(packet_first_bytes(connection->send_tail) ==
               connection->send_tail->tx.payload_bytes);
}

void tcp_send_push(struct tcp_connection *connection)
{
    if (connection->send_next)
        connection->send_tail->tx.flags |= TX_PUSH;
}

uint32_t tcp_unacknowledged(const struct tcp_connection *connection)
{
    return connection->send_bytes;
}

uint32_t tcp_acknowledged(const struct tcp_connection *connection)
{
    return connection->snd_una;
}

/* ---- closing ---- */

void tcp_close(struct tcp_stack *stack, struct tcp_connection *connection)
{
    if (!tcp_send_is_open(connection))
        return;
    connection->flags |= CONNECTION_CLOSED_BY_US;
    if (connection->state == TCP_SYN_SENT) {
        tcp_connection_end(stack, connection);
        return;
    }
    connection->flags |= CONNECTION_FIN_WANTED;
    connection_wants_output(stack, connection);
}

void tcp_abort(struct tcp_stack *stack, struct tcp_connection *connection)
{
    if (connection->state == TCP_CLOSED)
        return;
    /* When both have closed there is nothing to abort: RFC 9293 3.10.5. */
    if (connection->state < TCP_CLOSING)
        tcp_send_reset(stack, connection);
    tcp_connection_end(stack, connection);
}

void tcp_set_deadline(struct tcp_stack *stack, struct tcp_connection *connection,
                      uint64_t deadline_ns)
{
    if (connection->state == TCP_CLOSED)
        return;
    connection->application_tick =
        deadline_ns == 0 ? 0 : tcp_tick_at(tcp_tick(deadline_ns), 1); /* never early */
    if (deadline_ns != 0)
        tcp_timer_update(stack, connection, connection->application_tick);
}

bool tcp_has_deadline(const struct tcp_connection *connection)
{
    return connection->application_tick != 0;
}

uint16_t tcp_local_port(const struct tcp_connection *connection)
{
    return connection->local_port;
}
