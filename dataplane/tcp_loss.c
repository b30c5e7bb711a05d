/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_loss.h"

#include "dataplane/tcp_congestion.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_options.h"
#include "dataplane/tcp_output.h"

#define DUPLICATES_MIN 3u
#define REORDER_WINDOWS_MAX 16u

/* What one acknowledgement told us. */
struct ack_news {
    uint32_t delivered_bytes;
    uint32_t rtt_us;    /* of the latest delivered packet that was sent once; 0: none */
    bool has_news;      /* something was newly acknowledged or sacked */
    bool has_duplicate; /* D-SACK: a packet of ours arrived twice */
};

/* RFC 6298 section 2 in fixed point, as Van Jacobson wrote it. */
static inline void round_trip(struct tcp_connection *connection, uint32_t rtt_us)
{
    const uint32_t rtt_us_max = 60000000;
    rtt_us = rtt_us == 0 ? 1 : u32_min(rtt_us, rtt_us_max);
    if (connection->srtt_us8 == 0) {
        connection->srtt_us8 = rtt_us * 8;
        connection->rttvar_us4 = rtt_us * 2;
        return;
    }
    int32_t error = (int32_t)rtt_us - (int32_t)(connection->srtt_us8 >> 3);
    connection->srtt_us8 = (uint32_t)((int32_t)connection->srtt_us8 + error);
    if (connection->srtt_us8 == 0)
        connection->srtt_us8 = 1;
    if (error < 0)
        error = -error;
    connection->rttvar_us4 = (uint32_t)((int32_t)connection->rttvar_us4 + error -
                                        (int32_t)(connection->rttvar_us4 >> 2));
}

void tcp_round_trip(struct tcp_connection *connection, uint32_t rtt_us)
{
    round_trip(connection, rtt_us);
}

static inline uint32_t us_since(const struct tcp_stack *stack, uint64_t then_ns)
{
    uint64_t us = (stack->now_ns - then_ns) / 1000;
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

/* Nothing is left that could not as well begin anew. */
static bool is_as_new(const struct tcp_loss *loss)
{
    return loss->congestion.ssthresh_bytes == SSTHRESH_UNKNOWN && !loss->reordering_seen &&
           loss->reorder_windows == 0 && loss->keepalive_probes == 0 &&
           loss->duplicate_left == loss->duplicate_right;
}

void tcp_predictability(struct tcp_connection *connection, struct tcp_cold *cold)
{
    bool is_predictable =
        cold->loss->recovery == TCP_OPEN && cold->loss->sacked_bytes == 0 &&
        cold->loss->lost_bytes == 0 && !cold->loss->out_of_order &&
        cold->loss->duplicate_acks == 0 && cold->loss->backoff == 0 && !cold->loss->tlp_in_flight &&
        cold->retransmit_timer != TCP_TIMER_PERSIST && cold->loss->stalled_tick == 0;
    if (is_predictable)
        connection->flags &= (uint16_t)~CONNECTION_UNPREDICTABLE;
    else
        connection->flags |= CONNECTION_UNPREDICTABLE;
    if (is_predictable && is_as_new(cold->loss))
        tcp_loss_give_back(cold);
}

static void writable_again(struct tcp_stack *stack, struct tcp_connection *connection)
{
    if (!(connection->flags & CONNECTION_SEND_REFUSED) ||
        tcp_send_room(connection) < stack->config.send_budget_bytes / 2)
        return;
    connection->flags &= (uint16_t)~CONNECTION_SEND_REFUSED;
    connection_event(stack, connection, TCP_EVENT_WRITABLE);
}

static inline void send_head_free(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct packet *packet = connection->send_head;
    connection->send_head = packet->next;
    if (!connection->send_head)
        connection->send_tail = NULL;
    connection->send_bytes -= packet->tx.payload_bytes;
    if (UNLIKELY(packet->tx.blob != NULL)) {
        connection_cold(connection)->blob_bytes -= packet->tx.payload_bytes;
        blob_release(stack->config.blob_stock, packet->tx.blob);
    }
    stack_packet_free(stack, packet);
}

/* A large frame acknowledged in part gives up its front. */
static void head_trim(struct tcp_connection *connection, struct tcp_cold *cold,
                      uint32_t acknowledgement)
{
    struct packet *packet = connection->send_head;
    if (!packet || packet == connection->send_next || !packet->tx.blob ||
        !seq_before(packet->tx.sequence, acknowledgement))
        return;
    uint32_t gone = acknowledgement - packet->tx.sequence;
    ASSERT_HOT(gone <= packet->tx.payload_bytes);
    if (packet->tx.flags & TX_LOST)
        tcp_loss_take(cold)->lost_bytes -= gone;
    if (packet->tx.flags & TX_SACKED)
        tcp_loss_take(cold)->sacked_bytes -= gone;
    packet->tx.sequence += gone;
    packet->tx.blob_offset += gone;
    packet->tx.payload_bytes -= gone;
    connection->send_bytes -= gone;
    cold->blob_bytes -= gone;
}

void tcp_acknowledge_fast(struct tcp_stack *stack, struct tcp_connection *connection,
                          uint32_t acknowledgement)
{
    uint32_t acked_bytes = acknowledgement - connection->snd_una;
    uint64_t sent_ns = 0;
    uint32_t was_retransmitted = 0;
    struct packet *packet;
    while ((packet = connection->send_head) != connection->send_next &&
           !seq_after(packet_sequence_end(packet), acknowledgement)) {
        sent_ns = packet->tx.sent_ns;
        was_retransmitted |= packet->tx.flags & TX_RETRANSMITTED;
        send_head_free(stack, connection);
    }
    connection->snd_una = acknowledgement;
    if (LIKELY(sent_ns != 0 && !was_retransmitted))
        round_trip(connection, us_since(stack, sent_ns));
    if (connection->flags & CONNECTION_CWND_LIMITED) {
        connection->flags &= (uint16_t)~CONNECTION_CWND_LIMITED;
        tcp_congestion_acked(stack, connection, connection_cold(connection), acked_bytes);
    }
    connection->retransmit_tick = 0;
    if (acknowledgement != connection->snd_nxt) {
        head_trim(connection, connection_cold(connection), acknowledgement);
        tcp_retransmit_arm(stack, connection);
    }
    if (connection->send_next)
        connection_wants_output(stack, connection);
    if (UNLIKELY(connection->flags & CONNECTION_SEND_REFUSED))
        writable_again(stack, connection);
}

/* ---- scoreboard ---- */

/* RFC 8985 6.2 step 2: the latest packet known to have arrived, by the time it was sent. */
static void packet_delivered(const struct tcp_stack *stack, struct tcp_cold *cold,
                             const struct packet *packet, struct ack_news *news)
{
    uint32_t rtt_us = us_since(stack, packet->tx.sent_ns);
    uint32_t end = packet_sequence_end(packet);
    struct tcp_loss *own = connection_own_loss(cold);
    news->delivered_bytes += packet_sequence_bytes(packet);
    news->has_news = true;
    if (packet->tx.flags & TX_RETRANSMITTED) {
        if (rtt_us < cold->loss->rtt_us_min) /* it was the original that arrived */
            return;
    } else {
        news->rtt_us = rtt_us == 0 ? 1 : rtt_us;
        if (own && seq_before(end, own->sacked_end) && own->sacked_end != 0)
            own->reordering_seen = true;
    }
    if (!own) /* nothing was ever missing */
        return;
    if (seq_after(end, own->sacked_end) || own->sacked_end == 0)
        own->sacked_end = end;
    if (packet->tx.sent_ns > own->rack_sent_ns ||
        (packet->tx.sent_ns == own->rack_sent_ns && seq_after(end, own->rack_end))) {
        own->rack_sent_ns = packet->tx.sent_ns;
        own->rack_end = end;
        own->rack_rtt_us = rtt_us;
    }
}

static void packet_forget_lost(struct tcp_cold *cold, struct packet *packet)
{
    if (packet->tx.flags & TX_LOST) {
        packet->tx.flags &= (uint16_t)~TX_LOST;
        tcp_loss_take(cold)->lost_bytes -= packet_sequence_bytes(packet);
    }
}

static void packet_mark_lost(struct tcp_cold *cold, struct packet *packet)
{
    if (packet->tx.flags & (TX_LOST | TX_SACKED))
        return;
    packet->tx.flags |= TX_LOST;
    tcp_loss_take(cold)->lost_bytes += packet_sequence_bytes(packet);
}

/* Drops blocks that make no sense; tells a duplicate report (RFC 2883) from the rest. */
static uint32_t usable_blocks(const struct tcp_connection *connection, const struct packet *packet,
                              struct tcp_sack_block *blocks, struct ack_news *news)
{
    struct tcp_sack_block seen[TCP_SACK_BLOCKS_MAX];
    uint32_t count =
        tcp_options_parse_sack(tcp_segment_options(packet), tcp_segment_option_bytes(packet), seen);
    uint32_t acknowledgement = packet->rx.acknowledgement;
    uint32_t usable = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!seq_before(seen[i].left, seen[i].right) ||
            seq_after(seen[i].right, connection->snd_nxt))
            continue;
        bool is_inside_second = i == 0 && count > 1 && !seq_before(seen[0].left, seen[1].left) &&
                                !seq_after(seen[0].right, seen[1].right);
        if (!seq_after(seen[i].right, acknowledgement) || is_inside_second) {
            news->has_duplicate |= i == 0;
            continue;
        }
        if (!seq_before(seen[i].left, connection->snd_una))
            blocks[usable++] = seen[i];
    }
    return usable;
}

static bool is_covered(const struct packet *packet, const struct tcp_sack_block *blocks,
                       uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!seq_before(packet->tx.sequence, blocks[i].left) &&
            !seq_after(packet_sequence_end(packet), blocks[i].right))
            return true;
    return false;
}

/* A large frame that the port cut may be sacked in part: cut it at the block's edge. */
static void split_at_edges(struct tcp_stack *stack, struct tcp_connection *connection,
                           struct packet *packet, const struct tcp_sack_block *blocks,
                           uint32_t count)
{
    if (packet->tx.payload_bytes <= connection->mss_bytes)
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t edges[2] = {blocks[i].left, blocks[i].right};
        for (int side = 0; side < 2; side++) {
            uint32_t first = edges[side] - packet->tx.sequence;
            if (first > 0 && first < packet->tx.payload_bytes) {
                tcp_split_packet(stack, connection, packet, first);
                return; /* the second half is the next packet of the walk */
            }
        }
    }
}

static void mark_sacked(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct tcp_cold *cold, const struct packet *segment, struct ack_news *news)
{
    struct tcp_sack_block blocks[TCP_SACK_BLOCKS_MAX];
    uint32_t count = usable_blocks(connection, segment, blocks, news);
    if (count == 0)
        return;
    struct tcp_loss *loss = tcp_loss_take(cold);
    uint32_t end = blocks[0].right;
    for (uint32_t i = 1; i < count; i++)
        end = seq_max(end, blocks[i].right);
    for (struct packet *packet = connection->send_head;
         packet != connection->send_next && seq_before(packet->tx.sequence, end);
         packet = packet->next) {
        if (packet->tx.flags & TX_SACKED)
            continue;
        split_at_edges(stack, connection, packet, blocks, count);
        if (!is_covered(packet, blocks, count))
            continue;
        packet_forget_lost(cold, packet);
        packet_delivered(stack, cold, packet, news);
        packet->tx.flags |= TX_SACKED;
        loss->sacked_bytes += packet_sequence_bytes(packet);
    }
}

static void take_acknowledged(struct tcp_stack *stack, struct tcp_connection *connection,
                              struct tcp_cold *cold, uint32_t acknowledgement,
                              struct ack_news *news)
{
    bool emulates_sack = !(connection->flags & CONNECTION_SACK);
    if (emulates_sack && cold->loss->sacked_bytes > 0)
        tcp_loss_take(cold)->sacked_bytes = 0;
    bool was_retransmitted = false;
    struct packet *packet;
    while ((packet = connection->send_head) != connection->send_next &&
           !seq_after(packet_sequence_end(packet), acknowledgement)) {
        was_retransmitted |= (packet->tx.flags & TX_RETRANSMITTED) != 0;
        packet_forget_lost(cold, packet);
        if (packet->tx.flags & TX_SACKED)
            tcp_loss_take(cold)->sacked_bytes -= packet_sequence_bytes(packet);
        else
            packet_delivered(stack, cold, packet, news);
        send_head_free(stack, connection);
    }
    head_trim(connection, cold, acknowledgement);
    /* What waited behind a hole was not on the way for so long (Karn, for cumulative numbers). */
    if (was_retransmitted)
        news->rtt_us = 0;
    connection->snd_una = acknowledgement;
    news->has_news = true;
}

/* ---- finding losses ---- */

static uint32_t reorder_window_us(const struct tcp_connection *connection,
                                  const struct tcp_cold *cold)
{
    if (!cold->loss->reordering_seen &&
        (cold->loss->recovery != TCP_OPEN ||
         cold->loss->sacked_bytes >= DUPLICATES_MIN * (uint32_t)connection->mss_bytes))
        return 0;
    uint32_t window = cold->loss->rtt_us_min / 4 * (1u + cold->loss->reorder_windows);
    return u32_min(window, connection->srtt_us8 >> 3);
}

/* RFC 8985 6.2 step 5. True: something is lost that was not before. */
static bool rack_detect(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct tcp_cold *cold)
{
    if (cold->loss->rack_sent_ns == 0)
        return false;
    uint64_t patience_ns =
        ((uint64_t)cold->loss->rack_rtt_us + reorder_window_us(connection, cold)) * 1000;
    uint64_t wait_ns = 0;
    bool has_lost = false;
    for (struct packet *packet = connection->send_head; packet != connection->send_next;
         packet = packet->next) {
        if (packet->tx.flags & (TX_SACKED | TX_LOST))
            continue;
        bool is_older = packet->tx.sent_ns < cold->loss->rack_sent_ns ||
                        (packet->tx.sent_ns == cold->loss->rack_sent_ns &&
                         seq_before(packet_sequence_end(packet), cold->loss->rack_end));
        if (!is_older)
            continue;
        uint64_t due_ns = packet->tx.sent_ns + patience_ns;
        if (due_ns <= stack->now_ns) {
            packet_mark_lost(cold, packet);
            has_lost = true;
        } else if (due_ns - stack->now_ns > wait_ns) {
            wait_ns = due_ns - stack->now_ns;
        }
    }
    if (wait_ns > 0) {
        cold->retransmit_timer = TCP_TIMER_RACK;
        connection->retransmit_tick =
            tcp_tick_at(stack->now_tick, 1 + (uint32_t)(wait_ns >> TCP_TICK_SHIFT));
        tcp_timer_update(stack, connection, connection->retransmit_tick);
    }
    return has_lost;
}

/* RFC 6582: without SACK only the first outstanding packet can be known to be lost. */
static bool newreno_detect(struct tcp_connection *connection, struct tcp_cold *cold,
                           bool is_partial)
{
    if (cold->loss->duplicate_acks < DUPLICATES_MIN && !is_partial)
        return false;
    struct packet *head = connection->send_head;
    if (!head || head == connection->send_next || (head->tx.flags & TX_LOST))
        return false;
    if (!is_partial && cold->loss->duplicate_acks != DUPLICATES_MIN)
        return false;
    packet_mark_lost(cold, head);
    return true;
}

static void enter_recovery(struct tcp_stack *stack, struct tcp_connection *connection,
                           struct tcp_cold *cold)
{
    if (cold->loss->recovery != TCP_OPEN)
        return;
    struct tcp_loss *loss = tcp_loss_take(cold);
    loss->recovery = TCP_RECOVERY;
    loss->recover_sequence = connection->snd_nxt;
    loss->prr_flight_bytes = u32_max(connection->snd_nxt - connection->snd_una, 1);
    loss->prr_delivered_bytes = 0;
    loss->prr_out_bytes = 0;
    tcp_congestion_lost(stack, connection, cold);
    if (cold->retransmit_timer == TCP_TIMER_TLP) /* no probe while losses are being mended */
        tcp_retransmit_arm(stack, connection);
}

/* RFC 6937: sends in proportion to what arrives, down to ssthresh over one round trip. */
static void prr_update(struct tcp_connection *connection, struct tcp_cold *cold,
                       uint32_t delivered_bytes)
{
    uint32_t pipe = connection_pipe_bytes(connection, cold);
    uint32_t ssthresh = cold->loss->congestion.ssthresh_bytes;
    tcp_loss_take(cold)->prr_delivered_bytes += delivered_bytes;
    int64_t send;
    if (pipe > ssthresh) {
        uint64_t share = (uint64_t)cold->loss->prr_delivered_bytes * ssthresh;
        uint32_t flight = cold->loss->prr_flight_bytes;
        share = (share + flight - 1) / flight; /* lint-allow: division: only in recovery */
        send = (int64_t)share - cold->loss->prr_out_bytes;
    } else {
        int64_t limit = (int64_t)cold->loss->prr_delivered_bytes - cold->loss->prr_out_bytes;
        if (limit < delivered_bytes)
            limit = delivered_bytes;
        limit += connection->mss_bytes;
        send = (int64_t)ssthresh - pipe;
        if (send > limit)
            send = limit;
    }
    if (cold->loss->prr_out_bytes == 0 && send < connection->mss_bytes)
        send = connection->mss_bytes; /* the first retransmission always leaves */
    connection->cwnd_bytes = pipe + (uint32_t)(send > 0 ? send : 0);
}

static void leave_recovery(struct tcp_connection *connection, struct tcp_cold *cold)
{
    if (cold->loss->recovery == TCP_RECOVERY)
        connection->cwnd_bytes =
            u32_max(cold->loss->congestion.ssthresh_bytes, connection->mss_bytes);
    struct tcp_loss *loss = tcp_loss_take(cold);
    loss->recovery = TCP_OPEN;
    loss->duplicate_acks = 0;
}

/* ---- the acknowledgement as a whole ---- */

/* RFC 5681 section 2: same number, no data, no window change, something outstanding. */
static bool is_duplicate(const struct tcp_connection *connection, const struct packet *packet,
                         uint32_t window_before)
{
    return packet->rx.acknowledgement == connection->snd_una && packet->rx.payload_bytes == 0 &&
           !(packet->rx.tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) &&
           connection->snd_una != connection->snd_nxt && connection->snd_wnd_bytes == window_before;
}

static void window_update(struct tcp_connection *connection, struct tcp_cold *cold,
                          const struct packet *packet)
{
    const struct packet_rx *rx = &packet->rx;
    if (seq_before(rx->acknowledgement, connection->snd_una) ||
        seq_before(rx->sequence, connection->snd_wl1))
        return;
    connection->snd_wnd_bytes = (uint32_t)rx->window << connection_peer_scale(connection);
    connection->snd_wl1 = rx->sequence;
    cold->snd_wnd_bytes_max = u32_max(cold->snd_wnd_bytes_max, connection->snd_wnd_bytes);
}

static void progress(struct tcp_stack *stack, struct tcp_connection *connection,
                     struct tcp_cold *cold)
{
    struct tcp_loss *own = connection_own_loss(cold);
    if (own) {
        own->backoff = 0;
        own->stalled_tick = 0;
        own->duplicate_acks = 0;
    }
    connection->retransmit_tick = 0;
    if (connection->snd_una != connection->snd_nxt)
        tcp_retransmit_arm(stack, connection);
    writable_again(stack, connection);
}

/* RFC 8985 7.4: what the acknowledgement says about the probe. */
static void probe_answered(struct tcp_stack *stack, struct tcp_connection *connection,
                           struct tcp_cold *cold, const struct ack_news *news)
{
    if (!cold->loss->tlp_in_flight || seq_before(connection->snd_una, cold->loss->tlp_end))
        return;
    tcp_loss_take(cold)->tlp_in_flight = false;
    if (!cold->loss->tlp_was_retransmission || news->has_duplicate ||
        cold->loss->recovery != TCP_OPEN)
        return;
    tcp_congestion_lost(stack, connection, cold); /* the probe mended a loss */
    connection->cwnd_bytes = u32_min(connection->cwnd_bytes, cold->loss->congestion.ssthresh_bytes);
}

static void window_grow(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct tcp_cold *cold, uint32_t acked_bytes, uint32_t delivered_bytes)
{
    if (cold->loss->recovery == TCP_RECOVERY) {
        prr_update(connection, cold, delivered_bytes);
    } else if (acked_bytes > 0 && (cold->loss->recovery == TCP_LOSS ||
                                   (connection->flags & CONNECTION_CWND_LIMITED))) {
        connection->flags &= (uint16_t)~CONNECTION_CWND_LIMITED;
        tcp_congestion_acked(stack, connection, cold, acked_bytes);
    }
}

static void count_duplicate(struct tcp_connection *connection, struct tcp_cold *cold,
                            struct ack_news *news)
{
    struct tcp_loss *loss = tcp_loss_take(cold);
    if (loss->duplicate_acks < UINT8_MAX)
        loss->duplicate_acks++;
    if (connection->flags & CONNECTION_SACK)
        return;
    /* Each duplicate means that one segment has left the network. */
    uint32_t outstanding = connection->snd_nxt - connection->snd_una;
    loss->sacked_bytes = u32_min(loss->sacked_bytes + connection->mss_bytes, outstanding);
    news->delivered_bytes += connection->mss_bytes;
    news->has_news = true;
}

void tcp_acknowledge(struct tcp_stack *stack, struct tcp_connection *connection,
                     struct tcp_cold *cold, const struct packet *packet)
{
    struct ack_news news = {0};
    uint32_t acknowledgement = packet->rx.acknowledgement;
    uint32_t window_before = connection->snd_wnd_bytes;
    uint32_t una_before = connection->snd_una;
    window_update(connection, cold, packet);
    bool is_advance = seq_after(acknowledgement, connection->snd_una);
    if ((packet->rx.option_flags & TCP_OPTION_SACK) && (connection->flags & CONNECTION_SACK))
        mark_sacked(stack, connection, cold, packet, &news);
    if (is_advance)
        take_acknowledged(stack, connection, cold, acknowledgement, &news);
    else if (is_duplicate(connection, packet, window_before))
        count_duplicate(connection, cold, &news);
    if (news.rtt_us != 0) {
        tcp_round_trip(connection, news.rtt_us);
        struct tcp_loss *own = connection_own_loss(cold);
        if (own)
            own->rtt_us_min =
                own->rtt_us_min == 0 ? news.rtt_us : u32_min(own->rtt_us_min, news.rtt_us);
    }
    if (is_advance)
        progress(stack, connection, cold);
    if (news.has_duplicate && cold->loss->reorder_windows < REORDER_WINDOWS_MAX)
        tcp_loss_take(cold)->reorder_windows++;
    probe_answered(stack, connection, cold, &news);

    bool is_recovered = cold->loss->recovery != TCP_OPEN &&
                        !seq_before(connection->snd_una, cold->loss->recover_sequence);
    if (is_recovered)
        leave_recovery(connection, cold);
    bool has_lost = false;
    if (news.has_news && connection->snd_una != connection->snd_nxt) {
        if (connection->flags & CONNECTION_SACK)
            has_lost = rack_detect(stack, connection, cold);
        else
            has_lost = newreno_detect(connection, cold,
                                      is_advance && cold->loss->recovery == TCP_RECOVERY);
    }
    if (has_lost)
        enter_recovery(stack, connection, cold);
    if (!is_recovered)
        window_grow(stack, connection, cold, connection->snd_una - una_before,
                    news.delivered_bytes);
    if (connection->snd_wnd_bytes > 0 && cold->retransmit_timer == TCP_TIMER_PERSIST) {
        cold->retransmit_timer = TCP_TIMER_RTO;
        connection->retransmit_tick = 0;
        if (cold->loss->backoff > 0)
            tcp_loss_take(cold)->backoff = 0;
        if (connection->snd_una != connection->snd_nxt)
            tcp_retransmit_arm(stack, connection);
    }
    if (connection->send_next || cold->loss->lost_bytes > 0)
        connection_wants_output(stack, connection);
    tcp_predictability(connection, cold);
}

void tcp_loss_detect(struct tcp_stack *stack, struct tcp_connection *connection,
                     struct tcp_cold *cold)
{
    if (rack_detect(stack, connection, cold)) {
        enter_recovery(stack, connection, cold);
        if (cold->loss->recovery == TCP_RECOVERY)
            prr_update(connection, cold, 0);
        connection_wants_output(stack, connection);
    }
    if (connection->retransmit_tick == 0)
        tcp_retransmit_arm(stack, connection);
    tcp_predictability(connection, cold);
}

/* ---- sending again ---- */

uint32_t tcp_loss_retransmit(struct tcp_stack *stack, struct tcp_connection *connection,
                             struct tcp_cold *cold, uint32_t budget)
{
    uint32_t sent = 0;
    for (struct packet *packet = connection->send_head;
         packet != connection->send_next && sent < budget && cold->loss->lost_bytes > 0;
         packet = packet->next) {
        if (!(packet->tx.flags & TX_LOST))
            continue;
        if (packet->tx.payload_bytes > connection->mss_bytes &&
            !tcp_split_packet(stack, connection, packet, connection->mss_bytes))
            break;
        uint32_t bytes = packet_sequence_bytes(packet);
        uint32_t pipe = connection_pipe_bytes(connection, cold);
        if (pipe > 0 && pipe + bytes > connection->cwnd_bytes)
            break;
        if (!tcp_transmit(stack, connection, packet))
            break;
        packet_forget_lost(cold, packet);
        if (cold->loss->recovery == TCP_RECOVERY)
            tcp_loss_take(cold)->prr_out_bytes += bytes;
        count(stack->counters, cold->loss->recovery == TCP_LOSS ? COUNTER_TCP_RETRANSMITS_TIMEOUT
                                                                : COUNTER_TCP_RETRANSMITS_FAST);
        sent++;
    }
    if (cold->loss->lost_bytes > 0 && sent == budget)
        connection_wants_output(stack, connection);
    if (connection->retransmit_tick == 0)
        tcp_retransmit_arm(stack, connection);
    return sent;
}

/* RFC 6298 5.4 to 5.7, RFC 6675 5.1: everything not sacked counts as lost. */
void tcp_loss_timed_out(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct tcp_cold *cold)
{
    struct tcp_loss *loss = tcp_loss_take(cold);
    bool is_first = loss->backoff == 0 && loss->recovery != TCP_LOSS;
    struct packet *head = connection->send_head;
    bool reneged = head && (head->tx.flags & TX_SACKED); /* RFC 2018 section 8 */
    if (reneged || !(connection->flags & CONNECTION_SACK))
        loss->sacked_bytes = 0;
    for (struct packet *packet = head; packet != connection->send_next; packet = packet->next) {
        if (reneged)
            packet->tx.flags &= (uint16_t)~TX_SACKED;
        packet_mark_lost(cold, packet);
    }
    tcp_congestion_timed_out(stack, connection, cold, is_first);
    loss->recovery = TCP_LOSS;
    loss->recover_sequence = connection->snd_nxt;
    loss->tlp_in_flight = false;
    loss->duplicate_acks = 0;
    if (loss->backoff < 12)
        loss->backoff++;
    connection_wants_output(stack, connection);
    tcp_retransmit_arm(stack, connection);
    tcp_predictability(connection, cold);
}

/* RFC 8985 7.3: new data if there is any, else the last packet again. */
void tcp_loss_probe(struct tcp_stack *stack, struct tcp_connection *connection,
                    struct tcp_cold *cold)
{
    struct tcp_loss *loss = tcp_loss_take(cold);
    struct packet *last = NULL;
    for (struct packet *packet = connection->send_head; packet != connection->send_next;
         packet = packet->next)
        last = packet;
    loss->tlp_in_flight = true;
    loss->tlp_was_retransmission = true;
    loss->tlp_end = connection->snd_nxt;
    count(stack->counters, COUNTER_TCP_RETRANSMITS_PROBE);
    if (last && !(last->tx.flags & (TX_SACKED | TX_LOST)))
        tcp_transmit(stack, connection, last);
    tcp_retransmit_arm(stack, connection);
    tcp_predictability(connection, cold);
}

void tcp_loss_too_big(struct tcp_stack *stack, struct tcp_connection *connection,
                      struct tcp_cold *cold)
{
    for (struct packet *packet = connection->send_head; packet != connection->send_next;
         packet = packet->next)
        if (packet->tx.payload_bytes > connection->mss_bytes)
            packet_mark_lost(cold, packet);
    if (cold->loss->lost_bytes > 0)
        connection_wants_output(stack, connection);
    tcp_predictability(connection, cold);
}
