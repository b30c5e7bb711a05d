/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * depth.h - how deep a seeded test goes, and which seed it replays, from the environment.
 *
 * Purpose:   `./dev test --long` and a nightly run deepen the tests without other command lines.
 *            What a command line says goes before it: a planted bug keeps its number of seeds.
 * Ownership: none.
 * Threading: main thread.
 * Units:     none.
 * Errors:    a variable that is no number ends the program: it must not pass for a run.
 * Source:    tests/README.md lists the variables.
 */
#ifndef GANNET_DEPTH_H
#define GANNET_DEPTH_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline bool depth_is_set(const char *variable)
{
    const char *text = getenv(variable);
    return text != NULL && text[0] != '\0';
}

static inline uint64_t depth_of(const char *variable, uint64_t otherwise)
{
    if (!depth_is_set(variable))
        return otherwise;
    const char *text = getenv(variable);
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9') {
        fprintf(stderr, "%s=%s is not a number\n", variable, text);
        exit(2);
    }
    return number;
}

/* The seeds of a run: GANNET_SEED alone, or `first` and GANNET_SEEDS - 1 more. */
static inline void depth_choose_seeds(uint64_t otherwise, uint64_t *first, uint64_t *count)
{
    *count = depth_is_set("GANNET_SEED") ? 1 : depth_of("GANNET_SEEDS", otherwise);
    *first = depth_of("GANNET_SEED", *first);
}

#endif
