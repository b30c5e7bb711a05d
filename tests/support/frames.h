/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frames.h - frames for tests, written byte by byte without the code under test.
 *
 * Purpose:   a frame builder that can be made wrong in one place at a time.
 * Ownership: none: fills the caller's struct.
 * Threading: none.
 * Units:     bytes.
 * Errors:    none.
 * Source:    RFC 791, 826, 4861, 8200; the checksum here is the slow loop of RFC 1071, on purpose.
 */
#ifndef GANNET_FRAMES_H
#define GANNET_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct frame_bytes {
    uint8_t bytes[2048];
    uint16_t length;
};

static const uint8_t frames_our_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
static const uint8_t frames_peer_mac[6] = {0x02, 0, 0, 0, 0, 0x99};
static const uint8_t frames_our_ipv4[4] = {192, 0, 2, 10};
static const uint8_t frames_peer_ipv4[4] = {192, 0, 2, 99};
static const uint8_t frames_our_ipv6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 0x10};
static const uint8_t frames_peer_ipv6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 0x99};

static inline void frame_put(struct frame_bytes *frame, const void *bytes, size_t length)
{
    memcpy(frame->bytes + frame->length, bytes, length);
    frame->length = (uint16_t)(frame->length + length);
}

static inline void frame_put8(struct frame_bytes *frame, unsigned value)
{
    frame->bytes[frame->length++] = (uint8_t)value;
}

static inline void frame_put16(struct frame_bytes *frame, unsigned value)
{
    frame_put8(frame, value >> 8);
    frame_put8(frame, value & 0xff);
}

static inline void frame_put32(struct frame_bytes *frame, uint32_t value)
{
    frame_put16(frame, value >> 16);
    frame_put16(frame, value & 0xffff);
}

static inline void frame_set16(struct frame_bytes *frame, uint32_t at, unsigned value)
{
    frame->bytes[at] = (uint8_t)(value >> 8);
    frame->bytes[at + 1] = (uint8_t)value;
}

static inline uint16_t frame_get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t slow_sum(uint32_t sum, const uint8_t *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    return sum;
}

static inline uint16_t slow_fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static inline void frame_ethernet(struct frame_bytes *frame, const uint8_t *destination,
                                  const uint8_t *source, unsigned type)
{
    frame->length = 0;
    frame_put(frame, destination, 6);
    frame_put(frame, source, 6);
    frame_put16(frame, type);
}

static inline void frame_arp(struct frame_bytes *frame, const uint8_t *destination,
                             unsigned operation, const uint8_t *sender_mac,
                             const uint8_t *sender_ip, const uint8_t *target_ip)
{
    static const uint8_t zero[6];
    frame_ethernet(frame, destination, sender_mac, 0x0806);
    frame_put16(frame, 1);
    frame_put16(frame, 0x0800);
    frame_put8(frame, 6);
    frame_put8(frame, 4);
    frame_put16(frame, operation);
    frame_put(frame, sender_mac, 6);
    frame_put(frame, sender_ip, 4);
    frame_put(frame, zero, 6);
    frame_put(frame, target_ip, 4);
    while (frame->length < 60)
        frame_put8(frame, 0); /* Ethernet's padding */
}

/* Ethernet and IPv4 in front of `payload`. */
static inline void frame_ipv4(struct frame_bytes *frame, const uint8_t *source,
                              const uint8_t *destination, unsigned protocol, const void *payload,
                              uint32_t payload_bytes)
{
    frame_ethernet(frame, frames_our_mac, frames_peer_mac, 0x0800);
    frame_put16(frame, 0x4500);
    frame_put16(frame, 20 + payload_bytes);
    frame_put32(frame, 0x12344000);
    frame_put8(frame, 64);
    frame_put8(frame, protocol);
    frame_put16(frame, 0);
    frame_put(frame, source, 4);
    frame_put(frame, destination, 4);
    frame_set16(frame, 24, slow_fold(slow_sum(0, frame->bytes + 14, 20)));
    frame_put(frame, payload, payload_bytes);
}

static inline void frame_ipv6(struct frame_bytes *frame, const uint8_t *source,
                              const uint8_t *destination, unsigned next_header, unsigned hop_limit,
                              const void *payload, uint32_t payload_bytes)
{
    frame_ethernet(frame, frames_our_mac, frames_peer_mac, 0x86dd);
    frame_put32(frame, 0x60000000);
    frame_put16(frame, payload_bytes);
    frame_put8(frame, next_header);
    frame_put8(frame, hop_limit);
    frame_put(frame, source, 16);
    frame_put(frame, destination, 16);
    frame_put(frame, payload, payload_bytes);
}

/* The checksum of an ICMPv6 message at `at` whose field is zero or to be verified. */
static inline uint16_t slow_icmpv6(const uint8_t *source, const uint8_t *destination,
                                   const uint8_t *message, uint32_t length)
{
    uint32_t sum = slow_sum(slow_sum(0, source, 16), destination, 16) + length + 58;
    return slow_fold(slow_sum(sum, message, length));
}

/*
 * A TCP header without options and `payload_bytes` bytes behind it, into `out`; returns its length.
 */
static inline uint32_t bytes_tcp(uint8_t *out, unsigned source_port, unsigned destination_port,
                                 uint32_t sequence, unsigned flags, uint32_t payload_bytes)
{
    struct frame_bytes tcp = {.length = 0};
    frame_put16(&tcp, source_port);
    frame_put16(&tcp, destination_port);
    frame_put32(&tcp, sequence);
    frame_put32(&tcp, 0);
    frame_put8(&tcp, 0x50);
    frame_put8(&tcp, flags);
    frame_put16(&tcp, 65535);
    frame_put32(&tcp, 0);
    for (uint32_t i = 0; i < payload_bytes; i++)
        frame_put8(&tcp, 'a' + i % 26);
    memcpy(out, tcp.bytes, tcp.length);
    return tcp.length;
}

/* An echo request or reply with `data_bytes` of data; IPv6 leaves the checksum to slow_icmpv6. */
static inline uint32_t bytes_echo(uint8_t *out, unsigned type, uint32_t data_bytes)
{
    struct frame_bytes echo = {.length = 0};
    frame_put16(&echo, type << 8);
    frame_put16(&echo, 0);
    frame_put32(&echo, 0xbeef0001);
    for (uint32_t i = 0; i < data_bytes; i++)
        frame_put8(&echo, i & 0xff);
    frame_set16(&echo, 2, slow_fold(slow_sum(0, echo.bytes, echo.length)));
    memcpy(out, echo.bytes, echo.length);
    return echo.length;
}

#endif
