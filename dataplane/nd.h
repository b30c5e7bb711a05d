/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nd.h - neighbour discovery messages of ICMPv6: reading and writing.
 *
 * Purpose:   wire format and validity rules; what is learned from it is neighbour.h's.
 * Ownership: none: works on bytes.
 * Threading: any.
 * Units:     bytes.
 * Errors:    nd_parse returns the drop reason; DROP_NONE is success.
 * Source:    RFC 4861 sections 4.1 to 4.4, 4.6.2, 6.1 and 7.1 (validation), 7.2; RFC 4862 section
 *            5.4 (checks).
 */
#ifndef GANNET_ND_H
#define GANNET_ND_H

#include <stdbool.h>
#include <stdint.h>

#include "include/byte_order.h"
#include "include/counters.h"

#define ND_ROUTER_SOLICITATION 133u
#define ND_ROUTER_ADVERTISEMENT 134u
#define ND_SOLICITATION 135u
#define ND_ADVERTISEMENT 136u
/* A router would have lowered it: proof that the sender is on the link. */
#define ND_HOP_LIMIT 255u
#define ND_MESSAGE_BYTES 32u /* as we write them: with one link address option */

#define ND_ADDRESS_CHECK_BYTES 24u /* a solicitation without options */
#define ND_ROUTER_SOLICITATION_BYTES 16u

enum nd_flag {
    ND_FLAG_SOLICITED = 0x40,
    ND_FLAG_OVERRIDE = 0x20,
};

struct nd_message {
    uint8_t type;
    uint8_t flags; /* enum nd_flag; zero in solicitations */
    bool has_link_address;
    uint8_t link_address[6]; /* source's in a solicitation, target's in an advertisement */
    uint8_t target[16];
};

/* `bytes`: the ICMPv6 message, whose checksum was verified; `ip`: the IPv6 header in front of it.
 */
enum drop_reason nd_parse(const uint8_t *ip, const uint8_t *bytes, uint32_t length,
                          struct nd_message *out);

/* Writes ND_MESSAGE_BYTES including the checksum over the given addresses. */
void nd_write(uint8_t *out, uint8_t type, uint8_t flags, const uint8_t target[16],
              const uint8_t link_address[6], const uint8_t source[16],
              const uint8_t destination[16]);

/* Duplicate address detection: from nobody, to the group of the target. Writes 24 bytes. */
void nd_write_address_check(uint8_t *out, const uint8_t target[16], const uint8_t group[16]);

/* ---- routers ---- */

#define ND_PREFIXES_MAX 4u /* more of one advertisement are not looked at */

/* One that hosts may form addresses from (its A flag is set). */
struct nd_prefix {
    uint8_t prefix[16];
    uint8_t bits;
    bool is_on_link;
    uint32_t valid_s, preferred_s; /* UINT32_MAX: for ever */
};

struct nd_router {
    uint16_t lifetime_s; /* 0: no router for us */
    uint16_t mtu;        /* 0: it does not say */
    bool has_link_address;
    uint8_t link_address[6];
    uint32_t prefix_count;
    struct nd_prefix prefixes[ND_PREFIXES_MAX];
};

enum drop_reason nd_parse_router(const uint8_t *ip, const uint8_t *bytes, uint32_t length,
                                 struct nd_router *out);
void nd_write_router_solicitation(uint8_t *out, const uint8_t link_address[6],
                                  const uint8_t source[16], const uint8_t destination[16]);

#endif
