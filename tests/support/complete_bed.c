/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/complete_bed.h"

#include <string.h>

#include "tests/support/cmocka.h"

int complete_bed_setup(void **state) {
    static const char *const origins[] = {"stele.example/eu-1/1y", "stele.example/eu-1/3y",
                                          "stele.example/eu-1/system"};
    static const uint8_t years[] = {1, 3, 7};
    struct complete_bed *bed = stele_alloc(1, sizeof *bed);
    struct rng rng = {7};
    bed->n_logs = 3;
    for (uint8_t i = 0; i < 3; i++) {
        bed->logs[i] = cm_log_new(origins[i], (uint8_t)(i + 1), years[i], CM_START_US);
        bed->keys[i] = bed->logs[i]->key;
    }
    for (size_t i = 0; i < 3; i++) {
        (void)cm_list_log(bed->logs[2], CM_START_US, bed->logs[i]);
    }
    cm_fill(bed->logs[0], &rng, 300, CM_START_US, 140);
    cm_fill(bed->logs[1], &rng, 500, CM_START_US, 140);
    cm_fill(bed->logs[2], &rng, 30, CM_START_US, 140);
    *state = bed;
    return 0;
}

int complete_bed_teardown(void **state) {
    struct complete_bed *bed = *state;
    for (size_t i = 0; i < bed->n_logs; i++) {
        cm_log_free(bed->logs[i]);
    }
    stele_buf_done(&bed->file);
    stele_verify_report_done(&bed->report);
    stele_free(bed);
    return 0;
}

void complete_bed_question(struct stele_question *ret) {
    stele_question_init(ret);
    assert_ok(stele_buf_append(&ret->region, stele_view_str("eu-1"), NULL));
    assert_ok(stele_buf_append(&ret->filter.tenant, stele_view_str("acme"), NULL));
}

static stele_status keep_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct complete_bed *bed = ctx;
    (void)err;
    if (bed->n_found < COMPLETE_BED_HITS_MAX) {
        bed->found[bed->n_found++] =
            (struct plan_hit){event->log, event->entry.seq, event->entry.time_us};
    }
    return STELE_OK;
}

stele_status complete_bed_judge(struct complete_bed *bed, stele_view file, size_t piece,
                                stele_err *err) {
    struct stele_verifier *v = NULL;
    stele_status st = STELE_OK;
    bed->n_found = 0;
    stele_verify_report_done(&bed->report);
    STELE_TRY(stele_verifier_new(bed->keys, bed->n_logs, keep_event, bed, &v, err));
    stele_verifier_require_witnesses(v, bed->witnesses, bed->n_witnesses, bed->quorum);
    stele_verifier_remember(v, bed->state);
    for (size_t at = 0; at < file.size; at += piece) {
        size_t size = piece < file.size - at ? piece : file.size - at;
        STELE_TRY(stele_verifier_feed(v, stele_view_slice(file, at, size), err));
    }
    STELE_TRY(stele_verifier_end(v, &bed->report, err));
cleanup:
    stele_verifier_free(v);
    return st;
}
