/* SPDX-License-Identifier: BSD-3-Clause */
/* What the simulated disk keeps after a crash, and the faults it plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "control/io_loop.h"
#include "control/io_simulator.h"
#include "include/clock.h"
#include "include/compiler.h"

#define SECTOR 512u

struct machine {
    struct io_simulator *sim;
    struct io_loop *loop;
    int directory_fd;
};

static int64_t run(struct machine *m, struct io_operation operation)
{
    return io_run(m->loop, &operation);
}

static int open_file(struct machine *m, const char *path, int open_flags)
{
    return (int)run(m, (struct io_operation){.code = IO_OPEN,
                                             .directory_fd = AT_FDCWD,
                                             .path = path,
                                             .open_flags = open_flags,
                                             .mode = 0600});
}

static int64_t write_bytes(struct machine *m, int fd, uint64_t offset, const void *data,
                           uint32_t bytes)
{
    return run(m, (struct io_operation){.code = IO_WRITE,
                                        .fd = fd,
                                        .offset = offset,
                                        .buffer = (void *)(uintptr_t)data,
                                        .bytes = bytes});
}

static int64_t write_fill(struct machine *m, int fd, uint64_t offset, char fill, uint32_t bytes)
{
    char *data = malloc(bytes);
    memset(data, fill, bytes);
    int64_t result = write_bytes(m, fd, offset, data, bytes);
    free(data);
    return result;
}

static int64_t sync_data(struct machine *m, int fd)
{
    return run(m, (struct io_operation){.code = IO_SYNC_DATA, .fd = fd});
}

static int64_t sync_all(struct machine *m, int fd)
{
    return run(m, (struct io_operation){.code = IO_SYNC_ALL, .fd = fd});
}

static int64_t name_operation(struct machine *m, enum io_code code, const char *path,
                              const char *other)
{
    return run(
        m, (struct io_operation){
               .code = (uint8_t)code, .directory_fd = AT_FDCWD, .path = path, .other_path = other});
}

static void boot(struct machine *m)
{
    struct io_loop_config config = {.depth_max = 32, .wake_fd = -1};
    assert_int_equal(io_simulator_loop(m->sim, &config, &m->loop), 0);
    m->directory_fd = open_file(m, "/", O_RDONLY | O_DIRECTORY);
    assert_true(m->directory_fd >= 0);
}

static struct machine start(uint64_t seed)
{
    struct machine m = {.sim = io_simulator_create(seed)};
    boot(&m);
    return m;
}

static void reboot(struct machine *m, enum io_crash_mode mode)
{
    io_simulator_crash(m->sim, mode);
    io_loop_destroy(m->loop);
    boot(m);
}

static void stop(struct machine *m)
{
    io_loop_destroy(m->loop);
    io_simulator_destroy(m->sim);
}

/* A file that is durable with its name, filled with 'a'. */
static int make_durable_file(struct machine *m, const char *path, uint32_t bytes)
{
    int fd = open_file(m, path, O_RDWR | O_CREAT);
    assert_int_equal(write_fill(m, fd, 0, 'a', bytes), bytes);
    assert_int_equal(sync_data(m, fd), 0);
    assert_int_equal(sync_all(m, m->directory_fd), 0);
    return fd;
}

static uint32_t read_file(struct machine *m, const char *path, char *out, uint32_t room)
{
    int fd = open_file(m, path, O_RDONLY);
    assert_true(fd >= 0);
    int64_t got =
        run(m, (struct io_operation){.code = IO_READ, .fd = fd, .buffer = out, .bytes = room});
    assert_true(got >= 0);
    return (uint32_t)got;
}

static bool is_filled(const char *bytes, uint32_t count, char fill)
{
    for (uint32_t i = 0; i < count; i++)
        if (bytes[i] != fill)
            return false;
    return true;
}

static void an_acknowledged_write_without_sync_is_dropped(void **state)
{
    (void)state;
    struct machine m = start(1);
    char bytes[4096];
    int fd = make_durable_file(&m, "/file", 4096);
    assert_int_equal(write_fill(&m, fd, 0, 'b', 4096), 4096);
    assert_int_equal(read_file(&m, "/file", bytes, 4096), 4096);
    assert_true(is_filled(bytes, 4096, 'b')); /* seen, but */
    reboot(&m, IO_CRASH_DROP);
    assert_int_equal(read_file(&m, "/file", bytes, 4096), 4096);
    assert_true(is_filled(bytes, 4096, 'a')); /* not durable */
    stop(&m);
}

static void a_synced_write_survives_every_crash(void **state)
{
    (void)state;
    for (uint32_t mode = 0; mode < IO_CRASH_MODE_COUNT; mode++) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct machine m = start(seed);
            char bytes[8192];
            int fd = make_durable_file(&m, "/file", 4096);
            write_fill(&m, fd, 4096, 'b', 4096); /* another sector than the durable ones */
            reboot(&m, (enum io_crash_mode)mode);
            assert_true(read_file(&m, "/file", bytes, 8192) >= 4096);
            if (!is_filled(bytes, 4096, 'a'))
                fail_msg("mode %s seed %u", io_crash_mode_names[mode], (unsigned)seed);
            stop(&m);
        }
    }
}

static int64_t write_durably(struct machine *m, int fd, uint64_t offset, char fill, uint32_t bytes)
{
    char *data = malloc(bytes);
    memset(data, fill, bytes);
    int64_t result = run(
        m,
        (struct io_operation){
            .code = IO_WRITE_DURABLE, .fd = fd, .offset = offset, .buffer = data, .bytes = bytes});
    free(data);
    return result;
}

static void a_durable_write_survives_every_crash_and_saves_no_other(void **state)
{
    (void)state;
    for (uint32_t mode = 0; mode < IO_CRASH_MODE_COUNT; mode++) {
        uint32_t lost_count = 0;
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct machine m = start(seed);
            char bytes[4 * 4096];
            int fd = make_durable_file(&m, "/file", 4096);
            write_fill(&m, fd, 8192, 'b', 8192); /* not synced; half of it lies below */
            assert_int_equal(write_durably(&m, fd, 12288, 'c', 4096), 4096);
            reboot(&m, (enum io_crash_mode)mode);
            assert_int_equal(read_file(&m, "/file", bytes, sizeof(bytes)), sizeof(bytes));
            if (!is_filled(bytes, 4096, 'a') || !is_filled(bytes + 12288, 4096, 'c'))
                fail_msg("mode %s seed %u", io_crash_mode_names[mode], (unsigned)seed);
            lost_count += !is_filled(bytes + 8192, 4096, 'b');
            stop(&m);
        }
        assert_true(mode == IO_CRASH_KEEP ? lost_count == 0 : lost_count > 0);
    }
}

static void a_durable_write_that_fails_or_does_not_complete_may_be_lost(void **state)
{
    (void)state;
    static char data[8 * SECTOR];
    uint32_t lost_count = 0, torn_count = 0;
    memset(data, 'b', sizeof(data));
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct machine m = start(seed);
        char bytes[8 * SECTOR];
        int fd = make_durable_file(&m, "/file", sizeof(bytes));
        struct io_operation writing = {
            .code = IO_WRITE_DURABLE, .fd = fd, .buffer = data, .bytes = sizeof(data)};
        if (seed % 2 == 0) {
            io_simulator_fail_sync_at(m.sim, 0); /* it counts as a sync */
            assert_int_equal(run(&m, writing), -EIO);
        } else {
            assert_true(io_submit(m.loop, &writing));
        }
        reboot(&m, IO_CRASH_TEAR);
        read_file(&m, "/file", bytes, sizeof(bytes));
        bool is_lost = is_filled(bytes, sizeof(bytes), 'a');
        lost_count += is_lost;
        torn_count += !is_lost && !is_filled(bytes, sizeof(bytes), 'b');
        stop(&m);
    }
    assert_true(lost_count > 5 && torn_count > 5);
}

static void keep_keeps_everything(void **state)
{
    (void)state;
    struct machine m = start(3);
    char bytes[100];
    int fd = open_file(&m, "/file", O_RDWR | O_CREAT);
    write_fill(&m, fd, 0, 'x', 100);
    reboot(&m, IO_CRASH_KEEP);
    assert_int_equal(read_file(&m, "/file", bytes, 100), 100);
    assert_true(is_filled(bytes, 100, 'x'));
    stop(&m);
}

static void a_sync_covers_only_writes_that_completed_before_it_was_submitted(void **state)
{
    (void)state;
    uint32_t lost_count = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct machine m = start(seed);
        static char data[4096];
        int fd = make_durable_file(&m, "/file", 4096);
        memset(data, 'b', sizeof(data));
        struct io_operation writing = {
            .code = IO_WRITE, .fd = fd, .buffer = data, .bytes = sizeof(data)};
        struct io_operation syncing = {.code = IO_SYNC_DATA, .fd = fd};
        struct io_operation *out[2];
        assert_true(io_submit(m.loop, &writing) && io_submit(m.loop, &syncing));
        uint32_t done_count = 0;
        while (done_count < 2) {
            io_wait(m.loop, NS_PER_S);
            done_count += io_reap(m.loop, out, 2);
        }
        reboot(&m, IO_CRASH_DROP);
        char bytes[4096];
        read_file(&m, "/file", bytes, 4096);
        lost_count += is_filled(bytes, 4096, 'a');
        stop(&m);
    }
    assert_int_equal(lost_count, 50);
}

static void a_torn_write_keeps_a_prefix_of_sectors(void **state)
{
    (void)state;
    uint32_t lengths_mask = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct machine m = start(seed);
        char bytes[8 * SECTOR];
        int fd = make_durable_file(&m, "/file", sizeof(bytes));
        write_fill(&m, fd, 0, 'b', sizeof(bytes));
        reboot(&m, IO_CRASH_TEAR);
        assert_int_equal(read_file(&m, "/file", bytes, sizeof(bytes)), sizeof(bytes));
        uint32_t new_sectors = 0;
        while (new_sectors < 8 && bytes[new_sectors * SECTOR] == 'b')
            new_sectors++;
        assert_true(is_filled(bytes, new_sectors * SECTOR, 'b'));
        assert_true(is_filled(bytes + new_sectors * SECTOR, (8 - new_sectors) * SECTOR, 'a'));
        lengths_mask |= 1u << new_sectors;
        stop(&m);
    }
    assert_int_equal(lengths_mask, 0x1ff); /* from nothing to all of it */
}

static void trash_damages_whole_sectors_of_the_write_only(void **state)
{
    (void)state;
    uint32_t trashed_count = 0, whole_count = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct machine m = start(seed);
        char bytes[8 * SECTOR];
        int fd = make_durable_file(&m, "/file", sizeof(bytes));
        write_fill(&m, fd, 2 * SECTOR, 'b', 4 * SECTOR);
        reboot(&m, IO_CRASH_TRASH);
        read_file(&m, "/file", bytes, sizeof(bytes));
        assert_true(is_filled(bytes, 2 * SECTOR, 'a'));
        assert_true(is_filled(bytes + 6 * SECTOR, 2 * SECTOR, 'a'));
        for (uint32_t i = 2; i < 6; i++)
            if (is_filled(bytes + i * SECTOR, SECTOR, 'b'))
                whole_count++;
            else
                trashed_count++;
        stop(&m);
    }
    assert_true(trashed_count > 50 && whole_count > 50);
}

static void a_later_write_may_survive_an_earlier_one(void **state)
{
    (void)state;
    uint32_t outcomes_mask = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct machine m = start(seed);
        char bytes[2 * SECTOR];
        int fd = make_durable_file(&m, "/file", sizeof(bytes));
        write_fill(&m, fd, 0, '1', SECTOR);
        write_fill(&m, fd, SECTOR, '2', SECTOR);
        reboot(&m, IO_CRASH_REORDER);
        read_file(&m, "/file", bytes, sizeof(bytes));
        outcomes_mask |= 1u << ((bytes[0] == '1') + 2 * (bytes[SECTOR] == '2'));
        stop(&m);
    }
    assert_int_equal(outcomes_mask, 0xf); /* none, first, second, both */
}

static bool exists(struct machine *m, const char *path)
{
    return io_simulator_file_bytes(m->sim, path) >= 0;
}

static void a_name_is_durable_after_the_sync_of_its_directory(void **state)
{
    (void)state;
    struct machine m = start(5);
    int fd = open_file(&m, "/created", O_RDWR | O_CREAT);
    write_fill(&m, fd, 0, 'x', 10);
    assert_int_equal(sync_all(&m, fd), 0); /* of the file: says nothing about its name */
    reboot(&m, IO_CRASH_DROP);
    assert_false(exists(&m, "/created"));

    make_durable_file(&m, "/old", 10);
    assert_int_equal(name_operation(&m, IO_RENAME, "/old", "/new"), 0);
    assert_true(exists(&m, "/new") && !exists(&m, "/old"));
    reboot(&m, IO_CRASH_DROP);
    assert_true(exists(&m, "/old") && !exists(&m, "/new"));
    name_operation(&m, IO_RENAME, "/old", "/new");
    sync_all(&m, m.directory_fd);
    reboot(&m, IO_CRASH_DROP);
    assert_true(exists(&m, "/new") && !exists(&m, "/old"));

    name_operation(&m, IO_UNLINK, "/new", NULL);
    reboot(&m, IO_CRASH_DROP);
    assert_true(exists(&m, "/new"));
    name_operation(&m, IO_UNLINK, "/new", NULL);
    sync_all(&m, m.directory_fd);
    reboot(&m, IO_CRASH_DROP);
    assert_false(exists(&m, "/new"));
    stop(&m);
}

static void a_durable_name_does_not_make_contents_durable(void **state)
{
    (void)state;
    struct machine m = start(6);
    int fd = open_file(&m, "/file", O_RDWR | O_CREAT);
    write_fill(&m, fd, 0, 'x', 10);
    sync_all(&m, m.directory_fd);
    reboot(&m, IO_CRASH_DROP);
    assert_int_equal(io_simulator_file_bytes(m.sim, "/file"), 0);
    stop(&m);
}

static void a_made_directory_needs_the_sync_of_its_parent(void **state)
{
    (void)state;
    struct machine m = start(6);
    assert_int_equal(io_make_directory(m.loop, "/data", 0700), 0);
    reboot(&m, IO_CRASH_DROP);
    assert_int_equal(open_file(&m, "/data", O_RDONLY | O_DIRECTORY), -ENOENT);
    assert_int_equal(io_make_directory(m.loop, "/data", 0700), 0);
    sync_all(&m, m.directory_fd);
    reboot(&m, IO_CRASH_DROP);
    int fd = open_file(&m, "/data", O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_true(open_file(&m, "data/file", O_RDWR | O_CREAT) >= 0);
    stop(&m);
}

static void name_changes_may_survive_out_of_order(void **state)
{
    (void)state;
    uint32_t reordered_mask = 0, torn_mask = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        for (uint32_t reordered = 0; reordered < 2; reordered++) {
            struct machine m = start(seed);
            open_file(&m, "/first", O_RDWR | O_CREAT);
            open_file(&m, "/second", O_RDWR | O_CREAT);
            reboot(&m, reordered ? IO_CRASH_REORDER : IO_CRASH_TEAR);
            uint32_t outcome = 1u << (exists(&m, "/first") + 2 * exists(&m, "/second"));
            if (reordered)
                reordered_mask |= outcome;
            else
                torn_mask |= outcome;
            stop(&m);
        }
    }
    assert_int_equal(reordered_mask, 0xf);
    assert_int_equal(torn_mask, 0xb); /* never the second without the first */
}

static void a_rename_is_never_half_done(void **state)
{
    (void)state;
    for (uint32_t mode = 0; mode < IO_CRASH_MODE_COUNT; mode++) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct machine m = start(seed);
            make_durable_file(&m, "/old", 10);
            name_operation(&m, IO_RENAME, "/old", "/new");
            reboot(&m, (enum io_crash_mode)mode);
            assert_int_equal(exists(&m, "/old") + exists(&m, "/new"), 1);
            stop(&m);
        }
    }
}

static void after_the_crash_point_nothing_completes(void **state)
{
    (void)state;
    struct machine m = start(7);
    int fd = make_durable_file(&m, "/file", 10);
    uint64_t before = io_simulator_operations(m.sim);
    io_simulator_crash_after(m.sim, 2);
    assert_int_equal(write_fill(&m, fd, 0, '1', 10), 10);
    assert_int_equal(sync_data(&m, fd), 0);
    assert_false(io_simulator_is_crashed(m.sim));
    assert_int_equal(write_fill(&m, fd, 0, '2', 10), -ECANCELED);
    assert_true(io_simulator_is_crashed(m.sim));
    assert_int_equal(io_simulator_operations(m.sim) - before, 2);
    io_wait(m.loop, NS_PER_S);
    struct io_operation *none;
    assert_int_equal(io_reap(m.loop, &none, 1), 0);
    assert_int_equal(io_file_size(m.loop, fd), -ECANCELED);

    struct io_loop *dead = m.loop;
    reboot(&m, IO_CRASH_KEEP); /* destroys `dead`; what vanished is not kept either */
    assert_ptr_not_equal(dead, NULL);
    char bytes[10];
    assert_int_equal(read_file(&m, "/file", bytes, 10), 10);
    assert_true(is_filled(bytes, 10, '1'));
    assert_false(io_simulator_is_crashed(m.sim));
    stop(&m);
}

/* A write under way when the power goes may or may not have reached the disk. */
static void a_write_in_flight_at_the_crash_has_both_outcomes(void **state)
{
    (void)state;
    uint32_t outcomes_mask = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct machine m = start(seed);
        char data[SECTOR], bytes[SECTOR];
        int fd = make_durable_file(&m, "/file", SECTOR);
        memset(data, 'b', sizeof(data));
        struct io_operation writing = {
            .code = IO_WRITE, .fd = fd, .buffer = data, .bytes = sizeof(data)};
        assert_true(io_submit(m.loop, &writing));
        reboot(&m, IO_CRASH_REORDER);
        read_file(&m, "/file", bytes, SECTOR);
        outcomes_mask |= 1u << (bytes[0] == 'b');
        stop(&m);
    }
    assert_int_equal(outcomes_mask, 3);
}

static void after_a_failed_sync_nothing_saves_the_data(void **state)
{
    (void)state;
    struct machine m = start(8);
    char bytes[10];
    int fd = make_durable_file(&m, "/file", 10);
    io_simulator_fail_sync_at(m.sim, 0);
    write_fill(&m, fd, 0, 'b', 10);
    assert_int_equal(sync_data(&m, fd), -EIO);
    assert_int_equal(sync_data(&m, fd), 0); /* as on Linux: the pages were marked clean */
    read_file(&m, "/file", bytes, 10);
    assert_true(is_filled(bytes, 10, 'b'));
    reboot(&m, IO_CRASH_KEEP);
    read_file(&m, "/file", bytes, 10);
    assert_true(is_filled(bytes, 10, 'a'));
    stop(&m);
}

static void faults_meet_the_planned_operation(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum io_fault fault;
        int error;
        int64_t expected;
    } cases[] = {
        {"EIO", IO_FAULT_ERROR, EIO, -EIO},
        {"ENOSPC", IO_FAULT_ERROR, ENOSPC, -ENOSPC},
        {"one byte", IO_FAULT_SHORT_ONE, 0, 1},
        {"all but a sector", IO_FAULT_SHORT_SECTOR, 0, 4096 - 512},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct machine m = start(9);
        int fd = make_durable_file(&m, "/file", 4096);
        io_simulator_fault_at(m.sim, 1, cases[i].fault, cases[i].error);
        assert_int_equal(write_fill(&m, fd, 0, 'b', 4096), 4096);
        if (write_fill(&m, fd, 0, 'c', 4096) != cases[i].expected)
            fail_msg("case '%s'", cases[i].what);
        assert_int_equal(write_fill(&m, fd, 0, 'd', 4096), 4096);
        stop(&m);
    }
}

static void transient_faults_are_tried_again_by_io_run_only(void **state)
{
    (void)state;
    static const int errors[] = {EINTR, EAGAIN};
    for (size_t i = 0; i < ARRAY_COUNT(errors); i++) {
        struct machine m = start(10);
        int fd = make_durable_file(&m, "/file", 10);
        char byte = 'b';
        struct io_operation writing = {.code = IO_WRITE, .fd = fd, .buffer = &byte, .bytes = 1};
        struct io_operation *out;
        io_simulator_fault_at(m.sim, 0, IO_FAULT_ERROR, errors[i]);
        assert_true(io_submit(m.loop, &writing));
        io_wait(m.loop, NS_PER_S);
        assert_int_equal(io_reap(m.loop, &out, 1), 1);
        assert_int_equal(writing.result, -errors[i]);

        io_simulator_fault_at(m.sim, 0, IO_FAULT_ERROR, errors[i]);
        assert_int_equal(io_run(m.loop, &writing), 1);
        io_simulator_fault_randomly(m.sim, IO_FAULT_ERROR, errors[i], 1000);
        assert_int_equal(io_run(m.loop, &writing), -errors[i]); /* but not for ever */
        stop(&m);
    }
}

static void a_full_disk_refuses_and_recovers(void **state)
{
    (void)state;
    struct machine m = start(11);
    int fd = make_durable_file(&m, "/file", 8192);
    uint64_t free_bytes;
    io_simulator_set_capacity(m.sim, 16384);
    assert_int_equal(io_free_space(m.loop, fd, &free_bytes), 0);
    assert_int_equal(free_bytes, 8192);
    assert_int_equal(write_fill(&m, fd, 8192, 'b', 8192), 8192);
    assert_int_equal(write_fill(&m, fd, 16384, 'b', 1), -ENOSPC);
    assert_int_equal(write_fill(&m, fd, 0, 'b', 16384), 16384); /* in place */
    int other = open_file(&m, "/other", O_RDWR | O_CREAT);
    assert_int_equal(
        run(&m, (struct io_operation){.code = IO_ALLOCATE, .fd = other, .bytes = 4096}), -ENOSPC);
    assert_int_equal(run(&m, (struct io_operation){.code = IO_CLOSE, .fd = fd}), 0);
    name_operation(&m, IO_UNLINK, "/file", NULL);
    sync_all(&m, m.directory_fd);
    assert_int_equal(
        run(&m, (struct io_operation){.code = IO_ALLOCATE, .fd = other, .bytes = 4096}), 0);
    stop(&m);
}

static void direct_io_must_be_aligned(void **state)
{
    (void)state;
    struct machine m = start(12);
    static char block[3 * 4096];
    char *aligned = block + (4096 - (uintptr_t)block % 4096);
    int fd = open_file(&m, "/file", O_RDWR | O_CREAT | O_DIRECT);
    assert_int_equal(write_bytes(&m, fd, 0, aligned, 4096), 4096);
    assert_int_equal(write_bytes(&m, fd, 0, aligned + 1, 4096), -EINVAL);
    assert_int_equal(write_bytes(&m, fd, 512, aligned, 4096), -EINVAL);
    assert_int_equal(write_bytes(&m, fd, 0, aligned, 512), -EINVAL);
    io_simulator_set_direct_alignment(m.sim, 512);
    assert_int_equal(write_bytes(&m, fd, 512, aligned, 512), 512);
    stop(&m);
}

static void damage_is_there_before_and_after_a_crash(void **state)
{
    (void)state;
    struct machine m = start(13);
    char bytes[16];
    make_durable_file(&m, "/file", 10);
    assert_true(io_simulator_flip_bit(m.sim, "/file", 3, 1));
    assert_false(io_simulator_flip_bit(m.sim, "/file", 10, 1));
    assert_false(io_simulator_flip_bit(m.sim, "/missing", 0, 1));
    read_file(&m, "/file", bytes, 10);
    assert_int_equal(bytes[3], 'a' ^ 2);
    assert_true(io_simulator_truncate(m.sim, "/file", 5));
    reboot(&m, IO_CRASH_DROP);
    assert_int_equal(read_file(&m, "/file", bytes, 16), 5);
    assert_int_equal(bytes[3], 'a' ^ 2);
    assert_true(io_simulator_remove(m.sim, "/file"));
    assert_int_equal(open_file(&m, "/file", O_RDONLY), -ENOENT);
    stop(&m);
}

static void a_snapshot_can_be_restored_again_and_again(void **state)
{
    (void)state;
    struct machine m = start(14), other = start(15);
    char bytes[10];
    int fd = make_durable_file(&m, "/file", 10);
    write_fill(&m, fd, 0, 'b', 10); /* not durable: not in the snapshot */
    struct io_disk_image *image = io_simulator_snapshot(m.sim);
    struct machine *machines[] = {&m, &other, &m};
    for (size_t i = 0; i < ARRAY_COUNT(machines); i++) {
        io_simulator_restore(machines[i]->sim, image);
        io_loop_destroy(machines[i]->loop);
        boot(machines[i]);
        assert_int_equal(read_file(machines[i], "/file", bytes, 10), 10);
        assert_true(is_filled(bytes, 10, 'a'));
        fd = open_file(machines[i], "/file", O_RDWR);
        write_fill(machines[i], fd, 0, 'z', 10);
        sync_data(machines[i], fd);
    }
    io_disk_image_destroy(image);
    stop(&m);
    stop(&other);
}

static void two_loops_share_files_and_locks_end_with_the_machine(void **state)
{
    (void)state;
    struct machine m = start(16);
    struct machine second = {.sim = m.sim};
    boot(&second);
    int fd = make_durable_file(&m, "/LOCK", 1);
    int again = open_file(&second, "/LOCK", O_RDWR);
    assert_int_equal(io_lock(m.loop, fd), 0);
    assert_int_equal(io_lock(second.loop, again), -EWOULDBLOCK);
    assert_int_equal(io_file_size(second.loop, fd), 1); /* descriptors belong to the machine */
    io_loop_destroy(second.loop);
    reboot(&m, IO_CRASH_KEEP);
    assert_int_equal(io_simulator_open_files(m.sim), 1); /* the directory that boot opened */
    assert_int_equal(io_lock(m.loop, open_file(&m, "/LOCK", O_RDWR)), 0);
    stop(&m);
}

/* A run, as one number: results, order of completion and times. */
static uint64_t trace_of(uint64_t seed)
{
    struct machine m = start(seed);
    int fd = make_durable_file(&m, "/file", 4096);
    struct io_operation operations[16];
    char buffers[16][64];
    uint64_t trace = 0;
    memset(buffers, 'q', sizeof(buffers));
    for (uint32_t i = 0; i < 16; i++) {
        operations[i] = (struct io_operation){.code = i % 3 ? IO_WRITE : IO_READ,
                                              .fd = fd,
                                              .offset = 64 * i,
                                              .buffer = buffers[i],
                                              .bytes = 64};
        assert_true(io_submit(m.loop, &operations[i]));
    }
    while (io_in_flight(m.loop) > 0) {
        struct io_operation *out;
        io_wait(m.loop, NS_PER_S);
        while (io_reap(m.loop, &out, 1) > 0)
            trace = trace * 31 + (uint64_t)(out - operations) + io_now_ns(m.loop);
    }
    stop(&m);
    return trace;
}

static void a_seed_replays_exactly_and_another_does_not(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        assert_true(trace_of(seed) == trace_of(seed));
        assert_true(trace_of(seed) != trace_of(seed + 1000));
    }
}

static void the_wall_clock_can_jump(void **state)
{
    (void)state;
    struct machine m = start(17);
    uint64_t wall = io_wall_ms(m.loop), now = io_now_ns(m.loop);
    io_simulator_jump_wall_ms(m.sim, -3600000);
    assert_true(io_wall_ms(m.loop) == wall - 3600000);
    assert_true(io_now_ns(m.loop) == now);
    io_wait(m.loop, 5 * NS_PER_MS);
    assert_true(io_now_ns(m.loop) == now + 5 * NS_PER_MS);
    stop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_acknowledged_write_without_sync_is_dropped),
        cmocka_unit_test(a_synced_write_survives_every_crash),
        cmocka_unit_test(a_durable_write_survives_every_crash_and_saves_no_other),
        cmocka_unit_test(a_durable_write_that_fails_or_does_not_complete_may_be_lost),
        cmocka_unit_test(keep_keeps_everything),
        cmocka_unit_test(a_sync_covers_only_writes_that_completed_before_it_was_submitted),
        cmocka_unit_test(a_torn_write_keeps_a_prefix_of_sectors),
        cmocka_unit_test(trash_damages_whole_sectors_of_the_write_only),
        cmocka_unit_test(a_later_write_may_survive_an_earlier_one),
        cmocka_unit_test(a_name_is_durable_after_the_sync_of_its_directory),
        cmocka_unit_test(a_durable_name_does_not_make_contents_durable),
        cmocka_unit_test(a_made_directory_needs_the_sync_of_its_parent),
        cmocka_unit_test(name_changes_may_survive_out_of_order),
        cmocka_unit_test(a_rename_is_never_half_done),
        cmocka_unit_test(after_the_crash_point_nothing_completes),
        cmocka_unit_test(a_write_in_flight_at_the_crash_has_both_outcomes),
        cmocka_unit_test(after_a_failed_sync_nothing_saves_the_data),
        cmocka_unit_test(faults_meet_the_planned_operation),
        cmocka_unit_test(transient_faults_are_tried_again_by_io_run_only),
        cmocka_unit_test(a_full_disk_refuses_and_recovers),
        cmocka_unit_test(direct_io_must_be_aligned),
        cmocka_unit_test(damage_is_there_before_and_after_a_crash),
        cmocka_unit_test(a_snapshot_can_be_restored_again_and_again),
        cmocka_unit_test(two_loops_share_files_and_locks_end_with_the_machine),
        cmocka_unit_test(a_seed_replays_exactly_and_another_does_not),
        cmocka_unit_test(the_wall_clock_can_jump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
