/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conversation_check.h - what must be true of a TCP stack between two rounds, whatever came in.
 *
 * Purpose:   one call that walks every connection and its queues.
 * Ownership: reads the stack's insides; changes nothing.
 * Threading: the stack's.
 * Units:     bytes.
 * Errors:    an ASSERT that fails is a finding.
 * Source:    RFC 9293 3.3.1 (the variables), 2018, 6675.
 */
#ifndef GANNET_FUZZ_CONVERSATION_CHECK_H
#define GANNET_FUZZ_CONVERSATION_CHECK_H

#include <stdint.h>

struct tcp_stack;

void conversation_check(const struct tcp_stack *stack);
/* Packets in all send queues: no more than these may leave because of one frame, and its answer. */
uint32_t conversation_queued(const struct tcp_stack *stack);

#endif
