/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/generator/answer.h"

#include <string.h>
#include <strings.h>

#define STATUS_LINE_BYTES_MIN 15u /* "HTTP/1.1 200" CR LF, and the empty line */
#define PRINTABLE 0x20

typedef uint8_t lanes __attribute__((vector_size(16)));

/* ---- like one before ---- */

/* Nonzero: a byte that must be equal is not, or one that may differ is a control character. */
static inline lanes differs(const uint8_t *bytes, const uint8_t *known, const uint8_t *mask)
{
    lanes here, there, must;
    memcpy(&here, bytes, sizeof(here));
    memcpy(&there, known, sizeof(there));
    memcpy(&must, mask, sizeof(must));
    return ((here ^ there) & must) | (lanes)((here | must) < PRINTABLE);
}

bool answer_is_like(const struct answer_learned *learned, const uint8_t *bytes, uint32_t length)
{
    uint32_t total = learned->head.head_bytes;
    if (total == 0 || length < total)
        return false;
    uint32_t last = total - (uint32_t)sizeof(lanes); /* overlaps the one before */
    lanes wrong = differs(bytes + last, learned->bytes + last, learned->mask + last);
    for (uint32_t at = 0; at < last; at += sizeof(lanes))
        wrong |= differs(bytes + at, learned->bytes + at, learned->mask + at);
    uint64_t halves[2];
    memcpy(halves, &wrong, sizeof(halves));
    return (halves[0] | halves[1]) == 0;
}

static void learn(struct answer_parser *parser, const uint8_t *bytes,
                  const struct answer_head *head, const uint8_t *mask)
{
    struct answer_learned *learned = &parser->learned[parser->oldest];
    parser->recent = parser->oldest;
    parser->oldest = (parser->oldest + 1) % ANSWER_LEARNED_COUNT;
    learned->head = *head;
    memcpy(learned->bytes, bytes, head->head_bytes);
    memcpy(learned->mask, mask, head->head_bytes);
}

/* ---- parsing ---- */

struct field {
    const char *name, *value;
    uint32_t name_bytes, value_bytes;
};

static bool name_is(const struct field *field, const char *name)
{
    return field->name_bytes == strlen(name) &&
           strncasecmp(field->name, name, field->name_bytes) == 0;
}

/* Does a comma-separated list have this word? */
static bool list_has(const struct field *field, const char *word)
{
    size_t word_bytes = strlen(word);
    const char *at = field->value, *end = field->value + field->value_bytes;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        while (at < stop && (*at == ' ' || *at == '\t'))
            at++;
        const char *last = stop;
        while (last > at && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        if ((size_t)(last - at) == word_bytes && strncasecmp(at, word, word_bytes) == 0)
            return true;
        at = stop + 1;
    }
    return false;
}

static bool parse_length(const struct field *field, uint64_t *length)
{
    uint64_t sum = 0;
    if (field->value_bytes == 0 || field->value_bytes > 18)
        return false;
    for (uint32_t i = 0; i < field->value_bytes; i++) {
        uint8_t digit = (uint8_t)(field->value[i] - '0');
        if (digit > 9)
            return false;
        sum = sum * 10 + digit;
    }
    *length = sum;
    return true;
}

struct parse {
    struct answer_head head;
    bool has_length;
    bool keeps_alive; /* HTTP/1.0 that said so */
    uint8_t version_minor;
};

/* Takes what a field says; false: it cannot be. *matters: its value means something here. */
static bool take_field(struct parse *parse, const struct field *field, bool *matters)
{
    *matters = true;
    if (name_is(field, "content-length")) {
        uint64_t length;
        if (!parse_length(field, &length) ||
            (parse->has_length && length != parse->head.body_bytes))
            return false;
        parse->head.body_bytes = length;
        parse->has_length = true;
    } else if (name_is(field, "connection")) {
        parse->head.closes |= list_has(field, "close");
        parse->keeps_alive |= list_has(field, "keep-alive");
    } else if (name_is(field, "cache-status")) {
        for (uint32_t i = 0; i + 5 <= field->value_bytes; i++)
            parse->head.is_hit |= memcmp(field->value + i, "; hit", 5) == 0;
    } else if (name_is(field, "transfer-encoding")) {
        return false; /* no coding is understood */
    } else {
        *matters = false;
    }
    return true;
}

static bool parse_status_line(const char *line, uint32_t length, struct parse *parse)
{
    if (length < STATUS_LINE_BYTES_MIN - 3 || memcmp(line, "HTTP/1.", 7) != 0 ||
        (line[7] != '0' && line[7] != '1') || line[8] != ' ' || (length > 12 && line[12] != ' '))
        return false;
    for (int i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return false;
        parse->head.status = (uint16_t)(parse->head.status * 10 + (line[i] - '0'));
    }
    parse->version_minor = (uint8_t)(line[7] - '0');
    return parse->head.status >= 100;
}

/* One field line without its end; `mask` belongs to its first byte. */
static bool parse_field(const char *line, uint32_t length, struct parse *parse, uint8_t *mask)
{
    struct field field = {.name = line};
    const char *colon = memchr(line, ':', length);
    if (!colon || colon == line || line[0] == ' ' || line[0] == '\t')
        return false;
    field.name_bytes = (uint32_t)(colon - line);
    field.value = colon + 1;
    const char *end = line + length;
    while (field.value < end && (*field.value == ' ' || *field.value == '\t'))
        field.value++;
    while (end > field.value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    field.value_bytes = (uint32_t)(end - field.value);
    bool matters;
    if (!take_field(parse, &field, &matters))
        return false;
    if (!matters)
        memset(mask + (field.value - line), 0, field.value_bytes);
    return true;
}

/* RFC 9112 section 6.3, for answers to GET, PUT and DELETE. */
static void settle_body(struct parse *parse)
{
    uint16_t status = parse->head.status;
    if (status < 200 || status == 204 || status == 304)
        parse->head.body_bytes = 0;
    else if (!parse->has_length)
        parse->head.body_bytes = ANSWER_UNTIL_CLOSE;
    if (parse->version_minor == 0 && !parse->keeps_alive)
        parse->head.closes = true;
    if (parse->head.body_bytes == ANSWER_UNTIL_CLOSE)
        parse->head.closes = true;
}

/* `bytes` end with the empty line. */
static bool parse_head(const char *bytes, uint32_t length, struct parse *parse, uint8_t *mask)
{
    const char *at = bytes, *end = bytes + length - 2;
    memset(mask, 0xff, length);
    for (bool is_first = true; at < end; is_first = false) {
        const char *stop = memchr(at, '\r', (size_t)(end - at));
        if (!stop || stop[1] != '\n')
            return false;
        uint32_t line_bytes = (uint32_t)(stop - at);
        if (is_first ? !parse_status_line(at, line_bytes, parse)
                     : !parse_field(at, line_bytes, parse, mask + (at - bytes)))
            return false;
        at = stop + 2;
    }
    parse->head.head_bytes = length;
    settle_body(parse);
    return true;
}

enum answer_verdict answer_parse_slowly(struct answer_parser *parser, const uint8_t *bytes,
                                        uint32_t length, struct answer_head *out)
{
    uint8_t mask[ANSWER_HEAD_BYTES_MAX];
    for (uint32_t i = 0; i < ANSWER_LEARNED_COUNT; i++)
        if (answer_is_like(&parser->learned[i], bytes, length)) {
            parser->recent = i;
            *out = parser->learned[i].head;
            return ANSWER_COMPLETE;
        }
    uint32_t searched = length < ANSWER_HEAD_BYTES_MAX ? length : ANSWER_HEAD_BYTES_MAX;
    const uint8_t *empty_line = memmem(bytes, searched, "\r\n\r\n", 4);
    if (!empty_line) {
        uint32_t compared = searched < 7 ? searched : 7;
        bool is_hopeless =
            searched == ANSWER_HEAD_BYTES_MAX || memcmp(bytes, "HTTP/1.", compared) != 0;
        return is_hopeless ? ANSWER_MALFORMED : ANSWER_INCOMPLETE;
    }
    struct parse parse = {0};
    uint32_t head_bytes = (uint32_t)(empty_line - bytes) + 4;
    parser->slow_count++;
    if (!parse_head((const char *)bytes, head_bytes, &parse, mask))
        return ANSWER_MALFORMED;
    *out = parse.head;
    if (head_bytes <= ANSWER_LEARNED_BYTES_MAX && head_bytes >= sizeof(lanes))
        learn(parser, bytes, out, mask);
    return ANSWER_COMPLETE;
}
