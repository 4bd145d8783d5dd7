/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_complete_number.c: complete answers that are a number: it is that of a scan, the
 * product's writer makes the same bytes, and no other number can be made of an honest log's index.
 */
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/complete_forge.h"
#include "tests/support/complete_one.h"

#define ROUNDS 150

static void ask_any(struct rng *rng, struct stele_question *ret, struct plan_options *options) {
    char actor[8];
    complete_bed_question(ret);
    *options = (struct plan_options){.condition = STELE_COMPLETE_WHOLE_TENANT, .counted = true};
    if (rng_below(rng, 4) > 0) {
        (void)snprintf(actor, sizeof actor, "u-%u", (unsigned)rng_below(rng, 11));
        assert_ok(
            stele_event_filter_add(&ret->filter, STELE_KEY_ACTOR, stele_view_str(actor), NULL));
        options->condition = 0;
    }
    uint64_t from = CM_START_US + rng_below(rng, 100) * CM_DAY_US;
    uint64_t to = from + rng_below(rng, 100 * CM_DAY_US);
    if (rng_below(rng, 2) == 0) {
        ret->filter.logged_since_us = from;
        ret->filter.logged_until_us = rng_below(rng, 3) == 0 ? UINT64_MAX : to;
    }
    if (rng_below(rng, 2) == 0) {
        ret->filter.since_unix_nano = from * 1000;
        ret->filter.until_unix_nano = rng_below(rng, 3) == 0 ? UINT64_MAX : to * 1000;
    }
}

static void test_number__is_that_of_a_scan(void **state) {
    struct complete_bed *bed = *state;
    struct rng rng = rng_start("complete number");
    uint64_t all = 0;
    size_t n_counted = 0;
    for (int i = 0; i < ROUNDS; i++) {
        static struct plan plan;
        struct stele_question q;
        struct plan_options options;
        stele_err err = {.text = ""};
        stele_buf again = STELE_BUF_EMPTY;
        ask_any(&rng, &q, &options);
        plan_make(bed->logs, bed->n_logs, &q, &options, &plan);
        stele_buf_clear(&bed->file);
        plan_encode(&plan, &bed->file);
        assert_ok(plan_write(&plan, &again, NULL));
        assert_true(stele_view_equal(stele_view_buf(&again), stele_view_buf(&bed->file)));
        for (size_t k = 0; k < plan.n_logs; k++) {
            for (size_t o = 0; o < plan.log[k].n_openings; o++) {
                n_counted += plan.log[k].openings[o].opening.leaf[0].counted;
            }
        }
        if (complete_bed_judge(bed, stele_view_buf(&bed->file), 100, &err) != STELE_OK) {
            fail_msg("round %d: %s", i, err.text);
        }
        size_t wanted = plan_scan(bed->logs, bed->n_logs, &q, bed->wanted, COMPLETE_BED_HITS_MAX);
        assert_true(bed->report.complete.proof.counted);
        assert_int_equal(bed->report.n_events, wanted);
        assert_int_equal(bed->n_found, 0); /* none is shown */
        all += wanted;
        stele_buf_done(&again);
        plan_done(&plan);
        stele_question_done(&q);
    }
    assert_true(all > 1000 && n_counted > 100);
}

/* ------------------------------------------------------------------ forgeries */

/* The first leaf of the forged log that is counted (or opened). */
static struct stele_opened_leaf *find(struct forge *f, bool counted, struct plan_opening **ret) {
    struct plan_log *of = &f->plan.log[FORGE_LOG];
    for (size_t i = 0; i < of->n_openings; i++) {
        for (size_t k = 0; k < of->openings[i].opening.n_leaves; k++) {
            struct stele_opened_leaf *leaf = &of->openings[i].opening.leaf[k];
            if (counted ? leaf->counted : leaf->opened) {
                *ret = &of->openings[i];
                return leaf;
            }
        }
    }
    fail_msg("the plan has no such leaf");
    return NULL;
}

static void number(struct forge *f) {
    f->options = (struct plan_options){.condition = 0, .counted = true};
    plan_done(&f->plan);
    plan_make(f->bed->logs, f->bed->n_logs, &f->question, &f->options, &f->plan);
}
static void honest(struct forge *f) {
    number(f);
}
static void lower(struct forge *f) {
    struct plan_opening *o = NULL;
    number(f);
    find(f, true, &o)->count--;
}
static void higher(struct forge *f) {
    struct plan_opening *o = NULL;
    number(f);
    find(f, true, &o)->count++;
}
static void none_of_it(struct forge *f) {
    struct plan_opening *o = NULL;
    number(f);
    find(f, true, &o)->count = 0;
}
static void too_many(struct forge *f) {
    struct plan_opening *o = NULL;
    number(f);
    struct stele_opened_leaf *leaf = find(f, true, &o);
    leaf->count = forge_descriptor(f, o)->info.hi - forge_descriptor(f, o)->info.lo + 1;
}
static void another_root(struct forge *f) {
    struct plan_opening *o = NULL;
    number(f);
    find(f, true, &o)->root[3] ^= 1;
}
/* Its value in place of count and root: one event fewer to count. */
static void hidden_as_a_value(struct forge *f) {
    struct plan_opening *o = NULL;
    number(f);
    struct stele_opened_leaf *leaf = find(f, true, &o);
    stele_hash_key_value(leaf->count, leaf->root, leaf->value);
    leaf->counted = false;
}
/* All of an edge's history, as if the window covered it. */
static void edge_counted_whole(struct forge *f) {
    struct plan_opening *o = NULL;
    number(f);
    struct stele_opened_leaf *leaf = find(f, false, &o);
    forge_drop_items(f, o);
    leaf->opened = false;
    leaf->counted = true;
}
static void edge_event_left_out(struct forge *f) {
    struct plan_opening *o = NULL;
    number(f);
    struct stele_opened_leaf *leaf = find(f, false, &o);
    bool late = (leaf->tag[STELE_TAG_BYTES - 1] & 1) != 0;
    leaf->count--;
    plan_drop(&f->plan, forge_item(f, o, late, forge_n_items(f, o, late) / 2));
}
static void entry_of_a_counted_history(struct forge *f) {
    struct plan_opening *o = NULL;
    struct plan_item item;
    number(f);
    (void)find(f, true, &o);
    const struct stele_segment_info *info = &forge_descriptor(f, o)->info;
    for (uint64_t seq = info->lo; seq < info->hi; seq++) {
        if (f->bed->logs[FORGE_LOG]->entry[seq]->entry.type == STELE_ENTRY_EVENT) {
            size_t at = 0;
            plan_item_of(&f->plan, FORGE_LOG, seq, false, &item);
            while (at < f->plan.n_items &&
                   memcmp(f->plan.item[at].entry + 16, item.entry + 16, 8) < 0) {
                at++;
            }
            plan_add(&f->plan, at, &item);
            return;
        }
    }
}
static void with_an_event(struct forge *f) {
    number(f);
    for (size_t i = 0; i < f->plan.n_items; i++) {
        if (f->plan.item[i].log == FORGE_LOG) {
            plan_item_of(&f->plan, FORGE_LOG, plan_seq(&f->plan.item[i]), true, &f->plan.item[i]);
            return;
        }
    }
    fail_msg("the plan has no entry");
}
static void by_log(struct forge *f) {
    number(f);
    f->plan.log[FORGE_LOG].by_log = true;
}
static void one_log_counted(struct forge *f) {
    f->plan.log[FORGE_LOG].counted = true;
    f->plan.log[FORGE_LOG].by_log = false;
}
static void events_as_a_number(struct forge *f) {
    for (size_t i = 0; i < f->plan.n_logs; i++) {
        f->plan.log[i].counted = true;
        f->plan.log[i].by_log = false;
    }
}
static void segment_dropped(struct forge *f) {
    struct plan_opening *o = NULL;
    number(f);
    (void)find(f, true, &o);
    forge_drop_opening(f, (size_t)(o - f->plan.log[FORGE_LOG].openings));
}
static void second_condition(struct forge *f) {
    assert_ok(stele_event_filter_add_number(&f->question.filter, STELE_KEY_ACTION, 3, NULL));
    number(f);
}
static void limited(struct forge *f) {
    f->question.limit = 1000;
    number(f);
}
static void part_of_a_microsecond(struct forge *f) {
    f->question.filter.since_unix_nano++;
    number(f);
}

static const struct forgery forgeries[] = {
#define ROW(question, name, reason)                                                                \
    { #name, FORGE_##question, name, reason }
    ROW(ALL, honest, NULL),
    ROW(LOGGED, honest, NULL),
    ROW(HAPPENED, honest, NULL),
    ROW(ABSENT, honest, NULL),
    ROW(ALL, lower, "a tag, a count or a hash"),
    ROW(LOGGED, lower, "a tag, a count or a hash"),
    ROW(HAPPENED, higher, "a tag, a count or a hash"),
    ROW(ALL, none_of_it, "a history of 0 postings"),
    ROW(ALL, too_many, "postings in a segment of"),
    ROW(ALL, another_root, "a tag, a count or a hash"),
    ROW(ALL, hidden_as_a_value, "a key leaf that is opened has a value"),
    ROW(LOGGED, edge_counted_whole, "bytes of hashes beside key leaves"),
    ROW(HAPPENED, edge_counted_whole, "bytes of hashes beside key leaves"),
    ROW(LOGGED, edge_event_left_out, "left out, added or changed"),
    ROW(ALL, entry_of_a_counted_history, "not of a history that is opened"),
    ROW(LOGGED, with_an_event, "out of place"),
    ROW(ALL, by_log, "flags 03"),
    ROW(ALL, one_log_counted, "one log is counted"),
    ROW(ALL, events_as_a_number, "postings in a segment of"),
    ROW(ALL, segment_dropped, "is not opened"),
    ROW(ALL, second_condition, "that number would be another one"),
    ROW(ALL, limited, "that number would be another one"),
    ROW(HAPPENED, part_of_a_microsecond, "that number would be another one"),
};

static void test_number__each_forged_number_is_refused_for_its_reason(void **state) {
    forge_check_rows(*state, forgeries, sizeof forgeries / sizeof forgeries[0]);
}

/* An event that was erased had its key, and counts: at the edge of a range, too. */
static void test_number__counts_what_is_erased(void **state) {
    (void)state;
    for (int edge = 0; edge < 2; edge++) {
        static struct one x;
        stele_err err = {.text = ""};
        uint64_t before = 0;
        one_begin(&x, 120);
        uint64_t seq = one_event(&x, false, 1);
        x.options.counted = true;
        if (edge == 1) {
            x.question.filter.logged_since_us = x.log->entry[seq]->entry.time_us;
        }
        for (int erased = 0; erased < 2; erased++) {
            if (one_judge(&x, &err) != STELE_OK) {
                fail_msg("%s", err.text);
            }
            assert_true(erased == 0 || x.bed.report.n_events == before);
            assert_int_equal(x.bed.report.complete.proof.n_gaps, 0);
            before = x.bed.report.n_events;
            if (erased == 0) {
                (void)cm_erase(x.log, one_now_us(&x), seq);
                (void)cm_index(x.log, one_now_us(&x), x.log->n, 64);
            }
        }
        assert_true(before > 1);
        one_end(&x);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number__is_that_of_a_scan),
        cmocka_unit_test(test_number__counts_what_is_erased),
        cmocka_unit_test(test_number__each_forged_number_is_refused_for_its_reason),
    };
    return cmocka_run_group_tests(tests, complete_bed_setup, complete_bed_teardown);
}
