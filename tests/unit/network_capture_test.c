/* SPDX-License-Identifier: BSD-3-Clause */
/* From the frames of a port, both ways, to the blocks of a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/capture_export.h"
#include "control/text_buffer.h"
#include "dataplane/network.h"
#include "dataplane/packet.h"
#include "include/clock.h"
#include "include/counters.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fake_nic.h"
#include "tests/support/frames.h"

enum { ROOM_BYTES = 4096, PACKETS = 511 };

/* One worker on a port, and a capture of it. */
static struct {
    struct rte_mempool *pool;
    struct fake_nic *nic;
    struct network *network;
    struct counters *counters;
    struct published filter;
    struct capture_ring *ring;
    struct capture_session session;
    struct capture_moment moment;
} rig;

static int rig_up(void **state)
{
    (void)state;
    static struct counters *counters;
    struct fake_nic_config nic = {.queue_count = 1, .depth = 256, .mtu = 1500};
    if (!counters)
        counters = counters_register("test");
    memset(&rig, 0, sizeof(rig));
    memset(counters->values, 0, sizeof(counters->values));
    rig.counters = counters;
    rig.pool = dpdk_environment_pool(PACKETS);
    rig.nic = fake_nic_create(&nic);
    rig.ring = capture_ring_create(ROOM_BYTES, &rig.filter);
    rig.session = (struct capture_session){.filter_published = &rig.filter,
                                           .rings = &rig.ring,
                                           .ring_count = 1,
                                           .port_names = {"port"},
                                           .port_count = 1};
    rig.moment = (struct capture_moment){.now_ns = 100 * NS_PER_S, .wall_ns = 1000 * NS_PER_S};
    struct network_port_config port = {
        .queue = fake_nic_queue(rig.nic, 0), .mtu = 1500, .ipv4_prefix_bits = 24};
    memcpy(port.ipv4, frames_our_ipv4, 4);
    rig.network = network_create(&(struct network_config){.ports = &port,
                                                          .port_count = 1,
                                                          .neighbour_count = 64,
                                                          .icmp_per_s = 100,
                                                          .pool = rig.pool,
                                                          .counters = rig.counters,
                                                          .capture = rig.ring,
                                                          .key = {1, 2}});
    assert_non_null(rig.network);
    return 0;
}

static int rig_down(void **state)
{
    (void)state;
    network_destroy(rig.network);
    capture_ring_destroy(rig.ring);
    fake_nic_destroy(rig.nic);
    dpdk_environment_pool_check_and_free(rig.pool);
    return 0;
}

static void start(const char *filter)
{
    struct text_buffer said = {0};
    assert_int_equal(capture_start(&rig.session, filter, &rig.moment, &said), 200);
    text_buffer_clear(&said);
}

/* A frame of so many bytes arrives; what comes up is thrown away. */
static void receive(uint16_t bytes)
{
    struct packet *packet = packet_alloc(rig.pool), *frames[1], *segments[1];
    memset(packet_append(packet, bytes), 0, bytes);
    packet_data(packet)[bytes - 1] = 0x77;
    assert_true(fake_nic_inject(rig.nic, 0, packet));
    uint32_t count = network_receive(rig.network, 0, frames, 1);
    count = network_input(rig.network, 0, frames, count, rig.moment.now_ns, segments);
    for (uint32_t i = 0; i < count; i++)
        packet_free(segments[i]);
}

static void transmit(uint16_t bytes)
{
    struct packet *packet = packet_alloc(rig.pool);
    memset(packet_append(packet, bytes), 0x55, bytes);
    network_transmit(rig.network, 0, packet, false);
}

static void empty_the_wire(void)
{
    struct packet *sent[64];
    uint32_t count = fake_nic_take(rig.nic, 0, sent, 64);
    for (uint32_t i = 0; i < count; i++)
        packet_free(sent[i]);
}

static uint32_t word(const struct text_buffer *file, size_t at)
{
    uint32_t value;
    assert_true(at + 4 <= file->used_bytes);
    memcpy(&value, file->bytes + at, 4);
    return value;
}

/* How many blocks of a type there are; each ends in its length once more. */
static uint32_t blocks(const struct text_buffer *file, uint32_t type)
{
    uint32_t count = 0;
    for (size_t at = 0; at < file->used_bytes;) {
        uint32_t bytes = word(file, at + 4);
        count += word(file, at) == type;
        assert_true(bytes >= 12 && bytes % 4 == 0);
        assert_int_equal(word(file, at + bytes - 4), bytes);
        at += bytes;
    }
    return count;
}

static uint64_t counted(enum counter counter)
{
    return atomic_load(&rig.counters->values[counter]);
}

static void frames_go_into_the_file_both_ways_and_only_while_it_is_on(void **state)
{
    (void)state;
    struct text_buffer file = {0};
    receive(60);
    start("all");
    receive(61);
    transmit(62);
    network_flush(rig.network);
    assert_int_equal(capture_fetch(&rig.session, 1, true, &rig.moment, &file), 200);
    assert_int_equal(blocks(&file, 0x0a0d0d0a), 1);
    assert_int_equal(blocks(&file, 1), 1);
    assert_int_equal(blocks(&file, 6), 2);
    assert_int_equal(blocks(&file, 5), 1);
    assert_int_equal(counted(COUNTER_CAPTURE_FRAMES), 2);
    receive(63);
    assert_int_equal(counted(COUNTER_CAPTURE_FRAMES), 2);
    text_buffer_clear(&file);
    assert_int_equal(capture_fetch(&rig.session, 1, false, &rig.moment, &file), 409);
    text_buffer_clear(&file);
    empty_the_wire();
}

static void what_the_port_does_not_take_at_once_is_captured_once(void **state)
{
    (void)state;
    struct text_buffer file = {0};
    start("direction=out");
    fake_nic_limit_transmit(rig.nic, 3);
    for (uint32_t i = 0; i < 8; i++)
        transmit(60);
    for (uint32_t round = 0; round < 4; round++) {
        network_flush(rig.network);
        transmit(60);
    }
    fake_nic_limit_transmit(rig.nic, 64);
    network_flush(rig.network);
    capture_fetch(&rig.session, 1, true, &rig.moment, &file);
    assert_int_equal(blocks(&file, 6), 12);
    text_buffer_clear(&file);
    empty_the_wire();
}

static void snap_cuts_and_a_full_ring_counts_what_it_lost(void **state)
{
    (void)state;
    struct text_buffer file = {0};
    start("snap=100");
    for (uint32_t i = 0; i < 100; i++)
        receive(1000);
    assert_int_equal(capture_fetch(&rig.session, 1, false, &rig.moment, &file), 200);
    uint32_t taken = blocks(&file, 6);
    assert_true(taken > 20 && taken < 40); /* of about 124 bytes each */
    size_t first = 0;
    while (word(&file, first) != 6)
        first += word(&file, first + 4);
    assert_int_equal(word(&file, first + 20), 100);
    assert_int_equal(word(&file, first + 24), 1000);
    text_buffer_clear(&file);
    receive(1000);
    assert_int_equal(capture_fetch(&rig.session, 1, true, &rig.moment, &file), 200);
    assert_int_equal(blocks(&file, 0x0a0d0d0a), 0); /* the file has begun already */
    assert_int_equal(blocks(&file, 6), 1);
    assert_int_equal(word(&file, file.used_bytes - 16), 100 - taken);
    assert_int_equal(counted(COUNTER_CAPTURE_LOST), 100 - taken);
    text_buffer_clear(&file);
}

static void a_capture_that_nobody_fetches_ends_and_makes_room_for_another(void **state)
{
    (void)state;
    struct text_buffer said = {0};
    start("all");
    assert_int_equal(capture_start(&rig.session, "all", &rig.moment, &said), 409);
    rig.moment.now_ns += (CAPTURE_LEASE_S - 1) * NS_PER_S;
    assert_int_equal(capture_fetch(&rig.session, 1, false, &rig.moment, &said), 200);
    rig.moment.now_ns += (CAPTURE_LEASE_S - 1) * NS_PER_S;
    receive(60);
    assert_int_equal(counted(COUNTER_CAPTURE_FRAMES), 1);
    rig.moment.now_ns += 2 * NS_PER_S;
    receive(60);
    assert_int_equal(counted(COUNTER_CAPTURE_FRAMES), 1);
    start("direction=in");
    receive(60);
    text_buffer_clear(&said);
    assert_int_equal(capture_fetch(&rig.session, 1, false, &rig.moment, &said), 409);
    text_buffer_clear(&said);
    assert_int_equal(capture_fetch(&rig.session, 2, true, &rig.moment, &said), 200);
    assert_int_equal(blocks(&said, 6), 1); /* not the one of the capture before */
    text_buffer_clear(&said);
    assert_int_equal(capture_start(&rig.session, "port=x", &rig.moment, &said), 400);
    text_buffer_clear(&said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_go_into_the_file_both_ways_and_only_while_it_is_on,
                                        rig_up, rig_down),
        cmocka_unit_test_setup_teardown(what_the_port_does_not_take_at_once_is_captured_once,
                                        rig_up, rig_down),
        cmocka_unit_test_setup_teardown(snap_cuts_and_a_full_ring_counts_what_it_lost, rig_up,
                                        rig_down),
        cmocka_unit_test_setup_teardown(
            a_capture_that_nobody_fetches_ends_and_makes_room_for_another, rig_up, rig_down),
    };
    dpdk_environment_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
