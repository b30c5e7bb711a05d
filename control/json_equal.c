/* SPDX-License-Identifier: BSD-3-Clause */
/* Equality of JSON values as JSON Schema means it (core, section 4.2.2). */
#include <assert.h>
#include <string.h>

#include <xxhash.h>

#include "control/json_schema_rules.h"

static_assert(__LDBL_MANT_DIG__ >= 64, "a long double holds every 64-bit integer");

long double json_exact_number(const json_t *number)
{
    return json_is_integer(number) ? (long double)json_integer_value(number)
                                   : (long double)json_real_value(number);
}

/* False: there is none left. */
static bool take_step(uint64_t *steps)
{
    if (*steps > 0)
        (*steps)--;
    return *steps > 0;
}

static bool objects_are_equal(const json_t *a, const json_t *b, uint64_t *steps)
{
    const char *name;
    json_t *member;
    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_foreach((json_t *)a, name, member)
    {
        const json_t *other = json_object_get(b, name);
        if (!other || !json_values_are_equal(member, other, steps))
            return false;
    }
    return true;
}

static bool arrays_are_equal(const json_t *a, const json_t *b, uint64_t *steps)
{
    size_t i;
    const json_t *element;
    if (json_array_size(a) != json_array_size(b))
        return false;
    json_array_foreach(a, i, element)
    {
        if (!json_values_are_equal(element, json_array_get(b, i), steps))
            return false;
    }
    return true;
}

bool json_values_are_equal(const json_t *a, const json_t *b, uint64_t *steps)
{
    if (!take_step(steps))
        return false;
    if (json_is_number(a) && json_is_number(b))
        return json_exact_number(a) == json_exact_number(b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_object(a))
        return objects_are_equal(a, b, steps);
    if (json_is_array(a))
        return arrays_are_equal(a, b, steps);
    return !json_is_string(a) ||
           (json_string_length(a) == json_string_length(b) &&
            memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0);
}

static uint64_t hash_number(const json_t *number)
{
    double rounded = json_number_value(number) + 0.0; /* -0 is 0 */
    return XXH3_64bits_withSeed(&rounded, sizeof(rounded), 1);
}

uint64_t json_value_hash(const json_t *value, uint64_t *steps)
{
    const char *name;
    json_t *member;
    size_t i;
    uint64_t sum = (uint64_t)json_typeof(value);
    if (!take_step(steps))
        return 0;
    if (json_is_number(value))
        return hash_number(value);
    if (json_is_string(value))
        return XXH3_64bits_withSeed(json_string_value(value), json_string_length(value), 2);
    if (json_is_object(value)) { /* a sum: the order is none */
        json_object_foreach((json_t *)value, name, member)
        {
            uint64_t inner = json_value_hash(member, steps);
            sum += XXH3_64bits_withSeed(name, strlen(name), inner);
        }
    }
    json_array_foreach(value, i, member)
    {
        uint64_t inner = json_value_hash(member, steps);
        sum = XXH3_64bits_withSeed(&inner, sizeof(inner), sum);
    }
    return sum;
}
