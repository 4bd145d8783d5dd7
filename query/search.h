/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/search.h: the events of a scope that meet a filter, pulled one at a time in the order (log
 * time, log name, seq) or its reverse. Layer: query.
 *
 * Each log gives candidates by its plan; they are merged, and every candidate is read and checked
 * as a whole, so that an answer never rests on the index alone. What is merged are candidates, not
 * hits: so a search that is stopped anywhere has a place in every log below which all is answered,
 * and goes on from there without loss or repetition, however rare the hits are. Memory: one entry a
 * log.
 *
 * One thread at a time; which thread may change between calls. Where entries are read by a key and
 * a worker has nothing to do, it opens what is read next.
 */
#ifndef STELE_QUERY_SEARCH_H
#define STELE_QUERY_SEARCH_H

#include <stdatomic.h>

#include "query/cursor.h"
#include "query/plan.h"
#include "query/workers.h"

struct stele_search_options {
    bool descending;
    uint64_t limit;          /* hits; 0: none */
    uint64_t rows_budget;    /* candidates examined; over 0 */
    uint64_t time_budget_us; /* of work, inside slices; over 0 */
    bool for_proofs;         /* hits come with what proves them (storage/log.h, stele_log_read) */
    const struct stele_places *from; /* borrowed during open; NULL: from the start */
    struct stele_workers *helpers; /* borrowed; one that is idle opens frames ahead; may be NULL */
    const atomic_bool *stop;  /* borrowed; set by any thread: pause at the next row; may be NULL */
    uint64_t (*now_us)(void); /* a clock that never falls; NULL: the system's */
};

struct stele_search_hit {
    size_t log; /* of the scope */
    const struct stele_stored_entry *entry;
};
typedef enum stele_search_got {
    STELE_SEARCH_HIT,   /* *ret_hit is set; valid until the next call */
    STELE_SEARCH_PAUSE, /* the slice is over: begin another and call again */
    STELE_SEARCH_END,   /* all answered, or the limit or budget is reached; see _outcome */
} stele_search_got;

struct stele_search_outcome {
    uint64_t hits;
    uint64_t rows_examined;
    bool whole;        /* nothing is left to examine */
    bool budget_spent; /* the budget, not the limit, ended it */
};

struct stele_search;
/* Plans every log. scope and filter are borrowed until _close. Errors: those of storage. */
STELE_MUST_USE stele_status stele_search_open(const struct stele_scope *scope,
                                              const struct stele_event_filter *filter,
                                              const struct stele_search_options *options,
                                              struct stele_search **ret, stele_err *err);
void stele_search_close(struct stele_search *search);

/* Work is done in slices: the time budget counts what lies between _begin and _pause. */
void stele_search_begin(struct stele_search *search, uint64_t slice_us);
void stele_search_pause(struct stele_search *search);
/* Gives up what the search holds of storage but the views; the next call opens it again at its
 * places. For searches that wait for their reader when there are many of them. */
void stele_search_rest(struct stele_search *search);
STELE_MUST_USE stele_status stele_search_next(struct stele_search *search,
                                              stele_search_got *ret_got,
                                              struct stele_search_hit *ret_hit, stele_err *err);

void stele_search_outcome(const struct stele_search *search, struct stele_search_outcome *ret);
/* Where to go on: all before these places has been examined and given out. */
void stele_search_places(const struct stele_search *search, struct stele_places *ret);

#endif
