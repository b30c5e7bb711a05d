/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_syn_cookie.h"

#include <string.h>

#include "include/assert_policy.h"

/* The low bits of the cookie: the class of the MSS, and the low bits of the period. */
#define DATA_BITS 5u
#define DATA_MASK ((1u << DATA_BITS) - 1)
#define PERIOD_BITS 2u
#define PERIOD_MASK ((1u << PERIOD_BITS) - 1)

#define NO_WINDOW_SCALE 15u
#define TIMESTAMP_SACK 0x10u
#define TIMESTAMP_BITS 0x1fu

/*
 * Ethernet without and with PPPoE and common tunnels, jumbo frames, IPv6's least, IPv4's default;
 * the first for those who say less (tcp_mss_update takes no less).
 */
static const uint16_t mss_classes[1u << (DATA_BITS - PERIOD_BITS)] = {64,   536,  1220, 1360,
                                                                      1400, 1440, 1460, 8940};

static uint32_t class_of(uint16_t mss_bytes)
{
    uint32_t at = ARRAY_COUNT(mss_classes) - 1;
    while (at > 0 && mss_classes[at] > mss_bytes)
        at--;
    return at;
}

/* Its length in words tells it from the other uses of the key (tcp_secrets_of). */
static uint32_t hash_of(const struct siphash_key *key, const struct tcp_cookie_tuple *tuple,
                        uint64_t period, uint32_t data)
{
    uint64_t words[7];
    uint32_t length = 1;
    const struct network_flow *flow = tuple->flow;
    if (flow->ip_version == 4) {
        memcpy(&words[0], flow->local, 4);
        memcpy((uint8_t *)&words[0] + 4, flow->remote, 4);
    } else {
        memcpy(&words[0], flow->local, 16);
        memcpy(&words[2], flow->remote, 16);
        length = 4;
    }
    words[length++] = (uint64_t)tuple->peer_sequence << 32 | (uint32_t)tuple->remote_port << 16 |
                      tuple->local_port;
    words[length++] = period << DATA_BITS | data;
    return (uint32_t)siphash_words(key, words, length) & ~DATA_MASK;
}

uint32_t tcp_syn_cookie_make(const struct siphash_key *key, const struct tcp_cookie_tuple *tuple,
                             uint16_t peer_mss_bytes, uint64_t now_ns)
{
    if (peer_mss_bytes == 0)
        peer_mss_bytes = tuple->flow->ip_version == 4 ? 536 : 1220; /* RFC 9293 3.7.1 */
    uint64_t period = now_ns >> TCP_COOKIE_PERIOD_SHIFT;
    uint32_t data = class_of(peer_mss_bytes) << PERIOD_BITS | ((uint32_t)period & PERIOD_MASK);
    uint32_t hash = hash_of(key, tuple, period, data);
    return hash | (data ^ hash >> (32 - DATA_BITS));
}

bool tcp_syn_cookie_check(const struct siphash_key *key, const struct tcp_cookie_tuple *tuple,
                          uint32_t cookie, uint64_t now_ns, uint16_t *peer_mss_bytes)
{
    uint32_t data = (cookie & DATA_MASK) ^ cookie >> (32 - DATA_BITS);
    uint64_t period = now_ns >> TCP_COOKIE_PERIOD_SHIFT;
    uint32_t age = ((uint32_t)period - data) & PERIOD_MASK;
    if (age > 1 || age > period)
        return false;
    if (hash_of(key, tuple, period - age, data) != (cookie & ~DATA_MASK))
        return false;
    *peer_mss_bytes = mss_classes[data >> PERIOD_BITS];
    return true;
}

uint32_t tcp_syn_cookie_timestamp(uint32_t clock, const struct tcp_syn_options *offered)
{
    uint32_t bits = offered->has_window_scale ? offered->window_scale : NO_WINDOW_SCALE;
    if (offered->has_sack)
        bits |= TIMESTAMP_SACK;
    uint32_t timestamp = (clock & ~TIMESTAMP_BITS) | bits;
    /* later timestamps must not look older to the peer */
    if ((int32_t)(timestamp - clock) > 0)
        timestamp -= TIMESTAMP_BITS + 1;
    return timestamp;
}

void tcp_syn_cookie_options(uint32_t timestamp, struct tcp_syn_options *offered)
{
    uint32_t scale = timestamp & 0xf;
    offered->has_window_scale = scale != NO_WINDOW_SCALE;
    offered->window_scale = offered->has_window_scale ? (uint8_t)scale : 0;
    offered->has_sack = timestamp & TIMESTAMP_SACK;
}
