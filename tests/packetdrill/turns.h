/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * turns.h - a lock that serves its threads in the order in which they came.
 *
 * Purpose:   one thread at a time is inside the adapter. The order matters: a call that began
 *            before another must also take effect before it, whatever the scheduler thinks.
 * Ownership: the caller's struct.
 * Threading: any number of threads.
 * Units:     none.
 * Errors:    none.
 * Source:    a ticket lock that sleeps.
 */
#ifndef GANNET_PACKETDRILL_TURNS_H
#define GANNET_PACKETDRILL_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct turns {
    pthread_mutex_t mutex; /* guards what follows; nobody keeps it for the length of a turn */
    pthread_cond_t changed;
    uint64_t next_ticket, served_ticket;
};

void turns_init(struct turns *turns);
void turns_destroy(struct turns *turns);
void turns_enter(struct turns *turns);
void turns_leave(struct turns *turns);

/* Lets others in until one of them signals *is_over; false before. Takes a new turn at the end. */
void turns_wait(struct turns *turns, const bool *is_over);
void turns_signal(struct turns *turns, bool *is_over);

#endif
