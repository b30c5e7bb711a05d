/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "control/control_loop.h"
#include "control/server.h"
#include "control/server_settings.h"
#include "control/service_notify.h"
#include "control/task_loop.h"
#include "dataplane/limit_table.h"
#include "dataplane/nic_dpdk.h"
#include "include/log.h"

/* By the main thread only, so that the heartbeats' memory needs no lock. */
static const char *find_hanging_thread(struct server *server)
{
    static const char *const hangs[] = {"a worker hangs", "a control thread hangs",
                                        "a task thread hangs"};
    uint64_t now_ns = clock_now_ns();
    const char *found = NULL;
    for (uint32_t i = 0; i < server->worker_count; i++)
        if (!heartbeat_goes_on(
                &server->worker_beats[i],
                atomic_load_explicit(&server->cores[i]->rounds, memory_order_relaxed), now_ns))
            found = hangs[0];
    for (uint32_t i = 0; i < server->config.control.threads; i++)
        if (!heartbeat_goes_on(&server->control_beats[i],
                               control_loop_heartbeat(server->controls[i]), now_ns))
            found = hangs[1];
    for (uint32_t i = 0; i < server->config.tasks.threads; i++)
        if (!heartbeat_goes_on(&server->task_beats[i], task_loop_heartbeat(server->task_threads[i]),
                               now_ns))
            found = hangs[2];
    return found;
}

/* A link that comes back may lead to another switch: the workers say again where they are. */
static void watch_links(struct server *server)
{
    for (uint32_t port = 0; port < nic_port_count(server->nic); port++) {
        bool is_up = nic_port_link_is_up(server->nic, port);
        if (is_up == !server->is_link_down[port])
            continue;
        server->is_link_down[port] = !is_up;
        const char *device = server->config.ports[port].device;
        if (!is_up) {
            server->link_downs[port]++;
            log_warning("port %u (%s): the link is down; connections wait", port, device);
            continue;
        }
        log_info("port %u (%s): the link is up", port, device);
        for (uint32_t i = 0; i < server->worker_count; i++)
            network_link_came_up(server->networks[i], (uint8_t)port);
    }
}

static void watch_addresses(struct server *server)
{
    uint32_t taken = network_addresses_taken(server->networks[0]);
    uint32_t news = taken & ~server->addresses_taken;
    server->addresses_taken = taken;
    for (uint32_t port = 0; news != 0 && port < nic_port_count(server->nic); port++) {
        const struct config_ports *config = &server->config.ports[port];
        if (news >> (port * 2) & 1)
            log_error("port %u: another station has ports.ipv4 = %s already: we do not use it; "
                      "give one of them another address and restart",
                      port, config->ipv4);
        if (!(news >> (port * 2 + 1) & 1))
            continue;
        if (config_ipv6_is_formed(config))
            log_error("port %u: another station has the IPv6 address formed of a router's prefix "
                      "and our link address already: we do not use it; two stations have the same "
                      "link address",
                      port);
        else
            log_error("port %u: another station has ports.ipv6 = %s, or our link-local address, "
                      "already: we do not use them; change one and restart",
                      port, config->ipv6);
    }
}

/* The address that clients need is in no configuration: the log says it whenever it changes. */
static void watch_formed_address(struct server *server, uint32_t port)
{
    struct formed_address *logged = &server->formed[port], now = {0};
    char before[INET6_ADDRSTRLEN], after[INET6_ADDRSTRLEN];
    now.is_there =
        network_formed_address(server->networks[0], (uint8_t)port, now.ip, &now.is_deprecated);
    bool is_same = memcmp(now.ip, logged->ip, sizeof(now.ip)) == 0;
    inet_ntop(AF_INET6, logged->ip, before, sizeof(before));
    inet_ntop(AF_INET6, now.ip, after, sizeof(after));
    if (now.is_there && (!logged->is_there || !is_same))
        log_info("port %u: IPv6 address %s/64, formed of a router's prefix and the link address",
                 port, after);
    else if (!now.is_there && logged->is_there)
        log_warning("port %u: no router vouches for IPv6 address %s any more: it is not used now",
                    port, before);
    else if (now.is_deprecated && !logged->is_deprecated)
        log_warning("port %u: routers deprecate IPv6 address %s: it is still answered", port,
                    after);
    *logged = now;
}

static void sweep_limits(struct server *server)
{
    uint64_t now_ns = clock_now_ns();
    if (now_ns - server->limits_swept_ns < LIMIT_SWEEP_NS)
        return;
    server->limits_swept_ns = now_ns;
    uint64_t in_use = limit_table_sweep(server->shared.limits, now_ns);
    atomic_store_explicit(&server->limits_in_use, in_use, memory_order_relaxed);
}

void server_watch(struct server *server, struct service_notify *notify)
{
    sweep_limits(server);
    watch_links(server);
    watch_addresses(server);
    for (uint32_t port = 0; port < nic_port_count(server->nic); port++)
        if (config_ipv6_is_formed(&server->config.ports[port]))
            watch_formed_address(server, port);
    server_settings_collect(server->settings);
    const char *hanging = find_hanging_thread(server);
    const char *before = atomic_exchange_explicit(&server->hanging, hanging, memory_order_relaxed);
    if (hanging && !before)
        log_error("%s: no progress for %" PRIu64 " s", hanging, (uint64_t)HANG_S);
    if (!hanging)
        service_notify_alive(notify);
}
