/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_path_mtu.h"

#include "dataplane/ipv4.h"
#include "dataplane/ipv6.h"
#include "dataplane/tcp_loss.h"
#include "dataplane/tcp_options.h"
#include "dataplane/tcp_output.h"

#define TCP_HEADER_BYTES 20u
#define MTU_MIN_IPV4 552u /* lower ones are not believed */
#define MTU_MIN_IPV6 1280u
#define MTU_SAFE_FIRST 1280u /* every tunnel takes this much, and IPv6 promises it */
#define MTU_SAFE_IPV4 576u   /* RFC 791: what every host takes */
#define TIMEOUTS_BEFORE_FIRST 2u
#define TIMEOUTS_BEFORE_LAST 4u
#define TIMEOUTS_MORE 4u /* where full segments came through before: 12.6 s of silence in all */

/* When it was lowered, in two bits: 2^18 ticks are 275 s, and three of them at least 9 minutes. */
#define EPOCH_SHIFT 18
#define EPOCH_MASK 3u
#define EPOCHS_KEPT 3u

static uint32_t epoch(const struct tcp_stack *stack)
{
    return stack->now_tick >> EPOCH_SHIFT & EPOCH_MASK;
}

static void lower(struct tcp_stack *stack, struct tcp_connection *connection, struct tcp_cold *cold,
                  uint32_t mtu)
{
    uint16_t before = connection->mss_bytes;
    cold->path_mtu = mtu & TCP_PATH_MTU_MAX;
    cold->path_mtu_epoch = epoch(stack) & EPOCH_MASK;
    tcp_mss_update(stack, connection);
    if (connection->mss_bytes < before)
        tcp_loss_too_big(stack, connection, cold);
}

void tcp_path_mtu_lower(struct tcp_stack *stack, struct tcp_connection *connection,
                        struct tcp_cold *cold, uint16_t new_mtu)
{
    uint32_t floor = connection->flags & CONNECTION_IPV6 ? MTU_MIN_IPV6 : MTU_MIN_IPV4;
    uint32_t mtu = new_mtu < floor ? floor : new_mtu;
    if (mtu > TCP_PATH_MTU_MAX || (cold->path_mtu != 0 && cold->path_mtu <= mtu))
        return;
    count(stack->counters, COUNTER_TCP_PATH_MTU_LOWERED);
    lower(stack, connection, cold, mtu);
}

/* What the first unacknowledged segment makes on the wire. */
static uint32_t head_ip_bytes(const struct tcp_connection *connection)
{
    uint32_t headers = TCP_HEADER_BYTES;
    headers += connection->flags & CONNECTION_IPV6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
    if (connection->flags & CONNECTION_TIMESTAMPS)
        headers += TCP_TIMESTAMP_BYTES;
    uint32_t payload = connection->send_head ? connection->send_head->tx.payload_bytes : 0;
    return headers + u32_min(payload, connection->mss_bytes);
}

bool tcp_path_mtu_is_proved(const struct tcp_connection *connection, const struct packet *packet)
{
    const uint32_t headers_least = TCP_HEADER_BYTES + IPV4_HEADER_BYTES;
    return connection->mss_bytes > MTU_SAFE_FIRST - headers_least &&
           packet->tx.payload_bytes >= connection->mss_bytes;
}

/*
 * Losing the same segment three times in a row is rare; a router that drops what is too big without
 * saying so does it every time. But where one frame in ten is lost it happens every few seconds,
 * and full segments have come through all along. Wrong guesses cost room in every segment, for ten
 * minutes.
 */
void tcp_path_mtu_suspect(struct tcp_stack *stack, struct tcp_connection *connection,
                          struct tcp_cold *cold)
{
    uint32_t timeouts = cold->loss->backoff;
    bool is_ipv6 = connection->flags & CONNECTION_IPV6;
    uint32_t safe = MTU_SAFE_FIRST;
    uint32_t more = cold->loss->full_size_arrived ? TIMEOUTS_MORE : 0;
    if (timeouts < TIMEOUTS_BEFORE_FIRST + more || connection->snd_wnd_bytes == 0)
        return;
    if (timeouts >= TIMEOUTS_BEFORE_LAST + more && !is_ipv6)
        safe = MTU_SAFE_IPV4;
    if (head_ip_bytes(connection) <= safe)
        return;
    count(stack->counters, COUNTER_TCP_PATH_BLACK_HOLES);
    tcp_loss_take(cold)->full_size_arrived = false;
    lower(stack, connection, cold, safe);
}

void tcp_path_mtu_expire(struct tcp_stack *stack, struct tcp_connection *connection,
                         struct tcp_cold *cold)
{
    if (cold->path_mtu == 0 || ((epoch(stack) - cold->path_mtu_epoch) & EPOCH_MASK) < EPOCHS_KEPT)
        return;
    cold->path_mtu = 0;
    tcp_mss_update(stack, connection);
}
