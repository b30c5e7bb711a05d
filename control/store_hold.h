/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_hold.h - asks a running server, on its admin socket, to remove no files for a while.
 *
 * Purpose:   a backup of a running server.
 * Ownership: none.
 * Threading: one thread; waits for the server.
 * Units:     seconds.
 * Errors:    0, or a negative errno with a sentence in `why`.
 * Source:    ARCHITECTURE.md, "Operating the store".
 */
#ifndef GANNET_STORE_HOLD_H
#define GANNET_STORE_HOLD_H

#include <stdint.h>

#include "control/store_reader.h"
#include "control/text_buffer.h"

/* What the server answers: whose files it holds. Another epoch is another start of it. */
struct store_hold {
    struct reader_uuid uuid;
    uint64_t epoch;
};

/* 0 seconds ends it. Returns when no removal is under way any more. */
int store_hold_ask(const char *admin, uint32_t seconds, struct store_hold *hold,
                   struct text_buffer *why);

#endif
