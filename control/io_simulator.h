/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io_simulator.h - a disk in memory that crashes on request: the test side of the simulated loop.
 *
 * Purpose:   run the store against power loss and faults at every I/O, thousands of times a second,
 *            every run repeatable from its seed.
 * Ownership: the simulator owns the disk; loops are destroyed by who opened them, before it.
 * Threading: one thread for the simulator and all its loops.
 * Units:     bytes, sectors of 512 bytes; virtual _ns and _ms.
 * Errors:    as io_loop.h; -ECANCELED from calls on a loop whose machine crashed.
 * Source:    SQLite's crash tests (src/test6.c) for drop, keep and trash; Rebello et al., USENIX
 *            ATC 2020, for what a failed fsync leaves behind.
 *
 * What survives:
 * - A write changes what reads see when it completes, and the disk only by a sync that was
 *   *submitted* after that. IO_SYNC_DATA also makes the length durable.
 * - IO_WRITE_DURABLE (and a write under O_DSYNC) makes durable what it wrote when it completes, and
 *   nothing else: a disk with forced unit access syncs no other write of the file. Before that it
 *   is torn like any other. It counts as a sync where syncs are counted.
 * - A new name, a rename or an unlink is durable after IO_SYNC_ALL of its directory (for a rename
 *   between two directories: of either). io_make_directory is such a change of the parent too.
 * - Operations in flight at the crash count as not synced.
 * - A failed sync drops what it should have made durable: reads still show it, and no later sync
 *   saves it.
 * - Completions come in random order after random latencies; time moves in io_wait only.
 *
 * Paths start at the root; a relative path starts at directory_fd, or at the root for AT_FDCWD.
 * Descriptors belong to the machine, not to one loop, and end with a crash.
 */
#ifndef GANNET_IO_SIMULATOR_H
#define GANNET_IO_SIMULATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "control/io_loop.h"

struct io_simulator;
struct io_disk_image;

struct io_simulator *io_simulator_create(uint64_t seed);
void io_simulator_destroy(struct io_simulator *sim);

/* One thread of a process on this machine. As io_loop_create; config->backend is ignored. */
int io_simulator_loop(struct io_simulator *sim, const struct io_loop_config *config,
                      struct io_loop **loop);

/* What becomes of everything that was not synced. */
enum io_crash_mode {
    IO_CRASH_DROP = 0, /* nothing of it survives */
    IO_CRASH_KEEP,     /* all of it survives, as after kill -9 */
    /*
     * Each sector of a write survives or holds random bytes: whole sectors, also where the write
     * covered only a part of one. Names survive up to a random point.
     */
    IO_CRASH_TRASH,
    IO_CRASH_TEAR,    /* of each write the first so many sectors; names up to a random point */
    IO_CRASH_REORDER, /* each write and name change survives or not, whatever came before it */
    IO_CRASH_RANDOM,  /* each takes one of the above */
    IO_CRASH_MODE_COUNT,
};
extern const char *const io_crash_mode_names[IO_CRASH_MODE_COUNT];

/*
 * Power loss now. All loops are dead afterwards (they can only be destroyed), descriptors and locks
 * are gone, and new loops see what survived.
 */
void io_simulator_crash(struct io_simulator *sim, enum io_crash_mode mode);

/*
 * The machine stops at the k-th counted operation from now (0: the next): it and all later ones
 * vanish, nothing completes any more. io_simulator_crash then decides what survived.
 */
void io_simulator_crash_after(struct io_simulator *sim, uint64_t k);
bool io_simulator_is_crashed(const struct io_simulator *sim);

/* Operations started so far: io_submit and io_make_directory. */
uint64_t io_simulator_operations(const struct io_simulator *sim);
uint64_t io_simulator_syncs(const struct io_simulator *sim); /* of these: data or all */

enum io_fault {
    IO_FAULT_ERROR = 0,    /* completes with -error; a write may have reached the disk in part */
    IO_FAULT_SHORT_ONE,    /* a read or write of one byte (one block under O_DIRECT) */
    IO_FAULT_SHORT_SECTOR, /* all but the last 512 bytes (all but one block under O_DIRECT) */
};

/*
 * The k-th counted operation from now (0: the next) meets the fault. Up to IO_FAULTS_MAX wait at
 * once. A short fault that meets something other than a read or write that can be cut does nothing.
 */
#define IO_FAULTS_MAX 64u
void io_simulator_fault_at(struct io_simulator *sim, uint64_t k, enum io_fault fault, int error);
/* The k-th sync from now (data or all) fails with EIO once; the next ones succeed. */
void io_simulator_fail_sync_at(struct io_simulator *sim, uint64_t k);
/* From now on each read, write, allocation and sync meets the fault with this probability (0: off).
 */
void io_simulator_fault_randomly(struct io_simulator *sim, enum io_fault fault, int error,
                                 uint32_t permille);
/*
 * The next so many operations of this kind complete with -error. A close that fails has closed all
 * the same, as on Linux.
 */
void io_simulator_refuse(struct io_simulator *sim, enum io_code code, int error, uint32_t count);
void io_simulator_clear_faults(struct io_simulator *sim); /* and crash_after */

/* Space for file contents, counted in blocks of 4 KiB; what does not fit is ENOSPC. Default 1 TiB.
 */
void io_simulator_set_capacity(struct io_simulator *sim, uint64_t bytes);
/* O_DIRECT: offset, length and address must be multiples of this. Default 4096: right on every
 * disk. */
void io_simulator_set_direct_alignment(struct io_simulator *sim, uint32_t bytes);

/* The longest an operation of this kind takes, but for one in fifty that takes 50 times that. */
void io_simulator_set_latency_us(struct io_simulator *sim, enum io_code code, uint32_t most_us);

/* Damage to what is on the disk, past every sync. False when there is no such file or byte. */
bool io_simulator_flip_bit(struct io_simulator *sim, const char *path, uint64_t offset,
                           uint32_t bit);
/* What is on the disk, from the beginning; the count, or -ENOENT. */
int64_t io_simulator_read(const struct io_simulator *sim, const char *path, void *out,
                          uint32_t bytes);
bool io_simulator_truncate(struct io_simulator *sim, const char *path, uint64_t bytes);
bool io_simulator_remove(struct io_simulator *sim, const char *path);
int64_t io_simulator_file_bytes(const struct io_simulator *sim, const char *path); /* or -ENOENT */
uint32_t io_simulator_open_files(const struct io_simulator *sim);

/*
 * The durable state, to go back to as often as wanted (also into another simulator). Restoring is a
 * crash as well: loops die, descriptors end, pending faults are cleared.
 */
struct io_disk_image *io_simulator_snapshot(const struct io_simulator *sim);
void io_simulator_restore(struct io_simulator *sim, const struct io_disk_image *image);
void io_disk_image_destroy(struct io_disk_image *image);

void io_simulator_reseed(struct io_simulator *sim, uint64_t seed);
void io_simulator_advance_ns(struct io_simulator *sim, uint64_t by);
/* When the next operation completes; UINT64_MAX: none is under way. */
uint64_t io_simulator_next_ns(const struct io_simulator *sim);
void io_simulator_jump_wall_ms(struct io_simulator *sim, int64_t by);

#endif
