/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/settle.c: a request from its submission to its last event's fate. See append.h. */
#include <assert.h>
#include <stdio.h>

#include "ingest/append.h"
#include "proto/rpc_status.h"
#include "storage/monotonic.h"

static void decided_run(struct stele_work *work) {
    struct stele_append *append = (struct stele_append *)(void *)work;
    append->on_decided(append);
}

/* The last one down hands the request on. */
void stele_append__count_down(struct stele_append *append) {
    if (atomic_fetch_sub(&append->waiting, 1) == 1) {
        append->work.run = decided_run;
        stele_work_post(append->ingest->pool, &append->work);
    }
}

void stele_append__count_down_here(struct stele_append *append) {
    if (atomic_fetch_sub(&append->waiting, 1) == 1) {
        append->on_decided(append);
    }
}

/* ------------------------------------------------------------------ one event */

/* The fate of one who waited for `first`: its place, or its refusal. */
static void tell_waiter(struct stele_append_event *event, const struct stele_append_event *first) {
    if (first->code == 0) {
        event->log = first->log;
        event->seq = first->seq;
        event->time_us = first->time_us;
        event->duplicate = true;
        event->decided = true;
    } else if (first->code == stele_rpc_code_of(STELE_BUSY)) {
        stele_append__refuse(
            event, stele_rpc_code_of(STELE_CLOSED),
            "the same event, sent a moment before, found the queue full; send it again");
    } else {
        stele_append__refuse(event, first->code, stele_append_error(first));
    }
    stele_append__count_down(event->append);
}

void stele_append__settle(struct stele_append_event *event, const struct stele_dedup_place *place) {
    assert(event->claimed && event->decided && (place != NULL) == (event->code == 0));
    struct stele_dedup *dedup = event->append->ingest->dedup[event->region];
    struct stele_dedup_waiter *waiter = stele_dedup_settle(dedup, &event->claim, place);
    event->claimed = false;
    while (waiter != NULL) {
        struct stele_dedup_waiter *next =
            waiter->next; /* the waiter may be gone after it is told */
        tell_waiter((struct stele_append_event *)(void *)waiter, event);
        waiter = next;
    }
}

/* ------------------------------------------------------------------ one batch */

/* The last event of the same request. It is looked for before a count is given up: then the request
 * may be gone. */
static struct stele_append_event *last_of_request(struct stele_append_event *event) {
    while (event->next != NULL && event->next->append == event->append) {
        event = event->next;
    }
    return event;
}

static void batch_fail(struct stele_append_batch *batch, uint32_t code, const char *why) {
    char text[STELE_ERR_TEXT_BYTES + 64];
    (void)snprintf(text, sizeof text, "not stored: %s; send it again", why);
    for (struct stele_append_event *event = batch->first; event != NULL; event = event->next) {
        stele_append__refuse(event, code, text);
        stele_append__settle(event, NULL);
    }
}

static void batch_stored(struct stele_append_batch *batch) {
    struct stele_dedup_place place = batch->place;
    const struct stele_dedup *dedup = batch->ingest->dedup[batch->region];
    for (const struct stele_append_event *event = batch->first; event != NULL;
         event = event->next) {
        stele_dedup_expect(dedup, event->claim.key.hash);
    }
    for (struct stele_append_event *event = batch->first; event != NULL; event = event->next) {
        event->seq = place.seq++;
        event->time_us = batch->time_us;
        event->decided = true;
        stele_append__settle(event, &(struct stele_dedup_place){place.log, event->seq});
    }
}

/* What a log says of a failed commit, as a client should act on it: all but bad input is tried
 * again. */
static uint32_t code_of_commit(stele_status st) {
    return st == STELE_INVALID || st == STELE_LIMIT ? stele_rpc_code_of(st)
                                                    : stele_rpc_code_of(STELE_CLOSED);
}

static void settle_run(struct stele_work *work);

/* In the committer's thread: notes what became of the batch, and leaves the rest to a worker. */
static void batch_done(void *arg, stele_status st, const stele_err *err,
                       const struct stele_batch_place *place) {
    struct stele_append_batch *batch = arg;
    struct stele_doubt *doubt = batch->ingest->doubt[batch->region];
    batch->st = st;
    if (st == STELE_OK) {
        batch->place.seq = place->first_seq;
        batch->time_us = place->time_us;
        stele_doubt_committed(doubt, batch->place.log, place->first_seq, place->n);
    } else {
        batch->err = err != NULL ? *err : batch->err;
        stele_doubt_failed(doubt, batch->place.log);
    }
    batch->work.run = settle_run;
    stele_work_post(batch->ingest->pool, &batch->work);
}

/* ------------------------------------------------------------------ submitting */

/* Gives up what could not be submitted. */
static void batch_give_up(struct stele_append_batch *batch, uint32_t code, const char *why) {
    batch_fail(batch, code, why);
    for (struct stele_append_event *event = batch->first; event != NULL;) {
        struct stele_append_event *last = last_of_request(event);
        (void)atomic_fetch_sub(&event->append->waiting, 1); /* the request's own count is left */
        event = last->next;
    }
    stele_append__batch_free(batch);
}

/* Tries to submit one batch, which is gone then. False: its queue is full. */
static bool batch_submit(struct stele_append_batch *batch) {
    struct stele_ingest *ingest = batch->ingest;
    struct stele_batch *own = batch->batch;
    stele_err err = {0};
    /* Before the log may answer, from another thread and before submit returns. */
    batch->batch = NULL;
    stele_status st = stele_batch_submit(own, batch_done, batch, &err);
    if (st == STELE_OK) {
        (void)atomic_fetch_add(&ingest->batches, 1);
        return true;
    }
    batch->batch = own;
    if (st == STELE_BUSY) {
        return false;
    }
    batch_give_up(batch, code_of_commit(st), err.text);
    return true;
}

/* Submits what there is room for; whether nothing is left. */
static bool submit_all(struct stele_append_batch **at) {
    bool all = true;
    while (*at != NULL) {
        struct stele_append_batch *batch = *at;
        struct stele_append_batch *next = batch->next;
        if (batch->first == NULL) { /* every event of it was refused */
            stele_append__batch_free(batch);
            *at = next;
        } else if (batch_submit(batch)) {
            *at = next;
        } else {
            all = false;
            at = &batch->next;
        }
    }
    return all;
}

static void retry_run(struct stele_work *work) {
    stele_append__submit((struct stele_append *)(void *)work);
}

/* Gives up on what found its queue full. */
static void refuse_busy(struct stele_append_batch *batches) {
    while (batches != NULL) {
        struct stele_append_batch *batch = batches;
        batches = batch->next;
        for (struct stele_append_event *event = batch->first; event != NULL;
             event = last_of_request(event)->next) {
            (void)atomic_fetch_add(&batch->ingest->busy, 1);
        }
        batch_give_up(batch, stele_rpc_code_of(STELE_BUSY), "the log's queue is full");
    }
}

void stele_append__submit_shared(struct stele_append_batch *batches) {
    if (!submit_all(&batches)) {
        refuse_busy(batches);
    }
}

void stele_append__submit(struct stele_append *append) {
    bool full = !submit_all(&append->batches);
    if (full && append->patient) {
        uint64_t now_us = stele_monotonic_us();
        if (append->busy_since_us == 0) {
            append->busy_since_us = now_us;
        }
        if (now_us - append->busy_since_us < STELE_INGEST_STREAM_BUSY_MAX_US) {
            append->work.run = retry_run;
            stele_work_post_later(append->ingest->pool, &append->work,
                                  STELE_INGEST_STREAM_BUSY_STEP_US);
            return;
        }
    }
    if (full) {
        refuse_busy(append->batches);
        append->batches = NULL;
    }
    if (append->on_submitted != NULL) {
        append->on_submitted(append);
    }
    stele_append__count_down(append);
}

/* ------------------------------------------------------------------ settling */

/* A log refuses a batch whole, for one event that it cannot take. Then each request is tried by
 * itself: what is wrong with one is no reason to refuse another. */
static void split(struct stele_append_batch *batch) {
    struct stele_append_event *event = batch->first;
    stele_free(batch);
    while (event != NULL) {
        struct stele_append *append = event->append;
        struct stele_append_event *end = last_of_request(event)->next;
        struct stele_append_batch *own = NULL;
        while (event != end) {
            struct stele_append_event *next = event->next;
            event->next = NULL;
            stele_append__fill(event, &own);
            event = next;
        }
        stele_append__submit_shared(own);
        stele_append__count_down_here(append);
    }
}

static void settle_run(struct stele_work *work) {
    struct stele_append_batch *batch = (struct stele_append_batch *)(void *)work;
    bool refused = batch->st == STELE_INVALID || batch->st == STELE_LIMIT;
    if (refused && last_of_request(batch->first)->next != NULL) {
        split(batch);
        return;
    }
    if (batch->st == STELE_OK) {
        batch_stored(batch);
    } else {
        batch_fail(batch, code_of_commit(batch->st), batch->err.text);
    }
    struct stele_append_event *event = batch->first;
    stele_free(batch); /* last of the service's: it may end with the last request */
    while (event != NULL) {
        struct stele_append *append = event->append;
        event = last_of_request(event)->next;
        stele_append__count_down_here(append);
    }
}

/* ------------------------------------------------------------------ the whole call */

stele_status stele_append_outcome(const struct stele_append *append, stele_err *err) {
    if (append->whole.status != STELE_OK) {
        if (err != NULL) {
            *err = append->whole;
        }
        return append->whole.status;
    }
    const struct stele_append_event *unavailable = NULL;
    const struct stele_append_event *busy = NULL;
    for (size_t i = 0; i < append->n_events; i++) {
        const struct stele_append_event *event = &append->event[i];
        if (event->code == 0 && !event->duplicate) {
            return STELE_OK; /* the client must learn what was stored */
        }
        if (event->code == stele_rpc_code_of(STELE_CLOSED) && unavailable == NULL) {
            unavailable = event;
        } else if (event->code == stele_rpc_code_of(STELE_BUSY) && busy == NULL) {
            busy = event;
        }
    }
    if (unavailable != NULL) {
        return STELE_FAIL(err, CLOSED, "%.230s", stele_append_error(unavailable));
    }
    if (busy != NULL) {
        return STELE_FAIL(err, BUSY, "%.230s", stele_append_error(busy));
    }
    return STELE_OK;
}

void stele_append_count_fates(const struct stele_append *append) {
    uint64_t stored = 0;
    uint64_t duplicate = 0;
    for (size_t i = 0; i < append->n_events && append->whole.status == STELE_OK; i++) {
        const struct stele_append_event *event = &append->event[i];
        stored += event->code == 0 && !event->duplicate;
        duplicate += event->duplicate;
    }
    (void)atomic_fetch_add(&append->ingest->events_stored, stored);
    (void)atomic_fetch_add(&append->ingest->events_duplicate, duplicate);
    (void)atomic_fetch_add(&append->ingest->events_refused, append->n_events - stored - duplicate);
}
