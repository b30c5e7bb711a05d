/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_stack.h - one worker's TCP: creation, listening, opening, time.
 *
 * Purpose:   what the core loop, the simulation and the benchmark client need beyond tcp.h.
 * Ownership: the stack owns its tables; packets in its queues go back to their pool with
 *            tcp_stack_destroy. Pools, network, counters and blob stock must outlive it.
 * Threading: one worker.
 * Units:     bytes, milliseconds in the configuration; now_ns is monotone and never goes back.
 * Errors:    tcp_stack_create: 0 or a negative errno. tcp_connect: NULL when there is no slot.
 * Source:    RFC 9293; the RFCs of each part are named where the part is.
 *
 * A SYN takes an entry of the SYN table, or is answered with a cookie; only the acknowledgement of
 * the SYN-ACK takes a slot. When all are in use, that of the connection that has been silent
 * longest since its handshake is taken. When there is none, the SYN is dropped without an answer
 * and counted as TCP_CONNECTIONS_FULL: the client sends it again.
 */
#ifndef GANNET_TCP_STACK_H
#define GANNET_TCP_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/network.h"
#include "dataplane/tcp.h"
#include "include/key_hash.h"

struct blob_pool;
struct blob_stock;
struct counters;
struct rte_mempool;
struct trace_ring;

#define TCP_LISTENERS_MAX 16u

enum tcp_syn_cookies {
    TCP_SYN_COOKIES_AUTO = 0, /* when half_open_max peers are in SYN-RECEIVED */
    TCP_SYN_COOKIES_ALWAYS,
    TCP_SYN_COOKIES_NEVER, /* the peer that has been silent longest gives way */
};

struct tcp_stack_config {
    uint32_t connections;
    uint32_t half_open_max; /* peers in SYN-RECEIVED: 64 bytes each, no slot */
    enum tcp_syn_cookies syn_cookies;
    uint32_t connections_per_source; /* an IPv4 address or an IPv6 /64; 0: no limit */
    uint32_t receive_window_bytes;
    uint32_t send_budget_bytes;
    uint32_t initial_window_segments;
    uint32_t out_of_order_max;   /* packets waiting for a hole to fill, per connection */
    uint32_t out_of_order_total; /* ... of all of them; 0: no bound */
    uint32_t packets_held_max;   /* in all queues: beyond it windows stop growing; 0: no bound */
    bool use_newreno;            /* else CUBIC */
    bool offer_timestamps, offer_sack;
    uint32_t rto_min_ms;
    uint32_t delayed_ack_ms;
    uint32_t tlp_ack_delay_ms; /* what a peer may wait with the acknowledgement of a lone segment */
    uint32_t keepalive_ms;     /* 0: off */
    uint32_t keepalive_interval_ms; /* between probes; 0: as keepalive_ms, at most 75 s */
    uint8_t keepalive_probes;       /* without an answer, until it is given up; 0: 8 */
    uint16_t mss_max_bytes;         /* offered and used at most; 0: what the MTU allows */
    uint32_t user_timeout_ms;
    uint32_t time_wait_ms;
    uint32_t fin_wait_ms;
    uint32_t reset_rate_per_s; /* RST to nobody's acknowledgements, and as many to other segments */
    uint32_t challenges_per_s; /* answers to unacceptable segments, per connection; 0: no bound */
    uint16_t listen_ports[TCP_LISTENERS_MAX];
    uint32_t listen_port_count;
    struct siphash_key key;
    struct rte_mempool *packets; /* room for headers and a full segment */
    struct rte_mempool
        *descriptors; /* same private size, no data room: for value bytes; may be NULL */
    struct network *network;
    struct counters *counters;
    struct trace_ring *trace;      /* this worker's; NULL: no tracing */
    struct blob_stock *blob_stock; /* may be NULL when tcp_send_blob is not used */
    struct blob_pool *blob_pool;
};

struct server_config;

/* Everything config_keys.def knows, and sensible values for the rest. */
void tcp_stack_config_from(const struct server_config *server, struct tcp_stack_config *config);

/* What a reload may change: rates. */
void tcp_stack_use_limits(struct tcp_stack *stack, const struct server_config *server);

int tcp_stack_create(const struct tcp_stack_config *config, uint64_t now_ns,
                     struct tcp_stack **stack);
void tcp_stack_destroy(struct tcp_stack *stack);
/* Other windows, budgets, limits and times from now on; what sizes tables and the rest stay. */
void tcp_stack_retune(struct tcp_stack *stack, const struct tcp_stack_config *config,
                      uint64_t now_ns);

bool tcp_listen(struct tcp_stack *stack, uint16_t port); /* false: TCP_LISTENERS_MAX are open */
void tcp_stop_listening(struct tcp_stack *stack, uint16_t port); /* open connections stay */

/* Active open: TCP_EVENT_OPENED or TCP_EVENT_GONE follows. */
struct tcp_connection *tcp_connect(struct tcp_stack *stack, const struct network_flow *flow,
                                   uint16_t local_port, uint16_t remote_port, uint64_t now_ns);

/* Timers that are due; call once per round after tcp_input. */
void tcp_timers_run(struct tcp_stack *stack, uint64_t now_ns);

/* End of a round: sends what is due on every connection that was touched. */
void tcp_output(struct tcp_stack *stack, uint64_t now_ns);

/* How much of what is bounded is in use. */
struct tcp_levels {
    uint32_t half_open;    /* of tcp.half_open */
    uint32_t time_wait;    /* of tcp.connections */
    uint32_t packets_held; /* in all queues */
    uint32_t out_of_order; /* of them, those that wait for a missing one */
};
void tcp_stack_levels(const struct tcp_stack *stack, struct tcp_levels *levels);

uint32_t tcp_connection_count(const struct tcp_stack *stack);
uint32_t tcp_half_open_count(const struct tcp_stack *stack);
uint32_t tcp_time_wait_count(const struct tcp_stack *stack);

/* When tcp_timers_run has to be called next at the latest; UINT64_MAX: no timer. */
uint64_t tcp_next_timer_ns(const struct tcp_stack *stack);

/* What a test or /metrics may want to see of one connection. */
struct tcp_connection_info {
    uint8_t state; /* enum tcp_state of tcp_connection.h */
    uint32_t cwnd_bytes, ssthresh_bytes;
    uint32_t srtt_us, rto_ms;
    uint32_t in_flight_bytes, unsent_bytes;
    uint32_t snd_wnd_bytes, rcv_wnd_bytes;
    uint16_t mss_bytes;
    uint8_t recovery; /* enum tcp_recovery */
};
void tcp_connection_info(const struct tcp_stack *stack, const struct tcp_connection *connection,
                         struct tcp_connection_info *info);
void tcp_connection_flow(const struct tcp_connection *connection, struct network_flow *flow,
                         uint16_t *local_port, uint16_t *remote_port);

#endif
