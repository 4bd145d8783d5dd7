/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complete answers of an honest prover: accepted for random keys and ranges on both clocks, and
 * equal to a scan of the logs; the product's writer makes the bytes that the test's own prover puts
 * down.
 */
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/complete_one.h"

static void check_same(struct complete_bed *bed, const struct stele_question *question,
                       const struct plan_options *options, size_t piece) {
    stele_err err = {.text = ""};
    static struct plan plan;
    stele_buf written = STELE_BUF_EMPTY;
    plan_make(bed->logs, bed->n_logs, question, options, &plan);
    stele_buf_clear(&bed->file);
    plan_encode(&plan, &bed->file);
    if (plan_write(&plan, &written, &err) != STELE_OK) {
        fail_msg("the writer: %s", err.text);
    }
    assert_true(stele_view_equal(stele_view_buf(&written), stele_view_buf(&bed->file)));
    if (complete_bed_judge(bed, stele_view_buf(&bed->file), piece, &err) != STELE_OK) {
        fail_msg("an honest answer is refused: %s", err.text);
    }
    size_t n = plan_scan(bed->logs, bed->n_logs, question, bed->wanted, COMPLETE_BED_HITS_MAX);
    assert_int_equal(bed->n_found, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(bed->found[i].log, bed->wanted[i].log);
        assert_int_equal(bed->found[i].seq, bed->wanted[i].seq);
    }
    stele_buf_done(&written);
    plan_done(&plan);
}

/* Times of any of the logs, of entries and of events, and now and then the ends of all time. */
static uint64_t any_time_us(struct complete_bed *bed, struct rng *rng) {
    const struct cm_log *log = bed->logs[rng_below(rng, bed->n_logs)];
    const struct stele_entry *entry = &log->entry[rng_below(rng, log->n)]->entry;
    uint64_t jitter = rng_below(rng, 3);
    switch (rng_below(rng, 4)) {
    case 0:
        return entry->time_us + jitter - 1;
    case 1:
        return entry->type == STELE_ENTRY_EVENT ? entry->as.event.event_us + jitter - 1
                                                : entry->time_us;
    case 2:
        return entry->time_us + CM_DAY_US + jitter - 1;
    default:
        return entry->time_us - rng_below(rng, 20 * CM_DAY_US);
    }
}

static void any_range(struct complete_bed *bed, struct rng *rng, uint64_t unit, uint64_t *ret_from,
                      uint64_t *ret_to) {
    uint64_t a = any_time_us(bed, rng) * unit + rng_below(rng, unit);
    uint64_t b = any_time_us(bed, rng) * unit + rng_below(rng, unit);
    *ret_from = rng_below(rng, 5) == 0 ? 0 : (a < b ? a : b);
    *ret_to = rng_below(rng, 5) == 0 ? UINT64_MAX : (a < b ? b : a);
}

static void any_question(struct complete_bed *bed, struct rng *rng, struct stele_question *ret,
                         struct plan_options *options) {
    char text[16];
    complete_bed_question(ret);
    (void)snprintf(text, sizeof text, "u-%" PRIu64, rng_below(rng, 12));
    *options = (struct plan_options){.condition = STELE_COMPLETE_WHOLE_TENANT};
    if (rng_below(rng, 6) > 0) {
        assert_ok(
            stele_event_filter_add(&ret->filter, STELE_KEY_ACTOR, stele_view_str(text), NULL));
        options->condition = 0;
    }
    if (rng_below(rng, 3) == 0) {
        (void)snprintf(text, sizeof text, "r-%" PRIu64, rng_below(rng, 41));
        assert_ok(
            stele_event_filter_add(&ret->filter, STELE_KEY_RESOURCE, stele_view_str(text), NULL));
        options->condition = (uint8_t)rng_below(rng, ret->filter.n_conditions);
    }
    if (rng_below(rng, 2) == 0) {
        any_range(bed, rng, 1000, &ret->filter.since_unix_nano, &ret->filter.until_unix_nano);
    }
    if (rng_below(rng, 2) == 0) {
        any_range(bed, rng, 1, &ret->filter.logged_since_us, &ret->filter.logged_until_us);
    }
}

static void test_complete__equals_a_scan_for_any_question(void **state) {
    struct complete_bed *bed = *state;
    struct rng rng = rng_start("complete");
    for (int i = 0; i < 150; i++) {
        struct stele_question question;
        struct plan_options options;
        any_question(bed, &rng, &question, &options);
        check_same(bed, &question, &options, i % 5 == 0 ? 1 + (size_t)i : 1 << 20);
        stele_question_done(&question);
    }
}

static void test_complete__reports_coverage_and_until(void **state) {
    struct complete_bed *bed = *state;
    struct stele_question question;
    struct plan_options options = {.condition = 0};
    complete_bed_question(&question);
    assert_ok(
        stele_event_filter_add(&question.filter, STELE_KEY_ACTOR, stele_view_str("u-1"), NULL));
    check_same(bed, &question, &options, 1000);
    const struct stele_complete_report *proof = &bed->report.complete.proof;
    assert_true(bed->report.kind == STELE_PROOF_COMPLETE && proof->whole_region);
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < bed->n_logs; i++) {
        const struct stele_entry *index =
            &bed->logs[i]->entry[cm_index_newest(bed->logs[i])->seq]->entry;
        assert_int_equal(proof->log[i].covered_leaves, index->as.index.covered);
        assert_int_equal(proof->log[i].complete_until_us, index->time_us); /* M is its seq */
        assert_true(proof->log[i].by_log && proof->log[i].n_gaps == 0);
        least = index->time_us < least ? index->time_us : least;
    }
    assert_int_equal(proof->complete_until_us, least);
    /* A range of log time that ends below M is complete to its end. */
    question.filter.logged_until_us = CM_START_US + 20 * CM_DAY_US;
    check_same(bed, &question, &options, 1000);
    assert_int_equal(bed->report.complete.proof.complete_until_us, question.filter.logged_until_us);
    /* Of an INDEX with entries between M and itself, the last t_last is all that is known. */
    question.filter.logged_until_us = UINT64_MAX;
    (void)cm_index(bed->logs[0], bed->logs[0]->entry[bed->logs[0]->n - 1]->entry.time_us + 9,
                   bed->logs[0]->n - 1, 64);
    check_same(bed, &question, &options, 1000);
    uint64_t covered = bed->report.complete.proof.log[0].covered_leaves;
    assert_int_equal(bed->report.complete.proof.log[0].complete_until_us,
                     bed->logs[0]->entry[covered - 1]->entry.time_us);
    stele_question_done(&question);
}

/* The index alone proves it; nothing says so but the report. */
static void test_complete__many_events_may_be_proven_by_index(void **state) {
    (void)state;
    static struct one x;
    stele_err err = {.text = ""};
    one_begin(&x, 10);
    for (int i = 0; i < STELE_ANSWER_BY_LOG_EVENTS; i++) {
        (void)one_add(&x, "u-many", "acme", i % 7 == 0, CM_HONEST);
    }
    (void)cm_index(x.log, one_now_us(&x) + 1, x.log->n, 512);
    one_ask(&x, "u-many");
    x.options.by_index = true;
    assert_status(one_judge(&x, &err), UNVERIFIED);
    assert_non_null(strstr(err.text, "must be shown in the log itself"));
    (void)one_add(&x, "u-many", "acme", false, CM_HONEST);
    (void)cm_index(x.log, one_now_us(&x) + 1, x.log->n, 512);
    if (one_judge(&x, &err) != STELE_OK) {
        fail_msg("refused: %s", err.text);
    }
    assert_int_equal(x.bed.n_found, STELE_ANSWER_BY_LOG_EVENTS + 1);
    assert_false(x.bed.report.complete.proof.log[0].by_log);
    x.options.by_index = false;
    assert_ok(one_judge(&x, NULL));
    assert_int_equal(x.bed.n_found, STELE_ANSWER_BY_LOG_EVENTS + 1);
    assert_true(x.bed.report.complete.proof.log[0].by_log);
    one_end(&x);
}

/* An old INDEX proves less, and says so. */
static void test_complete__a_stale_index_is_complete_until_earlier(void **state) {
    (void)state;
    static struct one x;
    one_begin(&x, 120);
    const struct cm_index *old = &x.log->index[0];
    assert_ok(one_judge(&x, NULL));
    uint64_t until_us = x.bed.report.complete.proof.complete_until_us;
    size_t n_found = x.bed.n_found;
    x.options.index_seq = old->seq;
    assert_ok(one_judge(&x, NULL));
    assert_true(x.bed.report.complete.proof.complete_until_us < until_us);
    assert_true(x.bed.n_found < n_found);
    for (size_t i = 0; i < x.bed.n_found; i++) {
        assert_true(x.bed.found[i].seq < x.log->entry[old->seq]->entry.as.index.covered);
    }
    one_end(&x);
}

static void test_complete__a_file_that_stops_early_is_refused(void **state) {
    (void)state;
    static struct one x;
    stele_buf file = STELE_BUF_EMPTY;
    one_begin(&x, 30);
    assert_ok(one_judge(&x, NULL));
    assert_ok(stele_buf_append(&file, stele_view_buf(&x.bed.file), NULL));
    for (size_t size = 0; size < file.size; size += 1 + size / 40) {
        assert_status(complete_bed_judge(&x.bed, stele_view_of(file.data, size), 512, NULL),
                      INVALID);
    }
    stele_buf_done(&file);
    one_end(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_complete__equals_a_scan_for_any_question,
                                        complete_bed_setup, complete_bed_teardown),
        cmocka_unit_test(test_complete__many_events_may_be_proven_by_index),
        cmocka_unit_test(test_complete__a_stale_index_is_complete_until_earlier),
        cmocka_unit_test(test_complete__a_file_that_stops_early_is_refused),
        cmocka_unit_test_setup_teardown(test_complete__reports_coverage_and_until,
                                        complete_bed_setup, complete_bed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
