/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * response_cache.h - complete answers in memory: one part and one writer per worker, any reader.
 *
 * Purpose:   answer hot GETs without asking the store.
 * Ownership: a part's worker owns its table, its memory and its entries; a found entry may be read
 *            until the reader's next quiescent point (the end of its round), no longer.
 * Threading: lookup by any worker, without locks; apply and maintain by the part's owner only.
 *            Readers write nothing but an entry's recency mark, and only when it is not set.
 * Units:     bytes; _ms wall.
 * Errors:    lookup returns NULL. A fill may be refused (counted CACHE_REFUSED); then the key is
 *            invalidated in place, without allocating: never an older value stays.
 * Source:    rte_rcu_qsbr (DPDK 22.11) for reclamation; eviction: S3-FIFO (Yang et al., SOSP 2023).
 */
#ifndef GANNET_RESPONSE_CACHE_H
#define GANNET_RESPONSE_CACHE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/cache_attributes.h"
#include "include/blob.h"
#include "include/compiler.h"

struct blob_pool;
struct blob_stock;
struct counters;
struct response_cache;
struct shard_operation;

/* cache_entry.extras: words that only some entries have, in this order. */
#define CACHE_ENTRY_EXPIRES 0x01u /* when, in milliseconds */
#define CACHE_ENTRY_BLOB 0x02u    /* where the value is, instead of inline */
/* Purged softly: no reader finds the entry before a fill has confirmed it. Takes no word. */
#define CACHE_ENTRY_STALE 0x04u

/*
 * A published entry is immutable but for its recency mark and its stale mark. Behind the struct:
 * the extra words, the key, the attributes ("Content-Type: ...\r\n" and the like) unless they are
 * common ones (cache_attributes.h), then the value when it is inline. The rest of an answer's head
 * is made for each hit (value_head.h): kept ready, it would be half of the entry.
 */
struct cache_entry {
    uint64_t hash;
    uint64_t version; /* 0: there is no value; then it expires */
    uint32_t modified_at_s;
    uint32_t value_bytes;
    uint16_t key_bytes;
    uint16_t attributes_code; /* of cache_attributes.h */
    _Atomic uint8_t extras;   /* CACHE_ENTRY_... */
    uint8_t extra_bytes;      /* that they take */
    _Atomic uint8_t recency;  /* the eviction policy's mark */
    uint8_t owner_flags;      /* the owner's own */
    uint8_t bytes[];
};

static inline uint8_t cache_entry_extras(const struct cache_entry *entry)
{
    return atomic_load_explicit(&entry->extras, memory_order_relaxed);
}

static inline uint64_t cache_entry_expires_at_ms(const struct cache_entry *entry) /* 0: never */
{
    uint64_t expires_at_ms = 0;
    if (cache_entry_extras(entry) & CACHE_ENTRY_EXPIRES)
        memcpy(&expires_at_ms, entry->bytes, sizeof(expires_at_ms));
    return expires_at_ms;
}

static inline bool cache_entry_has_blob(const struct cache_entry *entry)
{
    return (cache_entry_extras(entry) & CACHE_ENTRY_BLOB) != 0;
}

static inline struct blob *cache_entry_blob(const struct cache_entry *entry) /* NULL: inline */
{
    struct blob *blob = NULL;
    if (cache_entry_has_blob(entry))
        memcpy(&blob, entry->bytes + entry->extra_bytes - sizeof(blob), sizeof(blob));
    return blob;
}

static inline const uint8_t *cache_entry_key(const struct cache_entry *entry)
{
    return entry->bytes + entry->extra_bytes;
}

static inline bool cache_entry_is_common(const struct cache_entry *entry)
{
    return entry->attributes_code >= CACHE_ATTRIBUTES_COMMON;
}

/* Field lines. */
static inline struct http_slice cache_entry_attributes(const struct cache_entry *entry)
{
    if (LIKELY(cache_entry_is_common(entry)))
        return cache_common_attributes[entry->attributes_code - CACHE_ATTRIBUTES_COMMON];
    return (struct http_slice){cache_entry_key(entry) + entry->key_bytes, entry->attributes_code};
}

static inline uint32_t cache_entry_own_attributes_bytes(const struct cache_entry *entry)
{
    return cache_entry_is_common(entry) ? 0 : entry->attributes_code;
}

static inline const uint8_t *cache_entry_inline_value(const struct cache_entry *entry)
{
    return cache_entry_key(entry) + entry->key_bytes + cache_entry_own_attributes_bytes(entry);
}

#define RESPONSE_CACHE_PART_BYTES_MIN (256u << 10)

struct response_cache_config {
    uint32_t workers;           /* parts */
    uint64_t part_memory_bytes; /* of one part: table, entries, and the blobs it references */
    uint32_t value_bytes_max;   /* larger values are not cached, nor what takes half a part */
    uint64_t hash_seed;         /* for key_hash_cache */
    uint32_t absent_max;        /* absences one part remembers at most */
};

/* On the main thread, before workers start. 0 or a negative errno. */
int response_cache_create(const struct response_cache_config *config,
                          struct response_cache **cache);
void response_cache_destroy(struct response_cache *cache); /* after workers stopped */

/* On worker `worker`'s thread, before its first round: its stock (for blobs) and counters. */
void response_cache_attach(struct response_cache *cache, uint32_t worker, struct blob_stock *stock,
                           struct counters *counters);

/*
 * Reader, many keys at a time: three stages, each of which starts loading what the next one reads.
 * NULL: not known this way. A guess is what the table held at that moment, so it is made after the
 * request came and used in the same round; who asks for several keys in order goes on with lookup
 * after the first guess that fails, or later requests could see what is older.
 */
struct cache_bucket;
const struct cache_bucket *response_cache_bucket(const struct response_cache *cache, uint64_t hash);
const struct cache_entry *response_cache_guess(const struct cache_bucket *bucket, uint64_t hash);
const struct cache_entry *response_cache_confirm(const struct cache_entry *guess, uint64_t hash,
                                                 const void *key, uint32_t key_bytes,
                                                 uint64_t wall_ms);

/*
 * Reader, one key: NULL when absent or expired. Valid until this worker's
 * response_cache_quiescent.
 */
const struct cache_entry *response_cache_lookup(const struct response_cache *cache, uint64_t hash,
                                                const void *key, uint32_t key_bytes,
                                                uint64_t wall_ms);

/* Reader, after a lookup that found nothing: it is known that the key has no value. */
bool response_cache_is_absent(const struct response_cache *cache, uint64_t hash, const void *key,
                              uint32_t key_bytes, uint64_t wall_ms);

/*
 * Reader, one key: only what was purged softly and is still the newest value this cache knows. For
 * who asks the store again anyway, or cannot.
 */
const struct cache_entry *response_cache_lookup_stale(const struct response_cache *cache,
                                                      uint64_t hash, const void *key,
                                                      uint32_t key_bytes, uint64_t wall_ms);

/* Every worker, once at the end of each round: no entry pointer is held any more. */
void response_cache_quiescent(struct response_cache *cache, uint32_t worker);
/* Before a worker sleeps, and after it woke: it does not hold up reclamation meanwhile. */
void response_cache_offline(struct response_cache *cache, uint32_t worker);
void response_cache_online(struct response_cache *cache, uint32_t worker);

/*
 * Owner: apply an operation that came from its control thread: cache_action says what. An absence
 * is kept until expires_at_ms. Bounded work.
 */
void response_cache_apply(struct response_cache *cache, uint32_t worker,
                          const struct shard_operation *operation, uint64_t wall_ms);

/* Owner, once per round: free what every worker has let go, sweep a few entries. Bounded. */
void response_cache_maintain(struct response_cache *cache, uint32_t worker, uint64_t wall_ms);

/* Owner: evict when value memory is short; returns the bytes let go after a grace period. */
uint64_t response_cache_shrink(struct response_cache *cache, uint32_t worker, uint64_t bytes);

/* For /metrics; any thread, as of the owner's last round. */
struct response_cache_status {
    uint64_t entries;
    uint64_t entry_bytes;   /* memory taken by entries, dead ones not yet reclaimed included */
    uint64_t blob_bytes;    /* value memory held by published entries */
    uint64_t waiting_bytes; /* value memory of unpublished entries, until every reader has passed */
};
void response_cache_status(const struct response_cache *cache, uint32_t worker,
                           struct response_cache_status *status);

#endif
