/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/file_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char tree_root[64];

void tree_make(const char *name)
{
    snprintf(tree_root, sizeof(tree_root), "/tmp/gannet_%s_XXXXXX", name);
    assert_non_null(mkdtemp(tree_root));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int remove_all(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int tree_remove(void)
{
    return remove_all(tree_root);
}

static void place(char full[PATH_MAX], const char *path)
{
    snprintf(full, PATH_MAX, "%s%s", tree_root, path);
    for (char *at = full + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
        *at = '/';
    }
}

void tree_put(const char *path, const char *text)
{
    char full[PATH_MAX];
    place(full, path);
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

void tree_link(const char *path, const char *target)
{
    char full[PATH_MAX];
    place(full, path);
    unlink(full);
    assert_int_equal(symlink(target, full), 0);
}

void tree_cut(const char *path)
{
    char full[PATH_MAX];
    place(full, path);
    assert_int_equal(remove_all(full), 0);
}
