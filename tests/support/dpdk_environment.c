/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/dpdk_environment.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mempool.h>

#include "dataplane/packet.h"
#include "dataplane/packet_pool.h"
#include "include/assert_policy.h"
#include "include/compiler.h"

static void clean_up(void)
{
    rte_eal_cleanup();
}

/* One lcore on whatever CPUs this process may use: pinned tests would all queue on the same one. */
static void floating_lcore(char *out, size_t bytes)
{
    cpu_set_t allowed;
    size_t length = (size_t)snprintf(out, bytes, "--lcores=0@(");
    sched_getaffinity(0, sizeof(allowed), &allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE && length + 8 < bytes; cpu++)
        if (CPU_ISSET(cpu, &allowed))
            length += (size_t)snprintf(out + length, bytes - length, "%d,", cpu);
    snprintf(out + length - 1, bytes - length + 1, ")");
}

void dpdk_environment_start(void)
{
    static char fixed[][32] = {"test",
                               "--no-huge",
                               "-m",
                               "256",
                               "--no-pci",
                               "--no-shconf",
                               "--no-telemetry",
                               "--log-level=lib.eal:3"};
    static char lcores[512];
    char *arguments[ARRAY_COUNT(fixed) + 1];
    for (size_t i = 0; i < ARRAY_COUNT(fixed); i++)
        arguments[i] = fixed[i];
    floating_lcore(lcores, sizeof(lcores));
    arguments[ARRAY_COUNT(fixed)] = lcores;
    if (rte_eal_init((int)ARRAY_COUNT(arguments), arguments) < 0) {
        fprintf(stderr, "DPDK does not start: %s\n", rte_strerror(rte_errno));
        exit(EXIT_FAILURE);
    }
    atexit(clean_up);
}

struct rte_mempool *dpdk_environment_pool(uint32_t count)
{
    static uint32_t number;
    char name[32];
    snprintf(name, sizeof(name), "test_packets_%u", number++);
    struct rte_mempool *pool = packet_pool_create(name, count, -1, PACKET_ROOM_BYTES);
    ASSERT(pool != NULL);
    return pool;
}

void dpdk_environment_pool_check_and_free(struct rte_mempool *pool)
{
    uint32_t used = packet_pool_used(pool);
    if (used != 0)
        fprintf(stderr, "%s: %u packets leaked\n", pool->name, used);
    ASSERT(used == 0);
    packet_pool_destroy(pool);
}
