/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_log.h - the embedded engine from inside: what its files share. Users see store.h only.
 *
 * Purpose:   struct store_set (one per process) and struct store (one per control thread).
 * Ownership: a virtual shard, its index, versions and pending writes belong to control thread
 *            v % threads; the stream (active segment) and all I/O of a store to its own thread.
 * Threading: fields of store_set are marked; everything in struct store is its thread's alone.
 * Units:     bytes; _ns monotone; _ms wall.
 * Errors:    0 or negative errno; answers carry enum shard_status.
 * Source:    ARCHITECTURE.md, "Embedded engine" and "What makes reads linearizable".
 *
 * The life of a write:  store_submit -> arrivals -> (evaluated: condition, version, space)
 *   -> open batch -> frame written -> frame synced -> index changed -> answered.
 * The life of a read:   store_submit -> index -> memory (recent frames) or read job -> compared
 * with
 *   the index again -> answered.
 */
#ifndef GANNET_STORE_LOG_H
#define GANNET_STORE_LOG_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/io_loop.h"
#include "control/segment_table.h"
#include "control/shard_format.h"
#include "control/shard_index.h"
#include "control/store.h"
#include "include/assert_policy.h"
#include "include/shard_operation.h"
#include "include/space_counts.h"

#define CONTROL_THREADS_MAX 64u
#define BATCH_ENTRIES_MAX 4096u
#define BATCH_BUCKETS 4096u
#define READ_BUCKETS 256u
#define READ_JOBS_MAX 256u /* more would only queue up in the device; else control.io_depth */
#define READ_BUFFER_BYTES (80u * 1024u)
#define EXTENT_JOBS_MAX 8u
#define EXTENT_LANES 4u
#define COVER_AFTER_NS (10 * UINT64_C(1000000))
#define DEADLINE_CHECK_NS (5 * UINT64_C(1000000)) /* deadlines are kept to this tolerance */
#define SPARE_RETRY_NS (200 * UINT64_C(1000000))
#define TRANSFER_RETRIES_MAX 16u

static_assert(READ_BUFFER_BYTES >= RECORD_BYTES_MAX + 2 * BLOCK_BYTES, "any record, aligned");
static_assert(RECORD_BYTES_MAX < 1u << 17, "an index entry has 17 bits for it");
static_assert(RECORD_BYTES_MAX - EXTENT_VALUE_BYTES_MIN <= INDEX_OVERHEAD_BYTES_MAX, "as well");

/* Sizes that follow from the configuration; simulations choose smaller ones. */
struct store_sizes {
    uint64_t segment_bytes;
    uint32_t frame_bytes_max;
    uint32_t recent_bytes;  /* newest frames kept in memory, per stream */
    uint64_t version_block; /* versions reserved at a time */
    uint32_t extent_value_bytes_min;
};

/* ---- I/O ---- */

enum store_io_kind {
    STORE_IO_COMMIT_WRITE,
    STORE_IO_COMMIT_SYNC,
    STORE_IO_READ,
    STORE_IO_EXTENT_STEP,
    STORE_IO_EXTENT_LANE,
    STORE_IO_SPARE,
    STORE_IO_SUPER,
    STORE_IO_CLEANUP,
    STORE_IO_COMPACT_READ,
    STORE_IO_COMPACT_FREE,
    STORE_IO_DIRECTORY,
    STORE_IO_SCRUB,
    STORE_IO_SCRUB_EXTENT,
};

struct store_io {
    struct io_operation operation;
    enum store_io_kind kind;
    void *job;
    struct store_io *next;
};

/* A read or write that goes on after short results. */
struct store_transfer {
    struct store_io io;
    uint8_t *buffer;
    uint64_t offset;
    uint32_t total_bytes, done_bytes;
    uint32_t retry_count;
};

enum transfer_state { TRANSFER_MORE = 0, TRANSFER_DONE, TRANSFER_FAILED };

/* Names waiting to be durable, and those that the sync in flight covers (directory_sync.h). */
struct directory_sync {
    struct store_io io;
    struct store_io *waiting_head, *waiting_tail;
    struct store_io *covered;
    uint64_t turn_check_ns;
};

/* Which thread syncs the directory. A bit for each thread; 0: nobody. */
struct directory_turn {
    pthread_mutex_t mutex;
    uint64_t holder, waiting;
};

/* ---- writes ---- */

enum batch_entry_kind {
    BATCH_WRITE,      /* a client's PUT or DELETE */
    BATCH_ANSWER,     /* no record: an answer that depends on a write before it */
    BATCH_RELOCATION, /* compaction's copy */
};

struct batch_entry {
    struct shard_operation *operation; /* NULL: given back at its deadline, or none */
    uint32_t record_offset;            /* in the frame; 0: no record */
    uint16_t next_in_bucket;           /* index + 1; newest first */
    uint8_t kind;                      /* enum batch_entry_kind */
    bool is_accepted;                  /* write_policy: behind; answered already */
    uint8_t status;                    /* the answer if the commit succeeds */
    uint32_t old_segment_id;           /* relocation: where the copy came from */
    uint32_t old_offset_units;
    /* a write's place in the index when it was evaluated; good while the index has this shape */
    struct index_entry *index_entry;
    uint64_t index_shape;
};

struct batch {
    uint8_t *frame; /* header and records */
    uint32_t payload_bytes;
    uint32_t record_count;
    uint32_t entry_count;
    uint32_t write_count;
    uint32_t abandoned_count; /* writes whose operation was given back: no fills of their keys */
    bool needs_sync;          /* something in it is not answered before it is durable */
    uint32_t accepted_bytes;  /* of writes that were answered when they were accepted */
    uint32_t accepted_count;
    uint64_t accepted_since_ns; /* the first of them */
    uint16_t buckets[BATCH_BUCKETS];
    struct batch_entry entries[BATCH_ENTRIES_MAX];
};

enum stream_state { STREAM_IDLE = 0, STREAM_WRITING, STREAM_SYNCING };

struct stream {
    struct segment *segment;    /* NULL until the first commit */
    uint32_t spares_when_taken; /* how scarce spares were: who may write into it */
    bool is_failed;             /* an I/O error: read-only until restart */
    bool is_sealing;            /* the frame in flight is the segment's last */
    bool is_covered;            /* no frame with records is the last one */
    bool is_counted;            /* the frame in flight carries records */
    bool needs_sync;            /* the frame in flight is done when it is durable */
    bool is_durable_write;      /* ... and was written so that it is then */
    uint8_t state;              /* enum stream_state */
    bool sync_in_flight; /* sync: interval; frames after sync_covers_sequence are not in it */
    uint64_t append_offset;
    uint64_t sequence;         /* last given out */
    uint64_t written_sequence; /* last whose write completed */
    uint64_t durable_sequence;
    uint64_t sync_covers_sequence;
    uint64_t first_sequence; /* of this segment */
    uint64_t previous_checksum;
    uint64_t previous_generation, previous_end_offset;
    uint32_t previous_segment_id;
    uint64_t cover_due_ns, sync_due_ns;
    uint64_t commit_started_ns;
    struct batch *open, *flying;
    uint8_t *empty_frame; /* seal and cover frames */
    struct store_transfer write;
    struct store_io sync;
    /* newest frames of the active segment, a ring indexed by segment offset */
    uint8_t *recent;
    uint64_t recent_begin, recent_end;
};

#define WATCH_BUCKETS 64u

struct operation_list {
    struct shard_operation *head, *tail;
    uint32_t count;
};

/* ---- reads and extents ---- */

struct extent_lane {
    struct store_transfer transfer;
    uint8_t *bounce; /* for the last, partial block */
    uint32_t value_offset;
    uint32_t value_bytes;
    bool is_active;
};

/* Moves a blob's bytes between memory and an extent, several transfers at a time. */
struct extent_copy {
    struct blob *blob;
    uint32_t value_bytes, next_offset, active_lanes;
    int fd, error;
    bool is_write;
    struct extent_lane lanes[EXTENT_LANES];
};

enum read_state {
    READ_FREE = 0,
    READ_RECORD,
    READ_EXTENT_OPEN,
    READ_EXTENT_COPY,
    READ_EXTENT_CLOSE
};

struct read_job {
    struct read_job *next; /* among the free ones, or those of its bucket */
    uint8_t state;         /* enum read_state */
    uint8_t attempt_count;
    uint32_t segment_id, offset_units, record_bytes;
    uint64_t version;
    struct segment *segment;
    struct operation_list waiters;
    struct store_transfer transfer;
    uint8_t *buffer;
    const struct record_header *record; /* in buffer, once checked */
    struct store_io step;
    char name[FILE_NAME_BYTES];
    enum shard_status status;
    struct extent_copy copy;
};

enum extent_state {
    EXTENT_FREE = 0,
    EXTENT_OPEN,
    EXTENT_ALLOCATE,
    EXTENT_COPY,
    EXTENT_SYNC,
    EXTENT_CLOSE,
    EXTENT_SYNC_DIRECTORY,
    EXTENT_READY, /* waits to be evaluated */
    EXTENT_ABORT_CLOSE,
};

struct extent_job {
    uint8_t state;                     /* enum extent_state */
    struct shard_operation *operation; /* NULL: given back */
    struct operation_list followers;   /* later writes of the same key */
    uint64_t extent_id, checksum;
    int error;
    struct store_io step;
    char name[FILE_NAME_BYTES];
    struct extent_copy copy;
};

/* ---- spares ---- */

enum maker_state {
    MAKER_IDLE = 0,
    MAKER_OPEN,
    MAKER_ALLOCATE,
    MAKER_ZERO,
    MAKER_HEADER,
    MAKER_SYNC,
    MAKER_RENAME,
    MAKER_SYNC_DIRECTORY,
    MAKER_UNDO_CLOSE,
    MAKER_UNDO_UNLINK,
};

struct segment_maker {
    uint8_t state; /* enum maker_state */
    struct segment *segment;
    uint64_t generation;
    int fd, error;
    uint64_t offset;
    uint32_t retry_count;
    uint8_t *buffer; /* zeros, and the header */
    char name[FILE_NAME_BYTES], new_name[FILE_NAME_BYTES];
    struct store_io io;
};

/* ---- compaction ---- */

enum compact_state {
    COMPACT_IDLE = 0,
    COMPACT_READING,
    COMPACT_COPYING,
    COMPACT_WAITING,
    COMPACT_FREEING
};

enum compact_free_step {
    COMPACT_WRITE_HEADER = 0,
    COMPACT_SYNC_HEADER,
    COMPACT_UNLINK,
    COMPACT_SYNC_DIRECTORY,
    COMPACT_CLOSE,
};

struct compactor {
    uint8_t state;     /* enum compact_state */
    uint8_t free_step; /* enum compact_free_step */
    uint64_t round;    /* of the set's victim that this thread works on or finished */
    struct segment *victim;
    uint8_t *window;
    uint64_t window_offset, next_offset;
    uint32_t window_bytes, frame_at, record_at, frame_payload_end;
    uint32_t pending_copies; /* relocations not committed yet */
    uint64_t wait_sequence;  /* of the stream: durable before the victim goes; 0: not known yet */
    uint64_t due_ns;
    char name[FILE_NAME_BYTES];
    struct store_transfer read;
    bool has_failed_once; /* that read; it is tried once more */
    struct store_transfer header_write;
    struct store_io header_sync;
    /* the sweep for expired values */
    uint64_t sweep_due_ns;
    uint32_t sweep_shard;
    uint32_t sweep_key_bytes;
    uint8_t sweep_key[KEY_BYTES_MAX];
};

enum scrub_extent_state {
    SCRUB_EXTENT_IDLE = 0,
    SCRUB_EXTENT_OPEN,
    SCRUB_EXTENT_READ,
    SCRUB_EXTENT_CLOSE,
};

struct XXH3_state_s;

/* The large value that is being read again, a window at a time (scrub_extent.h). */
struct scrub_extent {
    uint8_t state; /* enum scrub_extent_state */
    uint8_t attempt_count;
    bool has_key;
    int fd, error;
    uint32_t shard, value_bytes, offset, window_bytes; /* value_bytes 0: none */
    uint8_t key[8];                                    /* in the shard's index of extents */
    struct extent_pointer pointer;
    struct XXH3_state_s *hash;
    struct store_io step;
    struct store_transfer read;
    char name[FILE_NAME_BYTES];
};

/* Reads what nobody asks for (store_scrub.h). */
struct scrubber {
    struct store_transfer read;
    uint8_t *window;
    struct segment *segment; /* held while it is being read */
    uint64_t generation, offset;
    uint64_t due_ns, pass_started_ns;
    uint32_t next_id, window_bytes, attempt_count;
    struct scrub_extent extent;
};

/*
 * One victim at a time in the whole process: what it frees is durable before the next one begins.
 */
struct compaction_shared {
    pthread_mutex_t mutex;
    struct segment *victim;
    uint64_t round;        /* grows with every victim */
    uint32_t threads_left; /* that have not finished the victim */
    bool is_stopped;       /* a read or a free failed: nothing may be dropped any more */
};

/* ---- the process's part ---- */

struct store_set {
    struct store_sizes sizes;
    uint32_t thread_count;
    uint32_t read_jobs_count; /* disk reads at a time, per thread */
    uint32_t watches_max;     /* per thread */
    bool is_interval_sync;
    uint8_t sync_method_wanted;   /* enum config_sync_method */
    enum sync_method sync_method; /* of commits; chosen before the threads start */
    bool quarantines;
    uint64_t sync_interval_ns, space_reserve_bytes;
    uint64_t behind_ns, behind_bytes; /* write_policy: behind; per control thread */
    uint32_t compact_dead_percent;
    uint64_t compact_bytes_per_s;
    uint64_t scrub_bytes_per_s; /* of all threads together; 0: off */
    char directory[256];
    int directory_fd, lock_fd, super_fds[2];
    int direct_flag; /* O_DIRECT, or 0 where the file system refuses it */
    struct store_uuid uuid;
    uint64_t epoch;
    struct segment_table table;
    struct compaction_shared compaction;
    struct index_memory index_memory;
    /* each virtual shard's: used by its thread only */
    struct shard_index indexes[VIRTUAL_SHARDS];
    /* big-endian version -> extent (struct index_entry by extent_entry_fill) */
    struct shard_index extents[VIRTUAL_SHARDS];
    uint64_t next_version[VIRTUAL_SHARDS];
    _Atomic uint64_t key_count[VIRTUAL_SHARDS]; /* visible values */
    struct space_counts *space_counts;          /* the same, by namespace */
    /* the superblock, under its mutex */
    pthread_mutex_t super_mutex;
    bool super_is_writing;
    _Atomic bool has_ended_badly; /* some stream did: the superblock does not say clean */
    uint64_t wanted_ceilings[VIRTUAL_SHARDS];
    struct superblock *super;                  /* aligned; being written or the last one written */
    _Atomic uint64_t ceilings[VIRTUAL_SHARDS]; /* durable */
    _Atomic uint64_t wall_ms_floor;
    _Atomic uint64_t next_extent_id;
    _Atomic uint64_t extent_bytes;
    _Atomic uint32_t failed_streams;
    struct directory_turn directory_turn;
    _Atomic bool directory_failed;  /* a sync of it failed: new names can no longer be trusted */
    _Atomic uint64_t hold_until_ns; /* a backup: no file is removed or recycled before that */
    _Atomic uint32_t removals;      /* under way */
    _Atomic uint64_t scrub_pass_ms[CONTROL_THREADS_MAX]; /* wall; end of the last one; 0: none */
    _Atomic uint32_t attached_count;
    struct store *stores[CONTROL_THREADS_MAX];
};

struct store_cleanup;
struct lister;

struct store {
    struct store_set *set;
    uint32_t thread_index;
    struct io_loop *loop;
    struct blob_stock *stock;
    struct counters *counters;
    uint64_t now_ns;
    uint32_t held_count;                          /* operations not yet in done */
    uint32_t io_count;                            /* our operations in flight */
    struct store_io *backlog_head, *backlog_tail; /* the loop was full */
    struct operation_list arrivals;               /* writes not evaluated */
    struct operation_list extent_queue;           /* large PUTs waiting for a job */
    struct operation_list read_queue;             /* GETs waiting for a job */
    struct operation_list done;
    struct stream stream;
    struct read_job *read_jobs;
    struct read_job *read_jobs_free;
    struct read_job *read_buckets[READ_BUCKETS]; /* those under way, by version */
    uint32_t read_jobs_count, read_jobs_busy;
    struct extent_job *extent_jobs;
    uint32_t extent_jobs_busy;
    struct lister *lister;
    struct operation_list watches[WATCH_BUCKETS]; /* by key */
    uint32_t watch_count;
    struct directory_sync directory_sync;
    struct segment_maker maker;
    uint64_t maker_retry_ns;
    struct store_transfer super_write;
    struct store_io super_sync;
    bool wants_versions;
    uint64_t deadline_check_ns;
    bool is_closing; /* no new compaction */
    struct compactor compactor;
    struct scrubber scrubber;
    struct store_cleanup *cleanups;                           /* unlinks in flight */
    struct store_cleanup *late_cleanups, *late_cleanups_last; /* waiting for a sync, in order */
};

/* For simulations: sizes other than the configuration's. */
int store_set_open_sized(const struct server_config *config, const struct store_sizes *sizes,
                         struct io_loop *loop, struct store_set **set);

/* ---- store_log.c ---- */

/* io_run; a simulated machine that crashed leaves an operation in flight for ever. */
static inline int64_t store_run(struct io_loop *loop, struct io_operation *operation)
{
    return io_in_flight(loop) > 0 ? -ECANCELED : io_run(loop, operation);
}

void store_io_start(struct store *store, struct store_io *io, enum store_io_kind kind, void *job);
/* Hands a result to the job that waits for it. */
void store_io_done(struct store *store, struct store_io *io);
void store_transfer_start(struct store *store, struct store_transfer *transfer,
                          enum store_io_kind kind, void *job, enum io_code code, int fd,
                          uint8_t *buffer, uint64_t offset, uint32_t bytes);
/* After a completion. MORE: it was submitted again. FAILED: *error is set. */
enum transfer_state store_transfer_continue(struct store *store, struct store_transfer *transfer,
                                            int *error);

/*
 * Before a file is removed or a segment recycled: false while a backup holds them. Counted first,
 * looked at second; store_set_hold does it the other way round: one of them sees the other.
 */
static inline bool store_begin_removal(struct store_set *set, uint64_t now_ns)
{
    atomic_fetch_add(&set->removals, 1);
    if (now_ns >= atomic_load(&set->hold_until_ns))
        return true;
    atomic_fetch_sub(&set->removals, 1);
    return false;
}

static inline void store_end_removal(struct store_set *set)
{
    uint32_t before = atomic_fetch_sub(&set->removals, 1);
    ASSERT(before > 0);
}

/* For so many more bytes, without store.space_reserve_mib. */
bool store_disk_has_room(struct store *store, uint64_t bytes);

/*
 * No new segments and no new extents until restart: a later sync would not save what this one lost.
 */
void store_directory_failed(struct store_set *set, int error);

/* Gives an operation back with its status. */
void store_answer(struct store *store, struct shard_operation *operation, enum shard_status status,
                  enum shard_cache_action action);

void operation_list_append(struct operation_list *list, struct shard_operation *operation);
struct shard_operation *operation_list_pop(struct operation_list *list);

uint64_t store_wall_ms(struct store *store, uint64_t at_least_ms);

/* Removes a file some time; what a crash leaves behind is removed at the next start. */
void store_cleanup_file(struct store *store, const char *name);

static inline bool index_entry_is_visible(const struct index_entry *entry, uint64_t wall_ms)
{
    return entry != NULL && index_entry_is_value(entry) &&
           (entry->expires_at_ms == 0 || entry->expires_at_ms > wall_ms);
}

void store_extent_key(uint8_t key[8], uint64_t version); /* big-endian */

/* An entry of `extents`: the id is its version, the length its expiry. */
static inline void extent_entry_fill(struct index_entry *entry,
                                     const struct extent_pointer *pointer, uint32_t value_bytes)
{
    entry->version = pointer->extent_id;
    entry->expires_at_ms = value_bytes;
    entry->segment_id = (uint32_t)(pointer->checksum >> 32);
    entry->offset_units = (uint32_t)pointer->checksum;
}

static inline uint32_t extent_entry_bytes(const struct index_entry *entry)
{
    return (uint32_t)entry->expires_at_ms;
}

static inline uint64_t extent_entry_checksum(const struct index_entry *entry)
{
    return (uint64_t)entry->segment_id << 32 | entry->offset_units;
}

enum value_change { VALUE_IS_THERE = 1, VALUE_IS_GONE = -1 };
/*
 * The entry became or ceases to be a value (index_entry_is_value): keeps the counts of shard and
 * namespace. While its extent, if it has one, is in the index.
 */
void store_count_value(struct store_set *set, uint32_t shard, const void *key, uint32_t key_bytes,
                       const struct index_entry *entry, enum value_change change);

/* The value of this version is superseded or gone for good: its extent may be removed. */
void store_drop_extent(struct store *store, uint32_t shard, uint64_t version);

/*
 * As above, because it has expired: removed when a frame says durably that it is so late, else a
 * clock that stands earlier after a crash would bring back a value without its bytes.
 */
void store_drop_expired_extent(struct store *store, uint32_t shard, uint64_t version);

#endif
