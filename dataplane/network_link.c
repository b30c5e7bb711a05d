/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a port owes its link and needs from it: checking that its addresses are free, saying where
 * it is, joining its groups, finding a router. All of it is a chore that no packet waits for.
 */
#include <string.h>

#include "dataplane/arp.h"
#include "dataplane/ethernet.h"
#include "dataplane/mld.h"
#include "dataplane/nd.h"
#include "dataplane/network_state.h"
#include "include/clock.h"
#include "include/counters.h"

#define NEVER UINT64_MAX
#define CHECK_NS NS_PER_S          /* RFC 4861: RetransTimer; one try, as DupAddrDetectTransmits */
#define ANNOUNCE_NS (2 * NS_PER_S) /* RFC 5227 2.3 */
#define DEFEND_NS (10 * NS_PER_S)  /* RFC 5227 2.4 (c): not more often */
#define SOLICIT_NS (4 * NS_PER_S)  /* RFC 4861: RTR_SOLICITATION_INTERVAL */
#define SOLICITATIONS 3u
#define REPORT_DELAY_MS_MAX 10000u

/* The steps of a port that comes up. */
enum link_step {
    STEP_CHECK = 0,
    STEP_ANNOUNCE,
    STEP_ANNOUNCE_AGAIN,
};

static const uint8_t no_mac[6];
static const uint8_t no_address[16];
static const uint8_t all_routers[16] = {0xff, 2, [15] = 2};

/* ---- groups ---- */

static uint32_t groups_of(const struct network_port *port, uint8_t groups[MLD_GROUPS_MAX][16])
{
    ipv6_solicited_group_of(port->ipv6.global, groups[0]);
    ipv6_solicited_group_of(port->ipv6.link_local, groups[1]);
    return ipv6_equal(groups[0], groups[1]) ? 1 : 2; /* all nodes is never reported */
}

static void send_mld(struct network *network, uint8_t port_index, struct packet *packet,
                     const uint8_t source[16], const uint8_t group[16])
{
    uint8_t mac[6];
    ethernet_group_of_ipv6(group, mac);
    mld_write_router_alert(packet_prepend(packet, MLD_HOP_BY_HOP_BYTES));
    uint16_t payload_bytes = packet_first_bytes(packet);
    uint8_t *header = packet_prepend(packet, IPV6_HEADER_BYTES);
    ipv6_write(header, source, group, 0, 1);
    ipv6_finish(header, payload_bytes);
    network_send_frame(network, port_index, packet, ETHERNET_TYPE_IPV6, mac);
}

static void report_groups(struct network *network, uint8_t port_index, enum mld_record record,
                          const uint8_t source[16])
{
    uint8_t groups[MLD_GROUPS_MAX][16];
    struct packet *packet = network_own_packet(network);
    if (!packet)
        return;
    uint32_t count = groups_of(&network->ports[port_index], groups);
    uint8_t *out = packet_append(packet, 0);
    uint16_t bytes = mld_write_report(out, record, (const uint8_t(*)[16])groups, count, source);
    packet_append(packet, bytes);
    send_mld(network, port_index, packet, source, mld_routers);
}

static void report_groups1(struct network *network, uint8_t port_index)
{
    uint8_t groups[MLD_GROUPS_MAX][16];
    const struct network_port *port = &network->ports[port_index];
    uint32_t count = groups_of(port, groups);
    for (uint32_t i = 0; i < count; i++) {
        struct packet *packet = network_own_packet(network);
        if (!packet)
            return;
        mld_write_report1(packet_append(packet, MLD1_REPORT_BYTES), groups[i],
                          port->ipv6.link_local);
        send_mld(network, port_index, packet, port->ipv6.link_local, groups[i]);
    }
}

void network_group_query(struct network *network, uint8_t port_index, const struct mld_query *query)
{
    struct network_link *link = &network->ports[port_index].link;
    uint32_t delay_ms = query->delay_ms;
    if (delay_ms > REPORT_DELAY_MS_MAX)
        delay_ms = REPORT_DELAY_MS_MAX;
    uint64_t at_ns = network->now_ns + random_below(&network->random, delay_ms + 1) * NS_PER_MS;
    if (at_ns < link->report_at_ns)
        link->report_at_ns = at_ns;
    link->report_is_version1 = query->is_version1;
}

/* ---- our addresses ---- */

static void check_addresses(struct network *network, uint8_t port_index)
{
    struct network_port *port = &network->ports[port_index];
    struct packet *packet;
    if (!ipv4_is_zero(port->ipv4.address) && (packet = network_own_packet(network)))
        network_send_arp(network, port_index, packet, ARP_REQUEST, no_address, no_mac,
                         port->ipv4.address, ethernet_broadcast); /* RFC 5227 2.1.1: a probe */
    if (ipv6_is_zero(port->ipv6.global))
        return;
    report_groups(network, port_index, MLD_CHANGE_TO_EXCLUDE, no_address); /* to hear the answer */
    network_send_address_check(network, port_index, port->ipv6.link_local);
    if (!ipv6_equal(port->ipv6.global, port->ipv6.link_local))
        network_send_address_check(network, port_index, port->ipv6.global);
}

/* Gratuitous ARP and unsolicited advertisements: switches and old neighbours learn where we are. */
void network_announce(struct network *network, uint8_t port_index)
{
    struct network_port *port = &network->ports[port_index];
    struct packet *packet;
    uint8_t mac[6];
    if (!ipv4_is_zero(port->ipv4.address) && (packet = network_own_packet(network)))
        network_send_arp(network, port_index, packet, ARP_REQUEST, port->ipv4.address, no_mac,
                         port->ipv4.address, ethernet_broadcast);
    if (ipv6_is_zero(port->ipv6.global))
        return;
    ethernet_group_of_ipv6(ipv6_all_nodes, mac);
    if (!ipv6_equal(port->ipv6.global, port->ipv6.link_local))
        network_send_nd(network, port_index, ND_ADVERTISEMENT, ND_FLAG_OVERRIDE, port->ipv6.global,
                        port->ipv6.global, ipv6_all_nodes, mac);
    network_send_nd(network, port_index, ND_ADVERTISEMENT, ND_FLAG_OVERRIDE, port->ipv6.link_local,
                    port->ipv6.link_local, ipv6_all_nodes, mac);
    report_groups(network, port_index, MLD_CHANGE_TO_EXCLUDE, port->ipv6.link_local);
}

void network_mark_taken(struct network *network, uint8_t port_index, uint8_t ip_version)
{
    uint32_t bit = 1u << (port_index * 2 + (ip_version == 6));
    uint32_t taken = atomic_load_explicit(&network->taken, memory_order_relaxed);
    atomic_store_explicit(&network->taken, taken | bit, memory_order_relaxed); /* one writer */
}

void network_give_up_address(struct network *network, uint8_t port_index, uint8_t ip_version)
{
    struct network_port *port = &network->ports[port_index];
    if (ip_version == 4)
        memset(port->ipv4.address, 0, 4);
    else
        memset(port->ipv6.global, 0, 16);
    network_mark_taken(network, port_index, ip_version);
}

uint32_t network_addresses_taken(const struct network *network)
{
    return atomic_load_explicit(&network->taken, memory_order_relaxed);
}

bool network_is_checking(const struct network *network, uint8_t port_index)
{
    return network->now_ns < network->ports[port_index].link.check_until_ns;
}

/*
 * While we check, the other one was first and keeps the address (RFC 5227 2.1.1, RFC 4862 5.4.4);
 * later it is ours and we say so, now and then (RFC 5227 2.4).
 */
void network_conflict(struct network *network, uint8_t port_index, uint8_t ip_version)
{
    struct network_link *link = &network->ports[port_index].link;
    if (network_is_checking(network, port_index)) {
        count(network->counters, COUNTER_NETWORK_ADDRESSES_TAKEN);
        network_give_up_address(network, port_index, ip_version);
        if (!network->board)
            return;
        struct network_note note = {.kind = NETWORK_NOTE_ADDRESS_TAKEN};
        note.taken.port_index = port_index;
        note.taken.ip_version = ip_version;
        bulletin_post(network->board, network->worker_index, &note);
    } else if (network->now_ns >= link->defend_after_ns) {
        link->defend_after_ns = network->now_ns + DEFEND_NS;
        network_announce(network, port_index);
    }
}

/* ---- routers ---- */

static void solicit_router(struct network *network, uint8_t port_index)
{
    struct network_port *port = &network->ports[port_index];
    struct packet *packet = network_own_packet(network);
    uint8_t mac[6];
    if (!packet)
        return;
    ethernet_group_of_ipv6(all_routers, mac);
    nd_write_router_solicitation(packet_append(packet, ND_ROUTER_SOLICITATION_BYTES), port->mac,
                                 port->ipv6.link_local, all_routers);
    network_send_ipv6(network, port_index, packet, port->ipv6.link_local, all_routers, ND_HOP_LIMIT,
                      mac);
}

static void resolve_gateway6(struct network *network, uint8_t port_index)
{
    const struct network_port *port = &network->ports[port_index];
    struct neighbour_key key = {.ip_version = 6, .port_index = port_index};
    memcpy(key.ip, port->gateway6, 16);
    if (!ipv6_is_zero(port->ipv6.global) && !ipv6_is_zero(port->gateway6))
        neighbour_resolve(network->neighbours, &key, no_mac, true, network->now_ns);
}

static void change_gateway6(struct network *network, uint8_t port_index, const uint8_t router[16])
{
    struct network_port *port = &network->ports[port_index];
    struct neighbour_key key = {.ip_version = 6, .port_index = port_index};
    memcpy(key.ip, port->gateway6, 16);
    neighbour_unpin(network->neighbours, &key);
    memcpy(port->gateway6, router, 16);
    neighbour_change_generation(network->neighbours); /* headers that went the old way are wrong */
    resolve_gateway6(network, port_index);
}

/* RFC 4861 6.3.4: the first one heard is kept while it lasts. */
void network_take_router(struct network *network, const struct network_router *router)
{
    struct network_port *port = &network->ports[router->port_index];
    bool is_current = ipv6_equal(port->gateway6, router->address);
    if (!port->learns_router6)
        return;
    port->link.solicitations_left = 0;
    if (router->lifetime_s == 0) {
        if (is_current)
            change_gateway6(network, router->port_index, no_address);
        return;
    }
    if (!is_current && !ipv6_is_zero(port->gateway6))
        return;
    port->link.router_until_ns = network->now_ns + router->lifetime_s * NS_PER_S;
    if (!is_current)
        change_gateway6(network, router->port_index, router->address);
    if (router->mtu >= IPV6_MTU_MIN && router->mtu < port->mtu6) {
        port->mtu6 = router->mtu;
        neighbour_change_generation(network->neighbours);
    }
}

/* Expired, or not there any more though it said it would be (RFC 4861 6.3.6). */
static bool router_is_gone(const struct network *network, uint8_t port_index)
{
    const struct network_port *port = &network->ports[port_index];
    struct neighbour_key key = {.ip_version = 6, .port_index = port_index};
    if (ipv6_is_zero(port->gateway6))
        return false;
    memcpy(key.ip, port->gateway6, 16);
    const struct neighbour *neighbour = neighbour_find(network->neighbours, &key);
    return network->now_ns >= port->link.router_until_ns ||
           (neighbour && neighbour_is_silent(neighbour));
}

/*
 * The first worker alone asks, since one answer is enough for all: the worker whose queue it comes
 * to posts it on the bulletin board (router_input), and all others take it from there.
 */
static void look_after_router(struct network *network, uint8_t port_index)
{
    struct network_port *port = &network->ports[port_index];
    if (!port->learns_router6 || ipv6_is_zero(port->ipv6.global))
        return;
    if (router_is_gone(network, port_index)) {
        change_gateway6(network, port_index, no_address);
        port->link.solicitations_left = SOLICITATIONS;
    }
    if (port->link.solicitations_left > 0 && network->now_ns >= port->link.solicit_at_ns &&
        network->worker_index == 0) {
        port->link.solicitations_left--;
        port->link.solicit_at_ns = network->now_ns + SOLICIT_NS;
        solicit_router(network, port_index);
    }
}

/* ---- chores ---- */

/* Gateways are asked for before the first connection needs them. */
static void begin(struct network *network)
{
    for (uint8_t i = 0; i < network->port_count; i++) {
        struct network_port *port = &network->ports[i];
        struct neighbour_key key = {.ip_version = 4, .port_index = i};
        memcpy(key.ip, port->gateway4, 4);
        if (!ipv4_is_zero(port->ipv4.address) && !ipv4_is_zero(port->gateway4))
            neighbour_resolve(network->neighbours, &key, no_mac, true, network->now_ns);
        resolve_gateway6(network, i);
        port->link = (struct network_link){
            .next_step_ns = network->worker_index == 0 ? network->now_ns : NEVER,
            .step = network->checks_addresses ? STEP_CHECK : STEP_ANNOUNCE,
            .check_until_ns = network->checks_addresses ? network->now_ns + CHECK_NS : 0,
            .defend_after_ns = network->now_ns + DEFEND_NS, /* the first announcements do */
            .report_at_ns = NEVER,
            .solicitations_left = SOLICITATIONS,
        };
    }
}

static void take_step(struct network *network, uint8_t port_index)
{
    struct network_link *link = &network->ports[port_index].link;
    switch (link->step) {
    case STEP_CHECK:
        check_addresses(network, port_index);
        link->next_step_ns = network->now_ns + CHECK_NS;
        link->step = STEP_ANNOUNCE;
        break;
    case STEP_ANNOUNCE:
        network_announce(network, port_index);
        link->next_step_ns = network->now_ns + ANNOUNCE_NS;
        link->step = STEP_ANNOUNCE_AGAIN;
        break;
    default:
        network_announce(network, port_index);
        link->next_step_ns = NEVER;
        break;
    }
}

static void report_if_due(struct network *network, uint8_t port_index)
{
    struct network_port *port = &network->ports[port_index];
    if (network->now_ns < port->link.report_at_ns)
        return;
    port->link.report_at_ns = NEVER;
    if (ipv6_is_zero(port->ipv6.global))
        return;
    if (port->link.report_is_version1)
        report_groups1(network, port_index);
    else
        report_groups(network, port_index, MLD_IS_EXCLUDE, port->ipv6.link_local);
}

/* Called by the main thread: the cable is in again, perhaps in another switch. */
void network_link_came_up(struct network *network, uint8_t port_index)
{
    atomic_fetch_or_explicit(&network->links_up, 1u << port_index, memory_order_relaxed);
}

static void greet_again(struct network *network, uint8_t port_index)
{
    struct network_link *link = &network->ports[port_index].link;
    count(network->counters, COUNTER_NETWORK_LINK_UPS);
    neighbour_forget_port(network->neighbours, port_index, network->now_ns);
    link->step = STEP_ANNOUNCE;
    link->next_step_ns = network->now_ns;
    link->solicitations_left = SOLICITATIONS;
    slaac_doubt(&network->ports[port_index].slaac);
}

void network_do_chores(struct network *network)
{
    network->next_chores_ns = network->now_ns + NETWORK_CHORES_NS;
    if (!network->has_started)
        begin(network);
    network->has_started = true;
    uint32_t ups = atomic_load_explicit(&network->links_up, memory_order_relaxed);
    if (ups != 0)
        ups = atomic_exchange_explicit(&network->links_up, 0, memory_order_relaxed);
    for (uint8_t i = 0; i < network->port_count; i++) {
        if (ups >> i & 1)
            greet_again(network, i);
        if (network->now_ns >= network->ports[i].link.next_step_ns)
            take_step(network, i);
        report_if_due(network, i);
        look_after_router(network, i);
        network_age_formed(network, i);
    }
    network_expire_fragments(network);
}
