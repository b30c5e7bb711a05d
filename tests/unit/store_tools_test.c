/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tools on real directories that the real engine wrote.
 *
 *   store_tools_test --write-golden DIRECTORY   makes a directory of the present format
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/config_file.h"
#include "control/store_backup.h"
#include "control/store_compact.h"
#include "control/store_copy.h"
#include "control/store_inspect.h"
#include "control/store_log.h"
#include "control/store_verify.h"
#include "include/blob.h"
#include "include/counters.h"
#include "include/key_hash.h"
#include "include/log.h"

#define VALUE_BYTES_MAX 40000u
#define ROUNDS_MAX 200000u
#define KEYS 60u
#define NOW_MS UINT64_C(1800000000000)

/* ---- a store on a disk ---- */

struct disk_store {
    struct server_config config;
    struct store_sizes sizes;
    struct io_loop *loop;
    struct store_set *set;
    struct store *store;
    struct blob_pool *pool;
    struct blob_stock *stock;
    struct shard_operation *operation;
};

static uint64_t segment_bytes = 64u << 10, dead_percent = 101; /* everything stays where it is */
static char folder[64], path_a[128], path_b[128], path_c[128];
static struct text_buffer report;

static int make_folder(void **state)
{
    (void)state;
    segment_bytes = 64u << 10;
    dead_percent = 101;
    snprintf(folder, sizeof(folder), "/tmp/gannet-tools-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path_a, sizeof(path_a), "%s/a", folder);
    snprintf(path_b, sizeof(path_b), "%s/b", folder);
    snprintf(path_c, sizeof(path_c), "%s/c", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[96];
    text_buffer_clear(&report);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static int try_open(struct disk_store *disk, const char *path)
{
    *disk = (struct disk_store){0};
    config_defaults(&disk->config);
    snprintf(disk->config.store.directory, sizeof(disk->config.store.directory), "%s", path);
    disk->config.store.sync_method = CONFIG_SYNC_METHOD_FDATASYNC;
    disk->config.store.space_reserve_mib = 0;
    disk->config.store.compact_mib_per_s = 1000;
    disk->config.store.compact_dead_percent = dead_percent;
    disk->sizes = (struct store_sizes){.segment_bytes = segment_bytes,
                                       .frame_bytes_max = 32u << 10,
                                       .recent_bytes = 32u << 10,
                                       .version_block = 16,
                                       .extent_value_bytes_min = 12000};
    const struct io_loop_config loop_config = {
        .backend = IO_BACKEND_THREADS, .depth_max = 64, .wake_fd = -1};
    assert_int_equal(io_loop_create(&loop_config, &disk->loop), 0);
    int status = store_set_open_sized(&disk->config, &disk->sizes, disk->loop, &disk->set);
    if (status < 0) {
        io_loop_destroy(disk->loop);
        return status;
    }
    static struct counters *counters;
    counters = counters != NULL ? counters : counters_register("tools");
    assert_int_equal(blob_pool_create(8u << 20, 1, &disk->pool), 0);
    disk->stock = blob_stock_create(disk->pool);
    assert_int_equal(store_attach(disk->set, 0, disk->loop, disk->stock, counters, &disk->store),
                     0);
    disk->operation = aligned_alloc(CACHE_LINE_BYTES, sizeof(*disk->operation));
    return 0;
}

static void open_store(struct disk_store *disk, const char *path)
{
    assert_int_equal(try_open(disk, path), 0);
}

static void close_store(struct disk_store *disk)
{
    store_detach(disk->store);
    store_set_close(disk->set);
    io_loop_destroy(disk->loop);
    blob_stock_destroy(disk->stock);
    blob_pool_destroy(disk->pool);
    free(disk->operation);
}

static void round_of(struct disk_store *disk)
{
    struct io_operation *done[64];
    store_advance(disk->store);
    io_wait(disk->loop, UINT64_C(200000));
    uint32_t count = io_reap(disk->loop, done, 64);
    for (uint32_t i = 0; i < count; i++)
        store_complete(disk->store, done[i]);
}

static enum shard_status finish(struct disk_store *disk)
{
    struct shard_operation *out = NULL;
    store_submit(disk->store, disk->operation);
    for (uint32_t i = 0; i < ROUNDS_MAX && store_reap(disk->store, &out, 1) == 0; i++)
        round_of(disk);
    assert_ptr_equal(out, disk->operation);
    if (out->value != NULL && out->verb == SHARD_PUT)
        blob_release(disk->stock, out->value);
    return (enum shard_status)out->status;
}

static void make(struct disk_store *disk, enum shard_verb verb, const char *key)
{
    memset(disk->operation, 0, sizeof(*disk->operation));
    disk->operation->verb = (uint8_t)verb;
    disk->operation->key_bytes =
        (uint16_t)snprintf((char *)operation_key(disk->operation), 64, "demo%c%s", 0, key);
    disk->operation->shard_hash =
        key_hash_shard(operation_key(disk->operation), disk->operation->key_bytes);
    disk->operation->deadline_ns = UINT64_MAX;
}

static uint64_t put(struct disk_store *disk, const char *key, uint32_t bytes, uint8_t seed)
{
    static uint8_t value[VALUE_BYTES_MAX];
    memset(value, seed, bytes);
    make(disk, SHARD_PUT, key);
    disk->operation->value_bytes = bytes;
    if (bytes <= operation_inline_room(disk->operation)) {
        memcpy(operation_inline_value(disk->operation), value, bytes);
    } else {
        disk->operation->value = blob_create(disk->stock, bytes);
        blob_append(disk->operation->value, value, bytes);
    }
    assert_true(finish(disk) <= SHARD_CREATED);
    return disk->operation->version;
}

static void delete (struct disk_store *disk, const char *key)
{
    make(disk, SHARD_DELETE, key);
    assert_int_equal(finish(disk), SHARD_OK);
}

static uint32_t get(struct disk_store *disk, const char *key)
{
    make(disk, SHARD_GET, key);
    enum shard_status status = finish(disk);
    if (disk->operation->value != NULL)
        blob_release(disk->stock, disk->operation->value);
    return status == SHARD_OK ? disk->operation->value_bytes : UINT32_MAX;
}

/* Sealed segments, an open one, a value in a file of its own, a delete, an overwritten key. */
static void fill(struct disk_store *disk)
{
    char key[16];
    for (uint32_t i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "key-%u", i);
        put(disk, key, 700 + i, (uint8_t)i);
    }
    put(disk, "large", 30000, 77);
    put(disk, "key-7", 10, 1);
    delete (disk, "key-8");
}

static const char *text(void)
{
    return report.bytes != NULL ? report.bytes : "";
}

static void clear(void)
{
    text_buffer_clear(&report);
    report = (struct text_buffer){0};
}

static void expect_status(enum store_tool_status got, enum store_tool_status expected,
                          const char *sentence)
{
    if (got != expected || strstr(text(), sentence) == NULL)
        fail_msg("status %d instead of %d, or not '%s' in: %s", got, expected, sentence, text());
    clear();
}

static uint64_t contents_of(const char *path)
{
    uint64_t contents = 0;
    clear();
    if (store_verify(path, &report) != STORE_TOOL_GOOD)
        fail_msg("%s", text());
    const char *line = strstr(text(), "\ncontents ");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "\ncontents %" SCNx64, &contents), 1);
    clear();
    return contents;
}

static void make_store(const char *path)
{
    struct disk_store disk;
    open_store(&disk, path);
    fill(&disk);
    close_store(&disk);
}

static void damage(const char *directory, const char *name, uint64_t offset, uint8_t mask)
{
    char path[256];
    uint8_t byte;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= mask;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

/* The first name that begins so. */
static void find_name(const char *directory, const char *begin, char out[32])
{
    DIR *listing = opendir(directory);
    out[0] = '\0';
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (strncmp(entry->d_name, begin, strlen(begin)) == 0 &&
            (out[0] == '\0' || strcmp(entry->d_name, out) < 0))
            snprintf(out, 32, "%.31s", entry->d_name);
    closedir(listing);
    assert_true(out[0] != '\0');
}

/* ---- verify ---- */

static void a_good_store_is_good_and_its_contents_do_not_depend_on_how_often_it_was_opened(void **s)
{
    (void)s;
    struct disk_store disk;
    make_store(path_a);
    assert_int_equal(store_verify(path_a, &report), STORE_TOOL_GOOD);
    assert_non_null(strstr(text(), "60 keys"));
    assert_non_null(strstr(text(), "1 of them in files of their own), 1 deleted, 0 expired"));
    assert_non_null(strstr(text(), "closed cleanly"));
    assert_non_null(strstr(text(), "no damage found"));
    uint64_t before = contents_of(path_a);
    open_store(&disk, path_a);
    close_store(&disk);
    assert_true(before == contents_of(path_a));
    open_store(&disk, path_a);
    put(&disk, "key-9", 11, 1);
    close_store(&disk);
    assert_true(before != contents_of(path_a));
}

static void damage_is_found_and_the_keys_are_named(void **state)
{
    (void)state;
    make_store(path_a);
    damage(path_a, "seg-00000000.log", 8192 + 128 + 48 + 300, 4); /* a byte of the first value */
    expect_status(store_verify(path_a, &report), STORE_TOOL_DAMAGED,
                  "seg-00000000.log at 8320: does not match its checksum: demo/key-0, version ");
    expect_status(store_verify(path_a, &report), STORE_TOOL_DAMAGED, "DAMAGED: 1 problems");
    damage(path_a, "seg-00000000.log", 8192 + 128 + 48 + 300, 4);
    contents_of(path_a);
}

static void lost_and_damaged_extents_are_found(void **state)
{
    (void)state;
    char name[32], path[256];
    make_store(path_a);
    find_name(path_a, "ext-", name);
    damage(path_a, name, 29999, 1);
    expect_status(store_verify(path_a, &report), STORE_TOOL_DAMAGED,
                  "its 30000 bytes do not match their checksum");
    damage(path_a, name, 29999, 1);
    damage(path_a, name, 30001, 1); /* behind the value: nobody reads it */
    contents_of(path_a);
    snprintf(path, sizeof(path), "%s/%s", path_a, name);
    assert_int_equal(unlink(path), 0);
    expect_status(store_verify(path_a, &report), STORE_TOOL_DAMAGED,
                  "the value of 30000 bytes in it is lost");
}

static void a_shorter_segment_is_found(void **state)
{
    (void)state;
    char path[256];
    make_store(path_a);
    snprintf(path, sizeof(path), "%s/seg-00000000.log", path_a);
    assert_int_equal(truncate(path, 40000), 0);
    expect_status(store_verify(path_a, &report), STORE_TOOL_DAMAGED,
                  "the file is shorter than its header says");
}

static void what_is_no_store_is_said_to_be_none(void **state)
{
    (void)state;
    struct disk_store disk;
    char file[256], super[256];
    expect_status(store_verify(path_a, &report), STORE_TOOL_UNUSABLE, "cannot be opened: No such");
    snprintf(file, sizeof(file), "%s/file", folder);
    close(open(file, O_WRONLY | O_CREAT, 0600));
    expect_status(store_verify(file, &report), STORE_TOOL_UNUSABLE, "Not a directory");
    assert_int_equal(mkdir(path_a, 0700), 0);
    expect_status(store_verify(path_a, &report), STORE_TOOL_UNUSABLE,
                  "is not a store: there is no SUPER.0, SUPER.1 or SUPER.BACKUP");
    make_store(path_b);
    open_store(&disk, path_b);
    expect_status(store_compact(path_b, 10, &report), STORE_TOOL_UNUSABLE,
                  "is in use by another process");
    close_store(&disk);
    damage(path_b, "SUPER.0", 100, 1);
    expect_status(store_verify(path_b, &report), STORE_TOOL_GOOD,
                  "one copy of the superblock is not whole");
    damage(path_b, "SUPER.1", 100, 1);
    expect_status(store_verify(path_b, &report), STORE_TOOL_DAMAGED,
                  "no copy of the superblock is whole");
    snprintf(super, sizeof(super), "%s/SUPER.1", path_b);
    struct superblock *block = aligned_alloc(BLOCK_BYTES, sizeof(*block));
    int fd = open(super, O_RDWR);
    damage(path_b, "SUPER.1", 100, 1);
    assert_int_equal(pread(fd, block, sizeof(*block), 0), sizeof(*block));
    block->format_major = 2;
    superblock_seal(block);
    assert_int_equal(pwrite(fd, block, sizeof(*block), 0), sizeof(*block));
    close(fd);
    free(block);
    expect_status(store_verify(path_b, &report), STORE_TOOL_UNUSABLE,
                  "format 2.0, incompatible features 0: this version reads format 1");
}

/* ---- backup and restore ---- */

static enum store_tool_status backup(const char *from, const char *to, const char *base)
{
    const struct store_backup_request request = {.from = from, .to = to, .base = base};
    return store_backup(&request, &report);
}

static void a_backup_holds_the_same_and_no_server_opens_it(void **state)
{
    (void)state;
    struct disk_store disk;
    make_store(path_a);
    uint64_t contents = contents_of(path_a);
    assert_int_equal(backup(path_a, path_b, NULL), STORE_TOOL_GOOD);
    if (strstr(text(), "0 files linked") != NULL)
        fail_msg("sealed segments are not linked: %s", text());
    clear();
    assert_true(contents == contents_of(path_b));
    assert_int_equal(try_open(&disk, path_b), -EBADMSG);
    expect_status(backup(path_a, path_b, NULL), STORE_TOOL_UNUSABLE,
                  "must be a new name or an empty directory");
    expect_status(backup(path_b, path_c, NULL), STORE_TOOL_UNUSABLE, "is a backup: copy it");
    damage(path_a, "seg-00000000.log", 9000, 4);
    expect_status(backup(path_a, path_c, NULL), STORE_TOOL_DAMAGED, "had been synced do not match");
    assert_int_equal(access(path_c, F_OK), -1);
}

/* The files are shared: the store goes on, recycles and compacts, and must leave them alone. */
static void a_backup_does_not_change_when_the_store_goes_on(void **state)
{
    (void)state;
    struct disk_store disk;
    char key[16];
    make_store(path_a);
    uint64_t contents = contents_of(path_a);
    assert_int_equal(backup(path_a, path_b, NULL), STORE_TOOL_GOOD);
    dead_percent = 20;
    open_store(&disk, path_a);
    for (uint32_t i = 0; i < 600; i++) {
        snprintf(key, sizeof(key), "key-%u", i % KEYS);
        put(&disk, key, 900, (uint8_t)i);
    }
    put(&disk, "large", 31000, 78);
    for (uint32_t i = 0; i < 1000; i++)
        round_of(&disk);
    close_store(&disk);
    assert_true(contents != contents_of(path_a));
    assert_true(contents == contents_of(path_b));
}

static void a_restored_store_goes_on_with_versions_that_were_never_issued(void **state)
{
    (void)state;
    struct disk_store disk;
    make_store(path_a);
    uint64_t contents = contents_of(path_a);
    assert_int_equal(backup(path_a, path_b, NULL), STORE_TOOL_GOOD);
    open_store(&disk, path_a);
    uint64_t last = 0;
    for (uint32_t i = 0; i < 100; i++)
        last = put(&disk, "key-1", 20, (uint8_t)i);
    close_store(&disk);
    assert_int_equal(store_restore(path_b, path_c, NOW_MS, &report), STORE_TOOL_GOOD);
    clear();
    assert_true(contents == contents_of(path_c));
    open_store(&disk, path_c);
    assert_int_equal(get(&disk, "key-7"), 10);
    assert_int_equal(get(&disk, "key-8"), UINT32_MAX);
    assert_int_equal(get(&disk, "large"), 30000);
    uint64_t first = put(&disk, "key-1", 20, 1);
    assert_true(first > last + (UINT64_C(1) << 32));
    for (uint32_t i = 0; i < 100; i++)
        last = put(&disk, "key-1", 20, 1);
    close_store(&disk);
    char again[160];
    snprintf(again, sizeof(again), "%s/again", folder);
    assert_int_equal(store_restore(path_b, again, NOW_MS + 10, &report), STORE_TOOL_GOOD);
    open_store(&disk, again);
    assert_true(put(&disk, "key-1", 20, 1) > last);
    close_store(&disk);
}

static void nothing_is_restored_from_damage_or_from_a_store(void **state)
{
    (void)state;
    char name[32];
    make_store(path_a);
    expect_status(store_restore(path_a, path_c, NOW_MS, &report), STORE_TOOL_UNUSABLE,
                  "is not a backup: there is no SUPER.BACKUP in it");
    assert_int_equal(backup(path_a, path_b, NULL), STORE_TOOL_GOOD);
    clear();
    find_name(path_b, "seg-", name);
    damage(path_b, name, 9000, 1);
    expect_status(store_restore(path_b, path_c, NOW_MS, &report), STORE_TOOL_DAMAGED,
                  "is damaged: nothing was restored");
    assert_int_equal(access(path_c, F_OK), -1);
}

/* On another file system nothing can be linked; what the last backup has is. */
static void the_next_backup_links_what_the_last_one_has(void **state)
{
    (void)state;
    char elsewhere[64];
    struct stat here, there;
    snprintf(elsewhere, sizeof(elsewhere), "/dev/shm/gannet-tools-%d", (int)getpid());
    if (stat("/dev/shm", &there) < 0 || stat(folder, &here) < 0 || here.st_dev == there.st_dev)
        skip();
    make_store(elsewhere);
    assert_int_equal(backup(elsewhere, path_a, NULL), STORE_TOOL_GOOD);
    assert_non_null(strstr(text(), "0 files linked"));
    clear();
    struct disk_store disk;
    open_store(&disk, elsewhere);
    put(&disk, "one more", 100, 1);
    close_store(&disk);
    assert_int_equal(backup(elsewhere, path_b, path_a), STORE_TOOL_GOOD);
    unsigned linked = 0, copied = 0;
    const char *counts = strstr(text(), ": ");
    assert_int_equal(sscanf(counts, ": %u files linked, %u copied", &linked, &copied), 2);
    clear();
    assert_true(linked >= 3); /* the segments that were sealed, and the large value */
    assert_true(contents_of(path_b) == contents_of(elsewhere));
    char command[96];
    snprintf(command, sizeof(command), "rm -rf %s", elsewhere);
    assert_int_equal(system(command), 0);
}

static void nothing_is_removed_while_files_are_held(void **state)
{
    (void)state;
    struct disk_store disk;
    struct store_status before, after;
    char key[16];
    dead_percent = 20;
    open_store(&disk, path_a);
    fill(&disk);
    while (!store_set_hold(disk.set, UINT64_MAX))
        round_of(&disk);
    store_set_status(disk.set, &before);
    for (uint32_t i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "key-%u", i);
        if (i != 8)
            delete (&disk, key);
    }
    delete (&disk, "large");
    for (uint32_t i = 0; i < 1000; i++)
        round_of(&disk);
    store_set_status(disk.set, &after);
    assert_true(after.disk_bytes + 32768 >= before.disk_bytes); /* less the extent, which is counted
                                                                   by the index */
    char name[32];
    find_name(path_a, "ext-", name);
    assert_true(store_set_hold(disk.set, 0));
    for (uint32_t i = 0; i < 1000; i++)
        round_of(&disk);
    store_set_status(disk.set, &after);
    assert_true(after.disk_bytes < before.disk_bytes);
    close_store(&disk);
}

/* ---- inspect and compact ---- */

static void every_record_of_a_key_can_be_seen(void **state)
{
    (void)state;
    make_store(path_a);
    expect_status(store_inspect(path_a, "demo/key-7", false, &report), STORE_TOOL_GOOD,
                  "put          10 bytes");
    expect_status(store_inspect(path_a, "demo/key-7", false, &report), STORE_TOOL_GOOD,
                  "put         707 bytes");
    expect_status(store_inspect(path_a, "demo/key-8", false, &report), STORE_TOOL_GOOD, "delete");
    expect_status(store_inspect(path_a, "demo/none", false, &report), STORE_TOOL_GOOD,
                  "no record of this key");
    expect_status(store_inspect(path_a, "none", false, &report), STORE_TOOL_USAGE,
                  "a key is NAMESPACE/KEY");
    expect_status(store_inspect(path_a, NULL, false, &report), STORE_TOOL_GOOD,
                  "seg-00000000.log sealed ");
    expect_status(store_inspect(path_a, NULL, true, &report), STORE_TOOL_GOOD,
                  "\"segment_list\":[\n{\"segment\":0,\"state\":\"sealed\"");
}

/* Deletes take room, too; an emptied store ends with what it keeps in reserve. */
static void an_emptied_store_gives_its_space_back_when_compacted(void **state)
{
    (void)state;
    struct disk_store disk;
    char key[16];
    segment_bytes = 1u << 20; /* the smallest that a configuration can have */
    open_store(&disk, path_a);
    fill(&disk);
    for (uint32_t i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "key-%u", i);
        if (i != 8)
            delete (&disk, key);
    }
    delete (&disk, "large");
    close_store(&disk);
    uint64_t contents = contents_of(path_a);
    expect_status(store_compact(path_a, 5, &report), STORE_TOOL_GOOD, "bytes on disk before");
    assert_true(contents == contents_of(path_a));
    expect_status(store_inspect(path_a, "demo/key-1", false, &report), STORE_TOOL_GOOD,
                  "no record of this key");
    expect_status(store_compact(folder, 5, &report), STORE_TOOL_UNUSABLE, "is not a store");
}

/* ---- the released format ---- */

static void directories_of_every_released_format_open(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t contents;
    } golden[] = {
        {"format-1.0", UINT64_C(0xf08f2cfc5369d08c)},
    };
    for (size_t i = 0; i < ARRAY_COUNT(golden); i++) {
        char command[512];
        struct disk_store disk;
        snprintf(command, sizeof(command), "cp -r %s/tests/golden/%s %s", SOURCE_ROOT,
                 golden[i].name, path_a);
        assert_int_equal(system(command), 0);
        uint64_t contents = contents_of(path_a);
        if (contents != golden[i].contents)
            fail_msg("%s: contents %016" PRIx64, golden[i].name, contents);
        open_store(&disk, path_a);
        assert_int_equal(get(&disk, "key-7"), 10);
        assert_int_equal(get(&disk, "key-8"), UINT32_MAX);
        assert_int_equal(get(&disk, "large"), 30000);
        close_store(&disk);
        assert_true(contents_of(path_a) == golden[i].contents);
    }
}

int main(int argument_count, char *arguments[])
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(a_good_store_is_good_and_its_contents_do_not_depend_on_how_often_it_was_opened),
        TEST(damage_is_found_and_the_keys_are_named),
        TEST(lost_and_damaged_extents_are_found),
        TEST(a_shorter_segment_is_found),
        TEST(what_is_no_store_is_said_to_be_none),
        TEST(a_backup_holds_the_same_and_no_server_opens_it),
        TEST(a_backup_does_not_change_when_the_store_goes_on),
        TEST(a_restored_store_goes_on_with_versions_that_were_never_issued),
        TEST(nothing_is_restored_from_damage_or_from_a_store),
        TEST(the_next_backup_links_what_the_last_one_has),
        TEST(nothing_is_removed_while_files_are_held),
        TEST(every_record_of_a_key_can_be_seen),
        TEST(an_emptied_store_gives_its_space_back_when_compacted),
        TEST(directories_of_every_released_format_open),
    };
    log_set_level((enum log_level) - 1);
    if (argument_count == 3 && strcmp(arguments[1], "--write-golden") == 0) {
        make_store(arguments[2]);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
