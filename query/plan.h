/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/plan.h: how one log is searched: which entries can be meant at all, and which key's
 * postings lead to them. Layer: query.
 *
 * Entries are read by the rarest key; whether an event meets the other conditions is seen on the
 * event itself, so a plan can cost time but never an answer. Where the second rarest key has not
 * too many postings, only entries that have both are read: a posting costs a hundredth of an event.
 */
#ifndef STELE_QUERY_PLAN_H
#define STELE_QUERY_PLAN_H

#include "query/scope.h"

#define STELE_PLAN_KEYS_MAX                                                                        \
    (STELE_FILTER_CONDITIONS_MAX + 1) /* every condition, and the tenant                           \
                                       */
/* No other key is looked up once one has at most this many postings in a log: reading them costs
 * less than asking how many another has. */
#define STELE_PLAN_RARE 64
/* A second key narrows the answer where it has at most so many times the postings of the rarest:
 * at 10 to 20 ns each that is an eighth of what an event costs to read, if it spares nothing. */
#define STELE_PLAN_NARROWING 64
/* The postings of a key that nobody had to count: there was no other to choose. */
#define STELE_PLAN_UNCOUNTED UINT64_MAX

struct stele_plan_key {
    struct stele_index_key key;                    /* borrows the filter */
    const struct stele_event_condition *condition; /* NULL: the tenant's own key */
    struct stele_index_stats stats;
};
struct stele_plan {
    uint64_t lo, hi; /* entries that the ranges can mean: [lo, hi), by log time */
    struct stele_time_range range;
    size_t n_keys; /* 0: a scan */
    struct stele_plan_key key[STELE_PLAN_KEYS_MAX];
    size_t chosen; /* the rarest of them */
    bool narrows;  /* entries have the key `second`, too */
    size_t second;
    bool empty; /* nothing of this log can match */
};

/* How much is looked up before a key is chosen. */
typedef enum stele_plan_effort {
    STELE_PLAN_TO_SEARCH,  /* until one is rare enough, and as far as it can be chosen; a tenant's
                              own key only where there is no other */
    STELE_PLAN_TO_EXPLAIN, /* every key there is, to its end */
} stele_plan_effort;
/* filter is borrowed by ret. Reads the index. Errors: those of storage. */
STELE_MUST_USE stele_status stele_plan_of(const struct stele_scope_log *log,
                                          const struct stele_event_filter *filter,
                                          stele_plan_effort effort, struct stele_plan *ret,
                                          stele_err *err);
/* "actor = u-1", "tenant = acme" or "scan": what is read; and one key alone. Append. */
STELE_MUST_USE stele_status stele_plan_print(const struct stele_plan *plan, stele_buf *out,
                                             stele_err *err);
STELE_MUST_USE stele_status stele_plan_key_print(const struct stele_plan_key *key, stele_buf *out,
                                                 stele_err *err);

#endif
