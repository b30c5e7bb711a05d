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

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* 32 bits are enough for folding twice; 64-bit sums are reduced to that first. */
static inline uint32_t checksum_reduce(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    return (uint32_t)((sum & 0xffff) + (sum >> 16));
}

#ifdef __SSE2__
/*
 * 32 bytes at a time. Words less 0x8000 are signed, so that one multiplication by ones adds pairs
 * of them; what was taken off is put back at the end. 32 bits hold the sum of 64 KiB and more.
 */
static inline uint64_t checksum_blocks(const uint8_t *at, size_t block_count)
{
    const __m128i offset = _mm_set1_epi16((short)0x8000);
    const __m128i ones = _mm_set1_epi16(1);
    __m128i even = _mm_setzero_si128(), odd = _mm_setzero_si128();
    uint64_t words = block_count * 16;
    for (; block_count > 0; block_count--, at += 32) {
        __m128i low = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(at + 16));
        even = _mm_add_epi32(even, _mm_madd_epi16(_mm_xor_si128(low, offset), ones));
        odd = _mm_add_epi32(odd, _mm_madd_epi16(_mm_xor_si128(high, offset), ones));
    }
    even = _mm_add_epi32(even, odd);
    even = _mm_add_epi32(even, _mm_shuffle_epi32(even, 0x4e));
    even = _mm_add_epi32(even, _mm_shuffle_epi32(even, 0xb1));
    return (uint64_t)((int64_t)_mm_cvtsi128_si32(even) + (int64_t)(words * 0x8000));
}
#else
static inline uint64_t checksum_blocks(const uint8_t *at, size_t block_count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < block_count * 8; i++) {
        uint32_t word;
        memcpy(&word, at + i * 4, sizeof(word));
        sum += word;
    }
    return sum;
}
#endif

/* What is left of the last block: less than 32 bytes. */
static inline uint64_t checksum_rest(const uint8_t *at, size_t length)
{
    uint64_t sum = 0;
    for (; length >= 4; length -= 4, at += 4) {
        uint32_t word;
        memcpy(&word, at, sizeof(word));
        sum += word;
    }
    if (length & 2) {
        uint16_t word;
        memcpy(&word, at, sizeof(word));
        sum += word;
        at += 2;
    }
    if (length & 1) {
        uint8_t padded[2] = {*at, 0};
        uint16_t word;
        memcpy(&word, padded, sizeof(word));
        sum += word;
    }
    return sum;
}

/*
 * Adds `length` bytes (at most 64 KiB) to `sum`. Only the last part of a message may have an odd
 * length (its last byte is padded with zero); parts that begin at an odd offset need checksum_swap.
 */
static inline uint32_t checksum_add(uint32_t sum, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    size_t blocks = length / 32;
    uint64_t total = sum;
    if (blocks > 0)
        total += checksum_blocks(at, blocks);
    total += checksum_rest(at + blocks * 32, length % 32);
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
