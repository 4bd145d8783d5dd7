/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/service.h: the inside of stele_ingest, shared by the files that serve Append and
 * AppendStream. Layer: ingest, and only for ingest.c, append*.c and receipts.c.
 *
 * Threads: what is not atomic here is written before the service starts and never again.
 */
#ifndef STELE_INGEST_SERVICE_H
#define STELE_INGEST_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ingest/admit.h"
#include "ingest/dedup.h"
#include "ingest/doubt.h"
#include "ingest/ingest.h"
#include "ingest/journal.h"
#include "ingest/work.h"
#include "proto/rpc_share.h"

struct stele_append_call;

/* Unary calls whose messages nobody took up yet. Those that are there when a worker comes are
 * worked on together. */
struct stele_append_calls {
    struct stele_work work;
    pthread_mutex_t lock;
    struct stele_append_call *first, *last; /* locked */
    size_t n;                               /* locked; of the list */
    bool posted;                            /* locked; a worker is about to come */
};

struct stele_ingest {
    struct stele_admission admission;
    struct stele_store *store[STELE_INGEST_REGIONS_MAX];
    struct stele_dedup *dedup[STELE_INGEST_REGIONS_MAX]; /* by region, as the next */
    struct stele_doubt *doubt[STELE_INGEST_REGIONS_MAX];
    struct stele_work_pool *pool;
    struct stele_journal *journal;
    struct stele_append_calls calls;
    struct stele_rpc_method method[2];

    atomic_uint_fast64_t events_stored, events_refused, events_duplicate, batches, busy;
    atomic_size_t held_bytes; /* of messages that are not decided */
    atomic_size_t held_calls;
    struct stele_rpc_shares *held_of; /* bytes, by client */
    pthread_mutex_t lock;
    pthread_cond_t idle; /* held_calls fell to 0 */

    atomic_bool ending;
    pthread_mutex_t streams_lock;        /* before a stream's own, and that before `lock` */
    struct stele_append_stream *streams; /* whose calls are not over */
};

/* Room for one message. */
struct stele_ingest_room {
    size_t bytes;
    struct stele_rpc_share *share;
};
/* Takes room for a message of `bytes` that `call` brought. Every hold has its drop, but a refused
 * one. Errors: BUSY: the server, or this client of it, holds as much as it may; for the client to
 * be told. */
STELE_MUST_USE stele_status stele_ingest_hold(struct stele_ingest *ingest,
                                              struct stele_rpc_call *call, size_t bytes,
                                              struct stele_ingest_room *ret, stele_err *err);
void stele_ingest_drop(struct stele_ingest *ingest, const struct stele_ingest_room *room);
/* Whether streams should have one message under way only. */
bool stele_ingest_is_tight(const struct stele_ingest *ingest);

/* A message that could not be taken apart, or was over a limit: into the journal. */
void stele_ingest_note_message(struct stele_ingest *ingest, const struct stele_rpc_peer *peer,
                               stele_view message, const stele_err *err);

/* Of append_stream_rpc.c: see stele_ingest_end_streams. */
void stele_append_stream_end_all(struct stele_ingest *ingest);

/* Of append_rpc.c: before and after the service. */
void stele_append_calls_init(struct stele_append_calls *calls);
void stele_append_calls_done(struct stele_append_calls *calls);

/* The methods' callbacks. */
void stele_append_unary_on_message(void *service, struct stele_rpc_call *call,
                                   struct stele_rpc_message *message);
void stele_append_unary_on_quiet(void *service);
void stele_append_stream_on_message(void *service, struct stele_rpc_call *call,
                                    struct stele_rpc_message *message);
void stele_append_stream_on_half_close(void *service, struct stele_rpc_call *call);
void stele_append_stream_on_sent(void *service, struct stele_rpc_call *call);
void stele_append_stream_on_done(void *service, struct stele_rpc_call *call);

#endif
