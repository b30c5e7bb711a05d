/* SPDX-License-Identifier: BSD-3-Clause */
/* From the document of a schema to nodes and rules, once; everything unknown or odd is refused. */
#include "control/json_schema.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/json_pattern.h"
#include "control/json_place.h"
#include "control/json_schema_rules.h"
#include "include/compiler.h"

#define NODES_MAX 16384u
#define DIALECT "https://json-schema.org/draft/2020-12/schema"
#define DEFINITION_PREFIX "#/$defs/"

/* How what stands behind a keyword is read. */
enum schema_form {
    FORM_TYPES,
    FORM_VALUES,  /* a list of anything, not empty */
    FORM_VALUE,   /* anything */
    FORM_MEMBERS, /* an object of schemas */
    FORM_SCHEMA,
    FORM_SCHEMAS, /* a list, not empty */
    FORM_PATTERN,
    FORM_PATTERN_MEMBERS, /* an object of schemas, by pattern */
    FORM_NAMES,           /* a list of texts */
    FORM_NUMBER,
    FORM_POSITIVE,
    FORM_COUNT,
    FORM_SWITCH,
    FORM_REFERENCE,
    FORM_AT_TOP, /* of the document only; the definitions are read before all else */
    FORM_DIALECT,
    FORM_NOTE, /* for people */
};

#define SCHEMA_KEYWORD(symbol, name, form, types) [SCHEMA_KEYWORD_##symbol] = name,
const char *const schema_keyword_names[SCHEMA_KEYWORD_COUNT] = {
#include "control/json_schema_keywords.def"
};
#undef SCHEMA_KEYWORD
#define SCHEMA_KEYWORD(symbol, name, form, types) [SCHEMA_KEYWORD_##symbol] = types,
const uint32_t schema_keyword_types[SCHEMA_KEYWORD_COUNT] = {
#include "control/json_schema_keywords.def"
};
#undef SCHEMA_KEYWORD
#define SCHEMA_KEYWORD(symbol, name, form, types) [SCHEMA_KEYWORD_##symbol] = FORM_##form,
static const uint8_t forms[SCHEMA_KEYWORD_COUNT] = {
#include "control/json_schema_keywords.def"
};
#undef SCHEMA_KEYWORD
#define SCHEMA_KEYWORD(symbol, name, form, types) name " "
static const char all_keywords[] =
#include "control/json_schema_keywords.def"
    ;
#undef SCHEMA_KEYWORD

static const struct {
    const char *name;
    uint32_t type;
} type_names[] = {
    {"null", SCHEMA_NULL},     {"boolean", SCHEMA_BOOLEAN}, {"object", SCHEMA_OBJECT},
    {"array", SCHEMA_ARRAY},   {"string", SCHEMA_STRING},   {"integer", SCHEMA_INTEGER},
    {"number", SCHEMA_NUMBER},
};

const char *schema_type_name(uint32_t type)
{
    size_t i = 0;
    while (i + 1 < ARRAY_COUNT(type_names) && !(type_names[i].type & type))
        i++;
    return type_names[i].name;
}

struct compiler {
    struct json_schema *schema;
    char *problem;
    size_t problem_bytes;
};

/* Always false, so that it can be returned. */
PRINTF_LIKE(3, 4)
static bool refuse(struct compiler *compiler, const struct json_place *place, const char *format,
                   ...)
{
    struct text_buffer text = {0};
    va_list arguments;
    char why[1024];
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    json_place_add(&text, place);
    snprintf(compiler->problem, compiler->problem_bytes, "%.400s: %s",
             text.bytes ? text.bytes : "the schema", why);
    text_buffer_clear(&text);
    return false;
}

static bool compile_node(struct compiler *compiler, struct schema_node *node,
                         const struct json_place *place);

static struct schema_node *add_node(struct compiler *compiler, const json_t *document,
                                    const struct json_place *place)
{
    struct text_buffer pointer = {0};
    struct schema_node *node = calloc(1, sizeof(*node));
    if (!node || compiler->schema->node_count == NODES_MAX) {
        refuse(compiler, place, "a schema has at most %u schemas in it", NODES_MAX);
        free(node);
        return NULL;
    }
    json_place_add(&pointer, place);
    node->pointer = pointer.bytes; /* NULL for the whole */
    node->document = document;
    node->allows_nothing = json_is_false(document);
    node->next = compiler->schema->nodes;
    compiler->schema->nodes = node;
    compiler->schema->node_count++;
    return node;
}

static bool add_child(struct compiler *compiler, struct schema_rule *rule, const json_t *document,
                      const struct json_place *place)
{
    struct schema_node *node = add_node(compiler, document, place);
    if (!node || !compile_node(compiler, node, place))
        return false;
    rule->nodes[rule->node_count++] = node;
    return true;
}

static bool has_room_for(struct compiler *compiler, struct schema_rule *rule, size_t count,
                         const struct json_place *place)
{
    rule->nodes = calloc(count + 1, sizeof(rule->nodes[0])); /* none is no error */
    return rule->nodes || refuse(compiler, place, "no memory");
}

/* `true` and `false` may be in several nodes: any of them is as good. */
static struct schema_node *find_node(struct schema_node *node, const json_t *document)
{
    while (node && node->document != document)
        node = node->next;
    return node;
}

/* ---- what stands behind a keyword ---- */

static bool read_type(struct compiler *compiler, struct schema_rule *rule, const json_t *name,
                      const struct json_place *place)
{
    for (size_t i = 0; i < ARRAY_COUNT(type_names); i++)
        if (json_is_string(name) && strcmp(json_string_value(name), type_names[i].name) == 0) {
            rule->types |= type_names[i].type;
            return true;
        }
    return refuse(compiler, place,
                  "allowed is one, or a list, of null boolean object array string integer number");
}

static bool read_types(struct compiler *compiler, struct schema_rule *rule,
                       const struct json_place *place)
{
    size_t i;
    const json_t *name;
    if (!json_is_array(rule->value))
        return read_type(compiler, rule, rule->value, place);
    json_array_foreach(rule->value, i, name)
    {
        if (!read_type(compiler, rule, name, place))
            return false;
    }
    return rule->types != 0 || refuse(compiler, place, "an empty list allows nothing");
}

static bool read_members(struct compiler *compiler, struct schema_rule *rule,
                         const struct json_place *place)
{
    const char *name;
    json_t *member;
    if (!json_is_object(rule->value))
        return refuse(compiler, place, "an object of schemas is needed");
    if (!has_room_for(compiler, rule, json_object_size(rule->value), place))
        return false;
    json_object_foreach((json_t *)rule->value, name, member)
    {
        struct json_place inner = {.outer = place, .name = name};
        if (!add_child(compiler, rule, member, &inner))
            return false;
    }
    return true;
}

static bool read_pattern(struct compiler *compiler, struct schema_rule *rule, const char *text,
                         size_t bytes, const struct json_place *place)
{
    char problem[256];
    struct json_pattern *pattern = json_pattern_compile(text, bytes, problem, sizeof(problem));
    if (!pattern)
        return refuse(compiler, place, "no regular expression that is understood here: %s",
                      problem);
    rule->patterns[rule->pattern_count++] = pattern;
    return true;
}

static bool has_room_for_patterns(struct compiler *compiler, struct schema_rule *rule, size_t count,
                                  const struct json_place *place)
{
    rule->patterns = calloc(count + 1, sizeof(rule->patterns[0]));
    return rule->patterns || refuse(compiler, place, "no memory");
}

static bool read_one_pattern(struct compiler *compiler, struct schema_rule *rule,
                             const struct json_place *place)
{
    if (!json_is_string(rule->value))
        return refuse(compiler, place, "a regular expression is needed");
    return has_room_for_patterns(compiler, rule, 1, place) &&
           read_pattern(compiler, rule, json_string_value(rule->value),
                        json_string_length(rule->value), place);
}

static bool read_pattern_members(struct compiler *compiler, struct schema_rule *rule,
                                 const struct json_place *place)
{
    const char *name;
    json_t *member;
    if (!read_members(compiler, rule, place) ||
        !has_room_for_patterns(compiler, rule, json_object_size(rule->value), place))
        return false;
    json_object_foreach((json_t *)rule->value, name, member)
    {
        struct json_place inner = {.outer = place, .name = name};
        if (!read_pattern(compiler, rule, name, strlen(name), &inner))
            return false;
    }
    return true;
}

static bool read_schemas(struct compiler *compiler, struct schema_rule *rule,
                         const struct json_place *place)
{
    size_t i;
    const json_t *element;
    if (!json_is_array(rule->value) || json_array_size(rule->value) == 0)
        return refuse(compiler, place, "a list of schemas is needed, and not an empty one");
    if (!has_room_for(compiler, rule, json_array_size(rule->value), place))
        return false;
    json_array_foreach(rule->value, i, element)
    {
        struct json_place inner = {.outer = place, .index = i};
        if (!add_child(compiler, rule, element, &inner))
            return false;
    }
    return true;
}

static bool read_names(struct compiler *compiler, const struct schema_rule *rule,
                       const struct json_place *place)
{
    size_t i;
    const json_t *name;
    if (!json_is_array(rule->value))
        return refuse(compiler, place, "a list of names is needed");
    json_array_foreach(rule->value, i, name)
    {
        if (!json_is_string(name))
            return refuse(compiler, place, "a list of names is needed; number %zu is none", i + 1);
    }
    return true;
}

static bool read_count(struct compiler *compiler, struct schema_rule *rule,
                       const struct json_place *place)
{
    double number = json_is_number(rule->value) ? json_number_value(rule->value) : -1;
    if (number < 0 || number > 9007199254740992.0 || number != floor(number))
        return refuse(compiler, place, "a whole number from 0 to 2^53 is needed");
    rule->count = (uint64_t)number;
    return true;
}

static bool read_number(struct compiler *compiler, const struct schema_rule *rule, bool is_positive,
                        const struct json_place *place)
{
    if (!json_is_number(rule->value))
        return refuse(compiler, place, "a number is needed");
    return !is_positive || json_number_value(rule->value) > 0 ||
           refuse(compiler, place, "a number above 0 is needed");
}

/* "#" or "#/$defs/NAME"; ~1 and ~0 in the name are / and ~ (RFC 6901). */
static bool read_reference(struct compiler *compiler, struct schema_rule *rule,
                           const struct json_place *place)
{
    const json_t *found = NULL;
    const char *text = json_string_value(rule->value);
    if (text && strcmp(text, "#") == 0)
        found = compiler->schema->document;
    if (text && strncmp(text, DEFINITION_PREFIX, strlen(DEFINITION_PREFIX)) == 0 &&
        !strchr(text, '%')) {
        char *name = strdup(text + strlen(DEFINITION_PREFIX)), *to = name;
        for (const char *from = name; from && *from; from++) {
            bool is_escape = from[0] == '~' && (from[1] == '0' || from[1] == '1');
            *to++ = !is_escape ? *from : from[1] == '0' ? '~' : '/';
            from += is_escape;
        }
        if (to)
            *to = '\0';
        const json_t *definitions = json_object_get(compiler->schema->document, "$defs");
        found = name ? json_object_get(definitions, name) : NULL;
        free(name);
    }
    if (!found)
        return refuse(compiler, place, "allowed is # or %sNAME, of a name that is there",
                      DEFINITION_PREFIX);
    struct schema_node *node = find_node(compiler->schema->nodes, found);
    if (!node || !has_room_for(compiler, rule, 1, place))
        return refuse(compiler, place, "it is no schema");
    rule->nodes[rule->node_count++] = node;
    return true;
}

static bool read_dialect(struct compiler *compiler, const struct schema_rule *rule,
                         const struct json_place *place)
{
    const char *text = json_string_value(rule->value);
    return (text && strcmp(text, DIALECT) == 0) ||
           refuse(compiler, place, "only \"%s\" is known", DIALECT);
}

static bool read_argument(struct compiler *compiler, struct schema_rule *rule,
                          const struct json_place *place)
{
    bool is_in_root = place->outer && !place->outer->outer;
    switch ((enum schema_form)forms[rule->keyword]) {
    case FORM_TYPES:
        return read_types(compiler, rule, place);
    case FORM_VALUES:
        return (json_is_array(rule->value) && json_array_size(rule->value) > 0) ||
               refuse(compiler, place, "a list of values is needed, and not an empty one");
    case FORM_MEMBERS:
        return read_members(compiler, rule, place);
    case FORM_SCHEMA:
        return has_room_for(compiler, rule, 1, place) &&
               add_child(compiler, rule, rule->value, place);
    case FORM_SCHEMAS:
        return read_schemas(compiler, rule, place);
    case FORM_PATTERN:
        return read_one_pattern(compiler, rule, place);
    case FORM_PATTERN_MEMBERS:
        return read_pattern_members(compiler, rule, place);
    case FORM_NAMES:
        return read_names(compiler, rule, place);
    case FORM_NUMBER:
        return read_number(compiler, rule, false, place);
    case FORM_POSITIVE:
        return read_number(compiler, rule, true, place);
    case FORM_COUNT:
        return read_count(compiler, rule, place);
    case FORM_SWITCH:
        return json_is_boolean(rule->value) || refuse(compiler, place, "true or false is needed");
    case FORM_REFERENCE:
        return read_reference(compiler, rule, place);
    case FORM_AT_TOP:
        return is_in_root || refuse(compiler, place, "stands at the top of the document only");
    case FORM_DIALECT:
        return read_dialect(compiler, rule, place);
    case FORM_VALUE:
    case FORM_NOTE:
        break;
    }
    return true;
}

/* ---- nodes ---- */

static enum schema_keyword find_keyword(const char *name)
{
    uint32_t keyword = 0;
    while (keyword < SCHEMA_KEYWORD_COUNT && strcmp(schema_keyword_names[keyword], name) != 0)
        keyword++;
    return (enum schema_keyword)keyword;
}

/* What is no count is refused where it stands. */
static uint64_t count_beside(const struct schema_node *node, const char *name, uint64_t otherwise)
{
    const json_t *count = json_object_get(node->document, name);
    double number = json_is_number(count) ? json_number_value(count) : -1;
    return number >= 0 && number <= 9007199254740992.0 ? (uint64_t)number : otherwise;
}

static bool add_rule(struct compiler *compiler, struct schema_node *node, const char *name,
                     const json_t *value, const struct json_place *place)
{
    struct schema_rule *rule = &node->rules[node->rule_count];
    *rule = (struct schema_rule){.keyword = find_keyword(name), .value = value};
    if (rule->keyword == SCHEMA_KEYWORD_COUNT)
        return refuse(compiler, place, "this keyword is not known here; known are %s",
                      all_keywords);
    if (schema_keyword_types[rule->keyword] != 0)
        node->rule_count++; /* from here on its nodes are freed with it */
    if (!read_argument(compiler, rule, place))
        return false;
    if (rule->keyword == SCHEMA_KEYWORD_ITEMS)
        rule->count = json_array_size(json_object_get(node->document, "prefixItems"));
    if (rule->keyword == SCHEMA_KEYWORD_CONTAINS) {
        rule->count = count_beside(node, "minContains", 1);
        rule->count_max = count_beside(node, "maxContains", UINT64_MAX);
    }
    return true;
}

static const struct schema_rule *find_rule(const struct schema_node *node,
                                           enum schema_keyword keyword)
{
    for (size_t i = 0; i < node->rule_count; i++)
        if (node->rules[i].keyword == keyword)
            return &node->rules[i];
    return NULL;
}

static bool compile_node(struct compiler *compiler, struct schema_node *node,
                         const struct json_place *place)
{
    const char *name;
    json_t *value;
    if (json_is_boolean(node->document))
        return true;
    if (!json_is_object(node->document))
        return refuse(compiler, place, "a schema is an object, true or false");
    node->rules = calloc(json_object_size(node->document) + 1, sizeof(node->rules[0]));
    if (!node->rules)
        return refuse(compiler, place, "no memory");
    json_object_foreach((json_t *)node->document, name, value)
    {
        struct json_place inner = {.outer = place, .name = name};
        if (!add_rule(compiler, node, name, value, &inner))
            return false;
    }
    node->properties = find_rule(node, SCHEMA_KEYWORD_PROPERTIES);
    node->pattern_properties = find_rule(node, SCHEMA_KEYWORD_PATTERN_PROPERTIES);
    node->then_rule = find_rule(node, SCHEMA_KEYWORD_THEN);
    node->else_rule = find_rule(node, SCHEMA_KEYWORD_ELSE);
    return true;
}

/* ---- loops ---- */

static bool applies_in_place(enum schema_keyword keyword)
{
    return keyword == SCHEMA_KEYWORD_ALL_OF || keyword == SCHEMA_KEYWORD_ANY_OF ||
           keyword == SCHEMA_KEYWORD_ONE_OF || keyword == SCHEMA_KEYWORD_NOT ||
           keyword == SCHEMA_KEYWORD_REF || keyword == SCHEMA_KEYWORD_IF ||
           keyword == SCHEMA_KEYWORD_THEN || keyword == SCHEMA_KEYWORD_ELSE;
}

/* Back to a node without having gone into the value: checking it would never end. */
static bool has_loop(struct compiler *compiler, struct schema_node *node)
{
    enum { FRESH = 0, OPEN, DONE };
    if (node->mark == OPEN) {
        snprintf(compiler->problem, compiler->problem_bytes,
                 "%.400s: this leads back to itself without going into the value",
                 node->pointer ? node->pointer : "the schema");
        return true;
    }
    if (node->mark == DONE)
        return false;
    node->mark = OPEN;
    for (size_t i = 0; i < node->rule_count; i++)
        for (size_t k = 0; k < node->rules[i].node_count; k++)
            if (applies_in_place(node->rules[i].keyword) &&
                has_loop(compiler, node->rules[i].nodes[k]))
                return true;
    node->mark = DONE;
    return false;
}

static bool has_loops(struct compiler *compiler)
{
    for (struct schema_node *node = compiler->schema->nodes; node; node = node->next)
        if (has_loop(compiler, node))
            return true;
    return false;
}

/* ---- life ---- */

/* Every definition has its node before any is read: they may refer to each other. */
static bool compile_all(struct compiler *compiler)
{
    struct json_schema *schema = compiler->schema;
    const struct json_place top = {0};
    const struct json_place inside = {.outer = &top, .name = "$defs"};
    json_t *definitions = json_object_get(schema->document, "$defs");
    const char *name;
    json_t *definition;
    schema->root = add_node(compiler, schema->document, &top);
    if (!schema->root)
        return false;
    if (definitions && !json_is_object(definitions))
        return refuse(compiler, &inside, "an object of schemas is needed");
    json_object_foreach(definitions, name, definition)
    {
        struct json_place place = {.outer = &inside, .name = name};
        if (!add_node(compiler, definition, &place))
            return false;
    }
    struct schema_node *first = schema->nodes; /* what is added from here on stands before it */
    json_object_foreach(definitions, name, definition)
    {
        struct json_place place = {.outer = &inside, .name = name};
        if (!compile_node(compiler, find_node(first, definition), &place))
            return false;
    }
    return compile_node(compiler, schema->root, &top) && !has_loops(compiler);
}

struct json_schema *json_schema_compile(json_t *document, char *problem, size_t problem_bytes)
{
    struct compiler compiler = {.schema = calloc(1, sizeof(*compiler.schema)),
                                .problem = problem,
                                .problem_bytes = problem_bytes};
    if (!compiler.schema) {
        snprintf(problem, problem_bytes, "no memory");
        json_decref(document);
        return NULL;
    }
    compiler.schema->document = document;
    if (compile_all(&compiler))
        return compiler.schema;
    json_schema_destroy(compiler.schema);
    return NULL;
}

static void free_rule(const struct schema_rule *rule)
{
    for (size_t i = 0; i < rule->pattern_count; i++)
        json_pattern_destroy(rule->patterns[i]);
    free(rule->patterns);
    free(rule->nodes);
}

void json_schema_destroy(struct json_schema *schema)
{
    if (!schema)
        return;
    while (schema->nodes) {
        struct schema_node *node = schema->nodes;
        schema->nodes = node->next;
        for (size_t i = 0; i < node->rule_count; i++)
            free_rule(&node->rules[i]);
        free(node->rules);
        free(node->pointer);
        free(node);
    }
    json_decref(schema->document);
    free(schema);
}
