/* SPDX-License-Identifier: Apache-2.0 */
/* proto/time.c: RFC 3339 times. */
#include "proto/time.h"

#include <stdio.h>

#define DAY_SECONDS 86400
#define NANOS UINT64_C(1000000000)

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar, in eras of 400 years that
 * begin in March, so that the leap day is a year's last. */
static int64_t days_of(int64_t year, unsigned month, unsigned day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year =
        (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static unsigned days_in(unsigned year, unsigned month) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Reads down a text; after the first thing that does not fit, `ok` is false and stays so. */
struct scan {
    const uint8_t *at;
    const uint8_t *end;
    bool ok;
};

static bool scan_is(const struct scan *s, char a, char b) {
    return s->at < s->end && (*s->at == (uint8_t)a || *s->at == (uint8_t)b);
}

static void scan_one_of(struct scan *s, char a, char b) {
    s->ok = s->ok && scan_is(s, a, b);
    s->at += s->ok ? 1 : 0;
}

static unsigned scan_digits(struct scan *s, unsigned n, unsigned min, unsigned max) {
    unsigned value = 0;
    for (unsigned i = 0; i < n; i++) {
        s->ok = s->ok && s->at < s->end && *s->at >= '0' && *s->at <= '9';
        value = s->ok ? value * 10 + (unsigned)(*s->at++ - '0') : 0;
    }
    s->ok = s->ok && value >= min && value <= max;
    return s->ok ? value : min;
}

/* ".123" as nanoseconds; 0 if there is none. */
static uint64_t scan_fraction(struct scan *s) {
    uint64_t nanos = 0;
    uint64_t unit = NANOS;
    if (!s->ok || !scan_is(s, '.', '.')) {
        return 0;
    }
    for (s->at++; s->at < s->end && *s->at >= '0' && *s->at <= '9' && unit > 1; s->at++) {
        unit /= 10;
        nanos += unit * (uint64_t)(*s->at - '0');
    }
    s->ok = unit < NANOS; /* at least one digit; a tenth one is then no offset */
    return nanos;
}

/* Seconds east of UTC. */
static int64_t scan_offset(struct scan *s) {
    if (s->ok && scan_is(s, 'Z', 'z')) {
        s->at++;
        return 0;
    }
    bool west = scan_is(s, '-', '-');
    scan_one_of(s, '+', '-');
    unsigned hours = scan_digits(s, 2, 0, 23);
    scan_one_of(s, ':', ':');
    unsigned minutes = scan_digits(s, 2, 0, 59);
    int64_t seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    return west ? -seconds : seconds;
}

stele_status stele_time_parse(stele_view text, uint64_t *ret_unix_nano, stele_err *err) {
    if (text.size == 0) {
        return STELE_FAIL(err, INVALID, "empty, not a time such as 2026-11-22T02:18:39.123456789Z");
    }
    struct scan s = {text.data, text.data + text.size, true};
    unsigned year = scan_digits(&s, 4, 0, 9999);
    scan_one_of(&s, '-', '-');
    unsigned month = scan_digits(&s, 2, 1, 12);
    scan_one_of(&s, '-', '-');
    unsigned day = scan_digits(&s, 2, 1, days_in(year, month));
    scan_one_of(&s, 'T', 't');
    unsigned hour = scan_digits(&s, 2, 0, 23);
    scan_one_of(&s, ':', ':');
    unsigned minute = scan_digits(&s, 2, 0, 59);
    scan_one_of(&s, ':', ':');
    unsigned second = scan_digits(&s, 2, 0, 60);
    uint64_t nanos = scan_fraction(&s);
    int64_t seconds = days_of(year, month, day) * DAY_SECONDS + (int64_t)hour * 3600 +
                      (int64_t)minute * 60 + (int64_t)second - scan_offset(&s);
    if (!s.ok || s.at != s.end || (second == 60 && seconds % DAY_SECONDS != 0)) {
        return STELE_FAIL(err, INVALID, "not a time such as 2026-11-22T02:18:39.123456789Z");
    }
    if (seconds < 0 || (uint64_t)seconds > (UINT64_MAX - nanos) / NANOS) {
        return STELE_FAIL(err, INVALID, "a time outside 1970 to 2554");
    }
    *ret_unix_nano = (uint64_t)seconds * NANOS + nanos;
    return STELE_OK;
}

void stele_time_print(uint64_t unix_nano, char out[STELE_AT_LEAST(STELE_TIME_TEXT_BYTES)]) {
    uint64_t seconds = unix_nano / NANOS;
    uint64_t day_of_era = (seconds / DAY_SECONDS + 719468) % 146097;
    uint64_t era = (seconds / DAY_SECONDS + 719468) / 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month_from_march = (5 * day_of_year + 2) / 153;
    unsigned day = (unsigned)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    unsigned month =
        (unsigned)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    unsigned year = (unsigned)(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
    unsigned in_day = (unsigned)(seconds % DAY_SECONDS);
    (void)snprintf(out, STELE_TIME_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", year % 10000,
                   month % 100, day % 100, in_day / 3600 % 100, in_day / 60 % 60, in_day % 60,
                   (unsigned)(unix_nano % NANOS));
}
