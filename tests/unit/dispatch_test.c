/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "dataplane/dispatch.h"
#include "dataplane/packet.h"
#include "include/counters.h"
#include "include/wakeup.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fake_nic.h"
#include "tests/support/frames.h"

#define WORKERS 3u

static const struct siphash_key key = {3, 4};

struct rig {
    struct rte_mempool *pool;
    struct fake_nic *nic;
    struct dispatch *dispatch;
    struct counters *counters;
};

static struct counters *counters_for_test;

static void rig_up(struct rig *rig, uint32_t queues, uint32_t ring)
{
    rig->pool = dpdk_environment_pool(4095);
    rig->nic = fake_nic_create(
        &(struct fake_nic_config){.queue_count = queues, .depth = 4096, .mtu = 1500});
    rig->dispatch = dispatch_create(WORKERS, queues, ring, &key);
    rig->counters = counters_for_test;
    memset(rig->counters->drops, 0, sizeof(rig->counters->drops));
    memset(rig->counters->values, 0, sizeof(rig->counters->values));
    assert_non_null(rig->dispatch);
}

static void rig_down(struct rig *rig)
{
    dispatch_destroy(rig->dispatch);
    fake_nic_destroy(rig->nic);
    dpdk_environment_pool_check_and_free(rig->pool);
}

static void tcp_frame(struct frame_bytes *frame, uint16_t port, uint32_t sequence)
{
    uint8_t tcp[64];
    uint32_t length = bytes_tcp(tcp, port, 80, sequence, 0x10, 4);
    frame_ipv4(frame, frames_peer_ipv4, frames_our_ipv4, 6, tcp, length);
}

static struct packet *packet_from(struct rig *rig, const struct frame_bytes *frame)
{
    struct packet *packet = packet_alloc(rig->pool);
    assert_non_null(packet);
    memcpy(packet_append(packet, frame->length), frame->bytes, frame->length);
    return packet;
}

static uint32_t receive(struct rig *rig, uint32_t worker, uint32_t queues, struct packet **out)
{
    return dispatch_receive(rig->dispatch, worker, fake_nic_queue(rig->nic, worker % queues), out,
                            NIC_BURST_MAX, rig->counters);
}

static void every_segment_of_a_flow_reaches_the_same_worker_in_order(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame;
    uint32_t worker_of_port[100], next_of_port[100] = {0}, count_of_worker[WORKERS] = {0};
    rig_up(&rig, 1, 1024);
    memset(worker_of_port, 0xff, sizeof(worker_of_port));
    for (uint32_t sequence = 0; sequence < 5; sequence++) {
        for (uint16_t port = 0; port < 100; port++) {
            tcp_frame(&frame, (uint16_t)(1000 + port), sequence);
            assert_true(fake_nic_inject(rig.nic, 0, packet_from(&rig, &frame)));
        }
    }
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t worker = 0; worker < WORKERS; worker++) {
            struct packet *packets[NIC_BURST_MAX];
            uint32_t count = receive(&rig, worker, 1, packets);
            for (uint32_t i = 0; i < count; i++) {
                const uint8_t *bytes = packet_data(packets[i]);
                uint32_t port = frame_get16(bytes + 34) - 1000u;
                assert_int_equal(bytes[41], next_of_port[port]++);
                if (worker_of_port[port] == UINT32_MAX)
                    worker_of_port[port] = worker;
                assert_int_equal(worker_of_port[port], worker);
                count_of_worker[worker]++;
                packet_free(packets[i]);
            }
        }
    }
    for (uint32_t worker = 0; worker < WORKERS; worker++) /* 500 frames; a third each, roughly */
        assert_in_range(count_of_worker[worker], 80, 260);
    assert_int_equal(count_of_worker[0] + count_of_worker[1] + count_of_worker[2], 500);
    assert_int_equal(rig.counters->values[COUNTER_DISPATCH_FORWARDED], 500 - count_of_worker[0]);
    rig_down(&rig);
}

static void what_has_no_ports_stays_with_the_queues_owner(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame;
    uint8_t payload[64] = {0};
    rig_up(&rig, 1, 64);
    frame_arp(&frame, frames_our_mac, 1, frames_peer_mac, frames_peer_ipv4, frames_our_ipv4);
    assert_int_equal(dispatch_worker_of(rig.dispatch, 0, frame.bytes, frame.length), 0);
    for (unsigned low = 0; low < 32; low++) { /* many sources: none may be hashed away */
        uint8_t source[4] = {192, 0, 2, (uint8_t)(100 + low)};
        frame_ipv4(&frame, source, frames_our_ipv4, 1, payload, sizeof(payload));
        assert_int_equal(dispatch_worker_of(rig.dispatch, 0, frame.bytes, frame.length), 0);
        frame_ipv4(&frame, source, frames_our_ipv4, 6, payload, sizeof(payload));
        frame.bytes[20] = 0x20; /* a fragment */
        assert_int_equal(dispatch_worker_of(rig.dispatch, 0, frame.bytes, frame.length), 0);
    }
    for (uint32_t length = 0; length < 38; length++) /* cut off anywhere before the ports */
        assert_int_equal(dispatch_worker_of(rig.dispatch, 0, frame.bytes, length), 0);
    rig_down(&rig);
}

static void a_flow_keeps_its_worker_with_and_without_tag_and_extension_headers(void **state)
{
    (void)state;
    struct rig rig;
    rig_up(&rig, 1, 64);
    for (uint16_t port = 1000; port < 1032; port++) {
        struct frame_bytes plain, extended;
        uint8_t with_header[96] = {6, 0, 1, 4}; /* destination options: one padding option */
        uint8_t tcp[64];
        uint32_t length = bytes_tcp(tcp, port, 80, 1, 0x10, 4);
        memcpy(with_header + 8, tcp, length);
        frame_ipv6(&plain, frames_peer_ipv6, frames_our_ipv6, 6, 64, tcp, length);
        frame_ipv6(&extended, frames_peer_ipv6, frames_our_ipv6, 60, 64, with_header, length + 8);
        uint32_t worker = dispatch_worker_of(rig.dispatch, 0, plain.bytes, plain.length);
        assert_int_equal(dispatch_worker_of(rig.dispatch, 0, extended.bytes, extended.length),
                         worker);
        memmove(plain.bytes + 16, plain.bytes + 12, plain.length - 12u);
        frame_set16(&plain, 12, 0x8100);
        plain.length = (uint16_t)(plain.length + 4);
        assert_int_equal(dispatch_worker_of(rig.dispatch, 0, plain.bytes, plain.length), worker);
    }
    rig_down(&rig);
}

static void two_queues_serve_three_workers(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame;
    bool seen[WORKERS] = {false};
    rig_up(&rig, 2, 64);
    for (uint16_t port = 1000; port < 1200; port++) {
        tcp_frame(&frame, port, 0);
        uint32_t from_first = dispatch_worker_of(rig.dispatch, 0, frame.bytes, frame.length);
        assert_true(from_first == 0 || from_first == 2); /* worker 2 is a member of queue 0 */
        assert_int_equal(dispatch_worker_of(rig.dispatch, 1, frame.bytes, frame.length), 1);
        seen[from_first] = true;
    }
    assert_true(seen[0] && seen[2]);
    rig_down(&rig);
}

static void a_full_ring_drops_and_counts(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame;
    struct packet *packets[NIC_BURST_MAX];
    uint32_t own = 0;
    rig_up(&rig, 1, 8);
    for (uint16_t port = 1000; port < 1256; port++) {
        tcp_frame(&frame, port, 0);
        assert_true(fake_nic_inject(rig.nic, 0, packet_from(&rig, &frame)));
    }
    for (uint32_t round = 0; round < 4; round++) {
        uint32_t count = receive(&rig, 0, 1, packets);
        own += count;
        for (uint32_t i = 0; i < count; i++)
            packet_free(packets[i]);
    }
    assert_int_equal(rig.counters->values[COUNTER_DISPATCH_FORWARDED], 16); /* two rings of 8 */
    assert_int_equal(rig.counters->drops[DROP_DISPATCH_FULL], 256 - own - 16);
    assert_true(dispatch_has_work(rig.dispatch, 1));
    rig_down(&rig); /* what waits in the rings is freed */
}

static void members_send_through_the_owner(void **state)
{
    (void)state;
    struct rig rig;
    struct frame_bytes frame;
    struct packet *packets[NIC_BURST_MAX];
    struct sleeper owner;
    rig_up(&rig, 1, 8);
    assert_int_equal(sleeper_init(&owner), 0);
    dispatch_set_sleeper(rig.dispatch, 0, &owner);
    for (uint32_t i = 0; i < 10; i++) {
        tcp_frame(&frame, 1000, i);
        packets[i] = packet_from(&rig, &frame);
    }
    sleeper_announce(&owner);
    struct nic_queue *queue = fake_nic_queue(rig.nic, 0);
    assert_int_equal(dispatch_transmit(rig.dispatch, 2, queue, packets, 10), 8); /* the ring */
    packet_free(packets[8]);
    packet_free(packets[9]);
    assert_int_equal(atomic_load(&owner.is_asleep), 1);
    dispatch_flush(rig.dispatch, 2, queue, rig.counters);
    assert_int_equal(atomic_load(&owner.is_asleep), 0); /* woken once, at the end of the round */
    assert_int_equal(fake_nic_take(rig.nic, 0, packets, NIC_BURST_MAX), 0);
    assert_true(dispatch_has_work(rig.dispatch, 0));
    dispatch_flush(rig.dispatch, 0, queue, rig.counters);
    assert_false(dispatch_has_work(rig.dispatch, 0));
    assert_int_equal(fake_nic_take(rig.nic, 0, packets, NIC_BURST_MAX), 8);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(packet_data(packets[i])[41], i);
        packet_free(packets[i]);
    }
    assert_int_equal(rig.counters->values[COUNTER_PORT_TX_PACKETS], 8);
    sleeper_destroy(&owner);
    rig_down(&rig);
}

/*
 * Members on threads of their own send back what they get; the owner is the wire's only neighbour.
 */
struct member {
    pthread_t thread;
    struct rig *rig;
    uint32_t worker;
    _Atomic bool *should_stop;
    struct counters *counters;
};

static void *reflect(void *argument)
{
    struct member *member = argument;
    struct rig *rig = member->rig;
    struct nic_queue *queue = fake_nic_queue(rig->nic, 0);
    while (!atomic_load_explicit(member->should_stop, memory_order_acquire)) {
        struct packet *packets[NIC_BURST_MAX];
        uint32_t count = dispatch_receive(rig->dispatch, member->worker, queue, packets,
                                          NIC_BURST_MAX, member->counters);
        uint32_t sent = 0;
        while (sent < count)
            sent += dispatch_transmit(rig->dispatch, member->worker, queue, packets + sent,
                                      count - sent);
        dispatch_flush(rig->dispatch, member->worker, queue, member->counters);
        if (count == 0)
            sched_yield();
    }
    return NULL;
}

static void frames_cross_between_threads_and_none_is_lost(void **state)
{
    (void)state;
    enum { FRAMES = 200000, IN_FLIGHT = 512 };
    struct rig rig;
    struct frame_bytes frame;
    struct member members[WORKERS];
    _Atomic bool should_stop = false;
    uint32_t injected = 0, returned = 0;
    static uint32_t next_of_port[16];
    rig_up(&rig, 1, 1024);
    struct nic_queue *queue = fake_nic_queue(rig.nic, 0);
    for (uint32_t i = 1; i < WORKERS; i++) {
        members[i] = (struct member){
            .rig = &rig, .worker = i, .should_stop = &should_stop, .counters = rig.counters};
        members[i].counters = counters_register("member");
        assert_int_equal(pthread_create(&members[i].thread, NULL, reflect, &members[i]), 0);
    }
    static uint32_t sequence_of_port[16];
    while (returned < FRAMES) {
        struct packet *packets[NIC_BURST_MAX];
        while (injected < FRAMES && injected - returned < IN_FLIGHT) {
            uint32_t port = injected % 16;
            tcp_frame(&frame, (uint16_t)(1000 + port), sequence_of_port[port]++);
            assert_true(fake_nic_inject(rig.nic, 0, packet_from(&rig, &frame)));
            injected++;
        }
        uint32_t own = receive(&rig, 0, 1, packets);
        assert_int_equal(dispatch_transmit(rig.dispatch, 0, queue, packets, own), own);
        dispatch_flush(rig.dispatch, 0, queue, rig.counters);
        uint32_t count;
        while ((count = fake_nic_take(rig.nic, 0, packets, NIC_BURST_MAX)) > 0) {
            for (uint32_t i = 0; i < count; i++) {
                const uint8_t *bytes = packet_data(packets[i]);
                uint32_t port = frame_get16(bytes + 34) - 1000u;
                uint32_t sequence =
                    (uint32_t)frame_get16(bytes + 38) << 16 | frame_get16(bytes + 40);
                assert_int_equal(sequence, next_of_port[port]++); /* order holds within a flow */
                packet_free(packets[i]);
            }
            returned += count;
        }
    }
    atomic_store_explicit(&should_stop, true, memory_order_release);
    for (uint32_t i = 1; i < WORKERS; i++)
        pthread_join(members[i].thread, NULL);
    assert_int_equal(rig.counters->drops[DROP_DISPATCH_FULL], 0);
    rig_down(&rig);
}

static int start(void **state)
{
    (void)state;
    dpdk_environment_start();
    counters_for_test = counters_register("test");
    return counters_for_test ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_segment_of_a_flow_reaches_the_same_worker_in_order),
        cmocka_unit_test(what_has_no_ports_stays_with_the_queues_owner),
        cmocka_unit_test(a_flow_keeps_its_worker_with_and_without_tag_and_extension_headers),
        cmocka_unit_test(two_queues_serve_three_workers),
        cmocka_unit_test(a_full_ring_drops_and_counts),
        cmocka_unit_test(members_send_through_the_owner),
        cmocka_unit_test(frames_cross_between_threads_and_none_is_lost),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
