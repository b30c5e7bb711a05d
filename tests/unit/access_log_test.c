/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/access_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "include/server_config.h"

static struct access_record sample(void)
{
    struct access_record record = {.wall_ms = UINT64_C(1767225600123),
                                   .bytes = 385,
                                   .duration_us = 1500000,
                                   .head_us = 1,
                                   .body_us = 2,
                                   .store_us = 3,
                                   .status = 200,
                                   .remote_port = 4711,
                                   .ip_version = 4,
                                   .method = 0,
                                   .route = 1,
                                   .cache = ACCESS_CACHE_HIT,
                                   .address = {192, 0, 2, 7},
                                   .request_id_bytes = 2,
                                   .key_bytes = 9};
    memcpy(record.request_id, "id", 2);
    memcpy(record.key, "demo\0a\"\n\xff", 9);
    return record;
}

static void a_line_is_json_whatever_the_key_is(void **state)
{
    (void)state;
    struct text_buffer text = {0};
    struct access_record record = sample();
    access_log_format(&text, &record);
    assert_string_equal(
        text.bytes, "{\"time\":\"2026-01-01T00:00:00.123Z\",\"request_id\":\"id\","
                    "\"client\":\"192.0.2.7\",\"client_port\":4711,\"method\":\"GET\","
                    "\"route\":\"value\",\"namespace\":\"demo\",\"key\":\"a\\\"\\u000a\\u00ff\","
                    "\"status\":200,\"bytes\":385,\"duration_us\":1500000,\"cache\":\"hit\"}\n");
    text_buffer_clear(&text);
}

static void a_slow_request_has_the_time_of_each_stage(void **state)
{
    (void)state;
    struct text_buffer text = {0};
    struct access_record record = sample();
    record.is_slow = true;
    record.client_bytes = 5;
    memcpy(record.client, "alice", 5);
    record.limit_bytes = 2;
    memcpy(record.limit, "ip", 2);
    access_log_format(&text, &record);
    assert_non_null(strstr(text.bytes, ",\"api_key\":\"alice\","));
    assert_non_null(
        strstr(text.bytes,
               ",\"limit\":\"ip\",\"slow\":true,\"head_us\":1,\"body_us\":2,\"store_us\":3}\n"));
    text_buffer_clear(&text);
}

static void a_full_ring_refuses_and_goes_on_when_one_is_taken(void **state)
{
    (void)state;
    struct access_ring *ring = access_ring_create(4);
    for (uint16_t i = 0; i < 4; i++) {
        access_ring_claim(ring)->status = i;
        access_ring_commit(ring);
    }
    assert_null(access_ring_claim(ring));
    for (uint16_t i = 4; i < 40; i++) {
        assert_int_equal(access_ring_oldest(ring)->status, i - 4);
        access_ring_take(ring);
        struct access_record *record = access_ring_claim(ring);
        assert_non_null(record);
        record->status = i;
        access_ring_commit(ring);
        assert_null(access_ring_claim(ring));
    }
    access_ring_destroy(ring);
}

static uint32_t lines_of(const char *path)
{
    FILE *file = fopen(path, "r");
    uint32_t count = 0;
    for (int c; file && (c = fgetc(file)) != EOF;)
        count += c == '\n';
    if (file)
        fclose(file);
    return count;
}

static void everything_is_written_once_also_through_a_rotation(void **state)
{
    (void)state;
    static struct server_config config;
    struct access_log *log;
    char moved[300];
    snprintf(config.access_log.file, sizeof(config.access_log.file), "/tmp/access-log-%d",
             (int)getpid());
    snprintf(moved, sizeof(moved), "%s.1", config.access_log.file);
    config.access_log.records = 64;
    assert_int_equal(access_log_start(&config, 2, &log), 0);
    /* However slowly the writer runs: 1500 lines come before the rotation, 1500 after it. */
    uint32_t written = 0;
    for (uint32_t tries = 0; written < 3000 && tries < 100000; tries++) {
        struct access_ring *ring = access_log_ring(log, written % 2);
        struct access_record *record = access_ring_claim(ring);
        if (!record) {
            usleep(1000);
            continue;
        }
        *record = sample();
        access_ring_commit(ring);
        if (++written == 1500) {
            rename(config.access_log.file, moved);
            access_log_reopen(log);
        }
    }
    assert_int_equal(written, 3000);
    access_log_stop(log);
    assert_int_equal(lines_of(config.access_log.file) + lines_of(moved), written);
    assert_true(lines_of(moved) > 0);
    unlink(config.access_log.file);
    unlink(moved);
}

static void no_file_is_no_log(void **state)
{
    (void)state;
    static struct server_config config = {.access_log = {.file = "none"}};
    struct access_log *log;
    assert_int_equal(access_log_start(&config, 1, &log), 0);
    assert_null(log);
    assert_null(access_log_ring(log, 0));
    access_log_reopen(log);
    access_log_stop(log);
}

static void a_traced_request_is_a_span_of_its_trace(void **state)
{
    (void)state;
    struct text_buffer text = {0};
    struct access_record record = sample();
    record.is_traced = true;
    record.trace_flags = 1;
    memset(record.trace_id, 0xa1, sizeof(record.trace_id));
    memset(record.parent_id, 0xb2, sizeof(record.parent_id));
    memset(record.span_id, 0x0c, sizeof(record.span_id));
    access_log_format(&text, &record);
    assert_non_null(strstr(text.bytes, ",\"trace_id\":\"a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1\","
                                       "\"parent_id\":\"b2b2b2b2b2b2b2b2\","
                                       "\"span_id\":\"0c0c0c0c0c0c0c0c\",\"sampled\":true}\n"));
    text_buffer_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_json_whatever_the_key_is),
        cmocka_unit_test(a_traced_request_is_a_span_of_its_trace),
        cmocka_unit_test(a_slow_request_has_the_time_of_each_stage),
        cmocka_unit_test(a_full_ring_refuses_and_goes_on_when_one_is_taken),
        cmocka_unit_test(everything_is_written_once_also_through_a_rotation),
        cmocka_unit_test(no_file_is_no_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
