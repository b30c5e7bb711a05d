/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/api_condition.h"

#include <string.h>

#include "dataplane/api_request.h"
#include "include/assert_policy.h"

/* Steps 1 and 2. RFC 9110 13.1.4: without a modification date there is no If-Unmodified-Since. */
static bool is_expected_state(const struct api_request *request, uint64_t version,
                              uint64_t modified_at_ms)
{
    if (request->if_match.is_present)
        return etag_list_matches(&request->if_match, &request->tags, version);
    return !request->has_if_unmodified_since || version == 0 ||
           modified_at_ms / 1000 <= request->if_unmodified_since_s;
}

/* Steps 3 and 4. RFC 9110 13.1.3: If-Modified-Since is for reads. */
static bool is_news(const struct api_request *request, uint64_t version, uint64_t modified_at_ms)
{
    if (request->if_none_match.is_present)
        return !etag_list_matches(&request->if_none_match, &request->tags, version);
    return !request->has_if_modified_since || !api_request_is_read(request) ||
           modified_at_ms / 1000 > request->if_modified_since_s;
}

enum condition_verdict condition_evaluate(const struct api_request *request, uint64_t version,
                                          uint64_t modified_at_ms)
{
    if (!is_expected_state(request, version, modified_at_ms))
        return CONDITION_FAILED;
    if (is_news(request, version, modified_at_ms))
        return CONDITION_PASSED;
    return api_request_is_read(request) ? CONDITION_NOT_MODIFIED : CONDITION_FAILED;
}

bool condition_fits_operation(const struct api_request *request)
{
    if (request->if_match.is_present)
        return !request->if_none_match.is_present &&
               request->if_match.count <= SHARD_CONDITION_VERSIONS_MAX;
    return !request->has_if_unmodified_since &&
           request->if_none_match.count <= SHARD_CONDITION_VERSIONS_MAX;
}

void condition_for_shard(const struct api_request *request, uint8_t *condition, uint8_t *count,
                         uint64_t versions[SHARD_CONDITION_VERSIONS_MAX])
{
    const struct etag_list *list = &request->if_match;
    enum shard_condition any = SHARD_IF_PRESENT, listed = SHARD_IF_VERSION_IN;
    ASSERT_HOT(condition_fits_operation(request));
    if (!list->is_present) {
        list = &request->if_none_match;
        any = SHARD_IF_ABSENT;
        listed = SHARD_IF_VERSION_NOT;
    }
    if (!list->is_present)
        return;
    *condition = (uint8_t)(list->is_any ? any : listed);
    *count = list->count;
    memcpy(versions, request->tags.at + list->first, list->count * sizeof(versions[0]));
}

void condition_expect(uint64_t version, uint8_t *condition, uint8_t *count,
                      uint64_t versions[SHARD_CONDITION_VERSIONS_MAX])
{
    *condition = (uint8_t)(version != 0 ? SHARD_IF_VERSION_IN : SHARD_IF_ABSENT);
    *count = version != 0;
    versions[0] = version;
}
