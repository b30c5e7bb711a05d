/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_tree.h - a machine as files below a directory: /proc, /sys and /dev as a test says.
 *
 * Purpose:   what reads a machine below a root is tested against machines that are not there.
 * Ownership: one tree at a time; tree_remove takes everything away.
 * Threading: one thread.
 * Units:     none.
 * Errors:    cmocka's: the test fails.
 * Source:    none.
 */
#ifndef GANNET_FILE_TREE_H
#define GANNET_FILE_TREE_H

extern char tree_root[64];

/* `name` says whose it is. */
void tree_make(const char *name);
int tree_remove(void);

/* Paths begin with '/', below the root; folders are made, what was there is replaced. */
void tree_put(const char *path, const char *text);
void tree_link(const char *path, const char *target);
void tree_cut(const char *path); /* with all below it */

#endif
