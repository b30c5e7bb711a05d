/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The round trip of a cache line between two cores, in nanoseconds: the lowest of a few samples.
 *
 *   core_round_trip CORE CORE
 *
 * On a virtual machine it changes by a factor of ten within minutes, when the host moves the
 * cores; a figure of two programs that share memory means little without it.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/clock.h"
#include "include/compiler.h"

#define SAMPLES 5
#define ROUNDS 20000u

/* Each line has one writer. The store of `ping` releases, its load in the other thread acquires. */
static _Alignas(2 * CACHE_LINE_BYTES) _Atomic uint32_t ping;
static _Alignas(2 * CACHE_LINE_BYTES) _Atomic uint32_t pong;

static int pin(const char *text)
{
    char *end;
    unsigned long core = strtoul(text, &end, 10);
    cpu_set_t set;
    if (end == text || *end != '\0' || core >= CPU_SETSIZE)
        return -1;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof(set), &set);
}

static void *answer(void *core)
{
    if (pin(core) != 0)
        exit(1);
    for (uint32_t i = 1; i <= SAMPLES * ROUNDS; i++) {
        while (atomic_load_explicit(&ping, memory_order_acquire) != i)
            ;
        atomic_store_explicit(&pong, i, memory_order_release);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    uint64_t least_ns = UINT64_MAX;
    uint32_t i = 0;
    if (argc != 3 || strcmp(argv[1], argv[2]) == 0 || pin(argv[1]) != 0 ||
        pthread_create(&thread, NULL, answer, argv[2]) != 0) {
        fprintf(stderr, "usage: core_round_trip CORE CORE (two different ones)\n");
        return 2;
    }
    for (uint32_t sample = 0; sample < SAMPLES; sample++) {
        uint64_t started_ns = clock_now_ns();
        for (uint32_t round = 0; round < ROUNDS; round++) {
            atomic_store_explicit(&ping, ++i, memory_order_release);
            while (atomic_load_explicit(&pong, memory_order_acquire) != i)
                ;
        }
        uint64_t took_ns = (clock_now_ns() - started_ns) / ROUNDS;
        least_ns = took_ns < least_ns ? took_ns : least_ns;
    }
    pthread_join(thread, NULL);
    printf("%" PRIu64 "\n", least_ns);
    return 0;
}
