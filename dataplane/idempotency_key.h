/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * idempotency_key.h - the field by which a client says that two requests are one.
 *
 * Purpose:   the string in it, or that there is none, or that it is not one.
 * Ownership: the caller's bytes.
 * Threading: none.
 * Units:     bytes.
 * Errors:    a verdict.
 * Source:    draft-ietf-httpapi-idempotency-key-header section 2; RFC 9651 section 3.3.3 (String).
 */
#ifndef GANNET_IDEMPOTENCY_KEY_H
#define GANNET_IDEMPOTENCY_KEY_H

#include <stdint.h>

#include "dataplane/http_parser.h"
#include "include/api_task.h"

enum idempotency_verdict {
    IDEMPOTENCY_KEY_FOUND = 0,
    IDEMPOTENCY_KEY_NONE,
    IDEMPOTENCY_KEY_MALFORMED, /* two of them as well, and one without characters or too long */
};

/* Between its quotes, escapes undone: 1 to IDEMPOTENCY_KEY_BYTES_MAX visible characters or spaces.
 */
enum idempotency_verdict idempotency_key_read(const struct http_request *http,
                                              uint8_t key[IDEMPOTENCY_KEY_BYTES_MAX],
                                              uint32_t *key_bytes);

#endif
