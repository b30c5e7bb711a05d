/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sync_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/store_super.h"
#include "include/assert_policy.h"
#include "include/compiler.h"
#include "include/log.h"
#include "include/server_config.h"

#define SAMPLES_MAX 24u
#define SAMPLES_MIN 3u
#define PROBE_NS_MAX (500 * UINT64_C(1000000)) /* on a slow disk fewer samples tell enough */
#define PROBE_BYTES (16u << 10)                /* as a commit of some eighty small values */

/* A spare segment's room for data, written with zeros, which no frame begins with. */
struct probe {
    struct io_loop *loop;
    struct segment *segment;
    uint8_t *zeros;
    uint32_t bytes; /* of one write */
    uint64_t offset;
    uint32_t fdatasync_us[SAMPLES_MAX], dsync_us[SAMPLES_MAX];
    uint32_t count;
};

const char *sync_method_name(const struct store_set *set)
{
    if (set->is_interval_sync)
        return "interval";
    return set->sync_method == SYNC_METHOD_DSYNC ? "dsync" : "fdatasync";
}

/* Whole: O_DIRECT wants the alignment, so a short write is done again. */
static int write_zeros(struct probe *probe, enum io_code code)
{
    if (probe->offset + probe->bytes > probe->segment->bytes)
        probe->offset = SEGMENT_DATA_OFFSET;
    for (uint32_t tries = 0; tries < TRANSFER_RETRIES_MAX; tries++) {
        struct io_operation write = {.code = (uint8_t)code,
                                     .fd = probe->segment->fd,
                                     .buffer = probe->zeros,
                                     .bytes = probe->bytes,
                                     .offset = probe->offset};
        int64_t result = store_run(probe->loop, &write);
        if (result < 0)
            return (int)result;
        if (result == (int64_t)probe->bytes) {
            probe->offset += probe->bytes;
            return 0;
        }
    }
    return -EIO;
}

static int commit_once(struct probe *probe, enum sync_method method)
{
    if (method == SYNC_METHOD_DSYNC)
        return write_zeros(probe, IO_WRITE_DURABLE);
    int status = write_zeros(probe, IO_WRITE);
    struct io_operation sync = {.code = IO_SYNC_DATA, .fd = probe->segment->fd};
    return status < 0 ? status : (int)store_run(probe->loop, &sync);
}

static int sample(struct probe *probe, enum sync_method method, uint32_t *us)
{
    uint64_t started_ns = io_now_ns(probe->loop);
    int status = commit_once(probe, method);
    *us = (uint32_t)((io_now_ns(probe->loop) - started_ns) / 1000 + 1);
    return status;
}

/* In turn, so that a slow moment of the disk meets both. */
static int take_samples(struct probe *probe)
{
    uint64_t started_ns = io_now_ns(probe->loop);
    int status = 0;
    while (status == 0 && probe->count < SAMPLES_MAX &&
           (probe->count < SAMPLES_MIN || io_now_ns(probe->loop) - started_ns < PROBE_NS_MAX)) {
        status = sample(probe, SYNC_METHOD_DSYNC, &probe->dsync_us[probe->count]);
        if (status == 0)
            status = sample(probe, SYNC_METHOD_FDATASYNC, &probe->fdatasync_us[probe->count]);
        probe->count += status == 0;
    }
    return status;
}

static int compare_us(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint32_t median_us(uint32_t *samples, uint32_t count)
{
    qsort(samples, count, sizeof(samples[0]), compare_us);
    return samples[count / 2];
}

static bool is_unsupported(int status)
{
    return status == -EOPNOTSUPP || status == -EINVAL;
}

/* Runs `body` on a spare. -ENOSPC: there is none. */
static int on_a_spare(struct store_set *set, struct io_loop *loop, struct probe *probe,
                      int (*body)(struct probe *probe))
{
    uint32_t spares;
    uint64_t room_bytes = set->sizes.segment_bytes - SEGMENT_DATA_OFFSET;
    *probe = (struct probe){.loop = loop, .offset = SEGMENT_DATA_OFFSET};
    probe->bytes = room_bytes < PROBE_BYTES ? BLOCK_BYTES : PROBE_BYTES;
    probe->zeros = aligned_alloc(BLOCK_BYTES, probe->bytes);
    if (probe->zeros == NULL)
        return -ENOMEM;
    memset(probe->zeros, 0, probe->bytes);
    probe->segment = segment_table_take_spare(&set->table, &spares);
    int status = -ENOSPC;
    if (probe->segment != NULL) {
        status = body(probe);
        segment_table_put_spare(&set->table, probe->segment);
    }
    free(probe->zeros);
    return status;
}

static int try_dsync_once(struct probe *probe)
{
    return commit_once(probe, SYNC_METHOD_DSYNC);
}

static int record(struct store_set *set, struct io_loop *loop, enum sync_method method,
                  uint32_t fdatasync_us, uint32_t dsync_us)
{
    struct superblock *super = set->super;
    uint32_t probed = method == SYNC_METHOD_UNKNOWN ? 0 : FORMAT_COMPATIBLE_SYNC_PROBED;
    super->features_compatible &= ~FORMAT_COMPATIBLE_SYNC_PROBED;
    super->features_compatible |= probed;
    super->sync_method = (uint32_t)method;
    super->sync_fdatasync_us = fdatasync_us;
    super->sync_dsync_us = dsync_us;
    int status = super_store(set, loop);
    if (status < 0)
        log_error("store: cannot write the superblock of %s: %s", set->directory,
                  strerror(-status));
    return status;
}

static bool is_recorded(const struct superblock *super)
{
    return (super->features_compatible & FORMAT_COMPATIBLE_SYNC_PROBED) != 0 &&
           (super->sync_method == SYNC_METHOD_FDATASYNC || super->sync_method == SYNC_METHOD_DSYNC);
}

static void log_choice(const struct store_set *set, const char *when)
{
    const struct superblock *super = set->super;
    log_info("store: commits by %s: a write with fdatasync takes %u us, with O_DSYNC %u us (%s)",
             sync_method_name(set), super->sync_fdatasync_us, super->sync_dsync_us, when);
}

static int measure(struct store_set *set, struct io_loop *loop)
{
    struct probe probe;
    int status = on_a_spare(set, loop, &probe, take_samples);
    if (status == -ENOSPC || is_unsupported(status)) {
        log_info("store: commits by fdatasync, not compared with O_DSYNC: %s", strerror(-status));
        return 0;
    }
    if (status < 0) {
        log_error("store: cannot write to %s: %s", set->directory, strerror(-status));
        return status;
    }
    uint32_t fdatasync_us = median_us(probe.fdatasync_us, probe.count);
    uint32_t dsync_us = median_us(probe.dsync_us, probe.count);
    set->sync_method = dsync_us < fdatasync_us ? SYNC_METHOD_DSYNC : SYNC_METHOD_FDATASYNC;
    status = record(set, loop, set->sync_method, fdatasync_us, dsync_us);
    if (status == 0)
        log_choice(set, "measured now");
    return status;
}

static int choose_configured(struct store_set *set, struct io_loop *loop)
{
    if (set->sync_method_wanted == CONFIG_SYNC_METHOD_DSYNC) {
        struct probe probe;
        int status = on_a_spare(set, loop, &probe, try_dsync_once);
        if (status < 0 && status != -ENOSPC) {
            log_error("store: store.sync_method: dsync does not work on %s: %s; auto or fdatasync "
                      "may",
                      set->directory, strerror(-status));
            return status;
        }
        set->sync_method = SYNC_METHOD_DSYNC;
    }
    bool was_probed = is_recorded(set->super);
    return was_probed ? record(set, loop, SYNC_METHOD_UNKNOWN, 0, 0) : 0;
}

int sync_method_choose(struct store_set *set, struct io_loop *loop)
{
    set->sync_method = SYNC_METHOD_FDATASYNC;
    if (set->is_interval_sync)
        return 0; /* many writes to one sync: that is fdatasync's */
    if (set->sync_method_wanted != CONFIG_SYNC_METHOD_AUTO)
        return choose_configured(set, loop);
    if (!is_recorded(set->super))
        return measure(set, loop);
    set->sync_method = (enum sync_method)set->super->sync_method;
    log_choice(set, "measured at an earlier start");
    return 0;
}
