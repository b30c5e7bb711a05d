/* SPDX-License-Identifier: BSD-3-Clause */
/* The runner itself: what must fail fails, at the right line, and says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "include/compiler.h"
#include "tests/packet_scripts/script.h"
#include "tests/support/test_eal.h"

#define HEAD "# a rule\n# RFC 9293\n"
#define SENDS HEAD "open mss 1000\napp send 100\n"

static struct script_report report;

static void scripts_fail_where_they_are_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *what, *text, *report;
    } cases[] = {
        {"no header", "open\n", "name:0: the first lines must be a comment"},
        {"a header without its RFC", "# a rule\nopen # RFC 9293\n", "name:0: the first lines"},
        {"an unknown line", HEAD "opne\n", "name:3: unknown word 'opne'"},
        {"an unknown word of a segment", HEAD "< SYN seq 0 sick\n", "name:3: unknown word 'sick'"},
        {"a word too many", HEAD "open\nstate established now\n", "name:4: unknown word 'now'"},
        {"no number", HEAD "< SYN seq x\n", "'seq' needs a number, not 'x'"},
        {"an unknown key", HEAD "config windo 5\n", "unknown key 'windo'"},
        {"a key too late", HEAD "open\nconfig mtu 500\n", "'config' comes before"},
        {"an unknown state", HEAD "state opened\n", "unknown state 'opened'"},
        {"an unknown counter", HEAD "open\ncounter tcp_x +1\n", "there is no counter 'tcp_x'"},
        {"an unknown event", HEAD "open\napp sees red\n", "unknown event 'red'"},
        {"something unexpected", SENDS "+ 1ms\n", "name:5: before this line nothing more"},
        {"something left at the end", SENDS, "nothing more was expected\n    saw:   > ACK PSH"},
        {"nothing sent", HEAD "open\n> ACK seq 1 ack 1\n", "name:4: nothing was sent"},
        {"other flags", SENDS "> ACK FIN seq 1 ack 1 len 100\n", "'flags' differs"},
        {"another sequence number", SENDS "> ACK seq 2 ack 1 len 100\n", "'seq' differs"},
        {"another acknowledgement", SENDS "> ACK seq 1 ack 2 len 100\n", "'ack' differs"},
        {"another length", SENDS "> ACK seq 1 ack 1 len 99\n", "'len' differs"},
        {"another window", SENDS "> ACK seq 1 ack 1 len 100 win 5\n", "'win' differs"},
        {"SACK that is not there", SENDS "> ACK seq 1 ack 1 len 100 sack 1-2\n", "'sack' differs"},
        {"timestamps not there", SENDS "> ACK seq 1 ack 1 len 100 ts * *\n", "'ts' differs"},
        {"an option of a SYN not named", HEAD "< SYN seq 0 mss 9\n> SYN ACK seq 0 ack 1\n",
         "'mss' differs"},
        {"another state", HEAD "open\nstate closed\n", "the state is established"},
        {"another number of bytes", HEAD "open\napp holds 1\n", "0 bytes wait to be read"},
        {"another event", HEAD "open\napp sees opened\n", "the application saw:\n"},
        {"another counter", HEAD "open\ncounter tcp_connections_opened +2\n", "it is +1"},
        {"too early", HEAD "< SYN seq 0\n> any\n+ 1500..2000ms\n", "sent after 1250."},
        {"never", HEAD "open\n+ 1..10ms\n", "nothing was sent in that time"},
        {"sent while time passed", HEAD "< SYN seq 0\n> any\n+ 2s\n", "name:5: before this line"},
        {"no such count", HEAD "< SYN seq 0\n> any 2..3\n", "1 were sent"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        if (script_run("name", cases[i].text, i % 2 == 1, &report) ||
            strstr(report.text, cases[i].report) == NULL)
            fail_msg("case '%s': %s", cases[i].what, report.text);
}

static void a_failure_shows_every_segment(void **state)
{
    (void)state;
    assert_false(
        script_run("name", HEAD "open\n< ACK seq 9 ack 1 len 5\n> RST seq 1\n", false, &report));
    assert_non_null(strstr(report.text, "< SYN seq 0 mss 1460 sackok"));
    assert_non_null(strstr(report.text, "> SYN ACK seq 0 ack 1 win 65535"));
    assert_non_null(strstr(report.text, "< ACK seq 9 ack 1 len 5"));
    assert_non_null(strstr(report.text, "saw:   > ACK seq 1 ack 1 win 65535 sack 9-14"));
}

static void families_are_chosen_by_a_line(void **state)
{
    (void)state;
    assert_true(script_is_for(HEAD "open\n", false) && script_is_for(HEAD "open\n", true));
    assert_true(script_is_for(HEAD "ipv4\n", false) && !script_is_for(HEAD "ipv4\n", true));
    assert_true(script_is_for(HEAD "ipv6\n", true) && !script_is_for(HEAD "ipv6\n", false));
}

int main(void)
{
    test_eal_start("64");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_fail_where_they_are_wrong),
        cmocka_unit_test(a_failure_shows_every_segment),
        cmocka_unit_test(families_are_chosen_by_a_line),
    };
    return cmocka_run_group_tests_name("script_test", tests, NULL, NULL);
}
