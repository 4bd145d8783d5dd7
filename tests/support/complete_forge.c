/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/complete_forge.h"

#include <stdlib.h>
#include <string.h>

#include "storage/cursor.h"
#include "tests/support/cmocka.h"

void forge_begin(struct complete_bed *bed, forge_question which, struct forge *ret) {
    memset(ret, 0, sizeof *ret);
    ret->bed = bed;
    complete_bed_question(&ret->question);
    struct stele_event_filter *filter = &ret->question.filter;
    assert_ok(stele_event_filter_add(
        filter, STELE_KEY_ACTOR, stele_view_str(which == FORGE_ABSENT ? "nobody" : "u-1"), NULL));
    uint64_t from = CM_START_US + 36 * CM_DAY_US;
    uint64_t to = CM_START_US + 70 * CM_DAY_US;
    if (which == FORGE_LOGGED) {
        filter->logged_since_us = from;
        filter->logged_until_us = to;
    }
    if (which == FORGE_HAPPENED) {
        filter->since_unix_nano = from * 1000;
        filter->until_unix_nano = to * 1000;
    }
    plan_make(bed->logs, bed->n_logs, &ret->question, &ret->options, &ret->plan);
}

void forge_end(struct forge *f) {
    plan_done(&f->plan);
    stele_question_done(&f->question);
    stele_buf_done(&f->file);
}

stele_status forge_judge_file(struct forge *f, stele_err *err) {
    return complete_bed_judge(f->bed, stele_view_buf(&f->file), 4096, err);
}

stele_status forge_judge(struct forge *f, stele_err *err) {
    stele_buf_clear(&f->file);
    plan_encode(&f->plan, &f->file);
    return forge_judge_file(f, err);
}

const struct stele_descriptor *forge_descriptor(const struct forge *f,
                                                const struct plan_opening *opening) {
    return &f->plan.log[FORGE_LOG].all[opening->segment];
}

static bool is_item_of(const struct forge *f, const struct plan_opening *opening, bool late,
                       size_t i) {
    const struct plan_item *item = &f->plan.item[i];
    const struct stele_segment_info *info = &forge_descriptor(f, opening)->info;
    return item->log == FORGE_LOG && plan_seq(item) >= info->lo && plan_seq(item) < info->hi &&
           (item->entry[3] == 1) == late;
}

size_t forge_n_items(const struct forge *f, const struct plan_opening *opening, bool late) {
    size_t n = 0;
    for (size_t i = 0; i < f->plan.n_items; i++) {
        n += is_item_of(f, opening, late, i);
    }
    return n;
}

size_t forge_item(const struct forge *f, const struct plan_opening *opening, bool late, size_t k) {
    for (size_t i = 0; i < f->plan.n_items; i++) {
        if (is_item_of(f, opening, late, i) && k-- == 0) {
            return i;
        }
    }
    fail_msg("no such item in the opening");
    return 0;
}

struct stele_opened_leaf *forge_leaf(struct forge *f, bool late, size_t n, size_t from,
                                     struct plan_opening **ret_opening) {
    struct plan_log *of = &f->plan.log[FORGE_LOG];
    for (size_t i = from; i < of->n_openings; i++) {
        struct plan_opening *opening = &of->openings[i];
        for (size_t k = 0; k < opening->opening.n_leaves; k++) {
            struct stele_opened_leaf *leaf = &opening->opening.leaf[k];
            if (leaf->opened && (leaf->tag[STELE_TAG_BYTES - 1] & 1) == (late ? 1 : 0) &&
                forge_n_items(f, opening, late) >= n) {
                *ret_opening = opening;
                return leaf;
            }
        }
    }
    fail_msg("the plan has no such opened leaf");
    return NULL;
}

void forge_drop_items(struct forge *f, const struct plan_opening *opening) {
    for (size_t i = f->plan.n_items; i-- > 0;) {
        if (is_item_of(f, opening, false, i) || is_item_of(f, opening, true, i)) {
            plan_drop(&f->plan, i);
        }
    }
}

void forge_drop_opening(struct forge *f, size_t i) {
    struct plan_log *of = &f->plan.log[FORGE_LOG];
    forge_drop_items(f, &of->openings[i]);
    stele_buf_done(&of->openings[i].siblings);
    memmove(&of->openings[i], &of->openings[i + 1],
            (of->n_openings - i - 1) * sizeof *of->openings);
    of->n_openings--;
    for (size_t k = i; k < of->n_openings; k++) { /* the leaves' subtrees moved with them */
        for (size_t l = 0; l < 2; l++) {
            if (of->openings[k].opening.leaf[l].opaque != NULL) {
                of->openings[k].opening.leaf[l].opaque = of->openings[k].opaque[l];
            }
        }
    }
}

size_t forge_chunk(const struct forge *f, uint8_t type, size_t i, size_t *ret_size) {
    for (size_t at = 16; at < f->file.size;) {
        size_t size = stele_get_u32(f->file.data + at + 1);
        if (f->file.data[at] == type && i-- == 0) {
            *ret_size = size;
            return at + 5;
        }
        at += 5 + size;
    }
    fail_msg("the file has no such chunk");
    return 0;
}

void forge_digest(struct forge *f) {
    size_t hashed = f->file.size - STELE_HASH_BYTES;
    stele_sha256_of(stele_view_of(f->file.data, hashed), f->file.data + hashed);
}

void forge_check_rows(struct complete_bed *bed, const struct forgery *rows, size_t n) {
    size_t n_wrong = 0;
    for (size_t i = 0; i < n; i++) {
        static struct forge f;
        stele_err err = {.text = ""};
        for (size_t k = 0; k < bed->n_logs; k++) {
            bed->keys[k] = bed->logs[k]->key;
        }
        forge_begin(bed, rows[i].question, &f);
        rows[i].apply(&f);
        stele_status st = forge_judge(&f, &err);
        forge_end(&f);
        bool right = rows[i].reason == NULL
                         ? st == STELE_OK
                         : st != STELE_OK && strstr(err.text, rows[i].reason) != NULL &&
                               strstr(err.text, "digest") == NULL;
        if (!right) {
            print_message("%s: %s (%s)\n", rows[i].name, stele_status_name(st), err.text);
            n_wrong++;
        }
    }
    assert_int_equal(n_wrong, 0);
}
