/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/list_cursor.h"
#include "control/text_buffer.h"
#include "tests/fuzz/fuzz_target.h"

/* A cursor from anywhere is refused, or is exactly the one that its name has. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[] = "ns\0a";
    uint8_t name[USER_KEY_BYTES_MAX];
    uint32_t name_bytes = 0;
    if (size > 4096)
        return 0;
    uint8_t *cursor = fuzz_copy(data, size);
    if (list_cursor_read(cursor, (uint32_t)size, key, 4, name, &name_bytes)) {
        struct text_buffer text = {0};
        ASSERT(name_bytes >= 1 && name_bytes <= sizeof(name) && name[0] == 'a');
        list_cursor_add(&text, key, 4, name, name_bytes);
        ASSERT(text.used_bytes == size && memcmp(text.bytes, cursor, size) == 0);
        text_buffer_clear(&text);
    }
    free(cursor);
    if (size <= USER_KEY_BYTES_MAX) { /* and every name has one that is read again */
        struct text_buffer text = {0};
        list_cursor_add(&text, (const uint8_t *)"ns", 3, data, (uint32_t)size);
        ASSERT(list_cursor_read((const uint8_t *)text.bytes, (uint32_t)text.used_bytes,
                                (const uint8_t *)"ns", 3, name, &name_bytes));
        ASSERT(name_bytes == size && memcmp(name, data, size) == 0);
        text_buffer_clear(&text);
    }
    return 0;
}
