/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of a filter, and what they mean for a frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "control/capture_filter.h"
#include "dataplane/frame_filter.h"
#include "include/compiler.h"

/* Frames, from the Ethernet header on: whose, and what. */
#define MACS "\2\0\0\0\0\1\2\0\0\0\0\2"
#define IPV4(protocol, flags)                                                                      \
    "\x45\0\0\x28\0\1" flags "\x40" protocol                                                       \
    "\0\0\xc0\0\2\7\xc6\x33\x64\1" /* 192.0.2.7 to        \
                                                                               198.51.100.1 */
#define PORTS "\x9c\x40\x1f\x90"   /* 40000 to 8080 */
#define FRAME(text) (const uint8_t *)text, sizeof(text) - 1

static const struct {
    const char *name;
    const uint8_t *bytes;
    uint32_t byte_count;
} frames[] = {
    {"tcp", FRAME(MACS "\x08\0" IPV4("\6", "\0\0") PORTS)},
    {"tagged", FRAME(MACS "\x81\0\0\x2a\x08\0" IPV4("\6", "\0\0") PORTS)},
    {"udp", FRAME(MACS "\x08\0" IPV4("\x11", "\0\0") PORTS)},
    {"later fragment", FRAME(MACS "\x08\0" IPV4("\6", "\0\x10") PORTS)},
    {"icmp", FRAME(MACS "\x08\0" IPV4("\1", "\0\0") PORTS)},
    {"ipv6", FRAME(MACS "\x86\xdd\x60\0\0\0\0\x14\6\x40"
                        "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
                        "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1" PORTS)},
    {"arp", FRAME(MACS "\x08\6\0\1\x08\0\6\4\0\1\2\0\0\0\0\2\xc0\0\2\7\0\0\0\0\0\0\xc6\x33\x64\1")},
    {"lldp", FRAME(MACS "\x88\xcc\2\7\4\2\0\0\0\0\1")},
};

static void every_word_narrows_as_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *received, *sent; /* names of the frames that are wanted */
    } cases[] = {
        {"all", "tcp tagged udp later fragment icmp ipv6 arp lldp",
         "tcp tagged udp later fragment icmp ipv6 arp lldp"},
        {"direction=in", "tcp tagged udp later fragment icmp ipv6 arp lldp", ""},
        {"direction=out,protocol=arp", "", "arp"},
        {"client=192.0.2.7", "tcp tagged udp later fragment icmp arp", ""},
        {"client=198.51.100.1", "", "tcp tagged udp later fragment icmp arp"},
        {"client=192.0.2.8", "", ""},
        {"client=192.0.2.8/28", "tcp tagged udp later fragment icmp arp", ""},
        {"client=192.0.2.8/29", "", ""},
        {"client=0.0.0.0/0,protocol=icmp", "icmp", "icmp"},
        {"client=2001:db8::7", "ipv6", ""},
        {"client=2001:db8::/32,port=8080", "ipv6", "ipv6"},
        {"port=8080", "tcp tagged udp ipv6", "tcp tagged udp ipv6"},
        {"port=40000,protocol=udp", "udp", "udp"},
        {"port=80", "", ""},
        {"protocol=tcp,client=192.0.2.7,port=8080", "tcp tagged", ""},
        {"snap=60,protocol=tcp", "tcp tagged later fragment ipv6",
         "tcp tagged later fragment ipv6"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char error[256];
        struct capture_filter filter;
        if (!capture_filter_parse(cases[i].filter, &filter, error, sizeof(error)))
            fail_msg("'%s': %s", cases[i].filter, error);
        for (size_t k = 0; k < ARRAY_COUNT(frames); k++) {
            bool is_received = frame_filter_wants(&filter, CAPTURE_RECEIVED, frames[k].bytes,
                                                  frames[k].byte_count);
            bool is_sent =
                frame_filter_wants(&filter, CAPTURE_SENT, frames[k].bytes, frames[k].byte_count);
            if (is_received != (strstr(cases[i].received, frames[k].name) != NULL) ||
                is_sent != (strstr(cases[i].sent, frames[k].name) != NULL))
                fail_msg("'%s' and %s", cases[i].filter, frames[k].name);
        }
    }
}

/* Exact allocations: the sanitizer sees a byte too many. */
static void a_frame_that_is_cut_anywhere_is_read_no_further(void **state)
{
    (void)state;
    char error[256];
    struct capture_filter filter;
    assert_true(capture_filter_parse("client=::/0,port=8080", &filter, error, sizeof(error)));
    for (size_t k = 0; k < ARRAY_COUNT(frames); k++)
        for (uint32_t bytes = 0; bytes < frames[k].byte_count; bytes++) {
            uint8_t *exact = malloc(bytes ? bytes : 1);
            memcpy(exact, frames[k].bytes, bytes);
            if (frame_filter_wants(&filter, CAPTURE_RECEIVED, exact, bytes))
                fail_msg("%u bytes of %s", bytes, frames[k].name);
            free(exact);
        }
}

static void what_is_wrong_is_said_with_what_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *error;
    } cases[] = {
        {"",
         "\"\": allowed are all, or client=, port=, protocol=, direction= and snap= with commas "
         "between them"},
        {"host 192.0.2.7", "allowed are all, or client="},
        {"port=8080,all", "\"all\": allowed are"},
        {"port=8080,", "\"\": allowed are"},
        {"port", "\"port\": allowed are"},
        {"port=", "port=: allowed 1 to 65535, ours or the client's"},
        {"port=0", "port=0: allowed 1 to 65535"},
        {"port=65536", "port=65536: allowed 1 to 65535"},
        {"port=99999999999999999999", "allowed 1 to 65535"},
        {"port=-1", "allowed 1 to 65535"},
        {"port=80,port=81", "port= is there twice"},
        {"client=localhost", "client=localhost: allowed an address, or a prefix"},
        {"client=192.0.2.7/33", "allowed an address, or a prefix"},
        {"client=2001:db8::7/129", "allowed an address, or a prefix"},
        {"client=192.0.2.7/", "allowed an address, or a prefix"},
        {"protocol=http", "protocol=http: allowed tcp, udp, icmp (ICMPv6 too) or arp"},
        {"protocol=arp,port=80", "port= goes with protocol=tcp or udp only"},
        {"direction=both", "direction=both: allowed in or out"},
        {"snap=65536", "snap=65536: allowed 1 to 65535 bytes of each frame"},
        {"snap=0", "allowed 1 to 65535 bytes"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char error[256] = "";
        struct capture_filter filter;
        if (capture_filter_parse(cases[i].filter, &filter, error, sizeof(error)) ||
            !strstr(error, cases[i].error))
            fail_msg("'%s': %s", cases[i].filter, error);
    }
    char text[CAPTURE_FILTER_TEXT_MAX + 2], error[256];
    struct capture_filter filter;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(capture_filter_parse(text, &filter, error, sizeof(error)));
    assert_string_equal(error, "longer than 127 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_narrows_as_it_says),
        cmocka_unit_test(a_frame_that_is_cut_anywhere_is_read_no_further),
        cmocka_unit_test(what_is_wrong_is_said_with_what_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
