/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_inspect.h - what lies in a data directory, for people and for programs.
 *
 * Purpose:   `gannet store inspect`.
 * Ownership: none; the directory is only read.
 * Threading: one thread; memory for one segment.
 * Units:     bytes; _ms wall.
 * Errors:    enum store_tool_status, with a report in `text`.
 * Source:    ARCHITECTURE.md, "On disk".
 */
#ifndef GANNET_STORE_INSPECT_H
#define GANNET_STORE_INSPECT_H

#include <stdbool.h>

#include "control/store_verify.h"
#include "control/text_buffer.h"

/* `key`: "namespace/key", or NULL for the segments. Of a key every record that is on disk. */
enum store_tool_status store_inspect(const char *path, const char *key, bool as_json,
                                     struct text_buffer *text);

#endif
