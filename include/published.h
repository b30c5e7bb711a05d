/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * published.h - a few words that one thread changes now and then and others copy whole.
 *
 * Purpose:   what the admin thread wants of the workers (whom to trace, what to capture) and they
 *            have to tell it (whom they refused), at the price of one load for those who look.
 * Ownership: the writer's; it outlives the readers.
 * Threading: one writer. Readers may be any; a reader that meets a change takes it later.
 * Units:     bytes.
 * Errors:    published_take is false while the words change.
 * Source:    a sequence lock; Boehm, "Can seqlocks get along with programming language memory
 *            models?" (MSPC 2012).
 */
#ifndef GANNET_PUBLISHED_H
#define GANNET_PUBLISHED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "include/assert_policy.h"

#define PUBLISHED_WORDS 11u

struct published {
    _Atomic uint32_t version; /* odd while it changes; 0: nothing was published yet */
    _Atomic uint64_t words[PUBLISHED_WORDS];
};

/* The writer only; what is shorter than before is followed by zeros. */
static inline void published_set(struct published *published, const void *bytes, size_t count)
{
    uint64_t words[PUBLISHED_WORDS] = {0};
    uint32_t version = atomic_load_explicit(&published->version, memory_order_relaxed);
    ASSERT(count <= sizeof(words));
    memcpy(words, bytes, count);
    atomic_store_explicit(&published->version, version + 1, memory_order_relaxed);
    /* Release fence pairs with the acquire fence in take: new words come with an odd version. */
    atomic_thread_fence(memory_order_release);
    for (uint32_t i = 0; i < PUBLISHED_WORDS; i++)
        atomic_store_explicit(&published->words[i], words[i], memory_order_relaxed);
    /* Release pairs with the acquire in published_version: the version comes after the words. */
    atomic_store_explicit(&published->version, version + 2, memory_order_release);
}

static inline uint32_t published_version(const struct published *published)
{
    return atomic_load_explicit(&published->version, memory_order_acquire);
}

/* What was published as `version`; false: it changes just now. */
static inline bool published_take(const struct published *published, uint32_t version, void *out,
                                  size_t count)
{
    uint64_t words[PUBLISHED_WORDS];
    ASSERT(count <= sizeof(words));
    if (version & 1)
        return false;
    for (uint32_t i = 0; i < PUBLISHED_WORDS; i++)
        words[i] = atomic_load_explicit(&published->words[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire); /* pairs with the release fence above */
    if (atomic_load_explicit(&published->version, memory_order_relaxed) != version)
        return false;
    memcpy(out, words, count);
    return true;
}

#endif
