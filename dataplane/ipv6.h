/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipv6.h - the IPv6 header and its extension headers: validation and writing.
 *
 * Purpose:   finds TCP or ICMPv6 behind at most IPV6_EXTENSIONS_MAX extension headers.
 * Ownership: none: works on bytes.
 * Threading: any.
 * Units:     bytes.
 * Errors:    ipv6_parse returns the drop reason; DROP_NONE is success.
 * Source:    RFC 8200 sections 3 and 4, RFC 4291 section 2.7 (groups), RFC 5095 (routing type 0),
 *            RFC 6946 (atomic fragments), RFC 4443 section 3.4 (what the sender is told), RFC 4862
 *            section 5.3 (link-local address).
 */
#ifndef GANNET_IPV6_H
#define GANNET_IPV6_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/ipv4.h"
#include "include/byte_order.h"
#include "include/counters.h"

#define IPV6_HEADER_BYTES 40u
#define IPV6_MTU_MIN 1280u
#define IPV6_NO_NEXT_HEADER 59u
#define IPV6_FRAGMENT 44u      /* next header: the fragment header */
#define IPV6_EXTENSIONS_MAX 6u /* nobody sends more in earnest; a bound against crafted chains */

/* What the sender of a dropped packet is to be told (RFC 4443 3.4): the code, plus one. */
enum ipv6_problem {
    IPV6_PROBLEM_NONE = 0,
    IPV6_PROBLEM_FIELD,       /* a header field that cannot be */
    IPV6_PROBLEM_NEXT_HEADER, /* a next header that is not known */
    IPV6_PROBLEM_OPTION,      /* an option that is not known and must be */
};

struct ipv6_header {
    be32_t version_class_flow;
    be16_t payload_bytes;
    uint8_t next_header;
    uint8_t hop_limit;
    uint8_t source[16];
    uint8_t destination[16];
};
static_assert(sizeof(struct ipv6_header) == IPV6_HEADER_BYTES, "wire format");

struct ipv6_addresses {
    uint8_t global[16];     /* zero: this port speaks no IPv6; while it forms its own: link_local */
    uint8_t link_local[16]; /* fe80::/64 and the port's interface identifier */
    uint8_t former[16];     /* formed of a prefix before: still answered (slaac.h) */
    bool has_former;
};

extern const uint8_t ipv6_all_nodes[16];

static inline bool ipv6_is_zero(const uint8_t address[16])
{
    uint64_t halves[2];
    memcpy(halves, address, 16);
    return (halves[0] | halves[1]) == 0;
}

static inline bool ipv6_equal(const uint8_t a[16], const uint8_t b[16])
{
    return memcmp(a, b, 16) == 0;
}

static inline bool ipv6_is_multicast(const uint8_t address[16])
{
    return address[0] == 0xff;
}

static inline bool ipv6_is_link_local(const uint8_t address[16])
{
    return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

static inline bool ipv6_is_ours(const uint8_t address[16], const struct ipv6_addresses *ours)
{
    return ipv6_equal(address, ours->global) || ipv6_equal(address, ours->link_local) ||
           (ours->has_former && ipv6_equal(address, ours->former));
}

/*
 * `length`: bytes of the frame from the IP header on. Group destinations are ours only for ICMPv6.
 * DROP_IP_FRAGMENT: view->transport_offset is where the fragment header is. When view->problem is
 * set the sender wants to know.
 */
enum drop_reason ipv6_parse(const uint8_t *bytes, uint32_t length,
                            const struct ipv6_addresses *addresses, struct ip_view *view);

/*
 * Walks the extension headers of a packet of `total` bytes. view->protocol is the IPv6 header's
 * next header on entry and the transport's afterwards.
 */
enum drop_reason ipv6_skip_extensions(const uint8_t *bytes, uint32_t total, struct ip_view *view);

/*
 * Takes the extension headers out that lie between the IPv6 header and the fragment header: they
 * were obeyed, and reassembly wants none. `frame` is the frame's first byte; returns how many bytes
 * it begins later now.
 */
uint16_t ipv6_cut_to_fragment(uint8_t *frame, uint16_t network_offset, uint16_t fragment_offset);

/* Payload length is zero, to be filled in. Writes 40 bytes. */
void ipv6_write(uint8_t *out, const uint8_t source[16], const uint8_t destination[16],
                uint8_t next_header, uint8_t hop_limit);
void ipv6_finish(uint8_t *header, uint16_t payload_bytes);
/* Writes the 8 bytes of a fragment header; `offset` is a multiple of 8. */
void ipv6_write_fragment(uint8_t *out, uint8_t next_header, uint16_t offset, bool has_more,
                         uint32_t identification);

bool ipv6_is_on_link(const uint8_t a[16], const uint8_t b[16], uint8_t prefix_bits);
void ipv6_link_local_of(const uint8_t mac[6], uint8_t out[16]);
/* The group in which the owner of an address is asked for its link address: ff02::1:ffXX:XXXX. */
void ipv6_solicited_group_of(const uint8_t address[16], uint8_t out[16]);

#endif
