/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * timer_wheel.h - a hierarchical timing wheel over the indices 0..count-1, one timer each.
 *
 * Purpose:   arm, move and cancel in constant time; the caller keeps deadlines lazily and re-arms
 *            only when a slot fires.
 * Ownership: the wheel owns its nodes; made at start, nothing is allocated later.
 * Threading: one owner.
 * Units:     ticks of the caller's choice, 32 bits that may wrap.
 * Errors:    create returns NULL when memory is short.
 * Source:    Varghese and Lauck 1987, scheme 7: four levels of 256 slots.
 */
#ifndef GANNET_TIMER_WHEEL_H
#define GANNET_TIMER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

struct timer_wheel;

struct timer_wheel *timer_wheel_create(uint32_t timer_count, uint32_t now_tick);
void timer_wheel_destroy(struct timer_wheel *wheel);

/* Sets or moves the timer; a tick that is not in the future fires with the next advance. */
void timer_wheel_arm(struct timer_wheel *wheel, uint32_t index, uint32_t tick);
void timer_wheel_cancel(struct timer_wheel *wheel, uint32_t index);

/*
 * Moves on to `now_tick` and writes at most `limit` expired indices; each is disarmed. A full `out`
 * means there may be more: call again.
 */
uint32_t timer_wheel_advance(struct timer_wheel *wheel, uint32_t now_tick, uint32_t *out,
                             uint32_t limit);

/* Ticks from `now_tick` until the wheel has something to do: never too late; false: none. */
bool timer_wheel_next(const struct timer_wheel *wheel, uint32_t now_tick, uint32_t *ticks);

#endif
