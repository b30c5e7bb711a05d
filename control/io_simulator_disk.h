/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io_simulator_disk.h - files and directories of the simulated disk, as seen and as durable.
 *
 * Purpose:   the model of what a crash keeps; private to io_simulator_disk.c and its loop.
 * Ownership: the disk owns all nodes; a node lives while anything seen, durable, pending or open
 *            names it.
 * Threading: one thread.
 * Units:     bytes; pages of 4 KiB, sectors of 512 bytes.
 * Errors:    0 or a negative errno.
 * Source:    see io_simulator.h.
 */
#ifndef GANNET_IO_SIMULATOR_DISK_H
#define GANNET_IO_SIMULATOR_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "control/io_simulator.h"
#include "include/random.h"

#define DISK_PAGE_BYTES 4096u
#define DISK_SECTOR_BYTES 512u

/* Contents of a file: shared, copied on write. A NULL page reads as zeros and takes no space. */
struct disk_page;
struct disk_contents {
    uint64_t bytes;
    uint64_t page_count; /* length of `pages` */
    uint64_t used_count; /* pages that take space */
    struct disk_page **pages;
};

struct disk_name {
    char *name;
    struct disk_node *node;
};

struct disk_names {
    struct disk_name *list;
    uint32_t count, room;
};

enum disk_change_kind {
    DISK_CHANGE_WRITE,    /* offset, data */
    DISK_CHANGE_TRUNCATE, /* offset: the new length */
    DISK_CHANGE_ALLOCATE, /* offset, bytes */
};

/* A change of a file that is seen and not durable. */
struct disk_change {
    struct disk_change *next;
    enum disk_change_kind kind;
    bool is_durable; /* it is; kept because a change before it, which is not, may lie below it */
    uint64_t sequence;
    uint64_t offset;
    uint32_t bytes;
    uint8_t data[];
};

struct disk_node {
    uint32_t index; /* in disk->nodes */
    bool is_directory;
    bool is_marked; /* by the sweep */
    uint32_t open_count;
    int lock_fd; /* the descriptor that holds the lock, or -1 */
    struct disk_contents seen, durable;
    struct disk_change *changes, **changes_end; /* in order */
    struct disk_names seen_names, durable_names;
};

/* A change of one directory (a rename between two: both) that is seen and not durable. */
struct disk_name_change {
    struct disk_name_change *next;
    uint64_t sequence;
    struct disk_node *from_directory, *to_directory; /* either may be NULL */
    char *from_name, *to_name;
    struct disk_node *node;
};

struct disk {
    struct disk_node **nodes;
    uint32_t node_count, node_room;
    struct disk_node *root;
    struct disk_name_change *name_changes, **name_changes_end; /* in order */
    uint64_t sequence;                                         /* of the last change */
    uint64_t capacity_bytes;
};

void disk_init(struct disk *disk);
void disk_clear(struct disk *disk); /* frees everything */

/* The directory a path ends in and its last component; `start` for relative paths. */
int disk_resolve_parent(const struct disk *disk, struct disk_node *start, const char *path,
                        struct disk_node **directory, const char **name);
struct disk_node *disk_find(const struct disk *disk, struct disk_node *start, const char *path);

int disk_create(struct disk *disk, struct disk_node *directory, const char *name, bool is_directory,
                struct disk_node **node);
int disk_rename(struct disk *disk, struct disk_node *from, const char *from_name,
                struct disk_node *to, const char *to_name);
int disk_unlink(struct disk *disk, struct disk_node *directory, const char *name);
int disk_link(struct disk *disk, struct disk_node *from, const char *from_name,
              struct disk_node *to, const char *to_name);

uint32_t disk_links(const struct disk *disk, const struct disk_node *node); /* names it has */

uint32_t disk_read(const struct disk_node *node, uint64_t offset, void *out, uint32_t bytes);
int disk_write(struct disk *disk, struct disk_node *node, uint64_t offset, const void *data,
               uint32_t bytes, bool is_durable);
int disk_allocate(struct disk *disk, struct disk_node *node, uint64_t offset, uint32_t bytes);
int disk_truncate(struct disk *disk, struct disk_node *node, uint64_t bytes);

/* Makes durable what changed up to `sequence`; or loses it for good, as a failed sync does. */
void disk_sync(struct disk *disk, struct disk_node *node, uint64_t sequence);
void disk_lose(struct disk *disk, struct disk_node *node, uint64_t sequence);

/* Unwritten changes meet their fate; afterwards what is seen is what is durable. */
void disk_crash(struct disk *disk, enum io_crash_mode mode, struct random *random);

void disk_copy_durable(struct disk *to, const struct disk *from);
uint64_t disk_used_bytes(const struct disk *disk);
void disk_sweep(struct disk *disk); /* frees nodes that nothing names */

/* Damage: straight into both images. */
bool disk_flip_bit(struct disk_node *node, uint64_t offset, uint32_t bit);
void disk_cut(struct disk_node *node, uint64_t bytes);
void disk_forget_name(struct disk *disk, struct disk_node *directory, const char *name);

#endif
