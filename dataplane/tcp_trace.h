/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_trace.h - what the stack writes into the worker's trace ring while a client is chosen.
 *
 * Purpose:   an event for every segment of the client, for what it changed, and for why it was
 *            dropped. Called only while stack->is_traced, so none of it is fast.
 * Ownership: packets are only looked at.
 * Threading: one worker.
 * Units:     as in include/trace_ring.h.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_TCP_TRACE_H
#define GANNET_TCP_TRACE_H

#include <stdbool.h>

#include "dataplane/network.h"
#include "include/trace_ring.h"

struct packet;
struct tcp_connection;
struct tcp_half_open;
struct tcp_stack;

/* A received segment between its two halves. */
struct tcp_traced {
    bool is_wanted;
    struct trace_event event;
    struct network_flow flow;
};

/* Around the input of one segment, which consumes the packet. */
void tcp_trace_begin(struct tcp_stack *stack, const struct packet *segment,
                     struct tcp_traced *traced);
void tcp_trace_end(struct tcp_stack *stack, struct tcp_traced *traced);

/* A whole frame, just before network_transmit. */
void tcp_trace_sent(struct tcp_stack *stack, uint8_t port_index, const struct packet *frame,
                    enum trace_kind kind);

/* Before its state becomes TCP_CLOSED. */
void tcp_trace_ended(struct tcp_stack *stack, const struct tcp_connection *connection);
/* Before its entry goes without having become a connection. */
void tcp_trace_half_open_ended(struct tcp_stack *stack, const struct tcp_half_open *half_open);

#endif
