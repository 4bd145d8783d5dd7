/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/committer.c: the only writer of a log. One thread a log takes what is queued, gives every
 * event its place, makes one durable record of it (group commit), and only then acknowledges (I1,
 * I2).
 *
 * It also signs checkpoints, because they go through the same record chain: a note is synced before
 * anyone sees it (I5). After a failed append nothing more is written until the chain has been
 * claimed and read again, so that a record which landed after all is adopted and one which did not
 * is gone.
 */
#include <assert.h>
#include <string.h>
#include <time.h>

#include "storage/log_parts.h"

#include "storage/monotonic.h"
#include "storage/thread.h"

/* One record: small enough to stay far below STELE_RECORD_BYTES_MAX, large enough that the sync is
 * shared by many batches. */
#define GROUP_EVENTS_MAX 16384
#define GROUP_BYTES_MAX (8u << 20)
/* Closed tails in memory, about 25 MB each: beyond it the disk is slower than the clients. */
#define UNPACKED_MAX 8
/* A log that failed is tried again soon, because a short failure must not stop clients for long,
 * and then less and less often, because each try reads the log of the engine. */
#define RETRY_US_MIN 10000
#define RETRY_US_MAX 1000000

stele_status stele_log__append_record(struct stele_log *log, stele_buf *record,
                                      struct stele_record *head, stele_err *err) {
    struct stele_append_wait wait = STELE_APPEND_WAIT_INIT;
    log->engine->ops->append(log->engine, log->name, log->epoch, log->pos, stele_view_buf(record),
                             stele_append__tell, &wait);
    stele_status st = stele_append__await(&wait, err);
    if (st == STELE_OK) {
        log->pos++;
        memcpy(log->prev, head->hash, STELE_HASH_BYTES);
    }
    return st;
}

static uint64_t commit_time(struct stele_log *log) {
    uint64_t clock_us = stele_store_now_us(log->store);
    uint64_t least = log->head.time_us > log->floor_us ? log->head.time_us : log->floor_us;
    return stele_log__watch_clock(log, clock_us, least);
}

static stele_status commit(struct stele_log *log, struct stele_batch *first, stele_err *err) {
    struct stele_group group;
    const struct stele_tag_key *key = NULL;
    stele_status st = STELE_OK;
    uint64_t now = commit_time(log);
    STELE_TRY(stele_group__begin(&group, log, err));
    STELE_TRY(stele_group__stage_month(&group, now, &key, err));
    for (struct stele_batch *batch = first; batch != NULL; batch = batch->next) {
        batch->refused.status = stele_group__check_batch(&group, batch, now, &batch->refused);
        if (batch->refused.status == STELE_OK) {
            STELE_TRY(stele_group__stage_batch(&group, batch, now, &key, err));
        }
    }
    if (group.n_entries > 0) {
        STELE_TRY(stele_group__finish(&group, err));
        STELE_TRY(stele_log__append_record(log, &group.record, &group.head, err));
        stele_group__publish(&group);
        (void)pthread_mutex_lock(&log->lock);
        log->now_era = log->head.era;
        log->now_key = key;
        if (log->checkpoint_due_us == 0) {
            log->checkpoint_due_us =
                stele_monotonic_us() + (uint64_t)log->checkpoint_interval_ms * 1000u;
        }
        bool wake = log->data_end > log->covered && stele_log__index_arm(log);
        (void)pthread_mutex_unlock(&log->lock);
        if (wake) {
            stele_indexer__wake(log->indexer);
        }
    }
cleanup:
    stele_group__done(&group);
    return st;
}

static void answer(struct stele_batch *first, stele_status st, const stele_err *err) {
    while (first != NULL) {
        struct stele_batch *batch = first;
        first = batch->next;
        bool refused = st == STELE_OK && batch->refused.status != STELE_OK;
        stele_status own = refused ? batch->refused.status : st;
        const stele_err *why = refused ? &batch->refused : err;
        batch->done(batch->done_arg, own, why, &batch->place);
        stele_batch_free(batch);
    }
}

stele_status stele_log__sign(struct stele_log *log, stele_err *err) {
    stele_status st = STELE_OK;
    stele_buf record = STELE_BUF_EMPTY;
    stele_buf note = STELE_BUF_EMPTY;
    struct stele_checkpoint checkpoint = {.size_leaves = log->head.frontier.size_leaves};
    struct stele_record head = {.kind = STELE_RECORD_CHECKPOINT,
                                .pos = log->pos,
                                .epoch = log->epoch,
                                .first_seq = checkpoint.size_leaves};
    memcpy(checkpoint.origin, log->origin, sizeof checkpoint.origin);
    stele_frontier_root(&log->head.frontier, checkpoint.root);
    memcpy(head.prev, log->prev, STELE_HASH_BYTES);
    memcpy(head.root_after, checkpoint.root, STELE_HASH_BYTES);
    STELE_TRY(stele_checkpoint_sign(&checkpoint, log->signer, &note, err));
    STELE_TRY(stele_record_begin(&record, err));
    STELE_TRY(stele_buf_append(&record, stele_view_buf(&note), err));
    STELE_TRY(stele_record_end(&record, &head, err));
    STELE_TRY(stele_log__append_record(log, &record, &head, err));
    (void)pthread_mutex_lock(&log->lock);
    stele_buf_done(&log->note);
    log->note = note;
    note = STELE_BUF_EMPTY;
    log->checkpoint = checkpoint;
    log->checkpoint_pos = head.pos;
    log->checkpoint_due_us = 0;
    (void)pthread_cond_broadcast(&log->moved);
    (void)pthread_mutex_unlock(&log->lock);
cleanup:
    stele_buf_done(&note);
    stele_buf_done(&record);
    return st;
}

/*
 * Claims the chain again and adopts what is there: a record whose append failed may have landed.
 * What was acknowledged must be there, or the log stays stopped. True if appends may go on.
 */
static bool try_resume(struct stele_log *log) {
    const struct stele_tag_key *key = NULL;
    stele_err err;
    stele_status st = STELE_OK;
    uint64_t next_pos = 0, size = log->size; /* which this thread alone writes */
    STELE_TRY(log->engine->ops->claim(log->engine, log->name, &next_pos, &log->epoch, &err));
    STELE_TRY(stele_log__replay(log, log->pos, &err));
    if (log->pos != next_pos) {
        STELE_TRY(STELE_FAIL(&err, CORRUPT,
                             "log %s: records below %llu were acknowledged, its chain ends at "
                             "%llu; stop, keep a copy of the folder, restore it from a backup",
                             log->full_name, (unsigned long long)log->pos,
                             (unsigned long long)next_pos));
    }
    STELE_TRY(stele_keyring_tag_key(log->keyring, log->name, log->head.era, false, &key, &err));
cleanup:
    (void)pthread_mutex_lock(&log->lock);
    bool another = st != STELE_OK && st != log->stopped.status;
    if (st == STELE_OK) {
        log->stopped.status = STELE_OK;
        log->n_adoptions += log->size > size ? 1 : 0;
        log->now_era = log->head.era;
        log->now_key = key;
        /* Entries or a checkpoint may have been adopted. */
        log->checkpoint_due_us = log->size > log->checkpoint.size_leaves ? stele_monotonic_us() : 0;
    } else {
        log->stopped = err;
    }
    (void)pthread_mutex_unlock(&log->lock);
    if (another) {
        stele_store__report(log->store, log->full_name, &err);
    }
    return st == STELE_OK;
}

static void stop_on(struct stele_log *log, const stele_err *err) {
    stele_store__report(log->store, log->full_name, err);
    (void)pthread_mutex_lock(&log->lock);
    log->stopped = *err;
    (void)pthread_cond_broadcast(&log->moved);
    (void)pthread_mutex_unlock(&log->lock);
}

/* Under the lock. Takes the head of the queue, up to one record's worth. */
static struct stele_batch *take_batches(struct stele_log *log) {
    struct stele_batch *first = log->queue_first;
    struct stele_batch *last = NULL;
    size_t events = 0;
    size_t bytes = 0;
    while (log->queue_first != NULL &&
           (last == NULL || (events + log->queue_first->n_events <= GROUP_EVENTS_MAX &&
                             bytes + log->queue_first->payload_bytes <= GROUP_BYTES_MAX))) {
        last = log->queue_first;
        events += last->n_events;
        bytes += last->payload_bytes;
        log->queue_first = last->next;
    }
    if (log->queue_first == NULL) {
        log->queue_last = NULL;
    }
    if (last != NULL) {
        last->next = NULL;
    }
    log->queue_events -= events;
    log->queue_bytes -= bytes;
    return first;
}

static bool wants_checkpoint(const struct stele_log *log, uint64_t now) {
    return log->size > log->checkpoint.size_leaves &&
           (log->stopping || log->checkpoint_wanted > log->checkpoint.size_leaves ||
            (log->checkpoint_due_us != 0 && log->checkpoint_due_us <= now));
}

/* Under the lock: sleeps until there is something to do; while the log is stopped, for retry_us at
 * most. */
static void wait_for_work(struct stele_log *log, uint64_t retry_us) {
    uint64_t retry_at = stele_monotonic_us() + retry_us;
    for (;;) {
        uint64_t now = stele_monotonic_us();
        bool stopped = log->stopped.status != STELE_OK;
        if (log->stopping || (log->queue_first != NULL && log->n_unpacked < UNPACKED_MAX) ||
            (stopped ? now >= retry_at : wants_checkpoint(log, now))) {
            return;
        }
        uint64_t until = stopped ? retry_at : log->checkpoint_due_us;
        struct timespec at = {.tv_sec = (time_t)(until / 1000000u),
                              .tv_nsec = (long)(until % 1000000u) * 1000};
        if (until == 0) {
            (void)pthread_cond_wait(&log->work, &log->lock);
        } else {
            (void)pthread_cond_timedwait(&log->work, &log->lock, &at);
        }
    }
}

static void *committer(void *arg) {
    struct stele_log *log = arg;
    bool done = false;
    uint64_t retry_us = RETRY_US_MIN;
    while (!done) {
        stele_err err;
        (void)pthread_mutex_lock(&log->lock);
        wait_for_work(log, retry_us);
        struct stele_batch *batches = take_batches(log);
        bool stopped = log->stopped.status != STELE_OK;
        err = log->stopped;
        done = log->stopping && log->queue_first == NULL && batches == NULL;
        (void)pthread_mutex_unlock(&log->lock);
        if (stopped) {
            answer(batches, err.status, &err);
            if (!done) {
                bool resumed = try_resume(log);
                retry_us = resumed ? RETRY_US_MIN : retry_us * 2;
                retry_us = retry_us < RETRY_US_MAX ? retry_us : RETRY_US_MAX;
            }
            continue;
        }
        stele_status st = STELE_OK;
        if (batches != NULL) {
            st = commit(log, batches, &err);
            if (st == STELE_CLOSED && try_resume(log)) {
                st = commit(log, batches,
                            &err); /* another log's write had failed: this one was not tried */
            }
            answer(batches, st, &err);
        }
        (void)pthread_mutex_lock(&log->lock);
        bool sign = st == STELE_OK && wants_checkpoint(log, stele_monotonic_us());
        (void)pthread_mutex_unlock(&log->lock);
        if (sign) {
            st = stele_log__sign(log, &err);
            if (st == STELE_CLOSED && try_resume(log)) {
                st = stele_log__sign(log, &err);
            }
        }
        if (st != STELE_OK) {
            stop_on(log, &err);
        }
    }
    return NULL;
}

stele_status stele_log__start(struct stele_log *log, stele_err *err) {
    log->running = true;
    int failed = stele_thread_start(&log->thread, "commit", committer, log);
    if (failed != 0) {
        log->running = false;
        return STELE_FAIL_ERRNO(err, failed, "log %s: its committer thread cannot start",
                                log->full_name);
    }
    return STELE_OK;
}

void stele_log__stop(struct stele_log *log) {
    if (!log->running) {
        return;
    }
    (void)pthread_mutex_lock(&log->lock);
    log->stopping = true;
    (void)pthread_cond_broadcast(&log->work);
    (void)pthread_cond_broadcast(&log->moved);
    (void)pthread_mutex_unlock(&log->lock);
    (void)pthread_join(log->thread, NULL);
    log->running = false;
}
