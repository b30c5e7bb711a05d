/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes: whatever is taken lies within them, and a shorter piece of it is never refused. */
#include "dataplane/proxy_header.h"
#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_client client;
    uint32_t header_bytes = 0, unused;
    uint32_t length = size < 1024 ? (uint32_t)size : 1024;
    enum proxy_status status = proxy_header_parse(data, length, &client, &header_bytes);
    if (status != PROXY_DONE)
        return 0;
    ASSERT(header_bytes <= length && header_bytes <= PROXY_HEADER_BYTES_MAX);
    ASSERT(client.ip_version == 0 || client.ip_version == 4 || client.ip_version == 6);
    for (uint32_t cut = 0; cut < header_bytes; cut++)
        ASSERT(proxy_header_parse(data, cut, &client, &unused) == PROXY_PARTIAL);
    return 0;
}
