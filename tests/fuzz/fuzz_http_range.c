/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_range.h"
#include "tests/fuzz/fuzz_target.h"

/* Four bytes of a value's size, then the text of a Range field. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_request request;
    uint32_t value_bytes, offset = 0, length = 0;
    if (size < sizeof(value_bytes) || size > 4096)
        return 0;
    memcpy(&value_bytes, data, sizeof(value_bytes));
    uint32_t text_bytes = (uint32_t)(size - sizeof(value_bytes));
    uint8_t *text = fuzz_copy(data + sizeof(value_bytes), text_bytes);
    struct http_slice name = {(const uint8_t *)"Range", 5};
    request.field_count = 1;
    request.name_lengths = http_name_length_bit(name.bytes);
    request.fields[0] = (struct http_field){name, {text, text_bytes}};
    struct http_range range = http_range_parse(&request);
    ASSERT(range.kind != HTTP_RANGE_FROM_TO || range.first <= range.last);
    if (http_range_resolve(&range, value_bytes, &offset, &length) == HTTP_RANGE_PART)
        ASSERT(length > 0 && (uint64_t)offset + length <= value_bytes);
    free(text);
    return 0;
}
