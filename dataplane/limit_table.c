/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/limit_table.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"

#define BUCKET_PLACES 8u
#define TAG_BITS 22u
#define TAG_MASK ((UINT64_C(1) << TAG_BITS) - 1)

struct limit_bucket {
    alignas(CACHE_LINE_BYTES) _Atomic uint64_t words[BUCKET_PLACES];
};
static_assert(sizeof(struct limit_bucket) == CACHE_LINE_BYTES, "one line is looked at");

struct limit_table {
    uint64_t mask;
    struct limit_bucket *buckets;
};

int limit_table_create(uint64_t clients, struct limit_table **out)
{
    uint64_t buckets = 1;
    while (buckets * BUCKET_PLACES < clients)
        buckets *= 2;
    struct limit_table *table = calloc(1, sizeof(*table));
    if (!table)
        return -ENOMEM;
    table->mask = buckets - 1;
    table->buckets = aligned_alloc(CACHE_LINE_BYTES, buckets * sizeof(table->buckets[0]));
    if (!table->buckets) {
        free(table);
        return -ENOMEM;
    }
    memset(table->buckets, 0, buckets * sizeof(table->buckets[0]));
    *out = table;
    return 0;
}

void limit_table_destroy(struct limit_table *table)
{
    if (!table)
        return;
    free(table->buckets);
    free(table);
}

/* ---- words: the time above the tag, so that it wraps by itself ---------------------------- */

static uint64_t tag_of(uint64_t hash)
{
    uint64_t tag = hash >> (64 - TAG_BITS);
    return tag != 0 ? tag : 1; /* an empty place has none */
}

static uint64_t word_at(uint64_t now_ns, uint64_t ahead, uint64_t tag)
{
    return ((now_ns >> LIMIT_TICK_SHIFT) + ahead) << TAG_BITS | tag;
}

/* How far the word's time is ahead of now, in ticks; 0: it has passed. */
static uint64_t ahead_of(uint64_t word, uint64_t now_ns)
{
    uint64_t distance = (word & ~TAG_MASK) - word_at(now_ns, 0, 0);
    bool has_passed = word == 0 || (int64_t)distance <= 0;
    return has_passed ? 0 : distance >> TAG_BITS;
}

struct place {
    _Atomic uint64_t *word;
    uint64_t seen;
    uint64_t ahead;
    bool is_ours;
};

/* The client's place, or else that of its bucket which is given up for it. */
static struct place find(struct limit_table *table, uint64_t hash, uint64_t now_ns)
{
    struct limit_bucket *bucket = &table->buckets[hash & table->mask];
    struct place least = {.ahead = UINT64_MAX};
    for (uint32_t i = 0; i < BUCKET_PLACES; i++) {
        uint64_t seen = atomic_load_explicit(&bucket->words[i], memory_order_relaxed);
        struct place place = {&bucket->words[i], seen, ahead_of(seen, now_ns),
                              (seen & TAG_MASK) == tag_of(hash)};
        if (place.is_ours)
            return place;
        if (place.ahead < least.ahead)
            least = place;
    }
    return least;
}

/* ---- charging ---------------------------- */

/* A limit that has become shallower by a reload forgives what is beyond it. */
static struct limit_outcome judge(const struct place *place, uint64_t interval, uint64_t depth)
{
    uint64_t ahead = place->is_ours ? place->ahead : 0;
    if (ahead > depth)
        ahead = depth;
    bool is_taken = ahead + interval <= depth;
    return (struct limit_outcome){.ahead = ahead + (is_taken ? interval : 0), .is_taken = is_taken};
}

struct limit_outcome limit_table_charge(struct limit_table *table, uint64_t hash, uint64_t now_ns,
                                        uint64_t interval, uint64_t depth)
{
    struct limit_outcome outcome = {.ahead = 0};
    ASSERT_HOT(interval > 0 && depth <= LIMIT_DEPTH_MAX);
    for (uint32_t i = 0; i < LIMIT_TRIES; i++) {
        struct place place = find(table, hash, now_ns);
        outcome = judge(&place, interval, depth);
        if (!outcome.is_taken)
            return outcome;
        outcome.has_evicted = !place.is_ours && place.ahead > 0;
        /* Relaxed: a word is all there is to know, nothing else is published with it. */
        if (atomic_compare_exchange_strong_explicit(place.word, &place.seen,
                                                    word_at(now_ns, outcome.ahead, tag_of(hash)),
                                                    memory_order_relaxed, memory_order_relaxed))
            return outcome;
    }
    outcome.has_evicted = false;
    outcome.is_contended = true;
    return outcome;
}

struct limit_outcome limit_table_look(struct limit_table *table, uint64_t hash, uint64_t now_ns,
                                      uint64_t interval, uint64_t depth)
{
    struct place place = find(table, hash, now_ns);
    struct limit_outcome outcome = judge(&place, interval, depth);
    if (outcome.is_taken)
        outcome.ahead -= interval;
    return outcome;
}

void limit_table_refund(struct limit_table *table, uint64_t hash, uint64_t now_ns,
                        uint64_t interval)
{
    for (uint32_t i = 0; i < LIMIT_TRIES; i++) {
        struct place place = find(table, hash, now_ns);
        if (!place.is_ours || place.ahead < interval)
            return; /* what it owed is forgiven already */
        if (atomic_compare_exchange_strong_explicit(place.word, &place.seen,
                                                    place.seen - (interval << TAG_BITS),
                                                    memory_order_relaxed, memory_order_relaxed))
            return;
    }
}

uint64_t limit_table_sweep(struct limit_table *table, uint64_t now_ns)
{
    uint64_t used = 0;
    for (uint64_t i = 0; i <= table->mask; i++)
        for (uint32_t k = 0; k < BUCKET_PLACES; k++) {
            _Atomic uint64_t *word = &table->buckets[i].words[k];
            uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
            if (seen == 0)
                continue;
            /* Fails when its client just came back: then it is in use. */
            bool is_free = ahead_of(seen, now_ns) == 0 &&
                           atomic_compare_exchange_strong_explicit(
                               word, &seen, 0, memory_order_relaxed, memory_order_relaxed);
            used += !is_free;
        }
    return used;
}
