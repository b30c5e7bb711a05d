/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_parser.h"
#include "tests/fuzz/fuzz_target.h"

/* The first byte is the room for the output, the rest the encoded text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    uint32_t room = data[0];
    uint32_t encoded_bytes = (uint32_t)size - 1;
    uint8_t *encoded = fuzz_copy(data + 1, encoded_bytes);
    uint8_t *decoded = malloc(room != 0 ? room : 1);
    ASSERT(decoded != NULL);

    uint32_t decoded_bytes = 0;
    struct http_slice text = {encoded, encoded_bytes};
    if (http_percent_decode(text, decoded, room, &decoded_bytes)) {
        ASSERT(decoded_bytes <= room);
        ASSERT(decoded_bytes <= encoded_bytes);
        ASSERT((encoded_bytes - decoded_bytes) % 2 == 0);

        /* Escaping every byte and decoding again gives the same bytes. */
        char *escaped = malloc(decoded_bytes * 3 + 1);
        uint8_t *again = malloc(decoded_bytes != 0 ? decoded_bytes : 1);
        ASSERT(escaped != NULL && again != NULL);
        for (uint32_t i = 0; i < decoded_bytes; i++)
            snprintf(escaped + 3 * i, 4, "%%%02x", decoded[i]);
        uint32_t again_bytes = 0;
        struct http_slice all = {(const uint8_t *)escaped, decoded_bytes * 3};
        ASSERT(http_percent_decode(all, again, decoded_bytes, &again_bytes));
        ASSERT(again_bytes == decoded_bytes && memcmp(again, decoded, decoded_bytes) == 0);
        free(again);
        free(escaped);
    }

    struct http_slice value = {NULL, 0};
    if (http_query_parameter(text, "ttl", &value)) {
        ASSERT(value.at >= encoded + 3);
        ASSERT(value.at + value.bytes <= encoded + encoded_bytes);
        ASSERT(memchr(value.at, '&', value.bytes) == NULL);
        uint64_t number = 0;
        if (http_parse_decimal(value, &number))
            ASSERT(value.bytes <= 19);
    }
    free(decoded);
    free(encoded);
    return 0;
}
