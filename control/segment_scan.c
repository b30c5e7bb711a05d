/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/segment_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/store_log.h"
#include "include/assert_policy.h"
#include "include/key_hash.h"

int segment_scanner_init(struct segment_scanner *scanner, struct io_loop *loop,
                         const struct store_uuid *uuid, uint64_t segment_bytes,
                         segment_scan_record record, void *context)
{
    uint64_t ahead_bytes = round_up_to(segment_bytes / 16, BLOCK_BYTES);
    if (ahead_bytes > SCAN_AHEAD_BYTES_MAX)
        ahead_bytes = SCAN_AHEAD_BYTES_MAX;
    *scanner = (struct segment_scanner){.loop = loop,
                                        .uuid = *uuid,
                                        .ahead_bytes = (uint32_t)ahead_bytes,
                                        .record = record,
                                        .context = context};
    for (uint32_t i = 0; i < 2; i++)
        scanner->buffers[i] = aligned_alloc(BLOCK_BYTES, FRAME_BYTES_LIMIT + ahead_bytes);
    scanner->block = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
    bool is_complete = scanner->buffers[0] && scanner->buffers[1] && scanner->block;
    return is_complete ? 0 : -ENOMEM;
}

void segment_scanner_destroy(struct segment_scanner *scanner)
{
    free(scanner->buffers[0]);
    free(scanner->buffers[1]);
    free(scanner->block);
}

/*
 * Reads up to `bytes` at a block boundary; fewer at the end of the file. A failed read is tried
 * once more.
 */
static int64_t read_at(struct segment_scanner *scanner, int fd, uint8_t *buffer, uint64_t offset,
                       uint32_t bytes)
{
    uint32_t done_bytes = 0, failures = 0;
    while (done_bytes < bytes) {
        struct io_operation read = {.code = IO_READ,
                                    .fd = fd,
                                    .buffer = buffer + done_bytes,
                                    .offset = offset + done_bytes,
                                    .bytes = bytes - done_bytes};
        int64_t result = store_run(scanner->loop, &read);
        if (result == 0)
            break;
        if (result < 0) {
            if (result == -ECANCELED || ++failures > 1)
                return result;
            continue;
        }
        if (result < (int64_t)(bytes - done_bytes) && result % BLOCK_BYTES != 0) {
            if (++failures > 16) { /* the file ends inside a block */
                done_bytes += (uint32_t)result;
                break;
            }
            result &= ~(int64_t)(BLOCK_BYTES - 1);
        }
        done_bytes += (uint32_t)result;
    }
    return done_bytes;
}

static uint64_t window_end(const struct segment_scanner *scanner)
{
    return scanner->window_offset + scanner->window_bytes;
}

static bool window_covers(const struct segment_scanner *scanner, uint64_t offset, uint64_t bytes)
{
    return offset >= scanner->window_offset && offset + bytes <= window_end(scanner);
}

static void read_ahead(struct segment_scanner *scanner, const struct segment *segment)
{
    uint64_t offset = window_end(scanner);
    if (offset >= segment->bytes || offset % BLOCK_BYTES != 0)
        return;
    uint64_t left = segment->bytes - offset;
    scanner->ahead = (struct io_operation){
        .code = IO_READ,
        .fd = segment->fd,
        .buffer = scanner->buffers[1 - scanner->buffer_index] + FRAME_BYTES_LIMIT,
        .offset = offset,
        .bytes = left < scanner->ahead_bytes ? (uint32_t)left : scanner->ahead_bytes};
    scanner->is_reading_ahead = true;
    io_begin(scanner->loop, &scanner->ahead);
}

/* Bytes that were read ahead, or a negative errno. */
static int64_t finish_reading_ahead(struct segment_scanner *scanner)
{
    if (!scanner->is_reading_ahead)
        return 0;
    scanner->is_reading_ahead = false;
    return io_end(scanner->loop, &scanner->ahead);
}

/*
 * Puts what was read ahead behind the end of the window from `offset` on. False: that is not what
 * was read, or it failed; it has to be read again.
 */
static bool move_window(struct segment_scanner *scanner, const struct segment *segment,
                        uint64_t offset, int *error)
{
    uint64_t end = window_end(scanner);
    bool is_next = scanner->is_reading_ahead && offset >= scanner->window_offset && offset <= end;
    int64_t result = finish_reading_ahead(scanner);
    if (result == -ECANCELED)
        *error = -ECANCELED;
    if (!is_next || result <= 0)
        return false;
    uint32_t kept_bytes = (uint32_t)(end - offset);
    scanner->buffer_index = 1 - scanner->buffer_index;
    uint8_t *begin = scanner->buffers[scanner->buffer_index] + FRAME_BYTES_LIMIT - kept_bytes;
    memcpy(begin, scanner->window + (offset - scanner->window_offset), kept_bytes);
    scanner->window = begin;
    scanner->window_offset = offset;
    scanner->window_bytes = kept_bytes + (uint32_t)result;
    read_ahead(scanner, segment);
    return true;
}

static void load_window(struct segment_scanner *scanner, const struct segment *segment,
                        uint64_t offset, uint64_t bytes, int *error)
{
    uint64_t left = offset < segment->bytes ? segment->bytes - offset : 0;
    uint64_t wanted = bytes > scanner->ahead_bytes ? bytes : scanner->ahead_bytes;
    uint8_t *buffer = scanner->buffers[scanner->buffer_index];
    int64_t result =
        read_at(scanner, segment->fd, buffer, offset, (uint32_t)(left < wanted ? left : wanted));
    scanner->window = buffer;
    scanner->window_offset = offset;
    scanner->window_bytes = result > 0 ? (uint32_t)result : 0;
    if (result < 0)
        *error = (int)result;
    else
        read_ahead(scanner, segment);
}

/* At least `bytes` at `offset` in memory; NULL: the file has fewer. *error: the read failed. */
static const uint8_t *window_at(struct segment_scanner *scanner, const struct segment *segment,
                                uint64_t offset, uint64_t bytes, int *error)
{
    ASSERT(bytes <= FRAME_BYTES_LIMIT && bytes % BLOCK_BYTES == 0);
    while (!window_covers(scanner, offset, bytes)) {
        if (move_window(scanner, segment, offset, error))
            continue;
        if (*error == 0)
            load_window(scanner, segment, offset, bytes, error);
        if (*error != 0 || !window_covers(scanner, offset, bytes))
            return NULL;
    }
    return scanner->window + (offset - scanner->window_offset);
}

static struct format_place place_at(const struct segment_scanner *scanner,
                                    const struct segment *segment, uint64_t offset)
{
    return (struct format_place){scanner->uuid, segment->generation, offset, segment->id};
}

/* The newer valid copy. False: none is valid. */
static bool load_header(struct segment_scanner *scanner, struct segment *segment,
                        struct segment_scan *scan, int *error)
{
    bool is_found = false;
    for (uint32_t copy = 0; copy < 2; copy++) {
        int64_t result =
            read_at(scanner, segment->fd, scanner->block, copy * BLOCK_BYTES, BLOCK_BYTES);
        if (result < 0) {
            *error = (int)result;
            return false;
        }
        const struct segment_header *header =
            (const struct segment_header *)(const void *)scanner->block;
        if (result == BLOCK_BYTES &&
            segment_header_check(header, &scanner->uuid, segment->id, copy) &&
            (!is_found || header->generation > segment->generation)) {
            segment->generation = header->generation;
            segment->bytes = header->segment_bytes;
            scan->header_epoch = header->epoch;
            is_found = true;
        }
    }
    return is_found;
}

static bool records_are_valid(const struct segment_scanner *scanner, const struct segment *segment,
                              uint64_t offset, const uint8_t *frame)
{
    const struct frame_header *header = (const struct frame_header *)(const void *)frame;
    uint32_t done_bytes = 0, count = 0;
    while (done_bytes < header->payload_bytes) {
        const uint8_t *bytes = frame + sizeof(*header) + done_bytes;
        const struct record_header *record = (const struct record_header *)(const void *)bytes;
        struct format_place place =
            place_at(scanner, segment, offset + sizeof(*header) + done_bytes);
        if (!record_check(bytes, header->payload_bytes - done_bytes, &place) ||
            shard_of_hash(key_hash_shard(record_key(record), record->key_bytes)) !=
                record->virtual_shard)
            return false;
        done_bytes += record->record_bytes;
        count++;
    }
    return count == header->record_count;
}

/* The whole valid frame at `offset`, whatever came before it. NULL: there is none. */
static const uint8_t *frame_at(struct segment_scanner *scanner, const struct segment *segment,
                               uint64_t offset, int *error)
{
    struct format_place place = place_at(scanner, segment, offset);
    const uint8_t *bytes = window_at(scanner, segment, offset, BLOCK_BYTES, error);
    if (bytes == NULL)
        return NULL;
    const struct frame_header *header = (const struct frame_header *)(const void *)bytes;
    if (!frame_header_check(header, &place) ||
        frame_bytes(header->payload_bytes) > FRAME_BYTES_LIMIT ||
        header->payload_bytes > FRAME_BYTES_LIMIT)
        return NULL;
    uint64_t total_bytes = frame_bytes(header->payload_bytes);
    bytes = window_at(scanner, segment, offset, total_bytes, error);
    if (bytes == NULL || !frame_payload_check(bytes, total_bytes, &place) ||
        !records_are_valid(scanner, segment, offset, bytes))
        return NULL;
    return bytes;
}

static bool frame_continues(const struct segment_scan *scan, const struct frame_header *header)
{
    if (scan->frame_count == 0)
        return header->previous_checksum == 0 && header->sequence == header->first_sequence;
    return header->previous_checksum == scan->last_checksum && header->epoch == scan->epoch &&
           header->sequence == scan->last_sequence + 1;
}

static void take_frame(struct segment_scanner *scanner, struct segment *segment,
                       struct segment_scan *scan, uint64_t offset, const uint8_t *frame)
{
    const struct frame_header *header = (const struct frame_header *)(const void *)frame;
    for (uint32_t done_bytes = 0; done_bytes < header->payload_bytes;) {
        const struct record_header *record =
            (const struct record_header *)(const void *)(frame + sizeof(*header) + done_bytes);
        scanner->record(scanner->context, segment, offset + sizeof(*header) + done_bytes, record);
        done_bytes += record->record_bytes;
    }
    scan->frame_count++;
    scan->end_offset = offset + frame_bytes(header->payload_bytes);
    scan->is_sealed = (header->flags & FRAME_SEAL) != 0;
    scan->epoch = header->epoch;
    scan->stream = header->stream;
    scan->first_sequence = header->first_sequence;
    scan->last_sequence = header->sequence;
    scan->last_checksum = header->checksum;
    scan->previous_segment_id = header->previous_segment_id;
    scan->previous_generation = header->previous_generation;
    scan->previous_end_offset = header->previous_end_offset;
    if (header->wall_ms > scan->wall_ms_max)
        scan->wall_ms_max = header->wall_ms;
}

/*
 * Looks behind a frame that failed for one that says the failed one had been synced. Returns its
 * offset, or 0: nothing says so, the tail is torn.
 */
static uint64_t find_witness(struct segment_scanner *scanner, const struct segment *segment,
                             const struct segment_scan *scan, uint64_t offset, int *error)
{
    for (offset += BLOCK_BYTES; offset + BLOCK_BYTES <= segment->bytes; offset += BLOCK_BYTES) {
        const uint8_t *bytes = window_at(scanner, segment, offset, BLOCK_BYTES, error);
        if (bytes == NULL)
            return 0;
        const struct frame_header *header = (const struct frame_header *)(const void *)bytes;
        struct format_place place = place_at(scanner, segment, offset);
        if (!frame_header_check(header, &place))
            continue;
        bool is_same_life = scan->frame_count == 0 || header->epoch == scan->epoch;
        uint64_t failed_sequence =
            scan->frame_count == 0 ? header->first_sequence : scan->last_sequence + 1;
        if (is_same_life && header->durable_sequence >= failed_sequence &&
            frame_at(scanner, segment, offset, error) != NULL)
            return offset;
    }
    return 0;
}

/* Records in a damaged stretch that still match their own checksum. */
static void salvage(struct segment_scanner *scanner, struct segment *segment,
                    struct segment_scan *scan, uint64_t begin, uint64_t end, int *error)
{
    const uint8_t *bytes = window_at(scanner, segment, begin, BLOCK_BYTES, error);
    if (bytes == NULL)
        return;
    const struct frame_header *header = (const struct frame_header *)(const void *)bytes;
    struct format_place frame_place = place_at(scanner, segment, begin);
    uint64_t expected = frame_header_check(header, &frame_place) ? header->record_count : 0;
    uint64_t saved = 0;
    uint64_t limit = end - begin < FRAME_BYTES_LIMIT ? end - begin : FRAME_BYTES_LIMIT;
    bytes = window_at(scanner, segment, begin, limit, error);
    for (uint64_t at = sizeof(*header);
         bytes != NULL && at + sizeof(struct record_header) <= limit;) {
        struct format_place place = place_at(scanner, segment, begin + at);
        const struct record_header *record =
            (const struct record_header *)(const void *)(bytes + at);
        if (!record_check(bytes + at, limit - at, &place) ||
            shard_of_hash(key_hash_shard(record_key(record), record->key_bytes)) !=
                record->virtual_shard) {
            at += RECORD_ALIGN_BYTES;
            continue;
        }
        scanner->record(scanner->context, segment, begin + at, record);
        at += record->record_bytes;
        saved++;
    }
    scan->salvaged_count += saved;
    scan->lost_count += expected > saved ? expected - saved : expected == 0;
}

static void note_torn_tail(struct segment_scanner *scanner, const struct segment *segment,
                           struct segment_scan *scan, uint64_t offset, int *error)
{
    const uint8_t *bytes = window_at(scanner, segment, offset, BLOCK_BYTES, error);
    if (bytes == NULL)
        return;
    const struct frame_header *header = (const struct frame_header *)(const void *)bytes;
    struct format_place place = place_at(scanner, segment, offset);
    if (frame_header_check(header, &place))
        scan->torn_bytes = header->payload_bytes;
}

/* A header that says less than the frames do is damaged, too. */
static void check_generation(struct segment_scanner *scanner, struct segment *segment,
                             struct segment_scan *scan, bool has_header, int *error)
{
    const uint8_t *bytes = window_at(scanner, segment, SEGMENT_DATA_OFFSET, BLOCK_BYTES, error);
    if (bytes == NULL)
        return;
    struct format_place place = place_at(scanner, segment, SEGMENT_DATA_OFFSET);
    uint64_t generation;
    if (frame_header_check_any((const struct frame_header *)(const void *)bytes, &place,
                               &generation) &&
        (!has_header || generation > segment->generation)) {
        segment->generation = generation;
        has_header = false;
    }
    if (!has_header) {
        scan->is_damaged = true;
        scan->damage_offset = 0;
        scan->damage_bytes = BLOCK_BYTES;
    }
}

static int scan_segment(struct segment_scanner *scanner, struct segment *segment,
                        struct segment_scan *scan)
{
    int error = 0;
    int64_t file_bytes = io_file_size(scanner->loop, segment->fd);
    if (file_bytes < 0)
        return (int)file_bytes;
    bool has_header = load_header(scanner, segment, scan, &error);
    if (!has_header || segment->bytes > (uint64_t)file_bytes) {
        has_header = has_header && segment->bytes <= (uint64_t)file_bytes;
        segment->bytes = (uint64_t)file_bytes & ~(uint64_t)(BLOCK_BYTES - 1);
    }
    if (error == 0)
        check_generation(scanner, segment, scan, has_header, &error);
    if (!has_header)
        scan->is_damaged = true;
    scan->generation = segment->generation;
    scan->end_offset = SEGMENT_DATA_OFFSET;

    uint64_t offset = SEGMENT_DATA_OFFSET;
    bool is_after_damage = false;
    while (error == 0 && !scan->is_sealed && offset + BLOCK_BYTES <= segment->bytes) {
        const uint8_t *frame = frame_at(scanner, segment, offset, &error);
        if (frame != NULL &&
            (is_after_damage ||
             frame_continues(scan, (const struct frame_header *)(const void *)frame))) {
            take_frame(scanner, segment, scan, offset, frame);
            offset = scan->end_offset;
            is_after_damage = false;
            continue;
        }
        if (error != 0)
            break;
        uint64_t witness = find_witness(scanner, segment, scan, offset, &error);
        if (error != 0)
            break;
        if (witness == 0) {
            note_torn_tail(scanner, segment, scan, offset, &error);
            break;
        }
        if (scan->damage_bytes == 0)
            scan->damage_offset = offset;
        scan->is_damaged = true;
        scan->damage_bytes += witness - offset;
        salvage(scanner, segment, scan, offset, witness, &error);
        offset = witness;
        is_after_damage = true;
    }
    return error;
}

int segment_scan_run(struct segment_scanner *scanner, struct segment *segment,
                     struct segment_scan *scan)
{
    *scan = (struct segment_scan){.previous_segment_id = UINT32_MAX};
    scanner->window_bytes = 0;
    int error = scan_segment(scanner, segment, scan);
    if (finish_reading_ahead(scanner) == -ECANCELED)
        error = -ECANCELED;
    return error;
}
