/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * server_judge.h - may this answer have been given? For every key, from the times of all requests.
 *
 * Purpose:   what linearizable keys with growing versions allow, as conditions on single answers: a
 *            version names one value; nothing older is seen than what was answered before; what was
 *            deleted stays away; a condition that held is true of the version before.
 * Ownership: the judge owns its operations.
 * Threading: none.
 * Units:     virtual _ns.
 * Errors:    judge_answer returns NULL or a sentence.
 * Source:    Wing and Gong's definition, checked by necessary conditions: cheap, and never wrong.
 */
#ifndef GANNET_SERVER_JUDGE_H
#define GANNET_SERVER_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#define JUDGE_KEYS 12u

enum judged_kind {
    JUDGED_GET = 0,
    JUDGED_HEAD,
    JUDGED_PUT,
    JUDGED_DELETE,
    JUDGED_LIST,    /* /v1/ns */
    JUDGED_NOWHERE, /* 404 */
    JUDGED_METHOD,  /* 405 */
    JUDGED_ECHO,
    JUDGED_BAD, /* 400 */
    JUDGED_CUT, /* never complete: 408 */
};

enum judged_condition { IF_NOTHING = 0, IF_ABSENT, IF_MATCH, IF_NOT };

enum judged_state {
    JUDGED_PENDING = 0,
    JUDGED_DONE,
    JUDGED_FAILED, /* refused: it never took effect */
    JUDGED_LIMBO,  /* nobody knows whether it takes effect, nor when */
};

struct judged {
    uint8_t kind, condition, state;
    bool has_id, is_present; /* present: the answer showed that there was a value */
    uint32_t key, length;
    uint32_t connection, sequence;
    uint32_t request_at;
    uint64_t condition_version;
    uint64_t version; /* the one it made or saw; 0: unknown */
    uint64_t sent_ns, end_ns;
    uint32_t status;
    uint8_t *echo;
    uint32_t echo_bytes;
};

struct judge {
    struct judged *operations;
    uint32_t count, room;
};

struct answer {
    uint32_t status, length, content;
    uint64_t version;
    uint64_t at_ns;
    bool has_content, closes;
    char id[80];
    const uint8_t *body;
    uint32_t body_bytes;
};

void judge_init(struct judge *judge);
void judge_destroy(struct judge *judge);
uint32_t judge_add(struct judge *judge, enum judged_kind kind);
void judge_expect_echo(struct judged *operation, const uint8_t *request, uint32_t bytes);

/* The bytes that operation `index` writes. */
void judge_fill(uint32_t index, uint8_t *out, uint32_t bytes);
/* The newest version anybody has seen of a key; 0: none. */
uint64_t judge_newest(const struct judge *judge, uint32_t key);

const char *judge_answer(struct judge *judge, uint32_t index, const struct answer *answer);
void judge_unanswered(struct judge *judge, uint32_t index);
/* What only shows when all versions are known. */
const char *judge_finish(const struct judge *judge);

#endif
