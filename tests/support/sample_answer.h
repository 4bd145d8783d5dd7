/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/sample_answer.h: answer files over sample logs: which entries are in is the test's
 * choice, the order is the file's. Running out of memory ends the program.
 */
#ifndef STELE_TESTS_SUPPORT_SAMPLE_ANSWER_H
#define STELE_TESTS_SUPPORT_SAMPLE_ANSWER_H

#include "storage/answer.h"
#include "tests/support/sample_log.h"

struct sample_answer {
    struct sample_log *const *logs; /* ascending by origin */
    size_t n_logs;
    const uint64_t *sizes; /* of the checkpoints; NULL: everything */
    /* Is this event in the answer? NULL: all are. */
    bool (*wants)(void *ctx, size_t log, uint64_t seq);
    void *ctx;
    bool cut;
};
/* The wanted events in the file's order; gives their count. Both arrays have room for all entries.
 */
size_t sample_answer_order(const struct sample_answer *answer, uint8_t logs[], uint64_t seqs[]);
/* Appends the file. */
void sample_answer_write(const struct sample_answer *answer, stele_view question, stele_buf *file);

/* Reads a whole file in one piece; the sink may be NULL. */
stele_status sample_answer_read(stele_view file, const struct stele_vkey *keys, size_t n_keys,
                                const struct stele_answer_sink *sink,
                                struct stele_answer_report *ret, stele_err *err);

#endif
