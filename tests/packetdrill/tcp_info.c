/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packetdrill/tcp_info.h"

#include <string.h>

#include "dataplane/tcp_connection.h"
#include "tests/packetdrill/adapter.h"

#define OPTION_TIMESTAMPS 1u
#define OPTION_SACK 2u
#define OPTION_WSCALE 4u
#define REORDERING 3u /* duplicates that make a loss: the stack adapts by time, not by this */
#define IP_AND_TCP_BYTES_IPV4 40u
#define IP_AND_TCP_BYTES_IPV6 60u

enum { CA_OPEN = 0, CA_DISORDER = 1, CA_RECOVERY = 3, CA_LOSS = 4 };

static uint8_t linux_state(uint8_t state)
{
    static const uint8_t states[TCP_STATE_COUNT] = {
        [TCP_CLOSED] = 7,      [TCP_LISTEN] = 10,    [TCP_SYN_SENT] = 2,   [TCP_SYN_RECEIVED] = 3,
        [TCP_ESTABLISHED] = 1, [TCP_FIN_WAIT_1] = 4, [TCP_FIN_WAIT_2] = 5, [TCP_CLOSE_WAIT] = 8,
        [TCP_CLOSING] = 11,    [TCP_LAST_ACK] = 9,   [TCP_TIME_WAIT] = 6,
    };
    return states[state];
}

static uint8_t ca_state(const struct tcp_loss *loss)
{
    if (loss->recovery == TCP_RECOVERY)
        return CA_RECOVERY;
    if (loss->recovery == TCP_LOSS)
        return CA_LOSS;
    return loss->sacked_bytes > 0 || loss->duplicate_acks > 0 ? CA_DISORDER : CA_OPEN;
}

/* Linux counts segments. */
static void count_queue(const struct tcp_connection *connection, struct linux_tcp_info *info)
{
    for (const struct packet *packet = connection->send_head; packet != connection->send_next;
         packet = packet->next) {
        uint16_t flags = packet->tx.flags;
        info->unacked++;
        info->sacked += (flags & TX_SACKED) != 0;
        info->lost += (flags & TX_LOST) != 0;
        info->retrans += (flags & TX_RETRANSMITTED) && !(flags & (TX_SACKED | TX_LOST));
    }
    for (const struct packet *packet = connection->send_next; packet; packet = packet->next)
        info->unsent_bytes += packet->tx.payload_bytes;
}

static uint8_t options_of(const struct tcp_connection *connection)
{
    const struct tcp_cold *cold = connection_cold(connection);
    return (uint8_t)((connection->flags & CONNECTION_TIMESTAMPS ? OPTION_TIMESTAMPS : 0) |
                     (connection->flags & CONNECTION_SACK ? OPTION_SACK : 0) |
                     (cold->peer_scales ? OPTION_WSCALE : 0));
}

static uint32_t segments(uint32_t bytes, const struct tcp_connection *connection)
{
    return bytes / (connection->mss_bytes > 0 ? connection->mss_bytes : 1);
}

static void fill(const struct adapter *adapter, const struct tcp_connection *connection,
                 struct linux_tcp_info *info)
{
    const struct tcp_cold *cold = connection_cold(connection);
    const struct tcp_loss *loss = cold->loss;
    struct tcp_connection_info stack_info;
    tcp_connection_info(adapter->tcp, connection, &stack_info);
    bool is_ipv6 = connection->flags & CONNECTION_IPV6;
    uint16_t mtu = cold->path_mtu ? cold->path_mtu : adapter->wire.mtu;
    info->state = linux_state(connection->state);
    info->ca_state = ca_state(loss);
    info->probes =
        cold->retransmit_timer == TCP_TIMER_PERSIST ? loss->backoff : loss->keepalive_probes;
    info->backoff = loss->backoff;
    info->retransmits = loss->recovery == TCP_LOSS ? loss->backoff : 0;
    info->options = options_of(connection);
    info->window_scales = connection->scales;
    info->rto_us = stack_info.rto_ms * 1000;
    info->snd_mss_bytes = connection->mss_bytes;
    info->advmss_bytes =
        adapter->wire.mtu - (is_ipv6 ? IP_AND_TCP_BYTES_IPV6 : IP_AND_TCP_BYTES_IPV4);
    if (adapter->tcp_config.mss_max_bytes != 0)
        info->advmss_bytes = u32_min(info->advmss_bytes, adapter->tcp_config.mss_max_bytes);
    info->pmtu = mtu;
    info->rtt_us = stack_info.srtt_us;
    info->rttvar_us = connection->rttvar_us4 >> 2;
    info->min_rtt_us = loss->rtt_us_min;
    info->snd_ssthresh = loss->congestion.ssthresh_bytes == SSTHRESH_UNKNOWN
                             ? LINUX_SSTHRESH_NONE
                             : segments(loss->congestion.ssthresh_bytes, connection);
    info->snd_cwnd = segments(connection->cwnd_bytes, connection);
    info->reordering = REORDERING;
    info->snd_wnd_bytes = stack_info.snd_wnd_bytes;
    info->rcv_wnd_bytes = stack_info.rcv_wnd_bytes;
    count_queue(connection, info);
}

void tcp_info_of(const struct adapter *adapter, const struct endpoint *endpoint,
                 struct linux_tcp_info *info)
{
    memset(info, 0, sizeof(*info));
    info->state = endpoint->state == ENDPOINT_LISTENING ? LINUX_TCP_LISTEN : LINUX_TCP_CLOSE;
    if (endpoint->connection)
        fill(adapter, endpoint->connection, info);
}
