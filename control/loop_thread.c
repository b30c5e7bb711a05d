/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/loop_thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/thread_pin.h"
#include "include/log.h"
#include "include/server_config.h"

static int set_up(struct loop_thread *thread)
{
    thread_name(thread->name);
    int result = thread_pin_one(thread->cores, thread->index);
    if (result != 0)
        return result;
    result = thread->body->open(thread->loop, thread->name);
    if (result != 0)
        thread->body->close(thread->loop);
    return result;
}

static void *thread_main(void *argument)
{
    struct loop_thread *thread = argument;
    int result = set_up(thread);
    thread->start_result = result;
    sem_post(&thread->started);
    if (result != 0)
        return NULL;
    thread->body->run(thread->loop);
    thread->body->close(thread->loop);
    return NULL;
}

int loop_thread_start(struct loop_thread *thread, const char *kind, uint32_t index,
                      const struct core_list *cores, const struct loop_thread_body *body,
                      void *loop)
{
    *thread = (struct loop_thread){.body = body, .loop = loop, .cores = cores, .index = index};
    snprintf(thread->name, sizeof(thread->name), "%.11s%u", kind, index % 1000);
    sem_init(&thread->started, 0, 0);
    int result = -pthread_create(&thread->thread, NULL, thread_main, thread);
    if (result == 0) {
        while (sem_wait(&thread->started) != 0 && errno == EINTR)
            ;
        result = thread->start_result;
        if (result != 0)
            pthread_join(thread->thread, NULL);
    }
    if (result != 0) {
        log_error("%s thread %u: %s", kind, index, strerror(-result));
        sem_destroy(&thread->started);
    }
    return result;
}

void loop_thread_stop(struct loop_thread *thread, struct sleeper *sleeper)
{
    atomic_store_explicit(&thread->should_stop, true, memory_order_release);
    wake_if_asleep(sleeper);
    pthread_join(thread->thread, NULL);
    sem_destroy(&thread->started);
}
