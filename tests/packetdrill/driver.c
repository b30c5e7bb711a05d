/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packetdrill/driver.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/frames.h"

#define PEER_ISS 1000000u
#define SECOND_US 1000000u
#define IPV4_BYTES 20u
#define IPV6_BYTES 40u
#define TCP_BYTES 20u
#define TIMESTAMP_BYTES 12u
#define PROTOCOL_ICMP 1u
#define PROTOCOL_TCP 6u
#define PROTOCOL_ICMPV6 58u

static const uint8_t peer_ipv4[4] = {192, 0, 2, 33}, host_ipv4[4] = {192, 168, 17, 4};
static const uint8_t peer_ipv6[16] = {0xfd, 0x3d, 0xfa, 0x7b, [15] = 2};
static const uint8_t host_ipv6[16] = {0xfd, 0x3d, 0x0a, 0x0b, [15] = 9};

static void *library;

#define CALL(function, ...) driver->table.function(driver->table.userdata, __VA_ARGS__)

/* ---- the library ---- */

void driver_load(void)
{
    const char *path = getenv("GANNET_PACKETDRILL_LIBRARY");
    int flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
#ifndef GANNET_SANITIZED /* a sanitizer refuses to be bypassed */
    flags |= RTLD_DEEPBIND;
#endif
    if (!path || !(library = dlopen(path, flags))) {
        fprintf(stderr, "GANNET_PACKETDRILL_LIBRARY: %s\n", path ? dlerror() : "not set");
        exit(EXIT_FAILURE);
    }
}

void *driver_symbol(const char *name)
{
    return dlsym(library, name);
}

void driver_init_table(const char *flags, struct packetdrill_interface *table)
{
    void (*init)(const char *, struct packetdrill_interface *);
    void *symbol = driver_symbol("packetdrill_interface_init");
    memcpy(&init, &symbol, sizeof(init));
    assert_non_null(init);
    init(flags, table);
}

void driver_start(struct driver *driver, enum driver_family family, const char *flags)
{
    memset(driver, 0, sizeof(*driver));
    driver_init_table(flags, &driver->table);
    driver->family = family;
    memcpy(driver->peer, family == DRIVER_IPV4 ? peer_ipv4 : peer_ipv6,
           family == DRIVER_IPV4 ? 4 : 16);
    memcpy(driver->host, family == DRIVER_IPV4 ? host_ipv4 : host_ipv6,
           family == DRIVER_IPV4 ? 4 : 16);
    driver->peer_port = 41234;
    driver->host_port = DRIVER_SERVER_PORT;
    driver->peer_iss = PEER_ISS;
    driver->timestamp = 7000;
}

void driver_stop(struct driver *driver)
{
    struct sent_segment sent;
    if (driver_take(driver, &sent))
        fail_msg("left over at %lu us: flags %02x seq %u ack %u length %u", sent.time_us,
                 sent.flags, sent.seq, sent.ack, sent.length);
    driver_abandon(driver);
}

void driver_abandon(struct driver *driver)
{
    if (driver->table.userdata)
        driver->table.free(driver->table.userdata);
    driver->table.userdata = NULL;
}

uint64_t driver_now_us(struct driver *driver)
{
    struct timeval now;
    assert_int_equal(CALL(gettimeofday, &now, NULL), 0);
    return (uint64_t)now.tv_sec * SECOND_US + (uint64_t)now.tv_usec;
}

/* ---- payload ---- */

uint8_t driver_pattern(uint32_t stream_offset)
{
    return (uint8_t)(stream_offset * 7 + (stream_offset >> 8) * 13 + 1);
}

void driver_fill(uint8_t *bytes, uint32_t stream_offset, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        bytes[i] = driver_pattern(stream_offset + i);
}

void driver_check_pattern(const uint8_t *bytes, uint32_t stream_offset, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (bytes[i] != driver_pattern(stream_offset + i))
            fail_msg("byte %u of the stream is %u, not %u", stream_offset + i, bytes[i],
                     driver_pattern(stream_offset + i));
}

/* ---- in ---- */

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)frame_get16(at) << 16 | frame_get16(at + 2);
}

static uint32_t pseudo_sum(const uint8_t *source, const uint8_t *destination, uint32_t bytes,
                           uint32_t length, uint32_t protocol)
{
    uint32_t sum = slow_sum(0, source, bytes);
    sum = slow_sum(sum, destination, bytes);
    return sum + length + protocol;
}

/* The IP header in front; returns its length. */
static uint32_t write_ip(const struct driver *driver, uint8_t *at, uint32_t protocol,
                         uint32_t length)
{
    if (driver->family == DRIVER_IPV4) {
        memset(at, 0, IPV4_BYTES);
        at[0] = 0x45;
        put16(at + 2, IPV4_BYTES + length);
        at[8] = 255;
        at[9] = (uint8_t)protocol;
        memcpy(at + 12, driver->peer, 4);
        memcpy(at + 16, driver->host, 4);
        put16(at + 10, slow_fold(slow_sum(0, at, IPV4_BYTES)));
        return IPV4_BYTES;
    }
    memset(at, 0, IPV6_BYTES);
    at[0] = 0x60;
    put16(at + 4, length);
    at[6] = (uint8_t)protocol;
    at[7] = 255;
    memcpy(at + 8, driver->peer, 16);
    memcpy(at + 24, driver->host, 16);
    return IPV6_BYTES;
}

static uint32_t address_bytes(const struct driver *driver)
{
    return driver->family == DRIVER_IPV4 ? 4 : 16;
}

static uint32_t write_options(struct driver *driver, uint8_t *at, const struct injected *segment)
{
    uint32_t used = 0;
    if (driver->uses_timestamps && !(segment->flags & (SYN | RST))) {
        static const uint8_t head[4] = {1, 1, 8, 10};
        memcpy(at, head, sizeof(head));
        put32(at + 4, driver->timestamp);
        put32(at + 8, driver->timestamp_echo);
        used = TIMESTAMP_BYTES;
    }
    if (segment->option_bytes > 0)
        memcpy(at + used, segment->options, segment->option_bytes);
    return used + segment->option_bytes;
}

/* RFC 7323 4.3: the timestamp of the segment at the left edge is echoed. */
static void note_injected(struct driver *driver, const struct injected *segment)
{
    if (driver->uses_timestamps && !(segment->flags & RST) && segment->seq <= driver->next_expected)
        driver->echo_expected = driver->timestamp;
    uint32_t end = segment->seq + segment->length + ((segment->flags & (SYN | FIN)) != 0);
    if (segment->seq <= driver->next_expected && end > driver->next_expected)
        driver->next_expected = end;
}

void driver_inject(struct driver *driver, struct injected segment)
{
    uint32_t ip_bytes = driver->family == DRIVER_IPV4 ? IPV4_BYTES : IPV6_BYTES;
    uint8_t *tcp = driver->packet + ip_bytes;
    uint32_t option_bytes = write_options(driver, tcp + TCP_BYTES, &segment);
    uint32_t length = TCP_BYTES + option_bytes + segment.length;
    uint32_t window = segment.window == 0 ? 65535 : segment.window & 0xffff;
    assert_true(ip_bytes + length <= DRIVER_PACKET_BYTES_MAX);
    memset(tcp, 0, TCP_BYTES);
    put16(tcp, driver->peer_port);
    put16(tcp + 2, driver->host_port);
    put32(tcp + 4, driver->peer_iss + segment.seq);
    if (segment.flags & ACK)
        put32(tcp + 8, driver->host_iss + segment.ack);
    tcp[12] = (uint8_t)((TCP_BYTES + option_bytes) << 2);
    tcp[13] = segment.flags;
    put16(tcp + 14, window);
    driver_fill(tcp + TCP_BYTES + option_bytes, segment.seq - 1, segment.length);
    uint32_t sum =
        pseudo_sum(driver->peer, driver->host, address_bytes(driver), length, PROTOCOL_TCP);
    put16(tcp + 16, slow_fold(slow_sum(sum, tcp, length)));
    write_ip(driver, driver->packet, PROTOCOL_TCP, length);
    note_injected(driver, &segment);
    assert_int_equal(CALL(netdev_send, driver->packet, ip_bytes + length), 0);
}

/* What the stack sent, as far as a router quotes it. */
static uint32_t write_quoted(const struct driver *driver, uint8_t *at, uint32_t seq)
{
    uint32_t ip_bytes = driver->family == DRIVER_IPV4 ? IPV4_BYTES : IPV6_BYTES;
    uint32_t address = driver->family == DRIVER_IPV4 ? 12 : 8;
    write_ip(driver, at, PROTOCOL_TCP, 1480);
    memcpy(at + address, driver->host, address_bytes(driver));
    memcpy(at + address + address_bytes(driver), driver->peer, address_bytes(driver));
    put16(at + ip_bytes, driver->host_port);
    put16(at + ip_bytes + 2, driver->peer_port);
    put32(at + ip_bytes + 4, driver->host_iss + seq);
    return ip_bytes + 8;
}

void driver_inject_icmp(struct driver *driver, uint32_t seq, uint16_t mtu)
{
    bool is_ipv4 = driver->family == DRIVER_IPV4;
    uint32_t protocol = is_ipv4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
    uint32_t ip_bytes = is_ipv4 ? IPV4_BYTES : IPV6_BYTES;
    uint8_t *icmp = driver->packet + ip_bytes;
    memset(icmp, 0, 8);
    icmp[0] = is_ipv4 ? 3 : mtu ? 2 : 1;
    icmp[1] = is_ipv4 && mtu ? 4 : 0;
    put16(icmp + 6, mtu); /* in IPv6 the lower half of 32 bits */
    uint32_t length = 8 + write_quoted(driver, icmp + 8, seq);
    uint32_t sum = is_ipv4 ? 0 : pseudo_sum(driver->peer, driver->host, 16, length, protocol);
    put16(icmp + 2, slow_fold(slow_sum(sum, icmp, length)));
    write_ip(driver, driver->packet, protocol, length);
    assert_int_equal(CALL(netdev_send, driver->packet, ip_bytes + length), 0);
}

/* ---- out ---- */

static uint32_t check_ip(const struct driver *driver, const uint8_t *ip, size_t length)
{
    bool is_ipv4 = driver->family == DRIVER_IPV4;
    assert_true(length >= (is_ipv4 ? IPV4_BYTES : IPV6_BYTES) + TCP_BYTES);
    assert_int_equal(ip[0] >> 4, is_ipv4 ? 4 : 6);
    if (is_ipv4) {
        assert_int_equal(ip[0], 0x45);
        assert_int_equal(frame_get16(ip + 2), length);
        assert_int_equal(ip[6] & 0x40, 0x40); /* never fragmented */
        assert_int_equal(ip[9], PROTOCOL_TCP);
        assert_int_equal(slow_fold(slow_sum(0, ip, IPV4_BYTES)), 0);
        assert_memory_equal(ip + 12, driver->host, 4);
        assert_memory_equal(ip + 16, driver->peer, 4);
        return IPV4_BYTES;
    }
    assert_int_equal(frame_get16(ip + 4) + IPV6_BYTES, length);
    assert_int_equal(ip[6], PROTOCOL_TCP);
    assert_memory_equal(ip + 8, driver->host, 16);
    assert_memory_equal(ip + 24, driver->peer, 16);
    return IPV6_BYTES;
}

/* The option's bytes after kind and length; NULL: not there. Malformed options fail. */
static const uint8_t *find_option(const struct sent_segment *sent, uint8_t kind)
{
    for (uint32_t at = 0; at < sent->option_bytes && sent->options[at] != 0;) {
        if (sent->options[at] == 1) {
            at++;
            continue;
        }
        assert_true(at + 1 < sent->option_bytes && sent->options[at + 1] >= 2 &&
                    at + sent->options[at + 1] <= sent->option_bytes);
        if (sent->options[at] == kind)
            return sent->options + at + 2;
        at += sent->options[at + 1];
    }
    return NULL;
}

/* The stack's own clock runs on, and the peer's comes back. A tick is a little over 1 ms. */
static void check_timestamps(struct driver *driver, struct sent_segment *sent)
{
    const uint8_t *timestamps = find_option(sent, 8);
    sent->has_timestamps = timestamps != NULL;
    if (sent->flags & (SYN | RST)) {
        if (!timestamps)
            return;
    } else {
        assert_int_equal(sent->has_timestamps, driver->uses_timestamps);
        if (!timestamps)
            return;
        uint32_t ticks = get32(timestamps) - driver->last_timestamp;
        uint64_t ms = (sent->time_us - driver->last_timestamp_us) / 1000;
        assert_in_range(ticks, ms * 20 / 21 - (ms > 0), ms + 2);
    }
    if (sent->flags & ACK && !(sent->flags & RST))
        assert_int_equal(get32(timestamps + 4), driver->echo_expected);
    driver->timestamp_echo = get32(timestamps);
    driver->last_timestamp = get32(timestamps);
    driver->last_timestamp_us = sent->time_us;
}

bool driver_take(struct driver *driver, struct sent_segment *sent)
{
    size_t length = sizeof(driver->packet);
    long long time_us = 0;
    memset(sent, 0, sizeof(*sent));
    assert_int_equal(CALL(netdev_receive, driver->packet, &length, &time_us), 0);
    sent->time_us = (uint64_t)time_us;
    if (length == 0)
        return false;
    uint32_t ip_bytes = check_ip(driver, driver->packet, length);
    const uint8_t *tcp = driver->packet + ip_bytes;
    uint32_t tcp_bytes = (uint32_t)length - ip_bytes;
    uint32_t header_bytes = (uint32_t)(tcp[12] >> 4) * 4;
    assert_in_range(header_bytes, TCP_BYTES, tcp_bytes);
    uint32_t sum =
        pseudo_sum(driver->host, driver->peer, address_bytes(driver), tcp_bytes, PROTOCOL_TCP);
    assert_int_equal(slow_fold(slow_sum(sum, tcp, tcp_bytes)), 0);
    assert_int_equal(frame_get16(tcp), driver->host_port);
    assert_int_equal(frame_get16(tcp + 2), driver->peer_port);
    sent->flags = tcp[13];
    if (sent->flags & SYN)
        driver->host_iss = get32(tcp + 4);
    sent->seq = get32(tcp + 4) - driver->host_iss;
    sent->ack = sent->flags & ACK ? get32(tcp + 8) - driver->peer_iss : 0;
    sent->window = frame_get16(tcp + 14);
    sent->length = tcp_bytes - header_bytes;
    sent->options = tcp + TCP_BYTES;
    sent->option_bytes = header_bytes - TCP_BYTES;
    driver_check_pattern(tcp + header_bytes, sent->seq - 1, sent->length);
    check_timestamps(driver, sent);
    return true;
}

struct sent_segment driver_expect(struct driver *driver, uint8_t flags, uint32_t seq, uint32_t ack,
                                  uint32_t length)
{
    struct sent_segment sent;
    if (!driver_take(driver, &sent))
        fail_msg("expected flags %02x seq %u ack %u length %u, but nothing will be sent", flags,
                 seq, ack, length);
    if (sent.flags != flags || sent.seq != seq || sent.ack != ack || sent.length != length)
        fail_msg("expected flags %02x seq %u ack %u length %u, sent: %02x, %u, %u, %u", flags, seq,
                 ack, length, sent.flags, sent.seq, sent.ack, sent.length);
    return sent;
}

void driver_expect_silence(struct driver *driver, uint32_t us)
{
    uint64_t until_us = driver_now_us(driver) + us;
    struct sent_segment sent;
    if (driver_take(driver, &sent) && sent.time_us <= until_us)
        fail_msg("sent within %u us: flags %02x seq %u ack %u length %u", us, sent.flags, sent.seq,
                 sent.ack, sent.length);
}

/* The runner's tolerance for an event of its own time. */
void driver_expect_at(struct driver *driver, const struct sent_segment *sent, uint64_t time_us)
{
    (void)driver;
    if (sent->time_us + 4000 < time_us || sent->time_us > time_us + 4000)
        fail_msg("sent at %lu us, expected at %lu", sent->time_us, time_us);
}

/* ---- connections ---- */

int driver_listen(struct driver *driver)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(driver->host_port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(driver->host_port)};
    bool is_ipv4 = driver->family == DRIVER_IPV4;
    int fd = CALL(socket, is_ipv4 ? AF_INET : AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    assert_true(fd >= 0);
    assert_int_equal(CALL(bind, fd, is_ipv4 ? (void *)&ipv4 : (void *)&ipv6,
                          is_ipv4 ? sizeof(ipv4) : sizeof(ipv6)),
                     0);
    assert_int_equal(CALL(listen, fd, 1), 0);
    return fd;
}

int driver_accept(struct driver *driver, int listener)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    int fd = CALL(accept, listener, (struct sockaddr *)&address, &length);
    assert_true(fd >= 0);
    return fd;
}

void driver_handshake(struct driver *driver, const uint8_t *options, uint32_t option_bytes,
                      uint32_t rtt_us)
{
    struct sent_segment synack;
    driver_inject(
        driver, (struct injected){.flags = SYN, .options = options, .option_bytes = option_bytes});
    for (uint32_t at = 0; at + 10 <= option_bytes; at++) /* the SYN's own timestamp */
        if (options[at] == 8 && options[at + 1] == 10)
            driver->echo_expected = get32(options + at + 2);
    synack = driver_expect(driver, SYN | ACK, 0, 1, 0);
    driver->uses_timestamps = synack.has_timestamps;
    CALL(usleep, rtt_us);
    driver->timestamp += rtt_us / 1000;
    driver_inject(driver, (struct injected){.flags = ACK, .seq = 1, .ack = 1});
}

int driver_connected(struct driver *driver)
{
    static const uint8_t usual[] = {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7};
    int listener = driver_listen(driver);
    driver_handshake(driver, usual, sizeof(usual), 100000);
    int fd = driver_accept(driver, listener);
    assert_int_equal(CALL(close, listener), 0);
    return fd;
}

void driver_reset(struct driver *driver, uint32_t seq)
{
    driver_inject(driver, (struct injected){.flags = RST, .seq = seq});
}

void driver_sends(struct driver *driver, uint32_t seq, uint32_t ack, uint32_t length)
{
    driver_inject(driver,
                  (struct injected){.flags = ACK | PSH, .seq = seq, .ack = ack, .length = length});
}

void driver_acknowledges(struct driver *driver, uint32_t seq, uint32_t ack)
{
    driver_inject(driver, (struct injected){.flags = ACK, .seq = seq, .ack = ack});
}

void driver_writes(struct driver *driver, int fd, uint32_t stream_offset, uint32_t length)
{
    static uint8_t bytes[1 << 20];
    assert_true(length <= sizeof(bytes));
    driver_fill(bytes, stream_offset, length);
    assert_int_equal(CALL(write, fd, bytes, length), length);
}

void driver_reads(struct driver *driver, int fd, uint32_t stream_offset, uint32_t length)
{
    static uint8_t bytes[1 << 20];
    assert_int_equal(CALL(read, fd, bytes, sizeof(bytes)), length);
    driver_check_pattern(bytes, stream_offset, length);
}
