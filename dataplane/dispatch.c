/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/ethernet.h"
#include "dataplane/ipv4.h"
#include "dataplane/ipv6.h"
#include "dataplane/nic.h"
#include "dataplane/packet.h"
#include "dataplane/packet_ring.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/server_config.h"
#include "include/wakeup.h"

/* One worker's end. */
struct lane {
    struct packet_ring receive;  /* its owner pushes */
    struct packet_ring transmit; /* its owner pops */
    struct sleeper *sleeper;
    uint32_t owner;  /* the worker with the queue */
    bool has_pushed; /* written by this worker: it pushed something its owner does not know of */
};

struct dispatch {
    uint32_t worker_count;
    uint32_t queue_count;
    struct siphash_key key;
    uint32_t group_sizes[CORES_MAX]; /* per owner: itself and its members */
    struct lane *lanes;
    bool *is_woken_by_owner; /* per worker, written by its owner: pushed to in this round */
};

/* ---- creation ---- */

struct dispatch *dispatch_create(uint32_t worker_count, uint32_t queue_count, uint32_t ring_packets,
                                 const struct siphash_key *key)
{
    ASSERT(queue_count > 0 && queue_count <= worker_count && worker_count <= CORES_MAX);
    struct dispatch *dispatch = calloc(1, sizeof(*dispatch));
    if (!dispatch)
        return NULL;
    dispatch->worker_count = worker_count;
    dispatch->queue_count = queue_count;
    dispatch->key = *key;
    dispatch->lanes = aligned_alloc(GUARD_BYTES, worker_count * sizeof(struct lane));
    dispatch->is_woken_by_owner = calloc(worker_count, sizeof(bool));
    if (!dispatch->lanes || !dispatch->is_woken_by_owner)
        goto failed;
    memset(dispatch->lanes, 0, worker_count * sizeof(struct lane));
    uint32_t size = 1;
    while (size < ring_packets)
        size *= 2;
    for (uint32_t worker = 0; worker < worker_count; worker++) {
        struct lane *lane = &dispatch->lanes[worker];
        lane->owner = worker % queue_count;
        dispatch->group_sizes[lane->owner]++;
        if (!packet_ring_init(&lane->receive, size) || !packet_ring_init(&lane->transmit, size))
            goto failed;
    }
    return dispatch;
failed:
    dispatch_destroy(dispatch);
    return NULL;
}

void dispatch_destroy(struct dispatch *dispatch)
{
    if (!dispatch)
        return;
    for (uint32_t worker = 0; dispatch->lanes && worker < dispatch->worker_count; worker++) {
        packet_ring_free(&dispatch->lanes[worker].receive);
        packet_ring_free(&dispatch->lanes[worker].transmit);
    }
    free(dispatch->lanes);
    free(dispatch->is_woken_by_owner);
    free(dispatch);
}

void dispatch_set_sleeper(struct dispatch *dispatch, uint32_t worker, struct sleeper *sleeper)
{
    dispatch->lanes[worker].sleeper = sleeper;
}

bool dispatch_is_owner(const struct dispatch *dispatch, uint32_t worker)
{
    return worker < dispatch->queue_count;
}

/* ---- whose frame is it ---- */

struct flow_words {
    uint64_t addresses[4];
    uint64_t ports; /* both, as they lie in the TCP header */
};

/* False for everything that is not an unfragmented TCP segment right behind its IP header. */
static bool flow_of_ipv4(const uint8_t *ip, uint32_t length, struct flow_words *flow)
{
    struct ipv4_header header;
    if (length < IPV4_HEADER_BYTES)
        return false;
    memcpy(&header, ip, sizeof(header));
    uint32_t header_bytes = (header.version_and_words & 0x0fu) * 4u;
    if (header.protocol != IP_PROTOCOL_TCP || length < header_bytes + 4 ||
        (be16_load(header.flags_and_offset) & IPV4_FRAGMENT_MASK) != 0)
        return false;
    memcpy(flow->addresses, header.source, 8); /* and the destination behind it */
    memcpy(&flow->ports, ip + header_bytes, 4);
    return true;
}

static bool flow_of_ipv6(const uint8_t *ip, uint32_t length, struct flow_words *flow)
{
    struct ipv6_header header;
    if (length < IPV6_HEADER_BYTES)
        return false;
    memcpy(&header, ip, sizeof(header));
    struct ip_view view = {.protocol = header.next_header};
    /* hosts may begin to send extension headers in the middle of a connection (RFC 6946) */
    if (ipv6_skip_extensions(ip, length, &view) != DROP_NONE || view.protocol != IP_PROTOCOL_TCP ||
        view.transport_bytes < 4)
        return false;
    memcpy(flow->addresses, header.source, 32); /* and the destination behind it */
    memcpy(&flow->ports, ip + view.transport_offset, 4);
    return true;
}

uint32_t dispatch_worker_of(const struct dispatch *dispatch, uint32_t owner, const uint8_t *frame,
                            uint32_t length)
{
    struct flow_words flow = {0};
    uint32_t at = ETHERNET_HEADER_BYTES;
    be16_t type;
    if (length < ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES)
        return owner;
    memcpy(&type, frame + 12, 2);
    if (be16_load(type) == ETHERNET_TYPE_VLAN) {
        memcpy(&type, frame + 16, 2);
        at += ETHERNET_VLAN_BYTES;
    }
    bool has_flow = false;
    if (be16_load(type) == ETHERNET_TYPE_IPV4)
        has_flow = flow_of_ipv4(frame + at, length - at, &flow);
    else if (be16_load(type) == ETHERNET_TYPE_IPV6)
        has_flow = flow_of_ipv6(frame + at, length - at, &flow);
    if (!has_flow)
        return owner;
    uint32_t hash = (uint32_t)siphash_words(&dispatch->key, (const uint64_t *)&flow,
                                            sizeof(flow) / sizeof(uint64_t));
    uint32_t member = (uint32_t)(((uint64_t)hash * dispatch->group_sizes[owner]) >> 32);
    return owner + member * dispatch->queue_count;
}

/* ---- receive ---- */

bool dispatch_has_one_queue(const struct dispatch *dispatch)
{
    return dispatch->queue_count == 1;
}

bool dispatch_pass_on(struct dispatch *dispatch, uint32_t owner, struct packet *frame,
                      struct counters *counters)
{
    uint32_t target =
        dispatch_worker_of(dispatch, owner, packet_data(frame), packet_first_bytes(frame));
    if (target == owner)
        return false;
    if (packet_ring_push(&dispatch->lanes[target].receive, frame)) {
        dispatch->is_woken_by_owner[target] = true;
        count_many(counters, COUNTER_DISPATCH_FORWARDED, 1);
    } else {
        count_drop(counters, DROP_DISPATCH_FULL);
        packet_free(frame);
    }
    return true;
}

static uint32_t receive_as_owner(struct dispatch *dispatch, uint32_t worker,
                                 struct nic_queue *queue, struct packet **frames, uint32_t limit,
                                 struct counters *counters)
{
    struct packet *burst[NIC_BURST_MAX];
    uint32_t own = 0;
    uint32_t count = nic_receive(queue, burst, limit);
    for (uint32_t i = 0; i < count; i++)
        prefetch_read(packet_data(burst[i]));
    for (uint32_t i = 0; i < count; i++) {
        if (!dispatch_pass_on(dispatch, worker, burst[i], counters))
            frames[own++] = burst[i];
    }
    return own;
}

uint32_t dispatch_receive(struct dispatch *dispatch, uint32_t worker, struct nic_queue *queue,
                          struct packet **frames, uint32_t limit, struct counters *counters)
{
    ASSERT_HOT(worker < dispatch->worker_count && limit <= NIC_BURST_MAX);
    if (dispatch_is_owner(dispatch, worker))
        return receive_as_owner(dispatch, worker, queue, frames, limit, counters);
    return packet_ring_pop(&dispatch->lanes[worker].receive, frames, limit);
}

/* ---- send ---- */

uint32_t dispatch_transmit(struct dispatch *dispatch, uint32_t worker, struct nic_queue *queue,
                           struct packet **packets, uint32_t count)
{
    if (dispatch_is_owner(dispatch, worker))
        return nic_transmit(queue, packets, count);
    struct lane *lane = &dispatch->lanes[worker];
    uint32_t pushed = 0;
    while (pushed < count && packet_ring_push(&lane->transmit, packets[pushed]))
        pushed++;
    lane->has_pushed |= pushed > 0;
    return pushed;
}

static void wake(struct dispatch *dispatch, uint32_t worker)
{
    if (dispatch->lanes[worker].sleeper)
        wake_if_asleep(dispatch->lanes[worker].sleeper);
}

static void send_for_member(struct packet_ring *ring, struct nic_queue *queue,
                            struct counters *counters)
{
    struct packet *burst[NIC_BURST_MAX];
    uint32_t count = packet_ring_pop(ring, burst, NIC_BURST_MAX);
    if (count == 0)
        return;
    uint32_t sent = nic_transmit(queue, burst, count);
    count_many(counters, COUNTER_PORT_TX_PACKETS, sent);
    count_many(counters, COUNTER_PORT_TX_REFUSED, count - sent);
    for (uint32_t i = sent; i < count; i++)
        packet_free(burst[i]);
}

void dispatch_flush(struct dispatch *dispatch, uint32_t worker, struct nic_queue *queue,
                    struct counters *counters)
{
    if (!dispatch_is_owner(dispatch, worker)) {
        struct lane *lane = &dispatch->lanes[worker];
        if (lane->has_pushed)
            wake(dispatch, lane->owner);
        lane->has_pushed = false;
        return;
    }
    for (uint32_t member = worker + dispatch->queue_count; member < dispatch->worker_count;
         member += dispatch->queue_count) {
        send_for_member(&dispatch->lanes[member].transmit, queue, counters);
        if (dispatch->is_woken_by_owner[member])
            wake(dispatch, member);
        dispatch->is_woken_by_owner[member] = false;
    }
}

bool dispatch_has_work(const struct dispatch *dispatch, uint32_t worker)
{
    if (!dispatch_is_owner(dispatch, worker))
        return !packet_ring_is_empty(&dispatch->lanes[worker].receive);
    for (uint32_t member = worker + dispatch->queue_count; member < dispatch->worker_count;
         member += dispatch->queue_count)
        if (!packet_ring_is_empty(&dispatch->lanes[member].transmit))
            return true;
    return false;
}
