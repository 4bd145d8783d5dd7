/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/complete.h: complete answers: the file that also proves that no event was left out. Layer:
 * query. Format: storage/FORMAT.md, "Answer file, version 2".
 *
 * Every log of the scope opens the histories of its rarest key in the segments that its newest
 * INDEX commits to; their entries are merged in the order of the file. Made in slices, like a
 * search; memory is one segment's opening and one entry a log.
 */
#ifndef STELE_QUERY_COMPLETE_H
#define STELE_QUERY_COMPLETE_H

#include <stdatomic.h>

#include "query/scope.h"

/*
 * Why the answer to a question cannot be complete, in words for who asked; NULL: it can.
 * may_read_all: the caller may read every tenant of the region. A proof discloses the keys of a
 * log's tags, with which every tenant's tags can be told: who may read one tenant only gets one
 * from logs reserved for that tenant.
 */
const char *stele_complete_refusal(const struct stele_query_question *question,
                                   struct stele_store *store, bool may_read_all);

struct stele_complete_options {
    uint64_t rows_budget;    /* entries given */
    uint64_t time_budget_us; /* of work */
    const atomic_bool *stop; /* borrowed */
    /* What the caller remembers of logs; borrowed for _new. */
    const struct stele_query_known *known;
    size_t n_known;
    size_t open_condition; /* number, from 1, of the condition to prove by; 0: the rarest */
    bool strict;           /* every event is shown in its log */
    bool count_only;       /* how many there are, and none of them */
};
struct stele_complete;
/* Appends question, logs, and what each rests on to `out`. The scope was opened for a complete
 * answer; it and the question are borrowed. */
STELE_MUST_USE stele_status stele_complete_new(const struct stele_scope *scope,
                                               const struct stele_question *question,
                                               const struct stele_complete_options *options,
                                               struct stele_complete **ret, stele_buf *out,
                                               stele_err *err);
void stele_complete_free(struct stele_complete *complete);
/* Appends what comes next, up to about bytes_enough or for a slice's time. ret_done: the file is
 * whole. Errors: LIMIT (a budget is spent: half a proof proves nothing), those of storage. */
STELE_MUST_USE stele_status stele_complete_step(struct stele_complete *complete,
                                                size_t bytes_enough, uint64_t slice_us,
                                                stele_buf *out, bool *ret_done, stele_err *err);
/* Events that meet the question, and entries in the file. */
void stele_complete_counts(const struct stele_complete *complete, uint64_t *ret_hits,
                           uint64_t *ret_rows);

#endif
