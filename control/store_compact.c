/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_compact.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_file.h"
#include "control/store_log.h"
#include "include/blob.h"
#include "include/counters.h"

#define VALUES_MIB 16u
#define BLOB_STOCKS 1u
#define IO_DEPTH 64u
#define SEGMENT_MIB_BITS 20u

struct compaction_run {
    struct server_config config;
    struct io_loop *loop;
    struct store_set *set;
    struct store *store;
    struct blob_pool *pool;
    struct blob_stock *stock;
};

/* New segments are as large as those that are there. */
static bool look_around(struct compaction_run *run, const char *path, struct text_buffer *text,
                        enum store_tool_status *status)
{
    static const struct reader_calls no_calls = {0};
    struct store_files files;
    int error = store_files_open(&files, path, STORE_FILES_EXCLUSIVE, text);
    *status = error == -EBADMSG ? STORE_TOOL_DAMAGED : STORE_TOOL_UNUSABLE;
    if (error < 0)
        return false;
    bool is_store = !files.is_backup && strlen(path) < sizeof(run->config.store.directory);
    if (!is_store)
        text_format(text, "%s: a backup is not compacted, and a path has at most 255 bytes\n",
                    path);
    else
        memcpy(run->config.store.directory, path, strlen(path) + 1);
    for (uint32_t i = 0; is_store && i < files.segment_count; i++) {
        char name[STORE_NAME_BYTES];
        struct store_file_bytes file;
        struct reader_segment segment;
        store_segment_name(name, files.segments[i]);
        if (store_files_read(&files, name, &file) < 0)
            continue;
        reader_segment(file.bytes, file.count, &files.super.uuid, (uint32_t)files.segments[i],
                       &no_calls, &segment);
        free(file.bytes);
        if (segment.segment_bytes >> SEGMENT_MIB_BITS > 0) {
            run->config.store.segment_mib = segment.segment_bytes >> SEGMENT_MIB_BITS;
            break;
        }
    }
    store_files_close(&files);
    return is_store;
}

static int open_store(struct compaction_run *run)
{
    const struct io_loop_config loop_config = {.depth_max = IO_DEPTH, .wake_fd = -1};
    int status = blob_pool_create(UINT64_C(1048576) * VALUES_MIB, BLOB_STOCKS, &run->pool);
    if (status == 0)
        run->stock = blob_stock_create(run->pool);
    if (status == 0 && run->stock == NULL)
        status = -ENOMEM;
    if (status == 0)
        status = io_loop_create(&loop_config, &run->loop);
    if (status == 0)
        status = store_set_open(&run->config, run->loop, &run->set);
    if (status == 0)
        status = store_attach(run->set, 0, run->loop, run->stock, counters_register("compaction"),
                              &run->store);
    return status;
}

static void close_store(struct compaction_run *run)
{
    if (run->store != NULL)
        store_detach(run->store);
    if (run->set != NULL && run->store != NULL)
        store_set_close(run->set);
    if (run->loop != NULL)
        io_loop_destroy(run->loop);
    if (run->stock != NULL)
        blob_stock_destroy(run->stock);
    if (run->pool != NULL)
        blob_pool_destroy(run->pool);
}

static void one_round(struct compaction_run *run)
{
    struct io_operation *completed[IO_DEPTH];
    store_advance(run->store);
    uint64_t now_ns = io_now_ns(run->loop), due_ns = store_next_deadline_ns(run->store);
    if (due_ns > now_ns || io_in_flight(run->loop) > 0)
        io_wait(run->loop, due_ns > now_ns ? due_ns - now_ns : 0);
    uint32_t count = io_reap(run->loop, completed, IO_DEPTH);
    for (uint32_t i = 0; i < count; i++)
        store_complete(run->store, completed[i]);
}

/* Until no segment is worth it any more. False: it failed, as the log says. */
static bool compact_all(struct compaction_run *run)
{
    uint32_t quiet_rounds = 0;
    while (quiet_rounds < 2) {
        one_round(run);
        if (run->set->compaction.is_stopped || atomic_load(&run->set->failed_streams) > 0)
            return false;
        struct segment *left =
            run->store->compactor.state == COMPACT_IDLE && run->set->compaction.victim == NULL
                ? segment_table_take_victim(&run->set->table, run->set->compact_dead_percent)
                : NULL;
        bool is_idle = run->store->compactor.state == COMPACT_IDLE &&
                       run->set->compaction.victim == NULL && left == NULL;
        if (left != NULL)
            segment_table_set_state(&run->set->table, left, SEGMENT_SEALED);
        quiet_rounds = is_idle ? quiet_rounds + 1 : 0;
    }
    return true;
}

enum store_tool_status store_compact(const char *path, uint32_t dead_percent,
                                     struct text_buffer *text)
{
    struct compaction_run run = {0};
    struct store_status before, after;
    enum store_tool_status result;
    config_defaults(&run.config);
    if (!look_around(&run, path, text, &result))
        return result;
    run.config.store.compact_dead_percent = dead_percent;
    run.config.store.compact_mib_per_s = UINT64_C(100000);
    run.config.store.space_reserve_mib = 0;
    int status = open_store(&run);
    if (status < 0) {
        text_format(text, "%s: cannot be opened: %s\n", path, strerror(-status));
        close_store(&run);
        return status == -EBADMSG ? STORE_TOOL_DAMAGED : STORE_TOOL_UNUSABLE;
    }
    store_set_status(run.set, &before);
    bool is_good = compact_all(&run);
    store_set_status(run.set, &after);
    close_store(&run);
    text_format(text,
                "%s: %" PRIu64 " bytes on disk before, %" PRIu64 " after, %" PRIu64 " live%s\n",
                path, before.disk_bytes, after.disk_bytes, after.live_bytes,
                is_good ? "" : "; it stopped early, see above");
    return is_good ? STORE_TOOL_GOOD : STORE_TOOL_UNUSABLE;
}
