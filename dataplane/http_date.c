/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/http_date.h"

#include <string.h>

#include "include/compiler.h"

#define DAY_S 86400u
#define UNIX_S_MAX UINT64_C(253402300799) /* 9999-12-31 23:59:59 */

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char long_day_names[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                           "Thursday", "Friday", "Saturday"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct civil_time {
    uint32_t year, month, day; /* 0.., 1..12, 1..31 */
    uint32_t hour, minute, second;
};

/* Days since 0000-03-01, so that a leap day is the last of its year. */
static uint64_t days_of(const struct civil_time *time)
{
    uint32_t year = time->year + 400 - (time->month <= 2); /* + 400: never below 0 */
    uint32_t month_from_march = (time->month + 9) % 12;
    uint32_t day_of_year = (153 * month_from_march + 2) / 5 + time->day - 1;
    return (uint64_t)365 * year + year / 4 - year / 100 + year / 400 + day_of_year;
}

static struct civil_time civil_of(uint64_t unix_s)
{
    uint64_t days = unix_s / DAY_S + 719468; /* since 0000-03-01 */
    uint32_t second_of_day = (uint32_t)(unix_s % DAY_S);
    uint32_t era = (uint32_t)(days / 146097); /* 400 years */
    uint32_t day_of_era = (uint32_t)(days % 146097);
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    uint32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    return (struct civil_time){
        .year = year_of_era + era * 400 + (month <= 2),
        .month = month,
        .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
        .hour = second_of_day / 3600,
        .minute = second_of_day / 60 % 60,
        .second = second_of_day % 60,
    };
}

static void write_two_digits(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)('0' + value / 10 % 10);
    out[1] = (uint8_t)('0' + value % 10);
}

void http_date_format(uint64_t unix_s, uint8_t out[HTTP_DATE_BYTES])
{
    if (unix_s > UNIX_S_MAX)
        unix_s = UNIX_S_MAX;
    struct civil_time time = civil_of(unix_s);
    memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_BYTES);
    memcpy(out, day_names[(unix_s / DAY_S + 4) % 7], 3); /* day 0 was a Thursday */
    write_two_digits(out + 5, time.day);
    memcpy(out + 8, month_names[time.month - 1], 3);
    write_two_digits(out + 12, time.year / 100);
    write_two_digits(out + 14, time.year);
    write_two_digits(out + 17, time.hour);
    write_two_digits(out + 20, time.minute);
    write_two_digits(out + 23, time.second);
}

/* The text still to be read; a step that does not fit makes it bad, and it stays bad. */
struct date_reader {
    const uint8_t *at, *end;
    bool is_bad;
};

static void read_literal(struct date_reader *reader, const char *literal)
{
    size_t bytes = strlen(literal);
    if (reader->is_bad || (size_t)(reader->end - reader->at) < bytes ||
        memcmp(reader->at, literal, bytes) != 0)
        reader->is_bad = true;
    else
        reader->at += bytes;
}

static uint32_t read_digits(struct date_reader *reader, uint32_t count)
{
    uint32_t value = 0;
    if (reader->is_bad || reader->end - reader->at < (ptrdiff_t)count) {
        reader->is_bad = true;
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t digit = (uint8_t)(*reader->at++ - '0');
        if (digit > 9)
            reader->is_bad = true;
        value = value * 10 + digit;
    }
    return value;
}

/* asctime writes days below 10 with a space. */
static uint32_t read_padded_day(struct date_reader *reader)
{
    if (!reader->is_bad && reader->at < reader->end && *reader->at == ' ') {
        reader->at++;
        return read_digits(reader, 1);
    }
    return read_digits(reader, 2);
}

/* The index of the name the text goes on with. Names are case-sensitive (RFC 9110 5.6.7). */
static uint32_t read_name(struct date_reader *reader, const char *names, size_t stride,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
        const char *name = names + i * stride;
        size_t bytes = strlen(name);
        if ((size_t)(reader->end - reader->at) >= bytes && memcmp(reader->at, name, bytes) == 0) {
            reader->at += bytes;
            return i;
        }
    }
    reader->is_bad = true;
    return 0;
}

static uint32_t read_month(struct date_reader *reader)
{
    return read_name(reader, month_names[0], sizeof(month_names[0]), 12) + 1;
}

static void read_time_of_day(struct date_reader *reader, struct civil_time *time)
{
    time->hour = read_digits(reader, 2);
    read_literal(reader, ":");
    time->minute = read_digits(reader, 2);
    read_literal(reader, ":");
    time->second = read_digits(reader, 2);
}

/* Sun, 06 Nov 1994 08:49:37 GMT, behind the name of the day */
static void read_fixdate(struct date_reader *reader, struct civil_time *time)
{
    read_literal(reader, ", ");
    time->day = read_digits(reader, 2);
    read_literal(reader, " ");
    time->month = read_month(reader);
    read_literal(reader, " ");
    time->year = read_digits(reader, 4);
    read_literal(reader, " ");
    read_time_of_day(reader, time);
    read_literal(reader, " GMT");
}

/* Sunday, 06-Nov-94 08:49:37 GMT, behind the name of the day */
static void read_rfc850(struct date_reader *reader, uint64_t now_s, struct civil_time *time)
{
    uint32_t year_now = civil_of(now_s < UNIX_S_MAX ? now_s : UNIX_S_MAX).year;
    read_literal(reader, ", ");
    time->day = read_digits(reader, 2);
    read_literal(reader, "-");
    time->month = read_month(reader);
    read_literal(reader, "-");
    time->year = read_digits(reader, 2) + (year_now / 100 + 1) * 100;
    while (time->year > year_now + 50)
        time->year -= 100; /* at most twice */
    read_literal(reader, " ");
    read_time_of_day(reader, time);
    read_literal(reader, " GMT");
}

/* Sun Nov  6 08:49:37 1994, behind the name of the day */
static void read_asctime(struct date_reader *reader, struct civil_time *time)
{
    read_literal(reader, " ");
    time->month = read_month(reader);
    read_literal(reader, " ");
    time->day = read_padded_day(reader);
    read_literal(reader, " ");
    read_time_of_day(reader, time);
    read_literal(reader, " ");
    time->year = read_digits(reader, 4);
}

static bool is_calendar_time(const struct civil_time *time)
{
    static const uint8_t month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap_year = time->year % 4 == 0 && (time->year % 100 != 0 || time->year % 400 == 0);
    if (time->day == 0 || time->hour > 23 || time->minute > 59 || time->second > 60)
        return false; /* second 60: a leap second */
    return time->day <= month_days[time->month - 1] + (time->month == 2 && is_leap_year ? 1u : 0u);
}

bool http_date_parse(struct http_slice text, uint64_t now_s, uint64_t *unix_s)
{
    static const struct civil_time epoch = {.year = 1970, .month = 1, .day = 1};
    struct date_reader reader = {text.at, text.at + text.bytes, false};
    struct civil_time time = {0};
    struct date_reader long_name = reader;
    read_name(&long_name, long_day_names[0], sizeof(long_day_names[0]), 7);
    if (!long_name.is_bad) {
        reader = long_name;
        read_rfc850(&reader, now_s, &time);
    } else {
        read_name(&reader, day_names[0], sizeof(day_names[0]), 7);
        if (!reader.is_bad && reader.at < reader.end && *reader.at == ',')
            read_fixdate(&reader, &time);
        else
            read_asctime(&reader, &time);
    }
    if (reader.is_bad || reader.at != reader.end || !is_calendar_time(&time))
        return false;
    uint64_t days = days_of(&time), epoch_days = days_of(&epoch);
    *unix_s = days < epoch_days ? 0
                                : (days - epoch_days) * DAY_S + time.hour * 3600u +
                                      time.minute * 60u + time.second;
    return true;
}
