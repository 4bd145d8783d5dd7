/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/fraud_case.h: model logs that lie, each in one way, and the proof of it.
 */
#ifndef STELE_TESTS_SUPPORT_FRAUD_CASE_H
#define STELE_TESTS_SUPPORT_FRAUD_CASE_H

#include "storage/audit.h"
#include "tests/support/complete_one.h"

struct fraud_case {
    struct one x;          /* its log lies; the question is about actor u-1 */
    struct cm_log *honest; /* the same operator's log of the same size, without the lie */
    stele_buf note, honest_note;
    stele_buf proof;
};
struct fraud_lie {
    const char *name;
    stele_fraud_kind kind;
    void (*make)(struct fraud_case *c); /* the lie, and c->proof */
};
extern const struct fraud_lie fraud_lies[];
extern const size_t n_fraud_lies;

void fraud_case_begin(struct fraud_case *c, const struct fraud_lie *lie);
void fraud_case_end(struct fraud_case *c);

#endif
