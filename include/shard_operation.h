/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_operation.h - the message that travels worker -> control thread -> cache owner -> worker.
 *
 * Purpose:   one object carries a request to the store, its result to the worker that owns the
 *            key's
 *            cache part, and the answer back to the worker that holds the client.
 * Ownership: a fixed number exists per worker, made at start. Whoever popped it from a ring owns it
 *            until it pushes it on. It always comes home to origin_worker, which alone frees it.
 *            So holding one is holding a credit on every ring it will cross: no ring can be full,
 *            nothing on the way can be refused, nobody waits. A worker without a free operation
 *            answers 503 (P2, "nothing on this path can be refused").
 * Threading: one owner at a time; rings pass it with release/acquire.
 * Units:     bytes; _ns monotone, _ms wall.
 * Errors:    `status`, set by the control thread.
 * Source:    ARCHITECTURE.md, "What makes reads linearizable".
 */
#ifndef GANNET_SHARD_OPERATION_H
#define GANNET_SHARD_OPERATION_H

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>

#include "include/blob.h"
#include "include/compiler.h"

#define VIRTUAL_SHARDS 256u
#define NAMESPACE_NAME_BYTES_MAX 64u
#define USER_KEY_BYTES_MAX 1024u
#define KEY_BYTES_MAX (NAMESPACE_NAME_BYTES_MAX + 1u + USER_KEY_BYTES_MAX) /* "namespace\0key" */
#define ATTRIBUTES_BYTES_MAX 512u
#define OPERATION_BYTES 2048u
#define OPERATION_INLINE_BYTES (OPERATION_BYTES - 192u)

enum shard_verb {
    SHARD_GET = 0,
    SHARD_PUT,
    SHARD_DELETE,
    SHARD_STAT,  /* as GET, without the value: its length and everything that goes with it */
    SHARD_LIST,  /* the next keys of one control thread: include/shard_listing.h */
    SHARD_WATCH, /* a GET that waits until the version is not in versions[], or deadline_ns */
    SHARD_PURGE, /* changes the cache only: cache_action is given by who asks */
    SHARD_VERB_COUNT,
};

enum shard_status {
    SHARD_OK = 0,           /* GET, LIST: value attached. PUT: replaced. DELETE: was there */
    SHARD_CREATED,          /* PUT: there was none */
    SHARD_NOT_FOUND,        /* GET, DELETE */
    SHARD_CONDITION_FAILED, /* `version` is the current one, 0 when absent */
    SHARD_STORE_FULL,       /* disk or segment space: PUT refused, 507 */
    SHARD_INDEX_FULL,       /* index_memory_max: PUT refused, 507 */
    SHARD_READ_ONLY,        /* the shard failed earlier; nothing was written, 503 */
    SHARD_OUTCOME_UNKNOWN,  /* the sync of this write failed: it may or may not be there, 503 */
    SHARD_CORRUPT,          /* the stored bytes do not match their checksum, 500 */
    SHARD_IO_ERROR,         /* a read failed, 500 */
    SHARD_NO_MEMORY,        /* no value memory for the answer: 503, try again */
    SHARD_DEADLINE,         /* not done in time, 504; a write may still be done later */
    SHARD_BUSY,             /* the shard's queue is full: 503, try again */
    SHARD_STATUS_COUNT,
};

/* Preconditions of RFC 9110 section 13, evaluated by the shard against the newest pending version.
 */
enum shard_condition {
    SHARD_ALWAYS = 0,
    SHARD_IF_PRESENT,     /* If-Match: * */
    SHARD_IF_ABSENT,      /* If-None-Match: * */
    SHARD_IF_VERSION_IN,  /* If-Match: "a", "b": the current version is one of versions[] */
    SHARD_IF_VERSION_NOT, /* If-None-Match: "a", "b" */
};

#define SHARD_CONDITION_VERSIONS_MAX 4u

/* A namespace's sync: when a write of it counts as done. In the order of namespaces.sync. */
enum shard_sync {
    SHARD_SYNC_OF_STORE = 0, /* as store.sync says */
    SHARD_SYNC_COMMIT,       /* its frame is durable */
    SHARD_SYNC_INTERVAL,     /* its frame is written; synced within store.sync_interval_ms */
};

/* A namespace's write_policy, in the order of its choices. */
enum shard_write_policy {
    SHARD_WRITE_THROUGH = 0, /* answered when done; the value goes into the cache */
    SHARD_WRITE_AROUND,      /* answered when done; the key only leaves the cache */
    SHARD_WRITE_BEHIND,      /* answered when the shard has accepted it */
};

/* What the cache owner does with a result before it releases the answer. */
enum shard_cache_action {
    SHARD_CACHE_NOTHING = 0, /* a refused or failed operation that changed nothing */
    SHARD_CACHE_FILL,        /* store the value (GET, PUT) */
    SHARD_CACHE_INVALIDATE,  /* DELETE, write_policy: around, or an outcome that is not known */
    SHARD_CACHE_MARK_STALE,  /* not served any more before the store has confirmed it */
    SHARD_CACHE_ABSENT,      /* GET: remember for a while that there is no value */
};

/*
 * A companion is a second, small PUT that stays with its PUT all the way: of a key of the same
 * virtual shard, in the same frame, so that a crash leaves both or neither, with the version that
 * follows the PUT's. It must not be there yet: else nothing is written, the PUT's status is
 * SHARD_CONDITION_FAILED with the companion's version, and the companion's status says it as well.
 */
struct shard_operation {
    /* line 0: routing, written by the origin worker */
    alignas(CACHE_LINE_BYTES) uint64_t connection; /* opaque to all but the origin worker */
    uint64_t shard_hash;                           /* key_hash_shard(key): the same for ever */
    uint64_t cache_hash;                           /* key_hash_cache(key): seeded per boot */
    uint64_t deadline_ns;                          /* answer SHARD_DEADLINE after this */
    uint64_t wall_ms;      /* the worker's time; the shard uses the larger of its own */
    uint8_t verb;          /* enum shard_verb */
    uint8_t condition;     /* enum shard_condition */
    uint8_t version_count; /* used entries of versions[] */
    uint8_t origin_worker;
    uint8_t owner_worker;  /* whose cache part holds the key */
    uint8_t control_index; /* which control thread owns the key's virtual shard */
    uint8_t cache_action;  /* enum shard_cache_action, set by the control thread */
    uint8_t status;        /* enum shard_status, set by the control thread */
    uint16_t key_bytes;
    uint16_t attributes_bytes; /* ready-made field lines: "Content-Type: ...\r\nMeta-A: ...\r\n" */
    uint32_t value_bytes;
    uint64_t started_ns;
    /* line 1: the value's record */
    uint64_t version;        /* out: the value's (GET), the new one (PUT, DELETE), the current one
                                (condition) */
    uint64_t expires_at_ms;  /* 0: never. in for PUT, out for GET */
    uint64_t modified_at_ms; /* out */
    uint64_t versions[SHARD_CONDITION_VERSIONS_MAX];
    struct blob *value; /* NULL: the value is inline, after key and attributes */
    /* line 2: links for whoever owns it now */
    struct shard_operation *next;
    void *owner_private[2];
    uint32_t owner_numbers[2];
    struct shard_operation *companion; /* of a PUT: see below; NULL: it is alone */
    uint8_t sync;                      /* enum shard_sync */
    uint8_t write_policy;              /* enum shard_write_policy */
    uint8_t reserved[22];
    /* key bytes, then attributes, then the value if it fits */
    uint8_t bytes[OPERATION_INLINE_BYTES];
};

static_assert(sizeof(struct shard_operation) == OPERATION_BYTES, "32 lines");
static_assert(offsetof(struct shard_operation, version) == 64, "routing fills line 0");
static_assert(offsetof(struct shard_operation, next) == 128, "record fills line 1");
static_assert(offsetof(struct shard_operation, bytes) == 192, "no hidden padding");
static_assert(KEY_BYTES_MAX + ATTRIBUTES_BYTES_MAX <= OPERATION_INLINE_BYTES,
              "key and attributes always fit");

static inline uint8_t *operation_key(struct shard_operation *operation)
{
    return operation->bytes;
}

static inline uint8_t *operation_attributes(struct shard_operation *operation)
{
    return operation->bytes + operation->key_bytes;
}

/* Valid when value is NULL. */
static inline uint8_t *operation_inline_value(struct shard_operation *operation)
{
    return operation->bytes + operation->key_bytes + operation->attributes_bytes;
}

static inline uint32_t operation_inline_room(const struct shard_operation *operation)
{
    return OPERATION_INLINE_BYTES - operation->key_bytes - operation->attributes_bytes;
}

static inline uint8_t shard_of_hash(uint64_t shard_hash)
{
    return (uint8_t)(shard_hash >> 56);
}

#endif
