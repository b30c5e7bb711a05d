/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * api_task.h - a request that no worker should serve itself, on its way to a task thread and back.
 *
 * Purpose:   whatever parses JSON, walks many keys or repeats a compare-and-set is done by a thread
 *            that may sleep and allocate; the worker keeps the connection and sends the answer.
 * Ownership: a fixed number exists per worker, made at start. The worker owns a task until it sends
 *            it, the task thread until it sends it back. The body travels with the task; the answer
 *            comes with a reference for the worker.
 * Threading: one owner at a time; rings pass it with release/acquire.
 * Units:     bytes; _ns monotone, _ms wall.
 * Errors:    `problem`, with a sentence in `detail`.
 * Source:    ARCHITECTURE.md, "Tasks".
 */
#ifndef GANNET_API_TASK_H
#define GANNET_API_TASK_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "include/blob.h"
#include "include/shard_operation.h"

#define TASK_QUERY_BYTES_MAX 4096u
#define TASK_DETAIL_BYTES 256u
#define IDEMPOTENCY_KEY_BYTES_MAX 255u
#define CLIENT_NAME_BYTES_MAX 64u
#define JOB_NAME_BYTES 32u /* hexadecimal: two digits of the task thread, the rest is random */
#define TASK_SCOPE_BYTES_MAX (IDEMPOTENCY_KEY_BYTES_MAX + 1u + CLIENT_NAME_BYTES_MAX)

enum api_task_kind {
    API_TASK_NONE = 0,
    API_TASK_COUNTER,     /* POST /v1/ns/{namespace}/values/{key}?op=incr */
    API_TASK_FIELDS,      /* GET the same path ?fields=a,b.c */
    API_TASK_PATCH,       /* PATCH the same path, a merge patch */
    API_TASK_LIST,        /* GET /v1/ns/{namespace}/keys */
    API_TASK_BULK_GET,    /* POST /v1/ns/{namespace}/bulk/get */
    API_TASK_BULK_PUT,    /* PUT /v1/ns/{namespace}/bulk */
    API_TASK_BULK_DELETE, /* POST /v1/ns/{namespace}/bulk/delete */
    API_TASK_PURGE,       /* POST /v1/ns/{namespace}/purge */
    API_TASK_CHECK,       /* PUT of a value that must fit a schema; the worker stores it */
    API_TASK_JOB,         /* GET /v1/jobs/{job}, which is the key */
    API_TASK_JOB_CANCEL,  /* DELETE the same path */
    API_TASK_JOB_RESULT,  /* GET /v1/jobs/{job}/result */
    API_TASK_KIND_COUNT,
};

struct api_task {
    alignas(CACHE_LINE_BYTES) uint64_t connection; /* opaque to all but the origin worker */
    uint64_t deadline_ns;
    uint64_t wall_ms;       /* the worker's time when it was sent */
    uint64_t expires_at_ms; /* of what it writes; 0: never, or as it is; then of what it read */
    uint8_t kind;           /* enum api_task_kind */
    uint8_t origin_worker;
    uint8_t thread;    /* which task thread has it */
    uint8_t condition; /* enum shard_condition, for what it writes */
    uint8_t version_count;
    bool is_head;         /* the answer is wanted without its body */
    bool is_job;          /* answered 202 at once; what it does goes on */
    bool prefers_job;     /* ... because the client asked for that */
    uint8_t sync;         /* enum shard_sync, of what it writes */
    uint8_t write_policy; /* enum shard_write_policy */
    uint16_t key_bytes;   /* "namespace\0key"; of a collection "namespace\0" */
    uint16_t attributes_bytes;
    uint16_t query_bytes;
    uint16_t scope_bytes; /* "idempotency key\0client", both may be ""; 0: neither matters */
    uint16_t namespace_index;
    uint64_t versions[SHARD_CONDITION_VERSIONS_MAX];
    uint64_t value_max;           /* of the namespace, as all settings of it */
    uint64_t ttl_s;               /* of what does not say; 0: for ever */
    struct blob *body;            /* of the request; NULL: none */
    uint64_t body_reserved_bytes; /* the worker's, of its memory for bodies */

    /* set by the task thread */
    /* Field lines, then the body. Of a problem: more members of its document, each with a comma
     * before it, and the document's end. NULL: neither. */
    struct blob *answer;
    uint32_t answer_fields_bytes;   /* "Name: value\r\n" ... */
    uint32_t answer_body_bytes;     /* also when the body itself is left out (is_head) */
    uint16_t status;                /* when problem is HTTP_PROBLEM_NONE */
    uint8_t problem;                /* enum http_problem */
    uint64_t current_version;       /* of what was read, or of a failed precondition; 0: absent */
    uint64_t modified_at_ms;        /* of what was read */
    char detail[TASK_DETAIL_BYTES]; /* a sentence for the problem document; "" is none */

    struct api_task *next;
    uint8_t
        bytes[KEY_BYTES_MAX + ATTRIBUTES_BYTES_MAX + TASK_QUERY_BYTES_MAX + TASK_SCOPE_BYTES_MAX];
};

static inline const uint8_t *api_task_key(const struct api_task *task)
{
    return task->bytes;
}

/* Of the namespace in front of the key, with its zero byte. */
static inline uint32_t api_task_space_bytes(const struct api_task *task)
{
    return (uint32_t)strnlen((const char *)task->bytes, task->key_bytes) + 1;
}

static inline const uint8_t *api_task_attributes(const struct api_task *task)
{
    return task->bytes + task->key_bytes;
}

static inline const uint8_t *api_task_query(const struct api_task *task)
{
    return task->bytes + task->key_bytes + task->attributes_bytes;
}

static inline const uint8_t *api_task_scope(const struct api_task *task)
{
    return task->bytes + task->key_bytes + task->attributes_bytes + task->query_bytes;
}

static inline bool api_task_has_idempotency_key(const struct api_task *task)
{
    return task->scope_bytes > 0 && *api_task_scope(task) != 0;
}

static inline uint32_t api_task_body_bytes(const struct api_task *task)
{
    return task->body ? task->body->length_bytes : 0;
}

/* Whether a request of this kind has a body that must be read first. */
static inline bool api_task_takes_body(uint8_t kind)
{
    return kind == API_TASK_PATCH || (kind >= API_TASK_BULK_GET && kind <= API_TASK_CHECK);
}

/* Whether its answer may come later: all that a task thread answers by itself. */
static inline bool api_task_may_be_job(uint8_t kind)
{
    return kind == API_TASK_COUNTER || (kind >= API_TASK_PATCH && kind <= API_TASK_PURGE);
}

#endif
