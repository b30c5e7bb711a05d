/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * admin_request.h - from the bytes of an admin request to the bytes of its answer; no I/O.
 *
 * Purpose:   the part of the admin socket that reads what strangers send.
 * Ownership: the answer belongs to the caller.
 * Threading: one thread.
 * Units:     bytes.
 * Errors:    every request has an answer; a wrong one gets a 4xx.
 * Source:    RFC 9112 sections 2 and 3.
 */
#ifndef GANNET_ADMIN_REQUEST_H
#define GANNET_ADMIN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct admin_hooks;
struct text_buffer;

/* Whether the head is complete: an empty line was seen. */
bool admin_head_is_complete(const char *bytes, size_t count);

/* `bytes` is a complete head, perhaps with more behind it. */
void admin_answer(const struct admin_hooks *hooks, const char *bytes, size_t count,
                  struct text_buffer *answer);

/* An answer without looking at the request: a head that is too long is 431. */
void admin_answer_status(uint32_t status, struct text_buffer *answer);

#endif
