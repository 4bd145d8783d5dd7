/* SPDX-License-Identifier: Apache-2.0 */
/* Answer files as the verifier's users see them: its events are checked against its question. */
#include <string.h>

#include "tests/support/answer_forge.h"
#include "tests/support/cmocka.h"
#include "tests/support/verify_bed.h"

static void test_verify__reports_what_an_answer_proves(void **state) {
    struct verify_bed *f = *state;
    static const size_t pieces[] = {1, 7, 1000, SIZE_MAX / 2};
    f->actor = "u-2";
    assert_ok(
        stele_event_filter_add(&f->question.filter, STELE_KEY_ACTOR, stele_view_str("u-2"), NULL));
    verify_bed_write(f, 2);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct stele_verify_report report;
        struct verify_counted counted = {0, 0};
        assert_ok(
            verify_bed_verify(f, stele_view_buf(&f->file), pieces[i], &counted, &report, NULL));
        assert_true(report.kind == STELE_PROOF_ANSWER && report.cut);
        assert_int_equal(report.n_events, 6);
        assert_int_equal(counted.events, 6);
        assert_int_equal(report.n_logs, 2);
        assert_string_equal(report.log[0].origin, "stele.example/eu-1/1y");
        assert_string_equal(report.log[1].origin, "stele.example/eu-1/3y");
        for (size_t log = 0; log < 2; log++) {
            assert_int_equal(report.log[log].size_leaves, 12);
            assert_int_equal(report.log[log].n_events, 3); /* 3, 6, 9 */
            assert_int_equal(report.log[log].first_time_us, SAMPLE_TIME_US + 3000);
            assert_int_equal(report.log[log].last_time_us, SAMPLE_TIME_US + 9000);
        }
        assert_true(stele_view_is(stele_view_buf(&report.question.region), "eu-1"));
        assert_int_equal(report.question.filter.n_conditions, 1);
        stele_verify_report_done(&report);
    }
}

static void same(struct verify_bed *f) {
    (void)f;
}
static void other_region(struct verify_bed *f) {
    verify_bed_put(&f->question.region, "eu-2");
}
static void both_logs_asked(struct verify_bed *f) {
    verify_bed_put(&f->question.log[f->question.n_logs++], "3y");
    verify_bed_put(&f->question.log[f->question.n_logs++], "1y");
}
static void one_log_asked(struct verify_bed *f) {
    verify_bed_put(&f->question.log[f->question.n_logs++], "3y");
}
static void third_log_asked(struct verify_bed *f) {
    both_logs_asked(f);
    verify_bed_put(&f->question.log[f->question.n_logs++], "5y");
}
static void own_tenant(struct verify_bed *f) {
    verify_bed_put(&f->question.filter.tenant, "acme");
}
static void other_tenant(struct verify_bed *f) {
    verify_bed_put(&f->question.filter.tenant, "acme2");
}
static void some_actor(struct verify_bed *f) {
    assert_ok(
        stele_event_filter_add(&f->question.filter, STELE_KEY_ACTOR, stele_view_str("u-1"), NULL));
}
static void the_session(struct verify_bed *f) {
    assert_ok(stele_event_filter_add(&f->question.filter, STELE_KEY_SESSION, stele_view_str("s-1"),
                                     NULL));
}
static void success(struct verify_bed *f) {
    assert_ok(stele_event_filter_add_number(&f->question.filter, STELE_KEY_OUTCOME, 1, NULL));
}
static void failure(struct verify_bed *f) {
    assert_ok(stele_event_filter_add_number(&f->question.filter, STELE_KEY_OUTCOME, 2, NULL));
}
static void since_exactly(struct verify_bed *f) {
    f->question.filter.since_unix_nano = SAMPLE_TIME_US * 1000 + 789;
}
static void since_later(struct verify_bed *f) {
    f->question.filter.since_unix_nano = SAMPLE_TIME_US * 1000 + 790;
}
static void until_exactly(struct verify_bed *f) {
    f->question.filter.until_unix_nano = SAMPLE_TIME_US * 1000 + 789;
}
static void logged_within(struct verify_bed *f) {
    f->question.filter.logged_since_us = SAMPLE_TIME_US + 1000;
    f->question.filter.logged_until_us = SAMPLE_TIME_US + 11001;
}
static void logged_since_later(struct verify_bed *f) {
    f->question.filter.logged_since_us = SAMPLE_TIME_US + 1001;
}
static void logged_until_earlier(struct verify_bed *f) {
    f->question.filter.logged_until_us = SAMPLE_TIME_US + 11000;
}
static void limit_met(struct verify_bed *f) {
    f->question.limit = 22;
}
static void limit_passed(struct verify_bed *f) {
    f->question.limit = 21;
}

#define CASE(name, status)                                                                         \
    { #name, name, STELE_##status }
static const struct {
    const char *name;
    void (*apply)(struct verify_bed *f);
    stele_status expected;
} questions[] = {
    CASE(same, OK),
    CASE(other_region, UNVERIFIED),
    CASE(both_logs_asked, OK),
    CASE(one_log_asked, UNVERIFIED),
    CASE(third_log_asked, UNVERIFIED),
    CASE(own_tenant, OK),
    CASE(other_tenant, UNVERIFIED),
    CASE(some_actor, UNVERIFIED),
    CASE(the_session, OK),
    CASE(success, OK),
    CASE(failure, UNVERIFIED),
    CASE(since_exactly, OK),
    CASE(since_later, UNVERIFIED),
    CASE(until_exactly, UNVERIFIED),
    CASE(logged_within, OK),
    CASE(logged_since_later, UNVERIFIED),
    CASE(logged_until_earlier, UNVERIFIED),
    CASE(limit_met, OK),
    CASE(limit_passed, UNVERIFIED),
};

/* The same 22 events under each question; file and digest are well formed every time. */
static void test_verify__events_must_be_what_the_question_asks_for(void **state) {
    struct verify_bed *f = *state;
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        stele_err err = {.text = ""};
        stele_question_done(&f->question);
        verify_bed_put(&f->question.region, "eu-1");
        questions[i].apply(f);
        verify_bed_write(f, 2);
        stele_status st = verify_bed_judge(f, &err);
        if (st != questions[i].expected) {
            fail_msg("%s: %s (%s)", questions[i].name, stele_status_name(st), err.text);
        }
    }
}

/* The honest limit: a question is the answerer's word. One that its events fit as well holds too.
 */
static void test_verify__a_wider_question_is_not_found(void **state) {
    struct verify_bed *f = *state;
    f->actor = "u-2";
    assert_ok(
        stele_event_filter_add(&f->question.filter, STELE_KEY_ACTOR, stele_view_str("u-2"), NULL));
    verify_bed_write(f, 2);
    assert_ok(verify_bed_judge(f, NULL));
    stele_event_filter_done(&f->question.filter);
    verify_bed_write(f, 2);
    assert_ok(verify_bed_judge(f, NULL));
}

static void test_verify__a_question_that_is_none_is_refused(void **state) {
    struct verify_bed *f = *state;
    struct forged forged;
    stele_buf out = STELE_BUF_EMPTY;
    verify_bed_write(f, 2);
    forge_take_apart(stele_view_buf(&f->file), &forged);
    for (size_t round = 0; round < 3; round++) {
        forge_resize(&forged, 0, round == 0 ? 0 : forged.chunk[0].body.size + 1);
        stele_buf_clear(&out);
        forge_put_together(&forged, &out);
        stele_buf_clear(&f->file);
        assert_ok(stele_buf_append(&f->file, stele_view_buf(&out), NULL));
        assert_status(verify_bed_judge(f, NULL), INVALID);
    }
    forge_done(&forged);
    stele_buf_done(&out);
}

static void test_verify__any_changed_byte_of_an_answer_is_refused(void **state) {
    struct verify_bed *f = *state;
    the_session(f);
    f->actor = "u-2";
    verify_bed_write(f, 2);
    for (size_t at = 0; at < f->file.size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            f->file.data[at] ^= (uint8_t)(1u << bit);
            if (verify_bed_judge(f, NULL) == STELE_OK) {
                fail_msg("byte %zu, bit %u: verified", at, bit);
            }
            f->file.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    assert_ok(verify_bed_judge(f, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verify__reports_what_an_answer_proves,
                                        verify_bed_setup, verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__events_must_be_what_the_question_asks_for,
                                        verify_bed_setup, verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_wider_question_is_not_found,
                                        verify_bed_setup, verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__a_question_that_is_none_is_refused,
                                        verify_bed_setup, verify_bed_teardown),
        cmocka_unit_test_setup_teardown(test_verify__any_changed_byte_of_an_answer_is_refused,
                                        verify_bed_setup, verify_bed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
