/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * live_settings.h - what may change while the server runs: immutable snapshots, taken by each
 * thread when it holds none of the former.
 *
 * Purpose:   a reload gives every thread a new configuration without a lock and without a moment
 *            in which half of it is new.
 * Ownership: the board owns what was published; a reader may use what it took until it takes again.
 * Threading: one publisher at a time. Each reader has an index of its own, and takes at a point of
 *            its loop where it holds no pointer into a snapshot (a worker: as a round begins).
 *            Numbers of namespaces mean the same in every snapshot: see config_reload.h.
 * Units:     none.
 * Errors:    create returns NULL when memory is short.
 * Source:    quiescent-state reclamation: McKenney, "Is Parallel Programming Hard", section 9.5.
 */
#ifndef GANNET_LIVE_SETTINGS_H
#define GANNET_LIVE_SETTINGS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "include/compiler.h"
#include "include/server_config.h"

#define LIVE_NAMESPACES_MAX 256u

struct api_keys;
struct limit_policies;
struct route_table;

struct live_settings {
    uint64_t generation; /* 1: what the process started with */
    struct server_config config;
    struct route_table *routes;    /* the dataplane's; made by who fills in the snapshot */
    struct api_keys *keys;         /* NULL: there is no file of keys */
    struct limit_policies *limits; /* the dataplane's, as routes; NULL: no rate limit is in use */
    /* Namespaces whose GETs are never answered by the shortest way; false: it is open for all. */
    bool has_careful_namespaces, has_deprecations;
    bool is_careful[LIVE_NAMESPACES_MAX];
    struct live_settings *older;
};

struct live_reader {
    alignas(GUARD_BYTES) _Atomic uint64_t generation; /* it holds nothing older */
};

struct live_board {
    _Atomic(const struct live_settings *) current;
    /* the publisher's */
    void (*destroy)(struct live_settings *settings);
    struct live_settings *newest;
    uint32_t reader_count;
    struct live_reader readers[];
};

/* Takes `first` over. All `reader_count` readers count as holding it from now on. */
struct live_board *live_board_create(uint32_t reader_count, struct live_settings *first,
                                     void (*destroy)(struct live_settings *settings));
/* With every snapshot; no reader may be left. */
void live_board_destroy(struct live_board *board);

/* The reader's next look at `current` sees it. Takes `fresh` over and numbers it. */
void live_board_publish(struct live_board *board, struct live_settings *fresh);

/* Destroys the snapshots that no reader can hold any more; returns how many old ones are left. */
uint32_t live_board_collect(struct live_board *board);

/* What holds from here on; `held` is what the reader took before, NULL at first. */
static inline const struct live_settings *
live_settings_take(struct live_board *board, uint32_t reader, const struct live_settings *held)
{
    /* Acquire pairs with the release in live_board_publish: the snapshot is whole. */
    const struct live_settings *now = atomic_load_explicit(&board->current, memory_order_acquire);
    if (UNLIKELY(now != held))
        /* Release pairs with the acquire in live_board_collect: our reads of the old one are over.
         */
        atomic_store_explicit(&board->readers[reader].generation, now->generation,
                              memory_order_release);
    return now;
}

#endif
