/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_info.h - TCP_INFO of a connection as Linux lays it out.
 *
 * Purpose:   scripts look at the state of the sender through it.
 * Ownership: the caller's struct.
 * Threading: inside a turn.
 * Units:     microseconds and segments, as Linux has them.
 * Errors:    what the stack does not know is zero.
 * Source:    linux/tcp.h of Linux 6.18, 280 bytes.
 */
#ifndef GANNET_PACKETDRILL_TCP_INFO_H
#define GANNET_PACKETDRILL_TCP_INFO_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct adapter;
struct endpoint;

struct linux_tcp_info {
    uint8_t state, ca_state, retransmits, probes, backoff, options;
    uint8_t window_scales; /* the peer's in the low half, ours in the high */
    uint8_t flags;
    uint32_t rto_us, ato_us;
    uint32_t snd_mss_bytes, rcv_mss_bytes;
    uint32_t unacked, sacked, lost, retrans, fackets; /* segments */
    uint32_t last_data_sent_ms, last_ack_sent_ms, last_data_received_ms, last_ack_received_ms;
    uint32_t pmtu, rcv_ssthresh;
    uint32_t rtt_us, rttvar_us;
    uint32_t snd_ssthresh, snd_cwnd; /* segments */
    uint32_t advmss_bytes;
    uint32_t reordering;
    uint32_t rcv_rtt_us, rcv_space;
    uint32_t total_retrans;
    uint64_t pacing_rate, pacing_rate_max, bytes_acked, bytes_received;
    uint32_t segments_out, segments_in;
    uint32_t unsent_bytes;
    uint32_t min_rtt_us;
    uint32_t data_segments_in, data_segments_out;
    uint64_t delivery_rate, busy_us, receive_window_limited_us, send_buffer_limited_us;
    uint32_t delivered, delivered_ce;
    uint64_t bytes_sent, bytes_retransmitted;
    uint32_t dsack_duplicates, reordering_seen, out_of_order_packets;
    uint32_t snd_wnd_bytes, rcv_wnd_bytes;
    uint8_t not_here[44];
};

static_assert(offsetof(struct linux_tcp_info, rto_us) == 8 &&
                  offsetof(struct linux_tcp_info, rtt_us) == 68 &&
                  offsetof(struct linux_tcp_info, snd_cwnd) == 80 &&
                  offsetof(struct linux_tcp_info, pacing_rate) == 104 &&
                  offsetof(struct linux_tcp_info, min_rtt_us) == 148 &&
                  offsetof(struct linux_tcp_info, snd_wnd_bytes) == 228,
              "Linux' layout");
static_assert(sizeof(struct linux_tcp_info) == 280, "Linux' size");

#define LINUX_TCP_LISTEN 10u
#define LINUX_TCP_CLOSE 7u
#define LINUX_SSTHRESH_NONE 0x7fffffffu

void tcp_info_of(const struct adapter *adapter, const struct endpoint *endpoint,
                 struct linux_tcp_info *info);

#endif
