/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel_path.h - the exception path of a port: an interface of the kernel's beside it, so that one
 *     NIC serves both.
 *
 * Purpose:   what is not ours goes to the kernel, what the kernel sends goes out of the port, both
 *            untouched, and neither takes more of our time than a fixed share.
 * Ownership: kernel_path_give takes the frame when it is true; frames of kernel_path_receive belong
 *            to the caller.
 * Threading: any worker gives, over a ring of its own. Worker 0 alone, the owner, calls
 *            kernel_path_send and _receive: it reads and writes the interface. Create and destroy
 *            on the main thread.
 * Units:     frames; _ns monotone, passed in.
 * Errors:    a full ring refuses; what the interface does not take is counted as KERNEL_REFUSED and
 *            freed. Above the rate the kernel's frames stay in its own queue.
 * Source:    DPDK 22.11 guides, nics/tap and howto/virtio_user_as_exception_path; DECISIONS.md.
 */
#ifndef GANNET_KERNEL_PATH_H
#define GANNET_KERNEL_PATH_H

#include <stdbool.h>
#include <stdint.h>

struct counters;
struct kernel_path;
struct nic_queue;
struct packet;
struct port_set;

#define KERNEL_PATH_BURST 16u /* frames each way in a round of the owner */
#define KERNEL_PATH_RING 128u /* frames of a worker that wait for the owner */
#define KERNEL_PATH_OWNER 0u  /* the worker at the interface */

struct kernel_path_config {
    struct nic_queue *interface;      /* the kernel's; used by the owner alone */
    const struct port_set *tcp_ports; /* that the kernel serves on our addresses; copied */
    uint32_t worker_count;
    uint32_t frames_per_s; /* each way */
};

/* NULL when memory is short. */
struct kernel_path *kernel_path_create(const struct kernel_path_config *config);
/* Frees what the rings still hold: after every worker has ended. */
void kernel_path_destroy(struct kernel_path *path);

/* False: too many wait already, and the frame is still the caller's. */
bool kernel_path_give(struct kernel_path *path, uint32_t worker, struct packet *frame);
/* Does the kernel serve this TCP port on our addresses too? */
bool kernel_path_serves(const struct kernel_path *path, uint16_t tcp_port);

/* Once a round, by the owner: at most KERNEL_PATH_BURST frames of all workers to the kernel. */
void kernel_path_send(struct kernel_path *path, uint64_t now_ns, struct counters *counters);
/* Once a round, by the owner: what the kernel wants to send. `out`: KERNEL_PATH_BURST. */
uint32_t kernel_path_receive(struct kernel_path *path, uint64_t now_ns, struct counters *counters,
                             struct packet **out);

/* Is there more, as far as the owner knows? Asked before it sleeps. */
bool kernel_path_has_work(const struct kernel_path *path);

#endif
