/* SPDX-License-Identifier: BSD-3-Clause */
/* Rate limits over the whole server: what clients see, to the second. */
#include "dataplane/api_limits.h"

#include <arpa/inet.h>

#include "dataplane/limit_table.h"
#include "dataplane/proxy_header.h"
#include "include/api_keys.h"
#include "tests/unit/api_talk.h"

#define GET(key) "GET " VALUE key " HTTP/1.1\r\n" HOST "\r\n"
#define REFUSED "HTTP/1.1 429 Too Many Requests\r\n"

static struct config_rate_limits *add_limit(struct world_config *config, const char *name,
                                            uint64_t quota, uint64_t window_s)
{
    struct config_rate_limits *limit =
        &config->server.rate_limits[config->server.rate_limits_count++];
    snprintf(limit->name, sizeof(limit->name), "%s", name);
    limit->quota = quota;
    limit->window_s = window_s;
    return limit;
}

static void limit_default(struct world_config *config, const char *names)
{
    snprintf(config->server.namespaces[0].rate_limits,
             sizeof(config->server.namespaces[0].rate_limits), "%s", names);
}

static uint64_t counted(uint32_t number, enum limit_answer answer)
{
    struct counters *const *blocks;
    uint64_t sum = 0;
    for (uint32_t i = counters_blocks(&blocks); i-- > 0;)
        sum += blocks[i]->limits[number][answer];
    return sum;
}

static void a_client_sees_its_quota_shrink_and_is_refused_until_it_grows(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    add_limit(&config, "ip", 4, 40);
    limit_default(&config, "ip");
    start(&config);
    put("k", 10); /* the first of four, and SETTLE_MS each */
    uint64_t taken = counted(0, LIMIT_ANSWER_TAKEN), refused = counted(0, LIMIT_ANSWER_REFUSED);
    static const char *const left[] = {"RateLimit: \"ip\";r=2;t=20\r\n",
                                       "RateLimit: \"ip\";r=1;t=30\r\n",
                                       "RateLimit: \"ip\";r=0;t=10\r\n"};
    for (uint32_t i = 0; i < 3; i++) {
        const char *answer = ask(GET("k"));
        expect_begin(left[i], answer, "HTTP/1.1 200");
        expect_has(left[i], answer, left[i]);
        expect_has(left[i], answer, "RateLimit-Policy: \"ip\";q=4;w=40\r\n");
        expect_without(left[i], answer, "X-RateLimit");
    }
    for (uint32_t i = 0; i < 2; i++) {
        const char *answer = ask(GET("k"));
        expect_begin("one too many", answer, REFUSED);
        expect_has("one too many", answer, "RateLimit: \"ip\";r=0;t=10\r\n");
        expect_has("one too many", answer, "Retry-After: 10\r\n");
        expect_has("one too many", answer, "Content-Type: application/problem+json\r\n");
        expect_has("one too many", answer,
                   "\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\"");
        expect_has("one too many", answer, "\"status\":429,");
        expect_has("one too many", answer, ",\"violated-policies\":[\"ip\"]}\n");
    }
    assert_int_equal(counted(0, LIMIT_ANSWER_TAKEN) - taken, 3);
    assert_int_equal(counted(0, LIMIT_ANSWER_REFUSED) - refused, 2);
    server_world_run_ms(&world, 10000);
    expect_begin("ten seconds later", ask(GET("k")), "HTTP/1.1 200");
    expect_begin("ten seconds later", ask(GET("k")), REFUSED);
    stop();
}

static void a_namespace_without_a_limit_is_not_counted(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    add_limit(&config, "ip", 1, 60);
    limit_default(&config, "ip");
    start(&config);
    expect_begin("limited", ask(GET("k")), "HTTP/1.1 404");
    expect_begin("limited", ask(GET("k")), REFUSED);
    const char *answer = ask("GET /v1/ns/small/values/k HTTP/1.1\r\n" HOST "\r\n");
    expect_begin("another namespace", answer, "HTTP/1.1 404");
    expect_without("another namespace", answer, "RateLimit");
    answer = ask("GET /v1/ns HTTP/1.1\r\n" HOST "\r\n");
    expect_begin("no namespace", answer, "HTTP/1.1 200");
    expect_without("no namespace", answer, "RateLimit");
    stop();
}

static void a_limit_everywhere_counts_whatever_is_asked(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    add_limit(&config, "all", 6, 60)->everywhere = true;
    start(&config);
    static const struct {
        const char *request, *status;
    } rows[] = {
        {"GET /v1/ns HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 200"},
        {"GET /echo/x HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 200"},
        {"GET /nothing HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 404"},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 204"},
        {"DELETE " VALUE "k HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 204"},
        {"GET " VALUE "k?fields=a HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 404"},
        {"GET /nothing HTTP/1.1\r\n" HOST "\r\n", REFUSED},
        {"HEAD " VALUE "k HTTP/1.1\r\n" HOST "\r\n", REFUSED},
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *answer = ask(rows[i].request);
        expect_begin(rows[i].request, answer, rows[i].status);
        expect_has(rows[i].request, answer, "RateLimit: \"all\";r=");
    }
    stop();
}

static void several_limits_are_all_told_and_the_tightest_answers(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    config.server.limits.x_headers = true;
    add_limit(&config, "long", 100, 3600)->everywhere = true;
    add_limit(&config, "burst", 10, 10)->burst = 2;
    limit_default(&config, "burst long");
    start(&config);
    const char *answer = ask(GET("k"));
    expect_has("first", answer, "RateLimit-Policy: \"long\";q=100;w=3600, \"burst\";q=10;w=10\r\n");
    expect_has("first", answer, "RateLimit: \"long\";r=99;t=36, \"burst\";r=1;t=1\r\n");
    expect_has("first", answer,
               "X-RateLimit-Limit: 10\r\nX-RateLimit-Remaining: 1\r\nX-RateLimit-Reset: 1\r\n");
    ask(GET("k"));
    answer = ask(GET("k"));
    expect_begin("third", answer, REFUSED);
    expect_has("third", answer, "RateLimit: \"long\";r=98;t=72, \"burst\";r=0;t=1\r\n");
    expect_has("third", answer, "Retry-After: 1\r\n");
    expect_has("third", answer, "\"violated-policies\":[\"burst\"]}");
    /* What it was refused for one limit is not taken from the other. */
    answer = ask(GET("k"));
    expect_has("fourth", answer, "RateLimit: \"long\";r=98;t=72");
    stop();
}

static void a_refused_body_is_not_read(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    add_limit(&config, "ip", 1, 60);
    limit_default(&config, "ip");
    start(&config);
    expect_begin("first", ask(GET("k")), "HTTP/1.1 404");
    const char *answer = ask("PUT " VALUE "k HTTP/1.1\r\n" HOST
                             "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n");
    expect_begin("PUT", answer, REFUSED);
    expect_has("PUT", answer, "Connection: close\r\n");
    stop();
}

static void a_pipeline_is_refused_request_by_request(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    add_limit(&config, "ip", 2, 60);
    limit_default(&config, "ip");
    start(&config);
    const char *answers = ask(GET("a") GET("b") GET("c") GET("d"));
    assert_int_equal(count_of(answers, "HTTP/1.1 404"), 2);
    assert_int_equal(count_of(answers, REFUSED), 2);
    assert_true(strstr(answers, "404") < strstr(answers, "429"));
    stop();
}

/* A 503 is not about the client: how long its quota takes would contradict Retry-After: 1. */
static void a_503_says_what_is_left_but_not_when(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    add_limit(&config, "ip", 10, 600);
    limit_default(&config, "ip");
    start(&config);
    world.is_store_stopped = true;
    hear(&client);
    say(&client, GET("k"));
    server_world_run_ms(&world, 3000);
    const char *answer = hear(&client);
    expect_begin("stopped", answer, "HTTP/1.1 503");
    expect_has("stopped", answer, "Retry-After: 1\r\n");
    expect_has("stopped", answer, "RateLimit: \"ip\";r=9\r\n");
    stop();
}

static void a_client_over_ipv6_is_counted_as_well(void **state)
{
    (void)state;
    struct world_config config;
    server_world_defaults(&config, 1);
    config.is_ipv6 = true;
    add_limit(&config, "ip", 2, 60);
    limit_default(&config, "ip");
    start(&config);
    ask(GET("k"));
    ask(GET("k"));
    expect_begin("third", ask(GET("k")), REFUSED);
    stop();
}

/* ---- who is one client ---------------------------- */

#define LONE_NS (7 * (uint64_t)NS_PER_S)

static struct server_config lone_config;

static bool is_refused(const struct limit_desk *desk, const struct live_settings *settings,
                       const struct proxy_client *from)
{
    struct api_request request = {.limit_set = 1};
    return api_limits_charge(settings, desk, from, LONE_NS, 0, &request) != HTTP_PROBLEM_NONE;
}

static struct proxy_client address(int family, const char *text)
{
    struct proxy_client from = {.ip_version = family == AF_INET6 ? 6 : 4};
    assert_int_equal(inet_pton(family, text, from.address), 1);
    return from;
}

static void addresses_of_one_subscriber_are_one_client(void **state)
{
    (void)state;
    static const struct {
        uint32_t prefix;
        const char *first, *second;
        bool is_one;
    } rows[] = {
        {64, "192.0.2.1", "192.0.2.1", true},
        {64, "192.0.2.1", "192.0.2.2", false},
        {64, "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
        {64, "2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {48, "2001:db8:1:2::1", "2001:db8:1:3::1", true},
        {60, "2001:db8:1:20::1", "2001:db8:1:2f::1", true},
        {60, "2001:db8:1:20::1", "2001:db8:1:30::1", false},
        {128, "2001:db8::1", "2001:db8::2", false},
        {64, "fe80::1", "fe80::2", false},                   /* a link is not a subscriber */
        {64, "::ffff:192.0.2.1", "::ffff:192.0.2.2", false}, /* IPv4, as a balancer may say it */
        {64, "::ffff:192.0.2.1", "192.0.2.1", true},
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        bool is_used;
        struct limit_desk desk = {.counters = server_world_client_counters(), .key = {1, 2}};
        memset(&lone_config, 0, sizeof(lone_config));
        lone_config.limits.ipv6_prefix = rows[i].prefix;
        lone_config.namespaces_count = lone_config.rate_limits_count = 1;
        lone_config.rate_limits[0] = (struct config_rate_limits){
            .name = "ip", .quota = 1, .window_s = 60, .everywhere = true};
        struct live_settings settings = {.limits = api_limits_create(&lone_config, &is_used)};
        assert_true(settings.limits && is_used);
        assert_int_equal(limit_table_create(1024, &desk.table), 0);
        bool is_ipv6[] = {strchr(rows[i].first, ':') != NULL, strchr(rows[i].second, ':') != NULL};
        struct proxy_client first = address(is_ipv6[0] ? AF_INET6 : AF_INET, rows[i].first);
        struct proxy_client second = address(is_ipv6[1] ? AF_INET6 : AF_INET, rows[i].second);
        assert_false(is_refused(&desk, &settings, &first));
        if (is_refused(&desk, &settings, &second) != rows[i].is_one)
            fail_msg("%s and %s of /%u", rows[i].first, rows[i].second, rows[i].prefix);
        limit_table_destroy(desk.table);
        free(settings.limits);
    }
}

static void a_key_is_counted_by_its_name_and_who_has_none_by_address(void **state)
{
    (void)state;
    static struct api_keys keys = {.count = 2, .keys = {{.name = "alice"}, {.name = "bob"}}};
    bool is_used;
    struct limit_desk desk = {.counters = server_world_client_counters(), .key = {1, 2}};
    memset(&lone_config, 0, sizeof(lone_config));
    lone_config.limits.ipv6_prefix = 64;
    lone_config.rate_limits_count = 1;
    lone_config.rate_limits[0] = (struct config_rate_limits){.name = "who",
                                                             .quota = 1,
                                                             .window_s = 60,
                                                             .by = CONFIG_LIMIT_BY_CLIENT,
                                                             .everywhere = true};
    struct live_settings settings = {.keys = &keys,
                                     .limits = api_limits_create(&lone_config, &is_used)};
    assert_true(settings.limits && is_used);
    assert_int_equal(limit_table_create(1024, &desk.table), 0);
    desk.refused = limited_clients_create();
    struct proxy_client here = address(AF_INET, "192.0.2.1"), there = address(AF_INET, "192.0.2.2");
    static const struct {
        uint32_t client;
        bool is_there, is_refused;
    } rows[] = {{1, false, false}, {2, false, false}, {0, false, false}, {0, true, false},
                {1, true, true},   {2, true, true},   {0, true, true}};
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct api_request request = {.client = rows[i].client};
        enum http_problem problem = api_limits_charge(
            &settings, &desk, rows[i].is_there ? &there : &here, LONE_NS, 1234, &request);
        assert_int_equal(problem == HTTP_PROBLEM_QUOTA_EXCEEDED, rows[i].is_refused);
    }
    struct limited_client one;
    assert_true(limited_clients_read(desk.refused, 0, &one));
    assert_int_equal(one.client.kind, LIMIT_CLIENT_NAME);
    assert_string_equal((const char *)one.client.text, "alice");
    assert_int_equal(one.last_ms, 1234);
    limited_clients_destroy(desk.refused);
    limit_table_destroy(desk.table);
    free(settings.limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(a_client_sees_its_quota_shrink_and_is_refused_until_it_grows),
        ONE(a_namespace_without_a_limit_is_not_counted),
        ONE(a_limit_everywhere_counts_whatever_is_asked),
        ONE(several_limits_are_all_told_and_the_tightest_answers),
        ONE(a_refused_body_is_not_read),
        ONE(a_pipeline_is_refused_request_by_request),
        ONE(a_503_says_what_is_left_but_not_when),
        ONE(a_client_over_ipv6_is_counted_as_well),
        ONE(addresses_of_one_subscriber_are_one_client),
        ONE(a_key_is_counted_by_its_name_and_who_has_none_by_address),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
