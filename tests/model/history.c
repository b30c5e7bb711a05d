/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/model/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/compiler.h"

#define SEARCH_EVENTS_MAX 40u
#define SEARCH_STEPS_MAX 200000u
#define MEMO_SLOTS 65536u
#define ABSENT_KEPT 64u
#define TOLERANCE_MS UINT64_C(2) /* expiry is exact to one round */

int history_create(uint32_t keys, struct history *history)
{
    memset(history, 0, sizeof(*history));
    history->keys = keys;
    history->capacity = 1024;
    history->events = calloc(history->capacity, sizeof(*history->events));
    return history->events ? 0 : -ENOMEM;
}

void history_destroy(struct history *history)
{
    free(history->events);
}

uint32_t history_add(struct history *history, const struct event *event)
{
    if (history->count == history->capacity) {
        history->capacity *= 2;
        history->events = realloc(history->events, history->capacity * sizeof(*history->events));
        if (!history->events)
            abort();
    }
    history->events[history->count] = *event;
    return history->count++;
}

/* --- one key's events ------------------------------------------------------------------------ */

struct chain {
    struct event *events; /* in order of invocation */
    uint32_t count;
    struct event **by_answer; /* those that tell a version, in order of their answers */
    uint32_t answer_count;
    struct event **writes; /* with a known version, in order of versions */
    uint32_t write_count;
    uint32_t unbound_writes; /* may have happened, version never seen */
    uint32_t unbound_deletes;
    struct history_report *report;
};

static const char *wrong(struct chain *chain, const struct event *event, const char *what)
{
    snprintf(chain->report->text, sizeof(chain->report->text),
             "key %" PRIu32 ", steps %" PRIu64 "..%" PRIu64 ", version %" PRIu64 ": %s", event->key,
             event->invoked_at, event->answered_at, event->version, what);
    return chain->report->text;
}

static bool is_write(const struct event *event)
{
    return event->kind != EVENT_GET && event->outcome == EVENT_WRITTEN;
}

static bool is_unknown_write(const struct event *event)
{
    return event->kind != EVENT_GET && event->outcome == EVENT_PENDING;
}

static bool tells_version(const struct event *event)
{
    return event->version != 0 &&
           (event->outcome == EVENT_READ_VALUE || event->outcome == EVENT_WRITTEN ||
            event->outcome == EVENT_CONDITION_FAILED);
}

static int by_invocation(const void *left, const void *right)
{
    const struct event *a = left, *b = right;
    return a->invoked_at < b->invoked_at ? -1 : a->invoked_at > b->invoked_at;
}

static int by_answer(const void *left, const void *right)
{
    const struct event *a = *(struct event *const *)left, *b = *(struct event *const *)right;
    return a->answered_at < b->answered_at ? -1 : a->answered_at > b->answered_at;
}

static int by_version(const void *left, const void *right)
{
    const struct event *a = *(struct event *const *)left, *b = *(struct event *const *)right;
    return a->version < b->version ? -1 : a->version > b->version;
}

/* A write without an answer whose value somebody read did happen: the reader tells its version. */
static void bind_unknown_writes(struct chain *chain)
{
    for (uint32_t i = 0; i < chain->count; i++) {
        const struct event *read = &chain->events[i];
        if (read->outcome != EVENT_READ_VALUE)
            continue;
        for (uint32_t j = 0; j < chain->count; j++) {
            struct event *write = &chain->events[j];
            if (is_unknown_write(write) && write->kind == EVENT_PUT &&
                write->value == read->value && write->version == 0)
                write->version = read->version;
        }
    }
}

static void chain_index(struct chain *chain)
{
    qsort(chain->events, chain->count, sizeof(chain->events[0]), by_invocation);
    bind_unknown_writes(chain);
    for (uint32_t i = 0; i < chain->count; i++) {
        struct event *event = &chain->events[i];
        if (is_write(event) || (is_unknown_write(event) && event->version != 0)) {
            chain->writes[chain->write_count++] = event;
        } else if (is_unknown_write(event)) {
            chain->unbound_writes++;
            chain->unbound_deletes += event->kind == EVENT_DELETE;
        }
        if (tells_version(event))
            chain->by_answer[chain->answer_count++] = event;
    }
    qsort(chain->writes, chain->write_count, sizeof(chain->writes[0]), by_version);
    qsort(chain->by_answer, chain->answer_count, sizeof(chain->by_answer[0]), by_answer);
}

static struct event *write_of_version(const struct chain *chain, uint64_t version)
{
    uint32_t low = 0, high = chain->write_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (chain->writes[middle]->version < version)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_there = low < chain->write_count && chain->writes[low]->version == version;
    return is_there ? chain->writes[low] : NULL;
}

static struct event *write_before_version(const struct chain *chain, uint64_t version)
{
    struct event *before = NULL;
    for (uint32_t i = 0; i < chain->write_count && chain->writes[i]->version < version; i++)
        before = chain->writes[i];
    return before;
}

static const char *check_versions_are_unique(struct chain *chain)
{
    for (uint32_t i = 1; i < chain->write_count; i++)
        if (chain->writes[i]->version == chain->writes[i - 1]->version)
            return wrong(chain, chain->writes[i], "one version was issued for two writes");
    return NULL;
}

static bool may_have_expired(const struct event *write, const struct event *reader)
{
    return write->expires_at_ms != 0 && write->expires_at_ms <= reader->answered_ms + TOLERANCE_MS;
}

static const char *check_value_read(struct chain *chain, const struct event *read)
{
    const struct event *write = write_of_version(chain, read->version);
    if (!write)
        return wrong(chain, read, "a version was read that nobody wrote");
    if (write->kind == EVENT_DELETE)
        return wrong(chain, read, "a deleted version was read as a value");
    if (write->value != read->value)
        return wrong(chain, read, "the value is not the one written as this version");
    if (write->invoked_at > read->answered_at)
        return wrong(chain, read, "a value was read before it was written");
    if (write->expires_at_ms != 0 && write->expires_at_ms + TOLERANCE_MS < read->invoked_ms)
        return wrong(chain, read, "an expired value was read");
    return NULL;
}

/* Absent after `floor` was known: some delete above it, or its time to live, must explain that. */
static const char *check_absent_read(struct chain *chain, const struct event *read, uint64_t floor,
                                     uint64_t *promoted)
{
    const struct event *last = floor ? write_of_version(chain, floor) : NULL;
    *promoted = floor;
    if (!last || last->kind == EVENT_DELETE || may_have_expired(last, read) ||
        chain->unbound_writes > 0)
        return NULL;
    for (uint32_t i = 0; i < chain->write_count; i++) {
        const struct event *write = chain->writes[i];
        if (write->version <= floor || write->invoked_at > read->answered_at)
            continue;
        if (may_have_expired(write, read))
            return NULL;
        if (write->kind == EVENT_DELETE) {
            *promoted = write->version; /* at least this was visible */
            return NULL;
        }
    }
    return wrong(chain, read, "absent, although a value was there and nobody deleted it");
}

static const char *check_condition(struct chain *chain, const struct event *event)
{
    if (event->condition == EVENT_ALWAYS)
        return NULL;
    if (event->outcome == EVENT_CONDITION_FAILED) {
        if (event->condition == EVENT_IF_VERSION && event->version == event->expected_version)
            return wrong(chain, event, "a condition failed although it held");
        if (event->condition == EVENT_IF_ABSENT && event->version == 0)
            return wrong(chain, event, "create-only failed although there was nothing");
        return NULL;
    }
    if (event->outcome != EVENT_WRITTEN)
        return NULL;
    const struct event *before = write_before_version(chain, event->version);
    uint64_t before_version = before ? before->version : 0;
    bool skipped_one = before_version > event->expected_version ||
                       (before_version < event->expected_version && chain->unbound_writes == 0);
    if (event->condition == EVENT_IF_VERSION && skipped_one)
        return wrong(chain, event, "a compare-and-set passed over a newer version");
    if (event->condition == EVENT_IF_ABSENT && before && before->kind == EVENT_PUT &&
        !may_have_expired(before, event) && chain->unbound_deletes == 0)
        return wrong(chain, event, "create-only succeeded over a value");
    return NULL;
}

static const char *check_event(struct chain *chain, const struct event *event, uint64_t floor,
                               uint64_t *promoted)
{
    const char *violation = check_condition(chain, event);
    *promoted = 0;
    if (violation)
        return violation;
    if (event->outcome == EVENT_READ_VALUE && (violation = check_value_read(chain, event)) != NULL)
        return violation;
    if (event->outcome == EVENT_WRITTEN && event->version <= floor)
        return wrong(chain, event, "a write got a version not above one known before it began");
    if (tells_version(event) && event->version < floor)
        return wrong(chain, event, "older than what was known before it began");
    bool is_absent = event->outcome == EVENT_READ_ABSENT ||
                     (event->outcome == EVENT_CONDITION_FAILED && event->version == 0);
    return is_absent ? check_absent_read(chain, event, floor, promoted) : NULL;
}

/*
 * Walks invocations and answers in time order: `floor` is the newest version that some answer told
 * before this invocation. Absent reads raise it too, once they are answered.
 */
static const char *check_order(struct chain *chain)
{
    struct {
        uint64_t at, version;
    } absent[ABSENT_KEPT] = {{0, 0}};
    uint32_t absent_at = 0, answered = 0;
    uint64_t floor = 0;
    for (uint32_t i = 0; i < chain->count; i++) {
        const struct event *event = &chain->events[i];
        for (; answered < chain->answer_count &&
               chain->by_answer[answered]->answered_at < event->invoked_at;
             answered++)
            if (chain->by_answer[answered]->version > floor)
                floor = chain->by_answer[answered]->version;
        for (uint32_t a = 0; a < ABSENT_KEPT; a++)
            if (absent[a].version > floor && absent[a].at < event->invoked_at)
                floor = absent[a].version;
        uint64_t promoted;
        const char *violation = check_event(chain, event, floor, &promoted);
        if (violation)
            return violation;
        if (promoted > floor) {
            absent[absent_at].at = event->answered_at;
            absent[absent_at].version = promoted;
            absent_at = (absent_at + 1) % ABSENT_KEPT;
        }
    }
    return NULL;
}

/* When a crash may take acknowledged writes along, values must still belong to their versions. */
static const char *check_values_only(struct chain *chain)
{
    const char *violation = NULL;
    for (uint32_t i = 0; i < chain->count && !violation; i++)
        if (chain->events[i].outcome == EVENT_READ_VALUE)
            violation = check_value_read(chain, &chain->events[i]);
    return violation;
}

/* --- exhaustive search ----------------------------------------------------------------------- */

struct search {
    const struct chain *chain;
    const struct event *events[SEARCH_EVENTS_MAX];
    uint32_t count;
    uint64_t optional; /* events that need not have happened */
    uint64_t steps;
    struct {
        uint64_t done, value;
        bool is_used;
    } * memo;
};

static uint64_t value_of_version(const struct chain *chain, uint64_t version)
{
    const struct event *write = version ? write_of_version(chain, version) : NULL;
    return write && write->kind == EVENT_PUT ? write->value : 0;
}

/* The register as one copy would have it: false when the event's answer contradicts `*value`. */
static bool search_apply(const struct search *search, const struct event *event, uint64_t *value)
{
    bool is_unknown = event->outcome == EVENT_PENDING;
    uint64_t expected = value_of_version(search->chain, event->expected_version);
    bool holds =
        event->condition == EVENT_ALWAYS ||
        (event->condition == EVENT_IF_ABSENT ? *value == 0 : *value != 0 && *value == expected);
    switch ((enum event_outcome)event->outcome) {
    case EVENT_READ_VALUE:
        return *value == event->value;
    case EVENT_READ_ABSENT:
        return *value == 0;
    case EVENT_CONDITION_FAILED:
        return !holds && (event->version == 0 ? *value == 0 : *value != 0);
    default:
        if (!holds)
            return is_unknown; /* then it changed nothing */
        if (!is_unknown && event->was_found != (*value != 0))
            return false;
        *value = event->kind == EVENT_PUT ? event->value : 0;
        return true;
    }
}

/* True when this state was met before; remembers it otherwise. A full memo only costs time. */
static bool search_was_here(struct search *search, uint64_t done, uint64_t value)
{
    uint64_t at =
        (done * UINT64_C(0x9e3779b97f4a7c15) ^ value * UINT64_C(0xff51afd7ed558ccd)) >> 48;
    if (search->memo[at].is_used && search->memo[at].done == done &&
        search->memo[at].value == value)
        return true;
    search->memo[at].is_used = true;
    search->memo[at].done = done;
    search->memo[at].value = value;
    return false;
}

static bool search_from(struct search *search, uint64_t done, uint64_t value)
{
    uint64_t all = (UINT64_C(1) << search->count) - 1;
    if (((done | search->optional) & all) == all || search->steps++ > SEARCH_STEPS_MAX)
        return true;
    if (search_was_here(search, done, value))
        return false;
    uint64_t first_answer = UINT64_MAX;
    for (uint32_t i = 0; i < search->count; i++)
        if (!(done >> i & 1) && search->events[i]->answered_at < first_answer)
            first_answer = search->events[i]->answered_at;
    for (uint32_t i = 0; i < search->count; i++) {
        uint64_t next = value;
        if (done >> i & 1 || search->events[i]->invoked_at > first_answer)
            continue;
        if (search_apply(search, search->events[i], &next) &&
            search_from(search, done | UINT64_C(1) << i, next))
            return true;
    }
    return false;
}

static const char *check_by_search(struct chain *chain, bool *was_searched)
{
    struct search search = {.chain = chain};
    *was_searched = false;
    for (uint32_t i = 0; i < chain->count; i++) {
        const struct event *event = &chain->events[i];
        bool says_nothing = event->outcome == EVENT_NO_EFFECT ||
                            (event->kind == EVENT_GET && event->outcome == EVENT_PENDING);
        if (event->expires_at_ms != 0)
            return NULL; /* time decides as well: the chain alone judges these */
        if (event->condition == EVENT_IF_VERSION &&
            !write_of_version(chain, event->expected_version))
            return NULL; /* a version that only a refusal told: its value is not known */
        if (says_nothing)
            continue;
        if (search.count == SEARCH_EVENTS_MAX)
            return NULL;
        if (event->outcome == EVENT_PENDING)
            search.optional |= UINT64_C(1) << search.count;
        search.events[search.count++] = event;
    }
    if (search.count == 0)
        return NULL;
    search.memo = calloc(MEMO_SLOTS, sizeof(*search.memo));
    if (!search.memo)
        abort();
    bool is_linearizable = search_from(&search, 0, 0);
    free(search.memo);
    *was_searched = search.steps <= SEARCH_STEPS_MAX;
    return is_linearizable ? NULL
                           : wrong(chain, search.events[0],
                                   "no order of the operations explains "
                                   "what was answered");
}

/* --- all keys -------------------------------------------------------------------------------- */

static const char *check_key(const struct history *history, uint32_t key,
                             struct history_report *report)
{
    struct chain chain = {.report = report};
    chain.events = calloc(history->count + 1, sizeof(*chain.events));
    chain.by_answer = calloc(history->count + 1, sizeof(*chain.by_answer));
    chain.writes = calloc(history->count + 1, sizeof(*chain.writes));
    if (!chain.events || !chain.by_answer || !chain.writes)
        abort();
    for (uint32_t i = 0; i < history->count; i++)
        if (history->events[i].key == key)
            chain.events[chain.count++] = history->events[i];
    chain_index(&chain);
    const char *violation = check_versions_are_unique(&chain);
    if (!violation)
        violation = history->forgets_at_crash ? check_values_only(&chain) : check_order(&chain);
    bool was_searched = false;
    if (!violation && !history->forgets_at_crash)
        violation = check_by_search(&chain, &was_searched);
    report->searched_keys += was_searched;
    free(chain.events);
    free(chain.by_answer);
    free(chain.writes);
    return violation;
}

const char *history_check(const struct history *history, struct history_report *report)
{
    memset(report, 0, sizeof(*report));
    const char *violation = NULL;
    for (uint32_t key = 0; key < history->keys && !violation; key++)
        violation = check_key(history, key, report);
    return violation;
}
