/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_syn_table.h - connections that peers are opening (SYN-RECEIVED), a cache line each.
 *
 * Purpose:   a SYN costs no connection slot: what its SYN-ACK said is kept here until the peer
 *            acknowledges it, resets it, or is silent for too long.
 * Ownership: one table per stack. An entry is in the connection table under an index with the bits
 *            of TCP_HALF_OPEN_INDEX, until tcp_syn_table_remove or tcp_syn_table_replace.
 * Threading: one worker.
 * Units:     microseconds that wrap round; sequence numbers in host order.
 * Errors:    tcp_syn_table_take: NULL when the table is full.
 * Source:    RFC 4987 section 3.4; lists by number of retries, each in order of time, instead of
 *            timers.
 */
#ifndef GANNET_TCP_SYN_TABLE_H
#define GANNET_TCP_SYN_TABLE_H

#include "dataplane/tcp_connection.h"

struct network_flow;
struct tcp_stack;

/*
 * RFC 6298 2.1: 1 s or more. More, so that the peer's SYN comes again first: the answer to that one
 * echoes its timestamp, and ours would be taken for a round trip of a second.
 */
#define TCP_SYN_ACK_TIMEOUT_US 1250000u
#define TCP_SYN_ACK_RETRIES_MAX 5u /* after 1.25, 2.5, 5, 10, 20 s; forgotten after 79 s */

struct tcp_half_open {
    /* as in line 0 of a connection */
    alignas(CACHE_LINE_BYTES) uint32_t remote_word;
    uint32_t local_word;
    uint16_t remote_port, local_port;
    uint32_t flow_hash;
    uint32_t peer_sequence, own_sequence; /* of both SYNs (RFC 9293: IRS, ISS) */
    uint32_t ts_recent;
    uint32_t timestamp_offset;
    uint32_t sent_us; /* the SYN-ACK, last */
    uint32_t next, previous;
    uint32_t network_generation; /* of next_hop_mac */
    uint16_t peer_mss_bytes;
    uint16_t flags; /* CONNECTION_IPV6, _TIMESTAMPS, _SACK */
    uint8_t next_hop_mac[6];
    uint8_t port_index;
    uint8_t scales;       /* as in a connection */
    bool peer_scales : 1; /* its SYN had a window scale */
    bool sent_twice : 1;  /* the SYN-ACK, because the SYN came again: measures no round trip */
    bool path_ready : 1;  /* next_hop_mac is the right one, not just where its frames come from */
    uint8_t retries;
    uint8_t challenges; /* since the last SYN-ACK */
};

static_assert(sizeof(struct tcp_half_open) == CACHE_LINE_BYTES, "one line per half-open peer");
static_assert(offsetof(struct tcp_half_open, local_word) == 4 &&
                  offsetof(struct tcp_half_open, remote_port) == 8 &&
                  offsetof(struct tcp_half_open, local_port) == 10,
              "compared as two words, like connections");

struct tcp_syn_list {
    uint32_t head, tail;
};

struct tcp_syn_table {
    struct tcp_half_open *entries;
    struct tcp_addresses6 *addresses6; /* memory only where IPv6 was used */
    uint32_t entry_max, entry_count;
    uint32_t begun; /* of the array: those behind were never used */
    uint32_t free_head;
    struct tcp_syn_list waiting[TCP_SYN_ACK_RETRIES_MAX + 1]; /* by retries; oldest first */
};

/* 0 or -ENOMEM. */
int tcp_syn_table_create(struct tcp_syn_table *table, uint32_t entry_max);
void tcp_syn_table_destroy(struct tcp_syn_table *table);

/* An entry that is nowhere yet; NULL when all are in use. */
struct tcp_half_open *tcp_syn_table_take(struct tcp_syn_table *table);
void tcp_half_open_set_flow(struct tcp_syn_table *table, struct tcp_half_open *half_open,
                            const struct network_flow *flow);
/* The SYN-ACK leaves now: into the connection table, and on the list of those that wait. */
void tcp_syn_table_add(struct tcp_stack *stack, struct tcp_half_open *half_open);
/* Out of both, and free again. */
void tcp_syn_table_remove(struct tcp_stack *stack, struct tcp_half_open *half_open);
/* Free again; its place in the connection table now leads to the slot `index`. */
void tcp_syn_table_replace(struct tcp_stack *stack, struct tcp_half_open *half_open,
                           uint32_t index);
/* The one that has been silent longest; the table must not be empty. */
struct tcp_half_open *tcp_syn_table_oldest(struct tcp_syn_table *table);

struct tcp_half_open *tcp_half_open_at(struct tcp_syn_table *table, uint32_t table_index);
/* Beside the entry; of IPv6 entries only. */
struct tcp_addresses6 *tcp_half_open_addresses6(struct tcp_syn_table *table,
                                                const struct tcp_half_open *half_open);
void tcp_half_open_flow(struct tcp_syn_table *table, const struct tcp_half_open *half_open,
                        struct network_flow *flow);

/* Once a round: SYN-ACKs that are due again, a bounded number of them, and those given up. */
void tcp_syn_table_run(struct tcp_stack *stack);
/* When the next one is due; UINT64_MAX: none is waiting. */
uint64_t tcp_syn_table_next_ns(const struct tcp_syn_table *table, uint64_t now_ns);

#endif
