/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/etag.h"
#include "dataplane/http_date.h"
#include "tests/fuzz/fuzz_target.h"

static void check_list(const struct http_request *request, enum etag_comparison comparison)
{
    struct etag_versions versions = {.count = 0};
    struct etag_list list;
    if (etag_list_parse(request, "if-match", comparison, &versions, &list) != ETAG_LIST_GOOD)
        return;
    ASSERT(list.is_present && list.count == versions.count && list.count <= ETAG_VERSIONS_MAX);
    ASSERT(!list.is_any || (list.count == 0 && !list.has_unmatchable));
    ASSERT(list.is_any || list.count > 0 || list.has_unmatchable);
    ASSERT(!etag_list_matches(&list, &versions, 0));
    for (uint32_t i = 0; i < list.count; i++) {
        uint8_t tag[ETAG_BYTES_MAX];
        uint32_t tag_bytes = etag_format(versions.at[i], tag);
        bool is_there = false;
        for (uint32_t f = 0; f < request->field_count; f++)
            is_there = is_there || memmem(request->fields[f].value.at,
                                          request->fields[f].value.bytes, tag, tag_bytes) != NULL;
        ASSERT(is_there && etag_list_matches(&list, &versions, versions.at[i]));
    }
}

static void check_date(const uint8_t *data, uint32_t size)
{
    uint64_t first = 0, second = 0;
    uint8_t text[HTTP_DATE_BYTES];
    if (!http_date_parse((struct http_slice){data, size}, UINT64_C(1790000000), &first))
        return;
    http_date_format(first, text);
    ASSERT(http_date_parse((struct http_slice){text, HTTP_DATE_BYTES}, 0, &second));
    ASSERT(first == second || first == second + 1); /* the leap second of 9999 */
}

/* The value of one If-Match field, or of two when a NUL divides it; and a date. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_request request;
    if (size > 4096)
        return 0;
    uint8_t *bytes = fuzz_copy(data, size);
    const uint8_t *divider = memchr(bytes, '\0', size);
    uint32_t first_bytes = divider != NULL ? (uint32_t)(divider - bytes) : (uint32_t)size;
    struct http_slice name = {(const uint8_t *)"If-Match", 8};
    request.field_count = 1;
    request.name_lengths = http_name_length_bit(name.bytes);
    request.fields[0] = (struct http_field){name, {bytes, first_bytes}};
    if (divider != NULL) {
        struct http_slice rest = {divider + 1, (uint32_t)size - first_bytes - 1};
        request.fields[request.field_count++] = (struct http_field){name, rest};
    }
    check_list(&request, ETAG_STRONG);
    check_list(&request, ETAG_WEAK);
    check_date(bytes, (uint32_t)size);
    free(bytes);
    return 0;
}
