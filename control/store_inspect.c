/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_inspect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES_LIMIT 2048u

struct inspection {
    struct store_files files;
    struct text_buffer *text;
    bool as_json;
    /* as it is on disk: "namespace\0key"; 0 bytes: no key was asked for */
    uint8_t key[KEY_BYTES_LIMIT];
    uint32_t key_bytes;
    uint64_t shown_count; /* rows so far */
};

static void begin_row(struct inspection *inspection)
{
    if (inspection->as_json)
        text_format(inspection->text, inspection->shown_count > 0 ? ",\n" : "\n");
    inspection->shown_count++;
}

static void show_record(void *context, const struct reader_segment *segment,
                        const struct reader_record *record)
{
    struct inspection *inspection = context;
    if (record->key_bytes != inspection->key_bytes ||
        memcmp(record->key, inspection->key, inspection->key_bytes) != 0)
        return;
    begin_row(inspection);
    const char *format = inspection->as_json
                             ? "{\"segment\":%u,\"offset\":%" PRIu64 ",\"version\":%" PRIu64
                               ",\"kind\":\"%s\",\"value_bytes\":%u,\"attributes_bytes\":%u,"
                               "\"modified_at_ms\":%" PRIu64 ",\"expires_at_ms\":%" PRIu64
                               ",\"extent\":%" PRIu64 "}"
                             : "seg-%08x.log at %-10" PRIu64 " version %-12" PRIu64
                               " %-6s %8u bytes, %u of attributes, modified at %" PRIu64
                               " ms, expires at %" PRIu64 ", extent %" PRIx64 "\n";
    text_format(inspection->text, format, segment->id, record->offset, record->version,
                record->is_put ? "put" : "delete", record->value_bytes, record->attributes_bytes,
                record->modified_at_ms, record->expires_at_ms, record->extent_id);
}

static const char *state_of(const struct reader_segment *segment)
{
    return segment->damage != NULL     ? "damaged"
           : segment->frame_count == 0 ? "empty"
           : segment->is_sealed        ? "sealed"
           : segment->has_torn_tail    ? "torn"
                                       : "open";
}

static void show_segment(struct inspection *inspection, const struct reader_segment *segment)
{
    begin_row(inspection);
    const char *format =
        inspection->as_json
            ? "{\"segment\":%u,\"state\":\"%s\",\"generation\":%" PRIu64 ",\"bytes\":%" PRIu64
              ",\"used_bytes\":%" PRIu64 ",\"frames\":%" PRIu64 ",\"records\":%" PRIu64
              ",\"thread\":%u,\"epoch\":%" PRIu64 ",\"first_sequence\":%" PRIu64
              ",\"last_sequence\":%" PRIu64 "}"
            : "seg-%08x.log %-7s generation %-4" PRIu64 " %10" PRIu64 " bytes, %10" PRIu64
              " used, %7" PRIu64 " frames, %8" PRIu64 " records, thread %u, epoch %" PRIu64
              ", frames %" PRIu64 " to %" PRIu64 "\n";
    text_format(inspection->text, format, segment->id, state_of(segment), segment->generation,
                segment->segment_bytes, segment->end_offset, segment->frame_count,
                segment->record_count, segment->stream, segment->frame_epoch,
                segment->frame_count > 0 ? segment->first_sequence : 0, segment->last_sequence);
}

static int show_segments(struct inspection *inspection)
{
    const struct store_files *files = &inspection->files;
    bool is_key = inspection->key_bytes > 0;
    const struct reader_calls calls = {inspection, is_key ? show_record : NULL, NULL};
    for (uint32_t i = 0; i < files->segment_count; i++) {
        char name[STORE_NAME_BYTES];
        struct store_file_bytes file;
        struct reader_segment segment;
        store_segment_name(name, files->segments[i]);
        int status = store_files_read(files, name, &file);
        if (status == -ENOENT && files->is_in_use)
            continue;
        if (status < 0) {
            text_format(inspection->text, "%s: cannot be read: %s\n", name, strerror(-status));
            return status;
        }
        reader_segment(file.bytes, file.count, &files->super.uuid, (uint32_t)files->segments[i],
                       &calls, &segment);
        free(file.bytes);
        if (!is_key)
            show_segment(inspection, &segment);
    }
    return 0;
}

static void show_super(struct inspection *inspection)
{
    const struct store_files *files = &inspection->files;
    const struct reader_super *super = &files->super;
    const char *format = inspection->as_json
                             ? "{\"kind\":\"%s\",\"format\":\"%u.%u\",\"uuid\":\"%016" PRIx64
                               "%016" PRIx64 "\",\"epoch\":%" PRIu64
                               ",\"in_use\":%s,\"closed_cleanly\":%s,\"wall_ms\":%" PRIu64
                               ",\"segments\":%u,\"extents\":%u,"
                             : "%s, format %u.%u, uuid %016" PRIx64 "%016" PRIx64 ", epoch %" PRIu64
                               "\nin use: %s, closed cleanly: %s, latest wall clock %" PRIu64
                               " ms\n%u segments, %u values in files of their own\n";
    text_format(inspection->text, format, files->is_backup ? "backup" : "store",
                super->format_major, super->format_minor, super->uuid.words[0],
                super->uuid.words[1], super->epoch, files->is_in_use ? "true" : "false",
                super->is_clean ? "true" : "false", super->wall_ms, files->segment_count,
                files->extent_count);
}

static bool take_key(struct inspection *inspection, const char *key)
{
    const char *slash = strchr(key, '/');
    size_t bytes = strlen(key);
    if (slash == NULL || slash == key || slash[1] == '\0' || bytes > KEY_BYTES_LIMIT) {
        text_format(inspection->text, "%.60s: a key is NAMESPACE/KEY\n", key);
        return false;
    }
    memcpy(inspection->key, key, bytes);
    inspection->key[slash - key] = 0;
    inspection->key_bytes = (uint32_t)bytes;
    return true;
}

enum store_tool_status store_inspect(const char *path, const char *key, bool as_json,
                                     struct text_buffer *text)
{
    struct inspection inspection = {.text = text, .as_json = as_json};
    if (key != NULL && !take_key(&inspection, key))
        return STORE_TOOL_USAGE;
    int status = store_files_open(&inspection.files, path, STORE_FILES_SHARED, text);
    if (status < 0)
        return status == -EBADMSG ? STORE_TOOL_DAMAGED : STORE_TOOL_UNUSABLE;
    show_super(&inspection);
    if (as_json)
        text_format(text, "\"%s\":[", key != NULL ? "records" : "segment_list");
    status = show_segments(&inspection);
    if (as_json)
        text_format(text, "]}\n");
    else if (key != NULL && inspection.shown_count == 0)
        text_format(text, "no record of this key\n");
    store_files_close(&inspection.files);
    return status < 0 ? STORE_TOOL_UNUSABLE : STORE_TOOL_GOOD;
}
