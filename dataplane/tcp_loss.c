/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_loss.h"

#include "dataplane/tcp_congestion.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_options.h"
#include "dataplane/tcp_output.h"
#include "dataplane/tcp_path_mtu.h"
#include "dataplane/tcp_scoreboard.h"
#include "dataplane/tcp_undo.h"

#define DUPLICATES_MIN 3u
#define REORDER_WINDOWS_MAX 16u
#define REORDER_PERSISTS 16u
#define BACKOFF_KEPT_MAX 1u

/* What one acknowledgement told us. */
struct ack_news {
    uint32_t delivered_bytes;
    uint32_t rtt_us;    /* of the latest delivered packet that was sent once; 0: none */
    uint32_t known_end; /* RACK.fack before it */
    uint32_t una_before, acknowledgement;
    bool has_news;      /* something was newly acknowledged or sacked */
    bool has_duplicate; /* D-SACK: what of ours arrived twice */
    struct tcp_sack_block duplicate;
    struct tcp_undo_news undo;
};

/* RFC 6298 section 2 in fixed point, as Van Jacobson wrote it. */
void tcp_round_trip(struct tcp_stack *stack, struct tcp_connection *connection, uint32_t rtt_us)
{
    if (UNLIKELY(stack->round_trip_tick != stack->now_tick)) {
        stack->round_trip_tick = stack->now_tick;
        histogram_record(stack->counters, HISTOGRAM_TCP_ROUND_TRIP_NS, (uint64_t)rtt_us * 1000);
    }
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
           loss->duplicate_left == loss->duplicate_right && !loss->undo.is_possible;
}

void tcp_predictability(struct tcp_connection *connection, struct tcp_cold *cold)
{
    bool is_predictable = cold->loss->recovery == TCP_OPEN && cold->loss->sacked_bytes == 0 &&
                          cold->loss->lost_bytes == 0 && !cold->loss->out_of_order &&
                          cold->loss->duplicate_acks == 0 && cold->loss->backoff == 0 &&
                          !cold->loss->tlp_in_flight && cold->loss->quick_acks == 0 &&
                          cold->retransmit_timer != TCP_TIMER_PERSIST &&
                          cold->loss->stalled_tick == 0;
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

/* A large frame acknowledged in part gives up its front; returns what of that is news. */
static uint32_t head_trim(struct tcp_connection *connection, struct tcp_cold *cold,
                          uint32_t acknowledgement)
{
    struct packet *packet = connection->send_head;
    if (!packet || packet == connection->send_next || !packet->tx.blob ||
        !seq_before(packet->tx.sequence, acknowledgement))
        return 0;
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
    return packet->tx.flags & TX_SACKED ? 0 : gone;
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
        tcp_round_trip(stack, connection, us_since(stack, sent_ns));
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

/* RFC 8985 6.2 step 3: something arrived after what was sent behind it, and was sent once. */
static void notice_reordering(struct tcp_loss *own, uint32_t end, uint32_t known_end,
                              bool is_sent_once)
{
    if (is_sent_once && seq_before(end, known_end))
        own->reordering_seen = true;
    own->sacked_end = seq_max(own->sacked_end, end);
}

/* An acknowledgement of what was sent twice that answers an older segment than the second. */
static bool echoes_original(const struct packet *packet, const struct ack_news *news)
{
    return news->undo.is_advance && news->undo.has_timestamp &&
           !seq_after(packet_sequence_end(packet), news->acknowledgement) &&
           seq_before(news->undo.timestamp_tick, tcp_tick(packet->tx.sent_ns));
}

/* RFC 8985 6.2 step 2: the latest packet known to have arrived, by the time it was sent. */
static void packet_delivered(const struct tcp_stack *stack, const struct tcp_connection *connection,
                             struct tcp_cold *cold, const struct packet *packet,
                             struct ack_news *news)
{
    uint32_t rtt_us = us_since(stack, packet->tx.sent_ns);
    uint32_t end = packet_sequence_end(packet);
    bool is_sent_once = !(packet->tx.flags & TX_RETRANSMITTED);
    struct tcp_loss *own = connection_own_loss(cold);
    news->delivered_bytes += packet_sequence_bytes(packet);
    news->has_news = true;
    if (is_sent_once)
        news->rtt_us = rtt_us == 0 ? 1 : rtt_us;
    if (!own) /* nothing was ever missing */
        return;
    notice_reordering(own, end, news->known_end, is_sent_once);
    own->full_size_arrived |= tcp_path_mtu_is_proved(connection, packet);
    if (is_sent_once && !seq_after(end, own->recover_sequence))
        news->undo.has_original = true;
    if (!is_sent_once && (rtt_us < own->rtt_us_min || echoes_original(packet, news)))
        return;
    if (packet->tx.sent_ns > own->rack_sent_ns ||
        (packet->tx.sent_ns == own->rack_sent_ns && seq_after(end, own->rack_end))) {
        own->rack_sent_ns = packet->tx.sent_ns;
        own->rack_end = end;
        own->rack_rtt_us = rtt_us;
    }
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
            if (i == 0) {
                news->has_duplicate = true;
                news->duplicate = seen[0];
            }
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
    bool is_first = cold->loss->is_shared;
    struct tcp_loss *loss = tcp_loss_take(cold);
    if (is_first)
        loss->sacked_end = news->known_end;
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
        packet_delivered(stack, connection, cold, packet, news);
        packet->tx.flags |= TX_SACKED;
        loss->sacked_bytes += packet_sequence_bytes(packet);
        news->undo.has_sacked = true;
    }
}

/*
 * Without SACK: duplicates stood for segments that are now acknowledged, all but the hole itself.
 * Returns their bytes: they were counted as delivered when the duplicates came.
 */
static uint32_t forget_duplicates(const struct tcp_connection *connection, struct tcp_cold *cold,
                                  uint32_t acknowledgement)
{
    if ((connection->flags & CONNECTION_SACK) || cold->loss->sacked_bytes == 0)
        return 0;
    uint32_t acked = acknowledgement - connection->snd_una;
    uint32_t behind_hole = acked > connection->mss_bytes ? acked - connection->mss_bytes : 0;
    uint32_t gone = u32_min(behind_hole, cold->loss->sacked_bytes);
    tcp_loss_take(cold)->sacked_bytes -= gone;
    return gone;
}

/* One segment is missing still, or they would be acknowledged too; at the end all of them are. */
static void bound_duplicates(const struct tcp_connection *connection, struct tcp_cold *cold)
{
    if ((connection->flags & CONNECTION_SACK) || cold->loss->sacked_bytes == 0)
        return;
    uint32_t outstanding = connection->snd_nxt - connection->snd_una;
    uint32_t behind_hole = outstanding - u32_min(outstanding, connection->mss_bytes);
    struct tcp_loss *loss = tcp_loss_take(cold);
    loss->sacked_bytes = u32_min(loss->sacked_bytes, behind_hole);
}

static void take_acknowledged(struct tcp_stack *stack, struct tcp_connection *connection,
                              struct tcp_cold *cold, uint32_t acknowledgement,
                              struct ack_news *news)
{
    uint32_t counted_bytes = forget_duplicates(connection, cold, acknowledgement);
    bool was_retransmitted = false;
    struct packet *packet;
    while ((packet = connection->send_head) != connection->send_next &&
           !seq_after(packet_sequence_end(packet), acknowledgement)) {
        was_retransmitted |= (packet->tx.flags & TX_RETRANSMITTED) != 0;
        packet_forget_lost(cold, packet);
        if (packet->tx.flags & TX_SACKED)
            tcp_loss_take(cold)->sacked_bytes -= packet_sequence_bytes(packet);
        else
            packet_delivered(stack, connection, cold, packet, news);
        send_head_free(stack, connection);
    }
    news->delivered_bytes += head_trim(connection, cold, acknowledgement);
    news->delivered_bytes -= u32_min(news->delivered_bytes, counted_bytes);
    /* What waited behind a hole was not on the way for so long (Karn, for cumulative numbers). */
    if (was_retransmitted)
        news->rtt_us = 0;
    connection->snd_una = acknowledgement;
    bound_duplicates(connection, cold);
    news->has_news = true;
}

/* ---- finding losses ---- */

/* RFC 8985 6.2 step 4. */
static uint32_t reorder_window_us(const struct tcp_connection *connection,
                                  const struct tcp_loss *loss)
{
    if (!loss->reordering_seen &&
        (loss->recovery != TCP_OPEN ||
         loss->sacked_bytes >= DUPLICATES_MIN * (uint32_t)connection->mss_bytes))
        return 0;
    uint32_t window = loss->rtt_us_min / 4 * (1u + loss->reorder_windows);
    return u32_min(window, connection->srtt_us8 >> 3);
}

/* What arrived twice came late the first time: more patience, by one step a round trip. */
static void reorder_window_grow(const struct tcp_connection *connection, struct tcp_loss *loss,
                                uint32_t una_before)
{
    loss->reorder_persists = REORDER_PERSISTS;
    if (loss->reorder_windows > 0 && seq_before(una_before, loss->reorder_round_end))
        return;
    loss->reorder_round_end = connection->snd_nxt;
    if (loss->reorder_windows < REORDER_WINDOWS_MAX)
        loss->reorder_windows++;
}

uint64_t tcp_loss_patience_ns(const struct tcp_connection *connection, const struct tcp_loss *loss)
{
    return ((uint64_t)loss->rack_rtt_us + reorder_window_us(connection, loss)) * 1000;
}

/* Packets of one burst have the same time; then their order on the wire counts. */
static bool left_before_rack(const struct tcp_loss *loss, const struct packet *packet)
{
    return packet->tx.sent_ns < loss->rack_sent_ns ||
           (packet->tx.sent_ns == loss->rack_sent_ns &&
            seq_before(packet_sequence_end(packet), loss->rack_end));
}

static void rack_timer_arm(struct tcp_stack *stack, struct tcp_connection *connection,
                           struct tcp_cold *cold, uint64_t wait_ns)
{
    cold->retransmit_timer = TCP_TIMER_RACK;
    connection->retransmit_tick =
        tcp_tick_at(stack->now_tick, 1 + (uint32_t)(wait_ns >> TCP_TICK_SHIFT));
    tcp_timer_update(stack, connection, connection->retransmit_tick);
}

/* RFC 8985 6.2 step 5. True: something is lost that was not before. */
static bool rack_detect(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct tcp_cold *cold)
{
    if (cold->loss->rack_sent_ns == 0)
        return false;
    uint64_t patience = tcp_loss_patience_ns(connection, cold->loss);
    uint64_t wait_ns = 0;
    bool has_lost = false;
    for (struct packet *packet = connection->send_head; packet != connection->send_next;
         packet = packet->next) {
        if ((packet->tx.flags & (TX_SACKED | TX_LOST)) || !left_before_rack(cold->loss, packet))
            continue;
        uint64_t due_ns = packet->tx.sent_ns + patience;
        if (due_ns <= stack->now_ns) {
            packet_mark_lost(cold, packet);
            has_lost = true;
        } else if (due_ns - stack->now_ns > wait_ns) {
            wait_ns = due_ns - stack->now_ns;
        }
    }
    if (wait_ns > 0)
        rack_timer_arm(stack, connection, cold, wait_ns);
    return has_lost;
}

/* RFC 6582: without SACK only the first outstanding packet can be known to be lost. */
static bool newreno_detect(struct tcp_connection *connection, struct tcp_cold *cold,
                           bool is_partial)
{
    const struct tcp_loss *loss = cold->loss;
    struct packet *head = connection->send_head;
    if (!head || head == connection->send_next || (head->tx.flags & TX_LOST))
        return false;
    /* Duplicates at the end of a recovery answer what was sent again in it (3.2, step 2). */
    bool is_echo = loss->recovery == TCP_LOSS || connection->snd_una == loss->recover_sequence;
    if (!is_partial && (loss->duplicate_acks != DUPLICATES_MIN || is_echo))
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
    tcp_undo_begin(connection, loss, false);
    loss->recovery = TCP_RECOVERY;
    loss->recover_sequence = connection->snd_nxt;
    loss->prr_flight_bytes = u32_max(connection->snd_nxt - connection->snd_una, 1);
    loss->prr_delivered_bytes = 0;
    loss->prr_out_bytes = 0;
    loss->tlp_in_flight = false;
    tcp_congestion_lost(stack, connection, cold);
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
    loss->frto = TCP_FRTO_OFF;
    loss->duplicate_acks = 0;
    if (loss->reorder_persists > 0 && --loss->reorder_persists == 0)
        loss->reorder_windows = 0;
}

/* What was marked as lost was not, and the window is what it was. */
static void recovery_undo(struct tcp_stack *stack, struct tcp_connection *connection,
                          struct tcp_cold *cold)
{
    struct tcp_loss *loss = tcp_loss_take(cold);
    if (loss->recovery != TCP_OPEN) {
        for (struct packet *packet = connection->send_head; packet != connection->send_next;
             packet = packet->next)
            packet_forget_lost(cold, packet);
        loss->reordering_seen |= !loss->undo.is_timeout;
        loss->backoff = 0;
        loss->rack_sent_ns = 0; /* of which sending it was is in doubt */
        leave_recovery(connection, cold);
    }
    tcp_undo(stack, connection, loss);
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

/*
 * Karn: an acknowledgement of what was sent twice measures no round trip. An echoed timestamp would
 * (RFC 7323 4.1), but where acknowledgements are lost that is as long as the last timeouts: it is
 * taken only when there is nothing better yet, and not when it would itself hold up what follows.
 */
static uint32_t round_trip_of(const struct tcp_stack *stack,
                              const struct tcp_connection *connection, const struct ack_news *news)
{
    if (news->rtt_us != 0 || connection->srtt_us8 != 0 || !news->undo.is_advance ||
        !news->undo.has_timestamp)
        return news->rtt_us;
    uint32_t ticks = stack->now_tick - news->undo.timestamp_tick;
    if (ticks > tcp_ticks_of_ms(TCP_RTO_INITIAL_MS))
        return 0;
    return u32_max(ticks, 1) * TCP_TICK_US;
}

static void round_trip_learned(struct tcp_stack *stack, struct tcp_connection *connection,
                               struct tcp_cold *cold, uint32_t rtt_us)
{
    tcp_round_trip(stack, connection, rtt_us);
    struct tcp_loss *own = connection_own_loss(cold);
    if (!own)
        return;
    own->rtt_us_min = own->rtt_us_min == 0 ? rtt_us : u32_min(own->rtt_us_min, rtt_us);
    own->backoff = 0; /* RFC 6298 5: not before there is a new measurement */
}

static void progress(struct tcp_stack *stack, struct tcp_connection *connection,
                     struct tcp_cold *cold, bool has_timestamp)
{
    struct tcp_loss *own = connection_own_loss(cold);
    if (own) {
        own->stalled_tick = 0;
        own->duplicate_acks = 0;
        /*
         * RFC 6298 5: it stays until a round trip was measured. A timestamp tells as well that this
         * was no late answer; and where all is sent twice no measurement may ever come.
         */
        own->backoff = has_timestamp ? 0 : (uint8_t)u32_min(own->backoff, BACKOFF_KEPT_MAX);
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
    if (!cold->loss->tlp_in_flight)
        return;
    struct tcp_loss *loss = tcp_loss_take(cold);
    if (loss->recovery !=
        TCP_OPEN) { /* whatever arrived, the timer is there for the next silence */
        loss->tlp_in_flight = !news->has_news;
        return;
    }
    if (seq_before(connection->snd_una, loss->tlp_end))
        return;
    bool has_mended;
    if (!loss->tlp_was_retransmission || news->has_duplicate) {
        has_mended = false; /* new data arrived, or the original did too */
    } else if (news->undo.is_advance && news->undo.has_timestamp) {
        has_mended = !seq_before(news->undo.timestamp_tick, loss->tlp_tick);
    } else if (seq_after(connection->snd_una, loss->tlp_end)) {
        has_mended = true; /* only one of the two has been acknowledged */
    } else if (!news->undo.is_advance) {
        has_mended = false; /* a duplicate: both arrived */
    } else {
        return; /* the next one tells */
    }
    loss->tlp_in_flight = false;
    if (!has_mended)
        return;
    tcp_congestion_lost(stack, connection, cold);
    connection->cwnd_bytes = u32_min(connection->cwnd_bytes, loss->congestion.ssthresh_bytes);
}

/* RFC 2883: tells what was sent twice for nothing. */
static void duplicate_reported(const struct tcp_connection *connection, struct tcp_cold *cold,
                               const struct ack_news *news)
{
    struct tcp_loss *loss = tcp_loss_take(cold);
    bool is_of_probe = loss->tlp_in_flight && loss->tlp_was_retransmission &&
                       news->duplicate.right == loss->tlp_end;
    if (is_of_probe) /* a probe is no mistake */
        return;
    reorder_window_grow(connection, loss, news->una_before);
    tcp_undo_duplicate(loss, news->una_before, news->duplicate.left, news->duplicate.right,
                       connection->mss_bytes);
}

static void window_grow(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct tcp_cold *cold, uint32_t acked_bytes, uint32_t delivered_bytes)
{
    if (cold->loss->recovery == TCP_RECOVERY) {
        prr_update(connection, cold, delivered_bytes);
        return;
    }
    if (cold->loss->recovery == TCP_LOSS) /* what was reported before the timeout is no news */
        acked_bytes = u32_min(acked_bytes, delivered_bytes);
    if (acked_bytes > 0 &&
        (cold->loss->recovery == TCP_LOSS || (connection->flags & CONNECTION_CWND_LIMITED))) {
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
    news->undo.has_sacked = true;
}

static struct ack_news news_of(const struct tcp_connection *connection, struct tcp_cold *cold,
                               const struct packet *packet)
{
    struct ack_news news = {.una_before = connection->snd_una,
                            .acknowledgement = packet->rx.acknowledgement,
                            .known_end = connection->snd_una};
    struct tcp_loss *own = connection_own_loss(cold);
    news.undo.is_advance = seq_after(packet->rx.acknowledgement, connection->snd_una);
    news.undo.has_timestamp = (packet->rx.option_flags & TCP_OPTION_TIMESTAMP) &&
                              (connection->flags & CONNECTION_TIMESTAMPS);
    news.undo.timestamp_tick = packet->rx.timestamp_echo - cold->timestamp_offset;
    if (own) {
        if (!seq_between(connection->snd_una, own->sacked_end, connection->snd_nxt))
            own->sacked_end = connection->snd_una; /* of long ago */
        news.known_end = own->sacked_end;
    }
    return news;
}

/* The peer's window has opened again. */
static void end_persisting(struct tcp_stack *stack, struct tcp_connection *connection,
                           struct tcp_cold *cold)
{
    cold->retransmit_timer = TCP_TIMER_RTO;
    connection->retransmit_tick = 0;
    if (cold->loss->backoff > 0)
        tcp_loss_take(cold)->backoff = 0;
    if (connection->snd_una != connection->snd_nxt)
        tcp_retransmit_arm(stack, connection);
}

/* True: something is lost that was not before. */
static bool losses_found(struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold, const struct ack_news *news)
{
    if (!news->has_news || connection->snd_una == connection->snd_nxt)
        return false;
    if (connection->flags & CONNECTION_SACK)
        return rack_detect(stack, connection, cold);
    bool is_partial = news->undo.is_advance && cold->loss->recovery == TCP_RECOVERY;
    return newreno_detect(connection, cold, is_partial);
}

void tcp_acknowledge(struct tcp_stack *stack, struct tcp_connection *connection,
                     struct tcp_cold *cold, const struct packet *packet)
{
    struct ack_news news = news_of(connection, cold, packet);
    uint32_t window_before = connection->snd_wnd_bytes;
    window_update(connection, cold, packet);
    if ((packet->rx.option_flags & TCP_OPTION_SACK) && (connection->flags & CONNECTION_SACK))
        mark_sacked(stack, connection, cold, packet, &news);
    if (news.undo.is_advance)
        take_acknowledged(stack, connection, cold, packet->rx.acknowledgement, &news);
    else if (is_duplicate(connection, packet, window_before))
        count_duplicate(connection, cold, &news);
    uint32_t rtt_us = round_trip_of(stack, connection, &news);
    if (rtt_us != 0)
        round_trip_learned(stack, connection, cold, rtt_us);
    if (news.undo.is_advance)
        progress(stack, connection, cold, news.undo.has_timestamp);
    if (news.has_duplicate)
        duplicate_reported(connection, cold, &news);
    probe_answered(stack, connection, cold, &news);

    struct tcp_loss *own = connection_own_loss(cold);
    bool is_recovered = cold->loss->recovery != TCP_OPEN &&
                        !seq_before(connection->snd_una, cold->loss->recover_sequence);
    news.undo.is_complete = is_recovered;
    bool is_undone = own && tcp_undo_is_due(connection, own, &news.undo);
    if (is_undone)
        recovery_undo(stack, connection, cold);
    else if (is_recovered)
        leave_recovery(connection, cold);
    if (losses_found(stack, connection, cold, &news))
        enter_recovery(stack, connection, cold);
    if (!is_recovered && !is_undone)
        window_grow(stack, connection, cold, connection->snd_una - news.una_before,
                    news.delivered_bytes);
    if (news.has_news && cold->loss->recovery != TCP_OPEN)
        tcp_probe_put_off(stack, connection);
    if (connection->snd_wnd_bytes > 0 && cold->retransmit_timer == TCP_TIMER_PERSIST)
        end_persisting(stack, connection, cold);
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
