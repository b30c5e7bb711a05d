/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two stacks in one process over a seeded bad network, in virtual time: random amounts of bytes
 * both ways, half-closed in random order, every byte compared; at the end no connection is left and
 * every packet is back in its pool. A failing seed is printed with the command that replays it.
 *
 *   tcp_sim [--seeds N] [--first M] | --seed S [--trace]
 *
 * Without --seeds, GANNET_SEEDS and GANNET_SEED choose.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/packet_pool.h"
#include "dataplane/tcp_input.h"
#include "include/blob.h"
#include "include/clock.h"
#include "include/counters.h"
#include "tests/sim/tcp_sim.h"
#include "tests/support/depth.h"
#include "tests/support/test_eal.h"

#define SEEDS_IN_CI 2000u
#define POOL_PACKETS 8191u
#define BATCH 64u
#define TIME_LIMIT_NS (UINT64_C(20000) * NS_PER_S)
#define ROUNDS_MAX 25000000u /* a round a millisecond, for all of that time */
#define FULL_ROUND_NS (20 * NS_PER_US)

static struct rte_mempool *pools[SIDES], *descriptor_pools[SIDES];
static struct counters *counters;
static struct blob_pool *blobs;
static struct blob_stock *stock;
static struct side sides[SIDES];

void simulation_fail(struct simulation *sim, const char *why)
{
    if (!sim->failure)
        sim->failure = why;
}

static uint8_t pattern(uint64_t seed, uint32_t offset)
{
    struct random word = {seed + offset / 8 * UINT64_C(0x9e3779b97f4a7c15)};
    return (uint8_t)(random_u64(&word) >> (offset % 8 * 8));
}

static void pattern_fill(uint64_t seed, uint32_t offset, uint8_t *out, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        out[i] = pattern(seed, offset + i);
}

/* ---- the application at both ends ---- */

static void read_some(struct simulation *sim, struct side *side, struct endpoint *end)
{
    if (end->sleeps_until_ns > sim->now_ns)
        return;
    uint32_t limit = sim->reads_slowly ? 1 + random_below(&sim->random, 20000) : UINT32_MAX;
    const uint8_t *bytes;
    uint32_t run;
    while (limit > 0 && (run = tcp_receive_run(end->connection, &bytes)) > 0) {
        run = run < limit ? run : limit;
        for (uint32_t i = 0; i < run; i++)
            if (bytes[i] != pattern(end->receive_seed, end->received + i)) {
                simulation_fail(sim, "a byte arrived that was not sent");
                return;
            }
        end->received += run;
        limit -= run;
        if (end->received > end->to_receive)
            simulation_fail(sim, "more bytes arrived than were sent");
        bool lingers = end->connection->state == TCP_TIME_WAIT;
        tcp_receive_consume(side->stack, end->connection, run);
        if (lingers && end->connection->state == TCP_CLOSED)
            return;
    }
    if (sim->reads_slowly && random_chance(&sim->random, 200))
        end->sleeps_until_ns = sim->now_ns + random_u64(&sim->random) % (2 * NS_PER_S);
}

static bool write_blob(struct simulation *sim, struct side *side, struct endpoint *end,
                       uint32_t length)
{
    uint32_t skip = random_below(&sim->random, 3000);
    struct blob *blob = blob_create(stock, skip + length);
    if (!blob)
        return false;
    static uint8_t piece[4096];
    memset(piece, 0xee, sizeof(piece));
    blob_append(blob, piece, skip);
    for (uint32_t at = 0; at < length;) {
        uint32_t part = length - at < sizeof(piece) ? length - at : (uint32_t)sizeof(piece);
        pattern_fill(end->send_seed, end->sent + at, piece, part);
        blob_append(blob, piece, part);
        at += part;
    }
    tcp_send_blob(side->stack, end->connection, blob, skip, length);
    end->sent += length;
    return true;
}

static bool write_packet(struct simulation *sim, struct side *side, struct endpoint *end,
                         uint32_t length)
{
    uint32_t most = tcp_payload_max(end->connection);
    length = length < most ? length : most;
    struct packet *tail = tcp_send_tail(end->connection, (uint16_t)length);
    if (tail) {
        pattern_fill(end->send_seed, end->sent, packet_append(tail, (uint16_t)length), length);
        tcp_send_tail_grew(side->stack, end->connection, (uint16_t)length);
        end->sent += length;
        return true;
    }
    struct packet *packet = tcp_packet(side->stack);
    if (!packet)
        return false;
    (void)sim;
    pattern_fill(end->send_seed, end->sent, packet_append(packet, (uint16_t)length), length);
    tcp_send_packet(side->stack, end->connection, packet);
    end->sent += length;
    return true;
}

static void write_some(struct simulation *sim, struct side *side, struct endpoint *end)
{
    while (end->sent < end->to_send && tcp_send_is_open(end->connection) &&
           tcp_send_room(end->connection) > 0) {
        uint32_t left = end->to_send - end->sent;
        uint32_t length = 1 + random_below(&sim->random, sim->chunk_max);
        length = length < left ? length : left;
        bool done = sim->uses_blobs && length > 500 ? write_blob(sim, side, end, length)
                                                    : write_packet(sim, side, end, length);
        if (!done) {
            tcp_make_ready(side->stack, end->connection, TCP_EVENT_WRITABLE);
            return;
        }
        if (random_chance(&sim->random, 100))
            return; /* comes back when something happens: at the latest when it may read again */
    }
}

static void handle(struct simulation *sim, struct side *side, struct endpoint *end)
{
    if (end->is_gone)
        return;
    read_some(sim, side, end);
    if (end->connection->state == TCP_CLOSED)
        return;
    write_some(sim, side, end);
    if (end->sent == end->to_send && !end->has_closed) {
        end->has_closed = true;
        tcp_close(side->stack, end->connection);
    }
}

static struct endpoint *endpoint_of(struct simulation *sim, struct side *side,
                                    struct tcp_connection *connection)
{
    if (tcp_user(connection) != 0)
        return (struct endpoint *)(uintptr_t)tcp_user(connection);
    struct network_flow flow;
    uint16_t local_port, remote_port;
    tcp_connection_flow(connection, &flow, &local_port, &remote_port);
    uint32_t index = (uint32_t)(remote_port - CLIENT_PORT);
    if (index >= sim->flow_count || local_port != SERVER_PORT) {
        simulation_fail(sim, "a connection that nobody opened");
        return NULL;
    }
    struct endpoint *end = &side->ends[index];
    end->connection = connection;
    tcp_set_user(connection, (uint64_t)(uintptr_t)end);
    return end;
}

static void connect_end(struct simulation *sim, uint32_t index)
{
    struct endpoint *end = &sim->sides[0].ends[index];
    end->connection = tcp_connect(sim->sides[0].stack, &sim->flow, (uint16_t)(CLIENT_PORT + index),
                                  SERVER_PORT, sim->now_ns);
    if (end->connection)
        tcp_set_user(end->connection, (uint64_t)(uintptr_t)end);
    else
        simulation_fail(sim, "tcp_connect found no slot");
}

/* Every SYN was lost, or all that could have told the server that its SYN-ACK came. */
static bool never_arrived(const struct simulation *sim, const struct endpoint *client)
{
    return !client->was_opened || !sim->sides[1].ends[client - sim->sides[0].ends].connection;
}

static void run_application(struct simulation *sim, struct side *side)
{
    struct tcp_connection *ready[FLOWS_MAX];
    uint32_t count = tcp_take_ready(side->stack, ready, FLOWS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t events = tcp_events(ready[i]);
        struct endpoint *end = endpoint_of(sim, side, ready[i]);
        if (!end)
            return;
        if (events & TCP_EVENT_OPENED)
            end->was_opened = true;
        if (events & TCP_EVENT_PEER_CLOSED)
            end->peer_closed = true;
        if ((events & TCP_EVENT_GONE) && end->is_excused) {
            end->is_gone = true;
        } else if ((events & TCP_EVENT_GONE) && side == &sim->sides[0] && never_arrived(sim, end)) {
            end->was_opened = end->has_closed = false;
            end->sent = 0;
            connect_end(sim, (uint32_t)(end - side->ends)); /* once more */
        } else if (events & TCP_EVENT_GONE) {
            end->is_gone = true;
            if (!end->was_opened || end->received != end->to_receive || !end->has_closed)
                simulation_fail(sim, "a connection ended before everything had arrived");
        } else {
            handle(sim, side, end);
        }
    }
    for (uint32_t i = 0; i < sim->opened; i++) { /* everybody else now and then, and the sleepers */
        struct endpoint *end = &side->ends[i];
        if (!end->connection || end->is_gone || !end->was_opened)
            continue;
        if (end->connection->state != TCP_CLOSED)
            handle(sim, side, end);
        if (end->sleeps_until_ns > sim->now_ns && end->sleeps_until_ns < sim->wake_ns)
            sim->wake_ns = end->sleeps_until_ns;
        if (end->sleeps_until_ns <= sim->now_ns && end->connection->state != TCP_CLOSED &&
            (tcp_receive_bytes(end->connection) > 0 || end->sent < end->to_send) &&
            sim->now_ns + NS_PER_MS < sim->wake_ns)
            sim->wake_ns = sim->now_ns + NS_PER_MS;
    }
}

static void open_next(struct simulation *sim)
{
    if (sim->opened == sim->flow_count || sim->now_ns < sim->next_open_ns)
        return;
    connect_end(sim, sim->opened++);
    sim->next_open_ns = sim->now_ns + random_u64(&sim->random) % NS_PER_S;
}

/* ---- what one seed means ---- */

static uint32_t pick(struct random *random, const uint32_t *values, uint32_t count)
{
    return values[random_below(random, count)];
}

static void side_create(struct simulation *sim, int index)
{
    static const uint32_t windows[] = {4096, 16384, 65536, 262144, 1048576};
    static const uint32_t offload_sets[] = {0,
                                            0,
                                            NIC_TX_TCP_CHECKSUM,
                                            NIC_TX_MULTI_SEGMENT,
                                            NIC_TX_TCP_CHECKSUM | NIC_TX_MULTI_SEGMENT,
                                            NIC_TX_TCP_CHECKSUM | NIC_TX_MULTI_SEGMENT |
                                                NIC_TX_SEGMENTATION};
    struct random *random = &sim->random;
    struct side *side = &sim->sides[index];
    memset(&side->network, 0, sizeof(side->network));
    memset(side->ends, 0, sizeof(side->ends));
    side->pool = pools[index];
    side->descriptors = random_chance(random, 800) ? descriptor_pools[index] : NULL;
    const uint8_t local4[4] = {192, 0, 2, (uint8_t)(index + 1)};
    memcpy(side->network.local4, local4, 4);
    side->network.local6[0] = 0xfd;
    side->network.local6[15] = (uint8_t)(index + 1);
    side->network.offloads = pick(random, offload_sets, 6);
    struct tcp_stack_config config = {
        .connections = 64,
        .half_open_max = 32,
        .receive_window_bytes = pick(random, windows, 5),
        .send_budget_bytes = 16384u << random_below(random, 5),
        .initial_window_segments = random_chance(random, 500) ? 10 : 1 + random_below(random, 12),
        .out_of_order_max = 1u << random_below(random, 9),
        .packets_held_max = random_chance(random, 300) ? 2000 : 0,
        .use_newreno = random_chance(random, 400),
        .offer_timestamps = random_chance(random, 700),
        .offer_sack = random_chance(random, 700),
        .rto_min_ms = random_chance(random, 500) ? 200 : 10,
        .delayed_ack_ms = random_chance(random, 700) ? 40 : 0,
        .tlp_ack_delay_ms = 40,
        .keepalive_ms = random_chance(random, 300) ? 60000 : 7200000,
        .user_timeout_ms = 3600000,
        .time_wait_ms = 1000 + random_below(random, 60000),
        .fin_wait_ms = 3600000,
        .reset_rate_per_s = 1000,
        .key = {random_u64(random), random_u64(random)},
        .packets = side->pool,
        .descriptors = side->descriptors,
        .network = &side->network,
        .counters = counters,
        .blob_stock = stock,
        .blob_pool = blobs,
    };
    if (tcp_stack_create(&config, sim->now_ns, &side->stack) != 0) {
        fprintf(stderr, "tcp_stack_create failed\n");
        exit(1);
    }
}

static void endpoints_create(struct simulation *sim)
{
    static const uint32_t sizes[] = {0, 1, 100, 3000, 50000, 300000};
    for (uint32_t i = 0; i < sim->flow_count; i++) {
        struct endpoint *client = &sim->sides[0].ends[i], *server = &sim->sides[1].ends[i];
        client->to_send = server->to_receive =
            random_below(&sim->random, 1 + pick(&sim->random, sizes, 6));
        server->to_send = client->to_receive =
            random_below(&sim->random, 1 + pick(&sim->random, sizes, 6));
        client->send_seed = server->receive_seed = random_u64(&sim->random);
        server->send_seed = client->receive_seed = random_u64(&sim->random);
    }
}

static void simulation_create(struct simulation *sim, uint64_t seed, bool is_traced)
{
    static const uint32_t losses[] = {0, 10, 50, 100, 300};
    static const uint32_t mtus[] = {576, 1280, 1500};
    static const uint32_t delays_us[] = {10, 100, 1000, 20000, 100000};
    memset(sim, 0, sizeof(*sim));
    sim->seed = seed;
    sim->random.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    sim->sides = sides;
    sim->now_ns = random_u64(&sim->random) % (UINT64_C(1) << 52); /* ticks wrap in some */
    struct random *random = &sim->random;
    struct virtual_link_config link = {
        .seed = random_u64(random),
        .loss_permille = pick(random, losses, 5),
        .duplicate_permille = random_chance(random, 400) ? random_below(random, 100) : 0,
        .corrupt_permille = random_chance(random, 400) ? random_below(random, 50) : 0,
        .reorder_permille = random_chance(random, 500) ? random_below(random, 200) : 0,
        .delay_ns = pick(random, delays_us, 5) * NS_PER_US,
        .ns_per_byte = random_chance(random, 500) ? 8 : 800,
        .queue_frames = random_chance(random, 500) ? 20 + random_below(random, 200) : 0,
        .hold_ns = random_chance(random, 500) ? 300 * NS_PER_MS : 0,
        .is_traced = is_traced,
    };
    link.jitter_ns = random_chance(random, 500) ? link.delay_ns / 2 : 0;
    link.reorder_ns = 2 * link.delay_ns;
    sim->link = virtual_link_create(&link);
    sim->flow_count = 1 + random_below(random, FLOWS_MAX);
    sim->chunk_max = random_chance(random, 300) ? 300 : 20000;
    sim->reads_slowly = random_chance(random, 400);
    sim->uses_blobs = random_chance(random, 500);
    bool is_ipv6 = random_chance(random, 400);
    bool is_vlan = random_chance(random, 200);
    uint16_t mtu = (uint16_t)(is_ipv6 ? 1280 + random_below(random, 221) : pick(random, mtus, 3));
    for (int side = 0; side < SIDES; side++) {
        side_create(sim, side);
        sides[side].network.mtu = mtu;
        sides[side].network.is_vlan = is_vlan;
    }
    tcp_listen(sides[1].stack, SERVER_PORT);
    sim->flow = (struct network_flow){.ip_version = is_ipv6 ? 6 : 4};
    memcpy(sim->flow.local, is_ipv6 ? sides[0].network.local6 : sides[0].network.local4,
           is_ipv6 ? 16 : 4);
    memcpy(sim->flow.remote, is_ipv6 ? sides[1].network.local6 : sides[1].network.local4,
           is_ipv6 ? 16 : 4);
    endpoints_create(sim);
    trouble_choose(&sim->trouble, random, sim->now_ns);
}

/* ---- running ---- */

/* What is queued and sent is one run of the sequence space, from what is acknowledged on. */
static void check_send_queue(struct simulation *sim, const struct tcp_connection *connection)
{
    const struct packet *packet = connection->send_head;
    if (!packet || packet == connection->send_next)
        return;
    if (!seq_between(packet->tx.sequence, connection->snd_una, packet_sequence_end(packet) - 1))
        simulation_fail(sim, "the oldest packet is not the one that is unacknowledged");
    uint32_t sequence = packet->tx.sequence;
    for (; packet && packet != connection->send_next; packet = packet->next) {
        if (packet->tx.sequence != sequence)
            simulation_fail(sim, "a hole in the send queue");
        sequence = packet_sequence_end(packet);
    }
    if (sequence != connection->snd_nxt)
        simulation_fail(sim, "the send queue does not end where sending goes on");
}

static void check_queues(struct simulation *sim)
{
    for (int side = 0; side < SIDES; side++)
        for (uint32_t i = 0; i < sim->opened; i++) {
            const struct endpoint *end = &sim->sides[side].ends[i];
            if (end->connection && !end->is_gone && end->connection->state >= TCP_ESTABLISHED &&
                end->connection->state < TCP_TIME_WAIT)
                check_send_queue(sim, end->connection);
        }
}

static void run_round(struct simulation *sim)
{
    sim->wake_ns = UINT64_MAX;
    virtual_link_release(sim->link, sim->now_ns);
    trouble_run(sim);
    open_next(sim);
    for (int index = 0; index < SIDES; index++) {
        struct side *side = &sim->sides[index];
        struct packet *batch[BATCH];
        uint32_t count = virtual_link_deliver(sim->link, index, &side->network, side->pool,
                                              sim->now_ns, batch, BATCH);
        tcp_input(side->stack, batch, count, sim->now_ns);
        tcp_timers_run(side->stack, sim->now_ns);
        run_application(sim, side);
        tcp_output(side->stack, sim->now_ns);
        virtual_link_collect(sim->link, index, &side->network, sim->now_ns);
    }
    check_queues(sim);
}

static bool is_done(const struct simulation *sim)
{
    for (int side = 0; side < SIDES; side++)
        for (uint32_t i = 0; i < sim->flow_count; i++) {
            const struct endpoint *end = &sim->sides[side].ends[i];
            if (!end->is_gone && (!end->is_excused || end->connection))
                return false;
        }
    /* the other end of one that was torn away may still be in its handshake */
    return tcp_connection_count(sim->sides[1].stack) == 0;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void advance(struct simulation *sim)
{
    uint64_t next = earliest(virtual_link_next_ns(sim->link), sim->wake_ns);
    next = earliest(next, trouble_next_ns(&sim->trouble));
    for (int side = 0; side < SIDES; side++)
        next = earliest(next, tcp_next_timer_ns(sim->sides[side].stack));
    if (sim->opened < sim->flow_count)
        next = earliest(next, sim->next_open_ns);
    if (next == UINT64_MAX)
        simulation_fail(sim, "stuck: nothing will ever happen again");
    else if (next > sim->now_ns)
        sim->now_ns = next;
    else if (sim->sides[0].network.is_full || sim->sides[1].network.is_full)
        sim->now_ns += FULL_ROUND_NS; /* a stack polls a full port: rounds take time too */
}

static void check_left_overs(struct simulation *sim)
{
    for (int index = 0; index < SIDES; index++) {
        struct side *side = &sim->sides[index];
        if (tcp_connection_count(side->stack) != 0)
            simulation_fail(sim, "a connection slot was not given back");
        tcp_stack_destroy(side->stack);
    }
    virtual_link_destroy(sim->link);
    for (int index = 0; index < SIDES; index++) {
        if (packet_pool_used(pools[index]) != 0 || packet_pool_used(descriptor_pools[index]) != 0)
            simulation_fail(sim, "packets were leaked");
    }
    blob_stock_destroy(stock);
    if (blob_pool_free_bytes(blobs) != blob_pool_total_bytes(blobs))
        simulation_fail(sim, "value bytes were leaked");
    stock = blob_stock_create(blobs);
}

static void print_state(const struct simulation *sim)
{
    for (int side = 0; side < SIDES; side++)
        for (uint32_t i = 0; i < sim->flow_count; i++) {
            const struct endpoint *end = &sim->sides[side].ends[i];
            printf("  side %d flow %u: sent %u of %u, received %u of %u%s%s%s", side, i, end->sent,
                   end->to_send, end->received, end->to_receive, end->has_closed ? ", closed" : "",
                   end->peer_closed ? ", peer closed" : "", end->is_gone ? ", gone" : "");
            if (end->connection && !end->is_gone) {
                struct tcp_connection_info info;
                tcp_connection_info(sim->sides[side].stack, end->connection, &info);
                printf(", state %u cwnd %u flight %u unsent %u snd_wnd %u rcv_wnd %u rto %u ms",
                       info.state, info.cwnd_bytes, info.in_flight_bytes, info.unsent_bytes,
                       info.snd_wnd_bytes, info.rcv_wnd_bytes, info.rto_ms);
            }
            printf("\n");
        }
}

static bool run_seed(uint64_t seed, bool is_traced, const char *program)
{
    static struct simulation sim;
    simulation_create(&sim, seed, is_traced);
    uint64_t start_ns = sim.now_ns;
    uint32_t rounds = 0;
    while (!sim.failure && !is_done(&sim)) {
        run_round(&sim);
        if (!is_done(&sim))
            advance(&sim);
        if (sim.now_ns - start_ns > TIME_LIMIT_NS)
            simulation_fail(&sim, "still not finished after hours of virtual time");
        if (++rounds > ROUNDS_MAX)
            simulation_fail(&sim, "time does not move on");
    }
    if (!sim.failure)
        run_round(&sim); /* gives back what went in the last round */
    if (sim.failure)
        print_state(&sim);
    else
        check_left_overs(&sim);
    if (is_traced)
        printf("seed %" PRIu64 ": %u rounds, %.3f s of virtual time\n", seed, rounds,
               (double)(sim.now_ns - start_ns) / 1e9);
    if (sim.failure)
        printf("seed %" PRIu64 " failed at %.6f s: %s\n  replay: %s --seed %" PRIu64 " --trace\n",
               seed, (double)(sim.now_ns - start_ns) / 1e9, sim.failure, program, seed);
    return !sim.failure;
}

static uint64_t argument(int count, char **values, const char *name, uint64_t fallback)
{
    for (int i = 1; i + 1 < count; i++)
        if (strcmp(values[i], name) == 0)
            return strtoull(values[i + 1], NULL, 10);
    return fallback;
}

static bool has_argument(int count, char **values, const char *name)
{
    for (int i = 1; i < count; i++)
        if (strcmp(values[i], name) == 0)
            return true;
    return false;
}

int main(int count, char **values)
{
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    test_eal_start("192");
    counters = counters_register("sim");
    if (blob_pool_create(32u << 20, 4, &blobs) != 0)
        return 1;
    stock = blob_stock_create(blobs);
    for (int side = 0; side < SIDES; side++) {
        char name[32];
        snprintf(name, sizeof(name), "packets%d", side);
        pools[side] = packet_pool_create(name, POOL_PACKETS, -1, PACKET_ROOM_BYTES);
        snprintf(name, sizeof(name), "descriptors%d", side);
        descriptor_pools[side] =
            rte_pktmbuf_pool_create(name, POOL_PACKETS, 0, PACKET_PRIVATE_BYTES, 0, -1);
        if (!pools[side] || !descriptor_pools[side]) {
            fprintf(stderr, "no memory for packets\n");
            return 1;
        }
    }
    uint64_t one = argument(count, values, "--seed", UINT64_MAX);
    if (one != UINT64_MAX)
        return run_seed(one, has_argument(count, values, "--trace"), values[0]) ? 0 : 1;
    uint64_t first = argument(count, values, "--first", 1);
    uint64_t seeds = argument(count, values, "--seeds", 0);
    if (!has_argument(count, values, "--seeds"))
        depth_choose_seeds(SEEDS_IN_CI, &first, &seeds);
    for (uint64_t seed = first; seed < first + seeds; seed++)
        if (!run_seed(seed, false, values[0]))
            return 1;
    printf("%" PRIu64 " seeds passed, from %" PRIu64 "\n", seeds, first);
    return 0;
}
