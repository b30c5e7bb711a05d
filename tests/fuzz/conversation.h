/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conversation.h - the input of fuzz_conversation: steps of peers that talk to a stack, and what
 *     the application and the clock do meanwhile.
 *
 * Purpose:   one step is one frame whose numbers are relative to the connection at hand, so that
 *            most of them reach the states behind the window check. Any bytes are steps: what a
 *            field cannot be is taken modulo what there is.
 * Ownership: none.
 * Threading: none.
 * Units:     bytes; numbers by which something differs are signed.
 * Errors:    none.
 * Source:    https://llvm.org/docs/LibFuzzer.html, LLVMFuzzerCustomMutator.
 */
#ifndef GANNET_FUZZ_CONVERSATION_H
#define GANNET_FUZZ_CONVERSATION_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define CONVERSATION_STEPS_MAX 128u
#define CONVERSATION_PEERS 8u /* the upper half of them speaks IPv6 */

enum step_kind {
    STEP_SEGMENT = 0,
    STEP_SILENCE, /* only time passes */
    STEP_ICMP_ERROR,
    STEP_CONNECT, /* we open a connection to the peer */
    STEP_KIND_COUNT,
};

/* What a sequence number or an acknowledgement is counted from. */
enum step_base {
    BASE_NEXT = 0,   /* rcv_nxt; snd_nxt */
    BASE_OLDEST,     /* what was acknowledged last; snd_una */
    BASE_WINDOW_END, /* of the window that was promised; snd_una and the peer's window */
    BASE_NOTHING,
    BASE_COUNT,
};

enum step_option {
    OPTION_MSS = 0x01,
    OPTION_WINDOW_SCALE = 0x02,
    OPTION_SACK_PERMITTED = 0x04,
    OPTION_TIMESTAMP = 0x08,
    OPTION_SACK = 0x10,
    OPTION_TWO_SACKS = 0x20,
    OPTION_UNKNOWN = 0x40,
    OPTION_BAD_LENGTH = 0x80,
};

enum step_damage {
    DAMAGE_NONE = 0,
    DAMAGE_TCP_CHECKSUM,
    DAMAGE_IP_CHECKSUM,
    DAMAGE_IP_LENGTH_MORE,
    DAMAGE_IP_LENGTH_LESS,
    DAMAGE_DATA_OFFSET,
    DAMAGE_CUT, /* the frame ends early */
    DAMAGE_OTHER_ADDRESS,
    DAMAGE_COUNT,
};

/* What the application does with every connection that is ready afterwards. */
enum step_behaviour {
    BEHAVIOUR_CONSUMES = 0x01,
    BEHAVIOUR_SENDS_LITTLE = 0x02,
    BEHAVIOUR_SENDS_MUCH = 0x04,
    BEHAVIOUR_CLOSES = 0x08,
    BEHAVIOUR_ABORTS = 0x10,
    BEHAVIOUR_TOUCHES_ALL = 0x20, /* those too that are not ready */
};

struct step {
    uint8_t kind, peer;
    uint8_t tcp_flags, options;
    uint8_t sequence_base, acknowledgement_base;
    uint8_t damage, behaviour;
    int16_t sequence_by, acknowledgement_by;
    uint16_t window, payload_bytes;
    int16_t timestamp_by, echo_by;
    int16_t sack_by, sack_bytes;
    uint8_t sleep; /* 0: none; else 2 to the power of it (at most 35) nanoseconds, from 16 us on */
    uint8_t spare;
};
static_assert(sizeof(struct step) == 26, "no padding");

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room); /* libFuzzer's own */

#endif
