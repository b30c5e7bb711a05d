/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine_fit.h - a hardware part of a configuration that fits a machine.
 *
 * Purpose:   gannet tune prints it: cores, memory and the ports there could be, with the reasons.
 * Ownership: the text is the caller's.
 * Threading: main thread.
 * Units:     MiB.
 * Errors:    what is not there is said in a comment; the text is a configuration all the same.
 * Source:    hw-configs/README.md, "Choosing cores" and "Memory".
 */
#ifndef GANNET_MACHINE_FIT_H
#define GANNET_MACHINE_FIT_H

struct text_buffer;

/* `root` stands in front of /sys and /proc. */
void machine_fit_write(const char *root, struct text_buffer *out);

#endif
