/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/tcp_trouble.h"

#include <string.h>

#include "dataplane/checksum.h"
#include "dataplane/tcp_input.h"
#include "include/assert_policy.h"
#include "include/clock.h"
#include "include/compiler.h"
#include "tests/sim/tcp_sim.h"

#define EVENTS_MAX 40u
/* As after a suspended virtual machine. What was in flight then is a round trip of that length. */
#define FIRST_JUMP_NS_MAX (15 * NS_PER_S)
#define JUMP_NS_MAX NS_PER_S /* every jump costs a handshake one of its few tries */

void trouble_choose(struct tcp_trouble *trouble, struct random *random, uint64_t now_ns)
{
    static const uint64_t gaps_ns[] = {2 * NS_PER_MS, 50 * NS_PER_MS, 2 * NS_PER_S};
    *trouble = (struct tcp_trouble){.next_ns = UINT64_MAX, .ends_ns = UINT64_MAX};
    if (random_chance(random, 500))
        return;
    for (uint32_t kind = 0; kind < TROUBLE_KINDS; kind++)
        if (random_chance(random, 250))
            trouble->kinds |= 1u << kind;
    trouble->left = trouble->kinds ? random_below(random, EVENTS_MAX) : 0;
    trouble->mean_gap_ns = gaps_ns[random_below(random, ARRAY_COUNT(gaps_ns))];
    trouble->icmp_loss_permille = random_chance(random, 500) ? random_below(random, 500) : 0;
    if (trouble->left > 0)
        trouble->next_ns = now_ns + random_u64(random) % (2 * trouble->mean_gap_ns);
}

/* ---- forged segments: somebody else knows the addresses, and about where the window is ---- */

static bool is_open(const struct endpoint *end)
{
    return end->connection && !end->is_gone && end->was_opened && !end->is_excused &&
           end->connection->state >= TCP_ESTABLISHED && end->connection->state < TCP_TIME_WAIT;
}

/* One that is open, of either side; NULL when chance hits none. */
static struct endpoint *choose_open(struct simulation *sim, uint32_t *side)
{
    *side = random_below(&sim->random, SIDES);
    struct endpoint *end = &sim->sides[*side].ends[random_below(&sim->random, sim->flow_count)];
    return is_open(end) ? end : NULL;
}

static uint32_t between(struct random *random, uint32_t from, uint32_t count)
{
    return from + (count > 0 ? random_below(random, count) : 0);
}

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The header as the other side's network writes it, with everything of TCP's filled in. */
static void write_frame(struct packet *packet, struct network *from,
                        const struct network_flow *flow, const struct tcp_connection *target,
                        uint8_t flags, uint32_t sequence, uint32_t acknowledgement,
                        uint16_t payload_bytes)
{
    struct network_header header;
    (void)network_path(from, flow, &header);
    uint8_t *frame = packet_append(packet, header.header_bytes);
    memcpy(frame, header.bytes, header.header_bytes);
    uint16_t bytes = (uint16_t)(20 + payload_bytes);
    uint8_t *tcp = packet_append(packet, bytes);
    memset(tcp, 0, bytes);
    tcp[0] = (uint8_t)(target->remote_port >> 8);
    tcp[1] = (uint8_t)target->remote_port;
    tcp[2] = (uint8_t)(target->local_port >> 8);
    tcp[3] = (uint8_t)target->local_port;
    put32(tcp + 4, sequence);
    put32(tcp + 8, acknowledgement);
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    tcp[14] = tcp[15] = 0xff;
    uint32_t sum = checksum_add_number(header.pseudo_sum, bytes);
    uint16_t checksum = checksum_finish(checksum_add(sum, tcp, bytes));
    memcpy(tcp + 16, &checksum, 2);
    uint8_t *ip = frame + header.network_offset;
    uint32_t length = header.ip_version == 4 ? bytes + 20u : bytes;
    ip[header.ip_version == 4 ? 2 : 4] = (uint8_t)(length >> 8);
    ip[header.ip_version == 4 ? 3 : 5] = (uint8_t)length;
    if (header.ip_version == 4) {
        checksum = checksum_of(ip, 20);
        memcpy(ip + 10, &checksum, 2);
    }
}

static void forge(struct simulation *sim, uint32_t side, const struct endpoint *end, uint8_t flags,
                  uint32_t sequence, uint32_t acknowledgement, uint16_t payload_bytes)
{
    struct side *target = &sim->sides[side], *pretended = &sim->sides[!side];
    struct packet *packet = packet_alloc(target->pool);
    if (!packet || pretended->network.is_resolving) {
        if (packet)
            packet_free(packet);
        return;
    }
    struct network_flow flow = sim->flow; /* as the pretended sender sees it */
    if (side == 0) {
        memcpy(flow.local, sim->flow.remote, 16);
        memcpy(flow.remote, sim->flow.local, 16);
    }
    write_frame(packet, &pretended->network, &flow, end->connection, flags, sequence,
                acknowledgement, payload_bytes);
    if (test_network_accepts(&target->network, packet))
        tcp_input(target->stack, &packet, 1, sim->now_ns);
    else
        packet_free(packet);
}

static void forge_one(struct simulation *sim, enum trouble_kind kind)
{
    uint32_t side;
    struct endpoint *end = choose_open(sim, &side);
    if (!end)
        return;
    const struct tcp_connection *connection = end->connection;
    struct random *random = &sim->random;
    uint32_t room = connection->rcv_edge - connection->rcv_nxt;
    uint32_t behind = between(random, connection->rcv_edge + 1, 1u << 30);
    switch (kind) {
    case TROUBLE_FORGED_RESET:
        forge(sim, side, end, TCP_FLAG_RST,
              room > 1 ? between(random, connection->rcv_nxt + 1, room - 1) : behind, 0, 0);
        break;
    case TROUBLE_FORGED_SYN:
        forge(sim, side, end, TCP_FLAG_SYN,
              between(random, connection->rcv_nxt - 1000, 2000 + room), 0, 0);
        break;
    case TROUBLE_FORGED_ACK:
        forge(sim, side, end, TCP_FLAG_ACK, connection->rcv_nxt,
              random_chance(random, 500)
                  ? between(random, connection->snd_nxt + 1, 1u << 30)
                  : connection->snd_una - between(random, 1u << 22, 1u << 30),
              0);
        break;
    default:
        forge(sim, side, end, TCP_FLAG_ACK, behind, connection->snd_una,
              (uint16_t)between(random, 1, 500));
    }
}

/* ---- what lasts a while ---- */

static void end_what_lasts(struct simulation *sim)
{
    for (int index = 0; index < SIDES; index++) {
        struct network *network = &sim->sides[index].network;
        network->is_resolving = network->is_full = false;
        memcpy(network->next_hop_mac, sim->sides[!index].network.mac, 6);
        network->generation++;
    }
    sim->trouble.ends_ns = UINT64_MAX;
}

static void begin_to_last(struct simulation *sim, enum trouble_kind kind)
{
    struct network *network = &sim->sides[random_below(&sim->random, SIDES)].network;
    if (kind == TROUBLE_PORT_FULL) {
        network->is_full = true;
    } else if (kind == TROUBLE_NO_PATH) {
        network->is_resolving = true;
        network->generation++;
    } else {
        network->mac[0] = 2;
        network->mac[5]++;
        network->generation++;
    }
    if (sim->trouble.ends_ns == UINT64_MAX)
        sim->trouble.ends_ns = sim->now_ns + random_u64(&sim->random) % (3 * NS_PER_S);
}

static void narrow_path(struct simulation *sim)
{
    static const uint16_t mtus[] = {576, 800, 1280, 1400, 1500};
    uint32_t narrowest = sim->flow.ip_version == 6 ? 2 : 0; /* RFC 8200 5: 1280 always passes */
    uint32_t index = narrowest + random_below(&sim->random, ARRAY_COUNT(mtus) - narrowest);
    virtual_link_set_path_mtu(sim->link, mtus[index]);
}

/* Routers answer at once; some answers are lost. */
static void report_too_big(struct simulation *sim)
{
    struct virtual_link_too_big report;
    while (virtual_link_take_too_big(sim->link, &report)) {
        if (random_chance(&sim->random, sim->trouble.icmp_loss_permille))
            continue;
        struct network_flow flow = sim->flow;
        if (report.to == 1) {
            memcpy(flow.local, sim->flow.remote, 16);
            memcpy(flow.remote, sim->flow.local, 16);
        }
        tcp_icmp_error(sim->sides[report.to].stack, &flow, report.local_port, report.remote_port,
                       report.sequence, report.mtu, sim->now_ns);
    }
}

/* ---- ends that are torn away ---- */

static void tear(struct simulation *sim, bool vanishes)
{
    uint32_t index = random_below(&sim->random, sim->flow_count);
    uint32_t side = vanishes ? 0 : random_below(&sim->random, SIDES);
    struct endpoint *end = &sim->sides[side].ends[index];
    if (!end->connection || end->is_gone || end->is_excused ||
        end->connection->state == TCP_CLOSED || end->connection->state == TCP_TIME_WAIT)
        return;
    for (int each = 0; each < SIDES; each++)
        sim->sides[each].ends[index].is_excused = true;
    if (vanishes)
        virtual_link_cut(sim->link, (uint16_t)(CLIENT_PORT + index));
    tcp_abort(sim->sides[side].stack, end->connection);
}

static void run_one(struct simulation *sim, enum trouble_kind kind)
{
    switch (kind) {
    case TROUBLE_FORGED_RESET:
    case TROUBLE_FORGED_SYN:
    case TROUBLE_FORGED_ACK:
    case TROUBLE_FORGED_DATA:
        forge_one(sim, kind);
        break;
    case TROUBLE_PATH_MTU:
        narrow_path(sim);
        break;
    case TROUBLE_NEW_ADDRESS:
    case TROUBLE_NO_PATH:
    case TROUBLE_PORT_FULL:
        begin_to_last(sim, kind);
        break;
    case TROUBLE_CLOCK_JUMP:
        sim->now_ns +=
            random_u64(&sim->random) % (sim->trouble.has_jumped ? JUMP_NS_MAX : FIRST_JUMP_NS_MAX);
        sim->trouble.has_jumped = true;
        break;
    case TROUBLE_ABORT:
    case TROUBLE_VANISH:
        tear(sim, kind == TROUBLE_VANISH);
        break;
    case TROUBLE_KINDS:
        ASSERT(false);
    }
}

void trouble_run(struct simulation *sim)
{
    struct tcp_trouble *trouble = &sim->trouble;
    report_too_big(sim);
    if (sim->now_ns >= trouble->ends_ns)
        end_what_lasts(sim);
    if (sim->now_ns < trouble->next_ns)
        return;
    uint32_t kind;
    do
        kind = random_below(&sim->random, TROUBLE_KINDS);
    while (!(trouble->kinds & (1u << kind)));
    run_one(sim, (enum trouble_kind)kind);
    trouble->left--;
    trouble->next_ns = trouble->left > 0
                           ? sim->now_ns + 1 + random_u64(&sim->random) % (2 * trouble->mean_gap_ns)
                           : UINT64_MAX;
}

uint64_t trouble_next_ns(const struct tcp_trouble *trouble)
{
    return trouble->next_ns < trouble->ends_ns ? trouble->next_ns : trouble->ends_ns;
}
