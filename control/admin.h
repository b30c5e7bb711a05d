/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * admin.h - the admin socket: health, metrics, configuration and drain, on the kernel's network.
 *
 * Purpose:   GET /healthz, /readyz, /metrics, /config, /limited, /trace, /capture, POST /drain,
 *            /reload, /trace, /capture, /hold over HTTP/1.1, one request per connection.
 * Ownership: hooks and their contexts live until admin_stop has returned.
 * Threading: one thread of its own, with its own I/O loop; the hooks are called on it.
 * Units:     none.
 * Errors:    0 or a negative errno after a log line that names the address.
 * Source:    RFC 9112 for the request line and the end of the head.
 *
 * Limits: ADMIN_CONNECTIONS_MAX at a time (more wait in the kernel's backlog), ADMIN_HEAD_BYTES_MAX
 * for a request head, ADMIN_DEADLINE_S from accept to the last byte of the answer.
 */
#ifndef GANNET_ADMIN_H
#define GANNET_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "control/io_loop.h"
#include "control/stats_export.h"
#include "control/trace_export.h"

#define ADMIN_CONNECTIONS_MAX 16u
#define ADMIN_HEAD_BYTES_MAX 4096u
#define ADMIN_DEADLINE_S 5u

struct admin_hooks {
    void *context;
    /* Whether every thread of the process has a fresh heartbeat; when not, `why` is one line. */
    bool (*is_alive)(void *context, const char **why);
    /* Whether requests are served: recovered, ports up, not draining. */
    bool (*is_ready)(void *context, const char **why);
    void (*write_config)(void *context, struct text_buffer *text); /* the effective configuration */
    /* Clients that rate limits refused. NULL: the socket is not on loopback. */
    void (*write_limited)(void *context, struct text_buffer *text);
    void (*start_drain)(void *context); /* only asks for it: returns at once */
    /* Reads the file again; `said` gets what to tell. False: nothing was changed. */
    bool (*reload)(void *context, struct text_buffer *said);
    /* Whose segments are traced: an address or "none". False: it is neither. NULL: no tracing. */
    bool (*choose_trace)(void *context, const char *client);
    void (*write_trace)(void *context, enum trace_format format, struct text_buffer *text);
    /* As in capture_export.h. NULL: no captures. */
    uint32_t (*start_capture)(void *context, const char *filter, struct text_buffer *out);
    uint32_t (*fetch_capture)(void *context, uint32_t id, bool is_last, struct text_buffer *out);
    /*
     * No file of the store is removed for so long (a backup). Writes what is held; false: not yet.
     * NULL: the socket is not on loopback.
     */
    bool (*hold_files)(void *context, uint64_t seconds, struct text_buffer *text);
    const struct stats_source *sources; /* what /metrics shows beside the counters */
    uint32_t source_count;
};

struct admin;

/*
 * Listens on "address:port" or "[address]:port" (port 0: any free one) and starts the thread.
 * "none" is no admin socket: *admin is NULL.
 */
int admin_start(const char *listen, enum io_backend backend, const struct admin_hooks *hooks,
                struct admin **admin);
void admin_stop(struct admin *admin);
uint16_t admin_port(const struct admin *admin);

#endif
