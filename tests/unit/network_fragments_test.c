/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/bulletin.h"
#include "dataplane/dispatch.h"
#include "dataplane/network.h"
#include "dataplane/network_state.h"
#include "dataplane/packet.h"
#include "include/counters.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fake_nic.h"
#include "tests/support/fragment_frames.h"

#define START_NS UINT64_C(100000000000)
#define SECOND_NS UINT64_C(1000000000)

static struct counters *counters;

struct rig {
    struct rte_mempool *pool;
    struct fake_nic *nic;
    struct network *network;
    struct bulletin_board *board;
    struct dispatch *dispatch;
    uint64_t now_ns;
};

struct rig_options {
    uint32_t fragment_packets;
    uint32_t worker_count;
    bool has_dispatch;
    uint16_t mtu;
};

static void rig_up(struct rig *rig, struct rig_options options)
{
    struct fake_nic_config nic = {.queue_count = 1, .depth = 256, .mtu = 1500};
    memcpy(nic.mac, frames_our_mac, 6);
    *rig = (struct rig){.now_ns = START_NS};
    rig->pool = dpdk_environment_pool(1023);
    rig->nic = fake_nic_create(&nic);
    memset(counters->drops, 0, sizeof(counters->drops));
    memset(counters->values, 0, sizeof(counters->values));
    if (options.worker_count > 1)
        rig->board = bulletin_board_create(options.worker_count);
    if (options.has_dispatch)
        rig->dispatch =
            dispatch_create(options.worker_count, 1, 64, &(const struct siphash_key){1, 2});
    struct network_port_config port = {.queue = fake_nic_queue(rig->nic, 0),
                                       .dispatch = rig->dispatch,
                                       .mtu = options.mtu ? options.mtu : 1500,
                                       .ipv4_prefix_bits = 24,
                                       .ipv6_prefix_bits = 64};
    memcpy(port.ipv4, frames_our_ipv4, 4);
    memcpy(port.ipv6, frames_our_ipv6, 16);
    rig->network =
        network_create(&(struct network_config){.ports = &port,
                                                .port_count = 1,
                                                .neighbour_count = 64,
                                                .icmp_per_s = 10,
                                                .fragment_packets = options.fragment_packets,
                                                .fragment_timeout_ns = SECOND_NS,
                                                .pool = rig->pool,
                                                .counters = counters,
                                                .board = rig->board,
                                                .key = {1, 2},
                                                .random_seed = 0xabcd});
    assert_non_null(rig->network);
}

static void rig_down(struct rig *rig)
{
    network_destroy(rig->network);
    fake_nic_destroy(rig->nic);
    dispatch_destroy(rig->dispatch);
    bulletin_board_destroy(rig->board);
    dpdk_environment_pool_check_and_free(rig->pool);
}

static struct packet *deliver(struct rig *rig, const struct frame_bytes *frame)
{
    struct packet *frames[NIC_BURST_MAX], *segments[NIC_BURST_MAX];
    struct packet *packet = packet_alloc(rig->pool);
    assert_non_null(packet);
    memcpy(packet_append(packet, frame->length), frame->bytes, frame->length);
    assert_true(fake_nic_inject(rig->nic, 0, packet));
    uint32_t count = network_receive(rig->network, 0, frames, NIC_BURST_MAX);
    uint32_t up = network_input(rig->network, 0, frames, count, rig->now_ns, segments);
    network_flush(rig->network);
    return up == 1 ? segments[0] : NULL;
}

static bool sent(struct rig *rig, struct frame_bytes *frame)
{
    struct packet *packet;
    if (fake_nic_take(rig->nic, 0, &packet, 1) == 0)
        return false;
    frame->length = packet_first_bytes(packet);
    memcpy(frame->bytes, packet_data(packet), frame->length);
    packet_free(packet);
    return true;
}

/* The payload of an echo request, checksum included. */
static void make_echo(uint8_t ip_version, uint8_t *out, uint32_t bytes)
{
    memset(out, 0, bytes);
    out[0] = ip_version == 4 ? 8 : 128;
    for (uint32_t i = 8; i < bytes; i++)
        out[i] = (uint8_t)(i * 7 + (i >> 7));
    uint16_t checksum = ip_version == 4
                            ? slow_fold(slow_sum(0, out, bytes))
                            : slow_icmpv6(frames_peer_ipv6, frames_our_ipv6, out, bytes);
    out[2] = (uint8_t)(checksum >> 8);
    out[3] = (uint8_t)checksum;
}

static void put_fragment(struct frame_bytes *frame, uint8_t ip_version, unsigned protocol,
                         const uint8_t *payload, const struct piece *piece)
{
    if (ip_version == 4)
        frame_ipv4_fragment(frame, protocol, 77, payload, piece);
    else
        frame_ipv6_fragment(frame, protocol, 77, payload, piece);
}

/* Collects the reply's payload and checks each frame's headers; returns how many frames it took. */
static uint32_t gather_reply(struct rig *rig, uint8_t ip_version, uint8_t *out, uint32_t *bytes)
{
    struct frame_bytes frame;
    uint32_t count = 0;
    uint32_t id = 0;
    *bytes = 0;
    for (; sent(rig, &frame); count++) {
        const uint8_t *ip = frame.bytes + 14;
        uint32_t headers = ip_version == 4 ? 34 : 62;
        uint32_t field = frame_get16(ip_version == 4 ? ip + 6 : ip + 42);
        uint32_t offset = ip_version == 4 ? (field & 0x1fff) * 8 : field & 0xfff8;
        assert_memory_equal(frame.bytes, frames_peer_mac, 6);
        assert_memory_equal(frame.bytes + 6, frames_our_mac, 6);
        assert_true(frame.length <= 1514);
        assert_int_equal(offset, *bytes); /* in order */
        if (ip_version == 4) {
            assert_int_equal(slow_fold(slow_sum(0, ip, 20)), 0);
            assert_int_equal(frame_get16(ip + 2), frame.length - 14);
            assert_memory_equal(ip + 12, frames_our_ipv4, 4);
            assert_memory_equal(ip + 16, frames_peer_ipv4, 4);
        } else {
            assert_int_equal(frame_get16(ip + 4), frame.length - 54);
            assert_int_equal(ip[6], 44);
            assert_int_equal(ip[40], 58);
            assert_memory_equal(ip + 8, frames_our_ipv6, 16);
            assert_memory_equal(ip + 24, frames_peer_ipv6, 16);
        }
        uint32_t this_id = ip_version == 4 ? frame_get16(ip + 4) : frame_get16(ip + 46);
        assert_true(count == 0 || this_id == id);
        id = this_id;
        memcpy(out + *bytes, frame.bytes + headers, frame.length - headers);
        *bytes += frame.length - headers;
    }
    return count;
}

static void a_long_echo_request_comes_back_in_its_pieces(void **state)
{
    (void)state;
    static const struct {
        uint8_t ip_version;
        uint32_t bytes, step;
    } cases[] = {{4, 8008, 1480},     {6, 8008, 1448},   {4, 8 * 1480, 1480},
                 {6, 8 * 1448, 1448}, {4, 3001, 8 * 80}, {4, 1700, 1480}};
    static uint8_t request[12000], reply[12000];
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct rig rig;
        uint32_t count = (cases[i].bytes + cases[i].step - 1) / cases[i].step, reply_bytes;
        rig_up(&rig, (struct rig_options){.fragment_packets = 32});
        make_echo(cases[i].ip_version, request, cases[i].bytes);
        for (uint32_t k = count; k-- > 0;) {
            struct frame_bytes frame;
            struct piece piece = piece_of(cases[i].bytes, cases[i].step, k);
            put_fragment(&frame, cases[i].ip_version, cases[i].ip_version == 4 ? 1 : 58, request,
                         &piece);
            assert_null(deliver(&rig, &frame));
        }
        assert_int_equal(gather_reply(&rig, cases[i].ip_version, reply, &reply_bytes), count);
        assert_int_equal(reply_bytes, cases[i].bytes);
        assert_int_equal(reply[0], cases[i].ip_version == 4 ? 0 : 129);
        assert_memory_equal(reply + 4, request + 4, reply_bytes - 4);
        uint16_t rest = cases[i].ip_version == 4
                            ? slow_fold(slow_sum(0, reply, reply_bytes))
                            : slow_icmpv6(frames_our_ipv6, frames_peer_ipv6, reply, reply_bytes);
        assert_int_equal(rest, 0);
        assert_int_equal(counters->values[COUNTER_NETWORK_DATAGRAMS_REASSEMBLED], 1);
        rig_down(&rig);
    }
}

static void a_short_echo_request_in_pieces_comes_back_in_one(void **state)
{
    (void)state;
    for (uint8_t version = 4; version <= 6; version += 2) {
        struct rig rig;
        struct frame_bytes frame;
        uint8_t request[1000];
        rig_up(&rig, (struct rig_options){.fragment_packets = 32});
        make_echo(version, request, sizeof(request));
        for (uint32_t k = 0; k < 2; k++) {
            struct piece piece = piece_of(sizeof(request), 504, k);
            put_fragment(&frame, version, version == 4 ? 1 : 58, request, &piece);
            deliver(&rig, &frame);
        }
        assert_true(sent(&rig, &frame));
        assert_int_equal(frame.length, (version == 4 ? 34u : 54u) + sizeof(request));
        assert_memory_equal(frame.bytes + frame.length - 996, request + 4, 996);
        rig_down(&rig);
    }
}

static void what_is_wrong_with_a_long_datagram_is_counted(void **state)
{
    (void)state;
    static uint8_t request[6000];
    static const struct {
        const char *what;
        uint8_t ip_version;
        uint8_t protocol;
        uint8_t type; /* 0: as it was */
        bool is_damaged;
        uint16_t mtu;
        enum drop_reason expected;
    } cases[] = {
        {"UDP", 4, 17, 0, false, 0, DROP_IP_DATAGRAM_LONG},
        {"TCP", 6, 6, 0, false, 0, DROP_IP_DATAGRAM_LONG},
        {"an echo reply", 4, 1, 1, false, 0, DROP_IP_DATAGRAM_LONG},
        {"IPv6 options first", 6, 60, 0, false, 0, DROP_IP_DATAGRAM_LONG},
        {"pieces larger than our MTU", 4, 1, 0, false, 1000, DROP_IP_DATAGRAM_LONG},
        {"a byte changed, IPv4", 4, 1, 0, true, 0, DROP_ICMP_MALFORMED},
        {"a byte changed, IPv6", 6, 58, 0, true, 0, DROP_ICMP_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct rig rig;
        struct frame_bytes frame;
        rig_up(&rig, (struct rig_options){.fragment_packets = 32, .mtu = cases[i].mtu});
        make_echo(cases[i].ip_version, request, sizeof(request));
        if (cases[i].type)
            request[0] = cases[i].type;
        if (cases[i].is_damaged)
            request[4000] ^= 1;
        for (uint32_t k = 0; k < 5; k++) {
            struct piece piece = piece_of(sizeof(request), 1440, k);
            put_fragment(&frame, cases[i].ip_version, cases[i].protocol, request, &piece);
            assert_null(deliver(&rig, &frame));
        }
        if (counters->drops[cases[i].expected] != 1 || sent(&rig, &frame))
            fail_msg("case '%s'", cases[i].what);
        rig_down(&rig);
    }
}

static uint32_t deliver_tcp_in_two(struct rig *rig, uint8_t ip_version, struct packet **segment)
{
    uint8_t tcp[200];
    uint32_t bytes = bytes_tcp(tcp, 40000, 80, 1000, 0x18, 100);
    *segment = NULL;
    for (uint32_t k = 0; k < 2; k++) {
        struct frame_bytes frame;
        struct piece piece = piece_of(bytes, 64, k);
        put_fragment(&frame, ip_version, 6, tcp, &piece);
        *segment = deliver(rig, &frame);
    }
    return bytes;
}

static void a_tcp_segment_in_pieces_goes_up_in_one(void **state)
{
    (void)state;
    for (uint8_t version = 4; version <= 6; version += 2) {
        struct rig rig;
        struct packet *segment;
        rig_up(&rig, (struct rig_options){.fragment_packets = 32});
        uint32_t bytes = deliver_tcp_in_two(&rig, version, &segment);
        assert_non_null(segment);
        assert_false(packet_is_chained(segment));
        assert_int_equal(segment->rx.payload_bytes, bytes);
        assert_int_equal(segment->rx.transport_offset, version == 4 ? 34 : 54);
        assert_int_equal(packet_first_bytes(segment), segment->rx.transport_offset + bytes);
        assert_int_equal(packet_tcp_checksum(segment), PACKET_CHECKSUM_UNKNOWN);
        packet_free(segment);
        rig_down(&rig);
    }
}

/* Worker 0 of four puts it together; its flow may be any worker's. */
static void a_segment_put_together_goes_to_the_worker_of_its_flow(void **state)
{
    (void)state;
    struct rig rig;
    struct packet *segment;
    rig_up(&rig,
           (struct rig_options){.fragment_packets = 32, .worker_count = 4, .has_dispatch = true});
    deliver_tcp_in_two(&rig, 4, &segment);
    struct frame_bytes whole;
    uint8_t tcp[200];
    frame_ipv4(&whole, frames_peer_ipv4, frames_our_ipv4, 6, tcp,
               bytes_tcp(tcp, 40000, 80, 1000, 0x18, 100));
    uint32_t worker = dispatch_worker_of(rig.dispatch, 0, whole.bytes, whole.length);
    assert_int_not_equal(worker, 0); /* or the test shows nothing: choose other ports */
    assert_null(segment);
    assert_int_equal(dispatch_receive(rig.dispatch, worker, NULL, &segment, 1, counters), 1);
    assert_int_equal(packet_first_bytes(segment), whole.length);
    packet_free(segment);
    rig_down(&rig);

    rig_up(&rig, (struct rig_options){.fragment_packets = 32, .worker_count = 4});
    deliver_tcp_in_two(&rig, 4, &segment);
    assert_null(segment);
    assert_int_equal(counters->drops[DROP_IP_FRAGMENT_ELSEWHERE], 1);
    rig_down(&rig);
}

static void headers_in_front_of_the_fragment_header_are_no_hindrance(void **state)
{
    (void)state;
    static const uint8_t options[16] = {60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0};
    struct rig rig;
    struct packet *segment = NULL;
    uint8_t tcp[200];
    uint32_t bytes = bytes_tcp(tcp, 40000, 80, 1000, 0x18, 100);
    rig_up(&rig, (struct rig_options){.fragment_packets = 32});
    for (uint32_t k = 0; k < 2; k++) {
        struct frame_bytes frame;
        struct piece piece = piece_of(bytes, 64, k);
        frame_ipv6_fragment_behind(&frame, 0, options, sizeof(options), 6, 5, tcp, &piece);
        segment = deliver(&rig, &frame);
    }
    assert_non_null(segment);
    assert_int_equal(segment->rx.transport_offset, 54);
    assert_memory_equal(packet_data(segment) + 54, tcp, bytes);
    packet_free(segment);
    rig_down(&rig);
}

static void neighbour_discovery_in_pieces_is_not_believed(void **state)
{
    (void)state;
    static const uint8_t empty[6] = {0};
    struct rig rig;
    struct frame_bytes message = {.length = 0}, frame;
    rig_up(&rig, (struct rig_options){.fragment_packets = 32});
    frame_put32(&message, 0x87000000);
    frame_put32(&message, 0);
    frame_put(&message, frames_our_ipv6, 16);
    frame_put16(&message, 0x0101);
    frame_put(&message, empty, 6);
    frame_set16(&message, 2,
                slow_icmpv6(frames_peer_ipv6, frames_our_ipv6, message.bytes, message.length));
    for (uint32_t whole = 0; whole < 2; whole++) {
        for (uint32_t k = 0; k < 2 - whole; k++) {
            struct piece piece = piece_of(message.length, whole ? 64 : 16, k);
            frame_ipv6_fragment(&frame, 58, 9 + whole, message.bytes, &piece);
            frame.bytes[21] = 255;
            assert_null(deliver(&rig, &frame));
        }
        assert_int_equal(counters->drops[DROP_ND_FRAGMENTED], 1 + whole);
        assert_false(sent(&rig, &frame));
    }
    rig_down(&rig);
}

static void fragments_may_be_switched_off_and_incomplete_ones_go(void **state)
{
    (void)state;
    struct rig rig;
    struct packet *segment;
    rig_up(&rig, (struct rig_options){.fragment_packets = 0});
    deliver_tcp_in_two(&rig, 4, &segment);
    deliver_tcp_in_two(&rig, 6, &segment);
    assert_null(segment);
    assert_int_equal(counters->drops[DROP_IP_FRAGMENT], 4);
    rig_down(&rig);

    rig_up(&rig, (struct rig_options){.fragment_packets = 32});
    struct frame_bytes frame;
    struct piece first = {0, 64, true};
    uint8_t payload[64] = {0};
    put_fragment(&frame, 4, 17, payload, &first);
    deliver(&rig, &frame);
    network_timers(rig.network, rig.now_ns + SECOND_NS / 2);
    assert_int_equal(counters->drops[DROP_IP_FRAGMENT_EXPIRED], 0);
    network_timers(rig.network, rig.now_ns + 2 * SECOND_NS);
    assert_int_equal(counters->drops[DROP_IP_FRAGMENT_EXPIRED], 1);
    rig_down(&rig);
}

static int start(void **state)
{
    (void)state;
    dpdk_environment_start();
    counters = counters_register("test");
    return counters ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_echo_request_comes_back_in_its_pieces),
        cmocka_unit_test(a_short_echo_request_in_pieces_comes_back_in_one),
        cmocka_unit_test(what_is_wrong_with_a_long_datagram_is_counted),
        cmocka_unit_test(a_tcp_segment_in_pieces_goes_up_in_one),
        cmocka_unit_test(a_segment_put_together_goes_to_the_worker_of_its_flow),
        cmocka_unit_test(headers_in_front_of_the_fragment_header_are_no_hindrance),
        cmocka_unit_test(neighbour_discovery_in_pieces_is_not_believed),
        cmocka_unit_test(fragments_may_be_switched_off_and_incomplete_ones_go),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
