/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packetdrill/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINK_TYPE_RAW 101u

FILE *capture_open(const char *name)
{
    static const uint32_t header[6] = {0xa1b2c3d4u, 4u << 16 | 2u, 0, 0, 65535, LINK_TYPE_RAW};
    FILE *file = fopen(name, "we");
    if (!file) {
        fprintf(stderr, "gannet: pcap=%s: %s\n", name, strerror(errno));
        exit(EXIT_FAILURE);
    }
    fwrite(header, sizeof(header), 1, file);
    return file;
}

void capture_packet(FILE *file, uint64_t time_us, const void *packet, size_t length)
{
    if (!file)
        return;
    const uint32_t header[4] = {(uint32_t)(time_us / 1000000), (uint32_t)(time_us % 1000000),
                                (uint32_t)length, (uint32_t)length};
    fwrite(header, sizeof(header), 1, file);
    fwrite(packet, length, 1, file);
    fflush(file);
}

void capture_close(FILE *file)
{
    if (file)
        fclose(file);
}
