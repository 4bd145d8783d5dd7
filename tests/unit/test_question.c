/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "proto/event_filter.h"
#include "proto/question_format.h"
#include "proto/utc.h"
#include "storage/cursor.h"
#include "storage/engine.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

_Static_assert(STELE_QUESTION_NAME_BYTES_MAX == STELE_REGION_NAME_MAX,
               "as the engine bounds regions");
_Static_assert(STELE_QUESTION_NAME_BYTES_MAX == STELE_LOG_NAME_MAX, "as the engine bounds logs");

static void put(stele_buf *buf, const char *text) {
    stele_buf_clear(buf);
    assert_ok(stele_buf_append(buf, stele_view_str(text), NULL));
}

/* Region eu-1, logs 3y and 7y, one condition. */
static void make(struct stele_question *q) {
    stele_question_init(q);
    put(&q->region, "eu-1");
    put(&q->log[q->n_logs++], "3y");
    put(&q->log[q->n_logs++], "7y");
    put(&q->filter.tenant, "acme");
    assert_ok(stele_event_filter_add(&q->filter, STELE_KEY_ACTOR, stele_view_str("u-1"), NULL));
    q->filter.since_unix_nano = UINT64_C(1794000000000000000);
    q->filter.logged_until_us = UINT64_C(1794000000500000);
    q->limit = 10;
}

static const uint8_t made[] = {
    1,    0,    0,    4,    'e',  'u',  '-',  '1',  2,    0,    2,    '3',  'y',  0,
    2,    '7',  'y',  0,    4,    'a',  'c',  'm',  'e',  1,    1,    0,    3,    'u',
    '-',  '1',  0x18, 0xe5, 0x91, 0x7e, 0xb7, 0x0d, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0,    0,    0,    0,    0x00, 0x06,
    0x5f, 0xa2, 0x2c, 0xc1, 0xc1, 0x20, 0,    0,    0,    0,    0,    0,    0,    10,
};

static void test_question__has_the_bytes_of_the_format(void **state) {
    (void)state;
    struct stele_question q;
    stele_buf out = STELE_BUF_EMPTY;
    make(&q);
    assert_ok(stele_question_encode(&q, &out, NULL));
    assert_int_equal(out.size, sizeof made);
    assert_memory_equal(out.data, made, sizeof made);
    stele_buf_done(&out);
    stele_question_done(&q);
}

static void test_question__prints_one_thing_a_line(void **state) {
    (void)state;
    struct stele_question q;
    stele_buf out = STELE_BUF_EMPTY;
    make(&q);
    assert_ok(stele_event_filter_add_number(&q.filter, STELE_KEY_OUTCOME, 3, NULL));
    assert_ok(stele_event_filter_add_number(&q.filter, STELE_KEY_ACTION, 77777, NULL));
    assert_ok(stele_question_print(&q, &out, NULL));
    assert_ok(stele_buf_append(&out, stele_view_of("", 1), NULL));
    assert_string_equal((const char *)out.data, "region: eu-1\n"
                                                "logs: 3y 7y\n"
                                                "tenant: acme\n"
                                                "condition: actor = u-1\n"
                                                "condition: outcome = 3 (denied)\n"
                                                "condition: action = 77777\n"
                                                "event time: from 2026-11-06T21:20:00Z\n"
                                                "log time: before 2026-11-06T21:20:00.5Z\n"
                                                "limit: 10 events\n");
    stele_question_done(&q);
    put(&q.region, "eu-1");
    stele_buf_clear(&out);
    assert_ok(stele_question_print(&q, &out, NULL));
    assert_ok(stele_buf_append(&out, stele_view_of("", 1), NULL));
    assert_string_equal((const char *)out.data, "region: eu-1\nlogs: all\ntenant: every tenant\n"
                                                "event time: any\nlog time: any\n");
    stele_buf_done(&out);
    stele_question_done(&q);
}

static void test_question__log_names_are_sorted_and_stand_once(void **state) {
    (void)state;
    static const char *const names[] = {"7y", "1y", "system", "1y", "3y", "7y", "a"};
    static const char *const sorted[] = {"1y", "3y", "7y", "a", "system"};
    struct stele_question q;
    struct stele_question back;
    stele_buf out = STELE_BUF_EMPTY;
    stele_question_init(&q);
    put(&q.region, "r");
    for (size_t i = 0; i < 7; i++) {
        put(&q.log[q.n_logs++], names[i]);
    }
    assert_ok(stele_question_encode(&q, &out, NULL));
    assert_ok(stele_question_decode(stele_view_buf(&out), &back, NULL));
    assert_int_equal(back.n_logs, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(stele_view_is(stele_view_buf(&back.log[i]), sorted[i]));
    }
    stele_question_done(&q);
    stele_question_done(&back);
    stele_buf_done(&out);
}

static void test_question__other_bytes_are_refused(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {
        {0, 0},    {0, 2},    {1, 1},    /* version, reserved */
        {3, 5},    {3, 3},    {4, 'E'},  /* region */
        {8, 65},   {8, 3},    {8, 1},    /* number of logs */
        {11, '7'}, {11, '9'}, {15, '/'}, /* names equal, descending, not a name */
        {18, 0},   {19, 0},              /* tenant */
        {23, 25},  {23, 2},   {23, 0},   /* conditions */
        {24, 0},   {24, 19},  {24, 16},  {24, 3}, {24, 17}, {24, 15}, /* fields */
        {26, 0},                                                      /* no value */
        {38, 0}, /* event time ends before it begins */
    };
    struct stele_question q;
    assert_ok(stele_question_decode(stele_view_of(made, sizeof made), &q, NULL));
    stele_question_done(&q);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t copy[sizeof made];
        memcpy(copy, made, sizeof copy);
        copy[bad[i].at] = bad[i].value;
        stele_status st = stele_question_decode(stele_view_of(copy, sizeof copy), &q, NULL);
        if (st != STELE_INVALID) {
            fail_msg("byte %zu as %u: %s", bad[i].at, bad[i].value, stele_status_name(st));
        }
    }
    for (size_t size = 0; size < sizeof made; size++) {
        assert_status(stele_question_decode(stele_view_of(made, size), &q, NULL), INVALID);
    }
    uint8_t longer[sizeof made + 1] = {0};
    memcpy(longer, made, sizeof made);
    assert_status(stele_question_decode(stele_view_of(longer, sizeof longer), &q, NULL), INVALID);
}

/* One more of each than there may be, well formed otherwise. */
static void test_question__counts_are_bounded(void **state) {
    (void)state;
    for (unsigned more = 0; more < 4; more++) {
        unsigned n_logs = 64 + (more & 1);
        unsigned n_conditions = STELE_FILTER_CONDITIONS_MAX + (more >> 1);
        stele_buf bytes = STELE_BUF_EMPTY;
        struct stele_question q;
        struct stele_writer w = stele_writer_to(&bytes);
        stele_write_view(&w, stele_view_of("\1\0\0\1r", 5));
        stele_write_u8(&w, (uint8_t)n_logs);
        for (unsigned i = 0; i < n_logs; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "%03u", i);
            stele_write_lp(&w, stele_view_str(name));
        }
        stele_write_lp(&w, stele_view_of(NULL, 0));
        stele_write_u8(&w, (uint8_t)n_conditions);
        for (unsigned i = 0; i < n_conditions; i++) {
            stele_write_u8(&w, STELE_KEY_ACTOR);
            stele_write_lp(&w, stele_view_str("a"));
        }
        for (unsigned i = 0; i < 5; i++) {
            stele_write_u64(&w, i);
        }
        assert_ok(stele_writer_end(&w, NULL));
        stele_err err;
        stele_status st = stele_question_decode(stele_view_buf(&bytes), &q, &err);
        assert_string_equal(stele_status_name(st), more == 0 ? "OK" : "INVALID");
        if (st == STELE_OK) {
            assert_int_equal(q.n_logs, 64);
            stele_question_done(&q);
        } else {
            assert_non_null(strstr(err.text, "at most"));
        }
        stele_buf_done(&bytes);
    }
}

/* The same rules where questions are made, so that none is written that is not read. */
static void test_question__what_does_not_decode_is_not_encoded(void **state) {
    (void)state;
    struct stele_question q;
    stele_buf out = STELE_BUF_EMPTY;
    make(&q);
    put(&q.region, "");
    assert_status(stele_question_encode(&q, &out, NULL), INVALID);
    put(&q.region, "EU");
    assert_status(stele_question_encode(&q, &out, NULL), INVALID);
    put(&q.region, "eu-1");
    put(&q.log[0], "a/b");
    assert_status(stele_question_encode(&q, &out, NULL), INVALID);
    put(&q.log[0], "123456789012345678901234567890123");
    assert_status(stele_question_encode(&q, &out, NULL), INVALID);
    put(&q.log[0], "3y");
    put(&q.filter.tenant, "a b");
    assert_status(stele_question_encode(&q, &out, NULL), INVALID);
    put(&q.filter.tenant, "acme");
    q.filter.until_unix_nano = q.filter.since_unix_nano - 1;
    assert_status(stele_question_encode(&q, &out, NULL), INVALID);
    assert_status(stele_question_print(&q, &out, NULL), INVALID);
    q.filter.until_unix_nano++;
    assert_ok(stele_question_encode(&q, &out, NULL));
    q.filter.logged_since_us = q.filter.logged_until_us + 1;
    assert_status(stele_question_encode(&q, &out, NULL), INVALID);
    stele_buf_done(&out);
    stele_question_done(&q);
}

static void test_question__round_trips(void **state) {
    (void)state;
    struct rng rng = rng_start("question");
    for (int round = 0; round < 2000; round++) {
        struct stele_question q;
        struct stele_question back;
        stele_buf once = STELE_BUF_EMPTY;
        stele_buf again = STELE_BUF_EMPTY;
        char name[40];
        stele_question_init(&q);
        put(&q.region, "eu-1");
        size_t n = (size_t)rng_below(&rng, 65);
        for (size_t i = 0; i < n; i++) {
            (void)snprintf(name, sizeof name, "log-%u", (unsigned)rng_below(&rng, 100));
            put(&q.log[q.n_logs++], name);
        }
        n = (size_t)rng_below(&rng, STELE_FILTER_CONDITIONS_MAX + 1);
        for (size_t i = 0; i < n; i++) {
            uint8_t value[64];
            rng_bytes(&rng, value, sizeof value);
            stele_view some = stele_view_of(value, 1 + (size_t)rng_below(&rng, 64));
            switch (rng_below(&rng, 4)) {
            case 0:
                assert_ok(stele_event_filter_add_number(&q.filter, STELE_KEY_OUTCOME,
                                                        1 + (uint32_t)rng_below(&rng, 9), NULL));
                break;
            case 1:
                assert_ok(stele_event_filter_add_version(&q.filter, STELE_KEY_MODEL_VERSION, some,
                                                         some, NULL));
                break;
            case 2:
                some.size = 16;
                assert_ok(stele_event_filter_add(&q.filter, STELE_KEY_CLIENT_IP, some, NULL));
                break;
            default:
                assert_ok(stele_event_filter_add(&q.filter, STELE_KEY_ACTOR, some, NULL));
                break;
            }
        }
        q.limit = rng_next(&rng);
        q.filter.since_unix_nano = rng_next(&rng) / 2;
        q.filter.logged_until_us = rng_next(&rng);
        assert_ok(stele_question_encode(&q, &once, NULL));
        assert_ok(stele_question_decode(stele_view_buf(&once), &back, NULL));
        assert_ok(stele_question_encode(&back, &again, NULL));
        assert_true(stele_view_equal(stele_view_buf(&once), stele_view_buf(&again)));
        assert_true(back.limit == q.limit && back.filter.n_conditions == n);
        assert_true(back.filter.since_unix_nano == q.filter.since_unix_nano);
        assert_true(back.filter.until_unix_nano == UINT64_MAX && back.filter.logged_since_us == 0);
        assert_true(back.filter.logged_until_us == q.filter.logged_until_us);
        for (size_t i = 0; i < n; i++) {
            assert_true(back.filter.condition[i].field == q.filter.condition[i].field);
            assert_true(stele_view_equal(stele_view_buf(&back.filter.condition[i].value),
                                         stele_view_buf(&q.filter.condition[i].value)));
        }
        stele_buf_clear(&again);
        assert_ok(stele_question_print(&back, &again, NULL));
        for (size_t i = 0; i < again.size; i++) {
            assert_true(again.data[i] == '\n' || (again.data[i] >= 0x20 && again.data[i] != 0x7f));
        }
        stele_question_done(&q);
        stele_question_done(&back);
        stele_buf_done(&once);
        stele_buf_done(&again);
    }
}

static void test_utc__prints_all_of_its_range(void **state) {
    (void)state;
    static const struct {
        uint64_t time;
        const char *us, *ns;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
        {1, "1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00.000000001Z"},
        {UINT64_C(951827696100000000), NULL, "2000-02-29T12:34:56.1Z"},
        {UINT64_C(1794000000000000), "2026-11-06T21:20:00Z", NULL},
        {UINT64_MAX, "586524-01-19T08:01:49.551615Z", "2554-07-21T23:34:33.709551615Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[STELE_UTC_TEXT_BYTES];
        if (cases[i].us != NULL) {
            stele_utc_of_us(cases[i].time, text);
            assert_string_equal(text, cases[i].us);
        }
        if (cases[i].ns != NULL) {
            stele_utc_of_ns(cases[i].time, text);
            assert_string_equal(text, cases[i].ns);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_question__has_the_bytes_of_the_format),
        cmocka_unit_test(test_question__prints_one_thing_a_line),
        cmocka_unit_test(test_question__log_names_are_sorted_and_stand_once),
        cmocka_unit_test(test_question__other_bytes_are_refused),
        cmocka_unit_test(test_question__counts_are_bounded),
        cmocka_unit_test(test_question__what_does_not_decode_is_not_encoded),
        cmocka_unit_test(test_question__round_trips),
        cmocka_unit_test(test_utc__prints_all_of_its_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
