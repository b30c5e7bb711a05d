/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/capture_command.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/admin_client.h"
#include "control/capture_filter.h"
#include "control/pcapng.h"
#include "control/text_buffer.h"
#include "include/clock.h"

#define PAUSE_NS (100 * NS_PER_MS)
#define ASK_AGAIN_BYTES (1u << 20) /* after so much there is more: no pause */

struct capture_limits {
    uint64_t packets, bytes, seconds;
};

struct capture {
    const char *where, *path, *filter, *address;
    struct capture_limits limits;
    FILE *file;
    unsigned id;
    uint64_t packets, bytes, lost;
    bool is_full; /* a limit is reached */
};

static _Atomic bool is_interrupted;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&is_interrupted, true);
}

static int usage(const char *wrong)
{
    if (wrong)
        fprintf(stderr, "gannet capture: %s\n\n", wrong);
    fputs(
        "gannet capture [OPTIONS] FILTER > FILE.pcapng\n"
        "  FILTER          all, or of these, with commas between them, those that narrow it:\n"
        "                  client=ADDRESS[/BITS] port=N protocol=tcp|udp|icmp|arp direction=in|out "
        "snap=BYTES\n"
        "  --write FILE    instead of standard output\n"
        "  --packets N     end after so many (100000)\n"
        "  --bytes N       end before the file is larger (67108864)\n"
        "  --seconds N     end after so long (60)\n"
        "  --server WHERE  the server's admin.listen or its configuration file "
        "(127.0.0.1:9090)\n"
        "\n"
        "  gannet capture client=192.0.2.7,port=8080 --seconds 10 | tcpdump -n -r -\n",
        stderr);
    return 2;
}

/* ---- words ---- */

static bool read_limit(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out > 0;
}

static const char *read_words(int word_count, char *const words[], struct capture *capture)
{
    const struct {
        const char *name;
        const char **text;
        uint64_t *number;
    } options[] = {
        {"--write", &capture->path, NULL},
        {"--server", &capture->where, NULL},
        {"--packets", NULL, &capture->limits.packets},
        {"--bytes", NULL, &capture->limits.bytes},
        {"--seconds", NULL, &capture->limits.seconds},
    };
    for (int i = 0; i < word_count; i++) {
        size_t which = 0;
        while (which < ARRAY_COUNT(options) && strcmp(options[which].name, words[i]) != 0)
            which++;
        bool is_option = which < ARRAY_COUNT(options);
        if (!is_option && (words[i][0] == '-' || capture->filter))
            return words[i][0] == '-' ? "no such option" : "one filter only";
        if (!is_option) {
            capture->filter = words[i];
            continue;
        }
        if (++i == word_count)
            return "a value is missing behind the last option";
        if (options[which].text)
            *options[which].text = words[i];
        else if (!read_limit(words[i], options[which].number))
            return "--packets, --bytes and --seconds take a number above 0";
    }
    return capture->filter ? NULL : "which frames? all is a filter too";
}

/* ---- the server ---- */

static int ask(struct capture *capture, const char *request, struct text_buffer *body)
{
    int status = admin_client_ask(capture->address, request, body);
    if (status == 200)
        return 0;
    if (status < 0)
        fprintf(stderr, "gannet capture: %s: %s\n", capture->address, admin_client_reason(status));
    else
        fprintf(stderr, "gannet capture: %s", body->bytes ? body->bytes : "no reason given\n");
    return -EPROTO;
}

static int start(struct capture *capture)
{
    char request[CAPTURE_FILTER_TEXT_MAX + 64];
    struct text_buffer body = {0};
    snprintf(request, sizeof(request), "POST /capture?filter=%s", capture->filter);
    int status = ask(capture, request, &body);
    if (status == 0 && sscanf(body.bytes, "capture %u", &capture->id) != 1)
        status = -EPROTO;
    text_buffer_clear(&body);
    return status;
}

/* ---- the file ---- */

/* Frames that were lost, as the statistics at the end say. */
static uint64_t lost_of(const uint8_t *block, uint32_t block_bytes)
{
    uint64_t lost = 0;
    if (block_bytes >= 48) /* its last option but the end's */
        memcpy(&lost, block + block_bytes - 16, sizeof(lost));
    return lost;
}

/* Whole blocks, until a limit is reached; those that are not frames are small and always there. */
static void keep(struct capture *capture, const struct text_buffer *body)
{
    const uint8_t *at = (const uint8_t *)body->bytes;
    size_t left = body->used_bytes;
    while (left >= PCAPNG_BLOCK_BYTES_MIN) {
        uint32_t type, bytes;
        memcpy(&type, at, 4);
        memcpy(&bytes, at + 4, 4);
        if (bytes < PCAPNG_BLOCK_BYTES_MIN || bytes > left)
            return;
        bool is_frame = type == PCAPNG_BLOCK_PACKET;
        capture->is_full |= is_frame && (capture->packets == capture->limits.packets ||
                                         capture->bytes + bytes > capture->limits.bytes);
        if (!is_frame || !capture->is_full) {
            fwrite(at, 1, bytes, capture->file);
            capture->bytes += bytes;
            capture->packets += is_frame;
        }
        if (type == PCAPNG_BLOCK_STATISTICS)
            capture->lost = lost_of(at, bytes);
        at += bytes;
        left -= bytes;
    }
    capture->is_full |= capture->packets == capture->limits.packets;
    fflush(capture->file);
}

/* Negative when the server does not go on; else how much came. */
static int64_t fetch(struct capture *capture, bool is_last)
{
    char request[64];
    struct text_buffer body = {0};
    snprintf(request, sizeof(request), is_last ? "POST /capture?stop=%u" : "GET /capture?id=%u",
             capture->id);
    int status = ask(capture, request, &body);
    int64_t came = status == 0 ? (int64_t)body.used_bytes : status;
    if (status == 0)
        keep(capture, &body);
    text_buffer_clear(&body);
    return came;
}

/* The server stops by itself when nobody fetches any more, so whatever ends us leaves no trace. */
static int run(struct capture *capture)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    /* writes go on; nanosleep ends all the same */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (start(capture) != 0)
        return EXIT_FAILURE;
    uint64_t end_ns = clock_now_ns() + capture->limits.seconds * NS_PER_S;
    while (!capture->is_full && !atomic_load(&is_interrupted) && clock_now_ns() < end_ns &&
           !ferror(capture->file)) {
        int64_t came = fetch(capture, false);
        if (came < 0)
            return EXIT_FAILURE;
        if (came < ASK_AGAIN_BYTES)
            nanosleep(&pause, NULL);
    }
    if (fetch(capture, true) < 0)
        return EXIT_FAILURE;
    fprintf(stderr, "%" PRIu64 " frames, %" PRIu64 " bytes, %" PRIu64 " lost%s\n", capture->packets,
            capture->bytes, capture->lost,
            capture->lost > 0 ? " (capture.ring_kib; or narrow the filter, or snap=)" : "");
    if (!ferror(capture->file))
        return EXIT_SUCCESS;
    fprintf(stderr, "gannet capture: the file cannot be written any more\n");
    return EXIT_FAILURE;
}

int capture_command_run(int word_count, char *const words[])
{
    char error[256];
    struct capture_filter filter;
    struct capture capture = {
        .limits = {.packets = 100000, .bytes = UINT64_C(64) << 20, .seconds = 60}, .file = stdout};
    const char *wrong = word_count > 0 ? read_words(word_count, words, &capture) : "";
    if (wrong)
        return usage(wrong[0] ? wrong : NULL);
    if (!capture_filter_parse(capture.filter, &filter, error, sizeof(error)))
        return usage(error);
    if (!capture.path && isatty(STDOUT_FILENO))
        return usage("frames are not for a terminal: > FILE, | tcpdump -n -r -, or --write FILE");
    capture.address = admin_client_find(capture.where);
    if (!capture.address)
        return EXIT_FAILURE;
    if (capture.path && !(capture.file = fopen(capture.path, "we"))) {
        fprintf(stderr, "gannet capture: %s: %s\n", capture.path, strerror(errno));
        return EXIT_FAILURE;
    }
    int status = run(&capture);
    if (capture.path && fclose(capture.file) != 0)
        status = EXIT_FAILURE;
    return status;
}
