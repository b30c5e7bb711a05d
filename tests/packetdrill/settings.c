/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packetdrill/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp_stack.h"
#include "include/compiler.h"
#include "include/random.h"
#include "tests/packetdrill/environment.h"

#define CONNECTIONS 256u
#define SEND_BUDGET_BYTES (4u << 20) /* as large as Linux lets a send buffer grow */
#define USER_TIMEOUT_MS 924600u      /* 15 retransmissions, as in Linux */

struct number_key {
    const char *name;
    size_t offset;
    uint64_t least, most, fallback;
};

#define NUMBER(name, least, most, fallback)                                                        \
    {                                                                                              \
#name, offsetof(struct settings, name), least, most, fallback                              \
    }

static const struct number_key numbers[] = {
    NUMBER(mtu, 296, ENVIRONMENT_MTU_MAX, 1500),
    NUMBER(wscale, 0, 14, 8),
    NUMBER(iw, 1, 64, 10),
    NUMBER(delack_us, 0, 500000, 0),
    NUMBER(rto_min_ms, 1, 60000, 200),
    NUMBER(ts_tick_us, 1000, 1049, 1000), /* the stack's tick is 1.048576 ms: that is 1 or 1.049 */
    NUMBER(rcvbuf, 0, 1 << 30, 0),
    NUMBER(sndbuf, 0, 1 << 30, 0),
    NUMBER(ecn, 0, 0, 0), /* the stack never negotiates it */
    NUMBER(sack, 0, 1, 1),
    NUMBER(ts, 0, 1, 1),
    NUMBER(seed, 0, UINT64_MAX, 1),
};

static void refuse(const char *key, const char *value, const char *why)
{
    fprintf(stderr, "gannet: --so_flags: %s=%s: %s\n", key, value, why);
    exit(EXIT_FAILURE);
}

static void set_number(struct settings *settings, const struct number_key *key, const char *value)
{
    char *end, why[80];
    errno = 0;
    uint64_t number = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 || number < key->least ||
        number > key->most) {
        snprintf(why, sizeof(why), "allowed %" PRIu64 "..%" PRIu64 " (default %" PRIu64 ")",
                 key->least, key->most, key->fallback);
        refuse(key->name, value, why);
    }
    memcpy((char *)settings + key->offset, &number, sizeof(number));
}

static int syn_cookies_of(const char *word)
{
    static const char *const words[] = {[TCP_SYN_COOKIES_AUTO] = "auto",
                                        [TCP_SYN_COOKIES_ALWAYS] = "always",
                                        [TCP_SYN_COOKIES_NEVER] = "never"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (strcmp(words[i], word) == 0)
            return (int)i;
    return -1;
}

static void set_word(struct settings *settings, const char *key, const char *value)
{
    if (strcmp(key, "cc") == 0) {
        settings->use_newreno = strcmp(value, "cubic") != 0;
        if (settings->use_newreno && strcmp(value, "newreno") != 0 && strcmp(value, "reno") != 0)
            refuse(key, value, "allowed cubic, newreno");
    } else if (strcmp(key, "syncookies") == 0) {
        settings->syn_cookies = syn_cookies_of(value);
        if (settings->syn_cookies < 0)
            refuse(key, value, "allowed auto, always, never");
    } else if (strcmp(key, "pcap") == 0) {
        if (*value == '\0' || strlen(value) >= sizeof(settings->pcap))
            refuse(key, value, "not a file name, or too long");
        snprintf(settings->pcap, sizeof(settings->pcap), "%s", value);
    } else {
        refuse(key, value, "unknown key");
    }
}

static void set(struct settings *settings, const char *key, const char *value)
{
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
        if (strcmp(numbers[i].name, key) == 0) {
            if (*value != '\0') /* nothing is the default */
                set_number(settings, &numbers[i], value);
            return;
        }
    set_word(settings, key, value);
}

void settings_read(const char *flags, struct settings *settings)
{
    char text[1024], *rest = text, *pair;
    memset(settings, 0, sizeof(*settings));
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
        memcpy((char *)settings + numbers[i].offset, &numbers[i].fallback, sizeof(uint64_t));
    if (!flags)
        return;
    if ((size_t)snprintf(text, sizeof(text), "%s", flags) >= sizeof(text))
        refuse("flags", flags, "too long");
    while ((pair = strsep(&rest, ",")) != NULL) {
        if (*pair == '\0')
            continue;
        char *value = strchr(pair, '=');
        if (!value)
            refuse(pair, "", "a key needs a value");
        *value++ = '\0';
        set(settings, pair, value);
    }
}

void settings_apply(const struct settings *settings, struct tcp_stack_config *config)
{
    struct random random = {settings->seed};
    memset(config, 0, sizeof(*config));
    config->connections = CONNECTIONS;
    config->half_open_max = CONNECTIONS / 2;
    config->receive_window_bytes =
        settings->rcvbuf ? (uint32_t)settings->rcvbuf : 65535u << settings->wscale;
    config->send_budget_bytes = settings->sndbuf ? (uint32_t)settings->sndbuf : SEND_BUDGET_BYTES;
    config->initial_window_segments = (uint32_t)settings->iw;
    config->out_of_order_max = 1024;
    config->use_newreno = settings->use_newreno;
    config->syn_cookies = (enum tcp_syn_cookies)settings->syn_cookies;
    config->offer_timestamps = settings->ts;
    config->offer_sack = settings->sack;
    config->rto_min_ms = (uint32_t)settings->rto_min_ms;
    config->delayed_ack_ms = (uint32_t)(settings->delack_us / 1000);
    config->tlp_ack_delay_ms = 40;
    config->user_timeout_ms = USER_TIMEOUT_MS;
    config->time_wait_ms = 60000;
    config->fin_wait_ms = 60000;
    config->reset_rate_per_s = 1000;
    config->key = (struct siphash_key){random_u64(&random), random_u64(&random)};
}
