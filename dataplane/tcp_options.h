/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_options.h - TCP options from and to bytes.
 *
 * Purpose:   what a SYN offers, timestamps and SACK blocks of later segments, and writing them.
 * Ownership: none.
 * Threading: none.
 * Units:     bytes; sequence numbers in host order.
 * Errors:    an option with an impossible length ends the list; what came before it counts.
 * Source:    RFC 9293 3.2, RFC 7323 (window scale, timestamps), RFC 2018 (SACK); option order as in
 *            Linux, because middleboxes are used to it.
 */
#ifndef GANNET_TCP_OPTIONS_H
#define GANNET_TCP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TCP_OPTION_BYTES_MAX 40u
#define TCP_SACK_BLOCKS_MAX 4u
#define TCP_TIMESTAMP_BYTES 12u /* with the two NOPs in front */

struct tcp_syn_options {
    uint32_t timestamp_value, timestamp_echo;
    uint16_t mss_bytes; /* 0: not said */
    uint8_t window_scale;
    bool has_window_scale, has_sack, has_timestamps;
};

struct tcp_sack_block {
    uint32_t left, right;
};

struct tcp_segment_options {
    uint32_t timestamp_value, timestamp_echo;
    bool has_timestamps, has_sack;
};

void tcp_options_parse_syn(const uint8_t *bytes, uint32_t length, struct tcp_syn_options *options);
void tcp_options_parse(const uint8_t *bytes, uint32_t length, struct tcp_segment_options *options);
uint32_t tcp_options_parse_sack(const uint8_t *bytes, uint32_t length,
                                struct tcp_sack_block blocks[TCP_SACK_BLOCKS_MAX]);

#define TCP_TIMESTAMP_HEAD_SUM 0x0a080101u /* NOP, NOP, kind 8, length 10, as they lie in memory */

static inline uint32_t tcp_options_write_timestamps(uint8_t *out, uint32_t value, uint32_t echo)
{
    uint32_t words[3] = {TCP_TIMESTAMP_HEAD_SUM, __builtin_bswap32(value), __builtin_bswap32(echo)};
    memcpy(out, words, sizeof(words));
    return TCP_TIMESTAMP_BYTES;
}

/* Each writes at `out` and returns the bytes written, a multiple of four. */
uint32_t tcp_options_write_syn(uint8_t *out, const struct tcp_syn_options *options);
uint32_t tcp_options_write_sack(uint8_t *out, const struct tcp_sack_block *blocks, uint32_t count);

#endif
