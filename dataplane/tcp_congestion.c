/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_congestion.h"

#include "dataplane/tcp_internal.h"

#define CWND_BYTES_MAX (1u << 30)

static uint32_t initial_window(const struct tcp_stack *stack,
                               const struct tcp_connection *connection)
{
    return stack->config.initial_window_segments * (uint32_t)connection->mss_bytes;
}

void tcp_congestion_open(const struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold)
{
    ASSERT_HOT(cold->loss->congestion.ssthresh_bytes == SSTHRESH_UNKNOWN);
    /* RFC 5681 3.1: a handshake that lost its SYN starts with one segment. */
    connection->cwnd_bytes =
        cold->retransmitted_syn ? connection->mss_bytes : initial_window(stack, connection);
}

static uint32_t cube_root(uint64_t value)
{
    uint64_t root = 0;
    for (int bit = 20; bit >= 0; bit--) {
        uint64_t trial = root | UINT64_C(1) << bit;
        if (trial * trial * trial <= value)
            root = trial;
    }
    return (uint32_t)root;
}

/* K = cbrt((w_max - cwnd) / C) with windows in segments, C = 0.4; in milliseconds. */
static uint32_t cubic_k_ms(uint32_t distance_bytes, uint32_t mss_bytes)
{
    /* (distance / mss) * 2.5 s^3 = distance * 2.5e9 / mss ms^3 */
    uint64_t cubed = (uint64_t)distance_bytes * UINT64_C(2500000000);
    return cube_root(cubed / mss_bytes); /* lint-allow: division: once per loss */
}

static uint32_t ticks_to_ms(uint32_t ticks)
{
    return (uint32_t)(((uint64_t)ticks * 1073) >> 10); /* a tick is 1.048576 ms */
}

static void cubic_epoch_begin(const struct tcp_stack *stack, struct tcp_connection *connection,
                              struct tcp_congestion *congestion)
{
    congestion->epoch_tick = tcp_tick_at(stack->now_tick, 0);
    congestion->epoch_cwnd_bytes = connection->cwnd_bytes;
    congestion->w_est_bytes = connection->cwnd_bytes;
    congestion->w_est_acked_bytes = 0;
    congestion->acked_bytes = 0;
    if (congestion->w_max_bytes <= connection->cwnd_bytes) {
        congestion->w_max_bytes = connection->cwnd_bytes;
        congestion->k_ms = 0;
    } else {
        congestion->k_ms =
            cubic_k_ms(congestion->w_max_bytes - connection->cwnd_bytes, connection->mss_bytes);
    }
}

/* W_cubic one round trip ahead (RFC 9438 4.2), kept within cwnd .. 1.5 cwnd (4.4). */
static uint32_t cubic_target(const struct tcp_stack *stack, const struct tcp_connection *connection,
                             const struct tcp_congestion *congestion)
{
    int64_t t_ms = (int64_t)ticks_to_ms(stack->now_tick - congestion->epoch_tick) +
                   (int64_t)(connection->srtt_us8 >> 13);
    int64_t offset_ms = t_ms - (int64_t)congestion->k_ms;
    const int64_t offset_ms_max = 1 << 17; /* about two minutes: the cube stays within 63 bits */
    if (offset_ms > offset_ms_max)
        offset_ms = offset_ms_max;
    if (offset_ms < -offset_ms_max)
        offset_ms = -offset_ms_max;
    int64_t cubed_s3 = (offset_ms * offset_ms * offset_ms) / 1000000; /* thousandths of s^3 */
    int64_t delta = cubed_s3 * 4 / 10 * connection->mss_bytes / 1000;
    int64_t target = (int64_t)congestion->w_max_bytes + delta;
    int64_t cwnd = connection->cwnd_bytes;
    if (target < cwnd)
        return (uint32_t)cwnd;
    return (uint32_t)(target > cwnd + cwnd / 2 ? cwnd + cwnd / 2 : target);
}

/* RFC 9438 4.3: what Reno would have, with alpha = 3 (1 - beta) / (1 + beta) = 9/17. */
static void cubic_follow_reno(struct tcp_connection *connection, struct tcp_congestion *congestion,
                              uint32_t acked_bytes)
{
    congestion->w_est_acked_bytes += acked_bytes;
    uint64_t needed = congestion->w_est_bytes;
    if (congestion->w_est_bytes < congestion->cwnd_prior_bytes)
        needed = needed * 17 / 9;
    if (congestion->w_est_acked_bytes >= needed) {
        congestion->w_est_acked_bytes -= (uint32_t)needed;
        congestion->w_est_bytes += connection->mss_bytes;
    }
}

static void cubic_acked(const struct tcp_stack *stack, struct tcp_connection *connection,
                        struct tcp_congestion *congestion, uint32_t acked_bytes)
{
    if (congestion->epoch_tick == 0)
        cubic_epoch_begin(stack, connection, congestion);
    cubic_follow_reno(connection, congestion, acked_bytes);
    uint32_t target = cubic_target(stack, connection, congestion);
    if (target < congestion->w_est_bytes) {
        connection->cwnd_bytes = u32_max(connection->cwnd_bytes, congestion->w_est_bytes);
        return;
    }
    /* (target - cwnd) / cwnd per byte acknowledged; whole segments at a time. The
     * division is paid only while the window is full and beyond slow start. */
    uint64_t growth = (uint64_t)(target - connection->cwnd_bytes) * acked_bytes;
    uint64_t price = (uint64_t)connection->cwnd_bytes;
    uint64_t earned = congestion->acked_bytes + growth / (price ? price : 1);
    uint32_t mss = connection->mss_bytes;
    while (earned >= mss) { /* few: an acknowledgement covers few segments */
        connection->cwnd_bytes += mss;
        earned -= mss;
    }
    congestion->acked_bytes = (uint32_t)earned;
}

static void newreno_acked(struct tcp_connection *connection, struct tcp_congestion *congestion,
                          uint32_t acked_bytes)
{
    congestion->acked_bytes += acked_bytes; /* RFC 3465: one segment per window acknowledged */
    if (congestion->acked_bytes >= connection->cwnd_bytes) {
        congestion->acked_bytes -= connection->cwnd_bytes;
        connection->cwnd_bytes += connection->mss_bytes;
    }
}

void tcp_congestion_acked(const struct tcp_stack *stack, struct tcp_connection *connection,
                          struct tcp_cold *cold, uint32_t acked_bytes)
{
    uint32_t ssthresh = cold->loss->congestion.ssthresh_bytes;
    if (connection->cwnd_bytes < ssthresh) {
        uint32_t room = ssthresh - connection->cwnd_bytes;
        uint32_t growth = u32_min(acked_bytes, room);
        connection->cwnd_bytes += growth;
        acked_bytes -= growth;
    }
    if (acked_bytes > 0) { /* beyond slow start: there was a loss */
        struct tcp_congestion *congestion = &tcp_loss_take(cold)->congestion;
        if (stack->config.use_newreno)
            newreno_acked(connection, congestion, acked_bytes);
        else
            cubic_acked(stack, connection, congestion, acked_bytes);
    }
    connection->cwnd_bytes = u32_min(connection->cwnd_bytes, CWND_BYTES_MAX);
}

/* RFC 9438 4.6 and 4.7 (fast convergence), RFC 5681 equation 4 for NewReno. */
static void lower_ssthresh(const struct tcp_stack *stack, struct tcp_connection *connection,
                           struct tcp_congestion *congestion)
{
    histogram_record(stack->counters, HISTOGRAM_TCP_WINDOW_AT_LOSS_BYTES, connection->cwnd_bytes);
    uint32_t outstanding = connection->snd_nxt - connection->snd_una;
    uint32_t window = u32_min(connection->cwnd_bytes, u32_max(outstanding, connection->mss_bytes));
    uint32_t lowered;
    if (stack->config.use_newreno) {
        lowered = window / 2;
    } else {
        lowered = (uint32_t)((uint64_t)window * 7 / 10);
        congestion->w_max_bytes = connection->cwnd_bytes < congestion->w_max_bytes
                                      ? (uint32_t)((uint64_t)connection->cwnd_bytes * 17 / 20)
                                      : connection->cwnd_bytes;
    }
    congestion->cwnd_prior_bytes = connection->cwnd_bytes;
    congestion->ssthresh_bytes = u32_max(lowered, 2u * connection->mss_bytes);
    congestion->epoch_tick = 0;
    congestion->acked_bytes = 0;
}

void tcp_congestion_lost(const struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold)
{
    lower_ssthresh(stack, connection, &tcp_loss_take(cold)->congestion);
}

void tcp_congestion_timed_out(const struct tcp_stack *stack, struct tcp_connection *connection,
                              struct tcp_cold *cold, bool is_first)
{
    struct tcp_congestion *congestion = &tcp_loss_take(cold)->congestion;
    if (is_first) /* RFC 5681 3.1: not again for the same data */
        lower_ssthresh(stack, connection, congestion);
    connection->cwnd_bytes = connection->mss_bytes;
    congestion->w_max_bytes = 0; /* RFC 9438 4.8: the plateau is where avoidance begins again */
    congestion->epoch_tick = 0;
    congestion->acked_bytes = 0;
}

void tcp_congestion_restore(struct tcp_connection *connection, struct tcp_loss *loss)
{
    struct tcp_congestion *congestion = &loss->congestion;
    const struct tcp_undo *undo = &loss->undo;
    connection->cwnd_bytes = u32_max(connection->cwnd_bytes, undo->cwnd_bytes);
    congestion->ssthresh_bytes = u32_max(congestion->ssthresh_bytes, undo->ssthresh_bytes);
    congestion->w_max_bytes = u32_max(congestion->w_max_bytes, undo->w_max_bytes);
    congestion->epoch_tick = 0; /* the same cube from here on */
    congestion->acked_bytes = 0;
}

void tcp_congestion_idle(const struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold)
{
    connection->cwnd_bytes = u32_min(connection->cwnd_bytes, initial_window(stack, connection));
    struct tcp_loss *own = connection_own_loss(cold);
    if (!own)
        return;
    own->congestion.epoch_tick = 0;
    own->congestion.acked_bytes = 0;
}
