/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mld.h - multicast listener discovery: what tells switches which IPv6 groups we want to hear.
 *
 * Purpose:   wire format of queries and reports. A switch that snoops forwards a group's frames
 *            only to ports that reported it: without reports neighbour solicitations never arrive.
 * Ownership: none: works on bytes.
 * Threading: any.
 * Units:     bytes, milliseconds.
 * Errors:    mld_parse_query returns the drop reason; DROP_NONE is success.
 * Source:    RFC 3810 sections 5.1, 5.2, 6 and 8.2 (queries of version 1), RFC 2710 section 3.
 */
#ifndef GANNET_MLD_H
#define GANNET_MLD_H

#include <stdbool.h>
#include <stdint.h>

#include "include/counters.h"

#define MLD_QUERY 130u
#define MLD_GROUPS_MAX 2u
#define MLD_HOP_BY_HOP_BYTES 8u /* the router alert that goes in front of every message */
#define MLD_REPORT_BYTES_MAX (8u + MLD_GROUPS_MAX * 20u)
#define MLD1_REPORT_BYTES 24u

extern const uint8_t mld_routers[16]; /* where version 2 reports go: ff02::16 */

enum mld_record {
    MLD_IS_EXCLUDE = 2,        /* answers a query: we listen to the group, whoever sends */
    MLD_CHANGE_TO_EXCLUDE = 4, /* said unasked: we begin to */
};

struct mld_query {
    bool is_version1;
    uint32_t delay_ms; /* answer within it */
};

/* `ip`: the IPv6 header; `bytes`: the ICMPv6 message, whose checksum was verified. */
enum drop_reason mld_parse_query(const uint8_t *ip, const uint8_t *bytes, uint32_t length,
                                 struct mld_query *out);

/* A hop-by-hop header with the router alert; ICMPv6 follows. */
void mld_write_router_alert(uint8_t out[MLD_HOP_BY_HOP_BYTES]);
/* Returns the length. The checksum is over mld_routers as the destination. */
uint16_t mld_write_report(uint8_t *out, enum mld_record record, const uint8_t (*groups)[16],
                          uint32_t group_count, const uint8_t source[16]);
/* Version 1: one message per group, sent to the group itself. */
uint16_t mld_write_report1(uint8_t *out, const uint8_t group[16], const uint8_t source[16]);

#endif
