/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * proxy_header.h - the PROXY protocol, version 2: who is behind a balancer.
 *
 * Purpose:   the header that a balancer puts in front of a connection's first bytes.
 * Ownership: the caller's bytes and struct.
 * Threading: any; no state.
 * Units:     bytes; addresses in network order, ports in host order.
 * Errors:    PROXY_BAD: no such header, or one that contradicts itself; close the connection.
 * Source:    "The PROXY protocol, versions 1 & 2" (HAProxy), section 2.2. Version 1, UDP and UNIX
 *            addresses are refused; what follows the addresses (TLVs) is passed over.
 */
#ifndef GANNET_PROXY_HEADER_H
#define GANNET_PROXY_HEADER_H

#include <stdint.h>

#define PROXY_FIXED_BYTES 16u
#define PROXY_HEADER_BYTES_MAX 536u /* 16 + 36 and about 484 of TLVs: what fits into any segment */

enum proxy_status { PROXY_DONE = 0, PROXY_PARTIAL, PROXY_BAD };

struct proxy_client {
    uint8_t ip_version; /* 4 or 6; 0: LOCAL, the balancer itself speaks */
    uint16_t port;
    uint8_t address[16]; /* IPv4 in the first 4 bytes */
};

/* DONE: the header takes *header_bytes. */
enum proxy_status proxy_header_parse(const uint8_t *bytes, uint32_t length,
                                     struct proxy_client *client, uint32_t *header_bytes);

#endif
