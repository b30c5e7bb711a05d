/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What kernel and host take from threads that only look at the clock: the 99th percentile of how
 * long a request would wait that falls due at any moment, were there nothing else to wait for.
 *
 *   core_stalls SECONDS CORE...
 *
 * Prints the percentile in microseconds, and the share of time in gaps of 20 us and more, both over
 * all cores together: a request needs each of them. No server can be better on this machine.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "include/clock.h"
#include "include/compiler.h"

#define CORES_MAX 64
#define GAPS_MAX 1000000u
#define GAP_NS_MIN (2 * NS_PER_US)
#define LONG_GAP_NS (20 * NS_PER_US)
#define PERCENTILE_SHARE 0.01

struct watch {
    pthread_t thread;
    int core;
    uint64_t duration_ns;
    uint32_t gap_count;
    uint32_t *gaps_ns; /* of at least GAP_NS_MIN */
};

static void *watch_run(void *argument)
{
    struct watch *watch = argument;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(watch->core, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        exit(1);
    uint64_t last_ns = clock_now_ns(), end_ns = last_ns + watch->duration_ns;
    while (last_ns < end_ns && watch->gap_count < GAPS_MAX) {
        uint64_t now_ns = clock_now_ns();
        if (UNLIKELY(now_ns - last_ns >= GAP_NS_MIN))
            watch->gaps_ns[watch->gap_count++] = (uint32_t)(now_ns - last_ns);
        last_ns = now_ns;
    }
    return NULL;
}

/* Of all moments, on all cores: the share from which more than `wait_ns` of a gap are left. */
static double share_waiting(const struct watch *watches, int count, double wait_ns)
{
    double waiting_ns = 0;
    for (int i = 0; i < count; i++)
        for (uint32_t gap = 0; gap < watches[i].gap_count; gap++)
            if (watches[i].gaps_ns[gap] > wait_ns)
                waiting_ns += watches[i].gaps_ns[gap] - wait_ns;
    return waiting_ns / (double)watches[0].duration_ns;
}

static double percentile_ns(const struct watch *watches, int count)
{
    double low = 0, high = UINT32_MAX;
    while (high - low > 10) {
        double middle = (low + high) / 2;
        if (share_waiting(watches, count, middle) > PERCENTILE_SHARE)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static double long_share(const struct watch *watches, int count)
{
    double long_ns = 0;
    for (int i = 0; i < count; i++)
        for (uint32_t gap = 0; gap < watches[i].gap_count; gap++)
            if (watches[i].gaps_ns[gap] >= LONG_GAP_NS)
                long_ns += watches[i].gaps_ns[gap];
    return long_ns / (double)watches[0].duration_ns;
}

int main(int argc, char **argv)
{
    static struct watch watches[CORES_MAX];
    double seconds = argc > 2 ? strtod(argv[1], NULL) : 0;
    int count = argc - 2;
    if (count < 1 || count > CORES_MAX || seconds <= 0 || seconds > 60) {
        fprintf(stderr, "usage: core_stalls SECONDS CORE... (at most 60 s)\n");
        return 2;
    }
    for (int i = 0; i < count; i++) {
        watches[i].core = (int)strtoul(argv[i + 2], NULL, 10);
        watches[i].duration_ns = (uint64_t)(seconds * 1e9);
        watches[i].gaps_ns = calloc(GAPS_MAX, sizeof(uint32_t));
        if (!watches[i].gaps_ns ||
            pthread_create(&watches[i].thread, NULL, watch_run, &watches[i]) != 0)
            return 1;
    }
    for (int i = 0; i < count; i++)
        pthread_join(watches[i].thread, NULL);
    printf("%.1f %.4f\n", percentile_ns(watches, count) / 1e3, long_share(watches, count));
    return 0;
}
