/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/http_problem.h"

#include "include/shard_operation.h"

const uint16_t http_problem_status[HTTP_PROBLEM_COUNT] = {
#define HTTP_PROBLEM(name, status, type, title) [HTTP_PROBLEM_##name] = status,
#include "include/http_problems.def"
#undef HTTP_PROBLEM
};

const char *const http_problem_types[HTTP_PROBLEM_COUNT] = {
#define HTTP_PROBLEM(name, status, type, title) [HTTP_PROBLEM_##name] = type,
#include "include/http_problems.def"
#undef HTTP_PROBLEM
};

const char *const http_problem_titles[HTTP_PROBLEM_COUNT] = {
#define HTTP_PROBLEM(name, status, type, title) [HTTP_PROBLEM_##name] = title,
#include "include/http_problems.def"
#undef HTTP_PROBLEM
};

enum http_problem http_problem_of_shard(uint8_t shard_status)
{
    switch ((enum shard_status)shard_status) {
    case SHARD_NOT_FOUND:
        return HTTP_PROBLEM_NOT_FOUND;
    case SHARD_CONDITION_FAILED:
        return HTTP_PROBLEM_PRECONDITION_FAILED;
    case SHARD_STORE_FULL:
        return HTTP_PROBLEM_STORE_FULL;
    case SHARD_INDEX_FULL:
        return HTTP_PROBLEM_INDEX_FULL;
    case SHARD_READ_ONLY:
        return HTTP_PROBLEM_READ_ONLY;
    case SHARD_OUTCOME_UNKNOWN:
        return HTTP_PROBLEM_OUTCOME_UNKNOWN;
    case SHARD_CORRUPT:
        return HTTP_PROBLEM_CORRUPT;
    case SHARD_IO_ERROR:
        return HTTP_PROBLEM_IO_ERROR;
    case SHARD_DEADLINE:
        return HTTP_PROBLEM_STORE_TIMEOUT;
    case SHARD_NO_MEMORY:
    case SHARD_BUSY:
        return HTTP_PROBLEM_OVERLOADED;
    case SHARD_OK:
    case SHARD_CREATED:
    case SHARD_STATUS_COUNT:
        break;
    }
    return HTTP_PROBLEM_NONE;
}
