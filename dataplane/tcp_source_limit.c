/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_source_limit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"

enum source_kind {
    SOURCE_NONE = 0,
    SOURCE_IPV4,
    SOURCE_IPV6_NET,
    SOURCE_IPV6_LINK,
};

int tcp_source_limit_create(struct tcp_source_limit *limit, uint32_t connections_per_source,
                            uint32_t connections, const struct siphash_key *key)
{
    *limit = (struct tcp_source_limit){.key = *key, .connections_max = connections_per_source};
    if (connections_per_source == 0)
        return 0;
    uint32_t size = 2;
    while (size < 2 * (uint64_t)connections)
        size *= 2;
    limit->mask = size - 1;
    limit->sources = calloc(size, sizeof(*limit->sources));
    return limit->sources ? 0 : -ENOMEM;
}

void tcp_source_limit_destroy(struct tcp_source_limit *limit)
{
    free(limit->sources);
    limit->sources = NULL;
}

static struct tcp_source source_of(const struct network_flow *flow)
{
    struct tcp_source source = {.kind = SOURCE_IPV4};
    if (flow->ip_version == 4) {
        memcpy(&source.address, flow->remote, 4);
        return source;
    }
    bool is_link_local = flow->remote[0] == 0xfe && (flow->remote[1] & 0xc0) == 0x80;
    source.kind = is_link_local ? SOURCE_IPV6_LINK : SOURCE_IPV6_NET;
    memcpy(&source.address, flow->remote + (is_link_local ? 8 : 0), 8);
    return source;
}

static uint32_t home_of(const struct tcp_source_limit *limit, const struct tcp_source *source)
{
    const uint64_t words[2] = {source->address, source->kind};
    return (uint32_t)siphash_place(&limit->key, words, 2) & limit->mask;
}

/* Where it is, or else the free entry where it belongs. At least half of all are free. */
static uint32_t find(const struct tcp_source_limit *limit, const struct tcp_source *source)
{
    uint32_t at = home_of(limit, source);
    while (
        limit->sources[at].kind != SOURCE_NONE &&
        (limit->sources[at].address != source->address || limit->sources[at].kind != source->kind))
        at = (at + 1) & limit->mask;
    return at;
}

bool tcp_source_limit_allows(const struct tcp_source_limit *limit, const struct network_flow *flow)
{
    if (!tcp_source_limit_is_on(limit))
        return true;
    struct tcp_source source = source_of(flow);
    return limit->sources[find(limit, &source)].connection_count < limit->connections_max;
}

void tcp_source_limit_add(struct tcp_source_limit *limit, const struct network_flow *flow)
{
    if (!tcp_source_limit_is_on(limit))
        return;
    struct tcp_source source = source_of(flow);
    struct tcp_source *entry = &limit->sources[find(limit, &source)];
    entry->address = source.address;
    entry->kind = source.kind;
    entry->connection_count++;
}

/* Entries behind the gap that would not be found across it move into it. */
static void close_gap(struct tcp_source_limit *limit, uint32_t gap)
{
    for (uint32_t at = (gap + 1) & limit->mask; limit->sources[at].kind != SOURCE_NONE;
         at = (at + 1) & limit->mask) {
        uint32_t home = home_of(limit, &limit->sources[at]);
        bool is_reached_without_gap = ((at - home) & limit->mask) < ((at - gap) & limit->mask);
        if (is_reached_without_gap)
            continue;
        limit->sources[gap] = limit->sources[at];
        gap = at;
    }
    limit->sources[gap] = (struct tcp_source){0};
}

void tcp_source_limit_remove(struct tcp_source_limit *limit, const struct network_flow *flow)
{
    if (!tcp_source_limit_is_on(limit))
        return;
    struct tcp_source source = source_of(flow);
    uint32_t at = find(limit, &source);
    ASSERT_HOT(limit->sources[at].connection_count > 0);
    if (--limit->sources[at].connection_count == 0)
        close_gap(limit, at);
}
