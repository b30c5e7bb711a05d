/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * checksum.h - the Internet checksum: sums of 16-bit words in memory order, folded at the end.
 *
 * Purpose:   IPv4, ICMP and TCP checksums where the port does not compute them.
 * Ownership: none.
 * Threading: any.
 * Units:     bytes. A "sum" is unfolded, in memory order: a word of the wire is added as it lies
 *            in memory.
 * Errors:    none.
 * Source:    RFC 1071 (byte order independence), RFC 1624 (incremental update, equation 3).
 */
#ifndef GANNET_CHECKSUM_H
#define GANNET_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* 32 bits are enough for folding twice; 64-bit sums are reduced to that first. */
static inline uint32_t checksum_reduce(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    return (uint32_t)((sum & 0xffff) + (sum >> 16));
}

typedef uint64_t checksum_lanes __attribute__((vector_size(16)));

/*
 * Adds `length` bytes to `sum`. Only the last part of a message may have an odd length (its last
 * byte is padded with zero); parts that begin at an odd offset need checksum_swap.
 */
static inline uint32_t checksum_add(uint32_t sum, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint64_t total = sum;
    uint64_t word;
    if (length >= 32) {
        /* 32-bit words in 64-bit lanes: four independent sums, no carries on the way. */
        const checksum_lanes low = {0xffffffff, 0xffffffff};
        checksum_lanes even = {0}, odd = {0}, even_next = {0}, odd_next = {0};
        do {
            checksum_lanes words, next;
            memcpy(&words, at, sizeof(words));
            memcpy(&next, at + sizeof(words), sizeof(next));
            even += words & low;
            odd += words >> 32;
            even_next += next & low;
            odd_next += next >> 32;
            at += 32;
            length -= 32;
        } while (length >= 32);
        checksum_lanes lanes = even + odd + even_next + odd_next;
        total += lanes[0] + lanes[1];
    }
    while (length >= 4) {
        uint32_t half;
        memcpy(&half, at, 4);
        total += half;
        at += 4;
        length -= 4;
    }
    if (length > 0) {
        word = 0;
        memcpy(&word, at, length);
        total += word;
    }
    return checksum_reduce(total);
}

/* The sum of a part that begins at an odd offset of the message (RFC 1071, 2(B)). */
static inline uint32_t checksum_swap(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)__builtin_bswap16((uint16_t)sum);
}

/* A 16-bit number in host order, as it would lie on the wire. */
static inline uint32_t checksum_add_number(uint32_t sum, uint16_t number)
{
    return sum + __builtin_bswap16(number);
}

/* What goes into the header field, to be stored with memcpy as it is. */
static inline uint16_t checksum_finish(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* A message whose checksum field is included sums up to zero. */
static inline uint16_t checksum_of(const void *bytes, size_t length)
{
    return checksum_finish(checksum_add(0, bytes, length));
}

/* Sum of the addresses and the protocol; the upper-layer length is added per packet. */
static inline uint32_t checksum_pseudo_ipv4(const uint8_t source[4], const uint8_t destination[4],
                                            uint8_t protocol)
{
    uint32_t sum = checksum_add(0, source, 4);
    sum = checksum_add(sum, destination, 4);
    return checksum_add_number(sum, protocol);
}

static inline uint32_t checksum_pseudo_ipv6(const uint8_t source[16], const uint8_t destination[16],
                                            uint8_t protocol)
{
    uint32_t sum = checksum_add(0, source, 16);
    sum = checksum_add(sum, destination, 16);
    return checksum_add_number(sum, protocol);
}

/* RFC 1624: the checksum after a 16-bit word changed from `before` to `after` (all in memory
 * order). */
static inline uint16_t checksum_update(uint16_t checksum, uint16_t before, uint16_t after)
{
    uint32_t sum = (uint16_t)~checksum + (uint32_t)(uint16_t)~before + after;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

#endif
