/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>

#include "control/access_log.h"
#include "control/admin.h"
#include "control/server.h"
#include "control/server_settings.h"
#include "control/store.h"
#include "control/trace_export.h"
#include "include/log.h"

static void write_config(void *context, struct text_buffer *text)
{
    server_settings_write(((struct server *)context)->settings, text);
}

bool server_reload(struct server *server, struct text_buffer *said)
{
    access_log_reopen(server->access_log);
    return server_settings_reload(server->settings, said);
}

static bool reload(void *context, struct text_buffer *said)
{
    return server_reload(context, said);
}

static bool hold_files(void *context, uint64_t seconds, struct text_buffer *text)
{
    struct store_set *stores = ((struct server *)context)->stores;
    uint64_t uuid[2], epoch;
    bool is_held = store_set_hold(stores, seconds == 0 ? 0 : clock_now_ns() + seconds * NS_PER_S);
    store_set_identity(stores, uuid, &epoch);
    text_format(text, "%s %016" PRIx64 "%016" PRIx64 " %" PRIu64 "\n", is_held ? "held" : "not yet",
                uuid[0], uuid[1], epoch);
    return is_held;
}

static bool choose_trace(void *context, const char *client)
{
    bool is_known = trace_choose(&((struct server *)context)->trace_choice, client);
    if (is_known)
        log_info("tracing %s", client);
    return is_known;
}

static void write_trace(void *context, enum trace_format format, struct text_buffer *text)
{
    struct server *server = context;
    uint64_t wall_ns = wall_clock_read(&server->wall_clock) * NS_PER_MS;
    trace_export(server->traces, server->worker_count, format, wall_ns - clock_now_ns(), text);
}

static struct capture_moment capture_moment_of(struct server *server)
{
    return (struct capture_moment){.now_ns = clock_now_ns(),
                                   .wall_ns = wall_clock_read(&server->wall_clock) * NS_PER_MS};
}

static uint32_t start_capture(void *context, const char *filter, struct text_buffer *out)
{
    struct server *server = context;
    struct capture_moment moment = capture_moment_of(server);
    uint32_t status = capture_start(&server->capture, filter, &moment, out);
    if (status == 200)
        log_info("capturing %s", filter);
    return status;
}

static uint32_t fetch_capture(void *context, uint32_t id, bool is_last, struct text_buffer *out)
{
    struct server *server = context;
    struct capture_moment moment = capture_moment_of(server);
    return capture_fetch(&server->capture, id, is_last, &moment, out);
}

static void describe_capture(struct server *server)
{
    server->capture = (struct capture_session){.filter_published = &server->capture_filter,
                                               .rings = server->captures,
                                               .ring_count = server->worker_count,
                                               .port_count = server->config.ports_count};
    for (uint32_t i = 0; i < server->config.ports_count; i++)
        server->capture.port_names[i] = server->config.ports[i].device;
}

static bool is_alive(void *context, const char **why)
{
    struct server *server = context;
    const char *hanging = atomic_load_explicit(&server->hanging, memory_order_relaxed);
    *why = hanging;
    return hanging == NULL;
}

static bool is_ready(void *context, const char **why)
{
    struct server *server = context;
    if (!is_alive(context, why))
        return false;
    *why = "starting or draining";
    return atomic_load_explicit(&server->is_ready, memory_order_relaxed);
}

static void ask_for_drain(void *context)
{
    atomic_store_explicit(&((struct server *)context)->wants_drain, true, memory_order_relaxed);
}

int server_admin_start(struct server *server)
{
    server_metrics_describe(server);
    describe_capture(server);
    struct admin_hooks hooks = {
        .context = server,
        .is_alive = is_alive,
        .is_ready = is_ready,
        .write_config = write_config,
        .write_limited = server_write_limited,
        .start_drain = ask_for_drain,
        .reload = reload,
        .hold_files = hold_files,
        .choose_trace = server->config.trace.events > 0 ? choose_trace : NULL,
        .write_trace = write_trace,
        .start_capture = server->config.capture.ring_kib > 0 ? start_capture : NULL,
        .fetch_capture = fetch_capture,
        .sources = server->sources,
        .source_count = SERVER_METRICS_COUNT};
    return admin_start(server->config.admin.listen, (enum io_backend)server->config.control.io,
                       &hooks, &server->admin);
}

void server_admin_stop(struct server *server)
{
    if (server->admin)
        admin_stop(server->admin);
}
