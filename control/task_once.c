/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/task_once.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "include/assert_policy.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/server_config.h"

/* A namespace that no configuration can name. */
#define ANSWERS "$answers"
#define ANSWERS_BYTES sizeof(ANSWERS) /* with its zero byte */
#define CLAIM 'c'
#define EFFECT 'e'
#define PIECE_BYTES 4096u

/* On disk: the attributes of a claim, and of the companion of an effect. */
struct once_record {
    uint8_t fingerprint[16];
    uint16_t status; /* 0: no answer yet */
    uint16_t fields_bytes;
    uint32_t body_bytes;
};
static_assert(sizeof(struct once_record) == ATTRIBUTES_BYTES_MAX - ONCE_ANSWER_BYTES_MAX,
              "no hidden padding");
static_assert(ANSWERS_BYTES + 3 + NAMESPACE_NAME_BYTES_MAX + 1 + TASK_SCOPE_BYTES_MAX <=
                  KEY_BYTES_MAX,
              "a record's key is a key");

enum once_stage {
    ONCE_ASK_CLAIM = 0,
    ONCE_WRITE_CLAIM,
    ONCE_ASK_EFFECT,
    ONCE_READ_ANSWER,
    ONCE_AT_WORK, /* the kind's turn */
    ONCE_WRITE_ANSWER,
};

struct task_once {
    struct task_once *next;
    uint64_t scope_hash;
    uint8_t stage; /* enum once_stage */
    bool has_begun;
    struct once_record record;
    uint16_t claim_bytes, effect_bytes;
    uint8_t claim[KEY_BYTES_MAX], effect[KEY_BYTES_MAX];
};

/* It writes one value: its answer is the companion of that write. */
static bool is_one_write(const struct api_task *task)
{
    return task->kind == API_TASK_COUNTER || task->kind == API_TASK_PATCH;
}

/* ---- which request this is ---- */

static void add_body(XXH3_state_t *hash, const struct blob *body)
{
    uint8_t piece[PIECE_BYTES];
    for (uint32_t at = 0; body && at < body->length_bytes; at += PIECE_BYTES) {
        uint32_t left = body->length_bytes - at;
        uint32_t bytes = left < PIECE_BYTES ? left : PIECE_BYTES;
        blob_copy_out(body, at, piece, bytes);
        XXH3_128bits_update(hash, piece, bytes);
    }
}

/* Everything that decides what it does, each part after its length. */
static bool read_fingerprint(const struct api_task *task, uint8_t fingerprint[16])
{
    XXH3_state_t *hash = XXH3_createState();
    if (!hash)
        return false;
    const uint32_t parts[] = {task->kind, task->condition, task->version_count, task->key_bytes,
                              task->query_bytes};
    XXH3_128bits_reset(hash);
    XXH3_128bits_update(hash, parts, sizeof(parts));
    XXH3_128bits_update(hash, task->versions, task->version_count * sizeof(task->versions[0]));
    XXH3_128bits_update(hash, api_task_key(task), task->key_bytes);
    XXH3_128bits_update(hash, api_task_query(task), task->query_bytes);
    add_body(hash, task->body);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hash));
    memcpy(fingerprint, canonical.digest, sizeof(canonical.digest));
    XXH3_freeState(hash);
    return true;
}

/* "$answers\0", the kind of record, number, namespace, key and client. */
static uint16_t write_key(const struct api_task *task, uint8_t kind, uint16_t number, uint8_t *key)
{
    uint32_t bytes = 0, space_bytes = api_task_space_bytes(task);
    memcpy(key, ANSWERS, ANSWERS_BYTES);
    bytes += ANSWERS_BYTES;
    key[bytes++] = kind;
    key[bytes++] = (uint8_t)number;
    key[bytes++] = (uint8_t)(number >> 8);
    memcpy(key + bytes, api_task_key(task), space_bytes);
    bytes += space_bytes;
    memcpy(key + bytes, api_task_scope(task), task->scope_bytes);
    return (uint16_t)(bytes + task->scope_bytes);
}

/*
 * A companion is of its write's virtual shard: the first number that makes it so. One in 256 does;
 * that none of 65,536 would is less likely than any failure of the machine.
 */
static void write_effect_key(const struct api_task *task, struct task_once *once)
{
    uint8_t shard = shard_of_hash(key_hash_shard(api_task_key(task), task->key_bytes));
    for (uint32_t number = 0; number <= UINT16_MAX; number++) {
        once->effect_bytes = write_key(task, EFFECT, (uint16_t)number, once->effect);
        if (shard_of_hash(key_hash_shard(once->effect, once->effect_bytes)) == shard)
            return;
    }
    once->effect_bytes = 0;
}

static bool is_same_request(const struct task_once *once, struct shard_operation *operation,
                            struct once_record *record)
{
    if (operation->attributes_bytes < sizeof(*record))
        return false;
    memcpy(record, operation_attributes(operation), sizeof(*record));
    return memcmp(record->fingerprint, once->record.fingerprint, sizeof(record->fingerprint)) == 0;
}

/* ---- life ---- */

static bool is_under_way(const struct task_once *all, const struct task_once *once)
{
    for (; all; all = all->next)
        if (all->scope_hash == once->scope_hash && all->claim_bytes == once->claim_bytes &&
            memcmp(all->claim, once->claim, once->claim_bytes) == 0)
            return true;
    return false;
}

struct task_once *once_begin(struct task_run *run, struct task_once **all)
{
    const struct api_task *task = run->task;
    struct task_once *once = calloc(1, sizeof(*once));
    if (!once || !read_fingerprint(task, once->record.fingerprint)) {
        free(once);
        task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory");
        return NULL;
    }
    once->claim_bytes = write_key(task, CLAIM, 0, once->claim);
    once->scope_hash = key_hash_shard(once->claim, once->claim_bytes);
    if (is_under_way(*all, once)) {
        free(once);
        task_count(run, COUNTER_IDEMPOTENCY_IN_USE);
        task_fail(run, HTTP_PROBLEM_IDEMPOTENCY_KEY_IN_USE,
                  "the first request with this Idempotency-Key is not done yet");
        return NULL;
    }
    if (is_one_write(task))
        write_effect_key(task, once);
    once->next = *all;
    *all = once;
    return once;
}

void once_end(struct task_once *once, struct task_once **all)
{
    while (*all != once)
        all = &(*all)->next;
    *all = once->next;
    free(once);
}

bool once_is_asked(const struct task_once *once)
{
    return once->stage != ONCE_AT_WORK;
}

/* ---- operations ---- */

static enum task_progress ask(struct task_run *run, enum shard_verb verb, const uint8_t *key,
                              uint32_t key_bytes)
{
    struct shard_operation *operation = task_operation(run, verb, key, key_bytes);
    if (operation)
        task_send(run, operation);
    return TASK_GOES_ON;
}

/* The record's time begins now; no cache is to hold it. */
static void fill_record(const struct task_run *run, struct shard_operation *operation)
{
    const struct task_once *once = run->once;
    operation->expires_at_ms = run->task->wall_ms + run->server->idempotency.ttl_s * 1000;
    if (operation->write_policy == SHARD_WRITE_THROUGH)
        operation->write_policy = SHARD_WRITE_AROUND;
    operation->attributes_bytes = sizeof(once->record);
    memcpy(operation_attributes(operation), &once->record, sizeof(once->record));
}

static enum task_progress write_claim(struct task_run *run)
{
    struct task_once *once = run->once;
    struct shard_operation *operation =
        task_operation(run, SHARD_PUT, once->claim, once->claim_bytes);
    if (!operation)
        return TASK_GOES_ON;
    struct api_task *task = run->task;
    if (once->stage == ONCE_WRITE_ANSWER && task->answer) {
        blob_hold(task->answer);
        operation->value = task->answer;
        operation->value_bytes = task->answer->length_bytes;
    }
    if (once->stage == ONCE_WRITE_ANSWER) /* what took all of its time is kept as well */
        operation->deadline_ns =
            task->deadline_ns + run->server->store.request_timeout_ms * NS_PER_MS;
    fill_record(run, operation);
    task_send(run, operation);
    return TASK_GOES_ON;
}

bool task_add_companion(struct task_run *run, struct shard_operation *write, uint16_t status)
{
    struct task_once *once = run->once;
    if (!once || once->effect_bytes == 0)
        return true;
    struct shard_operation *companion =
        task_operation(run, SHARD_PUT, once->effect, once->effect_bytes);
    if (!companion)
        return false;
    once->record.status = status;
    once->record.fields_bytes = (uint16_t)run->fields.used_bytes;
    once->record.body_bytes = status == 204 ? 0 : (uint32_t)run->body.used_bytes;
    ASSERT(once->record.fields_bytes + once->record.body_bytes <= ONCE_ANSWER_BYTES_MAX);
    companion->shard_hash = key_hash_shard(once->effect, once->effect_bytes);
    fill_record(run, companion);
    uint8_t *at = operation_attributes(companion) + companion->attributes_bytes;
    if (once->record.fields_bytes > 0)
        memcpy(at, run->fields.bytes, once->record.fields_bytes);
    if (once->record.body_bytes > 0)
        memcpy(at + once->record.fields_bytes, run->body.bytes, once->record.body_bytes);
    companion->attributes_bytes = (uint16_t)(companion->attributes_bytes +
                                             once->record.fields_bytes + once->record.body_bytes);
    write->companion = companion;
    return true;
}

enum task_progress once_go_on(struct task_run *run)
{
    const struct task_once *once = run->once;
    if (run->operations_under_way > 0)
        return TASK_GOES_ON;
    switch ((enum once_stage)once->stage) {
    case ONCE_ASK_CLAIM:
        return ask(run, SHARD_STAT, once->claim, once->claim_bytes);
    case ONCE_ASK_EFFECT:
        return ask(run, SHARD_STAT, once->effect, once->effect_bytes);
    case ONCE_READ_ANSWER:
        return ask(run, SHARD_GET, once->claim, once->claim_bytes);
    case ONCE_WRITE_CLAIM:
    case ONCE_WRITE_ANSWER:
        return write_claim(run);
    case ONCE_AT_WORK:
        break;
    }
    UNREACHABLE();
}

/* ---- answers ---- */

static enum task_progress begin_work(struct task_run *run)
{
    struct task_once *once = run->once;
    once->stage = ONCE_AT_WORK;
    if (once->has_begun)
        return TASK_GOES_ON;
    once->has_begun = true;
    return run->kind->start(run);
}

static enum task_progress fail_reused(struct task_run *run)
{
    task_count(run, COUNTER_IDEMPOTENCY_REUSED);
    return task_fail(run, HTTP_PROBLEM_IDEMPOTENCY_KEY_REUSED,
                     "this Idempotency-Key stands for another request");
}

/* `version`: what its ETag was; 0: it had none. */
static enum task_progress repeat_answer(struct task_run *run, const struct once_record *record,
                                        uint64_t version, const char *bytes)
{
    text_buffer_clear(&run->fields);
    text_buffer_clear(&run->body);
    if (version > 0)
        text_format(&run->fields, "ETag: \"%" PRIu64 "\"\r\n", version);
    text_add(&run->fields, bytes, record->fields_bytes);
    text_format(&run->fields, "Idempotent-Replayed: true\r\n");
    text_add(&run->body, bytes + record->fields_bytes, record->body_bytes);
    task_count(run, COUNTER_IDEMPOTENCY_REPLAYED);
    return task_finish(run, record->status);
}

static enum task_progress take_claim(struct task_run *run, struct shard_operation *operation)
{
    struct task_once *once = run->once;
    struct once_record record;
    if (operation->status == SHARD_NOT_FOUND) {
        if (!is_one_write(run->task))
            return begin_work(run);
        once->stage = ONCE_WRITE_CLAIM;
        return TASK_GOES_ON;
    }
    if (operation->status != SHARD_OK)
        return task_fail_as(run, operation);
    if (!is_same_request(once, operation, &record))
        return fail_reused(run);
    once->stage = is_one_write(run->task) ? ONCE_ASK_EFFECT : ONCE_READ_ANSWER;
    return TASK_GOES_ON;
}

static enum task_progress take_effect(struct task_run *run, struct shard_operation *operation)
{
    struct once_record record;
    if (operation->status == SHARD_NOT_FOUND)
        return begin_work(run); /* it was claimed, and never done */
    if (operation->status != SHARD_OK)
        return task_fail_as(run, operation);
    if (!is_same_request(run->once, operation, &record))
        return fail_reused(run);
    const uint8_t *answer = operation_attributes(operation) + sizeof(record);
    if (sizeof(record) + record.fields_bytes + record.body_bytes > operation->attributes_bytes)
        return task_fail(run, HTTP_PROBLEM_CORRUPT, "the remembered answer is cut off");
    return repeat_answer(run, &record, operation->version - 1, (const char *)answer);
}

static enum task_progress take_answer(struct task_run *run, struct shard_operation *operation)
{
    struct once_record record;
    if (operation->status == SHARD_NOT_FOUND)
        return begin_work(run); /* its time ended between two questions */
    if (operation->status != SHARD_OK)
        return task_fail_as(run, operation);
    if (!is_same_request(run->once, operation, &record))
        return fail_reused(run);
    char *bytes = task_value_copy(operation);
    enum task_progress said;
    if (!bytes)
        said = task_fail(run, HTTP_PROBLEM_OVERLOADED, "no memory");
    else if ((uint64_t)record.fields_bytes + record.body_bytes > operation->value_bytes)
        said = task_fail(run, HTTP_PROBLEM_CORRUPT, "the remembered answer is cut off");
    else
        said = repeat_answer(run, &record, 0, bytes);
    free(bytes);
    return said;
}

static bool is_written(const struct shard_operation *operation)
{
    return operation->status == SHARD_OK || operation->status == SHARD_CREATED;
}

enum task_progress once_take(struct task_run *run, struct shard_operation *operation)
{
    switch ((enum once_stage)run->once->stage) {
    case ONCE_ASK_CLAIM:
        return take_claim(run, operation);
    case ONCE_WRITE_CLAIM:
        return is_written(operation) ? begin_work(run) : task_fail_as(run, operation);
    case ONCE_ASK_EFFECT:
        return take_effect(run, operation);
    case ONCE_READ_ANSWER:
        return take_answer(run, operation);
    case ONCE_WRITE_ANSWER:
        if (!is_written(operation))
            task_count(run,
                       COUNTER_IDEMPOTENCY_FORGOTTEN); /* it is done, whatever is known of it */
        return TASK_DONE;
    case ONCE_AT_WORK:
        break;
    }
    UNREACHABLE();
}

enum task_progress once_finish(struct task_run *run)
{
    struct task_once *once = run->once;
    const struct api_task *task = run->task;
    if (once->stage != ONCE_AT_WORK || is_one_write(task) || task->problem != HTTP_PROBLEM_NONE)
        return TASK_DONE;
    ASSERT(run->operations_under_way == 0); /* a kind that succeeds waits for all of them */
    once->stage = ONCE_WRITE_ANSWER;
    once->record.status = task->status;
    once->record.fields_bytes = (uint16_t)task->answer_fields_bytes;
    once->record.body_bytes = task->answer_body_bytes;
    return TASK_GOES_ON;
}

void once_was_done(struct task_run *run)
{
    run->once->stage = ONCE_ASK_EFFECT;
}
