/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop_thread.h - starting and stopping a thread that turns a loop.
 *
 * Purpose:   what control threads and task threads have in common: a name, a core, parts that are
 *            opened on the thread itself, and a start that knows whether that went well.
 * Ownership: the caller's structure, inside of its loop; nothing is left after start has failed.
 * Threading: start and stop by one thread. The body's functions run on the new thread.
 * Units:     none.
 * Errors:    0 or a negative errno after a log line that names the thread.
 * Source:    pthread_create(3), sem_post(3).
 */
#ifndef GANNET_LOOP_THREAD_H
#define GANNET_LOOP_THREAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/wakeup.h"

struct core_list;

struct loop_thread_body {
    int (*open)(void *loop, const char *thread_name);
    void (*run)(void *loop);   /* until loop_thread_should_stop, and what is pending is done */
    void (*close)(void *loop); /* after run, and after an open that failed */
};

struct loop_thread {
    const struct loop_thread_body *body;
    void *loop;
    const struct core_list *cores;
    uint32_t index;
    char name[16]; /* what the kernel keeps */
    pthread_t thread;
    sem_t started;
    int start_result;
    _Atomic bool should_stop;
};

/*
 * Starts thread `index` of those that `kind` names ("control", "task"), on its core of the list;
 * returns when its parts are open.
 */
int loop_thread_start(struct loop_thread *thread, const char *kind, uint32_t index,
                      const struct core_list *cores, const struct loop_thread_body *body,
                      void *loop);

/* Tells it to stop, wakes it and waits for its end. */
void loop_thread_stop(struct loop_thread *thread, struct sleeper *sleeper);

static inline bool loop_thread_should_stop(const struct loop_thread *thread)
{
    /* Acquire pairs with the release in stop: everything that was pushed before it is visible. */
    return atomic_load_explicit(&thread->should_stop, memory_order_acquire);
}

#endif
