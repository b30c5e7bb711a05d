/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture_filter.h - the words that say which frames to capture.
 *
 * Purpose:   "all", or "client=192.0.2.0/24,port=8080,protocol=tcp,direction=in,snap=128": every
 *            word narrows, each at most once.
 * Ownership: none.
 * Threading: any.
 * Units:     bytes.
 * Errors:    false, and one line that says what is allowed.
 * Source:    none.
 */
#ifndef GANNET_CAPTURE_FILTER_H
#define GANNET_CAPTURE_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "include/capture_ring.h"

#define CAPTURE_SNAP_BYTES_MAX 65535u
#define CAPTURE_FILTER_TEXT_MAX 127u

/* until_ns is the caller's. */
bool capture_filter_parse(const char *text, struct capture_filter *filter, char *error,
                          size_t error_bytes);

#endif
