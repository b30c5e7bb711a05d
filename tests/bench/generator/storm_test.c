/* SPDX-License-Identifier: BSD-3-Clause */
/* A flood and newcomers beside the load, in virtual time, against a whole Gannet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "include/clock.h"
#include "include/counters.h"
#include "tests/bench/generator/storm.h"
#include "tests/support/server_world.h"

/* The world's client has one address: the newcomers take it, and there is no load beside them. */
static const uint8_t before_client[4] = {192, 0, 2, 98}, world_server[4] = {192, 0, 2, 10};

struct rig {
    struct server_world world;
    struct plan plan;
    struct popularity popularity;
    struct result_progress progress;
    struct generator *load;
    struct storm *storm;
};

static uint32_t run_storm(void *rig, uint64_t now_ns)
{
    return storm_run_once(((struct rig *)rig)->storm, now_ns);
}

static void rig_up(struct rig *rig, uint64_t flood_per_s, uint64_t newcomers_per_s)
{
    struct world_config world;
    server_world_defaults(&world, 11);
    world.server.tcp.half_open = 16;
    server_world_start(&rig->world, &world);
    rig->plan = (struct plan){.mode = PLAN_CLOSED_LOOP,
                              .device = "net_memif0",
                              .core_count = 1,
                              .prefix_bits = 24,
                              .remote_port = 80,
                              .mtu = 1500,
                              .connections = 1,
                              .pipeline_depth = 1,
                              .closes = true, /* an idle one: never connects while paused */
                              .flood_per_s = flood_per_s,
                              .newcomers_per_s = newcomers_per_s,
                              .runs = 1,
                              .timeout_ns = NS_PER_S,
                              .path = "/echo/x",
                              .host = "test",
                              .headers = "",
                              .keys = 1,
                              .key_bytes = 1,
                              .expected_bytes = UINT64_MAX};
    memcpy(rig->plan.local, before_client, 4);
    memcpy(rig->plan.remote, world_server, 4);
    assert_int_equal(popularity_init(&rig->popularity, &rig->plan), 0);
    struct generator_config config = {.plan = &rig->plan,
                                      .popularity = &rig->popularity,
                                      .network = rig->world.client_network,
                                      .packets = server_world_client_packets(),
                                      .counters = server_world_client_counters(),
                                      .progress = &rig->progress,
                                      .core_count = 1,
                                      .now_ns = rig->world.now_ns,
                                      .key = {1, 2}};
    assert_int_equal(generator_create(&config, &rig->load), 0);
    assert_int_equal(storm_create(&config, rig->load, &rig->storm), 0);
    rig->world.client = rig;
    rig->world.run_client = run_storm;
}

/* In steps small enough for the flood's pace: nobody tells the world when its next SYN is due. */
static void run_for(struct rig *rig, uint64_t ns)
{
    uint64_t until_ns = rig->world.now_ns + ns;
    while (rig->world.now_ns < until_ns)
        server_world_step(&rig->world, rig->world.now_ns + 20 * NS_PER_US);
}

static const struct result *measure(struct rig *rig, uint64_t ns)
{
    storm_run(rig->storm, rig->world.now_ns);
    run_for(rig, 50 * NS_PER_MS); /* link addresses are found */
    generator_measure_begin(rig->load, rig->world.now_ns);
    storm_measure_begin(rig->storm, rig->world.now_ns);
    run_for(rig, ns);
    generator_measure_end(rig->load, rig->world.now_ns);
    storm_measure_end(rig->storm, rig->world.now_ns);
    return generator_result(rig->load);
}

static void rig_down(struct rig *rig)
{
    storm_stop(rig->storm);
    run_for(rig, 2 * NS_PER_S);
    assert_true(storm_is_stopped(rig->storm));
    storm_destroy(rig->storm);
    generator_destroy(rig->load);
    popularity_destroy(&rig->popularity);
    const char *held = server_world_stop(&rig->world);
    if (held)
        fail_msg("%s", held);
}

static void newcomers_are_served_through_a_flood_that_keeps_its_rate(void **state)
{
    (void)state;
    static struct rig rig;
    uint64_t cookies = server_world_counter(COUNTER_TCP_COOKIES_SENT);
    rig_up(&rig, 100000, 500);
    const struct result *result = measure(&rig, 400 * NS_PER_MS);
    assert_in_range(result->flood_sent + result->flood_missed, 39000, 41000);
    assert_in_range(result->flood_missed, 0, 100);
    assert_true(result->flood_answers > result->flood_sent / 2);
    assert_true(server_world_counter(COUNTER_TCP_COOKIES_SENT) - cookies > 10000);
    assert_in_range(result->newcomers, 150, 260);
    assert_true(result->newcomers_served * 100 >= result->newcomers * 98);
    assert_true(result->newcomers_p50_ns > 0 && result->newcomers_p50_ns < 10 * NS_PER_MS);
    rig_down(&rig);
}

static void newcomers_whom_nobody_answers_do_not_count_as_served(void **state)
{
    (void)state;
    static struct rig rig;
    rig_up(&rig, 0, 500);
    rig.plan.remote_port = 81;
    storm_destroy(rig.storm);
    struct generator_config config = {.plan = &rig.plan,
                                      .popularity = &rig.popularity,
                                      .network = rig.world.client_network,
                                      .packets = server_world_client_packets(),
                                      .counters = server_world_client_counters(),
                                      .progress = &rig.progress,
                                      .core_count = 1,
                                      .now_ns = rig.world.now_ns,
                                      .key = {1, 2}};
    assert_int_equal(storm_create(&config, rig.load, &rig.storm), 0);
    const struct result *result = measure(&rig, 200 * NS_PER_MS);
    assert_true(result->newcomers > 0);
    assert_int_equal(result->newcomers_served, 0);
    assert_int_equal(result->flood_sent, 0);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newcomers_are_served_through_a_flood_that_keeps_its_rate),
        cmocka_unit_test(newcomers_whom_nobody_answers_do_not_count_as_served),
    };
    server_world_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
