/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_date.h - dates of HTTP fields: writing the one format, reading all three.
 *
 * Purpose:   Date, Last-Modified, If-Modified-Since.
 * Ownership: none.
 * Threading: none; the time is an argument. Callers format once per second and keep the text.
 * Units:     seconds since 1970-01-01 00:00:00 UTC.
 * Errors:    parse returns false for anything but the three formats.
 * Source:    RFC 9110 5.6.7; calendar arithmetic after Howard Hinnant, "chrono-Compatible Low-
 *            Level Date Algorithms" (days_from_civil, civil_from_days).
 */
#ifndef GANNET_HTTP_DATE_H
#define GANNET_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/http_parser.h"

#define HTTP_DATE_BYTES 29u /* Sun, 06 Nov 1994 08:49:37 GMT */

/* Years beyond 9999 are written as the last second of 9999. No end mark. */
void http_date_format(uint64_t unix_s, uint8_t out[HTTP_DATE_BYTES]);

/*
 * IMF-fixdate, rfc850-date, asctime-date. `now_s` decides the century of a year of two digits:
 * one that seems more than 50 years ahead is in the past. Dates before 1970 are read as 0.
 */
bool http_date_parse(struct http_slice text, uint64_t now_s, uint64_t *unix_s);

#endif
