/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * planted_bugs.h - faults that the test suite must catch; nothing of them is in the product.
 *
 * Purpose:   a checker that never fails proves nothing, so it is run against these as well.
 * Ownership: none.
 * Threading: set before the threads start.
 * Units:     none.
 * Errors:    none.
 * Source:    mutation testing; see tests/sim/store_sim.c.
 */
#ifndef GANNET_PLANTED_BUGS_H
#define GANNET_PLANTED_BUGS_H

#include <stdbool.h>

enum planted_bug {
    PLANTED_NONE = 0,
    PLANTED_SKIP_SYNC,          /* acknowledge without the sync */
    PLANTED_ACKNOWLEDGE_EARLY,  /* acknowledge before the write */
    PLANTED_DROP_TOMBSTONE,     /* compaction drops tombstones that still shadow something */
    PLANTED_REISSUE_VERSION,    /* an unclean start does not jump past the ceiling */
    PLANTED_LATE_FILL,          /* a read is not compared with the index when it completes */
    PLANTED_SHORT_WRITE,        /* a short write counts as done */
    PLANTED_SAME_GENERATION,    /* a segment is recycled under its old generation */
    PLANTED_RELOCATE_BLINDLY,   /* a relocation overwrites a newer write */
    PLANTED_EARLY_FREE,         /* a victim is freed before its copies are durable */
    PLANTED_EXPIRY_FORGOTTEN,   /* compaction drops an expired value that shadows an older one */
    PLANTED_DROP_DSYNC,         /* a commit that should be a durable write is an ordinary one */
    PLANTED_FORGET_INTERVAL,    /* sync: interval never syncs */
    PLANTED_FREE_UNSYNCED,      /* sync: interval: what an unsynced write superseded goes at once */
    PLANTED_HIDE_ACCEPTED,      /* write_policy: behind: reads show what is in the index */
    PLANTED_DURABLE_ALONE,      /* a durable write while earlier frames are not durable */
    PLANTED_DIRECTORY_TOGETHER, /* syncs of the directory overlap */
    PLANTED_IGNORE_CHECKSUM,    /* bytes that do not match are taken for good */
    PLANTED_RECOVER_OLDEST,     /* recovery takes a key's oldest record for its newest */
    PLANTED_LEAVE_COMPANION,    /* a PUT is committed without its companion */
    PLANTED_BUG_COUNT,
};

#ifdef GANNET_PLANTED_BUGS
extern enum planted_bug planted_bug_active;
static inline bool planted_bug(enum planted_bug bug)
{
    return planted_bug_active == bug;
}
#else
static inline bool planted_bug(enum planted_bug bug)
{
    (void)bug;
    return false;
}
#endif

#endif
