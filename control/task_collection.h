/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * task_collection.h - what the tasks on many keys share: names and attributes in JSON, key lists.
 *
 * Purpose:   one way to write a key, its attributes and a failure, and one to read a list of keys.
 * Ownership: a key set owns its bytes.
 * Threading: one task thread.
 * Units:     bytes; _ms wall.
 * Errors:    reading returns TASK_DONE after task_fail.
 * Source:    README.md, "Many keys at once".
 *
 * Keys are any bytes. A request chooses with ?names= how it and its answer spell them: "plain" (as
 * it is unless said otherwise) is a JSON string, and a listed key that is not UTF-8 is marked
 * "encoding":"percent"; with "percent" all keys are percent-encoded, in both directions.
 */
#ifndef GANNET_TASK_COLLECTION_H
#define GANNET_TASK_COLLECTION_H

#include <jansson.h>

#include "control/task_run.h"

struct collection_key {
    uint8_t *bytes; /* "namespace\0key" */
    uint32_t key_bytes;
    uint32_t name_bytes; /* without the namespace, at the end of bytes */
    uint32_t number;     /* its place in the request */
};

struct key_set {
    struct collection_key *keys; /* in key order, each once */
    uint32_t count;
};

static inline const uint8_t *collection_name(const struct collection_key *key)
{
    return key->bytes + (key->key_bytes - key->name_bytes);
}

/* ?names=: false for plain. TASK_DONE: it is neither. */
enum task_progress collection_names(struct task_run *run, bool *is_percent);

/* The body as a JSON object or array; NULL after task_fail. */
json_t *collection_body(struct task_run *run);

/*
 * That it has no members but `known`, such as "keys, soft": what is misspelt would do otherwise
 * than meant. TASK_DONE after task_fail.
 */
enum task_progress collection_check_members(struct task_run *run, const json_t *body,
                                            const char *known);

/*
 * One key from JSON, appended to a set with room for it. False: `reason` says why it is no key.
 */
bool collection_key_read(const struct task_run *run, const json_t *name, bool is_percent,
                         struct key_set *set, const char **reason);
/* All of an array of keys, sorted, each once. */
enum task_progress collection_keys_read(struct task_run *run, const json_t *names, bool is_percent,
                                        struct key_set *set);
/* How many keys a request may name: TASK_DONE after task_fail when `count` are too many or none. */
enum task_progress collection_check_count(struct task_run *run, size_t count);
/* Sorts; with `drops_equal` each key stays once, else the first that is there twice, or NULL. */
const struct collection_key *key_set_sort(struct key_set *set, bool drops_equal);
void key_set_free(struct key_set *set);

/* A key as a JSON string. */
void collection_add_name(struct text_buffer *text, const uint8_t *name, uint32_t name_bytes,
                         bool is_percent);
/* "content_type":"...","metadata":{...} out of field lines, each with a comma before it. */
void collection_add_content_type(struct text_buffer *text, const uint8_t *attributes,
                                 uint32_t attributes_bytes);
void collection_add_metadata(struct text_buffer *text, const uint8_t *attributes,
                             uint32_t attributes_bytes);
/* "status":503,"type":"urn:...","title":"..." */
void collection_add_problem(struct text_buffer *text, enum http_problem problem);

#endif
