/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/storm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/network.h"
#include "dataplane/packet.h"
#include "tests/bench/generator/flood.h"

#define NEWCOMERS_MAX 8192u /* at a time; more wait, and their time runs */

struct storm {
    struct network *network;
    struct generator *load, *newcomers; /* newcomers: NULL when there are none */
    struct plan plan;                   /* the newcomers' */
    struct flood flood;
    uint64_t flood_rate_per_s;
    bool trusts_link;
    uint64_t sent_before, missed_before, answers_before;
    uint32_t under_way; /* newcomers that came before the measurement */
};

static bool has_newcomers(const struct plan *plan)
{
    return plan->newcomers_per_s > 0;
}

uint32_t storm_addresses(const struct plan *plan)
{
    return has_newcomers(plan) ? 1 : 0;
}

static void count_up(uint8_t address[4], uint32_t by)
{
    uint32_t host;
    memcpy(&host, address, 4);
    host = __builtin_bswap32(__builtin_bswap32(host) + by);
    memcpy(address, &host, 4);
}

static void make_plan(struct storm *storm, const struct plan *load)
{
    struct plan *plan = &storm->plan;
    *plan = *load; /* `headers` goes on pointing into the load's */
    count_up(plan->local, generator_addresses(load));
    plan->mode = PLAN_OPEN_LOOP;
    plan->connections = NEWCOMERS_MAX;
    plan->address_count = storm_addresses(load);
    plan->pipeline_depth = 1;
    plan->active = plan->ramp_per_s = 0;
    plan->put_permille = plan->delete_permille = 0;
    plan->closes = true;
    plan->arrivals = PLAN_POISSON;
    plan->timeout_ns = STORM_NEWCOMER_NS;
    plan->seed = load->seed + 1;
}

int storm_create(const struct generator_config *config, struct generator *load, struct storm **out)
{
    struct storm *storm = calloc(1, sizeof(*storm));
    *out = storm;
    if (!storm)
        return -ENOMEM;
    storm->network = config->network;
    storm->load = load;
    storm->flood_rate_per_s = config->plan->flood_per_s;
    storm->trusts_link = !plan_verifies_checksums(config->plan);
    make_plan(storm, config->plan);
    struct flood_config flood = {.network = config->network,
                                 .packets = config->packets,
                                 .remote_port = config->plan->remote_port,
                                 .seed = config->plan->seed,
                                 .now_ns = config->now_ns};
    memcpy(flood.local, config->plan->local, 4);
    memcpy(flood.remote, config->plan->remote, 4);
    flood_init(&storm->flood, &flood);
    if (!has_newcomers(config->plan))
        return 0;
    struct generator_config newcomers = *config;
    newcomers.plan = &storm->plan;
    int result = generator_create(&newcomers, &storm->newcomers);
    if (result != 0) {
        storm_destroy(storm);
        *out = NULL;
    }
    return result;
}

void storm_destroy(struct storm *storm)
{
    if (!storm)
        return;
    generator_destroy(storm->newcomers);
    free(storm);
}

/* ---- the round ---- */

/* What is for the flood's sources ends here. Returns how many are left. */
static uint32_t drop_answers(struct storm *storm, struct packet **frames, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (flood_is_answer(frames[i])) {
            storm->flood.answer_count++;
            packet_free(frames[i]);
            continue;
        }
        if (storm->trusts_link)
            packet_trust_checksums(frames[i]);
        frames[kept++] = frames[i];
    }
    return kept;
}

/* The newcomers' go to the end of `theirs`; returns how many are the load's, at the start. */
static uint32_t part(const struct storm *storm, struct packet **segments, uint32_t count,
                     struct packet **theirs, uint32_t *their_count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *ip = packet_data(segments[i]) + segments[i]->rx.network_offset;
        bool is_newcomers = storm->newcomers && segments[i]->rx.ip_version == 4 &&
                            memcmp(ip + 16, storm->plan.local, 4) == 0;
        if (is_newcomers)
            theirs[(*their_count)++] = segments[i];
        else
            segments[kept++] = segments[i];
    }
    return kept;
}

uint32_t storm_run_once(struct storm *storm, uint64_t now_ns)
{
    struct packet *frames[NIC_BURST_MAX], *segments[NIC_BURST_MAX], *theirs[NIC_BURST_MAX];
    uint32_t their_count = 0;
    uint32_t count = network_receive(storm->network, 0, frames, NIC_BURST_MAX);
    uint32_t honest = drop_answers(storm, frames, count);
    uint32_t up = network_input(storm->network, 0, frames, honest, now_ns, segments);
    network_timers(storm->network, now_ns);
    up = part(storm, segments, up, theirs, &their_count);
    uint32_t work = count + generator_advance(storm->load, segments, up, now_ns);
    if (storm->newcomers)
        work += generator_advance(storm->newcomers, theirs, their_count, now_ns);
    work += flood_send_due(&storm->flood, now_ns);
    network_flush(storm->network);
    return work;
}

/* ---- phases ---- */

void storm_run(struct storm *storm, uint64_t now_ns)
{
    storm->flood.rate_per_s = storm->flood_rate_per_s;
    if (storm->newcomers)
        generator_run(storm->newcomers, storm->plan.newcomers_per_s, now_ns);
}

void storm_stop(struct storm *storm)
{
    storm->flood.rate_per_s = 0;
    if (storm->newcomers)
        generator_stop(storm->newcomers);
}

bool storm_is_stopped(const struct storm *storm)
{
    return !storm->newcomers || generator_is_stopped(storm->newcomers);
}

void storm_measure_begin(struct storm *storm, uint64_t now_ns)
{
    storm->sent_before = storm->flood.sent_count;
    storm->missed_before = storm->flood.missed_count;
    storm->answers_before = storm->flood.answer_count;
    storm->under_way = storm->newcomers ? generator_in_flight(storm->newcomers) : 0;
    if (storm->newcomers)
        generator_measure_begin(storm->newcomers, now_ns);
}

void storm_measure_end(struct storm *storm, uint64_t now_ns)
{
    struct result *result = generator_result(storm->load);
    result->flood_sent = storm->flood.sent_count - storm->sent_before;
    result->flood_missed = storm->flood.missed_count - storm->missed_before;
    result->flood_answers = storm->flood.answer_count - storm->answers_before;
    if (!storm->newcomers)
        return;
    generator_measure_end(storm->newcomers, now_ns);
    const struct result *newcomers = generator_result(storm->newcomers);
    result->newcomers = newcomers->requests + storm->under_way;
    result->newcomers_served = latency_count_until(&newcomers->latency, STORM_NEWCOMER_NS);
    result->newcomers_p50_ns = latency_quantile_ns(&newcomers->latency, 5000);
    result->newcomers_p99_ns = latency_quantile_ns(&newcomers->latency, 9900);
    result->newcomers_max_ns = latency_quantile_ns(&newcomers->latency, 10000);
}
