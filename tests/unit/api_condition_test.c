/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "dataplane/api_condition.h"
#include "dataplane/api_request.h"
#include "include/compiler.h"

#define MODIFIED_S UINT64_C(1000)
#define CURRENT 5u
#define OTHER 6u

/* What a condition field says, in every shape that differs for its verdict. */
enum tag_field { TAGS_NONE, TAGS_ANY, TAGS_CURRENT, TAGS_OTHER, TAGS_BOTH, TAG_FIELDS };
enum date_field { DATE_NONE, DATE_BEFORE, DATE_EQUAL, DATE_AFTER, DATE_FIELDS };

static void set_list(struct api_request *request, struct etag_list *list, enum tag_field field)
{
    *list = (struct etag_list){.is_present = field != TAGS_NONE,
                               .is_any = field == TAGS_ANY,
                               .first = (uint8_t)request->tags.count};
    if (field == TAGS_CURRENT || field == TAGS_BOTH) {
        request->tags.at[request->tags.count++] = CURRENT;
        list->count++;
    }
    if (field == TAGS_OTHER || field == TAGS_BOTH) {
        request->tags.at[request->tags.count++] = OTHER;
        list->count++;
    }
}

static uint64_t date_of(enum date_field field)
{
    return field == DATE_BEFORE  ? MODIFIED_S - 1
           : field == DATE_EQUAL ? MODIFIED_S
                                 : MODIFIED_S + 1;
}

/* RFC 9110 13.2.2, its steps as they stand there. */
static enum condition_verdict by_the_book(bool is_read, bool exists, enum tag_field if_match,
                                          enum date_field unmodified, enum tag_field none_match,
                                          enum date_field modified)
{
    bool names_current = if_match == TAGS_ANY || if_match == TAGS_CURRENT || if_match == TAGS_BOTH;
    if (if_match != TAGS_NONE) { /* 1 */
        if (!(exists && names_current))
            return CONDITION_FAILED;
    } else if (unmodified != DATE_NONE && exists) { /* 2 */
        if (unmodified == DATE_BEFORE)
            return CONDITION_FAILED;
    }
    if (none_match != TAGS_NONE) { /* 3 */
        if (exists && none_match != TAGS_OTHER)
            return is_read ? CONDITION_NOT_MODIFIED : CONDITION_FAILED;
        return CONDITION_PASSED;
    }
    if (is_read && modified != DATE_NONE) /* 4 */
        return modified == DATE_BEFORE ? CONDITION_PASSED : CONDITION_NOT_MODIFIED;
    return CONDITION_PASSED;
}

static void every_combination_is_decided_in_the_order_of_the_rfc(void **state)
{
    (void)state;
    static const uint8_t methods[] = {HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_DELETE};
    for (uint32_t i = 0; i < 4u * 2 * TAG_FIELDS * DATE_FIELDS * TAG_FIELDS * DATE_FIELDS; i++) {
        uint32_t rest = i;
        struct api_request request = {.method = methods[rest % 4]};
        bool is_read = request.method == HTTP_GET || request.method == HTTP_HEAD;
        bool exists = (rest /= 4) % 2;
        enum tag_field if_match = (rest /= 2) % TAG_FIELDS;
        enum date_field unmodified = (rest /= TAG_FIELDS) % DATE_FIELDS;
        enum tag_field none_match = (rest /= DATE_FIELDS) % TAG_FIELDS;
        enum date_field modified = rest / TAG_FIELDS;
        if (is_read && !exists)
            continue; /* 404 whatever the conditions are */
        set_list(&request, &request.if_match, if_match);
        set_list(&request, &request.if_none_match, none_match);
        request.has_if_unmodified_since = unmodified != DATE_NONE;
        request.if_unmodified_since_s = date_of(unmodified);
        request.has_if_modified_since = modified != DATE_NONE;
        request.if_modified_since_s = date_of(modified);
        enum condition_verdict expected =
            by_the_book(is_read, exists, if_match, unmodified, none_match, modified);
        enum condition_verdict got = condition_evaluate(&request, exists ? CURRENT : 0,
                                                        exists ? MODIFIED_S * 1000 + 999 : 0);
        if (got != expected)
            fail_msg("method %u exists %d If-Match %d If-Unmodified-Since %d If-None-Match %d "
                     "If-Modified-Since %d: %d instead of %d",
                     request.method, exists, if_match, unmodified, none_match, modified, got,
                     expected);
    }
}

static void set_many(struct api_request *request, struct etag_list *list, uint8_t count)
{
    *list = (struct etag_list){
        .is_present = true, .first = (uint8_t)request->tags.count, .count = count};
    for (uint32_t i = 0; i < count; i++)
        request->tags.at[request->tags.count++] = 10 + i;
}

static void an_operation_carries_one_short_list_and_nothing_more(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t match, none;
        bool has_date, fits;
    } cases[] = {
        {"nothing", 0, 0, false, true},
        {"four to match", 4, 0, false, true},
        {"five to match", 5, 0, false, false},
        {"four not to match", 0, 4, false, true},
        {"five not to match", 0, 5, false, false},
        {"both", 1, 1, false, false},
        {"a date", 0, 0, true, false},
        {"a date and tags not to match", 0, 1, true, false},
        {"a date that If-Match outranks", 1, 0, true, true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct api_request request = {.method = HTTP_PUT,
                                      .has_if_unmodified_since = cases[i].has_date};
        struct shard_operation operation = {0};
        if (cases[i].match)
            set_many(&request, &request.if_match, cases[i].match);
        if (cases[i].none)
            set_many(&request, &request.if_none_match, cases[i].none);
        if (condition_fits_operation(&request) != cases[i].fits)
            fail_msg("'%s'", cases[i].what);
        if (!cases[i].fits)
            continue;
        condition_for_shard(&request, &operation.condition, &operation.version_count,
                            operation.versions);
        uint8_t expected = cases[i].match  ? SHARD_IF_VERSION_IN
                           : cases[i].none ? SHARD_IF_VERSION_NOT
                                           : SHARD_ALWAYS;
        assert_int_equal(operation.condition, expected);
        assert_int_equal(operation.version_count, cases[i].match + cases[i].none);
        for (uint32_t v = 0; v < operation.version_count; v++)
            assert_int_equal(operation.versions[v], 10 + v);
    }
}

static void what_was_seen_is_expected_of_the_write(void **state)
{
    (void)state;
    struct shard_operation operation = {0};
    condition_expect(17, &operation.condition, &operation.version_count, operation.versions);
    assert_int_equal(operation.condition, SHARD_IF_VERSION_IN);
    assert_int_equal(operation.version_count, 1);
    assert_int_equal(operation.versions[0], 17);
    condition_expect(0, &operation.condition, &operation.version_count, operation.versions);
    assert_int_equal(operation.condition, SHARD_IF_ABSENT);
    assert_int_equal(operation.version_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_is_decided_in_the_order_of_the_rfc),
        cmocka_unit_test(an_operation_carries_one_short_list_and_nothing_more),
        cmocka_unit_test(what_was_seen_is_expected_of_the_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
