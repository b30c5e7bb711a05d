/* SPDX-License-Identifier: BSD-3-Clause */
/* The real store on a simulated disk, behind the same seam as the abstract one. */
#include <stdlib.h>
#include <string.h>

#include "control/config_file.h"
#include "control/io_simulator.h"
#include "control/planted_bugs.h"
#include "control/segment_maker.h"
#include "control/shard_commit.h"
#include "control/shard_compaction.h"
#include "control/shard_extent.h"
#include "control/shard_read.h"
#include "control/store.h"
#include "control/store_log.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/log.h"
#include "include/model_bug.h"
#include "include/server_config.h"
#include "tests/model/model_engine.h"

#define CONTROLS_MAX 4u
#define STEP_NS_MAX 60000u
#define SYNCS_UNTIL_FAILURE_MAX 400u

struct log_machine {
    struct model_engine_config config;
    struct random random;
    struct io_simulator *sim;
    struct server_config server;
    struct store_sizes sizes;
    struct counters counters;
    struct store_set *set; /* NULL: not running */
    struct io_loop *loops[CONTROLS_MAX];
    struct store *stores[CONTROLS_MAX];
};

static void plant(void)
{
    if (MODEL_BUG(LATE_FILL) || MODEL_BUG(OLDER_REPLACES_NEWER) ||
        MODEL_BUG(LATE_FILL_BEHIND_GUARD))
        planted_bug_active = PLANTED_LATE_FILL;
    else if (MODEL_BUG(EARLY_ACKNOWLEDGEMENT))
        planted_bug_active = PLANTED_ACKNOWLEDGE_EARLY;
    else if (MODEL_BUG(MISSING_SYNC))
        planted_bug_active = PLANTED_SKIP_SYNC;
}

static void *log_create(const struct model_engine_config *config)
{
    struct log_machine *machine = aligned_alloc(GUARD_BYTES, (sizeof(*machine) + GUARD_BYTES - 1) /
                                                                 GUARD_BYTES * GUARD_BYTES);
    if (!machine)
        return NULL;
    memset(machine, 0, sizeof(*machine));
    machine->config = *config;
    machine->random.state = config->seed ^ UINT64_C(0x109);
    machine->sim = io_simulator_create(config->seed);
    config_defaults(&machine->server);
    memcpy(machine->server.store.directory, "data", sizeof("data"));
    machine->server.store.space_reserve_mib = 0;
    machine->server.store.compact_mib_per_s = 1000;
    machine->server.control.threads = config->controls;
    machine->sizes = (struct store_sizes){
        .segment_bytes = 64u << 10,
        .frame_bytes_max = 32u << 10,
        .recent_bytes = 32u << 10,
        .version_block = 16,
        .extent_value_bytes_min = 5000,
    };
    log_set_level((enum log_level)(LOG_LEVEL_ERROR - 1)); /* its failures are made on purpose */
    plant();
    return machine;
}

static bool log_start(void *opaque, struct blob_stock **stocks)
{
    struct log_machine *machine = opaque;
    struct io_loop_config loop = {.backend = IO_BACKEND_SIMULATOR, .depth_max = 16, .wake_fd = -1};
    for (uint32_t i = 0; i < machine->config.controls; i++)
        ASSERT(io_simulator_loop(machine->sim, &loop, &machine->loops[i]) == 0);
    if (store_set_open_sized(&machine->server, &machine->sizes, machine->loops[0], &machine->set) <
        0)
        return false;
    for (uint32_t i = 0; i < machine->config.controls; i++)
        ASSERT(store_attach(machine->set, i, machine->loops[i], stocks[i], &machine->counters,
                            &machine->stores[i]) == 0);
    if (machine->config.may_fail_syncs)
        io_simulator_fail_sync_at(machine->sim,
                                  random_below(&machine->random, SYNCS_UNTIL_FAILURE_MAX));
    return true;
}

static void list_forget(struct operation_list *list)
{
    *list = (struct operation_list){0};
}

/* The operations die with the process: the store must not answer or miss them while it closes. */
static void operations_forget(struct store *store)
{
    list_forget(&store->arrivals);
    list_forget(&store->extent_queue);
    list_forget(&store->read_queue);
    list_forget(&store->done);
    store->stream.open->entry_count = 0;
    store->stream.flying->entry_count = 0;
    for (uint32_t i = 0; i < store->read_jobs_count; i++)
        list_forget(&store->read_jobs[i].waiters);
    for (uint32_t i = 0; i < EXTENT_JOBS_MAX; i++)
        list_forget(&store->extent_jobs[i].followers);
    store->held_count = 0;
}

static void log_crash(void *opaque)
{
    struct log_machine *machine = opaque;
    io_simulator_clear_faults(machine->sim);
    io_simulator_crash(machine->sim,
                       (enum io_crash_mode)random_below(&machine->random, IO_CRASH_MODE_COUNT));
    for (uint32_t i = 0; i < machine->config.controls && machine->set; i++) {
        operations_forget(machine->stores[i]);
        store_detach(machine->stores[i]);
    }
    if (machine->set)
        store_set_close(machine->set);
    machine->set = NULL;
    for (uint32_t i = 0; i < machine->config.controls; i++)
        io_loop_destroy(machine->loops[i]);
}

static void log_destroy(void *opaque)
{
    struct log_machine *machine = opaque;
    io_simulator_destroy(machine->sim);
    free(machine);
}

static void log_submit(void *opaque, uint32_t control, struct shard_operation *operation)
{
    struct log_machine *machine = opaque;
    store_submit(machine->stores[control], operation);
}

static void log_step(void *opaque, uint32_t control, uint64_t wall_ms)
{
    struct log_machine *machine = opaque;
    struct io_loop *loop = machine->loops[control];
    struct io_operation *completed[16];
    uint64_t own_ms = io_wall_ms(loop);
    if (own_ms < wall_ms)
        io_simulator_jump_wall_ms(machine->sim, (int64_t)(wall_ms - own_ms));
    uint32_t count = io_reap(loop, completed, ARRAY_COUNT(completed));
    for (uint32_t i = 0; i < count; i++)
        store_complete(machine->stores[control], completed[i]);
    store_advance(machine->stores[control]);
    io_flush(loop);
    io_wait(loop, 1 + random_below(&machine->random, STEP_NS_MAX));
}

static uint32_t log_reap(void *opaque, uint32_t control, struct shard_operation **out,
                         uint32_t limit)
{
    struct log_machine *machine = opaque;
    return limit > 0 ? store_reap(machine->stores[control], out, limit) : 0;
}

static uint64_t log_wall_ms(void *opaque)
{
    struct log_machine *machine = opaque;
    return io_wall_ms(machine->loops[0]);
}

const struct model_engine log_engine = {
    .name = "log",
    .create = log_create,
    .destroy = log_destroy,
    .start = log_start,
    .crash = log_crash,
    .submit = log_submit,
    .step = log_step,
    .reap = log_reap,
    .wall_ms = log_wall_ms,
};
