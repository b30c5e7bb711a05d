/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/json_place.h"

#include <string.h>

#include "control/text_buffer.h"

static void add_name(struct text_buffer *text, const char *name)
{
    while (*name) {
        size_t plain = strcspn(name, "~/");
        text_add(text, name, plain);
        name += plain;
        if (*name)
            text_format(text, "%s", *name++ == '~' ? "~0" : "~1");
    }
}

void json_place_add(struct text_buffer *text, const struct json_place *place)
{
    if (!place || !place->outer)
        return;
    json_place_add(text, place->outer); /* as deep as the document, which its parser bounds */
    text_add(text, "/", 1);
    if (place->name)
        add_name(text, place->name);
    else
        text_format(text, "%zu", place->index);
}
