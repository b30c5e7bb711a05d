/* SPDX-License-Identifier: BSD-3-Clause */
/* What `gannet top` makes of two moments of /metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "control/metrics_text.h"
#include "control/text_buffer.h"
#include "control/top_command.h"
#include "include/compiler.h"

static const char before_text[] = "HTTP/1.1 200 OK\r\n\r\n"
                                  "# HELP gannet_http_requests_total requests parsed completely\n"
                                  "gannet_http_requests_total{thread=\"worker0\"} 1000\n"
                                  "gannet_http_requests_total{thread=\"worker1\"} 0\n"
                                  "gannet_cache_hits_total{thread=\"worker0\"} 900\n"
                                  "gannet_cache_misses_total{thread=\"worker0\"} 100\n"
                                  "gannet_worker_busy_ns_total{thread=\"worker0\"} 0\n"
                                  "gannet_worker_busy_ns_total{thread=\"worker1\"} 500000000\n"
                                  "gannet_drops_total{reason=\"TCP_STRAY\"} 7\n"
                                  "gannet_drops_total{reason=\"TCP_CHECKSUM\"} 7\n"
                                  "gannet_tcp_retransmits_fast_total{thread=\"worker0\"} 1\n"
                                  "gannet_request_seconds_bucket{le=\"0.000001023\"} 1000\n"
                                  "gannet_request_seconds_bucket{le=\"0.000002047\"} 1000\n"
                                  "gannet_request_seconds_bucket{le=\"+Inf\"} 1000\n"
                                  "gannet_request_seconds_count 1000\n"
                                  "gannet_connections{thread=\"worker0\"} 4\n"
                                  "gannet_connections{thread=\"worker1\"} 4\n";

static const char after_text[] = "gannet_http_requests_total{thread=\"worker0\"} 2001000\n"
                                 "gannet_http_requests_total{thread=\"worker1\"} 468\n"
                                 "gannet_requests_total{route=\"values\",status=\"200\"} 2000000\n"
                                 "gannet_requests_total{route=\"values\",status=\"503\"} 24\n"
                                 "gannet_cache_hits_total{thread=\"worker0\"} 1900900\n"
                                 "gannet_cache_misses_total{thread=\"worker0\"} 100100\n"
                                 "gannet_worker_busy_ns_total{thread=\"worker0\"} 1500000000\n"
                                 "gannet_worker_busy_ns_total{thread=\"worker1\"} 500000000\n"
                                 "gannet_drops_total{reason=\"TCP_STRAY\"} 207\n"
                                 "gannet_drops_total{reason=\"TCP_CHECKSUM\"} 7\n"
                                 "gannet_tcp_retransmits_fast_total{thread=\"worker0\"} 7\n"
                                 "gannet_request_seconds_bucket{le=\"0.000001023\"} 1900\n"
                                 "gannet_request_seconds_bucket{le=\"0.000002047\"} 2000\n"
                                 "gannet_request_seconds_bucket{le=\"+Inf\"} 2000\n"
                                 "gannet_request_seconds_count 2000\n"
                                 "gannet_connections{thread=\"worker0\"} 1234\n"
                                 "gannet_connections{thread=\"worker1\"} 5\n"
                                 "gannet_cache{thread=\"worker0\",what=\"entries\"} 77\n"
                                 "gannet_cache{thread=\"worker0\",what=\"blob_bytes\"} 5000\n"
                                 "gannet_value_memory_bytes{what=\"total\"} 1000\n"
                                 "gannet_value_memory_bytes{what=\"free\"} 750\n"
                                 "gannet_packets{thread=\"worker0\",what=\"used\"} 30\n"
                                 "gannet_packets{thread=\"worker0\",what=\"total\"} 60\n"
                                 "gannet_tcp_tables{thread=\"worker0\",what=\"half_open\"} 3\n"
                                 "gannet_tcp_tables{thread=\"worker1\",what=\"half_open\"} 4\n"
                                 "gannet_ipv6_formed{port=\"0\",address=\"2001:db8::1\","
                                 "state=\"in_use\"} 1\n"
                                 "gannet_ipv6_formed{port=\"1\",address=\"2001:db8:1::1\","
                                 "state=\"deprecated\"} 1\n"
                                 "gannet_ipv6_formed{port=\"2\",address=\"\",state=\"none\"} 1\n"
                                 "gannet_build_info{version=\"9.9\"} 1\n"
                                 "this is no sample\n"
                                 "gannet_broken{ 1\n";

static void rates_and_levels_are_those_between_two_moments(void **state)
{
    (void)state;
    static struct metrics_snapshot before, after;
    static char first[sizeof(before_text)], second[sizeof(after_text)];
    struct text_buffer text = {0};
    memcpy(first, before_text, sizeof(first));
    memcpy(second, after_text, sizeof(second));
    metrics_read(first, &before);
    metrics_read(second, &after);
    top_show(&text, &before, &after, 2.0);
    static const char *const wanted[] = {
        "gannet 9.9, over 2.0 s\n",
        "requests     all 1.00 M/s  2xx 1.00 M/s  3xx 0/s  4xx 0/s  5xx 12/s  p50 1 us  p99 2 us\n",
        "cache        hits 95.00 %  misses 50.0 k/s",
        "entries 77\n",
        "connections  open 1.24 k  ",
        "sent again   fast 3/s  timeout 0/s",
        "value memory 25 %  packets 50 %",
        "attack       half open 7  cookies 0/s",
        "worker0      busy 75.0 %  requests 1.00 M/s  connections 1.23 k",
        "worker1      busy 0.0 %  requests 234/s  connections 5",
        "drops        TCP_STRAY 100/s\n",
        "\nIPv6 formed  port 0 2001:db8::1  port 1 2001:db8:1::1 (deprecated)  port 2 none yet\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
        if (!strstr(text.bytes, wanted[i]))
            fail_msg("'%s' is missing in\n%s", wanted[i], text.bytes);
    text_buffer_clear(&text);
}

static void a_server_that_does_nothing_has_no_quantiles_and_no_drops(void **state)
{
    (void)state;
    static struct metrics_snapshot still;
    static char same[sizeof(before_text)];
    struct text_buffer text = {0};
    memcpy(same, before_text, sizeof(same));
    metrics_read(same, &still);
    top_show(&text, &still, &still, 1.0);
    assert_non_null(strstr(text.bytes, "p50 -  p99 -\n"));
    assert_non_null(strstr(text.bytes, "hits -"));
    assert_non_null(strstr(text.bytes, "drops        none\n"));
    assert_null(strstr(text.bytes, "IPv6")); /* no port has ipv6: auto */
    text_buffer_clear(&text);
}

static void nobody_there_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(top_command("127.0.0.1:1", true), EXIT_FAILURE);
    assert_int_equal(top_command("nonsense", true), EXIT_FAILURE);
    assert_int_equal(top_command("example.org:80", true), EXIT_FAILURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_and_levels_are_those_between_two_moments),
        cmocka_unit_test(a_server_that_does_nothing_has_no_quantiles_and_no_drops),
        cmocka_unit_test(nobody_there_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
