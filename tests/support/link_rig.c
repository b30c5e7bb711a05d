/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/link_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dataplane/packet.h"
#include "include/counters.h"
#include "tests/support/dpdk_environment.h"
#include "tests/support/fake_nic.h"

static struct counters *zeroed_counters(bool is_first)
{
    static struct counters *counters;
    if (!counters)
        counters = counters_register("test");
    assert_non_null(counters);
    if (is_first) {
        memset(counters->drops, 0, sizeof(counters->drops));
        memset(counters->values, 0, sizeof(counters->values));
    }
    return counters;
}

void link_rig_up(struct link_rig *rig, struct link_rig_options options)
{
    struct fake_nic_config nic = {.queue_count = 1, .depth = 256, .mtu = 1500};
    memcpy(nic.mac, frames_our_mac, 6);
    rig->now_ns = 100 * SECOND_NS;
    rig->sent_count = 0;
    rig->pool = dpdk_environment_pool(511);
    rig->nic = fake_nic_create(&nic);
    rig->counters = zeroed_counters(options.worker == 0);
    struct network_port_config port = {.queue = fake_nic_queue(rig->nic, 0),
                                       .mtu = 1500,
                                       .learns_router6 = options.learns_router6,
                                       .forms_address6 = options.forms_address6,
                                       .ipv4_prefix_bits = 24,
                                       .ipv6_prefix_bits = options.forms_address6 ? 128 : 64};
    if (!options.forms_address6) {
        memcpy(port.ipv4, frames_our_ipv4, 4);
        memcpy(port.ipv6, frames_our_ipv6, 16);
    }
    rig->network =
        network_create(&(struct network_config){.ports = &port,
                                                .port_count = 1,
                                                .worker_index = options.worker,
                                                .neighbour_count = 64,
                                                .icmp_per_s = 10,
                                                .checks_addresses = options.checks_addresses,
                                                .pool = rig->pool,
                                                .counters = rig->counters,
                                                .board = options.board,
                                                .key = {1, 2},
                                                .random_seed = 7});
    assert_non_null(rig->network);
}

void link_rig_down(struct link_rig *rig)
{
    network_destroy(rig->network);
    fake_nic_destroy(rig->nic);
    dpdk_environment_pool_check_and_free(rig->pool);
}

void link_rig_gather(struct link_rig *rig)
{
    struct packet *packet;
    rig->sent_count = 0;
    network_flush(rig->network);
    while (fake_nic_take(rig->nic, 0, &packet, 1) == 1) {
        assert_true(rig->sent_count < LINK_RIG_SENT_MAX);
        struct frame_bytes *frame = &rig->sent[rig->sent_count++];
        frame->length = packet_first_bytes(packet);
        memcpy(frame->bytes, packet_data(packet), frame->length);
        packet_free(packet);
    }
}

void link_rig_deliver(struct link_rig *rig, const struct frame_bytes *frame)
{
    struct packet *packet = packet_alloc(rig->pool), *segment;
    assert_non_null(packet);
    memcpy(packet_append(packet, frame->length), frame->bytes, frame->length);
    assert_int_equal(network_input(rig->network, 0, &packet, 1, rig->now_ns, &segment), 0);
    link_rig_gather(rig);
}

void link_rig_pass(struct link_rig *rig, uint64_t ns)
{
    rig->now_ns += ns;
    network_timers(rig->network, rig->now_ns);
    network_timers(rig->network, rig->now_ns + 1);
    link_rig_gather(rig);
}

void frame_icmp6(struct frame_bytes *frame, const uint8_t *source, const uint8_t *destination,
                 unsigned hop_limit, struct frame_bytes *message)
{
    frame_set16(message, 2, 0);
    frame_set16(message, 2, slow_icmpv6(source, destination, message->bytes, message->length));
    frame_ipv6(frame, source, destination, 58, hop_limit, message->bytes, message->length);
    if (destination[0] == 0xff) {
        frame->bytes[0] = frame->bytes[1] = 0x33;
        memcpy(frame->bytes + 2, destination + 12, 4);
    }
}
