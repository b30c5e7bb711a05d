/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * generator_state.h - the insides of struct generator.
 *
 * Purpose:   private to generator.c (round, phases), generator_client.c (connections) and
 *            generator_traffic.c (requests and answers).
 * Ownership: see generator.h.
 * Threading: one core.
 * Units:     bytes; _ns monotone.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_BENCH_GENERATOR_STATE_H
#define GANNET_BENCH_GENERATOR_STATE_H

#include <stdalign.h>

#include "dataplane/network.h"
#include "dataplane/tcp.h"
#include "dataplane/tcp_stack.h"
#include "include/compiler.h"
#include "include/random.h"
#include "tests/bench/generator/answer.h"
#include "tests/bench/generator/arrivals.h"
#include "tests/bench/generator/gaps.h"
#include "tests/bench/generator/generator.h"
#include "tests/bench/generator/request.h"

#define PREFETCH_AHEAD 8u /* connections, of an idle list longer than the caches */

enum client_state { CLIENT_CLOSED = 0, CLIENT_OPENING, CLIENT_OPEN };

/* Lists a client may stand on, each at most once. */
enum client_list {
    LIST_CLOSED = 0, /* to be connected */
    LIST_WAITING,    /* wants to send, and there was no packet or no room in the port */
    LIST_IDLE,       /* has a free pipeline slot, for a request that is due */
    LIST_COUNT,
};

struct client {
    alignas(CACHE_LINE_BYTES) struct tcp_connection *tcp;
    uint64_t body_left; /* of the answer under way */
    uint64_t body_offset;
    struct answer_head head; /* of the answer under way, when has_head */
    uint32_t send_offset;    /* into the newest request, while is_sending */
    uint32_t index;
    uint8_t oldest, in_flight; /* into its slots */
    uint8_t state;             /* enum client_state */
    uint8_t lists;             /* a bit per list it stands on */
    bool has_head;
    bool is_body_bad;
    bool is_sending; /* a request larger than a segment is not yet queued whole */
};
static_assert(sizeof(struct client) == CACHE_LINE_BYTES, "one line per connection");

/* One request in flight. */
struct slot {
    uint64_t start_ns; /* was due, or was sent */
    uint32_t key;
    uint8_t kind; /* enum request_kind */
};

struct client_queue {
    uint32_t *indices;
    uint32_t mask, head, tail;
};

enum generator_mode {
    GENERATOR_PAUSED = 0,
    GENERATOR_LOADING,
    GENERATOR_CLOSED_LOOP,
    GENERATOR_FEW_ACTIVE, /* a closed loop over more connections than requests */
    GENERATOR_OPEN_LOOP,
    GENERATOR_STOPPING,
};

struct generator {
    const struct plan *plan;
    const struct popularity *popularity;
    struct network *network;
    struct tcp_stack *tcp;
    struct counters *counters;
    struct result_progress *progress;
    struct client *clients;
    struct slot *slots; /* 1 << slot_shift per client */
    uint32_t client_count;
    uint32_t slot_shift;
    enum generator_mode mode;
    uint64_t now_ns;
    bool trusts_link;    /* checksums of what comes in are not looked at */
    uint32_t sends_left; /* packets that may still be made this round */
    uint32_t open_count, opening_count;
    uint32_t in_flight, active_max; /* of all connections; active_max in GENERATOR_FEW_ACTIVE */
    uint64_t response_count, error_count; /* of all time, for the progress line */
    struct client_queue lists[LIST_COUNT];
    struct random random;
    struct answer_parser parser;
    struct request_set requests;

    /* the next request, drawn and not yet sent */
    bool has_drawn;
    uint8_t drawn_kind;
    uint32_t drawn_key;

    struct arrivals arrivals;
    struct gaps gaps;
    uint32_t core_index, core_count;

    /* connecting */
    uint32_t endpoint, address_count;
    uint64_t connect_not_before_ns;
    uint64_t connect_gap_ns; /* 0: no ramp */
    bool has_reached_server;
    uint32_t stop_cursor;

    /* loading */
    uint64_t load_next, load_left;
    uint32_t *load_retries; /* keys whose PUT failed */
    uint32_t load_retry_count;

    struct result *result; /* what is counted into: one of the two below */
    struct result *measured, *unmeasured;
    uint64_t measure_start_ns;
    uint64_t retransmissions_before, drops_before;
    uint8_t scratch[ANSWER_HEAD_BYTES_MAX]; /* heads that lie in several packets */
};

static inline bool client_is_listed(const struct client *client, enum client_list list)
{
    return client->lists & 1u << list;
}

static inline void client_enlist(struct generator *generator, struct client *client,
                                 enum client_list list)
{
    if (client_is_listed(client, list))
        return;
    struct client_queue *queue = &generator->lists[list];
    client->lists |= (uint8_t)(1u << list);
    queue->indices[queue->tail++ & queue->mask] = client->index;
}

static inline uint32_t client_list_length(const struct generator *generator, enum client_list list)
{
    return generator->lists[list].tail - generator->lists[list].head;
}

/* The list is as long as there are connections, and each was last touched when it was answered. */
static inline void client_prefetch_idle(const struct generator *generator)
{
    const struct client_queue *queue = &generator->lists[LIST_IDLE];
    uint32_t length = queue->tail - queue->head;
    if (length > 2 * PREFETCH_AHEAD)
        __builtin_prefetch(
            &generator->clients[queue->indices[(queue->head + 2 * PREFETCH_AHEAD) & queue->mask]]);
    if (length > PREFETCH_AHEAD) {
        uint32_t index = queue->indices[(queue->head + PREFETCH_AHEAD) & queue->mask];
        const char *tcp = (const char *)generator->clients[index].tcp;
        __builtin_prefetch(&generator->slots[(size_t)index << generator->slot_shift]);
        for (uint32_t line = 0; tcp != NULL && line < 3; line++)
            __builtin_prefetch(tcp + (size_t)line * CACHE_LINE_BYTES);
    }
}

/* NULL when the list is empty. */
static inline struct client *client_delist(struct generator *generator, enum client_list list)
{
    struct client_queue *queue = &generator->lists[list];
    if (queue->head == queue->tail)
        return NULL;
    struct client *client = &generator->clients[queue->indices[queue->head++ & queue->mask]];
    client->lists &= (uint8_t) ~(1u << list);
    return client;
}

static inline struct slot *client_slot(const struct generator *generator,
                                       const struct client *client, uint32_t nth)
{
    uint32_t mask = (1u << generator->slot_shift) - 1;
    return &generator->slots[((size_t)client->index << generator->slot_shift) +
                             ((client->oldest + nth) & mask)];
}

/* ---- generator_traffic.c ---- */

bool traffic_has_request(struct generator *generator);
/* One more is in flight, counted from start_ns; its bytes follow by traffic_send_noted. */
bool traffic_note(struct generator *generator, struct client *client, uint64_t start_ns);
void traffic_send_noted(struct generator *generator, struct client *client);
/* Up to `count` new requests; returns how many were queued. */
uint32_t traffic_send(struct generator *generator, struct client *client, uint32_t count,
                      uint64_t start_ns);
/* After anything happened on an open connection: what it should send now, and its deadline. */
void traffic_go_on(struct generator *generator, struct client *client);
void traffic_take_answers(struct generator *generator, struct client *client);
/* The peer closed, after its last byte. */
void traffic_peer_closed(struct generator *generator, struct client *client);
/* What is in flight will not be answered: the oldest for this reason, the others with it. */
void traffic_lose(struct generator *generator, struct client *client, enum result_error why);

/* ---- generator_client.c ---- */

/* False: no free address, or no slot. */
bool client_connect(struct generator *generator, struct client *client, uint64_t start_ns);
void client_connect_due(struct generator *generator);
void client_event(struct generator *generator, struct tcp_connection *tcp);
/* An orderly end, or none: what is in flight must have been accounted for. */
void client_close(struct generator *generator, struct client *client);
void client_abort(struct generator *generator, struct client *client, enum result_error why);

static inline void generator_count_error(struct generator *generator, enum result_error why,
                                         uint64_t count)
{
    generator->result->errors[why] += count;
    generator->error_count += count;
}

#endif
