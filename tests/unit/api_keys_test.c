/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/api_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* printf '%s' abc | sha256sum */
#define HASH_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
/* printf '%s' def | sha256sum */
#define HASH_OF_DEF "cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34"

static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"};

static uint32_t find_namespace(const void *context, const char *name, size_t bytes)
{
    (void)context;
    if (bytes == 4 && memcmp(name, "demo", 4) == 0)
        return 0;
    return bytes == 3 && memcmp(name, "far", 3) == 0 ? 200 : UINT32_MAX;
}

static const struct api_key_names names = {
    .methods = methods, .method_count = ARRAY_COUNT(methods), .find_namespace = find_namespace};

static struct api_keys keys;
static char problem[128];

static int parse(const char *text)
{
    problem[0] = '\0';
    return api_keys_parse(&keys, text, strlen(text), &names, problem, sizeof(problem));
}

static void a_key_is_found_by_its_text_and_by_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(
        parse("# keys\n\nalice sha256:" HASH_OF_ABC "\nbob  sha256:" HASH_OF_DEF " # his\r\n"), 0);
    assert_int_equal(keys.count, 2);
    assert_string_equal(api_keys_at(&keys, api_keys_find(&keys, "abc", 3))->name, "alice");
    assert_string_equal(api_keys_at(&keys, api_keys_find(&keys, "def", 3))->name, "bob");
    assert_int_equal(api_keys_find(&keys, "abd", 3), API_KEY_NONE);
    assert_int_equal(api_keys_find(&keys, "abc ", 4), API_KEY_NONE);
    assert_int_equal(api_keys_find(&keys, "", 0), API_KEY_NONE);
    char longest[API_KEY_BYTES_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(api_keys_find(&keys, longest, sizeof(longest)), API_KEY_NONE);
}

static void a_line_says_what_its_key_may_do(void **state)
{
    (void)state;
    assert_int_equal(parse("a sha256:" HASH_OF_ABC " namespaces=demo,far methods=GET,PUT "
                           "expires=2027-01-31\nb sha256:" HASH_OF_DEF),
                     0);
    const struct api_key *key = api_keys_at(&keys, 1);
    assert_false(key->has_all_namespaces);
    assert_int_equal(key->namespaces[0], 1);
    assert_int_equal(key->namespaces[3], 1u << 8);
    assert_int_equal(key->methods, 1u << 0 | 1u << 2);
    assert_int_equal(key->expires_at_s, 1801353600);
    assert_true(api_keys_at(&keys, 2)->has_all_namespaces);
    assert_int_equal(api_keys_at(&keys, 2)->expires_at_s, 0);
}

static void a_bad_line_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"a", "line 1: the hash is missing"},
        {"\na # no hash", "line 2: the hash is missing"},
        {"a/b sha256:" HASH_OF_ABC, "line 1: a client's name"},
        {"a sha1:" HASH_OF_ABC, "line 1: allowed sha256:"},
        {"a sha256:" HASH_OF_ABC "0", "line 1: allowed sha256:"},
        {"a sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
         "line 1: allowed sha256:"},
        {"a sha256:" HASH_OF_ABC " method=GET", "line 1: allowed are methods="},
        {"a sha256:" HASH_OF_ABC " methods=", "line 1: methods= allows"},
        {"a sha256:" HASH_OF_ABC " methods=get", "line 1: methods= allows"},
        {"a sha256:" HASH_OF_ABC " methods=GET,", "line 1: methods= allows"},
        {"a sha256:" HASH_OF_ABC " namespaces=nosuch", "line 1: namespaces= names one"},
        {"a sha256:" HASH_OF_ABC " expires=2027-1-1", "line 1: expires= allows"},
        {"a sha256:" HASH_OF_ABC " expires=2027-13-01", "line 1: expires= allows"},
        {"a sha256:" HASH_OF_ABC "\na sha256:" HASH_OF_ABC, "line 2: the same key"},
        {"a sha256:" HASH_OF_ABC "\nb sha256:" HASH_OF_ABC, "line 2: another client"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_not_equal(parse(cases[i].text), 0);
        if (strstr(problem, cases[i].problem) != problem)
            fail_msg("%s: said \"%s\"", cases[i].text, problem);
    }
}

static void a_full_table_still_finds_everybody_and_takes_nobody_else(void **state)
{
    (void)state;
    static char text[API_KEYS_MAX * 96 + 200];
    size_t used = 0;
    for (uint32_t i = 0; i < API_KEYS_MAX + 1; i++) {
        char key[16];
        uint8_t hash[API_KEY_HASH_BYTES];
        int bytes = snprintf(key, sizeof(key), "key%u", i);
        api_key_hash(key, (size_t)bytes, hash);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "n%u sha256:", i);
        for (uint32_t k = 0; k < sizeof(hash); k++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%02x", hash[k]);
        text[used++] = '\n';
    }
    text[used] = '\0';
    assert_int_not_equal(parse(text), 0);
    assert_string_equal(problem, "line 1025: more than 1024 keys");
    for (uint32_t i = 0; i < API_KEYS_MAX; i++) {
        char key[16];
        int bytes = snprintf(key, sizeof(key), "key%u", i);
        assert_int_equal(api_keys_find(&keys, key, (size_t)bytes), i + 1);
    }
}

static void a_new_key_is_its_random_bytes_in_base64url(void **state)
{
    (void)state;
    uint8_t random[API_KEY_RANDOM_BYTES];
    char text[API_KEY_TEXT_BYTES + 1];
    memset(random, 0xff, sizeof(random));
    api_key_write(random, text);
    assert_string_equal(text, "gannet___________________________________________8");
    for (uint32_t i = 0; i < sizeof(random); i++)
        random[i] = (uint8_t)i;
    api_key_write(random, text); /* python3: base64.urlsafe_b64encode(bytes(range(32))) */
    assert_string_equal(text, "gannet_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_found_by_its_text_and_by_nothing_else),
        cmocka_unit_test(a_line_says_what_its_key_may_do),
        cmocka_unit_test(a_bad_line_is_named),
        cmocka_unit_test(a_full_table_still_finds_everybody_and_takes_nobody_else),
        cmocka_unit_test(a_new_key_is_its_random_bytes_in_base64url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
