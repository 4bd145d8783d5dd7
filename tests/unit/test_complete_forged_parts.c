/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forged complete answers over honest logs: a prover who leaves out, adds, hides or moves what the
 * logs have. Each is refused by the rule that it breaks, never by the digest.
 */
#include <string.h>

#include "storage/cursor.h"
#include "tests/support/cmocka.h"
#include "tests/support/complete_forge.h"

static struct plan_log *forged_log(struct forge *f) {
    return &f->plan.log[FORGE_LOG];
}

/* ------------------------------------------------------------------ segments */

static void show_from(struct forge *f, size_t first, size_t n) {
    struct plan_log *of = forged_log(f);
    of->first = first;
    stele_buf_clear(&of->shown);
    for (size_t i = first; i < first + n; i++) {
        uint8_t bytes[STELE_DESCRIPTOR_BYTES];
        stele_descriptor_encode(&of->all[i], bytes);
        assert_ok(stele_buf_append(&of->shown, stele_view_of(bytes, sizeof bytes), NULL));
    }
}
static void leading_segments_dropped(struct forge *f) {
    forge_drop_opening(f, 0);
    forge_drop_opening(f, 0);
    show_from(f, 2, forged_log(f)->n_all - 2);
}
static void last_segment_dropped(struct forge *f) {
    forge_drop_opening(f, forged_log(f)->n_openings - 1);
    show_from(f, 0, forged_log(f)->n_all - 1);
}
static void segment_dropped_from_the_manifest(struct forge *f) {
    stele_buf *shown = &forged_log(f)->shown;
    forge_drop_opening(f, 1);
    memmove(shown->data + 144, shown->data + 288, shown->size - 288);
    shown->size -= 144;
}
static void segment_stretched_over_another(struct forge *f) {
    stele_buf *shown = &forged_log(f)->shown;
    stele_put_u64(shown->data + 288 + 8, stele_get_u64(shown->data + 144 + 8));
    segment_dropped_from_the_manifest(f);
}
static void segment_with_forged_times(struct forge *f) {
    uint8_t *descriptor = forged_log(f)->shown.data + 144;
    forge_drop_opening(f, 1);
    stele_put_u64(descriptor + 24, 5);
    stele_put_u64(descriptor + 32, 6);
}
static void segment_not_opened(struct forge *f) {
    forge_drop_opening(f, 1);
}
static void last_segment_not_opened(struct forge *f) {
    forge_drop_opening(f, forged_log(f)->n_openings - 1);
}
static void segment_opened_twice(struct forge *f) {
    struct plan_log *of = forged_log(f);
    of->openings[1].segment = of->openings[0].segment;
}
static void segment_not_needed_opened(struct forge *f) {
    struct plan_log *of = forged_log(f);
    of->openings[0].segment--; /* the one left of the window */
}
static void segment_of_no_manifest_opened(struct forge *f) {
    forged_log(f)->openings[0].segment += 5000;
}
static void openings_swapped(struct forge *f) {
    struct plan_log *of = forged_log(f);
    struct plan_opening kept = of->openings[0];
    of->openings[0] = of->openings[1];
    of->openings[1] = kept;
    uint32_t segment = of->openings[0].segment;
    of->openings[0].segment = of->openings[1].segment;
    of->openings[1].segment = segment;
    uint64_t lo = of->openings[0].lo;
    of->openings[0].lo = of->openings[1].lo;
    of->openings[1].lo = lo;
}
static void opening_late(struct forge *f) {
    struct plan_opening *o = NULL;
    (void)forge_leaf(f, false, 2, 0, &o);
    o->lo = plan_seq(&f->plan.item[forge_item(f, o, false, 0)]) + 1;
}
static void segment_said_to_be_empty(struct forge *f) {
    struct plan_opening *o = &forged_log(f)->openings[0];
    forge_drop_items(f, o);
    o->opening.kind = STELE_OPENING_EMPTY;
}
static void segment_said_to_be_disposed(struct forge *f) {
    struct plan_opening *o = &forged_log(f)->openings[0];
    forge_drop_items(f, o);
    o->opening.kind = STELE_OPENING_DISPOSED;
}
static void opening_of_an_unknown_kind(struct forge *f) {
    struct plan_opening *o = &forged_log(f)->openings[0];
    forge_drop_items(f, o);
    o->opening.kind = (stele_opening_kind)3;
}

/* ------------------------------------------------------------------ key leaves */

/* Shows other key leaves, at an offset from the first one that is opened honestly, as an absence.
 */
static struct plan_opening *claim(struct forge *f, int offset, size_t n) {
    struct plan_opening *o = NULL;
    struct stele_opened_leaf *leaf = forge_leaf(f, false, 1, 0, &o);
    size_t at = (size_t)o->opening.first_key + (size_t)(leaf - o->opening.leaf);
    forge_drop_items(f, o);
    plan_show_leaves(f->bed->logs[FORGE_LOG], forge_descriptor(f, o), (size_t)((int)at + offset), n,
                     o);
    return o;
}
static void own_leaf_skipped(struct forge *f) {
    struct plan_opening *o = claim(f, -1, 2);
    struct plan_opening after = {.segment = 0};
    plan_show_leaves(f->bed->logs[FORGE_LOG], forge_descriptor(f, o),
                     (size_t)o->opening.first_key + 2, 1, &after);
    /* t' follows t where it is there: take the one after that. */
    if ((after.opening.leaf[0].tag[15] & 1) == 1 &&
        memcmp(after.opening.leaf[0].tag, o->opening.leaf[1].tag, 15) == 0) {
        plan_show_leaves(f->bed->logs[FORGE_LOG], forge_descriptor(f, o),
                         (size_t)o->opening.first_key + 3, 1, &after);
    }
    o->opening.leaf[1] = after.opening.leaf[0];
    stele_buf_done(&after.siblings);
}
static void neighbours_that_do_not_enclose(struct forge *f) {
    (void)claim(f, 2, 2);
}
static void neighbours_of_another_segment(struct forge *f) {
    struct plan_log *of = forged_log(f);
    struct plan_opening *o = &of->openings[1];
    struct plan_opening other = of->openings[0];
    /* An honest absence, of the segment before: the same era, so the same tag. */
    forge_drop_items(f, o);
    for (size_t k = 0; k < 2; k++) {
        o->opening.leaf[k] = other.opening.leaf[k];
    }
    o->opening.first_key = other.opening.first_key;
    o->opening.n_leaves = other.opening.n_leaves;
    stele_buf_clear(&o->siblings);
    assert_ok(stele_buf_append(&o->siblings, stele_view_buf(&other.siblings), NULL));
    o->opening.siblings = stele_view_buf(&o->siblings);
}
static void false_last_key(struct forge *f) {
    struct plan_opening *o = NULL;
    (void)forge_leaf(f, false, 1, 0, &o);
    forge_drop_items(f, o);
    plan_show_leaves(f->bed->logs[FORGE_LOG], forge_descriptor(f, o),
                     (size_t)forge_descriptor(f, o)->info.n_keys - 1, 1, o);
}
static void false_first_key(struct forge *f) {
    struct plan_opening *o = NULL;
    (void)forge_leaf(f, false, 1, 0, &o);
    forge_drop_items(f, o);
    plan_show_leaves(f->bed->logs[FORGE_LOG], forge_descriptor(f, o), 0, 1, o);
}
/* The opening with both histories; `keep_late` is the one that stays. */
static void drop_one_of_two(struct forge *f, bool keep_late) {
    struct plan_log *of = forged_log(f);
    for (size_t i = 0; i < of->n_openings; i++) {
        struct plan_opening *o = &of->openings[i];
        if (o->opening.n_leaves == 2 && o->opening.leaf[0].opened && o->opening.leaf[1].opened &&
            o->opening.first_key > 0 &&
            o->opening.first_key + 2 < forge_descriptor(f, o)->info.n_keys) {
            struct stele_opened_leaf kept = o->opening.leaf[keep_late ? 1 : 0];
            while (forge_n_items(f, o, !keep_late) > 0) {
                plan_drop(&f->plan, forge_item(f, o, !keep_late, 0));
            }
            plan_show_leaves(
                f->bed->logs[FORGE_LOG], forge_descriptor(f, o),
                (size_t)o->opening.first_key + (keep_late ? 1 : 0) - (keep_late ? 0 : 1), 2, o);
            o->opening.leaf[keep_late ? 0 : 1] = kept;
            return;
        }
    }
    fail_msg("no opening has both histories");
}
static void late_history_behind_an_on_time_one(struct forge *f) {
    drop_one_of_two(f, false);
}
static void on_time_history_behind_a_late_one(struct forge *f) {
    drop_one_of_two(f, true);
}
/* Neither: the leaves before and after both, as if adjacent. */
static void both_histories_behind_an_absence(struct forge *f) {
    struct plan_log *of = forged_log(f);
    for (size_t i = 0; i < of->n_openings; i++) {
        struct plan_opening *o = &of->openings[i];
        size_t first = (size_t)o->opening.first_key;
        if (o->opening.n_leaves == 2 && o->opening.leaf[0].opened && o->opening.leaf[1].opened &&
            first > 0 && first + 2 < forge_descriptor(f, o)->info.n_keys) {
            const struct cm_log *log = f->bed->logs[FORGE_LOG];
            struct plan_opening after = {.segment = 0};
            forge_drop_items(f, o);
            plan_show_leaves(log, forge_descriptor(f, o), first + 2, 1, &after);
            plan_show_leaves(log, forge_descriptor(f, o), first - 1, 2, o);
            o->opening.leaf[1] = after.opening.leaf[0];
            stele_buf_done(&after.siblings);
            return;
        }
    }
    fail_msg("no opening has both histories");
}
static void sibling_changed(struct forge *f) {
    forged_log(f)->openings[0].siblings.data[3] ^= 1;
}
static void sibling_added(struct forge *f) {
    struct plan_opening *o = &forged_log(f)->openings[0];
    uint8_t zeros[STELE_HASH_BYTES] = {0};
    assert_ok(stele_buf_append(&o->siblings, stele_view_of(zeros, sizeof zeros), NULL));
    o->opening.siblings = stele_view_buf(&o->siblings);
}
static void three_key_leaves(struct forge *f) {
    forged_log(f)->openings[0].opening.first_key = UINT64_MAX - 1;
}

/* ------------------------------------------------------------------ anchors, states, keys */

static void index_edited(struct forge *f) {
    forged_log(f)->index[7] ^= 1; /* segments */
}
static void index_of_another_seq(struct forge *f) {
    forged_log(f)->index[15] ^= 2;
}
static void control_edited(struct forge *f) {
    forged_log(f)->control[72] ^= 1; /* state root */
}
/* The state before the last log was listed. */
static void old_state(struct forge *f) {
    const struct cm_log *log = f->bed->logs[2];
    struct plan_log *of = &f->plan.log[2];
    const struct cm_control *control = &log->control[log->n_controls - 2];
    memcpy(of->control, log->entry[control->seq]->bytes, sizeof of->control);
    of->state = &control->state;
}
static void class_not_opened(struct forge *f) {
    forged_log(f)->states[0] = (struct plan_run){1, forged_log(f)->states[0].n - 1};
}
static void epoch_not_opened(struct forge *f) {
    struct plan_log *of = forged_log(f);
    of->states[of->n_states - 1].n--;
}
/* The era after the last that is shown. */
static void epoch_not_needed(struct forge *f) {
    struct plan_log *of = forged_log(f);
    struct plan_run *last = &of->states[of->n_states - 1];
    const stele_buf *key = &of->state->leaf[last->first + last->n].key;
    assert_true(key->size > 6 && memcmp(key->data, "epoch/", 6) == 0);
    last->n++;
}
static void state_leaf_not_needed(struct forge *f) {
    struct plan_log *of = forged_log(f);
    of->states[of->n_states - 1].n++; /* tenant/acme */
}
static void state_leaf_of_another_place(struct forge *f) {
    f->plan.log[FORGE_LOG].state = f->plan.log[0].state;
}
static void states_overlap(struct forge *f) {
    struct plan_log *of = forged_log(f);
    of->states[of->n_states] = of->states[of->n_states - 1];
    of->n_states++;
}
static void descriptor_changed(struct forge *f) {
    forged_log(f)->shown.data[144 + 63] ^= 1; /* keys */
}
static void key_of_another_era(struct forge *f) {
    memcpy(forged_log(f)->key[0], forged_log(f)->key[1], 32);
}
static void key_missing(struct forge *f) {
    struct plan_log *of = forged_log(f);
    memmove(of->key[0], of->key[1], sizeof of->key - 32);
    memmove(of->era, of->era + 1, sizeof of->era - sizeof of->era[0]);
    of->n_keys--;
}
static void key_twice(struct forge *f) {
    struct plan_log *of = forged_log(f);
    memmove(of->key[1], of->key[0], sizeof of->key - 32);
    memmove(of->era + 1, of->era, sizeof of->era - sizeof of->era[0]);
    of->n_keys++;
}
/* The era of a descriptor that is shown only as the edge. */
static void key_not_needed(struct forge *f) {
    struct plan_log *of = forged_log(f);
    const struct stele_segment_info *info = &of->all[of->first].info;
    assert_true(info->era != of->era[0]);
    key_twice(f);
    of->era[0] = info->era;
    cm_tag_key(of->log, info->era, of->key[0]);
}
static void by_index_with_few_events(struct forge *f) {
    forged_log(f)->by_log = false;
}
static void condition_out_of_range(struct forge *f) {
    forged_log(f)->condition = 7;
}
static void whole_tenant_opened_as_a_condition(struct forge *f) {
    forged_log(f)->condition = STELE_COMPLETE_WHOLE_TENANT;
}
static void log_left_out(struct forge *f) {
    plan_done(&f->plan);
    struct cm_log *logs[2] = {f->bed->logs[0], f->bed->logs[2]};
    plan_make(logs, 2, &f->question, &f->options, &f->plan);
}
static void system_log_left_out(struct forge *f) {
    plan_done(&f->plan);
    plan_make(f->bed->logs, 2, &f->question, &f->options, &f->plan);
}
/* The run of the system log's state that holds logs/. */
static struct plan_run *logs_run(struct forge *f, size_t *ret_first, size_t *ret_n) {
    struct plan_log *of = &f->plan.log[2];
    *ret_n = 0;
    for (size_t i = 0; i < of->state->n; i++) {
        const stele_buf *key = &of->state->leaf[i].key;
        if (key->size > 5 && memcmp(key->data, "logs/", 5) == 0) {
            *ret_first = (*ret_n)++ == 0 ? i : *ret_first;
        }
    }
    for (size_t i = 0; i < of->n_states; i++) {
        if (of->states[i].first <= *ret_first &&
            of->states[i].first + of->states[i].n > *ret_first) {
            return &of->states[i];
        }
    }
    fail_msg("no run opens logs/");
    return NULL;
}
static void listed_log_not_opened(struct forge *f) {
    size_t first = 0;
    size_t n = 0;
    struct plan_run *run = logs_run(f, &first, &n);
    run->n = first + n - 1 - run->first;
    log_left_out(f);
    struct plan_log *of = &f->plan.log[1];
    for (size_t i = 0; i < of->n_states; i++) {
        if (of->states[i].first <= first && of->states[i].first + of->states[i].n > first) {
            of->states[i].n = first + n - 1 - of->states[i].first;
        }
    }
}
static void leaf_after_the_logs_not_opened(struct forge *f) {
    size_t first = 0;
    size_t n = 0;
    struct plan_run *run = logs_run(f, &first, &n);
    run->n = first + n - run->first;
}
static void leaf_before_the_logs_not_opened(struct forge *f) {
    size_t first = 0;
    size_t n = 0;
    struct plan_run *run = logs_run(f, &first, &n);
    struct plan_log *of = &f->plan.log[2];
    size_t left = first + 1 - run->first; /* leaves up to the first log, which is not opened */
    size_t end = run->first + run->n;
    run->n = left - 1;
    of->states[of->n_states++] = (struct plan_run){first, end - first};
}

/* ------------------------------------------------------------------ the question */

static void asked(struct forge *f, void (*change)(struct stele_question *)) {
    change(&f->question);
    stele_buf_clear(&f->plan.question);
    assert_ok(stele_question_encode(&f->question, &f->plan.question, NULL));
}
static void widen(struct stele_question *q) {
    q->filter.logged_since_us = 0;
}
static void widen_end(struct stele_question *q) {
    q->filter.logged_until_us = UINT64_MAX;
}
static void widen_event_time(struct stele_question *q) {
    q->filter.until_unix_nano += 60 * CM_DAY_US * 1000;
}
static void other_actor(struct stele_question *q) {
    stele_buf_clear(&q->filter.condition[0].value);
    assert_ok(stele_buf_append(&q->filter.condition[0].value, stele_view_str("u-2"), NULL));
}
static void other_tenant(struct stele_question *q) {
    stele_buf_clear(&q->filter.tenant);
    assert_ok(stele_buf_append(&q->filter.tenant, stele_view_str("zenith"), NULL));
}
static void no_tenant(struct stele_question *q) {
    stele_buf_clear(&q->filter.tenant);
}
static void limit_one(struct stele_question *q) {
    q->limit = 1;
}
static void answer_to_a_narrower_range(struct forge *f) {
    asked(f, widen);
}
static void answer_to_an_earlier_end(struct forge *f) {
    asked(f, widen_end);
}
static void answer_to_an_earlier_end_of_event_time(struct forge *f) {
    asked(f, widen_event_time);
}
static void answer_about_another_actor(struct forge *f) {
    asked(f, other_actor);
}
static void answer_about_another_tenant(struct forge *f) {
    asked(f, other_tenant);
}
static void question_without_tenant(struct forge *f) {
    asked(f, no_tenant);
}
static void more_than_the_limit(struct forge *f) {
    asked(f, limit_one);
}
static void checkpoint_size_edited(struct forge *f) {
    uint8_t *size = memchr(forged_log(f)->note.data, '\n', 100);
    size[1] ^= 1;
}
static void checkpoint_of_another_log(struct forge *f) {
    f->bed->keys[FORGE_LOG] = f->bed->keys[0];
}

#define OUT_OF_HISTORY "the key leaves that are shown are not in it"
#define UNSETTLED "do not settle"
static const struct forgery forgeries[] = {
#define ROW(question, name, reason)                                                                \
    { #name, FORGE_##question, name, reason }
    ROW(ALL, leading_segments_dropped, "are not shown, and may hold"),
    ROW(ALL, last_segment_dropped, "are not shown, and may hold"),
    ROW(ALL, segment_dropped_from_the_manifest, "not those of the manifest"),
    ROW(ALL, segment_stretched_over_another, "not those of the manifest"),
    ROW(ALL, segment_with_forged_times, "not those of the manifest"),
    ROW(ALL, segment_not_opened, "is not opened"),
    ROW(ALL, last_segment_not_opened, "is not opened"),
    ROW(ALL, segment_opened_twice, "opened twice"),
    ROW(LOGGED, segment_not_needed_opened, "this answer does not need it"),
    ROW(ALL, segment_of_no_manifest_opened, "not in the manifest that is shown"),
    ROW(ABSENT, openings_swapped, OUT_OF_HISTORY),
    ROW(ALL, opening_late, "not of a history that is opened"),
    ROW(ALL, segment_said_to_be_empty, "said to be empty, and has keys"),
    ROW(ALL, segment_said_to_be_disposed, "does not say that its era is gone"),
    ROW(ALL, opening_of_an_unknown_kind, "unknown kind 3"),
    ROW(ALL, own_leaf_skipped, OUT_OF_HISTORY),
    ROW(ALL, neighbours_that_do_not_enclose, UNSETTLED),
    ROW(ABSENT, neighbours_of_another_segment, OUT_OF_HISTORY),
    ROW(ALL, false_last_key, UNSETTLED),
    ROW(ALL, false_first_key, UNSETTLED),
    ROW(ALL, late_history_behind_an_on_time_one, UNSETTLED),
    ROW(ALL, on_time_history_behind_a_late_one, UNSETTLED),
    ROW(ALL, both_histories_behind_an_absence, OUT_OF_HISTORY),
    ROW(ABSENT, sibling_changed, OUT_OF_HISTORY),
    ROW(ABSENT, sibling_added, OUT_OF_HISTORY),
    ROW(ABSENT, three_key_leaves, "1 or 2 are shown"),
    ROW(ALL, index_edited, "the INDEX entry"),
    ROW(ALL, index_of_another_seq, "the INDEX entry"),
    ROW(ALL, control_edited, "the CONTROL entry"),
    ROW(ALL, old_state, "an old state"),
    ROW(ALL, class_not_opened, "does not open the state leaf 'class'"),
    ROW(ALL, epoch_not_opened, "does not open the state leaf of era"),
    ROW(LOGGED, epoch_not_needed, "opens the state leaf of era"),
    ROW(ALL, state_leaf_not_needed, "which this answer does not need"),
    ROW(ALL, state_leaf_of_another_place, "are not in the state of its CONTROL"),
    ROW(ALL, states_overlap, "they ascend and do not overlap"),
    ROW(ALL, descriptor_changed, "not those of the manifest"),
    ROW(ALL, key_of_another_era, "not the one its EPOCH commits to"),
    ROW(ALL, key_missing, "is not disclosed"),
    ROW(ALL, key_twice, "out of order"),
    ROW(LOGGED, key_not_needed, "discloses the key"),
    ROW(ALL, by_index_with_few_events, "must be shown in the log itself"),
    ROW(ALL, condition_out_of_range, "opens condition 7"),
    ROW(ALL, whole_tenant_opened_as_a_condition, UNSETTLED),
    ROW(ALL, log_left_out, "a log is left out"),
    ROW(ALL, system_log_left_out, "does not open the list of them"),
    ROW(ALL, listed_log_not_opened, "does not open all logs of its region"),
    ROW(ALL, leaf_after_the_logs_not_opened, "does not open all logs of its region"),
    ROW(ALL, leaf_before_the_logs_not_opened, "does not open all logs of its region"),
    ROW(LOGGED, answer_to_a_narrower_range, "are not shown, and may hold"),
    ROW(LOGGED, answer_to_an_earlier_end, "are not shown, and may hold"),
    ROW(HAPPENED, answer_to_an_earlier_end_of_event_time, "without its payload"),
    ROW(ALL, answer_about_another_actor, UNSETTLED),
    ROW(ABSENT, answer_about_another_actor, UNSETTLED),
    ROW(ALL, answer_about_another_tenant, UNSETTLED),
    ROW(ALL, question_without_tenant, "names no tenant"),
    ROW(ALL, more_than_the_limit, "more than the 1 events"),
    ROW(ALL, checkpoint_size_edited, "signature"),
    ROW(ALL, checkpoint_of_another_log, "key"),
};

static void test_complete__each_forged_part_is_refused_for_its_reason(void **state) {
    forge_check_rows(*state, forgeries, sizeof forgeries / sizeof forgeries[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_complete__each_forged_part_is_refused_for_its_reason,
                                        complete_bed_setup, complete_bed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
