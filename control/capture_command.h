/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture_command.h - gannet capture: frames of a running server into a pcapng file.
 *
 * Purpose:   tcpdump sees nothing of a port that bypasses the kernel.
 * Ownership: none.
 * Threading: the command's only one.
 * Units:     frames, bytes, seconds.
 * Errors:    exit status 1 with a line on standard error; 2 for wrong usage.
 * Source:    none.
 */
#ifndef GANNET_CAPTURE_COMMAND_H
#define GANNET_CAPTURE_COMMAND_H

/* The words behind "gannet capture". */
int capture_command_run(int word_count, char *const words[]);

#endif
