/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A line of filter, then a frame: both may be any bytes. What is refused is explained; a shorter
 * frame is never wanted for what only a longer one has.
 */
#include <string.h>

#include "control/capture_filter.h"
#include "dataplane/frame_filter.h"
#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[CAPTURE_FILTER_TEXT_MAX + 2] = "", error[256] = "";
    struct capture_filter filter;
    const uint8_t *end = memchr(data, '\n', size);
    size_t text_bytes = end ? (size_t)(end - data) : size;
    memcpy(text, data, text_bytes < sizeof(text) - 1 ? text_bytes : sizeof(text) - 1);
    if (!capture_filter_parse(text, &filter, error, sizeof(error))) {
        ASSERT(error[0] != '\0');
        return 0;
    }
    ASSERT(filter.snap_bytes >= 1 && filter.snap_bytes <= CAPTURE_SNAP_BYTES_MAX);
    ASSERT(filter.directions != 0 && filter.prefix_bits <= 128);
    if (!end)
        return 0;
    const uint8_t *frame = end + 1;
    uint32_t bytes = (uint32_t)(size - text_bytes - 1);
    bool is_wanted = frame_filter_wants(&filter, CAPTURE_RECEIVED, frame, bytes);
    bool is_anything = filter.ip_version == 0 && filter.protocol == 0 && filter.port == 0;
    ASSERT(!is_anything || is_wanted == ((filter.directions & CAPTURE_RECEIVED) != 0));
    ASSERT(!is_wanted || is_anything || bytes >= 14);
    return 0;
}
