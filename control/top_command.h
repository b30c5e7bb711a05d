/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * top_command.h - `gannet top`: what a running server does, once a second, on a terminal.
 *
 * Purpose:   /metrics for a person: rates between two moments and levels at the second.
 * Ownership: none kept.
 * Threading: a process of its own; the server notices a scrape a second.
 * Units:     per second, bytes, seconds.
 * Errors:    top_command returns an exit status, and says on stderr who did not answer and why.
 * Source:    none.
 */
#ifndef GANNET_TOP_COMMAND_H
#define GANNET_TOP_COMMAND_H

#include <stdbool.h>

struct metrics_snapshot;
struct text_buffer;

/*
 * `where`: a configuration file that is there, else an address such as admin.listen; NULL: the
 * default of that. Until a signal; `is_once`: one second, plain text.
 */
int top_command(const char *where, bool is_once);

/* What is shown, without anything for the terminal. */
void top_show(struct text_buffer *text, const struct metrics_snapshot *before,
              const struct metrics_snapshot *after, double seconds);

#endif
