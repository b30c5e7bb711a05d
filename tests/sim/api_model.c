/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random operations of the interface on the whole server in virtual time, each answer held against
 * a map: values, versions that only grow, conditions, counters, expiry, listings. And a walk by
 * cursor over many keys while others come and go.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/random.h"
#include "tests/support/depth.h"
#include "tests/support/server_world.h"

#define KEYS 48u
#define COUNTERS 16u /* the first keys */
#define VALUES "/v1/ns/default/values/"
#define NEVER UINT64_MAX
#define ANSWER_LIMIT_NS (UINT64_C(5) * 1000000000)
#define BULK 100u
#define BULK_BYTES (BULK * 64)

struct known {
    bool is_there;
    char value[24];
    uint64_t version;                       /* the last one ever; 0: none */
    uint64_t ends_after_ns, ends_before_ns; /* when it expires, as well as a client can know */
};

static struct server_world world;
static struct world_client client;
static struct known keys[KEYS];
static struct random rng;
static uint64_t operation_number;
static char request[BULK_BYTES + 1024];
static char expectation[256];

static void fail(const char *what)
{
    printf("operation %" PRIu64 ": %s\nasked: %.400s\nexpected: %s\ncame: %.600s\n",
           operation_number, what, request, expectation,
           client.received ? (const char *)client.received : "");
    exit(1);
}

/* ---- asking ---- */

static uint32_t body_bytes(const char *head)
{
    const char *field = strstr(head, "\r\nContent-Length: ");
    return field ? (uint32_t)strtoul(field + 18, NULL, 10) : 0;
}

/* Where the body begins, once all of it has come. */
static const char *whole_answer(void)
{
    if (client.received_bytes == 0 || client.received_bytes == client.room_bytes)
        return NULL;
    client.received[client.received_bytes] = '\0';
    const char *answer = (const char *)client.received, *end = strstr(answer, "\r\n\r\n");
    if (!end || client.received_bytes < (uint32_t)(end + 4 - answer) + body_bytes(answer))
        return NULL;
    return end + 4;
}

static const char *ask(void)
{
    const char *body;
    uint64_t limit_ns = world.now_ns + ANSWER_LIMIT_NS;
    client.received_bytes = 0;
    server_world_send(&world, &client, request, (uint32_t)strlen(request), UINT32_MAX);
    while (!(body = whole_answer())) {
        if (world.now_ns > limit_ns || client.is_gone)
            fail("no answer");
        server_world_step(&world, limit_ns + 1);
    }
    return body;
}

static uint32_t status(void)
{
    return (uint32_t)strtoul((const char *)client.received + 9, NULL, 10);
}

static uint64_t etag(void)
{
    const char *field = strstr((const char *)client.received, "\r\nETag: \"");
    return field ? strtoull(field + 9, NULL, 10) : 0;
}

static void expect_status(uint32_t expected)
{
    snprintf(expectation, sizeof(expectation), "status %u", expected);
    if (status() != expected)
        fail("another status");
}

/* ---- the map ---- */

/* A client cannot know to the microsecond: false when it would have to. */
static bool settle_expiry(struct known *key, uint64_t before_ns, uint64_t after_ns)
{
    if (!key->is_there || key->ends_after_ns == NEVER)
        return true;
    if (before_ns >= key->ends_before_ns)
        key->is_there = false;
    return !key->is_there || after_ns < key->ends_after_ns;
}

static void written(struct known *key, const char *value, uint64_t ttl_s, uint64_t before_ns)
{
    uint64_t version = etag();
    snprintf(expectation, sizeof(expectation), "an ETag above %" PRIu64, key->version);
    if (version <= key->version)
        fail("the version did not grow");
    key->version = version;
    key->is_there = true;
    snprintf(key->value, sizeof(key->value), "%s", value);
    key->ends_after_ns = ttl_s ? before_ns + ttl_s * 1000000000 - 2000000 : NEVER;
    key->ends_before_ns = ttl_s ? world.now_ns + ttl_s * 1000000000 + 2000000 : NEVER;
}

/* ---- operations ---- */

struct condition {
    char field[64];
    bool holds;
};

static struct condition choose_condition(const struct known *key)
{
    struct condition condition = {.holds = true};
    uint64_t named = random_chance(&rng, 700) ? key->version : key->version + 3;
    switch (random_below(&rng, 6)) {
    case 0:
        snprintf(condition.field, sizeof(condition.field), "If-None-Match: *\r\n");
        condition.holds = !key->is_there;
        break;
    case 1:
        snprintf(condition.field, sizeof(condition.field), "If-Match: *\r\n");
        condition.holds = key->is_there;
        break;
    case 2:
        snprintf(condition.field, sizeof(condition.field), "If-Match: \"%" PRIu64 "\"\r\n", named);
        condition.holds = key->is_there && named == key->version;
        break;
    default:
        break;
    }
    return condition;
}

static void do_put(uint32_t number)
{
    struct known *key = &keys[number];
    settle_expiry(key, world.now_ns, world.now_ns);
    struct condition condition = choose_condition(key);
    uint64_t ttl_s = random_chance(&rng, 300) ? 1 + random_below(&rng, 20) : 0;
    char value[24], query[32] = "";
    uint64_t before_ns = world.now_ns;
    snprintf(value, sizeof(value), "%u", random_below(&rng, 1000000));
    if (ttl_s)
        snprintf(query, sizeof(query), "?ttl=%" PRIu64, ttl_s);
    snprintf(request, sizeof(request),
             "PUT " VALUES "k%u%s HTTP/1.1\r\nHost: h\r\n%sContent-Length: %zu\r\n\r\n%s", number,
             query, condition.field, strlen(value), value);
    ask();
    if (!settle_expiry(key, before_ns, world.now_ns)) {
        key->is_there = status() == 204 || (status() == 412 && condition.holds);
        if (status() < 300)
            written(key, value, ttl_s, before_ns);
        return;
    }
    expect_status(!condition.holds ? 412 : key->is_there ? 204 : 201);
    if (condition.holds)
        written(key, value, ttl_s, before_ns);
}

static void do_get(uint32_t number)
{
    struct known *key = &keys[number];
    bool knows = random_chance(&rng, 300) && key->version > 0;
    uint64_t before_ns = world.now_ns;
    char field[64] = "";
    if (knows)
        snprintf(field, sizeof(field), "If-None-Match: \"%" PRIu64 "\"\r\n", key->version);
    snprintf(request, sizeof(request), "GET " VALUES "k%u HTTP/1.1\r\nHost: h\r\n%s\r\n", number,
             field);
    const char *body = ask();
    if (!settle_expiry(key, before_ns, world.now_ns))
        return;
    expect_status(!key->is_there ? 404 : knows ? 304 : 200);
    snprintf(expectation, sizeof(expectation), "%s of version %" PRIu64, key->value, key->version);
    if (key->is_there && (etag() != key->version || (!knows && strcmp(body, key->value) != 0)))
        fail("another value");
}

static void do_delete(uint32_t number)
{
    struct known *key = &keys[number];
    uint64_t before_ns = world.now_ns;
    snprintf(request, sizeof(request), "DELETE " VALUES "k%u HTTP/1.1\r\nHost: h\r\n\r\n", number);
    ask();
    settle_expiry(key, before_ns, world.now_ns);
    expect_status(204);
    key->is_there = false;
}

static void do_count(uint32_t number)
{
    struct known *key = &keys[number];
    int64_t by = (int64_t)random_below(&rng, 200) - 100;
    uint64_t before_ns = world.now_ns;
    char sum[24];
    snprintf(request, sizeof(request),
             "POST " VALUES "k%u?op=incr&by=%" PRId64
             " HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
             number, by);
    const char *body = ask();
    if (!settle_expiry(key, before_ns, world.now_ns)) {
        do_delete(number);
        return;
    }
    uint64_t ends_after_ns = key->ends_after_ns, ends_before_ns = key->ends_before_ns;
    bool was_there = key->is_there;
    snprintf(sum, sizeof(sum), "%" PRId64,
             (was_there ? (int64_t)strtoll(key->value, NULL, 10) : 0) + by);
    expect_status(200);
    snprintf(expectation, sizeof(expectation), "the sum %s", sum);
    if (strcmp(body, sum) != 0)
        fail("another sum");
    written(key, sum, 0, before_ns);
    if (was_there) {
        key->ends_after_ns = ends_after_ns;
        key->ends_before_ns = ends_before_ns;
    }
}

/* All keys and their versions, in order; "k10" stands before "k2". */
static void do_list(void)
{
    uint64_t before_ns = world.now_ns;
    snprintf(
        request, sizeof(request),
        "GET /v1/ns/default/keys?prefix=k&limit=1000&fields=name,etag HTTP/1.1\r\nHost: h\r\n\r\n");
    const char *body = ask();
    expect_status(200);
    uint32_t expected = 0, listed = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        char entry[96];
        bool is_known = settle_expiry(&keys[i], before_ns, world.now_ns);
        snprintf(entry, sizeof(entry), "{\"name\":\"k%u\",\"etag\":\"%" PRIu64 "\"}", i,
                 keys[i].version);
        bool is_listed = strstr(body, entry) != NULL;
        snprintf(expectation, sizeof(expectation), "%s: %s", entry,
                 keys[i].is_there ? "listed" : "not listed");
        if (is_known && is_listed != keys[i].is_there)
            fail("another listing");
        expected += is_listed;
    }
    for (const char *at = body; (at = strstr(at, "{\"name\":")) != NULL; at++)
        listed++;
    if (listed != expected)
        fail("a key that nobody wrote, or one twice");
}

static void do_purge(void)
{
    snprintf(request, sizeof(request),
             "POST /v1/ns/default/purge HTTP/1.1\r\nHost: h\r\nContent-Length: 29\r\n\r\n"
             "{\"prefix\":\"k1\",\"soft\":%s",
             random_chance(&rng, 500) ? "true } " : "false} ");
    ask();
    expect_status(200);
}

static void do_one(void)
{
    uint32_t kind = random_below(&rng, 1000), number = random_below(&rng, KEYS);
    if (kind < 450)
        do_get(number);
    else if (kind < 750)
        do_put(number);
    else if (kind < 850)
        do_count(number % COUNTERS);
    else if (kind < 950)
        do_delete(number);
    else if (kind < 960)
        do_list();
    else if (kind < 970)
        do_purge();
    else
        server_world_run_ms(&world, random_below(&rng, 3000));
}

static void check_operations(uint64_t count)
{
    for (operation_number = 1; operation_number <= count; operation_number++)
        do_one();
    printf("%" PRIu64 " random operations against the map\n", count);
}

/* ---- the walk ---- */

/* Keys w0000000 ... in steps of two: those between them come and go. */
static void put_many(uint32_t from, uint32_t count)
{
    static char body[BULK_BYTES];
    char *at = body;
    for (uint32_t i = 0; i < count; i++)
        at += snprintf(at, 64, "%c{\"key\":\"w%07u\",\"value\":\"v\"}", i ? ',' : '[',
                       2 * (from + i));
    snprintf(at, 2, "]");
    snprintf(request, sizeof(request),
             "PUT /v1/ns/default/bulk HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    ask();
    expect_status(200);
}

static void disturb(uint32_t count)
{
    uint32_t number = random_below(&rng, count);
    if (random_chance(&rng, 300))
        snprintf(request, sizeof(request),
                 "PUT " VALUES "w%07u HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nv",
                 2 * number);
    else if (random_chance(&rng, 500))
        snprintf(request, sizeof(request),
                 "PUT " VALUES "w%07u HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nv",
                 2 * number + 1);
    else
        snprintf(request, sizeof(request), "DELETE " VALUES "w%07u HTTP/1.1\r\nHost: h\r\n\r\n",
                 2 * number + 1);
    ask();
}

/* Reads a page; false: it was the last. */
static bool take_page(const char *body, char *last, uint32_t *staying, char *cursor, size_t room)
{
    for (const char *at = body; (at = strstr(at, "{\"name\":\"")) != NULL; at++) {
        char name[9];
        snprintf(name, sizeof(name), "%.8s", at + 9);
        uint32_t number = (uint32_t)strtoul(name + 1, NULL, 10);
        snprintf(expectation, sizeof(expectation), "w%07u behind %s", 2 * *staying, last);
        if (strcmp(last, name) >= 0)
            fail("out of order, or twice");
        if (number % 2 == 0 && number != 2 * (*staying)++)
            fail("a key that stays is missing");
        memcpy(last, name, sizeof(name));
    }
    const char *found = strstr(body, "\"cursor\":\"");
    if (found)
        snprintf(cursor, room, "%.*s", (int)strcspn(found + 10, "\""), found + 10);
    return found != NULL;
}

static void check_walk(uint32_t count)
{
    char last[9] = "", cursor[256] = "";
    uint32_t staying = 0, pages = 0, disturbances = 0;
    bool has_more = true;
    for (uint32_t at = 0; at < count; at += BULK)
        put_many(at, count - at < BULK ? count - at : BULK);
    while (has_more) {
        snprintf(request, sizeof(request),
                 "GET /v1/ns/default/keys?prefix=w&limit=500&fields=name%s%s HTTP/1.1\r\nHost: "
                 "h\r\n\r\n",
                 cursor[0] ? "&cursor=" : "", cursor);
        const char *body = ask();
        expect_status(200);
        has_more = take_page(body, last, &staying, cursor, sizeof(cursor));
        pages++;
        for (uint32_t i = 0; i < 50; i++, disturbances++)
            disturb(count);
    }
    if (staying != count)
        fail("the walk ended early");
    printf("a walk over %u keys in %u pages, %u writes and deletes meanwhile\n", count, pages,
           disturbances);
}

int main(void)
{
    struct world_config config;
    uint64_t seed = depth_of("GANNET_SEED", 1);
    uint32_t walk_keys = (uint32_t)depth_of("GANNET_WALK_KEYS", 20000);
    server_world_prepare();
    server_world_defaults(&config, seed);
    config.control_count = 2;
    config.server.bulk.keys_max = BULK;
    config.server.store.index_memory_mib = 64 + walk_keys / 8000;
    config.sizes.segment_bytes = 4u << 20;
    config.server.tcp.keepalive_s = 7200;
    rng = (struct random){.state = seed};
    server_world_start(&world, &config);
    server_world_connect(&world, &client);
    server_world_run_ms(&world, 10);
    check_operations(depth_of("GANNET_API_OPERATIONS", 20000));
    check_walk(walk_keys);
    server_world_forget(&world, &client);
    server_world_run_ms(&world, 5000);
    const char *held = server_world_stop(&world);
    if (held)
        printf("afterwards: %s\n", held);
    return held ? 1 : 0;
}
