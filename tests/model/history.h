/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * history.h - what clients asked and were told, and whether a single copy could have said it.
 *
 * Purpose:   the judge of the model: linearizability of every key, from versions and value numbers.
 * Ownership: a history owns its events; the caller fills them in by index.
 * Threading: one thread.
 * Units:     _at in scheduler steps, _ms wall.
 * Errors:    history_check returns a sentence that names the violation, or NULL.
 * Source:    version chain: a read may not be older than what was known before it began; exhaustive
 *            search after Wing and Gong (1993) with the memo of Lowe (2017).
 */
#ifndef GANNET_TESTS_HISTORY_H
#define GANNET_TESTS_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

enum event_kind { EVENT_GET = 0, EVENT_PUT, EVENT_DELETE };

enum event_outcome {
    EVENT_PENDING = 0,      /* no answer: a crash took it; a write may or may not have happened */
    EVENT_NO_EFFECT,        /* refused; says nothing about the key */
    EVENT_READ_VALUE,       /* GET: version and value */
    EVENT_READ_ABSENT,      /* GET or DELETE: there was none */
    EVENT_WRITTEN,          /* PUT or DELETE took effect as `version` */
    EVENT_CONDITION_FAILED, /* `version` is the current one, 0 when absent */
};

enum event_condition { EVENT_ALWAYS = 0, EVENT_IF_ABSENT, EVENT_IF_VERSION };

struct event {
    uint64_t invoked_at;
    uint64_t answered_at; /* UINT64_MAX while pending */
    uint64_t version;
    uint64_t value;            /* number of the value written or read; 0: none */
    uint64_t expected_version; /* of EVENT_IF_VERSION */
    uint64_t expires_at_ms;    /* of the value; 0: never */
    uint64_t invoked_ms, answered_ms;
    uint32_t key;
    uint8_t kind;    /* enum event_kind */
    uint8_t outcome; /* enum event_outcome */
    uint8_t condition;
    bool was_found; /* PUT or DELETE: the answer said that there was a value before */
    bool was_hit;   /* answered from the cache */
};

struct history {
    struct event *events;
    uint32_t count, capacity;
    uint32_t keys;
    /* Acknowledged writes may be lost in a crash (sync: interval): order is not judged then. */
    bool forgets_at_crash;
};

int history_create(uint32_t keys, struct history *history);
void history_destroy(struct history *history);

/* A new event; its index stays valid, its address does not. */
uint32_t history_add(struct history *history, const struct event *event);

struct history_report {
    uint32_t searched_keys; /* judged by exhaustive search as well */
    char text[256];
};

/* NULL: nothing wrong. Otherwise report->text. */
const char *history_check(const struct history *history, struct history_report *report);

#endif
