/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_backup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/store_copy.h"
#include "control/store_hold.h"

#define HOLD_SECONDS 120u /* renewed before every file */
#define RETRIES_IN_USE 5u
#define RETRY_US 20000
#define VERSIONS_PER_MS_BITS 16u
#define VERSIONS_MORE (UINT64_C(1) << 32)

/* A segment as it was when it was read. */
struct taken_segment {
    uint32_t id;
    bool is_whole; /* nothing is written to it any more, or it is gone */
    uint64_t generation, end_offset;
    uint32_t previous_id; /* UINT32_MAX: none; where its stream came from, and how far that went */
    uint64_t previous_generation, previous_end_offset;
};

struct backup {
    const struct store_backup_request *request;
    struct store_files from, base;
    bool has_base;
    struct store_target target;
    struct taken_segment *taken;
    uint32_t taken_count;
    struct store_hold hold;
    struct text_buffer *text;
    bool is_damaged;
};

/* ---- holding a running server ---- */

static int renew_hold(struct backup *backup, uint32_t seconds)
{
    struct store_hold hold;
    if (!backup->from.is_in_use)
        return 0;
    int status = store_hold_ask(backup->request->admin, seconds, &hold, backup->text);
    if (status < 0)
        return status;
    bool is_same_store = memcmp(&hold.uuid, &backup->from.super.uuid, sizeof(hold.uuid)) == 0;
    bool is_same_start = backup->hold.epoch == 0 || backup->hold.epoch == hold.epoch;
    if (!is_same_store)
        text_format(backup->text, "the server at %s serves another store than %s (--admin)\n",
                    backup->request->admin, backup->from.path);
    else if (!is_same_start)
        text_format(backup->text, "the server was started again meanwhile: try again\n");
    backup->hold = hold;
    return is_same_store && is_same_start ? 0 : -EPROTO;
}

/* ---- one file ---- */

/* Sealed segments end in a block of their own that, by the chain of checksums, names all before. */
static bool base_has_segment(const struct backup *backup, const char *name, const uint8_t *bytes,
                             const struct reader_segment *segment)
{
    struct store_file_bytes file;
    if (!backup->has_base || store_files_read(&backup->base, name, &file) < 0)
        return false;
    uint64_t seal = segment->end_offset - READER_BLOCK_BYTES;
    bool is_same = file.unreadable_bytes == 0 && file.count >= segment->end_offset &&
                   memcmp(file.bytes + seal, bytes + seal, READER_BLOCK_BYTES) == 0;
    free(file.bytes);
    return is_same;
}

static int read_whole(struct backup *backup, uint32_t id, const char *name,
                      struct store_file_bytes *file, struct reader_segment *segment)
{
    static const struct reader_calls no_calls = {0};
    for (uint32_t attempt = 0;; attempt++) {
        int status = store_files_read(&backup->from, name, file);
        if (status < 0)
            return status;
        reader_segment(file->bytes, file->count, &backup->from.super.uuid, id, &no_calls, segment);
        bool is_good = segment->damage == NULL && file->unreadable_bytes == 0;
        bool may_be_moving = backup->from.is_in_use && attempt < RETRIES_IN_USE;
        if (is_good)
            return 0;
        if (!may_be_moving)
            break;
        free(file->bytes);
        usleep(RETRY_US);
    }
    text_format(backup->text, "%s at %" PRIu64 ": %s\n", name, segment->damage_offset,
                segment->damage != NULL ? segment->damage : "the disk does not give it back");
    free(file->bytes);
    backup->is_damaged = true;
    return -EBADMSG;
}

static int take_segment(struct backup *backup, struct taken_segment *taken)
{
    char name[STORE_NAME_BYTES];
    struct store_file_bytes file;
    struct reader_segment segment;
    store_segment_name(name, taken->id);
    int status = read_whole(backup, taken->id, name, &file, &segment);
    if (status < 0)
        return status == -ENOENT ? 0 : status; /* as if listed before it was made */
    taken->generation = segment.generation;
    taken->end_offset = segment.end_offset;
    taken->previous_id = segment.frame_count > 0 ? segment.previous_segment_id : UINT32_MAX;
    taken->previous_generation = segment.previous_generation;
    taken->previous_end_offset = segment.previous_end_offset;
    store_target_forget(&backup->target, name);
    bool is_empty = segment.frame_count == 0;
    bool is_linked = !is_empty && segment.is_sealed &&
                     (store_target_link(&backup->target, backup->from.directory_fd, name) == 0 ||
                      (base_has_segment(backup, name, file.bytes, &segment) &&
                       store_target_link(&backup->target, backup->base.directory_fd, name) == 0));
    if (!is_empty && !is_linked)
        status = store_target_write(&backup->target, name, file.bytes, segment.end_offset,
                                    segment.segment_bytes, backup->text);
    free(file.bytes);
    return status;
}

static bool base_has_extent(const struct backup *backup, const char *name)
{
    struct store_file_bytes ours, theirs = {0};
    if (!backup->has_base || store_files_read(&backup->from, name, &ours) < 0)
        return false;
    bool is_same = store_files_read(&backup->base, name, &theirs) == 0 &&
                   ours.unreadable_bytes + theirs.unreadable_bytes == 0 &&
                   ours.count == theirs.count && memcmp(ours.bytes, theirs.bytes, ours.count) == 0;
    free(ours.bytes);
    free(theirs.bytes);
    return is_same;
}

static int take_extent(struct backup *backup, uint64_t id)
{
    char name[STORE_NAME_BYTES];
    store_extent_name(name, id);
    int status = store_target_link(&backup->target, backup->from.directory_fd, name);
    if (status == 0 || status == -ENOENT)
        return 0; /* gone: it was never named by a durable record */
    if (base_has_extent(backup, name) &&
        store_target_link(&backup->target, backup->base.directory_fd, name) == 0)
        return 0;
    return store_target_copy(&backup->target, backup->from.directory_fd, name, backup->text);
}

/* ---- all of them ---- */

static int add_segment(struct backup *backup, uint32_t id, bool is_whole)
{
    struct taken_segment *grown =
        realloc(backup->taken, (backup->taken_count + 1) * sizeof(*backup->taken));
    if (grown == NULL)
        return -ENOMEM;
    backup->taken = grown;
    struct taken_segment *taken = &grown[backup->taken_count++];
    *taken = (struct taken_segment){.id = id, .is_whole = is_whole, .previous_id = UINT32_MAX};
    int status = take_segment(backup, taken);
    return status == 0 ? renew_hold(backup, HOLD_SECONDS) : status;
}

static struct taken_segment *find_taken(struct backup *backup, uint32_t id)
{
    for (uint32_t i = 0; i < backup->taken_count; i++)
        if (backup->taken[i].id == id)
            return &backup->taken[i];
    return NULL;
}

/* Where the stream of this one came from was read when it was shorter, or not at all. */
static bool lacks_previous(const struct taken_segment *taken, const struct taken_segment *previous)
{
    if (taken->previous_id == UINT32_MAX)
        return false;
    if (previous == NULL)
        return true;
    return !previous->is_whole && (previous->generation < taken->previous_generation ||
                                   (previous->generation == taken->previous_generation &&
                                    previous->end_offset < taken->previous_end_offset));
}

/*
 * A stream may go on in another segment between the reading of the two; then the backup would have
 * what came later without what came before. The earlier segment is not written any more and is
 * taken again, which may show that the one before it was short as well. Each is at most once.
 */
static int take_what_went_on(struct backup *backup)
{
    int status = 0;
    for (uint32_t i = 0; status == 0 && i < backup->taken_count;) {
        uint32_t id = backup->taken[i].previous_id;
        struct taken_segment *previous = find_taken(backup, id);
        if (!lacks_previous(&backup->taken[i], previous)) {
            i++;
            continue;
        }
        if (previous == NULL) {
            status = add_segment(backup, id, true);
        } else {
            previous->is_whole = true;
            status = take_segment(backup, previous);
        }
        i = 0; /* it has a previous one itself */
    }
    return status;
}

static int take_segments(struct backup *backup)
{
    struct store_files *from = &backup->from;
    int status = renew_hold(backup, HOLD_SECONDS);
    if (status == 0)
        status = store_files_list(from, backup->text);
    for (uint32_t i = 0; status == 0 && i < from->segment_count; i++)
        status = add_segment(backup, (uint32_t)from->segments[i], !from->is_in_use);
    return status == 0 && from->is_in_use ? take_what_went_on(backup) : status;
}

static int take_files(struct backup *backup)
{
    struct store_files *from = &backup->from;
    int status = take_segments(backup);
    if (status == 0)
        status = store_files_list(from, backup->text);
    for (uint32_t i = 0; status == 0 && i < from->extent_count; i++) {
        status = take_extent(backup, from->extents[i]);
        if (status == 0)
            status = renew_hold(backup, HOLD_SECONDS);
    }
    if (status == 0)
        status = store_files_read_super(from, backup->text);
    if (status == 0)
        status = renew_hold(backup, 0);
    if (status == 0)
        status = store_target_write(&backup->target, STORE_BACKUP_SUPER, from->super_block,
                                    READER_BLOCK_BYTES, READER_BLOCK_BYTES, backup->text);
    return status;
}

static int open_base(struct backup *backup)
{
    if (backup->request->base == NULL)
        return 0;
    int status =
        store_files_open(&backup->base, backup->request->base, STORE_FILES_SHARED, backup->text);
    if (status < 0)
        return status;
    backup->has_base = true;
    bool is_same =
        backup->base.is_backup &&
        memcmp(&backup->base.super.uuid, &backup->from.super.uuid, sizeof(struct reader_uuid)) == 0;
    if (!is_same)
        text_format(backup->text, "%s is not an earlier backup of %s\n", backup->request->base,
                    backup->request->from);
    return is_same ? 0 : -EINVAL;
}

static int run_backup(struct backup *backup)
{
    int status = 0;
    if (backup->from.is_backup) {
        text_format(backup->text, "%s is a backup: copy it with cp -a\n", backup->from.path);
        status = -EINVAL;
    }
    if (status == 0)
        status = open_base(backup);
    if (status == 0)
        status = store_target_begin(&backup->target, backup->request->to, backup->text);
    if (status == 0) {
        status = take_files(backup);
        if (status < 0) {
            store_target_abandon(&backup->target);
            renew_hold(backup, 0);
        } else {
            status = store_target_finish(&backup->target, backup->text);
        }
    }
    if (backup->has_base)
        store_files_close(&backup->base);
    return status;
}

enum store_tool_status store_backup(const struct store_backup_request *request,
                                    struct text_buffer *text)
{
    struct backup backup = {.request = request, .text = text};
    int status = store_files_open(&backup.from, request->from, STORE_FILES_SHARED, text);
    if (status < 0)
        return status == -EBADMSG ? STORE_TOOL_DAMAGED : STORE_TOOL_UNUSABLE;
    status = run_backup(&backup);
    store_files_close(&backup.from);
    free(backup.taken);
    if (backup.is_damaged)
        return STORE_TOOL_DAMAGED;
    if (status < 0)
        return STORE_TOOL_UNUSABLE;
    text_format(text, "%s: %" PRIu64 " files linked, %" PRIu64 " copied (%" PRIu64 " bytes)\n",
                request->to, backup.target.linked_count, backup.target.copied_count,
                backup.target.copied_bytes);
    return STORE_TOOL_GOOD;
}

/* ---- the way back ---- */

static int restore_super(struct store_target *target, struct store_files *from, uint64_t now_ms,
                         struct text_buffer *text)
{
    const struct reader_super *super = &from->super;
    uint64_t past_ms = now_ms > super->wall_ms ? now_ms - super->wall_ms : 0;
    uint64_t ceilings[READER_SHARDS];
    for (uint32_t shard = 0; shard < READER_SHARDS; shard++)
        ceilings[shard] =
            super->version_ceilings[shard] + VERSIONS_MORE + (past_ms << VERSIONS_PER_MS_BITS);
    reader_super_change(from->super_block, super->epoch + 1 + past_ms / 1000, ceilings);
    int status = store_target_write(target, "SUPER.0", from->super_block, READER_BLOCK_BYTES,
                                    READER_BLOCK_BYTES, text);
    if (status == 0)
        status = store_target_write(target, "SUPER.1", from->super_block, READER_BLOCK_BYTES,
                                    READER_BLOCK_BYTES, text);
    return status;
}

static int restore_files(struct store_target *target, struct store_files *from, uint64_t now_ms,
                         struct text_buffer *text)
{
    char name[STORE_NAME_BYTES];
    int status = 0;
    for (uint32_t i = 0; status == 0 && i < from->segment_count; i++) {
        store_segment_name(name, from->segments[i]);
        status = store_target_copy(target, from->directory_fd, name, text);
    }
    for (uint32_t i = 0; status == 0 && i < from->extent_count; i++) {
        store_extent_name(name, from->extents[i]);
        status = store_target_copy(target, from->directory_fd, name, text);
    }
    return status == 0 ? restore_super(target, from, now_ms, text) : status;
}

static enum store_tool_status restore_from(struct store_files *from, const char *to,
                                           uint64_t now_ms, struct text_buffer *text)
{
    struct store_verdict verdict;
    struct store_target target;
    if (!from->is_backup) {
        text_format(text, "%s is not a backup: there is no " STORE_BACKUP_SUPER " in it\n",
                    from->path);
        return STORE_TOOL_UNUSABLE;
    }
    if (store_verify_files(from, &verdict, text) < 0)
        return STORE_TOOL_UNUSABLE;
    if (verdict.problem_count > 0) {
        text_format(text, "%s is damaged: nothing was restored\n", from->path);
        return STORE_TOOL_DAMAGED;
    }
    if (store_target_begin(&target, to, text) < 0)
        return STORE_TOOL_UNUSABLE;
    if (restore_files(&target, from, now_ms, text) < 0) {
        store_target_abandon(&target);
        return STORE_TOOL_UNUSABLE;
    }
    if (store_target_finish(&target, text) < 0)
        return STORE_TOOL_UNUSABLE;
    text_format(text, "%s: %" PRIu64 " keys, %" PRIu64 " files, contents %016" PRIx64 "\n", to,
                verdict.key_count, target.copied_count, verdict.contents);
    return STORE_TOOL_GOOD;
}

enum store_tool_status store_restore(const char *from, const char *to, uint64_t now_ms,
                                     struct text_buffer *text)
{
    struct store_files files;
    int status = store_files_open(&files, from, STORE_FILES_SHARED, text);
    if (status < 0)
        return status == -EBADMSG ? STORE_TOOL_DAMAGED : STORE_TOOL_UNUSABLE;
    enum store_tool_status result = restore_from(&files, to, now_ms, text);
    store_files_close(&files);
    return result;
}
