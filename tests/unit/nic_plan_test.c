/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/network.h"
#include "dataplane/nic_plan.h"

#define EVERYTHING                                                                                 \
    (NIC_RX_CHECKSUM | NIC_TX_IPV4_CHECKSUM | NIC_TX_TCP_CHECKSUM | NIC_TX_SEGMENTATION |          \
     NIC_TX_MULTI_SEGMENT | NIC_RX_RSS_HASH)

/* A card that can do everything, and a config that asks for the defaults. */
static struct nic_capabilities full_card(void)
{
    return (struct nic_capabilities){
        .driver = "net_full",
        .offloads = EVERYTHING,
        .rx_queues_max = 16,
        .tx_queues_max = 16,
        .spreads_flows = true,
        .mtu_min = 68,
        .mtu_max = 9600,
        .rx_descriptors_min = 64,
        .rx_descriptors_max = 4096,
        .rx_descriptors_align = 32,
        .tx_descriptors_min = 64,
        .tx_descriptors_max = 4096,
        .tx_descriptors_align = 32,
    };
}

static struct config_ports default_config(void)
{
    return (struct config_ports){.rx_descriptors = 1024,
                                 .tx_descriptors = 1024,
                                 .mtu = 1500,
                                 .ipv4 = "192.0.2.10/24",
                                 .offloads = "auto"};
}

static bool says(const struct nic_plan *plan, const char *words)
{
    for (uint32_t i = 0; i < plan->sentence_count; i++)
        if (strstr(plan->sentences[i], words))
            return true;
    return false;
}

static void a_card_that_can_do_everything_needs_no_words(void **state)
{
    (void)state;
    struct nic_plan plan;
    struct nic_capabilities card = full_card();
    struct config_ports config = default_config();
    assert_int_equal(nic_plan_make(0, &card, &config, 4, &plan), 0);
    assert_int_equal(plan.offloads, EVERYTHING);
    assert_int_equal(plan.queue_count, 4);
    assert_false(plan.needs_dispatch);
    assert_int_equal(plan.sentence_count, 0);
    assert_int_equal(plan.rx_descriptors, 1024);
    assert_int_equal(plan.mtu, 1500);
}

static void every_missing_offload_has_its_fallback(void **state)
{
    (void)state;
    static const struct {
        uint32_t missing;
        const char *sentence;
        uint32_t lost_with_it;
    } cases[] = {
        {NIC_RX_CHECKSUM, "port 3: no receive checksums: verified in software", 0},
        {NIC_TX_IPV4_CHECKSUM, "port 3: no IPv4 checksum on transmit: computed in software",
         NIC_TX_SEGMENTATION},
        {NIC_TX_TCP_CHECKSUM, "port 3: no TCP checksum on transmit: computed in software",
         NIC_TX_SEGMENTATION},
        {NIC_TX_SEGMENTATION, "port 3: no TCP segmentation: done in software", 0},
        {NIC_TX_MULTI_SEGMENT, "port 3: no chained transmit buffers: large values are copied",
         NIC_TX_SEGMENTATION},
        {NIC_RX_RSS_HASH, "port 3: no receive side scaling: frames are spread in software", 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct nic_plan plan;
        struct nic_capabilities card = full_card();
        struct config_ports config = default_config();
        card.offloads &= ~cases[i].missing;
        card.spreads_flows = (card.offloads & NIC_RX_RSS_HASH) != 0;
        assert_int_equal(nic_plan_make(3, &card, &config, 4, &plan), 0);
        if (!says(&plan, cases[i].sentence))
            fail_msg("nothing said like '%s'", cases[i].sentence);
        assert_int_equal(plan.offloads, EVERYTHING & ~(cases[i].missing | cases[i].lost_with_it));
        bool loses_rss = cases[i].missing == NIC_RX_RSS_HASH;
        assert_int_equal(plan.queue_count, loses_rss ? 1 : 4);
        assert_int_equal(plan.needs_dispatch, loses_rss);
    }
}

static void the_config_can_forbid_offloads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
        uint32_t offloads;
    } cases[] = {
        {"none", 0, 0},
        {"rx_checksum", 0, NIC_RX_CHECKSUM},
        {"rx_checksum, rss", 0, NIC_RX_CHECKSUM | NIC_RX_RSS_HASH},
        {"segmentation", 0, 0}, /* nothing without checksums */
        {"tx_ipv4_checksum tx_tcp_checksum multi_segment segmentation", 0,
         NIC_TX_IPV4_CHECKSUM | NIC_TX_TCP_CHECKSUM | NIC_TX_MULTI_SEGMENT | NIC_TX_SEGMENTATION},
        {"tso", -EINVAL, 0},
        {"rx_checksum,rsss", -EINVAL, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct nic_plan plan;
        struct nic_capabilities card = full_card();
        struct config_ports config = default_config();
        snprintf(config.offloads, sizeof(config.offloads), "%s", cases[i].text);
        assert_int_equal(nic_plan_make(0, &card, &config, 1, &plan), cases[i].result);
        if (cases[i].result == 0)
            assert_int_equal(plan.offloads, cases[i].offloads);
        else
            assert_non_null(strstr(plan.error, cases[i].text));
    }
}

static void queues_and_dispatch_follow_from_card_config_and_workers(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t rx, tx, wanted, workers;
        bool spreads;
        uint32_t queues;
        bool dispatch;
    } cases[] = {
        {"one each", 16, 16, 0, 4, true, 4, false},
        {"too few receive queues", 2, 16, 0, 4, true, 2, true},
        {"too few transmit queues", 16, 1, 0, 4, true, 1, true},
        {"config asks for fewer", 16, 16, 2, 4, true, 2, true},
        {"config asks for more than workers", 16, 16, 8, 4, true, 4, false},
        {"queues, but flows would wander", 16, 16, 0, 4, false, 1, true},
        {"one worker needs nothing", 1, 1, 0, 1, false, 1, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct nic_plan plan;
        struct nic_capabilities card = full_card();
        struct config_ports config = default_config();
        card.rx_queues_max = cases[i].rx;
        card.tx_queues_max = cases[i].tx;
        card.spreads_flows = cases[i].spreads;
        if (!cases[i].spreads)
            card.offloads &= ~(uint32_t)NIC_RX_RSS_HASH;
        config.queues = cases[i].wanted;
        assert_int_equal(nic_plan_make(0, &card, &config, cases[i].workers, &plan), 0);
        if (plan.queue_count != cases[i].queues || plan.needs_dispatch != cases[i].dispatch)
            fail_msg("case '%s'", cases[i].what);
        assert_int_equal(says(&plan, "workers have a queue"), cases[i].dispatch);
    }
    struct nic_plan plan;
    struct nic_capabilities card = full_card();
    struct config_ports config = default_config();
    card.rx_queues_max = 0;
    assert_int_equal(nic_plan_make(0, &card, &config, 1, &plan), -EINVAL);
}

static void an_mtu_the_card_cannot_do_is_refused_by_name(void **state)
{
    (void)state;
    struct nic_plan plan;
    struct nic_capabilities card = full_card();
    struct config_ports config = default_config();
    card.mtu_max = 1500;
    config.mtu = 9000;
    assert_int_equal(nic_plan_make(0, &card, &config, 1, &plan), -EINVAL);
    assert_string_equal(plan.error,
                        "port 0: ports.mtu = 9000: driver net_full allows 68..1500 bytes");
    config.mtu = 1000;
    assert_int_equal(nic_plan_make(0, &card, &config, 1, &plan), 0);
    snprintf(config.ipv6, sizeof(config.ipv6), "2001:db8::1/64");
    assert_int_equal(nic_plan_make(0, &card, &config, 1, &plan), -EINVAL);
    assert_non_null(strstr(plan.error, "IPv6 needs at least 1280"));
}

static void descriptors_are_clamped_and_it_is_said(void **state)
{
    (void)state;
    static const struct {
        uint64_t wanted;
        uint16_t expected;
    } cases[] = {{1024, 1024}, {8192, 4096}, {65, 64}, {1000, 992}, {40, 64}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct nic_plan plan;
        struct nic_capabilities card = full_card();
        struct config_ports config = default_config();
        config.rx_descriptors = cases[i].wanted;
        config.tx_descriptors = cases[i].wanted;
        assert_int_equal(nic_plan_make(0, &card, &config, 1, &plan), 0);
        assert_int_equal(plan.rx_descriptors, cases[i].expected);
        assert_int_equal(plan.tx_descriptors, cases[i].expected);
        assert_int_equal(plan.sentence_count, cases[i].wanted == cases[i].expected ? 0 : 2);
    }
}

static void addresses_are_read_or_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *ipv4, *gateway, *ipv6, *gateway6, *error;
    } cases[] = {
        {"192.0.2.10/24", "192.0.2.1", "2001:db8::10/64", "fe80::1", NULL},
        {"192.0.2.10", "", "", "", "ports.ipv4 = 192.0.2.10"},
        {"192.0.2.10/33", "", "", "", "ports.ipv4 = 192.0.2.10/33"},
        {"192.0.2.10/0", "", "", "", "ports.ipv4"},
        {"192.0.2.10/2x", "", "", "", "ports.ipv4"},
        {"192.0.2.10/ 24", "", "", "", "ports.ipv4"},
        {"192.0.2/24", "", "", "", "ports.ipv4"},
        {"", "", "2001:db8::10/129", "", "ports.ipv6"},
        {"192.0.2.10/24", "192.0.2.256", "", "", "ports.gateway ="},
        {"192.0.2.10/24", "", "", "fe80::g", "ports.gateway6"},
        {"", "", "", "", "neither ports.ipv4 nor ports.ipv6"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char error[NIC_PLAN_SENTENCE_BYTES] = "";
        struct network_port_config out;
        struct config_ports config = default_config();
        snprintf(config.ipv4, sizeof(config.ipv4), "%s", cases[i].ipv4);
        snprintf(config.gateway, sizeof(config.gateway), "%s", cases[i].gateway);
        snprintf(config.ipv6, sizeof(config.ipv6), "%s", cases[i].ipv6);
        snprintf(config.gateway6, sizeof(config.gateway6), "%s", cases[i].gateway6);
        int result = nic_plan_addresses(0, &config, &out, error);
        if ((result == 0) != (cases[i].error == NULL) ||
            (cases[i].error && !strstr(error, cases[i].error)))
            fail_msg("case %zu: '%s'", i, error);
        if (result == 0) {
            assert_int_equal(out.ipv4_prefix_bits, 24);
            assert_int_equal(out.ipv4[3], 10);
            assert_int_equal(out.ipv6_prefix_bits, 64);
            assert_int_equal(out.gateway6[15], 1);
        }
    }
}

static void an_address_may_come_from_a_router(void **state)
{
    (void)state;
    char error[NIC_PLAN_SENTENCE_BYTES] = "";
    static const uint8_t nothing[16];
    struct network_port_config out;
    struct config_ports config = default_config();
    snprintf(config.ipv4, sizeof(config.ipv4), "%s", "");
    snprintf(config.ipv6, sizeof(config.ipv6), "%s", "auto");
    assert_int_equal(nic_plan_addresses(0, &config, &out, error), 0);
    assert_true(out.forms_address6 && out.learns_router6);
    assert_memory_equal(out.ipv6, nothing, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_that_can_do_everything_needs_no_words),
        cmocka_unit_test(every_missing_offload_has_its_fallback),
        cmocka_unit_test(the_config_can_forbid_offloads),
        cmocka_unit_test(queues_and_dispatch_follow_from_card_config_and_workers),
        cmocka_unit_test(an_mtu_the_card_cannot_do_is_refused_by_name),
        cmocka_unit_test(descriptors_are_clamped_and_it_is_said),
        cmocka_unit_test(addresses_are_read_or_refused_by_name),
        cmocka_unit_test(an_address_may_come_from_a_router),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
