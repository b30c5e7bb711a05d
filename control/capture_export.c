/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/capture_export.h"

#include "control/capture_filter.h"
#include "control/pcapng.h"
#include "control/text_buffer.h"
#include "include/clock.h"

static uint64_t lost_frames(const struct capture_session *session)
{
    uint64_t lost = 0;
    for (uint32_t i = 0; i < session->ring_count; i++)
        lost += atomic_load_explicit(&session->rings[i]->lost, memory_order_relaxed);
    return lost;
}

static void publish(struct capture_session *session, uint64_t until_ns)
{
    session->filter.until_ns = until_ns;
    published_set(session->filter_published, &session->filter, sizeof(session->filter));
}

/* Chosen by an earlier capture's filter. */
static bool is_stale(const struct capture_session *session, const struct capture_record *record)
{
    return (int32_t)(record->filter_version - session->first_version) < 0;
}

/* The oldest frame of all rings; `which` is its ring. */
static const struct capture_record *oldest(const struct capture_session *session, uint32_t *which)
{
    const struct capture_record *found = NULL;
    for (uint32_t i = 0; i < session->ring_count; i++) {
        const struct capture_record *record = capture_ring_oldest(session->rings[i]);
        while (record && is_stale(session, record)) {
            capture_ring_take(session->rings[i]);
            record = capture_ring_oldest(session->rings[i]);
        }
        if (record && (!found || record->time_ns < found->time_ns)) {
            found = record;
            *which = i;
        }
    }
    return found;
}

static void put_file_begin(struct capture_session *session, struct text_buffer *out)
{
    pcapng_put_section(out, "gannet " GANNET_VERSION);
    for (uint32_t i = 0; i < session->port_count; i++)
        pcapng_put_interface(out, session->port_names[i], session->filter.snap_bytes);
    session->has_begun = true;
}

static void put_frames(struct capture_session *session, struct text_buffer *out)
{
    const struct capture_record *record;
    uint32_t which = 0;
    if (!session->has_begun)
        put_file_begin(session, out);
    while (out->used_bytes < CAPTURE_ANSWER_BYTES_MAX && (record = oldest(session, &which))) {
        struct pcapng_packet packet = {
            .wall_ns = record->time_ns + session->wall_minus_monotone_ns,
            .interface = record->port_index,
            .kept_bytes = record->kept_bytes,
            .whole_bytes = record->whole_bytes,
            .direction = record->direction == CAPTURE_RECEIVED ? PCAPNG_INBOUND : PCAPNG_OUTBOUND,
            .bytes = record->bytes,
        };
        pcapng_put_packet(out, &packet);
        session->taken++;
        capture_ring_take(session->rings[which]);
    }
}

uint32_t capture_start(struct capture_session *session, const char *filter_text,
                       const struct capture_moment *moment, struct text_buffer *out)
{
    char error[256];
    struct capture_filter filter;
    if (moment->now_ns < session->filter.until_ns) {
        text_format(out,
                    "capture %u is under way: end it (POST /capture?stop=%u), or wait: it is "
                    "over when nobody fetches it for %u s\n",
                    session->id, session->id, CAPTURE_LEASE_S);
        return 409;
    }
    if (!capture_filter_parse(filter_text, &filter, error, sizeof(error))) {
        text_format(out, "filter: %s\n", error);
        return 400;
    }
    session->id++;
    session->filter = filter;
    session->has_begun = false;
    session->taken = 0;
    session->lost_before = lost_frames(session);
    session->wall_minus_monotone_ns = moment->wall_ns - moment->now_ns;
    session->first_version = published_version(session->filter_published) + 2;
    publish(session, moment->now_ns + CAPTURE_LEASE_S * NS_PER_S);
    text_format(out, "capture %u\n", session->id);
    return 200;
}

/* What did not fit into the last answer. */
static uint64_t give_up_rest(struct capture_session *session)
{
    uint64_t count = 0;
    uint32_t which = 0;
    for (; oldest(session, &which); count++)
        capture_ring_take(session->rings[which]);
    return count;
}

uint32_t capture_fetch(struct capture_session *session, uint32_t id, bool is_last,
                       const struct capture_moment *moment, struct text_buffer *out)
{
    if (id != session->id || session->filter.until_ns == 0) {
        text_format(out, "capture %u is over\n", id);
        return 409;
    }
    publish(session, is_last ? 0 : moment->now_ns + CAPTURE_LEASE_S * NS_PER_S);
    put_frames(session, out);
    if (is_last) {
        uint64_t rest = give_up_rest(session);
        uint64_t lost = lost_frames(session) - session->lost_before + rest;
        pcapng_put_statistics(out, moment->wall_ns, session->taken, lost);
    }
    return 200;
}
