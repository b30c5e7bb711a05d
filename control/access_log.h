/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * access_log.h - the thread that writes requests to a file, one JSON document a line.
 *
 * Purpose:   an operator's record of who asked for what, and what was slow, at no cost for workers
 *            but filling in a record.
 * Ownership: rings and file are the log's; workers write into the rings until access_log_stop.
 * Threading: one thread of its own; reopen and stop from any other.
 * Units:     as in struct access_record.
 * Errors:    0 or a negative errno at start; later a line that cannot be written is counted.
 * Source:    RFC 8259 (JSON), JSON Lines.
 */
#ifndef GANNET_ACCESS_LOG_H
#define GANNET_ACCESS_LOG_H

#include <stdint.h>

#include "control/text_buffer.h"
#include "include/access_ring.h"
#include "include/server_config.h"

struct access_log;

/* Appends to the file; makes it if it is not there. With "none" *log is NULL: no log. */
int access_log_start(const struct server_config *config, uint32_t worker_count,
                     struct access_log **log);
/* A worker's; NULL where there is no log. */
struct access_ring *access_log_ring(const struct access_log *log, uint32_t worker);
/* Writes what is in the rings; their workers have stopped. */
void access_log_stop(struct access_log *log);

/* After a rotation: closes the file and opens its name again. NULL is no log. */
void access_log_reopen(struct access_log *log);

/* Records lost because the file could not be written. */
uint64_t access_log_lost(const struct access_log *log);

/* One line with its end. */
void access_log_format(struct text_buffer *text, const struct access_record *record);

#endif
