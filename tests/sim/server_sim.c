/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole server on a bad network: clients pipeline random requests, cut them into segments,
 * fall silent, hang up, break off; every answer is compared with what linearizable keys may answer.
 * At the end nothing may be held. A seed that fails is printed with the command that replays it.
 *
 *   server_sim [--seeds N] [--first M] | --seed S [--trace]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dataplane/nic.h"
#include "include/clock.h"
#include "include/compiler.h"
#include "include/counters.h"
#include "include/log.h"
#include "include/random.h"
#include "tests/sim/server_judge.h"
#include "tests/support/depth.h"
#include "tests/support/server_world.h"

#define CLIENTS_MAX 5u
#define BATCH_MAX 6u
#define OUT_BYTES (8u << 20)
#define NONE UINT32_MAX
#define TIME_LIMIT_NS (UINT64_C(4000) * NS_PER_S)
#define STEPS_MAX 3000000u
#define SEEDS_IN_CI 1000u

enum ending {
    END_FIN = 0,    /* after the last answer */
    END_HALF_CLOSE, /* right behind the last request */
    END_CLOSE_HEADER,
    END_ABORT, /* in the middle of something */
    END_BAD,   /* a malformed request is the last */
    END_CUT,   /* half a request, then silence: 408 */
    END_SILENCE,
    END_COUNT,
};

struct client {
    struct world_client net;
    struct random random;
    uint8_t *out; /* bytes of the batch, not yet queued from out_at on */
    uint32_t out_bytes, out_at;
    uint32_t held_at; /* of Expect: 100-continue: the body starts here; NONE */
    uint64_t wake_ns, continue_ns, abort_ns;
    uint64_t heard_ns;      /* the last answer */
    uint64_t deaf_until_ns; /* reads nothing: the server's send queue fills */
    uint32_t parsed_bytes;
    uint32_t queue[BATCH_MAX + 1]; /* operations without an answer, in order */
    uint32_t queue_count;
    uint32_t sessions_left, batches_left;
    uint32_t connection, sequence;
    uint8_t ending; /* enum ending */
    bool is_connected, is_last_batch, server_closes, is_done, is_final;
};

struct simulation {
    struct server_world world;
    struct judge judge;
    struct random random;
    struct client clients[CLIENTS_MAX];
    uint32_t client_count, connections;
    uint32_t loss_permille;
    bool is_short_of_memory, is_traced;
    const char *failure;
    uint64_t answers, refusals;
};

static struct simulation sim;

static void fail(const char *why)
{
    if (!sim.failure)
        sim.failure = why;
}

/* ---- requests ---- */

static uint32_t body_size(struct random *random)
{
    static const uint32_t limits[] = {1, 100, 2000, 2000, 20000, 20000, 300000};
    if (random_chance(random, 10))
        return (1u << 20) - random_below(random, 3);
    return random_below(random, limits[random_below(random, ARRAY_COUNT(limits))]);
}

static void out(struct client *client, const char *text)
{
    uint32_t length = (uint32_t)strlen(text);
    memcpy(client->out + client->out_bytes, text, length);
    client->out_bytes += length;
}

static void out_body(struct client *client, const struct judged *operation, uint32_t index)
{
    uint8_t *at = client->out + client->out_bytes;
    judge_fill(index, at, operation->length);
    client->out_bytes += operation->length;
}

static void out_chunked(struct client *client, const struct judged *operation, uint32_t index)
{
    static uint8_t body[1 << 20];
    char line[40];
    judge_fill(index, body, operation->length);
    for (uint32_t at = 0; at < operation->length;) {
        uint32_t part = 1 + random_below(&client->random, 30000);
        part = part < operation->length - at ? part : operation->length - at;
        snprintf(line, sizeof(line), "%x%s\r\n", part,
                 random_chance(&client->random, 100) ? ";a=b" : "");
        out(client, line);
        memcpy(client->out + client->out_bytes, body + at, part);
        client->out_bytes += part;
        out(client, "\r\n");
        at += part;
    }
    out(client, random_chance(&client->random, 200) ? "0\r\nTrailer: x\r\n\r\n" : "0\r\n\r\n");
}

static void choose_condition(struct client *client, struct judged *operation)
{
    uint64_t known = judge_newest(&sim.judge, operation->key);
    if (!random_chance(&client->random, 250))
        return;
    if (operation->kind == JUDGED_PUT && random_chance(&client->random, 400)) {
        operation->condition = IF_ABSENT;
    } else if (known) {
        operation->condition =
            operation->kind == JUDGED_GET || operation->kind == JUDGED_HEAD ? IF_NOT : IF_MATCH;
        operation->condition_version = random_chance(&client->random, 800) ? known : known + 1;
    }
}

static void out_fields(struct client *client, const struct judged *operation, uint32_t index,
                       bool closes)
{
    char line[100];
    out(client, " HTTP/1.1\r\nHost: sim\r\n");
    if (operation->has_id) {
        snprintf(line, sizeof(line), "Request-Id: q%u\r\n", index);
        out(client, line);
    }
    static const char *const conditions[] = {"", "If-None-Match: *\r\n",
                                             "If-Match: \"%" PRIu64 "\"\r\n",
                                             "If-None-Match: \"%" PRIu64 "\"\r\n"};
    if (operation->condition == IF_ABSENT) {
        out(client, conditions[IF_ABSENT]);
    } else if (operation->condition != IF_NOTHING) {
        snprintf(line, sizeof(line),
                 operation->condition == IF_MATCH ? "If-Match: \"%" PRIu64 "\"\r\n"
                                                  : "If-None-Match: \"%" PRIu64 "\"\r\n",
                 operation->condition_version);
        out(client, line);
    }
    if (closes)
        out(client, "Connection: close\r\n");
}

static void out_put(struct client *client, const struct judged *operation, uint32_t index,
                    bool may_wait)
{
    char line[100];
    snprintf(line, sizeof(line), "Content-Type: test/%u\r\n", index);
    out(client, line);
    bool waits = may_wait && operation->length > 0 && random_chance(&client->random, 300);
    if (waits)
        out(client, "Expect: 100-continue\r\n");
    if (random_chance(&client->random, 250)) {
        out(client, "Transfer-Encoding: chunked\r\n\r\n");
        client->held_at = waits ? client->out_bytes : NONE;
        out_chunked(client, operation, index);
    } else {
        snprintf(line, sizeof(line), "Content-Length: %u\r\n\r\n", operation->length);
        out(client, line);
        client->held_at = waits ? client->out_bytes : NONE;
        out_body(client, operation, index);
    }
}

static uint32_t new_operation(struct client *client, enum judged_kind kind)
{
    uint32_t index = judge_add(&sim.judge, kind);
    struct judged *operation = &sim.judge.operations[index];
    operation->key = random_below(&client->random, JUDGE_KEYS);
    operation->connection = client->connection;
    operation->sequence = client->sequence++;
    operation->sent_ns = sim.world.now_ns;
    operation->has_id = random_chance(&client->random, 700);
    client->queue[client->queue_count++] = index;
    return index;
}

static void add_request(struct client *client, bool is_last, bool closes)
{
    static const enum judged_kind kinds[] = {
        JUDGED_GET,  JUDGED_GET,     JUDGED_GET, JUDGED_GET,    JUDGED_GET,
        JUDGED_PUT,  JUDGED_PUT,     JUDGED_PUT, JUDGED_HEAD,   JUDGED_DELETE,
        JUDGED_LIST, JUDGED_NOWHERE, JUDGED_GET, JUDGED_METHOD, JUDGED_ECHO};
    static const char *const methods[] = {"GET", "HEAD", "PUT",   "DELETE",
                                          "GET", "GET",  "TRACE", "POST"};
    enum judged_kind kind = kinds[random_below(&client->random, ARRAY_COUNT(kinds))];
    if (client->is_final)
        kind = JUDGED_GET;
    uint32_t index = new_operation(client, kind);
    struct judged *operation = &sim.judge.operations[index];
    char line[100];
    if (client->is_final)
        operation->key = client->sequence - 1;
    else if (kind <= JUDGED_DELETE)
        choose_condition(client, operation);
    operation->request_at = client->out_bytes;
    if (kind == JUDGED_LIST)
        snprintf(line, sizeof(line), "GET /v1/ns");
    else if (kind == JUDGED_NOWHERE)
        snprintf(line, sizeof(line), "GET /nowhere");
    else if (kind == JUDGED_ECHO)
        snprintf(line, sizeof(line), "POST /echo/%u", index);
    else
        snprintf(line, sizeof(line), "%s /v1/ns/default/values/key%%2f%u", methods[kind],
                 operation->key);
    if (kind <= JUDGED_METHOD && kind != JUDGED_LIST && kind != JUDGED_NOWHERE &&
        operation->key % 2)
        snprintf(line, sizeof(line), "%s /v1/ns/default/values/key/%u", methods[kind],
                 operation->key); /* without escapes: the way of plain hits */
    out(client, line);
    out_fields(client, operation, index, closes);
    if (kind == JUDGED_PUT || kind == JUDGED_ECHO) {
        operation->length = body_size(&client->random);
        if (kind == JUDGED_ECHO)
            operation->length %= 50000;
    }
    if (kind == JUDGED_PUT) {
        out_put(client, operation, index, is_last);
    } else if (kind == JUDGED_ECHO) {
        snprintf(line, sizeof(line), "Content-Length: %u\r\n\r\n", operation->length);
        out(client, line);
        out_body(client, operation, index);
        judge_expect_echo(operation, client->out + operation->request_at,
                          client->out_bytes - operation->request_at);
    } else {
        out(client, kind == JUDGED_METHOD ? "Content-Length: 0\r\n\r\n" : "\r\n");
    }
}

/* The last request of a connection that ends badly. */
static void add_bad_end(struct client *client)
{
    static const char *const bad[] = {"BAD\r\n\r\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                                      ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                                       "Transfer-Encoding: chunked\r\n\r\n")};
    static const char *const cut[] = {"GET /v1/ns/default/values/key HTTP/1.1\r\nHo", "P",
                                      "PUT /v1/ns/default/values/cut HTTP/1.1\r\nHost: a\r\n"
                                      "Content-Length: 20\r\n\r\nabc",
                                      "PUT /v1/ns/default/values/cut HTTP/1.1\r\nHost: a\r\n"
                                      "Content-Length: 20000\r\n\r\nabc",
                                      "PUT /v1/ns/default/values/cut HTTP/1.1\r\nHost: a\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\n5\r\nab"};
    if (client->ending == END_BAD) {
        new_operation(client, JUDGED_BAD);
        out(client, bad[random_below(&client->random, ARRAY_COUNT(bad))]);
    } else if (client->ending == END_CUT) {
        new_operation(client, JUDGED_CUT);
        out(client, cut[random_below(&client->random, ARRAY_COUNT(cut))]);
    }
}

static void start_batch(struct client *client)
{
    client->out_bytes = client->out_at = client->queue_count = 0;
    client->held_at = NONE;
    client->continue_ns = 0;
    client->is_last_batch = --client->batches_left == 0;
    bool closes = client->is_last_batch && client->ending == END_CLOSE_HEADER;
    bool bad_end =
        client->is_last_batch && (client->ending == END_BAD || client->ending == END_CUT);
    uint32_t count = 1 + random_below(&client->random, BATCH_MAX);
    if (client->is_final)
        count = JUDGE_KEYS / 2;
    for (uint32_t i = 0; i < count; i++)
        add_request(client, i + 1 == count && !bad_end, closes && i + 1 == count);
    if (bad_end)
        add_bad_end(client);
    if (random_chance(&client->random, 150)) {
        client->net.is_deaf = true;
        client->deaf_until_ns = sim.world.now_ns + random_u64(&client->random) % NS_PER_S;
    }
    if (client->is_last_batch && client->ending == END_ABORT)
        client->abort_ns = sim.world.now_ns + random_u64(&client->random) % (50 * NS_PER_MS);
}

/* ---- answers ---- */

static bool field(const uint8_t *head, uint32_t bytes, const char *name, char *value, uint32_t room)
{
    uint32_t length = (uint32_t)strlen(name);
    for (uint32_t at = 0; at + length + 2 < bytes; at++) {
        if (head[at] != '\n' || strncasecmp((const char *)head + at + 1, name, length) != 0)
            continue;
        uint32_t from = at + 1 + length, used = 0;
        while (from < bytes && head[from] != '\r' && used + 1 < room)
            value[used++] = (char)head[from++];
        value[used] = 0;
        return true;
    }
    return false;
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

static bool read_head(struct answer *answer, const uint8_t *head, uint32_t bytes)
{
    char value[80];
    if (bytes < 13 || memcmp(head, "HTTP/1.1 ", 9) != 0)
        return false;
    answer->status = (uint32_t)number((const char *)head + 9);
    if (field(head, bytes, "ETag: \"", value, sizeof(value)))
        answer->version = number(value);
    if (field(head, bytes, "Content-Length: ", value, sizeof(value)))
        answer->length = (uint32_t)number(value);
    if (field(head, bytes, "Content-Type: test/", value, sizeof(value))) {
        answer->content = (uint32_t)number(value);
        answer->has_content = true;
    }
    answer->closes = field(head, bytes, "Connection: close", value, sizeof(value));
    if (!field(head, bytes, "Request-Id: ", answer->id, sizeof(answer->id)) &&
        answer->status != 100)
        return false;
    return true;
}

static void take_answer(struct client *client, struct answer *answer)
{
    uint32_t index = client->queue[0];
    struct judged *operation = &sim.judge.operations[index];
    memmove(client->queue, client->queue + 1, --client->queue_count * sizeof(client->queue[0]));
    answer->at_ns = sim.world.now_ns;
    client->heard_ns = sim.world.now_ns;
    sim.answers++;
    if (answer->status >= 500 || (answer->status == 408 && operation->kind != JUDGED_CUT))
        sim.refusals++;
    if (answer->status == 408 && operation->kind != JUDGED_CUT && sim.loss_permille == 0)
        fail("408 on a perfect network");
    if (answer->status == 503 && !sim.is_short_of_memory)
        fail("503 though nothing was short");
    const char *wrong = judge_answer(&sim.judge, index, answer);
    if (sim.is_traced || wrong)
        printf("%12.6f client port %u operation %u kind %u key %u: status %u version %" PRIu64
               "%s%s\n",
               (double)sim.world.now_ns / 1e9, client->net.port, index, operation->kind,
               operation->key, answer->status, answer->version, wrong ? ": " : "",
               wrong ? wrong : "");
    if (wrong)
        fail(wrong);
    client->server_closes |= answer->closes;
}

/* One answer from the front of what came; false when it is not complete. */
static bool parse_answer(struct client *client)
{
    uint32_t bytes = client->net.received_bytes - client->parsed_bytes;
    if (bytes == 0)
        return false;
    const uint8_t *at = client->net.received + client->parsed_bytes;
    if (client->queue_count == 0 || client->server_closes) {
        fail("bytes came that nobody asked for");
        return false;
    }
    const uint8_t *end = memmem(at, bytes, "\r\n\r\n", 4);
    if (!end)
        return false;
    uint32_t head_bytes = (uint32_t)(end - at) + 4;
    struct answer answer = {0};
    if (!read_head(&answer, at, head_bytes - 2)) {
        fail("an answer has no valid head");
        return false;
    }
    if (answer.status == 100) {
        if (client->held_at == NONE || client->queue_count != 1)
            fail("100 Continue out of turn");
        client->held_at = NONE;
        client->parsed_bytes += head_bytes;
        return true;
    }
    bool is_bodiless = answer.status == 204 || answer.status == 304 ||
                       (sim.judge.operations[client->queue[0]].kind == JUDGED_HEAD &&
                        answer.status != 408); /* of a head that never came whole */
    uint32_t body_bytes = is_bodiless ? 0 : answer.length;
    if (bytes < head_bytes + body_bytes)
        return false;
    answer.body = at + head_bytes;
    answer.body_bytes = body_bytes;
    client->parsed_bytes += head_bytes + body_bytes;
    take_answer(client, &answer);
    return true;
}

/* ---- a client's life ---- */

static void leave_unanswered(struct client *client)
{
    for (uint32_t i = 0; i < client->queue_count; i++)
        judge_unanswered(&sim.judge, client->queue[i]);
    client->queue_count = 0;
}

static void end_session(struct client *client)
{
    leave_unanswered(client);
    server_world_abort(&sim.world, &client->net);
    client->is_connected = false;
    client->wake_ns = sim.world.now_ns + random_u64(&client->random) % (200 * NS_PER_MS);
    client->is_done = --client->sessions_left == 0;
}

static void begin_session(struct client *client)
{
    client->heard_ns = sim.world.now_ns;
    client->connection = ++sim.connections;
    client->sequence = 0;
    client->parsed_bytes = 0;
    client->queue_count = client->out_bytes = client->out_at = 0;
    client->held_at = NONE;
    client->abort_ns = UINT64_MAX;
    client->is_last_batch = client->server_closes = false;
    client->batches_left = client->is_final ? 2 : 1 + random_below(&client->random, 3);
    client->ending =
        (uint8_t)(client->is_final ? END_FIN : random_below(&client->random, END_COUNT));
    server_world_connect(&sim.world, &client->net);
    client->is_connected = true;
}

static void send_some(struct client *client)
{
    uint64_t now_ns = sim.world.now_ns;
    uint32_t end = client->held_at == NONE ? client->out_bytes : client->held_at;
    if (client->out_at == end && client->held_at != NONE) { /* waits for 100, but not for ever */
        if (client->continue_ns == 0)
            client->continue_ns = now_ns + NS_PER_S;
        client->wake_ns = client->continue_ns;
        if (now_ns < client->continue_ns)
            return;
        end = client->out_bytes;
        client->held_at = client->out_bytes; /* a 100 may still come */
    }
    uint32_t most = client->random.state & 64 ? 4000 : 60000;
    uint32_t part = 1 + random_below(&client->random, most);
    part = part < end - client->out_at ? part : end - client->out_at;
    uint32_t piece = part < 4000 && random_chance(&client->random, 100)
                         ? 1 + random_below(&client->random, 200)
                         : 1460;
    server_world_send(&sim.world, &client->net, client->out + client->out_at, part, piece);
    client->out_at += part;
    bool rests = random_chance(&client->random, 100);
    client->wake_ns = now_ns + (rests ? random_u64(&client->random) % (20 * NS_PER_MS) : NS_PER_US);
    if (client->out_at == client->out_bytes && client->is_last_batch &&
        client->ending == END_HALF_CLOSE)
        server_world_close(&sim.world, &client->net);
}

static void on_end(struct client *client)
{
    bool excused = client->server_closes || client->queue_count == 0 ||
                   (sim.loss_permille >= 200 && !client->net.peer_closed);
    /* All that we sent since its last answer, which came seconds late, was lost: it saw us idle. */
    excused |= sim.world.now_ns - client->heard_ns + 10 * NS_PER_S >=
               sim.world.config.server.http.idle_timeout_ms * NS_PER_MS;
    if (!excused && sim.loss_permille < 200)
        fail("the server ended a connection with requests unanswered");
    end_session(client);
}

static void run_client(struct client *client)
{
    uint64_t now_ns = sim.world.now_ns;
    if (client->is_done)
        return;
    if (!client->is_connected) {
        if (now_ns >= client->wake_ns)
            begin_session(client);
        return;
    }
    if (client->net.is_deaf && now_ns >= client->deaf_until_ns)
        server_world_hear(&sim.world, &client->net);
    while (!sim.failure && parse_answer(client))
        continue;
    if (client->parsed_bytes == client->net.received_bytes)
        client->parsed_bytes = client->net.received_bytes = 0;
    if ((client->net.is_gone || client->net.peer_closed) && !client->net.is_deaf) {
        on_end(client);
        return;
    }
    if (now_ns >= client->abort_ns) {
        end_session(client);
        return;
    }
    if (!client->net.is_open || client->server_closes)
        return; /* what comes now must be the end */
    if (client->out_at < client->out_bytes) {
        if (now_ns >= client->wake_ns || (client->held_at == NONE && client->continue_ns))
            send_some(client);
        return;
    }
    if (client->queue_count > 0)
        return;
    if (client->batches_left > 0) {
        start_batch(client);
        client->wake_ns = now_ns;
    } else if (client->ending == END_FIN || client->ending == END_ABORT) {
        server_world_close(&sim.world, &client->net);
    }
}

static uint64_t next_wake_ns(void)
{
    uint64_t next = sim.world.now_ns + 100 * NS_PER_MS;
    for (uint32_t i = 0; i < sim.client_count; i++) {
        const struct client *client = &sim.clients[i];
        if (client->is_done)
            continue;
        bool waits = !client->is_connected || client->out_at < client->out_bytes;
        if (waits && client->wake_ns > sim.world.now_ns && client->wake_ns < next)
            next = client->wake_ns;
        if (client->net.is_deaf && client->deaf_until_ns > sim.world.now_ns &&
            client->deaf_until_ns < next)
            next = client->deaf_until_ns;
        if (client->is_connected && client->abort_ns > sim.world.now_ns && client->abort_ns < next)
            next = client->abort_ns;
    }
    return next;
}

/* ---- one seed ---- */

static uint32_t pick(struct random *random, const uint32_t *values, uint32_t count)
{
    return values[random_below(random, count)];
}

static void choose_wire(struct random *random, struct virtual_wire_config *wire)
{
    static const uint32_t losses[] = {0, 0, 10, 50, 100, 300};
    static const uint32_t delays_us[] = {10, 100, 1000, 20000};
    wire->seed = random_u64(random);
    wire->loss_permille = pick(random, losses, 6);
    wire->duplicate_permille = random_chance(random, 300) ? random_below(random, 100) : 0;
    wire->corrupt_permille =
        wire->loss_permille && random_chance(random, 300) ? random_below(random, 50) : 0;
    wire->reorder_permille = random_chance(random, 400) ? random_below(random, 200) : 0;
    wire->delay_ns = pick(random, delays_us, 4) * NS_PER_US;
    wire->jitter_ns = random_chance(random, 400) ? wire->delay_ns / 2 : 0;
    wire->reorder_ns = 2 * wire->delay_ns;
    wire->ns_per_byte = random_chance(random, 700) ? 1 : 80;
    wire->is_traced = sim.is_traced;
}

static void choose_server(struct random *random, struct world_config *config)
{
    static const uint32_t windows[] = {8192, 65536, 262144, 1048576};
    static const uint32_t offloads[] = {
        0, NIC_TX_MULTI_SEGMENT, NIC_TX_IPV4_CHECKSUM | NIC_TX_TCP_CHECKSUM | NIC_TX_MULTI_SEGMENT,
        NIC_TX_IPV4_CHECKSUM | NIC_TX_TCP_CHECKSUM | NIC_TX_MULTI_SEGMENT | NIC_TX_SEGMENTATION};
    struct server_config *server = &config->server;
    config->core_count = 1 + random_below(random, WORLD_CORES_MAX);
    config->control_count = 1 + random_below(random, WORLD_CONTROLS_MAX);
    config->is_ipv6 = random_chance(random, 300);
    config->mtu = random_chance(random, 300) ? 1280 : 1500;
    config->server_offloads = pick(random, offloads, 4);
    config->client_receive_window = pick(random, windows, 4);
    server->tcp.receive_window =
        pick(random, windows, 4) < 40000 ? 40000 : pick(random, windows, 4);
    if (server->tcp.receive_window < 40000)
        server->tcp.receive_window = 40000; /* at least a head, as the configuration demands */
    server->tcp.send_budget = 16384u << random_below(random, 5);
    server->http.head_timeout_ms = 60000;
    server->http.idle_timeout_ms = 100000;
    server->http.body_rate_min = 1;
    server->cache.memory_mib = 1 + random_below(random, 2);
    server->cache.value_max = random_chance(random, 200) ? 1000 : 262144;
    sim.is_short_of_memory = random_chance(random, 250);
    server->http.body_memory_mib = sim.is_short_of_memory ? 2 * config->core_count : 64;
}

static void simulation_create(uint64_t seed, bool is_traced)
{
    uint8_t *outs[CLIENTS_MAX];
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        outs[i] = sim.clients[i].out ? sim.clients[i].out : malloc(OUT_BYTES);
    memset(&sim, 0, sizeof(sim));
    sim.is_traced = is_traced;
    sim.random.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 5;
    struct world_config config;
    server_world_defaults(&config, seed);
    choose_wire(&sim.random, &config.wire);
    choose_server(&sim.random, &config);
    sim.loss_permille = config.wire.loss_permille;
    server_world_start(&sim.world, &config);
    judge_init(&sim.judge);
    sim.client_count = 1 + random_below(&sim.random, CLIENTS_MAX);
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &sim.clients[i];
        client->out = outs[i];
        client->random.state = random_u64(&sim.random);
        client->sessions_left = 1 + random_below(&sim.random, 4);
        client->wake_ns = sim.world.now_ns + random_u64(&sim.random) % (100 * NS_PER_MS);
    }
}

static bool all_done(void)
{
    for (uint32_t i = 0; i < sim.client_count; i++)
        if (!sim.clients[i].is_done)
            return false;
    return true;
}

static void run_until_done(void)
{
    uint64_t start_ns = sim.world.now_ns;
    uint32_t steps = 0;
    while (!sim.failure && !all_done()) {
        for (uint32_t i = 0; i < sim.client_count && !sim.failure; i++)
            run_client(&sim.clients[i]);
        server_world_step(&sim.world, next_wake_ns());
        if (sim.world.now_ns - start_ns > TIME_LIMIT_NS)
            fail("still not finished after an hour of virtual time");
        if (++steps > STEPS_MAX)
            fail("time does not move on");
    }
}

/* Everybody asks again at the end: what was acknowledged must be there. */
static void run_final_reader(void)
{
    struct client *client = &sim.clients[0];
    sim.client_count = 1;
    client->is_final = true;
    client->is_done = false;
    client->sessions_left = 1;
    client->wake_ns = 0;
    run_until_done();
}

static void settle(void)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        server_world_forget(&sim.world, &sim.clients[i].net);
    for (uint32_t s = 0; s < 600; s++) {
        server_world_run_ms(&sim.world, 1000);
        if (server_world_connections(&sim.world) == 0 && server_world_in_flight(&sim.world) == 0 &&
            s > 5)
            return;
    }
}

static bool run_seed(uint64_t seed, bool is_traced, const char *program)
{
    simulation_create(seed, is_traced);
    uint64_t start_ns = sim.world.now_ns;
    run_until_done();
    if (!sim.failure)
        run_final_reader();
    if (!sim.failure)
        sim.failure = judge_finish(&sim.judge);
    double seconds = (double)(sim.world.now_ns - start_ns) / 1e9;
    if (!sim.failure) {
        settle();
        sim.failure = server_world_stop(&sim.world);
    }
    if (is_traced)
        printf("seed %" PRIu64 ": %" PRIu64 " answers, %" PRIu64 " refusals, %.3f s\n", seed,
               sim.answers, sim.refusals, seconds);
    if (sim.failure)
        printf("seed %" PRIu64 " failed after %.6f s: %s\n  replay: %s --seed %" PRIu64
               " --trace\n",
               seed, seconds, sim.failure, program, seed);
    judge_destroy(&sim.judge);
    return !sim.failure;
}

static uint64_t argument(int count, char **values, const char *name, uint64_t fallback)
{
    for (int i = 1; i + 1 < count; i++)
        if (strcmp(values[i], name) == 0)
            return number(values[i + 1]);
    return fallback;
}

int main(int count, char **values)
{
    bool is_traced = count > 1 && strcmp(values[count - 1], "--trace") == 0;
    log_set_level(LOG_LEVEL_ERROR);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    server_world_prepare();
    uint64_t one = argument(count, values, "--seed", UINT64_MAX);
    if (one != UINT64_MAX)
        return run_seed(one, is_traced, values[0]) ? 0 : 1;
    uint64_t first = argument(count, values, "--first", 1);
    uint64_t seeds = argument(count, values, "--seeds", 0);
    if (seeds == 0)
        depth_choose_seeds(SEEDS_IN_CI, &first, &seeds);
    uint64_t answers = 0, refusals = 0;
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        if (!run_seed(seed, false, values[0]))
            return 1;
        answers += sim.answers;
        refusals += sim.refusals;
    }
    printf("%" PRIu64 " seeds passed, from %" PRIu64 ": %" PRIu64 " answers, %" PRIu64
           " refusals\n",
           seeds, first, answers, refusals);
    return 0;
}
