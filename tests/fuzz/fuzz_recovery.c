/* SPDX-License-Identifier: BSD-3-Clause */
/* Damage to a valid store, then a start: refuse or serve, never crash or read out of bounds. */
#include <string.h>

#include "control/shard_format.h"
#include "include/log.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/sim/store_harness.h"

static struct harness harness;
static struct io_disk_image *image;

static void put(uint32_t key, uint32_t bytes)
{
    static uint8_t value[16384];
    char name[16];
    memset(value, (int)key, bytes);
    int name_bytes = snprintf(name, sizeof(name), "k%u", key);
    struct shard_operation *operation =
        harness_operation(&harness, SHARD_PUT, name, (uint32_t)name_bytes);
    harness_set_value(&harness, operation, value, bytes);
    harness_submit(&harness, operation);
    harness_settle(&harness);
}

static void make_store(void)
{
    log_set_level((enum log_level) - 1);
    harness_init(&harness, 1);
    harness.config.store.compact_dead_percent = 101;
    ASSERT(harness_open(&harness, 1) == 0);
    for (uint32_t key = 0; key < 12; key++)
        put(key % 10, key == 3 ? 13000 : 100 * key);
    harness_crash(&harness, IO_CRASH_KEEP);
    image = io_simulator_snapshot(harness.sim);
}

/* First byte: refuse or quarantine. Then, six bytes each: which file, which byte, which bit. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"data/seg-00000000.log", "data/seg-00000001.log",
                                        "data/SUPER.0", "data/SUPER.1"};
    if (image == NULL)
        make_store();
    io_simulator_restore(harness.sim, image);
    for (size_t at = 1; at + 6 <= size && at < 600; at += 6) {
        const char *path = paths[data[at] % 4];
        int64_t bytes = io_simulator_file_bytes(harness.sim, path);
        uint32_t offset;
        memcpy(&offset, data + at + 1, sizeof(offset));
        if (bytes > 0)
            io_simulator_flip_bit(harness.sim, path, offset % (uint64_t)bytes, data[at + 5] % 8);
    }
    harness.config.store.on_corruption =
        size > 0 && data[0] % 2 ? CONFIG_CORRUPTION_QUARANTINE : CONFIG_CORRUPTION_REFUSE;
    if (harness_open(&harness, 1) < 0) {
        harness_drop_loops(&harness);
        return 0;
    }
    for (uint32_t key = 0; key < 10; key++) {
        char name[16];
        int name_bytes = snprintf(name, sizeof(name), "k%u", key);
        harness_submit(&harness,
                       harness_operation(&harness, SHARD_GET, name, (uint32_t)name_bytes));
    }
    ASSERT(harness_settle(&harness));
    harness_close(&harness);
    return 0;
}
