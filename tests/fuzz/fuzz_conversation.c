/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several peers, IPv4 and IPv6, talk to the network layer and the TCP stack: steps of
 * conversation.h become frames that fit (or nearly fit) the connections that are open. After each
 * step the stack's insides must be consistent, and no frame may have made more frames than there
 * were packets to send. In the end the application closes everything and the peers fall silent:
 * every connection must go by itself, and every packet must be free.
 */
#include "tests/fuzz/fuzz_target.h"

#include "dataplane/checksum.h"
#include "dataplane/network.h"
#include "dataplane/packet_pool.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "include/clock.h"
#include "tests/fuzz/conversation.h"
#include "tests/fuzz/conversation_check.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fake_nic.h"
#include "tests/support/frames.h"

#define CONNECTIONS 6u /* fewer than peers: the table is full at times */
#define OUR_PORT 80u
#define PEER_PORT 30000u
#define OWN_FRAMES 4u /* that one frame may cause beside queued data: an answer, ARP, ND, a FIN */
#define LAST_WORDS_MAX 20000u

/* What a peer knows from the last frame it got: the connection may be an entry or a cookie. */
struct peer {
    uint32_t rcv_nxt, snd_una; /* ours, as far as it knows */
    uint32_t timestamp_of_ours, timestamp;
};

struct fuzz {
    struct fake_nic *nic;
    struct network *network;
    struct tcp_stack *stack;
    struct peer peers[CONVERSATION_PEERS];
    uint64_t now_ns;
};

static struct rte_mempool *pool;
static struct counters *counters;

static bool is_ipv6(uint32_t peer)
{
    return peer >= CONVERSATION_PEERS / 2;
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static const struct tcp_connection *connection_of(const struct fuzz *fuzz, uint32_t peer)
{
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        const struct tcp_connection *connection = &fuzz->stack->slots[i].connection;
        if (connection->state != TCP_CLOSED && connection->remote_port == PEER_PORT + peer)
            return connection;
    }
    return NULL;
}

/* ---- from step to frame ---- */

static uint32_t sequence_of(const struct fuzz *fuzz, const struct step *step, uint32_t peer)
{
    const struct tcp_connection *connection = connection_of(fuzz, peer);
    uint32_t base = connection ? connection->rcv_nxt : fuzz->peers[peer].rcv_nxt;
    if (step->sequence_base % BASE_COUNT == BASE_NOTHING)
        base = 0;
    else if (connection && step->sequence_base % BASE_COUNT == BASE_WINDOW_END)
        base = connection->rcv_edge;
    else if (connection && step->sequence_base % BASE_COUNT == BASE_OLDEST)
        base = connection->last_ack_sent;
    return base + (uint32_t)(int32_t)step->sequence_by;
}

static uint32_t acknowledgement_of(const struct fuzz *fuzz, const struct step *step, uint32_t peer)
{
    const struct tcp_connection *connection = connection_of(fuzz, peer);
    uint32_t base = connection ? connection->snd_nxt : fuzz->peers[peer].snd_una;
    if (step->acknowledgement_base % BASE_COUNT == BASE_NOTHING)
        base = 0;
    else if (connection && step->acknowledgement_base % BASE_COUNT == BASE_OLDEST)
        base = connection->snd_una;
    else if (connection && step->acknowledgement_base % BASE_COUNT == BASE_WINDOW_END)
        base = connection->snd_una + connection->snd_wnd_bytes;
    return base + (uint32_t)(int32_t)step->acknowledgement_by;
}

static void put_sack(struct frame_bytes *tcp, const struct fuzz *fuzz, const struct step *step,
                     uint32_t peer)
{
    const struct tcp_connection *connection = connection_of(fuzz, peer);
    uint32_t base = connection ? connection->snd_una : fuzz->peers[peer].snd_una;
    uint32_t left = base + (uint32_t)(int32_t)step->sack_by;
    uint32_t bytes = (uint32_t)(int32_t)step->sack_bytes;
    bool has_two = step->options & OPTION_TWO_SACKS;
    frame_put16(tcp, 0x0101);
    frame_put16(tcp, has_two ? 0x0512 : 0x050a);
    frame_put32(tcp, left);
    frame_put32(tcp, left + bytes);
    if (!has_two)
        return;
    frame_put32(tcp, left + 2 * bytes);
    frame_put32(tcp, left + 3 * bytes);
}

static void put_options(struct frame_bytes *tcp, const struct fuzz *fuzz, const struct step *step,
                        uint32_t peer)
{
    const struct peer *who = &fuzz->peers[peer];
    if (step->options & OPTION_MSS)
        frame_put32(tcp, 0x02040000u | (step->spare ? step->spare * 16u : 1460u));
    if (step->options & OPTION_WINDOW_SCALE)
        frame_put32(tcp, 0x01030300u | (step->spare & 15u));
    if (step->options & OPTION_SACK_PERMITTED)
        frame_put32(tcp, 0x01010402u);
    if (step->options & OPTION_TIMESTAMP) {
        frame_put32(tcp, 0x0101080au);
        frame_put32(tcp, who->timestamp + (uint32_t)(int32_t)step->timestamp_by);
        frame_put32(tcp, who->timestamp_of_ours + (uint32_t)(int32_t)step->echo_by);
    }
    if ((step->options & (OPTION_SACK | OPTION_TWO_SACKS)) && tcp->length <= 40)
        put_sack(tcp, fuzz, step, peer);
    if ((step->options & OPTION_UNKNOWN) && tcp->length <= 56)
        frame_put32(tcp, 0xfd04cafeu);
    if ((step->options & OPTION_BAD_LENGTH) && tcp->length <= 56)
        frame_put32(tcp, 0x01010800u | step->spare);
}

/* Header, options and data; `length_said` is where the header says it ends. */
static void make_segment(struct frame_bytes *tcp, const struct fuzz *fuzz, const struct step *step,
                         uint32_t peer)
{
    tcp->length = 0;
    frame_put16(tcp, PEER_PORT + peer);
    frame_put16(tcp, OUR_PORT);
    frame_put32(tcp, sequence_of(fuzz, step, peer));
    frame_put32(tcp, step->tcp_flags & TCP_FLAG_ACK ? acknowledgement_of(fuzz, step, peer) : 0);
    frame_put16(tcp, step->tcp_flags & 0x3fu);
    frame_put16(tcp, step->window);
    frame_put32(tcp, 0);
    put_options(tcp, fuzz, step, peer);
    tcp->bytes[12] = (uint8_t)(tcp->length / 4 << 4);
    if (step->damage == DAMAGE_DATA_OFFSET)
        tcp->bytes[12] = (uint8_t)(step->spare << 4);
    uint32_t room = (is_ipv6(peer) ? 1440u : 1460u) + 20u - tcp->length;
    uint32_t payload = step->payload_bytes % (room + 1);
    memset(tcp->bytes + tcp->length, 'x', payload);
    tcp->length = (uint16_t)(tcp->length + payload);
}

static void put_checksum(struct frame_bytes *tcp, uint32_t pseudo_sum)
{
    uint32_t sum = checksum_add_number(pseudo_sum, tcp->length);
    uint16_t checksum = checksum_finish(checksum_add(sum, tcp->bytes, tcp->length));
    memcpy(tcp->bytes + 16, &checksum, 2);
}

static void addresses_of(uint32_t peer, uint8_t theirs[16], uint8_t ours[16])
{
    memcpy(theirs, is_ipv6(peer) ? frames_peer_ipv6 : frames_peer_ipv4, is_ipv6(peer) ? 16 : 4);
    memcpy(ours, is_ipv6(peer) ? frames_our_ipv6 : frames_our_ipv4, is_ipv6(peer) ? 16 : 4);
}

static void damage(struct frame_bytes *frame, const struct step *step, uint32_t peer)
{
    uint32_t length_at = is_ipv6(peer) ? 18 : 16;
    switch (step->damage % DAMAGE_COUNT) {
    case DAMAGE_TCP_CHECKSUM:
        frame->bytes[(is_ipv6(peer) ? 54 : 34) + 16] ^= 0x10;
        break;
    case DAMAGE_IP_CHECKSUM: /* IPv6 has none: its version, then */
        frame->bytes[is_ipv6(peer) ? 14 : 24] ^= 0x10;
        break;
    case DAMAGE_IP_LENGTH_MORE:
        frame_set16(frame, length_at, frame_get16(frame->bytes + length_at) + 1u + step->spare);
        break;
    case DAMAGE_IP_LENGTH_LESS:
        frame_set16(frame, length_at, frame_get16(frame->bytes + length_at) - 1u - step->spare);
        break;
    case DAMAGE_CUT:
        frame->length = (uint16_t)(frame->length - step->spare % frame->length);
        break;
    case DAMAGE_OTHER_ADDRESS:
        frame->bytes[step->spare % 6] ^= 0x40;
        break;
    default: /* none, or made with the segment */
        break;
    }
}

static void frame_of_tcp(struct frame_bytes *frame, struct frame_bytes *tcp, uint32_t peer)
{
    uint8_t theirs[16], ours[16];
    addresses_of(peer, theirs, ours);
    if (is_ipv6(peer)) {
        put_checksum(tcp, checksum_pseudo_ipv6(theirs, ours, 6));
        frame_ipv6(frame, theirs, ours, 6, 64, tcp->bytes, tcp->length);
    } else {
        put_checksum(tcp, checksum_pseudo_ipv4(theirs, ours, 6));
        frame_ipv4(frame, theirs, ours, 6, tcp->bytes, tcp->length);
    }
}

/* Too big (with `window` as the MTU), or unreachable, about a segment of ours. IPv4 only. */
static void frame_of_icmp_error(struct frame_bytes *frame, const struct fuzz *fuzz,
                                const struct step *step, uint32_t peer)
{
    struct frame_bytes icmp = {.length = 0}, about = {.length = 0};
    uint8_t ports[8];
    struct frame_bytes tcp = {.length = 0};
    frame_put16(&tcp, OUR_PORT);
    frame_put16(&tcp, PEER_PORT + peer);
    frame_put32(&tcp, acknowledgement_of(fuzz, step, peer));
    memcpy(ports, tcp.bytes, sizeof(ports));
    frame_ipv4(&about, frames_our_ipv4, frames_peer_ipv4, 6, ports, sizeof(ports));
    frame_put16(&icmp, step->window ? 0x0304 : 0x0301);
    frame_put32(&icmp, 0);
    frame_put16(&icmp, step->window);
    frame_put(&icmp, about.bytes + 14, about.length - 14u);
    frame_set16(&icmp, 2, slow_fold(slow_sum(0, icmp.bytes, icmp.length)));
    frame_ipv4(frame, frames_peer_ipv4, frames_our_ipv4, 1, icmp.bytes, icmp.length);
}

/* ---- what we send ---- */

static void listen_to(struct fuzz *fuzz, const uint8_t *tcp, uint32_t tcp_bytes)
{
    uint32_t peer = (uint32_t)frame_get16(tcp + 2) - PEER_PORT;
    if (peer >= CONVERSATION_PEERS || (tcp[13] & TCP_FLAG_RST))
        return;
    struct peer *who = &fuzz->peers[peer];
    if (tcp[13] & TCP_FLAG_ACK)
        who->rcv_nxt = get32(tcp + 8);
    who->snd_una = get32(tcp + 4) + ((tcp[13] & TCP_FLAG_SYN) != 0);
    uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
    ASSERT(header >= 20 && header <= tcp_bytes);
    for (uint32_t at = 20; at + 10 <= header;) {
        if (tcp[at] == 8) {
            who->timestamp_of_ours = get32(tcp + at + 2);
            break;
        }
        at += tcp[at] == 1 ? 1 : tcp[at + 1];
    }
}

/* Every frame of ours is one that could be sent. Returns how many there were. */
static uint32_t take_sent(struct fuzz *fuzz)
{
    struct packet *sent;
    uint32_t count = 0;
    network_flush(fuzz->network);
    while (fake_nic_take(fuzz->nic, 0, &sent, 1) == 1) {
        const uint8_t *bytes = packet_data(sent);
        count++;
        ASSERT(packet_bytes(sent) <= 1514);
        if (bytes[12] == 8 && bytes[13] == 0 && bytes[23] == 6)
            listen_to(fuzz, bytes + 34, packet_first_bytes(sent) - 34u);
        else if (bytes[12] == 0x86 && bytes[20] == 6)
            listen_to(fuzz, bytes + 54, packet_first_bytes(sent) - 54u);
        packet_free(sent);
    }
    return count;
}

/* ---- the steps ---- */

static void receive(struct fuzz *fuzz, const struct frame_bytes *frame)
{
    struct network_icmp_error errors[NETWORK_ICMP_ERRORS_MAX];
    struct packet *packet = packet_alloc(pool), *segment;
    ASSERT(packet);
    memcpy(packet_append(packet, frame->length), frame->bytes, frame->length);
    uint32_t queued = conversation_queued(fuzz->stack);
    uint32_t up = network_input(fuzz->network, 0, &packet, 1, fuzz->now_ns, &segment);
    tcp_input(fuzz->stack, &segment, up, fuzz->now_ns);
    uint32_t error_count = network_take_icmp_errors(fuzz->network, errors, NETWORK_ICMP_ERRORS_MAX);
    for (uint32_t i = 0; i < error_count; i++)
        tcp_icmp_error(fuzz->stack, &errors[i].flow, errors[i].local_port, errors[i].remote_port,
                       errors[i].sequence, errors[i].new_mtu, fuzz->now_ns);
    tcp_output(fuzz->stack, fuzz->now_ns);
    uint32_t sent = take_sent(fuzz);
    /* A smaller path MTU may cut each queued packet into a few. */
    ASSERT(sent <= OWN_FRAMES + queued * (error_count > 0 ? 4 : 1));
}

static void connect_to(struct fuzz *fuzz, uint32_t peer)
{
    struct network_flow flow = {.ip_version = is_ipv6(peer) ? 6 : 4};
    addresses_of(peer, flow.remote, flow.local);
    memcpy(flow.peer_mac, frames_peer_mac, 6);
    tcp_connect(fuzz->stack, &flow, OUR_PORT, (uint16_t)(PEER_PORT + peer), fuzz->now_ns);
}

static void send_some(struct fuzz *fuzz, struct tcp_connection *connection, uint32_t count,
                      uint16_t bytes)
{
    if (tcp_payload_max(connection) < bytes)
        bytes = tcp_payload_max(connection);
    for (uint32_t i = 0; i < count && tcp_send_is_open(connection); i++) {
        if (tcp_send_room(connection) < bytes)
            break;
        struct packet *packet = tcp_packet(fuzz->stack);
        if (!packet)
            break;
        memset(packet_append(packet, bytes), 'a', bytes);
        tcp_send_packet(fuzz->stack, connection, packet);
    }
}

static void behave(struct fuzz *fuzz, struct tcp_connection *connection, uint8_t behaviour)
{
    if (behaviour & BEHAVIOUR_CONSUMES)
        tcp_receive_consume(fuzz->stack, connection, tcp_receive_bytes(connection));
    if (behaviour & BEHAVIOUR_SENDS_LITTLE)
        send_some(fuzz, connection, 1, 100);
    if (behaviour & BEHAVIOUR_SENDS_MUCH)
        send_some(fuzz, connection, 6, 1460);
    if (behaviour & BEHAVIOUR_CLOSES)
        tcp_close(fuzz->stack, connection);
    if (behaviour & BEHAVIOUR_ABORTS)
        tcp_abort(fuzz->stack, connection);
}

static void touch_all(struct fuzz *fuzz)
{
    struct tcp_connection *connection;
    uint32_t cursor = 0;
    while ((connection = tcp_next_open(fuzz->stack, &cursor)) != NULL)
        tcp_make_ready(fuzz->stack, connection, TCP_EVENT_READABLE);
}

static void run_round(struct fuzz *fuzz, uint8_t behaviour)
{
    struct tcp_connection *ready[CONNECTIONS];
    network_timers(fuzz->network, fuzz->now_ns);
    tcp_timers_run(fuzz->stack, fuzz->now_ns);
    if (behaviour & BEHAVIOUR_TOUCHES_ALL)
        touch_all(fuzz);
    uint32_t count = tcp_take_ready(fuzz->stack, ready, CONNECTIONS);
    for (uint32_t i = 0; i < count; i++)
        if (!(tcp_events(ready[i]) & TCP_EVENT_GONE))
            behave(fuzz, ready[i], behaviour);
    tcp_output(fuzz->stack, fuzz->now_ns);
    take_sent(fuzz);
}

static void take_step(struct fuzz *fuzz, const struct step *step)
{
    struct frame_bytes frame = {.length = 0}, tcp;
    uint32_t peer = step->peer % CONVERSATION_PEERS;
    fuzz->peers[peer].timestamp += 10;
    switch (step->kind % STEP_KIND_COUNT) {
    case STEP_SEGMENT:
        make_segment(&tcp, fuzz, step, peer);
        frame_of_tcp(&frame, &tcp, peer);
        damage(&frame, step, peer);
        receive(fuzz, &frame);
        break;
    case STEP_ICMP_ERROR:
        frame_of_icmp_error(&frame, fuzz, step, peer);
        receive(fuzz, &frame);
        break;
    case STEP_CONNECT:
        connect_to(fuzz, peer);
        break;
    default: /* silence */
        break;
    }
    conversation_check(fuzz->stack);
    if (step->sleep != 0)
        fuzz->now_ns += UINT64_C(1) << (14 + step->sleep % 22);
    run_round(fuzz, step->behaviour);
    conversation_check(fuzz->stack);
}

/* ---- begin and end ---- */

static void start(struct fuzz *fuzz)
{
    if (!pool) {
        dpdk_environment_start();
        pool = dpdk_environment_pool(511);
        counters = counters_register("fuzz");
    }
    *fuzz = (struct fuzz){.now_ns = UINT64_C(1) << 40};
    struct fake_nic_config nic = {.queue_count = 1, .depth = 512, .mtu = 1500};
    memcpy(nic.mac, frames_our_mac, 6);
    fuzz->nic = fake_nic_create(&nic);
    struct network_port_config port = {.queue = fake_nic_queue(fuzz->nic, 0),
                                       .mtu = 1500,
                                       .ipv4_prefix_bits = 24,
                                       .ipv6_prefix_bits = 64};
    memcpy(port.ipv4, frames_our_ipv4, 4);
    memcpy(port.ipv6, frames_our_ipv6, 16);
    fuzz->network = network_create(&(struct network_config){.ports = &port,
                                                            .port_count = 1,
                                                            .neighbour_count = 16,
                                                            .icmp_per_s = 1000,
                                                            .pool = pool,
                                                            .counters = counters});
    struct tcp_stack_config config = {
        .connections = CONNECTIONS,
        .half_open_max = 2, /* then cookies */
        .connections_per_source = 5,
        .receive_window_bytes = 16384,
        .send_budget_bytes = 16384,
        .initial_window_segments = 10,
        .out_of_order_max = 8,
        .packets_held_max = 100,
        .offer_timestamps = true,
        .offer_sack = true,
        .rto_min_ms = 200,
        .delayed_ack_ms = 40,
        .tlp_ack_delay_ms = 40,
        .keepalive_ms = 5000,
        .keepalive_interval_ms = 1000,
        .user_timeout_ms = 20000,
        .time_wait_ms = 1000,
        .fin_wait_ms = 3000,
        .reset_rate_per_s = 1000,
        .challenges_per_s = 10,
        .listen_ports = {OUR_PORT},
        .listen_port_count = 1,
        .key = {1, 2},
        .packets = pool,
        .network = fuzz->network,
        .counters = counters,
    };
    ASSERT(fuzz->network && tcp_stack_create(&config, fuzz->now_ns, &fuzz->stack) == 0);
}

static bool is_quiet(const struct fuzz *fuzz)
{
    return tcp_connection_count(fuzz->stack) == 0 && tcp_half_open_count(fuzz->stack) == 0 &&
           tcp_time_wait_count(fuzz->stack) == 0;
}

/* From one timer to the next; each moves time on, or the stack would turn on the spot. */
static void fall_silent(struct fuzz *fuzz)
{
    uint64_t give_up_ns = fuzz->now_ns + 300 * NS_PER_S;
    uint8_t behaviour = BEHAVIOUR_TOUCHES_ALL | BEHAVIOUR_CONSUMES | BEHAVIOUR_CLOSES;
    run_round(fuzz, behaviour);
    for (uint32_t i = 0; !is_quiet(fuzz); i++) {
        uint64_t next_ns = tcp_next_timer_ns(fuzz->stack);
        ASSERT(next_ns != UINT64_MAX && next_ns < give_up_ns && i < LAST_WORDS_MAX);
        if (next_ns <= fuzz->now_ns)
            next_ns = fuzz->now_ns + NS_PER_MS;
        fuzz->now_ns = next_ns;
        run_round(fuzz, behaviour);
        conversation_check(fuzz->stack);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* run with -max_len=4096 */
{
    struct fuzz fuzz;
    start(&fuzz);
    for (size_t at = 0, n = 0; at + sizeof(struct step) <= size && n < CONVERSATION_STEPS_MAX;
         at += sizeof(struct step), n++) {
        struct step step;
        memcpy(&step, data + at, sizeof(step));
        take_step(&fuzz, &step);
    }
    fall_silent(&fuzz);
    ASSERT(fuzz.stack->packets_held == 0);
    tcp_stack_destroy(fuzz.stack);
    network_destroy(fuzz.network);
    fake_nic_destroy(fuzz.nic);
    ASSERT(packet_pool_used(pool) == 0);
    return 0;
}
