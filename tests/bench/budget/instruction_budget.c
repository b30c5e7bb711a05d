/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole server on an in-memory port, for callgrind: only its rounds are counted, clients are
 * not. run.py runs it and makes the table.
 *
 *   instruction_budget [PATH...]     PATH: get_hit, get_hit_pipelined, get_miss, put; none: all
 *
 * Each path warms up, then measures, and ends with a dump named by the path and its requests. Time
 * is virtual and everything is seeded: the same binary executes the same instructions every time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/callgrind.h>

#include "control/control_loop.h"
#include "control/io_simulator.h"
#include "dataplane/core_loop.h"
#include "dataplane/nic.h"
#include "dataplane/shard_client.h"
#include "include/assert_policy.h"
#include "include/compiler.h"
#include "include/counters.h"
#include "tests/support/server_world.h"

#define CLIENTS 64u
#define DEPTH_MAX 16u
#define VALUE_BYTES 128u
#define REQUEST_BYTES_MAX 512u
#define ROUND_NS (25 * NS_PER_US) /* 64 requests at 2.5 M/s */
#define IDLE_ROUNDS_MAX 100000u

struct path {
    const char *name;
    bool is_put;
    uint32_t depth;     /* requests in flight on each connection */
    uint32_t keys;      /* stored before; asked for in order, over and over */
    uint32_t cache_mib; /* the hit paths' keys fit, those of the miss path do not */
    uint32_t warm_up_batches, batches;
    enum counter proof; /* every measured request must have counted it once */
    uint16_t status;
};

static const struct path paths[] = {
    {"get_hit", false, 1, 1024, 16, 50, 200, COUNTER_CACHE_HITS, 200},
    {"get_hit_pipelined", false, DEPTH_MAX, 1024, 16, 10, 40, COUNTER_CACHE_HITS, 200},
    {"get_miss", false, 1, 8192, 1, 20, 60, COUNTER_CACHE_MISSES, 200},
    {"put", true, 1, 4096, 16, 20, 60, COUNTER_SHARD_REQUESTS, 204},
};

struct bench {
    struct server_world world;
    const struct path *path;
    struct world_client clients[CLIENTS];
    uint32_t next_key;
    uint64_t answered;
};

/* ---- the server: the only code that is counted ---- */

static void counted_core_round(struct bench *bench)
{
    struct round_time time = {.now_ns = bench->world.now_ns,
                              .wall_ms = io_wall_ms(bench->world.loops[0])};
    CALLGRIND_TOGGLE_COLLECT;
    core_run_once(bench->world.cores[0], &time);
    CALLGRIND_TOGGLE_COLLECT;
}

static void counted_control_round(struct bench *bench)
{
    CALLGRIND_TOGGLE_COLLECT;
    control_loop_run_once(bench->world.controls[0]);
    CALLGRIND_TOGGLE_COLLECT;
}

/* Rounds while there is work, as under load; a round that only polls would measure the waiting. */
static void run_server(struct bench *bench, uint32_t frames)
{
    struct server_world *world = &bench->world;
    /* a round takes few frames while few wait: as many rounds as it needs */
    uint64_t all = server_world_counter(COUNTER_PORT_RX_PACKETS) + frames;
    while (server_world_counter(COUNTER_PORT_RX_PACKETS) < all)
        counted_core_round(bench);
    bool has_requests = frames > 0 && server_world_in_flight(world) > 0;
    if (has_requests || io_simulator_next_ns(world->disk) <= world->now_ns ||
        control_loop_next_ns(world->controls[0]) <= world->now_ns)
        counted_control_round(bench);
    while (shard_client_has_input(world->cores[0]->shards))
        counted_core_round(bench);
}

/* ---- the clients ---- */

static uint32_t write_request(char *out, bool is_put, uint32_t key, char fill)
{
    int head = snprintf(out, REQUEST_BYTES_MAX,
                        "%s /v1/ns/default/values/key-%012u HTTP/1.1\r\nHost: bench\r\n",
                        is_put ? "PUT" : "GET", key);
    if (!is_put)
        return (uint32_t)(head + snprintf(out + head, REQUEST_BYTES_MAX - (size_t)head, "\r\n"));
    head += snprintf(out + head, REQUEST_BYTES_MAX - (size_t)head, "Content-Length: %u\r\n\r\n",
                     VALUE_BYTES);
    memset(out + head, fill, VALUE_BYTES);
    return (uint32_t)head + VALUE_BYTES;
}

static void ask(struct bench *bench, struct world_client *client, bool is_put, uint32_t depth)
{
    char bytes[DEPTH_MAX * REQUEST_BYTES_MAX];
    uint32_t length = 0;
    for (uint32_t i = 0; i < depth; i++) {
        length += write_request(bytes + length, is_put, bench->next_key, 'v');
        bench->next_key = (bench->next_key + 1) % bench->path->keys;
    }
    client->received_bytes = 0;
    server_world_send(&bench->world, client, bytes, length, UINT32_MAX);
}

/* Complete answers among what the client received; an unexpected status ends the program. */
static uint32_t count_answers(const struct world_client *client, uint16_t status_a,
                              uint16_t status_b)
{
    uint32_t count = 0, at = 0;
    while (at < client->received_bytes) {
        const char *head = (const char *)client->received + at;
        uint32_t left = client->received_bytes - at;
        const char *end = memmem(head, left, "\r\n\r\n", 4);
        if (!end)
            break;
        unsigned status = (unsigned)strtoul(head + 9, NULL, 10);
        if (status != status_a && status != status_b) {
            fprintf(stderr, "unexpected answer: %.*s\n", (int)(end - head), head);
            exit(EXIT_FAILURE);
        }
        const char *length = memmem(head, (size_t)(end - head), "Content-Length: ", 16);
        uint32_t body = length ? (uint32_t)strtoul(length + 16, NULL, 10) : 0;
        uint32_t whole = (uint32_t)(end - head) + 4 + body;
        if (whole > left)
            break;
        at += whole;
        count++;
    }
    return count;
}

static bool all_answered(struct bench *bench, uint32_t depth, uint16_t status_a, uint16_t status_b)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        if (count_answers(&bench->clients[i], status_a, status_b) < depth)
            return false;
    return true;
}

/* All clients ask at once, and wait for all answers. */
static void run_batch(struct bench *bench, bool is_put, uint32_t depth, uint16_t status_a,
                      uint16_t status_b)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        ask(bench, &bench->clients[i], is_put, depth);
    for (uint32_t rounds = 0; !all_answered(bench, depth, status_a, status_b); rounds++) {
        ASSERT(rounds < IDLE_ROUNDS_MAX);
        run_server(bench, server_world_run_clients(&bench->world));
        server_world_skip_ns(&bench->world, ROUND_NS);
        /* the answers arrive, and so does what the clients acknowledge at once */
        run_server(bench, server_world_run_clients(&bench->world));
    }
    bench->answered += (uint64_t)CLIENTS * depth;
}

/* ---- one path ---- */

static void start(struct bench *bench, const struct path *path)
{
    struct world_config config;
    *bench = (struct bench){.path = path};
    server_world_defaults(&config, 1);
    config.wire = (struct virtual_wire_config){.seed = 1};
    config.server_offloads = NIC_TX_MULTI_SEGMENT; /* what memif has */
    config.server.cache.memory_mib = path->cache_mib;
    config.server.tcp.connections = 1024;
    config.server.workers.operations = 1024;
    config.server.http.active_requests = 1024;
    config.sizes.segment_bytes = 4u << 20;
    config.sizes.version_block = 1u << 20;
    server_world_start(&bench->world, &config);
    for (uint32_t i = 0; i < CLIENTS; i++)
        server_world_connect(&bench->world, &bench->clients[i]);
    server_world_run_ms(&bench->world, 50);
    for (uint32_t i = 0; i < CLIENTS; i++)
        ASSERT(bench->clients[i].is_open);
}

static void stop(struct bench *bench)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        server_world_forget(&bench->world, &bench->clients[i]);
    server_world_run_ms(&bench->world, 3000);
    const char *held = server_world_stop(&bench->world);
    if (held) {
        fprintf(stderr, "%s: %s\n", bench->path->name, held);
        exit(EXIT_FAILURE);
    }
}

static void measure(const struct path *path)
{
    static struct bench bench;
    start(&bench, path);
    for (uint32_t stored = 0; stored < path->keys; stored += CLIENTS)
        run_batch(&bench, true, 1, 201, 204);
    for (uint32_t i = 0; i < path->warm_up_batches; i++)
        run_batch(&bench, path->is_put, path->depth, path->status, path->status);

    uint64_t proven = server_world_counter(path->proof);
    bench.answered = 0;
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
    for (uint32_t i = 0; i < path->batches; i++)
        run_batch(&bench, path->is_put, path->depth, path->status, path->status);
    char name[64];
    snprintf(name, sizeof(name), "%s %llu", path->name, (unsigned long long)bench.answered);
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
    proven = server_world_counter(path->proof) - proven;
    printf("%s: %llu requests\n", path->name, (unsigned long long)bench.answered);
    if (proven != bench.answered) {
        fprintf(stderr, "%s: %llu of %llu requests took this path\n", path->name,
                (unsigned long long)proven, (unsigned long long)bench.answered);
        exit(EXIT_FAILURE);
    }
    stop(&bench);
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc <= 1;
}

int main(int argc, char **argv)
{
    server_world_prepare();
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++)
        if (is_wanted(paths[i].name, argc, argv))
            measure(&paths[i]);
    return EXIT_SUCCESS;
}
