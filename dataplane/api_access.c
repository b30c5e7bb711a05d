/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/api_access.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/api_limits.h"
#include "dataplane/http_date.h"
#include "include/api_keys.h"

#define NO_SPACE UINT32_MAX
#define LITERAL_BYTES(literal) ((uint32_t)sizeof(literal) - 1)

static const char spaces_path[] = "/v1/ns/";

/* ---- who ------------------------------------------------------------ */

static const struct http_field *next_authorization(const struct http_request *http, uint32_t from)
{
    for (uint32_t i = from; i < http->field_count; i++)
        if (http_slice_is(http->fields[i].name, "authorization"))
            return &http->fields[i];
    return NULL;
}

/* "Bearer KEY", the scheme in any case; false: something else. */
static bool read_bearer(struct http_slice value, struct http_slice *key)
{
    const uint32_t scheme_bytes = LITERAL_BYTES("bearer ");
    if (value.bytes <= scheme_bytes ||
        !http_slice_is((struct http_slice){value.at, scheme_bytes}, "bearer "))
        return false;
    *key = (struct http_slice){value.at + scheme_bytes, value.bytes - scheme_bytes};
    while (key->bytes > 0 && *key->at == ' ') {
        key->at++;
        key->bytes--;
    }
    return true;
}

static enum http_problem find_client(const struct live_settings *settings, bool is_trusted,
                                     uint64_t wall_s, const struct http_request *http,
                                     uint32_t *client, const char **detail)
{
    struct http_slice key;
    const struct http_field *field = next_authorization(http, 0);
    *client = API_KEY_NONE;
    if (!settings->keys || !field)
        return HTTP_PROBLEM_NONE;
    if (!is_trusted) {
        *detail = "API keys are taken on listeners marked trusted only: this key was in the clear";
        return HTTP_PROBLEM_FORBIDDEN;
    }
    if (next_authorization(http, (uint32_t)(field - http->fields) + 1) ||
        !read_bearer(field->value, &key)) {
        *detail = "allowed is one field Authorization: Bearer KEY";
        return HTTP_PROBLEM_KEY_REQUIRED;
    }
    uint32_t found = api_keys_find(settings->keys, key.at, key.bytes);
    if (found == API_KEY_NONE) {
        *detail = "nobody has this API key";
        return HTTP_PROBLEM_KEY_REQUIRED;
    }
    uint64_t expires_at_s = api_keys_at(settings->keys, found)->expires_at_s;
    if (expires_at_s != 0 && expires_at_s <= wall_s) {
        *detail = "this API key has expired";
        return HTTP_PROBLEM_KEY_REQUIRED;
    }
    *client = found;
    return HTTP_PROBLEM_NONE;
}

/* ---- may they ------------------------------------------------------------ */

static bool anonymous_may(const struct live_settings *settings, uint32_t space,
                          enum http_method method)
{
    switch ((enum config_anonymous)settings->config.namespaces[space].anonymous) {
    case CONFIG_ANONYMOUS_AUTO:
        return settings->keys == NULL;
    case CONFIG_ANONYMOUS_NONE:
        return false;
    case CONFIG_ANONYMOUS_READ:
        return method == HTTP_GET || method == HTTP_HEAD;
    case CONFIG_ANONYMOUS_ALL:
        return true;
    }
    return false;
}

bool api_access_allows(const struct live_settings *settings, uint32_t client, uint32_t space,
                       enum http_method method)
{
    if (anonymous_may(settings, space, method))
        return true;
    if (client == API_KEY_NONE || !settings->keys || client > settings->keys->count)
        return false;
    const struct api_key *key = api_keys_at(settings->keys, client);
    uint32_t asked = method == HTTP_HEAD ? HTTP_GET : method; /* HEAD is a GET */
    bool has_space =
        key->has_all_namespaces || (key->namespaces[space / 64] >> (space & 63) & 1) != 0;
    return has_space && (key->methods >> asked & 1) != 0;
}

/* What a bulk request does to each of its keys is what its client must be allowed to do. */
static enum http_method method_needed(const struct api_request *request)
{
    if (request->task == API_TASK_BULK_GET)
        return HTTP_GET;
    if (request->task == API_TASK_BULK_DELETE)
        return HTTP_DELETE;
    return (enum http_method)request->method;
}

static enum http_problem check_space(const struct live_settings *settings, uint32_t space,
                                     const struct api_request *request, const char **detail)
{
    if (api_access_allows(settings, request->client, space, method_needed(request)))
        return HTTP_PROBLEM_NONE;
    if (request->client != API_KEY_NONE) {
        *detail = "this API key is not for that namespace or method";
        return HTTP_PROBLEM_FORBIDDEN;
    }
    *detail = "send Authorization: Bearer KEY";
    return HTTP_PROBLEM_KEY_REQUIRED;
}

/* Without a namespace: the list of them shows what the client may read, and anybody may ask for it;
 * what else lies under /v1/ns/ does not exist, but only clients are told so. */
static enum http_problem check_elsewhere(const struct live_settings *settings,
                                         const struct http_request *http,
                                         const struct api_request *request, const char **detail)
{
    bool is_below = http->path.bytes > LITERAL_BYTES(spaces_path) &&
                    memcmp(http->path.at, spaces_path, LITERAL_BYTES(spaces_path)) == 0;
    bool is_closed = is_below || request->route == ROUTE_ECHO;
    if (!settings->keys || request->client != API_KEY_NONE || !is_closed)
        return HTTP_PROBLEM_NONE;
    *detail = "send Authorization: Bearer KEY";
    return HTTP_PROBLEM_KEY_REQUIRED;
}

/* ---- demanded preconditions ------------------------------------------------------------ */

static bool has_precondition(const struct api_request *request)
{
    return request->if_match.is_present || request->if_none_match.is_present ||
           request->has_if_unmodified_since;
}

static enum http_problem check_precondition(const struct config_namespaces *space,
                                            const struct api_request *request, const char **detail)
{
    bool is_write = request->method == HTTP_PUT || request->method == HTTP_DELETE ||
                    request->method == HTTP_PATCH;
    if (space->require_precondition &&
        (request->task == API_TASK_BULK_PUT || request->task == API_TASK_BULK_DELETE)) {
        *detail = "bulk writes carry no preconditions, and this namespace demands them";
        return HTTP_PROBLEM_PRECONDITION_REQUIRED;
    }
    if (!space->require_precondition || !is_write || request->route != ROUTE_VALUE ||
        has_precondition(request))
        return HTTP_PROBLEM_NONE;
    *detail = "send If-Match with the ETag you saw, or If-None-Match: * to create";
    return HTTP_PROBLEM_PRECONDITION_REQUIRED;
}

/* ---- CORS ------------------------------------------------------------ */

/* The origin of that number in "https://a.example https://b.example"; bytes 0: there is none. */
static struct http_slice listed_origin(const char *list, uint32_t number)
{
    const char *at = list + strspn(list, " ");
    for (; *at && number > 0; number--) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return (struct http_slice){(const uint8_t *)at, (uint32_t)strcspn(at, " ")};
}

static uint8_t read_cors(const struct config_namespaces *space, const struct http_request *http)
{
    const char *list = space->cors_origins;
    if (strcmp(list, "none") == 0 || list[0] == '\0')
        return CORS_NONE;
    if (strcmp(list, "*") == 0)
        return CORS_ANY;
    const struct http_field *origin = http_find_field(http, "origin");
    for (uint32_t number = 0; origin; number++) {
        struct http_slice listed = listed_origin(list, number);
        if (listed.bytes == 0)
            break;
        if (listed.bytes == origin->value.bytes &&
            memcmp(listed.at, origin->value.at, listed.bytes) == 0)
            return (uint8_t)(CORS_LISTED + number);
    }
    return CORS_VARY;
}

static void write_origin(const struct server_config *config, const struct api_request *request,
                         struct http_writer *writer)
{
    const struct config_namespaces *space = &config->namespaces[request->access_namespace];
    struct http_slice origin = {(const uint8_t *)"*", 1};
    if (request->cors != CORS_ANY)
        HTTP_WRITE_LITERAL(writer, "Vary: Origin\r\n");
    if (request->cors >= CORS_LISTED)
        origin = listed_origin(space->cors_origins, request->cors - CORS_LISTED);
    if (request->cors == CORS_VARY || origin.bytes == 0)
        return;
    HTTP_WRITE_LITERAL(writer, "Access-Control-Allow-Origin: ");
    http_write(writer, origin.at, origin.bytes);
    HTTP_WRITE_LITERAL(writer, "\r\nAccess-Control-Expose-Headers: *\r\n");
    if (config->http.server_timing) {
        HTTP_WRITE_LITERAL(writer, "Timing-Allow-Origin: ");
        http_write(writer, origin.at, origin.bytes);
        HTTP_WRITE_LITERAL(writer, "\r\n");
    }
    if (request->route != ROUTE_OPTIONS || !request->allow)
        return;
    HTTP_WRITE_LITERAL(writer, "Access-Control-Allow-Methods: ");
    http_write_text(writer, request->allow);
    HTTP_WRITE_LITERAL(writer, "\r\nAccess-Control-Allow-Headers: *, Authorization\r\n"
                               "Access-Control-Max-Age: ");
    http_write_decimal(writer, space->cors_max_age_s);
    HTTP_WRITE_LITERAL(writer, "\r\n");
}

/* ---- deprecation ------------------------------------------------------------ */

/* The longest configured route over the path, as api_route.c finds it; its number + 1, or 0. */
static uint8_t find_route(const struct server_config *config, struct http_slice path)
{
    uint32_t best = 0, best_bytes = 0;
    for (uint32_t i = 0; i < config->routes_count; i++) {
        const char *route = config->routes[i].path;
        uint32_t bytes = (uint32_t)strlen(route);
        bool is_prefix = bytes > 0 && route[bytes - 1] == '/';
        bool fits = is_prefix ? path.bytes >= bytes : path.bytes == bytes;
        if (!fits || bytes <= best_bytes || memcmp(path.at, route, bytes) != 0)
            continue;
        best = i + 1;
        best_bytes = bytes;
    }
    return (uint8_t)best;
}

static void write_deprecation(const struct config_routes *route, struct http_writer *writer)
{
    if (route->deprecated_s == 0)
        return;
    HTTP_WRITE_LITERAL(writer, "Deprecation: @");
    http_write_decimal(writer, route->deprecated_s);
    HTTP_WRITE_LITERAL(writer, "\r\n");
    if (route->sunset_s != 0) {
        uint8_t date[HTTP_DATE_BYTES];
        http_date_format(route->sunset_s, date);
        HTTP_WRITE_LITERAL(writer, "Sunset: ");
        http_write(writer, date, sizeof(date));
        HTTP_WRITE_LITERAL(writer, "\r\n");
    }
    if (route->successor[0] != '\0') {
        HTTP_WRITE_LITERAL(writer, "Link: <");
        http_write_text(writer, route->successor);
        HTTP_WRITE_LITERAL(writer, ">; rel=\"successor-version\"\r\n");
    }
}

/* ---- all of it ------------------------------------------------------------ */

static uint32_t space_of_path(const struct live_settings *settings, struct http_slice path)
{
    uint8_t name[NAMESPACE_NAME_BYTES_MAX];
    uint32_t name_bytes;
    const uint32_t before = LITERAL_BYTES(spaces_path);
    if (path.bytes <= before || memcmp(path.at, spaces_path, before) != 0)
        return NO_SPACE;
    const uint8_t *at = path.at + before;
    const uint8_t *slash = memchr(at, '/', path.bytes - before);
    struct http_slice encoded = {at, slash ? (uint32_t)(slash - at) : path.bytes - before};
    if (!http_percent_decode(encoded, name, sizeof(name), &name_bytes))
        return NO_SPACE;
    return route_find_namespace(settings->routes, name, name_bytes);
}

enum http_problem api_access_check(const struct live_settings *settings, bool is_trusted,
                                   uint64_t wall_s, const struct http_request *http,
                                   struct api_request *request, const char **detail)
{
    if (!settings->keys && !settings->has_careful_namespaces && !settings->has_deprecations &&
        !settings->limits)
        return HTTP_PROBLEM_NONE;
    request->settings_generation = (uint32_t)settings->generation;
    uint32_t space = space_of_path(settings, http->path);
    const struct config_namespaces *config =
        space == NO_SPACE ? NULL : &settings->config.namespaces[space];
    if (settings->has_deprecations)
        request->route_number = find_route(&settings->config, http->path);
    if (config) {
        request->cors = read_cors(config, http);
        request->access_namespace = (uint16_t)space;
        request->limit_set = (uint16_t)(1 + space);
    }
    enum http_problem problem =
        find_client(settings, is_trusted, wall_s, http, &request->client, detail);
    if (problem != HTTP_PROBLEM_NONE || request->method == HTTP_OPTIONS)
        return problem; /* a preflight carries no key */
    if (!config)
        return check_elsewhere(settings, http, request, detail);
    problem = check_space(settings, space, request, detail);
    return problem != HTTP_PROBLEM_NONE ? problem : check_precondition(config, request, detail);
}

void api_access_keep_client(const struct live_settings *settings, struct api_request *request)
{
    if (request->scope_bytes == 0 || request->client == API_KEY_NONE || !settings->keys)
        return;
    const char *name = api_keys_at(settings->keys, request->client)->name;
    static_assert(API_KEY_NAME_BYTES_MAX == CLIENT_NAME_BYTES_MAX, "a name fits");
    size_t bytes = strlen(name);
    memcpy(api_request_scope(request) + request->scope_bytes, name, bytes);
    request->scope_bytes = (uint16_t)(request->scope_bytes + bytes);
}

void api_access_write_fields(const struct live_settings *settings,
                             const struct api_request *request, struct http_writer *writer)
{
    const struct server_config *config = &settings->config;
    if (UNLIKELY(request->cors != CORS_NONE))
        write_origin(config, request, writer);
    if (UNLIKELY(request->route_number != 0) && request->route_number <= config->routes_count)
        write_deprecation(&config->routes[request->route_number - 1], writer);
}

/* A deprecated route lies over the values of a namespace, or over a part of them. */
static bool is_below_deprecated(const struct server_config *config, const char *name)
{
    char values[sizeof(spaces_path) + NAMESPACE_NAME_BYTES_MAX + sizeof("/values/")];
    int bytes = snprintf(values, sizeof(values), "%s%s/values/", spaces_path, name);
    for (uint32_t i = 0; i < config->routes_count; i++) {
        const struct config_routes *route = &config->routes[i];
        size_t shorter = strlen(route->path) < (size_t)bytes ? strlen(route->path) : (size_t)bytes;
        if (route->deprecated_s != 0 && memcmp(route->path, values, shorter) == 0)
            return true;
    }
    return false;
}

bool api_access_is_careful(const struct live_settings *settings, uint32_t space)
{
    const struct config_namespaces *config = &settings->config.namespaces[space];
    if (config->name[0] == '\0')
        return true; /* gone by a reload, but its values may be cached */
    bool has_cors = strcmp(config->cors_origins, "none") != 0 && config->cors_origins[0] != '\0';
    bool has_cache_control = strcmp(config->cache_control, CACHE_CONTROL_DEFAULT) != 0;
    return has_cors || has_cache_control || config->require_precondition ||
           !anonymous_may(settings, space, HTTP_GET) || api_limits_apply(settings->limits, space) ||
           is_below_deprecated(&settings->config, config->name);
}
