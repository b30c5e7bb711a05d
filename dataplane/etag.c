/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/etag.h"

#include "include/assert_policy.h"

/* RFC 9110 8.8.3 etagc: any visible byte but the quote. */
static bool is_tag_byte(uint8_t byte)
{
    return byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
}

static bool is_blank_or_comma(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == ',';
}

/*
 * The version in the quotes, if that is how we would have written it; 0 otherwise: no value has
 * that.
 */
static uint64_t version_of(const uint8_t *at, const uint8_t *end)
{
    uint64_t version = 0;
    if (at == end || *at == '0' || end - at > 20)
        return 0;
    for (; at < end; at++) {
        uint8_t digit = (uint8_t)(*at - '0');
        if (digit > 9 || __builtin_mul_overflow(version, UINT64_C(10), &version) ||
            __builtin_add_overflow(version, (uint64_t)digit, &version))
            return 0;
    }
    return version;
}

static bool is_listed(const struct etag_list *list, const struct etag_versions *versions,
                      uint64_t version)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (versions->at[list->first + i] == version)
            return true;
    return false;
}

static enum etag_verdict add_version(struct etag_list *list, struct etag_versions *versions,
                                     uint64_t version)
{
    if (is_listed(list, versions, version))
        return ETAG_LIST_GOOD;
    if (versions->count == ETAG_VERSIONS_MAX)
        return ETAG_LIST_TOO_LONG;
    versions->at[versions->count++] = version;
    list->count++;
    return ETAG_LIST_GOOD;
}

/* One entity tag from *at, which moves behind it. */
static enum etag_verdict parse_tag(const uint8_t **at, const uint8_t *end,
                                   enum etag_comparison comparison, struct etag_versions *versions,
                                   struct etag_list *list)
{
    const uint8_t *byte = *at;
    bool is_weak = end - byte >= 2 && byte[0] == 'W' && byte[1] == '/';
    if (is_weak)
        byte += 2;
    if (byte == end || *byte != '"')
        return ETAG_LIST_MALFORMED;
    const uint8_t *opaque = ++byte;
    while (byte < end && is_tag_byte(*byte))
        byte++;
    if (byte == end || *byte != '"')
        return ETAG_LIST_MALFORMED;
    *at = byte + 1;

    uint64_t version = version_of(opaque, byte);
    if (version != 0 && (!is_weak || comparison == ETAG_WEAK))
        return add_version(list, versions, version);
    list->has_unmatchable = true;
    return ETAG_LIST_GOOD;
}

static bool is_empty(const struct etag_list *list)
{
    return list->count == 0 && !list->has_unmatchable;
}

/* One field line; empty elements are skipped (RFC 9110 5.6.1.2). */
static enum etag_verdict parse_line(struct http_slice line, enum etag_comparison comparison,
                                    struct etag_versions *versions, struct etag_list *list)
{
    const uint8_t *at = line.at, *end = line.at + line.bytes;
    if (list->is_any)
        return ETAG_LIST_MALFORMED;
    if (line.bytes == 1 && *at == '*') {
        list->is_any = true;
        return is_empty(list) ? ETAG_LIST_GOOD : ETAG_LIST_MALFORMED;
    }
    for (;;) {
        while (at < end && is_blank_or_comma(*at))
            at++;
        if (at == end)
            return ETAG_LIST_GOOD;
        enum etag_verdict verdict = parse_tag(&at, end, comparison, versions, list);
        if (verdict != ETAG_LIST_GOOD)
            return verdict;
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
        if (at < end && *at != ',')
            return ETAG_LIST_MALFORMED;
    }
}

enum etag_verdict etag_list_parse(const struct http_request *request, const char *name,
                                  enum etag_comparison comparison, struct etag_versions *versions,
                                  struct etag_list *list)
{
    ASSERT_HOT(versions->count <= ETAG_VERSIONS_MAX);
    *list = (struct etag_list){.first = (uint8_t)versions->count};
    const struct http_field *field = http_find_field(request, name);
    if (LIKELY(field == NULL))
        return ETAG_LIST_GOOD;
    list->is_present = true;
    for (; field < request->fields + request->field_count; field++) {
        if (!http_slice_is(field->name, name))
            continue;
        enum etag_verdict verdict = parse_line(field->value, comparison, versions, list);
        if (verdict != ETAG_LIST_GOOD)
            return verdict;
    }
    /*
     * The grammar allows an empty list. From a script with an unset variable it would turn a
     * conditional PUT into an unconditional one, so we do not.
     */
    return is_empty(list) && !list->is_any ? ETAG_LIST_MALFORMED : ETAG_LIST_GOOD;
}

bool etag_list_matches(const struct etag_list *list, const struct etag_versions *versions,
                       uint64_t version)
{
    ASSERT_HOT((uint32_t)list->first + list->count <= ETAG_VERSIONS_MAX);
    return version != 0 && (list->is_any || is_listed(list, versions, version));
}

bool etag_parse_strong(struct http_slice text, uint64_t *version)
{
    if (text.bytes < 3 || text.at[0] != '"' || text.at[text.bytes - 1] != '"')
        return false;
    *version = version_of(text.at + 1, text.at + text.bytes - 1);
    return *version != 0;
}

uint32_t etag_format(uint64_t version, uint8_t out[ETAG_BYTES_MAX])
{
    uint8_t digits[20];
    uint32_t count = 0;
    do {
        digits[count++] = (uint8_t)('0' + version % 10);
        version /= 10;
    } while (version != 0);
    uint32_t bytes = 0;
    out[bytes++] = '"';
    while (count > 0)
        out[bytes++] = digits[--count];
    out[bytes++] = '"';
    return bytes;
}
