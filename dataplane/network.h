/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * network.h - everything below TCP, as TCP and the core loop see it: frames in, segments out,
 *     paths to peers.
 *
 * Purpose:   validates Ethernet, VLAN and IP; answers ARP, neighbour discovery and echo in place;
 *            hands TCP segments up as a batch and ready-made headers down; batches what is sent.
 * Ownership: network_input consumes every frame: what it returns in `segments` belongs to the
 *            caller, the rest was answered or dropped and counted. network_transmit consumes its
 *            packet.
 * Threading: one struct network per worker, used by that worker alone. Workers tell each other
 *            about neighbours and ICMP errors through struct bulletin_board (bulletin.h).
 * Units:     bytes; _ns monotone, passed in.
 * Errors:    frames that die are counted once in drop_reasons.def; packets the port does not take
 *            wait, in order, for the next round; those beyond a fixed number are counted as
 *            PORT_TX_REFUSED and freed.
 * Source:    RFC 894, 826, 5227 (ARP), 791, 792, 1122 (IPv4), 8200, 4443, 4861 (IPv6).
 */
#ifndef GANNET_NETWORK_H
#define GANNET_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/nic.h"
#include "dataplane/packet.h"
#include "include/key_hash.h"

struct bulletin_board;
struct capture_ring;
struct counters;
struct dispatch;
struct kernel_path;
struct network;
struct rte_mempool;

#define NETWORK_PORTS_MAX 8u
#define NETWORK_HEADER_BYTES_MAX 60u /* Ethernet 14 + VLAN 4 + IPv6 40 = 58 */
#define NETWORK_TX_BATCH 1024u       /* packets that may wait for a port; more are dropped */
#define NETWORK_ICMP_ERRORS_MAX 32u  /* handed up per round; more are dropped and counted */

/* One port as one worker sees it. Addresses in network order; all zero is "none". */
struct network_port_config {
    struct nic_queue *queue;    /* this worker's, or its owner's when `dispatch` is set */
    struct dispatch *dispatch;  /* NULL when every worker has a queue of its own (dispatch.h) */
    struct kernel_path *kernel; /* NULL: what is not ours is dropped (kernel_path.h) */
    uint16_t mtu;
    uint16_t vlan; /* 0: untagged */
    uint8_t ipv4[4];
    uint32_t ipv4_further; /* addresses after ipv4 that are ours too */
    uint8_t gateway4[4];
    uint8_t ipv4_prefix_bits;
    uint8_t ipv6_prefix_bits;
    uint8_t ipv6[16];
    uint8_t gateway6[16];
    bool learns_router6; /* gateway6 comes from router advertisements */
    bool forms_address6; /* and so does the address: slaac.h */
};

struct network_config {
    const struct network_port_config *ports; /* copied */
    uint32_t port_count;
    uint32_t worker_index;
    uint32_t neighbour_count;  /* entries of the neighbour table; config network.neighbours */
    bool checks_addresses;     /* before the first announcement: network.address_check */
    uint32_t fragment_packets; /* network.fragment_packets; 0: fragments are dropped */
    uint64_t fragment_timeout_ns;
    uint32_t icmp_per_s; /* echo replies and ICMP errors per second; config network.icmp_per_s */
    struct rte_mempool *pool;     /* this worker's packets */
    struct counters *counters;    /* this worker's block */
    struct bulletin_board *board; /* shared by all workers; NULL for a single one */
    struct capture_ring *capture; /* this worker's, outlives it; NULL: nothing can be captured */
    struct siphash_key key;       /* per boot */
    uint64_t random_seed;
};

/* NULL when memory is short. Unresolved packets still queued are freed by network_destroy. */
struct network *network_create(const struct network_config *config);
void network_destroy(struct network *network);

/* What a reload may change. */
void network_use_icmp_rate(struct network *network, uint32_t icmp_per_s);

/* ---- receive ---- */

/* Up to `limit` frames of one port, straight from its queue or through software dispatch. */
uint32_t network_receive(struct network *network, uint8_t port_index, struct packet **frames,
                         uint32_t limit);

/* Does something wait for a port or in a ring of dispatch? Asked before a worker sleeps. */
bool network_has_work(const struct network *network);

/*
 * Consumes `count` frames (at most NIC_BURST_MAX) received on `port_index`. TCP segments come out
 * in `segments` (room for `count`), in order, with packet->rx.{network_offset, transport_offset,
 * ip_version, port_index} set and rx.payload_bytes = bytes of the TCP segment, header and data, as
 * IP says: padding is trimmed off. At least 20 bytes of TCP header are there, contiguous.
 */
uint32_t network_input(struct network *network, uint8_t port_index, struct packet **frames,
                       uint32_t count, uint64_t now_ns, struct packet **segments);

/*
 * A segment for a port that nobody listens on: true when the kernel serves it on our addresses. The
 * segment, which must be as network_input returned it, is consumed then.
 */
bool network_give_to_kernel(struct network *network, struct packet *segment, uint16_t tcp_port);

/* Who talks to whom, without ports. IPv4 addresses are in the first 4 bytes, the rest is zero. */
struct network_flow {
    uint8_t ip_version; /* 4 or 6 */
    uint8_t port_index;
    uint8_t local[16];
    uint8_t remote[16];
    uint8_t peer_mac[6]; /* source of the frame that opened the connection: used while resolving;
                            zero: unknown */
};

/* Fills the flow of the answer to a segment that network_input returned. */
void network_flow_of(const struct packet *segment, struct network_flow *flow);

/* An ICMP error about one of our segments. TCP must check `sequence` against its window (RFC 5927).
 */
struct network_icmp_error {
    struct network_flow flow; /* peer_mac is zero */
    uint16_t local_port, remote_port;
    uint32_t sequence;
    uint16_t
        new_mtu; /* packet too big: the MTU to use from now on; 0: unreachable (a soft error) */
};

/* The errors that this round's network_input and network_timers collected; emptied by the call. */
uint32_t network_take_icmp_errors(struct network *network, struct network_icmp_error *out,
                                  uint32_t limit);

/* ---- send ---- */

enum network_path_status {
    NETWORK_PATH_READY = 0,
    /* Resolution has started. The header is usable all the same: it carries peer_mac, or, when that
     * is unknown, the zero address, which makes network_transmit hold the packet (3 per neighbour).
     */
    NETWORK_PATH_RESOLVING,
    NETWORK_PATH_NONE, /* no address of that version on the port, or no gateway: cannot be sent */
};

/* Ethernet, VLAN and IP in front of a TCP segment. */
struct network_header {
    uint8_t
        bytes[NETWORK_HEADER_BYTES_MAX]; /* IPv4: DF set, TTL 64; length, id, checksum are zero */
    uint8_t header_bytes;                /* Ethernet + VLAN + IP */
    uint8_t network_offset;              /* 14 or 18: the mbuf's l2_len */
    uint8_t ip_version;
    /* Sum of both addresses and the protocol, in memory order (checksum.h): add the TCP length as a
     * big-endian word and the segment itself. */
    uint32_t pseudo_sum;
};

enum network_path_status network_path(struct network *network, const struct network_flow *flow,
                                      struct network_header *out);

/*
 * The link address for an answer to somebody who may not exist (SYN-ACK, RST): nobody is asked for
 * it, and no neighbour is remembered. True: it is the one network_path would give, and ready; else
 * the answer goes where the question came from, to flow->peer_mac.
 */
bool network_answer_mac(struct network *network, const struct network_flow *flow, uint8_t mac[6]);

/* Changes when a header that network_path gave out may have become wrong: ask again. */
uint32_t network_generation(const struct network *network);

/*
 * Appends to what waits for the port, which gets it now and then. Consumes the packet.
 * is_addressed: the caller knows that the link address in it is not zero, so that a frame just
 * written is not read.
 */
void network_transmit(struct network *network, uint8_t port_index, struct packet *packet,
                      bool is_addressed);

/*
 * False: the port does not take what it is given; new segments should wait where they are. A part
 * of the room is kept for what cannot wait: acknowledgements, resets, answers to ARP and echo.
 */
bool network_has_room(const struct network *network, uint8_t port_index);

/* End of a round: hands everything that waits to its port. */
void network_flush(struct network *network);

/* Packets that wait for the port: more than 63 only when it is full. */
uint32_t network_unsent(const struct network *network, uint8_t port_index);

uint32_t network_offloads(const struct network *network, uint8_t port_index); /* enum nic_offload */
/* The largest IP packet; routers may lower that of IPv6, and then the generation changes. */
uint16_t network_mtu(const struct network *network, uint8_t port_index, uint8_t ip_version);
uint32_t network_port_count(const struct network *network);

/* ---- time ---- */

/*
 * From the main thread. Addresses that another station had first, given up: bit port * 2 for IPv4,
 * one more for IPv6. And: a port's link came up, so everybody is told again where we are.
 */
uint32_t network_addresses_taken(const struct network *network);
void network_link_came_up(struct network *network, uint8_t port_index);

/* From the main thread. The address that a port formed of a prefix; false: it has none. */
bool network_formed_address(const struct network *network, uint8_t port_index, uint8_t out[16],
                            bool *is_deprecated);

/* Once per round: neighbours' retries and ageing, announcements at start, news from other workers.
 * Bounded work per call. */
void network_timers(struct network *network, uint64_t now_ns);

#endif
