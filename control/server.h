/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * server.h - everything a running server consists of, for the files of the program that see both
 * sides.
 *
 * Purpose:   main.c starts and stops it in order; each server_*.c is one room of it.
 * Ownership: the process has one; each part belongs to the step of main.c that made it.
 * Threading: the main thread writes; the admin thread reads what the workers publish. What both
 *            change is atomic.
 * Units:     none.
 * Errors:    0 or a negative errno.
 * Source:    none.
 */
#ifndef GANNET_SERVER_H
#define GANNET_SERVER_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/capture_export.h"
#include "control/heartbeat.h"
#include "control/stats_export.h"
#include "dataplane/core_loop.h"
#include "dataplane/network.h"
#include "include/clock.h"
#include "include/random.h"
#include "include/server_config.h"
#include "include/shard_fabric.h"
#include "include/trace_ring.h"

struct limited_clients;
struct service_notify;
struct text_buffer;

#define SERVER_METRICS_COUNT 16u

/* As logged: network_formed_address. */
struct formed_address {
    uint8_t ip[16];
    bool is_there, is_deprecated;
};

struct server {
    const char *config_path;
    struct server_config config; /* as started; what a reload changes is in `settings` */
    struct server_settings *settings;
    uint32_t worker_count;
    uint16_t worker_cores[CORES_MAX];
    bool has_hugepages;
    sigset_t signals;
    struct random random;
    struct wall_clock wall_clock;
    struct core_shared shared;
    struct nic_runtime *nic;
    struct store_set *stores;
    struct io_loop *recovery_io;
    struct control_loop *controls[FABRIC_CONTROLS_MAX];
    struct task_loop *task_threads[FABRIC_TASK_THREADS_MAX];
    struct core *cores[FABRIC_WORKERS_MAX];
    struct network *networks[FABRIC_WORKERS_MAX];
    struct blob_stock *stocks[FABRIC_WORKERS_MAX];
    struct access_log *access_log;
    struct limited_clients *limited[FABRIC_WORKERS_MAX];
    uint64_t limits_swept_ns;
    _Atomic uint64_t limits_in_use; /* places of the table, as it was swept */
    struct trace_choice trace_choice;
    struct trace_ring *traces[FABRIC_WORKERS_MAX];
    struct published capture_filter;
    struct capture_ring *captures[FABRIC_WORKERS_MAX]; /* NULL: capture.ring_kib is 0 */
    struct capture_session capture;
    struct counters *worker_counters[FABRIC_WORKERS_MAX];
    struct admin *admin;
    struct heartbeat worker_beats[FABRIC_WORKERS_MAX];
    struct heartbeat control_beats[FABRIC_CONTROLS_MAX];
    struct heartbeat task_beats[FABRIC_TASK_THREADS_MAX];
    bool is_link_down[NETWORK_PORTS_MAX];
    _Atomic uint32_t link_downs[NETWORK_PORTS_MAX];
    uint32_t addresses_taken; /* as logged: network_addresses_taken */
    struct formed_address formed[NETWORK_PORTS_MAX];
    struct stats_source sources[SERVER_METRICS_COUNT];
    _Atomic(const char *) hanging; /* what hangs, or NULL */
    _Atomic bool is_ready;
    _Atomic bool wants_drain;
};

/* server_workers.c: made on the main thread, run on their lcores until they are stopped. */
int server_workers_start(struct server *server);
void server_workers_stop(struct server *server);
void server_workers_set_phase(struct server *server, enum core_phase phase);
uint32_t server_open_connections(const struct server *server);

/* server_metrics.c: what /metrics shows beside the counters. */
void server_metrics_describe(struct server *server);

/* server_admin.c: the admin socket, and what it asks of the server. */
int server_admin_start(struct server *server);
void server_admin_stop(struct server *server);
/* `said` may be NULL; false: the file is bad, and nothing has changed. */
bool server_reload(struct server *server, struct text_buffer *said);

/* server_limited.c: for struct admin_hooks. */
void server_write_limited(void *context, struct text_buffer *text);

/* server_watch.c: links, addresses, threads that hang; a few times a second, the main thread. */
void server_watch(struct server *server, struct service_notify *notify);

#endif
