/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/append.h: the life of one request's events, from their bytes to each one's fate. Layer:
 * ingest.
 *
 * A request is admitted event by event, freed of duplicates, grouped by target log in the order
 * sent, and submitted as one batch a log. Small requests that are there at the same time may share
 * their batches, one after the other: a batch costs as much as a few events. Every event then ends
 * in exactly one fate: stored here, found stored before, or refused with a code and a text. Nothing
 * is reported as stored before its log said so.
 *
 * What keeps it together: `waiting` counts what is not decided (batches submitted, events that wait
 * for another request's claim, and one while the request is still being worked on). Each event's
 * fate is written by one thread, before it counts down; whoever counts to zero hands the request
 * on, so that none waits for another it shared a batch with. The message lives until then, because
 * batches and claims borrow its bytes. A request never waits in a thread, and settles its own
 * batches as they come, so that two requests waiting for each other's events cannot lock.
 */
#ifndef STELE_INGEST_APPEND_H
#define STELE_INGEST_APPEND_H

#include "ingest/service.h"

struct stele_append;

struct stele_append_event {
    struct stele_dedup_waiter waiter; /* first, so that a waiter is its event */
    struct stele_dedup_claim claim;   /* its key and payload are the event's, claimed or not */
    struct stele_append *append;
    struct stele_append_event *next; /* in its batch */
    struct stele_log *log;           /* where it goes; once stored, where it is */
    uint64_t seq;
    uint64_t time_us;
    uint64_t adoptions; /* of its log, before it was looked for there: see stele_batch_bind */
    char *error;        /* owned; NULL if there is none, or was no memory for it */
    uint32_t code;      /* gRPC code: 0 if stored */
    uint32_t region;    /* index of its store */
    bool claimed;       /* until settled */
    bool decided;
    bool duplicate;
};

/* Events of one log: those of a request are together, and it counts one for them in `waiting`. Once
 * submitted it is its own, and ends with its settling. */
struct stele_append_batch {
    struct stele_work work; /* first, so that the work is the batch */
    struct stele_ingest *ingest;
    struct stele_append_batch *next;
    struct stele_log *log;
    struct stele_batch *batch; /* owned until submitted */
    struct stele_append_event *first, *last;
    uint32_t region;
    struct stele_dedup_place place; /* of its first event */
    uint64_t time_us;
    stele_status st;
    stele_err err;
};

struct stele_append {
    struct stele_work work; /* first, so that the work is the request */
    struct stele_ingest *ingest;
    struct stele_rpc_message *message; /* owned */
    struct stele_ingest_room room;     /* the message's */
    const struct stele_rpc_peer *peer; /* the owner keeps the call, and with it the peer */
    bool all_or_nothing;
    bool want_receipt;
    bool patient;                       /* waits for room in a full queue instead of refusing */
    stele_err whole;                    /* status OK, or why nothing of the request was tried */
    struct stele_append_batch *batches; /* not submitted yet and not shared; newest first */
    uint64_t busy_since_us;             /* 0: no queue was full */
    atomic_uint waiting;
    /* In a worker's thread, once each and in this order. on_submitted (may be NULL): the request
     * has its places in the queues, and a later one cannot overtake it. on_decided: every event has
     * its fate; the request is the owner's to free. */
    void (*on_submitted)(struct stele_append *append);
    void (*on_decided)(struct stele_append *append);
    void *owner;
    size_t n_events;
    struct stele_append_event event[];
};

/*
 * Takes a message apart. On OK the request owns the message and the room the caller took for it
 * (stele_ingest_hold); freeing it gives both back. Errors: LIMIT, INVALID, NO_MEMORY.
 */
STELE_MUST_USE stele_status stele_append_new(struct stele_ingest *ingest,
                                             struct stele_rpc_message *message,
                                             const struct stele_ingest_room *room,
                                             stele_append_message kind, struct stele_append **ret,
                                             stele_err *err);
void stele_append_free(struct stele_append *append); /* NULL is fine; decided or never run */

/* Sets it going; in a worker's thread. Never fails: failures are fates. */
void stele_append_run(struct stele_append *append);
/* The same for n of them that share batches. None of them is all_or_nothing, patient or has an
 * on_submitted. */
void stele_append_run_all(struct stele_append *const *appends, size_t n);

/*
 * After on_decided: whether the whole call fails. It does if the request was refused whole, or if
 * nothing of it was stored and something would be if it were sent again. Errors: INVALID, BUSY,
 * CLOSED.
 */
STELE_MUST_USE stele_status stele_append_outcome(const struct stele_append *append, stele_err *err);
/* After on_decided, once: adds the events' fates to the service's counters. */
void stele_append_count_fates(const struct stele_append *append);
/* What a refused event is told; never NULL. */
const char *stele_append_error(const struct stele_append_event *event);

/* ------------------------------------------------------------------ between append.c and settle.c
 */
/* Gives an event its fate. The text is copied, cleaned for a proto3 string. */
void stele_append__refuse(struct stele_append_event *event, uint32_t code, const char *text);
/* Ends an event's claim: at `place`, or refused (NULL); tells those who waited for it. */
void stele_append__settle(struct stele_append_event *event, const struct stele_dedup_place *place);
/* Puts a claimed event into a batch of its log, which it makes if there is none; or refuses it. */
void stele_append__fill(struct stele_append_event *event, struct stele_append_batch **batches);
/* Submits what is filled; calls on_submitted and gives up its own count when all is. */
void stele_append__submit(struct stele_append *append);
/* The same of batches that are shared, but for the counts. */
void stele_append__submit_shared(struct stele_append_batch *batches);
/* Hands the request on if this was the last. By another thread's leave, so that whoever settles is
 * not held up by it; or here and now, in a worker's thread that holds nothing. */
void stele_append__count_down(struct stele_append *append);
void stele_append__count_down_here(struct stele_append *append);
/* Frees a batch that was not submitted. */
void stele_append__batch_free(struct stele_append_batch *batch);

#endif
