/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plan.h - what a run of gannet-bench does: made from the command line, read by everything else.
 *
 * Purpose:   one place that says what was asked for; a result repeats it, so that two results can
 *            be compared.
 * Ownership: strings belong to argv, `headers` to the plan itself: a plan is not copied.
 *            Constant once plan_parse has returned.
 * Threading: read by every thread.
 * Units:     in the names; rates are requests per second over all connections of all cores.
 * Errors:    plan_parse names the option, what was given and what is allowed.
 * Source:    none.
 */
#ifndef GANNET_BENCH_PLAN_H
#define GANNET_BENCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PLAN_CORES_MAX 8u
#define PLAN_RATE_STEPS_MAX 32u
#define PLAN_CONNECTIONS_MAX 1048576u
#define PLAN_PIPELINE_MAX 64u
#define PLAN_ADDRESSES_MAX 64u /* 60,000 connections each */
#define PLAN_CONNECTIONS_PER_ADDRESS 60000u
#define PLAN_RUNS_MAX 25u
#define PLAN_HEADERS_BYTES 2048u

enum plan_mode {
    PLAN_CLOSED_LOOP = 0, /* a connection asks again when it was answered */
    PLAN_OPEN_LOOP,       /* requests fall due whatever the server does */
    PLAN_RESPONDER,       /* no client: a stateless server that shows the client's ceiling */
    PLAN_COMPARE,         /* two result files */
};

enum plan_arrivals { PLAN_POISSON = 0, PLAN_CONSTANT };
enum plan_popularity { PLAN_UNIFORM = 0, PLAN_ZIPF, PLAN_HOT_SET };

struct plan {
    enum plan_mode mode;

    /* the link */
    const char *device; /* a DPDK device string, or a PCI address */
    uint8_t cores[PLAN_CORES_MAX];
    uint32_t core_count;
    uint8_t local[4]; /* the first of `address_count` addresses, counted up */
    uint8_t remote[4];
    uint8_t prefix_bits;
    uint32_t address_count; /* 0: as many as the connections need */
    uint16_t remote_port;
    uint16_t mtu;
    uint32_t memory_mib;   /* 0: from the number of connections */
    bool has_huge_pages;   /* false: --no-huge */
    bool checks_checksums; /* in shared memory too */

    /* the load */
    uint32_t connections;
    uint32_t pipeline_depth;  /* requests in flight on one connection */
    uint32_t active;          /* closed loop: in flight over all of them; 0: on each, always */
    uint32_t ramp_per_s;      /* connections opened per second; 0: as fast as they are accepted */
    bool closes;              /* Connection: close; a connection per request */
    uint64_t flood_per_s;     /* beside the load: SYNs of sources that never answer */
    uint64_t newcomers_per_s; /* beside the load: connect, ask once, leave */
    enum plan_arrivals arrivals;
    uint64_t rates_per_s[PLAN_RATE_STEPS_MAX]; /* open loop: each runs for seconds_ns */
    uint32_t rate_count;
    uint64_t warmup_ns, seconds_ns;
    uint64_t rest_ns; /* the client sleeps so long after a round without work; 0: it polls */
    uint32_t runs;    /* the median of them is the result */
    uint64_t seed;
    uint64_t timeout_ns; /* an answer that takes longer is an error */

    /* the requests */
    const char *path; /* "{key}" in it is replaced by the key */
    const char *host;
    const char *namespace_name; /* path is then /v1/ns/NAME/values/{key} */
    const char *headers;        /* further ones, each ended by CR LF; may be "" */
    uint64_t keys;
    enum plan_popularity popularity;
    double zipf_theta;
    uint64_t hot_keys; /* hot set: this many keys get hot_permille of the requests */
    uint32_t hot_permille;
    uint32_t key_bytes;   /* keys are decimal numbers, filled up with zeros on the left */
    uint32_t value_bytes; /* of a PUT */
    uint32_t put_permille, delete_permille; /* the rest are GET */
    bool loads_first;                       /* PUT every key once before the warm-up */

    /* what an answer must be; others are counted as errors */
    uint16_t expected_status; /* 0: 2xx */
    uint64_t expected_bytes;  /* of the body; UINT64_MAX: any */
    bool checks_body;         /* a GET's body is what a PUT of that key wrote */

    /* the report */
    bool times_gets_only;  /* writes are load, their latencies are not in the figures */
    const char *label;     /* free text that goes into the result */
    const char *json_path; /* NULL: none; "-": standard output instead of the table */
    bool is_quiet;         /* no progress */
    const char *compare[2];

    char header_text[PLAN_HEADERS_BYTES]; /* what `headers` points at */
};

/* 0; 1: --help or --version was printed; 2: an error was printed. */
int plan_parse(int argc, char **argv, struct plan *plan);

enum plan_verdict { PLAN_GOOD = 0, PLAN_HELP, PLAN_VERSION, PLAN_BAD };
/* The same without printing; PLAN_BAD comes with a sentence. Changes the order of argv. */
enum plan_verdict plan_read(int argc, char **argv, struct plan *plan, char *error,
                            size_t error_bytes);
void plan_print_help(FILE *out);

/* Shared memory changes no bytes: there only when asked for. */
bool plan_verifies_checksums(const struct plan *plan);

#endif
