/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The addresses that a port forms from its router's advertisements: slaac.c decides, this one asks
 * the link, tells it and the other workers, and puts the addresses where packets are looked at.
 * Every worker hears of every prefix and keeps time itself; the first of them speaks for all.
 */
#include <string.h>

#include "dataplane/bulletin.h"
#include "dataplane/network_state.h"
#include "include/clock.h"
#include "include/counters.h"

#define CHECK_NS NS_PER_S /* RFC 4862 5.4: one question, RetransTimer for the answer */
#define ON_LINK_BITS 64u
#define NOT_ON_LINK_BITS 128u /* its neighbours are reached through the router */

void network_take_prefix(struct network *network, const struct network_prefix *heard)
{
    struct network_port *port = &network->ports[heard->port_index];
    uint64_t check_ns = network->checks_addresses ? CHECK_NS : 0;
    if (!port->forms_address6 || ipv6_is_zero(port->ipv6.global)) /* the link-local one is taken */
        return;
    bool is_new =
        slaac_hear(&port->slaac, &heard->prefix, port->ipv6.link_local, network->now_ns, check_ns);
    if (is_new && network->checks_addresses && network->worker_index == 0)
        network_send_address_check(network, heard->port_index, port->slaac.next.ip);
}

bool network_is_checking_formed(const struct network_port *port, const uint8_t ip[16])
{
    return port->forms_address6 && slaac_is_checking(&port->slaac, ip);
}

/* ---- use ---- */

static void use_addresses(struct network *network, struct network_port *port)
{
    const struct slaac *slaac = &port->slaac;
    bool has_current = !ipv6_is_zero(slaac->current.ip);
    memcpy(port->ipv6.global, has_current ? slaac->current.ip : port->ipv6.link_local, 16);
    memcpy(port->ipv6.former, slaac->former.ip, 16);
    port->ipv6.has_former = !ipv6_is_zero(slaac->former.ip);
    port->ipv6_prefix_bits = slaac->current.is_on_link ? ON_LINK_BITS : NOT_ON_LINK_BITS;
    neighbour_change_generation(network->neighbours); /* who is on the link may be another matter */
}

/* For the main thread, which logs it: the second half of the address is the link-local one's. */
static void publish(struct network *network, uint8_t port_index)
{
    const struct slaac *slaac = &network->ports[port_index].slaac;
    uint64_t prefix;
    uint32_t bit = 1u << port_index;
    uint32_t others = atomic_load_explicit(&network->deprecated, memory_order_relaxed) & ~bit;
    uint32_t own = slaac_is_deprecated(slaac, network->now_ns) ? bit : 0;
    memcpy(&prefix, slaac->current.ip, 8);
    atomic_store_explicit(&network->deprecated, others | own, memory_order_relaxed);
    atomic_store_explicit(&network->formed_prefixes[port_index], prefix, memory_order_relaxed);
}

bool network_formed_address(const struct network *network, uint8_t port_index, uint8_t out[16],
                            bool *is_deprecated)
{
    uint64_t prefix =
        atomic_load_explicit(&network->formed_prefixes[port_index], memory_order_relaxed);
    uint32_t deprecated = atomic_load_explicit(&network->deprecated, memory_order_relaxed);
    memcpy(out, &prefix, 8);
    memcpy(out + 8, network->ports[port_index].ipv6.link_local + 8, 8);
    *is_deprecated = deprecated >> port_index & 1;
    return prefix != 0;
}

void network_age_formed(struct network *network, uint8_t port_index)
{
    struct network_port *port = &network->ports[port_index];
    if (!port->forms_address6 || ipv6_is_zero(port->ipv6.global))
        return;
    bool has_changed = slaac_age(&port->slaac, network->now_ns);
    bool is_on_link = port->ipv6_prefix_bits == ON_LINK_BITS;
    if (has_changed || is_on_link != port->slaac.current.is_on_link)
        use_addresses(network, port);
    if (has_changed && network->worker_index == 0)
        network_announce(network, port_index);
    publish(network, port_index);
}

/* ---- conflicts ---- */

void network_give_up_formed(struct network *network, uint8_t port_index, const uint8_t ip[16])
{
    struct network_port *port = &network->ports[port_index];
    if (slaac_refuse(&port->slaac, ip))
        use_addresses(network, port);
    network_mark_taken(network, port_index, 6);
}

void network_formed_conflict(struct network *network, uint8_t port_index, const uint8_t ip[16])
{
    struct network_note note = {.kind = NETWORK_NOTE_ADDRESS_TAKEN};
    count(network->counters, COUNTER_NETWORK_ADDRESSES_TAKEN);
    network_give_up_formed(network, port_index, ip);
    if (!network->board)
        return;
    note.taken.port_index = port_index;
    note.taken.ip_version = 6;
    memcpy(note.taken.formed, ip, 16);
    bulletin_post(network->board, network->worker_index, &note);
}
