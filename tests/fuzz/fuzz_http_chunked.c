/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_parser.h"
#include "tests/fuzz/fuzz_target.h"

struct outcome {
    enum http_parse_status status;
    uint32_t used_bytes, body_bytes;
    uint64_t body_sum; /* of the body's bytes, in order */
};

/* Feeds the bytes in pieces of `piece_bytes`, each alone on the heap. */
static struct outcome decode(const uint8_t *data, uint32_t size, uint32_t piece_bytes)
{
    struct http_chunked chunked = {0};
    struct outcome outcome = {.status = HTTP_PARSE_PARTIAL};
    for (uint32_t at = 0; at < size && outcome.status == HTTP_PARSE_PARTIAL;) {
        uint32_t length = size - at < piece_bytes ? size - at : piece_bytes;
        uint8_t *piece = fuzz_copy(data + at, length);
        uint32_t done = 0;
        while (done < length && outcome.status == HTTP_PARSE_PARTIAL) {
            uint32_t used;
            struct http_slice body;
            outcome.status = http_chunked_next(&chunked, piece + done, length - done, &used, &body);
            ASSERT(used <= length - done && body.bytes <= used);
            ASSERT(used > 0 || outcome.status != HTTP_PARSE_PARTIAL);
            for (uint32_t i = 0; i < body.bytes; i++)
                outcome.body_sum = outcome.body_sum * 31 + body.at[i] + 1;
            outcome.body_bytes += body.bytes;
            done += used;
        }
        outcome.used_bytes += done;
        at += length;
        free(piece);
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t pieces[] = {1, 2, 3, 7, 64};
    if (size > 4096)
        return 0;
    struct outcome whole = decode(data, (uint32_t)size, UINT32_MAX);
    ASSERT(whole.used_bytes <= size && whole.body_bytes <= whole.used_bytes);
    for (size_t i = 0; i < ARRAY_COUNT(pieces); i++) {
        struct outcome split = decode(data, (uint32_t)size, pieces[i]);
        ASSERT(split.status == whole.status);
        ASSERT(split.used_bytes == whole.used_bytes);
        ASSERT(split.body_bytes == whole.body_bytes && split.body_sum == whole.body_sum);
    }
    return 0;
}
