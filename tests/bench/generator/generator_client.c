/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of one connection after another. */
#include <string.h>

#include "include/assert_policy.h"
#include "include/byte_order.h"
#include "include/clock.h"
#include "tests/bench/generator/generator_state.h"

#define FIRST_PORT 5536u
#define HANDSHAKES_MAX 256u       /* at a time: backlogs of servers are small */
#define ENDPOINT_TRIES_MAX 64u    /* addresses in use that are passed over in one go */
#define RETRY_NS (10 * NS_PER_MS) /* after a refusal */
#define RAMP_DEBT_NS (NS_PER_MS)  /* what a ramp that fell behind may make up for at once */

/* ---- opening ---- */

/* Local addresses and ports are taken in turn; every core has its own share of them. */
static void next_endpoint(struct generator *generator, struct network_flow *flow, uint16_t *port)
{
    uint32_t all = generator->address_count * GENERATOR_PORTS_PER_ADDRESS;
    uint32_t at = generator->endpoint;
    generator->endpoint = at + generator->core_count;
    if (generator->endpoint >= all)
        generator->endpoint = generator->core_index;
    *port = (uint16_t)(FIRST_PORT + at / generator->address_count);
    be32_t address;
    memcpy(&address, generator->plan->local, 4);
    address = be32_make(be32_load(address) + at % generator->address_count);
    *flow = (struct network_flow){.ip_version = 4};
    memcpy(flow->local, &address, 4);
    memcpy(flow->remote, generator->plan->remote, 4);
}

/* With a connection per request, an open loop's requests open the connections. */
static void enlist_free(struct generator *generator, struct client *client)
{
    bool waits_for_request = generator->plan->closes && generator->mode == GENERATOR_OPEN_LOOP;
    client_enlist(generator, client, waits_for_request ? LIST_IDLE : LIST_CLOSED);
}

bool client_connect(struct generator *generator, struct client *client, uint64_t start_ns)
{
    struct network_flow flow;
    uint16_t port;
    ASSERT_HOT(client->state == CLIENT_CLOSED);
    client->tcp = NULL;
    for (uint32_t i = 0; i < ENDPOINT_TRIES_MAX && !client->tcp; i++) {
        next_endpoint(generator, &flow, &port);
        client->tcp = tcp_connect(generator->tcp, &flow, port, generator->plan->remote_port,
                                  generator->now_ns);
    }
    if (!client->tcp) { /* connections that are closing hold them all */
        generator->connect_not_before_ns = generator->now_ns + NS_PER_MS;
        enlist_free(generator, client);
        return false;
    }
    client->oldest = client->in_flight = 0;
    client->has_head = client->is_sending = client->is_body_bad = false;
    client->body_left = 0;
    client->state = CLIENT_OPENING;
    generator->opening_count++;
    if (generator->sends_left > 0)
        generator->sends_left--;
    tcp_set_user(client->tcp, (uint64_t)(uintptr_t)client);
    tcp_set_deadline(generator->tcp, client->tcp, generator->now_ns + generator->plan->timeout_ns);
    if (generator->plan->closes)
        traffic_note(generator, client, start_ns);
    return true;
}

static bool may_connect(struct generator *generator)
{
    uint32_t limit = generator->plan->closes ? generator->client_count : HANDSHAKES_MAX;
    if (UNLIKELY(!generator->has_reached_server)) /* its link address has yet to be found out */
        limit = 1;
    return generator->opening_count < limit && generator->sends_left > 0 &&
           generator->now_ns >= generator->connect_not_before_ns &&
           client_list_length(generator, LIST_CLOSED) > 0 &&
           (!generator->plan->closes || traffic_has_request(generator));
}

void client_connect_due(struct generator *generator)
{
    bool is_wanted = !generator->plan->closes || generator->mode == GENERATOR_LOADING ||
                     generator->mode == GENERATOR_CLOSED_LOOP;
    uint32_t rounds_left = client_list_length(generator, LIST_CLOSED);
    while (is_wanted && rounds_left-- > 0 && may_connect(generator)) {
        if (generator->connect_gap_ns > 0) {
            uint64_t behind_ns = generator->now_ns - generator->connect_not_before_ns;
            if (behind_ns > RAMP_DEBT_NS)
                generator->connect_not_before_ns = generator->now_ns - RAMP_DEBT_NS;
            generator->connect_not_before_ns += generator->connect_gap_ns;
        }
        client_connect(generator, client_delist(generator, LIST_CLOSED), generator->now_ns);
    }
}

/* ---- closing ---- */

/* The client is free for another connection; this one goes its own way. */
static void detach(struct generator *generator, struct client *client)
{
    if (client->state == CLIENT_OPENING) {
        generator->opening_count--;
    } else {
        generator->open_count--;
        generator->result->connections_closed++;
    }
    tcp_set_user(client->tcp, 0);
    tcp_set_deadline(generator->tcp, client->tcp, 0);
    client->tcp = NULL;
    client->state = CLIENT_CLOSED;
    enlist_free(generator, client);
}

void client_close(struct generator *generator, struct client *client)
{
    struct tcp_connection *tcp = client->tcp;
    detach(generator, client);
    tcp_receive_consume(generator->tcp, tcp, tcp_receive_bytes(tcp));
    tcp_close(generator->tcp, tcp);
}

void client_abort(struct generator *generator, struct client *client, enum result_error why)
{
    struct tcp_connection *tcp = client->tcp;
    traffic_lose(generator, client, why);
    detach(generator, client);
    tcp_abort(generator->tcp, tcp);
}

/* ---- events ---- */

static void opened(struct generator *generator, struct client *client)
{
    generator->opening_count--;
    generator->open_count++;
    generator->has_reached_server = true;
    generator->result->connections_opened++;
    client->state = CLIENT_OPEN;
    if (client->in_flight > 0) /* a connection per request */
        traffic_send_noted(generator, client);
}

static void not_opened(struct generator *generator, struct client *client)
{
    if (client->in_flight > 0)
        traffic_lose(generator, client, RESULT_CONNECT_FAILED);
    else
        generator_count_error(generator, RESULT_CONNECT_FAILED, 1);
    generator->connect_not_before_ns = generator->now_ns + RETRY_NS;
}

static void gone(struct generator *generator, struct client *client)
{
    if (client->state == CLIENT_OPENING)
        not_opened(generator, client);
    else
        traffic_lose(generator, client, RESULT_RESET);
    detach(generator, client);
}

static void timed_out(struct generator *generator, struct client *client)
{
    struct tcp_connection *tcp = client->tcp;
    if (client->state == CLIENT_OPENING) {
        not_opened(generator, client);
        detach(generator, client);
        tcp_abort(generator->tcp, tcp);
    } else if (client->in_flight > 0) {
        client_abort(generator, client, RESULT_TIMEOUT);
    }
}

/* What still arrives on a connection that has no client any more. */
static void forgotten(struct generator *generator, struct tcp_connection *tcp, uint32_t events)
{
    if (!(events & TCP_EVENT_GONE))
        tcp_receive_consume(generator->tcp, tcp, tcp_receive_bytes(tcp));
}

void client_event(struct generator *generator, struct tcp_connection *tcp)
{
    struct client *client = (struct client *)(uintptr_t)tcp_user(tcp);
    uint32_t events = tcp_events(tcp);
    if (UNLIKELY(!client)) {
        forgotten(generator, tcp, events);
        return;
    }
    if (UNLIKELY(events & TCP_EVENT_GONE)) {
        gone(generator, client);
        return;
    }
    if (UNLIKELY(events & TCP_EVENT_OPENED))
        opened(generator, client);
    if (LIKELY(events & TCP_EVENT_READABLE))
        traffic_take_answers(generator, client);
    if (UNLIKELY(events & TCP_EVENT_PEER_CLOSED) && client->tcp == tcp)
        traffic_peer_closed(generator, client);
    if (UNLIKELY(events & TCP_EVENT_TIMER) && !(events & TCP_EVENT_READABLE) && client->tcp == tcp)
        timed_out(generator, client);
    if (LIKELY(client->tcp == tcp && client->state == CLIENT_OPEN))
        traffic_go_on(generator, client);
}
