/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCRE2 calls us back before each item that it tries: so a pattern that goes back and forth without
 * end takes steps like everything else in a check, and ends with them.
 */
#include "control/json_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "include/compiler.h"

#define TEXT_BYTES_PER_STEP 64u /* an item such as a* may run over all of the text at once */
#define MATCH_MEMORY_KIB 4096u

#define OPTIONS                                                                                    \
    (PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF |            \
     PCRE2_DOLLAR_ENDONLY | PCRE2_AUTO_CALLOUT)

/* ---- the dialect ---- */

struct scan {
    const char *at, *end;
    const char *wrong;
};

static char next_byte(const struct scan *scan, size_t ahead)
{
    return (size_t)(scan->end - scan->at) > ahead ? scan->at[ahead] : '\0';
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Behind the backslash: what ECMA-262 knows and PCRE2 takes for the same. */
static void scan_escape(struct scan *scan)
{
    char byte = next_byte(scan, 1);
    if (byte == '\0' || !strchr("dDwWsSbBnrtfcxupPk0123456789^$\\.*+?()[]{}|/-", byte))
        scan->wrong = "an escape that ECMA-262 does not have, or that means something else there";
    if (is_digit(byte) && is_digit(next_byte(scan, 2)))
        scan->wrong = "an octal escape, or a reference above 9";
    scan->at += scan->at + 2 < scan->end ? 2 : 1;
}

static void scan_class(struct scan *scan)
{
    scan->at += next_byte(scan, 1) == '^' ? 2 : 1;
    while (scan->at < scan->end && *scan->at != ']' && !scan->wrong) {
        if (*scan->at == '[' && next_byte(scan, 1) != '\0' && strchr(":.=", next_byte(scan, 1)))
            scan->wrong = "a named class such as [:alpha:]";
        if (*scan->at == '\\')
            scan_escape(scan);
        else
            scan->at++;
    }
    scan->at += scan->at < scan->end;
}

static void scan_group(struct scan *scan)
{
    static const char *const known[] = {":", "=", "!", "<"};
    char kind[2] = {next_byte(scan, 2), '\0'};
    bool is_known = next_byte(scan, 1) != '?';
    for (size_t i = 0; i < ARRAY_COUNT(known); i++)
        is_known |= strcmp(kind, known[i]) == 0;
    if (next_byte(scan, 1) == '*' || !is_known)
        scan->wrong = "a group that ECMA-262 does not have";
    scan->at += next_byte(scan, 1) == '?' ? 2 : 1;
}

/* "a++" and its like are possessive in PCRE2, and nothing in ECMA-262. */
static void scan_other(struct scan *scan)
{
    if (strchr("*+?}", *scan->at) && next_byte(scan, 1) == '+')
        scan->wrong = "two quantifiers in a row";
    scan->at++;
}

/* NULL: all of it is understood alike. */
static const char *find_foreign(const char *pattern, size_t bytes)
{
    struct scan scan = {.at = pattern, .end = pattern + bytes};
    if (memchr(pattern, '\0', bytes))
        return "a zero byte; write \\u0000";
    while (scan.at < scan.end && !scan.wrong) {
        if (*scan.at == '\\')
            scan_escape(&scan);
        else if (*scan.at == '[')
            scan_class(&scan);
        else if (*scan.at == '(')
            scan_group(&scan);
        else
            scan_other(&scan);
    }
    return scan.wrong;
}

/* ---- compiled ---- */

struct json_pattern *json_pattern_compile(const char *pattern, size_t pattern_bytes, char *problem,
                                          size_t problem_bytes)
{
    int error;
    PCRE2_SIZE place;
    PCRE2_UCHAR said[128] = "";
    const char *foreign = find_foreign(pattern, pattern_bytes);
    if (foreign) {
        snprintf(problem, problem_bytes, "it has %s", foreign);
        return NULL;
    }
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_code *code = NULL;
    if (context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF); /* what a dot does not match */
        pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX); /* \u{1F600} */
        code = pcre2_compile((PCRE2_SPTR)pattern, pattern_bytes, OPTIONS, &error, &place, context);
        pcre2_compile_context_free(context);
        if (!code)
            pcre2_get_error_message(error, said, sizeof(said));
    }
    if (!code)
        snprintf(problem, problem_bytes, "%s, at byte %zu", context ? (char *)said : "no memory",
                 context ? (size_t)place : 0);
    return (struct json_pattern *)code;
}

void json_pattern_destroy(struct json_pattern *pattern)
{
    pcre2_code_free((pcre2_code *)pattern);
}

/* ---- matching ---- */

struct meter {
    uint64_t *steps;
    uint64_t each;
};

static int take_steps(pcre2_callout_block *block, void *data)
{
    const struct meter *meter = data;
    (void)block;
    *meter->steps -= *meter->steps < meter->each ? *meter->steps : meter->each;
    return *meter->steps == 0 ? PCRE2_ERROR_CALLOUT : 0;
}

bool json_pattern_matches(const struct json_pattern *pattern, const char *text, size_t bytes,
                          uint64_t *steps)
{
    struct meter meter = {.steps = steps, .each = 1 + bytes / TEXT_BYTES_PER_STEP};
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int found = PCRE2_ERROR_NOMEMORY;
    if (context && data) {
        pcre2_set_callout(context, take_steps, &meter);
        pcre2_set_heap_limit(context, MATCH_MEMORY_KIB);
        found =
            pcre2_match((const pcre2_code *)pattern, (PCRE2_SPTR)text, bytes, 0, 0, data, context);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        *steps = 0; /* one of the limits: nobody knows */
    return found >= 0;
}
