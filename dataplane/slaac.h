/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slaac.h - the IPv6 addresses that a port forms from the prefixes its routers advertise.
 *
 * Purpose:   decides which address is used, since when and until when. One is `current`; when its
 *            prefix is deprecated and another one advertised, that one's address takes its place
 *            and the old one stays as `former`, answered until its valid lifetime ends.
 * Ownership: none: a structure of the caller's. Sending checks and announcing is network_slaac.c's.
 * Threading: one worker.
 * Units:     _ns monotone, passed in; SLAAC_FOREVER is never.
 * Errors:    prefixes that no address can be formed from are ignored, as the RFC says.
 * Source:    RFC 4862 sections 5.5.3 and 5.5.4; the interface identifier is the modified EUI-64 of
 *            the link address (RFC 4291, appendix A), so that an operator knows the address
 *            beforehand and it needs no secret that survives a restart (as RFC 7217 does).
 */
#ifndef GANNET_SLAAC_H
#define GANNET_SLAAC_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/nd.h"

#define SLAAC_FOREVER UINT64_MAX

struct slaac_address {
    uint8_t ip[16]; /* zero: there is none */
    bool is_on_link;
    uint64_t valid_until_ns;
    uint64_t preferred_until_ns; /* from then on it is deprecated: still answered */
};

struct slaac {
    struct slaac_address current, former;
    struct slaac_address next; /* being checked: not ours yet */
    uint64_t next_is_free_ns;  /* when nobody has objected until then */
    uint8_t refused[16];       /* another station's: not tried again; zero: none */
    bool is_doubtful;          /* the cable was out: this may be another link */
};

/*
 * A prefix was advertised: lifetimes are renewed, or a new address is formed of it. True: that is
 * now `next`, and the link should be asked whether it is free; it becomes `current` after check_ns.
 */
bool slaac_hear(struct slaac *slaac, const struct nd_prefix *prefix, const uint8_t link_local[16],
                uint64_t now_ns, uint64_t check_ns);

/* Lifetimes and checks end. True: `current` or `former` is another one now. */
bool slaac_age(struct slaac *slaac, uint64_t now_ns);

/* Another station has the address. True: `current` was it. */
bool slaac_refuse(struct slaac *slaac, const uint8_t ip[16]);

/* The link came up: the next prefix heard decides whether it is the old one. */
void slaac_doubt(struct slaac *slaac);

bool slaac_is_checking(const struct slaac *slaac, const uint8_t ip[16]);
bool slaac_is_deprecated(const struct slaac *slaac, uint64_t now_ns);

#endif
