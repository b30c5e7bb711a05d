/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store_hold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "control/admin_client.h"

#define TRIES 100u /* while a removal that had begun comes to its end */
#define TRY_US 50000

int store_hold_ask(const char *admin, uint32_t seconds, struct store_hold *hold,
                   struct text_buffer *why)
{
    char request[64];
    snprintf(request, sizeof(request), "POST /hold?seconds=%u", seconds);
    for (uint32_t attempt = 0; attempt < TRIES; attempt++) {
        struct text_buffer body = {0};
        int status = admin_client_ask(admin, request, &body);
        bool is_held = status == 200 && body.bytes != NULL &&
                       sscanf(body.bytes, "held %16" SCNx64 "%16" SCNx64 " %" SCNu64,
                              &hold->uuid.words[0], &hold->uuid.words[1], &hold->epoch) == 3;
        text_buffer_clear(&body);
        if (is_held)
            return 0;
        if (status < 0) {
            text_format(why,
                        "the server that has it open does not answer at %s: %s (--admin says "
                        "where it listens)\n",
                        admin, admin_client_reason(status));
            return status;
        }
        if (status != 503) {
            text_format(why, "the server at %s does not hold its files: HTTP status %d\n", admin,
                        status);
            return -EPROTO;
        }
        usleep(TRY_US);
    }
    text_format(why, "the server at %s does not come to rest\n", admin);
    return -EBUSY;
}
