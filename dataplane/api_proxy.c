/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections from a balancer: its PROXY header first, then requests as on any other. */
#include "dataplane/api_state.h"
#include "dataplane/network.h"
#include "dataplane/tcp_stack.h"
#include "include/counters.h"
#include "include/server_config.h"

/* Configured at start only: a connection keeps the meaning it began with. */
bool proxy_is_expected(const struct api_handler *handler, const struct tcp_connection *tcp)
{
    const struct server_config *server = handler->config.server;
    for (uint32_t i = 0; i < server->listeners_count; i++)
        if (server->listeners[i].port == tcp_local_port(tcp))
            return server->listeners[i].proxy_protocol == CONFIG_PROXY_PROTOCOL_V2;
    return false;
}

const struct proxy_client *proxy_client_of(const struct api_handler *handler,
                                           const struct tcp_connection *tcp)
{
    uint64_t handle = tcp_handle(tcp);
    const struct proxied *proxied = handler->proxied ? &handler->proxied[(uint32_t)handle] : NULL;
    return proxied && proxied->handle == handle ? &proxied->client : NULL;
}

struct proxy_client client_address(const struct api_handler *handler,
                                   const struct tcp_connection *tcp)
{
    const struct proxy_client *behind = proxy_client_of(handler, tcp);
    if (behind && behind->ip_version != 0)
        return *behind;
    struct network_flow flow;
    struct proxy_client client;
    uint16_t local_port;
    tcp_connection_flow(tcp, &flow, &local_port, &client.port);
    client.ip_version = flow.ip_version;
    memcpy(client.address, flow.remote, sizeof(client.address));
    return client;
}

static bool take_header(struct api_handler *handler, struct tcp_connection *tcp)
{
    struct proxied fresh = {.handle = tcp_handle(tcp)};
    uint32_t header_bytes = 0;
    uint32_t bytes = tcp_receive_peek(tcp, 0, handler->scratch, PROXY_HEADER_BYTES_MAX);
    switch (proxy_header_parse(handler->scratch, bytes, &fresh.client, &header_bytes)) {
    case PROXY_DONE:
        handler->proxied[(uint32_t)fresh.handle] = fresh;
        tcp_receive_consume(handler->config.tcp, tcp, header_bytes);
        connection_rest(handler, tcp);
        return true;
    case PROXY_BAD:
        count(handler->config.counters, COUNTER_PROXY_HEADERS_BAD);
        tcp_abort(handler->config.tcp, tcp);
        return false;
    case PROXY_PARTIAL:
        break;
    }
    return false;
}

bool proxy_may_go_on(struct api_handler *handler, struct tcp_connection *tcp)
{
    if (!proxy_is_expected(handler, tcp) || proxy_client_of(handler, tcp))
        return true;
    return tcp_receive_bytes(tcp) > 0 && take_header(handler, tcp);
}

bool proxy_gives_up(struct api_handler *handler, struct tcp_connection *tcp)
{
    if (connection_is_closing(tcp) || !proxy_is_expected(handler, tcp) ||
        proxy_client_of(handler, tcp))
        return false;
    count(handler->config.counters, COUNTER_PROXY_HEADERS_BAD);
    tcp_abort(handler->config.tcp, tcp);
    return true;
}
