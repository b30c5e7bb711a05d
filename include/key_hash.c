/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/key_hash.h"

/* Its code right here: for a short key, calls into a library cost as much as the hash. */
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t key_hash_shard(const void *key, size_t bytes)
{
    return XXH3_64bits(key, bytes);
}

uint64_t key_hash_cache(const void *key, size_t bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(key, bytes, seed);
}
