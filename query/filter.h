/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/filter.h: a SearchRequest judged: what is asked, in the form that planner, search and
 * verifier share, or a refusal that names the member and the rule. Layer: query. Pure.
 *
 * Two requests that ask the same give the same question, byte for byte once encoded: logs are
 * sorted, conditions stand in the order of the schema. Cursors and answer files rest on that.
 */
#ifndef STELE_QUERY_FILTER_H
#define STELE_QUERY_FILTER_H

#include "proto/event_filter.h"
#include "proto/query_wire.h"

/* A log that the caller remembers, of so many entries. */
struct stele_query_known {
    stele_buf origin;
    uint64_t size_leaves;
};
struct stele_query_question {
    struct stele_question asked; /* region, logs (sorted, distinct), filter, limit */
    bool descending;
    bool prove;
    bool complete;    /* prove that nothing was left out, too: decided by query/complete.h */
    stele_buf cursor; /* its text; empty: from the start */
    size_t n_known;
    struct stele_query_known *known; /* owned; these four are no part of what is asked */
    size_t open_condition;           /* complete: number, from 1, of the one proven by; 0: any */
    bool count_only;                 /* complete: the number alone */
    bool strict; /* complete: events beyond the limit are shown in the log, too */
};

void stele_query_question_init(struct stele_query_question *question);
void stele_query_question_done(struct stele_query_question *question);
/*
 * ret is initialised; it copies what it needs of the request. Errors: INVALID, LIMIT, NO_MEMORY, in
 * which case ret may be half filled and still wants _done.
 *
 * `correlation` takes "trace:<32 hex digits>" for a W3C trace id, whose index key is its 16 raw
 * bytes.
 */
STELE_MUST_USE stele_status stele_query_question_of(const struct stele_search_request *request,
                                                    struct stele_query_question *ret,
                                                    stele_err *err);
/* True if the system log belongs to the question of a region though it is not named. */
bool stele_query_question_wants_system(const struct stele_query_question *question);

/* "<region>/<log>" cut in two; both borrow `name`. Errors: INVALID. */
STELE_MUST_USE stele_status stele_query_split_log(stele_view name, stele_view *ret_region,
                                                  stele_view *ret_log, stele_err *err);

#endif
