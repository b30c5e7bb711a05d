/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_loss.h - acknowledgements in, losses found: scoreboard, RACK-TLP, NewReno, PRR.
 *
 * Purpose:   private to dataplane/tcp_*.c.
 * Ownership: works on the connection's send queue.
 * Threading: one worker.
 * Units:     bytes, ticks, nanoseconds.
 * Errors:    none.
 * Source:    RFC 2018, 2883, 6582, 6675, 6937, 8985, 3042, 6298.
 */
#ifndef GANNET_TCP_LOSS_H
#define GANNET_TCP_LOSS_H

#include "dataplane/tcp_connection.h"

struct tcp_stack;

/* An acceptable acknowledgement (snd_una <= ack <= snd_nxt or old) outside header prediction. */
void tcp_acknowledge(struct tcp_stack *stack, struct tcp_connection *connection,
                     struct tcp_cold *cold, const struct packet *packet);
/* The same when nothing is lost, sacked or being probed and the segment has no SACK option. */
void tcp_acknowledge_fast(struct tcp_stack *stack, struct tcp_connection *connection,
                          uint32_t acknowledgement);
/* The reordering window of RACK ran out. */
void tcp_loss_detect(struct tcp_stack *stack, struct tcp_connection *connection,
                     struct tcp_cold *cold);
/* RFC 8985 6.2: what was sent so long ago is lost, if something sent later has arrived. */
uint64_t tcp_loss_patience_ns(const struct tcp_connection *connection, const struct tcp_loss *loss);
void tcp_round_trip(struct tcp_stack *stack, struct tcp_connection *connection, uint32_t rtt_us);
void tcp_predictability(struct tcp_connection *connection, struct tcp_cold *cold);

/* tcp_retransmit.c */
/* Sends lost packets again as the congestion window allows; returns how many left. */
uint32_t tcp_loss_retransmit(struct tcp_stack *stack, struct tcp_connection *connection,
                             struct tcp_cold *cold, uint32_t budget);
/* The retransmission timer ran out. */
void tcp_loss_timed_out(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct tcp_cold *cold);
/* The tail loss probe's timer ran out. */
void tcp_loss_probe(struct tcp_stack *stack, struct tcp_connection *connection,
                    struct tcp_cold *cold);
/* All packets beyond the new segment size count as lost: they must be cut (RFC 1191). */
void tcp_loss_too_big(struct tcp_stack *stack, struct tcp_connection *connection,
                      struct tcp_cold *cold);

#endif
