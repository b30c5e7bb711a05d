/* SPDX-License-Identifier: BSD-3-Clause */
/* The load generator in virtual time: against a scripted server, the responder, a whole Gannet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/packet.h"
#include "dataplane/packet_pool.h"
#include "dataplane/tcp.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_stack.h"
#include "include/clock.h"
#include "include/counters.h"
#include "tests/bench/generator/generator.h"
#include "tests/bench/generator/responder.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fake_nic.h"
#include "tests/support/server_world.h"

#define ROUND_NS (10 * NS_PER_US)
#define CONNECTIONS 4u
#define FRAMES_MAX 4096u

/* ---- a server that answers by a script ---- */

enum behaviour {
    ANSWER_WELL = 0,
    ANSWER_NOT_FOUND,
    ANSWER_SHORTER, /* whole, but fewer bytes than expected */
    ANSWER_HALF,    /* promises more than it sends, and closes */
    ANSWER_RESET,   /* no answer but a reset */
    ANSWER_NEVER,
    ANSWER_GARBAGE,
    ANSWER_AND_CLOSE, /* well, with Connection: close */
    ANSWER_UNTIL_END, /* well, its end is the connection's */
    ANSWER_IN_PIECES, /* well, a byte per segment */
    ANSWER_TWICE,     /* well, and once more unasked */
};

struct rig {
    struct plan plan;
    struct popularity popularity;
    struct result_progress progress;
    struct rte_mempool *client_pool, *server_pool;
    struct fake_nic *client_nic, *server_nic;
    struct network *client_network, *server_network;
    struct generator *generator;
    struct tcp_stack *server_tcp;
    struct responder *responder; /* instead of the scripted server */
    uint64_t now_ns, server_sleeps_until_ns;
    enum behaviour behaviour; /* of the request with number `odd_one`, and of all when that is 0 */
    uint32_t odd_one, request_count, accepted_count;
    uint64_t most_of_one;    /* requests that one connection brought */
    uint32_t damaged_answer; /* the frame with this one is damaged on the way; 0: none */
    struct result *result;
};

static struct rte_mempool *client_packets, *server_packets;
static struct counters *client_counters, *server_counters;

static struct network *make_network(struct rte_mempool *pool, struct fake_nic *nic,
                                    const uint8_t ipv4[4], struct counters *counters)
{
    struct network_port_config port = {
        .queue = fake_nic_queue(nic, 0), .mtu = 1500, .ipv4_prefix_bits = 24, .ipv4_further = 2};
    memcpy(port.ipv4, ipv4, 4);
    return network_create(&(struct network_config){.ports = &port,
                                                   .port_count = 1,
                                                   .neighbour_count = 64,
                                                   .icmp_per_s = 1000,
                                                   .pool = pool,
                                                   .counters = counters,
                                                   .key = {3, 4}});
}

static void plan_defaults(struct plan *plan)
{
    *plan = (struct plan){.mode = PLAN_CLOSED_LOOP,
                          .core_count = 1,
                          .local = {192, 0, 2, 1},
                          .remote = {192, 0, 2, 200},
                          .prefix_bits = 24,
                          .address_count = 1,
                          .remote_port = 80,
                          .mtu = 1500,
                          .connections = CONNECTIONS,
                          .pipeline_depth = 1,
                          .arrivals = PLAN_CONSTANT,
                          .runs = 1,
                          .timeout_ns = 100 * NS_PER_MS,
                          .path = "/k/{key}",
                          .host = "test",
                          .headers = "",
                          .keys = 100,
                          .key_bytes = 8,
                          .value_bytes = 5,
                          .expected_bytes = 5};
}

static void server_create(struct rig *rig, bool is_responder)
{
    if (is_responder) {
        struct plan plan = rig->plan;
        memcpy(plan.local, rig->plan.remote, 4);
        assert_int_equal(responder_create(&(struct responder_config){.plan = &plan,
                                                                     .network = rig->server_network,
                                                                     .packets = rig->server_pool},
                                          &rig->responder),
                         0);
        return;
    }
    struct tcp_stack_config tcp = {.connections = 512,
                                   .half_open_max = 128,
                                   .receive_window_bytes = 65535,
                                   .send_budget_bytes = 1u << 20,
                                   .initial_window_segments = 10,
                                   .out_of_order_max = 64,
                                   .rto_min_ms = 200,
                                   .user_timeout_ms = 60000,
                                   .time_wait_ms = 100,
                                   .fin_wait_ms = 1000,
                                   .reset_rate_per_s = 100000,
                                   .key = {5, 6},
                                   .packets = rig->server_pool,
                                   .network = rig->server_network,
                                   .counters = server_counters};
    assert_int_equal(tcp_stack_create(&tcp, rig->now_ns, &rig->server_tcp), 0);
    assert_true(tcp_listen(rig->server_tcp, 80));
}

static void rig_up(struct rig *rig, const struct plan *plan, bool is_responder)
{
    struct fake_nic_config nic = {.queue_count = 1, .depth = FRAMES_MAX, .mtu = 1500};
    *rig = (struct rig){.plan = *plan, .now_ns = 1000 * NS_PER_S};
    rig->client_pool = client_packets;
    rig->server_pool = server_packets;
    memset(client_counters->values, 0, sizeof(client_counters->values));
    nic.mac[0] = 2;
    nic.mac[5] = 1;
    rig->client_nic = fake_nic_create(&nic);
    nic.mac[5] = 2;
    rig->server_nic = fake_nic_create(&nic);
    rig->client_network =
        make_network(rig->client_pool, rig->client_nic, rig->plan.local, client_counters);
    rig->server_network =
        make_network(rig->server_pool, rig->server_nic, rig->plan.remote, server_counters);
    assert_int_equal(popularity_init(&rig->popularity, &rig->plan), 0);
    struct generator_config config = {.plan = &rig->plan,
                                      .popularity = &rig->popularity,
                                      .network = rig->client_network,
                                      .packets = rig->client_pool,
                                      .counters = client_counters,
                                      .progress = &rig->progress,
                                      .core_count = 1,
                                      .now_ns = rig->now_ns,
                                      .key = {1, 2}};
    assert_int_equal(generator_create(&config, &rig->generator), 0);
    server_create(rig, is_responder);
}

static void rig_down(struct rig *rig)
{
    generator_destroy(rig->generator);
    tcp_stack_destroy(rig->server_tcp);
    responder_destroy(rig->responder);
    popularity_destroy(&rig->popularity);
    network_destroy(rig->client_network);
    network_destroy(rig->server_network);
    fake_nic_destroy(rig->client_nic);
    fake_nic_destroy(rig->server_nic);
    assert_int_equal(packet_pool_used(rig->client_pool), 0);
    assert_int_equal(packet_pool_used(rig->server_pool), 0);
}

static void say(struct rig *rig, struct tcp_connection *tcp, const char *text, uint32_t piece_bytes)
{
    uint32_t left = (uint32_t)strlen(text);
    while (left > 0) {
        uint32_t part = left < piece_bytes ? left : piece_bytes;
        struct packet *packet = tcp_packet(rig->server_tcp);
        assert_non_null(packet);
        memcpy(packet_append(packet, (uint16_t)part), text, part);
        tcp_send_packet(rig->server_tcp, tcp, packet);
        text += part;
        left -= part;
    }
}

static void answer(struct rig *rig, struct tcp_connection *tcp, enum behaviour behaviour)
{
    static const char good[] = "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 5\r\n\r\nhello";
    switch (behaviour) {
    case ANSWER_WELL:
        say(rig, tcp, good, 1000);
        break;
    case ANSWER_NOT_FOUND:
        say(rig, tcp, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello", 1000);
        break;
    case ANSWER_SHORTER:
        say(rig, tcp, "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 4\r\n\r\nhell", 1000);
        break;
    case ANSWER_HALF:
        say(rig, tcp, "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 5\r\n\r\nhe", 1000);
        tcp_close(rig->server_tcp, tcp);
        break;
    case ANSWER_RESET:
        tcp_abort(rig->server_tcp, tcp);
        break;
    case ANSWER_NEVER:
        break;
    case ANSWER_GARBAGE:
        say(rig, tcp, "220 mail.example ESMTP\r\n", 1000);
        break;
    case ANSWER_AND_CLOSE:
        say(rig, tcp, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
            1000);
        tcp_close(rig->server_tcp, tcp);
        break;
    case ANSWER_UNTIL_END:
        say(rig, tcp, "HTTP/1.1 200 OK\r\n\r\nhello", 1000);
        tcp_close(rig->server_tcp, tcp);
        break;
    case ANSWER_IN_PIECES:
        say(rig, tcp, good, 1);
        break;
    case ANSWER_TWICE:
        say(rig, tcp, good, 1000);
        say(rig, tcp, good, 1000);
        break;
    }
}

/* Every request ends with an empty line, and none has a body. */
static void serve(struct rig *rig, struct tcp_connection *tcp)
{
    static uint8_t bytes[65536];
    uint32_t length = tcp_receive_peek(tcp, 0, bytes, sizeof(bytes)), used = 0;
    const uint8_t *end;
    while ((end = memmem(bytes + used, length - used, "\r\n\r\n", 4)) != NULL) {
        used = (uint32_t)(end - bytes) + 4;
        rig->request_count++;
        tcp_set_user(tcp, tcp_user(tcp) + 1);
        rig->most_of_one = tcp_user(tcp) > rig->most_of_one ? tcp_user(tcp) : rig->most_of_one;
        bool is_odd = rig->odd_one == 0 || rig->request_count == rig->odd_one;
        answer(rig, tcp, is_odd ? rig->behaviour : ANSWER_WELL);
        if (!tcp_send_is_open(tcp))
            break;
    }
    if (tcp_receive_bytes(tcp) >= used)
        tcp_receive_consume(rig->server_tcp, tcp, used);
}

static void scripted_round(struct rig *rig)
{
    struct packet *frames[NIC_BURST_MAX], *segments[NIC_BURST_MAX];
    struct tcp_connection *ready[64];
    uint32_t count = network_receive(rig->server_network, 0, frames, NIC_BURST_MAX);
    uint32_t up = network_input(rig->server_network, 0, frames, count, rig->now_ns, segments);
    tcp_input(rig->server_tcp, segments, up, rig->now_ns);
    tcp_timers_run(rig->server_tcp, rig->now_ns);
    uint32_t ready_count = tcp_take_ready(rig->server_tcp, ready, 64);
    for (uint32_t i = 0; i < ready_count; i++) {
        uint32_t events = tcp_events(ready[i]);
        if (events & TCP_EVENT_GONE)
            continue;
        rig->accepted_count += (events & TCP_EVENT_OPENED) != 0;
        serve(rig, ready[i]);
        if (events & TCP_EVENT_PEER_CLOSED)
            tcp_close(rig->server_tcp, ready[i]);
    }
    network_timers(rig->server_network, rig->now_ns);
    tcp_output(rig->server_tcp, rig->now_ns);
    network_flush(rig->server_network);
}

/* One bit: 200 becomes 300. */
static void damage(struct rig *rig, struct packet *frame)
{
    uint8_t *status = memmem(packet_data(frame), packet_bytes(frame), "HTTP/1.1 2", 10);
    if (status && rig->damaged_answer > 0 && --rig->damaged_answer == 0)
        status[9] ^= 1;
}

static void carry(struct rig *rig, struct fake_nic *from, struct fake_nic *to,
                  struct rte_mempool *pool)
{
    struct packet *packet, *frames[64];
    while (fake_nic_take(from, 0, &packet, 1) == 1) {
        uint32_t count = fake_nic_wire_frames(from, packet, pool, frames, 64);
        for (uint32_t i = 0; i < count; i++) {
            damage(rig, frames[i]);
            if (!fake_nic_inject(to, 0, frames[i]))
                packet_free(frames[i]);
        }
    }
}

static void run_for(struct rig *rig, uint64_t ns)
{
    uint64_t end_ns = rig->now_ns + ns;
    while (rig->now_ns < end_ns) {
        generator_run_once(rig->generator, rig->now_ns);
        carry(rig, rig->client_nic, rig->server_nic, rig->server_pool);
        if (rig->now_ns >= rig->server_sleeps_until_ns) {
            if (rig->responder)
                responder_run_once(rig->responder, rig->now_ns);
            else
                scripted_round(rig);
        }
        carry(rig, rig->server_nic, rig->client_nic, rig->client_pool);
        rig->now_ns += ROUND_NS;
    }
}

static void connect_all(struct rig *rig)
{
    run_for(rig, 10 * NS_PER_MS);
    assert_true(generator_is_connected(rig->generator));
}

static void run_and_measure(struct rig *rig, uint64_t rate_per_s, uint64_t ns)
{
    generator_run(rig->generator, rate_per_s, rig->now_ns);
    generator_measure_begin(rig->generator, rig->now_ns);
    run_for(rig, ns);
    generator_measure_end(rig->generator, rig->now_ns);
    rig->result = generator_result(rig->generator);
}

static uint64_t errors_of(const struct result *result)
{
    uint64_t sum = 0;
    for (int i = 0; i < RESULT_ERROR_COUNT; i++)
        sum += result->errors[i];
    return sum;
}

/* ---- tests ---- */

static void a_closed_loop_asks_again_when_it_was_answered(void **state)
{
    (void)state;
    static const uint32_t depths[] = {1, 3, 64};
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        struct rig rig;
        struct plan plan;
        plan_defaults(&plan);
        plan.pipeline_depth = depths[i];
        rig_up(&rig, &plan, false);
        connect_all(&rig);
        run_and_measure(&rig, 0, 20 * NS_PER_MS);
        assert_int_equal(errors_of(rig.result), 0);
        /* a round trip is two rounds of 10 us, and a round takes 64 frames, here of one answer */
        uint64_t expected = 900 * CONNECTIONS * depths[i];
        assert_true(rig.result->responses >= (expected < 100000 ? expected : 100000));
        assert_true(rig.result->requests - rig.result->responses <= CONNECTIONS * depths[i]);
        assert_int_equal(rig.result->gets, rig.result->responses);
        assert_int_equal(rig.result->latency.count, rig.result->responses);
        assert_int_equal(rig.result->elapsed_ns, 20 * NS_PER_MS);
        assert_int_equal(rig.result->retransmissions, 0);
        assert_int_equal(rig.accepted_count, CONNECTIONS);
        rig_down(&rig);
    }
}

/* Few in flight over many connections: each gets its turn, none a second one before the others. */
static void few_of_many_are_asked_in_turn(void **state)
{
    (void)state;
    static const struct {
        uint32_t connections, active;
    } cases[] = {{100, 5}, {100, 100}, {400, 1}, {10, 5}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct plan plan;
        plan_defaults(&plan);
        plan.connections = cases[i].connections;
        plan.active = cases[i].active;
        rig_up(&rig, &plan, false);
        connect_all(&rig);
        run_and_measure(&rig, 0, 50 * NS_PER_MS);
        assert_int_equal(errors_of(rig.result), 0);
        /* a round trip is two rounds of 10 us */
        assert_true(rig.result->responses >= 2000 * (uint64_t)cases[i].active);
        assert_int_equal(rig.result->requests - rig.result->responses, cases[i].active);
        assert_in_range(rig.most_of_one, rig.request_count / cases[i].connections,
                        rig.request_count / cases[i].connections + 1);
        rig_down(&rig);
    }
}

static void few_of_many_stay_as_many_when_some_fail(void **state)
{
    (void)state;
    static const enum behaviour failures[] = {ANSWER_RESET, ANSWER_NEVER, ANSWER_AND_CLOSE,
                                              ANSWER_NOT_FOUND};
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct rig rig;
        struct plan plan;
        plan_defaults(&plan);
        plan.connections = 50;
        plan.active = 5;
        plan.timeout_ns = 5 * NS_PER_MS;
        rig_up(&rig, &plan, false);
        rig.behaviour = failures[i];
        rig.odd_one = 100;
        connect_all(&rig);
        run_and_measure(&rig, 0, 50 * NS_PER_MS);
        uint64_t failed = failures[i] == ANSWER_AND_CLOSE ? 0 : 1;
        assert_int_equal(errors_of(rig.result), failed);
        assert_int_equal(rig.result->requests - rig.result->responses - failed, 5);
        assert_true(rig.result->responses > 9000);
        assert_true(generator_is_connected(rig.generator));
        rig_down(&rig);
    }
}

/* What went wrong once is counted once, as what it is, and the load goes on. */
static void each_kind_of_failure_is_counted_as_what_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum behaviour behaviour;
        enum result_error error;
        bool keeps_connection;
    } cases[] = {
        {"wrong status", ANSWER_NOT_FOUND, RESULT_BAD_STATUS, true},
        {"shorter than expected", ANSWER_SHORTER, RESULT_BAD_LENGTH, true},
        {"shorter than promised", ANSWER_HALF, RESULT_BAD_LENGTH, false},
        {"reset", ANSWER_RESET, RESULT_RESET, false},
        {"no answer", ANSWER_NEVER, RESULT_TIMEOUT, false},
        {"not HTTP", ANSWER_GARBAGE, RESULT_MALFORMED, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct plan plan;
        plan_defaults(&plan);
        rig_up(&rig, &plan, false);
        rig.behaviour = cases[i].behaviour;
        rig.odd_one = 20;
        connect_all(&rig);
        run_and_measure(&rig, 0, 300 * NS_PER_MS);
        for (int error = 0; error < RESULT_ERROR_COUNT; error++) {
            uint64_t expected = error == (int)cases[i].error;
            if (rig.result->errors[error] != expected)
                fail_msg("%s: error %d counted %lu times", cases[i].what, error,
                         (unsigned long)rig.result->errors[error]);
        }
        assert_int_equal(rig.accepted_count, CONNECTIONS + !cases[i].keeps_connection);
        assert_int_equal(rig.result->connections_closed, !cases[i].keeps_connection);
        assert_int_equal(generator_open_count(rig.generator), CONNECTIONS);
        assert_true(rig.result->responses > 10000);
        rig_down(&rig);
    }
}

/* A frame with a wrong checksum comes again; where none is looked at, the answer is judged. */
static void damage_on_the_way_is_found_where_checksums_are_verified(void **state)
{
    (void)state;
    static const struct {
        const char *device;
        bool checks_checksums, is_found;
    } cases[] = {{"0000:3b:00.0", false, true},
                 {"net_af_packet0,iface=c0", false, true},
                 {"net_memif0,role=client", true, true},
                 {"net_memif0,role=client", false, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct plan plan;
        plan_defaults(&plan);
        plan.device = cases[i].device;
        plan.checks_checksums = cases[i].checks_checksums;
        plan.timeout_ns = NS_PER_S;
        rig_up(&rig, &plan, false);
        connect_all(&rig);
        rig.damaged_answer = 20;
        run_and_measure(&rig, 0, 500 * NS_PER_MS);
        assert_int_equal(rig.damaged_answer, 0);
        assert_int_equal(rig.result->frames_dropped, cases[i].is_found);
        assert_int_equal(rig.result->errors[RESULT_BAD_STATUS], !cases[i].is_found);
        assert_int_equal(errors_of(rig.result), !cases[i].is_found);
        assert_true(rig.result->responses > 10000);
        rig_down(&rig);
    }
}

static void what_is_in_flight_behind_a_failure_is_lost_with_it(void **state)
{
    (void)state;
    struct rig rig;
    struct plan plan;
    plan_defaults(&plan);
    plan.pipeline_depth = 8;
    plan.connections = 1;
    rig_up(&rig, &plan, false);
    rig.behaviour = ANSWER_RESET;
    rig.odd_one = 17;
    connect_all(&rig);
    run_and_measure(&rig, 0, 100 * NS_PER_MS);
    assert_int_equal(rig.result->errors[RESULT_RESET], 8);
    assert_int_equal(errors_of(rig.result), 8);
    rig_down(&rig);
}

static void good_answers_in_unusual_shapes_are_good(void **state)
{
    (void)state;
    static const struct {
        enum behaviour behaviour;
        bool needs_new_connection;
    } cases[] = {{ANSWER_AND_CLOSE, true}, {ANSWER_UNTIL_END, true}, {ANSWER_IN_PIECES, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct plan plan;
        plan_defaults(&plan);
        rig_up(&rig, &plan, false);
        rig.behaviour = cases[i].behaviour;
        rig.odd_one = 20;
        connect_all(&rig);
        run_and_measure(&rig, 0, 100 * NS_PER_MS);
        assert_int_equal(errors_of(rig.result), 0);
        assert_int_equal(rig.accepted_count, CONNECTIONS + cases[i].needs_new_connection);
        assert_true(rig.result->responses > 4000);
        rig_down(&rig);
    }
}

static void an_answer_that_nobody_asked_for_is_malformed(void **state)
{
    (void)state;
    struct rig rig;
    struct plan plan;
    plan_defaults(&plan);
    rig_up(&rig, &plan, false);
    rig.behaviour = ANSWER_TWICE;
    rig.odd_one = 20;
    connect_all(&rig);
    generator_run(rig.generator, 0, rig.now_ns);
    run_and_measure(&rig, 0, 50 * NS_PER_MS);
    assert_true(rig.result->errors[RESULT_MALFORMED] <= 1);
    assert_true(rig.result->responses > 1000);
    rig_down(&rig);
}

static void a_connection_per_request_is_closed_after_each(void **state)
{
    (void)state;
    struct rig rig;
    struct plan plan;
    plan_defaults(&plan);
    plan.closes = true;
    rig_up(&rig, &plan, false);
    rig.behaviour = ANSWER_AND_CLOSE;
    run_and_measure(&rig, 0, 200 * NS_PER_MS);
    assert_int_equal(errors_of(rig.result), 0);
    assert_true(rig.result->responses > 5000);
    assert_true(rig.result->connections_opened - rig.result->responses <= CONNECTIONS);
    assert_int_equal(rig.result->connections_closed, rig.result->responses);
    assert_true(rig.accepted_count - rig.result->responses <= CONNECTIONS);
    /* latency counts from the SYN: a round trip more than the request alone */
    assert_true(rig.result->latency.min_ns >= 2 * ROUND_NS);
    rig_down(&rig);
}

static void nobody_listening_is_a_failure_to_connect(void **state)
{
    (void)state;
    struct rig rig;
    struct plan plan;
    plan_defaults(&plan);
    rig_up(&rig, &plan, false);
    tcp_stop_listening(rig.server_tcp, 80);
    run_and_measure(&rig, 0, 100 * NS_PER_MS);
    assert_false(generator_is_connected(rig.generator));
    assert_true(rig.result->errors[RESULT_CONNECT_FAILED] >= CONNECTIONS);
    assert_true(rig.result->errors[RESULT_CONNECT_FAILED] <= 100); /* it does not storm */
    assert_int_equal(errors_of(rig.result), rig.result->errors[RESULT_CONNECT_FAILED]);
    tcp_listen(rig.server_tcp, 80);
    connect_all(&rig);
    rig_down(&rig);
}

/* The reason for open loops: a server that pauses must not pause the measurement. */
static void a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one(void **state)
{
    (void)state;
    for (int is_open = 0; is_open < 2; is_open++) {
        struct rig rig;
        struct plan plan;
        plan_defaults(&plan);
        plan.mode = is_open ? PLAN_OPEN_LOOP : PLAN_CLOSED_LOOP;
        rig_up(&rig, &plan, false);
        connect_all(&rig);
        rig.plan.timeout_ns = NS_PER_S;
        generator_run(rig.generator, 10000, rig.now_ns);
        generator_measure_begin(rig.generator, rig.now_ns);
        run_for(&rig, 500 * NS_PER_MS);
        rig.server_sleeps_until_ns = rig.now_ns + 50 * NS_PER_MS;
        run_for(&rig, 500 * NS_PER_MS);
        generator_measure_end(rig.generator, rig.now_ns);
        rig.result = generator_result(rig.generator);
        uint64_t p50_ns = latency_quantile_ns(&rig.result->latency, 5000);
        uint64_t p99_ns = latency_quantile_ns(&rig.result->latency, 9900);
        assert_int_equal(errors_of(rig.result), 0);
        assert_true(p50_ns <= 5 * ROUND_NS);
        if (is_open) {
            assert_true(rig.result->responses >= 9990 && rig.result->responses <= 10000);
            assert_true(p99_ns > 35 * NS_PER_MS && p99_ns < 51 * NS_PER_MS);
            assert_true(rig.result->late > 400 && rig.result->late < 520);
        } else {
            assert_true(p99_ns <= 5 * ROUND_NS);
            assert_int_equal(rig.result->late, 0);
        }
        /* Either way it is known who was silent, and those it did not touch are known too. */
        assert_int_equal(rig.result->server_silences, 1);
        assert_int_equal(rig.result->server_silent_ns / NS_PER_MS, 50);
        assert_int_equal(rig.result->client_stalls, 0);
        assert_true(latency_quantile_ns(&rig.result->calm, 10000) <= 5 * ROUND_NS);
        assert_true(rig.result->calm.count > rig.result->latency.count * 85 / 100);
        rig_down(&rig);
    }
}

static void an_open_loop_keeps_its_rate(void **state)
{
    (void)state;
    static const struct {
        enum plan_arrivals arrivals;
        uint32_t depth;
        bool closes;
    } cases[] = {{PLAN_CONSTANT, 1, false},
                 {PLAN_POISSON, 1, false},
                 {PLAN_POISSON, 8, false},
                 {PLAN_CONSTANT, 1, true},
                 {PLAN_POISSON, 1, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct plan plan;
        plan_defaults(&plan);
        plan.mode = PLAN_OPEN_LOOP;
        plan.connections = 32;
        plan.arrivals = cases[i].arrivals;
        plan.pipeline_depth = cases[i].depth;
        plan.closes = cases[i].closes;
        rig_up(&rig, &plan, false);
        if (plan.closes)
            rig.behaviour = ANSWER_AND_CLOSE;
        connect_all(&rig);
        run_and_measure(&rig, 20000, NS_PER_S);
        assert_int_equal(errors_of(rig.result), 0);
        assert_in_range(rig.result->responses, 19400, 20600); /* four standard deviations */
        assert_int_equal(rig.result->late, 0);
        rig_down(&rig);
    }
}

static void a_ramp_opens_no_faster_than_asked(void **state)
{
    (void)state;
    struct rig rig;
    struct plan plan;
    plan_defaults(&plan);
    plan.connections = 200;
    plan.address_count = 3;
    plan.ramp_per_s = 1000;
    rig_up(&rig, &plan, false);
    run_for(&rig, 50 * NS_PER_MS);
    assert_in_range(generator_open_count(rig.generator), 45, 55);
    run_for(&rig, 160 * NS_PER_MS);
    assert_true(generator_is_connected(rig.generator));
    assert_int_equal(rig.accepted_count, 200);
    rig_down(&rig);
}

/* More connections than the port has room for: nothing is lost to the port, all get their turn. */
static void a_full_port_slows_the_generator_down(void **state)
{
    (void)state;
    struct rig rig;
    struct plan plan;
    plan_defaults(&plan);
    plan.connections = 400;
    rig_up(&rig, &plan, false);
    connect_all(&rig);
    fake_nic_limit_transmit(rig.client_nic, 3);
    run_and_measure(&rig, 0, 100 * NS_PER_MS);
    assert_int_equal(errors_of(rig.result), 0);
    assert_int_equal(rig.result->retransmissions, 0);
    assert_int_equal(rig.result->frames_dropped, 0);
    /* three per round, and three more in one that begins with nothing waiting */
    assert_in_range(rig.result->responses, 25000, 31000);
    rig_down(&rig);
}

static void the_responder_answers_what_it_is_asked(void **state)
{
    (void)state;
    static const struct {
        uint32_t depth, value_bytes;
        bool closes;
    } cases[] = {{1, 5, false}, {16, 5, false}, {16, 128, false}, {2, 3000, false},
                 {1, 0, false}, {1, 5, true},   {1, 1384, false}, {7, 1459, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct plan plan;
        plan_defaults(&plan);
        plan.pipeline_depth = cases[i].depth;
        plan.value_bytes = cases[i].value_bytes;
        plan.expected_bytes = cases[i].value_bytes;
        plan.closes = cases[i].closes;
        rig_up(&rig, &plan, true);
        connect_all(&rig);
        run_and_measure(&rig, 0, 20 * NS_PER_MS);
        if (errors_of(rig.result) != 0 || rig.result->responses < 1000 * cases[i].depth ||
            rig.result->retransmissions != 0)
            fail_msg("case %zu: %lu responses, %lu errors, %lu retransmissions", i,
                     (unsigned long)rig.result->responses, (unsigned long)errors_of(rig.result),
                     (unsigned long)rig.result->retransmissions);
        rig_down(&rig);
    }
}

/* Resets that a port refused would leave connections with the server for minutes. */
static void stopping_resets_everything_through_a_slow_port_too(void **state)
{
    (void)state;
    static const uint32_t frames_per_round[] = {UINT32_MAX, 3};
    for (size_t i = 0; i < sizeof(frames_per_round) / sizeof(frames_per_round[0]); i++) {
        struct rig rig;
        struct plan plan;
        plan_defaults(&plan);
        plan.connections = 400;
        rig_up(&rig, &plan, false);
        connect_all(&rig);
        run_and_measure(&rig, 0, 5 * NS_PER_MS);
        fake_nic_limit_transmit(rig.client_nic, frames_per_round[i]);
        generator_stop(rig.generator);
        assert_false(generator_is_stopped(rig.generator));
        run_for(&rig, 10 * NS_PER_MS);
        assert_true(generator_is_stopped(rig.generator));
        assert_int_equal(generator_open_count(rig.generator), 0);
        assert_int_equal(tcp_connection_count(rig.server_tcp), 0);
        rig_down(&rig);
    }
}

/* ---- a whole Gannet ---- */

struct gannet_load {
    struct server_world world;
    struct popularity popularity;
    struct result_progress progress;
    struct generator *generator;
};

static uint32_t run_generator(void *load, uint64_t now_ns)
{
    return generator_run_once(((struct gannet_load *)load)->generator, now_ns);
}

static void run_world(struct gannet_load *load, uint64_t ns)
{
    uint64_t until_ns = load->world.now_ns + ns;
    while (load->world.now_ns < until_ns) {
        uint64_t due_ns = generator_next_due_ns(load->generator);
        server_world_step(&load->world, due_ns < until_ns ? due_ns : until_ns);
    }
}

static const struct result *measure_world(struct gannet_load *load, uint64_t ns)
{
    generator_run(load->generator, 0, load->world.now_ns);
    generator_measure_begin(load->generator, load->world.now_ns);
    run_world(load, ns);
    generator_measure_end(load->generator, load->world.now_ns);
    return generator_result(load->generator);
}

static void load_up(struct gannet_load *load, struct plan *plan)
{
    static const uint8_t world_client[4] = {192, 0, 2, 99}, world_server[4] = {192, 0, 2, 10};
    struct world_config config;
    server_world_defaults(&config, 11);
    server_world_start(&load->world, &config);
    memcpy(plan->local, world_client, 4);
    memcpy(plan->remote, world_server, 4);
    assert_int_equal(popularity_init(&load->popularity, plan), 0);
    struct generator_config generator = {.plan = plan,
                                         .popularity = &load->popularity,
                                         .network = load->world.client_network,
                                         .packets = server_world_client_packets(),
                                         .counters = server_world_client_counters(),
                                         .progress = &load->progress,
                                         .core_count = 1,
                                         .now_ns = load->world.now_ns,
                                         .key = {1, 2}};
    assert_int_equal(generator_create(&generator, &load->generator), 0);
    load->world.client = load;
    load->world.run_client = run_generator;
}

static void load_down(struct gannet_load *load)
{
    generator_stop(load->generator);
    run_world(load, 2 * NS_PER_S);
    generator_destroy(load->generator);
    popularity_destroy(&load->popularity);
    const char *held = server_world_stop(&load->world);
    if (held)
        fail_msg("%s", held);
}

static void gannet_keeps_what_was_loaded_and_every_body_is_checked(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {100, 5000}; /* in one segment, and in several */
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        static struct gannet_load load;
        struct plan plan;
        plan_defaults(&plan);
        plan.namespace_name = "default";
        plan.connections = 8;
        plan.pipeline_depth = 2;
        plan.keys = 50;
        plan.put_permille = 100;
        plan.loads_first = plan.checks_body = true;
        plan.times_gets_only = i == 1;
        plan.value_bytes = sizes[i];
        plan.expected_bytes = UINT64_MAX;
        plan.timeout_ns = 2 * NS_PER_S;
        load_up(&load, &plan);
        run_world(&load, 50 * NS_PER_MS);
        assert_true(generator_is_connected(load.generator));
        generator_load(load.generator);
        run_world(&load, 2 * NS_PER_S);
        assert_true(generator_is_loaded(load.generator));
        const struct result *result = measure_world(&load, 200 * NS_PER_MS);
        assert_int_equal(errors_of(result), 0);
        assert_true(result->gets > 100 && result->puts > 10);
        assert_int_equal(result->latency.count, i == 1 ? result->gets : result->responses);
        assert_true(result->hits > result->gets / 2 && result->hits <= result->gets);
        load_down(&load);
    }
}

static void gannet_without_the_values_answers_404_and_that_is_an_error(void **state)
{
    (void)state;
    static struct gannet_load load;
    struct plan plan;
    plan_defaults(&plan);
    plan.namespace_name = "default";
    plan.closes = true;
    plan.expected_bytes = UINT64_MAX;
    load_up(&load, &plan);
    const struct result *result = measure_world(&load, 100 * NS_PER_MS);
    assert_int_equal(result->responses, 0);
    assert_true(result->errors[RESULT_BAD_STATUS] > 100);
    assert_int_equal(errors_of(result), result->errors[RESULT_BAD_STATUS]);
    load_down(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_loop_asks_again_when_it_was_answered),
        cmocka_unit_test(few_of_many_are_asked_in_turn),
        cmocka_unit_test(few_of_many_stay_as_many_when_some_fail),
        cmocka_unit_test(each_kind_of_failure_is_counted_as_what_it_is),
        cmocka_unit_test(damage_on_the_way_is_found_where_checksums_are_verified),
        cmocka_unit_test(what_is_in_flight_behind_a_failure_is_lost_with_it),
        cmocka_unit_test(good_answers_in_unusual_shapes_are_good),
        cmocka_unit_test(an_answer_that_nobody_asked_for_is_malformed),
        cmocka_unit_test(a_connection_per_request_is_closed_after_each),
        cmocka_unit_test(nobody_listening_is_a_failure_to_connect),
        cmocka_unit_test(a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one),
        cmocka_unit_test(an_open_loop_keeps_its_rate),
        cmocka_unit_test(a_ramp_opens_no_faster_than_asked),
        cmocka_unit_test(a_full_port_slows_the_generator_down),
        cmocka_unit_test(the_responder_answers_what_it_is_asked),
        cmocka_unit_test(stopping_resets_everything_through_a_slow_port_too),
        cmocka_unit_test(gannet_keeps_what_was_loaded_and_every_body_is_checked),
        cmocka_unit_test(gannet_without_the_values_answers_404_and_that_is_an_error),
    };
    server_world_prepare();
    client_packets = server_world_client_packets();
    server_packets = dpdk_environment_pool(4095);
    client_counters = counters_register("client");
    server_counters = counters_register("server");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
