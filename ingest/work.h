/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/work.h: the threads that do what a completion queue and a committer must not wait for.
 * Layer: ingest.
 *
 * A piece of work is embedded in what it works on, so that posting allocates nothing and cannot
 * fail; how much can be posted is bounded by those who own the pieces. A piece is posted again only
 * after it began to run. Work runs in the order of posting, or of its time. It must never wait for
 * other work of the same pool: what depends on another piece is posted by that piece.
 */
#ifndef STELE_INGEST_WORK_H
#define STELE_INGEST_WORK_H

#include "storage/bytes.h"

struct stele_work {
    struct stele_work *next; /* the pool's, while posted */
    void (*run)(struct stele_work *work);
    uint64_t due_us; /* the pool's, while posted */
};

struct stele_work_pool;
/* Errors: NO_MEMORY, IO (threads cannot be started). */
STELE_MUST_USE stele_status stele_work_pool_new(unsigned n_threads, struct stele_work_pool **ret,
                                                stele_err *err);
/* Runs everything that was posted, also what is not due yet, and what that posts; then ends the
 * threads. NULL is fine. */
void stele_work_pool_free(struct stele_work_pool *pool);
/* From any thread. */
void stele_work_post(struct stele_work_pool *pool, struct stele_work *work);
/* Runs it `delay_us` later, or at once when the pool is being freed. Not for exact times. */
void stele_work_post_later(struct stele_work_pool *pool, struct stele_work *work,
                           uint64_t delay_us);

#endif
