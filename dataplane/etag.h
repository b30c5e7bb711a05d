/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * etag.h - entity tags: writing ours, and reading the lists of If-Match and If-None-Match.
 *
 * Purpose:   from the fields of a request to the versions its condition names.
 * Ownership: none.
 * Threading: none.
 * Units:     versions; bytes.
 * Errors:    enum etag_verdict; both refusals are answered 400.
 * Source:    RFC 9110 8.8.3 (entity tags and their comparison), 13.1.1, 13.1.2.
 *
 * Our tags are strong: the version in decimal, without leading zeros, in quotes. Every other tag
 * is legal and simply never matches.
 */
#ifndef GANNET_ETAG_H
#define GANNET_ETAG_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/http_parser.h"

#define ETAG_VERSIONS_MAX 64u /* in all conditions of a request together */
#define ETAG_BYTES_MAX 22u    /* "18446744073709551615" */

enum etag_verdict {
    ETAG_LIST_GOOD = 0,
    ETAG_LIST_MALFORMED, /* not a list of entity tags, an empty list, or * beside others */
    ETAG_LIST_TOO_LONG,  /* more than ETAG_VERSIONS_MAX tags of ours */
};

/* Strong for If-Match, where W/"17" matches nothing; weak for If-None-Match, where it is "17". */
enum etag_comparison {
    ETAG_STRONG = 0,
    ETAG_WEAK,
};

/* The versions that all lists of one request name. */
struct etag_versions {
    uint32_t count;
    uint64_t at[ETAG_VERSIONS_MAX];
};

struct etag_list {
    bool is_present;      /* the request has such a field at all */
    bool is_any;          /* the list is * */
    bool has_unmatchable; /* tags that no version of ours can match were in it */
    uint8_t first, count; /* of the request's versions */
};

/* Every field line of that name (lower-case `name`), as one list; adds to `versions`. */
enum etag_verdict etag_list_parse(const struct http_request *request, const char *name,
                                  enum etag_comparison comparison, struct etag_versions *versions,
                                  struct etag_list *list);

/* Whether the list names what is there now; version 0 is: nothing is there. */
bool etag_list_matches(const struct etag_list *list, const struct etag_versions *versions,
                       uint64_t version);

/* One strong tag of ours and nothing else: If-Range. False for every other text. */
bool etag_parse_strong(struct http_slice text, uint64_t *version);

/* Writes the tag with its quotes, without an end mark; returns its bytes. */
uint32_t etag_format(uint64_t version, uint8_t out[ETAG_BYTES_MAX]);

#endif
