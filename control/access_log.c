/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/access_log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/thread_pin.h"
#include "include/clock.h"
#include "include/log.h"

#define PAUSE_NS (20 * NS_PER_MS)
#define BATCH_RECORDS 512u /* written at once: at most about 1.5 MiB */

struct access_log {
    const char *path;
    struct access_ring *rings[CORES_MAX];
    uint32_t ring_count;
    int fd;
    bool is_failing; /* said so already */
    pthread_t thread;
    _Atomic bool wants_reopen, is_stopping;
    _Atomic uint64_t lost;
};

/* ---- one line ------------------------------------------------------------ */

static const char *const method_names[] = {"GET",   "HEAD",    "PUT",   "DELETE",  "POST",
                                           "PATCH", "OPTIONS", "TRACE", "CONNECT", "other"};
static const char *const route_names[] = {
#define REQUEST_ROUTE(name) #name,
#include "include/request_routes.def"
#undef REQUEST_ROUTE
};

/* Bytes that are not printable ASCII become \u00XX: a key may be any bytes. */
static void put_string(struct text_buffer *text, const char *name, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    text_format(text, ",\"%s\":\"", name);
    for (size_t i = 0; i < count; i++) {
        if (at[i] < 0x20 || at[i] >= 0x7f)
            text_format(text, "\\u%04x", at[i]);
        else if (at[i] == '"' || at[i] == '\\')
            text_format(text, "\\%c", at[i]);
        else
            text_add(text, (const char *)&at[i], 1);
    }
    text_format(text, "\"");
}

static void put_time(struct text_buffer *text, uint64_t wall_ms)
{
    struct tm utc;
    char date[32];
    time_t seconds = (time_t)(wall_ms / 1000);
    gmtime_r(&seconds, &utc);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    text_format(text, "{\"time\":\"%s.%03uZ\"", date, (unsigned)(wall_ms % 1000));
}

static void put_key(struct text_buffer *text, const struct access_record *record)
{
    const uint8_t *end = memchr(record->key, '\0', record->key_bytes);
    if (!end)
        return;
    size_t space_bytes = (size_t)(end - record->key);
    put_string(text, "namespace", record->key, space_bytes);
    put_string(text, "key", end + 1, record->key_bytes - space_bytes - 1);
}

static void put_hex(struct text_buffer *text, const char *name, const uint8_t *bytes, size_t count)
{
    text_format(text, ",\"%s\":\"", name);
    for (size_t i = 0; i < count; i++)
        text_format(text, "%02x", bytes[i]);
    text_add(text, "\"", 1);
}

/* The request is a span of its caller's trace. */
static void put_trace(struct text_buffer *text, const struct access_record *record)
{
    put_hex(text, "trace_id", record->trace_id, sizeof(record->trace_id));
    put_hex(text, "parent_id", record->parent_id, sizeof(record->parent_id));
    put_hex(text, "span_id", record->span_id, sizeof(record->span_id));
    text_format(text, ",\"sampled\":%s", record->trace_flags & 1 ? "true" : "false");
}

void access_log_format(struct text_buffer *text, const struct access_record *record)
{
    static const char *const cache_names[] = {"none", "hit", "miss"};
    char address[INET6_ADDRSTRLEN] = "";
    inet_ntop(record->ip_version == 6 ? AF_INET6 : AF_INET, record->address, address,
              sizeof(address));
    put_time(text, record->wall_ms);
    put_string(text, "request_id", record->request_id, record->request_id_bytes);
    text_format(text, ",\"client\":\"%s\",\"client_port\":%u", address, record->remote_port);
    if (record->client_bytes > 0)
        put_string(text, "api_key", record->client, record->client_bytes);
    text_format(
        text, ",\"method\":\"%s\",\"route\":\"%s\"",
        method_names[record->method < ARRAY_COUNT(method_names) ? record->method
                                                                : ARRAY_COUNT(method_names) - 1],
        record->route < ARRAY_COUNT(route_names) ? route_names[record->route] : "?");
    put_key(text, record);
    text_format(text,
                ",\"status\":%u,\"bytes\":%" PRIu64 ",\"duration_us\":%" PRIu32 ",\"cache\":\"%s\"",
                record->status, record->bytes, record->duration_us, cache_names[record->cache]);
    if (record->is_traced)
        put_trace(text, record);
    if (record->limit_bytes > 0)
        put_string(text, "limit", record->limit, record->limit_bytes);
    if (record->is_slow)
        text_format(text,
                    ",\"slow\":true,\"head_us\":%" PRIu32 ",\"body_us\":%" PRIu32
                    ",\"store_us\":%" PRIu32,
                    record->head_us, record->body_us, record->store_us);
    text_format(text, "}\n");
}

/* ---- the thread ------------------------------------------------------------ */

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

static void reopen_now(struct access_log *log)
{
    int fd = open_file(log->path);
    if (fd < 0) {
        log_error("access_log.file = %s: %s; the former file is kept", log->path, strerror(errno));
        return;
    }
    close(log->fd);
    log->fd = fd;
}

static bool write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes += written;
        count -= (size_t)written;
    }
    return true;
}

static void write_batch(struct access_log *log, const struct text_buffer *text, uint32_t count)
{
    bool is_written = !text->is_cut && write_all(log->fd, text->bytes, text->used_bytes);
    if (!is_written)
        atomic_fetch_add_explicit(&log->lost, count, memory_order_relaxed);
    if (!is_written && !log->is_failing)
        log_error("access_log.file = %s: %s; requests are missing in it", log->path,
                  text->is_cut ? "no memory" : strerror(errno));
    log->is_failing = !is_written;
}

/* True: there may be more. */
static bool drain_ring(struct access_log *log, struct access_ring *ring)
{
    struct text_buffer text = {0};
    uint32_t count = 0;
    const struct access_record *record;
    while (count < BATCH_RECORDS && (record = access_ring_oldest(ring)) != NULL) {
        access_log_format(&text, record);
        access_ring_take(ring);
        count++;
    }
    if (count > 0)
        write_batch(log, &text, count);
    text_buffer_clear(&text);
    return count == BATCH_RECORDS;
}

static void *log_run(void *argument)
{
    struct access_log *log = argument;
    struct timespec pause = {.tv_nsec = PAUSE_NS};
    bool is_stopping, has_more;
    thread_name("access-log");
    do {
        is_stopping = atomic_load_explicit(&log->is_stopping, memory_order_acquire);
        has_more = false;
        for (uint32_t i = 0; i < log->ring_count; i++)
            has_more |= drain_ring(log, log->rings[i]);
        if (atomic_exchange_explicit(&log->wants_reopen, false, memory_order_relaxed))
            reopen_now(log);
        if (!has_more && !is_stopping)
            nanosleep(&pause, NULL);
    } while (has_more || !is_stopping);
    return NULL;
}

static void log_free(struct access_log *log)
{
    for (uint32_t i = 0; i < log->ring_count; i++)
        access_ring_destroy(log->rings[i]);
    if (log->fd >= 0)
        close(log->fd);
    free(log);
}

static int open_parts(struct access_log *log, const struct server_config *config,
                      uint32_t worker_count)
{
    log->path = config->access_log.file;
    log->fd = open_file(log->path);
    if (log->fd < 0)
        return -errno;
    for (uint32_t i = 0; i < worker_count; i++) {
        log->rings[i] = access_ring_create((uint32_t)config->access_log.records);
        if (!log->rings[i])
            return -ENOMEM;
        log->ring_count++;
    }
    return 0;
}

int access_log_start(const struct server_config *config, uint32_t worker_count,
                     struct access_log **out)
{
    sigset_t all, before;
    *out = NULL;
    if (config_text_is_none(config->access_log.file))
        return 0;
    struct access_log *log = calloc(1, sizeof(*log));
    if (!log)
        return -ENOMEM;
    int result = open_parts(log, config, worker_count);
    if (result == 0) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        result = -pthread_create(&log->thread, NULL, log_run, log);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (result < 0) {
        log_error("access_log.file = %s: %s", log->path, strerror(-result));
        log_free(log);
        return result;
    }
    *out = log;
    return 0;
}

struct access_ring *access_log_ring(const struct access_log *log, uint32_t worker)
{
    return log ? log->rings[worker] : NULL;
}

void access_log_stop(struct access_log *log)
{
    if (!log)
        return;
    atomic_store_explicit(&log->is_stopping, true, memory_order_release);
    pthread_join(log->thread, NULL);
    log_free(log);
}

void access_log_reopen(struct access_log *log)
{
    if (log)
        atomic_store_explicit(&log->wants_reopen, true, memory_order_relaxed);
}

uint64_t access_log_lost(const struct access_log *log)
{
    return log ? atomic_load_explicit(&log->lost, memory_order_relaxed) : 0;
}
