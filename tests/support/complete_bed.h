/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/complete_bed.h: a region of three logs over five months, 1y, 3y and system, and the
 * verifier over complete answers about them.
 */
#ifndef STELE_TESTS_SUPPORT_COMPLETE_BED_H
#define STELE_TESTS_SUPPORT_COMPLETE_BED_H

#include <stdio.h>

#include "proto/verify.h"
#include "tests/support/complete_plan.h"

#define COMPLETE_BED_HITS_MAX 4096

struct complete_bed {
    size_t n_logs;
    struct cm_log *logs[3]; /* 1y, 3y, system */
    struct stele_vkey keys[3];
    const struct stele_witness *witnesses; /* n_witnesses, of which quorum are needed */
    size_t n_witnesses, quorum;
    struct stele_verify_state *state; /* what is remembered; NULL: nothing */
    stele_buf file;
    struct stele_verify_report
        report; /* of the last judgement that was OK; its question is freed */
    size_t n_found;
    struct plan_hit found[COMPLETE_BED_HITS_MAX];
    struct plan_hit wanted[COMPLETE_BED_HITS_MAX];
};
int complete_bed_setup(void **state);
int complete_bed_teardown(void **state);
/* Region eu-1, tenant acme, all logs, all times. */
void complete_bed_question(struct stele_question *ret);
/* Verifies in pieces; fills `found`, and `report` where the status is OK. */
stele_status complete_bed_judge(struct complete_bed *bed, stele_view file, size_t piece,
                                stele_err *err);

#endif
