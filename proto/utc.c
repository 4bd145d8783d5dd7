/* SPDX-License-Identifier: Apache-2.0 */
/* proto/utc.c: seconds since 1970 to a Gregorian date, and a fraction without trailing zeros. */
#include "proto/utc.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static void print(uint64_t unix_s, uint32_t nanos, char *out) {
    struct tm tm;
    time_t seconds = (time_t)unix_s; /* below 2^45: it comes from a count of microseconds or less */
    (void)gmtime_r(&seconds, &tm);   /* fails only where the year does not fit an int */
    int used = snprintf(out, STELE_UTC_TEXT_BYTES, "%04lld-%02d-%02dT%02d:%02d:%02d",
                        (long long)tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                        tm.tm_min, tm.tm_sec);
    unsigned digits = nanos == 0 ? 0 : 9;
    while (digits > 0 && nanos % 10 == 0) {
        nanos /= 10;
        digits--;
    }
    char *end = out + used;
    size_t left = STELE_UTC_TEXT_BYTES - (size_t)used;
    if (digits == 0) {
        (void)snprintf(end, left, "Z");
    } else {
        (void)snprintf(end, left, ".%0*" PRIu32 "Z", (int)digits, nanos);
    }
}

void stele_utc_of_us(uint64_t unix_us, char out[STELE_AT_LEAST(STELE_UTC_TEXT_BYTES)]) {
    print(unix_us / 1000000, (uint32_t)(unix_us % 1000000) * 1000, out);
}

void stele_utc_of_ns(uint64_t unix_ns, char out[STELE_AT_LEAST(STELE_UTC_TEXT_BYTES)]) {
    print(unix_ns / 1000000000, (uint32_t)(unix_ns % 1000000000), out);
}
