/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/verify_bed.h"

#include <string.h>

#include "tests/support/cmocka.h"

static const char *actor_of(uint64_t seq) {
    return seq % 3 == 0 ? "u-2" : "u-1";
}

void verify_bed_fill(struct sample_log *log, const char *origin, uint8_t seed) {
    sample_log_init(log, origin, seed);
    (void)sample_log_control(log, SAMPLE_TIME_US);
    for (uint64_t i = 1; i < 12; i++) {
        struct sample_event event = {.actor = actor_of(i), .session = "s-1"};
        (void)sample_log_event(log, SAMPLE_TIME_US + 1000 * i, &event);
    }
}

void verify_bed_put(stele_buf *buf, const char *text) {
    stele_buf_clear(buf);
    assert_ok(stele_buf_append(buf, stele_view_str(text), NULL));
}

int verify_bed_setup(void **state) {
    struct verify_bed *f = stele_alloc(1, sizeof *f);
    verify_bed_fill(&f->one, "stele.example/eu-1/1y", 1);
    verify_bed_fill(&f->three, "stele.example/eu-1/3y", 2);
    f->logs[0] = &f->one;
    f->logs[1] = &f->three;
    f->keys[0] = f->three.key;
    f->keys[1] = f->one.key;
    stele_question_init(&f->question);
    verify_bed_put(&f->question.region, "eu-1");
    *state = f;
    return 0;
}

int verify_bed_teardown(void **state) {
    struct verify_bed *f = *state;
    sample_log_done(&f->one);
    sample_log_done(&f->three);
    stele_question_done(&f->question);
    stele_buf_done(&f->file);
    stele_free(f);
    return 0;
}

static bool is_wanted(void *ctx, size_t log, uint64_t seq) {
    const struct verify_bed *f = ctx;
    (void)log;
    return f->actor == NULL || strcmp(actor_of(seq), f->actor) == 0;
}

void verify_bed_write(struct verify_bed *f, size_t n_logs) {
    struct sample_answer answer = {
        .logs = f->logs, .n_logs = n_logs, .wants = is_wanted, .ctx = f, .cut = true};
    stele_buf question = STELE_BUF_EMPTY;
    stele_buf_clear(&f->file);
    assert_ok(stele_question_encode(&f->question, &question, NULL));
    sample_answer_write(&answer, stele_view_buf(&question), &f->file);
    stele_buf_done(&question);
}

static stele_status count_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct verify_counted *counted = ctx;
    (void)err;
    counted->events++;
    assert_true(event->entry.time_us >= counted->last_time_us);
    counted->last_time_us = event->entry.time_us;
    return STELE_OK;
}

stele_status verify_bed_verify(struct verify_bed *f, stele_view file, size_t piece,
                               struct verify_counted *counted, struct stele_verify_report *ret,
                               stele_err *err) {
    struct stele_verifier *v = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(
        stele_verifier_new(f->keys, 2, counted == NULL ? NULL : count_event, counted, &v, err));
    for (size_t at = 0; at < file.size; at += piece) {
        size_t size = piece < file.size - at ? piece : file.size - at;
        STELE_TRY(stele_verifier_feed(v, stele_view_slice(file, at, size), err));
    }
    STELE_TRY(stele_verifier_end(v, ret, err));
cleanup:
    stele_verifier_free(v);
    return st;
}

stele_status verify_bed_judge(struct verify_bed *f, stele_err *err) {
    struct stele_verify_report report;
    stele_status st = verify_bed_verify(f, stele_view_buf(&f->file), 1000, NULL, &report, err);
    if (st == STELE_OK) {
        stele_verify_report_done(&report);
    }
    return st;
}
