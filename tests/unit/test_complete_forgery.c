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

static void nothing(struct forge *f) {
    (void)f;
}
static void event_omitted(struct forge *f) {
    struct plan_opening *o = NULL;
    (void)forge_leaf(f, false, 3, 0, &o);
    plan_drop(&f->plan, forge_item(f, o, false, 1));
}
static void event_omitted_and_count_lowered(struct forge *f) {
    struct plan_opening *o = NULL;
    forge_leaf(f, false, 3, 0, &o)->count--;
    plan_drop(&f->plan, forge_item(f, o, false, 1));
}
static void late_event_omitted_and_count_lowered(struct forge *f) {
    struct plan_opening *o = NULL;
    forge_leaf(f, true, 2, 0, &o)->count--;
    plan_drop(&f->plan, forge_item(f, o, true, 0));
}
static void history_emptied(struct forge *f) {
    struct plan_opening *o = NULL;
    struct stele_opened_leaf *leaf = forge_leaf(f, true, 1, 0, &o);
    leaf->count = 0;
    while (forge_n_items(f, o, true) > 0) {
        plan_drop(&f->plan, forge_item(f, o, true, 0));
    }
}
/* The item at `k` as an opaque subtree, left or right of the window. */
static void hide(struct forge *f, bool left, size_t from_end, uint64_t rep, bool lie) {
    struct plan_opening *o = NULL;
    struct stele_opened_leaf *leaf = forge_leaf(f, false, 3, 0, &o);
    size_t i = forge_item(f, o, false, left ? 0 : forge_n_items(f, o, false) - 1 - from_end);
    struct stele_opaque *opaque = o->opaque[leaf - o->opening.leaf];
    uint8_t hash[STELE_HASH_BYTES];
    assert_true(leaf->n_left == 0 && leaf->n_right == 0);
    stele_hash_leaf(stele_view_of(f->plan.item[i].entry, 96), hash);
    opaque->rep = lie ? rep : plan_seq(&f->plan.item[i]);
    stele_hash_posting(plan_seq(&f->plan.item[i]), hash, opaque->hash);
    leaf->opaque = opaque;
    leaf->n_left = left ? 1 : 0;
    leaf->n_right = left ? 0 : 1;
    plan_drop(&f->plan, i);
}
static void first_event_hidden(struct forge *f) {
    hide(f, true, 0, 0, false);
}
static void last_event_hidden(struct forge *f) {
    hide(f, false, 0, 0, false);
}
static void middle_event_hidden(struct forge *f) {
    hide(f, false, 1, 0, false);
}
static void event_hidden_elsewhere(struct forge *f) {
    hide(f, false, 0, UINT64_C(1) << 63, true);
}
static void history_hidden(struct forge *f) {
    struct plan_opening *o = NULL;
    struct stele_opened_leaf *leaf = forge_leaf(f, false, 3, 0, &o);
    size_t n = forge_n_items(f, o, false);
    uint64_t seqs[64];
    for (size_t i = 0; i < n; i++) {
        seqs[i] = plan_seq(&f->plan.item[forge_item(f, o, false, i)]);
    }
    struct stele_opaque *opaque = o->opaque[leaf - o->opening.leaf];
    opaque->rep = seqs[0];
    cm_trie_root(f->bed->logs[FORGE_LOG], seqs, n, opaque->hash);
    leaf->opaque = opaque;
    leaf->n_left = 1;
    while (forge_n_items(f, o, false) > 0) {
        plan_drop(&f->plan, forge_item(f, o, false, 0));
    }
}
/* Its V instead of its history. */
static void history_given_as_a_value(struct forge *f) {
    struct plan_opening *o = NULL;
    struct stele_opened_leaf *leaf = forge_leaf(f, false, 1, 0, &o);
    struct plan_opening shown = {.segment = 0};
    size_t i = (size_t)(leaf - o->opening.leaf);
    plan_show_leaves(f->bed->logs[FORGE_LOG], forge_descriptor(f, o), o->opening.first_key,
                     o->opening.n_leaves, &shown);
    *leaf = shown.opening.leaf[i];
    stele_buf_done(&shown.siblings);
    while (forge_n_items(f, o, false) > 0) {
        plan_drop(&f->plan, forge_item(f, o, false, 0));
    }
}
static void payload_withheld(struct forge *f) {
    f->plan.item[plan_find(&f->plan, true, 4)].is_event = false;
}
static void payload_changed(struct forge *f) {
    static uint8_t changed[65536];
    struct plan_item *item = &f->plan.item[plan_find(&f->plan, true, 4)];
    memcpy(changed, item->payload.data, item->payload.size);
    changed[item->payload.size - 1] ^= 1;
    item->payload.data = changed;
}
static void payload_over_the_limit(struct forge *f) {
    static uint8_t large[STELE_PAYLOAD_BYTES_MAX + 1];
    struct plan_item *item = &f->plan.item[plan_find(&f->plan, true, 0)];
    item->payload = stele_view_of(large, sizeof large);
}
static void salt_changed(struct forge *f) {
    f->plan.item[plan_find(&f->plan, true, 4)].salt[0] ^= 1;
}
static void ksalt_changed(struct forge *f) {
    f->plan.item[plan_find(&f->plan, true, 4)].ksalt[0] ^= 1;
}
static void events_reordered(struct forge *f) {
    struct plan_opening *o = NULL;
    (void)forge_leaf(f, false, 3, 0, &o);
    size_t a = forge_item(f, o, false, 0);
    size_t b = forge_item(f, o, false, 1);
    struct plan_item kept = f->plan.item[a];
    f->plan.item[a] = f->plan.item[b];
    f->plan.item[b] = kept;
}
static void event_duplicated(struct forge *f) {
    struct plan_opening *o = NULL;
    forge_leaf(f, false, 3, 0, &o)->count++;
    size_t i = forge_item(f, o, false, 1);
    plan_add(&f->plan, i, &f->plan.item[i]);
}
/* An event of the same segment that has another actor. */
static size_t put_foreign(struct forge *f, bool replace) {
    struct plan_opening *o = NULL;
    struct stele_opened_leaf *leaf = forge_leaf(f, false, 3, 0, &o);
    const struct cm_log *log = f->bed->logs[FORGE_LOG];
    size_t i = forge_item(f, o, false, 1);
    uint64_t after = plan_seq(&f->plan.item[forge_item(f, o, false, 0)]);
    for (uint64_t seq = after + 1;; seq++) {
        struct plan_item item;
        const struct cm_entry *entry = log->entry[seq];
        bool known = false;
        for (size_t k = 0; k < f->plan.n_items; k++) {
            known =
                known || (f->plan.item[k].log == FORGE_LOG && plan_seq(&f->plan.item[k]) == seq);
        }
        assert_true(seq < forge_descriptor(f, o)->info.hi);
        if (known || entry->entry.type != STELE_ENTRY_EVENT || entry->entry.as.event.late) {
            continue;
        }
        plan_item_of(&f->plan, FORGE_LOG, seq, true, &item);
        while (i < f->plan.n_items && memcmp(f->plan.item[i].entry + 16, item.entry + 16, 8) < 0) {
            i++;
        }
        plan_add(&f->plan, i, &item);
        leaf->count += replace ? 0 : 1;
        return replace ? forge_item(f, o, false, 0) : 0;
    }
}
static void foreign_event_added(struct forge *f) {
    (void)put_foreign(f, false);
}
static void foreign_event_instead(struct forge *f) {
    plan_drop(&f->plan, put_foreign(f, true));
}
static void event_outside_of_any_opening(struct forge *f) {
    struct plan_item item;
    uint64_t seq = 3; /* before the asked time: its segment is not opened */
    while (f->bed->logs[FORGE_LOG]->entry[seq]->entry.type != STELE_ENTRY_EVENT) {
        seq++;
    }
    plan_item_of(&f->plan, FORGE_LOG, seq, true, &item);
    plan_add(&f->plan, 0, &item);
}
static void event_of_another_era(struct forge *f) {
    uint8_t *era = f->plan.item[plan_find(&f->plan, true, 4)].entry + 4;
    stele_put_u32(era, stele_get_u32(era) + 100);
}
static void event_of_another_class(struct forge *f) {
    f->plan.item[plan_find(&f->plan, true, 4)].entry[2] ^= 4;
}
static void event_with_a_wrong_late_bit(struct forge *f) {
    f->plan.item[plan_find(&f->plan, true, 4)].entry[3] ^= 1;
}
static void event_as_entry_type_index(struct forge *f) {
    f->plan.item[plan_find(&f->plan, true, 4)].entry[0] = 2;
}
static void event_not_below_m(struct forge *f) {
    size_t last = 0;
    for (size_t i = 0; i < f->plan.n_items; i++) {
        last = f->plan.item[i].log == FORGE_LOG ? i : last;
    }
    stele_put_u64(f->plan.item[last].entry + 8, stele_get_u64(f->plan.log[FORGE_LOG].index + 24));
}
/* Two events of different logs, so that only the order of times is broken. */
static void logs_out_of_step(struct forge *f) {
    for (size_t i = 0; i + 1 < f->plan.n_items; i++) {
        if (f->plan.item[i].log != f->plan.item[i + 1].log) {
            struct plan_item kept = f->plan.item[i];
            f->plan.item[i] = f->plan.item[i + 1];
            f->plan.item[i + 1] = kept;
            return;
        }
    }
}
/* An entry inside the window of its log time whose own time is not asked for. */
static void event_outside_of_the_asked_time(struct forge *f) {
    uint64_t since_us = f->question.filter.since_unix_nano / 1000;
    uint64_t until_us = f->question.filter.until_unix_nano / 1000;
    for (size_t i = 0; i < f->plan.n_items; i++) {
        struct plan_item *item = &f->plan.item[i];
        uint64_t time_us = stele_get_u64(item->entry + 16);
        uint64_t event_us = stele_get_u64(item->entry + 24);
        bool late = item->entry[3] == 1;
        bool inside = late ? time_us > since_us + CM_DAY_US
                           : time_us >= since_us - CM_DAY_US && time_us < until_us + CM_DAY_US;
        if (inside && (event_us < since_us || event_us >= until_us)) {
            assert_false(item->is_event);
            item->is_event = true;
            return;
        }
    }
    fail_msg("no such entry");
}
static void neighbour_as_event(struct forge *f) {
    f->plan.item[plan_find(&f->plan, false, 0)].is_event = true;
}
/* The left neighbour joins the hidden ones. */
static void left_neighbour_hidden(struct forge *f) {
    for (size_t from = 0;; from++) {
        struct plan_opening *o = NULL;
        struct stele_opened_leaf *leaf = forge_leaf(f, false, 2, from, &o);
        size_t i = forge_item(f, o, false, 0);
        if (f->plan.item[i].is_event) {
            continue;
        }
        struct stele_opaque *opaque = o->opaque[leaf - o->opening.leaf];
        uint8_t hash[STELE_HASH_BYTES];
        memmove(opaque + leaf->n_left + 1, opaque + leaf->n_left, leaf->n_right * sizeof *opaque);
        stele_hash_leaf(stele_view_of(f->plan.item[i].entry, 96), hash);
        opaque[leaf->n_left].rep = plan_seq(&f->plan.item[i]);
        stele_hash_posting(opaque[leaf->n_left].rep, hash, opaque[leaf->n_left].hash);
        leaf->opaque = opaque;
        leaf->n_left++;
        plan_drop(&f->plan, i);
        return;
    }
}
static void right_neighbour_omitted(struct forge *f) {
    for (size_t from = forged_log(f)->n_openings; from-- > 0;) {
        struct plan_opening *o = &forged_log(f)->openings[from];
        size_t n = forge_n_items(f, o, false);
        if (n > 0 && !f->plan.item[forge_item(f, o, false, n - 1)].is_event) {
            plan_drop(&f->plan, forge_item(f, o, false, n - 1));
            return;
        }
    }
    fail_msg("no right neighbour");
}
static void hidden_part_changed(struct forge *f) {
    for (size_t from = 0;; from++) {
        struct plan_opening *o = NULL;
        struct stele_opened_leaf *leaf = forge_leaf(f, false, 1, from, &o);
        if (leaf->n_left + leaf->n_right > 0) {
            o->opaque[leaf - o->opening.leaf][0].hash[5] ^= 1;
            return;
        }
    }
}
static void count_raised_beside_nothing_hidden(struct forge *f) {
    struct plan_opening *o = NULL;
    forge_leaf(f, false, 2, 0, &o)->count++;
}

#define OUT_OF_HISTORY "the key leaves that are shown are not in it"
static const struct forgery forgeries[] = {
#define ROW(question, name, reason)                                                                \
    { #name, FORGE_##question, name, reason }
    ROW(ALL, nothing, NULL),
    ROW(LOGGED, nothing, NULL),
    ROW(HAPPENED, nothing, NULL),
    ROW(ABSENT, nothing, NULL),
    ROW(ALL, event_omitted, "a history says"),
    ROW(LOGGED, event_omitted, "a history says"),
    ROW(ALL, event_omitted_and_count_lowered, OUT_OF_HISTORY),
    ROW(HAPPENED, event_omitted_and_count_lowered, OUT_OF_HISTORY),
    ROW(ALL, late_event_omitted_and_count_lowered, OUT_OF_HISTORY),
    ROW(ALL, history_emptied, "opened without a posting"),
    ROW(ALL, first_event_hidden, "hidden inside the asked window"),
    ROW(ALL, last_event_hidden, "hidden inside the asked window"),
    ROW(ALL, middle_event_hidden, "repeated, out of order"),
    ROW(ALL, event_hidden_elsewhere, "outside of its segment"),
    ROW(ALL, history_hidden, "that may not be hidden"),
    ROW(ALL, history_given_as_a_value, "a key leaf that is opened has a value"),
    ROW(ALL, payload_withheld, "without its payload"),
    ROW(ALL, payload_changed, "left out, added or changed"),
    ROW(ALL, payload_over_the_limit, "at most 65536"),
    ROW(ALL, salt_changed, "left out, added or changed"),
    ROW(ALL, ksalt_changed, "left out, added or changed"),
    ROW(ALL, events_reordered, "repeated, out of order"),
    ROW(ALL, logs_out_of_step, "not after the one before it"),
    ROW(ALL, event_duplicated, "repeated, out of order"),
    ROW(ALL, foreign_event_added, "does not have it"),
    ROW(ALL, foreign_event_instead, "does not have it"),
    ROW(LOGGED, event_outside_of_any_opening, "not of a history that is opened"),
    ROW(ALL, event_of_another_era, "another era or class"),
    ROW(ALL, event_of_another_class, "another era or class"),
    ROW(ALL, event_with_a_wrong_late_bit, "late"),
    ROW(ALL, event_as_entry_type_index, "of 96 bytes and type 2"),
    ROW(ALL, event_not_below_m, "that the index covers"),
    ROW(HAPPENED, event_outside_of_the_asked_time, "outside of the asked times"),
    ROW(LOGGED, neighbour_as_event, "outside of the asked times"),
    ROW(LOGGED, left_neighbour_hidden, "its neighbours are missing"),
    ROW(LOGGED, right_neighbour_omitted, "its neighbours are missing"),
    ROW(LOGGED, hidden_part_changed, OUT_OF_HISTORY),
    ROW(ALL, count_raised_beside_nothing_hidden, "a history says"),
};

static void test_complete__each_forged_event_is_refused_for_its_reason(void **state) {
    forge_check_rows(*state, forgeries, sizeof forgeries / sizeof forgeries[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_complete__each_forged_event_is_refused_for_its_reason,
                                        complete_bed_setup, complete_bed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
