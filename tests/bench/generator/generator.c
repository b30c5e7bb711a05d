/* SPDX-License-Identifier: BSD-3-Clause */
/* The round, and what is asked of the generator as a whole. */
#include "tests/bench/generator/generator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/packet.h"
#include "dataplane/tcp_input.h"
#include "include/assert_policy.h"
#include "include/clock.h"
#include "include/counters.h"
#include "tests/bench/generator/generator_state.h"

#define READY_BATCH 64u
#define DUE_PER_ROUND_MAX 256u
#define WAITING_PER_ROUND_MAX 1024u /* most of them have nothing to send: a change of mode */
#define REPLIES_RESERVE 64u /* of a batch: acknowledgements and retransmissions of the round */
#define LATE_NS NS_PER_MS

/* ---- creation ---- */

uint32_t generator_addresses(const struct plan *plan)
{
    if (plan->address_count > 0)
        return plan->address_count;
    return (plan->connections + GENERATOR_PORTS_PER_ADDRESS - 1) / GENERATOR_PORTS_PER_ADDRESS;
}

static uint32_t share(uint64_t total, uint32_t index, uint32_t count)
{
    return (uint32_t)(total / count + (index < total % count));
}

static int create_stack(struct generator *generator, const struct generator_config *config)
{
    const struct plan *plan = config->plan;
    uint32_t connections = generator->client_count;
    struct tcp_stack_config tcp = {
        /* some more, for those on their way out */
        .connections = plan->closes ? connections * 3 + 4096 : connections + connections / 8 + 1024,
        .half_open_max = 64,
        .receive_window_bytes = 262144,
        .send_budget_bytes = 262144,
        .initial_window_segments = 10,
        .out_of_order_max = 256,
        .offer_sack = true,
        .rto_min_ms = 200,
        .delayed_ack_ms = 20, /* at a server's allowance, 40, each would race its probe */
        .tlp_ack_delay_ms = 40,
        .user_timeout_ms = 120000,
        .time_wait_ms = 1000,
        .fin_wait_ms = 10000,
        .reset_rate_per_s = 100000,
        .key = config->key,
        .packets = config->packets,
        .network = config->network,
        .counters = config->counters,
    };
    return tcp_stack_create(&tcp, config->now_ns, &generator->tcp);
}

static int create_tables(struct generator *generator)
{
    uint32_t count = generator->client_count, list_size = 1;
    while (list_size < count)
        list_size *= 2;
    while ((1u << generator->slot_shift) < generator->plan->pipeline_depth)
        generator->slot_shift++;
    size_t slot_count = (size_t)count << generator->slot_shift;
    generator->clients = aligned_alloc(CACHE_LINE_BYTES, count * sizeof(struct client));
    generator->slots = calloc(slot_count, sizeof(struct slot));
    generator->load_retries = calloc(slot_count, sizeof(uint32_t));
    generator->measured = malloc(sizeof(struct result));
    generator->unmeasured = malloc(sizeof(struct result));
    if (!generator->clients || !generator->slots || !generator->load_retries ||
        !generator->measured || !generator->unmeasured)
        return -ENOMEM;
    for (int list = 0; list < LIST_COUNT; list++) {
        generator->lists[list].mask = list_size - 1;
        generator->lists[list].indices = calloc(list_size, sizeof(uint32_t));
        if (!generator->lists[list].indices)
            return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        generator->clients[i] = (struct client){.index = i};
        client_enlist(generator, &generator->clients[i], LIST_CLOSED);
    }
    result_reset(generator->measured);
    result_reset(generator->unmeasured);
    generator->result = generator->unmeasured;
    return 0;
}

int generator_create(const struct generator_config *config, struct generator **out)
{
    const struct plan *plan = config->plan;
    ASSERT(config->core_index < config->core_count && plan->pipeline_depth <= PLAN_PIPELINE_MAX);
    *out = NULL;
    struct generator *generator = calloc(1, sizeof(*generator));
    if (!generator)
        return -ENOMEM;
    generator->plan = plan;
    generator->popularity = config->popularity;
    generator->network = config->network;
    generator->counters = config->counters;
    generator->progress = config->progress;
    generator->now_ns = config->now_ns;
    generator->trusts_link = !plan_verifies_checksums(plan);
    generator->core_index = config->core_index;
    generator->core_count = config->core_count;
    generator->random.state = plan->seed + config->core_index;
    generator->client_count = share(plan->connections, config->core_index, config->core_count);
    generator->active_max = share(plan->active, config->core_index, config->core_count);
    generator->address_count = generator_addresses(plan);
    uint32_t endpoints = generator->address_count * GENERATOR_PORTS_PER_ADDRESS;
    generator->endpoint =
        config->first_endpoint % endpoints / config->core_count * config->core_count +
        config->core_index;
    generator->connect_not_before_ns = config->now_ns;
    if (plan->ramp_per_s > 0)
        generator->connect_gap_ns = NS_PER_S * config->core_count / plan->ramp_per_s;
    int result = generator->client_count > 0 ? create_tables(generator) : -EINVAL;
    if (result == 0)
        result = request_set_create(&generator->requests, plan);
    if (result == 0)
        result = create_stack(generator, config);
    if (result != 0) {
        generator_destroy(generator);
        return result;
    }
    *out = generator;
    return 0;
}

void generator_destroy(struct generator *generator)
{
    if (!generator)
        return;
    tcp_stack_destroy(generator->tcp);
    request_set_destroy(&generator->requests);
    for (int list = 0; list < LIST_COUNT; list++)
        free(generator->lists[list].indices);
    free(generator->measured);
    free(generator->unmeasured);
    free(generator->load_retries);
    free(generator->slots);
    free(generator->clients);
    free(generator);
}

/* ---- the round ---- */

static uint32_t receive(struct generator *generator, struct packet **segments, uint32_t *up)
{
    struct packet *frames[NIC_BURST_MAX];
    uint32_t count = network_receive(generator->network, 0, frames, NIC_BURST_MAX);
    if (generator->trusts_link)
        for (uint32_t i = 0; i < count; i++)
            packet_trust_checksums(frames[i]);
    *up = network_input(generator->network, 0, frames, count, generator->now_ns, segments);
    return count;
}

static void take_errors(struct generator *generator)
{
    struct network_icmp_error errors[NETWORK_ICMP_ERRORS_MAX];
    uint32_t error_count =
        network_take_icmp_errors(generator->network, errors, NETWORK_ICMP_ERRORS_MAX);
    for (uint32_t i = 0; i < error_count; i++)
        tcp_icmp_error(generator->tcp, &errors[i].flow, errors[i].local_port, errors[i].remote_port,
                       errors[i].sequence, errors[i].new_mtu, generator->now_ns);
}

static uint32_t handle_ready(struct generator *generator)
{
    struct tcp_connection *ready[READY_BATCH];
    uint32_t count = tcp_take_ready(generator->tcp, ready, READY_BATCH);
    for (uint32_t i = 0; i < count; i++)
        client_event(generator, ready[i]);
    return count;
}

/* Those that could not send for want of room, before anybody newer. */
static uint32_t serve_waiting(struct generator *generator)
{
    uint32_t count = client_list_length(generator, LIST_WAITING), served = 0;
    while (served < count && served < WAITING_PER_ROUND_MAX && generator->sends_left > 0) {
        struct client *client = client_delist(generator, LIST_WAITING);
        served++;
        if (client->state == CLIENT_OPEN)
            traffic_go_on(generator, client);
    }
    return served;
}

/* Can it take one more request? */
static bool is_idle(const struct generator *generator, const struct client *client)
{
    if (generator->plan->closes)
        return client->state == CLIENT_CLOSED;
    return client->state == CLIENT_OPEN && !client->is_sending &&
           client->in_flight < generator->plan->pipeline_depth;
}

/* False: it could not be sent now. */
static bool send_one_due(struct generator *generator, struct client *client, uint64_t due_ns)
{
    if (generator->plan->closes)
        return client_connect(generator, client, due_ns);
    if (traffic_send(generator, client, 1, due_ns) == 0)
        return false; /* it waits on another list and comes back from there */
    traffic_go_on(generator, client);
    return true;
}

/* Is there a request that only waits for a connection? */
static inline bool is_due(const struct generator *generator)
{
    if (generator->mode == GENERATOR_OPEN_LOOP)
        return generator->arrivals.due_ns <= generator->now_ns;
    return generator->mode == GENERATOR_FEW_ACTIVE && generator->in_flight < generator->active_max;
}

static uint32_t send_due(struct generator *generator)
{
    uint32_t sent = 0;
    if (!generator->has_reached_server && generator->opening_count > 0)
        return 0;
    while (is_due(generator) && generator->sends_left > 0 && sent < DUE_PER_ROUND_MAX) {
        bool is_open = generator->mode == GENERATOR_OPEN_LOOP;
        client_prefetch_idle(generator);
        struct client *client = client_delist(generator, LIST_IDLE);
        if (!client)
            break;
        if (!is_idle(generator, client))
            continue;
        uint64_t due_ns = is_open ? generator->arrivals.due_ns : generator->now_ns;
        if (!send_one_due(generator, client, due_ns))
            break;
        sent++;
        if (!is_open)
            continue;
        generator->result->late += generator->now_ns - due_ns > LATE_NS;
        arrivals_advance(&generator->arrivals, &generator->random);
    }
    return sent;
}

/* As many as the port takes: a reset that is lost leaves its connection with the server. */
static uint32_t stop_some(struct generator *generator)
{
    uint32_t work = network_unsent(generator->network, 0);
    while (generator->sends_left > 0 && generator->stop_cursor < generator->client_count) {
        struct client *client = &generator->clients[generator->stop_cursor++];
        work++;
        if (client->tcp) {
            client_abort(generator, client, RESULT_RESET);
            generator->sends_left--;
        }
    }
    return work;
}

static void show_progress(struct generator *generator)
{
    struct result_progress *progress = generator->progress;
    atomic_store_explicit(&progress->responses, generator->response_count, memory_order_relaxed);
    atomic_store_explicit(&progress->errors, generator->error_count, memory_order_relaxed);
    atomic_store_explicit(&progress->connections, generator->open_count, memory_order_relaxed);
}

uint32_t generator_advance(struct generator *generator, struct packet **segments, uint32_t count,
                           uint64_t now_ns)
{
    generator->now_ns = now_ns;
    gaps_round(&generator->gaps, generator->result, now_ns);
    uint32_t room = NETWORK_TX_BATCH - REPLIES_RESERVE;
    uint32_t unsent = network_unsent(generator->network, 0);
    generator->sends_left = unsent < room ? room - unsent : 0;

    uint32_t in_flight = generator->in_flight;
    tcp_input(generator->tcp, segments, count, now_ns);
    gaps_heard(&generator->gaps, generator->result, count, in_flight);
    take_errors(generator);
    tcp_timers_run(generator->tcp, now_ns);
    uint32_t work = serve_waiting(generator);
    work += handle_ready(generator);
    work += send_due(generator);
    if (UNLIKELY(generator->mode == GENERATOR_STOPPING))
        work += stop_some(generator);
    else
        client_connect_due(generator);

    tcp_output(generator->tcp, now_ns);
    if (work + count > 0)
        show_progress(generator);
    return work;
}

uint32_t generator_run_once(struct generator *generator, uint64_t now_ns)
{
    struct packet *segments[NIC_BURST_MAX];
    uint32_t up;
    generator->now_ns = now_ns;
    uint32_t count = receive(generator, segments, &up);
    network_timers(generator->network, now_ns);
    count += generator_advance(generator, segments, up, now_ns);
    network_flush(generator->network);
    return count;
}

/* ---- phases ---- */

static void set_mode(struct generator *generator, enum generator_mode mode)
{
    generator->mode = mode;
    generator->has_drawn = false;
    for (uint32_t i = 0; i < generator->client_count; i++) {
        struct client *client = &generator->clients[i];
        if (client->state == CLIENT_OPEN)
            client_enlist(generator, client, LIST_WAITING); /* to begin, not all in one round */
        else if (client->state == CLIENT_CLOSED && mode == GENERATOR_OPEN_LOOP &&
                 generator->plan->closes)
            client_enlist(generator, client, LIST_IDLE);
    }
}

void generator_pause(struct generator *generator)
{
    set_mode(generator, GENERATOR_PAUSED);
}

void generator_load(struct generator *generator)
{
    generator->load_next = generator->core_index;
    generator->load_left =
        share(generator->plan->keys, generator->core_index, generator->core_count);
    generator->load_retry_count = 0;
    set_mode(generator, GENERATOR_LOADING);
}

bool generator_is_loaded(const struct generator *generator)
{
    return generator->load_left == 0;
}

void generator_run(struct generator *generator, uint64_t rate_per_s, uint64_t now_ns)
{
    bool is_open = generator->plan->mode == PLAN_OPEN_LOOP;
    if (is_open)
        arrivals_init(&generator->arrivals, generator->plan->arrivals, rate_per_s,
                      generator->core_index, generator->core_count, now_ns, &generator->random);
    set_mode(generator, is_open                     ? GENERATOR_OPEN_LOOP
                        : generator->active_max > 0 ? GENERATOR_FEW_ACTIVE
                                                    : GENERATOR_CLOSED_LOOP);
}

void generator_stop(struct generator *generator)
{
    generator->stop_cursor = 0;
    generator->mode = GENERATOR_STOPPING;
}

bool generator_is_stopped(const struct generator *generator)
{
    return generator->mode == GENERATOR_STOPPING &&
           generator->stop_cursor == generator->client_count &&
           network_unsent(generator->network, 0) == 0;
}

bool generator_is_connected(const struct generator *generator)
{
    return generator->plan->closes || generator->open_count == generator->client_count;
}

uint32_t generator_open_count(const struct generator *generator)
{
    return generator->open_count;
}

uint32_t generator_in_flight(const struct generator *generator)
{
    return generator->in_flight;
}

uint64_t generator_next_due_ns(const struct generator *generator)
{
    return generator->mode == GENERATOR_OPEN_LOOP ? generator->arrivals.due_ns : UINT64_MAX;
}

/* ---- measuring ---- */

static uint64_t counted(const struct generator *generator, enum counter counter)
{
    return atomic_load_explicit(&generator->counters->values[counter], memory_order_relaxed);
}

static uint64_t retransmissions(const struct generator *generator)
{
    return counted(generator, COUNTER_TCP_RETRANSMITS_FAST) +
           counted(generator, COUNTER_TCP_RETRANSMITS_TIMEOUT) +
           counted(generator, COUNTER_TCP_RETRANSMITS_PROBE);
}

static uint64_t drops(const struct generator *generator)
{
    uint64_t sum = counted(generator, COUNTER_PORT_TX_REFUSED) +
                   counted(generator, COUNTER_PACKET_ALLOCATION_FAILED);
    for (uint32_t i = 0; i < DROP_REASON_COUNT; i++)
        sum += atomic_load_explicit(&generator->counters->drops[i], memory_order_relaxed);
    return sum;
}

void generator_measure_begin(struct generator *generator, uint64_t now_ns)
{
    result_reset(generator->measured);
    generator->result = generator->measured;
    generator->measure_start_ns = now_ns;
    generator->gaps = (struct gaps){0}; /* making room for the result took a while */
    generator->retransmissions_before = retransmissions(generator);
    generator->drops_before = drops(generator);
}

void generator_measure_end(struct generator *generator, uint64_t now_ns)
{
    struct result *result = generator->measured;
    result->elapsed_ns = now_ns - generator->measure_start_ns;
    result->retransmissions = retransmissions(generator) - generator->retransmissions_before;
    result->frames_dropped = drops(generator) - generator->drops_before;
    generator->result = generator->unmeasured;
}

struct result *generator_result(struct generator *generator)
{
    return generator->measured;
}
