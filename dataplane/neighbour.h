/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neighbour.h - the addresses on the link one worker knows, for ARP and neighbour discovery
 *     alike.
 *
 * Purpose:   IP address -> link address; decides when to ask, ask again, confirm and forget. It
 *            sends nothing itself: what is due to be asked comes out as a batch.
 * Ownership: packets held for an unresolved neighbour belong to the table until they are
 *            released.
 * Threading: one owner.
 * Units:     _ns monotone, passed in.
 * Errors:    NULL from neighbour_resolve: table full of busier entries, or too many resolutions
 *            at once.
 * Source:    RFC 826, RFC 1122 section 2.3.2 (ageing, hold the latest packets), RFC 4861 section
 *            7.2 and 7.3 (solicitation, advertisement flags, unreachability), one state machine
 *            for both.
 */
#ifndef GANNET_NEIGHBOUR_H
#define GANNET_NEIGHBOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "include/key_hash.h"

struct neighbour;
struct neighbour_table;
struct packet;

#define NEIGHBOUR_HELD_MAX 3u
#define NEIGHBOUR_RESOLVING_MAX 256u     /* entries that wait for an answer, at once */
#define NEIGHBOUR_RESOLUTIONS_PER_S 256u /* new ones: a scan of the prefix must not flood it */
#define NEIGHBOUR_RETRY_NS UINT64_C(1000000000)
#define NEIGHBOUR_TRIES 3u
#define NEIGHBOUR_CONFIRM_NS                                                                       \
    UINT64_C(60000000000) /* asked again, by unicast, this long after an answer */
#define NEIGHBOUR_FORGET_NS UINT64_C(600000000000) /* not looked up for so long */

struct neighbour_key {
    uint8_t ip_version; /* 4 or 6 */
    uint8_t port_index;
    uint8_t ip[16]; /* IPv4: first 4 bytes, the rest zero */
};

enum neighbour_state {
    NEIGHBOUR_FREE = 0,
    NEIGHBOUR_RESOLVING, /* no answer yet; link_address may be a stand-in */
    NEIGHBOUR_REACHABLE,
    NEIGHBOUR_PROBING, /* answered once, is being asked again; usable meanwhile */
};

/* `entries` is rounded up to whole buckets. NULL when memory is short. */
struct neighbour_table *neighbour_table_create(uint32_t entries, const struct siphash_key *key);
/* Frees held packets too. */
void neighbour_table_destroy(struct neighbour_table *table);

/* The current entry or NULL. Does not count as a use. */
struct neighbour *neighbour_find(struct neighbour_table *table, const struct neighbour_key *key);

/*
 * The entry to send through, made and due to be asked for when it is new. stand_in_mac serves until
 * the answer comes: all zero for none. A pinned entry (a gateway) is never evicted, forgotten or
 * given up.
 */
struct neighbour *neighbour_resolve(struct neighbour_table *table, const struct neighbour_key *key,
                                    const uint8_t stand_in_mac[6], bool is_pinned, uint64_t now_ns);

bool neighbour_is_usable(const struct neighbour *neighbour);
/* It was asked as often as any other would be before it is given up. */
bool neighbour_is_silent(const struct neighbour *neighbour);
enum neighbour_state neighbour_state(const struct neighbour *neighbour);
const uint8_t *neighbour_mac(const struct neighbour *neighbour);

/* What was heard about a neighbour. */
struct neighbour_news {
    struct neighbour_key key;
    uint8_t mac[6];
    bool is_answer;   /* to a question of ours: it is there now */
    bool is_override; /* replaces a different address that we hold */
    bool may_create;  /* it is about to talk to us: worth an entry */
};

/* Packets that wait for an answer, oldest first. Not a list: TCP may still use packet->next. */
struct neighbour_held {
    uint32_t count;
    struct packet *packets[NEIGHBOUR_HELD_MAX];
};

/*
 * Takes note. Packets that waited for the answer are handed to the caller, their destination still
 * to be written. Returns true when the news was believed.
 */
bool neighbour_learn(struct neighbour_table *table, const struct neighbour_news *news,
                     uint64_t now_ns, struct neighbour_held *released);

/* Queues a packet on an unresolved neighbour. Returns the packet that had to give way, or NULL. */
struct packet *neighbour_hold(struct neighbour *neighbour, struct packet *packet);

/* A question to put on the wire. */
struct neighbour_question {
    struct neighbour_key key;
    uint8_t mac[6]; /* asked directly; all zero: ask the whole link */
};

/* Neighbours that never answered. */
#define NEIGHBOUR_FAILURES_MAX 8u /* per call; the rest comes with the next */
struct neighbour_failures {
    uint32_t neighbour_count;
    uint32_t packet_count;
    struct packet *packets[NEIGHBOUR_FAILURES_MAX * NEIGHBOUR_HELD_MAX]; /* now the caller's */
};

/* The questions due now, at most `limit`. Neighbours that never answered are forgotten. */
uint32_t neighbour_due(struct neighbour_table *table, uint64_t now_ns,
                       struct neighbour_question *out, uint32_t limit,
                       struct neighbour_failures *failures);

/* Is anything due at now_ns? One comparison: for every round. */
bool neighbour_is_due(const struct neighbour_table *table, uint64_t now_ns);

/*
 * What was known of the port's link may be wrong: it was down, and may lead elsewhere now. Looks at
 * every entry. Those of the port are forgotten; pinned ones are asked for on the whole link again.
 */
void neighbour_forget_port(struct neighbour_table *table, uint8_t port_index, uint64_t now_ns);

/* Changes when an address that was handed out is no longer right. */
void neighbour_change_generation(struct neighbour_table *table);
/* No gateway any more: forgotten like any other. */
void neighbour_unpin(struct neighbour_table *table, const struct neighbour_key *key);
uint32_t neighbour_generation(const struct neighbour_table *table);
uint32_t neighbour_count(const struct neighbour_table *table);

#endif
