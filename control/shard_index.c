/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/shard_index.h"

#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "include/compiler.h"
#include "include/shard_operation.h"

#define NODE_BYTES INDEX_PAGE_BYTES
#define DEPTH_MAX 16u
#define CELLS_MAX 240u    /* an inner cell takes 16 bytes, but for one of 8, and a slot of 8 */
#define SEARCHED_LINES 9u /* the header and the slots of a page of short keys */
#define MERGE_BELOW_BYTES (NODE_BYTES / 3)
#define MERGE_RESULT_BYTES_MAX (NODE_BYTES * 3 / 4)

/* The first bytes of a suffix stand beside its place: a search touches cells only to confirm. */
struct index_slot {
    uint32_t head; /* suffix bytes 0 to 3, big-endian, zeros where it is shorter */
    uint16_t cell_offset;
    uint16_t suffix_bytes;
};

/*
 * header | slots, sorted | free | cells | common prefix of all keys
 * A cell is the payload (an entry, or a child's address) and the suffix.
 * An inner node with n cells has n + 1 children: first_child holds the keys below cell 0.
 */
struct index_node {
    uint8_t is_leaf;
    uint8_t reserved;
    uint16_t cell_count;
    uint16_t cells_start;   /* lowest offset in use by cells */
    uint16_t garbage_bytes; /* of erased cells */
    uint16_t prefix_bytes;
    uint16_t reserved2[3];
    struct index_node *next, *previous; /* leaves, in key order */
    struct index_node *first_child;
    struct index_slot slots[];
};

#define NODE_ROOM_BYTES (NODE_BYTES - (uint32_t)sizeof(struct index_node))
static_assert(sizeof(struct index_node) == 40, "cells stay aligned to 8 from the end of the page");

/* A key in two parts and its payload, while nodes are rebuilt. */
struct item {
    const uint8_t *prefix, *suffix;
    uint16_t prefix_bytes, suffix_bytes;
    const void *payload;
};

struct path {
    struct index_node *nodes[DEPTH_MAX];
    uint16_t child_at[DEPTH_MAX]; /* which child was taken: 0 is first_child, i + 1 is cell i's */
    uint32_t depth;               /* of the leaf */
};

static uint32_t payload_bytes(const struct index_node *node)
{
    return node->is_leaf ? sizeof(struct index_entry) : sizeof(struct index_node *);
}

static uint32_t cell_bytes(const struct index_node *node, uint32_t suffix_bytes)
{
    return (payload_bytes(node) + suffix_bytes + 7u) & ~7u;
}

static uint8_t *cell_at(const struct index_node *node, uint32_t i)
{
    return (uint8_t *)node + node->slots[i].cell_offset;
}

static uint16_t cell_suffix_bytes(const struct index_node *node, uint32_t i)
{
    return node->slots[i].suffix_bytes;
}

static const uint8_t *cell_suffix(const struct index_node *node, uint32_t i)
{
    return cell_at(node, i) + payload_bytes(node);
}

static uint32_t suffix_head(const uint8_t *suffix, uint32_t bytes)
{
    uint32_t head = 0;
    memcpy(&head, suffix, bytes < sizeof(head) ? bytes : sizeof(head));
    return __builtin_bswap32(head);
}

static const uint8_t *node_prefix(const struct index_node *node)
{
    return (const uint8_t *)node + NODE_BYTES - node->prefix_bytes;
}

static struct index_node **child_slot(struct index_node *node, uint32_t child)
{
    return child == 0 ? &node->first_child : (struct index_node **)(void *)cell_at(node, child - 1);
}

static uint32_t prefix_area_bytes(uint32_t prefix_bytes)
{
    return (prefix_bytes + 7u) & ~7u;
}

static uint32_t node_free_bytes(const struct index_node *node)
{
    return node->cells_start - (uint32_t)sizeof(*node) -
           node->cell_count * (uint32_t)sizeof(struct index_slot);
}

static uint32_t node_used_bytes(const struct index_node *node)
{
    return NODE_ROOM_BYTES - node_free_bytes(node) - node->garbage_bytes;
}

static void node_reset(struct index_node *node, bool is_leaf)
{
    struct index_node *next = node->next, *previous = node->previous;
    memset(node, 0, sizeof(*node));
    node->is_leaf = is_leaf;
    node->cells_start = NODE_BYTES;
    node->next = next;
    node->previous = previous;
}

static struct index_node *node_create(struct shard_index *index, bool is_leaf)
{
    struct index_node *node = index_memory_take(index->memory);
    if (node == NULL)
        return NULL;
    node->next = node->previous = NULL;
    node_reset(node, is_leaf);
    return node;
}

static void node_destroy(struct shard_index *index, struct index_node *node)
{
    index_memory_give(index->memory, node);
}

void shard_index_init(struct shard_index *index, struct index_memory *memory)
{
    *index = (struct shard_index){.memory = memory};
}

static void node_destroy_tree(struct shard_index *index, struct index_node *node)
{
    if (!node->is_leaf)
        for (uint32_t child = 0; child <= node->cell_count; child++)
            node_destroy_tree(index, *child_slot(node, child));
    node_destroy(index, node);
}

void shard_index_clear(struct shard_index *index)
{
    if (index->root != NULL)
        node_destroy_tree(index, index->root);
    index->root = NULL;
    index->entry_count = 0;
}

static int compare_bytes(const uint8_t *a, uint32_t a_bytes, const uint8_t *b, uint32_t b_bytes)
{
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

/* The first cell whose head is not below `head`. */
static uint32_t node_search_heads(const struct index_node *node, uint32_t head)
{
    uint32_t low = 0, left = node->cell_count;
    while (left > 0) { /* no branch on what is found: which way it goes cannot be predicted */
        uint32_t half = left / 2;
        bool is_below = node->slots[low + half].head < head;
        low = is_below ? low + half + 1 : low;
        left = is_below ? left - half - 1 : half;
    }
    return low;
}

/* The first cell at or after `low` whose suffix is not below `key`; all before `low` are. */
static uint32_t node_search_suffixes(const struct index_node *node, uint32_t low, uint32_t head,
                                     const uint8_t *key, uint32_t key_bytes, bool *is_equal)
{
    uint32_t high = node->cell_count, middle = low; /* mostly the first one is the only one */
    for (; low < high; middle = (low + high) / 2) {
        int order = node->slots[middle].head != head
                        ? 1
                        : compare_bytes(cell_suffix(node, middle), cell_suffix_bytes(node, middle),
                                        key, key_bytes);
        if (order == 0) {
            *is_equal = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/*
 * Position of the first cell whose key is >= `key`, cell_count if there is none.
 * `is_equal` tells whether that cell's key is `key`.
 */
static uint32_t node_lower_bound(const struct index_node *node, const uint8_t *key,
                                 uint32_t key_bytes, bool *is_equal)
{
    *is_equal = false;
    uint32_t shared = key_bytes < node->prefix_bytes ? key_bytes : node->prefix_bytes;
    int order = memcmp(key, node_prefix(node), shared);
    if (order < 0 || (order == 0 && key_bytes < node->prefix_bytes))
        return 0;
    if (order > 0)
        return node->cell_count;
    key += node->prefix_bytes;
    key_bytes -= node->prefix_bytes;
    uint32_t head = suffix_head(key, key_bytes);
    return node_search_suffixes(node, node_search_heads(node, head), head, key, key_bytes,
                                is_equal);
}

/* Keys equal to a separator live to its right. */
static uint32_t node_child_for(const struct index_node *node, const uint8_t *key,
                               uint32_t key_bytes)
{
    bool is_equal;
    uint32_t at = node_lower_bound(node, key, key_bytes, &is_equal);
    return is_equal ? at + 1 : at;
}

/* All that a search of the node reads before it knows the cell, at once instead of one by one. */
static void node_prefetch(const struct index_node *node)
{
    const uint8_t *bytes = (const uint8_t *)node;
    for (uint32_t line = 0; line < SEARCHED_LINES; line++)
        __builtin_prefetch(bytes + line * CACHE_LINE_BYTES);
    __builtin_prefetch(bytes + NODE_BYTES - CACHE_LINE_BYTES); /* the end of the prefix */
}

static struct index_node *descend(const struct shard_index *index, const uint8_t *key,
                                  uint32_t key_bytes, struct path *path)
{
    struct index_node *node = index->root;
    path->depth = 0;
    while (!node->is_leaf) {
        ASSERT(path->depth + 1 < DEPTH_MAX);
        uint32_t child = node_child_for(node, key, key_bytes);
        path->nodes[path->depth] = node;
        path->child_at[path->depth] = (uint16_t)child;
        path->depth++;
        node = *child_slot(node, child);
        node_prefetch(node);
    }
    path->nodes[path->depth] = node;
    return node;
}

struct index_entry *shard_index_find(const struct shard_index *index, const void *key,
                                     uint32_t key_bytes)
{
    struct index_node *node = index->root;
    if (node == NULL)
        return NULL;
    while (!node->is_leaf) {
        node = *child_slot(node, node_child_for(node, key, key_bytes));
        node_prefetch(node);
    }
    bool is_equal;
    uint32_t at = node_lower_bound(node, key, key_bytes, &is_equal);
    return is_equal ? (struct index_entry *)(void *)cell_at(node, at) : NULL;
}

const struct index_node *shard_index_top(const struct shard_index *index)
{
    if (index->root != NULL)
        node_prefetch(index->root);
    return index->root;
}

bool shard_index_prefetch_below(const struct index_node **page, const void *key, uint32_t key_bytes)
{
    struct index_node *node = (struct index_node *)(uintptr_t)*page;
    if (node == NULL || node->is_leaf)
        return false;
    *page = *child_slot(node, node_child_for(node, key, key_bytes));
    node_prefetch(*page);
    return true;
}

/* A guess, since only prefixes of the prefix and of the suffix count; mostly it is right. */
void shard_index_prefetch_cell(const struct index_node *page, const void *key, uint32_t key_bytes)
{
    if (page == NULL || key_bytes < page->prefix_bytes)
        return;
    const uint8_t *suffix = (const uint8_t *)key + page->prefix_bytes;
    uint32_t at = node_search_heads(page, suffix_head(suffix, key_bytes - page->prefix_bytes));
    if (at == page->cell_count)
        return;
    const uint8_t *cell = cell_at(page, at);
    __builtin_prefetch(cell);
    __builtin_prefetch(cell + payload_bytes(page)); /* the suffix; not always another line */
}

/* ---- rebuilding nodes ---- */

static uint8_t item_byte(const struct item *item, uint32_t at)
{
    return at < item->prefix_bytes ? item->prefix[at] : item->suffix[at - item->prefix_bytes];
}

static uint32_t item_key_bytes(const struct item *item)
{
    return (uint32_t)item->prefix_bytes + item->suffix_bytes;
}

static uint32_t items_shared_bytes(const struct item *a, const struct item *b)
{
    uint32_t a_bytes = item_key_bytes(a), b_bytes = item_key_bytes(b), shared = 0;
    while (shared < a_bytes && shared < b_bytes && item_byte(a, shared) == item_byte(b, shared))
        shared++;
    return shared;
}

static void item_copy(const struct item *item, uint32_t from, uint8_t *out)
{
    uint32_t bytes = item_key_bytes(item);
    for (uint32_t at = from; at < bytes;) {
        const uint8_t *part =
            at < item->prefix_bytes ? item->prefix + at : item->suffix + (at - item->prefix_bytes);
        uint32_t part_bytes = at < item->prefix_bytes ? item->prefix_bytes - at : bytes - at;
        memcpy(out, part, part_bytes);
        out += part_bytes;
        at += part_bytes;
    }
}

/* Items that point into `copy`, a snapshot of the node. Returns their number. */
static uint32_t node_gather(const struct index_node *node, uint8_t *copy, struct item *items)
{
    memcpy(copy, node, NODE_BYTES);
    const struct index_node *snapshot = (const struct index_node *)(void *)copy;
    for (uint32_t i = 0; i < snapshot->cell_count; i++)
        items[i] = (struct item){.prefix = node_prefix(snapshot),
                                 .prefix_bytes = snapshot->prefix_bytes,
                                 .suffix = cell_suffix(snapshot, i),
                                 .suffix_bytes = cell_suffix_bytes(snapshot, i),
                                 .payload = cell_at(snapshot, i)};
    return snapshot->cell_count;
}

/* Sorted keys: what first and last share, all share. */
static uint32_t items_prefix_bytes(const struct item *items, uint32_t count)
{
    return count == 0 ? 0 : items_shared_bytes(&items[0], &items[count - 1]);
}

static uint32_t items_node_bytes(const struct index_node *kind, const struct item *items,
                                 uint32_t count)
{
    uint32_t prefix = items_prefix_bytes(items, count);
    uint32_t bytes = prefix_area_bytes(prefix);
    for (uint32_t i = 0; i < count; i++)
        bytes += cell_bytes(kind, item_key_bytes(&items[i]) - prefix) +
                 (uint32_t)sizeof(struct index_slot);
    return bytes;
}

static void node_write_cell(struct index_node *node, uint32_t at, const struct item *item)
{
    uint16_t suffix_bytes = (uint16_t)(item_key_bytes(item) - node->prefix_bytes);
    node->cells_start = (uint16_t)(node->cells_start - cell_bytes(node, suffix_bytes));
    uint8_t *cell = (uint8_t *)node + node->cells_start;
    uint8_t *suffix = cell + payload_bytes(node);
    memcpy(cell, item->payload, payload_bytes(node));
    item_copy(item, node->prefix_bytes, suffix);
    node->slots[at] = (struct index_slot){.head = suffix_head(suffix, suffix_bytes),
                                          .cell_offset = node->cells_start,
                                          .suffix_bytes = suffix_bytes};
}

/* Makes the node hold exactly these items; first_child and leaf links stay as they are. */
static void node_scatter(struct index_node *node, const struct item *items, uint32_t count)
{
    struct index_node *first_child = node->first_child;
    ASSERT(items_node_bytes(node, items, count) <= NODE_ROOM_BYTES);
    node_reset(node, node->is_leaf);
    node->first_child = first_child;
    node->prefix_bytes = (uint16_t)items_prefix_bytes(items, count);
    node->cells_start = (uint16_t)(NODE_BYTES - prefix_area_bytes(node->prefix_bytes));
    if (count > 0) {
        uint8_t whole[KEY_BYTES_MAX];
        ASSERT(item_key_bytes(&items[0]) <= sizeof(whole));
        item_copy(&items[0], 0, whole);
        memcpy((uint8_t *)node + NODE_BYTES - node->prefix_bytes, whole, node->prefix_bytes);
    }
    for (uint32_t i = 0; i < count; i++)
        node_write_cell(node, i, &items[i]);
    node->cell_count = (uint16_t)count;
}

/* Adds a cell where the page has room for it as it is; false: it must be rebuilt or split. */
static bool node_insert_fast(struct index_node *node, uint32_t at, const struct item *item)
{
    if (item_key_bytes(item) < node->prefix_bytes ||
        memcmp(item->suffix, node_prefix(node), node->prefix_bytes) != 0)
        return false;
    uint32_t needed_bytes = cell_bytes(node, item_key_bytes(item) - node->prefix_bytes) +
                            (uint32_t)sizeof(node->slots[0]);
    if (node->cell_count == 0 || needed_bytes > node_free_bytes(node))
        return false;
    memmove(&node->slots[at + 1], &node->slots[at],
            (node->cell_count - at) * sizeof(node->slots[0]));
    node->cell_count++;
    node_write_cell(node, at, item);
    return true;
}

static bool cut_fits(const struct index_node *node, const struct item *items, uint32_t count,
                     uint32_t cut)
{
    uint32_t right = node->is_leaf ? cut : cut + 1;
    return items_node_bytes(node, items, cut) <= NODE_ROOM_BYTES &&
           items_node_bytes(node, items + right, count - right) <= NODE_ROOM_BYTES;
}

/* The cut before which about half of the bytes are. */
static uint32_t even_cut(const struct index_node *node, const struct item *items, uint32_t count)
{
    uint32_t half_bytes = items_node_bytes(node, items, count) / 2, bytes = 0, cut = 0;
    uint32_t prefix = items_prefix_bytes(items, count);
    while (cut + 1 < count && bytes < half_bytes)
        bytes += cell_bytes(node, item_key_bytes(&items[cut++]) - prefix) +
                 (uint32_t)sizeof(struct index_slot);
    return cut;
}

/*
 * Where to cut: the most even place at which both halves fit, or, for a key appended at the end,
 * the last one, so that ascending inserts leave full pages. In an inner node the item at the cut
 * moves up.
 * There always is one: the old items fitted, so at the worst the new one stands alone.
 */
static uint32_t split_point(const struct index_node *node, const struct item *items, uint32_t count,
                            bool is_append)
{
    uint32_t first = node->is_leaf ? 1 : 0;
    uint32_t middle = is_append ? count - 1 : even_cut(node, items, count);
    for (uint32_t distance = 0; distance < count; distance++) {
        if (middle >= first + distance && cut_fits(node, items, count, middle - distance))
            return middle - distance;
        if (middle + distance < count && cut_fits(node, items, count, middle + distance))
            return middle + distance;
    }
    UNREACHABLE();
}

static void leaf_link_after(struct index_node *leaf, struct index_node *added)
{
    added->next = leaf->next;
    added->previous = leaf;
    if (leaf->next != NULL)
        leaf->next->previous = added;
    leaf->next = added;
}

/* The shortest key that is above `left` and not above `right`: a prefix of `right`. */
static uint32_t separator_bytes(const struct item *left, const struct item *right)
{
    return items_shared_bytes(left, right) + 1;
}

struct split_result {
    struct index_node *right;
    uint8_t separator[KEY_BYTES_MAX];
    uint32_t separator_bytes;
};

/* Inserts into a node that needs rebuilding. With split->right set to a spare node it may split. */
static bool node_insert_slow(struct index_node *node, uint32_t at, const struct item *item,
                             struct split_result *split)
{
    uint8_t copy[NODE_BYTES] __attribute__((aligned(8)));
    struct item items[CELLS_MAX];
    uint32_t count = node_gather(node, copy, items);
    memmove(&items[at + 1], &items[at], (count - at) * sizeof(items[0]));
    items[at] = *item;
    count++;
    if (items_node_bytes(node, items, count) <= NODE_ROOM_BYTES) {
        node_scatter(node, items, count);
        return true;
    }
    if (split->right == NULL)
        return false;
    bool is_append = at + 1 == count && node->is_leaf && node->next == NULL;
    uint32_t cut = split_point(node, items, count, is_append);
    struct index_node *right = split->right;
    uint8_t first[KEY_BYTES_MAX];
    item_copy(&items[cut], 0, first);
    if (node->is_leaf) {
        split->separator_bytes = separator_bytes(&items[cut - 1], &items[cut]);
        leaf_link_after(node, right);
        node_scatter(right, items + cut, count - cut);
    } else {
        split->separator_bytes = item_key_bytes(&items[cut]);
        memcpy(&right->first_child, items[cut].payload, sizeof(right->first_child));
        node_scatter(right, items + cut + 1, count - cut - 1);
    }
    memcpy(split->separator, first, split->separator_bytes);
    node_scatter(node, items, cut);
    return true;
}

/* ---- insert ---- */

/* Nodes for a split on every level and a new root, taken before anything is changed. */
static bool spares_take(struct shard_index *index, struct index_node **spares, uint32_t count)
{
    if (!index_memory_has_room(index->memory, count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        spares[i] = node_create(index, true);
        if (spares[i] == NULL) {
            while (i > 0)
                node_destroy(index, spares[--i]);
            return false;
        }
    }
    return true;
}

static void root_grow(struct shard_index *index, struct index_node *root,
                      const struct split_result *split)
{
    root->first_child = index->root;
    struct item item = {.suffix = split->separator,
                        .suffix_bytes = (uint16_t)split->separator_bytes,
                        .payload = &split->right};
    node_scatter(root, &item, 1);
    index->root = root;
}

/* Carries a split's separator up the path; spares[] has a node for every level and the root. */
static void insert_with_splits(struct shard_index *index, const struct path *path,
                               const struct item *item, uint32_t at, struct index_node **spares,
                               uint32_t *spares_used)
{
    struct split_result split = {.right = NULL};
    struct split_result upper;
    struct item current = *item;
    for (uint32_t level = path->depth;; level--) {
        struct index_node *node = path->nodes[level];
        struct index_node *spare = spares[*spares_used];
        node_reset(spare, node->is_leaf);
        upper.right = spare;
        if (level != path->depth) {
            at = path->child_at[level];
            if (node_insert_fast(node, at, &current))
                return;
        }
        uint32_t cells_before = node->cell_count;
        bool was_inserted = node_insert_slow(node, at, &current, &upper);
        ASSERT(was_inserted);
        if (node->cell_count == cells_before + 1 && spare->cell_count == 0 &&
            spare->first_child == NULL)
            return; /* it fitted after all */
        (*spares_used)++;
        split = upper;
        current = (struct item){.suffix = split.separator,
                                .suffix_bytes = (uint16_t)split.separator_bytes,
                                .payload = &split.right};
        if (level == 0) {
            struct index_node *root = spares[(*spares_used)++];
            node_reset(root, false);
            root_grow(index, root, &split);
            return;
        }
    }
}

static bool root_create(struct shard_index *index)
{
    if (!index_memory_has_room(index->memory, 1))
        return false;
    index->root = node_create(index, true);
    return index->root != NULL;
}

struct index_entry *shard_index_insert(struct shard_index *index, const void *key,
                                       uint32_t key_bytes)
{
    ASSERT(key_bytes > 0 && key_bytes <= KEY_BYTES_MAX);
    if (index->root == NULL && !root_create(index))
        return NULL;
    struct path path;
    struct index_node *leaf = descend(index, key, key_bytes, &path);
    bool is_equal;
    uint32_t at = node_lower_bound(leaf, key, key_bytes, &is_equal);
    if (is_equal)
        return (struct index_entry *)(void *)cell_at(leaf, at);

    index->shape++;
    static const struct index_entry zero;
    struct item item = {.suffix = key, .suffix_bytes = (uint16_t)key_bytes, .payload = &zero};
    if (!node_insert_fast(leaf, at, &item)) {
        struct split_result none = {.right = NULL};
        if (!node_insert_slow(leaf, at, &item, &none)) {
            struct index_node *spares[DEPTH_MAX + 1];
            uint32_t spare_count = path.depth + 2, used = 0;
            if (!spares_take(index, spares, spare_count))
                return NULL;
            insert_with_splits(index, &path, &item, at, spares, &used);
            while (spare_count > used)
                node_destroy(index, spares[--spare_count]);
            index->entry_count++;
            return shard_index_find(index, key, key_bytes);
        }
    }
    index->entry_count++;
    return (struct index_entry *)(void *)cell_at(leaf, at);
}

/* ---- erase ---- */

static void node_remove_cell(struct index_node *node, uint32_t at)
{
    node->garbage_bytes =
        (uint16_t)(node->garbage_bytes + cell_bytes(node, cell_suffix_bytes(node, at)));
    memmove(&node->slots[at], &node->slots[at + 1],
            (node->cell_count - at - 1u) * sizeof(node->slots[0]));
    node->cell_count--;
}

/* Removes child number `child` of an inner node. False if it was the only one. */
static bool inner_remove_child(struct index_node *node, uint32_t child)
{
    if (child > 0) {
        node_remove_cell(node, child - 1);
        return true;
    }
    if (node->cell_count == 0)
        return false;
    memcpy(&node->first_child, cell_at(node, 0), sizeof(node->first_child));
    node_remove_cell(node, 0);
    return true;
}

static void leaf_unlink(struct index_node *leaf)
{
    if (leaf->previous != NULL)
        leaf->previous->next = leaf->next;
    if (leaf->next != NULL)
        leaf->next->previous = leaf->previous;
}

static void root_shrink(struct shard_index *index)
{
    while (index->root != NULL && !index->root->is_leaf && index->root->cell_count == 0) {
        struct index_node *only = index->root->first_child;
        node_destroy(index, index->root);
        index->root = only;
    }
}

/* An empty leaf goes away, and with it every ancestor that has no other child. */
static void remove_empty_leaf(struct shard_index *index, const struct path *path)
{
    struct index_node *leaf = path->nodes[path->depth];
    leaf_unlink(leaf);
    node_destroy(index, leaf);
    uint32_t level = path->depth;
    while (level > 0) {
        level--;
        if (inner_remove_child(path->nodes[level], path->child_at[level]))
            return;
        node_destroy(index, path->nodes[level]);
    }
    index->root = NULL;
}

/* Moves the right neighbour's cells into `left` when the result leaves room for growth. */
static bool merge_leaves(struct shard_index *index, struct index_node *parent, uint32_t left_child)
{
    struct index_node *left = *child_slot(parent, left_child);
    struct index_node *right = *child_slot(parent, left_child + 1);
    if (node_used_bytes(left) + node_used_bytes(right) > MERGE_RESULT_BYTES_MAX)
        return false;
    uint8_t left_copy[NODE_BYTES] __attribute__((aligned(8)));
    uint8_t right_copy[NODE_BYTES] __attribute__((aligned(8)));
    struct item items[2 * CELLS_MAX];
    uint32_t count = node_gather(left, left_copy, items);
    count += node_gather(right, right_copy, items + count);
    if (items_node_bytes(left, items, count) > MERGE_RESULT_BYTES_MAX)
        return false; /* the two had longer prefixes than they have together */
    node_scatter(left, items, count);
    leaf_unlink(right);
    node_destroy(index, right);
    inner_remove_child(parent, left_child + 1);
    return true;
}

static void rebalance_leaf(struct shard_index *index, const struct path *path)
{
    struct index_node *leaf = path->nodes[path->depth];
    if (leaf->cell_count == 0) {
        remove_empty_leaf(index, path);
    } else if (path->depth > 0 && node_used_bytes(leaf) < MERGE_BELOW_BYTES) {
        struct index_node *parent = path->nodes[path->depth - 1];
        uint32_t child = path->child_at[path->depth - 1];
        bool is_merged = child < parent->cell_count && merge_leaves(index, parent, child);
        if (!is_merged && child > 0)
            merge_leaves(index, parent, child - 1);
    }
    root_shrink(index);
}

bool shard_index_erase(struct shard_index *index, const void *key, uint32_t key_bytes)
{
    if (index->root == NULL)
        return false;
    struct path path;
    struct index_node *leaf = descend(index, key, key_bytes, &path);
    bool is_equal;
    uint32_t at = node_lower_bound(leaf, key, key_bytes, &is_equal);
    if (!is_equal)
        return false;
    index->shape++;
    node_remove_cell(leaf, at);
    index->entry_count--;
    rebalance_leaf(index, &path);
    return true;
}

/* ---- iteration and verification ---- */

struct index_entry *shard_index_next(const struct shard_index *index, const void *key,
                                     uint32_t key_bytes, bool is_exclusive, uint8_t *found,
                                     uint32_t *found_bytes)
{
    if (index->root == NULL)
        return NULL;
    struct path path;
    const struct index_node *leaf = descend(index, key, key_bytes, &path);
    bool is_equal;
    uint32_t at = node_lower_bound(leaf, key, key_bytes, &is_equal);
    if (is_equal && is_exclusive)
        at++;
    while (leaf != NULL && at >= leaf->cell_count) {
        leaf = leaf->next;
        at = 0;
    }
    if (leaf == NULL)
        return NULL;
    memcpy(found, node_prefix(leaf), leaf->prefix_bytes);
    memcpy(found + leaf->prefix_bytes, cell_suffix(leaf, at), cell_suffix_bytes(leaf, at));
    *found_bytes = (uint32_t)leaf->prefix_bytes + cell_suffix_bytes(leaf, at);
    return (struct index_entry *)(void *)cell_at(leaf, at);
}

static uint64_t verify_node(const struct index_node *node, uint32_t depth, uint32_t *leaf_depth,
                            uint64_t *nodes)
{
    (*nodes)++;
    ASSERT(node->cells_start >= sizeof(*node) + node->cell_count * sizeof(node->slots[0]));
    for (uint32_t i = 1; i < node->cell_count; i++)
        ASSERT(compare_bytes(cell_suffix(node, i - 1), cell_suffix_bytes(node, i - 1),
                             cell_suffix(node, i), cell_suffix_bytes(node, i)) < 0);
    if (node->is_leaf) {
        ASSERT(*leaf_depth == UINT32_MAX || *leaf_depth == depth);
        *leaf_depth = depth;
        return node->cell_count;
    }
    uint64_t entries = 0;
    for (uint32_t child = 0; child <= node->cell_count; child++)
        entries += verify_node(*child_slot((struct index_node *)node, child), depth + 1, leaf_depth,
                               nodes);
    return entries;
}

void shard_index_verify(const struct shard_index *index)
{
    if (index->root == NULL) {
        ASSERT(index->entry_count == 0);
        return;
    }
    uint32_t leaf_depth = UINT32_MAX;
    uint64_t nodes = 0;
    uint64_t entries = verify_node(index->root, 0, &leaf_depth, &nodes);
    ASSERT(entries == index->entry_count);
    ASSERT(atomic_load(&index->memory->used_bytes) >= nodes * INDEX_PAGE_STRIDE_BYTES);

    uint8_t key[KEY_BYTES_MAX], next[KEY_BYTES_MAX];
    uint32_t key_bytes = 0, next_bytes = 0;
    uint64_t walked = 0;
    while (shard_index_next(index, key, key_bytes, true, next, &next_bytes) != NULL) {
        ASSERT(key_bytes == 0 || compare_bytes(key, key_bytes, next, next_bytes) < 0);
        ASSERT(shard_index_find(index, next, next_bytes) != NULL);
        memcpy(key, next, next_bytes);
        key_bytes = next_bytes;
        walked++;
    }
    ASSERT(walked == entries);
}
