/* SPDX-License-Identifier: BSD-3-Clause */
/* How one conversation becomes another: steps that make sense are added, bent, left out. */
#include "tests/fuzz/conversation.h"

#include <string.h>

#include "dataplane/tcp_connection.h"
#include "include/compiler.h"
#include "include/random.h"

#define SYN_OPTIONS (OPTION_MSS | OPTION_WINDOW_SCALE | OPTION_SACK_PERMITTED | OPTION_TIMESTAMP)

/* What peers say, good and bad; the mutations bend it further. */
static const struct step phrases[] = {
    {.tcp_flags = TCP_FLAG_SYN, .options = SYN_OPTIONS, .window = 65535},
    {.tcp_flags = TCP_FLAG_SYN, .window = 1000},
    {.tcp_flags = TCP_FLAG_SYN | TCP_FLAG_ACK, .options = SYN_OPTIONS, .window = 65535},
    {.tcp_flags = TCP_FLAG_ACK, .options = OPTION_TIMESTAMP, .window = 60000},
    {.tcp_flags = TCP_FLAG_ACK | TCP_FLAG_PSH,
     .window = 60000,
     .payload_bytes = 100,
     .behaviour = BEHAVIOUR_CONSUMES | BEHAVIOUR_SENDS_LITTLE},
    {.tcp_flags = TCP_FLAG_ACK,
     .options = OPTION_TIMESTAMP,
     .window = 60000,
     .payload_bytes = 1400,
     .behaviour = BEHAVIOUR_CONSUMES | BEHAVIOUR_SENDS_MUCH},
    {.tcp_flags = TCP_FLAG_ACK, .window = 60000, .payload_bytes = 500, .sequence_by = 500},
    {.tcp_flags = TCP_FLAG_ACK, .window = 60000, .payload_bytes = 700, .sequence_by = -300},
    {.tcp_flags = TCP_FLAG_ACK | TCP_FLAG_FIN, .window = 60000},
    {.tcp_flags = TCP_FLAG_ACK | TCP_FLAG_FIN,
     .window = 60000,
     .payload_bytes = 300,
     .behaviour = BEHAVIOUR_CLOSES},
    {.tcp_flags = TCP_FLAG_RST},
    {.tcp_flags = TCP_FLAG_RST | TCP_FLAG_ACK, .sequence_by = 10},
    {.tcp_flags = TCP_FLAG_ACK, .acknowledgement_base = BASE_OLDEST, .window = 60000},
    {.tcp_flags = TCP_FLAG_ACK,
     .acknowledgement_base = BASE_OLDEST,
     .window = 60000,
     .options = OPTION_SACK | OPTION_TIMESTAMP,
     .sack_by = 1400,
     .sack_bytes = 1400},
    {.tcp_flags = TCP_FLAG_ACK,
     .acknowledgement_base = BASE_OLDEST,
     .window = 60000,
     .options = OPTION_SACK | OPTION_TWO_SACKS,
     .sack_by = 200,
     .sack_bytes = 300},
    {.tcp_flags = TCP_FLAG_ACK,
     .acknowledgement_base = BASE_OLDEST,
     .acknowledgement_by = 700,
     .window = 60000},
    {.tcp_flags = TCP_FLAG_ACK, .window = 0},
    {.tcp_flags = TCP_FLAG_ACK, .window = 1},
    {.tcp_flags = TCP_FLAG_ACK, .sequence_by = -1, .window = 60000},
    {.tcp_flags = TCP_FLAG_ACK,
     .options = OPTION_TIMESTAMP,
     .timestamp_by = -1000,
     .window = 60000,
     .payload_bytes = 10},
    {.tcp_flags = TCP_FLAG_ACK, .acknowledgement_by = 1, .window = 60000},
    {.tcp_flags = TCP_FLAG_ACK | TCP_FLAG_URG, .window = 60000, .payload_bytes = 5},
    {.kind = STEP_SILENCE, .sleep = 25, .behaviour = BEHAVIOUR_TOUCHES_ALL | BEHAVIOUR_CONSUMES},
    {.kind = STEP_SILENCE, .sleep = 28},
    {.kind = STEP_SILENCE, .sleep = 31},
    {.kind = STEP_SILENCE, .behaviour = BEHAVIOUR_TOUCHES_ALL | BEHAVIOUR_SENDS_MUCH},
    {.kind = STEP_SILENCE, .behaviour = BEHAVIOUR_TOUCHES_ALL | BEHAVIOUR_CLOSES},
    {.kind = STEP_ICMP_ERROR, .window = 600},
    {.kind = STEP_ICMP_ERROR, .acknowledgement_base = BASE_OLDEST},
    {.kind = STEP_CONNECT},
};

/* As libFuzzer hands it in and takes it back: steps and perhaps a few bytes that are none. */
struct conversation {
    uint8_t *data;
    size_t count, room; /* steps */
    struct random random;
};

static uint32_t below(struct conversation *all, size_t bound)
{
    return random_below(&all->random, (uint32_t)bound);
}

static struct step read_step(const struct conversation *all, size_t at)
{
    struct step step;
    memcpy(&step, all->data + at * sizeof(step), sizeof(step));
    return step;
}

static void write_step(struct conversation *all, size_t at, const struct step *step)
{
    memcpy(all->data + at * sizeof(*step), step, sizeof(*step));
}

static void insert(struct conversation *all, size_t at, const struct step *step)
{
    if (all->count >= all->room)
        return;
    memmove(all->data + (at + 1) * sizeof(*step), all->data + at * sizeof(*step),
            (all->count - at) * sizeof(*step));
    all->count++;
    write_step(all, at, step);
}

static void insert_phrase(struct conversation *all)
{
    size_t at = below(all, all->count + 1);
    struct step step = phrases[below(all, ARRAY_COUNT(phrases))];
    step.peer = (uint8_t)below(all, CONVERSATION_PEERS);
    if (at > 0 && below(all, 4) > 0) /* mostly whoever spoke before */
        step.peer = read_step(all, at - 1).peer;
    insert(all, at, &step);
}

/* SYN, the acknowledgement of its answer, a request: from there on things get interesting. */
static void insert_handshake(struct conversation *all)
{
    static const uint8_t of_handshake[] = {0, 3, 5};
    size_t at = below(all, all->count + 1);
    uint8_t peer = (uint8_t)below(all, CONVERSATION_PEERS);
    for (size_t i = 0; i < ARRAY_COUNT(of_handshake); i++) {
        struct step step = phrases[of_handshake[i]];
        step.peer = peer;
        insert(all, at + i <= all->count ? at + i : all->count, &step);
    }
}

static int16_t near_number(struct conversation *all)
{
    static const int16_t edges[] = {0,   1,    -1,    2,    100,       -100,
                                    536, 1400, -1400, 1460, INT16_MAX, INT16_MIN};
    return below(all, 3) ? edges[below(all, ARRAY_COUNT(edges))]
                         : (int16_t)random_u64(&all->random);
}

static void bend(struct conversation *all)
{
    if (all->count == 0)
        return;
    size_t at = below(all, all->count);
    struct step step = read_step(all, at);
    switch (below(all, 14)) {
    case 0:
        step.tcp_flags ^= (uint8_t)(1u << below(all, 6));
        break;
    case 1:
        step.options ^= (uint8_t)(1u << below(all, 8));
        break;
    case 2:
        step.sequence_by = near_number(all);
        break;
    case 3:
        step.acknowledgement_by = near_number(all);
        break;
    case 4:
        step.sequence_base = (uint8_t)below(all, BASE_COUNT);
        break;
    case 5:
        step.acknowledgement_base = (uint8_t)below(all, BASE_COUNT);
        break;
    case 6:
        step.window =
            below(all, 2) ? (uint16_t)random_u64(&all->random) : (uint16_t)(below(all, 2) * 1460);
        break;
    case 7:
        step.payload_bytes = (uint16_t)(below(all, 2) ? below(all, 1461) : below(all, 3));
        break;
    case 8:
        step.timestamp_by = near_number(all);
        break;
    case 9:
        step.echo_by = near_number(all);
        break;
    case 10:
        step.sack_by = near_number(all);
        step.sack_bytes = near_number(all);
        break;
    case 11:
        step.behaviour ^= (uint8_t)(1u << below(all, 6));
        break;
    case 12:
        step.sleep = (uint8_t)(14 + below(all, 22));
        break;
    default:
        step.damage = (uint8_t)(below(all, 2) ? 0 : below(all, DAMAGE_COUNT));
        break;
    }
    write_step(all, at, &step);
}

static void leave_out(struct conversation *all)
{
    if (all->count < 2)
        return;
    size_t at = below(all, all->count);
    memmove(all->data + at * sizeof(struct step), all->data + (at + 1) * sizeof(struct step),
            (all->count - at - 1) * sizeof(struct step));
    all->count--;
}

static void repeat(struct conversation *all)
{
    if (all->count == 0)
        return;
    struct step step = read_step(all, below(all, all->count));
    insert(all, below(all, all->count + 1), &step);
}

static void exchange(struct conversation *all)
{
    if (all->count < 2)
        return;
    size_t a = below(all, all->count), b = below(all, all->count);
    struct step first = read_step(all, a), second = read_step(all, b);
    write_step(all, a, &second);
    write_step(all, b, &first);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed)
{
    struct conversation all = {.data = data,
                               .count = size / sizeof(struct step),
                               .room = room / sizeof(struct step),
                               .random = {.state = seed}};
    if (all.room > CONVERSATION_STEPS_MAX)
        all.room = CONVERSATION_STEPS_MAX;
    if (all.room == 0)
        return 0;
    if (all.count > all.room)
        all.count = all.room;
    for (uint32_t i = 0; i <= below(&all, 4); i++) {
        switch (all.count == 0 ? 0 : below(&all, 12)) {
        case 0:
            insert_handshake(&all);
            break;
        case 1:
        case 2:
        case 3:
            insert_phrase(&all);
            break;
        case 4:
            leave_out(&all);
            break;
        case 5:
            repeat(&all);
            break;
        case 6:
            exchange(&all);
            break;
        case 7: /* what nobody thought of */
            LLVMFuzzerMutate(data + below(&all, all.count) * sizeof(struct step),
                             sizeof(struct step), sizeof(struct step));
            break;
        default:
            bend(&all);
            break;
        }
    }
    return all.count * sizeof(struct step);
}

/* The beginning of one, the end of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t room, unsigned seed)
{
    struct random random = {.state = seed};
    size_t step = sizeof(struct step);
    size_t head = random_below(&random, (uint32_t)(a_size / step + 1));
    size_t skipped = random_below(&random, (uint32_t)(b_size / step + 1));
    size_t tail = b_size / step - skipped;
    if (head > room / step)
        head = room / step;
    if (tail > room / step - head)
        tail = room / step - head;
    memcpy(out, a, head * step);
    memcpy(out + head * step, b + skipped * step, tail * step);
    return (head + tail) * step;
}
