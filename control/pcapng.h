/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapng.h - blocks of a capture file.
 *
 * Purpose:   what Wireshark, tshark and tcpdump read; Ethernet frames with nanoseconds.
 * Ownership: the text is the caller's.
 * Threading: any.
 * Units:     _ns since 1970; bytes.
 * Errors:    those of text_buffer.h.
 * Source:    draft-ietf-opsawg-pcapng; in the byte order of the writer, as it says.
 */
#ifndef GANNET_PCAPNG_H
#define GANNET_PCAPNG_H

#include <stdint.h>

struct text_buffer;

#define PCAPNG_BLOCK_PACKET 6u
#define PCAPNG_BLOCK_STATISTICS 5u
#define PCAPNG_BLOCK_BYTES_MIN 12u /* type, length, length again */

enum pcapng_direction { PCAPNG_UNKNOWN = 0, PCAPNG_INBOUND = 1, PCAPNG_OUTBOUND = 2 };

struct pcapng_packet {
    uint64_t wall_ns;
    uint32_t interface; /* in the order of pcapng_put_interface */
    uint32_t kept_bytes, whole_bytes;
    enum pcapng_direction direction;
    const uint8_t *bytes;
};

/* First of all: who wrote it. */
void pcapng_put_section(struct text_buffer *out, const char *application);
void pcapng_put_interface(struct text_buffer *out, const char *name, uint32_t snap_bytes);
void pcapng_put_packet(struct text_buffer *out, const struct pcapng_packet *packet);
/* Of a whole capture: frames that the filter took, and those of them that were lost. */
void pcapng_put_statistics(struct text_buffer *out, uint64_t wall_ns, uint64_t taken,
                           uint64_t lost);

#endif
