/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What our parser says about messages: each comes as its length (4 bytes, little-endian) and its
 * bytes, and is answered by a line.
 *
 *   DONE METHOD TARGET MINOR close|keep BYTES     a whole request; what is behind BYTES is the next
 *   PARTIAL                                       good so far
 *   BAD STATUS REASON
 */
#include <stdio.h>
#include <string.h>

#include "dataplane/http_parser.h"

#define MESSAGE_BYTES_MAX 65536u

/* The body's bytes, framing included; false when it is bad. -1: not complete. */
static bool body_bytes(const struct http_request *request, const uint8_t *bytes, uint32_t length,
                       int64_t *taken)
{
    *taken = -1;
    if (!(request->flags & HTTP_CHUNKED)) {
        if (request->content_length <= length)
            *taken = (int64_t)request->content_length;
        return true;
    }
    struct http_chunked chunked = {0};
    uint32_t at = 0;
    for (;;) {
        uint32_t used;
        struct http_slice run;
        enum http_parse_status status =
            http_chunked_next(&chunked, bytes + at, length - at, &used, &run);
        at += used;
        if (status == HTTP_PARSE_DONE)
            *taken = at;
        if (status != HTTP_PARSE_PARTIAL || used == 0)
            return status != HTTP_PARSE_BAD;
    }
}

static void judge(const uint8_t *bytes, uint32_t length)
{
    static const struct http_limits limits = {8192, 16384, HTTP_FIELDS_MAX};
    static struct http_request request;
    int64_t body;
    enum http_parse_status status = http_parse_request(bytes, length, &limits, &request);
    if (status == HTTP_PARSE_BAD)
        printf("BAD %u %s\n", request.bad_status, request.bad_reason);
    else if (status == HTTP_PARSE_PARTIAL)
        printf("PARTIAL\n");
    else if (!body_bytes(&request, bytes + request.head_bytes, length - request.head_bytes, &body))
        printf("BAD 400 chunked coding\n");
    else if (body < 0)
        printf("PARTIAL\n");
    else
        printf("DONE %.*s %.*s %u %s %u\n", (int)request.method_text.bytes, request.method_text.at,
               (int)request.target.bytes, request.target.at, request.version_minor,
               request.flags & HTTP_KEEP_ALIVE ? "keep" : "close",
               request.head_bytes + (uint32_t)body);
}

int main(void)
{
    static uint8_t bytes[MESSAGE_BYTES_MAX];
    uint32_t length;
    while (fread(&length, sizeof(length), 1, stdin) == 1) {
        if (length > sizeof(bytes) || fread(bytes, 1, length, stdin) != length)
            return 1;
        judge(bytes, length);
    }
    return 0;
}
