/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tcp_syn_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp_input.h"
#include "dataplane/tcp_internal.h"
#include "include/memory_region.h"

#define RESENT_PER_ROUND_MAX 32u

int tcp_syn_table_create(struct tcp_syn_table *table, uint32_t entry_max)
{
    *table = (struct tcp_syn_table){.entry_max = entry_max, .free_head = TCP_INDEX_NONE};
    for (uint32_t i = 0; i < ARRAY_COUNT(table->waiting); i++)
        table->waiting[i] = (struct tcp_syn_list){TCP_INDEX_NONE, TCP_INDEX_NONE};
    table->entries = memory_lines_create((size_t)entry_max * sizeof(*table->entries));
    table->addresses6 = calloc(entry_max, sizeof(*table->addresses6));
    return table->entries && table->addresses6 ? 0 : -ENOMEM;
}

void tcp_syn_table_destroy(struct tcp_syn_table *table)
{
    free(table->entries);
    free(table->addresses6);
}

static uint32_t index_of(const struct tcp_syn_table *table, const struct tcp_half_open *half_open)
{
    return (uint32_t)(half_open - table->entries);
}

struct tcp_half_open *tcp_half_open_at(struct tcp_syn_table *table, uint32_t table_index)
{
    uint32_t index = table_index & ~TCP_HALF_OPEN_INDEX;
    ASSERT_HOT(index < table->begun);
    return &table->entries[index];
}

struct tcp_addresses6 *tcp_half_open_addresses6(struct tcp_syn_table *table,
                                                const struct tcp_half_open *half_open)
{
    return &table->addresses6[index_of(table, half_open)];
}

/* ---- who ---- */

void tcp_half_open_set_flow(struct tcp_syn_table *table, struct tcp_half_open *half_open,
                            const struct network_flow *flow)
{
    half_open->remote_word = tcp_address_word(flow->remote);
    half_open->local_word = tcp_address_word(flow->local);
    half_open->port_index = flow->port_index;
    memcpy(half_open->next_hop_mac, flow->peer_mac, 6);
    if (flow->ip_version == 4)
        return;
    half_open->flags |= CONNECTION_IPV6;
    struct tcp_addresses6 *addresses = tcp_half_open_addresses6(table, half_open);
    memcpy(addresses->local, flow->local, 16);
    memcpy(addresses->remote, flow->remote, 16);
}

void tcp_half_open_flow(struct tcp_syn_table *table, const struct tcp_half_open *half_open,
                        struct network_flow *flow)
{
    *flow = (struct network_flow){.ip_version = 4, .port_index = half_open->port_index};
    memcpy(flow->peer_mac, half_open->next_hop_mac, 6);
    if (half_open->flags & CONNECTION_IPV6) {
        const struct tcp_addresses6 *addresses = tcp_half_open_addresses6(table, half_open);
        flow->ip_version = 6;
        memcpy(flow->local, addresses->local, 16);
        memcpy(flow->remote, addresses->remote, 16);
    } else {
        memcpy(flow->local, &half_open->local_word, 4);
        memcpy(flow->remote, &half_open->remote_word, 4);
    }
}

/* ---- lists ---- */

static void list_append(struct tcp_syn_table *table, struct tcp_half_open *half_open)
{
    struct tcp_syn_list *list = &table->waiting[half_open->retries];
    uint32_t index = index_of(table, half_open);
    half_open->next = TCP_INDEX_NONE;
    half_open->previous = list->tail;
    if (list->tail != TCP_INDEX_NONE)
        table->entries[list->tail].next = index;
    else
        list->head = index;
    list->tail = index;
}

static void list_remove(struct tcp_syn_table *table, const struct tcp_half_open *half_open)
{
    struct tcp_syn_list *list = &table->waiting[half_open->retries];
    if (half_open->previous != TCP_INDEX_NONE)
        table->entries[half_open->previous].next = half_open->next;
    else
        list->head = half_open->next;
    if (half_open->next != TCP_INDEX_NONE)
        table->entries[half_open->next].previous = half_open->previous;
    else
        list->tail = half_open->previous;
}

struct tcp_half_open *tcp_syn_table_take(struct tcp_syn_table *table)
{
    struct tcp_half_open *half_open;
    if (table->free_head != TCP_INDEX_NONE) {
        half_open = &table->entries[table->free_head];
        table->free_head = half_open->next;
    } else if (table->begun < table->entry_max) {
        half_open = &table->entries[table->begun++];
    } else {
        return NULL;
    }
    table->entry_count++;
    *half_open = (struct tcp_half_open){.next = TCP_INDEX_NONE, .previous = TCP_INDEX_NONE};
    return half_open;
}

static void give_back(struct tcp_syn_table *table, struct tcp_half_open *half_open)
{
    ASSERT_HOT(table->entry_count > 0);
    list_remove(table, half_open);
    half_open->next = table->free_head;
    table->free_head = index_of(table, half_open);
    table->entry_count--;
}

void tcp_syn_table_add(struct tcp_stack *stack, struct tcp_half_open *half_open)
{
    struct tcp_syn_table *table = &stack->syn_table;
    half_open->sent_us = (uint32_t)(stack->now_ns / 1000);
    list_append(table, half_open);
    connection_table_insert(&stack->table, half_open->flow_hash,
                            index_of(table, half_open) | TCP_HALF_OPEN_INDEX);
}

void tcp_syn_table_remove(struct tcp_stack *stack, struct tcp_half_open *half_open)
{
    struct tcp_syn_table *table = &stack->syn_table;
    if (UNLIKELY(stack->is_traced))
        tcp_trace_half_open_ended(stack, half_open);
    connection_table_remove(&stack->table, half_open->flow_hash,
                            index_of(table, half_open) | TCP_HALF_OPEN_INDEX);
    give_back(table, half_open);
}

void tcp_syn_table_replace(struct tcp_stack *stack, struct tcp_half_open *half_open, uint32_t index)
{
    struct tcp_syn_table *table = &stack->syn_table;
    connection_table_replace(&stack->table, half_open->flow_hash,
                             index_of(table, half_open) | TCP_HALF_OPEN_INDEX, index);
    give_back(table, half_open);
}

struct tcp_half_open *tcp_syn_table_oldest(struct tcp_syn_table *table)
{
    ASSERT_HOT(table->entry_count > 0);
    uint32_t retries = TCP_SYN_ACK_RETRIES_MAX;
    while (table->waiting[retries].head == TCP_INDEX_NONE)
        retries--;
    return &table->entries[table->waiting[retries].head];
}

/* ---- time ---- */

/* Negative when it is past. */
static int32_t due_in_us(const struct tcp_half_open *half_open, uint64_t now_ns)
{
    uint32_t waited_us = (uint32_t)(now_ns / 1000) - half_open->sent_us;
    return (int32_t)((TCP_SYN_ACK_TIMEOUT_US << half_open->retries) - waited_us);
}

static void timed_out(struct tcp_stack *stack, struct tcp_half_open *half_open)
{
    struct tcp_syn_table *table = &stack->syn_table;
    if (half_open->retries == TCP_SYN_ACK_RETRIES_MAX) {
        count(stack->counters, COUNTER_TCP_TIMEOUTS);
        tcp_syn_table_remove(stack, half_open);
        return;
    }
    list_remove(table, half_open);
    half_open->retries++;
    half_open->challenges = 0;
    half_open->sent_us = (uint32_t)(stack->now_ns / 1000);
    list_append(table, half_open);
    struct network_flow flow;
    tcp_half_open_flow(table, half_open, &flow);
    count(stack->counters, COUNTER_TCP_RETRANSMITS_TIMEOUT);
    tcp_send_syn_ack(stack, half_open, &flow);
}

void tcp_syn_table_run(struct tcp_stack *stack)
{
    struct tcp_syn_table *table = &stack->syn_table;
    if (LIKELY(table->entry_count == 0))
        return;
    uint32_t budget = RESENT_PER_ROUND_MAX;
    for (uint32_t retries = 0; retries <= TCP_SYN_ACK_RETRIES_MAX; retries++) {
        for (; table->waiting[retries].head != TCP_INDEX_NONE && budget > 0; budget--) {
            struct tcp_half_open *oldest = &table->entries[table->waiting[retries].head];
            if (due_in_us(oldest, stack->now_ns) > 0)
                break;
            timed_out(stack, oldest);
        }
    }
}

uint64_t tcp_syn_table_next_ns(const struct tcp_syn_table *table, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t retries = 0; retries <= TCP_SYN_ACK_RETRIES_MAX; retries++) {
        if (table->waiting[retries].head == TCP_INDEX_NONE)
            continue;
        int32_t due_us = due_in_us(&table->entries[table->waiting[retries].head], now_ns);
        uint64_t due_ns = now_ns + (due_us > 0 ? (uint64_t)due_us * 1000 : 0);
        if (due_ns < next_ns)
            next_ns = due_ns;
    }
    return next_ns;
}
