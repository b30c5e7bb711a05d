/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json_write.h - a JSON value as text.
 *
 * Purpose:   what a patch left alone reads as its writer wrote it: a number has as few digits as
 *            lead back to it (0.1 stays 0.1), members keep their order.
 * Ownership: text goes to the caller's buffer.
 * Threading: none.
 * Units:     none.
 * Errors:    the buffer's: it is cut.
 * Source:    RFC 8259.
 */
#ifndef GANNET_JSON_WRITE_H
#define GANNET_JSON_WRITE_H

#include <jansson.h>

#include "control/text_buffer.h"

/* Without blanks. As deep as the value, which the parser bounds. */
void json_add_value(struct text_buffer *text, const json_t *value);

#endif
