/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * random.h - a small seeded generator: injected everywhere, so that a failing run replays from its
 *            seed.
 *
 * Purpose:   jitter, simulation, tests. Not for secrets: those come from getrandom(2) at start.
 * Ownership: each struct random belongs to one thread.
 * Threading: none.
 * Units:     none.
 * Errors:    none.
 * Source:    splitmix64 (Steele, Lea, Flood, OOPSLA 2014); passes BigCrush.
 */
#ifndef GANNET_RANDOM_H
#define GANNET_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_u64(struct random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in 0..bound-1, bound > 0; the bias of 2^-32 does not matter here. */
static inline uint32_t random_below(struct random *random, uint32_t bound)
{
    return (uint32_t)(((random_u64(random) >> 32) * bound) >> 32);
}

/* True with probability `permille` / 1000. */
static inline bool random_chance(struct random *random, uint32_t permille)
{
    return random_below(random, 1000) < permille;
}

#endif
