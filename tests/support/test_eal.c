/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/test_eal.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>

void test_eal_start(const char *megabytes)
{
    static char words[][40] = {"test",
                               "--no-huge",
                               "-m",
                               "",
                               "--no-pci",
                               "--no-shconf",
                               "--no-telemetry",
                               "--log-level=lib.eal:3",
                               "-l",
                               "0"};
    enum { WORDS = sizeof(words) / sizeof(words[0]) };
    snprintf(words[3], sizeof(words[3]), "%s", megabytes);
    char *arguments[WORDS];
    for (int i = 0; i < WORDS; i++)
        arguments[i] = words[i];
    if (rte_eal_init(WORDS, arguments) < 0) {
        fprintf(stderr, "rte_eal_init failed\n");
        exit(1);
    }
}
