/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_input.h"

#include <string.h>

#include "dataplane/checksum.h"
#include "dataplane/packet_build.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_loss.h"
#include "dataplane/tcp_output.h"
#include "dataplane/tcp_path_mtu.h"

#define TCP_HEADER_BYTES 20u
#define BATCH_MAX 64u
#define PAWS_IDLE_MS_MAX (24u * 86400u * 1000u) /* RFC 7323 5.5 */

void tcp_drop(struct tcp_stack *stack, struct packet *packet, enum drop_reason why)
{
    count_drop(stack->counters, why);
    stack->traced_drop = (uint8_t)why;
    packet_free(packet);
}

/* ---- stage one: header, options, checksum ---- */

static inline uint16_t load16(const uint8_t *at)
{
    uint16_t raw;
    memcpy(&raw, at, sizeof(raw));
    return __builtin_bswap16(raw);
}

static inline uint32_t load32(const uint8_t *at)
{
    uint32_t raw;
    memcpy(&raw, at, sizeof(raw));
    return __builtin_bswap32(raw);
}

static bool checksum_is_good(const struct packet *packet, uint32_t segment_bytes)
{
    enum packet_checksum verdict = packet_tcp_checksum(packet);
    if (verdict != PACKET_CHECKSUM_UNKNOWN)
        return verdict == PACKET_CHECKSUM_GOOD;
    const uint8_t *ip = packet_data(packet) + packet->rx.network_offset;
    uint32_t sum =
        packet->rx.ip_version == 4 ? checksum_add(0, ip + 12, 8) : checksum_add(0, ip + 8, 32);
    sum = checksum_add_number(sum, 6); /* TCP */
    sum = checksum_add_number(sum, (uint16_t)segment_bytes);
    uint32_t skip = packet->rx.transport_offset;
    bool is_odd = false;
    for (const struct packet *part = packet; part; part = packet_chain_next(part)) {
        uint32_t length = packet_first_bytes(part) - skip;
        if (length > segment_bytes)
            length = segment_bytes; /* padding */
        uint32_t added = checksum_add(0, packet_data(part) + skip, length);
        sum += is_odd ? checksum_swap(added) : added;
        is_odd ^= length & 1;
        segment_bytes -= length;
        skip = 0;
    }
    return checksum_finish(sum) == 0;
}

static inline void parse_options(struct packet *packet, const uint8_t *options, uint32_t length)
{
    static const uint8_t usual[4] = {1, 1, 8, 10}; /* NOP NOP timestamps */
    packet->rx.option_flags = 0;
    if (LIKELY(length == 0))
        return;
    if (LIKELY(length == TCP_TIMESTAMP_BYTES && memcmp(options, usual, sizeof(usual)) == 0)) {
        packet->rx.option_flags = TCP_OPTION_TIMESTAMP;
        packet->rx.timestamp_value = load32(options + 4);
        packet->rx.timestamp_echo = load32(options + 8);
        return;
    }
    struct tcp_segment_options parsed;
    tcp_options_parse(options, length, &parsed);
    if (parsed.has_timestamps) {
        packet->rx.option_flags |= TCP_OPTION_TIMESTAMP;
        packet->rx.timestamp_value = parsed.timestamp_value;
        packet->rx.timestamp_echo = parsed.timestamp_echo;
    }
    if (parsed.has_sack)
        packet->rx.option_flags |= TCP_OPTION_SACK;
}

static inline enum drop_reason parse(struct packet *packet)
{
    struct packet_rx *rx = &packet->rx;
    uint32_t segment_bytes = rx->payload_bytes;
    if (UNLIKELY(segment_bytes < TCP_HEADER_BYTES ||
                 rx->transport_offset + TCP_HEADER_BYTES > packet_first_bytes(packet) ||
                 rx->transport_offset + segment_bytes > packet_bytes(packet)))
        return DROP_TCP_MALFORMED;
    const uint8_t *tcp = packet_data(packet) + rx->transport_offset;
    uint32_t header_bytes = (uint32_t)(tcp[12] >> 4) * 4;
    if (UNLIKELY(header_bytes < TCP_HEADER_BYTES || header_bytes > segment_bytes ||
                 rx->transport_offset + header_bytes > packet_first_bytes(packet)))
        return DROP_TCP_MALFORMED;
    if (UNLIKELY(!checksum_is_good(packet, segment_bytes)))
        return DROP_TCP_CHECKSUM_BAD;
    rx->sequence = load32(tcp + 4);
    rx->acknowledgement = load32(tcp + 8);
    rx->tcp_flags = tcp[13] & 0x3f; /* the ECN bits are not negotiated */
    rx->window = load16(tcp + 14);
    rx->payload_offset = (uint16_t)(rx->transport_offset + header_bytes);
    rx->payload_bytes = (uint16_t)(segment_bytes - header_bytes);
    parse_options(packet, tcp + TCP_HEADER_BYTES, header_bytes - TCP_HEADER_BYTES);
    return DROP_NONE;
}

static inline uint32_t packet_hash(const struct tcp_stack *stack, const struct packet *packet)
{
    const uint8_t *ip = packet_data(packet) + packet->rx.network_offset;
    uint32_t ports = load32(packet_data(packet) + packet->rx.transport_offset);
    uint64_t words[3];
    if (LIKELY(packet->rx.ip_version == 4)) {
        uint32_t remote, local;
        memcpy(&remote, ip + 12, sizeof(remote));
        memcpy(&local, ip + 16, sizeof(local));
        words[0] = (uint64_t)(remote ^ local) << 32 | ports;
        return (uint32_t)siphash_place(&stack->key, words, 1);
    }
    memcpy(words, ip + 8, 16);
    words[2] = ports;
    return (uint32_t)siphash_place(&stack->key, words, 3);
}

/* ---- stage two: lookup ---- */

/* What a segment says about who it is for, as line 0 of a connection has it. */
struct segment_key {
    uint64_t addresses;
    uint32_t ports;
};

static_assert(offsetof(struct tcp_connection, remote_word) == 0 &&
                  offsetof(struct tcp_connection, local_word) == 4 &&
                  offsetof(struct tcp_connection, remote_port) == 8 &&
                  offsetof(struct tcp_connection, local_port) == 10,
              "compared as two words");

static inline uint32_t fold16(const uint8_t *address)
{
    uint32_t words[4];
    memcpy(words, address, sizeof(words));
    return words[0] ^ words[1] ^ words[2] ^ words[3];
}

static inline struct segment_key segment_key(const struct packet *packet)
{
    const uint8_t *ip = packet_data(packet) + packet->rx.network_offset;
    const uint8_t *tcp = packet_data(packet) + packet->rx.transport_offset;
    struct segment_key key;
    uint16_t ports[2] = {load16(tcp), load16(tcp + 2)};
    memcpy(&key.ports, ports, sizeof(key.ports));
    if (LIKELY(packet->rx.ip_version == 4)) {
        memcpy(&key.addresses, ip + 12, sizeof(key.addresses));
    } else {
        uint32_t words[2] = {fold16(ip + 8), fold16(ip + 24)};
        memcpy(&key.addresses, words, sizeof(key.addresses));
    }
    return key;
}

static inline bool connection_matches(const struct tcp_stack *stack, uint32_t index,
                                      const struct segment_key *key, const struct packet *packet)
{
    const struct tcp_connection *connection = &stack->slots[index].connection;
    struct segment_key own;
    memcpy(&own.addresses, &connection->remote_word, sizeof(own.addresses));
    memcpy(&own.ports, &connection->remote_port, sizeof(own.ports));
    if (own.addresses != key->addresses || own.ports != key->ports)
        return false;
    bool is_ipv6 = connection->flags & CONNECTION_IPV6;
    if (LIKELY(packet->rx.ip_version == 4))
        return !is_ipv6;
    const uint8_t *ip = packet_data(packet) + packet->rx.network_offset;
    const struct tcp_addresses6 *addresses = &stack->addresses6[index];
    return is_ipv6 && memcmp(addresses->remote, ip + 8, 16) == 0 &&
           memcmp(addresses->local, ip + 24, 16) == 0;
}

static bool half_open_matches(struct tcp_syn_table *table, uint32_t index,
                              const struct segment_key *key, const struct packet *packet)
{
    const struct tcp_half_open *half_open = tcp_half_open_at(table, index);
    struct segment_key own;
    memcpy(&own.addresses, &half_open->remote_word, sizeof(own.addresses));
    memcpy(&own.ports, &half_open->remote_port, sizeof(own.ports));
    if (own.addresses != key->addresses || own.ports != key->ports)
        return false;
    bool is_ipv6 = half_open->flags & CONNECTION_IPV6;
    if (packet->rx.ip_version == 4)
        return !is_ipv6;
    const uint8_t *ip = packet_data(packet) + packet->rx.network_offset;
    const struct tcp_addresses6 *addresses = tcp_half_open_addresses6(table, half_open);
    return is_ipv6 && memcmp(addresses->remote, ip + 8, 16) == 0 &&
           memcmp(addresses->local, ip + 24, 16) == 0;
}

static bool time_wait_matches(const struct tcp_time_wait *entry, const struct packet *packet)
{
    const uint8_t *ip = packet_data(packet) + packet->rx.network_offset;
    const uint8_t *tcp = packet_data(packet) + packet->rx.transport_offset;
    if (entry->ip_version != packet->rx.ip_version || entry->local_port != load16(tcp + 2) ||
        entry->remote_port != load16(tcp))
        return false;
    if (entry->ip_version == 4)
        return memcmp(entry->remote, ip + 12, 4) == 0 && memcmp(entry->local, ip + 16, 4) == 0;
    return memcmp(entry->remote, ip + 8, 16) == 0 && memcmp(entry->local, ip + 24, 16) == 0;
}

static NO_INLINE uint32_t lookup(struct tcp_stack *stack, const struct packet *packet)
{
    struct segment_key key = segment_key(packet);
    struct connection_cursor cursor = connection_table_begin(&stack->table, packet->rx.flow_hash);
    uint32_t index;
    while ((index = connection_table_next(&stack->table, &cursor)) != CONNECTION_NOT_FOUND) {
        if (UNLIKELY(index & TCP_NO_SLOT_INDEX)) {
            if (tcp_index_is_half_open(index)
                    ? half_open_matches(&stack->syn_table, index, &key, packet)
                    : time_wait_matches(tcp_time_wait_at(stack, index), packet))
                return index;
        } else if (connection_matches(stack, index, &key, packet)) {
            return index;
        }
    }
    return CONNECTION_NOT_FOUND;
}

/* The first connection with the segment's tag, on its way into the cache. */
static inline uint32_t candidate(struct tcp_stack *stack, uint32_t hash)
{
    struct connection_cursor cursor = connection_table_begin(&stack->table, hash);
    uint32_t index = connection_table_next(&stack->table, &cursor);
    if (UNLIKELY(index & TCP_NO_SLOT_INDEX)) { /* or none */
        if (tcp_index_is_half_open(index))
            prefetch_write(tcp_half_open_at(&stack->syn_table, index));
        return index;
    }
    const uint8_t *slot = (const uint8_t *)&stack->slots[index];
    prefetch_write(slot);
    prefetch_write(slot + CACHE_LINE_BYTES);
    prefetch_write(slot + 2 * CACHE_LINE_BYTES);
    return index;
}

/*
 * The packet at the head of its send queue, which the segment is likely to acknowledge. Where there
 * is none an address near zero is asked for in vain, which costs less than to look.
 */
static inline void prefetch_acknowledged(const struct tcp_stack *stack, uint32_t index)
{
    if (UNLIKELY(index & TCP_NO_SLOT_INDEX))
        return;
    uintptr_t head = (uintptr_t)stack->slots[index].connection.send_head;
    prefetch_write((const void *)head);
    prefetch_write((const void *)(head + offsetof(struct packet, next)));
}

/*
 * Segments of the same batch may have ended the candidate or opened a connection in its slot since
 * it was found, so it must be open and have the segment's addresses and ports.
 */
static inline bool candidate_holds(const struct tcp_stack *stack, uint32_t index,
                                   const struct packet *packet)
{
    if (UNLIKELY(index & TCP_NO_SLOT_INDEX))
        return false;
    struct segment_key key = segment_key(packet);
    return stack->slots[index].connection.state != TCP_CLOSED &&
           connection_matches(stack, index, &key, packet);
}

/* ---- stage three: the state machine ---- */

enum tcp_action {
    ACTION_DROP = 0, /* a combination nobody thought of is dropped and counted */
    ACTION_RESET,
    ACTION_OPEN,
    ACTION_COOKIE,
    ACTION_SYN_SENT,
    ACTION_PROCESS,
};

#define TABLE_FLAGS (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK)
#define F TCP_FLAG_FIN
#define S TCP_FLAG_SYN
#define R TCP_FLAG_RST
#define A TCP_FLAG_ACK

/* RFC 9293 3.10.7.4 sorts out every combination in its steps. */
#define PROCESS_SYNCHRONIZED                                                                       \
    {                                                                                              \
        [0 ... TABLE_FLAGS] = ACTION_PROCESS                                                       \
    }

static const uint8_t tcp_actions[TCP_STATE_COUNT][TABLE_FLAGS + 1] = {
    /* 3.10.7.1: everything but a RST is answered with one. */
    [TCP_CLOSED] = {[0] = ACTION_RESET,
                    [F] = ACTION_RESET,
                    [S] = ACTION_RESET,
                    [S | F] = ACTION_RESET,
                    [A] = ACTION_RESET,
                    [A | F] = ACTION_RESET,
                    [A | S] = ACTION_RESET,
                    [A | S | F] = ACTION_RESET},
    /* 3.10.7.2: ignores RST, resets what acknowledges something other than a cookie of ours, opens
     * on SYN. */
    [TCP_LISTEN] = {[A] = ACTION_COOKIE,
                    [A | F] = ACTION_COOKIE,
                    [A | S] = ACTION_RESET,
                    [A | S | F] = ACTION_RESET,
                    [S] = ACTION_OPEN},
    /* 3.10.7.3: needs SYN or RST; a wrong acknowledgement is answered with RST. */
    [TCP_SYN_SENT] = {[S] = ACTION_SYN_SENT,
                      [S | A] = ACTION_SYN_SENT,
                      [R] = ACTION_SYN_SENT,
                      [R | A] = ACTION_SYN_SENT,
                      [A] = ACTION_SYN_SENT,
                      [A | F] = ACTION_SYN_SENT},
    /* A SYN with a FIN did not open it, and does not change it. */
    [TCP_SYN_RECEIVED] = {[A] = ACTION_PROCESS,
                          [A | F] = ACTION_PROCESS,
                          [R] = ACTION_PROCESS,
                          [R | A] = ACTION_PROCESS,
                          [R | F] = ACTION_PROCESS,
                          [R | A | F] = ACTION_PROCESS,
                          [S] = ACTION_PROCESS,
                          [S | A] = ACTION_PROCESS},
    [TCP_ESTABLISHED] = PROCESS_SYNCHRONIZED,
    [TCP_FIN_WAIT_1] = PROCESS_SYNCHRONIZED,
    [TCP_FIN_WAIT_2] = PROCESS_SYNCHRONIZED,
    [TCP_CLOSE_WAIT] = PROCESS_SYNCHRONIZED,
    [TCP_CLOSING] = PROCESS_SYNCHRONIZED,
    [TCP_LAST_ACK] = PROCESS_SYNCHRONIZED,
    [TCP_TIME_WAIT] = PROCESS_SYNCHRONIZED,
};

#undef F
#undef S
#undef R
#undef A

/*
 * RFC 7323 5.3 R1: an old timestamp is an old duplicate, unless the connection slept for weeks.
 * True: the packet is done with.
 */
static bool refused_by_timestamp(struct tcp_stack *stack, struct tcp_connection *connection,
                                 struct packet *packet)
{
    if (!(connection->flags & CONNECTION_TIMESTAMPS) || (packet->rx.tcp_flags & TCP_FLAG_RST))
        return false;
    bool is_missing = !(packet->rx.option_flags & TCP_OPTION_TIMESTAMP);
    if (!is_missing &&
        (!seq_before(packet->rx.timestamp_value, connection->ts_recent) ||
         stack->now_tick - connection->last_received_tick > tcp_ticks_of_ms(PAWS_IDLE_MS_MAX)))
        return false;
    if (!is_missing) /* RFC 7323 3.2: what has none where it was agreed on is dropped silently */
        tcp_send_challenge_ack(stack, connection);
    tcp_drop(stack, packet, DROP_TCP_OLD_TIMESTAMP);
    return true;
}

/* The four cases of RFC 9293 3.10.7.4, first step. */
static bool sequence_is_acceptable(const struct tcp_connection *connection,
                                   const struct packet *packet)
{
    uint32_t left = connection->rcv_nxt, window = connection->rcv_edge - left;
    uint32_t sequence = packet->rx.sequence, length = tcp_segment_length(packet);
    if (length == 0) /* the edge itself too: a peer that has filled the window acknowledges there */
        return seq_between(left, sequence, connection->rcv_edge);
    if (window == 0)
        return false;
    return sequence - left < window || sequence + length - 1 - left < window;
}

/* Received twice: told to a peer that understands with the next acknowledgement (RFC 2883). */
static void note_duplicate(const struct tcp_connection *connection, struct tcp_cold *cold,
                           uint32_t sequence, uint32_t length)
{
    if (!(connection->flags & CONNECTION_SACK) || length == 0)
        return;
    struct tcp_loss *loss = tcp_loss_take(cold);
    loss->duplicate_left = sequence;
    loss->duplicate_right = sequence + length;
    loss->quick_acks = TCP_QUICK_ACKS; /* our acknowledgement may have been lost */
}

/* Cuts what is not in the window from both ends. */
static void trim_to_window(const struct tcp_connection *connection, struct tcp_cold *cold,
                           struct packet *packet)
{
    struct packet_rx *rx = &packet->rx;
    if (seq_before(rx->sequence, connection->rcv_nxt)) {
        uint32_t known = connection->rcv_nxt - rx->sequence;
        note_duplicate(connection, cold, rx->sequence, u32_min(known, rx->payload_bytes));
        if (known > rx->payload_bytes)
            known = rx->payload_bytes; /* only flags are left: they are dealt with by step */
        rx->sequence += known;
        rx->payload_offset = (uint16_t)(rx->payload_offset + known);
        rx->payload_bytes = (uint16_t)(rx->payload_bytes - known);
    }
    if (seq_after(rx->sequence + rx->payload_bytes, connection->rcv_edge)) {
        rx->payload_bytes = (uint16_t)(connection->rcv_edge - rx->sequence);
        rx->tcp_flags &= (uint8_t)~TCP_FLAG_FIN;
    }
}

/* Nobody but the peer is likely to know these numbers, however old they are: it is alive. */
static bool is_of_the_peer(const struct tcp_stack *stack, const struct tcp_connection *connection,
                           const struct packet *packet)
{
    uint32_t window_bytes = connection_cold(connection)->snd_wnd_bytes_max;
    return connection->rcv_nxt - packet->rx.sequence <= stack->receive_window_bytes &&
           seq_between(connection->snd_una - window_bytes, packet->rx.acknowledgement,
                       connection->snd_nxt);
}

static void unacceptable(struct tcp_stack *stack, struct tcp_connection *connection,
                         struct packet *packet)
{
    struct tcp_cold *cold = connection_cold(connection);
    uint8_t flags = packet->rx.tcp_flags;
    bool is_syn_again = connection->state == TCP_SYN_RECEIVED && (flags & TCP_FLAG_SYN) &&
                        !(flags & TCP_FLAG_RST) && packet->rx.sequence + 1 == connection->rcv_nxt;
    if (is_syn_again) {
        tcp_send_syn(stack, connection);
    } else if (!(flags & TCP_FLAG_RST)) {
        if (packet->rx.payload_bytes > 0 &&
            !seq_after(packet->rx.sequence + packet->rx.payload_bytes, connection->rcv_nxt)) {
            note_duplicate(connection, cold, packet->rx.sequence, packet->rx.payload_bytes);
            tcp_predictability(connection, cold);
            if (is_of_the_peer(stack, connection, packet)) {
                connection->last_received_tick = stack->now_tick;
                /* RFC 7323 4.3: from an older echo the peer would measure its own timeout. */
                if (connection->flags & CONNECTION_TIMESTAMPS)
                    connection->ts_recent = packet->rx.timestamp_value;
            }
        }
        /* Two hosts can answer each other for ever only with segments that carry nothing. */
        if (packet->rx.payload_bytes > 0 && !(flags & TCP_FLAG_SYN))
            tcp_send_ack(stack, connection);
        else
            tcp_send_challenge_ack(stack, connection);
    }
    tcp_drop(stack, packet, DROP_TCP_OUTSIDE_WINDOW);
}

/*
 * A peer that has sent its FIN and forgot the connection answers late acknowledgements with RST:
 * what it sent before is still the application's, and TIME-WAIT goes on (RFC 1337).
 */
static void reset_received(struct tcp_stack *stack, struct tcp_connection *connection)
{
    if (connection->state == TCP_TIME_WAIT)
        return;
    if (connection->state == TCP_LAST_ACK || connection->state == TCP_CLOSING)
        tcp_finish(stack, connection, false);
    else
        tcp_connection_end(stack, connection);
}

/* Second and fourth step, with RFC 5961 3.2 and 4.2. True: the packet is done with. */
static bool reset_or_syn(struct tcp_stack *stack, struct tcp_connection *connection,
                         struct packet *packet)
{
    uint8_t flags = packet->rx.tcp_flags;
    if (LIKELY(!(flags & (TCP_FLAG_RST | TCP_FLAG_SYN))))
        return false;
    if ((flags & TCP_FLAG_RST) && packet->rx.sequence == connection->rcv_nxt) {
        count(stack->counters, COUNTER_TCP_RESETS_RECEIVED);
        packet_free(packet);
        reset_received(stack, connection);
        return true;
    }
    tcp_send_challenge_ack(stack, connection);
    tcp_drop(stack, packet, DROP_TCP_OUTSIDE_WINDOW);
    return true;
}

/* What an acknowledgement of everything, our FIN included, means. True: the connection is done. */
static bool fin_acknowledged(struct tcp_stack *stack, struct tcp_connection *connection,
                             struct tcp_cold *cold)
{
    if (connection->snd_una != connection->snd_nxt)
        return false;
    if (connection->state == TCP_FIN_WAIT_1) {
        connection->state = TCP_FIN_WAIT_2;
        cold->fin_wait_tick = tcp_tick_at(stack->now_tick, stack->fin_wait_ticks);
        tcp_timer_update(stack, connection, cold->fin_wait_tick);
    } else if (connection->state == TCP_CLOSING) {
        tcp_finish(stack, connection, true);
        return true;
    } else if (connection->state == TCP_LAST_ACK) {
        tcp_finish(stack, connection, false);
        return true;
    }
    return false;
}

/* Fifth step. True: the packet is done with. */
static bool acknowledgement(struct tcp_stack *stack, struct tcp_connection *connection,
                            struct tcp_cold *cold, struct packet *packet)
{
    uint32_t ack = packet->rx.acknowledgement;
    if (!(packet->rx.tcp_flags & TCP_FLAG_ACK)) {
        tcp_drop(stack, packet, DROP_TCP_MALFORMED);
        return true;
    }
    if (connection->state == TCP_SYN_RECEIVED) {
        if (ack != connection->snd_nxt) {
            struct network_flow flow;
            network_flow_of(packet, &flow);
            tcp_reply_reset(stack, packet, &flow);
            tcp_drop(stack, packet, DROP_TCP_OUTSIDE_WINDOW);
            return true;
        }
        tcp_established(stack, connection, packet);
        connection->snd_wl1 = packet->rx.sequence;
        connection->snd_wnd_bytes = (uint32_t)packet->rx.window
                                    << connection_peer_scale(connection);
        cold->snd_wnd_bytes_max = connection->snd_wnd_bytes;
        if (connection->flags & CONNECTION_FIN_WANTED) /* closed before it was open */
            connection_wants_output(stack, connection);
        return false;
    }
    /* RFC 5961 5.2: from far in the past or from the future it is not the peer's. */
    bool is_ahead = seq_after(ack, connection->snd_nxt);
    if (is_ahead || seq_before(ack, connection->snd_una - cold->snd_wnd_bytes_max)) {
        tcp_send_challenge_ack(stack, connection);
        tcp_drop(stack, packet, DROP_TCP_OUTSIDE_WINDOW);
        return true;
    }
    tcp_acknowledge(stack, connection, cold, packet);
    if (fin_acknowledged(stack, connection, cold)) {
        packet_free(packet);
        return true;
    }
    return false;
}

static bool may_receive(const struct tcp_connection *connection)
{
    return connection->state == TCP_ESTABLISHED || connection->state == TCP_FIN_WAIT_1 ||
           connection->state == TCP_FIN_WAIT_2;
}

/* What meets a shut window: its bytes and FIN cannot be taken, its acknowledgement can. */
static bool is_window_probe(const struct tcp_connection *connection, const struct packet *packet)
{
    return connection->rcv_edge == connection->rcv_nxt &&
           packet->rx.sequence == connection->rcv_nxt &&
           (packet->rx.payload_bytes > 0 || (packet->rx.tcp_flags & TCP_FLAG_FIN));
}

/*
 * Both sides opened at once: the peer's answer to our SYN brings its own again, which we have
 * (RFC 9293 figure 8). What is left is an acknowledgement; ours goes back in case it lacks one.
 */
static void take_simultaneous_open(struct tcp_stack *stack, struct tcp_connection *connection,
                                   struct packet *packet)
{
    const uint8_t both = TCP_FLAG_SYN | TCP_FLAG_ACK;
    if (connection->state != TCP_SYN_RECEIVED || !(connection->flags & CONNECTION_ACTIVE) ||
        (packet->rx.tcp_flags & (both | TCP_FLAG_RST)) != both ||
        packet->rx.sequence + 1 != connection->rcv_nxt ||
        packet->rx.acknowledgement != connection->snd_nxt)
        return;
    packet->rx.tcp_flags &= (uint8_t)~TCP_FLAG_SYN;
    packet->rx.sequence++;
    connection->flags |= CONNECTION_ACK_PENDING | CONNECTION_ACK_NOW;
    connection_wants_output(stack, connection);
}

/* RFC 9293 3.10.7.4, step by step. Consumes the packet. */
static NO_INLINE void input_synchronized(struct tcp_stack *stack, struct tcp_connection *connection,
                                         struct packet *packet)
{
    struct tcp_cold *cold = connection_cold(connection);
    bool is_reset = packet->rx.tcp_flags & TCP_FLAG_RST;
    /* first: timestamps (RFC 7323 5.3), then the sequence number */
    if (refused_by_timestamp(stack, connection, packet))
        return;
    take_simultaneous_open(stack, connection, packet);
    if (is_window_probe(connection, packet)) {
        packet->rx.payload_bytes = 0;
        packet->rx.tcp_flags &= (uint8_t)~TCP_FLAG_FIN;
        connection->flags |= CONNECTION_ACK_PENDING | CONNECTION_ACK_NOW;
        connection_wants_output(stack, connection);
    }
    if (!sequence_is_acceptable(connection, packet)) {
        unacceptable(stack, connection, packet);
        return;
    }
    if ((packet->rx.option_flags & TCP_OPTION_TIMESTAMP) &&
        !seq_after(packet->rx.sequence, connection->last_ack_sent) &&
        (connection->flags & CONNECTION_TIMESTAMPS) && !is_reset)
        connection->ts_recent = packet->rx.timestamp_value;
    uint32_t sequence_before = packet->rx.sequence;
    /* second and fourth: RST, SYN (the third, security, does not exist) */
    if (reset_or_syn(stack, connection, packet))
        return;
    trim_to_window(connection, cold, packet);
    if (packet->rx.sequence != sequence_before) /* part of it came twice: RFC 5681 4.2 */
        connection->flags |= CONNECTION_ACK_PENDING | CONNECTION_ACK_NOW;
    connection->last_received_tick = stack->now_tick;
    /* fifth: ACK */
    if (acknowledgement(stack, connection, cold, packet))
        return;
    /* sixth: URG is ignored, its data is in the stream (RFC 9293 3.8.5 discourages it) */
    /* seventh and eighth: text and FIN */
    if (connection->flags & CONNECTION_ACK_NOW)
        connection_wants_output(stack, connection);
    if (may_receive(connection))
        tcp_reassembly_receive(stack, connection, cold, packet);
    else
        packet_free(packet);
}

/* ---- header prediction ---- */

/* In-order data or acknowledgements on an open connection without holes or losses only. */
static inline bool fast_path_applies(const struct tcp_connection *connection,
                                     const struct packet_rx *rx)
{
    return connection->state == TCP_ESTABLISHED &&
           (rx->tcp_flags & ~TCP_FLAG_PSH) == TCP_FLAG_ACK && rx->sequence == connection->rcv_nxt &&
           seq_between(connection->snd_una, rx->acknowledgement, connection->snd_nxt) &&
           !(connection->flags & (CONNECTION_UNPREDICTABLE | CONNECTION_SILENT)) &&
           rx->option_flags == (connection->flags & CONNECTION_TIMESTAMPS) &&
           (rx->option_flags == 0 || !seq_before(rx->timestamp_value, connection->ts_recent)) &&
           rx->payload_bytes <= connection->rcv_edge - connection->rcv_nxt &&
           /* an acknowledgement that says nothing new may be a duplicate or a window update */
           (rx->payload_bytes > 0 || rx->acknowledgement != connection->snd_una);
}

static inline void input_fast(struct tcp_stack *stack, struct tcp_connection *connection,
                              struct packet *packet)
{
    struct packet_rx *rx = &packet->rx;
    connection->last_received_tick = stack->now_tick;
    if (rx->option_flags != 0 && !seq_after(rx->sequence, connection->last_ack_sent))
        connection->ts_recent = rx->timestamp_value;
    uint32_t window = (uint32_t)rx->window << connection_peer_scale(connection);
    if (UNLIKELY(window > connection->snd_wnd_bytes)) {
        struct tcp_cold *cold = connection_cold(connection);
        cold->snd_wnd_bytes_max = u32_max(cold->snd_wnd_bytes_max, window);
    }
    connection->snd_wnd_bytes = window;
    connection->snd_wl1 = rx->sequence;
    if (rx->acknowledgement != connection->snd_una)
        tcp_acknowledge_fast(stack, connection, rx->acknowledgement);
    if (connection->send_next) /* the window may have opened */
        connection_wants_output(stack, connection);
    if (rx->payload_bytes == 0 || UNLIKELY(!stack_makes_room(stack))) {
        if (rx->payload_bytes > 0)
            tcp_drop(stack, packet, DROP_TCP_PACKETS_SHORT);
        else
            packet_free(packet);
        return;
    }
    /* The second full segment in a row is acknowledged (RFC 1122 4.2.3.2), at the end of the round
     * unless data carries it. */
    if (connection->last_ack_sent != connection->rcv_nxt &&
        tcp_segment_is_full(connection, rx->payload_bytes))
        connection->flags |= CONNECTION_ACK_NOW;
    connection->flags |= CONNECTION_ACK_PENDING;
    stack->packets_held++;
    tcp_receive_append(stack, connection, packet);
    connection_event(stack, connection, TCP_EVENT_READABLE);
    connection_wants_output(stack, connection);
}

/* ---- one segment ---- */

/* More than one buffer: the payload's parts become packets of their own, in order. */
static struct packet *unchain(struct packet *packet)
{
    struct packet *rest = packet_chain_cut(packet);
    if (rest == NULL)
        return NULL;
    uint32_t here = packet_first_bytes(packet) - packet->rx.payload_offset;
    uint32_t total = packet->rx.payload_bytes;
    if (here >= total) { /* only padding behind */
        packet_free(rest);
        return NULL;
    }
    uint32_t left = total - here;
    uint8_t fin = packet->rx.tcp_flags & TCP_FLAG_FIN;
    rest->rx = packet->rx;
    rest->rx.sequence += here;
    rest->rx.payload_offset = 0;
    rest->rx.payload_bytes = (uint16_t)left;
    rest->rx.tcp_flags = TCP_FLAG_ACK | fin;
    rest->rx.option_flags &= (uint8_t)~TCP_OPTION_SACK;
    packet->rx.payload_bytes = (uint16_t)here;
    packet->rx.tcp_flags &= (uint8_t)~TCP_FLAG_FIN;
    return rest;
}

static inline void input_known(struct tcp_stack *stack, struct tcp_connection *connection,
                               struct packet *packet)
{
    if (LIKELY(fast_path_applies(connection, &packet->rx))) {
        input_fast(stack, connection, packet);
        return;
    }
    switch (tcp_actions[connection->state][packet->rx.tcp_flags & TABLE_FLAGS]) {
    case ACTION_PROCESS:
        input_synchronized(stack, connection, packet);
        return;
    case ACTION_SYN_SENT:
        tcp_syn_sent_input(stack, connection, packet);
        return;
    default:
        tcp_drop(stack, packet, DROP_TCP_MALFORMED);
        return;
    }
}

static NO_INLINE void input_chained(struct tcp_stack *stack, struct tcp_connection *connection,
                                    struct packet *packet)
{
    struct packet *rest = unchain(packet);
    input_known(stack, connection, packet);
    while (rest != NULL) {
        packet = rest;
        rest = packet_is_chained(packet) ? unchain(packet) : NULL;
        if (connection->state == TCP_CLOSED)
            packet_free(packet);
        else
            input_known(stack, connection, packet);
    }
}

static inline void input_connection(struct tcp_stack *stack, struct tcp_connection *connection,
                                    struct packet *packet)
{
    if (UNLIKELY(packet_is_chained(packet)))
        input_chained(stack, connection, packet);
    else
        input_known(stack, connection, packet);
}

static void input_half_open(struct tcp_stack *stack, struct packet *packet,
                            const struct network_flow *flow, uint32_t index)
{
    if (tcp_actions[TCP_SYN_RECEIVED][packet->rx.tcp_flags & TABLE_FLAGS] != ACTION_PROCESS) {
        tcp_drop(stack, packet, DROP_TCP_MALFORMED);
        return;
    }
    struct tcp_half_open *half_open = tcp_half_open_at(&stack->syn_table, index);
    struct tcp_connection *connection = tcp_half_open_input(stack, half_open, packet, flow);
    if (connection)
        input_connection(stack, connection, packet);
}

static void input_stranger(struct tcp_stack *stack, struct packet *packet,
                           const struct network_flow *flow)
{
    const uint8_t *tcp = packet_data(packet) + packet->rx.transport_offset;
    uint8_t state = tcp_is_listening(stack, load16(tcp + 2)) ? TCP_LISTEN : TCP_CLOSED;
    struct tcp_connection *connection;
    if (state == TCP_CLOSED && network_give_to_kernel(stack->network, packet, load16(tcp + 2)))
        return;
    switch (tcp_actions[state][packet->rx.tcp_flags & TABLE_FLAGS]) {
    case ACTION_OPEN:
        tcp_listen_input(stack, flow, packet);
        return;
    case ACTION_COOKIE:
        connection = tcp_listen_acknowledged(stack, packet, flow);
        if (connection)
            input_connection(stack, connection, packet);
        return;
    case ACTION_RESET:
        tcp_reply_reset(stack, packet, flow);
        tcp_drop(stack, packet, DROP_TCP_NO_LISTENER);
        return;
    default:
        tcp_drop(stack, packet, DROP_TCP_STRAY);
        return;
    }
}

/* Not of a connection with a slot. */
static NO_INLINE void input_unknown(struct tcp_stack *stack, struct packet *packet, uint32_t index)
{
    struct network_flow flow;
    network_flow_of(packet, &flow);
    if (tcp_index_is_half_open(index))
        input_half_open(stack, packet, &flow, index);
    else if (index == CONNECTION_NOT_FOUND ||
             tcp_time_wait_input(stack, tcp_time_wait_at(stack, index), packet, &flow))
        input_stranger(stack, packet, &flow);
    stack->reopened_at = 0;
}

static inline void input_one(struct tcp_stack *stack, struct packet *packet, uint32_t index)
{
    if (UNLIKELY(!candidate_holds(stack, index, packet))) {
        index = lookup(stack, packet);
        if (index & TCP_NO_SLOT_INDEX) {
            input_unknown(stack, packet, index);
            return;
        }
    }
    input_connection(stack, &stack->slots[index].connection, packet);
}

/* As below, for when somebody looks. */
static NO_INLINE void input_traced(struct tcp_stack *stack, struct packet **segments,
                                   const uint32_t *candidates, uint32_t count)
{
    struct tcp_traced traced;
    for (uint32_t i = 0; i < count; i++) {
        tcp_trace_begin(stack, segments[i], &traced);
        input_one(stack, segments[i], candidates[i]);
        tcp_trace_end(stack, &traced);
    }
}

static NO_INLINE void input_malformed(struct tcp_stack *stack, struct packet *segment,
                                      enum drop_reason why)
{
    struct tcp_traced traced = {.is_wanted = false};
    if (stack->is_traced)
        tcp_trace_begin(stack, segment, &traced);
    tcp_drop(stack, segment, why);
    if (stack->is_traced)
        tcp_trace_end(stack, &traced);
}

void tcp_input(struct tcp_stack *stack, struct packet **segments, uint32_t count, uint64_t now_ns)
{
    stack_time(stack, now_ns);
    if (stack->trace)
        stack->is_traced = trace_ring_is_on(stack->trace);
    while (count > 0) {
        struct packet *good[BATCH_MAX];
        uint32_t candidates[BATCH_MAX];
        uint32_t batch = u32_min(count, BATCH_MAX);
        uint32_t good_count = 0;
        for (uint32_t i = 0; i < batch; i++) {
            enum drop_reason why = parse(segments[i]);
            if (UNLIKELY(why != DROP_NONE)) {
                input_malformed(stack, segments[i], why);
                continue;
            }
            segments[i]->rx.flow_hash = packet_hash(stack, segments[i]);
            good[good_count++] = segments[i];
        }
        for (uint32_t i = 0; i < good_count; i++)
            connection_table_prefetch(&stack->table, good[i]->rx.flow_hash);
        for (uint32_t i = 0; i < good_count; i++)
            candidates[i] = candidate(stack, good[i]->rx.flow_hash);
        for (uint32_t i = 0; i < good_count; i++)
            prefetch_acknowledged(stack, candidates[i]);
        if (UNLIKELY(stack->is_traced))
            input_traced(stack, good, candidates, good_count);
        else
            for (uint32_t i = 0; i < good_count; i++)
                input_one(stack, good[i], candidates[i]);
        segments += batch;
        count -= batch;
    }
}

/* ---- ICMP ---- */

void tcp_icmp_error(struct tcp_stack *stack, const struct network_flow *flow, uint16_t local_port,
                    uint16_t remote_port, uint32_t sequence, uint16_t new_mtu, uint64_t now_ns)
{
    stack_time(stack, now_ns);
    uint32_t hash = tcp_flow_hash(stack, flow, local_port, remote_port);
    struct connection_cursor cursor = connection_table_begin(&stack->table, hash);
    uint32_t index;
    while ((index = connection_table_next(&stack->table, &cursor)) != CONNECTION_NOT_FOUND) {
        if (index & TCP_NO_SLOT_INDEX)
            continue;
        struct tcp_connection *connection = &stack->slots[index].connection;
        if (!tcp_connection_is(stack, connection, flow, local_port, remote_port))
            continue;
        struct tcp_cold *cold = &stack->slots[index].cold;
        bool is_in_flight =
            sequence - connection->snd_una < connection->snd_nxt - connection->snd_una;
        if (!is_in_flight)
            return;
        if (new_mtu != 0) {
            if (connection->state >= TCP_ESTABLISHED)
                tcp_path_mtu_lower(stack, connection, cold, new_mtu);
        } else if (connection->state == TCP_SYN_SENT) {
            tcp_connection_end(stack, connection); /* RFC 5461: no use in trying on */
        }
        return;
    }
}
