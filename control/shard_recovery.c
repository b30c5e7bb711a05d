/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "control/planted_bugs.h"
#include "control/recovered_index.h"
#include "control/segment_maker.h"
#include "control/segment_scan.h"
#include "control/store_super.h"
#include "control/sync_probe.h"
#include "include/assert_policy.h"
#include "include/key_hash.h"
#include "include/log.h"

#define LOCK_ATTEMPTS 40u
#define LOCK_RETRY_NS                                                                              \
    (50 * UINT64_C(1000000)) /* io_uring of a killed process holds its lock a while */

struct name_list {
    uint64_t *ids;
    uint32_t count, room;
    bool is_short_of_memory;
};

/* Everything that lives only while the directory is opened. */
struct recovery {
    struct store_set *set;
    struct io_loop *loop;
    struct name_list segments, extents, leftovers;
    struct segment_scanner scanner;
    struct segment_scan *scans; /* in the order of segments.ids */
    struct recovered_index recovered;
    uint64_t torn_bytes;
    uint32_t torn_segments, damaged_segments;
    uint64_t newest_epoch; /* of which there are traces */
    bool was_clean;
    bool super_is_alone; /* a newer one may be lost */
};

/* ---- the directory ---- */

static void list_add(struct name_list *list, uint64_t id)
{
    if (list->count == list->room) {
        uint32_t room = list->room == 0 ? 64 : list->room * 2;
        uint64_t *ids = realloc(list->ids, room * sizeof(ids[0]));
        if (ids == NULL) {
            list->is_short_of_memory = true;
            return;
        }
        list->ids = ids;
        list->room = room;
    }
    list->ids[list->count++] = id;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void list_sort(struct name_list *list)
{
    if (list->count > 0)
        qsort(list->ids, list->count, sizeof(list->ids[0]), compare_ids);
}

static void directory_entry(void *context, const char *name)
{
    struct recovery *recovery = context;
    uint32_t segment_id;
    uint64_t extent_id;
    char twin[FILE_NAME_BYTES];
    size_t bytes = strlen(name);
    if (segment_file_parse(name, &segment_id)) {
        list_add(&recovery->segments, segment_id);
    } else if (extent_file_parse(name, &extent_id)) {
        list_add(&recovery->extents, extent_id);
    } else if (bytes == 16 && strcmp(name + 12, ".new") == 0) {
        memcpy(twin, name, 12);
        memcpy(twin + 12, ".log", 5);
        if (segment_file_parse(twin, &segment_id))
            list_add(&recovery->leftovers, segment_id);
    }
}

static int run_simple(struct recovery *recovery, struct io_operation operation)
{
    int64_t result = store_run(recovery->loop, &operation);
    return result < 0 ? (int)result : 0;
}

static int sync_directory(struct recovery *recovery)
{
    return run_simple(
        recovery, (struct io_operation){.code = IO_SYNC_ALL, .fd = recovery->set->directory_fd});
}

static int sync_parent(struct recovery *recovery, char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        *slash = 0;
    struct io_operation open = {.code = IO_OPEN,
                                .directory_fd = AT_FDCWD,
                                .path = slash == NULL  ? "."
                                        : path[0] == 0 ? "/"
                                                       : path,
                                .open_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC};
    int64_t fd = store_run(recovery->loop, &open);
    if (fd < 0)
        return (int)fd;
    int status = run_simple(recovery, (struct io_operation){.code = IO_SYNC_ALL, .fd = (int)fd});
    run_simple(recovery, (struct io_operation){.code = IO_CLOSE, .fd = (int)fd});
    return status;
}

/*
 * mkdir -p, each name made durable in its parent. The last one is synced even if it was there:
 * a crash may have come between its making and its sync.
 */
static int make_directories(struct recovery *recovery)
{
    const char *whole = recovery->set->directory;
    char path[sizeof(recovery->set->directory)];
    for (size_t i = 1;; i++) {
        if (whole[i] != '/' && whole[i] != 0)
            continue;
        memcpy(path, whole, i);
        path[i] = 0;
        int status = io_make_directory(recovery->loop, path, 0700);
        bool is_new = status == 0;
        if (status < 0 && status != -EEXIST)
            return status;
        if (is_new || whole[i] == 0) {
            status = sync_parent(recovery, path);
            if (status < 0 && (is_new || status != -EACCES))
                return status;
        }
        if (whole[i] == 0)
            return 0;
    }
}

static int open_directory(struct recovery *recovery)
{
    struct store_set *set = recovery->set;
    int status = make_directories(recovery);
    struct io_operation open = {.code = IO_OPEN,
                                .directory_fd = AT_FDCWD,
                                .path = set->directory,
                                .open_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC};
    int64_t fd = status < 0 ? status : store_run(recovery->loop, &open);
    if (fd < 0) {
        log_error("store: cannot open the directory %s: %s", set->directory, strerror((int)-fd));
        return (int)fd;
    }
    set->directory_fd = (int)fd;
    return 0;
}

static int take_lock(struct recovery *recovery)
{
    struct store_set *set = recovery->set;
    struct io_operation open = {.code = IO_OPEN,
                                .directory_fd = set->directory_fd,
                                .path = "LOCK",
                                .open_flags = O_RDWR | O_CREAT | O_CLOEXEC,
                                .mode = 0600};
    int64_t fd = store_run(recovery->loop, &open);
    if (fd < 0) {
        log_error("store: cannot create %s/LOCK: %s", set->directory, strerror((int)-fd));
        return (int)fd;
    }
    set->lock_fd = (int)fd;
    int status = io_lock(recovery->loop, set->lock_fd);
    for (uint32_t attempt = 0; status == -EWOULDBLOCK && attempt < LOCK_ATTEMPTS; attempt++) {
        io_wait(recovery->loop, LOCK_RETRY_NS);
        status = io_lock(recovery->loop, set->lock_fd);
    }
    if (status == -EWOULDBLOCK)
        log_error("store: %s is in use by another process", set->directory);
    else if (status < 0)
        log_error("store: cannot lock %s/LOCK: %s", set->directory, strerror(-status));
    return status;
}

static int remove_leftovers(struct recovery *recovery)
{
    for (uint32_t i = 0; i < recovery->leftovers.count; i++) {
        char name[FILE_NAME_BYTES];
        segment_file_name(name, (uint32_t)recovery->leftovers.ids[i]);
        memcpy(name + 12, ".new", 5);
        int status =
            run_simple(recovery, (struct io_operation){.code = IO_UNLINK,
                                                       .directory_fd = recovery->set->directory_fd,
                                                       .path = name});
        if (status < 0 && status != -ENOENT)
            return status;
    }
    return 0;
}

/* ---- the index ---- */

static void note_record(void *context, struct segment *segment, uint64_t offset,
                        const struct record_header *record)
{
    struct recovery *recovery = context;
    recovered_index_add(&recovery->recovered, segment, offset, record);
}

/* Forgets tombstones that shadow nothing. */
static void settle_shard(struct recovery *recovery, uint32_t shard)
{
    struct store_set *set = recovery->set;
    struct shard_index *index = &set->indexes[shard];
    uint8_t key[KEY_BYTES_MAX];
    uint32_t key_bytes = 0;
    struct index_entry *entry;
    while (atomic_load(&recovery->recovered.tombstone_count) > 0 &&
           (entry = shard_index_next(index, key, key_bytes, key_bytes > 0, key, &key_bytes)) !=
               NULL) {
        if ((index_entry_flags(entry) & INDEX_TOMBSTONE) == 0)
            continue;
        if (entry->stale_puts > 0)
            continue;
        segment_live_subtract(segment_table_get(&set->table, entry->segment_id),
                              index_entry_bytes(entry));
        shard_index_erase(index, key, key_bytes);
    }
}

static int settle_extents(struct recovery *recovery)
{
    struct store_set *set = recovery->set;
    struct name_list live = {0};
    uint64_t missing_count = 0;
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++) {
        uint8_t key[8];
        uint32_t key_bytes = 0;
        struct index_entry *entry;
        while ((entry = shard_index_next(&set->extents[shard], key, key_bytes, key_bytes > 0, key,
                                         &key_bytes)) != NULL) {
            uint64_t id = entry->version;
            list_add(&live, id);
            atomic_fetch_add(&set->extent_bytes,
                             round_up_to(extent_entry_bytes(entry), BLOCK_BYTES));
            /* compaction removes the file of an expired value before the record itself is gone */
            bool may_be_missing = entry->stale_puts != 0;
            if (may_be_missing)
                continue;
            if (recovery->extents.count == 0 ||
                bsearch(&id, recovery->extents.ids, recovery->extents.count, sizeof(id),
                        compare_ids) == NULL)
                missing_count++;
        }
    }
    list_sort(&live);
    int status = live.is_short_of_memory ? -ENOMEM : 0;
    for (uint32_t i = 0; status == 0 && i < recovery->extents.count; i++) {
        uint64_t id = recovery->extents.ids[i];
        if (live.count > 0 && bsearch(&id, live.ids, live.count, sizeof(id), compare_ids) != NULL)
            continue;
        char name[FILE_NAME_BYTES];
        extent_file_name(name, id);
        status = run_simple(recovery, (struct io_operation){.code = IO_UNLINK,
                                                            .directory_fd = set->directory_fd,
                                                            .path = name});
    }
    free(live.ids);
    if (status == 0 && missing_count > 0) {
        log_error("store: %llu large values in %s have lost their files (ext-*)",
                  (unsigned long long)missing_count, set->directory);
        status = set->quarantines ? 0 : -EBADMSG;
    }
    return status;
}

/* ---- segments ---- */

static int64_t open_segment(struct recovery *recovery, const char *name)
{
    struct store_set *set = recovery->set;
    struct io_operation open = {.code = IO_OPEN,
                                .directory_fd = set->directory_fd,
                                .path = name,
                                .open_flags = O_RDWR | O_CLOEXEC | set->direct_flag};
    return store_run(recovery->loop, &open);
}

static int add_segment(struct recovery *recovery, uint32_t id, struct segment_scan *scan)
{
    struct store_set *set = recovery->set;
    char name[FILE_NAME_BYTES];
    segment_file_name(name, id);
    struct segment *segment = segment_table_add(&set->table, id);
    if (segment == NULL)
        return id >= SEGMENTS_MAX ? -EFBIG : -ENOMEM;
    int64_t fd = open_segment(recovery, name);
    if (fd < 0) {
        log_error("store: cannot open %s/%s: %s", set->directory, name, strerror((int)-fd));
        return (int)fd;
    }
    segment->fd = (int)fd;
    segment_table_set_state(&set->table, segment, SEGMENT_SEALED);
    int status = segment_scan_run(&recovery->scanner, segment, scan);
    if (status == 0 && atomic_load(&recovery->recovered.is_short_of_memory))
        status = -ENOMEM;
    if (status < 0) {
        log_error("store: cannot recover %s/%s: %s", set->directory, name, strerror(-status));
        return status;
    }
    atomic_store(&segment->used_bytes, scan->end_offset);
    if (scan->wall_ms_max > atomic_load(&set->wall_ms_floor))
        atomic_store(&set->wall_ms_floor, scan->wall_ms_max);
    uint64_t epoch = scan->epoch > scan->header_epoch ? scan->epoch : scan->header_epoch;
    if (epoch > recovery->newest_epoch)
        recovery->newest_epoch = epoch;
    recovery->torn_bytes += scan->torn_bytes;
    recovery->torn_segments += scan->torn_bytes > 0;
    if (scan->is_damaged) {
        recovery->damaged_segments++;
        log_error("store: %s/%s: acknowledged data is damaged at offset %llu: %llu bytes, %llu of "
                  "its records saved, %llu lost or unknown",
                  set->directory, name, (unsigned long long)scan->damage_offset,
                  (unsigned long long)scan->damage_bytes, (unsigned long long)scan->salvaged_count,
                  (unsigned long long)scan->lost_count);
        segment_table_set_state(&set->table, segment, SEGMENT_QUARANTINED);
    }
    return 0;
}

static const struct segment_scan *scan_of(const struct recovery *recovery, uint32_t id)
{
    uint64_t wanted = id;
    const uint64_t *found = recovery->segments.count == 0
                                ? NULL
                                : bsearch(&wanted, recovery->segments.ids, recovery->segments.count,
                                          sizeof(wanted), compare_ids);
    return found == NULL ? NULL : &recovery->scans[found - recovery->segments.ids];
}

/* A stream says where it left the segment before: what was there must still be there. */
static void check_links(struct recovery *recovery)
{
    for (uint32_t i = 0; i < recovery->segments.count; i++) {
        const struct segment_scan *scan = &recovery->scans[i];
        if (scan->frame_count == 0 || scan->previous_segment_id == UINT32_MAX)
            continue;
        const struct segment_scan *previous = scan_of(recovery, scan->previous_segment_id);
        if (previous == NULL || previous->generation != scan->previous_generation ||
            previous->end_offset >= scan->previous_end_offset || previous->is_damaged)
            continue;
        recovery->damaged_segments++;
        log_error("store: segment %08x ends at %llu, but %08x continues it from %llu: "
                  "acknowledged data is missing",
                  scan->previous_segment_id, (unsigned long long)previous->end_offset,
                  (uint32_t)recovery->segments.ids[i],
                  (unsigned long long)scan->previous_end_offset);
        segment_table_set_state(&recovery->set->table,
                                segment_table_get(&recovery->set->table, scan->previous_segment_id),
                                SEGMENT_QUARANTINED);
    }
}

static int write_block(struct recovery *recovery, int fd, uint8_t *block, uint64_t offset)
{
    for (uint32_t done_bytes = 0, attempts = 0; done_bytes < BLOCK_BYTES; attempts++) {
        /* whole again after a short write: O_DIRECT wants the alignment */
        struct io_operation write = {
            .code = IO_WRITE, .fd = fd, .buffer = block, .offset = offset, .bytes = BLOCK_BYTES};
        int64_t result = store_run(recovery->loop, &write);
        if (result < 0)
            return (int)result;
        if (attempts > TRANSFER_RETRIES_MAX)
            return -EIO;
        done_bytes = (uint32_t)result;
    }
    return run_simple(recovery, (struct io_operation){.code = IO_SYNC_DATA, .fd = fd});
}

/*
 * Ends an open segment for good: what was torn behind the seal can never be read as a frame again.
 */
static int seal_segment(struct recovery *recovery, struct segment *segment,
                        const struct segment_scan *scan)
{
    uint8_t *block = recovery->scanner.block;
    struct frame_header *header = (struct frame_header *)(void *)block;
    if (scan->end_offset + BLOCK_BYTES > segment->bytes)
        return 0;
    memset(block, 0, BLOCK_BYTES);
    header->magic = FRAME_MAGIC;
    header->format_major = FORMAT_MAJOR;
    header->stream = scan->stream;
    header->segment_id = segment->id;
    header->generation = segment->generation;
    header->epoch = scan->epoch;
    header->sequence = scan->last_sequence + 1;
    header->durable_sequence = scan->last_sequence;
    header->previous_checksum = scan->last_checksum;
    header->wall_ms = scan->wall_ms_max;
    header->previous_generation = scan->previous_generation;
    header->previous_end_offset = scan->previous_end_offset;
    header->previous_segment_id = scan->previous_segment_id;
    header->first_sequence = scan->first_sequence;
    header->flags = FRAME_SEAL;
    struct format_place place = {recovery->set->uuid, segment->generation, scan->end_offset,
                                 segment->id};
    frame_seal(block, &place);
    return write_block(recovery, segment->fd, block, scan->end_offset);
}

static int discard_file(struct recovery *recovery, struct segment *segment)
{
    char name[FILE_NAME_BYTES];
    segment_file_name(name, segment->id);
    run_simple(recovery, (struct io_operation){.code = IO_CLOSE, .fd = segment->fd});
    segment->fd = -1;
    segment_table_set_state(&recovery->set->table, segment, SEGMENT_ABSENT);
    return run_simple(recovery, (struct io_operation){.code = IO_UNLINK,
                                                      .directory_fd = recovery->set->directory_fd,
                                                      .path = name});
}

/*
 * Nothing valid in it: a spare. After a crash it begins a new life, since a torn first frame may
 * lie there.
 */
static int reuse_empty(struct recovery *recovery, struct segment *segment)
{
    struct store_set *set = recovery->set;
    if (segment->bytes != set->sizes.segment_bytes)
        return discard_file(recovery, segment);
    if (!recovery->was_clean) {
        segment->generation++;
        segment_header_make((struct segment_header *)(void *)recovery->scanner.block, &set->uuid,
                            segment->id, segment->generation, segment->bytes, set->epoch);
        int status = write_block(recovery, segment->fd, recovery->scanner.block,
                                 segment->generation % 2 * BLOCK_BYTES);
        if (status < 0)
            return status;
    }
    segment_table_put_spare(&set->table, segment);
    return 0;
}

static int settle_segments(struct recovery *recovery)
{
    struct store_set *set = recovery->set;
    for (uint32_t i = 0; i < recovery->segments.count; i++) {
        const struct segment_scan *scan = &recovery->scans[i];
        struct segment *segment =
            segment_table_get(&set->table, (uint32_t)recovery->segments.ids[i]);
        int status;
        if (scan->frame_count == 0 && !scan->is_damaged)
            status = reuse_empty(recovery, segment);
        else if (!scan->is_sealed)
            status = seal_segment(recovery, segment, scan);
        else
            status = run_simple(recovery,
                                (struct io_operation){.code = IO_SYNC_DATA, .fd = segment->fd});
        if (status < 0)
            return status;
    }
    return 0;
}

static int scan_segments(struct recovery *recovery)
{
    struct store_set *set = recovery->set;
    recovery->scans = calloc(recovery->segments.count + 1, sizeof(recovery->scans[0]));
    if (recovery->scans == NULL ||
        segment_scanner_init(&recovery->scanner, recovery->loop, &set->uuid,
                             set->sizes.segment_bytes, note_record, recovery) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < recovery->segments.count; i++) {
        int status =
            add_segment(recovery, (uint32_t)recovery->segments.ids[i], &recovery->scans[i]);
        if (status < 0)
            return status;
    }
    recovered_index_settle(&recovery->recovered);
    if (atomic_load(&recovery->recovered.is_short_of_memory))
        return -ENOMEM;
    check_links(recovery);
    if (recovery->damaged_segments > 0 && !set->quarantines) {
        log_error("store: refusing to open %s. Restore it from a backup, or set "
                  "store.on_corruption: quarantine to go on without the damaged records",
                  set->directory);
        return -EBADMSG;
    }
    if (recovery->torn_segments > 0)
        log_warning("store: discarded %llu bytes of writes that were never acknowledged at the end "
                    "of %u segments",
                    (unsigned long long)recovery->torn_bytes, recovery->torn_segments);
    return 0;
}

/* ---- opening ---- */

/* Whether the file system takes O_DIRECT at all (tmpfs before Linux 6.6 does not). */
static void probe_direct(struct recovery *recovery)
{
    struct store_set *set = recovery->set;
    struct io_operation open = {.code = IO_OPEN,
                                .directory_fd = set->directory_fd,
                                .path = "LOCK",
                                .open_flags = O_RDONLY | O_CLOEXEC | O_DIRECT};
    int64_t fd = store_run(recovery->loop, &open);
    set->direct_flag = fd >= 0 ? O_DIRECT : 0;
    if (fd >= 0)
        run_simple(recovery, (struct io_operation){.code = IO_CLOSE, .fd = (int)fd});
    else
        log_info("store: %s has no O_DIRECT; reads and writes go through the page cache",
                 set->directory);
}

static int load_identity(struct recovery *recovery)
{
    struct store_set *set = recovery->set;
    int status =
        super_load(set, recovery->loop, recovery->segments.count > 0, &recovery->super_is_alone);
    if (status == -ENOENT)
        super_create(set, recovery->loop);
    else if (status < 0)
        return status;
    recovery->was_clean = set->super->is_clean == 1 && !recovery->super_is_alone;
    set->uuid = set->super->uuid;
    atomic_store(&set->wall_ms_floor, set->super->wall_ms);
    return 0;
}

/* Above every epoch there was, also one whose superblock is lost: names of files come from it. */
static void begin_epoch(struct recovery *recovery)
{
    struct store_set *set = recovery->set;
    uint64_t newest = recovery->newest_epoch;
    for (uint32_t i = 0; i < recovery->extents.count; i++)
        if (recovery->extents.ids[i] >> 32 > newest)
            newest = recovery->extents.ids[i] >> 32;
    if (newest > set->super->epoch)
        log_warning("store: the newest superblock of %s is lost; going on from the other copy and "
                    "from what the files say",
                    set->directory);
    else
        newest = set->super->epoch;
    set->epoch = newest + 1;
    atomic_store(&set->next_extent_id, set->epoch << 32);
}

/*
 * From here on no version at or above these ceilings was ever given out, and none below will be
 * again.
 */
static int reserve_versions(struct recovery *recovery)
{
    struct store_set *set = recovery->set;
    struct superblock *super = set->super;
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++) {
        uint64_t next = super->version_ceilings[shard];
        if (recovery->super_is_alone) /* a newer one raised them by no more than that */
            next += 2 * set->sizes.version_block;
        if (recovery->recovered.version_max[shard] >= next)
            next = recovery->recovered.version_max[shard] + 1;
        if (planted_bug(PLANTED_REISSUE_VERSION) && !recovery->was_clean)
            next = recovery->recovered.version_max[shard] + 1;
        set->next_version[shard] = next;
        set->wanted_ceilings[shard] = next + 2 * set->sizes.version_block;
        super->version_ceilings[shard] = set->wanted_ceilings[shard];
    }
    super->epoch = set->epoch;
    super->is_clean = 0;
    int status = super_replace(set, recovery->loop);
    if (status < 0) {
        log_error("store: cannot write the superblock of %s: %s", set->directory,
                  strerror(-status));
        return status;
    }
    for (uint32_t shard = 0; shard < VIRTUAL_SHARDS; shard++)
        atomic_store(&set->ceilings[shard], set->wanted_ceilings[shard]);
    return sync_directory(recovery);
}

static int make_spares(struct recovery *recovery)
{
    struct store_set *set = recovery->set;
    struct segment_maker maker;
    int status = segment_maker_init(&maker);
    while (status == 0 && atomic_load(&set->table.spare_count) < segment_spares_wanted(set))
        status = segment_maker_run(set, recovery->loop, &maker);
    segment_maker_destroy(&maker);
    bool is_full = status == -ENOSPC || status == -EDQUOT || status == -EFBIG;
    return is_full ? 0 : status; /* a full disk still serves reads and deletes */
}

static int recover(struct recovery *recovery)
{
    struct store_set *set = recovery->set;
    uint64_t started_ns = io_now_ns(recovery->loop);
    int status = open_directory(recovery);
    if (status == 0)
        status = take_lock(recovery);
    if (status == 0)
        status = io_list_directory(recovery->loop, set->directory, directory_entry, recovery);
    if (status == 0 &&
        (recovery->segments.is_short_of_memory || recovery->extents.is_short_of_memory))
        status = -ENOMEM;
    list_sort(&recovery->segments);
    list_sort(&recovery->extents);
    if (status == 0)
        status = load_identity(recovery);
    if (status == 0)
        status = remove_leftovers(recovery);
    if (status == 0)
        probe_direct(recovery);
    if (status == 0)
        status = scan_segments(recovery);
    for (uint32_t shard = 0; status == 0 && shard < VIRTUAL_SHARDS; shard++)
        settle_shard(recovery, shard);
    if (status == 0)
        begin_epoch(recovery);
    if (status == 0)
        status = reserve_versions(recovery);
    if (status == 0)
        status = settle_segments(recovery);
    if (status == 0)
        status = settle_extents(recovery);
    if (status == 0)
        status = make_spares(recovery);
    if (status == 0)
        status = sync_method_choose(set, recovery->loop);
    if (status == 0)
        log_info("store: %s opened in %llu ms: %llu records in %u segments, %s", set->directory,
                 (unsigned long long)((io_now_ns(recovery->loop) - started_ns) / 1000000),
                 (unsigned long long)recovery->recovered.record_count, recovery->segments.count,
                 recovery->was_clean ? "after a clean end" : "after a crash or for the first time");
    return status;
}

int shard_recovery_run(struct store_set *set, struct io_loop *loop)
{
    struct recovery *recovery = calloc(1, sizeof(*recovery));
    if (recovery == NULL)
        return -ENOMEM;
    recovery->set = set;
    recovery->loop = loop;
    recovery->recovered.set = set;
    int status = recover(recovery);
    segment_scanner_destroy(&recovery->scanner);
    recovered_index_destroy(&recovery->recovered);
    free(recovery->scans);
    free(recovery->segments.ids);
    free(recovery->extents.ids);
    free(recovery->leftovers.ids);
    free(recovery);
    return status;
}

/* ---- closing ---- */

static void close_fd(struct io_loop *loop, int *fd)
{
    if (*fd < 0)
        return;
    struct io_operation close = {.code = IO_CLOSE, .fd = *fd};
    *fd = -1;
    store_run(loop, &close);
}

void shard_recovery_close_files(struct store_set *set, struct io_loop *loop)
{
    for (uint32_t id = 0; id < set->table.id_end; id++) {
        struct segment *segment = segment_table_get(&set->table, id);
        if (segment != NULL)
            close_fd(loop, &segment->fd);
    }
    close_fd(loop, &set->super_fds[0]);
    close_fd(loop, &set->super_fds[1]);
    close_fd(loop, &set->lock_fd);
    close_fd(loop, &set->directory_fd);
}

void shard_recovery_close(struct store_set *set, struct io_loop *loop)
{
    if (!atomic_load(&set->has_ended_badly) && io_in_flight(loop) == 0) {
        memcpy(set->super->version_ceilings, set->next_version, sizeof(set->next_version));
        set->super->is_clean = 1;
        int status = super_store(set, loop);
        if (status < 0)
            log_warning("store: %s could not be marked as cleanly closed: %s", set->directory,
                        strerror(-status));
    }
    shard_recovery_close_files(set, loop);
}
