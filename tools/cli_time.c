/* SPDX-License-Identifier: Apache-2.0 */
/* tools/cli_time.c: times, durations and numbers as people write them. */
#include "tools/cli_time.h"

#include <stdio.h>
#include <string.h>

#include "proto/time.h"

#define NS_PER_S UINT64_C(1000000000)

stele_status stele_cli_number(const char *text, uint64_t *ret, stele_err *err) {
    uint64_t value = 0;
    size_t i = 0;
    for (; text[i] >= '0' && text[i] <= '9'; i++) {
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value)) {
            return STELE_FAIL(err, INVALID, "'%.40s' is too large a number", text);
        }
    }
    if (i == 0 || text[i] != '\0') {
        return STELE_FAIL(err, INVALID, "'%.40s' is no number: write digits only", text);
    }
    *ret = value;
    return STELE_OK;
}

/* Splits "18mo" into 18 and "mo". */
static bool split(const char *text, uint64_t *ret_count, const char **ret_unit) {
    size_t digits = strspn(text, "0123456789");
    char number[24];
    if (digits == 0 || digits >= sizeof number) {
        return false;
    }
    memcpy(number, text, digits);
    number[digits] = '\0';
    *ret_unit = text + digits;
    return stele_cli_number(number, ret_count, NULL) == STELE_OK;
}

static unsigned digits_of(const char *text, size_t n) {
    unsigned value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    return value;
}

/* Goes back by calendar months; the 31st becomes the last day a shorter month has. */
static bool months_ago(uint64_t now_unix_nano, uint64_t months, uint64_t *ret) {
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    char text[STELE_TIME_TEXT_BYTES];
    stele_time_print(now_unix_nano, text);
    uint64_t index = (uint64_t)digits_of(text, 4) * 12 + digits_of(text + 5, 2) - 1;
    unsigned day = digits_of(text + 8, 2);
    if (months > index) {
        return false;
    }
    index -= months;
    unsigned year = (unsigned)(index / 12);
    unsigned month = (unsigned)(index % 12);
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    unsigned last = days[month] + (month == 1 && leap ? 1 : 0);
    char when[64];
    (void)snprintf(when, sizeof when, "%04u-%02u-%02u%s", year, month + 1, day > last ? last : day,
                   text + 10);
    return stele_time_parse(stele_view_str(when), ret, NULL) == STELE_OK; /* not before 1970 */
}

static bool ago(const char *text, uint64_t now, uint64_t *ret) {
    static const struct {
        const char *unit;
        uint64_t seconds;
    } units[] = {{"s", 1},    {"sec", 1},   {"min", 60},  {"m", 60},
                 {"h", 3600}, {"d", 86400}, {"w", 604800}};
    uint64_t count = 0;
    const char *unit = NULL;
    if (!split(text, &count, &unit)) {
        return false;
    }
    if (strcmp(unit, "mo") == 0) {
        return months_ago(now, count, ret);
    }
    if (strcmp(unit, "y") == 0) {
        return count < 1000 && months_ago(now, count * 12, ret);
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        uint64_t back = 0;
        if (strcmp(unit, units[i].unit) == 0 &&
            !__builtin_mul_overflow(count, units[i].seconds * NS_PER_S, &back) && back <= now) {
            *ret = now - back;
            return true;
        }
    }
    return false;
}

/* "2026-05-01": midnight UTC. */
static bool a_day(const char *text, uint64_t *ret) {
    char full[32];
    if (strlen(text) != strlen("2026-05-01")) {
        return false;
    }
    (void)snprintf(full, sizeof full, "%sT00:00:00Z", text);
    return stele_time_parse(stele_view_str(full), ret, NULL) == STELE_OK;
}

stele_status stele_cli_time(const char *text, uint64_t now, uint64_t *ret, stele_err *err) {
    const uint64_t day = 86400 * NS_PER_S;
    if (strcmp(text, "now") == 0) {
        *ret = now;
        return STELE_OK;
    }
    if (strcmp(text, "today") == 0) {
        *ret = now - now % day;
        return STELE_OK;
    }
    if (strcmp(text, "yesterday") == 0 && now >= day) {
        *ret = now - now % day - day;
        return STELE_OK;
    }
    if (ago(text, now, ret) || a_day(text, ret) ||
        stele_time_parse(stele_view_str(text), ret, NULL) == STELE_OK) {
        return STELE_OK;
    }
    return STELE_FAIL(err, INVALID,
                      "'%.40s' is no time from 1970 on: write 2026-05-01, 2026-05-01T12:00:00Z, "
                      "36h, 7d, 18mo, 2y (that long ago), today, yesterday or now",
                      text);
}

stele_status stele_cli_duration(const char *text, uint32_t *ret_ms, stele_err *err) {
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1},      {"s", 1000},  {"sec", 1000}, {"", 1000},
                 {"min", 60000}, {"m", 60000}, {"h", 3600000}};
    uint64_t count = 0;
    uint64_t each = 0;
    const char *unit = NULL;
    if (split(text, &count, &unit)) {
        for (size_t i = 0; i < sizeof units / sizeof units[0] && each == 0; i++) {
            each = strcmp(unit, units[i].unit) == 0 ? units[i].ms : 0;
        }
    }
    if (each == 0 || count == 0 || count > UINT32_MAX / each) {
        return STELE_FAIL(err, INVALID, "'%.40s' is no duration: write 500ms, 10s, 2min or 1h",
                          text);
    }
    *ret_ms = (uint32_t)(count * each);
    return STELE_OK;
}
