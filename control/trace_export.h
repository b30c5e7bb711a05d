/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace_export.h - what the workers' trace rings hold, as text or as a pcap file.
 *
 * Purpose:   GET /trace of the admin socket: one client's last segments on all workers, in the
 *            order of time.
 * Ownership: the rings and the choice are the caller's; nothing is kept.
 * Threading: any one thread, while the workers write.
 * Units:     _ns; pcap has microseconds of wall-clock time.
 * Errors:    no memory: the text is cut (text_buffer.h). At most TRACE_EXPORT_EVENTS_MAX events,
 *            the newest.
 * Source:    draft-ietf-opsawg-pcap; LINKTYPE_RAW (101). Headers are made up from the events: no
 *            options, no payload, so every packet is cut short after its TCP header.
 */
#ifndef GANNET_TRACE_EXPORT_H
#define GANNET_TRACE_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

struct text_buffer;
struct trace_choice;
struct trace_ring;

#define TRACE_EXPORT_EVENTS_MAX 65536u

enum trace_format { TRACE_FORMAT_TEXT = 0, TRACE_FORMAT_PCAP };

/* `wall_minus_monotone_ns`: what makes a wall-clock time of an event's time. */
void trace_export(struct trace_ring *const *rings, uint32_t ring_count, enum trace_format format,
                  uint64_t wall_minus_monotone_ns, struct text_buffer *out);

/* "192.0.2.7", "2001:db8::7" or "none"; false: it is none of them, and nothing changed. */
bool trace_choose(struct trace_choice *choice, const char *text);

#endif
