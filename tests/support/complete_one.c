/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/complete_one.h"

#include <string.h>

#include "tests/support/cmocka.h"

void one_ask(struct one *x, const char *actor) {
    stele_event_filter_done(&x->question.filter);
    stele_event_filter_init(&x->question.filter);
    assert_ok(stele_buf_append(&x->question.filter.tenant, stele_view_str("acme"), NULL));
    assert_ok(
        stele_event_filter_add(&x->question.filter, STELE_KEY_ACTOR, stele_view_str(actor), NULL));
}

void one_begin(struct one *x, size_t n) {
    struct rng rng = {11};
    memset(x, 0, sizeof *x);
    x->log = cm_log_new("stele.example/eu-1/1y", 5, 1, CM_START_US);
    cm_fill(x->log, &rng, n, CM_START_US, 80);
    x->bed.n_logs = 1;
    x->bed.logs[0] = x->log;
    x->bed.keys[0] = x->log->key;
    complete_bed_question(&x->question);
    assert_ok(stele_buf_append(&x->question.log[0], stele_view_str("1y"), NULL));
    x->question.n_logs = 1;
    one_ask(x, "u-1");
}

void one_end(struct one *x) {
    for (size_t i = 0; i < x->bed.n_logs; i++) {
        cm_log_free(x->bed.logs[i]);
    }
    stele_buf_done(&x->bed.file);
    stele_verify_report_done(&x->bed.report);
    stele_question_done(&x->question);
}

stele_status one_judge(struct one *x, stele_err *err) {
    static struct plan plan;
    plan_make(x->bed.logs, x->bed.n_logs, &x->question, &x->options, &plan);
    if (x->change != NULL) {
        x->change(&plan);
    }
    stele_buf_clear(&x->bed.file);
    plan_encode(&plan, &x->bed.file);
    plan_done(&plan);
    return complete_bed_judge(&x->bed, stele_view_buf(&x->bed.file), 1 << 16, err);
}

uint64_t one_now_us(const struct one *x) {
    return x->log->entry[x->log->n - 1]->entry.time_us;
}

uint64_t one_event(const struct one *x, bool late, size_t k) {
    struct stele_question question;
    static struct plan_hit hits[COMPLETE_BED_HITS_MAX];
    complete_bed_question(&question);
    assert_ok(
        stele_event_filter_add(&question.filter, STELE_KEY_ACTOR, stele_view_str("u-1"), NULL));
    struct cm_log *logs[1] = {x->log};
    size_t n = plan_scan(logs, 1, &question, hits, COMPLETE_BED_HITS_MAX);
    stele_question_done(&question);
    for (size_t i = 0; i < n; i++) {
        if (x->log->entry[hits[i].seq]->entry.as.event.late == late && k-- == 0) {
            return hits[i].seq;
        }
    }
    fail_msg("no such event of u-1");
    return 0;
}

uint64_t one_add(struct one *x, const char *actor, const char *tenant, bool late, cm_spoil spoil) {
    uint64_t time_us = one_now_us(x) + 60000000;
    struct sample_event event = {.tenant = tenant, .actor = actor};
    event.time_unix_nano = (time_us - (late ? 3 * CM_DAY_US : 1000000)) * 1000;
    return cm_event(x->log, time_us, &event, spoil);
}

void one_check_rows(const struct lie *rows, size_t n) {
    size_t n_wrong = 0;
    static struct one x;
    for (size_t i = 0; i < n; i++) {
        stele_err err = {.text = ""};
        one_begin(&x, 120);
        rows[i].make(&x);
        stele_status st = one_judge(&x, &err);
        one_end(&x);
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
