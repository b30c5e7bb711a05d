/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control_loop.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "control/io_loop.h"
#include "control/loop_thread.h"
#include "control/store.h"
#include "control/thread_pin.h"
#include "include/assert_policy.h"
#include "include/blob.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/server_config.h"
#include "include/shard_fabric.h"

#define BATCH STORE_EXPECT_MAX
#define SLEEP_NS_MAX (500 * NS_PER_MS) /* the heartbeat moves at least this often */

struct control_loop {
    alignas(GUARD_BYTES) struct control_loop_config config;
    struct loop_thread thread;
    struct io_loop *io;
    struct store *store;
    struct blob_stock *stock;
    struct counters *counters;
    struct sleeper *sleeper;
    uint64_t workers_to_wake;
    _Atomic uint64_t heartbeat;
};

static uint32_t take_requests(struct control_loop *loop)
{
    struct shard_fabric *fabric = loop->config.fabric;
    struct shard_operation *batch[BATCH];
    uint32_t taken = 0;
    for (uint32_t client = 0; client < fabric->client_count; client++) {
        uint32_t got = message_ring_pop(fabric->request[client][loop->config.index], batch, BATCH);
        store_expect(loop->store, batch, got);
        for (uint32_t i = 0; i < got; i++)
            store_submit(loop->store, batch[i]);
        taken += got;
    }
    return taken;
}

static uint32_t complete_io(struct control_loop *loop)
{
    struct io_operation *done[BATCH];
    uint32_t got = io_reap(loop->io, done, BATCH);
    for (uint32_t i = 0; i < got; i++) {
        ASSERT(done[i]->owner_kind == STORE_IO);
        store_complete(loop->store, done[i]);
    }
    return got;
}

/* In reap order: the ring to a key's cache owner then carries its versions in order. */
static uint32_t send_answers(struct control_loop *loop)
{
    struct shard_fabric *fabric = loop->config.fabric;
    struct shard_operation *batch[BATCH];
    uint32_t sent = 0, got;
    do {
        got = store_reap(loop->store, batch, BATCH);
        for (uint32_t i = 0; i < got; i++) {
            uint32_t owner = batch[i]->owner_worker;
            message_ring_push(fabric->reply[loop->config.index][owner], batch[i]);
            loop->workers_to_wake |= UINT64_C(1) << owner;
        }
        sent += got;
    } while (got == BATCH);
    shard_fabric_wake_clients(fabric, loop->workers_to_wake);
    loop->workers_to_wake = 0;
    return sent;
}

static bool has_requests(const struct control_loop *loop)
{
    const struct shard_fabric *fabric = loop->config.fabric;
    for (uint32_t client = 0; client < fabric->client_count; client++)
        if (message_ring_depth(fabric->request[client][loop->config.index]) > 0)
            return true;
    return false;
}

static void sleep_until_input(struct control_loop *loop)
{
    uint64_t now_ns = io_now_ns(loop->io);
    uint64_t due_ns = store_next_deadline_ns(loop->store);
    uint64_t timeout_ns = due_ns <= now_ns ? 0 : due_ns - now_ns;
    if (timeout_ns > SLEEP_NS_MAX)
        timeout_ns = SLEEP_NS_MAX;
    sleeper_announce(loop->sleeper);
    bool must_stay = has_requests(loop) || loop_thread_should_stop(&loop->thread);
    if (!must_stay && timeout_ns > 0)
        io_wait(loop->io, timeout_ns);
    sleeper_awake(loop->sleeper);
}

uint32_t control_loop_run_once(struct control_loop *loop)
{
    uint32_t work = take_requests(loop);
    work += complete_io(loop);
    store_advance(loop->store);
    io_flush(loop->io);
    work += send_answers(loop);
    atomic_fetch_add_explicit(&loop->heartbeat, 1, memory_order_relaxed);
    return work;
}

bool control_loop_is_idle(const struct control_loop *loop)
{
    return !has_requests(loop) && store_is_idle(loop->store);
}

uint64_t control_loop_next_ns(const struct control_loop *loop)
{
    return store_next_deadline_ns(loop->store);
}

static void close_parts(struct control_loop *loop)
{
    if (loop->store)
        store_detach(loop->store);
    if (loop->io && loop->io != loop->config.io)
        io_loop_destroy(loop->io);
    if (loop->stock)
        blob_stock_destroy(loop->stock);
}

/* On the thread that will run the loop: an io_uring belongs to the thread that made it. */
static int open_parts(struct control_loop *loop)
{
    const struct server_config *server = loop->config.server;
    loop->sleeper = &loop->config.fabric->control_sleepers[loop->config.index];
    loop->counters = loop->config.counters;
    loop->stock = blob_stock_create(loop->config.blobs);
    if (!loop->counters || !loop->stock)
        return -ENOMEM;
    struct io_loop_config io = {
        .backend = (enum io_backend)server->control.io, /* the choices are in the same order */
        .depth_max = (uint32_t)server->control.io_depth,
        .wake_fd = loop->sleeper->event_fd,
    };
    loop->io = loop->config.io;
    int result = loop->io ? 0 : io_loop_create(&io, &loop->io);
    if (result != 0)
        return result;
    return store_attach(loop->config.stores, loop->config.index, loop->io, loop->stock,
                        loop->counters, &loop->store);
}

static struct control_loop *allocate(const struct control_loop_config *config)
{
    struct control_loop *loop = aligned_alloc(GUARD_BYTES, sizeof(*loop));
    if (!loop)
        return NULL;
    memset(loop, 0, sizeof(*loop));
    loop->config = *config;
    return loop;
}

/* ---- without a thread ---- */

int control_loop_create(const struct control_loop_config *config, struct control_loop **out)
{
    struct control_loop *loop = allocate(config);
    if (!loop)
        return -ENOMEM;
    int result = open_parts(loop);
    if (result != 0) {
        control_loop_destroy(loop);
        return result;
    }
    *out = loop;
    return 0;
}

void control_loop_destroy(struct control_loop *loop)
{
    if (!loop)
        return;
    close_parts(loop);
    free(loop);
}

/* ---- as a thread ---- */

static int open_on_thread(void *context, const char *thread_name)
{
    struct control_loop *loop = context;
    if (!loop->config.counters)
        loop->config.counters = counters_register(thread_name);
    if (loop->config.server->workers.poll == CONFIG_POLL_ADAPTIVE)
        thread_never_interrupts(); /* core_loop.c yields to it */
    return open_parts(loop);
}

static void run_thread(void *context)
{
    struct control_loop *loop = context;
    while (!loop_thread_should_stop(&loop->thread) || !control_loop_is_idle(loop))
        if (control_loop_run_once(loop) == 0)
            sleep_until_input(loop);
}

static void close_on_thread(void *context)
{
    close_parts(context);
}

int control_loop_start(const struct control_loop_config *config, struct control_loop **out)
{
    static const struct loop_thread_body body = {open_on_thread, run_thread, close_on_thread};
    struct control_loop *loop = allocate(config);
    if (!loop)
        return -ENOMEM;
    int result = loop_thread_start(&loop->thread, "control", config->index,
                                   &config->server->control.cores, &body, loop);
    if (result != 0)
        free(loop);
    else
        *out = loop;
    return result;
}

void control_loop_stop(struct control_loop *loop)
{
    if (!loop)
        return;
    loop_thread_stop(&loop->thread, loop->sleeper);
    free(loop);
}

uint64_t control_loop_heartbeat(const struct control_loop *loop)
{
    return atomic_load_explicit(&loop->heartbeat, memory_order_relaxed);
}
