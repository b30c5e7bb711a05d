/* SPDX-License-Identifier: BSD-3-Clause */
/* One line of a script at a time: segments, time, the application, and what must hold. */
#include "tests/packet_scripts/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dataplane/tcp_internal.h"
#include "tests/packet_scripts/script_segment.h"

#define PORTS_MAX 8u
#define MS_NS UINT64_C(1000000)
#define IPV6_MTU 1520u /* the same room for payload as 1500 has with IPv4 */

/* What belongs to one remote port; scripts with several switch between them. */
struct script_port {
    uint16_t port;
    uint32_t stack_iss;
    uint32_t sent_bytes, read_bytes; /* by the application */
    bool uses_timestamps;
    uint32_t timestamp, timestamp_echo;
};

struct script {
    struct tcp_peer peer;
    struct script_report *report;
    size_t trace_bytes;
    const char *name;
    const char *line; /* as it was written */
    uint32_t line_number;
    bool is_started, is_holding;
    struct script_port ports[PORTS_MAX];
    struct script_port *port;
    uint64_t counters[COUNTER_COUNT], drops[DROP_REASON_COUNT]; /* when last looked at */
};

static const char *const state_names[TCP_STATE_COUNT] = {
    [TCP_CLOSED] = "closed",           [TCP_LISTEN] = "listen",
    [TCP_SYN_SENT] = "syn_sent",       [TCP_SYN_RECEIVED] = "syn_received",
    [TCP_ESTABLISHED] = "established", [TCP_FIN_WAIT_1] = "fin_wait_1",
    [TCP_FIN_WAIT_2] = "fin_wait_2",   [TCP_CLOSE_WAIT] = "close_wait",
    [TCP_CLOSING] = "closing",         [TCP_LAST_ACK] = "last_ack",
    [TCP_TIME_WAIT] = "time_wait",
};

const char *script_state_name(uint8_t state)
{
    return state_names[state];
}

static struct tcp_connection *connection_of(const struct tcp_stack *stack, uint16_t remote_port)
{
    for (uint32_t i = 0; i < stack->config.connections; i++) {
        struct tcp_connection *connection = &stack->slots[i].connection;
        if (connection->state != TCP_CLOSED && connection->remote_port == remote_port)
            return connection;
    }
    return NULL;
}

uint8_t script_state_of(const struct tcp_peer *peer)
{
    struct tcp_stack *stack = peer->stack;
    struct network_flow flow;
    peer_flow(peer, &flow);
    struct connection_cursor cursor =
        connection_table_begin(&stack->table, tcp_flow_hash(stack, &flow, STACK_PORT, peer->port));
    uint32_t index;
    while ((index = connection_table_next(&stack->table, &cursor)) != CONNECTION_NOT_FOUND) {
        if (!(index & TCP_NO_SLOT_INDEX)) {
            if (stack->slots[index].connection.remote_port == peer->port)
                return stack->slots[index].connection.state;
        } else if (tcp_index_is_half_open(index)) {
            if (tcp_half_open_at(&stack->syn_table, index)->remote_port == peer->port)
                return TCP_SYN_RECEIVED;
        } else if (tcp_time_wait_at(stack, index)->remote_port == peer->port) {
            return TCP_TIME_WAIT;
        }
    }
    return TCP_CLOSED;
}

/* ---- reporting ---- */

__attribute__((format(printf, 2, 3))) static void trace(struct script *script, const char *format,
                                                        ...)
{
    char *at = script->report->trace + script->trace_bytes;
    size_t left = SCRIPT_REPORT_BYTES - script->trace_bytes;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(at, left, format, arguments);
    va_end(arguments);
    if ((size_t)length < left)
        script->trace_bytes += (size_t)length;
}

static double now_ms(const struct script *script)
{
    return (double)(script->peer.now_ns - UINT64_C(1000000000000)) / 1e6;
}

static void trace_segment(struct script *script, char arrow, const struct script_segment *segment)
{
    char line[SCRIPT_LINE_BYTES];
    script_segment_text(segment, line);
    trace(script, "%12.3f ms  %c %s\n", now_ms(script), arrow, line);
}

/* Always false, so that it can be returned. */
__attribute__((format(printf, 2, 3))) static bool fails(struct script *script, const char *format,
                                                        ...)
{
    char why[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    snprintf(script->report->text, SCRIPT_REPORT_BYTES,
             "%s:%u: %s\n    line:  %s\n  trace:\n%.30000s", script->name, script->line_number, why,
             script->line, script->report->trace);
    return false;
}

/* ---- the stream: every byte is known by its place in it ---- */

static uint8_t stream_byte(uint32_t position)
{
    return (uint8_t)(position * 31 + (position >> 8));
}

static void stream_fill(uint8_t *out, uint32_t position, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        out[i] = stream_byte(position + i);
}

static bool stream_is(const uint8_t *bytes, uint32_t position, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (bytes[i] != stream_byte(position + i))
            return false;
    return true;
}

/* ---- starting ---- */

static void start(struct script *script)
{
    if (script->is_started)
        return;
    peer_start(&script->peer);
    script->is_started = true;
}

static bool do_config(struct script *script, struct script_words *words)
{
    struct tcp_stack_config *config = &script->peer.config;
    const struct {
        const char *name;
        uint32_t *value;
    } keys[] = {
        {"connections", &config->connections},
        {"half_open_max", &config->half_open_max},
        {"receive_window", &config->receive_window_bytes},
        {"send_budget", &config->send_budget_bytes},
        {"initial_window", &config->initial_window_segments},
        {"out_of_order_max", &config->out_of_order_max},
        {"packets_held_max", &config->packets_held_max},
        {"rto_min_ms", &config->rto_min_ms},
        {"delayed_ack_ms", &config->delayed_ack_ms},
        {"tlp_ack_delay_ms", &config->tlp_ack_delay_ms},
        {"keepalive_ms", &config->keepalive_ms},
        {"user_timeout_ms", &config->user_timeout_ms},
        {"time_wait_ms", &config->time_wait_ms},
        {"fin_wait_ms", &config->fin_wait_ms},
        {"reset_rate_per_s", &config->reset_rate_per_s},
        {"challenges_per_s", &config->challenges_per_s},
    };
    char why[SCRIPT_WHY_BYTES];
    uint32_t value;
    const char *key = script_next(words);
    if (script->is_started)
        return fails(script, "'config' comes before everything else");
    if (!key || !script_number(words, &value, why))
        return fails(script, "%s", key ? why : "'config' needs a key and a number");
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        if (strcmp(key, keys[i].name) == 0) {
            *keys[i].value = value;
            return true;
        }
    if (strcmp(key, "mtu") == 0)
        script->peer.network.mtu = (uint16_t)(value + (script->peer.is_ipv6 ? 20 : 0));
    else if (strcmp(key, "newreno") == 0)
        config->use_newreno = value != 0;
    else if (strcmp(key, "timestamps") == 0)
        config->offer_timestamps = value != 0;
    else if (strcmp(key, "sack") == 0)
        config->offer_sack = value != 0;
    else
        return fails(script, "unknown key '%s'", key);
    return true;
}

static bool do_port(struct script *script, struct script_words *words)
{
    char why[SCRIPT_WHY_BYTES];
    uint32_t number;
    if (!script_number(words, &number, why))
        return fails(script, "%s", why);
    struct tcp_peer *peer = &script->peer;
    struct script_port *before = script->port;
    before->stack_iss = peer->stack_iss;
    before->uses_timestamps = peer->uses_timestamps;
    before->timestamp = peer->timestamp;
    before->timestamp_echo = peer->timestamp_echo;
    for (uint32_t i = 0; i < PORTS_MAX; i++) {
        struct script_port *port = &script->ports[i];
        if (port->port != 0 && port->port != number)
            continue;
        port->port = (uint16_t)number;
        peer->port = port->port;
        peer->stack_iss = port->stack_iss;
        peer->uses_timestamps = port->uses_timestamps;
        peer->timestamp = port->timestamp;
        peer->timestamp_echo = port->timestamp_echo;
        script->port = port;
        return true;
    }
    return fails(script, "more than %u ports", PORTS_MAX);
}

/* ---- segments out of the stack ---- */

static bool next_seen(struct script *script, struct script_segment *segment,
                      struct seen_segment *seen)
{
    if (!peer_sees(&script->peer, seen))
        return false;
    script_segment_seen(seen, segment);
    segment->seq_is_absolute = (seen->flags & TCP_FLAG_RST) &&
                               seen->seq + script->peer.stack_iss == 0 &&
                               script->peer.stack_iss != 0;
    trace_segment(script, '>', segment);
    return true;
}

/* Whatever does something comes after everything that was sent has been expected. */
static bool nothing_is_left(struct script *script)
{
    struct script_segment segment;
    struct seen_segment seen;
    char line[SCRIPT_LINE_BYTES];
    if (!next_seen(script, &segment, &seen))
        return true;
    script_segment_text(&segment, line);
    return fails(script, "before this line nothing more was expected\n    saw:   > %s", line);
}

/* > any A..B: so many, whatever they are; > any: one. */
static bool expect_any(struct script *script, struct script_words *words)
{
    struct script_segment segment;
    struct seen_segment seen;
    unsigned low = 1, high = 1, count = 0;
    script_next(words);
    const char *range = script_next(words);
    if (range && sscanf(range, "%u..%u", &low, &high) != 2)
        return fails(script, "'any' needs A..B, not '%s'", range);
    while ((range || count == 0) && next_seen(script, &segment, &seen))
        count++;
    return (count >= low && count <= high) || fails(script, "%u were sent", count);
}

static bool do_expect(struct script *script, struct script_words *words)
{
    struct script_segment expected, segment;
    struct seen_segment seen;
    char why[SCRIPT_WHY_BYTES], line[SCRIPT_LINE_BYTES];
    const char *word = words->at < words->count ? words->word[words->at] : "";
    if (strcmp(word, "nothing") == 0)
        return nothing_is_left(script);
    if (strcmp(word, "any") == 0)
        return expect_any(script, words);
    if (!script_segment_parse(words, &expected, why))
        return fails(script, "%s", why);
    if (!next_seen(script, &segment, &seen))
        return fails(script, "nothing was sent");
    script_segment_text(&segment, line);
    const char *difference = script_segment_difference(&expected, &segment);
    if (expected.seq_is_absolute && seen.seq + script->peer.stack_iss != 0)
        difference = "seq";
    if (seen.port != script->port->port)
        difference = "port";
    if (difference)
        return fails(script, "'%s' differs\n    saw:   > %s", difference, line);
    if (seen.length > 0 && !stream_is(seen.payload, seen.seq, seen.length))
        return fails(script, "other bytes than the application sent\n    saw:   > %s", line);
    return true;
}

/* ---- segments into the stack ---- */

static void inject(struct script *script, const struct script_segment *segment)
{
    static uint8_t payload[2048];
    uint8_t options[TCP_OPTION_BYTES_MAX];
    struct tcp_peer *peer = &script->peer;
    bool is_syn = segment->flags & TCP_FLAG_SYN;
    if (segment->ts_value.is_given && !segment->ts_value.is_any)
        peer->timestamp = segment->ts_value.value;
    if (is_syn && !(segment->flags & TCP_FLAG_RST))
        peer->uses_timestamps = segment->ts_value.is_given && peer->config.offer_timestamps;
    struct peer_segment out = {
        .flags = segment->flags,
        .seq = segment->seq,
        .ack = segment->ack.value,
        .length = segment->length,
        .window = !segment->window.is_given    ? 0
                  : segment->window.value == 0 ? PEER_WINDOW_ZERO
                                               : (uint16_t)segment->window.value,
        .options = options,
        .option_bytes = script_segment_options(segment, peer, options),
        .payload = payload,
        .urgent = (uint16_t)segment->urgent.value,
        .traffic_class = (uint8_t)segment->traffic_class,
        .reserved_bits = (uint8_t)segment->reserved_bits,
        .header_words = (uint8_t)segment->header_words,
        .has_bad_checksum = segment->has_bad_checksum,
    };
    stream_fill(payload, segment->seq + is_syn, segment->length);
    trace_segment(script, '<', segment);
    peer_queue(peer, out);
    if (!script->is_holding)
        peer_round(peer);
}

static bool do_inject(struct script *script, struct script_words *words)
{
    struct script_segment segment;
    char why[SCRIPT_WHY_BYTES];
    if (!script_segment_parse(words, &segment, why))
        return fails(script, "%s", why);
    if (segment.length > 1500)
        return fails(script, "a segment has at most 1500 bytes");
    start(script);
    inject(script, &segment);
    return true;
}

/* open SEGMENT-WORDS: a handshake whose SYN has these; without any, mss 1460 sackok. */
static bool do_open(struct script *script, struct script_words *words)
{
    struct script_segment syn, answer;
    struct seen_segment seen;
    char why[SCRIPT_WHY_BYTES];
    if (!script_segment_parse(words, &syn, why))
        return fails(script, "%s", why);
    if (words->count == 1) {
        syn.mss = (struct script_field){.is_given = true, .value = 1460};
        syn.sack_permitted = true;
    }
    start(script);
    *script->port = (struct script_port){.port = script->port->port};
    syn.flags |= TCP_FLAG_SYN;
    inject(script, &syn);
    if (!next_seen(script, &answer, &seen) || answer.flags != (TCP_FLAG_SYN | TCP_FLAG_ACK))
        return fails(script, "no SYN ACK came");
    struct script_segment ack = {.flags = TCP_FLAG_ACK, .seq = syn.seq + 1, .window = syn.window};
    ack.ack = (struct script_field){.is_given = true, .value = 1};
    inject(script, &ack);
    if (!(script->peer.events & TCP_EVENT_OPENED))
        return fails(script, "the handshake opened no connection");
    script->peer.events = 0;
    return true;
}

/* ---- time ---- */

/* Forward to the next timer, but not beyond `end_ns`. */
static void step(struct script *script, uint64_t end_ns)
{
    struct tcp_peer *peer = &script->peer;
    uint64_t next = tcp_next_timer_ns(peer->stack);
    uint64_t least = peer->now_ns + MS_NS / 4;
    next = next < least ? least : next;
    peer->now_ns = next < end_ns ? next : end_ns;
    peer_round(peer);
}

static bool parse_time(const char *word, uint64_t *low_ns, uint64_t *high_ns)
{
    char *end;
    double low = strtod(word, &end), high = low;
    if (end == word || low < 0)
        return false;
    if (end[0] == '.' && end[1] == '.')
        high = strtod(end + 2, &end);
    double unit_ns = strcmp(end, "ms") == 0 ? 1e6 : strcmp(end, "s") == 0 ? 1e9 : 0;
    *low_ns = (uint64_t)(low * unit_ns);
    *high_ns = (uint64_t)(high * unit_ns);
    return unit_ns != 0 && high >= low;
}

/*
 * + 40ms            nothing may be sent meanwhile
 * + 40ms ignoring   whatever is sent
 * + 38..44ms        until something is sent, which must be in that time
 */
static bool do_wait(struct script *script, struct script_words *words)
{
    uint64_t low_ns, high_ns;
    const char *word = script_next(words);
    /* "1..2s": strtod takes the first dot */
    char text[64];
    const char *dots = word ? strstr(word, "..") : NULL;
    if (dots && dots - word < 20)
        snprintf(text, sizeof(text), "%.*s.0%s", (int)(dots - word), word, dots);
    else
        snprintf(text, sizeof(text), "%s", word ? word : "");
    if (!parse_time(text, &low_ns, &high_ns))
        return fails(script, "'+' needs a time such as 40ms, 2s or 38..44ms");
    const char *more = script_next(words);
    bool is_ignoring = more && strcmp(more, "ignoring") == 0;
    if (more && !is_ignoring)
        return fails(script, "unknown word '%s'", more);
    start(script);
    struct tcp_peer *peer = &script->peer;
    uint64_t began_ns = peer->now_ns, end_ns = began_ns + high_ns;
    while (peer->now_ns < end_ns && (is_ignoring || peer->out_count == 0)) {
        step(script, end_ns);
        if (is_ignoring)
            peer_discard(peer);
    }
    double passed_ms = (double)(peer->now_ns - began_ns) / 1e6;
    trace(script, "%12.3f ms  + %.3f ms\n", now_ms(script), passed_ms);
    if (is_ignoring)
        return true;
    if (!dots)
        return peer->out_count == 0 || nothing_is_left(script);
    if (peer->out_count == 0)
        return fails(script, "nothing was sent in that time");
    return peer->now_ns - began_ns >= low_ns || fails(script, "sent after %.3f ms", passed_ms);
}

/* ---- the application ---- */

static void application_sends(struct script *script, struct tcp_connection *connection,
                              uint32_t bytes)
{
    struct tcp_stack *stack = script->peer.stack;
    while (bytes > 0) {
        uint32_t part = u32_min(bytes, tcp_payload_max(connection));
        struct packet *packet = tcp_packet(stack);
        if (!packet)
            return; /* short of packets: the script sees it by what is missing */
        stream_fill(packet_append(packet, (uint16_t)part), 1 + script->port->sent_bytes, part);
        script->port->sent_bytes += part;
        tcp_send_packet(stack, connection, packet);
        bytes -= part;
    }
}

static bool application_reads(struct script *script, struct tcp_connection *connection,
                              uint32_t bytes)
{
    static uint8_t data[65536];
    ASSERT(bytes <= tcp_receive_bytes(connection));
    while (bytes > 0) {
        uint32_t part = tcp_receive_peek(connection, 0, data, u32_min(bytes, sizeof(data)));
        if (!stream_is(data, 1 + script->port->read_bytes, part))
            return fails(script, "other bytes than the peer sent");
        script->port->read_bytes += part;
        bytes -= part;
        tcp_receive_consume(script->peer.stack, connection, part);
    }
    return true;
}

static bool application_sees(struct script *script, struct script_words *words)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } names[] = {
        {"nothing", 0},
        {"readable", TCP_EVENT_READABLE},
        {"writable", TCP_EVENT_WRITABLE},
        {"peer_closed", TCP_EVENT_PEER_CLOSED},
        {"gone", TCP_EVENT_GONE},
        {"opened", TCP_EVENT_OPENED},
        {"timer", TCP_EVENT_TIMER},
    };
    uint32_t expected = 0;
    const char *word;
    while ((word = script_next(words)) != NULL) {
        size_t i = 0;
        while (i < ARRAY_COUNT(names) && strcmp(word, names[i].name) != 0)
            i++;
        if (i == ARRAY_COUNT(names))
            return fails(script, "unknown event '%s'", word);
        expected |= names[i].bit;
    }
    uint32_t seen = script->peer.events;
    script->peer.events = 0;
    if (seen == expected)
        return true;
    char line[SCRIPT_LINE_BYTES] = "";
    for (size_t i = 1; i < ARRAY_COUNT(names); i++)
        if (seen & names[i].bit)
            snprintf(line + strlen(line), sizeof(line) - strlen(line), " %s", names[i].name);
    return fails(script, "the application saw:%s", line);
}

static bool do_application(struct script *script, struct script_words *words)
{
    struct tcp_peer *peer = &script->peer;
    char why[SCRIPT_WHY_BYTES];
    uint32_t number = 0;
    const char *verb = script_next(words);
    start(script);
    if (verb && strcmp(verb, "sees") == 0)
        return application_sees(script, words);
    if (verb && strcmp(verb, "connect") == 0) {
        if (!nothing_is_left(script))
            return false;
        struct network_flow flow;
        peer_flow(peer, &flow);
        if (!tcp_connect(peer->stack, &flow, STACK_PORT, peer->port, peer->now_ns))
            return fails(script, "tcp_connect refused");
        peer_round(peer);
        return true;
    }
    struct tcp_connection *connection = connection_of(peer->stack, peer->port);
    if (!verb || !connection)
        return fails(script, verb ? "there is no connection" : "'app' needs a verb");
    bool is_send = strcmp(verb, "send") == 0, takes = strcmp(verb, "takes") == 0;
    bool is_read = takes || strcmp(verb, "reads") == 0;
    bool is_hold = strcmp(verb, "holds") == 0;
    if (!is_hold && !script->is_holding && !nothing_is_left(script))
        return false;
    if ((is_send || is_read || is_hold) && !script_number(words, &number, why))
        return fails(script, "%s", why);
    uint32_t have = tcp_receive_bytes(connection);
    trace(script, "%12.3f ms  app %s %u\n", now_ms(script), verb, number);
    if (is_send)
        application_sends(script, connection, number);
    else if (strcmp(verb, "close") == 0)
        tcp_close(peer->stack, connection);
    else if (strcmp(verb, "abort") == 0)
        tcp_abort(peer->stack, connection);
    else if ((is_hold || (is_read && !takes)) && have != number)
        return fails(script, "%u bytes wait to be read", have);
    else if (takes && have < number)
        return fails(script, "only %u bytes wait to be read", have);
    else if (is_read && !application_reads(script, connection, number))
        return false;
    else if (!is_read && !is_hold)
        return fails(script, "unknown verb '%s'", verb);
    if (!script->is_holding)
        peer_round(peer);
    return true;
}

/* ---- what must hold ---- */

static bool do_state(struct script *script, struct script_words *words)
{
    const char *name = script_next(words);
    start(script);
    uint8_t state = script_state_of(&script->peer);
    if (name && strcmp(name, state_names[state]) == 0)
        return true;
    for (uint32_t i = 0; name && i < TCP_STATE_COUNT; i++)
        if (strcmp(name, state_names[i]) == 0)
            return fails(script, "the state is %s", state_names[state]);
    return fails(script, "unknown state '%s'", name ? name : "");
}

static bool number_is(struct script *script, const char *what, uint64_t seen, const char *word)
{
    unsigned long long low, high;
    int used = 0;
    if (word && sscanf(word, "%llu..%llu%n", &low, &high, &used) == 2 && word[used] == '\0')
        return (seen >= low && seen <= high) ||
               fails(script, "%s is %llu", what, (unsigned long long)seen);
    uint32_t value;
    if (!word || !script_number_of(word, &value))
        return fails(script, "'%s' needs a number or A..B", what);
    return seen == value || fails(script, "%s is %llu", what, (unsigned long long)seen);
}

static bool do_info(struct script *script, struct script_words *words)
{
    struct tcp_connection_info info;
    const struct tcp_stack *stack = script->peer.stack;
    const char *key = script_next(words);
    const char *word = script_next(words);
    const struct tcp_connection *connection =
        script->is_started ? connection_of(stack, script->port->port) : NULL;
    if (!connection)
        return fails(script, "there is no connection");
    tcp_connection_info(stack, connection, &info);
    static const char *const recoveries[] = {"open", "recovery", "loss"};
    if (key && word && strcmp(key, "recovery") == 0)
        return strcmp(word, recoveries[info.recovery]) == 0 ||
               fails(script, "recovery is '%s'", recoveries[info.recovery]);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"cwnd", info.cwnd_bytes},
        {"ssthresh", info.ssthresh_bytes},
        {"srtt_us", info.srtt_us},
        {"rto_ms", info.rto_ms},
        {"in_flight", info.in_flight_bytes},
        {"unsent", info.unsent_bytes},
        {"snd_wnd", info.snd_wnd_bytes},
        {"rcv_wnd", info.rcv_wnd_bytes},
        {"mss", info.mss_bytes},
    };
    for (size_t i = 0; key && i < ARRAY_COUNT(numbers); i++)
        if (strcmp(key, numbers[i].name) == 0)
            return number_is(script, key, numbers[i].value, word);
    return fails(script, "unknown key '%s'", key ? key : "");
}

/* counter NAME +N, drop NAME +N: since the last line about it. */
static bool do_count(struct script *script, struct script_words *words, bool is_drop)
{
    const char *const *names = is_drop ? drop_reason_names : counter_names;
    size_t count = is_drop ? DROP_REASON_COUNT : COUNTER_COUNT;
    const _Atomic uint64_t *now =
        is_drop ? script->peer.counters->drops : script->peer.counters->values;
    uint64_t *before = is_drop ? script->drops : script->counters;
    const char *name = script_next(words);
    const char *word = script_next(words);
    uint32_t number;
    if (!name || !word || word[0] != '+' || !script_number_of(word + 1, &number))
        return fails(script, "a name and +N are needed");
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(name, names[i] ? names[i] : "") != 0)
            continue;
        uint64_t grown = now[i] - before[i];
        before[i] = now[i];
        return grown == number || fails(script, "it is +%llu", (unsigned long long)grown);
    }
    return fails(script, "there is no %s '%s'", is_drop ? "drop reason" : "counter", name);
}

/* icmp unreachable seq N; icmp too_big seq N mtu N */
static bool do_icmp(struct script *script, struct script_words *words)
{
    char why[SCRIPT_WHY_BYTES] = "'icmp' needs unreachable or too_big, seq N, mtu N";
    const char *kind = script_next(words);
    const char *seq = script_next(words);
    uint32_t sequence, mtu = 0;
    bool is_too_big = kind && strcmp(kind, "too_big") == 0;
    if (!kind || (!is_too_big && strcmp(kind, "unreachable") != 0) || !seq ||
        strcmp(seq, "seq") != 0 || !script_number(words, &sequence, why))
        return fails(script, "%s", why);
    const char *word = is_too_big ? script_next(words) : NULL;
    if (is_too_big && (!word || strcmp(word, "mtu") != 0 || !script_number(words, &mtu, why)))
        return fails(script, "%s", why);
    struct tcp_peer *peer = &script->peer;
    struct network_flow flow;
    peer_flow(peer, &flow);
    if (is_too_big && peer->is_ipv6)
        mtu += 20;
    trace(script, "%12.3f ms  icmp %s\n", now_ms(script), kind);
    tcp_icmp_error(peer->stack, &flow, STACK_PORT, peer->port, peer->stack_iss + sequence,
                   (uint16_t)mtu, peer->now_ns);
    peer_round(peer);
    return true;
}

static bool do_family(struct script *script, struct script_words *words)
{
    (void)words;
    return !script->is_started || fails(script, "the family comes before everything else");
}

static bool do_hold(struct script *script, struct script_words *words)
{
    (void)words;
    start(script);
    script->is_holding = true;
    return true;
}

static bool do_go(struct script *script, struct script_words *words)
{
    (void)words;
    script->is_holding = false;
    peer_round(&script->peer);
    return true;
}

static bool do_counter(struct script *script, struct script_words *words)
{
    return do_count(script, words, false);
}

static bool do_drop(struct script *script, struct script_words *words)
{
    return do_count(script, words, true);
}

static bool do_connections(struct script *script, struct script_words *words)
{
    start(script);
    return number_is(script, "connections", tcp_connection_count(script->peer.stack),
                     script_next(words));
}

static bool do_time_waits(struct script *script, struct script_words *words)
{
    start(script);
    return number_is(script, "time_waits", tcp_time_wait_count(script->peer.stack),
                     script_next(words));
}

static bool do_listening(struct script *script, struct script_words *words)
{
    const char *word = script_next(words);
    start(script);
    if (!word || strcmp(word, "stops") != 0)
        return fails(script, "only 'listening stops'");
    tcp_stop_listening(script->peer.stack, STACK_PORT);
    return true;
}

/* ---- lines ---- */

static const struct {
    const char *word;
    bool (*run)(struct script *script, struct script_words *words);
    bool acts; /* what was sent before must have been expected */
} commands[] = {
    {"<", do_inject, true},
    {">", do_expect, false},
    {"+", do_wait, true},
    {"app", do_application, false},
    {"open", do_open, true},
    {"icmp", do_icmp, true},
    {"hold", do_hold, true},
    {"go", do_go, false},
    {"port", do_port, true},
    {"listening", do_listening, true},
    {"state", do_state, false},
    {"info", do_info, false},
    {"counter", do_counter, false},
    {"drop", do_drop, false},
    {"connections", do_connections, false},
    {"time_waits", do_time_waits, false},
    {"config", do_config, false},
    {"ipv4", do_family, false},
    {"ipv6", do_family, false},
};

static bool run_line(struct script *script, char *text)
{
    struct script_words words = {0};
    char *comment = strchr(text, '#'), *rest = NULL;
    if (comment)
        *comment = '\0';
    for (char *word = strtok_r(text, " \t\r", &rest); word; word = strtok_r(NULL, " \t\r", &rest)) {
        if (words.count == SCRIPT_WORDS_MAX)
            return fails(script, "more than %u words", SCRIPT_WORDS_MAX);
        words.word[words.count++] = word;
    }
    const char *first = script_next(&words);
    if (!first)
        return true;
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(first, commands[i].word) != 0)
            continue;
        if (commands[i].acts && !script->is_holding && !nothing_is_left(script))
            return false;
        if (!commands[i].run(script, &words))
            return false;
        bool is_done = words.at == words.count || strcmp(first, ">") == 0;
        return is_done || fails(script, "unknown word '%s'", words.word[words.at]);
    }
    return fails(script, "unknown word '%s'", first);
}

static bool run_lines(struct script *script, char *copy)
{
    static char shown[512];
    char *rest = copy;
    script->line = shown;
    while (rest) {
        char *line = strsep(&rest, "\n");
        script->line_number++;
        snprintf(shown, sizeof(shown), "%s", line);
        if (!run_line(script, line))
            return false;
    }
    snprintf(shown, sizeof(shown), "(the end of the script)");
    return nothing_is_left(script);
}

/* A script says in its first lines what it is about and where that is written. */
static bool has_header(const char *text)
{
    const char *end = text;
    while (*end == '#' || *end == '\n') {
        const char *line_end = strchr(end, '\n');
        if (!line_end)
            break;
        end = line_end + 1;
    }
    const char *rfc = strstr(text, "RFC ");
    return text[0] == '#' && rfc && rfc < end;
}

bool script_is_for(const char *text, bool is_ipv6)
{
    return strstr(text, is_ipv6 ? "\nipv4\n" : "\nipv6\n") == NULL;
}

bool script_run(const char *name, const char *text, bool is_ipv6, struct script_report *report)
{
    static struct script script;
    memset(&script, 0, sizeof(script));
    report->text[0] = report->trace[0] = '\0';
    script.report = report;
    script.name = name;
    peer_init(&script.peer);
    script.peer.is_ipv6 = is_ipv6;
    if (is_ipv6) {
        static const uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2};
        memcpy(script.peer.address, address, sizeof(address));
        script.peer.network.mtu = IPV6_MTU;
    }
    script.port = &script.ports[0];
    script.port->port = script.peer.port;
    script.line = "(none)";
    if (!has_header(text))
        return fails(&script, "the first lines must be a comment that names the rule and its RFC");
    char *copy = strdup(text);
    bool passed = run_lines(&script, copy);
    free(copy);
    if (script.is_started)
        peer_stop(&script.peer);
    return passed;
}
