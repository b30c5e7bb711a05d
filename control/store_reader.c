/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_reader.h"

#include <string.h>

#include <xxhash.h>

#include "include/byte_order.h" /* asserts little endian */

#define DATA_OFFSET (2u * READER_BLOCK_BYTES)
#define BLOCK_CHECKSUM_AT (READER_BLOCK_BYTES - 8u) /* of superblocks and segment headers */
#define FRAME_HEADER_BYTES 128u
#define RECORD_HEADER_BYTES 48u
#define EXTENT_POINTER_BYTES 16u
#define KEY_BYTES_LIMIT 4096u
#define ATTRIBUTES_BYTES_LIMIT 4096u

enum { IS_PUT = 1, IS_DELETE = 2, IS_EXTENT = 4, IS_SEAL = 1 };

static uint16_t get16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static void put64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof(value));
}

/* ---- superblock ---- */

static bool block_is_whole(const uint8_t *block)
{
    return get64(block + BLOCK_CHECKSUM_AT) == XXH3_64bits(block, BLOCK_CHECKSUM_AT);
}

void reader_super(const uint8_t *bytes, size_t count, struct reader_super *super)
{
    *super = (struct reader_super){0};
    if (count < READER_BLOCK_BYTES || memcmp(bytes, "NGSUPER1", 8) != 0 || !block_is_whole(bytes))
        return;
    super->is_valid = true;
    super->format_major = get16(bytes + 8);
    super->format_minor = get16(bytes + 10);
    super->features_incompatible = get32(bytes + 12);
    super->features_compatible = get32(bytes + 16);
    super->virtual_shards = get32(bytes + 20);
    super->sequence = get64(bytes + 24);
    super->uuid = (struct reader_uuid){{get64(bytes + 32), get64(bytes + 40)}};
    super->epoch = get64(bytes + 48);
    super->wall_ms = get64(bytes + 56);
    super->is_clean = get32(bytes + 64) == 1;
    for (uint32_t shard = 0; shard < READER_SHARDS; shard++)
        super->version_ceilings[shard] = get64(bytes + 72 + (size_t)8 * shard);
    super->is_supported = super->format_major == READER_FORMAT_MAJOR &&
                          super->features_incompatible == 0 &&
                          super->virtual_shards == READER_SHARDS;
}

void reader_super_change(uint8_t *block, uint64_t epoch, const uint64_t ceilings[READER_SHARDS])
{
    put64(block + 48, epoch);
    memset(block + 64, 0, 4); /* not clean */
    for (uint32_t shard = 0; shard < READER_SHARDS; shard++)
        put64(block + 72 + (size_t)8 * shard, ceilings[shard]);
    put64(block + BLOCK_CHECKSUM_AT, XXH3_64bits(block, BLOCK_CHECKSUM_AT));
}

/* ---- frames and records ---- */

/* The file under the eye. */
struct walk {
    const uint8_t *bytes;
    uint64_t count; /* of usable bytes: the file, or what the header says if that is less */
    struct reader_uuid uuid;
    const struct reader_calls *calls;
    struct reader_segment *segment;
};

static uint64_t seed_at(const struct walk *walk, uint64_t generation, uint64_t offset)
{
    uint64_t words[5] = {walk->uuid.words[0], walk->uuid.words[1], generation, offset,
                         walk->segment->id};
    return XXH3_64bits(words, sizeof(words));
}

/* The header of a frame of this segment at `offset`, whatever its generation; or NULL. */
static const uint8_t *frame_header_at(const struct walk *walk, uint64_t offset)
{
    if (offset + READER_BLOCK_BYTES > walk->count)
        return NULL;
    const uint8_t *frame = walk->bytes + offset;
    if (memcmp(frame + 8, "FRAM", 4) != 0 || get16(frame + 12) != READER_FORMAT_MAJOR ||
        get32(frame + 16) != walk->segment->id)
        return NULL;
    uint64_t seed = seed_at(walk, get64(frame + 24), offset);
    return get64(frame) == XXH3_64bits_withSeed(frame + 8, FRAME_HEADER_BYTES - 8, seed) ? frame
                                                                                         : NULL;
}

static uint64_t frame_total(const uint8_t *frame)
{
    uint64_t bytes = FRAME_HEADER_BYTES + (uint64_t)get32(frame + 100);
    return (bytes + READER_BLOCK_BYTES - 1) / READER_BLOCK_BYTES * READER_BLOCK_BYTES;
}

/*
 * What stands at `offset`, if its lengths and flags can be those of a record within `available`
 * bytes. Returns its length, or 0. The checksum is not looked at.
 */
static uint32_t record_shape(const struct walk *walk, uint64_t offset, uint64_t available,
                             struct reader_record *record)
{
    const uint8_t *at = walk->bytes + offset;
    if (available < RECORD_HEADER_BYTES)
        return 0;
    uint32_t total = get32(at + 32), flags = at[45];
    bool is_put = (flags & IS_PUT) != 0, is_extent = (flags & IS_EXTENT) != 0;
    *record = (struct reader_record){
        .offset = offset,
        .version = get64(at + 8),
        .expires_at_ms = get64(at + 16),
        .modified_at_ms = get64(at + 24),
        .value_bytes = get32(at + 36),
        .key_bytes = get16(at + 40),
        .attributes_bytes = get16(at + 42),
        .virtual_shard = at[44],
        .is_put = is_put,
        .is_extent = is_extent,
        .key = at + RECORD_HEADER_BYTES,
    };
    if ((flags & ~7u) != 0 || is_put == ((flags & IS_DELETE) != 0) || (is_extent && !is_put) ||
        (!is_put && record->value_bytes != 0) || record->key_bytes == 0 ||
        record->key_bytes > KEY_BYTES_LIMIT || record->attributes_bytes > ATTRIBUTES_BYTES_LIMIT)
        return 0;
    uint64_t stored = is_extent ? EXTENT_POINTER_BYTES : record->value_bytes;
    uint64_t needed =
        RECORD_HEADER_BYTES + (uint64_t)record->key_bytes + record->attributes_bytes + stored;
    if (total != (needed + 7) / 8 * 8 || total > available)
        return 0;
    record->attributes = record->key + record->key_bytes;
    record->value = record->attributes + record->attributes_bytes;
    if (is_extent) {
        record->extent_id = get64(record->value);
        record->extent_checksum = get64(record->value + 8);
        record->value = NULL;
    }
    bool is_at_home = XXH3_64bits(record->key, record->key_bytes) >> 56 == record->virtual_shard;
    return is_at_home ? total : 0;
}

static bool record_matches(const struct walk *walk, uint64_t offset, uint32_t total)
{
    uint64_t seed = seed_at(walk, walk->segment->generation, offset);
    const uint8_t *at = walk->bytes + offset;
    return get64(at) == XXH3_64bits_withSeed(at + 8, total - 8, seed);
}

/* The whole valid frame of the segment's generation at `offset`, or NULL. */
static const uint8_t *frame_at(const struct walk *walk, uint64_t offset)
{
    const uint8_t *frame = frame_header_at(walk, offset);
    if (frame == NULL || get64(frame + 24) != walk->segment->generation ||
        frame_total(frame) > walk->count - offset)
        return NULL;
    uint32_t payload = get32(frame + 100), at = 0, records = 0;
    uint64_t seed = seed_at(walk, walk->segment->generation, offset);
    if (get64(frame + 64) != XXH3_64bits_withSeed(frame + FRAME_HEADER_BYTES, payload, seed))
        return NULL;
    for (; at < payload; records++) {
        struct reader_record record;
        uint64_t place = offset + FRAME_HEADER_BYTES + at;
        uint32_t total = record_shape(walk, place, payload - at, &record);
        if (total == 0 || !record_matches(walk, place, total))
            return NULL;
        at += total;
    }
    return records == get32(frame + 20) ? frame : NULL;
}

/* ---- a segment ---- */

static void note_damage(struct reader_segment *segment, const char *what, uint64_t offset,
                        uint64_t bytes)
{
    if (segment->damage == NULL) {
        segment->damage = what;
        segment->damage_offset = offset;
    }
    segment->damage_bytes += bytes;
}

static void read_headers(struct walk *walk)
{
    struct reader_segment *segment = walk->segment;
    for (uint32_t copy = 0; copy < 2; copy++) {
        const uint8_t *header = walk->bytes + (size_t)copy * READER_BLOCK_BYTES;
        if ((copy + 1) * READER_BLOCK_BYTES > walk->count || memcmp(header, "SEGMENT1", 8) != 0 ||
            !block_is_whole(header) || get16(header + 8) != READER_FORMAT_MAJOR ||
            get32(header + 12) != segment->id || get64(header + 32) != walk->uuid.words[0] ||
            get64(header + 40) != walk->uuid.words[1] || get64(header + 16) % 2 != copy ||
            get64(header + 24) % READER_BLOCK_BYTES != 0)
            continue;
        segment->valid_headers++;
        if (get64(header + 16) < segment->generation)
            continue;
        segment->generation = get64(header + 16);
        segment->segment_bytes = get64(header + 24);
        segment->epoch = get64(header + 48);
    }
}

/* A first frame of a later life than the headers know: the header of that life is gone. */
static void check_headers(struct walk *walk)
{
    struct reader_segment *segment = walk->segment;
    const uint8_t *first = frame_header_at(walk, DATA_OFFSET);
    bool is_later =
        first != NULL && (segment->valid_headers == 0 || get64(first + 24) > segment->generation);
    if (is_later)
        segment->generation = get64(first + 24);
    if (is_later || segment->valid_headers == 0)
        note_damage(segment, "no copy of its header is whole", 0, READER_BLOCK_BYTES);
    else if (segment->segment_bytes > walk->count)
        note_damage(segment, "the file is shorter than its header says", walk->count,
                    segment->segment_bytes - walk->count);
    else
        walk->count = segment->segment_bytes;
}

static bool frame_follows(const struct reader_segment *segment, const uint8_t *frame)
{
    if (segment->frame_count == 0)
        return get64(frame + 56) == 0 && get64(frame + 40) == get64(frame + 104);
    return get64(frame + 56) == segment->last_checksum &&
           get64(frame + 32) == segment->frame_epoch && get16(frame + 14) == segment->stream &&
           get64(frame + 40) == segment->last_sequence + 1;
}

static void take_frame(struct walk *walk, uint64_t offset, const uint8_t *frame)
{
    struct reader_segment *segment = walk->segment;
    segment->frame_count++;
    segment->end_offset = offset + frame_total(frame);
    segment->last_checksum = get64(frame);
    segment->stream = get16(frame + 14);
    segment->frame_epoch = get64(frame + 32);
    segment->last_sequence = get64(frame + 40);
    if (get64(frame + 48) > segment->durable_sequence)
        segment->durable_sequence = get64(frame + 48);
    if (get64(frame + 72) > segment->wall_ms)
        segment->wall_ms = get64(frame + 72);
    segment->previous_generation = get64(frame + 80);
    segment->previous_end_offset = get64(frame + 88);
    segment->previous_segment_id = get32(frame + 96);
    segment->first_sequence = get64(frame + 104);
    segment->is_sealed = (get32(frame + 112) & IS_SEAL) != 0;
    uint32_t payload = get32(frame + 100);
    for (uint32_t at = 0; at < payload; segment->record_count++) {
        struct reader_record record;
        at += record_shape(walk, offset + FRAME_HEADER_BYTES + at, payload - at, &record);
        if (walk->calls->record != NULL)
            walk->calls->record(walk->calls->context, segment, &record);
    }
}

/*
 * A later whole frame that knew the one missing at `offset` to be synced; its offset, or 0 when
 * nothing says that anything there was ever acknowledged.
 */
static uint64_t find_witness(const struct walk *walk, uint64_t offset)
{
    const struct reader_segment *segment = walk->segment;
    for (offset += READER_BLOCK_BYTES; offset + READER_BLOCK_BYTES <= walk->count;
         offset += READER_BLOCK_BYTES) {
        const uint8_t *frame = frame_at(walk, offset);
        if (frame == NULL ||
            (segment->frame_count > 0 && get64(frame + 32) != segment->frame_epoch))
            continue;
        uint64_t missing =
            segment->frame_count == 0 ? get64(frame + 104) : segment->last_sequence + 1;
        if (get64(frame + 48) >= missing)
            return offset;
    }
    return 0;
}

/* Saves what still is whole between `begin` and `end`, and names what is not. */
static void read_damaged(struct walk *walk, uint64_t begin, uint64_t end)
{
    for (uint64_t at = begin; at + RECORD_HEADER_BYTES <= end;) {
        struct reader_record record;
        uint32_t total = record_shape(walk, at, end - at, &record);
        if (total == 0) {
            at += 8;
            continue;
        }
        bool is_whole = record_matches(walk, at, total);
        if (is_whole && walk->calls->record != NULL)
            walk->calls->record(walk->calls->context, walk->segment, &record);
        if (!is_whole && walk->calls->lost != NULL)
            walk->calls->lost(walk->calls->context, walk->segment, &record);
        walk->segment->record_count += is_whole;
        at += total;
    }
}

void reader_segment(const uint8_t *bytes, uint64_t count, const struct reader_uuid *uuid,
                    uint32_t id, const struct reader_calls *calls, struct reader_segment *segment)
{
    *segment = (struct reader_segment){
        .id = id, .end_offset = DATA_OFFSET, .previous_segment_id = UINT32_MAX};
    struct walk walk = {bytes, count, *uuid, calls, segment};
    read_headers(&walk);
    check_headers(&walk);
    bool is_behind_damage = false;
    for (uint64_t offset = DATA_OFFSET; !segment->is_sealed;) {
        const uint8_t *frame = frame_at(&walk, offset);
        if (frame != NULL && (is_behind_damage || frame_follows(segment, frame))) {
            take_frame(&walk, offset, frame);
            offset = segment->end_offset;
            is_behind_damage = false;
            continue;
        }
        uint64_t witness = find_witness(&walk, offset);
        if (witness == 0) {
            const uint8_t *header = frame_header_at(&walk, offset);
            segment->has_torn_tail = header != NULL && get64(header + 24) == segment->generation;
            return;
        }
        note_damage(segment, "frames that had been synced do not match their checksums", offset,
                    witness - offset);
        read_damaged(&walk, offset, witness);
        offset = witness;
        is_behind_damage = true;
    }
}

bool reader_extent_matches(const uint8_t *bytes, uint64_t count, const struct reader_uuid *uuid,
                           uint64_t extent_id, uint64_t value_bytes, uint64_t checksum)
{
    uint64_t words[3] = {uuid->words[0], uuid->words[1], extent_id};
    return count >= value_bytes &&
           checksum == XXH3_64bits_withSeed(bytes, value_bytes, XXH3_64bits(words, sizeof(words)));
}

/* ---- names ---- */

static bool read_digits(const char *text, uint32_t digits, uint64_t *value)
{
    static const char all[] = "0123456789abcdef";
    *value = 0;
    for (uint32_t i = 0; i < digits; i++) {
        const char *digit = text[i] == '\0' ? NULL : strchr(all, text[i]);
        if (digit == NULL)
            return false;
        *value = *value * 16 + (uint64_t)(digit - all);
    }
    return true;
}

bool reader_segment_name(const char *name, uint32_t *id)
{
    uint64_t value;
    if (strlen(name) != 16 || strncmp(name, "seg-", 4) != 0 || strcmp(name + 12, ".log") != 0 ||
        !read_digits(name + 4, 8, &value))
        return false;
    *id = (uint32_t)value;
    return true;
}

bool reader_extent_name(const char *name, uint64_t *id)
{
    return strlen(name) == 20 && strncmp(name, "ext-", 4) == 0 && read_digits(name + 4, 16, id);
}
