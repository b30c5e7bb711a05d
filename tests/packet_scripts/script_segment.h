/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_segment.h - a segment as a script writes it: from words, to words, and compared.
 *
 * Purpose:   one notation for what goes in, what is expected and what was seen.
 * Ownership: none; words point into the caller's line.
 * Threading: none.
 * Units:     sequence numbers relative to each side's initial one.
 * Errors:    false, with a sentence in `why`.
 * Source:    tests/packet_scripts/README.md has the notation.
 */
#ifndef GANNET_SCRIPT_SEGMENT_H
#define GANNET_SCRIPT_SEGMENT_H

#include "tests/support/tcp_peer.h"

#define SCRIPT_WORDS_MAX 64u
#define SCRIPT_WHY_BYTES 256u
#define SCRIPT_LINE_BYTES 256u

struct script_words {
    const char *word[SCRIPT_WORDS_MAX];
    uint32_t count, at; /* those before `at` are dealt with */
};

/* The next word, NULL at the end. */
const char *script_next(struct script_words *words);
/* The next word as a number; may be negative, which wraps like a sequence number does. */
bool script_number(struct script_words *words, uint32_t *number, char *why);
/* Decimal, without a tail. */
bool script_number_of(const char *word, uint32_t *number);

/* A number that must match, any number, or not looked at. */
struct script_field {
    bool is_given, is_any;
    uint32_t value;
};

struct script_segment {
    uint8_t flags;
    uint32_t seq, length;
    bool seq_is_absolute; /* `seq zero`: the number on the wire is 0 */
    struct script_field ack, window, urgent, mss, scale, ts_value, ts_echo;
    bool sack_permitted, without_timestamps;
    uint32_t sack_count;
    struct tcp_sack_block sack[4];
    /* going in only */
    uint8_t raw[TCP_OPTION_BYTES_MAX];
    uint32_t raw_bytes;
    uint32_t header_words, traffic_class, reserved_bits;
    bool has_bad_checksum;
};

bool script_segment_parse(struct script_words *words, struct script_segment *segment, char *why);
/* As a line of a script, without the arrow. */
void script_segment_text(const struct script_segment *segment, char *line);

/* What the stack sent. */
void script_segment_seen(const struct seen_segment *seen, struct script_segment *segment);
/* NULL, or the word for what differs. */
const char *script_segment_difference(const struct script_segment *expected,
                                      const struct script_segment *seen);
/* Options of a segment that goes in; returns their bytes, padded. */
uint32_t script_segment_options(const struct script_segment *segment, const struct tcp_peer *peer,
                                uint8_t *out);

#endif
