/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver.h - a peer that talks to the adapter's library as packetdrill would, and checks more.
 *
 * Purpose:   loads the library, injects segments, takes what the stack sends and verifies what the
 *            runner does not: checksums, payload, timestamps and their echoes, and that nothing is
 *            left over.
 * Ownership: the caller's struct; segments point into it until the next one is taken.
 * Threading: one thread but for the calls a test lets block.
 * Units:     sequence numbers count from the SYNs; microseconds of the virtual clock.
 * Errors:    a cmocka failure that names what was expected.
 * Source:    the slow checksum of tests/support/frames.h, so that none of the stack's is trusted.
 */
#ifndef GANNET_PACKETDRILL_DRIVER_H
#define GANNET_PACKETDRILL_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/packetdrill/packetdrill_interface.h"

#define DRIVER_PACKET_BYTES_MAX 65535u
#define DRIVER_SERVER_PORT 8080u
#define DRIVER_WINDOW_ZERO 0x10000u

#define FIN 0x01u
#define SYN 0x02u
#define RST 0x04u
#define PSH 0x08u
#define ACK 0x10u

enum driver_family { DRIVER_IPV4, DRIVER_IPV6 };

struct driver {
    struct packetdrill_interface table;
    enum driver_family family;
    uint8_t peer[16], host[16]; /* IPv4: the first four */
    uint16_t peer_port, host_port;
    uint32_t peer_iss, host_iss;
    bool uses_timestamps;
    uint32_t timestamp;      /* the next injected segment's */
    uint32_t timestamp_echo; /* of the stack's latest */
    uint32_t echo_expected;  /* RFC 7323 4.3: what the stack has to echo */
    uint32_t next_expected;  /* the peer's next in-order byte, as the stack sees it */
    uint32_t last_timestamp; /* the stack's, and when it was sent */
    uint64_t last_timestamp_us;
    uint8_t packet[DRIVER_PACKET_BYTES_MAX];
};

/* What is injected. Zero seq, ack, window: as a segment in order has them. */
struct injected {
    uint8_t flags;
    uint32_t seq, ack;
    uint32_t window;        /* 0: 65535; DRIVER_WINDOW_ZERO: shut */
    uint32_t length;        /* payload: the pattern of its place in the stream */
    const uint8_t *options; /* a SYN's, or SACK; timestamps are added by the driver */
    uint32_t option_bytes;
};

struct sent_segment {
    uint64_t time_us;
    uint8_t flags;
    uint32_t seq, ack;
    uint32_t window;
    uint32_t length;
    uint32_t option_bytes;
    const uint8_t *options;
    bool has_timestamps;
};

/* The library named by the environment variable GANNET_PACKETDRILL_LIBRARY. */
void driver_load(void);
void *driver_symbol(const char *name);
void driver_init_table(const char *flags, struct packetdrill_interface *table);

void driver_start(struct driver *driver, enum driver_family family, const char *flags);
/* Nothing may be left over: neither a packet nor a timer that sends one. */
void driver_stop(struct driver *driver);
void driver_abandon(struct driver *driver); /* if it was not stopped */

uint64_t driver_now_us(struct driver *driver); /* a look at the clock: it moves by one */
uint8_t driver_pattern(uint32_t stream_offset);
void driver_fill(uint8_t *bytes, uint32_t stream_offset, uint32_t length);
void driver_check_pattern(const uint8_t *bytes, uint32_t stream_offset, uint32_t length);

void driver_inject(struct driver *driver, struct injected segment);
/* "Too big" or "unreachable" (mtu 0) about the stack's segment at `seq`. */
void driver_inject_icmp(struct driver *driver, uint32_t seq, uint16_t mtu);

/* The next packet the stack sends, fully checked; false: it never sends one. */
bool driver_take(struct driver *driver, struct sent_segment *sent);
struct sent_segment driver_expect(struct driver *driver, uint8_t flags, uint32_t seq, uint32_t ack,
                                  uint32_t length);
void driver_expect_silence(struct driver *driver, uint32_t us);
void driver_expect_at(struct driver *driver, const struct sent_segment *sent, uint64_t time_us);

/* A listening socket on the server's port; a handshake; the accepted socket. */
int driver_listen(struct driver *driver);
int driver_accept(struct driver *driver, int listener);
void driver_handshake(struct driver *driver, const uint8_t *options, uint32_t option_bytes,
                      uint32_t rtt_us);
/* All of it with the usual options; returns the accepted socket, closes the listener. */
int driver_connected(struct driver *driver);
void driver_reset(struct driver *driver, uint32_t seq); /* the peer's way out */

/* What happens on an open connection: by the peer, and by the application. */
void driver_sends(struct driver *driver, uint32_t seq, uint32_t ack, uint32_t length);
void driver_acknowledges(struct driver *driver, uint32_t seq, uint32_t ack);
void driver_writes(struct driver *driver, int fd, uint32_t stream_offset, uint32_t length);
void driver_reads(struct driver *driver, int fd, uint32_t stream_offset, uint32_t length);

#endif
