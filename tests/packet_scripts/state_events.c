/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs state_events.matrix: each cell is a script of its own, each state and IP version a test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/compiler.h"
#include "tests/packet_scripts/script.h"
#include "tests/packet_scripts/script_segment.h"
#include "tests/support/test_eal.h"

#define MATRIX SOURCE_ROOT "/tests/packet_scripts/state_events.matrix"
#define EVENTS_MAX 128u
#define SCRIPT_BYTES 4096u

struct matrix_state {
    const char *name, *after; /* as scripts and as cells name it */
    int received, unacknowledged, next;
    const char *setup;
};

#define BEGIN                                                                                      \
    "open mss 1460 ts 1000\n< ACK seq 1 ack 1 len 100\n> ACK seq 1 ack 101\napp reads 100\n"       \
    "app send 100\n> any\n< ACK seq 101 ack 101\napp send 100\n> any\n"
#define CLOSE "app close\n> any\n"
#define PEER_CLOSES "< ACK FIN seq 101 ack 101\n> any\n"

static const struct matrix_state states[] = {
    {"closed", "closed", 101, 77, 77, "listening stops\n"},
    {"closed", "listen", 101, 77, 77, ""},
    {"syn_sent", "ss", 1, 0, 1, "app connect\n> any\n"},
    {"syn_received", "sr", 1, 0, 1, "< SYN seq 0 mss 1460 ts 1000\n> any\n"},
    {"established", "est", 101, 101, 201, BEGIN},
    {"fin_wait_1", "fw1", 101, 101, 202, BEGIN CLOSE},
    {"fin_wait_2", "fw2", 101, 202, 202, BEGIN CLOSE "< ACK seq 101 ack 202\n"},
    {"close_wait", "cw", 102, 101, 201, BEGIN PEER_CLOSES},
    {"closing", "clg", 102, 101, 202, BEGIN CLOSE PEER_CLOSES},
    {"last_ack", "la", 102, 101, 202, BEGIN PEER_CLOSES CLOSE},
    {"time_wait", "tw", 102, 202, 202, BEGIN CLOSE "< ACK FIN seq 101 ack 202\n> any\n"},
};
#define STATES ARRAY_COUNT(states)
#define WINDOW_EDGE 1001

struct event {
    char name[64], line[128];
    char cells[ARRAY_COUNT(states)][24];
};

static struct event events[EVENTS_MAX];
static size_t event_count;

/* ---- reading the matrix ---- */

static void bad_matrix(const char *line)
{
    fprintf(stderr, "%s: cannot read '%s'\n", MATRIX, line);
    exit(2);
}

static void read_cells(struct event *event, char *line)
{
    char *rest = NULL;
    size_t count = 0;
    for (char *cell = strtok_r(line, " \n", &rest); cell; cell = strtok_r(NULL, " \n", &rest)) {
        if (count == STATES || strlen(cell) >= sizeof(event->cells[0]))
            bad_matrix(cell);
        memcpy(event->cells[count++], cell, strlen(cell) + 1);
    }
    if (count != STATES)
        bad_matrix(event->name);
}

static void read_matrix(void)
{
    char line[512];
    FILE *file = fopen(MATRIX, "r");
    if (!file)
        bad_matrix("the file");
    while (fgets(line, sizeof(line), file)) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        struct event *event = &events[event_count];
        if (event_count == EVENTS_MAX ||
            sscanf(line, "%63[^:]: %127[^\n]", event->name, event->line) != 2 ||
            !fgets(line, sizeof(line), file))
            bad_matrix(line);
        read_cells(event, line);
        event_count++;
    }
    fclose(file);
    if (event_count < 30)
        bad_matrix("less than 30 events");
}

/* ---- a cell becomes a script ---- */

struct text {
    char bytes[SCRIPT_BYTES];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length =
        vsnprintf(text->bytes + text->used, sizeof(text->bytes) - text->used, format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && (size_t)length < sizeof(text->bytes) - text->used);
    text->used += (size_t)length;
}

/* Braces hold R, E, U or N and what is added. */
static void put_line(struct text *text, const struct matrix_state *state, const char *line)
{
    for (; *line; line++) {
        if (*line != '{') {
            put(text, "%c", *line);
            continue;
        }
        long value = line[1] == 'R'   ? state->received
                     : line[1] == 'E' ? WINDOW_EDGE
                     : line[1] == 'U' ? state->unacknowledged
                                      : state->next;
        put(text, "%ld", value + strtol(line + 2, NULL, 10));
        line = strchr(line, '}');
        assert_non_null(line);
    }
    put(text, "\n");
}

/* The event as a segment; all zero when it is none. */
static void parse_event(const char *line, struct script_segment *segment)
{
    char copy[256], why[SCRIPT_WHY_BYTES];
    struct script_words words = {0};
    char *rest = NULL;
    memset(segment, 0, sizeof(*segment));
    snprintf(copy, sizeof(copy), "%s", line);
    if (copy[0] != '<')
        return;
    for (char *word = strtok_r(copy + 1, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
        words.word[words.count++] = word;
    assert_true(script_segment_parse(&words, segment, why));
}

struct cell {
    char answer[24];
    uint32_t bytes;
    const char *after; /* NULL: the same state */
};

static void parse_cell(const char *written, struct cell *cell)
{
    const char *mark = strchr(written, '>');
    size_t length = mark ? (size_t)(mark - written) : strlen(written);
    *cell = (struct cell){0};
    memcpy(cell->answer, written, length);
    char *plus = strchr(cell->answer, '+');
    if (plus) {
        cell->bytes = (uint32_t)strtoul(plus + 1, NULL, 10);
        *plus = '\0';
    }
    for (size_t i = 0; mark && i < STATES; i++)
        if (strcmp(states[i].after, mark + 1) == 0)
            cell->after = states[i].name;
    if (mark && !cell->after)
        bad_matrix(written);
}

/* After the event RCV.NXT counts what was delivered, and a FIN that changed the state. */
static int received_after(const struct matrix_state *state, const struct script_segment *segment,
                          const struct cell *cell)
{
    static const char *const with_fin[] = {"close_wait", "closing", "time_wait"};
    bool takes_fin = false;
    for (size_t i = 0; cell->after && i < ARRAY_COUNT(with_fin); i++)
        takes_fin |= strcmp(cell->after, with_fin[i]) == 0 && strcmp(state->name, "closing") != 0;
    bool has_fin = segment->flags & TCP_FLAG_FIN;
    return state->received + (int)cell->bytes + (takes_fin && has_fin);
}

static void put_answer(struct text *text, const struct matrix_state *state,
                       const struct script_segment *segment, const struct cell *cell)
{
    const char *answer = cell->answer;
    int received = received_after(state, segment, cell);
    int after_syn = (int)segment->seq + 1;
    bool is_syn = segment->flags & TCP_FLAG_SYN, is_fin = segment->flags & TCP_FLAG_FIN;
    if (strcmp(answer, "") == 0 || strcmp(answer, "-") == 0)
        put(text, "> nothing\n");
    else if (strcmp(answer, "ack") == 0)
        put(text, "> ACK seq %d ack %d\n", state->next, received);
    else if (strcmp(answer, "acks") == 0)
        put(text, "> ACK seq %d ack %d\n", state->next, after_syn);
    else if (strcmp(answer, "synack") == 0)
        put(text, "> SYN ACK seq 0 ack %d mss 1460 ts * %u\n", after_syn, segment->ts_value.value);
    else if (strcmp(answer, "rst") == 0 && (segment->flags & TCP_FLAG_ACK))
        put(text, "> RST seq %d\n", (int)segment->ack.value);
    else if (strcmp(answer, "rst") == 0)
        put(text, "> RST ACK seq zero ack %d\n",
            (int)segment->seq + (int)segment->length + is_syn + is_fin);
    else if (strcmp(answer, "abort") == 0)
        put(text, "> RST ACK seq %d ack %d\n", state->next, received);
    else if (strcmp(answer, "fin") == 0)
        put(text, "> ACK FIN seq %d ack %d\n", state->next, received);
    else if (strcmp(answer, "data") == 0)
        put(text, "> ACK seq %d ack %d len 50\n", state->next, received);
    else if (strcmp(answer, "again") == 0)
        put(text, "> any 1..2\n");
    else
        bad_matrix(answer);
}

static void put_cell(struct text *text, const struct matrix_state *state, const struct event *event,
                     const char *written)
{
    struct cell cell;
    struct script_segment segment;
    parse_cell(written, &cell);
    put(text, "# %s, %s: %s\n# RFC 9293 section 3.10\nconfig receive_window 1000\n", state->name,
        event->name, written);
    put(text, "config delayed_ack_ms 0\nconfig keepalive_ms 0\n%s", state->setup);
    size_t line_at = text->used;
    /* time that passes without an answer is the whole of it */
    bool is_wait = strncmp(event->line, "+ 0..", 5) == 0;
    if (is_wait && strcmp(cell.answer, "again") != 0)
        put(text, "+ %s\n", event->line + 5);
    else
        put_line(text, state, event->line);
    parse_event(text->bytes + line_at, &segment);
    put_answer(text, state, &segment, &cell);
    const char *after = cell.after ? cell.after : state->name;
    put(text, "state %s\n", after);
    bool has_stream = strcmp(after, "established") == 0 || strcmp(after, "close_wait") == 0 ||
                      strncmp(after, "fin_wait", 8) == 0 || strcmp(after, "closing") == 0 ||
                      strcmp(after, "last_ack") == 0;
    if (has_stream || cell.bytes > 0)
        put(text, "app holds %u\n", cell.bytes);
}

/* ---- one state is one test ---- */

struct state_test {
    const struct matrix_state *state;
    size_t column;
    bool is_ipv6;
};

static void run_state(void **argument)
{
    static struct script_report report;
    const struct state_test *test = *argument;
    unsigned failed = 0;
    for (size_t i = 0; i < event_count; i++) {
        const char *written = events[i].cells[test->column];
        struct text text = {.used = 0};
        if (strcmp(written, ".") == 0)
            continue;
        put_cell(&text, test->state, &events[i], written);
        if (script_run("cell", text.bytes, test->is_ipv6, &report))
            continue;
        printf("%s, '%s', expected %s\n%s\nthe cell as a script:\n%s\n", test->state->after,
               events[i].name, written, report.text, text.bytes);
        failed++;
    }
    if (failed > 0)
        fail_msg("%u events", failed);
}

int main(void)
{
    static struct state_test arguments[2 * STATES];
    static struct CMUnitTest tests[2 * STATES];
    static char names[2 * STATES][48];
    read_matrix();
    for (size_t i = 0; i < 2 * STATES; i++) {
        arguments[i] = (struct state_test){&states[i / 2], i / 2, i % 2 == 1};
        snprintf(names[i], sizeof(names[i]), "%s and every event (%s)", states[i / 2].after,
                 i % 2 ? "IPv6" : "IPv4");
        tests[i] = (struct CMUnitTest){
            .name = names[i], .test_func = run_state, .initial_state = &arguments[i]};
    }
    test_eal_start("64");
    return cmocka_run_group_tests_name("state_events", tests, NULL, NULL);
}
