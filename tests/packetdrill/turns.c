/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packetdrill/turns.h"

void turns_init(struct turns *turns)
{
    *turns = (struct turns){.next_ticket = 0};
    pthread_mutex_init(&turns->mutex, NULL);
    pthread_cond_init(&turns->changed, NULL);
}

void turns_destroy(struct turns *turns)
{
    pthread_cond_destroy(&turns->changed);
    pthread_mutex_destroy(&turns->mutex);
}

static void take_turn(struct turns *turns)
{
    uint64_t ticket = turns->next_ticket++;
    while (turns->served_ticket != ticket)
        pthread_cond_wait(&turns->changed, &turns->mutex);
}

static void end_turn(struct turns *turns)
{
    turns->served_ticket++;
    pthread_cond_broadcast(&turns->changed);
}

void turns_enter(struct turns *turns)
{
    pthread_mutex_lock(&turns->mutex);
    take_turn(turns);
    pthread_mutex_unlock(&turns->mutex);
}

void turns_leave(struct turns *turns)
{
    pthread_mutex_lock(&turns->mutex);
    end_turn(turns);
    pthread_mutex_unlock(&turns->mutex);
}

void turns_wait(struct turns *turns, const bool *is_over)
{
    pthread_mutex_lock(&turns->mutex);
    end_turn(turns);
    while (!*is_over)
        pthread_cond_wait(&turns->changed, &turns->mutex);
    take_turn(turns);
    pthread_mutex_unlock(&turns->mutex);
}

void turns_signal(struct turns *turns, bool *is_over)
{
    pthread_mutex_lock(&turns->mutex);
    *is_over = true;
    pthread_cond_broadcast(&turns->changed);
    pthread_mutex_unlock(&turns->mutex);
}
