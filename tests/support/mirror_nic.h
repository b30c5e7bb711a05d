/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mirror_nic.h - a port with a client behind it: every answer sent becomes the next request.
 *
 * Purpose:   load on a worker from its own thread, so that a machine with N cores can run N loaded
 *            workers: another implementation of nic.h, one client per queue.
 * Ownership: takes what is transmitted; hands out requests from the queue's pool.
 * Threading: a queue belongs to the thread that polls it; queues share nothing.
 * Units:     packets, bytes.
 * Errors:    an answer that is not "200" or not of one segment is counted in mirror_nic_bad.
 * Source:    the client keeps no state: all it needs is in the answer it got (RFC 9293 3.4).
 */
#ifndef GANNET_MIRROR_NIC_H
#define GANNET_MIRROR_NIC_H

#include <stdint.h>

#include "dataplane/nic.h"

struct rte_mempool;

struct mirror_nic_config {
    struct rte_mempool *pool; /* what a port would receive into */
    uint8_t server_ip[4], client_ip[4];
    uint16_t server_port;
    uint32_t connections; /* at most MIRROR_CONNECTIONS_MAX */
    uint32_t keys;        /* asked for at random: PATH_PREFIX followed by eight digits */
    uint64_t seed;
};

#define MIRROR_CONNECTIONS_MAX 512u
#define MIRROR_PATH_PREFIX "/v1/ns/default/values/"

struct nic_queue *mirror_nic_create(const struct mirror_nic_config *config);
void mirror_nic_destroy(struct nic_queue *queue);
/* Sends the handshakes: the requests follow by themselves. */
void mirror_nic_open(struct nic_queue *queue);
uint64_t mirror_nic_answers(const struct nic_queue *queue);
uint64_t mirror_nic_bad(const struct nic_queue *queue);

#endif
