/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_plan.c: the window holds every event that is meant, the chosen key is the
 * rarest, and a log without one is left alone.
 */
#include <string.h>

#include "query/plan.h"
#include "tests/support/query_bed.h"

#define EVENTS 1500

static size_t expected[EVENTS];
static struct stele_plan plan; /* too large for a stack */

static struct stele_query_question question_of(const char *tenant, const char *log) {
    struct stele_query_question question;
    stele_query_question_init(&question);
    assert_ok(stele_buf_append(&question.asked.region, stele_view_str(BED_REGION), NULL));
    assert_ok(stele_buf_append(&question.asked.filter.tenant, stele_view_str(tenant), NULL));
    assert_ok(
        stele_buf_append(&question.asked.log[question.asked.n_logs++], stele_view_str(log), NULL));
    return question;
}

static void plan_first(struct bed *bed, const struct stele_query_question *question) {
    struct stele_scope scope;
    assert_ok(stele_scope_open(bed->f.store, question, &scope, NULL));
    assert_int_equal(scope.n, 1);
    assert_ok(
        stele_plan_of(&scope.log[0], &question->asked.filter, STELE_PLAN_TO_EXPLAIN, &plan, NULL));
    stele_scope_close(&scope);
}

static void assert_reads(const char *text) {
    stele_buf out = STELE_BUF_EMPTY;
    assert_ok(stele_plan_print(&plan, &out, NULL));
    if (!stele_view_is(stele_view_buf(&out), text)) {
        fail_msg("the plan reads '%.*s', not '%s'", (int)out.size, (const char *)out.data, text);
    }
    stele_buf_done(&out);
}

static void test_plan__no_meant_event_is_outside_of_it(void **state) {
    struct bed *bed = *state;
    for (int round = 0; round < 300; round++) {
        struct stele_query_question question;
        struct stele_scope scope;
        bed_question(bed, &question);
        size_t n = bed_expect(bed, &question, expected);
        assert_ok(stele_scope_open(bed->f.store, &question, &scope, NULL));
        for (size_t k = 0; k < scope.n; k++) {
            size_t hits = 0;
            stele_plan_effort effort =
                round % 2 == 0 ? STELE_PLAN_TO_SEARCH : STELE_PLAN_TO_EXPLAIN;
            assert_ok(stele_plan_of(&scope.log[k], &question.asked.filter, effort, &plan, NULL));
            for (size_t i = 0; i < n; i++) {
                const struct bed_event *event = &bed->event[expected[i]];
                if (strcmp(event->log, stele_log_name(scope.log[k].log)) == 0) {
                    assert_in_range(event->seq, plan.lo, plan.hi - 1);
                    hits++;
                }
            }
            assert_true(hits == 0 || !plan.empty);
            assert_true(plan.n_keys == 0 || plan.key[plan.chosen].stats.postings >= hits);
            for (size_t i = 0; i < plan.n_keys; i++) {
                assert_true(plan.key[plan.chosen].stats.postings <= plan.key[i].stats.postings);
            }
        }
        stele_scope_close(&scope);
        stele_query_question_done(&question);
    }
}

static void test_plan__the_rarest_key_is_read(void **state) {
    struct bed *bed = *state;
    struct stele_query_question question = question_of("acme", "3y");
    struct stele_event_filter *filter = &question.asked.filter;
    plan_first(bed, &question);
    assert_reads("tenant = acme");
    assert_int_equal(plan.key[0].stats.postings, bed_expect(bed, &question, expected));
    assert_ok(stele_event_filter_add_number(filter, STELE_KEY_EVENT_TYPE, 1, NULL));
    assert_ok(stele_event_filter_add(filter, STELE_KEY_ACTOR, stele_view_str("user-000003"), NULL));
    plan_first(bed, &question);
    assert_reads("actor = user-000003");
    assert_int_equal(plan.n_keys, 3);
    assert_false(plan.empty);
    assert_ok(
        stele_event_filter_add(filter, STELE_KEY_SESSION, stele_view_str("no such session"), NULL));
    plan_first(bed, &question);
    assert_reads("session = no such session");
    assert_true(plan.empty);
    stele_query_question_done(&question);
}

/* By the second rarest, where that has not too many, and only where the rarest has many. */
static void test_plan__a_second_key_narrows_what_is_read(void **state) {
    struct bed *bed = *state;
    size_t n_narrowed = 0;
    for (int round = 0; round < 300; round++) {
        struct stele_query_question question;
        struct stele_scope scope;
        bed_question(bed, &question);
        assert_ok(stele_scope_open(bed->f.store, &question, &scope, NULL));
        for (size_t k = 0; k < scope.n; k++) {
            static struct stele_plan search;
            assert_ok(stele_plan_of(&scope.log[k], &question.asked.filter, STELE_PLAN_TO_EXPLAIN,
                                    &plan, NULL));
            assert_ok(stele_plan_of(&scope.log[k], &question.asked.filter, STELE_PLAN_TO_SEARCH,
                                    &search, NULL));
            uint64_t least = plan.n_keys == 0 ? 0 : plan.key[plan.chosen].stats.postings;
            assert_true(search.narrows == plan.narrows || search.empty);
            assert_true(!plan.narrows || least > STELE_PLAN_RARE);
            for (size_t i = 0; i < plan.n_keys && plan.narrows; i++) {
                const struct stele_plan_key *key = &plan.key[i];
                assert_true(i == plan.chosen || key->condition == NULL ||
                            key->stats.postings >= plan.key[plan.second].stats.postings);
            }
            if (search.narrows) {
                assert_true(plan.second != plan.chosen && search.second != search.chosen);
                assert_true(search.key[search.second].stats.postings <=
                            least * STELE_PLAN_NARROWING);
                n_narrowed++;
            }
        }
        stele_scope_close(&scope);
        stele_query_question_done(&question);
    }
    assert_true(n_narrowed >= 5);
}

static void test_plan__success_has_no_postings_and_is_not_considered(void **state) {
    struct bed *bed = *state;
    struct stele_query_question question = question_of("acme", "3y");
    assert_ok(stele_event_filter_add_number(&question.asked.filter, STELE_KEY_OUTCOME, 1, NULL));
    plan_first(bed, &question);
    assert_reads("tenant = acme");
    assert_int_equal(plan.n_keys, 1);
    stele_query_question_done(&question);
}

static void test_plan__without_a_key_the_window_is_scanned(void **state) {
    struct bed *bed = *state;
    struct stele_query_question question = question_of("", "3y");
    const struct bed_event *middle = &bed->event[bed->n / 2];
    question.asked.filter.logged_since_us = middle->time_us;
    question.asked.filter.logged_until_us = middle->time_us + 1;
    plan_first(bed, &question);
    assert_reads("scan");
    assert_true(plan.hi - plan.lo < 200);
    question.asked.filter.logged_until_us = middle->time_us;
    plan_first(bed, &question);
    assert_true(plan.empty);
    stele_query_question_done(&question);
}

/* Of all tenants together, as one answer of each tenant. */
static void test_plan__every_tenants_keys_are_read_together(void **state) {
    struct bed *bed = *state;
    static const char *const tenants[] = {"", "acme", "globex"};
    uint64_t postings[3];
    for (size_t i = 0; i < 3; i++) {
        struct stele_query_question question = question_of(tenants[i], "3y");
        assert_ok(stele_event_filter_add(&question.asked.filter, STELE_KEY_ACTOR,
                                         stele_view_str("user-000003"), NULL));
        plan_first(bed, &question);
        assert_reads("actor = user-000003");
        postings[i] = plan.key[plan.chosen].stats.postings;
        stele_query_question_done(&question);
    }
    assert_true(postings[1] > 0 && postings[2] > 0);
    assert_int_equal(postings[0], postings[1] + postings[2]);
}

/* Enough is known once a key is rare: the tenant's own, which has the most, is not even counted. */
static void test_plan__a_search_looks_up_no_more_than_it_needs(void **state) {
    struct bed *bed = *state;
    struct stele_query_question question = question_of("acme", "3y");
    struct stele_scope scope;
    assert_ok(stele_event_filter_add(&question.asked.filter, STELE_KEY_SESSION,
                                     stele_view_str("no such session"), NULL));
    assert_ok(stele_event_filter_add_number(&question.asked.filter, STELE_KEY_EVENT_TYPE, 1, NULL));
    assert_ok(stele_scope_open(bed->f.store, &question, &scope, NULL));
    assert_ok(
        stele_plan_of(&scope.log[0], &question.asked.filter, STELE_PLAN_TO_SEARCH, &plan, NULL));
    assert_int_equal(plan.n_keys, 1);
    assert_true(plan.empty);
    assert_ok(
        stele_plan_of(&scope.log[0], &question.asked.filter, STELE_PLAN_TO_EXPLAIN, &plan, NULL));
    assert_int_equal(plan.n_keys, 3);
    assert_int_equal(plan.chosen, 0);
    stele_scope_close(&scope);
    stele_query_question_done(&question);
}

/* An event may be logged a day before its own time, and years after it. */
static void test_plan__event_time_bounds_the_window_from_below_only(void **state) {
    struct bed *bed = *state;
    struct stele_query_question question = question_of("acme", "3y");
    const struct bed_event *middle = &bed->event[bed->n / 2];
    question.asked.filter.since_unix_nano = (middle->time_us + STELE_LATE_AFTER_US) * 1000;
    question.asked.filter.until_unix_nano = question.asked.filter.since_unix_nano + 1;
    plan_first(bed, &question);
    struct stele_log_view *view = NULL;
    uint64_t from = 0;
    assert_ok(stele_log_view_open(stele_store_log(bed->f.store, "3y"), &view, NULL));
    assert_ok(stele_log_view_seq_at(view, middle->time_us, &from, NULL));
    assert_int_equal(plan.lo, from);
    assert_int_equal(plan.hi, stele_log_view_size(view));
    stele_log_view_close(view);
    stele_query_question_done(&question);
}

static void test_scope__unknown_logs_are_named_with_those_there_are(void **state) {
    struct bed *bed = *state;
    struct stele_query_question question = question_of("acme", "9y");
    struct stele_scope scope = {0};
    stele_err err;
    assert_status(stele_scope_open(bed->f.store, &question, &scope, &err), NOT_FOUND);
    assert_string_equal(err.text, "region 'eu-test' has no log '9y'; it has 1y, 3y, system");
    stele_scope_close(&scope);
    stele_query_question_done(&question);
}

static int make_bed(void **state) {
    static struct bed bed;
    bed_new(&bed, "query_plan", EVENTS);
    *state = &bed;
    return 0;
}

static int free_bed(void **state) {
    bed_done(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan__no_meant_event_is_outside_of_it),
        cmocka_unit_test(test_plan__the_rarest_key_is_read),
        cmocka_unit_test(test_plan__a_second_key_narrows_what_is_read),
        cmocka_unit_test(test_plan__success_has_no_postings_and_is_not_considered),
        cmocka_unit_test(test_plan__without_a_key_the_window_is_scanned),
        cmocka_unit_test(test_plan__every_tenants_keys_are_read_together),
        cmocka_unit_test(test_plan__a_search_looks_up_no_more_than_it_needs),
        cmocka_unit_test(test_plan__event_time_bounds_the_window_from_below_only),
        cmocka_unit_test(test_scope__unknown_logs_are_named_with_those_there_are),
    };
    return cmocka_run_group_tests(tests, make_bed, free_bed);
}
