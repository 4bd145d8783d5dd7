/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/answer_pair.h: one answer file over two logs, to be damaged and forged. Logs a and
 * b have nine entries each, 3 a CONTROL, with equal times across the logs. Of a, events 2, 4 and 5
 * are in the file; of b, 0, 5 and 8; in its order: b0 a2 a4 a5 b5 b8.
 */
#ifndef STELE_TESTS_SUPPORT_ANSWER_PAIR_H
#define STELE_TESTS_SUPPORT_ANSWER_PAIR_H

#include "tests/support/answer_forge.h"
#include "tests/support/sample_answer.h"

struct pair {
    struct sample_log a, b, stranger;
    struct sample_log *logs[2];
    struct stele_vkey keys[2];
    stele_buf file;
    struct forged f; /* for the test */
    stele_buf out;   /* for the test */
};
void pair_fill(struct sample_log *log, const char *origin, uint8_t seed);
int pair_setup(void **state);
int pair_teardown(void **state);
/* Reads a file with the keys of a and b. */
stele_status pair_judge(const struct pair *x, stele_view file, stele_err *err);
/* The body of the i-th chunk of a type in x->f. */
stele_buf *pair_body(struct pair *x, uint8_t type, size_t i);

#endif
