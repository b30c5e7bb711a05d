/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/mld.h"

#include <string.h>

#include "dataplane/checksum.h"
#include "dataplane/ipv6.h"

#define MLD1_REPORT 131u
#define MLD2_REPORT 143u
#define QUERY1_BYTES 24u
#define QUERY2_BYTES 28u
#define RECORD_BYTES 20u

const uint8_t mld_routers[16] = {0xff, 2, [15] = 0x16};

/* RFC 3810 5.1.3: above 0x7fff it is a mantissa of 12 bits and an exponent of 3. */
static uint32_t delay_of(uint16_t code)
{
    if (code < 0x8000)
        return code;
    return (0x1000u | (code & 0x0fffu)) << ((code >> 12 & 7u) + 3u);
}

enum drop_reason mld_parse_query(const uint8_t *ip, const uint8_t *bytes, uint32_t length,
                                 struct mld_query *out)
{
    struct ipv6_header header;
    be16_t code;
    memcpy(&header, ip, sizeof(header));
    /* RFC 3810 6.2: from a neighbour, and meant for the link only */
    if (length < QUERY1_BYTES || (length > QUERY1_BYTES && length < QUERY2_BYTES) ||
        header.hop_limit != 1 || !ipv6_is_link_local(header.source))
        return DROP_ICMP_MALFORMED;
    memcpy(&code, bytes + 4, 2);
    out->is_version1 = length == QUERY1_BYTES;
    out->delay_ms = out->is_version1 ? be16_load(code) : delay_of(be16_load(code));
    return DROP_NONE;
}

void mld_write_router_alert(uint8_t out[MLD_HOP_BY_HOP_BYTES])
{
    static const uint8_t header[MLD_HOP_BY_HOP_BYTES] = {IP_PROTOCOL_ICMPV6, 0, 5, 2, 0, 0, 1, 0};
    memcpy(out, header, sizeof(header));
}

static void put_checksum(uint8_t *out, uint16_t bytes, const uint8_t source[16],
                         const uint8_t destination[16])
{
    uint32_t sum = checksum_pseudo_ipv6(source, destination, IP_PROTOCOL_ICMPV6);
    uint16_t checksum = checksum_finish(checksum_add(checksum_add_number(sum, bytes), out, bytes));
    memcpy(out + 2, &checksum, 2);
}

uint16_t mld_write_report(uint8_t *out, enum mld_record record, const uint8_t (*groups)[16],
                          uint32_t group_count, const uint8_t source[16])
{
    uint16_t bytes = (uint16_t)(8 + group_count * RECORD_BYTES);
    memset(out, 0, bytes);
    out[0] = MLD2_REPORT;
    out[7] = (uint8_t)group_count;
    for (uint32_t i = 0; i < group_count; i++) {
        out[8 + i * RECORD_BYTES] = (uint8_t)record;
        memcpy(out + 8 + i * RECORD_BYTES + 4, groups[i], 16);
    }
    put_checksum(out, bytes, source, mld_routers);
    return bytes;
}

uint16_t mld_write_report1(uint8_t *out, const uint8_t group[16], const uint8_t source[16])
{
    memset(out, 0, MLD1_REPORT_BYTES);
    out[0] = MLD1_REPORT;
    memcpy(out + 8, group, 16);
    put_checksum(out, MLD1_REPORT_BYTES, source, group);
    return MLD1_REPORT_BYTES;
}
