/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_path_mtu.h - the largest packet a connection's path takes: lowered, suspected, forgotten.
 *
 * Purpose:   routers say what is too big (RFC 1191, 8201); where they say nothing, large segments
 *            that stay unacknowledged do.
 * Ownership: writes path_mtu of struct tcp_cold, and the connection's MSS through tcp_mss_update.
 * Threading: the stack's worker.
 * Units:     bytes of an IP packet.
 * Errors:    none.
 * Source:    RFC 1191 section 6.3 and RFC 8201 section 4 (ten minutes, then larger ones again),
 *            RFC 2923 section 2.1 (black holes); RFC 4821 in spirit, without probes of its own.
 */
#ifndef GANNET_TCP_PATH_MTU_H
#define GANNET_TCP_PATH_MTU_H

#include "dataplane/tcp_internal.h"

/* A router said so, about a segment in flight. */
void tcp_path_mtu_lower(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct tcp_cold *cold, uint16_t new_mtu);

/* A retransmission timeout is about to be acted on: was it the size? */
void tcp_path_mtu_suspect(struct tcp_stack *stack, struct tcp_connection *connection,
                          struct tcp_cold *cold);

/* Now and then, of connections with a lowered MTU. */
void tcp_path_mtu_expire(struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold);
/* A segment that has arrived was as large as the path is thought to take, and worth noting. */
bool tcp_path_mtu_is_proved(const struct tcp_connection *connection, const struct packet *packet);

#endif
