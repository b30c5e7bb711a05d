/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * segment_table.h - all segments of a store: who uses them, how much of them is live.
 *
 * Purpose:   threads take spare segments from it, compaction finds victims in it, /metrics its
 *            sums.
 * Ownership: the table owns segments and their descriptors until it is destroyed; ids are reused.
 * Threading: any thread. The mutex guards states and counts; live_bytes, used_bytes and readers are
 *            atomic. Only the thread that owns a record's virtual shard changes its share of
 *            live_bytes.
 * Units:     bytes.
 * Errors:    take_spare returns NULL when there is none; making one is for segment_maker.
 * Source:    ARCHITECTURE.md, "Embedded engine".
 */
#ifndef GANNET_SEGMENT_TABLE_H
#define GANNET_SEGMENT_TABLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SEGMENTS_MAX (1u << 20) /* 64 TiB of default segments */

enum segment_state {
    SEGMENT_ABSENT = 0,  /* no file; the id may be used again with a higher generation */
    SEGMENT_SPARE,       /* empty, its generation durable: ready to be written */
    SEGMENT_ACTIVE,      /* a stream appends to it */
    SEGMENT_SEALED,      /* immutable */
    SEGMENT_VICTIM,      /* sealed, being compacted */
    SEGMENT_QUARANTINED, /* damaged: readable where it can be, never compacted or recycled */
    SEGMENT_STATE_COUNT,
};

struct segment {
    uint32_t id;
    int fd;
    uint64_t generation;
    uint64_t bytes;
    uint32_t state; /* enum segment_state, under the table's mutex */
    _Atomic uint32_t readers;
    _Atomic uint64_t used_bytes; /* end of the last frame */
    _Atomic uint64_t live_bytes; /* of records that are their key's newest */
};

struct segment_table {
    pthread_mutex_t mutex;
    _Atomic(struct segment *) *segments; /* by id; SEGMENTS_MAX */
    uint32_t id_end;                     /* ids below were given out */
    _Atomic uint32_t spare_count;
    _Atomic bool is_full;      /* no space for another segment: PUT is refused */
    bool is_making;            /* one thread is making a spare */
    uint32_t reserve_count;    /* spares kept for deletes and compaction */
    uint32_t compaction_count; /* of these, for compaction alone: one for each stream */
};

int segment_table_init(struct segment_table *table);
void segment_table_destroy(struct segment_table *table); /* descriptors must be closed before */

static inline struct segment *segment_table_get(struct segment_table *table, uint32_t id)
{
    if (id >= SEGMENTS_MAX)
        return NULL;
    return atomic_load_explicit(&table->segments[id], memory_order_acquire);
}

/* A new entry in state ABSENT. NULL: id taken, or no memory. */
struct segment *segment_table_add(struct segment_table *table, uint32_t id);
/* An id for a new file: an ABSENT one, or the next. NULL: none left, or no memory. */
struct segment *segment_table_new(struct segment_table *table);

void segment_table_set_state(struct segment_table *table, struct segment *segment,
                             enum segment_state state);
void segment_table_put_spare(struct segment_table *table, struct segment *segment);
/* Becomes ACTIVE. `spares`: how many there were, this one included. */
struct segment *segment_table_take_spare(struct segment_table *table, uint32_t *spares);

/*
 * The sealed segment with the largest share of dead bytes, if it is at least `dead_percent`.
 * Becomes VICTIM.
 */
struct segment *segment_table_take_victim(struct segment_table *table, uint32_t dead_percent);

/* NULL unless it is SEALED. Held, it may become a victim but is neither recycled nor removed. */
struct segment *segment_table_hold_sealed(struct segment_table *table, uint32_t id);

static inline void segment_release(struct segment *segment)
{
    atomic_fetch_sub(&segment->readers, 1);
}

/* Damaged. A victim stays one: compaction finds the damage itself. */
void segment_table_quarantine(struct segment_table *table, struct segment *segment);

uint32_t segment_table_id_end(struct segment_table *table);

struct segment_table_sums {
    uint64_t live_bytes, dead_bytes, disk_bytes;
    uint32_t quarantined_count;
};
void segment_table_sum(struct segment_table *table, struct segment_table_sums *sums);

static inline void segment_live_add(struct segment *segment, uint64_t bytes)
{
    atomic_fetch_add_explicit(&segment->live_bytes, bytes, memory_order_relaxed);
}

void segment_live_subtract(struct segment *segment, uint64_t bytes);

#endif
