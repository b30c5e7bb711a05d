/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/pcapng.h"

#include <string.h>

#include "control/text_buffer.h"

#define BLOCK_SECTION UINT32_C(0x0a0d0d0a)
#define BLOCK_INTERFACE 1u
#define BYTE_ORDER_MAGIC UINT32_C(0x1a2b3c4d)
#define LINK_ETHERNET 1u

enum {
    OPTION_END = 0,
    SECTION_APPLICATION = 4,
    INTERFACE_NAME = 2,
    INTERFACE_TIME_RESOLUTION = 9,
    PACKET_FLAGS = 2,
    STATISTICS_FILTER_ACCEPT = 6,
    STATISTICS_SYSTEM_DROP = 7,
};

static uint32_t padding(uint32_t bytes)
{
    return (4u - bytes % 4u) % 4u;
}

static void put(struct text_buffer *out, const void *bytes, uint32_t count)
{
    static const char zeros[4];
    text_add(out, bytes, count);
    text_add(out, zeros, padding(count));
}

static void put32(struct text_buffer *out, uint32_t value)
{
    put(out, &value, sizeof(value));
}

static uint32_t option_bytes(uint32_t count)
{
    return 4u + count + padding(count);
}

static void put_option(struct text_buffer *out, uint16_t code, const void *bytes, uint32_t count)
{
    uint16_t head[2] = {code, (uint16_t)count};
    put(out, head, sizeof(head));
    put(out, bytes, count);
}

static void begin(struct text_buffer *out, uint32_t type, uint32_t body_bytes)
{
    put32(out, type);
    put32(out, body_bytes + PCAPNG_BLOCK_BYTES_MIN);
}

static void end(struct text_buffer *out, uint32_t body_bytes)
{
    put32(out, body_bytes + PCAPNG_BLOCK_BYTES_MIN);
}

void pcapng_put_section(struct text_buffer *out, const char *application)
{
    struct {
        uint32_t magic;
        uint16_t major, minor;
        int64_t length; /* unknown */
    } __attribute__((packed)) head = {BYTE_ORDER_MAGIC, 1, 0, -1};
    uint32_t name_bytes = (uint32_t)strlen(application);
    uint32_t body_bytes = (uint32_t)sizeof(head) + option_bytes(name_bytes) + option_bytes(0);
    begin(out, BLOCK_SECTION, body_bytes);
    put(out, &head, sizeof(head));
    put_option(out, SECTION_APPLICATION, application, name_bytes);
    put_option(out, OPTION_END, NULL, 0);
    end(out, body_bytes);
}

void pcapng_put_interface(struct text_buffer *out, const char *name, uint32_t snap_bytes)
{
    const uint8_t nanoseconds = 9;
    uint32_t name_bytes = (uint32_t)strlen(name);
    uint32_t body_bytes = 8 + option_bytes(name_bytes) + option_bytes(1) + option_bytes(0);
    begin(out, BLOCK_INTERFACE, body_bytes);
    put32(out, LINK_ETHERNET);
    put32(out, snap_bytes);
    put_option(out, INTERFACE_NAME, name, name_bytes);
    put_option(out, INTERFACE_TIME_RESOLUTION, &nanoseconds, 1);
    put_option(out, OPTION_END, NULL, 0);
    end(out, body_bytes);
}

void pcapng_put_packet(struct text_buffer *out, const struct pcapng_packet *packet)
{
    uint32_t flags = packet->direction;
    uint32_t body_bytes = 20 + packet->kept_bytes + padding(packet->kept_bytes) +
                          option_bytes(sizeof(flags)) + option_bytes(0);
    begin(out, PCAPNG_BLOCK_PACKET, body_bytes);
    put32(out, packet->interface);
    put32(out, (uint32_t)(packet->wall_ns >> 32));
    put32(out, (uint32_t)packet->wall_ns);
    put32(out, packet->kept_bytes);
    put32(out, packet->whole_bytes);
    put(out, packet->bytes, packet->kept_bytes);
    put_option(out, PACKET_FLAGS, &flags, sizeof(flags));
    put_option(out, OPTION_END, NULL, 0);
    end(out, body_bytes);
}

void pcapng_put_statistics(struct text_buffer *out, uint64_t wall_ns, uint64_t taken, uint64_t lost)
{
    uint32_t body_bytes = 12 + 2 * option_bytes(sizeof(uint64_t)) + option_bytes(0);
    begin(out, PCAPNG_BLOCK_STATISTICS, body_bytes);
    put32(out, 0);
    put32(out, (uint32_t)(wall_ns >> 32));
    put32(out, (uint32_t)wall_ns);
    put_option(out, STATISTICS_FILTER_ACCEPT, &taken, sizeof(taken));
    put_option(out, STATISTICS_SYSTEM_DROP, &lost, sizeof(lost));
    put_option(out, OPTION_END, NULL, 0);
    end(out, body_bytes);
}
