/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ipv6.h"

enum {
    EXTENSION_HOP_BY_HOP = 0,
    EXTENSION_ROUTING = 43,
    EXTENSION_FRAGMENT = IPV6_FRAGMENT,
    EXTENSION_DESTINATION = 60,
};

#define OPTION_PAD_ONE 0u
#define OPTION_ACTION_MASK 0xc0u /* what to do with an option one does not know: 0 is "skip it" */
#define OPTION_ACTION_TELL 0x80u
#define OPTION_ACTION_TELL_UNICAST 0xc0u /* ... unless the packet was sent to a group */
#define FRAGMENT_MASK 0xfff9u /* offset and more-fragments; an atomic fragment has neither */

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

/*
 * RFC 8200 4.2: every option we do not know must allow being skipped. Returns where one is that
 * does not, or `length`; options that run over their header's end set *is_malformed.
 */
static uint32_t option_refused_at(const uint8_t *options, uint32_t length, bool *is_malformed)
{
    uint32_t at = 0;
    *is_malformed = false;
    while (at < length) {
        if (options[at] == OPTION_PAD_ONE) {
            at++;
            continue;
        }
        if (at + 2 > length || at + 2u + options[at + 1] > length) {
            *is_malformed = true;
            return at;
        }
        if ((options[at] & OPTION_ACTION_MASK) != 0)
            return at;
        at += 2u + options[at + 1];
    }
    return length;
}

/* What to say about an option that was refused: its two highest bits decide (RFC 8200 4.2). */
static uint8_t problem_of_option(uint8_t option, bool is_to_group)
{
    bool wants_answer =
        (option & OPTION_ACTION_MASK) == OPTION_ACTION_TELL ||
        ((option & OPTION_ACTION_MASK) == OPTION_ACTION_TELL_UNICAST && !is_to_group);
    return wants_answer ? IPV6_PROBLEM_OPTION : IPV6_PROBLEM_NONE;
}

/* An extension header being looked at. */
struct extension {
    const uint8_t *packet; /* the IPv6 header */
    uint32_t at;           /* of the extension header in it */
    uint32_t left;         /* bytes from there on */
    uint8_t kind;
    bool is_first;
};

static uint32_t refuse(struct ip_view *view, uint8_t problem, uint32_t problem_at)
{
    view->problem = problem;
    view->problem_at = (uint16_t)problem_at;
    return 0;
}

static uint32_t options_bytes(const struct extension *extension, uint32_t bytes,
                              struct ip_view *view)
{
    const uint8_t *options = extension->packet + extension->at + 2;
    bool is_malformed, is_to_group = extension->packet[24] == 0xff;
    uint32_t refused_at = option_refused_at(options, bytes - 2, &is_malformed);
    if (is_malformed)
        return 0;
    if (refused_at == bytes - 2)
        return bytes;
    return refuse(view, problem_of_option(options[refused_at], is_to_group),
                  extension->at + 2 + refused_at);
}

/* The length of one extension header, or 0 when the packet must not pass: *why, view->problem. */
static uint32_t extension_bytes(const struct extension *extension, struct ip_view *view,
                                enum drop_reason *why)
{
    const uint8_t *header = extension->packet + extension->at;
    *why = DROP_IP_MALFORMED;
    if (extension->left < 8)
        return 0;
    if (extension->kind == EXTENSION_FRAGMENT) {
        be16_t offset;
        memcpy(&offset, header + 2, 2);
        view->has_fragment_header = true;
        if ((be16_load(offset) & FRAGMENT_MASK) == 0)
            return 8;
        *why = DROP_IP_FRAGMENT;
        view->transport_offset = (uint16_t)extension->at;
        return 0;
    }
    uint32_t bytes = (header[1] + 1u) * 8u;
    if (bytes > extension->left)
        return 0;
    if (extension->kind == EXTENSION_ROUTING) /* segments left: we are no router */
        return header[3] == 0 ? bytes : refuse(view, IPV6_PROBLEM_FIELD, extension->at + 2);
    if (extension->kind == EXTENSION_HOP_BY_HOP && !extension->is_first)
        return refuse(view, IPV6_PROBLEM_NEXT_HEADER, view->protocol_at);
    return options_bytes(extension, bytes, view);
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
    view->problem = IPV6_PROBLEM_NONE;
    view->has_fragment_header = false;
    view->protocol_at = offsetof(struct ipv6_header, next_header);
    for (uint32_t i = 0; is_extension(kind); i++) {
        enum drop_reason why;
        struct extension extension = {
            .packet = bytes, .at = at, .left = total - at, .kind = kind, .is_first = i == 0};
        if (i == IPV6_EXTENSIONS_MAX)
            return DROP_IP_MALFORMED;
        uint32_t skipped = extension_bytes(&extension, view, &why);
        if (skipped == 0)
            return why;
        view->protocol_at = (uint16_t)at;
        kind = bytes[at];
        at += skipped;
    }
    view->protocol = kind;
    view->transport_offset = (uint16_t)at;
    view->transport_bytes = (uint16_t)(total - at);
    return DROP_NONE;
}

uint16_t ipv6_cut_to_fragment(uint8_t *frame, uint16_t network_offset, uint16_t fragment_offset)
{
    uint16_t cut = (uint16_t)(fragment_offset - IPV6_HEADER_BYTES);
    if (cut == 0)
        return 0;
    uint8_t *ip = frame + network_offset;
    be16_t payload_bytes;
    memcpy(&payload_bytes, ip + offsetof(struct ipv6_header, payload_bytes), 2);
    payload_bytes = be16_make((uint16_t)(be16_load(payload_bytes) - cut));
    memcpy(ip + offsetof(struct ipv6_header, payload_bytes), &payload_bytes, 2);
    ip[offsetof(struct ipv6_header, next_header)] = EXTENSION_FRAGMENT;
    memmove(frame + cut, frame, network_offset + IPV6_HEADER_BYTES);
    return cut;
}

enum drop_reason ipv6_parse(const uint8_t *bytes, uint32_t length,
                            const struct ipv6_addresses *addresses, struct ip_view *view)
{
    view->problem = IPV6_PROBLEM_NONE;
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

void ipv6_write_fragment(uint8_t *out, uint8_t next_header, uint16_t offset, bool has_more,
                         uint32_t identification)
{
    be16_t field = be16_make((uint16_t)(offset | (has_more ? 1u : 0u)));
    be32_t id = be32_make(identification);
    out[0] = next_header;
    out[1] = 0;
    memcpy(out + 2, &field, 2);
    memcpy(out + 4, &id, 4);
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
