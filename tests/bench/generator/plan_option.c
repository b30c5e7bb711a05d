/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/plan_option.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/compiler.h"
#include "tests/bench/generator/plan_value.h"

#define RUN PLAN_FOR_RUN
#define BOTH (PLAN_FOR_RUN | PLAN_FOR_RESPONDER)
#define SECOND_NS 1000000000ull
#define MILLISECOND_NS 1000000ull
#define FIELD(name) offsetof(struct plan, name)

const struct plan_option plan_options[] = {
#include "tests/bench/generator/plan_options.def"
};
const size_t plan_option_count = ARRAY_COUNT(plan_options);

/* ---- the values that are not just a number ---- */

static bool is_printable(const char *text, bool may_have_blanks)
{
    const char *at = text;
    while ((*at > ' ' && *at < 0x7f) || (may_have_blanks && *at == ' '))
        at++;
    return *at == '\0' && at > text;
}

static bool set_cores(const char *text, struct plan *plan)
{
    char item[16];
    bool is_used[255] = {false};
    plan->core_count = 0;
    while (*text) {
        if (!value_next_item(&text, ',', item, sizeof(item)))
            return false;
        char *dash = strchr(item, '-');
        if (dash)
            *dash = '\0';
        uint64_t first, last;
        if (!value_read(item, value_counts, &first))
            return false;
        last = first;
        if ((dash && !value_read(dash + 1, value_counts, &last)) || last < first || last > 254)
            return false;
        for (uint64_t core = first; core <= last; core++) {
            if (is_used[core] || plan->core_count == PLAN_CORES_MAX)
                return false;
            is_used[core] = true;
            plan->cores[plan->core_count++] = (uint8_t)core;
        }
    }
    return plan->core_count > 0;
}

/* ADDRESS and a number after `separator`. */
static bool split_address(const char *text, char separator, uint64_t min, uint64_t max,
                          uint8_t address[4], uint64_t *number)
{
    char copy[INET_ADDRSTRLEN];
    const char *end = strchr(text, separator);
    if (!end || end - text >= (ptrdiff_t)sizeof(copy))
        return false;
    memcpy(copy, text, (size_t)(end - text));
    copy[end - text] = '\0';
    static const struct value_unit plain[] = {{"", 1}, {NULL, 0}};
    return inet_pton(AF_INET, copy, address) == 1 && value_read(end + 1, plain, number) &&
           *number >= min && *number <= max;
}

static bool set_local(const char *text, struct plan *plan)
{
    uint64_t bits;
    if (!split_address(text, '/', 8, 30, plan->local, &bits))
        return false;
    plan->prefix_bits = (uint8_t)bits;
    return true;
}

static bool set_remote(const char *text, struct plan *plan)
{
    uint64_t port;
    if (!split_address(text, ':', 1, 65535, plan->remote, &port))
        return false;
    plan->remote_port = (uint16_t)port;
    return true;
}

static bool is_rate(const struct plan_option *option, const char *text, uint64_t *rate)
{
    return value_read(text, value_counts, rate) && *rate >= option->min && *rate <= option->max;
}

/* One rate, or FROM:STEP:TO. */
static bool add_rates(const struct plan_option *option, const char *item, struct plan *plan)
{
    char parts[3][24];
    size_t count = 0;
    while (*item) {
        if (count == 3 || !value_next_item(&item, ':', parts[count++], sizeof(parts[0])))
            return false;
    }
    uint64_t from, step = 1, to;
    if ((count != 1 && count != 3) || !is_rate(option, parts[0], &from))
        return false;
    to = from;
    if (count == 3 &&
        (!is_rate(option, parts[1], &step) || !is_rate(option, parts[2], &to) || to < from))
        return false;
    for (uint64_t rate = from; rate <= to; rate += step) {
        if (plan->rate_count == PLAN_RATE_STEPS_MAX)
            return false;
        plan->rates_per_s[plan->rate_count++] = rate;
    }
    return true;
}

static bool set_rates(const struct plan_option *option, const char *text, struct plan *plan)
{
    char item[80];
    plan->rate_count = 0;
    while (*text)
        if (!value_next_item(&text, ',', item, sizeof(item)) || !add_rates(option, item, plan))
            return false;
    return plan->rate_count > 0;
}

static bool set_arrivals(const char *text, struct plan *plan)
{
    bool is_constant = strcmp(text, "constant") == 0;
    plan->arrivals = is_constant ? PLAN_CONSTANT : PLAN_POISSON;
    return is_constant || strcmp(text, "poisson") == 0;
}

static bool set_hot_set(const char *text, struct plan *plan)
{
    char keys[24];
    uint64_t permille;
    const char *rest = text;
    if (!value_next_item(&rest, ':', keys, sizeof(keys)) ||
        !value_read(keys, value_counts, &plan->hot_keys) || plan->hot_keys == 0 ||
        !value_read(rest, value_permille, &permille) || permille == 0 || permille > 1000)
        return false;
    plan->popularity = PLAN_HOT_SET;
    plan->hot_permille = (uint32_t)permille;
    return true;
}

static bool set_popularity(const char *text, struct plan *plan)
{
    if (strncmp(text, "hot=", 4) == 0)
        return set_hot_set(text + 4, plan);
    if (strncmp(text, "zipf=", 5) == 0) {
        char *end;
        plan->popularity = PLAN_ZIPF;
        plan->zipf_theta = strtod(text + 5, &end);
        return end > text + 5 && *end == '\0' && plan->zipf_theta >= 0.5 && plan->zipf_theta <= 1.5;
    }
    plan->popularity = PLAN_UNIFORM;
    return strcmp(text, "uniform") == 0;
}

static bool set_mix(const char *text, struct plan *plan)
{
    char item[32];
    bool has_put = false, has_delete = false;
    plan->put_permille = plan->delete_permille = 0;
    while (*text) {
        if (!value_next_item(&text, ',', item, sizeof(item)))
            return false;
        bool is_put = strncmp(item, "put=", 4) == 0, is_delete = strncmp(item, "delete=", 7) == 0;
        uint64_t permille;
        if ((!is_put && !is_delete) || (is_put ? has_put : has_delete) ||
            !value_read(item + (is_put ? 4 : 7), value_permille, &permille) || permille > 1000)
            return false;
        *(is_put ? &has_put : &has_delete) = true;
        *(is_put ? &plan->put_permille : &plan->delete_permille) = (uint32_t)permille;
    }
    return (has_put || has_delete) && plan->put_permille + plan->delete_permille <= 1000;
}

static bool set_header(const char *text, struct plan *plan)
{
    const char *colon = strchr(text, ':');
    size_t used = strlen(plan->header_text);
    size_t left = sizeof(plan->header_text) - used;
    if (!colon || colon == text || memchr(text, ' ', (size_t)(colon - text)) ||
        !is_printable(text, true) || strlen(text) + sizeof("\r\n") > left)
        return false;
    snprintf(plan->header_text + used, left, "%s\r\n", text);
    return true;
}

static bool set_text(const struct plan_option *option, const char *text, const char **field)
{
    *field = text;
    return is_printable(text, option->type == PLAN_TEXT) &&
           (option->type != PLAN_PATH || *text == '/');
}

static bool read_number(const struct plan_option *option, const char *text, uint64_t *value)
{
    const struct value_unit *units = option->type == PLAN_TIME   ? value_times
                                     : option->type == PLAN_SIZE ? value_sizes
                                                                 : value_counts;
    return value_read(text, units, value) && *value >= option->min && *value <= option->max;
}

static bool set_number(const struct plan_option *option, const char *text, void *field)
{
    uint64_t value;
    if (!read_number(option, text, &value))
        return false;
    if (option->type == PLAN_U16)
        *(uint16_t *)field = (uint16_t)value;
    else if (option->type == PLAN_U32 || option->type == PLAN_SIZE)
        *(uint32_t *)field = (uint32_t)value;
    else
        *(uint64_t *)field = value;
    return true;
}

static bool set_status(const char *text, struct plan *plan)
{
    uint64_t status = 0;
    bool is_any = strcmp(text, "2xx") == 0;
    if (!is_any && (!value_read(text, value_counts, &status) || status < 100 || status > 599))
        return false;
    plan->expected_status = (uint16_t)status;
    return true;
}

static bool set_body_bytes(const char *text, struct plan *plan)
{
    plan->expected_bytes = UINT64_MAX;
    return strcmp(text, "any") == 0 || (value_read(text, value_sizes, &plan->expected_bytes) &&
                                        plan->expected_bytes <= 1u << 30);
}

bool plan_option_set(const struct plan_option *option, const char *text, struct plan *plan)
{
    void *field = (char *)plan + option->offset;
    switch (option->type) {
    case PLAN_FLAG:
    case PLAN_FLAG_OFF:
        *(bool *)field = option->type == PLAN_FLAG;
        return true;
    case PLAN_U16:
    case PLAN_U32:
    case PLAN_U64:
    case PLAN_TIME:
    case PLAN_SIZE:
        return set_number(option, text, field);
    case PLAN_TEXT:
    case PLAN_WORD:
    case PLAN_PATH:
        return set_text(option, text, field);
    case PLAN_HEADER:
        return set_header(text, plan);
    case PLAN_CORES:
        return set_cores(text, plan);
    case PLAN_LOCAL:
        return set_local(text, plan);
    case PLAN_REMOTE:
        return set_remote(text, plan);
    case PLAN_RATES:
        return set_rates(option, text, plan);
    case PLAN_ARRIVALS_KIND:
        return set_arrivals(text, plan);
    case PLAN_POPULARITY_KIND:
        return set_popularity(text, plan);
    case PLAN_MIX:
        return set_mix(text, plan);
    case PLAN_STATUS:
        return set_status(text, plan);
    case PLAN_BODY_BYTES:
        return set_body_bytes(text, plan);
    }
    UNREACHABLE();
}

/* ---- the way back ---- */

static void show_numbers(const struct plan *plan, enum plan_option_type type, char *text,
                         size_t text_bytes)
{
    size_t used = 0;
    uint32_t count = type == PLAN_CORES ? plan->core_count : plan->rate_count;
    text[0] = '\0';
    for (uint32_t i = 0; i < count && used < text_bytes; i++)
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%" PRIu64, i ? "," : "",
                                 type == PLAN_CORES ? plan->cores[i] : plan->rates_per_s[i]);
}

/* 105 permille is 10.5 percent. */
static void show_choice(const struct plan *plan, enum plan_option_type type, char *text,
                        size_t text_bytes)
{
    text[0] = '\0';
    if (type == PLAN_ARRIVALS_KIND)
        snprintf(text, text_bytes, plan->arrivals == PLAN_CONSTANT ? "constant" : "poisson");
    else if (type == PLAN_MIX && plan->put_permille + plan->delete_permille > 0)
        snprintf(text, text_bytes, "put=%u.%u,delete=%u.%u", plan->put_permille / 10,
                 plan->put_permille % 10, plan->delete_permille / 10, plan->delete_permille % 10);
    else if (type == PLAN_POPULARITY_KIND && plan->popularity == PLAN_ZIPF)
        snprintf(text, text_bytes, "zipf=%.15g", plan->zipf_theta);
    else if (type == PLAN_POPULARITY_KIND && plan->popularity == PLAN_HOT_SET)
        snprintf(text, text_bytes, "hot=%" PRIu64 ":%u.%u", plan->hot_keys, plan->hot_permille / 10,
                 plan->hot_permille % 10);
    else if (type == PLAN_POPULARITY_KIND)
        snprintf(text, text_bytes, "uniform");
}

static void show_expectation(const struct plan *plan, enum plan_option_type type, char *text,
                             size_t text_bytes)
{
    if (type == PLAN_STATUS && plan->expected_status == 0)
        snprintf(text, text_bytes, "2xx");
    else if (type == PLAN_STATUS)
        snprintf(text, text_bytes, "%u", plan->expected_status);
    else if (plan->expected_bytes == UINT64_MAX)
        snprintf(text, text_bytes, "any");
    else
        snprintf(text, text_bytes, "%" PRIu64, plan->expected_bytes);
}

void plan_option_show(const struct plan_option *option, const struct plan *plan, char *text,
                      size_t text_bytes)
{
    const void *field = (const char *)plan + option->offset;
    const uint8_t *a = option->type == PLAN_LOCAL ? plan->local : plan->remote;
    switch (option->type) {
    case PLAN_FLAG:
    case PLAN_FLAG_OFF:
        snprintf(text, text_bytes,
                 *(const bool *)field == (option->type == PLAN_FLAG) ? "true" : "false");
        return;
    case PLAN_U16:
        snprintf(text, text_bytes, "%u", *(const uint16_t *)field);
        return;
    case PLAN_U32:
    case PLAN_SIZE:
        snprintf(text, text_bytes, "%" PRIu32, *(const uint32_t *)field);
        return;
    case PLAN_U64:
        snprintf(text, text_bytes, "%" PRIu64, *(const uint64_t *)field);
        return;
    case PLAN_TIME:
        value_show_time(*(const uint64_t *)field, text, text_bytes);
        return;
    case PLAN_TEXT:
    case PLAN_WORD:
    case PLAN_PATH:
    case PLAN_HEADER:
        snprintf(text, text_bytes, "%s",
                 *(const char *const *)field ? *(const char *const *)field : "");
        return;
    case PLAN_LOCAL:
        snprintf(text, text_bytes, "%u.%u.%u.%u/%u", a[0], a[1], a[2], a[3], plan->prefix_bits);
        return;
    case PLAN_REMOTE:
        snprintf(text, text_bytes, "%u.%u.%u.%u:%u", a[0], a[1], a[2], a[3], plan->remote_port);
        return;
    case PLAN_CORES:
    case PLAN_RATES:
        show_numbers(plan, option->type, text, text_bytes);
        return;
    case PLAN_ARRIVALS_KIND:
    case PLAN_POPULARITY_KIND:
    case PLAN_MIX:
        show_choice(plan, option->type, text, text_bytes);
        return;
    case PLAN_STATUS:
    case PLAN_BODY_BYTES:
        show_expectation(plan, option->type, text, text_bytes);
        return;
    }
}

void plan_option_allowed(const struct plan_option *option, char *text, size_t text_bytes)
{
    char low[24], high[24];
    if (option->type == PLAN_TIME) {
        value_show_time(option->min, low, sizeof(low));
        value_show_time(option->max, high, sizeof(high));
        snprintf(text, text_bytes, "%s..%s", low, high);
    } else if (option->max > 0) {
        snprintf(text, text_bytes, "%" PRIu64 "..%" PRIu64 "%s%s", option->min, option->max,
                 *option->unit ? " " : "", option->unit);
    } else {
        snprintf(text, text_bytes, "%s", option->unit);
    }
}
