/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/recall.c: reading stored events back, one by one, and newest first over all logs. */
#include "ingest/recall.h"

#include "proto/event.h"
#include "storage/frame.h"

#define AHEAD 16u /* events remembered while memory answers */

void stele_recall_done(struct stele_recall *recall) {
    stele_log_reader_free(recall->reader);
    stele_log_view_close(recall->view);
    *recall = STELE_RECALL_EMPTY;
}

static stele_status open_log(struct stele_recall *recall, struct stele_log *log, stele_err *err) {
    stele_status st = STELE_OK;
    stele_recall_done(recall);
    STELE_TRY(stele_log_view_open(log, &recall->view, err));
    STELE_TRY(stele_log_reader_new(recall->view, &recall->reader, err));
cleanup:
    if (st != STELE_OK) {
        stele_recall_done(recall);
    }
    return st;
}

stele_status stele_recall_compare(struct stele_recall *recall, struct stele_log *log, uint64_t seq,
                                  const struct stele_dedup_key *key, stele_view payload,
                                  stele_recall_verdict *ret, uint64_t *ret_time_us,
                                  stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_stored_entry stored;
    if (recall->view == NULL || stele_log_view_log(recall->view) != log ||
        seq >= stele_log_view_size(recall->view)) {
        STELE_TRY(open_log(recall, log, err));
    }
    STELE_TRY(stele_log_read(recall->reader, seq, &stored, err));
    *ret_time_us = stored.entry.time_us;
    struct stele_event_head head;
    *ret = STELE_RECALL_UNRELATED;
    if (stored.entry.type == STELE_ENTRY_EVENT && stele_view_equal(stored.payload, payload)) {
        *ret = STELE_RECALL_SAME;
    } else if (stored.entry.type == STELE_ENTRY_EVENT &&
               stele_event_check(stored.payload, &head, NULL) == STELE_OK &&
               stele_view_equal(head.event_id, key->event_id) &&
               stele_view_equal(head.tenant, key->tenant) &&
               stele_view_equal(head.source_service, key->service)) {
        *ret = STELE_RECALL_OTHER;
    }
cleanup:
    return st;
}

/* ------------------------------------------------------------------ filling the window */

struct found {
    uint64_t hash;
    struct stele_dedup_place place;
};

/* The identities of a frame's events from entry `from` on, in their order. They are not checked
 * against the log: what is made of them is a hint, and stele_recall_compare reads the event before
 * it is believed. */
static size_t find_events(const struct stele_dedup *dedup, uint32_t log,
                          const struct stele_stored_frame *frame, uint64_t from,
                          struct found *ret) {
    struct stele_dedup_key key[STELE_FRAME_EVENTS_MAX];
    struct stele_dedup_key *keys[STELE_FRAME_EVENTS_MAX] = {NULL};
    size_t n = 0;
    for (size_t i = from > frame->first_seq ? (size_t)(from - frame->first_seq) : 0; i < frame->n;
         i++) {
        struct stele_event_head head;
        if (stele_event_check(frame->payload[i], &head, NULL) == STELE_OK) {
            key[n] = (struct stele_dedup_key){head.tenant, head.source_service, head.event_id, 0};
            keys[n] = &key[n];
            ret[n++].place = (struct stele_dedup_place){log, frame->first_seq + i};
        }
    }
    stele_dedup_hash_many(dedup, keys, n);
    for (size_t i = 0; i < n; i++) {
        ret[i].hash = key[i].hash;
    }
    return n;
}

stele_status stele_recall_range(struct stele_store *store, uint32_t log, uint64_t from,
                                struct stele_dedup *dedup, uint64_t *ret_size, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_recall recall = STELE_RECALL_EMPTY;
    STELE_TRY(open_log(&recall, stele_store_log_at(store, log), err));
    uint64_t size = stele_log_view_size(recall.view);
    for (uint64_t seq = from; seq < size;) {
        struct stele_stored_frame frame;
        struct found found[STELE_FRAME_EVENTS_MAX];
        STELE_TRY(stele_log_peek(recall.reader, seq, &frame, err));
        size_t n = find_events(dedup, log, &frame, seq, found);
        for (size_t i = 0; i < n; i++) {
            stele_dedup_remember(dedup, found[i].hash, found[i].place);
        }
        seq = frame.first_seq + (frame.n > 0 ? frame.n : 1);
    }
    *ret_size = size;
cleanup:
    stele_recall_done(&recall);
    return st;
}

/* A log walked from its newest entry down, a frame at a time; `frame` ends with entry `left - 1`.
 */
struct walk {
    struct stele_recall recall;
    uint32_t log;
    uint64_t left;
    struct stele_stored_frame frame;
};

static stele_status walk_read(struct walk *w, stele_err *err) {
    return w->left == 0 ? STELE_OK : stele_log_peek(w->recall.reader, w->left - 1, &w->frame, err);
}

/* Takes the newest frame over all walks until the window is full or nothing is left. */
static stele_status take_newest(struct walk *walk, size_t n_walks, const struct stele_dedup *dedup,
                                struct found *found, uint32_t *ret_n, stele_err *err) {
    uint32_t n = 0;
    while (n < stele_dedup_window(dedup)) {
        struct found of_frame[STELE_FRAME_EVENTS_MAX];
        struct walk *newest = NULL;
        for (size_t i = 0; i < n_walks; i++) {
            if (walk[i].left > 0 &&
                (newest == NULL || walk[i].frame.time_us > newest->frame.time_us)) {
                newest = &walk[i];
            }
        }
        if (newest == NULL) {
            break;
        }
        for (size_t i = find_events(dedup, newest->log, &newest->frame, 0, of_frame);
             i > 0 && n < stele_dedup_window(dedup); i--) {
            found[n++] = of_frame[i - 1];
        }
        newest->left = newest->frame.first_seq;
        stele_status st = walk_read(newest, err);
        if (st != STELE_OK) {
            return st;
        }
    }
    *ret_n = n;
    return STELE_OK;
}

stele_status stele_recall_fill(struct stele_store *store, struct stele_dedup *dedup,
                               stele_err *err) {
    stele_status st = STELE_OK;
    size_t n_logs = stele_store_n_logs(store);
    size_t n_walks = 0;
    uint64_t n_entries = 0;
    uint32_t n_found = 0;
    struct found *found = NULL;
    struct walk *walk = stele_alloc(n_logs + 1, sizeof *walk);
    if (walk == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to read %zu logs", n_logs);
    }
    for (size_t i = 0; i < n_logs; i++) {
        struct stele_log *log = stele_store_log_at(store, i);
        if (stele_log_is_system(log)) {
            continue;
        }
        struct walk *w = &walk[n_walks++];
        w->log = (uint32_t)i;
        STELE_TRY(open_log(&w->recall, log, err));
        w->left = stele_log_view_size(w->recall.view);
        n_entries += w->left;
        STELE_TRY(walk_read(w, err));
    }
    uint64_t n_max = n_entries < stele_dedup_window(dedup) ? n_entries : stele_dedup_window(dedup);
    found = stele_alloc((size_t)n_max + 1, sizeof *found);
    if (found == NULL) {
        st = STELE_FAIL(err, NO_MEMORY, "no memory for a duplicate window of %u events",
                        stele_dedup_window(dedup));
        goto cleanup;
    }
    STELE_TRY(take_newest(walk, n_walks, dedup, found, &n_found, err));
    while (n_found > 0) { /* oldest first */
        n_found--;
        if (n_found >= AHEAD) {
            stele_dedup_expect(dedup, found[n_found - AHEAD].hash);
        }
        stele_dedup_remember(dedup, found[n_found].hash, found[n_found].place);
    }
cleanup:
    for (size_t i = 0; i < n_walks; i++) {
        stele_recall_done(&walk[i].recall);
    }
    stele_free(found);
    stele_free(walk);
    return st;
}
