/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic_leftovers.h - files of DPDK and its drivers that outlive a killed server.
 *
 * Purpose:   a name for DPDK's files that no other process uses, and the removal of what dead ones
 *            left: runtime directories, and sockets on which nobody listens any more.
 * Ownership: struct nic_prefix holds its directory and the lock on it until nic_prefix_close.
 * Threading: main thread, before the first packet and after the last.
 * Units:     none.
 * Errors:    0 or a negative errno; removals say how many, and are never an error.
 * Source:    flock(2): a lock dies with its holder, whatever pid namespace that lived in. DPDK's
 *            own lock lies in a file that --no-shconf and --in-memory do not make.
 */
#ifndef GANNET_NIC_LEFTOVERS_H
#define GANNET_NIC_LEFTOVERS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct nic_prefix {
    int lock_fd;
    char name[32]; /* --file-prefix */
    char path[PATH_MAX];
};

/* Where DPDK puts its runtime directories, for this user and environment. */
void nic_runtime_base(char *out, uint32_t bytes);

/* Makes and locks base/gannet-PID, or gannet-PID-N when one of another pid namespace has that. */
int nic_prefix_open(const char *base, int pid, struct nic_prefix *out);
/* Removes the directory and what DPDK left in it. Does nothing to a prefix that was not opened. */
void nic_prefix_close(struct nic_prefix *prefix);

/* Removes the directories gannet-* that nobody has locked; returns how many. */
uint32_t nic_leftovers_close(const char *base);

/*
 * The socket file that the driver behind a vdev string will listen on: memif's
 * role=server,socket=PATH,socket-abstract=no, or vhost's iface=PATH. False when it makes none.
 */
bool nic_socket_path(const char *device, char *out, uint32_t bytes);
/* Removes a socket on which nobody listens. True when it did; anything else is left alone. */
bool nic_socket_close_stale(const char *path);

#endif
