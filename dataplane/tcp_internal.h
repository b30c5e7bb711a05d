/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_internal.h - the stack's own struct and what its files call of each other.
 *
 * Purpose:   private to dataplane/tcp_*.c.
 * Ownership: as in tcp_stack.h.
 * Threading: one worker.
 * Units:     as in tcp_connection.h.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_TCP_INTERNAL_H
#define GANNET_TCP_INTERNAL_H

#include <string.h>

#include "dataplane/connection_table.h"
#include "dataplane/ethernet.h"
#include "dataplane/packet_build.h"
#include "dataplane/tcp_connection.h"
#include "dataplane/tcp_source_limit.h"
#include "dataplane/tcp_stack.h"
#include "dataplane/tcp_syn_table.h"
#include "dataplane/tcp_trace.h"
#include "dataplane/timer_wheel.h"
#include "include/assert_policy.h"
#include "include/counters.h"

/* What the connection table leads to: a slot, or with bits on top an entry of TIME-WAIT or of the
 * SYN table. CONNECTION_NOT_FOUND has them too. */
#define TCP_NO_SLOT_INDEX 0x80000000u
#define TCP_HALF_OPEN_INDEX 0xc0000000u
#define TCP_TABLE_ENTRIES_MAX 0x20000000u /* of each kind */
#define TCP_HEADERS_BYTES_MAX 118u        /* Ethernet, VLAN, IPv6, TCP with options */
#define TCP_SHARED_MSS_MIN 64u
#define TCP_WINDOW_SCALE_MAX 14u

/* A queue of connection indices, each at most once. */
struct tcp_index_ring {
    uint32_t *indices;
    uint32_t mask;
    uint32_t head, tail;
};

/* What the headers of one port and IP version have in common: no addresses, and sums without. */
struct tcp_template {
    alignas(CACHE_LINE_BYTES) struct network_header header; /* header_bytes 0: not known yet */
    uint32_t ip_sum; /* of the IPv4 header, in memory order */
};

struct tcp_time_wait {
    uint8_t local[16], remote[16];
    uint16_t local_port, remote_port;
    uint32_t flow_hash;
    uint32_t snd_nxt, rcv_nxt;
    uint32_t ts_recent;
    uint32_t timestamp_offset;
    uint32_t expires_tick;
    uint8_t ip_version, port_index;
    bool has_timestamps;
    bool in_use;
};

/*
 * So many in a second, counted in windows of one second. How many exactly is drawn anew for each
 * window, between half of the limit and the limit: who counts what he gets learns nothing about
 * what others got (CVE-2016-5696).
 */
struct tcp_rate {
    uint32_t window_tick;
    uint32_t used, allowed;
};

/* Answers to a connection's unacceptable segments in this window of about a second. */
struct tcp_challenges {
    uint32_t generation; /* of the slot: another connection's count is not ours */
    uint16_t window, used;
};

struct tcp_stack {
    /* read by every segment */
    alignas(CACHE_LINE_BYTES) struct tcp_slot *slots;
    struct connection_table table;
    struct network *network;
    struct counters *counters;
    uint64_t now_ns;
    uint32_t now_tick;
    uint32_t network_generation;
    uint32_t receive_window_bytes;
    uint32_t packets_held, packets_held_max;
    uint32_t out_of_order_held; /* of them: waiting for a missing one */
    bool is_traced;             /* somebody looks at one client's segments (tcp_trace.h) */
    uint32_t round_trip_tick;   /* when one was last put into the histogram */
    struct siphash_key key;
    struct packet_bin bin; /* of the pool all packets of ours come from; empty between rounds */

    struct tcp_index_ring ready;
    struct tcp_index_ring output;
    uint32_t dying; /* a list by silent_next; GONE was delivered: free at the end of the round */
    struct timer_wheel *wheel;
    uint32_t *free_indices;
    uint32_t free_count;
    uint32_t connection_count; /* slots in use */

    struct tcp_template templates[NETWORK_PORTS_MAX][2]; /* IPv4, IPv6 */
    struct tcp_addresses6 *addresses6; /* like the slots; memory only where IPv6 was used */

    /* One for every connection, so that there is always one; memory only for what was in use. */
    struct tcp_loss *losses;
    struct tcp_loss *free_losses;
    uint32_t losses_begun; /* of the array: those behind were never used */
    struct tcp_loss no_loss;

    uint32_t silent_head, silent_tail; /* oldest first */
    struct tcp_syn_table syn_table;
    struct tcp_source_limit source_limit;
    uint64_t cookies_until_ns; /* cookies that were sent may come back until then */

    struct tcp_time_wait *time_waits;
    uint32_t time_wait_mask;
    uint32_t time_wait_head, time_wait_tail; /* a FIFO: the delay is constant */
    uint32_t time_wait_live;
    uint32_t reopened_at; /* by the SYN at hand: behind these numbers; 0: by none */

    uint32_t rto_ticks_min, delayed_ack_ticks, keepalive_ticks, user_timeout_ticks;
    uint32_t time_wait_ticks, fin_wait_ticks;
    uint32_t tlp_ack_delay_us;
    struct tcp_rate resets_to_acknowledgements, resets_to_others, time_wait_answers;
    struct tcp_challenges *challenges; /* like the slots; memory only where some were sent */
    uint32_t prune_next;               /* of the losses */
    struct trace_ring *trace;          /* NULL: there is none */
    uint32_t traced_ports; /* of the segment under way, if its client is the chosen one */
    uint8_t traced_drop;   /* enum drop_reason: the last one */
    struct tcp_stack_config config;
    uint16_t listen_ports[TCP_LISTENERS_MAX];
    uint32_t listen_port_count;
};

#define TCP_RTO_MAX_MS 60000u
#define TCP_RTO_INITIAL_MS 1000u
#define TCP_RTO_LOST_SYN_MS 3000u
#define TCP_SYN_RETRIES_MAX 6u
#define TCP_KEEPALIVE_PROBES_MAX 8u

static inline uint32_t connection_index(const struct tcp_stack *stack,
                                        const struct tcp_connection *connection)
{
    return (uint32_t)((const struct tcp_slot *)connection - stack->slots);
}

static inline void index_ring_push(struct tcp_index_ring *ring, uint32_t index)
{
    ASSERT_HOT(ring->tail - ring->head <= ring->mask);
    ring->indices[ring->tail++ & ring->mask] = index;
}

/* Every segment of ours leaves here. */
static inline void tcp_send_frame(struct tcp_stack *stack, uint8_t port_index, struct packet *frame,
                                  const uint8_t mac[6], enum trace_kind kind)
{
    if (UNLIKELY(stack->is_traced))
        tcp_trace_sent(stack, port_index, frame, kind);
    network_transmit(stack->network, port_index, frame, !ethernet_address_is_zero(mac));
}

static inline void connection_wants_output(struct tcp_stack *stack,
                                           struct tcp_connection *connection)
{
    if (connection->flags & CONNECTION_ON_OUTPUT)
        return;
    connection->flags |= CONNECTION_ON_OUTPUT;
    index_ring_push(&stack->output, connection_index(stack, connection));
}

static inline void connection_event(struct tcp_stack *stack, struct tcp_connection *connection,
                                    uint8_t event)
{
    connection->events |= event;
    if (connection->flags & CONNECTION_ON_READY)
        return;
    connection->flags |= CONNECTION_ON_READY;
    index_ring_push(&stack->ready, connection_index(stack, connection));
}

static inline void stack_time(struct tcp_stack *stack, uint64_t now_ns)
{
    stack->now_ns = now_ns;
    stack->now_tick = tcp_tick(now_ns);
}

static inline bool tcp_index_is_half_open(uint32_t index)
{
    return (index & TCP_HALF_OPEN_INDEX) == TCP_HALF_OPEN_INDEX && index != CONNECTION_NOT_FOUND;
}

static inline struct tcp_template *connection_template(struct tcp_stack *stack,
                                                       const struct tcp_connection *connection,
                                                       const struct tcp_cold *cold)
{
    return &stack->templates[cold->port_index][(connection->flags & CONNECTION_IPV6) != 0];
}

/* IPv4: the address, in memory order; IPv6: a fold of it. */
static inline uint32_t tcp_address_word(const uint8_t address[16])
{
    uint32_t words[4];
    memcpy(words, address, sizeof(words));
    return words[0] ^ words[1] ^ words[2] ^ words[3]; /* IPv4: the rest is zero */
}

/* False is counted. */
bool tcp_rate_allows(struct tcp_stack *stack, struct tcp_rate *rate);

/* tcp_stack.c: slots and lives */
uint32_t tcp_flow_hash(const struct tcp_stack *stack, const struct network_flow *flow,
                       uint16_t local_port, uint16_t remote_port);
uint32_t tcp_connection_hash(const struct tcp_stack *stack,
                             const struct tcp_connection *connection);
/* The connection's own, made when it has none. */
struct tcp_loss *tcp_loss_take(struct tcp_cold *cold);
void tcp_loss_give_back(struct tcp_cold *cold);
/* A slot with addresses, not in the table yet; NULL when none can be had. */
struct tcp_connection *tcp_connection_take(struct tcp_stack *stack, const struct network_flow *flow,
                                           uint16_t local_port, uint16_t remote_port);
/* No slot is free, and none can be taken from a connection that never sent a byte. */
bool tcp_connections_are_full(const struct tcp_stack *stack);
/* What only we and the peer of this four-tuple know. */
struct tcp_secrets {
    uint32_t initial_sequence; /* of a connection that is opened now */
    uint32_t timestamp_offset;
};
struct tcp_secrets tcp_secrets_of(const struct tcp_stack *stack, const struct network_flow *flow,
                                  uint16_t local_port, uint16_t remote_port);
/* Ends it now: queues freed, out of the table, TCP_EVENT_GONE when the application knows it. */
void tcp_connection_end(struct tcp_stack *stack, struct tcp_connection *connection);
void tcp_connection_free_slot(struct tcp_stack *stack, struct tcp_connection *connection);
void tcp_connection_dies(struct tcp_stack *stack, struct tcp_connection *connection);
void tcp_silent_add(struct tcp_stack *stack, struct tcp_connection *connection);
void tcp_silent_remove(struct tcp_stack *stack, struct tcp_connection *connection);
bool tcp_connection_is(const struct tcp_stack *stack, const struct tcp_connection *connection,
                       const struct network_flow *flow, uint16_t local_port, uint16_t remote_port);
/* Who talks to whom; the link address is the one in use. */
void tcp_flow_of(const struct tcp_stack *stack, const struct tcp_connection *connection,
                 struct network_flow *flow);
bool tcp_is_listening(const struct tcp_stack *stack, uint16_t port);

/* tcp_time_wait.c */
void tcp_time_wait_enter(struct tcp_stack *stack, struct tcp_connection *connection);
struct tcp_time_wait *tcp_time_wait_at(struct tcp_stack *stack, uint32_t table_index);
void tcp_time_wait_remove(struct tcp_stack *stack, struct tcp_time_wait *entry);
void tcp_time_wait_expire(struct tcp_stack *stack);
/* Consumes the packet, unless it is a SYN that may open a new connection (RFC 6191): then true. */
bool tcp_time_wait_input(struct tcp_stack *stack, struct tcp_time_wait *entry,
                         struct packet *packet, const struct network_flow *flow);

/* tcp_timers.c */
void tcp_retransmit_arm(struct tcp_stack *stack, struct tcp_connection *connection);
void tcp_keepalive_arm(struct tcp_stack *stack, struct tcp_connection *connection);
/* No packet for the FIN: output asks again after a while. */
void tcp_fin_put_off(struct tcp_stack *stack, struct tcp_connection *connection);
/* RFC 8985 7.2: more was sent, or has arrived. Not beyond the timeout of what left first. */
void tcp_probe_put_off(struct tcp_stack *stack, struct tcp_connection *connection);
uint32_t tcp_rto_ticks(const struct tcp_stack *stack, const struct tcp_connection *connection,
                       const struct tcp_cold *cold);
void tcp_timer_update_slow(struct tcp_stack *stack, struct tcp_connection *connection,
                           uint32_t deadline_tick);

/* The wheel fires no later than the deadline: moved only when it must be earlier. */
static inline void tcp_timer_update(struct tcp_stack *stack, struct tcp_connection *connection,
                                    uint32_t deadline_tick)
{
    if (LIKELY(connection->armed_tick != 0 &&
               (int32_t)(connection->armed_tick - deadline_tick) <= 0))
        return;
    tcp_timer_update_slow(stack, connection, deadline_tick);
}

/* Applications and the stack hold packets; the count bounds what all connections take together. */
static inline bool stack_is_short_of_packets(const struct tcp_stack *stack)
{
    return stack->packets_held >= stack->packets_held_max;
}

/* tcp_reassembly.c: gives up out-of-order packets while packets are short (RFC 2018 8). */
void tcp_reassembly_prune(struct tcp_stack *stack);

/* For data: may one more be held? What waits out of order goes first. */
static inline bool stack_makes_room(struct tcp_stack *stack)
{
    if (LIKELY(!stack_is_short_of_packets(stack)))
        return true;
    tcp_reassembly_prune(stack);
    return !stack_is_short_of_packets(stack);
}

static inline struct packet *stack_packet_alloc(struct tcp_stack *stack)
{
    return packet_bin_alloc(&stack->bin);
}

static inline void stack_packet_free(struct tcp_stack *stack, struct packet *packet)
{
    ASSERT_HOT(stack->packets_held > 0);
    stack->packets_held--;
    packet_bin_free(&stack->bin, packet);
}

/* "Full-sized" of RFC 5681 4.2, as far as a receiver can know. */
static inline bool tcp_segment_is_full(const struct tcp_connection *connection,
                                       uint32_t payload_bytes)
{
    return payload_bytes >= 536 || payload_bytes >= connection->mss_bytes;
}

/* The window we would like to offer, from rcv_nxt on. */
static inline uint32_t connection_receive_room(const struct tcp_stack *stack,
                                               const struct tcp_connection *connection)
{
    uint32_t limit = stack->receive_window_bytes;
    uint32_t room = connection->receive_bytes < limit ? limit - connection->receive_bytes : 0;
    if (UNLIKELY(stack_is_short_of_packets(stack)))
        room = 0;
    return room;
}

#endif
