/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/proxy_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "include/compiler.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define FIXED(command, family, high, low) SIGNATURE command family high low
#define IPV4                                                                                       \
    "\xc0\0\2\7"                                                                                   \
    "\xc0\0\2\x0a"                                                                                 \
    "\x12\x67"                                                                                     \
    "\0\x50"
#define IPV6                                                                                       \
    "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7"                                                           \
    "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a"                                                         \
    "\x12\x67"                                                                                     \
    "\0\x50"

static const struct {
    const char *what, *bytes;
    uint32_t length;
    enum proxy_status status;
    uint8_t ip_version, last_byte;
    uint32_t header_bytes;
} cases[] = {
#define ROW(what, text, ...)                                                                       \
    {                                                                                              \
        what, text, sizeof(text) - 1, __VA_ARGS__                                                  \
    }
    ROW("TCP over IPv4", FIXED("\x21", "\x11", "\0", "\x0c") IPV4 "GET", PROXY_DONE, 4, 7, 28),
    ROW("TCP over IPv6", FIXED("\x21", "\x21", "\0", "\x24") IPV6, PROXY_DONE, 6, 7, 52),
    ROW("TLVs behind the addresses",
        FIXED("\x21", "\x11", "\0", "\x11") IPV4 "\4\0\2zz"
                                                 "GET",
        PROXY_DONE, 4, 7, 33),
    ROW("LOCAL without addresses", FIXED("\x20", "\0", "\0", "\0") "GET", PROXY_DONE, 0, 0, 16),
    ROW("LOCAL with addresses: they are not the client's", FIXED("\x20", "\x11", "\0", "\x0c") IPV4,
        PROXY_DONE, 0, 0, 28),
    ROW("PROXY of an unspecified family", FIXED("\x21", "\0", "\0", "\3") "abc", PROXY_DONE, 0, 0,
        19),
    ROW("version 1", "PROXY TCP4 192.0.2.7 192.0.2.10 4711 80\r\n", PROXY_BAD, 0, 0, 0),
    ROW("no header", "GET / HTTP/1.1\r\n", PROXY_BAD, 0, 0, 0),
    ROW("version 3", FIXED("\x31", "\x11", "\0", "\x0c") IPV4, PROXY_BAD, 0, 0, 0),
    ROW("an unknown command", FIXED("\x22", "\x11", "\0", "\x0c") IPV4, PROXY_BAD, 0, 0, 0),
    ROW("UDP", FIXED("\x21", "\x12", "\0", "\x0c") IPV4, PROXY_BAD, 0, 0, 0),
    ROW("UNIX", FIXED("\x21", "\x31", "\0", "\xd8"), PROXY_BAD, 0, 0, 0),
    ROW("too short for IPv4", FIXED("\x21", "\x11", "\0", "\x0b") IPV4, PROXY_BAD, 0, 0, 0),
    ROW("too short for IPv6", FIXED("\x21", "\x21", "\0", "\x23") IPV6, PROXY_BAD, 0, 0, 0),
    ROW("longer than allowed", FIXED("\x21", "\x11", "\2", "\x09"), PROXY_BAD, 0, 0, 0),
#undef ROW
};

static void a_header_is_taken_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct proxy_client client;
        uint32_t header_bytes = 0;
        enum proxy_status status = proxy_header_parse((const uint8_t *)cases[i].bytes,
                                                      cases[i].length, &client, &header_bytes);
        if (status != cases[i].status)
            fail_msg("%s: status %d", cases[i].what, status);
        if (status != PROXY_DONE)
            continue;
        assert_int_equal(client.ip_version, cases[i].ip_version);
        assert_int_equal(header_bytes, cases[i].header_bytes);
        if (client.ip_version != 0) {
            assert_int_equal(client.address[client.ip_version == 4 ? 3 : 15], cases[i].last_byte);
            assert_int_equal(client.port, 4711);
        }
    }
}

static void every_beginning_of_a_good_header_is_partial(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        for (uint32_t length = 0; cases[i].status == PROXY_DONE && length < cases[i].header_bytes;
             length++) {
            struct proxy_client client;
            uint32_t header_bytes;
            assert_int_equal(
                proxy_header_parse((const uint8_t *)cases[i].bytes, length, &client, &header_bytes),
                PROXY_PARTIAL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_taken_or_refused),
        cmocka_unit_test(every_beginning_of_a_good_header_is_partial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
