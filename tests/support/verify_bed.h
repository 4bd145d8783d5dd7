/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/verify_bed.h: two logs, 1y and 3y, of twelve entries each (both keep three years;
 * no event asks for a class), with events of actors u-1 and u-2; a question; and the verifier over
 * files made of them.
 */
#ifndef STELE_TESTS_SUPPORT_VERIFY_BED_H
#define STELE_TESTS_SUPPORT_VERIFY_BED_H

#include "proto/verify.h"
#include "tests/support/sample_answer.h"

struct verify_bed {
    struct sample_log one, three;
    struct sample_log *logs[2];
    struct stele_vkey keys[2];
    struct stele_question question; /* region eu-1 at first */
    const char *actor;              /* whose events are in the answer; NULL: everybody's */
    stele_buf file;
};
int verify_bed_setup(void **state);
int verify_bed_teardown(void **state);
void verify_bed_fill(struct sample_log *log, const char *origin, uint8_t seed);
/* Sets a buffer to a text. */
void verify_bed_put(stele_buf *buf, const char *text);
/* Makes the file: an answer over the first n_logs logs. */
void verify_bed_write(struct verify_bed *f, size_t n_logs);

struct verify_counted {
    unsigned events;
    uint64_t last_time_us;
};
/* In pieces of `piece` bytes. ret: free with stele_verify_report_done where the status is OK. */
stele_status verify_bed_verify(struct verify_bed *f, stele_view file, size_t piece,
                               struct verify_counted *counted, struct stele_verify_report *ret,
                               stele_err *err);
/* The verdict on the file alone. */
stele_status verify_bed_judge(struct verify_bed *f, stele_err *err);

#endif
