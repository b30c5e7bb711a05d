/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers are lazy: a deadline is a field, the wheel is only told when it must fire earlier than it
 * would anyway. What fires finds out which deadlines have really passed and arms the wheel again.
 */
#include "dataplane/ethernet.h"
#include "dataplane/packet_build.h"
#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_loss.h"
#include "dataplane/tcp_output.h"
#include "dataplane/tcp_path_mtu.h"

#define TIMERS_PER_ROUND_MAX 1024u
#define TIMER_BATCH 64u
#define TLP_SLACK_US 2000u
#define KEEPALIVE_PROBE_MS 75000u
#define UNRESOLVED_RETRY_MS 20u
#define FIN_RETRY_MS 20u

uint32_t tcp_rto_ticks(const struct tcp_stack *stack, const struct tcp_connection *connection,
                       const struct tcp_cold *cold)
{
    uint32_t ticks;
    if (connection->srtt_us8 == 0) {
        bool has_lost_syn = cold->retransmitted_syn && connection->state >= TCP_ESTABLISHED;
        ticks = tcp_ticks_of_ms(has_lost_syn ? TCP_RTO_LOST_SYN_MS /* RFC 6298 5.7 */
                                             : TCP_RTO_INITIAL_MS /* 2.1 */);
    } else {
        uint64_t us =
            (connection->srtt_us8 >> 3) + (uint64_t)u32_max(connection->rttvar_us4, TCP_TICK_US);
        ticks = u32_max(tcp_ticks_of_us(us), stack->rto_ticks_min);
    }
    uint64_t backed_off = (uint64_t)ticks << cold->loss->backoff;
    uint32_t most = tcp_ticks_of_ms(TCP_RTO_MAX_MS);
    return backed_off > most ? most : (uint32_t)backed_off;
}

/*
 * RFC 8985 7.2: when a probe goes out instead of waiting for the RTO; 0: it does not. Beyond the
 * RFC, recoveries are probed too, once until something arrives (as in RFC 9002 6.2): what was sent
 * again may be lost again, and then nothing else would tell before the RTO.
 */
static uint32_t probe_ticks(const struct tcp_stack *stack, const struct tcp_connection *connection,
                            const struct tcp_cold *cold)
{
    const struct tcp_loss *loss = cold->loss;
    if (!(connection->flags & CONNECTION_SACK) || loss->tlp_in_flight || loss->backoff > 0 ||
        connection->srtt_us8 == 0 || connection->state < TCP_ESTABLISHED)
        return 0;
    /* A peer without holes may wait before it acknowledges less than two full segments. */
    bool may_wait = connection->snd_nxt - connection->snd_una <= connection->mss_bytes &&
                    loss->recovery == TCP_OPEN;
    uint64_t us = connection->srtt_us8 >> 2;
    us += may_wait ? stack->tlp_ack_delay_us : TLP_SLACK_US;
    return tcp_ticks_of_us(us) + 1;
}

/* Nothing can have left yet. With a stand-in for the right address it does. */
static bool has_no_next_hop(const struct tcp_cold *cold)
{
    return !cold->path_ready && (!cold->path_known || ethernet_address_is_zero(cold->next_hop_mac));
}

void tcp_retransmit_arm(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct tcp_cold *cold = connection_cold(connection);
    uint32_t ticks;
    if (connection->snd_una == connection->snd_nxt) {
        if (!connection->send_next) {
            cold->retransmit_timer = TCP_TIMER_RTO;
            connection->retransmit_tick = 0;
            return;
        }
        cold->retransmit_timer = TCP_TIMER_PERSIST;
        connection->flags |= CONNECTION_UNPREDICTABLE;
        ticks = tcp_rto_ticks(stack, connection, cold);
    } else {
        uint32_t probe = probe_ticks(stack, connection, cold);
        cold->retransmit_timer = TCP_TIMER_TLP;
        ticks = probe;
        /* with a round trip known no RTO is shorter than the least: then it need not be computed */
        if (probe == 0 || UNLIKELY(probe >= stack->rto_ticks_min)) {
            ticks = tcp_rto_ticks(stack, connection, cold);
            if (probe != 0 && probe < ticks)
                ticks = probe;
            else
                cold->retransmit_timer = TCP_TIMER_RTO;
        }
    }
    if (UNLIKELY(!cold->path_ready) && has_no_next_hop(cold))
        ticks = u32_min(ticks, tcp_ticks_of_ms(UNRESOLVED_RETRY_MS));
    connection->retransmit_tick = tcp_tick_at(stack->now_tick, ticks);
    tcp_timer_update(stack, connection, connection->retransmit_tick);
}

void tcp_probe_put_off(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct tcp_cold *cold = connection_cold(connection);
    if (cold->retransmit_timer != TCP_TIMER_TLP || connection->snd_una == connection->snd_nxt)
        return;
    tcp_retransmit_arm(stack, connection);
    uint32_t expires_tick = tcp_tick_at(tcp_tick(connection->send_head->tx.sent_ns),
                                        tcp_rto_ticks(stack, connection, cold));
    if ((int32_t)(connection->retransmit_tick - expires_tick) <= 0)
        return;
    connection->retransmit_tick = expires_tick;
    tcp_timer_update(stack, connection, expires_tick);
}

void tcp_timer_update_slow(struct tcp_stack *stack, struct tcp_connection *connection,
                           uint32_t deadline_tick)
{
    if (connection->state == TCP_CLOSED)
        return;
    timer_wheel_arm(stack->wheel, connection_index(stack, connection), deadline_tick);
    connection->armed_tick = deadline_tick;
}

static void give_up(struct tcp_stack *stack, struct tcp_connection *connection)
{
    count(stack->counters, COUNTER_TCP_TIMEOUTS);
    tcp_send_reset(stack, connection);
    tcp_connection_end(stack, connection);
}

/* RFC 9293 3.8.3: no progress for the user timeout. True: the connection is gone. */
static bool gave_up_on_peer(struct tcp_stack *stack, struct tcp_connection *connection,
                            struct tcp_cold *cold, uint32_t silent_since_tick)
{
    struct tcp_loss *loss = tcp_loss_take(cold);
    if (loss->stalled_tick == 0)
        loss->stalled_tick = tcp_tick_at(silent_since_tick, 0);
    if (stack->now_tick - loss->stalled_tick < stack->user_timeout_ticks)
        return false;
    give_up(stack, connection);
    return true;
}

/* Since the last probe, which left `ticks` ago; a timer may be late. */
static bool was_heard_within(const struct tcp_stack *stack, const struct tcp_connection *connection,
                             uint32_t ticks)
{
    return stack->now_tick - connection->last_received_tick <= ticks + ticks / 4;
}

static void syn_timed_out(struct tcp_stack *stack, struct tcp_connection *connection,
                          struct tcp_cold *cold)
{
    if (!has_no_next_hop(cold)) {
        if (cold->loss->backoff >= TCP_SYN_RETRIES_MAX) {
            count(stack->counters, COUNTER_TCP_TIMEOUTS);
            tcp_connection_end(stack, connection);
            return;
        }
        tcp_loss_take(cold)->backoff++;
        cold->retransmitted_syn = true;
        cold->syn_sent_us = 0;
        count(stack->counters, COUNTER_TCP_RETRANSMITS_TIMEOUT);
    } else if (gave_up_on_peer(stack, connection, cold, stack->now_tick)) {
        return;
    }
    connection->retransmit_tick = 0;
    tcp_send_syn(stack, connection);
}

/*
 * The peer's window is shut (or smaller than a segment worth sending): ask. A window that is open a
 * little gets what fits, since this is the override timeout of RFC 1122 4.2.3.4.
 */
static void persist_timed_out(struct tcp_stack *stack, struct tcp_connection *connection,
                              struct tcp_cold *cold)
{
    uint32_t waited = tcp_rto_ticks(stack, connection, cold);
    bool has_probed = cold->loss->backoff > 0;
    if (!has_probed || was_heard_within(stack, connection, waited))
        tcp_loss_take(cold)->stalled_tick = 0;
    else if (gave_up_on_peer(stack, connection, cold, stack->now_tick - waited))
        return;
    struct packet *packet = connection->send_next;
    uint32_t open_bytes = connection->snd_wnd_bytes;
    if (packet && open_bytes > 0) {
        uint32_t first = u32_min(open_bytes, connection->mss_bytes);
        if (first < packet->tx.payload_bytes)
            tcp_split_packet(stack, connection, packet, first);
        /* Half of the largest window no longer counts: send what fits. */
        cold->snd_wnd_bytes_max = open_bytes;
        connection_wants_output(stack, connection);
    } else {
        count(stack->counters, COUNTER_TCP_WINDOW_PROBES);
        tcp_send_probe(stack, connection);
    }
    if (cold->loss->backoff < 12)
        tcp_loss_take(cold)->backoff++;
    tcp_retransmit_arm(stack, connection);
}

static void retransmit_timed_out(struct tcp_stack *stack, struct tcp_connection *connection,
                                 struct tcp_cold *cold)
{
    connection->retransmit_tick = 0;
    if (connection->state < TCP_ESTABLISHED) {
        syn_timed_out(stack, connection, cold);
        return;
    }
    switch (cold->retransmit_timer) {
    case TCP_TIMER_PERSIST:
        persist_timed_out(stack, connection, cold);
        return;
    case TCP_TIMER_TLP:
        tcp_loss_probe(stack, connection, cold);
        return;
    case TCP_TIMER_RACK:
        tcp_loss_detect(stack, connection, cold);
        return;
    default:
        break;
    }
    if (connection->snd_una == connection->snd_nxt)
        return;
    uint32_t waited = tcp_rto_ticks(stack, connection, cold);
    /* A peer that took its window back, and says so each time, may do that for ever (3.8.6.1). */
    if (connection->snd_wnd_bytes == 0 && was_heard_within(stack, connection, waited))
        tcp_loss_take(cold)->stalled_tick = 0;
    else if (gave_up_on_peer(stack, connection, cold, stack->now_tick - waited))
        return;
    tcp_path_mtu_suspect(stack, connection, cold);
    tcp_loss_timed_out(stack, connection, cold);
}

static void probes_answered(struct tcp_connection *connection, struct tcp_cold *cold)
{
    if (cold->loss->keepalive_probes == 0)
        return;
    tcp_loss_take(cold)->keepalive_probes = 0;
    tcp_predictability(connection, cold);
}

void tcp_keepalive_arm(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct tcp_cold *cold = connection_cold(connection);
    if (stack->keepalive_ticks == 0) {
        cold->keepalive_tick = 0;
        return;
    }
    cold->keepalive_tick = tcp_tick_at(stack->now_tick, stack->keepalive_ticks);
    tcp_timer_update(stack, connection, cold->keepalive_tick);
}

static uint32_t keepalive_interval_ticks(const struct tcp_stack *stack)
{
    if (stack->config.keepalive_interval_ms != 0)
        return tcp_ticks_of_ms(stack->config.keepalive_interval_ms);
    return u32_min(stack->keepalive_ticks, tcp_ticks_of_ms(KEEPALIVE_PROBE_MS));
}

static void keepalive_timed_out(struct tcp_stack *stack, struct tcp_connection *connection,
                                struct tcp_cold *cold)
{
    uint32_t idle = stack->now_tick - connection->last_received_tick;
    uint32_t interval = keepalive_interval_ticks(stack);
    uint32_t probes_max =
        stack->config.keepalive_probes ? stack->config.keepalive_probes : TCP_KEEPALIVE_PROBES_MAX;
    uint32_t last_probe_tick = cold->keepalive_tick - interval;
    if (cold->loss->keepalive_probes > 0 &&
        (int32_t)(connection->last_received_tick - last_probe_tick) >= 0)
        probes_answered(connection, cold);
    if (idle < stack->keepalive_ticks || connection->snd_una != connection->snd_nxt) {
        probes_answered(connection, cold);
        uint32_t rest = idle < stack->keepalive_ticks ? stack->keepalive_ticks - idle : interval;
        cold->keepalive_tick = tcp_tick_at(stack->now_tick, rest);
        return;
    }
    if (cold->loss->keepalive_probes >= probes_max) {
        give_up(stack, connection);
        return;
    }
    tcp_loss_take(cold)->keepalive_probes++;
    count(stack->counters, COUNTER_TCP_KEEPALIVE_PROBES);
    tcp_send_probe(stack, connection);
    cold->keepalive_tick = tcp_tick_at(stack->now_tick, interval);
}

void tcp_fin_put_off(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct tcp_cold *cold = connection_cold(connection);
    cold->fin_wait_tick = tcp_tick_at(stack->now_tick, tcp_ticks_of_ms(FIN_RETRY_MS));
    tcp_timer_update(stack, connection, cold->fin_wait_tick);
}

static void fin_wait_timed_out(struct tcp_stack *stack, struct tcp_connection *connection,
                               struct tcp_cold *cold)
{
    uint32_t idle = stack->now_tick - connection->last_received_tick;
    cold->fin_wait_tick = 0;
    if (connection->state == TCP_FIN_WAIT_2 && idle < stack->fin_wait_ticks)
        cold->fin_wait_tick = tcp_tick_at(stack->now_tick, stack->fin_wait_ticks - idle);
    else if (connection->state == TCP_FIN_WAIT_2 || connection->state == TCP_TIME_WAIT)
        tcp_connection_end(stack, connection);
    else if (connection->flags & CONNECTION_FIN_WANTED)
        connection_wants_output(stack, connection);
}

static uint32_t earlier(uint32_t deadline_tick, uint32_t other_tick)
{
    if (other_tick == 0)
        return deadline_tick;
    return deadline_tick == 0 || (int32_t)(other_tick - deadline_tick) < 0 ? other_tick
                                                                           : deadline_tick;
}

static void rearm(struct tcp_stack *stack, struct tcp_connection *connection,
                  const struct tcp_cold *cold)
{
    uint32_t next = earlier(connection->retransmit_tick, connection->application_tick);
    next = earlier(next, cold->delayed_ack_tick);
    next = earlier(next, cold->fin_wait_tick);
    next = earlier(next, cold->keepalive_tick);
    if (next != 0)
        tcp_timer_update(stack, connection, next);
}

static void timer_fired(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct tcp_cold *cold = connection_cold(connection);
    uint32_t now = stack->now_tick;
    connection->armed_tick = 0;
    if (connection->state == TCP_CLOSED)
        return;
    if (tcp_tick_reached(connection->application_tick, now)) {
        connection->application_tick = 0;
        connection_event(stack, connection, TCP_EVENT_TIMER);
    }
    if (tcp_tick_reached(cold->delayed_ack_tick, now)) {
        cold->delayed_ack_tick = 0;
        if (connection->flags & CONNECTION_ACK_PENDING) {
            connection->flags |=
                CONNECTION_ACK_NOW; /* an answer of this round may still carry it */
            connection_wants_output(stack, connection);
        }
    }
    if (UNLIKELY(cold->path_mtu != 0))
        tcp_path_mtu_expire(stack, connection, cold);
    if (tcp_tick_reached(connection->retransmit_tick, now))
        retransmit_timed_out(stack, connection, cold);
    if (connection->state != TCP_CLOSED && tcp_tick_reached(cold->fin_wait_tick, now))
        fin_wait_timed_out(stack, connection, cold);
    if (connection->state != TCP_CLOSED && tcp_tick_reached(cold->keepalive_tick, now))
        keepalive_timed_out(stack, connection, cold);
    if (connection->state != TCP_CLOSED)
        rearm(stack, connection, cold);
}

void tcp_timers_run(struct tcp_stack *stack, uint64_t now_ns)
{
    stack_time(stack, now_ns);
    tcp_time_wait_expire(stack);
    tcp_syn_table_run(stack);
    uint32_t expired[TIMER_BATCH];
    for (uint32_t done = 0; done < TIMERS_PER_ROUND_MAX;) {
        uint32_t fired = timer_wheel_advance(stack->wheel, stack->now_tick, expired, TIMER_BATCH);
        for (uint32_t i = 0; i < fired; i++) /* one that ended is cancelled, not fired */
            timer_fired(stack, &stack->slots[expired[i]].connection);
        done += fired;
        if (fired < TIMER_BATCH)
            return;
    }
}

uint64_t tcp_next_timer_ns(const struct tcp_stack *stack)
{
    if (stack->output.head != stack->output.tail || stack->ready.head != stack->ready.tail)
        return stack->now_ns; /* the next round has work left over from this one */
    uint32_t ticks;
    bool is_armed = timer_wheel_next(stack->wheel, stack->now_tick, &ticks);
    if (stack->time_wait_head != stack->time_wait_tail) {
        const struct tcp_time_wait *entry =
            &stack->time_waits[stack->time_wait_head & stack->time_wait_mask];
        uint32_t left = entry->expires_tick - stack->now_tick;
        if (!entry->in_use || (int32_t)left < 0)
            left = 0;
        ticks = is_armed ? u32_min(ticks, left) : left;
        is_armed = true;
    }
    uint64_t next_ns = tcp_syn_table_next_ns(&stack->syn_table, stack->now_ns);
    if (is_armed) {
        uint64_t tick_start_ns = stack->now_ns >> TCP_TICK_SHIFT << TCP_TICK_SHIFT;
        uint64_t due_ns = tick_start_ns + ((uint64_t)ticks << TCP_TICK_SHIFT);
        next_ns = due_ns < next_ns ? due_ns : next_ns;
    }
    return next_ns;
}
