/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * thread_pin.h - names the calling thread, binds it to cores, and says whom it interrupts there.
 *
 * Purpose:   threads keep their cores and can be told apart in top, gdb and perf.
 * Ownership: none.
 * Threading: each call is about the calling thread.
 * Units:     cores as the kernel numbers them.
 * Errors:    0 or a negative errno; -EINVAL names a core that does not exist or is not allowed.
 * Source:    sched_setaffinity(2), pthread_setname_np(3), sched(7) (SCHED_BATCH).
 */
#ifndef GANNET_THREAD_PIN_H
#define GANNET_THREAD_PIN_H

#include <stdint.h>

struct core_list;

/* Longer names are cut to the 15 bytes the kernel keeps. */
void thread_name(const char *name);

/* To any of the cores; an empty list ("none") leaves the thread to the scheduler. */
int thread_pin(const struct core_list *cores);

/* Thread `index` of several gets one core of its own, round the list; an empty list as above. */
int thread_pin_one(const struct core_list *cores, uint32_t index);

/* When it wakes it does not interrupt who runs on its core, but waits until that one yields. */
void thread_never_interrupts(void);

#endif
