/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON comes out as it went in, numbers too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/json_write.h"
#include "include/compiler.h"
#include "include/random.h"

static void what_has_no_blanks_comes_out_as_it_went_in(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[]",
        "null",
        "true",
        "\"\"",
        "{\"z\":1,\"a\":[{},[],false,null,{\"b\":\"\\\"\\\\\\n\"}]}",
        "[0,-1,9223372036854775807,-9223372036854775808]",
        "[0.1,19.99,-0.0,1.0,100.0,0.30000000000000004,1.7976931348623157e+308]",
        "[3.141592653589793,123456789012345.6,1e+22,1.5e-07]",
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct text_buffer text = {0};
        json_t *value = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        json_add_value(&text, value);
        assert_string_equal(text.bytes, texts[i]);
        json_decref(value);
        text_buffer_clear(&text);
    }
}

static void every_double_leads_back_to_itself(void **state)
{
    (void)state;
    struct random random = {.state = 7};
    for (uint32_t i = 0; i < 20000; i++) {
        uint64_t bits = random_u64(&random);
        double number, again;
        memcpy(&number, &bits, sizeof(number));
        json_t *value = json_real(number);
        if (!value)
            continue; /* infinite, or no number */
        struct text_buffer text = {0};
        json_add_value(&text, value);
        again = strtod(text.bytes, NULL);
        assert_memory_equal(&again, &number, sizeof(number));
        json_decref(value);
        text_buffer_clear(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_no_blanks_comes_out_as_it_went_in),
        cmocka_unit_test(every_double_leads_back_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
