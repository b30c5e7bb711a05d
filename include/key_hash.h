/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * key_hash.h - the two hashes of a key, and the keyed hash for anything a client could choose.
 *
 * Purpose:   key_hash_shard places a key on disk for ever; key_hash_cache places it in memory this
 *            boot.
 * Ownership: none.
 * Threading: any; the seed is set once before threads start.
 * Units:     none.
 * Errors:    none.
 * Source:    XXH3 (xxHash 0.8, output frozen); SipHash-2-4 (Aumasson, Bernstein 2012) for
 *            connection
 *            buckets, ISNs and SYN cookies, because there an attacker sees outputs (RFC 9293
 *            3.4.1).
 */
#ifndef GANNET_KEY_HASH_H
#define GANNET_KEY_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "include/compiler.h"

struct siphash_key {
    uint64_t k0, k1;
};

uint64_t key_hash_shard(const void *key, size_t bytes);
uint64_t key_hash_cache(const void *key, size_t bytes, uint64_t seed);

/* Which of `workers` cache parts holds a key: by the high bits, since buckets use the low ones. */
static inline uint32_t key_hash_owner(uint64_t cache_hash, uint32_t workers)
{
    return (uint32_t)(((cache_hash >> 32) * workers) >> 32);
}

#define SIPHASH_ROUND(v0, v1, v2, v3)                                                              \
    do {                                                                                           \
        (v0) += (v1);                                                                              \
        (v1) = ((v1) << 13) | ((v1) >> 51);                                                        \
        (v1) ^= (v0);                                                                              \
        (v0) = ((v0) << 32) | ((v0) >> 32);                                                        \
        (v2) += (v3);                                                                              \
        (v3) = ((v3) << 16) | ((v3) >> 48);                                                        \
        (v3) ^= (v2);                                                                              \
        (v0) += (v3);                                                                              \
        (v3) = ((v3) << 21) | ((v3) >> 43);                                                        \
        (v3) ^= (v0);                                                                              \
        (v2) += (v1);                                                                              \
        (v1) = ((v1) << 17) | ((v1) >> 47);                                                        \
        (v1) ^= (v2);                                                                              \
        (v2) = ((v2) << 32) | ((v2) >> 32);                                                        \
    } while (0)

/* SipHash of whole 64-bit words: every use of ours pads its input to words. */
static ALWAYS_INLINE uint64_t siphash_rounds(const struct siphash_key *key, const uint64_t *words,
                                             size_t count, int word_rounds, int last_rounds)
{
    uint64_t v0 = key->k0 ^ UINT64_C(0x736f6d6570736575);
    uint64_t v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d);
    uint64_t v2 = key->k0 ^ UINT64_C(0x6c7967656e657261);
    uint64_t v3 = key->k1 ^ UINT64_C(0x7465646279746573);
    for (size_t i = 0; i <= count; i++) {
        /* behind the input: its length in bytes mod 256, in the top byte */
        uint64_t word = i < count ? words[i] : (uint64_t)count << 59;
        v3 ^= word;
        for (int round = 0; round < word_rounds; round++)
            SIPHASH_ROUND(v0, v1, v2, v3);
        v0 ^= word;
    }
    v2 ^= 0xff;
    for (int round = 0; round < last_rounds; round++)
        SIPHASH_ROUND(v0, v1, v2, v3);
    return v0 ^ v1 ^ v2 ^ v3;
}

/* SipHash-2-4: for outputs that a peer sees. */
static inline uint64_t siphash_words(const struct siphash_key *key, const uint64_t *words,
                                     size_t count)
{
    return siphash_rounds(key, words, count, 2, 4);
}

/*
 * SipHash-1-3, as Python and Rust use it for their tables: for places in a table, which nobody
 * sees. `count` should be a constant.
 */
static ALWAYS_INLINE uint64_t siphash_place(const struct siphash_key *key, const uint64_t *words,
                                            size_t count)
{
    return siphash_rounds(key, words, count, 1, 3);
}

#endif
