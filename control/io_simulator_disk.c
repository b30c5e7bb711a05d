/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/io_simulator_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/compiler.h"

#define CAPACITY_DEFAULT_BYTES (UINT64_C(1) << 40)

/* ------------------------------------------------------------------ contents of a file */

struct disk_page {
    uint32_t references;
    uint8_t data[DISK_PAGE_BYTES];
};

/* Test machinery: memory that runs out ends the test. */
static void *must(void *memory)
{
    ASSERT(memory);
    return memory;
}

static void page_drop(struct disk_page *page)
{
    if (page && --page->references == 0)
        free(page);
}

/* The page, ours alone, so that it can be written to. */
static struct disk_page *page_own(struct disk_contents *contents, uint64_t index)
{
    struct disk_page *page = contents->pages[index];
    if (page && page->references == 1)
        return page;
    struct disk_page *own = must(calloc(1, sizeof(*own)));
    own->references = 1;
    if (page) {
        memcpy(own->data, page->data, sizeof(own->data));
        page_drop(page);
    } else {
        contents->used_count++;
    }
    contents->pages[index] = own;
    return own;
}

static void contents_make_room(struct disk_contents *contents, uint64_t bytes)
{
    uint64_t wanted = (bytes + DISK_PAGE_BYTES - 1) / DISK_PAGE_BYTES;
    if (wanted <= contents->page_count)
        return;
    uint64_t count = wanted > 2 * contents->page_count ? wanted : 2 * contents->page_count;
    contents->pages = must(realloc(contents->pages, count * sizeof(*contents->pages)));
    memset(contents->pages + contents->page_count, 0,
           (count - contents->page_count) * sizeof(*contents->pages));
    contents->page_count = count;
}

static void contents_write(struct disk_contents *contents, uint64_t offset, const void *data,
                           uint64_t bytes)
{
    const uint8_t *from = data;
    contents_make_room(contents, offset + bytes);
    for (uint64_t done = 0; done < bytes;) {
        uint64_t at = (offset + done) % DISK_PAGE_BYTES;
        uint64_t part = DISK_PAGE_BYTES - at < bytes - done ? DISK_PAGE_BYTES - at : bytes - done;
        memcpy(page_own(contents, (offset + done) / DISK_PAGE_BYTES)->data + at, from + done, part);
        done += part;
    }
    if (bytes > 0 && contents->bytes < offset + bytes)
        contents->bytes = offset + bytes;
}

static uint64_t contents_read(const struct disk_contents *contents, uint64_t offset, void *out,
                              uint64_t bytes)
{
    if (offset >= contents->bytes)
        return 0;
    if (bytes > contents->bytes - offset)
        bytes = contents->bytes - offset;
    for (uint64_t done = 0; done < bytes;) {
        uint64_t index = (offset + done) / DISK_PAGE_BYTES, at = (offset + done) % DISK_PAGE_BYTES;
        uint64_t part = DISK_PAGE_BYTES - at < bytes - done ? DISK_PAGE_BYTES - at : bytes - done;
        const struct disk_page *page = index < contents->page_count ? contents->pages[index] : NULL;
        if (page)
            memcpy((uint8_t *)out + done, page->data + at, part);
        else
            memset((uint8_t *)out + done, 0, part);
        done += part;
    }
    return bytes;
}

static void contents_truncate(struct disk_contents *contents, uint64_t bytes)
{
    uint64_t keep = (bytes + DISK_PAGE_BYTES - 1) / DISK_PAGE_BYTES;
    for (uint64_t i = keep; i < contents->page_count; i++) {
        if (contents->pages[i])
            contents->used_count--;
        page_drop(contents->pages[i]);
        contents->pages[i] = NULL;
    }
    uint64_t at = bytes % DISK_PAGE_BYTES; /* growing again must show zeros */
    if (at > 0 && bytes < contents->bytes && keep <= contents->page_count &&
        contents->pages[keep - 1])
        memset(page_own(contents, keep - 1)->data + at, 0, DISK_PAGE_BYTES - at);
    contents->bytes = bytes;
}

static void contents_allocate(struct disk_contents *contents, uint64_t offset, uint64_t bytes)
{
    contents_make_room(contents, offset + bytes);
    for (uint64_t i = offset / DISK_PAGE_BYTES; i * DISK_PAGE_BYTES < offset + bytes; i++)
        if (!contents->pages[i])
            page_own(contents, i);
    if (contents->bytes < offset + bytes)
        contents->bytes = offset + bytes;
}

static uint64_t contents_new_pages(const struct disk_contents *contents, uint64_t offset,
                                   uint64_t bytes)
{
    uint64_t count = 0;
    for (uint64_t i = offset / DISK_PAGE_BYTES; i * DISK_PAGE_BYTES < offset + bytes; i++)
        if (i >= contents->page_count || !contents->pages[i])
            count++;
    return count;
}

static void contents_clear(struct disk_contents *contents)
{
    for (uint64_t i = 0; i < contents->page_count; i++)
        page_drop(contents->pages[i]);
    free(contents->pages);
    *contents = (struct disk_contents){0};
}

static void contents_copy(struct disk_contents *to, const struct disk_contents *from)
{
    contents_clear(to);
    *to = *from;
    if (from->page_count == 0)
        return;
    to->pages = must(malloc(from->page_count * sizeof(*to->pages)));
    memcpy(to->pages, from->pages, from->page_count * sizeof(*to->pages));
    for (uint64_t i = 0; i < to->page_count; i++)
        if (to->pages[i])
            to->pages[i]->references++;
}

/* ------------------------------------------------------------------ names */

static struct disk_name *names_find(const struct disk_names *names, const char *name)
{
    for (uint32_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i].name, name) == 0)
            return &names->list[i];
    return NULL;
}

static void names_set(struct disk_names *names, const char *name, struct disk_node *node)
{
    struct disk_name *found = names_find(names, name);
    if (found) {
        found->node = node;
        return;
    }
    if (names->count == names->room) {
        names->room = names->room ? 2 * names->room : 8;
        names->list = must(realloc(names->list, names->room * sizeof(*names->list)));
    }
    names->list[names->count++] = (struct disk_name){.name = must(strdup(name)), .node = node};
}

static void names_remove(struct disk_names *names, const char *name)
{
    struct disk_name *found = names_find(names, name);
    if (!found)
        return;
    free(found->name);
    *found = names->list[--names->count];
}

static void names_clear(struct disk_names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        free(names->list[i].name);
    free(names->list);
    *names = (struct disk_names){0};
}

/* ------------------------------------------------------------------ nodes */

static struct disk_node *node_create(struct disk *disk, bool is_directory)
{
    struct disk_node *node = must(calloc(1, sizeof(*node)));
    node->is_directory = is_directory;
    node->lock_fd = -1;
    node->changes_end = &node->changes;
    if (disk->node_count == disk->node_room) {
        disk->node_room = disk->node_room ? 2 * disk->node_room : 16;
        disk->nodes = must(realloc(disk->nodes, disk->node_room * sizeof(*disk->nodes)));
    }
    node->index = disk->node_count;
    disk->nodes[disk->node_count++] = node;
    return node;
}

static void node_drop_changes(struct disk_node *node)
{
    while (node->changes) {
        struct disk_change *change = node->changes;
        node->changes = change->next;
        free(change);
    }
    node->changes_end = &node->changes;
}

static void node_destroy(struct disk_node *node)
{
    node_drop_changes(node);
    contents_clear(&node->seen);
    contents_clear(&node->durable);
    names_clear(&node->seen_names);
    names_clear(&node->durable_names);
    free(node);
}

static void drop_name_changes(struct disk *disk)
{
    while (disk->name_changes) {
        struct disk_name_change *change = disk->name_changes;
        disk->name_changes = change->next;
        free(change->from_name);
        free(change->to_name);
        free(change);
    }
    disk->name_changes_end = &disk->name_changes;
}

void disk_init(struct disk *disk)
{
    *disk = (struct disk){.capacity_bytes = CAPACITY_DEFAULT_BYTES};
    disk->name_changes_end = &disk->name_changes;
    disk->root = node_create(disk, true);
}

void disk_clear(struct disk *disk)
{
    drop_name_changes(disk);
    for (uint32_t i = 0; i < disk->node_count; i++)
        node_destroy(disk->nodes[i]);
    free(disk->nodes);
    *disk = (struct disk){0};
}

static void mark(struct disk_node *node)
{
    if (!node || node->is_marked)
        return;
    node->is_marked = true;
    for (uint32_t i = 0; i < node->seen_names.count; i++)
        mark(node->seen_names.list[i].node);
    for (uint32_t i = 0; i < node->durable_names.count; i++)
        mark(node->durable_names.list[i].node);
}

void disk_sweep(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->node_count; i++)
        disk->nodes[i]->is_marked = false;
    mark(disk->root);
    for (struct disk_name_change *change = disk->name_changes; change; change = change->next) {
        mark(change->node);
        mark(change->from_directory);
        mark(change->to_directory);
    }
    for (uint32_t i = 0; i < disk->node_count; i++)
        if (disk->nodes[i]->open_count > 0)
            mark(disk->nodes[i]);
    for (uint32_t i = 0; i < disk->node_count;) {
        struct disk_node *node = disk->nodes[i];
        if (node->is_marked) {
            i++;
            continue;
        }
        disk->nodes[i] = disk->nodes[--disk->node_count];
        disk->nodes[i]->index = i;
        node_destroy(node);
    }
}

/* ------------------------------------------------------------------ paths */

int disk_resolve_parent(const struct disk *disk, struct disk_node *start, const char *path,
                        struct disk_node **directory, const char **name)
{
    struct disk_node *at = path[0] == '/' ? disk->root : start;
    while (*path == '/')
        path++;
    for (;;) {
        size_t length = strcspn(path, "/");
        if (path[length] == '\0' || path[length + strspn(path + length, "/")] == '\0')
            break;
        char part[256];
        if (length >= sizeof(part))
            return -ENAMETOOLONG;
        memcpy(part, path, length);
        part[length] = '\0';
        if (strcmp(part, ".") != 0) {
            struct disk_name *found = names_find(&at->seen_names, part);
            if (!found)
                return -ENOENT;
            if (!found->node->is_directory)
                return -ENOTDIR;
            at = found->node;
        }
        path += length + strspn(path + length, "/");
    }
    *directory = at;
    *name = path;
    return 0;
}

struct disk_node *disk_find(const struct disk *disk, struct disk_node *start, const char *path)
{
    struct disk_node *directory;
    const char *name;
    if (disk_resolve_parent(disk, start, path, &directory, &name) < 0)
        return NULL;
    char part[256];
    size_t length = strcspn(name, "/"); /* a slash at the end names the directory itself */
    if (length >= sizeof(part))
        return NULL;
    memcpy(part, name, length);
    part[length] = '\0';
    if (length == 0 || strcmp(part, ".") == 0)
        return directory;
    struct disk_name *found = names_find(&directory->seen_names, part);
    return found ? found->node : NULL;
}

/* ------------------------------------------------------------------ changes of names */

static void apply_name_change(struct disk_name_change *change, bool is_durable)
{
    if (change->from_directory) {
        struct disk_names *names = is_durable ? &change->from_directory->durable_names
                                              : &change->from_directory->seen_names;
        struct disk_name *old = names_find(names, change->from_name);
        if (old && old->node == change->node) /* after a reordering it may name something else */
            names_remove(names, change->from_name);
    }
    if (change->to_directory)
        names_set(is_durable ? &change->to_directory->durable_names
                             : &change->to_directory->seen_names,
                  change->to_name, change->node);
}

static void add_name_change(struct disk *disk, struct disk_node *from, const char *from_name,
                            struct disk_node *to, const char *to_name, struct disk_node *node)
{
    struct disk_name_change *change = must(calloc(1, sizeof(*change)));
    *change = (struct disk_name_change){.sequence = ++disk->sequence,
                                        .from_directory = from,
                                        .to_directory = to,
                                        .from_name = from ? must(strdup(from_name)) : NULL,
                                        .to_name = to ? must(strdup(to_name)) : NULL,
                                        .node = node};
    *disk->name_changes_end = change;
    disk->name_changes_end = &change->next;
    apply_name_change(change, false);
}

static int check_name(const char *name)
{
    if (name[0] == '\0' || strchr(name, '/'))
        return -EINVAL;
    return strlen(name) > 255 ? -ENAMETOOLONG : 0;
}

int disk_create(struct disk *disk, struct disk_node *directory, const char *name, bool is_directory,
                struct disk_node **node)
{
    int status = check_name(name);
    if (status < 0)
        return status;
    if (names_find(&directory->seen_names, name))
        return -EEXIST;
    *node = node_create(disk, is_directory);
    add_name_change(disk, NULL, NULL, directory, name, *node);
    return 0;
}

int disk_rename(struct disk *disk, struct disk_node *from, const char *from_name,
                struct disk_node *to, const char *to_name)
{
    struct disk_name *old = names_find(&from->seen_names, from_name);
    int status = check_name(to_name);
    if (!old)
        return -ENOENT;
    if (status < 0)
        return status;
    struct disk_name *target = names_find(&to->seen_names, to_name);
    if (target && target->node == old->node)
        return 0; /* rename(2): two names of one file stay as they are */
    if (target && target->node->is_directory)
        return -EISDIR;
    add_name_change(disk, from, from_name, to, to_name, old->node);
    return 0;
}

int disk_unlink(struct disk *disk, struct disk_node *directory, const char *name)
{
    struct disk_name *old = names_find(&directory->seen_names, name);
    if (!old)
        return -ENOENT;
    if (old->node->is_directory)
        return -EISDIR;
    add_name_change(disk, directory, name, NULL, NULL, old->node);
    return 0;
}

int disk_link(struct disk *disk, struct disk_node *from, const char *from_name,
              struct disk_node *to, const char *to_name)
{
    struct disk_name *old = names_find(&from->seen_names, from_name);
    int status = check_name(to_name);
    if (!old)
        return -ENOENT;
    if (status < 0)
        return status;
    if (old->node->is_directory)
        return -EPERM;
    if (names_find(&to->seen_names, to_name))
        return -EEXIST;
    add_name_change(disk, NULL, NULL, to, to_name, old->node);
    return 0;
}

uint32_t disk_links(const struct disk *disk, const struct disk_node *node)
{
    uint32_t links = 0;
    for (uint32_t i = 0; i < disk->node_count; i++) {
        const struct disk_names *names = &disk->nodes[i]->seen_names;
        for (uint32_t n = 0; n < names->count; n++)
            links += names->list[n].node == node;
    }
    return links;
}

/* ------------------------------------------------------------------ changes of contents */

static void apply_change(struct disk_contents *contents, const struct disk_change *change)
{
    switch (change->kind) {
    case DISK_CHANGE_WRITE:
        contents_write(contents, change->offset, change->data, change->bytes);
        break;
    case DISK_CHANGE_TRUNCATE:
        contents_truncate(contents, change->offset);
        break;
    case DISK_CHANGE_ALLOCATE:
        contents_allocate(contents, change->offset, change->bytes);
        break;
    }
}

static struct disk_change *add_change(struct disk *disk, struct disk_node *node,
                                      enum disk_change_kind kind, uint64_t offset, const void *data,
                                      uint32_t bytes)
{
    size_t data_bytes = data ? bytes : 0;
    struct disk_change *change = must(malloc(sizeof(*change) + data_bytes));
    change->next = NULL;
    change->kind = kind;
    change->is_durable = false;
    change->sequence = ++disk->sequence;
    change->offset = offset;
    change->bytes = bytes;
    if (data_bytes > 0)
        memcpy(change->data, data, data_bytes);
    *node->changes_end = change;
    node->changes_end = &change->next;
    apply_change(&node->seen, change);
    return change;
}

uint64_t disk_used_bytes(const struct disk *disk)
{
    uint64_t pages = 0;
    for (uint32_t i = 0; i < disk->node_count; i++)
        pages += disk->nodes[i]->seen.used_count;
    return pages * DISK_PAGE_BYTES;
}

/* What is named nowhere any more gives its space back, as soon as somebody needs it. */
static bool has_space(struct disk *disk, const struct disk_node *node, uint64_t offset,
                      uint64_t bytes)
{
    uint64_t wanted = contents_new_pages(&node->seen, offset, bytes) * DISK_PAGE_BYTES;
    if (wanted == 0 || disk_used_bytes(disk) + wanted <= disk->capacity_bytes)
        return true;
    disk_sweep(disk);
    return disk_used_bytes(disk) + wanted <= disk->capacity_bytes;
}

uint32_t disk_read(const struct disk_node *node, uint64_t offset, void *out, uint32_t bytes)
{
    return (uint32_t)contents_read(&node->seen, offset, out, bytes);
}

int disk_write(struct disk *disk, struct disk_node *node, uint64_t offset, const void *data,
               uint32_t bytes, bool is_durable)
{
    if (bytes == 0)
        return 0;
    if (!has_space(disk, node, offset, bytes))
        return -ENOSPC;
    if (is_durable)
        contents_write(&node->durable, offset, data, bytes);
    if (is_durable && node->changes == NULL) {
        contents_write(&node->seen, offset, data, bytes);
        return 0;
    }
    add_change(disk, node, DISK_CHANGE_WRITE, offset, data, bytes)->is_durable = is_durable;
    return 0;
}

int disk_allocate(struct disk *disk, struct disk_node *node, uint64_t offset, uint32_t bytes)
{
    if (bytes == 0)
        return -EINVAL;
    if (!has_space(disk, node, offset, bytes))
        return -ENOSPC;
    add_change(disk, node, DISK_CHANGE_ALLOCATE, offset, NULL, bytes);
    return 0;
}

int disk_truncate(struct disk *disk, struct disk_node *node, uint64_t bytes)
{
    add_change(disk, node, DISK_CHANGE_TRUNCATE, bytes, NULL, 0);
    return 0;
}

/* ------------------------------------------------------------------ what becomes durable */

static void settle(struct disk *disk, struct disk_node *node, uint64_t sequence, bool is_kept)
{
    while (node->changes && node->changes->sequence <= sequence) {
        struct disk_change *change = node->changes;
        if (is_kept || change->is_durable)
            apply_change(&node->durable, change);
        node->changes = change->next;
        free(change);
    }
    if (!node->changes)
        node->changes_end = &node->changes;

    struct disk_name_change **at = &disk->name_changes;
    while (*at) {
        struct disk_name_change *change = *at;
        bool is_ours = change->from_directory == node || change->to_directory == node;
        if (!is_ours || change->sequence > sequence) {
            at = &change->next;
            continue;
        }
        if (is_kept)
            apply_name_change(change, true);
        *at = change->next;
        free(change->from_name);
        free(change->to_name);
        free(change);
    }
    disk->name_changes_end = at;
}

void disk_sync(struct disk *disk, struct disk_node *node, uint64_t sequence)
{
    settle(disk, node, sequence, true);
}

void disk_lose(struct disk *disk, struct disk_node *node, uint64_t sequence)
{
    settle(disk, node, sequence, false);
}

/* ------------------------------------------------------------------ crash */

static enum io_crash_mode pick_mode(enum io_crash_mode mode, struct random *random)
{
    return mode == IO_CRASH_RANDOM ? (enum io_crash_mode)random_below(random, IO_CRASH_RANDOM)
                                   : mode;
}

/* The first so many sectors arrive; the new length may arrive without its data. */
static void tear(struct disk_contents *durable, const struct disk_change *change,
                 struct random *random)
{
    uint64_t first = change->offset / DISK_SECTOR_BYTES;
    uint64_t end = change->offset + change->bytes;
    uint64_t last = (end + DISK_SECTOR_BYTES - 1) / DISK_SECTOR_BYTES;
    uint64_t cut = (first + random_below(random, (uint32_t)(last - first) + 1)) * DISK_SECTOR_BYTES;
    if (cut > end)
        cut = end;
    if (cut > change->offset)
        contents_write(durable, change->offset, change->data, cut - change->offset);
    if (durable->bytes < end && random_chance(random, 500))
        durable->bytes = end;
}

static void trash(struct disk_contents *durable, const struct disk_change *change,
                  struct random *random)
{
    uint64_t end = change->offset + change->bytes;
    contents_write(durable, change->offset, change->data, change->bytes);
    for (uint64_t sector = change->offset / DISK_SECTOR_BYTES; sector * DISK_SECTOR_BYTES < end;
         sector++) {
        if (random_chance(random, 500))
            continue;
        uint64_t noise[DISK_SECTOR_BYTES / sizeof(uint64_t)];
        for (size_t i = 0; i < ARRAY_COUNT(noise); i++)
            noise[i] = random_u64(random);
        uint64_t bytes = durable->bytes - sector * DISK_SECTOR_BYTES;
        contents_write(durable, sector * DISK_SECTOR_BYTES, noise,
                       bytes < sizeof(noise) ? bytes : sizeof(noise));
    }
}

static void crash_change(struct disk_contents *durable, const struct disk_change *change,
                         enum io_crash_mode mode, struct random *random)
{
    if (change->is_durable)
        mode = IO_CRASH_KEEP;
    bool survives = mode == IO_CRASH_KEEP || (mode != IO_CRASH_DROP && random_chance(random, 500));
    if (change->kind == DISK_CHANGE_WRITE && mode == IO_CRASH_TEAR)
        tear(durable, change, random);
    else if (change->kind == DISK_CHANGE_WRITE && mode == IO_CRASH_TRASH)
        trash(durable, change, random);
    else if (survives)
        apply_change(durable, change);
}

static void crash_contents(struct disk_node *node, enum io_crash_mode mode, struct random *random)
{
    for (struct disk_change *change = node->changes; change; change = change->next)
        crash_change(&node->durable, change, pick_mode(mode, random), random);
    node_drop_changes(node);
}

/* The journal of names: reordered only where that was asked for, otherwise cut at some point. */
static void crash_names(struct disk *disk, enum io_crash_mode mode, struct random *random)
{
    uint32_t count = 0, index = 0;
    for (struct disk_name_change *change = disk->name_changes; change; change = change->next)
        count++;
    uint32_t keep_count = random_below(random, count + 1);
    if (mode == IO_CRASH_DROP)
        keep_count = 0;
    if (mode == IO_CRASH_KEEP)
        keep_count = count;
    bool is_reordered = mode == IO_CRASH_REORDER || mode == IO_CRASH_RANDOM;
    for (struct disk_name_change *change = disk->name_changes; change;
         change = change->next, index++)
        if (is_reordered ? random_chance(random, 500) : index < keep_count)
            apply_name_change(change, true);
    drop_name_changes(disk);
}

void disk_crash(struct disk *disk, enum io_crash_mode mode, struct random *random)
{
    crash_names(disk, mode, random);
    for (uint32_t i = 0; i < disk->node_count; i++) {
        struct disk_node *node = disk->nodes[i];
        crash_contents(node, mode, random);
        contents_copy(&node->seen, &node->durable);
        names_clear(&node->seen_names);
        for (uint32_t n = 0; n < node->durable_names.count; n++)
            names_set(&node->seen_names, node->durable_names.list[n].name,
                      node->durable_names.list[n].node);
        node->open_count = 0;
        node->lock_fd = -1;
    }
    disk_sweep(disk);
}

/* Both disks list their nodes in the same order, so an index names the same node in both. */
static void copy_names(struct disk *to, struct disk_names *names, const struct disk_names *from)
{
    for (uint32_t i = 0; i < from->count; i++)
        names_set(names, from->list[i].name, to->nodes[from->list[i].node->index]);
}

void disk_copy_durable(struct disk *to, const struct disk *from)
{
    *to = (struct disk){.capacity_bytes = from->capacity_bytes, .sequence = from->sequence};
    to->name_changes_end = &to->name_changes;
    for (uint32_t i = 0; i < from->node_count; i++)
        node_create(to, from->nodes[i]->is_directory);
    to->root = to->nodes[from->root->index];
    for (uint32_t i = 0; i < from->node_count; i++) {
        const struct disk_node *source = from->nodes[i];
        struct disk_node *copy = to->nodes[i];
        contents_copy(&copy->durable, &source->durable);
        contents_copy(&copy->seen, &source->durable);
        copy_names(to, &copy->durable_names, &source->durable_names);
        copy_names(to, &copy->seen_names, &source->durable_names);
    }
    disk_sweep(to);
}

/* ------------------------------------------------------------------ damage */

bool disk_flip_bit(struct disk_node *node, uint64_t offset, uint32_t bit)
{
    struct disk_contents *both[] = {&node->seen, &node->durable};
    bool has_flipped = false;
    for (size_t i = 0; i < ARRAY_COUNT(both); i++) {
        uint8_t byte;
        if (contents_read(both[i], offset, &byte, 1) == 0)
            continue;
        byte = (uint8_t)(byte ^ (1u << (bit % 8)));
        contents_write(both[i], offset, &byte, 1);
        has_flipped = true;
    }
    return has_flipped;
}

void disk_cut(struct disk_node *node, uint64_t bytes)
{
    contents_truncate(&node->seen, bytes);
    contents_truncate(&node->durable, bytes);
}

void disk_forget_name(struct disk *disk, struct disk_node *directory, const char *name)
{
    (void)disk;
    names_remove(&directory->seen_names, name);
    names_remove(&directory->durable_names, name);
}
