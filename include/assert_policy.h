/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * assert_policy.h - assertions for our own bugs, never for bytes from network, disk or config.
 *
 * Purpose:   ASSERT stays on in release; ASSERT_HOT only in tests, fuzzing and -Dhot_asserts=true.
 * Ownership: none.
 * Threading: any; a failed assertion ends the process with a line that names file and line.
 * Units:     none.
 * Errors:    abort(), so that a core file and the service manager see it.
 * Source:    the split into always-on and hot assertions follows HAProxy's BUG_ON and BUG_ON_HOT.
 */
#ifndef GANNET_ASSERT_POLICY_H
#define GANNET_ASSERT_POLICY_H

#include <stdio.h>
#include <stdlib.h>

#include "include/compiler.h"

__attribute__((noreturn, cold, noinline)) UNUSED static void
assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

#define ASSERT(condition)                                                                          \
    (LIKELY(condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))

#ifdef GANNET_HOT_ASSERTS
#define ASSERT_HOT(condition) ASSERT(condition)
#else
#define ASSERT_HOT(condition) ((void)sizeof(condition))
#endif

#define UNREACHABLE() assert_failed("unreachable", __FILE__, __LINE__)

#endif
