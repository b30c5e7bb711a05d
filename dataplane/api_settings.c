/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/api_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/api_access.h"
#include "dataplane/api_limits.h"
#include "dataplane/api_route.h"
#include "dataplane/http_response.h"

/* What the shortest way does not look at: it knows keys and their entries only. */
static void find_careful_namespaces(struct live_settings *settings)
{
    const struct server_config *config = &settings->config;
    static_assert(ARRAY_COUNT(config->namespaces) == LIVE_NAMESPACES_MAX, "one for each");
    for (uint32_t i = 0; i < config->namespaces_count; i++) {
        settings->is_careful[i] = api_access_is_careful(settings, i);
        settings->has_careful_namespaces |= settings->is_careful[i];
    }
    for (uint32_t i = 0; i < config->routes_count; i++)
        settings->has_deprecations |= config->routes[i].deprecated_s != 0;
}

static int add_limits(struct live_settings *settings)
{
    bool is_used = false;
    settings->limits = api_limits_create(&settings->config, &is_used);
    if (!settings->limits)
        return -ENOMEM;
    if (!is_used)
        api_limits_destroy(&settings->limits);
    return 0;
}

int api_settings_create(const struct server_config *config, struct api_keys *keys, char *problem,
                        size_t problem_bytes, struct live_settings **out)
{
    snprintf(problem, problem_bytes, "%s", strerror(ENOMEM));
    struct live_settings *settings = calloc(1, sizeof(*settings));
    if (!settings) {
        free(keys);
        return -ENOMEM;
    }
    settings->keys = keys;
    settings->config = *config;
    settings->routes = calloc(1, sizeof(*settings->routes));
    int result = settings->routes ? 0 : -ENOMEM;
    if (result == 0)
        result = route_table_build(settings->routes, &settings->config, problem, problem_bytes);
    if (result != 0) {
        api_settings_destroy(settings);
        return result;
    }
    result = add_limits(settings);
    if (result != 0) {
        api_settings_destroy(settings);
        return result;
    }
    find_careful_namespaces(settings);
    *out = settings;
    return 0;
}

void api_settings_destroy(struct live_settings *settings)
{
    free(settings->keys);
    api_limits_destroy(&settings->limits);
    free(settings->routes);
    free(settings);
}

int api_settings_board_create(const struct server_config *config, struct api_keys *keys,
                              uint32_t reader_count, char *problem, size_t problem_bytes,
                              struct live_board **board)
{
    struct live_settings *first;
    int result = api_settings_create(config, keys, problem, problem_bytes, &first);
    if (result != 0)
        return result;
    *board = live_board_create(reader_count, first, api_settings_destroy);
    if (*board)
        return 0;
    api_settings_destroy(first);
    return -ENOMEM;
}
