/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tune.h - makes the changes that doctor recommends, and takes them back.
 *
 * Purpose:   only files of /sys and /proc that hold a value: what was there is written down first.
 * Ownership: none.
 * Threading: main thread.
 * Units:     none.
 * Errors:    0 or a negative errno; the text says which file. What was changed before stays
 *            written down, so that undo finds it.
 * Source:    sysfs(5), proc(5).
 */
#ifndef GANNET_TUNE_H
#define GANNET_TUNE_H

struct doctor_report;
struct text_buffer;

/* `record` is the file for what was there; while it exists, the older values in it are kept. */
int tune_apply(const char *root, const struct doctor_report *report, const char *record,
               struct text_buffer *out);

/* Puts back what the record says, last first, and removes it. */
int tune_undo(const char *root, const char *record, struct text_buffer *out);

#endif
