/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/config_file.h"
#include "control/config_plan.h"
#include "tests/fuzz/fuzz_target.h"

static struct server_config config, again;
static struct config_errors errors;

/* A file in memory; `file_path` is a name under which config_read can open it. */
static int memory_file(const void *bytes, size_t size, char file_path[64])
{
    int fd = memfd_create("fuzz_config", MFD_CLOEXEC);
    ASSERT(fd >= 0);
    ASSERT(write(fd, bytes, size) == (ssize_t)size);
    snprintf(file_path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

/* What was accepted prints to a file that reads back to the same configuration. */
static void check_round_trip(void)
{
    char path[64], *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    ASSERT(file != NULL);
    config_print(file, &config);
    fclose(file);
    int fd = memory_file(text, bytes, path);
    ASSERT(config_read(path, &again, &errors) == 0);
    ASSERT(memcmp(&config, &again, sizeof(config)) == 0);
    close(fd);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memory_file(data, size, path);
    int result = config_read(path, &config, &errors);
    close(fd);
    ASSERT((result == 0) == (errors.count == 0));
    for (uint32_t i = 0; i < errors.count && i < CONFIG_ERRORS_MAX; i++) {
        ASSERT(memchr(errors.lines[i], '\0', CONFIG_ERROR_BYTES) != NULL);
        ASSERT(errors.lines[i][0] != '\0' && strchr(errors.lines[i], '\n') == NULL);
    }

    char plan[16];
    FILE *file =
        fmemopen(plan, sizeof(plan), "w"); /* too small on purpose: only that it does not trip */
    ASSERT(file != NULL);
    config_print_plan(file, &config);
    fclose(file);
    if (result == 0)
        check_round_trip();
    return 0;
}
