/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/api_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/limit_table.h"
#include "dataplane/proxy_header.h"
#include "include/api_keys.h"

static_assert(RATE_LIMITS_MAX == ARRAY_COUNT(((struct server_config *)0)->rate_limits),
              "one counter for each");

/* ---- from the configuration ------------------------------------------------------------ */

static struct limit_policy policy_of(const struct config_rate_limits *limit)
{
    struct limit_policy policy = {.quota = (uint32_t)limit->quota,
                                  .window_s = (uint32_t)limit->window_s,
                                  .by = (uint8_t)limit->by};
    uint64_t burst = limit->burst > 0 ? limit->burst : limit->quota;
    /* lint-allow: division: once per reload */
    policy.interval = limit->window_s * LIMIT_TICKS_PER_S / limit->quota;
    if (policy.interval == 0)
        policy.interval = 1;
    policy.depth = policy.interval * burst;
    if (policy.depth > LIMIT_DEPTH_MAX)
        policy.depth = LIMIT_DEPTH_MAX;
    snprintf(policy.name, sizeof(policy.name), "%s", limit->name);
    return policy;
}

/* Is the name among those in "one another"? */
static bool list_has(const char *list, const char *name)
{
    size_t bytes = strlen(name);
    while (*(list += strspn(list, " "))) {
        size_t word = strcspn(list, " ");
        if (word == bytes && memcmp(list, name, bytes) == 0)
            return true;
        list += word;
    }
    return false;
}

static void fill_set(const struct server_config *config, const char *list, struct limit_set *set)
{
    struct http_writer writer = http_writer_on(set->field, sizeof(set->field));
    for (uint32_t i = 0; i < config->rate_limits_count; i++) {
        const struct config_rate_limits *limit = &config->rate_limits[i];
        bool counts = limit->name[0] && (limit->everywhere || list_has(list, limit->name));
        if (!counts || set->count == REQUEST_LIMITS_MAX)
            continue;
        http_write_text(&writer, set->count == 0 ? "RateLimit-Policy: \"" : ", \"");
        http_write_text(&writer, limit->name);
        HTTP_WRITE_LITERAL(&writer, "\";q=");
        http_write_decimal(&writer, limit->quota);
        HTTP_WRITE_LITERAL(&writer, ";w=");
        http_write_decimal(&writer, limit->window_s);
        set->numbers[set->count++] = (uint8_t)i;
    }
    if (set->count > 0)
        HTTP_WRITE_LITERAL(&writer, "\r\n");
    set->field_bytes = (uint16_t)http_writer_bytes(&writer);
}

struct limit_policies *api_limits_create(const struct server_config *config, bool *is_used)
{
    struct limit_policies *policies = calloc(1, sizeof(*policies));
    if (!policies)
        return NULL;
    policies->ipv6_prefix = (uint32_t)config->limits.ipv6_prefix;
    policies->has_x_headers = config->limits.x_headers;
    for (uint32_t i = 0; i < config->rate_limits_count; i++)
        if (config->rate_limits[i].name[0])
            policies->policies[i] = policy_of(&config->rate_limits[i]);
    fill_set(config, "", &policies->sets[0]);
    *is_used = policies->sets[0].count > 0;
    for (uint32_t i = 0; i < config->namespaces_count; i++) {
        fill_set(config, config->namespaces[i].rate_limits, &policies->sets[1 + i]);
        *is_used |= policies->sets[1 + i].count > 0;
    }
    return policies;
}

void api_limits_destroy(struct limit_policies **policies)
{
    free(*policies);
    *policies = NULL;
}

bool api_limits_apply(const struct limit_policies *policies, uint32_t space)
{
    return policies && policies->sets[1 + space].count > 0;
}

/* ---- who ------------------------------------------------------------ */

static bool is_link_local(const uint8_t *address)
{
    return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

static void set_address(const struct limit_policies *policies, const struct proxy_client *from,
                        struct limit_client *who)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* IPv4 as IPv6 has it */
    if (from->ip_version == 4 || memcmp(from->address, mapped, sizeof(mapped)) == 0) {
        who->kind = LIMIT_CLIENT_IPV4;
        who->bytes = 4;
        memcpy(who->text, from->address + (from->ip_version == 4 ? 0 : sizeof(mapped)), 4);
        return;
    }
    /* Everybody on a link has the same first half. */
    uint32_t bits = is_link_local(from->address) ? 128 : policies->ipv6_prefix;
    who->kind = LIMIT_CLIENT_IPV6;
    who->bytes = 16;
    memcpy(who->text, from->address, bits / 8);
    if (bits % 8 != 0)
        who->text[bits / 8] = (uint8_t)(from->address[bits / 8] & 0xff00 >> bits % 8);
}

static struct limit_client client_of(const struct live_settings *settings, uint8_t number,
                                     const struct proxy_client *from,
                                     const struct api_request *request)
{
    struct limit_client who = {.policy = number};
    const struct limit_policies *policies = settings->limits;
    if (policies->policies[number].by == CONFIG_LIMIT_BY_ADDRESS ||
        request->client == API_KEY_NONE) {
        set_address(policies, from, &who);
        return who;
    }
    const char *name = api_keys_at(settings->keys, request->client)->name;
    who.kind = LIMIT_CLIENT_NAME;
    who.bytes = (uint8_t)strnlen(name, LIMIT_CLIENT_BYTES);
    memcpy(who.text, name, who.bytes);
    return who;
}
static_assert(API_KEY_NAME_BYTES_MAX <= LIMIT_CLIENT_BYTES, "a name fits");

static uint64_t hash_of(const struct siphash_key *key, const struct limit_client *who)
{
    uint64_t words[sizeof(*who) / sizeof(uint64_t)];
    memcpy(words, who, sizeof(*who));
    return siphash_words(key, words, who->kind == LIMIT_CLIENT_NAME ? ARRAY_COUNT(words) : 3);
}

/* ---- charging ------------------------------------------------------------ */

/* A number of requests of `interval` each, without a division: at most 2^41 over at least 1. */
static uint32_t requests_in(uint64_t ticks, uint64_t interval)
{
    /* lint-allow: division: of requests that are limited only, and beside a compare-and-swap */
    return (uint32_t)(ticks / interval);
}

static uint32_t seconds_up(uint64_t ticks)
{
    return (uint32_t)((ticks + LIMIT_TICKS_PER_S - 1) / LIMIT_TICKS_PER_S);
}

/* How many are left; until when: until the quota is whole, or, when none is left, the next one. */
static void note(struct api_request *request, uint32_t at, const struct limit_policy *policy,
                 uint64_t ahead)
{
    request->limit_left[at] = requests_in(policy->depth - ahead, policy->interval);
    uint64_t until = request->limit_left[at] > 0 ? ahead : ahead + policy->interval - policy->depth;
    request->limit_reset_s[at] = seconds_up(until);
}

struct charging {
    const struct limit_set *set;
    struct limit_client who[REQUEST_LIMITS_MAX];
    uint64_t hashes[REQUEST_LIMITS_MAX];
    uint64_t ahead[REQUEST_LIMITS_MAX];
};

/* One limit says no: what others have taken is given back, and those behind it are only asked. */
static void charge_all(const struct limit_policies *policies, const struct limit_desk *desk,
                       uint64_t now_ns, struct charging *all, struct api_request *request)
{
    for (uint32_t i = 0; i < all->set->count; i++) {
        const struct limit_policy *policy = &policies->policies[all->set->numbers[i]];
        bool is_lost = request->limits_refusing != 0;
        struct limit_outcome outcome = is_lost
                                           ? limit_table_look(desk->table, all->hashes[i], now_ns,
                                                              policy->interval, policy->depth)
                                           : limit_table_charge(desk->table, all->hashes[i], now_ns,
                                                                policy->interval, policy->depth);
        all->ahead[i] = outcome.ahead;
        count_many(desk->counters, COUNTER_RATE_LIMIT_EVICTIONS, outcome.has_evicted);
        count_many(desk->counters, COUNTER_RATE_LIMIT_CONTENDED, outcome.is_contended);
        if (outcome.is_taken)
            continue;
        for (uint32_t k = 0; k < i && !is_lost; k++) {
            uint64_t interval = policies->policies[all->set->numbers[k]].interval;
            limit_table_refund(desk->table, all->hashes[k], now_ns, interval);
            all->ahead[k] -= interval;
        }
        request->limits_refusing |= (uint8_t)(1u << i);
    }
}

enum http_problem api_limits_charge(const struct live_settings *settings,
                                    const struct limit_desk *desk,
                                    const struct proxy_client *client, uint64_t now_ns,
                                    uint64_t wall_ms, struct api_request *request)
{
    const struct limit_policies *policies = settings->limits;
    struct charging all = {.set = &policies->sets[request->limit_set]};
    for (uint32_t i = 0; i < all.set->count; i++) {
        all.who[i] = client_of(settings, all.set->numbers[i], client, request);
        all.hashes[i] = hash_of(&desk->key, &all.who[i]);
    }
    charge_all(policies, desk, now_ns, &all, request);
    request->limit_count = all.set->count;
    for (uint32_t i = 0; i < all.set->count; i++) {
        bool refuses = request->limits_refusing >> i & 1;
        note(request, i, &policies->policies[all.set->numbers[i]], all.ahead[i]);
        if (refuses || request->limits_refusing == 0)
            counter_bump(&desk->counters->limits[all.set->numbers[i]][refuses], 1);
        if (refuses && desk->refused)
            limited_clients_add(desk->refused, &all.who[i], all.hashes[i], wall_ms);
    }
    return request->limits_refusing ? HTTP_PROBLEM_QUOTA_EXCEEDED : HTTP_PROBLEM_NONE;
}

/* ---- answering ------------------------------------------------------------ */

/* NULL: none counts it, or a reload came between, and its numbers may mean other limits now. */
static const struct limit_set *set_of(const struct live_settings *settings,
                                      const struct api_request *request)
{
    if (request->limit_count == 0 || !settings->limits ||
        request->settings_generation != (uint32_t)settings->generation)
        return NULL;
    return &settings->limits->sets[request->limit_set];
}

/* The one that has least left, and of several the one that takes longest. */
static uint32_t tightest(const struct api_request *request)
{
    uint32_t least = 0;
    for (uint32_t i = 1; i < request->limit_count; i++) {
        bool is_less = request->limit_left[i] < request->limit_left[least];
        bool is_later = request->limit_left[i] == request->limit_left[least] &&
                        request->limit_reset_s[i] > request->limit_reset_s[least];
        if (is_less || is_later)
            least = i;
    }
    return least;
}

static void write_x_fields(const struct limit_policies *policies, const struct limit_set *set,
                           const struct api_request *request, struct http_writer *writer)
{
    uint32_t at = tightest(request);
    HTTP_WRITE_LITERAL(writer, "X-RateLimit-Limit: ");
    http_write_decimal(writer, policies->policies[set->numbers[at]].quota);
    HTTP_WRITE_LITERAL(writer, "\r\nX-RateLimit-Remaining: ");
    http_write_decimal(writer, request->limit_left[at]);
    HTTP_WRITE_LITERAL(writer, "\r\nX-RateLimit-Reset: ");
    http_write_decimal(writer, request->limit_reset_s[at]);
    HTTP_WRITE_LITERAL(writer, "\r\n");
}

void api_limits_write_fields(const struct live_settings *settings,
                             const struct api_request *request, uint16_t status,
                             struct http_writer *writer)
{
    const struct limit_set *set = set_of(settings, request);
    if (!set)
        return;
    http_write(writer, set->field, set->field_bytes);
    for (uint32_t i = 0; i < set->count; i++) {
        http_write_text(writer, i == 0 ? "RateLimit: \"" : ", \"");
        http_write_text(writer, settings->limits->policies[set->numbers[i]].name);
        HTTP_WRITE_LITERAL(writer, "\";r=");
        http_write_decimal(writer, request->limit_left[i]);
        if (status == 503)
            continue; /* its Retry-After is about the server, and t would contradict it */
        HTTP_WRITE_LITERAL(writer, ";t=");
        http_write_decimal(writer, request->limit_reset_s[i]);
    }
    HTTP_WRITE_LITERAL(writer, "\r\n");
    if (settings->limits->has_x_headers)
        write_x_fields(settings->limits, set, request, writer);
}

void api_limits_write_retry(const struct api_request *request, struct http_writer *writer)
{
    uint32_t longest_s = 1;
    for (uint32_t i = 0; i < request->limit_count; i++)
        if (request->limits_refusing >> i & 1 && request->limit_reset_s[i] > longest_s)
            longest_s = request->limit_reset_s[i];
    HTTP_WRITE_LITERAL(writer, "Retry-After: ");
    http_write_decimal(writer, longest_s);
    HTTP_WRITE_LITERAL(writer, "\r\n");
}

void api_limits_write_violations(const struct live_settings *settings,
                                 const struct api_request *request, struct http_writer *writer)
{
    const struct limit_set *set = set_of(settings, request);
    const char *comma = "";
    HTTP_WRITE_LITERAL(writer, ",\"violated-policies\":[");
    for (uint32_t i = 0; set && i < set->count; i++) {
        if (!(request->limits_refusing >> i & 1))
            continue;
        http_write_text(writer, comma);
        HTTP_WRITE_LITERAL(writer, "\"");
        http_write_text(writer, settings->limits->policies[set->numbers[i]].name);
        HTTP_WRITE_LITERAL(writer, "\"");
        comma = ",";
    }
    HTTP_WRITE_LITERAL(writer, "]");
}

const char *api_limits_refusing(const struct live_settings *settings,
                                const struct api_request *request)
{
    const struct limit_set *set = set_of(settings, request);
    for (uint32_t i = 0; set && i < set->count; i++)
        if (request->limits_refusing >> i & 1)
            return settings->limits->policies[set->numbers[i]].name;
    return NULL;
}
