/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/doubt.c: per log, how far its events are known, and whether that may fall short of the
 * log.
 *
 * `known` rises with every commit while there is no doubt. In doubt it stays until a resolve has
 * read on; the doubt ends when the read reached past a commit that succeeded after the failure:
 * whatever the log adopted, it adopted before that. Reading something twice is harmless.
 */
#include "ingest/doubt.h"

#include <pthread.h>
#include <stdatomic.h>

#include "ingest/recall.h"

struct log_doubt {
    atomic_bool doubted; /* read without the lock, so that the usual case costs nothing */
    pthread_mutex_t lock;
    uint64_t known; /* under the lock: events below it are in the window */
    uint64_t proof; /* under the lock: first seq of a commit after the failure; 0: none yet */
};

struct stele_doubt {
    struct stele_store *store;
    struct stele_dedup *dedup;
    size_t n_logs;
    struct log_doubt log[];
};

void stele_doubt_free(struct stele_doubt *doubt) {
    if (doubt == NULL) {
        return;
    }
    for (size_t i = 0; i < doubt->n_logs; i++) {
        (void)pthread_mutex_destroy(&doubt->log[i].lock);
    }
    stele_free(doubt);
}

stele_status stele_doubt_new(struct stele_store *store, struct stele_dedup *dedup,
                             struct stele_doubt **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_log_view *view = NULL;
    size_t n_logs = stele_store_n_logs(store);
    struct stele_doubt *doubt = stele_alloc(1, sizeof *doubt + n_logs * sizeof doubt->log[0]);
    if (doubt == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the logs of region '%s'",
                          stele_store_region(store));
    }
    doubt->store = store;
    doubt->dedup = dedup;
    for (size_t i = 0; i < n_logs; i++) {
        atomic_init(&doubt->log[i].doubted, false);
        (void)pthread_mutex_init(&doubt->log[i].lock, NULL);
        doubt->n_logs++;
        STELE_TRY(stele_log_view_open(stele_store_log_at(store, i), &view, err));
        doubt->log[i].known = stele_log_view_size(view);
        stele_log_view_close(view);
        view = NULL;
    }
    *ret = doubt;
    doubt = NULL;
cleanup:
    stele_doubt_free(doubt);
    return st;
}

void stele_doubt_committed(struct stele_doubt *doubt, uint32_t log, uint64_t first_seq,
                           uint64_t n) {
    struct log_doubt *d = &doubt->log[log];
    (void)pthread_mutex_lock(&d->lock);
    if (!atomic_load(&d->doubted)) {
        d->known = first_seq + n;
    } else if (d->proof == 0) {
        d->proof = first_seq;
    }
    (void)pthread_mutex_unlock(&d->lock);
}

void stele_doubt_failed(struct stele_doubt *doubt, uint32_t log) {
    struct log_doubt *d = &doubt->log[log];
    (void)pthread_mutex_lock(&d->lock);
    d->proof = 0;
    atomic_store(&d->doubted, true);
    (void)pthread_mutex_unlock(&d->lock);
}

/* Not under the lock while it reads: the committer needs it. Two requests may read the same. */
stele_status stele_doubt_resolve(struct stele_doubt *doubt, uint32_t log, stele_err *err) {
    struct log_doubt *d = &doubt->log[log];
    uint64_t size = 0;
    if (!atomic_load(&d->doubted)) {
        return STELE_OK;
    }
    (void)pthread_mutex_lock(&d->lock);
    uint64_t known = d->known;
    (void)pthread_mutex_unlock(&d->lock);
    stele_status st = stele_recall_range(doubt->store, log, known, doubt->dedup, &size, err);
    if (st != STELE_OK) {
        return st;
    }
    (void)pthread_mutex_lock(&d->lock);
    d->known = size > d->known ? size : d->known;
    if (d->proof != 0 && d->proof < size) {
        atomic_store(&d->doubted, false);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return STELE_OK;
}
