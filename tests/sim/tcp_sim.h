/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_sim.h - two stacks, the link between them and what befalls them, of one seed.
 *
 * Purpose:   what tcp_sim.c (bytes both ways) and tcp_trouble.c (events beside them) share.
 * Ownership: tcp_sim.c makes and destroys everything.
 * Threading: none.
 * Units:     bytes; nanoseconds of virtual time.
 * Errors:    simulation_fail keeps the first reason; the run ends with it.
 * Source:    none.
 */
#ifndef GANNET_TCP_SIM_H
#define GANNET_TCP_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/tcp_connection.h"
#include "dataplane/tcp_stack.h"
#include "include/random.h"
#include "tests/sim/tcp_trouble.h"
#include "tests/support/virtual_link.h"

#define SIDES 2
#define FLOWS_MAX 8u
#define SERVER_PORT 80
#define CLIENT_PORT 10000 /* of the first flow, on side 0; the others follow */

/* One direction of one connection, as seen by its end. */
struct endpoint {
    struct tcp_connection *connection;
    uint64_t send_seed, receive_seed;
    uint32_t to_send, sent;
    uint32_t to_receive, received;
    uint64_t sleeps_until_ns; /* does not read */
    bool has_closed, peer_closed, is_gone, was_opened;
    bool is_excused; /* one end was torn away: neither has to see all bytes */
};

struct side {
    struct network network;
    struct tcp_stack *stack;
    struct rte_mempool *pool, *descriptors;
    struct endpoint ends[FLOWS_MAX];
};

struct simulation {
    uint64_t seed;
    struct random random;
    struct virtual_link *link;
    struct side *sides;
    struct network_flow flow; /* as the client sees it */
    uint64_t now_ns;
    uint32_t flow_count, opened;
    uint64_t next_open_ns;
    uint64_t wake_ns; /* the next time a sleeping reader reads */
    uint32_t chunk_max;
    bool reads_slowly, uses_blobs;
    uint64_t user_bytes;
    struct tcp_trouble trouble;
    const char *failure;
};

void simulation_fail(struct simulation *sim, const char *why);

#endif
