/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/committer.c: the only writer of a log. One thread a log takes what is queued, gives every event
 * its place, makes one durable record of it (group commit), and only then acknowledges (I1, I2).
 *
 * It also signs checkpoints, because they go through the same record chain: a note is synced before anyone
 * sees it (I5). After a failed append nothing more is written until the chain has been claimed and read
 * again, so that a record which landed after all is adopted and one which did not is gone.
 */
#include <assert.h>
#include <string.h>
#include <time.h>

#include "storage/log_parts.h"

/* One record: small enough to stay far below STELE_RECORD_BYTES_MAX, large enough that the sync is shared
 * by many batches. */
#define GROUP_EVENTS_MAX 16384
#define GROUP_BYTES_MAX (8u << 20)
/* Closed tails in memory, about 25 MB each: beyond it the disk is slower than the clients. */
#define UNPACKED_MAX 8
/* A log that failed is tried again soon, because a short failure must not stop clients for long, and then
 * less and less often, because each try reads the log of the engine. */
#define RETRY_US_MIN 10000
#define RETRY_US_MAX 1000000

static uint64_t monotonic_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

struct append_wait {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool done;
    stele_status st;
    stele_err err;
};

static void appended(void *arg, stele_status st, const stele_err *err) {
    struct append_wait *wait = arg;
    (void)pthread_mutex_lock(&wait->lock);
    wait->st = st;
    if (st != STELE_OK && err != NULL) {
        wait->err = *err;
    }
    wait->done = true;
    (void)pthread_cond_signal(&wait->moved);
    (void)pthread_mutex_unlock(&wait->lock);
}

stele_status stele_log__append_record(struct stele_log *log, stele_buf *record, struct stele_record *head,
                                      stele_err *err) {
    struct append_wait wait = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};
    log->engine->ops->append(log->engine, log->name, log->epoch, log->pos, stele_view_buf(record), appended, &wait);
    (void)pthread_mutex_lock(&wait.lock);
    while (!wait.done) {
        (void)pthread_cond_wait(&wait.moved, &wait.lock);
    }
    (void)pthread_mutex_unlock(&wait.lock);
    if (wait.st != STELE_OK) {
        if (err != NULL) {
            *err = wait.err;
        }
        return wait.st;
    }
    log->pos++;
    memcpy(log->prev, head->hash, STELE_HASH_BYTES);
    return STELE_OK;
}

/* The tenants of a batch that this log has not seen are listed in its state before their first event. */
static stele_status stage_tenants(struct stele_group *group, const struct stele_batch *batch, uint64_t now,
                                  stele_err *err) {
    stele_status st = STELE_OK;
    stele_buf body = STELE_BUF_EMPTY;
    stele_view last = {NULL, 0};
    for (size_t i = 0; i < batch->n_events; i++) {
        stele_view tenant = batch->event[i].tenant;
        if (stele_view_equal(tenant, last) || stele_control_has_tenant(&group->next.state, tenant)) {
            last = tenant;
            continue;
        }
        stele_buf_clear(&body);
        STELE_TRY(stele_control_tenants_body(&tenant, 1, &body, err));
        STELE_TRY(stele_group__add_control(group, STELE_CONTROL_TENANTS, group->next.era, now,
                                           stele_view_buf(&body), err));
        last = tenant;
    }
cleanup:
    stele_buf_done(&body);
    return st;
}

static stele_status stage_frame(struct stele_group *group, struct stele_batch *batch,
                                const struct stele_batch_frame *frame, const struct stele_tag_key *key,
                                uint64_t now, stele_err *err) {
    stele_status st = STELE_OK;
    uint8_t bytes[STELE_FRAME_EVENTS_MAX * STELE_ENTRY_EVENT_BYTES + STELE_ENTRY_BYTES_MAX];
    uint8_t leaf[STELE_FRAME_EVENTS_MAX * STELE_HASH_BYTES];
    struct stele_entry entry[STELE_FRAME_EVENTS_MAX];
    uint64_t first_seq = stele_group__next_seq(group);
    for (uint8_t i = 0; i < frame->n; i++) {
        struct stele_batch_event *event = &batch->event[frame->first + i];
        bool late = stele_entry_is_late(now, event->event_us);
        if (batch->era != group->next.era || event->late != late) {
            uint8_t ksalt[STELE_SALT_BYTES];
            stele_hash_ksalt(frame->kseed, i, ksalt);
            STELE_TRY(stele_batch__retag(batch, (size_t)frame->first + i, key, late, ksalt, err));
        }
        entry[i] = (struct stele_entry){
            .type = STELE_ENTRY_EVENT, .era = group->next.era, .seq = first_seq + i, .time_us = now};
        entry[i].as.event.retention_years = group->log->years;
        entry[i].as.event.late = late;
        entry[i].as.event.event_us = event->event_us;
        memcpy(entry[i].as.event.payload_commit, event->payload_commit, STELE_HASH_BYTES);
        memcpy(entry[i].as.event.keys_commit, event->keys_commit, STELE_HASH_BYTES);
        (void)stele_entry_encode(&entry[i], bytes + (size_t)i * STELE_ENTRY_EVENT_BYTES);
    }
    stele_hash_leaf_many(bytes, STELE_ENTRY_EVENT_BYTES, frame->n, leaf);
    for (uint8_t i = 0; i < frame->n; i++) {
        const struct stele_batch_event *event = &batch->event[frame->first + i];
        stele_view tags = stele_view_of(batch->tags.data + (size_t)event->tags_at * STELE_TAG_BYTES,
                                        (size_t)event->n_tags * STELE_TAG_BYTES);
        STELE_TRY(stele_group__add_entry(group, &entry[i], leaf + (size_t)i * STELE_HASH_BYTES,
                                         stele_view_of(NULL, 0), tags, err));
    }
    struct stele_item item = {.kind = STELE_ITEM_FRAME,
                              .n = frame->n,
                              .first_seq = first_seq,
                              .time_us = now,
                              .raw_bytes = frame->raw_bytes,
                              .sealed = stele_view_of(batch->sealed.data + frame->sealed_at, frame->sealed_bytes)};
    STELE_TRY(stele_group__add_item(group, &item, frame->kseed, err));
cleanup:
    return st;
}

/* A frame that does not fit the unit is sealed again in two, so that packs end exactly at their bound. */
static stele_status stage_split(struct stele_group *group, struct stele_batch *batch,
                                struct stele_batch_frame *frame, const struct stele_tag_key *key, uint64_t now,
                                stele_err *err) {
    stele_status st = STELE_OK;
    uint8_t done = 0;
    while (done < frame->n) {
        STELE_TRY(stele_group__make_room(group, group->next.era, err));
        uint64_t room = stele_group__room(group);
        uint8_t left = (uint8_t)(frame->n - done);
        struct stele_batch_frame part = {.first = (uint16_t)(frame->first + done),
                                         .n = left > room ? (uint8_t)room : left};
        stele_random(part.seed, STELE_SEED_BYTES);
        stele_random(part.kseed, STELE_SEED_BYTES);
        STELE_TRY(stele_batch__seal(batch, &part, err));
        STELE_TRY(stage_frame(group, batch, &part, key, now, err));
        done = (uint8_t)(done + part.n);
    }
    /* Its events' commitments are the whole frame's again: the batch may be staged a second time. */
    STELE_TRY(stele_batch__seal(batch, frame, err));
cleanup:
    return st;
}

static stele_status stage_batch(struct stele_group *group, struct stele_batch *batch,
                                const struct stele_tag_key *key, uint64_t now, stele_err *err) {
    stele_status st = STELE_OK;
    if (batch->is_control) {
        batch->place = (struct stele_batch_place){.n = 1, .time_us = now};
        STELE_TRY(stele_group__add_control(group, batch->control_kind, group->next.era, now,
                                           stele_view_buf(&batch->control_body), err));
        batch->place.first_seq = stele_group__next_seq(group) - 1;
        return STELE_OK;
    }
    STELE_TRY(stage_tenants(group, batch, now, err));
    batch->place = (struct stele_batch_place){
        .first_seq = stele_group__next_seq(group), .time_us = now, .n = batch->n_events};
    for (size_t f = 0; f < batch->n_frames; f++) {
        STELE_TRY(stele_group__make_room(group, group->next.era, err));
        if (batch->frame[f].n <= stele_group__room(group)) {
            STELE_TRY(stage_frame(group, batch, &batch->frame[f], key, now, err));
        } else {
            STELE_TRY(stage_split(group, batch, &batch->frame[f], key, now, err));
        }
    }
cleanup:
    return st;
}

/* A new month begins with its EPOCH, whose tag key is on disk before the entry is. */
static stele_status stage_epoch(struct stele_group *group, uint64_t now, const struct stele_tag_key **ret_key,
                                stele_err *err) {
    struct stele_log *log = group->log;
    stele_status st = STELE_OK;
    stele_buf body = STELE_BUF_EMPTY;
    uint32_t month = stele_entry_month(now);
    uint32_t era = group->next.era / 100 == month ? group->next.era : month * 100;
    STELE_TRY(stele_keyring_tag_key(log->keyring, log->name, era, era != group->next.era, ret_key, err));
    if (era != group->next.era) {
        STELE_TRY(stele_control_epoch_body(era, *ret_key, log->map, &body, err));
        STELE_TRY(stele_group__add_control(group, STELE_CONTROL_EPOCH, era, now, stele_view_buf(&body), err));
    }
cleanup:
    stele_buf_done(&body);
    return st;
}

static uint64_t commit_time(struct stele_log *log) {
    uint64_t clock_us = stele_store_now_us(log->store);
    uint64_t least = log->head.time_us > log->floor_us ? log->head.time_us : log->floor_us;
    return stele_log__watch_clock(log, clock_us, least);
}

/* What no submitter could know: an event more than a day ahead of the log's clock, or one tenant too many
 * for the log's state. Such a batch is answered alone; the others of its group are committed. */
static stele_status check_batch(const struct stele_group *group, const struct stele_batch *batch, uint64_t now,
                                stele_err *err) {
    for (size_t i = 0; i < batch->n_events; i++) {
        const struct stele_batch_event *event = &batch->event[i];
        if (event->event_us > now + STELE_LATE_AFTER_US) {
            return STELE_FAIL(err, INVALID, "an event is more than a day ahead of the log's clock; check the clock of its source");
        }
        if (group->next.state.n >= STELE_LOG_TENANTS_MAX &&
            !stele_control_has_tenant(&group->next.state, event->tenant)) {
            return STELE_FAIL(err, LIMIT, "log %s has %zu tenants already; configure another log for new ones",
                              group->log->full_name, group->next.state.n);
        }
    }
    return STELE_OK;
}

static stele_status commit(struct stele_log *log, struct stele_batch *first, stele_err *err) {
    struct stele_group group;
    const struct stele_tag_key *key = NULL;
    stele_status st = STELE_OK;
    uint64_t now = commit_time(log);
    STELE_TRY(stele_group__begin(&group, log, err));
    STELE_TRY(stage_epoch(&group, now, &key, err));
    for (struct stele_batch *batch = first; batch != NULL; batch = batch->next) {
        batch->refused.status = check_batch(&group, batch, now, &batch->refused);
        if (batch->refused.status == STELE_OK) {
            STELE_TRY(stage_batch(&group, batch, key, now, err));
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
            log->checkpoint_due_us = monotonic_us() + (uint64_t)log->checkpoint_interval_ms * 1000u;
        }
        (void)pthread_mutex_unlock(&log->lock);
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
 * Claims the chain again and adopts what is there: a record whose append failed may have landed. What was
 * acknowledged must be there, or the log stays stopped. True if appends may go on.
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
                             "log %s: records below %llu were acknowledged, its chain ends at %llu; stop, keep a copy of the folder, restore it from a backup",
                             log->full_name, (unsigned long long)log->pos, (unsigned long long)next_pos));
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
        log->checkpoint_due_us = log->size > log->checkpoint.size_leaves ? monotonic_us() : 0;
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

/* Under the lock: sleeps until there is something to do; while the log is stopped, for retry_us at most. */
static void wait_for_work(struct stele_log *log, uint64_t retry_us) {
    uint64_t retry_at = monotonic_us() + retry_us;
    for (;;) {
        uint64_t now = monotonic_us();
        bool stopped = log->stopped.status != STELE_OK;
        if (log->stopping || (log->queue_first != NULL && log->n_unpacked < UNPACKED_MAX) ||
            (stopped ? now >= retry_at : wants_checkpoint(log, now))) {
            return;
        }
        uint64_t until = stopped ? retry_at : log->checkpoint_due_us;
        struct timespec at = {.tv_sec = (time_t)(until / 1000000u), .tv_nsec = (long)(until % 1000000u) * 1000};
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
                st = commit(log, batches, &err); /* another log's write had failed: this one was not tried */
            }
            answer(batches, st, &err);
        }
        (void)pthread_mutex_lock(&log->lock);
        bool sign = st == STELE_OK && wants_checkpoint(log, monotonic_us());
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
    int failed = pthread_create(&log->thread, NULL, committer, log);
    if (failed != 0) {
        log->running = false;
        return STELE_FAIL_ERRNO(err, failed, "log %s: its committer thread cannot start", log->full_name);
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

static void control_done(void *arg, stele_status st, const stele_err *err, const struct stele_batch_place *place) {
    (void)place;
    appended(arg, st, err);
}

stele_status stele_log__append_control(struct stele_log *log, stele_control_kind kind, stele_view body,
                                       stele_err *err) {
    struct append_wait wait = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};
    struct stele_batch *batch = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(stele_batch_new(log, &batch, err));
    batch->is_control = true;
    batch->control_kind = kind;
    STELE_TRY(stele_buf_append(&batch->control_body, body, err));
    STELE_TRY(stele_batch_submit(batch, control_done, &wait, err));
    batch = NULL;
    (void)pthread_mutex_lock(&wait.lock);
    while (!wait.done) {
        (void)pthread_cond_wait(&wait.moved, &wait.lock);
    }
    (void)pthread_mutex_unlock(&wait.lock);
    st = wait.st;
    if (st != STELE_OK && err != NULL) {
        *err = wait.err;
    }
cleanup:
    stele_batch_free(batch);
    return st;
}
