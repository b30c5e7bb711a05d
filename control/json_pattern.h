/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json_pattern.h - regular expressions of JSON Schemas, matched against what strangers send.
 *
 * Purpose:   "pattern" and "patternProperties". What is written is the part of ECMA-262 that PCRE2
 *            reads alike; what PCRE2 alone knows, or reads otherwise, is refused.
 * Ownership: the caller's; a pattern is freed by whoever compiled it.
 * Threading: a pattern is read-only once compiled: any thread may match with it.
 * Units:     steps: one item of the pattern tried, once for each 64 bytes of the text.
 * Errors:    compile says why not. A match that takes more steps than are left ends: none is left.
 * Source:    ECMA-262 section 22.2.1 (with the u flag), JSON Schema 2020-12 core 6.4, pcre2api(3).
 */
#ifndef GANNET_JSON_PATTERN_H
#define GANNET_JSON_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_pattern;

/* NULL after a sentence in `problem`. */
struct json_pattern *json_pattern_compile(const char *pattern, size_t pattern_bytes, char *problem,
                                          size_t problem_bytes);
void json_pattern_destroy(struct json_pattern *pattern);

/* Anywhere in the text, which is UTF-8. Takes from the steps; at 0 the answer is not known. */
bool json_pattern_matches(const struct json_pattern *pattern, const char *text, size_t bytes,
                          uint64_t *steps);

#endif
