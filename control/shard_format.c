/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "control/planted_bugs.h"
#include "include/assert_policy.h"
#include "include/byte_order.h"

#define RECORD_FLAGS_KNOWN (RECORD_PUT | RECORD_DELETE | RECORD_EXTENT)

uint64_t format_seed(const struct format_place *place)
{
    return XXH3_64bits(place, sizeof(*place));
}

void superblock_seal(struct superblock *super)
{
    super->checksum = XXH3_64bits(super, offsetof(struct superblock, checksum));
}

int superblock_check(const struct superblock *super)
{
    if (super->magic != SUPERBLOCK_MAGIC ||
        super->checksum != XXH3_64bits(super, offsetof(struct superblock, checksum)))
        return -EBADMSG;
    if (super->format_major != FORMAT_MAJOR || super->virtual_shards != VIRTUAL_SHARDS ||
        (super->features_incompatible & ~FORMAT_FEATURES_INCOMPATIBLE) != 0)
        return -EPROTONOSUPPORT;
    return 0;
}

static uint64_t segment_header_checksum(const struct segment_header *header)
{
    return XXH3_64bits(header, offsetof(struct segment_header, checksum));
}

void segment_header_make(struct segment_header *header, const struct store_uuid *uuid, uint32_t id,
                         uint64_t generation, uint64_t segment_bytes, uint64_t epoch)
{
    memset(header, 0, sizeof(*header));
    header->magic = SEGMENT_MAGIC;
    header->format_major = FORMAT_MAJOR;
    header->format_minor = FORMAT_MINOR;
    header->segment_id = id;
    header->generation = generation;
    header->segment_bytes = segment_bytes;
    header->uuid = *uuid;
    header->epoch = epoch;
    header->checksum = segment_header_checksum(header);
}

bool segment_header_check(const struct segment_header *header, const struct store_uuid *uuid,
                          uint32_t id, uint32_t copy)
{
    return header->magic == SEGMENT_MAGIC && header->checksum == segment_header_checksum(header) &&
           header->format_major == FORMAT_MAJOR && header->segment_id == id &&
           memcmp(&header->uuid, uuid, sizeof(*uuid)) == 0 && header->generation % 2 == copy &&
           header->segment_bytes >= SEGMENT_DATA_OFFSET + BLOCK_BYTES &&
           header->segment_bytes % BLOCK_BYTES == 0;
}

static uint64_t frame_header_checksum(const struct frame_header *header, uint64_t seed)
{
    return XXH3_64bits_withSeed((const uint8_t *)header + sizeof(header->checksum),
                                sizeof(*header) - sizeof(header->checksum), seed);
}

static uint64_t record_checksum(const struct record_header *record,
                                const struct format_place *place)
{
    return XXH3_64bits_withSeed((const uint8_t *)record + sizeof(record->checksum),
                                record->record_bytes - sizeof(record->checksum),
                                format_seed(place));
}

void frame_seal(uint8_t *frame, const struct format_place *place)
{
    struct frame_header *header = (struct frame_header *)frame;
    struct format_place at = *place;
    uint32_t done_bytes = 0;
    while (done_bytes < header->payload_bytes) {
        struct record_header *record =
            (struct record_header *)(frame + sizeof(*header) + done_bytes);
        ASSERT(record->record_bytes >= sizeof(*record));
        at.offset = place->offset + sizeof(*header) + done_bytes;
        record->checksum = record_checksum(record, &at);
        done_bytes += record->record_bytes;
    }
    ASSERT(done_bytes == header->payload_bytes);
    uint64_t seed = format_seed(place);
    header->payload_checksum =
        XXH3_64bits_withSeed(frame + sizeof(*header), header->payload_bytes, seed);
    header->checksum = frame_header_checksum(header, seed);
}

bool frame_header_check(const struct frame_header *header, const struct format_place *place)
{
    return header->magic == FRAME_MAGIC && header->format_major == FORMAT_MAJOR &&
           header->segment_id == place->segment_id && header->generation == place->generation &&
           header->checksum == frame_header_checksum(header, format_seed(place));
}

bool frame_header_check_any(const struct frame_header *header, const struct format_place *place,
                            uint64_t *generation)
{
    struct format_place at = *place;
    at.generation = header->generation;
    *generation = header->generation;
    return frame_header_check(header, &at);
}

bool frame_payload_check(const uint8_t *frame, uint64_t available, const struct format_place *place)
{
    const struct frame_header *header = (const struct frame_header *)frame;
    if (available < sizeof(*header) + (uint64_t)header->payload_bytes)
        return false;
    return header->payload_checksum == XXH3_64bits_withSeed(frame + sizeof(*header),
                                                            header->payload_bytes,
                                                            format_seed(place)) ||
           planted_bug(PLANTED_IGNORE_CHECKSUM);
}

uint32_t record_bytes_for(uint32_t key_bytes, uint32_t attributes_bytes, uint32_t stored_bytes)
{
    return (uint32_t)round_up_to(sizeof(struct record_header) + (uint64_t)key_bytes +
                                     attributes_bytes + stored_bytes,
                                 RECORD_ALIGN_BYTES);
}

static bool record_flags_are_sane(const struct record_header *record)
{
    bool is_put = (record->flags & RECORD_PUT) != 0;
    bool is_delete = (record->flags & RECORD_DELETE) != 0;
    if ((record->flags & ~RECORD_FLAGS_KNOWN) != 0 || is_put == is_delete)
        return false;
    if (is_delete)
        return (record->flags & RECORD_EXTENT) == 0 && record->value_bytes == 0;
    return true;
}

bool record_check(const uint8_t *bytes, uint64_t available, const struct format_place *place)
{
    const struct record_header *record = (const struct record_header *)bytes;
    if (available < sizeof(*record) || record->record_bytes > available ||
        record->record_bytes < sizeof(*record) || record->record_bytes > RECORD_BYTES_MAX)
        return false;
    if (!record_flags_are_sane(record) || record->key_bytes == 0 ||
        record->key_bytes > KEY_BYTES_MAX || record->attributes_bytes > ATTRIBUTES_BYTES_MAX)
        return false;
    bool is_extent = (record->flags & RECORD_EXTENT) != 0;
    if (!is_extent && record->value_bytes >= EXTENT_VALUE_BYTES_MIN)
        return false;
    if (record->record_bytes !=
        record_bytes_for(record->key_bytes, record->attributes_bytes, record_stored_bytes(record)))
        return false;
    return record->checksum == record_checksum(record, place) ||
           planted_bug(PLANTED_IGNORE_CHECKSUM);
}

void record_extent(const struct record_header *record, struct extent_pointer *pointer)
{
    ASSERT(record->flags & RECORD_EXTENT);
    memcpy(pointer, record_value(record), sizeof(*pointer)); /* may be unaligned */
}

uint64_t extent_seed(const struct store_uuid *uuid, uint64_t extent_id)
{
    uint64_t words[3] = {uuid->words[0], uuid->words[1], extent_id};
    return XXH3_64bits(words, sizeof(words));
}

void segment_file_name(char name[FILE_NAME_BYTES], uint32_t id)
{
    snprintf(name, FILE_NAME_BYTES, "seg-%08x.log", id);
}

void extent_file_name(char name[FILE_NAME_BYTES], uint64_t id)
{
    snprintf(name, FILE_NAME_BYTES, "ext-%016llx", (unsigned long long)id);
}

static bool parse_hexadecimal(const char *text, size_t digits, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < digits; i++) {
        uint64_t digit;
        if (text[i] >= '0' && text[i] <= '9')
            digit = (uint64_t)(text[i] - '0');
        else if (text[i] >= 'a' && text[i] <= 'f')
            digit = (uint64_t)(text[i] - 'a') + 10;
        else
            return false;
        *value = *value << 4 | digit;
    }
    return true;
}

bool segment_file_parse(const char *name, uint32_t *id)
{
    uint64_t value;
    if (strlen(name) != 16 || memcmp(name, "seg-", 4) != 0 || strcmp(name + 12, ".log") != 0 ||
        !parse_hexadecimal(name + 4, 8, &value))
        return false;
    *id = (uint32_t)value;
    return true;
}

bool extent_file_parse(const char *name, uint64_t *id)
{
    return strlen(name) == 20 && memcmp(name, "ext-", 4) == 0 &&
           parse_hexadecimal(name + 4, 16, id);
}
