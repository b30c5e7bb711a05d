/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/port_set.h"

#include <errno.h>
#include <string.h>

#define PORT_MAX 65535u

/* A decimal port number from 1 to 65535; the text behind it, or NULL. */
static const char *parse_port(const char *text, uint32_t *port)
{
    *port = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && *port <= PORT_MAX; at++)
        *port = *port * 10 + (uint32_t)(*at - '0');
    return at > text && *port >= 1 && *port <= PORT_MAX ? at : NULL;
}

static int parse_list(const char *text, struct port_set *out)
{
    for (const char *at = text;; at++) {
        uint32_t first, last;
        at = parse_port(at, &first);
        last = first;
        if (at && *at == '-')
            at = parse_port(at + 1, &last);
        if (!at || first > last || (*at != ',' && *at != '\0'))
            return -EINVAL;
        for (uint32_t port = first; port <= last; port++)
            out->words[port / 64] |= UINT64_C(1) << (port % 64);
        if (*at == '\0')
            return 0;
    }
}

int port_set_parse(const char *text, struct port_set *out)
{
    memset(out, 0, sizeof(*out));
    if (strcmp(text, "none") == 0)
        return 0;
    int result = parse_list(strcmp(text, "all") == 0 ? "1-65535" : text, out);
    if (result != 0)
        memset(out, 0, sizeof(*out));
    return result;
}
