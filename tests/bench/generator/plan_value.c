/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/plan_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FRACTION_DIGITS_MAX 9u

const struct value_unit value_counts[] = {
    {"", 1}, {"k", 1000}, {"K", 1000}, {"M", 1000000}, {"G", 1000000000}, {NULL, 0},
};
const struct value_unit value_times[] = {
    {"", 1000000000},  {"ns", 1},          {"us", 1000},         {"ms", 1000000},
    {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}, {NULL, 0},
};
const struct value_unit value_sizes[] = {
    {"", 1},           {"k", 1u << 10}, {"K", 1u << 10},   {"KiB", 1u << 10}, {"M", 1u << 20},
    {"MiB", 1u << 20}, {"G", 1u << 30}, {"GiB", 1u << 30}, {NULL, 0},
};
const struct value_unit value_permille[] = {{"", 10}, {"%", 10}, {NULL, 0}};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool value_read(const char *text, const struct value_unit *units, uint64_t *value)
{
    uint64_t digits = 0, scale = 1;
    if (!is_digit(*text))
        return false;
    for (; is_digit(*text); text++)
        if (__builtin_mul_overflow(digits, 10, &digits) ||
            __builtin_add_overflow(digits, (uint64_t)(*text - '0'), &digits))
            return false;
    if (*text == '.') {
        uint32_t count = 0;
        for (text++; is_digit(*text); text++, count++) {
            if (count == FRACTION_DIGITS_MAX || __builtin_mul_overflow(digits, 10, &digits) ||
                __builtin_add_overflow(digits, (uint64_t)(*text - '0'), &digits))
                return false;
            scale *= 10;
        }
        if (count == 0)
            return false;
    }
    while (units->name && strcmp(units->name, text) != 0)
        units++;
    if (!units->name)
        return false;
    __uint128_t product = (__uint128_t)digits * units->factor;
    if (product % scale != 0 || product / scale > UINT64_MAX)
        return false;
    *value = (uint64_t)(product / scale);
    return true;
}

void value_show_time(uint64_t ns, char *text, size_t text_bytes)
{
    if (ns % 1000000000 == 0)
        snprintf(text, text_bytes, "%" PRIu64 "s", ns / 1000000000);
    else if (ns % 1000000 == 0)
        snprintf(text, text_bytes, "%" PRIu64 "ms", ns / 1000000);
    else if (ns % 1000 == 0)
        snprintf(text, text_bytes, "%" PRIu64 "us", ns / 1000);
    else
        snprintf(text, text_bytes, "%" PRIu64 "ns", ns);
}

bool value_next_item(const char **text, char separator, char *item, size_t item_bytes)
{
    const char *end = strchrnul(*text, separator);
    size_t length = (size_t)(end - *text);
    if (length == 0 || length >= item_bytes)
        return false;
    memcpy(item, *text, length);
    item[length] = '\0';
    *text = *end ? end + 1 : end;
    return *end == '\0' || end[1] != '\0'; /* "a," has an empty item at its end */
}
