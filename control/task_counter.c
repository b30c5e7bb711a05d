/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * POST values/{key}?op=incr[&by=N][&ttl=S]: an atomic counter, by compare-and-set on a decimal
 * value. A counter that is not there starts at 0. What a value has beside its number (type,
 * Meta-*, expiry) stays as it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/task_document.h"

#define REPEATS_MAX 64u
#define NUMBER_BYTES_MAX 20u /* "-9223372036854775808" */

static const char new_attributes[] = "Content-Type: text/plain\r\n";

struct counter {
    int64_t by;
    int64_t sum;
    uint32_t repeats;
    bool is_read;
    uint64_t version; /* of what was read; 0: nothing is there */
    uint64_t expires_at_ms;
    uint16_t attributes_bytes;
    uint8_t attributes[ATTRIBUTES_BYTES_MAX];
};

/* An optional sign and 1 to 19 digits, nothing else, within 64 bits. */
static bool parse_number(const char *text, size_t bytes, int64_t *number)
{
    char digits[NUMBER_BYTES_MAX + 1];
    char *end;
    size_t sign_bytes = bytes > 0 && *text == '-';
    if (bytes == sign_bytes || bytes > NUMBER_BYTES_MAX)
        return false;
    memcpy(digits, text, bytes); /* no zero byte ends the text */
    digits[bytes] = '\0';
    if (strspn(digits + sign_bytes, "0123456789") != bytes - sign_bytes)
        return false;
    errno = 0;
    *number = strtoll(digits, &end, 10);
    return errno == 0;
}

static enum task_progress start(struct task_run *run)
{
    struct counter *counter = run->state;
    struct http_slice by;
    char text[NUMBER_BYTES_MAX + 1];
    counter->by = 1;
    if (!task_parameter(run, "by", &by))
        return TASK_GOES_ON;
    bool fits = by.bytes <= NUMBER_BYTES_MAX;
    if (fits) {
        memcpy(text, by.at, by.bytes);
        text[by.bytes] = '\0';
    }
    if (!fits || !parse_number(text, by.bytes, &counter->by))
        return task_fail(run, HTTP_PROBLEM_BAD_PARAMETER,
                         "by: allowed is a whole number from %" PRId64 " to %" PRId64, INT64_MIN,
                         INT64_MAX);
    return TASK_GOES_ON;
}

static enum task_progress write_sum(struct task_run *run)
{
    const struct counter *counter = run->state;
    const struct api_task *task = run->task;
    struct shard_operation *operation =
        task_operation(run, SHARD_PUT, api_task_key(task), task->key_bytes);
    if (!operation)
        return TASK_GOES_ON;
    operation->condition = counter->version ? SHARD_IF_VERSION_IN : SHARD_IF_ABSENT;
    operation->version_count = counter->version ? 1 : 0;
    operation->versions[0] = counter->version;
    operation->expires_at_ms = counter->version ? counter->expires_at_ms : run->task->expires_at_ms;
    text_buffer_clear(&run->fields);
    text_buffer_clear(&run->body);
    text_format(&run->fields, "Content-Type: text/plain\r\n");
    text_format(&run->body, "%" PRId64, counter->sum);
    /* A number always fits into an operation: no memory is needed. */
    task_operation_set_value(run, operation, counter->attributes, counter->attributes_bytes,
                             run->body.bytes, (uint32_t)run->body.used_bytes);
    if (task_add_companion(run, operation, 200))
        task_send(run, operation);
    else
        task_drop(run, operation);
    return TASK_GOES_ON;
}

static enum task_progress go_on(struct task_run *run)
{
    const struct counter *counter = run->state;
    if (run->operations_under_way > 0)
        return TASK_GOES_ON;
    if (counter->is_read)
        return write_sum(run);
    struct shard_operation *operation =
        task_operation(run, SHARD_GET, api_task_key(run->task), run->task->key_bytes);
    if (operation)
        task_send(run, operation);
    return TASK_GOES_ON;
}

static enum task_progress add_to(struct task_run *run, int64_t number)
{
    struct counter *counter = run->state;
    if (!task_condition_holds(run->task, counter->version)) {
        run->task->current_version = counter->version;
        return task_fail(run, HTTP_PROBLEM_PRECONDITION_FAILED, "the condition does not hold");
    }
    if (__builtin_add_overflow(number, counter->by, &counter->sum))
        return task_fail(run, HTTP_PROBLEM_NOT_A_NUMBER,
                         "%" PRId64 " and %" PRId64 " do not add up to 64 bits", number,
                         counter->by);
    json_t *sum = run->schema ? json_integer(counter->sum) : NULL;
    enum task_progress said = task_document_check(run, sum);
    json_decref(sum);
    counter->is_read = true;
    return said;
}

static enum task_progress take_read(struct task_run *run, struct shard_operation *operation)
{
    struct counter *counter = run->state;
    int64_t number;
    if (operation->status == SHARD_NOT_FOUND) {
        counter->version = 0;
        counter->attributes_bytes = sizeof(new_attributes) - 1;
        memcpy(counter->attributes, new_attributes, sizeof(new_attributes) - 1);
        return add_to(run, 0);
    }
    if (operation->status != SHARD_OK)
        return task_fail_as(run, operation);
    if (operation->value || !parse_number((const char *)operation_inline_value(operation),
                                          operation->value_bytes, &number))
        return task_fail(run, HTTP_PROBLEM_NOT_A_NUMBER,
                         "a counter is an optional - and 1 to 19 digits");
    counter->version = operation->version;
    counter->expires_at_ms = operation->expires_at_ms;
    counter->attributes_bytes = operation->attributes_bytes;
    memcpy(counter->attributes, operation_attributes(operation), operation->attributes_bytes);
    return add_to(run, number);
}

static enum task_progress take_written(struct task_run *run,
                                       const struct shard_operation *operation)
{
    struct counter *counter = run->state;
    if (operation->status == SHARD_OK || operation->status == SHARD_CREATED) {
        text_format(&run->fields, "ETag: \"%" PRIu64 "\"\r\n", operation->version);
        return task_finish(run, 200);
    }
    if (operation->status != SHARD_CONDITION_FAILED)
        return task_fail_as(run, operation);
    if (++counter->repeats == REPEATS_MAX)
        return task_fail(run, HTTP_PROBLEM_CONTENTION, "gave up after %u attempts", REPEATS_MAX);
    task_count_repeat(run);
    counter->is_read = false;
    return TASK_GOES_ON;
}

static enum task_progress take(struct task_run *run, struct shard_operation *operation)
{
    return operation->verb == SHARD_GET ? take_read(run, operation) : take_written(run, operation);
}

const struct task_kind task_counter = {sizeof(struct counter), start, go_on, take, NULL};
