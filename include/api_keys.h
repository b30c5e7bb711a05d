/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * api_keys.h - who may do what: API keys by their SHA-256, read from a file.
 *
 * Purpose:   from the bytes of a key to a client name with its namespaces and methods, at a bounded
 *            cost: one SHA-256 of at most API_KEY_BYTES_MAX and one look into a table.
 * Ownership: a table is made whole and then only read; it belongs to a snapshot of settings.
 * Threading: any number of readers.
 * Units:     bytes; expiry in Unix seconds.
 * Errors:    parsing names the line; finding returns API_KEY_NONE.
 * Source:    SHA-256 (FIPS 180-4) by nettle. The keys are 256 random bits, so one fast hash is
 *            enough at rest: there is nothing to guess, as there is with passwords.
 */
#ifndef GANNET_API_KEYS_H
#define GANNET_API_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/compiler.h"

#define API_KEYS_MAX 1024u
#define API_KEY_SLOTS 2048u /* half full at most */
#define API_KEY_NONE 0u     /* nobody: keys are numbered from 1 */
#define API_KEY_BYTES_MAX 128u
#define API_KEY_HASH_BYTES 32u
#define API_KEY_NAME_BYTES_MAX 64u
#define API_KEY_NAMESPACES_MAX 256u

/* A new key is "gannet_" and 32 random bytes in base64url. */
#define API_KEY_RANDOM_BYTES 32u
#define API_KEY_TEXT_BYTES (sizeof("gannet_") - 1 + 43)

struct api_key {
    char name[API_KEY_NAME_BYTES_MAX + 1];
    uint8_t hash[API_KEY_HASH_BYTES];
    uint64_t expires_at_s;                            /* 0: never */
    uint32_t methods;                                 /* bit per enum http_method */
    bool has_all_namespaces;                          /* also those that do not exist yet */
    uint64_t namespaces[API_KEY_NAMESPACES_MAX / 64]; /* bit per number of a namespace */
};

struct api_keys {
    uint32_t count;
    uint16_t slots[API_KEY_SLOTS]; /* number of a key; 0 is free */
    struct api_key keys[API_KEYS_MAX];
};

/* "NAME sha256:HEX ..." parts of a line refer to methods and namespaces by name: */
struct api_key_names {
    const char *const *methods; /* in the order of their bits */
    uint32_t method_count;
    /* The number of a namespace, UINT32_MAX: there is none. */
    uint32_t (*find_namespace)(const void *context, const char *name, size_t bytes);
    const void *context;
};

/*
 * The whole file. 0, or -EINVAL with "line N: what is wrong". Unknown namespaces are errors: a key
 * for a misspelt one would be refused without anybody knowing why.
 */
MUST_USE int api_keys_parse(struct api_keys *keys, const char *text, size_t bytes,
                            const struct api_key_names *names, char *problem, size_t problem_bytes);

/* The number of a key that was given, whether it is expired or not; API_KEY_NONE. */
uint32_t api_keys_find(const struct api_keys *keys, const void *key, size_t bytes);

static inline const struct api_key *api_keys_at(const struct api_keys *keys, uint32_t number)
{
    return &keys->keys[number - 1];
}

/* For `gannet key new`: the text of a key, with its end, and the "sha256:..." part of its line. */
void api_key_write(const uint8_t random[API_KEY_RANDOM_BYTES], char text[API_KEY_TEXT_BYTES + 1]);
void api_key_hash(const void *key, size_t bytes, uint8_t hash[API_KEY_HASH_BYTES]);
bool api_key_is_name(const char *name, size_t bytes);

#endif
