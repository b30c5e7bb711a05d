/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plan_option.h - every option of gannet-bench, once: its name, range, default, sentence and field.
 *
 * Purpose:   the one table that the parser, --help, the JSON of a result and the comparison of two
 *            results are made from. A field of struct plan with an option is set nowhere else.
 * Ownership: constant.
 * Threading: reentrant.
 * Units:     in each row.
 * Errors:    plan_option_set is false for what is not allowed; plan_option_allowed says what is.
 * Source:    none.
 */
#ifndef GANNET_BENCH_PLAN_OPTION_H
#define GANNET_BENCH_PLAN_OPTION_H

#include "tests/bench/generator/plan.h"

#define PLAN_OPTION_TEXT_BYTES 4096u /* the longest that plan_option_show writes */

enum plan_option_type {
    PLAN_FLAG,     /* bool */
    PLAN_FLAG_OFF, /* bool, cleared */
    PLAN_U16,
    PLAN_U32,
    PLAN_U64,
    PLAN_TIME,   /* uint64_t, nanoseconds */
    PLAN_SIZE,   /* uint32_t, bytes */
    PLAN_TEXT,   /* printable */
    PLAN_WORD,   /* printable, no blanks: part of a request's head */
    PLAN_PATH,   /* a word that starts with / */
    PLAN_HEADER, /* appended to headers */
    PLAN_CORES,
    PLAN_LOCAL,
    PLAN_REMOTE,
    PLAN_RATES,
    PLAN_ARRIVALS_KIND,
    PLAN_POPULARITY_KIND,
    PLAN_MIX,
    PLAN_STATUS,
    PLAN_BODY_BYTES,
};

#define PLAN_FOR_RUN 1u
#define PLAN_FOR_RESPONDER 2u

struct plan_option {
    const char *group; /* the heading it starts in --help, or NULL */
    const char *name;
    const char *argument; /* NULL: a flag */
    enum plan_option_type type;
    uint8_t modes; /* PLAN_FOR_... */
    uint64_t min, max;
    const char *unit;     /* with min and max; or, when max is 0, all of what is allowed */
    const char *fallback; /* as it would be typed; NULL: none */
    size_t offset;        /* in struct plan; of the first field, when it sets several */
    const char *sentence;
};

extern const struct plan_option plan_options[];
extern const size_t plan_option_count;

bool plan_option_set(const struct plan_option *option, const char *text, struct plan *plan);
/* As it would be typed; "" when there is none. */
void plan_option_show(const struct plan_option *option, const struct plan *plan, char *text,
                      size_t text_bytes);
void plan_option_allowed(const struct plan_option *option, char *text, size_t text_bytes);

#endif
