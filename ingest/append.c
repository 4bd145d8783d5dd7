/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/append.c: a request until it is submitted: taken apart, admitted, freed of duplicates,
 * grouped. */
#include "ingest/append.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ingest/recall.h"
#include "proto/rpc_status.h"

/* ------------------------------------------------------------------ life */

stele_status stele_append_new(struct stele_ingest *ingest, struct stele_rpc_message *message,
                              const struct stele_ingest_room *room, stele_append_message kind,
                              struct stele_append **ret, stele_err *err) {
    struct stele_append_request request;
    stele_view bytes = stele_rpc_message_view(message);
    stele_status st = stele_append_request_read(bytes, kind, &request, err);
    if (st != STELE_OK) {
        return st;
    }
    size_t head = sizeof(struct stele_append);
    struct stele_append *append =
        stele_alloc(1, head + request.n_events * sizeof(struct stele_append_event));
    if (append == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a request of %zu events; send it again",
                          request.n_events);
    }
    append->ingest = ingest;
    append->message = message;
    append->room = *room;
    append->all_or_nothing = request.all_or_nothing;
    append->want_receipt = request.want_receipt;
    append->n_events = request.n_events;
    atomic_init(&append->waiting, 1); /* the request itself, until it is submitted */
    for (size_t i = 0; i < request.n_events; i++) {
        append->event[i].append = append;
        append->event[i].claim.payload = request.event[i];
    }
    *ret = append;
    return STELE_OK;
}

void stele_append_free(struct stele_append *append) {
    if (append == NULL) {
        return;
    }
    for (size_t i = 0; i < append->n_events; i++) {
        assert(!append->event[i].claimed);
        stele_free(append->event[i].error);
    }
    assert(append->batches == NULL);
    struct stele_ingest_room room = append->room;
    struct stele_ingest *ingest = append->ingest;
    stele_rpc_message_release(append->message);
    stele_free(append);
    stele_ingest_drop(ingest, &room); /* last: the service may end now */
}

/* ------------------------------------------------------------------ fates */

void stele_append__refuse(struct stele_append_event *event, uint32_t code, const char *text) {
    assert(!event->decided && code != 0);
    event->decided = true;
    event->code = code;
    event->error = stele_strdup(text);
    for (char *p = event->error; p != NULL && *p != '\0'; p++) {
        if (*p < 0x20 || *p >= 0x7f) { /* a cut or quoted byte is no proto3 string */
            *p = '?';
        }
    }
}

const char *stele_append_error(const struct stele_append_event *event) {
    if (event->error != NULL) {
        return event->error;
    }
    return event->code == 0 ? "" : "refused; the server had no memory for the reason";
}

/* Refuses bad input, and journals it. */
static void reject(struct stele_append_event *event, size_t region, const stele_err *err) {
    struct stele_append *append = event->append;
    uint32_t code = stele_rpc_code_of(err->status);
    stele_append__refuse(event, code, err->text);
    struct stele_rejection rejection = {
        .peer = append->peer,
        .bytes = event->claim.payload,
        .code = code,
        .reason = stele_append_error(event),
        .region = region,
    };
    if (region != STELE_INGEST_NO_REGION) {
        stele_admit_peek(event->claim.payload, &rejection.claimed);
    }
    stele_journal_note(append->ingest->journal, &rejection);
}

/* With all_or_nothing the first refusal is the whole request's. */
static bool is_sunk(struct stele_append *append, const struct stele_append_event *event) {
    if (!append->all_or_nothing || !event->decided || event->code == 0) {
        return false;
    }
    (void)STELE_FAIL(&append->whole, INVALID,
                     "event %zu: %s: %.150s; all_or_nothing: nothing was stored",
                     (size_t)(event - append->event), stele_rpc_code_name(event->code),
                     stele_append_error(event));
    return true;
}

/* ------------------------------------------------------------------ admission */

static bool admit_all(struct stele_append *append) {
    const struct stele_ingest *ingest = append->ingest;
    struct stele_admit_memo memo = {0};
    for (size_t i = 0; i < append->n_events; i++) {
        struct stele_append_event *event = &append->event[i];
        struct stele_admitted admitted;
        size_t region = STELE_INGEST_NO_REGION;
        stele_err err = {0};
        if (stele_admit(&ingest->admission, append->peer, event->claim.payload, &memo, &admitted,
                        &region, &err) != STELE_OK) {
            reject(event, region, &err);
            if (is_sunk(append, event)) {
                return false;
            }
            continue;
        }
        event->region = (uint32_t)admitted.region;
        event->log = admitted.log;
        struct stele_dedup_key *key = &event->claim.key;
        key->tenant = admitted.head.tenant;
        key->service = admitted.head.source_service;
        key->event_id = admitted.head.event_id;
    }
    return true;
}

/* ------------------------------------------------------------------ duplicates */

/* The admitted events' hashes, a few of one region at a time. */
static void hash_all(struct stele_append *append) {
    enum { AT_ONCE = 16 };
    struct stele_dedup_key *keys[AT_ONCE];
    size_t n = 0;
    uint32_t region = 0;
    for (size_t i = 0; i <= append->n_events; i++) {
        struct stele_append_event *event = i < append->n_events ? &append->event[i] : NULL;
        if (n > 0 && (event == NULL || n == AT_ONCE || event->region != region)) {
            const struct stele_dedup *dedup = append->ingest->dedup[region];
            stele_dedup_hash_many(dedup, keys, n);
            for (; n > 0; n--) {
                stele_dedup_expect(dedup, keys[n - 1]->hash);
            }
        }
        if (event != NULL && !event->decided) {
            region = event->region;
            keys[n++] = &event->claim.key;
        }
    }
}

static uint32_t log_number(struct stele_store *store, const struct stele_log *log) {
    uint32_t i = 0;
    while (stele_store_log_at(store, i) != log) {
        i++;
        assert(i < stele_store_n_logs(store)); /* a routed log is one of its store */
    }
    return i;
}

static void refuse_other(struct stele_append_event *event, const struct stele_log *log,
                         uint64_t seq) {
    stele_err err = {0};
    const struct stele_dedup_key *key = &event->claim.key;
    char where[96] = "is being stored at this moment";
    if (log != NULL) {
        (void)snprintf(where, sizeof where, "is stored at %s seq %" PRIu64,
                       stele_log_full_name(log), seq);
    }
    (void)STELE_FAIL(&err, EXISTS,
                     "event_id '%.*s': an event with this id and other bytes %s; "
                     "give each event an id of its own, and send it again unchanged",
                     (int)key->event_id.size, (const char *)key->event_id.data, where);
    reject(event, event->region, &err);
}

/* What is stored at a place with the same hash; whether that decided the event. */
static bool compare_stored(struct stele_append_event *event, struct stele_dedup_place place,
                           struct stele_recall *recall) {
    stele_err err = {0};
    struct stele_log *log =
        stele_store_log_at(event->append->ingest->store[event->region], place.log);
    stele_recall_verdict verdict = STELE_RECALL_UNRELATED;
    uint64_t time_us = 0;
    if (stele_recall_compare(recall, log, place.seq, &event->claim.key, event->claim.payload,
                             &verdict, &time_us, &err) != STELE_OK) {
        char text[STELE_ERR_TEXT_BYTES + 128];
        (void)snprintf(text, sizeof text,
                       "cannot be compared with the event stored at %s seq %" PRIu64
                       ": %s; send it again",
                       stele_log_full_name(log), place.seq, err.text);
        stele_append__refuse(event, stele_rpc_code_of(STELE_CLOSED), text);
        return true;
    }
    if (verdict == STELE_RECALL_OTHER) {
        refuse_other(event, log, place.seq);
    } else if (verdict == STELE_RECALL_SAME) {
        event->log = log;
        event->seq = place.seq;
        event->time_us = time_us;
        event->duplicate = true;
        event->decided = true;
    }
    return verdict != STELE_RECALL_UNRELATED;
}

/*
 * Claims an event's identity, or finds it taken. False: the event was refused here. After WAITING
 * the event is the settling thread's, and is not looked at again before the request is decided.
 */
static bool claim_event(struct stele_append_event *event, struct stele_recall *recall) {
    struct stele_append *append = event->append;
    struct stele_dedup *dedup = append->ingest->dedup[event->region];
    struct stele_dedup_place unrelated[STELE_DEDUP_COLLISIONS_MAX];
    size_t n = 0;
    for (;;) { /* at most once for each possible collision and once more */
        struct stele_dedup_place place = {0};
        /* Counted before it is linked: the settler may hand the waiter out at once. */
        (void)atomic_fetch_add(&append->waiting, 1);
        stele_dedup_verdict verdict =
            stele_dedup_claim(dedup, &event->claim, &event->waiter, unrelated, n, &place);
        if (verdict == STELE_DEDUP_WAITING) {
            return true;
        }
        (void)atomic_fetch_sub(&append->waiting,
                               1); /* not to zero: the request's own count is left */
        if (verdict == STELE_DEDUP_CLAIMED) {
            event->claimed = true;
            return true;
        }
        if (verdict == STELE_DEDUP_OTHER) {
            refuse_other(event, NULL, 0);
            return false;
        }
        if (compare_stored(event, place, recall)) {
            return event->code == 0;
        }
        assert(n < STELE_DEDUP_COLLISIONS_MAX); /* a full list is never answered with STORED */
        unrelated[n++] = place;
    }
}

/* What the event's log may hold beyond the window is read first. False: it cannot be. */
static bool clear_doubt(struct stele_append_event *event) {
    struct stele_ingest *ingest = event->append->ingest;
    stele_err err = {0};
    uint32_t log = log_number(ingest->store[event->region], event->log);
    if (stele_doubt_resolve(ingest->doubt[event->region], log, &err) == STELE_OK) {
        return true;
    }
    stele_append__refuse(event, stele_rpc_code_of(STELE_CLOSED), err.text);
    return false;
}

static bool claim_all(struct stele_append *append) {
    bool sunk = false;
    struct stele_recall recall = STELE_RECALL_EMPTY;
    const struct stele_log *clear = NULL; /* events of one batch mostly go to one log */
    uint64_t adoptions = 0;
    hash_all(append);
    for (size_t i = 0; i < append->n_events && !sunk; i++) {
        struct stele_append_event *event = &append->event[i];
        if (event->decided) {
            continue;
        }
        if (event->log != clear) {
            /* Read before the log is: what it takes up from now on may be this event, unseen. */
            adoptions = stele_log_adoptions(event->log);
            if (!clear_doubt(event)) {
                continue;
            }
            clear = event->log;
        }
        event->adoptions = adoptions;
        if (!claim_event(event, &recall)) {
            sunk = is_sunk(append, event);
        }
    }
    stele_recall_done(&recall);
    return !sunk;
}

/* ------------------------------------------------------------------ batches */

/* The batch for a log, made when its first event comes, or when the one before is full. Requests
 * name few logs. */
static stele_status batch_for(struct stele_append_batch **batches,
                              const struct stele_append_event *event,
                              struct stele_append_batch **ret, stele_err *err) {
    struct stele_ingest *ingest = event->append->ingest;
    for (struct stele_append_batch *b = *batches; b != NULL; b = b->next) {
        if (b->log == event->log && stele_batch_count(b->batch) < STELE_BATCH_EVENTS_MAX) {
            *ret = b;
            return STELE_OK;
        }
    }
    struct stele_append_batch *b = stele_alloc(1, sizeof *b);
    if (b == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a batch; send the event again");
    }
    stele_status st = stele_batch_new(event->log, &b->batch, err);
    if (st != STELE_OK) {
        stele_free(b);
        return st;
    }
    stele_batch_bind(b->batch, event->adoptions); /* the earliest: events come in their order */
    b->ingest = ingest;
    b->log = event->log;
    b->region = event->region;
    b->place.log = log_number(ingest->store[event->region], event->log);
    b->next = *batches;
    *batches = b;
    *ret = b;
    return STELE_OK;
}

static void link_event(struct stele_append_batch *batch, struct stele_append_event *event) {
    if (batch->last == NULL || batch->last->append != event->append) {
        (void)atomic_fetch_add(&event->append->waiting, 1);
    }
    *(batch->last == NULL ? &batch->first : &batch->last->next) = event;
    batch->last = event;
}

void stele_append__batch_free(struct stele_append_batch *batch) {
    stele_batch_free(batch->batch);
    stele_free(batch);
}

static bool is_bad_input(stele_status st) {
    return st == STELE_INVALID || st == STELE_LIMIT || st == STELE_DENIED;
}

void stele_append__fill(struct stele_append_event *event, struct stele_append_batch **batches) {
    struct stele_append_batch *batch = NULL;
    stele_err err = {0};
    stele_status st = batch_for(batches, event, &batch, &err);
    if (st == STELE_OK) {
        st = stele_batch_add(batch->batch, event->claim.payload, &err);
    }
    if (st == STELE_OK) {
        link_event(batch, event);
        return;
    }
    if (is_bad_input(st)) {
        reject(event, event->region, &err);
    } else {
        stele_append__refuse(event, stele_rpc_code_of(STELE_CLOSED), err.text);
    }
    stele_append__settle(event, NULL);
}

static bool fill_all(struct stele_append *append, struct stele_append_batch **batches) {
    for (size_t i = 0; i < append->n_events; i++) {
        struct stele_append_event *event = &append->event[i];
        if (event->claimed) {
            stele_append__fill(event, batches);
            if (is_sunk(append, event)) {
                return false;
            }
        }
    }
    return true;
}

/* ------------------------------------------------------------------ all of it */

/* Lets go of everything claimed: the request was refused whole. */
static void give_up(struct stele_append *append) {
    for (size_t i = 0; i < append->n_events; i++) {
        struct stele_append_event *event = &append->event[i];
        if (event->claimed) {
            stele_append__refuse(event, stele_rpc_code_of(STELE_CLOSED),
                                 "not stored: it came in an all_or_nothing batch that was refused");
            stele_append__settle(event, NULL);
        }
    }
    while (append->batches != NULL) {
        struct stele_append_batch *batch = append->batches;
        append->batches = batch->next;
        if (batch->first != NULL) {
            (void)atomic_fetch_sub(&append->waiting, 1); /* the request's own count is left */
        }
        stele_append__batch_free(batch);
    }
}

void stele_append_run(struct stele_append *append) {
    if (!admit_all(append) || !claim_all(append) || !fill_all(append, &append->batches)) {
        give_up(append);
    }
    stele_journal_flush(append->ingest->journal);
    stele_append__submit(append);
}

void stele_append_run_all(struct stele_append *const *appends, size_t n) {
    struct stele_append_batch *shared = NULL;
    for (size_t i = 0; i < n; i++) {
        struct stele_append *append = appends[i];
        assert(!append->all_or_nothing && !append->patient && append->on_submitted == NULL);
        bool sunk = !admit_all(append) || !claim_all(append) || !fill_all(append, &shared);
        assert(!sunk); /* only all_or_nothing is */
        (void)sunk;
    }
    if (n > 0) {
        stele_journal_flush(appends[0]->ingest->journal);
    }
    stele_append__submit_shared(shared);
    for (size_t i = 0; i < n; i++) {
        stele_append__count_down_here(appends[i]);
    }
}
