/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/json_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/json_text.h"

#define DIGITS_ALWAYS_RIGHT 17 /* of a double: these lead back to any */
#define DIGITS_OFTEN_RIGHT 15  /* no text of so many digits is changed by a double */

static void add_real(struct text_buffer *text, double number)
{
    char digits[32];
    for (int count = DIGITS_OFTEN_RIGHT; count <= DIGITS_ALWAYS_RIGHT; count++) {
        snprintf(digits, sizeof(digits), "%.*g", count, number);
        if (strtod(digits, NULL) == number)
            break;
    }
    text_format(text, "%s%s", digits, strpbrk(digits, ".e") ? "" : ".0");
}

static void add_array(struct text_buffer *text, const json_t *array)
{
    size_t i;
    const json_t *element;
    text_add(text, "[", 1);
    json_array_foreach(array, i, element)
    {
        if (i > 0)
            text_add(text, ",", 1);
        json_add_value(text, element);
    }
    text_add(text, "]", 1);
}

static void add_object(struct text_buffer *text, json_t *object)
{
    const char *name, *comma = "{";
    json_t *member;
    json_object_foreach(object, name, member)
    {
        text_add(text, comma, 1);
        json_add_string(text, name, strlen(name));
        text_add(text, ":", 1);
        json_add_value(text, member);
        comma = ",";
    }
    text_format(text, "%s}", *comma == '{' ? "{" : "");
}

void json_add_value(struct text_buffer *text, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        add_object(text, (json_t *)value);
        break;
    case JSON_ARRAY:
        add_array(text, value);
        break;
    case JSON_STRING:
        json_add_string(text, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        text_format(text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        add_real(text, json_real_value(value));
        break;
    case JSON_TRUE:
        text_format(text, "true");
        break;
    case JSON_FALSE:
        text_format(text, "false");
        break;
    case JSON_NULL:
        text_format(text, "null");
        break;
    }
}
