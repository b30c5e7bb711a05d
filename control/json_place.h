/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json_place.h - where in a JSON document somebody is, as a JSON pointer.
 *
 * Purpose:   who walks down a document keeps a chain of places on the stack; its text is made only
 *            when it is needed.
 * Ownership: nothing; names belong to the document.
 * Threading: none.
 * Units:     bytes.
 * Errors:    none.
 * Source:    RFC 6901 sections 3 to 5.
 */
#ifndef GANNET_JSON_PLACE_H
#define GANNET_JSON_PLACE_H

#include <stddef.h>

struct text_buffer;

struct json_place {
    const struct json_place *outer; /* NULL: the document itself */
    const char *name;               /* of a member; NULL: an element */
    size_t index;                   /* of an element */
};

/* "/a~1b/0"; of the document itself "". */
void json_place_add(struct text_buffer *text, const struct json_place *place);

#endif
