/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * api_access.h - who asks, whether they may, and what else a namespace or route adds to its
 * answers.
 *
 * Purpose:   API keys and anonymous access, demanded preconditions, CORS, deprecation: everything
 *            that makes a namespace careful (include/live_settings.h).
 * Ownership: nothing; the request remembers numbers, never pointers into a snapshot.
 * Threading: one worker; the snapshot is read-only.
 * Units:     _s Unix seconds.
 * Errors:    a problem and a sentence, for the answer.
 * Source:    RFC 6750 (Bearer), RFC 6585 section 3 (428), the Fetch standard (CORS), RFC 9745
 *            (Deprecation), RFC 8594 (Sunset), RFC 8288 (Link).
 */
#ifndef GANNET_API_ACCESS_H
#define GANNET_API_ACCESS_H

#include "dataplane/api_request.h"
#include "include/live_settings.h"

/* What a request has to do with CORS: a number of api_request.cors, or 2 + the number of an origin
 * in the namespace's list. */
#define CORS_NONE 0u /* the namespace has none */
#define CORS_VARY 1u /* answers differ by Origin; this one gets none of the fields */
#define CORS_ANY 2u  /* every origin may */
#define CORS_LISTED 3u

/*
 * After api_request_read, whatever it said. NONE leaves that as it is; another problem goes before
 * it. `is_trusted`: the listener takes API keys.
 */
enum http_problem api_access_check(const struct live_settings *settings, bool is_trusted,
                                   uint64_t wall_s, const struct http_request *http,
                                   struct api_request *request, const char **detail);

/* Behind the Idempotency-Key, or none, of a request that has a scope: whose it is. */
void api_access_keep_client(const struct live_settings *settings, struct api_request *request);

/* Whether the client of that number (API_KEY_NONE: anonymous) may do this in the namespace. */
bool api_access_allows(const struct live_settings *settings, uint32_t client, uint32_t space,
                       enum http_method method);

/* Header fields for every answer to the request. */
void api_access_write_fields(const struct live_settings *settings,
                             const struct api_request *request, struct http_writer *writer);

/* Does a GET of a value in it need the look that only the long way takes? */
bool api_access_is_careful(const struct live_settings *settings, uint32_t space);

#endif
