/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#define LOST_KEYS_SHOWN 100u
#define RETRIES_IN_USE 5u /* a running server may be writing what was just read */
#define RETRY_US 20000

enum { KEY_IS_PUT = 1 };

/* The newest record of one key. */
struct key_slot {
    uint64_t hash[2]; /* both 0: unused */
    uint64_t version, contents, expires_at_ms;
    uint32_t flags, value_bytes;
};

/* A record that names an extent; whether it is its key's newest is known at the end. */
struct extent_use {
    uint64_t hash[2];
    uint64_t version, id, checksum;
    uint32_t value_bytes;
};

struct verification {
    struct store_files *files;
    struct store_verdict *verdict;
    struct text_buffer *text;
    struct key_slot *slots;
    uint64_t slot_count, used_count;
    struct extent_use *extents;
    uint64_t extent_count, extent_room;
    struct reader_segment *segments; /* in the order of files->segments */
    uint64_t version_max[READER_SHARDS];
    uint64_t wall_ms;
    uint32_t lost_shown;
    bool is_short_of_memory;
};

void store_key_text(struct text_buffer *text, const uint8_t *key, uint32_t key_bytes)
{
    bool is_in_namespace = true;
    for (uint32_t i = 0; i < key_bytes; i++) {
        bool separates = is_in_namespace && key[i] == 0;
        if (separates)
            text_add(text, "/", 1);
        else if (key[i] > ' ' && key[i] <= '~' && key[i] != '\\')
            text_add(text, (const char *)&key[i], 1);
        else
            text_format(text, "\\x%02x", key[i]);
        is_in_namespace = is_in_namespace && !separates;
    }
}

#define PROBLEM(verification, ...)                                                                 \
    do {                                                                                           \
        (verification)->verdict->problem_count++;                                                  \
        text_format((verification)->text, __VA_ARGS__);                                            \
    } while (0)

/* ---- keys ---- */

static struct key_slot *slot_of(const struct verification *verification, const uint64_t hash[2])
{
    uint64_t at = hash[0] & (verification->slot_count - 1);
    for (;; at = (at + 1) & (verification->slot_count - 1)) {
        struct key_slot *slot = &verification->slots[at];
        bool is_unused = (slot->hash[0] | slot->hash[1]) == 0;
        if (is_unused || (slot->hash[0] == hash[0] && slot->hash[1] == hash[1]))
            return slot;
    }
}

static bool make_slots(struct verification *verification)
{
    if (verification->used_count * 4 < verification->slot_count * 3)
        return true;
    struct key_slot *old = verification->slots;
    uint64_t old_count = verification->slot_count;
    uint64_t count = old_count == 0 ? 1024 : old_count * 2;
    struct key_slot *slots = calloc(count, sizeof(*slots));
    if (slots == NULL)
        return false;
    verification->slots = slots;
    verification->slot_count = count;
    for (uint64_t i = 0; i < old_count; i++)
        if ((old[i].hash[0] | old[i].hash[1]) != 0)
            *slot_of(verification, old[i].hash) = old[i];
    free(old);
    return true;
}

static uint64_t contents_of(const struct reader_record *record, const uint64_t hash[2])
{
    uint64_t value = record->is_extent ? record->extent_checksum
                     : record->is_put  ? XXH3_64bits(record->value, record->value_bytes)
                                       : 0;
    uint64_t fields[] = {hash[0],
                         hash[1],
                         record->version,
                         record->expires_at_ms,
                         record->modified_at_ms,
                         record->value_bytes,
                         XXH3_64bits(record->attributes, record->attributes_bytes),
                         value};
    return XXH3_64bits(fields, sizeof(fields));
}

static void note_extent(struct verification *verification, const struct reader_record *record,
                        const uint64_t hash[2])
{
    if (verification->extent_count == verification->extent_room) {
        uint64_t room = verification->extent_room == 0 ? 64 : verification->extent_room * 2;
        struct extent_use *grown = realloc(verification->extents, room * sizeof(*grown));
        if (grown == NULL) {
            verification->is_short_of_memory = true;
            return;
        }
        verification->extents = grown;
        verification->extent_room = room;
    }
    verification->extents[verification->extent_count++] =
        (struct extent_use){.hash = {hash[0], hash[1]},
                            .version = record->version,
                            .id = record->extent_id,
                            .checksum = record->extent_checksum,
                            .value_bytes = record->value_bytes};
}

static void note_record(void *context, const struct reader_segment *segment,
                        const struct reader_record *record)
{
    struct verification *verification = context;
    XXH128_hash_t wide = XXH3_128bits(record->key, record->key_bytes);
    uint64_t hash[2] = {wide.low64, wide.high64 | 1}; /* never both 0 */
    if (!make_slots(verification)) {
        verification->is_short_of_memory = true;
        return;
    }
    if (record->version > verification->version_max[record->virtual_shard])
        verification->version_max[record->virtual_shard] = record->version;
    if (record->is_extent)
        note_extent(verification, record, hash);
    struct key_slot *slot = slot_of(verification, hash);
    bool is_new = (slot->hash[0] | slot->hash[1]) == 0;
    uint64_t contents = contents_of(record, hash);
    bool is_same_version = !is_new && record->version == slot->version;
    bool both_put = record->is_put && (slot->flags & KEY_IS_PUT) != 0;
    if (is_same_version && both_put && contents != slot->contents) {
        PROBLEM(verification, "seg-%08x.log at %" PRIu64 ": version %" PRIu64 " of ", segment->id,
                record->offset, record->version);
        store_key_text(verification->text, record->key, record->key_bytes);
        text_format(verification->text, " names two different values\n");
    }
    /* compaction turns an expired value into a delete of the same version: the delete counts */
    bool is_newer =
        is_new || record->version > slot->version || (is_same_version && !record->is_put);
    if (!is_newer)
        return;
    verification->used_count += is_new;
    *slot = (struct key_slot){.hash = {hash[0], hash[1]},
                              .version = record->version,
                              .contents = contents,
                              .expires_at_ms = record->expires_at_ms,
                              .flags = record->is_put ? KEY_IS_PUT : 0,
                              .value_bytes = record->value_bytes};
}

static void note_lost(void *context, const struct reader_segment *segment,
                      const struct reader_record *record)
{
    struct verification *verification = context;
    if (++verification->lost_shown > LOST_KEYS_SHOWN)
        return;
    text_format(verification->text,
                "seg-%08x.log at %" PRIu64 ": does not match its checksum: ", segment->id,
                record->offset);
    store_key_text(verification->text, record->key, record->key_bytes);
    text_format(verification->text, ", version %" PRIu64 "%s\n", record->version,
                record->is_put ? "" : " (a delete)");
}

/* ---- segments ---- */

/* 0, -ENOENT when the file is gone, or another error. */
static int read_segment(struct verification *verification, uint32_t id, bool names_lost,
                        struct reader_segment *segment)
{
    char name[STORE_NAME_BYTES];
    struct store_file_bytes file;
    const struct reader_calls calls = {verification, note_record, names_lost ? note_lost : NULL};
    store_segment_name(name, id);
    int status = store_files_read(verification->files, name, &file);
    if (status < 0)
        return status;
    if (file.unreadable_bytes > 0)
        PROBLEM(verification, "%s at %" PRIu64 ": the disk does not give back %" PRIu64 " bytes\n",
                name, file.unreadable_offset, file.unreadable_bytes);
    reader_segment(file.bytes, file.count, &verification->files->super.uuid, id, &calls, segment);
    free(file.bytes);
    return 0;
}

static int check_segment(struct verification *verification, uint32_t index)
{
    struct store_verdict *verdict = verification->verdict;
    struct reader_segment *segment = &verification->segments[index];
    uint32_t id = (uint32_t)verification->files->segments[index];
    bool is_in_use = verification->files->is_in_use;
    int status = read_segment(verification, id, !is_in_use, segment);
    for (uint32_t i = 0; is_in_use && status == 0 && segment->damage != NULL; i++) {
        usleep(RETRY_US);
        status = read_segment(verification, id, i + 1 == RETRIES_IN_USE, segment);
        if (i + 1 == RETRIES_IN_USE)
            break;
    }
    if (status == -ENOENT && is_in_use)
        return 0;
    if (status < 0) {
        text_format(verification->text, "seg-%08x.log: cannot be read: %s\n", id,
                    strerror(-status));
        return status;
    }
    verdict->segment_count++;
    verdict->sealed_count += segment->is_sealed;
    verdict->empty_count += segment->frame_count == 0 && segment->damage == NULL;
    verdict->frame_count += segment->frame_count;
    verdict->record_count += segment->record_count;
    verdict->torn_count += segment->has_torn_tail;
    if (segment->wall_ms > verification->wall_ms)
        verification->wall_ms = segment->wall_ms;
    if (segment->damage != NULL)
        PROBLEM(verification, "seg-%08x.log at %" PRIu64 ": %s (%" PRIu64 " bytes)\n", id,
                segment->damage_offset, segment->damage, segment->damage_bytes);
    return 0;
}

static struct reader_segment *segment_of(const struct verification *verification, uint32_t id)
{
    for (uint32_t i = 0; i < verification->files->segment_count; i++)
        if (verification->files->segments[i] == id)
            return &verification->segments[i];
    return NULL;
}

/* A stream says how far it filled the segment before. */
static void check_link(struct verification *verification, const struct reader_segment *segment)
{
    if (segment->frame_count == 0 || segment->previous_segment_id == UINT32_MAX)
        return;
    struct reader_segment *before = segment_of(verification, segment->previous_segment_id);
    if (before == NULL || before->damage != NULL)
        return;
    if (verification->files->is_in_use && read_segment(verification, before->id, false, before) <
                                              0) /* it was read when it was shorter */
        return;
    if (before->generation == segment->previous_generation &&
        before->end_offset < segment->previous_end_offset)
        PROBLEM(verification,
                "seg-%08x.log at %" PRIu64 ": ends here, but seg-%08x.log goes on from %" PRIu64
                ": acknowledged data is missing\n",
                before->id, before->end_offset, segment->id, segment->previous_end_offset);
}

static int check_segments(struct verification *verification)
{
    uint32_t count = verification->files->segment_count;
    verification->segments = calloc(count + 1, sizeof(verification->segments[0]));
    if (verification->segments == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        verification->segments[i].id = (uint32_t)verification->files->segments[i];
        int status = check_segment(verification, i);
        if (status < 0)
            return status;
    }
    for (uint32_t i = 0; i < count; i++)
        check_link(verification, &verification->segments[i]);
    return verification->is_short_of_memory ? -ENOMEM : 0;
}

/* ---- at the end ---- */

static void check_versions(struct verification *verification)
{
    const struct reader_super *super = &verification->files->super;
    for (uint32_t shard = 0; shard < READER_SHARDS; shard++)
        if (verification->version_max[shard] >= super->version_ceilings[shard] &&
            verification->version_max[shard] > 0)
            PROBLEM(verification,
                    "shard %u: version %" PRIu64 " was issued, but the superblock reserved only "
                    "those below %" PRIu64 "\n",
                    shard, verification->version_max[shard], super->version_ceilings[shard]);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static bool file_is_there(const struct verification *verification, uint64_t id)
{
    const struct store_files *files = verification->files;
    return files->extent_count > 0 &&
           bsearch(&id, files->extents, files->extent_count, sizeof(id), compare_ids) != NULL;
}

static void check_extent(struct verification *verification, const struct extent_use *use)
{
    char name[STORE_NAME_BYTES];
    struct store_file_bytes file;
    const struct key_slot *slot = slot_of(verification, use->hash);
    bool is_newest = slot->version == use->version && (slot->flags & KEY_IS_PUT) != 0;
    bool is_expired = slot->expires_at_ms != 0 && slot->expires_at_ms <= verification->wall_ms;
    store_extent_name(name, use->id);
    if (!is_newest || is_expired)
        return; /* its file may go, and what it holds is nobody's */
    int status = store_files_read(verification->files, name, &file);
    if (status == -ENOENT && verification->files->is_in_use)
        return; /* superseded since */
    verification->verdict->extent_count++;
    if (status < 0) {
        PROBLEM(verification, "%s: the value of %u bytes in it is lost: %s\n", name,
                use->value_bytes, strerror(-status));
        return;
    }
    if (file.unreadable_bytes > 0 ||
        !reader_extent_matches(file.bytes, file.count, &verification->files->super.uuid, use->id,
                               use->value_bytes, use->checksum))
        PROBLEM(verification, "%s: its %u bytes do not match their checksum\n", name,
                use->value_bytes);
    free(file.bytes);
}

static int compare_uses(const void *a, const void *b)
{
    const struct extent_use *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

/* Compaction copies records: one file may be named several times. */
static void check_extents(struct verification *verification)
{
    struct extent_use *uses = verification->extents;
    uint64_t known_count = 0;
    if (verification->extent_count > 0)
        qsort(uses, verification->extent_count, sizeof(uses[0]), compare_uses);
    for (uint64_t i = 0; i < verification->extent_count; i++) {
        if (i > 0 && uses[i].id == uses[i - 1].id)
            continue;
        known_count += file_is_there(verification, uses[i].id);
        check_extent(verification, &uses[i]);
    }
    verification->verdict->orphan_count = verification->files->extent_count - known_count;
}

static void count_keys(struct verification *verification)
{
    struct store_verdict *verdict = verification->verdict;
    for (uint64_t i = 0; i < verification->slot_count; i++) {
        const struct key_slot *slot = &verification->slots[i];
        if ((slot->hash[0] | slot->hash[1]) == 0)
            continue;
        bool is_put = (slot->flags & KEY_IS_PUT) != 0;
        bool is_expired = slot->expires_at_ms != 0 && slot->expires_at_ms <= verification->wall_ms;
        verdict->deleted_count += !is_put;
        verdict->expired_count += is_put && is_expired;
        if (!is_put || is_expired)
            continue;
        verdict->key_count++;
        verdict->live_bytes += slot->value_bytes;
        verdict->contents += slot->contents;
    }
}

int store_verify_files(struct store_files *files, struct store_verdict *verdict,
                       struct text_buffer *text)
{
    struct verification verification = {.files = files, .verdict = verdict, .text = text};
    *verdict = (struct store_verdict){0};
    verification.wall_ms = files->super.wall_ms;
    int status = make_slots(&verification) ? check_segments(&verification) : -ENOMEM;
    if (status == 0 && files->is_in_use) /* more versions may have been reserved meanwhile */
        status = store_files_read_super(files, text);
    if (status == 0) {
        check_versions(&verification);
        check_extents(&verification);
        count_keys(&verification);
        status = verification.is_short_of_memory ? -ENOMEM : 0;
    }
    if (status == -ENOMEM)
        text_format(text, "%s: no memory for its keys\n", files->path);
    if (files->is_in_use)
        verdict->contents = 0; /* of no one moment */
    free(verification.slots);
    free(verification.extents);
    free(verification.segments);
    return status;
}

static void describe(const struct store_files *files, const struct store_verdict *verdict,
                     struct text_buffer *text)
{
    text_format(text,
                "%s: %s, format %u.%u, epoch %" PRIu64 ", %s\n"
                "%" PRIu64 " segments (%" PRIu64 " sealed, %" PRIu64 " empty), %" PRIu64
                " frames, %" PRIu64 " records\n"
                "%" PRIu64 " keys (%" PRIu64 " bytes of values, %" PRIu64
                " of them in files of their own), %" PRIu64 " deleted, %" PRIu64 " expired\n",
                files->path, files->is_backup ? "a backup" : "a store", files->super.format_major,
                files->super.format_minor, files->super.epoch,
                files->is_in_use        ? "in use: what it writes meanwhile is not judged"
                : files->super.is_clean ? "closed cleanly"
                                        : "not closed cleanly",
                verdict->segment_count, verdict->sealed_count, verdict->empty_count,
                verdict->frame_count, verdict->record_count, verdict->key_count,
                verdict->live_bytes, verdict->extent_count, verdict->deleted_count,
                verdict->expired_count);
    if (!files->is_in_use)
        text_format(text, "contents %016" PRIx64 "\n", verdict->contents);
    if (verdict->torn_count > 0)
        text_format(text, "%" PRIu64 " segments end in a write that was never acknowledged\n",
                    verdict->torn_count);
    if (verdict->orphan_count > 0 && !files->is_in_use)
        text_format(text,
                    "%" PRIu64 " files of values that nothing names; the next start removes "
                    "them\n",
                    verdict->orphan_count);
    if (!files->is_backup && files->super_copies_whole < 2)
        text_format(text, "one copy of the superblock is not whole; the other one counts\n");
    if (verdict->problem_count == 0)
        text_format(text, "no damage found\n");
    else
        text_format(text, "DAMAGED: %" PRIu64 " problems\n", verdict->problem_count);
}

enum store_tool_status store_verify(const char *path, struct text_buffer *text)
{
    struct store_files files;
    struct store_verdict verdict;
    int status = store_files_open(&files, path, STORE_FILES_SHARED, text);
    if (status == -EBADMSG)
        return STORE_TOOL_DAMAGED;
    if (status < 0)
        return STORE_TOOL_UNUSABLE;
    status = store_verify_files(&files, &verdict, text);
    if (status == 0)
        describe(&files, &verdict, text);
    store_files_close(&files);
    if (status < 0)
        return STORE_TOOL_UNUSABLE;
    return verdict.problem_count > 0 ? STORE_TOOL_DAMAGED : STORE_TOOL_GOOD;
}
