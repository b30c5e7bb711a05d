/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json_schema.h - a JSON Schema, and whether a JSON value fits it.
 *
 * Purpose:   the keywords of json_schema_keywords.def, of draft 2020-12. Anything else in a schema
 *            is refused: a rule that nobody checks would be worse than none.
 * Ownership: a schema owns its document and nodes; a report's text belongs to who made the report.
 * Threading: a schema is read-only once compiled: any thread may check with it.
 * Units:     steps: one schema applied to one value, or one value compared.
 * Errors:    compile returns NULL and a sentence beginning with the JSON pointer of the place.
 * Source:    JSON Schema 2020-12 core, sections 8.2.3, 8.2.4 and 10, and validation, section 6.
 */
#ifndef GANNET_JSON_SCHEMA_H
#define GANNET_JSON_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/text_buffer.h"

struct json_schema;

enum schema_verdict {
    SCHEMA_FITS = 0,
    SCHEMA_VIOLATED,
    SCHEMA_TOO_COSTLY, /* not known: the steps were used up, or it lies too deep */
};

/* What the violations of one request, of one value or many, may take. */
struct schema_report {
    uint64_t steps_max;      /* of each value */
    uint32_t violations_max; /* named, of all values together */
    uint32_t named;
    bool has_more;
    /* {"pointer":"/a/0","keyword":"minimum","detail":"..."}, with commas between */
    struct text_buffer violations;
};

/* Takes the document over, also when it fails. */
struct json_schema *json_schema_compile(json_t *document, char *problem, size_t problem_bytes);
void json_schema_destroy(struct json_schema *schema);

enum schema_verdict json_schema_check(const struct json_schema *schema, const json_t *value,
                                      struct schema_report *report);

#endif
