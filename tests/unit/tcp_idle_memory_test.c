/* SPDX-License-Identifier: BSD-3-Clause */
/* What an idle connection costs: a million of them in one stack, as the kernel counts its pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/packet_pool.h"
#include "dataplane/tcp_connection.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_stack.h"
#include "include/counters.h"
#include "tests/support/test_eal.h"
#include "tests/support/test_network.h"

#define BATCH 64u
#define LINK_BYTES 14u
#define TCP_BYTES 20u
#define PORTS_PER_CLIENT 50000u
#define REQUEST_BYTES 16u

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
/* shadow memory would be counted too */
#define CONNECTIONS 20000u
#define COUNTS_PAGES false
#else
#define CONNECTIONS 1000000u
#define COUNTS_PAGES true
#endif

static struct network network;
static struct rte_mempool *pool;
static uint32_t initial_sequences[CONNECTIONS]; /* of the stack's side */

static uint64_t resident_bytes(void)
{
    unsigned long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &total, &resident), 2);
    fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A segment of client `index`, as network_input would hand it up. */
static struct packet *segment(uint8_t ip_version, uint32_t index, uint8_t flags, uint32_t payload)
{
    uint32_t ip_bytes = ip_version == 4 ? 20 : 40;
    struct packet *packet = packet_alloc(pool);
    assert_non_null(packet);
    uint8_t *frame = packet_append(packet, (uint16_t)(LINK_BYTES + ip_bytes + TCP_BYTES + payload));
    memset(frame, 0, LINK_BYTES + ip_bytes + TCP_BYTES + payload);
    uint8_t *ip = frame + LINK_BYTES, *tcp = ip + ip_bytes;
    uint8_t *remote = ip_version == 4 ? ip + 12 : ip + 8 + 12;
    put32(remote, 0x0a000001 + index / PORTS_PER_CLIENT);
    memcpy(ip_version == 4 ? ip + 16 : ip + 24, ip_version == 4 ? network.local4 : network.local6,
           ip_version == 4 ? 4 : 16);
    put16(tcp, 1024 + index % PORTS_PER_CLIENT);
    put16(tcp + 2, 80);
    put32(tcp + 4, flags & TCP_FLAG_SYN ? 999 : 1000);
    if (flags & TCP_FLAG_ACK)
        put32(tcp + 8, initial_sequences[index] + 1);
    tcp[12] = TCP_BYTES << 2;
    tcp[13] = flags;
    put16(tcp + 14, 65535);
    packet->mbuf.ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    packet->rx.network_offset = LINK_BYTES;
    packet->rx.transport_offset = (uint16_t)(LINK_BYTES + ip_bytes);
    packet->rx.ip_version = ip_version;
    packet->rx.payload_bytes = (uint16_t)(TCP_BYTES + payload);
    return packet;
}

static void send_batch(struct tcp_stack *stack, uint8_t ip_version, uint32_t first, uint8_t flags,
                       uint32_t payload, uint64_t now_ns)
{
    struct packet *packets[BATCH];
    for (uint32_t i = 0; i < BATCH; i++)
        packets[i] = segment(ip_version, first + i, flags, payload);
    tcp_input(stack, packets, BATCH, now_ns);
}

/* The handshakes of BATCH connections, and the application's deadline on each of them. */
static void open_batch(struct tcp_stack *stack, uint8_t ip_version, uint32_t first, uint64_t now_ns)
{
    send_batch(stack, ip_version, first, TCP_FLAG_SYN, 0, now_ns);
    assert_int_equal(network.out_count, BATCH);
    for (uint32_t i = 0; i < BATCH; i++) {
        const uint8_t *frame = packet_data(network.out[i]);
        initial_sequences[first + i] = get32(frame + LINK_BYTES + (ip_version == 4 ? 24 : 44));
        packet_free(network.out[i]);
    }
    network.out_count = 0;
    send_batch(stack, ip_version, first, TCP_FLAG_ACK, 0, now_ns);
    struct tcp_connection *ready[BATCH];
    assert_int_equal(tcp_take_ready(stack, ready, BATCH), BATCH);
    for (uint32_t i = 0; i < BATCH; i++)
        tcp_set_deadline(stack, ready[i], now_ns + UINT64_C(60000000000));
    tcp_output(stack, now_ns);
    assert_int_equal(network.out_count, 0);
}

/* Every 1000th batch sends something: it must still be known, and be the right one. */
static void ask_some(struct tcp_stack *stack, uint8_t ip_version, uint64_t now_ns)
{
    for (uint32_t first = 0; first + BATCH <= CONNECTIONS; first += 1000 * BATCH) {
        struct tcp_connection *ready[BATCH];
        send_batch(stack, ip_version, first, TCP_FLAG_ACK | TCP_FLAG_PSH, REQUEST_BYTES, now_ns);
        assert_int_equal(tcp_take_ready(stack, ready, BATCH), BATCH);
        for (uint32_t i = 0; i < BATCH; i++) {
            assert_int_equal(tcp_receive_bytes(ready[i]), REQUEST_BYTES);
            tcp_receive_consume(stack, ready[i], REQUEST_BYTES);
        }
    }
}

static struct tcp_stack_config stack_config(void)
{
    return (struct tcp_stack_config){
        .connections = CONNECTIONS + 1024, /* some stay free: no slot is recycled */
        .half_open_max = 4096,
        .receive_window_bytes = 262144,
        .send_budget_bytes = 1 << 20,
        .initial_window_segments = 10,
        .out_of_order_max = 256,
        .packets_held_max = 1000,
        .offer_timestamps = true,
        .offer_sack = true,
        .rto_min_ms = 200,
        .delayed_ack_ms = 40,
        .keepalive_ms = 7200000,
        .user_timeout_ms = 120000,
        .time_wait_ms = 60000,
        .fin_wait_ms = 60000,
        .reset_rate_per_s = 1000,
        .listen_ports = {80},
        .listen_port_count = 1,
        .key = {3, 4},
        .packets = pool,
        .network = &network,
        .counters = counters_register("idle"),
    };
}

static void idle_connections_cost_at_most(uint8_t ip_version, uint32_t bytes_max)
{
    struct tcp_stack_config config = stack_config();
    struct tcp_stack *stack;
    uint64_t now_ns = UINT64_C(1) << 40;
    uint64_t before = resident_bytes();
    assert_int_equal(tcp_stack_create(&config, now_ns, &stack), 0);
    uint32_t opened = 0;
    for (; opened + BATCH <= CONNECTIONS; opened += BATCH)
        open_batch(stack, ip_version, opened, now_ns += 10000);
    assert_int_equal(tcp_connection_count(stack), opened);
    uint64_t each = (resident_bytes() - before) / opened;
    print_message("%u idle IPv%u connections: %u bytes each\n", opened, ip_version, (unsigned)each);
    if (COUNTS_PAGES)
        assert_in_range(each, 1, bytes_max);
    ask_some(stack, ip_version, now_ns);
    tcp_stack_destroy(stack);
}

static void an_idle_ipv4_connection_costs_at_most_256_bytes(void **state)
{
    (void)state;
    idle_connections_cost_at_most(4, 256);
}

static void an_idle_ipv6_connection_costs_at_most_320_bytes(void **state)
{
    (void)state;
    idle_connections_cost_at_most(6, 320);
}

static int start(void **state)
{
    (void)state;
    test_eal_start("64");
    network.mtu = 1500;
    memcpy(network.local4, "\xc0\0\2\1", 4);
    network.local6[0] = 0x20;
    network.local6[15] = 1;
    pool = packet_pool_create("idle", 2047, -1, PACKET_ROOM_BYTES);
    memset(initial_sequences, 1, sizeof(initial_sequences)); /* its pages are not the stack's */
    return pool ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_ipv4_connection_costs_at_most_256_bytes),
        cmocka_unit_test(an_idle_ipv6_connection_costs_at_most_320_bytes),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
