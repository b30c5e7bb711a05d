/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * schema_set.h - the JSON Schemas that namespaces name, read with each configuration.
 *
 * Purpose:   task threads check values against what is in effect when a task begins; a reload
 *            replaces all schemas at once, and those still in use stay until they are given back.
 * Ownership: a set is counted: who made or held it gives it back. The board holds one.
 * Threading: any; a lock for taking and replacing, never held while anything is read or checked.
 * Units:     bytes.
 * Errors:    -EINVAL and a line "FILE: POINTER: what is wrong" among the errors.
 * Source:    none.
 */
#ifndef GANNET_SCHEMA_SET_H
#define GANNET_SCHEMA_SET_H

#include <pthread.h>

#include "control/config_file.h"
#include "control/json_schema.h"

#define SCHEMA_FILE_BYTES_MAX (1u << 20)

struct schema_set;

struct schema_board {
    pthread_mutex_t lock;
    struct schema_set *current; /* NULL: none yet */
};

/* Of the namespaces by their numbers. Adds to `errors`. */
MUST_USE int schema_set_read(const struct server_config *config, struct schema_set **set,
                             struct config_errors *errors);
void schema_set_release(struct schema_set *set); /* NULL: nothing */
/* NULL: the namespace has none. */
const struct json_schema *schema_set_find(const struct schema_set *set, uint32_t namespace_index);

void schema_board_init(struct schema_board *board);
void schema_board_clear(struct schema_board *board);
/* Takes the set over; whoever holds the former one goes on with it. */
void schema_board_publish(struct schema_board *board, struct schema_set *set);
/* To be released; NULL: there is none, as without a board. */
struct schema_set *schema_board_hold(struct schema_board *board);

#endif
