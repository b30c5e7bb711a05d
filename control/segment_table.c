/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/segment_table.h"

#include <errno.h>
#include <stdlib.h>

#include "control/shard_format.h"
#include "include/assert_policy.h"

int segment_table_init(struct segment_table *table)
{
    *table = (struct segment_table){0};
    table->segments =
        calloc(SEGMENTS_MAX, sizeof(table->segments[0])); /* untouched pages cost nothing */
    if (table->segments == NULL)
        return -ENOMEM;
    int status = pthread_mutex_init(&table->mutex, NULL);
    if (status != 0)
        free(table->segments);
    return -status;
}

void segment_table_destroy(struct segment_table *table)
{
    for (uint32_t id = 0; id < table->id_end; id++)
        free(segment_table_get(table, id));
    free(table->segments);
    pthread_mutex_destroy(&table->mutex);
}

static struct segment *add_locked(struct segment_table *table, uint32_t id)
{
    if (id >= SEGMENTS_MAX || segment_table_get(table, id) != NULL)
        return NULL;
    struct segment *segment = calloc(1, sizeof(*segment));
    if (segment == NULL)
        return NULL;
    segment->id = id;
    segment->fd = -1;
    if (id >= table->id_end)
        table->id_end = id + 1;
    atomic_store_explicit(&table->segments[id], segment, memory_order_release);
    return segment;
}

struct segment *segment_table_add(struct segment_table *table, uint32_t id)
{
    pthread_mutex_lock(&table->mutex);
    struct segment *segment = add_locked(table, id);
    pthread_mutex_unlock(&table->mutex);
    return segment;
}

struct segment *segment_table_new(struct segment_table *table)
{
    pthread_mutex_lock(&table->mutex);
    struct segment *segment = NULL;
    for (uint32_t id = 0; id < table->id_end && segment == NULL; id++) {
        struct segment *old = segment_table_get(table, id);
        if (old == NULL)
            segment = add_locked(table, id);
        else if (old->state == SEGMENT_ABSENT)
            segment = old;
    }
    if (segment == NULL)
        segment = add_locked(table, table->id_end);
    pthread_mutex_unlock(&table->mutex);
    return segment;
}

void segment_table_set_state(struct segment_table *table, struct segment *segment,
                             enum segment_state state)
{
    pthread_mutex_lock(&table->mutex);
    segment->state = state;
    pthread_mutex_unlock(&table->mutex);
}

void segment_table_put_spare(struct segment_table *table, struct segment *segment)
{
    pthread_mutex_lock(&table->mutex);
    ASSERT(segment->state != SEGMENT_SPARE && atomic_load(&segment->live_bytes) == 0);
    segment->state = SEGMENT_SPARE;
    atomic_store(&segment->used_bytes, SEGMENT_DATA_OFFSET);
    uint32_t spares = atomic_load(&table->spare_count) + 1;
    atomic_store(&table->spare_count, spares);
    if (spares > table->reserve_count)
        atomic_store(&table->is_full, false);
    pthread_mutex_unlock(&table->mutex);
}

struct segment *segment_table_take_spare(struct segment_table *table, uint32_t *spares_before)
{
    pthread_mutex_lock(&table->mutex);
    struct segment *taken = NULL;
    uint32_t spares = atomic_load(&table->spare_count);
    *spares_before = spares;
    for (uint32_t id = 0; spares > 0 && id < table->id_end && taken == NULL; id++) {
        struct segment *segment = segment_table_get(table, id);
        if (segment != NULL && segment->state == SEGMENT_SPARE)
            taken = segment;
    }
    if (taken != NULL) {
        taken->state = SEGMENT_ACTIVE;
        atomic_store(&table->spare_count, spares - 1);
    }
    pthread_mutex_unlock(&table->mutex);
    return taken;
}

static uint32_t dead_percent_of(struct segment *segment)
{
    uint64_t room = segment->bytes - SEGMENT_DATA_OFFSET;
    uint64_t live = atomic_load_explicit(&segment->live_bytes, memory_order_relaxed);
    ASSERT(live <= room);
    return (uint32_t)((room - live) * 100 / room);
}

struct segment *segment_table_take_victim(struct segment_table *table, uint32_t dead_percent)
{
    pthread_mutex_lock(&table->mutex);
    struct segment *best = NULL;
    uint32_t best_percent = 0;
    for (uint32_t id = 0; id < table->id_end; id++) {
        struct segment *segment = segment_table_get(table, id);
        if (segment == NULL || segment->state != SEGMENT_SEALED)
            continue;
        uint32_t percent = dead_percent_of(segment);
        if (percent >= dead_percent && percent > best_percent) {
            best = segment;
            best_percent = percent;
        }
    }
    if (best != NULL)
        best->state = SEGMENT_VICTIM;
    pthread_mutex_unlock(&table->mutex);
    return best;
}

struct segment *segment_table_hold_sealed(struct segment_table *table, uint32_t id)
{
    pthread_mutex_lock(&table->mutex);
    struct segment *segment = segment_table_get(table, id);
    if (segment != NULL && segment->state != SEGMENT_SEALED)
        segment = NULL;
    if (segment != NULL)
        atomic_fetch_add(&segment->readers, 1);
    pthread_mutex_unlock(&table->mutex);
    return segment;
}

void segment_table_quarantine(struct segment_table *table, struct segment *segment)
{
    pthread_mutex_lock(&table->mutex);
    if (segment->state == SEGMENT_SEALED)
        segment->state = SEGMENT_QUARANTINED;
    pthread_mutex_unlock(&table->mutex);
}

uint32_t segment_table_id_end(struct segment_table *table)
{
    pthread_mutex_lock(&table->mutex);
    uint32_t id_end = table->id_end;
    pthread_mutex_unlock(&table->mutex);
    return id_end;
}

void segment_table_sum(struct segment_table *table, struct segment_table_sums *sums)
{
    *sums = (struct segment_table_sums){0};
    pthread_mutex_lock(&table->mutex);
    for (uint32_t id = 0; id < table->id_end; id++) {
        struct segment *segment = segment_table_get(table, id);
        if (segment == NULL || segment->state == SEGMENT_ABSENT)
            continue;
        uint64_t used = atomic_load(&segment->used_bytes);
        uint64_t live = atomic_load(&segment->live_bytes);
        sums->disk_bytes += segment->bytes;
        sums->live_bytes += live;
        sums->quarantined_count += segment->state == SEGMENT_QUARANTINED;
        if (segment->state != SEGMENT_SPARE && used > SEGMENT_DATA_OFFSET + live)
            sums->dead_bytes += used - SEGMENT_DATA_OFFSET - live;
    }
    pthread_mutex_unlock(&table->mutex);
}

void segment_live_subtract(struct segment *segment, uint64_t bytes)
{
    uint64_t before = atomic_fetch_sub_explicit(&segment->live_bytes, bytes, memory_order_relaxed);
    ASSERT(before >= bytes);
}
