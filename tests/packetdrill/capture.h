/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture.h - IP packets into a pcap file.
 *
 * Purpose:   to look at a script with tcpdump or Wireshark; times are the virtual clock's.
 * Ownership: capture_open's result belongs to the caller.
 * Threading: one at a time.
 * Units:     microseconds.
 * Errors:    a file that cannot be written: a message and exit.
 * Source:    pcap 2.4, link type 101 (raw IP).
 */
#ifndef GANNET_PACKETDRILL_CAPTURE_H
#define GANNET_PACKETDRILL_CAPTURE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

FILE *capture_open(const char *name);
/* Nothing stays in a buffer: a script that fails ends the process at once. NULL: no capture. */
void capture_packet(FILE *file, uint64_t time_us, const void *packet, size_t length);
void capture_close(FILE *file);

#endif
