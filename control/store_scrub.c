/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_scrub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/scrub_extent.h"
#include "include/counters.h"
#include "include/log.h"

#define FIRST_PASS_AFTER_NS (1000 * UINT64_C(1000000))
#define PASS_NS_MIN (3600 * UINT64_C(1000000000)) /* a small store is not read all the time */
#define ATTEMPTS_MAX 2u

int scrub_attach(struct store *store)
{
    struct scrubber *scrubber = &store->scrubber;
    scrubber->due_ns = UINT64_MAX;
    if (store->set->scrub_bytes_per_s == 0)
        return 0;
    scrubber->next_id = store->thread_index;
    scrubber->due_ns = store->now_ns + FIRST_PASS_AFTER_NS;
    scrubber->pass_started_ns = scrubber->due_ns;
    scrubber->window = aligned_alloc(BLOCK_BYTES, store->set->sizes.frame_bytes_max);
    return scrubber->window != NULL ? scrub_extent_attach(store) : -ENOMEM;
}

void scrub_detach(struct store *store)
{
    scrub_extent_detach(store);
    free(store->scrubber.window);
}

static void next_segment(struct store *store)
{
    store->scrubber.next_id += store->set->thread_count;
    store->scrubber.offset = 0;
    store->scrubber.attempt_count = 0;
}

/* The segment to go on with, held; NULL: the pass is complete. */
static struct segment *hold_segment(struct store *store)
{
    struct scrubber *scrubber = &store->scrubber;
    while (scrubber->next_id < segment_table_id_end(&store->set->table)) {
        struct segment *segment = segment_table_hold_sealed(&store->set->table, scrubber->next_id);
        if (segment != NULL && scrubber->offset == 0) {
            scrubber->generation = segment->generation;
            scrubber->offset = SEGMENT_DATA_OFFSET;
        }
        if (segment != NULL && scrubber->generation == segment->generation &&
            scrubber->offset < atomic_load(&segment->used_bytes))
            return segment;
        if (segment != NULL)
            segment_release(segment);
        next_segment(store);
    }
    return NULL;
}

static void finish_pass(struct store *store)
{
    struct scrubber *scrubber = &store->scrubber;
    atomic_store(&store->set->scrub_pass_ms[store->thread_index], store_wall_ms(store, 0));
    scrubber->next_id = store->thread_index;
    scrubber->offset = 0;
    uint64_t earliest_ns = scrubber->pass_started_ns + PASS_NS_MIN;
    scrubber->due_ns = store->now_ns > earliest_ns ? store->now_ns : earliest_ns;
    scrubber->pass_started_ns = scrubber->due_ns;
}

static bool is_busy(const struct store *store)
{
    const struct scrubber *scrubber = &store->scrubber;
    return scrubber->segment != NULL || scrubber->extent.state != SCRUB_EXTENT_IDLE;
}

static void take_time_for(struct store *store, uint32_t bytes)
{
    const struct store_set *set = store->set;
    store->scrubber.due_ns =
        store->now_ns + bytes * UINT64_C(1000000000) * set->thread_count / set->scrub_bytes_per_s;
    count_many(store->counters, COUNTER_STORE_SCRUBBED_BYTES, bytes);
}

/* After the segments. */
static void advance_extents(struct store *store)
{
    uint32_t bytes = scrub_extent_start(store);
    if (bytes > 0)
        take_time_for(store, bytes);
    else
        finish_pass(store);
}

void scrub_advance(struct store *store)
{
    struct scrubber *scrubber = &store->scrubber;
    if (store->now_ns < scrubber->due_ns || is_busy(store) || store->is_closing)
        return;
    struct segment *segment = hold_segment(store);
    if (segment == NULL) {
        advance_extents(store);
        return;
    }
    uint64_t left = atomic_load(&segment->used_bytes) - scrubber->offset;
    uint32_t room = store->set->sizes.frame_bytes_max;
    scrubber->segment = segment;
    scrubber->window_bytes = left < room ? (uint32_t)left : room;
    take_time_for(store, scrubber->window_bytes);
    store_transfer_start(store, &scrubber->read, STORE_IO_SCRUB, NULL, IO_READ, segment->fd,
                         scrubber->window, scrubber->offset, scrubber->window_bytes);
}

/* The bytes of whole frames at the beginning of the window that are as they were written. */
static uint32_t good_bytes(struct store *store, bool *is_damaged)
{
    const struct scrubber *scrubber = &store->scrubber;
    uint32_t at = 0;
    while (at < scrubber->window_bytes && !*is_damaged) {
        const uint8_t *frame = scrubber->window + at;
        const struct frame_header *header = (const struct frame_header *)(const void *)frame;
        struct format_place place = {store->set->uuid, scrubber->generation, scrubber->offset + at,
                                     scrubber->segment->id};
        uint32_t room = scrubber->window_bytes - at;
        *is_damaged = !frame_header_check(header, &place);
        if (*is_damaged || frame_bytes(header->payload_bytes) > room)
            break;
        *is_damaged = !frame_payload_check(frame, room, &place);
        if (!*is_damaged)
            at += (uint32_t)frame_bytes(header->payload_bytes);
    }
    return at;
}

static void report(struct store *store, const char *what)
{
    const struct scrubber *scrubber = &store->scrubber;
    const struct store_set *set = store->set;
    count(store->counters, COUNTER_STORE_SCRUB_DAMAGE);
    log_error("store: segment %08x near %llu: %s. Its records are read where they can be, it is "
              "never written again%s. Run gannet store verify %s to see which keys are damaged, "
              "then write them again or restore a backup",
              scrubber->segment->id, (unsigned long long)scrubber->offset, what,
              set->quarantines ? "" : ", and the next start will refuse (store.on_corruption)",
              set->directory);
    segment_table_quarantine(&store->set->table, scrubber->segment);
}

void scrub_read_done(struct store *store)
{
    struct scrubber *scrubber = &store->scrubber;
    int error = 0;
    bool is_damaged = false;
    enum transfer_state state = store_transfer_continue(store, &scrubber->read, &error);
    if (state == TRANSFER_MORE)
        return;
    uint32_t good = state == TRANSFER_DONE ? good_bytes(store, &is_damaged) : 0;
    bool is_bad = state == TRANSFER_FAILED || is_damaged;
    scrubber->offset += good;
    if (good > 0)
        scrubber->attempt_count = 0;
    if (is_bad && ++scrubber->attempt_count >= ATTEMPTS_MAX) {
        report(store,
               state == TRANSFER_FAILED ? strerror(-error) : "a frame does not match its checksum");
        next_segment(store);
    } else if (!is_bad && good == 0) {
        next_segment(store); /* a frame of another configuration, longer than the window */
    }
    segment_release(scrubber->segment);
    scrubber->segment = NULL;
}

uint64_t scrub_next_deadline_ns(const struct store *store)
{
    return store->is_closing || is_busy(store) ? UINT64_MAX : store->scrubber.due_ns;
}
