/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * byte_order.h - network-order integers as types of their own, so that a missing swap does not
 *                compile.
 *
 * Purpose:   fields of wire formats; all have alignment 1 and may sit at any address.
 * Ownership: none.
 * Threading: any.
 * Units:     none.
 * Errors:    none.
 * Source:    RFC 1700 (network byte order); the type trick follows TAS' packet_defs.h.
 */
#ifndef GANNET_BYTE_ORDER_H
#define GANNET_BYTE_ORDER_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint8_t bytes[2];
} be16_t;

typedef struct {
    uint8_t bytes[4];
} be32_t;

static inline uint16_t be16_load(be16_t wire)
{
    uint16_t raw;
    memcpy(&raw, &wire, sizeof(raw));
    return __builtin_bswap16(raw);
}

static inline uint32_t be32_load(be32_t wire)
{
    uint32_t raw;
    memcpy(&raw, &wire, sizeof(raw));
    return __builtin_bswap32(raw);
}

static inline be16_t be16_make(uint16_t host)
{
    be16_t wire;
    uint16_t raw = __builtin_bswap16(host);
    memcpy(&wire, &raw, sizeof(raw));
    return wire;
}

static inline be32_t be32_make(uint32_t host)
{
    be32_t wire;
    uint32_t raw = __builtin_bswap32(host);
    memcpy(&wire, &raw, sizeof(raw));
    return wire;
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the log format and the swaps assume it");

#endif
