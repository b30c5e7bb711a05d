/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two workers of one server against two servers of one worker: whole cores (network, TCP, HTTP,
 * API, cache) in this process, each with a client in its own port (tests/support/mirror_nic.h).
 * What the machine itself does not scale (siblings of one core, memory bandwidth) both suffer; what
 * is lost between them is the price of what the workers of a server share. Runs alternate; medians.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_lcore.h>

#include "control/config_file.h"
#include "dataplane/api_settings.h"
#include "dataplane/bulletin.h"
#include "dataplane/core_loop.h"
#include "dataplane/network.h"
#include "dataplane/packet_pool.h"
#include "dataplane/response_cache.h"
#include "include/assert_policy.h"
#include "include/blob.h"
#include "include/clock.h"
#include "include/compiler.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/server_config.h"
#include "include/shard_fabric.h"
#include "include/shard_operation.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/mirror_nic.h"

#define WORKERS_MAX 2u
#define CONNECTIONS 64u
#define VALUE_BYTES 128u
#define PACKETS 8191u
#define ROUNDS 5u
#define WARM_UP_NS (50 * NS_PER_MS)
#define MEASURED_NS (300 * NS_PER_MS)
#define WALL_MS UINT64_C(1700000000000)

static const uint8_t server_ip[4] = {192, 0, 2, 10};

struct worker {
    struct core *core;
    struct response_cache *cache;
    struct nic_queue *queue;
    struct network *network;
    struct blob_stock *stock;
    pthread_t thread;
    uint32_t index, cpu;
    double answers_per_s;
};

/* A server of one or two workers, without a store: everything asked for is in its cache. */
struct bench_server {
    struct core_shared shared;
    struct bulletin_board *board;
    uint32_t worker_count;
    struct worker workers[WORKERS_MAX];
};

static struct server_config config;
static struct counters *counters[WORKERS_MAX];
static struct rte_mempool *packets[WORKERS_MAX], *descriptors[WORKERS_MAX];
static struct blob_pool *blobs;
static pthread_barrier_t together;

/* ---- creation ---- */

static void create_what_all_use(void)
{
    config_defaults(&config);
    config.tcp.connections = 1024;
    config.workers.operations = 64;
    config.http.active_requests = 64;
    config.cache.memory_mib = 64;
    config.listeners_count = 1;
    config.listeners[0].port = 80;
    config.namespaces_count = 1;
    config.namespaces[0].value_max = 1u << 20;
    snprintf(config.namespaces[0].name, sizeof(config.namespaces[0].name), "default");
    ASSERT(blob_pool_create(16u << 20, WORKERS_MAX, &blobs) == 0);
    for (uint32_t cpu = 0; cpu < WORKERS_MAX; cpu++) {
        char name[32];
        snprintf(name, sizeof(name), "worker%u", cpu);
        packets[cpu] = packet_pool_create(name, PACKETS, -1, PACKET_ROOM_BYTES);
        counters[cpu] = counters_register(name);
        snprintf(name, sizeof(name), "descriptors%u", cpu);
        descriptors[cpu] = packet_pool_create(name, PACKETS, -1, 0);
        ASSERT(packets[cpu] && descriptors[cpu] && counters[cpu]);
    }
}

static void create_shared(struct bench_server *server)
{
    server->shared = (struct core_shared){
        .server = &config, .blobs = blobs, .cache_hash_seed = 3, .siphash_key = {1, 2}};
    char problem[256];
    ASSERT(api_settings_board_create(&config, NULL, server->worker_count, problem, sizeof(problem),
                                     &server->shared.live) == 0);
    struct shard_fabric_shape shape = {.workers = server->worker_count,
                                       .controls = 1,
                                       .operations_per_worker =
                                           (uint32_t)config.workers.operations};
    ASSERT(shard_fabric_create(&shape, &server->shared.fabric) == 0);
    struct response_cache_config cache = {.workers = server->worker_count,
                                          .part_memory_bytes = config.cache.memory_mib << 20,
                                          .value_bytes_max = 1u << 20,
                                          .hash_seed = server->shared.cache_hash_seed};
    ASSERT(response_cache_create(&cache, &server->shared.cache) == 0);
    server->board = bulletin_board_create(server->worker_count);
}

static void create_worker(struct bench_server *server, uint32_t index, uint32_t cpu, uint32_t keys)
{
    struct worker *worker = &server->workers[index];
    *worker = (struct worker){.cache = server->shared.cache, .index = index, .cpu = cpu};
    struct mirror_nic_config nic = {.pool = packets[cpu],
                                    .client_ip = {192, 0, 2, (uint8_t)(20 + cpu)},
                                    .server_port = 80,
                                    .connections = CONNECTIONS,
                                    .keys = keys,
                                    .seed = cpu + 1};
    memcpy(nic.server_ip, server_ip, sizeof(server_ip));
    worker->queue = mirror_nic_create(&nic);
    worker->stock = blob_stock_create(blobs);
    struct network_port_config port = {
        .queue = worker->queue, .mtu = 1500, .ipv4_prefix_bits = 24, .ipv6_prefix_bits = 64};
    memcpy(port.ipv4, server_ip, sizeof(server_ip));
    worker->network = network_create(&(struct network_config){.ports = &port,
                                                              .port_count = 1,
                                                              .worker_index = index,
                                                              .neighbour_count = 64,
                                                              .icmp_per_s = 1000,
                                                              .pool = packets[cpu],
                                                              .counters = counters[cpu],
                                                              .board = server->board,
                                                              .key = server->shared.siphash_key,
                                                              .random_seed = cpu});
    ASSERT(worker->network != NULL);
    struct core_config core = {.shared = &server->shared,
                               .network = worker->network,
                               .packets = packets[cpu],
                               .descriptors = descriptors[cpu],
                               .now_ns = clock_now_ns(),
                               .stock = worker->stock,
                               .counters = counters[cpu],
                               .index = index,
                               .random_seed = cpu};
    ASSERT(core_create(&core, &worker->core) == 0);
    response_cache_attach(worker->cache, index, worker->stock, counters[cpu]);
}

/* Every key goes to the part of its owner, as an answer of the store would put it there. */
static void fill_cache(struct bench_server *server, uint32_t keys)
{
    static struct shard_operation operation;
    for (uint32_t key = 0; key < keys; key++) {
        operation.key_bytes =
            (uint16_t)snprintf((char *)operation.bytes, 64, "default%c%08u", 0, key);
        operation.value_bytes = VALUE_BYTES;
        operation.version = 1;
        operation.modified_at_ms = WALL_MS;
        operation.cache_action = SHARD_CACHE_FILL;
        operation.cache_hash =
            key_hash_cache(operation.bytes, operation.key_bytes, server->shared.cache_hash_seed);
        memset(operation_inline_value(&operation), 'v', VALUE_BYTES);
        uint32_t owner = key_hash_owner(operation.cache_hash, server->worker_count);
        response_cache_apply(server->shared.cache, owner, &operation, WALL_MS);
    }
}

static void create_server(struct bench_server *server, uint32_t worker_count, uint32_t first_cpu,
                          uint32_t keys)
{
    server->worker_count = worker_count;
    create_shared(server);
    for (uint32_t i = 0; i < worker_count; i++)
        create_worker(server, i, first_cpu + i, keys);
    fill_cache(server, keys);
}

static void destroy_server(struct bench_server *server)
{
    for (uint32_t i = 0; i < server->worker_count; i++)
        core_destroy(server->workers[i].core);
    response_cache_destroy(server->shared.cache);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        network_destroy(server->workers[i].network);
        mirror_nic_destroy(server->workers[i].queue);
        blob_stock_destroy(server->workers[i].stock);
    }
    bulletin_board_destroy(server->board);
    shard_fabric_destroy(server->shared.fabric);
    live_board_destroy(server->shared.live);
}

/* ---- running ---- */

static uint64_t run_for(struct worker *worker, uint64_t ns)
{
    uint64_t began = clock_now_ns(), answers = mirror_nic_answers(worker->queue);
    struct round_time time = {.now_ns = began, .wall_ms = WALL_MS};
    while (time.now_ns - began < ns) {
        core_run_once(worker->core, &time);
        time.now_ns = clock_now_ns();
    }
    return mirror_nic_answers(worker->queue) - answers;
}

static void *worker_body(void *argument)
{
    struct worker *worker = argument;
    cpu_set_t cpu;
    CPU_ZERO(&cpu);
    CPU_SET(worker->cpu, &cpu);
    pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
    ASSERT(rte_thread_register() == 0); /* packet pools have a cache per registered thread */
    response_cache_online(worker->cache, worker->index);
    mirror_nic_open(worker->queue);
    pthread_barrier_wait(&together);
    run_for(worker, WARM_UP_NS);
    pthread_barrier_wait(&together);
    uint64_t answers = run_for(worker, MEASURED_NS);
    pthread_barrier_wait(&together);
    worker->answers_per_s = (double)answers * 1e9 / (double)MEASURED_NS;
    response_cache_offline(worker->cache, worker->index);
    rte_thread_unregister();
    return NULL;
}

/* Answers per second of all workers of these servers, at the same time. */
static double run_servers(struct bench_server *servers, uint32_t server_count)
{
    double sum = 0;
    uint32_t worker_count = server_count * servers[0].worker_count;
    pthread_barrier_init(&together, NULL, worker_count);
    for (uint32_t i = 0; i < worker_count; i++) {
        struct bench_server *server = &servers[i / servers[0].worker_count];
        struct worker *worker = &server->workers[i % server->worker_count];
        ASSERT(pthread_create(&worker->thread, NULL, worker_body, worker) == 0);
    }
    for (uint32_t i = 0; i < worker_count; i++) {
        struct bench_server *server = &servers[i / servers[0].worker_count];
        struct worker *worker = &server->workers[i % server->worker_count];
        pthread_join(worker->thread, NULL);
        ASSERT(mirror_nic_bad(worker->queue) == 0 && worker->answers_per_s > 0);
        sum += worker->answers_per_s;
    }
    pthread_barrier_destroy(&together);
    return sum;
}

static double measure(uint32_t server_count, uint32_t workers_each, uint32_t keys)
{
    static struct bench_server servers[WORKERS_MAX];
    for (uint32_t i = 0; i < server_count; i++)
        create_server(&servers[i], workers_each, i, keys);
    double sum = run_servers(servers, server_count);
    for (uint32_t i = 0; i < server_count; i++)
        destroy_server(&servers[i]);
    return sum;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

enum subject { ONE_WORKER, TWO_SERVERS, TWO_WORKERS, SHARING, SUBJECT_COUNT };
static const char *const subjects[SUBJECT_COUNT] = {"one worker", "two servers of one worker",
                                                    "one server of two workers", "sharing"};

/* Answers per second of each round; SHARING: the one before it over the one before that. */
struct comparison {
    uint32_t keys;
    double values[SUBJECT_COUNT][ROUNDS];
};

static void compare(struct comparison *comparison, uint32_t keys)
{
    comparison->keys = keys;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        comparison->values[ONE_WORKER][i] = measure(1, 1, keys);
        comparison->values[TWO_SERVERS][i] = measure(2, 1, keys);
        comparison->values[TWO_WORKERS][i] = measure(1, 2, keys);
        comparison->values[SHARING][i] =
            comparison->values[TWO_WORKERS][i] / comparison->values[TWO_SERVERS][i];
    }
}

static void print_as_text(struct comparison *comparison)
{
    printf("%u keys:\n", comparison->keys);
    for (int subject = 0; subject < SUBJECT_COUNT; subject++) {
        double *values = comparison->values[subject], unit = subject == SHARING ? 1 : 1e6;
        qsort(values, ROUNDS, sizeof(values[0]), by_size);
        printf("  %-26s %-4s %5.2f  (%.2f to %.2f)\n", subjects[subject],
               subject == SHARING ? "" : "M/s", values[ROUNDS / 2] / unit, values[0] / unit,
               values[ROUNDS - 1] / unit);
    }
}

static void print_as_json(const struct comparison *comparisons, size_t count)
{
    printf("[");
    for (size_t i = 0; i < count; i++) {
        printf("%s{\"keys\": %u, \"connections_per_worker\": %u, \"answers_per_s\": {",
               i ? ", " : "", comparisons[i].keys, CONNECTIONS);
        for (int subject = 0; subject < SHARING; subject++) {
            printf("%s\"%s\": [", subject ? ", " : "", subjects[subject]);
            for (uint32_t round = 0; round < ROUNDS; round++)
                printf("%s%.0f", round ? ", " : "", comparisons[i].values[subject][round]);
            printf("]");
        }
        printf("}}");
    }
    printf("]\n");
}

int main(int argc, char **argv)
{
    static const uint32_t keys[] = {1, 1000, 100000};
    static struct comparison comparisons[ARRAY_COUNT(keys)];
    bool is_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    bool is_quick = argc == 3 && strcmp(argv[2], "--quick") == 0;
    size_t count = is_quick ? 1 : ARRAY_COUNT(keys);
    if (argc != 1 + is_json + is_quick) {
        fprintf(stderr, "usage: bench_workers [--json [--quick]]\n");
        return EXIT_FAILURE;
    }
    dpdk_environment_start();
    create_what_all_use();
    if (!is_json)
        printf("GET hit, %u connections per worker, %u B values, %u rounds; the client runs on the "
               "worker's core\n",
               CONNECTIONS, VALUE_BYTES, ROUNDS);
    for (size_t i = 0; i < count; i++) {
        compare(&comparisons[i], keys[i]);
        if (!is_json)
            print_as_text(&comparisons[i]);
    }
    if (is_json)
        print_as_json(comparisons, count);
    return EXIT_SUCCESS;
}
