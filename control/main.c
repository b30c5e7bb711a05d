/* SPDX-License-Identifier: BSD-3-Clause */
/* The program: commands, and the order in which a server starts and stops. The only file that sees both sides. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "control/admin.h"
#include "control/command_line.h"
#include "control/config_file.h"
#include "control/control_loop.h"
#include "control/io_loop.h"
#include "control/preflight.h"
#include "control/service_notify.h"
#include "control/stats_export.h"
#include "control/store.h"
#include "dataplane/core_loop.h"
#include "dataplane/network.h"
#include "dataplane/nic_dpdk.h"
#include "dataplane/packet_pool.h"
#include "dataplane/response_cache.h"
#include "include/blob.h"
#include "include/clock.h"
#include "include/counters.h"
#include "include/log.h"
#include "include/random.h"
#include "include/server_config.h"
#include "include/shard_fabric.h"

#define HANG_NS (5 * NS_PER_S) /* a thread whose heartbeat stands still this long hangs */
#define WATCH_INTERVAL_NS (100 * NS_PER_MS)

struct heartbeat {
    uint64_t last_count;
    uint64_t moved_ns;
};

struct server {
    const char *config_path;
    struct server_config config;
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
    struct core *cores[FABRIC_WORKERS_MAX];
    struct network *networks[FABRIC_WORKERS_MAX];
    struct counters *worker_counters[FABRIC_WORKERS_MAX];
    struct admin *admin;
    struct heartbeat worker_beats[FABRIC_WORKERS_MAX];
    struct heartbeat control_beats[FABRIC_CONTROLS_MAX];
    _Atomic bool is_ready;
    _Atomic bool wants_drain;
};

