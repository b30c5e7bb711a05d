/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/api_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/api_route.h"
#include "dataplane/http_response.h"

/* What the shortest way does not look at: it knows keys and their entries only. */
static void find_careful_namespaces(struct live_settings *settings)
{
    const struct server_config *config = &settings->config;
    static_assert(ARRAY_COUNT(config->namespaces) == LIVE_NAMESPACES_MAX, "one for each");
    for (uint32_t i = 0; i < config->namespaces_count; i++) {
        bool is_gone = config->namespaces[i].name[0] == '\0'; /* but its values may be cached */
        bool has_own_cache_control =
            strcmp(config->namespaces[i].cache_control, CACHE_CONTROL_DEFAULT) != 0;
        settings->is_careful[i] = is_gone || has_own_cache_control;
        settings->has_careful_namespaces |= settings->is_careful[i];
    }
}

int api_settings_create(const struct server_config *config, char *problem, size_t problem_bytes,
                        struct live_settings **out)
{
    snprintf(problem, problem_bytes, "%s", strerror(ENOMEM));
    struct live_settings *settings = calloc(1, sizeof(*settings));
    if (!settings)
        return -ENOMEM;
    settings->config = *config;
    settings->routes = calloc(1, sizeof(*settings->routes));
    int result = settings->routes ? 0 : -ENOMEM;
    if (result == 0)
        result = route_table_build(settings->routes, &settings->config, problem, problem_bytes);
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
    free(settings->routes);
    free(settings);
}

int api_settings_board_create(const struct server_config *config, uint32_t reader_count,
                              char *problem, size_t problem_bytes, struct live_board **board)
{
    struct live_settings *first;
    int result = api_settings_create(config, problem, problem_bytes, &first);
    if (result != 0)
        return result;
    *board = live_board_create(reader_count, first, api_settings_destroy);
    if (*board)
        return 0;
    api_settings_destroy(first);
    return -ENOMEM;
}
