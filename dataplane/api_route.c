/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/api_route.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/http_scan.h"
#include "include/api_task.h"
#include "include/assert_policy.h"
#include "include/key_hash.h"

#define METHOD_BIT(method) (1u << (method))
#define LITERAL_BYTES(literal) (sizeof(literal) - 1)

static const char version_path[] = "/v1/";
static const char namespaces_path[] = "/v1/ns";
static const char document_path[] = "/v1/openapi.json";
static const char values_part[] = "/values/";
static const char jobs_path[] = "/v1/jobs/";
static const char result_part[] = "/result";

static const uint32_t value_methods =
    METHOD_BIT(HTTP_GET) | METHOD_BIT(HTTP_HEAD) | METHOD_BIT(HTTP_PUT) | METHOD_BIT(HTTP_DELETE) |
    METHOD_BIT(HTTP_POST) | METHOD_BIT(HTTP_PATCH) | METHOD_BIT(HTTP_OPTIONS);
static const uint32_t namespaces_methods =
    METHOD_BIT(HTTP_GET) | METHOD_BIT(HTTP_HEAD) | METHOD_BIT(HTTP_OPTIONS);
static const uint32_t echo_methods =
    METHOD_BIT(HTTP_GET) | METHOD_BIT(HTTP_HEAD) | METHOD_BIT(HTTP_PUT) | METHOD_BIT(HTTP_DELETE) |
    METHOD_BIT(HTTP_POST) | METHOD_BIT(HTTP_PATCH) | METHOD_BIT(HTTP_OPTIONS);

static const char value_allow[] = "GET, HEAD, PUT, DELETE, POST, PATCH, OPTIONS";
static const char namespaces_allow[] = "GET, HEAD, OPTIONS";
static const char job_allow[] = "GET, HEAD, DELETE, OPTIONS";
static const char echo_allow[] = "GET, HEAD, PUT, DELETE, POST, PATCH, OPTIONS";

/* What lies beside the values of a namespace, the namespace itself among it. */
static const struct collection {
    const char *behind; /* the namespace */
    uint32_t methods;
    uint8_t task; /* enum api_task_kind */
    const char *allow;
} collections[] = {
    {"", METHOD_BIT(HTTP_GET) | METHOD_BIT(HTTP_HEAD), API_TASK_NONE, "GET, HEAD, OPTIONS"},
    {"/keys", METHOD_BIT(HTTP_GET) | METHOD_BIT(HTTP_HEAD), API_TASK_LIST, "GET, HEAD, OPTIONS"},
    {"/bulk/get", METHOD_BIT(HTTP_POST), API_TASK_BULK_GET, "POST, OPTIONS"},
    {"/bulk", METHOD_BIT(HTTP_PUT), API_TASK_BULK_PUT, "PUT, OPTIONS"},
    {"/bulk/delete", METHOD_BIT(HTTP_POST), API_TASK_BULK_DELETE, "POST, OPTIONS"},
    {"/purge", METHOD_BIT(HTTP_POST), API_TASK_PURGE, "POST, OPTIONS"},
};

static uint32_t namespace_slot(const void *name, uint32_t name_bytes)
{
    return (uint32_t)key_hash_shard(name, name_bytes) & (ROUTE_NAMESPACE_SLOTS - 1);
}

uint32_t route_find_namespace(const struct route_table *table, const void *name,
                              uint32_t name_bytes)
{
    uint32_t slot = namespace_slot(name, name_bytes);
    /* Ends at a free slot: three quarters of them are. */
    while (table->namespace_slots[slot] != 0) {
        uint32_t index = table->namespace_slots[slot] - 1u;
        if (table->namespaces[index].bytes == name_bytes &&
            memcmp(table->namespaces[index].name, name, name_bytes) == 0)
            return index;
        slot = (slot + 1) & (ROUTE_NAMESPACE_SLOTS - 1);
    }
    return UINT32_MAX;
}

static void refuse(struct route_match *match, uint16_t status, const char *reason)
{
    match->route = ROUTE_REFUSED;
    match->status = status;
    match->reason = reason;
}

/* True when the method goes on to the resource; otherwise the match is complete. */
static bool method_fits(struct route_match *match, enum http_method method, uint32_t methods,
                        const char *allow)
{
    match->allow = allow;
    if (LIKELY(methods & METHOD_BIT(method)))
        return true;
    refuse(match, 405, "this resource does not have that method");
    return false;
}

/*
 * The key behind "namespace\0": any bytes. A namespace has no NUL, so the first one separates, and
 * those in the key are the key's.
 */
static void match_key(struct http_slice encoded, uint8_t *key, uint32_t prefix_bytes,
                      struct route_match *match)
{
    uint32_t key_bytes = encoded.bytes;
    uint8_t *decoded = key + prefix_bytes;
    if (encoded.bytes == 0) {
        refuse(match, 400, "the key is empty");
        return;
    }
    if (LIKELY(memchr(encoded.at, '%', encoded.bytes) == NULL)) {
        if (encoded.bytes > USER_KEY_BYTES_MAX) {
            refuse(match, 400, "the key is longer than 1024 bytes");
            return;
        }
        memcpy(decoded, encoded.at, encoded.bytes);
    } else if (!http_percent_decode(encoded, decoded, USER_KEY_BYTES_MAX, &key_bytes)) {
        refuse(match, 400, "the key has a malformed escape or is longer than 1024 bytes");
        return;
    }
    match->route = ROUTE_VALUE;
    match->key_bytes = (uint16_t)(prefix_bytes + key_bytes);
}

/* Writes "namespace\0"; 0 when there is none of that name, and the match is complete. */
static uint32_t match_namespace(const struct route_table *table, struct http_slice encoded,
                                uint8_t *key, struct route_match *match)
{
    uint32_t name_bytes, index = UINT32_MAX;
    if (http_percent_decode(encoded, key, NAMESPACE_NAME_BYTES_MAX, &name_bytes))
        index = route_find_namespace(table, key, name_bytes);
    if (index == UINT32_MAX) {
        refuse(match, 404, "there is no such namespace");
        return 0;
    }
    match->namespace_index = (uint16_t)index;
    key[name_bytes] = '\0';
    return name_bytes + 1;
}

/* /v1/ns/{namespace}/keys and its like; `behind` is empty or begins with the slash. */
static void match_collection(const struct route_table *table, enum http_method method,
                             struct http_slice name, struct http_slice behind, uint8_t *key,
                             struct route_match *match)
{
    uint32_t i = 0;
    while (i < ARRAY_COUNT(collections) &&
           (strlen(collections[i].behind) != behind.bytes ||
            (behind.bytes > 0 && memcmp(collections[i].behind, behind.at, behind.bytes) != 0)))
        i++;
    if (i == ARRAY_COUNT(collections)) {
        refuse(match, 404, "there is nothing at this path");
        return;
    }
    match->key_bytes = (uint16_t)match_namespace(table, name, key, match);
    if (match->key_bytes == 0 ||
        !method_fits(match, method, collections[i].methods | METHOD_BIT(HTTP_OPTIONS),
                     collections[i].allow))
        return;
    match->task = collections[i].task;
    match->route = match->task == API_TASK_NONE ? ROUTE_NAMESPACE : ROUTE_COLLECTION;
    if (method == HTTP_OPTIONS)
        match->route = ROUTE_OPTIONS;
}

/* /v1/ns/{namespace}/values/{key}; `rest` begins with the namespace. */
static void match_in_namespace(const struct route_table *table, enum http_method method,
                               struct http_slice rest, uint8_t *key, struct route_match *match)
{
    const uint8_t *slash = memchr(rest.at, '/', rest.bytes);
    uint32_t encoded_bytes = slash != NULL ? (uint32_t)(slash - rest.at) : rest.bytes;
    struct http_slice name = {rest.at, encoded_bytes};
    struct http_slice behind = {slash, rest.bytes - encoded_bytes};
    if (UNLIKELY(behind.bytes < LITERAL_BYTES(values_part) ||
                 memcmp(slash, values_part, LITERAL_BYTES(values_part)) != 0)) {
        match_collection(table, method, name, behind, key, match);
        return;
    }
    uint32_t prefix_bytes = match_namespace(table, name, key, match);
    if (prefix_bytes == 0 || !method_fits(match, method, value_methods, value_allow))
        return;
    struct http_slice encoded_key = {slash + LITERAL_BYTES(values_part),
                                     behind.bytes - (uint32_t)LITERAL_BYTES(values_part)};
    match_key(encoded_key, key, prefix_bytes, match);
    if (method == HTTP_OPTIONS && match->route == ROUTE_VALUE)
        match->route = ROUTE_OPTIONS;
}

static bool starts_with_namespaces_path(struct http_slice path)
{
    return path.bytes >= LITERAL_BYTES(namespaces_path) &&
           memcmp(path.at, namespaces_path, LITERAL_BYTES(namespaces_path)) == 0;
}

/* /v1/jobs/{job} and /v1/jobs/{job}/result; what is no name is looked for in vain, as any other. */
static void match_job(enum http_method method, struct http_slice path, uint8_t *key,
                      struct route_match *match)
{
    struct http_slice name = {path.at + LITERAL_BYTES(jobs_path),
                              path.bytes - (uint32_t)LITERAL_BYTES(jobs_path)};
    const uint8_t *slash = memchr(name.at, '/', name.bytes);
    uint32_t behind_bytes = slash ? name.bytes - (uint32_t)(slash - name.at) : 0;
    bool is_result =
        behind_bytes == LITERAL_BYTES(result_part) && memcmp(slash, result_part, behind_bytes) == 0;
    name.bytes -= behind_bytes;
    if (name.bytes == 0 || name.bytes > JOB_NAME_BYTES || (slash && !is_result)) {
        refuse(match, 404, "there is nothing at this path");
        return;
    }
    uint32_t methods = namespaces_methods | (is_result ? 0 : METHOD_BIT(HTTP_DELETE));
    if (!method_fits(match, method, methods, is_result ? namespaces_allow : job_allow))
        return;
    match->route = method == HTTP_OPTIONS ? ROUTE_OPTIONS : ROUTE_JOB;
    match->task = is_result ? API_TASK_JOB_RESULT : API_TASK_JOB;
    if (method == HTTP_DELETE)
        match->task = API_TASK_JOB_CANCEL;
    match->key_bytes = (uint16_t)name.bytes;
    memcpy(key, name.at, name.bytes);
}

static void match_built_in(const struct route_table *table, enum http_method method,
                           struct http_slice path, uint8_t *key, struct route_match *match)
{
    const uint32_t parent_bytes = LITERAL_BYTES(namespaces_path);
    if (UNLIKELY(path.bytes == LITERAL_BYTES(document_path) &&
                 memcmp(path.at, document_path, path.bytes) == 0)) {
        if (method_fits(match, method, namespaces_methods, namespaces_allow))
            match->route = method == HTTP_OPTIONS ? ROUTE_OPTIONS : ROUTE_OPENAPI;
        return;
    }
    if (UNLIKELY(path.bytes > LITERAL_BYTES(jobs_path) &&
                 memcmp(path.at, jobs_path, LITERAL_BYTES(jobs_path)) == 0)) {
        match_job(method, path, key, match);
        return;
    }
    if (UNLIKELY(!starts_with_namespaces_path(path))) {
        refuse(match, 404, "there is nothing at this path");
        return;
    }
    if (LIKELY(path.bytes > parent_bytes && path.at[parent_bytes] == '/')) {
        struct http_slice rest = {path.at + parent_bytes + 1, path.bytes - parent_bytes - 1};
        match_in_namespace(table, method, rest, key, match);
        return;
    }
    if (path.bytes != parent_bytes) {
        refuse(match, 404, "there is nothing at this path");
        return;
    }
    if (method_fits(match, method, namespaces_methods, namespaces_allow))
        match->route = method == HTTP_OPTIONS ? ROUTE_OPTIONS : ROUTE_NAMESPACES;
}

/*
 * The longest configured route of at least `bytes_min` over the path; their count when there is
 * none.
 */
static uint32_t find_configured(const struct route_table *table, struct http_slice path,
                                uint32_t bytes_min)
{
    uint32_t index = 0;
    for (; index < table->configured_count; index++) {
        uint32_t bytes = table->configured[index].bytes;
        if (bytes < bytes_min)
            return table->configured_count;
        bool fits = table->configured[index].is_prefix ? path.bytes >= bytes : path.bytes == bytes;
        if (fits && memcmp(path.at, table->configured[index].path, bytes) == 0)
            break;
    }
    return index;
}

void route_match(const struct route_table *table, enum http_method method, struct http_slice path,
                 uint8_t key[KEY_BYTES_MAX], struct route_match *match)
{
    *match = (struct route_match){.route = ROUTE_REFUSED};
    if (UNLIKELY(method == HTTP_METHOD_OTHER || method == HTTP_CONNECT)) {
        refuse(match, 501, "no resource here has that method");
        return;
    }
    if (UNLIKELY(path.bytes == 1 && *path.at == '*')) { /* the parser lets OPTIONS have it only */
        if (method_fits(match, method, METHOD_BIT(HTTP_OPTIONS), echo_allow))
            match->route = ROUTE_OPTIONS;
        return;
    }
    bool is_built_in = starts_with_namespaces_path(path);
    if (LIKELY(is_built_in && !table->has_routes_under_v1)) {
        match_built_in(table, method, path, key, match);
        return;
    }
    uint32_t bytes_min = is_built_in ? LITERAL_BYTES(version_path) : 1;
    uint32_t configured = find_configured(table, path, bytes_min);
    if (configured < table->configured_count &&
        table->configured[configured].backend == CONFIG_BACKEND_ECHO) {
        if (method_fits(match, method, echo_methods, echo_allow))
            match->route = ROUTE_ECHO;
        return;
    }
    match->is_job = configured < table->configured_count &&
                    table->configured[configured].backend == CONFIG_BACKEND_JOB;
    match_built_in(table, method, path, key, match);
}

static int add_namespace(struct route_table *table, uint32_t index, const char *name, char *problem,
                         size_t problem_bytes)
{
    size_t bytes = strlen(name);
    bool is_valid = bytes > 0 && bytes <= NAMESPACE_NAME_BYTES_MAX;
    for (size_t i = 0; i < bytes; i++)
        is_valid = is_valid && (http_byte_is((uint8_t)name[i], HTTP_CLASS_HOST) || name[i] == '_');
    if (!is_valid) {
        snprintf(problem, problem_bytes, "namespace \"%s\": a name is 1 to 64 of A-Z a-z 0-9 . _ -",
                 name);
        return -EINVAL;
    }
    if (route_find_namespace(table, name, (uint32_t)bytes) != UINT32_MAX) {
        snprintf(problem, problem_bytes, "namespace \"%s\" is there twice", name);
        return -EINVAL;
    }
    uint32_t slot = namespace_slot(name, (uint32_t)bytes);
    while (table->namespace_slots[slot] != 0)
        slot = (slot + 1) & (ROUTE_NAMESPACE_SLOTS - 1);
    table->namespace_slots[slot] = (uint16_t)(index + 1);
    table->namespaces[index].bytes = (uint8_t)bytes;
    memcpy(table->namespaces[index].name, name, bytes);
    return 0;
}

static int add_configured(struct route_table *table, const struct config_routes *route,
                          char *problem, size_t problem_bytes)
{
    size_t bytes = strlen(route->path);
    const uint8_t *path = (const uint8_t *)route->path;
    if (bytes == 0 || bytes > ROUTE_PATH_BYTES_MAX || path[0] != '/' ||
        http_scan_run_portable(path, path + bytes, HTTP_CLASS_PATH) != path + bytes) {
        snprintf(problem, problem_bytes,
                 "route \"%s\": a path starts with / and has no space, ? or #", route->path);
        return -EINVAL;
    }
    uint32_t at = table->configured_count;
    for (uint32_t i = 0; i < table->configured_count; i++) {
        if (table->configured[i].bytes == bytes &&
            memcmp(table->configured[i].path, path, bytes) == 0) {
            snprintf(problem, problem_bytes, "route \"%s\" is there twice", route->path);
            return -EINVAL;
        }
        if (table->configured[i].bytes < bytes && at == table->configured_count)
            at = i;
    }
    memmove(&table->configured[at + 1], &table->configured[at],
            (table->configured_count - at) * sizeof(table->configured[0]));
    table->configured[at].bytes = (uint16_t)bytes;
    table->configured[at].backend = (uint8_t)route->backend;
    table->configured[at].is_prefix = path[bytes - 1] == '/';
    memcpy(table->configured[at].path, path, bytes);
    table->configured_count++;
    if (bytes >= LITERAL_BYTES(version_path) &&
        memcmp(path, version_path, LITERAL_BYTES(version_path)) == 0)
        table->has_routes_under_v1 = true;
    return 0;
}

int route_table_build(struct route_table *table, const struct server_config *config, char *problem,
                      size_t problem_bytes)
{
    ASSERT(config->namespaces_count <= ROUTE_NAMESPACES_MAX);
    ASSERT(config->routes_count <= ROUTE_CONFIGURED_MAX);
    *table = (struct route_table){.configured_count = 0};
    for (uint32_t i = 0; i < config->namespaces_count; i++) {
        const char *name = config->namespaces[i].name;
        if (name[0] == '\0')
            continue; /* a reload left it out: its number stays its own */
        int error = add_namespace(table, i, name, problem, problem_bytes);
        if (error != 0)
            return error;
    }
    for (uint32_t i = 0; i < config->routes_count; i++) {
        int error = add_configured(table, &config->routes[i], problem, problem_bytes);
        if (error != 0)
            return error;
    }
    return 0;
}
