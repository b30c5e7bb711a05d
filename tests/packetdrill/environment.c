/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packetdrill/environment.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "dataplane/packet.h"
#include "dataplane/packet_pool.h"
#include "include/compiler.h"
#include "include/counters.h"

#define MEMORY_MEGABYTES "64"
#define PACKET_MEMORY_BYTES (20u << 20)

static void die(const char *what, const char *why)
{
    fprintf(stderr, "gannet: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* EAL pins the thread that starts it: this one ends with that. */
static void *start_dpdk(void *unused)
{
    static char words[][32] = {"packetdrill",
                               "--no-huge",
                               "-m",
                               MEMORY_MEGABYTES,
                               "--no-pci",
                               "--no-shconf",
                               "--no-telemetry",
                               "--log-level=lib.eal:3",
                               "-l",
                               "0"};
    char *arguments[ARRAY_COUNT(words)];
    (void)unused;
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        arguments[i] = words[i];
    if (rte_eal_init((int)ARRAY_COUNT(arguments), arguments) < 0)
        die("DPDK does not start", rte_strerror(rte_errno));
    return NULL;
}

static void start_once(void)
{
    static bool is_started;
    pthread_t starter;
    if (is_started)
        return;
    int result = pthread_create(&starter, NULL, start_dpdk, NULL);
    if (result != 0)
        die("no thread to start DPDK in", strerror(result));
    pthread_join(starter, NULL);
    is_started = true;
}

/* One pool for packets of the usual size and one for large ones: made when first asked for. */
struct rte_mempool *environment_packets(uint16_t mtu, uint32_t *packet_count)
{
    static struct rte_mempool *pools[2];
    bool is_large = packet_room_for_mtu(mtu) > PACKET_ROOM_BYTES;
    uint16_t room_bytes = packet_room_for_mtu(is_large ? ENVIRONMENT_MTU_MAX : 1500);
    size_t packet_bytes = sizeof(struct packet) + PACKET_HEADROOM_BYTES + room_bytes;
    start_once();
    *packet_count = (uint32_t)(PACKET_MEMORY_BYTES / packet_bytes);
    if (!pools[is_large])
        pools[is_large] = packet_pool_create(is_large ? "packetdrill_large" : "packetdrill",
                                             *packet_count, -1, room_bytes);
    if (!pools[is_large])
        die("no memory for packets", rte_strerror(rte_errno));
    return pools[is_large];
}

struct counters *environment_counters(void)
{
    static struct counters *block;
    if (!block)
        block = counters_register("packetdrill");
    if (!block)
        die("no memory for counters", "out of memory");
    memset(block->values, 0, sizeof(block->values));
    memset(block->drops, 0, sizeof(block->drops));
    return block;
}
