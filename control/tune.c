/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/tune.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/doctor.h"
#include "control/text_buffer.h"

#define VALUE_BYTES 64u
#define LINE_BYTES 256u

static const char record_head[] = "# gannet tune: what was there before, for gannet tune --undo\n";

static int read_value(const char *root, const char *path, char value[VALUE_BYTES])
{
    char full[PATH_MAX];
    snprintf(full, sizeof(full), "%s%s", root, path);
    FILE *file = fopen(full, "re");
    if (!file)
        return -errno;
    size_t length = fread(value, 1, VALUE_BYTES - 1, file);
    fclose(file);
    value[length] = '\0';
    value[strcspn(value, "\n")] = '\0';
    /* "always [madvise] never": the one in brackets is what a write sets */
    char *open = strchr(value, '['), *close = open ? strchr(open, ']') : NULL;
    if (close) {
        *close = '\0';
        memmove(value, open + 1, strlen(open + 1) + 1);
    }
    return 0;
}

static int write_value(const char *root, const char *path, const char *value)
{
    char full[PATH_MAX];
    snprintf(full, sizeof(full), "%s%s", root, path);
    int fd = open(full, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t length = strlen(value);
    ssize_t written = write(fd, value, length);
    int status = written == (ssize_t)length ? 0 : written < 0 ? -errno : -EIO;
    close(fd);
    return status;
}

/* Is the path in the record already? Then its value there is the older one, and stays. */
static bool is_recorded(const char *record, const char *path)
{
    char line[LINE_BYTES];
    bool is_found = false;
    size_t length = strlen(path);
    FILE *file = fopen(record, "re");
    while (file && fgets(line, sizeof(line), file))
        is_found |= strncmp(line, path, length) == 0 && line[length] == ' ';
    if (file)
        fclose(file);
    return is_found;
}

/* On the disk before the change is made. */
static int write_down(const char *record, const char *path, const char *value)
{
    if (is_recorded(record, path))
        return 0;
    char lines[sizeof(record_head) + LINE_BYTES];
    bool is_new = access(record, F_OK) != 0;
    int length =
        snprintf(lines, sizeof(lines), "%s%s %s\n", is_new ? record_head : "", path, value);
    int fd = open(record, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    bool is_good = write(fd, lines, (size_t)length) == length && fsync(fd) == 0;
    close(fd);
    return is_good ? 0 : -EIO;
}

static int apply_one(const char *root, const struct doctor_change *change, const char *record,
                     struct text_buffer *out)
{
    char before[VALUE_BYTES], after[VALUE_BYTES];
    int status = read_value(root, change->path, before);
    if (status == 0)
        status = write_down(record, change->path, before);
    if (status == 0)
        status = write_value(root, change->path, change->value);
    if (status == 0)
        status = read_value(root, change->path, after);
    if (status != 0) {
        text_format(out, "error    %s: %s\n", change->path, strerror(-status));
        return status;
    }
    bool is_taken = strcmp(after, change->value) == 0;
    text_format(out, "%-8s %s: %s -> %s%s\n", is_taken ? "changed" : "partly", change->path, before,
                after, is_taken ? "" : " (the kernel did not give more)");
    return 0;
}

int tune_apply(const char *root, const struct doctor_report *report, const char *record,
               struct text_buffer *out)
{
    int status = 0;
    for (uint32_t i = 0; i < report->change_count; i++) {
        int result = apply_one(root, &report->changes[i], record, out);
        status = status == 0 ? result : status;
    }
    return status;
}

/* ---- undo ---- */

static bool parse_line(char *line, char **path, char **value)
{
    line[strcspn(line, "\n")] = '\0';
    char *space = strchr(line, ' ');
    bool is_ours = strncmp(line, "/sys/", 5) == 0 || strncmp(line, "/proc/sys/", 10) == 0;
    if (!is_ours || !space || strstr(line, "..") || space[1] == '\0')
        return false;
    *space = '\0';
    *path = line;
    *value = space + 1;
    return true;
}

int tune_undo(const char *root, const char *record, struct text_buffer *out)
{
    static char lines[DOCTOR_CHANGES_MAX][LINE_BYTES]; /* main thread */
    uint32_t count = 0;
    int status = 0;
    FILE *file = fopen(record, "re");
    if (!file) {
        text_format(out, "%s: %s: nothing to take back\n", record, strerror(errno));
        return -errno;
    }
    while (count < DOCTOR_CHANGES_MAX && fgets(lines[count], LINE_BYTES, file))
        count += lines[count][0] != '#';
    fclose(file);
    while (count-- > 0) {
        char *path = NULL, *value = NULL;
        int result =
            parse_line(lines[count], &path, &value) ? write_value(root, path, value) : -EINVAL;
        text_format(out, "%-8s %s%s%s\n", result == 0 ? "restored" : "error", lines[count],
                    result == 0 ? ": " : ": ", result == 0 ? value : strerror(-result));
        status = status == 0 ? result : status;
    }
    if (status == 0 && unlink(record) != 0)
        status = -errno;
    return status;
}
