/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard_format.h - the bytes on disk: superblock, segment header, commit frame, record.
 *
 * Purpose:   the one description of the format that writers, recovery, compaction and tools share.
 * Ownership: none; functions work on the caller's bytes.
 * Threading: any.
 * Units:     bytes; _ms wall.
 * Errors:    checks return false for bytes that are not what they claim to be, and never read
 *            outside the given length. Nothing here asserts on bytes from disk.
 * Source:    ARCHITECTURE.md, "Embedded engine". XXH3 output is frozen since xxHash 0.8.0.
 *
 * A data directory holds:
 *   LOCK                     exclusive lock of the process that has the directory open
 *   SUPER.0 SUPER.1          struct superblock, one block each; the valid one with the higher
 *                            sequence counts, the other one is overwritten next
 *   seg-%08x.log             segments: two header blocks, then commit frames
 *   ext-%016x                extents: the bytes of one value above EXTENT_VALUE_BYTES_MIN, zero
 *   padded
 *   *.new                    half-made files; removed at start
 *
 * A segment is preallocated, zeroed once, and recycled with a higher generation. Its header exists
 * twice; generation g lives in copy g % 2, so a torn header write never hurts the valid one.
 * Frames start on block boundaries and follow each other without gaps; the first position that
 * holds no valid frame of the header's generation ends the segment. A segment that is left for
 * another one, and one that recovery found open, gets a frame with FRAME_SEAL at its end; room for
 * it (one block) is always kept.
 *
 * All checksums are seeded with the store's uuid, the segment, its generation and the offset: a
 * block that is stale, misplaced, or from another store never passes.
 * Integers are little endian (asserted in byte_order.h).
 */
#ifndef GANNET_SHARD_FORMAT_H
#define GANNET_SHARD_FORMAT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/shard_operation.h"

#define FORMAT_MAJOR 1u /* unknown majors are refused */
#define FORMAT_MINOR 0u
#define FORMAT_FEATURES_INCOMPATIBLE                                                               \
    0u /* bits this version understands; an unknown one is refused */

/* Bits that a version may ignore. */
#define FORMAT_COMPATIBLE_SYNC_PROBED 1u /* the superblock's sync_* say what was measured */

#define BLOCK_BYTES 4096u
#define SEGMENT_DATA_OFFSET (2u * BLOCK_BYTES)
#define RECORD_ALIGN_BYTES 8u
#define EXTENT_VALUE_BYTES_MIN 65537u /* larger than 64 KiB: the value gets a file of its own */

#define SUPERBLOCK_MAGIC UINT64_C(0x315245505553474e) /* "NGSUPER1" */
#define SEGMENT_MAGIC UINT64_C(0x31544e454d474553)    /* "SEGMENT1" */
#define FRAME_MAGIC 0x4d415246u                       /* "FRAM" */

struct store_uuid {
    uint64_t words[2];
};

/* How a commit frame becomes durable. The values are on disk. */
enum sync_method {
    SYNC_METHOD_UNKNOWN = 0,
    SYNC_METHOD_FDATASYNC, /* written, then fdatasync */
    SYNC_METHOD_DSYNC,     /* IO_WRITE_DURABLE */
};

struct superblock {
    uint64_t magic;
    uint16_t format_major;
    uint16_t format_minor;
    uint32_t features_incompatible;
    uint32_t features_compatible;
    uint32_t virtual_shards;
    uint64_t sequence; /* grows with every write; its parity names the copy */
    struct store_uuid uuid;
    uint64_t epoch;                            /* grows with every open */
    uint64_t wall_ms;                          /* the latest wall clock known when it was written */
    uint32_t is_clean;                         /* 1: closed after everything was durable */
    uint32_t sync_method;                      /* enum sync_method: the faster one here */
    uint64_t version_ceilings[VIRTUAL_SHARDS]; /* no version at or above was ever issued */
    uint32_t sync_fdatasync_us;                /* one write and fdatasync */
    uint32_t sync_dsync_us;                    /* one write with O_DSYNC */
    uint8_t padding[BLOCK_BYTES - 72 - 8 * VIRTUAL_SHARDS - 16];
    uint64_t checksum; /* of everything before */
};

static_assert(offsetof(struct superblock, version_ceilings) == 72, "no hidden padding");
static_assert(sizeof(struct superblock) == BLOCK_BYTES, "one block");

struct segment_header {
    uint64_t magic;
    uint16_t format_major;
    uint16_t format_minor;
    uint32_t segment_id;
    uint64_t generation;
    uint64_t segment_bytes;
    struct store_uuid uuid;
    uint64_t epoch; /* the open in which this generation began */
    uint8_t padding[BLOCK_BYTES - 56 - 8];
    uint64_t checksum;
};

static_assert(sizeof(struct segment_header) == BLOCK_BYTES, "one block");
static_assert(offsetof(struct segment_header, padding) == 56, "no hidden padding");

struct frame_header {
    uint64_t checksum; /* of the rest of this header */
    uint32_t magic;
    uint16_t format_major;
    uint16_t stream; /* index of the control thread that wrote it */
    uint32_t segment_id;
    uint32_t record_count;
    uint64_t generation;
    uint64_t epoch;
    uint64_t sequence;          /* of this frame in its stream; starts at 1 in every epoch */
    uint64_t durable_sequence;  /* the last frame known to be synced when this one was built */
    uint64_t previous_checksum; /* header checksum of the frame before it in this segment, or 0 */
    uint64_t payload_checksum;
    uint64_t wall_ms;
    /*
     * The segment this stream filled before, and where it ended: how recovery notices a lost end.
     */
    uint64_t previous_generation;
    uint64_t previous_end_offset;
    uint32_t previous_segment_id;
    uint32_t payload_bytes;  /* records only, without the padding to the next block */
    uint64_t first_sequence; /* of the first frame in this segment */
    uint32_t flags;          /* enum frame_flag */
    uint32_t reserved[3];
};

enum frame_flag {
    FRAME_SEAL = 1, /* without records; ends the segment, whatever follows */
};

static_assert(sizeof(struct frame_header) == 128, "two lines; records follow at once");
static_assert(offsetof(struct frame_header, first_sequence) == 104, "no hidden padding");

enum record_flag {
    RECORD_PUT = 1,
    RECORD_DELETE = 2,
    RECORD_EXTENT = 4, /* with RECORD_PUT: a struct extent_pointer stands for the value */
};

/*
 * Key bytes, attribute bytes and value bytes (or the pointer) follow; then zeros to a multiple of
 * 8.
 */
struct record_header {
    uint64_t checksum; /* of everything after it, padding included */
    uint64_t version;
    uint64_t expires_at_ms; /* 0: never */
    uint64_t modified_at_ms;
    uint32_t record_bytes; /* header to padding */
    uint32_t value_bytes;  /* of the value, wherever it is */
    uint16_t key_bytes;
    uint16_t attributes_bytes;
    uint8_t virtual_shard;
    uint8_t flags; /* enum record_flag */
    uint16_t reserved;
};

static_assert(sizeof(struct record_header) == 48, "no hidden padding");

struct extent_pointer {
    uint64_t extent_id;
    uint64_t checksum; /* of the value's bytes, seeded with uuid and extent_id */
};

#define RECORD_BYTES_MAX                                                                           \
    (sizeof(struct record_header) + KEY_BYTES_MAX + ATTRIBUTES_BYTES_MAX +                         \
     EXTENT_VALUE_BYTES_MIN + RECORD_ALIGN_BYTES)

static inline uint64_t round_up_to(uint64_t bytes, uint64_t unit) /* unit: a power of two */
{
    return (bytes + unit - 1) & ~(unit - 1);
}

/* Where a piece of a segment lies: what all its checksums are seeded with. */
struct format_place {
    struct store_uuid uuid;
    uint64_t generation;
    uint64_t offset;
    uint64_t segment_id;
};

uint64_t format_seed(const struct format_place *place);

void superblock_seal(struct superblock *super);
/*
 * 0; -EBADMSG: damaged; -EPROTONOSUPPORT: a valid superblock of a format this version cannot read.
 */
int superblock_check(const struct superblock *super);

void segment_header_make(struct segment_header *header, const struct store_uuid *uuid, uint32_t id,
                         uint64_t generation, uint64_t segment_bytes, uint64_t epoch);
bool segment_header_check(const struct segment_header *header, const struct store_uuid *uuid,
                          uint32_t id, uint32_t copy);

/* Total bytes of a frame on disk. */
static inline uint64_t frame_bytes(uint32_t payload_bytes)
{
    return round_up_to(sizeof(struct frame_header) + payload_bytes, BLOCK_BYTES);
}

/*
 * Fills in checksums of every record, the payload and the header. `frame` holds a header with all
 * other fields set and `payload_bytes` of records behind it.
 */
void frame_seal(uint8_t *frame, const struct format_place *place);

/*
 * The header alone: true if it is a frame of the place's generation, segment and offset.
 * place->generation is what the segment header says.
 */
bool frame_header_check(const struct frame_header *header, const struct format_place *place);

/* A header of any generation that belongs to this segment and offset; fills in the generation. */
bool frame_header_check_any(const struct frame_header *header, const struct format_place *place,
                            uint64_t *generation);

/* The whole frame; `available` bytes are there. Header must have passed. */
bool frame_payload_check(const uint8_t *frame, uint64_t available,
                         const struct format_place *place);

/*
 * One record: `available` bytes are readable at `bytes`, `place->offset` is the record's. True if
 * every length is consistent and the checksum matches.
 */
bool record_check(const uint8_t *bytes, uint64_t available, const struct format_place *place);

uint32_t record_bytes_for(uint32_t key_bytes, uint32_t attributes_bytes, uint32_t stored_bytes);

static inline const uint8_t *record_key(const struct record_header *record)
{
    return (const uint8_t *)(record + 1);
}

static inline const uint8_t *record_attributes(const struct record_header *record)
{
    return record_key(record) + record->key_bytes;
}

/* Of the value, those that lie in the record. */
static inline uint32_t record_inline_bytes(const struct record_header *record)
{
    return record->flags & RECORD_EXTENT ? 0 : record->value_bytes;
}

static inline const uint8_t *record_value(const struct record_header *record)
{
    return record_attributes(record) + record->attributes_bytes;
}

static inline bool record_is_put(const struct record_header *record)
{
    return (record->flags & RECORD_PUT) != 0;
}

/* Bytes stored behind the attributes: the value, or its extent pointer. */
static inline uint32_t record_stored_bytes(const struct record_header *record)
{
    if (record->flags & RECORD_EXTENT)
        return sizeof(struct extent_pointer);
    return record->value_bytes;
}

void record_extent(const struct record_header *record, struct extent_pointer *pointer);

uint64_t extent_seed(const struct store_uuid *uuid, uint64_t extent_id);

#define FILE_NAME_BYTES 32
void segment_file_name(char name[FILE_NAME_BYTES], uint32_t id);
void extent_file_name(char name[FILE_NAME_BYTES], uint64_t id);
bool segment_file_parse(const char *name, uint32_t *id);
bool extent_file_parse(const char *name, uint64_t *id);

#endif
