/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json_schema_rules.h - private to the json_schema*.c files: a schema as it is checked.
 *
 * Purpose:   each schema of the document is a node, each keyword in it a rule that has been read.
 * Ownership: nodes belong to the json_schema; `value` points into its document.
 * Threading: read-only once compiled.
 * Units:     none.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_JSON_SCHEMA_RULES_H
#define GANNET_JSON_SCHEMA_RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A whole number is an integer and a number, however it is written (validation, 6.1.1). */
#define SCHEMA_NULL 1u
#define SCHEMA_BOOLEAN 2u
#define SCHEMA_OBJECT 4u
#define SCHEMA_ARRAY 8u
#define SCHEMA_STRING 16u
#define SCHEMA_INTEGER 32u
#define SCHEMA_NUMBER 64u
#define SCHEMA_ANY 127u

enum schema_keyword {
#define SCHEMA_KEYWORD(symbol, name, form, types) SCHEMA_KEYWORD_##symbol,
#include "control/json_schema_keywords.def"
#undef SCHEMA_KEYWORD
    SCHEMA_KEYWORD_COUNT,
};

struct json_pattern;
struct schema_node;

struct schema_rule {
    enum schema_keyword keyword;
    uint32_t types; /* of "type" */
    /* COUNT; of "items": how many prefixItems go before; of "contains": at least, and at most */
    uint64_t count, count_max;
    const json_t *value;            /* as it stands in the document */
    struct schema_node **nodes;     /* in the order of what stands in `value` */
    struct json_pattern **patterns; /* of "pattern"; of "patternProperties", beside their nodes */
    size_t node_count, pattern_count;
};

struct schema_node {
    struct schema_node *next; /* all of a schema */
    const json_t *document;   /* what it was made of */
    char *pointer;            /* to it */
    bool allows_nothing;      /* it is `false` */
    uint8_t mark;             /* while loops are looked for */
    struct schema_rule *rules;
    size_t rule_count;
    /* Rules that others in this node ask about; NULL: there is none. */
    const struct schema_rule *properties, *pattern_properties, *then_rule, *else_rule;
};

struct json_schema {
    json_t *document;
    struct schema_node *root;
    struct schema_node *nodes;
    size_t node_count;
};

extern const char *const schema_keyword_names[SCHEMA_KEYWORD_COUNT];
extern const uint32_t schema_keyword_types[SCHEMA_KEYWORD_COUNT];

/* "null", "boolean" ... of one of the bits */
const char *schema_type_name(uint32_t type);

/* Mathematically: 1 is 1.0, and the order of members is none. Counts a step for each value. */
bool json_values_are_equal(const json_t *a, const json_t *b, uint64_t *steps);
/* Equal values have equal ones. */
uint64_t json_value_hash(const json_t *value, uint64_t *steps);
/* Exact for both kinds of numbers. */
long double json_exact_number(const json_t *number);

#endif
