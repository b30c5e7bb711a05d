/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ambiguous requests, and a marked one behind each on the same connection, against the whole server
 * in virtual time. With --print the same requests for who sends them to a real server.
 */
#include "tests/unit/api_talk.h"
#include "tests/unit/http_ambiguity_variants.h"

#define MARKED                                                                                     \
    "GET /v1/ns/default/values/k HTTP/1.1\r\nHost: h\r\nRequest-Id: marked\r\n"                    \
    "Connection: close\r\n\r\n"

/* How the bytes arrive. */
enum delivery { AT_ONCE, IN_THREES, BYTE_BY_BYTE, DELIVERIES };

/* All of it, NULs as spaces, so that it can be searched. */
static const char *hear_text(struct world_client *who)
{
    for (uint32_t i = 0; i < who->received_bytes; i++)
        if (who->received[i] == 0)
            who->received[i] = ' ';
    return hear(who);
}

static void check_refused(const struct ambiguity_variant *variant, const char *answer,
                          const struct world_client *who)
{
    bool is_refusal = begins(answer, "HTTP/1.1 4") || begins(answer, "HTTP/1.1 501") ||
                      begins(answer, "HTTP/1.1 505");
    if (!is_refusal || count_of(answer, "Server: gannet\r\n") != 1)
        fail_msg("'%s' should be refused, once: %s", variant->name, answer);
    if (!who->peer_closed)
        fail_msg("'%s' is refused, and the connection stays open", variant->name);
    expect_has(variant->name, answer, "Connection: close\r\n");
}

static void check_accepted(const struct ambiguity_variant *variant, const char *answer)
{
    if (!begins(answer, "HTTP/1.1 20") || count_of(answer, "Server: gannet\r\n") != 2 ||
        count_of(answer, "Request-Id: marked\r\n") != 1)
        fail_msg("'%s' should be accepted (%s), and the marked request answered: %s", variant->name,
                 variant->rule, answer);
}

static void check_variant(const struct ambiguity_variant *variant, enum delivery delivery)
{
    struct world_client one = {0};
    uint8_t text[2048];
    memcpy(text, variant->text, variant->bytes);
    memcpy(text + variant->bytes, MARKED, sizeof(MARKED) - 1);
    server_world_connect(&world, &one);
    server_world_run_ms(&world, 2);
    server_world_send(&world, &one, text, variant->bytes + (uint32_t)sizeof(MARKED) - 1,
                      delivery == AT_ONCE     ? UINT32_MAX
                      : delivery == IN_THREES ? 3
                                              : 1);
    server_world_run_ms(&world, 60);
    const char *answer = hear_text(&one);
    if (variant->rule)
        check_accepted(variant, answer);
    else
        check_refused(variant, answer, &one);
    server_world_forget(&world, &one);
    server_world_run_ms(&world, 1);
}

static void no_ambiguous_request_desynchronises_its_connection(void **state)
{
    (void)state;
    uint32_t variants = 0, accepted = 0;
    start_plain();
    put("k", 3);
    for (enum ambiguity_family family = 0; family < FAMILIES; family++)
        for (uint32_t number = 0; number < ambiguity_count(family); number++) {
            struct ambiguity_variant variant;
            ambiguity_make(family, number, &variant);
            variants++;
            accepted += variant.rule != NULL;
            for (enum delivery delivery = 0; delivery < DELIVERIES; delivery++)
                check_variant(&variant, delivery);
        }
    server_world_forget(&world, &client); /* idle for longer than it may be */
    server_world_connect(&world, &client);
    server_world_run_ms(&world, 10);
    expect_has("nothing smuggled was stored", ask("GET " VALUE "k HTTP/1.1\r\n" HOST "\r\n"),
               "\r\n\r\nvvv");
    print_message("%u variants, %u accepted by a rule, %u refused, each delivered in %d ways\n",
                  variants, accepted, variants - accepted, (int)DELIVERIES);
    assert_true(variants >= 200);
    stop();
}

/* A body that looks like requests is a body, whatever frames it. */
static void what_a_body_holds_is_never_a_request(void **state)
{
    (void)state;
    static const char length = (char)(sizeof(SMUGGLED) - 1);
    static const char *const methods[] = {"GET", "HEAD", "DELETE", "PUT"};
    char request[1000];
    start_plain();
    put("k", 3);
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++)
        for (uint32_t is_chunked = 0; is_chunked < 2; is_chunked++) {
            if (is_chunked)
                snprintf(request, sizeof(request),
                         "%s " VALUE "sm HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                         "%x\r\n%s\r\n0\r\n\r\n%s",
                         methods[i], length, SMUGGLED, "GET /v1/ns HTTP/1.1\r\n" HOST "\r\n");
            else
                snprintf(request, sizeof(request),
                         "%s " VALUE "sm HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n%s%s",
                         methods[i], length, SMUGGLED, "GET /v1/ns HTTP/1.1\r\n" HOST "\r\n");
            const char *answer = ask(request);
            expect_without(request, answer, "Request-Id: smuggled");
            if (count_of(answer, "Server: gannet\r\n") != 2)
                fail_msg("'%s': not two answers: %s", request, answer);
        }
    stop();
}

static int print_variants(void)
{
    for (enum ambiguity_family family = 0; family < FAMILIES; family++)
        for (uint32_t number = 0; number < ambiguity_count(family); number++) {
            struct ambiguity_variant variant;
            ambiguity_make(family, number, &variant);
            printf("%s\t", variant.rule ? variant.rule : "refused");
            for (uint32_t i = 0; i < variant.bytes; i++)
                printf("%02x", variant.text[i]);
            printf("\t%s\n", variant.name);
        }
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ONE(no_ambiguous_request_desynchronises_its_connection),
        ONE(what_a_body_holds_is_never_a_request),
    };
    if (argc > 1 && strcmp(argv[1], "--print") == 0)
        return print_variants();
    return cmocka_run_group_tests(tests, prepare, NULL);
}
