/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limited_clients.h - whom a worker refused for a rate limit: for the operator who asks.
 *
 * Purpose:   GET /limited on the admin socket. A worker remembers the clients it refused most, a
 *            fixed number of them.
 * Ownership: main's; one for each worker.
 * Threading: one worker writes, anybody reads: an entry that changes just then is left out.
 * Units:     _ms wall.
 * Errors:    create returns NULL when memory is short.
 * Source:    include/published.h.
 */
#ifndef GANNET_LIMITED_CLIENTS_H
#define GANNET_LIMITED_CLIENTS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define LIMITED_CLIENTS 64u     /* a worker's; one more takes the place of the least refused */
#define LIMITED_FRESH_MS 60000u /* ... or of one that was not refused for so long */
#define LIMIT_CLIENT_BYTES 64u

enum limit_client_kind {
    LIMIT_CLIENT_NAME = 1, /* of an API key */
    LIMIT_CLIENT_IPV4 = 4,
    LIMIT_CLIENT_IPV6 = 6, /* with as many bits as limits.ipv6_prefix says */
};

/* Whom a policy counts. Bytes behind the used ones are zero: it is hashed and compared whole. */
struct limit_client {
    uint8_t kind; /* enum limit_client_kind */
    uint8_t bytes;
    uint8_t policy; /* number of the rate limit */
    uint8_t unused[5];
    uint8_t text[LIMIT_CLIENT_BYTES];
};
static_assert(sizeof(struct limit_client) == 72, "nine words to hash");

struct limited_client {
    struct limit_client client;
    uint64_t refusals; /* since it is remembered */
    uint64_t last_ms;  /* when it was refused last */
};

struct limited_clients;

struct limited_clients *limited_clients_create(void);
void limited_clients_destroy(struct limited_clients *clients);

/* The worker: it was refused. */
void limited_clients_add(struct limited_clients *clients, const struct limit_client *client,
                         uint64_t hash, uint64_t wall_ms);

/* Anybody: the entry at that place, of LIMITED_CLIENTS; false: there is none, or it changes. */
bool limited_clients_read(const struct limited_clients *clients, uint32_t place,
                          struct limited_client *out);

#endif
