/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/shard_format.h"
#include "include/compiler.h"
#include "include/random.h"

static const struct format_place place = {{{1, 2}}, 7, SEGMENT_DATA_OFFSET, 3};

static uint8_t frame[2 * BLOCK_BYTES] __attribute__((aligned(BLOCK_BYTES)));

static struct record_header *add_record(uint32_t key_bytes, uint32_t attributes_bytes,
                                        uint32_t value_bytes)
{
    struct frame_header *header = (struct frame_header *)(void *)frame;
    struct record_header *record =
        (struct record_header *)(void *)(frame + sizeof(*header) + header->payload_bytes);
    record->record_bytes = record_bytes_for(key_bytes, attributes_bytes, value_bytes);
    record->key_bytes = (uint16_t)key_bytes;
    record->attributes_bytes = (uint16_t)attributes_bytes;
    record->value_bytes = value_bytes;
    record->flags = RECORD_PUT;
    record->version = 9;
    header->payload_bytes += record->record_bytes;
    header->record_count++;
    return record;
}

static void make_frame(void)
{
    memset(frame, 0, sizeof(frame));
    struct frame_header *header = (struct frame_header *)(void *)frame;
    header->magic = FRAME_MAGIC;
    header->format_major = FORMAT_MAJOR;
    header->segment_id = (uint32_t)place.segment_id;
    header->generation = place.generation;
    memset(add_record(5, 3, 100) + 1, 'a', 108);
    memset(add_record(1, 0, 0) + 1, 'b', 1);
    frame_seal(frame, &place);
}

static bool frame_is_good(const struct format_place *at)
{
    const struct frame_header *header = (const struct frame_header *)(const void *)frame;
    return frame_header_check(header, at) && frame_payload_check(frame, sizeof(frame), at);
}

static void a_sealed_frame_passes_only_at_its_own_place(void **state)
{
    (void)state;
    make_frame();
    assert_true(frame_is_good(&place));
    struct format_place other = place;
    other.offset += BLOCK_BYTES; /* misdirected */
    assert_false(frame_is_good(&other));
    other = place;
    other.generation++; /* stale */
    assert_false(frame_is_good(&other));
    other = place;
    other.segment_id++;
    assert_false(frame_is_good(&other));
    other = place;
    other.uuid.words[1]++; /* another store's */
    assert_false(frame_is_good(&other));
}

static void every_flipped_bit_of_a_frame_is_noticed(void **state)
{
    (void)state;
    make_frame();
    const struct frame_header *header = (const struct frame_header *)(const void *)frame;
    uint32_t bits = (uint32_t)(sizeof(*header) + header->payload_bytes) * 8;
    for (uint32_t bit = 0; bit < bits; bit++) {
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (frame_is_good(&place))
            fail_msg("bit %u", bit);
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(frame_is_good(&place));
}

static void every_flipped_bit_of_a_record_is_noticed_without_its_frame(void **state)
{
    (void)state;
    make_frame();
    uint8_t *record = frame + sizeof(struct frame_header);
    uint32_t bytes = ((struct record_header *)(void *)record)->record_bytes;
    struct format_place at = place;
    at.offset += sizeof(struct frame_header);
    assert_true(record_check(record, bytes, &at));
    assert_false(record_check(record, bytes - 1, &at));
    for (uint32_t bit = 0; bit < bytes * 8; bit++) {
        record[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (record_check(record, bytes, &at))
            fail_msg("bit %u", bit);
        record[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void lengths_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t record_bytes, value_bytes;
        uint16_t key_bytes, attributes_bytes;
        uint8_t flags;
    } cases[] = {
        {"no key", 48, 0, 0, 0, RECORD_PUT},
        {"key above the limit", 2048, 0, 1999, 0, RECORD_PUT},
        {"attributes above the limit", 704, 0, 8, 600, RECORD_PUT},
        {"neither put nor delete", 56, 0, 8, 0, 0},
        {"both put and delete", 56, 0, 8, 0, RECORD_PUT | RECORD_DELETE},
        {"a delete with a value", 64, 8, 8, 0, RECORD_DELETE},
        {"an unknown flag", 56, 0, 8, 0, RECORD_PUT | 64},
        {"shorter than its parts", 56, 8, 8, 0, RECORD_PUT},
        {"longer than its parts", 64, 0, 8, 0, RECORD_PUT},
        {"an inline value above 64 KiB", 70056, 70000, 8, 0, RECORD_PUT},
    };
    uint8_t *bytes = aligned_alloc(8, 131072);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        memset(bytes, 0, 131072);
        struct record_header *record = (struct record_header *)(void *)bytes;
        record->record_bytes = cases[i].record_bytes;
        record->value_bytes = cases[i].value_bytes;
        record->key_bytes = cases[i].key_bytes;
        record->attributes_bytes = cases[i].attributes_bytes;
        record->flags = cases[i].flags;
        if (record_check(bytes, 131072, &place))
            fail_msg("case '%s'", cases[i].what);
    }
    free(bytes);
}

static void random_bytes_are_never_a_record_and_never_read_beyond(void **state)
{
    (void)state;
    struct random random = {5};
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t bytes = 8 * (1 + random_below(&random, 40));
        uint8_t *exact = aligned_alloc(8, bytes); /* exact size: ASan sees an over-read */
        for (uint32_t at = 0; at < bytes; at += 8) {
            uint64_t word = random_u64(&random) & (random_chance(&random, 500) ? 0xff : UINT64_MAX);
            memcpy(exact + at, &word, 8);
        }
        assert_false(record_check(exact, bytes, &place));
        free(exact);
    }
}

static void a_segment_header_belongs_to_one_copy_id_and_store(void **state)
{
    (void)state;
    struct segment_header header;
    struct store_uuid uuid = {{1, 2}}, other = {{1, 3}};
    segment_header_make(&header, &uuid, 5, 8, 1u << 20, 1);
    assert_true(segment_header_check(&header, &uuid, 5, 0));
    assert_false(segment_header_check(&header, &uuid, 5, 1));
    assert_false(segment_header_check(&header, &uuid, 6, 0));
    assert_false(segment_header_check(&header, &other, 5, 0));
    header.generation += 2;
    assert_false(segment_header_check(&header, &uuid, 5, 0));
}

static void a_superblock_of_another_format_is_told_from_a_damaged_one(void **state)
{
    (void)state;
    static struct superblock super;
    super.magic = SUPERBLOCK_MAGIC;
    super.format_major = FORMAT_MAJOR;
    super.virtual_shards = VIRTUAL_SHARDS;
    superblock_seal(&super);
    assert_int_equal(superblock_check(&super), 0);
    super.epoch++;
    assert_int_equal(superblock_check(&super), -EBADMSG);
    super.features_incompatible = 1u << 31;
    superblock_seal(&super);
    assert_int_equal(superblock_check(&super), -EPROTONOSUPPORT);
    super.features_incompatible = 0;
    super.format_major = FORMAT_MAJOR + 1;
    superblock_seal(&super);
    assert_int_equal(superblock_check(&super), -EPROTONOSUPPORT);
}

static void file_names_parse_back(void **state)
{
    (void)state;
    char name[FILE_NAME_BYTES];
    uint32_t segment_id;
    uint64_t extent_id;
    segment_file_name(name, 0xabc);
    assert_true(segment_file_parse(name, &segment_id));
    assert_int_equal(segment_id, 0xabc);
    extent_file_name(name, UINT64_C(0x123456789abcdef0));
    assert_true(extent_file_parse(name, &extent_id));
    assert_true(extent_id == UINT64_C(0x123456789abcdef0));
    static const char *const strangers[] = {"seg-0000000g.log", "seg-00000000.new", "LOCK",
                                            "ext-12345",        "seg-0000000A.log", ""};
    for (size_t i = 0; i < ARRAY_COUNT(strangers); i++)
        if (segment_file_parse(strangers[i], &segment_id) ||
            extent_file_parse(strangers[i], &extent_id))
            fail_msg("'%s' was accepted", strangers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_frame_passes_only_at_its_own_place),
        cmocka_unit_test(every_flipped_bit_of_a_frame_is_noticed),
        cmocka_unit_test(every_flipped_bit_of_a_record_is_noticed_without_its_frame),
        cmocka_unit_test(lengths_that_contradict_each_other_are_refused),
        cmocka_unit_test(random_bytes_are_never_a_record_and_never_read_beyond),
        cmocka_unit_test(a_segment_header_belongs_to_one_copy_id_and_store),
        cmocka_unit_test(a_superblock_of_another_format_is_told_from_a_damaged_one),
        cmocka_unit_test(file_names_parse_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
