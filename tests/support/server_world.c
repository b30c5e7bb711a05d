/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/server_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_file.h"
#include "control/control_loop.h"
#include "control/io_simulator.h"
#include "control/schema_set.h"
#include "control/task_loop.h"
#include "dataplane/api_settings.h"
#include "dataplane/api_state.h"
#include "dataplane/bulletin.h"
#include "dataplane/core_loop.h"
#include "dataplane/limit_table.h"
#include "dataplane/network.h"
#include "dataplane/packet_pool.h"
#include "dataplane/response_cache.h"
#include "dataplane/shard_client.h"
#include "dataplane/task_client.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_stack.h"
#include "include/assert_policy.h"
#include "include/blob.h"
#include "include/counters.h"
#include "include/shard_fabric.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fake_nic.h"

#define WIRE_SEGMENTS_MAX 256u /* of the largest frame, on the narrowest path */
#define SERVER_SIDE 0
#define CLIENT_SIDE 1
#define SERVER_PACKETS 8191u
#define CLIENT_PACKETS 24575u
#define VALUE_MEMORY_BYTES (48u << 20)
#define NIC_DEPTH 2048u
#define ROUND_NS (2 * NS_PER_US)      /* what a round takes when there was something to do */
#define QUIET_NS_MAX (50 * NS_PER_MS) /* neighbours and the like look at the clock by themselves */
#define CLIENT_READY_MAX 64u
#define FIRST_CLIENT_PORT 10000u

static const uint8_t server_mac[6] = {2, 0, 0, 0, 0, 1}, client_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t server_ipv4[4] = {192, 0, 2, 10}, client_ipv4[4] = {192, 0, 2, 99};
static const uint8_t server_ipv6[16] = {0xfd, [15] = 0x10}, client_ipv6[16] = {0xfd, [15] = 0x99};

static struct rte_mempool *server_packets[WORLD_CORES_MAX], *server_descriptors[WORLD_CORES_MAX];
static struct rte_mempool *client_packets;
static struct counters *core_counters[WORLD_CORES_MAX], *control_counters[WORLD_CONTROLS_MAX];
static struct counters *task_counters;
static struct counters *client_counters;
static struct blob_pool *blobs;

void server_world_prepare(void)
{
    char name[32];
    dpdk_environment_start();
    for (uint32_t i = 0; i < WORLD_CORES_MAX; i++) {
        snprintf(name, sizeof(name), "worker%u", i);
        server_packets[i] = packet_pool_create(name, SERVER_PACKETS, -1, PACKET_ROOM_BYTES);
        core_counters[i] = counters_register(name);
        snprintf(name, sizeof(name), "descriptors%u", i);
        server_descriptors[i] = packet_pool_create(name, SERVER_PACKETS, -1, 0);
        ASSERT(server_packets[i] && server_descriptors[i] && core_counters[i]);
    }
    for (uint32_t i = 0; i < WORLD_CONTROLS_MAX; i++) {
        snprintf(name, sizeof(name), "control%u", i);
        control_counters[i] = counters_register(name);
    }
    client_counters = counters_register("clients");
    task_counters = counters_register("task0");
    client_packets = packet_pool_create("clients", CLIENT_PACKETS, -1, PACKET_ROOM_BYTES);
    ASSERT(client_packets && client_counters);
    ASSERT(blob_pool_create(VALUE_MEMORY_BYTES, WORLD_CORES_MAX + WORLD_CONTROLS_MAX + 1, &blobs) ==
           0);
}

struct rte_mempool *server_world_client_packets(void)
{
    return client_packets;
}

struct counters *server_world_client_counters(void)
{
    return client_counters;
}

static void name_space(struct server_config *server, const char *name, uint64_t value_max)
{
    struct config_namespaces *space = &server->namespaces[server->namespaces_count++];
    *space = (struct config_namespaces){.value_max = value_max, .cache_control = "no-cache"};
    snprintf(space->name, sizeof(space->name), "%s", name);
}

void server_world_defaults(struct world_config *config, uint64_t seed)
{
    *config = (struct world_config){
        .seed = seed,
        .core_count = 1,
        .control_count = 1,
        .mtu = 1500,
        .client_receive_window = 262144,
        .wire = {.seed = seed ^ 0x5eed, .delay_ns = 20 * NS_PER_US, .ns_per_byte = 1},
        .sizes = {.segment_bytes = 256u << 10,
                  .frame_bytes_max = 64u << 10,
                  .recent_bytes = 64u << 10,
                  .version_block = 64,
                  .extent_value_bytes_min = 12000},
    };
    struct server_config *server = &config->server;
    config_defaults(server);
    server->workers.operations = 64;
    server->tcp.connections = 64;
    server->tcp.time_wait_s = 1;
    server->http.active_requests = 64;
    server->http.body_max = 2u << 20;
    server->cache.memory_mib = 2;
    server->cache.value_max = 512u << 10;
    server->store.index_memory_mib = 8;
    server->store.space_reserve_mib = 0;
    snprintf(server->store.directory, sizeof(server->store.directory), "data");
    server->listeners_count = 1;
    server->listeners[0].port = WORLD_PORT;
    server->namespaces_count = 0;
    name_space(server, "default", 2u << 20);
    name_space(server, "small", 1000);
    server->routes_count = 1;
    server->routes[0].backend = CONFIG_BACKEND_ECHO;
    snprintf(server->routes[0].path, sizeof(server->routes[0].path), "/echo/");
}

/* ---- starting ---- */

static struct network *make_network(const struct server_world *world, struct nic_queue *queue,
                                    bool is_client, uint32_t worker)
{
    struct network_port_config port = {
        .queue = queue, .mtu = world->config.mtu, .ipv4_prefix_bits = 24, .ipv6_prefix_bits = 64};
    memcpy(port.ipv4, is_client ? client_ipv4 : server_ipv4, 4);
    memcpy(port.ipv6, is_client ? client_ipv6 : server_ipv6, 16);
    struct network *network = network_create(&(struct network_config){
        .ports = &port,
        .port_count = 1,
        .worker_index = worker,
        .neighbour_count = 64,
        .icmp_per_s = 1000,
        .pool = is_client ? client_packets : server_packets[worker],
        .counters = is_client ? client_counters : core_counters[worker],
        .board = is_client ? NULL : world->board,
        .key = {world->config.seed, 7},
        .random_seed = world->config.seed + worker,
    });
    ASSERT(network);
    return network;
}

static void start_store(struct server_world *world)
{
    struct io_loop_config io = {.backend = IO_BACKEND_SIMULATOR, .depth_max = 16, .wake_fd = -1};
    world->disk = io_simulator_create(world->config.seed);
    for (uint32_t i = 0; i < world->config.control_count; i++)
        ASSERT(io_simulator_loop(world->disk, &io, &world->loops[i]) == 0);
    ASSERT(store_set_open_sized(&world->config.server, &world->config.sizes, world->loops[0],
                                &world->stores) == 0);
    for (uint32_t i = 0; i < world->config.control_count; i++) {
        struct control_loop_config config = {.server = &world->config.server,
                                             .fabric = world->shared->fabric,
                                             .blobs = blobs,
                                             .stores = world->stores,
                                             .index = i,
                                             .io = world->loops[i],
                                             .counters = control_counters[i]};
        ASSERT(control_loop_create(&config, &world->controls[i]) == 0);
    }
    world->now_ns = io_now_ns(world->loops[0]);
}

static void start_shared(struct server_world *world)
{
    const struct world_config *config = &world->config;
    struct core_shared *shared = calloc(1, sizeof(*shared));
    ASSERT(shared);
    world->shared = shared;
    shared->server = &config->server;
    char problem[256];
    ASSERT(api_settings_board_create(&config->server, NULL, config->core_count, problem,
                                     sizeof(problem), &shared->live) == 0);
    shared->blobs = blobs;
    shared->cache_hash_seed = config->seed * 3;
    shared->siphash_key = (struct siphash_key){config->seed, 1};
    ASSERT(limit_table_create(config->server.limits.clients, &shared->limits) == 0);
    struct shard_fabric_shape shape = {
        .workers = config->core_count,
        .controls = config->control_count,
        .task_threads = 1,
        .operations_per_worker = (uint32_t)config->server.workers.operations,
        .operations_per_task_thread = (uint32_t)config->server.tasks.operations,
        .tasks_per_worker = (uint32_t)config->server.tasks.active};
    ASSERT(shard_fabric_create(&shape, &shared->fabric) == 0);
    struct response_cache_config cache = {
        .workers = config->core_count,
        .part_memory_bytes = config->server.cache.memory_mib << 20,
        .value_bytes_max = (uint32_t)config->server.cache.value_max,
        .absent_max = (uint32_t)config->server.cache.absent_entries,
        .hash_seed = shared->cache_hash_seed,
    };
    ASSERT(response_cache_create(&cache, &shared->cache) == 0);
}

static void start_tasks(struct server_world *world)
{
    struct schema_set *schemas;
    struct config_errors errors = {.count = 0};
    ASSERT(schema_set_read(&world->config.server, &schemas, &errors) == 0);
    schema_board_init(&world->schemas);
    schema_board_publish(&world->schemas, schemas);
    struct task_loop_config config = {.server = &world->config.server,
                                      .schemas = &world->schemas,
                                      .fabric = world->shared->fabric,
                                      .blobs = blobs,
                                      .cache_hash_seed = world->shared->cache_hash_seed,
                                      .counters = task_counters};
    memset(task_counters->values, 0, sizeof(task_counters->values));
    ASSERT(task_loop_create(&config, &world->tasks) == 0);
}

static void start_cores(struct server_world *world)
{
    struct fake_nic_config nic = {.queue_count = world->config.core_count,
                                  .offloads = world->config.server_offloads,
                                  .depth = NIC_DEPTH,
                                  .mtu = world->config.mtu};
    memcpy(nic.mac, server_mac, 6);
    world->server_nic = fake_nic_create(&nic);
    world->board = bulletin_board_create(world->config.core_count);
    for (uint32_t i = 0; i < world->config.core_count; i++) {
        world->networks[i] = make_network(world, fake_nic_queue(world->server_nic, i), false, i);
        world->stocks[i] = blob_stock_create(blobs);
        struct core_config config = {.shared = world->shared,
                                     .network = world->networks[i],
                                     .packets = server_packets[i],
                                     .descriptors = server_descriptors[i],
                                     .now_ns = world->now_ns,
                                     .stock = world->stocks[i],
                                     .counters = core_counters[i],
                                     .index = i,
                                     .random_seed = world->config.seed + i};
        memset(core_counters[i]->values, 0, sizeof(core_counters[i]->values));
        ASSERT(core_create(&config, &world->cores[i]) == 0);
        response_cache_attach(world->shared->cache, i, world->stocks[i], core_counters[i]);
        response_cache_online(world->shared->cache, i);
    }
}

static void start_client(struct server_world *world)
{
    struct fake_nic_config nic = {.queue_count = 1, .depth = NIC_DEPTH, .mtu = world->config.mtu};
    memcpy(nic.mac, client_mac, 6);
    world->client_nic = fake_nic_create(&nic);
    world->client_network = make_network(world, fake_nic_queue(world->client_nic, 0), true, 0);
    struct tcp_stack_config tcp;
    tcp_stack_config_from(&world->config.server, &tcp);
    tcp.connections = 256;
    tcp.half_open_max = 64;
    tcp.receive_window_bytes = world->config.client_receive_window;
    tcp.send_budget_bytes = 64u << 20;
    tcp.packets_held_max = 0;
    tcp.user_timeout_ms = 600000;
    tcp.keepalive_ms = 60000; /* a reset that was lost is noticed */
    tcp.time_wait_ms = 1000;
    tcp.key = (struct siphash_key){world->config.seed, 2};
    tcp.packets = client_packets;
    tcp.descriptors = NULL;
    tcp.network = world->client_network;
    tcp.counters = client_counters;
    tcp.blob_stock = NULL;
    tcp.blob_pool = NULL;
    ASSERT(tcp_stack_create(&tcp, world->now_ns, &world->client_tcp) == 0);
}

void server_world_start(struct server_world *world, const struct world_config *config)
{
    *world = (struct server_world){.config = *config, .next_port = FIRST_CLIENT_PORT};
    world->config.server.control.threads = config->control_count;
    start_shared(world);
    start_store(world);
    start_tasks(world);
    start_cores(world);
    start_client(world);
    world->wire = virtual_wire_create(&world->config.wire);
}

void server_world_drain(struct server_world *world)
{
    for (uint32_t i = 0; i < world->config.core_count; i++)
        atomic_store_explicit(&world->cores[i]->wanted_phase, CORE_DRAINING, memory_order_release);
}

/* ---- stopping ---- */

static const char *held_by_core(const struct server_world *world, const struct core *core)
{
    uint32_t free_states = 0;
    for (const struct http_connection *http = core->api->free_connections; http; http = http->next)
        free_states++;
    if (tcp_connection_count(core->tcp) != 0)
        return "a server connection is stuck";
    if (shard_client_in_flight(core->shards) != 0)
        return "a store operation did not come home";
    if (task_client_in_flight(core->tasks) != 0)
        return "a task did not come back";
    if (free_states != world->config.server.http.active_requests)
        return "the state of a request was not given back";
    if (core->api->body_bytes_reserved != 0)
        return "body memory is still reserved";
    return NULL;
}

static void stop_parts(struct server_world *world)
{
    for (uint32_t i = 0; i < world->config.core_count; i++)
        core_destroy(world->cores[i]);
    task_loop_destroy(world->tasks);
    schema_board_clear(&world->schemas);
    for (uint32_t i = 0; i < world->config.control_count; i++)
        control_loop_destroy(world->controls[i]);
    store_set_close(world->stores);
    for (uint32_t i = 0; i < world->config.control_count; i++)
        io_loop_destroy(world->loops[i]);
    io_simulator_destroy(world->disk);
    response_cache_destroy(world->shared->cache);
    for (uint32_t i = 0; i < world->config.core_count; i++) {
        blob_stock_destroy(world->stocks[i]);
        network_destroy(world->networks[i]);
    }
    bulletin_board_destroy(world->board);
    shard_fabric_destroy(world->shared->fabric);
    live_board_destroy(world->shared->live);
    limit_table_destroy(world->shared->limits);
    free(world->shared);
    tcp_stack_destroy(world->client_tcp);
    network_destroy(world->client_network);
    fake_nic_destroy(world->client_nic);
    fake_nic_destroy(world->server_nic);
    virtual_wire_destroy(world->wire);
}

const char *server_world_stop(struct server_world *world)
{
    const char *held = NULL;
    for (uint32_t i = 0; i < world->config.core_count && !held; i++)
        held = held_by_core(world, world->cores[i]);
    for (uint32_t i = 0; i < world->config.control_count && !held; i++)
        if (!control_loop_is_idle(world->controls[i]))
            held = "the store is not idle";
    if (!held && !task_loop_is_idle(world->tasks))
        held = "a task is not done";
    if (held)
        return held; /* what is destroyed in this state may assert: leave it to the failing test */
    stop_parts(world);
    for (uint32_t i = 0; i < WORLD_CORES_MAX && !held; i++) {
        if (packet_pool_used(server_packets[i]) != 0)
            held = "the server leaked packets";
        if (packet_pool_used(server_descriptors[i]) != 0)
            held = "the server leaked packets of value bytes";
    }
    if (!held && packet_pool_used(client_packets) != 0)
        held = "the clients leaked packets";
    if (!held && blob_pool_free_bytes(blobs) != blob_pool_total_bytes(blobs))
        held = "value memory was leaked";
    return held;
}

/* ---- clients ---- */

void server_world_connect(struct server_world *world, struct world_client *client)
{
    struct network_flow flow = {.ip_version = world->config.is_ipv6 ? 6 : 4};
    memcpy(flow.local, world->config.is_ipv6 ? client_ipv6 : client_ipv4,
           flow.ip_version == 6 ? 16 : 4);
    memcpy(flow.remote, world->config.is_ipv6 ? server_ipv6 : server_ipv4,
           flow.ip_version == 6 ? 16 : 4);
    uint8_t *received = client->received;
    *client = (struct world_client){
        .received = received, .room_bytes = client->room_bytes, .port = world->next_port++};
    client->connection =
        tcp_connect(world->client_tcp, &flow, client->port, WORLD_PORT, world->now_ns);
    ASSERT(client->connection);
    tcp_set_user(client->connection, (uint64_t)(uintptr_t)client);
}

void server_world_send(struct server_world *world, struct world_client *client, const void *bytes,
                       uint32_t length, uint32_t piece_bytes)
{
    const uint8_t *at = bytes;
    while (length > 0 && client->connection) {
        uint32_t part = tcp_payload_max(client->connection);
        part = part < piece_bytes ? part : piece_bytes;
        part = part < length ? part : length;
        struct packet *packet = tcp_packet(world->client_tcp);
        ASSERT(packet);
        memcpy(packet_append(packet, (uint16_t)part), at, part);
        tcp_send_packet(world->client_tcp, client->connection, packet);
        at += part;
        length -= part;
    }
}

void server_world_close(struct server_world *world, struct world_client *client)
{
    if (client->connection)
        tcp_close(world->client_tcp, client->connection);
}

void server_world_abort(struct server_world *world, struct world_client *client)
{
    if (client->connection) {
        tcp_set_user(client->connection, 0);
        tcp_abort(world->client_tcp, client->connection);
    }
    client->connection = NULL;
    client->is_gone = true;
}

void server_world_forget(struct server_world *world, struct world_client *client)
{
    server_world_abort(world, client);
    free(client->received);
    *client = (struct world_client){0};
}

static void client_reads(struct server_world *world, struct world_client *client)
{
    const uint8_t *bytes;
    uint32_t run;
    while (!client->is_deaf && (run = tcp_receive_run(client->connection, &bytes)) > 0) {
        if (client->received_bytes + run > client->room_bytes) {
            client->room_bytes = 2 * client->room_bytes + run + 4096;
            client->received = realloc(client->received, client->room_bytes);
            ASSERT(client->received);
        }
        memcpy(client->received + client->received_bytes, bytes, run);
        client->received_bytes += run;
        tcp_receive_consume(world->client_tcp, client->connection, run);
    }
}

void server_world_hear(struct server_world *world, struct world_client *client)
{
    client->is_deaf = false;
    if (client->connection)
        client_reads(world, client);
}

static void client_events(struct server_world *world, struct tcp_connection *connection)
{
    struct world_client *client = (struct world_client *)(uintptr_t)tcp_user(connection);
    uint32_t events = tcp_events(connection);
    if (!client)
        return;
    if (events & TCP_EVENT_OPENED)
        client->is_open = true;
    client_reads(world, client);
    if (events & TCP_EVENT_PEER_CLOSED)
        client->peer_closed = true;
    if (events & TCP_EVENT_GONE) {
        client->is_gone = true;
        client->connection = NULL;
    }
}

static uint32_t run_clients(struct server_world *world)
{
    struct packet *frames[NIC_BURST_MAX], *segments[NIC_BURST_MAX];
    uint32_t count = network_receive(world->client_network, 0, frames, NIC_BURST_MAX);
    uint32_t up = network_input(world->client_network, 0, frames, count, world->now_ns, segments);
    tcp_input(world->client_tcp, segments, up, world->now_ns);
    tcp_timers_run(world->client_tcp, world->now_ns);
    struct tcp_connection *ready[CLIENT_READY_MAX];
    uint32_t ready_count = tcp_take_ready(world->client_tcp, ready, CLIENT_READY_MAX);
    for (uint32_t i = 0; i < ready_count; i++)
        client_events(world, ready[i]);
    network_timers(world->client_network, world->now_ns);
    tcp_output(world->client_tcp, world->now_ns);
    network_flush(world->client_network);
    return count + ready_count;
}

/* ---- wire and ports ---- */

/* What a port's RSS does: all frames of a flow to one queue; what is not TCP to the first. */
static uint32_t queue_of(const struct server_world *world, const uint8_t *frame, uint32_t length)
{
    bool is_tcp4 = length >= 54 && frame[12] == 0x08 && frame[13] == 0x00 && frame[23] == 6;
    bool is_tcp6 = length >= 74 && frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == 6;
    if (!is_tcp4 && !is_tcp6)
        return 0;
    return frame[is_tcp4 ? 35 : 55] % world->config.core_count;
}

static void deliver(struct server_world *world, int side, const uint8_t *bytes, uint32_t length)
{
    uint32_t queue = side == SERVER_SIDE ? queue_of(world, bytes, length) : 0;
    struct packet *packet =
        packet_alloc(side == SERVER_SIDE ? server_packets[queue] : client_packets);
    if (!packet)
        return; /* as a port does */
    memcpy(packet_append(packet, (uint16_t)length), bytes, length);
    struct fake_nic *nic = side == SERVER_SIDE ? world->server_nic : world->client_nic;
    if (!fake_nic_inject(nic, queue, packet))
        packet_free(packet);
}

static uint32_t deliver_due(struct server_world *world)
{
    static uint8_t bytes[WIRE_FRAME_BYTES_MAX];
    uint32_t length, delivered = 0, before;
    do {
        before = delivered;
        for (int side = SERVER_SIDE; side <= CLIENT_SIDE; side++)
            while (virtual_wire_receive(world->wire, side, world->now_ns, bytes, &length)) {
                deliver(world, side, bytes, length);
                delivered++;
            }
    } while (delivered > before);
    return delivered;
}

static void collect(struct server_world *world, int side, struct fake_nic *nic, uint32_t queue)
{
    struct packet *packet, *frames[WIRE_SEGMENTS_MAX];
    while (fake_nic_take(nic, queue, &packet, 1) == 1) {
        uint32_t count =
            fake_nic_wire_frames(nic, packet, client_packets, frames, WIRE_SEGMENTS_MAX);
        for (uint32_t i = 0; i < count; i++) {
            virtual_wire_send(world->wire, side, packet_data(frames[i]),
                              packet_first_bytes(frames[i]), world->now_ns);
            packet_free(frames[i]);
        }
    }
}

/* ---- rounds ---- */

static uint32_t run_round(struct server_world *world)
{
    struct round_time time = {.now_ns = world->now_ns, .wall_ms = io_wall_ms(world->loops[0])};
    uint32_t work = deliver_due(world);
    work +=
        world->run_client ? world->run_client(world->client, world->now_ns) : run_clients(world);
    for (uint32_t i = 0; i < world->config.core_count; i++)
        work += core_run_once(world->cores[i], &time);
    for (uint32_t i = 0; i < world->config.control_count && !world->is_store_stopped; i++)
        work += control_loop_run_once(world->controls[i]);
    work += task_loop_run_once(world->tasks, &time);
    for (uint32_t i = 0; i < world->config.core_count; i++)
        collect(world, SERVER_SIDE, world->server_nic, i);
    collect(world, CLIENT_SIDE, world->client_nic, 0);
    return work;
}

uint32_t server_world_run_clients(struct server_world *world)
{
    for (uint32_t i = 0; i < world->config.core_count; i++)
        collect(world, SERVER_SIDE, world->server_nic, i);
    while (deliver_due(world) + run_clients(world) > 0)
        ;
    collect(world, CLIENT_SIDE, world->client_nic, 0);
    return deliver_due(world);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_event_ns(const struct server_world *world)
{
    uint64_t next = world->now_ns + QUIET_NS_MAX;
    next = earlier(next, virtual_wire_next_ns(world->wire));
    next = earlier(next, tcp_next_timer_ns(world->client_tcp));
    for (uint32_t i = 0; i < world->config.core_count; i++)
        next = earlier(next, tcp_next_timer_ns(world->cores[i]->tcp));
    if (!world->is_store_stopped) {
        next = earlier(next, io_simulator_next_ns(world->disk));
        for (uint32_t i = 0; i < world->config.control_count; i++)
            next = earlier(next, control_loop_next_ns(world->controls[i]));
    }
    return next;
}

void server_world_skip_ns(struct server_world *world, uint64_t by_ns)
{
    io_simulator_advance_ns(world->disk, by_ns);
    world->now_ns += by_ns;
}

void server_world_step(struct server_world *world, uint64_t until_ns)
{
    uint32_t work = run_round(world);
    uint64_t next = work > 0 ? world->now_ns + ROUND_NS : next_event_ns(world);
    if (next < world->now_ns + ROUND_NS)
        next = world->now_ns + ROUND_NS;
    next = earlier(next, until_ns);
    if (next > world->now_ns)
        server_world_skip_ns(world, next - world->now_ns);
}

void server_world_run_ms(struct server_world *world, uint64_t ms)
{
    uint64_t until_ns = world->now_ns + ms * NS_PER_MS;
    while (world->now_ns < until_ns)
        server_world_step(world, until_ns);
}

uint32_t server_world_connections(const struct server_world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->config.core_count; i++)
        count += tcp_connection_count(world->cores[i]->tcp);
    return count;
}

uint32_t server_world_in_flight(const struct server_world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->config.core_count; i++)
        count += shard_client_in_flight(world->cores[i]->shards);
    return count;
}

uint64_t server_world_counter(uint32_t counter)
{
    uint64_t sum = atomic_load_explicit(&task_counters->values[counter], memory_order_relaxed);
    for (uint32_t i = 0; i < WORLD_CORES_MAX; i++)
        sum += atomic_load_explicit(&core_counters[i]->values[counter], memory_order_relaxed);
    return sum;
}
