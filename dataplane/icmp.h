/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp.h - ICMP and ICMPv6 messages other than neighbour discovery.
 *
 * Purpose:   tells echo requests and errors about our TCP segments from the rest; turns a request
 *            into its reply in place.
 * Ownership: none: works on bytes.
 * Threading: any.
 * Units:     bytes.
 * Errors:    parsers return the drop reason; DROP_NONE is success.
 * Source:    RFC 792, RFC 1191 (packet too big), RFC 4443, RFC 8201; RFC 5927 for what TCP checks
 *            next.
 */
#ifndef GANNET_ICMP_H
#define GANNET_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include "include/counters.h"

#define ICMP_HEADER_BYTES 8u

enum icmp_type {
    ICMP4_ECHO_REPLY = 0,
    ICMP4_UNREACHABLE = 3,
    ICMP4_ECHO_REQUEST = 8,
    ICMP6_UNREACHABLE = 1,
    ICMP6_TOO_BIG = 2,
    ICMP6_PARAMETER_PROBLEM = 4,
    ICMP6_ECHO_REQUEST = 128,
    ICMP6_ECHO_REPLY = 129,
};

/* Codes of ICMP4_UNREACHABLE and ICMP6_UNREACHABLE. */
enum icmp_code {
    ICMP4_CODE_NO_PROTOCOL = 2,
    ICMP4_CODE_NO_PORT = 3,
    ICMP4_CODE_TOO_BIG = 4,
    ICMP6_CODE_NO_PORT = 4,
};

enum icmp_kind {
    ICMP_KIND_OTHER = 0,
    ICMP_KIND_ECHO_REQUEST,
    ICMP_KIND_ERROR,       /* unreachable or too big: icmp_parse_error has the details */
    ICMP_KIND_NEIGHBOUR,   /* nd.h */
    ICMP_KIND_ROUTER,      /* nd.h */
    ICMP_KIND_GROUP_QUERY, /* mld.h */
};

/* Checks length and checksum. `ip` is the IPv6 header for version 6, ignored for 4. */
enum drop_reason icmp_parse(uint8_t ip_version, const uint8_t *ip, const uint8_t *bytes,
                            uint16_t length, enum icmp_kind *kind);

/* For datagrams that are not in one piece. */
bool icmp_is_echo_request(uint8_t ip_version, const uint8_t *bytes);
/* A request whose addresses just change places becomes its reply: type and checksum. */
void icmp_turn_echo(uint8_t ip_version, uint8_t *bytes);

/* Turns an echo request into its reply. The addresses are the reply's; IPv4 does not need them. */
void icmp_make_echo_reply(uint8_t ip_version, uint8_t *bytes, uint16_t length,
                          const uint8_t source[16], const uint8_t destination[16]);

/* An error message: its header, then the `quoted_bytes` that are in place behind it already. */
void icmp_write_error(uint8_t ip_version, uint8_t *out, uint8_t type, uint8_t code,
                      uint32_t parameter, uint16_t quoted_bytes, const uint8_t source[16],
                      const uint8_t destination[16]);

/* The segment of ours an error is about. */
struct icmp_error {
    uint8_t local[16], remote[16]; /* IPv4 in the first 4 bytes */
    uint16_t local_port, remote_port;
    uint32_t sequence;
    uint16_t new_mtu; /* 0: unreachable */
};

/* For ICMP_KIND_ERROR. That `local` is one of our addresses is for the caller to check. */
enum drop_reason icmp_parse_error(uint8_t ip_version, const uint8_t *bytes, uint16_t length,
                                  struct icmp_error *out);

#endif
