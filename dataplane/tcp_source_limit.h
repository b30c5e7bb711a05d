/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_source_limit.h - how many connections each source has, counted exactly.
 *
 * Purpose:   one client cannot take all slots. A source is an IPv4 address, an IPv6 /64, or one
 *            address of an IPv6 link (everybody there shares a /64).
 * Ownership: one per stack. Counted are connections with a slot: those who have proved with their
 *            acknowledgement that they are where they say. Spoofed SYNs of a source take nothing
 *            from it.
 * Threading: one worker.
 * Units:     connections.
 * Errors:    tcp_source_limit_allows is false at the limit. Adding cannot fail: there is room for
 *            twice as many sources as connections.
 * Source:    linear probing, entries moved back on removal (Knuth, TAOCP 6.4, algorithm R).
 */
#ifndef GANNET_TCP_SOURCE_LIMIT_H
#define GANNET_TCP_SOURCE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/network.h"
#include "include/key_hash.h"

struct tcp_source {
    uint64_t address;
    uint32_t kind; /* what the address is; 0: the entry is free */
    uint32_t connection_count;
};

struct tcp_source_limit {
    struct siphash_key key;
    uint32_t connections_max; /* of a source; 0: no limit, and nothing is counted */
    uint32_t mask;
    struct tcp_source *sources;
};

/* 0 or -ENOMEM. Memory only when there is a limit. */
int tcp_source_limit_create(struct tcp_source_limit *limit, uint32_t connections_per_source,
                            uint32_t connections, const struct siphash_key *key);
void tcp_source_limit_destroy(struct tcp_source_limit *limit);

static inline bool tcp_source_limit_is_on(const struct tcp_source_limit *limit)
{
    return limit->connections_max > 0;
}

/* May the flow's remote side have one more? */
bool tcp_source_limit_allows(const struct tcp_source_limit *limit, const struct network_flow *flow);
void tcp_source_limit_add(struct tcp_source_limit *limit, const struct network_flow *flow);
/* It must have been added. */
void tcp_source_limit_remove(struct tcp_source_limit *limit, const struct network_flow *flow);

#endif
