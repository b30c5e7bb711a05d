/* SPDX-License-Identifier: BSD-3-Clause */
/* GET keys: order, pages, fields, names of any bytes, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/compiler.h"
#include "include/random.h"
#include "tests/support/depth.h"
#include "tests/support/dialogue.h"

#define KEYS "/v1/ns/default/keys"
#define VALUES "/v1/ns/default/values/"

static void two_controls(struct world_config *config)
{
    config->control_count = 2;
}

static int start(void **state)
{
    (void)state;
    talk_start_with(two_controls);
    return 0;
}

static const char *ask(const char *method_and_target)
{
    return dialogue_request(&talk, method_and_target, "", "");
}

static void put(const char *key)
{
    char target[4096];
    int bytes = snprintf(target, sizeof(target), "PUT " VALUES "%s", key);
    assert_in_range(bytes, 1, sizeof(target) - 1);
    assert_memory_equal(dialogue_request(&talk, target, "", "value"), "HTTP/1.1 20", 11);
}

static void keys_are_listed_in_byte_order(void **state)
{
    (void)state;
    EXPECT(ask("GET " KEYS), "200 OK", "Content-Type: application/json\r\n",
           "{\"keys\":[],\"list_complete\":true}");
    put("b");
    put("a/2");
    put("a/10");
    put("a");
    put("%C3%A4");
    EXPECT(ask("GET " KEYS "?fields=name"), "200 OK",
           "{\"keys\":[{\"name\":\"a\"},{\"name\":\"a/10\"},{\"name\":\"a/2\"},{\"name\":\"b\"},"
           "{\"name\":\"\xc3\xa4\"}],\"list_complete\":true}");
    EXPECT(ask("GET " KEYS "?fields=name&prefix=a%2F"), "200 OK",
           "{\"keys\":[{\"name\":\"a/10\"},{\"name\":\"a/2\"}],\"list_complete\":true}");
    EXPECT(ask("GET " KEYS "?prefix=nothing"), "200 OK", "{\"keys\":[],\"list_complete\":true}");
    EXPECT(ask("GET /v1/ns/small/keys"), "200 OK", "{\"keys\":[],\"list_complete\":true}");
}

static void the_fields_asked_for_are_there(void **state)
{
    (void)state;
    dialogue_request(&talk, "PUT " VALUES "k?ttl=100",
                     "Content-Type: text/x-k\r\nMeta-Owner: al\"ice\r\nMeta-Name: J\xe4ger\r\n",
                     "12345");
    EXPECT(ask("GET " KEYS), "200 OK", "{\"name\":\"k\",\"etag\":\"1\",\"expiration\":");
    EXPECT(ask("GET " KEYS "?fields=size,metadata,content_type"), "200 OK",
           "{\"name\":\"k\",\"size\":5,\"content_type\":\"text/x-k\",\"metadata\":{\"Owner\":"
           "\"al\\\"ice\",\"Name\":\"J\xc3\xa4ger\"}}");
    EXPECT(ask("GET " KEYS "?fields=modified,etag"), "200 OK",
           "{\"name\":\"k\",\"etag\":\"1\",\"modified\":");
    EXPECT(ask("HEAD " KEYS), "200 OK", "Content-Length: ");
}

static void lines_of_one_name_are_one_member(void **state)
{
    (void)state;
    dialogue_request(&talk, "PUT " VALUES "k",
                     "Meta-Tag: a\r\nMeta-Other: x\r\nmeta-tag: J\xe4ger\r\nMETA-TAG: \xc3\xa4\r\n"
                     "Meta-Empty:\r\n",
                     "1");
    EXPECT(ask("GET " KEYS "?fields=metadata"), "200 OK",
           "\"metadata\":{\"Tag\":\"a, J\xc3\xa4ger, \xc3\xa4\",\"Other\":\"x\",\"Empty\":\"\"}}");
    EXPECT(ask("GET " VALUES "k"), "200 OK", "meta-tag: J\xe4ger\r\n"); /* as it came */
}

static void keys_that_are_not_utf_8_come_back_percent_encoded(void **state)
{
    (void)state;
    put("%FF%00/x");
    put("a%22b%0A");
    EXPECT(
        ask("GET " KEYS "?fields=name"), "200 OK",
        "{\"keys\":[{\"name\":\"a\\\"b\\n\"},{\"name\":\"%FF%00/x\",\"encoding\":\"percent\"}],");
    EXPECT(ask("GET " KEYS "?fields=name&names=percent"), "200 OK",
           "{\"keys\":[{\"name\":\"a%22b%0A\"},{\"name\":\"%FF%00/x\"}],");
    EXPECT(ask("GET " VALUES "%FF%00/x"), "200 OK", "value");
}

/* The text between `before` and the next quote. */
static bool extract(const char *answer, const char *before, char *out, size_t room)
{
    const char *at = strstr(answer, before);
    if (at == NULL)
        return false;
    at += strlen(before);
    size_t bytes = strcspn(at, "\">");
    assert_true(bytes < room);
    memcpy(out, at, bytes);
    out[bytes] = '\0';
    return true;
}

static void pages_follow_each_other_by_cursor_and_by_link(void **state)
{
    (void)state;
    char target[4096], cursor[2048], link[2048];
    for (uint32_t i = 0; i < 25; i++) {
        snprintf(target, sizeof(target), "p/%02u", i);
        put(target);
    }
    uint32_t seen = 0;
    snprintf(target, sizeof(target), "GET " KEYS "?prefix=p/&limit=10&fields=name");
    for (uint32_t page = 0; page < 3; page++) {
        const char *answer = ask(target);
        EXPECT(answer, "200 OK", page < 2 ? "\"list_complete\":false" : "\"list_complete\":true");
        char name[32];
        for (; seen < 25; seen++) {
            snprintf(name, sizeof(name), "{\"name\":\"p/%02u\"}", seen);
            if (strstr(answer, name) == NULL)
                break;
        }
        assert_int_equal(seen, page < 2 ? (page + 1) * 10 : 25);
        assert_int_equal(extract(answer, "\"cursor\":\"", cursor, sizeof(cursor)), page < 2);
        assert_int_equal(extract(answer, "Link: <", link, sizeof(link)), page < 2);
        if (page == 0)
            snprintf(target, sizeof(target),
                     "GET " KEYS "?prefix=p/&limit=10&fields=name&cursor=%s", cursor);
        else
            snprintf(target, sizeof(target), "GET %s", link);
    }
}

static void wrong_parameters_are_named(void **state)
{
    (void)state;
    EXPECT(ask("GET " KEYS "?limit=0"), "400", "bad-limit", "1 to ");
    EXPECT(ask("GET " KEYS "?limit=100000"), "400", "bad-limit", "bulk.list_max");
    EXPECT(ask("GET " KEYS "?limit=ten"), "400", "bad-limit");
    EXPECT(ask("GET " KEYS "?fields=name,sise"), "400", "bad-parameter", "fields: allowed is");
    EXPECT(ask("GET " KEYS "?fields="), "400", "bad-parameter");
    EXPECT(ask("GET " KEYS "?names=utf"), "400", "names: allowed is plain or percent");
    EXPECT(ask("GET " KEYS "?prefix=%zz"), "400", "bad-parameter", "prefix");
    EXPECT(ask("GET " KEYS "?cursor=garbage"), "400", "bad-cursor", "begin again");
    EXPECT(ask("GET " KEYS "?cursor=AWNhcnQvNDI45FFH"), "400", "bad-cursor");
    EXPECT(ask("GET " KEYS "?cursor=AWNhcnQvNDI45FFG"), "400", "bad-cursor"); /* of cart/ */
    EXPECT(ask("GET " KEYS "?prefix=cart/&cursor=AWNhcnQvNDI45FFG"), "200", "\"keys\":[]");
    EXPECT(ask("POST " KEYS), "405", "Allow: GET, HEAD, OPTIONS\r\n");
    EXPECT(ask("OPTIONS " KEYS), "204", "Allow: GET, HEAD, OPTIONS\r\n");
    EXPECT(ask("GET /v1/ns/none/keys"), "404", "no such namespace");
    EXPECT(ask("GET " KEYS "/"), "404", "nothing at this path");
    EXPECT(ask("GET /v1/ns/default/key"), "404", "nothing at this path");
}

/* Keys come and go while somebody walks: those that stay are met once each, in order. */
static void a_walk_meets_every_key_that_stays_exactly_once(void **state)
{
    (void)state;
    enum { STAYING = 150, COMING = 100 };
    struct random random = {depth_of("GANNET_SEED", 3)};
    char target[4096], cursor[2048] = "", last[64] = "";
    for (uint32_t i = 0; i < STAYING; i++) {
        snprintf(target, sizeof(target), "s%04u", i * 7);
        put(target);
    }
    uint32_t staying_seen = 0;
    bool is_complete = false;
    while (!is_complete) {
        snprintf(target, sizeof(target), "GET " KEYS "?limit=9&fields=name%s%s",
                 cursor[0] ? "&cursor=" : "", cursor);
        const char *answer = ask(target);
        is_complete = !extract(answer, "\"cursor\":\"", cursor, sizeof(cursor));
        for (const char *at = answer; (at = strstr(at, "{\"name\":\"")) != NULL; at++) {
            char name[64];
            extract(at, "{\"name\":\"", name, sizeof(name));
            assert_true(strcmp(last, name) < 0);
            memcpy(last, name, sizeof(last));
            if (name[0] == 's' && strlen(name) == 5) {
                assert_int_equal(strtoul(name + 1, NULL, 10), staying_seen * 7);
                staying_seen++;
            }
        }
        for (uint32_t i = 0; i < 4; i++) {
            uint32_t number = random_below(&random, COMING * 10);
            bool is_put = random_chance(&random, 600);
            snprintf(target, sizeof(target), "%s " VALUES "s%04ux", is_put ? "PUT" : "DELETE",
                     number);
            dialogue_request(&talk, target, "", is_put ? "x" : "");
            snprintf(target, sizeof(target), "s%04u", random_below(&random, STAYING) * 7);
            put(target); /* written again, but never gone */
        }
    }
    assert_int_equal(staying_seen, STAYING);
}

int main(void)
{
    server_world_prepare();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_listed_in_byte_order, start, talk_stop),
        cmocka_unit_test_setup_teardown(the_fields_asked_for_are_there, start, talk_stop),
        cmocka_unit_test_setup_teardown(lines_of_one_name_are_one_member, start, talk_stop),
        cmocka_unit_test_setup_teardown(keys_that_are_not_utf_8_come_back_percent_encoded, start,
                                        talk_stop),
        cmocka_unit_test_setup_teardown(pages_follow_each_other_by_cursor_and_by_link, start,
                                        talk_stop),
        cmocka_unit_test_setup_teardown(wrong_parameters_are_named, start, talk_stop),
        cmocka_unit_test_setup_teardown(a_walk_meets_every_key_that_stays_exactly_once, start,
                                        talk_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
