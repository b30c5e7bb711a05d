/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_frame.h"

#include <string.h>

#include "dataplane/checksum.h"
#include "dataplane/packet_build.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_options.h"
#include "dataplane/tcp_output.h"
#include "include/byte_order.h"

#define TCP_HEADER_BYTES 20u
#define IPV4_HEADER_BYTES 20u
#define IPV6_HEADER_BYTES 40u
#define PROTOCOL_TCP 6u
#define SEGMENTATION_BYTES_MAX 65000u

/* The header as words, each as it goes on the wire. */
struct ON_THE_WIRE tcp_wire {
    uint32_t ports, sequence, acknowledgement, flags_and_window;
    uint16_t checksum; /* in memory order */
    uint16_t urgent;
};

static_assert(sizeof(struct tcp_wire) == TCP_HEADER_BYTES, "as on the wire");

/* Everything about one frame but its payload. */
struct frame_plan {
    const struct network_header *path; /* all of it but what follows */
    const uint8_t *mac;
    uint32_t local_word, remote_word;        /* IPv4 addresses, in memory order */
    const struct tcp_addresses6 *addresses6; /* IPv6's */
    uint32_t ip_sum, pseudo_sum;             /* with the addresses */
    uint32_t payload_bytes;
    uint16_t local_port, remote_port;
    uint32_t sequence, acknowledgement;
    uint32_t timestamp_value, timestamp_echo;
    uint16_t window; /* as it goes on the wire */
    uint8_t flags;
    bool has_timestamps;
    uint8_t more_option_bytes; /* behind the timestamps */
    uint8_t more_options[TCP_OPTION_BYTES_MAX];
};

static inline uint32_t plan_tcp_bytes(const struct frame_plan *plan)
{
    return TCP_HEADER_BYTES + (plan->has_timestamps ? TCP_TIMESTAMP_BYTES : 0) +
           plan->more_option_bytes;
}

static inline uint32_t plan_header_bytes(const struct frame_plan *plan)
{
    return plan->path->header_bytes + plan_tcp_bytes(plan);
}

/* ---- path ---- */

/* The header without its addresses, for all connections of the port. */
static void template_keep(struct tcp_template *template, const struct network_header *header)
{
    bool is_ipv4 = header->ip_version == 4;
    template->header = *header;
    uint8_t *ip = template->header.bytes + header->network_offset;
    memset(ip + (is_ipv4 ? 12 : 8), 0, is_ipv4 ? 8 : 32);
    template->header.pseudo_sum = checksum_add_number(0, PROTOCOL_TCP);
    template->ip_sum = is_ipv4 ? checksum_add(0, ip, IPV4_HEADER_BYTES) : 0;
}

/* True: segments must be smaller now, since the link takes less (RFC 4861 4.6.4). */
static NO_INLINE bool path_refresh(struct tcp_stack *stack, struct tcp_connection *connection,
                                   struct tcp_cold *cold)
{
    uint16_t mss_before = connection->mss_bytes;
    struct network_flow flow;
    struct network_header fresh;
    tcp_flow_of(stack, connection, &flow);
    enum network_path_status status = network_path(stack->network, &flow, &fresh);
    cold->path_ready = status == NETWORK_PATH_READY;
    if (status != NETWORK_PATH_NONE) {
        memcpy(cold->next_hop_mac, fresh.bytes, sizeof(cold->next_hop_mac));
        cold->path_known = true;
        template_keep(connection_template(stack, connection, cold), &fresh);
    }
    if (status == NETWORK_PATH_READY)
        cold->network_generation = network_generation(stack->network);
    if (connection->state < TCP_ESTABLISHED) /* what the peer takes is not known yet */
        return false;
    tcp_mss_update(stack, connection);
    return connection->mss_bytes < mss_before;
}

static inline bool path_is_usable(struct tcp_stack *stack, struct tcp_connection *connection,
                                  struct tcp_cold *cold)
{
    if (UNLIKELY(cold->network_generation != network_generation(stack->network)))
        path_refresh(stack, connection, cold);
    return LIKELY(cold->path_known);
}

/* Also false when `packet` was cut for segments larger than now: it is cut anew next round. */
static inline bool path_takes(struct tcp_stack *stack, struct tcp_connection *connection,
                              struct tcp_cold *cold, const struct packet *packet)
{
    if (UNLIKELY(cold->network_generation != network_generation(stack->network)) &&
        path_refresh(stack, connection, cold) && packet->tx.payload_bytes > connection->mss_bytes) {
        connection_wants_output(stack, connection);
        return false;
    }
    return LIKELY(cold->path_known);
}

/* ---- headers ---- */

static inline void write_ip(uint8_t *at, const struct frame_plan *plan, uint32_t ip_payload_bytes)
{
    uint8_t *ip = at + plan->path->network_offset;
    if (LIKELY(plan->path->ip_version == 4)) {
        uint16_t total = (uint16_t)(IPV4_HEADER_BYTES + ip_payload_bytes);
        be16_t wire = be16_make(total);
        memcpy(ip + 2, &wire, sizeof(wire));
        memcpy(ip + 12, &plan->local_word, 4);
        memcpy(ip + 16, &plan->remote_word, 4);
        uint16_t checksum = checksum_finish(checksum_add_number(plan->ip_sum, total));
        memcpy(ip + 10, &checksum, sizeof(checksum));
    } else {
        be16_t wire = be16_make((uint16_t)ip_payload_bytes);
        memcpy(ip + 4, &wire, sizeof(wire));
        memcpy(ip + 8, plan->addresses6, sizeof(*plan->addresses6));
    }
}

/* A frame's TCP header: where it is, and the sum of everything in it and in the pseudo header. */
struct written_header {
    struct tcp_wire *tcp;
    uint64_t sum; /* the checksum field counted as zero */
};

/* Headers as the plan says. Sums come from registers: what was just stored is not read again. */
static ALWAYS_INLINE struct written_header write_headers(uint8_t *at, const struct frame_plan *plan)
{
    const struct network_header *path = plan->path;
    /* Ethernet and IPv4 are 34 bytes; the buffer has room for whole vectors. */
    memcpy(at, path->bytes, 36);
    if (UNLIKELY(path->header_bytes > 36))
        memcpy(at + 36, path->bytes + 36, path->header_bytes - 36u);
    memcpy(at, plan->mac, 6);
    uint32_t tcp_bytes = plan_tcp_bytes(plan);
    write_ip(at, plan, tcp_bytes + plan->payload_bytes);
    struct tcp_wire *tcp = (struct tcp_wire *)(at + path->header_bytes);
    struct tcp_wire header = {
        .ports = __builtin_bswap32((uint32_t)plan->local_port << 16 | plan->remote_port),
        .sequence = __builtin_bswap32(plan->sequence),
        .acknowledgement = __builtin_bswap32(plan->acknowledgement),
        .flags_and_window =
            __builtin_bswap32(tcp_bytes << 26 | (uint32_t)plan->flags << 16 | plan->window),
    };
    *tcp = header;
    uint64_t sum = (uint64_t)plan->pseudo_sum + header.ports + header.sequence +
                   header.acknowledgement + header.flags_and_window;
    sum += __builtin_bswap16((uint16_t)(tcp_bytes + plan->payload_bytes));
    uint8_t *options = (uint8_t *)tcp + TCP_HEADER_BYTES;
    if (LIKELY(plan->has_timestamps)) {
        tcp_options_write_timestamps(options, plan->timestamp_value, plan->timestamp_echo);
        sum += TCP_TIMESTAMP_HEAD_SUM + (uint64_t)__builtin_bswap32(plan->timestamp_value) +
               __builtin_bswap32(plan->timestamp_echo);
        options += TCP_TIMESTAMP_BYTES;
    }
    if (UNLIKELY(plan->more_option_bytes > 0)) {
        memcpy(options, plan->more_options, plan->more_option_bytes);
        sum += checksum_add(0, plan->more_options, plan->more_option_bytes);
    }
    return (struct written_header){.tcp = tcp, .sum = sum};
}

/* Of the payload, which begins `skip` bytes into the first buffer. */
static uint32_t chain_sum(const struct packet *packet, uint32_t skip)
{
    uint32_t sum = 0;
    bool is_odd = false;
    for (; packet; packet = packet_chain_next(packet)) {
        uint32_t length = packet_first_bytes(packet) - skip;
        uint32_t part = checksum_add(0, packet_data(packet) + skip, length);
        sum += is_odd ? checksum_swap(part) : part;
        is_odd ^= length & 1;
        skip = 0;
    }
    return sum;
}

static inline bool port_sums(const struct tcp_stack *stack, uint8_t port_index)
{
    return network_offloads(stack->network, port_index) & NIC_TX_TCP_CHECKSUM;
}

/* The port computes the checksum and, when there is more than one segment, cuts them. */
static void leave_checksum(struct packet *frame, struct tcp_wire *tcp,
                           const struct frame_plan *plan, uint32_t segment_bytes)
{
    const struct network_header *path = plan->path;
    uint32_t tcp_bytes = plan_tcp_bytes(plan);
    packet_offload_checksum(frame, path->ip_version, path->network_offset,
                            (uint8_t)(path->header_bytes - path->network_offset),
                            (uint8_t)tcp_bytes);
    bool is_cut = plan->payload_bytes > segment_bytes;
    uint32_t sum = plan->pseudo_sum;
    if (UNLIKELY(is_cut)) {
        packet_offload_segmentation(frame, (uint16_t)segment_bytes);
        if (path->ip_version == 4)
            memset((uint8_t *)tcp - IPV4_HEADER_BYTES + 10, 0, 2);
    } else { /* each cut segment's length is added by the port */
        sum = checksum_add_number(sum, (uint16_t)(tcp_bytes + plan->payload_bytes));
    }
    tcp->checksum = (uint16_t)~checksum_finish(sum);
}

static inline void write_checksum(struct packet *frame, const struct written_header *header,
                                  uint32_t payload_sum)
{
    packet_offload_none(frame);
    header->tcp->checksum = checksum_finish(checksum_reduce(header->sum + payload_sum));
}

/* A frame without payload is complete but for its TCP checksum. */
static inline void finish_bare(struct tcp_stack *stack, uint8_t port_index, struct packet *frame,
                               const struct written_header *header, const struct frame_plan *plan)
{
    if (port_sums(stack, port_index))
        leave_checksum(frame, header->tcp, plan, UINT16_MAX);
    else
        write_checksum(frame, header, 0);
}

static inline struct packet *packet_or_count(struct tcp_stack *stack)
{
    struct packet *packet = stack_packet_alloc(stack);
    if (UNLIKELY(!packet))
        count(stack->counters, COUNTER_PACKET_ALLOCATION_FAILED);
    return packet;
}

/* ---- what a connection says in its header ---- */

/* The window to announce; the promised edge only moves right, and not by silly amounts. */
static inline uint16_t window_field(struct tcp_stack *stack, struct tcp_connection *connection,
                                    bool is_syn)
{
    uint32_t room = connection_receive_room(stack, connection);
    uint32_t edge = connection->rcv_nxt + room;
    uint32_t growth = edge - connection->rcv_edge;
    uint32_t worth = u32_min(connection->mss_bytes, stack->receive_window_bytes / 4);
    if ((int32_t)growth > 0 && growth >= worth)
        connection->rcv_edge = edge;
    uint32_t offered = connection->rcv_edge - connection->rcv_nxt;
    if (UNLIKELY(is_syn)) { /* never scaled (RFC 7323 2.2) */
        offered = u32_min(offered, UINT16_MAX);
        connection->rcv_edge = connection->rcv_nxt + offered;
        return (uint16_t)offered;
    }
    uint32_t scale = connection_own_scale(connection);
    uint32_t field = (offered + (1u << scale) - 1) >> scale; /* up: the edge must not move left */
    if (UNLIKELY(field > UINT16_MAX))
        field = UINT16_MAX;
    if ((field << scale) > offered)
        connection->rcv_edge = connection->rcv_nxt + (field << scale);
    return (uint16_t)field;
}

static inline uint32_t word_sum(uint32_t word)
{
    return (word & 0xffff) + (word >> 16);
}

static inline void plan_path(struct tcp_stack *stack, const struct tcp_connection *connection,
                             const struct tcp_cold *cold, struct frame_plan *plan)
{
    const struct tcp_template *template = connection_template(stack, connection, cold);
    uint32_t addresses_sum = word_sum(connection->local_word) + word_sum(connection->remote_word);
    plan->path = &template->header;
    plan->mac = cold->next_hop_mac;
    plan->local_word = connection->local_word;
    plan->remote_word = connection->remote_word;
    plan->ip_sum = template->ip_sum + addresses_sum;
    if (UNLIKELY(connection->flags & CONNECTION_IPV6)) {
        plan->addresses6 = &stack->addresses6[connection_index(stack, connection)];
        addresses_sum = checksum_add(0, plan->addresses6, sizeof(*plan->addresses6));
    }
    plan->pseudo_sum = template->header.pseudo_sum + addresses_sum;
}

static ALWAYS_INLINE void plan_connection(struct tcp_stack *stack,
                                          struct tcp_connection *connection, struct tcp_cold *cold,
                                          struct frame_plan *plan, uint32_t sequence, uint8_t flags)
{
    plan_path(stack, connection, cold, plan);
    plan->local_port = connection->local_port;
    plan->remote_port = connection->remote_port;
    plan->sequence = sequence;
    plan->acknowledgement = flags & TCP_FLAG_ACK ? connection->rcv_nxt : 0;
    plan->flags = flags;
    plan->more_option_bytes = 0;
    plan->has_timestamps = (connection->flags & CONNECTION_TIMESTAMPS) != 0;
    plan->timestamp_value = stack->now_tick + cold->timestamp_offset;
    plan->timestamp_echo = connection->ts_recent;
    plan->window = window_field(stack, connection, flags & TCP_FLAG_SYN);
}

static uint16_t announced_mss(const struct tcp_stack *stack, uint8_t port_index, uint8_t ip_version)
{
    uint32_t network_bytes = ip_version == 6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
    uint32_t mtu = network_mtu(stack->network, port_index, ip_version);
    uint32_t mss = mtu - network_bytes - TCP_HEADER_BYTES;
    if (UNLIKELY(stack->config.mss_max_bytes != 0))
        mss = u32_min(mss, stack->config.mss_max_bytes);
    return (uint16_t)mss;
}

static void plan_syn_options(struct tcp_stack *stack, struct tcp_connection *connection,
                             struct tcp_cold *cold, struct frame_plan *plan)
{
    bool is_answer = connection->state == TCP_SYN_RECEIVED; /* both opened at once */
    struct tcp_syn_options options = {
        .mss_bytes = announced_mss(stack, cold->port_index, plan->path->ip_version),
        .has_timestamps = is_answer ? (connection->flags & CONNECTION_TIMESTAMPS) != 0
                                    : stack->config.offer_timestamps,
        .has_sack =
            is_answer ? (connection->flags & CONNECTION_SACK) != 0 : stack->config.offer_sack,
        .has_window_scale = is_answer ? cold->peer_scales : true,
        .window_scale = tcp_window_scale(stack),
        .timestamp_value = stack->now_tick + cold->timestamp_offset,
        .timestamp_echo = connection->ts_recent,
    };
    plan->has_timestamps = false; /* among the others, in the order of a SYN */
    plan->more_option_bytes = (uint8_t)tcp_options_write_syn(plan->more_options, &options);
}

static void plan_sack(const struct tcp_connection *connection, struct tcp_cold *cold,
                      struct frame_plan *plan)
{
    if (!(connection->flags & CONNECTION_SACK) ||
        (!cold->loss->out_of_order && cold->loss->duplicate_left == cold->loss->duplicate_right))
        return;
    struct tcp_sack_block blocks[TCP_SACK_BLOCKS_MAX];
    uint32_t count = tcp_reassembly_blocks(cold, blocks, plan->has_timestamps ? 3 : 4);
    plan->more_option_bytes = (uint8_t)tcp_options_write_sack(plan->more_options, blocks, count);
}

struct packet *tcp_frame_bare(struct tcp_stack *stack, struct tcp_connection *connection,
                              struct tcp_cold *cold, uint32_t sequence, uint8_t flags)
{
    if (!path_is_usable(stack, connection, cold))
        return NULL;
    struct packet *frame = packet_or_count(stack);
    if (UNLIKELY(!frame))
        return NULL;
    struct frame_plan plan;
    plan.payload_bytes = 0;
    plan_connection(stack, connection, cold, &plan, sequence, flags);
    if (flags & TCP_FLAG_SYN)
        plan_syn_options(stack, connection, cold, &plan);
    else
        plan_sack(connection, cold, &plan);
    uint8_t *at = packet_append(frame, (uint16_t)plan_header_bytes(&plan));
    struct written_header header = write_headers(at, &plan);
    finish_bare(stack, cold->port_index, frame, &header, &plan);
    return frame;
}

/* ---- data ---- */

/* Value bytes behind a header packet: attached where the port can chain, else copied. */
static bool append_blob(struct tcp_stack *stack, struct packet *frame, const struct packet *item,
                        bool may_chain)
{
    uint32_t offset = item->tx.blob_offset;
    uint32_t left = item->tx.payload_bytes;
    if (!may_chain) {
        ASSERT_HOT(left <= packet_tail_room(frame));
        blob_copy_out(item->tx.blob, offset, packet_append(frame, (uint16_t)left), left);
        return true;
    }
    struct packet *last = frame;
    while (left > 0) {
        uint32_t run_bytes;
        uint8_t *run = blob_run(item->tx.blob, offset, &run_bytes);
        uint16_t length = (uint16_t)u32_min(u32_min(run_bytes, left), BLOB_LARGE_CHUNK_BYTES);
        struct packet *piece = packet_attach(stack->config.descriptors, stack->config.blob_stock,
                                             stack->config.blob_pool, item->tx.blob, run, length);
        if (!piece)
            return false;
        packet_chain_append(frame, last, piece);
        last = piece;
        offset += length;
        left -= length;
    }
    return true;
}

static bool may_chain(const struct tcp_stack *stack, const struct tcp_cold *cold)
{
    return stack->config.descriptors &&
           (network_offloads(stack->network, cold->port_index) & NIC_TX_MULTI_SEGMENT);
}

/*
 * A frame of its own, built behind fresh headers: value bytes, or a copy because the port may still
 * be reading the original.
 */
static NO_INLINE struct packet *frame_fresh(struct tcp_stack *stack, const struct tcp_cold *cold,
                                            const struct packet *packet,
                                            const struct frame_plan *plan, uint32_t segment_bytes)
{
    struct packet *frame = packet_or_count(stack);
    if (!frame)
        return NULL;
    struct written_header header =
        write_headers(packet_append(frame, (uint16_t)plan_header_bytes(plan)), plan);
    if (packet->tx.blob) {
        if (!append_blob(stack, frame, packet, may_chain(stack, cold))) {
            count(stack->counters, COUNTER_PACKET_ALLOCATION_FAILED);
            packet_free(frame);
            return NULL;
        }
    } else if (packet->tx.payload_bytes > 0) {
        const uint8_t *payload = packet_data(packet) + packet->tx.header_bytes;
        ASSERT_HOT(packet->tx.payload_bytes <= packet_tail_room(frame));
        memcpy(packet_append(frame, (uint16_t)packet->tx.payload_bytes), payload,
               packet->tx.payload_bytes);
    }
    if (port_sums(stack, cold->port_index))
        leave_checksum(frame, header.tcp, plan, segment_bytes);
    else
        write_checksum(frame, &header, chain_sum(frame, plan_header_bytes(plan)));
    return frame;
}

/* In front of the packet's own payload, in place of the headers of an earlier try. */
static inline struct packet *frame_in_place(struct tcp_stack *stack, const struct tcp_cold *cold,
                                            struct packet *packet, const struct frame_plan *plan,
                                            uint32_t segment_bytes)
{
    if (packet->tx.header_bytes > 0)
        packet_skip(packet, packet->tx.header_bytes);
    if (UNLIKELY(packet_first_bytes(packet) != packet->tx.payload_bytes)) /* was split */
        packet_trim(packet, (uint16_t)(packet_first_bytes(packet) - packet->tx.payload_bytes));
    uint16_t header_bytes = (uint16_t)plan_header_bytes(plan);
    const uint8_t *payload = packet_data(packet);
    struct written_header header = write_headers(packet_prepend(packet, header_bytes), plan);
    packet->tx.header_bytes = header_bytes;
    packet_share(packet);
    if (port_sums(stack, cold->port_index)) {
        leave_checksum(packet, header.tcp, plan, segment_bytes);
        return packet;
    }
    if (!(packet->tx.flags & TX_SUM_KNOWN)) {
        packet->tx.payload_sum = checksum_add(0, payload, packet->tx.payload_bytes);
        packet->tx.flags |= TX_SUM_KNOWN; /* for when it is sent again */
    }
    write_checksum(packet, &header, packet->tx.payload_sum);
    return packet;
}

struct packet *tcp_frame_data(struct tcp_stack *stack, struct tcp_connection *connection,
                              struct tcp_cold *cold, struct packet *packet, uint8_t flags)
{
    if (UNLIKELY(!path_takes(stack, connection, cold, packet)))
        return NULL;
    struct frame_plan plan;
    plan.payload_bytes = packet->tx.payload_bytes;
    plan_connection(stack, connection, cold, &plan, packet->tx.sequence, flags);
    if (UNLIKELY(packet->tx.blob || packet_is_shared(packet)))
        return frame_fresh(stack, cold, packet, &plan, connection->mss_bytes);
    return frame_in_place(stack, cold, packet, &plan, connection->mss_bytes);
}

struct packet *tcp_frame_split(struct tcp_stack *stack, struct packet *packet, uint32_t first_bytes)
{
    bool is_blob = packet->tx.blob != NULL;
    struct packet *rest = is_blob && stack->config.descriptors
                              ? packet_alloc(stack->config.descriptors)
                              : stack_packet_alloc(stack);
    if (!rest) {
        count(stack->counters, COUNTER_PACKET_ALLOCATION_FAILED);
        return NULL;
    }
    uint32_t rest_bytes = packet->tx.payload_bytes - first_bytes;
    rest->tx = packet->tx;
    rest->tx.sequence += first_bytes;
    rest->tx.payload_bytes = rest_bytes;
    rest->tx.header_bytes = 0;
    packet->tx.payload_bytes = first_bytes;
    packet->tx.flags &= (uint16_t) ~(TX_FIN | TX_PUSH | TX_SUM_KNOWN);
    rest->tx.flags &= (uint16_t)~TX_SUM_KNOWN;
    stack->packets_held++;
    if (is_blob) {
        rest->tx.blob_offset += first_bytes;
        blob_hold(rest->tx.blob);
        return rest;
    }
    /* The port may be reading the first one: its bytes stay until it is sent again. */
    memcpy(packet_append(rest, (uint16_t)rest_bytes),
           packet_data(packet) + packet->tx.header_bytes + first_bytes, rest_bytes);
    return rest;
}

uint32_t tcp_frame_payload_max(const struct tcp_stack *stack,
                               const struct tcp_connection *connection, const struct tcp_cold *cold,
                               const struct packet *packet)
{
    if (!packet->tx.blob)
        return connection->mss_bytes;
    uint32_t wanted = NIC_TX_SEGMENTATION | NIC_TX_TCP_CHECKSUM | NIC_TX_MULTI_SEGMENT;
    if (!stack->config.descriptors ||
        (network_offloads(stack->network, cold->port_index) & wanted) != wanted)
        return connection->mss_bytes;
    /* Whole segments, so that only the last is short. */
    uint32_t mss = connection->mss_bytes;
    /* lint-allow: division: once per frame of up to 64 KiB */
    return u32_max(SEGMENTATION_BYTES_MAX / mss, 1) * mss;
}

void tcp_frame_find_path(struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold)
{
    path_is_usable(stack, connection, cold);
}

/* Known after the first frame of the port. False: there is no way to this peer. */
static bool template_is_known(struct tcp_stack *stack, const struct network_flow *flow,
                              struct tcp_template *template)
{
    struct network_header fresh;
    if (LIKELY(template->header.header_bytes > 0))
        return true;
    if (network_path(stack->network, flow, &fresh) == NETWORK_PATH_NONE)
        return false;
    template_keep(template, &fresh);
    return true;
}

static void plan_reply_path(const struct tcp_template *template, const struct network_flow *flow,
                            struct tcp_addresses6 *addresses6, struct frame_plan *plan)
{
    uint32_t addresses_sum;
    plan->path = &template->header;
    plan->addresses6 = addresses6;
    if (flow->ip_version == 4) {
        memcpy(&plan->local_word, flow->local, 4);
        memcpy(&plan->remote_word, flow->remote, 4);
        addresses_sum = word_sum(plan->local_word) + word_sum(plan->remote_word);
    } else {
        memcpy(addresses6->local, flow->local, 16);
        memcpy(addresses6->remote, flow->remote, 16);
        addresses_sum = checksum_add(0, addresses6, sizeof(*addresses6));
    }
    plan->ip_sum = template->ip_sum + addresses_sum;
    plan->pseudo_sum = template->header.pseudo_sum + addresses_sum;
}

void tcp_frame_reply(struct tcp_stack *stack, const struct network_flow *flow,
                     const struct tcp_reply *reply)
{
    struct tcp_template *template = &stack->templates[flow->port_index][flow->ip_version == 6];
    struct tcp_addresses6 addresses6;
    uint8_t mac[6];
    if (!template_is_known(stack, flow, template))
        return;
    if (!reply->mac)
        network_answer_mac(stack->network, flow, mac);
    struct packet *frame = packet_or_count(stack);
    if (!frame)
        return;
    struct frame_plan plan;
    plan.mac = reply->mac ? reply->mac : mac;
    plan.payload_bytes = 0;
    plan.local_port = reply->local_port;
    plan.remote_port = reply->remote_port;
    plan.sequence = reply->sequence;
    plan.acknowledgement = reply->acknowledgement;
    plan.window = reply->window;
    plan.flags = reply->flags;
    plan.has_timestamps = reply->has_timestamps;
    plan.timestamp_value = reply->timestamp_value;
    plan.timestamp_echo = reply->timestamp_echo;
    plan.more_option_bytes = 0;
    plan_reply_path(template, flow, &addresses6, &plan);
    if (reply->syn_options) {
        struct tcp_syn_options options = *reply->syn_options;
        options.mss_bytes = announced_mss(stack, flow->port_index, flow->ip_version);
        plan.more_option_bytes = (uint8_t)tcp_options_write_syn(plan.more_options, &options);
    }
    struct written_header header =
        write_headers(packet_append(frame, (uint16_t)plan_header_bytes(&plan)), &plan);
    finish_bare(stack, flow->port_index, frame, &header, &plan);
    tcp_send_frame(stack, flow->port_index, frame, plan.mac, TRACE_SENT);
}

void tcp_mss_update(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct tcp_cold *cold = connection_cold(connection);
    bool is_ipv6 = connection->flags & CONNECTION_IPV6;
    uint32_t mtu = network_mtu(stack->network, cold->port_index, is_ipv6 ? 6 : 4);
    if (cold->path_mtu != 0)
        mtu = u32_min(mtu, cold->path_mtu);
    uint32_t mss = mtu - (is_ipv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES) - TCP_HEADER_BYTES;
    if (cold->peer_mss_bytes != 0)
        mss = u32_min(mss, cold->peer_mss_bytes);
    else
        mss = u32_min(mss, is_ipv6 ? 1220 : 536); /* RFC 9293 3.7.1 */
    if (stack->config.mss_max_bytes != 0)
        mss = u32_min(mss, stack->config.mss_max_bytes);
    mss = u32_max(mss, TCP_SHARED_MSS_MIN);
    if (connection->flags & CONNECTION_TIMESTAMPS)
        mss -= TCP_TIMESTAMP_BYTES;
    connection->mss_bytes = (uint16_t)mss;
}
