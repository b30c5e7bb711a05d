/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/scrub_extent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "include/counters.h"
#include "include/log.h"

#define ATTEMPTS_MAX 2u

int scrub_extent_attach(struct store *store)
{
    struct scrub_extent *extent = &store->scrubber.extent;
    extent->shard = store->thread_index;
    extent->hash = XXH3_createState();
    return extent->hash != NULL ? 0 : -ENOMEM;
}

void scrub_extent_detach(struct store *store)
{
    XXH3_freeState(store->scrubber.extent.hash);
}

static const struct index_entry *entry_of(const struct store *store)
{
    const struct scrub_extent *extent = &store->scrubber.extent;
    return shard_index_find(&store->set->extents[extent->shard], extent->key, sizeof(extent->key));
}

static void begin_value(struct store *store)
{
    struct scrub_extent *extent = &store->scrubber.extent;
    extent->offset = 0;
    XXH3_64bits_reset_withSeed(extent->hash,
                               extent_seed(&store->set->uuid, extent->pointer.extent_id));
}

/* The value after the last one, in the order of shards and versions. */
static bool find_value(struct store *store)
{
    struct scrub_extent *extent = &store->scrubber.extent;
    const struct store_set *set = store->set;
    for (; extent->shard < VIRTUAL_SHARDS; extent->shard += set->thread_count) {
        uint32_t key_bytes = extent->has_key ? sizeof(extent->key) : 0;
        const struct index_entry *entry =
            shard_index_next(&set->extents[extent->shard], extent->key, key_bytes, extent->has_key,
                             extent->key, &key_bytes);
        extent->has_key = entry != NULL;
        if (entry == NULL)
            continue;
        extent->pointer = (struct extent_pointer){entry->version, extent_entry_checksum(entry)};
        extent->value_bytes = extent_entry_bytes(entry);
        extent->attempt_count = 0;
        begin_value(store);
        return true;
    }
    extent->shard = store->thread_index;
    return false;
}

uint32_t scrub_extent_start(struct store *store)
{
    struct scrub_extent *extent = &store->scrubber.extent;
    struct store_set *set = store->set;
    if (extent->value_bytes == 0 && !find_value(store))
        return 0;
    uint32_t left = (uint32_t)round_up_to(extent->value_bytes - extent->offset, BLOCK_BYTES);
    uint32_t room = set->sizes.frame_bytes_max;
    extent->window_bytes = left < room ? left : room;
    extent->state = SCRUB_EXTENT_OPEN;
    extent_file_name(extent->name, extent->pointer.extent_id);
    extent->step.operation = (struct io_operation){.code = IO_OPEN,
                                                   .directory_fd = set->directory_fd,
                                                   .path = extent->name,
                                                   .open_flags = O_RDONLY | set->direct_flag};
    store_io_start(store, &extent->step, STORE_IO_SCRUB_EXTENT, NULL);
    return extent->window_bytes;
}

/* Unless it was superseded while it was being read. */
static void report(struct store *store, const char *what)
{
    const struct scrub_extent *extent = &store->scrubber.extent;
    const struct index_entry *entry = entry_of(store);
    if (entry == NULL || entry->version != extent->pointer.extent_id)
        return;
    count(store->counters, COUNTER_STORE_SCRUB_DAMAGE);
    log_error("store: %s/%s, a value of %u bytes: %s. Run gannet store verify %s to see which key "
              "it is, then write it again or restore a backup",
              store->set->directory, extent->name, extent->value_bytes, what,
              store->set->directory);
}

/* The window is over; `what` is wrong with the value, or NULL. */
static void finish_window(struct store *store, const char *what)
{
    struct scrub_extent *extent = &store->scrubber.extent;
    extent->state = SCRUB_EXTENT_IDLE;
    if (what != NULL && ++extent->attempt_count < ATTEMPTS_MAX) {
        begin_value(store);
        return;
    }
    if (what != NULL)
        report(store, what);
    if (what != NULL || extent->offset >= extent->value_bytes)
        extent->value_bytes = 0;
}

static const char *check_window(struct store *store)
{
    struct scrub_extent *extent = &store->scrubber.extent;
    if (extent->error != 0)
        return strerror(-extent->error);
    uint32_t left = extent->value_bytes - extent->offset;
    uint32_t bytes = left < extent->window_bytes ? left : extent->window_bytes;
    XXH3_64bits_update(extent->hash, store->scrubber.window, bytes);
    extent->offset += bytes;
    bool is_whole = extent->offset == extent->value_bytes;
    if (is_whole && XXH3_64bits_digest(extent->hash) != extent->pointer.checksum)
        return "its bytes do not match their checksum";
    return NULL;
}

void scrub_extent_step_done(struct store *store, struct store_io *io)
{
    struct scrub_extent *extent = &store->scrubber.extent;
    int64_t result = io->operation.result;
    switch ((enum scrub_extent_state)extent->state) {
    case SCRUB_EXTENT_OPEN:
        if (result < 0) {
            finish_window(store, strerror((int)-result));
            return;
        }
        extent->fd = (int)result;
        extent->state = SCRUB_EXTENT_READ;
        store_transfer_start(store, &extent->read, STORE_IO_SCRUB_EXTENT, NULL, IO_READ, extent->fd,
                             store->scrubber.window, extent->offset, extent->window_bytes);
        return;
    case SCRUB_EXTENT_READ:
        extent->error = 0;
        if (store_transfer_continue(store, &extent->read, &extent->error) == TRANSFER_MORE)
            return;
        extent->state = SCRUB_EXTENT_CLOSE;
        extent->step.operation = (struct io_operation){.code = IO_CLOSE, .fd = extent->fd};
        store_io_start(store, &extent->step, STORE_IO_SCRUB_EXTENT, NULL);
        return;
    case SCRUB_EXTENT_CLOSE:
        finish_window(store, check_window(store));
        return;
    case SCRUB_EXTENT_IDLE:
        break;
    }
    UNREACHABLE();
}
