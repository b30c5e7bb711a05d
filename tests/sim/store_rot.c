/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rot in a whole segment of 64 KiB: every bit, every length, misplaced frames. Two judges:
 * the engine's recovery and the reader behind `gannet store verify`, which shares no code with it.
 *
 * What must hold: no record is ever read that was not written so; what had been acknowledged is all
 * there, or damage is reported; both judges agree.
 *
 * The reader sees every bit and every length. Recovery, which opens a whole store each time, sees
 * every GANNET_ROT_STEP-th (default 499; 1: all, about ten minutes).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/store_reader.h"
#include "include/log.h"
#include "tests/sim/store_harness.h"
#include "tests/support/depth.h"

#define SEGMENT_BYTES (64u << 10)
#define RECORDS_MAX 512u
#define PATH "data/seg-00000000.log"

/* What the undamaged segment holds. */
struct original {
    uint64_t offset, version;
    uint32_t value_bytes;
    uint16_t key_bytes;
    const uint8_t *key, *value;
};

struct judgement {
    uint32_t seen_count, wrong_count;
    bool seen[RECORDS_MAX];
};

static uint8_t pristine[SEGMENT_BYTES], damaged[SEGMENT_BYTES];
static struct original originals[RECORDS_MAX];
static uint32_t original_count;
static struct reader_uuid uuid;
static struct reader_segment pristine_segment;
static struct harness harness;
static struct io_disk_image *image;

static void learn(void *context, const struct reader_segment *segment,
                  const struct reader_record *record)
{
    (void)context;
    (void)segment;
    assert_true(original_count < RECORDS_MAX);
    originals[original_count++] =
        (struct original){record->offset,    record->version, record->value_bytes,
                          record->key_bytes, record->key,     record->value};
}

static void compare(void *context, const struct reader_segment *segment,
                    const struct reader_record *record)
{
    (void)segment;
    struct judgement *judgement = context;
    uint32_t i = 0;
    while (i < original_count && originals[i].offset != record->offset)
        i++;
    bool is_as_written = i < original_count && originals[i].version == record->version &&
                         originals[i].key_bytes == record->key_bytes &&
                         originals[i].value_bytes == record->value_bytes &&
                         memcmp(originals[i].key, record->key, record->key_bytes) == 0 &&
                         (record->value == NULL ||
                          memcmp(originals[i].value, record->value, record->value_bytes) == 0);
    judgement->wrong_count += !is_as_written;
    if (is_as_written && !judgement->seen[i]) {
        judgement->seen[i] = true;
        judgement->seen_count++;
    }
}

static void put(uint32_t key, uint32_t bytes)
{
    static uint8_t value[16384];
    char name[32];
    memset(value, (int)key, bytes);
    int name_bytes = snprintf(name, sizeof(name), "ns%ckey-%u", 0, key);
    struct shard_operation *operation =
        harness_operation(&harness, SHARD_PUT, name, (uint32_t)name_bytes);
    harness_set_value(&harness, operation, value, bytes);
    harness_submit(&harness, operation);
}

/* One full, sealed segment and the beginning of the next one. */
static int make_segment(void **state)
{
    (void)state;
    uint8_t super_block[READER_BLOCK_BYTES];
    struct reader_super super;
    static const struct reader_calls calls = {NULL, learn, NULL};
    harness_init(&harness, 4);
    harness.config.store.compact_dead_percent = 101;
    if (harness_open(&harness, 1) < 0)
        return -1;
    for (uint32_t key = 0; key < 160; key++) {
        put(key % 120, key % 40 == 39 ? 5000 : 60 + key * 3);
        if (key % 7 == 6)
            harness_settle(&harness);
    }
    harness_settle(&harness);
    harness_close(&harness);
    image = io_simulator_snapshot(harness.sim);
    io_simulator_read(harness.sim, PATH, pristine, SEGMENT_BYTES);
    io_simulator_read(harness.sim, "data/SUPER.1", super_block, sizeof(super_block));
    reader_super(super_block, sizeof(super_block), &super);
    uuid = super.uuid;
    reader_segment(pristine, SEGMENT_BYTES, &uuid, 0, &calls, &pristine_segment);
    bool is_usable = super.is_valid && pristine_segment.is_sealed &&
                     pristine_segment.damage == NULL && original_count > 60;
    return is_usable ? 0 : -1;
}

static int drop_segment(void **state)
{
    (void)state;
    io_disk_image_destroy(image);
    harness_destroy(&harness);
    return 0;
}

/* Of the bytes in `damaged`. True: damage is reported. */
static bool reader_judges(uint64_t count, const char *what, uint64_t place)
{
    struct judgement judgement = {0};
    const struct reader_calls calls = {&judgement, compare, NULL};
    struct reader_segment segment;
    reader_segment(damaged, count, &uuid, 0, &calls, &segment);
    if (judgement.wrong_count > 0)
        fail_msg("%s %llu: a record that nobody wrote", what, (unsigned long long)place);
    if (segment.damage == NULL && judgement.seen_count != original_count)
        fail_msg("%s %llu: %u of %u records, and no damage", what, (unsigned long long)place,
                 judgement.seen_count, original_count);
    return segment.damage != NULL;
}

/* Of the disk as it is. True: it refuses. */
static bool recovery_refuses(void)
{
    int status = harness_open(&harness, 1);
    if (status == 0) {
        harness_close(&harness);
        return false;
    }
    assert_int_equal(status, -EBADMSG);
    harness_drop_loops(&harness);
    return true;
}

/*
 * The reader knows this segment alone, recovery the next one, too: where that one continues it. So
 * recovery may refuse more.
 */
static void check_both(bool reader_refuses, const char *what, uint64_t place)
{
    bool refuses = recovery_refuses();
    if (reader_refuses && !refuses)
        fail_msg("%s %llu: recovery opens what the reader calls damaged", what,
                 (unsigned long long)place);
}

static void every_flipped_bit_is_damage_or_does_not_matter(void **state)
{
    (void)state;
    uint64_t step = depth_of("GANNET_ROT_STEP", 499), damage_count = 0;
    memcpy(damaged, pristine, SEGMENT_BYTES);
    for (uint64_t bit = 0; bit < (uint64_t)SEGMENT_BYTES * 8; bit++) {
        damaged[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool is_damage = reader_judges(SEGMENT_BYTES, "bit", bit);
        damaged[bit / 8] ^= (uint8_t)(1u << bit % 8);
        damage_count += is_damage;
        if (bit % step != 0)
            continue;
        io_simulator_restore(harness.sim, image);
        assert_true(io_simulator_flip_bit(harness.sim, PATH, bit / 8, (uint32_t)(bit % 8)));
        check_both(is_damage, "bit", bit);
    }
    print_message("%llu of %u bits are damage\n", (unsigned long long)damage_count,
                  SEGMENT_BYTES * 8);
    assert_true(damage_count > SEGMENT_BYTES * 8 / 4); /* the rest pads frames to whole blocks */
}

static void every_shorter_length_is_damage_or_does_not_matter(void **state)
{
    (void)state;
    uint64_t step = depth_of("GANNET_ROT_STEP", 499);
    memcpy(damaged, pristine, SEGMENT_BYTES);
    for (uint64_t bytes = 0; bytes < SEGMENT_BYTES; bytes++) {
        bool is_damage = reader_judges(bytes, "length", bytes);
        if (!is_damage)
            fail_msg("a file of %llu bytes passes", (unsigned long long)bytes);
        if (bytes % step != 0)
            continue;
        io_simulator_restore(harness.sim, image);
        io_simulator_truncate(harness.sim, PATH, bytes);
        check_both(is_damage, "length", bytes);
    }
}

/* The disk gets what `damaged` holds. */
static void write_to_disk(void)
{
    io_simulator_restore(harness.sim, image);
    for (uint32_t at = 0; at < SEGMENT_BYTES; at++)
        for (uint32_t bit = 0; bit < 8; bit++)
            if (((damaged[at] ^ pristine[at]) >> bit & 1) != 0)
                io_simulator_flip_bit(harness.sim, PATH, at, bit);
}

/* Every block in the place of every other one: misplaced writes, and writes that never came. */
static void a_block_in_the_place_of_another_is_damage(void **state)
{
    (void)state;
    uint32_t blocks = (uint32_t)(pristine_segment.end_offset / READER_BLOCK_BYTES);
    for (uint32_t to = 2; to < blocks; to++) {
        for (uint32_t from = 0; from <= blocks; from++) {
            memcpy(damaged, pristine, SEGMENT_BYTES);
            uint8_t *place = damaged + (size_t)to * READER_BLOCK_BYTES;
            if (from < blocks)
                memcpy(place, pristine + (size_t)from * READER_BLOCK_BYTES, READER_BLOCK_BYTES);
            else
                memset(place, 0, READER_BLOCK_BYTES);
            bool is_damage = reader_judges(SEGMENT_BYTES, "block", to * 100 + from);
            if (from != to && to + 1 < blocks && !is_damage)
                fail_msg("block %u in the place of %u passes", from, to);
            if ((to * blocks + from) % 7 != 0)
                continue;
            write_to_disk();
            check_both(is_damage && from != to, "block", to * 100 + from);
        }
    }
}

/* A header of an older or a younger life over frames of this one. */
static void frames_of_another_generation_are_not_taken(void **state)
{
    (void)state;
    struct segment_header *header = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
    for (int by = -2; by <= 3; by++) {
        uint64_t generation = pristine_segment.generation + (uint64_t)(int64_t)by;
        if (by == 0)
            continue;
        memcpy(damaged, pristine, SEGMENT_BYTES);
        memset(damaged, 0, (size_t)2 * READER_BLOCK_BYTES);
        const struct store_uuid same = {{uuid.words[0], uuid.words[1]}};
        segment_header_make(header, &same, 0, generation, SEGMENT_BYTES, 1);
        memcpy(damaged + generation % 2 * READER_BLOCK_BYTES, header, READER_BLOCK_BYTES);
        struct judgement judgement = {0};
        const struct reader_calls calls = {&judgement, compare, NULL};
        struct reader_segment segment;
        reader_segment(damaged, SEGMENT_BYTES, &uuid, 0, &calls, &segment);
        if (by > 0) { /* recycled: what lies there is of a life that is over */
            assert_int_equal(judgement.seen_count, 0);
            assert_null(segment.damage);
        } else { /* frames younger than their header: that header was lost */
            assert_non_null(segment.damage);
        }
        assert_int_equal(judgement.wrong_count, 0);
    }
    free(header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_bit_is_damage_or_does_not_matter),
        cmocka_unit_test(every_shorter_length_is_damage_or_does_not_matter),
        cmocka_unit_test(a_block_in_the_place_of_another_is_damage),
        cmocka_unit_test(frames_of_another_generation_are_not_taken),
    };
    log_set_level((enum log_level) - 1);
    return cmocka_run_group_tests(tests, make_segment, drop_segment);
}
