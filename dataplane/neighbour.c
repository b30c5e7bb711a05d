/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/neighbour.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/ethernet.h"
#include "dataplane/packet.h"
#include "dataplane/rate_limit.h"
#include "include/assert_policy.h"
#include "include/clock.h"

#define BUCKET_ENTRIES 8u /* an entry lives in one bucket: look-ups and evictions look at eight */
#define SWEEP_INTERVAL_NS (NS_PER_MS) /* one bucket each: 65,536 entries are passed in 8 s */
#define NEVER UINT64_MAX

struct neighbour {
    struct neighbour_key key;
    uint8_t mac[6];
    uint8_t state; /* enum neighbour_state */
    uint8_t tries; /* questions sent since the last answer */
    bool is_pinned;
    bool is_mixed; /* handed out with different stand-ins: any answer makes some header wrong */
    struct neighbour_held held;
    uint64_t ask_at_ns;
    uint64_t confirmed_ns;
    uint64_t used_ns;
};

struct neighbour_table {
    struct siphash_key key;
    uint32_t bucket_mask;
    uint32_t sweep_bucket;
    uint32_t generation;
    uint32_t entry_count;
    uint64_t next_sweep_ns;
    uint64_t next_ask_ns; /* not after the earliest ask_at_ns of waiting[] */
    struct rate_limit new_resolutions;
    uint32_t waiting_count;
    struct neighbour *waiting[NEIGHBOUR_RESOLVING_MAX]; /* every RESOLVING and PROBING entry */
    struct neighbour entries[];
};

struct neighbour_table *neighbour_table_create(uint32_t entries, const struct siphash_key *key)
{
    uint32_t buckets = 1;
    while (buckets * BUCKET_ENTRIES < entries)
        buckets *= 2;
    struct neighbour_table *table =
        calloc(1, sizeof(*table) + (size_t)buckets * BUCKET_ENTRIES * sizeof(struct neighbour));
    if (!table)
        return NULL;
    table->key = *key;
    table->bucket_mask = buckets - 1;
    table->generation = 1;
    table->next_ask_ns = NEVER;
    table->new_resolutions =
        rate_limit_make(NEIGHBOUR_RESOLUTIONS_PER_S, NEIGHBOUR_RESOLUTIONS_PER_S);
    return table;
}

void neighbour_table_destroy(struct neighbour_table *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; i < (table->bucket_mask + 1) * BUCKET_ENTRIES; i++)
        for (uint32_t held = 0; held < table->entries[i].held.count; held++)
            packet_free(table->entries[i].held.packets[held]);
    free(table);
}

static struct neighbour *bucket_of(struct neighbour_table *table, const struct neighbour_key *key)
{
    uint64_t words[3] = {(uint64_t)key->ip_version << 8 | key->port_index};
    memcpy(words + 1, key->ip, 16);
    uint64_t hash = siphash_words(&table->key, words, ARRAY_COUNT(words));
    return &table->entries[((uint32_t)hash & table->bucket_mask) * BUCKET_ENTRIES];
}

static bool key_equal(const struct neighbour_key *a, const struct neighbour_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

struct neighbour *neighbour_find(struct neighbour_table *table, const struct neighbour_key *key)
{
    struct neighbour *bucket = bucket_of(table, key);
    for (uint32_t i = 0; i < BUCKET_ENTRIES; i++)
        if (bucket[i].state != NEIGHBOUR_FREE && key_equal(&bucket[i].key, key))
            return &bucket[i];
    return NULL;
}

/* ---- waiting for answers ---- */

static void ask_at(struct neighbour_table *table, struct neighbour *neighbour, uint64_t at_ns)
{
    neighbour->ask_at_ns = at_ns;
    if (at_ns < table->next_ask_ns)
        table->next_ask_ns = at_ns;
}

/* False when too many wait already. */
static bool wait_for_answer(struct neighbour_table *table, struct neighbour *neighbour,
                            enum neighbour_state state, uint64_t now_ns)
{
    ASSERT_HOT(neighbour->state != NEIGHBOUR_RESOLVING && neighbour->state != NEIGHBOUR_PROBING);
    if (table->waiting_count == NEIGHBOUR_RESOLVING_MAX)
        return false;
    table->waiting[table->waiting_count++] = neighbour;
    neighbour->state = (uint8_t)state;
    neighbour->tries = 0;
    ask_at(table, neighbour, now_ns);
    return true;
}

static void stop_waiting(struct neighbour_table *table, const struct neighbour *neighbour)
{
    for (uint32_t i = 0; i < table->waiting_count; i++) {
        if (table->waiting[i] == neighbour) {
            table->waiting[i] = table->waiting[--table->waiting_count];
            return;
        }
    }
    UNREACHABLE();
}

static bool is_waiting(const struct neighbour *neighbour)
{
    return neighbour->state == NEIGHBOUR_RESOLVING || neighbour->state == NEIGHBOUR_PROBING;
}

/* ---- making room ---- */

/* Frees the entry; its held packets go to the caller. */
static struct neighbour_held forget(struct neighbour_table *table, struct neighbour *neighbour)
{
    struct neighbour_held held = neighbour->held;
    if (is_waiting(neighbour))
        stop_waiting(table, neighbour);
    *neighbour = (struct neighbour){0};
    table->entry_count--;
    table->generation++; /* whoever still uses the header must ask again */
    return held;
}

/* A free entry of the bucket, made by evicting the least recently used one if need be. */
static struct neighbour *take_entry(struct neighbour_table *table, struct neighbour *bucket)
{
    struct neighbour *oldest = NULL;
    for (uint32_t i = 0; i < BUCKET_ENTRIES; i++) {
        if (bucket[i].state == NEIGHBOUR_FREE)
            return &bucket[i];
        if (bucket[i].is_pinned || bucket[i].held.count > 0)
            continue;
        if (!oldest || bucket[i].used_ns < oldest->used_ns)
            oldest = &bucket[i];
    }
    if (oldest)
        forget(table, oldest);
    return oldest;
}

static struct neighbour *add_entry(struct neighbour_table *table, const struct neighbour_key *key,
                                   uint64_t now_ns)
{
    struct neighbour *neighbour = take_entry(table, bucket_of(table, key));
    if (!neighbour)
        return NULL;
    neighbour->key = *key;
    neighbour->used_ns = now_ns;
    neighbour->confirmed_ns = now_ns;
    neighbour->state = NEIGHBOUR_REACHABLE;
    table->entry_count++;
    return neighbour;
}

struct neighbour *neighbour_resolve(struct neighbour_table *table, const struct neighbour_key *key,
                                    const uint8_t stand_in_mac[6], bool is_pinned, uint64_t now_ns)
{
    struct neighbour *neighbour = neighbour_find(table, key);
    if (neighbour) {
        neighbour->used_ns = now_ns;
        neighbour->is_pinned |= is_pinned;
        if (neighbour->state == NEIGHBOUR_RESOLVING &&
            !ethernet_address_equal(neighbour->mac, stand_in_mac))
            neighbour->is_mixed = true;
        return neighbour;
    }
    if (table->waiting_count == NEIGHBOUR_RESOLVING_MAX ||
        !rate_limit_allows(&table->new_resolutions, now_ns))
        return NULL;
    neighbour = add_entry(table, key, now_ns);
    if (!neighbour)
        return NULL;
    neighbour->is_pinned = is_pinned;
    memcpy(neighbour->mac, stand_in_mac, 6);
    bool is_waiting_now = wait_for_answer(table, neighbour, NEIGHBOUR_RESOLVING, now_ns);
    ASSERT_HOT(is_waiting_now);
    (void)is_waiting_now;
    return neighbour;
}

bool neighbour_is_usable(const struct neighbour *neighbour)
{
    return neighbour->state >= NEIGHBOUR_REACHABLE;
}

bool neighbour_is_silent(const struct neighbour *neighbour)
{
    return neighbour->state == NEIGHBOUR_RESOLVING && neighbour->tries > NEIGHBOUR_TRIES;
}

enum neighbour_state neighbour_state(const struct neighbour *neighbour)
{
    return (enum neighbour_state)neighbour->state;
}

const uint8_t *neighbour_mac(const struct neighbour *neighbour)
{
    return neighbour->mac;
}

struct packet *neighbour_hold(struct neighbour *neighbour, struct packet *packet)
{
    struct neighbour_held *held = &neighbour->held;
    struct packet *gives_way = NULL;
    ASSERT_HOT(neighbour->state == NEIGHBOUR_RESOLVING);
    if (held->count == NEIGHBOUR_HELD_MAX) { /* RFC 1122 2.3.2.2: keep the latest */
        gives_way = held->packets[0];
        held->count--;
        memmove(held->packets, held->packets + 1, held->count * sizeof(held->packets[0]));
    }
    held->packets[held->count++] = packet;
    return gives_way;
}

/* ---- a link that was down ---- */

/* The whole link is asked. The address there is may be wrong now, but serves until the answer. */
static void ask_again(struct neighbour_table *table, struct neighbour *neighbour, uint64_t now_ns)
{
    if (!is_waiting(neighbour)) { /* with too many waiting it keeps its address */
        wait_for_answer(table, neighbour, NEIGHBOUR_RESOLVING, now_ns);
        return;
    }
    neighbour->state = NEIGHBOUR_RESOLVING;
    neighbour->tries = 0; /* what was asked while the link was down does not count */
    ask_at(table, neighbour, now_ns);
}

void neighbour_forget_port(struct neighbour_table *table, uint8_t port_index, uint64_t now_ns)
{
    for (uint32_t i = 0; i < (table->bucket_mask + 1) * BUCKET_ENTRIES; i++) {
        struct neighbour *neighbour = &table->entries[i];
        if (neighbour->state == NEIGHBOUR_FREE || neighbour->key.port_index != port_index)
            continue;
        if (neighbour->is_pinned || neighbour->state == NEIGHBOUR_RESOLVING)
            ask_again(table, neighbour, now_ns);
        else
            forget(table, neighbour); /* only RESOLVING ones hold packets */
    }
}

/* ---- learning ---- */

/* RFC 4861 7.2.5 (and RFC 826's merge, which is an override that answers nothing). */
static bool update(struct neighbour_table *table, struct neighbour *neighbour,
                   const struct neighbour_news *news, uint64_t now_ns,
                   struct neighbour_held *released)
{
    bool was_resolving = neighbour->state == NEIGHBOUR_RESOLVING;
    bool is_other = !ethernet_address_equal(neighbour->mac, news->mac);
    if (!was_resolving && is_other && !news->is_override)
        return false; /* a second owner who does not insist: keep what works */
    if (is_other || (was_resolving && neighbour->is_mixed))
        table->generation++;
    memcpy(neighbour->mac, news->mac, 6);
    if (is_waiting(neighbour) && (was_resolving || news->is_answer || is_other)) {
        stop_waiting(table, neighbour);
        neighbour->state = NEIGHBOUR_REACHABLE;
        neighbour->is_mixed = false;
    }
    if (news->is_answer || is_other || was_resolving)
        neighbour->confirmed_ns = now_ns;
    *released = neighbour->held;
    neighbour->held.count = 0;
    return true;
}

bool neighbour_learn(struct neighbour_table *table, const struct neighbour_news *news,
                     uint64_t now_ns, struct neighbour_held *released)
{
    released->count = 0;
    struct neighbour *neighbour = neighbour_find(table, &news->key);
    if (neighbour)
        return update(table, neighbour, news, now_ns, released);
    if (!news->may_create)
        return false;
    neighbour = add_entry(table, &news->key, now_ns);
    if (!neighbour)
        return false;
    memcpy(neighbour->mac, news->mac, 6);
    return true;
}

/* ---- time ---- */

/* Confirms what is old, forgets what is unused: one bucket per call. */
static void sweep(struct neighbour_table *table, uint64_t now_ns)
{
    struct neighbour *bucket = &table->entries[table->sweep_bucket * BUCKET_ENTRIES];
    table->sweep_bucket = (table->sweep_bucket + 1) & table->bucket_mask;
    table->next_sweep_ns = now_ns + SWEEP_INTERVAL_NS;
    for (uint32_t i = 0; i < BUCKET_ENTRIES; i++) {
        struct neighbour *neighbour = &bucket[i];
        if (neighbour->state != NEIGHBOUR_REACHABLE)
            continue;
        if (!neighbour->is_pinned && now_ns - neighbour->used_ns >= NEIGHBOUR_FORGET_NS)
            forget(table, neighbour); /* REACHABLE entries hold no packets */
        else if (now_ns - neighbour->confirmed_ns >= NEIGHBOUR_CONFIRM_NS)
            wait_for_answer(table, neighbour, NEIGHBOUR_PROBING, now_ns);
    }
}

/* The next question about a waiting neighbour; false when there were enough and it is given up. */
static bool ask(struct neighbour *neighbour, uint64_t now_ns, struct neighbour_question *out)
{
    if (neighbour->tries >= NEIGHBOUR_TRIES) {
        if (neighbour->state == NEIGHBOUR_PROBING) {
            neighbour->state = NEIGHBOUR_RESOLVING; /* it may have a new card: ask everybody */
            neighbour->tries = 0;
        } else if (!neighbour->is_pinned) {
            return false;
        }
    }
    *out = (struct neighbour_question){.key = neighbour->key};
    if (neighbour->state == NEIGHBOUR_PROBING)
        memcpy(out->mac, neighbour->mac, 6);
    if (neighbour->tries < UINT8_MAX)
        neighbour->tries++;
    neighbour->ask_at_ns = now_ns + NEIGHBOUR_RETRY_NS;
    return true;
}

static void give_up(struct neighbour_table *table, struct neighbour *neighbour,
                    struct neighbour_failures *failures)
{
    struct neighbour_held held = forget(table, neighbour);
    for (uint32_t i = 0; i < held.count; i++)
        failures->packets[failures->packet_count++] = held.packets[i];
    failures->neighbour_count++;
}

uint32_t neighbour_due(struct neighbour_table *table, uint64_t now_ns,
                       struct neighbour_question *out, uint32_t limit,
                       struct neighbour_failures *failures)
{
    uint32_t count = 0;
    failures->neighbour_count = failures->packet_count = 0;
    if (now_ns >= table->next_sweep_ns)
        sweep(table, now_ns);
    if (now_ns < table->next_ask_ns)
        return 0;
    uint64_t next_ns = NEVER;
    for (uint32_t i = table->waiting_count;
         i-- > 0;) { /* backwards: forget() moves the last down */
        struct neighbour *neighbour = table->waiting[i];
        if (neighbour->ask_at_ns <= now_ns && count < limit &&
            failures->neighbour_count < NEIGHBOUR_FAILURES_MAX) {
            if (!ask(neighbour, now_ns, &out[count])) {
                give_up(table, neighbour, failures);
                continue;
            }
            count++;
        }
        if (neighbour->ask_at_ns < next_ns)
            next_ns = neighbour->ask_at_ns;
    }
    table->next_ask_ns = next_ns;
    return count;
}

bool neighbour_is_due(const struct neighbour_table *table, uint64_t now_ns)
{
    return now_ns >= table->next_ask_ns || now_ns >= table->next_sweep_ns;
}

void neighbour_change_generation(struct neighbour_table *table)
{
    table->generation++;
}

void neighbour_unpin(struct neighbour_table *table, const struct neighbour_key *key)
{
    struct neighbour *neighbour = neighbour_find(table, key);
    if (neighbour)
        neighbour->is_pinned = false;
}

uint32_t neighbour_generation(const struct neighbour_table *table)
{
    return table->generation;
}

uint32_t neighbour_count(const struct neighbour_table *table)
{
    return table->entry_count;
}
