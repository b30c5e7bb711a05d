/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom the rate limits refuse, over all workers: GET /limited. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/server.h"
#include "control/server_settings.h"
#include "control/text_buffer.h"
#include "dataplane/limited_clients.h"

#define SHOWN_MAX 100u

static int by_client(const void *left, const void *right)
{
    const struct limited_client *one = left, *other = right;
    return memcmp(&one->client, &other->client, sizeof(one->client));
}

static int by_refusals(const void *left, const void *right)
{
    const struct limited_client *one = left, *other = right;
    if (one->refusals != other->refusals)
        return one->refusals < other->refusals ? 1 : -1;
    return by_client(left, right);
}

static uint32_t gather(const struct server *server, struct limited_client *all)
{
    uint32_t count = 0;
    for (uint32_t worker = 0; worker < server->worker_count; worker++)
        for (uint32_t place = 0; place < LIMITED_CLIENTS; place++)
            count += limited_clients_read(server->limited[worker], place, &all[count]);
    return count;
}

/* A client has one entry for each worker that refused it. */
static uint32_t merge(struct limited_client *all, uint32_t count)
{
    uint32_t kept = 0;
    qsort(all, count, sizeof(all[0]), by_client);
    for (uint32_t i = 0; i < count; i++) {
        struct limited_client *last = kept > 0 ? &all[kept - 1] : NULL;
        if (!last || by_client(last, &all[i]) != 0) {
            all[kept++] = all[i];
            continue;
        }
        last->refusals += all[i].refusals;
        if (all[i].last_ms > last->last_ms)
            last->last_ms = all[i].last_ms;
    }
    qsort(all, kept, sizeof(all[0]), by_refusals);
    return kept;
}

static void write_one(struct server *server, const struct limited_client *one,
                      struct text_buffer *text)
{
    char limit[33], client[LIMIT_CLIENT_BYTES + 1] = "", date[32];
    const struct limit_client *who = &one->client;
    struct tm utc;
    time_t seconds = (time_t)(one->last_ms / 1000);
    server_settings_limit_name(server->settings, who->policy, limit);
    if (who->kind == LIMIT_CLIENT_NAME)
        memcpy(client, who->text, who->bytes);
    else
        inet_ntop(who->kind == LIMIT_CLIENT_IPV6 ? AF_INET6 : AF_INET, who->text, client,
                  sizeof(client));
    gmtime_r(&seconds, &utc);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
    text_format(text, "%-32s %-39s %12" PRIu64 " %s\n", limit, client, one->refusals, date);
}

void server_write_limited(void *context, struct text_buffer *text)
{
    struct server *server = context;
    struct limited_client *all = malloc(server->worker_count * LIMITED_CLIENTS * sizeof(all[0]));
    text_format(text, "%-32s %-39s %12s %s\n", "limit", "client", "refused", "last");
    if (!all)
        return;
    uint32_t count = merge(all, gather(server, all));
    for (uint32_t i = 0; i < count && i < SHOWN_MAX; i++)
        write_one(server, &all[i], text);
    free(all);
}
