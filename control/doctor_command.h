/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_command.h - gannet doctor and gannet tune.
 *
 * Purpose:   doctor reads and reports; tune prints what it would change, changes it, or takes it
 *            back.
 * Ownership: none.
 * Threading: the command's only one.
 * Units:     none.
 * Errors:    doctor: 0 good, 1 warnings, 2 errors; tune: 0, or 1 with the reason; 3 wrong usage.
 * Source:    none.
 */
#ifndef GANNET_DOCTOR_COMMAND_H
#define GANNET_DOCTOR_COMMAND_H

/* The words behind "gannet doctor" and "gannet tune". */
int doctor_command_run(int word_count, char *const words[]);
int tune_command_run(int word_count, char *const words[]);

#endif
