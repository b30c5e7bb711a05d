/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_check.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/port_set.h"
#include "include/shard_fabric.h"

/* ---- origins ------------------------------------------------------------ */

static size_t slots_before(uint32_t section_index)
{
    size_t slots = 0;
    for (uint32_t i = 0; i < section_index; i++) {
        const struct config_section *section = &config_section_table[i];
        slots += (size_t)section->record_max * (1 + section->key_end - section->key_first);
    }
    return slots;
}

struct config_origins *config_origins_create(void)
{
    return calloc(1, sizeof(struct config_origins) +
                         slots_before(CONFIG_SECTION_COUNT) * sizeof(struct config_origin));
}

struct config_origin *config_origin_of_record(struct config_origins *origins,
                                              const struct config_section *section, uint32_t index)
{
    ASSERT(index < section->record_max);
    return &origins->slots[slots_before((uint32_t)(section - config_section_table)) +
                           (size_t)index * (1 + section->key_end - section->key_first)];
}

struct config_origin *config_origin_of_key(struct config_origins *origins,
                                           const struct config_key *key, uint32_t index)
{
    const struct config_section *section = &config_section_table[key->section];
    uint32_t number = (uint32_t)(key - config_key_table) - section->key_first;
    return config_origin_of_record(origins, section, index) + 1 + number;
}

/* ---- reporting ------------------------------------------------------------ */

struct check {
    struct server_config *config;
    struct config_origins *origins;
    struct config_errors *errors;
};

static bool was_reported(const struct check *check, enum config_key_id id, uint32_t index)
{
    return config_origin_of_key(check->origins, &config_key_table[id], index)->is_bad;
}

/* "file:line: ports[1].mtu = 900: why"; without a line when the value is a default. */
PRINTF_LIKE(4, 5)
static void report(struct check *check, enum config_key_id id, uint32_t index, const char *format,
                   ...)
{
    const struct config_key *key = &config_key_table[id];
    const struct config_section *section = &config_section_table[key->section];
    struct config_origin *origin = config_origin_of_key(check->origins, key, index);
    const struct config_origin *record = config_origin_of_record(check->origins, section, index);
    if (origin->is_bad)
        return;
    origin->is_bad = true;

    const struct config_origin *shown = origin->line ? origin : record;
    char place[CONFIG_PATH_BYTES + 16], name[64], why[256], *value = NULL;
    if (shown->line)
        snprintf(place, sizeof(place), "%s:%u", check->origins->paths[shown->file], shown->line);
    else
        snprintf(place, sizeof(place), "%s", check->origins->paths[0]);
    if (section->is_list)
        snprintf(name, sizeof(name), "%s[%u].%s", section->name, index, key->name);
    else
        snprintf(name, sizeof(name), "%s.%s", section->name, key->name);

    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);

    size_t value_bytes = 0;
    FILE *buffer = origin->line ? open_memstream(&value, &value_bytes) : NULL;
    if (buffer) {
        const void *field = config_record_const(check->config, section, index);
        if (key->kind == CONFIG_KIND_TEXT) /* unquoted, as it was written */
            fputs((const char *)field + key->offset, buffer);
        else
            config_key_print(buffer, key, field);
        fclose(buffer);
    }
    if (value && value[0])
        config_error_add(check->errors, "%s: %s = %.100s: %s", place, name, value, why);
    else
        config_error_add(check->errors, "%s: %s: %s", place, name, why);
    free(value);
}

/* ---- addresses ------------------------------------------------------------ */

struct ip_prefix {
    int family;
    uint8_t address[16];
    uint32_t prefix_bits;
};

static bool parse_address(int family, const char *text, uint8_t address[16])
{
    return inet_pton(family, text, address) == 1;
}

/* "address/bits", both present. */
static bool parse_prefix(int family, const char *text, struct ip_prefix *out)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    if (!slash || (size_t)(slash - text) >= sizeof(address))
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    size_t digits = strspn(slash + 1, "0123456789");
    if (digits == 0 || digits > 3 || slash[1 + digits] != '\0')
        return false;
    out->family = family;
    out->prefix_bits = (uint32_t)strtoul(slash + 1, NULL, 10);
    return out->prefix_bits >= 1 && out->prefix_bits <= (family == AF_INET ? 32 : 128) &&
           parse_address(family, address, out->address);
}

static bool prefix_contains(const struct ip_prefix *prefix, const uint8_t *address)
{
    for (uint32_t bit = 0; bit < prefix->prefix_bits; bit++)
        if ((prefix->address[bit / 8] ^ address[bit / 8]) >> (7 - bit % 8) & 1)
            return false;
    return true;
}

/* Whether the bits after the prefix are all `wanted`: the network's or the broadcast address. */
static bool host_bits_are(const struct ip_prefix *prefix, uint32_t wanted)
{
    for (uint32_t bit = prefix->prefix_bits; bit < 32; bit++)
        if ((uint32_t)(prefix->address[bit / 8] >> (7 - bit % 8) & 1) != wanted)
            return false;
    return true;
}

static const char *why_not_ipv4(const struct ip_prefix *prefix)
{
    uint8_t first = prefix->address[0];
    if (first == 0 || first == 127 || first >= 224)
        return "not an address a host can have";
    if (prefix->prefix_bits < 31 && host_bits_are(prefix, 0))
        return "this is the network's address; give the host's";
    if (prefix->prefix_bits < 31 && host_bits_are(prefix, 1))
        return "this is the broadcast address; give the host's";
    return NULL;
}

static const char *why_not_ipv6(const struct ip_prefix *prefix)
{
    static const uint8_t loopback[16] = {[15] = 1}, unspecified[16];
    if (prefix->address[0] == 0xff || memcmp(prefix->address, loopback, 16) == 0 ||
        memcmp(prefix->address, unspecified, 16) == 0)
        return "not an address a host can have";
    return NULL;
}

/* "none" is how an including file takes an address away again. */
static void none_is_empty(char *text)
{
    if (strcmp(text, "none") == 0)
        memset(text, 0, sizeof("none"));
}

struct address_keys {
    int family;
    enum config_key_id address_id, gateway_id;
    const char *address_form, *gateway_form, *address_name;
};

static void check_address(struct check *check, uint32_t index, const struct address_keys *keys,
                          char *address, char *gateway)
{
    struct ip_prefix prefix;
    uint8_t gateway_bytes[16];
    none_is_empty(address);
    none_is_empty(gateway);
    if (was_reported(check, keys->address_id, index))
        return;
    bool has_address = address[0] != '\0';
    if (has_address && !parse_prefix(keys->family, address, &prefix)) {
        report(check, keys->address_id, index, "allowed %s or none", keys->address_form);
        return;
    }
    if (has_address) {
        const char *why = keys->family == AF_INET ? why_not_ipv4(&prefix) : why_not_ipv6(&prefix);
        if (why)
            report(check, keys->address_id, index, "%s", why);
    }
    if (gateway[0] == '\0')
        return;
    if (!parse_address(keys->family, gateway, gateway_bytes))
        report(check, keys->gateway_id, index, "allowed %s or none", keys->gateway_form);
    else if (!has_address)
        report(check, keys->gateway_id, index, "a gateway needs %s as well", keys->address_name);
    else if (memcmp(gateway_bytes, prefix.address, keys->family == AF_INET ? 4 : 16) == 0)
        report(check, keys->gateway_id, index, "this is the port's own address");
    else if (!prefix_contains(&prefix, gateway_bytes) &&
             !(keys->family == AF_INET6 && gateway_bytes[0] == 0xfe &&
               (gateway_bytes[1] & 0xc0) == 0x80))
        report(check, keys->gateway_id, index, "outside %s = %s", keys->address_name, address);
}

static void check_formed_address(struct check *check, uint32_t index, char *gateway6)
{
    none_is_empty(gateway6);
    if (gateway6[0])
        report(check, CONFIG_KEY_ports_gateway6, index, "ipv6 = auto finds its own");
}

/* ---- ports ------------------------------------------------------------ */

static void check_offloads(struct check *check, uint32_t index)
{
    static const char *const names[] = {"rx_checksum",  "tx_ipv4_checksum", "tx_tcp_checksum",
                                        "segmentation", "multi_segment",    "rss"};
    const char *text = check->config->ports[index].offloads;
    if (strcmp(text, "auto") == 0 || strcmp(text, "none") == 0)
        return;
    uint32_t word_count = 0;
    for (const char *at = text + strspn(text, " "); *at; word_count++) {
        size_t bytes = strcspn(at, " ");
        bool is_known = false;
        for (size_t i = 0; i < ARRAY_COUNT(names); i++)
            is_known |= strlen(names[i]) == bytes && memcmp(names[i], at, bytes) == 0;
        if (!is_known) {
            report(check, CONFIG_KEY_ports_offloads, index,
                   "\"%.*s\" is none of auto, none, or a list with spaces of rx_checksum "
                   "tx_ipv4_checksum "
                   "tx_tcp_checksum segmentation multi_segment rss",
                   (int)(bytes > 40 ? 40 : bytes), at);
            return;
        }
        at += bytes;
        at += strspn(at, " ");
    }
    if (word_count == 0)
        report(check, CONFIG_KEY_ports_offloads, index, "empty; write auto or none");
    if (strstr(text, "segmentation") && !strstr(text, "tx_tcp_checksum"))
        report(check, CONFIG_KEY_ports_offloads, index, "segmentation needs tx_tcp_checksum");
}

/* Is this interface one that a port's device string names, or another port's kernel interface? */
static bool is_interface_taken(const struct check *check, uint32_t index, const char *name)
{
    const struct server_config *config = check->config;
    for (uint32_t other = 0; other < config->ports_count; other++) {
        const char *device = config->ports[other].device;
        for (const char *at = strstr(device, ",iface="); at; at = strstr(at + 1, ",iface="))
            if (strlen(name) == strcspn(at + 7, ",") && strncmp(at + 7, name, strlen(name)) == 0)
                return true;
        if (other < index && strcmp(config->ports[other].kernel_interface, name) == 0)
            return true;
    }
    return false;
}

static bool is_interface_name(const char *name)
{
    return name[strspn(name,
                       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] ==
               '\0' &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "lo") != 0;
}

static void check_kernel_ports(struct check *check, uint32_t index)
{
    struct port_set ports;
    const struct server_config *config = check->config;
    const struct config_ports *port = &config->ports[index];
    if (port_set_parse(port->kernel_ports, &ports) != 0) {
        report(check, CONFIG_KEY_ports_kernel_ports, index,
               "allowed none, all, or a list of TCP ports such as 22,179,8000-8100");
        return;
    }
    if (strcmp(port->kernel_ports, "none") != 0 && port->kernel_interface[0] == '\0')
        report(check, CONFIG_KEY_ports_kernel_ports, index, "needs kernel_interface as well");
    for (uint32_t i = 0; i < config->listeners_count && strcmp(port->kernel_ports, "all") != 0; i++)
        if (port_set_has(&ports, (uint16_t)config->listeners[i].port))
            report(check, CONFIG_KEY_ports_kernel_ports, index,
                   "listeners[%u] serves port %" PRIu64 " itself", i, config->listeners[i].port);
}

static void check_kernel_side(struct check *check, uint32_t index)
{
    char *name = check->config->ports[index].kernel_interface;
    none_is_empty(name);
    if (!is_interface_name(name))
        report(check, CONFIG_KEY_ports_kernel_interface, index,
               "allowed none, or 1 to 15 of A-Z a-z 0-9 . _ - such as gannet-k0");
    else if (name[0] && is_interface_taken(check, index, name))
        report(check, CONFIG_KEY_ports_kernel_interface, index,
               "another port's; this one is made by the server");
    check_kernel_ports(check, index);
}

static void check_port(struct check *check, uint32_t index)
{
    static const struct address_keys ipv4 = {
        AF_INET,
        CONFIG_KEY_ports_ipv4,
        CONFIG_KEY_ports_gateway,
        "an IPv4 address with its prefix such as 192.0.2.10/24",
        "an IPv4 address such as 192.0.2.1",
        "ipv4"};
    static const struct address_keys ipv6 = {
        AF_INET6,
        CONFIG_KEY_ports_ipv6,
        CONFIG_KEY_ports_gateway6,
        "auto, an IPv6 address with its prefix such as 2001:db8::10/64",
        "an IPv6 address such as 2001:db8::1",
        "ipv6"};
    struct config_ports *port = &check->config->ports[index];
    if (port->device[0] == '\0')
        report(check, CONFIG_KEY_ports_device, index,
               "missing: a PCI address such as 0000:3b:00.0 or a vdev string such as "
               "net_af_packet0,iface=eth1");
    for (uint32_t other = 0; port->device[0] && other < index; other++)
        if (strcmp(check->config->ports[other].device, port->device) == 0)
            report(check, CONFIG_KEY_ports_device, index, "ports[%u] has the same device", other);
    check_address(check, index, &ipv4, port->ipv4, port->gateway);
    if (config_ipv6_is_formed(port)) {
        check_formed_address(check, index, port->gateway6);
    } else {
        check_address(check, index, &ipv6, port->ipv6, port->gateway6);
        if (port->router6 == CONFIG_ROUTER6_ADVERTISED && port->gateway6[0])
            report(check, CONFIG_KEY_ports_gateway6, index, "router6 = advertised finds its own");
    }
    if (port->ipv6[0] && port->mtu < 1280)
        report(check, CONFIG_KEY_ports_mtu, index, "IPv6 needs at least 1280 (RFC 8200)");
    check_offloads(check, index);
    check_kernel_side(check, index);
}

/* ---- names and paths ------------------------------------------------------------ */

static bool is_namespace_name(const char *name)
{
    size_t good = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return good > 0 && name[good] == '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* It stands in a response head as it is. */
static bool is_field_value(const char *text)
{
    size_t bytes = strlen(text);
    for (size_t i = 0; i < bytes; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return bytes == 0 || (text[0] != ' ' && text[bytes - 1] != ' ');
}

/* "https://name.example:8443": what browsers send as Origin, so compared byte by byte. */
static bool is_origin(const char *at, size_t bytes)
{
    char text[256];
    if (bytes >= sizeof(text))
        return false;
    memcpy(text, at, bytes);
    text[bytes] = '\0';
    const char *host = strstr(text, "://");
    if (!host || (strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0))
        return false;
    host += 3;
    return host[0] && host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.:-[]")] == '\0';
}

static void check_origins(struct check *check, uint32_t index)
{
    const char *text = check->config->namespaces[index].cors_origins;
    if (text[0] == '\0' || strcmp(text, "none") == 0 || strcmp(text, "*") == 0)
        return;
    const char *at = text + strspn(text, " ");
    bool is_good = *at != '\0';
    while (*at && is_good) {
        size_t bytes = strcspn(at, " ");
        is_good = is_origin(at, bytes);
        at += bytes;
        at += strspn(at, " ");
    }
    if (!is_good)
        report(check, CONFIG_KEY_namespaces_cors_origins, index,
               "allowed none, *, or a list with spaces of origins such as https://a.example "
               "http://localhost:3000, in small letters and without a path");
}

static void check_namespaces(struct check *check)
{
    struct server_config *config = check->config;
    for (uint32_t i = 0; i < config->namespaces_count; i++) {
        const char *name = config->namespaces[i].name;
        if (name[0] == '\0')
            report(check, CONFIG_KEY_namespaces_name, i, "missing: 1 to 64 of A-Z a-z 0-9 . _ -");
        else if (!is_namespace_name(name))
            report(check, CONFIG_KEY_namespaces_name, i,
                   "allowed 1 to 64 of A-Z a-z 0-9 . _ - (but not . or ..)");
        if (!is_field_value(config->namespaces[i].cache_control))
            report(check, CONFIG_KEY_namespaces_cache_control, i,
                   "allowed are printable ASCII characters, without blanks around them");
        for (uint32_t other = 0; name[0] && other < i; other++)
            if (strcmp(config->namespaces[other].name, name) == 0)
                report(check, CONFIG_KEY_namespaces_name, i, "namespaces[%u] has the same name",
                       other);
        check_origins(check, i);
    }
}

/* ---- rate limits ------------------------------------------------------------ */

#define LIMITS_OF_REQUEST_MAX 4u /* what a request has room for: dataplane/api_request.h */

static const struct config_rate_limits *find_limit(const struct server_config *config,
                                                   const char *name, size_t bytes)
{
    for (uint32_t i = 0; i < config->rate_limits_count; i++)
        if (strlen(config->rate_limits[i].name) == bytes &&
            memcmp(config->rate_limits[i].name, name, bytes) == 0)
            return &config->rate_limits[i];
    return NULL;
}

static void check_limit(struct check *check, uint32_t index)
{
    const struct server_config *config = check->config;
    const struct config_rate_limits *limit = &config->rate_limits[index];
    if (!is_namespace_name(limit->name) || strcmp(limit->name, "none") == 0)
        report(check, CONFIG_KEY_rate_limits_name, index,
               "allowed 1 to 32 of A-Z a-z 0-9 . _ - (but not . or .. or none)");
    for (uint32_t other = 0; limit->name[0] && other < index; other++)
        if (strcmp(config->rate_limits[other].name, limit->name) == 0)
            report(check, CONFIG_KEY_rate_limits_name, index, "rate_limits[%u] has the same name",
                   other);
    if (limit->quota > limit->window_s * 1000000)
        report(check, CONFIG_KEY_rate_limits_quota, index,
               "allowed at most 1000000 requests per second of window_s = %" PRIu64,
               limit->window_s);
    if (limit->burst > limit->quota)
        report(check, CONFIG_KEY_rate_limits_burst, index, "allowed at most quota = %" PRIu64,
               limit->quota);
}

/* The names in a namespace's list exist, and are not more than a request has room for. */
static void check_limits_of(struct check *check, uint32_t index, uint32_t everywhere)
{
    const char *at = check->config->namespaces[index].rate_limits;
    uint32_t count = everywhere;
    if (config_text_is_none(at))
        return;
    while (*(at += strspn(at, " "))) {
        size_t bytes = strcspn(at, " ");
        const struct config_rate_limits *limit = find_limit(check->config, at, bytes);
        if (!limit) {
            report(check, CONFIG_KEY_namespaces_rate_limits, index,
                   "there is no rate_limits entry of the name %.*s", (int)bytes, at);
            return;
        }
        count += !limit->everywhere;
        at += bytes;
    }
    if (count > LIMITS_OF_REQUEST_MAX)
        report(check, CONFIG_KEY_namespaces_rate_limits, index,
               "%u limits count one request, those that count everywhere among them; allowed %u",
               count, LIMITS_OF_REQUEST_MAX);
}

static void check_rate_limits(struct check *check)
{
    const struct server_config *config = check->config;
    uint32_t everywhere = 0;
    for (uint32_t i = 0; i < config->rate_limits_count; i++) {
        check_limit(check, i);
        everywhere += config->rate_limits[i].everywhere;
        if (config->rate_limits[i].everywhere && everywhere > LIMITS_OF_REQUEST_MAX)
            report(check, CONFIG_KEY_rate_limits_everywhere, i, "allowed for %u of them",
                   LIMITS_OF_REQUEST_MAX);
    }
    for (uint32_t i = 0; i < config->namespaces_count; i++)
        check_limits_of(check, i, everywhere);
}

static bool is_link(const char *text)
{
    for (; *text; text++)
        if (*text <= 0x20 || *text >= 0x7f || strchr("<>\"\\^`{|}", *text))
            return false;
    return true;
}

static void check_deprecation(struct check *check, uint32_t index)
{
    const struct config_routes *route = &check->config->routes[index];
    if (!is_link(route->successor))
        report(check, CONFIG_KEY_routes_successor, index,
               "allowed a URL or a path such as /v1/ns/new/, escaped where needed");
    if (route->deprecated_s == 0 && (route->sunset_s != 0 || route->successor[0]))
        report(check, route->sunset_s ? CONFIG_KEY_routes_sunset_s : CONFIG_KEY_routes_successor,
               index, "needs deprecated_s as well");
    if (route->sunset_s != 0 && route->sunset_s < route->deprecated_s)
        report(check, CONFIG_KEY_routes_sunset_s, index,
               "before deprecated_s (RFC 9745 section 4)");
}

static const char *why_not_route(const char *path)
{
    if (path[0] == '\0')
        return "missing: a path such as /echo, or a prefix such as /v1/";
    if (path[0] != '/')
        return "a path starts with /";
    for (const char *at = path; *at; at++) {
        if (*at <= 0x20 || *at >= 0x7f || strchr("?#%\\\"<>", *at))
            return "a path is plain ASCII without spaces, quotes, ?, #, % and \\";
        if (*at != '/')
            continue;
        size_t bytes = strcspn(at + 1, "/");
        if (bytes == 0 && at[1] == '/')
            return "a path has no empty part (//)";
        if ((bytes == 1 && at[1] == '.') || (bytes == 2 && at[1] == '.' && at[2] == '.'))
            return "a path has no parts . and ..";
    }
    return NULL;
}

static void check_routes(struct check *check)
{
    struct server_config *config = check->config;
    for (uint32_t i = 0; i < config->routes_count; i++) {
        const char *why = why_not_route(config->routes[i].path);
        check_deprecation(check, i);
        if (why)
            report(check, CONFIG_KEY_routes_path, i, "%s", why);
        for (uint32_t other = 0; !why && other < i; other++)
            if (strcmp(config->routes[other].path, config->routes[i].path) == 0)
                report(check, CONFIG_KEY_routes_path, i, "routes[%u] has the same path", other);
    }
}

static void check_listeners(struct check *check)
{
    struct server_config *config = check->config;
    for (uint32_t i = 0; i < config->listeners_count; i++)
        for (uint32_t other = 0; other < i; other++)
            if (config->listeners[other].port == config->listeners[i].port)
                report(check, CONFIG_KEY_listeners_port, i, "listeners[%u] has the same port",
                       other);
}

static bool is_listen_address(const char *text)
{
    char host[64];
    uint8_t address[16];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof(host))
        return false;
    size_t digits = strspn(colon + 1, "0123456789");
    unsigned long port = strtoul(colon + 1, NULL, 10);
    if (digits == 0 || digits > 5 || colon[1 + digits] != '\0' || port < 1 || port > 65535)
        return false;
    size_t host_bytes = (size_t)(colon - text);
    if (host_bytes >= 2 && text[0] == '[' && text[host_bytes - 1] == ']') {
        memcpy(host, text + 1, host_bytes - 2);
        host[host_bytes - 2] = '\0';
        return parse_address(AF_INET6, host, address);
    }
    memcpy(host, text, host_bytes);
    host[host_bytes] = '\0';
    return parse_address(AF_INET, host, address);
}

static void check_admin(struct check *check)
{
    const char *listen = check->config->admin.listen;
    if (strcmp(listen, "none") != 0 && !is_listen_address(listen))
        report(check, CONFIG_KEY_admin_listen, 0,
               "allowed an address and port such as 127.0.0.1:9090 or [::1]:9090, or none");
}

/* ---- combinations ------------------------------------------------------------ */

static void check_cores(struct check *check)
{
    const struct core_list *workers = &check->config->workers.cores;
    const struct core_list *control = &check->config->control.cores;
    if (!workers->is_auto && workers->core_count == 0)
        report(check, CONFIG_KEY_workers_cores, 0, "at least one worker is needed: a list or auto");
    const struct core_list *tasks = &check->config->tasks.cores;
    if (workers->core_count + check->config->tasks.threads > FABRIC_CLIENTS_MAX)
        report(check, CONFIG_KEY_tasks_threads, 0, "workers and task threads are %u at most",
               FABRIC_CLIENTS_MAX);
    if (tasks->core_count > check->config->tasks.threads)
        report(check, CONFIG_KEY_tasks_cores, 0, "more cores than tasks.threads = %" PRIu64,
               check->config->tasks.threads);
    if (control->core_count > check->config->control.threads)
        report(check, CONFIG_KEY_control_cores, 0, "more cores than control.threads = %" PRIu64,
               check->config->control.threads);
    if (check->config->workers.poll != CONFIG_POLL_BUSY)
        return;
    for (uint32_t i = 0; i < control->core_count; i++)
        for (uint32_t j = 0; j < workers->core_count; j++)
            if (control->cores[i] == workers->cores[j])
                report(check, CONFIG_KEY_control_cores, 0,
                       "core %u is a worker's, and with workers.poll = busy it never yields",
                       control->cores[i]);
    for (uint32_t i = 0; i < tasks->core_count; i++)
        for (uint32_t j = 0; j < workers->core_count; j++)
            if (tasks->cores[i] == workers->cores[j])
                report(check, CONFIG_KEY_tasks_cores, 0,
                       "core %u is a worker's, and with workers.poll = busy it never yields",
                       tasks->cores[i]);
}

/* Every descriptor of a worker's queues holds a packet; a worker without spares stands still. */
static void check_packets(struct check *check)
{
    const struct server_config *config = check->config;
    uint64_t needed = 4 * config->workers.rx_burst;
    for (uint32_t i = 0; i < config->ports_count; i++)
        needed += config->ports[i].rx_descriptors + config->ports[i].tx_descriptors;
    if (config->memory.packets < needed)
        report(check, CONFIG_KEY_memory_packets, 0,
               "the descriptors of all ports and the bursts need at least %" PRIu64, needed);
}

/* Strangers fill the table of fragments: what it may hold must leave the pool to the others. */
static void check_fragments(struct check *check)
{
    const struct server_config *config = check->config;
    if (config->network.fragment_packets > config->memory.packets / 4)
        report(check, CONFIG_KEY_network_fragment_packets, 0,
               "at most a quarter of memory.packets = %" PRIu64, config->memory.packets);
}

static void check_memory(struct check *check)
{
    const struct server_config *config = check->config;
    const uint64_t mib = UINT64_C(1) << 20;
    check_packets(check);
    check_fragments(check);
    if (config->http.body_memory_mib > config->memory.values_mib)
        report(check, CONFIG_KEY_http_body_memory_mib, 0,
               "bodies come out of memory.values_mib = %" PRIu64, config->memory.values_mib);
    if (config->http.body_max > config->http.body_memory_mib * mib)
        report(check, CONFIG_KEY_http_body_max, 0,
               "one such body does not fit into http.body_memory_mib = %" PRIu64,
               config->http.body_memory_mib);
    if (config->cache.value_max > config->memory.values_mib * mib)
        report(check, CONFIG_KEY_cache_value_max, 0,
               "such a value does not fit into memory.values_mib = %" PRIu64,
               config->memory.values_mib);
    if (config->cache.value_max > config->cache.memory_mib * mib)
        report(check, CONFIG_KEY_cache_value_max, 0,
               "such a value does not fit into cache.memory_mib = %" PRIu64,
               config->cache.memory_mib);
    if (config->http.request_line_max > config->http.head_max)
        report(check, CONFIG_KEY_http_request_line_max, 0,
               "the request line is part of the head, http.head_max = %" PRIu64,
               config->http.head_max);
}

void config_check(struct server_config *config, struct config_origins *origins,
                  struct config_errors *errors)
{
    struct check check = {config, origins, errors};
    check_cores(&check);
    check_memory(&check);
    if (config->store.directory[0] == '\0')
        report(&check, CONFIG_KEY_store_directory, 0, "empty; a directory such as /var/lib/gannet");
    check_admin(&check);
    for (uint32_t i = 0; i < config->ports_count; i++)
        check_port(&check, i);
    check_listeners(&check);
    check_namespaces(&check);
    check_rate_limits(&check);
    check_routes(&check);
}
