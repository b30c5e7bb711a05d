/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <stdio.h>

#include "control/server.h"
#include "control/server_settings.h"
#include "control/store.h"
#include "dataplane/nic_dpdk.h"
#include "dataplane/packet_pool.h"
#include "dataplane/response_cache.h"
#include "include/blob.h"
#include "include/counters.h"
#include "include/space_counts.h"

static void write_port_counter(struct text_buffer *text, const char *name, const char *device,
                               const char *direction, uint64_t value)
{
    const struct stats_label labels[] = {{"device", device}, {"event", direction}};
    stats_sample(text, name, labels, ARRAY_COUNT(labels), value);
}

static void write_ports(void *context, struct text_buffer *text, const char *name)
{
    const struct server *server = context;
    for (uint32_t port = 0; port < nic_port_count(server->nic); port++) {
        struct nic_statistics port_is;
        nic_port_statistics(server->nic, port, &port_is);
        write_port_counter(text, name, port_is.device, "rx_packets", port_is.rx_packets);
        write_port_counter(text, name, port_is.device, "rx_bytes", port_is.rx_bytes);
        write_port_counter(text, name, port_is.device, "rx_missed", port_is.rx_missed);
        write_port_counter(text, name, port_is.device, "rx_errors", port_is.rx_errors);
        write_port_counter(text, name, port_is.device, "rx_no_packets", port_is.rx_no_packets);
        write_port_counter(text, name, port_is.device, "tx_packets", port_is.tx_packets);
        write_port_counter(text, name, port_is.device, "tx_bytes", port_is.tx_bytes);
        write_port_counter(text, name, port_is.device, "tx_errors", port_is.tx_errors);
        write_port_counter(text, name, port_is.device, "link_downs", server->link_downs[port]);
    }
}

static void write_formed_addresses(void *context, struct text_buffer *text, const char *name)
{
    const struct server *server = context;
    for (uint32_t port = 0; port < nic_port_count(server->nic); port++) {
        struct formed_address formed = {0};
        char number[12], address[INET6_ADDRSTRLEN] = "";
        if (!config_ipv6_is_formed(&server->config.ports[port]))
            continue;
        formed.is_there = network_formed_address(server->networks[0], (uint8_t)port, formed.ip,
                                                 &formed.is_deprecated);
        if (formed.is_there)
            inet_ntop(AF_INET6, formed.ip, address, sizeof(address));
        snprintf(number, sizeof(number), "%u", port);
        const char *state = !formed.is_there       ? "none"
                            : formed.is_deprecated ? "deprecated"
                                                   : "in_use";
        const struct stats_label labels[] = {
            {"port", number}, {"address", address}, {"state", state}};
        stats_sample(text, name, labels, ARRAY_COUNT(labels), 1);
    }
}

static void write_ring_depths(void *context, struct text_buffer *text, const char *name)
{
    const struct shard_fabric *fabric = ((const struct server *)context)->shared.fabric;
    for (uint32_t control = 0; control < fabric->control_count; control++) {
        uint32_t requests = 0, replies = 0;
        for (uint32_t client = 0; client < fabric->client_count; client++)
            requests += message_ring_depth(fabric->request[client][control]);
        for (uint32_t worker = 0; worker < fabric->worker_count; worker++)
            replies += message_ring_depth(fabric->reply[control][worker]);
        char index[12];
        snprintf(index, sizeof(index), "%u", control);
        const struct stats_label in[] = {{"control", index}, {"ring", "request"}};
        const struct stats_label out[] = {{"control", index}, {"ring", "reply"}};
        stats_sample(text, name, in, ARRAY_COUNT(in), requests);
        stats_sample(text, name, out, ARRAY_COUNT(out), replies);
    }
}

static void write_connections(void *context, struct text_buffer *text, const char *name)
{
    const struct server *server = context;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        const struct stats_label labels[] = {{"thread", server->worker_counters[i]->thread_name}};
        stats_sample(
            text, name, labels, 1,
            atomic_load_explicit(&server->cores[i]->open_connections, memory_order_relaxed));
    }
}

static void write_tcp_tables(void *context, struct text_buffer *text, const char *name)
{
    static const char *const whats[CORE_LEVEL_COUNT] = {
        [CORE_LEVEL_HALF_OPEN] = "half_open",
        [CORE_LEVEL_TIME_WAIT] = "time_wait",
        [CORE_LEVEL_PACKETS_HELD] = "packets_held",
        [CORE_LEVEL_OUT_OF_ORDER] = "out_of_order",
    };
    const struct server *server = context;
    for (uint32_t i = 0; i < server->worker_count; i++)
        for (uint32_t level = 0; level < CORE_LEVEL_COUNT; level++) {
            const struct stats_label labels[] = {
                {"thread", server->worker_counters[i]->thread_name}, {"what", whats[level]}};
            stats_sample(
                text, name, labels, ARRAY_COUNT(labels),
                atomic_load_explicit(&server->cores[i]->levels[level], memory_order_relaxed));
        }
}

static void write_packets(void *context, struct text_buffer *text, const char *name)
{
    const struct server *server = context;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        const char *thread = server->worker_counters[i]->thread_name;
        const struct rte_mempool *pool = nic_runtime_packets(server->nic, i);
        const struct stats_label used[] = {{"thread", thread}, {"what", "used"}};
        const struct stats_label total[] = {{"thread", thread}, {"what", "total"}};
        stats_sample(text, name, used, ARRAY_COUNT(used), packet_pool_used(pool));
        stats_sample(text, name, total, ARRAY_COUNT(total), packet_pool_size(pool));
    }
}

static void write_store(void *context, struct text_buffer *text, const char *name)
{
    struct store_status status;
    store_set_status(((const struct server *)context)->stores, &status);
    const struct {
        const char *what;
        uint64_t value;
    } values[] = {
        {"keys", status.keys},
        {"index_bytes", status.index_bytes},
        {"live_bytes", status.live_bytes},
        {"dead_bytes", status.dead_bytes},
        {"disk_bytes", status.disk_bytes},
        {"quarantined_segments", status.quarantined_segments},
        {"scrub_pass_unix_seconds", status.scrub_pass_ms / 1000},
        {"failed_shards", status.failed_shards},
        {"is_full", status.is_full},
    };
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        const struct stats_label labels[] = {{"what", values[i].what}};
        stats_sample(text, name, labels, 1, values[i].value);
    }
}

static void write_space(void *context, struct text_buffer *text, const char *name, bool is_bytes)
{
    const struct space_counts *counts = ((const struct server *)context)->shared.space_counts;
    struct space_count space;
    for (uint32_t at = 0; space_counts_next(counts, &at, &space);) {
        const struct stats_label labels[] = {{"namespace", space.name}};
        stats_sample(text, name, labels, 1, is_bytes ? space.value_bytes : space.keys);
    }
}

static void write_space_keys(void *context, struct text_buffer *text, const char *name)
{
    write_space(context, text, name, false);
}

static void write_space_bytes(void *context, struct text_buffer *text, const char *name)
{
    write_space(context, text, name, true);
}

static void write_sync_method(void *context, struct text_buffer *text, const char *name)
{
    struct store_status status;
    store_set_status(((const struct server *)context)->stores, &status);
    const struct stats_label labels[] = {{"method", status.sync_method}};
    stats_sample(text, name, labels, 1, 1);
}

static void write_sync_probe(void *context, struct text_buffer *text, const char *name)
{
    struct store_status status;
    store_set_status(((const struct server *)context)->stores, &status);
    const struct stats_label fdatasync[] = {{"method", "fdatasync"}};
    const struct stats_label dsync[] = {{"method", "dsync"}};
    stats_sample(text, name, fdatasync, 1, status.sync_fdatasync_us);
    stats_sample(text, name, dsync, 1, status.sync_dsync_us);
}

static void write_cache(void *context, struct text_buffer *text, const char *name)
{
    const struct server *server = context;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct response_cache_status status;
        response_cache_status(server->shared.cache, i, &status);
        const struct {
            const char *what;
            uint64_t value;
        } values[] = {
            {"entries", status.entries},
            {"entry_bytes", status.entry_bytes},
            {"blob_bytes", status.blob_bytes},
            {"waiting_bytes", status.waiting_bytes},
        };
        for (size_t k = 0; k < ARRAY_COUNT(values); k++) {
            const struct stats_label labels[] = {
                {"thread", server->worker_counters[i]->thread_name}, {"what", values[k].what}};
            stats_sample(text, name, labels, ARRAY_COUNT(labels), values[k].value);
        }
    }
}

static void write_value_memory(void *context, struct text_buffer *text, const char *name)
{
    const struct blob_pool *blobs = ((const struct server *)context)->shared.blobs;
    const struct stats_label total[] = {{"what", "total"}};
    const struct stats_label unused[] = {{"what", "free"}};
    stats_sample(text, name, total, 1, blob_pool_total_bytes(blobs));
    stats_sample(text, name, unused, 1, blob_pool_free_bytes(blobs));
}

static void write_limits(void *context, struct text_buffer *text, const char *name)
{
    server_settings_write_limits(((struct server *)context)->settings, text, name);
}

static void write_limits_in_use(void *context, struct text_buffer *text, const char *name)
{
    struct server *server = context;
    stats_sample(text, name, NULL, 0,
                 atomic_load_explicit(&server->limits_in_use, memory_order_relaxed));
}

static void write_settings(void *context, struct text_buffer *text, const char *name)
{
    server_settings_write_stats(((struct server *)context)->settings, text, name);
}

/* clang-format off */
static const struct {
    const char *name, *help;
    bool is_counter;
    void (*write)(void *context, struct text_buffer *text, const char *name);
} metrics[] = {
    {"gannet_port_events_total", "what the port counted itself", true, write_ports},
    {"gannet_ipv6_formed",
     "always 1; the address that a port whose ipv6 is auto has formed: in_use, deprecated, none",
     false, write_formed_addresses},
    {"gannet_ring_depth", "operations waiting in rings, summed over workers and task threads",
     false, write_ring_depths},
    {"gannet_connections", "open connections per worker", false, write_connections},
    {"gannet_store", "the store as a whole", false, write_store},
    {"gannet_namespace_keys", "values that each namespace holds", false, write_space_keys},
    {"gannet_namespace_value_bytes", "bytes of these values, without keys and fields", false,
     write_space_bytes},
    {"gannet_value_memory_bytes", "memory for bodies and large cache entries", false,
     write_value_memory},
    {"gannet_cache", "what each worker's cache part holds", false, write_cache},
    {"gannet_store_sync_method", "always 1; the label says how commits become durable", false,
     write_sync_method},
    {"gannet_store_sync_probe_us",
     "one small commit by each method, measured at the first start; 0: it was not", false,
     write_sync_probe},
    {"gannet_config", "reloads: the generation in effect, and files that were refused", false,
     write_settings},
    {"gannet_rate_limit_requests_total", "requests that each rate limit took and refused", true,
     write_limits},
    {"gannet_rate_limit_clients", "of limits.clients, those that owed something a minute ago",
     false, write_limits_in_use},
    {"gannet_tcp_tables", "entries of TCP's bounded tables and queues in use, per worker", false,
     write_tcp_tables},
    {"gannet_packets", "packets of each worker's pool, the port's receive ring included", false,
     write_packets},
};
/* clang-format on */
static_assert(ARRAY_COUNT(metrics) == SERVER_METRICS_COUNT, "server.h has room for each");

void server_metrics_describe(struct server *server)
{
    for (size_t i = 0; i < ARRAY_COUNT(metrics); i++)
        server->sources[i] = (struct stats_source){metrics[i].name, metrics[i].help,
                                                   metrics[i].is_counter, metrics[i].write, server};
}
