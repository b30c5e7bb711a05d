/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/live_settings.h"

#include <stdlib.h>
#include <string.h>

struct live_board *live_board_create(uint32_t reader_count, struct live_settings *first,
                                     void (*destroy)(struct live_settings *settings))
{
    size_t bytes = sizeof(struct live_board) + reader_count * sizeof(struct live_reader);
    struct live_board *board = aligned_alloc(GUARD_BYTES, bytes);
    if (!board)
        return NULL;
    memset(board, 0, bytes);
    first->generation = 1;
    first->older = NULL;
    board->destroy = destroy;
    board->newest = first;
    board->reader_count = reader_count;
    atomic_init(&board->current, first);
    return board;
}

static void destroy_chain(struct live_board *board, struct live_settings *settings)
{
    while (settings) {
        struct live_settings *older = settings->older;
        board->destroy(settings);
        settings = older;
    }
}

void live_board_destroy(struct live_board *board)
{
    if (!board)
        return;
    destroy_chain(board, board->newest);
    free(board);
}

void live_board_publish(struct live_board *board, struct live_settings *fresh)
{
    fresh->generation = board->newest->generation + 1;
    fresh->older = board->newest;
    board->newest = fresh;
    /* Release pairs with the acquire in live_settings_take. */
    atomic_store_explicit(&board->current, fresh, memory_order_release);
}

uint32_t live_board_collect(struct live_board *board)
{
    uint64_t held = board->newest->generation;
    for (uint32_t i = 0; i < board->reader_count; i++) {
        uint64_t generation =
            atomic_load_explicit(&board->readers[i].generation, memory_order_acquire);
        if (generation < held)
            held = generation;
    }
    uint32_t left = 0;
    struct live_settings *last = board->newest;
    for (; last->older && last->generation > held; last = last->older)
        left++;
    destroy_chain(board, last->older);
    last->older = NULL;
    return left;
}
