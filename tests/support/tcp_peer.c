/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/tcp_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/checksum.h"
#include "dataplane/packet_pool.h"
#include "include/assert_policy.h"

#define IP_AT 14u
#define POOL_PACKETS 4095u

static const uint8_t stack_address[4] = {192, 0, 2, 1}, peer_address[4] = {192, 0, 2, 2};
static const uint8_t stack_address6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

void peer_init(struct tcp_peer *peer)
{
    static struct rte_mempool *pool;
    static struct counters *block;
    if (!pool)
        pool = packet_pool_create("peer", POOL_PACKETS, -1, PACKET_ROOM_BYTES);
    if (!block)
        block = counters_register("peer");
    memset(peer, 0, sizeof(*peer));
    memset(block->values, 0, sizeof(block->values));
    memset(block->drops, 0, sizeof(block->drops));
    memcpy(peer->network.local4, stack_address, 4);
    memcpy(peer->network.local6, stack_address6, 16);
    memcpy(peer->address, peer_address, 4);
    peer->network.mtu = 1500;
    peer->pool = pool;
    peer->counters = block;
    peer->now_ns = UINT64_C(1000000000000);
    peer->port = PEER_PORT;
    peer->config = (struct tcp_stack_config){
        .connections = 64,
        .half_open_max = 16,
        .receive_window_bytes = 65535,
        .send_budget_bytes = 1u << 20,
        .initial_window_segments = 10,
        .out_of_order_max = 16,
        .offer_timestamps = true,
        .offer_sack = true,
        .rto_min_ms = 200,
        .delayed_ack_ms = 40,
        .tlp_ack_delay_ms = 40,
        .user_timeout_ms = 120000,
        .time_wait_ms = 60000,
        .fin_wait_ms = 60000,
        .reset_rate_per_s = 1000,
        .listen_ports = {STACK_PORT},
        .listen_port_count = 1,
        .key = {1, 2},
        .packets = pool,
        .network = &peer->network,
        .counters = block,
    };
}

void peer_start(struct tcp_peer *peer)
{
    assert_int_equal(tcp_stack_create(&peer->config, peer->now_ns, &peer->stack), 0);
}

void peer_stop(struct tcp_peer *peer)
{
    tcp_stack_destroy(peer->stack);
    peer_discard(peer);
    assert_int_equal(packet_pool_used(peer->pool), 0);
}

/* ---- in ---- */

static void store32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t write_options(struct tcp_peer *peer, uint8_t *at,
                              const struct peer_segment *segment)
{
    if (segment->options) {
        memcpy(at, segment->options, segment->option_bytes);
        return segment->option_bytes;
    }
    uint32_t used = 0;
    if (peer->uses_timestamps && !(segment->flags & TCP_FLAG_SYN))
        used += tcp_options_write_timestamps(at, peer->timestamp, peer->timestamp_echo);
    struct tcp_sack_block blocks[4];
    for (uint32_t i = 0; i < segment->sack_count; i++) {
        blocks[i].left = peer->stack_iss + segment->sack[i].left;
        blocks[i].right = peer->stack_iss + segment->sack[i].right;
    }
    return used + tcp_options_write_sack(at + used, blocks, segment->sack_count);
}

void peer_flow(const struct tcp_peer *peer, struct network_flow *flow)
{
    *flow = (struct network_flow){.ip_version = peer->is_ipv6 ? 6 : 4};
    memcpy(flow->local, peer->is_ipv6 ? stack_address6 : stack_address, peer->is_ipv6 ? 16 : 4);
    memcpy(flow->remote, peer->address, 16);
}

/* The sum of everything but the segment itself. */
static uint32_t write_ip(const struct tcp_peer *peer, uint8_t *frame, uint32_t tcp_bytes,
                         uint8_t traffic_class)
{
    uint8_t *ip = frame + IP_AT;
    uint32_t sum;
    if (peer->is_ipv6) {
        frame[12] = 0x86;
        frame[13] = 0xdd;
        ip[0] = (uint8_t)(0x60 | traffic_class >> 4);
        ip[1] = (uint8_t)(traffic_class << 4);
        ip[4] = (uint8_t)(tcp_bytes >> 8);
        ip[5] = (uint8_t)tcp_bytes;
        ip[6] = 6;
        ip[7] = 64;
        memcpy(ip + 8, peer->address, 16);
        memcpy(ip + 24, stack_address6, 16);
        sum = checksum_pseudo_ipv6(peer->address, stack_address6, 6);
    } else {
        frame[12] = 8;
        ip[0] = 0x45;
        ip[1] = traffic_class;
        ip[2] = (uint8_t)((tcp_bytes + 20) >> 8);
        ip[3] = (uint8_t)(tcp_bytes + 20);
        ip[8] = 64;
        ip[9] = 6;
        memcpy(ip + 12, peer->address, 4);
        memcpy(ip + 16, stack_address, 4);
        uint16_t checksum = checksum_of(ip, 20);
        memcpy(ip + 10, &checksum, 2);
        sum = checksum_pseudo_ipv4(peer->address, stack_address, 6);
    }
    return checksum_add_number(sum, (uint16_t)tcp_bytes);
}

static void write_tcp(const struct tcp_peer *peer, uint8_t *tcp, const struct peer_segment *segment,
                      uint32_t option_bytes)
{
    tcp[0] = (uint8_t)(peer->port >> 8);
    tcp[1] = (uint8_t)peer->port;
    tcp[3] = STACK_PORT;
    store32(tcp + 4, PEER_ISS + segment->seq);
    if (segment->flags & TCP_FLAG_ACK)
        store32(tcp + 8, peer->stack_iss + segment->ack);
    tcp[12] = (uint8_t)((20 + option_bytes) << 2);
    if (segment->header_words != 0)
        tcp[12] = (uint8_t)(segment->header_words << 4);
    tcp[12] |= segment->reserved_bits;
    tcp[13] = segment->flags;
    uint16_t window = segment->window == 0                  ? 65535
                      : segment->window == PEER_WINDOW_ZERO ? 0
                                                            : segment->window;
    tcp[14] = (uint8_t)(window >> 8);
    tcp[15] = (uint8_t)window;
    tcp[18] = (uint8_t)(segment->urgent >> 8);
    tcp[19] = (uint8_t)segment->urgent;
}

static struct packet *build(struct tcp_peer *peer, const struct peer_segment *segment)
{
    struct packet *packet = packet_alloc(peer->pool);
    assert_non_null(packet);
    uint16_t tcp_at = peer->is_ipv6 ? IP_AT + 40 : IP_AT + 20;
    uint8_t *frame = packet_append(packet, tcp_at);
    memset(frame, 0, tcp_at);
    uint8_t *tcp = packet_append(packet, 20);
    memset(tcp, 0, 20);
    uint32_t option_bytes = write_options(peer, tcp + 20, segment);
    packet_append(packet, (uint16_t)option_bytes);
    uint8_t *payload = packet_append(packet, (uint16_t)segment->length);
    if (segment->payload)
        memcpy(payload, segment->payload, segment->length);
    else
        memset(payload, 0, segment->length);
    uint32_t tcp_bytes = 20 + option_bytes + segment->length;
    uint32_t sum = write_ip(peer, frame, tcp_bytes, segment->traffic_class);
    write_tcp(peer, tcp, segment, option_bytes);
    uint16_t checksum = checksum_finish(checksum_add(sum, tcp, tcp_bytes));
    if (segment->has_bad_checksum)
        checksum ^= 0x0101;
    memcpy(tcp + 16, &checksum, 2);
    return packet;
}

void peer_queue(struct tcp_peer *peer, struct peer_segment segment)
{
    struct packet *packet = build(peer, &segment);
    assert_true(test_network_accepts(&peer->network, packet));
    tcp_input(peer->stack, &packet, 1, peer->now_ns);
}

void peer_input_raw(struct tcp_peer *peer, const uint8_t *frame, uint32_t length)
{
    struct packet *packet = packet_alloc(peer->pool);
    memcpy(packet_append(packet, (uint16_t)length), frame, length);
    if (test_network_accepts(&peer->network, packet))
        tcp_input(peer->stack, &packet, 1, peer->now_ns);
    else
        packet_free(packet);
}

static void run_stack(struct tcp_peer *peer)
{
    struct tcp_connection *ready[64];
    tcp_timers_run(peer->stack, peer->now_ns);
    uint32_t count = tcp_take_ready(peer->stack, ready, 64);
    for (uint32_t i = 0; i < count; i++) {
        peer->connection = ready[i];
        peer->events |= tcp_events(ready[i]);
        if (tcp_events(ready[i]) & TCP_EVENT_GONE)
            peer->connection = NULL;
    }
    tcp_output(peer->stack, peer->now_ns);
}

uint32_t peer_round_unseen(struct tcp_peer *peer)
{
    run_stack(peer);
    uint32_t sent = peer->network.out_count;
    for (uint32_t i = 0; i < sent; i++)
        packet_free(peer->network.out[i]);
    peer->network.out_count = 0;
    return sent;
}

void peer_round(struct tcp_peer *peer)
{
    run_stack(peer);
    struct packet *out[PEER_OUT_MAX];
    assert_true(peer->network.out_count <= PEER_OUT_MAX);
    uint32_t sent = test_network_take(&peer->network, out, PEER_OUT_MAX);
    assert_true(peer->out_count + sent <= PEER_OUT_MAX);
    for (uint32_t i = 0; i < sent; i++)
        peer->out[(peer->out_head + peer->out_count++) % PEER_OUT_MAX] = out[i];
}

void peer_send(struct tcp_peer *peer, struct peer_segment segment)
{
    peer_queue(peer, segment);
    peer_round(peer);
}

uint32_t peer_wait(struct tcp_peer *peer, uint32_t ms)
{
    for (uint32_t passed = 1; passed <= ms; passed++) {
        peer->now_ns += 1000000;
        peer_round(peer);
        if (peer->out_count > 0)
            return passed;
    }
    return ms;
}

void peer_sleep(struct tcp_peer *peer, uint32_t ms)
{
    for (uint32_t passed = 0; passed < ms; passed++) {
        peer->now_ns += 1000000;
        peer_round(peer);
    }
}

/* ---- out ---- */

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* What every segment of ours must be: sums right, neither ECN nor urgent data, no odd bits. */
static void check_frame(const uint8_t *ip, const uint8_t *tcp, uint32_t tcp_bytes)
{
    bool is_ipv6 = ip[0] >> 4 == 6;
    uint32_t sum = is_ipv6 ? checksum_pseudo_ipv6(ip + 8, ip + 24, 6)
                           : checksum_pseudo_ipv4(ip + 12, ip + 16, 6);
    sum = checksum_add_number(sum, (uint16_t)tcp_bytes);
    assert_int_equal(checksum_finish(checksum_add(sum, tcp, tcp_bytes)), 0);
    if (is_ipv6)
        assert_true(ip[0] == 0x60 && ip[1] == 0);
    else
        assert_true(ip[1] == 0 && checksum_of(ip, 20) == 0);
    assert_int_equal(tcp[12] & 0x0f, 0);
    assert_int_equal(tcp[13] & TCP_FLAG_URG, 0);
    assert_int_equal(tcp[18] << 8 | tcp[19], 0);
}

static void read_options(struct tcp_peer *peer, const uint8_t *at, uint32_t length,
                         struct seen_segment *seen)
{
    struct tcp_segment_options options;
    assert_true(length <= sizeof(seen->options));
    memcpy(seen->options, at, length);
    seen->option_bytes = length;
    tcp_options_parse(at, length, &options);
    seen->has_timestamps = options.has_timestamps;
    seen->timestamp_value = options.timestamp_value;
    seen->timestamp_echo = options.timestamp_echo;
    if (options.has_timestamps)
        peer->timestamp_echo = options.timestamp_value;
    if (seen->flags & TCP_FLAG_SYN)
        tcp_options_parse_syn(at, length, &seen->syn);
    seen->sack_count = tcp_options_parse_sack(at, length, seen->sack);
    for (uint32_t i = 0; i < seen->sack_count; i++) {
        seen->sack[i].left -= PEER_ISS;
        seen->sack[i].right -= PEER_ISS;
    }
}

bool peer_sees(struct tcp_peer *peer, struct seen_segment *seen)
{
    if (peer->out_count == 0)
        return false;
    struct packet *packet = peer->out[peer->out_head];
    peer->out_head = (peer->out_head + 1) % PEER_OUT_MAX;
    peer->out_count--;
    memset(seen, 0, sizeof(*seen));
    const uint8_t *ip = (const uint8_t *)packet_data(packet) + IP_AT;
    bool is_ipv6 = ip[0] >> 4 == 6;
    uint32_t ip_bytes = is_ipv6 ? 40 : 20;
    const uint8_t *tcp = ip + ip_bytes;
    uint32_t tcp_bytes =
        is_ipv6 ? (uint32_t)(ip[4] << 8 | ip[5]) : (uint32_t)(ip[2] << 8 | ip[3]) - 20;
    assert_int_equal(packet_bytes(packet), IP_AT + ip_bytes + tcp_bytes);
    check_frame(ip, tcp, tcp_bytes);
    uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
    seen->flags = tcp[13];
    seen->port = (uint16_t)(tcp[2] << 8 | tcp[3]);
    if (seen->flags & TCP_FLAG_SYN)
        peer->stack_iss = load32(tcp + 4);
    seen->seq = load32(tcp + 4) - peer->stack_iss;
    seen->ack = seen->flags & TCP_FLAG_ACK ? load32(tcp + 8) - PEER_ISS : 0;
    seen->window = (uint32_t)(tcp[14] << 8 | tcp[15]);
    seen->length = tcp_bytes - header;
    memcpy(seen->payload, tcp + header, seen->length);
    read_options(peer, tcp + 20, header - 20, seen);
    packet_free(packet);
    return true;
}

struct seen_segment peer_expect(struct tcp_peer *peer, uint8_t flags, uint32_t seq, uint32_t ack,
                                uint32_t length)
{
    struct seen_segment seen;
    if (!peer_sees(peer, &seen))
        fail_msg("nothing was sent, expected flags %02x seq %u ack %u length %u", flags, seq, ack,
                 length);
    uint8_t without_push = seen.flags & (uint8_t)~TCP_FLAG_PSH;
    if (without_push != flags || seen.seq != seq || seen.ack != ack || seen.length != length)
        fail_msg("saw flags %02x seq %u ack %u length %u, expected %02x %u %u %u", seen.flags,
                 seen.seq, seen.ack, seen.length, flags, seq, ack, length);
    return seen;
}

void peer_expect_nothing(struct tcp_peer *peer)
{
    struct seen_segment seen;
    if (peer_sees(peer, &seen))
        fail_msg("saw flags %02x seq %u ack %u length %u, expected nothing", seen.flags, seen.seq,
                 seen.ack, seen.length);
}

uint32_t peer_discard(struct tcp_peer *peer)
{
    uint32_t count = peer->out_count;
    struct seen_segment seen;
    while (peer_sees(peer, &seen))
        ;
    uint32_t left = peer->network.out_count;
    struct packet *out[PEER_OUT_MAX];
    assert_true(left <= PEER_OUT_MAX);
    test_network_take(&peer->network, out, PEER_OUT_MAX);
    for (uint32_t i = 0; i < left; i++)
        packet_free(out[i]);
    return count;
}

/* ---- both ---- */

void peer_open(struct tcp_peer *peer, const struct tcp_syn_options *options)
{
    uint8_t bytes[TCP_OPTION_BYTES_MAX];
    uint32_t length = tcp_options_write_syn(bytes, options);
    peer->uses_timestamps = options->has_timestamps && peer->config.offer_timestamps;
    peer->timestamp = options->timestamp_value;
    peer_send(peer, (struct peer_segment){
                        .flags = TCP_FLAG_SYN, .options = bytes, .option_bytes = length});
    struct seen_segment answer;
    assert_true(peer_sees(peer, &answer));
    assert_int_equal(answer.flags, TCP_FLAG_SYN | TCP_FLAG_ACK);
    assert_int_equal(answer.ack, 1);
    peer_send(peer, (struct peer_segment){.flags = TCP_FLAG_ACK, .seq = 1, .ack = 1});
    while (peer_sees(peer, &answer)) /* a connection that made room is reset */
        assert_true(answer.flags & TCP_FLAG_RST);
    assert_true(peer->events & TCP_EVENT_OPENED);
    assert_non_null(peer->connection);
    peer->events = 0;
}

void peer_application_sends(struct tcp_peer *peer, uint32_t bytes)
{
    while (bytes > 0) {
        uint32_t part = tcp_payload_max(peer->connection);
        part = bytes < part ? bytes : part;
        struct packet *packet = tcp_packet(peer->stack);
        assert_non_null(packet);
        memset(packet_append(packet, (uint16_t)part), 'x', part);
        tcp_send_packet(peer->stack, peer->connection, packet);
        bytes -= part;
    }
    peer_round(peer);
}

uint32_t peer_application_reads(struct tcp_peer *peer)
{
    uint32_t bytes = tcp_receive_bytes(peer->connection);
    tcp_receive_consume(peer->stack, peer->connection, bytes);
    return bytes;
}

uint64_t peer_counter(const struct tcp_peer *peer, enum counter counter)
{
    return peer->counters->values[counter];
}

uint64_t peer_drops(const struct tcp_peer *peer, enum drop_reason why)
{
    return peer->counters->drops[why];
}
