/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/work.c: one list of work that is due, one of work that is not, and threads that take from
 * them. */
#include "ingest/work.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "storage/monotonic.h"
#include "storage/thread.h"

#define THREADS_MAX 64 /* no caller asks for more */

struct stele_work_pool {
    pthread_mutex_t lock;
    pthread_cond_t posted;
    struct stele_work *first, *last; /* due, oldest first */
    struct stele_work *later;        /* by due_us; a few: busy streams and journals */
    bool ending;
    unsigned n_running;
    unsigned n_threads;
    pthread_t thread[THREADS_MAX];
};

static void push_due(struct stele_work_pool *pool, struct stele_work *work) {
    work->next = NULL;
    if (pool->last == NULL) {
        pool->first = work;
    } else {
        pool->last->next = work;
    }
    pool->last = work;
}

/* The next piece, or NULL when the pool ends and nothing is left or running that could post more.
 */
static struct stele_work *take(struct stele_work_pool *pool) {
    for (;;) {
        uint64_t now_us = pool->later == NULL ? 0 : stele_monotonic_us();
        while (pool->later != NULL && (pool->ending || pool->later->due_us <= now_us)) {
            struct stele_work *due = pool->later;
            pool->later = due->next;
            push_due(pool, due);
        }
        struct stele_work *work = pool->first;
        if (work != NULL) {
            pool->first = work->next;
            if (pool->first == NULL) {
                pool->last = NULL;
            }
            return work;
        }
        if (pool->ending && pool->n_running == 0) {
            return NULL;
        }
        if (pool->later == NULL) {
            (void)pthread_cond_wait(&pool->posted, &pool->lock);
        } else {
            struct timespec until = {.tv_sec = (time_t)(pool->later->due_us / 1000000),
                                     .tv_nsec = (long)(pool->later->due_us % 1000000) * 1000};
            (void)pthread_cond_timedwait(&pool->posted, &pool->lock, &until);
        }
    }
}

static void *work_loop(void *arg) {
    struct stele_work_pool *pool = arg;
    (void)pthread_mutex_lock(&pool->lock);
    struct stele_work *work = NULL;
    while ((work = take(pool)) != NULL) {
        pool->n_running++;
        (void)pthread_mutex_unlock(&pool->lock);
        work->run(work); /* may free or post the piece: it is not touched afterwards */
        (void)pthread_mutex_lock(&pool->lock);
        pool->n_running--;
    }
    (void)pthread_cond_broadcast(&pool->posted); /* the others see the end too */
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void post_locked_done(struct stele_work_pool *pool) {
    (void)pthread_cond_signal(&pool->posted);
    (void)pthread_mutex_unlock(&pool->lock);
}

void stele_work_post(struct stele_work_pool *pool, struct stele_work *work) {
    (void)pthread_mutex_lock(&pool->lock);
    push_due(pool, work);
    post_locked_done(pool);
}

void stele_work_post_later(struct stele_work_pool *pool, struct stele_work *work,
                           uint64_t delay_us) {
    work->due_us = stele_monotonic_us() + delay_us;
    (void)pthread_mutex_lock(&pool->lock);
    struct stele_work **at = &pool->later;
    while (*at != NULL && (*at)->due_us <= work->due_us) {
        at = &(*at)->next;
    }
    work->next = *at;
    *at = work;
    post_locked_done(pool);
}

static void end_threads(struct stele_work_pool *pool) {
    (void)pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    (void)pthread_cond_broadcast(&pool->posted);
    (void)pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_threads; i++) {
        (void)pthread_join(pool->thread[i], NULL);
    }
}

stele_status stele_work_pool_new(unsigned n_threads, struct stele_work_pool **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_work_pool *pool = stele_alloc(1, sizeof *pool);
    if (pool == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a pool of %u threads", n_threads);
    }
    /* Waiting by the monotonic clock: the wall clock may step, and work would be late by as much.
     */
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&pool->posted, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&pool->lock, NULL);
    n_threads = n_threads == 0 ? 1 : (n_threads > THREADS_MAX ? THREADS_MAX : n_threads);
    for (unsigned i = 0; i < n_threads; i++) {
        int code = stele_thread_start(&pool->thread[i], "append", work_loop, pool);
        if (code != 0) {
            st = STELE_FAIL_ERRNO(err, code, "thread %u of %u of a pool does not start", i + 1,
                                  n_threads);
            goto cleanup;
        }
        pool->n_threads++;
    }
    *ret = pool;
    pool = NULL;
cleanup:
    stele_work_pool_free(pool);
    return st;
}

void stele_work_pool_free(struct stele_work_pool *pool) {
    if (pool == NULL) {
        return;
    }
    end_threads(pool);
    (void)pthread_cond_destroy(&pool->posted);
    (void)pthread_mutex_destroy(&pool->lock);
    stele_free(pool);
}
