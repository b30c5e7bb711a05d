/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_set.h - a set of TCP ports, as it is written in the configuration.
 *
 * Purpose:   "22,179,8000-8100", "all" or "none" -> one bit per port.
 * Ownership: the set is a value.
 * Threading: any number of readers.
 * Units:     none.
 * Errors:    port_set_parse: -EINVAL for anything else; the set is empty then.
 * Source:    none.
 */
#ifndef GANNET_PORT_SET_H
#define GANNET_PORT_SET_H

#include <stdbool.h>
#include <stdint.h>

struct port_set {
    uint64_t words[65536 / 64];
};

int port_set_parse(const char *text, struct port_set *out);

static inline bool port_set_has(const struct port_set *set, uint16_t port)
{
    return (set->words[port / 64u] >> (port % 64u) & 1) != 0;
}

#endif
