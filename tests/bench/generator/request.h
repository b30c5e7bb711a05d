/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request.h - the requests of a plan as ready-made bytes, and the values that they carry.
 *
 * Purpose:   one template per method; only the key's digits change. A value is made from its key,
 *            so that an answer can be judged without a copy of what was written.
 * Ownership: request_set_create takes memory, request_set_destroy gives it back.
 * Threading: one set per core: a template remembers which key it holds.
 * Units:     bytes.
 * Errors:    -ENOMEM; -EINVAL when a head is longer than REQUEST_HEAD_BYTES_MAX.
 * Source:    RFC 9112 section 3.
 */
#ifndef GANNET_BENCH_REQUEST_H
#define GANNET_BENCH_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/generator/plan.h"

#define REQUEST_HEAD_BYTES_MAX 8192u
#define REQUEST_KEY_NONE UINT32_MAX

enum request_kind { REQUEST_GET = 0, REQUEST_PUT, REQUEST_DELETE, REQUEST_KIND_COUNT };

struct request_template {
    uint8_t *head;
    uint32_t head_bytes;
    uint32_t key_offset; /* of its digits; REQUEST_KEY_NONE: the path has no key */
    uint32_t key_bytes;
    uint32_t body_bytes; /* the value of a PUT */
    uint32_t key;        /* that `head` holds */
};

struct request_set {
    struct request_template templates[REQUEST_KIND_COUNT];
};

int request_set_create(struct request_set *set, const struct plan *plan);
void request_set_destroy(struct request_set *set);

/* Puts `key` into the template's head. */
void request_set_key(struct request_template *request, uint32_t key);

static inline uint32_t request_bytes(const struct request_template *request)
{
    return request->head_bytes + request->body_bytes;
}

/* `length` bytes of the request with `key`, from `offset` on. */
void request_write(struct request_template *request, uint32_t key, uint32_t offset, uint8_t *out,
                   uint32_t length);

/* The value of `key`, from `offset` on. */
void request_value_write(uint32_t key, uint64_t offset, uint8_t *out, uint32_t length);
bool request_value_is(uint32_t key, uint64_t offset, const uint8_t *bytes, uint32_t length);

#endif
