/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * server_settings.h - reading the configuration again while the server runs.
 *
 * Purpose:   SIGHUP and POST /reload: a good file takes effect as a whole, a bad one not at all.
 * Ownership: owns the board of snapshots; the path and the started configuration are borrowed.
 * Threading: any thread that may sleep; a lock lets one in at a time.
 * Units:     milliseconds.
 * Errors:    what is wrong is logged, and added to the caller's text, in the words of `gannet
 *            check`.
 * Source:    none.
 */
#ifndef GANNET_SERVER_SETTINGS_H
#define GANNET_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/text_buffer.h"
#include "include/live_settings.h"

struct schema_board;
struct server_settings;

/* The readers are the workers, then whoever else main counts. */
int server_settings_create(const char *path, const struct server_config *started,
                           uint32_t reader_count, struct server_settings **settings);
void server_settings_destroy(struct server_settings *settings);

struct live_board *server_settings_board(struct server_settings *settings);
struct schema_board *server_settings_schemas(struct server_settings *settings);

/* True: the file is good and in effect. `said` (or NULL) gets a line or more either way. */
bool server_settings_reload(struct server_settings *settings, struct text_buffer *said);

/* Now and then: frees snapshots that every reader has left. */
void server_settings_collect(struct server_settings *settings);

/* What is in effect, as YAML. */
void server_settings_write(struct server_settings *settings, struct text_buffer *text);

uint64_t server_settings_drain_timeout_ms(struct server_settings *settings);
/* For a struct stats_source: what each rate limit took and refused, by its name. */
void server_settings_write_limits(struct server_settings *settings, struct text_buffer *text,
                                  const char *name);
/* The name of the rate limit of that number. */
void server_settings_limit_name(struct server_settings *settings, uint32_t number, char name[33]);
/* For a struct stats_source. */
void server_settings_write_stats(void *context, struct text_buffer *text, const char *name);

#endif
