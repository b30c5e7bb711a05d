/* SPDX-License-Identifier: BSD-3-Clause */
/* Conditional requests through the whole server: "%s" in a case is the value's entity tag. */
#include "include/compiler.h"
#include "tests/unit/api_talk.h"

#define LONG_AGO "Sat, 01 Jan 2000 00:00:00 GMT"
#define FAR_AHEAD "Fri, 31 Dec 2077 23:59:59 GMT"

/* The text of a field of the answer. */
static const char *field_of(const char *answer, const char *name)
{
    static char text[128];
    const char *at = strstr(answer, name);
    if (!at)
        fail_msg("no %s in: %s", name, answer);
    snprintf(text, sizeof(text), "%.*s", (int)strcspn(at + strlen(name), "\r"), at + strlen(name));
    return text;
}

static const char *value_tag(void)
{
    return field_of(ask("HEAD " VALUE "there HTTP/1.1\r\n" HOST "\r\n"), "ETag: ");
}

static const char *ask_with(const char *line, const char *fields, const char *body)
{
    static char request[8192];
    snprintf(request, sizeof(request), "%s HTTP/1.1\r\n" HOST "%sContent-Length: %zu\r\n\r\n%s",
             line, fields, strlen(body), body);
    return ask(request);
}

struct condition_case {
    const char *what, *key, *fields, *get, *put, *delete;
};

static const struct condition_case cases[] = {
    {"the tag matches", "there", "If-Match: %s\r\n", "200", "204", "204"},
    {"any tag matches", "there", "If-Match: *\r\n", "200", "204", "204"},
    {"weak never matches strongly", "there", "If-Match: W/%s\r\n", "412", "412", "412"},
    {"another tag", "there", "If-Match: \"99999\"\r\n", "412", "412", "412"},
    {"a foreign tag", "there", "If-Match: \"abc\"\r\n", "412", "412", "412"},
    {"the sixth of six", "there", "If-Match: \"91\", \"92\", \"93\", \"94\", \"95\", %s\r\n", "200",
     "204", "204"},
    {"none of six", "there", "If-Match: \"91\", \"92\", \"93\", \"94\", \"95\", \"96\"\r\n", "412",
     "412", "412"},
    {"over two lines", "there", "If-Match: \"91\"\r\nIf-Match: %s\r\n", "200", "204", "204"},
    {"not the tag", "there", "If-None-Match: %s\r\n", "304", "412", "412"},
    {"not the tag, weakly", "there", "If-None-Match: W/%s\r\n", "304", "412", "412"},
    {"not any", "there", "If-None-Match: *\r\n", "304", "412", "412"},
    {"not another", "there", "If-None-Match: \"99999\"\r\n", "200", "204", "204"},
    {"none of six, one is it", "there",
     "If-None-Match: \"91\", \"92\", \"93\", \"94\", \"95\", %s\r\n", "304", "412", "412"},
    {"none of six indeed", "there",
     "If-None-Match: \"91\", \"92\", \"93\", \"94\", \"95\", \"96\"\r\n", "200", "204", "204"},
    {"both, as one wishes", "there", "If-Match: *\r\nIf-None-Match: \"1234\"\r\n", "200", "204",
     "204"},
    {"both, the first fails", "there", "If-Match: \"1234\"\r\nIf-None-Match: \"1234\"\r\n", "412",
     "412", "412"},
    {"both, the second fails", "there", "If-Match: *\r\nIf-None-Match: %s\r\n", "304", "412",
     "412"},
    {"unmodified since then", "there", "If-Unmodified-Since: " FAR_AHEAD "\r\n", "200", "204",
     "204"},
    {"modified since then", "there", "If-Unmodified-Since: " LONG_AGO "\r\n", "412", "412", "412"},
    {"a tag outranks the date", "there", "If-Match: %s\r\nIf-Unmodified-Since: " LONG_AGO "\r\n",
     "200", "204", "204"},
    {"a date and a tag", "there", "If-Unmodified-Since: " FAR_AHEAD "\r\nIf-None-Match: %s\r\n",
     "304", "412", "412"},
    {"no date at all", "there", "If-Unmodified-Since: yesterday\r\n", "200", "204", "204"},
    {"two dates are none", "there",
     "If-Unmodified-Since: " LONG_AGO "\r\nIf-Unmodified-Since: " LONG_AGO "\r\n", "200", "204",
     "204"},
    {"news since then", "there", "If-Modified-Since: " LONG_AGO "\r\n", "200", "204", "204"},
    {"no news", "there", "If-Modified-Since: " FAR_AHEAD "\r\n", "304", "204", "204"},
    {"a tag outranks that date", "there",
     "If-None-Match: \"1234\"\r\nIf-Modified-Since: " FAR_AHEAD "\r\n", "200", "204", "204"},
    {"any of nothing", "gone", "If-Match: *\r\n", "404", "412", "412"},
    {"a tag of nothing", "gone", "If-Match: \"1\"\r\n", "404", "412", "412"},
    {"create only", "gone", "If-None-Match: *\r\n", "404", "201", "204"},
    {"nothing has no tag", "gone", "If-None-Match: \"1\"\r\n", "404", "201", "204"},
    {"nothing has no date", "gone", "If-Unmodified-Since: " LONG_AGO "\r\n", "404", "201", "204"},
    {"six of nothing", "gone", "If-Match: \"91\", \"92\", \"93\", \"94\", \"95\", \"96\"\r\n",
     "404", "412", "412"},
};

static void expect_status(const struct condition_case *one, const char *method, const char *answer,
                          const char *status)
{
    if (!begins(answer, "HTTP/1.1 ") || strncmp(answer + 9, status, 3) != 0 ||
        count_of(answer, "Server: gannet") != 1)
        fail_msg("'%s': %s should be %s: %s", one->what, method, status, answer);
}

static void check_case(const struct condition_case *one, bool is_small)
{
    static char large[5000];
    char fields[512], line[100];
    memset(large, 'n', sizeof(large) - 1);
    const char *body = is_small ? "new" : large;
    for (uint32_t round = 0; round < 3; round++) {
        put("there", 5);
        snprintf(fields, sizeof(fields), one->fields, value_tag());
        snprintf(line, sizeof(line), "%s " VALUE "%s",
                 round == 0   ? "GET"
                 : round == 1 ? "PUT"
                              : "DELETE",
                 one->key);
        const char *answer = ask_with(line, fields, round == 1 ? body : "");
        expect_status(one, line, answer,
                      round == 0   ? one->get
                      : round == 1 ? one->put
                                   : one->delete);
        if (strncmp(answer + 9, "412", 3) == 0 && strcmp(one->key, "there") == 0)
            expect_has(one->what, answer, "ETag: ");
        /* the connection is in step: the next request is answered as ever */
        expect_begin(one->what, ask("GET /v1/ns HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200");
        ask("DELETE " VALUE "gone HTTP/1.1\r\n" HOST "\r\n");
    }
}

static void every_condition_has_its_answer_for_reads_and_writes(void **state)
{
    (void)state;
    start_plain();
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check_case(&cases[i], true);
        check_case(&cases[i], false);
    }
    stop();
}

static void a_head_is_the_get_without_its_body(void **state)
{
    (void)state;
    start_plain();
    put("there", 5);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char fields[512], line[100];
        snprintf(fields, sizeof(fields), cases[i].fields, value_tag());
        snprintf(line, sizeof(line), "HEAD " VALUE "%s", cases[i].key);
        const char *answer = ask_with(line, fields, "");
        expect_status(&cases[i], "HEAD", answer, cases[i].get);
        const char *end = strstr(answer, "\r\n\r\n");
        assert_non_null(end);
        assert_string_equal(end, "\r\n\r\n");
    }
    stop();
}

static void the_exact_date_of_the_value_is_not_before_it(void **state)
{
    (void)state;
    char fields[200];
    start_plain();
    put("there", 5);
    const char *date =
        field_of(ask("HEAD " VALUE "there HTTP/1.1\r\n" HOST "\r\n"), "Last-Modified: ");
    snprintf(fields, sizeof(fields), "If-Modified-Since: %s\r\n", date);
    expect_begin("same second", ask_with("GET " VALUE "there", fields, ""), "HTTP/1.1 304");
    date = field_of(ask("HEAD " VALUE "there HTTP/1.1\r\n" HOST "\r\n"), "Last-Modified: ");
    snprintf(fields, sizeof(fields), "If-Unmodified-Since: %s\r\n", date);
    expect_begin("same second", ask_with("PUT " VALUE "there", fields, "x"), "HTTP/1.1 204");
    stop();
}

/* The write that looks first and one that does not arrive together: the look is older. */
static void a_write_between_look_and_write_is_a_conflict_and_changes_nothing(void **state)
{
    (void)state;
    start_plain();
    struct world_client second = {0};
    server_world_connect(&world, &second);
    server_world_run_ms(&world, 10);
    put("there", 5);
    world.is_store_stopped = true; /* until look and write are both in its queue */
    say(&client, "PUT " VALUE "there HTTP/1.1\r\n" HOST "If-Unmodified-Since: " FAR_AHEAD
                 "\r\nContent-Length: 5\r\n\r\nfirst"
                 "GET " VALUE "there HTTP/1.1\r\n" HOST "\r\n");
    say(&second, "PUT " VALUE "there HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nsecond");
    server_world_run_ms(&world, 10);
    world.is_store_stopped = false;
    server_world_run_ms(&world, SETTLE_MS);
    const char *answer = hear(&client);
    expect_begin("the write that looked", answer, "HTTP/1.1 409 Conflict");
    expect_has("the write that looked", answer, ":write-conflict\"");
    expect_has("the write that looked", answer, "current_etag");
    expect_has("the read behind it", answer, "\r\n\r\nsecond");
    expect_begin("the other", hear(&second), "HTTP/1.1 204");
    server_world_forget(&world, &second);
    stop();
}

/* The look is answered, then a task reads and writes: what came between is a conflict as well. */
static void a_write_between_look_and_task_is_a_conflict_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "POST " VALUE "there?op=incr HTTP/1.1\r\n" HOST "If-Unmodified-Since: " FAR_AHEAD
        "\r\n\r\n",
        "PATCH " VALUE "there HTTP/1.1\r\n" HOST "If-Unmodified-Since: " FAR_AHEAD
        "\r\nContent-Type: application/merge-patch+json\r\nContent-Length: 1\r\n\r\n9",
    };
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        struct world_client second = {0};
        start_plain();
        server_world_connect(&world, &second);
        server_world_run_ms(&world, 10);
        ask("PUT " VALUE "there HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n5");
        world.is_store_stopped = true; /* until the look and the other write are in its queue */
        say(&client, changes[i]);
        server_world_run_ms(&world, 10);
        say(&second, "PUT " VALUE "there HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n7");
        server_world_run_ms(&world, 10);
        world.is_store_stopped = false;
        server_world_run_ms(&world, SETTLE_MS);
        const char *answer = hear(&client);
        expect_begin(changes[i], answer, "HTTP/1.1 409 Conflict");
        expect_has(changes[i], answer, ":write-conflict\"");
        expect_begin("the other", hear(&second), "HTTP/1.1 204");
        expect_has("the value", ask("GET " VALUE "there HTTP/1.1\r\n" HOST "\r\n"), "\r\n\r\n7");
        server_world_forget(&world, &second);
        stop();
    }
}

static void a_silent_store_ends_the_look_and_the_connection_stays_in_step(void **state)
{
    (void)state;
    start_plain();
    put("there", 5);
    world.is_store_stopped = true;
    say(&client, "PUT " VALUE "there HTTP/1.1\r\n" HOST "If-Unmodified-Since: " FAR_AHEAD
                 "\r\nContent-Length: 20\r\n\r\nGET /evil HTTP/1.1\r\n");
    server_world_run_ms(&world, 2500);
    expect_begin("the write", hear(&client), "HTTP/1.1 504");
    world.is_store_stopped = false;
    server_world_run_ms(&world, SETTLE_MS);
    assert_string_equal(hear(&client), "");
    expect_has("the value", ask("GET " VALUE "there HTTP/1.1\r\n" HOST "\r\n"), "\r\n\r\nvvvvv");
    stop();
}

static void more_tags_than_a_request_may_name_are_refused_by_name(void **state)
{
    (void)state;
    static char fields[2000], request[2400];
    start_plain();
    put("there", 5);
    int at = snprintf(fields, sizeof(fields), "If-None-Match: \"1000\"");
    for (int i = 1; i < 65; i++)
        at += snprintf(fields + at, sizeof(fields) - (size_t)at, ", \"%d\"", 1000 + i);
    snprintf(request, sizeof(request), "GET " VALUE "there HTTP/1.1\r\n" HOST "%s\r\n\r\n", fields);
    const char *answer = ask(request);
    expect_begin("65 tags", answer, "HTTP/1.1 400");
    expect_has("65 tags", answer, ":condition-too-long\"");
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(every_condition_has_its_answer_for_reads_and_writes),
        ONE(a_head_is_the_get_without_its_body),
        ONE(the_exact_date_of_the_value_is_not_before_it),
        ONE(a_write_between_look_and_write_is_a_conflict_and_changes_nothing),
        ONE(a_write_between_look_and_task_is_a_conflict_and_changes_nothing),
        ONE(a_silent_store_ends_the_look_and_the_connection_stays_in_step),
        ONE(more_tags_than_a_request_may_name_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
