/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/http_scan.h"
#include "tests/unit/guarded_bytes.h"

static bool is_alphanumeric(int byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z');
}

static bool is_one_of(int byte, const char *bytes)
{
    return byte != 0 && strchr(bytes, byte) != NULL;
}

/* The grammar again, in words: the table is generated, this is not. */
static void the_table_is_the_grammar(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        uint32_t expected = 0;
        if (is_alphanumeric(byte) || is_one_of(byte, "!#$%&'*+-.^_`|~"))
            expected |= HTTP_CLASS_TOKEN;
        if (is_alphanumeric(byte) || is_one_of(byte, "-."))
            expected |= HTTP_CLASS_HOST;
        if (byte > 0x20 && byte < 0x7f && !is_one_of(byte, "#?"))
            expected |= HTTP_CLASS_PATH;
        if (byte > 0x20 && byte < 0x7f && !is_one_of(byte, "#?%"))
            expected |= HTTP_CLASS_PLAIN_PATH;
        if (byte > 0x20 && byte < 0x7f && byte != '#')
            expected |= HTTP_CLASS_QUERY;
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            expected |= HTTP_CLASS_CONTROL;
        if (is_alphanumeric(byte) || is_one_of(byte, "-._~!$&'()*+;="))
            expected |= HTTP_CLASS_REG_NAME;
        if (http_byte_class[byte] != expected)
            fail_msg("byte %#x: %#x, not %#x", byte, http_byte_class[byte], expected);
    }
}

static const enum http_class scanned[] = {HTTP_CLASS_TOKEN, HTTP_CLASS_HOST, HTTP_CLASS_PATH,
                                          HTTP_CLASS_QUERY, HTTP_CLASS_PLAIN_PATH};

static void check_both_paths_agree(const uint8_t *first, const uint8_t *at, const uint8_t *end)
{
    struct http_block block, portable;
    http_scan_block(first, at, end, &block);
    http_scan_block_portable(at, end, &portable);
    assert_true(block.controls == portable.controls);
    assert_true(block.not_tokens == portable.not_tokens);
    for (size_t i = 0; i < ARRAY_COUNT(scanned); i++)
        assert_ptr_equal(http_scan_run(first, at, end, scanned[i]),
                         http_scan_run_portable(at, end, scanned[i]));
}

/* One odd byte of every value at every place of runs of every length up to three blocks. */
static void both_paths_agree_on_one_odd_byte(void **state)
{
    (void)state;
    uint8_t run[200];
    for (size_t bytes = 1; bytes <= sizeof(run); bytes += bytes < 20 ? 1 : 13) {
        for (size_t odd = 0; odd < bytes; odd++) {
            for (int byte = 0; byte < 256; byte += bytes < 70 ? 1 : 3) {
                memset(run, 'a', bytes);
                run[odd] = (uint8_t)byte;
                const uint8_t *first = guarded_at_end(run, bytes);
                check_both_paths_agree(first, first, first + bytes);
            }
        }
    }
}

/* Random bytes, mostly of the kind that goes on, from every offset of the buffer. */
static void both_paths_agree_on_random_bytes(void **state)
{
    (void)state;
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    uint8_t run[150];
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof(run); i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            uint8_t byte = (uint8_t)(random >> 56);
            run[i] = (random >> 40) % 16 == 0 ? byte : (uint8_t)('a' + byte % 26);
        }
        size_t bytes = 1 + (size_t)(random >> 33) % sizeof(run);
        const uint8_t *first = guarded_at_end(run, bytes);
        for (size_t offset = 0; offset < bytes; offset++)
            check_both_paths_agree(first, first + offset, first + bytes);
        first = guarded_at_start(run, bytes);
        for (size_t end = 1; end <= bytes; end++)
            check_both_paths_agree(first, first, first + end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_grammar),
        cmocka_unit_test(both_paths_agree_on_one_odd_byte),
        cmocka_unit_test(both_paths_agree_on_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
