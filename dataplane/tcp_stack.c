/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots, creation and the end of connections. */
#include "dataplane/tcp_stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp_internal.h"
#include "dataplane/tcp_output.h"
#include "include/memory_region.h"
#include "include/server_config.h"

/* Every descriptor of the worker's rings holds a packet. */
static uint32_t descriptor_count(const struct server_config *server)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < server->ports_count; i++)
        count += server->ports[i].rx_descriptors + server->ports[i].tx_descriptors;
    return (uint32_t)count;
}

/*
 * Of what the rings leave, data may hold three quarters. The rest is for what must go on when that
 * is used up: acknowledgements, resets, handshakes, ARP, ND and ICMP, copies on their way out.
 */
static uint32_t packets_for_data(const struct server_config *server)
{
    uint32_t packets = (uint32_t)server->memory.packets;
    uint32_t descriptors = descriptor_count(server);
    uint32_t spare = packets > descriptors ? packets - descriptors : 0;
    return u32_max(spare / 4 * 3, 64);
}

static void use_limits(struct tcp_stack_config *config, const struct server_config *server)
{
    config->reset_rate_per_s = (uint32_t)server->tcp.resets_per_s;
    config->challenges_per_s = (uint32_t)server->tcp.challenges_per_s;
}

void tcp_stack_use_limits(struct tcp_stack *stack, const struct server_config *server)
{
    use_limits(&stack->config, server);
}

void tcp_stack_config_from(const struct server_config *server, struct tcp_stack_config *config)
{
    memset(config, 0, sizeof(*config));
    config->connections = (uint32_t)server->tcp.connections;
    config->half_open_max = (uint32_t)server->tcp.half_open;
    config->syn_cookies = (enum tcp_syn_cookies)server->tcp.syn_cookies;
    config->connections_per_source = (uint32_t)server->tcp.connections_per_source;
    config->receive_window_bytes = (uint32_t)server->tcp.receive_window;
    config->send_budget_bytes = (uint32_t)server->tcp.send_budget;
    config->initial_window_segments = (uint32_t)server->tcp.initial_window;
    config->out_of_order_max = (uint32_t)server->tcp.out_of_order_each;
    config->out_of_order_total = (uint32_t)server->tcp.out_of_order;
    config->packets_held_max = packets_for_data(server);
    config->use_newreno = server->tcp.congestion == CONFIG_CONGESTION_NEWRENO;
    config->offer_timestamps = server->tcp.timestamps;
    config->offer_sack = server->tcp.sack;
    config->rto_min_ms = (uint32_t)server->tcp.rto_min_ms;
    config->delayed_ack_ms = (uint32_t)server->tcp.delayed_ack_ms;
    config->tlp_ack_delay_ms = (uint32_t)server->tcp.tlp_ack_delay_ms;
    config->keepalive_ms = (uint32_t)server->tcp.keepalive_s * 1000;
    config->user_timeout_ms = (uint32_t)server->tcp.user_timeout_s * 1000;
    config->time_wait_ms = (uint32_t)server->tcp.time_wait_s * 1000;
    config->fin_wait_ms = (uint32_t)server->tcp.fin_wait_s * 1000;
    use_limits(config, server);
    for (uint32_t i = 0; i < server->listeners_count; i++)
        config->listen_ports[i] = (uint16_t)server->listeners[i].port;
    config->listen_port_count = server->listeners_count;
}

static int ring_create(struct tcp_index_ring *ring, uint32_t entries)
{
    uint32_t size = 1;
    while (size < entries)
        size *= 2;
    ring->indices = calloc(size, sizeof(*ring->indices));
    ring->mask = size - 1;
    return ring->indices ? 0 : -ENOMEM;
}

static int stack_tables_create(struct tcp_stack *stack)
{
    uint32_t count = stack->config.connections;
    uint32_t time_waits = 1;
    while (time_waits < count)
        time_waits *= 2;
    stack->time_wait_mask = time_waits - 1;
    stack->slots = memory_lines_create((size_t)count * sizeof(*stack->slots));
    stack->losses = calloc(count, sizeof(*stack->losses));
    stack->addresses6 = calloc(count, sizeof(*stack->addresses6));
    stack->challenges = calloc(count, sizeof(*stack->challenges));
    stack->free_indices = calloc(count, sizeof(*stack->free_indices));
    stack->time_waits = calloc(time_waits, sizeof(*stack->time_waits));
    stack->wheel = timer_wheel_create(count, stack->now_tick);
    if (!stack->slots || !stack->losses || !stack->addresses6 || !stack->challenges ||
        !stack->free_indices || !stack->time_waits || !stack->wheel ||
        ring_create(&stack->ready, count) || ring_create(&stack->output, count) ||
        tcp_syn_table_create(&stack->syn_table, stack->config.half_open_max) ||
        tcp_source_limit_create(&stack->source_limit, stack->config.connections_per_source, count,
                                &stack->key) ||
        connection_table_create(&stack->table, count + time_waits + stack->config.half_open_max))
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        stack->free_indices[i] = count - 1 - i; /* low indices first */
    stack->free_count = count;
    stack->no_loss = (struct tcp_loss){
        .stack = stack, .is_shared = true, .congestion = {.ssthresh_bytes = SSTHRESH_UNKNOWN}};
    return 0;
}

static void take_tuning(struct tcp_stack *stack)
{
    const struct tcp_stack_config *config = &stack->config;
    stack->receive_window_bytes = config->receive_window_bytes;
    stack->rto_ticks_min = tcp_ticks_of_ms(config->rto_min_ms);
    stack->delayed_ack_ticks = tcp_ticks_of_ms(config->delayed_ack_ms);
    stack->tlp_ack_delay_us = u32_max(config->tlp_ack_delay_ms * 1000, 1);
    stack->keepalive_ticks = tcp_ticks_of_ms(config->keepalive_ms);
    stack->user_timeout_ticks = tcp_ticks_of_ms(config->user_timeout_ms);
    stack->time_wait_ticks = tcp_ticks_of_ms(config->time_wait_ms);
    stack->fin_wait_ticks = tcp_ticks_of_ms(config->fin_wait_ms);
}

void tcp_stack_retune(struct tcp_stack *stack, const struct tcp_stack_config *config,
                      uint64_t now_ns)
{
    struct tcp_stack_config *own = &stack->config;
    stack_time(stack, now_ns);
    bool is_keepalive_new = own->keepalive_ms != config->keepalive_ms;
    own->receive_window_bytes = config->receive_window_bytes;
    own->send_budget_bytes = config->send_budget_bytes;
    own->mss_max_bytes = config->mss_max_bytes;
    own->rto_min_ms = config->rto_min_ms;
    own->delayed_ack_ms = config->delayed_ack_ms;
    own->tlp_ack_delay_ms = config->tlp_ack_delay_ms;
    own->keepalive_ms = config->keepalive_ms;
    own->keepalive_interval_ms = config->keepalive_interval_ms;
    own->keepalive_probes = config->keepalive_probes;
    own->user_timeout_ms = config->user_timeout_ms;
    own->time_wait_ms = config->time_wait_ms;
    own->fin_wait_ms = config->fin_wait_ms;
    take_tuning(stack);
    struct tcp_connection *connection;
    uint32_t cursor = 0;
    while (is_keepalive_new && (connection = tcp_next_open(stack, &cursor)) != NULL)
        tcp_keepalive_arm(stack, connection);
}

int tcp_stack_create(const struct tcp_stack_config *config, uint64_t now_ns,
                     struct tcp_stack **result)
{
    *result = NULL;
    if (config->connections == 0 || config->connections >= TCP_TABLE_ENTRIES_MAX ||
        config->half_open_max == 0 || config->half_open_max >= TCP_TABLE_ENTRIES_MAX ||
        !config->packets || !config->network || !config->counters ||
        config->listen_port_count > TCP_LISTENERS_MAX)
        return -EINVAL;
    struct tcp_stack *stack = memory_lines_create(sizeof(*stack));
    if (!stack)
        return -ENOMEM;
    stack->config = *config;
    stack_time(stack, now_ns);
    stack->network = config->network;
    stack->counters = config->counters;
    stack->trace = config->trace;
    stack->bin.pool = config->packets;
    stack->packets_held_max = config->packets_held_max ? config->packets_held_max : UINT32_MAX;
    stack->key = config->key;
    take_tuning(stack);
    stack->silent_head = stack->silent_tail = stack->dying = TCP_INDEX_NONE;
    memcpy(stack->listen_ports, config->listen_ports, sizeof(stack->listen_ports));
    stack->listen_port_count = config->listen_port_count;
    int result_code = stack_tables_create(stack);
    if (result_code) {
        tcp_stack_destroy(stack);
        return result_code;
    }
    *result = stack;
    return 0;
}

void tcp_stack_destroy(struct tcp_stack *stack)
{
    if (!stack)
        return;
    for (uint32_t i = 0; stack->slots && i < stack->config.connections; i++)
        if (stack->slots[i].connection.state != TCP_CLOSED)
            tcp_connection_end(stack, &stack->slots[i].connection);
    packet_bin_empty(&stack->bin);
    timer_wheel_destroy(stack->wheel);
    connection_table_destroy(&stack->table);
    tcp_syn_table_destroy(&stack->syn_table);
    tcp_source_limit_destroy(&stack->source_limit);
    free(stack->ready.indices);
    free(stack->output.indices);
    free(stack->challenges);
    free(stack->free_indices);
    free(stack->time_waits);
    free(stack->losses);
    free(stack->addresses6);
    free(stack->slots);
    free(stack);
}

bool tcp_is_listening(const struct tcp_stack *stack, uint16_t port)
{
    for (uint32_t i = 0; i < stack->listen_port_count; i++)
        if (stack->listen_ports[i] == port)
            return true;
    return false;
}

bool tcp_listen(struct tcp_stack *stack, uint16_t port)
{
    if (tcp_is_listening(stack, port))
        return true;
    if (stack->listen_port_count == TCP_LISTENERS_MAX)
        return false;
    stack->listen_ports[stack->listen_port_count++] = port;
    return true;
}

void tcp_stop_listening(struct tcp_stack *stack, uint16_t port)
{
    for (uint32_t i = 0; i < stack->listen_port_count; i++)
        if (stack->listen_ports[i] == port) {
            stack->listen_ports[i] = stack->listen_ports[--stack->listen_port_count];
            return;
        }
}

bool tcp_rate_allows(struct tcp_stack *stack, struct tcp_rate *rate)
{
    uint32_t per_s = stack->config.reset_rate_per_s;
    if (rate->allowed == 0 || stack->now_tick - rate->window_tick >= tcp_ticks_of_ms(1000)) {
        const uint64_t words[2] = {(uintptr_t)rate - (uintptr_t)stack, stack->now_ns};
        uint64_t drawn = siphash_place(&stack->key, words, 2) >> 32;
        rate->window_tick = stack->now_tick;
        rate->used = 0;
        rate->allowed = per_s - (uint32_t)((per_s / 2 * drawn) >> 32);
    }
    if (rate->used >= rate->allowed) {
        count(stack->counters, COUNTER_TCP_ANSWERS_LIMITED);
        return false;
    }
    rate->used++;
    return true;
}

static void take_addresses(struct tcp_stack *stack, struct tcp_connection *connection,
                           const struct network_flow *flow)
{
    connection->local_word = tcp_address_word(flow->local);
    connection->remote_word = tcp_address_word(flow->remote);
    if (flow->ip_version == 4)
        return;
    struct tcp_addresses6 *addresses = &stack->addresses6[connection_index(stack, connection)];
    memcpy(addresses->local, flow->local, 16);
    memcpy(addresses->remote, flow->remote, 16);
}

void tcp_flow_of(const struct tcp_stack *stack, const struct tcp_connection *connection,
                 struct network_flow *flow)
{
    const struct tcp_cold *cold = connection_cold(connection);
    *flow = (struct network_flow){.ip_version = 4, .port_index = cold->port_index};
    memcpy(flow->peer_mac, cold->next_hop_mac, 6);
    if (connection->flags & CONNECTION_IPV6) {
        const struct tcp_addresses6 *addresses =
            &stack->addresses6[connection_index(stack, connection)];
        flow->ip_version = 6;
        memcpy(flow->local, addresses->local, 16);
        memcpy(flow->remote, addresses->remote, 16);
    } else {
        memcpy(flow->local, &connection->local_word, 4);
        memcpy(flow->remote, &connection->remote_word, 4);
    }
}

/* Local addresses are few and ours: nobody can choose them, so they only have to tell apart. */
uint32_t tcp_flow_hash(const struct tcp_stack *stack, const struct network_flow *flow,
                       uint16_t local_port, uint16_t remote_port)
{
    uint64_t words[3];
    uint32_t ports = (uint32_t)remote_port << 16 | local_port;
    if (flow->ip_version == 4) {
        uint32_t remote, local;
        memcpy(&remote, flow->remote, sizeof(remote));
        memcpy(&local, flow->local, sizeof(local));
        words[0] = (uint64_t)(remote ^ local) << 32 | ports;
        return (uint32_t)siphash_place(&stack->key, words, 1);
    }
    memcpy(words, flow->remote, 16);
    words[2] = ports;
    return (uint32_t)siphash_place(&stack->key, words, 3);
}

uint32_t tcp_connection_hash(const struct tcp_stack *stack, const struct tcp_connection *connection)
{
    struct network_flow flow;
    tcp_flow_of(stack, connection, &flow);
    return tcp_flow_hash(stack, &flow, connection->local_port, connection->remote_port);
}

/*
 * RFC 9293 3.4.1: a clock of 4 us plus a keyed hash of the four-tuple. The hash's other half is the
 * timestamps' offset (RFC 7323 5.4). Its length tells it from the hash of a SYN cookie.
 */
struct tcp_secrets tcp_secrets_of(const struct tcp_stack *stack, const struct network_flow *flow,
                                  uint16_t local_port, uint16_t remote_port)
{
    uint64_t words[5];
    uint32_t length = 2;
    if (flow->ip_version == 4) {
        words[0] = (uint64_t)tcp_address_word(flow->local) << 32 | tcp_address_word(flow->remote);
    } else {
        memcpy(words, flow->local, 16);
        memcpy(words + 2, flow->remote, 16);
        length = 5;
    }
    words[length - 1] = (uint64_t)remote_port << 16 | local_port;
    uint64_t secret = siphash_words(&stack->key, words, length);
    return (struct tcp_secrets){
        .initial_sequence = (uint32_t)(secret + (stack->now_ns >> 12)),
        .timestamp_offset = (uint32_t)(secret >> 32),
    };
}

struct tcp_loss *tcp_loss_take(struct tcp_cold *cold)
{
    struct tcp_loss *own = connection_own_loss(cold);
    if (own)
        return own;
    struct tcp_stack *stack = cold->loss->stack;
    own = stack->free_losses;
    if (own) {
        stack->free_losses = own->next_free;
    } else {
        ASSERT_HOT(stack->losses_begun < stack->config.connections);
        own = &stack->losses[stack->losses_begun++];
    }
    *own = stack->no_loss;
    own->is_shared = false;
    cold->loss = own;
    return own;
}

void tcp_loss_give_back(struct tcp_cold *cold)
{
    struct tcp_loss *own = connection_own_loss(cold);
    if (!own)
        return;
    struct tcp_stack *stack = own->stack;
    own->next_free = stack->free_losses;
    stack->free_losses = own;
    cold->loss = &stack->no_loss;
}

void tcp_silent_add(struct tcp_stack *stack, struct tcp_connection *connection)
{
    uint32_t index = connection_index(stack, connection);
    struct tcp_cold *cold = &stack->slots[index].cold;
    ASSERT_HOT(!(connection->flags & CONNECTION_SILENT));
    connection->flags |= CONNECTION_SILENT;
    cold->silent_next = TCP_INDEX_NONE;
    cold->silent_previous = stack->silent_tail;
    if (stack->silent_tail != TCP_INDEX_NONE)
        stack->slots[stack->silent_tail].cold.silent_next = index;
    else
        stack->silent_head = index;
    stack->silent_tail = index;
}

void tcp_silent_remove(struct tcp_stack *stack, struct tcp_connection *connection)
{
    struct tcp_cold *cold = connection_cold(connection);
    connection->flags &= (uint16_t)~CONNECTION_SILENT;
    if (cold->silent_previous != TCP_INDEX_NONE)
        stack->slots[cold->silent_previous].cold.silent_next = cold->silent_next;
    else
        stack->silent_head = cold->silent_next;
    if (cold->silent_next != TCP_INDEX_NONE)
        stack->slots[cold->silent_next].cold.silent_previous = cold->silent_previous;
    else
        stack->silent_tail = cold->silent_previous;
}

/*
 * Room for one more: takes the connection that has been silent longest since its handshake. One
 * that the application knows needs a round to leave, so some slots are kept free in advance.
 */
static void make_room(struct tcp_stack *stack)
{
    uint32_t reserve = u32_min(64, stack->config.connections / 16);
    if (stack->free_count > reserve || stack->silent_head == TCP_INDEX_NONE)
        return;
    struct tcp_connection *oldest = &stack->slots[stack->silent_head].connection;
    count(stack->counters, COUNTER_TCP_SILENT_RECYCLED);
    tcp_send_reset(stack, oldest);
    tcp_connection_end(stack, oldest);
}

bool tcp_connections_are_full(const struct tcp_stack *stack)
{
    return stack->free_count == 0 && stack->silent_head == TCP_INDEX_NONE;
}

struct tcp_connection *tcp_connection_take(struct tcp_stack *stack, const struct network_flow *flow,
                                           uint16_t local_port, uint16_t remote_port)
{
    make_room(stack);
    if (stack->free_count == 0)
        return NULL;
    uint32_t index = stack->free_indices[--stack->free_count];
    struct tcp_connection *connection = &stack->slots[index].connection;
    struct tcp_cold *cold = &stack->slots[index].cold;
    uint32_t generation = cold->generation + 1;
    memset(connection, 0, sizeof(*connection));
    memset(cold, 0, sizeof(*cold));
    cold->generation = generation == 0 ? 1 : generation;
    cold->loss = &stack->no_loss;
    cold->port_index = flow->port_index;
    memcpy(cold->next_hop_mac, flow->peer_mac, 6);
    cold->silent_next = cold->silent_previous = TCP_INDEX_NONE;
    cold->network_generation = network_generation(stack->network) - 1; /* ask at first use */
    take_addresses(stack, connection, flow);
    connection->local_port = local_port;
    connection->remote_port = remote_port;
    connection->mss_bytes = 536; /* until the handshake is done */
    connection->flags = flow->ip_version == 6 ? CONNECTION_IPV6 : 0;
    connection->last_received_tick = stack->now_tick;
    stack->connection_count++;
    return connection;
}

static void queue_free(struct tcp_stack *stack, struct packet *packet)
{
    while (packet) {
        struct packet *next = packet->next;
        tcp_send_packet_free(stack, packet);
        packet = next;
    }
}

static void receive_queues_free(struct tcp_stack *stack, struct tcp_connection *connection,
                                struct tcp_cold *cold)
{
    struct packet *packet = NULL;
    if (connection->receive_tail) {
        packet = connection->receive_tail->next;
        connection->receive_tail->next = NULL;
    }
    for (int queue = 0; queue < 2; queue++) {
        while (packet) {
            struct packet *next = packet->next;
            stack_packet_free(stack, packet);
            packet = next;
        }
        packet = cold->loss->out_of_order;
    }
    connection->receive_tail = NULL;
    connection->receive_bytes = 0;
    struct tcp_loss *own = connection_own_loss(cold);
    if (own) {
        stack->out_of_order_held -= own->out_of_order_count;
        own->out_of_order = own->out_of_order_tail = NULL;
        own->out_of_order_count = 0;
    }
}

void tcp_connection_end(struct tcp_stack *stack, struct tcp_connection *connection)
{
    uint32_t index = connection_index(stack, connection);
    struct tcp_cold *cold = &stack->slots[index].cold;
    ASSERT(connection->state != TCP_CLOSED);
    if (connection->flags & CONNECTION_SILENT)
        tcp_silent_remove(stack, connection);
    if (UNLIKELY(stack->is_traced))
        tcp_trace_ended(stack, connection);
    connection->state = TCP_CLOSED;
    connection->flags |= CONNECTION_GONE;
    queue_free(stack, connection->send_head);
    connection->send_head = connection->send_next = connection->send_tail = NULL;
    connection->send_bytes = 0;
    receive_queues_free(stack, connection, cold);
    timer_wheel_cancel(stack->wheel, index);
    connection->armed_tick = 0;
    tcp_loss_give_back(cold);
    connection_table_remove(&stack->table, tcp_connection_hash(stack, connection), index);
    if (UNLIKELY(tcp_source_limit_is_on(&stack->source_limit)) &&
        !(connection->flags & CONNECTION_ACTIVE)) {
        struct network_flow flow;
        tcp_flow_of(stack, connection, &flow);
        tcp_source_limit_remove(&stack->source_limit, &flow);
    }
    count(stack->counters, COUNTER_TCP_CONNECTIONS_CLOSED);
    if (connection->cwnd_bytes > 0) /* it was open once */
        histogram_record(stack->counters, HISTOGRAM_TCP_WINDOW_AT_CLOSE_BYTES,
                         connection->cwnd_bytes);
    if (connection->flags & (CONNECTION_KNOWN | CONNECTION_ACTIVE)) {
        connection->events &= TCP_EVENT_PEER_CLOSED; /* tells an orderly end from a reset */
        connection_event(stack, connection, TCP_EVENT_GONE);
    } else {
        connection->events = 0; /* if it is on the ready list, tcp_take_ready frees the slot */
        if (!(connection->flags & CONNECTION_ON_READY))
            tcp_connection_free_slot(stack, connection);
    }
}

void tcp_connection_dies(struct tcp_stack *stack, struct tcp_connection *connection)
{
    connection_cold(connection)->silent_next = stack->dying;
    stack->dying = connection_index(stack, connection);
}

void tcp_connection_free_slot(struct tcp_stack *stack, struct tcp_connection *connection)
{
    uint32_t index = connection_index(stack, connection);
    ASSERT_HOT(connection->state == TCP_CLOSED && connection->armed_tick == 0);
    if (connection->flags & CONNECTION_ON_OUTPUT) { /* its entry in the ring must go first */
        tcp_connection_dies(stack, connection);
        return;
    }
    stack->connection_count--;
    connection->flags = 0;
    stack->free_indices[stack->free_count++] = index;
}

bool tcp_connection_is(const struct tcp_stack *stack, const struct tcp_connection *connection,
                       const struct network_flow *flow, uint16_t local_port, uint16_t remote_port)
{
    if (connection->local_port != local_port || connection->remote_port != remote_port)
        return false;
    struct network_flow own;
    tcp_flow_of(stack, connection, &own);
    return own.ip_version == flow->ip_version && own.port_index == flow->port_index &&
           memcmp(own.local, flow->local, 16) == 0 && memcmp(own.remote, flow->remote, 16) == 0;
}

void tcp_stack_levels(const struct tcp_stack *stack, struct tcp_levels *levels)
{
    levels->half_open = stack->syn_table.entry_count;
    levels->time_wait = stack->time_wait_live;
    levels->packets_held = stack->packets_held;
    levels->out_of_order = stack->out_of_order_held;
}

uint32_t tcp_connection_count(const struct tcp_stack *stack)
{
    return stack->connection_count;
}

uint32_t tcp_half_open_count(const struct tcp_stack *stack)
{
    return stack->syn_table.entry_count;
}

uint32_t tcp_time_wait_count(const struct tcp_stack *stack)
{
    return stack->time_wait_live;
}

void tcp_connection_info(const struct tcp_stack *stack, const struct tcp_connection *connection,
                         struct tcp_connection_info *info)
{
    const struct tcp_cold *cold = connection_cold(connection);
    uint32_t unsent = 0;
    for (const struct packet *packet = connection->send_next; packet; packet = packet->next)
        unsent += packet->tx.payload_bytes;
    *info = (struct tcp_connection_info){
        .state = connection->state,
        .cwnd_bytes = connection->cwnd_bytes,
        .ssthresh_bytes = cold->loss->congestion.ssthresh_bytes,
        .srtt_us = connection->srtt_us8 >> 3,
        .rto_ms = (uint32_t)(((uint64_t)tcp_rto_ticks(stack, connection, cold) << TCP_TICK_SHIFT) /
                             1000000),
        .in_flight_bytes = connection->snd_nxt - connection->snd_una,
        .unsent_bytes = unsent,
        .snd_wnd_bytes = connection->snd_wnd_bytes,
        .rcv_wnd_bytes = connection->rcv_edge - connection->rcv_nxt,
        .mss_bytes = connection->mss_bytes,
        .recovery = cold->loss->recovery,
    };
}

void tcp_connection_flow(const struct tcp_connection *connection, struct network_flow *flow,
                         uint16_t *local_port, uint16_t *remote_port)
{
    tcp_flow_of(connection_cold(connection)->loss->stack, connection, flow);
    *local_port = connection->local_port;
    *remote_port = connection->remote_port;
}
