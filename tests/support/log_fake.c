/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/log_fake.c: arrays of payloads behind the names of storage/log.h and
 * storage/store.h. */
#include "tests/support/log_fake.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define EVENTS_MAX 200000

struct stele_batch {
    struct stele_log *log;
    struct stele_batch *next;
    size_t n;
    bool bound;
    uint64_t n_adoptions;
    stele_view payload[STELE_BATCH_EVENTS_MAX];
    stele_batch_done_fn done;
    void *arg;
};

struct stele_log {
    struct stele_store *store;
    char name[16];
    char full_name[64];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    log_fake_mode mode;
    bool ending;
    struct stele_batch *first, *last;
    size_t n_held;
    unsigned failing_reads;
    bool recovers_at_submit;
    uint64_t n_adoptions;
    stele_buf *event;
    uint64_t *time_us;
    size_t n;
    size_t n_hidden; /* of n, on disk and not adopted */
};

struct stele_store {
    char region[40];
    atomic_uint_fast64_t now_us;
    struct stele_log log[4];
};

static void keep(struct stele_log *log, const struct stele_batch *batch) {
    for (size_t i = 0; i < batch->n; i++) {
        assert(log->n < EVENTS_MAX);
        log->event[log->n] = STELE_BUF_EMPTY;
        assert(stele_buf_append(&log->event[log->n], batch->payload[i], NULL) == STELE_OK);
        log->time_us[log->n++] = log->store->now_us;
    }
}

static bool is_unwanted(const struct stele_batch *batch) {
    static const char word[] = LOG_FAKE_UNWANTED;
    for (size_t i = 0; i < batch->n; i++) {
        stele_view payload = batch->payload[i];
        if (memmem(payload.data, payload.size, word, sizeof word - 1) != NULL) {
            return true;
        }
    }
    return false;
}

static void answer(struct stele_log *log, struct stele_batch *batch) {
    stele_err err = {0};
    struct stele_batch_place place = {
        .first_seq = log->n, .time_us = log->store->now_us, .n = batch->n};
    stele_status st = STELE_OK;
    bool picky = log->mode == LOG_FAKE_PICKY;
    if (picky && is_unwanted(batch)) {
        st = STELE_FAIL(&err, INVALID, LOG_FAKE_UNWANTED);
    } else if (!picky && log->mode != LOG_FAKE_COMMIT) {
        st = STELE_FAIL(&err, IO, "the disk of the test is broken");
    }
    if (picky ? st == STELE_OK : log->mode != LOG_FAKE_FAIL) {
        keep(log, batch);
        log->n_hidden += log->mode == LOG_FAKE_ADOPT ? batch->n : 0;
    }
    log->n_held--;
    (void)pthread_mutex_unlock(&log->lock);
    batch->done(batch->arg, st, st == STELE_OK ? NULL : &err, st == STELE_OK ? &place : NULL);
    stele_free(batch);
    (void)pthread_mutex_lock(&log->lock);
}

static void *commit_loop(void *arg) {
    struct stele_log *log = arg;
    (void)pthread_mutex_lock(&log->lock);
    for (;;) {
        if (log->first != NULL && log->mode != LOG_FAKE_HOLD) {
            struct stele_batch *batch = log->first;
            log->first = batch->next;
            log->last = log->first == NULL ? NULL : log->last;
            answer(log, batch);
        } else if (log->ending) {
            break;
        } else {
            (void)pthread_cond_wait(&log->moved, &log->lock);
        }
    }
    (void)pthread_mutex_unlock(&log->lock);
    return NULL;
}

/* ------------------------------------------------------------------ the test's side */

struct stele_store *log_fake_open(const char *region, uint64_t now_us) {
    static const char *const names[] = {"1y", "3y", "7y", STELE_SYSTEM_LOG};
    struct stele_store *store = stele_alloc(1, sizeof *store);
    assert(store != NULL);
    (void)snprintf(store->region, sizeof store->region, "%s", region);
    atomic_init(&store->now_us, now_us);
    for (size_t i = 0; i < 4; i++) {
        struct stele_log *log = &store->log[i];
        log->store = store;
        (void)snprintf(log->name, sizeof log->name, "%s", names[i]);
        (void)snprintf(log->full_name, sizeof log->full_name, "%s/%s", region, names[i]);
        log->event = stele_alloc(EVENTS_MAX, sizeof *log->event);
        log->time_us = stele_alloc(EVENTS_MAX, sizeof *log->time_us);
        assert(log->event != NULL && log->time_us != NULL);
        (void)pthread_mutex_init(&log->lock, NULL);
        (void)pthread_cond_init(&log->moved, NULL);
        assert(pthread_create(&log->thread, NULL, commit_loop, log) == 0);
    }
    return store;
}

void log_fake_close(struct stele_store *store) {
    for (size_t i = 0; i < 4; i++) {
        struct stele_log *log = &store->log[i];
        (void)pthread_mutex_lock(&log->lock);
        log->ending = true;
        log->mode = LOG_FAKE_COMMIT;
        (void)pthread_cond_signal(&log->moved);
        (void)pthread_mutex_unlock(&log->lock);
        (void)pthread_join(log->thread, NULL);
        for (size_t k = 0; k < log->n; k++) {
            stele_buf_done(&log->event[k]);
        }
        stele_free(log->event);
        stele_free(log->time_us);
        (void)pthread_cond_destroy(&log->moved);
        (void)pthread_mutex_destroy(&log->lock);
    }
    stele_free(store);
}

/* Locked. */
static void adopt(struct stele_log *log) {
    log->n_adoptions += log->n_hidden > 0 ? 1 : 0;
    log->n_hidden = 0;
}

void log_fake_set(struct stele_log *log, log_fake_mode mode) {
    (void)pthread_mutex_lock(&log->lock);
    log->mode = mode;
    adopt(log);
    (void)pthread_cond_signal(&log->moved);
    (void)pthread_mutex_unlock(&log->lock);
}

void log_fake_recover_at_submit(struct stele_log *log) {
    (void)pthread_mutex_lock(&log->lock);
    log->recovers_at_submit = true;
    (void)pthread_mutex_unlock(&log->lock);
}

void log_fake_set_clock(struct stele_store *store, uint64_t now_us) {
    atomic_store(&store->now_us, now_us);
}

size_t log_fake_count(struct stele_log *log) {
    (void)pthread_mutex_lock(&log->lock);
    size_t n = log->n - log->n_hidden;
    (void)pthread_mutex_unlock(&log->lock);
    return n;
}

size_t log_fake_held(struct stele_log *log) {
    (void)pthread_mutex_lock(&log->lock);
    size_t n = log->n_held;
    (void)pthread_mutex_unlock(&log->lock);
    return n;
}

stele_view log_fake_payload(struct stele_log *log, size_t seq) {
    (void)pthread_mutex_lock(&log->lock);
    assert(seq < log->n);
    stele_view payload = stele_view_buf(&log->event[seq]);
    (void)pthread_mutex_unlock(&log->lock);
    return payload;
}

void log_fake_fail_reads(struct stele_log *log, unsigned n) {
    (void)pthread_mutex_lock(&log->lock);
    log->failing_reads = n;
    (void)pthread_mutex_unlock(&log->lock);
}

/* ------------------------------------------------------------------ storage/store.h */

const char *stele_store_region(const struct stele_store *store) {
    return store->region;
}

size_t stele_store_n_logs(const struct stele_store *store) {
    (void)store;
    return 4;
}

struct stele_log *stele_store_log_at(struct stele_store *store, size_t i) {
    return &store->log[i];
}

struct stele_log *stele_store_log(struct stele_store *store, const char *name) {
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(store->log[i].name, name) == 0) {
            return &store->log[i];
        }
    }
    return NULL;
}

stele_status stele_store_route(struct stele_store *store, stele_view tenant,
                               uint8_t retention_years, struct stele_log **ret, stele_err *err) {
    char name[4];
    (void)tenant;
    (void)snprintf(name, sizeof name, "%uy", retention_years % 10u);
    struct stele_log *log = stele_store_log(store, name);
    if (log == NULL) {
        return STELE_FAIL(err, NOT_FOUND, "no log keeps events for %u years; there are 1y, 3y, 7y",
                          retention_years);
    }
    *ret = log;
    return STELE_OK;
}

uint64_t stele_store_now_us(struct stele_store *store) {
    return atomic_load(&store->now_us);
}

/* ------------------------------------------------------------------ storage/log.h */

const char *stele_log_full_name(const struct stele_log *log) {
    return log->full_name;
}

bool stele_log_is_system(const struct stele_log *log) {
    return strcmp(log->name, STELE_SYSTEM_LOG) == 0;
}

stele_status stele_batch_new(struct stele_log *log, struct stele_batch **ret, stele_err *err) {
    (void)err;
    *ret = stele_alloc(1, sizeof **ret);
    assert(*ret != NULL);
    (*ret)->log = log;
    return STELE_OK;
}

void stele_batch_free(struct stele_batch *batch) {
    stele_free(batch);
}

/* An event with the word "untaggable" in it stands for one with too many tags. */
stele_status stele_batch_add(struct stele_batch *batch, stele_view payload, stele_err *err) {
    assert(batch->n < STELE_BATCH_EVENTS_MAX);
    if (memmem(payload.data, payload.size, "untaggable", 10) != NULL) {
        return STELE_FAIL(err, LIMIT, "513 tags, at most 512");
    }
    batch->payload[batch->n++] = payload;
    return STELE_OK;
}

uint64_t stele_log_adoptions(struct stele_log *log) {
    (void)pthread_mutex_lock(&log->lock);
    uint64_t n = log->n_adoptions;
    (void)pthread_mutex_unlock(&log->lock);
    return n;
}

void stele_batch_bind(struct stele_batch *batch, uint64_t adoptions) {
    batch->bound = true;
    batch->n_adoptions = adoptions;
}

size_t stele_batch_count(const struct stele_batch *batch) {
    return batch->n;
}

stele_status stele_batch_submit(struct stele_batch *batch, stele_batch_done_fn done, void *arg,
                                stele_err *err) {
    struct stele_log *log = batch->log;
    stele_status st = STELE_OK;
    (void)pthread_mutex_lock(&log->lock);
    if (log->recovers_at_submit) {
        log->recovers_at_submit = false;
        log->mode = LOG_FAKE_COMMIT;
        adopt(log);
    }
    if (batch->bound && batch->n_adoptions != log->n_adoptions) {
        st = STELE_FAIL(err, CLOSED, "log %s recovered a moment ago", log->full_name);
    } else if (log->mode == LOG_FAKE_BUSY) {
        st = STELE_FAIL(err, BUSY, "log %s: its queue is full", log->full_name);
    } else if (log->mode == LOG_FAKE_CLOSED) {
        st = STELE_FAIL(err, CLOSED, "log %s: stopped", log->full_name);
    } else {
        batch->done = done;
        batch->arg = arg;
        batch->next = NULL;
        if (log->last == NULL) {
            log->first = batch;
        } else {
            log->last->next = batch;
        }
        log->last = batch;
        log->n_held++;
        (void)pthread_cond_signal(&log->moved);
    }
    (void)pthread_mutex_unlock(&log->lock);
    return st;
}

struct stele_log_view {
    struct stele_log *log;
    uint64_t size;
};
struct stele_log_reader {
    struct stele_log_view *view;
    stele_view peeked;
};

stele_status stele_log_view_open(struct stele_log *log, struct stele_log_view **ret,
                                 stele_err *err) {
    (void)err;
    *ret = stele_alloc(1, sizeof **ret);
    assert(*ret != NULL);
    (*ret)->log = log;
    (*ret)->size = log_fake_count(log);
    return STELE_OK;
}

void stele_log_view_close(struct stele_log_view *view) {
    stele_free(view);
}

struct stele_log *stele_log_view_log(const struct stele_log_view *view) {
    return view->log;
}

uint64_t stele_log_view_size(const struct stele_log_view *view) {
    return view->size;
}

stele_status stele_log_view_seq_at(struct stele_log_view *view, uint64_t time_us, uint64_t *ret_seq,
                                   stele_err *err) {
    (void)err;
    (void)pthread_mutex_lock(&view->log->lock);
    *ret_seq = 0;
    while (*ret_seq < view->size && view->log->time_us[*ret_seq] < time_us) {
        ++*ret_seq;
    }
    (void)pthread_mutex_unlock(&view->log->lock);
    return STELE_OK;
}

stele_status stele_log_reader_new(struct stele_log_view *view, struct stele_log_reader **ret,
                                  stele_err *err) {
    (void)err;
    *ret = stele_alloc(1, sizeof **ret);
    assert(*ret != NULL);
    (*ret)->view = view;
    return STELE_OK;
}

void stele_log_reader_free(struct stele_log_reader *reader) {
    stele_free(reader);
}

stele_status stele_log_read(struct stele_log_reader *reader, uint64_t seq,
                            struct stele_stored_entry *ret, stele_err *err) {
    struct stele_log *log = reader->view->log;
    if (seq >= reader->view->size) {
        return STELE_FAIL(err, NOT_FOUND, "log %s has no entry there", log->full_name);
    }
    (void)pthread_mutex_lock(&log->lock);
    bool fails = log->failing_reads > 0;
    log->failing_reads -= fails;
    memset(ret, 0, sizeof *ret);
    ret->entry.type = STELE_ENTRY_EVENT;
    ret->entry.seq = seq;
    ret->entry.time_us = log->time_us[seq];
    ret->payload = stele_view_buf(&log->event[seq]);
    (void)pthread_mutex_unlock(&log->lock);
    return fails ? STELE_FAIL(err, IO, "log %s: its disk cannot be read", log->full_name)
                 : STELE_OK;
}

stele_status stele_log_read_event(struct stele_log_reader *reader, uint64_t seq,
                                  struct stele_stored_entry *ret, stele_err *err) {
    return stele_log_read(reader, seq, ret, err);
}

/* Frames of one event. */
stele_status stele_log_peek(struct stele_log_reader *reader, uint64_t seq,
                            struct stele_stored_frame *ret, stele_err *err) {
    struct stele_stored_entry stored;
    stele_status st = stele_log_read(reader, seq, &stored, err);
    if (st == STELE_OK) {
        reader->peeked = stored.payload;
        *ret = (struct stele_stored_frame){
            .first_seq = seq, .time_us = stored.entry.time_us, .n = 1, .payload = &reader->peeked};
    }
    return st;
}

stele_status stele_log_read_tags(struct stele_log_reader *reader, const struct stele_tag_set **ret,
                                 stele_err *err) {
    (void)reader;
    (void)ret;
    return STELE_FAIL(err, UNSUPPORTED, "a fake log has no tags");
}

stele_status stele_log_view_node(void *view, unsigned level, uint64_t index,
                                 uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    (void)view;
    (void)level;
    (void)index;
    (void)ret;
    return STELE_FAIL(err, UNSUPPORTED, "a fake log has no tree");
}

stele_status stele_log_checkpoint(struct stele_log *log, uint64_t min_size, stele_buf *note,
                                  struct stele_checkpoint *ret_checkpoint, stele_err *err) {
    (void)log;
    (void)min_size;
    (void)note;
    (void)ret_checkpoint;
    return STELE_FAIL(err, UNSUPPORTED, "a fake log has no checkpoints");
}
