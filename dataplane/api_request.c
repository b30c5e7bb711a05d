/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/api_request.h"

#include <string.h>

#include "dataplane/api_condition.h"
#include "dataplane/http_date.h"
#include "dataplane/idempotency_key.h"
#include "include/server_config.h"

/* A client's id is echoed when it is 1 to 64 visible characters that need no quoting anywhere. */
static bool is_valid_request_id(struct http_slice id)
{
    if (id.bytes == 0 || id.bytes > REQUEST_ID_BYTES_MAX)
        return false;
    for (uint32_t i = 0; i < id.bytes; i++) {
        uint8_t c = id.at[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                        (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.' || c == ':' ||
                        c == '/' || c == '+' || c == '=';
        if (!is_plain)
            return false;
    }
    return true;
}

static void read_request_id(const struct http_request *http, struct api_request *request)
{
    const struct http_field *field = http_find_field(http, "request-id");
    if (field && is_valid_request_id(field->value)) {
        memcpy(request->request_id, field->value.at, field->value.bytes);
        request->request_id_bytes = (uint8_t)field->value.bytes;
    }
}

static bool append_attribute(struct api_request *request, struct http_slice name,
                             struct http_slice value)
{
    uint32_t bytes = name.bytes + 2 + value.bytes + 2;
    if (request->attributes_bytes + bytes > ATTRIBUTES_BYTES_MAX)
        return false;
    uint8_t *at = request->bytes + request->key_bytes + request->attributes_bytes;
    memcpy(at, name.at, name.bytes);
    memcpy(at + name.bytes, ": ", 2);
    memcpy(at + name.bytes + 2, value.at, value.bytes);
    memcpy(at + name.bytes + 2 + value.bytes, "\r\n", 2);
    request->attributes_bytes = (uint16_t)(request->attributes_bytes + bytes);
    return true;
}

static bool is_metadata_name(struct http_slice name)
{
    return name.bytes > 5 && http_slice_is((struct http_slice){name.at, 5}, "meta-");
}

/* Codings may come in several lines (RFC 9110 8.4), in the order in which they were applied. */
static bool is_kept(const struct http_field *field)
{
    return is_metadata_name(field->name) ||
           (field->value.bytes > 0 && http_slice_is(field->name, "content-encoding"));
}

/* Content-Type, Content-Encoding, Meta-*: kept as the field lines which will be returned. */
static enum http_problem read_attributes(const struct http_request *http,
                                         struct api_request *request, const char **detail)
{
    static const char content_type[] = "Content-Type";
    const struct http_field *type = http_find_field(http, "content-type");
    struct http_slice name = {(const uint8_t *)content_type, sizeof(content_type) - 1};
    struct http_slice value = {(const uint8_t *)"application/octet-stream", 24};
    if (type && type->value.bytes > 0)
        value = type->value;
    bool fits = append_attribute(request, name, value);
    for (uint32_t i = 0; i < http->field_count && fits; i++)
        if (is_kept(&http->fields[i]))
            fits = append_attribute(request, http->fields[i].name, http->fields[i].value);
    if (!fits) {
        *detail = "Content-Type and Meta-* fields take at most 512 bytes together";
        return HTTP_PROBLEM_FIELDS_TOO_LARGE;
    }
    return HTTP_PROBLEM_NONE;
}

static enum http_problem read_expiry(const struct http_request *http, uint64_t fallback_ttl_s,
                                     uint64_t wall_ms, struct api_request *request,
                                     const char **detail)
{
    struct http_slice text, other;
    uint64_t seconds;
    if (http_query_parameter(http->query, "expires_at", &text)) {
        if (http_query_parameter(http->query, "ttl", &other)) {
            *detail = "ttl or expires_at is allowed, not both";
            return HTTP_PROBLEM_BAD_PARAMETER;
        }
        if (!http_parse_decimal(text, &seconds) || seconds > UINT32_MAX ||
            seconds * 1000 <= wall_ms) {
            *detail = "expires_at: allowed are Unix seconds in the future, up to 4294967295";
            return HTTP_PROBLEM_BAD_PARAMETER;
        }
        request->expires_at_ms = seconds * 1000;
        return HTTP_PROBLEM_NONE;
    }
    seconds = fallback_ttl_s;
    if (http_query_parameter(http->query, "ttl", &text) &&
        (!http_parse_decimal(text, &seconds) || seconds == 0 || seconds > UINT32_MAX)) {
        *detail = "ttl: allowed 1..4294967295 seconds";
        return HTTP_PROBLEM_BAD_PARAMETER;
    }
    request->expires_at_ms = seconds ? wall_ms + seconds * 1000 : 0;
    return HTTP_PROBLEM_NONE;
}

/* RFC 9110 13.1.3: what is not one valid date does not count, nor do two lines of it. */
static bool read_date(const struct http_request *http, const char *name, uint64_t wall_ms,
                      uint64_t *unix_s)
{
    const struct http_field *field = http_find_field(http, name);
    if (LIKELY(field == NULL) || !http_date_parse(field->value, wall_ms / 1000, unix_s))
        return false;
    while (++field < http->fields + http->field_count)
        if (http_slice_is(field->name, name))
            return false;
    return true;
}

static bool may_be_conditional(const struct http_request *http)
{
    return http_may_have_field(http, "if-match") || http_may_have_field(http, "if-none-match") ||
           http_may_have_field(http, "if-modified-since") ||
           http_may_have_field(http, "if-unmodified-since");
}

static enum http_problem read_conditions(const struct http_request *http, uint64_t wall_ms,
                                         struct api_request *request, const char **detail)
{
    request->tags.count = 0;
    if (LIKELY(!may_be_conditional(http)))
        return HTTP_PROBLEM_NONE;
    enum etag_verdict match =
        etag_list_parse(http, "if-match", ETAG_STRONG, &request->tags, &request->if_match);
    enum etag_verdict none =
        etag_list_parse(http, "if-none-match", ETAG_WEAK, &request->tags, &request->if_none_match);
    if (match == ETAG_LIST_MALFORMED || none == ETAG_LIST_MALFORMED) {
        *detail = "allowed is * or a list of entity tags, such as \"17\", \"18\"";
        return HTTP_PROBLEM_BAD_CONDITION;
    }
    if (match == ETAG_LIST_TOO_LONG || none == ETAG_LIST_TOO_LONG) {
        *detail = "If-Match and If-None-Match take at most 64 entity tags of ours together";
        return HTTP_PROBLEM_CONDITION_TOO_LONG;
    }
    request->has_if_modified_since =
        read_date(http, "if-modified-since", wall_ms, &request->if_modified_since_s);
    request->has_if_unmodified_since =
        read_date(http, "if-unmodified-since", wall_ms, &request->if_unmodified_since_s);
    return HTTP_PROBLEM_NONE;
}

/*
 * RFC 9110 14.2: GET alone has ranges. 13.1.5: a date in If-Range counts only when it is known that
 * the value changed once in that second, which it is not here.
 */
static void read_range(const struct http_request *http, struct api_request *request)
{
    if (request->method != HTTP_GET)
        return;
    request->range = http_range_parse(http);
    const struct http_field *field = http_find_field(http, "if-range");
    if (LIKELY(!field))
        return;
    request->has_if_range = true;
    if (!etag_parse_strong(field->value, &request->if_range_version))
        request->if_range_version = 0;
}

/* "respond-async" among the preferences of a line. */
static bool prefers_async(struct http_slice preferences)
{
    static const char name[] = "respond-async";
    const uint8_t *at = preferences.at, *end = at + preferences.bytes;
    while (at < end) {
        const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
        const uint8_t *next = comma ? comma : end, *stop;
        while (at < next && (*at == ' ' || *at == '\t'))
            at++;
        for (stop = at; stop < next && *stop != ';' && *stop != ' ' && *stop != '\t';)
            stop++;
        if (http_slice_is((struct http_slice){at, (uint32_t)(stop - at)}, name))
            return true;
        at = next + 1;
    }
    return false;
}

/* A job is its client's, so who that is goes with the task, behind an Idempotency-Key or none. */
static void read_job(const struct http_request *http, bool is_job_route,
                     struct api_request *request)
{
    bool may_be_job = api_task_may_be_job(request->task) && request->method != HTTP_HEAD;
    const struct http_field *field = http->fields, *end = field + http->field_count;
    for (; may_be_job && field < end && !request->prefers_job; field++)
        request->prefers_job = http_slice_is(field->name, "prefer") && prefers_async(field->value);
    request->is_job = may_be_job && (is_job_route || request->prefers_job);
    if ((request->is_job || request->route == ROUTE_JOB) && request->scope_bytes == 0) {
        *api_request_scope(request) = '\0';
        request->scope_bytes = 1;
    }
}

/* "wait" among the preferences of a line, in seconds; 0: it is not. */
static uint64_t read_wait_s(struct http_slice preferences)
{
    const uint8_t *at = preferences.at, *end = at + preferences.bytes;
    static const char name[] = "wait=";
    while (at < end) {
        const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
        const uint8_t *next = comma ? comma : end;
        while (at < next && (*at == ' ' || *at == '\t'))
            at++;
        const uint8_t *stop = at;
        while (stop < next && *stop != ';' && *stop != ' ')
            stop++;
        struct http_slice digits = {at + sizeof(name) - 1, 0};
        uint64_t seconds;
        if (stop - at > (ptrdiff_t)sizeof(name) - 1 &&
            http_slice_is((struct http_slice){at, sizeof(name) - 1}, name)) {
            digits.bytes = (uint32_t)(stop - digits.at);
            if (http_parse_decimal(digits, &seconds))
                return seconds;
        }
        at = next + 1;
    }
    return 0;
}

/* A read that knows a version may wait for the next one: If-None-Match and Prefer: wait=S. */
static void read_wait(const struct server_config *server, const struct http_request *http,
                      struct api_request *request)
{
    const struct etag_list *known = &request->if_none_match;
    const struct http_field *prefer = http_find_field(http, "prefer");
    if (!prefer || !api_request_is_read(request) || request->if_match.is_present ||
        known->count == 0 || known->count > SHARD_CONDITION_VERSIONS_MAX)
        return;
    uint64_t seconds = 0;
    for (; seconds == 0 && prefer < http->fields + http->field_count; prefer++)
        if (http_slice_is(prefer->name, "prefer")) /* RFC 7240 2: a list, in lines as well */
            seconds = read_wait_s(prefer->value);
    if (seconds > server->http.wait_max_s)
        seconds = server->http.wait_max_s;
    request->wait_ms = (uint32_t)seconds * 1000;
}

static enum http_problem problem_of_refusal(uint16_t status)
{
    switch (status) {
    case 404:
        return HTTP_PROBLEM_NO_RESOURCE;
    case 405:
        return HTTP_PROBLEM_METHOD_NOT_ALLOWED;
    case 501:
        return HTTP_PROBLEM_NOT_IMPLEMENTED;
    default:
        return HTTP_PROBLEM_BAD_KEY;
    }
}

static enum http_problem check_patch_type(const struct http_request *http, const char **detail)
{
    static const char type[] = "application/merge-patch+json";
    const struct http_field *field = http_find_field(http, "content-type");
    if (field && field->value.bytes >= sizeof(type) - 1) {
        struct http_slice essence = {field->value.at, sizeof(type) - 1};
        uint8_t next = field->value.bytes > essence.bytes ? field->value.at[essence.bytes] : ';';
        if (http_slice_is(essence, type) && (next == ';' || next == ' ' || next == '\t'))
            return HTTP_PROBLEM_NONE;
    }
    *detail = "PATCH takes Content-Type: application/merge-patch+json (RFC 7396)";
    return HTTP_PROBLEM_UNSUPPORTED_TYPE;
}

/* Requests on a value that a task thread serves, and what they may say. */
static enum http_problem choose_value_task(const struct config_namespaces *space,
                                           const struct http_request *http,
                                           struct api_request *request, const char **detail)
{
    struct http_slice operation, fields;
    if (request->method == HTTP_PATCH) {
        request->task = API_TASK_PATCH;
        return check_patch_type(http, detail);
    }
    if (api_request_is_read(request) && http->query.bytes > 0 &&
        http_query_parameter(http->query, "fields", &fields))
        request->task = API_TASK_FIELDS;
    if (request->method == HTTP_PUT && !config_text_is_none(space->schema))
        request->task = API_TASK_CHECK;
    if (request->method != HTTP_POST)
        return HTTP_PROBLEM_NONE;
    if (!http_query_parameter(http->query, "op", &operation) || !http_slice_is(operation, "incr")) {
        *detail = "op: allowed is incr, as in ?op=incr&by=1";
        return HTTP_PROBLEM_BAD_PARAMETER;
    }
    request->task = API_TASK_COUNTER;
    return HTTP_PROBLEM_NONE;
}

/* A task takes the query with it, behind key and attributes. */
static enum http_problem keep_query(const struct http_request *http, struct api_request *request,
                                    const char **detail)
{
    if (http->query.bytes > TASK_QUERY_BYTES_MAX) {
        *detail = "the query is longer than 4096 bytes";
        return HTTP_PROBLEM_TARGET_TOO_LONG;
    }
    request->query_bytes = (uint16_t)http->query.bytes;
    if (http->query.bytes > 0)
        memcpy(request->bytes + request->key_bytes + request->attributes_bytes, http->query.at,
               http->query.bytes);
    return HTTP_PROBLEM_NONE;
}

static enum http_problem check_body_limit(struct api_request *request, uint64_t limit,
                                          const char *reason, const char **detail)
{
    if (limit < request->body_max)
        request->body_max = limit;
    if (request->content_length <= limit)
        return HTTP_PROBLEM_NONE;
    *detail = reason;
    return HTTP_PROBLEM_BODY_TOO_LARGE;
}

static enum http_problem check_put(const struct http_request *http, struct api_request *request,
                                   const char **detail)
{
    if (request->method != HTTP_PUT)
        return HTTP_PROBLEM_NONE;
    if (!request->is_chunked && !(http->flags & HTTP_HAS_LENGTH)) {
        *detail = "a Content-Length, which may be 0, or Transfer-Encoding: chunked";
        request->must_close = true; /* what follows may be the body */
        return HTTP_PROBLEM_LENGTH_REQUIRED;
    }
    if (http_find_field(http, "content-range")) { /* RFC 9110 14.5 */
        *detail = "a PUT of a part, with Content-Range, is not known here";
        return HTTP_PROBLEM_BAD_PARAMETER;
    }
    return HTTP_PROBLEM_NONE;
}

static enum http_problem read_value_request(const struct server_config *server,
                                            const struct http_request *http, uint64_t wall_ms,
                                            struct api_request *request, const char **detail)
{
    const struct config_namespaces *space = &server->namespaces[request->namespace_index];
    enum http_problem problem = read_conditions(http, wall_ms, request, detail);
    read_range(http, request);
    if (problem == HTTP_PROBLEM_NONE)
        problem = choose_value_task(space, http, request, detail);
    if (problem == HTTP_PROBLEM_NONE)
        read_wait(server, http, request);
    if (problem != HTTP_PROBLEM_NONE || !api_request_is_write(request))
        return problem;
    problem = check_put(http, request, detail);
    if (problem == HTTP_PROBLEM_NONE)
        problem = check_body_limit(request, space->value_max,
                                   "larger than the namespace's value_max", detail);
    if (problem == HTTP_PROBLEM_NONE)
        problem = read_expiry(http, space->ttl_s, wall_ms, request, detail);
    if (problem == HTTP_PROBLEM_NONE && request->method == HTTP_PUT)
        problem = read_attributes(http, request, detail);
    return problem;
}

/* What has an effect when it is made once more: POST and PATCH, but for the read among them. */
static bool may_have_idempotency_key(const struct api_request *request)
{
    return (request->method == HTTP_POST || request->method == HTTP_PATCH) &&
           request->task != API_TASK_BULK_GET;
}

/* "key\0"; whose it is comes behind it when that is known (api_access_keep_client). */
static enum http_problem read_idempotency_key(const struct config_namespaces *space,
                                              const struct http_request *http,
                                              struct api_request *request, const char **detail)
{
    uint32_t key_bytes = 0;
    uint8_t *scope = api_request_scope(request);
    if (!may_have_idempotency_key(request))
        return HTTP_PROBLEM_NONE;
    switch (idempotency_key_read(http, scope, &key_bytes)) {
    case IDEMPOTENCY_KEY_NONE:
        *detail = "this namespace wants an Idempotency-Key with every POST and PATCH";
        return space->require_idempotency_key ? HTTP_PROBLEM_IDEMPOTENCY_KEY_REQUIRED
                                              : HTTP_PROBLEM_NONE;
    case IDEMPOTENCY_KEY_MALFORMED:
        *detail = "Idempotency-Key is one string of 1 to 255 characters in quotes (RFC 9651 3.3.3)";
        return HTTP_PROBLEM_BAD_IDEMPOTENCY_KEY;
    case IDEMPOTENCY_KEY_FOUND:
        break;
    }
    if (!condition_fits_operation(request)) {
        *detail = "an Idempotency-Key goes with If-Match or If-None-Match of up to four tags";
        return HTTP_PROBLEM_BAD_CONDITION;
    }
    scope[key_bytes] = '\0';
    request->scope_bytes = (uint16_t)(key_bytes + 1);
    return HTTP_PROBLEM_NONE;
}

static enum http_problem read_task_request(const struct server_config *server,
                                           const struct http_request *http,
                                           struct api_request *request, const char **detail)
{
    enum http_problem problem =
        check_body_limit(request, server->tasks.body_max, "larger than tasks.body_max", detail);
    if (problem == HTTP_PROBLEM_NONE)
        problem = keep_query(http, request, detail);
    if (problem == HTTP_PROBLEM_NONE)
        problem = read_idempotency_key(&server->namespaces[request->namespace_index], http, request,
                                       detail);
    return problem;
}

enum http_problem api_request_read(const struct route_table *routes,
                                   const struct server_config *server,
                                   const struct http_request *http, uint64_t wall_ms,
                                   struct api_request *request, const char **detail)
{
    memset(request, 0, offsetof(struct api_request, request_id));
    *detail = NULL;
    request->method = http->method;
    request->version_minor = http->version_minor;
    request->must_close = !(http->flags & HTTP_KEEP_ALIVE);
    request->is_chunked = http->flags & HTTP_CHUNKED;
    request->expects_continue = http->flags & HTTP_EXPECT_CONTINUE;
    request->content_length = http->flags & HTTP_HAS_LENGTH ? http->content_length : 0;
    read_request_id(http, request);
    request->body_max = UINT64_MAX;
    enum http_problem problem =
        check_body_limit(request, server->http.body_max, "larger than http.body_max", detail);
    if (problem != HTTP_PROBLEM_NONE)
        return problem;

    struct route_match match;
    route_match(routes, (enum http_method)http->method, http->path, request->bytes, &match);
    request->route = match.route;
    request->allow = match.allow;
    request->namespace_index = match.namespace_index;
    request->key_bytes = match.key_bytes;
    if (match.route == ROUTE_REFUSED) {
        *detail = match.reason;
        return problem_of_refusal(match.status);
    }
    if (request->route == ROUTE_VALUE)
        problem = read_value_request(server, http, wall_ms, request, detail);
    if (request->route == ROUTE_COLLECTION || request->route == ROUTE_JOB)
        request->task = match.task;
    if (problem != HTTP_PROBLEM_NONE || request->task == API_TASK_NONE)
        return problem;
    problem = read_task_request(server, http, request, detail);
    if (problem == HTTP_PROBLEM_NONE)
        read_job(http, match.is_job, request);
    return problem;
}
