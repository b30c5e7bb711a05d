/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_input.h - segments in: batches from the network layer, and what it learns by ICMP.
 *
 * Purpose:   lookup in stages with prefetch, header prediction, then RFC 9293 3.10.7 in order.
 * Ownership: tcp_input consumes every packet.
 * Threading: one worker.
 * Units:     now_ns monotone.
 * Errors:    dropped segments are counted once in drop_reasons.def.
 * Source:    RFC 9293 3.10.7, RFC 5961, RFC 7323, RFC 5927; staging after TAS' fast_flows.c.
 */
#ifndef GANNET_TCP_INPUT_H
#define GANNET_TCP_INPUT_H

#include "dataplane/tcp_connection.h"
#include "dataplane/tcp_options.h"
#include "include/counters.h"

struct network_flow;
struct tcp_half_open;
struct tcp_stack;

/* As network_input hands them up: offsets set, rx.payload_bytes = header and data. */
void tcp_input(struct tcp_stack *stack, struct packet **segments, uint32_t count, uint64_t now_ns);

/*
 * An ICMP error about a segment of ours: new_mtu 0 is "unreachable", a soft error once the
 * connection is established. Believed only when `sequence` is in flight (RFC 5927 4).
 */
void tcp_icmp_error(struct tcp_stack *stack, const struct network_flow *flow, uint16_t local_port,
                    uint16_t remote_port, uint32_t sequence, uint16_t new_mtu, uint64_t now_ns);

/* ---- private to dataplane/tcp_*.c ---- */

void tcp_drop(struct tcp_stack *stack, struct packet *packet, enum drop_reason why);
uint8_t tcp_window_scale(const struct tcp_stack *stack); /* what we announce */

/* A SYN to an open port (tcp_listen.c). Consumes the packet. */
void tcp_listen_input(struct tcp_stack *stack, const struct network_flow *flow,
                      struct packet *packet);
/*
 * From a peer in SYN-RECEIVED; and an acknowledgement to an open port that belongs to nothing,
 * which may be that of a SYN cookie. Not NULL: the connection whose handshake it completes; it
 * looks at the packet next. NULL: the packet was consumed.
 */
struct tcp_connection *tcp_half_open_input(struct tcp_stack *stack, struct tcp_half_open *half_open,
                                           struct packet *packet, const struct network_flow *flow);
struct tcp_connection *tcp_listen_acknowledged(struct tcp_stack *stack, struct packet *packet,
                                               const struct network_flow *flow);
/* The answer to its SYN, again. */
void tcp_send_syn_ack(struct tcp_stack *stack, struct tcp_half_open *half_open,
                      const struct network_flow *flow);

/* The active opening states (tcp_handshake.c). Consumes the packet. */
void tcp_syn_sent_input(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct packet *packet);
void tcp_established(struct tcp_stack *stack, struct tcp_connection *connection,
                     const struct packet *packet);

/* Data and FIN of an acceptable, trimmed segment (tcp_reassembly.c). Consumes the packet. */
void tcp_reassembly_receive(struct tcp_stack *stack, struct tcp_connection *connection,
                            struct tcp_cold *cold, struct packet *packet);
/* SACK blocks to report, most recent first; an old duplicate before them (RFC 2883), once. */
uint32_t tcp_reassembly_blocks(struct tcp_cold *cold, struct tcp_sack_block *blocks,
                               uint32_t limit);
/* Both sides are done: TIME-WAIT or the end, once the application has read what is left. */
void tcp_finish(struct tcp_stack *stack, struct tcp_connection *connection, bool needs_time_wait);

/* What the segment takes of the sequence space. */
static inline uint32_t tcp_segment_length(const struct packet *packet)
{
    return packet->rx.payload_bytes + ((packet->rx.tcp_flags & TCP_FLAG_SYN) != 0) +
           ((packet->rx.tcp_flags & TCP_FLAG_FIN) != 0);
}

static inline const uint8_t *tcp_segment_options(const struct packet *packet)
{
    return packet_data(packet) + packet->rx.transport_offset + 20;
}

static inline uint32_t tcp_segment_option_bytes(const struct packet *packet)
{
    return (uint32_t)(packet->rx.payload_offset - packet->rx.transport_offset) - 20;
}

/* Appends in-order bytes for the application. */
void tcp_receive_append(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct packet *packet);

#endif
