/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_undo.h"

#include "dataplane/tcp_congestion.h"
#include "dataplane/tcp_internal.h"

void tcp_undo_begin(const struct tcp_connection *connection, struct tcp_loss *loss, bool is_timeout)
{
    loss->undo = (struct tcp_undo){
        .una = connection->snd_una,
        .cwnd_bytes = connection->cwnd_bytes,
        .ssthresh_bytes = loss->congestion.ssthresh_bytes,
        .w_max_bytes = loss->congestion.w_max_bytes,
        .is_possible = true,
        .is_timeout = is_timeout,
    };
}

void tcp_undo_retransmitted(const struct tcp_stack *stack, struct tcp_loss *loss)
{
    struct tcp_undo *undo = &loss->undo;
    if (!undo->has_retransmitted) {
        undo->has_retransmitted = true;
        undo->first_tick = stack->now_tick;
    }
    if (undo->retransmits < UINT16_MAX)
        undo->retransmits++;
}

void tcp_undo_duplicate(struct tcp_loss *loss, uint32_t una, uint32_t left, uint32_t right,
                        uint32_t mss_bytes)
{
    struct tcp_undo *undo = &loss->undo;
    bool is_of_episode = seq_after(right, undo->una) && !seq_after(right, una);
    if (!undo->is_possible || !is_of_episode)
        return;
    for (uint32_t bytes = right - left; undo->retransmits > 0; bytes -= mss_bytes) {
        undo->retransmits--;
        if (bytes <= mss_bytes)
            return;
    }
}

/* RFC 3522: what acknowledges the first of them answers a segment older than any sent again. */
static bool answers_original(const struct tcp_undo *undo, const struct tcp_undo_news *news)
{
    return news->is_advance && news->has_timestamp && undo->has_retransmitted &&
           seq_before(news->timestamp_tick, undo->first_tick);
}

static bool may_send_new(const struct tcp_connection *connection, const struct tcp_loss *loss)
{
    uint32_t room = u32_min(connection->snd_wnd_bytes, loss->stack->config.send_budget_bytes);
    return connection->send_next &&
           connection->snd_nxt - connection->snd_una + connection->mss_bytes <= room;
}

/* RFC 5682 3.1, steps 2 and 3. */
static void frto_step(const struct tcp_connection *connection, struct tcp_loss *loss,
                      const struct tcp_undo_news *news)
{
    if (loss->frto == TCP_FRTO_SENDS_NEW && (news->has_sacked || news->is_advance)) {
        loss->frto = TCP_FRTO_OFF; /* 3a: the loss was real */
    } else if (loss->frto == TCP_FRTO_WAITS && news->is_advance) {
        /* With timestamps this acknowledgement has already answered the question. */
        bool is_open = !news->is_complete && !news->has_timestamp && may_send_new(connection, loss);
        loss->frto = is_open ? TCP_FRTO_SENDS_NEW : TCP_FRTO_OFF;
    }
}

bool tcp_undo_is_due(struct tcp_connection *connection, struct tcp_loss *loss,
                     const struct tcp_undo_news *news)
{
    const struct tcp_undo *undo = &loss->undo;
    if (!undo->is_possible)
        return false;
    bool all_arrived_twice = undo->has_retransmitted && undo->retransmits == 0;
    bool is_due = all_arrived_twice;
    if (loss->recovery != TCP_OPEN)
        is_due |= answers_original(undo, news);
    if (loss->recovery == TCP_LOSS && loss->frto != TCP_FRTO_OFF) {
        is_due |= news->has_original; /* 3b */
        if (!is_due)
            frto_step(connection, loss, news);
    }
    return is_due;
}

bool tcp_undo_prefers_new_data(const struct tcp_connection *connection, const struct tcp_loss *loss)
{
    return loss->frto == TCP_FRTO_SENDS_NEW && may_send_new(connection, loss);
}

void tcp_undo(struct tcp_stack *stack, struct tcp_connection *connection, struct tcp_loss *loss)
{
    count(stack->counters,
          loss->undo.is_timeout ? COUNTER_TCP_SPURIOUS_TIMEOUTS : COUNTER_TCP_SPURIOUS_RECOVERIES);
    tcp_congestion_restore(connection, loss);
    loss->undo.is_possible = false;
    loss->frto = TCP_FRTO_OFF;
}
