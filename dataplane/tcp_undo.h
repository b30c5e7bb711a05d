/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_undo.h - was it wrong to send again? Then the window is what it was before.
 *
 * Purpose:   Eifel detection by timestamps, F-RTO and D-SACK for one lowering of the window at a
 *            time, and the way back from it.
 * Ownership: struct tcp_undo and the frto field of the connection's struct tcp_loss.
 * Threading: one worker.
 * Units:     bytes, ticks.
 * Errors:    none.
 * Source:    RFC 3522 (Eifel detection), RFC 5682 3.1 (F-RTO, SACK-enhanced), RFC 3708 (D-SACK),
 *            RFC 4015 and RFC 9438 4.9 (the response).
 */
#ifndef GANNET_TCP_UNDO_H
#define GANNET_TCP_UNDO_H

#include "dataplane/tcp_connection.h"

struct tcp_stack;

/* What one acknowledgement says that bears on it. */
struct tcp_undo_news {
    bool is_advance;         /* snd_una moved */
    bool is_complete;        /* ... to the end of what was under way when the loss was found */
    bool has_sacked;         /* something was newly sacked, or this is a duplicate */
    bool has_original;       /* a packet sent before the timeout arrived, never sent again */
    bool has_timestamp;      /* echoes one of ours: */
    uint32_t timestamp_tick; /* ... of that tick */
};

/* Right before the window is lowered. */
void tcp_undo_begin(const struct tcp_connection *connection, struct tcp_loss *loss,
                    bool is_timeout);
/* A packet of the episode was sent again. */
void tcp_undo_retransmitted(const struct tcp_stack *stack, struct tcp_loss *loss);
/* D-SACK: [left, right) arrived twice. `una` is from before the acknowledgement. */
void tcp_undo_duplicate(struct tcp_loss *loss, uint32_t una, uint32_t left, uint32_t right,
                        uint32_t mss_bytes);
/* True: the window was lowered for nothing. Moves F-RTO on. */
bool tcp_undo_is_due(struct tcp_connection *connection, struct tcp_loss *loss,
                     const struct tcp_undo_news *news);
/* F-RTO: new data goes first, if there is some that the peer's window lets go. */
bool tcp_undo_prefers_new_data(const struct tcp_connection *connection,
                               const struct tcp_loss *loss);
/* The window as it was; taking back the marks of loss is the caller's. */
void tcp_undo(struct tcp_stack *stack, struct tcp_connection *connection, struct tcp_loss *loss);

#endif
