/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TIME-WAIT as 64-byte entries in a ring: the delay is constant, so the oldest is always first. A
 * full ring recycles the oldest. Entries share the connection table under indices with the top bit.
 */
#include <string.h>

#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_output.h"

#define EXPIRED_PER_ROUND_MAX 256u

struct tcp_time_wait *tcp_time_wait_at(struct tcp_stack *stack, uint32_t table_index)
{
    return &stack->time_waits[table_index & ~TCP_NO_SLOT_INDEX & stack->time_wait_mask];
}

void tcp_time_wait_remove(struct tcp_stack *stack, struct tcp_time_wait *entry)
{
    ASSERT_HOT(entry->in_use);
    uint32_t index = (uint32_t)(entry - stack->time_waits);
    connection_table_remove(&stack->table, entry->flow_hash, index | TCP_NO_SLOT_INDEX);
    entry->in_use = false;
    stack->time_wait_live--;
}

/* Entries removed early leave gaps that are skipped here. */
static void drop_oldest(struct tcp_stack *stack)
{
    struct tcp_time_wait *entry =
        &stack->time_waits[stack->time_wait_head++ & stack->time_wait_mask];
    if (entry->in_use)
        tcp_time_wait_remove(stack, entry);
}

void tcp_time_wait_expire(struct tcp_stack *stack)
{
    for (uint32_t i = 0; i < EXPIRED_PER_ROUND_MAX; i++) {
        if (stack->time_wait_head == stack->time_wait_tail)
            return;
        const struct tcp_time_wait *entry =
            &stack->time_waits[stack->time_wait_head & stack->time_wait_mask];
        if (entry->in_use && !tcp_tick_reached(entry->expires_tick, stack->now_tick))
            return;
        drop_oldest(stack);
    }
}

static void restart(struct tcp_stack *stack, struct tcp_time_wait *entry)
{
    /* The ring stays in order when the entry moves to its end. */
    struct tcp_time_wait copy = *entry;
    tcp_time_wait_remove(stack, entry);
    if (stack->time_wait_tail - stack->time_wait_head > stack->time_wait_mask)
        drop_oldest(stack);
    uint32_t index = stack->time_wait_tail++ & stack->time_wait_mask;
    copy.expires_tick = tcp_tick_at(stack->now_tick, stack->time_wait_ticks);
    stack->time_waits[index] = copy;
    connection_table_insert(&stack->table, copy.flow_hash, index | TCP_NO_SLOT_INDEX);
    stack->time_wait_live++;
}

void tcp_time_wait_enter(struct tcp_stack *stack, struct tcp_connection *connection)
{
    const struct tcp_cold *cold = connection_cold(connection);
    if (stack->time_wait_tail - stack->time_wait_head > stack->time_wait_mask) {
        count(stack->counters, COUNTER_TCP_TIME_WAIT_RECYCLED);
        drop_oldest(stack);
    }
    uint32_t index = stack->time_wait_tail++ & stack->time_wait_mask;
    struct tcp_time_wait *entry = &stack->time_waits[index];
    struct network_flow flow;
    tcp_flow_of(stack, connection, &flow);
    *entry = (struct tcp_time_wait){
        .local_port = connection->local_port,
        .remote_port = connection->remote_port,
        .flow_hash = tcp_connection_hash(stack, connection),
        .snd_nxt = connection->snd_nxt,
        .rcv_nxt = connection->rcv_nxt,
        .ts_recent = connection->ts_recent,
        .timestamp_offset = cold->timestamp_offset,
        .expires_tick = tcp_tick_at(stack->now_tick, stack->time_wait_ticks),
        .ip_version = flow.ip_version,
        .port_index = flow.port_index,
        .has_timestamps = (connection->flags & CONNECTION_TIMESTAMPS) != 0,
        .in_use = true,
    };
    memcpy(entry->local, flow.local, 16);
    memcpy(entry->remote, flow.remote, 16);
    stack->time_wait_live++;
    tcp_connection_end(stack, connection);
    connection_table_insert(&stack->table, entry->flow_hash, index | TCP_NO_SLOT_INDEX);
}

/* RFC 6191 and RFC 9293 3.10.7.4: a SYN that is newer than anything of the old connection. */
static bool may_reopen(const struct tcp_time_wait *entry, const struct packet *packet,
                       const struct tcp_syn_options *options)
{
    if (entry->has_timestamps && options->has_timestamps &&
        options->timestamp_value != entry->ts_recent)
        return seq_after(options->timestamp_value, entry->ts_recent);
    return seq_after(packet->rx.sequence, entry->rcv_nxt);
}

bool tcp_time_wait_input(struct tcp_stack *stack, struct tcp_time_wait *entry,
                         struct packet *packet, const struct network_flow *flow)
{
    uint8_t flags = packet->rx.tcp_flags;
    struct tcp_syn_options options;
    if ((flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST | TCP_FLAG_FIN)) == TCP_FLAG_SYN) {
        tcp_options_parse_syn(tcp_segment_options(packet), tcp_segment_option_bytes(packet),
                              &options);
        if (may_reopen(entry, packet, &options)) {
            tcp_time_wait_remove(stack, entry);
            stack->reopened_at = entry->snd_nxt == 0 ? 1 : entry->snd_nxt;
            return true;
        }
    }
    if (flags & TCP_FLAG_RST) { /* RFC 1337: a RST does not end TIME-WAIT */
        tcp_drop(stack, packet, DROP_TCP_OUTSIDE_WINDOW);
        return false;
    }
    /* The acknowledgement of ours: answering it could go on for ever between two like us. */
    bool is_bare = (flags & (TCP_FLAG_ACK | TCP_FLAG_SYN | TCP_FLAG_FIN)) == TCP_FLAG_ACK &&
                   packet->rx.payload_bytes == 0;
    if (is_bare && packet->rx.sequence == entry->rcv_nxt) {
        packet_free(packet);
        return false;
    }
    /* Anything else is an old duplicate or the peer's FIN again: acknowledge it. */
    bool is_fin_again = (flags & TCP_FLAG_FIN) &&
                        packet->rx.sequence + packet->rx.payload_bytes + 1 == entry->rcv_nxt;
    if (is_fin_again) {
        tcp_reply_ack(stack, packet, flow, entry->snd_nxt, entry->rcv_nxt, entry);
        restart(stack, entry);
    } else if (tcp_rate_allows(stack, &stack->time_wait_answers)) {
        tcp_reply_ack(stack, packet, flow, entry->snd_nxt, entry->rcv_nxt, entry);
    }
    packet_free(packet);
    return false;
}
