/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/query.h: the Query and Log services over the regions this server has. Layer: query.
 *
 * A search is a state machine that makes one message at a time on a small pool of worker threads
 * and goes on when the transport has taken it: memory does not grow with the answer, and a slow
 * reader holds no thread.
 */
#ifndef STELE_QUERY_QUERY_H
#define STELE_QUERY_QUERY_H

#include "proto/access.h"
#include "storage/store.h"

struct stele_query;
struct stele_query_config {
    struct stele_store *const *stores; /* borrowed */
    size_t n_stores;
    const struct stele_access *access;
    uint32_t n_workers;      /* 0: 2 */
    uint32_t searches_max;   /* open searches; 0: 256; of one client 64 at most */
    uint64_t rows_budget;    /* events examined by one call; 0: 50,000,000 */
    uint32_t time_budget_ms; /* work of one call, waiting for the reader not counted; 0: 600,000 */
};
STELE_MUST_USE stele_status stele_query_new(const struct stele_query_config *config,
                                            struct stele_query **ret, stele_err *err);
/* After the server drained and before it is freed: a worker may be in the middle of a call that is
 * over, and ends it here. NULL is fine. */
void stele_query_free(struct stele_query *query);
const struct stele_rpc_method *stele_query_methods(struct stele_query *query, size_t *ret_n);

#endif
