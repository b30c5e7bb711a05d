/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * network_state.h - the insides of struct network, shared by network.c (in) and
 *     network_output.c (out).
 *
 * Purpose:   private to these two files.
 * Ownership: see network.h.
 * Threading: one worker.
 * Units:     bytes; _ns monotone.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_NETWORK_STATE_H
#define GANNET_NETWORK_STATE_H

#include <stdalign.h>
#include <stdatomic.h>

#include "dataplane/bulletin.h"
#include "dataplane/ipv4.h"
#include "dataplane/ipv6.h"
#include "dataplane/neighbour.h"
#include "dataplane/network.h"
#include "dataplane/rate_limit.h"
#include "dataplane/slaac.h"
#include "include/capture_ring.h"
#include "include/random.h"

#define NETWORK_TX_TCP_ROOM 128u /* TCP sends no new segments with less room than this */
#define NETWORK_TX_FLUSH_AT 64u  /* the port gets packets this often while a round goes on */

#define NETWORK_CHORES_NS UINT64_C(20000000) /* what need not be done every round */

/* Coming up, staying known, finding a router: network_link.c. Times are UINT64_MAX for never. */
struct network_link {
    uint64_t next_step_ns;
    uint64_t check_until_ns; /* conflicts until then mean that an address is somebody else's */
    uint64_t defend_after_ns;
    uint64_t report_at_ns; /* groups, to the router that asked */
    uint64_t solicit_at_ns;
    uint64_t router_until_ns;
    uint8_t step;
    uint8_t solicitations_left;
    bool report_is_version1;
};

struct network_port {
    struct nic_queue *queue;
    struct dispatch *dispatch;
    struct kernel_path *kernel;
    uint32_t offloads;
    uint16_t mtu;
    uint16_t vlan;
    uint8_t mac[6];
    uint8_t link_header_bytes; /* 14 or 18 */
    uint8_t ipv4_prefix_bits;
    uint8_t ipv6_prefix_bits;
    struct ipv4_addresses ipv4;
    struct ipv6_addresses ipv6;
    uint8_t gateway4[4];
    uint8_t gateway6[16];
    uint16_t mtu6; /* at most mtu: routers may say so */
    bool learns_router6;
    bool forms_address6;
    struct network_link link;
    struct slaac slaac;
    uint32_t tx_first, tx_end; /* those that wait, in order */
    uint32_t tx_captured;      /* so many of the first that wait were captured already */
    bool is_full;              /* it did not take all it was given last */
    struct packet *tx[NETWORK_TX_BATCH];
};

struct network {
    alignas(CACHE_LINE_BYTES) uint64_t now_ns; /* of the last call that was given one */
    struct counters *counters;
    struct neighbour_table *neighbours;
    uint32_t port_count;
    uint32_t worker_index;
    struct rte_mempool *pool;
    struct bulletin_board *board;
    struct bulletin_reader *reader;
    struct capture_ring *capture; /* of no room and never on, when there is none */
    struct rate_limit echo_limit;
    struct rate_limit error_limit;
    struct ip_fragments *fragments; /* NULL: fragments are dropped */
    uint32_t fragment_id;           /* of the next datagram that leaves in pieces */
    uint64_t next_chores_ns;
    bool has_started;
    bool checks_addresses;
    struct random random;
    _Atomic uint32_t links_up;   /* ports whose link came up, set by the main thread */
    _Atomic uint32_t taken;      /* addresses given up: bit port * 2, one more for IPv6 */
    _Atomic uint32_t deprecated; /* ports whose formed address is */
    _Atomic uint64_t formed_prefixes[NETWORK_PORTS_MAX]; /* as in memory; zero: nothing is formed */
    uint32_t icmp_error_count;
    struct network_icmp_error icmp_errors[NETWORK_ICMP_ERRORS_MAX];
    struct network_port ports[NETWORK_PORTS_MAX];
};

/* What travels on the bulletin board. */
enum network_note_kind {
    NETWORK_NOTE_NEIGHBOUR = 1,
    NETWORK_NOTE_ICMP_ERROR,
    NETWORK_NOTE_ADDRESS_TAKEN,
    NETWORK_NOTE_ROUTER,
    NETWORK_NOTE_PREFIX,
};

struct network_router {
    uint8_t port_index;
    uint16_t lifetime_s;
    uint16_t mtu; /* 0: it does not say */
    uint8_t address[16];
};

struct network_prefix {
    uint8_t port_index;
    struct nd_prefix prefix;
};

struct network_taken {
    uint8_t port_index;
    uint8_t ip_version;
    uint8_t formed[16]; /* zero: it is the configured one */
};

struct network_note {
    uint8_t kind; /* enum network_note_kind */
    union {
        struct neighbour_news neighbour;
        struct network_icmp_error icmp_error;
        struct network_router router;
        struct network_prefix prefix;
        struct network_taken taken;
        uint8_t bytes[BULLETIN_NOTE_BYTES - 4];
    };
};
static_assert(sizeof(struct network_note) == BULLETIN_NOTE_BYTES, "one note");

/* The one place where a received frame dies: one count, one free. */
static inline void network_drop(struct network *network, struct packet *frame, enum drop_reason why)
{
    count_drop(network->counters, why);
    packet_free(frame);
}

/* ---- network_output.c ---- */

/* Ethernet and IP in front of `packet`, which holds `transport_bytes` of payload, and off it goes.
 */
void network_send_ipv4(struct network *network, uint8_t port_index, struct packet *packet,
                       const uint8_t source[4], const uint8_t destination[4], uint8_t protocol,
                       const uint8_t mac[6]);
void network_send_ipv6(struct network *network, uint8_t port_index, struct packet *packet,
                       const uint8_t source[16], const uint8_t destination[16], uint8_t hop_limit,
                       const uint8_t mac[6]);
void network_send_arp(struct network *network, uint8_t port_index, struct packet *packet,
                      uint16_t operation, const uint8_t source_ip[4], const uint8_t target_mac[6],
                      const uint8_t target_ip[4], const uint8_t mac[6]);
/* Ethernet in front of a packet that is complete from IP on, and off it goes. */
void network_send_frame(struct network *network, uint8_t port_index, struct packet *packet,
                        uint16_t type, const uint8_t mac[6]);
void network_send_nd(struct network *network, uint8_t port_index, uint8_t type, uint8_t flags,
                     const uint8_t target[16], const uint8_t source[16],
                     const uint8_t destination[16], const uint8_t mac[6]);
/* Duplicate address detection asks for an address of our own. */
void network_send_address_check(struct network *network, uint8_t port_index,
                                const uint8_t target[16]);
/* NULL, and counted, when the pool is empty. */
struct packet *network_own_packet(struct network *network);
/* Neighbour news, own or another worker's: the table, and packets that waited. */
bool network_learn(struct network *network, const struct neighbour_news *news);
void network_raise_icmp_error(struct network *network, const struct network_icmp_error *error);

/* ---- network_capture.c ---- */

struct capture_ring *network_capture_or_none(struct capture_ring *ring);
/* Only while capture_ring_may_be_on; the frames stay what and whose they are. */
void network_capture(struct network *network, uint8_t port_index, enum capture_direction direction,
                     struct packet *const *frames, uint32_t frame_count);

/* ---- network_link.c ---- */

struct mld_query;

void network_do_chores(struct network *network);
void network_group_query(struct network *network, uint8_t port_index,
                         const struct mld_query *query);
/* Somebody else uses one of our addresses. */
void network_conflict(struct network *network, uint8_t port_index, uint8_t ip_version);
bool network_is_checking(const struct network *network, uint8_t port_index);
void network_give_up_address(struct network *network, uint8_t port_index, uint8_t ip_version);
void network_mark_taken(struct network *network, uint8_t port_index, uint8_t ip_version);
void network_take_router(struct network *network, const struct network_router *router);
/* Tells the link where our addresses are. */
void network_announce(struct network *network, uint8_t port_index);

/* ---- network_slaac.c ---- */

void network_take_prefix(struct network *network, const struct network_prefix *heard);
/* Is it an address that we are about to use, if nobody else does? */
bool network_is_checking_formed(const struct network_port *port, const uint8_t ip[16]);
void network_formed_conflict(struct network *network, uint8_t port_index, const uint8_t ip[16]);
void network_give_up_formed(struct network *network, uint8_t port_index, const uint8_t ip[16]);
void network_age_formed(struct network *network, uint8_t port_index);

/* ---- network_errors.c ---- */

/* An ICMP error about a packet that is about to be dropped; `where` is its IP header's offset. */
struct network_complaint {
    const struct packet *packet;
    uint16_t network_offset;
    uint8_t port_index;
    uint8_t ip_version;
    uint8_t type, code;
    uint32_t parameter;
};

void network_complain(struct network *network, const struct network_complaint *complaint);

/* ---- network_fragments.c ---- */

struct ip_fragment;

/* Consumes a fragment; NULL while its datagram is not whole. */
struct packet *network_reassemble(struct network *network, struct packet *packet,
                                  const struct ip_fragment *where);
void network_expire_fragments(struct network *network);
/* Consumes a chain: answers an echo request in the pieces it came in, drops everything else. */
void network_echo_long(struct network *network, uint8_t port_index, struct packet *whole,
                       uint8_t ip_version, uint16_t network_offset);

#endif
