/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/recall_fill.c: the newest events of a store, into an empty window. Where they begin is
 * found by log time; then several threads take chunks of them, from frames as they are stored, and
 * one remembers all, oldest first. At a start nothing else is to be done, and whoever waits for it
 * waits for this.
 */
#include <pthread.h>
#include <unistd.h>

#include "ingest/recall.h"
#include "proto/event_identity.h"
#include "storage/frame.h"
#include "storage/thread.h"

#define AHEAD 16u /* events remembered while memory answers */
/* Entries a thread takes at a time: 512 frames, some milliseconds. */
#define CHUNK 8192u
/* More read faster than one remembers. */
#define THREADS_MAX 4

/* An entry. */
struct stored {
    uint64_t hash;
    uint64_t time_us; /* 0: no event */
};

/* The newest entries of a log. */
struct range {
    struct stele_log *log;
    uint32_t number; /* in the store */
    uint64_t lo, hi;
    struct stored *stored; /* hi - lo */
    uint64_t next;         /* to be remembered */
};

struct filling {
    struct stele_dedup *dedup;
    struct range range[STELE_LOGS_MAX];
    size_t n_ranges;
    struct stored *all;
    uint64_t n_entries;   /* in `all` */
    bool whole;           /* these are all entries there are */
    pthread_mutex_t lock; /* over all below */
    size_t at;            /* the range whose chunks are given out */
    uint64_t chunk;       /* where its next one begins */
    stele_status st;      /* of the first thread that failed */
    stele_err err;
};

/* ------------------------------------------------------------------ which entries */

/* The entries that have that log time or a later one. A log gives a window's at most: of more of
 * one time, as when a clock stood still, its newest. */
static stele_status begin_at(struct stele_recall *views, struct filling *f, uint64_t time_us,
                             uint64_t window, stele_err *err) {
    stele_status st = STELE_OK;
    f->n_entries = 0;
    for (size_t i = 0; st == STELE_OK && i < f->n_ranges; i++) {
        struct range *range = &f->range[i];
        uint64_t least = range->hi > window ? range->hi - window : 0;
        st = stele_log_view_seq_at(views[i].view, time_us, &range->lo, err);
        range->lo = range->lo > least ? range->lo : least;
        f->n_entries += range->hi - range->lo;
    }
    return st;
}

/* The latest time from which on there are `enough` entries; there are as many. */
static stele_status find_begin(struct stele_recall *views, struct filling *f, uint64_t enough,
                               uint64_t window, stele_err *err) {
    stele_status st = STELE_OK;
    uint64_t low = 0;
    uint64_t high = UINT64_MAX;
    while (f->n_ranges > 1 && high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        STELE_TRY(begin_at(views, f, middle, window, err));
        low = f->n_entries >= enough ? middle : low;
        high = f->n_entries >= enough ? high : middle;
    }
    STELE_TRY(begin_at(views, f, low, window, err));
cleanup:
    return st;
}

static stele_status choose_ranges(struct stele_store *store, struct filling *f, uint64_t window,
                                  stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_recall views[STELE_LOGS_MAX];
    uint64_t n_there = 0;
    for (size_t i = 0; i < STELE_LOGS_MAX; i++) {
        views[i] = STELE_RECALL_EMPTY;
    }
    for (size_t i = 0; i < stele_store_n_logs(store); i++) {
        struct stele_log *log = stele_store_log_at(store, i);
        struct stele_recall *opened = &views[f->n_ranges];
        if (stele_log_is_system(log)) {
            continue;
        }
        STELE_TRY(stele_recall_open(opened, log, err));
        struct range *range = &f->range[f->n_ranges];
        *range = (struct range){
            .log = log, .number = (uint32_t)i, .hi = stele_log_view_size(opened->view)};
        n_there += range->hi;
        f->n_ranges += range->hi > 0 ? 1 : 0; /* else the next log takes its place */
    }
    STELE_TRY(find_begin(views, f, n_there < window ? n_there : window, window, err));
    f->whole = f->n_entries == n_there;
    f->all = stele_alloc((size_t)f->n_entries + 1, sizeof *f->all);
    if (f->all == NULL) {
        STELE_TRY(STELE_FAIL(err, NO_MEMORY, "no memory for a duplicate window of %u events",
                             stele_dedup_window(f->dedup)));
    }
    struct stored *next = f->all;
    for (size_t i = 0; i < f->n_ranges; i++) {
        f->range[i].stored = next;
        next += f->range[i].hi - f->range[i].lo;
    }
cleanup:
    for (size_t i = 0; i < STELE_LOGS_MAX; i++) {
        stele_recall_done(&views[i]);
    }
    return st;
}

/* ------------------------------------------------------------------ reading */

/* A frame's events that are in [from, to): out[0] is entry `from`. They are not checked against the
 * log: what is made of them is a hint, and stele_recall_compare reads the event before it is
 * believed. */
static void take_frame(const struct stele_dedup *dedup, const struct stele_stored_frame *frame,
                       uint64_t from, uint64_t to, struct stored *out) {
    struct stele_dedup_key key[STELE_FRAME_EVENTS_MAX];
    struct stele_dedup_key *keys[STELE_FRAME_EVENTS_MAX] = {NULL};
    struct stored *of[STELE_FRAME_EVENTS_MAX] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < frame->n; i++) {
        uint64_t seq = frame->first_seq + i;
        struct stele_event_identity who;
        if (seq >= from && seq < to && stele_event_identify(frame->payload[i], &who)) {
            key[n] = (struct stele_dedup_key){who.tenant, who.source_service, who.event_id, 0};
            keys[n] = &key[n];
            of[n++] = &out[seq - from];
        }
    }
    stele_dedup_hash_many(dedup, keys, n);
    for (size_t i = 0; i < n; i++) {
        *of[i] = (struct stored){key[i].hash, frame->time_us};
    }
}

/* Where a frame ends; an entry that is no event stands alone. */
static uint64_t end_of(const struct stele_stored_frame *frame) {
    return frame->first_seq + (frame->n > 0 ? frame->n : 1);
}

static stele_status take_chunk(struct stele_recall *recall, const struct stele_dedup *dedup,
                               uint64_t from, uint64_t to, struct stored *out, stele_err *err) {
    for (uint64_t seq = from; seq < to;) {
        struct stele_stored_frame frame;
        stele_status st = stele_log_peek(recall->reader, seq, &frame, err);
        if (st != STELE_OK) {
            return st;
        }
        take_frame(dedup, &frame, from, to, out);
        seq = end_of(&frame);
    }
    return STELE_OK;
}

/* NULL: all are given out, or a thread has failed. */
static struct range *next_chunk(struct filling *f, uint64_t *ret_from, uint64_t *ret_to) {
    struct range *range = NULL;
    (void)pthread_mutex_lock(&f->lock);
    while (f->at < f->n_ranges && f->chunk >= f->range[f->at].hi) {
        f->at++;
        f->chunk = f->at < f->n_ranges ? f->range[f->at].lo : 0;
    }
    if (f->st == STELE_OK && f->at < f->n_ranges) {
        range = &f->range[f->at];
        *ret_from = f->chunk;
        *ret_to = range->hi - f->chunk > CHUNK ? f->chunk + CHUNK : range->hi;
        f->chunk = *ret_to;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return range;
}

static void *take_chunks(void *arg) {
    struct filling *f = arg;
    struct stele_recall recall = STELE_RECALL_EMPTY;
    stele_err err;
    stele_status st = STELE_OK;
    uint64_t from = 0;
    uint64_t to = 0;
    for (struct range *range = next_chunk(f, &from, &to); range != NULL && st == STELE_OK;
         range = st == STELE_OK ? next_chunk(f, &from, &to) : NULL) {
        if (recall.view == NULL || stele_log_view_log(recall.view) != range->log) {
            st = stele_recall_open(&recall, range->log, &err);
        }
        if (st == STELE_OK) {
            st = take_chunk(&recall, f->dedup, from, to, &range->stored[from - range->lo], &err);
        }
    }
    stele_recall_done(&recall);
    (void)pthread_mutex_lock(&f->lock);
    if (st != STELE_OK && f->st == STELE_OK) {
        f->st = st;
        f->err = err;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* With as many threads as there are processors. */
static stele_status take_all(struct filling *f, stele_err *err) {
    pthread_t thread[THREADS_MAX];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = 0;
    f->chunk = f->n_ranges > 0 ? f->range[0].lo : 0;
    while (n + 1 < THREADS_MAX && (long)n + 1 < processors &&
           stele_thread_start(&thread[n], "recall", take_chunks, f) == 0) {
        n++; /* without them, this one does it all */
    }
    (void)take_chunks(f);
    while (n > 0) {
        (void)pthread_join(thread[--n], NULL);
    }
    if (f->st != STELE_OK && err != NULL) {
        *err = f->err;
    }
    return f->st;
}

/* ------------------------------------------------------------------ remembering */

static uint64_t count_events(const struct filling *f) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < f->n_entries; i++) {
        n += f->all[i].time_us != 0 ? 1 : 0;
    }
    return n;
}

/* The range whose next event is the oldest; NULL: all are remembered. */
static struct range *oldest_of(struct filling *f) {
    struct range *oldest = NULL;
    for (size_t i = 0; i < f->n_ranges; i++) {
        struct range *range = &f->range[i];
        while (range->next < range->hi && range->stored[range->next - range->lo].time_us == 0) {
            range->next++;
        }
        if (range->next < range->hi &&
            (oldest == NULL || range->stored[range->next - range->lo].time_us <
                                   oldest->stored[oldest->next - oldest->lo].time_us)) {
            oldest = range;
        }
    }
    return oldest;
}

static void remember_all(struct filling *f) {
    for (size_t i = 0; i < f->n_ranges; i++) {
        f->range[i].next = f->range[i].lo;
    }
    for (struct range *range = oldest_of(f); range != NULL; range = oldest_of(f)) {
        const struct stored *stored = &range->stored[range->next - range->lo];
        if (range->hi - range->next > AHEAD) {
            stele_dedup_expect(f->dedup, stored[AHEAD].hash);
        }
        stele_dedup_remember(f->dedup, stored->hash,
                             (struct stele_dedup_place){range->number, range->next});
        range->next++;
    }
}

static void forget(struct filling *f) {
    stele_free(f->all);
    f->all = NULL;
    f->n_ranges = 0;
    f->at = 0;
}

stele_status stele_recall_fill(struct stele_store *store, struct stele_dedup *dedup,
                               stele_err *err) {
    stele_status st = STELE_OK;
    uint64_t window = stele_dedup_window(dedup);
    struct filling *f = stele_alloc(1, sizeof *f);
    if (f == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to read the newest events");
    }
    f->dedup = dedup;
    (void)pthread_mutex_init(&f->lock, NULL);
    /* Entries that are no events are few, but for a log that hardly grows. */
    uint64_t n_entries = window + window / 16 + CHUNK;
    do {
        forget(f);
        STELE_TRY(choose_ranges(store, f, n_entries, err));
        STELE_TRY(take_all(f, err));
        n_entries *= 2;
    } while (!f->whole && count_events(f) < window);
    remember_all(f);
cleanup:
    (void)pthread_mutex_destroy(&f->lock);
    forget(f);
    stele_free(f);
    return st;
}

stele_status stele_recall_range(struct stele_store *store, uint32_t log, uint64_t from,
                                struct stele_dedup *dedup, uint64_t *ret_size, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_recall recall = STELE_RECALL_EMPTY;
    STELE_TRY(stele_recall_open(&recall, stele_store_log_at(store, log), err));
    uint64_t size = stele_log_view_size(recall.view);
    for (uint64_t seq = from; seq < size;) {
        struct stele_stored_frame frame;
        struct stored found[STELE_FRAME_EVENTS_MAX] = {{0, 0}};
        STELE_TRY(stele_log_peek(recall.reader, seq, &frame, err));
        uint64_t end = end_of(&frame);
        take_frame(dedup, &frame, seq, end, found);
        for (uint64_t i = 0; i < end - seq; i++) {
            if (found[i].time_us != 0) {
                stele_dedup_remember(dedup, found[i].hash,
                                     (struct stele_dedup_place){log, seq + i});
            }
        }
        seq = end;
    }
    *ret_size = size;
cleanup:
    stele_recall_done(&recall);
    return st;
}
