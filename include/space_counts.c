/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/space_counts.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "include/compiler.h"
#include "include/key_hash.h"

#define SLOTS (2 * SPACES_COUNTED_MAX)
#define STRIPES 8u
#define NOT_COUNTED UINT32_MAX

/* A slot's name never changes once it has bytes. */
struct space_name {
    _Atomic uint32_t bytes; /* 0: free */
    char text[NAMESPACE_NAME_BYTES_MAX];
};

struct space_cell {
    _Atomic int64_t keys, value_bytes;
};

struct space_counts {
    struct space_name names[SLOTS];
    alignas(GUARD_BYTES) struct space_cell cells[STRIPES][SLOTS];
    _Atomic uint32_t latest[STRIPES]; /* the slot that was added to last: often the next one too */
    pthread_mutex_t mutex;            /* of new names */
    _Atomic uint32_t name_count;
};

static_assert((SLOTS & (SLOTS - 1)) == 0, "a slot is the low bits of a hash");

int space_counts_create(struct space_counts **counts)
{
    size_t bytes = (sizeof(**counts) + GUARD_BYTES - 1) / GUARD_BYTES * GUARD_BYTES;
    struct space_counts *created = aligned_alloc(GUARD_BYTES, bytes);
    if (!created)
        return -ENOMEM;
    memset(created, 0, bytes);
    pthread_mutex_init(&created->mutex, NULL);
    *counts = created;
    return 0;
}

void space_counts_destroy(struct space_counts *counts)
{
    if (!counts)
        return;
    pthread_mutex_destroy(&counts->mutex);
    free(counts);
}

/* The name's slot, or the free one where it would go: at least half of them are free. */
static uint32_t find_slot(const struct space_counts *counts, const char *name, uint32_t name_bytes,
                          bool *is_there)
{
    uint32_t at = (uint32_t)key_hash_shard(name, name_bytes) % SLOTS;
    for (;; at = (at + 1) % SLOTS) {
        const struct space_name *slot = &counts->names[at];
        uint32_t bytes = atomic_load_explicit(&slot->bytes, memory_order_acquire);
        *is_there = bytes == name_bytes && memcmp(slot->text, name, name_bytes) == 0;
        if (*is_there || bytes == 0)
            return at;
    }
}

static uint32_t add_name(struct space_counts *counts, const char *name, uint32_t name_bytes)
{
    bool is_there;
    pthread_mutex_lock(&counts->mutex);
    uint32_t at = find_slot(counts, name, name_bytes, &is_there);
    if (!is_there && counts->name_count == SPACES_COUNTED_MAX) {
        at = NOT_COUNTED;
    } else if (!is_there) {
        memcpy(counts->names[at].text, name, name_bytes);
        atomic_store_explicit(&counts->names[at].bytes, name_bytes, memory_order_release);
        counts->name_count++;
    }
    pthread_mutex_unlock(&counts->mutex);
    return at;
}

static bool is_name(const struct space_name *slot, const char *name, uint32_t name_bytes)
{
    return atomic_load_explicit(&slot->bytes, memory_order_acquire) == name_bytes &&
           memcmp(slot->text, name, name_bytes) == 0;
}

static uint32_t slot_of(struct space_counts *counts, const char *name, uint32_t name_bytes)
{
    bool is_there;
    uint32_t at = find_slot(counts, name, name_bytes, &is_there);
    return is_there ? at : add_name(counts, name, name_bytes);
}

void space_counts_add(struct space_counts *counts, uint32_t stripe, const void *key,
                      uint32_t key_bytes, int64_t keys, int64_t value_bytes)
{
    uint32_t searched =
        key_bytes < NAMESPACE_NAME_BYTES_MAX + 1 ? key_bytes : NAMESPACE_NAME_BYTES_MAX + 1;
    const char *end = memchr(key, '\0', searched);
    if (!end || end == key)
        return; /* no key of ours */
    uint32_t name_bytes = (uint32_t)(end - (const char *)key);
    _Atomic uint32_t *latest = &counts->latest[stripe % STRIPES];
    uint32_t at = atomic_load_explicit(latest, memory_order_relaxed);
    if (!is_name(&counts->names[at], key, name_bytes)) {
        at = slot_of(counts, key, name_bytes);
        if (at == NOT_COUNTED)
            return;
        atomic_store_explicit(latest, at, memory_order_relaxed);
    }
    struct space_cell *cell = &counts->cells[stripe % STRIPES][at];
    atomic_fetch_add_explicit(&cell->keys, keys, memory_order_relaxed);
    atomic_fetch_add_explicit(&cell->value_bytes, value_bytes, memory_order_relaxed);
}

/* What moves from stripe to stripe meanwhile may make a sum negative for a moment. */
static uint64_t not_negative(int64_t sum)
{
    return sum > 0 ? (uint64_t)sum : 0;
}

static void read_slot(const struct space_counts *counts, uint32_t at, struct space_count *out)
{
    int64_t keys = 0, value_bytes = 0;
    for (uint32_t stripe = 0; stripe < STRIPES; stripe++) {
        const struct space_cell *cell = &counts->cells[stripe][at];
        keys += atomic_load_explicit(&cell->keys, memory_order_relaxed);
        value_bytes += atomic_load_explicit(&cell->value_bytes, memory_order_relaxed);
    }
    out->keys = not_negative(keys);
    out->value_bytes = not_negative(value_bytes);
}

bool space_counts_read(const struct space_counts *counts, const char *name, struct space_count *out)
{
    bool is_there;
    size_t name_bytes = strlen(name);
    if (name_bytes == 0 || name_bytes > NAMESPACE_NAME_BYTES_MAX)
        return false;
    uint32_t at = find_slot(counts, name, (uint32_t)name_bytes, &is_there);
    *out = (struct space_count){0};
    memcpy(out->name, name, name_bytes);
    if (is_there)
        read_slot(counts, at, out);
    return is_there || counts->name_count < SPACES_COUNTED_MAX;
}

bool space_counts_next(const struct space_counts *counts, uint32_t *at, struct space_count *out)
{
    for (; *at < SLOTS; ++*at) {
        uint32_t bytes = atomic_load_explicit(&counts->names[*at].bytes, memory_order_acquire);
        if (bytes == 0)
            continue;
        *out = (struct space_count){0};
        memcpy(out->name, counts->names[*at].text, bytes);
        read_slot(counts, (*at)++, out);
        return true;
    }
    return false;
}
