/* SPDX-License-Identifier: Apache-2.0 */
/* query/workers.c: one lock, one condition, a doubly linked list. */
#include "query/workers.h"

#include <assert.h>
#include <pthread.h>

#include "query/limits.h"
#include "storage/thread.h"

struct stele_workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct stele_job *first, *last;
    _Atomic uint32_t n_queued; /* written under the lock */
    uint32_t queue_max;
    uint32_t n_idle; /* threads that wait for a job */
    bool closing;
    uint32_t n_threads;
    pthread_t thread[STELE_QUERY_WORKERS_MAX];
};

static void unlink_job(struct stele_workers *workers, struct stele_job *job) {
    *(job->prev == NULL ? &workers->first : &job->prev->next) = job->next;
    *(job->next == NULL ? &workers->last : &job->next->prev) = job->prev;
    job->next = job->prev = NULL;
    job->queued = false;
    workers->n_queued--;
}

static void *work(void *arg) {
    struct stele_workers *workers = arg;
    (void)pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (workers->first == NULL && !workers->closing) {
            workers->n_idle++;
            (void)pthread_cond_wait(&workers->more, &workers->lock);
            workers->n_idle--;
        }
        struct stele_job *job = workers->first;
        if (job == NULL) {
            break;
        }
        unlink_job(workers, job);
        (void)pthread_mutex_unlock(&workers->lock);
        job->run(job);
        (void)pthread_mutex_lock(&workers->lock);
    }
    (void)pthread_mutex_unlock(&workers->lock);
    return NULL;
}

stele_status stele_workers_new(uint32_t n_threads, uint32_t queue_max, struct stele_workers **ret,
                               stele_err *err) {
    if (n_threads == 0 || n_threads > STELE_QUERY_WORKERS_MAX) {
        return STELE_FAIL(err, INVALID, "%u query workers: there must be 1 to %u", n_threads,
                          STELE_QUERY_WORKERS_MAX);
    }
    struct stele_workers *workers = stele_alloc(1, sizeof *workers);
    if (workers == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the query workers");
    }
    (void)pthread_mutex_init(&workers->lock, NULL);
    (void)pthread_cond_init(&workers->more, NULL);
    workers->queue_max = queue_max;
    for (; workers->n_threads < n_threads; workers->n_threads++) {
        int problem =
            stele_thread_start(&workers->thread[workers->n_threads], "query", work, workers);
        if (problem != 0) {
            stele_workers_free(workers);
            return STELE_FAIL_ERRNO(err, problem, "a query worker thread cannot be started");
        }
    }
    *ret = workers;
    return STELE_OK;
}

void stele_workers_free(struct stele_workers *workers) {
    if (workers == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&workers->lock);
    workers->closing = true;
    (void)pthread_cond_broadcast(&workers->more);
    (void)pthread_mutex_unlock(&workers->lock);
    for (uint32_t i = 0; i < workers->n_threads; i++) {
        (void)pthread_join(workers->thread[i], NULL);
    }
    assert(workers->first == NULL);
    (void)pthread_cond_destroy(&workers->more);
    (void)pthread_mutex_destroy(&workers->lock);
    stele_free(workers);
}

static void link_job(struct stele_workers *workers, struct stele_job *job) {
    assert(!job->queued);
    job->prev = workers->last;
    job->next = NULL;
    *(workers->last == NULL ? &workers->first : &workers->last->next) = job;
    workers->last = job;
    job->queued = true;
    workers->n_queued++;
    (void)pthread_cond_signal(&workers->more);
}

stele_status stele_workers_submit(struct stele_workers *workers, struct stele_job *job,
                                  stele_err *err) {
    (void)pthread_mutex_lock(&workers->lock);
    if (workers->n_queued >= workers->queue_max) {
        (void)pthread_mutex_unlock(&workers->lock);
        return STELE_FAIL(err, BUSY, "%u queries are waiting already; try again later",
                          workers->queue_max);
    }
    link_job(workers, job);
    (void)pthread_mutex_unlock(&workers->lock);
    return STELE_OK;
}

bool stele_workers_submit_idle(struct stele_workers *workers, struct stele_job *job) {
    (void)pthread_mutex_lock(&workers->lock);
    bool idle = workers->n_idle > workers->n_queued; /* who was woken for a job still counts */
    if (idle) {
        link_job(workers, job);
    }
    (void)pthread_mutex_unlock(&workers->lock);
    return idle;
}

const _Atomic uint32_t *stele_workers_waiting(const struct stele_workers *workers) {
    return &workers->n_queued;
}

bool stele_workers_withdraw(struct stele_workers *workers, struct stele_job *job) {
    (void)pthread_mutex_lock(&workers->lock);
    bool waiting = job->queued;
    if (waiting) {
        unlink_job(workers, job);
    }
    (void)pthread_mutex_unlock(&workers->lock);
    return waiting;
}
