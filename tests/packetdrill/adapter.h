/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * adapter.h - everything one script runs on.
 *
 * Purpose:   the stack, the wire below it, the sockets above it and the clock beside it.
 * Ownership: made by packetdrill_interface_init, ended by the table's free.
 * Threading: inside a turn only (turns.h).
 * Units:     microseconds for the clock and the runner, nanoseconds for the stack.
 * Errors:    functions that stand for a call return a negative errno.
 * Source:    none.
 */
#ifndef GANNET_PACKETDRILL_ADAPTER_H
#define GANNET_PACKETDRILL_ADAPTER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/tcp_stack.h"
#include "tests/packetdrill/endpoints.h"
#include "tests/packetdrill/settings.h"
#include "tests/packetdrill/turns.h"
#include "tests/packetdrill/virtual_clock.h"
#include "tests/packetdrill/wire.h"

struct adapter {
    struct turns turns;
    struct virtual_clock clock;
    struct settings settings;
    struct network wire;
    struct tcp_stack_config tcp_defaults; /* what the settings say */
    struct tcp_stack_config tcp_config;   /* with what socket options changed */
    struct tcp_stack *tcp;
    struct endpoint_table endpoints;
    bool is_ending; /* sleeping calls give up */
};

static inline uint64_t adapter_now_ns(const struct adapter *adapter)
{
    return adapter->clock.now_us * 1000;
}

/* Everything that is due at this moment: timers, what the sockets learn of it, what goes out. */
void adapter_settle(struct adapter *adapter);

#endif
