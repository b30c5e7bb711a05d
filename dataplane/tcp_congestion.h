/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_congestion.h - how fast the congestion window grows, and how far it falls.
 *
 * Purpose:   CUBIC and NewReno behind one struct; when something was lost is decided elsewhere.
 * Ownership: writes cwnd_bytes of the connection and struct tcp_congestion; only PRR does too.
 * Threading: one worker.
 * Units:     bytes, ticks.
 * Errors:    none.
 * Source:    RFC 5681, RFC 6928 (initial window), RFC 9438 (CUBIC, C = 0.4, beta = 0.7).
 */
#ifndef GANNET_TCP_CONGESTION_H
#define GANNET_TCP_CONGESTION_H

#include "dataplane/tcp_connection.h"

struct tcp_stack;

void tcp_congestion_open(const struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold);
/* New data was acknowledged while the window was in use. */
void tcp_congestion_acked(const struct tcp_stack *stack, struct tcp_connection *connection,
                          struct tcp_cold *cold, uint32_t acked_bytes);
/* Loss was found by acknowledgements: sets ssthresh; the caller brings cwnd there (PRR). */
void tcp_congestion_lost(const struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold);
/* The retransmission timer ran out: ssthresh, and cwnd collapses to one segment. */
void tcp_congestion_timed_out(const struct tcp_stack *stack, struct tcp_connection *connection,
                              struct tcp_cold *cold, bool is_first);
/* Lowering it was wrong (RFC 9438 4.9): as struct tcp_undo has it, unless it has grown beyond. */
void tcp_congestion_restore(struct tcp_connection *connection, struct tcp_loss *loss);
/* Nothing was sent for longer than an RTO (RFC 5681 4.1). */
void tcp_congestion_idle(const struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold);

#endif
