/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * task_walk.h - a task's walk over the keys of a namespace, in order, from all control threads.
 *
 * Purpose:   asks every control thread for its next keys and puts their answers into one order.
 * Ownership: the walk owns copies of the answers; an entry lives until the next walk_ask.
 * Threading: one task thread.
 * Units:     bytes; operations.
 * Errors:    walk_take says with which status an operation failed.
 * Source:    include/shard_listing.h.
 *
 * A key that was there all the time is met exactly once: each answer is complete up to its place, a
 * key is given out only when every thread's answer reaches as far, and the next question begins
 * behind that place. So whoever goes on from walk_place later misses nothing either.
 */
#ifndef GANNET_TASK_WALK_H
#define GANNET_TASK_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "include/shard_listing.h"

struct task_run;
struct walk_source;

struct task_walk {
    struct walk_source *sources; /* one per control thread */
    uint32_t source_count;
    uint32_t operations_left; /* the walk's budget: it ends early rather than take for ever */
    uint32_t key_bytes;
    uint32_t namespace_bytes;
    uint8_t key[KEY_BYTES_MAX]; /* "namespace\0prefix" */
    uint32_t place_bytes;
    bool has_place;
    uint8_t place[USER_KEY_BYTES_MAX]; /* everything up to here was given out */
};

/* Begins behind the name `after`, or at the beginning (NULL). False: no memory. */
bool walk_begin(struct task_walk *walk, const struct task_run *run, const uint8_t *key,
                uint32_t key_bytes, const uint8_t *after, uint32_t after_bytes,
                uint32_t operations);
void walk_end(struct task_walk *walk);

/* Sends what is to be asked and can be asked now. */
void walk_ask(struct task_walk *walk, struct task_run *run);

/* An answer to SHARD_LIST. Anything but SHARD_OK: the walk is worthless from here on. */
enum shard_status walk_take(struct task_walk *walk, const struct shard_operation *operation);

/* The next key; NULL: not known yet, or none is left. */
const struct listing_entry *walk_next(struct task_walk *walk);

/* No key is left. */
bool walk_is_complete(const struct task_walk *walk);

/* Nothing more can be asked: complete, or the budget is spent and all answers are in. */
bool walk_is_over(const struct task_walk *walk);

#endif
