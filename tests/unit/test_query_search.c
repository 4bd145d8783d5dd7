/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_search.c: the search against a look at every event, for random questions:
 * whole, in pages, with budgets, rests and pauses in between. However an answer is cut up, its
 * parts put together are the answer.
 */
#include <stdio.h>
#include <string.h>

#include "query/search.h"
#include "tests/support/query_bed.h"

#define EVENTS 2500
#define QUESTIONS 300

static size_t expected[EVENTS + 500];
static size_t n_expected;
static struct stele_workers *helpers; /* of every second search */

static struct stele_search_options plenty(const struct stele_query_question *question) {
    static unsigned n;
    return (struct stele_search_options){
        .descending = question->descending,
        .limit = question->asked.limit,
        .rows_budget = UINT64_MAX,
        .time_budget_us = UINT64_MAX,
        .helpers = n++ % 2 == 1 ? helpers : NULL,
    };
}

/* The hit must be expected[at]. */
static void check_hit(const struct bed *bed, const struct stele_scope *scope,
                      const struct stele_search_hit *hit, size_t at) {
    if (at >= n_expected) {
        fail_msg("hit %zu, but only %zu events match", at, n_expected);
    }
    const struct bed_event *event = &bed->event[expected[at]];
    assert_string_equal(stele_log_name(scope->log[hit->log].log), event->log);
    assert_int_equal(hit->entry->entry.seq, event->seq);
    assert_int_equal(hit->entry->entry.time_us, event->time_us);
    assert_true(stele_view_equal(hit->entry->payload, stele_view_buf(&event->payload)));
}

/* Runs a search to its end; gives how many hits there were. Rests at random if rng is not NULL. */
static size_t run(const struct bed *bed, const struct stele_query_question *question,
                  const struct stele_search_options *options, size_t at, struct rng *rng,
                  struct stele_search_outcome *outcome, struct stele_places *places) {
    struct stele_scope scope;
    struct stele_search *search = NULL;
    struct stele_search_hit hit;
    stele_search_got got = STELE_SEARCH_HIT;
    stele_err err = {0};
    size_t n = 0;
    assert_ok(stele_scope_open(bed->f.store, question, &scope, &err));
    assert_ok(stele_search_open(&scope, &question->asked.filter, options, &search, &err));
    stele_search_begin(search, UINT64_MAX / 2);
    for (;;) {
        stele_status st = stele_search_next(search, &got, &hit, &err);
        if (st != STELE_OK) {
            fail_msg("search: %s: %s (%s)", stele_status_name(st), err.text, err.where);
        }
        if (got == STELE_SEARCH_END) {
            break;
        }
        if (got == STELE_SEARCH_HIT) {
            check_hit(bed, &scope, &hit, at + n);
            n++;
        }
        if (rng != NULL && rng_below(rng, 20) == 0) {
            stele_search_rest(search);
        }
    }
    stele_search_outcome(search, outcome);
    stele_search_places(search, places);
    assert_int_equal(outcome->hits, n);
    stele_search_close(search);
    stele_scope_close(&scope);
    return n;
}

static void test_search__a_whole_answer_is_what_a_look_at_every_event_gives(void **state) {
    struct bed *bed = *state;
    size_t n_with_hits = 0;
    for (int round = 0; round < QUESTIONS; round++) {
        struct stele_query_question question;
        struct stele_search_outcome outcome;
        struct stele_places places;
        bed_question(bed, &question);
        n_expected = bed_expect(bed, &question, expected);
        struct stele_search_options options = plenty(&question);
        size_t n =
            run(bed, &question, &options, 0, round % 2 == 0 ? NULL : &bed->rng, &outcome, &places);
        assert_int_equal(n, n_expected);
        assert_true(outcome.whole && !outcome.budget_spent);
        n_with_hits += n > 0 ? 1 : 0;
        stele_query_question_done(&question);
    }
    assert_in_range(n_with_hits, QUESTIONS / 3, QUESTIONS); /* else the questions prove little */
}

/* Asks on with the places of the page before, through the text of a cursor, until the answer is
 * whole. */
static void test_search__pages_put_together_are_the_answer(void **state) {
    struct bed *bed = *state;
    const struct stele_rpc_peer peer = {.authenticated = true, .common_name = "auditor"};
    for (int round = 0; round < QUESTIONS; round++) {
        struct stele_query_question question;
        struct stele_cursor_binding binding = {.secret = {7}};
        struct stele_places places;
        struct stele_search_outcome outcome = {0};
        stele_buf cursor = STELE_BUF_EMPTY;
        size_t at = 0;
        uint64_t rows = 0;
        bed_question(bed, &question);
        n_expected = bed_expect(bed, &question, expected);
        assert_ok(stele_cursor_bind(&question, &peer, &binding, NULL));
        for (int page = 0; !outcome.whole; page++) {
            assert_true(page < 2 * EVENTS); /* every page goes on */
            struct stele_search_options options = plenty(&question);
            bool by_rows = rng_below(&bed->rng, 2) == 0;
            options.limit = by_rows ? 0 : 1 + rng_below(&bed->rng, 60);
            options.rows_budget = by_rows ? 1 + rng_below(&bed->rng, 300) : UINT64_MAX;
            if (page > 0) {
                assert_ok(stele_cursor_decode(&binding, stele_view_buf(&cursor), &places, NULL));
                options.from = &places;
            }
            size_t n = run(bed, &question, &options, at, NULL, &outcome, &places);
            assert_true(by_rows ? outcome.rows_examined <= options.rows_budget
                                : n <= options.limit);
            assert_true(outcome.whole || outcome.budget_spent == by_rows);
            at += n;
            rows += outcome.rows_examined;
            stele_buf_clear(&cursor);
            assert_ok(stele_cursor_encode(&binding, &places, &cursor, NULL));
        }
        assert_int_equal(at, n_expected);
        assert_true(rows <=
                    bed->n + 100); /* and nothing is examined twice, but entries of the log's own */
        stele_buf_done(&cursor);
        stele_query_question_done(&question);
    }
}

static void test_search__a_limit_that_takes_the_last_event_leaves_no_cursor(void **state) {
    struct bed *bed = *state;
    struct stele_query_question question;
    struct stele_search_outcome outcome;
    struct stele_places places;
    stele_query_question_init(&question);
    assert_ok(stele_buf_append(&question.asked.region, stele_view_str(BED_REGION), NULL));
    assert_ok(stele_buf_append(&question.asked.filter.tenant, stele_view_str("acme"), NULL));
    n_expected = bed_expect(bed, &question, expected);
    assert_true(n_expected > 10);
    question.asked.limit = n_expected;
    struct stele_search_options options = plenty(&question);
    (void)run(bed, &question, &options, 0, NULL, &outcome, &places);
    assert_true(outcome.whole);
    options.limit = n_expected - 1;
    (void)run(bed, &question, &options, 0, NULL, &outcome, &places);
    assert_false(outcome.whole);
    stele_query_question_done(&question);
}

/* What comes into a log while an answer is read page by page is in the rest of an ascending one. */
static void test_search__pages_see_what_was_appended_meanwhile(void **state) {
    struct bed *bed = *state;
    struct stele_query_question question;
    struct stele_search_outcome outcome;
    struct stele_places places;
    stele_query_question_init(&question);
    assert_ok(stele_buf_append(&question.asked.region, stele_view_str(BED_REGION), NULL));
    struct stele_search_options options = plenty(&question);
    n_expected = bed_expect(bed, &question, expected);
    options.limit = n_expected - 5;
    size_t n = run(bed, &question, &options, 0, NULL, &outcome, &places);
    atomic_fetch_add(&bed->f.now_us, 1000);
    bed_append(bed, "1y", 3);
    bed_append(bed, "3y", 60);
    n_expected = bed_expect(bed, &question, expected);
    options.limit = 0;
    options.from = &places;
    n += run(bed, &question, &options, n, NULL, &outcome, &places);
    assert_int_equal(n, n_expected);
    assert_true(outcome.whole);
    /* Descending, the new ones are before the place: they are in a new answer only. */
    question.descending = true;
    n_expected = bed_expect(bed, &question, expected);
    options = plenty(&question);
    options.limit = 9;
    n = run(bed, &question, &options, 0, NULL, &outcome, &places);
    bed_append(bed, "3y", 2);
    n_expected = bed_expect(bed, &question, expected);
    options.limit = 0;
    options.from = &places;
    n += run(bed, &question, &options, n + 2, NULL, &outcome, &places);
    assert_int_equal(n + 2, n_expected);
    stele_query_question_done(&question);
}

/* A log that a cursor does not know was made after it: all of it is newer than what was answered.
 */
static void
test_search__a_log_made_since_is_whole_when_ascending_and_left_out_when_not(void **state) {
    struct bed *bed = *state;
    for (int descending = 0; descending < 2; descending++) {
        struct stele_query_question question;
        struct stele_search_outcome outcome;
        struct stele_places places = {1, {{"1y", descending == 0 ? 0 : UINT64_MAX}}};
        stele_query_question_init(&question);
        question.descending = descending == 1;
        assert_ok(stele_buf_append(&question.asked.region, stele_view_str(BED_REGION), NULL));
        struct stele_search_options options = plenty(&question);
        options.from = &places;
        size_t n = bed_expect(bed, &question, expected);
        n_expected = 0;
        for (size_t i = 0; i < n; i++) {
            if (descending == 0 || strcmp(bed->event[expected[i]].log, "1y") == 0) {
                expected[n_expected++] = expected[i];
            }
        }
        assert_int_equal(run(bed, &question, &options, 0, NULL, &outcome, &places), n_expected);
        stele_query_question_done(&question);
    }
}

/* A clock that moves a millisecond whenever it is looked at. */
static uint64_t fake_now_us;
static uint64_t fake_clock(void) {
    return fake_now_us += 1000;
}

static void test_search__a_slice_ends_and_the_time_budget_is_the_sum_of_slices(void **state) {
    struct bed *bed = *state;
    struct stele_query_question question;
    struct stele_scope scope;
    struct stele_search *search = NULL;
    struct stele_search_hit hit;
    struct stele_search_outcome outcome;
    stele_search_got got = STELE_SEARCH_PAUSE;
    stele_query_question_init(&question);
    assert_ok(stele_buf_append(&question.asked.region, stele_view_str(BED_REGION), NULL));
    question.asked.filter.until_unix_nano = 1; /* no key, and nothing is so old: all is scanned */
    struct stele_search_options options = plenty(&question);
    options.now_us = fake_clock;
    options.time_budget_us = 20000;
    assert_ok(stele_scope_open(bed->f.store, &question, &scope, NULL));
    assert_ok(stele_search_open(&scope, &question.asked.filter, &options, &search, NULL));
    int slices = 0;
    while (got == STELE_SEARCH_PAUSE) {
        stele_search_begin(search, 3000);
        assert_ok(stele_search_next(search, &got, &hit, NULL));
        stele_search_pause(search);
        slices++;
    }
    assert_int_equal(got, STELE_SEARCH_END);
    stele_search_outcome(search, &outcome);
    assert_true(outcome.budget_spent && !outcome.whole && outcome.rows_examined > 0);
    assert_in_range(slices, 4, 10);
    stele_search_close(search);
    stele_scope_close(&scope);
    stele_query_question_done(&question);
}

static void test_search__a_stop_pauses_at_the_next_row(void **state) {
    struct bed *bed = *state;
    struct stele_query_question question;
    struct stele_scope scope;
    struct stele_search *search = NULL;
    struct stele_search_hit hit;
    struct stele_search_outcome outcome;
    stele_search_got got = STELE_SEARCH_HIT;
    atomic_bool stop = true;
    stele_query_question_init(&question);
    assert_ok(stele_buf_append(&question.asked.region, stele_view_str(BED_REGION), NULL));
    struct stele_search_options options = plenty(&question);
    options.stop = &stop;
    assert_ok(stele_scope_open(bed->f.store, &question, &scope, NULL));
    assert_ok(stele_search_open(&scope, &question.asked.filter, &options, &search, NULL));
    stele_search_begin(search, 1000000);
    assert_ok(stele_search_next(search, &got, &hit, NULL));
    assert_int_equal(got, STELE_SEARCH_PAUSE);
    stele_search_outcome(search, &outcome);
    assert_int_equal(outcome.rows_examined, 0);
    atomic_store(&stop, false);
    assert_ok(stele_search_next(search, &got, &hit, NULL));
    assert_int_equal(got, STELE_SEARCH_HIT);
    stele_search_close(search);
    stele_scope_close(&scope);
    stele_query_question_done(&question);
}

static int make_bed(void **state) {
    static struct bed bed;
    bed_new(&bed, "query_search", EVENTS);
    assert_ok(stele_workers_new(2, 16, &helpers, NULL));
    *state = &bed;
    return 0;
}

static int free_bed(void **state) {
    stele_workers_free(helpers);
    bed_done(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search__a_whole_answer_is_what_a_look_at_every_event_gives),
        cmocka_unit_test(test_search__pages_put_together_are_the_answer),
        cmocka_unit_test(test_search__a_limit_that_takes_the_last_event_leaves_no_cursor),
        cmocka_unit_test(
            test_search__a_log_made_since_is_whole_when_ascending_and_left_out_when_not),
        cmocka_unit_test(test_search__a_slice_ends_and_the_time_budget_is_the_sum_of_slices),
        cmocka_unit_test(test_search__a_stop_pauses_at_the_next_row),
        cmocka_unit_test(test_search__pages_see_what_was_appended_meanwhile),
    };
    return cmocka_run_group_tests(tests, make_bed, free_bed);
}
