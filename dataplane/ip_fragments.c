/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ip_fragments.h"

#include <stdlib.h>
#include <string.h>

#include <rte_ip_frag.h>
#include <rte_mbuf.h>

#include "dataplane/checksum.h"
#include "dataplane/ipv4.h"
#include "dataplane/ipv6.h"
#include "dataplane/packet.h"
#include "include/assert_policy.h"

#define BUCKET_ENTRIES 8u
#define DATAGRAM_BYTES_MAX 65535u

static_assert(IP_FRAGMENTS_PER_DATAGRAM_MAX == RTE_LIBRTE_IP_FRAG_MAX_FRAG, "as DPDK was built");

struct ip_fragments {
    struct rte_ip_frag_tbl *table;
    uint32_t packets_max;
    uint32_t held_count;
    uint64_t timeout_ns;
    struct rte_ip_frag_death_row doomed; /* empty between calls */
};

struct ip_fragments *ip_fragments_create(uint32_t packets_max, uint64_t timeout_ns)
{
    struct ip_fragments *fragments = calloc(1, sizeof(*fragments));
    if (!fragments)
        return NULL;
    uint32_t buckets = (packets_max + BUCKET_ENTRIES - 1) / BUCKET_ENTRIES;
    fragments->packets_max = packets_max;
    fragments->timeout_ns = timeout_ns;
    /* DPDK counts in whatever time it is given: nanoseconds here */
    fragments->table =
        rte_ip_frag_table_create(buckets, BUCKET_ENTRIES, packets_max, timeout_ns, SOCKET_ID_ANY);
    if (!fragments->table) {
        free(fragments);
        return NULL;
    }
    return fragments;
}

void ip_fragments_destroy(struct ip_fragments *fragments)
{
    if (!fragments)
        return;
    rte_ip_frag_table_destroy(fragments->table);
    free(fragments);
}

uint32_t ip_fragments_held(const struct ip_fragments *fragments)
{
    return fragments->held_count;
}

/* ---- bounds ---- */

/* Frees what DPDK gave up; returns how many packets. Some are chained already. */
static uint32_t bury(struct ip_fragments *fragments)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fragments->doomed.cnt; i++)
        count += fragments->doomed.row[i]->nb_segs;
    rte_ip_frag_free_death_row(&fragments->doomed, 0);
    return count;
}

uint32_t ip_fragments_expire(struct ip_fragments *fragments, uint64_t now_ns)
{
    if (fragments->held_count == 0)
        return 0;
    /* When many wait, patience is short: somebody may be filling the table. */
    bool is_crowded = fragments->held_count > fragments->packets_max / 2;
    uint64_t ahead_ns = is_crowded ? fragments->timeout_ns - fragments->timeout_ns / 8 : 0;
    rte_ip_frag_table_del_expired_entries(fragments->table, &fragments->doomed, now_ns + ahead_ns);
    uint32_t freed = bury(fragments);
    ASSERT_HOT(freed <= fragments->held_count);
    fragments->held_count -= freed;
    return freed;
}

/* ---- what a fragment may be ---- */

struct extent {
    uint32_t offset; /* in the datagram's payload */
    uint32_t bytes;
    bool has_more;
};

static struct extent extent_of(const uint8_t *ip, const struct ip_fragment *where)
{
    be16_t length, field;
    uint32_t fixed = where->header_bytes;
    if (where->ip_version == 4) {
        memcpy(&length, ip + offsetof(struct ipv4_header, total_bytes), 2);
        memcpy(&field, ip + offsetof(struct ipv4_header, flags_and_offset), 2);
        return (struct extent){.offset = (be16_load(field) & 0x1fffu) * 8u,
                               .bytes = be16_load(length) - fixed,
                               .has_more = (be16_load(field) & 0x2000u) != 0};
    }
    memcpy(&length, ip + offsetof(struct ipv6_header, payload_bytes), 2);
    memcpy(&field, ip + IPV6_HEADER_BYTES + 2, 2);
    return (struct extent){.offset = be16_load(field) & 0xfff8u,
                           .bytes = be16_load(length) + IPV6_HEADER_BYTES - fixed,
                           .has_more = (be16_load(field) & 1u) != 0};
}

/* RFC 8200 4.5, RFC 791 3.2; the whole must not be longer than a length field can say. */
static bool is_possible(const struct extent *extent, uint32_t header_bytes)
{
    if (extent->bytes == 0 || (extent->has_more && extent->bytes % 8 != 0))
        return false;
    return extent->offset + extent->bytes + header_bytes <= DATAGRAM_BYTES_MAX;
}

/* ---- taking ---- */

static struct ip_fragments_result refuse(struct packet *packet, enum drop_reason why)
{
    packet_free(packet);
    return (struct ip_fragments_result){.why = why, .refused_count = 1};
}

static struct rte_mbuf *hand_over(struct ip_fragments *fragments, struct packet *packet,
                                  const struct ip_fragment *where, uint64_t now_ns)
{
    uint8_t *ip = packet_data(packet) + where->network_offset;
    packet->mbuf.tx_offload =
        rte_mbuf_tx_offload(where->network_offset, where->header_bytes, 0, 0, 0, 0, 0);
    if (where->ip_version == 4)
        return rte_ipv4_frag_reassemble_packet(fragments->table, &fragments->doomed, &packet->mbuf,
                                               now_ns, (struct rte_ipv4_hdr *)ip);
    return rte_ipv6_frag_reassemble_packet(fragments->table, &fragments->doomed, &packet->mbuf,
                                           now_ns, (struct rte_ipv6_hdr *)ip,
                                           (void *)(ip + IPV6_HEADER_BYTES));
}

/* DPDK leaves the checksum to us; what the port said of a fragment says nothing of the whole. */
static void make_ordinary(struct packet *whole, const struct ip_fragment *where)
{
    whole->mbuf.ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK);
    if (where->ip_version != 4)
        return;
    uint8_t *ip = packet_data(whole) + whole->mbuf.l2_len;
    uint16_t checksum = checksum_of(ip, (ip[0] & 0x0fu) * 4u);
    memcpy(ip + offsetof(struct ipv4_header, checksum), &checksum, 2);
}

struct ip_fragments_result ip_fragments_take(struct ip_fragments *fragments, struct packet *packet,
                                             const struct ip_fragment *where, uint64_t now_ns)
{
    const uint8_t *ip = packet_data(packet) + where->network_offset;
    ASSERT_HOT(!packet_is_chained(packet) &&
               packet_first_bytes(packet) >= where->network_offset + where->header_bytes);
    struct extent extent = extent_of(ip, where);
    if (!is_possible(&extent, where->header_bytes))
        return refuse(packet, DROP_IP_FRAGMENT_BAD);
    uint32_t expired = ip_fragments_expire(fragments, now_ns);
    struct ip_fragments_result result = {.expired_count = expired};
    if (fragments->held_count >= fragments->packets_max) {
        result = refuse(packet, DROP_IP_FRAGMENTS_FULL);
        result.expired_count = expired;
        return result;
    }
    fragments->held_count++;
    struct rte_mbuf *whole = hand_over(fragments, packet, where, now_ns);
    result.refused_count = bury(fragments);
    /* nothing else had come of the datagram: there was no entry for it */
    result.why = result.refused_count > 1 ? DROP_IP_FRAGMENT_BAD : DROP_IP_FRAGMENTS_FULL;
    uint32_t gone = result.refused_count + (whole ? whole->nb_segs : 0);
    ASSERT_HOT(gone <= fragments->held_count);
    fragments->held_count -= gone;
    if (whole) {
        result.whole = packet_of(whole);
        make_ordinary(result.whole, where);
    }
    return result;
}
