/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/trace_export.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/text_buffer.h"
#include "include/byte_order.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/trace_ring.h"

#define PCAP_MAGIC UINT32_C(0xa1b2c3d4) /* microseconds, in the writer's byte order */
#define PCAP_SNAP_BYTES 65535u
#define PCAP_LINK_RAW 101u
#define IPV4_BYTES 20u
#define IPV6_BYTES 40u
#define TCP_BYTES 20u
#define IP_PROTOCOL_TCP 6u

bool trace_choose(struct trace_choice *choice, const char *text)
{
    uint8_t address[16] = {0};
    uint8_t ip_version = 0;
    if (inet_pton(AF_INET, text, address) == 1)
        ip_version = 4;
    else if (inet_pton(AF_INET6, text, address) == 1)
        ip_version = 6;
    else if (strcmp(text, "none") != 0)
        return false;
    trace_choice_set(choice, ip_version, address);
    return true;
}

/* ---- all rings, in the order of time ---- */

/* Of each ring so many that all together fit. */
static struct trace_event *gather(struct trace_ring *const *rings, uint32_t ring_count,
                                  uint32_t *count)
{
    uint32_t share = TRACE_EXPORT_EVENTS_MAX / (ring_count > 0 ? ring_count : 1);
    struct trace_event *events = malloc(((size_t)share * ring_count + 1) * sizeof(*events));
    *count = 0;
    for (uint32_t i = 0; events && i < ring_count; i++)
        *count += trace_ring_copy(rings[i], events + *count, share);
    return events;
}

/* A merge: events of one ring with the same time (a round has one) stay in their order. */
static void sort_by_time(struct trace_event *events, uint32_t count)
{
    struct trace_event *spare = malloc(((size_t)count + 1) * sizeof(*spare));
    if (!spare)
        return; /* ring by ring is better than nothing */
    for (uint32_t width = 1; width < count; width *= 2) {
        for (uint32_t from = 0; from < count; from += 2 * width) {
            uint32_t middle = from + width < count ? from + width : count;
            uint32_t end = from + 2 * width < count ? from + 2 * width : count;
            uint32_t left = from, right = middle;
            for (uint32_t at = from; at < end; at++) {
                bool takes_left = left < middle &&
                                  (right == end || events[left].time_ns <= events[right].time_ns);
                spare[at] = events[takes_left ? left++ : right++];
            }
        }
        memcpy(events, spare, count * sizeof(*events));
    }
    free(spare);
}

/* ---- text ---- */

static void put_address(struct text_buffer *out, const struct trace_event *event,
                        const uint8_t *address, uint16_t port)
{
    char text[INET6_ADDRSTRLEN];
    bool is_ipv6 = event->ip_version == 6;
    inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, address, text, sizeof(text));
    text_format(out, is_ipv6 ? "[%s]:%u" : "%s:%u", text, port);
}

static const char *state_name(uint8_t state)
{
    return state < TRACE_STATE_COUNT ? trace_state_names[state] : "?";
}

static void put_flags(struct text_buffer *out, uint8_t flags)
{
    static const char letters[] = "FSRPAUEC";
    char text[9];
    uint32_t used = 0;
    for (uint32_t i = 0; i < 8; i++)
        if (flags >> i & 1)
            text[used++] = letters[i];
    text[used] = '\0';
    text_format(out, " [%s]", text);
}

static void put_segment(struct text_buffer *out, const struct trace_event *event)
{
    put_flags(out, event->tcp_flags);
    text_format(out, " seq %" PRIu32 " ack %" PRIu32 " length %" PRIu32 " window %u (%s)",
                event->sequence, event->acknowledgement, event->payload_bytes, event->window,
                state_name(event->state_before));
}

static const char *reason_name(uint8_t reason)
{
    return reason < DROP_REASON_COUNT ? drop_reason_names[reason] : "?";
}

/* "SECONDS.MICROSECONDS client ours < [S] seq 1 ack 0 length 0 window 64240 (listen)" */
static void put_line(struct text_buffer *out, const struct trace_event *event, uint64_t wall_ns)
{
    text_format(out, "%" PRIu64 ".%06" PRIu64 " ", wall_ns / NS_PER_S, wall_ns % NS_PER_S / 1000);
    put_address(out, event, event->remote, event->remote_port);
    text_format(out, " ");
    put_address(out, event, event->local, event->local_port);
    switch (event->kind) {
    case TRACE_RECEIVED:
        text_format(out, " <");
        put_segment(out, event);
        break;
    case TRACE_SENT:
        text_format(out, " >");
        put_segment(out, event);
        break;
    case TRACE_SENT_AGAIN:
        text_format(out, " > again");
        put_segment(out, event);
        break;
    case TRACE_DROPPED:
        text_format(out, " dropped %s", reason_name(event->drop_reason));
        break;
    case TRACE_STATE:
        text_format(out, " %s -> %s", state_name(event->state_before),
                    state_name(event->state_after));
        break;
    default:
        break;
    }
    text_format(out, "\n");
}

/* ---- pcap ---- */

struct pcap_file_header {
    uint32_t magic;
    uint16_t version_major, version_minor;
    uint32_t zone, accuracy;
    uint32_t snap_bytes;
    uint32_t link_type;
};

struct pcap_packet_header {
    uint32_t seconds, microseconds;
    uint32_t kept_bytes, whole_bytes;
};
static_assert(sizeof(struct pcap_file_header) == 24, "file format");
static_assert(sizeof(struct pcap_packet_header) == 16, "file format");

static void put16(uint8_t *at, uint32_t value)
{
    be16_t wire = be16_make((uint16_t)value);
    memcpy(at, &wire, 2);
}

static void put32(uint8_t *at, uint32_t value)
{
    be32_t wire = be32_make(value);
    memcpy(at, &wire, 4);
}

static uint32_t write_ip(uint8_t *at, const struct trace_event *event, const uint8_t *source,
                         const uint8_t *destination)
{
    uint32_t transport_bytes = TCP_BYTES + event->payload_bytes;
    if (event->ip_version == 6) {
        at[0] = 0x60;
        put16(at + 4, transport_bytes);
        at[6] = IP_PROTOCOL_TCP;
        at[7] = 64;
        memcpy(at + 8, source, 16);
        memcpy(at + 24, destination, 16);
        return IPV6_BYTES;
    }
    at[0] = 0x45;
    put16(at + 2, IPV4_BYTES + transport_bytes);
    at[8] = 64;
    at[9] = IP_PROTOCOL_TCP;
    memcpy(at + 12, source, 4);
    memcpy(at + 16, destination, 4);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < IPV4_BYTES; i += 2)
        sum += (uint32_t)at[i] << 8 | at[i + 1];
    put16(at + 10, ~((sum & 0xffff) + (sum >> 16)));
    return IPV4_BYTES;
}

static void put_packet(struct text_buffer *out, const struct trace_event *event, uint64_t wall_ns)
{
    uint8_t bytes[IPV6_BYTES + TCP_BYTES] = {0};
    bool is_ours = event->kind != TRACE_RECEIVED;
    uint32_t ip_bytes = write_ip(bytes, event, is_ours ? event->local : event->remote,
                                 is_ours ? event->remote : event->local);
    uint8_t *tcp = bytes + ip_bytes;
    put16(tcp, is_ours ? event->local_port : event->remote_port);
    put16(tcp + 2, is_ours ? event->remote_port : event->local_port);
    put32(tcp + 4, event->sequence);
    put32(tcp + 8, event->acknowledgement);
    tcp[12] = 0x50;
    tcp[13] = event->tcp_flags;
    put16(tcp + 14, event->window);
    struct pcap_packet_header header = {
        .seconds = (uint32_t)(wall_ns / NS_PER_S),
        .microseconds = (uint32_t)(wall_ns % NS_PER_S / 1000),
        .kept_bytes = ip_bytes + TCP_BYTES,
        .whole_bytes = ip_bytes + TCP_BYTES + event->payload_bytes,
    };
    text_add(out, (const char *)&header, sizeof(header));
    text_add(out, (const char *)bytes, header.kept_bytes);
}

/* ---- both ---- */

void trace_export(struct trace_ring *const *rings, uint32_t ring_count, enum trace_format format,
                  uint64_t wall_minus_monotone_ns, struct text_buffer *out)
{
    uint32_t count;
    struct trace_event *events = gather(rings, ring_count, &count);
    if (!events) {
        out->is_cut = true;
        return;
    }
    sort_by_time(events, count);
    if (format == TRACE_FORMAT_PCAP) {
        struct pcap_file_header header = {.magic = PCAP_MAGIC,
                                          .version_major = 2,
                                          .version_minor = 4,
                                          .snap_bytes = PCAP_SNAP_BYTES,
                                          .link_type = PCAP_LINK_RAW};
        text_add(out, (const char *)&header, sizeof(header));
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t wall_ns = events[i].time_ns + wall_minus_monotone_ns;
        if (format == TRACE_FORMAT_TEXT)
            put_line(out, &events[i], wall_ns);
        else if (events[i].kind <= TRACE_SENT_AGAIN)
            put_packet(out, &events[i], wall_ns);
    }
    free(events);
}
