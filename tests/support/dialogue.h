/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dialogue.h - requests as text, answers as text, to a whole server in virtual time.
 *
 * Purpose:   unit tests of the interface say what a client says and compare what it hears.
 * Ownership: one dialogue at a time; a returned text lives until the next call.
 * Threading: one thread.
 * Units:     bytes, virtual _ms.
 * Errors:    cmocka's: the test fails with both texts.
 * Source:    tests/support/server_world.h.
 */
#ifndef GANNET_DIALOGUE_H
#define GANNET_DIALOGUE_H

#include <stdint.h>

#include "tests/support/server_world.h"

struct dialogue {
    struct server_world world;
    struct world_client client;
};

void dialogue_start(struct dialogue *dialogue, const struct world_config *config);
/* Fails the test when the server still holds anything. */
void dialogue_stop(struct dialogue *dialogue);

/*
 * Of a test program: its dialogue, and fixtures for cmocka. `change` adapts what
 * server_world_defaults says; NULL: nothing.
 */
extern struct dialogue talk;
void talk_start_with(void (*change)(struct world_config *config));
int talk_start(void **state);
int talk_stop(void **state);
const char *talk_ask(const char *method_and_target, const char *fields, const char *body);

/* What came since the last call. */
const char *dialogue_hear(struct dialogue *dialogue);
/* Sends it, on a new connection if the server closed the last one, and returns what came. */
const char *dialogue_ask(struct dialogue *dialogue, const char *request);
/*
 * "METHOD TARGET", more field lines ("" or "Name: value\r\n"), a body: the whole request is made of
 * them.
 */
const char *dialogue_request(struct dialogue *dialogue, const char *method_and_target,
                             const char *fields, const char *body);

/* The answer begins with "HTTP/1.1 " and `status`, and has all of `texts` (up to NULL). */
void dialogue_expect(const char *answer, const char *status, const char *const *texts);
#define EXPECT(answer, status, ...)                                                                \
    dialogue_expect(answer, status, (const char *const[]){__VA_ARGS__, NULL})

/* The answer's body. */
const char *dialogue_body(const char *answer);

#endif
