/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * settings.h - `--so_flags`: key=value,... into the stack's configuration.
 *
 * Purpose:   what a script may set beside socket options. The defaults fit scripts written against
 *            Linux.
 * Ownership: the caller's struct.
 * Threading: none.
 * Units:     in the keys' names.
 * Errors:    an unknown key or a value that the stack cannot have: a message and exit, since init
 *            cannot report a failure.
 * Source:    README.md has the table.
 */
#ifndef GANNET_PACKETDRILL_SETTINGS_H
#define GANNET_PACKETDRILL_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_stack_config;

struct settings {
    uint64_t mtu;
    uint64_t wscale; /* says how large the receive window is, unless rcvbuf does */
    uint64_t iw;
    uint64_t delack_us;
    uint64_t rto_min_ms;
    uint64_t ts_tick_us;
    uint64_t rcvbuf, sndbuf; /* 0: not given */
    uint64_t ecn, sack, ts;
    uint64_t seed;
    bool use_newreno;
    int syn_cookies; /* enum tcp_syn_cookies */
    char pcap[256];  /* empty: none */
};

void settings_read(const char *flags, struct settings *settings);

/* All of the stack's configuration but what it is connected to. */
void settings_apply(const struct settings *settings, struct tcp_stack_config *config);

#endif
