/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_cli_time.c: times, durations and numbers as people write them. */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/time.h"
#include "storage/bytes.h"
#include "tools/cli_time.h"

/* Sunday, with a day that short months do not have, and a fraction that relative times keep. */
#define NOW "2026-05-31T10:20:30.000000123Z"

static uint64_t at(const char *text) {
    uint64_t ns = 0;
    assert_ok(stele_time_parse(stele_view_str(text), &ns, NULL));
    return ns;
}

static void check(const char *text, const char *expected) {
    uint64_t ns = 7;
    stele_err err = {.text = ""};
    stele_status st = stele_cli_time(text, at(NOW), &ns, &err);
    if (st != STELE_OK || ns != at(expected)) {
        char printed[STELE_TIME_TEXT_BYTES];
        stele_time_print(ns, printed);
        fail_msg("'%s' is %s (%s), not %s", text, printed, err.text, expected);
    }
}

static void test_cli_time__points(void **state) {
    (void)state;
    check("now", NOW);
    check("today", "2026-05-31T00:00:00Z");
    check("yesterday", "2026-05-30T00:00:00Z");
    check("2026-05-01", "2026-05-01T00:00:00Z");
    check("2024-02-29", "2024-02-29T00:00:00Z");
    check("1970-01-01", "1970-01-01T00:00:00Z");
    check("2026-05-01T12:00:00Z", "2026-05-01T12:00:00Z");
    check("2026-05-01T12:00:00.5+02:00", "2026-05-01T10:00:00.5Z");
    check("2026-05-01T12:00:00.123456789-01:30", "2026-05-01T13:30:00.123456789Z");
}

static void test_cli_time__so_long_ago(void **state) {
    (void)state;
    check("0s", NOW);
    check("90s", "2026-05-31T10:19:00.000000123Z");
    check("90sec", "2026-05-31T10:19:00.000000123Z");
    check("15min", "2026-05-31T10:05:30.000000123Z");
    check("15m", "2026-05-31T10:05:30.000000123Z");
    check("36h", "2026-05-29T22:20:30.000000123Z");
    check("7d", "2026-05-24T10:20:30.000000123Z");
    check("2w", "2026-05-17T10:20:30.000000123Z");
    check("0mo", NOW);
    check("1mo", "2026-04-30T10:20:30.000000123Z");
    check("3mo", "2026-02-28T10:20:30.000000123Z");
    check("27mo", "2024-02-29T10:20:30.000000123Z");
    check("5mo", "2025-12-31T10:20:30.000000123Z");
    check("12mo", "2025-05-31T10:20:30.000000123Z");
    check("18mo", "2024-11-30T10:20:30.000000123Z");
    check("2y", "2024-05-31T10:20:30.000000123Z");
    check("56y", "1970-05-31T10:20:30.000000123Z");
}

static void test_cli_time__refuses_all_else(void **state) {
    static const char *const texts[] = {"",
                                        "18",
                                        "mo",
                                        "1.5h",
                                        "-1h",
                                        "1 h",
                                        "1H",
                                        "tomorrow",
                                        "NOW",
                                        "2026-5-1",
                                        "2026-13-01",
                                        "2026-02-30",
                                        "2026-05-01 ",
                                        "01.05.2026",
                                        "57y",
                                        "700mo",
                                        "999y",
                                        "99999999999h",
                                        "99999999999999999999999999s",
                                        "1969-12-31",
                                        "2026-05-01T12:00:00",
                                        "2026-05-01T25:00:00Z",
                                        "18446744073709551615w",
                                        "1y2mo",
                                        "h1",
                                        "+1h"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t ns = 7;
        stele_err err = {.text = ""};
        if (stele_cli_time(texts[i], at(NOW), &ns, &err) != STELE_INVALID) {
            fail_msg("'%s' is taken", texts[i]);
        }
        assert_int_equal(ns, 7);
        assert_non_null(strstr(err.text, "18mo")); /* the message shows forms that would do */
    }
}

/* Every day of many years, every number of months: never outside the month that is meant, never a
 * day that was not there. */
static void test_cli_time__months_stay_in_their_month(void **state) {
    (void)state;
    for (uint64_t day = 0; day < 366 * 9; day++) {
        uint64_t now = (day + 16000) * UINT64_C(86400000000000);
        char today[STELE_TIME_TEXT_BYTES];
        stele_time_print(now, today);
        unsigned month = (unsigned)((today[5] - '0') * 10 + today[6] - '0');
        for (unsigned months = 0; months <= 14; months++) {
            char text[16];
            char then[STELE_TIME_TEXT_BYTES];
            uint64_t ns = 0;
            (void)snprintf(text, sizeof text, "%umo", months);
            assert_ok(stele_cli_time(text, now, &ns, NULL));
            stele_time_print(ns, then);
            unsigned expected = (month + 24 - 1 - months) % 12 + 1;
            assert_int_equal((then[5] - '0') * 10 + then[6] - '0', expected);
            assert_true(memcmp(then + 8, today + 8, 2) <=
                        0); /* the same day, or the month's last */
            assert_true(ns <= now);
        }
    }
}

static void test_cli_time__durations(void **state) {
    static const struct {
        const char *text;
        uint32_t ms;
    } good[] = {{"1ms", 1},       {"500ms", 500},   {"10s", 10000}, {"10", 10000},
                {"10sec", 10000}, {"2min", 120000}, {"2m", 120000}, {"1h", 3600000}};
    static const char *const bad[] = {"",
                                      "s",
                                      "0",
                                      "0s",
                                      "-1s",
                                      "1.5s",
                                      "1 s",
                                      "1 day",
                                      "1d",
                                      "1S",
                                      "4294967296ms",
                                      "4294968s",
                                      "99999999999999999999s",
                                      "10ss"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint32_t ms = 0;
        assert_ok(stele_cli_duration(good[i].text, &ms, NULL));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t ms = 7;
        if (stele_cli_duration(bad[i], &ms, NULL) != STELE_INVALID) {
            fail_msg("'%s' is taken", bad[i]);
        }
        assert_int_equal(ms, 7);
    }
}

static void test_cli_time__numbers(void **state) {
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1e3",
                                      "0x1",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    uint64_t value = 0;
    (void)state;
    assert_ok(stele_cli_number("0", &value, NULL));
    assert_int_equal(value, 0);
    assert_ok(stele_cli_number("007", &value, NULL));
    assert_int_equal(value, 7);
    assert_ok(stele_cli_number("18446744073709551615", &value, NULL));
    assert_true(value == UINT64_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        value = 7;
        if (stele_cli_number(bad[i], &value, NULL) != STELE_INVALID) {
            fail_msg("'%s' is taken", bad[i]);
        }
        assert_int_equal(value, 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cli_time__points),
        cmocka_unit_test(test_cli_time__so_long_ago),
        cmocka_unit_test(test_cli_time__refuses_all_else),
        cmocka_unit_test(test_cli_time__months_stay_in_their_month),
        cmocka_unit_test(test_cli_time__durations),
        cmocka_unit_test(test_cli_time__numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
