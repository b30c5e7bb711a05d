/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_frame.h - complete frames: template, TCP header, options, checksum, payload or value bytes.
 *
 * Purpose:   private to tcp_output.c and tcp_loss.c: bytes, no decisions about when to send.
 * Ownership: a returned frame belongs to the caller, who hands it to network_transmit.
 * Threading: one worker.
 * Units:     bytes.
 * Errors:    NULL when the pool is empty.
 * Source:    RFC 9293 3.1, RFC 7323 appendix A (order of options), RFC 6864 (IPv4 identification).
 */
#ifndef GANNET_TCP_FRAME_H
#define GANNET_TCP_FRAME_H

#include "dataplane/tcp_connection.h"

struct tcp_stack;
struct tcp_syn_options;

/* A segment that belongs to no connection. */
struct tcp_reply {
    uint16_t local_port, remote_port;
    uint32_t sequence, acknowledgement;
    uint32_t timestamp_value, timestamp_echo;
    const struct tcp_syn_options *syn_options; /* NULL: none; the MSS is filled in from the path */
    uint16_t window;                           /* as it goes on the wire */
    uint8_t flags;
    bool has_timestamps;
    const uint8_t *mac; /* NULL: network_answer_mac is asked */
};

/* The frame of a packet of the send queue. */
struct packet *tcp_frame_data(struct tcp_stack *stack, struct tcp_connection *connection,
                              struct tcp_cold *cold, struct packet *packet, uint8_t flags);
/* A frame without payload: ACK, SYN, RST. */
struct packet *tcp_frame_bare(struct tcp_stack *stack, struct tcp_connection *connection,
                              struct tcp_cold *cold, uint32_t sequence, uint8_t flags);
void tcp_frame_reply(struct tcp_stack *stack, const struct network_flow *flow,
                     const struct tcp_reply *reply);
/* Asks for the way to the peer, unless it is known. */
void tcp_frame_find_path(struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold);
/* Takes the bytes from `first_bytes` on out of `packet` into a new one. */
struct packet *tcp_frame_split(struct tcp_stack *stack, struct packet *packet,
                               uint32_t first_bytes);
/* The largest payload that may leave in one frame: one segment, or more where the port cuts. */
uint32_t tcp_frame_payload_max(const struct tcp_stack *stack,
                               const struct tcp_connection *connection, const struct tcp_cold *cold,
                               const struct packet *packet);

#endif
