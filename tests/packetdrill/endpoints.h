/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * endpoints.h - the sockets of one script, and what the stack tells them.
 *
 * Purpose:   descriptor -> socket or epoll set; from batches of connection events to what POSIX
 *            calls can ask for.
 * Ownership: the table owns all of them. A connection whose socket was closed is the stack's alone.
 * Threading: inside a turn.
 * Units:     bytes; ports in host order.
 * Errors:    NULL when there is no such descriptor, or no room for one more.
 * Source:    POSIX.1-2017; where it leaves a choice, Linux.
 */
#ifndef GANNET_PACKETDRILL_ENDPOINTS_H
#define GANNET_PACKETDRILL_ENDPOINTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "dataplane/network.h"

#define ENDPOINTS_MAX 128u
#define EPOLL_INTERESTS_MAX 32u

struct adapter;
struct tcp_connection;

enum endpoint_kind {
    ENDPOINT_FREE = 0,
    ENDPOINT_STREAM,
    ENDPOINT_EPOLL,
};

enum endpoint_state {
    ENDPOINT_FRESH = 0,
    ENDPOINT_LISTENING,
    ENDPOINT_CONNECTING,
    ENDPOINT_CONNECTED, /* the connection may be gone by now */
};

/* What setsockopt may set. */
struct endpoint_options {
    int reuse_address, no_delay;
    int send_buffer_bytes, receive_buffer_bytes; /* 0: the configuration's */
    int segment_bytes_max;                       /* 0: as the path allows */
    int user_timeout_ms;                         /* 0: the configuration's */
    int keepalive, keepalive_idle_s, keepalive_interval_s, keepalive_probes;
    struct linger linger;
};

struct epoll_interest {
    int fd;
    uint32_t endpoint_number; /* of the endpoint that had this descriptor; 0: no interest */
    struct epoll_event event;
    uint32_t reported_serial; /* edge-triggered, one-shot: told up to here */
    bool is_spent;            /* one-shot, and told */
};

struct endpoint {
    enum endpoint_kind kind;
    enum endpoint_state state;
    int fd;          /* -1: not accepted yet */
    uint32_t number; /* unlike descriptors never used twice */
    int family;
    int file_flags;
    uint16_t local_port; /* 0: not bound */
    uint8_t local[16];   /* IPv4: first four bytes; zero: any */
    struct network_flow flow;
    uint16_t remote_port;
    struct tcp_connection *connection; /* NULL: none, or gone */
    bool has_peer_closed, is_write_shut, is_read_shut;
    bool wants_room;        /* a write found too little */
    int error;              /* told once */
    uint32_t event_serial;  /* grows with everything that may interest epoll */
    struct endpoint *queue; /* of a listener: what waits for accept, oldest first */
    struct endpoint *queue_next;
    struct endpoint_options options;
    struct epoll_interest *interests; /* of an epoll set */
};

struct endpoint_table {
    struct endpoint all[ENDPOINTS_MAX];
    uint32_t next_number;
    uint16_t next_port;
    uint64_t resets_seen, timeouts_seen;
};

/* A new one without a descriptor. */
struct endpoint *endpoint_create(struct adapter *adapter, enum endpoint_kind kind);
/* A real descriptor of its own, unlike all others in the process; negative errno. */
int endpoint_open_descriptor(struct endpoint *endpoint);
void endpoint_destroy(struct endpoint *endpoint);
struct endpoint *endpoint_find(struct adapter *adapter, int fd, enum endpoint_kind kind);

/* Takes what became ready in the stack. */
void endpoints_collect(struct adapter *adapter);

/* The connection is the stack's alone from now on: closed in order, or reset. */
void endpoint_let_go(struct adapter *adapter, struct endpoint *endpoint, bool is_reset);

uint32_t endpoint_receive_bytes(const struct endpoint *endpoint);
uint32_t endpoint_send_room(const struct adapter *adapter, const struct endpoint *endpoint);
bool endpoint_is_readable(const struct endpoint *endpoint);
bool endpoint_is_writable(const struct adapter *adapter, const struct endpoint *endpoint);
/* poll's bits, POLLIN, POLLOUT, ... */
short endpoint_poll_events(const struct adapter *adapter, const struct endpoint *endpoint);

/* As accept(2) gives it: cut to *length, which becomes the whole length. */
void endpoint_address(int family, const struct network_flow *flow, uint16_t port,
                      struct sockaddr *address, socklen_t *length);

#endif
