/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/api_route.h"
#include "tests/fuzz/fuzz_target.h"

static const struct route_table *routes(void)
{
    static struct server_config config;
    static struct route_table table;
    if (config.namespaces_count == 0) {
        char problem[128];
        config.namespaces_count = 2;
        memcpy(config.namespaces[0].name, "demo", sizeof("demo"));
        memcpy(config.namespaces[1].name, "a.b", sizeof("a.b"));
        config.routes_count = 2;
        memcpy(config.routes[0].path, "/", sizeof("/"));
        config.routes[0].backend = CONFIG_BACKEND_ECHO;
        memcpy(config.routes[1].path, "/v1/ns/demo/values/echo/",
               sizeof("/v1/ns/demo/values/echo/"));
        config.routes[1].backend = CONFIG_BACKEND_ECHO;
        ASSERT(route_table_build(&table, &config, problem, sizeof(problem)) == 0);
    }
    return &table;
}

/* The path that names the same key with every byte escaped must lead to the same key. */
static void check_escaped(const struct route_match *match, const uint8_t *key)
{
    static char path[4 * KEY_BYTES_MAX];
    static uint8_t again[KEY_BYTES_MAX];
    struct route_match other;
    uint32_t name_bytes = (uint32_t)strlen((const char *)key);
    int bytes = snprintf(path, sizeof(path), "/v1/ns/%s/values/", (const char *)key);
    for (uint32_t i = name_bytes + 1; i < match->key_bytes; i++)
        bytes += snprintf(path + bytes, sizeof(path) - (size_t)bytes, "%%%02X", key[i]);
    route_match(routes(), HTTP_GET, (struct http_slice){(const uint8_t *)path, (uint32_t)bytes},
                again, &other);
    ASSERT(other.route == ROUTE_VALUE && other.namespace_index == match->namespace_index);
    ASSERT(other.key_bytes == match->key_bytes && memcmp(again, key, match->key_bytes) == 0);
}

/* The first byte is the method, the rest the path. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    uint8_t *path = fuzz_copy(data + 1, size - 1);
    uint8_t *key = malloc(KEY_BYTES_MAX);
    ASSERT(key != NULL);
    struct http_slice slice = {path, (uint32_t)size - 1};
    enum http_method method = (enum http_method)(data[0] % (HTTP_METHOD_OTHER + 1));
    struct route_match match;
    /* The parser lets no NUL through, only its escape. */
    if (memchr(path, '\0', slice.bytes) == NULL) {
        route_match(routes(), method, slice, key, &match);
        ASSERT(match.route < ROUTE_COUNT);
        ASSERT((match.route == ROUTE_REFUSED) == (match.status >= 400 && match.reason != NULL));
        ASSERT(match.status != 405 || match.allow != NULL);
        if (match.route == ROUTE_VALUE) {
            ASSERT(match.key_bytes <= KEY_BYTES_MAX);
            uint8_t *divider = memchr(key, '\0', match.key_bytes);
            ASSERT(divider != NULL && divider + 1 < key + match.key_bytes);
            check_escaped(&match, key);
        }
    }
    free(key);
    free(path);
    return 0;
}
