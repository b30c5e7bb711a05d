/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/timer_wheel.h"

#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/compiler.h"
#include "include/memory_region.h"

#define LEVELS 4
#define SLOT_BITS 8
#define SLOTS (1u << SLOT_BITS)
#define SLOT_MASK (SLOTS - 1)
#define WORDS (SLOTS / 64)
#define NONE UINT32_MAX

struct timer_node {
    uint32_t next, previous; /* previous of the first: NONE */
    uint32_t tick;
    uint32_t slot; /* level * SLOTS + slot, NONE when not armed */
};

struct timer_wheel {
    uint32_t now_tick; /* everything up to here has fired */
    uint32_t timer_count;
    uint32_t armed_count;
    uint64_t occupied[LEVELS][WORDS];
    uint32_t heads[LEVELS * SLOTS];
    struct timer_node nodes[];
};

struct timer_wheel *timer_wheel_create(uint32_t timer_count, uint32_t now_tick)
{
    struct timer_wheel *wheel =
        memory_lines_create(sizeof(*wheel) + (size_t)timer_count * sizeof(struct timer_node));
    if (!wheel)
        return NULL;
    wheel->now_tick = now_tick;
    wheel->timer_count = timer_count;
    memset(wheel->heads, 0xff, sizeof(wheel->heads));
    for (uint32_t i = 0; i < timer_count; i++)
        wheel->nodes[i].slot = NONE;
    return wheel;
}

void timer_wheel_destroy(struct timer_wheel *wheel)
{
    free(wheel);
}

static void slot_unlink(struct timer_wheel *wheel, struct timer_node *node)
{
    if (node->next != NONE)
        wheel->nodes[node->next].previous = node->previous;
    if (node->previous != NONE) {
        wheel->nodes[node->previous].next = node->next;
    } else {
        wheel->heads[node->slot] = node->next;
        if (node->next == NONE)
            wheel->occupied[node->slot >> SLOT_BITS][(node->slot & SLOT_MASK) / 64] &=
                ~(UINT64_C(1) << (node->slot % 64));
    }
    node->slot = NONE;
}

/* The level is that of the highest byte in which the tick differs from now. */
static void slot_link(struct timer_wheel *wheel, uint32_t index)
{
    struct timer_node *node = &wheel->nodes[index];
    uint32_t difference = node->tick ^ wheel->now_tick;
    uint32_t level =
        difference < SLOTS ? 0 : (31u - (uint32_t)__builtin_clz(difference)) / SLOT_BITS;
    uint32_t in_level = (node->tick >> (level * SLOT_BITS)) & SLOT_MASK;
    node->slot = level * SLOTS + in_level;
    node->previous = NONE;
    node->next = wheel->heads[node->slot];
    if (node->next != NONE)
        wheel->nodes[node->next].previous = index;
    wheel->heads[node->slot] = index;
    wheel->occupied[level][in_level / 64] |= UINT64_C(1) << (in_level % 64);
}

void timer_wheel_arm(struct timer_wheel *wheel, uint32_t index, uint32_t tick)
{
    ASSERT_HOT(index < wheel->timer_count);
    struct timer_node *node = &wheel->nodes[index];
    if ((int32_t)(tick - wheel->now_tick) <= 0)
        tick = wheel->now_tick + 1;
    if (node->slot != NONE)
        slot_unlink(wheel, node);
    else
        wheel->armed_count++;
    node->tick = tick;
    slot_link(wheel, index);
}

void timer_wheel_cancel(struct timer_wheel *wheel, uint32_t index)
{
    ASSERT_HOT(index < wheel->timer_count);
    struct timer_node *node = &wheel->nodes[index];
    if (node->slot == NONE)
        return;
    slot_unlink(wheel, node);
    wheel->armed_count--;
}

/* First occupied slot at or after `from`, without wrapping; SLOTS when there is none. */
static uint32_t occupied_from(const struct timer_wheel *wheel, uint32_t level, uint32_t from)
{
    for (uint32_t word = from / 64; word < WORDS; word++) {
        uint64_t bits = wheel->occupied[level][word];
        if (word == from / 64)
            bits &= ~UINT64_C(0) << (from % 64);
        if (bits)
            return word * 64 + (uint32_t)__builtin_ctzll(bits);
    }
    return SLOTS;
}

/* The next tick after now at which a slot fires or moves down; something must be armed. */
static uint32_t next_event(const struct timer_wheel *wheel)
{
    for (uint32_t level = 0; level < LEVELS; level++) {
        uint32_t shift = level * SLOT_BITS;
        uint32_t current = (wheel->now_tick >> shift) & SLOT_MASK;
        uint32_t slot = current + 1 < SLOTS ? occupied_from(wheel, level, current + 1) : SLOTS;
        if (slot == SLOTS && level == LEVELS - 1) /* the top level wraps round with the tick */
            slot = SLOTS + occupied_from(wheel, level, 0);
        if (level < LEVELS - 1 && slot == SLOTS)
            continue;
        uint32_t base = (uint32_t)((uint64_t)(wheel->now_tick >> shift) << shift);
        base -= current << shift;
        return base + (slot << shift);
    }
    UNREACHABLE();
}

/* Moves the timers of higher levels whose time has come nearer down to where they belong. */
static void cascade(struct timer_wheel *wheel)
{
    for (uint32_t level = LEVELS - 1; level > 0; level--) {
        if (wheel->now_tick & ((1u << (level * SLOT_BITS)) - 1))
            continue; /* not at a boundary of this level */
        uint32_t slot = level * SLOTS + ((wheel->now_tick >> (level * SLOT_BITS)) & SLOT_MASK);
        uint32_t index;
        while ((index = wheel->heads[slot]) != NONE) {
            slot_unlink(wheel, &wheel->nodes[index]);
            slot_link(wheel, index);
            ASSERT_HOT(wheel->nodes[index].slot < level * SLOTS);
        }
    }
}

uint32_t timer_wheel_advance(struct timer_wheel *wheel, uint32_t now_tick, uint32_t *out,
                             uint32_t limit)
{
    uint32_t count = 0;
    for (;;) {
        uint32_t slot = wheel->now_tick & SLOT_MASK; /* what a full `out` left behind comes first */
        while (wheel->heads[slot] != NONE) {
            if (count == limit)
                return count;
            uint32_t index = wheel->heads[slot];
            slot_unlink(wheel, &wheel->nodes[index]);
            wheel->armed_count--;
            out[count++] = index;
        }
        if ((int32_t)(now_tick - wheel->now_tick) <= 0)
            return count;
        uint32_t next = wheel->armed_count > 0 ? next_event(wheel) : now_tick;
        if ((int32_t)(next - now_tick) > 0)
            next = now_tick;
        wheel->now_tick = next;
        cascade(wheel);
    }
}

bool timer_wheel_next(const struct timer_wheel *wheel, uint32_t now_tick, uint32_t *ticks)
{
    if (wheel->armed_count == 0)
        return false;
    uint32_t next =
        wheel->heads[wheel->now_tick & SLOT_MASK] != NONE ? wheel->now_tick : next_event(wheel);
    *ticks = (int32_t)(next - now_tick) > 0 ? next - now_tick : 0;
    return true;
}
