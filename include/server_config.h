/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * server_config.h - the parsed configuration, generated from config_keys.def.
 *
 * Purpose:   one immutable snapshot that every thread may read.
 * Ownership: made by control/config_file.c before threads start.
 * Threading: read-only afterwards.
 * Units:     in each key's record; sizes keep the unit of their name (_mib, _max in bytes).
 * Errors:    none here: ranges were checked when it was read.
 * Source:    the record idea follows Varnish's include/tbl/params.h.
 */
#ifndef GANNET_SERVER_CONFIG_H
#define GANNET_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CORES_MAX 128u

struct core_list {
    bool is_auto;
    uint32_t core_count;
    uint16_t cores[CORES_MAX];
};

/* Half a declaration each, so: */
/* clang-format off */
#define CONFIG_SECTION(section) struct {
#define CONFIG_SECTION_END(section) } section;
#define CONFIG_RECORDS(section, most) struct config_##section {
#define CONFIG_RECORDS_END(section, most) } section[most]; uint32_t section##_count;
#define CONFIG_NUMBER(section, name, unit, min, max, fallback, sentence) uint64_t name;
#define CONFIG_SWITCH(section, name, fallback, sentence) bool name;
#define CONFIG_CHOICE(section, name, choices, fallback, sentence) uint32_t name;
#define CONFIG_TEXT(section, name, most, fallback, sentence) char name[(most) + 1];
#define CONFIG_CORES(section, name, fallback, sentence) struct core_list name;
/* clang-format on */

struct server_config {
#include "include/config_keys.def"
};

#undef CONFIG_SECTION
#undef CONFIG_SECTION_END
#undef CONFIG_RECORDS
#undef CONFIG_RECORDS_END
#undef CONFIG_NUMBER
#undef CONFIG_SWITCH
#undef CONFIG_CHOICE
#undef CONFIG_TEXT
#undef CONFIG_CORES

/* The choices by name: the order of the lists in config_keys.def. */
enum config_poll { CONFIG_POLL_BUSY = 0, CONFIG_POLL_ADAPTIVE };
enum config_pages { CONFIG_PAGES_AUTO = 0, CONFIG_PAGES_HUGE, CONFIG_PAGES_ORDINARY };
enum config_io { CONFIG_IO_AUTO = 0, CONFIG_IO_URING, CONFIG_IO_THREADS };
enum config_congestion { CONFIG_CONGESTION_CUBIC = 0, CONFIG_CONGESTION_NEWRENO };
enum config_syn_cookies {
    CONFIG_SYN_COOKIES_AUTO = 0,
    CONFIG_SYN_COOKIES_ALWAYS,
    CONFIG_SYN_COOKIES_NEVER
};
enum config_router6 { CONFIG_ROUTER6_STATIC = 0, CONFIG_ROUTER6_ADVERTISED };
enum config_fragments { CONFIG_FRAGMENTS_REASSEMBLE = 0, CONFIG_FRAGMENTS_DROP };
enum config_sync { CONFIG_SYNC_COMMIT = 0, CONFIG_SYNC_INTERVAL };
enum config_namespace_sync {
    CONFIG_NAMESPACE_SYNC_STORE = 0,
    CONFIG_NAMESPACE_SYNC_COMMIT,
    CONFIG_NAMESPACE_SYNC_INTERVAL
};
enum config_write_policy { CONFIG_WRITE_THROUGH = 0, CONFIG_WRITE_AROUND, CONFIG_WRITE_BEHIND };
enum config_sync_method {
    CONFIG_SYNC_METHOD_AUTO = 0,
    CONFIG_SYNC_METHOD_FDATASYNC,
    CONFIG_SYNC_METHOD_DSYNC
};
enum config_corruption { CONFIG_CORRUPTION_REFUSE = 0, CONFIG_CORRUPTION_QUARANTINE };
enum config_proxy_protocol { CONFIG_PROXY_PROTOCOL_NONE = 0, CONFIG_PROXY_PROTOCOL_V2 };
enum config_anonymous {
    CONFIG_ANONYMOUS_AUTO = 0,
    CONFIG_ANONYMOUS_NONE,
    CONFIG_ANONYMOUS_READ,
    CONFIG_ANONYMOUS_ALL
};
enum config_limit_by { CONFIG_LIMIT_BY_ADDRESS = 0, CONFIG_LIMIT_BY_CLIENT };
enum config_backend { CONFIG_BACKEND_VALUES = 0, CONFIG_BACKEND_ECHO, CONFIG_BACKEND_JOB };

/* Of a file or address that may be left out: empty, or "none". */
static inline bool config_text_is_none(const char *text)
{
    return text[0] == '\0' || strcmp(text, "none") == 0;
}

/* ports.ipv6: auto; a router says which address it is. */
static inline bool config_ipv6_is_formed(const struct config_ports *port)
{
    return strcmp(port->ipv6, "auto") == 0;
}

#endif
