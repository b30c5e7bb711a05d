/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_target.h - what every libFuzzer target of this folder shares.
 *
 * Purpose:   the entry point's prototype, and a copy of the input of exactly its size.
 * Ownership: fuzz_copy's result belongs to the caller, who frees it.
 * Threading: none.
 * Units:     bytes.
 * Errors:    an ASSERT that fails is a finding.
 * Source:    https://llvm.org/docs/LibFuzzer.html
 */
#ifndef GANNET_FUZZ_TARGET_H
#define GANNET_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly `size` bytes on the heap, so that ASan sees an over-read of one byte. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size != 0 ? size : 1);
    ASSERT(exact != NULL);
    if (size != 0)
        memcpy(exact, data, size);
    return exact;
}

#endif
