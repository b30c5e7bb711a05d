/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulated back end: virtual time, random order of completion, faults and crash points. What a
 * crash keeps is decided in io_simulator_disk.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "control/io_loop_backend.h"
#include "control/io_simulator.h"
#include "control/io_simulator_disk.h"
#include "include/assert_policy.h"
#include "include/clock.h"
#include "include/random.h"

#define FIRST_FD 1000 /* so that a real descriptor used by mistake is noticed */
#define FILES_MAX 4096u
#define START_NS (UINT64_C(1000) * 1000000000ull)
#define START_WALL_MS UINT64_C(1700000000000)
#define NEVER UINT64_MAX

struct open_file {
    struct disk_node *node; /* NULL: free */
    int open_flags;
};

struct simulated_fault {
    uint64_t at; /* operation (or sync) number; NEVER: free */
    bool is_for_sync;
    enum io_fault fault;
    int error;
};

/* An operation under way. */
struct simulated_task {
    struct simulated_task *next;
    struct simulator_loop *loop;
    struct io_operation *operation;
    uint64_t due_ns;
    uint64_t sequence; /* of the disk at submission: what a sync covers */
    uint8_t *data;     /* of a write, as it was submitted */
    bool has_fault;
    enum io_fault fault;
    int error;
};

struct io_simulator {
    struct disk disk;
    struct random random;
    uint64_t now_ns;
    int64_t wall_shift_ms;
    uint64_t operation_count, sync_count;
    uint64_t crash_at; /* operation number, or NEVER */
    bool is_crashed;
    uint32_t generation; /* of the machine: loops of an older one are dead */
    uint32_t direct_alignment;
    uint32_t latency_us[IO_CODE_COUNT]; /* at most; now and then much longer */
    struct open_file files[FILES_MAX];
    struct simulated_fault faults[IO_FAULTS_MAX];
    struct simulated_fault random_fault;
    uint32_t random_fault_permille;
    struct {
        uint32_t count;
        int error;
    } refusals[IO_CODE_COUNT];
    struct simulated_task *tasks;
};

struct simulator_loop {
    struct io_loop base;
    struct io_simulator *sim;
    uint32_t generation;
};

const char *const io_crash_mode_names[IO_CRASH_MODE_COUNT] = {
    [IO_CRASH_DROP] = "drop", [IO_CRASH_KEEP] = "keep",       [IO_CRASH_TRASH] = "trash",
    [IO_CRASH_TEAR] = "tear", [IO_CRASH_REORDER] = "reorder", [IO_CRASH_RANDOM] = "random",
};

static struct simulator_loop *of(const struct io_loop *loop)
{
    return (struct simulator_loop *)(uintptr_t)loop;
}

static bool simulator_is_dead(const struct io_loop *loop)
{
    const struct simulator_loop *self = of(loop);
    return self->sim->is_crashed || self->generation != self->sim->generation;
}

/* ------------------------------------------------------------------ descriptors */

static struct open_file *file_of(struct io_simulator *sim, int fd)
{
    if (fd < FIRST_FD || (uint32_t)(fd - FIRST_FD) >= FILES_MAX)
        return NULL;
    struct open_file *file = &sim->files[fd - FIRST_FD];
    return file->node ? file : NULL;
}

static int open_node(struct io_simulator *sim, struct disk_node *node, int open_flags)
{
    for (uint32_t i = 0; i < FILES_MAX; i++) {
        if (sim->files[i].node)
            continue;
        sim->files[i] = (struct open_file){.node = node, .open_flags = open_flags};
        node->open_count++;
        return FIRST_FD + (int)i;
    }
    return -EMFILE;
}

static int close_file(struct io_simulator *sim, int fd)
{
    struct open_file *file = file_of(sim, fd);
    if (!file)
        return -EBADF;
    if (file->node->lock_fd == fd)
        file->node->lock_fd = -1;
    file->node->open_count--;
    file->node = NULL;
    return 0;
}

/* The directory a relative path starts at; NULL: no such directory. */
static struct disk_node *start_of(struct io_simulator *sim, int directory_fd, const char *path)
{
    if (directory_fd == AT_FDCWD || path[0] == '/')
        return sim->disk.root;
    struct open_file *file = file_of(sim, directory_fd);
    return file && file->node->is_directory ? file->node : NULL;
}

static int resolve(struct io_simulator *sim, const struct io_operation *op, const char *path,
                   struct disk_node **directory, const char **name)
{
    struct disk_node *start = start_of(sim, op->directory_fd, path);
    return start ? disk_resolve_parent(&sim->disk, start, path, directory, name) : -EBADF;
}

static int64_t run_open(struct io_simulator *sim, const struct io_operation *op)
{
    struct disk_node *start = start_of(sim, op->directory_fd, op->path);
    if (!start)
        return -EBADF;
    struct disk_node *directory, *node = disk_find(&sim->disk, start, op->path);
    const char *name;
    if (node && (op->open_flags & O_CREAT) && (op->open_flags & O_EXCL))
        return -EEXIST;
    if (!node) {
        int status = disk_resolve_parent(&sim->disk, start, op->path, &directory, &name);
        if (status == 0 && (op->open_flags & O_CREAT) == 0)
            status = -ENOENT;
        if (status == 0)
            status = disk_create(&sim->disk, directory, name, false, &node);
        if (status < 0)
            return status;
    }
    if (node->is_directory && (op->open_flags & O_ACCMODE) != O_RDONLY)
        return -EISDIR;
    if (!node->is_directory && (op->open_flags & O_DIRECTORY))
        return -ENOTDIR;
    if (op->open_flags & O_TRUNC)
        disk_truncate(&sim->disk, node, 0);
    return open_node(sim, node, op->open_flags);
}

/* ------------------------------------------------------------------ operations */

static uint32_t cut_bytes(const struct io_simulator *sim, const struct simulated_task *task,
                          const struct open_file *file)
{
    uint32_t bytes = task->operation->bytes;
    if (!task->has_fault || task->fault == IO_FAULT_ERROR)
        return bytes;
    bool is_direct = (file->open_flags & O_DIRECT) != 0;
    uint32_t one = is_direct ? sim->direct_alignment : 1;
    uint32_t unit = is_direct ? sim->direct_alignment : DISK_SECTOR_BYTES;
    if (bytes <= one)
        return bytes;
    if (task->fault == IO_FAULT_SHORT_ONE)
        return one;
    return bytes > unit ? bytes - unit : one;
}

static bool is_misaligned(const struct io_simulator *sim, const struct io_operation *op,
                          const struct open_file *file)
{
    uint64_t mask = sim->direct_alignment - 1;
    return (file->open_flags & O_DIRECT) &&
           ((op->offset | op->bytes | (uint64_t)(uintptr_t)op->buffer) & mask) != 0;
}

static int64_t run_read(struct io_simulator *sim, const struct simulated_task *task)
{
    const struct io_operation *op = task->operation;
    struct open_file *file = file_of(sim, op->fd);
    if (!file || (file->open_flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if (file->node->is_directory)
        return -EISDIR;
    if (is_misaligned(sim, op, file))
        return -EINVAL;
    return disk_read(file->node, op->offset, op->buffer, cut_bytes(sim, task, file));
}

static int64_t run_write(struct io_simulator *sim, const struct simulated_task *task)
{
    const struct io_operation *op = task->operation;
    struct open_file *file = file_of(sim, op->fd);
    if (!file || (file->open_flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (is_misaligned(sim, op, file))
        return -EINVAL;
    uint32_t bytes = cut_bytes(sim, task, file);
    if (task->has_fault && task->fault == IO_FAULT_ERROR) /* some of it may have got there */
        bytes = random_below(&sim->random, bytes / DISK_SECTOR_BYTES + 1) * DISK_SECTOR_BYTES;
    bool is_whole = !sim->is_crashed && (!task->has_fault || task->fault != IO_FAULT_ERROR);
    bool is_durable = op->code == IO_WRITE_DURABLE || (file->open_flags & O_DSYNC) != 0;
    int status =
        disk_write(&sim->disk, file->node, op->offset, task->data, bytes, is_durable && is_whole);
    return status < 0 ? status : (int64_t)bytes;
}

static int64_t run_sync(struct io_simulator *sim, const struct simulated_task *task)
{
    struct open_file *file = file_of(sim, task->operation->fd);
    if (!file)
        return -EBADF;
    if (task->has_fault && task->fault == IO_FAULT_ERROR)
        disk_lose(&sim->disk, file->node, task->sequence);
    else
        disk_sync(&sim->disk, file->node, task->sequence);
    return 0;
}

static int64_t run_resize(struct io_simulator *sim, const struct io_operation *op)
{
    struct open_file *file = file_of(sim, op->fd);
    if (!file || (file->open_flags & O_ACCMODE) == O_RDONLY)
        return file ? -EINVAL : -EBADF;
    if (op->code == IO_TRUNCATE)
        return disk_truncate(&sim->disk, file->node, io_end_offset(op));
    return disk_allocate(&sim->disk, file->node, op->offset, op->bytes);
}

static int64_t run_name_change(struct io_simulator *sim, const struct io_operation *op)
{
    struct disk_node *from, *to;
    const char *from_name, *to_name;
    int status = resolve(sim, op, op->path, &from, &from_name);
    if (status < 0)
        return status;
    if (op->code == IO_UNLINK)
        return disk_unlink(&sim->disk, from, from_name);
    status = resolve(sim, op, op->other_path, &to, &to_name);
    if (status < 0)
        return status;
    return op->code == IO_RENAME ? disk_rename(&sim->disk, from, from_name, to, to_name)
                                 : disk_link(&sim->disk, from, from_name, to, to_name);
}

static int64_t run_operation(struct io_simulator *sim, const struct simulated_task *task)
{
    const struct io_operation *op = task->operation;
    switch ((enum io_code)op->code) {
    case IO_READ:
        return run_read(sim, task);
    case IO_WRITE:
    case IO_WRITE_DURABLE:
        return run_write(sim, task);
    case IO_SYNC_DATA:
    case IO_SYNC_ALL:
        return run_sync(sim, task);
    case IO_OPEN:
        return run_open(sim, op);
    case IO_CLOSE:
        return close_file(sim, op->fd);
    case IO_ALLOCATE:
    case IO_TRUNCATE:
        return run_resize(sim, op);
    case IO_RENAME:
    case IO_UNLINK:
    case IO_LINK:
        return run_name_change(sim, op);
    case IO_ACCEPT:
    case IO_RECEIVE:
    case IO_SEND:
        return -EOPNOTSUPP;
    case IO_CODE_COUNT:
        break;
    }
    UNREACHABLE();
}

/* A failed write or sync leaves traces, and a close closes. Other failures have no effect. */
static int64_t run_task(struct io_simulator *sim, const struct simulated_task *task)
{
    uint8_t code = task->operation->code;
    bool is_error = task->has_fault && task->fault == IO_FAULT_ERROR;
    bool is_transient = task->error == EINTR || task->error == EAGAIN;
    bool leaves_traces = io_code_is_write(code) || io_code_is_sync(code);
    bool takes_effect = code == IO_CLOSE || (leaves_traces && !is_transient);
    int64_t result = is_error && !takes_effect ? 0 : run_operation(sim, task);
    return is_error ? -task->error : result;
}

/* ------------------------------------------------------------------ tasks and time */

static void task_destroy(struct simulated_task *task)
{
    free(task->data);
    free(task);
}

static uint64_t latency_ns(struct io_simulator *sim, uint8_t code)
{
    uint64_t most_us = sim->latency_us[code];
    uint64_t ns = (1 + random_u64(&sim->random) % most_us) * NS_PER_US;
    return random_chance(&sim->random, 20) ? ns * 50 : ns; /* now and then a disk takes its time */
}

static bool meets(struct simulated_fault *fault, bool is_sync, uint64_t operation, uint64_t sync)
{
    if (fault->at == NEVER || (fault->is_for_sync && !is_sync))
        return false;
    if (fault->at != (fault->is_for_sync ? sync : operation))
        return false;
    fault->at = NEVER;
    return true;
}

static void choose_fault(struct io_simulator *sim, struct simulated_task *task)
{
    uint8_t code = task->operation->code;
    bool is_sync = io_code_is_sync(code);
    const struct simulated_fault *chosen = NULL;
    for (uint32_t i = 0; i < IO_FAULTS_MAX; i++)
        if (meets(&sim->faults[i], is_sync, sim->operation_count, sim->sync_count))
            chosen = &sim->faults[i];
    bool may_fail = is_sync || code == IO_READ || code == IO_WRITE || code == IO_ALLOCATE;
    if (!chosen && may_fail && sim->random_fault_permille > 0 &&
        random_chance(&sim->random, sim->random_fault_permille))
        chosen = &sim->random_fault;
    struct simulated_fault refusal = {.fault = IO_FAULT_ERROR, .error = sim->refusals[code].error};
    if (!chosen && sim->refusals[code].count > 0) {
        sim->refusals[code].count--;
        chosen = &refusal;
    }
    if (!chosen)
        return;
    task->has_fault = true;
    task->fault = chosen->fault;
    task->error = chosen->error;
}

/* Writes under way when the power goes may still reach the disk, in any order. */
static void stop_machine(struct io_simulator *sim)
{
    sim->is_crashed = true;
    while (sim->tasks) {
        struct simulated_task *task = sim->tasks;
        sim->tasks = task->next;
        bool is_change = task->operation->code != IO_READ &&
                         task->operation->code != IO_SYNC_DATA &&
                         task->operation->code != IO_SYNC_ALL && task->operation->code != IO_CLOSE;
        if (is_change)
            run_task(sim, task);
        task_destroy(task);
    }
}

/* True: the machine stopped at or before this operation. */
static bool count_operation(struct io_simulator *sim)
{
    if (!sim->is_crashed && sim->operation_count >= sim->crash_at)
        stop_machine(sim);
    return sim->is_crashed;
}

static void simulator_submit(struct io_loop *loop, struct io_operation *operation)
{
    struct simulator_loop *self = of(loop);
    struct io_simulator *sim = self->sim;
    if (simulator_is_dead(loop) || count_operation(sim))
        return; /* it vanishes */
    struct simulated_task *task = calloc(1, sizeof(*task));
    ASSERT(task);
    *task = (struct simulated_task){.loop = self,
                                    .operation = operation,
                                    .due_ns = sim->now_ns + latency_ns(sim, operation->code),
                                    .sequence = sim->disk.sequence,
                                    .next = sim->tasks};
    if (io_code_is_write(operation->code) && operation->bytes > 0) {
        task->data = malloc(operation->bytes);
        ASSERT(task->data);
        memcpy(task->data, operation->buffer, operation->bytes);
    }
    choose_fault(sim, task);
    sim->operation_count++;
    if (io_code_is_sync(operation->code))
        sim->sync_count++;
    sim->tasks = task;
}

static struct simulated_task **first_due(struct io_simulator *sim)
{
    struct simulated_task **first = NULL;
    for (struct simulated_task **at = &sim->tasks; *at; at = &(*at)->next)
        if (!first || (*at)->due_ns < (*first)->due_ns)
            first = at;
    return first;
}

static void complete(struct io_simulator *sim, struct simulated_task **at)
{
    struct simulated_task *task = *at;
    *at = task->next;
    if (task->data) /* the buffer belongs to the loop until the write is reaped */
        ASSERT(memcmp(task->data, task->operation->buffer, task->operation->bytes) == 0);
    io_loop_finish(&task->loop->base, task->operation, run_task(sim, task));
    task_destroy(task);
}

/* Moves time to `limit_ns`, or only until `loop` (if any) has something to reap. */
static void run_until(struct io_simulator *sim, uint64_t limit_ns, const struct io_loop *loop)
{
    struct simulated_task **next;
    while ((next = first_due(sim)) != NULL && (*next)->due_ns <= limit_ns) {
        if (sim->now_ns < (*next)->due_ns)
            sim->now_ns = (*next)->due_ns;
        complete(sim, next);
        if (loop && loop->finished_count > 0)
            return;
    }
    if (sim->now_ns < limit_ns)
        sim->now_ns = limit_ns;
}

static void simulator_flush(struct io_loop *loop)
{
    (void)loop;
}

static void simulator_collect(struct io_loop *loop)
{
    if (!simulator_is_dead(loop))
        run_until(of(loop)->sim, of(loop)->sim->now_ns, NULL);
}

static bool is_wake_fd_readable(const struct io_loop *loop)
{
    struct pollfd wake = {.fd = loop->wake_fd, .events = POLLIN};
    return loop->wake_fd >= 0 && poll(&wake, 1, 0) > 0;
}

static void simulator_wait(struct io_loop *loop, uint64_t timeout_ns)
{
    struct io_simulator *sim = of(loop)->sim;
    if (simulator_is_dead(loop))
        return;
    if (is_wake_fd_readable(loop)) {
        io_loop_note_wake(loop);
        return;
    }
    run_until(sim, sim->now_ns + timeout_ns, loop);
}

static void simulator_destroy(struct io_loop *loop)
{
    free(loop);
}

/* ------------------------------------------------------------------ calls outside the queue */

/* In random order: nobody may rely on the order of a directory. */
static int simulator_list_directory(struct io_loop *loop, const char *path,
                                    io_directory_entry entry, void *context)
{
    struct io_simulator *sim = of(loop)->sim;
    if (simulator_is_dead(loop))
        return -ECANCELED;
    struct disk_node *node = disk_find(&sim->disk, sim->disk.root, path);
    if (!node || !node->is_directory)
        return node ? -ENOTDIR : -ENOENT;
    struct disk_names *names = &node->seen_names;
    for (uint32_t i = names->count; i > 1; i--) {
        uint32_t other = random_below(&sim->random, i);
        struct disk_name swap = names->list[i - 1];
        names->list[i - 1] = names->list[other];
        names->list[other] = swap;
    }
    for (uint32_t i = 0; i < names->count; i++)
        entry(context, names->list[i].name);
    return 0;
}

static int simulator_make_directory(struct io_loop *loop, const char *path, uint32_t mode)
{
    struct io_simulator *sim = of(loop)->sim;
    (void)mode;
    if (simulator_is_dead(loop) || count_operation(sim))
        return -ECANCELED;
    sim->operation_count++;
    if (disk_find(&sim->disk, sim->disk.root, path))
        return -EEXIST;
    struct disk_node *parent, *made;
    const char *name;
    int status = disk_resolve_parent(&sim->disk, sim->disk.root, path, &parent, &name);
    return status < 0 ? status : disk_create(&sim->disk, parent, name, true, &made);
}

static int64_t simulator_file_size(struct io_loop *loop, int fd)
{
    if (simulator_is_dead(loop))
        return -ECANCELED;
    struct open_file *file = file_of(of(loop)->sim, fd);
    return file ? (int64_t)file->node->seen.bytes : -EBADF;
}

static int64_t simulator_file_links(struct io_loop *loop, int fd)
{
    if (simulator_is_dead(loop))
        return -ECANCELED;
    struct open_file *file = file_of(of(loop)->sim, fd);
    return file ? (int64_t)disk_links(&of(loop)->sim->disk, file->node) : -EBADF;
}

static int simulator_free_space(struct io_loop *loop, int fd, uint64_t *bytes)
{
    struct disk *disk = &of(loop)->sim->disk;
    if (simulator_is_dead(loop))
        return -ECANCELED;
    if (!file_of(of(loop)->sim, fd))
        return -EBADF;
    disk_sweep(disk);
    uint64_t used = disk_used_bytes(disk);
    *bytes = used < disk->capacity_bytes ? disk->capacity_bytes - used : 0;
    return 0;
}

static int simulator_lock(struct io_loop *loop, int fd)
{
    if (simulator_is_dead(loop))
        return -ECANCELED;
    struct open_file *file = file_of(of(loop)->sim, fd);
    if (!file)
        return -EBADF;
    if (file->node->lock_fd >= 0 && file->node->lock_fd != fd)
        return -EWOULDBLOCK;
    file->node->lock_fd = fd;
    return 0;
}

static uint64_t simulator_now_ns(struct io_loop *loop)
{
    return of(loop)->sim->now_ns;
}

static uint64_t simulator_wall_ms(struct io_loop *loop)
{
    const struct io_simulator *sim = of(loop)->sim;
    return START_WALL_MS + (uint64_t)sim->wall_shift_ms + (sim->now_ns - START_NS) / NS_PER_MS;
}

static uint64_t simulator_random_u64(struct io_loop *loop)
{
    return random_u64(&of(loop)->sim->random);
}

static const struct io_backend_calls simulator_calls = {
    .name = "simulator",
    .destroy = simulator_destroy,
    .submit = simulator_submit,
    .flush = simulator_flush,
    .collect = simulator_collect,
    .wait = simulator_wait,
    .is_dead = simulator_is_dead,
    .list_directory = simulator_list_directory,
    .make_directory = simulator_make_directory,
    .file_size = simulator_file_size,
    .file_links = simulator_file_links,
    .free_space = simulator_free_space,
    .lock = simulator_lock,
    .now_ns = simulator_now_ns,
    .wall_ms = simulator_wall_ms,
    .random_u64 = simulator_random_u64,
};

/* ------------------------------------------------------------------ the test side */

struct io_simulator *io_simulator_create(uint64_t seed)
{
    struct io_simulator *sim = calloc(1, sizeof(*sim));
    ASSERT(sim);
    disk_init(&sim->disk);
    sim->random.state = seed;
    sim->now_ns = START_NS;
    sim->direct_alignment = DISK_PAGE_BYTES;
    for (uint32_t code = 0; code < IO_CODE_COUNT; code++)
        sim->latency_us[code] = io_code_is_sync((uint8_t)code) ? 500 : code == IO_READ ? 200 : 100;
    io_simulator_clear_faults(sim);
    return sim;
}

void io_simulator_destroy(struct io_simulator *sim)
{
    if (!sim)
        return;
    while (sim->tasks) {
        struct simulated_task *task = sim->tasks;
        sim->tasks = task->next;
        task_destroy(task);
    }
    disk_clear(&sim->disk);
    free(sim);
}

int io_simulator_loop(struct io_simulator *sim, const struct io_loop_config *config,
                      struct io_loop **loop)
{
    ASSERT(config->depth_max > 0 && config->depth_max <= IO_DEPTH_LIMIT);
    struct simulator_loop *self = calloc(1, sizeof(*self));
    ASSERT(self);
    self->base = (struct io_loop){
        .calls = &simulator_calls, .depth_max = config->depth_max, .wake_fd = config->wake_fd};
    self->sim = sim;
    self->generation = sim->generation;
    *loop = &self->base;
    return 0;
}

/* Descriptors end, loops die, faults that waited for this machine are gone. */
static void start_new_machine(struct io_simulator *sim)
{
    memset(sim->files, 0, sizeof(sim->files));
    io_simulator_clear_faults(sim);
    sim->is_crashed = false;
    sim->generation++;
}

void io_simulator_crash(struct io_simulator *sim, enum io_crash_mode mode)
{
    stop_machine(sim);
    disk_crash(&sim->disk, mode, &sim->random);
    start_new_machine(sim);
}

void io_simulator_crash_after(struct io_simulator *sim, uint64_t k)
{
    sim->crash_at = sim->operation_count + k;
}

bool io_simulator_is_crashed(const struct io_simulator *sim)
{
    return sim->is_crashed;
}

uint64_t io_simulator_operations(const struct io_simulator *sim)
{
    return sim->operation_count;
}

uint64_t io_simulator_syncs(const struct io_simulator *sim)
{
    return sim->sync_count;
}

static void add_fault(struct io_simulator *sim, const struct simulated_fault *fault)
{
    for (uint32_t i = 0; i < IO_FAULTS_MAX; i++) {
        if (sim->faults[i].at != NEVER)
            continue;
        sim->faults[i] = *fault;
        return;
    }
    UNREACHABLE(); /* the test plans more than IO_FAULTS_MAX */
}

void io_simulator_fault_at(struct io_simulator *sim, uint64_t k, enum io_fault fault, int error)
{
    add_fault(sim, &(struct simulated_fault){
                       .at = sim->operation_count + k, .fault = fault, .error = error});
}

void io_simulator_fail_sync_at(struct io_simulator *sim, uint64_t k)
{
    add_fault(sim, &(struct simulated_fault){.at = sim->sync_count + k,
                                             .is_for_sync = true,
                                             .fault = IO_FAULT_ERROR,
                                             .error = EIO});
}

void io_simulator_fault_randomly(struct io_simulator *sim, enum io_fault fault, int error,
                                 uint32_t permille)
{
    sim->random_fault = (struct simulated_fault){.at = NEVER, .fault = fault, .error = error};
    sim->random_fault_permille = permille;
}

void io_simulator_refuse(struct io_simulator *sim, enum io_code code, int error, uint32_t count)
{
    sim->refusals[code].error = error;
    sim->refusals[code].count = count;
}

void io_simulator_clear_faults(struct io_simulator *sim)
{
    memset(sim->refusals, 0, sizeof(sim->refusals));
    for (uint32_t i = 0; i < IO_FAULTS_MAX; i++)
        sim->faults[i].at = NEVER;
    sim->random_fault_permille = 0;
    sim->crash_at = NEVER;
}

void io_simulator_set_capacity(struct io_simulator *sim, uint64_t bytes)
{
    sim->disk.capacity_bytes = bytes;
}

void io_simulator_set_latency_us(struct io_simulator *sim, enum io_code code, uint32_t most_us)
{
    ASSERT(code < IO_CODE_COUNT && most_us > 0);
    sim->latency_us[code] = most_us;
}

void io_simulator_set_direct_alignment(struct io_simulator *sim, uint32_t bytes)
{
    ASSERT(bytes > 0 && (bytes & (bytes - 1)) == 0);
    sim->direct_alignment = bytes;
}

static struct disk_node *file_at(const struct io_simulator *sim, const char *path)
{
    struct disk_node *node = disk_find(&sim->disk, sim->disk.root, path);
    return node && !node->is_directory ? node : NULL;
}

bool io_simulator_flip_bit(struct io_simulator *sim, const char *path, uint64_t offset,
                           uint32_t bit)
{
    struct disk_node *node = file_at(sim, path);
    return node && disk_flip_bit(node, offset, bit);
}

bool io_simulator_truncate(struct io_simulator *sim, const char *path, uint64_t bytes)
{
    struct disk_node *node = file_at(sim, path);
    if (node)
        disk_cut(node, bytes);
    return node != NULL;
}

bool io_simulator_remove(struct io_simulator *sim, const char *path)
{
    struct disk_node *directory;
    const char *name;
    if (!file_at(sim, path) ||
        disk_resolve_parent(&sim->disk, sim->disk.root, path, &directory, &name) < 0)
        return false;
    disk_forget_name(&sim->disk, directory, name);
    return true;
}

int64_t io_simulator_file_bytes(const struct io_simulator *sim, const char *path)
{
    const struct disk_node *node = file_at(sim, path);
    return node ? (int64_t)node->seen.bytes : -ENOENT;
}

int64_t io_simulator_read(const struct io_simulator *sim, const char *path, void *out,
                          uint32_t bytes)
{
    const struct disk_node *node = file_at(sim, path);
    return node ? (int64_t)disk_read(node, 0, out, bytes) : -ENOENT;
}

uint32_t io_simulator_open_files(const struct io_simulator *sim)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < FILES_MAX; i++)
        count += sim->files[i].node != NULL;
    return count;
}

struct io_disk_image {
    struct disk disk;
};

struct io_disk_image *io_simulator_snapshot(const struct io_simulator *sim)
{
    struct io_disk_image *image = calloc(1, sizeof(*image));
    ASSERT(image);
    disk_copy_durable(&image->disk, &sim->disk);
    return image;
}

void io_simulator_restore(struct io_simulator *sim, const struct io_disk_image *image)
{
    stop_machine(sim);
    disk_clear(&sim->disk);
    disk_copy_durable(&sim->disk, &image->disk);
    start_new_machine(sim);
}

void io_disk_image_destroy(struct io_disk_image *image)
{
    if (!image)
        return;
    disk_clear(&image->disk);
    free(image);
}

void io_simulator_reseed(struct io_simulator *sim, uint64_t seed)
{
    sim->random.state = seed;
}

void io_simulator_advance_ns(struct io_simulator *sim, uint64_t by)
{
    run_until(sim, sim->now_ns + by, NULL);
}

void io_simulator_jump_wall_ms(struct io_simulator *sim, int64_t by)
{
    sim->wall_shift_ms += by;
}

uint64_t io_simulator_next_ns(const struct io_simulator *sim)
{
    uint64_t next = UINT64_MAX;
    for (const struct simulated_task *task = sim->tasks; task; task = task->next)
        next = task->due_ns < next ? task->due_ns : next;
    return next;
}
