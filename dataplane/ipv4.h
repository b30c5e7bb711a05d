/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipv4.h - the IPv4 header: validation and writing.
 *
 * Purpose:   everything a host must check before it believes a header; options are skipped.
 * Ownership: none: works on bytes.
 * Threading: any.
 * Units:     bytes.
 * Errors:    ipv4_parse returns the drop reason; DROP_NONE is success.
 * Source:    RFC 791 section 3.1, RFC 1122 section 3.2.1.
 */
#ifndef GANNET_IPV4_H
#define GANNET_IPV4_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "include/byte_order.h"
#include "include/counters.h"

#define IP_PROTOCOL_ICMP 1u
#define IP_PROTOCOL_TCP 6u
#define IP_PROTOCOL_UDP 17u
#define IP_PROTOCOL_ICMPV6 58u
#define IP_TTL_DEFAULT 64u

#define IPV4_HEADER_BYTES 20u
#define IPV4_DONT_FRAGMENT 0x4000u
#define IPV4_FRAGMENT_MASK 0x3fffu /* more fragments, and the offset */

struct ipv4_header {
    uint8_t version_and_words;
    uint8_t service;
    be16_t total_bytes;
    be16_t identification;
    be16_t flags_and_offset;
    uint8_t ttl;
    uint8_t protocol;
    uint16_t checksum; /* memory order: checksum.h */
    uint8_t source[4];
    uint8_t destination[4];
};
static_assert(sizeof(struct ipv4_header) == IPV4_HEADER_BYTES, "wire format");

/* What both IP versions tell the layer above; offsets count from the IP header. */
struct ip_view {
    uint16_t transport_offset;
    uint16_t transport_bytes; /* as IP says, without padding */
    uint16_t protocol_at;     /* IPv6: where the field is that names the protocol */
    uint16_t problem_at;      /* IPv6: the field that was not understood */
    uint8_t protocol;
    uint8_t hop_limit;
    uint8_t problem;          /* IPv6: enum ipv6_problem */
    bool has_fragment_header; /* IPv6: also one that fragments nothing */
};

struct ipv4_addresses {
    uint8_t address[4];   /* ours; zero: this port speaks no IPv4 */
    uint8_t broadcast[4]; /* of the prefix */
    uint32_t further;     /* addresses after `address` that are ours too */
};

static inline bool ipv4_is_zero(const uint8_t address[4])
{
    uint32_t word;
    memcpy(&word, address, 4);
    return word == 0;
}

static inline bool ipv4_is_ours(const struct ipv4_addresses *ours, const uint8_t address[4])
{
    be32_t first, other;
    memcpy(&first, ours->address, 4);
    memcpy(&other, address, 4);
    return be32_load(other) - be32_load(first) <= ours->further && !ipv4_is_zero(ours->address);
}

/* RFC 1122 3.2.1.3: what cannot be the address of a single host. */
static inline bool ipv4_is_source_bad(const uint8_t source[4], const struct ipv4_addresses *ours)
{
    return source[0] == 0 || source[0] == 127 || source[0] >= 224 || ipv4_is_ours(ours, source) ||
           memcmp(source, ours->broadcast, 4) == 0;
}

/* `length`: bytes of the frame from the IP header on. DROP_IP_FRAGMENT comes last: the header is
 * good, and `view` says where it ends. */
enum drop_reason ipv4_parse(const uint8_t *bytes, uint32_t length,
                            const struct ipv4_addresses *addresses, bool is_checksum_verified,
                            struct ip_view *view);

/* Don't-fragment set; length and checksum are zero, to be filled in. Writes 20 bytes. */
void ipv4_write(uint8_t *out, const uint8_t source[4], const uint8_t destination[4],
                uint8_t protocol);
/* Fills in length and checksum of a header without options. */
void ipv4_finish(uint8_t *header, uint16_t total_bytes);

bool ipv4_is_on_link(const uint8_t a[4], const uint8_t b[4], uint8_t prefix_bits);
void ipv4_broadcast_of(const uint8_t address[4], uint8_t prefix_bits, uint8_t out[4]);

#endif
