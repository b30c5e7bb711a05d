/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packet_scripts/script_segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/byte_order.h"

#define FLAG_ECE 0x40u
#define FLAG_CWR 0x80u

static const struct {
    const char *name;
    uint8_t bit;
} flag_names[] = {
    {"SYN", TCP_FLAG_SYN}, {"ACK", TCP_FLAG_ACK}, {"FIN", TCP_FLAG_FIN},
    {"RST", TCP_FLAG_RST}, {"PSH", TCP_FLAG_PSH}, {"URG", TCP_FLAG_URG},
    {"ECE", FLAG_ECE},     {"CWR", FLAG_CWR},     {"NONE", 0},
};

/* ---- words ---- */

const char *script_next(struct script_words *words)
{
    return words->at < words->count ? words->word[words->at++] : NULL;
}

bool script_number_of(const char *word, uint32_t *number)
{
    char *end;
    errno = 0;
    long long value = strtoll(word, &end, 10);
    if (end == word || *end != '\0' || errno != 0 || value > UINT32_MAX || value < INT32_MIN)
        return false;
    *number = (uint32_t)value;
    return true;
}

bool script_number(struct script_words *words, uint32_t *number, char *why)
{
    const char *before = words->at > 0 ? words->word[words->at - 1] : "";
    const char *word = script_next(words);
    if (word && script_number_of(word, number))
        return true;
    snprintf(why, SCRIPT_WHY_BYTES, "'%s' needs a number, not '%s'", before, word ? word : "");
    return false;
}

static bool number_or_any(struct script_words *words, struct script_field *field, char *why)
{
    field->is_given = true;
    field->is_any = words->at < words->count && strcmp(words->word[words->at], "*") == 0;
    if (!field->is_any)
        return script_number(words, &field->value, why);
    words->at++;
    return true;
}

/* ---- reading ---- */

static bool parse_flag(const char *word, struct script_segment *segment)
{
    for (size_t i = 0; i < ARRAY_COUNT(flag_names); i++)
        if (strcmp(word, flag_names[i].name) == 0) {
            segment->flags |= flag_names[i].bit;
            return true;
        }
    return false;
}

/* sack LEFT-RIGHT LEFT-RIGHT ... */
static bool parse_sack(struct script_words *words, struct script_segment *segment, char *why)
{
    while (segment->sack_count < ARRAY_COUNT(segment->sack) && words->at < words->count) {
        long long left, right;
        int used = 0;
        const char *word = words->word[words->at];
        if (sscanf(word, "%lld-%lld%n", &left, &right, &used) != 2 || word[used] != '\0')
            break;
        segment->sack[segment->sack_count++] =
            (struct tcp_sack_block){(uint32_t)left, (uint32_t)right};
        words->at++;
    }
    if (segment->sack_count > 0)
        return true;
    snprintf(why, SCRIPT_WHY_BYTES, "'sack' needs blocks such as 1001-2001");
    return false;
}

/* raw HEX: option bytes as they are */
static bool parse_raw(struct script_words *words, struct script_segment *segment, char *why)
{
    const char *word = script_next(words);
    segment->raw_bytes = 0;
    for (; word && word[0] && word[1]; word += 2) {
        unsigned byte;
        if (segment->raw_bytes == sizeof(segment->raw) || sscanf(word, "%2x", &byte) != 1)
            break;
        segment->raw[segment->raw_bytes++] = (uint8_t)byte;
    }
    if (segment->raw_bytes > 0 && word[0] == '\0')
        return true;
    snprintf(why, SCRIPT_WHY_BYTES, "'raw' needs an even number of hexadecimal digits");
    return false;
}

/* ts VALUE [ECHO] */
static bool parse_timestamps(struct script_words *words, struct script_segment *segment, char *why)
{
    if (!number_or_any(words, &segment->ts_value, why))
        return false;
    uint32_t ignored;
    bool has_echo =
        words->at < words->count && (strcmp(words->word[words->at], "*") == 0 ||
                                     script_number_of(words->word[words->at], &ignored));
    return !has_echo || number_or_any(words, &segment->ts_echo, why);
}

/* False with an empty `why`: not a word of segments. */
static bool parse_field(const char *word, struct script_words *words,
                        struct script_segment *segment, char *why)
{
    const struct {
        const char *name;
        struct script_field *field;
    } fields[] = {
        {"ack", &segment->ack}, {"win", &segment->window},  {"urgent", &segment->urgent},
        {"mss", &segment->mss}, {"scale", &segment->scale},
    };
    const struct {
        const char *name;
        uint32_t *number;
    } numbers[] = {
        {"len", &segment->length},
        {"header_words", &segment->header_words},
        {"traffic_class", &segment->traffic_class},
        {"reserved", &segment->reserved_bits},
    };
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++)
        if (strcmp(word, fields[i].name) == 0)
            return number_or_any(words, fields[i].field, why);
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
        if (strcmp(word, numbers[i].name) == 0)
            return script_number(words, numbers[i].number, why);
    return false;
}

static bool parse_word(const char *word, struct script_words *words, struct script_segment *segment,
                       char *why)
{
    if (parse_flag(word, segment) || parse_field(word, words, segment, why))
        return true;
    if (why[0] != '\0')
        return false;
    if (strcmp(word, "seq") == 0) {
        segment->seq_is_absolute =
            words->at < words->count && strcmp(words->word[words->at], "zero") == 0;
        if (segment->seq_is_absolute)
            words->at++;
        return segment->seq_is_absolute || script_number(words, &segment->seq, why);
    }
    if (strcmp(word, "ts") == 0)
        return parse_timestamps(words, segment, why);
    if (strcmp(word, "sack") == 0)
        return parse_sack(words, segment, why);
    if (strcmp(word, "raw") == 0)
        return parse_raw(words, segment, why);
    if (strcmp(word, "nots") == 0)
        return segment->without_timestamps = true;
    if (strcmp(word, "sackok") == 0)
        return segment->sack_permitted = true;
    if (strcmp(word, "bad_checksum") == 0)
        return segment->has_bad_checksum = true;
    snprintf(why, SCRIPT_WHY_BYTES, "unknown word '%s'", word);
    return false;
}

bool script_segment_parse(struct script_words *words, struct script_segment *segment, char *why)
{
    const char *word;
    memset(segment, 0, sizeof(*segment));
    why[0] = '\0';
    while ((word = script_next(words)) != NULL)
        if (!parse_word(word, words, segment, why))
            return false;
    return true;
}

/* ---- writing ---- */

struct line {
    char *at;
    size_t left;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->at, line->left, format, arguments);
    va_end(arguments);
    size_t used = (size_t)length < line->left ? (size_t)length : line->left - 1;
    line->at += used;
    line->left -= used;
}

static void put_field(struct line *line, const char *name, const struct script_field *field)
{
    if (field->is_given && field->is_any)
        put(line, " %s *", name);
    else if (field->is_given)
        put(line, " %s %d", name, (int32_t)field->value);
}

void script_segment_text(const struct script_segment *segment, char *text)
{
    struct line line = {.at = text, .left = SCRIPT_LINE_BYTES};
    for (size_t i = 0; i < ARRAY_COUNT(flag_names); i++)
        if ((segment->flags & flag_names[i].bit) || (segment->flags == 0 && !flag_names[i].bit))
            put(&line, "%s ", flag_names[i].name);
    if (segment->seq_is_absolute)
        put(&line, "seq zero");
    else
        put(&line, "seq %d", (int32_t)segment->seq);
    put_field(&line, "ack", &segment->ack);
    if (segment->length > 0)
        put(&line, " len %u", segment->length);
    put_field(&line, "win", &segment->window);
    put_field(&line, "mss", &segment->mss);
    put_field(&line, "scale", &segment->scale);
    if (segment->sack_permitted)
        put(&line, " sackok");
    put_field(&line, "ts", &segment->ts_value);
    if (segment->ts_value.is_given)
        put_field(&line, "", &segment->ts_echo);
    for (uint32_t i = 0; i < segment->sack_count; i++)
        put(&line, "%s%u-%u", i == 0 ? " sack " : " ", segment->sack[i].left,
            segment->sack[i].right);
    if (segment->raw_bytes > 0)
        put(&line, " raw");
    for (uint32_t i = 0; i < segment->raw_bytes; i++)
        put(&line, "%s%02x", i == 0 ? " " : "", segment->raw[i]);
}

/* ---- what the stack sent ---- */

static struct script_field given(uint32_t value)
{
    return (struct script_field){.is_given = true, .value = value};
}

void script_segment_seen(const struct seen_segment *seen, struct script_segment *segment)
{
    *segment = (struct script_segment){
        .flags = seen->flags,
        .seq = seen->seq,
        .length = seen->length,
        .window = given(seen->window),
        .sack_count = seen->sack_count,
        .sack_permitted = seen->syn.has_sack,
    };
    if (seen->flags & TCP_FLAG_ACK)
        segment->ack = given(seen->ack);
    if (seen->syn.mss_bytes != 0)
        segment->mss = given(seen->syn.mss_bytes);
    if (seen->syn.has_window_scale)
        segment->scale = given(seen->syn.window_scale);
    if (seen->has_timestamps) {
        segment->ts_value = given(seen->timestamp_value);
        segment->ts_echo = given(seen->timestamp_echo);
    }
    memcpy(segment->sack, seen->sack, sizeof(segment->sack));
}

static bool field_differs(const struct script_field *expected, const struct script_field *seen,
                          bool is_strict)
{
    if (!expected->is_given)
        return is_strict && seen->is_given;
    return !seen->is_given || (!expected->is_any && expected->value != seen->value);
}

static bool sack_differs(const struct script_segment *expected, const struct script_segment *seen)
{
    return expected->sack_count != seen->sack_count ||
           memcmp(expected->sack, seen->sack, seen->sack_count * sizeof(seen->sack[0])) != 0;
}

const char *script_segment_difference(const struct script_segment *expected,
                                      const struct script_segment *seen)
{
    bool is_syn = expected->flags & TCP_FLAG_SYN; /* all options of a SYN are named */
    uint8_t ignored = expected->flags & TCP_FLAG_PSH ? 0 : TCP_FLAG_PSH;
    if (expected->flags != (seen->flags & ~ignored))
        return "flags";
    if (!expected->seq_is_absolute && expected->seq != seen->seq)
        return "seq";
    if (field_differs(&expected->ack, &seen->ack, true))
        return "ack";
    if (expected->length != seen->length)
        return "len";
    if (field_differs(&expected->window, &seen->window, false))
        return "win";
    if (field_differs(&expected->mss, &seen->mss, true))
        return "mss";
    if (field_differs(&expected->scale, &seen->scale, true))
        return "scale";
    if (expected->sack_permitted != seen->sack_permitted)
        return "sackok";
    if (expected->without_timestamps && seen->ts_value.is_given)
        return "nots";
    if (field_differs(&expected->ts_value, &seen->ts_value, is_syn) ||
        field_differs(&expected->ts_echo, &seen->ts_echo, is_syn))
        return "ts";
    return sack_differs(expected, seen) ? "sack" : NULL;
}

/* ---- going in ---- */

static void store32(uint8_t *at, uint32_t value)
{
    be32_t wire = be32_make(value);
    memcpy(at, &wire, sizeof(wire));
}

uint32_t script_segment_options(const struct script_segment *segment, const struct tcp_peer *peer,
                                uint8_t *out)
{
    uint32_t used = 0;
    bool is_syn = segment->flags & TCP_FLAG_SYN;
    memset(out, 0, TCP_OPTION_BYTES_MAX);
    if (segment->mss.is_given) {
        const uint8_t mss[4] = {2, 4, (uint8_t)(segment->mss.value >> 8),
                                (uint8_t)segment->mss.value};
        memcpy(out + used, mss, sizeof(mss));
        used += 4;
    }
    if (segment->sack_permitted) {
        memcpy(out + used, "\1\1\4\2", 4);
        used += 4;
    }
    if (segment->scale.is_given) {
        const uint8_t scale[4] = {1, 3, 3, (uint8_t)segment->scale.value};
        memcpy(out + used, scale, sizeof(scale));
        used += 4;
    }
    bool is_agreed = peer->uses_timestamps && !is_syn && !segment->without_timestamps;
    if (segment->ts_value.is_given || is_agreed) {
        memcpy(out + used, "\1\1\10\12", 4);
        store32(out + used + 4,
                segment->ts_value.is_given ? segment->ts_value.value : peer->timestamp);
        store32(out + used + 8, segment->ts_echo.is_given ? segment->ts_echo.value
                                : is_syn                  ? 0
                                                          : peer->timestamp_echo);
        used += 12;
    }
    struct tcp_sack_block blocks[4];
    for (uint32_t i = 0; i < segment->sack_count; i++) {
        blocks[i].left = peer->stack_iss + segment->sack[i].left;
        blocks[i].right = peer->stack_iss + segment->sack[i].right;
    }
    used += tcp_options_write_sack(out + used, blocks, segment->sack_count);
    uint32_t raw_bytes = u32_min(segment->raw_bytes, TCP_OPTION_BYTES_MAX - used);
    memcpy(out + used, segment->raw, raw_bytes);
    used += raw_bytes;
    return (used + 3) & ~3u; /* padded with zeroes: end of options */
}
