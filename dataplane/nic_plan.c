/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/nic_plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/network.h"
#include "include/assert_policy.h"

#define IPV6_MTU_MIN 1280u
#define POOL_RESERVE_PACKETS 1024u /* lcore caches, bursts under way, what connections hold back */

/* Every offload: its word in ports.offloads, and what happens without it. */
static const struct {
    uint32_t bit;
    const char *word;
    const char *name;
    const char *without;
} offloads[] = {
    {NIC_RX_CHECKSUM, "rx_checksum", "receive checksums", "verified in software"},
    {NIC_TX_IPV4_CHECKSUM, "tx_ipv4_checksum", "IPv4 checksum on transmit", "computed in software"},
    {NIC_TX_TCP_CHECKSUM, "tx_tcp_checksum", "TCP checksum on transmit", "computed in software"},
    {NIC_TX_SEGMENTATION, "segmentation", "TCP segmentation", "done in software"},
    {NIC_TX_MULTI_SEGMENT, "multi_segment", "chained transmit buffers",
     "large values are copied into each packet"},
    {NIC_RX_RSS_HASH, "rss", "receive side scaling", "frames are spread in software"},
};

#define ALL_OFFLOADS                                                                               \
    (NIC_RX_CHECKSUM | NIC_TX_IPV4_CHECKSUM | NIC_TX_TCP_CHECKSUM | NIC_TX_SEGMENTATION |          \
     NIC_TX_MULTI_SEGMENT | NIC_RX_RSS_HASH)

PRINTF_LIKE(2, 3) static void say(struct nic_plan *plan, const char *format, ...)
{
    va_list arguments;
    ASSERT(plan->sentence_count < NIC_PLAN_SENTENCES_MAX);
    va_start(arguments, format);
    vsnprintf(plan->sentences[plan->sentence_count++], NIC_PLAN_SENTENCE_BYTES, format, arguments);
    va_end(arguments);
}

PRINTF_LIKE(2, 3) static int fail(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, NIC_PLAN_SENTENCE_BYTES, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

/* ---- offloads ---- */

static uint32_t offload_of_word(const char *word, size_t length)
{
    for (size_t i = 0; i < ARRAY_COUNT(offloads); i++)
        if (strlen(offloads[i].word) == length && memcmp(offloads[i].word, word, length) == 0)
            return offloads[i].bit;
    return 0;
}

int nic_plan_parse_offloads(const char *text, uint32_t *allowed)
{
    static const char separators[] = " ,\t";
    *allowed = ALL_OFFLOADS;
    if (strcmp(text, "auto") == 0)
        return 0;
    *allowed = 0;
    if (strcmp(text, "none") == 0)
        return 0;
    for (const char *at = text + strspn(text, separators); *at; at += strspn(at, separators)) {
        size_t length = strcspn(at, separators);
        uint32_t bit = offload_of_word(at, length);
        if (bit == 0)
            return -EINVAL;
        *allowed |= bit;
        at += length;
    }
    return 0;
}

/* What the driver has, without what the config forbids, without what makes no sense alone. */
static int plan_offloads(uint32_t port, const struct nic_capabilities *capabilities,
                         const struct config_ports *config, uint32_t worker_count,
                         struct nic_plan *plan)
{
    uint32_t allowed;
    if (nic_plan_parse_offloads(config->offloads, &allowed) != 0)
        return fail(plan->error,
                    "port %u: ports.offloads = %.60s: allowed auto, none, or a list of "
                    "rx_checksum tx_ipv4_checksum tx_tcp_checksum segmentation multi_segment rss",
                    port, config->offloads);
    plan->offloads = capabilities->offloads & allowed;
    for (size_t i = 0; i < ARRAY_COUNT(offloads); i++) {
        if ((plan->offloads & offloads[i].bit) ||
            (offloads[i].bit == NIC_RX_RSS_HASH && worker_count == 1))
            continue;
        say(plan, "port %u: %s %s: %s", port,
            capabilities->offloads & offloads[i].bit ? "ports.offloads switches off" : "no",
            offloads[i].name, offloads[i].without);
    }
    uint32_t needed =
        NIC_TX_TCP_CHECKSUM | NIC_TX_IPV4_CHECKSUM | NIC_TX_MULTI_SEGMENT; /* of each cut segment */
    if ((plan->offloads & NIC_TX_SEGMENTATION) && (plan->offloads & needed) != needed) {
        plan->offloads &= ~(uint32_t)NIC_TX_SEGMENTATION;
        say(plan,
            "port %u: TCP segmentation needs transmit checksums and chained buffers: done in "
            "software",
            port);
    }
    return 0;
}

/* ---- queues, descriptors, MTU ---- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static int plan_queues(uint32_t port, const struct nic_capabilities *capabilities,
                       const struct config_ports *config, uint32_t worker_count,
                       struct nic_plan *plan)
{
    uint32_t available = least(capabilities->rx_queues_max, capabilities->tx_queues_max);
    bool spreads = capabilities->spreads_flows;
    if (available == 0)
        return fail(plan->error, "port %u: driver %s offers no queues", port, capabilities->driver);
    /* without RSS a card's second queue stays empty, unless its driver spreads flows by itself */
    if ((capabilities->offloads & NIC_RX_RSS_HASH) && !(plan->offloads & NIC_RX_RSS_HASH))
        spreads = false;
    uint32_t wanted =
        config->queues > 0 ? least((uint32_t)config->queues, worker_count) : worker_count;
    plan->queue_count = least(wanted, spreads ? available : 1);
    plan->needs_dispatch = plan->queue_count < worker_count;
    if (plan->needs_dispatch)
        say(plan, "port %u: %u of %u workers have a queue: frames for the others go over rings",
            port, plan->queue_count, worker_count);
    return 0;
}

static uint16_t plan_ring(uint32_t port, const char *which, uint64_t wanted, uint16_t least_allowed,
                          uint16_t most_allowed, uint16_t align, struct nic_plan *plan)
{
    uint64_t size = wanted;
    if (align > 1)
        size -= size % align; /* lint-allow: division: at start */
    if (size < least_allowed)
        size = least_allowed;
    if (most_allowed > 0 && size > most_allowed)
        size = most_allowed;
    if (size != wanted)
        say(plan, "port %u: ports.%s_descriptors = %u: the driver takes %u", port, which,
            (unsigned)wanted, (unsigned)size);
    return (uint16_t)size;
}

static int plan_mtu(uint32_t port, const struct nic_capabilities *capabilities,
                    const struct config_ports *config, struct nic_plan *plan)
{
    if (config->mtu > capabilities->mtu_max || config->mtu < capabilities->mtu_min)
        return fail(plan->error, "port %u: ports.mtu = %u: driver %s allows %u..%u bytes", port,
                    (unsigned)config->mtu, capabilities->driver, capabilities->mtu_min,
                    capabilities->mtu_max);
    if (config->ipv6[0] && config->mtu < IPV6_MTU_MIN)
        return fail(plan->error, "port %u: ports.mtu = %u: IPv6 needs at least %u bytes", port,
                    (unsigned)config->mtu, IPV6_MTU_MIN);
    plan->mtu = (uint16_t)config->mtu;
    return 0;
}

int nic_plan_make(uint32_t port_index, const struct nic_capabilities *capabilities,
                  const struct config_ports *config, uint32_t worker_count, struct nic_plan *plan)
{
    ASSERT(worker_count > 0);
    *plan = (struct nic_plan){0};
    int result = plan_offloads(port_index, capabilities, config, worker_count, plan);
    if (result == 0)
        result = plan_queues(port_index, capabilities, config, worker_count, plan);
    if (result == 0)
        result = plan_mtu(port_index, capabilities, config, plan);
    if (result != 0)
        return result;
    plan->rx_descriptors =
        plan_ring(port_index, "rx", config->rx_descriptors, capabilities->rx_descriptors_min,
                  capabilities->rx_descriptors_max, capabilities->rx_descriptors_align, plan);
    plan->tx_descriptors =
        plan_ring(port_index, "tx", config->tx_descriptors, capabilities->tx_descriptors_min,
                  capabilities->tx_descriptors_max, capabilities->tx_descriptors_align, plan);
    return 0;
}

uint32_t nic_plan_packets_needed(const struct nic_plan *plans, uint32_t plan_count)
{
    uint32_t needed = POOL_RESERVE_PACKETS;
    for (uint32_t i = 0; i < plan_count; i++)
        needed += (uint32_t)plans[i].rx_descriptors + plans[i].tx_descriptors;
    return needed;
}

/* ---- addresses ---- */

/* "address/bits" of one family. */
static bool parse_prefix(int family, const char *text, uint8_t bits_max, void *address,
                         uint8_t *bits)
{
    char head[128];
    const char *slash = strchr(text, '/');
    if (!slash || (size_t)(slash - text) >= sizeof(head))
        return false;
    memcpy(head, text, (size_t)(slash - text));
    head[slash - text] = '\0';
    char *end;
    errno = 0;
    unsigned long value = strtoul(slash + 1, &end, 10);
    if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || errno != 0 || value == 0 ||
        value > bits_max)
        return false;
    *bits = (uint8_t)value;
    return inet_pton(family, head, address) == 1;
}

int nic_plan_addresses(uint32_t port_index, const struct config_ports *config,
                       struct network_port_config *out, char *error)
{
    *out = (struct network_port_config){.mtu = (uint16_t)config->mtu,
                                        .vlan = (uint16_t)config->vlan,
                                        .learns_router6 =
                                            config->router6 == CONFIG_ROUTER6_ADVERTISED};
    if (config->ipv4[0] &&
        !parse_prefix(AF_INET, config->ipv4, 32, out->ipv4, &out->ipv4_prefix_bits))
        return fail(error,
                    "port %u: ports.ipv4 = %.60s: allowed an address and prefix, such as "
                    "192.0.2.10/24",
                    port_index, config->ipv4);
    if (config->ipv4_addresses > 1)
        out->ipv4_further = (uint32_t)config->ipv4_addresses - 1;
    if (config_ipv6_is_formed(config)) {
        out->forms_address6 = out->learns_router6 = true;
        out->ipv6_prefix_bits = 128; /* until a router says what is on the link */
    } else if (config->ipv6[0] &&
               !parse_prefix(AF_INET6, config->ipv6, 128, out->ipv6, &out->ipv6_prefix_bits)) {
        return fail(error,
                    "port %u: ports.ipv6 = %.60s: allowed auto or an address and prefix, such as "
                    "2001:db8::10/64",
                    port_index, config->ipv6);
    }
    if (config->gateway[0] && inet_pton(AF_INET, config->gateway, out->gateway4) != 1)
        return fail(error, "port %u: ports.gateway = %.60s: allowed an IPv4 address", port_index,
                    config->gateway);
    if (config->gateway6[0] && inet_pton(AF_INET6, config->gateway6, out->gateway6) != 1)
        return fail(error, "port %u: ports.gateway6 = %.60s: allowed an IPv6 address", port_index,
                    config->gateway6);
    if (!config->ipv4[0] && !config->ipv6[0])
        return fail(error, "port %u: neither ports.ipv4 nor ports.ipv6 is set", port_index);
    return 0;
}
