/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports: is the device there, bound and permitted, and does anybody need it for something else? */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/preflight_state.h"
#include "include/memory_need.h"

#define SSH_PORT 22u
#define TCP_ESTABLISHED 1u
#define CLASS_NETWORK UINT64_C(0x020000)

/* A device of the config, and the kernel's interfaces that would go with it. */
struct device {
    uint32_t port;
    const struct config_ports *config;
    uint32_t interface_count;
    char interfaces[PREFLIGHT_INTERFACES_MAX][IFNAMSIZ];
};

static void add_interface(struct device *device, const char *name)
{
    if (device->interface_count < PREFLIGHT_INTERFACES_MAX && strlen(name) < IFNAMSIZ)
        snprintf(device->interfaces[device->interface_count++], IFNAMSIZ, "%.15s", name);
}

static bool is_among(char names[][IFNAMSIZ], uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* ---- PCI ---- */

bool preflight_is_pci(const char *text, char address[16])
{
    unsigned domain = 0, bus, slot, function;
    int used = 0;
    if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &used) != 4) {
        domain = 0;
        if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &used) != 3)
            return false;
    }
    if (text[used] != '\0' && text[used] != ',')
        return false;
    snprintf(address, 16, "%04x:%02x:%02x.%1x", domain & 0xffff, bus & 0xff, slot & 0x1f,
             function & 7);
    return true;
}

void preflight_pci_link(const struct preflight *preflight, const char *address, const char *name,
                        char *out, size_t bytes)
{
    char path[PATH_MAX], target[PATH_MAX];
    snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", preflight->root, address, name);
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    target[length > 0 ? length : 0] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(out, bytes, "%.63s", slash ? slash + 1 : target);
}

static uint32_t add_names(const char *path, char names[][IFNAMSIZ], uint32_t count, uint32_t most)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < IFNAMSIZ && count < most)
            snprintf(names[count++], IFNAMSIZ, "%.15s", entry->d_name);
    if (directory)
        closedir(directory);
    return count;
}

uint32_t preflight_pci_interfaces(const struct preflight *preflight, const char *address,
                                  char names[][IFNAMSIZ], uint32_t most)
{
    char path[PREFLIGHT_PATH_MAX], below[2 * PREFLIGHT_PATH_MAX];
    snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s", preflight->root, address);
    snprintf(below, sizeof(below), "%s/net", path);
    uint32_t count = add_names(below, names, 0, most);
    /* a virtio device hangs below its PCI device, and the interface below that */
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (strncmp(entry->d_name, "virtio", 6) != 0)
            continue;
        snprintf(below, sizeof(below), "%s/%s/net", path, entry->d_name);
        count = add_names(below, names, count, most);
    }
    if (directory)
        closedir(directory);
    return count;
}

/*
 * vfio: the group's device file must be ours to open; without an IOMMU the kernel must be told so.
 */
static void check_vfio(struct preflight *preflight, uint32_t port, const char *address)
{
    char group[64], what[256], command[256], unsafe[8], path[PATH_MAX];
    preflight_pci_link(preflight, address, "iommu_group", group, sizeof(group));
    if (group[0] == '\0') {
        if (preflight_read(preflight, unsafe, sizeof(unsafe),
                           "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode") &&
            unsafe[0] == 'Y')
            return;
        snprintf(what, sizeof(what), "port %u: %s has no IOMMU group: vfio-pci cannot drive it",
                 port, address);
        preflight_add(preflight, PREFLIGHT_ERROR, what,
                      "add intel_iommu=on iommu=pt to the kernel's command line and reboot, or: "
                      "echo 1 | sudo tee /sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
        return;
    }
    snprintf(path, sizeof(path), "%s/dev/vfio/%s", preflight->root, group);
    if (access(path, R_OK | W_OK) == 0)
        return;
    snprintf(what, sizeof(what), "port %u: no permission to open /dev/vfio/%s of %s", port, group,
             address);
    snprintf(command, sizeof(command), "sudo chown \"$USER\" /dev/vfio/%s", group);
    preflight_add(preflight, PREFLIGHT_ERROR, what, command);
}

static void check_memlock(struct preflight *preflight, uint32_t port)
{
    char limits[8192], what[256];
    uint64_t need = memory_need_devices(preflight->config, preflight->result->worker_count);
    if (preflight_is_root(preflight) ||
        !preflight_read(preflight, limits, sizeof(limits), "/proc/self/limits"))
        return;
    const char *line = strstr(limits, "Max locked memory");
    if (!line)
        return;
    line += strlen("Max locked memory");
    line += strspn(line, " ");
    if (!isdigit((unsigned char)*line) || strtoull(line, NULL, 10) >= need)
        return; /* "unlimited" */
    snprintf(what, sizeof(what),
             "port %u: %" PRIu64 " MiB must be locked in memory, %" PRIu64 " KiB are allowed", port,
             need >> 20, (uint64_t)strtoull(line, NULL, 10) >> 10);
    preflight_add(preflight, PREFLIGHT_ERROR, what,
                  "ulimit -l unlimited (a service: LimitMEMLOCK=infinity)");
}

static void check_pci(struct preflight *preflight, struct device *device, const char *address)
{
    char driver[64], what[256], command[256];
    uint32_t port = device->port;
    if (!preflight_exists(preflight, "/sys/bus/pci/devices/%s", address)) {
        snprintf(what, sizeof(what), "port %u: ports.device = %s: there is no such PCI device",
                 port, address);
        preflight_add(preflight, PREFLIGHT_ERROR, what, "dpdk-devbind.py --status-dev net");
        return;
    }
    uint64_t class = CLASS_NETWORK;
    preflight_read_number(preflight, &class, "/sys/bus/pci/devices/%s/class", address);
    if (class >> 16 != CLASS_NETWORK >> 16) {
        snprintf(what, sizeof(what), "port %u: %s is not a network card (PCI class %06" PRIx64 ")",
                 port, address, class);
        preflight_add(preflight, PREFLIGHT_ERROR, what, "dpdk-devbind.py --status-dev net");
        return;
    }
    device->interface_count =
        preflight_pci_interfaces(preflight, address, device->interfaces, PREFLIGHT_INTERFACES_MAX);
    preflight_pci_link(preflight, address, "driver", driver, sizeof(driver));
    if (strcmp(driver, "vfio-pci") == 0) {
        check_vfio(preflight, port, address);
        check_memlock(preflight, port);
    } else if (strcmp(driver, "mlx5_core") == 0 || strcmp(driver, "mlx4_core") == 0) {
        check_memlock(preflight, port); /* stays with the kernel's driver */
    } else if (strcmp(driver, "igb_uio") != 0 && strcmp(driver, "uio_pci_generic") != 0) {
        snprintf(what, sizeof(what), "port %u: %s is bound to %s, not to vfio-pci", port, address,
                 driver[0] ? driver : "no driver");
        snprintf(command, sizeof(command),
                 "sudo modprobe vfio-pci && sudo dpdk-devbind.py --bind=vfio-pci %s", address);
        preflight_add(preflight, PREFLIGHT_ERROR, what, command);
    }
}

/* ---- devices on top of a kernel interface ---- */

bool preflight_vdev_argument(const char *device, const char *name, char *out, size_t bytes)
{
    size_t length = strlen(name);
    for (const char *at = strchr(device, ','); at; at = strchr(at + 1, ',')) {
        if (strncmp(at + 1, name, length) != 0 || at[1 + length] != '=')
            continue;
        const char *value = at + 2 + length;
        snprintf(out, bytes, "%.*s", (int)strcspn(value, ","), value);
        return true;
    }
    return false;
}

static void check_interface(struct preflight *preflight, struct device *device, const char *name)
{
    char what[256], command[256];
    uint64_t flags = 0;
    add_interface(device, name);
    if (!preflight_read_number(preflight, &flags, "/sys/class/net/%s/flags", name)) {
        snprintf(what, sizeof(what), "port %u: there is no network interface %s", device->port,
                 name);
        preflight_add(preflight, PREFLIGHT_ERROR, what, "ip link");
    } else if (!(flags & IFF_UP)) {
        snprintf(what, sizeof(what), "port %u: network interface %s is down", device->port, name);
        snprintf(command, sizeof(command), "sudo ip link set %s up", name);
        preflight_add(preflight, PREFLIGHT_ERROR, what, command);
    }
}

/* The interface that will be made beside the port. */
static void check_kernel_side(struct preflight *preflight, const struct device *device)
{
    char what[256], command[256];
    uint32_t port = device->port;
    const char *name = device->config->kernel_interface;
    if (strncmp(device->config->device, "net_af_packet", 13) == 0 && device->interface_count > 0) {
        snprintf(
            what, sizeof(what),
            "port %u: net_af_packet copies: the kernel sees the frames of %s itself, and those "
            "of %s once more",
            port, device->interfaces[0], name);
        snprintf(command, sizeof(command),
                 "sudo nft 'add table netdev gannet; add chain netdev gannet in { type filter hook "
                 "ingress device %s priority 0; policy drop; }'",
                 device->interfaces[0]);
        preflight_add(preflight, PREFLIGHT_WARNING, what, command);
    }
    if (preflight_exists(preflight, "/sys/class/net/%s", name)) {
        snprintf(what, sizeof(what),
                 "port %u: ports.kernel_interface = %s: there is such an interface already", port,
                 name);
        snprintf(command, sizeof(command),
                 "choose another name, or, if nobody needs it: sudo ip link del %s", name);
        preflight_add(preflight, PREFLIGHT_ERROR, what, command);
    }
    if (!preflight_exists(preflight, "/dev/net/%s", "tun")) {
        snprintf(what, sizeof(what), "port %u: ports.kernel_interface needs /dev/net/tun", port);
        preflight_add(preflight, PREFLIGHT_ERROR, what, "sudo modprobe tun");
    }
}

/* ---- the machine's own connections ---- */

/* The interface that leads to an IPv4 address, as /proc/net/route has it: longest prefix first. */
static void route_of(const char *routes, uint32_t address, char out[IFNAMSIZ])
{
    uint32_t best_mask = 0;
    bool has_route = false;
    out[0] = '\0';
    for (const char *line = strchr(routes, '\n'); line; line = strchr(line + 1, '\n')) {
        char name[IFNAMSIZ];
        unsigned destination, gateway, flags, count, use, metric, mask;
        if (sscanf(line + 1, "%15s %x %x %x %u %u %u %x", name, &destination, &gateway, &flags,
                   &count, &use, &metric, &mask) != 8)
            continue;
        /* in memory order, so compare the masks as numbers on the wire */
        if ((address & mask) != destination || (has_route && __builtin_bswap32(mask) < best_mask))
            continue;
        has_route = true;
        best_mask = __builtin_bswap32(mask);
        snprintf(out, IFNAMSIZ, "%s", name);
    }
}

struct ipv6_route {
    uint8_t destination[16];
    uint32_t prefix_bits;
    char name[IFNAMSIZ];
};

static bool parse_hex(const char *text, uint8_t *out, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        unsigned value;
        if (!isxdigit((unsigned char)text[2 * i]) || sscanf(text + 2 * i, "%2x", &value) != 1)
            return false;
        out[i] = (uint8_t)value;
    }
    return true;
}

static bool parse_ipv6_route(const char *line, struct ipv6_route *route)
{
    char destination[33], source[33], via[33];
    unsigned bits, source_bits, metric, count, use, flags;
    if (sscanf(line, "%32s %x %32s %x %32s %x %x %x %x %15s", destination, &bits, source,
               &source_bits, via, &metric, &count, &use, &flags, route->name) != 10)
        return false;
    route->prefix_bits = bits;
    return strcmp(route->name, "lo") != 0 && bits <= 128 &&
           parse_hex(destination, route->destination, 16);
}

static bool is_in_prefix(const uint8_t address[16], const struct ipv6_route *route)
{
    uint32_t whole = route->prefix_bits / 8, rest = route->prefix_bits % 8;
    return memcmp(address, route->destination, whole) == 0 &&
           (rest == 0 || (address[whole] ^ route->destination[whole]) >> (8 - rest) == 0);
}

static void route_of_ipv6(const char *routes, const uint8_t address[16], char out[IFNAMSIZ])
{
    struct ipv6_route route;
    uint32_t best_bits = 0;
    out[0] = '\0';
    for (const char *line = routes; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!parse_ipv6_route(line, &route) || !is_in_prefix(address, &route) ||
            (out[0] && route.prefix_bits < best_bits))
            continue;
        best_bits = route.prefix_bits;
        snprintf(out, IFNAMSIZ, "%s", route.name);
    }
}

/* Does any established SSH session in `table` go through one of the interfaces? */
static bool carries_ssh(char names[][IFNAMSIZ], uint32_t name_count, const char *table,
                        const char *routes, const char *routes6)
{
    for (const char *line = strchr(table, '\n'); line; line = strchr(line + 1, '\n')) {
        char local[33], remote[33], name[IFNAMSIZ];
        unsigned slot, local_port, remote_port, state;
        uint8_t address[16];
        static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
        if (sscanf(line + 1, " %u: %32[0-9A-Fa-f]:%x %32[0-9A-Fa-f]:%x %x", &slot, local,
                   &local_port, remote, &remote_port, &state) != 6 ||
            local_port != SSH_PORT || state != TCP_ESTABLISHED)
            continue;
        if (strlen(remote) == 8) {
            route_of(routes, (uint32_t)strtoul(remote, NULL, 16), name);
        } else {
            for (uint32_t i = 0; i < 4; i++) { /* four words, each in the machine's byte order */
                char word[9];
                snprintf(word, sizeof(word), "%.8s", remote + 8 * i);
                uint32_t value = (uint32_t)strtoul(word, NULL, 16);
                memcpy(address + 4 * i, &value, 4);
            }
            uint32_t last;
            memcpy(&last, address + 12, 4);
            if (memcmp(address, mapped, sizeof(mapped)) == 0)
                route_of(routes, last, name);
            else
                route_of_ipv6(routes6, address, name);
        }
        if (is_among(names, name_count, name))
            return true;
    }
    return false;
}

static void refuse(struct preflight *preflight, const struct device *device, const char *what_for)
{
    char what[256];
    snprintf(what, sizeof(what), "port %u: %s carries %s: taking it would cut this machine off",
             device->port, device->interfaces[0], what_for);
    preflight_add(preflight, PREFLIGHT_ERROR, what,
                  "choose another device, or set take_default_route: true for this port");
}

uint32_t preflight_own_traffic(const struct preflight *preflight, char names[][IFNAMSIZ],
                               uint32_t count)
{
    static char routes[PREFLIGHT_FILE_BYTES], routes6[PREFLIGHT_FILE_BYTES];
    static char tcp[PREFLIGHT_FILE_BYTES], tcp6[PREFLIGHT_FILE_BYTES]; /* main thread */
    static const uint8_t anywhere[16];
    char name[IFNAMSIZ], name6[IFNAMSIZ];
    uint32_t found = 0;
    routes[0] = routes6[0] = tcp[0] = tcp6[0] = '\0';
    preflight_read(preflight, routes, sizeof(routes), "/proc/net/route");
    preflight_read(preflight, routes6, sizeof(routes6), "/proc/net/ipv6_route");
    preflight_read(preflight, tcp, sizeof(tcp), "/proc/net/tcp");
    preflight_read(preflight, tcp6, sizeof(tcp6), "/proc/net/tcp6");
    route_of(routes, 0, name);
    route_of_ipv6(routes6, anywhere, name6);
    if (is_among(names, count, name) || is_among(names, count, name6))
        found |= PREFLIGHT_DEFAULT_ROUTE;
    if (carries_ssh(names, count, tcp, routes, routes6) ||
        carries_ssh(names, count, tcp6, routes, routes6))
        found |= PREFLIGHT_SSH_SESSION;
    return found;
}

static void check_own_connections(struct preflight *preflight, struct device *device)
{
    if (device->config->take_default_route || device->interface_count == 0)
        return;
    uint32_t found = preflight_own_traffic(preflight, device->interfaces, device->interface_count);
    if (found & PREFLIGHT_DEFAULT_ROUTE)
        refuse(preflight, device, "the default route");
    if (found & PREFLIGHT_SSH_SESSION)
        refuse(preflight, device, "an SSH session");
}

void preflight_devices(struct preflight *preflight)
{
    const struct server_config *config = preflight->config;
    for (uint32_t i = 0; i < config->ports_count; i++) {
        char address[16], name[64];
        struct device device = {.port = i, .config = &config->ports[i]};
        const char *text = config->ports[i].device;
        if (preflight_is_pci(text, address))
            check_pci(preflight, &device, address);
        else if (preflight_vdev_argument(text, "iface", name, sizeof(name)) &&
                 (strncmp(text, "net_af_packet", 13) == 0 || strncmp(text, "net_af_xdp", 10) == 0))
            check_interface(preflight, &device, name);
        check_own_connections(preflight, &device);
        if (config->ports[i].kernel_interface[0])
            check_kernel_side(preflight, &device);
    }
}
