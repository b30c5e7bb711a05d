/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_listing.h - asks the harness's store for its keys: one SHARD_LIST, or a whole walk.
 *
 * Purpose:   what a client of SHARD_LIST does, in its plainest form: a thread is asked for more
 *            when its keys are used up.
 * Ownership: a walk and an answer own their memory until they are ended.
 * Threading: the test's thread. Nothing else may be answered and not yet reaped.
 * Units:     bytes.
 * Errors:    asserts on an answer that is not well-formed.
 * Source:    include/shard_listing.h.
 */
#ifndef GANNET_STORE_LISTING_H
#define GANNET_STORE_LISTING_H

#include "include/shard_listing.h"
#include "tests/sim/store_harness.h"

struct listing_answer {
    uint8_t *bytes;
    uint32_t count;
    const struct listing_entry *entries[LISTING_ENTRIES_MAX];
    bool continues;
    const uint8_t *end; /* if it continues: the name up to which it is complete */
    uint32_t end_bytes;
};

/* One thread's keys that have the prefix and are at `from` or later; `from` has the prefix, too. */
void listing_ask(struct harness *harness, uint32_t thread, const char *space, const void *prefix,
                 uint32_t prefix_bytes, const void *from, uint32_t from_bytes,
                 struct listing_answer *answer);
void listing_answer_free(struct listing_answer *answer);

struct listing_walk {
    const char *space;
    uint8_t prefix[USER_KEY_BYTES_MAX];
    uint32_t prefix_bytes;
    /* the last key */
    uint8_t name[USER_KEY_BYTES_MAX + 1];
    uint32_t name_bytes;
    struct listing_entry entry;
    bool is_begun;
    uint32_t operation_count;
    struct listing_answer answers[HARNESS_THREADS_MAX];
    uint32_t at[HARNESS_THREADS_MAX];
};

void listing_walk_begin(struct listing_walk *walk, const char *space, const void *prefix,
                        uint32_t prefix_bytes);
/* The next key of all threads, with its entry; false at the end. */
bool listing_walk_next(struct listing_walk *walk, struct harness *harness);
void listing_walk_end(struct listing_walk *walk);

#endif
