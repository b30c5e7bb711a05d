/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/config_file.h"
#include "dataplane/nic_dpdk.h"
#include "include/clock.h"
#include "include/log.h"
#include "include/server_config.h"

#define POLL_NS (20 * NS_PER_MS)
#define SILENT_NS NS_PER_S /* waits no longer than this without saying so */
#define UNLISTED_NS (3 * NS_PER_S)
#define PACKETS_MIN 16384u
#define PACKETS_MAX 4194304u
#define PACKET_BYTES 2880u /* with its headers and a descriptor (memory_need.h) */

/* One packet per connection waits for its acknowledgement, one more is on its way in. */
static uint32_t packets_per_core(const struct plan *plan)
{
    uint64_t wanted = PACKETS_MIN;
    if (plan->memory_mib > 0)
        wanted = ((uint64_t)plan->memory_mib << 20) / PACKET_BYTES / plan->core_count;
    else if (plan->mode != PLAN_RESPONDER)
        wanted += 2ull * (plan->active ? plan->active : plan->connections) / plan->core_count;
    uint32_t packets = 4096;
    while (packets < wanted && packets < PACKETS_MAX)
        packets *= 2;
    return plan->memory_mib > 0 && packets > wanted ? packets / 2 : packets;
}

static void make_config(const struct plan *plan, uint32_t address_count,
                        struct server_config *config)
{
    config_defaults(config);
    config->memory.packets = packets_per_core(plan);
    config->memory.values_mib = 16; /* not used */
    config->ports_count = 1;
    struct config_ports *port = &config->ports[0];
    snprintf(port->device, sizeof(port->device), "%s", plan->device);
    snprintf(port->ipv4, sizeof(port->ipv4), "%u.%u.%u.%u/%u", plan->local[0], plan->local[1],
             plan->local[2], plan->local[3], plan->prefix_bits);
    snprintf(port->offloads, sizeof(port->offloads), "auto");
    port->ipv4_addresses = address_count;
    port->rx_descriptors = 1024;
    port->tx_descriptors = 1024;
    port->mtu = plan->mtu;
}

int link_start(const struct plan *plan, uint32_t address_count, uint64_t random_seed,
               struct siphash_key key, struct nic_runtime **out)
{
    static struct server_config config;
    static uint16_t cores[PLAN_CORES_MAX];
    make_config(plan, address_count, &config);
    for (uint32_t i = 0; i < plan->core_count; i++)
        cores[i] = plan->cores[i];
    log_set_level(LOG_LEVEL_WARNING);
    struct nic_runtime_config runtime = {.server = &config,
                                         .worker_count = plan->core_count,
                                         .worker_cores = cores,
                                         .use_hugepages = plan->has_huge_pages,
                                         .random_seed = random_seed,
                                         .siphash_key = key};
    return nic_runtime_start(&runtime, out);
}

/* Polls until `is_ready`; false when *stop was set first. */
static bool wait_until(bool (*is_ready)(void *), void *argument, const char *what,
                       const _Atomic bool *stop)
{
    uint64_t start_ns = clock_now_ns();
    bool has_said = false;
    while (!is_ready(argument)) {
        if (atomic_load(stop))
            return false;
        if (!has_said && clock_now_ns() - start_ns > SILENT_NS) {
            fprintf(stderr, "waiting for %s\n", what);
            has_said = true;
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    return true;
}

/* The socket that a port connects to when DPDK starts, and when its file was first seen. */
struct far_socket {
    char path[256];
    uint64_t seen_ns;
};

static bool option_value(const char *device, const char *key, char *value, size_t room)
{
    const char *found = strstr(device, key);
    if (!found)
        return false;
    found += strlen(key);
    snprintf(value, room, "%.*s", (int)strcspn(found, ","), found);
    return true;
}

/* virtio_user0,path=/x and net_memif0,role=client,socket=/x,socket-abstract=no */
static bool connects_at_start(const char *device, struct far_socket *socket)
{
    if (strncmp(device, "virtio_user", 11) == 0)
        return !strstr(device, ",server=1") &&
               option_value(device, ",path=", socket->path, sizeof(socket->path));
    return strncmp(device, "net_memif", 9) == 0 && !strstr(device, ",role=server") &&
           strstr(device, ",socket-abstract=no") &&
           option_value(device, ",socket=", socket->path, sizeof(socket->path));
}

/* A socket of this name that listens; a file alone may be what a killed server left. */
static bool is_listening(const char *path)
{
    char line[512];
    bool found = false;
    FILE *sockets = fopen("/proc/net/unix", "r");
    while (sockets && !found && fgets(line, sizeof(line), sockets)) {
        const char *name = strrchr(line, ' ');
        line[strcspn(line, "\n")] = '\0';
        found = name && strcmp(name + 1, path) == 0 && strstr(line, " 00010000 ");
    }
    if (sockets)
        fclose(sockets);
    return found;
}

static bool far_end_listens(void *argument)
{
    struct far_socket *socket = argument;
    if (access(socket->path, F_OK) != 0) {
        socket->seen_ns = 0;
        return false;
    }
    if (socket->seen_ns == 0)
        socket->seen_ns = clock_now_ns();
    /* Sockets of another network namespace are not listed: then the file must do. */
    return is_listening(socket->path) || clock_now_ns() - socket->seen_ns > UNLISTED_NS;
}

int link_wait_for_socket(const struct plan *plan, const _Atomic bool *stop)
{
    struct far_socket socket = {0};
    char what[300];
    if (!connects_at_start(plan->device, &socket))
        return 0;
    snprintf(what, sizeof(what), "a server at the socket %s", socket.path);
    return wait_until(far_end_listens, &socket, what, stop) ? 0 : -EINTR;
}

static bool link_is_up(void *runtime)
{
    struct nic_statistics statistics;
    nic_port_statistics(runtime, 0, &statistics);
    return statistics.is_link_up;
}

int link_wait(const struct plan *plan, struct nic_runtime *runtime, const _Atomic bool *stop)
{
    char what[300];
    snprintf(what, sizeof(what), "the other end of %.200s", plan->device);
    return wait_until(link_is_up, runtime, what, stop) ? 0 : -EINTR;
}
