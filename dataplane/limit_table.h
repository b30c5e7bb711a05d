/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limit_table.h - who has asked how much: one word for each client of each rate limit, for all
 * workers.
 *
 * Purpose:   GCRA: a client's word is the time up to which its requests are paid for. A request is
 *            taken when that is not further ahead of now than the limit's depth, and moves it on by
 *            one interval. Exact over all workers, since a word changes by compare-and-swap alone.
 * Ownership: main's; workers share it.
 * Threading: any number of chargers, and one sweeper.
 * Units:     ticks of 64 ns, in 42 bits of a word; the other 22 say whose it is.
 * Errors:    create: -ENOMEM. A client without a place takes that of the client of its bucket that
 *            owes least, which thereby has its whole quota again: has_evicted. After LIMIT_TRIES
 *            lost races a request is let through: is_contended.
 * Source:    the generic cell rate algorithm (ITU-T I.371), as in rate_limit.h.
 *
 * A place whose time has passed is free: its client has its whole quota again, so nothing is lost
 * with it. A bucket is a cache line, and all that is looked at. Two clients that meet in one bucket
 * with the same 22 bits share a quota: some eight in four million do.
 */
#ifndef GANNET_LIMIT_TABLE_H
#define GANNET_LIMIT_TABLE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/clock.h"
#include "include/compiler.h"

#define LIMIT_TRIES 16u
#define LIMIT_TICK_SHIFT 6u
#define LIMIT_TICKS_PER_S ((uint64_t)NS_PER_S >> LIMIT_TICK_SHIFT)
static_assert(LIMIT_TICKS_PER_S << LIMIT_TICK_SHIFT == NS_PER_S, "whole ticks");
/* A word is compared by its distance from now: half of 2^42 ticks, so a sweep at least daily. */
#define LIMIT_DEPTH_MAX (UINT64_C(86400) * LIMIT_TICKS_PER_S)
#define LIMIT_SWEEP_NS (UINT64_C(60) * NS_PER_S)

struct limit_table;

struct limit_outcome {
    uint64_t ahead; /* ticks that the client has paid ahead of now, this request among them */
    bool is_taken;
    bool has_evicted, is_contended;
};

/* At least so many clients; 8 bytes each. */
MUST_USE int limit_table_create(uint64_t clients, struct limit_table **table);
void limit_table_destroy(struct limit_table *table);

/* A request of the client with that hash. `interval` at least 1, `depth` at most LIMIT_DEPTH_MAX.
 */
struct limit_outcome limit_table_charge(struct limit_table *table, uint64_t hash, uint64_t now_ns,
                                        uint64_t interval, uint64_t depth);
/* The same question, and nothing changes. */
struct limit_outcome limit_table_look(struct limit_table *table, uint64_t hash, uint64_t now_ns,
                                      uint64_t interval, uint64_t depth);
/* A request that was taken did not happen after all. */
void limit_table_refund(struct limit_table *table, uint64_t hash, uint64_t now_ns,
                        uint64_t interval);

/* Frees the places whose time has passed, long before a word could seem to be of the future.
 * Returns how many are in use. */
uint64_t limit_table_sweep(struct limit_table *table, uint64_t now_ns);

#endif
