/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link.h - the port of gannet-bench, from the plan to a link that is up.
 *
 * Purpose:   the same start of DPDK that the server has, and waiting for whoever is at the other
 *            end: memif and vhost-user connect in any order.
 * Ownership: the caller stops the runtime with nic_runtime_stop; the configuration is a static of
 *            link.c, as DPDK is started once per process.
 * Threading: main thread.
 * Units:     packets, MiB.
 * Errors:    0 or a negative errno; the sentence is on standard error. -EINTR: *stop was set.
 * Source:    dataplane/nic_dpdk.h.
 */
#ifndef GANNET_BENCH_LINK_H
#define GANNET_BENCH_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/key_hash.h"
#include "tests/bench/generator/plan.h"

struct nic_runtime;

int link_start(const struct plan *plan, uint32_t address_count, uint64_t random_seed,
               struct siphash_key key, struct nic_runtime **out);

/* Until the other end is there; says once what it waits for. */
int link_wait(const struct plan *plan, struct nic_runtime *runtime, const _Atomic bool *stop);

/* Some ports connect when DPDK starts: the server must listen before. */
int link_wait_for_socket(const struct plan *plan, const _Atomic bool *stop);

#endif
