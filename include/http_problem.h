/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_problem.h - every kind of error answer: its status, type and title.
 *
 * Purpose:   workers and task threads name an error; the words are written in one place.
 * Ownership: constants.
 * Threading: any.
 * Units:     none.
 * Errors:    none.
 * Source:    RFC 9457; include/http_problems.def.
 */
#ifndef GANNET_HTTP_PROBLEM_H
#define GANNET_HTTP_PROBLEM_H

#include <stdint.h>

enum http_problem {
    HTTP_PROBLEM_NONE = 0,
#define HTTP_PROBLEM(name, status, type, title) HTTP_PROBLEM_##name,
#include "include/http_problems.def"
#undef HTTP_PROBLEM
    HTTP_PROBLEM_COUNT,
};

/* A type is what http_problem_prefix gives, and http_problem_types[]. */
#define HTTP_PROBLEM_URN "urn:gannet:problem:"
#define HTTP_PROBLEM_IANA "https://iana.org/assignments/http-problem-types#"

extern const uint16_t http_problem_status[HTTP_PROBLEM_COUNT];
extern const char *const http_problem_types[HTTP_PROBLEM_COUNT];
extern const char *const http_problem_titles[HTTP_PROBLEM_COUNT];

/* The registry's for a type that a standard names, else our own. */
static inline const char *http_problem_prefix(enum http_problem problem)
{
    return problem == HTTP_PROBLEM_QUOTA_EXCEEDED ? HTTP_PROBLEM_IANA : HTTP_PROBLEM_URN;
}

/* What a failed or refused operation is to a client; HTTP_PROBLEM_NONE for one that was done. */
enum http_problem http_problem_of_shard(uint8_t shard_status);

#endif
