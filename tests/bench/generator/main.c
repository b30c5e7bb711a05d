/* SPDX-License-Identifier: BSD-3-Clause */
/* gannet-bench: start order, runs and steps, the report at the end. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/network.h"
#include "dataplane/nic_dpdk.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/random.h"
#include "tests/bench/generator/bench_core.h"
#include "tests/bench/generator/generator.h"
#include "tests/bench/generator/link.h"
#include "tests/bench/generator/plan.h"
#include "tests/bench/generator/progress.h"
#include "tests/bench/generator/report.h"
#include "tests/bench/generator/responder.h"
#include "tests/bench/generator/storm.h"

#define WAIT_NS (20 * NS_PER_MS)
#define STANDSTILL_NS (20 * NS_PER_S) /* connecting or loading without any progress: given up */
#define STOP_MAX_NS (10 * NS_PER_S)   /* for the resets to leave; a server that hangs takes none */
#define AFTER_STOP_NS (100 * NS_PER_MS) /* for a server that asks whether a reset is meant */

enum { EXIT_GOOD = 0, EXIT_ERRORS_COUNTED = 1, EXIT_UNUSABLE = 2 };

struct bench {
    struct plan plan;
    struct popularity popularity;
    struct nic_runtime *nic;
    struct network *networks[PLAN_CORES_MAX];
    struct bench_core cores[PLAN_CORES_MAX];
    struct result_progress progress_of[PLAN_CORES_MAX];
    uint32_t core_count; /* made so far */
    bool is_launched;
    struct bench_order order;
    struct progress progress;
    struct report *report;
    struct result sum;
    struct random random;
    struct siphash_key key;
};

static _Atomic bool is_interrupted;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&is_interrupted, true);
}

/* ---- start and stop ---- */

static int create_core(struct bench *bench, uint32_t index)
{
    char name[16];
    snprintf(name, sizeof(name), "bench%u", index % PLAN_CORES_MAX);
    struct counters *counters = counters_register(name);
    struct bench_core *core = &bench->cores[index];
    if (!counters)
        return -ENOMEM;
    bench->networks[index] = nic_runtime_network(bench->nic, index, counters, NULL);
    if (!bench->networks[index])
        return -ENOMEM;
    core->order = &bench->order;
    core->rest_ns = bench->plan.rest_ns;
    bench->core_count = index + 1;
    if (bench->plan.mode == PLAN_RESPONDER)
        return responder_create(
            &(struct responder_config){.plan = &bench->plan,
                                       .network = bench->networks[index],
                                       .packets = nic_runtime_packets(bench->nic, index)},
            &core->responder);
    struct generator_config config = {.plan = &bench->plan,
                                      .popularity = &bench->popularity,
                                      .network = bench->networks[index],
                                      .packets = nic_runtime_packets(bench->nic, index),
                                      .counters = counters,
                                      .progress = &bench->progress_of[index],
                                      .core_index = index,
                                      .core_count = bench->plan.core_count,
                                      .now_ns = clock_now_ns(),
                                      .first_endpoint = (uint32_t)random_u64(&bench->random),
                                      .key = bench->key};
    int result = generator_create(&config, &core->generator);
    bool has_storm = bench->plan.flood_per_s > 0 || bench->plan.newcomers_per_s > 0;
    if (result == 0 && has_storm)
        result = storm_create(&config, core->generator, &core->storm);
    return result;
}

static uint32_t addresses_of(const struct plan *plan)
{
    return generator_addresses(plan) + storm_addresses(plan);
}

static int start(struct bench *bench)
{
    bool is_responder = bench->plan.mode == PLAN_RESPONDER;
    /* Ports, sequence numbers and neighbours differ from run to run; the load follows the seed. */
    bench->random.state = clock_now_ns();
    bench->key = (struct siphash_key){random_u64(&bench->random), random_u64(&bench->random)};
    int result = is_responder ? 0 : popularity_init(&bench->popularity, &bench->plan);
    if (result == 0)
        result = link_wait_for_socket(&bench->plan, &is_interrupted);
    if (result == 0)
        result = link_start(&bench->plan, is_responder ? 1 : addresses_of(&bench->plan),
                            random_u64(&bench->random), bench->key, &bench->nic);
    for (uint32_t i = 0; i < bench->plan.core_count && result == 0; i++)
        result = create_core(bench, i);
    if (result == 0)
        result = link_wait(&bench->plan, bench->nic, &is_interrupted);
    for (uint32_t i = 0; i < bench->core_count && result == 0; i++) {
        result = nic_runtime_launch(bench->nic, i, bench_core_run, &bench->cores[i]);
        bench->is_launched = true;
    }
    return result;
}

static void pause_main(void)
{
    nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
}

/* All cores carry it out before this returns. */
static void give_order(struct bench *bench, enum bench_order_kind kind, uint64_t rate_per_s)
{
    bench->order.kind = kind;
    bench->order.rate_per_s = rate_per_s;
    uint32_t number = atomic_load_explicit(&bench->order.number, memory_order_relaxed) + 1;
    /* Release pairs with take_order's acquire. */
    atomic_store_explicit(&bench->order.number, number, memory_order_release);
    for (uint32_t i = 0; i < bench->core_count; i++)
        while (atomic_load_explicit(&bench->cores[i].done, memory_order_acquire) != number)
            nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS / 10}, NULL);
}

static void wait_stopped(const struct bench *bench)
{
    uint64_t give_up_ns = clock_now_ns() + STOP_MAX_NS;
    for (uint32_t i = 0; i < bench->core_count; i++)
        while (!atomic_load_explicit(&bench->cores[i].is_stopped, memory_order_relaxed) &&
               clock_now_ns() < give_up_ns)
            nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = AFTER_STOP_NS}, NULL);
}

static void stop(struct bench *bench)
{
    if (bench->is_launched) {
        give_order(bench, BENCH_STOP, 0);
        if (bench->plan.mode != PLAN_RESPONDER)
            wait_stopped(bench);
        give_order(bench, BENCH_EXIT, 0);
        nic_runtime_join(bench->nic);
    }
    for (uint32_t i = 0; i < bench->core_count; i++) {
        storm_destroy(bench->cores[i].storm);
        generator_destroy(bench->cores[i].generator);
        responder_destroy(bench->cores[i].responder);
        network_destroy(bench->networks[i]);
    }
    nic_runtime_stop(bench->nic);
    popularity_destroy(&bench->popularity);
    report_destroy(bench->report);
}

/* ---- waiting ---- */

static void show(struct bench *bench, const char *phase)
{
    progress_update(&bench->progress, phase, bench->progress_of, bench->core_count, clock_now_ns());
}

static void wait_ns(struct bench *bench, const char *phase, uint64_t ns)
{
    uint64_t end_ns = clock_now_ns() + ns, now_ns;
    while (!atomic_load(&is_interrupted) && (now_ns = clock_now_ns()) < end_ns) {
        uint64_t left_ns = end_ns - now_ns < WAIT_NS ? end_ns - now_ns : WAIT_NS;
        nanosleep(&(struct timespec){.tv_nsec = (long)left_ns}, NULL);
        show(bench, phase);
    }
}

static bool all_connected(const struct bench *bench)
{
    bool all = true;
    for (uint32_t i = 0; i < bench->core_count; i++)
        all &= atomic_load_explicit(&bench->cores[i].is_connected, memory_order_relaxed);
    return all;
}

static bool all_loaded(const struct bench *bench)
{
    bool all = true;
    for (uint32_t i = 0; i < bench->core_count; i++)
        all &= atomic_load_explicit(&bench->cores[i].is_loaded, memory_order_relaxed);
    return all;
}

/* What grows while connecting and loading go on. */
static uint64_t advance_of(const struct bench *bench)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < bench->core_count; i++)
        sum += atomic_load_explicit(&bench->progress_of[i].connections, memory_order_relaxed) +
               atomic_load_explicit(&bench->progress_of[i].responses, memory_order_relaxed);
    return sum;
}

/* False: it stood still, or was interrupted. */
static bool wait_for(struct bench *bench, bool (*is_done)(const struct bench *), const char *phase)
{
    uint64_t last = 0, moved_ns = clock_now_ns();
    while (!is_done(bench)) {
        uint64_t advance = advance_of(bench), now_ns = clock_now_ns();
        if (advance != last)
            moved_ns = now_ns;
        last = advance;
        if (atomic_load(&is_interrupted))
            return false;
        if (now_ns - moved_ns > STANDSTILL_NS) {
            progress_end(&bench->progress);
            uint64_t errors = 0;
            for (uint32_t i = 0; i < bench->core_count; i++)
                errors += atomic_load(&bench->progress_of[i].errors);
            fprintf(stderr,
                    "%s: nothing has moved for %u s; %" PRIu64 " done, %" PRIu64 " errors\n", phase,
                    (unsigned)(STANDSTILL_NS / NS_PER_S), advance, errors);
            return false;
        }
        pause_main();
        show(bench, phase);
    }
    return true;
}

/* ---- the load ---- */

static void add_up(struct bench *bench)
{
    result_reset(&bench->sum);
    for (uint32_t i = 0; i < bench->core_count; i++)
        result_add(&bench->sum, generator_result(bench->cores[i].generator));
}

static void run_step(struct bench *bench, uint32_t run, uint32_t step)
{
    char phase[64];
    const struct plan *plan = &bench->plan;
    bool is_open = plan->mode == PLAN_OPEN_LOOP;
    give_order(bench, BENCH_RUN, is_open ? plan->rates_per_s[step] : 0);
    wait_ns(bench, "warm-up", plan->warmup_ns);
    if (plan->rate_count > 1)
        snprintf(phase, sizeof(phase), "run %u of %u, step %u of %u", run + 1, plan->runs, step + 1,
                 plan->rate_count);
    else
        snprintf(phase, sizeof(phase), "run %u of %u", run + 1, plan->runs);
    give_order(bench, BENCH_MEASURE, 0);
    wait_ns(bench, phase, plan->seconds_ns);
    give_order(bench, BENCH_MEASURE_END, 0);
    if (atomic_load(&is_interrupted))
        return; /* a part of a run is none */
    add_up(bench);
    report_add_run(bench->report, step, &bench->sum);
}

static int generate(struct bench *bench)
{
    const struct plan *plan = &bench->plan;
    uint32_t steps = plan->mode == PLAN_OPEN_LOOP ? plan->rate_count : 1;
    bench->report = report_create(plan, time(NULL));
    if (!bench->report)
        return EXIT_UNUSABLE;
    if (!wait_for(bench, all_connected, "connecting"))
        return EXIT_UNUSABLE;
    if (plan->loads_first) {
        give_order(bench, BENCH_LOAD, 0);
        if (!wait_for(bench, all_loaded, "loading"))
            return EXIT_UNUSABLE;
        give_order(bench, BENCH_PAUSE, 0);
    }
    for (uint32_t run = 0; run < plan->runs; run++)
        for (uint32_t step = 0; step < steps && !atomic_load(&is_interrupted); step++)
            run_step(bench, run, step);
    progress_end(&bench->progress);
    if (report_finish(bench->report, stdout, stderr) != 0)
        return EXIT_UNUSABLE;
    return report_has_failures(bench->report) ? EXIT_ERRORS_COUNTED : EXIT_GOOD;
}

/* Until a signal comes. */
static int respond(struct bench *bench)
{
    fprintf(stderr, "responder ready\n");
    uint64_t start_ns = clock_now_ns(), answers = 0;
    while (!atomic_load(&is_interrupted))
        pause_main();
    for (uint32_t i = 0; i < bench->core_count; i++)
        answers += atomic_load(&bench->cores[i].answers);
    fprintf(stderr, "%" PRIu64 " answers in %.1f s\n", answers,
            (double)(clock_now_ns() - start_ns) / (double)NS_PER_S);
    return EXIT_GOOD;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    int parsed = plan_parse(argc, argv, &bench.plan);
    if (parsed != 0)
        return parsed == 1 ? EXIT_GOOD : EXIT_UNUSABLE;
    if (bench.plan.mode == PLAN_COMPARE)
        return report_compare(bench.plan.compare, stdout, stderr);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    progress_init(&bench.progress, &bench.plan, stderr, clock_now_ns());
    int result = start(&bench);
    int status = EXIT_UNUSABLE;
    if (result == 0)
        status = bench.plan.mode == PLAN_RESPONDER ? respond(&bench) : generate(&bench);
    else if (result != -EINTR)
        fprintf(stderr, "gannet-bench: %s\n", strerror(-result));
    stop(&bench);
    return status;
}
