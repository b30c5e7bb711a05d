/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/bulletin.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/compiler.h"

#define NOTE_WORDS (BULLETIN_NOTE_BYTES / sizeof(uint64_t))
#define SLOT_MASK (BULLETIN_NOTES - 1u)

static_assert((BULLETIN_NOTES & SLOT_MASK) == 0, "slots are picked by a mask");

struct bulletin_log {
    alignas(GUARD_BYTES) _Atomic uint64_t begun; /* notes whose slot may be half written */
    _Atomic uint64_t written;                    /* notes that are whole */
    alignas(GUARD_BYTES) _Atomic uint64_t notes[BULLETIN_NOTES][NOTE_WORDS];
};

struct bulletin_board {
    uint32_t worker_count;
    struct bulletin_log logs[];
};

struct bulletin_reader {
    struct bulletin_board *board;
    uint32_t worker_index;
    uint32_t next_worker; /* where the next call begins, so that no log starves the others */
    uint64_t cursors[];
};

struct bulletin_board *bulletin_board_create(uint32_t worker_count)
{
    size_t bytes = sizeof(struct bulletin_board) + worker_count * sizeof(struct bulletin_log);
    bytes = (bytes + GUARD_BYTES - 1) & ~(size_t)(GUARD_BYTES - 1);
    struct bulletin_board *board = aligned_alloc(GUARD_BYTES, bytes);
    if (!board)
        return NULL;
    memset(board, 0, bytes);
    board->worker_count = worker_count;
    return board;
}

void bulletin_board_destroy(struct bulletin_board *board)
{
    free(board);
}

struct bulletin_reader *bulletin_reader_create(struct bulletin_board *board, uint32_t worker_index)
{
    ASSERT(worker_index < board->worker_count);
    struct bulletin_reader *reader =
        calloc(1, sizeof(*reader) + board->worker_count * sizeof(uint64_t));
    if (!reader)
        return NULL;
    reader->board = board;
    reader->worker_index = worker_index;
    return reader;
}

void bulletin_reader_destroy(struct bulletin_reader *reader)
{
    free(reader);
}

void bulletin_post(struct bulletin_board *board, uint32_t worker_index, const void *note)
{
    struct bulletin_log *log = &board->logs[worker_index];
    uint64_t words[NOTE_WORDS];
    memcpy(words, note, sizeof(words));
    uint64_t index = atomic_load_explicit(&log->written, memory_order_relaxed); /* we own it */
    atomic_store_explicit(&log->begun, index + 1, memory_order_relaxed);
    /* Pairs with the acquire fence in read_one: who sees a word of this note sees `begun` too. */
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < NOTE_WORDS; i++)
        atomic_store_explicit(&log->notes[index & SLOT_MASK][i], words[i], memory_order_relaxed);
    /* Release pairs with the acquire of `written` in bulletin_read: the note is whole. */
    atomic_store_explicit(&log->written, index + 1, memory_order_release);
}

/* False when the writer has begun to reuse the slot. */
static bool read_one(struct bulletin_log *log, uint64_t index, void *out)
{
    uint64_t words[NOTE_WORDS];
    for (size_t i = 0; i < NOTE_WORDS; i++)
        words[i] = atomic_load_explicit(&log->notes[index & SLOT_MASK][i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire); /* pairs with the release fence in bulletin_post */
    if (atomic_load_explicit(&log->begun, memory_order_relaxed) - index > BULLETIN_NOTES)
        return false;
    memcpy(out, words, sizeof(words));
    return true;
}

static uint32_t read_log(struct bulletin_log *log, uint64_t *cursor, uint8_t *out, uint32_t limit,
                         uint64_t *lost_count)
{
    uint32_t count = 0;
    uint64_t written = atomic_load_explicit(&log->written, memory_order_acquire);
    if (written - *cursor > BULLETIN_NOTES) {
        *lost_count += written - *cursor - BULLETIN_NOTES;
        *cursor = written - BULLETIN_NOTES;
    }
    for (; *cursor != written && count < limit; (*cursor)++) {
        if (read_one(log, *cursor, out + count * BULLETIN_NOTE_BYTES))
            count++;
        else
            (*lost_count)++;
    }
    return count;
}

uint32_t bulletin_read(struct bulletin_reader *reader, void *out, uint32_t limit,
                       uint64_t *lost_count)
{
    uint32_t count = 0;
    struct bulletin_board *board = reader->board;
    *lost_count = 0;
    for (uint32_t i = 0; i < board->worker_count && count < limit; i++) {
        uint32_t worker = reader->next_worker;
        reader->next_worker = worker + 1 == board->worker_count ? 0 : worker + 1;
        if (worker != reader->worker_index)
            count +=
                read_log(&board->logs[worker], &reader->cursors[worker],
                         (uint8_t *)out + count * BULLETIN_NOTE_BYTES, limit - count, lost_count);
    }
    return count;
}
