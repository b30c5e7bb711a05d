/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * server_world.h - the whole server and its clients in one process, in virtual time.
 *
 * Purpose:   real cores (network, TCP, HTTP, API, cache), the real rings, the real control loops
 *            and store on a simulated disk, and clients on a TCP stack of their own, over a virtual
 *            wire.
 * Ownership: the world owns everything it starts; clients belong to the caller, their received
 *            bytes are freed by server_world_forget. Pools live as long as the process.
 * Threading: one thread plays all of them in turn. Everything follows from the seed.
 * Units:     virtual _ns since the simulated machine was started.
 * Errors:    server_world_stop says what was not given back.
 * Source:    ARCHITECTURE.md, a request's journey.
 */
#ifndef GANNET_SERVER_WORLD_H
#define GANNET_SERVER_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "control/schema_set.h"
#include "control/store_log.h"
#include "include/server_config.h"
#include "tests/support/virtual_wire.h"

#define WORLD_CORES_MAX 2u
#define WORLD_CONTROLS_MAX 2u
#define WORLD_PORT 80u

struct core;
struct counters;
struct fake_nic;
struct network;
struct rte_mempool;
struct tcp_connection;
struct tcp_stack;

struct world_config {
    uint64_t seed;
    uint32_t core_count, control_count;
    uint16_t mtu;
    bool is_ipv6;
    uint32_t server_offloads;        /* enum nic_offload */
    uint32_t client_receive_window;  /* bytes */
    struct virtual_wire_config wire; /* side 0 is the server */
    struct server_config server;
    struct store_sizes sizes;
};

/* A client's connection, as its application sees it. */
struct world_client {
    struct tcp_connection *connection; /* NULL before connect and once it is gone */
    uint8_t *received;                 /* everything so far */
    uint32_t received_bytes, room_bytes;
    uint16_t port;
    bool is_open;     /* the handshake is done */
    bool peer_closed; /* the server's FIN came, after the last byte */
    bool is_gone;     /* reset, timed out or closed */
    bool is_deaf;     /* leaves what arrives in its receive queue */
};

struct server_world {
    struct world_config config;
    struct io_simulator *disk;
    struct io_loop *loops[WORLD_CONTROLS_MAX];
    struct store_set *stores;
    struct control_loop *controls[WORLD_CONTROLS_MAX];
    bool is_store_stopped;   /* its threads get no more rounds */
    struct task_loop *tasks; /* one task thread */
    struct schema_board schemas;
    struct core_shared *shared;
    struct core *cores[WORLD_CORES_MAX];
    struct network *networks[WORLD_CORES_MAX];
    struct blob_stock *stocks[WORLD_CORES_MAX];
    struct bulletin_board *board;
    struct fake_nic *server_nic, *client_nic;
    struct network *client_network;
    struct tcp_stack *client_tcp;
    struct virtual_wire *wire;
    uint64_t now_ns;
    uint16_t next_port;
    /* When set, plays the clients' part in every round, on client_network. Returns how much there
     * was to do. */
    uint32_t (*run_client)(void *client, uint64_t now_ns);
    void *client;
};

/* DPDK, pools, counters; once per process. */
void server_world_prepare(void);
struct rte_mempool *server_world_client_packets(void);
struct counters *server_world_client_counters(void);

/* One core, one control thread, IPv4, a perfect wire, small tables, the namespaces "default" and
 * "small" (values of at most 1,000 bytes), and the echo route /echo/. */
void server_world_defaults(struct world_config *config, uint64_t seed);

void server_world_start(struct server_world *world, const struct world_config *config);
/* NULL, or what a server without clients still holds. */
const char *server_world_stop(struct server_world *world);
/* Starts to drain: as the main thread does on SIGTERM. */
void server_world_drain(struct server_world *world);

void server_world_connect(struct server_world *world, struct world_client *client);
/* Queues bytes; every `piece` of them (at most a segment) travels in a packet of its own. */
void server_world_send(struct server_world *world, struct world_client *client, const void *bytes,
                       uint32_t length, uint32_t piece_bytes);
/* Ends is_deaf: takes what has gathered. */
void server_world_hear(struct server_world *world, struct world_client *client);
void server_world_close(struct server_world *world, struct world_client *client);
void server_world_abort(struct server_world *world, struct world_client *client);
/* Aborts it if it is still there, and frees what it received. */
void server_world_forget(struct server_world *world, struct world_client *client);

/* A round of everybody, then time moves to the next event, or to `until_ns` if that is earlier. */
void server_world_step(struct server_world *world, uint64_t until_ns);
/* Only the clients and the wire, for who runs cores and stores himself: what the servers sent is
 * heard, the answers to it travel. Returns how many frames now wait at the servers' ports. */
uint32_t server_world_run_clients(struct server_world *world);
/* Time passes without a round: what was due in between is due at once in the next one. */
void server_world_skip_ns(struct server_world *world, uint64_t by_ns);
void server_world_run_ms(struct server_world *world, uint64_t ms);

uint32_t server_world_connections(const struct server_world *world); /* open ones on all cores */
uint32_t server_world_in_flight(const struct server_world *world);   /* store operations */
uint64_t server_world_counter(uint32_t counter); /* enum counter, of cores and tasks, since start */

#endif
