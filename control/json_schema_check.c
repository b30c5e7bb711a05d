/* SPDX-License-Identifier: BSD-3-Clause */
/* A value against a compiled schema. Values come from strangers: steps and depth are bounded. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "control/json_pattern.h"
#include "control/json_place.h"
#include "control/json_schema.h"
#include "control/json_schema_rules.h"
#include "control/json_text.h"
#include "include/compiler.h"

#define DEPTH_MAX 512u         /* schemas under way within each other: of the stack */
#define POINTER_BYTES_MAX 512u /* of a violation; what lies deeper is said of what is above it */
#define REPORT_BYTES_MAX (16u << 10)

struct check {
    struct schema_report *report; /* NULL: only whether it fits matters */
    uint64_t *steps;              /* left; 0: the check is over */
    uint32_t depth;
    bool is_violated;
};

static void apply(struct check *check, const struct schema_node *node, const json_t *value,
                  const struct json_place *place, enum schema_keyword keyword);

/* ---- violations ---- */

static void add_pointer(struct text_buffer *text, const struct json_place *place)
{
    struct text_buffer pointer = {0};
    json_place_add(&pointer, place);
    for (; place->outer && pointer.used_bytes > POINTER_BYTES_MAX; place = place->outer) {
        text_buffer_clear(&pointer);
        json_place_add(&pointer, place->outer);
    }
    json_add_string(text, pointer.bytes, pointer.used_bytes);
    text_buffer_clear(&pointer);
}

PRINTF_LIKE(4, 5)
static void violate(struct check *check, const struct json_place *place,
                    enum schema_keyword keyword, const char *format, ...)
{
    struct schema_report *report = check->report;
    char detail[256];
    check->is_violated = true;
    if (!report)
        return;
    if (report->named == report->violations_max ||
        report->violations.used_bytes > REPORT_BYTES_MAX) {
        report->has_more = true;
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    text_format(&report->violations,
                "%s{\"pointer\":", report->violations.used_bytes > 0 ? "," : "");
    report->named++;
    add_pointer(&report->violations, place);
    text_format(&report->violations, ",\"keyword\":\"%s\",\"detail\":\"%s\"}",
                schema_keyword_names[keyword], detail);
}

/* Nothing that is found any more would be said. */
static bool is_over(const struct check *check)
{
    return *check->steps == 0 ||
           (check->is_violated && (!check->report || check->report->has_more));
}

/* ---- single values ---- */

static uint32_t types_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return SCHEMA_OBJECT;
    case JSON_ARRAY:
        return SCHEMA_ARRAY;
    case JSON_STRING:
        return SCHEMA_STRING;
    case JSON_INTEGER:
        return SCHEMA_INTEGER | SCHEMA_NUMBER;
    case JSON_REAL:
        return json_real_value(value) == floor(json_real_value(value))
                   ? SCHEMA_INTEGER | SCHEMA_NUMBER
                   : SCHEMA_NUMBER;
    case JSON_NULL:
        return SCHEMA_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        break;
    }
    return SCHEMA_BOOLEAN;
}

static void check_type(struct check *check, const struct schema_rule *rule, const json_t *value,
                       const struct json_place *place)
{
    if (rule->types & types_of(value))
        return;
    char allowed[96] = "";
    for (uint32_t type = 1; type < SCHEMA_ANY; type <<= 1)
        if (rule->types & type) {
            size_t used = strlen(allowed);
            snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "",
                     schema_type_name(type));
        }
    violate(check, place, rule->keyword, "is of type %s; allowed: %s",
            schema_type_name(types_of(value)), allowed);
}

static void check_enum(struct check *check, const struct schema_rule *rule, const json_t *value,
                       const struct json_place *place)
{
    size_t i;
    const json_t *allowed;
    json_array_foreach(rule->value, i, allowed)
    {
        if (json_values_are_equal(allowed, value, check->steps))
            return;
    }
    violate(check, place, rule->keyword, "is none of the %zu values that are allowed",
            json_array_size(rule->value));
}

static void check_const(struct check *check, const struct schema_rule *rule, const json_t *value,
                        const struct json_place *place)
{
    if (!json_values_are_equal(rule->value, value, check->steps))
        violate(check, place, rule->keyword, "is not the one value that is allowed");
}

static bool is_multiple(const json_t *value, const json_t *of)
{
    if (json_is_integer(value) && json_is_integer(of))
        return json_integer_value(value) % json_integer_value(of) == 0;
    long double number = json_exact_number(value), step = json_exact_number(of);
    long double nearest = roundl(number / step) * step;
    /* Decimal fractions are no binary ones: as near as two doubles can be to each other. */
    return fabsl(nearest - number) <= fabsl(number) * 0x1p-51L;
}

static void check_number(struct check *check, const struct schema_rule *rule, const json_t *value,
                         const struct json_place *place)
{
    static const char *const words[] = {
        [SCHEMA_KEYWORD_MINIMUM] = "is less than",
        [SCHEMA_KEYWORD_MAXIMUM] = "is more than",
        [SCHEMA_KEYWORD_EXCLUSIVE_MINIMUM] = "is not more than",
        [SCHEMA_KEYWORD_EXCLUSIVE_MAXIMUM] = "is not less than",
        [SCHEMA_KEYWORD_MULTIPLE_OF] = "is no multiple of",
    };
    long double number = json_exact_number(value), limit = json_exact_number(rule->value);
    bool fits = true;
    if (rule->keyword == SCHEMA_KEYWORD_MINIMUM)
        fits = number >= limit;
    else if (rule->keyword == SCHEMA_KEYWORD_MAXIMUM)
        fits = number <= limit;
    else if (rule->keyword == SCHEMA_KEYWORD_EXCLUSIVE_MINIMUM)
        fits = number > limit;
    else if (rule->keyword == SCHEMA_KEYWORD_EXCLUSIVE_MAXIMUM)
        fits = number < limit;
    else
        fits = is_multiple(value, rule->value);
    if (fits)
        return;
    if (json_is_integer(rule->value))
        violate(check, place, rule->keyword, "%s %lld", words[rule->keyword],
                (long long)json_integer_value(rule->value));
    else
        violate(check, place, rule->keyword, "%s %.15g", words[rule->keyword],
                json_real_value(rule->value));
}

/* Code points of a text, elements, members. */
static size_t size_of(const json_t *value)
{
    if (json_is_object(value))
        return json_object_size(value);
    if (json_is_array(value))
        return json_array_size(value);
    const char *text = json_string_value(value);
    size_t bytes = json_string_length(value), characters = 0;
    for (size_t i = 0; i < bytes; i++)
        characters += ((uint8_t)text[i] & 0xc0) != 0x80;
    return characters;
}

static void check_size(struct check *check, const struct schema_rule *rule, const json_t *value,
                       const struct json_place *place, bool is_least)
{
    size_t size = size_of(value);
    const char *what = json_is_string(value)  ? "characters"
                       : json_is_array(value) ? "elements"
                                              : "members";
    if (is_least ? size < rule->count : size > rule->count)
        violate(check, place, rule->keyword, "has %zu %s; %s allowed is %llu", size, what,
                is_least ? "least" : "most", (unsigned long long)rule->count);
}

/* ---- objects and arrays ---- */

static void check_required(struct check *check, const struct schema_rule *rule, const json_t *value,
                           const struct json_place *place)
{
    size_t i;
    const json_t *name;
    json_array_foreach(rule->value, i, name)
    {
        if (json_object_get(value, json_string_value(name)))
            continue;
        struct json_place missing = {.outer = place, .name = json_string_value(name)};
        violate(check, &missing, rule->keyword, "is missing");
    }
}

static void check_properties(struct check *check, const struct schema_rule *rule,
                             const json_t *value, const struct json_place *place)
{
    const char *name;
    json_t *ignored;
    size_t i = 0;
    json_object_foreach((json_t *)rule->value, name, ignored)
    {
        const struct schema_node *node = rule->nodes[i++];
        const json_t *member = json_object_get(value, name);
        struct json_place inner = {.outer = place, .name = name};
        if (member)
            apply(check, node, member, &inner, rule->keyword);
    }
}

/* Applies what the member's name calls for; false: no pattern matches it. */
static bool check_member_patterns(struct check *check, const struct schema_rule *rule,
                                  const char *name, const json_t *member,
                                  const struct json_place *inner)
{
    bool is_matched = false;
    for (size_t i = 0; i < rule->pattern_count && !is_over(check); i++) {
        if (!json_pattern_matches(rule->patterns[i], name, strlen(name), check->steps))
            continue;
        is_matched = true;
        if (member)
            apply(check, rule->nodes[i], member, inner, rule->keyword);
    }
    return is_matched;
}

static void check_pattern_properties(struct check *check, const struct schema_rule *rule,
                                     json_t *value, const struct json_place *place)
{
    const char *name;
    json_t *member;
    json_object_foreach(value, name, member)
    {
        struct json_place inner = {.outer = place, .name = name};
        check_member_patterns(check, rule, name, member, &inner);
        if (is_over(check))
            return;
    }
}

/* By a rule beside it. */
static bool is_spoken_of(struct check *check, const struct schema_node *node, const char *name)
{
    if (node->properties && json_object_get(node->properties->value, name))
        return true;
    return node->pattern_properties &&
           check_member_patterns(check, node->pattern_properties, name, NULL, NULL);
}

static void check_additional(struct check *check, const struct schema_node *node,
                             const struct schema_rule *rule, json_t *value,
                             const struct json_place *place)
{
    const char *name;
    json_t *member;
    json_object_foreach(value, name, member)
    {
        struct json_place inner = {.outer = place, .name = name};
        if (!is_spoken_of(check, node, name) && !is_over(check))
            apply(check, rule->nodes[0], member, &inner, rule->keyword);
        if (is_over(check))
            return;
    }
}

static void check_items(struct check *check, const struct schema_rule *rule, const json_t *value,
                        const struct json_place *place)
{
    bool is_prefix = rule->keyword == SCHEMA_KEYWORD_PREFIX_ITEMS;
    size_t end = json_array_size(value);
    if (is_prefix && end > rule->node_count)
        end = rule->node_count;
    for (size_t i = is_prefix ? 0 : rule->count; i < end && !is_over(check); i++) {
        struct json_place inner = {.outer = place, .index = i};
        apply(check, rule->nodes[is_prefix ? i : 0], json_array_get(value, i), &inner,
              rule->keyword);
    }
}

struct hashed {
    uint64_t hash;
    size_t index;
};

static int compare_hashed(const void *a, const void *b)
{
    const struct hashed *one = a, *other = b;
    if (one->hash != other->hash)
        return one->hash < other->hash ? -1 : 1;
    return one->index < other->index ? -1 : 1;
}

/* By hash, so that only what is probably equal is compared; steps bound even a flood of those. */
static void check_unique(struct check *check, const struct schema_rule *rule, const json_t *value,
                         const struct json_place *place)
{
    size_t count = json_array_size(value);
    struct hashed *items = json_is_true(rule->value) ? calloc(count + 1, sizeof(*items)) : NULL;
    if (!items) {
        if (json_is_true(rule->value))
            *check->steps = 0; /* no memory: nobody knows */
        return;
    }
    for (size_t i = 0; i < count; i++)
        items[i] = (struct hashed){json_value_hash(json_array_get(value, i), check->steps), i};
    qsort(items, count, sizeof(*items), compare_hashed);
    for (size_t i = 1; i < count && !is_over(check); i++)
        for (size_t k = i; k-- > 0 && items[k].hash == items[i].hash && !is_over(check);) {
            if (!json_values_are_equal(json_array_get(value, items[k].index),
                                       json_array_get(value, items[i].index), check->steps))
                continue;
            struct json_place inner = {.outer = place, .index = items[i].index};
            violate(check, &inner, rule->keyword, "is equal to element %zu", items[k].index);
            break;
        }
    free(items);
}

/* ---- schemas on the same value ---- */

static bool fits_quietly(struct check *check, const struct schema_node *node, const json_t *value,
                         const struct json_place *place, enum schema_keyword keyword);

static void check_contains(struct check *check, const struct schema_rule *rule, const json_t *value,
                           const struct json_place *place)
{
    uint64_t fitting = 0;
    size_t i;
    const json_t *element;
    json_array_foreach(value, i, element)
    {
        fitting += fits_quietly(check, rule->nodes[0], element, place, rule->keyword);
        if (is_over(check) || fitting > rule->count_max)
            break;
    }
    if (fitting > rule->count_max)
        violate(check, place, SCHEMA_KEYWORD_MAX_CONTAINS, "more than %llu elements fit",
                (unsigned long long)rule->count_max);
    else if (fitting < rule->count)
        violate(check, place,
                rule->count == 1 ? SCHEMA_KEYWORD_CONTAINS : SCHEMA_KEYWORD_MIN_CONTAINS,
                "%llu elements fit; least allowed is %llu", (unsigned long long)fitting,
                (unsigned long long)rule->count);
}

static void check_pattern(struct check *check, const struct schema_rule *rule, const json_t *value,
                          const struct json_place *place)
{
    if (!json_pattern_matches(rule->patterns[0], json_string_value(value),
                              json_string_length(value), check->steps))
        violate(check, place, rule->keyword, "does not match the pattern");
}

/* Without a word about why not. */
static bool fits_quietly(struct check *check, const struct schema_node *node, const json_t *value,
                         const struct json_place *place, enum schema_keyword keyword)
{
    struct check quiet = {.steps = check->steps, .depth = check->depth};
    apply(&quiet, node, value, place, keyword);
    return !quiet.is_violated;
}

static void check_choice(struct check *check, const struct schema_rule *rule, const json_t *value,
                         const struct json_place *place)
{
    size_t fitting = 0, most = rule->keyword == SCHEMA_KEYWORD_ONE_OF ? 2 : 1;
    for (size_t i = 0; i < rule->node_count && fitting < most; i++)
        fitting += fits_quietly(check, rule->nodes[i], value, place, rule->keyword);
    if (fitting == 0)
        violate(check, place, rule->keyword, "fits none of %zu schemas", rule->node_count);
    else if (fitting > 1)
        violate(check, place, rule->keyword, "fits more than one of %zu schemas", rule->node_count);
}

static void check_all(struct check *check, const struct schema_rule *rule, const json_t *value,
                      const struct json_place *place)
{
    for (size_t i = 0; i < rule->node_count; i++)
        apply(check, rule->nodes[i], value, place, rule->keyword);
}

static void check_not(struct check *check, const struct schema_rule *rule, const json_t *value,
                      const struct json_place *place)
{
    if (fits_quietly(check, rule->nodes[0], value, place, rule->keyword))
        violate(check, place, rule->keyword, "fits what it must not");
}

static void check_if(struct check *check, const struct schema_node *node,
                     const struct schema_rule *rule, const json_t *value,
                     const struct json_place *place)
{
    bool fits = fits_quietly(check, rule->nodes[0], value, place, rule->keyword);
    const struct schema_rule *chosen = fits ? node->then_rule : node->else_rule;
    if (chosen)
        apply(check, chosen->nodes[0], value, place, chosen->keyword);
}

static void check_rule(struct check *check, const struct schema_node *node,
                       const struct schema_rule *rule, const json_t *value,
                       const struct json_place *place)
{
    switch (rule->keyword) {
    case SCHEMA_KEYWORD_TYPE:
        check_type(check, rule, value, place);
        break;
    case SCHEMA_KEYWORD_ENUM:
        check_enum(check, rule, value, place);
        break;
    case SCHEMA_KEYWORD_CONST:
        check_const(check, rule, value, place);
        break;
    case SCHEMA_KEYWORD_PROPERTIES:
        check_properties(check, rule, value, place);
        break;
    case SCHEMA_KEYWORD_REQUIRED:
        check_required(check, rule, value, place);
        break;
    case SCHEMA_KEYWORD_ADDITIONAL_PROPERTIES:
        check_additional(check, node, rule, (json_t *)value, place);
        break;
    case SCHEMA_KEYWORD_PATTERN_PROPERTIES:
        check_pattern_properties(check, rule, (json_t *)value, place);
        break;
    case SCHEMA_KEYWORD_CONTAINS:
        check_contains(check, rule, value, place);
        break;
    case SCHEMA_KEYWORD_PATTERN:
        check_pattern(check, rule, value, place);
        break;
    case SCHEMA_KEYWORD_IF:
        check_if(check, node, rule, value, place);
        break;
    case SCHEMA_KEYWORD_THEN: /* "if" chooses between them */
    case SCHEMA_KEYWORD_ELSE:
        break;
    case SCHEMA_KEYWORD_MIN_PROPERTIES:
    case SCHEMA_KEYWORD_MIN_ITEMS:
    case SCHEMA_KEYWORD_MIN_LENGTH:
        check_size(check, rule, value, place, true);
        break;
    case SCHEMA_KEYWORD_MAX_PROPERTIES:
    case SCHEMA_KEYWORD_MAX_ITEMS:
    case SCHEMA_KEYWORD_MAX_LENGTH:
        check_size(check, rule, value, place, false);
        break;
    case SCHEMA_KEYWORD_PREFIX_ITEMS:
    case SCHEMA_KEYWORD_ITEMS:
        check_items(check, rule, value, place);
        break;
    case SCHEMA_KEYWORD_UNIQUE_ITEMS:
        check_unique(check, rule, value, place);
        break;
    case SCHEMA_KEYWORD_ALL_OF:
    case SCHEMA_KEYWORD_REF:
        check_all(check, rule, value, place);
        break;
    case SCHEMA_KEYWORD_ANY_OF:
    case SCHEMA_KEYWORD_ONE_OF:
        check_choice(check, rule, value, place);
        break;
    case SCHEMA_KEYWORD_NOT:
        check_not(check, rule, value, place);
        break;
    default:
        check_number(check, rule, value, place);
    }
}

static void apply(struct check *check, const struct schema_node *node, const json_t *value,
                  const struct json_place *place, enum schema_keyword keyword)
{
    if (check->depth == DEPTH_MAX)
        *check->steps = 0;
    if (is_over(check))
        return;
    (*check->steps)--;
    if (node->allows_nothing)
        violate(check, place, keyword, "is not allowed");
    uint32_t types = types_of(value);
    check->depth++;
    for (size_t i = 0; i < node->rule_count && !is_over(check); i++)
        if (schema_keyword_types[node->rules[i].keyword] & types)
            check_rule(check, node, &node->rules[i], value, place);
    check->depth--;
}

enum schema_verdict json_schema_check(const struct json_schema *schema, const json_t *value,
                                      struct schema_report *report)
{
    const struct json_place top = {0};
    uint64_t steps = report->steps_max;
    struct check check = {.report = report, .steps = &steps};
    apply(&check, schema->root, value, &top, SCHEMA_KEYWORD_TYPE);
    if (steps == 0)
        return SCHEMA_TOO_COSTLY;
    return check.is_violated ? SCHEMA_VIOLATED : SCHEMA_FITS;
}
