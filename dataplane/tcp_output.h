/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_output.h - segments out: data, acknowledgements, retransmissions, resets.
 *
 * Purpose:   private to dataplane/tcp_*.c.
 * Ownership: packets of the send queue stay there until acknowledged; the port gets a reference or
 *            a copy.
 * Threading: one worker.
 * Units:     bytes.
 * Errors:    a frame that cannot be built (no packet) is counted and left to retransmission.
 * Source:    RFC 9293 3.8, RFC 1122 4.2.3.2 (delayed acknowledgement), 4.2.3.4 (silly window).
 */
#ifndef GANNET_TCP_OUTPUT_H
#define GANNET_TCP_OUTPUT_H

#include "dataplane/tcp_connection.h"

struct tcp_stack;
struct tcp_time_wait;

/* Everything that is due on one connection. */
void tcp_output_connection(struct tcp_stack *stack, struct tcp_connection *connection);

/* The next new segment, whatever the congestion window says (RFC 8985 7.3). False: none went. */
bool tcp_output_probe(struct tcp_stack *stack, struct tcp_connection *connection,
                      struct tcp_cold *cold);

/* SYN or SYN-ACK, as the state says; again when called again. */
void tcp_send_syn(struct tcp_stack *stack, struct tcp_connection *connection);
void tcp_send_ack(struct tcp_stack *stack, struct tcp_connection *connection);
/* At most tcp_stack_config.challenges_per_s for each connection (RFC 5961 section 7). */
void tcp_send_challenge_ack(struct tcp_stack *stack, struct tcp_connection *connection);
void tcp_send_reset(struct tcp_stack *stack, struct tcp_connection *connection);
/* A segment of no length that the peer must answer: its sequence is old (keep-alive, probe). */
void tcp_send_probe(struct tcp_stack *stack, struct tcp_connection *connection);

/* Sends one packet of the queue again, or for the first time. False: no memory for the frame. */
bool tcp_transmit(struct tcp_stack *stack, struct tcp_connection *connection,
                  struct packet *packet);
/* The queue's packet becomes two, the first with `first_bytes` of payload. False: no memory. */
bool tcp_split_packet(struct tcp_stack *stack, struct tcp_connection *connection,
                      struct packet *packet, uint32_t first_bytes);
void tcp_send_packet_free(struct tcp_stack *stack, struct packet *packet);

/* To a segment that belongs to nothing (RFC 9293 3.10.7.1); never to a RST. Does not consume. */
void tcp_reply_reset(struct tcp_stack *stack, const struct packet *packet,
                     const struct network_flow *flow);
void tcp_reply_ack(struct tcp_stack *stack, const struct packet *packet,
                   const struct network_flow *flow, uint32_t sequence, uint32_t acknowledgement,
                   const struct tcp_time_wait *time_wait);

/* Segment payload from the peer's MSS, the path and the options in use. */
void tcp_mss_update(struct tcp_stack *stack, struct tcp_connection *connection);

#endif
