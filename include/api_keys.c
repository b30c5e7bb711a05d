/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/api_keys.h"

#include <assert.h>
#include <errno.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "include/assert_policy.h"

/* ---- finding ------------------------------------------------------------ */

void api_key_hash(const void *key, size_t bytes, uint8_t hash[API_KEY_HASH_BYTES])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, bytes, key);
    sha256_digest(&context, API_KEY_HASH_BYTES, hash);
}

static uint32_t slot_of(const uint8_t hash[API_KEY_HASH_BYTES])
{
    uint32_t word;
    memcpy(&word, hash, sizeof(word));
    return word & (API_KEY_SLOTS - 1);
}

/*
 * Whose slot is looked at depends on the hash of what was given, which says nothing about the keys
 * that there are; a whole hash is compared in constant time.
 */
uint32_t api_keys_find(const struct api_keys *keys, const void *key, size_t bytes)
{
    uint8_t hash[API_KEY_HASH_BYTES];
    if (bytes == 0 || bytes > API_KEY_BYTES_MAX)
        return API_KEY_NONE;
    api_key_hash(key, bytes, hash);
    uint32_t found = API_KEY_NONE;
    for (uint32_t slot = slot_of(hash); keys->slots[slot] != 0; /* half of the slots are free */
         slot = (slot + 1) & (API_KEY_SLOTS - 1))
        if (memeql_sec(api_keys_at(keys, keys->slots[slot])->hash, hash, sizeof(hash)))
            found = keys->slots[slot];
    return found;
}

static void add_to_table(struct api_keys *keys, uint32_t number)
{
    uint32_t slot = slot_of(api_keys_at(keys, number)->hash);
    while (keys->slots[slot] != 0)
        slot = (slot + 1) & (API_KEY_SLOTS - 1);
    keys->slots[slot] = (uint16_t)number;
}

/* ---- reading ------------------------------------------------------------ */

struct word {
    const char *at;
    size_t bytes;
};

struct line {
    const char *at, *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool next_word(struct line *line, struct word *word)
{
    while (line->at < line->end && is_blank(*line->at))
        line->at++;
    word->at = line->at;
    while (line->at < line->end && !is_blank(*line->at))
        line->at++;
    word->bytes = (size_t)(line->at - word->at);
    return word->bytes > 0 && word->at[0] != '#';
}

/* What is behind "name=" or "name:", when the word begins so. */
static bool begins_with(const struct word *word, const char *name, struct word *rest)
{
    size_t bytes = strlen(name);
    if (word->bytes < bytes || memcmp(word->at, name, bytes) != 0)
        return false;
    *rest = (struct word){word->at + bytes, word->bytes - bytes};
    return true;
}

bool api_key_is_name(const char *name, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char c = name[i];
        bool is_good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       c == '.' || c == '_' || c == '-';
        if (!is_good)
            return false;
    }
    return bytes > 0 && bytes <= API_KEY_NAME_BYTES_MAX;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static const char *read_hash(const struct word *word, struct api_key *key)
{
    struct word digits;
    if (!begins_with(word, "sha256:", &digits) || digits.bytes != 2 * API_KEY_HASH_BYTES)
        return "allowed sha256: and 64 hexadecimal digits, small letters";
    for (size_t i = 0; i < API_KEY_HASH_BYTES; i++) {
        int high = digit_of(digits.at[2 * i]), low = digit_of(digits.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return "allowed sha256: and 64 hexadecimal digits, small letters";
        key->hash[i] = (uint8_t)(high << 4 | low);
    }
    return NULL;
}

/* Takes the next of "a,b,c" off; false at the end. */
static bool next_item(struct word *list, struct word *item)
{
    if (list->at == NULL)
        return false;
    const char *comma = memchr(list->at, ',', list->bytes);
    *item = (struct word){list->at, comma ? (size_t)(comma - list->at) : list->bytes};
    if (comma)
        *list = (struct word){comma + 1, list->bytes - item->bytes - 1};
    else
        list->at = NULL;
    return true;
}

static const char *read_methods(struct word list, const struct api_key_names *names,
                                struct api_key *key)
{
    struct word item;
    key->methods = 0;
    while (next_item(&list, &item)) {
        uint32_t method = 0;
        while (method < names->method_count &&
               (strlen(names->methods[method]) != item.bytes ||
                memcmp(names->methods[method], item.at, item.bytes)))
            method++;
        if (method == names->method_count)
            return "methods= allows a list such as GET,HEAD,PUT,DELETE,POST,PATCH";
        key->methods |= 1u << method;
    }
    return NULL;
}

static const char *read_namespaces(struct word list, const struct api_key_names *names,
                                   struct api_key *key)
{
    struct word item;
    key->has_all_namespaces = false;
    while (next_item(&list, &item)) {
        uint32_t number = names->find_namespace(names->context, item.at, item.bytes);
        if (number >= API_KEY_NAMESPACES_MAX)
            return "namespaces= names one that is not configured";
        key->namespaces[number / 64] |= UINT64_C(1) << (number % 64);
    }
    return NULL;
}

/* "2027-01-31": the key is refused from the beginning of that day (UTC). */
static const char *read_expiry(const struct word *date, struct api_key *key)
{
    static const char sentence[] = "expires= allows a day such as 2027-01-31";
    char text[11];
    struct tm day = {0};
    if (date->bytes != 10)
        return sentence;
    memcpy(text, date->at, 10);
    text[10] = '\0';
    const char *end = strptime(text, "%Y-%m-%d", &day);
    if (!end || *end != '\0' || strspn(text, "0123456789-") != 10)
        return sentence;
    time_t seconds = timegm(&day);
    if (seconds <= 0 || day.tm_year < 70)
        return sentence;
    key->expires_at_s = (uint64_t)seconds;
    return NULL;
}

static const char *read_option(const struct word *word, const struct api_key_names *names,
                               struct api_key *key)
{
    struct word value;
    if (begins_with(word, "methods=", &value))
        return read_methods(value, names, key);
    if (begins_with(word, "namespaces=", &value))
        return read_namespaces(value, names, key);
    if (begins_with(word, "expires=", &value))
        return read_expiry(&value, key);
    return "allowed are methods=, namespaces= and expires= behind the hash";
}

static const char *why_not_beside_others(const struct api_keys *keys, const struct api_key *key)
{
    if (keys->count == API_KEYS_MAX)
        return "more than 1024 keys";
    for (uint32_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i].name, key->name) == 0 &&
            memcmp(keys->keys[i].hash, key->hash, sizeof(key->hash)) == 0)
            return "the same key is there twice";
        if (memcmp(keys->keys[i].hash, key->hash, sizeof(key->hash)) == 0)
            return "another client has the same key";
    }
    return NULL;
}

/* NULL, or what is wrong. A client may have several keys: so they can be changed one by one. */
static const char *read_key(struct line *line, const struct word *name,
                            const struct api_key_names *names, struct api_keys *keys)
{
    struct word word;
    struct api_key key = {.methods = UINT32_MAX, .has_all_namespaces = true};
    if (!api_key_is_name(name->at, name->bytes))
        return "a client's name is 1 to 64 of A-Z a-z 0-9 . _ -";
    memcpy(key.name, name->at, name->bytes);
    if (!next_word(line, &word))
        return "the hash is missing: sha256: and 64 hexadecimal digits";
    const char *why = read_hash(&word, &key);
    while (!why && next_word(line, &word))
        why = read_option(&word, names, &key);
    if (!why)
        why = why_not_beside_others(keys, &key);
    if (why)
        return why;
    keys->keys[keys->count++] = key;
    add_to_table(keys, keys->count);
    return NULL;
}

int api_keys_parse(struct api_keys *keys, const char *text, size_t bytes,
                   const struct api_key_names *names, char *problem, size_t problem_bytes)
{
    static_assert(API_KEYS_MAX * 2 <= API_KEY_SLOTS, "a search ends at a free slot");
    memset(keys, 0, sizeof(*keys));
    const char *end = text + bytes;
    uint32_t number = 1;
    for (const char *at = text; at < end; number++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        struct line line = {at, line_end ? line_end : end};
        struct word name;
        const char *why = NULL;
        if (next_word(&line, &name))
            why = read_key(&line, &name, names, keys);
        if (why) {
            snprintf(problem, problem_bytes, "line %u: %s", number, why);
            return -EINVAL;
        }
        at = line_end ? line_end + 1 : end;
    }
    return 0;
}

/* ---- making ------------------------------------------------------------ */

void api_key_write(const uint8_t random[API_KEY_RANDOM_BYTES], char text[API_KEY_TEXT_BYTES + 1])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    static const char prefix[] = "gannet_";
    size_t used = sizeof(prefix) - 1;
    uint32_t bits = 0, bit_count = 0;
    memcpy(text, prefix, used);
    for (uint32_t i = 0; i < API_KEY_RANDOM_BYTES; i++) {
        bits = bits << 8 | random[i];
        for (bit_count += 8; bit_count >= 6; bit_count -= 6)
            text[used++] = letters[bits >> (bit_count - 6) & 63];
    }
    text[used++] = letters[bits << (6 - bit_count) & 63];
    ASSERT(used == API_KEY_TEXT_BYTES);
    text[used] = '\0';
}
