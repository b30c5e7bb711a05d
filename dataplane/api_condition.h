/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * api_condition.h - the preconditions of a request against what a value is now.
 *
 * Purpose:   If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since in the one order in
 *            which they count.
 * Ownership: none.
 * Threading: none.
 * Units:     versions, 0: there is no value; _ms wall. Dates are compared in seconds.
 * Errors:    none: the fields were read before.
 * Source:    RFC 9110 section 13.2.2.
 */
#ifndef GANNET_API_CONDITION_H
#define GANNET_API_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "include/shard_operation.h"

struct api_request;

enum condition_verdict {
    CONDITION_PASSED = 0,
    CONDITION_NOT_MODIFIED, /* 304, of a read */
    CONDITION_FAILED,       /* 412 */
};

/* A read of what is not there is not asked: without its conditions it would be 404 (13.2.1). */
enum condition_verdict condition_evaluate(const struct api_request *request, uint64_t version,
                                          uint64_t modified_at_ms);

/*
 * A write's conditions are evaluated by the store, which knows the newest pending version, when an
 * operation can carry them: one list of a few tags. False: look first, evaluate here, then write on
 * condition of what was seen (condition_expect).
 */
bool condition_fits_operation(const struct api_request *request);
void condition_for_shard(const struct api_request *request, uint8_t *condition, uint8_t *count,
                         uint64_t versions[SHARD_CONDITION_VERSIONS_MAX]);
void condition_expect(uint64_t version, uint8_t *condition, uint8_t *count,
                      uint64_t versions[SHARD_CONDITION_VERSIONS_MAX]);

#endif
