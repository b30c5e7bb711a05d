/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/server_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/random.h"

void judge_init(struct judge *judge)
{
    *judge = (struct judge){0};
}

void judge_destroy(struct judge *judge)
{
    for (uint32_t i = 0; i < judge->count; i++)
        free(judge->operations[i].echo);
    free(judge->operations);
}

uint32_t judge_add(struct judge *judge, enum judged_kind kind)
{
    if (judge->count == judge->room) {
        judge->room = judge->room ? judge->room * 2 : 64;
        judge->operations = realloc(judge->operations, judge->room * sizeof(struct judged));
        ASSERT(judge->operations);
    }
    judge->operations[judge->count] = (struct judged){.kind = (uint8_t)kind, .end_ns = UINT64_MAX};
    return judge->count++;
}

void judge_expect_echo(struct judged *operation, const uint8_t *request, uint32_t bytes)
{
    operation->echo = malloc(bytes);
    ASSERT(operation->echo);
    memcpy(operation->echo, request, bytes);
    operation->echo_bytes = bytes;
}

void judge_fill(uint32_t index, uint8_t *out, uint32_t bytes)
{
    struct random random = {.state = index};
    for (uint32_t at = 0; at < bytes; at += 8) {
        uint64_t word = random_u64(&random);
        memcpy(out + at, &word, bytes - at < 8 ? bytes - at : 8);
    }
}

static bool is_read(const struct judged *operation)
{
    return operation->kind == JUDGED_GET || operation->kind == JUDGED_HEAD;
}

/* a was over before b began. */
static bool is_before(const struct judged *a, const struct judged *b)
{
    if (a->connection == b->connection && a->sequence < b->sequence)
        return a->state == JUDGED_DONE || a->state == JUDGED_FAILED;
    return a->end_ns < b->sent_ns;
}

uint64_t judge_newest(const struct judge *judge, uint32_t key)
{
    uint64_t newest = 0;
    for (uint32_t i = 0; i < judge->count; i++)
        if (judge->operations[i].key == key && judge->operations[i].version > newest &&
            judge->operations[i].kind <= JUDGED_DELETE)
            newest = judge->operations[i].version;
    return newest;
}

/* A later answer may not show less than an earlier one did. */
static const char *check_not_older(const struct judge *judge, const struct judged *operation,
                                   uint64_t version, bool is_write)
{
    for (uint32_t i = 0; i < judge->count; i++) {
        const struct judged *other = &judge->operations[i];
        if (other == operation || other->key != operation->key || other->kind > JUDGED_DELETE ||
            other->version == 0 || !is_before(other, operation))
            continue;
        if (other->version > version)
            return "an older version than one answered before";
        if (is_write && other->version == version)
            return "a write got a version that was there already";
    }
    return NULL;
}

/* Was there, and every delete was over before it was seen. */
static const char *check_may_be_absent(const struct judge *judge, const struct judged *operation)
{
    for (uint32_t i = 0; i < judge->count; i++) {
        const struct judged *seen = &judge->operations[i];
        if (seen == operation || seen->key != operation->key || seen->kind > JUDGED_DELETE ||
            !seen->is_present || !is_before(seen, operation))
            continue;
        bool may_be_deleted = false;
        for (uint32_t j = 0; j < judge->count && !may_be_deleted; j++) {
            const struct judged *other = &judge->operations[j];
            may_be_deleted = other->key == operation->key && other->kind == JUDGED_DELETE &&
                             other->state != JUDGED_FAILED && !is_before(other, seen);
        }
        if (!may_be_deleted)
            return "a value is gone that nobody deleted";
    }
    return NULL;
}

/* The write that made `version` was over before a delete that was over before this began. */
static const char *check_not_deleted(const struct judge *judge, const struct judged *operation,
                                     const struct judged *write)
{
    for (uint32_t i = 0; i < judge->count; i++) {
        const struct judged *other = &judge->operations[i];
        if (other->key == operation->key && other->kind == JUDGED_DELETE &&
            other->state == JUDGED_DONE && is_before(other, operation) && is_before(write, other) &&
            write->state == JUDGED_DONE)
            return "a deleted value came back";
    }
    return NULL;
}

static struct judged *write_of(struct judge *judge, uint32_t key, uint64_t version)
{
    for (uint32_t i = 0; i < judge->count; i++) {
        struct judged *other = &judge->operations[i];
        if (other->kind == JUDGED_PUT && other->key == key && other->version == version &&
            other->state != JUDGED_FAILED)
            return other;
    }
    return NULL;
}

/* A version was shown; `write` is the one whose value came with it, NULL when none came. */
static const char *check_present(struct judge *judge, struct judged *operation, uint64_t version,
                                 struct judged *write)
{
    if (version == 0)
        return "no ETag";
    const struct judged *known = write_of(judge, operation->key, version);
    if (write && known && known != write)
        return "one version names two values";
    if (write && write->version != 0 && write->version != version)
        return "one value has two versions";
    if (write && write->state == JUDGED_FAILED)
        return "a write that was refused can be read";
    if (write)
        write->version = version;
    operation->version = version;
    operation->is_present = true;
    const char *wrong = check_not_older(judge, operation, version, false);
    if (!wrong && (write || known))
        wrong = check_not_deleted(judge, operation, write ? write : known);
    return wrong;
}

static const char *judge_read_200(struct judge *judge, struct judged *operation,
                                  const struct answer *answer)
{
    if (!answer->has_content || answer->content >= judge->count)
        return "the Content-Type is not one that was written";
    struct judged *write = &judge->operations[answer->content];
    if (write->kind != JUDGED_PUT || write->key != operation->key)
        return "the value of another key";
    if (answer->length != write->length)
        return "a wrong Content-Length";
    if (operation->kind == JUDGED_GET) {
        static uint8_t expected[(1 << 20) + 8];
        judge_fill(answer->content, expected, write->length);
        if (answer->body_bytes != write->length ||
            memcmp(expected, answer->body, write->length) != 0)
            return "a byte that was not written";
    }
    if (operation->condition == IF_NOT && operation->condition_version == answer->version)
        return "200 where 304 was due";
    return check_present(judge, operation, answer->version, write);
}

static const char *judge_412(struct judge *judge, struct judged *operation,
                             const struct answer *answer)
{
    if (operation->condition != IF_ABSENT && operation->condition != IF_MATCH)
        return "412 without a condition";
    if (answer->version == 0)
        return operation->condition == IF_ABSENT ? "412 of If-None-Match without an ETag"
                                                 : check_may_be_absent(judge, operation);
    if (operation->condition == IF_MATCH && operation->condition_version == answer->version)
        return "412 though the version matches";
    return check_present(judge, operation, answer->version, NULL);
}

static const char *judge_read(struct judge *judge, struct judged *operation,
                              const struct answer *answer)
{
    switch (answer->status) {
    case 200:
        return judge_read_200(judge, operation, answer);
    case 304:
        if (operation->condition != IF_NOT || operation->condition_version != answer->version)
            return "304 without reason";
        return check_present(judge, operation, answer->version, NULL);
    case 404:
        return check_may_be_absent(judge, operation);
    default:
        return "a status that no read has";
    }
}

static const char *judge_put(struct judge *judge, struct judged *operation,
                             const struct answer *answer)
{
    if (answer->status == 412)
        return judge_412(judge, operation, answer);
    if (answer->status != 201 && answer->status != 204)
        return "a status that no PUT has";
    if (answer->version == 0)
        return "no ETag";
    if (operation->version != 0 && operation->version != answer->version)
        return "another version than the one that was read";
    const struct judged *known = write_of(judge, operation->key, answer->version);
    if (known && known != operation)
        return "two writes with one version";
    if (operation->condition == IF_ABSENT && answer->status != 201)
        return "create-only replaced a value";
    if (operation->condition == IF_MATCH &&
        (answer->status != 204 || answer->version <= operation->condition_version))
        return "compare-and-set of something else";
    operation->version = answer->version;
    operation->is_present = true;
    const char *wrong = check_not_older(judge, operation, answer->version, true);
    if (!wrong && answer->status == 201)
        wrong = check_may_be_absent(judge, operation);
    return wrong;
}

static const char *judge_delete(struct judge *judge, struct judged *operation,
                                const struct answer *answer)
{
    if (answer->status == 412)
        return judge_412(judge, operation, answer);
    return answer->status == 204 ? NULL : "a status that no DELETE has";
}

static const char *judge_fixed(const struct judged *operation, const struct answer *answer)
{
    static const uint32_t expected[] = {
        [JUDGED_LIST] = 200, [JUDGED_NOWHERE] = 404, [JUDGED_METHOD] = 405,
        [JUDGED_ECHO] = 200, [JUDGED_BAD] = 400,     [JUDGED_CUT] = 408};
    if (answer->status != expected[operation->kind])
        return "an unexpected status";
    if ((operation->kind == JUDGED_BAD || operation->kind == JUDGED_CUT) && !answer->closes)
        return "the connection should be closed";
    if (operation->kind == JUDGED_ECHO &&
        (answer->body_bytes != operation->echo_bytes ||
         memcmp(answer->body, operation->echo, operation->echo_bytes) != 0))
        return "an echo of something else";
    return NULL;
}

static const char *check_id(const struct judged *operation, uint32_t index,
                            const struct answer *answer)
{
    char expected[20];
    snprintf(expected, sizeof(expected), "q%u", index);
    if (operation->kind >= JUDGED_BAD || !operation->has_id)
        return strlen(answer->id) == 16 || answer->status == 408 ? NULL : "a request id of whose?";
    return strcmp(answer->id, expected) == 0 || answer->status == 408
               ? NULL
               : "the answer to another request";
}

/* Refusals that any request may meet; true when it was one. */
static bool is_refusal(struct judged *operation, const struct answer *answer)
{
    if (answer->status != 408 && answer->status < 500)
        return false;
    bool is_unknown = answer->status == 504 ||
                      memmem(answer->body, answer->body_bytes, "outcome-unknown", 15) != NULL;
    operation->state = is_unknown ? JUDGED_LIMBO : JUDGED_FAILED;
    return operation->kind != JUDGED_CUT;
}

const char *judge_answer(struct judge *judge, uint32_t index, const struct answer *answer)
{
    struct judged *operation = &judge->operations[index];
    const char *wrong = check_id(operation, index, answer);
    operation->status = answer->status;
    if (wrong)
        return wrong;
    if (is_refusal(operation, answer))
        return answer->status == 500 || answer->status == 507 ? "the disk is fine" : NULL;
    operation->state = JUDGED_DONE; /* for the order on its own connection */
    if (is_read(operation))
        wrong = answer->status == 412 ? judge_412(judge, operation, answer)
                                      : judge_read(judge, operation, answer);
    else if (operation->kind == JUDGED_PUT)
        wrong = judge_put(judge, operation, answer);
    else if (operation->kind == JUDGED_DELETE)
        wrong = judge_delete(judge, operation, answer);
    else
        wrong = judge_fixed(operation, answer);
    operation->end_ns = answer->at_ns;
    if (answer->status == 412)
        operation->state = JUDGED_FAILED;
    return wrong;
}

void judge_unanswered(struct judge *judge, uint32_t index)
{
    struct judged *operation = &judge->operations[index];
    operation->state = operation->kind == JUDGED_CUT ? JUDGED_FAILED : JUDGED_LIMBO;
}

const char *judge_finish(const struct judge *judge)
{
    for (uint32_t i = 0; i < judge->count; i++) {
        const struct judged *set = &judge->operations[i];
        if (set->kind != JUDGED_PUT || set->condition != IF_MATCH || set->state != JUDGED_DONE)
            continue;
        for (uint32_t j = 0; j < judge->count; j++) {
            const struct judged *other = &judge->operations[j];
            if (other->kind == JUDGED_PUT && other->key == set->key &&
                other->state != JUDGED_FAILED && other->version > set->condition_version &&
                other->version < set->version)
                return "a write came between a compare and its set";
        }
    }
    return NULL;
}
