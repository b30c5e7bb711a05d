/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_reader.h - the on-disk format read a second time, from bytes in memory.
 *
 * Purpose:   `gannet store verify`, `inspect`, `backup` and `restore` judge a directory without the
 *            engine: a mistake in its recovery must not be repeated by its judge. Nothing here uses
 *            shard_format.c, segment_scan.c or their structures; fields are read by their offsets.
 * Ownership: none; what the callbacks get points into the caller's bytes.
 * Threading: any.
 * Units:     bytes; _ms wall.
 * Errors:    none: whatever the bytes are, the answer says what is wrong with them.
 * Source:    ARCHITECTURE.md, "On disk".
 */
#ifndef GANNET_STORE_READER_H
#define GANNET_STORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READER_BLOCK_BYTES 4096u
#define READER_SHARDS 256u
#define READER_FORMAT_MAJOR 1u

struct reader_uuid {
    uint64_t words[2];
};

struct reader_super {
    bool is_valid;     /* the checksum matches */
    bool is_supported; /* and this version can read what it describes */
    uint16_t format_major, format_minor;
    uint32_t features_incompatible, features_compatible, virtual_shards;
    uint64_t sequence, epoch, wall_ms;
    struct reader_uuid uuid;
    bool is_clean;
    uint64_t version_ceilings[READER_SHARDS];
};

void reader_super(const uint8_t *bytes, size_t count, struct reader_super *super);

/* `super` with a new epoch and new ceilings, not clean, sealed again. `block` is READER_BLOCK_BYTES
 * of a valid superblock. */
void reader_super_change(uint8_t *block, uint64_t epoch, const uint64_t ceilings[READER_SHARDS]);

struct reader_record {
    uint64_t offset; /* in the segment */
    uint64_t version, expires_at_ms, modified_at_ms;
    const uint8_t *key, *attributes, *value; /* of an extent there is no value here */
    uint32_t value_bytes;
    uint16_t key_bytes, attributes_bytes;
    uint8_t virtual_shard;
    bool is_put, is_extent;
    uint64_t extent_id, extent_checksum;
};

struct reader_segment {
    uint32_t id;
    uint32_t valid_headers; /* of the two copies */
    uint64_t generation, segment_bytes, epoch;
    uint64_t frame_count, record_count;
    uint64_t end_offset; /* behind the last frame */
    bool is_sealed;
    /* of its frames */
    uint16_t stream;
    uint64_t frame_epoch, first_sequence, last_sequence, durable_sequence, last_checksum;
    uint64_t wall_ms;
    uint32_t previous_segment_id; /* UINT32_MAX: none */
    uint64_t previous_generation, previous_end_offset;
    /* a frame that was never acknowledged lies, torn, at end_offset */
    bool has_torn_tail;
    /* what had been synced and does not match: NULL, or the first such thing in words */
    const char *damage;
    uint64_t damage_offset, damage_bytes;
};

struct reader_calls {
    void *context;
    /* every record of a valid frame */
    void (*record)(void *context, const struct reader_segment *segment,
                   const struct reader_record *record);
    /* damaged stretches: what still looks like a record there and does not match its checksum */
    void (*lost)(void *context, const struct reader_segment *segment,
                 const struct reader_record *record);
};

/* All `count` bytes of the file; either callback may be NULL. */
void reader_segment(const uint8_t *bytes, uint64_t count, const struct reader_uuid *uuid,
                    uint32_t id, const struct reader_calls *calls, struct reader_segment *segment);

/* Whether an extent's file holds the value that a record promised. */
bool reader_extent_matches(const uint8_t *bytes, uint64_t count, const struct reader_uuid *uuid,
                           uint64_t extent_id, uint64_t value_bytes, uint64_t checksum);

bool reader_segment_name(const char *name, uint32_t *id);
bool reader_extent_name(const char *name, uint64_t *id);

#endif
