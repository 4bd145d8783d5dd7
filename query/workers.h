/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/workers.h: a few threads and one bounded queue of jobs. Layer: query.
 *
 * A job is a member of its owner's struct and is queued at most once: the queue allocates nothing
 * and submitting cannot fail for want of memory. First come, first served; a job that has more to
 * do than one turn submits itself again and goes to the end.
 */
#ifndef STELE_QUERY_WORKERS_H
#define STELE_QUERY_WORKERS_H

#include "storage/bytes.h"

struct stele_workers;
struct stele_job {
    void (*run)(struct stele_job *job); /* on a worker; may free the job's owner */
    struct stele_job *next, *prev;      /* the queue's */
    bool queued;
};

/* queue_max: jobs waiting. Errors: INVALID (no threads, or over 64), NO_MEMORY, IO (no thread). */
STELE_MUST_USE stele_status stele_workers_new(uint32_t n_threads, uint32_t queue_max,
                                              struct stele_workers **ret, stele_err *err);
/* Runs what is queued to its end and joins the threads; nothing may be submitted from outside any
 * more. NULL is fine. */
void stele_workers_free(struct stele_workers *workers);

/* Threads: any, also from a job. Errors: BUSY (the queue is full). */
STELE_MUST_USE stele_status stele_workers_submit(struct stele_workers *workers,
                                                 struct stele_job *job, stele_err *err);
/* The same, but only where a thread has nothing to do: false, and nothing is submitted, where none
 * has. For work that helps another job and is not worth waiting for. */
STELE_MUST_USE bool stele_workers_submit_idle(struct stele_workers *workers, struct stele_job *job);
/* How many jobs are waiting: for one that gives way to them. Lives as long as the workers. */
const _Atomic uint32_t *stele_workers_waiting(const struct stele_workers *workers);
/* True: the job was waiting and now will not run. False: it runs, has run, or was never submitted.
 */
bool stele_workers_withdraw(struct stele_workers *workers, struct stele_job *job);

#endif
