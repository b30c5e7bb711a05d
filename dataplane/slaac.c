/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/slaac.h"

#include <string.h>

#include "dataplane/ipv6.h"
#include "include/clock.h"
#include "include/compiler.h"

#define PREFIX_BITS 64u /* what an EUI-64 leaves: other prefixes form no address (5.5.3 d) */
#define TWO_HOURS_NS (UINT64_C(7200) * NS_PER_S)
#define INFINITE_S UINT32_MAX

static uint64_t end_of(uint32_t lifetime_s, uint64_t now_ns)
{
    return lifetime_s == INFINITE_S ? SLAAC_FOREVER : now_ns + lifetime_s * NS_PER_S;
}

static bool is_some(const struct slaac_address *address)
{
    return !ipv6_is_zero(address->ip);
}

static bool is_of(const struct slaac_address *address, const uint8_t ip[16])
{
    return is_some(address) && ipv6_equal(address->ip, ip);
}

/* 5.5.3 b to d; nd.c looked for the A flag */
static bool is_usable(const struct nd_prefix *prefix)
{
    return prefix->bits == PREFIX_BITS && !ipv6_is_link_local(prefix->prefix) &&
           !ipv6_is_multicast(prefix->prefix) && !ipv6_is_zero(prefix->prefix) &&
           prefix->preferred_s <= prefix->valid_s;
}

/* 5.5.3 e: who forges an advertisement can take no more than all but two hours. */
static void renew(struct slaac_address *address, const struct nd_prefix *prefix, uint64_t now_ns)
{
    uint64_t valid_until_ns = end_of(prefix->valid_s, now_ns);
    if (valid_until_ns > now_ns + TWO_HOURS_NS || valid_until_ns > address->valid_until_ns)
        address->valid_until_ns = valid_until_ns;
    else if (address->valid_until_ns > now_ns + TWO_HOURS_NS)
        address->valid_until_ns = now_ns + TWO_HOURS_NS;
    address->preferred_until_ns = end_of(prefix->preferred_s, now_ns);
    address->is_on_link |= prefix->is_on_link; /* without the flag nothing is said (4861 6.3.4) */
}

static bool wants_another(const struct slaac *slaac, uint64_t now_ns)
{
    return !is_some(&slaac->next) &&
           (!is_some(&slaac->current) || slaac->is_doubtful || slaac_is_deprecated(slaac, now_ns));
}

bool slaac_hear(struct slaac *slaac, const struct nd_prefix *prefix, const uint8_t link_local[16],
                uint64_t now_ns, uint64_t check_ns)
{
    struct slaac_address *const known[] = {&slaac->current, &slaac->former, &slaac->next};
    struct slaac_address heard = {.is_on_link = prefix->is_on_link,
                                  .valid_until_ns = end_of(prefix->valid_s, now_ns),
                                  .preferred_until_ns = end_of(prefix->preferred_s, now_ns)};
    if (!is_usable(prefix))
        return false;
    memcpy(heard.ip, prefix->prefix, 8);
    memcpy(heard.ip + 8, link_local + 8, 8);
    for (uint32_t i = 0; i < ARRAY_COUNT(known); i++) {
        if (!is_of(known[i], heard.ip))
            continue;
        renew(known[i], prefix, now_ns);
        if (known[i] == &slaac->current)
            slaac->is_doubtful = false;
        return false;
    }
    if (prefix->preferred_s == 0 || ipv6_equal(heard.ip, slaac->refused) ||
        !wants_another(slaac, now_ns))
        return false; /* one that is deprecated already nobody should begin to use */
    slaac->next = heard;
    slaac->next_is_free_ns = now_ns + check_ns;
    return true;
}

static bool end_if_invalid(struct slaac_address *address, uint64_t now_ns)
{
    if (!is_some(address) || now_ns < address->valid_until_ns)
        return false;
    *address = (struct slaac_address){0};
    return true;
}

bool slaac_age(struct slaac *slaac, uint64_t now_ns)
{
    bool has_changed = end_if_invalid(&slaac->current, now_ns);
    has_changed |= end_if_invalid(&slaac->former, now_ns);
    end_if_invalid(&slaac->next, now_ns);
    if (!is_some(&slaac->current) && is_some(&slaac->former)) {
        slaac->current = slaac->former;
        slaac->former = (struct slaac_address){0};
        has_changed = true;
    }
    if (!is_some(&slaac->next) || now_ns < slaac->next_is_free_ns)
        return has_changed;
    if (is_some(&slaac->current))
        slaac->former = slaac->current;
    slaac->current = slaac->next;
    slaac->next = (struct slaac_address){0};
    slaac->is_doubtful = false;
    return true;
}

bool slaac_refuse(struct slaac *slaac, const uint8_t ip[16])
{
    memcpy(slaac->refused, ip, 16);
    if (is_of(&slaac->next, ip))
        slaac->next = (struct slaac_address){0};
    if (!is_of(&slaac->current, ip))
        return false;
    slaac->current = (struct slaac_address){0};
    return true;
}

void slaac_doubt(struct slaac *slaac)
{
    slaac->is_doubtful = true;
    memset(slaac->refused, 0, sizeof(slaac->refused));
}

bool slaac_is_checking(const struct slaac *slaac, const uint8_t ip[16])
{
    return is_of(&slaac->next, ip);
}

bool slaac_is_deprecated(const struct slaac *slaac, uint64_t now_ns)
{
    return is_some(&slaac->current) && now_ns >= slaac->current.preferred_until_ns;
}
