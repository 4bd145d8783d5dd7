/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_clock.c: a log under a clock that steps back, leaps, stands still. Log time never
 * falls and eras only go on, whatever the clock says; what is accepted does not depend on the log's
 * past.
 */
#include <stdio.h>
#include <string.h>

#include "storage/fsck.h"
#include "tests/support/event_gen.h"
#include "tests/support/store_fixture.h"

#define SECOND_US UINT64_C(1000000)
#define DAY_US (86400 * SECOND_US)
#define MONTH_US (31 * DAY_US)
#define YEAR_US (365 * DAY_US)
#define START_ERA 202511u

static struct fixture f;
static struct rng rng;

static int set_up(void **state) {
    (void)state;
    fixture_init(&f);
    f.quiet = true; /* a clock that is behind is reported */
    fixture_open(&f);
    rng = rng_start("clock");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fixture_done(&f);
    return 0;
}

static void clock_is(uint64_t us) {
    atomic_store(&f.now_us, us);
}

/* One event of that time; its place. */
static stele_status try_append(uint64_t event_us, struct stele_batch_place *ret) {
    stele_buf payload = STELE_BUF_EMPTY;
    stele_err err = {.text = ""};
    stele_gen_event(
        &rng, &(struct stele_gen_options){.region = "eu-test", .time_unix_nano = event_us * 1000},
        &payload);
    stele_view view = stele_view_buf(&payload);
    stele_status st = fixture_append(&f, "3y", &view, 1, ret, &err);
    stele_buf_done(&payload);
    return st;
}

static struct stele_batch_place append(uint64_t event_us) {
    struct stele_batch_place place = {0};
    assert_ok(try_append(event_us, &place));
    assert_int_equal(place.n, 1);
    return place;
}

static struct stele_entry entry_at(uint64_t seq) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    assert_ok(stele_log_view_open(stele_store_log(f.store, "3y"), &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    assert_ok(stele_log_read(reader, seq, &stored, NULL));
    struct stele_entry entry = stored.entry;
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return entry;
}

static bool is_epoch(const struct stele_entry *entry) {
    return entry->type == STELE_ENTRY_CONTROL && entry->as.control.kind == STELE_CONTROL_EPOCH;
}

/* Every entry: time never falls, eras only go on, and each month begins with its EPOCH. Counts
 * EPOCHs. */
static unsigned check_order(void) {
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    uint64_t time_us = 0;
    uint32_t era = 0;
    unsigned n_epochs = 0;
    assert_ok(stele_log_view_open(stele_store_log(f.store, "3y"), &view, NULL));
    assert_ok(stele_log_reader_new(view, &reader, NULL));
    for (uint64_t seq = 0; seq < stele_log_view_size(view); seq++) {
        struct stele_stored_entry stored;
        assert_ok(stele_log_read(reader, seq, &stored, NULL));
        const struct stele_entry *entry = &stored.entry;
        assert_true(entry->time_us >= time_us);
        time_us = entry->time_us;
        if (entry->type == STELE_ENTRY_INDEX) {
            continue;
        }
        assert_int_equal(entry->era / 100, stele_entry_month(time_us));
        assert_true(entry->era >= era);
        if (seq > 1 && entry->era != era) {
            assert_true(is_epoch(entry));
        }
        n_epochs += is_epoch(entry) ? 1 : 0;
        era = entry->era;
    }
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return n_epochs;
}

static void check_whole(void) {
    struct stele_fsck_report report;
    stele_err err = {.text = ""};
    fixture_close(&f);
    stele_status st = fixture_try_open(&f, true, &err);
    st = st == STELE_OK ? stele_fsck(f.store, NULL, NULL, &report, &err) : st;
    if (st != STELE_OK) {
        fail_msg("fsck: %s (%s)", err.text, err.where);
    }
    fixture_close(&f);
    fixture_open(&f);
}

/* ------------------------------------------------------------------ back */
static void test_clock__a_step_back_holds_log_time(void **state) {
    static const uint64_t steps_us[] = {1,          SECOND_US,    3600 * SECOND_US,
                                        2 * DAY_US, 3 * MONTH_US, 2 * YEAR_US};
    uint64_t before_us = append(FIXTURE_START_US).time_us;
    (void)state;
    for (size_t i = 0; i < sizeof steps_us / sizeof steps_us[0]; i++) {
        uint64_t now_us = FIXTURE_START_US - steps_us[i];
        clock_is(now_us);
        struct stele_batch_place place =
            append(now_us); /* its source's clock is as wrong, or it is late */
        struct stele_entry entry = entry_at(place.first_seq);
        assert_int_equal(place.time_us, before_us);
        assert_int_equal(entry.era, START_ERA * 100);
        assert_int_equal(entry.as.event.late, steps_us[i] > DAY_US);
    }
    assert_int_equal(check_order(), 1);
    check_whole();
}

static void test_clock__a_clock_behind_is_reported_once(void **state) {
    (void)state;
    (void)append(FIXTURE_START_US);
    clock_is(FIXTURE_START_US - 30 * SECOND_US); /* clocks are set by so much */
    (void)append(FIXTURE_START_US);
    assert_int_equal(atomic_load(&f.n_reports), 0);
    clock_is(FIXTURE_START_US - 3600 * SECOND_US);
    (void)append(FIXTURE_START_US);
    (void)append(FIXTURE_START_US);
    assert_int_equal(atomic_load(&f.n_reports), 1);
    clock_is(FIXTURE_START_US + 1);
    (void)append(FIXTURE_START_US);
    clock_is(FIXTURE_START_US - 3600 * SECOND_US);
    (void)append(FIXTURE_START_US);
    assert_int_equal(atomic_load(&f.n_reports), 2);
}

/* For as long as the clock is behind: also over a restart, and then log time goes on. */
static void test_clock__log_time_goes_on_when_the_clock_is_past_it(void **state) {
    (void)state;
    uint64_t newest_us = append(FIXTURE_START_US).time_us;
    clock_is(FIXTURE_START_US - YEAR_US);
    fixture_close(&f);
    fixture_open(&f);
    for (uint64_t day = 0; day < 365; day += 73) {
        clock_is(FIXTURE_START_US - YEAR_US + day * DAY_US);
        assert_int_equal(append(FIXTURE_START_US - YEAR_US + day * DAY_US).time_us, newest_us);
    }
    clock_is(FIXTURE_START_US + 7);
    assert_int_equal(append(FIXTURE_START_US).time_us, FIXTURE_START_US + 7);
    check_whole();
    assert_int_equal(check_order(), 1);
}

/* A machine without a battery starts in 1970; when its clock is set, the log goes on from there. */
static void test_clock__a_region_made_behind_its_time(void **state) {
    (void)state;
    fixture_done(&f);
    fixture_init(&f);
    f.quiet = true;
    clock_is(7);
    fixture_open(&f);
    assert_int_equal(append(7).time_us, 7);
    clock_is(FIXTURE_START_US);
    struct stele_batch_place place = append(FIXTURE_START_US);
    assert_int_equal(place.time_us, FIXTURE_START_US);
    struct stele_entry epoch = entry_at(place.first_seq - 1);
    assert_true(is_epoch(&epoch));
    assert_int_equal(check_order(), 2);
    check_whole();
}

/* ------------------------------------------------------------------ ahead */
static void test_clock__a_leap_opens_one_era_with_its_epoch_first(void **state) {
    static const struct {
        uint64_t us;
        uint32_t month;
    } leaps[] = {{MONTH_US, 202512}, {YEAR_US, 202612}, {30 * YEAR_US, 205612}};
    uint64_t now_us = FIXTURE_START_US;
    (void)state;
    (void)append(now_us);
    for (size_t i = 0; i < sizeof leaps / sizeof leaps[0]; i++) {
        now_us += leaps[i].us;
        clock_is(now_us);
        struct stele_batch_place place = append(now_us);
        struct stele_entry event = entry_at(place.first_seq);
        struct stele_entry epoch = entry_at(place.first_seq - 1);
        assert_true(is_epoch(&epoch));
        assert_int_equal(epoch.era, event.era);
        assert_int_equal(event.era, stele_entry_month(now_us) * 100);
        assert_true(i > 1 || event.era == leaps[i].month * 100); /* leap days move the third */
        assert_int_equal(event.time_us, now_us);
    }
    assert_int_equal(check_order(), 4);
    check_whole();
}

/* The clock was a year ahead for a moment: what comes then is stored, as late as it looks from
 * there. */
static void test_clock__a_leap_and_back_refuses_nothing(void **state) {
    (void)state;
    clock_is(FIXTURE_START_US + YEAR_US);
    uint64_t ahead_us = append(FIXTURE_START_US).time_us;
    clock_is(FIXTURE_START_US + SECOND_US);
    for (unsigned i = 0; i < 20; i++) {
        struct stele_batch_place place = append(FIXTURE_START_US + SECOND_US);
        struct stele_entry entry = entry_at(place.first_seq);
        assert_int_equal(place.time_us, ahead_us);
        assert_true(entry.as.event.late);
        assert_int_equal(entry.as.event.event_us, FIXTURE_START_US + SECOND_US);
    }
    assert_int_equal(check_order(), 2);
    check_whole();
}

static void test_clock__an_event_of_tomorrow_waits_for_the_clock(void **state) {
    struct stele_batch_place place;
    (void)state;
    assert_ok(try_append(FIXTURE_START_US + DAY_US, &place));
    assert_status(try_append(FIXTURE_START_US + DAY_US + 1, &place), INVALID);
    clock_is(FIXTURE_START_US -
             MONTH_US); /* the log's time counts, not the clock that stepped back */
    assert_ok(try_append(FIXTURE_START_US + DAY_US, &place));
    assert_status(try_append(FIXTURE_START_US + DAY_US + 1, &place), INVALID);
    clock_is(FIXTURE_START_US + 1);
    assert_ok(try_append(FIXTURE_START_US + DAY_US + 1, &place));
}

/* ------------------------------------------------------------------ standing still */
static void test_clock__a_frozen_clock_stops_nothing(void **state) {
    stele_buf note = STELE_BUF_EMPTY;
    struct stele_checkpoint checkpoint;
    uint64_t seq = 0;
    (void)state;
    for (unsigned i = 0; i < 600; i++) { /* over two units of 256 */
        struct stele_batch_place place = append(FIXTURE_START_US);
        assert_int_equal(place.time_us, FIXTURE_START_US);
        assert_true(place.first_seq > seq);
        seq = place.first_seq;
    }
    /* Packs and checkpoints are made by another clock: these return. */
    fixture_wait_packed(&f, "3y");
    assert_ok(
        stele_log_checkpoint(stele_store_log(f.store, "3y"), seq + 1, &note, &checkpoint, NULL));
    assert_true(checkpoint.size_leaves > seq);
    stele_buf_done(&note);
    assert_int_equal(check_order(), 1);
    check_whole();
}

/* ------------------------------------------------------------------ all of it */
static uint64_t step(uint64_t now_us) {
    uint64_t by = rng_below(&rng, 4) == 0 ? rng_below(&rng, YEAR_US) : rng_below(&rng, 3 * DAY_US);
    switch (rng_below(&rng, 4)) {
    case 0:
        return now_us; /* frozen */
    case 1:
        return now_us > by ? now_us - by : 0;
    default:
        return now_us + by;
    }
}

static void test_clock__any_clock_keeps_the_order(void **state) {
    uint64_t now_us = FIXTURE_START_US;
    uint64_t newest_us = 0;
    (void)state;
    for (unsigned i = 0; i < 800; i++) {
        now_us = step(now_us);
        clock_is(now_us);
        if (rng_below(&rng, 100) == 0) {
            fixture_close(&f);
            fixture_open(&f);
        }
        uint64_t time_us =
            append(now_us - rng_below(&rng, now_us < 2 * DAY_US ? now_us + 1 : 2 * DAY_US)).time_us;
        assert_true(time_us >= newest_us && time_us >= now_us);
        assert_true(time_us == newest_us || time_us == now_us || i == 0);
        newest_us = time_us;
    }
    assert_true(check_order() > 5);
    check_whole();
    assert_true(check_order() > 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_clock__a_step_back_holds_log_time),
        TEST(test_clock__a_clock_behind_is_reported_once),
        TEST(test_clock__log_time_goes_on_when_the_clock_is_past_it),
        TEST(test_clock__a_region_made_behind_its_time),
        TEST(test_clock__a_leap_opens_one_era_with_its_epoch_first),
        TEST(test_clock__a_leap_and_back_refuses_nothing),
        TEST(test_clock__an_event_of_tomorrow_waits_for_the_clock),
        TEST(test_clock__a_frozen_clock_stops_nothing),
        TEST(test_clock__any_clock_keeps_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
