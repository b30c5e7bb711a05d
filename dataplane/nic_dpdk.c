/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/nic_dpdk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf_dyn.h>

#include "dataplane/bulletin.h"
#include "dataplane/dispatch.h"
#include "dataplane/kernel_path.h"
#include "dataplane/network.h"
#include "dataplane/nic_arguments.h"
#include "dataplane/nic_leftovers.h"
#include "dataplane/nic_plan.h"
#include "dataplane/packet.h"
#include "dataplane/packet_pool.h"
#include "include/assert_policy.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/log.h"
#include "include/port_set.h"
#include "include/random.h"
#include "include/server_config.h"

#define RSS_KEY_BYTES_MAX 128u
#define FRAME_OVERHEAD_BYTES 18u /* Ethernet header and check sequence */
#define MTU_ETHERNET 1500u
#define KERNEL_DESCRIPTORS 4u            /* net_tap keeps so many packets ready, and uses one */
#define WORKERS_MAX (RTE_MAX_LCORE - 1u) /* one lcore is the main thread's */

struct nic_queue {
    uint16_t port_id;
    uint16_t queue_index;
    uint16_t mtu;
    bool needs_prepare; /* a transmit offload is on: some drivers want to touch the packet first */
    uint32_t offloads;
    uint64_t prepared_flag;            /* marks packets that were prepared and not taken */
    _Atomic uint64_t unsendable_count; /* packets the driver can never send */
    uint8_t mac[6];
} __attribute__((aligned(CACHE_LINE_BYTES)));

/* The kernel's interface beside a port; DPDK has it as a port of its own. */
struct nic_kernel_side {
    uint16_t port_id;
    bool is_started;
    struct kernel_path *path; /* NULL: the port has none */
    struct nic_queue queue;
};

struct nic_port {
    uint16_t port_id;
    bool is_started;
    bool is_promiscuous;
    struct nic_plan plan;
    struct rte_eth_dev_info info;
    struct network_port_config addresses;
    struct dispatch *dispatch; /* NULL: every worker has a queue */
    struct nic_kernel_side kernel;
    struct nic_queue queues[CORES_MAX];
};

struct nic_runtime {
    struct nic_runtime_config config;
    struct random random;
    FILE *log_stream;
    struct nic_prefix prefix;
    bool has_environment;
    uint32_t port_count;
    struct bulletin_board *board; /* NULL: one worker */
    struct rte_mempool *packets[CORES_MAX];
    struct rte_mempool *descriptors[CORES_MAX];
    struct nic_port ports[NETWORK_PORTS_MAX];
};

/* ---- nic.h ---- */

uint32_t nic_receive(struct nic_queue *queue, struct packet **out, uint32_t limit)
{
    return rte_eth_rx_burst(queue->port_id, queue->queue_index, (struct rte_mbuf **)out,
                            (uint16_t)limit);
}

/*
 * Some drivers change a packet when they prepare it (virtio adds to the checksum of a segment to be
 * cut), so what stays behind is marked and not prepared again.
 */
static uint32_t transmit_prepared(struct nic_queue *queue, struct rte_mbuf **mbufs, uint16_t count)
{
    uint16_t ready = 0;
    while (ready < count && (mbufs[ready]->ol_flags & queue->prepared_flag))
        ready++;
    if (ready < count)
        ready = (uint16_t)(ready + rte_eth_tx_prepare(queue->port_id, queue->queue_index,
                                                      mbufs + ready, (uint16_t)(count - ready)));
    uint16_t sent = rte_eth_tx_burst(queue->port_id, queue->queue_index, mbufs, ready);
    for (uint16_t i = sent; i < ready; i++)
        mbufs[i]->ol_flags |= queue->prepared_flag;
    if (LIKELY(sent < ready || ready == count))
        return sent;
    /* The driver refused to prepare the next one: it would stand in the way for ever. */
    rte_pktmbuf_free(mbufs[sent]);
    counter_bump(&queue->unsendable_count, 1);
    return sent + 1u;
}

uint32_t nic_transmit(struct nic_queue *queue, struct packet **packets, uint32_t packet_count)
{
    struct rte_mbuf **mbufs = (struct rte_mbuf **)packets;
    if (queue->needs_prepare)
        return transmit_prepared(queue, mbufs, (uint16_t)packet_count);
    return rte_eth_tx_burst(queue->port_id, queue->queue_index, mbufs, (uint16_t)packet_count);
}

uint32_t nic_offloads(const struct nic_queue *queue)
{
    return queue->offloads;
}

uint16_t nic_mtu(const struct nic_queue *queue)
{
    return queue->mtu;
}

const uint8_t *nic_mac(const struct nic_queue *queue)
{
    return queue->mac;
}

/* ---- environment ---- */

/* True for what DPDK says on a healthy start. */
static bool is_harmless(const char *line)
{
    static const char *const known[] = {
        "hugepages reported on node", "TSC frequency estimate", "cannot open /proc/self/numa_maps",
        "No legacy callbacks", "VFIO support not initialized",
        /* net_tap on kernels without multiq, and without a second process */
        "multiq qdisc", "qdisc kind is unknown", "Disabling rte flow support",
        "tap_mp_req_on_rxtx"};
    for (size_t i = 0; i < ARRAY_COUNT(known); i++)
        if (strstr(line, known[i]))
            return true;
    return false;
}

/* DPDK's own messages, one per call, in our log: its errors are ours, the rest is for debugging. */
static ssize_t take_log_line(void *unused, const char *text, size_t length)
{
    char line[512];
    (void)unused;
    snprintf(line, sizeof(line), "%.*s", (int)length, text);
    line[strcspn(line, "\n")] = '\0';
    bool is_error = rte_log_cur_msg_loglevel() <= (int)RTE_LOG_ERR;
    if (line[0] != '\0')
        log_line(is_error && !is_harmless(line) ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "dpdk: %s",
                 line);
    return (ssize_t)length;
}

/* A name of our own for DPDK's files; what killed servers left in our way goes. */
static int start_clean(struct nic_runtime *runtime)
{
    char base[PATH_MAX], path[PATH_MAX];
    const struct server_config *server = runtime->config.server;
    nic_runtime_base(base, sizeof(base));
    uint32_t count = nic_leftovers_close(base);
    if (count > 0)
        log_info("removed %u runtime directories of killed servers from %s", count, base);
    for (uint32_t i = 0; i < server->ports_count; i++)
        if (nic_socket_path(server->ports[i].device, path, sizeof(path)) &&
            nic_socket_close_stale(path))
            log_info("port %u: removed the socket %s: nobody listens on it any more", i, path);
    int result = nic_prefix_open(base, getpid(), &runtime->prefix);
    if (result != 0)
        log_error("no runtime directory for DPDK in %s: %s", base, strerror(-result));
    return result;
}

static int start_environment(struct nic_runtime *runtime)
{
    static struct nic_arguments arguments; /* DPDK keeps pointers into it */
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return -errno;
    int result = start_clean(runtime);
    if (result == 0)
        result = nic_arguments_make(&runtime->config, &allowed, runtime->prefix.name, &arguments);
    if (result != 0)
        return result;
    runtime->log_stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = take_log_line});
    if (runtime->log_stream) {
        setvbuf(runtime->log_stream, NULL, _IOLBF, 512);
        rte_openlog_stream(runtime->log_stream);
    }
    if (rte_eal_init(arguments.count, arguments.values) < 0) {
        log_error("DPDK does not start: %s", rte_strerror(rte_errno));
        return rte_errno > 0 ? -rte_errno : -EIO;
    }
    (void)sched_setaffinity(0, sizeof(allowed), &allowed); /* only DPDK's threads stay apart */
    runtime->has_environment = true;
    return 0;
}

static void stop_environment(struct nic_runtime *runtime)
{
    if (runtime->has_environment)
        rte_eal_cleanup();
    rte_openlog_stream(NULL);
    if (runtime->log_stream)
        fclose(runtime->log_stream);
    nic_prefix_close(&runtime->prefix);
}

/* ---- capabilities ---- */

/* Drivers that keep a flow on one queue without RSS in their capabilities. */
static bool driver_spreads_flows(const char *driver)
{
    /* af_packet: the kernel's fanout hash; memif and af_xdp: the other side's queue is ours */
    static const char *const known[] = {"net_af_packet", "net_memif", "net_af_xdp"};
    for (size_t i = 0; i < ARRAY_COUNT(known); i++)
        if (strcmp(driver, known[i]) == 0)
            return true;
    return false;
}

static uint32_t offloads_of(const struct rte_eth_dev_info *info)
{
    uint32_t result = 0;
    uint64_t rx_checksums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
    if ((info->rx_offload_capa & rx_checksums) == rx_checksums)
        result |= NIC_RX_CHECKSUM;
    if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM)
        result |= NIC_TX_IPV4_CHECKSUM;
    if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
        result |= NIC_TX_TCP_CHECKSUM;
    if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO)
        result |= NIC_TX_SEGMENTATION;
    if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
        result |= NIC_TX_MULTI_SEGMENT;
    if (info->flow_type_rss_offloads != 0 && info->max_rx_queues > 1)
        result |= NIC_RX_RSS_HASH;
    return result;
}

static uint16_t mtu_max_of(const struct rte_eth_dev_info *info)
{
    if (info->max_mtu != UINT16_MAX && info->max_mtu != 0)
        return info->max_mtu;
    uint32_t from_frame = info->max_rx_pktlen > MTU_ETHERNET + FRAME_OVERHEAD_BYTES
                              ? info->max_rx_pktlen - FRAME_OVERHEAD_BYTES
                              : MTU_ETHERNET;
    return (uint16_t)(from_frame > UINT16_MAX ? UINT16_MAX : from_frame);
}

static struct nic_capabilities capabilities_of(const struct rte_eth_dev_info *info)
{
    struct nic_capabilities result = {
        .offloads = offloads_of(info),
        .rx_queues_max = info->max_rx_queues,
        .tx_queues_max = info->max_tx_queues,
        .mtu_min = info->min_mtu,
        .mtu_max = mtu_max_of(info),
        .rx_descriptors_min = info->rx_desc_lim.nb_min,
        .rx_descriptors_max = info->rx_desc_lim.nb_max,
        .rx_descriptors_align = info->rx_desc_lim.nb_align,
        .tx_descriptors_min = info->tx_desc_lim.nb_min,
        .tx_descriptors_max = info->tx_desc_lim.nb_max,
        .tx_descriptors_align = info->tx_desc_lim.nb_align,
    };
    snprintf(result.driver, sizeof(result.driver), "%s", info->driver_name);
    result.spreads_flows =
        (result.offloads & NIC_RX_RSS_HASH) || driver_spreads_flows(info->driver_name);
    return result;
}

/* ---- one port ---- */

static int probe_port(struct nic_runtime *runtime, uint32_t index)
{
    char name[RTE_ETH_NAME_MAX_LEN];
    struct nic_port *port = &runtime->ports[index];
    const struct config_ports *config = &runtime->config.server->ports[index];
    nic_device_name(config->device, name, sizeof(name));
    if (rte_eth_dev_get_port_by_name(name, &port->port_id) != 0) {
        log_error("port %u: DPDK has no port for ports.device = %s: is the name right, and the "
                  "driver's package installed?",
                  index, config->device);
        return -ENODEV;
    }
    return rte_eth_dev_info_get(port->port_id, &port->info);
}

static int configure_plan(struct nic_runtime *runtime, uint32_t index)
{
    struct nic_port *port = &runtime->ports[index];
    const struct config_ports *config = &runtime->config.server->ports[index];
    struct nic_capabilities capabilities = capabilities_of(&port->info);
    int result =
        nic_plan_make(index, &capabilities, config, runtime->config.worker_count, &port->plan);
    if (result == 0)
        result = nic_plan_addresses(index, config, &port->addresses, port->plan.error);
    if (result != 0) {
        log_error("%s", port->plan.error);
        return result;
    }
    for (uint32_t i = 0; i < port->plan.sentence_count; i++)
        log_info("%s", port->plan.sentences[i]);
    return 0;
}

static uint64_t rx_offloads_of(uint32_t offloads)
{
    return offloads & NIC_RX_CHECKSUM ? RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM
                                      : 0;
}

static uint64_t tx_offloads_of(uint32_t offloads)
{
    uint64_t result = 0;
    if (offloads & NIC_TX_IPV4_CHECKSUM)
        result |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    if (offloads & NIC_TX_TCP_CHECKSUM)
        result |= RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    if (offloads & NIC_TX_SEGMENTATION)
        result |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
    if (offloads & NIC_TX_MULTI_SEGMENT)
        result |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    return result;
}

/* A random key: clients must not be able to choose their worker. */
static void set_rss(struct nic_runtime *runtime, const struct nic_port *port,
                    struct rte_eth_conf *conf, uint8_t key[RSS_KEY_BYTES_MAX])
{
    uint64_t wanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP;
    if (port->plan.queue_count < 2 || !(port->plan.offloads & NIC_RX_RSS_HASH))
        return;
    for (uint32_t i = 0; i < RSS_KEY_BYTES_MAX; i++)
        key[i] = (uint8_t)random_u64(&runtime->random);
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf->rx_adv_conf.rss_conf.rss_hf = wanted & port->info.flow_type_rss_offloads;
    if (port->info.hash_key_size > 0 && port->info.hash_key_size <= RSS_KEY_BYTES_MAX) {
        conf->rx_adv_conf.rss_conf.rss_key = key;
        conf->rx_adv_conf.rss_conf.rss_key_len = port->info.hash_key_size;
    }
}

static int configure_port(struct nic_runtime *runtime, struct nic_port *port)
{
    uint8_t key[RSS_KEY_BYTES_MAX];
    struct rte_eth_conf conf = {
        .rxmode = {.mtu = port->plan.mtu, .offloads = rx_offloads_of(port->plan.offloads)},
        .txmode = {.offloads = tx_offloads_of(port->plan.offloads)},
    };
    set_rss(runtime, port, &conf, key);
    uint16_t queues = (uint16_t)port->plan.queue_count;
    int result = rte_eth_dev_configure(port->port_id, queues, queues, &conf);
    if (result != 0)
        return result;
    result = rte_eth_dev_set_mtu(port->port_id, port->plan.mtu);
    /* drivers without the call take what Ethernet takes */
    return result == -ENOTSUP && port->plan.mtu <= MTU_ETHERNET ? 0 : result;
}

/* A flag of our own in the packets' offload flags; no driver looks at it. 0: none is left. */
static uint64_t prepared_flag(void)
{
    static const struct rte_mbuf_dynflag flag = {.name = "gannet_prepared"};
    int bit = rte_mbuf_dynflag_register(&flag);
    return bit < 0 ? 0 : UINT64_C(1) << bit;
}

static int set_up_queues(struct nic_runtime *runtime, struct nic_port *port)
{
    struct rte_ether_addr mac;
    int result = rte_eth_macaddr_get(port->port_id, &mac);
    for (uint16_t i = 0; i < port->plan.queue_count && result == 0; i++) {
        int socket = rte_eth_dev_socket_id(port->port_id);
        struct rte_eth_rxconf rx = port->info.default_rxconf;
        struct rte_eth_txconf tx = port->info.default_txconf;
        rx.offloads = rx_offloads_of(port->plan.offloads);
        tx.offloads = tx_offloads_of(port->plan.offloads);
        result = rte_eth_rx_queue_setup(port->port_id, i, port->plan.rx_descriptors,
                                        (unsigned int)socket, &rx, runtime->packets[i]);
        if (result == 0)
            result = rte_eth_tx_queue_setup(port->port_id, i, port->plan.tx_descriptors,
                                            (unsigned int)socket, &tx);
        struct nic_queue *queue = &port->queues[i];
        *queue = (struct nic_queue){
            .port_id = port->port_id,
            .queue_index = i,
            .mtu = port->plan.mtu,
            .offloads = port->plan.offloads,
            .needs_prepare = (port->plan.offloads & (NIC_TX_IPV4_CHECKSUM | NIC_TX_TCP_CHECKSUM |
                                                     NIC_TX_SEGMENTATION)) != 0,
            .prepared_flag = prepared_flag(),
        };
        memcpy(queue->mac, mac.addr_bytes, 6);
    }
    return result;
}

/*
 * Neighbour solicitations come to groups: without them nobody finds our IPv6 address. The groups of
 * a kernel interface beside the port are not known here, so then it must be all of them.
 */
static void open_groups(struct nic_port *port, uint32_t index, bool needs_all)
{
    uint8_t tail[3];
    memcpy(tail, port->addresses.ipv6 + 13, 3);
    struct rte_ether_addr groups[] = {
        {{0x33, 0x33, 0, 0, 0, 1}},
        {{0x33, 0x33, 0xff, tail[0], tail[1], tail[2]}},
        {{0x33, 0x33, 0xff, port->queues[0].mac[3], port->queues[0].mac[4],
          port->queues[0].mac[5]}},
    };
    rte_eth_promiscuous_disable(port->port_id);
    if (rte_eth_allmulticast_enable(port->port_id) == 0 ||
        (!needs_all &&
         rte_eth_dev_set_mc_addr_list(port->port_id, groups, ARRAY_COUNT(groups)) == 0))
        return;
    port->is_promiscuous = rte_eth_promiscuous_enable(port->port_id) == 0;
    if (!port->is_promiscuous && port->addresses.ipv6_prefix_bits > 0)
        log_warning("port %u: the driver cannot listen to multicast groups: IPv6 neighbours may "
                    "not find us",
                    index);
}

static int start_dispatch(struct nic_runtime *runtime, struct nic_port *port)
{
    if (!port->plan.needs_dispatch)
        return 0;
    port->dispatch = dispatch_create(runtime->config.worker_count, port->plan.queue_count,
                                     (uint32_t)runtime->config.server->network.dispatch_ring,
                                     &runtime->config.siphash_key);
    return port->dispatch ? 0 : -ENOMEM;
}

/* ---- the kernel's interface ---- */

/* One queue without offloads and with the port's link address, so that one NIC is both. */
static int set_up_kernel_side(struct nic_runtime *runtime, const struct nic_port *port,
                              struct nic_kernel_side *kernel)
{
    struct rte_eth_conf conf = {.rxmode = {.mtu = port->plan.mtu}};
    struct rte_ether_addr mac;
    unsigned int socket = (unsigned int)SOCKET_ID_ANY;
    memcpy(mac.addr_bytes, port->queues[0].mac, 6);
    int result = rte_eth_dev_configure(kernel->port_id, 1, 1, &conf);
    if (result == 0)
        result = rte_eth_dev_set_mtu(kernel->port_id, port->plan.mtu);
    if (result == 0)
        result = rte_eth_dev_default_mac_addr_set(kernel->port_id, &mac);
    if (result == 0)
        result = rte_eth_rx_queue_setup(kernel->port_id, 0, KERNEL_DESCRIPTORS, socket, NULL,
                                        runtime->packets[KERNEL_PATH_OWNER]);
    if (result == 0)
        result = rte_eth_tx_queue_setup(kernel->port_id, 0, KERNEL_DESCRIPTORS, socket, NULL);
    kernel->queue = (struct nic_queue){.port_id = kernel->port_id, .mtu = port->plan.mtu};
    return result;
}

static int start_kernel_side(struct nic_runtime *runtime, uint32_t index)
{
    static struct port_set tcp_ports; /* main thread, at start */
    struct nic_port *port = &runtime->ports[index];
    struct nic_kernel_side *kernel = &port->kernel;
    const struct config_ports *config = &runtime->config.server->ports[index];
    char name[32];
    if (config->kernel_interface[0] == '\0')
        return 0;
    nic_kernel_device_name(index, name, sizeof(name));
    int result = rte_eth_dev_get_port_by_name(name, &kernel->port_id);
    if (result == 0)
        result = port_set_parse(config->kernel_ports, &tcp_ports);
    if (result == 0)
        result = set_up_kernel_side(runtime, port, kernel);
    if (result == 0)
        result = rte_eth_dev_start(kernel->port_id);
    kernel->is_started = result == 0;
    if (result != 0) {
        log_error("port %u: the kernel interface %s cannot be started: %s", index,
                  config->kernel_interface, rte_strerror(-result));
        return result;
    }
    kernel->path = kernel_path_create(&(struct kernel_path_config){
        .interface = &kernel->queue,
        .tcp_ports = &tcp_ports,
        .worker_count = runtime->config.worker_count,
        .frames_per_s = (uint32_t)runtime->config.server->network.kernel_per_s,
    });
    log_info("port %u: what is not ours goes to the kernel's interface %s; TCP ports of ours that "
             "it serves: %s",
             index, config->kernel_interface, config->kernel_ports);
    return kernel->path ? 0 : -ENOMEM;
}

static void stop_kernel_side(struct nic_kernel_side *kernel)
{
    kernel_path_destroy(kernel->path);
    if (!kernel->is_started)
        return;
    rte_eth_dev_stop(kernel->port_id);
    rte_eth_dev_close(kernel->port_id);
}

static int start_port(struct nic_runtime *runtime, uint32_t index)
{
    struct nic_port *port = &runtime->ports[index];
    int result = configure_port(runtime, port);
    if (result == 0)
        result = set_up_queues(runtime, port);
    if (result == 0)
        result = start_dispatch(runtime, port);
    if (result == 0)
        result = rte_eth_dev_start(port->port_id);
    if (result != 0) {
        log_error("port %u (%s, driver %s): cannot be started: %s", index,
                  runtime->config.server->ports[index].device, port->info.driver_name,
                  rte_strerror(-result));
        return result;
    }
    port->is_started = true;
    open_groups(port, index, runtime->config.server->ports[index].kernel_interface[0] != '\0');
    result = start_kernel_side(runtime, index);
    if (result != 0)
        return result;
    const uint8_t *mac = port->queues[0].mac;
    log_info("port %u: %s, driver %s, %02x:%02x:%02x:%02x:%02x:%02x, %u queues of %u and %u "
             "descriptors, MTU %u",
             index, runtime->config.server->ports[index].device, port->info.driver_name, mac[0],
             mac[1], mac[2], mac[3], mac[4], mac[5], port->plan.queue_count,
             port->plan.rx_descriptors, port->plan.tx_descriptors, port->plan.mtu);
    return 0;
}

static void stop_port(struct nic_port *port)
{
    stop_kernel_side(&port->kernel);
    if (port->is_promiscuous)
        rte_eth_promiscuous_disable(port->port_id);
    if (port->is_started)
        rte_eth_dev_stop(port->port_id);
    rte_eth_dev_close(port->port_id);
    dispatch_destroy(port->dispatch);
}

/* ---- pools ---- */

static uint16_t largest_room(const struct nic_runtime *runtime)
{
    uint16_t room = PACKET_ROOM_BYTES;
    for (uint32_t i = 0; i < runtime->port_count; i++)
        if (packet_room_for_mtu(runtime->ports[i].plan.mtu) > room)
            room = packet_room_for_mtu(runtime->ports[i].plan.mtu);
    return room;
}

static int probe_packet_count(const struct nic_runtime *runtime)
{
    struct nic_plan plans[NETWORK_PORTS_MAX];
    for (uint32_t i = 0; i < runtime->port_count; i++)
        plans[i] = runtime->ports[i].plan;
    uint32_t needed = nic_plan_packets_needed(plans, runtime->port_count);
    if (runtime->config.server->memory.packets >= needed)
        return 0;
    log_error("memory.packets = %u: the rings of the ports need at least %u per worker; raise it "
              "or lower ports.rx_descriptors",
              (unsigned)runtime->config.server->memory.packets, needed);
    return -EINVAL;
}

static int start_pools(struct nic_runtime *runtime)
{
    uint32_t count = (uint32_t)runtime->config.server->memory.packets - 1; /* 2^n - 1 packs best */
    uint16_t room = largest_room(runtime);
    for (uint32_t i = 0; i < runtime->config.worker_count; i++) {
        char name[32];
        int socket =
            runtime->config.use_hugepages ? (int)rte_lcore_to_socket_id(i + 1) : SOCKET_ID_ANY;
        snprintf(name, sizeof(name), "packets_%u", i);
        runtime->packets[i] = packet_pool_create(name, count, socket, room);
        snprintf(name, sizeof(name), "descriptors_%u", i);
        runtime->descriptors[i] = packet_pool_create(name, count, socket, 0);
        if (!runtime->packets[i] || !runtime->descriptors[i]) {
            log_error("no memory for %u packets of worker %u (memory.packets)", count, i);
            return -ENOMEM;
        }
    }
    return 0;
}

/* ---- start and stop ---- */

static int start_ports(struct nic_runtime *runtime)
{
    int result = 0;
    uint32_t count = runtime->config.server->ports_count;
    for (uint32_t i = 0; i < count && result == 0; i++) {
        result = probe_port(runtime, i);
        if (result == 0) {
            runtime->port_count++;
            result = configure_plan(runtime, i);
        }
    }
    if (result == 0)
        result = probe_packet_count(runtime);
    if (result == 0)
        result = start_pools(runtime);
    for (uint32_t i = 0; i < count && result == 0; i++)
        result = start_port(runtime, i);
    return result;
}

int nic_runtime_start(const struct nic_runtime_config *config, struct nic_runtime **out)
{
    ASSERT(config->worker_count > 0);
    *out = NULL;
    if (config->worker_count > WORKERS_MAX || config->server->ports_count == 0 ||
        config->server->ports_count > NETWORK_PORTS_MAX) {
        log_error("%u workers and %u ports: at most %u workers, and 1 to %u ports",
                  config->worker_count, config->server->ports_count, (unsigned)WORKERS_MAX,
                  NETWORK_PORTS_MAX);
        return -EINVAL;
    }
    struct nic_runtime *runtime = aligned_alloc(CACHE_LINE_BYTES, sizeof(*runtime));
    if (!runtime)
        return -ENOMEM;
    memset(runtime, 0, sizeof(*runtime));
    runtime->config = *config;
    runtime->random.state = config->random_seed;
    int result = start_environment(runtime);
    if (result == 0 && config->worker_count > 1) {
        runtime->board = bulletin_board_create(config->worker_count);
        result = runtime->board ? 0 : -ENOMEM;
    }
    if (result == 0)
        result = start_ports(runtime);
    if (result != 0) {
        nic_runtime_stop(runtime);
        return result;
    }
    *out = runtime;
    return 0;
}

void nic_runtime_stop(struct nic_runtime *runtime)
{
    if (!runtime)
        return;
    for (uint32_t i = 0; i < runtime->port_count; i++)
        stop_port(&runtime->ports[i]);
    for (uint32_t i = 0; i < runtime->config.worker_count; i++) {
        packet_pool_destroy(runtime->packets[i]);
        packet_pool_destroy(runtime->descriptors[i]);
    }
    bulletin_board_destroy(runtime->board);
    stop_environment(runtime);
    free(runtime);
}

/* ---- workers ---- */

struct network *nic_runtime_network(struct nic_runtime *runtime, uint32_t worker,
                                    struct counters *counters, struct capture_ring *capture)
{
    struct network_port_config ports[NETWORK_PORTS_MAX];
    const struct server_config *server = runtime->config.server;
    ASSERT(worker < runtime->config.worker_count);
    for (uint32_t i = 0; i < runtime->port_count; i++) {
        struct nic_port *port = &runtime->ports[i];
        ports[i] = port->addresses;
        /* lint-allow: division: at start */
        ports[i].queue = &port->queues[worker % port->plan.queue_count];
        ports[i].dispatch = port->dispatch;
        ports[i].kernel = port->kernel.path;
    }
    return network_create(&(struct network_config){
        .ports = ports,
        .port_count = runtime->port_count,
        .worker_index = worker,
        .neighbour_count = (uint32_t)server->network.neighbours,
        .icmp_per_s = (uint32_t)server->network.icmp_per_s,
        .checks_addresses = server->network.address_check,
        .fragment_packets = server->network.fragments == CONFIG_FRAGMENTS_REASSEMBLE
                                ? (uint32_t)server->network.fragment_packets
                                : 0,
        .fragment_timeout_ns = server->network.fragment_timeout_ms * NS_PER_MS,
        .pool = runtime->packets[worker],
        .counters = counters,
        .board = runtime->board,
        .capture = capture,
        .key = runtime->config.siphash_key,
        .random_seed = random_u64(&runtime->random),
    });
}

struct rte_mempool *nic_runtime_packets(struct nic_runtime *runtime, uint32_t worker)
{
    return runtime->packets[worker];
}

struct rte_mempool *nic_runtime_descriptors(struct nic_runtime *runtime, uint32_t worker)
{
    return runtime->descriptors[worker];
}

void nic_runtime_set_sleeper(struct nic_runtime *runtime, uint32_t worker, struct sleeper *sleeper)
{
    for (uint32_t i = 0; i < runtime->port_count; i++)
        if (runtime->ports[i].dispatch)
            dispatch_set_sleeper(runtime->ports[i].dispatch, worker, sleeper);
}

int nic_runtime_launch(struct nic_runtime *runtime, uint32_t worker, int (*function)(void *),
                       void *argument)
{
    ASSERT(worker < runtime->config.worker_count);
    return rte_eal_remote_launch(function, argument, worker + 1);
}

void nic_runtime_join(struct nic_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->config.worker_count; i++)
        rte_eal_wait_lcore(i + 1);
}

/* ---- statistics ---- */

uint32_t nic_port_count(const struct nic_runtime *runtime)
{
    return runtime->port_count;
}

bool nic_port_link_is_up(const struct nic_runtime *runtime, uint32_t port)
{
    struct rte_eth_link link = {0};
    ASSERT(port < runtime->port_count);
    return rte_eth_link_get_nowait(runtime->ports[port].port_id, &link) == 0 &&
           link.link_status == RTE_ETH_LINK_UP;
}

void nic_port_statistics(const struct nic_runtime *runtime, uint32_t port,
                         struct nic_statistics *out)
{
    struct rte_eth_stats stats = {0};
    struct rte_eth_link link = {0};
    ASSERT(port < runtime->port_count);
    const struct nic_port *nic = &runtime->ports[port];
    rte_eth_stats_get(nic->port_id, &stats);
    rte_eth_link_get_nowait(nic->port_id, &link);
    *out = (struct nic_statistics){
        .is_link_up = link.link_status == RTE_ETH_LINK_UP,
        .link_mbit_per_s = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed,
        .rx_packets = stats.ipackets,
        .rx_bytes = stats.ibytes,
        .tx_packets = stats.opackets,
        .tx_bytes = stats.obytes,
        .rx_missed = stats.imissed,
        .rx_errors = stats.ierrors,
        .rx_no_packets = stats.rx_nombuf,
        .tx_errors = stats.oerrors,
    };
    for (uint32_t i = 0; i < nic->plan.queue_count; i++)
        out->tx_errors +=
            atomic_load_explicit(&nic->queues[i].unsendable_count, memory_order_relaxed);
    nic_device_name(runtime->config.server->ports[port].device, out->device, sizeof(out->device));
    snprintf(out->driver, sizeof(out->driver), "%s", nic->info.driver_name);
}
