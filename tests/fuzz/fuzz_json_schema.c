/* SPDX-License-Identifier: BSD-3-Clause */
/* [schema, value, value ...]: whatever they are, a check ends within its steps and reports JSON. */
#include "control/json_schema.h"
#include "tests/fuzz/fuzz_target.h"

static void check(const struct json_schema *schema, const json_t *value)
{
    struct schema_report report = {.steps_max = 10000, .violations_max = 4};
    enum schema_verdict verdict = json_schema_check(schema, value, &report);
    ASSERT(report.named <= report.violations_max);
    ASSERT(verdict != SCHEMA_FITS || report.named == 0);
    ASSERT(verdict != SCHEMA_VIOLATED || report.named > 0);
    struct text_buffer text = {0};
    text_format(&text, "[%s]", report.violations.bytes ? report.violations.bytes : "");
    json_t *violations = json_loads(text.bytes, JSON_ALLOW_NUL, NULL);
    ASSERT(violations != NULL && json_array_size(violations) == report.named);
    json_decref(violations);
    text_buffer_clear(&text);
    text_buffer_clear(&report.violations);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char problem[256];
    json_t *pair =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    json_t *document = json_is_array(pair) ? json_array_get(pair, 0) : NULL;
    struct json_schema *schema =
        document ? json_schema_compile(json_incref(document), problem, sizeof(problem)) : NULL;
    for (size_t i = 1; schema != NULL && i < json_array_size(pair); i++)
        check(schema, json_array_get(pair, i));
    json_schema_destroy(schema);
    json_decref(pair);
    return 0;
}
