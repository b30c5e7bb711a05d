/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_trace.h"

#include <string.h>

#include "dataplane/ethernet.h"
#include "dataplane/ipv4.h"
#include "dataplane/ipv6.h"
#include "dataplane/tcp_internal.h"

static_assert((int)TCP_CLOSED == 0 && (int)TCP_ESTABLISHED == 4 && (int)TCP_TIME_WAIT == 10 &&
                  (int)TCP_STATE_COUNT == (int)TRACE_STATE_COUNT,
              "trace_state_names follows enum tcp_state");
static_assert(DROP_REASON_COUNT <= UINT8_MAX, "a reason fits into an event");

static uint16_t read16(const uint8_t *at)
{
    be16_t wire;
    memcpy(&wire, at, sizeof(wire));
    return be16_load(wire);
}

static uint32_t read32(const uint8_t *at)
{
    be32_t wire;
    memcpy(&wire, at, sizeof(wire));
    return be32_load(wire);
}

static bool is_entry_of(const struct tcp_time_wait *entry, const struct network_flow *flow,
                        uint16_t local_port, uint16_t remote_port)
{
    return entry->ip_version == flow->ip_version && entry->local_port == local_port &&
           entry->remote_port == remote_port && memcmp(entry->local, flow->local, 16) == 0 &&
           memcmp(entry->remote, flow->remote, 16) == 0;
}

static bool is_half_open_of(struct tcp_stack *stack, uint32_t index,
                            const struct network_flow *flow, uint16_t local_port,
                            uint16_t remote_port)
{
    struct network_flow own;
    const struct tcp_half_open *half_open = tcp_half_open_at(&stack->syn_table, index);
    tcp_half_open_flow(&stack->syn_table, half_open, &own);
    return half_open->local_port == local_port && half_open->remote_port == remote_port &&
           own.ip_version == flow->ip_version && memcmp(own.local, flow->local, 16) == 0 &&
           memcmp(own.remote, flow->remote, 16) == 0;
}

static uint8_t state_of(struct tcp_stack *stack, const struct network_flow *flow,
                        uint16_t local_port, uint16_t remote_port)
{
    uint32_t hash = tcp_flow_hash(stack, flow, local_port, remote_port);
    struct connection_cursor cursor = connection_table_begin(&stack->table, hash);
    uint32_t index;
    while ((index = connection_table_next(&stack->table, &cursor)) != CONNECTION_NOT_FOUND) {
        if (tcp_index_is_half_open(index)) {
            if (is_half_open_of(stack, index, flow, local_port, remote_port))
                return TCP_SYN_RECEIVED;
        } else if (index & TCP_NO_SLOT_INDEX) {
            if (is_entry_of(tcp_time_wait_at(stack, index), flow, local_port, remote_port))
                return TCP_TIME_WAIT;
        } else if (tcp_connection_is(stack, &stack->slots[index].connection, flow, local_port,
                                     remote_port)) {
            return stack->slots[index].connection.state;
        }
    }
    return tcp_is_listening(stack, local_port) ? TCP_LISTEN : TCP_CLOSED;
}

/* `transport_bytes`: header and data. */
static void fill(struct tcp_stack *stack, const struct network_flow *flow, const uint8_t *tcp,
                 uint32_t transport_bytes, bool is_received, struct trace_event *event)
{
    uint32_t header_bytes = (tcp[12] >> 4) * 4u;
    *event = (struct trace_event){
        .time_ns = stack->now_ns,
        .sequence = read32(tcp + 4),
        .acknowledgement = read32(tcp + 8),
        .payload_bytes = transport_bytes > header_bytes ? transport_bytes - header_bytes : 0,
        .local_port = read16(is_received ? tcp + 2 : tcp),
        .remote_port = read16(is_received ? tcp : tcp + 2),
        .window = read16(tcp + 14),
        .ip_version = flow->ip_version,
        .tcp_flags = tcp[13],
    };
    memcpy(event->local, flow->local, 16);
    memcpy(event->remote, flow->remote, 16);
    event->state_before = event->state_after =
        state_of(stack, flow, event->local_port, event->remote_port);
}

/* ---- received ---- */

void tcp_trace_begin(struct tcp_stack *stack, const struct packet *segment,
                     struct tcp_traced *traced)
{
    network_flow_of(segment, &traced->flow);
    traced->is_wanted =
        trace_ring_wants(stack->trace, traced->flow.ip_version, traced->flow.remote);
    stack->traced_drop = DROP_NONE;
    stack->traced_ports = 0;
    if (!traced->is_wanted)
        return;
    uint32_t offset = segment->rx.transport_offset;
    fill(stack, &traced->flow, packet_data(segment) + offset, packet_bytes(segment) - offset, true,
         &traced->event);
    traced->event.kind = TRACE_RECEIVED;
    trace_ring_write(stack->trace, &traced->event);
    stack->traced_ports = (uint32_t)traced->event.local_port << 16 | traced->event.remote_port;
}

void tcp_trace_end(struct tcp_stack *stack, struct tcp_traced *traced)
{
    struct trace_event *event = &traced->event;
    stack->traced_ports = 0;
    if (!traced->is_wanted)
        return;
    if (stack->traced_drop != DROP_NONE) {
        event->kind = TRACE_DROPPED;
        event->drop_reason = stack->traced_drop;
        trace_ring_write(stack->trace, event);
        event->drop_reason = DROP_NONE;
    }
    event->state_after = state_of(stack, &traced->flow, event->local_port, event->remote_port);
    if (event->state_after == TCP_LISTEN && event->state_before != TCP_LISTEN)
        event->state_after = TCP_CLOSED; /* the port listens, but this connection is gone */
    if (event->state_after == event->state_before)
        return;
    event->kind = TRACE_STATE;
    trace_ring_write(stack->trace, event);
}

/* ---- sent, and ended by ourselves ---- */

void tcp_trace_sent(struct tcp_stack *stack, uint8_t port_index, const struct packet *frame,
                    enum trace_kind kind)
{
    const uint8_t *bytes = packet_data(frame);
    uint32_t offset = read16(bytes + 12) == ETHERNET_TYPE_VLAN
                          ? ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES
                          : ETHERNET_HEADER_BYTES;
    const uint8_t *ip = bytes + offset;
    struct network_flow flow = {.ip_version = ip[0] >> 4, .port_index = port_index};
    if (flow.ip_version == 4) {
        memcpy(flow.local, ip + offsetof(struct ipv4_header, source), 4);
        memcpy(flow.remote, ip + offsetof(struct ipv4_header, destination), 4);
        offset += IPV4_HEADER_BYTES;
    } else {
        memcpy(flow.local, ip + offsetof(struct ipv6_header, source), 16);
        memcpy(flow.remote, ip + offsetof(struct ipv6_header, destination), 16);
        offset += IPV6_HEADER_BYTES;
    }
    if (!trace_ring_wants(stack->trace, flow.ip_version, flow.remote))
        return;
    struct trace_event event;
    fill(stack, &flow, bytes + offset, packet_bytes(frame) - offset, false, &event);
    event.kind = (uint8_t)kind;
    trace_ring_write(stack->trace, &event);
}

static void ended(struct tcp_stack *stack, const struct network_flow *flow, uint16_t local_port,
                  uint16_t remote_port, uint8_t state)
{
    uint32_t ports = (uint32_t)local_port << 16 | remote_port;
    /* by the segment that is being looked at: tcp_trace_end tells */
    if (!trace_ring_wants(stack->trace, flow->ip_version, flow->remote) ||
        ports == stack->traced_ports)
        return;
    struct trace_event event = {
        .time_ns = stack->now_ns,
        .local_port = local_port,
        .remote_port = remote_port,
        .ip_version = flow->ip_version,
        .kind = TRACE_STATE,
        .state_before = state,
        .state_after = TCP_CLOSED,
    };
    memcpy(event.local, flow->local, 16);
    memcpy(event.remote, flow->remote, 16);
    trace_ring_write(stack->trace, &event);
}

void tcp_trace_ended(struct tcp_stack *stack, const struct tcp_connection *connection)
{
    struct network_flow flow;
    tcp_flow_of(stack, connection, &flow);
    ended(stack, &flow, connection->local_port, connection->remote_port, connection->state);
}

void tcp_trace_half_open_ended(struct tcp_stack *stack, const struct tcp_half_open *half_open)
{
    struct network_flow flow;
    tcp_half_open_flow(&stack->syn_table, half_open, &flow);
    ended(stack, &flow, half_open->local_port, half_open->remote_port, TCP_SYN_RECEIVED);
}
