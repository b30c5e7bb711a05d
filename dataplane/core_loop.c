/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/api_handler.h"
#include "dataplane/network.h"
#include "dataplane/nic.h"
#include "dataplane/response_cache.h"
#include "dataplane/shard_client.h"
#include "dataplane/task_client.h"
#include "dataplane/tcp.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_stack.h"
#include "include/assert_policy.h"
#include "include/blob.h"
#include "include/counters.h"
#include "include/live_settings.h"
#include "include/server_config.h"
#include "include/shard_fabric.h"

#define ANSWERS_PER_ROUND 64u
#define TASKS_PER_ROUND 16u
#define BURST_FEW 16u
#define FULL_ROUNDS_BEFORE_MORE 8u
#define YIELD_NS_MAX NS_PER_MS /* a control thread on this core waits no longer than this */

/*
 * Few frames a round while few wait: the first answers are on their way while the next requests are
 * served, so that clients and server work at the same time. Many while the port stays full: then
 * nobody waits for us, and a large batch costs less.
 */
static void adapt_burst(struct core *core, bool is_full)
{
    uint32_t most = (uint32_t)core->shared->server->workers.rx_burst;
    core->full_rounds = is_full ? core->full_rounds + 1 : 0;
    if (!is_full && core->rx_burst / 2 >= BURST_FEW) {
        core->rx_burst /= 2;
    } else if (core->full_rounds == FULL_ROUNDS_BEFORE_MORE) {
        core->full_rounds = 0;
        core->rx_burst = core->rx_burst * 2 < most ? core->rx_burst * 2 : most;
    }
}

static uint32_t receive(struct core *core)
{
    struct packet *frames[NIC_BURST_MAX], *segments[NIC_BURST_MAX];
    uint32_t burst = core->rx_burst;
    uint32_t received = 0;
    bool is_full = false;
    for (uint8_t port = 0; port < network_port_count(core->network); port++) {
        uint32_t frame_count = network_receive(core->network, port, frames, burst);
        uint32_t segment_count =
            network_input(core->network, port, frames, frame_count, core->time.now_ns, segments);
        tcp_input(core->tcp, segments, segment_count, core->time.now_ns);
        received += frame_count;
        is_full |= frame_count == burst;
    }
    adapt_burst(core, is_full);
    return received;
}

/* Errors routers sent about our segments; TCP believes them only within its window (RFC 5927). */
static void take_icmp_errors(struct core *core)
{
    struct network_icmp_error errors[NETWORK_ICMP_ERRORS_MAX];
    uint32_t got = network_take_icmp_errors(core->network, errors, NETWORK_ICMP_ERRORS_MAX);
    for (uint32_t i = 0; i < got; i++)
        tcp_icmp_error(core->tcp, &errors[i].flow, errors[i].local_port, errors[i].remote_port,
                       errors[i].sequence, errors[i].new_mtu, core->time.now_ns);
}

static uint32_t take_answers(struct core *core)
{
    struct shard_operation *answers[ANSWERS_PER_ROUND];
    uint32_t got = shard_client_poll(core->shards, &core->time, answers, ANSWERS_PER_ROUND);
    for (uint32_t i = 0; i < got; i++)
        api_take_answer(core->api, answers[i]);
    struct api_task *tasks[TASKS_PER_ROUND];
    uint32_t done = task_client_poll(core->tasks, tasks, TASKS_PER_ROUND);
    for (uint32_t i = 0; i < done; i++)
        api_take_task(core->api, tasks[i]);
    return got + done;
}

static void change_phase(struct core *core)
{
    uint32_t wanted = atomic_load_explicit(&core->wanted_phase, memory_order_acquire);
    if (LIKELY(wanted == (uint32_t)core->phase))
        return;
    core->phase = (enum core_phase)wanted;
    if (core->phase == CORE_DRAINING) {
        for (uint32_t i = 0; i < core->shared->server->listeners_count; i++)
            tcp_stop_listening(core->tcp, (uint16_t)core->shared->server->listeners[i].port);
        api_drain(core->api);
    }
}

/* No pointer into the former snapshot is left between two rounds. */
static void take_settings(struct core *core)
{
    const struct live_settings *settings =
        live_settings_take(core->shared->live, core->index, core->settings);
    if (LIKELY(settings == core->settings))
        return;
    core->settings = settings;
    api_use_settings(core->api, settings);
    tcp_stack_use_limits(core->tcp, &settings->config);
    network_use_icmp_rate(core->network, (uint32_t)settings->config.network.icmp_per_s);
}

/* One round: the table of contents of the dataplane. */
uint32_t core_run_once(struct core *core, const struct round_time *time)
{
    core->time = *time;
    change_phase(core);
    take_settings(core);
    api_begin_round(core->api, time);

    uint32_t work = receive(core); /* frames -> segments -> connections with new bytes */
    take_icmp_errors(core);
    tcp_timers_run(core->tcp, time->now_ns);
    work += take_answers(core);          /* from the store: cache first, then the client; tasks */
    work += api_handle_ready(core->api); /* parse, cache, answer or ask the store */

    network_timers(core->network, time->now_ns);
    tcp_output(core->tcp, time->now_ns); /* everything this round wants to send, ACKs included */
    network_flush(core->network);
    shard_client_flush(core->shards); /* at most one wake-up per sleeping thread */
    task_client_flush(core->tasks);

    response_cache_maintain(core->shared->cache, core->index, time->wall_ms);
    response_cache_quiescent(core->shared->cache, core->index);
    return work;
}

static void set_level(struct core *core, enum core_level level, uint32_t value)
{
    atomic_store_explicit(&core->levels[level], value, memory_order_relaxed);
}

/* For /metrics. */
static void show_levels(struct core *core)
{
    atomic_store_explicit(&core->open_connections, tcp_connection_count(core->tcp),
                          memory_order_relaxed);
    if (LIKELY(core->time.now_ns - core->levels_shown_ns < NS_PER_MS))
        return;
    core->levels_shown_ns = core->time.now_ns;
    struct tcp_levels levels;
    tcp_stack_levels(core->tcp, &levels);
    set_level(core, CORE_LEVEL_HALF_OPEN, levels.half_open);
    set_level(core, CORE_LEVEL_TIME_WAIT, levels.time_wait);
    set_level(core, CORE_LEVEL_PACKETS_HELD, levels.packets_held);
    set_level(core, CORE_LEVEL_OUT_OF_ORDER, levels.out_of_order);
}

/* Nothing came for idle_us: sleep until a control thread wakes us, a timer is due, or sleep_us. */
static void sleep_while_idle(struct core *core)
{
    const struct server_config *server = core->shared->server;
    uint64_t timeout_ns = server->workers.sleep_us * NS_PER_US;
    uint64_t due_ns = tcp_next_timer_ns(core->tcp);
    if (due_ns <= core->time.now_ns)
        return;
    if (due_ns - core->time.now_ns < timeout_ns)
        timeout_ns = due_ns - core->time.now_ns;

    response_cache_offline(core->shared->cache, core->index);
    sleeper_announce(core->sleeper);
    if (!shard_client_has_input(core->shards) && !task_client_has_input(core->tasks) &&
        !network_has_work(core->network)) {
        struct pollfd input = {.fd = core->sleeper->event_fd, .events = POLLIN};
        struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                                   .tv_nsec = (long)(timeout_ns % NS_PER_S)};
        ppoll(&input, 1, &timeout, NULL); /* EINTR is one more idle round */
    }
    sleeper_awake(core->sleeper);
    response_cache_online(core->shared->cache, core->index);
}

/*
 * What is asked of a control thread may need this very core. It does not interrupt rounds (which
 * made small commits of large ones): it gets the core after a round without work, or once in a
 * while.
 */
static void yield_to_control(struct core *core, uint32_t work)
{
    if (LIKELY(shard_client_in_flight(core->shards) == 0))
        return;
    if (work > 0 && core->time.now_ns - core->yielded_ns < YIELD_NS_MAX)
        return;
    core->yielded_ns = core->time.now_ns;
    give_way();
}

void core_run(struct core *core)
{
    const struct server_config *server = core->shared->server;
    bool may_sleep = server->workers.poll == CONFIG_POLL_ADAPTIVE;
    uint64_t idle_ns = server->workers.idle_us * NS_PER_US;
    uint64_t budget_ns = server->workers.round_budget_us * NS_PER_US;

    response_cache_attach(core->shared->cache, core->index, core->stock, core->counters);
    response_cache_online(core->shared->cache, core->index);
    atomic_store_explicit(&core->is_running, 1, memory_order_release);
    struct round_time time = {.now_ns = clock_now_ns()};
    while (core->phase != CORE_STOPPED) {
        time.wall_ms = wall_clock_read(core->shared->wall_clock);
        uint32_t work = core_run_once(core, &time);
        counter_bump(&core->rounds, 1);
        show_levels(core);
        if (may_sleep)
            yield_to_control(core, work);

        uint64_t end_ns = clock_now_ns(); /* this round's end is the next one's start */
        if (work > 0) {
            core->idle_since_ns = end_ns;
            histogram_record(core->counters, HISTOGRAM_ROUND_NS, end_ns - time.now_ns);
            count_many(core->counters, COUNTER_WORKER_BUSY_NS, end_ns - time.now_ns);
            if (UNLIKELY(end_ns - time.now_ns > budget_ns))
                count(core->counters, COUNTER_WORKER_ROUNDS_LATE);
        } else if (may_sleep && end_ns - core->idle_since_ns > idle_ns) {
            sleep_while_idle(core);
            end_ns = clock_now_ns();
        }
        time.now_ns = end_ns;
    }
    response_cache_offline(core->shared->cache, core->index);
    atomic_store_explicit(&core->is_running, 0, memory_order_release);
}

static int create_parts(struct core *core, const struct core_config *config)
{
    const struct core_shared *shared = config->shared;
    struct shard_client_config shards = {.fabric = shared->fabric,
                                         .cache = shared->cache,
                                         .stock = core->stock,
                                         .counters = core->counters,
                                         .worker = config->index,
                                         .cache_hash_seed = shared->cache_hash_seed,
                                         .absent_ttl_ms = shared->server->cache.absent_ttl_ms};
    int result = shard_client_create(&shards, &core->shards);
    if (result != 0)
        return result;
    struct task_client_config tasks = {.fabric = shared->fabric,
                                       .stock = core->stock,
                                       .counters = core->counters,
                                       .worker = config->index};
    result = task_client_create(&tasks, &core->tasks);
    if (result != 0)
        return result;

    struct tcp_stack_config tcp;
    tcp_stack_config_from(shared->server, &tcp);
    tcp.key = shared->siphash_key;
    tcp.packets = config->packets;
    tcp.descriptors = config->descriptors;
    tcp.network = config->network;
    tcp.counters = core->counters;
    tcp.trace = config->trace;
    tcp.blob_stock = core->stock;
    tcp.blob_pool = shared->blobs;
    result = tcp_stack_create(&tcp, config->now_ns, &core->tcp);
    if (result != 0)
        return result;
    for (uint32_t i = 0; i < shared->server->listeners_count; i++)
        if (!tcp_listen(core->tcp, (uint16_t)shared->server->listeners[i].port))
            return -ENOSPC;

    core->settings = live_settings_take(shared->live, config->index, NULL);
    struct api_config api = {.server = &core->settings->config,
                             .tcp = core->tcp,
                             .cache = shared->cache,
                             .shards = core->shards,
                             .tasks = core->tasks,
                             .stock = core->stock,
                             .counters = core->counters,
                             .cache_hash_seed = shared->cache_hash_seed,
                             .worker = config->index,
                             .worker_count = shared->fabric->worker_count,
                             .random_seed = config->random_seed,
                             .access_ring = config->access_ring,
                             .limit_table = shared->limits,
                             .space_counts = shared->space_counts,
                             .limited_clients = config->limited,
                             .siphash_key = shared->siphash_key};
    return api_create(&api, core->settings, &core->api);
}

int core_create(const struct core_config *config, struct core **out)
{
    struct core *core = aligned_alloc(GUARD_BYTES, sizeof(*core));
    if (!core)
        return -ENOMEM;
    memset(core, 0, sizeof(*core));
    core->shared = config->shared;
    core->network = config->network;
    core->stock = config->stock;
    core->counters = config->counters;
    core->index = config->index;
    core->rx_burst = (uint32_t)config->shared->server->workers.rx_burst;
    core->sleeper = &config->shared->fabric->client_sleepers[config->index];
    int result = create_parts(core, config);
    if (result != 0) {
        core_destroy(core);
        return result;
    }
    *out = core;
    return 0;
}

void core_destroy(struct core *core)
{
    if (!core)
        return;
    api_destroy(core->api);
    tcp_stack_destroy(core->tcp);
    task_client_destroy(core->tasks);
    shard_client_destroy(core->shards);
    free(core);
}
