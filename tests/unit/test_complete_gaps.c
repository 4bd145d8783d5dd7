/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer may lack and still be complete "except": erased and disposed events, disposed
 * segments, segments whose event map lacks the field. Each is told to the sink; each that the state
 * does not bear out is refused.
 */
#include <stdio.h>
#include <string.h>

#include "storage/cursor.h"
#include "tests/support/cmocka.h"
#include "tests/support/complete_one.h"

/* Long after the first two eras' retention. */
#define LATER_US (CM_START_US + 500 * CM_DAY_US)

static void seal(struct one *x) {
    (void)cm_index(x->log, one_now_us(x) + 1, x->log->n, 64);
}
static uint64_t era_end(const struct one *x, uint32_t era) {
    uint64_t hi = 0;
    const struct cm_index *index = cm_index_newest(x->log);
    for (size_t i = 0; i < index->n; i++) {
        hi = index->descriptor[i].info.era == era ? index->descriptor[i].info.hi : hi;
    }
    return hi;
}
static uint32_t first_era(void) {
    return stele_entry_month(CM_START_US) * 100;
}

/* ------------------------------------------------------------------ honest gaps */

static void erased(struct one *x) {
    (void)cm_erase(x->log, one_now_us(x), one_event(x, false, 2));
    (void)cm_erase(x->log, one_now_us(x), one_event(x, true, 0));
    seal(x);
}
static void disposed(struct one *x) {
    (void)cm_dispose(x->log, LATER_US, 0, 20, 1);
    (void)cm_dispose(x->log, LATER_US, 20, 25, 1);
    seal(x);
}
static void gone(struct one *x) {
    uint64_t hi = era_end(x, first_era());
    (void)cm_dispose(x->log, LATER_US, 0, 20, 1);
    (void)cm_dispose(x->log, LATER_US, 20, hi, 1);
    (void)cm_gone(x->log, LATER_US, first_era());
    seal(x);
}

static void check_gaps(struct one *x, stele_gap_kind kind, size_t n_wanted) {
    static struct plan_hit wanted[COMPLETE_BED_HITS_MAX];
    stele_err err = {.text = ""};
    if (one_judge(x, &err) != STELE_OK) {
        fail_msg("refused: %s", err.text);
    }
    size_t n = plan_scan(x->bed.logs, 1, &x->question, wanted, COMPLETE_BED_HITS_MAX);
    assert_int_equal(x->bed.n_found, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(x->bed.found[i].seq, wanted[i].seq);
    }
    const struct stele_verify_complete *complete = &x->bed.report.complete;
    assert_int_equal(complete->proof.n_gaps, n_wanted);
    for (size_t i = 0; i < complete->n_gaps; i++) {
        const struct stele_complete_gap *gap = &complete->gap[i];
        assert_int_equal(gap->kind, kind);
        for (uint64_t seq = gap->lo; seq < gap->hi; seq++) {
            const struct cm_entry *entry = x->log->entry[seq];
            assert_true(entry->missing || entry->entry.type != STELE_ENTRY_EVENT);
        }
    }
}

static void test_complete__erased_events_are_gaps(void **state) {
    (void)state;
    static struct one x;
    one_begin(&x, 120);
    erased(&x);
    check_gaps(&x, STELE_GAP_ERASED, 2);
    one_end(&x);
}

static void test_complete__disposed_events_are_gaps(void **state) {
    (void)state;
    static struct one x;
    one_begin(&x, 120);
    disposed(&x);
    size_t n = 0;
    for (uint64_t seq = 0; seq < 25; seq++) {
        const struct cm_entry *entry = x.log->entry[seq];
        struct stele_event_facts *facts = stele_alloc(1, sizeof *facts);
        if (entry->entry.type == STELE_ENTRY_EVENT) {
            assert_ok(stele_event_map_v1(NULL, stele_view_buf(&entry->payload), facts, NULL));
            n += stele_event_filter_matches(&x.question.filter, facts, entry->entry.time_us);
        }
        stele_free(facts);
    }
    assert_true(n > 0);
    check_gaps(&x, STELE_GAP_DISPOSED, n);
    one_end(&x);
}

static void test_complete__segments_of_a_gone_era_are_gaps(void **state) {
    (void)state;
    static struct one x;
    one_begin(&x, 120);
    size_t n = 0;
    const struct cm_index *index = cm_index_newest(x.log);
    while (index->descriptor[n].info.era == first_era()) {
        n++;
    }
    gone(&x);
    check_gaps(&x, STELE_GAP_DISPOSED_SEGMENT, n);
    one_end(&x);
}

/* ------------------------------------------------------------------ false ones */

static void erased_without_a_word(struct one *x) {
    x->log->entry[one_event(x, false, 2)]->missing = true;
}
static void erased_with_a_short_value(struct one *x) {
    char key[64];
    uint64_t seq = one_event(x, false, 2);
    (void)snprintf(key, sizeof key, "erased/%" PRIu64, seq);
    x->log->entry[seq]->missing = true;
    (void)cm_control(x->log, STELE_CONTROL_ERASURE, one_now_us(x), key, stele_view_str("short"));
    seal(x);
}
static void disposed_too_early(struct one *x) {
    (void)cm_dispose(x->log, CM_START_US + 366 * CM_DAY_US, 0, 60, 1);
    seal(x);
}
static void disposed_under_another_class(struct one *x) {
    (void)cm_dispose(x->log, LATER_US, 0, 60, 2);
    seal(x);
}
static void disposed_live_range(struct one *x) {
    (void)cm_dispose(x->log, LATER_US, 0, 5, 1);
    x->log->entry[one_event(x, false, 6)]->missing = true;
    seal(x);
}
/* The state before the erasure: what was there then is not, and the answer cannot say why. */
static void erased_before_the_state(struct one *x) {
    const struct cm_log *log = x->log;
    erased(x);
    x->options.control_seq = log->control[log->n_controls - 3].seq;
}
static void gone_too_early(struct one *x) {
    uint64_t hi = era_end(x, first_era());
    (void)cm_gone(x->log, CM_START_US + 367 * CM_DAY_US, first_era());
    (void)cm_dispose(x->log, LATER_US, 0, hi, 1);
    seal(x);
}
static void gone_disposed_too_early(struct one *x) {
    (void)cm_dispose(x->log, CM_START_US + 380 * CM_DAY_US, 0, era_end(x, first_era()), 1);
    (void)cm_gone(x->log, LATER_US, first_era());
    seal(x);
}
static void gone_of_another_class(struct one *x) {
    (void)cm_dispose(x->log, LATER_US, 0, era_end(x, first_era()), 2);
    (void)cm_gone(x->log, LATER_US, first_era());
    seal(x);
}
static void gone_and_not_all_disposed(struct one *x) {
    (void)cm_dispose(x->log, LATER_US, 0, era_end(x, first_era()) - 1, 1);
    (void)cm_gone(x->log, LATER_US, first_era());
    seal(x);
}
static void gone_with_a_hole(struct one *x) {
    (void)cm_dispose(x->log, LATER_US, 0, 10, 1);
    (void)cm_dispose(x->log, LATER_US, 11, era_end(x, first_era()), 1);
    (void)cm_gone(x->log, LATER_US, first_era());
    seal(x);
}
static void move_place(struct plan *plan) {
    plan->log[0].openings[0].opening.place++;
}
static void gone_in_another_place(struct one *x) {
    gone(x);
    x->change = move_place;
}
/* The newest INDEX has other descriptors of the gone era than were there then. */
static void gone_of_another_segment(struct one *x) {
    size_t n = 0;
    gone(x);
    struct stele_descriptor *descriptors = cm_descriptors(x->log, &n);
    descriptors[0].info.n_postings++;
    (void)cm_index_of(x->log, one_now_us(x), descriptors[n - 1].info.hi, descriptors, n);
}
static void use_no_gone(struct plan *plan) {
    struct plan_log *of = &plan->log[0];
    for (size_t i = 0; i < of->n_states; i++) {
        for (size_t k = of->states[i].first; k < of->states[i].first + of->states[i].n; k++) {
            const stele_buf *key = &of->state->leaf[k].key;
            if (key->size > 5 && memcmp(key->data, "gone/", 5) == 0) {
                of->states[i].n = k - of->states[i].first;
                return;
            }
        }
    }
    fail_msg("the state has no gone/ leaf");
}
static void gone_not_opened(struct one *x) {
    gone(x);
    x->change = use_no_gone;
}
/* One erased/ leaf more than the answer needs. */
static void open_another_erasure(struct plan *plan) {
    struct plan_log *of = &plan->log[0];
    for (size_t k = 0; k < of->state->n; k++) {
        const stele_buf *key = &of->state->leaf[k].key;
        if (key->size > 7 && memcmp(key->data, "erased/", 7) == 0) {
            of->states[of->n_states++] = (struct plan_run){k, 1};
            struct plan_run kept = of->states[of->n_states - 1];
            for (size_t i = of->n_states - 1; i > 0 && of->states[i - 1].first > k; i--) {
                of->states[i] = of->states[i - 1];
                of->states[i - 1] = kept;
            }
            return;
        }
    }
    fail_msg("the state has no erased/ leaf");
}
static void erasure_not_needed(struct one *x) {
    (void)cm_erase(x->log, one_now_us(x), one_event(x, false, 2));
    seal(x);
    one_ask(x, "u-nobody");
    x->change = open_another_erasure;
}
static void make_it_an_event(struct plan *plan) {
    plan->item[plan_find(plan, false, 0)].is_event = true;
}
/* The payload of an erased event may still be shown: it is the event's. */
static void erased_and_shown(struct one *x) {
    (void)cm_erase(x->log, one_now_us(x), one_event(x, false, 0));
    seal(x);
    x->change = make_it_an_event;
}

static const struct lie lies[] = {
#define ROW(name, reason)                                                                          \
    { #name, name, reason }
    ROW(erased, NULL),
    ROW(disposed, NULL),
    ROW(gone, NULL),
    ROW(erased_without_a_word, "the state does not say"),
    ROW(erased_with_a_short_value, "has no value that can be"),
    ROW(erased_before_the_state, "an old state"),
    ROW(disposed_too_early, "before its retention was over"),
    ROW(disposed_under_another_class, "under another class"),
    ROW(disposed_live_range, "the state does not say"),
    ROW(gone_too_early, "its era was disposed of before its retention was over"),
    ROW(gone_disposed_too_early, "before its retention was over, or under another class"),
    ROW(gone_of_another_class, "under another class"),
    ROW(gone_and_not_all_disposed, "does not say so of all its"),
    ROW(gone_with_a_hole, "does not say so of all its"),
    ROW(gone_in_another_place, "none of the segments its era had"),
    ROW(gone_of_another_segment, "none of the segments its era had"),
    ROW(gone_not_opened, "does not say that its era is gone"),
    ROW(erasure_not_needed, "which this answer does not need"),
    ROW(erased_and_shown, "which this answer does not need"),
};

static void test_complete__each_false_gap_is_refused_for_its_reason(void **state) {
    (void)state;
    one_check_rows(lies, sizeof lies / sizeof lies[0]);
}

/* ------------------------------------------------------------------ maps that lack a field */

struct unindexed {
    struct one x;
    size_t n_gaps, n_events;
    uint64_t lo, hi; /* of the first gap, and of the last */
};

static stele_status on_question(void *ctx, stele_view bytes, struct stele_complete_question *ret,
                                stele_err *err) {
    struct unindexed *u = ctx;
    (void)bytes;
    (void)err;
    ret->tenant = stele_view_buf(&u->x.question.filter.tenant);
    ret->names_logs = true;
    ret->range = (struct stele_time_range){0, UINT64_MAX, 0, UINT64_MAX};
    return STELE_OK;
}
static stele_status on_condition(void *ctx, uint8_t number, struct stele_complete_key *ret,
                                 stele_err *err) {
    const struct unindexed *u = ctx;
    (void)number;
    (void)err;
    ret->field = STELE_KEY_ACTOR;
    ret->value = stele_view_buf(&u->x.question.filter.condition[0].value);
    return STELE_OK;
}
static stele_status on_gap(void *ctx, const struct stele_complete_gap *gap, stele_err *err) {
    struct unindexed *u = ctx;
    (void)err;
    assert_int_equal(gap->kind, STELE_GAP_UNINDEXED);
    u->lo = u->n_gaps++ == 0 ? gap->lo : u->lo;
    u->hi = gap->hi;
    return STELE_OK;
}

/* Map version 2 lacks actors. */
static stele_status judge_maps(struct unindexed *u, stele_err *err) {
    struct stele_complete_map maps[2] = {{stele_event_map_current(), UINT32_C(0x7fffe)},
                                         {stele_event_map_current(), UINT32_C(0x7fffc)}};
    maps[1].map.version = 2;
    const struct stele_complete_trust trust = {
        .keys = u->x.bed.keys, .n_keys = 1, .maps = maps, .n_maps = 2};
    const struct stele_complete_sink sink = {
        .ctx = u, .question = on_question, .condition = on_condition, .gap = on_gap};
    struct stele_complete_reader *r = NULL;
    struct stele_complete_report report;
    static struct plan plan;
    stele_status st = STELE_OK;
    plan_make(u->x.bed.logs, 1, &u->x.question, &u->x.options, &plan);
    stele_buf_clear(&u->x.bed.file);
    plan_encode(&plan, &u->x.bed.file);
    plan_done(&plan);
    u->n_gaps = 0;
    STELE_TRY(stele_complete_reader_new(&trust, &sink, &r, err));
    STELE_TRY(stele_complete_reader_feed(r, stele_view_buf(&u->x.bed.file), err));
    STELE_TRY(stele_complete_reader_end(r, &report, err));
    u->n_events = (size_t)report.n_events;
cleanup:
    stele_complete_reader_free(r);
    return st;
}

static void test_complete__segments_that_lack_the_field_are_gaps(void **state) {
    (void)state;
    static struct unindexed u;
    stele_err err = {.text = ""};
    one_begin(&u.x, 120);
    uint64_t before = u.x.log->n;
    u.x.log->map_version = 2;
    uint64_t time_us = one_now_us(&u.x) + 31 * CM_DAY_US;
    const struct sample_event event = {
        .tenant = "acme", .actor = "u-1", .time_unix_nano = time_us * 1000};
    (void)cm_event(u.x.log, time_us, &event, CM_HONEST);
    (void)cm_index(u.x.log, time_us + 1, u.x.log->n, 64);
    u.x.options.fields_missing = 2;
    if (judge_maps(&u, &err) != STELE_OK) {
        fail_msg("refused: %s", err.text);
    }
    assert_true(u.n_gaps >= 1 && u.n_events > 0);
    assert_int_equal(u.lo, before);
    assert_int_equal(u.hi, u.x.log->entry[cm_index_newest(u.x.log)->seq]->entry.as.index.covered);
    /* An absence where the map could not have listed it. */
    u.x.options.fields_missing = 0;
    assert_status(judge_maps(&u, &err), UNVERIFIED);
    assert_non_null(strstr(err.text, "this answer does not need it"));
    one_end(&u.x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete__erased_events_are_gaps),
        cmocka_unit_test(test_complete__disposed_events_are_gaps),
        cmocka_unit_test(test_complete__segments_of_a_gone_era_are_gaps),
        cmocka_unit_test(test_complete__each_false_gap_is_refused_for_its_reason),
        cmocka_unit_test(test_complete__segments_that_lack_the_field_are_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
