/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ipv6.h"

enum {
    EXTENSION_HOP_BY_HOP = 0,
    EXTENSION_ROUTING = 43,
    EXTENSION_FRAGMENT = 44,
    EXTENSION_DESTINATION = 60,
};

#define OPTION_PAD_ONE 0u
#define OPTION_ACTION_MASK 0xc0u /* what to do with an option one does not know: 0 is "skip it" */
#define FRAGMENT_MASK 0xfff9u    /* offset and more-fragments; an atomic fragment has neither */

const uint8_t ipv6_all_nodes[16] = {0xff, 0x02, [15] = 1};

static bool is_our_group(const uint8_t address[16], const struct ipv6_addresses *ours)
{
    uint8_t group[16];
    if (ipv6_equal(address, ipv6_all_nodes))
        return true;
    ipv6_solicited_group_of(ours->global, group);
    if (ipv6_equal(address, group))
        return true;
    ipv6_solicited_group_of(ours->link_local, group);
    return ipv6_equal(address, group);
}

/* RFC 8200 4.2: every option we do not know must allow being skipped. */
static bool are_options_skippable(const uint8_t *options, uint32_t length)
{
    uint32_t at = 0;
    while (at < length) {
        if (options[at] == OPTION_PAD_ONE) {
            at++;
            continue;
        }
        if (at + 2 > length || (options[at] & OPTION_ACTION_MASK) != 0)
            return false;
        at += 2u + options[at + 1];
    }
    return at == length;
}

/* One extension header at `at`, of which `left` bytes are there: its length, or 0 when it must not
 * pass. */
static uint32_t extension_bytes(uint8_t kind, const uint8_t *at, uint32_t left, bool is_first,
                                enum drop_reason *why)
{
    *why = DROP_IP_MALFORMED;
    if (left < 8)
        return 0;
    if (kind == EXTENSION_FRAGMENT) {
        be16_t offset;
        memcpy(&offset, at + 2, 2);
        if (be16_load(offset) & FRAGMENT_MASK) {
            *why = DROP_IP_FRAGMENT;
            return 0;
        }
        return 8;
    }
    uint32_t bytes = (at[1] + 1u) * 8u;
    if (bytes > left)
        return 0;
    if (kind == EXTENSION_ROUTING)
        return at[3] == 0 ? bytes : 0; /* segments left: we are no router */
    if (kind == EXTENSION_HOP_BY_HOP && !is_first)
        return 0;
    return are_options_skippable(at + 2, bytes - 2) ? bytes : 0;
}

static bool is_extension(uint8_t kind)
{
    return kind == EXTENSION_HOP_BY_HOP || kind == EXTENSION_ROUTING ||
           kind == EXTENSION_FRAGMENT || kind == EXTENSION_DESTINATION;
}

enum drop_reason ipv6_skip_extensions(const uint8_t *bytes, uint32_t total, struct ip_view *view)
{
    uint32_t at = IPV6_HEADER_BYTES;
    uint8_t kind = view->protocol;
    for (uint32_t i = 0; is_extension(kind); i++) {
        enum drop_reason why;
        if (i == IPV6_EXTENSIONS_MAX)
            return DROP_IP_MALFORMED;
        uint32_t skipped = extension_bytes(kind, bytes + at, total - at, i == 0, &why);
        if (skipped == 0)
            return why;
        kind = bytes[at];
        at += skipped;
    }
    view->protocol = kind;
    view->transport_offset = (uint16_t)at;
    view->transport_bytes = (uint16_t)(total - at);
    return DROP_NONE;
}

enum drop_reason ipv6_parse(const uint8_t *bytes, uint32_t length,
                            const struct ipv6_addresses *addresses, struct ip_view *view)
{
    if (length < IPV6_HEADER_BYTES)
        return DROP_IP_MALFORMED;
    struct ipv6_header header;
    memcpy(&header, bytes, sizeof(header));
    uint32_t total = IPV6_HEADER_BYTES + be16_load(header.payload_bytes);
    if (bytes[0] >> 4 != 6 || total > length || total == IPV6_HEADER_BYTES || total > UINT16_MAX)
        return DROP_IP_MALFORMED;
    if (ipv6_is_zero(addresses->global))
        return DROP_IP_NOT_OURS;
    bool is_group = ipv6_is_multicast(header.destination);
    if (is_group ? !is_our_group(header.destination, addresses)
                 : !ipv6_is_ours(header.destination, addresses))
        return DROP_IP_NOT_OURS;
    if (ipv6_is_multicast(header.source) || ipv6_is_ours(header.source, addresses))
        return DROP_IP_SOURCE_BAD;

    view->protocol = header.next_header;
    view->hop_limit = header.hop_limit;
    enum drop_reason why = ipv6_skip_extensions(bytes, total, view);
    if (why != DROP_NONE)
        return why;
    if (view->protocol == IP_PROTOCOL_ICMPV6)
        return DROP_NONE;
    if (is_group)
        return DROP_IP_NOT_OURS;
    return ipv6_is_zero(header.source) ? DROP_IP_SOURCE_BAD : DROP_NONE;
}

void ipv6_write(uint8_t *out, const uint8_t source[16], const uint8_t destination[16],
                uint8_t next_header, uint8_t hop_limit)
{
    struct ipv6_header header = {
        .version_class_flow = be32_make(UINT32_C(6) << 28),
        .next_header = next_header,
        .hop_limit = hop_limit,
    };
    memcpy(header.source, source, 16);
    memcpy(header.destination, destination, 16);
    memcpy(out, &header, sizeof(header));
}

void ipv6_finish(uint8_t *header, uint16_t payload_bytes)
{
    be16_t wire = be16_make(payload_bytes);
    memcpy(header + offsetof(struct ipv6_header, payload_bytes), &wire, 2);
}

bool ipv6_is_on_link(const uint8_t a[16], const uint8_t b[16], uint8_t prefix_bits)
{
    uint32_t whole = prefix_bits / 8u;
    uint32_t rest = prefix_bits % 8u;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

void ipv6_link_local_of(const uint8_t mac[6], uint8_t out[16])
{
    memset(out, 0, 16);
    out[0] = 0xfe;
    out[1] = 0x80;
    out[8] = (uint8_t)(mac[0] ^ 2); /* modified EUI-64: RFC 4291, appendix A */
    out[9] = mac[1];
    out[10] = mac[2];
    out[11] = 0xff;
    out[12] = 0xfe;
    memcpy(out + 13, mac + 3, 3);
}

void ipv6_solicited_group_of(const uint8_t address[16], uint8_t out[16])
{
    static const uint8_t prefix[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
    memcpy(out, prefix, 13);
    memcpy(out + 13, address + 13, 3);
}
