/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_options.h"

#include <string.h>

#include "include/byte_order.h"

enum {
    KIND_END = 0,
    KIND_NOP = 1,
    KIND_MSS = 2,
    KIND_WINDOW_SCALE = 3,
    KIND_SACK_PERMITTED = 4,
    KIND_SACK = 5,
    KIND_TIMESTAMPS = 8,
};

static uint16_t load16(const uint8_t *at)
{
    be16_t wire;
    memcpy(&wire, at, sizeof(wire));
    return be16_load(wire);
}

static uint32_t load32(const uint8_t *at)
{
    be32_t wire;
    memcpy(&wire, at, sizeof(wire));
    return be32_load(wire);
}

static void store32(uint8_t *at, uint32_t value)
{
    be32_t wire = be32_make(value);
    memcpy(at, &wire, sizeof(wire));
}

/* The next real option at *at: its kind and whole length; false at the end. */
static bool option_next(const uint8_t *bytes, uint32_t length, uint32_t *at, uint8_t *kind,
                        uint8_t *option_bytes)
{
    while (*at < length && bytes[*at] == KIND_NOP)
        ++*at;
    if (*at >= length || bytes[*at] == KIND_END || *at + 1 >= length)
        return false;
    *kind = bytes[*at];
    *option_bytes = bytes[*at + 1];
    return *option_bytes >= 2 && *at + *option_bytes <= length;
}

void tcp_options_parse_syn(const uint8_t *bytes, uint32_t length, struct tcp_syn_options *options)
{
    memset(options, 0, sizeof(*options));
    uint8_t kind, size;
    for (uint32_t at = 0; option_next(bytes, length, &at, &kind, &size); at += size) {
        if (kind == KIND_MSS && size == 4) {
            options->mss_bytes = load16(bytes + at + 2);
        } else if (kind == KIND_WINDOW_SCALE && size == 3) {
            options->has_window_scale = true;
            options->window_scale = bytes[at + 2] > 14 ? 14 : bytes[at + 2]; /* RFC 7323 2.3 */
        } else if (kind == KIND_SACK_PERMITTED && size == 2) {
            options->has_sack = true;
        } else if (kind == KIND_TIMESTAMPS && size == 10) {
            options->has_timestamps = true;
            options->timestamp_value = load32(bytes + at + 2);
            options->timestamp_echo = load32(bytes + at + 6);
        }
    }
}

void tcp_options_parse(const uint8_t *bytes, uint32_t length, struct tcp_segment_options *options)
{
    memset(options, 0, sizeof(*options));
    uint8_t kind, size;
    for (uint32_t at = 0; option_next(bytes, length, &at, &kind, &size); at += size) {
        if (kind == KIND_TIMESTAMPS && size == 10) {
            options->has_timestamps = true;
            options->timestamp_value = load32(bytes + at + 2);
            options->timestamp_echo = load32(bytes + at + 6);
        } else if (kind == KIND_SACK && size >= 10) {
            options->has_sack = true;
        }
    }
}

uint32_t tcp_options_parse_sack(const uint8_t *bytes, uint32_t length,
                                struct tcp_sack_block blocks[TCP_SACK_BLOCKS_MAX])
{
    uint8_t kind, size;
    for (uint32_t at = 0; option_next(bytes, length, &at, &kind, &size); at += size) {
        if (kind != KIND_SACK)
            continue;
        uint32_t count = 0;
        for (uint32_t block = at + 2; block + 8 <= at + size && count < TCP_SACK_BLOCKS_MAX;
             block += 8)
            blocks[count++] =
                (struct tcp_sack_block){load32(bytes + block), load32(bytes + block + 4)};
        return count;
    }
    return 0;
}

uint32_t tcp_options_write_syn(uint8_t *out, const struct tcp_syn_options *options)
{
    uint32_t used = 0;
    out[used++] = KIND_MSS;
    out[used++] = 4;
    out[used++] = (uint8_t)(options->mss_bytes >> 8);
    out[used++] = (uint8_t)options->mss_bytes;
    if (options->has_timestamps) {
        used += tcp_options_write_timestamps(out + used, options->timestamp_value,
                                             options->timestamp_echo);
        if (options->has_sack) { /* takes the place of the two NOPs */
            out[used - 12] = KIND_SACK_PERMITTED;
            out[used - 11] = 2;
        }
    } else if (options->has_sack) {
        const uint8_t sack[4] = {KIND_NOP, KIND_NOP, KIND_SACK_PERMITTED, 2};
        memcpy(out + used, sack, sizeof(sack));
        used += 4;
    }
    if (options->has_window_scale) {
        const uint8_t scale[4] = {KIND_NOP, KIND_WINDOW_SCALE, 3, options->window_scale};
        memcpy(out + used, scale, sizeof(scale));
        used += 4;
    }
    return used;
}

uint32_t tcp_options_write_sack(uint8_t *out, const struct tcp_sack_block *blocks, uint32_t count)
{
    if (count == 0)
        return 0;
    out[0] = KIND_NOP;
    out[1] = KIND_NOP;
    out[2] = KIND_SACK;
    out[3] = (uint8_t)(2 + 8 * count);
    for (uint32_t i = 0; i < count; i++) {
        store32(out + 4 + 8 * i, blocks[i].left);
        store32(out + 8 + 8 * i, blocks[i].right);
    }
    return 4 + 8 * count;
}
