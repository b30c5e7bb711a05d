/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever a port cannot do, the same bytes arrive: two stacks over two fake ports, one of which
 * lacks one capability at a time. Between them a wire that checks every frame with the slow sums of
 * frames.h, and that loses and damages some when the case says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "dataplane/bulletin.h"
#include "dataplane/dispatch.h"
#include "dataplane/network.h"
#include "dataplane/nic_plan.h"
#include "dataplane/packet.h"
#include "dataplane/packet_pool.h"
#include "dataplane/tcp_connection.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_stack.h"
#include "include/blob.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/random.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fake_nic.h"
#include "tests/support/frames.h"

#define WORKERS_MAX 3u
#define FLOWS_MAX 24u
#define REQUEST_BYTES 5000u
#define VALUE_BYTES (100u * 1024u)
#define CUT_MAX 64u /* frames one packet becomes */
#define ROUND_NS (100 * NS_PER_US)
#define ROUNDS_MAX 200000u
#define CARD                                                                                       \
    (NIC_RX_CHECKSUM | NIC_TX_IPV4_CHECKSUM | NIC_TX_TCP_CHECKSUM | NIC_TX_SEGMENTATION |          \
     NIC_TX_MULTI_SEGMENT)

struct worker {
    struct network *network;
    struct tcp_stack *stack;
    struct rte_mempool *packets, *descriptors;
};

struct side {
    struct fake_nic *nic;
    struct dispatch *dispatch;
    struct bulletin_board *board;
    uint32_t worker_count, queue_count;
    struct worker workers[WORKERS_MAX];
};

/* One connection: the client asks with REQUEST_BYTES, the server answers with VALUE_BYTES. */
struct flow {
    struct tcp_connection *client;
    uint32_t asked, answered; /* bytes that have arrived */
    uint32_t server_worker;
    bool has_request_queued, has_answer_queued, is_done;
};

struct wire {
    bool loses, damages;
    uint32_t frame_count, large_count, chained_count, damaged_count;
    uint32_t lost_count;
};

struct scene {
    struct side client, server;
    struct flow flows[FLOWS_MAX];
    uint32_t flow_count;
    uint8_t ip_version;
    struct wire wire;
    uint64_t now_ns;
};

static struct counters *counters;
static struct blob_pool *blobs;
static struct blob_stock *stock;
static struct rte_mempool *pools[2][WORKERS_MAX], *descriptor_pools[2][WORKERS_MAX];

static const uint8_t macs[2][6] = {{2, 0, 0, 0, 0, 0x99}, {2, 0, 0, 0, 0, 0x01}};
static const uint8_t ipv4s[2][4] = {{192, 0, 2, 99}, {192, 0, 2, 10}};
static const uint8_t ipv6s[2][16] = {{0x20, 1, 0x0d, 0xb8, [15] = 0x99},
                                     {0x20, 1, 0x0d, 0xb8, [15] = 0x10}};

static uint8_t value_byte(uint32_t flow, uint32_t offset)
{
    return (uint8_t)((offset * 31u + (offset >> 8) * 7u) ^ (flow * 85u));
}

/* ---- two sides ---- */

static void worker_up(struct side *side, int which, uint32_t index)
{
    struct worker *worker = &side->workers[index];
    worker->packets = pools[which][index];
    worker->descriptors = descriptor_pools[which][index];
    struct network_port_config port = {.queue =
                                           fake_nic_queue(side->nic, index % side->queue_count),
                                       .dispatch = side->dispatch,
                                       .mtu = 1500,
                                       .ipv4_prefix_bits = 24,
                                       .ipv6_prefix_bits = 64};
    memcpy(port.ipv4, ipv4s[which], 4);
    memcpy(port.ipv6, ipv6s[which], 16);
    worker->network = network_create(&(struct network_config){.ports = &port,
                                                              .port_count = 1,
                                                              .worker_index = index,
                                                              .neighbour_count = 64,
                                                              .icmp_per_s = 100,
                                                              .pool = worker->packets,
                                                              .counters = counters,
                                                              .board = side->board,
                                                              .key = {7, 8}});
    assert_non_null(worker->network);
    struct tcp_stack_config config = {.connections = 64,
                                      .half_open_max = 32,
                                      .receive_window_bytes = 262144,
                                      .send_budget_bytes = 65536,
                                      .initial_window_segments = 10,
                                      .out_of_order_max = 256,
                                      .offer_timestamps = true,
                                      .offer_sack = true,
                                      .rto_min_ms = 10,
                                      .delayed_ack_ms = 5,
                                      .user_timeout_ms = 600000,
                                      .time_wait_ms = 10,
                                      .fin_wait_ms = 60000,
                                      .reset_rate_per_s = 1000,
                                      .key = {9, index},
                                      .packets = worker->packets,
                                      .descriptors = worker->descriptors,
                                      .network = worker->network,
                                      .counters = counters,
                                      .blob_stock = stock,
                                      .blob_pool = blobs};
    assert_int_equal(tcp_stack_create(&config, 0, &worker->stack), 0);
}

static void side_up(struct side *side, int which, uint32_t worker_count, uint32_t queue_count,
                    uint32_t offloads)
{
    struct fake_nic_config config = {
        .queue_count = queue_count, .offloads = offloads, .depth = 2048, .mtu = 1500};
    memcpy(config.mac, macs[which], 6);
    side->worker_count = worker_count;
    side->queue_count = queue_count;
    side->nic = fake_nic_create(&config);
    side->board = worker_count > 1 ? bulletin_board_create(worker_count) : NULL;
    side->dispatch = queue_count < worker_count ? dispatch_create(worker_count, queue_count, 512,
                                                                  &(const struct siphash_key){3, 4})
                                                : NULL;
    for (uint32_t i = 0; i < worker_count; i++)
        worker_up(side, which, i);
}

static void side_down(struct side *side)
{
    for (uint32_t i = 0; i < side->worker_count; i++) {
        assert_int_equal(tcp_connection_count(side->workers[i].stack), 0);
        tcp_stack_destroy(side->workers[i].stack);
        network_destroy(side->workers[i].network);
    }
    dispatch_destroy(side->dispatch);
    bulletin_board_destroy(side->board);
    fake_nic_destroy(side->nic);
}

/* ---- the wire ---- */

static uint16_t transport_sum(const uint8_t *ip, uint32_t address_at, uint32_t address_bytes,
                              uint32_t protocol, const uint8_t *transport, uint32_t length)
{
    uint32_t sum = slow_sum(protocol + length, ip + address_at, 2 * address_bytes);
    return slow_fold(slow_sum(sum, transport, length));
}

/* Everything on the wire is a whole frame that any host would believe. */
static void check_frame(const struct packet *frame)
{
    const uint8_t *bytes = packet_data(frame), *ip = bytes + 14;
    uint32_t length = packet_first_bytes(frame);
    assert_in_range(length, 42, 1514);
    assert_int_equal(packet_bytes(frame), length);
    uint16_t type = frame_get16(bytes + 12);
    if (type == 0x0800) {
        assert_int_equal(frame_get16(ip + 2), length - 14);
        assert_int_equal(slow_fold(slow_sum(0, ip, 20)), 0);
        assert_int_equal(ip[9], 6);
        assert_int_equal(transport_sum(ip, 12, 4, 6, ip + 20, length - 34), 0);
    } else if (type == 0x86dd) {
        assert_int_equal(frame_get16(ip + 4), length - 54);
        uint32_t options = ip[6] == 0 ? 8 : 0; /* the router alert of a report of groups */
        uint8_t protocol = options ? ip[40] : ip[6];
        assert_int_equal(
            transport_sum(ip, 8, 16, protocol, ip + 40 + options, length - 54 - options), 0);
    } else {
        assert_int_equal(type, 0x0806);
    }
}

/* As a card with several queues would spread flows. */
static uint32_t queue_of(const struct side *to, const struct packet *frame)
{
    const uint8_t *bytes = packet_data(frame);
    uint32_t tcp_at = frame_get16(bytes + 12) == 0x0800 ? 34 : 54;
    if (frame_get16(bytes + 12) == 0x0806 || packet_first_bytes(frame) < tcp_at + 20)
        return 0;
    return (bytes[tcp_at + 1] + bytes[tcp_at + 3]) % to->queue_count;
}

static void cross(struct scene *scene, struct side *to, struct packet *frame)
{
    struct wire *wire = &scene->wire;
    check_frame(frame);
    wire->frame_count++;
    if (wire->loses && wire->frame_count % 29 == 0) {
        wire->lost_count++;
        packet_free(frame);
        return;
    }
    if (wire->damages && wire->frame_count % 31 == 0 && packet_first_bytes(frame) > 100) {
        packet_data(frame)[packet_first_bytes(frame) - 20] ^= 0x10;
        wire->damaged_count++;
    }
    assert_true(fake_nic_inject(to->nic, queue_of(to, frame), frame));
}

static uint32_t carry(struct scene *scene, struct side *from, struct side *to)
{
    uint32_t moved = 0;
    struct packet *packet, *frames[CUT_MAX];
    for (uint32_t queue = 0; queue < from->queue_count; queue++) {
        while (fake_nic_take(from->nic, queue, &packet, 1) == 1) {
            scene->wire.large_count += packet_bytes(packet) > 1514;
            scene->wire.chained_count += packet_is_chained(packet);
            uint32_t count =
                fake_nic_wire_frames(from->nic, packet, to->workers[0].packets, frames, CUT_MAX);
            for (uint32_t i = 0; i < count; i++)
                cross(scene, to, frames[i]);
            moved += count;
        }
    }
    return moved;
}

/* ---- the application ---- */

static struct flow *flow_of(struct scene *scene, const struct tcp_connection *connection,
                            bool is_server)
{
    struct network_flow ignored;
    uint16_t local, remote;
    tcp_connection_flow(connection, &ignored, &local, &remote);
    uint32_t index = (uint32_t)((is_server ? remote : local) - 10000);
    assert_in_range(index, 0, scene->flow_count - 1);
    return &scene->flows[index];
}

static void read_all(struct tcp_stack *stack, struct tcp_connection *connection, uint32_t flow,
                     uint32_t *arrived)
{
    const uint8_t *bytes;
    uint32_t run;
    while ((run = tcp_receive_run(connection, &bytes)) > 0) {
        for (uint32_t i = 0; i < run; i++)
            if (bytes[i] != value_byte(flow, *arrived + i))
                fail_msg("flow %u: byte %u is wrong", flow, *arrived + i);
        *arrived += run;
        tcp_receive_consume(stack, connection, run);
    }
}

static void send_request(struct worker *worker, struct flow *flow, uint32_t index)
{
    for (uint32_t at = 0; at < REQUEST_BYTES;) {
        struct packet *packet = tcp_packet(worker->stack);
        uint32_t length = tcp_payload_max(flow->client);
        assert_non_null(packet);
        length = length < REQUEST_BYTES - at ? length : REQUEST_BYTES - at;
        uint8_t *out = packet_append(packet, (uint16_t)length);
        for (uint32_t i = 0; i < length; i++)
            out[i] = value_byte(index, at + i);
        tcp_send_packet(worker->stack, flow->client, packet);
        at += length;
    }
    flow->has_request_queued = true;
}

/* The value begins in the middle of its blob, as a value behind its key does. */
static void send_value(struct worker *worker, struct tcp_connection *connection, uint32_t index)
{
    enum { SKIP = 1234 };
    static uint8_t bytes[SKIP + VALUE_BYTES];
    for (uint32_t i = 0; i < VALUE_BYTES; i++)
        bytes[SKIP + i] = value_byte(index, i);
    struct blob *blob = blob_create(stock, sizeof(bytes));
    assert_non_null(blob);
    blob_append(blob, bytes, sizeof(bytes));
    tcp_send_blob(worker->stack, connection, blob, SKIP, VALUE_BYTES);
}

static void serve(struct scene *scene, uint32_t worker_index, struct tcp_connection *connection)
{
    struct worker *worker = &scene->server.workers[worker_index];
    struct flow *flow = flow_of(scene, connection, true);
    uint32_t index = (uint32_t)(flow - scene->flows);
    if (tcp_events(connection) & TCP_EVENT_GONE)
        return;
    flow->server_worker = worker_index;
    read_all(worker->stack, connection, index, &flow->asked);
    if (flow->asked == REQUEST_BYTES && !flow->has_answer_queued) {
        send_value(worker, connection, index);
        flow->has_answer_queued = true;
        tcp_close(worker->stack, connection);
    }
}

static void ask(struct scene *scene, struct tcp_connection *connection)
{
    struct worker *worker = &scene->client.workers[0];
    struct flow *flow = flow_of(scene, connection, false);
    uint32_t index = (uint32_t)(flow - scene->flows);
    uint32_t events = tcp_events(connection);
    if (events & TCP_EVENT_GONE) {
        assert_int_equal(flow->answered, VALUE_BYTES);
        flow->is_done = true;
        return;
    }
    if ((events & TCP_EVENT_OPENED) && !flow->has_request_queued)
        send_request(worker, flow, index);
    read_all(worker->stack, connection, index, &flow->answered);
    if (events & TCP_EVENT_PEER_CLOSED)
        tcp_close(worker->stack, connection);
}

/* ---- running ---- */

static void run_worker(struct scene *scene, struct side *side, uint32_t index)
{
    struct worker *worker = &side->workers[index];
    struct packet *frames[NIC_BURST_MAX], *segments[NIC_BURST_MAX];
    struct tcp_connection *ready[FLOWS_MAX];
    uint32_t count = network_receive(worker->network, 0, frames, NIC_BURST_MAX);
    count = network_input(worker->network, 0, frames, count, scene->now_ns, segments);
    tcp_input(worker->stack, segments, count, scene->now_ns);
    network_timers(worker->network, scene->now_ns);
    tcp_timers_run(worker->stack, scene->now_ns);
    count = tcp_take_ready(worker->stack, ready, FLOWS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (side == &scene->server)
            serve(scene, index, ready[i]);
        else
            ask(scene, ready[i]);
    }
    tcp_output(worker->stack, scene->now_ns);
    network_flush(worker->network);
}

static bool is_done(const struct scene *scene)
{
    for (uint32_t i = 0; i < scene->flow_count; i++)
        if (!scene->flows[i].is_done)
            return false;
    for (uint32_t i = 0; i < scene->server.worker_count; i++)
        if (tcp_connection_count(scene->server.workers[i].stack) > 0)
            return false;
    return tcp_connection_count(scene->client.workers[0].stack) == 0;
}

static void open_flow(struct scene *scene, uint32_t index)
{
    bool is_ipv4 = scene->ip_version == 4;
    struct network_flow flow = {.ip_version = scene->ip_version};
    memcpy(flow.local, is_ipv4 ? ipv4s[0] : ipv6s[0], is_ipv4 ? 4 : 16);
    memcpy(flow.remote, is_ipv4 ? ipv4s[1] : ipv6s[1], is_ipv4 ? 4 : 16);
    scene->flows[index].client = tcp_connect(scene->client.workers[0].stack, &flow,
                                             (uint16_t)(10000 + index), 80, scene->now_ns);
    assert_non_null(scene->flows[index].client);
}

/* Both sides up, every flow served, and everything given back. */
static void play(struct scene *scene, uint32_t server_workers, uint32_t server_queues,
                 uint32_t offloads)
{
    uint32_t opened = 0;
    memset(counters->drops, 0, sizeof(counters->drops));
    memset(counters->values, 0, sizeof(counters->values));
    scene->now_ns = 1000 * NS_PER_S;
    side_up(&scene->client, 0, 1, 1, offloads);
    side_up(&scene->server, 1, server_workers, server_queues, offloads);
    for (uint32_t i = 0; i < server_workers; i++)
        assert_true(tcp_listen(scene->server.workers[i].stack, 80));
    for (uint32_t round = 0; opened < scene->flow_count || !is_done(scene); round++) {
        if (round == ROUNDS_MAX)
            fail_msg("flow 0: %u bytes asked, %u answered, and no end", scene->flows[0].asked,
                     scene->flows[0].answered);
        if (opened < scene->flow_count)
            open_flow(scene, opened++);
        run_worker(scene, &scene->client, 0);
        carry(scene, &scene->client, &scene->server);
        for (uint32_t i = 0; i < server_workers; i++)
            run_worker(scene, &scene->server, i);
        carry(scene, &scene->server, &scene->client);
        scene->now_ns += ROUND_NS;
    }
    side_down(&scene->client);
    side_down(&scene->server);
    for (int which = 0; which < 2; which++)
        for (uint32_t i = 0; i < WORKERS_MAX; i++) {
            assert_int_equal(packet_pool_used(pools[which][i]), 0);
            assert_int_equal(packet_pool_used(descriptor_pools[which][i]), 0);
        }
}

/* What a start with such a port would agree on. */
static uint32_t agreed_offloads(uint32_t capabilities)
{
    static struct nic_plan plan;
    struct nic_capabilities port = {.driver = "net_fake",
                                    .offloads = capabilities,
                                    .rx_queues_max = 1,
                                    .tx_queues_max = 1,
                                    .mtu_min = 68,
                                    .mtu_max = 1500,
                                    .rx_descriptors_max = 4096,
                                    .tx_descriptors_max = 4096};
    struct config_ports config = {.rx_descriptors = 512,
                                  .tx_descriptors = 512,
                                  .mtu = 1500,
                                  .ipv4 = "192.0.2.10/24",
                                  .offloads = "auto"};
    if (nic_plan_make(0, &port, &config, 1, &plan) != 0)
        fail_msg("%s", plan.error);
    return plan.offloads;
}

static void a_value_arrives_whatever_the_port_cannot_do(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t capabilities;
        bool is_cut_by_port, is_chained;
    } cases[] = {
        {"a card that can do everything", CARD, true, true},
        {"no receive checksums", CARD & ~NIC_RX_CHECKSUM, true, true},
        {"no IPv4 checksum", CARD & ~NIC_TX_IPV4_CHECKSUM, false, true},
        {"no TCP checksum", CARD & ~NIC_TX_TCP_CHECKSUM, false, true},
        {"no segmentation", CARD & ~NIC_TX_SEGMENTATION, false, true},
        {"no chains", CARD & ~NIC_TX_MULTI_SEGMENT, false, false},
        {"receive checksums alone", NIC_RX_CHECKSUM, false, false},
        {"TCP checksum alone", NIC_TX_TCP_CHECKSUM, false, false},
        {"segmentation alone", NIC_TX_SEGMENTATION, false, false},
        {"chains alone", NIC_TX_MULTI_SEGMENT, false, true},
        {"nothing at all", 0, false, false},
    };
    static struct scene scene;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        for (uint32_t variant = 0; variant < 8; variant++) {
            scene = (struct scene){.flow_count = 2, .ip_version = variant & 1 ? 6 : 4};
            scene.wire.loses = variant & 2;
            scene.wire.damages = variant & 4;
            print_message("%s, IPv%u%s%s\n", cases[i].what, scene.ip_version,
                          scene.wire.loses ? ", frames lost" : "",
                          scene.wire.damages ? ", frames damaged" : "");
            play(&scene, 1, 1, agreed_offloads(cases[i].capabilities));
            assert_int_equal(scene.wire.large_count > 0, cases[i].is_cut_by_port);
            assert_int_equal(scene.wire.chained_count > 0, cases[i].is_chained);
            assert_int_equal(scene.wire.lost_count > 0, scene.wire.loses);
            assert_int_equal(scene.wire.damaged_count > 0, scene.wire.damages);
            /* each damaged frame was seen through, and no other: by the card or by us */
            assert_int_equal(counters->drops[DROP_TCP_CHECKSUM_BAD], scene.wire.damaged_count);
        }
}

static void fewer_queues_than_workers_serve_every_flow(void **state)
{
    (void)state;
    static const struct {
        uint32_t workers, queues;
    } cases[] = {{2, 1}, {3, 1}, {3, 2}, {3, 3}};
    static struct scene scene;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        for (uint32_t variant = 0; variant < 4; variant++) {
            uint32_t flows_of_worker[WORKERS_MAX] = {0};
            scene = (struct scene){.flow_count = FLOWS_MAX, .ip_version = variant & 1 ? 6 : 4};
            scene.wire.loses = variant & 2;
            print_message("%u workers, %u queues, IPv%u%s\n", cases[i].workers, cases[i].queues,
                          scene.ip_version, scene.wire.loses ? ", frames lost" : "");
            play(&scene, cases[i].workers, cases[i].queues, CARD);
            for (uint32_t flow = 0; flow < FLOWS_MAX; flow++)
                flows_of_worker[scene.flows[flow].server_worker]++;
            for (uint32_t worker = 0; worker < cases[i].workers; worker++)
                assert_true(flows_of_worker[worker] > 0);
            assert_int_equal(counters->values[COUNTER_DISPATCH_FORWARDED] > 0,
                             cases[i].queues < cases[i].workers);
            assert_int_equal(counters->drops[DROP_DISPATCH_FULL], 0);
        }
}

static int start(void **state)
{
    (void)state;
    dpdk_environment_start();
    counters = counters_register("test");
    if (!counters || blob_pool_create(16u << 20, 2, &blobs) != 0)
        return -1;
    stock = blob_stock_create(blobs);
    for (int which = 0; which < 2; which++)
        for (uint32_t i = 0; i < WORKERS_MAX; i++) {
            char name[32];
            pools[which][i] = dpdk_environment_pool(8191);
            snprintf(name, sizeof(name), "test_descriptors_%d_%u", which, i);
            descriptor_pools[which][i] = packet_pool_create(name, 8191, -1, 0);
            if (!descriptor_pools[which][i])
                return -1;
        }
    return stock ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_arrives_whatever_the_port_cannot_do),
        cmocka_unit_test(fewer_queues_than_workers_serve_every_flow),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
