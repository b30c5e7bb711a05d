/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp.h - what the HTTP layer sees of TCP: batches of ready connections, bytes in, bytes out.
 *
 * Purpose:   the boundary between the stack and the application. No callbacks: each round the
 *            caller takes the list of connections that became ready.
 * Ownership: a connection belongs to the stack; the application holds a pointer until it has seen
 *            TCP_EVENT_GONE for it, and a handle (index and generation) for anything longer.
 * Threading: everything belongs to one worker.
 * Units:     bytes; _ns monotone.
 * Errors:    send functions refuse (false) when the connection's send budget is used up; the
 *            application stops reading requests of that connection until TCP_EVENT_WRITABLE.
 * Source:    RFC 9293 section 3.9 (user interface), as batches.
 */
#ifndef GANNET_TCP_H
#define GANNET_TCP_H

#include <stdbool.h>
#include <stdint.h>

struct blob;
struct packet;
struct tcp_connection;
struct tcp_stack;

enum tcp_event {
    TCP_EVENT_READABLE = 1u << 0,    /* new in-order bytes */
    TCP_EVENT_WRITABLE = 1u << 1,    /* send budget is there again after a refusal */
    TCP_EVENT_PEER_CLOSED = 1u << 2, /* FIN received, after the last byte */
    TCP_EVENT_GONE = 1u << 3,   /* reset, timed out or closed: the pointer dies after this round */
    TCP_EVENT_OPENED = 1u << 4, /* handshake done (active or passive) */
    TCP_EVENT_TIMER = 1u << 5,  /* the application's deadline (tcp_set_deadline) passed */
};

/*
 * The connections with events, each once, in the order in which they became ready. Takes the list:
 * the events are cleared. Returns how many were written to `out` (at most `limit`, the rest stays).
 */
uint32_t tcp_take_ready(struct tcp_stack *stack, struct tcp_connection **out, uint32_t limit);
uint16_t tcp_local_port(const struct tcp_connection *connection);

uint32_t tcp_events(const struct tcp_connection *connection); /* enum tcp_event bits of this take */

/*
 * The application is not finished with a connection: it appears in the next take with these events.
 */
void tcp_make_ready(struct tcp_stack *stack, struct tcp_connection *connection, uint32_t events);

/* One word of the application's own per connection; zero for a new connection. */
uint64_t tcp_user(const struct tcp_connection *connection);
void tcp_set_user(struct tcp_connection *connection, uint64_t user);

/* A name that survives the connection: tcp_find returns NULL when it is gone. Never zero. */
uint64_t tcp_handle(const struct tcp_connection *connection);
struct tcp_connection *tcp_find(struct tcp_stack *stack, uint64_t handle);

/* Walks over all open connections, a few per call: start with *cursor = 0; NULL at the end. */
struct tcp_connection *tcp_next_open(struct tcp_stack *stack, uint32_t *cursor);

bool tcp_peer_is_closed(const struct tcp_connection *connection); /* FIN received */

/*
 * Received, in order, not yet consumed: the first contiguous run. Returns its length, 0 when empty.
 */
uint32_t tcp_receive_run(const struct tcp_connection *connection, const uint8_t **bytes);
/* All in-order bytes that wait, over all runs. */
uint32_t tcp_receive_bytes(const struct tcp_connection *connection);
/* Copies without consuming; returns how many bytes were copied (fewer when there are fewer). */
uint32_t tcp_receive_peek(const struct tcp_connection *connection, uint32_t offset, void *out,
                          uint32_t length);
/* Done with the first `length` bytes: frees packets and lets the window open again. */
void tcp_receive_consume(struct tcp_stack *stack, struct tcp_connection *connection,
                         uint32_t length);

/*
 * Sending. A packet for sending comes from tcp_packet (data starts after room for all headers); its
 * payload is at most tcp_payload_max bytes. tcp_send_packet consumes it; tcp_send_blob takes over
 * one reference and sends length bytes from offset without copying where the port can.
 * Nothing leaves before tcp_output at the end of the round, so that an acknowledgement rides along.
 */
struct packet *tcp_packet(struct tcp_stack *stack);
uint16_t tcp_payload_max(const struct tcp_connection *connection); /* effective MSS */
bool tcp_send_is_open(const struct tcp_connection *connection);    /* not closed by us, not gone */
/* Bytes until sending is refused. */
uint32_t tcp_send_room(const struct tcp_connection *connection);
void tcp_send_packet(struct tcp_stack *stack, struct tcp_connection *connection,
                     struct packet *packet);
void tcp_send_blob(struct tcp_stack *stack, struct tcp_connection *connection, struct blob *blob,
                   uint32_t offset, uint32_t length);
/*
 * The last packet queued and not yet sent, when it has room for `bytes` more within one segment;
 * else NULL.
 */
struct packet *tcp_send_tail(struct tcp_connection *connection, uint16_t bytes);
/* Call after appending `bytes` to what tcp_send_tail returned. */
void tcp_send_tail_grew(struct tcp_stack *stack, struct tcp_connection *connection, uint16_t bytes);
/* What is queued so far ends with PSH, whatever is queued behind it. */
void tcp_send_push(struct tcp_connection *connection);
uint32_t tcp_unacknowledged(const struct tcp_connection *connection); /* queued plus in flight */
/* A number that changes whenever the peer acknowledges something. */
uint32_t tcp_acknowledged(const struct tcp_connection *connection);

/*
 * A reference to value bytes costs no memory of its own, so tcp_send_blob takes any length at once;
 * tcp_send_room counts only bytes held in packets.
 */

/* FIN after everything queued. What still arrives is discarded by the application via consume. */
void tcp_close(struct tcp_stack *stack, struct tcp_connection *connection);
/* RST now; TCP_EVENT_GONE follows. */
void tcp_abort(struct tcp_stack *stack, struct tcp_connection *connection);

/* One application deadline per connection (header time, body rate, idle): 0 switches it off. */
void tcp_set_deadline(struct tcp_stack *stack, struct tcp_connection *connection,
                      uint64_t deadline_ns);
bool tcp_has_deadline(const struct tcp_connection *connection); /* set, and not passed yet */

#endif
