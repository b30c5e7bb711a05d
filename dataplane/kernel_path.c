/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/kernel_path.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/nic.h"
#include "dataplane/packet.h"
#include "dataplane/packet_ring.h"
#include "dataplane/rate_limit.h"
#include "include/assert_policy.h"
#include "include/counters.h"
#include "include/port_set.h"

#define RATE_BURST 256u /* frames that may come at once after a pause */

struct kernel_path {
    struct nic_queue *interface;
    uint32_t worker_count;
    struct port_set tcp_ports;
    struct packet_ring *rings; /* one per worker, to the owner */

    /* the owner's */
    struct rate_limit to_kernel, from_kernel;
    uint32_t next_worker; /* whose ring comes first in the next round */
    bool is_busy;         /* the kernel had frames last time */
};

struct kernel_path *kernel_path_create(const struct kernel_path_config *config)
{
    ASSERT(config->worker_count > 0);
    struct kernel_path *path = calloc(1, sizeof(*path));
    if (!path)
        return NULL;
    *path = (struct kernel_path){
        .interface = config->interface,
        .worker_count = config->worker_count,
        .tcp_ports = *config->tcp_ports,
        .to_kernel = rate_limit_make(config->frames_per_s, RATE_BURST),
        .from_kernel = rate_limit_make(config->frames_per_s, RATE_BURST),
    };
    size_t bytes = config->worker_count * sizeof(struct packet_ring);
    path->rings = aligned_alloc(GUARD_BYTES, bytes);
    if (!path->rings) {
        free(path);
        return NULL;
    }
    memset(path->rings, 0, bytes);
    for (uint32_t worker = 0; worker < config->worker_count; worker++)
        if (!packet_ring_init(&path->rings[worker], KERNEL_PATH_RING)) {
            kernel_path_destroy(path);
            return NULL;
        }
    return path;
}

void kernel_path_destroy(struct kernel_path *path)
{
    if (!path)
        return;
    for (uint32_t worker = 0; worker < path->worker_count; worker++)
        packet_ring_free(&path->rings[worker]);
    free(path->rings);
    free(path);
}

bool kernel_path_give(struct kernel_path *path, uint32_t worker, struct packet *frame)
{
    ASSERT_HOT(worker < path->worker_count);
    return packet_ring_push(&path->rings[worker], frame);
}

bool kernel_path_serves(const struct kernel_path *path, uint16_t tcp_port)
{
    return port_set_has(&path->tcp_ports, tcp_port);
}

/* From every ring in turn, so that no worker's frames keep another's from the kernel. */
static uint32_t gather(struct kernel_path *path, struct packet **frames)
{
    uint32_t gathered = 0;
    uint32_t worker = path->next_worker;
    for (uint32_t i = 0; i < path->worker_count && gathered < KERNEL_PATH_BURST; i++) {
        gathered +=
            packet_ring_pop(&path->rings[worker], frames + gathered, KERNEL_PATH_BURST - gathered);
        worker = worker + 1 < path->worker_count ? worker + 1 : 0;
    }
    path->next_worker = worker;
    return gathered;
}

void kernel_path_send(struct kernel_path *path, uint64_t now_ns, struct counters *counters)
{
    struct packet *frames[KERNEL_PATH_BURST];
    if (!rate_limit_is_open(&path->to_kernel, now_ns))
        return;
    uint32_t gathered = gather(path, frames);
    if (gathered == 0)
        return;
    rate_limit_charge(&path->to_kernel, now_ns, gathered);
    for (uint32_t at = 0; at < gathered; at++) {
        uint32_t sent = nic_transmit(path->interface, frames + at, gathered - at);
        count_many(counters, COUNTER_KERNEL_FRAMES_GIVEN, sent);
        at += sent;
        if (at == gathered)
            return;
        count_drop(counters, DROP_KERNEL_REFUSED); /* too long, perhaps: nothing waits behind it */
        packet_free(frames[at]);
    }
}

uint32_t kernel_path_receive(struct kernel_path *path, uint64_t now_ns, struct counters *counters,
                             struct packet **out)
{
    if (!rate_limit_is_open(&path->from_kernel, now_ns))
        return 0;
    uint32_t received = nic_receive(path->interface, out, KERNEL_PATH_BURST);
    path->is_busy = received > 0;
    if (received == 0)
        return 0;
    rate_limit_charge(&path->from_kernel, now_ns, received);
    count_many(counters, COUNTER_KERNEL_FRAMES_TAKEN, received);
    return received;
}

bool kernel_path_has_work(const struct kernel_path *path)
{
    for (uint32_t worker = 0; worker < path->worker_count; worker++)
        if (!packet_ring_is_empty(&path->rings[worker]))
            return true;
    return path->is_busy;
}
