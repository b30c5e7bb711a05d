/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/bench_core.h"

#include <sys/prctl.h>
#include <time.h>

#include "include/clock.h"
#include "tests/bench/generator/generator.h"
#include "tests/bench/generator/responder.h"
#include "tests/bench/generator/storm.h"

#define TIMER_SLACK_NS 1000ul

/* What the kernel gave this thread so far. */
static uint64_t thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static void measure_end(struct bench_core *core, uint64_t now_ns)
{
    generator_measure_end(core->generator, now_ns);
    if (core->storm)
        storm_measure_end(core->storm, now_ns);
    struct result *result = generator_result(core->generator);
    result->busy_ns = core->busy_ns;
    result->cpu_ns = thread_cpu_ns() - core->cpu_start_ns;
}

static void obey(struct bench_core *core, enum bench_order_kind kind, uint64_t rate_per_s,
                 uint64_t now_ns)
{
    switch (kind) {
    case BENCH_PAUSE:
        generator_pause(core->generator);
        break;
    case BENCH_LOAD:
        generator_load(core->generator);
        break;
    case BENCH_RUN:
        generator_run(core->generator, rate_per_s, now_ns);
        if (core->storm)
            storm_run(core->storm, now_ns);
        break;
    case BENCH_MEASURE:
        core->busy_ns = 0;
        core->cpu_start_ns = thread_cpu_ns();
        generator_measure_begin(core->generator, now_ns);
        if (core->storm)
            storm_measure_begin(core->storm, now_ns);
        break;
    case BENCH_MEASURE_END:
        measure_end(core, now_ns);
        break;
    case BENCH_STOP:
        generator_stop(core->generator);
        if (core->storm)
            storm_stop(core->storm);
        break;
    case BENCH_EXIT:
        break;
    }
}

static void publish(struct bench_core *core)
{
    if (core->responder) {
        atomic_store_explicit(&core->answers, responder_answers(core->responder),
                              memory_order_relaxed);
        return;
    }
    atomic_store_explicit(&core->is_connected, generator_is_connected(core->generator),
                          memory_order_relaxed);
    atomic_store_explicit(&core->is_loaded, generator_is_loaded(core->generator),
                          memory_order_relaxed);
    bool is_stopped =
        generator_is_stopped(core->generator) && (!core->storm || storm_is_stopped(core->storm));
    atomic_store_explicit(&core->is_stopped, is_stopped, memory_order_relaxed);
}

/* True: the order was to end. */
static bool take_order(struct bench_core *core, uint64_t now_ns)
{
    /* Acquire pairs with the main thread's release: kind and rate belong to this number. */
    uint32_t number = atomic_load_explicit(&core->order->number, memory_order_acquire);
    if (LIKELY(number == atomic_load_explicit(&core->done, memory_order_relaxed)))
        return false;
    enum bench_order_kind kind = core->order->kind;
    if (core->generator)
        obey(core, kind, core->order->rate_per_s, now_ns);
    publish(core);
    /* Release: the main thread that sees it may read the result. */
    atomic_store_explicit(&core->done, number, memory_order_release);
    return kind == BENCH_EXIT;
}

/* As a client does that waits in the kernel: others may have the core meanwhile. */
static void rest(const struct bench_core *core)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)core->rest_ns}, NULL);
}

static uint32_t run_once(struct bench_core *core, uint64_t now_ns)
{
    if (core->storm)
        return storm_run_once(core->storm, now_ns);
    return core->generator ? generator_run_once(core->generator, now_ns)
                           : responder_run_once(core->responder, now_ns);
}

int bench_core_run(void *argument)
{
    struct bench_core *core = argument;
    uint64_t now_ns = clock_now_ns();
    if (core->rest_ns > 0)
        prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0); /* or it adds 50 us */
    publish(core); /* with --close there is nothing to connect first, and so no work to come */
    while (!take_order(core, now_ns)) {
        uint32_t work = run_once(core, now_ns);
        uint64_t end_ns = clock_now_ns(); /* this round's end is the next one's start */
        if (work > 0) {
            core->busy_ns += end_ns - now_ns;
            publish(core);
        } else if (core->rest_ns > 0) {
            rest(core);
            end_ns = clock_now_ns();
        }
        now_ns = end_ns;
    }
    return 0;
}
