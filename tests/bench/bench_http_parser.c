/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles per request of the HTTP leaves, the least of many rounds: what the code costs when
 * nothing disturbs it. ./dev bench builds it without -Dhot_asserts.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/api_route.h"
#include "dataplane/etag.h"
#include "dataplane/http_parser.h"
#include "include/clock.h"
#include "include/key_hash.h"

#define ROUNDS 200
#define REQUESTS_PER_ROUND 2000

static inline uint64_t cycles_now(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return clock_now_ns();
#endif
}

#define HEAD(what, text)                                                                           \
    {                                                                                              \
        what, text, sizeof(text) - 1                                                               \
    }
static const struct {
    const char *what, *text;
    uint32_t bytes;
} heads[] = {
    HEAD("shortest", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    HEAD("value", "GET /v1/ns/demo/values/k HTTP/1.1\r\nHost: 10.0.0.2\r\n\r\n"),
    HEAD("curl", "GET /v1/ns/demo/values/photo HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
                 "User-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"),
    HEAD("curl, conditional",
         "GET /v1/ns/demo/values/photo HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
         "User-Agent: curl/7.88.1\r\nAccept: */*\r\nIf-None-Match: \"17\"\r\n\r\n"),
    HEAD("put", "PUT /v1/ns/demo/values/photo?ttl=3600 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
                "User-Agent: curl/7.88.1\r\nAccept: */*\r\nContent-Length: 1048576\r\n"
                "Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n\r\n"),
    HEAD("browser",
         "GET /v1/ns/demo/values/cart/42 HTTP/1.1\r\nHost: api.example.com\r\n"
         "Connection: keep-alive\r\nCache-Control: max-age=0\r\nsec-ch-ua-mobile: ?0\r\n"
         "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like "
         "Gecko) Chrome/124.0.0.0 Safari/537.36\r\nAccept: text/html,application/"
         "xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
         "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n"
         "\r\n"),
};

static const struct http_limits limits = {
    .request_line_bytes_max = 8192, .head_bytes_max = 16384, .fields_max = HTTP_FIELDS_MAX};

static struct server_config config;
static struct route_table routes;

/* How far a request is taken. */
enum stage {
    STAGE_PARSE,
    STAGE_CONDITION, /* and both precondition lists */
    STAGE_ROUTE,     /* and the route, the full key and its cache hash */
};

static uint64_t run_once(enum stage stage, const uint8_t *bytes, uint32_t length)
{
    static struct http_request request;
    static uint8_t key[KEY_BYTES_MAX];
    uint64_t result = http_parse_request(bytes, length, &limits, &request);
    if (stage >= STAGE_CONDITION) {
        struct etag_list if_match, if_none_match;
        struct etag_versions versions;
        versions.count = 0;
        result += etag_list_parse(&request, "if-match", ETAG_STRONG, &versions, &if_match);
        result += etag_list_parse(&request, "if-none-match", ETAG_WEAK, &versions, &if_none_match);
    }
    if (stage >= STAGE_ROUTE) {
        struct route_match match;
        route_match(&routes, request.method, request.path, key, &match);
        result += key_hash_cache(key, match.key_bytes, 42) & 1;
    }
    return result;
}

static double measure(enum stage stage, const uint8_t *bytes, uint32_t length, uint64_t *sum)
{
    uint64_t least = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = cycles_now();
        for (int i = 0; i < REQUESTS_PER_ROUND; i++)
            *sum += run_once(stage, bytes, length);
        uint64_t spent = cycles_now() - start;
        least = spent < least ? spent : least;
    }
    return (double)least / REQUESTS_PER_ROUND;
}

int main(void)
{
    char problem[128];
    uint64_t sum = 0;
    config.namespaces_count = 1;
    memcpy(config.namespaces[0].name, "demo", sizeof("demo"));
    if (route_table_build(&routes, &config, problem, sizeof(problem)) != 0)
        return 1;
    printf("%-20s %6s %8s %12s %8s   (time stamp counter cycles, least of %d rounds)\n", "head",
           "bytes", "parse", "+condition", "+route", ROUNDS);
    for (size_t i = 0; i < ARRAY_COUNT(heads); i++) {
        uint8_t buffer[2048]; /* requests lie in packets: other bytes behind them */
        memcpy(buffer, heads[i].text, heads[i].bytes);
        double cycles[3];
        for (int stage = STAGE_PARSE; stage <= STAGE_ROUTE; stage++)
            cycles[stage] = measure((enum stage)stage, buffer, heads[i].bytes, &sum);
        printf("%-20s %6" PRIu32 " %8.1f %12.1f %8.1f\n", heads[i].what, heads[i].bytes, cycles[0],
               cycles[1], cycles[2]);
    }
    return sum == 1; /* so that nothing is optimised away */
}
