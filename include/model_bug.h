/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model_bug.h - bugs that tests switch on to prove that they would be noticed.
 *
 * Purpose:   MODEL_BUG(NAME) is false in every build but those with -DGANNET_PLANTED_BUGS, where
 *            the test program chooses one by its command line.
 * Ownership: `model_bug` belongs to the test program that defines it.
 * Threading: set before anything runs.
 * Units:     none.
 * Errors:    none.
 * Source:    mutation testing by hand: a checker that never failed has not been seen to work.
 */
#ifndef GANNET_MODEL_BUG_H
#define GANNET_MODEL_BUG_H

enum model_bug {
    MODEL_BUG_NOTHING = 0,
    MODEL_BUG_LATE_FILL,
    /* The cache's guard sees only what is still cached: found, but late. */
    MODEL_BUG_LATE_FILL_BEHIND_GUARD,
    MODEL_BUG_LATE_JOIN,
    MODEL_BUG_EARLY_ACKNOWLEDGEMENT,
    MODEL_BUG_MISSING_SYNC,
    MODEL_BUG_REISSUED_VERSION,
    MODEL_BUG_ANSWER_BEFORE_APPLY,
    MODEL_BUG_OLDER_REPLACES_NEWER,
    MODEL_BUG_CONDITION_ON_DURABLE,
    MODEL_BUG_REFUSED_FILL_STAYS,
    MODEL_BUG_ABSENCE_STAYS, /* a value does not replace a remembered absence */
    MODEL_BUG_LATE_ABSENCE,  /* an absence is not compared with what is there when it is answered */
    MODEL_BUG_COUNT,
};

#ifdef GANNET_PLANTED_BUGS
extern enum model_bug model_bug;
#define MODEL_BUG(name) (model_bug == MODEL_BUG_##name)
#else
#define MODEL_BUG(name) 0
#endif

#endif
