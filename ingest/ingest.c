/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/ingest.c: the service put together, and the room it has for what it holds. */
#include "ingest/ingest.h"

#include <unistd.h>

#include "ingest/recall.h"
#include "ingest/service.h"
#include "proto/rpc_status.h"

/* ------------------------------------------------------------------ room */

stele_status stele_ingest_hold(struct stele_ingest *ingest, struct stele_rpc_call *call,
                               size_t bytes, struct stele_ingest_room *ret, stele_err *err) {
    size_t held = atomic_fetch_add(&ingest->held_bytes, bytes) + bytes;
    size_t calls = atomic_fetch_add(&ingest->held_calls, 1) + 1;
    bool full = held > STELE_INGEST_HELD_BYTES_MAX || calls > STELE_INGEST_HELD_CALLS_MAX;
    struct stele_ingest_room room = {.bytes = bytes};
    if (!full) {
        room.share = stele_rpc_share_take(ingest->held_of, stele_rpc_call_peer(call), bytes);
    }
    if (room.share != NULL) {
        *ret = room;
        return STELE_OK;
    }
    (void)atomic_fetch_add(&ingest->busy, 1);
    stele_ingest_drop(ingest, &room);
    return STELE_FAIL(err, BUSY,
                      "this %s as many undecided events as it may; send it again after %d ms",
                      full ? "server holds" : "certificate has", STELE_INGEST_RETRY_AFTER_MS);
}

void stele_ingest_drop(struct stele_ingest *ingest, const struct stele_ingest_room *room) {
    stele_rpc_share_give(ingest->held_of, room->share, room->bytes);
    (void)atomic_fetch_sub(&ingest->held_bytes, room->bytes);
    if (atomic_fetch_sub(&ingest->held_calls, 1) == 1) {
        (void)pthread_mutex_lock(&ingest->lock);
        (void)pthread_cond_broadcast(&ingest->idle);
        (void)pthread_mutex_unlock(&ingest->lock);
    }
}

bool stele_ingest_is_tight(const struct stele_ingest *ingest) {
    return atomic_load(&ingest->held_bytes) > STELE_INGEST_HELD_BYTES_SOFT ||
           atomic_load(&ingest->held_calls) > STELE_INGEST_HELD_CALLS_MAX / 2;
}

void stele_ingest_note_message(struct stele_ingest *ingest, const struct stele_rpc_peer *peer,
                               stele_view message, const stele_err *err) {
    struct stele_rejection rejection = {
        .peer = peer,
        .bytes = message,
        .code = stele_rpc_code_of(err->status),
        .reason = err->text,
        .region = STELE_INGEST_NO_REGION,
    };
    stele_journal_note(ingest->journal, &rejection);
    stele_journal_flush(ingest->journal);
}

/* ------------------------------------------------------------------ life */

static void set_methods(struct stele_ingest *ingest) {
    ingest->method[0] = (struct stele_rpc_method){
        .path = STELE_APPEND_PATH,
        .kind = STELE_RPC_UNARY,
        .service = ingest,
        .on_message = stele_append_unary_on_message,
        .on_quiet = stele_append_unary_on_quiet,
    };
    ingest->method[1] = (struct stele_rpc_method){
        .path = STELE_APPEND_STREAM_PATH,
        .kind = STELE_RPC_BIDI,
        .service = ingest,
        .on_message = stele_append_stream_on_message,
        .on_half_close = stele_append_stream_on_half_close,
        .on_sent = stele_append_stream_on_sent,
        .on_done = stele_append_stream_on_done,
    };
}

static unsigned n_workers(void) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < STELE_INGEST_WORKERS_MIN) {
        return STELE_INGEST_WORKERS_MIN;
    }
    return cores > STELE_INGEST_WORKERS_MAX ? STELE_INGEST_WORKERS_MAX : (unsigned)cores;
}

static stele_status check_config(const struct stele_ingest_config *config, stele_err *err) {
    if (config->n_stores == 0 || config->n_stores > STELE_INGEST_REGIONS_MAX) {
        return STELE_FAIL(err, INVALID, "%zu regions to ingest for; 1 to %d are possible",
                          config->n_stores, STELE_INGEST_REGIONS_MAX);
    }
    if (config->default_retention_years < 1 || config->default_retention_years > 7) {
        return STELE_FAIL(err, INVALID, "default retention of %u years; classes are 1 to 7 years",
                          config->default_retention_years);
    }
    return STELE_OK;
}

stele_status stele_ingest_new(const struct stele_ingest_config *config, struct stele_ingest **ret,
                              stele_err *err) {
    stele_status st = check_config(config, err);
    if (st != STELE_OK) {
        return st;
    }
    struct stele_ingest *ingest = stele_alloc(1, sizeof *ingest);
    if (ingest == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the ingest service");
    }
    (void)pthread_mutex_init(&ingest->lock, NULL);
    (void)pthread_mutex_init(&ingest->streams_lock, NULL);
    (void)pthread_cond_init(&ingest->idle, NULL);
    stele_append_calls_init(&ingest->calls);
    set_methods(ingest);
    STELE_TRY(stele_rpc_shares_new(STELE_INGEST_HELD_BYTES_CLIENT_MAX, &ingest->held_of, err));
    uint32_t window = config->duplicate_window_events == 0 ? STELE_DEDUP_WINDOW_DEFAULT
                                                           : config->duplicate_window_events;
    for (size_t i = 0; i < config->n_stores; i++) {
        ingest->store[i] = config->stores[i];
        STELE_TRY(stele_dedup_new(window, &ingest->dedup[i], err));
        STELE_TRY(stele_recall_fill(ingest->store[i], ingest->dedup[i], err));
        STELE_TRY(stele_doubt_new(ingest->store[i], ingest->dedup[i], &ingest->doubt[i], err));
    }
    ingest->admission = (struct stele_admission){ingest->store, config->n_stores, config->access,
                                                 config->default_retention_years};
    STELE_TRY(stele_work_pool_new(n_workers(), &ingest->pool, err));
    STELE_TRY(
        stele_journal_new(ingest->store, config->n_stores, ingest->pool, &ingest->journal, err));
    *ret = ingest;
    ingest = NULL;
cleanup:
    stele_ingest_free(ingest);
    return st;
}

void stele_ingest_free(struct stele_ingest *ingest) {
    if (ingest == NULL) {
        return;
    }
    /* The calls are over, their events may still be on the way: the logs decide them all. */
    (void)pthread_mutex_lock(&ingest->lock);
    while (atomic_load(&ingest->held_calls) > 0) {
        (void)pthread_cond_wait(&ingest->idle, &ingest->lock);
    }
    (void)pthread_mutex_unlock(&ingest->lock);
    if (ingest->journal != NULL) {
        stele_journal_end(ingest->journal);
    }
    stele_work_pool_free(ingest->pool);
    stele_journal_free(ingest->journal);
    for (size_t i = 0; i < STELE_INGEST_REGIONS_MAX; i++) {
        stele_doubt_free(ingest->doubt[i]);
        stele_dedup_free(ingest->dedup[i]);
    }
    stele_append_calls_done(&ingest->calls);
    stele_rpc_shares_free(ingest->held_of);
    (void)pthread_cond_destroy(&ingest->idle);
    (void)pthread_mutex_destroy(&ingest->streams_lock);
    (void)pthread_mutex_destroy(&ingest->lock);
    stele_free(ingest);
}

void stele_ingest_end_streams(struct stele_ingest *ingest) {
    stele_append_stream_end_all(ingest);
}

const struct stele_rpc_method *stele_ingest_methods(struct stele_ingest *ingest, size_t *ret_n) {
    *ret_n = sizeof ingest->method / sizeof *ingest->method;
    return ingest->method;
}

void stele_ingest_stats_of(const struct stele_ingest *ingest, struct stele_ingest_stats *ret) {
    *ret = (struct stele_ingest_stats){
        .events_stored = atomic_load(&ingest->events_stored),
        .events_refused = atomic_load(&ingest->events_refused),
        .events_duplicate = atomic_load(&ingest->events_duplicate),
        .batches = atomic_load(&ingest->batches),
        .busy = atomic_load(&ingest->busy),
    };
}
