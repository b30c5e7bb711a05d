/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script.h - runs one packet script against one stack.
 *
 * Purpose:   a rule of TCP as a page of segments that a person can read.
 * Ownership: each run has a stack of its own.
 * Threading: none.
 * Units:     milliseconds in scripts.
 * Errors:    false; the report says file, line, what was expected, what was seen, and the trace.
 * Source:    tests/packet_scripts/README.md; the idea is packetdrill's.
 */
#ifndef GANNET_SCRIPT_H
#define GANNET_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#define SCRIPT_REPORT_BYTES 32768u

struct script_report {
    char text[SCRIPT_REPORT_BYTES];
    char trace[SCRIPT_REPORT_BYTES]; /* every segment and wait of the run */
};

/* A line `ipv4` or `ipv6` restricts a script to one family. */
bool script_is_for(const char *text, bool is_ipv6);
bool script_run(const char *name, const char *text, bool is_ipv6, struct script_report *report);

/* Where the peer's connection is: an enum tcp_state; TCP_CLOSED: there is none. */
struct tcp_peer;
uint8_t script_state_of(const struct tcp_peer *peer);
const char *script_state_name(uint8_t state);

#endif
