/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_connection.h - one connection: two hot cache lines and a cold part; sequence arithmetic.
 *
 * Purpose:   what every part of the stack reads and writes; the layout is the speed.
 * Ownership: slots belong to the stack; packets in the queues belong to the connection.
 * Threading: one worker for life.
 * Units:     bytes; sequence numbers in host order; _tick is 2^20 ns (about 1.05 ms), so that no
 *            division is needed; a deadline of zero is off.
 * Errors:    none.
 * Source:    RFC 9293 section 3.3.1 (names of the variables); the two-line split follows TAS'
 *            flextcp_pl_flowst.
 */
#ifndef GANNET_TCP_CONNECTION_H
#define GANNET_TCP_CONNECTION_H

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/network.h"
#include "dataplane/packet.h"
#include "dataplane/tcp_options.h"
#include "include/compiler.h"

enum tcp_state {
    TCP_CLOSED = 0,
    TCP_LISTEN, /* no connection has it: what an unknown segment to an open port meets */
    TCP_SYN_SENT,
    TCP_SYN_RECEIVED,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT_1,
    TCP_FIN_WAIT_2,
    TCP_CLOSE_WAIT,
    TCP_CLOSING,
    TCP_LAST_ACK,
    TCP_TIME_WAIT, /* in the compressed table only (tcp_time_wait.c) */
    TCP_STATE_COUNT,
};

#define TCP_FLAG_FIN 0x01u
#define TCP_FLAG_SYN 0x02u
#define TCP_FLAG_RST 0x04u
#define TCP_FLAG_PSH 0x08u
#define TCP_FLAG_ACK 0x10u
#define TCP_FLAG_URG 0x20u

/* Options seen in a segment: packet->rx.option_flags. */
#define TCP_OPTION_SACK 0x01u
#define TCP_OPTION_TIMESTAMP 0x02u /* the same bit as CONNECTION_TIMESTAMPS */

/* struct tcp_connection.flags */
#define CONNECTION_SACK 0x0001u       /* both sides may send SACK */
#define CONNECTION_TIMESTAMPS 0x0002u /* both sides send timestamps */
#define CONNECTION_ON_READY 0x0004u
#define CONNECTION_ON_OUTPUT 0x0008u
#define CONNECTION_ACK_PENDING                                                                     \
    0x0010u                        /* something is to be acknowledged, the next segment may do it */
#define CONNECTION_ACK_NOW 0x0020u /* ... and this round at the latest */
#define CONNECTION_UNPREDICTABLE                                                                   \
    0x0040u /* holes, recovery, probes: header prediction does not apply */
#define CONNECTION_IPV6 0x0080u
#define CONNECTION_FIN_WANTED 0x0100u   /* closed by us; the FIN is not in the queue yet */
#define CONNECTION_SEND_REFUSED 0x0200u /* TCP_EVENT_WRITABLE is owed */
#define CONNECTION_CWND_LIMITED 0x0400u /* the congestion window was in use: it may grow */
#define CONNECTION_KNOWN 0x0800u        /* the application was told of it */
#define CONNECTION_GONE 0x1000u
#define CONNECTION_ACTIVE 0x2000u /* opened by us */
#define CONNECTION_SILENT 0x4000u /* on the list of those that have not sent data: recycled first */
#define CONNECTION_CLOSED_BY_US 0x8000u /* tcp_close was called */

/* packet->tx.flags */
#define TX_SENT 0x0001u
#define TX_SACKED 0x0002u
#define TX_LOST 0x0004u /* and not sent again yet */
#define TX_RETRANSMITTED 0x0008u
#define TX_FIN 0x0010u
#define TX_SYN 0x0020u
#define TX_PUSH 0x0040u
#define TX_SUM_KNOWN 0x0080u /* payload_sum is that of the whole payload */

#define TCP_PATH_MTU_MAX 0x3fffu /* 14 bits; ports.mtu is at most 9216 */
#define TCP_TICK_SHIFT 20
#define TCP_TICK_US 1049u /* rounded up */
#define TCP_INDEX_NONE UINT32_MAX

struct tcp_connection {
    /* line 0: found and received */
    alignas(CACHE_LINE_BYTES) uint32_t remote_word; /* IPv4 address, or a fold of the IPv6 one */
    uint32_t local_word;
    uint16_t remote_port, local_port;
    uint32_t rcv_nxt;
    uint32_t rcv_edge; /* right edge of the window that was promised: never moves left */
    uint32_t snd_una, snd_nxt;
    uint32_t snd_wnd_bytes; /* scaled */
    uint32_t snd_wl1;
    uint32_t ts_recent;
    uint32_t last_ack_sent;
    uint32_t last_received_tick;
    uint32_t receive_bytes;       /* in order, not consumed */
    uint8_t state;                /* enum tcp_state */
    uint8_t scales;               /* peer's window scale in the low half, ours in the high */
    uint8_t events, events_taken; /* enum tcp_event */
    struct packet *receive_tail;  /* circular list: tail->next is the head */

    /* line 1: sent */
    alignas(CACHE_LINE_BYTES) struct packet *send_head; /* oldest unacknowledged */
    struct packet *send_next;                           /* first never sent, NULL when none */
    struct packet *send_tail;
    uint64_t user;
    uint32_t cwnd_bytes;
    uint32_t send_bytes; /* all payload in the send queue */
    uint32_t srtt_us8;   /* smoothed round trip in eighths of a microsecond; 0: none yet */
    uint32_t rttvar_us4; /* its variation in quarters */
    uint32_t retransmit_tick;
    uint32_t armed_tick; /* where the timer wheel has us; 0: nowhere */
    uint32_t application_tick;
    uint16_t mss_bytes; /* payload of a full segment, options counted out */
    uint16_t flags;
};

static_assert(offsetof(struct tcp_connection, receive_tail) == 56, "line 0 is full");
static_assert(offsetof(struct tcp_connection, send_head) == 1 * CACHE_LINE_BYTES,
              "receive fields fill line 0 only");
static_assert(offsetof(struct tcp_connection, flags) == 126, "no hidden padding");
static_assert(sizeof(struct tcp_connection) == 2 * CACHE_LINE_BYTES, "two lines per connection");

/* What retransmit_tick stands for. */
enum tcp_retransmit_timer {
    TCP_TIMER_RTO = 0,
    TCP_TIMER_TLP,
    TCP_TIMER_RACK,
    TCP_TIMER_PERSIST,
};

#define TCP_QUICK_ACKS 16u

enum tcp_recovery {
    TCP_OPEN = 0, /* nothing known to be lost */
    TCP_RECOVERY, /* fast recovery until recover_sequence is acknowledged */
    TCP_LOSS,     /* after a retransmission timeout */
};

#define SSTHRESH_UNKNOWN UINT32_MAX /* before the first loss */

/* CUBIC's and NewReno's variables: tcp_congestion.c alone writes them. */
struct tcp_congestion {
    uint32_t ssthresh_bytes;
    uint32_t acked_bytes; /* not yet turned into window */
    /* CUBIC (RFC 9438 4.1) */
    uint32_t cwnd_prior_bytes;
    uint32_t w_max_bytes;
    uint32_t w_est_bytes;
    uint32_t w_est_acked_bytes;
    uint32_t epoch_cwnd_bytes;
    uint32_t k_ms;
    uint32_t epoch_tick; /* 0: no epoch */
};

/* F-RTO (RFC 5682 3.1): whether a timeout was spurious is not known yet. */
enum tcp_frto {
    TCP_FRTO_OFF = 0,
    TCP_FRTO_WAITS,     /* for the first acknowledgement after the timeout */
    TCP_FRTO_SENDS_NEW, /* that one advanced: new data goes out, and what it brings back decides */
};

/* The window before it was lowered, and what may show that lowering it was wrong: tcp_undo.c. */
struct tcp_undo {
    uint32_t una; /* snd_una at that time */
    uint32_t cwnd_bytes, ssthresh_bytes, w_max_bytes;
    uint32_t first_tick;  /* when the first packet was sent again since */
    uint16_t retransmits; /* since, less those that were reported as received twice */
    bool is_possible, is_timeout, has_retransmitted;
};

struct tcp_stack;

/* Of IPv6 connections only, beside the slots; those of IPv4 are the words of line 0. */
struct tcp_addresses6 {
    uint8_t local[16], remote[16];
};

/*
 * What only a connection needs that has lost or missed something: taken when it begins, given back
 * when nothing is left of it. All others point to one that is as new and never written.
 */
struct tcp_loss {
    struct tcp_stack *stack; /* also for what the application asks without naming the stack */
    struct tcp_loss *next_free;
    bool is_shared; /* the one of all that have none of their own */

    uint8_t recovery; /* enum tcp_recovery */
    uint8_t backoff;  /* doublings of the RTO */
    uint8_t duplicate_acks;
    uint8_t keepalive_probes;
    uint8_t reorder_windows;  /* RACK.reo_wnd_mult, less one */
    uint8_t reorder_persists; /* recoveries until it is one again */
    uint8_t frto;             /* enum tcp_frto */
    uint8_t quick_acks;       /* so many segments are acknowledged one by one: there were holes */
    uint8_t sack_recent_count;
    bool reordering_seen;
    bool full_size_arrived; /* more than tcp_path_mtu.c would try instead */
    bool tlp_in_flight;
    bool tlp_was_retransmission;
    uint16_t out_of_order_count;
    uint32_t stalled_tick; /* when the peer's silence began that is under way; 0: none */
    uint32_t sacked_bytes, lost_bytes;

    /* received too early */
    struct packet *out_of_order; /* by sequence, no overlaps */
    struct packet *out_of_order_tail;
    struct tcp_sack_block sack_recent[TCP_SACK_BLOCKS_MAX]; /* latest first (RFC 2018 4) */
    uint32_t duplicate_left, duplicate_right; /* received twice: reported once (RFC 2883) */

    /* loss detection (RFC 6675, 8985) */
    uint64_t rack_sent_ns; /* of the latest sent packet known to have arrived */
    uint32_t rack_end;
    uint32_t rack_rtt_us;
    uint32_t rtt_us_min;
    uint32_t recover_sequence;
    uint32_t prr_delivered_bytes, prr_out_bytes, prr_flight_bytes;
    uint32_t sacked_end;        /* highest sequence known to have arrived (RACK.fack) */
    uint32_t reorder_round_end; /* snd_nxt when reorder_windows last grew (RACK.dsack_round) */
    uint32_t tlp_end;           /* snd_nxt when the probe left */
    uint32_t tlp_tick;
    struct tcp_undo undo;
    struct tcp_congestion congestion;
};

static_assert(sizeof(struct tcp_loss) <= 256, "only connections that lost something have one");

/* Line 2: looked at or written by what is sent. */
struct tcp_cold {
    alignas(CACHE_LINE_BYTES) uint8_t next_hop_mac[6]; /* of the peer's frames until it is known */
    uint8_t port_index;
    uint8_t retransmit_timer : 2; /* enum tcp_retransmit_timer */
    bool path_known : 1;          /* next_hop_mac is something to send to */
    bool path_ready : 1;          /* ... and the right one */
    bool peer_scales : 1;         /* its SYN had a window scale */
    bool retransmitted_syn : 1;
    bool needs_time_wait : 1;    /* lingers until the application has read the rest */
    const struct tcp_loss *loss; /* to write, take it: tcp_loss_take */
    uint32_t network_generation;
    uint32_t timestamp_offset;
    uint32_t last_sent_tick;
    union {
        uint32_t snd_wnd_bytes_max;
        uint32_t syn_sent_us; /* until the handshake is done; 0: not known */
    };
    uint32_t blob_bytes; /* of send_bytes: by reference, not in packets */
    uint32_t generation;

    /* deadlines beside retransmit_tick */
    uint32_t delayed_ack_tick;
    uint32_t fin_wait_tick; /* until there is a FIN: when a packet for it is asked for again */
    uint32_t keepalive_tick;

    uint32_t silent_next, silent_previous; /* of the dying: the next one */
    uint16_t peer_mss_bytes;
    uint16_t path_mtu : 14;      /* 0: the port's; tcp_path_mtu.c */
    uint16_t path_mtu_epoch : 2; /* when it was lowered */
};

static_assert(sizeof(struct tcp_cold) == CACHE_LINE_BYTES, "one line beyond the hot ones");

/* The cold part follows the hot lines, so that one index and one page lead to both. */
struct tcp_slot {
    struct tcp_connection connection;
    struct tcp_cold cold;
};

static_assert(sizeof(struct tcp_slot) == 192, "what an idle connection holds, tables aside");
static_assert(offsetof(struct tcp_slot, cold) == sizeof(struct tcp_connection), "no gap");

/* NULL: the connection has none of its own. */
static inline struct tcp_loss *connection_own_loss(const struct tcp_cold *cold)
{
    return cold->loss->is_shared ? NULL : (struct tcp_loss *)(uintptr_t)cold->loss;
}

static inline struct tcp_cold *connection_cold(const struct tcp_connection *connection)
{
    return (struct tcp_cold *)(uintptr_t)(connection + 1);
}

/* Sequence arithmetic (RFC 9293 3.4): modulo 2^32. */
static inline bool seq_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

/* low <= x <= high, wrapping round. */
static inline bool seq_between(uint32_t low, uint32_t x, uint32_t high)
{
    return x - low <= high - low;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
    return seq_after(a, b) ? a : b;
}

static inline uint32_t u32_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t u32_max(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static inline uint32_t tcp_tick(uint64_t now_ns)
{
    return (uint32_t)(now_ns >> TCP_TICK_SHIFT);
}

/* Rounds up, and never zero, which means "off". */
static inline uint32_t tcp_tick_at(uint32_t now_tick, uint32_t after_ticks)
{
    uint32_t tick = now_tick + after_ticks;
    return tick == 0 ? 1 : tick;
}

static inline bool tcp_tick_reached(uint32_t deadline_tick, uint32_t now_tick)
{
    return deadline_tick != 0 && (int32_t)(now_tick - deadline_tick) >= 0;
}

static inline uint32_t tcp_ticks_of_ms(uint64_t ms)
{
    return (uint32_t)((ms * 1000000u + (1u << TCP_TICK_SHIFT) - 1) >> TCP_TICK_SHIFT);
}

static inline uint32_t tcp_ticks_of_us(uint64_t us)
{
    return (uint32_t)((us * 1000u + (1u << TCP_TICK_SHIFT) - 1) >> TCP_TICK_SHIFT);
}

static inline uint8_t connection_peer_scale(const struct tcp_connection *connection)
{
    return connection->scales & 15;
}

static inline uint8_t connection_own_scale(const struct tcp_connection *connection)
{
    return connection->scales >> 4;
}

/* What one packet of the send queue takes of the sequence space. */
static inline uint32_t packet_sequence_bytes(const struct packet *packet)
{
    return packet->tx.payload_bytes + ((packet->tx.flags & (TX_FIN | TX_SYN)) != 0);
}

static inline uint32_t packet_sequence_end(const struct packet *packet)
{
    return packet->tx.sequence + packet_sequence_bytes(packet);
}

/* Bytes believed to be on the way (RFC 6675: pipe). */
static inline uint32_t connection_pipe_bytes(const struct tcp_connection *connection,
                                             const struct tcp_cold *cold)
{
    uint32_t outstanding = connection->snd_nxt - connection->snd_una;
    uint32_t gone = cold->loss->sacked_bytes + cold->loss->lost_bytes;
    return outstanding > gone ? outstanding - gone : 0;
}

#endif
