/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model_value.h - keys and values of the model: a value is its number, spelled out in its bytes.
 *
 * Purpose:   a reader can tell from the bytes which write they come from, and that all are right.
 * Ownership: none.
 * Threading: one thread.
 * Units:     bytes.
 * Errors:    value_number_of returns 0 for bytes that no write made.
 * Source:    none.
 */
#ifndef GANNET_TESTS_MODEL_VALUE_H
#define GANNET_TESTS_MODEL_VALUE_H

#include <stdint.h>
#include <string.h>

#include "include/blob.h"
#include "include/shard_operation.h"

#define MODEL_KEY_BYTES 6u

static inline void model_key_make(uint8_t *bytes, uint32_t key)
{
    bytes[0] = 'm';
    bytes[1] = 0;
    memcpy(bytes + 2, &key, sizeof(key));
}

static inline uint32_t model_key_of(const struct shard_operation *operation)
{
    uint32_t key;
    memcpy(&key, operation->bytes + 2, sizeof(key));
    return key;
}

/* Most fit into a message; a quarter needs a blob. */
static inline uint32_t model_value_bytes(uint64_t number)
{
    uint32_t mixed = (uint32_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 40);
    return mixed % 4 == 0 ? 2500 + mixed % 6000 : 8 + mixed % 1500;
}

static inline uint8_t model_value_byte(uint64_t number, uint32_t at)
{
    return (uint8_t)(at < 8 ? number >> (8 * at) : number * 13 + at * 7);
}

/* Writes the value into an operation whose key is set; false when there is no memory for a blob. */
static inline bool model_value_put(struct shard_operation *operation, uint64_t number,
                                   struct blob_stock *stock)
{
    uint8_t bytes[16384];
    operation->value_bytes = model_value_bytes(number);
    for (uint32_t i = 0; i < operation->value_bytes; i++)
        bytes[i] = model_value_byte(number, i);
    if (operation->value_bytes <= operation_inline_room(operation)) {
        memcpy(operation_inline_value(operation), bytes, operation->value_bytes);
        return true;
    }
    operation->value = blob_create(stock, operation->value_bytes);
    if (!operation->value)
        return false;
    blob_append(operation->value, bytes, operation->value_bytes);
    return true;
}

/* Which write these bytes are from; 0 when they are not exactly one write's. */
static inline uint64_t model_value_number(const struct blob *blob, const uint8_t *inline_bytes,
                                          uint32_t value_bytes)
{
    uint8_t bytes[16384];
    uint64_t number = 0;
    if (value_bytes < 8 || value_bytes > sizeof(bytes))
        return 0;
    if (blob)
        blob_copy_out(blob, 0, bytes, value_bytes);
    else
        memcpy(bytes, inline_bytes, value_bytes);
    for (uint32_t i = 0; i < 8; i++)
        number |= (uint64_t)bytes[i] << (8 * i);
    if (model_value_bytes(number) != value_bytes)
        return 0;
    for (uint32_t i = 8; i < value_bytes; i++)
        if (bytes[i] != model_value_byte(number, i))
            return 0;
    return number;
}

#endif
