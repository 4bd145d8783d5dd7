/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/call.h: the life of one call between the transport's thread, which must not block, and the
 * workers, which may. Layer: query, private to its *_rpc.c files.
 *
 * A handler is three functions. `begin` runs on the transport's thread: it reads the request and
 * asks the gate, and touches no storage. `step` runs on a worker, once or many times, never twice
 * at a time: it does one slice of work and says what it waits for. While a message is on its way to
 * the reader no step runs, so a slow reader holds its own state and no thread. `end` frees; it runs
 * once, when the transport has let go and no step runs: a cancelled call is freed at once, or at
 * its next row.
 */
#ifndef STELE_QUERY_CALL_H
#define STELE_QUERY_CALL_H

#include <pthread.h>
#include <stdatomic.h>

#include "proto/rpc_share.h"
#include "query/gate.h"
#include "query/query.h"
#include "query/workers.h"

typedef enum stele_call_step {
    STELE_CALL_AGAIN,    /* another slice, after the others' turns */
    STELE_CALL_SENT,     /* one message was sent: go on when the transport took it */
    STELE_CALL_FINISHED, /* stele_rpc_finish_ok was called */
} stele_call_step;

struct stele_call;
struct stele_call_kind {
    const char *path;
    stele_rpc_kind rpc;
    bool is_search; /* may take long: counts as an open search, others as waiting calls */
    size_t bytes;   /* of the handler's struct, which begins with struct stele_call */
    stele_status (*begin)(struct stele_call *call, stele_err *err);
    /* On failure the call ends with the error; nothing else is done with *ret. */
    stele_status (*step)(struct stele_call *call, stele_call_step *ret, stele_err *err);
    void (*end)(struct stele_call *call); /* also after a failed begin */
};

typedef enum stele_call_state {
    STELE_CALL_STATE_QUEUED,
    STELE_CALL_STATE_RUNNING,
    STELE_CALL_STATE_WAITING, /* for the transport to take a message */
    STELE_CALL_STATE_FINISHED,
} stele_call_state;

struct stele_call {
    struct stele_query *query;
    const struct stele_call_kind *kind;
    struct stele_rpc_call *rpc;        /* a reference */
    struct stele_rpc_share *share;     /* of the caller: this call is in it */
    struct stele_rpc_message *message; /* owned */
    stele_view request;                /* of the message; valid as long as the call */
    atomic_bool stop;                  /* the reader is gone: a running step ends soon */
    struct stele_job job;
    pthread_mutex_t lock; /* everything below */
    stele_call_state state;
    bool taken; /* the transport took a message while its step still ran */
    bool over;  /* the transport has let go */
};

/* One row of the method table and what its `service` pointer points to. */
struct stele_call_binding {
    struct stele_query *query;
    const struct stele_call_kind *kind;
};
struct stele_rpc_method stele_call_method(struct stele_call_binding *binding);

struct stele_query {
    struct stele_query_config config; /* defaults filled in */
    struct stele_store **stores;      /* what config.stores points to */
    struct stele_workers *workers;
    _Atomic uint32_t n_searches, n_unary;            /* open calls */
    struct stele_rpc_shares *searches_of, *unary_of; /* the same, by client */
    size_t n_methods;
    struct stele_call_binding *binding;
    struct stele_rpc_method *method;
};

/* The store of a region. Errors: NOT_FOUND (not served here). */
STELE_MUST_USE stele_status stele_call_store(const struct stele_call *call, stele_view region,
                                             struct stele_store **ret, stele_err *err);
/* Asks the gate in the name of the caller. */
STELE_MUST_USE stele_status stele_call_gate(const struct stele_call *call, stele_verb verb,
                                            stele_view region, stele_view tenant,
                                            const struct stele_question *question, stele_err *err);

/* The handlers' tables: their kinds, and how many. */
extern const struct stele_call_kind stele_search_kind, stele_get_kind, stele_count_kind,
    stele_explain_kind;
extern const struct stele_call_kind stele_log_kinds[];
extern const size_t stele_n_log_kinds;
extern const struct stele_call_kind stele_status_kind, stele_seal_kind, stele_cut_era_kind,
    stele_replay_kind;

#endif
