/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two threads hand operations over as a worker and a control thread do: no wake-up may get lost.
 * Compiled a second time with GANNET_WAKEUP_WITHOUT_FENCES, where some have to get lost: this shows
 * that the test would notice.
 *
 * The window is a few nanoseconds wide: the producer pushes and tests the flag while the consumer
 * sets the flag and tests the ring. So the producer waits for each pop, both then spin for a random
 * moment, and meet there. A wake-up is lost when the consumer found the ring empty, the producer
 * has finished pushing and waking, and the flag still says asleep: a sleep from there on would last
 * to its timeout beside a ring that is not empty. Most rounds look at just that; some really sleep.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/clock.h"
#include "include/message_ring.h"
#include "include/random.h"
#include "include/wakeup.h"

#define HANDOFFS_MAX UINT64_C(2000000)
#define HANDOFFS_LEAST UINT64_C(1000) /* a machine too busy for these tells nothing: skipped */
#ifdef GANNET_WAKEUP_WITHOUT_FENCES
#define IS_LOSS_EXPECTED true /* ends with the first: alone on two cores, after some milliseconds */
#define RUN_NS_MAX (60 * NS_PER_S)
#else
#define IS_LOSS_EXPECTED false
#define RUN_NS_MAX (4 * NS_PER_S)
#endif
#define SLEEP_MS 20
#define SLEEP_EACH 64u /* announcements per real sleep */
#define SPINS_MAX 512u /* about a cycle each: the time a cache line takes between two cores */
#define SKIPPED 77

/* Never looked into. */
#define ORDINARY ((struct shard_operation *)64)
#define LAST ((struct shard_operation *)128)

struct handover {
    struct sleeper sleeper;
    struct message_ring *ring;
    uint64_t end_ns;
    alignas(GUARD_BYTES) _Atomic uint64_t popped_count; /* by the consumer */
    _Atomic uint64_t lost_count;
    uint64_t announced_count;
    alignas(GUARD_BYTES) _Atomic uint64_t
        woken_count; /* by the producer, after its wake_if_asleep */
};

static void pause_a_moment(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void spin(struct random *random)
{
    for (uint32_t i = random_below(random, SPINS_MAX); i > 0; i--)
        atomic_signal_fence(memory_order_seq_cst); /* keeps the loop, emits nothing */
}

/* Until *count >= least. There may be one core for both just now, so it yields at times. */
static void wait_for(_Atomic uint64_t *count, uint64_t least)
{
    for (uint32_t i = 1; atomic_load_explicit(count, memory_order_acquire) < least; i++)
        if (i % 1024 == 0)
            sched_yield();
        else
            pause_a_moment();
}

static bool has_shown_a_loss(struct handover *handover)
{
    return IS_LOSS_EXPECTED &&
           atomic_load_explicit(&handover->lost_count, memory_order_relaxed) > 0;
}

/* Each thread on a core of its own: on one core nothing can get lost. */
static void take_core(uint32_t index)
{
    cpu_set_t allowed, own;
    CPU_ZERO(&own);
    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
        return;
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &allowed) && index-- == 0) {
            CPU_SET(core, &own);
            sched_setaffinity(0, sizeof(own), &own);
            return;
        }
}

static void *produce(void *argument)
{
    struct handover *handover = argument;
    struct random random = {.state = 1};
    uint64_t pushed_count = 0;
    bool is_last = false;
    take_core(1);
    while (!is_last) {
        for (uint32_t i = 1;
             atomic_load_explicit(&handover->popped_count, memory_order_acquire) < pushed_count;
             i++)
            if (i % 1024 == 0)
                sched_yield(); /* perhaps there is only one core for both just now */
            else
                pause_a_moment();
        is_last = pushed_count + 1 == HANDOFFS_MAX || has_shown_a_loss(handover) ||
                  (pushed_count % 64 == 0 && clock_now_ns() > handover->end_ns);
        spin(&random);
        pushed_count++;
        message_ring_push(handover->ring, is_last ? LAST : ORDINARY);
        wake_if_asleep(&handover->sleeper);
        atomic_store_explicit(&handover->woken_count, pushed_count, memory_order_release);
    }
    return NULL;
}

/* Returns when the next operation is there: it always comes, or the run is over. */
static void wait_for_next(struct handover *handover, uint64_t popped_count)
{
    sleeper_announce(&handover->sleeper);
    if (message_ring_depth(handover->ring) == 0) {
        struct pollfd wake = {.fd = handover->sleeper.event_fd, .events = POLLIN};
        if (++handover->announced_count % SLEEP_EACH == 0)
            poll(&wake, 1, SLEEP_MS);
        wait_for(&handover->woken_count, popped_count + 1);
        if (atomic_load_explicit(&handover->sleeper.is_asleep, memory_order_acquire) == 1)
            atomic_fetch_add_explicit(&handover->lost_count, 1, memory_order_relaxed);
    }
    sleeper_awake(&handover->sleeper);
}

static uint64_t consume(struct handover *handover)
{
    struct random random = {.state = 2};
    uint64_t popped_count = 0;
    struct shard_operation *operation;
    for (;;) {
        if (message_ring_pop(handover->ring, &operation, 1) == 0) {
            wait_for_next(handover, popped_count);
            continue;
        }
        popped_count++;
        if (operation == LAST)
            return popped_count;
        atomic_store_explicit(&handover->popped_count, popped_count, memory_order_release);
        spin(&random);
    }
}

int main(void)
{
    static struct handover handover;
    pthread_t producer;
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0 || CPU_COUNT(&allowed) < 2)
        return SKIPPED;
    handover.ring = message_ring_create(16);
    if (!handover.ring || sleeper_init(&handover.sleeper) < 0)
        return 2;
    handover.end_ns = clock_now_ns() + RUN_NS_MAX;
    /* Both inherit what main may use, so the producer starts before the consumer is pinned. */
    if (pthread_create(&producer, NULL, produce, &handover) != 0)
        return 2;
    take_core(0);
    uint64_t handoff_count = consume(&handover);
    pthread_join(producer, NULL);
    printf("%llu handoffs, %llu announcements, %llu wake-ups lost\n",
           (unsigned long long)handoff_count, (unsigned long long)handover.announced_count,
           (unsigned long long)atomic_load(&handover.lost_count));
    sleeper_destroy(&handover.sleeper);
    message_ring_destroy(handover.ring);
    if (handoff_count < HANDOFFS_LEAST && handover.lost_count == 0)
        return SKIPPED;
    return (handover.lost_count > 0) == IS_LOSS_EXPECTED ? 0 : 1;
}
