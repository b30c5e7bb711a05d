/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/proxy_header.h"

#include <stdbool.h>
#include <string.h>

#define VERSION_2_LOCAL 0x20u
#define VERSION_2_PROXY 0x21u
#define UNSPECIFIED 0x00u
#define TCP_OVER_IPV4 0x11u
#define TCP_OVER_IPV6 0x21u
#define IPV4_ADDRESSES_BYTES 12u
#define IPV6_ADDRESSES_BYTES 36u

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static uint32_t read16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

/* Source address, destination address, source port, destination port. */
static void read_client(const uint8_t *at, uint8_t ip_version, struct proxy_client *client)
{
    uint32_t address_bytes = ip_version == 4 ? 4 : 16;
    client->ip_version = ip_version;
    memcpy(client->address, at, address_bytes);
    client->port = (uint16_t)read16(at + 2 * (size_t)address_bytes);
}

enum proxy_status proxy_header_parse(const uint8_t *bytes, uint32_t length,
                                     struct proxy_client *client, uint32_t *header_bytes)
{
    uint32_t compared = length < sizeof(signature) ? length : (uint32_t)sizeof(signature);
    *client = (struct proxy_client){.ip_version = 0};
    if (memcmp(bytes, signature, compared) != 0)
        return PROXY_BAD;
    if (length < PROXY_FIXED_BYTES)
        return PROXY_PARTIAL;
    uint32_t command = bytes[12], family = bytes[13], rest_bytes = read16(bytes + 14);
    if ((command != VERSION_2_LOCAL && command != VERSION_2_PROXY) ||
        rest_bytes > PROXY_HEADER_BYTES_MAX - PROXY_FIXED_BYTES)
        return PROXY_BAD;
    bool is_proxy = command == VERSION_2_PROXY;
    bool is_known = family == TCP_OVER_IPV4 || family == TCP_OVER_IPV6;
    uint32_t needed = family == TCP_OVER_IPV6 ? IPV6_ADDRESSES_BYTES : IPV4_ADDRESSES_BYTES;
    if (is_proxy && family != UNSPECIFIED && (!is_known || rest_bytes < needed))
        return PROXY_BAD;
    if (length < PROXY_FIXED_BYTES + rest_bytes)
        return PROXY_PARTIAL;
    if (is_proxy && is_known)
        read_client(bytes + PROXY_FIXED_BYTES, family == TCP_OVER_IPV6 ? 6 : 4, client);
    *header_bytes = PROXY_FIXED_BYTES + rest_bytes;
    return PROXY_DONE;
}
