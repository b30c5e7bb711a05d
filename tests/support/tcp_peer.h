/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_peer.h - scripted segments against one stack: build, inject, expect, advance the clock.
 *
 * Purpose:   tests say what the peer sends and what must come back, segment by segment.
 * Ownership: the peer owns its stack, network and pool.
 * Threading: none.
 * Units:     sequence numbers are relative to each side's initial one; time in ms or ns.
 * Errors:    an expectation that is not met fails the cmocka test with the segment seen.
 * Source:    the idea of packetdrill's scripts.
 */
#ifndef GANNET_TCP_PEER_H
#define GANNET_TCP_PEER_H

#include "dataplane/tcp_connection.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_options.h"
#include "dataplane/tcp_stack.h"
#include "include/counters.h"
#include "tests/support/test_network.h"

#define PEER_PORT 40000
#define STACK_PORT 80
#define PEER_ISS 1000000u
#define PEER_OUT_MAX 256u

struct tcp_peer {
    struct network network;
    struct tcp_stack_config config;
    struct tcp_stack *stack;
    struct rte_mempool *pool;
    struct counters *counters;
    uint64_t now_ns;
    uint8_t address[16]; /* the peer's; IPv4 in the first four */
    bool is_ipv6;        /* what the peer sends; the stack speaks both */
    uint32_t stack_iss;  /* learned from its SYN */
    uint16_t port;
    bool uses_timestamps;
    uint32_t timestamp, timestamp_echo;
    struct tcp_connection *connection; /* the last one reported ready */
    uint32_t events;
    struct packet *out[PEER_OUT_MAX]; /* sent by the stack, not yet expected */
    uint32_t out_head, out_count;
};

struct peer_segment {
    uint8_t flags;
    uint32_t seq, ack; /* relative */
    uint32_t length;
    uint16_t window; /* as on the wire; 0 means 65535, PEER_WINDOW_ZERO means zero */
    uint32_t sack_count;
    struct tcp_sack_block sack[4]; /* relative to the stack's initial sequence */
    const uint8_t *options;        /* raw ones instead of timestamps and SACK */
    uint32_t option_bytes;
    const uint8_t *payload; /* NULL: zeroes */
    uint16_t urgent;        /* pointer */
    uint8_t traffic_class, reserved_bits;
    uint8_t header_words; /* 0: what it should be */
    bool has_bad_checksum;
};

#define PEER_WINDOW_ZERO 0xfffe

/* What a segment of the stack looked like. */
struct seen_segment {
    uint8_t flags;
    uint32_t seq, ack; /* relative; of a RST in reply to nothing: absolute */
    uint32_t length;
    uint32_t window;
    uint16_t mss;
    struct tcp_syn_options syn;
    struct tcp_sack_block sack[4]; /* relative to PEER_ISS */
    uint32_t sack_count;
    bool has_timestamps;
    uint32_t timestamp_value, timestamp_echo;
    uint16_t port; /* of the peer */
    uint32_t option_bytes;
    uint8_t options[TCP_OPTION_BYTES_MAX];
    uint8_t payload[2048];
};

/* Usual settings; change peer->config, then call peer_start. */
void peer_init(struct tcp_peer *peer);
void peer_start(struct tcp_peer *peer);
/* Ends the stack; fails the test when a packet was leaked. */
void peer_stop(struct tcp_peer *peer);

/* One segment in, with a correct checksum, then a round (input, application's take, output). */
void peer_send(struct tcp_peer *peer, struct peer_segment segment);
/* Without the round: several may arrive together. */
void peer_queue(struct tcp_peer *peer, struct peer_segment segment);
void peer_round(struct tcp_peer *peer);
void peer_input_raw(struct tcp_peer *peer, const uint8_t *frame, uint32_t length);
/* A round whose segments are freed unseen; returns how many there were. */
uint32_t peer_round_unseen(struct tcp_peer *peer);
/* Moves time on in steps of a millisecond with a round each, until something is sent. */
uint32_t peer_wait(struct tcp_peer *peer, uint32_t ms); /* returns the ms that passed */
void peer_sleep(struct tcp_peer *peer, uint32_t ms);    /* all of it, whatever is sent */

bool peer_sees(struct tcp_peer *peer, struct seen_segment *seen); /* false: nothing was sent */
struct seen_segment peer_expect(struct tcp_peer *peer, uint8_t flags, uint32_t seq, uint32_t ack,
                                uint32_t length);
void peer_expect_nothing(struct tcp_peer *peer);
uint32_t peer_discard(struct tcp_peer *peer); /* how many were sent */

/* The addresses of both ends, as the stack has them. */
void peer_flow(const struct tcp_peer *peer, struct network_flow *flow);
/* Handshake with the options given; leaves an open connection in peer->connection. */
void peer_open(struct tcp_peer *peer, const struct tcp_syn_options *options);
/* The application sends `bytes` zeroes, in packets of at most a segment. */
void peer_application_sends(struct tcp_peer *peer, uint32_t bytes);
/* The application takes everything it has received; returns how much. */
uint32_t peer_application_reads(struct tcp_peer *peer);
uint64_t peer_counter(const struct tcp_peer *peer, enum counter counter);
uint64_t peer_drops(const struct tcp_peer *peer, enum drop_reason why);

#endif
