/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plan_value.h - numbers as people write them on a command line: 100k, 2.5M, 500ms, 16KiB.
 *
 * Purpose:   one exact reading of numbers with a unit, and the way back.
 * Ownership: none.
 * Threading: reentrant.
 * Units:     counts, nanoseconds, bytes.
 * Errors:    false for what is no such number, does not fit 64 bits or is not whole in the base
 *            unit.
 * Source:    none.
 */
#ifndef GANNET_BENCH_PLAN_VALUE_H
#define GANNET_BENCH_PLAN_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct value_unit {
    const char *name;
    uint64_t factor;
};

/* Tables ended by a NULL name. */
extern const struct value_unit value_counts[];   /* k M G */
extern const struct value_unit value_times[];    /* ns us ms s m h; seconds when there is none */
extern const struct value_unit value_sizes[];    /* k M G, KiB MiB GiB: powers of 1,024 */
extern const struct value_unit value_permille[]; /* a percentage with at most one decimal */

bool value_read(const char *text, const struct value_unit *units, uint64_t *value);
/* The shortest whole number of the largest unit: 1500000000 ns is 1500ms. */
void value_show_time(uint64_t ns, char *text, size_t text_bytes);
/* Copies the next item of a list, ended by `separator` or the end; false: empty or too long. */
bool value_next_item(const char **text, char separator, char *item, size_t item_bytes);

#endif
