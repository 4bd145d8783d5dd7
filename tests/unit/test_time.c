/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 times, both ways; gmtime_r of the C library is the second opinion. */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/time.h"
#include "tests/support/rng.h"

static void test_time__reads_what_rfc_3339_allows(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t nanos;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.000000001Z", 1},
        {"1985-04-12T23:20:50.52Z", UINT64_C(482196050520000000)},
        {"1996-12-19T16:39:57-08:00", UINT64_C(851042397000000000)},
        {"1990-12-31T23:59:60Z", UINT64_C(662688000000000000)},
        {"1990-12-31T15:59:60-08:00", UINT64_C(662688000000000000)},
        {"1937-01-01T12:00:27.87+00:20", 0}, /* before 1970: refused, see below */
        {"2000-02-29T00:00:00Z", UINT64_C(951782400000000000)},
        {"2026-11-22T02:18:39.123456789Z", UINT64_C(1795313919123456789)},
        {"2026-11-22t02:18:39.123456789z", UINT64_C(1795313919123456789)},
        {"2026-11-22T07:48:39.123456789+05:30", UINT64_C(1795313919123456789)},
        {"2026-11-21T20:18:39.123456789-06:00", UINT64_C(1795313919123456789)},
        {"2026-11-22T02:18:39.1+00:00", UINT64_C(1795313919100000000)},
        {"2026-11-22T02:18:39-00:00", UINT64_C(1795313919000000000)},
        {"1970-01-01T23:59:00+23:59", 0},
        {"2554-07-21T23:34:33.709551615Z", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t nanos = 7;
        stele_status st = stele_time_parse(stele_view_str(cases[i].text), &nanos, NULL);
        if (strncmp(cases[i].text, "1937", 4) == 0) {
            assert_status(st, INVALID);
            assert_int_equal(nanos, 7);
        } else if (st != STELE_OK || nanos != cases[i].nanos) {
            fail_msg("%s: %s, %llu", cases[i].text, stele_status_name(st),
                     (unsigned long long)nanos);
        }
    }
}

static void test_time__refuses_the_rest(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "2026",
        "2026-11-22",
        "2026-11-22T02:18:39",
        "2026-11-22 02:18:39Z",
        "2026-11-22T02:18Z",
        "2026-11-22T02:18:39.Z",
        "2026-11-22T02:18:39.1234567890Z",
        "2026-11-22T02:18:39,5Z",
        "2026-11-22T02:18:39ZZ",
        "2026-11-22T02:18:39Z ",
        " 2026-11-22T02:18:39Z",
        "2026-13-22T02:18:39Z",
        "2026-00-22T02:18:39Z",
        "2026-11-31T02:18:39Z",
        "2026-11-00T02:18:39Z",
        "2026-02-29T02:18:39Z",
        "2100-02-29T02:18:39Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T02:60:39Z",
        "2026-11-22T02:18:61Z",
        "2026-11-22T02:18:60Z",
        "2026-11-22T02:18:39+24:00",
        "2026-11-22T02:18:39+05:60",
        "2026-11-22T02:18:39+0530",
        "2026-11-22T02:18:39+05",
        "2026-11-22T02:18:39*05:30",
        "26-11-22T02:18:39Z",
        "+2026-11-22T02:18:39Z",
        "1969-12-31T23:59:59.999999999Z",
        "1970-01-01T00:00:00+00:01",
        "2554-07-21T23:34:33.709551616Z",
        "2555-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint64_t nanos = 7;
        stele_err err = {0};
        stele_status st = stele_time_parse(stele_view_str(texts[i]), &nanos, &err);
        if (st != STELE_INVALID || nanos != 7 || err.text[0] == '\0') {
            fail_msg("'%s': %s", texts[i], stele_status_name(st));
        }
    }
    uint64_t nanos = 0;
    assert_status(stele_time_parse(stele_view_of("2026-11-22T02:18:39Z", 21), &nanos, NULL),
                  INVALID);
    assert_status(stele_time_parse(stele_view_of(NULL, 0), &nanos, NULL), INVALID);
}

static void check_printed(uint64_t nanos) {
    char text[STELE_TIME_TEXT_BYTES];
    char expected[64];
    uint64_t back = 0;
    time_t seconds = (time_t)(nanos / 1000000000);
    struct tm tm;
    stele_time_print(nanos, text);
    assert_non_null(gmtime_r(&seconds, &tm));
    size_t used = strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(expected + used, sizeof expected - used, ".%09uZ",
                   (unsigned)(nanos % 1000000000));
    assert_string_equal(text, expected);
    assert_ok(stele_time_parse(stele_view_str(text), &back, NULL));
    assert_true(back == nanos);
}

static void test_time__prints_what_it_reads(void **state) {
    (void)state;
    struct rng rng = rng_start("time");
    static const uint64_t edges[] = {0,
                                     1,
                                     999999999,
                                     1000000000,
                                     UINT64_C(951782399999999999),
                                     UINT64_C(951868800000000000),
                                     UINT64_MAX,
                                     UINT64_MAX - 1};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        check_printed(edges[i]);
    }
    for (uint64_t day = 0; day < 213503; day++) { /* every day of 64 bits */
        check_printed(day * UINT64_C(86400000000000));
    }
    for (unsigned i = 0; i < 20000; i++) {
        check_printed(rng_next(&rng));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time__reads_what_rfc_3339_allows),
        cmocka_unit_test(test_time__refuses_the_rest),
        cmocka_unit_test(test_time__prints_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
