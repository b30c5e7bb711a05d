/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/capture_filter.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "include/compiler.h"

#define ADDRESS_TEXT_MAX 45u

/* Digits only, 1 to most. */
static bool parse_number(const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
    uint32_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > most)
            return false;
        value = value * 10 + (uint32_t)(*text - '0');
    }
    *out = value;
    return value >= least && value <= most;
}

static bool set_client(struct capture_filter *filter, const char *text)
{
    char address[ADDRESS_TEXT_MAX + 1];
    size_t bytes = strcspn(text, "/");
    if (bytes > ADDRESS_TEXT_MAX)
        return false;
    memcpy(address, text, bytes);
    address[bytes] = '\0';
    filter->ip_version = inet_pton(AF_INET, address, filter->address) == 1    ? 4
                         : inet_pton(AF_INET6, address, filter->address) == 1 ? 6
                                                                              : 0;
    uint32_t bits = filter->ip_version == 4 ? 32 : 128;
    if (filter->ip_version == 0 ||
        (text[bytes] == '/' && !parse_number(text + bytes + 1, 0, bits, &bits)))
        return false;
    filter->prefix_bits = (uint8_t)bits;
    return true;
}

static bool set_port(struct capture_filter *filter, const char *text)
{
    uint32_t port = 0;
    bool is_port = parse_number(text, 1, UINT16_MAX, &port);
    filter->port = (uint16_t)port;
    return is_port;
}

static bool set_protocol(struct capture_filter *filter, const char *text)
{
    static const struct {
        const char *name;
        uint16_t number;
    } protocols[] = {{"tcp", 6}, {"udp", 17}, {"icmp", 1}, {"arp", CAPTURE_PROTOCOL_ARP}};
    for (size_t i = 0; i < ARRAY_COUNT(protocols); i++)
        if (strcmp(text, protocols[i].name) == 0) {
            filter->protocol = protocols[i].number;
            return true;
        }
    return false;
}

static bool set_direction(struct capture_filter *filter, const char *text)
{
    filter->directions = strcmp(text, "in") == 0    ? CAPTURE_RECEIVED
                         : strcmp(text, "out") == 0 ? CAPTURE_SENT
                                                    : 0;
    return filter->directions != 0;
}

static bool set_snap(struct capture_filter *filter, const char *text)
{
    return parse_number(text, 1, CAPTURE_SNAP_BYTES_MAX, &filter->snap_bytes);
}

static const struct {
    const char *name;
    bool (*set)(struct capture_filter *filter, const char *text);
    const char *allowed;
} words[] = {
    {"client", set_client, "an address, or a prefix such as 192.0.2.0/24 or 2001:db8::/32"},
    {"port", set_port, "1 to 65535, ours or the client's"},
    {"protocol", set_protocol, "tcp, udp, icmp (ICMPv6 too) or arp"},
    {"direction", set_direction, "in or out"},
    {"snap", set_snap, "1 to 65535 bytes of each frame"},
};

/* "name=value", terminated. */
static bool take_word(const char *word, struct capture_filter *filter, uint32_t *taken, char *error,
                      size_t error_bytes)
{
    size_t name_bytes = strcspn(word, "=");
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (word[name_bytes] != '=' || strlen(words[i].name) != name_bytes ||
            memcmp(word, words[i].name, name_bytes) != 0)
            continue;
        if (*taken >> i & 1) {
            snprintf(error, error_bytes, "%s= is there twice", words[i].name);
            return false;
        }
        *taken |= 1u << i;
        if (words[i].set(filter, word + name_bytes + 1))
            return true;
        snprintf(error, error_bytes, "%.60s: allowed %s", word, words[i].allowed);
        return false;
    }
    snprintf(error, error_bytes,
             "\"%.40s\": allowed are all, or client=, port=, protocol=, direction= and snap= with "
             "commas between them",
             word);
    return false;
}

bool capture_filter_parse(const char *text, struct capture_filter *filter, char *error,
                          size_t error_bytes)
{
    char word[CAPTURE_FILTER_TEXT_MAX + 1];
    uint32_t taken = 0;
    *filter = (struct capture_filter){.snap_bytes = CAPTURE_SNAP_BYTES_MAX,
                                      .directions = CAPTURE_RECEIVED | CAPTURE_SENT};
    if (strlen(text) > CAPTURE_FILTER_TEXT_MAX) {
        snprintf(error, error_bytes, "longer than %u bytes", CAPTURE_FILTER_TEXT_MAX);
        return false;
    }
    if (strcmp(text, "all") == 0)
        return true;
    for (;;) {
        size_t bytes = strcspn(text, ",");
        memcpy(word, text, bytes);
        word[bytes] = '\0';
        if (!take_word(word, filter, &taken, error, error_bytes))
            return false;
        if (text[bytes] == '\0')
            break;
        text += bytes + 1;
    }
    if (filter->port != 0 && filter->protocol != 0 && filter->protocol != 6 &&
        filter->protocol != 17) {
        snprintf(error, error_bytes, "port= goes with protocol=tcp or udp only");
        return false;
    }
    return true;
}
