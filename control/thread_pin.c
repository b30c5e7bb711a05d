/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/thread_pin.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "include/log.h"
#include "include/server_config.h"

#define NAME_BYTES_MAX 16 /* the kernel's TASK_COMM_LEN, with the end mark */

void thread_name(const char *name)
{
    char cut[NAME_BYTES_MAX];
    snprintf(cut, sizeof(cut), "%s", name);
    pthread_setname_np(pthread_self(), cut);
}

/* The kernel silently drops cores that are not there as long as one is: we want to hear of each. */
static int check_core(uint16_t core)
{
    cpu_set_t alone;
    CPU_ZERO(&alone);
    if (core < CPU_SETSIZE)
        CPU_SET(core, &alone);
    if (sched_setaffinity(0, sizeof(alone), &alone) == 0)
        return 0;
    log_error("cores: core %u does not exist, or this process may not use it", core);
    return -EINVAL;
}

static int pin_to(const uint16_t *cores, uint32_t count)
{
    cpu_set_t wanted, before;
    if (sched_getaffinity(0, sizeof(before), &before) < 0)
        return -errno;
    CPU_ZERO(&wanted);
    for (uint32_t i = 0; i < count; i++) {
        int status = check_core(cores[i]);
        if (status < 0) {
            sched_setaffinity(0, sizeof(before), &before);
            return status;
        }
        CPU_SET(cores[i], &wanted);
    }
    return sched_setaffinity(0, sizeof(wanted), &wanted) < 0 ? -errno : 0;
}

int thread_pin(const struct core_list *cores)
{
    return cores->core_count == 0 ? 0 : pin_to(cores->cores, cores->core_count);
}

void thread_never_interrupts(void)
{
    struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_BATCH, &none) != 0)
        log_warning("cores: SCHED_BATCH: %s; control threads interrupt workers on their cores",
                    strerror(errno));
}

int thread_pin_one(const struct core_list *cores, uint32_t index)
{
    return cores->core_count == 0 ? 0 : pin_to(&cores->cores[index % cores->core_count], 1);
}
