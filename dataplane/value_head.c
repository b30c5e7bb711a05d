/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/value_head.h"

const uint64_t value_powers_of_ten[20] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

const uint8_t value_two_digits[200] = "000102030405060708091011121314151617181920212223242526272829"
                                      "303132333435363738394041424344454647484950515253545556575859"
                                      "606162636465666768697071727374757677787980818283848586878889"
                                      "90919293949596979899";

void value_dates_learn(struct value_dates *dates, uint32_t unix_s)
{
    uint32_t at = unix_s % VALUE_DATES_KEPT;
    uint8_t *text = dates->texts[at];
    dates->seconds[at] = unix_s;
    memcpy(text, VALUE_MODIFIED, sizeof(VALUE_MODIFIED) - 1);
    http_date_format(unix_s, text + sizeof(VALUE_MODIFIED) - 1);
    memcpy(text + sizeof(VALUE_MODIFIED) - 1 + HTTP_DATE_BYTES, VALUE_LENGTH,
           sizeof(VALUE_LENGTH) - 1);
}

void value_dates_init(struct value_dates *dates)
{
    for (uint32_t second = 0; second < VALUE_DATES_KEPT; second++)
        value_dates_learn(dates, second);
}
