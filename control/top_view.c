/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "control/metrics_text.h"
#include "control/text_buffer.h"
#include "control/top_command.h"

#define LABEL_BYTES 64
#define DROPS_SHOWN_MAX 12u

/* Two moments, and what is made of them. */
struct view {
    struct text_buffer *text;
    const struct metrics_snapshot *before, *after;
    double seconds;
};

static double rate(const struct view *view, const char *name, const char *label)
{
    return (metrics_sum(view->after, name, label) - metrics_sum(view->before, name, label)) /
           view->seconds;
}

static double level(const struct view *view, const char *name, const char *label)
{
    return metrics_sum(view->after, name, label);
}

/* 1234567 is 1.23 M: three digits are enough to see what happens. */
static void add_number(struct text_buffer *text, double value)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000;
        unit++;
    }
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    if (unit == 0 && value == (double)(long)value)
        decimals = 0;
    text_format(text, "%.*f%s", decimals, value, units[unit]);
}

static void add_seconds(struct text_buffer *text, double seconds)
{
    if (seconds < 0)
        text_format(text, "-");
    else if (seconds < 1e-3)
        text_format(text, "%.0f us", seconds * 1e6);
    else if (seconds < 1)
        text_format(text, "%.1f ms", seconds * 1e3);
    else
        text_format(text, "%.1f s", seconds);
}

/* A line is its title and items, each a name and a number. */
static void line(const struct view *view, const char *title)
{
    text_format(view->text, "\n%-11s", title);
}

static void item(const struct view *view, const char *name, double value, const char *unit)
{
    text_format(view->text, "  %s ", name);
    add_number(view->text, value);
    text_format(view->text, "%s", unit);
}

static void item_rate(const struct view *view, const char *name, const char *metric,
                      const char *label)
{
    item(view, name, rate(view, metric, label), "/s");
}

static void item_quantiles(const struct view *view, const char *histogram)
{
    text_format(view->text, "  p50 ");
    add_seconds(view->text, metrics_quantile(view->before, view->after, histogram, 0.5));
    text_format(view->text, "  p99 ");
    add_seconds(view->text, metrics_quantile(view->before, view->after, histogram, 0.99));
}

/* ---- the lines ---- */

static double rate_of_class(const struct view *view, char first_digit)
{
    char label[] = "status=\"0";
    label[sizeof(label) - 2] = first_digit;
    return rate(view, "gannet_requests_total", label);
}

static void show_requests(const struct view *view)
{
    line(view, "requests");
    item_rate(view, "all", "gannet_http_requests_total", NULL);
    for (char digit = '2'; digit <= '5'; digit++) {
        char name[] = "0xx";
        name[0] = digit;
        item(view, name, rate_of_class(view, digit), "/s");
    }
    item_quantiles(view, "gannet_request_seconds");
    double hits = rate(view, "gannet_cache_hits_total", NULL);
    double misses = rate(view, "gannet_cache_misses_total", NULL);
    line(view, "cache");
    if (hits + misses > 0)
        text_format(view->text, "  hits %.2f %%", 100 * hits / (hits + misses));
    else
        text_format(view->text, "  hits -");
    item(view, "misses", misses, "/s");
    item_rate(view, "fills", "gannet_cache_fills_total", NULL);
    item_rate(view, "evicted", "gannet_cache_evictions_total", NULL);
    item(view, "entries", level(view, "gannet_cache", "what=\"entries\""), "");
}

static void show_tcp(const struct view *view)
{
    line(view, "connections");
    item(view, "open", level(view, "gannet_connections", NULL), "");
    item_rate(view, "opened", "gannet_tcp_connections_opened_total", NULL);
    item_rate(view, "closed", "gannet_tcp_connections_closed_total", NULL);
    item_rate(view, "given up", "gannet_tcp_timeouts_total", NULL);
    item_rate(view, "RST in", "gannet_tcp_resets_received_total", NULL);
    item_rate(view, "RST out", "gannet_tcp_resets_sent_total", NULL);
    line(view, "round trip");
    item_quantiles(view, "gannet_tcp_round_trip_seconds");
    line(view, "sent again");
    item_rate(view, "fast", "gannet_tcp_retransmits_fast_total", NULL);
    item_rate(view, "timeout", "gannet_tcp_retransmits_timeout_total", NULL);
    item_rate(view, "tail probe", "gannet_tcp_retransmits_probe_total", NULL);
    item_rate(view, "needlessly", "gannet_tcp_spurious_timeouts_total", NULL);
    line(view, "attack");
    item(view, "half open", level(view, "gannet_tcp_tables", "what=\"half_open\""), "");
    item_rate(view, "cookies", "gannet_tcp_cookies_sent_total", NULL);
    item_rate(view, "accepted", "gannet_tcp_cookies_accepted_total", NULL);
    item_rate(view, "refused", "gannet_tcp_cookies_refused_total", NULL);
    item_rate(view, "challenges", "gannet_tcp_challenges_sent_total", NULL);
    item_rate(view, "silent recycled", "gannet_tcp_silent_recycled_total", NULL);
}

static void show_store(const struct view *view)
{
    line(view, "store");
    item_rate(view, "writes", "gannet_store_committed_writes_total", NULL);
    item_rate(view, "commits", "gannet_store_commits_total", NULL);
    item_quantiles(view, "gannet_commit_seconds");
    item_rate(view, "reads", "gannet_store_reads_total", NULL);
    item(view, "keys", level(view, "gannet_store", "what=\"keys\""), "");
    item(view, "disk", level(view, "gannet_store", "what=\"disk_bytes\""), "B");
    line(view, "levels");
    double total = level(view, "gannet_value_memory_bytes", "what=\"total\"");
    double unused = level(view, "gannet_value_memory_bytes", "what=\"free\"");
    text_format(view->text, "  value memory %.0f %%", total > 0 ? 100 * (1 - unused / total) : 0);
    double packets = level(view, "gannet_packets", "what=\"total\"");
    double used = level(view, "gannet_packets", "what=\"used\"");
    text_format(view->text, "  packets %.0f %%", packets > 0 ? 100 * used / packets : 0);
    item(view, "out of order", level(view, "gannet_tcp_tables", "what=\"out_of_order\""), "");
    item(view, "TIME-WAIT", level(view, "gannet_tcp_tables", "what=\"time_wait\""), "");
    item(view, "index", level(view, "gannet_store", "what=\"index_bytes\""), "B");
    item(view, "to the store", level(view, "gannet_ring_depth", "ring=\"request\""), "");
    item(view, "from it", level(view, "gannet_ring_depth", "ring=\"reply\""), "");
    item_rate(view, "no packet", "gannet_packet_allocation_failed_total", NULL);
    item_rate(view, "no credit", "gannet_shard_no_credit_total", NULL);
}

static void show_ports(const struct view *view)
{
    static const char name[] = "gannet_port_events_total";
    line(view, "ports");
    item_rate(view, "in", name, "event=\"rx_packets\"");
    item_rate(view, "out", name, "event=\"tx_packets\"");
    item_rate(view, "missed", name, "event=\"rx_missed\"");
    item_rate(view, "no packet", name, "event=\"rx_no_packets\"");
    item_rate(view, "errors", name, "_errors\"");
    item_rate(view, "refused", "gannet_port_tx_refused_total", NULL);
}

/* Of ports whose ipv6 is auto: what is in no configuration. */
static void show_formed_addresses(const struct view *view)
{
    bool is_first = true;
    for (uint32_t i = 0; i < view->after->sample_count; i++) {
        const struct metrics_sample *sample = &view->after->samples[i];
        char port[LABEL_BYTES], address[LABEL_BYTES], state[LABEL_BYTES];
        if (strcmp(sample->name, "gannet_ipv6_formed") != 0)
            continue;
        metrics_label(sample, "port", port, sizeof(port));
        metrics_label(sample, "address", address, sizeof(address));
        metrics_label(sample, "state", state, sizeof(state));
        if (is_first)
            line(view, "IPv6 formed");
        is_first = false;
        text_format(view->text, "  port %s %s%s", port, address[0] ? address : "none yet",
                    strcmp(state, "deprecated") == 0 ? " (deprecated)" : "");
    }
}

static void show_workers(const struct view *view)
{
    for (uint32_t i = 0; i < view->after->sample_count; i++) {
        const struct metrics_sample *sample = &view->after->samples[i];
        char thread[LABEL_BYTES], label[LABEL_BYTES + 16];
        if (strcmp(sample->name, "gannet_connections") != 0)
            continue;
        metrics_label(sample, "thread", thread, sizeof(thread));
        snprintf(label, sizeof(label), "thread=\"%s\"", thread);
        line(view, thread);
        text_format(view->text, "  busy %.1f %%",
                    rate(view, "gannet_worker_busy_ns_total", label) / 1e7);
        item_rate(view, "requests", "gannet_http_requests_total", label);
        item(view, "connections", sample->value, "");
        item_rate(view, "late rounds", "gannet_worker_rounds_late_total", label);
    }
}

/* Those that grow, as the server lists them; then how many more there are. */
static void show_drops(const struct view *view)
{
    uint32_t shown = 0, more = 0;
    line(view, "drops");
    for (uint32_t i = 0; i < view->after->sample_count; i++) {
        const struct metrics_sample *sample = &view->after->samples[i];
        char reason[LABEL_BYTES], label[LABEL_BYTES + 16];
        if (strcmp(sample->name, "gannet_drops_total") != 0)
            continue;
        metrics_label(sample, "reason", reason, sizeof(reason));
        snprintf(label, sizeof(label), "reason=\"%s\"", reason);
        double grows = rate(view, "gannet_drops_total", label);
        if (grows <= 0)
            continue;
        if (shown < DROPS_SHOWN_MAX)
            item(view, reason, grows, "/s");
        else
            more++;
        shown++;
    }
    if (shown == 0)
        text_format(view->text, "  none");
    if (more > 0)
        text_format(view->text, "  and %u more reasons", more);
}

void top_show(struct text_buffer *text, const struct metrics_snapshot *before,
              const struct metrics_snapshot *after, double seconds)
{
    struct view view = {text, before, after, seconds};
    char version[LABEL_BYTES] = "";
    for (uint32_t i = 0; i < after->sample_count; i++)
        if (strcmp(after->samples[i].name, "gannet_build_info") == 0)
            metrics_label(&after->samples[i], "version", version, sizeof(version));
    text_format(text, "gannet %s, over %.1f s", version, seconds);
    show_requests(&view);
    show_tcp(&view);
    show_store(&view);
    show_ports(&view);
    show_formed_addresses(&view);
    show_workers(&view);
    show_drops(&view);
    text_format(text, "\n");
}
