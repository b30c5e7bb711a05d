/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/limited_clients.h"

#include <stdlib.h>

#include "include/published.h"

struct limited_clients {
    uint64_t hashes[LIMITED_CLIENTS]; /* the worker's */
    struct limited_client entries[LIMITED_CLIENTS];
    struct published shown[LIMITED_CLIENTS];
};

struct limited_clients *limited_clients_create(void)
{
    return calloc(1, sizeof(struct limited_clients));
}

void limited_clients_destroy(struct limited_clients *clients)
{
    free(clients);
}

static bool gives_way(const struct limited_client *one, const struct limited_client *other,
                      uint64_t wall_ms)
{
    bool is_old = one->last_ms + LIMITED_FRESH_MS < wall_ms;
    bool other_is_old = other->last_ms + LIMITED_FRESH_MS < wall_ms;
    return is_old != other_is_old ? is_old : one->refusals < other->refusals;
}

static uint32_t place_of(const struct limited_clients *clients, uint64_t hash, uint64_t wall_ms)
{
    uint32_t worst = 0;
    for (uint32_t i = 0; i < LIMITED_CLIENTS; i++) {
        if (clients->hashes[i] == hash && clients->entries[i].refusals > 0)
            return i;
        if (gives_way(&clients->entries[i], &clients->entries[worst], wall_ms))
            worst = i;
    }
    return worst;
}

void limited_clients_add(struct limited_clients *clients, const struct limit_client *client,
                         uint64_t hash, uint64_t wall_ms)
{
    uint32_t place = place_of(clients, hash, wall_ms);
    struct limited_client *entry = &clients->entries[place];
    if (clients->hashes[place] != hash)
        entry->refusals = 0;
    clients->hashes[place] = hash;
    entry->client = *client;
    entry->refusals++;
    entry->last_ms = wall_ms;
    published_set(&clients->shown[place], entry, sizeof(*entry));
}

bool limited_clients_read(const struct limited_clients *clients, uint32_t place,
                          struct limited_client *out)
{
    const struct published *shown = &clients->shown[place];
    uint32_t version = published_version(shown);
    return version != 0 && published_take(shown, version, out, sizeof(*out));
}
