/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * api_route.h - what a request is for: method and path to a route and the full key.
 *
 * Purpose:   one pure function from a parsed request to what must be done, or to the refusal.
 * Ownership: the table belongs to whoever built it; the match points into it and into nothing else.
 * Threading: built before workers start, read-only afterwards: any worker may match.
 * Units:     bytes.
 * Errors:    ROUTE_REFUSED with status and reason; a table that cannot be built says why.
 * Source:    api.md's paths; RFC 9110 9.3.7 (OPTIONS), 10.2.1 (Allow), 15.5.6 (405), 15.6.2 (501).
 */
#ifndef GANNET_API_ROUTE_H
#define GANNET_API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/http_parser.h"
#include "include/server_config.h"
#include "include/shard_operation.h"

#define ROUTE_NAMESPACES_MAX 256u
#define ROUTE_NAMESPACE_SLOTS 1024u /* a quarter full at most */
#define ROUTE_CONFIGURED_MAX 64u
#define ROUTE_PATH_BYTES_MAX 255u

enum route {
    ROUTE_REFUSED = 0, /* answer status and reason; on 405 with allow */
    ROUTE_VALUE,       /* /v1/ns/{namespace}/values/{key}: GET, HEAD, PUT, DELETE, POST, PATCH */
    ROUTE_COLLECTION,  /* /v1/ns/{namespace}/keys, /bulk, /bulk/get, /bulk/delete, /purge */
    ROUTE_NAMESPACES,  /* /v1/ns: GET, HEAD */
    ROUTE_ECHO,        /* a configured route with backend: echo */
    ROUTE_OPTIONS,     /* OPTIONS of a resource or of *: 204 with allow */
    ROUTE_OPENAPI,     /* /v1/openapi.json: GET, HEAD */
    ROUTE_NAMESPACE,   /* /v1/ns/{namespace}: GET, HEAD */
    ROUTE_JOB,         /* /v1/jobs/{job}: GET, HEAD, DELETE; /v1/jobs/{job}/result: GET, HEAD */
    ROUTE_COUNT,
};

struct route_match {
    uint8_t route;            /* enum route */
    uint16_t status;          /* of a refusal: 400, 404, 405 or 501 */
    uint8_t task;             /* ROUTE_COLLECTION, ROUTE_JOB: enum api_task_kind */
    bool is_job;              /* a configured route makes a job of it, if it can be one */
    uint16_t key_bytes;       /* of "namespace\0key" in the caller's buffer, or "namespace\0" */
    uint16_t namespace_index; /* of both: into the configuration's namespaces */
    const char *reason;       /* of a refusal: one static sentence */
    const char *allow;        /* the resource's Allow list; NULL where there is no resource */
};

/* Immutable once built. */
struct route_table {
    uint32_t configured_count;
    bool has_routes_under_v1; /* configured routes may lie over the built-in ones */
    uint16_t namespace_slots[ROUTE_NAMESPACE_SLOTS]; /* index + 1; 0 is free */
    struct {
        uint8_t bytes;
        char name[NAMESPACE_NAME_BYTES_MAX];
    } namespaces[ROUTE_NAMESPACES_MAX];
    struct {
        uint16_t bytes;
        uint8_t backend; /* enum config_backend */
        bool is_prefix;
        char path[ROUTE_PATH_BYTES_MAX];
    } configured[ROUTE_CONFIGURED_MAX]; /* the longest path first */
};

/*
 * From the namespaces (those that have a name) and routes of a configuration. 0, or -EINVAL with a
 * sentence in `problem`.
 * Among configured routes the longest wins. One under /v1/ wins over the built-in paths; a shorter
 * one, such as /, never hides them. `backend: values` gives a part of an echo route back to them.
 */
int route_table_build(struct route_table *table, const struct server_config *config, char *problem,
                      size_t problem_bytes);

/*
 * Writes "namespace\0key", percent-decoded, into `key` for ROUTE_VALUE, "namespace\0" for
 * ROUTE_COLLECTION, the job's name for ROUTE_JOB. `path` is without the query.
 */
void route_match(const struct route_table *table, enum http_method method, struct http_slice path,
                 uint8_t key[KEY_BYTES_MAX], struct route_match *match);

/* The index of a namespace in the configuration, or UINT32_MAX. */
uint32_t route_find_namespace(const struct route_table *table, const void *name,
                              uint32_t name_bytes);

#endif
