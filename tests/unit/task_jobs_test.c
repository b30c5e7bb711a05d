/* SPDX-License-Identifier: BSD-3-Clause */
/* Prefer: respond-async: answered at once, done meanwhile, asked about, cancelled, forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "include/server_config.h"
#include "tests/support/dialogue.h"

#define SPACE "/v1/ns/default"
#define ASYNC "Prefer: respond-async\r\n"
#define JOBS "/v1/jobs/"
#define NAME_BYTES 32

/* "METHOD /v1/jobs/NAME" and what is behind it, for the job of an answer with 202. */
struct job_target {
    char name[NAME_BYTES + 1];
    char text[128];
};

static struct job_target begin(const char *method_and_target, const char *fields, const char *body)
{
    struct job_target job = {{0}, {0}};
    const char *answer = talk_ask(method_and_target, fields, body);
    EXPECT(answer, "202 Accepted", "Location: " JOBS, "Retry-After: 1\r\n",
           "\"state\":\"running\"");
    memcpy(job.name, strstr(answer, JOBS) + sizeof(JOBS) - 1, NAME_BYTES);
    assert_int_equal(strspn(job.name, "0123456789abcdef"), NAME_BYTES);
    return job;
}

static const char *ask(struct job_target *job, const char *method, const char *behind)
{
    snprintf(job->text, sizeof(job->text), "%s " JOBS "%s%s", method, job->name, behind);
    return talk_ask(job->text, "", "");
}

static void a_job_is_answered_at_once_and_its_result_later(void **state)
{
    (void)state;
    struct job_target job = begin("PUT " SPACE "/bulk", ASYNC, "[{\"key\":\"a\",\"value\":\"1\"}]");
    EXPECT(ask(&job, "GET", ""), "303 See Other", job.name, "/result\r\n", "\"state\":\"done\"",
           "\"done\":1,\"total\":1}", "Cache-Control: no-store\r\n");
    for (int i = 0; i < 2; i++)
        EXPECT(ask(&job, "GET", "/result"), "200 OK", "{\"written\":{\"a\":{\"etag\":\"1\"",
               "Content-Type: application/json\r\n");
    EXPECT(ask(&job, "HEAD", "/result"), "200 OK", "Content-Length: ");
    EXPECT(talk_ask("GET " SPACE "/values/a", "", ""), "200 OK", "\r\n\r\n1");
    EXPECT(ask(&job, "DELETE", ""), "204 No Content", "Request-Id");
    EXPECT(ask(&job, "GET", ""), "404", "no-such-job");
    EXPECT(ask(&job, "GET", "/result"), "404", "no-such-job");
    EXPECT(ask(&job, "DELETE", ""), "404", "no-such-job");
}

static void the_preference_says_that_it_was_applied(void **state)
{
    (void)state;
    EXPECT(talk_ask("POST " SPACE "/purge", "Prefer: wait=5, Respond-Async;x=1\r\n",
                    "{\"prefix\":\"\"}"),
           "202", "Preference-Applied: respond-async\r\n");
    EXPECT(
        talk_ask("POST " SPACE "/purge", "Prefer: respond-asynchronous\r\n", "{\"prefix\":\"\"}"),
        "200", "{\"purged\":0");
    /* what is done within a commit has no use for it */
    EXPECT(talk_ask("PUT " SPACE "/values/a", ASYNC, "1"), "201", "ETag");
    EXPECT(talk_ask("GET " SPACE "/values/a", ASYNC, ""), "200", "\r\n\r\n1");
}

static void every_task_that_answers_by_itself_can_be_one(void **state)
{
    (void)state;
    static const struct {
        const char *request, *fields, *body, *status, *text;
    } cases[] = {
        {"POST " SPACE "/values/n?op=incr&by=7", "", "", "200", "\r\n\r\n7"},
        {"PATCH " SPACE "/values/none", "Content-Type: application/merge-patch+json\r\n", "{}",
         "404", "urn:gannet:problem:not-found"},
        {"GET " SPACE "/keys", "", "", "200", "{\"keys\":[{\"name\":\"n\""},
        {"POST " SPACE "/bulk/get", "", "{\"keys\":[\"n\"]}", "200", "{\"values\":{\"n\":"},
        {"PUT " SPACE "/bulk", "", "[", "400", "bad-json"},
        {"POST " SPACE "/purge", "", "{\"keys\":[\"n\"]}", "200", "{\"purged\":1,"},
        {"POST " SPACE "/bulk/delete", "", "{\"keys\":[\"n\"]}", "200", "{\"deleted\":[\"n\"]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char fields[200];
        snprintf(fields, sizeof(fields), ASYNC "%s", cases[i].fields);
        struct job_target job = begin(cases[i].request, fields, cases[i].body);
        EXPECT(ask(&job, "GET", ""), "303", "done");
        EXPECT(ask(&job, "GET", "/result"), cases[i].status, cases[i].text);
    }
}

#define KEYS 40
static void a_cancelled_job_stops_between_keys_and_says_what_was_done(void **state)
{
    (void)state;
    char body[4000] = "[";
    for (int i = 0; i < KEYS; i++)
        snprintf(body + strlen(body), sizeof(body) - strlen(body),
                 "%s{\"key\":\"%02d\",\"value\":\"x\"}", i ? "," : "", i);
    snprintf(body + strlen(body), sizeof(body) - strlen(body), "]");
    talk.world.is_store_stopped = true;
    struct job_target job = begin("PUT " SPACE "/bulk", ASYNC, body);
    EXPECT(ask(&job, "GET", ""), "200 OK", "\"state\":\"running\"", "Retry-After: 1\r\n",
           "\"done\":0,\"total\":40}");
    EXPECT(ask(&job, "GET", "/result"), "409", "job-running");
    EXPECT(ask(&job, "DELETE", ""), "202", "\"state\":\"cancelling\"");
    talk.world.is_store_stopped = false;
    server_world_run_ms(&talk.world, 1000);
    EXPECT(ask(&job, "GET", ""), "303", "\"state\":\"cancelled\"", "\"done\":32,\"total\":40}");
    EXPECT(ask(&job, "GET", "/result"), "200", "\"31\":{\"etag\"",
           "\"unprocessed\":[{\"key\":\"32\",\"status\":409,\"type\":\"urn:gannet:problem:job-"
           "cancelled\"");
    EXPECT(talk_ask("GET " SPACE "/values/31", "", ""), "200", "ETag");
    EXPECT(talk_ask("GET " SPACE "/values/32", "", ""), "404", "not-found");
}

static void two_jobs_are_kept(struct world_config *config)
{
    config->server.jobs.kept = 2;
}

static void a_full_table_forgets_results_but_no_running_job(void **state)
{
    talk_stop(state);
    talk_start_with(two_jobs_are_kept);
    struct job_target first = begin("POST " SPACE "/values/n?op=incr", ASYNC, "");
    EXPECT(ask(&first, "GET", ""), "303", "done");
    talk.world.is_store_stopped = true;
    begin("POST " SPACE "/values/n?op=incr", ASYNC, "");
    struct job_target third = begin("POST " SPACE "/values/n?op=incr", ASYNC, "");
    EXPECT(ask(&first, "GET", ""), "404", "no-such-job");
    EXPECT(talk_ask("POST " SPACE "/values/n?op=incr", ASYNC, ""), "503", "jobs.kept",
           "Retry-After: ");
    talk.world.is_store_stopped = false;
    server_world_run_ms(&talk.world, 1000);
    EXPECT(ask(&third, "GET", "/result"), "200", "\r\n\r\n3");
}

static void results_are_kept_for_their_time(void **state)
{
    (void)state;
    struct job_target job = begin("POST " SPACE "/values/n?op=incr", ASYNC, "");
    server_world_run_ms(&talk.world, talk.world.config.server.jobs.result_ttl_s * 1000 - 5000);
    EXPECT(ask(&job, "GET", ""), "303", "done");
    server_world_run_ms(&talk.world, 6000);
    EXPECT(ask(&job, "GET", ""), "404", "no-such-job");
}

static void with_an_idempotency_key_the_second_job_has_the_first_s_result(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct job_target job =
            begin("POST " SPACE "/values/n?op=incr", ASYNC "Idempotency-Key: \"a\"\r\n", "");
        EXPECT(ask(&job, "GET", "/result"), "200", "ETag: \"1\"\r\n", "\r\n\r\n1");
    }
}

static void purges_are_jobs(struct world_config *config)
{
    struct config_routes *route = &config->server.routes[config->server.routes_count++];
    *route = (struct config_routes){.path = SPACE "/", .backend = CONFIG_BACKEND_JOB};
}

static void a_route_can_make_everything_under_it_a_job(void **state)
{
    talk_stop(state);
    talk_start_with(purges_are_jobs);
    struct job_target job = begin("POST " SPACE "/purge", "", "{\"prefix\":\"\"}");
    EXPECT(ask(&job, "GET", "/result"), "200", "{\"purged\":0");
    assert_null(strstr(talk_ask("POST " SPACE "/purge", "", "{\"prefix\":\"\"}"), "Preference"));
    EXPECT(talk_ask("PUT " SPACE "/values/a", "", "1"), "201", "ETag");
    EXPECT(talk_ask("GET " SPACE "/values/a", "", ""), "200", "\r\n\r\n1");
    EXPECT(talk_ask("POST /v1/ns/small/purge", "", "{\"prefix\":\"\"}"), "200", "{\"purged\":0");
}

static void what_is_no_job_is_not_found(void **state)
{
    (void)state;
    EXPECT(talk_ask("GET " JOBS "0", "", ""), "404", "no-such-job");
    EXPECT(talk_ask("GET " JOBS "ff\x7f", "", ""), "400", "malformed");
    EXPECT(talk_ask("GET " JOBS "~~00000000000000000000000000000000", "", ""), "404",
           "no-such-res");
    EXPECT(talk_ask("GET " JOBS "zz/result", "", ""), "404", "no-such-job");
    EXPECT(talk_ask("GET " JOBS, "", ""), "404", "no-such-resource");
    EXPECT(talk_ask("GET " JOBS "00/other", "", ""), "404", "no-such-resource");
    EXPECT(talk_ask("DELETE " JOBS "00/result", "", ""), "405", "Allow: GET, HEAD, OPTIONS");
    EXPECT(talk_ask("POST " JOBS "00", "", ""), "405", "Allow: GET, HEAD, DELETE, OPTIONS");
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, talk_start, talk_stop)
    const struct CMUnitTest tests[] = {
        ONE(a_job_is_answered_at_once_and_its_result_later),
        ONE(the_preference_says_that_it_was_applied),
        ONE(every_task_that_answers_by_itself_can_be_one),
        ONE(a_cancelled_job_stops_between_keys_and_says_what_was_done),
        ONE(a_full_table_forgets_results_but_no_running_job),
        ONE(results_are_kept_for_their_time),
        ONE(with_an_idempotency_key_the_second_job_has_the_first_s_result),
        ONE(a_route_can_make_everything_under_it_a_job),
        ONE(what_is_no_job_is_not_found),
    };
    server_world_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
